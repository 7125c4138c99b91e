import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixture } from '../../test/fixtures.js';
import { InputError } from '../errors.js';
import { DEFAULT_NUMBERS } from '../model/shape.js';
import { budgetsOf } from './budgets.js';
import { type CroissantDeclared, exportCroissant, importCroissant, licenseNode } from './croissant.js';
import type { Manifest } from './manifest.js';
import { configSchema } from './schema.js';

const sha = `sha256:${'0'.repeat(64)}`,
  manifest: Manifest = {
    type: 'certune-manifest',
    version: 8,
    config: configSchema.parse({
      version: 1,
      base: { path: '' },
      data: [{ path: '', source: 'a', license: 'MIT', language: 'en' }],
      policy: { licenses: ['MIT'] },
    }),
    base: {
      digest: sha,
      shape: { layers: 1, hidden: 2, intermediate: 2, kvHeads: 1, groups: 1, headDim: 2, vocab: 3, tied: true, bias: false, rmsEps: 1e-5 },
      weightBits: { E: 20 },
    },
    dataset: {
      root: ['1', '2', '3', '4'],
      salt: ['0', '0', '0', '0'],
      key: null,
      leaf: 2,
      examples: 10,
      dropped: 0,
      classes: [{ source: 'a', license: 'MIT', language: 'en', tags: [] }],
      strata: [],
      sources: ['a'],
      licenses: ['MIT'],
      languages: ['en'],
      files: [
        { digest: sha, source: 'a', license: 'MIT', language: 'en', converters: ['text/1'], rows: 10, kept: 10, cut: 0, unclosed: 0 },
      ],
    },
    preprocessing: {
      tokenizer: sha,
      tokenizerConfig: null,
      template: null,
      truncation: 'right',
      padding: { side: 'right', id: 0 },
      first: [],
      closing: [2],
      end: 2,
    },
    sampler: 'certune/sampler/2',
    scaling: { numerator: 2, shift: 0 },
    budgets: budgetsOf(DEFAULT_NUMBERS, 256, 3),
    program: ['1'],
  },
  declared: CroissantDeclared = {
    name: 'rows',
    description: 'rows of a test',
    url: 'https://example.org/rows',
    creator: 'somebody',
    datePublished: '2026-01-31',
    contentUrls: ['rows.jsonl'],
  };
const problems = (f: () => unknown): string => {
  try {
    f();
  } catch (e) {
    expect(e).toBeInstanceOf(InputError);
    return (e as InputError).problems.join('; ');
  }
  return 'accepted';
};

describe('Croissant', () => {
  it('exports what 1.1 requires, and reads it again', () => {
    const c = exportCroissant(manifest, declared) as Record<string, unknown>;
    for (const k of [
      '@context',
      '@type',
      'conformsTo',
      'name',
      'description',
      'license',
      'url',
      'creator',
      'datePublished',
      'distribution',
    ])
      expect(c[k], k).toBeDefined();
    expect(c['license']).toBe('https://spdx.org/licenses/MIT');
    expect(importCroissant('c', JSON.parse(JSON.stringify(c)))).toEqual([
      { path: 'rows.jsonl', source: 'a', license: 'MIT', language: 'en', sha256: '0'.repeat(64) },
    ]);
    expect(licenseNode('LicenseRef-mine')).toMatchObject({ identifier: 'LicenseRef-mine' });
    expect(licenseNode('MIT OR Apache-2.0')).toMatchObject({ identifier: 'MIT OR Apache-2.0' });
    expect(problems(() => exportCroissant(manifest, { ...declared, creator: ' ', datePublished: 'today', contentUrls: [] }))).toMatch(
      /creator.*datePublished.*contentUrls/,
    );
  });
  it('refuses what has no digest, no licence, or changes', () => {
    const good = JSON.parse(JSON.stringify(exportCroissant(manifest, declared))) as { distribution: Record<string, unknown>[] } & Record<
        string,
        unknown
      >,
      change = (x: object, file: object = {}): string =>
        problems(() => importCroissant('c', { ...good, ...x, distribution: [{ ...good.distribution[0], ...file }] }));
    expect(change({})).toBe('accepted');
    expect(change({ isLiveDataset: true })).toMatch(/changes/);
    expect(change({}, { sha256: 'https://github.com/mlcommons/croissant/issues/80' })).toMatch(/no SHA-256/);
    expect(change({}, { sha256: undefined })).toMatch(/no SHA-256/);
    expect(change({ license: undefined }, { license: undefined })).toMatch(/license/);
    expect(change({}, { license: 'https://choosealicense.com/licenses/undefined/' })).toMatch(/license/);
    expect(change({}, { license: 'https://creativecommons.org/licenses/by-sa/4.0/' })).toBe('accepted');
    expect(change({}, { '@type': 'cr:FileSet' })).toMatch(/list its files/);
    expect(change({}, { inLanguage: 'no language' })).toMatch(/BCP 47/);
    expect(change({ conformsTo: 'http://mlcommons.org/croissant/0.8' })).toMatch(/no Croissant/);
    for (const x of [null, [], 'x', { distribution: 3, conformsTo: 'http://mlcommons.org/croissant/1.1' }])
      expect(problems(() => importCroissant('c', x))).not.toBe('accepted');
  });
  const dir = fixture('vectors/croissant');
  it.skipIf(!dir)(
    `says of descriptions from elsewhere why they cannot be used${dir ? '' : ' (skipped: no fixture vectors/croissant)'}`,
    () => {
      const said = (name: string): string => {
        const f = join(dir!, name, 'metadata.json');
        expect(existsSync(f)).toBe(true);
        return problems(() => importCroissant(name, JSON.parse(readFileSync(f, 'utf8'))));
      };
      expect(said('1.0/json-join')).toBe('accepted');
      expect(said('1.0/simple-join')).toBe('accepted');
      expect(said('1.0/titanic')).toBe('accepted');
      expect(said('1.1/audio_test')).toMatch(/list its files/);
      for (const x of ['data_provenance_initiative', 'recipe_RL_data_roberta-base', 'squad_v2'])
        expect(said(`1.1/huggingface-${x}`)).toMatch(/distribution\[0\]\.sha256: is no SHA-256/);
      expect(said('1.0/simple-split')).toMatch(/list its files/);
      expect(said('0.8/simple-join')).toMatch(/no Croissant/);
    },
  );
});
