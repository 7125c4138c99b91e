import { ProgramError } from '../tensor/bounds.js';
import { Fixed, type Format, type ProgramBuilder, bounds } from '../tensor/builder.js';

/**
 * AdamW with bias correction, decoupled decay and global-norm clipping, in exact integers, over the flat axis P of all adapter
 * parameters. Real counterpart (PyTorch): g *= min(1/N, clip/||sum g||); m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
 * theta -= lr wd theta + alpha_t m / (sqrt v + eps_t), alpha_t = lr sqrt(1-b2^t)/(1-b1^t), eps_t = eps sqrt(1-b2^t).
 *
 * Formats (fraction): g 24 (sum over targets), c 24, c g 30, gs = sqrt(1-b2) c g 30, m 34, v 60, sqrt v 31, denominator 35,
 * quotient 20, master 30, C 20. A gradient of 1e-6 has gs = 240 units of 2^-30 and v = 57,600 units of 2^-60.
 *
 * Every line is a relation of the builder, each with a unique witness for given inputs. Values carry their fractions, so that the shifts
 * follow from the formats below.
 */
export const ADAMW = {
  g: { bits: 36, frac: 24 },
  c: 24,
  cg: { bits: 32, frac: 30 },
  gs: { bits: 32, frac: 30 },
  m: { bits: 36, frac: 34 },
  vFrac: 60,
  vBits: 60,
  q: { bits: 26, frac: 20 },
  master: { bits: 34, frac: 30 },
  C: { bits: 25, frac: 20 },
  alphaFrac: 38,
  alphaBits: 34,
  decayFrac: 28,
  decayBits: 22,
  epsFrac: 35,
  epsBits: 36,
  betaBits: 20,
  sigmaBits: 20,
  kappaBits: 24,
  clipFrac: 34,
} as const;

/**
 * Integer constants of one run, at betaBits, kappaBits, sigmaBits and clipFrac fraction bits: beta1, which sums to one with 1 - beta1 exactly;
 * kappa = 1 - beta2; sigma = sqrt(1 - beta2); clip, a multiple of 2^10, or 0n for none.
 */
export interface AdamConstants {
  readonly beta1: bigint;
  readonly kappa: bigint;
  readonly sigma: bigint;
  readonly clip: bigint;
}

/** Names of the public scalars of one step, in the order of the schedule row. */
export const SCHEDULE_SCALARS = ['alpha', 'decay', 'epsT', 'clipN', 'clipC'] as const;

const P = ['P'];
/** The second moment, nonnegative. */
const V: Format = { bits: ADAMW.vBits, frac: ADAMW.vFrac, signed: false };

/** Declares the optimiser state that is entered: master copy and both moments over P. */
export function declareMoments(b: ProgramBuilder): void {
  b.witness('master', P, ADAMW.master, { cls: 'oIn' });
  b.witness('mm', P, ADAMW.m, { cls: 'oIn' });
  b.witness('vv', P, V, { cls: 'oIn' });
}

/** Declares a public scalar of the schedule, nonnegative. */
function scalar(b: ProgramBuilder, name: string, bits: number, frac: number): void {
  b.tensor(name, [], 'public', bounds({ bits, frac, signed: false }), { publicKind: 'dense' });
}

/**
 * Adds the update. `g` names the flat gradient (format ADAMW.g). Declares state tensors master, mm, vv (oIn), master2, mm2, vv2 (oOut)
 * over P and expects the C' alias `C2` over P to exist.
 */
export function adamwUpdate(b: ProgramBuilder, g: string, k: AdamConstants): void {
  scalar(b, 'alpha', ADAMW.alphaBits, ADAMW.alphaFrac);
  scalar(b, 'decay', ADAMW.decayBits, ADAMW.decayFrac);
  scalar(b, 'epsT', ADAMW.epsBits, ADAMW.epsFrac);
  declareMoments(b);
  // The order of declaration is the order in the stack: state out must lie exactly as state in, or their roots could not be equal.
  b.witness('master2', P, ADAMW.master, { cls: 'oOut' });
  b.witness('mm2', P, ADAMW.m, { cls: 'oOut' });
  b.witness('vv2', P, V, { cls: 'oOut' });
  b.phase = 'post';
  clipFactor(b, g, k);
  b.rounded('cg', P, ADAMW.cg, b.value('clipC').times(b.value(`${g}[P]`)));
  moments(b, k);
  newWeights(b);
}

