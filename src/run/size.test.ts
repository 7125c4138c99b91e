import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { leafCounts, leafProofs } from '../recursion/leaves.js';
import { setup } from '../setup/run.js';
import { FREE } from '../policy/classes/quotas.js';
import { epochExamples } from './facts.js';
import { type Manifest, parseManifest } from './manifest.js';
import { policyOf } from './policy.js';
import { lazySchedule, scheduleRows } from './schedule.js';
import { runSchema } from './schema.js';
import { beyondBudget, epochDraws } from './size.js';

const path = (p: string): string => fileURLToPath(new URL(`../../test/data/${p}`, import.meta.url)),
  made = (batch: number): ReturnType<typeof setup> =>
    setup(
      runSchema.parse({
        version: 1,
        base: { path: path('tiny') },
        data: [{ path: path('pairs.jsonl') }],
        lora: { r: 2, alpha: 4, targets: ['q_proj'] },
        train: { steps: 1, batch, microBatch: 2, sequence: 12, warmup: 0 },
        numbers: { preset: 'small' },
      }),
      [1n, 2n, 3n, 4n],
    );

describe('products of sizes that are each within their limits', () => {
  const { manifest: m } = made(2).run,
    with_ = (train: object, lora: object = {}, shape: object = {}): (() => unknown) => {
      const base = { ...m.base, shape: { ...m.base.shape, ...shape } },
        config = { ...m.config, train: { ...m.config.train, ...train }, lora: { ...m.config.lora, ...lora } };
      return () => parseManifest('m', { ...m, base, config });
    };
  it('are refused by name before a program is made', () => {
    expect(with_({})).not.toThrow();
    expect(beyondBudget(m.config, m.base.shape)).toEqual([]);
    expect(with_({ steps: 2 ** 20 })).not.toThrow();
    expect(with_({ steps: 2 ** 20 + 1 })).toThrow(/config\.train\.steps/);
    expect(with_({ steps: 2 ** 18, batch: 8 })).toThrow(/train\.steps times the micro-batches/);
    expect(with_({ batch: 2 ** 20, microBatch: 2 ** 20, sequence: 2 ** 20 })).toThrow(/tokens of a proof/);
    expect(with_({ sequence: 2 ** 20, batch: 1, microBatch: 1 })).toThrow(/attention scores/);
    expect(with_({}, { r: 65536 }, { hidden: 2 ** 17, layers: 1024 })).toThrow(/trained parameters/);
    expect(with_({}, { r: 1 }, { hidden: 2 ** 17, intermediate: 2 ** 20, layers: 1024 })).toThrow(/so many weights/);
    expect(with_({}, {}, { headDim: 7 })).toThrow(/is odd/);
    expect(with_({}, {}, { layers: 1025 })).toThrow(/base\.shape\.layers/);
    const drop = {
      ...m,
      config: { ...m.config, sampler: { ...m.config.sampler, shortBatch: 'drop' }, train: { ...m.config.train, batch: 999 } },
    };
    expect(() => parseManifest('m', drop)).toThrow(/leaves no batch/);
  });
  it('count the draws of the strata, not the rows that they draw from', () => {
    const drawn = (perEpoch: number, examples: number, train: object, sampler: object = {}): (() => unknown) => {
      const config = {
        ...m.config,
        policy: { ...m.config.policy, bins: [{ name: 'all', where: { language: ['en'] }, ...FREE }] },
        sampler: { ...m.config.sampler, strata: [{ bin: 'all', perEpoch }], ...sampler },
        train: { ...m.config.train, ...train },
      };
      return () => parseManifest('m', { ...m, config, dataset: { ...m.dataset, examples, strata: [examples] } });
    };
    expect(drawn(20, 6, { batch: 8 }, { shortBatch: 'drop' })).not.toThrow();
    expect(drawn(7, 600, { batch: 8 }, { shortBatch: 'drop' })).toThrow(/leaves no batch/);
    const huge = { batch: 2 ** 20, microBatch: 1, steps: 2 ** 19 };
    expect(drawn(1, 1, huge)).not.toThrow();
    expect(drawn(2 ** 20, 1, huge)).toThrow(/train\.steps times the micro-batches/);
    expect(drawn(6, 6, {}, { strata: [], epochExamples: 3, shortBatch: 'drop' })).not.toThrow();
  });
  it('count draws as the run does', () => {
    for (const strata of [
      [],
      [{ bin: 'a', perEpoch: 5 }],
      [
        { bin: 'a', perEpoch: 5 },
        { bin: 'b', perEpoch: 2 ** 28 },
      ],
    ])
      for (const wish of [null, 1, 9]) {
        const sampler = { ...m.config.sampler, strata, epochExamples: wish };
        expect(epochDraws(sampler, 7)).toBe(epochExamples({ config: { ...m.config, sampler }, dataset: { examples: 7 } }));
      }
  });
  it('of classes and tests of a hostile manifest are refused before a test is made', () => {
    const licenses = Array.from({ length: 256 }, (_, i) => `LicenseRef-${i}`),
      classes = Array.from({ length: 4096 }, (_, i) => ({ source: 'x', license: `LicenseRef-${i}`, language: 'en', tags: [] })),
      where = { any: Array.from({ length: 250 }, () => ({ license: licenses })) },
      policy = { ...m.config.policy, bins: Array.from({ length: 4 }, (_, i) => ({ name: `b${i}`, where, ...FREE })) },
      hostile = { ...m, config: { ...m.config, policy }, dataset: { ...m.dataset, classes } };
    expect(() => parseManifest('m', hostile)).toThrow(/config\.policy\.bins: tests and names of all bins times dataset\.classes/);
    const some = { ...policy, bins: [{ ...policy.bins[0], where: { any: where.any.slice(0, 9) } }] },
      large = parseManifest('m', { ...hostile, config: { ...m.config, policy: some } }) as Manifest;
    expect(policyOf(large).facts.classes.filter((c) => c.bins === 1n)).toHaveLength(256);
  });
  it('names some of the problems where there are as many as values', () => {
    const list = Array.from({ length: 50_000 }, (_, i) => i);
    expect(() => parseManifest('m', { ...m, dataset: { ...m.dataset, sources: list } })).toThrow(/and 80 more/);
  });
});

