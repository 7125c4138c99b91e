import { createPrivateKey, createPublicKey } from 'node:crypto';
import { bls12_381 } from '@noble/curves/bls12-381.js';
import { p256 } from '@noble/curves/nist.js';
import { type Beacon, type Chain, QUICKNET, chainHash, roundMessage, roundTime } from '../src/federated/beacon.js';
import { type Boundary, boundaryBytes, boundaryWords, firstBoundary } from '../src/federated/boundary.js';
import { type Before, type Federation, type RoundContext, adapterBlob, enrol, openRound } from '../src/federated/checks.js';
import { beginning } from '../src/federated/head.js';
import { CHARTER_VERSION, type Message, type Signed, digestOf, keyText } from '../src/federated/messages.js';
import { type RoundState, beginRound, sealBody, stepRound } from '../src/federated/round.js';
import { signMessage } from '../src/federated/signing.js';
import { recordLeaf, recordSalt, treePath, treeRoot } from '../src/federated/tree.js';
import { difference, encodeUpdate } from '../src/federated/update.js';
import { keyDigest, parsePublicKey } from '../src/provenance/ecdsa.js';
import { toHex } from '../src/provenance/bytes.js';
import type { SigningKey } from '../src/provenance/sign.js';

/*
 * A small federation for tests: keys of its own, a beacon whose secret it knows, clients whose states are made up. What
 * lies between two records is nothing that was trained; the checks here do not look at it.
 */

/** Key of a number: the same in every run, so that draws are too. */
export function newKey(n: number): SigningKey {
  const point = p256.Point.BASE.multiply(BigInt(n)).toBytes(false),
    text = (b: Uint8Array): string => Buffer.from(b).toString('base64url'),
    d = Buffer.from(n.toString(16).padStart(64, '0'), 'hex'),
    jwk = { kty: 'EC', crv: 'P-256', d: text(d), x: text(point.slice(1, 33)), y: text(point.slice(33)) },
    key = createPrivateKey({ key: jwk, format: 'jwk' }),
    pem = createPublicKey(key).export({ type: 'spki', format: 'pem' }) as string;
  return { public: parsePublicKey(pem, 'key'), pem, private: key };
}

const SECRET = Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? 5 : 1));
const S = bls12_381.shortSignatures;
export const CHAIN: Chain = { ...QUICKNET, publicKey: S.getPublicKey(SECRET).toHex(), genesis: 1_000_000, id: 'test' };
export const beacon = (round: number): Beacon => ({
  chain: chainHash(CHAIN),
  round,
  signature: S.Signature.toHex(S.sign(S.hash(roundMessage(round)), SECRET)),
});

export const TENSORS = [
  { name: 'q_proj.A', cells: 40, layer: 20, ranks: 2, stride: 10 },
  { name: 'q_proj.B', cells: 24, layer: 12, ranks: 2, stride: 1 },
];
const CELLS = 64;
export const STEPS = 4,
  BATCH = 2,
  SEQUENCE = 8;
const zero = `sha256:${'0'.repeat(64)}`;

export interface Client {
  readonly name: string;
  readonly key: SigningKey;
  readonly secret: Uint8Array;
  readonly enrolment: Signed<'enrolment'>;
}
export interface Case {
  readonly server: SigningKey;
  readonly federation: Federation;
  readonly clients: readonly Client[];
  readonly start: Int32Array;
  readonly before: Before;
}

export function federationCase(names: readonly string[], seed = 0): Case {
  const server = newKey(100 + seed),
    keys = names.map((_, i) => newKey(200 + seed + i)),
    start = Int32Array.from({ length: CELLS }, (_, i) => (i * 37_987) % 500_000),
    charter = signMessage(
      'charter',
      {
        type: 'certune-fed-charter',
        version: CHARTER_VERSION,
        name: 'test',
        server: keyText(server.public),
        chain: CHAIN,
        seedRound: 1,
        base: zero,
        program: zero,
        allow: keys.map((k) => keyDigest(k.public)),
        tensors: TENSORS,
        optimizer: { beta1: 943_718, kappa: 53_687_091, sigma: 937_881, momentFrac: 62 },
        sequence: SEQUENCE,
        start: { adapter: digestOf(adapterBlob(start, { tensors: TENSORS })), state: Array<string>(17).fill('3') },
      },
      server,
    );
  let federation: Federation = { charter, enrolments: new Map() };
  const clients = names.map((name, i): Client => {
    const enrolment = signMessage(
      'enrolment',
      {
        type: 'certune-fed-enrolment',
        version: 1,
        federation: charter.digest,
        client: name,
        key: keyText(keys[i].public),
        root: ['1', '2', '3', String(i)],
        rows: 100,
        epochExamples: STEPS * BATCH,
        keyCommitment: ['5', '6', '7', '8'],
        manifest: zero,
      },
      keys[i],
    );
    federation = enrol(federation, enrolment);
    return { name, key: keys[i], secret: new Uint8Array(32).fill(i + 1), enrolment };
  });
  return { server, federation, clients, start, before: beginning(federation, beacon(1)) };
}

