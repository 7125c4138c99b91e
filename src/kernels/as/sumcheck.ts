// Batched sumcheck: sums over a box of products of arrays, each dense over axes of its own; projections of integer
// arrays.
import { LOW, fadd, faddLazy, fsub, fsigned, fmulLazy, carry, carryWide, eadd, esub, emul, ezero, ecopy } from './field';
import { BLOCK, addBlock, foldPairs, squareBlock, sumBlocks, takeBlocks, timesBlock } from './pairs';

// Descriptors of u32, all distances in bytes. Box: outer dimensions, length of the current axis, inner factors, held
// factors, 1 if the value at 1 is wanted; sizes of the outer dimensions; per factor address, 0 for signed words or 1
// for elements, distance along the axis and along the outer ones.
const HEAD: usize = 20;
// Scratch of a thread: addresses of the factors in a row; running lanes by X, at most nine; zero; an element; pairs
// (value at X, difference), at most eight; five blocks.
const LANE: usize = 64, NIL: usize = 496, ONE: usize = 520, VALUES: usize = 544, BLOCKS: usize = 1024;

// The upper neighbour of the cell at p: in memory, or zero.
// @ts-ignore: decorator
@inline function upper(p: usize, step: usize, last: bool, s: usize): usize { return last ? s + NIL : p + step; }
// @ts-ignore: decorator
@inline function addr(s: usize, k: usize): usize { return <usize>load<u32>(s + 4 * k); }
// @ts-ignore: decorator
@inline function step(d: usize, k: usize): usize { return <usize>load<u32>(d + HEAD + load<u32>(d) * 4 + k * (12 + <usize>load<u32>(d) * 4), 8); }
// @ts-ignore: decorator
@inline function isExt(d: usize, k: usize): bool { return load<u32>(d + HEAD + load<u32>(d) * 4 + k * (12 + <usize>load<u32>(d) * 4), 4) != 0; }
// Running lanes number x += lanes.
// @ts-ignore: decorator
@inline function accTo(s: usize, x: usize, l0: i64, l1: i64, l2: i64, h0: i64, h1: i64, h2: i64): void {
  const p = s + LANE + 48 * x;
  store<i64>(p, load<i64>(p) + l0); store<i64>(p, load<i64>(p, 8) + l1, 8); store<i64>(p, load<i64>(p, 16) + l2, 16);
  store<i64>(p, load<i64>(p, 24) + h0, 24); store<i64>(p, load<i64>(p, 32) + h1, 32); store<i64>(p, load<i64>(p, 40) + h2, 40);
}
// d = a b with b a signed word or an element.
function scaleBy(d: usize, a: usize, b: usize, ext: bool): void {
  if (ext) { emul(d, a, b); return; }
  const w = fsigned(load<i64>(b));
  LOAD(x, a); SCALE(p, x, w); VALUE(z, p); STORE(d, z);
}

/**
 * Adds to out, for X = 0 .. number of inner factors (1 left out unless wanted), the sum over pairs of cells along the
 * current axis, counted row by row from lo to hi, of the product of all factors at X; inner factors depend on the axis,
 * elements before words, and miss no cell but the last, then zero; held ones do not depend on it.
 */
