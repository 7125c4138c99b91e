import { describe, expect, it } from 'vitest';
import { checkProgram } from '../tensor/bounds.js';
import { expr, term } from '../tensor/expr.js';
import { makePlan } from '../tensor/plan.js';
import type { Program } from '../tensor/types.js';
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

describe('degrees of a program over the field', () => {
  /** x^power = y along r, whose cells a matrix joins along h where it is asked for. */
  const program = (power: number, over: 'field' | 'integers', matrix = false): Program => {
    const free = (name: string, ...axes: string[]): Program['tensors'][number] => ({ name, axes, cls: 'witness', lo: 0n, hi: 1n, frac: 0 });
    return {
      version: 1,
      name: 'powers',
      axes: { r: 3, h: 5, g: 2 },
      scan: 'r',
      tensors: [
        free('x', 'h', 'r'),
        free('y', 'h', 'r'),
        free('z', 'g', 'r'),
        { name: 'A', axes: ['g', 'h'], cls: 'frozen', lo: 0n, hi: 1n, frac: 0 },
      ],
      tables: [],
      ...(over === 'field' ? { field: true as const } : {}),
      constraints: [
        {
          kind: 'zero',
          name: 'power',
          axes: [matrix ? 'g' : 'h', 'r'],
          expr: expr([
            term(1, matrix ? 'z[g,r]' : 'y[h,r]'),
            term(-1, ...(matrix ? ['A[g,h]'] : []), ...Array<string>(power).fill('x[h,r]')),
          ]),
        },
      ],
      steps: [],
      rangeBits: 1,
    };
  };
  it('seven operands over an axis of the constraint, eight in all; three and four over the integers', () => {
    for (const p of [program(7, 'field'), program(7, 'field', true), program(3, 'integers'), program(3, 'integers', true)])
      expect(() => checkProgram(p)).not.toThrow();
    for (const p of [program(8, 'field'), program(8, 'field', true), program(4, 'integers'), program(4, 'integers', true)])
      expect(() => checkProgram(p)).toThrow(/operands/);
  });
  it('a round polynomial has the degree of its axis, and at least four', () => {
    const degrees = (p: Program): Record<string, number> =>
      Object.fromEntries(makePlan(p, { bits: 30, grinding: 3, rate: 2, stateRate: 3 }).axes.map((a) => [a.axis, a.degree]));
    // Seven operands and eq along both axes; with a matrix along h in the place of eq.
    expect(degrees(program(7, 'field'))).toEqual({ r: 8, h: 8 });
    expect(degrees(program(7, 'field', true))).toEqual({ r: 8, h: 8 });
    expect(degrees(program(5, 'field'))).toEqual({ r: 6, h: 6 });
    expect(degrees(program(2, 'field'))).toEqual({ r: 4, h: 4 });
  });
});
