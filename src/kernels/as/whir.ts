// WHIR: folding, power weights. Extension arrays are AoS of three words.
import { LOW, fadd, faddLazy, fsub, fmul, fsigned, carry, ezero } from './field';
import { foldPairs } from './pairs';

/**
 * dst[i] = src[i] + r (src[i + half] - src[i]) for i in [lo, hi); src base (signed) or E; in place allowed when src is
 * E.
 */
export function foldHalves(dst: usize, src: usize, base: u32, half: usize, nhi: usize, r: usize, lo: usize, hi: usize): void {
  LOAD(c, r); SUMS(c);
  if (base) {
    for (let i = lo; i < hi; i++) {
      const x = fsigned(load<i64>(src + i * 8)), y = i < nhi ? fsigned(load<i64>(src + (i + half) * 8)) : 0;
      SCALE(p, c, fsub(y, x)); VALUE(t, p);
      const o = dst + i * 24;
      store<u64>(o, fadd(x, t0)); store<u64>(o, t1, 8); store<u64>(o, t2, 16);
    }
  } else {
    const full = lo < nhi ? (min(hi, nhi) - lo) & ~1 : 0, p = src + lo * 24;
    foldPairs(dst + lo * 24, 24, p, p + half * 24, 24, full, r);
    for (let i = lo + full; i < hi; i++) {
      LOAD(x, src + i * 24);
      ZERO(y);
      if (i < nhi) { const b = src + (i + half) * 24; y0 = load<u64>(b); y1 = load<u64>(b, 8); y2 = load<u64>(b, 16); }
      SUB(d, y, x); SUMS(d);
      PROD(p, d, c); VALUE(t, p); ADD(z, x, t); STORE(dst + i * 24, z);
    }
  }
}

/**
 * w[i] += sum_j g_j x_j^i for i in [lo, hi): x_j in F at xs, g_j in E at gs, running powers kept in scratch (24 bytes
 * each).
 */
export function addPowers(w: usize, xs: usize, gs: usize, count: u32, scratch: usize, lo: usize, hi: usize): void {
  for (let j: u32 = 0; j < count; j++) {
    const x = load<u64>(xs + <usize>j * 8), g = gs + <usize>j * 24, s = scratch + <usize>j * 24;
    let p: u64 = 1, b = x, e = <u64>lo;
    while (e) { if (e & 1) p = fmul(p, b); b = fmul(b, b); e >>= 1; }
    store<u64>(s, fmul(load<u64>(g), p)); store<u64>(s, fmul(load<u64>(g, 8), p), 8); store<u64>(s, fmul(load<u64>(g, 16), p), 16);
  }
  // Blocks of 64 rows keep w in registers' reach while each query's power advances.
  for (let i = lo; i < hi; i += 64) {
    const end = min<usize>(hi, i + 64);
    for (let j: u32 = 0; j < count; j++) {
      const x = load<u64>(xs + <usize>j * 8), s = scratch + <usize>j * 24;
      let g0 = load<u64>(s), g1 = load<u64>(s, 8), g2 = load<u64>(s, 16);
      for (let k = i; k < end; k++) {
        const o = w + k * 24;
        store<u64>(o, fadd(load<u64>(o), g0)); store<u64>(o, fadd(load<u64>(o, 8), g1), 8); store<u64>(o, fadd(load<u64>(o, 16), g2), 16);
        g0 = fmul(g0, x); g1 = fmul(g1, x); g2 = fmul(g2, x);
      }
      store<u64>(s, g0); store<u64>(s, g1, 8); store<u64>(s, g2, 16);
    }
  }
}

/**
 * w[i] += the element whose coordinates are words rev(i) of three columns of 2^log words at cols, for i in [lo, hi):
 * columns as the transform leaves them.
 */
export function addTransformed(w: usize, cols: usize, log: u32, lo: usize, hi: usize): void {
  const n = (<usize>1) << log, c1 = cols + n * 8, c2 = c1 + n * 8;
  let r: usize = 0;
  for (let k: u32 = 0; k < log; k++) if ((lo >> k) & 1) r |= n >> (k + 1);
  for (let i = lo; i < hi; i++) {
    const o = w + i * 24, p = r * 8;
    store<u64>(o, fadd(load<u64>(o), load<u64>(cols + p)));
    store<u64>(o, fadd(load<u64>(o, 8), load<u64>(c1 + p)), 8);
    store<u64>(o, fadd(load<u64>(o, 16), load<u64>(c2 + p)), 16);
    // Adds one to r read from its top bit down.
    let bit = n >> 1;
    while (r & bit) { r ^= bit; bit >>= 1; }
    r |= bit;
  }
}

/** w[i] += g z^i, z in E. */
export function addPowersExt(w: usize, z: usize, g: usize, n: usize): void {
  let g0 = load<u64>(g), g1 = load<u64>(g, 8), g2 = load<u64>(g, 16);
  LOAD(z, z); SUMS(z);
  for (let k: usize = 0; k < n; k++) {
    const o = w + k * 24;
    LOAD(x, o); ADD(y, x, g); STORE(o, y);
    SUMS(g); PROD(p, g, z); VALUE(t, p);
    g0 = t0; g1 = t1; g2 = t2;
  }
}

/** out = sum_i f[i] z^i by Horner. */
export function hornerExt(out: usize, f: usize, z: usize, n: usize): void {
  ZERO(a); LOAD(z, z); SUMS(z);
  for (let k = n; k > 0; k--) {
    LOAD(c, f + (k - 1) * 24); SUMS(a);
    PROD(p, a, z); VALUE(t, p); ADD(b, t, c);
    a0 = b0; a1 = b1; a2 = b2;
  }
  STORE(out, a);
}
export function whirZero(p: usize): void { ezero(p); }
