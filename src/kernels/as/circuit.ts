// Rows of the circuit's permutations: what a row commits of Poseidon2 (src/circuit/poseidon2.ts).
import { fadd, fmul, fsquare } from './field';

const HALF: u64 = 0x7fffffff80000000;
const EPS: u64 = 0xffffffff;
// The representative in (-p/2, p/2).
// @ts-ignore: decorator
@inline function signed(x: u64): u64 { return select<u64>(x + EPS, x, x > HALF); }

function external(s: usize): void {
  for (let b: usize = 0; b < 96; b += 32) {
    const p = s + b, x0 = load<u64>(p), x1 = load<u64>(p, 8), x2 = load<u64>(p, 16), x3 = load<u64>(p, 24);
    const t = fadd(fadd(x0, x1), fadd(x2, x3)), u = fadd(t, x1), v = fadd(t, x3);
    store<u64>(p, fadd(u, fadd(x0, x1))); store<u64>(p, fadd(u, fadd(x2, x2)), 8);
    store<u64>(p, fadd(v, fadd(x2, x3)), 16); store<u64>(p, fadd(v, fadd(x0, x0)), 24);
  }
  for (let k: usize = 0; k < 32; k += 8) {
    const p = s + k, a = load<u64>(p), b = load<u64>(p, 32), c = load<u64>(p, 64), t = fadd(fadd(a, b), c);
    store<u64>(p, fadd(a, t)); store<u64>(p, fadd(b, t), 32); store<u64>(p, fadd(c, t), 64);
  }
}

/**
 * Inputs of all S-boxes of the permutations of the states at src + 96 row, rows [lo, hi): signed words at x + 8 (g
 * height + row), S-boxes g in the order of their use. `constants`: 96 external, 22 internal, 12 of the diagonal; s: 96
 * bytes of scratch.
 */
export function p2Trace(x: usize, src: usize, height: usize, constants: usize, s: usize, lo: usize, hi: usize): void {
  const step = height * 8, internal = constants + 768, diagonal = internal + 176;
  for (let row = lo; row < hi; row++) {
    memory.copy(s, src + row * 96, 96);
    let px = x + row * 8, k = constants;
    external(s);
    for (let r = 0; r < 8; r++) {
      if (r == 4) {
        for (let i: usize = 0; i < 176; i += 8) {
          const v = fadd(load<u64>(s), load<u64>(internal + i)), q = fmul(fsquare(v), v);
          store<u64>(px, signed(v)); px += step;
          store<u64>(s, fmul(fsquare(q), v));
          let sum: u64 = 0;
          for (let l: usize = 0; l < 96; l += 8) sum = fadd(sum, load<u64>(s + l));
          for (let l: usize = 0; l < 96; l += 8) store<u64>(s + l, fadd(fmul(load<u64>(s + l), load<u64>(diagonal + l)), sum));
        }
      }
      for (let l: usize = 0; l < 96; l += 8) {
        const v = fadd(load<u64>(s + l), load<u64>(k)), q = fmul(fsquare(v), v);
        store<u64>(px, signed(v)); px += step; k += 8;
        store<u64>(s + l, fmul(fsquare(q), v));
      }
      external(s);
    }
  }
}
