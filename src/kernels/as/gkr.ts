// LogUp-GKR over dense boxes. A fraction is (n, d); missing cells are 0/1. Element (row, c) of an array lies at base +
// (row rs + c cs) 24.
import { P, LOW, fadd, faddLazy, fsub, fmul, carry, carryWide, eadd, esub, emul, ezero, ecopy } from './field';
import { own } from './own';
import {
  BLOCK, SUMS, addPairs, crossBlock, crossBlockDifferences, crossPairs, foldPairs, productBlock, productBlockDifferences, productPairs,
  scaleAddBlock, scaleAddBlockDifferences, scalePairs, sumBlock,
} from './pairs';

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
  for (let i = lo; i < hi; i++) {
    const o = dst + i * m * 24, even = m & ~1;
    scalePairs(o, b, a + i * 24, even);
    if (even < m) emul(o + even * 24, a + i * 24, b + even * 24);
  }
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
/**
 * den[i] = g - (key0 + i) - sum_c b_c col_c[i]; columns are i64 arrays, `cols` lists `ncols` addresses (u32), b at
 * betas.
 */
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
    let c: usize = 0;
    for (const full = (len / 2) & ~1; c < full; ) {
      const at = (row * len + 2 * c) * 24, o = (row * half + c) * 24, p = d + at, u = n + at, k = min(full - c, BLOCK);
      if (n) crossPairs(dn + o, u, u + 24, p, p + 24, 48, k); else addPairs(dn + o, p, p + 24, 48, k);
      productPairs(dd + o, p, p + 24, 48, k);
      c += k;
    }
    for (; c < half; c++) {
      const at = (row * len + 2 * c) * 24, o = (row * half + c) * 24, d0 = d + at;
      if (c + c + 1 < len) {
        LOAD(x, d0); LOAD(y, d0 + 24); SUMS(x); SUMS(y);
        if (n) {
          LOAD(u, n + at); LOAD(v, n + at + 24); SUMS(u); SUMS(v);
          PROD(p, u, y); PROD(q, v, x); VALUE(z, p, q); STORE(dn + o, z);
        } else { ADD(z, x, y); STORE(dn + o, z); }
        PROD(p, x, y); VALUE(z, p); STORE(dd + o, z);
      } else {
        ecopy(dd + o, d0);
        if (n) ecopy(dn + o, n + at); else { store<u64>(dn + o, 1); store<u64>(dn + o, 0, 8); store<u64>(dn + o, 0, 16); }
      }
    }
  }
}

/**
 * Splits rows of len fractions into even and odd cells, each ceil(len / 2) a row; missing odd cells are 0/1. n = 0:
 * ones.
 */
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

// Running lanes of a row's two sums.
const SUMS_LOW: usize = SUMS, SUMS_HIGH: usize = SUMS + 48;
function clearSums(): void { memory.fill(own + SUMS_LOW, 0, 96); }

/**
 * Adds to out (two elements) sum over rows [lo, hi), pairs c of w (F(0) - lambda) and of w F's leading coefficient,
 * where F = n0 d1 + d0 (n1 + lambda d1) is taken along the pair's variable and w = roww[row] eqcol[c].
 */
