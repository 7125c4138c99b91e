import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Kernels, singleKernels, threadedKernels } from '../src/kernels/index.js';
import { large } from './far-program.js';
import { proveCase, verifyCase } from './kit.js';

describe('a proof in little memory', () => {
  let near: Kernels, vk: Kernels;
  beforeAll(async () => {
    near = await threadedKernels({ threads: 1 });
    vk = singleKernels();
  });
  afterAll(() => near.close());
  it('is the proof with all memory, for any budget and number of threads', async () => {
    const c = large();
    const start = near.mark(),
      whole = proveCase(near, c);
    verifyCase(vk, whole);
    const all = near.peakBytes - start;
    let least = Number.POSITIVE_INFINITY,
      most = 0;
    for (const [share, threads] of [
      [0.9, 1],
      [0.7, 2],
      [0.6, 1],
      [0.57, 1],
      [0.55, 2],
    ] as const) {
      const k = await threadedKernels({ threads, nearBytes: start + Math.floor(all * share), farPage: 512 });
      const p = proveCase(k, c);
      expect(p.proof, `${share} of ${all} bytes`).toEqual(whole.proof);
      expect(k.far.usedBytes).toBe(0);
      least = Math.min(least, k.peakBytes - start);
      most = Math.max(most, k.far.peakBytes);
      k.close();
    }
    expect(least).toBeLessThan(0.55 * all);
    expect(most).toBeGreaterThan(0.05 * all);
  });
});
