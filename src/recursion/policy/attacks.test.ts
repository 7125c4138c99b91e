import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../errors.js';
import { compress, hashWords, DOMAIN } from '../../hash/poseidon2.js';
import { commitmentDigest } from '../../policy/commitment.js';
import { beaconWords, orderSeed } from '../../policy/order/keys.js';
import { orderShape } from '../../policy/order/radices.js';
import { rowsDepth } from '../../policy/rows/depth.js';
import { contentDigest, rowDigest, rowTargets, rowWords } from '../../policy/rows/digest.js';
import { rowSalt } from '../../policy/rows/opening.js';
import { emptyNode } from '../../policy/table.js';
import type { PolicyWitness } from '../../prove/policy.js';
import type { Manifest } from '../../run/manifest.js';
import { policyOf } from '../../run/policy.js';
import { runSchema } from '../../run/schema.js';
import { setup } from '../../setup/run.js';
import { type LeafCase, SHAPE, policyRun, runLeaf, stepCase } from '../../../test/policy-case.js';

/*
 * Dishonest provers of a leaf's policy beside those of policy.test.ts: orders of other runs, walks taken twice, trees
 * whose leaves are no rows, and what changes after the beacon. The witness follows the lie as far as it goes: roots and
 * paths are those of the tree that the prover would like.
 */
const AT = 7,
  w = policyRun(101),
  failed = (run: PolicyWitness, g: LeafCase): string[] => runLeaf(run, 'step', run.facts.batch, g).failed;

/** The step with other rows, each with its own path and salt. */
function withRows(run: PolicyWitness, step: number, rows: readonly number[]): LeafCase {
  const g = structuredClone(stepCase(run, step));
  rows.forEach((row, r) => {
    g.parts[0].rows[r] = run.data.rows[row];
    (g.parts[0].batch.rows as object[])[r] = run.row(row);
  });
  return g;
}
const drawn = (run: PolicyWitness, step: number): number[] => run.order.batch(step).draws.map((d) => d.row);

describe('an order', () => {
  it('is that of the seed: rows of another run or beacon are refused', () => {
    for (const seed of [
      orderSeed(Array<bigint>(8).fill(3n), beaconWords('later')),
      orderSeed(Array<bigint>(8).fill(4n), beaconWords('beacon')),
    ]) {
      const other = drawn(policyRun(101, { seed }), AT);
      expect(other).not.toEqual(drawn(w, AT));
      expect(failed(w, withRows(w, AT, other))).toContain('dataset root');
    }
  });
  it('puts a row at its own place: the right row under the path of another, a row of the dataset at another index', () => {
    const rows = drawn(w, AT),
      g = structuredClone(stepCase(w, AT));
    // The committed row with the path of its neighbour.
    (g.parts[0].batch.rows[0] as { path: unknown }).path = w.row((rows[0] + 1) % 101).path;
    expect(failed(w, g)).toContain('dataset root');
    expect(
      failed(
        w,
        withRows(
          w,
          AT,
          rows.map((r, i) => (i ? r : (r + 1) % 101)),
        ),
      ),
    ).toContain('dataset root');
  });
  it('walks once from a value beyond the rows: not twice', () => {
    const n = Array.from({ length: 200 }, (_, i) => 100 + i).find((x) => orderShape(x).excess >= 2)!,
      run = policyRun(n);
    expect(run.values.walks).toBeGreaterThanOrEqual(2);
    let step = 0,
      row = -1;
    for (; row < 0; step++) {
      const { epoch, draws } = run.order.batch(step);
      row = draws.findIndex((d) => run.order.permutation(epoch).walk(d.position).length === 1);
    }
    const g = stepCase(run, --step),
      size = run.facts.batch;
    expect(failed(run, g)).toEqual([]);
    // The next slot, which is free, walks from the row that the first one has found.
    const again = runLeaf(run, 'step', size, g, { name: 'slot', at: size + row, f: () => 1n }).failed;
    expect(again).toContain('walk from a row');
  });
});

