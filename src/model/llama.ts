import { isqrt } from '../field/fixedpoint.js';
import { expFixed } from '../field/fixedpoint.js';
import { ADAMW, type AdamConstants, adamwUpdate, declareMoments } from '../optim/adamw.js';
import { ProgramError } from '../tensor/bounds.js';
import { type Format, ProgramBuilder, expr, operand, realTerm, term } from '../tensor/builder.js';
import type { Program, Term } from '../tensor/types.js';

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
  /** Activations and their gradients, and the fractions of each: a lower fraction widens the range for nothing, more bits cost limbs. */
  readonly actBits: number;
  readonly actFrac: number;
  readonly gradFrac: number;
  /** Fractions of attention scores and of logits, bits of the exponentials' domain. */ readonly scoreFrac: number;
  readonly headFrac: number;
  readonly expBits: number;
  /** SiLU domain. */ readonly siluBits: number;
  readonly siluFrac: number;
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
};

/** Bits (sign included) of each kind of frozen tensor at its fraction (weightFrac), from the base's largest entries. */
export type WeightBits = Readonly<Record<string, number>>;
/** Fraction of embeddings, head and norm gains: every product with one is rounded by as many bits, which fit one lookup. */
export const WEIGHT_FRAC = 16;
/** Fraction of the projections: with actFrac no finer than the adapter's product B u, so that the finer weight costs nothing. */
export const PROJECTION_FRAC = 19;
/** Biases enter the same sum. */
export const BIAS_FRAC = 16;
export const ROPE_FRAC = 16;

/** Fraction bits of a frozen tensor by program name. */
export function weightFrac(name: string): number {
  return name.startsWith('rope') ? ROPE_FRAC : name.startsWith('W.') ? PROJECTION_FRAC : name.startsWith('bias.') ? BIAS_FRAC : WEIGHT_FRAC;
}

export interface LlamaProgramOptions {
  readonly shape: LlamaShape;
  readonly numbers: Numbers;
  readonly weightBits: WeightBits;
  readonly batch: number;
  readonly sequence: number;
  readonly lora: {
    readonly r: number;
    readonly targets: readonly Target[] /** exact scaling factor, alpha / r or alpha / sqrt r */;
    readonly scaling: number;
  };
  readonly adam: AdamConstants;
  /** step: forward, backward and update in one; micro: add to the accumulator; update: clip and AdamW from the accumulator; eval: forward only. */
  readonly kind: 'step' | 'micro' | 'update' | 'eval';
}

/** Scaling as num / 2^shift: exact when it is dyadic with at most 10 fraction bits, otherwise rounded (the manifest declares it). */
export function dyadic(x: number): { num: bigint; shift: number } {
  for (let s = 0; s <= 10; s++) if (Number.isInteger(x * 2 ** s)) return { num: BigInt(x * 2 ** s), shift: s };
  return { num: BigInt(Math.round(x * 1024)), shift: 10 };
}

const TOK = ['b', 'i'];

/** Axes of a projection's output, of its input, its input operand per layer and the gradient of its output. */
interface Projection {
  out: string[];
  in: string[];
  x: string;
  dy: string;
}
const PROJ: Record<Target, Projection> = {
  q_proj: { out: ['kv', 'g', 'hf', 'cc'], in: ['d'], x: 'N[2*l,d,b,i]', dy: 'dq[l,kv,g,hf,cc,b,i]' },
  k_proj: { out: ['kv', 'hf', 'cc'], in: ['d'], x: 'N[2*l,d,b,i]', dy: 'dk[l,kv,hf,cc,b,i]' },
  v_proj: { out: ['kv', 'c'], in: ['d'], x: 'N[2*l,d,b,i]', dy: 'dv[l,kv,c,b,i]' },
  o_proj: { out: ['d'], in: ['kv', 'g', 'c'], x: 'ctx[l,kv,g,c,b,i]', dy: 'G[2*l+1,d,b,i]' },
  gate_proj: { out: ['f'], in: ['d'], x: 'N[2*l+1,d,b,i]', dy: 'dgate[l,f,b,i]' },
  up_proj: { out: ['f'], in: ['d'], x: 'N[2*l+1,d,b,i]', dy: 'dup[l,f,b,i]' },
  down_proj: { out: ['d'], in: ['f'], x: 'h[l,f,b,i]', dy: 'G[2*l+2,d,b,i]' },
};

/** A projection's axes, its input x and the gradient dy of its output, as operands of the program. */
export function projectionOf(t: Target): { readonly out: string[]; readonly in: string[]; readonly x: string; readonly dy: string } {
  const p = PROJ[t];
  return { out: p.out, in: p.in, x: p.x, dy: dyOf(t) };
}

/** Shapes of the adapter tensors of one target in PEFT's convention, as program axes. */
export function adapterAxes(t: Target): { A: string[]; B: string[] } {
  return { A: ['l', 'r', ...PROJ[t].in], B: ['l', ...PROJ[t].out, 'r'] };
}

