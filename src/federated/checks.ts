import { reason } from '../errors.js';
import { fromHex, toHex, toUtf8 } from '../provenance/bytes.js';
import { keyDigest } from '../provenance/ecdsa.js';
import { type Weighted, ruleProblem } from './aggregate.js';
import { type Beacon, beaconValue, roundTime } from './beacon.js';
import { type BoundStep, checkMovement, largest, movementBound } from './bound.js';
import { type Boundary, boundaryBytes, boundaryOf, firstBoundary, sameBoundary } from './boundary.js';
import { MOST_POOL, type Ratio, drawnUnits, ratio } from './catch.js';
import { type Draw, drawUnits, participants } from './draw.js';
import { FederationError } from './errors.js';
import { MOST_ANSWERS, type Message, type Signed, digestOf, keyOf, sameFederation } from './messages.js';
import { leafHash, pathRoot, recordLeaf, treeRoot } from './tree.js';
import { LEAST_C, MOST_C, applyUpdate, decodeUpdate, encodeUpdate } from './update.js';

/*
 * What the server checks of every message, and anybody again: natively, for all clients, in every round. Each refusal
 * has a name. What a proof shows is not here: a unit between two records is checked in units.ts.
 */

/** A federation: its charter, and the enrolments that hold under it. */
export interface Federation {
  readonly charter: Signed<'charter'>;
  readonly enrolments: ReadonlyMap<string, Signed<'enrolment'>>;
}

/**
 * Where the programs are at hand: the commitment of the state that a round begins with, and whether a state's adapter
 * is the one that is named.
 */
export interface StateChecks {
  /** Commitment to the state that has this adapter and zero moments. */
  readonly first: (adapter: Int32Array) => bigint[];
  /** Throws VerificationError where the adapter of a committed state is another. */
  readonly last: (state: readonly bigint[], adapter: Int32Array) => void;
}

/** A round whose plan holds. */
export interface RoundContext extends Federation {
  readonly plan: Signed<'plan'>;
  /** Names, in order. */ readonly participants: readonly string[];
  readonly global: Int32Array;
  /** The bound on movement, in units of 2^-20. */ readonly bound: bigint;
  readonly first: Boundary;
  /** Value of the beacon that the plan follows: it draws participants, and the order of their rows. */
  readonly order: Uint8Array;
  readonly states?: StateChecks;
}

const big = (list: readonly string[]): bigint[] => list.map(BigInt);

/** Bytes of an adapter as a blob: its difference from zero. */
export const adapterBlob = (C: Int32Array, charter: Pick<Message<'charter'>, 'tensors'>): Uint8Array => encodeUpdate(C, charter.tensors);

/** The adapter of a blob. Throws FederationError. */
export function readAdapter(bytes: Uint8Array, charter: Message<'charter'>): Int32Array {
  const C = decodeUpdate(bytes, charter.tensors, 'server');
  return applyUpdate(new Int32Array(C.length), C, charter.tensors, 'server');
}

/** Adds enrolments to those that hold. The same once more changes nothing. Throws FederationError. */
export function enrolAll(f: Federation, list: readonly Signed<'enrolment'>[]): Federation {
  const enrolments = new Map(f.enrolments),
    keys = new Map([...enrolments].map(([client, e]) => [e.signer, client])),
    allowed = new Set(f.charter.body.allow);
  for (const e of list) {
    const { client } = e.body,
      bad = (why: string): never => {
        throw new FederationError('enrolment', why, client);
      };
    sameFederation(f.charter, e.body, client);
    if (!allowed.has(e.signer)) return bad(`its key ${e.signer} is not on the list of the charter`);
    const there = enrolments.get(client),
      other = keys.get(e.signer);
    if (there?.digest === e.digest) continue;
    if (there) return bad('is enrolled already, with other data');
    if (other !== undefined) return bad(`has the key of ${other}`);
    if (e.body.epochExamples > e.body.rows) return bad(`draws ${e.body.epochExamples} examples a round of ${e.body.rows} rows`);
    enrolments.set(client, e);
    keys.set(e.signer, client);
  }
  return enrolments.size === f.enrolments.size ? f : { ...f, enrolments };
}
/** The same of one. */
export const enrol = (f: Federation, e: Signed<'enrolment'>): Federation => enrolAll(f, [e]);

