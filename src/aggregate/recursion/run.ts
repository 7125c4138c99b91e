import type { Kernels } from '../../kernels/runtime.js';
import { batchInputs } from '../../model/step.js';
import { scheduleScalars } from '../../optim/constants.js';
import { P } from '../../field/goldilocks.js';
import { settleFrozen } from '../../tensor/deferred.js';
import type { Plan, ProofOptions } from '../../tensor/plan.js';
import { type Publics, publicTensors } from '../../tensor/statement.js';
import type { Program } from '../../tensor/types.js';
import { VerificationError } from '../../transcript/arith.js';
import { manifestWords } from '../manifest.js';
import { type Setup, UnsupportedError } from '../setup.js';
import { frozenOf, stateRoot } from '../state.js';
import { type RecursionClass, type RecursionKeys, recursionClass } from './keys.js';
import { CHAIN_START, extend } from './statement.js';
import { type NodeProof, verifyEnd } from './verify.js';

/** Programs that a step of the run proves, in order. Throws UnsupportedError where steps differ: a leaf circuit has one shape. */
export function stepPlans(s: Setup): { program: Program; plan: Plan }[] {
  const counts = new Set(s.batches.map((b) => b.micro.length));
  if (counts.size > 1)
    throw new UnsupportedError([
      'steps of different numbers of micro-batches cannot be folded: choose a batch that is a multiple of microBatch',
    ]);
  const main = { program: s.program, plan: s.plan };
  return s.update ? [...Array.from({ length: [...counts][0] }, () => main), s.update] : [main];
}

/** Height class of a run: one step per leaf. */
export function runClass(k: Kernels, s: Setup, options: ProofOptions): RecursionClass {
  const plans = stepPlans(s).map((x) => x.plan);
  return recursionClass(
    { plans, steps: 1, baseVars: s.plan.frozenVars, ...(s.update ? { zeroAcc: stateRoot(k, s, 'aIn', s.initial) } : {}) },
    options,
  );
}

/** Public inputs of every program of a step; `losses` are those of its micro-batches in order. */
export function stepPublics(s: Setup, step: number, losses: readonly bigint[]): { program: Program; publics: Publics }[] {
  const { config } = s,
    b = s.batches[step],
    rows = Math.min(config.train.batch, config.train.microBatch);
  const scalars = Object.entries(scheduleScalars(s.rows[step], b.targets, config.train.clip, s.program.axes['P'], step)).map(
    ([n, v]) => [n, BigInt64Array.of(v)] as const,
  );
  return stepPlans(s).map(({ program }, i) => {
    const all = new Map<string, BigInt64Array | Int32Array>([
      ...scalars,
      ...(i < b.micro.length
        ? [...batchInputs(b.micro[i], rows, config.train.sequence), ['loss', BigInt64Array.of(losses[i])] as const]
        : []),
    ]);
    return {
      program,
      publics: new Map(publicTensors(program).flatMap((t) => (all.has(t.name) ? [[t.name, all.get(t.name)!] as const] : []))),
    };
  });
}

/** Chains before every step and after the last; the losses are those of the micro-batches, step by step. */
export function runChains(s: Setup, losses: readonly (readonly bigint[])[]): { data: bigint[]; scalars: bigint[] }[] {
  const out = [{ data: [...CHAIN_START], scalars: [...CHAIN_START] }];
  losses.forEach((l, step) => {
    let { data, scalars } = out[step];
    for (const { program, publics } of stepPublics(s, step, l)) {
      data = extend(program, 'data', data, publics);
      scalars = extend(program, 'scalars', scalars, publics);
    }
    out.push({ data, scalars });
  });
  return out;
}

/**
 * Verifies a whole run by its last node: the published keys, the initial state, the released adapter, all steps in order on the batches of the sampler and
 * the rows of the schedule with these losses, and the claim on the base.
 */
export function verifyFolded(
  k: Kernels,
  s: Setup,
  c: RecursionClass,
  keys: RecursionKeys,
  node: NodeProof,
  losses: readonly (readonly bigint[])[],
  released: BigInt64Array,
): void {
  const claim = verifyEnd(k, c, keys, node),
    st = node.statement,
    n = s.config.train.steps,
    fz = frozenOf(k, s);
  const same = (what: string, got: readonly bigint[], want: readonly bigint[]): void => {
    if (got.length !== want.length || got.some((x, i) => x !== want[i])) throw new VerificationError(what, 'is not that of this run');
  };
  if (losses.length !== n || losses.some((l, t) => l.length !== s.batches[t].micro.length))
    throw new VerificationError('losses', `${n} steps need one loss per micro-batch`);
  same('manifest', st.context, manifestWords(s.manifest));
  same('frozen digest', st.frozen, fz.digest);
  same('step range', [...st.from, ...st.to], [0n, BigInt(n)]);
  same('initial adapter', st.cIn, stateRoot(k, s, 'cIn', s.initial));
  same('initial optimiser state', st.oIn, stateRoot(k, s, 'oIn', s.initial));
  same('released adapter', st.cOut.slice(0, 4), stateRoot(k, s, 'cIn', { ...s.initial, C: released }).slice(0, 4));
  const end = runChains(s, losses)[n];
  same('start of the data', st.dataIn, CHAIN_START);
  same('data', st.dataOut, end.data);
  same('start of the schedule', st.scalarsIn, CHAIN_START);
  same('schedule and losses', st.scalarsOut, end.scalars);
  const sum = losses.flat().reduce((a, b) => a + b, 0n);
  same('sum of losses', st.loss, [((sum % P) + P) % P]);
  settleFrozen(k, fz.ptr, fz.cells, [claim]);
}
