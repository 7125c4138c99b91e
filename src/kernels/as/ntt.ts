// Reed-Solomon encoding: decimation in frequency, radix 2, output in bit-reversed order (position j holds the value at g^rev(j)).
import { fadd, fsub, fmul, fsigned } from './field';

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

function stage(p: usize, half: usize, tw: usize): void {
  const q = p + half * 8, t = tw + half * 8, bytes = half * 8;
  for (let j: usize = 0; j < bytes; j += 8) {
    const u = load<u64>(p + j), v = load<u64>(q + j);
    store<u64>(p + j, fadd(u, v));
    store<u64>(q + j, fmul(fsub(u, v), load<u64>(t + j)));
  }
}

function dif(p: usize, log: u32, tw: usize): void {
  if (log <= 13) {
    for (let k = log; k >= 1; k--) {
      const half = (<usize>1) << (k - 1), n = (<usize>1) << log;
      for (let b: usize = 0; b < n; b += 2 * half) stage(p + b * 8, half, tw);
    }
    return;
  }
  const half = (<usize>1) << (log - 1);
  stage(p, half, tw);
  dif(p, log - 1, tw);
  dif(p + half * 8, log - 1, tw);
}

/**
 * Leaf words from + [lo, hi): word w of height values, value j at src + ((w / group) * height + j) * group * 8 + (w % group) * 8, signed
 * if flag -> 2^logOut values at dst + (w - from) * 2^logOut * 8.
 */
export function nttWords(dst: usize, src: usize, from: u32, group: u32, height: usize, signed: u32, logIn: u32, logOut: u32, tw: usize, lo: u32, hi: u32): void {
  const n = height, m = (<usize>1) << logOut, step = <usize>group * 8;
  for (let c = lo; c < hi; c++) {
    const w = from + c, d = dst + <usize>c * m * 8, s = src + <usize>(w / group) * height * step + <usize>(w % group) * 8;
    if (signed) for (let j: usize = 0; j < n; j++) store<u64>(d + j * 8, fsigned(load<i64>(s + j * step)));
    else for (let j: usize = 0; j < n; j++) store<u64>(d + j * 8, load<u64>(s + j * step));
    memory.fill(d + n * 8, 0, (m - n) * 8);
    dif(d, logOut, tw);
  }
}
