import { isqrt } from '../field/fixedpoint.js';
import { ADAMW, type AdamConstants, clipFraction } from './adamw.js';

/** A hyper-parameter that the integer formats cannot represent. */
export class HyperparameterError extends Error {
  constructor(
    readonly key: string,
    message: string,
  ) {
    super(`${key}: ${message}`);
    this.name = 'HyperparameterError';
  }
}

/** Decimal text of a number as an exact fraction: what the user wrote, not its binary neighbour. */
export function rational(x: number): { num: bigint; den: bigint } {
  const m = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(String(x));
  if (!m) throw new HyperparameterError(String(x), 'not a finite decimal');
  let num = BigInt(m[2] + (m[3] ?? '')),
    den = 1n;
  const e = Number(m[4] ?? 0) - (m[3]?.length ?? 0);
  if (e >= 0) num *= 10n ** BigInt(e);
  else den = 10n ** BigInt(-e);
  return { num: m[1] ? -num : num, den };
}

const roundDiv = (a: bigint, b: bigint): bigint => (2n * a + b) / (2n * b);

/** Integer constants of AdamW from the manifest's decimals. Formulas in src/optim/adamw.ts. */
export function adamConstants(betas: readonly [number, number], clip: number): AdamConstants {
  const b1 = rational(betas[0]),
    b2 = rational(betas[1]),
    c = rational(clip);
  for (const [k, b] of [
    ['betas[0]', b1],
    ['betas[1]', b2],
  ] as const)
    if (b.num < 0n || b.num >= b.den) throw new HyperparameterError(`train.${k}`, 'must be in [0, 1)');
  const one2 = { num: b2.den - b2.num, den: b2.den };
  const kappa = roundDiv(one2.num << BigInt(ADAMW.kappaBits), one2.den);
  const sigma = isqrt((one2.num << BigInt(2 * ADAMW.sigmaBits)) / one2.den);
  if (kappa < 16n) throw new HyperparameterError('train.betas[1]', 'closer to 1 than 2^-20 cannot be represented');
  return { beta1: roundDiv(b1.num << BigInt(ADAMW.betaBits), b1.den), kappa, sigma, clip: (roundDiv(c.num << 34n, c.den) >> 10n) << 10n };
}

/** A row of the schedule as exact reals times 2^96: lr, alpha_t, eps_t, lr * wd. */
export interface ScheduleRow {
  readonly lr: bigint;
  readonly alpha: bigint;
  readonly eps: bigint;
  readonly decay: bigint;
}

/** The public scalars of one update: names of SCHEDULE_SCALARS with their integers. `parameters` fixes the norm's fraction. */
export function scheduleScalars(row: ScheduleRow, count: number, clip: number, parameters: number, step: number): Record<string, bigint> {
  const at = (x: bigint, frac: number): bigint => (x + (1n << BigInt(95 - frac))) >> BigInt(96 - frac);
  const out: Record<string, bigint> = {
    alpha: at(row.alpha, ADAMW.alphaFrac),
    decay: at(row.decay, ADAMW.decayFrac),
    epsT: at(row.eps, ADAMW.epsFrac),
  };
  if (out.epsT < 1n)
    throw new HyperparameterError(
      'train.epsilon',
      `times sqrt(1 - betas[1]^${step + 1}) is below one unit of 2^-${ADAMW.epsFrac}, so that the divisor could vanish: raise it by a factor of ${row.eps === 0n ? 'any size above 0' : Math.ceil(2 ** (95 - ADAMW.epsFrac) / Number(row.eps))}`,
    );
  if (out.alpha >= 1n << BigInt(ADAMW.alphaBits)) {
    const rate = Number(out.alpha) / 2 ** ADAMW.alphaFrac;
    throw new HyperparameterError(
      'train.learningRate',
      `with bias correction the rate of step ${step} is ${rate.toPrecision(3)}, the limit is ${2 ** (ADAMW.alphaBits - ADAMW.alphaFrac)}: lower it by a factor of ${Math.ceil((10 * rate) / 2 ** (ADAMW.alphaBits - ADAMW.alphaFrac)) / 10}, or warm up`,
    );
  }
  if (count < 1) throw new HyperparameterError('data', `step ${step} has no target tokens`);
  if (clip > 0) {
    const c = rational(clip);
    out.clipN = roundDiv((c.num * BigInt(count)) << BigInt(clipFraction(parameters)), c.den);
    if (out.clipN >= 1n << 31n || out.clipN < 1n)
      throw new HyperparameterError('train.clip', `clip times ${count} targets does not fit 31 bits`);
  } else out.clipC = (1n << BigInt(ADAMW.c)) / BigInt(count);
  return out;
}
