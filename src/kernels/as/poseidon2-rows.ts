// Many permutations: rows of a matrix, levels of a tree, nonces; two at a time.
import { fsigned } from './field';
import { own } from './own';
import { poseidon2 } from '../generated/as/poseidon2';
import { permutePair } from '../generated/as/poseidon2-pair';

/** Two permutations, in place on twelve words each; as poseidon2. */
export function poseidon2Pair(a: usize, b: usize): void { permutePair(a, b, own); }

/** Rows [lo, hi): state of 12 words per row, set to (0 x 8, domain, words, 0, 0). */
export function p2RowsInit(states: usize, domain: u64, words: u64, lo: u32, hi: u32): void {
  for (let j = lo; j < hi; j++) {
    const s = states + <usize>j * 96;
    memory.fill(s, 0, 96);
    store<u64>(s, domain, 64);
    store<u64>(s, words, 72);
  }
}

/**
 * Absorbs count <= 8 words per row (overwriting the rate), word k of row j at cols + k * stride + j * step; then
 * permutes.
 */
export function p2RowsAbsorb(states: usize, cols: usize, count: u32, stride: usize, step: usize, lo: u32, hi: u32): void {
  for (let j = lo; j < hi; j += 2) {
    const s = states + <usize>j * 96, c = cols + <usize>j * step, two = j + 1 < hi;
    for (let k: u32 = 0; k < count; k++) {
      const x = c + <usize>k * stride, t = s + <usize>k * 8;
      store<u64>(t, load<u64>(x));
      if (two) store<u64>(t, load<u64>(x + step), 96);
    }
    if (two) permutePair(s, s + 96, own); else poseidon2(s);
  }
}

/** Digest of row j: first four words of its state. */
export function p2RowsFinish(dst: usize, states: usize, lo: u32, hi: u32): void {
  for (let j = lo; j < hi; j++) memory.copy(dst + <usize>j * 32, states + <usize>j * 96, 32);
}

// @ts-ignore: decorator
@inline function node(s: usize, a: usize): void {
  v128.store(s, v128.load(a)); v128.store(s, v128.load(a, 16), 16); v128.store(s, v128.load(a, 32), 32); v128.store(s, v128.load(a, 48), 48);
  store<u64>(s, 2, 64); store<u64>(s, 0, 72); store<u64>(s, 0, 80); store<u64>(s, 0, 88);
}
/** dst[j] = compress(src[2j], src[2j+1]); scratch of 96 bytes. */
export function p2Level(dst: usize, src: usize, scratch: usize, lo: u32, hi: u32): void {
  const s = own + 576, t = s + 96;
  for (let j = lo; j < hi; j += 2) {
    const a = src + <usize>j * 64, d = dst + <usize>j * 32;
    node(s, a);
    if (j + 1 < hi) {
      node(t, a + 64);
      permutePair(s, t, own);
      v128.store(d, v128.load(t), 32); v128.store(d, v128.load(t, 16), 48);
    } else poseidon2(s);
    v128.store(d, v128.load(s)); v128.store(d, v128.load(s, 16), 16);
  }
}

/**
 * Writes 1 + the first nonce of [lo, hi) whose permutation of `state` with it at word 0 has a first word = 0 mod
 * 2^bits, if there is one.
 */
export function p2GrindTo(state: usize, scratch: usize, out: usize, bits: u32, lo: u32, hi: u32): void {
  const mask: u64 = ((<u64>1) << bits) - 1, s = own + 576, t = s + 96;
  for (let n = lo; n < hi; n += 2) {
    memory.copy(s, state, 96); memory.copy(t, state, 96);
    store<u64>(s, <u64>n); store<u64>(t, <u64>n + 1);
    permutePair(s, t, own);
    if ((load<u64>(s) & mask) == 0) { store<u32>(out, n + 1); return; }
    if (n + 1 < hi && (load<u64>(t) & mask) == 0) { store<u32>(out, n + 2); return; }
  }
}

export function signedToField(dst: usize, src: usize, lo: u32, hi: u32): void {
  for (let j = lo; j < hi; j++) store<u64>(dst + <usize>j * 8, fsigned(load<i64>(src + <usize>j * 8)));
}
