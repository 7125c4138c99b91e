import { describe, expect, it } from 'vitest';
import { singleKernels } from '../src/kernels/index.js';
import { type Band, bandHeight, bandsOf } from '../src/model/bands.js';
import type { Batch } from '../src/model/step.js';
import { IntegerReading } from '../src/tensor/integer.js';
import { VerificationError } from '../src/transcript/index.js';
import { STORIES, TINY } from '../tools/shapes.js';
import { interpret } from './interpreter.js';
import { bump, proveCase, verifyCase } from './kit.js';
import { stepCase } from './llama-case.js';

/*
 * Attention in bands computes what attention over the square computes, cell by cell, and leaves out cells that the mask
 * makes zero. Rows of the batch are shorter than the sequence, so that padded tokens lie in every band.
 */
const k = singleKernels({ maxBytes: 2 ** 31 }),
  vk = singleKernels();
const BATCH: Batch = {
  tokens: [Int32Array.of(1, 3, 5, 2, 6, 4, 3, 2, 5), Int32Array.of(1, 6, 4)],
  mask: [Uint8Array.of(0, 0, 1, 1, 0, 1, 1, 1, 1), Uint8Array.of(0, 1, 1)],
};
const caseOf = (sequence: number, bands: boolean): ReturnType<typeof stepCase> => stepCase({ batch: BATCH, sequence, bands });
const PAIRS = ['s', 'p1', 'p2', 'dP', 'dS'];

/** Shape of the bands of a sequence of the tiny model. */
const of = (sequence: number): readonly Band[] => bandsOf({ shape: TINY, batch: 2, sequence, bands: true });

describe('attention in bands', () => {
  it('cuts where it saves cells, into three or four bands that hold every query once', () => {
    for (let n = 4; n <= 70; n++) {
      const all = of(n),
        height = bandHeight({ shape: TINY, batch: 2, sequence: n, bands: true });
      expect(all.length).toBeGreaterThanOrEqual(3);
      expect(all.length).toBeLessThanOrEqual(4);
      expect(all.map((x) => x.first)).toEqual(all.map((_, i) => i * height));
      expect(all.at(-1)!.first).toBeLessThan(n);
      expect(all.at(-1)!.first + height).toBeGreaterThanOrEqual(n);
    }
    expect([2, 3].map((n) => of(n).length)).toEqual([1, 3]);
    const at = (batch: number): number => bandsOf({ shape: STORIES, batch, sequence: 64 }).length;
    expect([at(1), at(2), at(8)]).toEqual([1, 4, 4]);
  });

  it.each([4, 5, 7, 8, 9])('%i tokens: the integers of the square', (n) => {
    const square = caseOf(n, false),
      banded = caseOf(n, true),
      m = k.mark(),
      a = new IntegerReading(k, square.program, square.inputs),
      b = new IntegerReading(k, banded.program, banded.inputs);
    a.run();
    b.run();
    for (const t of square.program.tensors)
      if (b.ptr.has(t.name) && t.name !== 'causal') expect(b.read(t.name), t.name).toEqual(a.read(t.name));
    for (const x of of(n))
      for (const name of PAIRS) {
        const whole = a.read(name),
          part = b.read(`${name}${x.suffix}`),
          rows = b.size(x.queries),
          keys = b.size(x.keys);
        expect(keys).toBe(x.first + rows);
        part.forEach((v, c) => {
          const j = c % keys,
            row = Math.floor(c / keys),
            i = x.first + (row % rows),
            cell = (Math.floor(row / rows) * n + i) * n + j;
          expect(v, `${name} ${i} ${j}`).toBe(whole[cell]);
        });
      }
    // What the bands leave out is zero in the square: weights and their gradients.
    const heads = a.read('p1').length / n ** 2;
    for (const name of ['p1', 'p2', 'dS']) {
      const v = a.read(name);
      for (let h = 0; h < heads; h++)
        for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) expect(v[(h * n + i) * n + j], `${name} ${i} ${j}`).toBe(0n);
    }
    k.release(m);
  });

  it('the interpreter agrees', () => {
    const c = caseOf(7, true),
      m = k.mark(),
      got = new IntegerReading(k, c.program, c.inputs),
      want = interpret(c.program, new Map(c.inputs));
    got.run();
    for (const t of c.program.tensors)
      if (got.ptr.has(t.name) && t.cls !== 'frozen') expect(got.read(t.name), t.name).toEqual(want.get(t.name));
    k.release(m);
  });

  it('is proven, and nothing else is', () => {
    const c = caseOf(7, true),
      honest = proveCase(k, c);
    verifyCase(vk, honest);
    const refused = (tensor: string, cell: number): void => {
      const lie = proveCase(k, c, { tamper: bump(tensor, cell) });
      expect(() => verifyCase(vk, lie), `${tensor} ${cell}`).toThrow(VerificationError);
    };
    // A weight in a later band for a key of an earlier one, a score and a gradient of the last band, the sums.
    refused('p1.1', 0);
    refused('s.2', 2);
    refused('dS.3', 1);
    refused('M', 3);
    refused('dkr', 6);
    refused('ctx', 3);
    refused('dP.2', 1);
    refused('dqr', 6);
    refused('dvj', 6);
  });

  it('a query that looks at later keys of its band is refused', () => {
    const c = caseOf(7, true),
      lie = { ...c.program, steps: c.program.steps.map((s) => (s.op === 'lse' && s.causal ? seeing(s) : s)) },
      m = k.mark(),
      did = new IntegerReading(k, lie, c.inputs);
    did.run();
    const shown = did.read('M');
    k.release(m);
    const proof = proveCase(k, c, { tamper: (r) => k.i64.set(shown, r.ptr.get('M')! / 8) });
    expect(() => verifyCase(vk, proof)).toThrow(VerificationError);
  });
});

/** The step without its mask. */
function seeing<T extends { readonly causal?: unknown }>(s: T): Omit<T, 'causal'> {
  const { causal: _, ...rest } = s;
  return rest;
}
