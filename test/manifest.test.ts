import { Ajv2020 } from 'ajv/dist/2020.js';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { auditCheck, auditOpen } from '../src/cli/audit.js';
import { auditCount } from '../src/cli/audit-count.js';
import { quotasOf } from '../src/cli/judge.js';
import { commit } from '../src/cli/commit.js';
import { UsageError } from '../src/cli/errors.js';
import { lines } from '../src/io/escape.js';
import { Progress } from '../src/cli/progress.js';
import { manifestCheck, manifestDiff, manifestExport, manifestShow } from '../src/cli/manifest.js';
import { sealedHeader } from '../src/artifact/header.js';
import { InputError, VersionError } from '../src/errors.js';
import { singleKernels } from '../src/kernels/single.js';
import { type Row, rowShape } from '../src/policy/rows/digest.js';
import { openRow } from '../src/policy/rows/opening.js';
import { RowTree } from '../src/policy/rows/tree.js';
import { FIELD_RULES, fieldsOf, ruleOf } from '../src/run/fields.js';
import { type Manifest, manifestDigest, manifestJson, parseManifest } from '../src/run/manifest.js';
import { runSchema } from '../src/run/schema.js';
import { setup } from '../src/setup/run.js';
import { VerificationError } from '../src/transcript/index.js';
import { wholeEpochs } from '../src/verify/folded.js';
import { altered } from './altered.js';

