import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { InputError } from '../errors.js';
import type { Blobs } from './blobs.js';

/*
 * What a farm knows for good: objects by their SHA-256, and which of them is the result of which job. A job's key is
 * written by the coordinator alone, when it has verified the object; workers offer objects. Queues carry jobs, never
 * truth: they may be lost whole.
 *
 *   objects/aa/<sha256>     bytes of a node, an end, a checkpoint, a file of the run
 *   keys/<job key>          result of a job that was accepted
 *   offers/<job key>.<sha256>   result that a worker offers
 *   checkpoints/<job key>   object of the state before a segment
 *   trees/<step>            object of the tree of the state before a step
 *   run, lease, drain, failed/<job key>, suspended/<worker>, workers/<worker>
 */

/** An object that is gone, or whose bytes are no longer those of its name. */
export class LostObjectError extends InputError {
  constructor(
    store: string,
    readonly object: string,
    why: string,
  ) {
    super(`${store}/${objectName(object)}`, [why], 'what made it makes it again');
    this.name = 'LostObjectError';
  }
}

/** What is known of a result. */
export interface Result {
  readonly object: string;
  readonly size: number;
  readonly worker: string;
  readonly seconds: number;
}

const HEX = /^[0-9a-f]{64}$/;
export const isDigest = (x: unknown): x is string => typeof x === 'string' && HEX.test(x);
/** Most bytes of a record, and of what is offered as a result: many times what nodes, ends and certificates have. */
const MOST_RECORD = 2 ** 24;
export const MOST_RESULT = 2 ** 26;
const objectName = (digest: string): string => `objects/${digest.slice(0, 2)}/${digest}`;
export const sha256Of = (b: Uint8Array): string => createHash('sha256').update(b).digest('hex');

/** Name of a worker: it stands in names of files. */
export const WORKER = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** A result as its line says; undefined where it says none. */
export function readResult(x: unknown): Result | undefined {
  if (!x || typeof x !== 'object') return undefined;
  const { object, size, worker, seconds } = x as Record<string, unknown>;
  if (typeof object !== 'string' || !HEX.test(object) || typeof worker !== 'string' || !WORKER.test(worker)) return undefined;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return undefined;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 0) return undefined;
  return { object, size, worker, seconds };
}

/**
 * The store of one farm. `seal`: the farm's key, where others may write to the store: a result counts as accepted when
 * its record is under it.
 */
export class Store {
  constructor(
    readonly blobs: Blobs,
    readonly seal?: Uint8Array,
  ) {}
  get name(): string {
    return this.blobs.name;
  }

  /** Keeps bytes; returns their digest. */
  async put(bytes: Uint8Array): Promise<string> {
    const digest = sha256Of(bytes);
    // One that is there under this name and is not these bytes was damaged since.
    if (!(await this.blobs.put(objectName(digest), bytes, true))) {
      const there = await this.blobs.get(objectName(digest), bytes.length).catch((e: unknown) => {
        if (e instanceof InputError) return undefined;
        throw e;
      });
      if (!there || sha256Of(there) !== digest) await this.blobs.put(objectName(digest), bytes);
    }
    return digest;
  }
  /**
   * Bytes of an object. Throws LostObjectError where it is gone or damaged, InputError where it has more than `most`
   * bytes or is no file.
   */
  async get(digest: string, most?: number): Promise<Uint8Array> {
    const b = await this.blobs.get(objectName(digest), most);
    if (!b) throw new LostObjectError(this.name, digest, 'is not in the store');
    if (sha256Of(b) !== digest) throw new LostObjectError(this.name, digest, 'does not match its digest');
    return b;
  }
  async has(digest: string): Promise<boolean> {
    return (await this.blobs.list(objectName(digest))).length > 0;
  }
  removeObject(digest: string): Promise<void> {
    return this.blobs.remove(objectName(digest));
  }
  /** Digests of all objects. */
  async objects(): Promise<string[]> {
    return (await this.blobs.list('objects/')).map((n) => n.slice(n.lastIndexOf('/') + 1)).filter((d) => HEX.test(d));
  }

