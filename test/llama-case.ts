import { frozenIntegers, quantizeBase } from '../src/model/base.js';
import { axisSizes, initialMaster } from '../src/model/init.js';
import { llamaProgram } from '../src/model/llama.js';
import { type LlamaProgramOptions, type LlamaShape, TARGETS, frozenTensors } from '../src/model/shape.js';
import { type AdapterState, type Batch, batchInputs, initialState, stepInputs, targetCount } from '../src/model/step.js';
import { adamConstants } from '../src/optim/constants.js';
import type { Inputs } from '../src/tensor/integer.js';
import type { Program } from '../src/tensor/types.js';
import { TINY } from '../tools/shapes.js';
import { lcg } from './kit.js';

/** Coarse tables: quick to prove, every relation of a step as in a run. */
export const COARSE = {
  rangeBits: 12,
  xBits: 24,
  actBits: 20,
  actFrac: 12,
  gradFrac: 13,
  scoreFrac: 7,
  headFrac: 7,
  expBits: 12,
  siluBits: 12,
  siluFrac: 8,
  momentFrac: 60,
};
export { TINY };
export const BATCH: Batch = {
  tokens: [Int32Array.of(1, 3, 5, 2), Int32Array.of(1, 6, 4)],
  mask: [Uint8Array.of(0, 0, 1, 1), Uint8Array.of(0, 1, 1)],
};
export const ROW = {
  lr: 0n,
  alpha: (1n << 96n) / 500n,
  eps: (1n << 96n) / 400_000_000n,
  decay: (1n << 96n) / 10_000n,
  peak: { alpha: 1n << 90n, decay: 1n << 80n },
};

/** Weights of a model by program name: norms near one, the others uniform within `scale`. */
export function randomWeights(shape: LlamaShape, uniform: () => number, scale = 0.5): Map<string, Float64Array> {
  const sizes: Record<string, number> = { ...axisSizes(shape, 1), s: 2 * shape.layers + 1, vocab: shape.vocab };
  return new Map(
    frozenTensors(shape)
      .filter((t) => !t.name.startsWith('rope'))
      .map((t) => [
        t.name,
        Float64Array.from({ length: t.axes.reduce((n, a) => n * sizes[a], 1) }, () =>
          t.name === 'gamma' ? 1 + 0.1 * uniform() : scale * uniform(),
        ),
      ]),
  );
}

/** A whole training step of a tiny model, its adapter and moments anything but zero. */
export function stepCase(
  o: { batch?: Batch; row?: typeof ROW; state?: (s: AdapterState) => AdapterState; clip?: number; sequence?: number; bands?: boolean } = {},
): {
  program: Program;
  inputs: Inputs;
} {
  const shape = TINY,
    rnd = lcg(77),
    uniform = (): number => rnd(2 ** 30) / 2 ** 29 - 1,
    clip = o.clip ?? 0.5,
    sequence = o.sequence ?? 4,
    r = 2;
  const weights = randomWeights(shape, uniform);
  const { ints, bits } = quantizeBase(weights);
  const options: LlamaProgramOptions = {
    shape,
    numbers: COARSE,
    weightBits: bits,
    batch: 2,
    sequence,
    lora: { r, targets: [...TARGETS], scaling: 2 },
    adam: adamConstants([0.9, 0.95], clip),
    kind: 'step',
    ...(o.bands === undefined ? {} : { bands: o.bands }),
  };
  const program = llamaProgram(options),
    master = initialMaster(shape, r, options.lora.targets, 3);
  for (const [n, v] of master)
    if (n.endsWith('.B'))
      v.forEach((_, i) => {
        v[i] = BigInt(Math.round(uniform() * 2 ** 27));
      });
  const first = initialState(program, master),
    state: AdapterState = {
      ...first,
      mm: first.mm.map(() => BigInt(Math.round(uniform() * 2 ** 24))),
      vv: first.vv.map(() => BigInt(Math.round(2 ** 40 * (1 + uniform())))),
    };
  const batch = o.batch ?? BATCH;
  const inputs = stepInputs(
    program,
    frozenIntegers(shape, ints, { theta: 10000, scaling: { type: 'none' } }, sequence),
    o.state ? o.state(state) : state,
    batchInputs(batch, 2, sequence),
    o.row ?? ROW,
    targetCount(batch, sequence),
    clip,
    1,
  );
  return { program, inputs };
}
