// Number-theoretic transform, decimation in frequency, two stages per pass over memory. Twiddles as nttTwiddles writes
// them.
import { fadd, faddLazy, fcanon, fmul, fmulLazy, freduce, fsub } from './field';

// Stages of sizes 4 q and 2 q on 4 q words at p. With i = w^q of order 4, i = 2^48 or -2^48: a product by it is a
// shift, and its sign exchanges a1 and a3. Twiddles w^j, w^2j, w^3j; of the last, those from w^2q on are the negatives
// of the table's.
export function pair(p: usize, q: usize, tw: usize): void {
  const b = q * 8, t4 = tw + b * 2, t2 = tw + b, swapped = q > 1 && load<u64>(t4 + b) != (<u64>1 << 48);
  const split = p + (2 * q + 2) / 3 * 8;
  span(p, split, b, swapped, t4, t2, t4, false);
  span(split, p + b, b, swapped, t4 + (split - p), t2 + (split - p), t4 + ((2 * q + 2) / 3 * 3 - 2 * q) * 8, true);
}
// Words [x, end) of the first quarter.
// @ts-ignore: decorator
@inline function span(x: usize, end: usize, b: usize, swapped: bool, s: usize, t: usize, r: usize, negative: bool): void {
  const one: usize = swapped ? b * 3 : b, three: usize = swapped ? b : b * 3;
  for (; x < end; x += 8) {
    const a0 = load<u64>(x), a1 = load<u64>(x + one), a2 = load<u64>(x + 2 * b), a3 = load<u64>(x + three), e = fsub(a1, a3);
    const c0 = fadd(a0, a2), c1 = fadd(a1, a3), c2 = fsub(a0, a2), c3 = freduce(e >> 16, e << 48);
    store<u64>(x, fadd(c0, c1));
    store<u64>(x + b, fmul(fsub(c0, c1), load<u64>(t)));
    store<u64>(x + b * 2, fmul(faddLazy(c2, c3), load<u64>(s)));
    store<u64>(x + b * 3, fmul(negative ? fsub(c3, c2) : fsub(c2, c3), load<u64>(r)));
    s += 8; t += 8; r += 24;
  }
}
function last2(p: usize, n: usize): void {
  const end = p + n * 8;
  for (let x = p; x < end; x += 16) {
    const u = load<u64>(x), v = load<u64>(x, 8);
    store<u64>(x, fadd(u, v)); store<u64>(x, fsub(u, v), 8);
  }
}
// i = root of order 4 as the tables have it
function last4(p: usize, n: usize, i: u64): void {
  const end = p + n * 8;
  for (let x = p; x < end; x += 32) {
    const a0 = load<u64>(x), a1 = load<u64>(x, 8), a2 = load<u64>(x, 16), a3 = load<u64>(x, 24);
    const c0 = fadd(a0, a2), c1 = fadd(a1, a3), c2 = fsub(a0, a2), c3 = fmul(fsub(a1, a3), i);
    store<u64>(x, fadd(c0, c1)); store<u64>(x, fsub(c0, c1), 8); store<u64>(x, fadd(c2, c3), 16); store<u64>(x, fsub(c2, c3), 24);
  }
}

/** In place on 2^log words; position j of the result holds the value at g^rev(j). */
export function difInPlace(p: usize, log: u32, tw: usize): void {
  if (log == 0) return;
  if (log == 1) { last2(p, 2); return; }
  if (log > 13) {
    const q = (<usize>1) << (log - 2);
    pair(p, q, tw);
    for (let k: usize = 0; k < 4; k++) difInPlace(p + k * q * 8, log - 2, tw);
    return;
  }
  const n = (<usize>1) << log;
  let k = log;
  for (; k > 2; k -= 2) {
    const q = (<usize>1) << (k - 2);
    for (let b: usize = 0; b < n; b += 4 * q) pair(p + b * 8, q, tw);
  }
  if (k == 2) last4(p, n, load<u64>(tw, 24)); else last2(p, n);
}

/** The same when only the first n of the 2^log words are not zero; the others need not be set. n is a power of two. */
export function difPadded(p: usize, log: u32, n: usize, tw: usize): void {
  const size = (<usize>1) << log;
  if (n >= size) { difInPlace(p, log, tw); return; }
  if (n > size / 4) {
    // One stage: (a, 0) -> (a, a w).
    const b = n * 8;
    for (let x = p, end = p + b, t = tw + b; x < end; x += 8) { store<u64>(x + b, fmul(load<u64>(x), load<u64>(t))); t += 8; }
    difInPlace(p, log - 1, tw); difInPlace(p + b, log - 1, tw);
    return;
  }
  // Two stages: (a, 0, 0, 0) -> (a, a w, a s, a s w).
  const b = size * 2, end = p + n * 8;
  let s = tw + b * 2, t = tw + b;
  for (let x = p; x < end; x += 8) {
    const a = load<u64>(x), w = load<u64>(t), c = fmulLazy(a, load<u64>(s));
    store<u64>(x + b, fmul(a, w)); store<u64>(x + b * 2, fcanon(c)); store<u64>(x + b * 3, fmul(c, w));
    s += 8; t += 8;
  }
  for (let k: usize = 0; k < 4; k++) difPadded(p + k * b, log - 2, n, tw);
}

/** From bit-reversed to natural order, in place: columns [lo, hi) of 2^log words. */
export function bitReverse(p: usize, log: u32, lo: u32, hi: u32): void {
  const n: u32 = (<u32>1) << log;
  for (let c = lo; c < hi; c++) {
    const d = p + ((<usize>c << log) << 3);
    let r: u32 = 0;
    for (let j: u32 = 0; j < n; j++) {
      if (j < r) {
        const a = d + (<usize>j << 3), b = d + (<usize>r << 3), x = load<u64>(a);
        store<u64>(a, load<u64>(b));
        store<u64>(b, x);
      }
      // Adds one to r read from its top bit down.
      let bit = n >> 1;
      while (r & bit) { r ^= bit; bit >>= 1; }
      r |= bit;
    }
  }
}
