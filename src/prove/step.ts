import type { Kernels } from '../kernels/runtime.js';
import { explained } from '../model/remedies.js';
import { type AdapterState, batchInputs, stepInputs } from '../model/step.js';
import { IntegerReading } from '../tensor/integer.js';
import type { Plan } from '../tensor/plan.js';
import { proveProgram } from '../tensor/prove.js';
import type { StateTrees } from '../tensor/state-trees.js';
import type { Program } from '../tensor/types.js';
import { proveMerge } from './merge.js';
import { manifestWords } from '../run/manifest.js';
import type { Setup } from '../run/inputs.js';
import { type Frozen, type ProofPart, type StepProof, LEFT } from '../run/parts.js';
import { noFrozen } from '../run/commitments.js';
import { checkSteps } from '../verify/steps.js';

/** Runs the readings of a step in order; the losses are those of its micro-batches, each summed over its targets; `each` sees every finished reading before its memory is given back. Throws OverflowError. */
export function runStep(
  k: Kernels,
  s: Setup,
  step: number,
  state: AdapterState,
  each?: (kind: ProofPart['kind'], plan: Plan, r: IntegerReading) => void,
): { after: AdapterState; losses: bigint[] } {
  const { config } = s,
    b = s.batches[step],
    rows = Math.min(config.train.batch, config.train.microBatch);
  let acc: BigInt64Array = new BigInt64Array(state.C.length),
    after: AdapterState | undefined;
  const losses: bigint[] = [];
  const go = (kind: ProofPart['kind'], program: Program, plan: Plan, publics: ReturnType<typeof batchInputs>): void => {
    k.scope(() => {
      const inputs = stepInputs(program, s.frozen, state, publics, s.rows[step], b.targets, config.train.clip, step, acc),
        r = new IntegerReading(k, program, inputs);
      r.run();
      if (kind !== 'update') losses.push(r.read('loss')[0]);
      each?.(kind, plan, r);
      if (kind === 'micro') acc = r.read('acc2');
      else after = stateAfter(r);
    });
  };
  try {
    for (const mb of b.micro) go(s.update ? 'micro' : 'step', s.program, s.plan, batchInputs(mb, rows, config.train.sequence));
    if (s.update) go('update', s.update.program, s.update.plan, new Map());
  } catch (e) {
    throw explained(e, step);
  }
  return { after: after!, losses };
}

const stateAfter = (r: IntegerReading): AdapterState => ({
  C: r.read('C2'),
  master: r.read('master2'),
  mm: r.read('mm2'),
  vv: r.read('vv2'),
});

/** Proves one step from the state before it. `trees`: those of states that the steps before have left, for a run of steps in order. */
export function proveStep(
  k: Kernels,
  s: Setup,
  step: number,
  state: AdapterState,
  digest: readonly bigint[],
  onPhase?: (p: string) => void,
  trees?: StateTrees,
): { proof: StepProof; after: AdapterState } {
  const parts: ProofPart[] = [],
    context = manifestWords(s.manifest);
  const { after } = runStep(k, s, step, state, (kind, plan, r) => {
    const { proof, statement } = proveProgram(k, plan, r, {
      frozenDigest: kind === 'update' ? noFrozen() : digest,
      context,
      ...(trees ? { trees } : {}),
      ...(onPhase ? { onPhase: (p: string) => onPhase(`${kind} ${p}`) } : {}),
    });
    parts.push({
      kind,
      proof,
      roots: Object.fromEntries(LEFT[kind].map((c) => [c, statement.roots[c]])),
      loss: kind === 'update' ? 0n : r.read('loss')[0],
    });
  });
  return { proof: { step, parts }, after };
}

/** Merges the claims that the steps leave: verifies them first, so that a run is never finished on a proof that does not hold. */
export function mergeRun(k: Kernels, s: Setup, steps: readonly StepProof[], fz: Frozen, onStep?: (step: number) => void): BigUint64Array {
  return proveMerge(k, s.plan, fz.digest, checkSteps(k, s, steps, fz.digest, onStep).claims, fz.ptr, fz.cells);
}
