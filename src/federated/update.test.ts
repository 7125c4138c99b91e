import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FederationError } from './errors.js';
import { RangeDecoder, RangeEncoder } from './range-coder.js';
import {
  LEAST_C,
  MOST_C,
  MOST_TENSORS,
  type TensorSize,
  applyUpdate,
  decodeUpdate,
  difference,
  encodeUpdate,
  updateLimit,
  valuesOf,
} from './update.js';

/** An adapter of n values in one tensor of one rank. */
const flat = (n: number): TensorSize[] => [{ name: 'q_proj.A', cells: n, layer: n, ranks: 1, stride: n }];
const refuses = (b: Uint8Array, tensors: readonly TensorSize[], why: RegExp): void => {
  expect(() => decodeUpdate(b, tensors, 'alice')).toThrow(FederationError);
  expect(() => decodeUpdate(b, tensors, 'alice')).toThrow(/^update code: alice: /);
  expect(() => decodeUpdate(b, tensors, 'alice')).toThrow(why);
};
/** Small and large values, as adapters differ by. */
const value = fc.oneof(
  fc.integer({ min: -40, max: 40 }),
  fc.integer({ min: -20_000, max: 20_000 }),
  fc.integer({ min: LEAST_C - MOST_C, max: MOST_C - LEAST_C }),
);
/** Tensors of any shape, with their values. */
const tensor = fc
  .record({ layers: fc.integer({ min: 1, max: 3 }), outer: fc.integer({ min: 1, max: 4 }), ranks: fc.integer({ min: 1, max: 12 }) })
  .chain(({ layers, outer, ranks }) =>
    fc.integer({ min: 1, max: 5 }).chain((stride) => {
      const layer = outer * ranks * stride,
        cells = layers * layer;
      return fc.record({
        t: fc.constant({ name: 'x', cells, layer, ranks, stride }),
        list: fc.oneof(fc.array(value, { minLength: cells, maxLength: cells }), fc.constant(Array<number>(cells).fill(0))),
      });
    }),
  );

/** Uniform numbers from -1 to 1, the same every time. */
function noise(seed: number): () => number {
  let a = seed;
  return () => {
    a = (Math.imul(a, 1_664_525) + 1_013_904_223) >>> 0;
    return a / 2 ** 31 - 1;
  };
}

describe('the range coder', () => {
  it('gives back any symbols of any distributions, in the bits that they are worth', () => {
    const symbol = fc
      .integer({ min: 1, max: 2 ** 20 })
      .chain((total) =>
        fc
          .integer({ min: 0, max: total - 1 })
          .chain((cum) => fc.integer({ min: 1, max: total - cum }).map((freq) => ({ cum, freq, total }))),
      );
    fc.assert(
      fc.property(fc.array(symbol, { maxLength: 400 }), (list) => {
        const w = new RangeEncoder();
        for (const s of list) w.put(s);
        const b = w.end(),
          r = new RangeDecoder(b, 0),
          bits = list.reduce((n, s) => n + Math.log2(s.total / s.freq), 0);
        for (const s of list) {
          const t = r.target(s.total);
          expect(t >= s.cum && t < s.cum + s.freq).toBe(true);
          r.take(s);
        }
        expect(b.length).toBeLessThanOrEqual(Math.ceil(bits / 8 + list.length * 0.0002 + 1));
      }),
      { numRuns: 200 },
    );
  });
  it('carries through bytes that are full', () => {
    const w = new RangeEncoder(),
      // All but the last of a range, many times, and then its last: what was written as ones becomes zeros.
      list = [...Array.from({ length: 3000 }, () => ({ cum: 254, freq: 1, total: 256 })), { cum: 1, freq: 255, total: 256 }];
    for (const s of list) w.put(s);
    const r = new RangeDecoder(w.end(), 0);
    for (const s of list) {
      const t = r.target(s.total);
      expect(t >= s.cum && t < s.cum + s.freq).toBe(true);
      r.take(s);
    }
  });
});

