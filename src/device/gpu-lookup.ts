import * as E from '../field/ext3.js';
import { mod } from '../field/goldilocks.js';
import type { Vec } from './device.js';
import { type BatchItem, type Launcher, halves } from './gpu-opening.js';
import type { FractionVec, Leaf, LookupCalls, RoundItem } from './lookup.js';

/** Pairs that a workgroup adds up at least, and workgroups of an item at most. */
const PAIRS = 1024;
const GROUPS = 1024;

/** Numerators of a layer, or denominators in their place where there are none. */
const numerators = ({ n, d }: FractionVec): { vec: Vec; there: number } => ({ vec: n ?? d, there: n ? 1 : 0 });

/** Operands, numbers and names of an item that has leaves. */
const leafItem = (units: number, to: readonly Vec[], leaf: Leaf): BatchItem => ({
  units,
  vecs: [...to, leaf.keys.vec, 'g' in leaf ? leaf.keys.vec : leaf.table],
  numbers: [leaf.keys.at, 'g' in leaf ? 1 : 0],
  ...('g' in leaf ? { more: halves(leaf.g) } : {}),
});

/** Both sums of a round: of every workgroup, then of all. */
function roundSums(
  g: Launcher,
  shader: 'pairRound' | 'productRound',
  { to, lambda, items }: LookupCalls['pairRound'],
  operands: (x: RoundItem) => Vec[],
): void {
  const sized = items.map((x) => {
      const count = x.grid.rows * Math.ceil(x.grid.len / 2);
      return { x, count, groups: count === 0 ? 0 : Math.min(GROUPS, Math.ceil(count / PAIRS)) };
    }),
    all = sized.reduce((n, s) => n + s.groups, 0),
    launch = (parts: Vec): void => {
      let at = 0;
      g.batch(
        shader,
        sized.map(({ x, count, groups }) => {
          const { len, cs, rs } = x.grid,
            own = g.slice(parts, at, 6 * groups);
          at += 6 * groups;
          return { units: groups, vecs: [own, ...operands(x), x.columns, x.rows], numbers: [count, groups, len, cs, rs] };
        }),
        halves(lambda),
      );
    };
  if (all === 1) launch(to);
  else
    g.scope(() => {
      const parts = g.vector(6 * all);
      launch(parts);
      g.launch('total', 6, [to, parts], [all, 6]);
    });
}

/** Kernels of LogUp-GKR as launches. */
export const gpuLookup: { readonly [C in keyof LookupCalls]: (g: Launcher, n: number, a: LookupCalls[C]) => void } = {
  eqTables: (g, _n, { to, tables }) =>
    g.batch(
      'eqTables',
      tables.map(({ at, n, point }) => ({
        units: n,
        vecs: [g.slice(to, 3 * at, 3 * n)],
        numbers: [point.length],
        more: point.flatMap(halves),
      })),
      [],
    ),
  rowWeights: (g, _n, { tables, items }) =>
    g.batch(
      'rowWeights',
      items.map(({ to, first, axes }) => ({
        units: axes.reduce((n, x) => n * x.n, first.length),
        vecs: [to, tables],
        numbers: [axes.length],
        more: [...[...axes].reverse().flatMap((x) => [x.at, x.n]), ...first.flatMap(halves)],
      })),
      [],
    ),
  copies: (g, _n, { items }) =>
    g.batch(
      'copies',
      items.map(({ to, from }) => ({ units: from.words, vecs: [to, from], numbers: [] })),
      [],
    ),
  leaves: (g, _n, { items }) =>
    g.batch(
      'leaves',
      items.map(({ to, n, leaf }) => leafItem(n, [to], leaf)),
      [],
    ),
  leafSums: (g, _n, { items }) =>
    g.batch(
      'leafSums',
      items.map(({ n, d, pairs, leaf }) => leafItem(pairs, [n, d], leaf)),
      [],
    ),
  leafPairs: (g, _n, { lambda, items }) =>
    g.batch(
      'leafPairs',
      items.map(({ even, odd, pairs, leaf }) => leafItem(pairs, [even, odd], leaf)),
      halves(lambda),
    ),
  pairSums: (g, _n, { items }) =>
    g.batch(
      'pairSums',
      items.map(({ n, d, from, rows, len }) => {
        const num = numerators(from);
        return { units: rows * Math.ceil(len / 2), vecs: [n, d, num.vec, from.d], numbers: [len, num.there] };
      }),
      [],
    ),
  splitPairs: (g, _n, { items }) =>
    g.batch(
      'splitPairs',
      items.map(({ to, from, rows, len }) => {
        const num = numerators(from);
        return {
          units: rows * Math.ceil(len / 2),
          vecs: [to.n0!, to.n1!, to.d0, to.d1, num.vec, from.d],
          numbers: [len, num.there],
        };
      }),
      [],
    ),
  pairRound: (g, _n, a) => roundSums(g, 'pairRound', a, ({ from }) => [from.n0!, from.n1!, from.d0, from.d1]),
  productRound: (g, _n, a) => roundSums(g, 'productRound', a, ({ from }) => [from.d0, from.d1]),
  foldPairs: (g, _n, { items }) =>
    g.batch(
      'foldPairs',
      items.flatMap(({ from, to, grid, r, missing }) => {
        const { rows, len, cs, rs } = grid,
          array = (x: 'n0' | 'n1' | 'd0' | 'd1', pad: E.Ext): BatchItem => ({
            units: rows * Math.ceil(len / 2),
            vecs: [to[x]!, from[x]!],
            numbers: [len, cs, rs],
            more: [...halves(r), ...halves(pad)],
          });
        return from.n0
          ? [array('n0', E.ZERO), array('n1', E.ZERO), array('d0', E.ONE), array('d1', E.ONE)]
          : [array('d0', missing), array('d1', missing)];
      }),
      [],
    ),
  tableRows: (g, _n, { items }) => {
    const columns = Math.max(1, ...items.map((x) => x.columns.length));
    for (let c = 0; c < columns; c++)
      g.batch(
        'tableRows',
        items.flatMap((x) => {
          const column = x.columns[c];
          if (c > 0 && !column) return [];
          return [
            {
              units: x.n,
              vecs: [x.to, column?.of ?? x.to],
              numbers: [c === 0 ? 1 : 0, column ? 1 : 0],
              more: [...halves(x.g), ...halves(column?.b ?? E.ZERO), ...halves([mod(x.first)])],
            },
          ];
        }),
        [],
      );
  },
  negatives: (g, _n, { items }) =>
    g.batch(
      'negatives',
      items.map(({ to, n, counts }) => ({ units: n, vecs: [to, counts.vec], numbers: [counts.at] })),
      [],
    ),
};
