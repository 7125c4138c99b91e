import { inv } from '../../field/goldilocks.js';
import { DOMAIN } from '../../hash/poseidon2.js';
import { ROW_VERSION } from '../../policy/rows/digest.js';
import type { PolicyShape } from '../../policy/vector.js';
import type { Elem } from '../../transcript/arith.js';
import type { Opened } from './vector.js';
import type { Wires } from './wires.js';

/** A row's words as the program absorbs them: the same wires, so that nothing is left to compare. */
export interface RowElems {
  readonly tokens: readonly Elem[];
  readonly mask: readonly Elem[];
  /** Bits of the mask, from `split`. */ readonly bits: readonly Elem[];
}

/** What a prover knows of a row besides its words. */
export interface RowInput {
  readonly salt: readonly bigint[];
  readonly class: number;
  readonly length: number;
  readonly path: readonly (readonly bigint[])[];
  readonly bins: bigint;
  readonly eligible: boolean;
  readonly classPath: readonly (readonly bigint[])[];
}

/** An absent row, as its prover fills it in: nothing of it is compared. */
export const absentRow = (): RowInput => ({
  salt: [0n, 0n, 0n, 0n],
  class: 0,
  length: 0,
  path: [],
  bins: 0n,
  eligible: false,
  classPath: [],
});

/**
 * Row `index` of the dataset has these words, and trains something; an absent row has zeros. Returns its targets and
 * its bits of bins, zero where it is absent.
 * Free: salt, class and length, bound by the row's digest under the root; bins and eligibility, bound by the class
 * table's root; an inverse of the number of targets, which has one where it is not zero: what
 * counts as an example trains something. The gate p multiplies equalities only: shape and ranges are the same for
 * absent rows.
 */
export function memberRow(
  w: Wires,
  shape: PolicyShape,
  pi: Opened,
  row: RowElems,
  present: Elem,
  index: Elem,
  given?: RowInput,
): { targets: Elem; bins: Elem[] } {
  const { ch } = w,
    targets = w.sum(row.bits),
    salt = w.words('salt', 4, given?.salt),
    cls = w.word('class', given && BigInt(given.class)),
    length = w.word('length', given && BigInt(given.length)),
    content = ch.hash(DOMAIN.content, [...salt, ...row.tokens, ...row.mask]),
    digest = ch.hash(DOMAIN.row, [...content, cls, targets, length, w.constant(ROW_VERSION)]);
  w.equalWhere(present, w.climb(digest, ch.split(index, shape.depth, 'row index'), given?.path), pi.root, 'dataset root');
  // The last token of a row predicts none.
  ch.assertEqual(row.bits[row.bits.length - 1], w.zero, 'last mask bit');
  const n = w.value(targets),
    inverse = w.word('targets inverse', n === 0n ? 0n : inv(n));
  ch.assertEqual(ch.mul(targets, inverse), present, 'row without targets');
  const absent = w.not(present);
  for (const x of [...row.tokens, ...row.mask]) ch.assertEqual(ch.mul(absent, x), w.zero, 'absent row');

  const bins = w.word('class bins', given?.bins),
    eligible = w.word('class eligible', given && (given.eligible ? 1n : 0n)),
    known = ch.hash(DOMAIN.class, [cls, bins, eligible]);
  w.equalWhere(present, w.climb(known, ch.split(cls, shape.classDepth, 'class number'), given?.classPath), pi.classRoot, 'class table');
  w.equalWhere(present, [eligible], [w.one], 'eligible');
  const bits = ch.split(bins, 62, 'class bins').slice(0, shape.bins);
  return { targets, bins: bits.map((b) => ch.mul(present, b)) };
}
