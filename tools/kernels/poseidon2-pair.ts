// Writes the kernel of two Poseidon2 permutations at a time, one in each 64-bit lane of a vector. Numbers as in
// poseidon2.ts: a word is packed (32-bit lanes: low halves of both states, high halves of both) before an S-box and a
// pair of 64-bit lanes (L, H) in linear layers.
//
// A carry out of a packed high half is too rare (2^-22) to be worth a second round of carries. It is only noted in
// `flags`, and a pair in which it happened is done again by the scalar kernel. Lanes are kept positive before a shift,
// V8 has no cheap arithmetic one for 64 bits: 2^34 joins the low lanes of products (and FOUR leaves the high ones),
// about 2^35 the sum of an internal round, as a multiple of p. V8 spills what it can interleave, so S-boxes go through
// memory one by one, in a loop.
import { biased, entry, externalSums, first, layers, list, M, others, S, words } from './poseidon2-layers.js';

const add = (...a: string[]): string => a.reduce((x, y) => `i64x2.add(${x}, ${y})`),
  sub = (...a: string[]): string => a.reduce((x, y) => `i64x2.sub(${x}, ${y})`),
  shr = (a: string, n: number): string => `i64x2.shr_u(${a}, ${n})`,
  shl = (a: string, n: number): string => `i64x2.shl(${a}, ${n})`,
  low = (a: string): string => `v128.and(${a}, LOW)`,
  both = (at: string, offset: number): string => `v128.load64_splat(${at}, ${offset})`,
  lowHalves = (a: string, b: string): string => `i64x2.extmul_low_i32x4_u(${a}, ${b})`,
  highHalves = (a: string, b: string): string => `i64x2.extmul_high_i32x4_u(${a}, ${b})`,
  swap = (a: string): string => `v128.shuffle<i32>(${a}, ${a}, 2, 3, 0, 1)`;
let names = 0;
/**
 * Product of packed a and b, bs being b with its halves exchanged: p + 2^32 n + 2^64 h by their low halves, g the low
 * half of h.
 */
const product = (a: string, b: string, bs: string): { code: string; l: (from: (x: string) => string) => string; h: string } => {
  const i = names++,
    cross = a === b ? `x${i}` : lowHalves(a, bs),
    other = a === b ? `x${i}` : highHalves(a, bs);
  const code = `const p${i} = ${lowHalves(a, b)}${a === b ? `, x${i} = ${lowHalves(a, bs)}` : ''}, m${i} = ${add(other, shr(`p${i}`, 32))}, n${i} = ${add(cross, low(`m${i}`))}, h${i} = ${add(highHalves(a, b), shr(`m${i}`, 32), shr(`n${i}`, 32))}, g${i} = ${low(`h${i}`)};`;
  return { code, l: (from) => sub(from(low(`p${i}`)), `g${i}`, shr(`h${i}`, 32)), h: add(low(`n${i}`), `g${i}`) };
};
/** Packs positive lanes; `four` takes the 2^34 out again that a product's low lane was given. */
const pack = (L: string, H: string, out: string, four = false): string => {
  const i = names++,
    high = add(low(H), `c${i}`, shr(`y${i}`, 32));
  return `const c${i} = ${shr(H, 32)}, y${i} = ${sub(L, `c${i}`)}, z${i} = ${four ? sub(high, 'FOUR') : high}; flags = v128.or(flags, z${i}); ${out} = v128.shuffle<i32>(y${i}, z${i}, 0, 2, 4, 6);`;
};
const mul = (a: string, b: string, bs: string, out: string): string => {
  const { code, l, h } = product(a, b, bs);
  return `${code} const ${out}l = ${l((x) => add(x, 'TWO34'))}, ${out}h = ${h}; ${pack(`${out}l`, `${out}h`, `const ${out}`, true)}`;
};
/** Lanes (l, h) = x^7. */
const sbox = (): string => {
  const { code, l, h } = product('d', 'c', 'cs');
  return `const xs = ${swap('x')}; ${mul('x', 'x', 'xs', 'q')}
      ${mul('q', 'x', 'xs', 'c')}
      const qs = ${swap('q')}, cs = ${swap('c')}; ${mul('q', 'q', 'qs', 'd')}
      ${code} l = ${l((x) => x)}; h = ${h};`;
};
const external = (): string => {
  const o = ['L', 'H'].flatMap((of) => externalSums(of, add, (x) => shl(x, 1)));
  for (const k of S)
    o.push(
      `{ let x: v128; const l = ${add(`Ly${k}`, `Lt${k % 4}`, both('c', 16 * k))}, h = ${add(`Hy${k}`, `Ht${k % 4}`, both('c', 16 * k + 8))}; ${pack('l', 'h', 'x')} v128.store(s, x, ${16 * k}); }`,
    );
  return `{ ${o.join('\n      ')} }`;
};
const update = (k: number): string => {
  const { times, halvings: m, negative } = entry(k),
    L = `L${k}`,
    H = `H${k}`,
    [a, b] = negative ? [sub, add] : [add, sub];
  if (times) {
    const by = (x: string): string => [x, x, add(x, x), add(x, x, x), shl(x, 2)][times];
    return `${L} = ${a('SL', by(L))}; ${H} = ${a('SH', by(H))};`;
  }
  const bits = (x: string): string => shl(`v128.and(${x}, BITS${m})`, 32 - m);
  return `{ const j = ${bits(L)}, i = ${bits(H)}; ${L} = ${a('SL', shr(L, m), 'j', 'i')}; ${H} = ${b(a('SH', shr(H, m)), 'j')}; }`;
};
/**
 * Lanes below 2^62 in magnitude to positive ones below 2^33 plus (cl, ch), whose high lane must give back the 2^31 that
 * the shifts' biases bring.
 */
