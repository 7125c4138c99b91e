import { NOTHING, ONE, element, keep, lanes, names, scalar, store, sumLanes } from './elements.js';
import type { At, Shader } from './shader.js';

/*
 * The kernels of LogUp-GKR, each over work items of different shapes. Definitions: ../lookup.ts, kernels/as/gkr.ts.
 */

/** Entry i of a table of eq at a point that the item names. */
const eqTables: Shader = {
  operands: ['to'],
  scalars: [],
  items: ['variables'],
  threads: 64,
  uses: 'extension',
  code: ({ to }) => ({
    body: `var x = ${ONE};
    for (var t = 0u; t < it_variables; t++) {
      let upper = mulE(x, tableE(it_more + 6u * t));
      if (((own >> (it_variables - 1u - t)) & 1u) != 0u) { x = upper; } else { x = subE(x, upper); }
    }
    ${store(to, 'own', 'x')}`,
  }),
};

/**
 * An item names its axes, the last one first, by first element and length; then the elements that begin the product.
 */
const rowWeights: Shader = {
  operands: ['to', 'tables'],
  scalars: [],
  items: ['axes'],
  threads: 64,
  uses: 'extension',
  code: ({ to, tables }) => ({
    body: `var x = ${ONE};
    var rest = own;
    var q = it_more;
    for (var a = 0u; a < it_axes; a++) {
      let n = table[q + 1u];
      x = mulE(x, ${element(tables, 'table[q] + rest % n')});
      rest = rest / n;
      q += 2u;
    }
    x = mulE(x, tableE(q + 6u * rest));
    ${store(to, 'own', 'x')}`,
  }),
};

const copies: Shader = {
  operands: ['to', 'from'],
  scalars: [],
  items: [],
  threads: 64,
  code: ({ to, from }) => ({ body: `${to('own')} = ${from('own')};` }),
};

/** Leaf number i of an item, to a variable: its key, taken from g or looked up. */
const leaf = (keys: At, rows: At, i: string, to: string): string => `{
      let at = it_first + ${i};
      let both = ${keys('at >> 1u')};
      let key = select(both.x, both.y, (at & 1u) != 0u);
      if (it_ranged != 0u) {
        ${to} = tableE(it_more);
        ${to}.a = sub(${to}.a, F(key, 0u));
      } else { ${to} = ${element(rows, 'key')}; }
    }`;

const leaves: Shader = {
  operands: ['to', 'keys', 'rows'],
  scalars: [],
  items: ['first', 'ranged'],
  threads: 64,
  uses: 'extension',
  code: ({ to, keys, rows }) => ({
    body: `var x: E;
    ${leaf(keys, rows, 'own', 'x')}
    ${store(to, 'own', 'x')}`,
  }),
};

const leafSums: Shader = {
  operands: ['n', 'd', 'keys', 'rows'],
  scalars: [],
  items: ['first', 'ranged'],
  threads: 64,
  uses: 'extension',
  code: ({ n, d, keys, rows }) => ({
    body: `var x: E;
    var y: E;
    ${leaf(keys, rows, '2u * own', 'x')}
    ${leaf(keys, rows, '2u * own + 1u', 'y')}
    ${store(n, 'own', 'addE(x, y)')}
    ${store(d, 'own', 'mulE(x, y)')}`,
  }),
};

const leafPairs: Shader = {
  operands: ['even', 'odd', 'keys', 'rows'],
  scalars: names('lambda'),
  items: ['first', 'ranged'],
  threads: 64,
  uses: 'extension',
  code: ({ even, odd, keys, rows }) => ({
    body: `for (var k = 0u; k < 2u; k++) {
      var x: E;
      ${leaf(keys, rows, '2u * own + k', 'x')}
      x = mulE(x, ${scalar('lambda')});
      x.a = add(x.a, F(1u, 0u));
      if (k == 0u) { ${store(even, 'own', 'x')} } else { ${store(odd, 'own', 'x')} }
    }`,
  }),
};

