import { describe, expect, it } from 'vitest';
import { type LlamaShape, TARGETS } from '../src/model/shape.js';
import { HyperparameterError } from '../src/optim/constants.js';
import { type BaseShape, committedPrograms } from '../src/run/programs.js';
import { FORMAT_LIMITS, type RunConfig, runSchema } from '../src/run/schema.js';

const bits = (n: number): Record<string, number> =>
  Object.fromEntries(
    ['E', 'gamma', 'head', ...TARGETS.map((t) => `W.${t}`), ...['q', 'k', 'v'].map((t) => `bias.${t}_proj`)].map((t) => [t, n]),
  );
const config = (o: object): RunConfig => runSchema.parse({ version: 1, base: { path: '' }, data: [{ path: '' }], ...o });

describe('shapes of released models', () => {
  /** From their config.json, one layer: hidden, intermediate, kvHeads, groups, headDim, vocab, tied, bias, rmsEps. */
  const MODELS: readonly [string, LlamaShape][] = (
    [
      ['SmolLM2-135M', 576, 1536, 3, 3, 64, 49152, true, false, 1e-5],
      ['SmolLM2-1.7B', 2048, 8192, 32, 1, 64, 49152, true, false, 1e-5],
      ['TinyLlama-1.1B', 2048, 5632, 4, 8, 64, 32000, false, false, 1e-5],
      ['Llama-3.2-1B', 2048, 8192, 8, 4, 64, 128256, true, false, 1e-5],
      ['Qwen2.5-0.5B', 896, 4864, 2, 7, 64, 151936, true, true, 1e-6],
      ['Qwen2.5-1.5B', 1536, 8960, 2, 6, 128, 151936, true, true, 1e-6],
      ['Llama-3.2-3B', 3072, 8192, 8, 3, 128, 128256, true, false, 1e-5],
    ] as const
  ).map(([name, hidden, intermediate, kvHeads, groups, headDim, vocab, tied, bias, rmsEps]) => [
    name,
    { layers: 1, hidden, intermediate, kvHeads, groups, headDim, vocab, tied, bias, rmsEps },
  ]);
  it.each(MODELS)('%s: the programs of a step build with the default formats, rank 16 on all projections', (_, shape) => {
    const base: BaseShape = { shape, weightBits: bits(20) },
      lora = { r: 16, alpha: 24 };
    for (const train of [
      { batch: 2, microBatch: 2, sequence: 128 },
      { batch: 8, microBatch: 1, sequence: 512 },
    ])
      expect(() => committedPrograms(config({ train, lora }), base)).not.toThrow();
  });
  it('a width that the residual does not allow names the key', () => {
    const shape: LlamaShape = { ...MODELS[0][1], hidden: 5120, groups: 40, kvHeads: 2 };
    expect(() => committedPrograms(config({}), { shape, weightBits: bits(20) })).toThrow(/^numbers\.xBits: .*25 in place of 26/);
  });
});

describe('settings without a program', () => {
  const shape: LlamaShape = {
      layers: 2,
      hidden: 64,
      intermediate: 172,
      kvHeads: 4,
      groups: 2,
      headDim: 8,
      vocab: 512,
      tied: true,
      bias: false,
      rmsEps: 1e-5,
    },
    base: BaseShape = { shape, weightBits: bits(21) };
  it('each is refused by a key of run.yaml, and the value named has a program', () => {
    let x = 99;
    const random = (n: number): number => {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      return Math.floor((x / 2 ** 32) * n);
    };
    let refused = 0,
      mended = 0;
    for (let k = 0; k < 60; k++) {
      const numbers: Record<string, number | string> = { preset: random(2) ? 'small' : 'default' };
      for (const [key, [lo, hi]] of Object.entries(FORMAT_LIMITS))
        if (key !== 'momentFrac' && random(2)) numbers[key] = lo + random(hi - lo + 1);
      const lora = { r: 1 + random(64), alpha: 1 + random(64) },
        settings = (n: object) => config({ numbers: n, lora, train: { sequence: 64 } });
      try {
        committedPrograms(settings(numbers), base);
      } catch (e) {
        refused++;
        expect(e).toBeInstanceOf(HyperparameterError);
        const { key, message } = e as HyperparameterError;
        expect(key).toMatch(/^(numbers|train|lora)(\.\w+)?$/);
        expect(message).not.toMatch(/component|wraps|\.rem|\.eq/);
        const named = /^numbers\.(\w+): .*: (\d+) in place of/.exec(message);
        if (!named) continue;
        mended++;
        expect(() => committedPrograms(settings({ ...numbers, [named[1]]: Number(named[2]) }), base), message).not.toThrow();
      }
    }
    expect(refused).toBeGreaterThan(10);
    expect(mended).toBeGreaterThan(5);
  });
  it('a table that ends before its function vanishes is refused before training', () => {
    expect(() => committedPrograms(config({ numbers: { expBits: 12 } }), base)).toThrow(/^numbers\.expBits: .*raise it to \d+$/);
  });
  it('more adapter parameters than one norm can be taken of name rank and targets', () => {
    const wide: BaseShape = {
      shape: { ...shape, layers: 100, hidden: 2048, intermediate: 8192, kvHeads: 8, groups: 4, headDim: 64 },
      weightBits: bits(20),
    };
    expect(() => committedPrograms(config({ lora: { r: 256 } }), wide)).toThrow(/lora\.r/);
  });
});
