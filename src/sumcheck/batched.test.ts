import { describe, expect, it } from 'vitest';
import { deviceOf } from '../device/current.js';
import * as E from '../field/ext3.js';
import { mod } from '../field/goldilocks.js';
import { singleKernels } from '../kernels/index.js';
import { type Ext, NativeChannel, RecordingChannel } from '../transcript/index.js';
import { ProverChannel } from '../transcript/prover.js';
import { joinTerms } from './join.js';
import { proveBatched } from './prove.js';
import type { SumFactor, SumTerm } from './terms.js';
import { verifyBatched } from './verify.js';

const k = singleKernels(),
  vk = singleKernels(),
  d = deviceOf(k);
let seed = 1n;
const random = (): bigint => {
  seed = (seed * 6364136223846793005n + 1442695040888963407n) & ((1n << 64n) - 1n);
  return seed >> 2n;
};
const size = new Map([
  ['a', 3],
  ['b', 7],
  ['c', 1200],
]);
const axes = [...size].map(([axis, n]) => ({ axis, size: n, vars: Math.ceil(Math.log2(n)), degree: axis === 'a' ? 4 : 8 }));
const cells = (list: readonly string[]): number => list.reduce((n, a) => n * size.get(a)!, 1);

/** Elements made anew whenever they are asked for, as arrays that do not fit are. */
function elements(...list: string[]): { factor: SumFactor; at: (i: ReadonlyMap<string, number>) => Ext } {
  const v = Array.from({ length: cells(list) }, (): Ext => [random(), random(), random()]);
  return {
    factor: { axes: list, make: () => d.bring(k.exts(v), 3 * v.length), scratch: 24 * v.length },
    at: (i) => v[list.reduce((n, a) => n * size.get(a)! + i.get(a)!, 0)],
  };
}
/** Words that lie axis after axis in the other order. */
function words(...list: string[]): ReturnType<typeof elements> {
  const v = BigInt64Array.from({ length: cells(list) }, () => random() - (1n << 61n)),
    ptr = k.alloc(8 * v.length),
    strides = list.map((_, d) => cells(list.slice(0, d)));
  k.i64.set(v, ptr / 8);
  return {
    factor: { axes: list, words: { vec: d.bring(ptr, v.length), strides }, scratch: 0 },
    at: (i) => [mod(v[list.reduce((n, a, d) => n + strides[d] * i.get(a)!, 0)]), 0n, 0n],
  };
}
const arrays = [
  words('b', 'c'),
  words('a', 'b', 'c'),
  elements('c'),
  elements('b'),
  elements('b'),
  words('a'),
  elements('a', 'b'),
  words(),
];
const factors = arrays.map((x) => x.factor),
  coef = (): Ext => [random(), random(), random()];
const terms: SumTerm[] = [
  { coef: coef(), axes: ['a', 'b', 'c'], factors: [0, 1, 2, 3] },
  { coef: coef(), axes: ['a', 'b', 'c'], factors: [4, 0, 1, 2] },
  { coef: coef(), axes: ['b', 'c'], factors: [0, 0, 0, 2, 4] },
  { coef: coef(), axes: ['a', 'b'], factors: [5, 6, 3] },
  // Seventh powers, of words first and of elements after, by eq of either axis.
  { coef: coef(), axes: ['b', 'c'], factors: [...Array<number>(7).fill(0), 2] },
  { coef: coef(), axes: ['b', 'c'], factors: [3, ...Array<number>(7).fill(0)] },
  { coef: coef(), axes: ['b'], factors: [...Array<number>(7).fill(3), 4] },
  { coef: coef(), axes: ['a'], factors: [5, 5] },
  { coef: coef(), axes: ['c'], factors: [2] },
  { coef: coef(), axes: [], factors: [7] },
];

function each(list: readonly string[], f: (i: ReadonlyMap<string, number>) => void): void {
  for (let c = 0; c < cells(list); c++) {
    let rest = c;
    const i = new Map<string, number>();
    for (const a of [...list].reverse()) {
      i.set(a, rest % size.get(a)!);
      rest = Math.floor(rest / size.get(a)!);
    }
    f(i);
  }
}

describe('batched sumcheck', () => {
  it('proves the sum over the boxes, and leaves the value of every array at the point', () => {
    let claim: Ext = E.ZERO;
    for (const t of terms)
      each(t.axes, (i) => {
        claim = E.add(
          claim,
          t.factors.reduce<Ext>((v, f) => E.mul(v, arrays[f].at(i)), t.coef),
        );
      });
    const joined = joinTerms(d, factors, terms, size);
    expect([joined.terms.length, joined.factors.length]).toEqual([terms.length - 1, factors.length + 1]);
    const rec = new RecordingChannel();
    verifyBatched(rec, axes, rec.constant(0n));
    const m = k.mark(),
      ch = new ProverChannel(rec.schedule),
      { points, values } = proveBatched(k, ch, axes, factors, terms);
    expect(k.mark()).toBe(m);
    const nc = new NativeChannel(vk, ch.words()),
      got = verifyBatched(nc, axes, nc.constant(claim));
    nc.finish();
    for (const { axis } of axes) expect(got.points.get(axis)!.map((x) => nc.value(x))).toEqual(points.get(axis));
    // Extensions by their definition: eq at the bits of the index, most significant first.
    const eq = new Map(
      axes.map(({ axis, size: n, vars }) => [
        axis,
        Array.from({ length: n }, (_, i) =>
          points.get(axis)!.reduce<Ext>((v, x, b) => E.mul(v, Math.floor(i / 2 ** (vars - 1 - b)) % 2 ? x : E.sub(E.ONE, x)), E.ONE),
        ),
      ]),
    );
    arrays.forEach(({ factor, at }, f) => {
      let v: Ext = E.ZERO;
      each(factor.axes, (i) => {
        v = E.add(
          v,
          [...i].reduce<Ext>((w, [a, c]) => E.mul(w, eq.get(a)![c]), at(i)),
        );
      });
      expect(values[f], `array ${f}`).toEqual(v);
    });
    // A term without an axis stands at its cell zero.
    const final = terms.reduce<Ext>((s, t) => {
      const away = axes.filter((a) => !t.axes.includes(a.axis)).flatMap((a) => points.get(a.axis)!);
      return E.add(
        s,
        away.reduce<Ext>(
          (v, x) => E.mul(v, E.sub(E.ONE, x)),
          t.factors.reduce<Ext>((v, f) => E.mul(v, values[f]), t.coef),
        ),
      );
    }, E.ZERO);
    expect(nc.value(got.final)).toEqual(final);
    nc.close();
  });
});
