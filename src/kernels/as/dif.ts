// Number-theoretic transform, decimation in frequency, two stages per pass over memory. Twiddles as nttTwiddles writes them.
import { fadd, fsub, fmul } from './field';

// Stages of sizes 4 q and 2 q on 4 q words at p.
function pair(p: usize, q: usize, tw: usize): void {
  const b = q * 8, t4 = tw + q * 16, t2 = tw + q * 8, end = p + b;
  let s = t4, t = t2;
  const p1 = b, p2 = b + b, p3 = b + p2;
  for (let x = p; x < end; x += 8) {
    const x1 = x + p1, x2 = x + p2, x3 = x + p3;
    const a0 = load<u64>(x), a1 = load<u64>(x1), a2 = load<u64>(x2), a3 = load<u64>(x3), w = load<u64>(t);
    const c0 = fadd(a0, a2), c1 = fadd(a1, a3), c2 = fmul(fsub(a0, a2), load<u64>(s)), c3 = fmul(fsub(a1, a3), load<u64>(s + b));
    store<u64>(x, fadd(c0, c1));
    store<u64>(x1, fmul(fsub(c0, c1), w));
    store<u64>(x2, fadd(c2, c3));
    store<u64>(x3, fmul(fsub(c2, c3), w));
    s += 8; t += 8;
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