export function sumRound(out: usize, d: usize, s: usize, lo: usize, hi: usize): void {
  const nd = <usize>load<u32>(d), len = <usize>load<u32>(d, 4), ni = <usize>load<u32>(d, 8), nh = <usize>load<u32>(d, 12), half = (len + 1) / 2;
  const one = load<u32>(d, 16) != 0, per = nd * 4 + 12, list = d + HEAD + nd * 4;
  let elements: usize = 0;
  while (elements < ni && isExt(d, elements)) elements++;
  ezero(s + NIL);
  let at = lo;
  while (at < hi) {
    const row = at / half, from = at - row * half, to = min(half, from + hi - at);
    for (let f: usize = 0; f < ni + nh; f++) store<u32>(s + 4 * f, load<u32>(list + f * per));
    let rest = row;
    for (let i = nd; i > 0; i--) {
      const size = <usize>load<u32>(d + HEAD + 4 * (i - 1)), q = rest / size, k = <u32>(rest - q * size);
      for (let f: usize = 0; f < ni + nh; f++) store<u32>(s + 4 * f, load<u32>(s + 4 * f) + k * load<u32>(list + f * per + 12 + 4 * (i - 1)));
      rest = q;
    }
    memory.fill(s + LANE, 0, 48 * (ni + 1));
    if (ni == 2 && elements == 2) pair(d, s, len, one, from, to);
    else if (ni == 3 && elements == 3) triple(d, s, len, one, from, to);
    else if (ni == 4 && elements == 4) quad(d, s, len, one, from, to);
    else if (elements == 1 && ni > 1 && ni < 5) mixed(d, s, len, ni, one, from, to);
    else if (ni == 8 && elements == 1 && alike(d, s, 1, 8)) seventhWords(d, s, len, one, from, to);
    else if (ni == 8 && elements == 8 && alike(d, s, 1, 8)) seventh(d, s, len, 0, 1, one, from, to);
    else if (ni == 8 && elements == 8 && alike(d, s, 0, 7)) seventh(d, s, len, 7, 0, one, from, to);
    else general(d, s, len, ni, one, from, to);
    for (let x: usize = 0; x <= ni; x++) {
      if (x == 1 && !one) continue;
      const p = s + LANE + 48 * x, e = s + ONE, o = out + 24 * x;
      store<u64>(e, carryWide(load<i64>(p, 24), load<i64>(p))); store<u64>(e, carryWide(load<i64>(p, 32), load<i64>(p, 8)), 8);
      store<u64>(e, carryWide(load<i64>(p, 40), load<i64>(p, 16)), 16);
      for (let f = ni; f < ni + nh; f++) scaleBy(e, e, addr(s, f), isExt(d, f));
      eadd(o, o, e);
    }
    at += to - from;
  }
}

