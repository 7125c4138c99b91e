import { DOMAIN } from '../../hash/poseidon2.js';
import { InputError } from '../../errors.js';
import { tableLevels } from '../table.js';
import { type OrderShape, orderShape, quotientBound } from './radices.js';

/*
 * Strata partition the rows of a dataset; every epoch draws exactly n_c rows of stratum c, at places that a permutation
 * of all n = sum n_c draws gives, and uses a stratum's rows evenly: pass by pass each once, over epochs too. The tree
 * is sorted by stratum: rows [o_c, o_c + N_c).
 *
 *   u = sigma_e(k), s_c <= u < s_c + n_c, j = u - s_c;   e n_c + j = pass N_c + i, 0 <= i < N_c;
 *          row = o_c + sigma_(c, pass)(i)
 */

/** What a run declares of a stratum. */
export interface StratumPlan {
  readonly name: string;
  /** Rows of the dataset. */ readonly rows: number;
  /** Draws per epoch. */ readonly perEpoch: number;
}

export interface Stratum extends StratumPlan {
  /** First place of the epoch before the outer permutation. */ readonly start: number;
  /** First row in the tree. */ readonly offset: number;
  readonly shape: OrderShape;
  /** Most passes that one epoch touches. */ readonly passes: number;
}

const gcd = (a: number, b: number): number => (b ? gcd(b, a % b) : a);

/** Sum of floor((a i + b) / m) over 0 <= i < n, by Euclid's steps on a and m: as many as the digits of m, not n. */
function floorSum(n: bigint, m: bigint, a: bigint, b: bigint): bigint {
  let sum = 0n;
  for (;;) {
    // Whole parts of a and b are summed at once.
    sum += (a / m) * ((n * (n - 1n)) / 2n) + (b / m) * n;
    a %= m;
    b %= m;
    // What is left counts lattice points below a line, which are counted along the other axis.
    const top = a * n + b;
    if (top < m) return sum;
    n = top / m;
    b = top % m;
    [m, a] = [a, m];
  }
}

/**
 * Most passes over N rows that one of so many epochs of n draws touches. Epoch e begins at e n mod N, a multiple of g =
 * gcd(n, N) up to N - g, so that the draws left over, (n - 1) mod N, cross another boundary in one of N / g epochs
 * exactly where they are g or more. Of fewer epochs one crosses it where the floors of (e n + over) / N sum to more
 * than those of e n / N.
 */
export function passesTouched(n: number, N: number, epochs = Number.POSITIVE_INFINITY): number {
  const least = Math.floor((n - 1) / N) + 1,
    over = (n - 1) % N,
    g = gcd(n, N);
  if (epochs * g >= N) return least + (over >= g ? 1 : 0);
  const [e, m, a] = [BigInt(epochs), BigInt(N), BigInt(n % N)];
  return least + (floorSum(e, m, a, BigInt(over)) > floorSum(e, m, a, 0n) ? 1 : 0);
}

/** Most strata of a run. */
export const MOST_STRATA = 256;

/**
 * Places of all strata of a run of so many epochs, begun ones counted. Throws InputError for one without rows or draws.
 */
export function stratify(plans: readonly StratumPlan[], epochs?: number): Stratum[] {
  const problems: string[] = [];
  if (plans.length > MOST_STRATA) problems.push(`sampler.strata: ${plans.length} strata, at most ${MOST_STRATA} are supported`);
  plans.forEach((p, k) => {
    if (p.rows < 1) problems.push(`sampler.strata[${k}]: no row of the data belongs to ${p.name}`);
    if (!Number.isSafeInteger(p.perEpoch) || p.perEpoch < 1) problems.push(`sampler.strata[${k}].perEpoch: must be at least 1`);
  });
  if (problems.length) throw new InputError('run.yaml', problems);
  const shapes = plans.map((p) => orderShape(p.rows)),
    // One circuit permutes the rows of any stratum: all have the rounds of the one that needs most.
    rounds = Math.max(...shapes.map((s) => s.rounds));
  let start = 0,
    offset = 0;
  return plans.map((p, k) => {
    const s = { ...p, start, offset, shape: { ...shapes[k], rounds }, passes: passesTouched(p.perEpoch, p.rows, epochs) };
    start += p.perEpoch;
    offset += p.rows;
    return s;
  });
}

/** Walks that the rows of one batch may need at most: over a pass each value from N_c on is met at most once. */
export const innerWalks = (strata: readonly Stratum[]): number => strata.reduce((n, s) => n + s.shape.excess * s.passes, 0);

/** Words of a stratum in the table that the circuit opens. */
export const stratumWords = (s: Stratum): bigint[] => [
  BigInt(s.start),
  BigInt(s.perEpoch),
  BigInt(s.rows),
  BigInt(s.offset),
  BigInt(s.shape.a),
  BigInt(s.shape.b),
  quotientBound(s.shape.a),
  quotientBound(s.shape.b),
];

/** Levels of the strata's table. */
export const strataLevels = (strata: readonly Stratum[], depth: number): BigUint64Array[] =>
  tableLevels({ domain: DOMAIN.strata, rows: strata.map(stratumWords), depth });