const idx = (name: string, axes: readonly string[]): string => `${name}[${axes.join(',')}]`;

/**
 * The program of one step. Residual stream X and its gradient G live on the half-block axis s of 2L + 1 entries; a block is written
 * once with the layer axis l. Tensors end in the token axes b, i; rows follow TENSOR-PROGRAM of the design.
 */
export function llamaProgram(o: LlamaProgramOptions): Program {
  const b = new ProgramBuilder(`llama-${o.kind}`, o.numbers.rangeBits);
  declareAxes(b, o);
  if (o.kind !== 'update') {
    declareFrozen(b, o);
    declareAdapter(b, o, 'C', 'cIn', ADAMW.C);
    forward(b, o);
    if (o.kind !== 'eval') backward(b, o);
  }
  if (o.kind === 'step' || o.kind === 'update') declareAdapter(b, o, 'C2', 'cOut', ADAMW.C);
  if (o.kind === 'step') {
    flattenGradient(b, o);
    adamwUpdate(b, 'g', o.adam);
  }
  if (o.kind === 'update') {
    // Adapter and optimiser state are one commitment, which both programs of a step enter whole.
    declareAdapter(b, o, 'C', 'cIn', ADAMW.C);
    b.tensor('acc', ['P'], 'aIn', fb(ADAMW.g));
    adamwUpdate(b, 'acc', o.adam);
  }
  if (o.kind === 'step' || o.kind === 'update') b.step('C2.members', [], { op: 'unflatten', group: 'C2' });
  if (o.kind === 'micro') {
    declareMoments(b);
    flattenGradient(b, o);
    b.tensor('acc', ['P'], 'aIn', fb(ADAMW.g));
    b.witness('acc2', ['P'], ADAMW.g, { cls: 'aOut' });
    b.round('acc2', ['P'], expr([term(1, 'acc[P]'), term(1, 'g[P]')]), 0);
    b.inFormat('acc2', ADAMW.g);
  }
  return b.build();
}

function fb(f: Format): { lo: bigint; hi: bigint; frac: number } {
  const n = 1n << BigInt(f.bits - 1);
  return { lo: -n, hi: n - 1n, frac: f.frac };
}

