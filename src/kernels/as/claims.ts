// Weights of linear claims, blocks of the stack.
import { LOW, fadd, faddLazy, carry, carryWide, eadd, ecopy } from './field';
import { addScaledPairs, scalePairs, vaddLazy } from './pairs';

/** dense[row len + j] += roww[row] vec[j], rows [lo, hi); rows of zero weight are passed over. */
export function addOuter(dense: usize, roww: usize, vec: usize, len: usize, lo: usize, hi: usize): void {
  for (let row = lo; row < hi; row++) {
    const w = roww + row * 24;
    if ((load<u64>(w) | load<u64>(w, 8) | load<u64>(w, 16)) == 0) continue;
    addScaled(dense + row * len * 24, w, vec, len);
  }
}
// d[j] += c v[j]
function addScaled(d: usize, c: usize, v: usize, n: usize): void {
  const even = n & ~1;
  addScaledPairs(d, v, c, even);
  if (even == n) return;
  d += even * 24; v += even * 24; n &= 1;
  LOAD(x, c); SUMS(x);
  for (const end = d + n * 24; d < end; d += 24) {
    LOAD(y, v); LOAD(s, d); SUMS(y);
    PROD(p, x, y); VALUE(z, p); ADD(t, s, z); STORE(d, t);
    v += 24;
  }
}
export function zeroExt(p: usize, lo: usize, hi: usize): void { memory.fill(p + lo * 24, 0, (hi - lo) * 24); }

/**
 * Cells [lo, hi) of a block, row-major over power-of-two pieces: dst at block offset <- src at tensor cell; desc [n,
 * base cell, then log and unit per dim].
 */
export function blockCopy(dst: usize, src: usize, width: usize, desc: usize, lo: usize, hi: usize): void {
  const n = load<i32>(desc), base = <usize>load<i32>(desc, 4);
  for (let at = lo; at < hi; at++) {
    let rest = at, cell = base;
    for (let d = n - 1; d >= 0; d--) {
      const e = desc + 8 + <usize>d * 8, log = load<i32>(e), mask = ((<usize>1) << log) - 1;
      cell += (rest & mask) * <usize>load<i32>(e, 4);
      rest >>= log;
    }
    if (width == 8) store<i64>(dst + at * 8, load<i64>(src + cell * 8)); else ecopy(dst + at * 24, src + cell * 24);
  }
}
/** The same, adding: for aliases that share cells. */
export function blockAdd(dst: usize, src: usize, one: usize, desc: usize, lo: usize, hi: usize): void {
  const n = load<i32>(desc), base = <usize>load<i32>(desc, 4);
  for (let at = lo; at < hi; at++) {
    let rest = at, cell = base;
    for (let d = n - 1; d >= 0; d--) {
      const e = desc + 8 + <usize>d * 8, log = load<i32>(e), mask = ((<usize>1) << log) - 1;
      cell += (rest & mask) * <usize>load<i32>(e, 4);
      rest >>= log;
    }
    eadd(dst + at * 24, dst + at * 24, src + cell * 24);
  }
}
/** dst[i] = by src[i]. */
export function scaleExt(dst: usize, src: usize, by: usize, lo: usize, hi: usize): void {
  const even = (hi - lo) & ~1;
  scalePairs(dst + lo * 24, src + lo * 24, by, even);
  LOAD(x, by); SUMS(x);
  for (let i = lo + even; i < hi; i++) {
    LOAD(y, src + i * 24); SUMS(y);
    PROD(p, x, y); VALUE(z, p); STORE(dst + i * 24, z);
  }
}
export function u32ToI64(dst: usize, src: usize, lo: usize, hi: usize): void { for (let i = lo; i < hi; i++) store<i64>(dst + i * 8, <i64>load<u32>(src + i * 4)); }
/** dense[i] += c vec[i]. */
export function addOuterCells(dense: usize, c: usize, vec: usize, lo: usize, hi: usize): void { addScaled(dense + lo * 24, c, vec + lo * 24, hi - lo); }
/** dst[row] += sum_j src[row len + j] vec[j]. */
export function dotRows(dst: usize, src: usize, vec: usize, len: usize, lo: usize, hi: usize): void {
  for (let row = lo; row < hi; row++) {
    LANES(a); VLANES(b);
    let j: usize = 0;
    for (; j + 1 < len; j += 2) {
      const p = src + (row * len + j) * 24, q = vec + j * 24;
      VLOAD(x, p, 24); VLOAD(y, q, 24); VSUMS(x); VSUMS(y); VSWAP(y);
      VPROD(p, x, y); VACC(b, p);
    }
    VHALVES(a, b);
    for (; j < len; j++) {
      LOAD(x, src + (row * len + j) * 24); LOAD(y, vec + j * 24); SUMS(x); SUMS(y);
      PROD(p, x, y); ACC(a, p);
    }
    TOTAL(x, a); LOAD(s, dst + row * 24); ADD(z, s, x); STORE(dst + row * 24, z);
  }
}
