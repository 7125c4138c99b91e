import { cosFixed, isqrt, piFixed, rational } from '../field/fixedpoint.js';
import type { ScheduleRow } from '../optim/constants.js';

export interface ScheduleConfig {
  readonly steps: number;
  readonly learningRate: number;
  readonly schedule: 'constant' | 'linear' | 'cosine';
  readonly warmup: number;
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  readonly weightDecay: number;
}

const ONE = 1n << 96n;
const fix = (x: number): bigint => {
  const r = rational(x);
  return (2n * r.num * ONE + r.den) / (2n * r.den);
};
const mul = (a: bigint, b: bigint): bigint => (a * b) >> 96n;

/** Warm-up steps: a fraction below 1 is of all steps, rounded up. */
export const warmupSteps = (c: ScheduleConfig): number => (c.warmup < 1 ? Math.ceil(c.warmup * c.steps) : c.warmup);

/**
 * Rows of the schedule, values times 2^96: lr(s) = peak (s + 1)/w for s < w, then constant, linear to zero, or peak (1
 * + cos(pi (s - w)/(S - w)))/2; alpha = lr sqrt(1 - b2^t)/(1 - b1^t), eps = epsilon sqrt(1 - b2^t), decay = lr wd, t =
 * s + 1.
 */
export const scheduleRows = (c: ScheduleConfig): ScheduleRow[] => [...eachRow(c)];

/** Rows by number of step. */
export interface ScheduleRows {
  /** Undefined where there is no such step. */ at(step: number): ScheduleRow | undefined;
}

/**
 * The same rows, each made when it or a later one is asked for: a file may say that there are a million. Throws
 * HyperparameterError, here and not later.
 */
export function lazySchedule(c: ScheduleConfig): ScheduleRows {
  const rows = eachRow(c),
    made: ScheduleRow[] = [];
  const more = (): boolean => {
    const next = rows.next();
    if (!next.done) made.push(next.value);
    return !next.done;
  };
  more();
  return {
    at(step) {
      while (made.length <= step && more());
      return made[step];
    },
  };
}

/** The same rows one by one: none is kept. */
export function* eachRow(c: ScheduleConfig): Generator<ScheduleRow, void> {
  const peak = fix(c.learningRate),
    w = warmupSteps(c),
    b1 = fix(c.betas[0]),
    b2 = fix(c.betas[1]),
    eps = fix(c.epsilon),
    wd = fix(c.weightDecay),
    peaks = { alpha: peak, decay: mul(peak, wd) };
  let p1 = ONE,
    p2 = ONE;
  for (let s = 0; s < c.steps; s++) {
    p1 = mul(p1, b1);
    p2 = mul(p2, b2);
    let lr = peak;
    if (s < w) lr = (peak * BigInt(s + 1)) / BigInt(w);
    else if (c.schedule === 'linear') lr = (peak * BigInt(c.steps - s)) / BigInt(c.steps - w);
    else if (c.schedule === 'cosine') lr = mul(peak, (ONE + cosFixed((piFixed(96) * BigInt(s - w)) / BigInt(c.steps - w), 96)) >> 1n);
    const root = isqrt((ONE - p2) << 96n);
    yield { lr, alpha: (mul(lr, root) << 96n) / (ONE - p1), eps: mul(eps, root), decay: mul(lr, wd), peak: peaks };
  }
}