describe('a tree', () => {
  // One row a step, so that the path of this row alone decides.
  const single = policyRun(101, { batch: 1 }),
    [row] = drawn(single, AT),
    r = single.data.rows[row],
    content = contentDigest(rowSalt(single.secrets.salts, row), rowWords(SHAPE, r)),
    facts = { class: r.class, targets: rowTargets(SHAPE, r), length: r.length };
  /** Root above another leaf at the row's place. */
  const rootOf = (leaf: readonly bigint[]): bigint[] =>
    single.data.tree.path(row).reduce<bigint[]>((d, s, l) => (Math.floor(row / 2 ** l) % 2 ? compress(s, d) : compress(d, s)), [...leaf]);
  const under = (leaf: readonly bigint[]): string[] => {
    const run = policyRun(101, { batch: 1, root: rootOf(leaf) });
    return failed(run, stepCase(run, AT));
  };
  it('has rows of this version for leaves, and nothing else', () => {
    expect(under(rowDigest(content, facts))).toEqual([]);
    const words = [...content, ...[facts.class, facts.targets, facts.length].map(BigInt)];
    // A row of the version before, with its root and path.
    expect(under(hashWords(DOMAIN.row, [...words, 1n]))).toEqual(['dataset root']);
    // An inner node of a tree that is one level less deep: eight words as well, in another domain.
    expect(under(compress(words.slice(0, 4), [...words.slice(4), 2n]))).toEqual(['dataset root']);
    // The empty leaf behind the last row.
    expect(under(emptyNode(0))).toEqual(['dataset root']);
  });
  it('holds all rows, or there is none', () => {
    expect(rowsDepth(2 ** 28)).toBe(28);
    expect(() => rowsDepth(2 ** 28 + 1)).toThrow(InputError);
    // More rows than leaves: the shape is that of another depth, and a key for it another key.
    const run = policyRun(257);
    expect(runLeaf(run, 'step', 4, stepCase(run, 0), undefined, { ...run.values, depth: 8 }).failed).toContain('policy shape depth');
  });
  it('has a salt for every row, so that equal texts have different leaves', () => {
    const salts = new Set(Array.from({ length: 1000 }, (_, i) => rowSalt(w.secrets.salts, i).join()));
    expect(salts.size).toBe(1000);
    expect(rowSalt([1n, 2n, 3n, 4n], 0)).not.toEqual(rowSalt([1n, 2n, 3n, 5n], 0));
  });
});

describe('what is fixed before the beacon', () => {
  const path = (p: string): string => fileURLToPath(new URL(`../../../test/data/${p}`, import.meta.url)),
    made = (o: { policy?: object; sampler?: object; data?: object }): Manifest =>
      setup(
        runSchema.parse({
          version: 1,
          base: { path: path('tiny') },
          data: [{ path: path('pairs.jsonl'), language: 'fr', license: 'CC0-1.0', ...o.data }],
          lora: { r: 1, targets: ['v_proj'] },
          train: { steps: 2, batch: 2, sequence: 12, warmup: 0 },
          policy: { bins: [{ name: 'french', where: { language: ['fr'] }, examples: { max: 50 } }], ...o.policy },
          sampler: { beacon: 'round 7: 0123', ...o.sampler },
          numbers: { preset: 'small' },
        }),
        [1n, 2n, 3n, 4n],
      ).run.manifest;
  it('gives another order where a class, a bin, a quota, the draws of an epoch or the key change after it', () => {
    const honest = made({}),
      seed = policyOf(honest).facts.seed;
    // What is committed to does not depend on the beacon; the order does.
    expect(commitmentDigest(made({ sampler: { beacon: '' } }))).toEqual(commitmentDigest(honest));
    expect(policyOf(made({ sampler: { beacon: '' } })).facts.seed).not.toEqual(seed);
    const late: readonly [string, Manifest][] = [
      ['class', made({ data: { license: 'MIT' } })],
      ['bin', made({ policy: { bins: [{ name: 'french', where: { language: ['en'] }, examples: { max: 50 } }] } })],
      ['quota', made({ policy: { bins: [{ name: 'french', where: { language: ['fr'] }, examples: { max: 51 } }] } })],
      ['draws', made({ sampler: { epochExamples: 9 } })],
      ['key', made({ sampler: { key: 'another' } })],
    ];
    for (const [name, m] of late) {
      expect(policyOf(m).facts.seed, name).not.toEqual(seed);
      // A prover who keeps the old order under the new manifest has another vector than the one that it gives.
      expect(policyOf(m).digest, name).not.toEqual(policyOf(honest).digest);
    }
    expect(new Set(late.map(([, m]) => policyOf(m).facts.seed.join())).size).toBe(late.length);
  });
});
