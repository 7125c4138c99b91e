import { P } from '../../field/goldilocks.js';
import type { Kernels } from '../../kernels/runtime.js';
import { batchInputs } from '../../model/step.js';
import { scheduleScalars } from '../../optim/constants.js';
import { settleFrozen } from '../../tensor/deferred.js';
import { VerificationError } from '../../transcript/arith.js';
import { type Known, stepsPerEpoch } from '../known.js';
import { manifestWords } from '../manifest.js';
import type { NodeStatement } from '../recursion/statement.js';
import { CHAIN_START, extend } from '../recursion/statement.js';
import { verifyEnd } from '../recursion/verify.js';
import type { Setup } from '../setup.js';
import { frozenOf, stateRoot } from '../state.js';
import type { FoldedRun, NodeFile, StepLosses } from './file.js';
import { type Circuits, unflat } from './recursion.js';

/** Whether a part of the statement was compared with the thing itself. */
export type Compared = 'checked' | 'not checked';

export interface FoldedCheck {
  readonly base: Compared;
  readonly data: Compared;
  readonly adapter: Compared;
  readonly initial: Compared;
  /** Steps from .. to - 1 that the proof covers. */ readonly from: number;
  readonly to: number;
  /** The epoch that it covers exactly. */ readonly epoch?: number;
  /** Mean loss per target of every step, as far as it is covered. */ readonly losses: number[];
  readonly proofMs: number;
  readonly linearMs: number;
}

export interface Against {
  readonly known: Known;
  /** Everything that base and data give. */ readonly setup?: Setup;
  /** Released adapter, in the program's order. */ readonly released?: BigInt64Array;
  readonly circuits: Circuits;
}

const same = (what: string, got: readonly bigint[], want: readonly bigint[], says = 'is not that of this run'): void => {
  if (got.length !== want.length || got.some((x, i) => x !== want[i])) throw new VerificationError(what, says);
};

/** Chains after the steps of the list; that over tokens and masks only where the data are there. */
function chains(
  a: Against,
  losses: readonly StepLosses[],
  before: { data: readonly bigint[]; scalars: readonly bigint[] },
): { data?: readonly bigint[]; scalars: readonly bigint[] } {
  const { known: s, setup } = a,
    { config } = s,
    rows = Math.min(config.train.batch, config.train.microBatch),
    { examples } = s.manifest.dataset;
  let { data, scalars } = before;
  for (const l of losses) {
    const batch = setup?.batches[l.step],
      perEpoch = stepsPerEpoch(s.manifest),
      inBatch = Math.min(config.train.batch, examples - (l.step % perEpoch) * config.train.batch),
      micros = batch?.micro.length ?? Math.ceil(inBatch / rows);
    if (l.losses.length !== micros) throw new VerificationError('losses', `step ${l.step} has ${micros} micro-batches`);
    if (batch && batch.targets !== l.targets)
      throw new VerificationError('targets', `step ${l.step} has ${batch.targets}, not ${l.targets}`);
    const row = Object.entries(scheduleScalars(s.rows[l.step], l.targets, config.train.clip, s.program.axes['P'], l.step)).map(
      ([n, v]) => [n, BigInt64Array.of(v)] as const,
    );
    for (let i = 0; i < micros + (s.update ? 1 : 0); i++) {
      const program = i < micros ? s.program : s.update!.program,
        publics = new Map<string, BigInt64Array | Int32Array>([
          ...row,
          ...(i < micros ? [['loss', BigInt64Array.of(l.losses[i])] as const] : []),
          ...(i < micros && batch ? batchInputs(batch.micro[i], rows, config.train.sequence) : []),
        ]);
      scalars = extend(program, 'scalars', scalars, publics);
      if (batch) data = extend(program, 'data', data, publics);
    }
  }
  return { scalars, ...(setup ? { data } : {}) };
}

/** Proof, keys, manifest, range, losses, and whatever of base, data, initial state and released adapter is at hand. Throws VerificationError naming what differs. */
function check(k: Kernels, x: FoldedRun & Partial<NodeFile>, st: NodeStatement, a: Against, whole: boolean): FoldedCheck {
  const t0 = performance.now(),
    { known: s, setup, released } = a,
    { steps } = s.config.train,
    claim = verifyEnd(k, a.circuits.cls, a.circuits.keys, { statement: st, proof: x.proof }),
    t1 = performance.now(),
    from = x.from?.step ?? 0,
    to = x.to?.step ?? steps;
  same('manifest', st.context, manifestWords(s.manifest));
  same('step range', [...st.from, ...st.to], [BigInt(from), BigInt(to)], `is not ${from} to ${to}`);
  if (x.losses.length !== to - from || x.losses[0]?.step !== from)
    throw new VerificationError('losses', `one entry is needed for each of the steps ${from} to ${to - 1}`);
  const begins = from === 0;
  if (begins) {
    same('start of the data', st.dataIn, CHAIN_START);
    same('start of the schedule', st.scalarsIn, CHAIN_START);
  }
  const end = chains(a, x.losses, { data: st.dataIn, scalars: st.scalarsIn });
  same('schedule and losses', st.scalarsOut, end.scalars);
  if (end.data) same('data', st.dataOut, end.data);
  const sum = x.losses.flatMap((l) => l.losses).reduce((p, q) => p + q, 0n);
  same('sum of losses', st.loss, [((sum % P) + P) % P]);
  const initial = begins && s.initial !== undefined;
  if (initial) {
    same('initial adapter', st.cIn, stateRoot(k, s, 'cIn', s.initial!));
    same('initial optimiser state', st.oIn, stateRoot(k, s, 'oIn', s.initial!));
  }
  const ends = to === steps && released !== undefined;
  if (ends)
    same(
      'released adapter',
      st.cOut,
      stateRoot(k, s, 'cIn', { C: released, master: released, mm: released, vv: released }),
      'its commitment is not the last state of the run',
    );
  if (s.frozen) {
    const m = k.mark(),
      fz = frozenOf(k, { ...s, frozen: s.frozen });
    try {
      same('base', st.frozen, fz.digest);
      settleFrozen(k, fz.ptr, fz.cells, [claim]);
    } finally {
      k.release(m);
    }
  }
  const per = stepsPerEpoch(s.manifest),
    frac = s.program.tensors.find((t) => t.name === 'loss')!.frac;
  const yes = (b: unknown): Compared => (b ? 'checked' : 'not checked');
  return {
    base: yes(s.frozen),
    data: yes(setup),
    adapter: yes(ends),
    initial: yes(initial),
    from,
    to,
    ...(!whole && from % per === 0 && to === from + per ? { epoch: from / per } : {}),
    losses: x.losses.map((l) => Number(l.losses.reduce((p, q) => p + q, 0n)) / 2 ** frac / l.targets),
    proofMs: t1 - t0,
    linearMs: performance.now() - t1,
  };
}

/** Verifies the end of a run. */
export const verifyFoldedRun = (k: Kernels, x: FoldedRun, a: Against): FoldedCheck => check(k, x, unflat(a.circuits, x).statement, a, true);

/** Verifies a node alone: what it leaves open is settled here, for which the base is needed. */
export function verifyNodeFile(k: Kernels, x: NodeFile, a: Against): FoldedCheck {
  if (!a.known.frozen) throw new VerificationError('base', 'a node alone is settled against the base');
  return check(k, x, unflat(a.circuits, x).statement, a, false);
}