// Any factors: values at X and differences in memory.
function general(d: usize, s: usize, len: usize, ni: usize, one: bool, from: usize, to: usize): void {
  const e = s + ONE;
  for (let c = from; c < to; c++) {
    const last = c + c + 1 >= len;
    for (let f: usize = 0; f < ni; f++) {
      const st = step(d, f), p = addr(s, f) + 2 * c * st, q = upper(p, st, last, s), v = s + VALUES + 48 * f;
      if (isExt(d, f)) { ecopy(v, p); esub(v + 24, q, p); }
      else {
        const x = fsigned(load<i64>(p)), y = fsigned(load<i64>(q));
        ezero(v); ezero(v + 24); store<u64>(v, x); store<u64>(v + 24, fsub(y, x));
      }
    }
    for (let x: usize = 0; x <= ni; x++) {
      if (x != 1 || one) {
        ecopy(e, s + VALUES);
        for (let f: usize = 1; f < ni; f++) emul(e, e, s + VALUES + 48 * f);
        LOAD(z, e);
        accTo(s, x, <i64>(z0 & LOW), <i64>(z1 & LOW), <i64>(z2 & LOW), <i64>(z0 >> 32), <i64>(z1 >> 32), <i64>(z2 >> 32));
      }
      for (let f: usize = 0; f < ni; f++) { const v = s + VALUES + 48 * f; eadd(v, v, v + 24); }
    }
  }
}
// One array of elements, the others words.
function mixed(d: usize, s: usize, len: usize, ni: usize, one: bool, from: usize, to: usize): void {
  const se = step(d, 0), sf = step(d, 1), sg = step(d, 2), sh = step(d, 3), pe = addr(s, 0), pf = addr(s, 1), pg = addr(s, 2), ph = addr(s, 3);
  for (let c = from; c < to; c++) {
    const last = c + c + 1 >= len, qe = pe + 2 * c * se, qf = pf + 2 * c * sf, qg = pg + 2 * c * sg, qh = ph + 2 * c * sh;
    let f = fsigned(load<i64>(qf)), g: u64 = 1, h: u64 = 1, dg: u64 = 0, dh: u64 = 0;
    const df = fsub(fsigned(load<i64>(upper(qf, sf, last, s))), f);
    if (ni > 2) { g = fsigned(load<i64>(qg)); dg = fsub(fsigned(load<i64>(upper(qg, sg, last, s))), g); }
    if (ni > 3) { h = fsigned(load<i64>(qh)); dh = fsub(fsigned(load<i64>(upper(qh, sh, last, s))), h); }
    let e0 = load<u64>(qe), e1 = load<u64>(qe, 8), e2 = load<u64>(qe, 16);
    const up = upper(qe, se, last, s);
    LOAD(u, up); SUB(d, u, e);
    for (let x: usize = 0; x <= ni; x++) {
      if (x != 1 || one) {
        let t = f;
        if (ni > 2) t = fmulLazy(t, g);
        if (ni > 3) t = fmulLazy(t, h);
        SCALE(p, e, t);
        accTo(s, x, pl0, pl1, pl2, ph0, ph1, ph2);
      }
      e0 = fadd(e0, d0); e1 = fadd(e1, d1); e2 = fadd(e2, d2);
      f = fadd(f, df); g = fadd(g, dg); h = fadd(h, dh);
    }
  }
}
// Whether factors [from, to) are one array.
function alike(d: usize, s: usize, from: usize, to: usize): bool {
  for (let f = from + 1; f < to; f++) if (addr(s, f) != addr(s, from) || step(d, f) != step(d, from)) return false;
  return true;
}
// The seventh power of an array of words, and an array of elements.
function seventhWords(d: usize, s: usize, len: usize, one: bool, from: usize, to: usize): void {
  const se = step(d, 0), sx = step(d, 1), pe = addr(s, 0), px = addr(s, 1);
  for (let c = from; c < to; c++) {
    const last = c + c + 1 >= len, qe = pe + 2 * c * se, qx = px + 2 * c * sx;
    let x = fsigned(load<i64>(qx)), e0 = load<u64>(qe), e1 = load<u64>(qe, 8), e2 = load<u64>(qe, 16);
    const dx = fsub(fsigned(load<i64>(upper(qx, sx, last, s))), x), up = upper(qe, se, last, s);
    LOAD(u, up); SUB(d, u, e);
    for (let at: usize = 0; at < 9; at++) {
      if (at != 1 || one) {
        const y = fmulLazy(fmulLazy(x, x), x), t = fmulLazy(fmulLazy(y, y), x);
        SCALE(p, e, t);
        accTo(s, at, pl0, pl1, pl2, ph0, ph1, ph2);
      }
      e0 = fadd(e0, d0); e1 = fadd(e1, d1); e2 = fadd(e2, d2);
      x = fadd(x, dx);
    }
  }
}
// The same with two arrays of elements, factors ie and ix.
function seventh(d: usize, s: usize, len: usize, ie: usize, ix: usize, one: bool, from: usize, to: usize): void {
  const se = step(d, ie), sx = step(d, ix), pe = addr(s, ie), px = addr(s, ix);
  const x = s + BLOCKS, dx = x + 24 * BLOCK, e = dx + 24 * BLOCK, de = e + 24 * BLOCK, y = de + 24 * BLOCK;
  let c = from;
  // Two by two, as far as cells have an upper neighbour and a partner.
  for (const whole = min(to, len / 2); c + 1 < whole; ) {
    const n = min((whole - c) & ~1, BLOCK);
    takeBlocks(x, dx, px + 2 * c * sx, sx, 2 * sx, n); takeBlocks(e, de, pe + 2 * c * se, se, 2 * se, n);
    for (let at: usize = 0; at < 9; at++) {
      if (at != 1 || one) {
        squareBlock(y, x, n); timesBlock(y, x, n); squareBlock(y, y, n); timesBlock(y, x, n);
        sumBlocks(s + LANE + 48 * at, y, e, n);
      }
      addBlock(x, dx, n); addBlock(e, de, n);
    }
    c += n;
  }
  for (; c < to; c++) {
    const last = c + c + 1 >= len, qe = pe + 2 * c * se, qx = px + 2 * c * sx;
    const ue = upper(qe, se, last, s), ux = upper(qx, sx, last, s);
    let e0 = load<u64>(qe), e1 = load<u64>(qe, 8), e2 = load<u64>(qe, 16), x0 = load<u64>(qx), x1 = load<u64>(qx, 8), x2 = load<u64>(qx, 16);
    LOAD(u, ue); SUB(d, u, e); LOAD(v, ux); SUB(f, v, x);
    for (let at: usize = 0; at < 9; at++) {
      if (at != 1 || one) {
        SUMS(x); SUMS(e);
        PROD(p, x, x); VALUE(q, p); SUMS(q);
        PROD(r, q, x); VALUE(y, r); SUMS(y);
        PROD(t, y, y); VALUE(z, t); SUMS(z);
        PROD(a, x, e); VALUE(b, a); SUMS(b);
        PROD(w, z, b);
        accTo(s, at, wl0, wl1, wl2, wh0, wh1, wh2);
      }
      e0 = fadd(e0, d0); e1 = fadd(e1, d1); e2 = fadd(e2, d2);
      x0 = fadd(x0, f0); x1 = fadd(x1, f1); x2 = fadd(x2, f2);
    }
  }
}
// Two arrays of elements: values at 0 and 1, and at 2 as (2 y - x) (2 v - u).
function pair(d: usize, s: usize, len: usize, one: bool, from: usize, to: usize): void {
  const sf = step(d, 0), sg = step(d, 1), f = addr(s, 0), g = addr(s, 1);
  LANES(a); LANES(b); LANES(c);
  for (let k = from; k < to; k++) {
    const p = f + 2 * k * sf, q = g + 2 * k * sg, last = k + k + 1 >= len;
    LOAD(x, p); LOAD(u, q); SUMS(x); SUMS(u);
    PROD(p, x, u); ACC(a, p);
    const up = upper(p, sf, last, s), uq = upper(q, sg, last, s);
    LOAD(y, up); LOAD(v, uq);
    if (one) { SUMS(y); SUMS(v); PROD(q, y, v); ACC(b, q); }
    SUB(d, y, x); SUB(e, v, u); ADD(z, y, d); ADD(w, v, e); SUMS(z); SUMS(w);
    PROD(r, z, w); ACC(c, r);
  }
  accTo(s, 0, al0, al1, al2, ah0, ah1, ah2); accTo(s, 1, bl0, bl1, bl2, bh0, bh1, bh2); accTo(s, 2, cl0, cl1, cl2, ch0, ch1, ch2);
}
// Three arrays of elements.
function triple(d: usize, s: usize, len: usize, one: bool, from: usize, to: usize): void {
  const sf = step(d, 0), sg = step(d, 1), sh = step(d, 2), f = addr(s, 0), g = addr(s, 1), h = addr(s, 2);
  LANES(s); LANES(t); LANES(u); LANES(v);
  for (let k = from; k < to; k++) {
    const last = k + k + 1 >= len, pf = f + 2 * k * sf, pg = g + 2 * k * sg, ph = h + 2 * k * sh;
    LOAD(a, pf); LOAD(b, pg); LOAD(c, ph);
    const uf = upper(pf, sf, last, s), ug = upper(pg, sg, last, s), uh = upper(ph, sh, last, s);
    LOAD(i, uf); LOAD(j, ug); LOAD(k, uh);
    { SUMS(a); SUMS(b); SUMS(c); PROD(p, a, b); VALUE(q, p); SUMS(q); PROD(r, q, c); ACC(s, r); }
    if (one) { SUMS(i); SUMS(j); SUMS(k); PROD(p, i, j); VALUE(q, p); SUMS(q); PROD(r, q, k); ACC(t, r); }
    SUB(d, i, a); SUB(e, j, b); SUB(f, k, c); ADD(l, i, d); ADD(m, j, e); ADD(n, k, f);
    { SUMS(l); SUMS(m); SUMS(n); PROD(p, l, m); VALUE(q, p); SUMS(q); PROD(r, q, n); ACC(u, r); }
    ADD(x, l, d); ADD(y, m, e); ADD(z, n, f);
    { SUMS(x); SUMS(y); SUMS(z); PROD(p, x, y); VALUE(q, p); SUMS(q); PROD(r, q, z); ACC(v, r); }
  }
  accTo(s, 0, sl0, sl1, sl2, sh0, sh1, sh2); accTo(s, 1, tl0, tl1, tl2, th0, th1, th2);
  accTo(s, 2, ul0, ul1, ul2, uh0, uh1, uh2); accTo(s, 3, vl0, vl1, vl2, vh0, vh1, vh2);
}
// Four arrays of elements, X in a loop.
function quad(d: usize, s: usize, len: usize, one: bool, from: usize, to: usize): void {
  const sf = step(d, 0), sg = step(d, 1), sh = step(d, 2), si = step(d, 3), f = addr(s, 0), g = addr(s, 1), h = addr(s, 2), i = addr(s, 3);
  for (let c = from; c < to; c++) {
    const last = c + c + 1 >= len, pf = f + 2 * c * sf, pg = g + 2 * c * sg, ph = h + 2 * c * sh, pi = i + 2 * c * si;
    const uf = upper(pf, sf, last, s), ug = upper(pg, sg, last, s), uh = upper(ph, sh, last, s), ui = upper(pi, si, last, s);
    let a0 = load<u64>(pf), a1 = load<u64>(pf, 8), a2 = load<u64>(pf, 16), b0 = load<u64>(pg), b1 = load<u64>(pg, 8), b2 = load<u64>(pg, 16);
    let c0 = load<u64>(ph), c1 = load<u64>(ph, 8), c2 = load<u64>(ph, 16), e0 = load<u64>(pi), e1 = load<u64>(pi, 8), e2 = load<u64>(pi, 16);
    LOAD(w, uf); SUB(j, w, a); LOAD(x, ug); SUB(k, x, b); LOAD(y, uh); SUB(l, y, c); LOAD(z, ui); SUB(m, z, e);
    for (let x: usize = 0; x < 5; x++) {
      if (x != 1 || one) {
        SUMS(a); SUMS(b); SUMS(c); SUMS(e);
        PROD(p, a, b); VALUE(q, p); PROD(r, c, e); VALUE(t, r); SUMS(q); SUMS(t); PROD(u, q, t);
        accTo(s, x, ul0, ul1, ul2, uh0, uh1, uh2);
      }
      a0 = fadd(a0, j0); a1 = fadd(a1, j1); a2 = fadd(a2, j2); b0 = fadd(b0, k0); b1 = fadd(b1, k1); b2 = fadd(b2, k2);
      c0 = fadd(c0, l0); c1 = fadd(c1, l1); c2 = fadd(c2, l2); e0 = fadd(e0, m0); e1 = fadd(e1, m1); e2 = fadd(e2, m2);
    }
  }
}

