import { log2Ceil } from '../field/log2.js';
import { cosFixed, isqrtFixed, powFixed, sinFixed } from '../field/fixedpoint.js';
import { type LlamaShape, type Numbers, type Target, type WeightBits, ROPE_FRAC, TARGETS, frozenTensors, weightFrac } from './shape.js';

/** A base weight that does not fit the integer formats. */
export class QuantizationError extends Error {
  constructor(
    readonly tensor: string,
    readonly index: number,
    readonly value: number,
    readonly limit: number,
  ) {
    super(`${tensor}[${index}] = ${value} does not fit: weights of this tensor must stay below ${limit} in magnitude`);
    this.name = 'QuantizationError';
  }
}

/** Rotary embedding: theta and scaling rule of config.json. */
export interface Rope {
  readonly theta: number;
  readonly scaling:
    | { type: 'none' }
    | { type: 'linear'; factor: number }
    | { type: 'llama3'; factor: number; lowFreqFactor: number; highFreqFactor: number; originalMaxPositions: number };
}

/** Float weights by program name (concatenated over layers in program axis order). */
export type FloatWeights = Map<string, Float64Array>;
/** The same as a file holds them: float32 where that is exact. */
export type RealWeights = ReadonlyMap<string, Float64Array | Float32Array>;

/** Hugging Face tensors that make up each program tensor, in the order of its leading axis (l, or s for gamma). */
function tensorNames(shape: LlamaShape): Map<string, string[]> {
  const layers = [...Array(shape.layers).keys()];
  const module = (t: Target): string => (t === 'gate_proj' || t === 'up_proj' || t === 'down_proj' ? 'mlp' : 'self_attn');
  const out = new Map([
    ['E', ['model.embed_tokens.weight']],
    [
      'gamma',
      [
        ...layers.flatMap((l) => [`model.layers.${l}.input_layernorm.weight`, `model.layers.${l}.post_attention_layernorm.weight`]),
        'model.norm.weight',
      ],
    ],
    ...TARGETS.map((t): [string, string[]] => [`W.${t}`, layers.map((l) => `model.layers.${l}.${module(t)}.${t}.weight`)]),
  ]);
  if (!shape.tied) out.set('head', ['lm_head.weight']);
  if (shape.bias)
    for (const t of ['q_proj', 'k_proj', 'v_proj'])
      out.set(
        `bias.${t}`,
        layers.map((l) => `model.layers.${l}.self_attn.${t}.bias`),
      );
  return out;
}

/** Collects Hugging Face tensors into program order: W.* [l, out, in], gamma [s, d], E, head, bias.*. */
export function collectWeights(shape: LlamaShape, get: (name: string) => Float64Array): FloatWeights {
  const out: FloatWeights = new Map();
  for (const [name, parts] of tensorNames(shape)) {
    const data = parts.map(get),
      all = new Float64Array(data.reduce((n, p) => n + p.length, 0));
    let at = 0;
    for (const p of data) {
      all.set(p, at);
      at += p.length;
    }
    out.set(name, all);
  }
  return out;
}

/** The inverse: Hugging Face tensors by name, flat. */
export function splitWeights(shape: LlamaShape, weights: RealWeights): Map<string, Float64Array | Float32Array> {
  const out = new Map<string, Float64Array | Float32Array>();
  for (const [name, parts] of tensorNames(shape)) {
    const all = weights.get(name)!,
      n = all.length / parts.length;
    parts.forEach((p, k) => {
      out.set(p, all.slice(k * n, (k + 1) * n));
    });
  }
  return out;
}

/**
 * round(w 2^f), f = weightFrac, ties upward, exactly in double arithmetic; the bit width of each tensor is that of its
 * largest entry.
 */
export function quantizeBase(weights: RealWeights): { ints: Map<string, BigInt64Array>; bits: WeightBits } {
  const ints = new Map<string, BigInt64Array>();
  const bits: Record<string, number> = {};
  for (const [name, w] of weights) {
    const q = new BigInt64Array(w.length),
      // The 32-bit halves of an integer: all supported machines are little-endian, as WebAssembly is.
      halves = new Int32Array(q.buffer),
      unit = 2 ** weightFrac(name);
    let top = 0;
    for (let k = 0; k < w.length; k++) {
      const x = Math.floor(w[k] * unit + 0.5);
      if (!(Math.abs(x) < 2 ** 31)) throw new QuantizationError(name, k, w[k], 2 ** 31 / unit);
      halves[2 * k] = x;
      halves[2 * k + 1] = x < 0 ? -1 : 0;
      if (x > top) top = x;
      else if (-x - 1 > top) top = -x - 1;
    }
    ints.set(name, q);
    bits[name] = Math.max(2, log2Ceil(top + 1) + 1);
  }
  return { ints, bits };
}

