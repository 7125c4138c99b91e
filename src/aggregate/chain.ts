import type { Kernels } from '../kernels/runtime.js';
import { batchInputs, stepInputs, unflattenGroup, type AdapterState } from '../model/step.js';
import { scheduleScalars } from '../optim/constants.js';
import { commitBase } from '../pcs/index.js';
import { type DetachedClaim, settleFrozen } from '../tensor/deferred.js';
import { IntegerReading } from '../tensor/integer.js';
import { fillStack, proveProgram } from '../tensor/prove.js';
import { type Publics, type Statement, frozenDigest } from '../tensor/statement.js';
import { tableColumns } from '../tensor/tables.js';
import type { TensorClass } from '../tensor/types.js';
import { verifyProgram } from '../tensor/verify.js';
import { NativeChannel, VerificationError } from '../transcript/index.js';
import type { Setup } from './setup.js';

/** One step's proof as it travels: words, roots of the state after it, loss summed over targets. */
export interface StepProof { readonly step: number; readonly proof: BigUint64Array; readonly rootsOut: { readonly cOut: readonly bigint[]; readonly oOut: readonly bigint[] }; readonly loss: bigint }

/** Integer reading of one step, in memory the caller releases. */
export function readStep(k: Kernels, s: Setup, step: number, state: AdapterState): IntegerReading {
  const { config, program } = s, b = s.batches[step];
  const reading = new IntegerReading(k, program, stepInputs(program, s.frozen, state, batchInputs(b.batch, config.train.batch, config.train.sequence), s.rows[step], b.targets, config.train.clip, step));
  reading.run();
  return reading;
}

export const stateAfter = (r: IntegerReading): AdapterState => ({ C: r.read('C2'), master: r.read('master2'), mm: r.read('mm2'), vv: r.read('vv2') });

/** Mean loss per target of a step. */
export const meanLoss = (s: Setup, step: number, sum: bigint): number => Number(sum) / 2 ** s.program.tensors.find((t) => t.name === 'loss')!.frac / s.batches[step].targets;

/** Digest and stack of the frozen integers, weights and tables. */
export function frozenOf(k: Kernels, s: Setup): { digest: bigint[]; ptr: number; cells: number } {
  const cells = s.plan.layouts.get('frozen')!.cells, ptr = k.zeroed(8 * cells), m = k.mark(), at = new Map<string, number>();
  const put = (name: string, v: BigInt64Array): void => { const p = k.alloc(8 * v.length); k.i64.set(v, p / 8); at.set(name, p); };
  for (const [n, v] of s.frozen) put(n, v);
  for (const t of s.program.tables) tableColumns(t).forEach((c, i) => put(t.columns[i], c));
  fillStack(k, s.plan, 'frozen', ptr, (n) => at.get(n)!);
  k.release(m);
  return { digest: frozenDigest(k.i64.slice(ptr / 8, ptr / 8 + cells)), ptr, cells };
}

/** Proves one step from the state before it. */
export function proveStep(k: Kernels, s: Setup, step: number, state: AdapterState, digest: readonly bigint[], onPhase?: (p: string) => void): { proof: StepProof; after: AdapterState } {
  const m = k.mark(), reading = readStep(k, s, step, state), after = stateAfter(reading), loss = reading.read('loss')[0];
  const { proof, statement } = proveProgram(k, s.plan, reading, { frozenDigest: digest, ...(onPhase ? { onPhase } : {}) });
  k.release(m);
  return { proof: { step, proof, rootsOut: { cOut: statement.roots['cOut'], oOut: statement.roots['oOut'] }, loss }, after };
}

