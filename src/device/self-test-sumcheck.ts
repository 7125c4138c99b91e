import type { Calls, Device, Vec } from './device.js';
import { type TestSource, Written } from './self-test-lookup.js';
import type { SumcheckCalls, TermFactor } from './sumcheck.js';

/** Outer axes and cells along the current one: one cell, none outside, odd, long. */
const BOXES: readonly (readonly [dims: readonly number[], len: number])[] = [
  [[], 1],
  [[3], 5],
  [[2, 4], 6],
  [[], 1500],
];
/** Inner factors of a product, elements and words, and held ones. */
const PRODUCTS: readonly (readonly [elements: number, base: number, held: number])[] = [
  [1, 0, 0],
  [0, 2, 1],
  [2, 0, 2],
  [1, 3, 0],
  [3, 0, 0],
  [4, 0, 1],
  [2, 6, 0],
];

/** What the kernels of the batched sumcheck write, by name, each over items of several shapes. */
export function summed(d: Device, { words, exts }: TestSource): Record<string, BigUint64Array> {
  const out: Record<string, BigUint64Array> = {};
  const after = <K extends keyof SumcheckCalls>(kernel: K, args: (w: Written) => Calls[K]): void =>
    d.scope(() => {
      const w = new Written(d);
      d.run(kernel, 1, args(w));
      out[kernel] = w.words();
    });
  const cells = (base: boolean, n: number): Vec => words((base ? 1 : 3) * n),
    size = (dims: readonly number[]): number => dims.reduce((x, y) => x * y, 1),
    /** Distances along these axes, the last of which is `step` apart; the first one is passed over if not all. */
    strides = (dims: readonly number[], step: number): number[] => dims.map((_, i) => step * size(dims.slice(i + 1)));
  const factor = (dims: readonly number[], len: number, base: boolean, along: number): TermFactor => ({
    from: cells(base, size(dims) * Math.max(1, len * along)),
    base,
    along,
    outer: strides(dims, Math.max(1, len * along)),
  });
  let at = 0;
  const items = BOXES.flatMap(([dims, len]) =>
    PRODUCTS.map(([elements, base, held], i) => {
      const item = {
        dims,
        len,
        inner: Array.from({ length: elements + base }, (_, f) => factor(dims, len, f >= elements, 1 + (f % 2))),
        held: Array.from({ length: held }, (_, f) => factor(dims, len, f > 0, 0)),
        one: i % 2 === 0,
        at,
      };
      at += elements + base + 1;
      return item;
    }),
  );
  after('terms', (w) => ({ to: w.vec(at), items }));
  // An array that occurs several times, as seventh powers do.
  const x = factor([2], 9, false, 1),
    y = factor([2], 9, true, 1),
    e = factor([2], 9, false, 2);
  const powers = [
    [e, ...Array<TermFactor>(7).fill(x)],
    [...Array<TermFactor>(7).fill(x), e],
    [e, ...Array<TermFactor>(7).fill(y)],
  ].map((inner, i) => ({ dims: [2], len: 9, inner, held: [], one: true, at: 9 * i }));
  const to = d.vector(3 * 27);
  d.run('terms', powers.length, { to, items: powers });
  out['terms of powers'] = d.get(to);
  after('foldArrays', (w) => ({
    items: BOXES.flatMap(([dims, len]) =>
      [true, false].map((base) => {
        const { from, along, outer } = factor(dims, len, base, 2);
        return { from, to: w.vec(size(dims) * Math.ceil(len / 2)), base, dims, len, along, outer, r: exts(1)[0] };
      }),
    ),
  }));
  after('projections', (w) => ({
    items: [
      { own: [], summed: [] },
      { own: [], summed: [700] },
      { own: [5], summed: [2, 3] },
      { own: [3, 4], summed: [1] },
      { own: [130], summed: [11] },
    ].map(({ own, summed: over }) => {
      const axes = [...own, ...over].map((n, i, all) => ({ size: n, stride: size(all.slice(i + 1)) }));
      return {
        to: w.vec(size(own)),
        from: words(size(own) * size(over)),
        own: axes.slice(0, own.length),
        summed: axes.slice(own.length),
        weights: cells(false, size(over)),
      };
    }),
  }));
  return out;
}
