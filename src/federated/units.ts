import canonicalize from 'canonicalize';
import { type NodeFile, decodeNode } from '../artifact/folded.js';
import { InputError, UnsupportedError, VersionError, reason } from '../errors.js';
import { P } from '../field/goldilocks.js';
import type { Kernels } from '../kernels/runtime.js';
import { scalarFormats } from '../model/step.js';
import { HyperparameterError, adamConstants, scheduleScalars } from '../optim/constants.js';
import { keyCommitment, publicKey } from '../policy/order/keys.js';
import { canonicalBytes, parseJson } from '../provenance/json.js';
import { fromUtf8, toHex, toUtf8 } from '../provenance/bytes.js';
import { type BundledCircuits, bundledCircuits } from '../recursion/circuits.js';
import { nodeOf } from '../recursion/node-words.js';
import type { NodeStatement } from '../recursion/statement.js';
import { type Run, checkedRun, epochBatches, epochExamples } from '../run/facts.js';
import type { Base } from '../run/inputs.js';
import { type Manifest, digestWords, manifestDigest, manifestJson, parseManifest } from '../run/manifest.js';
import { policyShapeOf } from '../run/policy.js';
import { VerificationError } from '../transcript/arith.js';
import { verifyNodeFile } from '../verify/folded.js';
import { type Boundary, boundaryOf } from './boundary.js';
import { type CertificateSource, certifiedUnits, checkAnswer, noCounters } from './certificate.js';
import type { Federation, RoundContext } from './checks.js';
import { type Draw, drawnOf } from './draw.js';
import { FederationError } from './errors.js';
import { type Message, type Signed, digestOf } from './messages.js';
import { tensorsOf } from './states.js';
import { valuesOf } from './update.js';

/*
 * What a drawn unit is the proof of: the run of one client in one round, and the range of its steps between two
 * records.
 *
 * The run of a round follows from the client's manifest, which its enrolment names: one epoch, whose order is drawn by
 * the beacon that the plan follows, so that neither client nor server chose it. Proofs of it absorb, in place of the
 * manifest's digest, that of the round: federation, enrolment, plan and number. A proof is good for one client, one
 * plan and one round. Where a record counts epochs from the round's number, the statement counts from 0.
 */

/** Most bytes of a unit's proof: several times what a node of the largest class has. */
export const MOST_UNIT = 4 << 20;

/** Most bytes of a client's manifest in a federation. */
export const MOST_MANIFEST = 1 << 20;

/** What all manifests of a federation have in common, as its charter names it. */
export function settingsDigest(m: Manifest): string {
  const { lora, train, proof, numbers } = m.config;
  return digestOf(toUtf8(canonicalize({ base: m.base, preprocessing: m.preprocessing, lora, train, proof, numbers, program: m.program })!));
}

/** Text by which a round's order is drawn, in the place of a run's beacon. */
export const orderText = (round: number, beacon: Uint8Array): string => `certune/fed/order/1 ${round} ${toHex(beacon)}`;

/** Manifest of a client's run in a round: its own, with the round's order. */
export const roundManifest = (m: Manifest, round: number, beacon: Uint8Array): Manifest => ({
  ...m,
  config: { ...m.config, sampler: { ...m.config.sampler, beacon: orderText(round, beacon) } },
});

/** What proofs of a client's round absorb: SHA-256 of canonical JSON, as a manifest's digest is written. */
export const roundDigest = (c: RoundContext, client: string): string =>
  digestOf(
    canonicalBytes({
      type: 'certune-fed-round',
      version: 1,
      federation: c.charter.digest,
      enrolment: c.enrolments.get(client)!.digest,
      plan: c.plan.digest,
      round: c.plan.body.round,
    }),
  );

/** Bytes of a manifest as a blob. */
export const manifestBlob = (m: Manifest): Uint8Array => toUtf8(manifestJson(m));

/** The manifest of a blob. Throws InputError, VersionError. */
export function readManifestBlob(bytes: Uint8Array, where: string): Manifest {
  const m = parseManifest(where, parseJson(bytes, where, { bytes: MOST_MANIFEST, numbers: 'all' }));
  if (manifestJson(m) !== fromUtf8(bytes, where)) throw new InputError(where, ['is not canonical JSON']);
  return m;
}

/**
 * Checks that a client may take part with a manifest: what it has in common with all others, one epoch, no order chosen
 * in advance, and that the enrolment says of it what it says. Nothing is built from it. Throws FederationError.
 */
