import { describe, expect, it } from 'vitest';
import { threadedKernels } from '../src/kernels/index.js';
import { forecastMemory } from '../src/tensor/memory.js';
import { proveCase } from './kit.js';
import { large } from './far-program.js';

describe('forecast of the memory of a proof', () => {
  it('is within a quarter of what the prover takes', async () => {
    for (const [d, o, i] of [
      [37, 21, 19],
      [64, 64, 32],
      [129, 30, 50],
    ]) {
      const k = await threadedKernels({ threads: 1 }),
        below = k.mark(),
        { plan } = proveCase(k, large(d, o, i)),
        f = forecastMemory(plan, { below });
      expect(f.near / k.peakBytes, `${d} ${o} ${i}: forecast ${f.near}, taken ${k.peakBytes} with ${below} below`).toBeGreaterThan(0.75);
      expect(f.near / k.peakBytes, `${d} ${o} ${i}: forecast ${f.near}, taken ${k.peakBytes} with ${below} below`).toBeLessThan(1.25);
      expect(f.far).toBe(0);
      k.close();
    }
  });
});
