import { describe, expect, it } from 'vitest';
import { proveCase, verifyCase } from '../../test/kit.js';
import { singleKernels } from '../kernels/index.js';
import { VerificationError } from '../transcript/index.js';
import { ProgramBuilder, expr, term } from './builder.js';
import type { IntegerReading } from './integer.js';
import { makePlan } from './plan.js';

/*
 * Ranges without a table of their own: of 12 bits, in a table of 14. Each is two lookups there (planLookups).
 */
const k = singleKernels(),
  vk = singleKernels(),
  OPTIONS = { bits: 30, grinding: 3, rate: 2, stateRate: 3 };

/** y = x on n cells, y in 12 bits; z = x in 14. */
function caseOf(n: number, values: readonly bigint[]) {
  const b = new ProgramBuilder('wide', 14);
  b.axis('i', n);
  b.axis('l', 1);
  b.tensor('x', ['i'], 'public', { lo: 0n, hi: 16383n, frac: 0 }, { publicKind: 'dense' });
  for (const [name, bits] of [
    ['y', 12],
    ['z', 14],
  ] as const)
    b.rounded(name, ['i'], { bits, frac: 0, signed: false }, expr([term(1, 'x[i]')]), 0);
  return {
    program: b.build(),
    inputs: new Map([['x', BigInt64Array.from({ length: n }, (_, i) => values[i % values.length])]]),
    options: OPTIONS,
  };
}

describe('a range in a wider table', () => {
  it('takes two lookups in the place of a table that few look up', () => {
    const few = makePlan(caseOf(4, [0n]).program, OPTIONS),
      many = makePlan(caseOf(2 ** 13 + 1, [0n]).program, OPTIONS);
    expect(few.tables.map((t) => t.size)).toEqual([2 ** 14]);
    expect([...few.topOf.values()]).toEqual([{ box: 1, shift: 2n ** 14n - 2n ** 12n }]);
    expect(few.lookups).toHaveLength(3);
    expect(many.tables.map((t) => t.size)).toEqual([2 ** 12, 2 ** 14]);
    expect(many.topOf.size).toBe(0);
  });

  const ends = caseOf(4, [0n, 4095n, 1n, 2048n]);
  it('admits both ends', () => verifyCase(vk, proveCase(k, ends)));

  /** Proves values that are not in 12 bits, with these row indices for the range of y. */
  const lie = (values: readonly bigint[], keys: (r: IntegerReading) => readonly number[]): void => {
    const p = proveCase(k, ends, {
      tamper: (r) => {
        for (const t of ['x', 'y', 'z']) k.i64.set(BigInt64Array.from(values), r.ptr.get(t)! / 8);
        const honest = r.keys,
          ptr = (rows: readonly number[]): { ptr: number; n: number } => {
            const at = k.alloc(4 * rows.length);
            k.u32.set(rows, at / 4);
            return { ptr: at, n: rows.length };
          };
        r.keys = (c) =>
          c.name === 'y.range' ? ptr(keys(r)) : c.name === 'z.range' ? ptr(values.map((v) => Number(v < 0n ? 0n : v))) : honest(c);
      },
    });
    expect(() => verifyCase(vk, p)).toThrow(VerificationError);
  };
  it('refuses the first value above the range, looked up truly in the wide table', () =>
    lie([0n, 4096n, 1n, 2048n], () => [0, 4096, 1, 2048]));
  it('refuses it with a row that both lookups have', () => lie([0n, 4096n, 1n, 2048n], () => [0, 4095, 1, 2048]));
  it('refuses the last value of the wide table', () => lie([0n, 16383n, 1n, 2048n], () => [0, 4095, 1, 2048]));
});
