import { ProgramError } from '../tensor/bounds.js';
import { type Format, Fixed, bounds } from '../tensor/fixed.js';
import type { ProgramBuilder } from '../tensor/builder.js';
import { expr, term } from '../tensor/expr.js';

/**
 * AdamW with bias correction, decoupled decay and global-norm clipping, in exact integers, over the flat axis P of all
 * adapter parameters. Real counterpart (PyTorch) on a gradient g summed over N targets: g *= min(1/N, clip/||g||); m =
 * b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; theta -= lr wd theta + alpha_t m / (sqrt v + eps_t), alpha_t = lr
 * sqrt(1-b2^t)/(1-b1^t), eps_t = eps sqrt(1-b2^t). Decay takes theta from the compute copy: it differs from the master
 * copy by at most 2^-21, which lr wd brings far below the master copy's unit.
 *
 * Formats (fraction): g 26 (sum over targets), norm of g 26, c g 38, m 38, quotient 20, master 30, C 20; the factor c
 * has 2 w - 1 fraction bits with w as in `digitBits`; the rest follows from the fraction of v (momentFormats). A
 * gradient of 1e-7 is 27,488 units of c g.
 *
 * Every line is a relation of the builder, each with a unique witness for given inputs. Values carry their fractions,
 * so that the shifts follow from the formats below.
 */
export const ADAMW = {
  g: { bits: 37, frac: 26 },
  normBits: { 18: 49, 20: 51 },
  clipNBits: 51,
  denBits: 52,
  cg: { bits: 40, frac: 38 },
  m: { bits: 40, frac: 38 },
  vBits: 60,
  q: { bits: 26, frac: 20 },
  master: { bits: 34, frac: 30 },
  C: { bits: 25, frac: 20 },
  alphaFrac: 38,
  alphaBits: 34,
  decayFrac: 38,
  decayBits: 32,
  epsBits: 37,
  betaBits: 20,
  sigmaBits: 22,
  kappaBits: 30,
  /** Fraction of the constant 2 clip: that of the factor, of the norm and one bit more. */
  clipFrac: 66,
} as const;

/**
 * Integer constants of one run, at betaBits, kappaBits, sigmaBits and clipFrac fraction bits: beta1, which sums to one
 * with 1 - beta1 exactly; kappa = 1 - beta2; sigma = sqrt(1 - beta2); clip, or 0n for none.
 */
export interface AdamConstants {
  readonly beta1: bigint;
  readonly kappa: bigint;
  readonly sigma: bigint;
  readonly clip: bigint;
}

/**
 * Bits w of a digit of the gradient, of its norm and of the clip factor. Sums over n parameters of products of two
 * digits must stay below 2^63. Throws ProgramError for more parameters than the norm can be taken of.
 */
export function digitBits(n: number): 18 | 20 {
  if (n <= 2 ** 23) return 20;
  if (n <= 2 ** 25) return 18;
  throw new ProgramError(
    'clip',
    `${n} adapter parameters are too many for one norm, the limit is ${2 ** 25}: lower lora.r or name fewer lora.targets`,
  );
}

/**
 * Formats that follow from the fraction of the second moment (numbers.momentFrac, even): v below 2^(60 - fraction); gs
 * = sqrt(1 - beta2) c g in two digits, its square 16 bits finer than v; sqrt v; and the divisor sqrt v + eps_t.
 */
export function momentFormats(frac: number): {
  readonly v: Format;
  readonly gs: { readonly frac: number; readonly low: number; readonly high: number };
  readonly root: Format;
  readonly denFrac: number;
  readonly denBits: number;
} {
  const root = (frac + 2) / 2;
  return {
    v: { bits: ADAMW.vBits, frac, signed: false },
    gs: { frac: frac / 2 + 8, low: 19, high: 20 },
    root: { bits: 31, frac: root, signed: false },
    denFrac: root + 5,
    denBits: 38,
  };
}

/** Names of the public scalars of one step, in the order of the schedule row. */
export const SCHEDULE_SCALARS = ['alpha', 'decay', 'epsT', 'clipN', 'clipC'] as const;

const P = ['P'];

/** Declares the optimiser state that is entered: master copy and both moments over P. */
export function declareMoments(b: ProgramBuilder, momentFrac: number): void {
  b.witness('master', P, ADAMW.master, { cls: 'oIn' });
  b.witness('mm', P, ADAMW.m, { cls: 'oIn' });
  b.witness('vv', P, momentFormats(momentFrac).v, { cls: 'oIn' });
}

/** Declares a public scalar of the schedule, nonnegative. */
function scalar(b: ProgramBuilder, name: string, bits: number, frac: number): void {
  b.tensor(name, [], 'public', bounds({ bits, frac, signed: false }), { publicKind: 'dense' });
}

/**
 * Adds the update. `g` names the flat gradient (format ADAMW.g), whose bounds its digits establish. Declares state
 * tensors master, mm, vv (oIn), master2, mm2, vv2 (oOut) over P and expects the aliases `C` and `C2` over P to exist.
 * The state entered is proved to be in format here.
 */
