import { frozenOf, frozenWords } from '../run/commitments.js';
import { mergeRun, proveStep } from '../prove/step.js';
import type { Estimate } from '../estimate/steps.js';
import { dropProofs, orTorn, readProof, writeProof } from '../store/journal.js';
import { writePack } from '../store/proof.js';
import type { StepProof } from '../run/parts.js';
import { type Work, lossesOf, statesOf } from './course.js';
import { predict, requireDisk, requireMemory } from './estimate.js';
import { type Context, type ProverOptions, type Result, bytesText, kernels, parseWorkers, secondsText } from './common.js';
import { StateTrees } from '../tensor/state-trees.js';
import { parseDevice, useDevice } from './device.js';
import { plain } from '../io/escape.js';

/**
 * Proves every step, checks all proofs, merges their claims on the base and packs everything into one file. Finished
 * steps are found again after an interruption; the result does not depend on where that was.
 */
export async function provePack(w: Work, o: ProverOptions & { readonly device?: string }, c: Context): Promise<Result> {
  const { s, digest, dir, file } = w,
    { steps } = s.config.train,
    t0 = performance.now();
  const again = (e: Error): void => c.progress.line(`${e.message}: this step is proved again`);
  const proofs: StepProof[] = [];
  let made = 0,
    prediction: Estimate | undefined;
  requireMemory(s, o, parseWorkers(o.workers));
  const k = await kernels(o),
    used = await useDevice(k, parseDevice(o.device), s.config.proof.hash, c);
  try {
    // The stack stands in memory no longer than its digest takes.
    const frozen = frozenWords(s.run.programs, s.inputs.base).digest,
      trees = new StateTrees(),
      states = statesOf(k, w, c);
    c.progress.start(0);
    for (let step = 0; step < steps; step++) {
      let p = orTorn(() => readProof(dir, digest, step), again);
      if (!p) {
        const { state } = states.before(step);
        if (made === 0) {
          prediction = predict(k, s);
          requireDisk(dir, prediction.diskBytes - prediction.journalBytes, (step * prediction.proofBytes) / steps);
          c.progress.start(step, prediction.stepSeconds);
        }
        const done = fractions(prediction!, s.inputs.data.batches[step].micro.length + (s.run.programs.update ? 1 : 0));
        const phase = (name: string): void => c.progress.update(`prove: ${name}`, step + done(name), steps);
        const made1 = k.scope(() => proveStep(k, s.run, s.inputs, step, state, frozen, phase, trees));
        states.reached(step + 1, { state: made1.after, losses: lossesOf(made1.proof) });
        p = made1.proof;
        writeProof(dir, digest, p);
        made++;
      }
      proofs.push(p);
      c.progress.update('proved', step + 1, steps);
    }
    c.progress.start(0);
    const merge = mergeRun(k, s.run, s.inputs, proofs, frozenOf(k, s.run.programs, s.inputs.base), (i) =>
      c.progress.update('check and merge', i + 1, steps),
    );
    const size = writePack(file, { manifest: s.run.manifest, run: { steps: proofs, merge } });
    dropProofs(dir);
    const seconds = (performance.now() - t0) / 1000;
    return {
      data: {
        steps,
        proved: made,
        file,
        bytes: size,
        seconds,
        ...used.data(),
        peakBytes: k.peakBytes + k.far.peakBytes,
        residentBytes: 1024 * process.resourceUsage().maxRSS,
      },
      text: plain(
        `proved ${made} of ${steps} steps${made < steps ? ` (${steps - made} found finished)` : ''} in ${secondsText(seconds)}: ${file}, ${bytesText(size)}; kernel memory peak ${bytesText(k.peakBytes + k.far.peakBytes)}`,
      ),
    };
  } finally {
    await used.close();
    k.close();
  }
}

/**
 * How much of a step is done when a phase begins, by the estimate's shares; a step has that many proofs of about one
 * length.
 */
export function fractions(e: Estimate, parts: number): (phase: string) => number {
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
