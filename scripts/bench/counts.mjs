// What a verifier spends, counted by running it on a recording channel: no proof is needed, the shape of the program decides.
import { blankStatement } from '../../dist/estimate/counts.js';
import { PublicValues, evalPublic } from '../../dist/tensor/public-values.js';
import { verifyStatement } from '../../dist/tensor/verify.js';
import { statementElems } from '../../dist/tensor/statement.js';
import { RecordingChannel } from '../../dist/transcript/index.js';

/** Poseidon2 permutations and multiplications in E; of these, the evaluation of the public inputs (one-hot, masks), linear in tokens. */
export function counts(plan, statement = blankStatement(plan)) {
  const all = new RecordingChannel(),
    part = new RecordingChannel(),
    st = statementElems(all, plan.program, plan.states, statement);
  verifyStatement(all, plan, st);
  const publics = new PublicValues(part, plan, st),
    axes = new Map(plan.axes.map((a) => [a.axis, Array(a.vars).fill(0)])),
    points = { rho: Array(plan.logup.vars).fill(0), axes };
  for (const f of plan.factors) if (f.tensor.cls === 'public') evalPublic(part, plan, f, publics, points);
  return {
    permutations: all.permutations,
    multiplications: all.muls,
    publicMultiplications: part.muls,
    otherMultiplications: all.muls - part.muls,
    messages: all.schedule.length,
  };
}
