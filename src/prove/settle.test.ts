import { describe, expect, it } from 'vitest';
import { P } from '../field/goldilocks.js';
import { singleKernels } from '../kernels/index.js';
import { TrustedRoot } from '../pcs/trusted.js';
import { evaluateStack } from '../tensor/deferred.js';
import { type Ext, NativeChannel, VerificationError, asDigest } from '../transcript/index.js';
import { commitStack } from '../recursion/commit.js';
import { proveSettled } from './settle.js';
import { settleShape } from '../recursion/settle-shape.js';
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
      value = evaluateStack(k, s.ptr, cells, z),
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
});
