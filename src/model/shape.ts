/**
 * The shape of a Llama-family model and of its adapter, and the number formats: what forward and backward pass have in
 * common.
 */
import type { AdamConstants } from '../optim/adamw.js';
import { ProgramError } from '../tensor/bounds.js';
import { Fixed, type Format } from '../tensor/fixed.js';

/** The seven projections in the order in which their adapters are laid out. */
export const TARGETS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const;
export type Target = (typeof TARGETS)[number];

/** Sizes of a Llama-family model; any positive integers with hidden = kvHeads * groups * headDim and headDim even. */
export interface LlamaShape {
  readonly layers: number;
  readonly hidden: number;
  readonly intermediate: number;
  readonly kvHeads: number;
  readonly groups: number;
  readonly headDim: number;
  readonly vocab: number;
  readonly tied: boolean;
  readonly bias: boolean;
  readonly rmsEps: number;
}

/** Number formats that a user may choose; the rest are constants of this file (docs/numbers.md). */
export interface Numbers {
  /** Largest range table, bits. */ readonly rangeBits: number;
  /** Residual stream. */ readonly xBits: number;
  /**
   * Activations and their gradients, and the fractions of each: a lower fraction widens the range for nothing, more
   * bits cost limbs.
   */
  readonly actBits: number;
  readonly actFrac: number;
  readonly gradFrac: number;
  /** Fractions of attention scores and of logits, bits of the exponentials' domain. */ readonly scoreFrac: number;
  readonly headFrac: number;
  readonly expBits: number;
  /** SiLU domain. */ readonly siluBits: number;
  readonly siluFrac: number;
  /**
   * Fraction of AdamW's second moment, even: two lower widen its range by four and halve the least gradient that it
   * resolves.
   */
  readonly momentFrac: number;
}
export const DEFAULT_NUMBERS: Numbers = {
  rangeBits: 20,
  xBits: 26,
  actBits: 20,
  actFrac: 12,
  gradFrac: 13,
  scoreFrac: 11,
  headFrac: 13,
  expBits: 20,
  siluBits: 20,
  siluFrac: 12,
  momentFrac: 60,
};

/** Bits (sign included) of each kind of frozen tensor at its fraction (weightFrac), from the base's largest entries. */
export type WeightBits = Readonly<Record<string, number>>;
/**
 * Fraction of embeddings, head and norm gains: every product with one is rounded by as many bits, which fit one lookup.
 */
export const WEIGHT_FRAC = 16;
/**
 * Fraction of the projections: with actFrac no finer than the adapter's product B u, so that the finer weight costs
 * nothing.
 */
export const PROJECTION_FRAC = 19;
/** Biases enter the same sum. */
export const BIAS_FRAC = 16;
export const ROPE_FRAC = 16;

/** Fraction bits of a frozen tensor by program name. */
export function weightFrac(name: string): number {
  return name.startsWith('rope') ? ROPE_FRAC : name.startsWith('W.') ? PROJECTION_FRAC : name.startsWith('bias.') ? BIAS_FRAC : WEIGHT_FRAC;
}

/** Fraction of the residual stream and of its gradient. */
export const RESIDUAL_FRAC = 14;
/** Fractions of the tables' results: SiLU and its derivative, softmax weights of attention and of the head. */
export const SILU_FRAC = 16;
export const ATTN_FRAC = 20;
export const HEAD_FRAC = 24;

/** Formats of activations and of their gradients. */
export const activations = (n: Numbers): Format => ({ bits: n.actBits, frac: n.actFrac });
export const gradients = (n: Numbers): Format => ({ bits: n.actBits, frac: n.gradFrac });

/** Names of the tables: exponential of attention scores and of logits, SiLU with its derivative. */
export const scoreTable = (n: Numbers): string => `exp:${n.scoreFrac}:${ATTN_FRAC}`;
export const logitTable = (n: Numbers): string => `exp:${n.headFrac}:${HEAD_FRAC}`;
export const siluTable = (n: Numbers): string => `silu:${n.siluFrac}:${SILU_FRAC}:${SILU_FRAC}`;

export interface LlamaProgramOptions {
  readonly shape: LlamaShape;
  readonly numbers: Numbers;
  readonly weightBits: WeightBits;
  readonly batch: number;
  readonly sequence: number;
  readonly lora: {
    readonly r: number;
    readonly targets: readonly Target[];
    /** Exact scaling factor, alpha / r or alpha / sqrt r. */
    readonly scaling: number;
  };
  readonly adam: AdamConstants;
  /**
   * step: forward, backward and update in one; micro: add to the accumulator; update: clip and AdamW from the
   * accumulator; eval: forward only.
   */
  readonly kind: 'step' | 'micro' | 'update' | 'eval';
  /** Whether attention is cut into bands (bands.ts); where nothing is said, its size decides. */
  readonly bands?: boolean;
}

/** Fraction bits of the rounded part of a scaling; what it is off by is at most 2^-20 of itself. */
export const SCALING_FRAC = 20;

/**
 * The scaling of the adapter as inner outer. A multiple of 2^-10 is exact and outer alone. Any other is inner in (1/2,
 * 1], rounded to 20 fraction bits, times a power of two: relative to itself, so that alpha / r of 1/600 is as exact as
 * one of 4/3. The inner factor is applied to u = A x and to B^T dY by a rounding of its own. Throws ProgramError for a
 * scaling that no format holds.
 */
export function scalingOf(o: Pick<LlamaProgramOptions, 'lora'>): { readonly inner?: Fixed; readonly outer: Fixed } {
  const { inner, shift, num } = scalingParts(o.lora.scaling);
  return {
    ...(inner === undefined ? {} : { inner: Fixed.constant(inner, SCALING_FRAC, o.lora.scaling / (Number(num) * 2 ** -shift)) }),
    outer: Fixed.constant(num, shift),
  };
}

