import type { Form } from './field.js';
import { NOTHING, ONE, POWER, element, keep, lanes, names, scalar, store, sumLanes } from './elements.js';
import type { At, Shader } from './shader.js';

/*
 * The kernels of an opening: vectors of E, three words an element, and of signed words. Definitions: ../opening.ts,
 * kernels/as/whir.ts, halves.ts, claims.ts, gkr.ts.
 */

/** Entry i of a vector of elements, or of signed words where p.base is set. */
const entry = (at: At, i: string, to: string): string =>
  `if (p.base != 0u) { ${to} = E(residue(${at(i)}), F(0u, 0u), F(0u, 0u)); } else { ${to} = ${element(at, i)}; }`;

const zero: Shader = {
  operands: ['to'],
  scalars: [],
  threads: 64,
  code: ({ to }) => ({ body: `${to('unit')} = F(0u, 0u);` }),
};

const copy: Shader = {
  operands: ['to', 'from'],
  scalars: [],
  threads: 64,
  code: ({ to, from }) => ({ body: `${to('unit')} = ${from('unit')};` }),
};

/** n elements of the halves of `entries`. */
const fold: Shader = {
  operands: ['to', 'from'],
  scalars: ['base', 'half', 'entries', ...names('r')],
  threads: 64,
  uses: 'extension',
  code: ({ to, from }) => ({
    body: `var x: E;
    var y = ${NOTHING};
    ${entry(from, 'unit', 'x')}
    if (unit + p.half < p.entries) { ${entry(from, 'unit + p.half', 'y')} }
    ${store(to, 'unit', `addE(x, mulE(subE(y, x), ${scalar('r')}))`)}`,
  }),
};

/** n workgroups over `count` entries of a low half. */
const productSums: Shader = {
  operands: ['to', 'f', 'w'],
  scalars: ['count', 'base', 'half', 'entries'],
  threads: 256,
  together: true,
  uses: 'extension',
  code: ({ to, f, w }, form: Form) => ({
    before: lanes(6),
    body: `var low = ${NOTHING};
    var high = ${NOTHING};
    for (var i = 256u * unit + lane; i < p.count; i += 256u * p.n) {
      var x: E;
      var y = ${NOTHING};
      ${entry(f, 'i', 'x')}
      var u = ${element(w, 'i')};
      var v = ${NOTHING};
      if (i + p.half < p.entries) {
        ${entry(f, 'i + p.half', 'y')}
        v = ${element(w, 'i + p.half')};
      }
      ${
        form === 'compact'
          ? `for (var k = 0u; k < 2u; k++) {
        let z = mulE(x, u);
        if (k == 0u) { low = addE(low, z); } else { high = addE(high, z); }
        x = subE(y, x);
        u = subE(v, u);
      }`
          : `low = addE(low, mulE(x, u));
      high = addE(high, mulE(subE(y, x), subE(v, u)));`
      }
    }
    ${keep(0, 'low', 6)}
    ${keep(3, 'high', 6)}
    ${sumLanes(6, to, form)}`,
  }),
};

/** Of `count` records of `width` words their sum: word `unit` of it. */
const total: Shader = {
  operands: ['to', 'from'],
  scalars: ['count', 'width'],
  threads: 256,
  together: true,
  code: ({ to, from }, form) => ({
    before: lanes(1),
    body: `var sum = F(0u, 0u);
    for (var i = lane; i < p.count; i += 256u) { sum = add(sum, ${from('i * p.width + unit')}); }
    s[lane] = sum;
    ${sumLanes(1, to, form)}`,
  }),
};

/** n workgroups over `count` elements: every thread has a run of them. */
const horner: Shader = {
  operands: ['to', 'from'],
  scalars: ['count', ...names('z')],
  threads: 256,
  together: true,
  uses: 'extension',
  code: ({ to, from }, form) => ({
    before: `${lanes(3)}\n${POWER}`,
    body: `let run = (p.count + 256u * p.n - 1u) / (256u * p.n);
    let first = min((256u * unit + lane) * run, p.count);
    let z = ${scalar('z')};
    var sum = ${NOTHING};
    for (var i = min(first + run, p.count); i > first; i--) { sum = addE(mulE(sum, z), ${element(from, 'i - 1u')}); }
    sum = mulE(sum, powerE(z, first));
    ${keep(0, 'sum', 3)}
    ${sumLanes(3, to, form)}`,
  }),
};

/** Powers that one thread makes in turn. */
export const RUN = 16;

