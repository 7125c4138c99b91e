import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { concatBytes, fromBase64, sameBytes, toBase64, toHex, toUtf8 } from '../bytes.js';
import { InputError, VersionError } from '../../errors.js';
import { type Json, type JsonObject, Members, canonicalBytes, parseJson } from '../json.js';
import { VerificationError } from '../../transcript/arith.js';
import { type Collateral, KINDS, type Kind } from './evidence.js';

/*
 * A property card: what an attested program says of its part in a run. The card itself is signed by nobody; the
 * hardware signs 64 bytes, which are the hash of `binding`, and `binding` holds the digests of all that the card says.
 */

export const CARD_TYPE = 'certune-card';
export const CARD_VERSION = 1;
export const ROLES = ['front-end', 'sampler', 'trainer', 'prover'] as const;
export type Role = (typeof ROLES)[number];

/** Most bytes of a card, of its evidence, and of one piece of collateral. */
export const MOST_CARD = 512 << 10;
const MOST_PART = 96 << 10,
  MOST_STAMP = 24 << 10;

/** What R is the hash of. */
export const DOMAIN = 'certune card v1';

/** The kinds of evidence that are refused by name: another party's verdict, or another party's binding. */
const OTHERS: Readonly<Record<string, string>> = {
  'azure-vtpm': "its report data hold the paravisor's key, not what the measured code was told",
  'google-confidential-space': "it is a service's verdict, not evidence",
  'azure-maa': "it is a service's verdict, not evidence",
  'intel-trust-authority': "it is a service's verdict, not evidence",
};

const FORMATS: Readonly<Record<Kind, readonly string[]>> = {
  'sev-snp': ['snp-report-v2', 'snp-report-v3', 'snp-report-v5'],
  nitro: ['nitro-cose-sign1'],
  tdx: ['tdx-quote-v4', 'tdx-quote-v5'],
  sgx: ['sgx-quote-v3'],
  'nvidia-gpu': ['nvidia-nras-eat'],
};

export interface Binding {
  readonly domain: typeof DOMAIN;
  readonly role: Role;
  /** Digests, sha256:... */ readonly manifest: string;
  /** The proof file. Trainer and prover only: when data are prepared there is none yet. */ readonly statement?: string;
  readonly codeIdentity: string;
  readonly constants: string;
  /** 32 bytes in hexadecimal digits: the hash of `challenge` where there is one. */ readonly nonce: string;
  /** What nobody could know before its time: a round of a beacon with its value, or a verifier's own words. */
  readonly challenge?: string;
  /** Digest of the binding of the CPU's card. GPUs only. */ readonly parent?: string;
}

export interface LogEntry {
  readonly register: number;
  /** Hexadecimal digits: what the register was extended by. */ readonly digest: string;
  readonly event: string;
}

export interface CodeIdentity {
  readonly measurement: Readonly<Record<string, string>>;
  readonly image?: string;
  readonly package: { readonly name: string; readonly version: string; readonly integrity: string; readonly source?: string };
  readonly eventLog?: readonly LogEntry[];
}

export interface Constants {
  /** Digest over the digests of the programs. */ readonly program: string;
  readonly verificationKey?: string;
  /** Digest of the settings of the proof. */ readonly parameters: string;
  readonly soundnessBits: number;
  readonly seedSource: 'declared' | 'beacon' | 'drawn-inside';
}

export interface Card {
  readonly kind: Kind;
  readonly role: Role;
  readonly binding: Binding;
  readonly codeIdentity: CodeIdentity;
  readonly constants: Constants;
  readonly evidence: { readonly format: string; readonly bytes: Uint8Array };
  readonly collateral: Collateral;
  /** Milliseconds since 1970 at which the evidence is judged: the card's word, held between two bounds. */
  readonly verifiedAt: number;
  readonly timestamps: readonly Uint8Array[];
}

const DIGEST = /^sha256:[0-9a-f]{64}$/,
  PLAIN = (most: number): RegExp => new RegExp(`^[ -~]{1,${most}}$`);

function text(m: Members, key: string, form: RegExp): string {
  const v = m.string(key);
  return form.test(v) ? v : m.fail(key, 'does not have the form that it must have');
}
const optional = (m: Members, key: string, form: RegExp): Record<string, string> => (m.has(key) ? { [key]: text(m, key, form) } : {});

function oneOf<T extends string>(m: Members, key: string, list: readonly T[]): T {
  const v = m.string(key);
  return (list as readonly string[]).includes(v) ? (v as T) : m.fail(key, `is none of ${list.join(', ')}`);
}

function whole(m: Members, key: string, least: number, most: number): number {
  const v = m.any(key);
  return typeof v === 'number' && Number.isInteger(v) && v >= least && v <= most
    ? v
    : m.fail(key, `is no whole number from ${least} to ${most}`);
}