/** Name of u or du with the inner factor of the scaling, if it has one. */
export const scaled = (o: Pick<LlamaProgramOptions, 'lora'>, name: string): string =>
  scalingParts(o.lora.scaling).inner === undefined ? name : `s${name}`;

/** The same in integers: x = inner 2^-20 num 2^-shift, without inner where that is exact. */
export function scalingParts(x: number): { readonly inner?: bigint; readonly num: bigint; readonly shift: number } {
  for (let s = 0; s <= 10; s++) if (Number.isInteger(x * 2 ** s)) return { num: BigInt(x * 2 ** s), shift: s };
  const power = Math.ceil(Math.log2(x)),
    inner = BigInt(Math.round((x / 2 ** power) * 2 ** SCALING_FRAC));
  if (!(power >= -10 && power <= 12))
    throw new ProgramError('lora.alpha', `scales the adapter by ${x.toPrecision(3)}, outside [2^-10, 2^12]: change lora.alpha or lora.r`);
  return { inner, num: 1n << BigInt(Math.max(0, power)), shift: Math.max(0, -power) };
}

/** The token axes, with which every activation ends: sequence and position. */
export const TOK = ['b', 'i'];

/** Text of an operand over these axes. */
export const idx = (name: string, axes: readonly string[]): string => `${name}[${axes.join(',')}]`;

/**
 * Axes of a projection's output and of its input; its input x and the gradient dy of its output as operands of the
 * program.
 */
export interface Projection {
  readonly out: string[];
  readonly in: string[];
  readonly x: string;
  readonly dy: string;
}
export const PROJECTIONS: Record<Target, Projection> = {
  q_proj: { out: ['kv', 'g', 'hf', 'cc'], in: ['d'], x: 'N[2*l,d,b,i]', dy: 'dq[l,kv,g,hf,cc,b,i]' },
  k_proj: { out: ['kv', 'hf', 'cc'], in: ['d'], x: 'N[2*l,d,b,i]', dy: 'dk[l,kv,hf,cc,b,i]' },
  v_proj: { out: ['kv', 'c'], in: ['d'], x: 'N[2*l,d,b,i]', dy: 'dvj[l,kv,c,b,i]' },
  o_proj: { out: ['d'], in: ['kv', 'g', 'c'], x: 'ctx[l,kv,g,c,b,i]', dy: 'G[2*l+1,d,b,i]' },
  gate_proj: { out: ['f'], in: ['d'], x: 'N[2*l+1,d,b,i]', dy: 'dgate[l,f,b,i]' },
  up_proj: { out: ['f'], in: ['d'], x: 'N[2*l+1,d,b,i]', dy: 'dup[l,f,b,i]' },
  down_proj: { out: ['d'], in: ['f'], x: 'h[l,f,b,i]', dy: 'G[2*l+2,d,b,i]' },
};

/** Shapes of the adapter tensors of one target in PEFT's convention, as program axes. */
export function adapterAxes(t: Target): { A: string[]; B: string[] } {
  return { A: ['l', 'r', ...PROJECTIONS[t].in], B: ['l', ...PROJECTIONS[t].out, 'r'] };
}

/** Adapter parameters of all targets. */
export function parameterCount(o: Pick<LlamaProgramOptions, 'shape' | 'lora'>): number {
  const s = o.shape,
    heads = s.kvHeads * s.groups * s.headDim,
    kv = s.kvHeads * s.headDim;
  const io: Record<Target, [number, number]> = {
    q_proj: [s.hidden, heads],
    k_proj: [s.hidden, kv],
    v_proj: [s.hidden, kv],
    o_proj: [heads, s.hidden],
    gate_proj: [s.hidden, s.intermediate],
    up_proj: [s.hidden, s.intermediate],
    down_proj: [s.intermediate, s.hidden],
  };
  return o.lora.targets.reduce((n, t) => n + s.layers * o.lora.r * (io[t][0] + io[t][1]), 0);
}

/**
 * Names and axes of the frozen tensors; gamma is stacked over the half-block axis: input norm, post-attention norm,
 * ..., final norm.
 */
export function frozenTensors(shape: LlamaShape): { name: string; axes: string[]; frac: number }[] {
  const w = Object.entries(PROJECTIONS).map(([t, p]) => ({ name: `W.${t}`, axes: ['l', ...p.out, ...p.in], frac: PROJECTION_FRAC }));
  const out = [{ name: 'E', axes: ['vocab', 'd'], frac: WEIGHT_FRAC }, { name: 'gamma', axes: ['s', 'd'], frac: WEIGHT_FRAC }, ...w];
  if (!shape.tied) out.push({ name: 'head', axes: ['vocab', 'd'], frac: WEIGHT_FRAC });
  if (shape.bias)
    for (const t of ['q_proj', 'k_proj', 'v_proj'] as const)
      out.push({ name: `bias.${t}`, axes: ['l', ...PROJECTIONS[t].out], frac: BIAS_FRAC });
  out.push(
    { name: 'ropeQ', axes: ['hf', 'hg', 'cc', 'i'], frac: ROPE_FRAC },
    { name: 'ropeK', axes: ['hf', 'hg', 'cc', 'i'], frac: ROPE_FRAC },
  );
  return out;
}

/** Bit widths for programs that only the float reading runs: it has no formats, but a program states some. */
export const freeBits = (shape: LlamaShape): WeightBits => Object.fromEntries(frozenTensors(shape).map((t) => [t.name, 20]));
