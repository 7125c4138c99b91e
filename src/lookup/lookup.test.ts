import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deviceOf } from '../device/current.js';
import * as E from '../field/ext3.js';
import { P } from '../field/goldilocks.js';
import type { FarBlock } from '../kernels/far.js';
import { OutOfMemoryError } from '../kernels/runtime.js';
import { singleKernels } from '../kernels/single.js';
import { threadedKernels } from '../kernels/threads.js';
import { causal, causalBand, eqLess, eqTable, lessThan } from '../poly/eq.js';
import { type Channel, type Elem, type Ext, NativeChannel, RecordingChannel, VerificationError } from '../transcript/index.js';
import { ProverChannel } from '../transcript/prover.js';
import { boxIndicator, boxPoint, boxWeight, logUpShape, verifyLogUp } from './index.js';
import { proveLogUp } from './prove.js';

const k = singleKernels();
const rnd = (s: number): (() => number) => {
  let x = (s * 2654435761) >>> 0;
  return () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x / 2 ** 32;
  };
};

/** Boxes of random keys into one identity table of 16 rows; the verifier evaluates everything naively. */
function run(seed: number, dims: number[][], bad?: 'key' | 'mult' | 'word', kk = k, far = false) {
  const k = kk,
    m = k.mark(),
    r = rnd(seed),
    T = 16;
  const keys = dims.map((d) => Array.from({ length: d.reduce((a, b) => a * b, 1) }, () => Math.floor(r() * T)));
  const mult = new Array<number>(T).fill(0);
  for (const x of keys) for (const v of x) mult[v]++;
  if (bad === 'key') keys[0][0] = T + 3;
  if (bad === 'mult') mult[2]++;
  const shape = logUpShape([
    ...dims.map((d, i) => ({ name: `b${i}`, dims: d, kind: 'lookup' as const })),
    { name: 'table', dims: [T], kind: 'table' as const },
  ]);
  const verify = (ch: Channel) => {
    ch.publicWords('mult', mult.map(BigInt));
    const gamma = ch.sample('gamma');
    const { rho, num, den } = verifyLogUp(ch, shape);
    let n = ch.constant(0n),
      d = ch.constant(1n);
    shape.boxes.forEach((b, i) => {
      const w = boxWeight(ch, shape, b, rho),
        pt = boxPoint(shape, b, rho),
        ind = boxIndicator(ch, b, pt);
      let eq: Elem[] = [ch.constant(1n)];
      pt.forEach((p, a) => {
        const t = eqTable(ch, p, b.dims[a]);
        eq = eq.flatMap((x) => t.map((y) => ch.mul(x, y)));
      });
      const values = b.kind === 'table' ? mult.map((_, v) => v) : keys[i];
      let e = ch.constant(0n),
        s = ch.constant(0n);
      values.forEach((v, c) => {
        e = ch.mulAdd(eq[c], ch.constant(BigInt(v)), e);
        if (b.kind === 'table') s = ch.mulAdd(eq[c], ch.constant(-BigInt(mult[c])), s);
      });
      n = ch.mulAdd(w, b.kind === 'table' ? s : ind, n);
      d = ch.mulAdd(w, ch.sub(ch.sub(ch.mul(ind, gamma), e), ind), d);
    });
    ch.assertEqual(n, num, 'numerator');
    ch.assertEqual(d, den, 'denominator');
  };
  const rec = new RecordingChannel();
  verify(rec);
  const ch = new ProverChannel(rec.schedule);
  ch.publicWords('mult', mult.map(BigInt));
  const gamma = ch.sample('gamma');
  const blocks: FarBlock[] = [],
    d = deviceOf(k);
  const inputs = dims.map((_, i) => {
    const words = Math.ceil(keys[i].length / 2),
      m2 = k.mark(),
      p = k.alloc(8 * words + 8);
    keys[i].forEach((v, c) => {
      k.u32[p / 4 + c] = v;
    });
    if (!far) return { kind: 'range' as const, keys: d.bring(p, words), g: gamma };
    const block = k.far.alloc(8 * words);
    k.far.store(block, 0, p, 8 * words);
    k.release(m2);
    blocks.push(block);
    return { kind: 'range' as const, keys: block, g: gamma };
  });
  const den = d.bring(k.exts(mult.map((_, v): Ext => E.sub(gamma, [BigInt(v), 0n, 0n]))), 3 * T),
    num = d.bring(k.exts(mult.map((x): Ext => E.neg([BigInt(x), 0n, 0n]))), 3 * T);
  proveLogUp(k, ch, shape, [...inputs, { kind: 'table', den, num }]);
  for (const b of blocks) k.far.free(b);
  const proof = ch.words();
  const check = (p: BigUint64Array): void => {
    const c = new NativeChannel(k, p);
    try {
      verify(c);
      c.finish();
    } finally {
      c.close();
    }
  };
  return { proof, check, done: () => k.release(m) };
}