/** What a plan follows: the record before with its beacon's value, or the beginning. */
export interface Before {
  /** Digest of the record, null before the first round. */ readonly record: string | null;
  /** Round of that record, -1 before the first. */ readonly round: number;
  /** Round of its beacon, or the charter's seed round; and that beacon's value. */
  readonly beaconRound: number;
  readonly beacon: Uint8Array;
  readonly global: Message<'plan'>['global'];
}

/** Problems of a plan by itself. */
function planProblems(f: Federation, p: Message<'plan'>): string | undefined {
  const { steps, unit, batch, schedule } = p.train,
    { coverage } = p.audit,
    names = p.enrolled.map((e) => e.client);
  if (steps % unit) return `${steps} steps are no whole units of ${unit}`;
  if (schedule.length !== steps) return `a schedule of ${schedule.length} rows for ${steps} steps`;
  if (coverage[0] > coverage[1]) return 'a coverage above 1';
  if (names.some((n, i) => i > 0 && names[i - 1] >= n)) return 'the enrolled are not in order, or one comes twice';
  for (const e of p.enrolled) {
    const x = f.enrolments.get(e.client);
    if (x?.digest !== e.enrolment) return `${e.client} is not enrolled so`;
    if (x.body.epochExamples !== steps * batch)
      return `${e.client} draws ${x.body.epochExamples} examples a round, the plan takes ${steps * batch}`;
  }
  if (p.select > names.length) return `${p.select} participants of ${names.length} enrolled`;
  const units = p.select * unitsOf(p);
  if (units > MOST_POOL) return `${units} units, a draw is from at most ${MOST_POOL}`;
  const drawn = drawnUnits(coverageOf(p), units) + (p.audit.each ? p.select : 0);
  if (drawn > MOST_ANSWERS) return `draws up to ${drawn} units, a round has at most ${MOST_ANSWERS} answers`;
  const rule = ruleProblem(p.aggregate, p.select);
  if (rule !== undefined) return rule;
  if (roundTime(f.charter.body.chain, p.beacon) <= p.deadlines.commit) return 'its beacon is out before the last commit is due';
  if (p.deadlines.response <= roundTime(f.charter.body.chain, p.beacon)) return 'responses are due before the beacon';
  return undefined;
}

const steps = (p: Message<'plan'>): BoundStep[] =>
  p.train.schedule.map(([alpha, decay, epsT]) => ({ alpha: BigInt(alpha), decay: BigInt(decay), epsT: BigInt(epsT) }));

/**
 * Opens a round: everything that its plan fixes. `blob` holds the global adapter. Throws FederationError, RangeError
 * for a schedule outside its formats.
 */
export function openRound(f: Federation, plan: Signed<'plan'>, before: Before, blob: Uint8Array, states?: StateChecks): RoundContext {
  const p = plan.body,
    bad = (why: string): never => {
      throw new FederationError('plan', why, 'server');
    };
  sameFederation(f.charter, p, 'server');
  if (p.previous !== before.record)
    throw new FederationError('record chain', `the plan of round ${p.round} follows ${p.previous}, not ${before.record}`, 'server');
  if (p.round <= before.round) return bad(`round ${p.round} comes after round ${before.round}`);
  if (p.beacon <= before.beaconRound) return bad('its beacon is out already');
  const problem = planProblems(f, p);
  if (problem !== undefined) return bad(problem);
  if (p.global.adapter !== before.global.adapter || p.global.state.some((w, i) => w !== before.global.state[i]))
    return bad('begins with another adapter than the record before left');
  if (digestOf(blob) !== p.global.adapter)
    throw new FederationError('blob', `the global adapter is ${digestOf(blob)}, not ${p.global.adapter}`, 'server');
  const global = readAdapter(blob, f.charter.body),
    o = f.charter.body.optimizer,
    constants = { beta1: BigInt(o.beta1), kappa: BigInt(o.kappa), sigma: BigInt(o.sigma), momentFrac: o.momentFrac },
    first = firstBoundary(p.round, big(p.global.state));
  if (states) {
    const own = states.first(global);
    if (own.some((w, i) => w !== first.s[i]))
      throw new FederationError('first state', 'the plan names another state than the global adapter has with zero moments', 'server');
  }
  return {
    ...f,
    plan,
    participants: participants(
      before.beacon,
      p.round,
      p.enrolled.map((e) => e.client),
      p.select,
    ),
    global,
    bound: movementBound(constants, steps(p), largest(global)),
    first,
    order: before.beacon,
    ...(states ? { states } : {}),
  };
}

