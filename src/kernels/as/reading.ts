// Readings of tensor programs. Cells are eight bytes: i64 (wrapping) or f64. Offsets and strides are bytes; src/tensor/einsum.ts builds the tables.

/** Offset of a row that does not take part (one-hot position without an index). */
const SKIP: u32 = 0xffffffff;
/** Contracted entries per packed panel. */
const PANEL: u32 = 512;

/**
 * acc[row, c] = (init ? constant : acc[row, c]) + coef * sum_k a[row, k, c] b[row, k, c] for rows [rlo, rhi), columns [nlo, nhi).
 * Descriptor: acc a b rowAcc rowA rowB K kA kB n sAcc sA sB kind init, at 64 coef, at 72 constant. Kind 0: any strides;
 * 1: a constant along c, b contiguous; 2: both contiguous; 3: c is contracted (n entries, contiguous in b; in a too or constant), one cell per row.
 */
export function einsumI(d: usize, rlo: u32, rhi: u32, nlo: u32, nhi: u32, scratch: usize): void { einsum<i64>(d, rlo, rhi, nlo, nhi, scratch); }
export function einsumF(d: usize, rlo: u32, rhi: u32, nlo: u32, nhi: u32, scratch: usize): void { einsum<f64>(d, rlo, rhi, nlo, nhi, scratch); }

function einsum<T>(d: usize, rlo: u32, rhi: u32, nlo: u32, nhi: u32, scratch: usize): void {
  const kind = load<u32>(d, 52);
  if (kind == 1) axpy<T>(d, rlo, rhi, nlo, nhi, scratch);
  else if (kind == 2) pairs<T>(d, rlo, rhi, nlo, nhi);
  else if (kind == 3) dot<T>(d, rlo, rhi);
  else strided<T>(d, rlo, rhi, nlo, nhi);
}

function strided<T>(d: usize, rlo: u32, rhi: u32, nlo: u32, nhi: u32): void {
  const acc = load<usize>(d), a = load<usize>(d, 4), b = load<usize>(d, 8), rowAcc = load<usize>(d, 12), rowA = load<usize>(d, 16), rowB = load<usize>(d, 20);
  const K = load<u32>(d, 24), kA = load<usize>(d, 28), kB = load<usize>(d, 32), sAcc = load<usize>(d, 40), sA = load<usize>(d, 44), sB = load<usize>(d, 48);
  const init = load<u32>(d, 56), coef = load<T>(d, 64), constant = load<T>(d, 72);
  for (let r = rlo; r < rhi; r++) {
    const oa = load<u32>(rowA + <usize>r * 4), ob = load<u32>(rowB + <usize>r * 4), p0 = acc + load<u32>(rowAcc + <usize>r * 4);
    const skip = oa == SKIP || ob == SKIP;
    for (let c = nlo; c < nhi; c++) {
      let s: T = <T>0;
      if (!skip) {
        const pa = a + oa + <usize>c * sA, pb = b + ob + <usize>c * sB;
        for (let k: u32 = 0; k < K; k++) {
          const xa = load<u32>(kA + <usize>k * 4), xb = load<u32>(kB + <usize>k * 4);
          if (xa != SKIP && xb != SKIP) s += load<T>(pa + xa) * load<T>(pb + xb);
        }
      }
      const p = p0 + <usize>c * sAcc;
      store<T>(p, (init ? constant : load<T>(p)) + coef * s);
    }
  }
}

/** Rows with one b share packed panels of 8 columns by PANEL contracted entries. */
function axpy<T>(d: usize, rlo: u32, rhi: u32, nlo: u32, nhi: u32, scratch: usize): void {
  const b = load<usize>(d, 8), rowB = load<usize>(d, 20), K = load<u32>(d, 24), kB = load<usize>(d, 32);
  let r = rlo;
  while (r < rhi) {
    const ob = load<u32>(rowB + <usize>r * 4);
    let e = r + 1;
    while (e < rhi && load<u32>(rowB + <usize>e * 4) == ob) e++;
    let c = nlo;
    for (; c + 8 <= nhi; c += 8) {
      for (let k0: u32 = 0; k0 < K; k0 += PANEL) {
        const kn = min(K - k0, PANEL), src = b + ob + <usize>c * 8;
        for (let k: u32 = 0; k < kn; k++) {
          const s = src + load<u32>(kB + <usize>(k0 + k) * 4), t = scratch + <usize>k * 64;
          v128.store(t, v128.load(s)); v128.store(t, v128.load(s, 16), 16); v128.store(t, v128.load(s, 32), 32); v128.store(t, v128.load(s, 48), 48);
        }
        for (let q = r; q < e; q++) {
          if (isFloat<T>()) panelF(d, q, c, k0, kn, scratch); else panelI(d, q, c, k0, kn, scratch);
        }
      }
    }
    if (c < nhi) strided<T>(d, r, e, c, nhi);
    r = e;
  }
}

