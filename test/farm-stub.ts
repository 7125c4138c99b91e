import { createHash } from 'node:crypto';
import { type Acceptor, Coordinator, type CoordinatorOptions, type FarmEvent, type Inputs } from '../src/engine/coordinator.js';
import type { Dispatcher, Source, Times } from '../src/engine/engine.js';
import type { Failure } from '../src/engine/errors.js';
import { JOB_KINDS, type Job, type JobRecord, MEMORY_CLASSES, type MemoryClass, type Plan, jobsOf } from '../src/engine/jobs.js';
import { CoordinatorLease } from '../src/engine/lease.js';
import type { Store } from '../src/engine/store.js';
import { type Runner, work } from '../src/engine/work.js';
import { VerificationError } from '../src/transcript/arith.js';

/*
 * A run that costs nothing: the result of a job is a hash of its name and of its children's results, so that whether
 * the end is the right one can be told, and whoever changes anything is found.
 */

export const FARM_KEY = new Uint8Array(32).fill(7);

/** Plan of a run of so many steps, a leaf each, so many in an epoch. */
export function stubPlan(steps: number, perEpoch: number, perSegment = 1): Plan {
  return {
    manifest: `sha256:${'1'.repeat(64)}`,
    key: `sha256:${'2'.repeat(64)}`,
    leaves: Array.from({ length: steps }, (_, t) => ({
      steps: [t],
      epoch: Math.floor(t / perEpoch),
      first: t % perEpoch === 0,
      last: (t + 1) % perEpoch === 0,
    })),
    places: Array.from({ length: steps + 1 }, (_, step) => ({ step, part: 0 })),
    perSegment,
  };
}

const digest = (text: string): Uint8Array => createHash('sha256').update(text).digest();

/** Results of all jobs of a plan, as one machine would make them. */
export class Truth {
  readonly #of = new Map<string, Uint8Array>();
  readonly #jobs: ReadonlyMap<string, Job>;
  constructor(readonly jobs: readonly Job[]) {
    this.#jobs = new Map(jobs.map((j) => [j.key, j]));
    for (const j of jobs)
      this.#of.set(
        j.key,
        this.make(
          j.key,
          j.children.map((c) => this.#of.get(c)!),
        ),
      );
  }
  make(key: string, children: readonly Uint8Array[]): Uint8Array {
    return digest(`${key} ${children.map((c) => Buffer.from(c).toString('hex')).join(' ')}`);
  }
  job(key: string): Job {
    return this.#jobs.get(key)!;
  }
  of(key: string): Uint8Array {
    return this.#of.get(key)!;
  }
  get end(): Uint8Array {
    return this.of(this.jobs[this.jobs.length - 1].key);
  }
}

/** Does stub jobs: reads its children from the store and hashes. `spoil` gives another result, or fails. */
export class StubRunner implements Runner {
  constructor(
    readonly store: Store,
    readonly truth: Pick<Truth, 'job' | 'make'>,
    readonly spoil: (j: JobRecord) => Uint8Array | Failure | 'hang' | undefined = () => undefined,
    readonly ms = 0,
  ) {}
  async run(j: JobRecord, signal: AbortSignal): Promise<{ object: string; size: number; seconds: number } | Failure> {
    const spoilt = this.spoil(j);
    if (spoilt === 'hang')
      return new Promise((resolve) =>
        signal.addEventListener('abort', () => resolve({ kind: 'returned', code: 'cancelled', message: 'was cancelled', lines: [] })),
      );
    if (this.ms) await new Promise((r) => setTimeout(r, this.ms));
    if (spoilt && 'kind' in spoilt) return spoilt;
    const job = this.truth.job(j.key),
      children: Uint8Array[] = [];
    for (const c of job.children) {
      const r = await this.store.result(c),
        gone = (message: string): Failure => ({ kind: 'input', code: 'lost', message, lines: [], of: c });
      if (!r) return gone('no result');
      try {
        children.push(await this.store.get(r.object));
      } catch (e) {
        return gone((e as Error).message);
      }
    }
    const bytes = spoilt ?? this.truth.make(j.key, children);
    return { object: await this.store.put(bytes), size: bytes.length, seconds: 0.001 };
  }
  async close(): Promise<void> {}
}

export class StubAcceptor implements Acceptor {
  seen = 0;
  constructor(readonly truth: Pick<Truth, 'of'>) {}
  accept(job: Job, bytes: Uint8Array): void {
    this.seen++;
    if (Buffer.compare(bytes, this.truth.of(job.key))) throw new VerificationError('node', 'is not that of the job');
  }
}

export const noInputs: Inputs = { ready: () => true, prepare: async () => {}, release: async () => {} };

export interface StubFarm {
  readonly steps?: number;
  readonly perEpoch?: number;
  readonly store: Store;
  readonly engine: Dispatcher;
  /** Takes the lease of the store; without it one that does not beat is taken soon. */
  readonly lease?: () => Promise<CoordinatorLease>;
  readonly more?: Partial<CoordinatorOptions>;
  readonly onEvent?: (e: FarmEvent) => void;
}

/** A coordinator over stub jobs; ended by its signal or with the run. */
export async function coordinate(
  f: StubFarm,
  truth: Pick<Truth, 'jobs' | 'of'>,
  signal: AbortSignal,
): Promise<{ end: Uint8Array; coordinator: Coordinator; acceptor: StubAcceptor }> {
  const lease = await (f.lease?.() ?? CoordinatorLease.take(f.store, 300, 50)),
    acceptor = new StubAcceptor(truth);
  try {
    const coordinator = await Coordinator.begin({
      store: f.store,
      dispatcher: f.engine,
      jobs: truth.jobs,
      farmKey: FARM_KEY,
      acceptor,
      inputs: noInputs,
      lease,
      stepOf: (j) => j.from,
      nameOf: (j) => `${j.kind} ${j.from} to ${j.to}`,
      memoryOf: (): MemoryClass => 's',
      workers: () => 4,
      poll: 50,
      ...(f.onEvent ? { onEvent: f.onEvent } : {}),
      ...f.more,
    });
    const r = await coordinator.run(signal);
    return { end: await f.store.get(r.object), coordinator, acceptor };
  } finally {
    await lease.release();
  }
}

/** A worker over stub jobs; returns when it is drained or suspended. */
export const stubWorker = (
  name: string,
  source: Source,
  store: Store,
  runner: Runner,
  drain: AbortSignal,
  o: { stop?: AbortSignal; times?: Times; classes?: readonly MemoryClass[] } = {},
): Promise<number> =>
  work({
    source,
    store,
    runner,
    worker: { name, classes: o.classes ?? MEMORY_CLASSES, kinds: JOB_KINDS },
    farmKey: FARM_KEY,
    drain,
    stop: o.stop ?? new AbortController().signal,
    ...(o.times ? { times: o.times } : {}),
  });

export const truthOf = (steps: number, perEpoch = 10, perSegment = 1): Truth => new Truth(jobsOf(stubPlan(steps, perEpoch, perSegment)));