export const unitsOf = (p: Message<'plan'>): number => p.train.steps / p.train.unit;

/** Root that an opened record gives in a tree of m + 1 records. */
const openedRoot = (o: Message<'commit'>['last'], index: number, m: number, client: string): string =>
  toHex(
    pathRoot(
      recordLeaf(fromHex(o.salt, 'salt'), index, boundaryBytes(boundaryOf(big(o.words), client), client)),
      index,
      m + 1,
      o.path.map((x) => fromHex(x, 'path')),
      client,
    ),
  );

/** Checks where a record stands: after so many steps of the round. Examples and targets are those of the steps. */
function checkPlace(c: RoundContext, b: Boundary, done: number, client: string): void {
  const { round, train } = c.plan.body,
    whole = done === train.steps,
    examples = BigInt(done * train.batch),
    want = [BigInt(done), 0n, 0n, BigInt(round + (whole ? 1 : 0)), BigInt(whole ? 0 : done), examples],
    targets = b.pos[6];
  want.forEach((w, i) => {
    if (b.pos[i] !== w)
      throw new FederationError('record position', `word ${i} of the place after step ${done} is ${b.pos[i]}, not ${w}`, client);
  });
  if (targets < BigInt(done ? 1 : 0) || targets > examples * BigInt(c.charter.body.sequence - 1))
    throw new FederationError('record position', `${targets} targets in ${examples} examples`, client);
}

/** Checks a commit against its round: whose it is, its plan, its tree, its last record. Throws FederationError. */
export function checkCommit(c: RoundContext, m: Signed<'commit'>): void {
  const { body } = m,
    { client } = body,
    m0 = unitsOf(c.plan.body),
    bad = (why: string): never => {
      throw new FederationError('commit', why, client);
    };
  sameFederation(c.charter, body, client);
  if (!c.participants.includes(client)) return bad('takes no part in this round');
  const e = c.enrolments.get(client)!;
  if (m.signer !== e.signer) return bad(`is signed by ${m.signer}, the key enrolled is ${e.signer}`);
  if (body.plan !== c.plan.digest || body.round !== c.plan.body.round) return bad(`is to the plan ${body.plan} of round ${body.round}`);
  if (body.enrolment !== e.digest) return bad('names another enrolment');
  if (body.units !== m0) throw new FederationError('commit units', `${body.units} units, the plan has ${m0}`, client);
  if (openedRoot(body.last, m0, m0, client) !== body.root)
    throw new FederationError('record root', 'its last record is not under its root', client);
  checkPlace(c, boundaryOf(big(body.last.words), client), c.plan.body.train.steps, client);
}

/** Checks that a client may withdraw from a round: it takes part, and says so itself. Throws FederationError. */
export function checkWithdrawal(c: RoundContext, m: Signed<'withdrawal'>): void {
  const { body } = m,
    { client } = body;
  sameFederation(c.charter, body, client);
  if (!c.participants.includes(client) || m.signer !== c.enrolments.get(client)!.signer)
    throw new FederationError('withdrawal', 'takes no part in this round, or somebody else speaks for it', client);
  if (body.plan !== c.plan.digest || body.round !== c.plan.body.round)
    throw new FederationError('withdrawal', 'is of another plan', client);
}

/**
 * An update that holds, with its weight. `lastState` says whether its adapter was compared with the committed state.
 */
