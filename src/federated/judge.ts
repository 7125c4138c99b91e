import { InputError, reason } from '../errors.js';
import { type Envelope, envelopeJson, parseEnvelope } from '../provenance/dsse.js';
import { type Json, Members, canonicalBytes, parseJson } from '../provenance/json.js';
import { VerificationError } from '../transcript/arith.js';
import type { Beacon } from './beacon.js';
import {
  type Before,
  type Federation,
  type RoundContext,
  checkCommit,
  checkReceipt,
  checkResponse,
  checkUpdate,
  clientKey,
  drawOf,
  openRound,
  serverKey,
} from './checks.js';
import { type Draw, drawnOf } from './draw.js';
import { FederationError } from './errors.js';
import { type Kind, type Signed, openEnvelope, sameFederation } from './messages.js';
import { type UnitChecks, checkShown } from './units.js';

/*
 * Evidence: signed messages that cannot both be honest, or one that does not hold. Whoever has the charter and the
 * enrolments judges it offline; a charge that its messages do not bear out says nothing against anybody.
 */

/** What somebody is charged with. */
export const CHARGES = [
  /** Two commits, responses, seals, plans, verdicts, records or settlements for one place. */ 'two-messages',
  /** A commit that does not hold, or whose update does not. */ 'bad-update',
  /** A response to a draw that does not open what was committed to. */ 'bad-response',
  /** A response whose proof does not show the unit. */ 'bad-proof',
  /** A receipt for a commit that the seal lacks. */ 'receipt-denied',
] as const;
export type Charge = (typeof CHARGES)[number];

const ITEMS = ['first', 'second', 'plan', 'seal', 'commit', 'response', 'receipt'] as const;
type Item = (typeof ITEMS)[number];

export interface Evidence {
  readonly charge: Charge;
  /** The client, or "server". */ readonly party: string;
  readonly items: Readonly<Partial<Record<Item, Envelope>>>;
  /** Responses to all drawn units of the client, where one certificate answers them. */
  readonly answers?: readonly Envelope[];
  readonly beacon?: Beacon;
}

export const MOST_EVIDENCE = 32 << 20;

/** Canonical bytes of an evidence file. */
export const evidenceFile = (e: Evidence): Uint8Array =>
  canonicalBytes({
    type: 'certune-fed-evidence',
    version: 1,
    charge: e.charge,
    party: e.party,
    items: Object.fromEntries(Object.entries(e.items).map(([n, x]) => [n, envelopeJson(x)])),
    ...(e.answers ? { answers: e.answers.map(envelopeJson) } : {}),
    beacon: e.beacon ?? null,
  });

/** Reads a beacon's members. Throws InputError. */
export function parseBeacon(v: Json, where: string): Beacon {
  const m = Members.of(v, where),
    round = m.any('round');
  if (typeof round !== 'number' || !Number.isSafeInteger(round) || round < 1) m.fail('round', 'is no number of a round');
  const b = { chain: m.string('chain'), round: round as number, signature: m.string('signature') };
  m.end();
  return b;
}

/** Reads an evidence file. Throws InputError. */
export function parseEvidence(bytes: Uint8Array, where: string): Evidence {
  const m = Members.of(parseJson(bytes, where, { bytes: MOST_EVIDENCE, numbers: 'integers' }), where);
  if (m.string('type') !== 'certune-fed-evidence') m.fail('type', 'is not certune-fed-evidence');
  if (m.any('version') !== 1) m.fail('version', 'is not 1');
  const charge = CHARGES.find((c) => c === m.string('charge'));
  if (!charge) return m.fail('charge', `is none of ${CHARGES.join(', ')}`);
  const items = m.child('items'),
    found: Partial<Record<Item, Envelope>> = {};
  for (const n of ITEMS) if (items.has(n)) found[n] = parseEnvelope(items.child(n));
  items.end();
  const answers = m.has('answers') ? m.list('answers').map((x) => parseEnvelope(Members.of(x, where, 'answers'))) : undefined,
    beacon = m.any('beacon'),
    out: Evidence = {
      charge,
      party: m.string('party'),
      items: found,
      ...(answers ? { answers } : {}),
      ...(beacon === null || beacon === undefined ? {} : { beacon: parseBeacon(beacon, where) }),
    };
  m.end();
  return out;
}

/** What a judge has beside the evidence: the federation, what the plan follows, and blobs by digest. */
export interface JudgeContext {
  readonly federation: Federation;
  /** What a plan of this digest follows; undefined where that is not known. */
  readonly before?: (planDigest: string, round: number) => Before | undefined;
  readonly blob: (digest: string) => Uint8Array | undefined;
  /** Where base and manifests are at hand. */ readonly units?: UnitChecks;
}

