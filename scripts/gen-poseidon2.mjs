// Writes the unrolled Poseidon2 kernel. Constants: src/hash/poseidon2-constants.ts is the single source.
//
// A word is either one 64-bit value (any representative) or a pair of signed lanes (L, H) that stands for L + 2^32 H. The last product of an
// S-box leaves lanes, linear layers add lanes, and one carry at their end gives 64 bits again. With x = 2^32: x^2 = x - 1 mod p, so that a
// carry t out of H goes to (L - t, H + t), and multiplying by x^-1 = 1 - x maps (L, H) to (L + H, -L): halving the lanes needs nothing else.
// Bounds: lanes of an S-box are in (-2^33, 2^33); external rows sum to 28, so sums stay below 2^38; the integer words of the internal
// rounds grow by 4 each round plus a sum below 2^33, below 2^55 in eleven rounds, after which they are carried.
import { writeFileSync } from 'node:fs';
import { biased, entry, externalSums, first, layers, list, others, S, words } from './poseidon2-layers.mjs';

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
const sum = (...a) => a.join(' + ');
const external = (c) => {
  const o = ['L', 'H'].flatMap((of) => externalSums(of, sum, (x) => `(${x} << 1)`));
  for (const k of S)
    o.push(`s${k} = carry(Hy${k} + Ht${k % 4} + load<i64>(${c}, ${16 * k + 8}), Ly${k} + Lt${k % 4} + load<i64>(${c}, ${16 * k}));`);
  return `{ ${o.join('\n      ')} }`;
};
/** Word k of an internal round: diagonal entry times the lanes plus the sum's (SL, SH). */
const update = (k) => {
  const { times, halvings: m, negative } = entry(k),
    L = `L${k}`,
    H = `H${k}`,
    [a, b] = negative ? ['-', '+'] : ['+', '-'];
  if (times) {
    const by = (x) => ['', x, `(${x} << 1)`, `(${x} * 3)`, `(${x} << 2)`][times];
    return `${L} = SL ${a} ${by(L)}; ${H} = SH ${a} ${by(H)};`;
  }
  const low = (x) => `(${x} & ${2 ** m - 1}) << ${32 - m}`;
  return `{ const j = ${low(L)}, i = ${low(H)}; ${L} = SL ${a} (${L} >> ${m}) ${a} j ${a} i; ${H} = SH ${a} (${H} >> ${m}) ${b} j; }`;
};
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
import { EPS, fcanon } from './field';
const M: u64 = 0xffffffff;
// Lanes added by the external layers 0 .. 8, to word 0 by the internal rounds, to the others after the first and the last of these.
const EXTERNAL: StaticArray<u64> = [${list(layers)}];
const FIRST: StaticArray<u64> = [${list(first.flatMap((c) => biased(c, 8n, 8n)))}];
const OTHERS: StaticArray<u64> = [${list(others.flat().flatMap((c) => biased(c, 1n, 0n)))}];

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
`,
);
