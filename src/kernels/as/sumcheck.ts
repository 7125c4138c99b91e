// Batched sumcheck: products of up to five extension arrays over one box; projections of integer arrays.
import { fadd, fsub, fmul, eadd, esub, emul, efma, ezero, ecopy, P } from './field';

/**
 * Adds to out, for X = 0..m, the sum over rows [lo, hi) and pairs of the product of m arrays taken at X along the current variable. Arrays: m
 * addresses (u32) at fs; element (row, c) at (row rs + c cs) 24; a missing upper cell is 0, or equal to
 * the lower one for the arrays of the mask `held`, which do not depend on the axis. Scratch: m (X, delta) pairs and two temporaries.
 */
export function termRound(out: usize, fs: usize, m: u32, held: u32, len: usize, cs: usize, rs: usize, s: usize, lo: usize, hi: usize): void {
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
    let a0: u64 = 0, a1: u64 = 0, a2: u64 = 0;
    for (let q = qlo; q < qhi; q++) {
      const x = load<i64>(p);
      if (x != 0) {
        const f: u64 = x < 0 ? P - <u64>(-x) : <u64>x, wp = w + q * 24;
        a0 = fadd(a0, fmul(load<u64>(wp), f)); a1 = fadd(a1, fmul(load<u64>(wp, 8), f)); a2 = fadd(a2, fmul(load<u64>(wp, 16), f));
      }
      for (let d = nq - 1; d >= 0; d--) {
        const e = qd + <usize>d * 8, st = <usize>load<i32>(e, 4) * 8, k = load<i32>(idx + <usize>d * 4) + 1;
        if (k < load<i32>(e)) { store<i32>(idx + <usize>d * 4, k); p += st; break; }
        store<i32>(idx + <usize>d * 4, 0);
        p -= <usize>(k - 1) * st;
      }
    }
    const t = dst + o * 24;
    store<u64>(t, fadd(load<u64>(t), a0)); store<u64>(t, fadd(load<u64>(t, 8), a1), 8); store<u64>(t, fadd(load<u64>(t, 16), a2), 16);
  }
}
export function sumcheckUnused(x: u64): u64 { return fsub(x, 0); }
/** Folds the current variable of one array in place; a missing upper cell is 0, or equal to the lower one if held. */
export function termFold(a: usize, len: usize, cs: usize, rs: usize, held: u32, r: usize, s: usize, lo: usize, hi: usize): void {
  const half = (len + 1) / 2;
  for (let row = lo; row < hi; row++) {
    for (let c: usize = 0; c < half; c++) {
      const p = a + (row * rs + 2 * c * cs) * 24, o = a + (row * rs + c * cs) * 24;
      if (c + c + 1 < len) esub(s, p + cs * 24, p);
      else { ezero(s); if (!held) esub(s, s, p); }
      emul(s, s, r);
      eadd(o, p, s);
    }
  }
}
