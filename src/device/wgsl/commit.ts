import { DOMAIN } from '../../hash/poseidon2.js';
import type { Form } from './field.js';
import type { Shader } from './shader.js';

/*
 * The kernels of a commitment: twiddles, Reed-Solomon codewords, running hashes of rows, levels of a tree; and the
 * gathering of single words. Definitions: ../device.ts, kernels/as/ntt.ts, src/hash/spec.md.
 */

/** Logarithm of the longest block that one workgroup transforms in its own memory, which every device has. */
export const LOCAL_LOG = 11;

const each = (n: number, f: (k: number) => string): string => Array.from({ length: n }, (_, k) => f(k)).join('\n    ');

/** n words; of word i = 2^(k - 1) + j the j-th power of a root of order 2^k, where `root` has the order n. */
const twiddles: Shader = {
  operands: ['to'],
  scalars: ['rootLow', 'rootHigh'],
  threads: 64,
  code: ({ to }) => ({
    body: `let k = 32u - countLeadingZeros(unit);
    let half = 1u << (max(k, 1u) - 1u);
    // Word 0 belongs to no stage.
    ${to('unit')} = power(F(p.rootLow, p.rootHigh), (unit - half) * (p.n / (2u * half)) * min(unit, 1u));`,
  }),
};

/** n = words x 2^log: the words of a leaf in columns of 2^log, zero from the height on. */
const place: Shader = {
  operands: ['to', 'source'],
  scalars: ['log', 'height', 'group', 'first', 'signed'],
  threads: 64,
  code: ({ to, source }) => ({
    body: `let j = unit & ((1u << p.log) - 1u);
    let w = p.first + (unit >> p.log);
    var x = F(0u, 0u);
    if (j < p.height) {
      x = ${source('((w / p.group) * p.height + j) * p.group + w % p.group')};
      if (p.signed != 0u) { x = residue(x); }
    }
    ${to('unit')} = x;`,
  }),
};

/** Three stages of the transform in place, on blocks of 2^log words; n = an eighth of all words. */
const stages: Shader = {
  operands: ['to', 'twiddles'],
  scalars: ['log'],
  threads: 64,
  code: ({ to, twiddles: w }, form) => {
    const butterfly = (a: string, b: string, twiddle: string): string => `{
      let u = x[${a}];
      let v = x[${b}];
      x[${a}] = add(u, v);
      x[${b}] = mul(sub(u, v), ${w(twiddle)});
    }`;
    const unrolled = [4, 2, 1].flatMap((half) =>
      Array.from({ length: 4 }, (_, i) => {
        const k = i % half,
          a = 2 * half * Math.floor(i / half) + k;
        return butterfly(`${a}u`, `${a + half}u`, `${half + k}u * q + j`);
      }),
    );
    return {
      body: `let q = 1u << (p.log - 3u);
    let j = unit & (q - 1u);
    let base = ((unit >> (p.log - 3u)) << p.log) + j;
    var x: array<F, 8>;
    ${form === 'compact' ? `for (var k = 0u; k < 8u; k++) { x[k] = ${to('base + k * q')}; }` : each(8, (k) => `x[${k}] = ${to(`base + ${k}u * q`)};`)}
    ${
      form === 'compact'
        ? `for (var half = 4u; half >= 1u; half >>= 1u) {
      for (var i = 0u; i < 4u; i++) {
        let k = i % half;
        let a = 2u * half * (i / half) + k;
        ${butterfly('a', 'a + half', '(half + k) * q + j')}
      }
    }`
        : unrolled.join('\n    ')
    }
    ${form === 'compact' ? `for (var k = 0u; k < 8u; k++) { ${to('base + k * q')} = x[k]; }` : each(8, (k) => `${to(`base + ${k}u * q`)} = x[${k}];`)}`,
    };
  },
};

/** All stages of n blocks of 2^log words, log at most LOCAL_LOG, each in the memory of a workgroup. */
const blocks: Shader = {
  operands: ['to', 'twiddles'],
  scalars: ['log'],
  threads: 256,
  together: true,
  code: ({ to, twiddles: w }) => ({
    before: `var<workgroup> s: array<F, ${2 ** LOCAL_LOG}>;`,
    body: `let size = 1u << p.log;
    let base = unit << p.log;
    for (var i = lane; i < size; i += 256u) { s[i] = ${to('base + i')}; }
    workgroupBarrier();
    for (var half = size >> 1u; half >= 1u; half >>= 1u) {
      for (var i = lane; i < (size >> 1u); i += 256u) {
        let j = i & (half - 1u);
        let a = 2u * (i - j) + j;
        let u = s[a];
        let v = s[a + half];
        s[a] = add(u, v);
        s[a + half] = mul(sub(u, v), ${w('half + j')});
      }
      workgroupBarrier();
    }
    for (var i = lane; i < size; i += 256u) { ${to('base + i')} = s[i]; }`,
  }),
};

/** Lines for k from 0 on: a loop whose variable is k, or straight code. */
const forEach = (form: Form, n: number, f: (k: string) => string): string =>
  form === 'compact' ? `for (var k = 0u; k < ${n}u; k++) { ${f('k')} }` : each(n, (k) => f(`${k}u`));

/** Absorbs up to eight words of n rows into states of twelve words, state word k of row j at k n + j. */
const absorb: Shader = {
  operands: ['states', 'columns'],
  scalars: ['count', 'first', 'words'],
  threads: 64,
  uses: 'poseidon2',
  code: ({ states, columns }, form) => ({
    body: `var s: array<F, 12>;
    if (p.first != 0u) {
      s[8] = F(${DOMAIN.leaf}u, 0u);
      s[9] = F(p.words, 0u);
    } else {
      ${forEach(form, 12, (k) => `s[${k}] = ${states(`${k} * p.n + unit`)};`)}
    }
    ${forEach(form, 8, (k) => `if (${k} < p.count) { s[${k}] = ${columns(`${k} * p.n + unit`)}; }`)}
    permute(&s);
    ${forEach(form, 12, (k) => `${states(`${k} * p.n + unit`)} = s[${k}];`)}`,
  }),
};

/** Digests of n rows: the first four words of their states. */
const digests: Shader = {
  operands: ['to', 'states'],
  scalars: [],
  threads: 64,
  code: ({ to, states }) => ({
    body: `for (var k = 0u; k < 4u; k++) { ${to('4u * unit + k')} = ${states('k * p.n + unit')}; }`,
  }),
};

/** n nodes of a tree from the 2 n below them. */
const level: Shader = {
  operands: ['to', 'from'],
  scalars: [],
  threads: 64,
  uses: 'poseidon2',
  code: ({ to, from }, form) => ({
    body: `var s: array<F, 12>;
    ${forEach(form, 8, (k) => `s[${k}] = ${from(`8u * unit + ${k}`)};`)}
    s[8] = F(${DOMAIN.node}u, 0u);
    permute(&s);
    ${forEach(form, 4, (k) => `${to(`4u * unit + ${k}`)} = s[${k}];`)}`,
  }),
};

/** Words of vectors at the places that each item names. */
const pick: Shader = {
  operands: ['to', 'from'],
  scalars: [],
  items: [],
  threads: 64,
  code: ({ to, from }) => ({ body: `${to('own')} = ${from('table[it_more + own]')};` }),
};

export const commitShaders = { twiddles, place, stages, blocks, absorb, digests, level, pick } as const;
