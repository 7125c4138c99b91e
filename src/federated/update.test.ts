import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FederationError } from './errors.js';
import { LEAST_C, MOST_C, applyUpdate, decodeUpdate, difference, encodeUpdate, updateLimit } from './update.js';

const refuses = (b: Uint8Array, n: number, why: RegExp): void => {
  expect(() => decodeUpdate(b, n, 'alice')).toThrow(FederationError);
  expect(() => decodeUpdate(b, n, 'alice')).toThrow(/^update code: alice: /);
  expect(() => decodeUpdate(b, n, 'alice')).toThrow(why);
};
/** Small and large values, as adapters differ by. */
const value = fc.oneof(
  fc.integer({ min: -40, max: 40 }),
  fc.integer({ min: -20_000, max: 20_000 }),
  fc.integer({ min: LEAST_C - MOST_C, max: MOST_C - LEAST_C }),
);

describe('updates', () => {
  it('are read back as they were written, and stay below the limit for their number', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 2500 }), (list) => {
        const d = Int32Array.from(list),
          b = encodeUpdate(d);
        expect(b.length).toBeLessThanOrEqual(updateLimit(d.length));
        expect(decodeUpdate(b, d.length)).toEqual(d);
      }),
      { numRuns: 60 },
    );
    const worst = new Int32Array(3000).fill(LEAST_C - MOST_C);
    expect(encodeUpdate(worst).length).toBeLessThanOrEqual(updateLimit(3000));
    expect(decodeUpdate(encodeUpdate(worst), 3000)).toEqual(worst);
  });
  it('have one encoding: no changed bit reads as the same values, and whatever is read encodes to the same bytes', () => {
    const d = Int32Array.from({ length: 1100 }, (_, i) => ((i * 7919) % 61) - 30),
      b = encodeUpdate(d);
    for (let at = 64; at < 8 * b.length; at += 13) {
      const c = b.slice();
      c[at >>> 3] ^= 0x80 >>> (at & 7);
      let got: Int32Array | undefined;
      try {
        got = decodeUpdate(c, d.length);
      } catch (e) {
        expect(e).toBeInstanceOf(FederationError);
        continue;
      }
      expect(got).not.toEqual(d);
      expect(encodeUpdate(got)).toEqual(c);
    }
  });
  it('are refused with another parameter, a bit in the padding, more bytes or fewer, another count, other first bytes', () => {
    const d = Int32Array.of(1, -1, 0, 2),
      b = encodeUpdate(d);
    // z = 2, 1, 0, 4: k = 0 has 11 bits and k = 1 has 11 too: the least is taken.
    expect(b[8] >>> 3).toBe(0);
    // The same values with k = 1: bits 00001, 10 0, 0 1, 0 0, 110 0.
    refuses(Uint8Array.of(...b.slice(0, 8), 0b00001_100, 0b01_00_1100), 4, /parameter 1 where 0/);
    const padded = b.slice();
    padded[padded.length - 1] |= 1;
    refuses(padded, 4, /padding|ends|value|parameter/);
    refuses(Uint8Array.of(...b, 0), 4, /more bytes/);
    refuses(b.slice(0, -1), 4, /ends before/);
    refuses(b, 5, /says 4 values/);
    refuses(Uint8Array.of(0, ...b.slice(1)), 4, /begins/);
    refuses(new Uint8Array(3), 4, /begins/);
  });
  it('of hostile sizes cost nothing: bytes beyond the limit, endless ones, values beyond what two adapters can differ by', () => {
    refuses(new Uint8Array(updateLimit(4) + 1), 4, /at most/);
    const endless = new Uint8Array(updateLimit(1000)).fill(255);
    endless.set(encodeUpdate(new Int32Array(1000)).slice(0, 8));
    refuses(endless, 1000, /parameter 31/);
    // k = 25, quotient 1, remainder 2^25 - 1: z = 2^26 - 1, d = -2^25.
    const one = new Uint8Array(12);
    one.set(encodeUpdate(Int32Array.of(0)).slice(0, 8));
    one.set([0b11001_10_1, 255, 255, 255], 8);
    refuses(one, 1, /beyond what two adapters/);
    expect(() => encodeUpdate(new Int32Array(0))).toThrow(RangeError);
    expect(() => encodeUpdate(Int32Array.of(2 ** 25))).toThrow(RangeError);
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
