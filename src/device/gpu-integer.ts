import { type BatchItem, type Launcher, halves } from './gpu-opening.js';
import type { Vec } from './device.js';
import type { IntegerCalls, Sum, SumTerm } from './integer.js';

const volume = (sizes: readonly number[]): number => sizes.reduce((n, s) => n * s, 1);
const signed = (x: bigint): number[] => halves([BigInt.asUintN(64, x)]);

/** Slabs that the sums of a launch read, numbered as they are named; at least one is bound. */
class Gathered {
  readonly slabs: number[] = [];
  constructor(readonly g: Launcher) {}
  of(v: Vec): number {
    const slab = this.g.slabOf(v),
      known = this.slabs.indexOf(slab);
    return known >= 0 ? known : this.slabs.push(slab) - 1;
  }
}

/** Numbers of a term, and the positions that it chooses by, which stand behind all terms from `lists` on. */
function termNumbers(from: Gathered, t: SumTerm, lists: number): number[] {
  const factors = t.factors.flatMap((f) => [from.of(f.of), from.g.placeOf(f.of) + f.at, ...f.strides]),
    chosen = t.chosen ? [lists, ...t.chosen.strides, ...t.chosen.apart] : [],
    rest = [...t.over, ...factors, ...chosen];
  return [...signed(t.coef), t.factors.length, t.over.length, t.chosen ? 1 : 0, 6 + rest.length, ...rest];
}

/** The description of a sum: where the term behind the others begins, and what stands behind the terms. */
function described(from: Gathered, { sizes, terms }: Sum, base: SumTerm | undefined, more: readonly number[]) {
  const all = base ? [...terms, base] : terms,
    length = all.reduce((n, t) => n + termNumbers(from, t, 0).length, 1 + sizes.length),
    numbers = [sizes.length, ...sizes],
    lists: number[] = [];
  let last = 0;
  for (const t of all) {
    last = numbers.length;
    numbers.push(...termNumbers(from, t, length + more.length + lists.length));
    if (t.chosen) for (const id of t.chosen.ids) lists.push(id);
  }
  return { numbers: [...numbers, ...more, ...lists], base: base ? last : 0, place: length };
}

/** Kernels of integer training and of keys as launches. */
export const gpuInteger: { readonly [C in keyof IntegerCalls]: (g: Launcher, n: number, a: IntegerCalls[C]) => void } = {
  sums(g, n, a) {
    const from = new Gathered(g),
      { rounding } = a,
      place = 'place' in a ? a.place : undefined,
      d = described(from, a, a.base, place ? [...a.sizes, ...place.strides] : []),
      to = place ? g.slice(place.to, place.at, place.to.words - place.at) : (a as { readonly to: Vec }).to,
      item: BatchItem = {
        units: n,
        vecs: [to],
        numbers: [
          a.terms.length,
          ...signed(a.constant),
          ...(rounding ? [1, rounding.nearest ? 1 : 0, rounding.shift, rounding.bits === undefined ? 0 : rounding.bits + 1] : [0, 0, 0, 0]),
          d.base,
          place ? 1 : 0,
          d.place,
        ],
        more: d.numbers,
      };
    g.batch('sums', [item], [], from.slabs.length > 0 ? from.slabs : [g.slabOf(to)]);
  },
  scatter(g, n, { from, sizes, place: p }) {
    const to = g.slice(p.to, p.at, p.to.words - p.at);
    g.batch('scatter', [{ units: n, vecs: [to, from], numbers: [sizes.length], more: [...sizes, ...p.strides] }], []);
  },
  roots: (g, n, { to, of }) => g.launch('roots', n, [to, of ?? to], [of ? 1 : 0]),
  quotients: (g, n, { to, by }) => g.launch('quotients', n, [to, by], []),
  larger: (g, n, { to, other }) => g.launch('larger', n, [to, other], []),
  entries: (g, n, { to, from, column, first }) => g.launch('entries', n, [to, from, column], [...signed(first), column.words]),
  leastSums: (g, n, { to, scores, length, causal, first, column, target }) =>
    g.launch('leastSums', n, [to, scores, column], [length, causal, first, column.words, ...signed(target)]),
  keys(g, _n, { items }) {
    const from = new Gathered(g),
      list = items.map((x): BatchItem => {
        const cells = volume(x.sizes);
        return {
          units: Math.ceil(cells / 2),
          vecs: [x.to],
          numbers: [x.terms.length, ...signed(x.constant), cells, ...signed(x.first), ...signed(x.rows)],
          more: described(from, x, undefined, []).numbers,
        };
      });
    if (list.length > 0) g.batch('keys', list, [], from.slabs.length > 0 ? from.slabs : [g.slabOf(items[0].to)]);
  },
  counts: (g, _n, { items }) =>
    g.batch(
      'counts',
      items.map(({ to, at, keys, n, bad }) => ({ units: n, vecs: [to, keys], numbers: [at, bad] })),
      [],
    ),
};
