import { existsSync, statfsSync } from 'node:fs';
import { freemem } from 'node:os';
import { dirname } from 'node:path';
import { type Units, calibrate } from '../estimate/calibrate.js';
import { type FoldEstimate, estimateFold, foldSeconds } from '../estimate/fold.js';
import { type Estimate, deviceMemory, estimateRun, runMemory } from '../estimate/steps.js';
import { type RunSecret, type Setup, setup } from '../setup/run.js';
import { secretOf } from '../store/secret.js';
import type { Run } from '../run/facts.js';
import type { RecursionClass } from '../recursion/class.js';
import { circuitsOf } from '../recursion/circuits.js';
import { makeFolder } from '../io/atomic.js';
import { DiskFullError } from '../errors.js';
import type { Kernels } from '../kernels/runtime.js';
import { readRun } from '../setup/runfile.js';
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
  secondsText,
} from './common.js';
import { MemoryError } from './errors.js';
import { treesBytes } from '../tensor/state-trees.js';

/** Measures the machine for about a second and predicts the whole run. */
export const predict = (k: Kernels, s: Setup): Estimate => predicted(s, calibrate(k, s.config.proof.hash));

export const predicted = (s: Setup, units: Units): Estimate =>
  estimateRun(
    s.run.programs,
    {
      steps: s.config.train.steps,
      micros: s.inputs.data.batches.reduce((n, b) => n + b.micro.length, 0),
      parameters: s.run.programs.program.axes['P'],
    },
    units,
  );

/** What folding adds; its circuits are made for it. */
function foldingOf(k: Kernels, s: Setup, units: Units, limit: number): { fold: FoldEstimate; circuitSeconds: number } {
  const { cls, seconds } = circuitsOf(k, s.run);
  return { fold: estimateFold(s.run, cls, foldSeconds(cls, units), { limit, threads: k.threads }), circuitSeconds: seconds };
}

function foldText(x: { fold: FoldEstimate; circuitSeconds: number } | undefined, s: Setup): string[] {
  if (!x) return ['  fold   not possible: proof.hash is blake3, which no circuit verifies'];
  const { fold: f, circuitSeconds } = x,
    shapes = f.shapes
      .filter((l) => l.leaves)
      .map(
        (l) =>
          `${l.leaves} of ${l.count} ${s.run.programs.update ? `${l.kind} proof${l.count > 1 ? 's' : ''}` : l.count > 1 ? 'steps' : 'step'}`,
      );
  return [
    `  fold   ${secondsText(f.seconds + circuitSeconds)} more: ${f.leaves} leaves (${shapes.join(', ')}), ${f.folds} folds, the end; ${secondsText(f.each.leaf)} a leaf, ${secondsText(f.each.fold)} a fold, ${secondsText(f.each.end)} the end, circuits ${secondsText(circuitSeconds)}`,
    '         as many proofs share a leaf as makes the committed cells of all nodes fewest, within a quarter more than a fold needs by itself',
    `         memory ${bytesText(f.nodeMemory)} a node, ${bytesText(f.endMemory)} the end; proof ${bytesText(f.endBytes)} and the list of losses, whatever the number of steps; disk ${bytesText(f.diskBytes)}`,
    `         of the end, settling the base takes ${secondsText(f.each.settle)} and ${bytesText(f.settleMemory)}, linear in the base${f.fits ? '' : ': NOT ENOUGH MEMORY, use prove --no-fold'}`,
  ];
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
  makeFolder(dir);
  const free = freeDisk(dir);
  if (needed - have > free) throw new DiskFullError(dir, Math.ceil(needed - have), free);
}

/** Memory that the kernels may use: --memory, or what the machine, or its container, has free. */
export const memoryLimit = (o: ProverOptions): number =>
  o.memory ? parseMemory(o.memory) : ((process as { availableMemory?: () => number }).availableMemory?.() ?? freemem());

/**
 * Throws MemoryError, naming the number and the way out, when a step of the run would need more memory than there is.
 */
