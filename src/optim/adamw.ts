import { ProgramError } from '../tensor/bounds.js';
import { type ProgramBuilder, expr, term } from '../tensor/builder.js';

/**
 * AdamW with bias correction, decoupled decay and global-norm clipping, in exact integers, over the flat axis P of all adapter
 * parameters. Real counterpart (PyTorch): g *= min(1/N, clip/||sum g||); m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
 * theta -= lr wd theta + alpha_t m / (sqrt v + eps_t), alpha_t = lr sqrt(1-b2^t)/(1-b1^t), eps_t = eps sqrt(1-b2^t).
 *
 * Formats (fraction): g 24 (sum over targets), c 24, c g 30, gs = sqrt(1-b2) c g 30, m 34, v 60, sqrt v 31, denominator 35,
 * quotient 20, master 30, C 20. A gradient of 1e-6 has gs = 240 units of 2^-30 and v = 57,600 units of 2^-60.
 *
 * Every line is a Round, Zero, sqrt or div of the builder, each with a unique witness for given inputs.
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
} as const;

/** Integer constants of one run: beta1 and 1 - beta1 sum to 2^20 exactly; sigma = sqrt(1 - beta2); kappa = (1 - beta2) 2^24. */
export interface AdamConstants {
  readonly beta1: bigint;
  readonly kappa: bigint;
  readonly sigma: bigint /** clip * 2^34 (multiple of 2^10), or 0n for none */;
  readonly clip: bigint;
}

/** Names of the public scalars of one step, in the order of the schedule row. */
export const SCHEDULE_SCALARS = ['alpha', 'decay', 'epsT', 'clipN', 'clipC'] as const;

/** Declares the optimiser state that is entered: master copy and both moments over P. Returns the bounds of the second moment. */
export function declareMoments(b: ProgramBuilder): { lo: bigint; hi: bigint; frac: number } {
  const P = ['P'],
    vBounds = { lo: 0n, hi: (1n << BigInt(ADAMW.vBits)) - 1n, frac: ADAMW.vFrac };
  b.witness('master', P, ADAMW.master, { cls: 'oIn' });
  b.witness('mm', P, ADAMW.m, { cls: 'oIn' });
  b.tensor('vv', P, 'oIn', vBounds);
  return vBounds;
}

/**
 * Adds the update. `g` names the flat gradient (format ADAMW.g). Declares state tensors master, mm, vv (oIn), master2, mm2, vv2 (oOut)
 * over P and expects the C' alias `C2` over P to exist.
 */
