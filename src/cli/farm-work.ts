import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { Child } from '../engine/child.js';
import { DrainedError } from '../engine/errors.js';
import { readFarmKey } from '../engine/farm-key.js';
import { JOB_KINDS, type JobKind, classesWithin } from '../engine/jobs.js';
import { openSource, openStore } from '../engine/open.js';
import { Presence } from '../engine/presence.js';
import { readRunRecord, unpackRun } from '../engine/run-files.js';
import { WORKER } from '../engine/store.js';
import { work } from '../engine/work.js';
import { VerificationError } from '../transcript/arith.js';
import { type Context, type ProverOptions, type Result, bytesText, parseWorkers } from './common.js';
import { UsageError } from './errors.js';
import { memoryLimit } from './estimate.js';
import { plain } from '../io/escape.js';

export interface FarmWorkOptions extends ProverOptions {
  readonly engine?: string;
  readonly store?: string;
  readonly key?: string;
  readonly secret?: string;
  readonly cache?: string;
  readonly kinds?: string;
  readonly name?: string;
}

/** Kinds of --kinds. Throws UsageError. */
function parseKinds(text: string | undefined): JobKind[] {
  if (text === undefined) return [...JOB_KINDS];
  return text.split(',').map((x) => {
    const kind = JOB_KINDS.find((y) => y === x.trim());
    if (!kind) throw new UsageError(`--kinds: "${x}" is none of ${JOB_KINDS.join(', ')}`);
    return kind;
  });
}

const cacheFolder = (): string => join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'certune-farm');

/**
 * Takes jobs of a farm and has them done by a process of its own, until the run has its end, the farm is drained, or it
 * is told to stop.
 */
export async function farmWork(o: FarmWorkOptions, c: Context): Promise<Result> {
  if (o.store === undefined || o.engine === undefined || o.key === undefined)
    throw new UsageError('a worker needs --store, --engine and --key, a copy of the key that farm start has drawn');
  const name =
    o.name ??
    `${hostname()
      .replace(/[^A-Za-z0-9._-]/g, '-')
      .slice(0, 40)}-${process.pid}`;
  if (!WORKER.test(name)) throw new UsageError(`--name: "${name}" is no name of a worker: letters, digits, points, dashes`);
  const farmKey = readFarmKey(o.key),
    kinds = parseKinds(o.kinds),
    memory = Math.floor(memoryLimit(o)),
    store = await openStore(o.store, farmKey),
    r = await readRunRecord(store, farmKey),
    folder = await unpackRun(store, r, o.cache ?? cacheFolder(), o.secret),
    me = { name, kinds, classes: classesWithin(memory) },
    source = await openSource(o.engine, r.manifest, farmKey, me),
    presence = new Presence(store, me),
    drain = new AbortController(),
    stop = new AbortController(),
    runner = new Child({
      setup: {
        run: folder,
        store: o.store,
        seal: Buffer.from(farmKey).toString('hex'),
        threads: parseWorkers(o.workers),
        memory,
        perSegment: r.perSegment,
      },
      resident: memory,
      onPhase: (text) => {
        presence.doing = text;
        c.progress.update(text, presence.jobs, presence.jobs + 1);
      },
    });
  c.drains?.(
    () => drain.abort(),
    () => stop.abort(),
  );
  c.progress.line(`worker ${name}: jobs of ${me.classes.join(', ')} (${bytesText(memory)}), ${kinds.join(', ')}`);
  try {
    runner.warm();
    await presence.tell();
    const jobs = await work({
      source,
      store,
      runner,
      worker: me,
      farmKey,
      drain: drain.signal,
      stop: stop.signal,
      told: (text) => c.progress.line(text),
      onJob: (n) => {
        presence.jobs = n;
      },
    });
    if (stop.signal.aborted) throw new DrainedError(`worker ${name} was told twice to end: its job was given back`);
    const refused = (await store.record(`suspended/${name}`)) as { why?: unknown } | undefined;
    if (refused) throw new VerificationError('worker', `${name} is suspended: a result of it did not hold (${String(refused.why)})`);
    return { data: { worker: name, jobs, folder }, text: plain(`worker ${name} did ${jobs} jobs`) };
  } finally {
    await runner.close();
    await presence.close();
    await source.close();
  }
}
