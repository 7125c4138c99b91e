import { join } from 'node:path';
import { DiskFullError, InputError, UnsupportedError, VersionError, reason } from '../errors.js';
import { NotWritableError } from '../io/atomic.js';
import { readJson } from '../io/json.js';
import { OutOfMemoryError } from '../kernels/runtime.js';
import { threadedKernels } from '../kernels/threads.js';
import { jobInputs } from '../prove/recursion.js';
import { circuitsOf } from '../recursion/circuits.js';
import { parseManifest } from '../run/manifest.js';
import { setup } from '../setup/run.js';
import { readRun } from '../setup/runfile.js';
import { secretOf } from '../store/secret.js';
import { OverflowError } from '../tensor/integer.js';
import { decodeCheckpoint } from './checkpoint.js';
import type { ChildSetup, FromChild, ToChild } from './child.js';
import { DISK, type Failure, SETUP } from './errors.js';
import type { JobRecord } from './jobs.js';
import { openStore } from './open.js';
import { JobProver } from './prover.js';
import { shapeOf } from './shape.js';
import { LostObjectError, type Result, type Store } from './store.js';

/*
 * The process that proves. It is told where run and store are by the worker that has started it, and by jobs nothing
 * but keys and ranges: which job a key stands for it knows from the manifest.
 */

const tell = (m: FromChild): void => {
  process.send?.(m);
};

// Whoever started it is gone: nobody hears what would be told. Looked at between phases too, while kernels compute.
const parent = process.ppid;
process.on('disconnect', () => process.exit(0));
// A signal to the whole group, as of Ctrl-C, is its parent's to answer, who may let the job be finished.
for (const s of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(s, () => {});
let last = 0;
function phase(text: string): void {
  if (process.ppid !== parent || !process.connected) process.exit(0);
  const now = performance.now();
  if (now - last < 200) return;
  last = now;
  tell({ phase: text });
}

/** A job reads what is no longer there. */
class LostInput extends Error {
  constructor(
    readonly of: string,
    message: string,
  ) {
    super(message);
    this.name = 'LostInput';
  }
}

/** The run cannot be opened here, or is another one. */
class Unopened extends Error {}

/** What is opened once: the run, its circuits, the store. */
class Opened {
  private constructor(
    readonly store: Store,
    readonly prover: JobProver,
  ) {}

  static async open({ run, store, seal, threads, memory, perSegment }: ChildSetup): Promise<Opened> {
    const file = join(run, 'out', 'manifest.json'),
      manifest = parseManifest(file, readJson(file, 'manifest')),
      secret = secretOf(run, manifest),
      s = setup(readRun(run), secret.salt, secret.key),
      k = await threadedKernels({ threads, ...(memory ? { maxBytes: memory } : {}) }),
      circuits = k.scope(() => circuitsOf(k, s.run)),
      // With the certificate, which is asked for or not.
      shape = shapeOf(s.run, circuits.cls, circuits.digest, perSegment, true);
    return new Opened(
      await openStore(store, seal === undefined ? undefined : Buffer.from(seal, 'hex')),
      new JobProver(k, jobInputs(s.run, s.inputs, circuits), s.inputs, shape, phase),
    );
  }

  async #object(of: string, digest: string): Promise<Uint8Array> {
    try {
      return await this.store.get(digest);
    } catch (e) {
      if (e instanceof LostObjectError) throw new LostInput(of, e.message);
      throw e;
    }
  }
  async #child(key: string): Promise<Uint8Array> {
    const r = await this.store.result(key);
    if (!r) throw new LostInput(key, `job ${key.slice(0, 12)} has no result any more`);
    return this.#object(key, r.object);
  }
  async #checkpoint(key: string): Promise<Uint8Array> {
    const x = (await this.store.record(`checkpoints/${key}`)) as { object?: unknown } | undefined;
    if (typeof x?.object !== 'string') throw new LostInput('checkpoint', 'the checkpoint that it begins from is gone');
    return this.#object('checkpoint', x.object);
  }

  /** Trees of states that the coordinator has made already; without them they are made again. */
  async #trees(steps: readonly number[]): Promise<Map<string, Uint8Array>> {
    const out = new Map<string, Uint8Array>();
    for (const step of steps) {
      const t = await this.store.tree(step);
      if (!t) continue;
      try {
        out.set(t.key, await this.store.get(t.object));
      } catch (e) {
        if (!(e instanceof LostObjectError)) throw e;
      }
    }
    return out;
  }

  async do(record: JobRecord): Promise<Omit<Result, 'worker'>> {
    const { shape, inputs } = this.prover,
      job = shape.jobs.find((j) => j.key === record.key);
    if (!job || job.kind !== record.kind || job.from !== record.from || job.to !== record.to)
      throw new Unopened(
        `job ${record.key.slice(0, 12)} is none of this run: another manifest, release or number of steps in a segment (start the worker with the run and the release of the coordinator)`,
      );
    const t0 = performance.now();
    let bytes: Uint8Array;
    if (job.kind === 'segment') {
      const { step } = shape.ranges[job.from].from,
        { run } = inputs,
        checkpoint = await this.#checkpoint(job.key);
      bytes = this.prover.segment(
        job.node,
        decodeCheckpoint(`checkpoint ${step}`, checkpoint, run.facts.digest, step, run.programs.program.axes['P']),
        await this.#trees([step, shape.plan.places[job.to].step]),
      );
    } else {
      const children: Uint8Array[] = [];
      for (const c of job.children) children.push(await this.#child(c));
      const names = job.children.map((c) => `job ${c.slice(0, 12)}`);
      if (job.kind === 'fold') bytes = this.prover.fold(children[0], children[1], [names[0], names[1]]);
      else if (job.kind === 'certify') bytes = this.prover.certify(children[1], names[1]);
      else bytes = this.prover.end(children[0], names[0]);
    }
    const object = await this.store.put(bytes);
    return { object, size: bytes.length, seconds: (performance.now() - t0) / 1000 };
  }
}

