import canonicalize from 'canonicalize';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixture } from '../../test/fixtures.js';
import { P } from '../field/goldilocks.js';
import { InputError, VersionError } from '../errors.js';
import { DEFAULT_NUMBERS } from '../model/shape.js';
import { budgetsOf } from '../run/budgets.js';
import { normalLanguage } from '../run/language.js';
import { normalLicense } from '../run/license.js';
import { MANIFEST_VERSION, type Manifest, difference, manifestDigest, manifestJson, parseManifest } from '../run/manifest.js';
import { parseRun, runTemplate } from '../setup/runfile.js';
import { configSchema, runSchema } from '../run/schema.js';

const problemsOf = (f: () => unknown): string[] => {
  try {
    f();
  } catch (e) {
    expect(e).toBeInstanceOf(InputError);
    return [...(e as InputError).problems];
  }
  throw new Error('accepted');
};

describe('licences and languages', () => {
  it('keeps SPDX expressions and maps tags of the hub', () => {
    for (const x of [
      'MIT',
      'CC-BY-SA-3.0',
      'Apache-2.0 OR MIT',
      '(GPL-2.0-only WITH Classpath-exception-2.0) AND CC0-1.0',
      'LicenseRef-Multi30k-noncommercial-research',
      'ODC-By-1.0',
      'CDLA-Sharing-1.0',
    ])
      expect(normalLicense(x)).toBe(x);
    for (const [x, y] of [
      ['apache-2.0', 'Apache-2.0'],
      ['cc-by-sa-3.0', 'CC-BY-SA-3.0'],
      ['llama3.1', 'LicenseRef-llama3.1'],
      ['gemma', 'LicenseRef-gemma'],
      ['odc-by', 'ODC-By-1.0'],
      ['gpl-3.0', 'GPL-3.0-only'],
      ['openrail++', 'LicenseRef-openrailpp'],
      ['unknown', 'LicenseRef-unknown'],
    ])
      expect([x, normalLicense(x)]).toEqual([x, y]);
    for (const x of ['apache-2.0', 'llama3.1', 'openrail++']) expect(normalLicense(normalLicense(x))).toBe(normalLicense(x));
  });
  it('refuses others with the nearest name', () => {
    expect(() => normalLicense('Apache 2.0')).toThrow(/did you mean Apache-2.0\?/);
    expect(() => normalLicense('CCBY4.0')).toThrow(/did you mean CC-BY-4.0\?/);
    expect(() => normalLicense('my own terms, ask me')).toThrow(/for any other write LicenseRef-name/);
    for (const x of ['', 'MIT AND', 'LicenseRef-', 'MIT\u0000', 'x'.repeat(5000)]) expect(() => normalLicense(x)).toThrow(/^licence/);
  });
  it('knows language tags by their syntax', () => {
    for (const [x, y] of [
      ['en', 'en'],
      ['EN-us', 'en-US'],
      ['zh-hant-TW', 'zh-Hant-TW'],
      ['und', 'und'],
      ['sr-Latn-RS', 'sr-Latn-RS'],
      ['de-CH-1996', 'de-CH-1996'],
      ['es-419', 'es-419'],
      ['en-a-bbb-x-a-ccc', 'en-a-bbb-x-a-ccc'],
      ['x-whatever', 'x-whatever'],
      ['zh-yue', 'zh-yue'],
    ])
      expect(normalLanguage(x)).toBe(y);
    for (const x of ['', 'e', 'english language', 'en_US', 'en-', '-en', 'en-x', 'zh-CN-CN-', 'a'.repeat(9), 'fr-Latn-Latn-FR'])
      expect(() => normalLanguage(x)).toThrow(/BCP 47/);
  });
});

