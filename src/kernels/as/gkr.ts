// LogUp-GKR over dense boxes. A fraction is (n, d); missing cells are 0/1. Element (row, c) of an array lies at base + (row rs + c cs) 24.
import { P, fadd, fsub, fmul, eadd, esub, emul, emulv, r0, r1, r2, efma, ezero, ecopy } from './field';

/** eq(point, i) for i < n, point of v variables, most significant first; dst has n + 1 places. */
export function eqTrunc(dst: usize, pts: usize, v: u32, n: usize, scratch: usize): void {
  store<u64>(dst, 1); store<u64>(dst, 0, 8); store<u64>(dst, 0, 16);
  for (let t: u32 = 0; t < v; t++) {
    const shift = v - 1 - t, cnt = (n + ((<usize>1) << shift) - 1) >> shift, p = pts + <usize>t * 24;
    for (let i = cnt; i > 0; i--) {
      const k = i - 1, parent = dst + (k >> 1) * 24;
      emul(scratch, parent, p);
      if (k & 1) ecopy(dst + k * 24, scratch);
      else esub(dst + k * 24, parent, scratch);
    }
  }
}

/** dst[i m + j] = a[i] b[j] for i in [lo, hi). */
export function outer(dst: usize, a: usize, b: usize, m: usize, lo: usize, hi: usize): void {
  for (let i = lo; i < hi; i++) for (let j: usize = 0; j < m; j++) emul(dst + (i * m + j) * 24, a + i * 24, b + j * 24);
}

/** den[i] = g - keys[i], keys u32. */
export function leafRange(dst: usize, keys: usize, g: usize, lo: usize, hi: usize): void {
  const g0 = load<u64>(g), g1 = load<u64>(g, 8), g2 = load<u64>(g, 16);
  for (let i = lo; i < hi; i++) { const o = dst + i * 24; store<u64>(o, fsub(g0, <u64>load<u32>(keys + i * 4))); store<u64>(o, g1, 8); store<u64>(o, g2, 16); }
}
/** den[i] = table[keys[i]]. */
export function leafTable(dst: usize, keys: usize, table: usize, lo: usize, hi: usize): void {
  for (let i = lo; i < hi; i++) ecopy(dst + i * 24, table + <usize>load<u32>(keys + i * 4) * 24);
}
/** den[i] = g - (key0 + i) - sum_c b_c col_c[i]; columns are i64 arrays, `cols` lists `ncols` addresses (u32), b at betas. */
export function tableDen(dst: usize, g: usize, key0: i64, cols: usize, ncols: u32, betas: usize, scratch: usize, lo: usize, hi: usize): void {
  for (let i = lo; i < hi; i++) {
    const o = dst + i * 24;
    ecopy(o, g);
    const key = key0 + <i64>i, kf: u64 = key < 0 ? P - <u64>(-key) : <u64>key;
    store<u64>(o, fsub(load<u64>(o), kf));
    for (let c: u32 = 0; c < ncols; c++) {
      const x = load<i64>(<usize>load<u32>(cols + <usize>c * 4) + i * 8), xf: u64 = x < 0 ? P - <u64>(-x) : <u64>x, b = betas + <usize>c * 24;
      store<u64>(o, fsub(load<u64>(o), fmul(load<u64>(b), xf)));
      store<u64>(o, fsub(load<u64>(o, 8), fmul(load<u64>(b, 8), xf)), 8);
      store<u64>(o, fsub(load<u64>(o, 16), fmul(load<u64>(b, 16), xf)), 16);
    }
  }
}
/** num[i] = -mult[i]. */
export function tableNum(dst: usize, mult: usize, lo: usize, hi: usize): void {
  for (let i = lo; i < hi; i++) { const o = dst + i * 24, m = <u64>load<u32>(mult + i * 4); store<u64>(o, m ? P - m : 0); store<u64>(o, 0, 8); store<u64>(o, 0, 16); }
}

/** One layer: rows of len fractions -> rows of ceil(len / 2). n = 0 means numerator one in every cell. */
export function gkrLayer(dn: usize, dd: usize, n: usize, d: usize, len: usize, scratch: usize, lo: usize, hi: usize): void {
  const half = (len + 1) / 2;
  for (let row = lo; row < hi; row++) {
    for (let c: usize = 0; c < half; c++) {
      const at = (row * len + 2 * c) * 24, o = (row * half + c) * 24, d0 = d + at;
      if (c + c + 1 < len) {
        const d1 = d0 + 24;
        if (n) { emul(dn + o, n + at, d1); efma(dn + o, n + at + 24, d0); } else eadd(dn + o, d0, d1);
        emul(dd + o, d0, d1);
      } else {
        ecopy(dd + o, d0);
        if (n) ecopy(dn + o, n + at); else { store<u64>(dn + o, 1); store<u64>(dn + o, 0, 8); store<u64>(dn + o, 0, 16); }
      }
    }
  }
}

