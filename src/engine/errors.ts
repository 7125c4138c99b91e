import { VerificationError } from '../transcript/arith.js';

/** Two results of one job that both hold and differ: proving is deterministic, so that one machine computes wrongly. */
export class DivergenceError extends VerificationError {
  constructor(
    readonly key: string,
    readonly objects: readonly string[],
    readonly workers: readonly string[],
  ) {
    super(
      'determinism',
      `job ${key.slice(0, 12)}: results of the workers ${workers.join(' and ')} both hold and differ (objects ${objects
        .map((x) => x.slice(0, 12))
        .join(', ')}, both kept): one of the machines computes wrongly`,
    );
    this.name = 'DivergenceError';
  }
}

/** What came of a job that did not end well. */
export interface Failure {
  /**
   * `typed`: the job can never succeed; `crash`: its process ended; `memory`: there was too little; `input`: an object
   * that it reads is gone or damaged; `returned`: nobody is to blame.
   */
  readonly kind: 'typed' | 'crash' | 'memory' | 'input' | 'returned';
  readonly code: string;
  readonly message: string;
  /** The process's last lines. */ readonly lines: readonly string[];
  /** Of `input`: the job whose result it is, or the step of the checkpoint. */ readonly of?: string;
}

/** Codes of failures that a worker is to blame for, and not its job: the run cannot be opened, nothing be written. */
export const SETUP = 'setup',
  DISK = 'disk-full';

/** A worker that cannot open the run: what it lacks is no fault of the jobs that it took. */
export class WorkerSetupError extends Error {
  constructor(
    readonly worker: string,
    readonly lines: readonly string[],
    why: string,
    /** SETUP or DISK. */ readonly code: string = SETUP,
  ) {
    super(`worker ${worker} cannot work: ${why}`);
    this.name = 'WorkerSetupError';
  }
}

/** Jobs that failed for good; the rest of the tree is done as far as it goes without them. */
export class PoisonError extends Error {
  constructor(
    readonly jobs: readonly { readonly key: string; readonly name: string; readonly worker: string; readonly failure: Failure }[],
  ) {
    super(
      `${jobs.length} job${jobs.length === 1 ? '' : 's'} failed for good: ${jobs
        .slice(0, 5)
        .map((j) => `${j.name} (${j.key.slice(0, 12)}, worker ${j.worker}): ${j.failure.message}`)
        .join('; ')} (everything else is kept; certune farm retry puts a job again)`,
    );
    this.name = 'PoisonError';
  }
}

/** An optional package that is not installed. */
export class MissingPackageError extends Error {
  constructor(
    readonly packages: readonly string[],
    what: string,
  ) {
    super(
      `${what} needs ${packages.join(' and ')}, which ${packages.length === 1 ? 'is' : 'are'} not installed: npm install ${packages.join(' ')}`,
    );
    this.name = 'MissingPackageError';
  }
}

/** A queue or a store that cannot be used as it is set up; says what to change. */
export class FarmSetupError extends Error {
  constructor(
    readonly service: string,
    readonly problems: readonly string[],
    readonly remedy: string,
  ) {
    super(`${service}: ${problems.join('; ')} (${remedy})`);
    this.name = 'FarmSetupError';
  }
}

/** The coordinator was told to end; what is done is in the store. */
export class DrainedError extends Error {
  constructor(why: string) {
    super(`${why}; everything is in the store: certune farm start goes on`);
    this.name = 'DrainedError';
  }
}

/** Another coordinator holds the farm. */
export class LeaseError extends Error {
  constructor(
    readonly store: string,
    readonly holder: { readonly pid: number; readonly host: string; readonly since: string },
  ) {
    super(
      `${store}: another coordinator (process ${holder.pid} on ${holder.host}, since ${holder.since}) holds this farm: end it, or wait a minute where it is gone`,
    );
    this.name = 'LeaseError';
  }
}
