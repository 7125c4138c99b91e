import type { Failure } from './errors.js';
import type { JobRecord, MemoryClass } from './jobs.js';
import type { Result } from './store.js';

/*
 * What carries jobs from a coordinator to workers and word of them back. It holds no truth: jobs may be lost, come
 * twice or late, and what a worker reports is checked by whoever hears it.
 */

/** A worker as it says of itself. */
export interface WorkerInfo {
  readonly name: string;
  /** Classes of the jobs that it takes, largest first. */ readonly classes: readonly MemoryClass[];
  readonly kinds: readonly JobRecord['kind'][];
}

/** A job that a worker holds until it is done, fails, or is not renewed in time. */
export interface Lease {
  readonly record: JobRecord;
}

/** What came of a job. */
export type Report = { readonly key: string; readonly generation: number; readonly worker: string } & (
  | { readonly result: Result }
  | { readonly failure: Failure }
);

/** What a coordinator needs of an engine. */
export interface Dispatcher {
  readonly name: string;
  put(jobs: readonly JobRecord[]): Promise<void>;
  /** Told of every job that ends, and of one whose worker is not heard of any more. */
  onReport(f: (r: Report) => void): void;
  /** Jobs that wait, and jobs that are held. */
  counts(): Promise<{ readonly waiting: number; readonly active: number }>;
  /** Of jobs that were put and not told of: those that the engine knows nothing of any more. */
  missing(jobs: readonly { readonly key: string; readonly generation: number }[]): Promise<string[]>;
  /** Takes a job that waits out of the queue; a job that is held goes on. */
  withdraw(keys: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** What a worker needs of an engine. */
export interface Source {
  readonly name: string;
  /** The next job; undefined where the signal came first, or after a while without any. */
  take(w: WorkerInfo, signal: AbortSignal): Promise<Lease | undefined>;
  /** False where the lease was lost: another worker may have the job by now. */
  renew(l: Lease): Promise<boolean>;
  done(l: Lease, r: Report): Promise<void>;
  fail(l: Lease, r: Report): Promise<void>;
  close(): Promise<void>;
}

/**
 * Milliseconds that a lease lasts without being renewed, and between two renewals. With the time between two looks for
 * leases that have ended, half a lease, a job whose worker was killed is another's within 45 s.
 */
export interface Times {
  readonly lock: number;
  readonly renew: number;
}
export const TIMES: Times = { lock: 30_000, renew: 10_000 };