/** Splits rows of len fractions into even and odd cells, each ceil(len / 2) a row; missing odd cells are 0/1. n = 0: ones. */
export function gkrSplit(n0: usize, n1: usize, d0: usize, d1: usize, n: usize, d: usize, len: usize, lo: usize, hi: usize): void {
  const half = (len + 1) / 2;
  for (let row = lo; row < hi; row++) {
    for (let c: usize = 0; c < half; c++) {
      const at = (row * len + 2 * c) * 24, o = (row * half + c) * 24;
      if (n) ecopy(n0 + o, n + at); else { store<u64>(n0 + o, 1); store<u64>(n0 + o, 0, 8); store<u64>(n0 + o, 0, 16); }
      ecopy(d0 + o, d + at);
      if (c + c + 1 < len) {
        if (n) ecopy(n1 + o, n + at + 24); else { store<u64>(n1 + o, 1); store<u64>(n1 + o, 0, 8); store<u64>(n1 + o, 0, 16); }
        ecopy(d1 + o, d + at + 24);
      } else { ezero(n1 + o); store<u64>(d1 + o, 1); store<u64>(d1 + o, 0, 8); store<u64>(d1 + o, 0, 16); }
    }
  }
}

/**
 * Adds to out (two elements) sum over rows [lo, hi), pairs c of w (F(0) - lambda) and of w F's leading coefficient, where
 * F = n0 d1 + d0 (n1 + lambda d1) is taken along the pair's variable and w = roww[row] eqcol[c].
 */
export function gkrRound(out: usize, n0: usize, n1: usize, d0: usize, d1: usize, len: usize, cs: usize, rs: usize, eqcol: usize, roww: usize, lambda: usize, s: usize, lo: usize, hi: usize): void {
  const half = (len + 1) / 2, step = cs * 24, l0 = load<u64>(lambda), l1 = load<u64>(lambda, 8), l2 = load<u64>(lambda, 16);
  for (let row = lo; row < hi; row++) {
    let a0: u64 = 0, a1: u64 = 0, a2: u64 = 0, b0: u64 = 0, b1: u64 = 0, b2: u64 = 0;
    for (let c: usize = 0; c < half; c++) {
      const at = (row * rs + 2 * c * cs) * 24;
      const N0 = n0 + at, N1 = n1 + at, D0 = d0 + at, D1 = d1 + at, w = eqcol + c * 24;
      const x0 = load<u64>(D1), x1 = load<u64>(D1, 8), x2 = load<u64>(D1, 16);
      emulv(l0, l1, l2, x0, x1, x2);
      emulv(load<u64>(D0), load<u64>(D0, 8), load<u64>(D0, 16), fadd(load<u64>(N1), r0), fadd(load<u64>(N1, 8), r1), fadd(load<u64>(N1, 16), r2));
      let f0 = r0, f1 = r1, f2 = r2;
      emulv(load<u64>(N0), load<u64>(N0, 8), load<u64>(N0, 16), x0, x1, x2);
      const w0 = load<u64>(w), w1 = load<u64>(w, 8), w2 = load<u64>(w, 16);
      emulv(w0, w1, w2, fsub(fadd(f0, r0), l0), fsub(fadd(f1, r1), l1), fsub(fadd(f2, r2), l2));
      a0 = fadd(a0, r0); a1 = fadd(a1, r1); a2 = fadd(a2, r2);
      // Differences along the variable; a missing upper cell is 0/1.
      if (c + c + 1 < len) { ediff(s, N0 + step, N0); ediff(s + 24, N1 + step, N1); ediff(s + 48, D0 + step, D0); ediff(s + 72, D1 + step, D1); }
      else { ezero(s + 96); esub(s, s + 96, N0); esub(s + 24, s + 96, N1); store<u64>(s, 1, 96); esub(s + 48, s + 96, D0); esub(s + 72, s + 96, D1); }
      const y0 = load<u64>(s, 72), y1 = load<u64>(s, 80), y2 = load<u64>(s, 88);
      emulv(l0, l1, l2, y0, y1, y2);
      emulv(load<u64>(s, 48), load<u64>(s, 56), load<u64>(s, 64), fadd(load<u64>(s, 24), r0), fadd(load<u64>(s, 32), r1), fadd(load<u64>(s, 40), r2));
      f0 = r0; f1 = r1; f2 = r2;
      emulv(load<u64>(s), load<u64>(s, 8), load<u64>(s, 16), y0, y1, y2);
      emulv(w0, w1, w2, fadd(f0, r0), fadd(f1, r1), fadd(f2, r2));
      b0 = fadd(b0, r0); b1 = fadd(b1, r1); b2 = fadd(b2, r2);
    }
    addWeighted(out, roww + row * 24, a0, a1, a2, b0, b1, b2);
  }
}
// @ts-ignore: decorator
@inline function ediff(d: usize, a: usize, b: usize): void {
  store<u64>(d, fsub(load<u64>(a), load<u64>(b))); store<u64>(d, fsub(load<u64>(a, 8), load<u64>(b, 8)), 8); store<u64>(d, fsub(load<u64>(a, 16), load<u64>(b, 16)), 16);
}
// out += w (a, b)
function addWeighted(out: usize, w: usize, a0: u64, a1: u64, a2: u64, b0: u64, b1: u64, b2: u64): void {
  const w0 = load<u64>(w), w1 = load<u64>(w, 8), w2 = load<u64>(w, 16);
  emulv(a0, a1, a2, w0, w1, w2);
  store<u64>(out, fadd(load<u64>(out), r0)); store<u64>(out, fadd(load<u64>(out, 8), r1), 8); store<u64>(out, fadd(load<u64>(out, 16), r2), 16);
  emulv(b0, b1, b2, w0, w1, w2);
  store<u64>(out, fadd(load<u64>(out, 24), r0), 24); store<u64>(out, fadd(load<u64>(out, 32), r1), 32); store<u64>(out, fadd(load<u64>(out, 40), r2), 40);
}

