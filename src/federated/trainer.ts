import { encodeNode } from '../artifact/folded.js';
import type { Kernels } from '../kernels/runtime.js';
import type { AdapterState } from '../model/step.js';
import { countersDigest } from '../policy/classes/quotas.js';
import { Course, States } from '../prove/course.js';
import { type Entered, type Passage, enteredAt, firstEntered } from '../prove/entered.js';
import { type Kept, proveRange } from '../prove/range.js';
import { jobInputs, policyWitness, recursionOf } from '../prove/recursion.js';
import { proveStep, runStep } from '../prove/step.js';
import type { Keeper } from '../prove/tree.js';
import { toHex } from '../provenance/bytes.js';
import type { Circuits } from '../recursion/circuits.js';
import { stateCommitment, stateSalt } from '../run/commitments.js';
import { type Run, epochBatches } from '../run/facts.js';
import type { Complete } from '../run/inputs.js';
import { difference as differs } from '../run/manifest.js';
import type { RunConfig } from '../run/schema.js';
import { type RunSecret, setup } from '../setup/run.js';
import { type Boundary, boundaryBytes, boundaryWords } from './boundary.js';
import { type RoundContext, unitsOf } from './checks.js';
import { FederationError } from './errors.js';
import { type Message, type Signed, digestOf } from './messages.js';
import { recordLeaf, recordSalt, treePath, treeRoot } from './tree.js';
import { orderText, roundRun } from './units.js';
import { difference, encodeUpdate } from './update.js';

/*
 * A client's round: it trains from the global adapter with zero moments, keeps the records of all states, and proves
 * the units that are drawn. Everything follows from round, data and secrets, so that whoever was interrupted makes the
 * same again.
 */

/** What a client holds of its own. */
export interface ClientFiles {
  readonly client: string;
  /** Its run.yaml, with the paths of its machine. */ readonly config: RunConfig;
  readonly run: RunSecret;
  /** What its records are salted with. */ readonly salts: Uint8Array;
}

/** A client's run in a round, with base, data and the state that it begins with. */
export interface OwnRound {
  readonly context: RoundContext;
  readonly client: string;
  readonly salts: Uint8Array;
  readonly run: Run;
  readonly inputs: Complete;
}

/**
 * A client's run in a round. Throws FederationError where data or settings are not those that it enrolled with,
 * InputError.
 */
export function ownRound(context: RoundContext, { client, config, run: secret, salts }: ClientFiles): OwnRound {
  const { round } = context.plan.body,
    s = setup({ ...config, sampler: { ...config.sampler, beacon: orderText(round, context.order) } }, secret.salt, secret.key),
    enrolled = { ...s.run.manifest, config: { ...s.run.manifest.config, sampler: { ...s.run.manifest.config.sampler, beacon: '' } } },
    run = roundRun(context, client, enrolled),
    off = differs(run.manifest, s.run.manifest);
  if (off.length) throw new FederationError('enrolment manifest', `differs from base and data at hand: ${off.join(', ')}`, client);
  const C = BigInt64Array.from(context.global, BigInt),
    zeros = (): BigInt64Array => new BigInt64Array(C.length),
    initial: AdapterState = { C, master: C.map((x) => x << 10n), mm: zeros(), vv: zeros() };
  // Programs of the setup: those of the round's run are equal, and made from the same settings.
  return { context, client, salts, run, inputs: { ...s.inputs, initial } };
}

/** What training a round leaves. */
export interface TrainedRound {
  readonly records: readonly Boundary[];
  /** Losses of every step's micro-batches. */ readonly losses: readonly (readonly bigint[])[];
  /** The adapter after the last step. */ readonly adapter: Int32Array;
}

/** Told of every step that was trained. */
export type OnStep = (done: number, of: number) => void;

/** The record of a place. */
export function recordAt(k: Kernels, o: OwnRound, passage: Passage, at: Entered, state: AdapterState): Boundary {
  const { round } = o.context.plan.body,
    { pos, losses } = at.standing,
    { counters, epochs } = at.policy;
  return {
    pos: pos.map((w, i) => (i === 3 ? w + BigInt(round) : w)),
    s: stateCommitment(k, o.run.programs, 'sIn', state, stateSalt(o.run, o.inputs.data, at.step)),
    losses,
    counters: pos[4] === 0n ? [0n, 0n, 0n, 0n] : countersDigest(counters, passage.policy.blind(at.step)),
    epochs,
  };
}

/** Trains a round. Throws OverflowError where it cannot be finished: the client then withdraws. */
export function trainRound(k: Kernels, o: OwnRound, onStep?: OnStep): TrainedRound {
  const { steps, unit } = o.context.plan.body.train,
    passage: Passage = { run: o.run, data: o.inputs.data, policy: policyWitness(o.run, o.inputs.data) },
    losses: (readonly bigint[])[] = [],
    records: Boundary[] = [];
  let state = o.inputs.initial,
    at = firstEntered(passage.policy);
  for (let t = 0; ; t++) {
    if (t % unit === 0) {
      at = enteredAt(passage, (s) => losses[s], { step: t, part: 0 }, at);
      records.push(recordAt(k, o, passage, at, state));
    }
    if (t === steps) break;
    const r = runStep(k, o.run, o.inputs, t, state);
    state = r.after;
    losses.push(r.losses);
    onStep?.(t + 1, steps);
  }
  return { records, losses, adapter: Int32Array.from(state.C, Number) };
}