export function requireMemory(s: Setup, o: ProverOptions, threads: number): MemoryForecast {
  const limit = memoryLimit(o),
    m = runMemory(s.run.programs, limit, threads);
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

/**
 * Throws MemoryError where folding would need more memory than there is: known before the first step is proved, not at
 * the end of the run.
 */
export function requireFoldMemory(run: Run, c: RecursionClass, o: ProverOptions, threads: number): void {
  const limit = memoryLimit(o),
    f = estimateFold(run, c, { leaf: 0, fold: 0, end: 0, settle: 0 }, { limit, threads });
  if (!f.fits)
    throw new MemoryError(
      Math.ceil(f.memory),
      Math.floor(limit),
      `folding needs ${bytesText(f.memory)} of memory (${bytesText(f.nodeMemory)} a leaf or fold, ${bytesText(f.endMemory)} the end, ${bytesText(f.settleMemory)} to settle the base in it), ${bytesText(limit)} are ${o.memory ? 'allowed' : 'free'} and no stack may pass 4 GiB; prove --no-fold packs step proofs instead`,
    );
}

/**
 * Predicts seconds, memory, disk and proof size of training and proving a run. Needs base and data, commits to nothing.
 */
export async function estimate(run: string, o: ProverOptions): Promise<Result> {
  const config = readRun(run),
    none = [0n, 0n, 0n, 0n],
    // Before anything is committed to, any secret does: what is counted does not depend on it.
    secret: RunSecret = existsSync(manifestFile(run))
      ? secretOf(run, readManifest(run))
      : { salt: none, ...(config.sampler.mode === 'private' ? { key: { key: none, blind: none } } : {}) },
    t0 = performance.now(),
    s = setup(config, secret.salt, secret.key),
    setupSeconds = (performance.now() - t0) / 1000,
    k = await kernels(o);
  const limit = memoryLimit(o);
  let e: Estimate, folding: { fold: FoldEstimate; circuitSeconds: number } | undefined;
  try {
    const units = calibrate(k, s.config.proof.hash);
    e = predicted(s, units);
    folding = s.config.proof.hash === 'poseidon2' ? foldingOf(k, s, units, limit) : undefined;
  } finally {
    k.close();
  }
  const phases = Object.entries(e.phases).map(([n, v]: [string, number]) => `${n} ${secondsText(v)}`),
    train = e.trainSeconds + setupSeconds,
    prove = e.proveSeconds + setupSeconds;
  const memory = runMemory(s.run.programs, limit, k.threads),
    resident = process.memoryUsage().rss + memory.total + treesBytes(s.run.programs.plan),
    fits = memory.fits && memory.total <= limit,
    onDevice = s.config.proof.hash === 'poseidon2' ? deviceMemory(s.run.programs) : undefined;
  return {
    data: {
      threads: k.threads,
      memoryBytes: memory.total,
      residentBytes: resident,
      deviceBytes: onDevice ?? null,
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
      fold: folding ? { ...folding.fold, circuitSeconds: folding.circuitSeconds } : null,
    },
    text: [
      `with ${k.threads} thread${k.threads === 1 ? '' : 's'} on this machine:`,
      `  train  ${secondsText(train)} for ${s.config.train.steps} steps`,
      `  prove  ${secondsText(prove)}: ${phases.join(', ')}`,
      `  memory ${bytesText(memory.total)} for the kernels, about ${bytesText(resident)} for the process; ${bytesText(limit)} ${o.memory ? 'allowed' : 'free'}${fits ? '' : ': NOT ENOUGH, set a smaller train.microBatch'}`,
      onDevice === undefined
        ? '  device none: proof.hash is blake3, of which no device has kernels'
        : `  device ${bytesText(onDevice)} of its memory with --device auto or gpu, at least, for the proof of a step; seconds are not predicted`,
      `  proof  ${bytesText(e.proofBytes + e.headerBytes)} (${e.proofBytes} bytes of proof words, exactly, and a header) with --no-fold`,
      `  disk   ${bytesText(e.diskBytes)} while proving, of which journal ${bytesText(e.journalBytes)}; ${bytesText(freeDisk(out(run)))} free`,
      ...foldText(folding, s),
    ].join('\n'),
  };
}