function parseBinding(m: Members): Binding {
  if (m.string('domain') !== DOMAIN) m.fail('domain', `is not "${DOMAIN}"`);
  const b = {
    domain: DOMAIN as typeof DOMAIN,
    role: oneOf(m, 'role', ROLES),
    manifest: text(m, 'manifest', DIGEST),
    codeIdentity: text(m, 'codeIdentity', DIGEST),
    constants: text(m, 'constants', DIGEST),
    nonce: text(m, 'nonce', /^[0-9a-f]{64}$/),
    ...optional(m, 'statement', DIGEST),
    ...optional(m, 'challenge', PLAIN(256)),
    ...optional(m, 'parent', DIGEST),
  };
  m.end();
  return b;
}

function parseLog(list: Json[], where: string): LogEntry[] {
  if (list.length > 256) throw new InputError(where, [`codeIdentity.eventLog holds ${list.length} entries, at most 256 are read`]);
  return list.map((x, i) => {
    const e = Members.of(x, where, `codeIdentity.eventLog.${i}`),
      out = {
        register: whole(e, 'register', 0, 31),
        digest: text(e, 'digest', /^([0-9a-f]{64}|[0-9a-f]{96})$/),
        event: text(e, 'event', PLAIN(256)),
      };
    e.end();
    return out;
  });
}

function parseCode(m: Members): CodeIdentity {
  const measured = m.child('measurement'),
    names = measured.keys(),
    p = m.child('package');
  if (!names.length || names.length > 32) m.fail('measurement', 'holds no register, or more than 32');
  const out: CodeIdentity = {
    measurement: Object.fromEntries(names.map((k) => [k, text(measured, k, PLAIN(128))])),
    ...optional(m, 'image', DIGEST),
    package: {
      name: text(p, 'name', PLAIN(214)),
      version: text(p, 'version', PLAIN(64)),
      integrity: text(p, 'integrity', /^sha512-[A-Za-z0-9+/]{86}==$/),
      ...optional(p, 'source', /^[0-9a-f]{40}([0-9a-f]{24})?$/),
    },
    ...(m.has('eventLog') ? { eventLog: parseLog(m.list('eventLog'), m.where) } : {}),
  };
  p.end();
  m.end();
  return out;
}

function parseConstants(m: Members): Constants {
  const out = {
    program: text(m, 'program', DIGEST),
    ...optional(m, 'verificationKey', DIGEST),
    parameters: text(m, 'parameters', DIGEST),
    soundnessBits: whole(m, 'soundnessBits', 1, 512),
    seedSource: oneOf(m, 'seedSource', ['declared', 'beacon', 'drawn-inside'] as const),
  };
  m.end();
  return out;
}

/** Milliseconds since 1970 of a time to the second in Z; undefined where it is none. */
export function parseTime(t: string): number | undefined {
  const v = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(t) ? Date.parse(t) : Number.NaN;
  return Number.isFinite(v) && timeText(v) === t ? v : undefined;
}
export const timeText = (ms: number): string => new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');

/** Pieces of collateral by name. Throws InputError. */
export function parseCollateral(m: Members): Collateral {
  const names = m.keys();
  if (names.length > 16) throw new InputError(m.where, [`${m.at('')} holds ${names.length} pieces, at most 16 are read`]);
  return Object.fromEntries(
    names.map((k) => {
      if (!/^[a-z][a-z0-9_]{0,31}$/.test(k)) m.fail(k, 'is no name of a piece of collateral');
      const b = fromBase64(m.string(k), `${m.where}: ${m.at(k)}`);
      return [k, b.length <= MOST_PART ? b : m.fail(k, `has ${b.length} bytes, at most ${MOST_PART} are read`)];
    }),
  );
}

/**
 * Reads a card, which must stand in canonical JSON (RFC 8785), with one newline behind it or none: the same card has
 * one form. Verifies nothing. Throws InputError, VersionError.
 */