/** Leaves of the tree over a round's records. */
const leavesOf = (o: Pick<OwnRound, 'context' | 'salts'>, records: readonly Boundary[]): Uint8Array[] =>
  records.map((b, i) => recordLeaf(recordSalt(o.salts, o.context.plan.body.round, i), i, boundaryBytes(b)));

/** Opening of a record. */
export function opening(o: Pick<OwnRound, 'context' | 'salts'>, records: readonly Boundary[], i: number): Message<'commit'>['last'] {
  return {
    words: boundaryWords(records[i]).map(String),
    salt: toHex(recordSalt(o.salts, o.context.plan.body.round, i)),
    path: treePath(leavesOf(o, records), i).map(toHex),
  };
}

/** What a message of a client in a round begins with. */
const head = (o: Pick<OwnRound, 'context' | 'client'>) => ({
  version: 1 as const,
  federation: o.context.charter.digest,
  round: o.context.plan.body.round,
  plan: o.context.plan.digest,
  client: o.client,
});

/** Body of a commit and the blob of its update. */
export function commitBody(
  o: Pick<OwnRound, 'context' | 'client' | 'salts'>,
  t: Pick<TrainedRound, 'records' | 'adapter'>,
): { readonly body: Message<'commit'>; readonly blob: Uint8Array } {
  const blob = encodeUpdate(difference(t.adapter, o.context.global), o.context.charter.body.tensors),
    units = unitsOf(o.context.plan.body);
  return {
    blob,
    body: {
      type: 'certune-fed-commit',
      ...head(o),
      enrolment: o.context.enrolments.get(o.client)!.digest,
      root: toHex(treeRoot(leavesOf(o, t.records))),
      units,
      last: opening(o, t.records, units),
      update: { blob: digestOf(blob), bytes: blob.length },
    },
  };
}

/** Body of an answer to a draw; `proof` is that of the unit, where one is asked for. */
export const responseBody = (
  o: Pick<OwnRound, 'context' | 'client' | 'salts'>,
  records: readonly Boundary[],
  unit: number,
  proof?: Uint8Array,
): Message<'response'> => ({
  type: 'certune-fed-response',
  ...head(o),
  unit,
  from: opening(o, records, unit),
  to: opening(o, records, unit + 1),
  proof: proof ? digestOf(proof) : null,
});

/**
 * Body of a withdrawal. Everybody reads it: where a value left its format, and which, are functions of the rows, and
 * stay with the client.
 */
export const withdrawalBody = (o: Pick<OwnRound, 'context' | 'client'>): Message<'withdrawal'> => ({
  type: 'certune-fed-withdrawal',
  ...head(o),
  why: 'a value left its format',
});

/** Keeps nothing: a unit is made in one go, and again where that was cut short. */
const keepNothing =
  <P, N>(): ((o: Kept) => Keeper<P, N>) =>
  () => ({
    loadStep: () => undefined,
    saveStep: () => {},
    dropSteps: () => {},
    loadNode: () => undefined,
    saveNode: () => {},
    dropInside: () => {},
  });

/** The prover of a client's units in a round; circuits are those of its run (units.ts). */
export class UnitProver {
  readonly #states: States;
  readonly #course: Course;
  readonly #jobs: ReturnType<typeof jobInputs>;

  /** Losses are those of training, states are trained again from the round's beginning. */
  constructor(
    readonly k: Kernels,
    readonly o: OwnRound,
    circuits: Circuits,
    losses: readonly (readonly bigint[])[],
  ) {
    this.#jobs = jobInputs(o.run, o.inputs, circuits);
    const begin = firstEntered(this.#jobs.policy);
    this.#states = new States(k, o.run, o.inputs, {
      state: (step) => (step === 0 ? { state: o.inputs.initial, losses: [] } : undefined),
      checkpoint: () => begin,
      losses: (step) => losses[step],
      missing: (step) => {
        throw new Error(`the state before step ${step} of a round follows from its beginning`);
      },
    });
    this.#course = new Course(this.#states, this.#jobs);
  }

  /** Proof of a unit, as it travels. Throws Error naming the first check that fails, OverflowError. */
  prove(unit: number): Uint8Array {
    const { unit: u } = this.o.context.plan.body.train,
      { run, inputs } = this.o,
      from = unit * u,
      node = proveRange({
        keep: keepNothing(),
        recursion: recursionOf(this.k, this.#jobs),
        from,
        to: from + u,
        perEpoch: epochBatches(run.manifest),
        step: (t) => {
          const { state } = this.#states.before(t),
            { proof, after } = proveStep(this.k, run, inputs, t, state, this.#jobs.base.digest);
          this.#states.reached(t + 1, { state: after, losses: proof.parts.filter((p) => p.kind !== 'update').map((p) => p.loss) });
          return proof;
        },
        start: (t) => this.#course.start(t),
        targets: (t) => inputs.data.batches[t].targets,
        watch: {
          again: (e) => {
            throw e;
          },
        },
      });
    return encodeNode(node);
  }
}

/** A signed commit is one's own: what a client finds in a seal or a receipt is compared with it. */
export const ownCommit = (list: Signed<'seal'>, client: string): string | undefined =>
  list.body.commits.find((x) => x.client === client)?.commit;
