import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { rmSync } from 'node:fs';
import { Child } from '../engine/child.js';
import { Coordinator } from '../engine/coordinator.js';
import { Embedded } from '../engine/embedded.js';
import type { FarmEvent } from '../engine/coordinator.js';
import { JOB_KINDS, MEMORY_CLASSES, embeddedSegment } from '../engine/jobs.js';
import { CoordinatorLease } from '../engine/lease.js';
import { openStore } from '../engine/open.js';
import type { Store } from '../engine/store.js';
import { work } from '../engine/work.js';
import { singleKernels } from '../kernels/single.js';
import { type Context, type ProverOptions, type Result, bytesText, parseWorkers, secondsText } from './common.js';
import { UsageError } from './errors.js';
import type { Work } from './course.js';
import { memoryLimit, requireFoldMemory, requireMemory } from './estimate.js';
import { plain } from '../io/escape.js';
import { FarmProgress, type FarmRun, judged, farmFolder, farmOf, finishRun } from './farm-run.js';

/** Processes of --processes. Throws UsageError. */
export function parseProcesses(text: string): number {
  if (!/^\d{1,3}$/.test(text) || Number(text) < 1) throw new UsageError(`--processes: "${text}" is not a number of processes`);
  return Number(text);
}

/** What the processes of one machine share out: threads, and the memory that is free or allowed. */
interface Share {
  readonly processes: number;
  readonly threads: number;
  readonly memory: number;
}

/** Who hears what the processes do, when there is somebody. */
interface Hear {
  phase?: (text: string) => void;
}

/**
 * Proves a run by several processes of this machine, which take the jobs of the run as they become ready. The file is
 * the same to the last bit as that of one process; goes on where it was interrupted.
 */
export async function proveProcesses(run: string, w: Work, processes: number, o: ProverOptions, c: Context): Promise<Result> {
  const t0 = performance.now(),
    { s, dir } = w,
    { steps } = s.config.train,
    share: Share = {
      processes,
      threads: Math.max(1, Math.floor(parseWorkers(o.workers) / processes)),
      memory: Math.floor(memoryLimit(o) / processes),
    },
    each = { memory: `${share.memory / 2 ** 20}MiB` };
  requireMemory(s, each, share.threads);
  const folder = farmFolder(dir),
    store = await openStore(folder),
    lease = await CoordinatorLease.take(store),
    k = singleKernels();
  const perSegment = embeddedSegment(steps),
    hear: Hear = {},
    runners = Array.from(
      { length: processes },
      () =>
        new Child({
          setup: { run, store: store.name, threads: share.threads, memory: share.memory, perSegment },
          onPhase: (text) => hear.phase?.(text),
        }),
    );
  let bytes: Uint8Array, coordinator: Coordinator, farm: FarmRun;
  try {
    c.progress.line('circuits of the verifier and their keys');
    // Every process makes them for itself, at the same time; where work goes on there may be jobs for a few alone.
    if (!(await store.keys()).length) for (const r of runners) r.warm();
    // What they are told goes out before this process is busy with its own.
    await new Promise(setImmediate);
    farm = farmOf(k, w, c, store, { perSegment, trained: () => steps });
    requireFoldMemory(s.run, farm.circuits.cls, each, share.threads);
    ({ bytes, coordinator } = await together(farm, { store, lease, runners, hear }, c));
    finishRun(w, bytes);
  } finally {
    for (const r of runners) await r.close();
    await lease.release();
    k.close();
  }
  rmSync(folder, { recursive: true, force: true });
  const { done } = coordinator.counters,
    seconds = (performance.now() - t0) / 1000;
  return {
    data: {
      steps,
      processes,
      threads: share.threads,
      segments: done.segment,
      folds: done.fold,
      jobs: farm.shape.jobs.length,
      file: w.file,
      bytes: bytes.length,
      key: farm.circuits.digest,
      seconds,
      residentBytes: 1024 * process.resourceUsage().maxRSS,
    },
    text: plain(
      `proved all ${steps} steps in ${secondsText(seconds)} by ${processes} processes of ${share.threads} thread${share.threads === 1 ? '' : 's'}: ${w.file}, ${bytesText(bytes.length)} (${done.segment} segments and ${done.fold} folds were made now)`,
    ),
  };
}

/** Coordinator and workers beside each other, until the run has its end. */
async function together(
  farm: FarmRun,
  { store, lease, runners, hear }: { store: Store; lease: CoordinatorLease; runners: readonly Child[]; hear: Hear },
  c: Context,
): Promise<{ bytes: Uint8Array; coordinator: Coordinator }> {
  const engine = new Embedded(),
    farmKey = randomBytes(32),
    drain = new AbortController(),
    stop = new AbortController(),
    progress = new FarmProgress(c, farm, runners.length);
  hear.phase = (text) => progress.phase(text);
  setMaxListeners(0, drain.signal, stop.signal);
  let left = runners.length,
    end: Uint8Array | undefined,
    trouble: unknown;
  // Workers of this command alone: what one of an earlier command did wrong was said then.
  for (const name of await store.blobs.list('suspended/')) await store.blobs.remove(name);
  const coordinator = await Coordinator.begin({
    store,
    dispatcher: engine,
    jobs: farm.shape.jobs,
    farmKey,
    acceptor: farm.acceptor,
    inputs: farm.inputs,
    lease,
    stepOf: farm.stepOf,
    nameOf: farm.nameOf,
    memoryOf: () => 's',
    workers: () => left,
    ahead: 2,
    onEvent: (e: FarmEvent) => {
      if (e.what === 'done' && e.job.kind === 'end') end = e.bytes;
      progress.hear(e);
    },
  });
  const workers = runners.map(async (runner, i) => {
    try {
      await work({
        source: engine,
        store,
        runner,
        worker: { name: `process-${i + 1}`, classes: [...MEMORY_CLASSES], kinds: [...JOB_KINDS] },
        farmKey,
        drain: drain.signal,
        stop: stop.signal,
      });
    } catch (e) {
      trouble ??= e;
    } finally {
      await runner.close();
      // Nobody is left who could do anything.
      if (--left === 0) stop.abort(coordinator.refusal ?? trouble ?? new Error('all processes have ended'));
    }
  });
  try {
    await coordinator.run(stop.signal);
    progress.finish();
    return { bytes: end ?? (await judged(farm, store, 'end'))!, coordinator };
  } finally {
    drain.abort();
    stop.abort();
    await engine.close();
    await Promise.all(workers);
  }
}
