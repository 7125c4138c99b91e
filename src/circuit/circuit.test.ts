import { describe, expect, it } from 'vitest';
import { permute } from '../hash/poseidon2.js';
import { permutationForms, permutationWitness } from './poseidon2.js';
import { mod } from '../field/goldilocks.js';

describe('Poseidon2 as linear forms', () => {
  it('equals the permutation', () => {
    const input = Array.from({ length: 12 }, (_, k) => mod(BigInt(k * k + 5) * 0x9e3779b97f4a7c15n)),
      w = permutationWitness(input),
      f = permutationForms();
    expect(w.out).toEqual(permute(input));
    const y = w.x.map((x) => mod(x ** 7n));
    f.A.forEach((r, g) => expect(mod(r.reduce((s, a, h) => s + a * y[h], f.C[g])), `${g}`).toBe(w.x[12 + g]));
    f.B.forEach((r, l) => expect(mod(r.reduce((s, a, h) => s + a * y[h], f.D[l]))).toBe(w.out[l]));
    f.back.forEach((r, l) => expect(mod(r.reduce((s, a, u) => s + a * w.x[u], f.backConstant[l]))).toBe(input[l]));
    expect(f.A.every((r, g) => r.every((a, h) => h < 12 + g || a === 0n))).toBe(true);
  });
});
