import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryBlobs } from '../src/engine/blobs.js';
import { BullDispatcher, BullSource } from '../src/engine/bullmq.js';
import { type Failure, FarmSetupError } from '../src/engine/errors.js';
import { JOB_KINDS, type Job, type JobRecord, MEMORY_CLASSES, type MemoryClass, signJob } from '../src/engine/jobs.js';
import { Store } from '../src/engine/store.js';
import { FARM_KEY, StubRunner, type Truth, coordinate, stubWorker, truthOf } from './farm-stub.js';
import { RedisServer, TLS, freePort, noRedis } from './redis.js';

const skipped = await noRedis();
if (skipped !== undefined) console.warn(`farm-redis.test.ts is skipped: ${skipped}`);
const home = mkdtempSync(join(tmpdir(), 'certune-farm-redis-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

describe('without its packages', () => {
  it('a farm over Redis, or a store in a bucket, says which are missing', () => {
    // Resolves neither, as where nobody has installed them.
    const hook = `export async function resolve(name, context, next) {
        if (/^(bullmq|ioredis|@aws-sdk\\/client-s3)$/.test(name)) throw Object.assign(new Error('not found'), { code: 'ERR_MODULE_NOT_FOUND' });
        return next(name, context);
      }`,
      at = (file: string): string => JSON.stringify(new URL(`../dist/engine/${file}`, import.meta.url).href),
      script = `import { register } from 'node:module';
        register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));
        const told = (e) => console.log(e.name + ': ' + e.message);
        const { openDispatcher, openStore } = await import(${at('open.js')});
        await openDispatcher('redis://127.0.0.1:1', 'sha256:00', new Uint8Array(32)).catch(told);
        await openStore('s3://bucket/x').catch(told);`,
      p = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(p.stdout.trim().split('\n')).toEqual([
      'MissingPackageError: a farm on several machines needs bullmq and ioredis, which are not installed: npm install bullmq ioredis',
      'MissingPackageError: a store in a bucket needs @aws-sdk/client-s3, which is not installed: npm install @aws-sdk/client-s3',
    ]);
  });
});

const TIMES = { lock: 1500, renew: 300 },
  BULL = { times: TIMES, stalledEvery: 500 },
  ME = { name: 'worker', classes: [...MEMORY_CLASSES], kinds: [...JOB_KINDS] },
  hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');

describe.skipIf(skipped !== undefined)(`a farm over Redis${skipped === undefined ? '' : ` (${skipped})`}`, () => {
  let server: RedisServer,
    farms = 0;
  beforeAll(async () => {
    server = new RedisServer(join(home, 'redis'), await freePort());
    await server.start();
  });
  afterAll(() => server?.kill());

  /** A whole run by so many workers; `during` is what happens to Redis when so many jobs are done. */
  async function run(
    truth: Truth,
    o: {
      workers?: number;
      during?: (done: number) => Promise<void> | undefined;
      kill?: number;
      store?: Store;
      farm?: string;
      ms?: number;
      server?: RedisServer;
      classes?: readonly (readonly MemoryClass[])[];
      memory?: (j: Job) => MemoryClass;
      spoil?: (worker: number, j: JobRecord) => Failure | undefined;
    } = {},
  ): ReturnType<typeof coordinate> {
    const store = o.store ?? new Store(new MemoryBlobs()),
      farm = o.farm ?? `sha256:${String(farms++).padStart(16, '0')}`,
      { url } = o.server ?? server,
      engine = await BullDispatcher.open(url, farm, FARM_KEY, BULL),
      drain = new AbortController(),
      stop = new AbortController(),
      end = new AbortController(),
      sources = await Promise.all(
        Array.from({ length: o.workers ?? 2 }, (_, i) =>
          BullSource.open(url, farm, FARM_KEY, { ...ME, name: `worker-${i}`, classes: o.classes?.[i] ?? ME.classes }, BULL),
        ),
      ),
      workers = sources.map((s, i) =>
        stubWorker(`worker-${i}`, s, store, new StubRunner(store, truth, (j) => o.spoil?.(i, j), o.ms ?? 5), drain.signal, {
          times: TIMES,
          stop: stop.signal,
        }).catch(() => 0),
      );
    let done = 0;
    const happened: Promise<void>[] = [];
    try {
      return await coordinate(
        {
          store,
          engine,
          more: { workers: () => 2, poll: 200, ...(o.memory ? { memoryOf: o.memory } : {}) },
          onEvent: (e) => {
            if (e.what !== 'done') return;
            done++;
            const x = o.during?.(done);
            if (x) happened.push(x);
            if (done === o.kill) end.abort(new Error('killed'));
          },
        },
        truth,
        end.signal,
      );
    } finally {
      await Promise.all(happened);
      drain.abort();
      stop.abort();
      await Promise.all(workers);
      for (const s of sources) await s.close();
      await engine.close();
    }
  }

  it('refuses a server that would forget or drop jobs, by the name of the setting', async () => {
    const bad = new RedisServer(join(home, 'bad'), await freePort(), ['--appendonly', 'no', '--maxmemory-policy', 'allkeys-lru']);
    await bad.start();
    const e = await BullDispatcher.open(bad.url, 'sha256:00', FARM_KEY).catch((x: unknown) => x);
    expect(e).toBeInstanceOf(FarmSetupError);
    expect((e as FarmSetupError).problems).toEqual([
      expect.stringMatching(/^appendonly is not yes/),
      expect.stringMatching(/^maxmemory-policy is allkeys-lru/),
    ]);
    await bad.kill();
    await expect(BullDispatcher.open(`redis://user:hidden@127.0.0.1:${bad.port}`, 'sha256:00', FARM_KEY)).rejects.toThrow(
      new RegExp(`^redis://127.0.0.1:${bad.port}: cannot be reached`),
    );
  });

  it('makes what one machine makes; its queue is empty at the end', async () => {
    const truth = truthOf(12, 5),
      { end, coordinator } = await run(truth);
    expect(hex(end)).toBe(hex(truth.end));
    expect(coordinator.counters).toMatchObject({ refused: 0, duplicates: 0 });
    for (const kind of JOB_KINDS)
      expect(['wait', 'active'].map((x) => server.cli('LLEN', `certune-0000000000000000:${kind}-s:${x}`))).toEqual(['0', '0']);
  });

  it('goes on when Redis is killed and comes back, is emptied, or hangs', async () => {
    const truth = truthOf(14, 14);
    for (const [name, harm] of [
      [
        'killed',
        async () => {
          await server.kill();
          await server.start();
        },
      ],
      ['emptied', async () => void server.cli('FLUSHALL')],
      [
        'hung for longer than a lock lasts',
        async () => {
          server.freeze();
          await new Promise((r) => setTimeout(r, 2000));
          server.thaw();
        },
      ],
    ] as const) {
      let harmed = false;
      const t0 = performance.now(),
        { end } = await run(truth, {
          ms: 20,
          during: (done) => {
            if (done < 5 || harmed) return undefined;
            harmed = true;
            return harm();
          },
        });
      expect(hex(end), name).toBe(hex(truth.end));
      expect(harmed).toBe(true);
      expect(performance.now() - t0, name).toBeLessThan(60_000);
    }
  });

  it('goes on whatever job was the last one that was done when Redis was killed, or emptied', async () => {
    const truth = truthOf(3, 2);
    for (let at = 1; at < truth.jobs.length; at++)
      for (const harm of [
        async () => {
          await server.kill();
          await server.start();
        },
        async () => void server.cli('FLUSHALL'),
      ]) {
        const { end } = await run(truth, { during: (done) => (done === at ? harm() : undefined) });
        expect(hex(end), `after ${at}`).toBe(hex(truth.end));
      }
  });

  it('is reached by TLS, as a user with the rights that are needed and no others', async () => {
    const tls = new RedisServer(join(home, 'tls'), await freePort(), ['--appendonly', 'yes'], true),
      before = { ...process.env };
    await tls.start();
    try {
      Object.assign(process.env, { CERTUNE_REDIS_USER: TLS.user, CERTUNE_REDIS_PASSWORD: TLS.password, CERTUNE_REDIS_CA: TLS.ca });
      const truth = truthOf(6, 3),
        { end } = await run(truth, { server: tls });
      expect(hex(end)).toBe(hex(truth.end));
      expect(tls.cli('CONFIG', 'GET', 'dir')).toMatch(/^NOPERM/);
      expect(tls.cli('SET', 'another', 'x')).toMatch(/^NOPERM/);
      const refused = async (): Promise<string> => {
        const e = (await BullDispatcher.open(tls.url, 'sha256:00', FARM_KEY).catch((x: unknown) => x)) as Error;
        expect(e).toBeInstanceOf(FarmSetupError);
        expect(e.message).not.toContain('wrong-password');
        return e.message;
      };
      // The certificate is one's own: without its authority nobody speaks with the server.
      delete process.env['CERTUNE_REDIS_CA'];
      expect(await refused()).toMatch(/cannot be reached: .*certificate/);
      process.env['CERTUNE_REDIS_CA'] = TLS.ca;
      process.env['CERTUNE_REDIS_PASSWORD'] = 'wrong-password';
      expect(await refused()).toMatch(/cannot be reached: .*(WRONGPASS|NOAUTH)/);
      process.env['CERTUNE_REDIS_CA'] = join(home, 'none.pem');
      expect(((await BullDispatcher.open(tls.url, 'sha256:00', FARM_KEY).catch((x: unknown) => x)) as Error).message).toMatch(
        /none\.pem: cannot be read/,
      );
    } finally {
      process.env = before;
      await tls.kill();
    }
  });

  it('gives a job to workers that have the memory for it, and takes what a worker gives back', async () => {
    const truth = truthOf(4, 4),
      took: string[] = [];
    const { end, coordinator } = await run(truth, {
      workers: 2,
      // The first one has little memory, and gives back the first job that it takes.
      classes: [['s'], MEMORY_CLASSES],
      memory: (j) => (j.kind === 'segment' && j.from === 2 ? 'm' : 's'),
      spoil: (i, j) => {
        took.push(`${i} ${j.memory}`);
        return i === 0 && took.filter((x) => x.startsWith('0')).length === 1
          ? { kind: 'returned', code: 'drained', message: 'was given back', lines: [] }
          : undefined;
      },
    });
    expect(hex(end)).toBe(hex(truth.end));
    expect(took).not.toContain('0 m');
    expect(took).toContain('1 m');
    expect(coordinator.counters.retries).toBeGreaterThan(0);
    expect(coordinator.poisoned.size).toBe(0);
  });

  it('does the job of a worker that was killed, and goes on with another coordinator', async () => {
    const truth = truthOf(8, 8),
      store = new Store(new MemoryBlobs()),
      farm = 'sha256:abcdabcdabcdabcd',
      // Takes a job and is never heard of again.
      dead = await BullSource.open(server.url, farm, FARM_KEY, { ...ME, name: 'dead' }, BULL),
      taken = dead.take(ME, new AbortController().signal);
    await expect(run(truth, { store, farm, kill: 4 })).rejects.toThrow('killed');
    expect(await taken).toBeDefined();
    await dead.close();
    const before = (await store.keys()).length,
      { end, coordinator } = await run(truth, { store, farm });
    expect(hex(end)).toBe(hex(truth.end));
    const { done } = coordinator.counters;
    expect(done.segment + done.fold + done.end).toBeLessThanOrEqual(truth.jobs.length - before);
  });

  it('hears nobody who has the password alone: jobs and reports are under the key of the farm', async () => {
    const farm = 'sha256:feedfeedfeedfeed',
      thief = await BullDispatcher.open(server.url, farm, new Uint8Array(32), BULL),
      truth = truthOf(1, 1),
      { key, from, to } = truth.jobs[0],
      record = signJob(new Uint8Array(32), { key, kind: 'segment', from, to, generation: 1, memory: 's', step: 0 }),
      told: string[] = [],
      own = await BullDispatcher.open(server.url, farm, FARM_KEY, BULL),
      source = await BullSource.open(server.url, farm, FARM_KEY, ME, BULL),
      drain = new AbortController();
    own.onReport((r) => {
      told.push('failure' in r ? r.failure.code : 'result');
      drain.abort();
    });
    // A report that accuses a worker, and a job.
    server.cli(
      'LPUSH',
      'certune-feedfeedfeedfeed:reports',
      JSON.stringify({ text: JSON.stringify({ key, generation: 1, worker: 'honest', failure: { kind: 'typed' } }), mac: '0'.repeat(64) }),
    );
    await thief.put([record]);
    expect(
      await stubWorker('worker', source, new Store(new MemoryBlobs()), new StubRunner(new Store(new MemoryBlobs()), truth), drain.signal),
    ).toBe(0);
    expect(told).toEqual(['unsigned']);
    await source.close();
    await own.close();
    await thief.close();
  });
});
