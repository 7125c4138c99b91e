import { InputError } from '../../errors.js';

/*
 * Shape of the keyed permutation of [0, n): mixed radices a <= b with a b >= n, rounds, and how often values from n on
 * are met. Public rules: prover and verifier compute them from n alone.
 */

/** Largest domain: indices and their differences stay below 2^32, moduli below 2^16.5. */
export const MOST_ROWS = 2 ** 28;

/** Radices of a domain; excess = a b - n values are walked over. */
export interface Radices {
  readonly a: number;
  readonly b: number;
  readonly excess: number;
}

/** Numbers of rounds that a circuit may have. */
export const ROUNDS = [12, 16, 20, 28, 50] as const;

/**
 * Radices of [0, n): of all 2 <= a <= b <= 16 a (4 a below 4,096) with a b >= n those of least a b - n, then of least b
 * - a. A radix of 1 is excluded: its quotients would not fit the 62 bits that the circuit gives them.
 */
export function radices(n: number): Radices {
  if (!Number.isSafeInteger(n) || n < 1 || n > MOST_ROWS)
    throw new InputError('dataset', [`${n} rows cannot be put in order: 1 to ${MOST_ROWS} can`]);
  const ratio = n < 4096 ? 4 : 16;
  let best: Radices | undefined;
  // From the root downwards: of equal excess the first one found has the least difference.
  for (let a = Math.max(2, Math.ceil(Math.sqrt(n))); a >= 2; a--) {
    const b = Math.max(a, Math.ceil(n / a));
    if (b > ratio * a) break;
    const excess = a * b - n;
    if (!best || excess < best.excess) best = { a, b, excess };
    if (excess === 0) break;
  }
  return best!;
}

/**
 * Rounds for radices: the fewest of ROUNDS with min(a, b)^-(r/2 - 1) <= 2^-48, the bound on the two-point distance of
 * the chain with independent uniform round functions from a random permutation; 50 where none reaches it.
 */
export function rounds(a: number, b: number): number {
  const m = BigInt(Math.min(a, b));
  return ROUNDS.find((r) => m ** BigInt(r / 2 - 1) >= 1n << 48n) ?? ROUNDS[ROUNDS.length - 1];
}

/** log2 of the same bound: -48 or less but for fewer than 64 rows or so. */
export const orderDistance = (a: number, b: number): number => -(rounds(a, b) / 2 - 1) * Math.log2(Math.min(a, b));

/** Shape of the permutation of [0, n). */
export interface OrderShape extends Radices {
  readonly n: number;
  readonly rounds: number;
}

export function orderShape(n: number): OrderShape {
  const r = radices(n);
  return { n, ...r, rounds: rounds(r.a, r.b) };
}

/** Numbers of walk slots that a circuit may have. */
export const WALKS = [0, 1, 2, 4, 8, 12] as const;

/**
 * Least number of slots that holds so many walks. Over an epoch the walks of all positions pass each value from n on at
 * most once: no batch needs more than `excess` of them. Throws InputError where no circuit has as many.
 */
export function walkSlots(walks: number, what: string): number {
  const w = WALKS.find((x) => x >= walks);
  if (w === undefined)
    throw new InputError('run.yaml', [`${what} needs ${walks} walk slots, a circuit has at most ${WALKS[WALKS.length - 1]}`]);
  return w;
}

/** Largest quotient of a round, floor((2^62 + m) / m): what the circuit bounds quotients by. */
export const quotientBound = (m: number): bigint => ((1n << 62n) + BigInt(m)) / BigInt(m);