export function checkEnrolled(f: Federation, e: Signed<'enrolment'>, m: Manifest): void {
  const { client, root, rows, epochExamples: draws, keyCommitment: key } = e.body,
    { sampler, lora, train } = m.config,
    bad = (why: string): never => {
      throw new FederationError('enrolment manifest', why, client);
    };
  if (manifestDigest(m) !== e.body.manifest) return bad(`is ${manifestDigest(m)}, the enrolment names ${e.body.manifest}`);
  if (settingsDigest(m) !== f.charter.body.program)
    return bad(`has the settings ${settingsDigest(m)}, the charter asks for ${f.charter.body.program}`);
  if (m.base.digest !== f.charter.body.base) return bad(`is on the base ${m.base.digest}, not ${f.charter.body.base}`);
  if (sampler.beacon !== '') return bad('has a beacon of its own: the order of a round is drawn by the federation');
  if (lora.from !== null) return bad('starts from an adapter of its own');
  if (train.steps !== epochBatches(m))
    return bad(`has ${train.steps} steps and ${epochBatches(m)} batches in an epoch: a round is one epoch`);
  const own = sampler.mode === 'public' ? publicCommitment(sampler.key!) : m.dataset.key!;
  const says = [...root, String(rows), String(draws), ...key],
    is = [...m.dataset.root, String(m.dataset.examples), String(epochExamples(m)), ...own];
  if (says.some((w, i) => w !== is[i])) bad('has another root, other rows, draws or key than the enrolment says');
}
const publicCommitment = (text: string): string[] => keyCommitment(publicKey(text)).map(String);

/**
 * The run of a client in a round. Throws FederationError where manifest and enrolment do not go together, or plan and
 * charter say other steps, constants or a schedule than the manifest.
 */
export function roundRun(c: RoundContext, client: string, m: Manifest): Run {
  const e = c.enrolments.get(client);
  if (!e) throw new FederationError('enrolment manifest', 'is not enrolled', client);
  checkEnrolled(c, e, m);
  const { round } = c.plan.body,
    own = roundManifest(m, round, c.order);
  let run: Run;
  try {
    run = checkedRun(`${client}: manifest`, own);
  } catch (x) {
    if (x instanceof InputError || x instanceof VerificationError || x instanceof HyperparameterError)
      throw new FederationError('enrolment manifest', reason(x), client);
    throw x;
  }
  checkPlanSettings(c, run);
  const digest = roundDigest(c, client);
  return { ...run, facts: { ...run.facts, digest, context: digestWords(digest) } };
}

/** Compares what plan and charter say of training with the settings that all manifests have. Throws FederationError. */
export function checkPlanSettings(c: Pick<RoundContext, 'charter' | 'plan'>, run: Run): void {
  const { train } = run.manifest.config,
    { momentFrac, parameters } = scalarFormats((run.programs.update ?? run.programs).program),
    a = adamConstants(train.betas as [number, number], train.clip),
    o = c.charter.body.optimizer,
    p = c.plan.body.train,
    bad = (what: string): never => {
      throw new FederationError('plan settings', `${what} is not what base and settings of the federation give`, 'server');
    };
  if ([a.beta1, a.kappa, a.sigma].some((x, i) => x !== BigInt([o.beta1, o.kappa, o.sigma][i])) || momentFrac !== o.momentFrac)
    bad('optimizer of the charter');
  if (c.charter.body.sequence !== train.sequence) bad('sequence of the charter');
  // By their shapes updates are coded, by their names values are refused.
  if (
    valuesOf(c.charter.body.tensors) !== parameters ||
    canonicalize(c.charter.body.tensors) !== canonicalize(tensorsOf(run.programs.program))
  )
    bad('tensors of the charter');
  if (p.steps !== train.steps || p.batch !== train.batch) bad('steps or batch of the plan');
  if (JSON.stringify(p.schedule) !== JSON.stringify(scheduleRows(run))) bad('schedule of the plan');
}

/** alpha, decay and epsilon of every step of a round, as a plan has them. Throws HyperparameterError. */
export function scheduleRows(run: Run): number[][] {
  const { train } = run.manifest.config,
    formats = scalarFormats((run.programs.update ?? run.programs).program);
  return Array.from({ length: train.steps }, (_, t) => {
    // How many targets a step has changes none of the three.
    const { alpha, decay, epsT } = scheduleScalars(run.facts.rows.at(t)!, 1, train.clip, formats, t);
    return [alpha, decay, epsT].map(Number);
  });
}