function declareAxes(b: ProgramBuilder, o: LlamaProgramOptions): void {
  const s = o.shape;
  if (s.headDim % 2) throw new ProgramError('headDim', 'must be even for rotary embeddings');
  const sizes: Record<string, number> = {
    l: s.layers,
    s: 2 * s.layers + 1,
    d: s.hidden,
    f: s.intermediate,
    kv: s.kvHeads,
    g: s.groups,
    hf: 2,
    hg: 2,
    cc: s.headDim / 2,
    c: s.headDim,
    vocab: s.vocab,
    r: o.lora.r,
    b: o.batch,
    i: o.sequence,
    j: o.sequence,
  };
  for (const [k, v] of Object.entries(sizes)) b.axis(k, v);
  b.axis('P', parameterCount(o));
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

/** Names and axes of the frozen tensors; gamma is stacked over the half-block axis: input norm, post-attention norm, ..., final norm. */
export function frozenTensors(shape: LlamaShape): { name: string; axes: string[]; frac: number }[] {
  const w = Object.entries(PROJ).map(([t, p]) => ({ name: `W.${t}`, axes: ['l', ...p.out, ...p.in], frac: PROJECTION_FRAC }));
  const out = [{ name: 'E', axes: ['vocab', 'd'], frac: WEIGHT_FRAC }, { name: 'gamma', axes: ['s', 'd'], frac: WEIGHT_FRAC }, ...w];
  if (!shape.tied) out.push({ name: 'head', axes: ['vocab', 'd'], frac: WEIGHT_FRAC });
  if (shape.bias)
    for (const t of ['q_proj', 'k_proj', 'v_proj'] as const) out.push({ name: `bias.${t}`, axes: ['l', ...PROJ[t].out], frac: BIAS_FRAC });
  out.push(
    { name: 'ropeQ', axes: ['hf', 'hg', 'cc', 'i'], frac: ROPE_FRAC },
    { name: 'ropeK', axes: ['hf', 'hg', 'cc', 'i'], frac: ROPE_FRAC },
  );
  return out;
}

/** Bit widths for programs that only the float reading runs: it has no formats, but a program states some. */
export const freeBits = (shape: LlamaShape): WeightBits => Object.fromEntries(frozenTensors(shape).map((t) => [t.name, 20]));

function declareFrozen(b: ProgramBuilder, o: LlamaProgramOptions): void {
  for (const t of frozenTensors(o.shape)) {
    const bits = t.name.startsWith('rope') ? ROPE_FRAC + 2 : o.weightBits[t.name];
    if (!bits) throw new ProgramError(t.name, 'no bit width given');
    b.tensor(t.name, t.axes, 'frozen', fb({ bits, frac: t.frac }));
  }
  const n = o.numbers;
  const expTable = (F: number, f: number): void => {
    const name = `exp:${F}:${f}`;
    // T(-1) = max(2^f + 1, round(2^f exp(2^-scoreFrac))) < 2^f (1 + 2^(1 - scoreFrac)) + 2
    const top = (1n << BigInt(f)) + (1n << BigInt(Math.max(0, f + 1 - F))) + 2n;
    b.table({ name, axis: name.replaceAll(':', '_'), lo: 0n, size: 2 ** n.expBits, columns: [`${name}.e1`, `${name}.e2`] }, [
      { lo: 0n, hi: 1n << BigInt(f), frac: f },
      { lo: 0n, hi: top, frac: f },
    ]);
  };
  expTable(n.scoreFrac, ATTN_FRAC);
  expTable(n.headFrac, HEAD_FRAC);
  const silu = siluTable(n);
  b.table({ name: silu, axis: 'silu', lo: -(2n ** BigInt(n.siluBits - 1)), size: 2 ** n.siluBits, columns: [`${silu}.y`, `${silu}.dy`] }, [
    { lo: -(2n ** BigInt(SILU_FRAC)), hi: 2n ** BigInt(n.siluBits - 1 - n.siluFrac + SILU_FRAC), frac: SILU_FRAC },
    { lo: -(2n ** BigInt(SILU_FRAC)), hi: 2n ** BigInt(SILU_FRAC + 1), frac: SILU_FRAC },
  ]);
}
const siluTable = (n: Numbers): string => `silu:${n.siluFrac}:${SILU_FRAC}:${SILU_FRAC}`;
/** Fractions of the tables' results: SiLU and its derivative, softmax weights of attention and of the head. */
export const SILU_FRAC = 16;
export const ATTN_FRAC = 20;
export const HEAD_FRAC = 24;

function declareAdapter(b: ProgramBuilder, o: LlamaProgramOptions, group: string, cls: 'cIn' | 'cOut', f: Format): void {
  for (const t of o.lora.targets) {
    const ax = adapterAxes(t);
    b.tensor(`${group}.${t}.A`, ax.A, cls, fb(f), { group });
    b.tensor(`${group}.${t}.B`, ax.B, cls, fb(f), { group });
  }
  b.tensor(group, ['P'], cls, fb(f), { aliasOf: group });
}

function flattenGradient(b: ProgramBuilder, o: LlamaProgramOptions): void {
  void o;
  b.phase = 'post';
  b.step('g', [], { op: 'flatten', group: 'g' });
  b.inFormat('g', ADAMW.g);
}

/** Fraction of an operand's tensor. */
const fracOf = (b: ProgramBuilder, text: string): number => b.spec(operand(text).tensor).frac;

/** raw = W x + scaling B u (+ bias) at the fraction of B u, 20 + that of x, + e; u = round(A x) has the fraction of x. */
function project(b: ProgramBuilder, o: LlamaProgramOptions, t: Target): { terms: Term[]; frac: number } {
  const p = PROJ[t],
    sc = dyadic(o.lora.scaling),
    lora = o.lora.targets.includes(t),
    e = lora ? sc.shift : 0,
    x = fracOf(b, p.x),
    frac = ADAMW.C.frac + x + e;
  const out = ['l', ...p.out];
  const terms = [term(1n << BigInt(frac - PROJECTION_FRAC - x), idx(`W.${t}`, [...out, ...p.in]), p.x)];
  if (o.shape.bias && (t === 'q_proj' || t === 'k_proj' || t === 'v_proj'))
    terms.push(term(1n << BigInt(frac - BIAS_FRAC), idx(`bias.${t}`, out)));
  if (lora) {
    b.rounded(
      `u.${t}`,
      ['l', 'r', ...TOK],
      { bits: o.numbers.actBits, frac: x },
      expr([term(1, idx(`C.${t}.A`, ['l', 'r', ...p.in]), p.x)]),
      ADAMW.C.frac,
    );
    terms.push(realTerm(sc.num, o.lora.scaling, idx(`C.${t}.B`, [...out, 'r']), idx(`u.${t}`, ['l', 'r', ...TOK])));
  }
  return { terms, frac };
}

function forward(b: ProgramBuilder, o: LlamaProgramOptions): void {
  const s = o.shape,
    n = o.numbers,
    A = n.actFrac,
    act: Format = { bits: n.actBits, frac: A },
    fine: Format = { bits: n.actBits, frac: A + 2 };
  const X: Format = { bits: n.xBits, frac: 14 };
  b.tensor('tokens', ['vocab', ...TOK], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'onehot' });
  b.tensor('targets', ['vocab', ...TOK], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'onehot' });
  b.tensor('mask', TOK, 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('causal', ['i', 'j'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'causal' });
  b.witness('X', ['s', 'd', ...TOK], X);
  b.phase = 'pre';
  b.round('X.embed', ['d', ...TOK], expr([term(1, 'E[vocab,d]', 'tokens[vocab,b,i]')]), WEIGHT_FRAC - 14, { out: 'X[0,d,b,i]' });

  // RMSNorm over the half-block axis, computed slice by slice along the layers.
  b.phase = 'fwd';
  const rms = rmsNorm(b, o);
  rms('even');
  for (const t of ['q_proj', 'k_proj', 'v_proj'] as const) {
    const p = project(b, o, t),
      name = t[0];
    b.rounded(name, ['l', ...PROJ[t].out, ...TOK], act, expr(p.terms), p.frac - A);
  }
  b.rounded('qr', ['l', 'kv', 'g', 'hf', 'cc', ...TOK], fine, expr([term(1, 'ropeQ[hf,hg,cc,i]', 'q[l,kv,g,hg,cc,b,i]')]), ROPE_FRAC - 2);
  b.rounded('kr', ['l', 'kv', 'hf', 'cc', ...TOK], act, expr([term(1, 'ropeK[hf,hg,cc,i]', 'k[l,kv,hg,cc,b,i]')]), ROPE_FRAC);

  // Scores and log-sum-exp. A masked score is in no lookup but its remainder's and enters nothing.
  const att = ['l', 'kv', 'g', ...TOK],
    sc = [...att, 'j'];
  const big = (1n << 23n) + (1n << BigInt(n.expBits));
  b.tensor('s', sc, 'witness', { lo: -big, hi: big, frac: n.scoreFrac });
  b.round('s', sc, expr([term(1, 'qr[l,kv,g,hf,cc,b,i]', 'kr[l,kv,hf,cc,b,j]')]), 2 * A + 2 - n.scoreFrac);
  const exp20 = `exp:${n.scoreFrac}:${ATTN_FRAC}`,
    dmax = 2n ** BigInt(n.expBits) - 1n;
  logSumExp(b, {
    m: 'M',
    axes: att,
    over: 'j',
    scores: idx('s', sc),
    box: sc,
    table: exp20,
    f: ATTN_FRAC,
    frac: n.scoreFrac,
    e: 'p',
    causal: true,
    dmax,
  });
  // Averages of v: finer than v itself, as their sum with the residual stream is.
  b.rounded('ctx', ['l', 'kv', 'g', 'c', ...TOK], fine, expr([term(1, 'p1[l,kv,g,b,i,j]', 'v[l,kv,c,b,j]')]), ATTN_FRAC - 2);
  const oproj = project(b, o, 'o_proj');
  b.round('X.attn', ['l', 'd', ...TOK], expr(oproj.terms), oproj.frac - 14, { out: 'X[2*l+1,d,b,i]', base: 'X[2*l,d,b,i]' });

  rms('odd');
  const gate = project(b, o, 'gate_proj'),
    up = project(b, o, 'up_proj'),
    ff = ['l', 'f', ...TOK];
  b.witness('gate', ff, { bits: n.siluBits, frac: n.siluFrac });
  b.round('gate', ff, expr(gate.terms), gate.frac - n.siluFrac);
  const silu = siluTable(n);
  b.tensor('silu', ff, 'witness', { ...bnd(b, `${silu}.y`) });
  b.tensor('dsilu', ff, 'witness', { ...bnd(b, `${silu}.dy`) });
  b.lookup('silu', ff, silu, expr([term(1, idx('gate', ff))]), [idx('silu', ff), idx('dsilu', ff)]);
  b.rounded('up', ff, act, expr(up.terms), up.frac - A);
  b.rounded('h', ff, act, expr([term(1, idx('silu', ff), idx('up', ff))]), SILU_FRAC);
  const down = project(b, o, 'down_proj');
  b.round('X.mlp', ['l', 'd', ...TOK], expr(down.terms), down.frac - 14, { out: 'X[2*l+2,d,b,i]', base: 'X[2*l+1,d,b,i]' });

  b.phase = 'mid';
  rms('final');
  b.inFormat('X', X);
  const head = s.tied ? 'E' : 'head',
    lg = ['vocab', ...TOK];
  b.tensor('logits', lg, 'witness', { lo: -big, hi: big, frac: n.headFrac });
  b.round('logits', lg, expr([term(1, `${head}[vocab,d]`, `N[${2 * s.layers},d,b,i]`)]), WEIGHT_FRAC + A - n.headFrac);
  logSumExp(b, {
    m: 'MH',
    axes: TOK,
    over: 'vocab',
    scores: idx('logits', lg),
    box: lg,
    table: `exp:${n.headFrac}:${HEAD_FRAC}`,
    f: HEAD_FRAC,
    frac: n.headFrac,
    e: 'ph',
    causal: false,
    dmax,
  });
  const lim = 1n << 50n;
  b.tensor('loss', [], 'public', { lo: -lim, hi: lim, frac: n.headFrac }, { publicKind: 'dense' });
  b.round('loss', [], expr([term(1, 'mask[b,i]', 'MH[b,i]'), term(-1, 'targets[vocab,b,i]', 'logits[vocab,b,i]')]), 0);
}