const path = (p: string): string => fileURLToPath(new URL(`./data/${p}`, import.meta.url)),
  home = mkdtempSync(join(tmpdir(), 'certune-manifest-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const made = (o: object = {}): Manifest =>
  setup(
    runSchema.parse({
      version: 1,
      base: { path: path('tiny'), name: 'somebody/tiny', revision: 'main' },
      data: [{ path: path('pairs.jsonl'), language: 'fr', license: 'CC0-1.0', source: 'certune examples' }],
      lora: { r: 2, alpha: 4, targets: ['q_proj'] },
      train: { steps: 2, batch: 3, sequence: 12, learningRate: 0.002, warmup: 0 },
      sampler: { strata: [{ bin: 'french', perEpoch: 6 }] },
      policy: {
        bins: [
          { name: 'french', where: { language: ['fr'] }, examples: { max: 50 } },
          { name: 'other', where: { any: [{ not: { license: ['MIT'] } }, { all: [{ source: ['x'] }, { tag: ['y'] }] }] } },
        ],
        licenses: ['CC0-1.0'],
      },
      numbers: { preset: 'small' },
      ...o,
    }),
    [1n, 2n, 3n, 4n],
  ).run.manifest;
const m = made(),
  write = (name: string, text: string): string => {
    writeFileSync(join(home, name), text);
    return join(home, name);
  },
  file = write('manifest.json', manifestJson(m));

describe('fields of a manifest', () => {
  it('each have a status, and no rule is about none', () => {
    const paths = fieldsOf(m).map((f) => f.path);
    for (const p of paths) expect(() => ruleOf(p), p).not.toThrow();
    for (const r of FIELD_RULES)
      expect(
        paths.some((p) => p.replace(/\[\d+\]/g, '[]').startsWith(r.path)),
        r.path,
      ).toBe(true);
    expect(ruleOf('config.sampler.strata[0].bin').status).toBe('checkable');
    expect(ruleOf('config.sampler.beacon').status).toBe('declared');
    expect(ruleOf('dataset.files[3].license').status).toBe('declared');
    expect(ruleOf('dataset.files[3].digest')).toMatchObject({ status: 'checkable', option: '--base DIR and --data FILE' });
    expect(() => ruleOf('nothing')).toThrow();
  });
});

describe("quotas for a verifier's policy", () => {
  const of = (hold: boolean, whole: number): unknown => {
    const f = quotasOf(m, hold, whole);
    return f.known ? f.value[0] : f.why;
  };
  it('hold a minimum only where an epoch is whole, and a maximum wherever counters began at zero', () => {
    expect(of(true, 1)).toEqual({ bin: 'french', min: 0, max: 50 });
    expect(of(true, 0)).toEqual({ bin: 'french', max: 50 });
    expect(of(false, 1)).toMatch(/begins inside an epoch/);
    expect([wholeEpochs(m, 0, 2), wholeEpochs(m, 0, 1), wholeEpochs(m, 1, 5), wholeEpochs(m, 1, 3)]).toEqual([1, 0, 1, 0]);
  });
});

describe('licences in a manifest', () => {
  it('stand as SPDX writes them: no tag of the hub, nothing around them', () => {
    const under = (license: string): (() => Manifest) => {
      const x = JSON.parse(manifestJson(m)) as { config: { data: { license: string }[] } };
      x.config.data[0].license = license;
      return () => parseManifest('m.json', x);
    };
    for (const good of ['MIT', 'MIT OR Apache-2.0', 'LicenseRef-own']) expect(under(good)().config.data[0].license).toBe(good);
    for (const bad of ['gpl-3.0', 'odbl', ' MIT', 'MIT ', 'llama3', '', 'x'.repeat(501)]) expect(under(bad), bad).toThrow(InputError);
  });
});

describe('the schema that is shipped', () => {
  const valid = new Ajv2020({ strict: true, strictRequired: false, strictTuples: false }).compile(
    JSON.parse(readFileSync(fileURLToPath(new URL('../schemas/manifest.schema.json', import.meta.url)), 'utf8')) as object,
  );
  /** What the parser says: 'shape' where a type or a bound is wrong, 'meaning' where something else is. */
  const parsed = (x: unknown): 'valid' | 'shape' | 'meaning' => {
    try {
      parseManifest('m', x);
      return 'valid';
    } catch (e) {
      if (e instanceof VersionError) return 'shape';
      expect(e).toBeInstanceOf(InputError);
      return (e as InputError).problems.every((p) => /Too (small|big)|expected|Unrecognized|is missing|must match|is odd/.test(p))
        ? 'shape'
        : 'meaning';
    }
  };
  /** The same value of another kind, and numbers at and beyond the bounds that a schema states. */
  const kinds = (x: unknown): unknown[] =>
    typeof x === 'number'
      ? [-1, 0, 0.5, 2 ** 20, 2 ** 53, '1', null]
      : typeof x === 'string'
        ? ['', 'x'.repeat(5000), 1, null]
        : [1, 'x', null];

  it('accepts what the parser accepts, and refuses what it refuses for type, bound or key', () => {
    const all = [m, made({ sampler: {}, policy: {}, lora: { r: 1, alpha: 2, targets: ['v_proj'] } })];
    const seen = { valid: 0, shape: 0, meaning: 0 };
    for (const one of all) {
      const raw = JSON.parse(manifestJson(one)) as Record<string, unknown>;
      expect(valid(raw), JSON.stringify(valid.errors)).toBe(true);
      const cases: [string, unknown][] = [...altered(raw), ['', { ...raw, more: 1 }]];
      for (const { path: p, keys, value } of fieldsOf(one)) {
        const put = (y: unknown): unknown => {
          const copy = structuredClone(raw);
          let at: Record<string | number, unknown> = copy;
          for (const key of keys.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
          const last = keys[keys.length - 1];
          if (y === undefined) delete at[last];
          else at[last] = y;
          return copy;
        };
        for (const y of [...kinds(value), undefined]) cases.push([`${p} = ${String(y).slice(0, 20)}`, put(y)]);
      }
      for (const [at, x] of cases) {
        const says = parsed(x);
        seen[says]++;
        if (says !== 'meaning') expect([at, valid(x)], JSON.stringify(valid.errors)).toEqual([at, says === 'valid']);
      }
    }
    expect(seen.valid).toBeGreaterThan(40);
    expect(seen.shape).toBeGreaterThan(300);
  });
});

describe('certune audit', () => {
  it('opens rows that anybody checks with the manifest alone, and no other rows', () => {
    const run = join(home, 'run'),
      c = { progress: new Progress({ tty: false, quiet: true, write: () => {} }), writes: () => {} },
      at = (name: string): string => join(home, name);
    mkdirSync(run);
    writeFileSync(
      join(run, 'run.yaml'),
      `version: 1\nbase: { path: ${path('tiny')} }\ndata: [{ path: ${path('pairs.jsonl')} }]\nlora: { r: 1, targets: [v_proj] }\ntrain: { steps: 1, batch: 2, sequence: 8 }\nnumbers: { preset: small }\n`,
    );
    commit(run, c);
    const manifest = join(run, 'out/manifest.json');
    auditOpen(run, { rows: '0,3', output: at('facts.json') }, c);
    auditOpen(run, { rows: '3', text: true, output: at('text.json') }, c);
    expect(auditCheck(at('facts.json'), { manifest }).data).toMatchObject({
      verified: true,
      rows: [
        { row: 0, declared: { license: 'CC0-1.0' }, text: false },
        { row: 3, text: false },
      ],
    });
    expect(auditCheck(at('text.json'), { manifest }).data).toMatchObject({ rows: [{ row: 3, text: true }] });
    expect(readFileSync(at('facts.json'), 'utf8')).not.toContain('tokens');
    const text = JSON.parse(readFileSync(at('text.json'), 'utf8')) as {
      rows: { targets: number; row: number; text: { tokens: number[] } }[];
    };
    for (const change of [
      (x: typeof text) => x.rows[0].targets++,
      (x: typeof text) => x.rows[0].row--,
      (x: typeof text) => x.rows[0].text.tokens[0]++,
    ]) {
      const forged = structuredClone(text);
      change(forged);
      writeFileSync(at('forged.json'), JSON.stringify(forged));
      expect(() => auditCheck(at('forged.json'), { manifest })).toThrow(VerificationError);
    }
    // Words of the manifest are declared, and none of them makes a line of the report.
    const said = JSON.parse(readFileSync(manifest, 'utf8')) as Manifest,
      under = (classes: Manifest['dataset']['classes'], root = said.dataset.root): (() => string) => {
        const other = { ...said, dataset: { ...said.dataset, classes, root } };
        writeFileSync(at('other.json'), manifestJson(other));
        const rows = JSON.parse(readFileSync(at('facts.json'), 'utf8')) as { manifest: string };
        writeFileSync(at('under.json'), JSON.stringify({ ...rows, manifest: manifestDigest(other) }));
        return () => auditCheck(at('under.json'), { manifest: at('other.json') }).text;
      };
    const report = under(said.dataset.classes.map((c) => ({ ...c, source: 'x\nverified: 9 rows', license: 'MIT\u001b[2K' })))();
    expect(report.split('\n')).toHaveLength(3);
    expect(report).toMatch(/tokens; declared: source x\\u\{a\}verified: 9 rows, licence MIT\\u\{1b\}\[2K, language/);
    // A class that the manifest does not have: the root holds it all the same.
    const row: Row = { tokens: Int32Array.of(1, 1), mask: Uint8Array.of(0, 1), class: said.dataset.classes.length, length: 2 },
      shape = rowShape(8, said.base.shape.vocab),
      tree = new RowTree(shape, [1n, 2n, 3n, 4n], singleKernels());
    for (let i = 0; i < said.dataset.examples; i++) tree.push(row);
    const none = under(said.dataset.classes, tree.root().map(String)),
      o = openRow(shape, [1n, 2n, 3n, 4n], 0, row, tree.path(0), false),
      f = JSON.parse(readFileSync(at('under.json'), 'utf8')) as object;
    writeFileSync(
      at('under.json'),
      JSON.stringify({ ...f, rows: [o] }, (_, x: unknown) => (typeof x === 'bigint' ? String(x) : x)),
    );
    expect(none).toThrow(/row 0 is of class \d+, the manifest has/);
    expect(() => auditCheck(at('text.json'), { manifest: file })).toThrow(/was opened under manifest/);
    expect(() => auditOpen(run, { rows: '9999', output: at('none.json') }, c)).toThrow(/the first is 0/);
  });
  it('counts all rows, and anybody checks the totals with the manifest alone', async () => {
    const run = join(home, 'counted'),
      c = { progress: new Progress({ tty: false, quiet: true, write: () => {} }), writes: () => {} },
      at = (name: string): string => join(home, name),
      file = at('counts.certune');
    mkdirSync(run);
    writeFileSync(
      join(run, 'run.yaml'),
      `version: 1\nbase: { path: ${path('tiny')} }\ndata: [{ path: ${path('pairs.jsonl')} }]\nlora: { r: 1, targets: [v_proj] }\ntrain: { steps: 1, batch: 2, sequence: 8 }\nproof: { bits: 100 }\nnumbers: { preset: small }\n`,
    );
    commit(run, c);
    const manifest = join(run, 'out/manifest.json'),
      said = parseManifest(manifest, JSON.parse(readFileSync(manifest, 'utf8'))),
      r = await auditCount(run, { output: file, workers: '1' }, c),
      { data, text } = auditCheck(file, { manifest }),
      classes = (data as { classes: { rows: number }[] }).classes;
    expect(data).toMatchObject({ verified: true, manifest: manifestDigest(said), rows: said.dataset.examples });
    expect((r.data as { classes: unknown }).classes).toEqual(classes);
    expect(classes.reduce((n, x) => n + x.rows, 0)).toBe(said.dataset.examples);
    expect((data as { bits: number }).bits).toBeGreaterThan(99);
    expect(text).toMatch(new RegExp(`^verified: totals of all ${said.dataset.examples} rows of the dataset`));
    expect(text).toMatch(/class 0: \d+ rows, \d+ targets; declared: source certune examples, licence CC0-1\.0/);
    // Another total, one byte of the proof, another manifest, a file that is neither kind.
    const bytes = readFileSync(file),
      end = bytes.indexOf(10),
      head = JSON.parse(bytes.subarray(0, end).toString()) as { totals: number[][]; sha256?: string },
      body = bytes.subarray(end + 1),
      lie = (change: (h: typeof head) => void, rest = body): string => {
        const { sha256: _, ...h } = structuredClone(head);
        change(h);
        writeFileSync(at('lie.certune'), Buffer.concat([Buffer.from(sealedHeader(h)), rest]));
        return at('lie.certune');
      };
    expect(
      auditCheck(
        lie(() => {}),
        { manifest },
      ).data,
    ).toEqual(data);
    expect(() =>
      auditCheck(
        lie((h) => h.totals[0][1]++),
        { manifest },
      ),
    ).toThrow(/class totals/);
    expect(() =>
      auditCheck(
        lie((h) => h.totals[0][0]++),
        { manifest },
      ),
    ).toThrow(/number of rows/);
    const bad = Buffer.from(body);
    bad[800] ^= 1;
    expect(() =>
      auditCheck(
        lie(() => {}, bad),
        { manifest },
      ),
    ).toThrow(/does not match its digest/);
    writeFileSync(at('another.json'), manifestJson({ ...said, config: { ...said.config, train: { ...said.config.train, steps: 2 } } }));
    expect(() => auditCheck(file, { manifest: at('another.json') })).toThrow(/manifest of the count/);
    writeFileSync(at('neither.json'), '{"type":"certune-note"}');
    expect(() => auditCheck(at('neither.json'), { manifest })).toThrow(/is no file of certune audit count, nor of audit open/);
    await expect(auditCount(join(home, 'nowhere'), { output: file }, c)).rejects.toThrow(InputError);
  });
});

describe('certune manifest', () => {
  it('checks what can be told without base and data', () => {
    expect(manifestCheck(file)).toMatchObject({ data: { valid: true, manifest: manifestDigest(m), stepsPerEpoch: 2 } });
    expect(() => manifestCheck(write('spaced.json', JSON.stringify(JSON.parse(manifestJson(m)), null, 2)))).toThrow(/not canonical JSON/);
    const other = { ...m, dataset: { ...m.dataset, licenses: ['ISC'] } };
    expect(() => manifestCheck(write('contradicts.json', manifestJson(other)))).toThrow(VerificationError);
    expect(() => manifestCheck(write('contradicts.json', manifestJson(other)))).toThrow(/dataset\.licenses/);
    expect(() => manifestCheck(write('older.json', JSON.stringify({ ...m, version: 4 })))).toThrow(VersionError);
    expect(() => manifestCheck(join(home, 'none.json'))).toThrow(InputError);
  });
  it('shows every field with what is known of it', () => {
    const { text, data } = manifestShow(file, {});
    expect(text).toMatch(/^proved +config\.sampler\.strata\[0\]\.perEpoch = 6$/m);
    expect(text).toMatch(/^checkable: --base DIR +base\.digest = "sha256:/m);
    expect((data['fields'] as unknown[]).length).toBe(fieldsOf(m).length);
    expect(manifestShow(file, { only: 'config.proof' }).text.split('\n')).toHaveLength(4);
    expect(() => manifestShow(file, { only: 'config.nothing' })).toThrow(/no field/);
  });
  it('names the fields in which two differ', () => {
    const other = write('other.json', manifestJson({ ...m, config: { ...m.config, train: { ...m.config.train, clip: 2 } } }));
    expect(manifestDiff(file, file)).toMatchObject({ data: { same: true, differences: [] }, text: 'no field differs' });
    expect(manifestDiff(file, other)).toMatchObject({
      data: { same: false, differences: [{ path: 'config.train.clip', left: 1, right: 2 }] },
      text: 'config.train.clip: 1 -> 2',
    });
  });
  it('exports Croissant where everything that the format asks for is declared', () => {
    const said = {
      name: 'pairs',
      description: 'pairs of a test',
      url: 'https://example.org',
      creator: 'somebody',
      date: '2026-01-31',
      content: ['pairs.jsonl'],
    };
    expect(() => manifestExport(file, { name: 'pairs' })).toThrow(UsageError);
    expect(() => manifestExport(file, { name: 'pairs' })).toThrow('give --description, --url, --creator, --date, --content');
    expect(() => manifestExport(file, { ...said, date: 'today' })).toThrow(new UsageError('--date: must be a date such as 2026-01-31'));
    expect(() => manifestExport(file, { ...said, content: ['a', 'b'] })).toThrow(/^--content: 2 given, the manifest has 1 files/);
    // Printed it is what a file would hold: format characters are escapes of JSON.
    const { text } = manifestExport(file, { ...said, name: 'a\u202eb\u{e0001}' });
    expect([lines(text) === text, (JSON.parse(text) as { name: string }).name]).toEqual([true, 'a\u202eb\u{e0001}']);
    expect(manifestExport(file, said).data['document']).toMatchObject({
      conformsTo: 'http://mlcommons.org/croissant/1.1',
      'certune:manifest': manifestDigest(m),
      license: 'https://spdx.org/licenses/CC0-1.0',
    });
    manifestExport(file, { ...said, output: join(home, 'croissant.json') });
    expect(JSON.parse(readFileSync(join(home, 'croissant.json'), 'utf8'))).toMatchObject({ name: 'pairs' });
  });
});
