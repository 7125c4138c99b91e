import { P, add, mod, mul, pow, root, sub } from './goldilocks.js';

/** sum_i coefs[i] x^i by Horner. */
export const evaluate = (coefs: readonly bigint[], x: bigint): bigint => coefs.reduceRight((s, c) => (s * x + mod(c)) % P, 0n);

/**
 * Values of a polynomial (signed or canonical coefficients, zero-padded) at g^0, g^1, ..., g^(2^log - 1), g =
 * root(log), natural order: the reference of the kernels. Recursion f(x) = even(x^2) + x odd(x^2).
 */
export function ntt(coefs: readonly bigint[], log: number): bigint[] {
  const n = 2 ** log;
  if (coefs.length > n) throw new RangeError(`${coefs.length} coefficients over ${n} points`);
  return split(
    Array.from({ length: n }, (_, k) => mod(coefs[k] ?? 0n)),
    root(log),
  );
}

function split(c: bigint[], g: bigint): bigint[] {
  if (c.length === 1) return c;
  const half = c.length / 2,
    g2 = mul(g, g);
  const even = split(
      c.filter((_, k) => k % 2 === 0),
      g2,
    ),
    odd = split(
      c.filter((_, k) => k % 2 === 1),
      g2,
    );
  const out = new Array<bigint>(c.length);
  let x = 1n;
  for (let k = 0; k < half; k++) {
    const t = mul(x, odd[k]);
    out[k] = add(even[k], t);
    out[k + half] = sub(even[k], t);
    x = mul(x, g);
  }
  return out;
}

/** Coefficients of the polynomial of degree below 2^log with these values at the powers of root(log). */
export function inverseNtt(values: readonly bigint[], log: number): bigint[] {
  const n = 2 ** log;
  if (values.length !== n) throw new RangeError(`${values.length} values over ${n} points`);
  const c = ntt(values, log),
    scale = pow(BigInt(n), P - 2n);
  return c.map((_, k) => mul(c[(n - k) % n], scale));
}

/** Index j with its low `log` bits reversed. */
export function bitReverse(j: number, log: number): number {
  let r = 0;
  for (let k = 0; k < log; k++) r = 2 * r + ((j >>> k) & 1);
  return r;
}
