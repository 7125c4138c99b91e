import type { FoldedRun } from '../artifact/folded.js';
import { VIEW, VIEW_ALL } from '../recursion/statement.js';
import { VerificationError } from '../transcript/arith.js';

/*
 * The view of an end: which of its words it publishes, where those are not zero. The flags follow from the kind of the
 * proof, and are taken from no file.
 */

/** Flags of the end of a run. A certificate publishes nothing of what is left but the adapter. */
export const viewOf = (hides: boolean): readonly bigint[] => (hides ? VIEW.map((flag) => (flag === 'adapter' ? 1n : 0n)) : VIEW_ALL);

/** Checks that a statement was made under the flags of its run. Throws VerificationError. */
export function checkView(x: Pick<FoldedRun, 'hides'>, shows: readonly bigint[]): void {
  const want = viewOf(x.hides === true);
  if (shows.length !== want.length || shows.some((w, i) => w !== want[i]))
    throw new VerificationError(
      'view',
      `the proof was made under other flags than those of ${x.hides ? 'a certificate' : 'an end'} of this run`,
    );
}
