/** Goldilocks p = 2^64 - 2^32 + 1 by bigint: the reference for every kernel. Values are canonical, 0 <= x < p. */
export const P = 0xffffffff00000001n;
export const TWO_ADICITY = 32;
/** 7 generates the multiplicative group. */
export const GENERATOR = 7n;

export const mod = (a: bigint): bigint => {
  const r = a % P;
  return r < 0n ? r + P : r;
};
/** The canonical word that a string writes in decimal, without leading zeros; undefined for anything else. */
export function wordOf(x: unknown): bigint | undefined {
  if (typeof x !== 'string' || !/^(0|[1-9]\d{0,19})$/.test(x)) return undefined;
  const w = BigInt(x);
  return w < P ? w : undefined;
}
export const add = (a: bigint, b: bigint): bigint => {
  const r = a + b;
  return r >= P ? r - P : r;
};
export const sub = (a: bigint, b: bigint): bigint => (a >= b ? a - b : a - b + P);
export const mul = (a: bigint, b: bigint): bigint => (a * b) % P;
export function pow(a: bigint, e: bigint): bigint {
  let r = 1n,
    x = mod(a);
  for (let k = e; k > 0n; k >>= 1n) {
    if (k & 1n) r = mul(r, x);
    x = mul(x, x);
  }
  return r;
}
/** Throws on zero. */
export function inv(a: bigint): bigint {
  if (mod(a) === 0n) throw new RangeError('inverse of zero');
  return pow(a, P - 2n);
}
/** Primitive root of unity of order 2^k. */
export function root(k: number): bigint {
  if (k < 0 || k > TWO_ADICITY) throw new RangeError(`no root of order 2^${k}`);
  return pow(GENERATOR, (P - 1n) >> BigInt(k));
}
/** Residue of a signed integer as canonical element, and back to the representative in (-p/2, p/2). */
export const fromSigned = mod;
export const toSigned = (a: bigint): bigint => (a > P >> 1n ? a - P : a);
