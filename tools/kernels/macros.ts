// Statements of the kernels that AssemblyScript has no means for: an inlined function cannot return three words, and
// globals cost a fifth of an extension product. An element of E named x is the locals x0 x1 x2 (canonical). Its
// Karatsuba sums are x01 x02 x12. A product, or a sum of products, is lanes named zl0 zl1 zl2 zh0 zh1 zh2: coefficient
// k is zlk + 2^32 zhk, signed, not reduced (see carry() in as/field.ts). For two elements at a time see
// vector-macros.ts.
//
//   LOAD(x, address)   STORE(address, x)   ZERO(x)    x = element in memory; back; x = 0 (assignable)
//   ADD(z, x, y)  SUB(z, x, y)                        z = x + y, x - y
//   SUMS(x)                                           pair sums, needed by PROD on both operands
//   PROD(z, x, y)                                     lanes z = x y: six products of words, nothing reduced
//   SCALE(z, x, b)                                    lanes z = x b, b one word of any representative
//   VALUE(z, p, q, ...)                               z = sum of the lanes p, q, ... (at most 32 products)
//   LANES(s)  ACC(s, p)  TOTAL(z, s)  RESET(s, x)     running lanes, at most 2^24 products; their value; x as lanes
//   TAKE(s, address)                                  running lanes from memory, low ones first
import { vectorMacros } from './vector-macros.js';

const K = [0, 1, 2],
  PAIRS = ['01', '02', '12'];
type Half = 'l' | 'h';
/** Expressions of the low and the high lane. */
type Lanes = Readonly<Record<Half, string>>;

let names = 0;
/** Lanes of a product of two words. The parts are (p, n, h): p mod 2^32 + 2^32 (n mod 2^32) + 2^64 h. */
const word = (a: string, b: string): { code: string } & Lanes => {
  const i = names++,
    [a0, a1, b0, b1] = [`(${a} & LOW)`, `(${a} >> 32)`, `(${b} & LOW)`, `(${b} >> 32)`];
  const code = `const p$${i} = ${a0} * ${b0}, m$${i} = ${a1} * ${b0} + (p$${i} >> 32), n$${i} = ${a0} * ${b1} + (m$${i} & LOW), h$${i} = ${a1} * ${b1} + (m$${i} >> 32) + (n$${i} >> 32), g$${i} = h$${i} & LOW, l$${i} = <i64>((p$${i} & LOW) - g$${i} - (h$${i} >> 32)), u$${i} = <i64>((n$${i} & LOW) + g$${i});`;
  return { code, l: `l$${i}`, h: `u$${i}` };
};
const sum = (of: Half, k: number, p: readonly string[]): string => p.map((x) => `${x}${of}${k}`).join(' + ');
const HALVES: readonly Half[] = ['l', 'h'];
const macros: Readonly<Record<string, (...args: string[]) => string>> = {
  LOAD: (x, at) => `const ${K.map((k) => `${x}${k} = load<u64>(${at}, ${8 * k})`).join(', ')};`,
  STORE: (at, x) => K.map((k) => `store<u64>(${at}, ${x}${k}, ${8 * k});`).join(' '),
  ZERO: (x) => `let ${K.map((k) => `${x}${k}: u64 = 0`).join(', ')};`,
  ADD: (z, x, y) => `const ${K.map((k) => `${z}${k} = fadd(${x}${k}, ${y}${k})`).join(', ')};`,
  SUB: (z, x, y) => `const ${K.map((k) => `${z}${k} = fsub(${x}${k}, ${y}${k})`).join(', ')};`,
  SUMS: (x) => `const ${PAIRS.map((p) => `${x}${p} = faddLazy(${x}${p[0]}, ${x}${p[1]})`).join(', ')};`,
  PROD: (z, x, y) => {
    const [a, b, c, ab, ac, bc] = [...K, ...PAIRS].map((k) => word(`${x}${k}`, `${y}${k}`)),
      lanes = (of: Half): string =>
        `${z}${of}0 = ${a[of]} + ${bc[of]} - ${b[of]} - ${c[of]}, ${z}${of}1 = ${ab[of]} + ${bc[of]} - ${a[of]} - (${b[of]} << 1), ${z}${of}2 = ${ac[of]} - ${a[of]} + ${b[of]}`;
    return `${[a, b, c, ab, ac, bc].map((w) => w.code).join(' ')} const ${lanes('l')}, ${lanes('h')};`;
  },
  SCALE: (z, x, b) =>
    K.map((k) => {
      const w = word(`${x}${k}`, b);
      return `${w.code} const ${z}l${k} = ${w.l}, ${z}h${k} = ${w.h};`;
    }).join(' '),
  VALUE: (z, ...p) => `const ${K.map((k) => `${z}${k} = carry(${sum('h', k, p)}, ${sum('l', k, p)})`).join(', ')};`,
  LANES: (s) => `let ${HALVES.flatMap((of) => K.map((k) => `${s}${of}${k}: i64 = 0`)).join(', ')};`,
  TAKE: (s, at) => HALVES.flatMap((of, i) => K.map((k) => `${s}${of}${k} = load<i64>(${at}, ${24 * i + 8 * k});`)).join(' '),
  ACC: (s, p) => HALVES.flatMap((of) => K.map((k) => `${s}${of}${k} += ${p}${of}${k};`)).join(' '),
  RESET: (s, x) => K.map((k) => `${s}l${k} = <i64>${x}${k} & <i64>LOW; ${s}h${k} = <i64>(${x}${k} >> 32);`).join(' '),
  ...vectorMacros,
  TOTAL: (z, s) => `const ${K.map((k) => `${z}${k} = carryWide(${s}h${k}, ${s}l${k})`).join(', ')};`,
};
const CALL = new RegExp(`\\b(${Object.keys(macros).join('|')})\\(((?:[^()]|\\([^()]*\\))*)\\);`, 'g');

/** Expands the statements in one source text. */
export function expandMacros(text: string): string {
  return text.replace(CALL, (_, name: string, args: string) => {
    const list: string[] = [];
    let depth = 0,
      from = 0;
    for (let k = 0; k <= args.length; k++) {
      if (args[k] === '(') depth++;
      if (args[k] === ')') depth--;
      if (k === args.length || (args[k] === ',' && depth === 0)) {
        list.push(args.slice(from, k).trim());
        from = k + 1;
      }
    }
    return macros[name](...list);
  });
}
