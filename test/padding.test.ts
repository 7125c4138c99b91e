import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as E from '../src/field/ext3.js';
import { P } from '../src/field/goldilocks.js';
import { singleKernels } from '../src/kernels/index.js';
import { ProgramBuilder, expr, term } from '../src/tensor/builder.js';
import { evalWeights } from '../src/tensor/claims.js';
import { forRuns } from '../src/tensor/integer.js';
import { type Plan, makePlan } from '../src/tensor/plan.js';
import type { TensorClass } from '../src/tensor/types.js';
import { type Ext, NativeChannel, VerificationError } from '../src/transcript/index.js';
import { QUICK, lcg, proveCase, verifyCase } from './kit.js';
import { stepCase } from './llama-case.js';
import { randomCase, shape } from './random-case.js';

/*
 * Padding. A tensor has a place in the stack for each of its cells and for nothing else, so there is no padded cell to
 * write into; what alignment leaves between blocks belongs to no tensor, carries weight zero in every claim and enters
 * nothing. The weights that the verifier evaluates block by block are compared with their definition, cell by cell,
 * over the whole stack.
 */
const k = singleKernels(),
  vk = singleKernels();

/**
 * Cells of each tensor in its stack: tensor cell -> position. Throws when two tensors (but for aliases) share one or a
 * cell has none.
 */
function places(plan: Plan, cls: TensorClass): Map<string, Map<number, number>> {
  const layout = plan.layouts.get(cls)!,
    owner = new Map<number, string>(),
    at = new Map<string, Map<number, number>>();
  for (const { tensor, blocks } of layout.tensors.values()) {
    const sizes = tensor.axes.map((a) => plan.extended.axes[a]),
      cells = new Map<number, number>();
    for (const b of blocks)
      forRuns(sizes, b, (first, off, n) => {
        for (let i = 0; i < n; i++) {
          expect(cells.has(first + i), `${tensor.name}[${first + i}] has two places`).toBe(false);
          cells.set(first + i, b.position + off + i);
        }
      });
    expect(cells.size, tensor.name).toBe(sizes.reduce((x, y) => x * y, 1));
    if (tensor.aliasOf === undefined)
      for (const p of cells.values()) {
        expect(owner.get(p), `position ${p}`).toBeUndefined();
        owner.set(p, tensor.name);
      }
    at.set(tensor.name, cells);
  }
  return at;
}

/** Compares the weights of a plan's claims at random points with their definition. */
function compareWeights(plan: Plan, seed: number): void {
  const rnd = lcg(seed),
    element = (): Ext => [0, 0, 0].map(() => BigInt(rnd(2 ** 31)) ** 2n % P) as unknown as Ext;
  const m = vk.mark(),
    ch = new NativeChannel(vk, new BigUint64Array(0));
  const rho = Array.from({ length: plan.logup.vars }, element),
    axes = new Map(plan.axes.map((a) => [a.axis, Array.from({ length: a.vars }, element)])),
    points = { rho: rho.map((e) => ch.constant(e)), axes: new Map([...axes].map(([a, z]) => [a, z.map((e) => ch.constant(e))])) };
  const eqAt = (z: readonly Ext[], i: number): Ext =>
    z.reduce<Ext>((acc, e, b) => E.mul(acc, (i >> (z.length - 1 - b)) & 1 ? e : E.sub(E.ONE, e)), E.ONE);
  for (const cls of plan.layouts.keys()) {
    const factors = plan.factors.filter((f) => f.tensor.cls === cls).slice(0, 12);
    if (!factors.length) continue;
    const at = places(plan, cls);
    const coefficient = factors.map(element),
      // One variable more than the cells need: the unused tail of the stack takes part.
      vars = 1 + Math.ceil(Math.log2(plan.layouts.get(cls)!.cells)),
      point = Array.from({ length: vars }, element);
    const got = ch.value(
      evalWeights(
        ch,
        plan,
        cls,
        factors.map((factor, i) => ({ factor, coefficient: ch.constant(coefficient[i]) })),
        points,
        point.map((e) => ch.constant(e)),
      ),
    );
    let want: Ext = E.ZERO;
    factors.forEach((f, i) => {
      const sizes = f.tensor.axes.map((a) => plan.extended.axes[a]);
      const weight = f.slots.map((s, d) => {
        const w = Array<Ext>(sizes[d]).fill(E.ZERO);
        if (s.kind === 'index') w[s.index] = E.ONE;
        else {
          const z = s.kind === 'rho' ? rho.slice(s.from, s.to) : axes.get(s.axis)!;
          for (let j = 0; j < s.size; j++) w[s.stride * j + s.offset] = eqAt(z, j);
        }
        return w;
      });
      for (const [cell, position] of at.get(f.tensor.name)!) {
        let rest = cell,
          v = coefficient[i];
        for (let d = sizes.length - 1; d >= 0; d--) {
          v = E.mul(v, weight[d][rest % sizes[d]]);
          rest = Math.floor(rest / sizes[d]);
        }
        if (!E.eq(v, E.ZERO)) want = E.add(want, E.mul(v, eqAt(point, position)));
      }
    });
    expect(got, cls).toEqual(want);
  }
  ch.close();
  vk.release(m);
}

