// Integer reading: einsum over strided i64 arrays into a dense i64 box, and elementwise operations on boxes.

/**
 * desc (i32): [outer dims n, contracted dims m, inner size, inner strides a b c], then per outer dim [size, stride a b
 * c], then per contracted dim the same; strides in elements. Cells lo..hi of the outer product, each with `inner`
 * cells. count operands (1 to 3).
 */
export function einsum(out: usize, a: usize, b: usize, c: usize, count: u32, coef: i64, desc: usize, idx: usize, lo: usize, hi: usize): void {
  const n = load<i32>(desc), m = load<i32>(desc, 4), inner = <usize>load<i32>(desc, 8);
  const ia = <usize>load<i32>(desc, 12) * 8, ib = <usize>load<i32>(desc, 16) * 8, ic = <usize>load<i32>(desc, 20) * 8;
  const dims = desc + 24, con = dims + <usize>n * 16;
  for (let cell = lo; cell < hi; cell++) {
    let pa = a, pb = b, pc = c, rest = cell;
    for (let d = n - 1; d >= 0; d--) {
      const e = dims + <usize>d * 16, size = <usize>load<i32>(e), q = rest / size, k = rest - q * size;
      pa += k * <usize>load<i32>(e, 4) * 8; pb += k * <usize>load<i32>(e, 8) * 8; pc += k * <usize>load<i32>(e, 12) * 8;
      rest = q;
    }
    for (let d = 0; d < m; d++) store<i32>(idx + <usize>d * 4, 0);
    const o = out + cell * inner * 8;
    while (true) {
      if (count == 1) {
        if (coef == 1) for (let j: usize = 0; j < inner; j++) store<i64>(o + j * 8, load<i64>(o + j * 8) + load<i64>(pa + j * ia));
        else for (let j: usize = 0; j < inner; j++) store<i64>(o + j * 8, load<i64>(o + j * 8) + coef * load<i64>(pa + j * ia));
      } else if (count == 2) {
        if (ia == 0) { const x = coef * load<i64>(pa); if (x != 0) for (let j: usize = 0; j < inner; j++) store<i64>(o + j * 8, load<i64>(o + j * 8) + x * load<i64>(pb + j * ib)); }
        else if (ib == 0) { const x = coef * load<i64>(pb); if (x != 0) for (let j: usize = 0; j < inner; j++) store<i64>(o + j * 8, load<i64>(o + j * 8) + x * load<i64>(pa + j * ia)); }
        else for (let j: usize = 0; j < inner; j++) store<i64>(o + j * 8, load<i64>(o + j * 8) + coef * load<i64>(pa + j * ia) * load<i64>(pb + j * ib));
      } else {
        for (let j: usize = 0; j < inner; j++) store<i64>(o + j * 8, load<i64>(o + j * 8) + coef * load<i64>(pa + j * ia) * load<i64>(pb + j * ib) * load<i64>(pc + j * ic));
      }
      let d = m - 1;
      for (; d >= 0; d--) {
        const e = con + <usize>d * 16, k = load<i32>(idx + <usize>d * 4) + 1;
        const sa = <usize>load<i32>(e, 4) * 8, sb = <usize>load<i32>(e, 8) * 8, sc = <usize>load<i32>(e, 12) * 8;
        if (k < load<i32>(e)) { store<i32>(idx + <usize>d * 4, k); pa += sa; pb += sb; pc += sc; break; }
        const back = <usize>(k - 1);
        store<i32>(idx + <usize>d * 4, 0); pa -= back * sa; pb -= back * sb; pc -= back * sc;
      }
      if (d < 0) break;
    }
  }
}

export function fillI64(p: usize, v: i64, lo: usize, hi: usize): void { for (let i = lo; i < hi; i++) store<i64>(p + i * 8, v); }
export function ewRound(p: usize, shift: u32, lo: usize, hi: usize): void {
  if (shift == 0) return;
  const h: i64 = (<i64>1) << (shift - 1);
  for (let i = lo; i < hi; i++) store<i64>(p + i * 8, (load<i64>(p + i * 8) + h) >> shift);
}
export function ewLimb(p: usize, shift: u32, bits: u32, lo: usize, hi: usize): void {
  const mask: i64 = ((<i64>1) << bits) - 1;
  for (let i = lo; i < hi; i++) store<i64>(p + i * 8, (load<i64>(p + i * 8) >> shift) & mask);
}
/**
 * floor(sqrt(x)) in place, -1 where x is negative: a double's root is off by at most one here; squares of up to 2^64
 * need the unsigned range.
 */
