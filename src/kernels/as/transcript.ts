// Duplex sponge at sp: 12 state words, then position (u32 at 96), dirty flag (u32 at 100), squeeze position (u32 at
// 104).
import { poseidon2 } from '../generated/as/poseidon2';

/**
 * Nothing absorbed changes nothing: otherwise an empty message would let the words squeezed before it be squeezed
 * again.
 */
export function spongeAbsorb(sp: usize, src: usize, n: u32): void {
  if (n == 0) return;
  let pos = load<u32>(sp, 96);
  for (let k: u32 = 0; k < n; k++) {
    store<u64>(sp + <usize>pos * 8, load<u64>(src + <usize>k * 8));
    pos++;
    if (pos == 8) { poseidon2(sp); pos = 0; }
  }
  store<u32>(sp, pos, 96);
  store<u32>(sp, 1, 100);
}

/** Permutes when anything is pending, so that the next word absorbed is word 0. */
export function spongeFlush(sp: usize): void {
  if (load<u32>(sp, 96) != 0) poseidon2(sp);
  store<u32>(sp, 0, 96);
}

export function spongeSqueeze(sp: usize, dst: usize, n: u32): void {
  let out = load<u32>(sp, 104);
  if (load<u32>(sp, 100) != 0) {
    if (load<u32>(sp, 96) != 0) poseidon2(sp);
    store<u32>(sp, 0, 96);
    store<u32>(sp, 0, 100);
    out = 0;
  }
  for (let k: u32 = 0; k < n; k++) {
    if (out == 8) { poseidon2(sp); out = 0; }
    store<u64>(dst + <usize>k * 8, load<u64>(sp + <usize>out * 8));
    out++;
  }
  store<u32>(sp, out, 104);
}

/**
 * Root of a Merkle path: leaf of `words` words, then `depth` siblings of four words; index bit k = 1 means that the
 * node is right.
 */
export function merklePath(dst: usize, s: usize, leaf: usize, words: u32, path: usize, depth: u32, index: u32): void {
  memory.fill(s, 0, 96);
  store<u64>(s, 1, 64);
  store<u64>(s, <u64>words, 72);
  for (let k: u32 = 0; k < words; k += 8) {
    const n = min<u32>(8, words - k);
    memory.copy(s, leaf + <usize>k * 8, <usize>n * 8);
    poseidon2(s);
  }
  for (let d: u32 = 0; d < depth; d++) {
    const sib = path + <usize>d * 32;
    if ((index >> d) & 1) { memory.copy(s + 32, s, 32); memory.copy(s, sib, 32); } else memory.copy(s + 32, sib, 32);
    store<u64>(s, 2, 64); store<u64>(s, 0, 72); store<u64>(s, 0, 80); store<u64>(s, 0, 88);
    poseidon2(s);
  }
  memory.copy(dst, s, 32);
}

/** n words as elements of E. */
export function embedWords(dst: usize, src: usize, n: u32): void {
  for (let k: u32 = 0; k < n; k++) { store<u64>(dst, load<u64>(src)); store<u64>(dst, 0, 8); store<u64>(dst, 0, 16); dst += 24; src += 8; }
}
export function emulAdd(d: usize, a: usize, b: usize, c: usize): void {
  // d = a b + c
  emulvStore(d, a, b);
  store<u64>(d, fadd(load<u64>(d), load<u64>(c))); store<u64>(d, fadd(load<u64>(d, 8), load<u64>(c, 8)), 8); store<u64>(d, fadd(load<u64>(d, 16), load<u64>(c, 16)), 16);
}
import { emul, fadd } from './field';
function emulvStore(d: usize, a: usize, b: usize): void { emul(d, a, b); }