export interface Judgement {
  /** True where the messages show that the party lied; false where they do not, which says nothing for it either. */
  readonly guilty: boolean;
  readonly party: string;
  readonly charge: Charge;
  /** Name of the check that is not met, or why the charge is not shown. */ readonly finding: string;
}

/** The message of an item under the key of a party. Throws. */
function itemOf<K extends Kind>(e: Evidence, n: Item, kind: K, f: Federation, party: string): Signed<K> {
  const x = e.items[n];
  if (!x) throw new InputError('evidence', [`items.${n} is missing`]);
  if (party === 'server') return openEnvelope(kind, x, [serverKey(f.charter)], `evidence: ${n}`);
  const c = f.enrolments.get(party);
  if (!c) throw new FederationError('evidence', 'is not enrolled', party);
  return openEnvelope(kind, x, [clientKey(c)], `evidence: ${n}`);
}

/** The round of the evidence's plan. Throws. */
function roundOf(e: Evidence, j: JudgeContext): RoundContext {
  const plan = itemOf(e, 'plan', 'plan', j.federation, 'server'),
    before = j.before?.(plan.digest, plan.body.round),
    blob = j.blob(plan.body.global.adapter);
  if (!before || !blob)
    throw new InputError(
      'evidence',
      ['the record before, or the global adapter, is not at hand'],
      'judge in a folder that has the rounds before',
    );
  return openRound(j.federation, plan, before, blob);
}

/**
 * Two messages of one party for one place: kinds by what both are signed as. Throws FederationError where they are no
 * contradiction.
 */
function twoMessages(e: Evidence, f: Federation): string {
  const kinds = e.party === 'server' ? (['seal', 'plan', 'verdict', 'record', 'settlement'] as const) : (['commit', 'response'] as const),
    type = e.items.first?.payloadType,
    kind = (kinds as readonly Kind[]).find((k) => `application/vnd.certune.fed.${k}+json` === type);
  if (!kind) throw new FederationError('evidence', `${type ?? 'nothing'} is no message that may not come twice`, e.party);
  const a = itemOf(e, 'first', kind, f, e.party),
    b = itemOf(e, 'second', kind, f, e.party),
    place = (m: Signed<Kind>): string =>
      JSON.stringify([
        m.body.type,
        'round' in m.body ? m.body.round : 0,
        'client' in m.body ? m.body.client : '',
        'unit' in m.body ? m.body.unit : 0,
      ]);
  for (const m of [a, b]) if ('federation' in m.body) sameFederation(f.charter, m.body, e.party);
  if (a.digest === b.digest) throw new FederationError('evidence', 'both are one message', e.party);
  if (place(a) !== place(b)) throw new FederationError('evidence', 'they are for two places', e.party);
  // A commit or a response is to a plan: two of them to two plans of a server are no lie of the client's.
  if ('plan' in a.body && 'plan' in b.body && kind !== 'seal' && kind !== 'record' && a.body.plan !== b.body.plan)
    throw new FederationError('evidence', 'they are to two plans', e.party);
  return `equivocation: two ${kind}s, ${a.digest} and ${b.digest}`;
}

/**
 * Name of the refusal that a check ends with, where it blames the party; undefined where it holds. Errors of another
 * kind pass.
 */
function refusal(party: string, f: () => void): string | undefined {
  try {
    f();
  } catch (x) {
    if (!(x instanceof FederationError)) throw x;
    if (x.party !== party)
      throw new FederationError('evidence', `speaks against ${x.party ?? 'nobody'}, not ${party}: ${x.message}`, party);
    return x.message;
  }
  return undefined;
}

type AnswerMap = Map<string, Signed<'response'>>;

/**
 * Responses of a client to all of its drawn units, which one certificate answers; each of them opens what was committed
 * to, and that of the unit at hand is the response. Throws FederationError where one is missing, comes twice, or is not
 * needed: what was left out says nothing against anybody.
 */
