/** Exact arithmetic mod p: powers, elimination, and certificates that p is prime and E a field. */
import { P } from './smt.js';

export const mod = (x: bigint): bigint => ((x % P) + P) % P;

export function power(base: bigint, exponent: bigint, modulus = P): bigint {
  let out = 1n,
    b = base % modulus;
  for (let e = exponent; e; e >>= 1n) {
    if (e & 1n) out = (out * b) % modulus;
    b = (b * b) % modulus;
  }
  return out;
}

/**
 * Columns of `rows` that the equations rows * x = known determine, by Gauss-Jordan elimination: those with a pivot row
 * of their own.
 */
export function determined(rows: readonly (readonly bigint[])[]): { rank: number; columns: number[] } {
  const a = rows.map((r) => r.map(mod)),
    width = a[0]?.length ?? 0,
    pivots: number[] = [];
  for (let c = 0; c < width; c++) {
    const k = pivots.length,
      i = a.findIndex((r, j) => j >= k && r[c] !== 0n);
    if (i < 0) continue;
    [a[k], a[i]] = [a[i], a[k]];
    const f = power(a[k][c], P - 2n);
    a[k] = a[k].map((x) => mod(x * f));
    for (let j = 0; j < a.length; j++) {
      const g = a[j][c];
      if (j !== k && g !== 0n) a[j] = a[j].map((x, t) => mod(x - g * a[k][t]));
    }
    pivots.push(c);
  }
  const columns = pivots.filter((c, k) => a[k].every((x, j) => j === c || x === 0n));
  return { rank: pivots.length, columns };
}

/** Solution of a square system rows * x = right of full rank. */
export function solve(rows: readonly (readonly bigint[])[], right: readonly bigint[]): bigint[] {
  const n = rows.length,
    a = rows.map((r, i) => [...r.map(mod), mod(right[i])]);
  for (let c = 0; c < n; c++) {
    const i = a.findIndex((r, j) => j >= c && r[c] !== 0n);
    if (i < 0) throw new RangeError('the system has no single solution');
    [a[c], a[i]] = [a[i], a[c]];
    const f = power(a[c][c], P - 2n);
    a[c] = a[c].map((x) => mod(x * f));
    for (let j = 0; j < n; j++) {
      const g = a[j][c];
      if (j !== c && g !== 0n) a[j] = a[j].map((x, t) => mod(x - g * a[c][t]));
    }
  }
  return a.map((r) => r[n]);
}

/** Primes of p - 1 = 2^32 (2^32 - 1), each by trial division, and a generator: Pratt's certificate. */
const FACTORS = [2n, 3n, 5n, 17n, 257n, 65537n],
  GENERATOR = 7n;

/** p is prime: an element of order p - 1 exists. */
export function isPrime(): boolean {
  let rest = P - 1n;
  for (const q of FACTORS) while (rest % q === 0n) rest /= q;
  const small = (n: bigint): boolean => {
    for (let d = 2n; d * d <= n; d++) if (n % d === 0n) return false;
    return n > 1n;
  };
  return (
    rest === 1n && FACTORS.every(small) && power(GENERATOR, P - 1n) === 1n && FACTORS.every((q) => power(GENERATOR, (P - 1n) / q) !== 1n)
  );
}

/** x^7 is a permutation of the field: gcd(7, p - 1) = 1, 7 being prime. */
export const seventhPowerIsInjective = (): boolean => (P - 1n) % 7n !== 0n;

type Table = readonly (readonly (readonly bigint[])[])[];

/** Product of two elements by a table of structure constants: (a b)_j = sum of times[j][k][l] a_k b_l. */
const multiply = (times: Table, a: readonly bigint[], b: readonly bigint[]): bigint[] =>
  times.map((t) => mod(t.reduce((s, r, k) => r.reduce((x, c, l) => x + c * a[k] * b[l], s), 0n)));

/**
 * Whether the structure constants are those of a field of p^3 elements: commutative and associative on the basis 1, x,
 * y with unit 1, y = x^2, and x^3 = c0 + c1 x + c2 x^2 a polynomial without a root, which for a cubic means
 * irreducible.
 */
export function isCubicField(times: Table): boolean {
  const basis = [0, 1, 2].map((i) => [0, 1, 2].map((j) => (i === j ? 1n : 0n))),
    same = (a: readonly bigint[], b: readonly bigint[]): boolean => a.every((x, i) => mod(x - b[i]) === 0n),
    m = (a: readonly bigint[], b: readonly bigint[]): bigint[] => multiply(times, a, b);
  for (const a of basis)
    for (const b of basis) {
      if (!same(m(a, b), m(b, a))) return false;
      for (const c of basis) if (!same(m(m(a, b), c), m(a, m(b, c)))) return false;
    }
  const [one, x, y] = basis;
  if (!basis.every((b) => same(m(one, b), b)) || !same(m(x, x), y)) return false;
  // A root exists if and only if x^p - x and the polynomial have a common factor. In the ring, x^p by squaring.
  let t: readonly bigint[] = one;
  for (let e = P, b: readonly bigint[] = x; e; e >>= 1n) {
    if (e & 1n) t = m(t, b);
    b = m(b, b);
  }
  const d = [t[0], t[1] - 1n, t[2]].map(mod);
  // Multiplication by x^p - x is invertible exactly if it has no common factor with the polynomial.
  return determined([0, 1, 2].map((j) => basis.map((b) => m(d, b)[j]))).rank === 3;
}
