import type { Kernels } from '../kernels/runtime.js';
import { batchInputs, stepInputs, unflattenGroup, type AdapterState } from '../model/step.js';
import { scheduleScalars } from '../optim/constants.js';
import { commitBase } from '../pcs/index.js';
import { type DetachedClaim, settleFrozen } from '../tensor/deferred.js';
import { IntegerReading } from '../tensor/integer.js';
import { fillStack, powerSum, proveProgram } from '../tensor/prove.js';
import { START_POINT, type Statement, frozenDigest } from '../tensor/statement.js';
import { tableColumns } from '../tensor/tables.js';
import type { Plan } from '../tensor/plan.js';
import type { Program, TensorClass } from '../tensor/types.js';
import { verifyProgram } from '../tensor/verify.js';
import { type Ext, NativeChannel, VerificationError } from '../transcript/index.js';
import type { Setup } from './setup.js';

/** One program proof of a step: words, roots of the state it leaves, loss summed over its targets (0 for an update). */
export interface ProofPart {
  readonly kind: 'step' | 'micro' | 'update';
  readonly proof: BigUint64Array;
  readonly roots: Readonly<Record<string, readonly bigint[]>>;
  readonly loss: bigint;
}

/** One step's proof as it travels: a single 'step', or one 'micro' per micro-batch and an 'update'. */
export interface StepProof {
  readonly step: number;
  readonly parts: readonly ProofPart[];
}

/** Runs the readings of a step in order; `each` sees every finished reading before its memory is given back. */
export function runStep(
  k: Kernels,
  s: Setup,
  step: number,
  state: AdapterState,
  each?: (kind: ProofPart['kind'], plan: Plan, r: IntegerReading) => void,
): { after: AdapterState; loss: bigint } {
  const { config } = s,
    b = s.batches[step],
    rows = Math.min(config.train.batch, config.train.microBatch);
  let acc: BigInt64Array = new BigInt64Array(state.C.length),
    loss = 0n,
    after: AdapterState | undefined;
  const go = (kind: ProofPart['kind'], program: Program, plan: Plan, publics: ReturnType<typeof batchInputs>): void => {
    const m = k.mark(),
      r = new IntegerReading(
        k,
        program,
        stepInputs(program, s.frozen, state, publics, s.rows[step], b.targets, config.train.clip, step, acc),
      );
    r.run();
    if (kind !== 'update') loss += r.read('loss')[0];
    each?.(kind, plan, r);
    if (kind === 'micro') acc = r.read('acc2');
    else after = stateAfter(r);
    k.release(m);
  };
  for (const mb of b.micro) go(s.update ? 'micro' : 'step', s.program, s.plan, batchInputs(mb, rows, config.train.sequence));
  if (s.update) go('update', s.update.program, s.update.plan, new Map());
  return { after: after!, loss };
}

const stateAfter = (r: IntegerReading): AdapterState => ({
  C: r.read('C2'),
  master: r.read('master2'),
  mm: r.read('mm2'),
  vv: r.read('vv2'),
});

/** Mean loss per target of a step. */
export const meanLoss = (s: Setup, step: number, sum: bigint): number =>
  Number(sum) / 2 ** s.program.tensors.find((t) => t.name === 'loss')!.frac / s.batches[step].targets;

/** Digest and stack of the frozen integers, weights and tables. */
export function frozenOf(k: Kernels, s: Setup): { digest: bigint[]; ptr: number; cells: number } {
  const cells = s.plan.layouts.get('frozen')!.cells,
    ptr = k.zeroed(8 * cells),
    m = k.mark(),
    at = new Map<string, number>();
  const put = (name: string, v: BigInt64Array): void => {
    const p = k.alloc(8 * v.length);
    k.i64.set(v, p / 8);
    at.set(name, p);
  };
  for (const [n, v] of s.frozen) put(n, v);
  for (const t of s.program.tables) tableColumns(t).forEach((c, i) => put(t.columns[i], c));
  fillStack(k, s.plan, 'frozen', ptr, (n) => at.get(n)!);
  k.release(m);
  return { digest: frozenDigest(k.i64.slice(ptr / 8, ptr / 8 + cells)), ptr, cells };
}

/** Digest of a program without frozen tensors. */
export const noFrozen = (): bigint[] => frozenDigest(new BigInt64Array(0));

const pointOf = (commitment: readonly bigint[]): Ext => commitment.slice(4, 7) as unknown as Ext;

/** Proves one step from the state before it; `entered` are the commitments that the step before left (none before the first step). */
export function proveStep(
  k: Kernels,
  s: Setup,
  step: number,
  state: AdapterState,
  digest: readonly bigint[],
  entered: StepProof['parts'][number]['roots'] | undefined,
  onPhase?: (p: string) => void,
): { proof: StepProof; after: AdapterState } {
  const parts: ProofPart[] = [],
    points: Record<string, Ext> = entered ? { cIn: pointOf(entered['cOut']), oIn: pointOf(entered['oOut']) } : {};
  const { after } = runStep(k, s, step, state, (kind, plan, r) => {
    const { proof, statement } = proveProgram(k, plan, r, {
      frozenDigest: kind === 'update' ? noFrozen() : digest,
      statePoints: points,
      ...(onPhase ? { onPhase: (p: string) => onPhase(`${kind} ${p}`) } : {}),
    });
    const out = kind === 'micro' ? ['aOut'] : ['cOut', 'oOut'];
    if (kind === 'micro') points['aIn'] = pointOf(statement.roots['aOut']);
    parts.push({
      kind,
      proof,
      roots: Object.fromEntries(out.map((c) => [c, statement.roots[c]])),
      loss: kind === 'update' ? 0n : r.read('loss')[0],
    });
  });
  return { proof: { step, parts }, after };
}

