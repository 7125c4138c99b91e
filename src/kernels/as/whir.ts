// WHIR: product sumcheck over halves, folding, power weights, Merkle rows. Extension arrays are AoS of three words.
import { fadd, fsub, fmul, fsigned, emulv, r0, r1, r2, ezero } from './field';

// out (72 bytes per thread): sums of f w over the low half, and of (f_hi - f_lo)(w_hi - w_lo).
/** f: i64 signed when base != 0, else E. Indices [lo, hi) of the low half; the high half has nhi entries at offset half. */
export function scHalves(out: usize, f: usize, base: u32, w: usize, half: usize, nhi: usize, lo: usize, hi: usize): void {
  let a0: u64 = 0, a1: u64 = 0, a2: u64 = 0, b0: u64 = 0, b1: u64 = 0, b2: u64 = 0;
  if (base) {
    for (let i = lo; i < hi; i++) {
      const x = fsigned(load<i64>(f + i * 8)), p = w + i * 24;
      const w0 = load<u64>(p), w1 = load<u64>(p, 8), w2 = load<u64>(p, 16);
      a0 = fadd(a0, fmul(x, w0)); a1 = fadd(a1, fmul(x, w1)); a2 = fadd(a2, fmul(x, w2));
      let y: u64 = 0, v0: u64 = 0, v1: u64 = 0, v2: u64 = 0;
      if (i < nhi) { const q = w + (i + half) * 24; y = fsigned(load<i64>(f + (i + half) * 8)); v0 = load<u64>(q); v1 = load<u64>(q, 8); v2 = load<u64>(q, 16); }
      const d = fsub(y, x);
      b0 = fadd(b0, fmul(d, fsub(v0, w0))); b1 = fadd(b1, fmul(d, fsub(v1, w1))); b2 = fadd(b2, fmul(d, fsub(v2, w2)));
    }
  } else {
    for (let i = lo; i < hi; i++) {
      const e = f + i * 24, p = w + i * 24;
      const f0 = load<u64>(e), f1 = load<u64>(e, 8), f2 = load<u64>(e, 16), w0 = load<u64>(p), w1 = load<u64>(p, 8), w2 = load<u64>(p, 16);
      emulv(f0, f1, f2, w0, w1, w2);
      a0 = fadd(a0, r0); a1 = fadd(a1, r1); a2 = fadd(a2, r2);
      let g0: u64 = 0, g1: u64 = 0, g2: u64 = 0, v0: u64 = 0, v1: u64 = 0, v2: u64 = 0;
      if (i < nhi) {
        const q = w + (i + half) * 24, h = f + (i + half) * 24;
        g0 = load<u64>(h); g1 = load<u64>(h, 8); g2 = load<u64>(h, 16); v0 = load<u64>(q); v1 = load<u64>(q, 8); v2 = load<u64>(q, 16);
      }
      emulv(fsub(g0, f0), fsub(g1, f1), fsub(g2, f2), fsub(v0, w0), fsub(v1, w1), fsub(v2, w2));
      b0 = fadd(b0, r0); b1 = fadd(b1, r1); b2 = fadd(b2, r2);
    }
  }
  store<u64>(out, a0); store<u64>(out, a1, 8); store<u64>(out, a2, 16); store<u64>(out, b0, 24); store<u64>(out, b1, 32); store<u64>(out, b2, 40);
}

/** dst[i] = src[i] + r (src[i + half] - src[i]) for i in [lo, hi); src base (signed) or E; in place allowed when src is E. */
export function foldHalves(dst: usize, src: usize, base: u32, half: usize, nhi: usize, r: usize, lo: usize, hi: usize): void {
  const c0 = load<u64>(r), c1 = load<u64>(r, 8), c2 = load<u64>(r, 16);
  if (base) {
    for (let i = lo; i < hi; i++) {
      const x = fsigned(load<i64>(src + i * 8)), y = i < nhi ? fsigned(load<i64>(src + (i + half) * 8)) : 0;
      const d = fsub(y, x), o = dst + i * 24;
      store<u64>(o, fadd(x, fmul(d, c0))); store<u64>(o, fmul(d, c1), 8); store<u64>(o, fmul(d, c2), 16);
    }
  } else {
    for (let i = lo; i < hi; i++) {
      const a = src + i * 24, o = dst + i * 24;
      const x0 = load<u64>(a), x1 = load<u64>(a, 8), x2 = load<u64>(a, 16);
      let y0: u64 = 0, y1: u64 = 0, y2: u64 = 0;
      if (i < nhi) { const b = src + (i + half) * 24; y0 = load<u64>(b); y1 = load<u64>(b, 8); y2 = load<u64>(b, 16); }
      emulv(fsub(y0, x0), fsub(y1, x1), fsub(y2, x2), c0, c1, c2);
      store<u64>(o, fadd(x0, r0)); store<u64>(o, fadd(x1, r1), 8); store<u64>(o, fadd(x2, r2), 16);
    }
  }
}

/** w[i] += sum_j g_j x_j^i for i in [lo, hi): x_j in F at xs, g_j in E at gs, running powers kept in scratch (24 bytes each). */
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

/** w[i] += g z^i, z in E. */
export function addPowersExt(w: usize, z: usize, g: usize, n: usize): void {
  let g0 = load<u64>(g), g1 = load<u64>(g, 8), g2 = load<u64>(g, 16);
  const z0 = load<u64>(z), z1 = load<u64>(z, 8), z2 = load<u64>(z, 16);
  for (let k: usize = 0; k < n; k++) {
    const o = w + k * 24;
    store<u64>(o, fadd(load<u64>(o), g0)); store<u64>(o, fadd(load<u64>(o, 8), g1), 8); store<u64>(o, fadd(load<u64>(o, 16), g2), 16);
    emulv(g0, g1, g2, z0, z1, z2);
    g0 = r0; g1 = r1; g2 = r2;
  }
}

/** out = sum_i f[i] z^i by Horner. */
export function hornerExt(out: usize, f: usize, z: usize, n: usize): void {
  let a0: u64 = 0, a1: u64 = 0, a2: u64 = 0;
  const z0 = load<u64>(z), z1 = load<u64>(z, 8), z2 = load<u64>(z, 16);
  for (let k = n; k > 0; k--) {
    emulv(a0, a1, a2, z0, z1, z2);
    const o = f + (k - 1) * 24;
    a0 = fadd(r0, load<u64>(o)); a1 = fadd(r1, load<u64>(o, 8)); a2 = fadd(r2, load<u64>(o, 16));
  }
  store<u64>(out, a0); store<u64>(out, a1, 8); store<u64>(out, a2, 16);
}
export function whirZero(p: usize): void { ezero(p); }
