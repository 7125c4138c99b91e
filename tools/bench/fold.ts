/**
 * What verifying a proof inside a circuit takes: permutations of one step proof for one and for thirty layers, rows and
 * cells of the circuits that fold it. Shapes alone, nothing is proven: node.ts proves two steps and folds them, run.ts
 * whole runs.
 */
import type { Heights } from 'certune/circuit';
import type { LlamaShape } from 'certune/model';
import { programsDigest, recursionClass } from 'certune/recursion';
import { SMOLLM2, STORIES } from '../shapes.js';
import { BITS, cellsOf, planOf, say, stepProgram } from './common.js';
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
        cls = recursionClass(
          { programs: programsDigest([program]), zeroAcc: Array<bigint>(10).fill(0n), baseVars: plan.frozenVars },
          [{ kind: 'step', plan, rows: [1] }],
          { bits, grinding: 16, rate: 2, stateRate: 2 },
        );
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
