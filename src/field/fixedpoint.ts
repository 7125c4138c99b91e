/**
 * Fixed-point functions on bigint: the same on every engine. A value x with `bits` fraction bits stands for x 2^-bits.
 * Each function works with 32 guard bits; the result is within two units of the last place of the real value.
 */
const G = 32;

/**
 * Decimal text of a finite number as an exact fraction: what the user wrote, not its binary neighbour. Throws
 * RangeError.
 */
export function rational(x: number): { num: bigint; den: bigint } {
  const m = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(String(x));
  if (!m) throw new RangeError(`${x} is not a finite decimal`);
  let num = BigInt(m[2] + (m[3] ?? '')),
    den = 1n;
  const e = Number(m[4] ?? 0) - (m[3]?.length ?? 0);
  if (e >= 0) num *= 10n ** BigInt(e);
  else den = 10n ** BigInt(-e);
  return { num: m[1] ? -num : num, den };
}

/** a / b to the nearest integer, ties upward, for b > 0. */
export const roundDiv = (a: bigint, b: bigint): bigint => floorDiv(2n * a + b, 2n * b);

/** Floor square root. */
export function isqrt(x: bigint): bigint {
  if (x < 0n) throw new RangeError('square root of a negative number');
  if (x < 2n) return x;
  let r = 1n << BigInt((x.toString(2).length + 1) >> 1);
  for (;;) {
    const y = (r + x / r) >> 1n;
    if (y >= r) return r;
    r = y;
  }
}

/** Quotient rounded down, for a positive divisor. Throws RangeError for another. */
export function floorDiv(a: bigint, b: bigint): bigint {
  if (b <= 0n) throw new RangeError('division by a number that is not positive');
  const q = a / b;
  return q * b > a ? q - 1n : q;
}

/** sqrt of an integer, `bits` fraction bits. */
export const isqrtFixed = (x: bigint, bits: number): bigint => isqrt(x << BigInt(2 * bits));

/** ln 2 by the series sum 1/(k 2^k), kept per precision. */
const ln2s = new Map<number, bigint>();
export function ln2(bits: number): bigint {
  let v = ln2s.get(bits);
  if (v === undefined) {
    const n = bits + 64;
    v = 0n;
    for (let k = 1; k <= n + 8; k++) v += (1n << BigInt(n)) / (BigInt(k) << BigInt(k));
    v >>= 64n;
    ln2s.set(bits, v);
  }
  return v;
}

/** exp(x): x = k ln 2 + r, Taylor in r/256 squared eight times. */
export function expFixed(x: bigint, bits: number): bigint {
  const p = bits + G + 16,
    one = 1n << BigInt(p),
    l2 = ln2(p);
  const y = x << BigInt(p - bits);
  let k = y / l2;
  if (y < 0n && k * l2 !== y) k -= 1n;
  const r = (y - k * l2) >> 8n;
  let term = one,
    sum = one;
  for (let n = 1n; term !== 0n; n++) {
    term = ((term * r) >> BigInt(p)) / n;
    sum += term;
  }
  for (let i = 0; i < 8; i++) sum = (sum * sum) >> BigInt(p);
  const shift = BigInt(p - bits) - k;
  if (shift <= 0n) return sum << -shift;
  return shift > BigInt(p + 64) ? 0n : (sum + (1n << (shift - 1n))) >> shift;
}

/** ln(x), x > 0: x = 2^k m with m in [1, 2), 2 atanh((m - 1)/(m + 1)). */
export function lnFixed(x: bigint, bits: number): bigint {
  if (x <= 0n) throw new RangeError('logarithm of a non-positive number');
  const p = bits + G,
    len = x.toString(2).length,
    k = BigInt(len - 1 - bits);
  const m = len - 1 <= p ? x << BigInt(p - len + 1) : x >> BigInt(len - 1 - p);
  const one = 1n << BigInt(p),
    t = ((m - one) << BigInt(p)) / (m + one),
    t2 = (t * t) >> BigInt(p);
  let term = t,
    sum = 0n;
  for (let n = 1n; term !== 0n; n += 2n) {
    sum += term / n;
    term = (term * t2) >> BigInt(p);
  }
  return (2n * sum + k * ln2(p)) >> BigInt(G);
}

/** base^(num/den) for a positive decimal base, `bits` fraction bits. */
export function powFixed(base: number, num: number, den: number, bits: number): bigint {
  const p = bits + G,
    b = BigInt(Math.round(base * 2 ** 20)) << BigInt(p - 20);
  return expFixed((lnFixed(b, p) * BigInt(num)) / BigInt(den), p) >> BigInt(G);
}

/** pi by Machin's formula. */
const pis = new Map<number, bigint>();
export function piFixed(bits: number): bigint {
  let v = pis.get(bits);
  if (v === undefined) {
    const one = 1n << BigInt(bits + G);
    const atanInv = (n: bigint): bigint => {
      let t = one / n,
        s = t,
        sign = -1n;
      for (let k = 3n; t !== 0n; k += 2n) {
        t /= n * n;
        s += (sign * t) / k;
        sign = -sign;
      }
      return s;
    };
    v = (4n * (4n * atanInv(5n) - atanInv(239n))) >> BigInt(G);
    pis.set(bits, v);
  }
  return v;
}

/** cos and sin of an angle, reduced mod 2 pi and divided by 16 before the series; doubled back four times. */
function cosSin(angle: bigint, bits: number): [bigint, bigint] {
  const p = bits + G,
    tau = 2n * piFixed(p),
    a = ((angle << BigInt(G)) % tau) >> 4n;
  const one = 1n << BigInt(p);
  let c = 0n,
    s = 0n,
    term = one;
  for (let n = 0n; term !== 0n; n++) {
    const m = n % 4n;
    if (m === 0n) c += term;
    else if (m === 1n) s += term;
    else if (m === 2n) c -= term;
    else s -= term;
    term = ((term * a) >> BigInt(p)) / (n + 1n);
    if (term < 0n && term > -2n) term = 0n;
  }
  for (let k = 0; k < 4; k++) {
    const c2 = (c * c - s * s) >> BigInt(p);
    s = (2n * c * s) >> BigInt(p);
    c = c2;
  }
  return [c >> BigInt(G), s >> BigInt(G)];
}
export const cosFixed = (angle: bigint, bits: number): bigint => cosSin(angle, bits)[0];
export const sinFixed = (angle: bigint, bits: number): bigint => cosSin(angle, bits)[1];
