import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CERTIFICATE_NAME } from '../artifact/certificate.js';
import { Coordinator } from '../engine/coordinator.js';
import type { Dispatcher } from '../engine/engine.js';
import { DrainedError } from '../engine/errors.js';
import { farmKeyAt } from '../engine/farm-key.js';
import { type Job, type MemoryClass, classOf, defaultSegment } from '../engine/jobs.js';
import { CoordinatorLease } from '../engine/lease.js';
import { type Gauges, coveredSteps, metricsText, serveMetrics } from '../engine/metrics.js';
import { openDispatcher, openStore } from '../engine/open.js';
import { Roll } from '../engine/presence.js';
import { packRun, writeRun } from '../engine/run-files.js';
import { statusOf, writeStatus } from '../engine/status.js';
import type { Store } from '../engine/store.js';
import { estimateFold } from '../estimate/fold.js';
import { runMemory } from '../estimate/steps.js';
import { makeFolder, writeAtomic } from '../io/atomic.js';
import { singleKernels } from '../kernels/single.js';
import { readRun } from '../setup/runfile.js';
import { InUseError } from '../store/lock.js';
import { type Context, type Result, bytesText, out, secondsText } from './common.js';
import { committed } from './committed.js';
import type { Work } from './course.js';
import { UsageError } from './errors.js';
import { plain } from '../io/escape.js';
import { FarmProgress, type FarmRun, judged, farmOf, finishRun } from './farm-run.js';
import { findManifest, locked, packFile, restoreManifest } from './kept.js';

export interface FarmStartOptions {
  readonly engine?: string;
  readonly store?: string;
  readonly key?: string;
  readonly metrics?: string;
  /** Steps of a segment. */ readonly segment?: string;
  /** Whether the certificate is made too. */ readonly certify?: boolean;
}

/** Where the key of a run's farm lies where no other place is named. */
export const farmKeyFile = (run: string): string => join(run, 'secret', 'farm.key');

/** Steps of --segment: a power of two. Throws UsageError. */
function parseSegment(text: string | undefined, steps: number): number {
  if (text === undefined) return defaultSegment(steps);
  const n = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (n < 1 || (n & (n - 1)) !== 0) throw new UsageError(`--segment: "${text}" is no power of two`);
  return n;
}

/** Steps whose state the journal holds, looked up now and then: training may be on its way. */
function trainedIn(dir: string, steps: number): () => number {
  let known = 0,
    at = -Infinity;
  return () => {
    const now = performance.now(),
      journal = join(dir, 'journal');
    if (known >= steps || now - at < 1000 || !existsSync(journal)) return known;
    at = now;
    for (const f of readdirSync(journal)) {
      const m = /^step-(\d+)\.bin$/.exec(f);
      if (m) known = Math.max(known, Number(m[1]));
    }
    return known;
  };
}

/** The class of memory of every job, from the forecast of what it takes. */
function classesOf(w: Work, farm: FarmRun): (j: Job) => MemoryClass {
  const { run } = w.s,
    limit = 2 ** 40,
    fold = estimateFold(run, farm.circuits.cls, { leaf: 0, fold: 0, end: 0, settle: 0 }, { limit, threads: 2 }),
    step = runMemory(run.programs, limit, 2).total,
    end = Math.max(fold.endMemory, fold.settleMemory),
    of = { segment: Math.max(step, fold.nodeMemory), fold: fold.nodeMemory, end, certify: end };
  return (j) => classOf(of[j.kind]);
}

