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
  const beta1 = roundDiv(b1.num << BigInt(ADAMW.betaBits), b1.den);
  if (beta1 === 1n << BigInt(ADAMW.betaBits))
    throw new HyperparameterError('train.betas[0]', 'closer to 1 than 2^-21 rounds to 1, and no gradient would count');
  return { beta1, kappa, sigma, clip: (roundDiv(c.num << 34n, c.den) >> 10n) << 10n };
}

/** A row of the schedule as exact reals times 2^96: lr, alpha_t, eps_t, lr * wd. */
export interface ScheduleRow {
  readonly lr: bigint;
  readonly alpha: bigint;
  readonly eps: bigint;
  readonly decay: bigint;
}

/** What has to become smaller, and how much, where a scalar leaves its format. */
function fits(key: string, what: string, x: bigint, bits: number, frac: number, remedy: string): void {
  if (x < 1n << BigInt(bits)) return;
  const value = Number(x) / 2 ** frac,
    limit = 2 ** (bits - frac);
  throw new HyperparameterError(
    key,
    `${what} is ${value.toPrecision(3)}, the limit is ${limit}: lower it by a factor of ${Math.ceil((10 * value) / limit) / 10}${remedy}`,
  );
}

/**
 * The public scalars of one update: names of SCHEDULE_SCALARS with their integers. `parameters` fixes the norm's fraction. Throws HyperparameterError where one leaves its format, which is
 * told here: as a word of 64 bits a decay of 2^64 would be none.
 */
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
  fits('train.learningRate', `with bias correction the rate of step ${step}`, out.alpha, ADAMW.alphaBits, ADAMW.alphaFrac, ', or warm up');
  fits('train.weightDecay', `times the rate of step ${step} it`, out.decay, ADAMW.decayBits, ADAMW.decayFrac, '');
  fits('train.epsilon', `times sqrt(1 - betas[1]^${step + 1}) it`, out.epsT, ADAMW.epsBits, ADAMW.epsFrac, '');
  if (count < 1) throw new HyperparameterError('data', `step ${step} has no target tokens`);
  if (clip > 0) {
    const c = rational(clip);
    out.clipN = roundDiv((c.num * BigInt(count)) << BigInt(clipFraction(parameters)), c.den);
    if (out.clipN >= 1n << 31n || out.clipN < 1n)
      throw new HyperparameterError('train.clip', `clip times ${count} targets does not fit 31 bits`);
  } else out.clipC = (1n << BigInt(ADAMW.c)) / BigInt(count);
  return out;
}