function panelI(d: usize, q: u32, c: u32, k0: u32, kn: u32, scratch: usize): void {
  const acc = load<usize>(d) + load<u32>(load<usize>(d, 12) + <usize>q * 4) + <usize>c * 8;
  const a = load<usize>(d, 4) + load<u32>(load<usize>(d, 16) + <usize>q * 4), coef = load<i64>(d, 64);
  let s0: i64 = 0, s1: i64 = 0, s2: i64 = 0, s3: i64 = 0, s4: i64 = 0, s5: i64 = 0, s6: i64 = 0, s7: i64 = 0;
  let t = load<usize>(d, 28) + <usize>k0 * 4, p = scratch;
  const end = t + <usize>kn * 4;
  while (t < end) {
    const w = load<i64>(a + load<u32>(t));
    s0 += w * load<i64>(p); s1 += w * load<i64>(p, 8); s2 += w * load<i64>(p, 16); s3 += w * load<i64>(p, 24);
    s4 += w * load<i64>(p, 32); s5 += w * load<i64>(p, 40); s6 += w * load<i64>(p, 48); s7 += w * load<i64>(p, 56);
    t += 4; p += 64;
  }
  s0 *= coef; s1 *= coef; s2 *= coef; s3 *= coef; s4 *= coef; s5 *= coef; s6 *= coef; s7 *= coef;
  if (load<u32>(d, 56) && k0 == 0) {
    const z = load<i64>(d, 72);
    store<i64>(acc, s0 + z); store<i64>(acc, s1 + z, 8); store<i64>(acc, s2 + z, 16); store<i64>(acc, s3 + z, 24);
    store<i64>(acc, s4 + z, 32); store<i64>(acc, s5 + z, 40); store<i64>(acc, s6 + z, 48); store<i64>(acc, s7 + z, 56);
  } else {
    store<i64>(acc, load<i64>(acc) + s0); store<i64>(acc, load<i64>(acc, 8) + s1, 8); store<i64>(acc, load<i64>(acc, 16) + s2, 16); store<i64>(acc, load<i64>(acc, 24) + s3, 24);
    store<i64>(acc, load<i64>(acc, 32) + s4, 32); store<i64>(acc, load<i64>(acc, 40) + s5, 40); store<i64>(acc, load<i64>(acc, 48) + s6, 48); store<i64>(acc, load<i64>(acc, 56) + s7, 56);
  }
}

function panelF(d: usize, q: u32, c: u32, k0: u32, kn: u32, scratch: usize): void {
  const acc = load<usize>(d) + load<u32>(load<usize>(d, 12) + <usize>q * 4) + <usize>c * 8;
  const a = load<usize>(d, 4) + load<u32>(load<usize>(d, 16) + <usize>q * 4), coef = f64x2.splat(load<f64>(d, 64));
  let s0 = f64x2.splat(0), s1 = f64x2.splat(0), s2 = f64x2.splat(0), s3 = f64x2.splat(0);
  let t = load<usize>(d, 28) + <usize>k0 * 4, p = scratch;
  const end = t + <usize>kn * 4;
  while (t < end) {
    const w = v128.load64_splat(a + load<u32>(t));
    s0 = f64x2.add(s0, f64x2.mul(w, v128.load(p))); s1 = f64x2.add(s1, f64x2.mul(w, v128.load(p, 16)));
    s2 = f64x2.add(s2, f64x2.mul(w, v128.load(p, 32))); s3 = f64x2.add(s3, f64x2.mul(w, v128.load(p, 48)));
    t += 4; p += 64;
  }
  s0 = f64x2.mul(s0, coef); s1 = f64x2.mul(s1, coef); s2 = f64x2.mul(s2, coef); s3 = f64x2.mul(s3, coef);
  if (load<u32>(d, 56) && k0 == 0) {
    const z = f64x2.splat(load<f64>(d, 72));
    v128.store(acc, f64x2.add(s0, z)); v128.store(acc, f64x2.add(s1, z), 16); v128.store(acc, f64x2.add(s2, z), 32); v128.store(acc, f64x2.add(s3, z), 48);
  } else {
    v128.store(acc, f64x2.add(v128.load(acc), s0)); v128.store(acc, f64x2.add(v128.load(acc, 16), s1), 16);
    v128.store(acc, f64x2.add(v128.load(acc, 32), s2), 32); v128.store(acc, f64x2.add(v128.load(acc, 48), s3), 48);
  }
}