export function planBody(c: Case, more: Partial<Message<'plan'>> = {}, before = c.before): Message<'plan'> {
  const round = more.round ?? before.round + 1,
    at = more.beacon ?? before.beaconRound + 100,
    due = roundTime(CHAIN, at);
  return {
    type: 'certune-fed-plan',
    version: 1,
    federation: c.federation.charter.digest,
    round,
    previous: before.record,
    global: before.global,
    train: { steps: STEPS, unit: 1, batch: BATCH, schedule: Array.from({ length: STEPS }, () => [1_000_000_000, 3_000_000, 600]) },
    enrolled: [...c.clients].sort((a, b) => (a.name < b.name ? -1 : 1)).map((x) => ({ client: x.name, enrolment: x.enrolment.digest })),
    select: c.clients.length,
    cap: 40,
    aggregate: { rule: 'mean', clip: 0, trim: 0 },
    audit: { coverage: [1, 4], each: 0, mode: 'before', show: 'records' },
    deadlines: { commit: due - 10, response: due + 100 },
    beacon: at,
    ...more,
  };
}

export const open = (c: Case, plan: Signed<'plan'>, global = c.start, before = c.before): RoundContext =>
  openRound(c.federation, plan, before, adapterBlob(global, c.federation.charter.body));
export const newRound = (c: Case, more: Partial<Message<'plan'>> = {}): RoundContext =>
  open(c, signMessage('plan', planBody(c, more), c.server));

/** Records of a client's round, made up; what is changed is the dishonest part. */
export function recordsOf(r: RoundContext, client: Client, targets = 3): Boundary[] {
  const { steps, batch, unit } = r.plan.body.train,
    { round } = r.plan.body;
  return Array.from({ length: steps / unit + 1 }, (_, i): Boundary => {
    const done = i * unit,
      whole = done === steps;
    if (i === 0) return firstBoundary(round, r.first.s);
    return {
      pos: [done, 0, 0, round + (whole ? 1 : 0), whole ? 0 : done, done * batch, done * targets].map(BigInt),
      s: Array.from({ length: 17 }, (_, j) => BigInt(1000 * i + j + client.secret[0])),
      losses: [1n, 2n, 3n, BigInt(i)],
      counters: [4n, 5n, 6n, BigInt(i)],
      epochs: [0n, 0n, 0n, 0n],
    };
  });
}

export const updateOf = (r: RoundContext, client: Client): Int32Array =>
  Int32Array.from({ length: r.global.length }, (_, i) => ((i * 7 + client.secret[0]) % 9) - 4);

export interface Handed {
  readonly commit: Signed<'commit'>;
  readonly blob: Uint8Array;
  readonly records: readonly Boundary[];
}

const leaves = (r: RoundContext, client: Client, records: readonly Boundary[]): Uint8Array[] =>
  records.map((b, i) => recordLeaf(recordSalt(client.secret, r.plan.body.round, i), i, boundaryBytes(b)));
export function openingOf(r: RoundContext, client: Client, records: readonly Boundary[], i: number): Message<'commit'>['last'] {
  return {
    words: boundaryWords(records[i]).map(String),
    salt: toHex(recordSalt(client.secret, r.plan.body.round, i)),
    path: treePath(leaves(r, client, records), i).map(toHex),
  };
}

export function handIn(
  r: RoundContext,
  client: Client,
  o: {
    readonly records?: readonly Boundary[];
    readonly d?: Int32Array;
    readonly blob?: Uint8Array;
    readonly more?: Partial<Message<'commit'>>;
    readonly key?: SigningKey;
  } = {},
): Handed {
  const records = o.records ?? recordsOf(r, client),
    blob = o.blob ?? encodeUpdate(o.d ?? updateOf(r, client), TENSORS),
    m = records.length - 1,
    body: Message<'commit'> = {
      type: 'certune-fed-commit',
      version: 1,
      federation: r.charter.digest,
      round: r.plan.body.round,
      plan: r.plan.digest,
      client: client.name,
      enrolment: client.enrolment.digest,
      root: toHex(treeRoot(leaves(r, client, records))),
      units: m,
      last: openingOf(r, client, records, m),
      update: { blob: digestOf(blob), bytes: blob.length },
      ...o.more,
    };
  return { commit: signMessage('commit', body, o.key ?? client.key), blob, records };
}

export function respond(
  r: RoundContext,
  client: Client,
  records: readonly Boundary[],
  unit: number,
  more: Partial<Message<'response'>> = {},
  key = client.key,
): Signed<'response'> {
  return signMessage(
    'response',
    {
      type: 'certune-fed-response',
      version: 1,
      federation: r.charter.digest,
      round: r.plan.body.round,
      plan: r.plan.digest,
      client: client.name,
      unit,
      from: openingOf(r, client, records, unit),
      to: openingOf(r, client, records, unit + 1),
      proof: null,
      ...more,
    },
    key,
  );
}

/** A round up to its draw: all clients hand in what `hand` makes of them, the server seals, the beacon comes. */
export function drawnRound(
  c: Case,
  r: RoundContext,
  hand = (x: Client): Handed => handIn(r, x),
): { state: RoundState; handed: Map<string, Handed>; receipts: Message<'receipt'>[] } {
  const handed = new Map(c.clients.filter((x) => r.participants.includes(x.name)).map((x) => [x.name, hand(x)])),
    now = r.plan.body.deadlines.commit - 5,
    receipts: Message<'receipt'>[] = [];
  let state = beginRound(r);
  for (const h of handed.values()) {
    const s = stepRound(state, { kind: 'commit', message: h.commit, blob: h.blob, now });
    state = s.state;
    for (const o of s.out) if (o.kind === 'receipt') receipts.push(o.body);
  }
  state = stepRound(state, { kind: 'seal', message: signMessage('seal', sealBody(state, now + 6), c.server) }).state;
  state = stepRound(state, { kind: 'beacon', beacon: beacon(r.plan.body.beacon) }).state;
  return { state, handed, receipts };
}

export { difference };
