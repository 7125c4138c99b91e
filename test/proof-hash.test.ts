import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { P } from '../src/field/goldilocks.js';
import type { HashName } from '../src/hash/index.js';
import { singleKernels } from '../src/kernels/index.js';
import { NativeChannel, RecordingChannel, VerificationError } from '../src/transcript/index.js';
import { ProverChannel } from '../src/transcript/prover.js';
import { newSponge } from '../src/transcript/sponge.js';
import { QUICK, lcg, proveCase, verifyCase } from './kit.js';
import { stepCase } from './llama-case.js';

// A proof level has one hash for its trees and its transcript: what holds for Poseidon2 holds for BLAKE3, and no proof
// passes for one of the other.
const k = singleKernels(),
  vk = singleKernels();
const options = (hash: HashName) => ({ ...QUICK, hash });
const word = fc.bigInt({ min: 0n, max: P - 1n });
afterAll(() => {
  k.close();
});

describe.each(['poseidon2', 'blake3'] as const)('transcript of %s', (hash) => {
  const squeezed = (parts: readonly (readonly bigint[])[]): bigint[] => {
    const m = k.mark(),
      s = newSponge(k, hash),
      p = k.alloc(8 * 64);
    let last: bigint[] = [];
    for (const words of parts) {
      k.u64.set(words, p / 8);
      s.absorb(p, words.length);
    }
    s.squeeze(p, 5);
    last = [...k.u64.subarray(p / 8, p / 8 + 5)];
    k.release(m);
    return last;
  };
  it('depends on every word, not on how they are cut; gives canonical words', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), fc.nat(19), fc.nat(19), (w, i, cut) => {
        const out = squeezed([w]);
        expect(out.every((x) => x < P)).toBe(true);
        expect(squeezed([w.slice(0, cut), w.slice(cut)])).toEqual(out);
        // The sponge overwrites and has its lengths from the schedule: only there may a zero more be the same.
        if (hash === 'blake3') expect(squeezed([[...w, 0n]])).not.toEqual(out);
        expect(squeezed([w.map((x, j) => (j === i % w.length ? (x + 1n) % P : x))])).not.toEqual(out);
      }),
      { numRuns: 40 },
    );
  });
  it('takes the first nonce with enough work, and no other', () => {
    const rec = new RecordingChannel();
    const run = (ch: RecordingChannel | NativeChannel): void => {
      ch.readBase('words', 3);
      ch.grind('work', 8);
      ch.sample('after');
    };
    run(rec);
    const ch = new ProverChannel(rec.schedule, { hash });
    ch.sendBase('words', [1n, 2n, 3n]);
    ch.grind('work', 8);
    const after = ch.sample('after'),
      proof = ch.words();
    const verify = (p: BigUint64Array): void => {
      const n = new NativeChannel(vk, p, hash);
      try {
        n.readBase('words', 3);
        n.grind('work', 8);
        expect(n.value(n.sample('after'))).toEqual([...after]);
        n.finish();
      } finally {
        n.close();
      }
    };
    verify(proof);
    for (let i = 0n; i < proof[3]; i++) expect(() => verify(BigUint64Array.of(1n, 2n, 3n, i))).toThrow(VerificationError);
  });
});

describe('program proofs of one hash', () => {
  const c = stepCase(),
    proved = Object.fromEntries((['poseidon2', 'blake3'] as const).map((h) => [h, proveCase(k, { ...c, options: options(h) })]));
  it('verify under it and are refused under the other', () => {
    for (const [hash, other] of [
      ['poseidon2', 'blake3'],
      ['blake3', 'poseidon2'],
    ] as const) {
      expect(() => verifyCase(vk, proved[hash]), hash).not.toThrow();
      expect(() => verifyCase(vk, proved[hash], { plan: proved[other].plan })).toThrow(VerificationError);
    }
  });
  it('mutated words of a BLAKE3 proof are refused', () => {
    const p = proved['blake3'],
      rnd = lcg(5);
    for (let i = 0; i < 400; i++) {
      const proof = p.proof.slice(),
        at = rnd(proof.length);
      proof[at] = i % 2 ? proof[at] ^ (1n << BigInt(rnd(64))) : (proof[at] + 1n + BigInt(rnd(2 ** 30))) % P;
      if (proof[at] !== p.proof[at]) expect(() => verifyCase(vk, p, { proof }), `word ${at}`).toThrow(VerificationError);
    }
  });
  it('a prover that changes messages and derives the rest again is refused', () => {
    for (const label of ['logup', 'sumcheck', 'operand values', 'whir 0', 'whir final', 'table']) {
      const p = proveCase(
        k,
        { ...c, options: options('blake3') },
        { hook: (l, w) => (l.startsWith(label) && !l.endsWith('work') ? w.map((x, i) => (i ? x : (x + 1n) % P)) : w) },
      );
      expect(() => verifyCase(vk, p), label).toThrow(VerificationError);
    }
  });
});
