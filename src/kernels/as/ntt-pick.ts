// Reed-Solomon codewords (ntt.ts) at some positions alone. Two stages of the transform at a time, as dif.ts has them,
// in the blocks that hold positions; a block that is left with few of them is a polynomial, and is evaluated.
import { difPadded, pair } from './dif';
import { fadd, fmul, fsigned, fsub } from './field';

// So many positions in a block of at most 2^13 words, and it is transformed to its end: an evaluation takes a product a
// word, a transform half of one a word and stage.
const MANY: u32 = 6;

/** Number of so many bits, read from the other end. */
function reversed(x: u32, bits: u32): u32 {
  let r: u32 = 0;
  for (let k: u32 = 0; k < bits; k++) { r = (r << 1) | (x & 1); x >>= 1; }
  return r;
}

/** Sum of the n words at p, a power of two of them, times powers of y: four chains of products side by side. */
function evaluate(p: usize, n: usize, y: u64): u64 {
  if (n < 4) {
    let a = load<u64>(p + (n - 1) * 8);
    for (let j = n - 1; j > 0; j--) a = fadd(fmul(a, y), load<u64>(p + (j - 1) * 8));
    return a;
  }
  const y2 = fmul(y, y), y4 = fmul(y2, y2);
  let x = p + (n - 4) * 8, a = load<u64>(x), b = load<u64>(x, 8), c = load<u64>(x, 16), d = load<u64>(x, 24);
  while (x > p) {
    x -= 32;
    a = fadd(fmul(a, y4), load<u64>(x));
    b = fadd(fmul(b, y4), load<u64>(x, 8));
    c = fadd(fmul(c, y4), load<u64>(x, 16));
    d = fadd(fmul(d, y4), load<u64>(x, 24));
  }
  return fadd(fadd(a, fmul(b, y)), fmul(fadd(c, fmul(d, y)), y2));
}

// The 2^log words at p, whose first n are not zero, are the block of the transform from position `first` on. Its values
// at the positions [a, b) of the ascending list at `at` go to the same places at `out`. The block is destroyed.
function pick(out: usize, at: usize, a: u32, b: u32, p: usize, log: u32, n: usize, first: u32, tw: usize): void {
  if (a == b) return;
  const size = (<usize>1) << log;
  if (n > size) n = size;
  if (b - a == 1 || log < 3) {
    for (let q = a; q < b; q++) {
      const e = <usize>reversed(load<u32>(at + (<usize>q << 2)) - first, log), half = size >> 1;
      let y: u64 = 1;
      if (log) { y = load<u64>(tw + (half + (e & (half - 1))) * 8); if (e >= half) y = fsub(0, y); }
      store<u64>(out + (<usize>q << 3), evaluate(p, n, y));
    }
    return;
  }
  if (log <= 13 && b - a >= MANY) {
    difPadded(p, log, n, tw);
    for (let q = a; q < b; q++) store<u64>(out + (<usize>q << 3), load<u64>(p + (<usize>(load<u32>(at + (<usize>q << 2)) - first) << 3)));
    return;
  }
  const q4 = size >> 2, bytes = q4 * 8;
  if (n == size) pair(p, q4, tw);
  else {
    // Words that are not set: no more than the ones beyond n.
    if (n > q4) { memory.fill(p + n * 8, 0, (size - n) * 8); pair(p, q4, tw); }
    else {
      let s = tw + bytes * 2, t = tw + bytes;
      for (let x = p, end = p + n * 8; x < end; x += 8) {
        const v = load<u64>(x), w = load<u64>(t), c = fmul(v, load<u64>(s));
        store<u64>(x + bytes, fmul(v, w)); store<u64>(x + bytes * 2, c); store<u64>(x + bytes * 3, fmul(c, w));
        s += 8; t += 8;
      }
    }
  }
  let from = a;
  for (let k: u32 = 0; k < 4; k++) {
    const start = first + k * <u32>q4, last = start + <u32>q4 - 1;
    let to = from;
    while (to < b && load<u32>(at + (<usize>to << 2)) <= last) to++;
    pick(out, at, from, to, p + <usize>k * bytes, log - 2, n, start, tw);
    from = to;
  }
}

/**
 * Leaf words from + [lo, hi) as nttWords reads them: of each word's 2^logOut values those at `count` positions,
 * ascending u32 at `at`, to dst + (w - from) * count * 8. Work: 2^logOut words.
 */
export function nttPick(dst: usize, src: usize, from: u32, group: u32, height: usize, signed: u32, logOut: u32, tw: usize, work: usize, at: usize, count: u32, lo: u32, hi: u32): void {
  const n = height, step = <usize>group * 8;
  for (let c = lo; c < hi; c++) {
    const w = from + c, s = src + <usize>(w / group) * height * step + <usize>(w % group) * 8;
    if (signed) for (let j: usize = 0; j < n; j++) store<u64>(work + j * 8, fsigned(load<i64>(s + j * step)));
    else for (let j: usize = 0; j < n; j++) store<u64>(work + j * 8, load<u64>(s + j * step));
    let full = n;
    if (n & (n - 1)) { full = (<usize>1) << (32 - clz<u32>(<u32>n)); memory.fill(work + n * 8, 0, (full - n) * 8); }
    pick(dst + <usize>c * count * 8, at, 0, count, work, logOut, full, 0, tw);
  }
}
