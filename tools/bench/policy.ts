/**
 * What the policy of a run adds to a leaf: rows of its circuit for a step of 8 rows, by length of a row and depth of
 * the tree of rows. Shapes alone, nothing is proven. Words and mask bits of the rows are the step proof's and not
 * counted. The schedule's table has 2^12 steps. Then, printed only, the leaf and the class of stories260k's step (8 x
 * 64 tokens) without the policy and with it: every node pays for the cells of its class.
 */
import { CircuitChannel } from 'certune/circuit';
import { type PolicyShape, rowShape } from 'certune/policy';
import { PolicyLeaf } from 'certune/recursion';
import { STORIES } from '../shapes.js';
import { BITS, cellsOf, classOf, planOf, policyShape, say, stepProgram } from './common.js';

const ROWS = 8,
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
  readonly B: number;
}

const shapeOf = (depth: number): PolicyShape => policyShape(depth, SCHEDULE_DEPTH);

function rowsOf(tokens: number, vocab: number, depth: number): PolicyRow {
  const shape = shapeOf(depth),
    { rounds } = shape,
    row = rowShape(tokens, vocab);
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
    B: ch.rows.B.from.length / 3,
  };
}

/** Rows P and M of the leaf and cells of the class, for a step that shares no leaf with another. */
function classFigures(depth?: number): { readonly depth?: number; readonly permutations: number; readonly cells: number } {
  const program = stepProgram({ shape: STORIES, bits: BITS }, ROWS, 64, 8),
    policy = depth === undefined ? undefined : { ...shapeOf(depth), size: ROWS },
    cls = classOf(program, planOf(program), 128, policy),
    [, leaf] = cls.rows;
  return { ...(depth === undefined ? {} : { depth }), permutations: leaf.P + leaf.M, cells: cellsOf(cls.plan, 'witness') };
}

export function policyRows(): PolicyRow[] {
  const told = <T>(x: T): T => {
      say(JSON.stringify(x));
      return x;
    },
    rows = TEXTS.flatMap(([tokens, vocab]) => DEPTHS.map((depth) => told(rowsOf(tokens, vocab, depth))));
  for (const depth of [undefined, ...DEPTHS]) told(classFigures(depth));
  return rows;
}