/** Commitment (root, START_POINT, value) to a state class computed from its tensors: what a verifier does for the initial and the released adapter. */
export function stateRoot(k: Kernels, s: Setup, cls: 'cIn' | 'oIn' | 'aIn', state: AdapterState): bigint[] {
  const plan = cls === 'oIn' && s.update ? s.update.plan : s.plan,
    m = k.mark(),
    w = plan.stateWhir!,
    t = plan.stateClasses.indexOf(cls as TensorClass),
    H = 2 ** w.logHeight,
    stack = k.zeroed(8 * w.trees[t].used * H);
  const values =
    cls === 'cIn'
      ? unflattenGroup(s.program, 'cIn', 'C', state.C)
      : cls === 'aIn'
        ? new Map([['acc', new BigInt64Array(state.C.length)]])
        : new Map([
            ['master', state.master],
            ['mm', state.mm],
            ['vv', state.vv],
          ]);
  const at = new Map(
    [...values].map(([n, v]) => {
      const p = k.alloc(8 * v.length);
      k.i64.set(v, p / 8);
      return [n, p] as const;
    }),
  );
  fillStack(k, plan, cls, stack, (n) => at.get(n)!);
  const value = powerSum(k, stack, w.trees[t].used * H, START_POINT),
    root = [...commitBase(k, stack, w.trees[t].used, w.logHeight, w.params.logInvRate).root, ...START_POINT, ...value];
  k.release(m);
  return root;
}

export interface RunCheck {
  readonly steps: number;
  readonly losses: number[];
  readonly proofMs: number;
  readonly linearMs: number;
}

/**
 * Verifies a whole run: initial roots recomputed, every step proof against the batch that the sampler prescribes and the schedule's row, each
 * step's roots out being the next one's roots in, the last root against the released adapter, all claims on frozen weights settled.
 */
export function verifyRun(
  k: Kernels,
  s: Setup,
  proofs: readonly StepProof[],
  released: BigInt64Array,
  onStep?: (step: number) => void,
): RunCheck {
  const t0 = performance.now(),
    { config, program } = s;
  if (proofs.length !== config.train.steps)
    throw new VerificationError('number of steps', `${proofs.length} proofs for ${config.train.steps} steps`);
  const fz = frozenOf(k, s);
  let cIn: readonly bigint[] = stateRoot(k, s, 'cIn', s.initial),
    oIn: readonly bigint[] = stateRoot(k, s, 'oIn', s.initial);
  let linear = performance.now() - t0,
    proofMs = 0;
  const zeroAcc = s.update ? stateRoot(k, s, 'aIn', s.initial) : [],
    rows = Math.min(config.train.batch, config.train.microBatch);
  const claims: DetachedClaim[] = [],
    losses: number[] = [];
  const one = (step: number, plan: Plan, part: ProofPart, st: Statement): void => {
    for (const x of plan.program.tensors) {
      const v = st.publics.get(x.name);
      if (x.publicKind === 'dense' && v instanceof BigInt64Array)
        for (const y of v)
          if (y < x.lo || y > x.hi) throw new VerificationError('public input', `step ${step}: ${x.name} is outside its format`);
    }
    const ch = new NativeChannel(k, part.proof);
    try {
      const d = verifyProgram(ch, plan, st);
      ch.finish();
      claims.push(d.detach(ch));
    } catch (e) {
      if (e instanceof VerificationError) throw new VerificationError(e.check, `step ${step}, ${part.kind}: ${e.message}`);
      throw e;
    } finally {
      ch.close();
    }
  };
  proofs.forEach((p, step) => {
    if (p.step !== step) throw new VerificationError('order of steps', `proof ${step} is of step ${p.step}`);
    const t = performance.now(),
      b = s.batches[step],
      scalars = Object.entries(scheduleScalars(s.rows[step], b.targets, config.train.clip, program.axes['P'], step)).map(
        ([n, v]) => [n, BigInt64Array.of(v)] as const,
      );
    const kinds = s.update ? [...b.micro.map(() => 'micro'), 'update'] : ['step'];
    if (p.parts.length !== kinds.length || p.parts.some((x, i) => x.kind !== kinds[i]))
      throw new VerificationError('parts of a step', `step ${step} needs ${kinds.join(', ')}`);
    let aIn: readonly bigint[] = zeroAcc,
      sum = 0n;
    p.parts.forEach((part, i) => {
      if (part.kind === 'update') {
        one(step, s.update!.plan, part, { roots: { aIn, oIn, ...part.roots }, frozen: noFrozen(), publics: new Map(scalars) });
        return;
      }
      const publics = new Map<string, BigInt64Array | Int32Array>([
        ...batchInputs(b.micro[i], rows, config.train.sequence),
        ...scalars,
        ['loss', BigInt64Array.of(part.loss)],
      ]);
      one(step, s.plan, part, { roots: { cIn, ...(s.update ? { aIn } : { oIn }), ...part.roots }, frozen: fz.digest, publics });
      if (part.kind === 'micro') aIn = part.roots['aOut'];
      sum += part.loss;
    });
    const last = p.parts[p.parts.length - 1].roots;
    cIn = last['cOut'];
    oIn = last['oOut'];
    losses.push(meanLoss(s, step, sum));
    proofMs += performance.now() - t;
    onStep?.(step);
  });
  const t1 = performance.now();
  const final = stateRoot(k, s, 'cIn', { ...s.initial, C: released });
  if (final.slice(0, 4).some((x, i) => x !== cIn[i]))
    throw new VerificationError('released adapter', 'its commitment is not the last state of the run');
  settleFrozen(k, fz.ptr, fz.cells, claims);
  linear += performance.now() - t1;
  return { steps: proofs.length, losses, proofMs, linearMs: linear };
}