export function adamwUpdate(b: ProgramBuilder, g: string, k: AdamConstants, momentFrac: number): void {
  const { v, denFrac } = momentFormats(momentFrac);
  scalar(b, 'alpha', ADAMW.alphaBits, ADAMW.alphaFrac);
  scalar(b, 'decay', ADAMW.decayBits, ADAMW.decayFrac);
  scalar(b, 'epsT', ADAMW.epsBits, denFrac);
  declareMoments(b, momentFrac);
  // The order of declaration is the order in the stack: state out must lie exactly as state in, or their roots could
  // not be equal.
  b.witness('master2', P, ADAMW.master, { cls: 'oOut' });
  b.witness('mm2', P, ADAMW.m, { cls: 'oOut' });
  b.witness('vv2', P, v, { cls: 'oOut' });
  b.phase = 'post';
  for (const [name, format] of [
    ['C', ADAMW.C],
    ['master', ADAMW.master],
    ['mm', ADAMW.m],
  ] as const)
    b.inFormat(name, format);
  clippedGradient(b, g, k);
  moments(b, k, momentFrac);
  newWeights(b, momentFrac);
}

/**
 * cg = c g with the factor c = clip / max(||g||, clip N), the norm exact; without clipping c is the public 1/N. The
 * product of more than 64 bits is taken by the digits of g: that of the lower one is rounded by 2^-w first.
 */
function clippedGradient(b: ProgramBuilder, g: string, k: AdamConstants): void {
  const n = b.axes['P'],
    w = digitBits(n),
    frac = 2 * w - 1,
    highBits = ADAMW.g.bits - w,
    { low, high } = b.digits(g, P, b.value(`${g}[P]`), { bits: w, highFormat: { bits: highBits, frac: 0 } });
  if (k.clip === 0n) scalar(b, 'clipC', 2 * w, frac);
  else {
    const { frac: at } = ADAMW.g;
    scalar(b, 'clipN', ADAMW.clipNBits, at);
    b.norm('norm', { low: `${g}.low`, high: `${g}.high`, axis: 'P', count: n, width: w, highBits, bits: ADAMW.normBits[w], frac: at });
    b.max('den', [], { bits: ADAMW.denBits, frac: at, signed: false }, [b.value('norm'), b.value('clipN')]);
    const spare = BigInt(ADAMW.clipFrac - (frac + at + 1));
    b.ratio('clipC', { twice: k.clip >> spare, den: 'den', denBits: ADAMW.denBits, denFrac: at, width: w, frac });
  }
  b.rounded('cgl', P, { bits: 2 * w, frac, signed: false }, expr([term(1, 'clipC', low)]), w);
  b.rounded('cg', P, ADAMW.cg, expr([term(1, 'clipC', high), term(1, 'cgl[P]')]), frac + ADAMW.g.frac - w - ADAMW.cg.frac);
}

/** m' = beta1 m + (1 - beta1) c g and v' = v - (1 - beta2) v + gs^2 with gs = sqrt(1 - beta2) c g. */
function moments(b: ProgramBuilder, k: AdamConstants, momentFrac: number): void {
  const F = ADAMW,
    { v, gs } = momentFormats(momentFrac),
    beta1 = Fixed.constant(k.beta1, F.betaBits),
    rest1 = Fixed.constant((1n << BigInt(F.betaBits)) - k.beta1, F.betaBits),
    [mm, cg] = ['mm[P]', 'cg[P]'].map((x) => b.value(x));
  b.round('mm2', P, beta1.times(mm).plus(rest1.times(cg)));
  b.inFormat('mm2', F.m);

  // kappa v in two halves, v = v1 2^30 + v0, and gs^2 in digits, gs = s1 2^19 + s0: all but kappa v0 - s0^2 are whole
  // units of v, and that is rounded.
  const half = F.vBits / 2,
    { low, high } = b.digits('gs', P, Fixed.constant(k.sigma, F.sigmaBits).times(cg), {
      bits: gs.low,
      highFormat: { bits: gs.high, frac: 0 },
      shift: F.sigmaBits + F.cg.frac - gs.frac,
    }),
    // Fraction bits that a square of gs has beyond those of v.
    spare = 2 * gs.frac - momentFrac,
    unit = (bits: number): bigint => 1n << BigInt(bits);
  b.split('vv', half, 'v0', 'v1');
  b.rounded(
    'vd',
    P,
    { bits: half + 2, frac: v.frac },
    expr([term(k.kappa, 'v0[P]'), term(-unit(F.kappaBits - spare), low, low)]),
    F.kappaBits,
  );
  b.round(
    'vv2',
    P,
    expr([
      term(1, 'vv[P]'),
      term(-(k.kappa << BigInt(half - F.kappaBits)), 'v1[P]'),
      term(-1, 'vd[P]'),
      term(unit(2 * gs.low - spare), high, high),
      term(unit(gs.low + 1 - spare), high, low),
    ]),
    0,
  );
  b.inFormat('vv2', v);
}

/** master' = master - alpha_t m' / (sqrt v' + eps_t) - lr wd C, and the compute copy C' = round(master'). */
function newWeights(b: ProgramBuilder, momentFrac: number): void {
  const F = ADAMW,
    { root, denFrac, denBits } = momentFormats(momentFrac);
  b.sqrt('sv', P, root, b.value('vv2[P]').atLeast(2 * root.frac), { nearest: true });
  const den = b.value('sv[P]').atLeast(denFrac).plus(b.value('epsT'));
  b.div('quo', P, F.q, b.value('mm2[P]').atLeast(F.q.frac + den.frac), den, denBits);
  const step = b.value('alpha').times(b.value('quo[P]')),
    decay = b.value('decay').times(b.value('C[P]'));
  b.round('master2', P, step.plus(decay).negated(), { base: 'master[P]' });
  b.inFormat('master2', F.master);
  b.round('C2', P, b.value('master2[P]'));
  b.inFormat('C2', F.C);
}