/** `count` elements, RUN of them a thread. */
const addPowers: Shader = {
  operands: ['to'],
  scalars: ['count', ...names('z'), ...names('g')],
  threads: 64,
  uses: 'extension',
  code: ({ to }) => ({
    before: POWER,
    body: `let z = ${scalar('z')};
    var g = mulE(${scalar('g')}, powerE(z, ${RUN}u * unit));
    for (var i = ${RUN}u * unit; i < min(${RUN}u * (unit + 1u), p.count); i++) {
      ${store(to, 'i', `addE(${element(to, 'i')}, g)`)}
      g = mulE(g, z);
    }`,
  }),
};

const addScaled: Shader = {
  operands: ['to', 'from'],
  scalars: names('by'),
  threads: 64,
  uses: 'extension',
  code: ({ to, from }) => ({
    body: store(to, 'unit', `addE(${element(to, 'unit')}, mulE(${element(from, 'unit')}, ${scalar('by')}))`),
  }),
};

/**
 * Claims have four words: the logarithm of their point, the coefficient. The second half of the twiddles are powers of
 * the domain's root g below its half, and g^(half) = -1.
 */
const addClaims: Shader = {
  operands: ['to', 'twiddles', 'claims'],
  scalars: ['claims_n', 'log'],
  threads: 64,
  uses: 'extension',
  code: ({ to, twiddles, claims }) => ({
    body: `let half = (1u << p.log) >> 1u;
    var sum = ${element(to, 'unit')};
    for (var q = 0u; q < p.claims_n; q++) {
      let e = (${claims('4u * q')}.x * unit) & ((1u << p.log) - 1u);
      var x = ${twiddles('half + (e & (max(half, 1u) - 1u))')};
      if (e >= max(half, 1u)) { x = negated(x); }
      let c = E(${[1, 2, 3].map((k) => claims(`4u * q + ${k}u`)).join(', ')});
      sum = addE(sum, scaleE(c, x));
    }
    ${store(to, 'unit', 'sum')}`,
  }),
};

const eqTable: Shader = {
  operands: ['to', 'point'],
  scalars: ['variables'],
  threads: 64,
  uses: 'extension',
  code: ({ to, point }) => ({
    body: `var x = ${ONE};
    for (var t = 0u; t < p.variables; t++) {
      let upper = mulE(x, ${element(point, 't')});
      if (((unit >> (p.variables - 1u - t)) & 1u) != 0u) { x = upper; } else { x = subE(x, upper); }
    }
    ${store(to, 'unit', 'x')}`,
  }),
};

const spread: Shader = {
  operands: ['to', 'from'],
  scalars: ['stride', 'offset'],
  threads: 64,
  uses: 'extension',
  code: ({ to, from }) => ({ body: store(to, 'p.stride * unit + p.offset', element(from, 'unit')) }),
};

/** One thread a cell: it finds its block by the first threads of blocks, and adds its items (../gpu-opening.ts). */
const addProducts: Shader = {
  operands: ['to', 'tables', 'list'],
  scalars: ['blocks'],
  threads: 64,
  uses: 'extension',
  code: ({ to, tables, list }) => ({
    body: `var lo = 0u;
    var hi = p.blocks;
    while (hi - lo > 1u) {
      let mid = (lo + hi) / 2u;
      if (${list('2u * mid')}.x <= unit) { lo = mid; } else { hi = mid; }
    }
    let head = ${list('2u * lo')};
    let items = ${list('2u * lo + 1u')};
    let cell = unit - head.x;
    var sum = ${element(to, 'head.y + cell')};
    var q = items.x;
    for (var i = 0u; i < items.y; i++) {
      var x = E(${[0, 1, 2].map((k) => list(`q + ${k}u`)).join(', ')});
      let axes = ${list('q + 3u')}.x;
      q += 4u;
      var rest = cell;
      var there = true;
      for (var a = 0u; a < axes; a++) {
        let axis = ${list('q')};
        q++;
        let log = axis.x & 31u;
        let k = rest & ((1u << log) - 1u);
        rest >>= log;
        if ((axis.x >> 31u) != 0u) { there = there && k == axis.y; } else { x = mulE(x, ${element(tables, 'axis.y + k')}); }
      }
      if (there) { sum = addE(sum, x); }
    }
    ${store(to, 'head.y + cell', 'sum')}`,
  }),
};

export const openingShaders = {
  zero,
  copy,
  fold,
  productSums,
  total,
  horner,
  addPowers,
  addScaled,
  addClaims,
  eqTable,
  spread,
  addProducts,
} as const;