export function ewSqrt(p: usize, lo: usize, hi: usize): void {
  for (let i = lo; i < hi; i++) {
    const x = load<i64>(p + i * 8);
    if (x < 0) { store<i64>(p + i * 8, -1); continue; }
    let s = <u64>Math.sqrt(<f64>x);
    while (s * s > <u64>x) s--;
    while ((s + 1) * (s + 1) <= <u64>x) s++;
    store<i64>(p + i * 8, <i64>s);
  }
}
/** From floor(sqrt(x)) in p and x in q: the integer r with r (r - 1) <= x < r (r + 1), in p; -1 stays. */
export function ewNearestRoot(p: usize, q: usize, lo: usize, hi: usize): void {
  for (let i = lo; i < hi; i++) {
    const s = load<i64>(p + i * 8);
    if (s >= 0 && <u64>s * <u64>(s + 1) <= load<u64>(q + i * 8)) store<i64>(p + i * 8, s + 1);
  }
}
export function ewDiv(p: usize, q: usize, lo: usize, hi: usize): void {
  for (let i = lo; i < hi; i++) {
    const a = load<i64>(p + i * 8), b = load<i64>(q + i * 8);
    if (b <= 0) { store<i64>(p + i * 8, i64.MAX_VALUE); continue; }
    let r = a / b;
    if (a % b < 0) r--;
    store<i64>(p + i * 8, r);
  }
}
export function ewMax(p: usize, q: usize, lo: usize, hi: usize): void { for (let i = lo; i < hi; i++) { const a = load<i64>(p + i * 8), b = load<i64>(q + i * 8); if (b > a) store<i64>(p + i * 8, b); } }
/** dst[i] = col[p[i] - key0], or i64.MIN_VALUE outside the table. */
export function ewTable(dst: usize, p: usize, col: usize, key0: i64, size: i64, lo: usize, hi: usize): void {
  for (let i = lo; i < hi; i++) { const k = load<i64>(p + i * 8) - key0; store<i64>(dst + i * 8, k < 0 || k >= size ? i64.MIN_VALUE : load<i64>(col + <usize>k * 8)); }
}
/**
 * Least M of each row of n scores with sum T[M - s] <= target; mod > 0: only the first (row % mod) + 1 scores take
 * part.
 */
export function ewLse(dst: usize, scores: usize, n: usize, mod: usize, first: usize, col: usize, size: i64, target: i64, lo: usize, hi: usize): void {
  for (let row = lo; row < hi; row++) {
    const s = scores + row * n * 8, m = mod ? row % mod + 1 + first : n;
    let top = i64.MIN_VALUE;
    for (let j: usize = 0; j < m; j++) { const x = load<i64>(s + j * 8); if (x > top) top = x; }
    let a = top - 1, b = top + size; // sum at a > target >= sum at b
    while (b - a > 1) {
      const mid = (a + b) >> 1;
      let sum: i64 = 0;
      for (let j: usize = 0; j < m; j++) { const d = mid - load<i64>(s + j * 8); if (d < size) sum += load<i64>(col + <usize>d * 8); }
      if (sum <= target) b = mid; else a = mid;
    }
    store<i64>(dst + row * 8, b);
  }
}
/**
 * Writes a dense box to a strided array; err = 1 + first cell outside [min, max]. desc: dims n, then per dim size and
 * stride.
 */
export function scatter(dst: usize, src: usize, desc: usize, min: i64, max: i64, err: usize, lo: usize, hi: usize): void {
  const n = load<i32>(desc);
  for (let cell = lo; cell < hi; cell++) {
    let p = dst, rest = cell;
    for (let d = n - 1; d >= 0; d--) {
      const e = desc + 4 + <usize>d * 8, size = <usize>load<i32>(e), q = rest / size;
      p += (rest - q * size) * <usize>load<i32>(e, 4) * 8;
      rest = q;
    }
    const x = load<i64>(src + cell * 8);
    if ((x < min || x > max) && load<u32>(err) == 0) store<u32>(err, <u32>cell + 1);
    store<i64>(p, x);
  }
}
/** keys[i] = src[i] - key0 as u32, counted in mult; err = 1 + first cell outside [0, size). */
export function keysOut(keys: usize, src: usize, key0: i64, size: i64, err: usize, lo: usize, hi: usize): void {
  for (let i = lo; i < hi; i++) {
    const k = load<i64>(src + i * 8) - key0;
    if (k < 0 || k >= size) { if (load<u32>(err) == 0) store<u32>(err, <u32>i + 1); store<u32>(keys + i * 4, 0); }
    else store<u32>(keys + i * 4, <u32>k);
  }
}
export function countKeys(mult: usize, keys: usize, n: usize): void {
  for (let i: usize = 0; i < n; i++) { const p = mult + <usize>load<u32>(keys + i * 4) * 4; store<u32>(p, load<u32>(p) + 1); }
}
export function allZero(p: usize, err: usize, n: usize): void { for (let i: usize = 0; i < n; i++) if (load<i64>(p + i * 8) != 0) { store<u32>(err, <u32>i + 1); return; } }
