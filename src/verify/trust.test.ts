import { describe, expect, it } from 'vitest';
import { type VerificationKey, RECURSION_VERSION, keyDigest } from '../recursion/key.js';
import { VerificationError } from '../transcript/arith.js';
import { PROOF_VERSION, programDigest } from '../tensor/statement.js';
import type { Program } from '../tensor/types.js';
import { parsePublished } from './key.js';
import { originText, trustedKey } from './trust.js';
import type { Run } from '../run/facts.js';

const program = { name: 'p' } as unknown as Program,
  run = (o: { proof?: object; programs?: object } = {}): Run =>
    ({
      programs: { program, digest: programDigest(program), ...o.programs },
      manifest: { config: { proof: { bits: 100, rate: 3, ...o.proof } } },
    }) as unknown as Run,
  hex = programDigest(program)
    .map((w) => w.toString(16).padStart(8, '0'))
    .join(''),
  heights = Object.fromEntries(['K', 'W', 'H', 'E', 'F', 'S', 'P', 'M', 'U', 'Q', 'G', 'B', 'D', 'T', 'I'].map((k) => [k, 16])),
  key = {
    type: 'certune-key',
    version: RECURSION_VERSION,
    proofVersion: PROOF_VERSION,
    programs: [`sha256:${hex}`],
    leaves: [{ kind: 'step', count: 1 }],
    proof: { bits: 100, programRate: 3, rate: 2, endRate: 4, settleRates: [2, 4, 3], grinding: 16 },
    heights,
    endHeights: heights,
    baseVars: 19,
    root: ['1', '2', '3', '4'],
    endRoot: ['5', '6', '7', '8'],
  } as unknown as VerificationKey,
  beside = { ...key } as unknown as Record<string, unknown>,
  digest = keyDigest(key);

describe('whose word a verification key is', () => {
  it('given, shipped, or recomputed: in this order, and each is said', () => {
    const recompute = () => ({ key, seconds: 2.5 }),
      shipped = [{ name: 'demo', digest }];
    const given = trustedKey(beside, run(), { given: { digest }, shipped, recompute });
    expect([given.origin.from, originText(given.origin)]).toEqual(['given', 'given by you']);
    expect(trustedKey(beside, run(), { given: { key }, shipped: [], recompute }).origin.from).toBe('given');
    const own = trustedKey(beside, run(), { shipped, recompute });
    expect([own.origin.from, originText(own.origin)]).toEqual(['shipped', 'shipped with this release (demo)']);
    const before = trustedKey(beside, run(), { shipped: [], kept: digest, recompute });
    expect([before.origin.from, originText(before.origin)]).toEqual(['kept', 'recomputed from the programs before, by you']);
    // One that was kept and differs is made again; without recomputing none is taken from before.
    expect(trustedKey(beside, run(), { shipped: [], kept: `sha256:${'0'.repeat(64)}`, recompute }).origin.from).toBe('recomputed');
    expect(() => trustedKey(beside, run(), { shipped: [], kept: digest })).toThrow(/came with the proof alone/);
    const made = trustedKey(beside, run(), { shipped: [], recompute });
    expect([made.origin.from, originText(made.origin)]).toEqual(['recomputed', 'recomputed from the programs in 2.5 s']);
    expect(made.key).toBe(key);
  });
  it('a key that comes with the proof alone is refused, and any other than the trusted one', () => {
    const refuse = (raw: Record<string, unknown>, o: Parameters<typeof trustedKey>[2], why: RegExp, f = run()): void => {
      expect(() => trustedKey(raw, f, o)).toThrow(VerificationError);
      expect(() => trustedKey(raw, f, o)).toThrow(why);
    };
    refuse(beside, { shipped: [] }, /came with the proof alone/);
    const other = { ...beside, root: ['1', '2', '3', '5'] };
    refuse(other, { shipped: [{ name: 'demo', digest }] }, /came with the proof alone/);
    refuse(other, { shipped: [], recompute: () => ({ key, seconds: 1 }) }, /the programs of the manifest give/);
    refuse(other, { given: { digest }, shipped: [] }, /the key given is/);
    refuse(beside, { given: { digest: `sha256:${'0'.repeat(64)}` }, shipped: [{ name: 'demo', digest }] }, /the key given is/);
    // What JSON can nest and canonical JSON cannot follow is refused, not a crash.
    const deep = JSON.parse(`${'['.repeat(200_000)}${']'.repeat(200_000)}`) as unknown;
    refuse({ ...beside, heights: deep }, { shipped: [] }, /canonical JSON|came with the proof alone/);
    // A key that is trusted, but of something else than the manifest says.
    refuse(
      beside,
      { given: { digest }, shipped: [] },
      /other programs/,
      run({ programs: { digest: programDigest({ name: 'q' } as unknown as Program) } }),
    );
    refuse(
      beside,
      { shipped: [{ name: 'demo', digest }] },
      /other programs/,
      run({ programs: { update: { digest: programDigest(program) } } }),
    );
    refuse(beside, { given: { digest }, shipped: [] }, /100 bits, the manifest says 128/, run({ proof: { bits: 128 } }));
    refuse(beside, { given: { digest }, shipped: [] }, /rate 2\^-3, the manifest says 2\^-2/, run({ proof: { rate: 2 } }));
    refuse(beside, { given: { digest }, shipped: [] }, /BLAKE3/, run({ proof: { hash: 'blake3' } }));
  });
  it('the shape of a key is checked before anything is built from it', () => {
    expect(parsePublished('k', { ...beside })).toEqual(key);
    for (const [o, why] of [
      [{ type: 'x' }, /no certune-key/],
      [{ version: 9 }, /version 9 is not supported/],
      [{ proofVersion: 3 }, /version 3 is not supported/],
      [{ heights: { ...heights, F: 2 ** 40 } }, /heights\.F/],
      [{ root: ['1', '2', '3'] }, /root/],
      [{ more: 1 }, /more/],
    ] as const)
      expect(() => parsePublished('k', { ...beside, ...o }), JSON.stringify(o)).toThrow(why);
  });
});