function bnd(b: ProgramBuilder, name: string): { lo: bigint; hi: bigint; frac: number } {
  const t = b.spec(name);
  return { lo: t.lo, hi: t.hi, frac: t.frac };
}

/**
 * n = floor(sqrt(2^k (sum X^2 + D eps))), rinv = floor(sqrt(D) 2^18 .. / n), Xn = round(X rinv), N = round(Xn gamma). Declared over
 * all half-blocks; each call adds the steps of its slices (even: attention input, odd: MLP input, final), the constraints come with the last.
 */
function rmsNorm(b: ProgramBuilder, o: LlamaProgramOptions): (which: 'even' | 'odd' | 'final') => void {
  const D = BigInt(o.shape.hidden),
    n = o.numbers,
    act: Format = { bits: n.actBits, frac: n.actFrac },
    xnShift = 14 + 18 - n.actFrac;
  // 2^k (D 2^(2 xBits - 2) + eps) < 2^62, k even so that fractions stay whole.
  const dBits = Math.ceil(Math.log2(o.shape.hidden + 1));
  const k = Math.floor((61 - dBits - 2 * (n.xBits - 1)) / 2) * 2;
  if (k < 0)
    throw new ProgramError('rmsnorm', `width ${o.shape.hidden} with a residual of ${n.xBits} bits passes 62 bits: lower numbers.xBits`);
  const eps = (BigInt(Math.round(o.shape.rmsEps * 2 ** 40)) * D * (1n << BigInt(28 + k))) / (1n << 40n);
  const nFrac = 14 + k / 2;
  // sqrt(D) 2^(18 + nFrac), exactly floored
  const num = isqrt(D << BigInt(2 * (18 + nFrac)));
  if (num >= 1n << 62n) throw new ProgramError('rmsnorm', 'numerator passes 62 bits');
  const row = ['s', ...TOK],
    full = ['s', 'd', ...TOK];
  const pow = 1n << BigInt(k);
  const nOf = (a: string): string => `rn[${a},b,i]`;
  b.witness('rn', row, { bits: 31, frac: nFrac, signed: false });
  const rinvFormat: Format = { bits: 28, frac: 18, signed: false };
  b.witness('rinv', row, rinvFormat);
  b.witness('Xn', full, act);
  b.witness('N', full, act);
  const ss = (a: string) => expr([term(pow, `X[${a},d,b,i]`, `X[${a},d,b,i]`)], eps, o.shape.rmsEps * o.shape.hidden * 2 ** (28 + k));
  return (which) => {
    const a = which === 'even' ? '2*l' : which === 'odd' ? '2*l+1' : `${2 * o.shape.layers}`;
    const box = which === 'final' ? [] : ['l'],
      tok = [...box, ...TOK],
      cell = [...box, 'd', ...TOK];
    b.step(`rn.${which}`, tok, { op: 'sqrt', out: op(nOf(a)), expr: ss(a) });
    b.step(`rinv.${which}`, tok, {
      op: 'div',
      out: op(`rinv[${a},b,i]`),
      num: expr([], num, Math.sqrt(o.shape.hidden) * 2 ** (18 + nFrac)),
      den: expr([term(1, nOf(a))]),
      shift: 0,
      frac: nFrac,
    } as never);
    b.step(`Xn.${which}`, cell, {
      op: 'round',
      out: op(`Xn[${a},d,b,i]`),
      expr: expr([term(1, `X[${a},d,b,i]`, `rinv[${a},b,i]`)]),
      shift: xnShift,
    });
    b.step(`N.${which}`, cell, {
      op: 'round',
      out: op(`N[${a},d,b,i]`),
      expr: expr([term(1, `Xn[${a},d,b,i]`, `gamma[${a},d]`)]),
      shift: WEIGHT_FRAC,
    });
    if (which !== 'final') return;
    // Constraints once for all half-blocks.
    b.inFormat('rn', { bits: 31, frac: nFrac, signed: false });
    b.range('rn.lower', row, expr([...ss('s').terms, term(-1, nOf('s'), nOf('s'))], eps), 32);
    b.range('rn.upper', row, expr([term(1, nOf('s'), nOf('s')), term(2, nOf('s')), term(-pow, 'X[s,d,b,i]', 'X[s,d,b,i]')], -eps), 32);
    b.inFormat('rinv', rinvFormat);
    b.range('rinv.rem', row, expr([term(-1, nOf('s'), 'rinv[s,b,i]')], num), 31);
    b.range('rinv.gap', row, expr([term(1, nOf('s'), 'rinv[s,b,i]'), term(1, nOf('s'))], -num - 1n), 31);
    remainder(b, 'Xn', full, expr([term(1, 'X[s,d,b,i]', 'rinv[s,b,i]')]), xnShift);
    b.inFormat('Xn', act);
    remainder(b, 'N', full, expr([term(1, 'Xn[s,d,b,i]', 'gamma[s,d]')]), WEIGHT_FRAC);
    b.inFormat('N', act);
  };
}