function allAnswers(e: Evidence, c: RoundContext, draw: Draw, commit: Signed<'commit'>, response: Signed<'response'>): AnswerMap {
  const { party, answers = [] } = e,
    drawn = drawnOf(draw, party),
    out = new Map<string, Signed<'response'>>(),
    bad = (why: string): never => {
      throw new FederationError('evidence', why, party);
    };
  // A signature is paid for where it may be one of those that are needed.
  if (answers.length > drawn.length) return bad(`${answers.length} answers to ${drawn.length} drawn units`);
  for (const x of answers) {
    const r = openEnvelope('response', x, [clientKey(c.enrolments.get(party)!)], 'evidence: answers'),
      name = `${party}-${r.body.unit}`;
    checkResponse(c, draw, commit, r);
    // Of two answers to one unit the accuser would choose the one that suits it; they are another charge.
    if (out.has(name)) return bad(`unit ${r.body.unit} is answered twice`);
    if (r.body.unit === response.body.unit && r.digest !== response.digest)
      return bad(`the answer to unit ${r.body.unit} is another one than the response`);
    out.set(name, r);
  }
  const missing = drawn.filter((u) => !out.has(`${party}-${u}`));
  if (missing.length) return bad(`answers to the units ${missing.join(', ')} are not shown`);
  return out;
}

function findingOf(e: Evidence, j: JudgeContext): string | undefined {
  const f = j.federation,
    { party } = e;
  if (e.charge === 'two-messages') return twoMessages(e, f);
  if (e.charge === 'receipt-denied') {
    if (party !== 'server') throw new FederationError('evidence', "receipts are the server's", party);
    const seal = itemOf(e, 'seal', 'seal', f, 'server'),
      receipt = itemOf(e, 'receipt', 'receipt', f, 'server'),
      commit = itemOf(e, 'commit', 'commit', f, receipt.body.client);
    if (commit.digest !== receipt.body.commit) throw new FederationError('evidence', 'the receipt is for another commit', party);
    // One that equivocates is left out with reason: a second commit of its own would show it.
    return refusal('server', () => checkReceipt(seal, receipt));
  }
  const c = roundOf(e, j),
    commit = itemOf(e, 'commit', 'commit', f, party);
  if (commit.body.client !== party) throw new FederationError('evidence', 'the commit is of somebody else', party);
  if (commit.body.plan !== c.plan.digest) throw new FederationError('evidence', 'the commit is to another plan', party);
  if (e.charge === 'bad-update') {
    const blob = j.blob(commit.body.update.blob);
    return refusal(party, () => {
      checkCommit(c, commit);
      // Bytes that nobody has say nothing: whoever holds the commit may have thrown them away.
      if (!blob) throw new InputError('evidence', [`the update ${commit.body.update.blob} is not at hand`]);
      checkUpdate(c, commit, blob);
    });
  }
  const seal = itemOf(e, 'seal', 'seal', f, 'server'),
    response = itemOf(e, 'response', 'response', f, party);
  if (seal.body.plan !== c.plan.digest || !seal.body.commits.some((x) => x.client === party && x.commit === commit.digest))
    throw new FederationError('evidence', 'the commit is not sealed', party);
  if (!e.beacon) throw new InputError('evidence', ['beacon is missing']);
  if (response.body.plan !== c.plan.digest) throw new FederationError('evidence', 'the response is to another plan', party);
  const draw = drawOf(c, seal, e.beacon);
  if (!draw.units.some((u) => u.client === party && u.index === response.body.unit))
    throw new FederationError('evidence', `unit ${response.body.unit} was not drawn`, party);
  if (e.charge === 'bad-response') return refusal(party, () => checkResponse(c, draw, commit, response));
  const { proof } = response.body,
    blob = proof === null ? undefined : j.blob(proof);
  // Bytes that nobody has say nothing, nor does a proof that nobody can verify.
  if (!blob) throw new InputError('evidence', [`the proof ${proof ?? 'of the unit'} is not at hand`]);
  if (!j.units) throw new InputError('evidence', ['a proof is judged with the base at hand'], 'give --base');
  const { units } = j,
    responses = c.plan.body.audit.show === 'certificates' ? allAnswers(e, c, draw, commit, response) : new Map();
  return refusal(party, () => checkShown(units, c, draw, response, responses, blob));
}

/**
 * Judges evidence. Guilty only where messages under the party's own key are shown to be false; a signature of somebody
 * else, a message changed in any field, or a check that holds is no evidence. Throws InputError where something that is
 * needed is not at hand.
 */
export function judge(e: Evidence, j: JudgeContext): Judgement {
  const said = (guilty: boolean, finding: string): Judgement => ({ guilty, party: e.party, charge: e.charge, finding });
  try {
    const found = findingOf(e, j);
    return found === undefined ? said(false, 'everything that is shown holds') : said(true, found);
  } catch (x) {
    // A name that is not enrolled, a signature that is not the party's: nothing is shown.
    if (x instanceof VerificationError) return said(false, reason(x));
    throw x;
  }
}
