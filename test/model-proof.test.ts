import { describe, expect, it } from 'vitest';
import { singleKernels } from '../src/kernels/index.js';
import { frozenIntegers, quantizeBase, type Rope } from '../src/model/base.js';
import { initialMaster } from '../src/model/init.js';
import { llamaProgram } from '../src/model/llama.js';
import { type LlamaProgramOptions, type LlamaShape, TARGETS } from '../src/model/shape.js';
import { batchInputs, initialState, stepInputs, targetCount } from '../src/model/step.js';
import { adamConstants } from '../src/optim/constants.js';
import { type DetachedClaim, settleFrozen } from '../src/tensor/deferred.js';
import { IntegerReading } from '../src/tensor/integer.js';
import { makePlan } from '../src/tensor/plan.js';
import { proveProgram } from '../src/tensor/prove.js';
import { fillWords } from '../src/tensor/stack.js';
import { frozenStack } from '../src/tensor/state-commit.js';
import { frozenDigest } from '../src/tensor/statement.js';
import { verifyProgram } from '../src/tensor/verify.js';
import { NativeChannel } from '../src/transcript/index.js';
import { COARSE, randomWeights } from './llama-case.js';

const k = singleKernels(),
  vk = singleKernels();
const weak = { bits: 24, grinding: 2, rate: 2, stateRate: 3 };
const plain: LlamaShape = {
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

function proveOne(
  shape: LlamaShape,
  kind: LlamaProgramOptions['kind'],
  o: {
    r?: number;
    scaling?: number;
    targets?: LlamaProgramOptions['lora']['targets'];
    rope?: Rope['scaling'];
    clip?: number;
    start?: 'seed' | 'import';
    /** Largest weight. */ scale?: number;
  } = {},
) {
  const m = k.mark(),
    B = 2,
    S = 5,
    r = o.r ?? 2,
    targets = o.targets ?? [...TARGETS],
    clip = o.clip ?? 1;
  let x = 7;
  const uniform = (): number => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return (x / 2 ** 32) * 2 - 1;
  };
  const weights = randomWeights(shape, uniform, o.scale);
  const { ints, bits } = quantizeBase(weights);
  const program = llamaProgram({
    shape,
    numbers: COARSE,
    weightBits: bits,
    batch: B,
    sequence: S,
    lora: { r, targets, scaling: o.scaling ?? 2 },
    adam: adamConstants([0.9, 0.95], clip),
    kind,
  });
  const frozen =
    kind === 'update'
      ? new Map<string, BigInt64Array>()
      : frozenIntegers(shape, ints, { theta: 10000, scaling: o.rope ?? { type: 'none' } }, S);
  const batch = {
    tokens: [Int32Array.of(1, 3, 5, 7, 2), Int32Array.of(1, 12, 4)],
    mask: [Uint8Array.of(0, 0, 1, 1, 1), Uint8Array.of(0, 1, 1)],
  };
  const master = initialMaster(shape, r, targets, 3);
  if (o.start === 'import')
    for (const [n, v] of master)
      if (n.endsWith('.B'))
        v.forEach((_, i) => {
          v[i] = BigInt(Math.round(uniform() * 2 ** 26));
        });
  const row = {
    lr: 0n,
    alpha: (1n << 96n) / 500n,
    eps: (1n << 96n) / 400_000_000n,
    decay: (1n << 96n) / 100_000n,
    peak: { alpha: 1n << 90n, decay: 1n << 80n },
  };
  const publics = kind === 'update' ? new Map<string, BigInt64Array | Int32Array>() : batchInputs(batch, B, S);
  let inputs: Map<string, BigInt64Array | Int32Array>;
  if (kind === 'update' || kind === 'eval' || kind === 'micro') {
    const like = llamaProgram({
      shape,
      numbers: COARSE,
      weightBits: bits,
      batch: B,
      sequence: S,
      lora: { r, targets, scaling: o.scaling ?? 2 },
      adam: adamConstants([0.9, 0.95], clip),
      kind: 'step',
    });
    const st = initialState(like, master),
      full = stepInputs(like, frozen, st, publics, row, targetCount(batch, S), clip, 0);
    inputs = new Map([...full].filter(([n]) => program.tensors.some((t) => t.name === n)));
    if (kind === 'update' || kind === 'micro')
      inputs.set(
        'acc',
        BigInt64Array.from({ length: st.C.length }, () => BigInt(Math.round(uniform() * 2 ** 22))),
      );
  } else inputs = stepInputs(program, frozen, initialState(program, master), publics, row, targetCount(batch, S), clip, 0);
  const reading = new IntegerReading(k, program, inputs);
  reading.run();
  expect(reading.violated()).toBeUndefined();
  const plan = makePlan(program, weak),
    fz = frozenStack(k, plan, (n) => reading.ptr.get(n)!),
    stack = k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells);
  // Whoever verifies lays the tensors out without the kernels.
  const laid = new BigInt64Array(fz.cells);
  if (fz.cells) fillWords(plan, 'frozen', laid, (n) => reading.read(n));
  expect(laid).toEqual(stack);
  const { proof, statement } = proveProgram(k, plan, reading, { frozenDigest: frozenDigest(stack) });
  k.release(m);
  const ch = new NativeChannel(vk, proof);
  let claim: DetachedClaim;
  try {
    const d = verifyProgram(ch, plan, statement);
    ch.finish();
    claim = d.detach(ch);
  } finally {
    ch.close();
  }
  const mm = vk.mark(),
    p = vk.alloc(8 * Math.max(1, stack.length));
  vk.i64.set(stack, p / 8);
  settleFrozen(vk, p, stack.length, [claim]);
  vk.release(mm);
}

describe('Llama programs prove and verify', () => {
  it('one step, odd sizes', () => proveOne(plain, 'step'));
  it('grouped queries, untied head, rank 5', () => proveOne({ ...plain, kvHeads: 1, groups: 3, tied: false, layers: 3 }, 'step', { r: 5 }));
  it('9 heads, width 576, hidden 172, vocabulary 300', () =>
    proveOne({ ...plain, layers: 1, hidden: 576, intermediate: 172, kvHeads: 3, groups: 3, headDim: 64, vocab: 300 }, 'step', {
      scale: 0.07,
    }));
  it('biases (Qwen2)', () => proveOne({ ...plain, bias: true }, 'step'));
  it('rsLoRA: a scaling that is not dyadic', () => proveOne(plain, 'step', { r: 3, scaling: 16 / Math.sqrt(3) }));
  it('a subset of the projections, no clipping', () => proveOne(plain, 'step', { targets: ['q_proj', 'v_proj'], clip: 0 }));
  it('linear and llama3 rope scaling', () => {
    proveOne(plain, 'step', { rope: { type: 'linear', factor: 4 } });
    proveOne(plain, 'step', { rope: { type: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 64 } });
  });
  it('from an imported adapter', () => proveOne(plain, 'step', { start: 'import' }));
  it('micro, update and eval programs', () => {
    proveOne(plain, 'micro', { start: 'import' });
    proveOne(plain, 'update');
    proveOne(plain, 'eval');
  });
});
