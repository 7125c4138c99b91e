import { NOTHING, ONE, element, keep, lanes, store, sumLanes } from './elements.js';
import type { Shader } from './shader.js';

/*
 * The kernels of the batched sumcheck, each over work items of different shapes. Definitions: ../sumcheck.ts,
 * kernels/as/sumcheck.ts.
 */

/** Adds to the cell `a` where the row `rest` begins: sizes of `dims` axes lie at `sizes`, their distances at `by`. */
const rowStart = (dims: string, sizes: string, by: string): string => `for (var d = ${dims}; d > 0u; d--) {
        let size = table[${sizes} + d - 1u];
        a += (rest % size) * table[${by} + d - 1u];
        rest = rest / size;
      }`;

/**
 * An item has `groups` workgroups for its `count` pairs of cells and every X, which runs fastest; each leaves an
 * element. It names the sizes of outer axes, then of each factor its slab, its first word, whether it is a base, and
 * its distances.
 */
const terms: Shader = {
  operands: ['to'],
  scalars: [],
  items: ['count', 'groups', 'len', 'dims', 'inner', 'held', 'one'],
  gathers: true,
  threads: 256,
  together: true,
  uses: 'extension',
  code: ({ to }, form) => ({
    before: lanes(3),
    body: `let half = (it_len + 1u) / 2u;
    let X = own % (it_inner + 1u);
    let wanted = X != 1u || it_one != 0u;
    var sum = ${NOTHING};
    for (var i = 256u * (own / (it_inner + 1u)) + lane; i < it_count && wanted; i += 256u * it_groups) {
        let c = i % half;
        var z = ${ONE};
        for (var f = 0u; f < it_inner + it_held; f++) {
          let q = it_more + it_dims + (4u + it_dims) * f;
          let slab = table[q];
          let along = table[q + 3u];
          let base = table[q + 2u] != 0u;
          var a = 2u * c * along;
          var rest = i / half;
          ${rowStart('it_dims', 'it_more', 'q + 4u')}
          let moves = f < it_inner;
          let there = moves && 2u * c + 1u < it_len;
          if (base) {
            var x = residue(any(slab, table[q + 1u] + a));
            var y = F(0u, 0u);
            if (there) { y = residue(any(slab, table[q + 1u] + a + along)); }
            if (moves) { x = add(x, mul(F(X, 0u), sub(y, x))); }
            z = scaleE(z, x);
          } else {
            let p0 = table[q + 1u] + 3u * a;
            var x = E(any(slab, p0), any(slab, p0 + 1u), any(slab, p0 + 2u));
            if (moves) {
              let p1 = p0 + 3u * along;
              var y = ${NOTHING};
              if (there) { y = E(any(slab, p1), any(slab, p1 + 1u), any(slab, p1 + 2u)); }
              x = addE(x, scaleE(subE(y, x), F(X, 0u)));
            }
            z = mulE(z, x);
          }
        }
        sum = addE(sum, z);
    }
    ${keep(0, 'sum', 3)}
    ${sumLanes(3, to, form, 'own')}`,
  }),
};

/** Of `count` records of an item its sum: a workgroup for every word of `width`. */
const totals: Shader = {
  operands: ['to', 'from'],
  scalars: [],
  items: ['count', 'width'],
  threads: 256,
  together: true,
  code: ({ to, from }, form) => ({
    before: lanes(1),
    body: `var sum = F(0u, 0u);
    for (var i = lane; i < it_count; i += 256u) { sum = add(sum, ${from('i * it_width + own')}); }
    s[lane] = sum;
    ${sumLanes(1, to, form, 'own')}`,
  }),
};

/** An item names r, the sizes of the outer axes and the distances along them. */
const foldArrays: Shader = {
  operands: ['to', 'from'],
  scalars: [],
  items: ['len', 'along', 'base', 'dims'],
  threads: 64,
  uses: 'extension',
  code: ({ to, from }) => ({
    body: `let half = (it_len + 1u) / 2u;
    let c = own % half;
    var a = 2u * c * it_along;
    var rest = own / half;
    ${rowStart('it_dims', 'it_more + 6u', 'it_more + 6u + it_dims')}
    let there = 2u * c + 1u < it_len;
    var x = ${NOTHING};
    var y = ${NOTHING};
    if (it_base != 0u) {
      x.a = residue(${from('a')});
      if (there) { y.a = residue(${from('a + it_along')}); }
    } else {
      x = ${element(from, 'a')};
      if (there) { y = ${element(from, 'a + it_along')}; }
    }
    ${store(to, 'own', 'addE(x, mulE(subE(y, x), tableE(it_more)))')}`,
  }),
};

/** Sums of the threads that share a cell, into the first of them: see sumLanes for the other form. */
const HALVING = `for (var half = 128u; half >= 1u; half >>= 1u) {
      if (half < share && part < half) {
        for (var k = 0u; k < 3u; k++) { s[3u * lane + k] = add(s[3u * lane + k], s[3u * (lane + half) + k]); }
      }
      workgroupBarrier();
    }`;

/**
 * 2^log threads share the sum of a cell. An item names sizes and distances of its own axes, then those of the axes that
 * are summed.
 */
const projections: Shader = {
  operands: ['to', 'from', 'weights'],
  scalars: [],
  items: ['cells', 'summed', 'log', 'dims', 'sums'],
  threads: 256,
  together: true,
  uses: 'extension',
  code: ({ to, from, weights }, form) => ({
    before: lanes(3),
    body: `let share = 1u << it_log;
    let part = lane & (share - 1u);
    let cell = own * (256u >> it_log) + (lane >> it_log);
    var sum = ${NOTHING};
    if (cell < it_cells) {
      var a = 0u;
      var rest = cell;
      ${rowStart('it_dims', 'it_more', 'it_more + it_dims')}
      let first = a;
      for (var q = part; q < it_summed; q += share) {
        a = first;
        rest = q;
        ${rowStart('it_sums', 'it_more + 2u * it_dims', 'it_more + 2u * it_dims + it_sums')}
        sum = addE(sum, scaleE(${element(weights, 'q')}, residue(${from('a')})));
      }
    }
    ${keep(0, 'sum', 3)}
    workgroupBarrier();
    ${form === 'compact' ? '' : HALVING}
    if (part == 0u && cell < it_cells) {
      for (var k = 0u; k < 3u; k++) {
        var all = s[3u * lane + k];
        ${form === 'compact' ? 'for (var l = 1u; l < share; l++) { all = add(all, s[3u * (lane + l) + k]); }' : ''}
        ${to('3u * cell + k')} = all;
      }
    }`,
  }),
};

export const sumcheckShaders = { terms, totals, foldArrays, projections } as const;
