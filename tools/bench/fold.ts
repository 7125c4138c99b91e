/**
 * What verifying a proof inside a circuit takes: permutations of one step proof for one and for thirty layers, rows and
 * cells of the circuits that fold it. Shapes alone, nothing is proven: node.ts proves two steps and folds them, run.ts
 * whole runs.
 */
import type { Heights } from 'certune/circuit';
import type { LlamaShape } from 'certune/model';
import { nodeCells } from 'certune/recursion';
import { SMOLLM2, STORIES } from '../shapes.js';
import { BITS, cellsOf, classOf, planOf, policyShape, say, stepProgram } from './common.js';
import { counts } from './counts.js';

const stories = (layers: number): LlamaShape => ({ ...STORIES, layers }),
  smol = (layers: number): LlamaShape => ({ ...SMOLLM2, layers });
const CASES: readonly (readonly [label: string, shape: LlamaShape, sequences: number])[] = [
  ['width 64, 1 layer, 8 x 64 tokens', stories(1), 8],
  ['width 64, 5 layers, 8 x 64 tokens', stories(5), 8],
  ['width 64, 30 layers, 8 x 64 tokens', stories(30), 8],
  ['width 576, 1 layer, 1 x 64 tokens', smol(1), 1],
  ['width 576, 30 layers, 1 x 64 tokens', smol(30), 1],
];

/** One row of so many tokens. */
const LONG: readonly (readonly [label: string, shape: LlamaShape])[] = [
    ['stories260k', STORIES],
    ['SmolLM2-135M, 1 layer', smol(1)],
    ['SmolLM2-135M', SMOLLM2],
  ],
  TOKENS = [64, 256, 512, 1024, 2048] as const;

export interface LongRow {
  readonly label: string;
  readonly tokens: number;
  /** Whether leaves look up ids. */ readonly lookUp: boolean;
  /** Cells of the rows that leaf and fold use, and of a node of their class. */
  readonly leaf: number;
  readonly fold: number;
  readonly node: number;
  /** The same with a policy of one row: a tree of 2^20 rows, 16 bins, a schedule of 2^16 steps. */
  readonly policyLeaf: number;
  readonly policyFold: number;
  readonly policyNode: number;
}

const POLICY = policyShape(20, 16);

/** Cells of leaf and fold by the tokens of one row. */
export function longRows(): LongRow[] {
  return LONG.flatMap(([label, shape]) =>
    TOKENS.map((tokens): LongRow => {
      const program = stepProgram({ shape, bits: BITS }, 1, tokens, 8),
        plan = planOf(program, 128),
        [bare, own] = [classOf(program, plan), classOf(program, plan, 128, { ...POLICY, size: 1 })],
        row = {
          label,
          tokens,
          lookUp: bare.run.lookUp === true,
          leaf: nodeCells(bare.rows[1]),
          fold: nodeCells(bare.rows[0]),
          node: cellsOf(bare.plan, 'witness'),
          policyLeaf: nodeCells(own.rows[1]),
          policyFold: nodeCells(own.rows[0]),
          policyNode: cellsOf(own.plan, 'witness'),
        };
      say(JSON.stringify(row));
      return row;
    }),
  );
}

export interface FoldRow {
  readonly label: string;
  readonly bits: number;
  /** Permutations: of verifying the step's proof, in the rows of leaf, fold and end, of verifying a node. */
  readonly step: number;
  readonly leaf: number;
  readonly fold: number;
  readonly end: number;
  readonly leafRows: Heights;
  readonly foldRows: Heights;
  /** Committed cells of a node. */ readonly cells: number;
  readonly node: number;
  readonly compileSeconds: number;
}

export function foldRows(): FoldRow[] {
  return [128, 100].flatMap((bits) =>
    CASES.map(([label, shape, sequences]): FoldRow => {
      const program = stepProgram({ shape, bits: BITS }, sequences, 64, 8),
        plan = planOf(program, bits),
        start = performance.now(),
        cls = classOf(program, plan, bits);
      const permutations = (r: Heights): number => r.P + r.M,
        [folding, leaf, end] = cls.rows,
        row = {
          label,
          bits,
          step: counts(plan).permutations,
          leaf: permutations(leaf),
          fold: permutations(folding),
          end: permutations(end),
          leafRows: leaf,
          foldRows: folding,
          cells: cellsOf(cls.plan, 'witness'),
          node: counts(cls.plan).permutations,
          compileSeconds: Number(((performance.now() - start) / 1000).toFixed(1)),
        };
      say(JSON.stringify(row));
      return row;
    }),
  );
}