function op(text: string): ReturnType<typeof term>['operands'][number] {
  return term(1, text).operands[0];
}

/** The constraint of a Round whose steps were added slice by slice. */
function remainder(b: ProgramBuilder, name: string, axes: string[], e: ReturnType<typeof expr>, shift: number): void {
  b.range(
    `${name}.rem`,
    axes,
    expr([...e.terms, term(-(1n << BigInt(shift)), idx(name, axes))], e.constant + (1n << BigInt(shift - 1))),
    shift,
  );
}

interface Lse {
  m: string;
  axes: string[];
  over: string;
  scores: string;
  box: string[];
  table: string;
  f: number;
  frac: number;
  e: string;
  causal: boolean;
  dmax: bigint;
}

/**
 * M is the least integer with sum_j T[M - s_j] <= c, c = round(2^f exp(2^-(F+1))): sum e1 <= c < sum e2, where e1 = T[M - s], e2 =
 * T[M - 1 - s]. That is log-sum-exp rounded to nearest: the weights e1 sum to 2^f within a factor exp(2^-(F+1)) either way, where c = 2^f
 * would leave them too small by half a unit on average. T decreases and T(-1) > c, so sum e2 > c >= sum e1 has exactly one solution M
 * with all differences in the table. Cells that the causal mask excludes look up the last row, where both columns are zero.
 */