/** First layer over leaves 1/(g - x), 1/(g - y) from keys: num = 2 g - (x + y), den = g^2 - (x + y) g + x y, for pairs [lo, hi). */
export function gkrLeafRange(dn: usize, dd: usize, keys: usize, g: usize, lo: usize, hi: usize): void {
  const g0 = load<u64>(g), g1 = load<u64>(g, 8), g2 = load<u64>(g, 16), h0 = fadd(g0, g0), h1 = fadd(g1, g1), h2 = fadd(g2, g2);
  emulv(g0, g1, g2, g0, g1, g2);
  const q0 = r0, q1 = r1, q2 = r2;
  for (let i = lo; i < hi; i++) {
    const x = <u64>load<u32>(keys + i * 8), y = <u64>load<u32>(keys + i * 8, 4), t = x + y, n = dn + i * 24, d = dd + i * 24;
    store<u64>(n, fsub(h0, t)); store<u64>(n, h1, 8); store<u64>(n, h2, 16);
    store<u64>(d, fadd(fsub(q0, fmul(g0, t)), fmul(x, y))); store<u64>(d, fsub(q1, fmul(g1, t)), 8); store<u64>(d, fsub(q2, fmul(g2, t)), 16);
  }
}
/** The same for leaves 1/table[x], 1/table[y]. */
export function gkrLeafTable(dn: usize, dd: usize, keys: usize, table: usize, lo: usize, hi: usize): void {
  for (let i = lo; i < hi; i++) {
    const a = table + <usize>load<u32>(keys + i * 8) * 24, b = table + <usize>load<u32>(keys + i * 8, 4) * 24;
    eadd(dn + i * 24, a, b);
    emul(dd + i * 24, a, b);
  }
}