/** Root of a state class computed from its tensors: what a verifier does for the initial and the released adapter. */
export function stateRoot(k: Kernels, s: Setup, cls: 'cIn' | 'oIn', state: AdapterState): bigint[] {
  const m = k.mark(), w = s.plan.stateWhir!, t = s.plan.stateClasses.indexOf(cls as TensorClass), H = 2 ** w.logHeight, stack = k.zeroed(8 * w.trees[t].used * H);
  const values = cls === 'cIn' ? unflattenGroup(s.program, 'cIn', 'C', state.C) : new Map([['master', state.master], ['mm', state.mm], ['vv', state.vv]]);
  const at = new Map([...values].map(([n, v]) => { const p = k.alloc(8 * v.length); k.i64.set(v, p / 8); return [n, p] as const; }));
  fillStack(k, s.plan, cls, stack, (n) => at.get(n)!);
  const root = commitBase(k, stack, w.trees[t].used, w.logHeight, w.params.logInvRate).root;
  k.release(m);
  return root;
}

export interface RunCheck { readonly steps: number; readonly losses: number[]; readonly proofMs: number; readonly linearMs: number }

/**
 * Verifies a whole run: initial roots recomputed, every step proof against the batch that the sampler prescribes and the schedule's row, each
 * step's roots out being the next one's roots in, the last root against the released adapter, all claims on frozen weights settled.
 */
export function verifyRun(k: Kernels, s: Setup, proofs: readonly StepProof[], released: BigInt64Array, onStep?: (step: number) => void): RunCheck {
  const t0 = performance.now(), { config, program } = s;
  if (proofs.length !== config.train.steps) throw new VerificationError('number of steps', `${proofs.length} proofs for ${config.train.steps} steps`);
  const fz = frozenOf(k, s);
  let cIn: readonly bigint[] = stateRoot(k, s, 'cIn', s.initial), oIn: readonly bigint[] = stateRoot(k, s, 'oIn', s.initial);
  let linear = performance.now() - t0, proofMs = 0;
  const claims: DetachedClaim[] = [], losses: number[] = [];
  proofs.forEach((p, step) => {
    if (p.step !== step) throw new VerificationError('order of steps', `proof ${step} is of step ${p.step}`);
    const t = performance.now(), b = s.batches[step], publics = new Map<string, BigInt64Array | Int32Array>(batchInputs(b.batch, config.train.batch, config.train.sequence));
    for (const [n, v] of Object.entries(scheduleScalars(s.rows[step], b.targets, config.train.clip, program.axes['P'], step))) publics.set(n, BigInt64Array.of(v));
    const spec = program.tensors.find((x) => x.name === 'loss')!;
    if (p.loss < spec.lo || p.loss > spec.hi) throw new VerificationError('loss', 'outside its format');
    publics.set('loss', BigInt64Array.of(p.loss));
    for (const x of program.tensors) { const v = publics.get(x.name); if (x.publicKind === 'dense' && v instanceof BigInt64Array) for (const y of v) if (y < x.lo || y > x.hi) throw new VerificationError('public input', `${x.name} is outside its format`); }
    const st: Statement = { roots: { cIn, oIn, ...p.rootsOut }, frozen: fz.digest, publics: publics as Publics };
    const ch = new NativeChannel(k, p.proof);
    try { const d = verifyProgram(ch, s.plan, st); ch.finish(); claims.push(d.detach(ch)); } catch (e) {
      if (e instanceof VerificationError) throw new VerificationError(e.check, `step ${step}: ${e.message}`);
      throw e;
    } finally { ch.close(); }
    cIn = p.rootsOut.cOut;
    oIn = p.rootsOut.oOut;
    losses.push(meanLoss(s, step, p.loss));
    proofMs += performance.now() - t;
    onStep?.(step);
  });
  const t1 = performance.now();
  const final = stateRoot(k, s, 'cIn', { ...s.initial, C: released });
  if (final.some((x, i) => x !== cIn[i])) throw new VerificationError('released adapter', 'its commitment is not the last state of the run');
  settleFrozen(k, fz.ptr, fz.cells, claims);
  linear += performance.now() - t1;
  return { steps: proofs.length, losses, proofMs, linearMs: linear };
}