export function adamwUpdate(b: ProgramBuilder, g: string, k: AdamConstants): void {
  const P = ['P'],
    n = b.axes['P'];
  const F = ADAMW;
  const scalar = (name: string, hi: bigint, frac: number): void =>
    b.tensor(name, [], 'public', { lo: 0n, hi, frac }, { publicKind: 'dense' });
  scalar('alpha', (1n << BigInt(F.alphaBits)) - 1n, F.alphaFrac);
  scalar('decay', (1n << BigInt(F.decayBits)) - 1n, F.decayFrac);
  scalar('epsT', (1n << BigInt(F.epsBits)) - 1n, F.epsFrac);
  const vBounds = declareMoments(b);
  // The order of declaration is the order in the stack: state out must lie exactly as state in, or their roots could not be equal.
  b.witness('master2', P, F.master, { cls: 'oOut' });
  b.witness('mm2', P, F.m, { cls: 'oOut' });
  b.tensor('vv2', P, 'oOut', vBounds);
  b.phase = 'post';

  // Clip factor c: one division by max(norm, clip N), which is min(1/N, clip/norm). Without clipping c is the public 1/N.
  if (k.clip > 0n) {
    const bits = Math.min(22, 31 - Math.ceil(Math.log2(n + 1) / 2));
    const frac = clipFraction(n);
    if (bits < 12) throw new ProgramError('clip', `${n} parameters are too many for one norm`);
    scalar('clipN', (1n << 31n) - 1n, frac);
    b.rounded('gn', P, { bits, frac }, expr([term(1, `${g}[P]`)]), F.g.frac - frac);
    b.sqrt('norm', [], 31, frac, expr([term(1, 'gn[P]', 'gn[P]')]));
    // den = max(norm, clipN): at least both, and (den - norm)(den - clipN) = 0 in a field, hence equal to one of them.
    b.witness('den', [], { bits: 31, frac, signed: false });
    b.step('den', [], { op: 'max', out: { tensor: 'den', access: [] }, a: expr([term(1, 'norm')]), b: expr([term(1, 'clipN')]) });
    b.inFormat('den', { bits: 31, frac, signed: false });
    b.range('den.overNorm', [], expr([term(1, 'den'), term(-1, 'norm')]), 31);
    b.range('den.overClip', [], expr([term(1, 'den'), term(-1, 'clipN')]), 31);
    b.zero('den.oneOf', [], expr([term(1, 'den', 'den'), term(-1, 'den', 'norm'), term(-1, 'den', 'clipN'), term(1, 'norm', 'clipN')]));
    b.div(
      'clipC',
      [],
      { bits: F.c + 1, frac: F.c, signed: false },
      expr([], k.clip << BigInt(F.c + frac - 34)),
      expr([term(1, 'den')]),
      31,
      { frac },
    );
  } else {
    b.tensor('clipC', [], 'public', { lo: 0n, hi: 1n << BigInt(F.c), frac: F.c }, { publicKind: 'dense' });
  }
  b.rounded('cg', P, F.cg, expr([term(1, 'clipC', `${g}[P]`)]), F.c + F.g.frac - F.cg.frac);
  b.rounded('gs', P, F.gs, expr([term(k.sigma, 'cg[P]')]), F.sigmaBits);

  // m' = round(beta1 m + (1 - beta1) c g)
  b.round(
    'mm2',
    P,
    expr([term(k.beta1, 'mm[P]'), term(((1n << BigInt(F.betaBits)) - k.beta1) << BigInt(F.m.frac - F.cg.frac), 'cg[P]')]),
    F.betaBits,
  );
  b.inFormat('mm2', F.m);

  // v' = v - kappa v1 2^6 - round(kappa v0 / 2^24) + gs^2 with v = v1 2^30 + v0: the product kappa v is taken in two halves.
  const half = { bits: 30, frac: F.vFrac, signed: false } as const;
  for (const [name, shift] of [
    ['v0', 0],
    ['v1', 30],
  ] as const) {
    b.witness(name, P, { ...half, frac: F.vFrac - shift });
    b.step(name, P, { op: 'limb', out: { tensor: name, access: [{ axis: 'P' }] }, expr: expr([term(1, 'vv[P]')]), shift, bits: 30 });
    b.inFormat(name, half);
  }
  b.zero('vv.split', P, expr([term(1, 'vv[P]'), term(-1, 'v0[P]'), term(-(1n << 30n), 'v1[P]')]));
  b.rounded('vd', P, half, expr([term(k.kappa, 'v0[P]')]), F.kappaBits);
  b.round('vv2', P, expr([term(1, 'vv[P]'), term(-(k.kappa << 6n), 'v1[P]'), term(-1, 'vd[P]'), term(1, 'gs[P]', 'gs[P]')]), 0);
  b.inFormat('vv2', { bits: F.vBits, frac: F.vFrac, signed: false });
  b.sqrt('sv', P, 31, 31, expr([term(4, 'vv2[P]')]));

  // q = floor(m' 2^21 / (16 sqrt v + eps_t))
  b.div('quo', P, F.q, expr([term(1n << 21n, 'mm2[P]')]), expr([term(16, 'sv[P]'), term(1, 'epsT')]), 37, { frac: F.epsFrac });

  // master' = master - round(alpha_t q + lr wd master), C' = round(master')
  b.round('master2', P, expr([term(-1, 'alpha', 'quo[P]'), term(-1, 'decay', 'master[P]')]), F.decayFrac, { base: 'master[P]' });
  b.inFormat('master2', F.master);
  b.round('C2', P, expr([term(1, 'master2[P]')]), F.master.frac - F.C.frac);
  b.inFormat('C2', F.C);
}

/** Fraction bits of the gradient's norm for n parameters: its square must stay below 2^62. */
export function clipFraction(n: number): number {
  return 10 - (22 - Math.min(22, 31 - Math.ceil(Math.log2(n + 1) / 2)));
}
