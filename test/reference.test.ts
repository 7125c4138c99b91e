import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Kernels } from '../src/kernels/index.js';
import { collectWeights, frozenIntegers, quantizeBase } from '../src/model/base.js';
import { DEFAULT_NUMBERS, type LlamaShape, type Target, llamaProgram } from '../src/model/llama.js';
import { batchInputs, initialState, stepInputs, targetCount, unflattenGroup } from '../src/model/step.js';
import { type ScheduleRow, adamConstants } from '../src/optim/constants.js';
import { IntegerReading } from '../src/tensor/integer.js';
import { fixture } from './fixtures.js';
import { readTensors } from './peft-vectors.js';

const base = fixture('data/stories260k/hf/model.safetensors');
export const STORIES: LlamaShape = { layers: 5, hidden: 64, intermediate: 172, kvHeads: 4, groups: 2, headDim: 8, vocab: 512, tied: true, bias: false, rmsEps: 1e-5 };

/** Runs the integer reading on a PyTorch + PEFT run: losses of `steps` steps and the cosine of the update against the snapshot. */
function compare(name: string, steps: number, snapshot: number) {
  const dir = fixture(`vectors/lora-adamw-peft/${name}`)!, run = JSON.parse(readFileSync(`${dir}/run.json`, 'utf8'));
  const tensors = readTensors(base!), get = (n: string): Float64Array => tensors.get(n)!.data;
  const { ints, bits } = quantizeBase(collectWeights(STORIES, get));
  const S = run.batches[0].tokens[0].length, B = run.batches[0].tokens.length, targets = run.targets as Target[];
  const program = llamaProgram({ shape: STORIES, numbers: DEFAULT_NUMBERS, weightBits: bits, batch: B, sequence: S, lora: { r: run.rank, targets, scaling: run.alpha / run.rank }, adam: adamConstants(run.betas, run.clip ?? 0), kind: 'step' });
  const frozen = frozenIntegers(STORIES, ints, { theta: 10000, scaling: { type: 'none' } }, S);
  const adapter = (s: number): Map<string, Float64Array> => {
    const f = readTensors(`${dir}/adapter_step${s}.safetensors`), out = new Map<string, Float64Array>();
    for (const t of targets) for (const ab of ['A', 'B']) {
      const parts = [...Array(STORIES.layers).keys()].map((l) => f.get(`base_model.model.model.layers.${l}.${['gate_proj', 'up_proj', 'down_proj'].includes(t) ? 'mlp' : 'self_attn'}.${t}.lora_${ab}.weight`)!.data);
      out.set(`${t}.${ab}`, Float64Array.from(parts.flatMap((p) => [...p])));
    }
    return out;
  };
  const start = adapter(0), want = adapter(snapshot);
  let state = initialState(program, new Map([...start].map(([k, v]) => [k, BigInt64Array.from(v, (x) => BigInt(Math.round(x * 2 ** 30)))])));
  const losses: number[] = [];
  const k = Kernels.single();
  let b1t = 1, b2t = 1;
  for (let s = 0; s < steps; s++) {
    const m = k.mark(), batch = { tokens: run.batches[s].tokens.map((t: number[]) => Int32Array.from(t)), mask: run.batches[s].mask.map((t: number[]) => Uint8Array.from(t)) };
    b1t *= run.betas[0]; b2t *= run.betas[1];
    const lr = run.steps[s].learningRate, fx = (x: number): bigint => BigInt(Math.round(x * 2 ** 52)) << 44n;
    const row: ScheduleRow = { lr: fx(lr), alpha: fx((lr * Math.sqrt(1 - b2t)) / (1 - b1t)), eps: fx(run.epsilon * Math.sqrt(1 - b2t)), decay: fx(lr * run.weightDecay) };
    const count = targetCount(batch, S);
    expect(count).toBe(run.steps[s].targets);
    const reading = new IntegerReading(k, program, stepInputs(program, frozen, state, batchInputs(batch, B, S), row, count, run.clip ?? 0, s));
    reading.run();
    if (s === 0) { expect(reading.violated()).toBeUndefined(); for (const c of program.constraints) if (c.kind !== 'zero') { const mm = k.mark(); reading.keys(c); k.release(mm); } }
    losses.push(Number(reading.read('loss')[0]) / 2 ** DEFAULT_NUMBERS.headFrac / count);
    state = { C: reading.read('C2'), master: reading.read('master2'), mm: reading.read('mm2'), vv: reading.read('vv2') };
    k.release(m);
  }
  const got = unflattenGroup(program, 'cIn', 'C', state.master);
  let dot = 0, a = 0, c = 0;
  for (const [n, w] of want) { const g = got.get(`C.${n}`)!, s0 = start.get(n)!; w.forEach((x, i) => { const u = x - s0[i], v = Number(g[i]) / 2 ** 30 - s0[i]; dot += u * v; a += u * u; c += v * v; }); }
  return { losses, want: run.steps.slice(0, steps).map((x: { loss: number }) => x.loss) as number[], cosine: dot / Math.sqrt(a * c) };
}

describe.skipIf(!base)('integer reading against PyTorch and PEFT (fixtures data/stories260k, vectors/lora-adamw-peft)', () => {
  it.each([['all-rank8', 10, 10], ['qv-rank4', 10, 10]])('%s: loss within 1%% at each of %i steps, cosine of the update at least 0.999', (name, steps, snap) => {
    const r = compare(name, steps, snap);
    r.losses.forEach((x, s) => expect(Math.abs(x / r.want[s] - 1), `step ${s}: ${x} against ${r.want[s]}`).toBeLessThan(0.01));
    console.log(name, 'cosine', r.cosine, 'largest loss difference', Math.max(...r.losses.map((x, s) => Math.abs(x / r.want[s] - 1))));
    expect(r.cosine).toBeGreaterThan(0.999);
  });
});
