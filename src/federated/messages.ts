import { sha256 } from '@noble/hashes/sha2.js';
import { InputError, VersionError } from '../errors.js';
import { fromBase64, sameBytes, toBase64, toHex } from '../provenance/bytes.js';
import { type Envelope, envelopeJson, parseEnvelope, verifyEnvelope } from '../provenance/dsse.js';
import { type PublicKey, keyDigest, parseSpki } from '../provenance/ecdsa.js';
import { type Json, Members, canonicalBytes, parseJson } from '../provenance/json.js';
import * as z from '../schema.js';
import { RUN_LIMITS } from '../model/limits.js';
import { ADAMW } from '../optim/adamw.js';
import { RULES } from './aggregate.js';
import { BOUNDARY_WORDS } from './boundary.js';
import { FederationError } from './errors.js';
import { MOST_LEAVES } from './tree.js';
import { MOST_TENSORS, MOST_VALUES } from './update.js';

/*
 * Messages of a federation: canonical JSON (RFC 8785) of integers and texts, in an envelope (DSSE) with one signature,
 * ECDSA on P-256. A message is named by SHA-256 of its canonical bytes, never by its signature, of which there are
 * several. Who reads one bounds its bytes first, then checks the signature, then its one spelling, then every key.
 */

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/),
  hex = (bytes: number): z.StringSchema => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`)),
  name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/),
  key = z.string().max(400),
  /** A word of 64 bits in decimal. */ word = z.string().regex(/^(0|[1-9]\d{0,19})$/),
  words = (n: number): z.Schema<string[]> => z.array(word).length(n),
  count = (most: number, least = 0): z.NumberSchema => z.number().int().min(least).max(most),
  time = count(2 ** 40),
  round = count(2 ** 31 - 1);

/** Most clients of a federation, answers to the draw of a round, steps and units of a round. */
export const MOST_CLIENTS = 10_000,
  MOST_ANSWERS = 10_000,
  MOST_STEPS = 4096;
/**
 * Version of a charter, and with it of everything that is said under it: whatever names a federation follows its
 * charter's rules. 1 did not say how a tensor's values lie in layers and ranks, by which updates are coded now.
 */
export const CHARTER_VERSION = 2;
/** Most ranks of a tensor: an axis is the next power of two. What a reader of updates keeps grows with them. */
export const MOST_RANKS = RUN_LIMITS.rank;
const WORDS = BOUNDARY_WORDS;
const STATE = 17;

const header = <const K extends string, const V extends number = 1>(kind: K, version: V = 1 as V) => ({
  type: z.literal(`certune-fed-${kind}`),
  version: z.literal(version),
});
/** Every message but the charter names the charter. */
const within = <const K extends string>(kind: K) => ({ ...header(kind), federation: digest });
const opening = z.object({
  words: words(WORDS),
  salt: hex(16),
  path: z.array(hex(32)).max(64),
});

/** Formats of the messages, by kind. */
export const SCHEMAS = {
  /** What the federation is: its server, beacon, base, program, adapter and optimiser. Signed by the server. */
  charter: z.object({
    ...header('charter', CHARTER_VERSION),
    name: z.string().min(1).max(200),
    server: key,
    chain: z.object({
      publicKey: hex(96),
      period: count(2 ** 20, 1),
      genesis: time,
      groupHash: hex(32),
      id: z.string().max(100),
    }),
    /** Round whose value the participants of round 0 are chosen by. */ seedRound: count(2 ** 40, 1),
    base: digest,
    /** Digest of what all runs have in common: base, settings of adapter, training, proof and numbers, programs. */
    program: digest,
    /** Digests of the keys that may enrol. */ allow: z.array(digest).min(1).max(MOST_CLIENTS),
    tensors: z
      .array(
        z
          .object({
            name: z.string().min(1).max(100),
            cells: count(MOST_VALUES, 1),
            /** Values of a layer, ranks of its matrix, how far apart they lie. */
            layer: count(MOST_VALUES, 1),
            ranks: count(MOST_RANKS, 1),
            stride: count(MOST_VALUES, 1),
          })
          .refine((t) => t.cells % t.layer === 0 && t.layer % (t.ranks * t.stride) === 0, 'the parts of a tensor do not divide it'),
      )
      .min(1)
      .max(MOST_TENSORS),
    optimizer: z.object({
      beta1: count(2 ** ADAMW.betaBits - 1),
      kappa: count(2 ** ADAMW.kappaBits, 1),
      sigma: count(2 ** ADAMW.sigmaBits, 1),
      momentFrac: count(62, 40),
    }),
    /** Positions of a row: an example has fewer targets than that. */ sequence: count(2 ** 20, 2),
    start: z.object({ adapter: digest, state: words(STATE) }),
  }),
  /** A client and its data, once. Signed by the client. */
  enrolment: z.object({
    ...within('enrolment'),
    client: name,
    key,
    root: words(4),
    rows: count(2 ** 28, 1),
    epochExamples: count(2 ** 28, 1),
    keyCommitment: words(4),
    /** Digest of the manifest that it takes part with, in a blob: its rounds' runs follow from it. */ manifest: digest,
  }),
  /** What a round is. Signed by the server. */
  plan: z.object({
    ...within('plan'),
    round,
    /** Record of the round before; null for the first. */ previous: digest.nullable(),
    global: z.object({ adapter: digest, state: words(STATE) }),
    train: z.object({
      steps: count(MOST_STEPS, 1),
      unit: count(MOST_STEPS, 1),
      batch: count(2 ** 20, 1),
      /** alpha, decay and epsilon of every step, in the units of the update program. */
      schedule: z.array(z.array(count(2 ** 37)).length(3)).max(MOST_STEPS),
    }),
    enrolled: z
      .array(z.object({ client: name, enrolment: digest }))
      .min(1)
      .max(MOST_CLIENTS),
    select: count(MOST_CLIENTS, 1),
    cap: count(2 ** 32, 1),
    aggregate: z.object({ rule: z.oneOf(RULES), clip: count(2 ** 40), trim: count(MOST_CLIENTS) }),
    audit: z.object({
      coverage: z.array(count(1_000_000, 1)).length(2),
      each: count(1),
      mode: z.oneOf(['before', 'after']),
      /**
       * What answers a draw: the records around a unit; these and the proof of what lies between; or these and one
       * certificate of all drawn units of the client, which hides its witness.
       */
      show: z.oneOf(['records', 'proofs', 'certificates']),
    }),
    deadlines: z.object({ commit: time, response: time }),
    beacon: count(2 ** 40, 1),
  }),
  /** A client's states, all of them, and what it hands in. Signed by the client. */
  commit: z.object({
    ...within('commit'),
    round,
    plan: digest,
    client: name,
    enrolment: digest,
    root: hex(32),
    units: count(MOST_STEPS, 1),
    last: opening,
    update: z.object({ blob: digest, bytes: count(2 ** 31, 1) }),
  }),
  /** That a client cannot finish a round, before the seal. Signed by the client. */
  withdrawal: z.object({ ...within('withdrawal'), round, plan: digest, client: name, why: z.string().max(200) }),
  /** That a commit came. Signed by the server. */
  receipt: z.object({ ...within('receipt'), round, plan: digest, client: name, commit: digest, time, counter: count(2 ** 31) }),
  /** The commits of a round, fixed before the beacon. Signed by the server. */
  seal: z.object({
    ...within('seal'),
    round,
    plan: digest,
    root: hex(32),
    commits: z.array(z.object({ client: name, commit: digest })).max(MOST_CLIENTS),
    excluded: z.array(z.object({ client: name, why: z.string().max(200) })).max(MOST_CLIENTS),
    time,
  }),
  /** The states around a drawn unit. Signed by the client. */
  response: z.object({
    ...within('response'),
    round,
    plan: digest,
    client: name,
    unit: count(MOST_LEAVES),
    from: opening,
    to: opening,
    /** Proof of the unit, where there is one. */ proof: digest.nullable(),
  }),
  /** What somebody found of a drawn unit. Signed by who found it. */
  verdict: z.object({
    ...within('verdict'),
    round,
    plan: digest,
    client: name,
    unit: count(MOST_LEAVES),
    response: digest.nullable(),
    how: z.oneOf(['proved', 'replayed', 'opened', 'unanswered']),
    holds: z.boolean(),
    refusal: z.string().max(500).nullable(),
  }),
  /** What a round came to. Signed by the server. */
  record: z.object({
    ...within('record'),
    round,
    plan: digest,
    previous: digest.nullable(),
    seal: digest,
    included: z.array(z.object({ client: name, weight: count(2 ** 32, 1), commit: digest })).max(MOST_CLIENTS),
    excluded: z.array(z.object({ client: name, why: z.string().max(200), evidence: digest.nullable() })).max(MOST_CLIENTS),
    audit: z.object({
      pool: count(MOST_LEAVES),
      drawn: count(MOST_LEAVES),
      proved: count(MOST_LEAVES),
      replayed: count(MOST_LEAVES),
      opened: count(MOST_LEAVES),
      failed: count(MOST_LEAVES),
      unanswered: count(MOST_LEAVES),
    }),
    /** True where verdicts are still due, in the mode `after`. */ provisional: z.boolean(),
    global: z.object({ adapter: digest, state: words(STATE) }),
  }),
  /** What the audits of a provisional record came to. Signed by the server. */
  settlement: z.object({
    ...within('settlement'),
    round,
    record: digest,
    failed: z.array(name).max(MOST_CLIENTS),
    proved: count(MOST_LEAVES),
    replayed: count(MOST_LEAVES),
    opened: count(MOST_LEAVES),
    unanswered: count(MOST_LEAVES),
    holds: z.boolean(),
  }),
} as const;
export type Kind = keyof typeof SCHEMAS;
export type Message<K extends Kind> = z.Infer<(typeof SCHEMAS)[K]>;

/** Most bytes of a message's file, by kind. */
export const MOST_MESSAGE: Readonly<Record<Kind, number>> = {
  charter: 4 << 20,
  enrolment: 1 << 16,
  plan: 8 << 20,
  commit: 1 << 16,
  withdrawal: 1 << 14,
  receipt: 1 << 14,
  seal: 8 << 20,
  response: 1 << 17,
  verdict: 1 << 14,
  record: 8 << 20,
  settlement: 1 << 20,
};

export const payloadType = (kind: Kind): string => `application/vnd.certune.fed.${kind}+json`;

/** A message with the signature that was checked. */
export interface Signed<K extends Kind> {
  readonly kind: K;
  readonly body: Message<K>;
  /** sha256 of the canonical bytes: the message's name. */ readonly digest: string;
  readonly envelope: Envelope;
  /** Digest of the key that signed it. */ readonly signer: string;
}

export const digestOf = (bytes: Uint8Array): string => `sha256:${toHex(sha256(bytes))}`;

/** Throws VersionError for the charter of another release: a federation is founded once, and signed. */
function checkCharterVersion(value: Json, where: string): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  const { type, version } = value;
  if (type !== 'certune-fed-charter' || typeof version !== 'number' || version === CHARTER_VERSION) return;
  throw new VersionError(
    where,
    version,
    CHARTER_VERSION,
    'found the federation again with certune fed init, from the adapter that it came to if you like, or use the release of Certune that wrote it',
  );
}

/**
 * The message of canonical bytes. Throws InputError for other spellings, unknown keys, values out of bounds,
 * VersionError for a charter of another version.
 */
export function parseMessage<K extends Kind>(kind: K, payload: Uint8Array, where: string): Message<K> {
  const value = parseJson(payload, where, { bytes: MOST_MESSAGE[kind], numbers: 'integers' });
  if (!sameBytes(canonicalBytes(value), payload))
    throw new InputError(where, ['is not canonical JSON: it has another spelling of the same value']);
  if (kind === 'charter') checkCharterVersion(value, where);
  const schema: z.Schema<unknown> = SCHEMAS[kind],
    r = schema.safeParse(value);
  if (!r.success)
    throw new InputError(
      where,
      r.issues.map((i) => `${i.path.join('.') || 'the whole'}: ${i.message}`),
    );
  return r.data as Message<K>;
}

/** Key of base64 of a SubjectPublicKeyInfo: ECDSA on P-256. Throws InputError. */
export function keyOf(text: string, where: string): PublicKey {
  const k = parseSpki(fromBase64(text, where), where);
  if (k.curve !== 'P-256') throw new InputError(where, [`is on ${k.curve}`], 'use P-256');
  return k;
}
export const keyText = (k: PublicKey): string => toBase64(k.spki);

/**
 * Opens a signed message of a kind under one of some keys. Throws InputError for what cannot be read, VerificationError
 * where the signature is another's.
 */
export function openMessage<K extends Kind>(kind: K, file: Uint8Array, keys: readonly PublicKey[], where: string): Signed<K> {
  // Base64 of the payload, and the signature.
  const limit = Math.ceil((4 * MOST_MESSAGE[kind]) / 3) + 4096,
    e = parseEnvelope(Members.of(parseJson(file, where, { bytes: limit, numbers: 'integers' }), where));
  return openEnvelope(kind, e, keys, where);
}

export function openEnvelope<K extends Kind>(kind: K, e: Envelope, keys: readonly PublicKey[], where: string): Signed<K> {
  if (e.payload.length > MOST_MESSAGE[kind])
    throw new InputError(where, [`has ${e.payload.length} bytes, at most ${MOST_MESSAGE[kind]} are read`]);
  const signer = verifyEnvelope(e, keys, payloadType(kind), where);
  return { kind, body: parseMessage(kind, e.payload, where), digest: digestOf(e.payload), envelope: e, signer: keyDigest(signer) };
}

/**
 * Opens a message that names its own key: a charter or an enrolment. The key is the one inside, so that the signature
 * says that whoever has the key wrote it, and nothing more. Throws as openMessage, and VersionError for a charter of
 * another version.
 */
export function openOwn<K extends 'charter' | 'enrolment'>(kind: K, file: Uint8Array, where: string): Signed<K> {
  const limit = Math.ceil((4 * MOST_MESSAGE[kind]) / 3) + 4096,
    e = parseEnvelope(Members.of(parseJson(file, where, { bytes: limit, numbers: 'integers' }), where));
  if (e.payload.length > MOST_MESSAGE[kind])
    throw new InputError(where, [`has ${e.payload.length} bytes, at most ${MOST_MESSAGE[kind]} are read`]);
  const body: Message<'charter'> | Message<'enrolment'> = parseMessage<'charter' | 'enrolment'>(kind, e.payload, where),
    own = body.type === 'certune-fed-charter' ? body.server : body.key;
  return openEnvelope(kind, e, [keyOf(own, `${where}: key`)], where);
}

/** Bytes of a file with a signed message. */
export const messageFile = (e: Envelope): Uint8Array => canonicalBytes(envelopeJson(e));

/** Throws FederationError where a message belongs to another federation. */
export function sameFederation(charter: Signed<'charter'>, m: { readonly federation: string }, party?: string): void {
  if (m.federation !== charter.digest) throw new FederationError('federation', `belongs to ${m.federation}, not ${charter.digest}`, party);
}
