import { isqrt, rational, roundDiv } from '../field/fixedpoint.js';
import { ADAMW, type AdamConstants, digitBits, momentFormats } from './adamw.js';

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

/**
 * Greatest relative error that rounding a real constant of the optimiser to its integer may have; a larger one is
 * refused by name. The manifest declares them. Rate and decay are compared with the largest that the run has, so that
 * the first steps of a warm-up and the last of a cosine may be
 * coarser: what all steps together move is what the budget bounds.
 */
export const CONSTANT_BUDGETS = {
  /** beta1 and 1 - beta1, 1 - beta2, sqrt(1 - beta2). */
  betas: 2 ** -10,
  /** alpha_t, the rate with bias correction; lr times weight decay. */
  rate: 2 ** -10,
  decay: 2 ** -8,
  /** eps_t, which matters only where sqrt v is as small. */
  epsilon: 2 ** -4,
  /** clip times targets. */
  clip: 2 ** -16,
} as const;

/** Relative error of an integer for the real num / den, which is not zero. */
function relativeError(integer: bigint, num: bigint, den: bigint): number {
  const off = integer * den - num;
  return Number(((off < 0n ? -off : off) << 64n) / (num < 0n ? -num : num)) / 2 ** 64;
}

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
  const at = (x: { num: bigint; den: bigint }, bits: number): bigint => roundDiv(x.num << BigInt(bits), x.den),
    rest = (x: { num: bigint; den: bigint }): { num: bigint; den: bigint } => ({ num: x.den - x.num, den: x.den });
  const beta1 = at(b1, ADAMW.betaBits),
    kappa = at(rest(b2), ADAMW.kappaBits),
    // sqrt(1 - beta2) to nearest: the floor of the root with one bit more, plus one, halved.
    sigma = (isqrt((rest(b2).num << BigInt(2 * ADAMW.sigmaBits + 2)) / b2.den) + 1n) >> 1n;
  const within = (key: string, integer: bigint, bits: number, x: { num: bigint; den: bigint }): void => {
    if (x.num !== 0n && relativeError(integer, x.num << BigInt(bits), x.den) > CONSTANT_BUDGETS.betas)
      throw new HyperparameterError(
        key,
        `1 minus it is off by more than ${CONSTANT_BUDGETS.betas} of itself in units of 2^-${bits}: take one further from ${x === b1 ? 0 : 1}`,
      );
  };
  within('train.betas[0]', beta1, ADAMW.betaBits, b1);
  within('train.betas[0]', (1n << BigInt(ADAMW.betaBits)) - beta1, ADAMW.betaBits, rest(b1));
  within('train.betas[1]', kappa, ADAMW.kappaBits, rest(b2));
  within('train.betas[1]', sigma * sigma, 2 * ADAMW.sigmaBits, rest(b2));
  return { beta1, kappa, sigma, clip: at(c, ADAMW.clipFrac) };
}