/** Cell `own` of packed rows of `half` cells: the pair of columns that it comes from begins at `at`. */
const PAIR = `let half = (it_len + 1u) / 2u;
    let c = own % half;
    let at = (own / half) * it_len + 2u * c;
    let both = 2u * c + 1u < it_len;`;

const pairSums: Shader = {
  operands: ['n', 'd', 'num', 'den'],
  scalars: [],
  items: ['len', 'numerators'],
  threads: 64,
  uses: 'extension',
  code: ({ n, d, num, den }) => ({
    body: `${PAIR}
    var u = ${ONE};
    var x = ${element(den, 'at')};
    if (it_numerators != 0u) { u = ${element(num, 'at')}; }
    if (both) {
      var v = ${ONE};
      let y = ${element(den, 'at + 1u')};
      if (it_numerators != 0u) { v = ${element(num, 'at + 1u')}; }
      u = addE(mulE(u, y), mulE(v, x));
      x = mulE(x, y);
    }
    ${store(n, 'own', 'u')}
    ${store(d, 'own', 'x')}`,
  }),
};

const splitPairs: Shader = {
  operands: ['n0', 'n1', 'd0', 'd1', 'num', 'den'],
  scalars: [],
  items: ['len', 'numerators'],
  threads: 64,
  uses: 'extension',
  code: ({ n0, n1, d0, d1, num, den }) => ({
    body: `${PAIR}
    var u = ${ONE};
    var v = ${NOTHING};
    var y = ${ONE};
    if (it_numerators != 0u) { u = ${element(num, 'at')}; }
    if (both) {
      v = ${ONE};
      if (it_numerators != 0u) { v = ${element(num, 'at + 1u')}; }
      y = ${element(den, 'at + 1u')};
    }
    ${store(d0, 'own', element(den, 'at'))}
    ${store(n0, 'own', 'u')}
    ${store(n1, 'own', 'v')}
    ${store(d1, 'own', 'y')}`,
  }),
};

/** Pairs of a workgroup, in turns of its threads: where their cells begin, and their weight w. */
const EACH_PAIR = (columns: At, rows: At): string => `for (var i = 256u * own + lane; i < it_count; i += 256u * it_groups) {
      let row = i / half;
      let c = i % half;
      let at = row * it_rs + 2u * c * it_cs;
      let up = at + it_cs;
      let both = 2u * c + 1u < it_len;
      let w = mulE(${element(columns, 'c')}, ${element(rows, 'row')});`;

/** An item has `groups` workgroups for its `count` pairs; each leaves two elements. */
const pairRound: Shader = {
  operands: ['to', 'n0', 'n1', 'd0', 'd1', 'columns', 'rows'],
  scalars: names('lambda'),
  items: ['count', 'groups', 'len', 'cs', 'rs'],
  threads: 256,
  together: true,
  uses: 'extension',
  code: ({ to, n0, n1, d0, d1, columns, rows }, form) => ({
    before: lanes(6),
    body: `let half = (it_len + 1u) / 2u;
    let lambda = ${scalar('lambda')};
    var low = ${NOTHING};
    var high = ${NOTHING};
    ${EACH_PAIR(columns, rows)}
      var n = ${element(n0, 'at')};
      var m = ${element(n1, 'at')};
      var d = ${element(d0, 'at')};
      var e = ${element(d1, 'at')};
      for (var k = 0u; k < 2u; k++) {
        var f = addE(mulE(d, addE(m, mulE(lambda, e))), mulE(n, e));
        if (k == 0u) {
          low = addE(low, mulE(w, subE(f, lambda)));
          var un = ${NOTHING};
          var um = ${NOTHING};
          var ud = ${ONE};
          var ue = ${ONE};
          if (both) {
            un = ${element(n0, 'up')};
            um = ${element(n1, 'up')};
            ud = ${element(d0, 'up')};
            ue = ${element(d1, 'up')};
          }
          n = subE(un, n);
          m = subE(um, m);
          d = subE(ud, d);
          e = subE(ue, e);
        } else { high = addE(high, mulE(w, f)); }
      }
    }
    ${keep(0, 'low', 6)}
    ${keep(3, 'high', 6)}
    ${sumLanes(6, to, form, 'own')}`,
  }),
};

