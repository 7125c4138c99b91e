import { generateKeyPairSync } from 'node:crypto';
import { calibrate, leastUnits } from '../estimate/calibrate.js';
import { countPlan } from '../estimate/counts.js';
import { bundleSeconds, foldSeconds } from '../estimate/fold.js';
import { PACK_HEADER, stepSeconds } from '../estimate/steps.js';
import type { Kernels } from '../kernels/runtime.js';
import { adamConstants } from '../optim/constants.js';
import { enteredAt, firstEntered } from '../prove/entered.js';
import { type JobInputs, leafNode } from '../prove/leaf.js';
import { jobInputs, placedLeaves, policyWitness } from '../prove/recursion.js';
import { proveStep, runStep } from '../prove/step.js';
import { parsePublicKey } from '../provenance/ecdsa.js';
import type { SigningKey } from '../provenance/sign.js';
import { leafProofs } from '../recursion/leaves.js';
import { endLayout } from '../recursion/statement.js';
import { stateCommitment, stateSalt } from '../run/commitments.js';
import { checkedRun } from '../run/facts.js';
import type { Complete } from '../run/inputs.js';
import { numbersOf } from '../run/programs.js';
import type { Setup } from '../setup/run.js';
import { hiddenEndPlan, hiddenEndWords } from '../verify/certificate.js';
import { movementBound } from './bound.js';
import { type Message, digestOf } from './messages.js';
import { type UnitCosts, CERTIFICATE_HEADER, NODE_HEADER, UNITS, predictedUpdate } from './planner.js';
import { signMessage } from './signing.js';
import { tensorsOf } from './states.js';
import { CircuitCache, scheduleRows } from './units.js';
import { decodeUpdate, encodeUpdate } from './update.js';

/*
 * What a round of a run's shape costs on this machine. Short work is done and timed: setting up a round, one step of
 * training, one commitment, the circuits, the proof of a step and of a leaf where they are short. Long work is counted
 * from the plans and priced by units that `calibrate` measures.
 */

/** Seconds that one measurement goes on for, and its most repetitions. */
const LONG_ENOUGH = 1,
  TIMES = 5;

/**
 * What something takes the first time in a process, when the engine compiles it, and the least of some times; what they
 * all took beyond that: an engine compiles in stages.
 */
interface Timed {
  readonly first: number;
  readonly least: number;
  readonly warming: number;
}
function timed(f: () => void): Timed {
  const took: number[] = [];
  for (let spent = 0; took.length < TIMES && spent < LONG_ENOUGH; ) {
    const t = performance.now();
    f();
    took.push((performance.now() - t) / 1000);
    spent += took[took.length - 1];
  }
  const least = Math.min(...took);
  return { first: took[0], least, warming: took.reduce((n, t) => n + t - least, 0) };
}

/** Seconds of a step and a leaf, as counted, from which on they are not made to be timed. */
const LONG_PROOFS = 30;

/** Seconds of the first step's proof and of its first leaf, made once as a client makes those of its first unit. */
function madeOnce(k: Kernels, jobs: JobInputs, inputs: Complete): { readonly step: number; readonly leaf: number } {
  const { run, circuits } = jobs,
    [range] = placedLeaves(circuits.cls, run, 0, 1),
    start = {
      ...firstEntered(jobs.policy),
      s: stateCommitment(k, run.programs, 'sIn', inputs.initial, stateSalt(run, inputs.data, 0)),
    },
    began = performance.now(),
    { proof } = proveStep(k, run, inputs, 0, inputs.initial, jobs.base.digest),
    proved = performance.now();
  k.scope(() => leafNode(k, jobs, start, range, [proof]));
  return { step: (proved - began) / 1000, leaf: (performance.now() - proved) / 1000 };
}

/** A key that signs nothing that anybody sees. */
function newKey(): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }),
    pem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
  return { public: parsePublicKey(pem, 'key'), pem, private: privateKey };
}
const NOTHING = digestOf(new Uint8Array(0)),
  RECEIPT: Message<'receipt'> = {
    type: 'certune-fed-receipt',
    version: 1,
    federation: NOTHING,
    round: 0,
    plan: NOTHING,
    client: 'a',
    commit: NOTHING,
    time: 0,
    counter: 0,
  };

const bytesOf = (words: number): number => 8 * words;

/** How a client's process sets a run up: once more, and what that took the first time in this process. */
interface SettingUp {
  readonly again: () => void;
  readonly cold: number;
}

