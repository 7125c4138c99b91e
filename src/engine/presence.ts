import { hostname } from 'node:os';
import type { WorkerInfo } from './engine.js';
import { type Store, WORKER } from './store.js';

/*
 * Which workers there are: each writes a record that counts upwards, and whoever wants to know looks whether it still
 * does. No clock is compared with another machine's.
 */

export interface Present {
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  readonly classes: readonly string[];
  readonly jobs: number;
  readonly doing: string;
  readonly beat: number;
}

/** Milliseconds between two beats of a worker. */
export const WORKER_BEAT = 15_000;

/** Tells of a worker until it is closed. */
export class Presence {
  #beat = 0;
  jobs = 0;
  doing = '';
  readonly #timer: ReturnType<typeof setInterval>;
  constructor(
    readonly store: Store,
    readonly me: WorkerInfo,
    every = WORKER_BEAT,
  ) {
    this.#timer = setInterval(() => void this.tell().catch(() => {}), every);
    this.#timer.unref();
  }
  async tell(): Promise<void> {
    const { name, classes } = this.me,
      x: Present = { name, classes, host: hostname(), pid: process.pid, jobs: this.jobs, doing: this.doing, beat: this.#beat++ };
    await this.store.setRecord(`workers/${name}`, x);
  }
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.store.blobs.remove(`workers/${this.me.name}`);
  }
}

function presentOf(name: string, x: unknown): Present | undefined {
  const { host, pid, classes, jobs, doing, beat } = (x ?? {}) as Record<string, unknown>;
  if (!WORKER.test(name) || typeof beat !== 'number' || typeof jobs !== 'number' || typeof pid !== 'number') return undefined;
  return {
    name,
    host: String(host).slice(0, 100),
    pid,
    classes: Array.isArray(classes) ? classes.map(String).slice(0, 8) : [],
    jobs,
    doing: String(doing).slice(0, 200),
    beat,
  };
}

/** Workers that a store knows of, alive or not. */
export async function presentIn(store: Store): Promise<Present[]> {
  const out: Present[] = [];
  for (const name of await store.blobs.list('workers/')) {
    const p = presentOf(name.slice(8), await store.record(name));
    if (p) out.push(p);
  }
  return out.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Keeps an eye on workers: those whose count moves are there. */
export class Roll {
  readonly #seen = new Map<string, { beat: number; at: number }>();
  #last = -Infinity;
  present: readonly Present[] = [];
  constructor(
    readonly store: Store,
    readonly every = WORKER_BEAT,
  ) {}
  /** Looks again where the last look is old enough: the more workers there are, the more seldom. */
  async look(): Promise<void> {
    const now = performance.now();
    if (now - this.#last < Math.min(this.every, 1000 + (this.every * this.present.length) / 1000)) return;
    this.#last = now;
    const all = await presentIn(this.store);
    for (const p of all) if (this.#seen.get(p.name)?.beat !== p.beat) this.#seen.set(p.name, { beat: p.beat, at: now });
    this.present = all.filter((p) => now - this.#seen.get(p.name)!.at < 4 * this.every);
  }
}