export function gkrRound(out: usize, n0: usize, n1: usize, d0: usize, d1: usize, len: usize, cs: usize, rs: usize, eqcol: usize, roww: usize, lambda: usize, s: usize, lo: usize, hi: usize): void {
  const half = (len + 1) / 2, full = (len / 2) & ~1, step = cs * 24;
  // What a missing upper cell holds: 0/1.
  ezero(s); ezero(s + 24); store<u64>(s, 1, 24);
  LOAD(l, lambda); SUMS(l);
  for (let row = lo; row < hi; row++) {
    LANES(a); LANES(b);
    let c: usize = 0;
    if (full) {
      clearSums();
      while (c < full) {
        const at = (row * rs + 2 * c * cs) * 24, k = min(full - c, BLOCK), w = eqcol + c * 24;
        const N0 = n0 + at, N1 = n1 + at, D0 = d0 + at, D1 = d1 + at;
        scaleAddBlock(own, N1, D1, 2 * step, k, lambda);
        crossBlock(own, D0, N0, D1, 2 * step, k, lambda);
        sumBlock(own + SUMS_LOW, own, w, k);
        scaleAddBlockDifferences(own, N1, D1, step, 2 * step, k, lambda);
        crossBlockDifferences(own, D0, N0, D1, step, 2 * step, k);
        sumBlock(own + SUMS_HIGH, own, w, k);
        c += k;
      }
      TAKE(a, own + SUMS_LOW); TAKE(b, own + SUMS_HIGH);
    }
    for (; c < half; c++) {
      const at = (row * rs + 2 * c * cs) * 24, w = eqcol + c * 24, last = c + c + 1 >= len;
      const N0 = n0 + at, N1 = n1 + at, D0 = d0 + at, D1 = d1 + at;
      LOAD(w, w); SUMS(w);
      {
        LOAD(n, N0); LOAD(m, N1); LOAD(d, D0); LOAD(e, D1); SUMS(n); SUMS(d); SUMS(e);
        PROD(t, l, e); VALUE(t, t); ADD(u, m, t); SUMS(u);
        PROD(p, d, u); PROD(q, n, e); VALUE(f, p, q); SUB(g, f, l); SUMS(g);
        PROD(r, w, g); ACC(a, r);
      }
      // Differences along the variable.
      {
        const un = last ? s : N0 + step, um = last ? s : N1 + step, ud = last ? s + 24 : D0 + step, ue = last ? s + 24 : D1 + step;
        LOAD(xn, N0); LOAD(xm, N1); LOAD(xd, D0); LOAD(xe, D1); LOAD(yn, un); LOAD(ym, um); LOAD(yd, ud); LOAD(ye, ue);
        SUB(n, yn, xn); SUB(m, ym, xm); SUB(d, yd, xd); SUB(e, ye, xe); SUMS(n); SUMS(d); SUMS(e);
        PROD(t, l, e); VALUE(t, t); ADD(u, m, t); SUMS(u);
        PROD(p, d, u); PROD(q, n, e); VALUE(f, p, q); SUMS(f);
        PROD(r, w, f); ACC(b, r);
      }
    }
    TOTAL(x, a); TOTAL(y, b);
    addWeighted(out, roww + row * 24, x0, x1, x2, y0, y1, y2);
  }
}
// out += w (a, b)
function addWeighted(out: usize, w: usize, a0: u64, a1: u64, a2: u64, b0: u64, b1: u64, b2: u64): void {
  LOAD(w, w); SUMS(w); SUMS(a); SUMS(b);
  PROD(p, a, w); VALUE(x, p); LOAD(s, out); ADD(u, s, x); STORE(out, u);
  PROD(q, b, w); VALUE(y, q); LOAD(t, out + 24); ADD(v, t, y); STORE(out + 24, v);
}

/**
 * First layer over leaves 1/(g - x), 1/(g - y) from keys: num = 2 g - (x + y), den = g^2 - (x + y) g + x y, for pairs
 * [lo, hi).
 */
