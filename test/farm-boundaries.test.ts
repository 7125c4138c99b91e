import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Blobs, MemoryBlobs } from '../src/engine/blobs.js';
import { Embedded } from '../src/engine/embedded.js';
import type { Lease, Source, WorkerInfo } from '../src/engine/engine.js';
import type { Failure } from '../src/engine/errors.js';
import { JOB_KINDS, type JobRecord, MEMORY_CLASSES } from '../src/engine/jobs.js';
import { CoordinatorLease } from '../src/engine/lease.js';
import { Store } from '../src/engine/store.js';
import type { Runner } from '../src/engine/work.js';
import { FARM_KEY, StubAcceptor, StubRunner, type Truth, coordinate, stubWorker, truthOf } from './farm-stub.js';

/*
 * A farm whose coordinator, worker or process is killed at every boundary: before and after each thing that it asks of
 * the store or of the queue. The times are the farm's own and the clock is counted, so that how long it takes until the
 * run goes on is told in the farm's seconds.
 */

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

class Killed extends Error {}
/** Counts what one party does; at a number it is killed: before that is done, or after. Nothing is done by the dead. */
class Mortal {
  count = 0;
  dead = false;
  at = Number.NaN;
  constructor(
    readonly dies = Number.POSITIVE_INFINITY,
    readonly after = false,
  ) {}
  kill(): never {
    if (!this.dead) this.at = performance.now();
    this.dead = true;
    throw new Killed('killed');
  }
  async do<T>(f: () => Promise<T>): Promise<T> {
    if (this.dead || (++this.count === this.dies && !this.after)) return this.kill();
    const x = await f();
    if (this.dead || this.count === this.dies) return this.kill();
    return x;
  }
}
const mortal = (m: Mortal, b: Blobs): Blobs => ({
  name: b.name,
  put: (...x) => m.do(() => b.put(...x)),
  get: (...x) => m.do(() => b.get(...x)),
  list: (...x) => m.do(() => b.list(...x)),
  remove: (...x) => m.do(() => b.remove(...x)),
});
const mortalSource = (m: Mortal, s: Source): Source => ({
  name: s.name,
  take: (w: WorkerInfo, signal: AbortSignal) => m.do(() => s.take(w, signal)),
  renew: (l: Lease) => m.do(() => s.renew(l)),
  done: (l, r) => m.do(() => s.done(l, r)),
  fail: (l, r) => m.do(() => s.fail(l, r)),
  close: () => s.close(),
});

/** Moves the clock on until something is settled. */
async function settled<T>(p: Promise<T>): Promise<T> {
  let over = false;
  p.then(
    () => (over = true),
    () => (over = true),
  );
  for (let s = 0; !over && s < 3600; s++) await vi.advanceTimersByTimeAsync(1000);
  if (!over) throw new Error('an hour is over');
  return p;
}
/** The lease of a store is the farm's own: another machine's, so that only its beat tells whether it is alive. */
const foreign = async (store: Store): Promise<void> => {
  const l = (await store.record('lease')) as object | undefined;
  if (l) await store.setRecord('lease', { ...l, host: 'elsewhere' });
};

interface Seen {
  readonly end: string;
  /** Seconds from the kill to the next result that was accepted. */ readonly restart: number;
}

/**
 * A run whose coordinator or worker is killed; a second coordinator, or worker, is there as service managers start it.
 */
