import { P, add as fadd, inv as finv, mul as fmul, sub as fsub } from './goldilocks.js';

/** E = F[x]/(x^3 - x - 1), an element c0 + c1 x + c2 x^2 with canonical coefficients. */
export type Ext = readonly [bigint, bigint, bigint];

export const ZERO: Ext = [0n, 0n, 0n];
export const ONE: Ext = [1n, 0n, 0n];
export const embed = (a: bigint): Ext => [((a % P) + P) % P, 0n, 0n];
export const add = (a: Ext, b: Ext): Ext => [fadd(a[0], b[0]), fadd(a[1], b[1]), fadd(a[2], b[2])];
export const sub = (a: Ext, b: Ext): Ext => [fsub(a[0], b[0]), fsub(a[1], b[1]), fsub(a[2], b[2])];
export const neg = (a: Ext): Ext => sub(ZERO, a);
export const mulBase = (a: Ext, b: bigint): Ext => [fmul(a[0], b), fmul(a[1], b), fmul(a[2], b)];
/** x^3 = x + 1, x^4 = x^2 + x. */
export function mul(a: Ext, b: Ext): Ext {
  const d3 = a[1] * b[2] + a[2] * b[1],
    d4 = a[2] * b[2];
  return [(a[0] * b[0] + d3) % P, (a[0] * b[1] + a[1] * b[0] + d3 + d4) % P, (a[0] * b[2] + a[1] * b[1] + a[2] * b[0] + d4) % P];
}
const inBase = (a: Ext): boolean => a[1] === 0n && a[2] === 0n;
/** a b + c, with as few products of words as elements of F among a and b leave. */
export function mulAdd(a: Ext, b: Ext, c: Ext): Ext {
  if (inBase(a)) return inBase(b) ? [(a[0] * b[0] + c[0]) % P, c[1], c[2]] : mulAdd(b, a, c);
  if (inBase(b)) return [(a[0] * b[0] + c[0]) % P, (a[1] * b[0] + c[1]) % P, (a[2] * b[0] + c[2]) % P];
  const d3 = a[1] * b[2] + a[2] * b[1],
    d4 = a[2] * b[2];
  return [
    (a[0] * b[0] + d3 + c[0]) % P,
    (a[0] * b[1] + a[1] * b[0] + d3 + d4 + c[1]) % P,
    (a[0] * b[2] + a[1] * b[1] + a[2] * b[0] + d4 + c[2]) % P,
  ];
}
export const eq = (a: Ext, b: Ext): boolean => a[0] === b[0] && a[1] === b[1] && a[2] === b[2];
export const isZero = (a: Ext): boolean => a[0] === 0n && a[1] === 0n && a[2] === 0n;
/**
 * Inverse by the adjugate of the multiplication matrix of a: solves a y = 1 with Cramer's rule. Throws on zero.
 */
export function inv(a: Ext): Ext {
  const [a0, a1, a2] = a;
  // Columns of multiplication by a on 1, x, x^2.
  const m = [
    [a0, a2, a1],
    [a1, fadd(a0, a2), fadd(a1, a2)],
    [a2, a1, fadd(a0, a2)],
  ];
  const c0 = fsub(fmul(m[1][1], m[2][2]), fmul(m[1][2], m[2][1]));
  const c1 = fsub(fmul(m[1][2], m[2][0]), fmul(m[1][0], m[2][2]));
  const c2 = fsub(fmul(m[1][0], m[2][1]), fmul(m[1][1], m[2][0]));
  const det = fadd(fadd(fmul(m[0][0], c0), fmul(m[0][1], c1)), fmul(m[0][2], c2));
  const d = finv(det);
  return [fmul(c0, d), fmul(c1, d), fmul(c2, d)];
}
export function pow(a: Ext, e: bigint): Ext {
  let r: Ext = ONE,
    x = a;
  for (let k = e; k > 0n; k >>= 1n) {
    if (k & 1n) r = mul(r, x);
    x = mul(x, x);
  }
  return r;
}