describe('padding', () => {
  it('has no place: every cell has one, no two share one, weights are those of the cells and zero elsewhere', () => {
    fc.assert(
      fc.property(shape, (x) => {
        compareWeights(makePlan(randomCase(x).program, QUICK), x.seed ^ 99);
      }),
      { numRuns: 25 },
    );
  });

  it('takes no weight of an access to a part of an axis, in one piece of it, around one or across', () => {
    // Sizes of axis and part, and where the part begins.
    // Multiples of a power of two that holds the part have a closed form.
    for (const [n, size, offset] of [
      [24, 8, 16],
      [24, 8, 8],
      [24, 5, 0],
      [24, 7, 16],
      [64, 16, 48],
      [29, 13, 16],
      [29, 12, 16],
      [27, 8, 3],
      [40, 32, 0],
      [23, 7, 16],
    ]) {
      const b = new ProgramBuilder('part', 6);
      for (const [a, m] of Object.entries({ l: 1, n, s: size })) b.axis(a, m);
      for (const [name, axis] of [
        ['x', 'n'],
        ['y', 's'],
        ['z', 's'],
      ])
        b.tensor(name, [axis], 'witness', { lo: -128n, hi: 127n, frac: 0 });
      for (const [name, axis] of [
        ['x', 'n'],
        ['z', 's'],
      ])
        b.range(name, [axis], expr([term(1, `${name}[${axis}]`)], 128n), 8);
      b.round('y', ['s'], expr([term(1, `x[s+${offset}]`)]), 0);
      b.tensor('sum', ['l'], 'public', { lo: -100_000_000n, hi: 100_000_000n, frac: 0 }, { publicKind: 'dense' });
      b.round('sum', ['l'], expr([term(1, `x[s+${offset}]`, 'z[s]')]), 0);
      compareWeights(makePlan(b.build(), QUICK), n * size + offset);
    }
  });

  it('of a batch is in the statement: a token or a mask bit in it is another public input', () => {
    const c = stepCase(),
      p = proveCase(k, c);
    verifyCase(vk, p);
    const tokens = p.statement.publics.get('tokens') as Int32Array,
      mask = p.statement.publics.get('mask') as BigInt64Array;
    expect([tokens[7], mask[7]]).toEqual([0, 0n]);
    const other = (name: string, v: Int32Array | BigInt64Array): void =>
      expect(() => verifyCase(vk, p, { statement: { ...p.statement, publics: new Map([...p.statement.publics, [name, v]]) } })).toThrow(
        VerificationError,
      );
    other(
      'tokens',
      Int32Array.from(tokens, (t, i) => (i === 7 ? 3 : t)),
    );
    other(
      'mask',
      BigInt64Array.from(mask, (t, i) => (i === 7 ? 1n : t)),
    );
  });
});
