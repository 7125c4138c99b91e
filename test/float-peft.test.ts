import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Kernels, singleKernels } from '../src/kernels/index.js';
import { llamaProgram } from '../src/model/llama.js';
import { DEFAULT_NUMBERS } from '../src/model/shape.js';
import { batchInputs, targetCount } from '../src/model/step.js';
import { adamConstants } from '../src/optim/constants.js';
import { type AdamFloatState, adamFloatState, adamFloatStep } from '../src/optim/reference.js';
import { FloatReading } from '../src/tensor/float.js';
import {
  RUNS,
  STORIES,
  freeBits,
  merged,
  microBatches,
  peftRuns,
  readAdapter,
  readRun,
  realFrozen,
  storiesBase,
  storiesWeights,
} from './stories.js';

/**
 * Largest entry of a difference over the largest entry of what is wanted, and the same in Euclidean norms: the larger
 * of the two.
 */
function distance(got: Float64Array, want: Float64Array): number {
  let top = 0,
    size = 0,
    sum = 0,
    norm = 0;
  for (let k = 0; k < want.length; k++) {
    const d = Math.abs(got[k] - want[k]);
    top = Math.max(top, d);
    size = Math.max(size, Math.abs(want[k]));
    sum += d * d;
    norm += want[k] ** 2;
  }
  return Math.max(top / (size || 1), Math.sqrt(sum / (norm || 1)));
}

describe.skipIf(!storiesBase || !peftRuns)(
  'float reading against PyTorch and PEFT (fixtures data/stories260k, vectors/lora-adamw-peft)',
  () => {
    let k: Kernels;
    // One thread: fast enough, and steady beside other test files.
    beforeAll(() => {
      k = singleKernels();
    });
    afterAll(() => k.close());

    it.each(RUNS)('%s: losses, norms, gradients and adapters of all steps within 1e-9', (name, snapshots) => {
      const run = readRun(name),
        weights = storiesWeights(),
        m = k.mark(),
        sequence = run.batches[0].tokens[0].length,
        batch = run.batches[0].tokens.length / run.microBatches;
      // The micro program serves runs with one micro-batch too: its accumulator starts at zero.
      const program = llamaProgram({
        shape: STORIES,
        numbers: DEFAULT_NUMBERS,
        weightBits: freeBits(weights),
        batch,
        sequence,
        lora: { r: run.rank, targets: run.targets, scaling: run.alpha / run.rank },
        adam: adamConstants(run.betas, run.clip),
        kind: 'micro',
      });
      const P = program.axes['P'],
        start = new Map([...readAdapter(name, 'adapter_step0', run.targets)].map(([n, v]) => [`C.${n}`, v]));
      const reading = new FloatReading(
        k,
        program,
        merged(
          realFrozen(STORIES, weights, sequence),
          start,
          batchInputs(microBatches(run, 0)[0], batch, sequence),
          new Map([['acc', new Float64Array(P)]]),
        ),
      );
      let state: AdamFloatState | undefined;
      const worst = { loss: 0, norm: 0, factor: 0, gradient: 0, adapter: 0 };
      run.steps.forEach((want, s) => {
        const micros = microBatches(run, s),
          count = micros.reduce((n, b) => n + targetCount(b, sequence), 0);
        expect(count).toBe(want.targets);
        let loss = 0;
        const sums = new Map<string, Float64Array>();
        if (state) reading.setInput('C', state.theta);
        reading.setInput('acc', new Float64Array(P));
        micros.forEach((b, i) => {
          if (i) reading.setInput('acc', reading.read('acc2'));
          for (const [n, v] of batchInputs(b, batch, sequence)) reading.setInput(n, v);
          reading.run();
          loss += reading.read('loss')[0] / count;
          for (const n of start.keys()) {
            const g = reading.read(n.replace('C.', 'g.')),
              old = sums.get(n);
            sums.set(n, old ? g.map((x, j) => x + old[j]) : g);
          }
        });
        state ??= adamFloatState(reading.read('C'));
        if (s < 2)
          for (const [n, g] of readAdapter(name, `gradient_step${s}`, run.targets)) {
            const d = distance(
              sums.get(`C.${n}`)!.map((x) => x / count),
              g,
            );
            expect(d, `gradient of ${n}, step ${s}`).toBeLessThan(1e-9);
            worst.gradient = Math.max(worst.gradient, d);
          }
        const norm = adamFloatStep(state, reading.read('acc2'), {
          lr: want.learningRate,
          betas: run.betas,
          epsilon: run.epsilon,
          weightDecay: run.weightDecay,
          clip: run.clip,
          count,
        });
        worst.loss = Math.max(worst.loss, Math.abs(loss / want.loss - 1));
        worst.norm = Math.max(worst.norm, Math.abs(norm / want.gradNorm - 1));
        worst.factor = Math.max(worst.factor, Math.abs(Math.min(1, run.clip / norm) / want.clipFactor - 1));
        expect(worst.loss, `loss of step ${s}`).toBeLessThan(1e-9);
        expect(worst.norm, `gradient norm of step ${s}`).toBeLessThan(1e-9);
        expect(worst.factor, `clip factor of step ${s}`).toBeLessThan(1e-9);
        if (!(snapshots as readonly number[]).includes(s + 1)) return;
        reading.setInput('C', state.theta);
        for (const [n, v] of readAdapter(name, `adapter_step${s + 1}`, run.targets)) {
          const d = distance(reading.read(`C.${n}`), v);
          expect(d, `${n} after step ${s + 1}`).toBeLessThan(1e-9);
          worst.adapter = Math.max(worst.adapter, d);
        }
      });
      console.log(name, 'largest relative differences', worst);
      k.release(m);
    });
  },
);
