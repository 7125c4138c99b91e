/**
 * What the policy of a run adds to a leaf: rows of its circuit for a step of 8 rows, by length of a row and depth of
 * the tree of
 * rows. Shapes alone, nothing is proven. Words and mask bits of the rows are the step proof's and not counted. The
 * schedule's table has 2^12 steps.
 */
import { CircuitChannel } from 'certune/circuit';
import { type PolicyShape, orderShape, rowShape } from 'certune/policy';
import { PolicyLeaf } from 'certune/recursion';
import { say } from './common.js';

const ROWS = 8,
  BINS = 16,
  WALKS = 2,
  CLASS_DEPTH = 8,
  SCHEDULE_DEPTH = 12;
/** Tokens of a row, and vocabulary. */
const TEXTS = [
  [64, 512],
  [256, 49_152],
  [2048, 128_256],
] as const;
const DEPTHS = [12, 20, 24] as const;

export interface PolicyRow {
  readonly tokens: number;
  readonly vocab: number;
  readonly depth: number;
  /** Rounds of the permutation of 2^depth rows. */ readonly rounds: number;
  readonly P: number;
  readonly M: number;
  readonly S: number;
  readonly F: number;
}

function rowsOf(tokens: number, vocab: number, depth: number): PolicyRow {
  const { rounds } = orderShape(2 ** depth),
    row = rowShape(tokens, vocab),
    shape: PolicyShape = {
      depth,
      rounds,
      walks: WALKS,
      bins: BINS,
      classDepth: CLASS_DEPTH,
      scheduleDepth: SCHEDULE_DEPTH,
      innerRounds: 0,
      innerWalks: 0,
      strataDepth: 0,
      replacement: false,
    };
  const ch = new CircuitChannel(),
    zero = ch.constant(0n),
    words = (n: number): ReturnType<CircuitChannel['word']>[] => Array.from({ length: n }, () => ch.word(0n)),
    leaf = new PolicyLeaf(ch, shape, [zero, zero, zero, zero]),
    batch = Array.from({ length: ROWS }, () => {
      const mask = words(row.maskWords);
      return { tokens: words(row.tokenWords), mask, bits: mask.flatMap((m, k) => ch.split(m, Math.min(62, tokens - 62 * k))) };
    }),
    [step, micro, epoch, drawn, wrap, clip] = words(6),
    scalars = { scalars: words(3), clip: { name: 'clipN', frac: 26, value: clip } } as const,
    place = { step, micro, epoch, drawn },
    before = ch.rows.S.value.length;
  const { targets } = leaf.batch(place, batch, true);
  leaf.endStep(place, undefined, targets, wrap, scalars);
  leaf.finish(false);
  return {
    tokens,
    vocab,
    depth,
    rounds,
    P: ch.rows.P.out.length,
    M: ch.rows.M.out.length,
    S: ch.rows.S.value.length - before,
    F: ch.rows.F.from.length / 3,
  };
}

export const policyRows = (): PolicyRow[] =>
  TEXTS.flatMap(([tokens, vocab]) =>
    DEPTHS.map((depth) => {
      const row = rowsOf(tokens, vocab, depth);
      say(JSON.stringify(row));
      return row;
    }),
  );
