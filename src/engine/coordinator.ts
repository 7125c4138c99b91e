import { InputError, UnsupportedError, VersionError, reason } from '../errors.js';
import { VerificationError } from '../transcript/arith.js';
import type { Dispatcher, Report } from './engine.js';
import { DivergenceError, type Failure, PoisonError } from './errors.js';
import { Graph } from './graph.js';
import { type Job, type JobRecord, type MemoryClass, draws, nextClass, rankOf, signJob } from './jobs.js';
import type { CoordinatorLease } from './lease.js';
import { Queue } from './queue.js';
import { type Result, type Store, LostObjectError, MOST_RESULT } from './store.js';

/*
 * The coordinator of a run: it puts what can begin, hears what was done, verifies it, and writes its key. The store
 * says what is done; whatever is lost beside it, a queue, a worker, the coordinator, is found again by looking there.
 */

/** Judges results. */
export interface Acceptor {
  /**
   * Throws VerificationError, InputError or VersionError where the bytes are not the result of the job, every claim of
   * it settled.
   */
  accept(job: Job, bytes: Uint8Array): void | Promise<void>;
}

/** What jobs read beside each other's results. */
export interface Inputs {
  /** Whether it is there already: training may still be on its way. */ ready(job: Job): boolean;
  /** Puts it into the store. */ prepare(job: Job): Promise<void>;
  /** The job is done: nobody reads it any more. */ release(job: Job): Promise<void>;
  /** Makes something that jobs at hand will read if it is there, while nothing else is to be done; whether it did. */
  ahead?(): Promise<boolean>;
}

export type FarmEvent =
  | { readonly what: 'put' | 'duplicate' | 'found' | 'retried'; readonly job: Job }
  | { readonly what: 'done'; readonly job: Job; readonly result: Result; readonly bytes: Uint8Array }
  | { readonly what: 'refused'; readonly job: Job; readonly worker: string; readonly why: string }
  | { readonly what: 'failed' | 'poison'; readonly job: Job; readonly worker: string; readonly failure: Failure };

export interface CoordinatorOptions {
  readonly store: Store;
  readonly dispatcher: Dispatcher;
  readonly jobs: readonly Job[];
  readonly farmKey: Uint8Array;
  readonly acceptor: Acceptor;
  readonly inputs: Inputs;
  readonly lease: CoordinatorLease;
  /** First step of a job, by which jobs are ordered; its name for people; the memory that it needs. */
  readonly stepOf: (job: Job) => number;
  readonly nameOf: (job: Job) => string;
  readonly memoryOf: (job: Job) => MemoryClass;
  /** Workers there are, as far as is known. */ readonly workers: () => number;
  /** Segments that are put before they can begin, for each worker. */ readonly ahead?: number;
  /** Whether the oldest jobs are put twice when nothing else is left to begin. */ readonly duplicates?: boolean;
  /** Milliseconds between two looks at what nobody tells of. */ readonly poll?: number;
  readonly onEvent?: (e: FarmEvent) => void;
  /** Called at every look. */ readonly onLook?: (c: Coordinator) => Promise<void>;
}

/** Crashes after which a job is given up: on so many workers, or in all. */
const CRASH_WORKERS = 3,
  CRASHES = 6,
  /** And so often it is put at most. */ GENERATIONS = 64;

/** What is known of a job that is not done. */
interface Open {
  generation: number;
  /** Copies on their way. */ copies: number;
  since: number;
  memory: MemoryClass;
  readonly crashes: string[];
}

/** What a coordinator has counted. */
export interface Counters {
  readonly done: Record<Job['kind'], number>;
  readonly seconds: Record<Job['kind'], number>;
  retries: number;
  stalls: number;
  refused: number;
  duplicates: number;
}

export class Coordinator {
  readonly graph: Graph;
  readonly counters: Counters = {
    done: { end: 0, certify: 0, fold: 0, segment: 0 },
    seconds: { end: 0, certify: 0, fold: 0, segment: 0 },
    retries: 0,
    stalls: 0,
    refused: 0,
    duplicates: 0,
  };
  readonly #open = new Map<string, Open>();
  readonly #pending: Queue<Job>;
  readonly #poison = new Map<string, { worker: string; failure: Failure }>();
  readonly #suspended = new Set<string>();
  readonly #reports: Report[] = [];
  readonly #seconds: number[] = [];
  #wake: () => void = () => {};
  #segments = 0;
  #refusal: Error | undefined;

