/**
 * npm run farm:load [-- --redis URL] [--segments N] [--workers N]: 10,000 segments, their folds and the end, 20,000
 * jobs in all, through 1,000 stub workers. Prints seconds and the coordinator's resident memory: without Redis with all
 * stub workers and the store in its process, which is more than a coordinator has by itself; with Redis of the
 * coordinator alone, whose workers are in another process, and that of Redis.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  BullDispatcher,
  BullSource,
  CoordinatorLease,
  type Dispatcher,
  Embedded,
  FolderBlobs,
  MemoryBlobs,
  type Source,
  Store,
  work,
} from 'certune/engine';
import { FARM_KEY, WORKER, stubCoordinator, stubJobs, stubRunner } from './stub.js';

const args = process.argv.slice(2),
  option = (name: string, otherwise: string): string => {
    const at = args.indexOf(`--${name}`);
    return at < 0 ? otherwise : args[at + 1];
  },
  segments = Number(option('segments', '10000')),
  workers = Number(option('workers', '1000')),
  url = option('redis', ''),
  /** Set in the process of the workers. */ given = option('store', '');

const manifest = option('manifest', `sha256:${createHash('sha256').update(String(process.pid)).digest('hex')}`),
  jobs = stubJobs(manifest, segments),
  // Memory that is a folder, where there is one: what is measured is not a disk.
  folder = given || (url === '' ? '' : mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'certune-load-'))),
  store = new Store(folder === '' ? new MemoryBlobs() : new FolderBlobs(folder)),
  runner = stubRunner(store);

/** All workers, until they are told to stop. */
async function workAll(sources: readonly Source[], drain: AbortSignal): Promise<void> {
  setMaxListeners(0, drain);
  const stop = new AbortController().signal;
  setMaxListeners(0, stop);
  await Promise.all(
    Array.from({ length: workers }, (_, i) =>
      work({
        source: sources[i % sources.length],
        store,
        runner,
        worker: { ...WORKER, name: `stub-${i}` },
        farmKey: FARM_KEY,
        drain,
        stop,
      }),
    ),
  );
}

/** The process of the workers: one place in Redis for twenty of them. */
async function workersOnly(): Promise<void> {
  const sources: Source[] = [],
    drain = new AbortController();
  process.on('SIGTERM', () => drain.abort());
  for (let i = 0; i < workers; i += 20) sources.push(await BullSource.open(url, manifest, FARM_KEY, WORKER));
  await workAll(sources, drain.signal);
  for (const s of sources) await s.close();
}

async function main(): Promise<void> {
  const embedded = url === '' ? new Embedded() : undefined,
    dispatcher: Dispatcher = embedded ?? (await BullDispatcher.open(url, manifest, FARM_KEY)),
    drain = new AbortController();
  let peak = 0,
    child: ChildProcess | undefined,
    all: Promise<void> | undefined;
  const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 200),
    lease = await CoordinatorLease.take(store),
    t0 = performance.now(),
    coordinator = await stubCoordinator(store, dispatcher, lease, jobs, workers);
  if (embedded) all = workAll([embedded], drain.signal);
  else {
    const more = ['--redis', url, '--workers', String(workers), '--segments', String(segments), '--store', folder, '--manifest', manifest];
    child = spawn(process.execPath, [fileURLToPath(import.meta.url), ...more], { stdio: ['ignore', 'inherit', 'inherit'] });
  }
  await coordinator.run(new AbortController().signal);
  const seconds = (performance.now() - t0) / 1000;
  peak = Math.max(peak, process.memoryUsage().rss);
  clearInterval(watch);
  const redis = dispatcher instanceof BullDispatcher ? Number(/^used_memory_peak:(\d+)/m.exec(await dispatcher.memory())?.[1]) : undefined;
  drain.abort();
  if (child) {
    const ended = new Promise((r) => child.on('exit', r));
    child.kill('SIGTERM');
    await ended;
  }
  await all;
  await dispatcher.close();
  await lease.release();
  if (folder) rmSync(folder, { recursive: true, force: true });
  const mb = (n: number): string => (n / 1e6).toFixed(0);
  console.log(
    `${jobs.length} jobs, ${workers} workers, engine ${dispatcher.name}: ${seconds.toFixed(1)} s, coordinator ${mb(peak)} MB at most${embedded ? ', stub workers and store included' : ''}${redis === undefined ? '' : `, Redis ${mb(redis)} MB at most`}; ${coordinator.counters.retries} put again`,
  );
}
await (given ? workersOnly() : main());
