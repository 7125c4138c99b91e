// Batched sumcheck: products of up to five extension arrays over one box; projections of integer arrays.
import { LOW, fadd, faddLazy, fsub, fsigned, carry, carryWide, eadd, esub, emul, efma, ezero, ecopy } from './field';

/**
 * Adds to out, for X = 0..m, the sum over rows [lo, hi) and pairs of the product of m arrays taken at X along the current variable. Arrays: m
 * addresses (u32) at fs; element (row, c) at (row rs + c cs) 24; a missing upper cell is 0, or equal to
 * the lower one for the arrays of the mask `held`, which do not depend on the axis. Scratch: m (X, delta) pairs and two temporaries.
 */
export function termRound(out: usize, fs: usize, m: u32, held: u32, len: usize, cs: usize, rs: usize, s: usize, lo: usize, hi: usize): void {
  if (m == 2) { pairRound(out, load<u32>(fs), load<u32>(fs, 4), held, len, cs, rs, s, lo, hi); return; }
  if (m == 3) { tripleRound(out, fs, held, len, cs, rs, s, lo, hi); return; }
  const half = (len + 1) / 2, acc = s + <usize>m * 48;
  for (let row = lo; row < hi; row++) {
    for (let c: usize = 0; c < half; c++) {
      const at = (row * rs + 2 * c * cs) * 24;
      for (let k: u32 = 0; k < m; k++) {
        const p = <usize>load<u32>(fs + <usize>k * 4) + at, v = s + <usize>k * 48;
        ecopy(v, p);
        if (c + c + 1 < len) esub(v + 24, p + cs * 24, p);
        else { ezero(v + 24); if (!((held >> k) & 1)) esub(v + 24, v + 24, p); }
      }
      for (let x: u32 = 0; x <= m; x++) {
        if (m == 1) eadd(out + <usize>x * 24, out + <usize>x * 24, s);
        else {
          emul(acc, s, s + 48);
          let k: u32 = 2;
          for (; k + 1 < m; k++) emul(acc, acc, s + <usize>k * 48);
          if (k < m) efma(out + <usize>x * 24, acc, s + <usize>k * 48); else eadd(out + <usize>x * 24, out + <usize>x * 24, acc);
        }
        for (let k: u32 = 0; k < m; k++) { const v = s + <usize>k * 48; eadd(v, v, v + 24); }
      }
    }
  }
}

// The upper neighbour of the cell at p: in memory, or the lower one, or the zero at s.
// @ts-ignore: decorator
@inline function upper(p: usize, step: usize, last: bool, held: u32, s: usize): usize { return last ? (held ? p : s) : p + step; }
// out += element k of the running sums.
// @ts-ignore: decorator
@inline function addTo(o: usize, a0: u64, a1: u64, a2: u64): void { LOAD(s, o); ADD(t, s, a); STORE(o, t); }

// termRound for two factors: values at 0 and 1, and at 2 as (2 y - x) (2 v - u).
function pairRound(out: usize, f: usize, g: usize, held: u32, len: usize, cs: usize, rs: usize, s: usize, lo: usize, hi: usize): void {
  const half = (len + 1) / 2, step = cs * 24, hf = held & 1, hg = held & 2;
  ezero(s);
  for (let row = lo; row < hi; row++) {
    LANES(a); LANES(b); LANES(c);
    for (let k: usize = 0; k < half; k++) {
      const at = (row * rs + 2 * k * cs) * 24, p = f + at, q = g + at, last = k + k + 1 >= len;
      LOAD(x, p); LOAD(u, q); SUMS(x); SUMS(u);
      PROD(p, x, u); ACC(a, p);
      const up = upper(p, step, last, hf, s), uq = upper(q, step, last, hg, s);
      LOAD(y, up); LOAD(v, uq); SUMS(y); SUMS(v);
      PROD(q, y, v); ACC(b, q);
      SUB(d, y, x); SUB(e, v, u); ADD(z, y, d); ADD(w, v, e); SUMS(z); SUMS(w);
      PROD(r, z, w); ACC(c, r);
    }
    TOTAL(x, a); addTo(out, x0, x1, x2);
    TOTAL(y, b); addTo(out + 24, y0, y1, y2);
    TOTAL(z, c); addTo(out + 48, z0, z1, z2);
  }
}
// termRound for three factors.
function tripleRound(out: usize, fs: usize, held: u32, len: usize, cs: usize, rs: usize, s: usize, lo: usize, hi: usize): void {
  const half = (len + 1) / 2, step = cs * 24, f = <usize>load<u32>(fs), g = <usize>load<u32>(fs, 4), h = <usize>load<u32>(fs, 8);
  ezero(s);
  for (let row = lo; row < hi; row++) {
    LANES(s); LANES(t); LANES(u); LANES(v);
    for (let k: usize = 0; k < half; k++) {
      const at = (row * rs + 2 * k * cs) * 24, last = k + k + 1 >= len, pf = f + at, pg = g + at, ph = h + at;
      LOAD(a, pf); LOAD(b, pg); LOAD(c, ph);
      const uf = upper(pf, step, last, held & 1, s), ug = upper(pg, step, last, held & 2, s), uh = upper(ph, step, last, held & 4, s);
      LOAD(i, uf); LOAD(j, ug); LOAD(k, uh);
      { SUMS(a); SUMS(b); SUMS(c); PROD(p, a, b); VALUE(q, p); SUMS(q); PROD(r, q, c); ACC(s, r); }
      { SUMS(i); SUMS(j); SUMS(k); PROD(p, i, j); VALUE(q, p); SUMS(q); PROD(r, q, k); ACC(t, r); }
      SUB(d, i, a); SUB(e, j, b); SUB(f, k, c); ADD(l, i, d); ADD(m, j, e); ADD(n, k, f);
      { SUMS(l); SUMS(m); SUMS(n); PROD(p, l, m); VALUE(q, p); SUMS(q); PROD(r, q, n); ACC(u, r); }
      ADD(x, l, d); ADD(y, m, e); ADD(z, n, f);
      { SUMS(x); SUMS(y); SUMS(z); PROD(p, x, y); VALUE(q, p); SUMS(q); PROD(r, q, z); ACC(v, r); }
    }
    TOTAL(w, s); addTo(out, w0, w1, w2);
    TOTAL(x, t); addTo(out + 24, x0, x1, x2);
    TOTAL(y, u); addTo(out + 48, y0, y1, y2);
    TOTAL(z, v); addTo(out + 72, z0, z1, z2);
  }
}