export function gkrLeafRange(dn: usize, dd: usize, keys: usize, g: usize, lo: usize, hi: usize): void {
  const g0 = load<u64>(g), g1 = load<u64>(g, 8), g2 = load<u64>(g, 16), h0 = fadd(g0, g0), h1 = fadd(g1, g1), h2 = fadd(g2, g2);
  SUMS(g); PROD(q, g, g); VALUE(q, q);
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
    LOAD(x, a); LOAD(y, b); SUMS(x); SUMS(y);
    ADD(t, x, y); STORE(dn + i * 24, t);
    PROD(p, x, y); VALUE(z, p); STORE(dd + i * 24, z);
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
  const half = (len + 1) / 2, full = (len / 2) & ~1, step = cs * 24;
  for (let row = lo; row < hi; row++) {
    LANES(a); LANES(b);
    let c: usize = 0;
    if (full) {
      clearSums();
      while (c < full) {
        const at = (row * rs + 2 * c * cs) * 24, k = min(full - c, BLOCK), w = eqcol + c * 24;
        productBlock(own, e0 + at, e1 + at, 2 * step, k);
        sumBlock(own + SUMS_LOW, own, w, k);
        productBlockDifferences(own, e0 + at, e1 + at, step, 2 * step, k);
        sumBlock(own + SUMS_HIGH, own, w, k);
        c += k;
      }
      TAKE(a, own + SUMS_LOW); TAKE(b, own + SUMS_HIGH);
    }
    for (; c < half; c++) {
      const at = (row * rs + 2 * c * cs) * 24, p = e0 + at, q = e1 + at;
      const last = c + c + 1 >= len, u = last ? lambda : p + step, v = last ? lambda : q + step;
      LOAD(x, p); LOAD(y, q); LOAD(w, eqcol + c * 24); SUMS(x); SUMS(y); SUMS(w);
      PROD(p, x, y); VALUE(f, p); SUMS(f);
      PROD(r, f, w); ACC(a, r);
      LOAD(u, u); LOAD(v, v); SUB(d, u, x); SUB(e, v, y); SUMS(d); SUMS(e);
      PROD(q, d, e); VALUE(g, q); SUMS(g);
      PROD(s, g, w); ACC(b, s);
    }
    TOTAL(x, a); TOTAL(y, b);
    addWeighted(out, roww + row * 24, x0, x1, x2, y0, y1, y2);
  }
}
/** Folds the two arrays of gkrProduct. */
export function gkrFoldPair(e0: usize, e1: usize, len: usize, cs: usize, rs: usize, lambda: usize, r: usize, s: usize, lo: usize, hi: usize): void {
  fold(e0, lambda, len, cs, rs, r, s, lo, hi);
  fold(e1, lambda, len, cs, rs, r, s, lo, hi);
}

/**
 * Folds the current variable of the four arrays in place: x = a + r (b - a); a missing b is 0 in numerators, 1 in
 * denominators.
 */
export function gkrFold(n0: usize, n1: usize, d0: usize, d1: usize, len: usize, cs: usize, rs: usize, r: usize, s: usize, lo: usize, hi: usize): void {
  // Pads beyond the differences' place.
  ezero(s + 24); ezero(s + 48); store<u64>(s, 1, 48);
  fold(n0, s + 24, len, cs, rs, r, s, lo, hi);
  fold(n1, s + 24, len, cs, rs, r, s, lo, hi);
  fold(d0, s + 48, len, cs, rs, r, s, lo, hi);
  fold(d1, s + 48, len, cs, rs, r, s, lo, hi);
}
function fold(a: usize, pad: usize, len: usize, cs: usize, rs: usize, r: usize, s: usize, lo: usize, hi: usize): void {
  const half = len / 2, odd = len & 1, step = cs * 24;
  LOAD(c, r); SUMS(c);
  for (let row = lo; row < hi; row++) {
    let p = a + row * rs * 24, o = p;
    const even = half & ~1;
    if (even) foldPairs(o, step, p, p + step, 2 * step, even, r);
    p += 2 * even * step; o += even * step;
    for (let k = even; k < half; k++) {
      const q = p + step;
      LOAD(x, p); LOAD(y, q); SUB(d, y, x); SUMS(d);
      PROD(t, d, c); VALUE(t, t); ADD(z, x, t); STORE(o, z);
      p = q + step; o += step;
    }
    if (odd) {
      esub(s, pad, p);
      emul(s, s, r);
      eadd(o, p, s);
    }
  }
}