describe('LogUp-GKR', () => {
  it('accepts boxes of any shape', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e6 }),
        fc.array(fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 0, maxLength: 4 }), { minLength: 1, maxLength: 5 }),
        (seed, dims) => {
          const s = run(seed, dims);
          s.check(s.proof);
          s.done();
        },
      ),
      { numRuns: 60 },
    );
  });
  it('gives the same proof, and leaves no far page behind, when little fits the linear memory', async () => {
    const dims = [[37, 5, 16], [3, 251], [1023], [64, 31], [3, 251], [1], []];
    const near = run(11, dims);
    near.check(near.proof);
    // What the kernels do may change, the words may not.
    expect(createHash('sha256').update(new Uint8Array(near.proof.slice().buffer)).digest('hex')).toBe(
      '2209c442b126d73c7c9090d68045f4e0dfa6a744e9689d3d97655a531c8b7584',
    );
    for (const threads of [1, 2])
      for (const room of [80, 150, 400]) {
        const small = await threadedKernels({ threads, nearBytes: k.mark() + 1024 * room, farPage: 1024 });
        const s = run(11, dims, undefined, small, true);
        expect(s.proof).toEqual(near.proof);
        expect(small.far.peakBytes).toBeGreaterThan(room < 400 ? 4 * 6940 + 100_000 : 4 * 6940);
        expect(small.far.usedBytes).toBe(0);
        small.close();
      }
    near.done();
  });
  it('refuses where far memory would pass the budget, naming the number', async () => {
    const small = singleKernels({ maxBytes: 2 ** 22 + 2 ** 17, nearBytes: k.mark() + 80 * 1024, farPage: 1024 });
    try {
      run(
        11,
        [
          [37, 5, 16],
          [64, 31],
        ],
        undefined,
        small,
        true,
      );
      expect.unreachable();
    } catch (e) {
      expect(e).toBeInstanceOf(OutOfMemoryError);
      expect((e as OutOfMemoryError).cap).toBe(2 ** 22 + 2 ** 17);
    }
  });
  it('rejects a key outside the table and a wrong multiplicity', () => {
    for (const bad of ['key', 'mult'] as const) {
      const s = run(5, [[3, 5], [7]], bad);
      expect(() => s.check(s.proof)).toThrow(VerificationError);
      s.done();
    }
  });
  it('rejects every mutated word', () => {
    const s = run(9, [[3, 5, 2], [1], [6, 1, 3]]);
    for (let i = 0; i < s.proof.length; i++) {
      const bad = s.proof.slice();
      bad[i] = (bad[i] + 1n) % P;
      expect(() => s.check(bad), `word ${i}`).toThrow(VerificationError);
    }
    s.done();
  });
});

describe('closed forms', () => {
  it('equal the sums they stand for', () => {
    const ch = new NativeChannel(k, new BigUint64Array(0)),
      r = rnd(3);
    const pt = (v: number): Elem[] =>
      Array.from({ length: v }, () => ch.constant([BigInt(Math.floor(r() * 2 ** 30)), 5n, BigInt(Math.floor(r() * 99))]));
    for (const n of [1, 2, 3, 5, 6, 8, 11, 16]) {
      const v = Math.ceil(Math.log2(n)),
        a = pt(v),
        b = pt(v),
        A = eqTable(ch, a, n),
        B = eqTable(ch, b, n),
        zero = ch.constant(0n);
      ch.assertEqual(
        lessThan(ch, a, n),
        A.reduce((s, x) => ch.add(s, x), zero),
        'lessThan',
      );
      ch.assertEqual(
        eqLess(ch, a, b, n),
        A.reduce((s, x, i) => ch.mulAdd(x, B[i], s), zero),
        'eqLess',
      );
      let c = zero;
      A.forEach((x, i) =>
        B.forEach((y, j) => {
          if (j <= i) c = ch.mulAdd(x, y, c);
        }),
      );
      ch.assertEqual(causal(ch, a, b, n), c, 'causal');
      // A band of n queries behind 1, 2 and 3 of its own power of two.
      for (const first of [1, 2, 3].map((x) => x * 2 ** v)) {
        const keys = Math.ceil(Math.log2(first + n)),
          key = pt(keys),
          K = eqTable(ch, key, first + n);
        let band = zero;
        A.forEach((x, i) =>
          K.forEach((y, j) => {
            if (j <= first + i) band = ch.mulAdd(x, y, band);
          }),
        );
        ch.assertEqual(causalBand(ch, a, key, n, first), band, 'causal band');
      }
    }
    ch.close();
  });
});