/** Elementwise along c, contracted entries outside: acc is updated once per entry. */
function pairs<T>(d: usize, rlo: u32, rhi: u32, nlo: u32, nhi: u32): void {
  const acc = load<usize>(d), a = load<usize>(d, 4), b = load<usize>(d, 8), rowAcc = load<usize>(d, 12), rowA = load<usize>(d, 16), rowB = load<usize>(d, 20);
  const K = load<u32>(d, 24), kA = load<usize>(d, 28), kB = load<usize>(d, 32), init = load<u32>(d, 56), coef = load<T>(d, 64), constant = load<T>(d, 72);
  for (let r = rlo; r < rhi; r++) {
    const p = acc + load<u32>(rowAcc + <usize>r * 4), a0 = a + load<u32>(rowA + <usize>r * 4), b0 = b + load<u32>(rowB + <usize>r * 4);
    for (let k: u32 = 0; k < K; k++) {
      const pa = a0 + load<u32>(kA + <usize>k * 4), pb = b0 + load<u32>(kB + <usize>k * 4);
      const end = <usize>nhi * 8;
      if (init && k == 0) for (let o = <usize>nlo * 8; o < end; o += 8) store<T>(p + o, constant + coef * (load<T>(pa + o) * load<T>(pb + o)));
      else for (let o = <usize>nlo * 8; o < end; o += 8) store<T>(p + o, load<T>(p + o) + coef * (load<T>(pa + o) * load<T>(pb + o)));
    }
  }
}

function dot<T>(d: usize, rlo: u32, rhi: u32): void {
  const acc = load<usize>(d), a = load<usize>(d, 4), b = load<usize>(d, 8), rowAcc = load<usize>(d, 12), rowA = load<usize>(d, 16), rowB = load<usize>(d, 20);
  const K = load<u32>(d, 24), kA = load<usize>(d, 28), kB = load<usize>(d, 32), n = load<u32>(d, 36), sA = load<usize>(d, 44);
  const init = load<u32>(d, 56), coef = load<T>(d, 64), constant = load<T>(d, 72);
  for (let r = rlo; r < rhi; r++) {
    const p = acc + load<u32>(rowAcc + <usize>r * 4), a0 = a + load<u32>(rowA + <usize>r * 4), b0 = b + load<u32>(rowB + <usize>r * 4);
    let s: T = <T>0;
    for (let k: u32 = 0; k < K; k++) {
      let x = a0 + load<u32>(kA + <usize>k * 4), y = b0 + load<u32>(kB + <usize>k * 4);
      const end = y + <usize>n * 8, quads = y + (<usize>n & ~3) * 8;
      let s0: T = <T>0, s1: T = <T>0, s2: T = <T>0, s3: T = <T>0;
      if (sA == 0) {
        for (; y < end; y += 8) s0 += load<T>(y);
        s += s0 * load<T>(x);
        continue;
      }
      if (isFloat<T>()) {
        let u = f64x2.splat(0), v = f64x2.splat(0);
        for (; y < quads; y += 32, x += 32) {
          u = f64x2.add(u, f64x2.mul(v128.load(x), v128.load(y)));
          v = f64x2.add(v, f64x2.mul(v128.load(x, 16), v128.load(y, 16)));
        }
        u = f64x2.add(u, v);
        s0 = <T>(f64x2.extract_lane(u, 0) + f64x2.extract_lane(u, 1));
      } else {
        for (; y < quads; y += 32, x += 32) {
          s0 += load<T>(x) * load<T>(y); s1 += load<T>(x, 8) * load<T>(y, 8); s2 += load<T>(x, 16) * load<T>(y, 16); s3 += load<T>(x, 24) * load<T>(y, 24);
        }
      }
      for (; y < end; y += 8, x += 8) s0 += load<T>(x) * load<T>(y);
      s += (s0 + s1) + (s2 + s3);
    }
    store<T>(p, (init ? constant : load<T>(p)) + coef * s);
  }
}