describe('updates', () => {
  it('are read back as they were written, and stay below the limit for their number', () => {
    fc.assert(
      fc.property(fc.array(tensor, { minLength: 1, maxLength: 4 }), (list) => {
        const tensors = list.map((x) => x.t),
          d = Int32Array.from(list.flatMap((x) => x.list)),
          b = encodeUpdate(d, tensors);
        expect(b.length).toBeLessThanOrEqual(updateLimit(d.length));
        expect(decodeUpdate(b, tensors)).toEqual(d);
      }),
      { numRuns: 100 },
    );
    const next = noise(7);
    for (const d of [
      new Int32Array(3000).fill(LEAST_C - MOST_C),
      new Int32Array(3000),
      new Int32Array(1).fill(1),
      // The worst case: as far as it goes, where it was never before.
      Int32Array.from({ length: 6000 }, (_, i) => (i < 5000 ? 0 : Math.round(next() * (MOST_C - LEAST_C)))),
      // More places than sums are kept of, and more ranks than one is predicted from.
      Int32Array.from({ length: 9000 }, () => Math.round(next() * 900)),
    ]) {
      const tensors = flat(d.length),
        b = encodeUpdate(d, tensors);
      expect(b.length).toBeLessThanOrEqual(updateLimit(d.length));
      expect(decodeUpdate(b, tensors)).toEqual(d);
    }
  });
  it('are shorter where rows at neighbouring ranks go together, and a tensor that moves less costs less', () => {
    const next = noise(3),
      ranks = 4,
      stride = 200,
      common = Array.from({ length: stride }, () => next() + next()),
      rows = Array.from({ length: ranks * stride }, (_, i) =>
        Math.round(20_000 * ((i / stride) & 1 ? -1 : 1) * (common[i % stride] + 0.1 * next())),
      ),
      d = Int32Array.from(rows),
      alone = encodeUpdate(d, flat(d.length)).length,
      together = encodeUpdate(d, [{ name: 'x', cells: d.length, layer: d.length, ranks, stride }]).length,
      columns = Int32Array.from({ length: d.length }, (_, i) => rows[(i % ranks) * stride + Math.floor(i / ranks)]);
    expect(together).toBeLessThan(0.9 * alone);
    expect(encodeUpdate(columns, [{ name: 'x', cells: d.length, layer: d.length, ranks, stride: 1 }]).length).toBeLessThan(0.9 * alone);
    const half = Int32Array.from(d, (x, i) => (i < 400 ? x : x >> 4)),
      two = [0, 1].map((n) => ({ name: `x${n}`, cells: 400, layer: 400, ranks: 1, stride: 400 }));
    expect(encodeUpdate(half, two).length).toBeLessThan(alone - 180);
  });
  it('have one encoding: no changed bit reads as the same values, and whatever is read encodes to the same bytes', () => {
    const tensors: TensorSize[] = [
        { name: 'a', cells: 600, layer: 300, ranks: 3, stride: 100 },
        { name: 'b', cells: 500, layer: 500, ranks: 4, stride: 1 },
      ],
      d = Int32Array.from({ length: 1100 }, (_, i) => ((i * 7919) % 61) - 30),
      b = encodeUpdate(d, tensors),
      tried = (c: Uint8Array): void => {
        let got: Int32Array;
        try {
          got = decodeUpdate(c, tensors, 'alice');
        } catch (e) {
          expect(e).toBeInstanceOf(FederationError);
          return;
        }
        expect(got).not.toEqual(d);
        expect(encodeUpdate(got, tensors)).toEqual(c);
      };
    for (let at = 0; at < 8 * b.length; at += 13) {
      const c = b.slice();
      c[at >>> 3] ^= 0x80 >>> (at & 7);
      tried(c);
    }
    const next = noise(11);
    for (let i = 0; i < 300; i++) tried(Uint8Array.from({ length: 1 + (i % 40) * 20 }, (_, j) => (j ? Math.floor(128 + 128 * next()) : 2)));
  });
  it('are refused with another span than that of their values, other bytes at the end, another version', () => {
    const tensors: TensorSize[] = [
        { name: 'q_proj.A', cells: 2, layer: 2, ranks: 1, stride: 2 },
        { name: 'q_proj.B', cells: 2, layer: 2, ranks: 1, stride: 2 },
      ],
      d = Int32Array.of(1, -1, 0, 3),
      b = encodeUpdate(d, tensors),
      /** These spans, and values that take no part of the range: zeros. */
      spans = (S: number, pieces: readonly number[]): Uint8Array => {
        const w = new RangeEncoder();
        for (const [cum, total] of [[Math.floor(S / 2 ** 13), 2 ** 12], [S % 2 ** 13, 2 ** 13], ...pieces.map((k) => [k, 257])])
          w.put({ cum, freq: 1, total });
        return Uint8Array.of(2, ...w.end());
      };
    expect(decodeUpdate(b, tensors)).toEqual(d);
    // Largest magnitude 3: its tensor has all 256 pieces, the other one 86, the least with floor(3 k / 256) >= 1.
    refuses(spans(9, [0, 0]), tensors, /has the span 9, its largest value is 0/);
    refuses(spans(3, [1, 256]), tensors, /q_proj\.A has another span/);
    refuses(spans(3, [0, 86]), tensors, /q_proj\.B has another span|one encoding/);
    refuses(Uint8Array.of(...b, 0), tensors, /one encoding/);
    refuses(b.slice(0, -1), tensors, /one encoding|span/);
    refuses(b, flat(5), /one encoding|span/);
    refuses(Uint8Array.of(1, ...b.slice(1)), tensors, /begins with version 1, this release reads version 2/);
    refuses(Uint8Array.of(3, ...b.slice(1)), tensors, /begins with something else/);
    refuses(new Uint8Array(0), tensors, /begins/);
    // Nothing moved: the span alone, and no other bytes are that.
    const none = encodeUpdate(new Int32Array(4), tensors);
    expect([...none]).toEqual([2]);
    refuses(Uint8Array.of(2, 0), tensors, /one encoding/);
  });
  it('of as many layers as values, and of ranks that hardly come twice, cost what their values cost', () => {
    // A reader works for as many values as the charter says, however few bytes there are: sums are made once for all
    // layers.
    const n = 2 ** 16,
      d = Int32Array.from({ length: n }, (_, i) => ((i * 7919) % 61) - 30);
    for (const shape of [
      { layer: 1, ranks: 1, stride: 1 },
      { layer: n, ranks: n, stride: 1 },
      { layer: 2, ranks: 2, stride: 1 },
    ]) {
      const tensors = [{ name: 'x', cells: n, ...shape }],
        b = encodeUpdate(d, tensors);
      expect(decodeUpdate(b, tensors)).toEqual(d);
      // Few bytes are the one encoding of some values: those that lie lowest wherever the bytes have ended.
      const short = b.slice(0, 12);
      try {
        expect(encodeUpdate(decodeUpdate(short, tensors), tensors)).toEqual(short);
      } catch (e) {
        expect(e).toBeInstanceOf(FederationError);
      }
    }
    // Layers of one size in two tensors begin with the same sums, wherever their ranks lie.
    const two = [
        { name: 'x', cells: 24, layer: 12, ranks: 3, stride: 4 },
        { name: 'y', cells: 24, layer: 12, ranks: 3, stride: 1 },
      ],
      list = Int32Array.from({ length: 48 }, (_, i) => ((i * 37) % 19) - 9);
    expect(decodeUpdate(encodeUpdate(list, two), two)).toEqual(list);
  });
  it('of hostile sizes cost nothing: bytes beyond the limit, too many tensors, endless ones', () => {
    refuses(new Uint8Array(updateLimit(4) + 1), flat(4), /at most/);
    refuses(Uint8Array.of(2), [], /adapter of 0 values/);
    refuses(
      Uint8Array.of(2),
      Array.from({ length: MOST_TENSORS + 1 }, () => flat(1)[0]),
      /in 4097 tensors/,
    );
    for (const fill of [255, 170, 1]) {
      const endless = new Uint8Array(updateLimit(1000)).fill(fill);
      endless[0] = 2;
      refuses(endless, flat(1000), /one encoding|span/);
    }
    expect(() => encodeUpdate(new Int32Array(0), [])).toThrow(RangeError);
    expect(() => encodeUpdate(Int32Array.of(2 ** 25), flat(1))).toThrow(RangeError);
    expect(() => encodeUpdate(Int32Array.of(1), flat(2))).toThrow(RangeError);
    expect(decodeUpdate(encodeUpdate(Int32Array.of(1 - 2 ** 25), flat(1)), flat(1))[0]).toBe(1 - 2 ** 25);
    expect(valuesOf(flat(7))).toBe(7);
  });
  it('lead to an adapter in format, or name the tensor that leaves it', () => {
    const tensors = [
        { name: 'q_proj.A', cells: 2 },
        { name: 'q_proj.B', cells: 2 },
      ],
      before = Int32Array.of(0, 5, MOST_C, LEAST_C);
    expect(applyUpdate(before, Int32Array.of(1, -6, 0, 0), tensors)).toEqual(Int32Array.of(1, -1, MOST_C, LEAST_C));
    expect(() => applyUpdate(before, Int32Array.of(0, 0, 1, 0), tensors, 'bob')).toThrow(
      /^update format: bob: q_proj\.B, value 2 would be 16777216/,
    );
    expect(() => applyUpdate(before, Int32Array.of(0, 0, 0, -1), tensors, 'bob')).toThrow(/beyond 25 bits/);
    expect(difference(Int32Array.of(3, 4), Int32Array.of(1, 9))).toEqual(Int32Array.of(2, -5));
    expect(() => difference([1], [1, 2])).toThrow(RangeError);
  });
});
