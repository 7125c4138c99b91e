import { spawn } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { describe as described } from '../src/cli/errors.js';
import { DiskFullError, InputError } from '../src/errors.js';
import { FolderBlobs, MemoryBlobs } from '../src/engine/blobs.js';
import { Child } from '../src/engine/child.js';
import type { Coordinator, FarmEvent } from '../src/engine/coordinator.js';
import { Embedded } from '../src/engine/embedded.js';
import { DivergenceError, type Failure, LeaseError, PoisonError, WorkerSetupError } from '../src/engine/errors.js';
import { farmKeyAt } from '../src/engine/farm-key.js';
import { Graph } from '../src/engine/graph.js';
import {
  type Job,
  type JobRecord,
  classOf,
  classesWithin,
  defaultSegment,
  embeddedSegment,
  jobKey,
  jobsOf,
  readJob,
  signJob,
} from '../src/engine/jobs.js';
import { CoordinatorLease } from '../src/engine/lease.js';
import { coveredSteps, metricsText, serveMetrics } from '../src/engine/metrics.js';
import { forecast } from '../src/engine/model.js';
import { type RunRecord, readRunRecord, unpackRun, writeRun } from '../src/engine/run-files.js';
import { MOST_RESULT, Store, sha256Of } from '../src/engine/store.js';
import { FARM_KEY, StubAcceptor, StubRunner, Truth, coordinate, stubPlan, stubWorker, truthOf } from './farm-stub.js';

const home = mkdtempSync(join(tmpdir(), 'certune-farm-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
let folders = 0;
const folder = (): Store => new Store(new FolderBlobs(join(home, `store-${folders++}`)));
const memory = (): Store => new Store(new MemoryBlobs());
const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');
/** The farm's times, thirty times faster: a busy machine renews late. */
const FAST = { lock: 2000, renew: 400 };
/** Waits until something is so: a busy machine takes its time. */
const until = async (so: () => boolean): Promise<void> => {
  while (!so()) await new Promise((r) => setTimeout(r, 20));
};

/** A whole run by so many workers in this process. */
async function run(
  truth: Truth,
  store: Store,
  o: {
    workers?: number;
    spoil?: (worker: number, j: JobRecord) => Uint8Array | Failure | 'hang' | undefined;
    onEvent?: (e: FarmEvent) => void;
    more?: Parameters<typeof coordinate>[0]['more'];
    ms?: number;
  } = {},
): ReturnType<typeof coordinate> {
  const engine = new Embedded(FAST),
    drain = new AbortController(),
    stop = new AbortController(),
    n = o.workers ?? 3,
    workers = Array.from({ length: n }, (_, i) =>
      stubWorker(`worker-${i}`, engine, store, new StubRunner(store, truth, (j) => o.spoil?.(i, j), o.ms), drain.signal, {
        times: FAST,
        stop: stop.signal,
      }),
    );
  try {
    return await coordinate(
      { store, engine, ...(o.onEvent ? { onEvent: o.onEvent } : {}), more: { workers: () => n, ...o.more } },
      truth,
      new AbortController().signal,
    );
  } finally {
    drain.abort();
    stop.abort();
    await engine.close();
    await Promise.all(workers);
  }
}

describe('the jobs of a run', () => {
  it('are a function of the plan: every leaf in one segment, children before parents, one end', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 9 }), (steps, per, r) => {
        const plan = stubPlan(steps, per, r),
          jobs = jobsOf(plan),
          seen = new Set<string>();
        expect(jobsOf(plan).map((j) => j.key)).toEqual(jobs.map((j) => j.key));
        expect(new Set(jobs.map((j) => j.key)).size).toBe(jobs.length);
        let at = 0;
        for (const j of jobs) {
          expect(j.children.every((c) => seen.has(c))).toBe(true);
          seen.add(j.key);
          if (j.kind !== 'segment') continue;
          expect([j.from, j.to - j.from <= r || j.to - j.from === 1]).toEqual([at, true]);
          at = j.to;
        }
        expect(at).toBe(steps);
        expect(jobs[jobs.length - 1]).toMatchObject({ kind: 'end', from: 0, to: steps });
      }),
    );
  });
  it('have keys that name all that a result depends on', () => {
    const of = { manifest: 'm', key: 'k' },
      keys = [
        jobKey(of, 'fold', 0, 2),
        jobKey(of, 'segment', 0, 2),
        jobKey(of, 'fold', 0, 3),
        jobKey(of, 'fold', 1, 2),
        jobKey({ ...of, manifest: 'n' }, 'fold', 0, 2),
        jobKey({ ...of, key: 'l' }, 'fold', 0, 2),
      ];
    expect(new Set(keys).size).toBe(keys.length);
    expect([1, 5000, 5001, 10_000, 10_001, 20_001, 10 ** 6].map(defaultSegment)).toEqual([1, 1, 2, 2, 4, 8, 8]);
    expect([1, 3, 4, 63, 64, 255, 256, 10 ** 6].map(embeddedSegment)).toEqual([1, 1, 2, 2, 4, 4, 8, 8]);
  });
  it('have classes of memory, of which a worker takes its own and smaller ones', () => {
    const G = 2 ** 30;
    expect([1, 4 * G, 4 * G + 1, 12 * G, 13 * G].map(classOf)).toEqual(['s', 's', 'm', 'm', 'l']);
    expect([2 * G, 6 * G, 16 * G].map((x) => classesWithin(x).join(''))).toEqual(['s', 'ms', 'lms']);
  });
  it('travel as keys and ranges under the key of the farm, in less than 400 bytes', () => {
    const record = signJob(FARM_KEY, {
      key: 'a'.repeat(64),
      kind: 'segment',
      from: 99_990,
      to: 99_998,
      generation: 63,
      memory: 'l',
      step: 99_990,
    });
    expect(JSON.stringify(record).length).toBeLessThan(400);
    expect(readJob(FARM_KEY, JSON.parse(JSON.stringify(record)))).toEqual(record);
    for (const change of [
      { key: 'b'.repeat(64) },
      { kind: 'fold' },
      { from: 1 },
      { to: 1 },
      { generation: 1 },
      { memory: 's' },
      { step: 0 },
      { mac: '0'.repeat(64) },
      { mac: undefined },
      { key: '../../etc' },
    ])
      expect(readJob(FARM_KEY, { ...record, ...change })).toBeUndefined();
    expect(readJob(new Uint8Array(32), record)).toBeUndefined();
    for (const x of [null, 3, 'x', [], {}]) expect(readJob(FARM_KEY, x)).toBeUndefined();
  });
  it('are ready when their children are done, needed until something above them is, and needed again when they are lost', () => {
    const jobs = jobsOf(stubPlan(4, 10)),
      [a, b, ab, c, d, cd, root, end] = jobs,
      ready = (g: Graph): string[] => [...g.ready()].map((j) => `${j.kind} ${j.from}-${j.to}`).sort(),
      g = new Graph(jobs);
    expect(ready(g)).toEqual(['segment 0-1', 'segment 1-2', 'segment 2-3', 'segment 3-4']);
    expect(g.done(a.key)).toBeUndefined();
    expect(g.done(b.key)).toBe(ab);
    g.lost(a.key);
    expect(ready(g)).toEqual(['segment 0-1', 'segment 2-3', 'segment 3-4']);
    for (const j of [a, ab, c, d, cd, root]) g.done(j.key);
    expect(ready(g)).toEqual(['end 0-4']);
    // What is inside of a node that is there is not asked for.
    expect(ready(new Graph(jobs, [root.key]))).toEqual(['end 0-4']);
    expect(ready(new Graph(jobs, [ab.key, c.key]))).toEqual(['segment 3-4']);
    g.lost(root.key);
    expect(ready(g)).toEqual(['fold 0-4']);
    g.lost(ab.key);
    expect(ready(g)).toEqual(['fold 0-2']);
    for (const j of [ab, root, end]) g.done(j.key);
    expect(g.finished).toBe(true);
  });
});