describe('run.yaml', () => {
  const BASE = 'version: 1\nbase: {path: m}\ndata: [{path: d}]\n',
    read = (text: string): string[] => problemsOf(() => parseRun('run.yaml', text));
  it('is written with every key and its default', () => {
    const c = parseRun('run.yaml', runTemplate('m', ['a', 'b "c"']));
    expect(c).toEqual(runSchema.parse({ version: 1, base: { path: 'm' }, data: [{ path: 'a' }, { path: 'b "c"' }] }));
    const keys = (x: unknown): string[] =>
      x && typeof x === 'object' && !Array.isArray(x) ? Object.entries(x).flatMap(([k, v]) => [k, ...keys(v)]) : [];
    const text = runTemplate('m', ['a']);
    for (const k of [...keys({ ...c, data: null }), ...keys(c.data[0])])
      expect([k, new RegExp(`^[ -]*${k}:`, 'm').test(text)]).toEqual([k, true]);
    expect(c).toMatchObject({
      lora: { r: 8, alpha: 16, scaling: 'lora' },
      train: {
        steps: 100,
        batch: 8,
        microBatch: 8,
        sequence: 256,
        learningRate: 2e-4,
        schedule: 'cosine',
        warmup: 0.03,
        betas: [0.9, 0.95],
        epsilon: 1e-8,
        weightDecay: 0.05,
        clip: 1,
      },
    });
  });
  it('lists all problems at once, with the nearest key and the nearest choice', () => {
    expect(
      read(`version: 1
base: {path: m, revison: x}
data: [{path: d, fromat: text}, {path: e, license: Apache 2, language: en_US, format: alpacca}]
lora: {r: 0, rank: 3, dropout: 0.1, targets: [q_proj, q_porj], scaling: rsLora}
train: {steps: 1.5, learning_rate: 1, betas: [0.9, 1], epsilon: .nan, sequence: "256"}
trian: {}
`),
    ).toEqual([
      'base.revison: unknown key, did you mean revision?',
      'data[0].fromat: unknown key, did you mean format?',
      'data[1].format: Invalid option: expected one of "auto"|"messages"|"prompt-completion"|"prompt-completion-messages"|"alpaca"|"dolly"|"sharegpt"|"text", did you mean alpaca?',
      'data[1].license: licence "Apache 2" is neither an SPDX expression nor a tag of the hub, did you mean Apache-2.0? (for any other write LicenseRef-name)',
      'data[1].language: language "en_US" is not a BCP 47 tag: write for example en, pt-BR or zh-Hant, or und for undetermined',
      'lora.r: Too small: expected number to be >=1',
      'lora.targets[1]: Invalid option: expected one of "q_proj"|"k_proj"|"v_proj"|"o_proj"|"gate_proj"|"up_proj"|"down_proj", did you mean q_proj?',
      'lora.scaling: Invalid option: expected one of "lora"|"rslora", did you mean rslora?',
      'lora.rank: unknown key',
      'lora.dropout: unknown key, dropout above 0 is not supported: leave the key out',
      'train.steps: Invalid input: expected int, received number',
      'train.sequence: Invalid input: expected number, received string',
      'train.betas[1]: Too big: expected number to be <1',
      'train.epsilon: Invalid input: expected number, received NaN',
      'train.learning_rate: unknown key, did you mean learningRate?',
      'trian: unknown key, did you mean train?',
    ]);
  });
  it.each([
    ['a key twice', `${BASE}lora: {r: 1, r: 2}\n`, /Map keys must be unique/],
    ['a section twice', `${BASE}lora: {}\nlora: {}\n`, /Map keys must be unique/],
    ['bad syntax', `${BASE}lora: {r: 1\n`, /./],
    ['two documents', `${BASE}---\n${BASE}`, /./],
    ['an unknown tag', `${BASE}lora: {r: !!js/function 3}\n`, /tag/],
    ['a list', '- 1\n', /file: Invalid input: expected object/],
    ['nothing', '', /file: Invalid input/],
    ['a missing section', 'version: 1\ndata: [{path: d}]\n', /base: is missing/],
    ['no data', 'version: 1\nbase: {path: m}\ndata: []\n', /data: Too small/],
    ['another version', BASE.replace('1', '2'), /version: Invalid input: expected 1/],
    ['a yes for a boolean', `${BASE}train: {eos: yes}\n`, /train.eos: Invalid input: expected boolean/],
    ['a projection twice', `${BASE}lora: {targets: [q_proj, q_proj]}\n`, /names a projection twice/],
    ['a broken warm-up', `${BASE}train: {warmup: 1.5}\n`, /train.warmup: is a fraction below 1/],
    ['a warm-up beyond the run', `${BASE}train: {warmup: 200}\n`, /at most train.steps/],
    [
      'an anchor bomb',
      `a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: &d [*c,*c]\ne: &e [*d,*d]\nf: &f [*e,*e]\ng: &g [*f,*f]\nh: [*g,*g]\n`,
      /./,
    ],
  ])('refuses %s', (_, text, message) => {
    expect(read(text).join('; ')).toMatch(message);
  });
});

