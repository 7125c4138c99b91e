import type { Lease, Report, Source, Times, WorkerInfo } from './engine.js';
import { TIMES } from './engine.js';
import { DISK, type Failure, SETUP, WorkerSetupError } from './errors.js';
import { type JobRecord, readJob } from './jobs.js';
import type { Result, Store } from './store.js';

/** What does jobs: a process of its own, or a stand-in. */
export interface Runner {
  /** What came of a job. `signal`: nobody wants it any more, or not from here: what does it is ended. */
  run(job: JobRecord, signal: AbortSignal): Promise<Omit<Result, 'worker'> | Failure>;
  close(): Promise<void>;
}

export interface WorkOptions {
  readonly source: Source;
  readonly store: Store;
  readonly runner: Runner;
  readonly worker: WorkerInfo;
  readonly farmKey: Uint8Array;
  /** No further job is taken; the one at hand is finished. */ readonly drain: AbortSignal;
  /** The job at hand is given back too. */ readonly stop: AbortSignal;
  readonly times?: Times;
  readonly told?: (text: string) => void;
  /** Told how many jobs are done. */ readonly onJob?: (jobs: number) => void;
}

const isFailure = (x: Omit<Result, 'worker'> | Failure): x is Failure => 'kind' in x;
const GIVEN_BACK: Failure = { kind: 'returned', code: 'drained', message: 'was given back by a worker that stops', lines: [] };

/**
 * Takes jobs and has them done until it is told to drain, or is suspended. Returns the number of jobs that it did. A
 * job whose record is not under the farm's key is refused. Throws WorkerSetupError where the run cannot be opened here.
 */
export async function work(o: WorkOptions): Promise<number> {
  let did = 0;
  while (!o.drain.aborted && !o.stop.aborted) {
    if ((await o.store.record(`suspended/${o.worker.name}`)) !== undefined) {
      o.told?.('this worker is suspended: a result of it did not hold');
      break;
    }
    if ((await o.store.record('finished')) !== undefined) {
      o.told?.('the run has its end');
      break;
    }
    if ((await o.store.record('drain')) !== undefined) {
      o.told?.('the farm is being drained');
      break;
    }
    const lease = await o.source.take(o.worker, o.drain);
    if (!lease) continue;
    if (await one(o, lease)) o.onJob?.(++did);
  }
  return did;
}

/** Does one job; whether it ended with a result. */
async function one(o: WorkOptions, lease: Lease): Promise<boolean> {
  const { record } = lease,
    { source, store, worker } = o,
    as = { key: record.key, generation: record.generation, worker: worker.name },
    fail = async (failure: Failure): Promise<false> => {
      await source.fail(lease, { ...as, failure });
      return false;
    };
  const job = readJob(o.farmKey, record);
  if (!job) return fail({ kind: 'typed', code: 'unsigned', message: 'its record is not under the key of this farm', lines: [] });
  // Of a worker that was slow or lost, and has been overtaken: nobody waits for it.
  const there = await store.result(job.key);
  if (there) {
    await source.done(lease, { ...as, result: there });
    return false;
  }
  const lost = new AbortController(),
    signal = AbortSignal.any([lost.signal, o.stop]),
    timer = setInterval(
      () => {
        source.renew(lease).then(
          (held) => {
            if (!held) lost.abort();
          },
          // The queue cannot be reached: the lease may last longer than that.
          () => {},
        );
      },
      (o.times ?? TIMES).renew,
    );
  try {
    const r = await o.runner.run(job, signal);
    if (lost.signal.aborted) {
      o.told?.(`lost the lock of job ${job.key.slice(0, 12)}: its process was ended`);
      return false;
    }
    if (o.stop.aborted) return await fail(GIVEN_BACK);
    if (isFailure(r)) {
      await fail(r);
      // Every job would fail here like this one.
      if (r.code === SETUP || r.code === DISK) throw new WorkerSetupError(worker.name, r.lines, r.message, r.code);
      return false;
    }
    const result: Result = { ...r, worker: worker.name };
    await store.offer(job.key, result);
    const report: Report = { ...as, result };
    await source.done(lease, report);
    return true;
  } finally {
    clearInterval(timer);
  }
}
