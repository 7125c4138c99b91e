// Goldilocks p = 2^64 - 2^32 + 1 on u64, always canonical (< p), and E = F[x]/(x^3 - x - 1) as three words in memory.

export const P: u64 = 0xffffffff00000001;
export const EPS: u64 = 0xffffffff;
const M: u64 = 0xffffffff;

// @ts-ignore: decorator
@inline export function fadd(a: u64, b: u64): u64 {
  const t = P - b, r = a - t;
  return r - (a < t ? EPS : 0);
}
// @ts-ignore: decorator
@inline export function fsub(a: u64, b: u64): u64 {
  const r = a - b;
  return r - (a < b ? EPS : 0);
}
// Reduces hi 2^64 + lo. The stores in the cold branches keep Binaryen from turning them into selects.
// @ts-ignore: decorator
@inline export function freduce(hi: u64, lo: u64): u64 {
  const hh = hi >> 32, hl = hi & M;
  let t = lo - hh;
  if (lo < hh) { t -= EPS; store<u32>(8, 0); }
  const u = (hl << 32) - hl;
  let r = t + u;
  if (r < u) r += EPS;
  return r >= P ? r - P : r;
}
// As freduce, but any representative below 2^64: for chains whose next step takes one (products, sums of halves).
// @ts-ignore: decorator
@inline export function freduceLazy(hi: u64, lo: u64): u64 {
  const hh = hi >> 32, hl = hi & M;
  let t = lo - hh;
  if (lo < hh) { t -= EPS; store<u32>(8, 0); }
  const u = (hl << 32) - hl;
  const r = t + u;
  return r + (r < u ? EPS : 0);
}
// @ts-ignore: decorator
@inline export function fcanon(r: u64): u64 { return r >= P ? r - P : r; }
// Product of any two 64-bit values, any representative.
// @ts-ignore: decorator
@inline export function fmulLazy(a: u64, b: u64): u64 {
  const a0 = a & M, a1 = a >> 32, b0 = b & M, b1 = b >> 32;
  const p00 = a0 * b0;
  const mid = a1 * b0 + (p00 >> 32);
  const mid2 = a0 * b1 + (mid & M);
  return freduceLazy(a1 * b1 + (mid >> 32) + (mid2 >> 32), (mid2 << 32) | (p00 & M));
}
// @ts-ignore: decorator
@inline export function fsquareLazy(a: u64): u64 {
  const a0 = a & M, a1 = a >> 32;
  const p00 = a0 * a0, p01 = a0 * a1;
  const mid = p01 + (p00 >> 32);
  const mid2 = p01 + (mid & M);
  return freduceLazy(a1 * a1 + (mid >> 32) + (mid2 >> 32), (mid2 << 32) | (p00 & M));
}
// @ts-ignore: decorator
@inline export function fmul(a: u64, b: u64): u64 {
  const a0 = a & M, a1 = a >> 32, b0 = b & M, b1 = b >> 32;
  const p00 = a0 * b0;
  const mid = a1 * b0 + (p00 >> 32);
  const mid2 = a0 * b1 + (mid & M);
  return freduce(a1 * b1 + (mid >> 32) + (mid2 >> 32), (mid2 << 32) | (p00 & M));
}
// @ts-ignore: decorator
@inline export function fsquare(a: u64): u64 {
  const a0 = a & M, a1 = a >> 32;
  const p00 = a0 * a0, p01 = a0 * a1;
  const mid = p01 + (p00 >> 32);
  const mid2 = p01 + (mid & M);
  return freduce(a1 * a1 + (mid >> 32) + (mid2 >> 32), (mid2 << 32) | (p00 & M));
}
// Residue of a signed i64.
// @ts-ignore: decorator
@inline export function fsigned(x: i64): u64 {
  let r = <u64>x + (<u64>(x >> 63) & P);
  return r >= P ? r - P : r;
}
export function fpow(a: u64, e: u64): u64 {
  let r: u64 = 1;
  while (e) { if (e & 1) r = fmul(r, a); a = fsquare(a); e >>= 1; }
  return r;
}
export function finv(a: u64): u64 { return fpow(a, P - 2); }

