import type { Kernels } from '../kernels/runtime.js';
import { explained } from '../model/remedies.js';
import { type AdapterState, batchInputs, stepInputs } from '../model/step.js';
import { IntegerReading } from '../tensor/integer.js';
import type { Plan } from '../tensor/plan.js';
import { proveProgram } from '../tensor/prove.js';
import type { StateSalts } from '../tensor/state-layout.js';
import type { StateTrees } from '../tensor/state-trees.js';
import type { Program } from '../tensor/types.js';
import { proveMerge } from './merge.js';
import { type Frozen, type ProofPart, type StepProof, LEFT } from '../run/parts.js';
import { accumulatorsSalt, noFrozen, stateSalt } from '../run/commitments.js';
import { checkSteps } from '../verify/steps.js';
import type { Run } from '../run/facts.js';
import type { Complete } from '../run/inputs.js';

/**
 * Runs the readings of a step in order; the losses are those of its micro-batches, each summed over its targets; `each`
 * sees every finished reading before its memory is given back. Throws OverflowError.
 */
export const runStep = (
  k: Kernels,
  run: Run,
  inputs: Pick<Complete, 'base' | 'data'>,
  step: number,
  state: AdapterState,
  each?: (kind: ProofPart['kind'], plan: Plan, r: IntegerReading) => void,
): { after: AdapterState; losses: bigint[] } =>
  readStep(k, run, inputs, step, state, (kind, plan, r) => {
    r.run();
    each?.(kind, plan, r);
  });

/** The same of readings that have their inputs alone: `finish` runs them. */
function readStep(
  k: Kernels,
  { programs, manifest, facts }: Run,
  { base, data }: Pick<Complete, 'base' | 'data'>,
  step: number,
  state: AdapterState,
  finish: (kind: ProofPart['kind'], plan: Plan, r: IntegerReading) => void,
): { after: AdapterState; losses: bigint[] } {
  const { train } = manifest.config,
    b = data.batches[step],
    rows = Math.min(train.batch, train.microBatch);
  let acc: BigInt64Array = new BigInt64Array(state.C.length),
    after: AdapterState | undefined;
  const losses: bigint[] = [];
  const go = (kind: ProofPart['kind'], program: Program, plan: Plan, publics: ReturnType<typeof batchInputs>): void => {
    k.scope(() => {
      const inputs = stepInputs(program, base.frozen, state, publics, facts.rows.at(step)!, b.targets, train.clip, step, acc),
        r = new IntegerReading(k, program, inputs);
      finish(kind, plan, r);
      if (kind !== 'update') losses.push(r.read('loss')[0]);
      if (kind === 'micro') acc = r.read('acc2');
      else after = stateAfter(r);
    });
  };
  try {
    const { program, plan, update } = programs;
    for (const mb of b.micro) go(update ? 'micro' : 'step', program, plan, batchInputs(mb, rows, train.sequence));
    if (update) go('update', update.program, update.plan, new Map());
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

/**
 * Proves one step from the state before it. `trees`: those of states that the steps before have left, for a run of
 * steps in order. `wanted`: the parts that somebody reads; the others have their losses and neither roots nor a proof.
 * `entered`: commitment to the state before the step, as its proofs name it.
 */
export function proveStep(
  k: Kernels,
  run: Run,
  inputs: Pick<Complete, 'base' | 'data'>,
  step: number,
  state: AdapterState,
  digest: readonly bigint[],
  onPhase?: (p: string) => void,
  trees?: StateTrees,
  wanted: (part: number) => boolean = () => true,
): { proof: StepProof; after: AdapterState; entered: readonly bigint[] } {
  let entered: readonly bigint[] = [];
  const parts: ProofPart[] = [],
    { context } = run.facts,
    saltsOf = (part: number): StateSalts => ({
      sIn: stateSalt(run, inputs.data, step),
      sOut: stateSalt(run, inputs.data, step + 1),
      aIn: accumulatorsSalt(run, inputs.data, step, part),
      aOut: accumulatorsSalt(run, inputs.data, step, part + 1),
    });
  const { after } = readStep(k, run, inputs, step, state, (kind, plan, r) => {
    const loss = (): bigint => (kind === 'update' ? 0n : r.read('loss')[0]);
    if (!wanted(parts.length)) {
      // On the CPU: nobody would see that a device has computed it wrongly.
      r.run();
      parts.push({ kind, proof: new BigUint64Array(0), roots: {}, loss: loss() });
      return;
    }
    const { proof, statement } = proveProgram(k, plan, r, {
      frozenDigest: kind === 'update' ? noFrozen() : digest,
      context,
      salts: saltsOf(parts.length),
      train: true,
      ...(trees ? { trees } : {}),
      ...(onPhase ? { onPhase: (p: string) => onPhase(`${kind} ${p}`) } : {}),
    });
    entered = statement.roots['sIn'];
    parts.push({
      kind,
      proof,
      roots: Object.fromEntries(LEFT[kind].map((c) => [c, statement.roots[c]])),
      loss: loss(),
    });
  });
  return { proof: { step, parts }, after, entered };
}

/**
 * Merges the claims that the steps leave: verifies them first, so that a run is never finished on a proof that does not
 * hold.
 */
export function mergeRun(
  k: Kernels,
  run: Run,
  inputs: Pick<Complete, 'data' | 'initial'>,
  steps: readonly StepProof[],
  fz: Frozen,
  onStep?: (step: number) => void,
): BigUint64Array {
  const { claims } = checkSteps(k, run, inputs, steps, fz.digest, onStep);
  return proveMerge(k, run.programs.plan, fz.digest, claims, fz.ptr, fz.cells);
}
