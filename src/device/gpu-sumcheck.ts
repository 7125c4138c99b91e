import { log2Ceil } from '../field/log2.js';
import type { Vec } from './device.js';
import { type BatchItem, type Launcher, halves } from './gpu-opening.js';
import type { Along, SumcheckCalls, TermItem } from './sumcheck.js';

/** Pairs of cells that a workgroup adds up at least, and workgroups of an item at most. */
const PAIRS = 512;
const GROUPS = 512;
/** Cells that a thread adds up at least, as a power of two, where several share a sum. */
const SHARE = 3;

const product = (x: readonly number[]): number => x.reduce((a, b) => a * b, 1);
/** Slabs that a launch can bind beside its results and its table. */
const SLABS = 6;

function terms(g: Launcher, to: Vec, items: readonly TermItem[]): void {
  const sized = items.map((item) => {
      const count = product(item.dims) * Math.ceil(item.len / 2);
      return { item, count, groups: Math.max(1, Math.min(GROUPS, Math.ceil(count / PAIRS))), words: 3 * (item.inner.length + 1) };
    }),
    slabs = [...new Set(items.flatMap((x) => [...x.inner, ...x.held].map((f) => g.slabOf(f.from))))];
  if (slabs.length > SLABS && items.length > 1) {
    for (const item of items) terms(g, to, [item]);
    return;
  }
  const batch = (place: (x: (typeof sized)[number]) => Vec): void =>
    g.batch(
      'terms',
      sized.map((x): BatchItem => {
        const { dims, len, inner, held, one } = x.item;
        return {
          units: x.groups * (inner.length + 1),
          vecs: [place(x)],
          numbers: [x.count, x.groups, len, dims.length, inner.length, held.length, one ? 1 : 0],
          more: [
            ...dims,
            ...[...inner, ...held].flatMap((f) => [
              slabs.indexOf(g.slabOf(f.from)),
              g.placeOf(f.from),
              f.base ? 1 : 0,
              f.along,
              ...f.outer,
            ]),
          ],
        };
      }),
      [],
      slabs,
    );
  const last = (x: (typeof sized)[number]): Vec => g.slice(to, 3 * x.item.at, x.words);
  if (sized.every((x) => x.groups === 1)) batch(last);
  else
    g.scope(() => {
      const all = g.vector(sized.reduce((n, x) => n + x.words * x.groups, 0));
      let at = 0;
      const parts = sized.map((x) => g.slice(all, at, -at + (at += x.words * x.groups)));
      batch((x) => parts[sized.indexOf(x)]);
      g.batch(
        'totals',
        sized.map((x, i) => ({ units: x.words, vecs: [last(x), parts[i]], numbers: [x.groups, x.words] })),
        [],
      );
    });
}

const sizes = (x: readonly Along[]): number[] => x.map((a) => a.size);
const strides = (x: readonly Along[]): number[] => x.map((a) => a.stride);

/** Kernels of the batched sumcheck as launches. */
export const gpuSumcheck: { readonly [C in keyof SumcheckCalls]: (g: Launcher, n: number, a: SumcheckCalls[C]) => void } = {
  terms: (g, _n, { to, items }) => terms(g, to, items),
  foldArrays: (g, _n, { items }) =>
    g.batch(
      'foldArrays',
      items.map(({ to, from, base, dims, len, along, outer, r }) => ({
        units: product(dims) * Math.ceil(len / 2),
        vecs: [to, from],
        numbers: [len, along, base ? 1 : 0, dims.length],
        more: [...halves(r), ...dims, ...outer],
      })),
      [],
    ),
  projections: (g, _n, { items }) =>
    g.batch(
      'projections',
      items.map(({ to, from, own, summed, weights }) => {
        const cells = product(sizes(own)),
          q = product(sizes(summed)),
          log = Math.max(0, Math.min(8, log2Ceil(q) - SHARE));
        return {
          units: Math.ceil(cells / (256 >> log)),
          vecs: [to, from, weights],
          numbers: [cells, q, log, own.length, summed.length],
          more: [...sizes(own), ...strides(own), ...sizes(summed), ...strides(summed)],
        };
      }),
      [],
    ),
};
