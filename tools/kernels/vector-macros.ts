// The statements of macros.ts for two elements at a time, one in each 64-bit lane of vectors. An element named x is the
// vectors x0 x1 x2 (canonical words). VSUMS gives its Karatsuba sums x01 x02 x12, and all six packed as xp0 .. xp12:
// the low halves of both words, then their high halves. VSWAP gives xs0 .. xs12, the same with halves exchanged. A
// product is vectors of lanes zl0 .. zh2, the numbers of PROD.
//
//   VLOAD(x, address, step)   VSTORE(address, step, x)   elements at an address and `step` bytes behind it; back
//   VTAKE(x, address)   VKEEP(address, x)                the same of 48 bytes, vector by vector
//   VSPLAT(x, address)                                   the same element twice
//   VADD(z, x, y)  VSUB(z, x, y)                         z = x + y, x - y
//   VSUMS(x)   VSWAP(x)                                  needed by VPROD on both operands; after VSUMS, on the second
//   VPROD(z, x, y)                                       lanes z = x y
//   VPACK(x)   VWORD(b)                                  for VSCALE: packs an element; packs words b (bp and bs)
//   VSCALE(z, x, b)                                      lanes z = x b, one word for each element
//   VVALUE(z, p, q, ...)                                 z = sum of the lanes p, q, ... (at most 32 products)
//   VHOLD(address, p)   VHELD(p, address)                lanes to 96 bytes of memory and back: what comes between is
//                                                        computed after them, where V8 would interleave and spill
//   VLANES(s)  VACC(s, p)  VHALVES(a, s)                 running lanes; both of their halves added to those of LANES(a)
const K = ['0', '1', '2'],
  PAIRS = ['01', '02', '12'],
  SIX = [...K, ...PAIRS],
  HALVES = ['l', 'h'] as const;
type Half = (typeof HALVES)[number];
type Lanes = Readonly<Record<Half, string>>;

const add = (...a: string[]): string => a.reduce((x, y) => `i64x2.add(${x}, ${y})`),
  sub = (...a: string[]): string => a.reduce((x, y) => `i64x2.sub(${x}, ${y})`),
  shr = (a: string): string => `i64x2.shr_u(${a}, 32)`,
  low = (a: string): string => `v128.and(${a}, i64x2.splat(0xffffffff))`,
  lowHalves = (a: string, b: string): string => `i64x2.extmul_low_i32x4_u(${a}, ${b})`,
  highHalves = (a: string, b: string): string => `i64x2.extmul_high_i32x4_u(${a}, ${b})`,
  packed = (x: string): string => `v128.shuffle<i32>(${x}, ${x}, 0, 2, 1, 3)`,
  swapped = (x: string): string => `v128.shuffle<i32>(${x}, ${x}, 1, 3, 0, 2)`,
  all = (names: readonly string[], f: (k: string) => string): string => names.map((k) => `const ${f(k)};`).join(' '),
  lanes = (f: (of: Half, k: string) => string): string => HALVES.flatMap((of) => K.map((k) => f(of, k))).join(' ');

let names = 0;
/** Lanes of two products of words, packed a and b, bs being b with its halves exchanged. */
const word = (a: string, b: string, bs: string): { code: string } & Lanes => {
  const i = names++,
    [p, m, n, h, g, l, u] = ['p', 'm', 'n', 'h', 'g', 'l', 'u'].map((x) => `${x}v$${i}`);
  const code = [
    `${p} = ${lowHalves(a, b)}`,
    `${m} = ${add(highHalves(a, bs), shr(p))}`,
    `${n} = ${add(lowHalves(a, bs), low(m))}`,
    `${h} = ${add(highHalves(a, b), shr(m), shr(n))}`,
    `${g} = ${low(h)}`,
    `${l} = ${sub(low(p), g, shr(h))}`,
    `${u} = ${add(low(n), g)}`,
  ];
  return { code: `const ${code.join(', ')};`, l, h: u };
};

