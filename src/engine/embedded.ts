import { type Dispatcher, type Lease, type Report, type Source, type Times, TIMES, type WorkerInfo } from './engine.js';
import { type JobRecord, rankOf } from './jobs.js';
import { Queue } from './queue.js';

interface Held extends Lease {
  readonly worker: string;
  until: number;
}

/**
 * The engine without a server: jobs lie in the coordinator's own memory, and workers are loops beside it, each with a
 * child process. What is lost with it is put again from the store.
 */
export class Embedded implements Dispatcher, Source {
  readonly name = 'embedded';
  readonly #queue = new Queue<JobRecord>(rankOf);
  readonly #held = new Map<string, Held>();
  readonly #waiting: { readonly w: WorkerInfo; readonly give: (l: Lease | undefined) => void }[] = [];
  readonly #told: ((r: Report) => void)[] = [];
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(readonly times: Times = TIMES) {
    this.#timer = setInterval(() => this.#stalled(), times.lock / 2);
    this.#timer.unref();
  }

  async put(jobs: readonly JobRecord[]): Promise<void> {
    for (const j of jobs) this.#queue.push(j);
    for (let i = 0; i < this.#waiting.length && this.#queue.size; ) {
      const { w, give } = this.#waiting[i],
        l = this.#next(w);
      if (!l) i++;
      else {
        this.#waiting.splice(i, 1);
        give(l);
      }
    }
  }
  onReport(f: (r: Report) => void): void {
    this.#told.push(f);
  }
  async counts(): Promise<{ waiting: number; active: number }> {
    return { waiting: this.#queue.size, active: this.#held.size };
  }
  /** What it was given it has, as long as it lives. */
  async missing(): Promise<string[]> {
    return [];
  }
  async withdraw(keys: readonly string[]): Promise<void> {
    const out = new Set(keys);
    this.#queue.keep((x) => !out.has(x.key));
  }
  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const { give } of this.#waiting.splice(0)) give(undefined);
  }

  #name({ key, generation }: JobRecord): string {
    return `${key}-${generation}`;
  }
  #next(w: WorkerInfo): Held | undefined {
    const record = this.#queue.take((x) => w.kinds.includes(x.kind) && w.classes.includes(x.memory));
    if (!record) return undefined;
    const l = { record, worker: w.name, until: Date.now() + this.times.lock };
    this.#held.set(this.#name(record), l);
    return l;
  }
  async take(w: WorkerInfo, signal: AbortSignal): Promise<Lease | undefined> {
    if (signal.aborted) return undefined;
    const l = this.#next(w);
    if (l) return l;
    return new Promise((resolve) => {
      const entry = {
        w,
        give: (x: Lease | undefined): void => {
          signal.removeEventListener('abort', stop);
          resolve(x);
        },
      };
      const stop = (): void => {
        const at = this.#waiting.indexOf(entry);
        if (at >= 0) this.#waiting.splice(at, 1);
        resolve(undefined);
      };
      signal.addEventListener('abort', stop, { once: true });
      this.#waiting.push(entry);
    });
  }
  async renew(l: Lease): Promise<boolean> {
    const h = this.#held.get(this.#name(l.record));
    if (h !== l) return false;
    h.until = Date.now() + this.times.lock;
    return true;
  }
  /** A lease that was lost tells nothing any more: the job is another's. */
  async #end(l: Lease, r: Report): Promise<void> {
    const name = this.#name(l.record);
    if (this.#held.get(name) !== l) return;
    this.#held.delete(name);
    this.#tell(r);
  }
  done(l: Lease, r: Report): Promise<void> {
    return this.#end(l, r);
  }
  fail(l: Lease, r: Report): Promise<void> {
    return this.#end(l, r);
  }
  #tell(r: Report): void {
    for (const f of this.#told) f(r);
  }
  #stalled(): void {
    const now = Date.now();
    for (const [name, { record, worker, until }] of this.#held)
      if (until < now) {
        this.#held.delete(name);
        this.#tell({ key: record.key, generation: record.generation, worker, failure: STALLED });
      }
  }
}

/** A worker that was not heard of for as long as a lease lasts. */
export const STALLED = {
  kind: 'crash',
  code: 'stalled',
  message: 'its worker was not heard of any more',
  lines: [],
} as const;
