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
// a + b below 2^64 for canonical a, b.
// @ts-ignore: decorator
@inline export function faddLazy(a: u64, b: u64): u64 { const r = a + b; return select<u64>(r + EPS, r, r < b); }
export const LOW: u64 = 0xffffffff;
// Canonical value of the signed lanes l + 2^32 h, both at most 2^43 in magnitude: 2^12 p is added, of which 2^12 units
// of h go to l; then with 2^64 = EPS one carry, and a last one as rare as 2^-18, whose store keeps its branch a branch.
// @ts-ignore: decorator
@inline export function carry(h: i64, l: i64): u64 {
  const x = <u64>(l + 0x100000001000), y = <u64>(h + 0xfffffffe000), t = x + (y >> 32) * EPS;
  let r = (y << 32) + t;
  if (r < t) { r += EPS; store<u32>(8, 0); }
  return r >= P ? r - P : r;
}
// The same for lanes of at most 2^62: the carries out of 32 bits go round first (2^64 = 2^32 - 1).
export function carryWide(h: i64, l: i64): u64 {
  const top = h >> 32, x = l - top;
  return carry((h & <i64>LOW) + top + (x >> 32), x & <i64>LOW);
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
export function emul(d: usize, a: usize, b: usize): void {
  LOAD(x, a); LOAD(y, b); SUMS(x); SUMS(y);
  PROD(p, x, y); VALUE(z, p);
  STORE(d, z);
}
// d += a b
export function efma(d: usize, a: usize, b: usize): void {
  LOAD(x, a); LOAD(y, b); LOAD(s, d); SUMS(x); SUMS(y);
  PROD(p, x, y); VALUE(z, p); ADD(t, s, z);
  STORE(d, t);
}
// d = a b, b in F
export function emulBase(d: usize, a: usize, b: u64): void {
  LOAD(x, a); SCALE(p, x, b); VALUE(z, p);
  STORE(d, z);
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

/** dst[i] = a[i] b[i] for i in [lo, hi), any representatives. */
export function mulWords(dst: usize, a: usize, b: usize, lo: usize, hi: usize): void {
  for (let i = lo; i < hi; i++) store<u64>(dst + i * 8, fmul(load<u64>(a + i * 8), load<u64>(b + i * 8)));
}
