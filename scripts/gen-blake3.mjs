// Writes the four-way BLAKE3 kernel src/kernels/as/blake3.ts: seven unrolled rounds over sixteen vectors, one lane per message.
import { writeFileSync } from 'node:fs';
const IV = ['0x6a09e667', '0xbb67ae85', '0x3c6ef372', '0xa54ff53a'];
const PERM = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const QUARTERS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
];
const lines = [];
let order = [...Array(16).keys()];
for (let r = 0; r < 7; r++) {
  QUARTERS.forEach(([a, b, c, d], q) => {
    const m = (k) => `v128.load(m, ${16 * order[2 * q + k]})`;
    lines.push(`a = add(add(v${a}, v${b}), ${m(0)}); d = rot16(v128.xor(v${d}, a)); c = add(v${c}, d); b = rot12(v128.xor(v${b}, c));`);
    lines.push(
      `v${a} = add(add(a, b), ${m(1)}); v${d} = rot8(v128.xor(d, v${a})); v${c} = add(c, v${d}); v${b} = rot7(v128.xor(b, v${c}));`,
    );
  });
  order = PERM.map((k) => order[k]);
}
const S = [...Array(8).keys()];
writeFileSync(
  new URL('../src/kernels/as/blake3.ts', import.meta.url),
  `// Written by scripts/gen-blake3.mjs. Keyed BLAKE3 of four rows at a time; definitions in src/hash/spec.md.
import { P } from './field';
const START: u32 = 1, END: u32 = 2, PARENT: u32 = 4, ROOT: u32 = 8, KEYED: u32 = 16;

// @ts-ignore: decorator
@inline function add(a: v128, b: v128): v128 { return i32x4.add(a, b); }
// @ts-ignore: decorator
@inline function rot16(a: v128): v128 { return v128.shuffle<u8>(a, a, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13); }
// @ts-ignore: decorator
@inline function rot8(a: v128): v128 { return v128.shuffle<u8>(a, a, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12); }
// @ts-ignore: decorator
@inline function rot12(a: v128): v128 { return v128.or(i32x4.shr_u(a, 12), i32x4.shl(a, 20)); }
// @ts-ignore: decorator
@inline function rot7(a: v128): v128 { return v128.or(i32x4.shr_u(a, 7), i32x4.shl(a, 25)); }

// out = compress(cv, m): eight and sixteen vectors; counter below 2^32.
function compress4(out: usize, cv: usize, m: usize, counter: u32, bytes: u32, flags: u32): void {
  ${S.map((k) => `let v${k} = v128.load(cv, ${16 * k});`).join(' ')}
  ${IV.map((x, k) => `let v${8 + k} = i32x4.splat(${x});`).join(' ')}
  let v12 = i32x4.splat(counter), v13 = i32x4.splat(0), v14 = i32x4.splat(bytes), v15 = i32x4.splat(flags);
  let a: v128, b: v128, c: v128, d: v128;
  ${lines.join('\n  ')}
  ${S.map((k) => `v128.store(out, v128.xor(v${k}, v${8 + k}), ${16 * k});`).join(' ')}
}

// The key (domain, words, 0, 0) as eight little-endian 32-bit words, in all lanes.
function key4(p: usize, domain: u64, words: u64): void {
  memory.fill(p, 0, 128);
  v128.store(p, i32x4.splat(<u32>domain)); v128.store(p, i32x4.splat(<u32>(domain >> 32)), 16);
  v128.store(p, i32x4.splat(<u32>words), 32); v128.store(p, i32x4.splat(<u32>(words >> 32)), 48);
}

/** Bytes of state for four rows of so many words: chaining value and a stack of finished subtrees. */
export function b3GroupBytes(words: u32): u32 {
  const chunks = max<u32>(1, (words + 127) / 128);
  return 128 * (2 + (32 - clz<u32>(chunks)));
}

// Words w of rows j .. j + 3 (rows from hi on repeat the last one) as message vectors 2 k, 2 k + 1.
// @ts-ignore: decorator
@inline function gather(m: usize, k: usize, p: usize, step: usize, left: u32): void {
  let x: v128, y: v128;
  if (step == 8 && left >= 4) { x = v128.load(p); y = v128.load(p, 16); }
  else {
    const p1 = left > 1 ? p + step : p, p2 = left > 2 ? p1 + step : p1, p3 = left > 3 ? p2 + step : p2;
    x = i64x2.replace_lane(i64x2.splat(load<i64>(p)), 1, load<i64>(p1));
    y = i64x2.replace_lane(i64x2.splat(load<i64>(p2)), 1, load<i64>(p3));
  }
  v128.store(m + 32 * k, v128.shuffle<u32>(x, y, 0, 2, 4, 6));
  v128.store(m + 32 * k, v128.shuffle<u32>(x, y, 1, 3, 5, 7), 16);
}

/**
 * Absorbs count words per row, which are words [from, from + count) of \`words\`: count = 8 (one block) but for the last block. Word k of
 * row j at cols + k * stride + j * step. Group j / 4 of states holds rows j .. j + 3; lo a multiple of 4; scratch of 384 bytes per thread.
 */
export function b3RowsAbsorb(states: usize, cols: usize, count: u32, stride: usize, step: usize, domain: u64, words: u32, from: u32, scratch: usize, lo: u32, hi: u32): void {
  const size = <usize>b3GroupBytes(words), block = from / 8, chunk = block / 16, inChunk = block & 15;
  const last = from + count == words, ends = last || inChunk == 15, single = words <= 128;
  let flags = KEYED;
  if (inChunk == 0) flags |= START;
  if (ends) flags |= END;
  if (last && single) flags |= ROOT;
  const key = scratch + 256;
  key4(key, domain, words);
  for (let j = lo; j < hi; j += 4) {
    const s = states + <usize>(j / 4) * size;
    for (let k: u32 = 0; k < count; k++) gather(scratch, k, cols + <usize>k * stride + <usize>j * step, step, hi - j);
    if (count < 8) memory.fill(scratch + <usize>count * 32, 0, <usize>(8 - count) * 32);
    compress4(s, inChunk == 0 ? key : s, scratch, chunk, count * 8, flags);
    if (ends && !single) {
      // Stack of complete subtrees from s + 128 on: one for every bit of the number of chunks finished before this one.
      let depth = <usize>popcnt<u32>(chunk), n = last ? 0 : chunk + 1;
      while (depth > 0 && (last || (n & 1) == 0)) {
        memory.copy(scratch, s + 128 * depth, 128);
        memory.copy(scratch + 128, s, 128);
        depth--;
        compress4(s, key, scratch, 0, 64, KEYED | PARENT | (last && depth == 0 ? ROOT : 0));
        n >>= 1;
      }
      if (!last) memory.copy(s + 128 * (depth + 1), s, 128);
    }
  }
}

// Four digests from eight vectors: 64-bit words reduced mod p; only lanes below count are written.
// @ts-ignore: decorator
@inline function digests(dst: usize, s: usize, count: u32): void {
  for (let i: u32 = 0; i < min<u32>(4, count); i++) {
    for (let w: usize = 0; w < 4; w++) {
      const p = s + 32 * w + 4 * <usize>i, x = <u64>load<u32>(p) | (<u64>load<u32>(p, 16) << 32);
      store<u64>(dst + <usize>i * 32 + w * 8, x >= P ? x - P : x);
    }
  }
}

/** Digest of row j at dst + 32 j. */
export function b3RowsFinish(dst: usize, states: usize, words: u32, lo: u32, hi: u32): void {
  const size = <usize>b3GroupBytes(words);
  for (let j = lo; j < hi; j += 4) digests(dst + <usize>j * 32, states + <usize>(j / 4) * size, hi - j);
}

/** dst[j] = compress(src[2j], src[2j + 1]); scratch of 512 bytes. */
export function b3Level(dst: usize, src: usize, domain: u64, scratch: usize, lo: u32, hi: u32): void {
  const key = scratch + 256, out = scratch + 384;
  key4(key, domain, 0);
  for (let j = lo; j < hi; j += 4) {
    for (let k: usize = 0; k < 8; k++) gather(scratch, k, src + <usize>j * 64 + k * 8, 64, hi - j);
    compress4(out, key, scratch, 0, 64, KEYED | START | END | ROOT);
    digests(dst + <usize>j * 32, out, hi - j);
  }
}
`,
);
