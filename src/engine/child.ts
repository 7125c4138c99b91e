import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Failure } from './errors.js';
import type { JobRecord } from './jobs.js';
import type { Result } from './store.js';
import type { Runner } from './work.js';

/*
 * A prover in a process of its own. It lives for many jobs, with kernels and circuits warm, and is ended when its job
 * is cancelled or its lock lost, after a number of jobs, and when it has grown beyond its class. What it does is told
 * to it by name: keys and ranges. Where files and store are it knows from its worker alone.
 */

/** What a child is opened with: from the worker's own command line, never from a job. */
export interface ChildSetup {
  /** Folder of the run: run.yaml, manifest, base and data as it names them. */ readonly run: string;
  /** Folder or address of the store, and its seal in hexadecimal digits, if it has one. */ readonly store: string;
  readonly seal?: string;
  readonly threads: number;
  readonly memory?: number;
  /** Steps of a segment. */ readonly perSegment: number;
}

export type ToChild = { readonly open: ChildSetup } | { readonly job: JobRecord };
export type FromChild =
  | { readonly ready: true }
  | { readonly phase: string }
  | { readonly done: Omit<Result, 'worker'>; readonly resident: number }
  | { readonly failed: Failure };

export interface ChildOptions {
  readonly setup: ChildSetup;
  /** Program of the child. */ readonly program?: string;
  /** JavaScript objects of the child, MiB. */ readonly heap?: number;
  /** Jobs after which a child is replaced. */ readonly jobs?: number;
  /** Bytes of memory at which a child is replaced. */ readonly resident?: number;
  readonly onPhase?: (text: string) => void;
}

/** So many lines of a child are kept for whoever asks what it died of. */
const LINES = 20;
const HEAP = 4096,
  JOBS = 256;

/** Runs jobs in a child, which is started when there is a job and started again when it has ended. */
export class Child implements Runner {
  #child: ChildProcess | undefined;
  #jobs = 0;
  #lines: string[] = [];
  #hear: (m: FromChild | { readonly exit: number | null; readonly signal: string | null }) => void = () => {};

  constructor(readonly o: ChildOptions) {}

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  #start(): ChildProcess {
    const program = this.o.program ?? fileURLToPath(new URL('./child-main.js', import.meta.url)),
      child = fork(program, [], {
        execArgv: [`--max-old-space-size=${this.o.heap ?? HEAP}`],
        // What proves has nothing to say to a queue.
        env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CERTUNE_REDIS_'))),
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
        serialization: 'json',
      });
    this.#jobs = 0;
    this.#lines = [];
    let rest = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const all = (rest + text).split('\n');
      rest = all.pop()!.slice(-2000);
      this.#lines.push(...all.map((l) => l.slice(0, 500)));
      this.#lines.splice(0, Math.max(0, this.#lines.length - LINES));
    });
    child.on('message', (m: FromChild) => {
      if (this.#child === child) this.#hear(m);
    });
    // `close` comes when its last lines were read too.
    child.on('close', (exit, signal) => {
      if (rest) this.#lines.push(rest);
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#hear({ exit, signal });
    });
    child.on('error', () => {});
    this.#child = child;
    this.#send({ open: this.o.setup });
    return child;
  }
  #send(m: ToChild): void {
    this.#child?.send(m, () => {});
  }

  /** Starts the child before there is a job: it opens the run and makes circuits in the meantime. */
  warm(): void {
    if (!this.#child) this.#start();
  }

  /** Ends the child at once. */
  kill(): void {
    const child = this.#child;
    this.#child = undefined;
    child?.kill('SIGKILL');
  }

  run(job: JobRecord, signal: AbortSignal): Promise<Omit<Result, 'worker'> | Failure> {
    return new Promise((resolve) => {
      const end = (x: Omit<Result, 'worker'> | Failure): void => {
        signal.removeEventListener('abort', stop);
        this.#hear = () => {};
        resolve(x);
      };
      const stop = (): void => {
        this.kill();
        end({ kind: 'returned', code: 'cancelled', message: 'was cancelled', lines: [] });
      };
      this.#hear = (m) => {
        if ('phase' in m) this.o.onPhase?.(m.phase);
        else if ('done' in m) {
          this.#jobs++;
          if (this.#jobs >= (this.o.jobs ?? JOBS) || m.resident > (this.o.resident ?? Number.POSITIVE_INFINITY)) this.kill();
          end(m.done);
        } else if ('failed' in m) {
          // What is left in memory after an error is nobody's business.
          if (m.failed.kind !== 'input') this.kill();
          end({ ...m.failed, lines: [...m.failed.lines, ...this.#lines] });
        } else if ('exit' in m) end(exited(m.exit, m.signal, this.#lines));
      };
      if (signal.aborted) return stop();
      signal.addEventListener('abort', stop, { once: true });
      if (!this.#child) this.#start();
      this.#send({ job });
    });
  }

  async close(): Promise<void> {
    this.kill();
  }
}

/** Why a child has ended in the middle of a job. */
function exited(exit: number | null, signal: string | null, lines: readonly string[]): Failure {
  const how = signal === null ? `exit code ${exit}` : signal,
    memory = exit === 6 || exit === 137 || (lines.some((l) => /heap out of memory|Allocation failed/.test(l)) && exit !== 0);
  return {
    kind: memory ? 'memory' : 'crash',
    code: memory ? 'out-of-memory' : signal === 'SIGKILL' ? 'killed' : 'exited',
    message: `its process ended in the middle: ${how}`,
    lines: [...lines],
  };
}
