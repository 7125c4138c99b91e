import { P } from '../../field/goldilocks.js';
import { DOMAIN, hashWords } from '../../hash/poseidon2.js';
import { InputError } from '../../errors.js';

/** Limits of what one epoch draws from a bin: inclusive, below 2^32. */
export interface Limits {
  readonly min: number;
  readonly max: number;
}

/** Quota of a bin in every epoch. Target tokens are the positions trained on. */
export interface Quota {
  readonly examples: Limits;
  readonly targets: Limits;
}

/** Largest count: counters and limits are ranged in 32 bits. */
export const MOST_COUNT = 2 ** 32 - 1;

/** No limit. */
export const FREE: Quota = { examples: { min: 0, max: MOST_COUNT }, targets: { min: 0, max: MOST_COUNT } };

/** Checks that limits are numbers of 32 bits in order. Throws InputError. */
export function checkQuotas(bins: readonly string[], quotas: readonly Quota[]): void {
  const problems: string[] = [];
  quotas.forEach((q, j) => {
    for (const kind of ['examples', 'targets'] as const) {
      const { min, max } = q[kind];
      if (![min, max].every((x) => Number.isSafeInteger(x) && x >= 0 && x <= MOST_COUNT))
        problems.push(`quota of ${bins[j]}: ${kind} must be whole numbers below 2^32`);
      else if (min > max) problems.push(`quota of ${bins[j]}: at least ${min} ${kind} and at most ${max}`);
    }
  });
  if (problems.length) throw new InputError('run.yaml', problems);
}

/** Words of quotas: least examples, least targets, most examples, most targets, bin by bin. */
export const quotaWords = (quotas: readonly Quota[]): bigint[] =>
  quotas.flatMap((q) => [q.examples.min, q.targets.min, q.examples.max, q.targets.max].map(BigInt));

/** Digest of quotas; zeros where there is no bin. */
export const quotasDigest = (quotas: readonly Quota[]): bigint[] =>
  quotas.length ? hashWords(DOMAIN.quotas, quotaWords(quotas)) : [0n, 0n, 0n, 0n];

/** What an epoch has drawn so far. */
export interface Counters {
  /** Per bin. */ readonly examples: readonly number[];
  readonly targets: readonly number[];
  /** Of the whole epoch. */ readonly allTargets: number;
  readonly loss: bigint;
}

export const zeroCounters = (bins: number): Counters => ({
  examples: Array<number>(bins).fill(0),
  targets: Array<number>(bins).fill(0),
  allTargets: 0,
  loss: 0n,
});

/** Adds a row of a class with these bins. */
export function count(c: Counters, bins: bigint, targets: number): Counters {
  const at = (j: number): number => Number((bins >> BigInt(j)) & 1n);
  return {
    examples: c.examples.map((x, j) => x + at(j)),
    targets: c.targets.map((x, j) => x + at(j) * targets),
    allTargets: c.allTargets + targets,
    loss: c.loss,
  };
}

/** Words of counters: examples and targets of every bin, targets of the epoch, loss of the epoch. */
export const counterWords = (c: Counters): bigint[] => [
  ...c.examples.flatMap((x, j) => [BigInt(x), BigInt(c.targets[j])]),
  BigInt(c.allTargets),
  ((c.loss % P) + P) % P,
];

/**
 * Digest of counters: blinded, since counts can be guessed. The blind of an epoch's start is zero, so that its digest
 * is a constant.
 */
export const countersDigest = (c: Counters, blind: readonly bigint[] = [0n, 0n, 0n, 0n]): bigint[] =>
  hashWords(DOMAIN.counters, [...counterWords(c), ...blind]);

/** A quota that does not hold. */
export interface Violation {
  readonly bin: number;
  readonly kind: 'examples' | 'targets';
  readonly limit: 'min' | 'max';
  readonly count: number;
  readonly bound: number;
}

/** First maximum exceeded, or with `whole` also the first minimum missed. */
export function violation(quotas: readonly Quota[], c: Counters, whole: boolean): Violation | undefined {
  for (let bin = 0; bin < quotas.length; bin++)
    for (const kind of ['examples', 'targets'] as const) {
      const count = c[kind][bin],
        { min, max } = quotas[bin][kind];
      if (count > max) return { bin, kind, limit: 'max', count, bound: max };
      if (whole && count < min) return { bin, kind, limit: 'min', count, bound: min };
    }
  return undefined;
}