export function fillI(p: usize, x: i64, lo: u32, hi: u32): void { for (let k = lo; k < hi; k++) store<i64>(p + <usize>k * 8, x); }
export function fillF(p: usize, x: f64, lo: u32, hi: u32): void { for (let k = lo; k < hi; k++) store<f64>(p + <usize>k * 8, x); }

// An error slot holds index + 1 of the first bad cell (0: none) and its value.
// @ts-ignore: decorator
@inline function bad(err: usize, index: u64, value: i64): void { if (load<u64>(err) == 0) { store<u64>(err, index + 1); store<i64>(err, value, 8); } }

/** out = base + floor((acc + 2^(shift-1)) / 2^shift), or base + column[acc] when col != 0; cells outside [min, max] are reported. */
export function storeI(acc: usize, n: u32, out: usize, rowOut: usize, sOut: usize, base: usize, rowBase: usize, sBase: usize, shift: u32, min: i64, max: i64, col: usize, err: usize, rlo: u32, rhi: u32, nlo: u32, nhi: u32): void {
  const half: i64 = shift ? (<i64>1) << (shift - 1) : 0;
  for (let r = rlo; r < rhi; r++) {
    const po = out + load<u32>(rowOut + <usize>r * 4), pb = base ? base + load<u32>(rowBase + <usize>r * 4) : 0, pa = acc + <usize>r * n * 8;
    for (let c = nlo; c < nhi; c++) {
      let v = (load<i64>(pa + <usize>c * 8) + half) >> shift;
      if (col) v = load<i64>(col + <usize>v * 8);
      if (base) v += load<i64>(pb + <usize>c * sBase);
      if (v < min || v > max) bad(err, <u64>r * n + c, v);
      store<i64>(po + <usize>c * sOut, v);
    }
  }
}
/** out = base + acc. */
export function storeF(acc: usize, n: u32, out: usize, rowOut: usize, sOut: usize, base: usize, rowBase: usize, sBase: usize, rlo: u32, rhi: u32, nlo: u32, nhi: u32): void {
  for (let r = rlo; r < rhi; r++) {
    const po = out + load<u32>(rowOut + <usize>r * 4), pb = base ? base + load<u32>(rowBase + <usize>r * 4) : 0, pa = acc + <usize>r * n * 8;
    for (let c = nlo; c < nhi; c++) {
      let v = load<f64>(pa + <usize>c * 8);
      if (base) v += load<f64>(pb + <usize>c * sBase);
      store<f64>(po + <usize>c * sOut, v);
    }
  }
}

/** acc -= first in place; values outside [0, size) are reported and become 0. */
export function indexI(acc: usize, first: i64, size: i64, err: usize, lo: u32, hi: u32): void {
  for (let k = lo; k < hi; k++) {
    const p = acc + <usize>k * 8;
    let v = load<i64>(p) - first;
    if (<u64>v >= <u64>size) { bad(err, k, v + first); v = 0; }
    store<i64>(p, v);
  }
}
/** keys (u32) = acc - first, which must lie in [0, size). */
export function keysI(keys: usize, acc: usize, first: i64, size: i64, err: usize, lo: u32, hi: u32): void {
  for (let k = lo; k < hi; k++) {
    const v = load<i64>(acc + <usize>k * 8) - first;
    if (<u64>v >= <u64>size) bad(err, k, v + first);
    store<u32>(keys + <usize>k * 4, <u32>v);
  }
}
/** acc must be the column's entry at the key. */
export function entriesI(keys: usize, col: usize, acc: usize, err: usize, lo: u32, hi: u32): void {
  for (let k = lo; k < hi; k++) {
    const v = load<i64>(acc + <usize>k * 8);
    if (v != load<i64>(col + <usize>load<u32>(keys + <usize>k * 4) * 8)) bad(err, k, v);
  }
}
export function zerosI(acc: usize, err: usize, lo: u32, hi: u32): void {
  for (let k = lo; k < hi; k++) { const v = load<i64>(acc + <usize>k * 8); if (v != 0) bad(err, k, v); }
}

