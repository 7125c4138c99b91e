import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Kernels } from '../src/kernels/index.js';
import { ProgramBuilder, expr, term } from '../src/tensor/builder.js';
import type { Inputs } from '../src/tensor/integer.js';
import type { Program } from '../src/tensor/types.js';
import { lcg, proveCase, verifyCase } from './kit.js';

/** Matrix products, products of tensors over one box, a table, state: large enough that every phase must stream in little memory. */
function sample(): { program: Program; inputs: Inputs } {
  const b = new ProgramBuilder('far', 8);
  for (const [a, n] of Object.entries({ l: 3, d: 37, o: 21, i: 19, P: 63 })) b.axis(a, n);
  b.tensor('W', ['l', 'o', 'd'], 'frozen', { lo: -128n, hi: 127n, frac: 0 });
  b.tensor('x', ['l', 'd', 'i'], 'public', { lo: -128n, hi: 127n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('A', ['l', 'o'], 'cIn', { lo: -50n, hi: 50n, frac: 0 }, { group: 'C' });
  b.tensor('C', ['P'], 'cIn', { lo: -50n, hi: 50n, frac: 0 }, { aliasOf: 'C' });
  b.table({ name: 'exp:2:4', axis: 'exp', lo: 0n, size: 32, columns: ['e1', 'e2'] }, [
    { lo: 0n, hi: 16n, frac: 4 },
    { lo: 0n, hi: 40n, frac: 4 },
  ]);
  b.step('members', [], { op: 'unflatten', group: 'C' });
  b.rounded('Y', ['l', 'o', 'i'], { bits: 12, frac: 0 }, expr([term(1, 'W[l,o,d]', 'x[l,d,i]'), term(8, 'A[l,o]')]), 7);
  b.rounded('S', ['l', 'o', 'i'], { bits: 14, frac: 0 }, expr([term(1, 'Y[l,o,i]', 'Y[l,o,i]')]), 9);
  b.rounded('T', ['l', 'd', 'i'], { bits: 14, frac: 0 }, expr([term(1, 'x[l,d,i]', 'x[l,d,i]', 'x[l,d,i]')]), 10);
  b.tensor('p1', ['l', 'd', 'i'], 'witness', { lo: 0n, hi: 16n, frac: 4 });
  b.tensor('p2', ['l', 'd', 'i'], 'witness', { lo: 0n, hi: 40n, frac: 4 });
  b.tensor('C2', ['P'], 'cOut', { lo: -2048n, hi: 2047n, frac: 0 });
  b.round('C2', ['P'], expr([term(3, 'C[P]')]), 2);
  b.inFormat('C2', { bits: 12, frac: 0 });
  const r = lcg(5),
    fill = (n: number, m: number): BigInt64Array => BigInt64Array.from({ length: n }, () => BigInt(r(2 * m + 1) - m));
  b.tensor('key', ['l', 'd', 'i'], 'public', { lo: 0n, hi: 31n, frac: 0 }, { publicKind: 'dense' });
  b.lookup('soft', ['l', 'd', 'i'], 'exp:2:4', expr([term(1, 'key[l,d,i]')]), ['p1[l,d,i]', 'p2[l,d,i]']);
  return {
    program: b.build(),
    inputs: new Map([
      ['W', fill(3 * 21 * 37, 60)],
      ['x', fill(3 * 37 * 19, 60)],
      ['key', BigInt64Array.from({ length: 3 * 37 * 19 }, () => BigInt(r(32)))],
      ['C', fill(63, 40)],
    ]),
  };
}

describe('a proof in little memory', () => {
  let near: Kernels, vk: Kernels;
  beforeAll(async () => {
    near = await Kernels.create({ threads: 1 });
    vk = Kernels.single();
  });
  afterAll(() => near.close());
  it('is the proof with all memory, for any budget and number of threads', async () => {
    const c = sample();
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
      [0.5, 2],
    ] as const) {
      const k = await Kernels.create({ threads, nearBytes: start + Math.floor(all * share), farPage: 512 });
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
