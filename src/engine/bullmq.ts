import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { reason } from '../errors.js';
import { readText } from '../io/read-file.js';
import type { Dispatcher, Lease, Report, Source, Times, WorkerInfo } from './engine.js';
import { TIMES } from './engine.js';
import { FarmSetupError, type Failure, MissingPackageError } from './errors.js';
import { JOB_KINDS, type JobRecord, MEMORY_CLASSES, rankOf } from './jobs.js';
import { WORKER, readResult } from './store.js';

/*
 * The engine of a farm on several machines: BullMQ on one Redis, both optional packages. A queue for each kind and
 * class of memory; jobs are taken by hand (take, renew, done), so that the process that computes is our own. Word of
 * what came of a job goes through a list of our own, under the farm's key: whoever has no more than Redis' password
 * can neither put a job nor accuse a worker. Redis may be lost whole: the coordinator puts again what the store lacks.
 */

/* The two packages as far as they are used. */
interface Redis {
  connect(): Promise<void>;
  info(section: string): Promise<string>;
  exists(...keys: string[]): Promise<number>;
  lpush(key: string, value: string): Promise<number>;
  brpop(key: string, seconds: number): Promise<[string, string] | null>;
  rpop(key: string, count: number): Promise<string[] | null>;
  lrange(key: string, from: number, to: number): Promise<string[]>;
  zrange(key: string, from: number, to: number): Promise<string[]>;
  duplicate(): Redis;
  disconnect(): void;
  on(event: 'error', f: (e: Error) => void): unknown;
}
type RedisClass = new (url: string, o: Record<string, unknown>) => Redis;
interface BullJob {
  readonly data: unknown;
  extendLock(token: string, ms: number): Promise<number>;
  moveToCompleted(value: unknown, token: string, next: boolean): Promise<unknown>;
  moveToFailed(e: Error, token: string, next: boolean): Promise<unknown>;
  remove(): Promise<void>;
}
interface BullQueue {
  addBulk(jobs: readonly { name: string; data: unknown; opts: Record<string, unknown> }[]): Promise<unknown>;
  getJob(id: string): Promise<BullJob | undefined>;
  getJobCounts(...states: string[]): Promise<Record<string, number>>;
  close(): Promise<void>;
  disconnect(): Promise<void>;
  on(event: 'error', f: (e: Error) => void): unknown;
}
interface BullWorker {
  getNextJob(token: string, o: { block: boolean }): Promise<BullJob | undefined>;
  startStalledCheckTimer(): Promise<void>;
  close(force?: boolean): Promise<void>;
  disconnect(): Promise<void>;
  on(event: 'error', f: (e: Error) => void): unknown;
}
interface Packages {
  readonly Redis: RedisClass;
  readonly Queue: new (name: string, o: Record<string, unknown>) => BullQueue;
  readonly Worker: new (name: string, processor: null, o: Record<string, unknown>) => BullWorker;
}

/** Loads both packages. Throws MissingPackageError naming those that are not installed. */
async function packages(): Promise<Packages> {
  const missing: string[] = [];
  const load = async (name: string): Promise<Record<string, unknown>> => {
    try {
      return (await import(name)) as Record<string, unknown>;
    } catch (e) {
      if ((e as { code?: string } | null)?.code !== 'ERR_MODULE_NOT_FOUND') throw e;
      missing.push(name);
      return {};
    }
  };
  const bull = await load('bullmq'),
    io = await load('ioredis');
  if (missing.length) throw new MissingPackageError(missing, 'a farm on several machines');
  return {
    Redis: (io['Redis'] ?? io['default']) as RedisClass,
    Queue: bull['Queue'] as Packages['Queue'],
    Worker: bull['Worker'] as Packages['Worker'],
  };
}

/** Times of BullMQ: how often stalled jobs are looked for, and how often one may stall. */
const STALLED_EVERY = 15_000,
  MOST_STALLS = 3;