function logSumExp(b: ProgramBuilder, k: Lse): void {
  const m = idx(k.m, k.axes),
    e1 = idx(`${k.e}1`, k.box),
    e2 = idx(`${k.e}2`, k.box);
  const format: Format = { bits: 24, frac: k.frac };
  b.witness(k.m, k.axes, format);
  const most = lseTarget(k.f, k.frac);
  b.step(k.m, k.axes, {
    op: 'lse',
    out: op(m),
    scores: op(k.scores),
    over: [k.over],
    ...(k.causal ? { causal: ['i', 'j'] as const } : {}),
    table: k.table,
    target: most,
  });
  b.inFormat(k.m, format);
  b.tensor(`${k.e}1`, k.box, 'witness', bnd(b, `${k.table}.e1`));
  b.tensor(`${k.e}2`, k.box, 'witness', bnd(b, `${k.table}.e2`));
  const key = k.causal
    ? expr([term(1, 'causal[i,j]', m), term(-1, 'causal[i,j]', k.scores), term(-k.dmax, 'causal[i,j]')], k.dmax)
    : expr([term(1, m), term(-1, k.scores)]);
  b.lookup(`${k.e}.exp`, k.box, k.table, key, [e1, e2]);
  b.range(`${k.m}.lower`, k.axes, expr([term(-1, e1)], most), k.f);
  b.range(`${k.m}.upper`, k.axes, expr([term(1, e2)], -most - 1n), k.f);
}

/** round(2^f exp(2^-(F+1))), below T(-1) = round(2^f exp(2^-F)) when F < f. */
function lseTarget(f: number, F: number): bigint {
  if (F >= f) throw new ProgramError('lse', `scores of ${F} fraction bits need weights of more than ${f}`);
  const bits = 96;
  return (expFixed(1n << BigInt(bits - F - 1), bits) + (1n << BigInt(bits - f - 1))) >> BigInt(bits - f);
}

