import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Server, createServer, request } from 'node:https';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, reason } from '../errors.js';
import { writeAtomic } from '../io/atomic.js';
import { listFolder, readBytes } from '../io/read-file.js';
import { toUtf8 } from '../provenance/bytes.js';
import { parseJson } from '../provenance/json.js';
import { VerificationError } from '../transcript/arith.js';
import { decodeCertificate } from './certificate.js';
import { Buckets, type Rate } from './buckets.js';
import { readFederation, readRound, roundNumbers, writeBlob } from './folder.js';
import { MOST_SENT, type SentMessage, asked, blobsOf, hand, openSent } from './inbox.js';
import type { Federation } from './checks.js';
import { digestOf, messageFile } from './messages.js';
import type { Transport } from './participant.js';
import { publishedFiles, publishedLimit } from './published.js';
import { MOST_UNIT } from './units.js';
import { updateLimit, valuesOf } from './update.js';

/*
 * The folder of a federation over HTTPS. Four things are asked for, all of them of the folder:
 *
 *   GET  /v1/files            names of published messages
 *   GET  /v1/files/PATH       one of them, or a blob
 *   POST /v1/messages         a message of a client: signed by a key that is enrolled or listed; what blobs it lacks
 *   PUT  /v1/blobs/HEX        a blob that a waiting message names
 *
 * Nobody logs in: whoever reads, reads what is public, and what is handed in is signed. Sizes are bounded before bytes
 * are read, by what a message names; times by the server. The state machine knows nothing of this.
 */

/** Limits of the server's connections. */
export const HTTPS_LIMITS = { connections: 256, headersMs: 10_000, requestMs: 60_000, idleMs: 10_000, headers: 50 } as const;

/**
 * How often messages and blobs are handed in: by one address, before anything is read, and by one client, once its
 * signature was checked, so that nobody uses up what is another's. A client has one message and one blob for each of
 * its units in a round.
 */
export interface PostingRates {
  readonly address: Rate;
  readonly client: Rate;
}
export const POSTING_RATES: PostingRates = { address: { burst: 2048, perSecond: 64 }, client: { burst: 512, perSecond: 8 } };
const TOO_MANY = 429;

/** Answer of the server that is no success: its status and what it says. */
export class TransportError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = 'TransportError';
  }
}

/** Bytes of a request or an answer, at most so many. Rejects with TransportError. */
function bodyOf(m: IncomingMessage, most: number): Promise<Uint8Array> {
  const said = m.headers['content-length'];
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let n = 0;
    const stop = (e: TransportError): void => {
      m.removeAllListeners('data');
      m.resume();
      reject(e);
    };
    if (said !== undefined && !(/^\d{1,12}$/.test(said) && Number(said) <= most)) {
      stop(new TransportError(413, `at most ${most} bytes are taken`));
      return;
    }
    m.on('data', (b: Buffer) => {
      n += b.length;
      if (n > most) stop(new TransportError(413, `at most ${most} bytes are taken`));
      else parts.push(b);
    });
    m.on('end', () => resolve(new Uint8Array(Buffer.concat(parts))));
    m.on('error', (e) => reject(new TransportError(400, reason(e))));
    m.on('aborted', () => reject(new TransportError(400, 'was cut short')));
  });
}

const json = (x: unknown): Uint8Array => toUtf8(JSON.stringify(x));

/** What a server knows of its folder between two requests. */
class Desk {
  #names = '';
  #federation: Federation | undefined;
  #asked: Map<string, number> | undefined;
  readonly addresses: Buckets;
  readonly #clients: Buckets;
  constructor(
    readonly dir: string,
    rates: PostingRates,
  ) {
    this.addresses = new Buckets(rates.address);
    this.#clients = new Buckets(rates.client);
  }

  /** Signatures of enrolments are checked once. */
  get federation(): Federation {
    const at = join(this.dir, 'enrolments'),
      names = existsSync(at) ? listFolder(at).join() : '';
    if (!this.#federation || names !== this.#names) {
      this.#federation = readFederation(this.dir);
      this.#names = names;
    }
    return this.#federation;
  }
  /** Blobs that somebody who is enrolled asked for. */
  get asked(): Map<string, number> {
    this.#asked ??= asked(this.dir, this.federation);
    return this.#asked;
  }

