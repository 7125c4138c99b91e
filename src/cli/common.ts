import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Manifest } from '../run/manifest.js';
import type { CardContext } from '../provenance/cards/evaluate.js';
import type { Kernels } from '../kernels/runtime.js';
import { UsageError } from './errors.js';
import { findManifest } from './kept.js';
import type { Progress } from './progress.js';

export { plain } from '../io/escape.js';
export { bitsText, bytesText, secondsText } from '../verify/figures.js';
export { manifestFile, out } from './kept.js';

/** What a command gives back: `data` for --json, `text` for people. */
export interface Result {
  readonly data: Record<string, unknown>;
  readonly text: string;
}

export interface Context {
  readonly progress: Progress;
  /** Told once where the command writes, so that an interruption can clear what is unfinished. */
  readonly writes: (dir: string) => void;
  /**
   * Has a function called at the first SIGTERM or SIGINT, in place of ending the command: it finishes what it does.
   * `stop`, if there is one, is called at the second: it gives up what it does and ends in seconds. The next one ends
   * it at once.
   */
  readonly drains?: (f: () => void, stop?: () => void) => void;
  /**
   * What cards are judged with at a time (milliseconds since 1970). Absent, as it is in every command: the vendors'
   * roots. A program that calls these functions may have others; no file and no option leads here.
   */
  readonly cards?: (now: number) => CardContext;
}

export interface ProverOptions {
  readonly workers?: string;
  readonly memory?: string;
}

/** Version of the package. */
export const version = (): string =>
  (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;

/** Bytes from "8GiB", "512MiB" or a plain number of GiB. */
export function parseMemory(text: string): number {
  const m = /^(\d+(?:\.\d+)?)\s*(GiB|MiB|GB|MB)?$/.exec(text),
    bytes = m ? Number(m[1]) * ({ GiB: 2 ** 30, MiB: 2 ** 20, GB: 1e9, MB: 1e6 }[m[2] ?? 'GiB'] ?? 1) : 0;
  if (!(bytes > 0)) throw new UsageError(`--memory: cannot read "${text}", write for example 8GiB or 512MiB`);
  return bytes;
}

/** Threads to use: --workers, else all cores up to 16. */
export function parseWorkers(text?: string): number {
  if (text === undefined) return Math.max(1, Math.min(16, availableParallelism()));
  if (!/^\d{1,3}$/.test(text) || Number(text) < 1) throw new UsageError(`--workers: "${text}" is not a number of threads`);
  return Number(text);
}

export async function kernels(o: ProverOptions): Promise<Kernels> {
  const options = { threads: parseWorkers(o.workers), ...(o.memory ? { maxBytes: parseMemory(o.memory) } : {}) },
    // Loaded by those commands that prove.
    { threadedKernels } = await import('../kernels/threads.js');
  return threadedKernels(options);
}

/** The manifest of a run, wherever it is found. Throws InputError, VersionError. */
export const readManifest = (run: string): Manifest => findManifest(run).manifest;
