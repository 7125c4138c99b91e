import type { FoldedRun } from '../artifact/folded.js';
import { VIEW, VIEW_ALL } from '../recursion/statement.js';
import { VerificationError } from '../transcript/arith.js';

/*
 * The view of an end: which of its words it publishes, where those are not zero. The flags follow from the kind of the
 * proof and from the manifest that its statement names, and are taken from nowhere else.
 */

/** Whether the end of a run says which adapter it has left: one that hides nothing always does. */
export const showsAdapter = ({ hides, manifest }: Pick<FoldedRun, 'hides' | 'manifest'>): boolean =>
  hides !== true || manifest.config.show.adapter === 'commitment';

/** Flags of the end of a run. A certificate publishes nothing of what is left but the adapter, if that. */
export const viewOf = (x: Pick<FoldedRun, 'hides' | 'manifest'>): readonly bigint[] =>
  x.hides ? VIEW.map((flag) => (flag === 'adapter' && showsAdapter(x) ? 1n : 0n)) : VIEW_ALL;

/** Checks that a statement was made under the flags of its run. Throws VerificationError. */
export function checkView(x: Pick<FoldedRun, 'hides' | 'manifest'>, shows: readonly bigint[]): void {
  const want = viewOf(x);
  if (shows.length !== want.length || shows.some((w, i) => w !== want[i]))
    throw new VerificationError(
      'view',
      `the proof was made under other flags than those of ${x.hides ? 'a certificate' : 'an end'} of this run`,
    );
}
