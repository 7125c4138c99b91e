// Writes the unrolled Poseidon2 kernel. Constants: src/hash/poseidon2-constants.ts is the single source.
import { readFileSync, writeFileSync } from 'node:fs';
const text = readFileSync(new URL('../src/hash/poseidon2-constants.ts', import.meta.url), 'utf8');
const pick = (name) => [...text.match(new RegExp(`${name}[^=]*= \\[([\\s\\S]*?)\\];`))[1].matchAll(/0x[0-9a-f]+/g)].map((m) => m[0]);
const rc = pick('EXTERNAL'),
  ri = pick('INTERNAL'),
  diag = pick('DIAGONAL');
const S = [...Array(12).keys()],
  zeros = S.map(() => 0);
// Between rounds a word is any representative below 2^64. Linear layers work on 32-bit halves, whose sums cannot pass 2^64; the round
// constants of the next round, split likewise, join before the one reduction.
const sbox = (v) => `{ const q = fsquareLazy(${v}), c = fmulLazy(q, ${v}); ${v} = fmulLazy(fsquareLazy(q), c); }`;
const external = (rc) => {
  const o = [];
  for (const h of ['l', 'h']) {
    for (const b of [0, 4, 8]) {
      const x = [0, 1, 2, 3].map((k) => (h === 'l' ? `(s${b + k} & M)` : `(s${b + k} >> 32)`));
      const n = (t) => `${h}${t}${b}`;
      o.push(
        `const ${n('p')} = ${x[0]} + ${x[1]}, ${n('q')} = ${x[2]} + ${x[3]}, ${n('r')} = ${n('p')} + ${n('q')}, ${n('u')} = ${n('r')} + ${x[1]}, ${n('v')} = ${n('r')} + ${x[3]};`,
      );
      o.push(
        `const ${h}y${b} = ${n('u')} + ${n('p')}, ${h}y${b + 1} = ${n('u')} + (${x[2]} << 1), ${h}y${b + 2} = ${n('v')} + ${n('q')}, ${h}y${b + 3} = ${n('v')} + (${x[0]} << 1);`,
      );
    }
    for (const k of [0, 1, 2, 3]) o.push(`const ${h}t${k} = ${h}y${k} + ${h}y${k + 4} + ${h}y${k + 8};`);
  }
  for (const k of S)
    o.push(`s${k} = fhalves(hy${k} + ht${k % 4} + load<u32>(${rc}, ${8 * k + 4}), ly${k} + lt${k % 4} + load<u32>(${rc}, ${8 * k}));`);
  return `{ ${o.join('\n      ')} }`;
};
const P = 0xffffffff00000001n;
/** d x + sum from the halves (sh, sl) of the sum; negative multiples are taken from 4 p, written as halves without borrows. */
const diagonal = (k) => {
  const d = BigInt(diag[k]),
    lo = `(s${k} & M)`,
    hi = `(s${k} >> 32)`;
  if (d <= 4n) {
    const f = (x) => (d === 1n ? x : `${x} * ${d}`);
    return `fhalves(sh + ${f(hi)}, sl + ${f(lo)})`;
  }
  if (P - d <= 4n) {
    const f = (x) => (P - d === 1n ? x : `${x} * ${P - d}`);
    return `fhalves(sh + FOUR_H - ${f(hi)}, sl + FOUR_L - ${f(lo)})`;
  }
  for (let m = 1n; m < 8n; m++) {
    if ((d << m) % P === 1n) return `fhalves2(sh, sl, fshift(s${k}, ${m}))`;
    if (((P - d) << m) % P === 1n) return `fhalves2(sh, sl, P - fshift(s${k}, ${m}))`;
  }
  throw new Error(`diagonal entry ${k}`);
};
const internal = `for (let r: usize = 0; r < 22; r++) {
      s0 = faddLazy(s0, load<u64>(ci + r * 8));
      let sl = ${S.slice(1)
        .map((k) => `(s${k} & M)`)
        .join(' + ')};
      let sh = ${S.slice(1)
        .map((k) => `(s${k} >> 32)`)
        .join(' + ')};
      ${sbox('s0')}
      sl += s0 & M; sh += s0 >> 32;
      ${S.map((k) => `s${k} = ${diagonal(k)};`).join('\n      ')}
    }`;
