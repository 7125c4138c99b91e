import { describe, expect, it } from 'vitest';
import { P } from '../field/goldilocks.js';
import { singleKernels } from '../kernels/index.js';
import { TrustedRoot } from '../pcs/trusted.js';
import { evaluateStack } from '../tensor/deferred.js';
import { type Ext, NativeChannel, VerificationError, asDigest } from '../transcript/index.js';
import { commitStack } from '../recursion/commit.js';
import { proveSettled } from './settle.js';
import { settleMatrix, settleShape } from '../recursion/settle-shape.js';
import { verifySettled } from '../recursion/settle.js';

const k = singleKernels(),
  params = { bits: 40, grinding: 4 };
const point = (n: number): Ext[] => Array.from({ length: n }, (_, i) => [BigInt(i * i + 7), BigInt(3 * i + 1), P - BigInt(i + 1)] as const);

describe('settling of a claim on a committed stack', () => {
  it.each([
    [6, 40],
    [9, 512],
    [11, 1300],
    [13, 8192],
  ])('%i variables, %i words: accepts the value, refuses another value, point, root and every changed word', (vars, cells) => {
    const m = k.mark(),
      shape = settleShape(vars, cells, params, 'base'),
      words = BigInt64Array.from({ length: cells }, (_, i) => BigInt(i * 7919) - 3_000_000n),
      s = commitStack(k, shape, words),
      z = point(vars),
      value = evaluateStack(k, s.stack.ptr!, cells, z),
      proof = proveSettled(k, s, { point: z, value });
    const check = (p: BigUint64Array, o: { value?: Ext; point?: Ext[]; root?: readonly bigint[] } = {}): void => {
      const ch = new NativeChannel(k, p);
      try {
        verifySettled(ch, shape, TrustedRoot.ofBase(asDigest((o.root ?? s.oracle.root).map((x) => ch.constant(x)))), {
          point: (o.point ?? z).map((x) => ch.constant(x)),
          value: ch.constant(o.value ?? value),
        });
        ch.finish();
      } finally {
        ch.close();
      }
    };
    check(proof);
    expect(() => check(proof, { value: [(value[0] + 1n) % P, value[1], value[2]] })).toThrow(VerificationError);
    expect(() => check(proof, { point: [...z.slice(1), z[0]] })).toThrow(VerificationError);
    expect(() => check(proof, { root: [...s.oracle.root].reverse() })).toThrow(VerificationError);
    expect(() => check(proof.slice(1))).toThrow(VerificationError);
    for (let i = 0; i < proof.length; i += 1 + Math.floor(proof.length / 60)) {
      const bad = proof.slice();
      bad[i] ^= 1n;
      expect(() => check(bad), String(i)).toThrow(VerificationError);
    }
    // A dishonest prover who opens another value than the stack has.
    const lie = proveSettled(k, s, { point: z, value: [(value[0] + 1n) % P, value[1], value[2]] });
    expect(() => check(lie, { value: [(value[0] + 1n) % P, value[1], value[2]] })).toThrow(VerificationError);
    k.release(m);
  });

  it('in little memory it is the same commitment and the same proof', () => {
    const vars = 18,
      cells = 260_000,
      shape = settleShape(vars, cells, params, 'base', 1),
      words = BigInt64Array.from({ length: cells }, (_, i) => BigInt(i * 7919) - 3_000_000n),
      z = point(vars);
    const made = (nearBytes?: number): { root: readonly bigint[]; proof: BigUint64Array; near: boolean; far: number } => {
      const own = singleKernels({ ...(nearBytes ? { nearBytes } : {}), farPage: 512 }),
        s = commitStack(own, shape, words),
        value = own.scope(() => {
          const at = own.alloc(8 * cells);
          own.i64.set(words, at / 8);
          return evaluateStack(own, at, cells, z);
        });
      const proof = proveSettled(own, s, { point: z, value });
      return { root: s.oracle.root, proof, near: s.stack.ptr !== undefined, far: own.far.peakBytes };
    };
    const whole = made(),
      little = made(0x78_0000);
    expect([whole.near, whole.far, little.near]).toEqual([true, 0, false]);
    expect(little.far).toBeGreaterThan(0);
    expect({ root: little.root, proof: little.proof }).toEqual({ root: whole.root, proof: whole.proof });
  });

  it('columns of large stacks have at most 2^21 rows, as long as 256 columns are enough', () => {
    const matrix = (vars: number): number[] => {
      const { logColumns, logHeight, logInvRate } = settleMatrix(settleShape(vars, 2 ** vars - 1, { bits: 128, grinding: 16 }, 'base'));
      return [logColumns, logHeight, logInvRate];
    };
    expect([20, 26, 27, 28, 29].map(matrix)).toEqual([
      [5, 15, 3],
      [5, 21, 2],
      [6, 21, 2],
      [7, 21, 2],
      [8, 21, 2],
    ]);
  });
});
