import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { writeAtomic } from '../io/atomic.js';
import { MOST_BYTES, listFolder, readBytes } from '../io/read-file.js';
import { canonicalBytes, parseJson } from '../provenance/json.js';
import type { Beacon } from './beacon.js';
import { MOST_CERTIFICATE, certificateName } from './certificate.js';
import { type Federation, clientKey, enrolAll, serverKey } from './checks.js';
import { type Evidence, evidenceFile, parseBeacon, parseEvidence } from './judge.js';
import {
  type Kind,
  type Message,
  type Signed,
  MOST_ANSWERS,
  MOST_CLIENTS,
  MOST_MESSAGE,
  digestOf,
  messageFile,
  openMessage,
  openOwn,
} from './messages.js';

/*
 * A federation as a folder: what server and clients exchange, and what anybody checks. Names of files are made of names
 * that were checked; every file is read as what it is, under a limit of its own.
 *
 *   charter.json   seed.json   enrolments/CLIENT.json   blobs/HEX   evidence/HEX.json
 *   rounds/R/plan.json  commits/CLIENT.json  withdrawals/CLIENT.json  receipts/CLIENT.json  seal.json  beacon.json
 *   rounds/R/responses/CLIENT-UNIT.json  verdicts/CLIENT-UNIT.json  record.json  settlement.json
 *   rounds/R/certificates/HEX.bin
 */

/** Most certificates of a round: one for each kind of circuits. */
const MOST_CERTIFICATES = 64;

const read = (file: string, most: number): Uint8Array => {
  const b = readBytes(file, 'envelope');
  if (b.length > most) throw new InputError(file, [`has ${b.length} bytes, at most ${most} are read`]);
  return b;
};
const limit = (kind: Kind): number => Math.min(MOST_BYTES.envelope, Math.ceil((4 * MOST_MESSAGE[kind]) / 3) + 4096);

/** Most bytes of files whose messages are remembered. */
const MOST_OPENED = 64 << 20;

/**
 * Messages that were opened. What a file's bytes come to under a key is the same every time, and a signature takes
 * milliseconds to check: whoever reads a folder again and again checks each of them once.
 */
class Opened {
  readonly #found = new Map<string, Signed<Kind>>();
  #bytes = 0;