export const vectorMacros: Readonly<Record<string, (...args: string[]) => string>> = {
  VLOAD: (x, at, step) =>
    all(K, (k) => `${x}${k} = v128.load64_lane(${at} + ${step}, v128.load64_zero(${at}, ${8 * Number(k)}), 1, ${8 * Number(k)})`),
  VTAKE: (x, at) => all(K, (k) => `${x}${k} = v128.load(${at}, ${16 * Number(k)})`),
  VKEEP: (at, x) => K.map((k) => `v128.store(${at}, ${x}${k}, ${16 * Number(k)});`).join(' '),
  VSPLAT: (x, at) => all(K, (k) => `${x}${k} = v128.load64_splat(${at}, ${8 * Number(k)})`),
  VSTORE: (at, step, x) =>
    K.map(
      (k) => `v128.store64_lane(${at}, ${x}${k}, 0, ${8 * Number(k)}); v128.store64_lane(${at} + ${step}, ${x}${k}, 1, ${8 * Number(k)});`,
    ).join(' '),
  VADD: (z, x, y) => all(K, (k) => `${z}${k} = vadd(${x}${k}, ${y}${k})`),
  VSUB: (z, x, y) => all(K, (k) => `${z}${k} = vsub(${x}${k}, ${y}${k})`),
  VSUMS: (x) =>
    `${all(PAIRS, ([a, b]) => `${x}${a}${b} = vaddLazy(${x}${a}, ${x}${b})`)} ${all(SIX, (k) => `${x}p${k} = ${packed(x + k)}`)}`,
  VSWAP: (x) => all(SIX, (k) => `${x}s${k} = ${swapped(x + k)}`),
  VPACK: (x) => all(K, (k) => `${x}p${k} = ${packed(x + k)}`),
  VWORD: (b) => `const ${b}p = ${packed(b)}, ${b}s = ${swapped(b)};`,
  VPROD: (z, x, y) => {
    const words = SIX.map((k) => word(`${x}p${k}`, `${y}p${k}`, `${y}s${k}`)),
      [a, b, c, ab, ac, bc] = words;
    return `${words.map((w) => w.code).join(' ')} ${HALVES.map(
      (of) =>
        `const ${z}${of}0 = ${sub(add(a[of], bc[of]), b[of], c[of])}, ${z}${of}1 = ${sub(add(ab[of], bc[of]), a[of], add(b[of], b[of]))}, ${z}${of}2 = ${add(sub(ac[of], a[of]), b[of])};`,
    ).join(' ')}`;
  },
  VSCALE: (z, x, b) =>
    K.map((k) => {
      const w = word(`${x}p${k}`, `${b}p`, `${b}s`);
      return `${w.code} const ${z}l${k} = ${w.l}, ${z}h${k} = ${w.h};`;
    }).join(' '),
  VVALUE: (z, ...p) => all(K, (k) => `${z}${k} = vcarry(${add(...p.map((x) => `${x}h${k}`))}, ${add(...p.map((x) => `${x}l${k}`))})`),
  VHOLD: (at, p) => HALVES.flatMap((of, i) => K.map((k) => `v128.store(${at}, ${p}${of}${k}, ${48 * i + 16 * Number(k)});`)).join(' '),
  VHELD: (p, at) =>
    HALVES.flatMap((of, i) => K.map((k) => `const ${p}${of}${k} = v128.load(${at}, ${48 * i + 16 * Number(k)});`)).join(' '),
  VLANES: (s) => lanes((of, k) => `let ${s}${of}${k} = i64x2.splat(0);`),
  VACC: (s, p) => lanes((of, k) => `${s}${of}${k} = ${add(`${s}${of}${k}`, `${p}${of}${k}`)};`),
  VHALVES: (a, s) => lanes((of, k) => `${a}${of}${k} += i64x2.extract_lane(${s}${of}${k}, 0) + i64x2.extract_lane(${s}${of}${k}, 1);`),
};