  private constructor(
    readonly o: CoordinatorOptions,
    done: readonly string[],
  ) {
    this.graph = new Graph(o.jobs, done);
    this.#pending = new Queue((j) => rankOf({ kind: j.kind, step: o.stepOf(j) }));
    o.dispatcher.onReport((r) => {
      this.#reports.push(r);
      this.#wake();
    });
  }

  /** Finds out from the store what is done, offered, given up. */
  static async begin(o: CoordinatorOptions): Promise<Coordinator> {
    const c = new Coordinator(o, await o.store.keys());
    for (const name of await o.store.blobs.list('suspended/')) c.#suspended.add(name.slice(10));
    for (const name of await o.store.blobs.list('failed/')) {
      const x = (await o.store.record(name)) as { worker?: unknown; failure?: Failure } | undefined;
      if (x?.failure) c.#poison.set(name.slice(7), { worker: String(x.worker), failure: x.failure });
    }
    for (const j of o.jobs) if (c.graph.isDone(j.key)) o.onEvent?.({ what: 'found', job: j });
    c.#refill();
    for (const { key, result } of await o.store.offers()) c.#reports.push({ key, generation: 0, worker: result.worker, result });
    return c;
  }

  get poisoned(): ReadonlyMap<string, { readonly worker: string; readonly failure: Failure }> {
    return this.#poison;
  }
  /** Jobs that were put and are not done, with the times at which they were put. */
  get outstanding(): ReadonlyMap<string, { readonly since: number; readonly generation: number }> {
    return new Map([...this.#open].filter(([, x]) => x.copies > 0));
  }
  get waiting(): number {
    return this.#pending.size;
  }
  /** Why the last result was refused. */
  get refusal(): Error | undefined {
    return this.#refusal;
  }

  #refill(): void {
    this.#pending.keep(() => false);
    for (const j of this.graph.ready()) if (!this.#poison.has(j.key) && !this.#open.get(j.key)?.copies) this.#pending.push(j);
  }

  /**
   * Goes on until the run has its end. Throws PoisonError where nothing else is left to do, DivergenceError,
   * LeaseError, and the errors of the store.
   */
  async run(signal: AbortSignal): Promise<Result> {
    const { store, lease, inputs, poll = 2000 } = this.o,
      end = this.graph.end;
    signal.addEventListener('abort', () => this.#wake());
    await this.o.onLook?.(this);
    let looked = performance.now();
    while (!this.graph.finished) {
      signal.throwIfAborted();
      if (lease.lost) throw lease.lost;
      const r = this.#reports.shift();
      if (r) {
        await this.#hear(r);
        continue;
      }
      await this.#fill();
      if (this.graph.finished) break;
      if (this.#poison.size && !this.#segmentsLeft()) {
        // Unless somebody has just said that they are to be tried again.
        await this.#retried();
        if (this.#pending.size) continue;
        throw this.#poisonError();
      }
      if (performance.now() - looked < poll) {
        if (!this.#reports.length && (await inputs.ahead?.())) continue;
        await this.#pause(poll);
      }
      if (this.#reports.length) continue;
      await this.#look();
      looked = performance.now();
    }
    const r = await store.result(end.key);
    if (!r) throw new LostObjectError(store.name, end.key, 'the result of the run is gone');
    return r;
  }

  #segmentsLeft(): boolean {
    return this.#pending.size > 0 || [...this.#open.values()].some((x) => x.copies > 0);
  }
  #poisonError(): PoisonError {
    return new PoisonError(
      [...this.#poison].map(([key, x]) => {
        const j = this.graph.job(key);
        return { key, name: j ? this.o.nameOf(j) : 'a job of another plan', ...x };
      }),
    );
  }
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const t = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(t);
        resolve();
      };
      if (this.#reports.length) this.#wake();
    });
  }
  /** Looks for what nobody has told of: offers without a word, jobs that are to be tried again. */
  async #look(): Promise<void> {
    for (const { key, result } of await this.o.store.offers()) this.#reports.push({ key, generation: 0, worker: result.worker, result });
    await this.#reconcile();
    await this.o.onLook?.(this);
    await this.#retried();
  }
  /** Takes up jobs that were given up and whose record is gone. */
  async #retried(): Promise<void> {
    for (const key of [...this.#poison.keys()])
      if ((await this.o.store.record(`failed/${key}`)) === undefined) {
        this.#poison.delete(key);
        this.#open.delete(key);
        const j = this.graph.job(key);
        if (j && this.graph.isReady(key)) this.#pending.push(j);
        if (j) this.o.onEvent?.({ what: 'retried', job: j });
      }
  }

  /** Puts again what the engine has lost: a queue may be emptied, or come back without its last second. */
  async #reconcile(): Promise<void> {
    const on = [...this.#open].filter(([, x]) => x.copies > 0);
    for (const key of await this.o.dispatcher.missing(on.map(([key, x]) => ({ key, generation: x.generation })))) {
      const x = this.#open.get(key),
        j = this.graph.job(key);
      if (!x || !j) continue;
      if (x.copies > 0 && j.kind === 'segment') this.#segments--;
      x.copies = 0;
      this.#again1(j);
    }
  }

  /** Puts what can begin: folds and the end at once, segments so many for each worker. */
  async #fill(): Promise<void> {
    const { inputs, ahead = 4 } = this.o,
      most = Math.max(1, this.o.workers()) * ahead,
      batch: JobRecord[] = [];
    for (let j = this.#pending.first(); j; j = this.#pending.first()) {
      if (j.kind === 'segment' && (this.#segments >= most || !inputs.ready(j))) break;
      this.#pending.pop();
      if (!this.graph.isReady(j.key)) continue;
      await inputs.prepare(j);
      batch.push(this.#record(j));
      this.o.onEvent?.({ what: 'put', job: j });
    }
    if (this.o.duplicates && !this.#pending.size) batch.push(...this.#again());
    if (batch.length) await this.o.dispatcher.put(batch);
  }
  #record(j: Job): JobRecord {
    let x = this.#open.get(j.key);
    if (!x) {
      x = { generation: 0, copies: 0, since: 0, memory: this.o.memoryOf(j), crashes: [] };
      this.#open.set(j.key, x);
    }
    if (x.copies === 0) {
      x.since = performance.now();
      if (j.kind === 'segment') this.#segments++;
    }
    x.copies++;
    x.generation++;
    const { key, kind, from, to } = j;
    return signJob(this.o.farmKey, { key, kind, from, to, generation: x.generation, memory: x.memory, step: this.o.stepOf(j) });
  }
  /** At the end: the oldest jobs once more, while workers stand idle. Whoever is first wins; the other is compared. */
  #again(): JobRecord[] {
    const on = [...this.#open].filter(([, x]) => x.copies > 0),
      idle = this.o.workers() - on.reduce((n, [, x]) => n + x.copies, 0);
    if (idle <= 0 || !this.#seconds.length) return [];
    const median = this.#seconds.slice().sort((a, b) => a - b)[this.#seconds.length >> 1],
      now = performance.now();
    return on
      .filter(([, x]) => x.copies === 1 && now - x.since > 2000 * median)
      .sort(([, a], [, b]) => a.since - b.since)
      .slice(0, idle)
      .map(([key]) => {
        const j = this.graph.job(key)!;
        this.counters.duplicates++;
        this.o.onEvent?.({ what: 'duplicate', job: j });
        return this.#record(j);
      });
  }
  /** A copy of a job has come back; the number of those that are still on their way. */
  #back(j: Job): Open {
    let x = this.#open.get(j.key);
    if (!x) {
      x = { generation: 0, copies: 0, since: 0, memory: this.o.memoryOf(j), crashes: [] };
      this.#open.set(j.key, x);
    }
    if (x.copies > 0 && --x.copies === 0 && j.kind === 'segment') this.#segments--;
    if (this.graph.isDone(j.key)) this.#open.delete(j.key);
    return x;
  }

  async #hear(r: Report): Promise<void> {
    const j = this.graph.job(r.key);
    if (!j) {
      // Of another plan: who puts it under this store is no concern of this run.
      if ('result' in r) await this.o.store.removeOffer(r.key, r.result.object);
      return;
    }
    if ('failure' in r) await this.#failed(j, r.worker, r.failure);
    else await this.#result(j, r.result, r.generation > 0);
  }

  async #result(j: Job, r: Result, told: boolean): Promise<void> {
    const { store } = this.o,
      drop = (): Promise<void> => store.removeOffer(j.key, r.object);
    if (told) this.#back(j);
    if (this.#suspended.has(r.worker)) {
      await drop();
      this.#again1(j);
      return;
    }
    const there = this.graph.isDone(j.key) ? await store.result(j.key) : undefined;
    // Of results that are drawn the first one that was accepted stands.
    if (there?.object === r.object || (this.graph.isDone(j.key) && (!there || draws(j.kind)))) {
      await drop();
      return;
    }
    let bytes: Uint8Array;
    try {
      bytes = await store.get(r.object, MOST_RESULT);
    } catch (e) {
      // Too large, or no file at all: nobody who proves leaves that.
      if (e instanceof InputError && !(e instanceof LostObjectError)) return this.#refuse(j, r, e);
      if (!(e instanceof LostObjectError)) throw e;
      await drop();
      await store.removeObject(r.object);
      await this.#failed(j, r.worker, { kind: 'crash', code: 'lost', message: `its result is gone: ${e.message}`, lines: [] }, false);
      return;
    }
    try {
      await this.o.acceptor.accept(j, bytes);
    } catch (e) {
      if (!(e instanceof VerificationError || e instanceof InputError || e instanceof VersionError || e instanceof UnsupportedError))
        throw e;
      await this.#refuse(j, r, e);
      return;
    }
    const stands = there ?? (await store.setResult(j.key, r));
    if (stands.object !== r.object) throw new DivergenceError(j.key, [stands.object, r.object], [stands.worker, r.worker]);
    await drop();
    await this.#accepted(j, r, bytes);
  }
  async #accepted(j: Job, r: Result, bytes: Uint8Array): Promise<void> {
    const x = this.#open.get(j.key);
    // Copies that are still on their way come too late, and say so by themselves.
    if (x && x.copies > 0 && j.kind === 'segment') this.#segments--;
    if (x && x.copies > 0) await this.o.dispatcher.withdraw([j.key]);
    this.#open.delete(j.key);
    this.#poison.delete(j.key);
    this.counters.done[j.kind]++;
    this.counters.seconds[j.kind] += r.seconds;
    this.#seconds.push(r.seconds);
    if (this.#seconds.length > 101) this.#seconds.shift();
    const next = this.graph.done(j.key);
    if (next && !this.#open.get(next.key)?.copies && !this.#poison.has(next.key)) this.#pending.push(next);
    this.o.onEvent?.({ what: 'done', job: j, result: r, bytes });
    await this.o.inputs.release(j);
  }
  async #refuse(j: Job, r: Result, e: Error): Promise<void> {
    this.counters.refused++;
    this.#refusal = e;
    this.#suspended.add(r.worker);
    await this.o.store.setRecord(`suspended/${r.worker}`, { job: j.key, object: r.object, why: reason(e) });
    await this.o.store.removeOffer(j.key, r.object);
    this.o.onEvent?.({ what: 'refused', job: j, worker: r.worker, why: reason(e) });
    this.#again1(j);
  }
  /** Makes a job wait again, unless another copy is on its way. */
  #again1(j: Job): void {
    if (!this.graph.isReady(j.key) || this.#open.get(j.key)?.copies || this.#poison.has(j.key)) return;
    this.counters.retries++;
    this.#pending.push(j);
  }

  async #failed(j: Job, worker: string, failure: Failure, told = true): Promise<void> {
    const x = told ? this.#back(j) : (this.#open.get(j.key) ?? this.#back(j));
    if (this.graph.isDone(j.key)) return;
    if (failure.code === 'stalled') this.counters.stalls++;
    if (failure.kind !== 'returned') this.o.onEvent?.({ what: 'failed', job: j, worker, failure });
    if (failure.kind === 'input') await this.#lost(j, failure);
    else {
      const larger = failure.kind === 'memory' ? nextClass(x.memory) : undefined;
      if (larger) x.memory = larger;
      else if (failure.kind === 'crash' || failure.kind === 'memory') x.crashes.push(worker);
      const hopeless = new Set(x.crashes).size >= CRASH_WORKERS || x.crashes.length >= CRASHES || x.generation >= GENERATIONS;
      if (failure.kind === 'typed' || hopeless) {
        this.#poison.set(j.key, { worker, failure });
        await this.o.store.setRecord(`failed/${j.key}`, { name: this.o.nameOf(j), worker, failure });
        this.o.onEvent?.({ what: 'poison', job: j, worker, failure });
        return;
      }
    }
    this.#again1(j);
  }
  /** An object that a job reads is gone: what it was the result of is done again. */
  async #lost(j: Job, { of }: Failure): Promise<void> {
    const child = j.children.find((c) => c === of);
    if (child !== undefined) {
      const r = await this.o.store.result(child);
      await this.o.store.removeResult(child);
      if (r) await this.o.store.removeObject(r.object);
      this.graph.lost(child);
      this.#refill();
    }
    // A checkpoint is put again with the job.
  }
}
