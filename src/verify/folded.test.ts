import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { singleKernels } from '../kernels/index.js';
import { runSchema } from '../run/schema.js';
import type { Manifest } from '../run/manifest.js';
import { setup } from '../setup/run.js';
import { stateCommitment, zeroAccumulators } from '../run/commitments.js';
import { epochBatches } from '../run/facts.js';
import { policyOf } from '../run/policy.js';
import { programList } from '../run/programs.js';
import { type EndStatement, programsDigest } from '../recursion/statement.js';
import { checkManifest } from './compare.js';
import { baseCommitment, checkEntered } from './folded.js';

describe('commitment to a base in one line', () => {
  it('binds the stack, the programs that read it, and what the manifest says of the base: formats bound the sums, so that no other may be declared', () => {
    const base = {
        digest: `sha256:${'a'.repeat(64)}`,
        shape: { layers: 2, hidden: 8, rmsEps: 1e-5 },
        weightBits: { 'W.q_proj': 20, E: 18 },
      } as unknown as Manifest['base'],
      program = [1n, 2n, 3n, 4n],
      root = [5n, 6n, 7n, 8n],
      one = baseCommitment(base, program, root),
      { weightBits, shape } = base;
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    expect(baseCommitment({ ...base, weightBits: { ...weightBits } }, [...program], [...root])).toBe(one);
    for (const [what, x] of [
      ['formats', baseCommitment({ ...base, weightBits: { ...weightBits, 'W.q_proj': 19 } }, program, root)],
      ['shape', baseCommitment({ ...base, shape: { ...shape, rmsEps: 1e-6 } }, program, root)],
      ['digest', baseCommitment({ ...base, digest: `sha256:${'b'.repeat(64)}` }, program, root)],
      ['programs', baseCommitment(base, [1n, 2n, 3n, 5n], root)],
      ['stack', baseCommitment(base, program, [5n, 6n, 7n, 9n])],
    ] as const)
      expect(x, what).not.toBe(one);
  });
});

describe('a policy that follows from the manifest', () => {
  it('a schedule outside its formats, or a clip scalar that could wrap, is refused by name before anything is compared', () => {
    const at = (p: string): string => fileURLToPath(new URL(`../../test/data/${p}`, import.meta.url)),
      { run } = setup(
        runSchema.parse({
          version: 1,
          base: { path: at('tiny') },
          data: [{ path: at('pairs.jsonl') }],
          lora: { r: 2, alpha: 4, targets: ['q_proj'] },
          train: { steps: 3, batch: 2, microBatch: 2, sequence: 12, warmup: 0 },
          numbers: { preset: 'small' },
        }),
        [1n, 2n, 3n, 4n],
      ),
      list = programList(run.programs),
      check = (o: Partial<Manifest['config']['train']>) => () => {
        const manifest = { ...run.manifest, config: { ...run.manifest.config, train: { ...run.manifest.config.train, ...o } } },
          st = {
            program: programsDigest(list.map((p) => p.program)),
            context: run.facts.context,
            dataset: manifest.dataset.root.map(BigInt),
            epoch: [BigInt(epochBatches(manifest))],
            policy: policyOf(run.manifest).digest,
          } as unknown as EndStatement;
        checkManifest({ ...run, manifest }, st);
      };
    expect(check({})).not.toThrow();
    // All rows but the last are those of the run.
    expect(check({ steps: 2 })).toThrow(/^policy/);
    expect(check({ learningRate: 2 ** -11 })).toThrow(/^policy/);
    expect(check({ learningRate: 1 })).toThrow(/^schedule: train.learningRate/);
    expect(check({ clip: 2 ** 21 })).toThrow(/^schedule: train.clip: .* the limit is 33554432/);
    expect(check({ clip: 2 ** 20 })).toThrow(/^policy/);
  });
});

describe('a state that nobody vouches for', () => {
  const path = (p: string): string => fileURLToPath(new URL(`../../test/data/${p}`, import.meta.url)),
    k = singleKernels();
  it.each([
    [2, 'the whole step is one proof'],
    [3, 'micro-batches'],
  ])('batch %i: has the point of its root and digest, and zero accumulators (%s)', (batch) => {
    const s = setup(
      runSchema.parse({
        version: 1,
        base: { path: path('tiny') },
        data: [{ path: path('pairs.jsonl') }],
        lora: { r: 2, alpha: 4, targets: ['q_proj', 'down_proj'] },
        train: { steps: 1, batch, microBatch: 2, sequence: 12, warmup: 0 },
        numbers: { preset: 'small' },
      }),
      [1n, 2n, 3n, 4n],
    );
    const sIn = stateCommitment(k, s.run.programs, 'sIn', s.inputs.initial),
      aIn = zeroAccumulators(s.run.programs);
    const check = (x: { sIn?: readonly bigint[]; aIn?: readonly bigint[] }) => () => checkEntered(s.run.programs, { sIn, aIn, ...x });
    expect(check({})).not.toThrow();
    // Root and digest, and the point that is their hash.
    for (let at = 0; at < 11; at++)
      expect(check({ sIn: sIn.map((w, i) => (i === at ? w ^ 1n : w)) }), `sIn ${at}`).toThrow(/another point/);
    for (let at = 0; at < 10; at++) expect(check({ aIn: aIn.map((w, i) => (i === at ? w ^ 1n : w)) }), `aIn ${at}`).toThrow(/not zero/);
    // Micro-batches and update mean the same by it.
    const { programs } = s.run,
      { initial } = s.inputs;
    if (programs.update) {
      const last = { ...programs, ...programs.update };
      expect(zeroAccumulators(last)).toEqual(aIn);
      expect(stateCommitment(k, programs, 'aIn', initial)).toEqual(aIn);
      expect(stateCommitment(k, last, 'aIn', initial)).toEqual(aIn);
      expect(stateCommitment(k, last, 'sIn', initial)).toEqual(sIn);
    }
  });
});
