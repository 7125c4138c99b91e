import { describe, expect, it } from 'vitest';
import { singleKernels } from '../src/kernels/index.js';
import { scheduleOf } from '../src/tensor/schedule.js';
import { VerificationError, messageWords } from '../src/transcript/index.js';
import { type Proved, lcg, proveCase, verifyCase } from './kit.js';
import { mutateScalar, mutateStructure } from './mutate.js';
import { type Kind, randomCase } from './random-case.js';

/*
 * 10,000 mutations of small proofs, six in ten of decoded scalars: never accepted, never an error without a type. A
 * verifier reads as many words as its schedule has, so none can take longer than an honest proof.
 */
const k = singleKernels(),
  vk = singleKernels();

// The first has ranges of 2^16 rows, so that its opening has a round between the first and the last.
const proofs: Proved[] = (
  [
    [['quotient', 'matrix', 'lse', 'state'], 3],
    [['strided', 'silu', 'sqrt'], 4],
    [['quotient', 'causal', 'exact'], 6],
  ] as [Kind[], number][]
).map(([kinds, seed]) =>
  proveCase(k, randomCase({ sizes: { l: 1, d: 3, o: 2, v: 3, b: 1, i: 3 }, kinds, rangeBits: seed === 3 ? 16 : 6, seed })),
);

describe('mutations of small proofs', () => {
  it.each([
    ['decoded scalars', 6000],
    ['bytes and structure', 4000],
  ] as const)(
    '%s, %i of them',
    (kind, count) => {
      const rnd = lcg(kind.length * 7919),
        bad: string[] = [],
        checks = new Set<string>();
      const scalars = proofs.map((p) => {
        const out: { at: number; words: number }[] = [];
        let at = 0;
        for (const m of scheduleOf(p.plan, p.statement)) {
          const n = messageWords(m);
          if (m.kind === 'ext') for (let i = 0; i < m.count; i++) out.push({ at: at + 3 * i, words: 3 });
          else if (m.kind === 'base' || m.kind === 'digest' || m.kind === 'grind')
            for (let i = 0; i < n; i++) out.push({ at: at + i, words: 1 });
          at += n;
        }
        return out;
      });
      let done = 0;
      for (let i = 0; done < count; i++) {
        const n = i % 10 ? 1 + (i % 2) : 0,
          p = proofs[n],
          { proof, what } = kind === 'decoded scalars' ? mutateScalar(p.proof, scalars[n], rnd) : mutateStructure(p.proof, rnd);
        if (proof.length === p.proof.length && proof.every((x, w) => x === p.proof[w])) continue;
        done++;
        try {
          verifyCase(vk, p, { proof });
          bad.push(`accepted: ${what}`);
        } catch (e) {
          if (e instanceof VerificationError) checks.add(e.check.replace(/\d+/g, '#'));
          else bad.push(`${what}: ${String(e)}`);
        }
      }
      expect(bad).toEqual([]);
      // Mutations reach every kind of check, not the first one alone.
      for (const c of kind === 'decoded scalars'
        ? ['LogUp layer #', 'LogUp numerators', 'batched sumcheck', 'grinding', 'frozen reduction', 'WHIR final sum']
        : ['canonical word', 'proof length', 'Merkle path', 'Merkle cap', 'LogUp layer #'])
        expect([...checks], c).toContain(c);
    },
    300_000,
  );
});