/**
 * Folds the current axis of one array to dst, rows of ceil(len / 2) elements one after the other: cells [lo, hi) of
 * dst. Descriptor: outer dimensions, len, 0 for signed words or 1 for elements, distance along the axis; sizes of the
 * outer dimensions; distances along them.
 */
export function sumFold(dst: usize, src: usize, d: usize, r: usize, s: usize, lo: usize, hi: usize): void {
  const nd = <usize>load<u32>(d), len = <usize>load<u32>(d, 4), ext = load<u32>(d, 8) != 0, st = <usize>load<u32>(d, 12), half = (len + 1) / 2, address = r;
  LOAD(r, r); SUMS(r);
  ezero(s + NIL);
  let at = lo;
  while (at < hi) {
    const row = at / half, from = at - row * half, to = min(half, from + hi - at);
    let a = src, rest = row;
    for (let i = nd; i > 0; i--) {
      const e = d + 16 + 4 * (i - 1), size = <usize>load<u32>(e), q = rest / size;
      a += (rest - q * size) * <usize>load<u32>(e + 4 * nd);
      rest = q;
    }
    let o = dst + at * 24, c = from;
    if (ext) {
      // All but a last cell that is missing its neighbour, and one more where their number is odd.
      const even = (min(to, len / 2) - from) & ~1, p = a + 2 * from * st;
      foldPairs(o, 24, p, p + st, 2 * st, even, address);
      o += even * 24; c += even;
    }
    for (; c < to; c++) {
      const p = a + 2 * c * st, up = upper(p, st, c + c + 1 >= len, s);
      if (ext) {
        LOAD(x, p); LOAD(y, up); SUB(d, y, x); SUMS(d);
        PROD(t, d, r); VALUE(t, t); ADD(z, x, t); STORE(o, z);
      } else {
        const x = fsigned(load<i64>(p)), y = fsub(fsigned(load<i64>(up)), x);
        SCALE(t, r, y); VALUE(t, t);
        store<u64>(o, fadd(t0, x)); store<u64>(o, t1, 8); store<u64>(o, t2, 16);
      }
      o += 24;
    }
    at += to - from;
  }
}
/**
 * Folds the current axis of one array of elements in place, rows [lo, hi) that lie rs apart, cells cs apart; a missing
 * upper cell is zero.
 */