  /** What `open` makes of these bytes under `key`, the text of it, or under the key inside. */
  once<K extends Kind>(kind: K, key: string, bytes: Uint8Array, open: () => Signed<K>): Signed<K> {
    const at = `${kind} ${key} ${digestOf(bytes)}`,
      there = this.#found.get(at);
    if (there) return there as Signed<K>;
    const m = open();
    if ((this.#bytes += bytes.length) > MOST_OPENED) {
      this.#found.clear();
      this.#bytes = bytes.length;
    }
    this.#found.set(at, m as Signed<Kind>);
    return m;
  }
}
const opened = new Opened();
const own = <K extends 'charter' | 'enrolment'>(kind: K, file: string): Signed<K> => {
  const bytes = read(file, limit(kind));
  return opened.once(kind, 'own', bytes, () => openOwn(kind, bytes, file));
};

export const roundDir = (dir: string, round: number): string => join(dir, 'rounds', String(round));
const blobFile = (dir: string, digest: string): string => join(dir, 'blobs', digest.slice(7));

/** Names in a folder that end in .json, without that; none where there is no folder. */
function names(dir: string, pattern: RegExp): string[] {
  if (!existsSync(dir)) return [];
  const out = listFolder(dir).flatMap((f) => (f.endsWith('.json') ? [f.slice(0, -5)] : []));
  for (const n of out) if (!pattern.test(n)) throw new InputError(join(dir, `${n}.json`), ['has a name that no file of a federation has']);
  return out;
}
const CLIENT = /^[a-z0-9][a-z0-9-]{0,62}$/,
  UNIT = /^[a-z0-9][a-z0-9-]{0,62}-\d{1,7}$/;

/** Charter and enrolments of a folder. Throws InputError, VerificationError, VersionError. */
export function readFederation(dir: string): Federation {
  const file = join(dir, 'charter.json'),
    charter = own('charter', file);
  const list = names(join(dir, 'enrolments'), CLIENT).map((n) => {
    const at = join(dir, 'enrolments', `${n}.json`),
      e = own('enrolment', at);
    if (e.body.client !== n) throw new InputError(at, [`is the enrolment of ${e.body.client}`]);
    return e;
  });
  return enrolAll({ charter, enrolments: new Map() }, list);
}

/**
 * Bytes of a blob, whose digest is compared; undefined where there is none. Throws InputError for one that is larger
 * than `most` bytes or damaged.
 */
export function readBlob(dir: string, digest: string, most: number): Uint8Array | undefined {
  const file = blobFile(dir, digest);
  if (!existsSync(file)) return undefined;
  const b = readBytes(file, 'proof');
  if (b.length > most) throw new InputError(file, [`has ${b.length} bytes, at most ${most} are read`]);
  if (digestOf(b) !== digest) throw new InputError(file, ['has other bytes than its name says']);
  return b;
}

/** Writes bytes under their digest. */
export function writeBlob(dir: string, bytes: Uint8Array): string {
  const digest = digestOf(bytes);
  writeAtomic(blobFile(dir, digest), bytes);
  return digest;
}

/** Numbers of the rounds of a folder, ascending. */
export function roundNumbers(dir: string): number[] {
  const at = join(dir, 'rounds');
  if (!existsSync(at)) return [];
  return listFolder(at)
    .map((f) => {
      if (!/^(0|[1-9]\d{0,8})\/$/.test(f)) throw new InputError(join(at, f), ['is no folder of a round']);
      return Number(f.slice(0, -1));
    })
    .sort((a, b) => a - b);
}

/** The files of a round that are there, signatures checked, nothing else. */
export interface RoundFiles {
  readonly plan: Signed<'plan'>;
  readonly commits: ReadonlyMap<string, Signed<'commit'>>;
  readonly withdrawals: ReadonlyMap<string, Signed<'withdrawal'>>;
  readonly receipts: ReadonlyMap<string, Signed<'receipt'>>;
  readonly seal?: Signed<'seal'>;
  readonly beacon?: Beacon;
  readonly responses: ReadonlyMap<string, Signed<'response'>>;
  readonly verdicts: readonly Signed<'verdict'>[];
  readonly record?: Signed<'record'>;
  readonly settlement?: Signed<'settlement'>;
  /** Certificates of units, which nobody signs: bytes whose digest is that of their name. */
  readonly certificates?: readonly Uint8Array[];
}

/** Certificates of a round. Throws InputError. */
function readCertificates(at: string): Uint8Array[] {
  const dir = join(at, 'certificates');
  if (!existsSync(dir)) return [];
  const list = listFolder(dir);
  if (list.length > MOST_CERTIFICATES) throw new InputError(dir, [`holds more than ${MOST_CERTIFICATES} files`]);
  return list.map((n) => {
    const file = join(dir, n),
      hex = /^([0-9a-f]{64})\.bin$/.exec(n)?.[1];
    if (hex === undefined) throw new InputError(file, ['has a name that no file of a federation has']);
    const b = readBytes(file, 'proof');
    if (b.length > MOST_CERTIFICATE) throw new InputError(file, [`has ${b.length} bytes, at most ${MOST_CERTIFICATE} are read`]);
    if (certificateName(b) !== hex) throw new InputError(file, ['has other bytes than its name says']);
    return b;
  });
}

/** Writes a certificate of a round; its file. */
export function writeCertificate(dir: string, round: number, bytes: Uint8Array): string {
  const file = join(roundDir(dir, round), 'certificates', `${certificateName(bytes)}.bin`);
  writeAtomic(file, bytes);
  return file;
}

/** Kinds of which a round has one for each client or unit. */
type Many = 'commit' | 'withdrawal' | 'receipt' | 'response' | 'verdict';
/** Name of the client or unit that a message is of. */
const placeOf = (m: Message<Many>): string => ('unit' in m ? `${m.client}-${m.unit}` : m.client);

/**
 * Reads a round. Messages of clients that are not enrolled are refused by name, and those that lie under another name
 * than that of what they are of. Throws InputError, VerificationError.
 */
export function readRound(dir: string, f: Federation, round: number): RoundFiles {
  const at = roundDir(dir, round),
    server = serverKey(f.charter),
    message = <K extends Kind>(kind: K, file: string, of?: Signed<'enrolment'>): Signed<K> => {
      const bytes = read(file, limit(kind));
      return opened.once(kind, of?.body.key ?? f.charter.body.server, bytes, () =>
        openMessage(kind, bytes, [of ? clientKey(of) : server], file),
      );
    },
    one = <K extends Kind>(kind: K, name: string): Signed<K> | undefined => {
      const file = join(at, `${name}.json`);
      return existsSync(file) ? message(kind, file) : undefined;
    },
    many = <K extends Many>(kind: K, folder: string, pattern: RegExp, byServer: boolean): Map<string, Signed<K>> => {
      const out = new Map<string, Signed<K>>(),
        most = pattern === UNIT ? MOST_ANSWERS : MOST_CLIENTS;
      for (const n of names(join(at, folder), pattern)) {
        const file = join(at, folder, `${n}.json`),
          client = pattern === UNIT ? n.replace(/-\d+$/, '') : n,
          e = f.enrolments.get(client);
        if (!e) throw new InputError(file, [`${client} is not enrolled`]);
        const m = message(kind, file, byServer ? undefined : e),
          own = placeOf(m.body);
        if (own !== n) throw new InputError(file, [`is of ${own}`], 'a message lies under the name of what it is of');
        out.set(n, m);
        if (out.size > most) throw new InputError(at, [`holds more than ${most} files of a kind`]);
      }
      return out;
    };
  const plan = one('plan', 'plan');
  if (!plan) throw new InputError(join(at, 'plan.json'), ['cannot be read: it does not exist']);
  if (plan.body.round !== round) throw new InputError(join(at, 'plan.json'), [`is the plan of round ${plan.body.round}`]);
  const beacon = join(at, 'beacon.json'),
    seal = one('seal', 'seal'),
    record = one('record', 'record'),
    settlement = one('settlement', 'settlement');
  return {
    plan,
    commits: many('commit', 'commits', CLIENT, false),
    withdrawals: many('withdrawal', 'withdrawals', CLIENT, false),
    receipts: many('receipt', 'receipts', CLIENT, true),
    ...(seal ? { seal } : {}),
    ...(existsSync(beacon) ? { beacon: readBeacon(beacon) } : {}),
    responses: many('response', 'responses', UNIT, false),
    verdicts: [...many('verdict', 'verdicts', UNIT, true).values()],
    ...(record ? { record } : {}),
    ...(settlement ? { settlement } : {}),
    certificates: readCertificates(at),
  };
}

/** Where a message of a round lies. */
export function messagePath(dir: string, m: Signed<Kind>): string {
  const { body } = m,
    b = {
      round: 'round' in body ? body.round : 0,
      client: 'client' in body ? body.client : '',
      unit: 'unit' in body ? body.unit : 0,
    },
    r = (...parts: string[]): string => join(roundDir(dir, b.round), ...parts);
  switch (m.kind) {
    case 'charter':
      return join(dir, 'charter.json');
    case 'enrolment':
      return join(dir, 'enrolments', `${b.client}.json`);
    case 'commit':
    case 'withdrawal':
    case 'receipt':
      return r(`${m.kind}s`, `${b.client}.json`);
    case 'response':
    case 'verdict':
      return r(`${m.kind}s`, `${b.client}-${b.unit}.json`);
    default:
      return r(`${m.kind}.json`);
  }
}

/**
 * Writes a message where it belongs. The same once more changes nothing; another one is refused, since what was signed
 * stays.
 */
export function writeMessage<K extends Kind>(dir: string, m: Signed<K>): string {
  const file = messagePath(dir, m);
  if (existsSync(file)) {
    const e = parseEnvelopeDigest(read(file, limit(m.kind)), file);
    if (e === m.digest) return file;
    throw new InputError(file, ['holds another message already: what was signed stays'], 'keep both as evidence');
  }
  writeAtomic(file, messageFile(m.envelope));
  return file;
}

/** Digest of the payload in a file, its signature unchecked: for comparing alone. */
function parseEnvelopeDigest(bytes: Uint8Array, where: string): string {
  const v = parseJson(bytes, where, { bytes: MOST_BYTES.envelope, numbers: 'integers' });
  const payload = typeof v === 'object' && v !== null && !Array.isArray(v) ? v['payload'] : undefined;
  if (typeof payload !== 'string') throw new InputError(where, ['is no envelope']);
  return digestOf(Uint8Array.from(Buffer.from(payload, 'base64')));
}

/** Reads a beacon's file. Throws InputError. */
const readBeacon = (file: string): Beacon => parseBeacon(parseJson(read(file, 4096), file, { bytes: 4096, numbers: 'integers' }), file);
/** The beacon of the charter's seed round. */
export const readSeed = (dir: string): Beacon => readBeacon(join(dir, 'seed.json'));
export const writeSeed = (dir: string, b: Beacon): void => writeAtomic(join(dir, 'seed.json'), canonicalBytes(b));

export function writeBeacon(dir: string, round: number, b: Beacon): void {
  writeAtomic(join(roundDir(dir, round), 'beacon.json'), canonicalBytes(b));
}

export function writeEvidence(dir: string, e: Evidence): string {
  const bytes = evidenceFile(e),
    file = join(dir, 'evidence', `${digestOf(bytes).slice(7)}.json`);
  writeAtomic(file, bytes);
  return file;
}

/** Evidence files of a folder, by digest. */
export function readEvidence(dir: string): Map<string, Evidence> {
  const out = new Map<string, Evidence>();
  for (const n of names(join(dir, 'evidence'), /^[0-9a-f]{64}$/)) {
    const file = join(dir, 'evidence', `${n}.json`),
      bytes = readBytes(file, 'envelope');
    if (digestOf(bytes) !== `sha256:${n}`) throw new InputError(file, ['has other bytes than its name says']);
    out.set(`sha256:${n}`, parseEvidence(bytes, file));
  }
  return out;
}
