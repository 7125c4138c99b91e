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
 * F = n0 d1 + n1 d0 + lambda d0 d1 is taken along the pair's variable and w = roww[row] eqcol[c].
 */
export function gkrRound(out: usize, n0: usize, n1: usize, d0: usize, d1: usize, len: usize, cs: usize, rs: usize, eqcol: usize, roww: usize, lambda: usize, s: usize, lo: usize, hi: usize): void {
  const half = (len + 1) / 2;
  // scratch: 0 a, 24 b, 48 t, 72 row0, 96 row2, 120 dn0, 144 dn1, 168 dd0, 192 dd1
  for (let row = lo; row < hi; row++) {
    ezero(s + 72); ezero(s + 96);
    for (let c: usize = 0; c < half; c++) {
      const at = (row * rs + 2 * c * cs) * 24;
      const N0 = n0 + at, N1 = n1 + at, D0 = d0 + at, D1 = d1 + at, w = eqcol + c * 24;
      emul(s, lambda, D0); eadd(s, s, N0); emul(s + 24, s, D1); efma(s + 24, N1, D0); esub(s + 24, s + 24, lambda);
      efma(s + 72, s + 24, w);
      if (c + c + 1 < len) {
        const b = cs * 24;
        esub(s + 120, N0 + b, N0); esub(s + 144, N1 + b, N1); esub(s + 168, D0 + b, D0); esub(s + 192, D1 + b, D1);
      } else {
        ezero(s + 48); store<u64>(s, 1, 48);
        esub(s + 120, s + 48, N0); store<u64>(s + 120, fsub(load<u64>(s + 120), 1));
        ezero(s); esub(s + 144, s, N1);
        ezero(s + 48); store<u64>(s, 1, 48);
        esub(s + 168, s + 48, D0); esub(s + 192, s + 48, D1);
      }
      emul(s, lambda, s + 168); eadd(s, s, s + 120); emul(s + 24, s, s + 192); efma(s + 24, s + 144, s + 168);
      efma(s + 96, s + 24, w);
    }
    efma(out, s + 72, roww + row * 24);
    efma(out + 24, s + 96, roww + row * 24);
  }
}

/** Folds the current variable of the four arrays in place: x = a + r (b - a); a missing b is 0 in numerators, 1 in denominators. */
export function gkrFold(n0: usize, n1: usize, d0: usize, d1: usize, len: usize, cs: usize, rs: usize, r: usize, s: usize, lo: usize, hi: usize): void {
  fold(n0, 0, len, cs, rs, r, s, lo, hi);
  fold(n1, 0, len, cs, rs, r, s, lo, hi);
  fold(d0, 1, len, cs, rs, r, s, lo, hi);
  fold(d1, 1, len, cs, rs, r, s, lo, hi);
}
function fold(a: usize, pad: u64, len: usize, cs: usize, rs: usize, r: usize, s: usize, lo: usize, hi: usize): void {
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
      store<u64>(s, pad, 24); store<u64>(s, 0, 32); store<u64>(s, 0, 40);
      esub(s, s + 24, p);
      emul(s, s, r);
      eadd(o, p, s);
    }
  }
}