writeFileSync(
  new URL('../src/kernels/as/poseidon2.ts', import.meta.url),
  `// Written by scripts/gen-poseidon2.mjs. Poseidon2, Goldilocks, width 12, sponge rate 8; definitions in src/hash/spec.md.
import { P, EPS, fcanon, fmulLazy, fsquareLazy, fsigned } from './field';
const M: u64 = 0xffffffff;
// Constants joined to external layers 0 .. 8 (none after layers 4 and 8), then those that follow the internal rounds.
const CE: StaticArray<u64> = [${[...rc.slice(0, 48), ...zeros, ...rc.slice(60), ...zeros, ...rc.slice(48, 60)].join(', ')}];
const CI: StaticArray<u64> = [${ri.join(', ')}];

// 4 p = FOUR_H 2^32 + FOUR_L, both at least 4 (2^32 - 1).
const FOUR_H: u64 = 0x3fffffff8;
const FOUR_L: u64 = 0x400000004;

// h 2^32 + l with h, l < 2^40: h 2^32 = (h mod 2^32) 2^32 + (h >> 32) 2^64 and 2^64 = EPS mod p.
// @ts-ignore: decorator
@inline function fhalves(h: u64, l: u64): u64 {
  const t = l + (h >> 32) * EPS, r = (h << 32) + t;
  return r + (r < t ? EPS : 0);
}
// @ts-ignore: decorator
@inline function fhalves2(h: u64, l: u64, x: u64): u64 { return fhalves(h + (x >> 32), l + (x & M)); }
// x 2^-m: k p makes x + k p divisible by 2^m, as p = 1 mod 2^m; the result is below p.
// @ts-ignore: decorator
@inline function fshift(a: u64, m: u64): u64 {
  const x = fcanon(a), k = (0 - x) & ((<u64>1 << m) - 1);
  return ((x + k) >> m) + (k << (64 - m)) - (k << (32 - m));
}
// a any representative, b canonical.
// @ts-ignore: decorator
@inline function faddLazy(a: u64, b: u64): u64 { const r = a + b; return r + (r < b ? EPS : 0); }

/** In place on twelve words; accepts any representatives, leaves canonical ones. */
export function poseidon2(p: usize): void {
  const ce = changetype<usize>(CE), ci = changetype<usize>(CI);
  ${S.map((k) => `let s${k} = load<u64>(p, ${8 * k});`).join(' ')}
  for (let round: usize = 0; round <= 8; round++) {
    const c = ce + round * 96;
    if (round > 0) {
      ${S.map((k) => sbox(`s${k}`)).join('\n      ')}
    }
    ${external('c')}
    if (round == 4) {
      ${internal}
      ${S.map((k) => `s${k} = faddLazy(s${k}, load<u64>(ce, ${8 * (108 + k)}));`).join('\n      ')}
    }
  }
  ${S.map((k) => `store<u64>(p, fcanon(s${k}), ${8 * k});`).join(' ')}
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
    const a = src + <usize>j * 64, d = dst + <usize>j * 32;
    ${S.slice(0, 8)
      .map((k) => `store<u64>(scratch, load<u64>(a, ${8 * k}), ${8 * k});`)
      .join(' ')}
    store<u64>(scratch, 2, 64); store<u64>(scratch, 0, 72); store<u64>(scratch, 0, 80); store<u64>(scratch, 0, 88);
    poseidon2(scratch);
    ${S.slice(0, 4)
      .map((k) => `store<u64>(d, load<u64>(scratch, ${8 * k}), ${8 * k});`)
      .join(' ')}
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
`,
);
