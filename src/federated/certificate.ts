import { Body, checkHeader, headerLine, sealedHeader } from '../artifact/header.js';
import { inMemory } from '../artifact/source.js';
import { concat, toBytes } from '../artifact/words.js';
import { InputError, UnsupportedError, VersionError, reason } from '../errors.js';
import { P } from '../field/goldilocks.js';
import type { Kernels } from '../kernels/runtime.js';
import { type UnitStatement, bundleOf, pairDigest, unitDigest } from '../recursion/bundle.js';
import type { BundledCircuits } from '../recursion/circuits.js';
import { endProofOf } from '../recursion/node-words.js';
import { NO_EPOCHS, START, programsDigest } from '../recursion/statement.js';
import { frozenOf, zeroAccumulators } from '../run/commitments.js';
import { type Run, epochBatches } from '../run/facts.js';
import type { Base } from '../run/inputs.js';
import { countersDigest, zeroCounters } from '../policy/classes/quotas.js';
import { policyOf } from '../run/policy.js';
import { programList } from '../run/programs.js';
import { VerificationError } from '../transcript/arith.js';
import { checkBase } from '../verify/base.js';
import { verifyHiddenEnd } from '../verify/certificate.js';
import { placeOf } from '../verify/compare.js';
import { checkEntered } from '../verify/folded.js';
import { verifyEnd } from '../verify/nodes.js';
import { boundaryOf } from './boundary.js';
import type { RoundContext } from './checks.js';
import { FederationError } from './errors.js';
import { type Message, type Signed, digestOf } from './messages.js';

/*
 * A round certificate: one proof, of constant size, in the place of the proofs of many drawn units (bundle.ts of the
 * recursion). It lists the units in the order in which they were bundled; everything that the proof says of them is
 * recomputed from the records that their answers open, so that nobody signs it and anybody who has the proofs of the
 * units can make it.
 *
 * A client that shows nothing answers with one of its own drawn units: the same, but that its proof hides its witness,
 * the nodes of the units. Beside what its answers open it says a claim on the base, which is public.
 */
export interface RoundCertificate {
  readonly federation: string;
  readonly round: number;
  readonly plan: string;
  readonly units: readonly { readonly client: string; readonly unit: number }[];
  /** Whether its proof hides its witness. */ readonly hides: boolean;
  readonly statement: readonly bigint[];
  readonly proof: BigUint64Array;
}

const TYPE = 'certune-fed-certificate',
  VERSION = 2,
  /** Most units of a certificate. */ MOST = 100_000,
  MOST_WORDS = 2 ** 17;
/** Most bytes of a certificate: several times the proof, and the names of its units. */
export const MOST_CERTIFICATE = 8 << 20;

export function encodeCertificate(x: RoundCertificate): Uint8Array {
  const body = concat([toBytes(BigUint64Array.from(x.statement)), toBytes(x.proof)]),
    { federation, round, plan } = x,
    head = {
      type: TYPE,
      version: VERSION,
      federation,
      round,
      plan,
      units: x.units.map((u) => [u.client, u.unit]),
      hides: x.hides,
      statement: x.statement.length,
      proof: x.proof.length,
    };
  return concat([new TextEncoder().encode(sealedHeader(head, body)), body]);
}

/** Reads a certificate from hostile bytes. Throws InputError, VersionError; verifies nothing. */
export function decodeCertificate(file: string, bytes: Uint8Array): RoundCertificate {
  const bad = (why: string): never => {
    throw new InputError(file, [why], 'not a certificate of a round, or a damaged one');
  };
  if (bytes.length > MOST_CERTIFICATE) return bad(`has ${bytes.length} bytes, at most ${MOST_CERTIFICATE} are read`);
  const source = inMemory(bytes),
    line = headerLine(file, source),
    { federation, round, plan, units, hides, statement, proof } = line.head,
    size = (x: unknown, most: number): x is number => typeof x === 'number' && Number.isSafeInteger(x) && x >= 0 && x <= most;
  if (!size(statement, MOST_WORDS) || !size(proof, MOST_WORDS)) return bad('malformed lengths');
  checkHeader(file, line, {
    type: TYPE,
    version: VERSION,
    keys: ['federation', 'round', 'plan', 'units', 'hides', 'statement', 'proof'],
    words: () => {
      if (line.body + 8 * (statement + proof) !== source.size) return bad('is not as long as its header says');
      return source.bytes(line.body, 8 * (statement + proof));
    },
  });
  if (typeof federation !== 'string' || typeof plan !== 'string' || !size(round, 2 ** 31) || typeof hides !== 'boolean')
    return bad('malformed header');
  if (!Array.isArray(units) || units.length < 1 || units.length > MOST) return bad('malformed units');
  const list = (units as unknown[]).map((x) => {
      if (!Array.isArray(x) || x.length !== 2 || typeof x[0] !== 'string' || !size(x[1], 2 ** 24)) return bad('malformed units');
      return { client: x[0], unit: x[1] };
    }),
    body = new Body(file, source, line.body),
    words = [...body.take(statement)];
  if (words.some((w) => w >= P)) return bad('statement holds a word that is not canonical');
  const out = { federation, round, plan, units: list, hides, statement: words, proof: body.take(proof) };
  body.end();
  return out;
}

