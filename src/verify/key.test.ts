import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { KINDS } from '../circuit/rows.js';
import { InputError } from '../errors.js';
import { runSchema } from '../run/schema.js';
import { PROOF_VERSION } from '../tensor/statement.js';
import { RECURSION_VERSION } from '../recursion/key.js';
import { setup } from '../setup/run.js';
import { ledgerUnder, parsePublished } from './key.js';

const path = (p: string): string => fileURLToPath(new URL(`../../test/data/${p}`, import.meta.url));

describe('a key that nobody has checked', () => {
  const s = setup(
    runSchema.parse({
      version: 1,
      base: { path: path('tiny') },
      data: [{ path: path('pairs.jsonl') }],
      lora: { r: 2, alpha: 4, targets: ['q_proj'] },
      train: { steps: 2, batch: 2, microBatch: 2, sequence: 12, warmup: 0 },
      numbers: { preset: 'small' },
    }),
    [1n, 2n, 3n, 4n],
  );
  const heights = (n: number): object => Object.fromEntries(KINDS.map((k) => [k, k === 'U' ? Math.min(n, 2 ** 12) : n])),
    proof = { bits: 128, programRate: 2, rate: 2, endRate: 4, settleRates: [4, 4, 4], grinding: 16 };
  const ledger = (o: object = {}) => {
    const raw = {
      type: 'certune-key',
      version: RECURSION_VERSION,
      proofVersion: PROOF_VERSION,
      programs: [`sha256:${'0'.repeat(64)}`],
      leaves: [{ kind: 'step', count: 1 }],
      proof,
      heights: heights(1024),
      endHeights: heights(1024),
      baseVars: 20,
      root: ['1', '2', '3', '4'],
      endRoot: ['1', '2', '3', '4'],
      ...o,
    };
    return () => ledgerUnder('f', s.run, parsePublished('f', raw));
  };
  it('has a ledger where circuits follow from it, and is refused as unreadable where none do', () => {
    expect(ledger()().leaves).toBe(2);
    for (const o of [
      { endHeights: heights(2 ** 24), proof: { ...proof, endRate: 8 } },
      { heights: heights(2 ** 24), proof: { ...proof, rate: 8 } },
      { heights: { ...heights(1024), U: 2 ** 13 } },
      { baseVars: 40 },
      { leaves: [{ kind: 'micro', count: 1 }] },
      { leaves: [{ kind: 'step', count: 64 }] },
    ])
      expect(ledger(o), JSON.stringify(o)).toThrow(InputError);
    // Long domains at low rates have folds of enough bits.
    expect(ledger({ endHeights: heights(2 ** 16), proof: { ...proof, endRate: 8 } })().roundByRound).toBeGreaterThanOrEqual(128);
  });
});