  file(path: string): Uint8Array {
    const at = join(this.dir, path);
    if (publishedLimit(path, MOST_UNIT) === undefined || !existsSync(at))
      throw new TransportError(404, 'nothing of that name is published');
    return readBytes(at, 'proof');
  }
  message(bytes: Uint8Array): string[] {
    const m = openSent(this.federation, bytes, 'message');
    // By the key: a name is enrolled once, and before that it is anybody's.
    if (!this.#clients.take(m.signer)) throw new TransportError(TOO_MANY, `${m.body.client} hands in too much: wait`);
    const lacks = hand(this.dir, this.federation, m);
    for (const b of blobsOf(this.federation, m)) if (lacks.includes(b.digest)) this.asked.set(b.digest, b.most);
    return lacks;
  }
  /** Most bytes of a blob, before one of them is read. */
  room(digest: string): number {
    const most = this.asked.get(digest);
    if (most === undefined) throw new TransportError(403, 'no message that waits names it');
    return most;
  }
  blob(digest: string, bytes: Uint8Array): void {
    if (digestOf(bytes) !== digest) throw new TransportError(400, `are the bytes of ${digestOf(bytes)}`);
    writeBlob(this.dir, bytes);
    this.asked.delete(digest);
  }
}

/** What is asked for. Rejects with TransportError, InputError, VerificationError. */
async function answer(desk: Desk, req: IncomingMessage): Promise<{ status: number; body: Uint8Array }> {
  const { method, url = '' } = req;
  if (url.length > 300) throw new TransportError(414, 'the name is too long');
  if (method === 'GET' && url === '/v1/files') return { status: 200, body: json({ files: publishedFiles(desk.dir) }) };
  if (method === 'GET' && url.startsWith('/v1/files/')) return { status: 200, body: desk.file(url.slice('/v1/files/'.length)) };
  if (method !== 'GET' && !desk.addresses.take(req.socket.remoteAddress ?? ''))
    throw new TransportError(TOO_MANY, 'this address hands in too much: wait');
  if (method === 'POST' && url === '/v1/messages')
    return { status: 202, body: json({ blobs: desk.message(await bodyOf(req, MOST_SENT)) }) };
  if (method === 'PUT' && /^\/v1\/blobs\/[0-9a-f]{64}$/.test(url)) {
    const digest = `sha256:${url.slice(-64)}`;
    desk.blob(digest, await bodyOf(req, desk.room(digest)));
    return { status: 201, body: json({}) };
  }
  throw new TransportError(404, 'is not asked for so');
}

function respond(desk: Desk, req: IncomingMessage, res: ServerResponse): void {
  const send = (status: number, body: Uint8Array): void => {
    res.writeHead(status, {
      'content-type': 'application/octet-stream',
      'content-length': body.length,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    });
    res.end(body);
  };
  answer(desk, req).then(
    ({ status, body }) => send(status, body),
    (e: unknown) => {
      // What is a client's fault is told to it; of anything else no more than that it happened.
      const status = e instanceof TransportError ? e.status : e instanceof VerificationError ? 403 : e instanceof InputError ? 400 : 500;
      send(status, json({ why: status === 500 ? 'the server failed' : reason(e).replaceAll(desk.dir, '').slice(0, 500) }));
    },
  );
}

/** Key and certificate of the server, PEM. */
export interface Tls {
  readonly cert: string;
  readonly key: string;
}

/** Serves a folder. The caller listens and closes. */
export function serveFolder(dir: string, tls: Tls, rates: PostingRates = POSTING_RATES): Server {
  const desk = new Desk(dir, rates),
    s = createServer(
      {
        cert: tls.cert,
        key: tls.key,
        minVersion: 'TLSv1.2',
        maxHeaderSize: 8192,
        requestTimeout: HTTPS_LIMITS.requestMs,
        headersTimeout: HTTPS_LIMITS.headersMs,
      },
      (req, res) => respond(desk, req, res),
    );
  s.maxConnections = HTTPS_LIMITS.connections;
  s.maxHeadersCount = HTTPS_LIMITS.headers;
  s.keepAliveTimeout = HTTPS_LIMITS.idleMs;
  return s;
}

/** Where a server is, and the authority that its certificate is of. */
export interface ServerAddress {
  readonly url: string;
  /** PEM; without it the system's authorities. */ readonly ca?: string;
  readonly timeoutMs?: number;
  /** How often something is handed in again where the server asks to wait. */ readonly patience?: number;
}

/** One request. Rejects with TransportError for any answer but success. */
function ask(a: ServerAddress, method: 'GET' | 'POST' | 'PUT', path: string, most: number, body?: Uint8Array): Promise<Uint8Array> {
  const at = new URL(path, a.url);
  if (at.protocol !== 'https:') throw new InputError(a.url, ['is no https address']);
  return new Promise((resolve, reject) => {
    const req = request(
      at,
      {
        method,
        ...(a.ca === undefined ? {} : { ca: a.ca }),
        minVersion: 'TLSv1.2',
        timeout: a.timeoutMs ?? HTTPS_LIMITS.requestMs,
        headers: { ...(body ? { 'content-length': body.length } : {}), connection: 'close' },
        agent: false,
      },
      (res) => {
        bodyOf(res, most).then((bytes) => {
          const status = res.statusCode ?? 0;
          if (status >= 200 && status < 300) resolve(bytes);
          else reject(new TransportError(status, `${at.href}: ${status} ${new TextDecoder().decode(bytes.subarray(0, 500))}`));
        }, reject);
      },
    );
    req.on('timeout', () => req.destroy(new TransportError(0, `${at.href}: no answer in time`)));
    req.on('error', (e) => reject(e instanceof TransportError ? e : new TransportError(0, `${at.href}: ${reason(e)}`)));
    req.end(body);
  });
}

/** Most names that a server may list, and the most bytes of the list. */
const MOST_LIST = 16 << 20;

/** Names of a list, each one that a published file has. Throws InputError. */
function namesOf(bytes: Uint8Array, where: string): string[] {
  const v = parseJson(bytes, where, { bytes: MOST_LIST, numbers: 'integers' }),
    list = typeof v === 'object' && v !== null && !Array.isArray(v) ? v['files'] : undefined;
  if (!Array.isArray(list)) throw new InputError(where, ['lists no files']);
  return list.map((x) => {
    if (typeof x !== 'string' || publishedLimit(x) === undefined)
      throw new InputError(where, [`lists ${JSON.stringify(x).slice(0, 100)}, which no published file is called`]);
    return x;
  });
}

/**
 * Brings what a server has published into a folder: messages that are not there, then the adapters and updates that
 * they name. With `proofs` the proofs of units too. Every file is read later as what it is.
 */
export async function mirror(a: ServerAddress, dir: string, proofs = false): Promise<void> {
  const get = async (path: string, most: number): Promise<void> => {
    const file = join(dir, path);
    if (!existsSync(file)) writeAtomic(file, await ask(a, 'GET', `/v1/files/${path}`, most));
  };
  for (const path of namesOf(await ask(a, 'GET', '/v1/files', MOST_LIST), a.url)) await get(path, publishedLimit(path)!);
  const f = readFederation(dir),
    most = updateLimit(valuesOf(f.charter.body.tensors)),
    blob = async (digest: string, limit: number): Promise<void> => {
      const path = `blobs/${digest.slice(7)}`;
      if (existsSync(join(dir, path))) return;
      const bytes = await ask(a, 'GET', `/v1/files/${path}`, limit);
      if (digestOf(bytes) !== digest) throw new InputError(`${a.url}/v1/files/${path}`, ['has other bytes than its name says']);
      writeBlob(dir, bytes);
    };
  await blob(f.charter.body.start.adapter, most);
  if (proofs) for (const e of f.enrolments.values()) await blob(e.body.manifest, MOST_UNIT);
  for (const n of roundNumbers(dir)) {
    const r = readRound(dir, f, n);
    await blob(r.plan.body.global.adapter, most);
    for (const c of r.commits.values()) await blob(c.body.update.blob, most);
    // What a certificate lists is not brought one by one: where it lists what it does not show, it is refused.
    const certified = new Set(
      (r.certificates ?? []).flatMap((x) => decodeCertificate(dir, x).units.map(({ client, unit }) => `${client}-${unit}`)),
    );
    if (proofs) for (const [name, x] of r.responses) if (x.body.proof !== null && !certified.has(name)) await blob(x.body.proof, MOST_UNIT);
  }
}

/** The same, waiting a while where the server says that it is handed too much. Rejects as ask. */
async function handIn(a: ServerAddress, method: 'POST' | 'PUT', path: string, most: number, body: Uint8Array): Promise<Uint8Array> {
  for (let turn = 0; ; turn++)
    try {
      return await ask(a, method, path, most, body);
    } catch (e) {
      if (!(e instanceof TransportError) || e.status !== TOO_MANY || turn >= (a.patience ?? 60)) throw e;
      await new Promise((done) => setTimeout(done, 500 + 50 * turn));
    }
}

/** Messages over HTTPS; what the server has published is kept in a folder of the client's. */
export const httpsTransport = (a: ServerAddress, dir: string): Transport => ({
  folder: async () => {
    await mirror(a, dir);
    return dir;
  },
  send: async (m: SentMessage, blobs) => {
    const said = parseJson(await handIn(a, 'POST', '/v1/messages', 1 << 20, messageFile(m.envelope)), a.url, {
        bytes: 1 << 20,
        numbers: 'integers',
      }),
      lacks = typeof said === 'object' && said !== null && !Array.isArray(said) ? said['blobs'] : undefined;
    for (const b of blobs) {
      const digest = digestOf(b);
      if (Array.isArray(lacks) && lacks.includes(digest)) await handIn(a, 'PUT', `/v1/blobs/${digest.slice(7)}`, 1 << 16, b);
    }
  },
});

/** Messages by a folder that both see. */
export const folderTransport = (dir: string): Transport => ({
  folder: async () => dir,
  send: async (m: SentMessage, blobs) => {
    for (const b of blobs) writeBlob(dir, b);
    hand(dir, readFederation(dir), m);
  },
});
