import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { frozenOf, mergeRun, proveStep } from '../aggregate/chain.js';
import { dropProofs, orTorn, readProof, readState, sweep, writeProof } from '../aggregate/files.js';
import { difference } from '../aggregate/manifest.js';
import { PACK_NAME, readPack, writePack } from '../aggregate/pack.js';
import type { StepProof } from '../aggregate/state.js';
import { InputError } from '../io/errors.js';
import { predict, requireDisk } from './estimate.js';
import { type Context, type ProverOptions, type Result, bytesText, committed, kernels, out, secondsText } from './common.js';

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
  let made = 0;
  const k = await kernels(o);
  try {
    const fz = frozenOf(k, s),
      m = k.mark();
    c.progress.start(0);
    for (let step = 0; step < steps; step++) {
      let p = orTorn(() => readProof(dir, digest, step), again);
      if (!p) {
        const entry = orTorn(() => readState(dir, digest, step, s.program.axes['P']));
        if (!entry)
          throw new InputError(join(dir, 'journal'), [`the state before step ${step} is missing or damaged`], 'run certune train');
        if (made === 0) {
          const e = predict(k, s);
          requireDisk(dir, e.diskBytes - e.journalBytes, (step * e.proofBytes) / steps);
          c.progress.start(step, e.stepSeconds);
        }
        p = proveStep(k, s, step, entry.state, fz.digest, proofs[step - 1]?.parts.at(-1)?.roots, (phase) =>
          c.progress.update(`prove: ${phase}`, step, steps),
        ).proof;
        k.release(m);
        writeProof(dir, digest, p);
        made++;
      }
      proofs.push(p);
      c.progress.update('proved', step + 1, steps);
    }
    c.progress.start(0);
    const merge = mergeRun(k, s, proofs, fz, (i) => c.progress.update('check and merge', i + 1, steps));
    const size = writePack(file, { manifest: s.manifest, run: { steps: proofs, merge } });
    dropProofs(dir);
    const seconds = (performance.now() - t0) / 1000;
    return {
      data: { steps, proved: made, file, bytes: size, seconds, peakBytes: k.peakBytes },
      text: `proved ${made} of ${steps} steps${made < steps ? ` (${steps - made} found finished)` : ''} in ${secondsText(seconds)}: ${file}, ${bytesText(size)}; kernel memory peak ${bytesText(k.peakBytes)}`,
    };
  } finally {
    k.close();
  }
}
