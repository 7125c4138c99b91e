import { existsSync, mkdirSync, statfsSync } from 'node:fs';
import { freemem } from 'node:os';
import { dirname } from 'node:path';
import { calibrate } from '../aggregate/calibrate.js';
import { type Estimate, estimateRun, runMemory } from '../aggregate/estimate.js';
import type { Setup } from '../aggregate/setup.js';
import { setup } from '../aggregate/setup.js';
import { DiskFullError } from '../io/errors.js';
import type { Kernels } from '../kernels/runtime.js';
import { readRun } from '../policy/runfile.js';
import type { MemoryForecast } from '../tensor/memory.js';
import {
  type ProverOptions,
  type Result,
  bytesText,
  kernels,
  manifestFile,
  out,
  parseMemory,
  readManifest,
  saltOf,
  secondsText,
} from './common.js';
import { MemoryError } from './errors.js';

/** Measures the machine for about a second and predicts the whole run. */
export function predict(k: Kernels, s: Setup): Estimate {
  return estimateRun(
    s,
    { steps: s.config.train.steps, micros: s.batches.reduce((n, b) => n + b.micro.length, 0), parameters: s.program.axes['P'] },
    calibrate(k, s.config.proof.hash),
  );
}

/** Bytes free where a path is or will be. */
export function freeDisk(path: string): number {
  let at = path;
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  const f = statfsSync(at);
  return f.bavail * f.bsize;
}

/** Throws DiskFullError when a run's files will not fit; `have` bytes are written already. */
export function requireDisk(dir: string, needed: number, have = 0): void {
  mkdirSync(dir, { recursive: true });
  const free = freeDisk(dir);
  if (needed - have > free) throw new DiskFullError(dir, Math.ceil(needed - have), free);
}

/** Memory that the kernels may use: --memory, or what the machine, or its container, has free. */
export const memoryLimit = (o: ProverOptions): number =>
  o.memory ? parseMemory(o.memory) : ((process as { availableMemory?: () => number }).availableMemory?.() ?? freemem());

/** Throws MemoryError, naming the number and the way out, when a step of the run would need more memory than there is. */
export function requireMemory(s: Setup, o: ProverOptions, threads: number): MemoryForecast {
  const limit = memoryLimit(o),
    m = runMemory(s, limit, threads);
  if (m.total > limit || !m.fits) {
    const { batch, microBatch } = s.config.train,
      least = Math.min(batch, microBatch);
    throw new MemoryError(
      Math.ceil(m.total),
      Math.floor(limit),
      `proving a step needs ${bytesText(m.total)} of memory, ${o.memory ? `--memory allows ${bytesText(limit)}` : `${bytesText(limit)} are free`}: ${o.memory ? 'raise --memory' : 'free some'}${least > 1 ? `, or set train.microBatch below ${least}` : ', or shorten train.sequence'} and commit again`,
    );
  }
  return m;
}

/** Predicts seconds, memory, disk and proof size of training and proving a run. Needs base and data, commits to nothing. */
export async function estimate(run: string, o: ProverOptions): Promise<Result> {
  const salt = existsSync(manifestFile(run)) ? saltOf(readManifest(run)) : [0n, 0n, 0n, 0n],
    t0 = performance.now(),
    s = setup(readRun(run), salt),
    setupSeconds = (performance.now() - t0) / 1000,
    k = await kernels(o);
  let e: Estimate;
  try {
    e = predict(k, s);
  } finally {
    k.close();
  }
  const phases = Object.entries(e.phases).map(([n, v]: [string, number]) => `${n} ${secondsText(v)}`),
    train = e.trainSeconds + setupSeconds,
    prove = e.proveSeconds + setupSeconds;
  const limit = memoryLimit(o),
    memory = runMemory(s, limit, k.threads),
    resident = process.memoryUsage().rss + memory.total,
    fits = memory.fits && memory.total <= limit;
  return {
    data: {
      threads: k.threads,
      memoryBytes: memory.total,
      residentBytes: resident,
      availableBytes: limit,
      fits,
      trainSeconds: train,
      proveSeconds: prove,
      phases: e.phases,
      proofBytes: e.proofBytes,
      fileBytes: e.proofBytes + e.headerBytes,
      journalBytes: e.journalBytes,
      diskBytes: e.diskBytes,
      freeDisk: freeDisk(out(run)),
    },
    text: [
      `with ${k.threads} thread${k.threads === 1 ? '' : 's'} on this machine:`,
      `  train  ${secondsText(train)} for ${s.config.train.steps} steps`,
      `  prove  ${secondsText(prove)}: ${phases.join(', ')}`,
      `  memory ${bytesText(memory.total)} for the kernels, about ${bytesText(resident)} for the process; ${bytesText(limit)} ${o.memory ? 'allowed' : 'free'}${fits ? '' : ': NOT ENOUGH, set a smaller train.microBatch'}`,
      `  proof  ${bytesText(e.proofBytes + e.headerBytes)} (${e.proofBytes} bytes of proof words, exactly, and a header)`,
      `  disk   ${bytesText(e.diskBytes)} while proving, of which journal ${bytesText(e.journalBytes)}; ${bytesText(freeDisk(out(run)))} free`,
    ].join('\n'),
  };
}
