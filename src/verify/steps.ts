import type { Kernels } from '../kernels/runtime.js';
import { batchInputs, scalarFormats } from '../model/step.js';
import { scheduleScalars } from '../optim/constants.js';
import { type DetachedClaim, settleFrozen } from '../tensor/deferred.js';
import { type Plan, hashOf } from '../tensor/plan.js';
import { scheduleOf } from '../tensor/schedule.js';
import type { Statement } from '../tensor/statement.js';
import { verifyProgram } from '../tensor/verify.js';
import { VerificationError } from '../transcript/arith.js';
import { NativeChannel } from '../transcript/native.js';
import { scheduleWords } from '../transcript/schedule.js';
import { mergeable, verifyMerge } from '../recursion/merge.js';
import { type ProofPart, type RunProof, type StepProof, LEFT } from '../run/parts.js';
import { checkReleased, frozenOf, meanLoss, noFrozen, stateCommitment, zeroAccumulators } from '../run/commitments.js';
import type { Run } from '../run/facts.js';
import type { Complete, Inputs } from '../run/inputs.js';

export interface RunCheck {
  readonly steps: number;
  readonly losses: number[];
  readonly proofMs: number;
  readonly linearMs: number;
}

/** The commitments that a part leaves and no others: what enters comes from the part before, never from the proof. */
function leftBy(step: number, part: ProofPart): Record<string, readonly bigint[]> {
  return Object.fromEntries(
    LEFT[part.kind].map((c) => {
      const root = part.roots[c];
      if (!Array.isArray(root)) throw new VerificationError('roots of a part', `step ${step}, ${part.kind} lacks ${c}`);
      return [c, root as readonly bigint[]];
    }),
  );
}

/**
 * What the steps of a run leave: claims on frozen tensors not yet settled, the last commitment to adapter and optimiser
 * state.
 */
export interface ChainCheck {
  readonly claims: DetachedClaim[];
  readonly last: readonly bigint[];
  readonly losses: number[];
  readonly proofMs: number;
  readonly linearMs: number;
}

/**
 * Verifies the proof of one part against its statement; the claim on frozen tensors that it leaves, if its program has
 * any. Throws VerificationError.
 */
function checkPart(k: Kernels, step: number, plan: Plan, part: ProofPart, st: Statement): DetachedClaim | undefined {
  for (const x of plan.program.tensors) {
    const v = st.publics.get(x.name);
    if (x.publicKind === 'dense' && v instanceof BigInt64Array)
      for (const y of v)
        if (y < x.lo || y > x.hi) throw new VerificationError('public input', `step ${step}: ${x.name} is outside its format`);
  }
  const words = scheduleWords(scheduleOf(plan, st));
  if (part.proof.length !== words)
    throw new VerificationError('proof length', `step ${step}, ${part.kind}: ${part.proof.length} words, the program needs ${words}`);
  let ch: NativeChannel | undefined;
  try {
    ch = new NativeChannel(k, part.proof, hashOf(plan));
    const d = verifyProgram(ch, plan, st);
    ch.finish();
    return plan.frozenVars ? d.detach(ch) : undefined;
  } catch (e) {
    if (e instanceof VerificationError) throw new VerificationError(e.check, `step ${step}, ${part.kind}: ${e.message}`);
    throw e;
  } finally {
    ch?.close();
  }
}

/**
 * Verifies every step proof against the batch that the sampler prescribes and the schedule's row, from the initial
 * state, each step's commitments out being the next one's in. The claims returned are not settled.
 */