describe('a run that is counted and not listed', () => {
  it.each([2, 3, 8])('batch %i: leaves and proofs as in the list', (batch) => {
    const s = made(batch),
      { manifest: m, programs } = s.run,
      wishes = programs.update
        ? [
            [
              { kind: 'micro', count: 1 },
              { kind: 'update', count: 1 },
            ],
            [
              { kind: 'micro', count: 3 },
              { kind: 'micro', count: 1 },
              { kind: 'update', count: 1 },
            ],
          ]
        : [
            [{ kind: 'step', count: 1 }],
            [
              { kind: 'step', count: 4 },
              { kind: 'step', count: 1 },
            ],
          ];
    for (const leaves of wishes)
      for (const examples of [7, 8, 9, 25])
        for (const shortBatch of ['keep', 'drop'] as const)
          for (const steps of [1, 2, 3, 5, 8, 13, 40]) {
            if (shortBatch === 'drop' && examples < batch) continue;
            const config = { ...m.config, train: { ...m.config.train, steps }, sampler: { ...m.config.sampler, shortBatch } },
              manifest: Manifest = { ...m, config, dataset: { ...m.dataset, examples } },
              run = { manifest, programs },
              list = leafProofs({ leaves }, run, 0, steps),
              counts = leafCounts({ leaves }, run, steps);
            expect(counts.leaves).toEqual(leaves.map((_, i) => list.filter((r) => r.kind === i + 1).length));
            expect(counts.main).toBe(list.reduce((n, r) => n + (leaves[r.kind - 1].kind === 'update' ? 0 : r.parts.length), 0));
          }
  });
  it('rows of the schedule are those of the list, made when they are asked for', () => {
    const { train } = made(2).config,
      c = { ...train, steps: 30, betas: train.betas as [number, number] },
      rows = scheduleRows(c),
      lazy = lazySchedule(c);
    for (const at of [12, 3, 29, 0]) expect(lazy.at(at)).toEqual(rows[at]);
    expect(lazy.at(30)).toBeUndefined();
    expect(lazySchedule({ ...c, steps: 2 ** 20 }).at(0)).toBeDefined();
  });
});
