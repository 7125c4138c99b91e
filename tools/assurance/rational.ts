/** Exact rationals, and base-two logarithms that are never above the truth. */

export interface Rational {
  readonly num: bigint;
  readonly den: bigint;
}

export const rational = (num: bigint | number, den: bigint | number = 1n): Rational => ({ num: BigInt(num), den: BigInt(den) });
export const add = (a: Rational, b: Rational): Rational => ({ num: a.num * b.den + b.num * a.den, den: a.den * b.den });
export const mul = (...xs: readonly Rational[]): Rational => xs.reduce((a, b) => ({ num: a.num * b.num, den: a.den * b.den }));
export const div = (a: Rational, b: Rational): Rational => ({ num: a.num * b.den, den: a.den * b.num });
export const pow = (a: Rational, n: number): Rational => ({ num: a.num ** BigInt(n), den: a.den ** BigInt(n) });

/** Digits kept of irrational numbers. */
const PRECISION = 400n;

/** floor(sqrt n). */
export function root(n: bigint): bigint {
  for (let x = 1n << BigInt((n.toString(2).length + 1) >> 1); ; ) {
    const y = (x + n / x) >> 1n;
    if (y >= x) return x;
    x = y;
  }
}

/** A rational that is not below sqrt(2), by at most 2^-400. */
const ROOT_TWO: Rational = { num: root(2n << (2n * PRECISION)) + 1n, den: 1n << PRECISION };

/** 2^(k/2), rounded up where it is irrational. k may be negative. */
export const halfPower = (k: number): Rational => {
  const whole = Math.floor(k / 2),
    power = whole >= 0 ? rational(1n << BigInt(whole)) : rational(1n, 1n << BigInt(-whole));
  return k % 2 === 0 ? power : mul(power, ROOT_TWO);
};

/** Fraction bits of a logarithm. */
export const LOG_BITS = 60;

/** floor(2^60 log2(x)). */
export function log2Floor(x: Rational): bigint {
  let k = BigInt(x.num.toString(2).length - x.den.toString(2).length);
  const below = k >= 0n ? x.num < x.den << k : x.num << -k < x.den;
  if (below) k--;
  // The mantissa in [1, 2), rounded down, squared once for every bit.
  let m = k >= 0n ? (x.num << PRECISION) / (x.den << k) : ((x.num << -k) << PRECISION) / x.den,
    out = k;
  for (let i = 0; i < LOG_BITS; i++) {
    m = (m * m) >> PRECISION;
    out <<= 1n;
    if (m >= 2n << PRECISION) {
      out |= 1n;
      m >>= 1n;
    }
  }
  return out;
}

/** Bits of an error: floor(2^60 log2(1 / error)). */
export const bitsOf = (error: Rational): bigint => log2Floor(div(rational(1n), error));

/** A double as the exact rational that it is, in units of 2^-60: rounded down. */
export function unitsOf(x: number): bigint {
  const scaled = x * 2 ** 20;
  return (
    BigInt(Math.floor(scaled)) * (1n << BigInt(LOG_BITS - 20)) + BigInt(Math.floor((scaled - Math.floor(scaled)) * 2 ** (LOG_BITS - 20)))
  );
}