export function eadd(d: usize, a: usize, b: usize): void {
  const x = fadd(load<u64>(a), load<u64>(b)), y = fadd(load<u64>(a, 8), load<u64>(b, 8)), z = fadd(load<u64>(a, 16), load<u64>(b, 16));
  store<u64>(d, x); store<u64>(d, y, 8); store<u64>(d, z, 16);
}
export function esub(d: usize, a: usize, b: usize): void {
  const x = fsub(load<u64>(a), load<u64>(b)), y = fsub(load<u64>(a, 8), load<u64>(b, 8)), z = fsub(load<u64>(a, 16), load<u64>(b, 16));
  store<u64>(d, x); store<u64>(d, y, 8); store<u64>(d, z, 16);
}
// Product into three globals, so that callers may go on without memory traffic.
export let r0: u64 = 0; export let r1: u64 = 0; export let r2: u64 = 0;
// @ts-ignore: decorator
@inline export function emulv(a0: u64, a1: u64, a2: u64, b0: u64, b1: u64, b2: u64): void {
  const m0 = fmul(a0, b0), m1 = fmul(a1, b1), m2 = fmul(a2, b2);
  const m01 = fsub(fsub(fmul(fadd(a0, a1), fadd(b0, b1)), m0), m1);
  const m02 = fsub(fsub(fmul(fadd(a0, a2), fadd(b0, b2)), m0), m2);
  const m12 = fsub(fsub(fmul(fadd(a1, a2), fadd(b1, b2)), m1), m2);
  // d0 = m0, d1 = m01, d2 = m02 + m1, d3 = m12, d4 = m2
  r0 = fadd(m0, m12);
  r1 = fadd(fadd(m01, m12), m2);
  r2 = fadd(fadd(m02, m1), m2);
}
export function emul(d: usize, a: usize, b: usize): void {
  emulv(load<u64>(a), load<u64>(a, 8), load<u64>(a, 16), load<u64>(b), load<u64>(b, 8), load<u64>(b, 16));
  store<u64>(d, r0); store<u64>(d, r1, 8); store<u64>(d, r2, 16);
}
// d += a b
export function efma(d: usize, a: usize, b: usize): void {
  emulv(load<u64>(a), load<u64>(a, 8), load<u64>(a, 16), load<u64>(b), load<u64>(b, 8), load<u64>(b, 16));
  store<u64>(d, fadd(load<u64>(d), r0)); store<u64>(d, fadd(load<u64>(d, 8), r1), 8); store<u64>(d, fadd(load<u64>(d, 16), r2), 16);
}
// d = a b, b in F
export function emulBase(d: usize, a: usize, b: u64): void {
  const x = fmul(load<u64>(a), b), y = fmul(load<u64>(a, 8), b), z = fmul(load<u64>(a, 16), b);
  store<u64>(d, x); store<u64>(d, y, 8); store<u64>(d, z, 16);
}
// @ts-ignore: decorator
@inline export function ezero(d: usize): void { store<u64>(d, 0); store<u64>(d, 0, 8); store<u64>(d, 0, 16); }
// @ts-ignore: decorator
@inline export function ecopy(d: usize, a: usize): void { store<u64>(d, load<u64>(a)); store<u64>(d, load<u64>(a, 8), 8); store<u64>(d, load<u64>(a, 16), 16); }
export function einv(d: usize, a: usize): void {
  const a0 = load<u64>(a), a1 = load<u64>(a, 8), a2 = load<u64>(a, 16);
  const s = fadd(a0, a2), t = fadd(a1, a2);
  const c0 = fsub(fmul(s, s), fmul(t, a1));
  const c1 = fsub(fmul(t, a2), fmul(a1, s));
  const c2 = fsub(fmul(a1, a1), fmul(s, a2));
  const det = fadd(fadd(fmul(a0, c0), fmul(a2, c1)), fmul(a1, c2));
  const k = finv(det);
  store<u64>(d, fmul(c0, k)); store<u64>(d, fmul(c1, k), 8); store<u64>(d, fmul(c2, k), 16);
}

// Base-by-extension accumulation with 128-bit sums: six 64-bit lanes per coefficient pair are avoided by reducing each product to
// (hi, lo) and adding with carries; the caller finishes with accReduce. Layout of an accumulator: per coefficient lo, hi, top.
// @ts-ignore: decorator
@inline export function fmulAddTo(acc: u64, a: u64, b: u64): u64 { return fadd(acc, fmul(a, b)); }