/** What a client does in a round beside its proofs, each part timed. */
function localWork(k: Kernels, { run, inputs }: Setup, up: SettingUp) {
  const { programs, manifest } = run,
    tensors = tensorsOf(programs.program);
  let after = inputs.initial,
    losses: readonly bigint[] = [];
  const setUp = timed(up.again),
    checked = timed(() => void checkedRun('manifest', manifest)),
    trained = timed(() => {
      ({ after, losses } = runStep(k, run, inputs, 0, inputs.initial));
    }),
    // A record holds chains and counters, into which the rows of a step are hashed.
    passed = timed(() => {
      const passage = { run, data: inputs.data, policy: policyWitness(run, inputs.data) };
      enteredAt(passage, () => losses, { step: 1, part: 0 }, firstEntered(passage.policy));
    }),
    salt = stateSalt(run, inputs.data, 1),
    commit = timed(() => void stateCommitment(k, programs, 'sIn', inputs.initial, salt)),
    // The global adapter is read, the difference from it written and signed.
    key = newKey(),
    sent = timed(() => {
      decodeUpdate(
        encodeUpdate(
          Int32Array.from(after.C, (x, i) => Number(x - inputs.initial.C[i])),
          tensors,
        ),
        tensors,
      );
      signMessage('receipt', RECEIPT, key);
    });
  return { setUp, checked, trained, passed, commit, sent };
}

/**
 * Costs of a run's shape. `up.again` sets the run up once more, as a client does in every round: its salt and key may
 * be any; `up.cold` is what that took the first time in this process. `own`: a number of steps that units are to have,
 * beside the usual ones. Takes up to a minute, most of it for circuits and two proofs. Throws UnsupportedError,
 * OverflowError.
 */
export function unitCosts(k: Kernels, s: Setup, up: SettingUp, own?: number): UnitCosts {
  const { run, inputs } = s,
    { programs } = run,
    { train } = run.manifest.config,
    { setUp, checked, trained, passed, commit, sent } = localWork(k, s, up),
    before = calibrate(k, s.config.proof.hash),
    t = performance.now(),
    circuits = new CircuitCache(k).of(run),
    circuitSeconds = (performance.now() - t) / 1000,
    prepared = performance.now(),
    jobs = jobInputs(run, inputs, circuits),
    prepare = (performance.now() - prepared) / 1000,
    // Some seconds apart, and after what is timed by itself: what runs first is slower in a client's process as well.
    units = leastUnits(before, calibrate(k, s.config.proof.hash)),
    { cls, bundle, keys } = circuits,
    begin = setUp.least + checked.least + commit.least + sent.least,
    counted = foldSeconds(cls, units),
    micros = inputs.data.batches[0].micro.length,
    said = trained.least + stepSeconds(programs, micros, units).rest,
    // Short runs are the ones whose proofs have most that no count knows.
    made = said + counted.leaf < LONG_PROOFS ? madeOnce(k, jobs, inputs) : undefined,
    each = { ...counted, ...(made ? { leaf: made.leaf } : {}) },
    step = made?.step ?? said,
    nodeBytes = bytesOf(countPlan(cls.plan).words) + NODE_HEADER,
    // A unit enters its first state by a commitment of its own.
    unit = (steps: number): number => {
      const leaves = leafProofs(cls, run, 0, steps).length;
      return steps * step + leaves * each.leaf + (leaves - 1) * each.fold + commit.least;
    };
  return {
    round: begin,
    cold: [checked, passed, sent].reduce(
      (n, x) => n + x.first - x.least,
      Math.max(0, up.cold - setUp.least) + trained.warming + commit.warming,
    ),
    train: trained.least,
    pass: passed.least,
    commit: commit.least,
    circuits: circuitSeconds,
    prepare: begin + prepare,
    step,
    leaf: each.leaf,
    fold: each.fold,
    units: Object.fromEntries(
      [...new Set([...UNITS, ...(own === undefined ? [] : [own])])].filter((u) => train.steps % u === 0).map((u) => [u, unit(u)]),
    ),
    ...(bundle ? { certificate: bundleSeconds(bundle, hiddenEndPlan(keys.published), units) } : {}),
    stepBytes:
      bytesOf(countPlan(programs.plan).words * micros + (programs.update ? countPlan(programs.update.plan).words : 0)) + PACK_HEADER,
    nodeBytes,
    ...(bundle
      ? {
          certificateBytes:
            bytesOf(hiddenEndWords(keys.published) + [...endLayout(bundle.child.baseVars).values()].reduce((a, b) => a + b, 0)) +
            CERTIFICATE_HEADER,
        }
      : {}),
    updateBytes: predictedUpdate(programs.program.axes['P'], Number(boundOf(s))),
  };
}

/** Bound on the movement of an adapter in a round, for one whose values are below 1/2. */
function boundOf({ run, config }: Setup): bigint {
  const { betas, clip } = run.manifest.config.train,
    { momentFrac } = numbersOf(config),
    rows = scheduleRows(run).map(([alpha, decay, epsT]) => ({ alpha: BigInt(alpha), decay: BigInt(decay), epsT: BigInt(epsT) }));
  return movementBound({ ...adamConstants([betas[0], betas[1]], clip), momentFrac }, rows, 1n << 19n);
}