function backward(b: ProgramBuilder, o: LlamaProgramOptions): void {
  const s = o.shape,
    n = o.numbers,
    A = n.actFrac,
    H = n.gradFrac,
    grad: Format = { bits: n.actBits, frac: H },
    // Sums over the queries that look at one key: a first token can gather those of the whole sequence.
    wide: Format = { bits: n.actBits + 4, frac: H },
    // One value per row enters every cell of it, so that its rounding is common to them and does not average out.
    cnFormat: Format = { bits: 28, frac: H + 4 },
    delta: Format = { bits: 24, frac: H + 3 },
    L = s.layers;
  const G: Format = { bits: 24, frac: 14 },
    full = ['s', 'd', ...TOK],
    row = ['s', ...TOK];
  const invD = BigInt(Math.round(2 ** 16 / s.hidden));
  b.witness('G', full, G);
  for (const name of ['dN', 'dXn', 'w'] as const) b.witness(name, full, grad);
  b.witness('cn', row, cnFormat);

  // RMSNorm backward: dXn = dN gamma, c = <dXn, Xn>/D, w = dXn - c Xn, G[s] = G[s+1] + rinv w.
  const norm = (which: 'even' | 'odd' | 'final'): void => {
    const a = which === 'even' ? '2*l' : which === 'odd' ? '2*l+1' : `${2 * L}`;
    const next = which === 'even' ? '2*l+1' : '2*l+2';
    const box = which === 'final' ? [] : ['l'],
      cell = [...box, 'd', ...TOK],
      tok = [...box, ...TOK];
    b.step(`dXn.${which}`, cell, {
      op: 'round',
      out: op(`dXn[${a},d,b,i]`),
      expr: expr([term(1, `dN[${a},d,b,i]`, `gamma[${a},d]`)]),
      shift: WEIGHT_FRAC,
    });
    b.step(`cn.${which}`, tok, {
      op: 'round',
      out: op(`cn[${a},b,i]`),
      expr: expr([realTerm(invD, 1 / s.hidden, `dXn[${a},d,b,i]`, `Xn[${a},d,b,i]`)]),
      shift: A + 12,
    });
    b.step(`w.${which}`, cell, {
      op: 'round',
      out: op(`w[${a},d,b,i]`),
      expr: expr([term(1n << BigInt(A + 4), `dXn[${a},d,b,i]`), term(-1, `cn[${a},b,i]`, `Xn[${a},d,b,i]`)]),
      shift: A + 4,
    });
    b.round(`G.${which}`, cell, expr([term(1, `rinv[${a},b,i]`, `w[${a},d,b,i]`)]), 18 + H - 14, {
      out: `G[${a},d,b,i]`,
      ...(which === 'final' ? {} : { base: `G[${next},d,b,i]` }),
    });
  };
  const head = s.tied ? 'E' : 'head',
    last = `${2 * L}`;
  b.phase = 'mid';
  // dlogits = mask p - onehot(target), one line below the loss.
  b.round(
    'dN.final',
    ['d', ...TOK],
    expr([
      term(1, 'mask[b,i]', 'ph1[vocab,b,i]', `${head}[vocab,d]`),
      term(-(1n << BigInt(HEAD_FRAC)), 'targets[vocab,b,i]', `${head}[vocab,d]`),
    ]),
    HEAD_FRAC + WEIGHT_FRAC - H,
    { out: `dN[${last},d,b,i]` },
  );
  norm('final');

  b.phase = 'bwd';
  const ff = ['l', 'f', ...TOK];
  down(b, o, 'down_proj');
  b.rounded('dh', ff, grad, ...inputGradient(b, o, ['down_proj']));
  b.rounded('dup', ff, grad, expr([term(1, idx('dh', ff), idx('silu', ff))]), SILU_FRAC);
  b.rounded('dhu', ff, grad, expr([term(1, idx('dh', ff), idx('up', ff))]), A);
  b.rounded('dgate', ff, grad, expr([term(1, idx('dhu', ff), idx('dsilu', ff))]), SILU_FRAC);
  down(b, o, 'gate_proj');
  down(b, o, 'up_proj');
  b.round('dN.odd', ['l', 'd', ...TOK], ...inputGradient(b, o, ['gate_proj', 'up_proj']), { out: 'dN[2*l+1,d,b,i]' });
  norm('odd');

  down(b, o, 'o_proj');
  b.rounded('dctx', ['l', 'kv', 'g', 'c', ...TOK], grad, ...inputGradient(b, o, ['o_proj']));
  const sc = ['l', 'kv', 'g', ...TOK, 'j'];
  b.rounded('dP', sc, grad, expr([term(1, 'dctx[l,kv,g,c,b,i]', 'v[l,kv,c,b,j]')]), A);
  b.rounded('delta', ['l', 'kv', 'g', ...TOK], delta, expr([term(1, 'dctx[l,kv,g,c,b,i]', 'ctx[l,kv,g,c,b,i]')]), A + 2 - 3);
  b.rounded(
    'dS',
    sc,
    { bits: n.actBits, frac: H + 3 },
    expr([term(8, idx('p1', sc), idx('dP', sc)), term(-1, idx('p1', sc), 'delta[l,kv,g,b,i]')]),
    ATTN_FRAC,
  );
  b.rounded('dqr', ['l', 'kv', 'g', 'hf', 'cc', ...TOK], grad, expr([term(1, idx('dS', sc), 'kr[l,kv,hf,cc,b,j]')]), A + 3);
  // Keys and values are indexed by j here; their tensors' own axis is i.
  b.rounded('dkr', ['l', 'kv', 'hf', 'cc', 'b', 'j'], wide, expr([term(1, idx('dS', sc), 'qr[l,kv,g,hf,cc,b,i]')]), A + 5);
  b.rounded('dvj', ['l', 'kv', 'c', 'b', 'j'], wide, expr([term(1, idx('p1', sc), 'dctx[l,kv,g,c,b,i]')]), ATTN_FRAC);
  b.rounded('dq', ['l', 'kv', 'g', 'hf', 'cc', ...TOK], grad, expr([term(1, 'ropeQ[hg,hf,cc,i]', 'dqr[l,kv,g,hg,cc,b,i]')]), ROPE_FRAC);
  b.rounded('dk', ['l', 'kv', 'hf', 'cc', ...TOK], wide, expr([term(1, 'ropeK[hg,hf,cc,i]', 'dkr[l,kv,hg,cc,b,i]')]), ROPE_FRAC);
  for (const t of ['q_proj', 'k_proj', 'v_proj'] as const) down(b, o, t);
  b.round('dN.even', ['l', 'd', ...TOK], ...inputGradient(b, o, ['q_proj', 'k_proj', 'v_proj']), { out: 'dN[2*l,d,b,i]' });
  norm('even');

  b.phase = 'post';
  b.inFormat('dN', grad);
  remainder(b, 'dXn', full, expr([term(1, 'dN[s,d,b,i]', 'gamma[s,d]')]), WEIGHT_FRAC);
  b.inFormat('dXn', grad);
  remainder(b, 'cn', row, expr([term(invD, 'dXn[s,d,b,i]', 'Xn[s,d,b,i]')]), A + 12);
  b.inFormat('cn', cnFormat);
  remainder(b, 'w', full, expr([term(1n << BigInt(A + 4), 'dXn[s,d,b,i]'), term(-1, 'cn[s,b,i]', 'Xn[s,d,b,i]')]), A + 4);
  b.inFormat('w', grad);
  b.inFormat('G', G);
  gradients(b, o);
}

