import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Kernels } from '../src/kernels/index.js';
import { collectWeights, frozenIntegers, quantizeBase } from '../src/model/base.js';
import { DEFAULT_NUMBERS, type LlamaShape, type Target, llamaProgram } from '../src/model/llama.js';
import { batchInputs, initialState, stepInputs, targetCount } from '../src/model/step.js';
import { adamConstants } from '../src/optim/constants.js';
import { FloatReading } from '../src/tensor/float.js';
import { IntegerReading as Planned } from '../src/tensor/integer-reading.js';
import { IntegerReading } from '../src/tensor/integer.js';
import { fixture } from './fixtures.js';
import { readTensors } from './peft-vectors.js';

const base = fixture('data/stories260k/hf/model.safetensors'),
  dir = fixture('vectors/lora-adamw-peft/all-rank8');
const SHAPE: LlamaShape = {
  layers: 5,
  hidden: 64,
  intermediate: 172,
  kvHeads: 4,
  groups: 2,
  headDim: 8,
  vocab: 512,
  tied: true,
  bias: false,
  rmsEps: 1e-5,
};

/** A step program of the fixture run from its adapter after one step, on its first batch. */
function fixtureStep() {
  const run = JSON.parse(readFileSync(`${dir!}/run.json`, 'utf8')),
    tensors = readTensors(base!),
    targets = run.targets as Target[];
  const { ints, bits } = quantizeBase(collectWeights(SHAPE, (n) => tensors.get(n)!.data)),
    B = run.batches[0].tokens.length,
    S = run.batches[0].tokens[0].length;
  const program = llamaProgram({
    shape: SHAPE,
    numbers: DEFAULT_NUMBERS,
    weightBits: bits,
    batch: B,
    sequence: S,
    lora: { r: run.rank, targets, scaling: run.alpha / run.rank },
    adam: adamConstants(run.betas, run.clip ?? 0),
    kind: 'step',
  });
  const adapter = readTensors(`${dir!}/adapter_step1.safetensors`),
    start = new Map<string, BigInt64Array>();
  const module = (t: Target): string => (['gate_proj', 'up_proj', 'down_proj'].includes(t) ? 'mlp' : 'self_attn');
  for (const t of targets)
    for (const ab of ['A', 'B'])
      start.set(
        `${t}.${ab}`,
        BigInt64Array.from(
          [...Array(SHAPE.layers).keys()].flatMap((l) => [
            ...adapter.get(`base_model.model.model.layers.${l}.${module(t)}.${t}.lora_${ab}.weight`)!.data,
          ]),
          (x) => BigInt(Math.round(x * 2 ** 30)),
        ),
      );
  const batch = {
    tokens: run.batches[0].tokens.map((t: number[]) => Int32Array.from(t)),
    mask: run.batches[0].mask.map((t: number[]) => Uint8Array.from(t)),
  };
  const fx = (x: number): bigint => BigInt(Math.round(x * 2 ** 52)) << 44n,
    lr = 1e-3,
    c = Math.sqrt(1 - run.betas[1]);
  const row = { lr: fx(lr), alpha: fx((lr * c) / (1 - run.betas[0])), eps: fx(run.epsilon * c), decay: fx(lr * run.weightDecay) };
  return {
    program,
    inputs: stepInputs(
      program,
      frozenIntegers(SHAPE, ints, { theta: 10000, scaling: { type: 'none' } }, S),
      initialState(program, start),
      batchInputs(batch, B, S),
      row,
      targetCount(batch, S),
      run.clip ?? 0,
      0,
    ),
  };
}

describe.skipIf(!base || !dir)('readings of one step agree (fixtures data/stories260k, vectors/lora-adamw-peft)', () => {
  let k: Kernels;
  beforeAll(async () => {
    k = await Kernels.create({ threads: 2 });
  });
  afterAll(() => k.close());
  it('both integer readings give the same cells and keys; the float reading the same directions', () => {
    const { program, inputs } = fixtureStep(),
      a = new IntegerReading(k, program, inputs),
      b = new Planned(k, program, inputs),
      f = new FloatReading(k, program, inputs);
    a.run();
    b.run();
    f.run();
    const bytes = (x: BigInt64Array): Buffer => Buffer.from(x.buffer, x.byteOffset, x.byteLength);
    for (const t of program.tensors)
      if (t.publicKind !== 'onehot') expect(bytes(a.read(t.name)).equals(bytes(b.read(t.name))), t.name).toBe(true);
    expect(b.violated()).toBeUndefined();
    for (const c of program.constraints) {
      if (c.kind === 'zero') continue;
      const m = k.mark(),
        x = a.keys(c),
        y = b.keys(c);
      expect(Buffer.from(k.u8.slice(x.ptr, x.ptr + 4 * x.n)).equals(Buffer.from(k.u8.slice(y.ptr, y.ptr + 4 * y.n))), c.name).toBe(true);
      k.release(m);
    }
    for (const name of ['X', 'q', 'p1', 'ctx', 'h', 'logits', 'G', 'g', 'mm2', 'quo', 'master2', 'C2']) {
      const u = b.read(name),
        v = f.read(name);
      let uv = 0,
        uu = 0,
        vv = 0;
      u.forEach((x, i) => {
        const y = Number(x);
        uv += y * v[i];
        uu += y * y;
        vv += v[i] ** 2;
      });
      expect(uv / Math.sqrt(uu * vv), name).toBeGreaterThan(0.9995);
    }
  });
});
