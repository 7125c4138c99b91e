// Writes the unrolled Poseidon2 kernel. Constants: src/hash/poseidon2-constants.ts is the single source.
//
// A word is either one 64-bit value (any representative) or a pair of signed lanes (L, H) that stands for L + 2^32 H. The last product of an
// S-box leaves lanes, linear layers add lanes, and one carry at their end gives 64 bits again. With x = 2^32: x^2 = x - 1 mod p, so that a
// carry t out of H goes to (L - t, H + t), and multiplying by x^-1 = 1 - x maps (L, H) to (L + H, -L): halving the lanes needs nothing else.
// Bounds: lanes of an S-box are in (-2^33, 2^33); external rows sum to 28, so sums stay below 2^38; the integer words of the internal
// rounds grow by 4 each round plus a sum below 2^33, below 2^55 in eleven rounds, after which they are carried.
import { readFileSync, writeFileSync } from 'node:fs';

const text = readFileSync(new URL('../src/hash/poseidon2-constants.ts', import.meta.url), 'utf8');
const pick = (name) =>
  [...text.match(new RegExp(`${name}[^=]*= \\[([\\s\\S]*?)\\];`))[1].matchAll(/0x[0-9a-f]+/g)].map((m) => BigInt(m[0]));
const rc = pick('EXTERNAL'),
  ri = pick('INTERNAL'),
  diag = pick('DIAGONAL');
const P = 0xffffffff00000001n,
  M = 0xffffffffn,
  S = [...Array(12).keys()],
  words = S.slice(1);

/** Lanes of constant + n p, with `borrow` units of H moved to L: what makes both lanes of a sum positive. */
const biased = (constant, n, borrow) => [(constant & M) + n + (borrow << 32n), (constant >> 32n) + n * M - borrow];