/** What is told of an error: a typed one comes again wherever the job is done. */
function failureOf(e: unknown): Failure {
  const lines = e instanceof Error && e.stack ? e.stack.split('\n').slice(0, 8) : [],
    as = (kind: Failure['kind'], code: string): Failure => ({ kind, code, message: reason(e), lines });
  // Nobody's fault but this machine's: another worker does the job.
  if (e instanceof Unopened) return as('returned', SETUP);
  if (e instanceof DiskFullError || e instanceof NotWritableError) return as('returned', DISK);
  if (e instanceof LostInput) return { ...as('input', 'lost'), of: e.of };
  if (e instanceof OutOfMemoryError || (e instanceof RangeError && /allocation failed|Invalid (typed )?array length/.test(e.message)))
    return as('memory', 'out-of-memory');
  if (e instanceof OverflowError) return as('typed', 'training-stopped');
  if (e instanceof VersionError) return as('typed', 'unsupported-version');
  if (e instanceof InputError) return as('typed', 'unreadable');
  if (e instanceof UnsupportedError) return as('typed', 'unsupported');
  return as('crash', 'internal');
}

let opened: Promise<Opened> | undefined;
process.on('message', (m: ToChild) => {
  if ('open' in m) {
    opened = Opened.open(m.open).catch((e: unknown) => {
      throw e instanceof OutOfMemoryError ? e : new Unopened(reason(e));
    });
    // Told with the first job.
    opened.catch(() => {});
    return;
  }
  void (async () => {
    try {
      if (!opened) throw new Error('a job came before the run');
      const done = await (await opened).do(m.job);
      tell({ done, resident: process.memoryUsage().rss });
    } catch (e) {
      tell({ failed: failureOf(e) });
    }
  })();
});
