// Two words at a time, one in each 64-bit lane of a vector, and the inner loops that many kernels share. Words are
// canonical unless said; the functions are those of field.ts. Loops serve an even number of cells: the last of an odd
// number is the caller's. A loop has one product, or two whose lanes go through memory: V8 spills what it
// can interleave.
import { own } from './own';

// There is no unsigned comparison of 64 bits: with the top bits exchanged the signed one serves.
// @ts-ignore: decorator
@inline function greater(a: v128, b: v128): v128 {
  const top = i64x2.splat(i64.MIN_VALUE);
  return i64x2.gt_s(v128.xor(a, top), v128.xor(b, top));
}
// All ones shifted to EPS.
// @ts-ignore: decorator
@inline function eps(mask: v128): v128 { return i64x2.shr_u(mask, 32); }
/** a + b below 2^64. */
// @ts-ignore: decorator
@inline export function vaddLazy(a: v128, b: v128): v128 { const r = i64x2.add(a, b); return i64x2.add(r, eps(greater(b, r))); }
// @ts-ignore: decorator
@inline export function vadd(a: v128, b: v128): v128 {
  const t = i64x2.sub(i64x2.splat(0xffffffff00000001), b), r = i64x2.sub(a, t);
  return i64x2.sub(r, eps(greater(t, a)));
}
// @ts-ignore: decorator
@inline export function vsub(a: v128, b: v128): v128 { const r = i64x2.sub(a, b); return i64x2.sub(r, eps(greater(b, a))); }
/** Residues of signed words: those of negative ones stay below p, all others are there. */
// @ts-ignore: decorator
@inline export function vsigned(x: v128): v128 { return i64x2.add(x, v128.and(i64x2.gt_s(i64x2.splat(0), x), i64x2.splat(0xffffffff00000001))); }
/** carry() of field.ts, of both lanes: the same bounds, and no branch for the rare ones. */
// @ts-ignore: decorator
@inline export function vcarry(h: v128, l: v128): v128 {
  const x = i64x2.add(l, i64x2.splat(0x100000001000)), y = i64x2.add(h, i64x2.splat(0xfffffffe000));
  const c = i64x2.shr_u(y, 32), t = i64x2.add(x, i64x2.sub(i64x2.shl(c, 32), c)), s = i64x2.add(i64x2.shl(y, 32), t);
  const r = i64x2.add(s, eps(greater(t, s)));
  return i64x2.sub(r, v128.and(greater(r, i64x2.splat(0xffffffff00000000)), i64x2.splat(0xffffffff00000001)));
}

/**
 * o[k] = x[k] + r (y[k] - x[k]) for k < n, n even; cells of o lie `os` bytes apart, those of x and of y `xs`. o may be
 * x, or lie in x and y where no cell is written before it is read.
 */
export function foldPairs(o: usize, os: usize, x: usize, y: usize, xs: usize, n: usize, r: usize): void {
  VSPLAT(c, r); VSUMS(c); VSWAP(c);
  for (let k: usize = 0; k < n; k += 2) {
    VLOAD(x, x, xs); VLOAD(y, y, xs); VSUB(d, y, x); VSUMS(d);
    VPROD(t, d, c); VVALUE(t, t); VADD(z, x, t); VSTORE(o, os, z);
    x += 2 * xs; y += 2 * xs; o += 2 * os;
  }
}
/** o[k] = c v[k] for k < n, n even. */
export function scalePairs(o: usize, v: usize, c: usize, n: usize): void {
  VSPLAT(c, c); VSUMS(c); VSWAP(c);
  for (const end = v + n * 24; v < end; v += 48) {
    VLOAD(y, v, 24); VSUMS(y);
    VPROD(p, y, c); VVALUE(z, p); VSTORE(o, 24, z);
    o += 48;
  }
}
/** d[k] += c v[k] for k < n, n even. */
export function addScaledPairs(d: usize, v: usize, c: usize, n: usize): void {
  VSPLAT(c, c); VSUMS(c); VSWAP(c);
  for (const end = v + n * 24; v < end; v += 48) {
    VLOAD(y, v, 24); VLOAD(s, d, 24); VSUMS(y);
    VPROD(p, y, c); VVALUE(z, p); VADD(t, s, z); VSTORE(d, 24, t);
    d += 48;
  }
}

// Blocks: elements two by two in vectors, 48 bytes a pair, on their way from one loop to the next.
/** Most cells of a block, an even number. It lies at `own`, two running sums behind it, then lanes that are held. */
export const BLOCK: usize = 32;
export const SUMS: usize = 768;
const HELD: usize = 864;