/** The factor c = min(1/N, clip/norm) on gradients: one division of clip by max(norm, clip N). Without clipping c is the public 1/N. */
function clipFactor(b: ProgramBuilder, g: string, k: AdamConstants): void {
  const { c } = ADAMW;
  if (k.clip === 0n) {
    b.tensor('clipC', [], 'public', { lo: 0n, hi: 1n << BigInt(c), frac: c }, { publicKind: 'dense' });
    return;
  }
  const n = b.axes['P'],
    bits = Math.min(22, 31 - Math.ceil(Math.log2(n + 1) / 2)),
    norm: Format = { bits: 31, frac: clipFraction(n), signed: false };
  if (bits < 12) throw new ProgramError('clip', `${n} parameters are too many for one norm`);
  scalar(b, 'clipN', norm.bits, norm.frac);
  b.rounded('gn', P, { bits, frac: norm.frac }, b.value(`${g}[P]`));
  const gn = b.value('gn[P]');
  b.sqrt('norm', [], norm, gn.times(gn));
  b.max('den', [], norm, [
    ['Norm', b.value('norm')],
    ['Clip', b.value('clipN')],
  ]);
  // The constant is a multiple of what is shifted away.
  const frac = c + norm.frac,
    clip = Fixed.constant(k.clip >> BigInt(ADAMW.clipFrac - frac), frac);
  b.div('clipC', [], { bits: c + 1, frac: c, signed: false }, clip, b.value('den'), norm.bits);
}

/** m' = beta1 m + (1 - beta1) c g and v' = v - (1 - beta2) v + gs^2 with gs = sqrt(1 - beta2) c g. */
function moments(b: ProgramBuilder, k: AdamConstants): void {
  const F = ADAMW,
    beta1 = Fixed.constant(k.beta1, F.betaBits),
    rest1 = Fixed.constant((1n << BigInt(F.betaBits)) - k.beta1, F.betaBits),
    kappa = Fixed.constant(k.kappa, F.kappaBits),
    [mm, vv, cg] = ['mm[P]', 'vv[P]', 'cg[P]'].map((x) => b.value(x));
  b.rounded('gs', P, F.gs, Fixed.constant(k.sigma, F.sigmaBits).times(cg));
  b.round('mm2', P, beta1.times(mm).plus(rest1.times(cg)));
  b.inFormat('mm2', F.m);

  // The product kappa v is taken in two halves, v = v1 2^30 + v0: that of the higher one is exact, that of the lower one is rounded.
  const half = F.vBits / 2;
  b.split('vv', half, 'v0', 'v1');
  b.rounded('vd', P, { bits: half, frac: F.vFrac, signed: false }, kappa.times(b.value('v0[P]')));
  const gs = b.value('gs[P]');
  b.round('vv2', P, vv.minus(kappa.times(b.value('v1[P]')), b.value('vd[P]')).plus(gs.times(gs)));
  b.inFormat('vv2', V);
}

/** master' = master - alpha_t m' / (sqrt v' + eps_t) - lr wd master, and the compute copy C' = round(master'). */
function newWeights(b: ProgramBuilder): void {
  const F = ADAMW,
    root: Format = { bits: 31, frac: 31, signed: false };
  b.sqrt('sv', P, root, b.value('vv2[P]').atLeast(2 * root.frac));
  const den = b.value('sv[P]').atLeast(F.epsFrac).plus(b.value('epsT'));
  b.div('quo', P, F.q, b.value('mm2[P]').atLeast(F.q.frac + den.frac), den, 37);
  const step = b.value('alpha').times(b.value('quo[P]')),
    decay = b.value('decay').times(b.value('master[P]'));
  b.round('master2', P, step.plus(decay).negated(), { base: 'master[P]' });
  b.inFormat('master2', F.master);
  b.round('C2', P, b.value('master2[P]'));
  b.inFormat('C2', F.C);
}

/** Fraction bits of the gradient's norm for n parameters: its square must stay below 2^62. */
export function clipFraction(n: number): number {
  return 10 - (22 - Math.min(22, 31 - Math.ceil(Math.log2(n + 1) / 2)));
}
