// What a verifier spends, counted by running it on a recording channel: no proof is needed, the shape of the program decides.
import { PublicValues, evalPublic, verifyStatement } from '../../dist/tensor/verify.js';
import { statementElems } from '../../dist/tensor/statement.js';
import { commitmentLayout } from '../../dist/tensor/state-layout.js';
import { RecordingChannel } from '../../dist/transcript/index.js';

/** Any statement of the plan's shape: ids "none", zeros, roots of zeros. */
export function emptyStatement(plan) {
  const p = plan.program,
    size = (axes) => axes.reduce((n, a) => n * p.axes[a], 1),
    publics = new Map();
  for (const t of p.tensors) {
    if (t.cls !== 'public' || t.publicKind === 'causal') continue;
    if (t.publicKind === 'onehot') publics.set(t.name, new Int32Array(size(t.axes.slice(1))).fill(-1));
    else publics.set(t.name, new BigInt64Array(size(t.axes)).fill(t.lo > 0n ? t.lo : 0n));
  }
  const roots = Object.fromEntries(plan.states.map((t) => [t.name, Array(commitmentLayout(t).words).fill(0n)]));
  return { roots, frozen: Array(8).fill(0n), publics };
}

/** Poseidon2 permutations and multiplications in E; of these, the evaluation of the public inputs (one-hot, masks), linear in tokens. */
export function counts(plan, statement = emptyStatement(plan)) {
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