describe('manifest', () => {
  const sha = `sha256:${'0'.repeat(64)}`,
    zero = ['0', '0', '0', '0'];
  const good: Manifest = {
    type: 'certune-manifest',
    version: MANIFEST_VERSION,
    config: configSchema.parse({ version: 1, base: { path: '' }, data: [{ path: '' }] }),
    base: {
      digest: sha,
      shape: { layers: 1, hidden: 2, intermediate: 2, kvHeads: 1, groups: 1, headDim: 2, vocab: 3, tied: true, bias: false, rmsEps: 1e-5 },
      weightBits: { E: 20 },
    },
    dataset: {
      root: [...zero],
      salt: [...zero],
      key: null,
      leaf: 2,
      examples: 1,
      dropped: 0,
      classes: [{ source: 'a', license: 'MIT', language: 'en', tags: [] }],
      strata: [],
      sources: ['a'],
      licenses: ['MIT'],
      languages: ['en'],
      files: [{ digest: sha, source: 'a', license: 'MIT', language: 'en', converters: ['text/1'], rows: 1, kept: 1, cut: 0, unclosed: 0 }],
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
  };
  it('reads what it writes, and the digest is that of the canonical text', () => {
    expect(parseManifest('m', JSON.parse(manifestJson(good)))).toEqual(good);
    expect(manifestJson(good)).toBe(canonicalize(good));
    expect(manifestDigest({ ...good, sampler: good.sampler })).toBe(manifestDigest(good));
  });
  it('refuses an unknown key, a missing key and a value of another type anywhere', () => {
    const paths: string[][] = [];
    const walk = (x: unknown, at: string[]): void => {
      if (x && typeof x === 'object') for (const [k, v] of Object.entries(x)) walk(v, [...at, k]);
      if (x && typeof x === 'object' && !Array.isArray(x)) paths.push(at);
    };
    walk(good, []);
    const at = (m: unknown, p: string[]): Record<string, unknown> =>
      p.reduce((x, k) => (x as Record<string, unknown>)[k], m) as Record<string, unknown>;
    expect(paths.length).toBeGreaterThan(12);
    for (const p of paths) {
      if (p.join('.') === 'base.weightBits') continue;
      const m = structuredClone(good);
      at(m, p)['unknown_key'] = 1;
      expect(problemsOf(() => parseManifest('m', m)).join()).toMatch(/unknown_key: unknown key/);
      for (const k of Object.keys(at(good, p))) {
        const wrong = structuredClone(good);
        at(wrong, p)[k] = { a: 'thing of another type' };
        expect(() => parseManifest('m', wrong)).toThrow();
        const less = structuredClone(good);
        delete at(less, p)[k];
        expect(() => parseManifest('m', less)).toThrow();
      }
    }
  });
  it('refuses words that are not canonical, other versions, and things that are no manifests', () => {
    for (const w of [String(P), '-1', '01', '1e3', '99999999999999999999', 1]) {
      const m = structuredClone(good) as unknown as { dataset: { salt: unknown[] } };
      m.dataset.salt[0] = w;
      expect(problemsOf(() => parseManifest('m', m))[0]).toMatch(/^dataset.salt\[0\]/);
    }
    for (const version of [1, 2, 3, 4, 5, 6, 7])
      expect(() => parseManifest('m', { ...good, version })).toThrow(new VersionError('m', version, MANIFEST_VERSION));
    expect(new VersionError('m', 3, MANIFEST_VERSION).message).toMatch(/use the release of Certune that wrote it/);
    for (const x of [null, 3, 'x', [], {}]) expect(problemsOf(() => parseManifest('m', x))).toEqual(['is not a Certune manifest']);
    expect(() => manifestJson({ ...good, program: ['x'] })).toThrow(InputError);
  });
  it('refuses what run.yaml may leave open, and what the public mode may not keep', () => {
    const { config } = good,
      problems = (more: object): string[] => problemsOf(() => parseManifest('m', { ...good, config: { ...config, ...more } }));
    expect(() => problems({})).toThrow('accepted');
    expect(problems({ proof: { ...config.proof, rate: null } })[0]).toMatch(/^config\.proof\.rate/);
    expect(problems({ show: { ...config.show, adapter: null } })[0]).toMatch(/^config\.show\.adapter/);
    expect(problems({ show: { ...config.show, adapter: 'none' } })[0]).toMatch(/^config\.show\.adapter: none is for the private mode/);
  });
  it('names the paths at which two differ', () => {
    const other = structuredClone(good) as { config: { train: { steps: number } }; program: string[] };
    other.config.train.steps++;
    other.program.push('2');
    expect(difference(good, other)).toEqual(['config.train.steps', 'program.1']);
  });
});

describe('vectors', () => {
  const jcs = fixture('vectors/jcs-rfc8785'),
    spdx = fixture('vectors/spdx-license-ids/licenses.json');
  it.skipIf(!jcs)('canonical JSON is that of RFC 8785 (needs fixtures)', () => {
    const names = readdirSync(join(jcs!, 'input'));
    expect(names.length).toBe(6);
    for (const n of names) {
      const text = canonicalize(JSON.parse(readFileSync(join(jcs!, 'input', n), 'utf8')))!;
      expect(text).toBe(readFileSync(join(jcs!, 'output', n), 'utf8'));
      const hex = readFileSync(join(jcs!, 'outhex', n.replace('.json', '.txt')), 'utf8').replace(/\s/g, '');
      expect(Buffer.from(text).toString('hex')).toBe(hex);
    }
    const { vectors } = JSON.parse(readFileSync(join(jcs!, 'es6_numbers.json'), 'utf8')) as {
      vectors: { ieee754: string; expected: string | null }[];
    };
    for (const v of vectors) {
      const x = Buffer.from(v.ieee754, 'hex').readDoubleBE(0);
      if (v.expected === null) expect(() => canonicalize(x)).toThrow();
      else expect(canonicalize(x)).toBe(v.expected);
    }
    expect(() => canonicalize({ a: 1n })).toThrow();
  });
  it.skipIf(!spdx)('every SPDX identifier is a licence, or is listed here (needs fixtures)', () => {
    const { licenses } = JSON.parse(readFileSync(spdx!, 'utf8')) as { licenses: { id: string; deprecated: boolean }[] };
    expect(licenses.length).toBe(733);
    const refused = licenses.filter(({ id }) => {
      try {
        return normalLicense(id) !== id;
      } catch {
        return true;
      }
    });
    expect(refused.map((l) => l.id)).toMatchInlineSnapshot(`[]`);
  });
});