/** dst[cell] = src[map] over a box: desc [n, then per dim size and stride]; src ext. Cells [lo, hi). */
export function broadcast(dst: usize, src: usize, desc: usize, lo: usize, hi: usize): void {
  const n = load<i32>(desc);
  for (let cell = lo; cell < hi; cell++) {
    let p: usize = src, rest = cell;
    for (let d = n - 1; d >= 0; d--) {
      const e = desc + 4 + <usize>d * 8, size = <usize>load<i32>(e), q = rest / size;
      p += (rest - q * size) * <usize>load<i32>(e, 4) * 24;
      rest = q;
    }
    ecopy(dst + cell * 24, p);
  }
}

/**
 * dst[o] += sum over projected cells q in [qlo, qhi) of w[q] x[address(o, q)], o in [lo, hi). desc: [no, nq], then per output dim size and stride,
 * then per projected dim size and stride (last fastest), strides in elements of the i64 array.
 */
export function project(dst: usize, src: usize, w: usize, desc: usize, idx: usize, qlo: usize, qhi: usize, lo: usize, hi: usize): void {
  const no = load<i32>(desc), nq = load<i32>(desc, 4), od = desc + 8, qd = od + <usize>no * 8;
  for (let o = lo; o < hi; o++) {
    let base: usize = src, rest = o;
    for (let d = no - 1; d >= 0; d--) {
      const e = od + <usize>d * 8, size = <usize>load<i32>(e), q = rest / size;
      base += (rest - q * size) * <usize>load<i32>(e, 4) * 8;
      rest = q;
    }
    let p = base;
    rest = qlo;
    for (let d = nq - 1; d >= 0; d--) {
      const e = qd + <usize>d * 8, size = <usize>load<i32>(e), q = rest / size, k = rest - q * size;
      p += k * <usize>load<i32>(e, 4) * 8;
      store<i32>(idx + <usize>d * 4, <i32>k);
      rest = q;
    }
    LANES(a);
    for (let q = qlo; q < qhi; q++) {
      const x = load<i64>(p);
      if (x != 0) { LOAD(w, w + q * 24); SCALE(p, w, fsigned(x)); ACC(a, p); }
      for (let d = nq - 1; d >= 0; d--) {
        const e = qd + <usize>d * 8, st = <usize>load<i32>(e, 4) * 8, k = load<i32>(idx + <usize>d * 4) + 1;
        if (k < load<i32>(e)) { store<i32>(idx + <usize>d * 4, k); p += st; break; }
        store<i32>(idx + <usize>d * 4, 0);
        p -= <usize>(k - 1) * st;
      }
    }
    TOTAL(x, a); addTo(dst + o * 24, x0, x1, x2);
  }
}
/** Folds the current variable of one array in place; a missing upper cell is 0, or equal to the lower one if held. */
export function termFold(a: usize, len: usize, cs: usize, rs: usize, held: u32, r: usize, s: usize, lo: usize, hi: usize): void {
  const half = (len + 1) / 2, step = cs * 24;
  ezero(s);
  LOAD(r, r); SUMS(r);
  for (let row = lo; row < hi; row++) {
    for (let c: usize = 0; c < half; c++) {
      const p = a + (row * rs + 2 * c * cs) * 24, o = a + (row * rs + c * cs) * 24;
      const up = upper(p, step, c + c + 1 >= len, held, s);
      LOAD(x, p); LOAD(y, up); SUB(d, y, x); SUMS(d);
      PROD(t, d, r); VALUE(t, t); ADD(z, x, t); STORE(o, z);
    }
  }
}
