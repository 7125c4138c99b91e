import { existsSync } from 'node:fs';
import { InputError } from '../errors.js';
import { forecast } from '../engine/model.js';
import { CoordinatorLease } from '../engine/lease.js';
import { openStore } from '../engine/open.js';
import { presentIn } from '../engine/presence.js';
import { shapeOf } from '../engine/shape.js';
import { readStatus } from '../engine/status.js';
import { calibrate } from '../estimate/calibrate.js';
import { foldSeconds } from '../estimate/fold.js';
import { runMemory } from '../estimate/steps.js';
import { circuitsOf } from '../recursion/circuits.js';
import { defaultSegment } from '../engine/jobs.js';
import { type ProverOptions, type Result, bytesText, kernels, secondsText } from './common.js';
import { committed } from './committed.js';
import { UsageError } from './errors.js';
import { plain } from '../io/escape.js';
import { predicted } from './estimate.js';

/* What can be asked of a farm, and told to it, beside its coordinator and workers. */

export interface FarmStoreOptions {
  readonly store?: string;
}
const storeAt = (o: FarmStoreOptions): Promise<import('../engine/store.js').Store> => {
  if (o.store === undefined) throw new UsageError('give --store, the store of the farm');
  if (!/^s3:/.test(o.store) && !existsSync(o.store))
    throw new InputError(o.store, ['does not exist'], 'give the store that farm start was given');
  return openStore(o.store);
};

/** What a farm is about. */
export async function farmStatus(o: FarmStoreOptions): Promise<Result> {
  const store = await storeAt(o),
    x = await readStatus(store),
    workers = await presentIn(store),
    { status } = x,
    jobs = Object.entries(status.jobs ?? {}).map(
      ([kind, n]) => `  ${kind}: ${n.done} done, ${n.put} put, ${n.ready} ready, ${n.waiting} waiting, ${n.failed} given up`,
    );
  return {
    data: { ...x, workers },
    text: [
      status.jobs ? `jobs${x.coordinator ? '' : ' (no coordinator is at work)'}:` : 'no coordinator has been at work with this store',
      ...jobs,
      `lag: ${(status.trained ?? 0) - (status.covered ?? 0)} of ${status.trained ?? 0} steps trained; oldest job put ${secondsText(status.oldest ?? 0)} ago; ${status.queued ?? 0} wait in the queue, ${status.active ?? 0} are held`,
      `since the coordinator began: ${status.retries ?? 0} put again, ${status.stalls ?? 0} stalled, ${status.refused ?? 0} refused, ${status.duplicates ?? 0} put twice`,
      `workers: ${workers.length}`,
      ...workers.map((w) => `  ${w.name} (${w.host}, process ${w.pid}, classes ${w.classes.join('')}): ${w.jobs} jobs; ${w.doing}`),
      ...x.failed.flatMap((f) => failedLines(f.key, f.record)),
      ...x.suspended.map((f) => `suspended: ${f.worker}: ${String((f.record as { why?: unknown } | undefined)?.why ?? '')}`),
      ...(x.draining ? ['the farm is being drained'] : []),
    ]
      .map(plain)
      .join('\n'),
  };
}

function failedLines(key: string, record: unknown): string[] {
  const { name, worker, failure } = (record ?? {}) as {
      name?: unknown;
      worker?: unknown;
      failure?: { message?: unknown; lines?: unknown };
    },
    lines = Array.isArray(failure?.lines) ? failure.lines.map(String) : [];
  return [
    `given up: ${key.slice(0, 12)}, ${String(name)}, worker ${String(worker)}: ${String(failure?.message)}`,
    ...lines.map((l) => `    ${l}`),
  ];
}

/** Has coordinator and workers end when what they have begun is done. */
export async function farmDrain(o: FarmStoreOptions): Promise<Result> {
  const store = await storeAt(o);
  await store.setRecord('drain', { since: new Date().toISOString() });
  return { data: { draining: true }, text: 'coordinator and workers end when what they have begun is done; farm start goes on' };
}

/** Has jobs that were given up tried again: those whose key begins so, or all. */
export async function farmRetry(job: string, o: FarmStoreOptions): Promise<Result> {
  if (job !== 'all' && !/^[0-9a-f]{4,64}$/.test(job)) throw new UsageError(`"${job}" is no job: give the beginning of its key, or all`);
  const store = await storeAt(o),
    names = (await store.blobs.list('failed/')).filter((n) => job === 'all' || n.slice(7).startsWith(job));
  if (!names.length) throw new UsageError(`no job ${job === 'all' ? 'was given up' : `that begins with ${job} was given up`}`);
  for (const n of names) await store.blobs.remove(n);
  return {
    data: { retried: names.map((n) => n.slice(7)) },
    text: `${names.length} job${names.length === 1 ? '' : 's'} will be tried again`,
  };
}