/** Compares where a proof begins, or where it ends, with a record. Throws FederationError. */
function checkEnd(
  begins: boolean,
  run: Run,
  round: number,
  want: Boundary,
  got: Readonly<Record<'pos' | 's' | 'losses' | 'counters' | 'epochs', readonly bigint[]>>,
  client: string,
): void {
  const none = got.pos[4] === 0n && noCounters(run).every((w, i) => w === got.counters[i]),
    words = {
      pos: got.pos.map((w, i) => (i === 3 ? (w + BigInt(round)) % P : w)),
      s: got.s,
      losses: got.losses,
      counters: none ? [0n, 0n, 0n, 0n] : got.counters,
      epochs: got.epochs,
    };
  for (const f of ['pos', 's', 'losses', 'counters', 'epochs'] as const) {
    if (words[f].every((w, i) => w === want[f][i])) continue;
    const why = `${f} of the proof is not that of the record that was committed to`;
    throw begins ? new FederationError('unit start', why, client) : new FederationError('unit end', why, client);
  }
}

/** Checks of the proofs of units, where base and manifests are at hand. */
export interface UnitChecks {
  /** Throws FederationError where the proof does not show the unit of a response, which opens what was committed to. */
  readonly unit: (c: RoundContext, r: Signed<'response'>, blob: Uint8Array | undefined) => void;
  /**
   * Units that a certificate shows, as "client-unit", by their answers. Throws FederationError where it shows other
   * ones, one that is not among the answers, or one twice.
   */
  readonly certificate: (c: RoundContext, responses: ReadonlyMap<string, Signed<'response'>>, bytes: Uint8Array) => string[];
  /**
   * Throws FederationError where the certificate that a response names does not hide its witness, or does not show all
   * drawn units of its client, as their responses open what was committed to.
   */
  readonly answer: (
    c: RoundContext,
    r: Signed<'response'>,
    drawn: readonly number[],
    responses: ReadonlyMap<string, Signed<'response'>>,
    blob: Uint8Array | undefined,
  ) => void;
  /** The run of a client in a round and its circuits. Throws FederationError. */
  readonly runFor: (c: RoundContext, client: string) => { readonly run: Run; readonly circuits: BundledCircuits };
}

/** What makes proofs verifiable. */
export interface UnitSource {
  readonly kernels: Kernels;
  readonly base: Base;
  /** Bytes of a manifest by its digest. */ readonly manifest: (digest: string) => Uint8Array | undefined;
  /** Circuits that were made already, for whoever proves or verifies more than once. */
  readonly circuits?: CircuitCache;
}

/** What circuits follow from: runs that agree in it have the same ones. */
const circuitsName = (run: Run): string => {
  const { depth, rounds, walks, bins, classDepth, scheduleDepth, innerRounds, innerWalks, strataDepth, replacement } = policyShapeOf(
      run.manifest,
    ),
    { train } = run.manifest.config;
  return JSON.stringify([
    run.manifest.program,
    [depth, rounds, walks, bins, classDepth, scheduleDepth, innerRounds, innerWalks, strataDepth, replacement],
    [train.steps, train.batch, train.microBatch, epochBatches(run.manifest), epochExamples(run.manifest)],
    run.manifest.config.proof,
  ]);
};

/** Circuits of runs, made once for every shape. */
export class CircuitCache {
  readonly #made = new Map<string, BundledCircuits>();
  constructor(readonly kernels: Kernels) {}

  /** Throws UnsupportedError where the runs' proofs are hashed with BLAKE3. */
  of(run: Run): BundledCircuits {
    const name = circuitsName(run);
    let c = this.#made.get(name);
    if (!c) {
      c = this.kernels.scope(() => bundledCircuits(this.kernels, run));
      this.#made.set(name, c);
    }
    return c;
  }
}

/** The blob that a response names. Throws FederationError. */
function namedBlob({ client, unit, proof }: Message<'response'>, blob: Uint8Array | undefined): Uint8Array {
  const bad = (why: string): never => {
    throw new FederationError('unit proof', `unit ${unit}: ${why}`, client);
  };
  if (proof === null) return bad('was answered without one');
  if (!blob) return bad(`${proof} is missing`);
  if (blob.length > MOST_UNIT) return bad(`has ${blob.length} bytes, at most ${MOST_UNIT} are read`);
  if (digestOf(blob) !== proof) return bad(`is ${digestOf(blob)}, the answer names ${proof}`);
  return blob;
}

/** Reads the blob of a unit. Throws FederationError. */
function nodeOfBlob(r: Message<'response'>, blob: Uint8Array | undefined): NodeFile {
  const { client, unit } = r,
    bytes = namedBlob(r, blob);
  try {
    return decodeNode(`unit ${unit} of ${client}`, bytes);
  } catch (e) {
    if (e instanceof InputError || e instanceof VersionError) throw new FederationError('unit proof', `unit ${unit}: ${reason(e)}`, client);
    throw e;
  }
}