/** In place on acc: digits floor(acc / 2^shift) mod 2^bits. */
export function limbI(acc: usize, shift: u32, bits: u32, lo: u32, hi: u32): void {
  const mask: i64 = ((<i64>1) << bits) - 1;
  for (let k = lo; k < hi; k++) { const p = acc + <usize>k * 8; store<i64>(p, (load<i64>(p) >> shift) & mask); }
}
export function maxI(acc: usize, b: usize, lo: u32, hi: u32): void {
  for (let k = lo; k < hi; k++) { const p = acc + <usize>k * 8; store<i64>(p, max(load<i64>(p), load<i64>(b + <usize>k * 8))); }
}
/** In place floor(sqrt(acc)): a double's root is off by at most one here, then exact correction; negative values are reported. */
export function sqrtI(acc: usize, err: usize, lo: u32, hi: u32): void {
  for (let k = lo; k < hi; k++) {
    const p = acc + <usize>k * 8, x = load<i64>(p);
    if (x < 0) { bad(err, k, x); store<i64>(p, 0); continue; }
    let r = <u64>Math.sqrt(<f64>x);
    while (r * r > <u64>x) r--;
    while ((r + 1) * (r + 1) <= <u64>x) r++;
    store<i64>(p, <i64>r);
  }
}
/** In place floor(acc 2^shift / den); den <= 0 or a quotient of 63 bits and more is reported. Long division bit by bit: 2 rem < 2^64. */
export function divI(acc: usize, den: usize, shift: u32, err: usize, lo: u32, hi: u32): void {
  for (let k = lo; k < hi; k++) {
    const p = acc + <usize>k * 8, x = load<i64>(p), y = load<i64>(den + <usize>k * 8);
    if (y <= 0) { bad(err, k, y); store<i64>(p, 0); continue; }
    let q = x / y;
    if (q * y > x) q--;
    let rem = <u64>(x - q * y);
    for (let s: u32 = 0; s < shift; s++) {
      if (q >= (<i64>1) << 61 || q < -((<i64>1) << 61)) { bad(err, k, q); break; }
      rem <<= 1; q <<= 1;
      if (rem >= <u64>y) { rem -= <u64>y; q++; }
    }
    store<i64>(p, q);
  }
}

// @ts-ignore: decorator
@inline function total(at: usize, n: u32, m: i64, table: usize, size: u64, limit: i64): i64 {
  let s: i64 = 0;
  for (let k: u32 = 0; k < n; k++) {
    const d = <u64>(m - load<i64>(at + <usize>k * 8));
    if (d < size) { s += load<i64>(table + <usize>d * 8); if (s > limit) return s; }
  }
  return s;
}
/**
 * out[row] = least M >= max s with sum over the row's cells of T[M - s] <= target (T decreasing, T beyond its size 0). Cell k of row r
 * takes part when kJ[k] <= rowI[r]. Guess: T[max + d - s] is about T[max - s] T[d] / T[0].
 */
export function lseI(out: usize, scores: usize, rowS: usize, rowI: usize, K: u32, kS: usize, kJ: usize, table: usize, size: u32, target: i64, scratch: usize, err: usize, lo: u32, hi: u32): void {
  const none: i64 = i64.MAX_VALUE;
  for (let r = lo; r < hi; r++) {
    const p = scores + load<u32>(rowS + <usize>r * 4), limit = load<u32>(rowI + <usize>r * 4);
    let n: u32 = 0, top: i64 = i64.MIN_VALUE;
    for (let k: u32 = 0; k < K; k++) {
      if (load<u32>(kJ + <usize>k * 4) > limit) continue;
      const s = load<i64>(p + load<u32>(kS + <usize>k * 4));
      store<i64>(scratch + <usize>n * 8, s); n++;
      if (s > top) top = s;
    }
    if (n == 0) { bad(err, r, 0); continue; }
    // least d with T[d] S <= T[0] target
    const S = total(scratch, n, top, table, size, none), want = <f64>load<i64>(table) * <f64>target / <f64>S;
    let a: i64 = 0, b: i64 = <i64>size;
    while (a < b) { const c = (a + b) >> 1; if (<f64>load<i64>(table + <usize>c * 8) <= want) b = c; else a = c + 1; }
    // good: sum <= target; low: sum > target or below the least candidate
    let low = top - 1, good = top + a, step: i64 = 1;
    while (total(scratch, n, good, table, size, target) > target) { low = good; good += step; step <<= 1; }
    step = 1;
    while (good - step > low) {
      const c = good - step;
      if (total(scratch, n, c, table, size, target) <= target) { good = c; step <<= 1; } else { low = c; break; }
    }
    while (good - low > 1) {
      const c = low + ((good - low) >> 1);
      if (total(scratch, n, c, table, size, target) <= target) good = c; else low = c;
    }
    store<i64>(out + <usize>r * 8, good);
  }
}