const productRound: Shader = {
  operands: ['to', 'd0', 'd1', 'columns', 'rows'],
  scalars: names('lambda'),
  items: ['count', 'groups', 'len', 'cs', 'rs'],
  threads: 256,
  together: true,
  uses: 'extension',
  code: ({ to, d0, d1, columns, rows }, form) => ({
    before: lanes(6),
    body: `let half = (it_len + 1u) / 2u;
    var low = ${NOTHING};
    var high = ${NOTHING};
    ${EACH_PAIR(columns, rows)}
      var d = ${element(d0, 'at')};
      var e = ${element(d1, 'at')};
      for (var k = 0u; k < 2u; k++) {
        let f = mulE(w, mulE(d, e));
        if (k == 0u) {
          low = addE(low, f);
          var ud = ${scalar('lambda')};
          var ue = ud;
          if (both) {
            ud = ${element(d0, 'up')};
            ue = ${element(d1, 'up')};
          }
          d = subE(ud, d);
          e = subE(ue, e);
        } else { high = addE(high, f); }
      }
    }
    ${keep(0, 'low', 6)}
    ${keep(3, 'high', 6)}
    ${sumLanes(6, to, form, 'own')}`,
  }),
};

/** One array to packed rows; an item names r and what a missing upper cell holds. */
const foldPairs: Shader = {
  operands: ['to', 'from'],
  scalars: [],
  items: ['len', 'cs', 'rs'],
  threads: 64,
  uses: 'extension',
  code: ({ to, from }) => ({
    body: `let half = (it_len + 1u) / 2u;
    let c = own % half;
    let at = (own / half) * it_rs + 2u * c * it_cs;
    let x = ${element(from, 'at')};
    var y = tableE(it_more + 6u);
    if (2u * c + 1u < it_len) { y = ${element(from, 'at + it_cs')}; }
    ${store(to, 'own', 'addE(x, mulE(subE(y, x), tableE(it_more)))')}`,
  }),
};

/** A column of rows of a table, the first of them from g and the key that it names. */
const tableRows: Shader = {
  operands: ['to', 'column'],
  scalars: [],
  items: ['begins', 'columns'],
  threads: 64,
  uses: 'extension',
  code: ({ to, column }) => ({
    body: `var x: E;
    if (it_begins != 0u) {
      x = tableE(it_more);
      x.a = sub(sub(x.a, F(table[it_more + 12u], table[it_more + 13u])), F(own, 0u));
    } else { x = ${element(to, 'own')}; }
    if (it_columns != 0u) { x = subE(x, scaleE(tableE(it_more + 6u), residue(${column('own')}))); }
    ${store(to, 'own', 'x')}`,
  }),
};

const negatives: Shader = {
  operands: ['to', 'counts'],
  scalars: [],
  items: ['first'],
  threads: 64,
  uses: 'extension',
  code: ({ to, counts }) => ({
    body: `let at = it_first + own;
    let both = ${counts('at >> 1u')};
    ${store(to, 'own', 'E(negated(F(select(both.x, both.y, (at & 1u) != 0u), 0u)), F(0u, 0u), F(0u, 0u))')}`,
  }),
};

export const lookupShaders = {
  eqTables,
  rowWeights,
  copies,
  leaves,
  leafSums,
  leafPairs,
  pairSums,
  splitPairs,
  pairRound,
  productRound,
  foldPairs,
  tableRows,
  negatives,
} as const;