/** Removes objects that nothing in a store names any more. Refused while a coordinator is at work. */
export async function farmGc(o: FarmStoreOptions): Promise<Result> {
  const store = await storeAt(o),
    lease = await CoordinatorLease.take(store);
  try {
    const named = new Set<string>();
    for (const key of await store.keys()) {
      const r = await store.result(key);
      if (r) named.add(r.object);
    }
    for (const { result } of await store.offers()) named.add(result.object);
    // Of the trees of states the next coordinator makes those that it needs.
    for (const n of await store.blobs.list('trees/')) await store.blobs.remove(n);
    for (const n of await store.blobs.list('checkpoints/'))
      named.add(String(((await store.record(n)) as { object?: unknown } | undefined)?.object));
    const run = (await store.record('run')) as { files?: { pieces?: unknown[] }[] } | undefined;
    for (const f of run?.files ?? []) for (const p of f.pieces ?? []) named.add(String(p));
    const gone = (await store.objects()).filter((d) => !named.has(d));
    for (const d of gone) await store.removeObject(d);
    return {
      data: { removed: gone.length, kept: named.size },
      text: `removed ${gone.length} objects that nothing names, kept ${named.size}`,
    };
  } finally {
    await lease.release();
  }
}

export interface FarmModelOptions extends ProverOptions {
  /** Numbers of workers, separated by commas. */ readonly farm?: string;
}

/** How long this run takes with so many workers like this machine, as its own jobs are dealt out. */
export async function farmModel(run: string, o: FarmModelOptions): Promise<Result> {
  const counts = (o.farm ?? '1,2,4,10,50,75,100,200,1000').split(',').map((x) => {
    if (!/^\d{1,5}$/.test(x.trim()) || Number(x) < 1) throw new UsageError(`--farm: "${x}" is no number of workers`);
    return Number(x);
  });
  const { s } = committed(run),
    k = await kernels(o);
  try {
    const units = calibrate(k),
      e = predicted(s, units),
      circuits = k.scope(() => circuitsOf(k, s.run)),
      each = foldSeconds(circuits.cls, units),
      { steps } = s.config.train,
      train = e.trainSeconds / steps,
      sizes = [...new Set([1, 2, 4, 8, defaultSegment(steps)])].sort((a, b) => a - b).filter((r) => r === 1 || r <= steps);
    const rows = sizes.map((r) => {
      const { jobs, plan } = shapeOf(s.run, circuits.cls, circuits.digest, r),
        pace = {
          train,
          needs: (j: (typeof jobs)[number]) => plan.places[j.to].step + (plan.places[j.to].part ? 1 : 0),
          seconds: (j: (typeof jobs)[number]) => {
            if (j.kind !== 'segment') return j.kind === 'fold' ? each.fold : each.end;
            const own = plan.leaves.slice(j.from, j.to);
            return new Set(own.flatMap((l) => l.steps)).size * e.stepSeconds + own.length * each.leaf + (own.length - 1) * each.fold;
          },
        };
      return {
        segment: r,
        jobs: jobs.length,
        training: counts.map((w) => forecast(jobs, pace, w, false)),
        trained: counts.map((w) => forecast(jobs, pace, w, true)),
      };
    });
    const useful = Math.ceil((e.stepSeconds + each.leaf + each.fold) / Math.max(train, 1e-9)),
      column = (x: string): string => x.padStart(12);
    return {
      data: {
        steps,
        each: { train, step: e.stepSeconds, ...each },
        workers: counts,
        rows,
        useful,
        memoryBytes: runMemory(s.run.programs, 2 ** 40, k.threads).total,
      },
      text: [
        `${steps} steps, workers like this machine (${k.threads} threads): ${secondsText(train)} a step trained, ${secondsText(e.stepSeconds)} proved, ${secondsText(each.leaf)} a leaf, ${secondsText(each.fold)} a fold, ${secondsText(each.end)} the end`,
        `${'workers'.padEnd(34)}${counts.map((w) => column(String(w))).join('')}`,
        ...rows.flatMap((r) => [
          `${`segments of ${r.segment}: while training (lag)`.padEnd(34)}${r.training.map((f) => column(`${f.seconds.toFixed(0)} s (${f.lag.toFixed(0)})`)).join('')}`,
          `${'  its journal being there'.padEnd(34)}${r.trained.map((f) => column(`${f.seconds.toFixed(0)} s`)).join('')}`,
        ]),
        `while the journal is being written, more than about ${useful} workers gain nothing: steps are trained one after another`,
        `memory ${bytesText(runMemory(s.run.programs, 2 ** 40, k.threads).total)} a step`,
      ]
        .map(plain)
        .join('\n'),
    };
  } finally {
    k.close();
  }
}