/** A row of the schedule as exact reals times 2^96: lr, alpha_t, eps_t, lr * wd. */
export interface ScheduleRow {
  readonly lr: bigint;
  readonly alpha: bigint;
  readonly eps: bigint;
  readonly decay: bigint;
  /** What the errors of rounding are compared with: the run's peak rate, and that times the decay. */
  readonly peak: { readonly alpha: bigint; readonly decay: bigint };
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

/** Names of the scalars that a row of the schedule gives, in the order of the schedule's table. */
export const ROW_SCALARS = ['alpha', 'decay', 'epsT'] as const;

/**
 * The public scalars of one update that the schedule gives. Throws HyperparameterError where one leaves its format, or
 * is rounded by more than its
 * budget: as a word of 64 bits a decay of 2^64 would be none.
 */
export function rowScalars(row: ScheduleRow, momentFrac: number, step: number): Record<'alpha' | 'decay' | 'epsT', bigint> {
  const { denFrac } = momentFormats(momentFrac),
    at = (x: bigint, frac: number): bigint => (x + (1n << BigInt(95 - frac))) >> BigInt(96 - frac),
    out = { alpha: at(row.alpha, ADAMW.alphaFrac), decay: at(row.decay, ADAMW.decayFrac), epsT: at(row.eps, denFrac) };
  if (out.epsT < 1n)
    throw new HyperparameterError(
      'train.epsilon',
      `times sqrt(1 - betas[1]^${step + 1}) is below one unit of 2^-${denFrac}, so that the divisor could vanish: raise it by a factor of ${row.eps === 0n ? 'any size above 0' : Math.ceil(2 ** (95 - denFrac) / Number(row.eps))}`,
    );
  const exact = (key: string, what: string, integer: bigint, real: bigint, peak: bigint, frac: number, budget: number): void => {
    const off = (integer << BigInt(96 - frac)) - real,
      size = off < 0n ? -off : off;
    if (real === 0n || Number(size) <= budget * Number(real > peak ? real : peak)) return;
    throw new HyperparameterError(
      key,
      `${what} ${(Number(real) / 2 ** 96).toPrecision(3)} of step ${step} ${integer === 0n ? 'rounds to zero' : `would be off by ${(Number(size) / Number(real)).toPrecision(2)} of itself, more than ${budget}`}: in units of 2^-${frac} it is too small, raise it or set it to zero`,
    );
  };
  exact('train.learningRate', 'the rate', out.alpha, row.alpha, row.peak.alpha, ADAMW.alphaFrac, CONSTANT_BUDGETS.rate);
  exact('train.weightDecay', 'rate times decay', out.decay, row.decay, row.peak.decay, ADAMW.decayFrac, CONSTANT_BUDGETS.decay);
  exact('train.epsilon', 'epsilon', out.epsT, row.eps, row.eps, denFrac, CONSTANT_BUDGETS.epsilon);
  fits('train.learningRate', `with bias correction the rate of step ${step}`, out.alpha, ADAMW.alphaBits, ADAMW.alphaFrac, ', or warm up');
  fits('train.weightDecay', `times the rate of step ${step} it`, out.decay, ADAMW.decayBits, ADAMW.decayFrac, '');
  fits('train.epsilon', `times sqrt(1 - betas[1]^${step + 1}) it`, out.epsT, ADAMW.epsBits, denFrac, '');
  return out;
}

/**
 * The scalar that depends on the number of targets is an integer function of it, which leaves prove (recursion/policy/
 * schedule.ts):
 *
 *   clipN = floor((K count + 2^(s-1)) / 2^s),       s = CLIP.shift, K = clipConstant(clip): clip times targets
 *   clipC = floor((2^(2w) + count) / (2 count)),    without clipping: 1 / targets, rounded
 *
 * Both sides of their relations must stay below 2^63, whatever the count: `mostTargets` bounds it.
 */
export const CLIP = {
  /** Fraction bits of K: those of clipN and of the shift. */ frac: ADAMW.g.frac + 12,
  shift: 12,
  /** Targets of a step at most, without clipping. */ unclipped: 2 ** 22,
} as const;

/** The constant K of a run; 0n for no clipping. */
export function clipConstant(clip: number): bigint {
  const c = rational(clip);
  return roundDiv(c.num << BigInt(CLIP.frac), c.den);
}

/**
 * Checks that the clip scalar of a step with at most so many targets has a relation that does not wrap. Throws
 * HyperparameterError.
 */
export function checkClip(clip: number, mostTargets: number): void {
  const at = 'train.batch times train.sequence';
  if (clip === 0) {
    if (mostTargets > CLIP.unclipped)
      throw new HyperparameterError(
        'train.clip',
        `without it ${at} is at most ${CLIP.unclipped}, it is ${mostTargets}: set it, or lower them`,
      );
  } else if (clipConstant(clip) * BigInt(mostTargets) + (1n << BigInt(CLIP.shift)) >= 1n << 63n || mostTargets >= 2 ** 32)
    throw new HyperparameterError(
      'train.clip',
      `times ${at} it is ${clip * mostTargets}, the limit is ${2 ** (ADAMW.clipNBits - ADAMW.g.frac)}: lower it, or train.batch`,
    );
}

/** clipN or clipC of a number of targets of at least one; formats are for the caller to check. */
const clipScalar = (clip: number, count: bigint, parameters: number): bigint =>
  clip === 0
    ? roundDiv(1n << BigInt(2 * digitBits(parameters) - 1), count)
    : (clipConstant(clip) * count + (1n << BigInt(CLIP.shift - 1))) >> BigInt(CLIP.shift);

/**
 * The public scalars of one update: names of SCHEDULE_SCALARS with their integers. `count` is the number of targets of
 * the step, `parameters` and `momentFrac` decide formats. Throws HyperparameterError.
 */
export function scheduleScalars(
  row: ScheduleRow,
  count: number,
  clip: number,
  o: { readonly parameters: number; readonly momentFrac: number },
  step: number,
): Record<string, bigint> {
  if (count < 1) throw new HyperparameterError('data', `step ${step} has no target tokens`);
  const out: Record<string, bigint> = rowScalars(row, o.momentFrac, step),
    targets = BigInt(count) << BigInt(ADAMW.g.frac);
  if (clip === 0) {
    out.clipC = clipScalar(clip, BigInt(count), o.parameters);
    return out;
  }
  const c = rational(clip);
  out.clipN = clipScalar(clip, BigInt(count), o.parameters);
  if (out.clipN >= 1n << BigInt(ADAMW.clipNBits))
    throw new HyperparameterError(
      'train.clip',
      `clip times the ${count} targets of step ${step} is ${clip * count}, the limit is ${2 ** (ADAMW.clipNBits - ADAMW.g.frac)}: lower it, or train.batch`,
    );
  if (relativeError(out.clipN, c.num * targets, c.den) > CONSTANT_BUDGETS.clip)
    throw new HyperparameterError(
      'train.clip',
      `clip times the ${count} targets of step ${step} is ${(clip * count).toPrecision(3)}, below what 2^-${ADAMW.g.frac} resolves: raise it, or set it to 0 for none`,
    );
  return out;
}