/** Digest of counters of an epoch of which nothing was drawn: in a record zeros stand for it. */
export const noCounters = (run: Run): bigint[] => countersDigest(zeroCounters(run.manifest.config.policy.bins.length));

/**
 * What a proof of a unit says in the words that a bundle binds, from the two records that its answer opens. Throws
 * VerificationError where they are not records between which a unit lies.
 */
export function unitStatement(c: RoundContext, run: Run, r: Message<'response'>): UnitStatement {
  const { round } = c.plan.body,
    { unit: u, steps } = c.plan.body.train,
    { manifest, programs, facts } = run,
    zero = zeroAccumulators(programs),
    own = noCounters(run),
    from = r.unit * u,
    to = Math.min(steps, from + u);
  const side = (o: Message<'commit'>['last'], step: number) => {
    const b = boundaryOf(o.words.map(BigInt), r.client),
      // Epochs count from the round's number in a record, from 0 in a statement.
      pos = b.pos.map((w, i) => (i === 3 ? (w - BigInt(round) + P) % P : w)),
      begins = pos[4] === 0n,
      none = begins && b.counters.every((w) => w === 0n),
      at = placeOf(run, step);
    if ([at.steps, 0n, 0n, at.epoch, at.drawn, at.examples].some((w, i) => w !== pos[i]))
      throw new VerificationError('range', `the record is not of the place before step ${step}`);
    // One spelling: a record that has the digest itself is refused where a unit is verified alone, and here too.
    if (begins && own.every((w, i) => w === b.counters[i]))
      throw new VerificationError('counters at the start of an epoch', 'the record has their digest in the place of zeros');
    return { ...b, pos, counters: none ? own : b.counters };
  };
  const a = side(r.from, from),
    b = side(r.to, to),
    st: UnitStatement = {
      context: facts.context,
      dataset: manifest.dataset.root.map(BigInt),
      epoch: [BigInt(epochBatches(manifest))],
      policy: policyOf(manifest).digest,
      posIn: a.pos,
      posOut: b.pos,
      sIn: a.s,
      aIn: zero,
      sOut: b.s,
      aOut: zero,
      lossesIn: a.losses,
      lossesOut: b.losses,
      countersIn: a.counters,
      countersOut: b.counters,
      epochsIn: a.epochs,
      epochsOut: b.epochs,
    };
  const same = (name: string, x: readonly bigint[], y: readonly bigint[]): void => {
    if (x.some((w, i) => w !== y[i])) throw new VerificationError(name, 'the record is not the one that a round begins with');
  };
  if (a.pos[4] === 0n) same('counters at the start of an epoch', a.counters, own);
  if (from === 0) {
    same('start', a.pos, START.pos);
    same('start of the losses', a.losses, START.losses);
    same('start of the epochs', a.epochs, NO_EPOCHS);
  }
  checkEntered(programs, st);
  return st;
}

/** A unit of a certificate: its client's run in the round, and its answer. */
interface CertifiedUnit {
  readonly run: Run;
  readonly response: Message<'response'>;
  readonly circuits: BundledCircuits;
}

/** What a certificate is verified against. */
export interface CertificateSource {
  readonly kernels: Kernels;
  readonly base: Base;
  readonly context: RoundContext;
  /** Answers that open the records of units, by "client-unit". */
  readonly responses: ReadonlyMap<string, Signed<'response'>>;
  /** The run of a client in the round, and its circuits. */
  readonly runFor: (client: string) => Omit<CertifiedUnit, 'response'>;
}