export interface CheckedUpdate extends Weighted {
  readonly commit: string;
  readonly lastState: 'checked' | 'not checked';
}

/**
 * Checks what a client hands in: its bytes, their one encoding, formats, the bound on movement, and with the programs
 * at hand that it is the adapter of the committed state. The weight is the number of targets that the client committed
 * to, at most the cap. Throws FederationError.
 */
export function checkUpdate(c: RoundContext, m: Signed<'commit'>, blob: Uint8Array): CheckedUpdate {
  const { client, update, last } = m.body,
    b = boundaryOf(big(last.words), client);
  if (blob.length !== update.bytes || digestOf(blob) !== update.blob)
    throw new FederationError(
      'blob',
      `the update is ${digestOf(blob)} of ${blob.length} bytes, the commit says ${update.blob} of ${update.bytes}`,
      client,
    );
  const d = decodeUpdate(blob, c.charter.body.tensors, client),
    C = applyUpdate(c.global, d, c.charter.body.tensors, client);
  checkMovement(d, c.bound, c.charter.body.tensors, client);
  try {
    c.states?.last(b.s, C);
  } catch (e) {
    throw new FederationError('last state', reason(e), client);
  }
  const targets = Number(b.pos[6]);
  return { client, commit: m.digest, weight: Math.min(targets, c.plan.body.cap), d, lastState: c.states ? 'checked' : 'not checked' };
}

/** Root over sealed commits: leaves are name, a zero byte, digest. SHA-256 of nothing where there is none. */
export const sealRoot = (commits: readonly { readonly client: string; readonly commit: string }[]): string =>
  commits.length ? toHex(treeRoot(commits.map((x) => leafHash(toUtf8(`${x.client}\0${x.commit}`))))) : digestOf(new Uint8Array(0)).slice(7);

/**
 * Checks a seal: order, root, every commit, before the beacon. `commits` are those that hold. Throws FederationError.
 */
export function checkSeal(c: RoundContext, s: Signed<'seal'>, commits: ReadonlyMap<string, Signed<'commit'>>): void {
  const { body } = s,
    bad = (why: string): never => {
      throw new FederationError('seal', why, 'server');
    };
  sameFederation(c.charter, body, 'server');
  if (body.plan !== c.plan.digest || body.round !== c.plan.body.round) return bad('is of another plan');
  const names = body.commits.map((x) => x.client);
  if (names.some((n, i) => i > 0 && names[i - 1] >= n))
    throw new FederationError('seal order', 'clients are not in order, or one comes twice', 'server');
  for (const x of body.commits)
    if (commits.get(x.client)?.digest !== x.commit)
      return bad(`${x.client} handed in ${commits.get(x.client)?.digest ?? 'nothing that holds'}, sealed is ${x.commit}`);
  if (sealRoot(body.commits) !== body.root)
    throw new FederationError('seal root', `is ${body.root}, the commits give ${sealRoot(body.commits)}`, 'server');
  const out = new Set(body.excluded.map((x) => x.client)),
    sealed = new Set(names);
  for (const n of c.participants)
    if (!sealed.has(n) && !out.has(n)) throw new FederationError('seal omission', `${n} is neither sealed nor excluded`, 'server');
  for (const n of out) if (sealed.has(n)) return bad(`${n} is sealed and excluded`);
  if (body.time >= roundTime(c.charter.body.chain, c.plan.body.beacon))
    throw new FederationError('seal time', 'is not before the beacon that draws from it', 'server');
}

/**
 * A receipt for a commit that the seal lacks: a lie of the server, which excluded it without a reason or says that it
 * never came.
 */
export function checkReceipt(s: Signed<'seal'>, r: Signed<'receipt'>): void {
  const { client, commit, plan } = r.body;
  if (plan !== s.body.plan) throw new FederationError('receipt', 'is of another plan', client);
  if (s.body.commits.some((x) => x.client === client && x.commit === commit)) return;
  // Two commits of one client exclude it: the server has to show both, which whoever checks the round asks for.
  if (s.body.excluded.some((x) => x.client === client && x.why === 'equivocation')) return;
  throw new FederationError('receipt denied', `${client} has a receipt for ${commit}, which is not sealed`, 'server');
}