/** e[i] = 1 + lambda (g - key) for the even (e0) and odd (e1) keys of pairs [lo, hi); base = 1 + lambda g. */
export function leafPairsRange(e0: usize, e1: usize, keys: usize, base: usize, lambda: usize, lo: usize, hi: usize): void {
  const g0 = load<u64>(base), g1 = load<u64>(base, 8), g2 = load<u64>(base, 16), l0 = load<u64>(lambda), l1 = load<u64>(lambda, 8), l2 = load<u64>(lambda, 16);
  for (let i = lo; i < hi; i++) {
    const x = <u64>load<u32>(keys + i * 8), y = <u64>load<u32>(keys + i * 8, 4), p = e0 + i * 24, q = e1 + i * 24;
    store<u64>(p, fsub(g0, fmul(l0, x))); store<u64>(p, fsub(g1, fmul(l1, x)), 8); store<u64>(p, fsub(g2, fmul(l2, x)), 16);
    store<u64>(q, fsub(g0, fmul(l0, y))); store<u64>(q, fsub(g1, fmul(l1, y)), 8); store<u64>(q, fsub(g2, fmul(l2, y)), 16);
  }
}
/** The same from a table of 1 + lambda den. */
export function leafPairsTable(e0: usize, e1: usize, keys: usize, table: usize, lo: usize, hi: usize): void {
  for (let i = lo; i < hi; i++) {
    ecopy(e0 + i * 24, table + <usize>load<u32>(keys + i * 8) * 24);
    ecopy(e1 + i * 24, table + <usize>load<u32>(keys + i * 8, 4) * 24);
  }
}
/** dst = 1 + lambda src */
export function onePlus(dst: usize, src: usize, lambda: usize, lo: usize, hi: usize): void {
  for (let i = lo; i < hi; i++) { const o = dst + i * 24; emul(o, src + i * 24, lambda); store<u64>(o, fadd(load<u64>(o), 1)); }
}
/** Adds to out the sums of w e0 e1 at 0 and of w times its leading coefficient; missing upper cells are lambda. */
export function gkrProduct(out: usize, e0: usize, e1: usize, len: usize, cs: usize, rs: usize, eqcol: usize, roww: usize, lambda: usize, lo: usize, hi: usize): void {
  const half = (len + 1) / 2, step = cs * 24;
  for (let row = lo; row < hi; row++) {
    let a0: u64 = 0, a1: u64 = 0, a2: u64 = 0, b0: u64 = 0, b1: u64 = 0, b2: u64 = 0;
    for (let c: usize = 0; c < half; c++) {
      const at = (row * rs + 2 * c * cs) * 24, p = e0 + at, q = e1 + at, w = eqcol + c * 24;
      const last = c + c + 1 >= len, u = last ? lambda : p + step, v = last ? lambda : q + step;
      const x0 = load<u64>(p), x1 = load<u64>(p, 8), x2 = load<u64>(p, 16), y0 = load<u64>(q), y1 = load<u64>(q, 8), y2 = load<u64>(q, 16);
      const w0 = load<u64>(w), w1 = load<u64>(w, 8), w2 = load<u64>(w, 16);
      emulv(x0, x1, x2, y0, y1, y2);
      emulv(r0, r1, r2, w0, w1, w2);
      a0 = fadd(a0, r0); a1 = fadd(a1, r1); a2 = fadd(a2, r2);
      emulv(fsub(load<u64>(u), x0), fsub(load<u64>(u, 8), x1), fsub(load<u64>(u, 16), x2), fsub(load<u64>(v), y0), fsub(load<u64>(v, 8), y1), fsub(load<u64>(v, 16), y2));
      emulv(r0, r1, r2, w0, w1, w2);
      b0 = fadd(b0, r0); b1 = fadd(b1, r1); b2 = fadd(b2, r2);
    }
    addWeighted(out, roww + row * 24, a0, a1, a2, b0, b1, b2);
  }
}
/** Folds the two arrays of gkrProduct. */
export function gkrFoldPair(e0: usize, e1: usize, len: usize, cs: usize, rs: usize, lambda: usize, r: usize, s: usize, lo: usize, hi: usize): void {
  fold(e0, lambda, len, cs, rs, r, s, lo, hi);
  fold(e1, lambda, len, cs, rs, r, s, lo, hi);
}

/** Folds the current variable of the four arrays in place: x = a + r (b - a); a missing b is 0 in numerators, 1 in denominators. */
export function gkrFold(n0: usize, n1: usize, d0: usize, d1: usize, len: usize, cs: usize, rs: usize, r: usize, s: usize, lo: usize, hi: usize): void {
  // Pads beyond the differences' place.
  ezero(s + 24); ezero(s + 48); store<u64>(s, 1, 48);
  fold(n0, s + 24, len, cs, rs, r, s, lo, hi);
  fold(n1, s + 24, len, cs, rs, r, s, lo, hi);
  fold(d0, s + 48, len, cs, rs, r, s, lo, hi);
  fold(d1, s + 48, len, cs, rs, r, s, lo, hi);
}
function fold(a: usize, pad: usize, len: usize, cs: usize, rs: usize, r: usize, s: usize, lo: usize, hi: usize): void {
  const half = len / 2, odd = len & 1, c0 = load<u64>(r), c1 = load<u64>(r, 8), c2 = load<u64>(r, 16), step = cs * 24;
  for (let row = lo; row < hi; row++) {
    let p = a + row * rs * 24, o = p;
    for (let c: usize = 0; c < half; c++) {
      const q = p + step, x0 = load<u64>(p), x1 = load<u64>(p, 8), x2 = load<u64>(p, 16);
      emulv(fsub(load<u64>(q), x0), fsub(load<u64>(q, 8), x1), fsub(load<u64>(q, 16), x2), c0, c1, c2);
      store<u64>(o, fadd(x0, r0)); store<u64>(o, fadd(x1, r1), 8); store<u64>(o, fadd(x2, r2), 16);
      p = q + step; o += step;
    }
    if (odd) {
      esub(s, pad, p);
      emul(s, s, r);
      eadd(o, p, s);
    }
  }
}