let names = 0;
/** Code of a 64 x 64 bit product up to its high word, and the expressions of its parts. */
const product = (a, b) => {
  const id = names++,
    [a0, a1, b0, b1] = [`(${a} & M)`, `(${a} >> 32)`, `(${b} & M)`, `(${b} >> 32)`];
  const code =
    a === b
      ? `const p${id} = ${a0} * ${a0}, x${id} = ${a0} * ${a1}, m${id} = x${id} + (p${id} >> 32), n${id} = x${id} + (m${id} & M), h${id} = ${a1} * ${a1} + (m${id} >> 32) + (n${id} >> 32);`
      : `const p${id} = ${a0} * ${b0}, m${id} = ${a1} * ${b0} + (p${id} >> 32), n${id} = ${a0} * ${b1} + (m${id} & M), h${id} = ${a1} * ${b1} + (m${id} >> 32) + (n${id} >> 32);`;
  return { id, code, hi: `h${id}`, l0: `(p${id} & M)`, l1: `(n${id} & M)` };
};
/** A product reduced to 64 bits. The low word is one multiplication more, cheaper than its assembly; the store keeps the branch a branch. */
const mul = (a, b, out) => {
  const { id, code, hi } = product(a, b);
  return `${code} const w${id} = ${a} * ${b}; let t${id} = w${id} - (${hi} >> 32); if (w${id} < (${hi} >> 32)) { t${id} -= EPS; store<u32>(8, 0); }
      const u${id} = ((${hi} & M) << 32) - (${hi} & M), v${id} = t${id} + u${id}, ${out} = select<u64>(v${id} + EPS, v${id}, v${id} < u${id});`;
};
/** Lanes (L, H) = v^7. */
const sbox = (v, L, H) => {
  const { code, hi, l0, l1 } = product('d', 'c');
  return `{ ${mul(v, v, 'q')}
      ${mul('q', v, 'c')}
      ${mul('q', 'q', 'd')}
      ${code} ${L} = <i64>(${l0} - (${hi} & M) - (${hi} >> 32)); ${H} = <i64>(${l1} + (${hi} & M)); }`;
};
const external = (c) => {
  const o = [];
  for (const h of ['L', 'H']) {
    for (const b of [0, 4, 8]) {
      const x = [0, 1, 2, 3].map((k) => `${h}${b + k}`),
        n = (t) => `${h}${t}${b}`;
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
    o.push(`s${k} = carry(Hy${k} + Ht${k % 4} + load<i64>(${c}, ${16 * k + 8}), Ly${k} + Lt${k % 4} + load<i64>(${c}, ${16 * k}));`);
  return `{ ${o.join('\n      ')} }`;
};
/** Word k of an internal round: diagonal entry times the lanes plus the sum's (SL, SH). */
const update = (k) => {
  const d = diag[k],
    L = `L${k}`,
    H = `H${k}`,
    times = (n, x) => (n === 1n ? x : n === 2n ? `(${x} << 1)` : n === 3n ? `(${x} * 3)` : `(${x} << 2)`);
  if (d <= 4n) return `${L} = SL + ${times(d, L)}; ${H} = SH + ${times(d, H)};`;
  if (P - d <= 4n) return `${L} = SL - ${times(P - d, L)}; ${H} = SH - ${times(P - d, H)};`;
  for (let m = 1n; m < 8n; m++) {
    const neg = ((P - d) << m) % P === 1n;
    if ((d << m) % P !== 1n && !neg) continue;
    const low = (x) => `(${x} & ${(1n << m) - 1n}) << ${32n - m}`,
      [a, b] = neg ? ['-', '+'] : ['+', '-'];
    return `{ const j = ${low(L)}, i = ${low(H)}; ${L} = SL ${a} (${L} >> ${m}) ${a} j ${a} i; ${H} = SH ${a} (${H} >> ${m}) ${b} j; }`;
  }
  throw new Error(`diagonal entry ${k}`);
};
const layers = [...Array(9).keys()].flatMap((layer) =>
  S.flatMap((k) => biased(layer === 8 || (layer === 4 && k > 0) ? 0n : layer === 4 ? ri[0] : rc[12 * layer + k], 1n, 64n)),
);
const first = [...ri.slice(1), rc[48]].flatMap((c) => biased(c, 8n, 8n));
const others = [false, true].flatMap((last) => S.flatMap((k) => biased(last ? rc[48 + k] : 0n, 1n, 0n)));
const list = (a) => a.map((x) => `0x${x.toString(16)}`).join(', ');
const internal = `for (let part = 0; part < 2; part++) {
        ${words.map((k) => `let L${k} = <i64>(s${k} & M), H${k} = <i64>(s${k} >> 32);`).join(' ')}
        for (const end = ci + 176; ci < end; ci += 16) {
          let SL: i64 = ${words.map((k) => `L${k}`).join(' + ')}, SH: i64 = ${words.map((k) => `H${k}`).join(' + ')}, l: i64, h: i64;
          ${sbox('s0', 'l', 'h')}
          SL += l; SH += h;
          const top = SH >> 32;
          SL -= top; SH = (SH & <i64>M) + top + (SL >> 32); SL &= <i64>M;
          s0 = carry(SH - (h << 1) + load<i64>(ci, 8), SL - (l << 1) + load<i64>(ci));
          ${words.map(update).join('\n          ')}
        }
        ${words.map((k) => `s${k} = carryWide(H${k}, L${k}, cn + ${16 * k});`).join('\n        ')}
        cn += 192;
      }`;
writeFileSync(
  new URL('../src/kernels/as/poseidon2.ts', import.meta.url),
  `// Written by scripts/gen-poseidon2.mjs. Poseidon2, Goldilocks, width 12, sponge rate 8; definitions in src/hash/spec.md.
import { EPS, fcanon, fsigned } from './field';
const M: u64 = 0xffffffff;
// Lanes added by the external layers 0 .. 8, to word 0 by the internal rounds, to the others after the first and the last of these.
const EXTERNAL: StaticArray<u64> = [${list(layers)}];
const FIRST: StaticArray<u64> = [${list(first)}];
const OTHERS: StaticArray<u64> = [${list(others)}];

// Lanes 0 <= h < 2^40, 0 <= l < 2^41 to 64 bits. The last carry is as rare as 2^-23; the store keeps its branch a branch.
// @ts-ignore: decorator
@inline function carry(h: i64, l: i64): u64 {
  const t = <u64>l + (<u64>h >> 32) * EPS;
  let r = (<u64>h << 32) + t;
  if (r < t) { r += EPS; store<u32>(8, 0); }
  return r;
}
// Lanes of at most 2^57 in magnitude, plus the lanes at c.
// @ts-ignore: decorator
@inline function carryWide(h: i64, l: i64, c: usize): u64 {
  const top = h >> 32, x = l - top;
  return carry((h & <i64>M) + top + (x >> 32) + load<i64>(c, 8), (x & <i64>M) + load<i64>(c));
}

/** In place on twelve words; accepts any representatives, leaves canonical ones. */
export function poseidon2(p: usize): void {
  let c = changetype<usize>(EXTERNAL), ci = changetype<usize>(FIRST), cn = changetype<usize>(OTHERS);
  ${S.map((k) => `let s${k} = load<u64>(p, ${8 * k});`).join(' ')}
  ${S.map((k) => `let L${k} = <i64>(s${k} & M), H${k} = <i64>(s${k} >> 32);`).join(' ')}
  for (let round = 0; ; round++) {
    ${external('c')}
    c += 192;
    if (round == 8) break;
    if (round == 4) {
      ${internal}
    }
    ${S.map((k) => sbox(`s${k}`, `L${k}`, `H${k}`)).join('\n    ')}
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
