import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { frozenOf, mergeRun, proveStep } from '../aggregate/chain.js';
import { dropProofs, orTorn, readProof, readState, sweep, writeProof } from '../aggregate/files.js';
import { difference } from '../aggregate/manifest.js';
import { PACK_NAME, readPack, writePack } from '../aggregate/pack.js';
import type { Estimate } from '../aggregate/estimate.js';
import type { StepProof } from '../aggregate/state.js';
import { InputError } from '../io/errors.js';
import { predict, requireDisk, requireMemory } from './estimate.js';
import { type Context, type ProverOptions, type Result, bytesText, committed, kernels, out, parseWorkers, secondsText } from './common.js';

export const packFile = (run: string): string => join(out(run), 'proof', PACK_NAME);

/**
 * Proves every step, checks all proofs, merges their claims on the base and packs everything into one file. Finished steps are found again
 * after an interruption; the result does not depend on where that was.
 */
export async function prove(run: string, o: ProverOptions, c: Context): Promise<Result> {
  const { s, digest } = committed(run),
    dir = out(run),
    file = packFile(run),
    steps = s.config.train.steps,
    t0 = performance.now();
  c.writes(dir);
  mkdirSync(join(dir, 'proof'), { recursive: true });
  sweep(dir);
  const again = (e: Error): void => c.progress.line(`${e.message}: this step is proved again`);
  if (existsSync(file)) {
    const p = readPack(file);
    if (difference(p.manifest, s.manifest).length)
      throw new InputError(
        file,
        ['is the proof of another manifest'],
        'delete the proof folder to start over, or restore run.yaml and the data',
      );
    dropProofs(dir);
    return { data: { steps, proved: 0, file }, text: `all ${steps} steps are proved already: ${file}` };
  }
  const proofs: StepProof[] = [];
  let made = 0,
    prediction: Estimate | undefined;
  requireMemory(s, o, parseWorkers(o.workers));
  const k = await kernels(o);
  try {
    // The frozen stack stands in memory for its digest and for the merge alone: a step needs the room.
    const m = k.mark(),
      frozen = frozenOf(k, s).digest;
    k.release(m);
    c.progress.start(0);
    for (let step = 0; step < steps; step++) {
      let p = orTorn(() => readProof(dir, digest, step), again);
      if (!p) {
        const entry = orTorn(() => readState(dir, digest, step, s.program.axes['P']));
        if (!entry)
          throw new InputError(join(dir, 'journal'), [`the state before step ${step} is missing or damaged`], 'run certune train');
        if (made === 0) {
          prediction = predict(k, s);
          requireDisk(dir, prediction.diskBytes - prediction.journalBytes, (step * prediction.proofBytes) / steps);
          c.progress.start(step, prediction.stepSeconds);
        }
        const done = fractions(prediction!, s.batches[step].micro.length + (s.update ? 1 : 0));
        p = proveStep(k, s, step, entry.state, frozen, (phase) => c.progress.update(`prove: ${phase}`, step + done(phase), steps)).proof;
        k.release(m);
        writeProof(dir, digest, p);
        made++;
      }
      proofs.push(p);
      c.progress.update('proved', step + 1, steps);
    }
    c.progress.start(0);
    const merge = mergeRun(k, s, proofs, frozenOf(k, s), (i) => c.progress.update('check and merge', i + 1, steps));
    const size = writePack(file, { manifest: s.manifest, run: { steps: proofs, merge } });
    dropProofs(dir);
    const seconds = (performance.now() - t0) / 1000;
    return {
      data: {
        steps,
        proved: made,
        file,
        bytes: size,
        seconds,
        peakBytes: k.peakBytes + k.far.peakBytes,
        residentBytes: 1024 * process.resourceUsage().maxRSS,
      },
      text: `proved ${made} of ${steps} steps${made < steps ? ` (${steps - made} found finished)` : ''} in ${secondsText(seconds)}: ${file}, ${bytesText(size)}; kernel memory peak ${bytesText(k.peakBytes + k.far.peakBytes)}`,
    };
  } finally {
    k.close();
  }
}

/** How much of a step is done when a phase begins, by the estimate's shares; a step has that many proofs of about one length. */
function fractions(e: Estimate, parts: number): (phase: string) => number {
  const { reading, keys, commit, logup, sumcheck, weights, open } = e.phases,
    shares = [
      ['keys', reading],
      ['commit', keys],
      ['logup', commit],
      ['sumcheck', logup],
      ['weights', sumcheck],
      ['frozen', weights],
      ['open', 0],
    ] as const,
    all = reading + keys + commit + logup + sumcheck + weights + open;
  let part = -1;
  return (phase) => {
    const name = phase.split(' ').pop();
    if (name === 'keys') part++;
    let before = 0;
    for (const [n, seconds] of shares) {
      before += seconds;
      if (n === name) return Math.min(0.999, (Math.max(0, part) + before / all) / parts);
    }
    return Math.max(0, part) / parts;
  };
}
