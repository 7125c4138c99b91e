import { readFileSync } from 'node:fs';
import { type FloatWeights, collectWeights, ropeTables } from '../src/model/base.js';
import type { LlamaShape, Target } from '../src/model/shape.js';
import type { Batch } from '../src/model/step.js';
import type { ReadingInput } from '../src/tensor/reading.js';
import { STORIES } from '../tools/shapes.js';
import { fixture } from './fixtures.js';
import { readTensors } from './peft-vectors.js';

/** The fixture model stories260K, and the PyTorch + PEFT runs over it. */
export { STORIES };
export const STORIES_ROPE = { theta: 10000, scaling: { type: 'none' } } as const;
export const storiesBase = fixture('data/stories260k/hf/model.safetensors');
export const peftRuns = fixture('vectors/lora-adamw-peft');

/** The original float weights by program name. */
export function storiesWeights(): FloatWeights {
  const tensors = readTensors(storiesBase!);
  return collectWeights(STORIES, (n) => tensors.get(n)!.data);
}

/** Real inputs of the float reading: weights and rotations, neither quantised. */
export function realFrozen(shape: LlamaShape, weights: FloatWeights, positions: number): Map<string, Float64Array> {
  const { ropeQ, ropeK } = ropeTables(shape.headDim, positions, STORIES_ROPE).real;
  return new Map([...weights, ['ropeQ', ropeQ], ['ropeK', ropeK]]);
}

/** One map of all inputs. */
export const merged = (...maps: ReadonlyMap<string, ReadingInput>[]): Map<string, ReadingInput> => new Map(maps.flatMap((m) => [...m]));

export interface PeftRun {
  readonly rank: number;
  readonly alpha: number;
  readonly targets: readonly Target[];
  readonly microBatches: number;
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly clip: number;
  readonly learningRate: number;
  readonly schedule: 'constant' | 'cosine';
  readonly warmup: number;
  readonly batches: readonly { readonly tokens: number[][]; readonly mask: number[][] }[];
  readonly steps: readonly {
    readonly learningRate: number;
    readonly loss: number;
    readonly gradNorm: number;
    readonly clipFactor: number;
    readonly targets: number;
  }[];
}
export const RUNS = [
  ['all-rank8', [1, 10, 50]],
  ['qv-rank4', [1, 10]],
  ['schedule-accumulation', [1, 12]],
] as const;

export const readRun = (name: string): PeftRun => JSON.parse(readFileSync(`${peftRuns!}/${name}/run.json`, 'utf8'));

/** Tensors of an adapter or gradient file as "q_proj.A" and so on, stacked over the layers. */
export function readAdapter(name: string, file: string, targets: readonly Target[]): Map<string, Float64Array> {
  const f = readTensors(`${peftRuns!}/${name}/${file}.safetensors`),
    out = new Map<string, Float64Array>();
  const module = (t: Target): string => (['gate_proj', 'up_proj', 'down_proj'].includes(t) ? 'mlp' : 'self_attn');
  for (const t of targets)
    for (const ab of ['A', 'B']) {
      const part = (l: number): Float64Array => f.get(`base_model.model.model.layers.${l}.${module(t)}.${t}.lora_${ab}.weight`)!.data;
      out.set(`${t}.${ab}`, Float64Array.from([...Array(STORIES.layers).keys()].flatMap((l) => [...part(l)])));
    }
  return out;
}

/** The micro-batches of one step, in order. */
export function microBatches(run: PeftRun, step: number): Batch[] {
  const b = run.batches[step],
    size = b.tokens.length / run.microBatches;
  return [...Array(run.microBatches).keys()].map((k) => ({
    tokens: b.tokens.slice(k * size, (k + 1) * size).map((x) => Int32Array.from(x)),
    mask: b.mask.slice(k * size, (k + 1) * size).map((x) => Uint8Array.from(x)),
  }));
}

/** Weight bits that no real value passes: the float reading has no formats, but a program states some. */
export const freeBits = (weights: FloatWeights): Record<string, number> => Object.fromEntries([...weights.keys()].map((k) => [k, 20]));
