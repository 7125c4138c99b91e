// Writes the unrolled Poseidon2 kernel. Constants: src/hash/poseidon2-constants.ts is the single source.
import { readFileSync, writeFileSync } from 'node:fs';
const text = readFileSync(new URL('../src/hash/poseidon2-constants.ts', import.meta.url), 'utf8');
const pick = (name) => [...text.match(new RegExp(`${name}[^=]*= \\[([\\s\\S]*?)\\];`))[1].matchAll(/0x[0-9a-f]+/g)].map((m) => m[0]);
const rc = pick('EXTERNAL'), ri = pick('INTERNAL'), diag = pick('DIAGONAL');
const S = [...Array(12).keys()];
const sbox = (v) => `{ const q = fsquare(${v}); ${v} = fmul(fmul(fsquare(q), q), ${v}); }`;
// Linear layers on 32-bit halves: sums of a few halves cannot pass 2^64, one reduction at the end.
const external = () => {
  const o = [];
  for (const h of ['l', 'h']) {
    for (const b of [0, 4, 8]) {
      const x = [0, 1, 2, 3].map((k) => (h === 'l' ? `(s${b + k} & M)` : `(s${b + k} >> 32)`));
      o.push(`const ${h}a${b} = ${x.join(' + ')};`);
      for (const k of [0, 1, 2, 3]) o.push(`const ${h}y${b + k} = ${h}a${b} + ${x[k]} + (${x[(k + 1) % 4]} << 1);`);
    }
    for (const k of [0, 1, 2, 3]) o.push(`const ${h}t${k} = ${h}y${k} + ${h}y${k + 4} + ${h}y${k + 8};`);
  }
  for (const k of S) o.push(`s${k} = fhalves(hy${k} + ht${k % 4}, ly${k} + lt${k % 4});`);
  return `{ ${o.join('\n      ')} }`;
};
const full = (base) => `for (let r: usize = 0; r < 4; r++) {
    const c = ${base} + r * 96;
    ${S.map((k) => `s${k} = fadd(s${k}, load<u64>(c, ${8 * k})); ${sbox(`s${k}`)}`).join('\n    ')}
    ${external()}
  }`;
const internal = `for (let r: usize = 0; r < 22; r++) {
    s0 = fadd(s0, load<u64>(ci + r * 8)); ${sbox('s0')}
    const sum = fhalves(${S.map((k) => `(s${k} >> 32)`).join(' + ')}, ${S.map((k) => `(s${k} & M)`).join(' + ')});
    ${S.map((k) => {
      const d = BigInt(diag[k]), P = 0xffffffff00000001n, n = P - d;
      if (d === 1n) return `s${k} = fadd(s${k}, sum);`;
      if (d === 2n) return `s${k} = fadd(fadd(s${k}, s${k}), sum);`;
      if (n === 2n) return `s${k} = fsub(sum, fadd(s${k}, s${k}));`;
      return `s${k} = fadd(fmul(s${k}, ${diag[k]}), sum);`;
    }).join('\n    ')}
  }`;
writeFileSync(new URL('../src/kernels/as/poseidon2.ts', import.meta.url), `// Written by scripts/gen-poseidon2.mjs. Poseidon2, Goldilocks, width 12, sponge rate 8; definitions in src/hash/spec.md.
import { P, EPS, fadd, fsub, fmul, fsquare, fsigned } from './field';
const M: u64 = 0xffffffff;
const CE: StaticArray<u64> = [${rc.join(', ')}];
const CI: StaticArray<u64> = [${ri.join(', ')}];

// h 2^32 + l with h, l < 2^40
// @ts-ignore: decorator
@inline function fhalves(h: u64, l: u64): u64 {
  // h 2^32 = (h mod 2^32) 2^32 + (h >> 32) 2^64, 2^64 = EPS mod p
  const t = l + (h >> 32) * EPS;
  let r = (h << 32) + t;
  if (r < t) r += EPS;
  return r >= P ? r - P : r;
}

/** In place on twelve words. */
export function poseidon2(p: usize): void {
  const ce = changetype<usize>(CE), ci = changetype<usize>(CI);
  ${S.map((k) => `let s${k} = load<u64>(p, ${8 * k});`).join(' ')}
  ${external()}
  ${full('ce')}
  ${internal}
  ${full('(ce + 384)')}
  ${S.map((k) => `store<u64>(p, s${k}, ${8 * k});`).join(' ')}
}

/** Rows [lo, hi): state of 12 words per row, set to (0 x 8, domain, words, 0, 0). */
export function p2RowsInit(states: usize, domain: u64, words: u64, lo: u32, hi: u32): void {
  for (let j = lo; j < hi; j++) {
    const s = states + <usize>j * 96;
    memory.fill(s, 0, 96);
    store<u64>(s, domain, 64);
    store<u64>(s, words, 72);
  }
}

/** Absorbs count <= 8 words per row (overwriting the rate), word k of row j at cols + k * stride + j * step; then permutes. */
export function p2RowsAbsorb(states: usize, cols: usize, count: u32, stride: usize, step: usize, lo: u32, hi: u32): void {
  for (let j = lo; j < hi; j++) {
    const s = states + <usize>j * 96;
    for (let k: u32 = 0; k < count; k++) store<u64>(s + <usize>k * 8, load<u64>(cols + <usize>k * stride + <usize>j * step));
    poseidon2(s);
  }
}

/** Digest of row j: first four words of its state. */
export function p2RowsFinish(dst: usize, states: usize, lo: u32, hi: u32): void {
  for (let j = lo; j < hi; j++) memory.copy(dst + <usize>j * 32, states + <usize>j * 96, 32);
}

/** dst[j] = compress(src[2j], src[2j+1]); scratch of 96 bytes. */
export function p2Level(dst: usize, src: usize, scratch: usize, lo: u32, hi: u32): void {
  for (let j = lo; j < hi; j++) {
    memory.copy(scratch, src + <usize>j * 64, 64);
    store<u64>(scratch, 2, 64); store<u64>(scratch, 0, 72); store<u64>(scratch, 0, 80); store<u64>(scratch, 0, 88);
    poseidon2(scratch);
    memory.copy(dst + <usize>j * 32, scratch, 32);
  }
}

/** First nonce in [from, to) whose permutation of state with nonce at word 0 has its first output word = 0 mod 2^bits; or -1. */
export function p2Grind(state: usize, scratch: usize, bits: u32, lo: u32, hi: u32): i32 {
  const mask: u64 = ((<u64>1) << bits) - 1;
  for (let n = lo; n < hi; n++) {
    memory.copy(scratch, state, 96);
    store<u64>(scratch, <u64>n);
    poseidon2(scratch);
    if ((load<u64>(scratch) & mask) == 0) return <i32>n;
  }
  return -1;
}

export function signedToField(dst: usize, src: usize, lo: u32, hi: u32): void {
  for (let j = lo; j < hi; j++) store<u64>(dst + <usize>j * 8, fsigned(load<i64>(src + <usize>j * 8)));
}
`);