const reduce = (L: string, H: string, cl: string, ch: string): string =>
  `{ const t = ${shr(add(H, 'TWO62'), 32)}, y = ${add(sub(L, 't'), 'TWO62_30')}; ${H} = ${add(low(H), 't', shr('y', 32), ch)}; ${L} = ${add(low('y'), cl)}; }`;
const WORD = 1n << 64n,
  wrap = (x: bigint): bigint => ((x % WORD) + WORD) % WORD,
  [sumL, sumH] = biased(0n, 10n, 10n);
const constants = {
  LOW: M,
  TWO34: 4n << 32n,
  FOUR: 4n,
  BITS1: 1n,
  BITS2: 3n,
  BITS3: 7n,
  TWO62: 1n << 62n,
  TWO62_30: (1n << 62n) + (1n << 30n),
  SUM_L: sumL,
  SUM_H: wrap(sumH - (1n << 31n)),
};
const afterRounds = others.flat().flatMap((c) => {
  const [l, h] = biased(c, 1n, 1n);
  return [l, wrap(h - (1n << 31n))];
});
/** AssemblyScript source of the kernel. */
export const source = `// Generated by tools/kernels/poseidon2-pair.ts. Two Poseidon2 permutations, one in each 64-bit lane.
import { fcanon } from '../../as/field';
import { poseidon2 } from './poseidon2';
const EXTERNAL: StaticArray<u64> = [${list(layers)}];
const FIRST: StaticArray<u64> = [${list(first.flatMap((c) => [c & M, c >> 32n]))}];
const OTHERS: StaticArray<u64> = [${list(afterRounds)}];
const LANES: StaticArray<u64> = [${list(Object.values(constants))}];

/** In place on the twelve words at a and the twelve at b; accepts any representatives, leaves canonical ones; s: 576 bytes of scratch. */
export function permutePair(a: usize, b: usize, s: usize): void {
  let c = changetype<usize>(EXTERNAL), ci = changetype<usize>(FIRST), cn = changetype<usize>(OTHERS);
  const lanes = changetype<usize>(LANES);
  ${Object.keys(constants)
    .map((n, i) => `const ${n} = ${both('lanes', 8 * i)};`)
    .join(' ')}
  let flags = i64x2.splat(0);
  ${S.map((k) => `let L${k}: v128, H${k}: v128; { const x = v128.load64_lane(b, v128.load64_zero(a, ${8 * k}), 1, ${8 * k}); L${k} = ${low('x')}; H${k} = ${shr('x', 32)}; }`).join('\n  ')}
  for (let round = 0; ; round++) {
    ${external()}
    c += 192;
    if (round == 8) break;
    if (round == 4) {
      let x = v128.load(s);
      ${words.map((k) => `{ const y = v128.load(s, ${16 * k}); L${k} = i64x2.extend_low_i32x4_u(y); H${k} = i64x2.extend_high_i32x4_u(y); }`).join('\n      ')}
      for (let part = 0; part < 2; part++) {
        for (const end = ci + 176; ci < end; ci += 16) {
          let SL = ${add(...words.map((k) => `L${k}`))}, SH = ${add(...words.map((k) => `H${k}`))}, l: v128, h: v128;
          { ${sbox()} }
          SL = ${add('SL', 'l')}; SH = ${add('SH', 'h')};
          ${reduce('SL', 'SH', 'SUM_L', 'SUM_H')}
          { const u = ${add(sub('SL', 'l', 'l'), both('ci', 0))}, v = ${add(sub('SH', 'h', 'h'), both('ci', 8))}; ${pack('u', 'v', 'x')} }
          ${words.map(update).join('\n          ')}
        }
        ${words.map((k) => reduce(`L${k}`, `H${k}`, both('cn', 16 * k), both('cn', 16 * k + 8))).join('\n        ')}
        cn += 192;
      }
      v128.store(s, x);
      ${words.map((k) => `{ let y: v128; ${pack(`L${k}`, `H${k}`, 'y')} v128.store(s, y, ${16 * k}); }`).join('\n      ')}
    }
    for (let from = s, to = s + 192; to < s + 576; to += 32) {
      const x = v128.load(from);
      let l: v128, h: v128;
      ${sbox()}
      v128.store(to, l); v128.store(to, h, 16);
      from += 16;
    }
    ${S.map((k) => `L${k} = v128.load(s, ${192 + 32 * k}); H${k} = v128.load(s, ${208 + 32 * k});`).join(' ')}
  }
  if (v128.any_true(${shr('flags', 32)})) { poseidon2(a); poseidon2(b); return; }
  ${S.map((k) => `{ const x = v128.load(s, ${16 * k}), y = v128.shuffle<i32>(x, x, 0, 2, 1, 3); store<u64>(a, fcanon(i64x2.extract_lane(y, 0)), ${8 * k}); store<u64>(b, fcanon(i64x2.extract_lane(y, 1)), ${8 * k}); }`).join('\n  ')}
}
`;