const coverageOf = (p: Message<'plan'>): Ratio => ratio(BigInt(p.audit.coverage[0]), BigInt(p.audit.coverage[1]));

/** The draw of a sealed round. Throws FederationError for a beacon of another chain, round or signature. */
export function drawOf(c: RoundContext, s: Signed<'seal'>, b: Beacon): Draw & { readonly value: Uint8Array } {
  const value = beaconValue(c.charter.body.chain, c.plan.body.beacon, b);
  return {
    ...drawUnits({
      federation: fromHex(c.charter.digest.slice(7), 'charter'),
      round: c.plan.body.round,
      seal: fromHex(s.body.root, 'seal'),
      beacon: value,
      pool: s.body.commits.map((x) => ({ client: x.client, units: unitsOf(c.plan.body) })),
      coverage: coverageOf(c.plan.body),
      each: c.plan.body.audit.each,
    }),
    value,
  };
}

/** Checks that an answer is of the client that it names, and to this round. Throws FederationError. */
export function checkAddress(c: RoundContext, r: Signed<'response'>): void {
  const { client } = r.body;
  sameFederation(c.charter, r.body, client);
  if (r.signer !== c.enrolments.get(client)?.signer) throw new FederationError('response', 'is signed by somebody else', client);
  if (r.body.plan !== c.plan.digest || r.body.round !== c.plan.body.round)
    throw new FederationError('response', 'is to another plan', client);
}

/**
 * Checks an answer to a draw: that the records around the unit are those that the client committed to before it, at
 * their places, first and last among them, and that examples and targets only grow. What lies between the records is
 * **not checked** here: units.ts does that. Throws FederationError.
 */
export function checkResponse(c: RoundContext, draw: Draw, m: Signed<'commit'>, r: Signed<'response'>): void {
  const { client, unit } = r.body,
    { unit: u, steps: L } = c.plan.body.train,
    M = unitsOf(c.plan.body);
  checkAddress(c, r);
  if (m.body.client !== client) throw new FederationError('response', 'is signed by somebody else', client);
  if (!draw.units.some((x) => x.client === client && x.index === unit))
    throw new FederationError('response unit', `unit ${unit} was not drawn`, client);
  if (c.plan.body.audit.show !== 'records' && r.body.proof === null)
    throw new FederationError('response proof', `unit ${unit} comes without the proof that the plan asks for`, client);
  const [from, to] = [r.body.from, r.body.to].map((o) => boundaryOf(big(o.words), client));
  for (const [o, i] of [
    [r.body.from, unit],
    [r.body.to, unit + 1],
  ] as const)
    if (openedRoot(o, i, M, client) !== m.body.root) throw new FederationError('record root', `record ${i} is not under its root`, client);
  checkPlace(c, from, unit * u, client);
  checkPlace(c, to, Math.min(L, (unit + 1) * u), client);
  if (to.pos[6] < from.pos[6] || to.pos[6] - from.pos[6] > BigInt(u * c.plan.body.train.batch * (c.charter.body.sequence - 1)))
    throw new FederationError('unit counters', `targets go from ${from.pos[6]} to ${to.pos[6]}`, client);
  if (unit === 0 && !sameBoundary(from, c.first))
    throw new FederationError('first record', 'is not the one that the plan begins with', client);
  if (unit === M - 1 && !sameBoundary(to, boundaryOf(big(m.body.last.words), client)))
    throw new FederationError('last record', 'is not the one of the commit', client);
}

/** Whether an adapter is in format: for what a server makes. */
export const inFormat = (C: Int32Array): boolean => C.every((x) => x >= LEAST_C && x <= MOST_C);

/** The server's key. */
export const serverKey = (c: Signed<'charter'>) => keyOf(c.body.server, 'charter: server');
/** The key of an enrolled client. */
export const clientKey = (e: Signed<'enrolment'>) => keyOf(e.body.key, `${e.body.client}: key`);
/** Digest of a key as text, for the charter's list. */
export const keyName = keyDigest;
