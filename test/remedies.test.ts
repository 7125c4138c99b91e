import { describe, expect, it } from 'vitest';
import { singleKernels } from '../src/kernels/index.js';
import { frozenIntegers } from '../src/model/base.js';
import { initialMaster } from '../src/model/init.js';
import { llamaProgram } from '../src/model/llama.js';
import { type LlamaShape, type Numbers, DEFAULT_NUMBERS, TARGETS, frozenTensors } from '../src/model/shape.js';
import { explained, remedyOf } from '../src/model/remedies.js';
import { batchInputs, initialState, stepInputs } from '../src/model/step.js';
import { adamConstants } from '../src/optim/constants.js';
import { runSchema } from '../src/run/schema.js';
import { scheduleRows } from '../src/run/schedule.js';
import { IntegerReading, OverflowError } from '../src/tensor/integer.js';

const shape: LlamaShape = {
  layers: 2,
  hidden: 12,
  intermediate: 7,
  kvHeads: 3,
  groups: 1,
  headDim: 4,
  vocab: 13,
  tied: true,
  bias: false,
  rmsEps: 1e-5,
};
const small: Numbers = { ...DEFAULT_NUMBERS, expBits: 18, siluBits: 18 };
const program = (numbers: Numbers, gain = 8) =>
  llamaProgram({
    shape,
    numbers,
    weightBits: Object.fromEntries(frozenTensors(shape).map((t) => [t.name, 17 + gain])),
    batch: 1,
    sequence: 4,
    lora: { r: 2, targets: TARGETS, scaling: 2 },
    adam: adamConstants([0.9, 0.95], 1),
    kind: 'step',
  });

/** One step whose norm gains are all `gain`. */
function run(numbers: Numbers, gain: number): void {
  const p = program(numbers),
    k = singleKernels();
  let x = 7;
  const uniform = (): number => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return (x / 2 ** 32) * 2 - 1;
  };
  const ints = new Map(
    frozenTensors(shape).map((t) => [
      t.name,
      BigInt64Array.from({ length: t.axes.reduce((n, a) => n * p.axes[a], 1) }, () =>
        BigInt(Math.round((t.name === 'gamma' ? gain : uniform() * 0.05) * 2 ** t.frac)),
      ),
    ]),
  );
  const [row] = scheduleRows({
    steps: 1,
    learningRate: 1e-3,
    schedule: 'constant',
    warmup: 0,
    betas: [0.9, 0.95],
    epsilon: 1e-8,
    weightDecay: 0,
  });
  const inputs = stepInputs(
    p,
    frozenIntegers(shape, ints, { theta: 10000, scaling: { type: 'none' } }, 4),
    initialState(p, initialMaster(shape, 2, TARGETS, 1)),
    batchInputs({ tokens: [Int32Array.of(1, 5, 7, 2)], mask: [Uint8Array.of(0, 1, 1, 1)] }, 1, 4),
    row,
    3,
    1,
    0,
  );
  try {
    new IntegerReading(k, p, inputs).run();
  } catch (e) {
    throw explained(e, 4);
  } finally {
    k.close();
  }
}

describe('what helps when a format is left', () => {
  it('every tensor and every lookup of the step has a remedy of its own', () => {
    const p = program(small),
      other = remedyOf('no such tensor');
    for (const t of p.tensors) if (t.cls === 'witness' && !t.name.includes('.limb')) expect(remedyOf(t.name), t.name).not.toBe(other);
    for (const c of p.constraints) if (c.kind !== 'zero' && !c.name.endsWith('.limb1')) expect(remedyOf(c.name), c.name).not.toBe(other);
  });

  it('the keys that remedies name are keys of run.yaml', () => {
    const keys = new Map(
      Object.entries(
        runSchema.parse({ version: 1, base: { path: '' }, data: [{ path: '' }] }) as unknown as Record<string, Record<string, unknown>>,
      ).map(([n, v]) => [n, v]),
    );
    for (const t of program(small).tensors.filter((x) => x.cls === 'witness'))
      for (const [, section, key] of remedyOf(t.name).matchAll(/(train|numbers|lora)\.(?!md)(\w+)/g))
        expect(keys.get(section), `${section}.${key}`).toHaveProperty(key);
  });

  it('an outlier names tensor, layer, step, value and a remedy that works', () => {
    expect(() => run(small, 1)).not.toThrow();
    const message = (): string => {
      try {
        run(small, 80);
      } catch (e) {
        expect(e).toBeInstanceOf(OverflowError);
        return (e as Error).message;
      }
      return '';
    };
    expect(message()).toMatch(
      /^step 4: N \(N\.even\) in layer 0 at \{.*\}: -?\d+ \(-?[\d.]+\) is outside \[-524288, 524287\] \(128\); .*numbers\.actFrac by at least 1/,
    );
    expect(() => run({ ...small, actFrac: 10, scoreFrac: 8, headFrac: 12 }, 80)).not.toThrow();
  });
});