/**
 * Checks what a response shows of its unit, by what the plan asks for: the proof of the unit, or the certificate of all
 * drawn units of its client. Throws FederationError.
 */
export function checkShown(
  units: UnitChecks,
  c: RoundContext,
  draw: Draw,
  r: Signed<'response'>,
  responses: ReadonlyMap<string, Signed<'response'>>,
  blob: Uint8Array | undefined,
): void {
  if (c.plan.body.audit.show === 'certificates') units.answer(c, r, drawnOf(draw, r.body.client), responses, blob);
  else units.unit(c, r, blob);
}

/** Enrolment manifest of a client. Throws FederationError where it is missing or is none. */
function manifestOf(source: UnitSource, c: RoundContext, client: string): Manifest {
  const { manifest } = c.enrolments.get(client)!.body,
    bytes = source.manifest(manifest);
  if (!bytes) throw new FederationError('enrolment manifest', `${manifest} is missing`, client);
  try {
    return readManifestBlob(bytes, `${client}: manifest`);
  } catch (e) {
    if (e instanceof InputError || e instanceof VersionError) throw new FederationError('enrolment manifest', reason(e), client);
    throw e;
  }
}

/** The verifier of units: programs, circuits and keys are made once for every client's round and every shape. */
export function unitChecks(source: UnitSource): UnitChecks {
  const { kernels: k, base } = source,
    circuits = source.circuits ?? new CircuitCache(k),
    runs = new Map<string, Run>(),
    held = new Set<string>();
  const runFor = (c: RoundContext, client: string): Run => {
    const at = roundDigest(c, client);
    let run = runs.get(at);
    if (!run) {
      run = roundRun(c, client, manifestOf(source, c, client));
      if (runs.size > 1000) runs.clear();
      runs.set(at, run);
    }
    return run;
  };
  const proverOf = (c: RoundContext, client: string) => {
    const run = runFor(c, client);
    return { run, circuits: circuits.of(run) };
  };
  const certificateSource = (c: RoundContext, responses: CertificateSource['responses']): CertificateSource => ({
    kernels: k,
    base,
    context: c,
    responses,
    runFor: (client) => proverOf(c, client),
  });
  return {
    runFor: proverOf,
    answer: (c, { body: r }, drawn, responses, blob) => {
      if (!drawn.includes(r.unit)) throw new FederationError('unit proof', `unit ${r.unit}: was not drawn`, r.client);
      const bytes = namedBlob(r, blob),
        // One certificate answers several units: a pure function of these bytes is not computed twice.
        name = [roundDigest(c, r.client), r.proof, ...drawn.map((u) => responses.get(`${r.client}-${u}`)?.digest)].join(' ');
      if (held.has(name)) return;
      checkAnswer(certificateSource(c, responses), r.client, drawn, bytes);
      if (held.size > 1000) held.clear();
      held.add(name);
    },
    certificate: (c, responses, bytes) => certifiedUnits(certificateSource(c, responses), bytes),
    unit: (c, { body: r }, blob) => {
      const { client, unit } = r,
        { unit: u, steps } = c.plan.body.train,
        node = nodeOfBlob(r, blob),
        [from, to] = [unit * u, Math.min(steps, (unit + 1) * u)],
        run = runFor(c, client);
      if (manifestDigest(node.manifest) !== manifestDigest(run.manifest))
        throw new FederationError('unit manifest', `unit ${unit}: the proof is of another client, round or order`, client);
      if (node.from.step !== from || node.to.step !== to || node.from.part || node.to.part)
        throw new FederationError('unit range', `the proof is of other steps than ${from} to ${to - 1}, those of unit ${unit}`, client);
      let statement: NodeStatement;
      try {
        const own = circuits.of(run);
        verifyNodeFile(k, run, node, own, { base });
        ({ statement } = nodeOf(own.cls, node));
      } catch (e) {
        if (e instanceof VerificationError || e instanceof UnsupportedError)
          throw new FederationError('unit proof', `unit ${unit}: ${reason(e)}`, client);
        throw e;
      }
      const { round } = c.plan.body,
        record = (o: Message<'commit'>['last']): Boundary => boundaryOf(o.words.map(BigInt), client),
        ends = (side: 'In' | 'Out') => ({
          pos: statement[`pos${side}`],
          s: statement[`s${side}`],
          losses: statement[`losses${side}`],
          counters: statement[`counters${side}`],
          epochs: statement[`epochs${side}`],
        });
      checkEnd(true, run, round, record(r.from), ends('In'), client);
      checkEnd(false, run, round, record(r.to), ends('Out'), client);
    },
  };
}