describe('the store', () => {
  for (const [name, make] of [
    ['a folder', folder],
    ['memory', memory],
  ] as const)
    it(`${name}: objects by their digest, results written once, what is damaged is known`, async () => {
      const s = make(),
        bytes = new Uint8Array([1, 2, 3]),
        digest = await s.put(bytes),
        at = `objects/${digest.slice(0, 2)}/${digest}`,
        r = { object: digest, size: 3, worker: 'a', seconds: 1 },
        key = 'c'.repeat(64);
      expect(digest).toBe(sha256Of(bytes));
      expect([...(await s.get(digest))]).toEqual([1, 2, 3]);
      expect(await s.setResult(key, r)).toEqual(r);
      expect(await s.setResult(key, { ...r, worker: 'b' })).toEqual(r);
      expect(await s.keys()).toEqual([key]);
      await s.offer(key, r);
      expect(await s.offers()).toEqual([{ key, result: r }]);
      expect(await s.offers('d'.repeat(64))).toEqual([]);
      await s.blobs.put(at, new Uint8Array([1, 2]));
      await expect(s.get(digest)).rejects.toThrow(/does not match its digest/);
      expect(await s.put(bytes)).toBe(digest);
      expect([...(await s.get(digest))]).toEqual([1, 2, 3]);
      await s.removeObject(digest);
      await expect(s.get(digest)).rejects.toThrow(/is not in the store/);
      for (const bad of ['../x', 'keys/../../x', '/etc/passwd', 'objects//x', 'keys/.x'])
        await expect(s.blobs.put(bad, bytes)).rejects.toThrow(RangeError);
    });
  it('a result whose line is not one counts as none', async () => {
    const s = memory(),
      key = 'c'.repeat(64);
    for (const text of ['', 'x', '{}', '{"object":"../x","size":1,"worker":"a","seconds":1}', '[1]']) {
      await s.blobs.put(`keys/${key}`, Buffer.from(text));
      expect(await s.result(key)).toBeUndefined();
    }
  });
});