/** b[k] = m[k] + c e[k] for k < n, n even; cells `xs` bytes apart. */
export function scaleAddBlock(b: usize, m: usize, e: usize, xs: usize, n: usize, c: usize): void {
  VSPLAT(c, c); VSUMS(c); VSWAP(c);
  for (const end = b + n * 24; b < end; b += 48) {
    VLOAD(e, e, xs); VLOAD(m, m, xs); VSUMS(e);
    VPROD(t, e, c); VVALUE(t, t); VADD(u, m, t); VKEEP(b, u);
    m += 2 * xs; e += 2 * xs;
  }
}
/** The same of differences: of m[k] to the cell `st` bytes behind it, of e[k] likewise. */
export function scaleAddBlockDifferences(b: usize, m: usize, e: usize, st: usize, xs: usize, n: usize, c: usize): void {
  VSPLAT(c, c); VSUMS(c); VSWAP(c);
  for (const end = b + n * 24; b < end; b += 48) {
    const me = m + st, ee = e + st;
    VLOAD(e, e, xs); VLOAD(f, ee, xs); VSUB(d, f, e); VSUMS(d);
    VPROD(t, d, c); VVALUE(t, t);
    VLOAD(m, m, xs); VLOAD(n, me, xs); VSUB(g, n, m); VADD(u, g, t); VKEEP(b, u);
    m += 2 * xs; e += 2 * xs;
  }
}
/** b[k] = d[k] b[k] + n[k] e[k] - c for k < count. */
export function crossBlock(b: usize, d: usize, n: usize, e: usize, xs: usize, count: usize, c: usize): void {
  VSPLAT(c, c);
  for (const end = b + count * 24; b < end; b += 48) {
    VLOAD(d, d, xs); VTAKE(u, b); VSUMS(d); VSUMS(u); VSWAP(u); VPROD(p, d, u); VHOLD(own + HELD, p);
    VLOAD(n, n, xs); VLOAD(e, e, xs); VSUMS(n); VSUMS(e); VSWAP(e); VPROD(q, n, e);
    VHELD(h, own + HELD); VVALUE(f, h, q); VSUB(g, f, c); VKEEP(b, g);
    d += 2 * xs; n += 2 * xs; e += 2 * xs;
  }
}
/** b[k] = d[k] b[k] + n[k] e[k] for k < count, d, n and e being differences. */
export function crossBlockDifferences(b: usize, d: usize, n: usize, e: usize, st: usize, xs: usize, count: usize): void {
  for (const end = b + count * 24; b < end; b += 48) {
    const de = d + st, ne = n + st, ee = e + st;
    VLOAD(d, d, xs); VLOAD(dd, de, xs); VSUB(x, dd, d); VTAKE(u, b); VSUMS(x); VSUMS(u); VSWAP(u); VPROD(p, x, u); VHOLD(own + HELD, p);
    VLOAD(n, n, xs); VLOAD(nn, ne, xs); VSUB(y, nn, n); VLOAD(e, e, xs); VLOAD(ee, ee, xs); VSUB(z, ee, e);
    VSUMS(y); VSUMS(z); VSWAP(z); VPROD(q, y, z);
    VHELD(h, own + HELD); VVALUE(f, h, q); VKEEP(b, f);
    d += 2 * xs; n += 2 * xs; e += 2 * xs;
  }
}
/** b[k] = x[k] y[k] for k < n. */
export function productBlock(b: usize, x: usize, y: usize, xs: usize, n: usize): void {
  for (const end = b + n * 24; b < end; b += 48) {
    VLOAD(x, x, xs); VLOAD(y, y, xs); VSUMS(x); VSUMS(y); VSWAP(y);
    VPROD(p, x, y); VVALUE(f, p); VKEEP(b, f);
    x += 2 * xs; y += 2 * xs;
  }
}
/** The same of differences. */
export function productBlockDifferences(b: usize, x: usize, y: usize, st: usize, xs: usize, n: usize): void {
  for (const end = b + n * 24; b < end; b += 48) {
    const xx = x + st, yy = y + st;
    VLOAD(x, x, xs); VLOAD(xx, xx, xs); VSUB(u, xx, x); VSUMS(u);
    VLOAD(y, y, xs); VLOAD(yy, yy, xs); VSUB(v, yy, y); VSUMS(v); VSWAP(v);
    VPROD(p, u, v); VVALUE(f, p); VKEEP(b, f);
    x += 2 * xs; y += 2 * xs;
  }
}
/** Adds the lanes of sum_k b[k] w[k], k < n, to the six at `s` (low ones first), elements of w one behind the other. */
export function sumBlock(s: usize, b: usize, w: usize, n: usize): void {
  VLANES(v);
  for (const end = b + n * 24; b < end; b += 48) {
    VTAKE(f, b); VLOAD(w, w, 24); VSUMS(f); VSUMS(w); VSWAP(w);
    VPROD(p, f, w); VACC(v, p);
    w += 48;
  }
  let l0 = load<i64>(s), l1 = load<i64>(s, 8), l2 = load<i64>(s, 16), h0 = load<i64>(s, 24), h1 = load<i64>(s, 32), h2 = load<i64>(s, 40);
  VHALVES(, v);
  store<i64>(s, l0); store<i64>(s, l1, 8); store<i64>(s, l2, 16); store<i64>(s, h0, 24); store<i64>(s, h1, 32); store<i64>(s, h2, 40);
}
/** x[k] and d[k] = y[k] - x[k] of cells `xs` bytes apart as blocks. */
export function takeBlocks(x: usize, d: usize, from: usize, st: usize, xs: usize, n: usize): void {
  for (const end = x + n * 24; x < end; x += 48) {
    const up = from + st;
    VLOAD(a, from, xs); VLOAD(b, up, xs); VSUB(c, b, a); VKEEP(x, a); VKEEP(d, c);
    d += 48; from += 2 * xs;
  }
}
/** x[k] += d[k] for k < n, blocks. */
export function addBlock(x: usize, d: usize, n: usize): void {
  for (const end = x + n * 24; x < end; x += 48) { VTAKE(a, x); VTAKE(b, d); VADD(c, a, b); VKEEP(x, c); d += 48; }
}
/** b[k] = x[k]^2 for k < n, blocks; b may be x. */
export function squareBlock(b: usize, x: usize, n: usize): void {
  for (const end = b + n * 24; b < end; b += 48) {
    VTAKE(a, x); VSUMS(a); VSWAP(a);
    VPROD(p, a, a); VVALUE(f, p); VKEEP(b, f);
    x += 48;
  }
}
/** b[k] *= x[k] for k < n, blocks. */
export function timesBlock(b: usize, x: usize, n: usize): void {
  for (const end = b + n * 24; b < end; b += 48) {
    VTAKE(u, b); VTAKE(a, x); VSUMS(u); VSUMS(a); VSWAP(a);
    VPROD(p, u, a); VVALUE(f, p); VKEEP(b, f);
    x += 48;
  }
}
/** As sumBlock, of two blocks. */
export function sumBlocks(s: usize, b: usize, e: usize, n: usize): void {
  VLANES(v);
  for (const end = b + n * 24; b < end; b += 48) {
    VTAKE(f, b); VTAKE(w, e); VSUMS(f); VSUMS(w); VSWAP(w);
    VPROD(p, f, w); VACC(v, p);
    e += 48;
  }
  let l0 = load<i64>(s), l1 = load<i64>(s, 8), l2 = load<i64>(s, 16), h0 = load<i64>(s, 24), h1 = load<i64>(s, 32), h2 = load<i64>(s, 40);
  VHALVES(, v);
  store<i64>(s, l0); store<i64>(s, l1, 8); store<i64>(s, l2, 16); store<i64>(s, h0, 24); store<i64>(s, h1, 32); store<i64>(s, h2, 40);
}
/** o[k] = x[k] y[k] for k < n; cells of x and y `xs` bytes apart. */
export function productPairs(o: usize, x: usize, y: usize, xs: usize, n: usize): void {
  for (const end = o + n * 24; o < end; o += 48) {
    VLOAD(x, x, xs); VLOAD(y, y, xs); VSUMS(x); VSUMS(y); VSWAP(y);
    VPROD(p, x, y); VVALUE(z, p); VSTORE(o, 24, z);
    x += 2 * xs; y += 2 * xs;
  }
}
/** o[k] = u[k] y[k] + v[k] x[k] for k < n. */
export function crossPairs(o: usize, u: usize, v: usize, x: usize, y: usize, xs: usize, n: usize): void {
  for (const end = o + n * 24; o < end; o += 48) {
    VLOAD(u, u, xs); VLOAD(y, y, xs); VSUMS(u); VSUMS(y); VSWAP(y); VPROD(p, u, y); VHOLD(own + HELD, p);
    VLOAD(v, v, xs); VLOAD(x, x, xs); VSUMS(v); VSUMS(x); VSWAP(x); VPROD(q, v, x);
    VHELD(h, own + HELD); VVALUE(z, h, q); VSTORE(o, 24, z);
    u += 2 * xs; v += 2 * xs; x += 2 * xs; y += 2 * xs;
  }
}
/** o[k] = x[k] + y[k] for k < n. */
export function addPairs(o: usize, x: usize, y: usize, xs: usize, n: usize): void {
  for (const end = o + n * 24; o < end; o += 48) {
    VLOAD(x, x, xs); VLOAD(y, y, xs); VADD(z, x, y); VSTORE(o, 24, z);
    x += 2 * xs; y += 2 * xs;
  }
}