/** Refuses a certificate of this party. */
const refuser =
  (party: string) =>
  (why: string): never => {
    throw new FederationError('certificate', why, party);
  };

/**
 * Verifies that a certificate shows these units, in this order: its proof, its claim on the base, its programs, and
 * the digest over what the units' records say; `party` is whose it is. Throws FederationError.
 */
function verifyCertificate(
  { kernels: k, base, context: c }: CertificateSource,
  x: RoundCertificate,
  list: readonly CertifiedUnit[],
  party: string,
): void {
  const bad = refuser(party),
    [{ run, circuits }] = list;
  if (x.federation !== c.charter.digest || x.plan !== c.plan.digest || x.round !== c.plan.body.round) return bad('is of another round');
  if (!circuits.bundle) return bad(circuits.problem ?? 'nodes of this run cannot be bundled');
  if (list.some((u) => u.circuits.digest !== circuits.digest)) return bad('holds units of different circuits, which have no key in common');
  try {
    const key = circuits.keys.published,
      end = endProofOf(key, x);
    (x.hides ? verifyHiddenEnd : verifyEnd)(k, key, end);
    const program = programsDigest(programList(run.programs).map((p) => p.program));
    if (program.some((w, i) => w !== end.statement.program[i])) return bad('is about other programs');
    k.scope(() => checkBase(k, run.programs, end.statement, frozenOf(k, run.programs, base)));
    const digest = bundleOf(
      list.map((u) => unitDigest(unitStatement(c, u.run, u.response))),
      pairDigest,
    );
    if (digest.some((w, i) => w !== end.statement.dataset[i])) return bad('is about other units, or about these in another order');
  } catch (e) {
    if (e instanceof VerificationError && !(e instanceof FederationError)) return bad(`${e.check}: ${e.message}`);
    throw e;
  }
}

/** Reads a certificate of a party and verifies that it shows the units that it lists, all of them answered. */
function shown(
  from: CertificateSource,
  bytes: Uint8Array,
  party: string,
  check: (x: RoundCertificate, bad: (why: string) => never) => void,
): string[] {
  const bad = refuser(party);
  let x: RoundCertificate;
  try {
    x = decodeCertificate('certificate', bytes);
  } catch (e) {
    if (e instanceof InputError || e instanceof VersionError) return bad(reason(e));
    throw e;
  }
  const names = x.units.map((u) => `${u.client}-${u.unit}`);
  if (new Set(names).size !== names.length) return bad('counts a unit twice');
  check(x, bad);
  const answers = x.units.map(({ client, unit }, i) => {
    const response = from.responses.get(names[i])?.body;
    if (!response) return bad(`shows unit ${unit} of ${client}, which nobody answered with`);
    if (response.client !== client || response.unit !== unit)
      return bad(`the answer to unit ${response.unit} of ${response.client} stands for unit ${unit} of ${client}`);
    return response;
  });
  const list = answers.map((response) => {
    try {
      return { response, ...from.runFor(response.client) };
    } catch (e) {
      // Rows and classes are a client's own: a run that no circuit is made for is its problem, not the reader's.
      if (e instanceof UnsupportedError) return bad(`unit ${response.unit} of ${response.client}: ${reason(e)}`);
      throw e;
    }
  });
  verifyCertificate(from, x, list, party);
  return names;
}

/**
 * Units that a certificate shows, as "client-unit", by their answers. Throws FederationError where it shows other ones,
 * one that is not among the answers, or one twice.
 */
export const certifiedUnits = (from: CertificateSource, bytes: Uint8Array): string[] => shown(from, bytes, 'server', () => {});

/**
 * Verifies the certificate that a client answers a draw with: it hides its witness and shows all drawn units of the
 * client and no other, in the order of the draw. Throws FederationError.
 */
export function checkAnswer(from: CertificateSource, client: string, drawn: readonly number[], bytes: Uint8Array): void {
  shown(from, bytes, client, (x, bad) => {
    if (!x.hides) bad('does not hide its witness, as the plan asks for');
    if (x.units.length !== drawn.length || x.units.some((u, i) => u.client !== client || u.unit !== drawn[i]))
      bad(`shows other units than those drawn of the client: ${drawn.join(', ')}`);
  });
}

/** Name of a certificate's file. */
export const certificateName = (bytes: Uint8Array): string => digestOf(bytes).slice(7);