export function parseCard(bytes: Uint8Array, where: string): Card {
  const json = parseJson(bytes, where, { bytes: MOST_CARD, depth: 8 }),
    m = Members.of(json, where),
    bare = bytes[bytes.length - 1] === 10 ? bytes.subarray(0, -1) : bytes;
  if (m.string('type') !== CARD_TYPE) m.fail('type', `is not ${CARD_TYPE}`);
  if (m.any('version') !== CARD_VERSION) throw new VersionError(where, m.any('version'), CARD_VERSION);
  if (!sameBytes(canonicalBytes(json), bare)) throw new InputError(where, ['is not in canonical JSON (RFC 8785)']);
  const named = m.string('kind');
  if (Object.hasOwn(OTHERS, named)) m.fail('kind', `"${named}" is not read: ${OTHERS[named]}`);
  // Another kind is a card of another release, not a broken one.
  if (!(KINDS as readonly string[]).includes(named)) throw new VersionError(where, `kind ${named.slice(0, 40)}`, CARD_VERSION);
  const kind = named as Kind,
    role = oneOf(m, 'role', ROLES),
    e = m.child('evidence'),
    format = oneOf(e, 'format', FORMATS[kind]),
    evidence = fromBase64(e.string('bytes'), `${where}: evidence.bytes`),
    verifiedAt = parseTime(m.string('verifiedAt')) ?? m.fail('verifiedAt', 'is no time such as 2026-11-28T12:00:00Z'),
    stamps = m.has('timestamps') ? m.list('timestamps') : [];
  e.end();
  if (!evidence.length || evidence.length > MOST_PART) m.fail('evidence.bytes', `has ${evidence.length} bytes, 1 to ${MOST_PART} are read`);
  if (stamps.length > 4) m.fail('timestamps', `holds ${stamps.length} tokens, at most 4 are read`);
  const card: Card = {
    kind,
    role,
    binding: parseBinding(m.child('binding')),
    codeIdentity: parseCode(m.child('codeIdentity')),
    constants: parseConstants(m.child('constants')),
    evidence: { format, bytes: evidence },
    collateral: parseCollateral(m.child('collateral')),
    verifiedAt,
    timestamps: stamps.map((x, i) => {
      const b = typeof x === 'string' ? fromBase64(x, `${where}: timestamps.${i}`) : m.fail(`timestamps.${i}`, 'is no text');
      return b.length <= MOST_STAMP ? b : m.fail(`timestamps.${i}`, `has ${b.length} bytes, at most ${MOST_STAMP} are read`);
    }),
  };
  m.end();
  const { statement, parent } = card.binding;
  if ((role === 'trainer' || role === 'prover') !== (statement !== undefined))
    m.fail(
      'binding.statement',
      `${statement === undefined ? 'is missing' : 'is there'}: trainer and prover name a proof file, the others none`,
    );
  if ((kind === 'nvidia-gpu') !== (parent !== undefined)) m.fail('binding.parent', 'belongs to cards of GPUs, and to no others');
  return card;
}

const object = (v: unknown): JsonObject => JSON.parse(JSON.stringify(v)) as JsonObject;

/** Text of a card: canonical JSON and a newline. */
export function cardText(c: Card): string {
  const { evidence, collateral, verifiedAt, timestamps, ...rest } = c,
    json = {
      type: CARD_TYPE,
      version: CARD_VERSION,
      ...object(rest),
      evidence: { format: evidence.format, bytes: toBase64(evidence.bytes) },
      collateral: Object.fromEntries(Object.entries(collateral).map(([k, b]) => [k, toBase64(b)])),
      verifiedAt: timeText(verifiedAt),
      ...(timestamps.length ? { timestamps: timestamps.map(toBase64) } : {}),
    };
  return `${new TextDecoder().decode(canonicalBytes(json))}\n`;
}

/** sha256:... over the canonical JSON of a value. */
export const digestOfJson = (v: unknown): string => `sha256:${toHex(sha256(canonicalBytes(v)))}`;

/** The 64 bytes that hardware signs: SHA-512("certune card v1" || 0 || canonical JSON of the binding). */
export const bindingHash = (b: Binding): Uint8Array => sha512(concatBytes(toUtf8(DOMAIN), Uint8Array.of(0), canonicalBytes(b)));

/**
 * The 32 bytes that a GPU is asked with: SHA-256("certune gpu v1" || 0 || the 64 bytes of its own binding || those of
 * its parent's).
 */
export const gpuNonce = (own: Binding, parent: Binding): Uint8Array =>
  sha256(concatBytes(toUtf8('certune gpu v1'), Uint8Array.of(0), bindingHash(own), bindingHash(parent)));

/** The nonce that a challenge gives: SHA-256("certune nonce v1" || 0 || its text). */
export const challengeNonce = (challenge: string): string =>
  toHex(sha256(concatBytes(toUtf8('certune nonce v1'), Uint8Array.of(0), toUtf8(challenge))));

const no = (what: string): never => {
  throw new VerificationError('card binding', what);
};

/** The card's own parts must be those that its binding names. Throws VerificationError. */
export function checkParts(c: Card, where: string): void {
  if (c.binding.role !== c.role) no(`${where}: its role is ${c.role}, the binding says ${c.binding.role}`);
  for (const name of ['codeIdentity', 'constants'] as const)
    if (digestOfJson(c[name]) !== c.binding[name]) no(`${where}: ${name} is not what the binding names`);
  const { challenge, nonce } = c.binding;
  if (challenge !== undefined && challengeNonce(challenge) !== nonce) no(`${where}: its nonce does not come from its challenge`);
}
