import { describe, expect, it } from 'vitest';
import * as E from '../field/ext3.js';
import { P } from '../field/goldilocks.js';
import { singleKernels } from '../kernels/single.js';
import type { Ext } from '../transcript/arith.js';
import { ProductSumcheck } from './product.js';

/** Reproducible words. */
const stream = (seed: number): (() => bigint) => {
  let x = BigInt(seed) * 0x9e3779b97f4a7c15n + 1n;
  return () => {
    x = (x * 6364136223846793005n + 1442695040888963407n) & ((1n << 64n) - 1n);
    return x % P;
  };
};

describe('product sumcheck', () => {
  /**
   * Messages, and the vectors that are left after `rounds`, of vectors of n entries read in tiles in `room` bytes of
   * linear memory.
   */
  const run = (n: number, vars: number, rounds: number, room?: number) => {
    const k = room === undefined ? singleKernels() : singleKernels({ nearBytes: singleKernels().mark() + room, farPage: 512 }),
      r = stream(n),
      f = BigInt64Array.from({ length: n }, () => BigInt.asIntN(64, r()) >> 30n),
      w = BigUint64Array.from({ length: 3 * n }, () => r());
    const fill =
      (at: (from: number, to: number) => BigInt64Array | BigUint64Array, size: number) => (dst: number, from: number, log: number) => {
        const end = Math.min(n, from + 2 ** log);
        k.u64.fill(0n, dst / 8, dst / 8 + size * 2 ** log);
        if (from < end) k.u64.set(at(from, end) as BigUint64Array, dst / 8);
      };
    const sum = new ProductSumcheck(
      k,
      { length: n, fill: fill((a, b) => f.subarray(a, b), 1) },
      { length: n, fill: fill((a, b) => w.subarray(3 * a, 3 * b), 3) },
      vars,
    );
    const messages: Ext[][] = [];
    for (let i = 0; i < rounds; i++) {
      messages.push(sum.message());
      sum.bind([BigInt(i + 3), 7n, BigInt(n)]);
    }
    const left = sum.near(),
      vectors = [left.f, left.w].map((v) => sum.device.get(v));
    // What the caller allocates now must survive later rounds.
    const own = k.exts([E.ONE, E.ONE]);
    while (sum.vars > 0) {
      messages.push(sum.message());
      sum.bind([BigInt(sum.vars), 1n, 2n]);
      sum.near();
    }
    return { messages, vectors, own: k.readExts(own, 2), far: k.far.peakBytes, used: k.far.usedBytes };
  };
  it('takes a vector that is given in one way', () => {
    const k = singleKernels(),
      ptr = k.zeroed(24),
      fill = (): void => {};
    for (const w of [{ length: 1, fill, make: fill }, { length: 1, ptr, fill }, { length: 1 }])
      expect(() => new ProductSumcheck(k, { length: 1, ptr }, w, 1)).toThrow(/is given by one of ptr, vec, fill, make/);
  });
  it.each([
    [4096, 12],
    [4097, 13],
    [3000, 12],
    [8191, 13],
  ])('sends the same for %i entries when little fits the linear memory', (n, vars) => {
    const whole = run(n, vars, 6);
    expect(whole.far).toBe(0);
    for (const room of [12, 40, 100]) {
      const little = run(n, vars, 6, 1024 * room);
      expect({ ...little, far: 0 }).toEqual(whole);
      expect(little.far).toBeGreaterThan(room < 100 ? 24 * 1024 : 0);
    }
  });
});