export function checkSteps(
  k: Kernels,
  { manifest, programs, facts }: Run,
  { data, initial }: Pick<Complete, 'data' | 'initial'>,
  proofs: readonly StepProof[],
  frozen: readonly bigint[],
  onStep?: (step: number) => void,
): ChainCheck {
  const t0 = performance.now(),
    { train } = manifest.config,
    { program, plan, update } = programs,
    { context } = facts;
  if (proofs.length !== train.steps) throw new VerificationError('number of steps', `${proofs.length} proofs for ${train.steps} steps`);
  let sIn: readonly bigint[] = stateCommitment(k, programs, 'sIn', initial);
  const zeroAcc = zeroAccumulators(programs),
    linearMs = performance.now() - t0,
    rows = Math.min(train.batch, train.microBatch);
  let proofMs = 0;
  const claims: DetachedClaim[] = [],
    losses: number[] = [];
  const one = (step: number, plan: Plan, part: ProofPart, st: Statement): void => {
    const claim = checkPart(k, step, plan, part, st);
    if (claim) claims.push(claim);
  };
  proofs.forEach((p, step) => {
    if (p.step !== step) throw new VerificationError('order of steps', `proof ${step} is of step ${p.step}`);
    const t = performance.now(),
      b = data.batches[step],
      scalars = Object.entries(scheduleScalars(facts.rows.at(step)!, b.targets, train.clip, scalarFormats(program), step)).map(
        ([n, v]) => [n, BigInt64Array.of(v)] as const,
      );
    const kinds = update ? [...b.micro.map(() => 'micro'), 'update'] : ['step'];
    if (p.parts.length !== kinds.length || p.parts.some((x, i) => x.kind !== kinds[i]))
      throw new VerificationError('parts of a step', `step ${step} needs ${kinds.join(', ')}`);
    let aIn: readonly bigint[] = zeroAcc,
      sum = 0n;
    p.parts.forEach((part, i) => {
      const left = leftBy(step, part);
      if (part.kind === 'update') {
        if (part.loss !== 0n) throw new VerificationError('loss of an update', `step ${step}: an update has no loss`);
        one(step, update!.plan, part, { context, roots: { sIn, aIn, ...left }, frozen: noFrozen(), publics: new Map(scalars) });
        return;
      }
      // Before it becomes a word of 64 bits: the sum takes it as it is.
      if (typeof part.loss !== 'bigint' || BigInt.asIntN(64, part.loss) !== part.loss)
        throw new VerificationError('public input', `step ${step}: loss is outside its format`);
      const publics = new Map<string, BigInt64Array | Int32Array>([
        ...batchInputs(b.micro[i], rows, train.sequence),
        ...scalars,
        ['loss', BigInt64Array.of(part.loss)],
      ]);
      one(step, plan, part, { context, roots: { sIn, ...(update ? { aIn } : {}), ...left }, frozen, publics });
      if (part.kind === 'micro') aIn = left['aOut'];
      sum += part.loss;
    });
    const last = leftBy(step, p.parts[p.parts.length - 1]);
    sIn = last['sOut'];
    losses.push(meanLoss(programs, b.targets, sum));
    proofMs += performance.now() - t;
    onStep?.(step);
  });
  return { claims, last: sIn, losses, proofMs, linearMs };
}

/** Verifies a merge proof; the one claim that remains is still to be settled. */
export function checkMerge(
  k: Kernels,
  plan: Plan,
  frozen: readonly bigint[],
  claims: readonly DetachedClaim[],
  proof: BigUint64Array,
): DetachedClaim {
  mergeable(plan, claims);
  const ch = new NativeChannel(k, proof, hashOf(plan));
  try {
    const d = verifyMerge(ch, plan, frozen, claims);
    ch.finish();
    return d.detach(ch);
  } finally {
    ch.close();
  }
}

/**
 * Verifies a whole run: every step (checkSteps), the last state against the released adapter, the merge of all claims
 * on frozen tensors and, by one evaluation of the base, the claim that remains.
 */
export function verifyRun(
  k: Kernels,
  run: Run,
  inputs: Complete & Required<Pick<Inputs, 'released'>>,
  proof: RunProof,
  onStep?: (step: number) => void,
): RunCheck {
  const t0 = performance.now(),
    { programs } = run,
    fz = frozenOf(k, programs, inputs.base),
    t1 = performance.now(),
    { claims, last, losses, proofMs, linearMs } = checkSteps(k, run, inputs, proof.steps, fz.digest, onStep),
    t2 = performance.now();
  checkReleased(k, programs, last, inputs.released);
  const t3 = performance.now(),
    merged = checkMerge(k, programs.plan, fz.digest, claims, proof.merge),
    t4 = performance.now();
  settleFrozen(k, fz.ptr, fz.cells, [merged]);
  return {
    steps: proof.steps.length,
    losses,
    proofMs: proofMs + t4 - t3,
    linearMs: linearMs + (t1 - t0) + (t3 - t2) + performance.now() - t4,
  };
}