async function run(
  truth: Truth,
  kill: { coordinator?: Mortal; worker?: Mortal },
  spoil?: (j: JobRecord) => Failure | undefined,
): Promise<Seen> {
  const blobs = new MemoryBlobs(),
    store = new Store(blobs),
    drain = new AbortController(),
    dead = kill.coordinator ?? kill.worker;
  let restart = Number.NaN;
  /** One coordinator with the workers that its queue has. */
  const life = async (own: Blobs, worker?: Mortal): Promise<Uint8Array> => {
    const engine = new Embedded(),
      ends = new AbortController(),
      names = worker ? ['mortal', 'other'] : ['other'],
      workers = names.map((n) => {
        const m = n === 'mortal' ? worker! : new Mortal(),
          mine = new Store(mortal(m, blobs)),
          runner: Runner = new StubRunner(mine, truth, (j) => spoil?.(j), 1000);
        return stubWorker(n, mortalSource(m, engine), mine, runner, ends.signal).catch((e: unknown) => {
          if (!(e instanceof Killed)) throw e;
          return 0;
        });
      });
    try {
      const { end } = await coordinate(
        {
          store: new Store(own),
          engine,
          lease: () => CoordinatorLease.take(new Store(own)),
          more: { workers: () => 2, poll: 2000, acceptor: new StubAcceptor(truth) },
          onEvent: (e) => {
            if (e.what === 'done' && dead?.dead && Number.isNaN(restart)) restart = (performance.now() - dead.at) / 1000;
          },
        },
        truth,
        new AbortController().signal,
      );
      return end;
    } finally {
      ends.abort();
      await engine.close();
      await Promise.all(workers);
    }
  };
  let end: Uint8Array | undefined;
  try {
    end = await life(kill.coordinator ? mortal(kill.coordinator, blobs) : blobs, kill.worker);
  } catch (e) {
    if (!(e instanceof Killed)) throw e;
    await foreign(store);
  }
  end ??= await life(blobs);
  drain.abort();
  return { end: Buffer.from(end).toString('hex'), restart };
}

describe('a farm of which somebody is killed at every boundary', () => {
  const truth = truthOf(5, 2),
    end = Buffer.from(truth.end).toString('hex');

  for (const who of ['coordinator', 'worker'] as const)
    it(`the ${who}: the end is the same, and the run goes on within 60 s`, async () => {
      const alive = new Mortal();
      expect((await settled(run(truth, { [who]: alive }))).end).toBe(end);
      expect(alive.count).toBeGreaterThan(30);
      let longest = 0;
      for (let at = 1; at <= alive.count; at++)
        for (const after of [false, true]) {
          const m = new Mortal(at, after),
            seen = await settled(run(truth, { [who]: m }));
          expect(seen.end, `${after ? 'after' : 'before'} ${at}`).toBe(end);
          if (Number.isFinite(seen.restart)) longest = Math.max(longest, seen.restart);
        }
      expect(longest).toBeGreaterThan(0);
      expect(longest).toBeLessThanOrEqual(60);
    });

  it('the process that proves, in the middle of any job: the job is done by the next one', async () => {
    for (const job of truth.jobs) {
      let killed = 0;
      const { end: got } = await settled(
        run(truth, {}, (j) =>
          j.key === job.key && killed++ === 0
            ? { kind: 'crash', code: 'killed', message: 'its process ended in the middle: SIGKILL', lines: [] }
            : undefined,
        ),
      );
      expect(got).toBe(end);
      expect(killed).toBeGreaterThan(1);
    }
  });

  it('a worker whose process hangs is not waited for longer than its lease where it does not answer either', async () => {
    const engine = new Embedded(),
      me = { name: 'mute', classes: [...MEMORY_CLASSES], kinds: [...JOB_KINDS] },
      store = new Store(new MemoryBlobs()),
      drain = new AbortController(),
      taken: number[] = [],
      mute = engine.take(me, drain.signal);
    let stalled = Number.NaN;
    engine.onReport((r) => {
      if ('failure' in r && r.failure.code === 'stalled') stalled = performance.now();
    });
    const running = coordinate({ store, engine, lease: () => CoordinatorLease.take(store), more: { poll: 2000 } }, truth, drain.signal);
    running.catch(() => {});
    await vi.advanceTimersByTimeAsync(10);
    expect(await mute).toBeDefined();
    taken.push(performance.now());
    await vi.advanceTimersByTimeAsync(60_000);
    expect((stalled - taken[0]) / 1000).toBeLessThanOrEqual(45);
    drain.abort(new Error('over'));
    await expect(settled(running)).rejects.toThrow('over');
    await engine.close();
    expect(FARM_KEY.length).toBe(32);
  });
});