export function termFold(a: usize, len: usize, cs: usize, rs: usize, r: usize, s: usize, lo: usize, hi: usize): void {
  const half = (len + 1) / 2, st = cs * 24, even = (len / 2) & ~1, address = r;
  ezero(s + NIL);
  LOAD(r, r); SUMS(r);
  for (let row = lo; row < hi; row++) {
    const first = a + row * rs * 24;
    foldPairs(first, st, first, first + st, 2 * st, even, address);
    for (let c = even; c < half; c++) {
      const p = a + (row * rs + 2 * c * cs) * 24, o = a + (row * rs + c * cs) * 24;
      const up = upper(p, st, c + c + 1 >= len, s);
      LOAD(x, p); LOAD(y, up); SUB(d, y, x); SUMS(d);
      PROD(t, d, r); VALUE(t, t); ADD(z, x, t); STORE(o, z);
    }
  }
}

// out += element k of the running sums.
// @ts-ignore: decorator
@inline function addTo(o: usize, a0: u64, a1: u64, a2: u64): void { LOAD(s, o); ADD(t, s, a); STORE(o, t); }

/**
 * dst[o] += sum over projected cells q in [qlo, qhi) of w[q] x[address(o, q)], o in [lo, hi). desc: [no, nq], then per
 * output dim size and stride, then per projected dim size and stride (last fastest), strides in elements of the i64
 * array.
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