describe('a farm of stub workers', () => {
  it('makes what one machine makes, whatever the order', async () => {
    for (const [steps, per, r] of [
      [1, 10, 1],
      [7, 3, 1],
      [24, 7, 2],
    ] as const) {
      const truth = truthOf(steps, per, r),
        { end, acceptor } = await run(truth, memory());
      expect(hex(end)).toBe(hex(truth.end));
      expect(acceptor.seen).toBe(truth.jobs.length);
    }
  });

  it('goes on from the store wherever the coordinator was killed, and does nothing twice that is there', async () => {
    const truth = truthOf(5, 2);
    for (let at = 1; at <= truth.jobs.length; at++) {
      const store = folder(),
        engine = new Embedded(FAST),
        drain = new AbortController(),
        kill = new AbortController();
      let done = 0;
      const worker = stubWorker('worker', engine, store, new StubRunner(store, truth), drain.signal, { times: FAST });
      await coordinate(
        { store, engine, onEvent: (e) => e.what === 'done' && ++done === at && kill.abort(new Error('killed')) },
        truth,
        kill.signal,
      ).catch((e: Error) => expect(e.message).toBe('killed'));
      drain.abort();
      await engine.close();
      await worker;
      const { end, coordinator } = await run(truth, store);
      expect(hex(end), `after ${at}`).toBe(hex(truth.end));
      const { done: d } = coordinator.counters;
      expect(d.segment + d.fold + d.end).toBeLessThanOrEqual(truth.jobs.length - at);
    }
  });

  it('refuses wrong results of every kind, names the worker and does without it', async () => {
    const truth = truthOf(8, 4),
      foreign = truthOf(8, 5),
      wrong: readonly ((j: JobRecord) => Uint8Array)[] = [
        // Of another job, of another run, cut short, with one bit flipped, nothing at all.
        (j) => truth.of(truth.jobs.find((x) => x.key !== j.key)!.key),
        () => foreign.end,
        (j) => truth.of(j.key).slice(0, 31),
        (j) => truth.of(j.key).map((x, i) => (i === 5 ? x ^ 4 : x)),
        () => new Uint8Array(0),
      ];
    for (const spoil of wrong) {
      const refused: string[] = [],
        store = memory(),
        { end } = await run(truth, store, {
          ms: 1,
          spoil: (i, j) => (i === 0 ? spoil(j) : undefined),
          onEvent: (e) => e.what === 'refused' && refused.push(e.worker),
        });
      expect(hex(end)).toBe(hex(truth.end));
      expect(refused.length).toBeGreaterThan(0);
      expect(new Set(refused)).toEqual(new Set(['worker-0']));
      expect(await store.record('suspended/worker-0')).toMatchObject({ why: expect.stringMatching(/is not that of the job/) });
    }
  });

  it('reads nothing of what is offered that is larger than any result, or no file', async () => {
    const truth = truthOf(3, 3),
      huge = 'e'.repeat(64),
      folderObject = 'd'.repeat(64);
    for (const object of [huge, folderObject]) {
      const store = folder(),
        at = join(store.name, 'objects', object.slice(0, 2), object),
        [first] = truth.jobs;
      mkdirSync(dirname(at), { recursive: true });
      if (object === folderObject) mkdirSync(at);
      else {
        writeFileSync(at, '');
        truncateSync(at, MOST_RESULT + 1);
      }
      await store.offer(first.key, { object, size: 32, worker: 'mallory', seconds: 1 });
      const { end, coordinator } = await run(truth, store);
      expect(hex(end)).toBe(hex(truth.end));
      expect(coordinator.counters.refused).toBe(1);
      expect(await store.record('suspended/mallory')).toMatchObject({ why: expect.stringMatching(/at most|is a folder/) });
      expect(await store.offers()).toEqual([]);
      await expect(store.get(object, MOST_RESULT)).rejects.toThrow(InputError);
    }
  });

  it('makes again what was deleted, cut or flipped in the store', async () => {
    const truth = truthOf(8, 8);
    const harm: readonly ((s: Store, object: string) => Promise<void>)[] = [
      (s, o) => s.removeObject(o),
      async (s, o) => truncateSync(join(s.name, 'objects', o.slice(0, 2), o), 7),
      async (s, o) => writeFileSync(join(s.name, 'objects', o.slice(0, 2), o), new Uint8Array(32)),
    ];
    for (const hurt of harm) {
      const store = folder();
      let hurts = 0;
      const { end } = await run(truth, store, {
        onEvent: (e) => {
          if (e.what === 'done' && e.job.kind === 'segment' && e.job.from % 3 === 1 && hurts++ < 2) void hurt(store, e.result.object);
        },
      });
      expect(hex(end)).toBe(hex(truth.end));
      expect(hurts).toBeGreaterThan(1);
    }
  });

  it('says that two results which both hold and differ are an alarm, and keeps both', async () => {
    const truth = truthOf(4, 4),
      store = memory(),
      segment = truth.jobs[0],
      other = await store.put(new Uint8Array([9])),
      { end } = await run(truth, store);
    expect(hex(end)).toBe(hex(truth.end));
    const first = (await store.result(segment.key))!;
    // The run is not finished, and somebody offers another result.
    await store.removeResult(truth.jobs[truth.jobs.length - 1].key);
    await store.offer(segment.key, { object: other, size: 1, worker: 'late', seconds: 1 });
    const e = await run(truth, store, { more: { acceptor: { accept: () => {} } } }).catch((x: unknown) => x);
    expect(e).toBeInstanceOf(DivergenceError);
    expect((e as DivergenceError).workers).toContain('late');
    expect(await store.has(first.object)).toBe(true);
    expect(await store.has(other)).toBe(true);
  });

  it('makes a certificate behind the end where one is asked for: of results that are drawn the first one stands', async () => {
    const jobs = jobsOf({ ...stubPlan(4, 2), certify: true }),
      [root, end, certify] = jobs.slice(-3),
      truth = new Truth(jobs),
      store = folder(),
      taken: string[] = [];
    expect(jobs.slice(0, -1).map((j) => j.key)).toEqual(jobsOf(stubPlan(4, 2)).map((j) => j.key));
    expect(certify).toMatchObject({ kind: 'certify', from: 0, to: 4, children: [end.key, root.key] });
    const accepts = { accept: (j: Job, b: Uint8Array): void => (j === certify ? undefined : new StubAcceptor(truth).accept(j, b)) },
      drawn = (j: JobRecord): Uint8Array | undefined => (j.key === certify.key ? randomBytes(32) : undefined);
    let lost = 0;
    const { coordinator } = await run(truth, store, {
      ms: 1,
      spoil: (_, j) => drawn(j),
      more: { acceptor: accepts },
      onEvent: (e) => {
        if (e.what === 'done') taken.push(e.job.kind);
        // The node that both are made from is lost between them: it is made again, and nothing else.
        if (e.what === 'done' && e.job === end && lost++ === 0) {
          const file = readdirSync(join(store.name, 'keys')).find((x) => x === root.key)!,
            { object } = JSON.parse(readFileSync(join(store.name, 'keys', file), 'utf8')) as { object: string };
          writeFileSync(join(store.name, 'objects', object.slice(0, 2), object), 'x');
        }
      },
    });
    expect(taken.slice(-3)).toEqual(['end', 'fold', 'certify']);
    expect(coordinator.counters.done).toMatchObject({ end: 1, certify: 1 });
    // Another one that comes too late is no alarm, and changes nothing.
    const first = (await store.result(certify.key))!,
      other = await store.put(randomBytes(32));
    await store.removeResult(jobs[0].key);
    await store.offer(certify.key, { object: other, size: 32, worker: 'late', seconds: 1 });
    await run(truth, store, { more: { acceptor: accepts } });
    expect(await store.result(certify.key)).toEqual(first);
  });

  it('gives up a job that can never succeed, does everything else, and tries it again when told', async () => {
    const truth = truthOf(6, 6),
      store = memory(),
      poison = truth.jobs.find((j) => j.kind === 'segment' && j.from === 2)!,
      failure: Failure = { kind: 'typed', code: 'training-stopped', message: 'overflow at step 2', lines: ['last line'] },
      bad = (_: number, j: JobRecord): Failure | undefined => (j.key === poison.key ? failure : undefined),
      e = await run(truth, store, { spoil: bad }).catch((x: unknown) => x);
    expect(e).toBeInstanceOf(PoisonError);
    expect((e as PoisonError).message).toMatch(/segment 2 to 3.*overflow at step 2/);
    expect((e as PoisonError).jobs[0].failure.lines).toEqual(['last line']);
    // All other segments are there.
    for (const j of truth.jobs.filter((x) => x.kind === 'segment' && x !== poison)) expect(await store.result(j.key), j.key).toBeDefined();
    // Still given up after a restart; not when its record is gone.
    await expect(run(truth, store)).rejects.toThrow(PoisonError);
    await store.blobs.remove(`failed/${poison.key}`);
    expect(hex((await run(truth, store)).end)).toBe(hex(truth.end));
  });

  it('gives up a job that crashed at three workers, and moves one that lacked memory to the next class', async () => {
    const truth = truthOf(4, 4),
      crash: Failure = { kind: 'crash', code: 'exited', message: 'exit code 1', lines: [] },
      lack: Failure = { kind: 'memory', code: 'out-of-memory', message: 'too little', lines: [] },
      crashed = new Set<number>();
    const e = await run(truth, memory(), {
      workers: 3,
      ms: 1,
      spoil: (i, j) => {
        if (j.from !== 1 || j.kind !== 'segment') return undefined;
        crashed.add(i);
        return crash;
      },
    }).catch((x: unknown) => x);
    expect(e).toBeInstanceOf(PoisonError);
    const classes: string[] = [];
    const { end } = await run(truth, memory(), {
      spoil: (_, j) => {
        if (j.from !== 1 || j.kind !== 'segment') return undefined;
        classes.push(j.memory);
        return j.memory === 'l' ? undefined : lack;
      },
    });
    expect(hex(end)).toBe(hex(truth.end));
    expect(classes).toEqual(['s', 'm', 'l']);
  });

  it.each([
    ['setup', 'cannot open the run'],
    ['disk-full', 'has no room on its disk'],
  ])('goes on without a worker that fails by %s: one that %s ends and says why', async (code) => {
    const truth = truthOf(4, 4),
      store = memory(),
      engine = new Embedded(FAST),
      drain = new AbortController(),
      bad = stubWorker(
        'bad',
        engine,
        store,
        new StubRunner(store, truth, () => ({ kind: 'returned', code, message: 'config.json is missing', lines: [] })),
        drain.signal,
      ),
      ended = bad.catch((e: unknown) => e),
      running = coordinate({ store, engine, more: { workers: () => 2 } }, truth, new AbortController().signal);
    expect(await ended).toBeInstanceOf(WorkerSetupError);
    expect(described(await ended)).toMatchObject({ exit: code === 'setup' ? 3 : 6 });
    const good = stubWorker('good', engine, store, new StubRunner(store, truth), drain.signal),
      { end, coordinator } = await running;
    expect(hex(end)).toBe(hex(truth.end));
    expect(coordinator.poisoned.size).toBe(0);
    drain.abort();
    await engine.close();
    await good;
  });

  it('puts the job of a worker that is not heard of again, and hears nothing more of its lease', async () => {
    const truth = truthOf(4, 4);
    let hung = 0;
    const store = memory(),
      engine = new Embedded(FAST),
      drain = new AbortController(),
      // Takes one job and never renews it.
      dead = engine.take({ name: 'dead', classes: ['s'], kinds: ['segment', 'fold', 'end'] }, drain.signal).then((l) => {
        hung++;
        return l;
      }),
      running = coordinate({ store, engine, more: { workers: () => 2 } }, truth, new AbortController().signal);
    const lease = await dead;
    expect(hung).toBe(1);
    const worker = stubWorker('alive', engine, store, new StubRunner(store, truth), drain.signal, { times: FAST }),
      { end, coordinator } = await running;
    expect(hex(end)).toBe(hex(truth.end));
    expect(coordinator.counters.stalls).toBeGreaterThan(0);
    expect(await engine.renew(lease!)).toBe(false);
    drain.abort();
    await engine.close();
    await worker;
  });

  it('puts the oldest jobs twice when workers stand idle at the end', async () => {
    const truth = truthOf(6, 6);
    let slow = true;
    const { end, coordinator } = await run(truth, memory(), {
      workers: 3,
      spoil: (_, j) => {
        if (!slow || j.kind !== 'segment' || j.from !== 5) return undefined;
        slow = false;
        return 'hang';
      },
      more: { duplicates: true },
    });
    expect(hex(end)).toBe(hex(truth.end));
    expect(coordinator.counters.duplicates).toBeGreaterThan(0);
  });

  it('has one coordinator at a time, whatever the clocks say', async () => {
    const store = folder(),
      a = await CoordinatorLease.take(store, 2000, 50);
    await expect(CoordinatorLease.take(store, 2000, 50)).rejects.toThrow(LeaseError);
    await a.release();
    // One that is gone, of this machine and of another one, an hour ahead.
    const ahead = new Date(Date.now() + 3_600_000).toISOString();
    await store.setRecord('lease', { id: 'x', pid: 2 ** 22 + 1, host: 'elsewhere', since: ahead, beat: 5 });
    const b = await CoordinatorLease.take(store, 100, 50);
    expect(b.lost).toBeUndefined();
    // Another one that took it in the meantime is noticed.
    await store.setRecord('lease', { id: 'y', pid: 1, host: 'elsewhere', since: ahead, beat: 0 });
    await until(() => b.lost !== undefined);
    expect(b.lost).toBeInstanceOf(LeaseError);
    await b.release();
    expect(await store.record('lease')).toMatchObject({ id: 'y' });
  });

  it('ends with the error of a full disk, and goes on when there is room', async () => {
    const truth = truthOf(4, 2);
    for (let at = 1; at <= truth.jobs.length; at++) {
      const store = folder(),
        put = store.blobs.put.bind(store.blobs);
      let n = 0;
      store.blobs.put = async (name, bytes, absent) => {
        if (name.startsWith('keys/') && ++n >= at) throw new DiskFullError(join(store.name, name), bytes.length, 0);
        return put(name, bytes, absent);
      };
      await expect(run(truth, store)).rejects.toThrow(DiskFullError);
      expect((await store.keys()).length).toBe(at - 1);
      store.blobs.put = put;
      expect(hex((await run(truth, store)).end)).toBe(hex(truth.end));
    }
  });

  it('puts a few segments for each worker, those of the first steps first, and none whose steps are not trained', async () => {
    const truth = truthOf(40, 40),
      store = memory(),
      first: number[] = [];
    let trained = 5,
      most = 0,
      early = 0,
      c: Coordinator | undefined;
    const { end } = await run(truth, store, {
      workers: 2,
      ms: 1,
      more: {
        workers: () => 2,
        ahead: 3,
        poll: 5,
        inputs: { ready: (j) => j.to <= trained, prepare: async () => {}, release: async () => {} },
        onLook: async (x) => {
          c = x;
          trained += 5;
        },
      },
      onEvent: (e) => {
        if (e.what !== 'put' || e.job.kind !== 'segment') return;
        first.push(e.job.from);
        if (e.job.to > trained) early++;
        most = Math.max(most, [...(c?.outstanding.keys() ?? [])].filter((key) => truth.job(key).kind === 'segment').length);
      },
    });
    expect(hex(end)).toBe(hex(truth.end));
    expect(first).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect([early, most]).toEqual([0, 6]);
  });

  it('is told of in a page that Prometheus reads', async () => {
    const truth = truthOf(4, 2),
      pages: string[] = [],
      gauges = { workers: 2, queued: 1, active: 2, trained: 4, covered: 1, oldest: 1.5 },
      { coordinator } = await run(truth, memory(), {
        ms: 1,
        spoil: (i, j) => (i === 0 && j.kind === 'fold' ? new Uint8Array(3) : undefined),
        more: { poll: 1, onLook: async (c) => void pages.push(metricsText(c, { ...gauges, covered: coveredSteps(c, (leaf) => leaf) })) },
      }),
      server = await serveMetrics('127.0.0.1:0', async () => metricsText(coordinator, { ...gauges, covered: 4 })),
      at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      res = await fetch(`${at}/metrics`),
      text = await res.text();
    expect(res.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect((await fetch(`${at}/`)).status).toBe(404);
    expect((await fetch(`${at}/metrics`, { method: 'POST' })).status).toBe(404);
    server.close();
    for (const page of [...pages, text]) {
      const names = new Set<string>();
      for (const l of page.trimEnd().split('\n')) {
        const type = /^# TYPE (certune_farm_\w+) (gauge|counter)$/.exec(l);
        if (type) {
          expect(type[2] === 'counter', l).toBe(type[1].endsWith('_total'));
          names.add(type[1]);
        } else if (!/^# HELP certune_farm_\w+ \S.*\.$/.test(l))
          expect(names.has(/^(certune_farm_\w+)(\{\w+="\w+"(,\w+="\w+")*\})? \d+(\.\d+)?(e-?\d+)?$/.exec(l)?.[1] ?? l), l).toBe(true);
      }
      expect(names.size).toBe(14);
    }
    for (const l of [
      'certune_farm_jobs{kind="segment",state="done"} 4',
      'certune_farm_jobs{kind="end",state="done"} 1',
      'certune_farm_accepted_total{kind="fold"} 3',
      'certune_farm_refused_total 1',
      'certune_farm_lag_steps 0',
      'certune_farm_oldest_seconds 1.5',
    ])
      expect(text.split('\n')).toContain(l);
  });

  it('refuses a job that is not under its key', async () => {
    const truth = truthOf(1, 1),
      store = memory(),
      engine = new Embedded(FAST),
      drain = new AbortController(),
      told: string[] = [];
    engine.onReport((r) => {
      if ('failure' in r) told.push(r.failure.code);
      drain.abort();
    });
    const { key, from, to } = truth.jobs[0];
    await engine.put([signJob(new Uint8Array(32), { key, kind: 'segment', from, to, generation: 1, memory: 's', step: 0 })]);
    expect(await stubWorker('worker', engine, store, new StubRunner(store, truth), drain.signal)).toBe(0);
    expect(told).toEqual(['unsigned']);
    await engine.close();
  });
});

describe('the files of a run in a store', () => {
  const record: RunRecord = {
    manifest: `sha256:${'a'.repeat(64)}`,
    key: `sha256:${'b'.repeat(64)}`,
    perSegment: 1,
    steps: 3,
    private: false,
    files: [],
  };
  it('are believed under the key of the farm alone', async () => {
    const store = memory();
    await expect(readRunRecord(store, FARM_KEY)).rejects.toThrow(/no run is in this store/);
    await writeRun(store, FARM_KEY, record);
    expect(await readRunRecord(store, FARM_KEY)).toEqual(record);
    await expect(readRunRecord(store, new Uint8Array(32))).rejects.toThrow(/not under the key of this farm/);
    const x = (await store.record('run')) as object;
    await store.setRecord('run', { ...x, perSegment: 8 });
    await expect(readRunRecord(store, FARM_KEY)).rejects.toThrow(/not under the key of this farm/);
  });
  it('have names that never leave the folder; what is there whole is not fetched again', async () => {
    const store = memory(),
      cache = join(home, 'cache'),
      piece = await store.put(Buffer.from('{"version": 1}')),
      files = (...names: string[]): RunRecord => ({ ...record, files: names.map((name) => ({ name, pieces: [piece] })) });
    for (const name of ['../x', 'base/../../x', '/etc/x', 'base/.x', 'out/lock', 'base/a/b', 'data-0/x', ''])
      await expect(unpackRun(store, files(name), cache), name).rejects.toThrow(/is no file of a run/);
    const dir = await unpackRun(
      store,
      files('run.yaml', 'out/manifest.json', 'data-0.jsonl', 'base/config.json', 'from/adapter_config.json'),
      cache,
    );
    expect(readdirSync(dir).sort()).toEqual(['base', 'data-0.jsonl', 'from', 'out', 'run.yaml']);
    await store.removeObject(piece);
    await unpackRun(store, files('run.yaml'), cache);
    writeFileSync(join(dir, 'run.yaml'), 'changed');
    await expect(unpackRun(store, files('run.yaml'), cache)).rejects.toThrow(/is not in the store/);
  });
  it('leave the secret of a private run to its owner', async () => {
    const cache = join(home, 'private'),
      secret = join(home, 'sampler.json');
    writeFileSync(secret, '{}');
    await expect(unpackRun(memory(), { ...record, private: true }, cache)).rejects.toThrow(/a worker needs its secret.*--secret/);
    const dir = await unpackRun(memory(), { ...record, private: true }, cache, secret);
    expect(statSync(join(dir, 'secret/sampler.json')).mode & 0o77).toBe(0);
  });
  it('is under a key that only its owner reads', () => {
    const file = join(home, 'keys', 'farm.key'),
      key = farmKeyAt(file);
    expect(key.length).toBe(32);
    expect(Buffer.compare(farmKeyAt(file), key)).toBe(0);
    chmodSync(file, 0o644);
    expect(() => farmKeyAt(file)).toThrow(/can be read by others/);
    chmodSync(file, 0o600);
    writeFileSync(file, 'not a key');
    expect(() => farmKeyAt(file)).toThrow(/is no key of a farm/);
  });
  it('and results too: a key that others have written counts as none', async () => {
    const sealed = new Store(new MemoryBlobs(), FARM_KEY),
      other = new Store(sealed.blobs),
      key = 'c'.repeat(64),
      r = { object: await sealed.put(new Uint8Array([1])), size: 1, worker: 'a', seconds: 1 };
    await other.setResult(key, r);
    expect([await sealed.result(key), await sealed.keys()]).toEqual([undefined, []]);
    expect(await sealed.setResult(key, r)).toEqual(r);
    expect([await sealed.result(key), await sealed.keys()]).toEqual([r, [key]]);
    // The result of one job is not that of another.
    await sealed.blobs.put(`keys/${'d'.repeat(64)}`, (await sealed.blobs.get(`keys/${key}`))!);
    expect(await sealed.keys()).toEqual([key]);
  });

  it('and trees of states: one that others have written is not used, and goes with its object', async () => {
    const sealed = new Store(new MemoryBlobs(), FARM_KEY),
      other = new Store(sealed.blobs),
      bytes = new Uint8Array([5, 6]);
    await other.setTree(4, 'a state', bytes);
    expect(await sealed.tree(4)).toBeUndefined();
    await sealed.setTree(4, 'a state', bytes);
    expect(await sealed.tree(4)).toEqual({ key: 'a state', object: sha256Of(bytes) });
    // That of one step is not that of another, nor under another name.
    const line = (await sealed.record('trees/4')) as object;
    await sealed.setRecord('trees/5', line);
    await sealed.setRecord('trees/6', { ...line, key: 'another' });
    expect([await sealed.tree(5), await sealed.tree(6)]).toEqual([undefined, undefined]);
    await sealed.removeTree(4);
    expect([await sealed.tree(4), await sealed.has(sha256Of(bytes))]).toEqual([undefined, false]);
  });
});

describe('how long a run takes', () => {
  it('is what the work is with one worker, and its longest way with many', () => {
    const jobs = jobsOf(stubPlan(64, 64)),
      pace = { train: 0.5, needs: (j: Job) => j.to, seconds: (j: Job) => ({ segment: 10, fold: 2, end: 5, certify: 6 })[j.kind] },
      one = forecast(jobs, pace, 1, true),
      many = forecast(jobs, pace, 1000, true),
      training = forecast(jobs, pace, 1000, false);
    expect(one).toMatchObject({ seconds: 64 * 10 + 63 * 2 + 5, busy: 1 });
    expect(many.seconds).toBe(10 + 6 * 2 + 5);
    // The last step is trained after 32 s; its segment, six folds and the end come after it.
    expect(training).toMatchObject({ seconds: 32 + 27, lag: 27 });
    expect(forecast(jobs, pace, 8, true).seconds).toBeGreaterThan(one.seconds / 8);
  });
});

describe('a child', () => {
  const program = (body: string): string => {
    const file = join(home, `child-${folders++}.mjs`);
    writeFileSync(file, body);
    return file;
  };
  const record = signJob(FARM_KEY, { key: 'a'.repeat(64), kind: 'fold', from: 0, to: 2, generation: 1, memory: 's', step: 0 }),
    setup = { run: home, store: home, threads: 1, perSegment: 1 },
    done = `process.send({ done: { object: '${'b'.repeat(64)}', size: 1, seconds: 0 }, resident: 5 })`;

  it('lives for many jobs, and is replaced after some', async () => {
    const c = new Child({
        setup,
        jobs: 2,
        program: program(`process.on('message', (m) => { if ('job' in m) { process.send({ phase: 'p' + process.pid }); ${done}; } });`),
        onPhase: (p) => pids.push(p),
      }),
      pids: string[] = [];
    for (let i = 0; i < 4; i++) expect(await c.run(record, new AbortController().signal)).toMatchObject({ size: 1 });
    await c.close();
    expect(pids.length).toBe(4);
    expect(new Set(pids).size).toBe(2);
  });
  it('knows nothing of the queue, and can be started before there is a job', async () => {
    process.env['CERTUNE_REDIS_PASSWORD'] = 'hidden';
    try {
      const told: string[] = [],
        c = new Child({
          setup,
          program: program(
            `const t = Date.now(), known = Object.keys(process.env).filter((n) => n.startsWith('CERTUNE_REDIS_')).length;
            process.on('message', (m) => { if ('job' in m) { process.send({ phase: known + ' ' + (Date.now() - t > 300) }); ${done}; } });`,
          ),
          onPhase: (p) => told.push(p),
        });
      c.warm();
      const { pid } = c;
      c.warm();
      await new Promise((r) => setTimeout(r, 1500));
      expect(await c.run(record, new AbortController().signal)).toMatchObject({ size: 1 });
      expect([c.pid, pid === undefined, told]).toEqual([pid, false, ['0 true']]);
      await c.close();
    } finally {
      delete process.env['CERTUNE_REDIS_PASSWORD'];
    }
  });

  it('that dies says how, with its last lines; the next job gets another one', async () => {
    const c = new Child({
      setup,
      program: program(
        `process.on('message', (m) => { if ('job' in m) { console.error('one'); console.error('two'); process.kill(process.pid, 'SIGKILL'); } });`,
      ),
    });
    expect(await c.run(record, new AbortController().signal)).toMatchObject({ kind: 'crash', code: 'killed', lines: ['one', 'two'] });
    await c.close();
    const m = new Child({ setup, program: program(`process.on('message', (m) => { if ('job' in m) process.exit(6); });`) });
    expect(await m.run(record, new AbortController().signal)).toMatchObject({ kind: 'memory' });
    expect(await m.run(record, new AbortController().signal)).toMatchObject({ kind: 'memory' });
    await m.close();
  });
  it('ends by itself when whoever started it is killed', async () => {
    const at = new URL('../dist/engine/child-main.js', import.meta.url).pathname,
      parent = spawn(
        process.execPath,
        [
          '-e',
          `const c = require('child_process').fork(${JSON.stringify(at)}, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
           c.on('spawn', () => console.log(c.pid));
           setInterval(() => {}, 1000);`,
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      ),
      pid = await new Promise<number>((r) => parent.stdout.once('data', (b: Buffer) => r(Number(b.toString())))),
      there = (): boolean => {
        try {
          process.kill(pid, 0);
          return true;
        } catch {
          return false;
        }
      };
    expect(there()).toBe(true);
    parent.kill('SIGKILL');
    await until(() => !there());
  });
  it('is ended when its job is cancelled, though it computes', async () => {
    const c = new Child({ setup, program: program(`process.on('message', (m) => { if ('job' in m) for (;;); });`) }),
      cancel = new AbortController(),
      running = c.run(record, cancel.signal);
    await new Promise((r) => setTimeout(r, 300));
    const pid = c.pid!;
    cancel.abort();
    expect(await running).toMatchObject({ kind: 'returned' });
    await until(() => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    });
  });
  it('is not left behind in the store', () => {
    for (const s of readdirSync(home).filter((f) => f.startsWith('store-'))) expect(readdirSync(join(home, s, 'tmp'))).toEqual([]);
  });
});