/** du = round(scaling-free B^T dY) at fraction 20, and its coarse copy at that of gradients for the input gradient. */
function down(b: ProgramBuilder, o: LlamaProgramOptions, t: Target): void {
  if (!o.lora.targets.includes(t)) return;
  const p = PROJ[t],
    ax = ['l', 'r', ...TOK],
    { actBits, gradFrac } = o.numbers;
  b.rounded(
    `du.${t}`,
    ax,
    { bits: 28, frac: DU_FRAC },
    expr([term(1, idx(`C.${t}.B`, ['l', ...p.out, 'r']), dyOf(t))]),
    ADAMW.C.frac + fracOf(b, dyOf(t)) - DU_FRAC,
  );
  b.rounded(`duc.${t}`, ax, { bits: actBits, frac: gradFrac }, expr([term(1, idx(`du.${t}`, ax))]), DU_FRAC - gradFrac);
}
const DU_FRAC = 20;

const dyOf = (t: Target): string => (t === 'v_proj' ? 'dvj[l,kv,c,b,i]' : PROJ[t].dy);

/** Gradient with respect to the common input of projections and the shift to the fraction of gradients: sum W^T dY + scaling A^T du. */
function inputGradient(b: ProgramBuilder, o: LlamaProgramOptions, targets: Target[]): [ReturnType<typeof expr>, number] {
  const lora = targets.filter((t) => o.lora.targets.includes(t)),
    sc = dyadic(o.lora.scaling),
    e = lora.length ? sc.shift : 0,
    own = (t: Target): number => PROJECTION_FRAC + fracOf(b, dyOf(t)),
    coarse = ADAMW.C.frac + o.numbers.gradFrac,
    frac = Math.max(coarse, ...targets.map(own)) + e;
  const terms = targets.map((t) => term(1n << BigInt(frac - own(t)), idx(`W.${t}`, ['l', ...PROJ[t].out, ...PROJ[t].in]), dyOf(t)));
  for (const t of lora)
    terms.push(
      realTerm(
        sc.num << BigInt(frac - coarse - e),
        o.lora.scaling,
        idx(`C.${t}.A`, ['l', 'r', ...PROJ[t].in]),
        idx(`duc.${t}`, ['l', 'r', ...TOK]),
      ),
    );
  return [expr(terms), frac - o.numbers.gradFrac];
}

/** gB = scaling sum_t dY u, gA = scaling sum_t du x, both to fraction 24; sums over the tokens of the micro-batch, not means. */
function gradients(b: ProgramBuilder, o: LlamaProgramOptions): void {
  const sc = dyadic(o.lora.scaling);
  b.phase = 'post';
  for (const t of o.lora.targets) {
    const p = PROJ[t],
      ax = adapterAxes(t);
    b.witness(`g.${t}.A`, ax.A, ADAMW.g, { group: 'g' });
    b.witness(`g.${t}.B`, ax.B, ADAMW.g, { group: 'g' });
    const gradient = (name: string, axes: string[], left: string, right: string): void => {
      const excess = fracOf(b, left) + fracOf(b, right) + sc.shift - ADAMW.g.frac,
        up = BigInt(Math.max(0, -excess));
      b.round(name, axes, expr([realTerm(sc.num << up, o.lora.scaling, left, right)]), Math.max(0, excess));
    };
    const r = ['l', 'r', ...TOK];
    gradient(`g.${t}.A`, ax.A, idx(`du.${t}`, r), p.x);
    gradient(`g.${t}.B`, ax.B, dyOf(t), idx(`u.${t}`, r));
  }
  b.witness('g', ['P'], ADAMW.g, { aliasOf: 'g' });
}
