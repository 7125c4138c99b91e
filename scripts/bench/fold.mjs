// What verifying a proof inside a circuit takes: permutations of one step proof for one and for thirty layers, rows and cells of the circuits that
// fold it. Shapes alone, nothing is proven; node scripts/bench-fold.mjs proves two steps and folds them, scripts/bench-run.mjs whole runs.
import { recursionClass } from '../../dist/recursion/class.js';
import { programsDigest } from '../../dist/recursion/statement.js';
import { BITS, SMOLLM2, STORIES, planOf, say, stepProgram } from './common.mjs';
import { counts } from './counts.mjs';

const stories = (layers) => ({ ...STORIES, layers }),
  smol = (layers) => ({ ...SMOLLM2, layers });
const CASES = [
  ['width 64, 1 layer, 8 x 64 tokens', stories(1), 8],
  ['width 64, 5 layers, 8 x 64 tokens', stories(5), 8],
  ['width 64, 30 layers, 8 x 64 tokens', stories(30), 8],
  ['width 576, 1 layer, 1 x 64 tokens', smol(1), 1],
  ['width 576, 30 layers, 1 x 64 tokens', smol(30), 1],
];

export default function fold() {
  return [128, 100].flatMap((bits) =>
    CASES.map(([label, shape, sequences]) => {
      const program = stepProgram({ shape, bits: BITS }, sequences, 64, 8),
        plan = planOf(program, bits),
        start = performance.now(),
        cls = recursionClass(
          { programs: programsDigest([program]), zeroAcc: Array(10).fill(0n), baseVars: plan.frozenVars },
          [{ kind: 'step', plan, rows: [1] }],
          { bits, grinding: 16, rate: 2, stateRate: 2 },
        );
      const permutations = (r) => r.P + r.M,
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
          cells: cls.plan.layouts.get('witness').cells,
          node: counts(cls.plan).permutations,
          compileSeconds: Number(((performance.now() - start) / 1000).toFixed(1)),
        };
      say(JSON.stringify(row));
      return row;
    }),
  );
}
