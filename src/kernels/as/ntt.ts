// Reed-Solomon encoding: decimation in frequency (dif.ts), output in bit-reversed order (position j holds the value at
// g^rev(j)).
import { difPadded } from './dif';
import { fmul, fsigned } from './field';

/** Twiddles of all stages: stage of size 2^k has 2^(k-1) powers of a root of order 2^k at words [2^(k-1), 2^k). */
export function nttTwiddles(tw: usize, logN: u32, root: u64): void {
  let w = root;
  for (let k = logN; k >= 1; k--) {
    const half = (<usize>1) << (k - 1), base = tw + half * 8;
    let x: u64 = 1;
    for (let j: usize = 0; j < half; j++) { store<u64>(base + j * 8, x); x = fmul(x, w); }
    w = fmul(w, w);
  }
}

/**
 * Leaf words from + [lo, hi): word w of height values, value j at src + ((w / group) * height + j) * group * 8 + (w %
 * group) * 8, signed if flag -> 2^logOut values at dst + (w - from) * 2^logOut * 8.
 */
export function nttWords(dst: usize, src: usize, from: u32, group: u32, height: usize, signed: u32, logIn: u32, logOut: u32, tw: usize, lo: u32, hi: u32): void {
  const n = height, m = (<usize>1) << logOut, step = <usize>group * 8;
  for (let c = lo; c < hi; c++) {
    const w = from + c, d = dst + <usize>c * m * 8, s = src + <usize>(w / group) * height * step + <usize>(w % group) * 8;
    if (signed) for (let j: usize = 0; j < n; j++) store<u64>(d + j * 8, fsigned(load<i64>(s + j * step)));
    else for (let j: usize = 0; j < n; j++) store<u64>(d + j * 8, load<u64>(s + j * step));
    let full = n;
    if (n & (n - 1)) { full = (<usize>1) << (32 - clz<u32>(<u32>n)); memory.fill(d + n * 8, 0, (full - n) * 8); }
    difPadded(d, logOut, full, tw);
  }
}