/** Starts the coordinator of a run's farm; ends with the run. */
export async function farmStart(run: string, o: FarmStartOptions, c: Context): Promise<Result> {
  if (o.store === undefined || o.engine === undefined)
    throw new UsageError('a farm needs --store and --engine; on one machine certune prove --processes does without both');
  restoreManifest(run, findManifest(run), c);
  const { s, digest } = committed(run),
    dir = out(run),
    file = packFile(run),
    w: Work = { s, digest, dir, file },
    { steps } = s.config.train,
    t0 = performance.now();
  if (s.config.proof.hash !== 'poseidon2') throw new UsageError('proof.hash is blake3, which no circuit verifies: a farm folds');
  if (existsSync(file))
    return {
      data: { steps, jobs: 0, file },
      text: plain(`all ${steps} steps are proved already: ${file}${o.certify ? '; certune certify makes the certificate' : ''}`),
    };
  makeFolder(join(run, 'secret'), 0o700);
  if (!existsSync(join(run, 'secret', '.gitignore'))) writeFileSync(join(run, 'secret', '.gitignore'), '*\n');
  const farmKey = farmKeyAt(o.key ?? farmKeyFile(run)),
    store = await openStore(o.store, farmKey),
    lease = await CoordinatorLease.take(store),
    k = singleKernels();
  let dispatcher: Dispatcher | undefined;
  try {
    c.progress.line('circuits of the verifier and their keys');
    const perSegment = parseSegment(o.segment, steps),
      trained = trainedIn(dir, steps),
      farm = farmOf(k, w, c, store, { perSegment, trained, certify: o.certify === true });
    for (const name of ['drain', 'finished']) await store.blobs.remove(name);
    const files = await packRun(store, readRun(run), s.run.manifest);
    await writeRun(store, farmKey, {
      manifest: digest,
      key: farm.circuits.digest,
      perSegment,
      steps,
      private: s.config.sampler.mode === 'private',
      files,
    });
    dispatcher = await openDispatcher(o.engine, digest, farmKey);
    const { bytes, certificate, coordinator } = await follow({ run, w, farm, store, lease, dispatcher, farmKey, trained, o }, c);
    await locked(run, 'farm start', c, () => {
      if (certificate) writeAtomic(join(dir, CERTIFICATE_NAME), certificate);
      finishRun(w, bytes);
    }).catch((e: unknown) => {
      if (e instanceof InUseError) c.progress.line(`${e.message}; run the command again: everything is in the store`, true);
      throw e;
    });
    await store.setRecord('finished', { object: 'run.certune', bytes: bytes.length });
    const { done, refused, retries, stalls } = coordinator.counters,
      seconds = (performance.now() - t0) / 1000;
    return {
      data: {
        steps,
        jobs: farm.shape.jobs.length,
        done,
        refused,
        retries,
        stalls,
        file,
        bytes: bytes.length,
        ...(certificate ? { certificate: join(dir, CERTIFICATE_NAME) } : {}),
        key: farm.circuits.digest,
        seconds,
      },
      text: plain(
        `proved all ${steps} steps in ${secondsText(seconds)}: ${file}, ${bytesText(bytes.length)} (${farm.shape.jobs.length} jobs, ${retries} put again, ${refused} results refused)`,
      ),
    };
  } finally {
    await dispatcher?.close();
    await lease.release();
    k.close();
  }
}

interface Following {
  readonly run: string;
  readonly w: Work;
  readonly farm: FarmRun;
  readonly store: Store;
  readonly lease: CoordinatorLease;
  readonly dispatcher: Dispatcher;
  readonly farmKey: Uint8Array;
  readonly trained: () => number;
  readonly o: FarmStartOptions;
}

interface Followed {
  readonly bytes: Uint8Array;
  readonly certificate: Uint8Array | undefined;
  readonly coordinator: Coordinator;
}

/** Coordinates until the run has its end, and tells of it. */
async function follow(f: Following, c: Context): Promise<Followed> {
  const { store, farm, dispatcher } = f,
    roll = new Roll(store),
    stop = new AbortController(),
    progress = new FarmProgress(c, farm, 1),
    { places } = farm.shape.plan;
  let end: Uint8Array | undefined,
    certificate: Uint8Array | undefined,
    beat = 0,
    workers = -1;
  c.drains?.(() => stop.abort(new DrainedError('was told to end')));
  const gauges = async (x: Coordinator): Promise<Gauges> => {
    const { waiting, active } = await dispatcher.counts(),
      since = [...x.outstanding.values()].map((y) => y.since);
    return {
      workers: roll.present.length,
      queued: waiting,
      active,
      trained: f.trained(),
      covered: coveredSteps(x, (leaf) => places[leaf].step),
      oldest: since.length ? (performance.now() - Math.min(...since)) / 1000 : 0,
    };
  };
  const look = async (x: Coordinator): Promise<void> => {
    await roll.look();
    if (roll.present.length !== workers) {
      workers = roll.present.length;
      c.progress.line(`${workers} worker${workers === 1 ? '' : 's'}`);
    }
    await writeStatus(store, statusOf(x, await gauges(x), dispatcher.name, beat++));
    if ((await store.record('drain')) !== undefined) stop.abort(new DrainedError('the farm is being drained'));
  };
  const coordinator = await Coordinator.begin({
    store,
    dispatcher,
    jobs: farm.shape.jobs,
    farmKey: f.farmKey,
    acceptor: farm.acceptor,
    inputs: farm.inputs,
    lease: f.lease,
    stepOf: farm.stepOf,
    nameOf: farm.nameOf,
    memoryOf: classesOf(f.w, farm),
    workers: () => roll.present.length,
    duplicates: true,
    onLook: look,
    onEvent: (e) => {
      if (e.what === 'done' && e.job.kind === 'end') end = e.bytes;
      if (e.what === 'done' && e.job.kind === 'certify') certificate = e.bytes;
      progress.hear(e);
    },
  });
  const server =
    f.o.metrics === undefined
      ? undefined
      : await serveMetrics(f.o.metrics, async () => metricsText(coordinator, await gauges(coordinator)));
  try {
    await coordinator.run(stop.signal);
    progress.finish();
    await writeStatus(store, statusOf(coordinator, await gauges(coordinator), dispatcher.name, beat));
    return {
      bytes: end ?? (await judged(farm, store, 'end'))!,
      certificate: certificate ?? (await judged(farm, store, 'certify')),
      coordinator,
    };
  } finally {
    server?.close();
  }
}