/** A worker without a job looks again after so many milliseconds, twice as many each time up to the second number. */
const IDLE = [100, 2000] as const;
/** Reports that are fetched at once. */
const REPORTS = 200;
const CONNECT = 10_000,
  PATIENCE = 60_000;

/** What is known of one farm's place in Redis. */
class Place {
  private constructor(
    readonly p: Packages,
    readonly redis: Redis,
    readonly prefix: string,
    readonly farmKey: Uint8Array,
    readonly times: Times,
    readonly stalledEvery: number,
  ) {}

  static async open(url: string, farm: string, farmKey: Uint8Array, o: BullOptions): Promise<Place> {
    const p = await packages(),
      { CERTUNE_REDIS_USER: username, CERTUNE_REDIS_PASSWORD: password, CERTUNE_REDIS_CA: ca } = process.env,
      redis = new p.Redis(url, {
        lazyConnect: true,
        maxRetriesPerRequest: null,
        connectTimeout: CONNECT,
        // Waits for a server that comes back, at most two seconds at a time.
        retryStrategy: (times: number) => Math.min(100 * times, 2000),
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password }),
        // The authority that the server's certificate is of, where it is one's own.
        ...(ca === undefined || !/^rediss:/.test(url) ? {} : { tls: { ca: readText(ca, 'key') } }),
      }),
      name = redisName(url);
    let trouble: Error | undefined;
    redis.on('error', (e) => {
      trouble ??= e;
    });
    try {
      await Promise.race([
        redis.connect(),
        new Promise((_, no) => setTimeout(() => no(trouble ?? new Error('no answer')), CONNECT).unref()),
      ]);
      await checkServer(redis, name);
    } catch (e) {
      redis.disconnect();
      if (e instanceof FarmSetupError) throw e;
      throw new FarmSetupError(
        name,
        [`cannot be reached: ${reason(trouble ?? e)}`],
        'start redis-server, and check address, user and password',
      );
    }
    return new Place(
      p,
      redis,
      `certune-${farm.replace(/^sha256:/, '').slice(0, 16)}`,
      farmKey,
      o.times ?? TIMES,
      o.stalledEvery ?? STALLED_EVERY,
    );
  }

  get reports(): string {
    return `${this.prefix}:reports`;
  }
  queue(name: string): BullQueue {
    const q = new this.p.Queue(name, { connection: this.redis, prefix: this.prefix });
    q.on('error', () => {});
    return q;
  }
  worker(name: string, stalled: boolean): BullWorker {
    const w = new this.p.Worker(name, null, {
      connection: this.redis,
      prefix: this.prefix,
      autorun: false,
      lockDuration: this.times.lock,
      stalledInterval: this.stalledEvery,
      maxStalledCount: MOST_STALLS,
      skipStalledCheck: !stalled,
    });
    w.on('error', () => {});
    return w;
  }
  sign(r: Report): string {
    const text = JSON.stringify(r);
    return JSON.stringify({ text, mac: this.#mac(text) });
  }
  #mac(text: string): string {
    return createHmac('sha256', this.farmKey).update(`report ${text}`).digest('hex');
  }
  /** A report as it came; undefined where it is none, or not under the farm's key. */
  read(line: string): Report | undefined {
    try {
      const { text, mac } = JSON.parse(line) as { text?: unknown; mac?: unknown };
      if (typeof text !== 'string' || typeof mac !== 'string' || !/^[0-9a-f]{64}$/.test(mac)) return undefined;
      if (!timingSafeEqual(Buffer.from(this.#mac(text), 'hex'), Buffer.from(mac, 'hex'))) return undefined;
      return reportOf(JSON.parse(text));
    } catch {
      return undefined;
    }
  }
}

/** Address without what nobody else should read. */
const redisName = (url: string): string => url.replace(/^(rediss?:\/\/)[^@/]*@/, '$1');

const FAILURES: readonly Failure['kind'][] = ['typed', 'crash', 'memory', 'input', 'returned'];

function reportOf(x: unknown): Report | undefined {
  const { key, generation, worker, result, failure } = (x ?? {}) as Record<string, unknown>;
  if (typeof key !== 'string' || !/^[0-9a-f]{64}$/.test(key) || typeof worker !== 'string' || !WORKER.test(worker)) return undefined;
  if (typeof generation !== 'number' || !Number.isSafeInteger(generation)) return undefined;
  const as = { key, generation, worker },
    r = readResult(result);
  if (r) return { ...as, result: r };
  const f = (failure ?? {}) as Record<string, unknown>,
    kind = FAILURES.find((y) => y === f['kind']);
  if (!kind) return undefined;
  return {
    ...as,
    failure: {
      kind,
      code: String(f['code']).slice(0, 100),
      message: String(f['message']).slice(0, 2000),
      lines: Array.isArray(f['lines']) ? f['lines'].slice(0, 40).map((l) => String(l).slice(0, 500)) : [],
      ...(typeof f['of'] === 'string' ? { of: f['of'] } : {}),
    },
  };
}

/** Throws FarmSetupError where the server would forget or drop jobs. */
async function checkServer(redis: Redis, name: string): Promise<void> {
  const text = [await redis.info('server'), await redis.info('persistence'), await redis.info('memory')].join('\n'),
    value = (key: string): string => new RegExp(`^${key}:(.*?)\\r?$`, 'm').exec(text)?.[1] ?? '',
    version = value('redis_version').split('.').map(Number),
    problems = [
      ...(version[0] > 6 || (version[0] === 6 && version[1] >= 2) ? [] : [`version ${value('redis_version')} is older than 6.2`]),
      ...(value('aof_enabled') === '1' ? [] : ['appendonly is not yes: jobs would be forgotten with the process']),
      ...(value('maxmemory_policy') === 'noeviction'
        ? []
        : [`maxmemory-policy is ${value('maxmemory_policy')}, not noeviction: jobs would be dropped`]),
    ];
  if (problems.length) throw new FarmSetupError(name, problems, 'set appendonly yes and maxmemory-policy noeviction in redis.conf');
}

export interface BullOptions {
  readonly times?: Times;
  readonly stalledEvery?: number;
}

const queueName = (x: Pick<JobRecord, 'kind' | 'memory'>): string => `${x.kind}-${x.memory}`;
const idOf = (x: { readonly key: string; readonly generation: number }): string => `${x.key}-${x.generation}`;
/** Priority of a job within its queue: BullMQ has numbers up to 2^21, least first, and 0 stands apart. */
const priorityOf = (x: JobRecord): number => 1 + Math.min(rankOf({ kind: 'end', step: x.step }), 2 ** 21 - 2);

/** The coordinator's end. */
export class BullDispatcher implements Dispatcher {
  readonly name: string;
  readonly #queues = new Map<string, { readonly queue: BullQueue; readonly stalled: BullWorker }>();
  /** Where each job was put. */ readonly #put = new Map<string, string>();
  /** Jobs that were missed at the last look. */ #missed = new Set<string>();
  #looked = -Infinity;
  readonly #told: ((r: Report) => void)[] = [];
  readonly #listen: Redis;
  #closed = false;

  private constructor(
    readonly place: Place,
    url: string,
  ) {
    this.name = redisName(url);
    this.#listen = place.redis.duplicate();
    this.#listen.on('error', () => {});
    void this.#hear();
  }
  static async open(url: string, farm: string, farmKey: Uint8Array, o: BullOptions = {}): Promise<BullDispatcher> {
    return new BullDispatcher(await Place.open(url, farm, farmKey, o), url);
  }

  async #hear(): Promise<void> {
    while (!this.#closed)
      try {
        const x = await this.#listen.brpop(this.place.reports, 2),
          // What came in the meantime is fetched in one go.
          more = x ? await this.#listen.rpop(this.place.reports, REPORTS) : null;
        for (const line of x ? [x[1], ...(more ?? [])] : []) {
          const r = this.place.read(line);
          if (!r) continue;
          this.#put.delete(idOf(r));
          for (const f of this.#told) f(r);
        }
      } catch {
        if (!this.#closed) await new Promise((r) => setTimeout(r, 200));
      }
  }
  #queue(name: string): BullQueue {
    let q = this.#queues.get(name);
    if (!q) {
      q = { queue: this.place.queue(name), stalled: this.place.worker(name, true) };
      void q.stalled.startStalledCheckTimer().catch(() => {});
      this.#queues.set(name, q);
    }
    return q.queue;
  }

  async put(jobs: readonly JobRecord[]): Promise<void> {
    const by = new Map<string, JobRecord[]>();
    for (const j of jobs) {
      const name = queueName(j);
      by.set(name, [...(by.get(name) ?? []), j]);
      this.#put.set(idOf(j), name);
    }
    for (const [name, list] of by)
      await this.#queue(name).addBulk(
        list.map((j) => ({
          name: j.kind,
          data: j,
          opts: {
            jobId: idOf(j),
            priority: priorityOf(j),
            // Whether a job is put again is the coordinator's to say, who knows why it failed.
            attempts: 1,
            removeOnComplete: true,
            removeOnFail: { count: 1000 },
          },
        })),
      );
  }
  onReport(f: (r: Report) => void): void {
    this.#told.push(f);
  }
  async counts(): Promise<{ waiting: number; active: number }> {
    let waiting = 0,
      active = 0;
    for (const { queue } of this.#queues.values()) {
      const c = await queue.getJobCounts('waiting', 'prioritized', 'active');
      waiting += (c['waiting'] ?? 0) + (c['prioritized'] ?? 0);
      active += c['active'] ?? 0;
    }
    return { waiting, active };
  }
  /** What the server says of its memory. */
  memory(): Promise<string> {
    return this.place.redis.info('memory');
  }
  /**
   * A job that is done is gone from the queue before its report is heard: only one that is missed twice in a row is
   * lost.
   */
  async missing(jobs: readonly { readonly key: string; readonly generation: number }[]): Promise<string[]> {
    const now = performance.now();
    if (now - this.#looked < this.place.stalledEvery / 6) return [];
    this.#looked = now;
    const there = await this.#ids(),
      missed = new Set<string>(),
      out: string[] = [];
    for (const j of jobs) {
      const id = idOf(j);
      if (there.has(id)) continue;
      missed.add(id);
      if (this.#missed.has(id)) out.push(j.key);
    }
    this.#missed = missed;
    return out;
  }
  /** Names of all jobs that wait or are held: a few questions, however many jobs there are. */
  async #ids(): Promise<Set<string>> {
    const { redis, prefix } = this.place,
      out = new Set<string>();
    for (const name of this.#queues.keys()) {
      const at = (state: string): string => `${prefix}:${name}:${state}`;
      // In the order in which a job goes through them, so that one on its way is seen.
      for (const state of ['delayed', 'prioritized'] as const) for (const id of await redis.zrange(at(state), 0, -1)) out.add(id);
      for (const state of ['wait', 'active'] as const) for (const id of await redis.lrange(at(state), 0, -1)) out.add(id);
    }
    return out;
  }
  async withdraw(keys: readonly string[]): Promise<void> {
    for (const [id, name] of this.#put) {
      if (!keys.includes(id.slice(0, 64))) continue;
      this.#put.delete(id);
      try {
        await (await this.#queue(name).getJob(id))?.remove();
      } catch {
        // A worker holds it.
      }
    }
  }
  async close(): Promise<void> {
    this.#closed = true;
    this.#listen.disconnect();
    for (const { queue, stalled } of this.#queues.values()) await quietly(stalled, queue);
    this.place.redis.disconnect();
  }
}

/** Closes what may wait for a server that is gone. */
async function quietly(worker: BullWorker | undefined, queue?: BullQueue): Promise<void> {
  const most = new Promise<void>((r) => setTimeout(r, 2000).unref());
  await Promise.race([Promise.allSettled([worker?.close(true), queue?.close()]), most]);
}

interface BullLease extends Lease {
  readonly job: BullJob;
  readonly token: string;
}

/** A worker's end. */
export class BullSource implements Source {
  readonly name: string;
  readonly #workers = new Map<string, BullWorker>();
  readonly #names: readonly (readonly string[])[];
  #idle: number = IDLE[0];
  /** Since when the server answers with errors. */ #trouble: number | undefined;

  private constructor(
    readonly place: Place,
    url: string,
    me: WorkerInfo,
  ) {
    this.name = redisName(url);
    this.#names = JOB_KINDS.filter((k) => me.kinds.includes(k)).map((kind) =>
      me.classes.filter((c) => MEMORY_CLASSES.includes(c)).map((memory) => queueName({ kind, memory })),
    );
  }
  static async open(url: string, farm: string, farmKey: Uint8Array, me: WorkerInfo, o: BullOptions = {}): Promise<BullSource> {
    return new BullSource(await Place.open(url, farm, farmKey, o), url, me);
  }

  /** The end first, then folds, then segments; of each kind the largest class that this worker takes. */
  async #next(): Promise<BullLease | undefined> {
    const { redis, prefix } = this.place;
    for (const names of this.#names) {
      // A list that is empty is not there: one question for all queues of a kind.
      if (!(await redis.exists(...names.flatMap((n) => [`${prefix}:${n}:wait`, `${prefix}:${n}:prioritized`])))) continue;
      for (const name of names) {
        let w = this.#workers.get(name);
        if (!w) {
          w = this.place.worker(name, false);
          this.#workers.set(name, w);
        }
        const token = randomBytes(12).toString('hex'),
          job = await w.getNextJob(token, { block: false });
        // What the record says is checked by whoever has the farm's key.
        if (job) return { record: job.data as JobRecord, job, token };
      }
    }
    return undefined;
  }
  async take(_me: WorkerInfo, signal: AbortSignal): Promise<Lease | undefined> {
    const until = performance.now() + 5000;
    while (!signal.aborted && performance.now() < until) {
      try {
        const l = await this.#next();
        this.#trouble = undefined;
        if (l) {
          this.#idle = IDLE[0];
          return l;
        }
      } catch (e) {
        // A server that starts again answers with errors for a while.
        this.#trouble ??= performance.now();
        if (performance.now() - this.#trouble > PATIENCE) throw e;
      }
      await new Promise<void>((resolve) => {
        const end = (): void => {
            clearTimeout(t);
            signal.removeEventListener('abort', end);
            resolve();
          },
          t = setTimeout(end, this.#idle);
        signal.addEventListener('abort', end);
      });
      this.#idle = Math.min(2 * this.#idle, IDLE[1]);
    }
    return undefined;
  }
  async renew(l: Lease): Promise<boolean> {
    const { job, token } = l as BullLease;
    return (await job.extendLock(token, this.place.times.lock)) > 0;
  }
  async #end(l: Lease, r: Report, move: (job: BullJob, token: string) => Promise<unknown>): Promise<void> {
    const { job, token } = l as BullLease;
    try {
      await move(job, token);
    } catch {
      // The lock was lost, or Redis was emptied: what was done is done, and is told all the same.
    }
    await this.place.redis.lpush(this.place.reports, this.place.sign(r));
  }
  done(l: Lease, r: Report): Promise<void> {
    return this.#end(l, r, (job, token) => job.moveToCompleted('', token, false));
  }
  fail(l: Lease, r: Report): Promise<void> {
    const why = 'failure' in r ? r.failure.message.slice(0, 200) : '';
    return this.#end(l, r, (job, token) => job.moveToFailed(new Error(why), token, false));
  }
  async close(): Promise<void> {
    for (const w of this.#workers.values()) await quietly(w);
    this.place.redis.disconnect();
  }
}