  /** What a small record says, as JSON; undefined where there is none or where it is none. */
  async record(name: string): Promise<unknown> {
    const b = await this.blobs.get(name, MOST_RECORD);
    if (!b) return undefined;
    try {
      return JSON.parse(new TextDecoder().decode(b)) as unknown;
    } catch {
      return undefined;
    }
  }
  setRecord(name: string, x: unknown, absent = false): Promise<boolean> {
    return this.blobs.put(name, Buffer.from(`${JSON.stringify(x)}\n`), absent);
  }

  #mac(key: string, r: Result): string {
    return this.seal === undefined
      ? ''
      : createHmac('sha256', this.seal)
          .update(`result ${JSON.stringify([key, r.object, r.size, r.worker, r.seconds])}`)
          .digest('hex');
  }
  /** The accepted result of a job. */
  async result(key: string): Promise<Result | undefined> {
    const x = await this.record(`keys/${key}`),
      r = readResult(x);
    if (!r || this.seal === undefined) return r;
    const mac = (x as { mac?: unknown }).mac;
    if (typeof mac !== 'string' || !HEX.test(mac)) return undefined;
    return timingSafeEqual(Buffer.from(mac, 'hex'), Buffer.from(this.#mac(key, r), 'hex')) ? r : undefined;
  }
  /** Writes the result of a job where there is none; what stands there now. */
  async setResult(key: string, r: Result): Promise<Result> {
    const line = this.seal === undefined ? r : { ...r, mac: this.#mac(key, r) };
    if (await this.setRecord(`keys/${key}`, line, true)) return r;
    const there = await this.result(key);
    if (there) return there;
    await this.setRecord(`keys/${key}`, line);
    return r;
  }
  /** Forgets a result: its object is gone. */
  removeResult(key: string): Promise<void> {
    return this.blobs.remove(`keys/${key}`);
  }
  /** Keys of all jobs that have a result. */
  async keys(): Promise<string[]> {
    const all = (await this.blobs.list('keys/')).map((n) => n.slice(5)).filter((k) => HEX.test(k));
    if (this.seal === undefined) return all;
    const out: string[] = [];
    for (const key of all) if (await this.result(key)) out.push(key);
    return out;
  }

  #treeMac(step: number, key: string, object: string): string {
    return this.seal === undefined
      ? ''
      : createHmac('sha256', this.seal)
          .update(`tree ${JSON.stringify([step, key, object])}`)
          .digest('hex');
  }
  /** Keeps the tree of the state before a step under the name by which a prover looks for it. */
  async setTree(step: number, key: string, bytes: Uint8Array): Promise<void> {
    const object = await this.put(bytes);
    await this.setRecord(`trees/${step}`, { key, object, mac: this.#treeMac(step, key, object) });
  }
  /** Name and object of the tree of the state before a step, where one is kept. */
  async tree(step: number): Promise<{ readonly key: string; readonly object: string } | undefined> {
    const { key, object, mac } = ((await this.record(`trees/${step}`)) ?? {}) as Record<string, unknown>;
    if (typeof key !== 'string' || typeof object !== 'string' || !HEX.test(object)) return undefined;
    if (this.seal === undefined) return { key, object };
    if (typeof mac !== 'string' || !HEX.test(mac)) return undefined;
    return timingSafeEqual(Buffer.from(mac, 'hex'), Buffer.from(this.#treeMac(step, key, object), 'hex')) ? { key, object } : undefined;
  }
  async removeTree(step: number): Promise<void> {
    const t = await this.tree(step);
    await this.blobs.remove(`trees/${step}`);
    if (t) await this.removeObject(t.object);
  }

  async offer(key: string, r: Result): Promise<void> {
    await this.setRecord(`offers/${key}.${r.object}`, r);
  }
  /** What workers offer: of one job, or of all. */
  async offers(key = ''): Promise<{ readonly key: string; readonly result: Result }[]> {
    const out: { key: string; result: Result }[] = [];
    for (const name of await this.blobs.list(`offers/${key}`)) {
      const m = /^offers\/([0-9a-f]{64})\.([0-9a-f]{64})$/.exec(name),
        result = m ? readResult(await this.record(name)) : undefined;
      if (m && result && result.object === m[2]) out.push({ key: m[1], result });
    }
    return out;
  }
  removeOffer(key: string, object: string): Promise<void> {
    return this.blobs.remove(`offers/${key}.${object}`);
  }
}