/**
 * Inverse frequencies as fixed point with 64 fraction bits, after the declared scaling. Formulas of the Llama 3
 * reference.
 */
export function ropeFrequencies(headDim: number, rope: Rope): bigint[] {
  const one = 1n << 64n;
  const fix = (x: number): bigint => BigInt(Math.round(x * 2 ** 20)) * (one >> 20n);
  const out: bigint[] = [];
  for (let k = 0; k < headDim / 2; k++) {
    let f = powFixed(rope.theta, -2 * k, headDim, 64);
    const s = rope.scaling;
    if (s.type === 'linear') f = (f << 64n) / fix(s.factor);
    if (s.type === 'llama3') {
      // wavelength = 2 pi / f; scaled below the low frequency, kept above the high, blended between.
      // positions per wavelength, 64 fraction bits
      const turns = ((f * BigInt(s.originalMaxPositions)) << 64n) / TWO_PI_64;
      const low = fix(s.lowFreqFactor),
        high = fix(s.highFreqFactor),
        scaled = (f << 64n) / fix(s.factor);
      if (turns < low) f = scaled;
      else if (turns <= high) {
        const smooth = ((turns - low) << 64n) / (high - low);
        f = ((one - smooth) * scaled + smooth * f) >> 64n;
      }
    }
    out.push(f);
  }
  return out;
}
/** 2 pi with 64 fraction bits. */
const TWO_PI_64 = 115904311329233965478n;

/**
 * ropeK[hf][hg][cc][i]: rotation matrices of the half rotation at ROPE_FRAC fraction bits; ropeQ is the same over
 * sqrt(headDim), so that scores need no further factor.
 */
export function ropeTables(
  headDim: number,
  positions: number,
  rope: Rope,
): { ropeQ: BigInt64Array; ropeK: BigInt64Array; real: { ropeQ: Float64Array; ropeK: Float64Array } } {
  const half = headDim / 2,
    freq = ropeFrequencies(headDim, rope);
  const size = 4 * half * positions;
  const ropeQ = new BigInt64Array(size),
    ropeK = new BigInt64Array(size);
  const real = { ropeQ: new Float64Array(size), ropeK: new Float64Array(size) };
  const root = isqrtFixed(BigInt(headDim), 64);
  const round = (x: bigint): bigint => (x + (1n << BigInt(63 - ROPE_FRAC))) >> BigInt(64 - ROPE_FRAC);
  for (let k = 0; k < half; k++) {
    for (let i = 0; i < positions; i++) {
      const angle = (freq[k] * BigInt(i)) % TWO_PI_64;
      const c = cosFixed(angle, 64),
        s = sinFixed(angle, 64);
      [
        [c, -s],
        [s, c],
      ].forEach((rowOf, ho) =>
        rowOf.forEach((x, hi) => {
          const at = ((ho * 2 + hi) * half + k) * positions + i;
          ropeK[at] = round(x);
          ropeQ[at] = round((x << 64n) / root);
          real.ropeK[at] = Number(x) / 2 ** 64;
          real.ropeQ[at] = Number(x) / 2 ** 64 / Math.sqrt(headDim);
        }),
      );
    }
  }
  return { ropeQ, ropeK, real };
}

/** All frozen weight tensors (tables apart) as integers, in the order of frozenTensors. */
export function frozenIntegers(
  shape: LlamaShape,
  ints: ReadonlyMap<string, BigInt64Array>,
  rope: Rope,
  positions: number,
): Map<string, BigInt64Array> {
  const r = ropeTables(shape.headDim, positions, rope);
  const out = new Map<string, BigInt64Array>();
  for (const t of frozenTensors(shape)) {
    const x = t.name === 'ropeQ' ? r.ropeQ : t.name === 'ropeK' ? r.ropeK : ints.get(t.name);
    if (!x) throw new Error(`missing frozen tensor ${t.name}`);
    out.set(t.name, x);
  }
  return out;
}

/** Largest table that a model of this size deserves: kept here so that tests and the demo agree. */
export function smallNumbers(): Numbers {
  return {
    rangeBits: 16,
    xBits: 24,
    actBits: 20,
    actFrac: 12,
    gradFrac: 13,
    scoreFrac: 10,
    headFrac: 11,
    expBits: 16,
    siluBits: 16,
    siluFrac: 11,
    momentFrac: 60,
  };
}
