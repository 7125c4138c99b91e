import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import addFormatsModule from 'ajv-formats';
import { afterAll, describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { fixture } from '../../test/fixtures.js';
import { tinyRun } from '../../test/tiny-run.js';
import { runLedger } from '../run/ledger.js';
import { setup } from '../setup/run.js';
import { canonicalBytes } from './json.js';
import { cyclonedx } from './exports/cyclonedx.js';
import type { ExportFacts } from './exports/facts.js';
import { escaped, hfCard } from './exports/hf-card.js';
import { trainingSummary, trainingSummaryJson, trainingSummaryText } from './exports/training-summary.js';
import { PREDICATE_TYPE, comparePredicate, predicateOf } from './predicate.js';
import { MAX_STATEMENT, parseStatement, statementBytes } from './statement.js';

const addFormats = addFormatsModule as unknown as (ajv: Ajv) => Ajv;

// Rows that declare nothing of their own: what the file declares holds for them.
const dir = mkdtempSync(join(tmpdir(), 'certune-exports-')),
  data = join(dir, 'rows.jsonl');
afterAll(() => rmSync(dir, { recursive: true, force: true }));
writeFileSync(data, Array.from({ length: 4 }, (_, i) => JSON.stringify({ prompt: `${i} `, completion: 'a b' })).join('\n'));

/** Facts of a run that nobody proved: exports read the manifest and the ledger. */
function facts(file: Readonly<Record<string, unknown>> = {}, change: Partial<ExportFacts> = {}): ExportFacts {
  const config = tinyRun(
      { steps: 2, batch: 2, microBatch: 2 },
      { path: data, source: 'owner/set', license: 'Apache-2.0', language: 'en', ...file },
    ),
    s = setup({ ...config, base: { ...config.base, name: 'owner/base', revision: 'main' } }, [1n, 2n, 3n, 4n]);
  return {
    manifest: s.run.manifest,
    kind: 'folded',
    key: `sha256:${'c'.repeat(64)}`,
    ledger: runLedger({ plan: s.run.programs.plan, update: s.run.programs.update, steps: 2, micros: 1 }),
    version: '0.1.0',
    proof: 'run.certune',
    files: [
      { name: 'run.certune', sha256: 'ab'.repeat(32) },
      { name: 'adapter_model.safetensors', sha256: 'cd'.repeat(32) },
    ],
    targets: 77,
    losses: { first: 3.25, last: 3.125 },
    ...change,
  };
}

/** Words that try to be more than words. */
const NASTY =
  'x | y](javascript:1) <script>alert(1)</script> `code` \u202e\u2028---\n# heading "quote" \'single\' & ![img](a) ~~s~~ @user #1 :smile:';

describe('CycloneDX', () => {
  const folder = fixture('vectors/cyclonedx');
  const validator = (v: string): ((x: unknown) => boolean) & { errors?: unknown } => {
    const ajv = addFormats(new Ajv({ strict: false, allErrors: false }));
    ajv.addFormat('idn-email', true).addFormat('iri-reference', true);
    for (const s of ['spdx', 'jsf-0.82', 'cryptography-defs'])
      try {
        ajv.addSchema(JSON.parse(readFileSync(join(folder!, 'schema', `${s}.schema.json`), 'utf8')) as object);
      } catch (e) {
        throw new Error(`${s}: ${(e as Error).message}`);
      }
    return ajv.compile(JSON.parse(readFileSync(join(folder!, 'schema', `bom-${v}.schema.json`), 'utf8')) as object);
  };
  it.skipIf(!folder)('every vector has the verdict of its name, and the bill of materials is valid', { timeout: 0 }, () => {
    let n = 0;
    for (const v of ['1.6', '1.7']) {
      const valid = validator(v);
      for (const f of readdirSync(join(folder!, v))) {
        n++;
        expect(valid(JSON.parse(readFileSync(join(folder!, v, f), 'utf8'))), f).toBe(f.startsWith('valid'));
      }
      if (v === '1.7')
        for (const x of [
          facts(),
          facts({ license: 'LicenseRef-own', source: NASTY }),
          facts({}, { files: [], losses: undefined, targets: undefined } as never),
        ])
          expect([valid(JSON.parse(cyclonedx(x))), valid.errors]).toEqual([true, null]);
    }
    expect(n).toBe(20);
  });
  it('has the same bytes each time, unique references that lead somewhere, and a serial number of its run', () => {
    const text = cyclonedx(facts()),
      refs = [...text.matchAll(/"bom-ref": "([^"]+)"/g)].map((m) => m[1]),
      to = [...text.matchAll(/"(?:ref|target)": "([^"]+)"/g)].map((m) => m[1]);
    expect(cyclonedx(facts())).toBe(text);
    expect(new Set(refs).size).toBe(refs.length);
    expect(to.filter((r) => !refs.includes(r))).toEqual([]);
    expect(text).toMatch(/"serialNumber": "urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"/);
    expect(cyclonedx(facts({ source: 'another/set' }))).not.toContain(/urn:uuid:[0-9a-f-]+/.exec(text)![0]);
    expect(text).not.toMatch(/timestamp/);
  });
});

describe('the model card', () => {
  it('has front matter that the hub reads, and a section on verification', () => {
    const text = hfCard(facts()),
      [, yaml] = text.split(/^---$/m),
      meta = parseYaml(yaml) as Record<string, unknown>;
    expect(meta).toEqual({
      library_name: 'peft',
      base_model: 'owner/base',
      base_model_relation: 'adapter',
      pipeline_tag: 'text-generation',
      license: 'apache-2.0',
      language: ['en'],
      datasets: ['owner/set'],
      tags: ['certune', 'verifiable-fine-tuning', 'lora'],
    });
    for (const s of [
      '## Verification',
      '## Technical Specifications',
      '#### Training Hyperparameters',
      '77 trained (target) tokens (proved)',
    ])
      expect(text).toContain(s);
    expect(hfCard(facts())).toBe(text);
  });
  it('keeps a licence outside the list as other, and declared words as words', () => {
    const text = hfCard(facts({ license: 'LicenseRef-own', source: NASTY })),
      meta = parseYaml(text.split(/^---$/m)[1]) as Record<string, unknown>;
    expect([meta['license'], meta['license_name'], meta['license_link'], meta['datasets']]).toEqual([
      'other',
      'LicenseRef-own',
      'README.md',
      undefined,
    ]);
    for (const bad of ['<script>', '](javascript', '\u202e', '\u2028', '`code`', '![img]']) expect(text).not.toContain(bad);
    // The row of the data file is one row of a table with five cells.
    const row = text.split('\n').find((l) => l.includes('alert'))!;
    expect(row.split('|').length).toBe(7);
    expect(escaped('plain words, with - and . are left')).toBe('plain words, with - and . are left');
  });
});

describe('the training-content summary', () => {
  const template = fixture('vectors/facts/eu-ai-act-training-summary.json');
  it.skipIf(!template)('has every section of the template, in its order', () => {
    const t = JSON.parse(readFileSync(template!, 'utf8')) as { sections: { id: string; name: string }[] };
    expect(trainingSummary(facts()).map((s) => [s.id, s.name])).toEqual(t.sections.map((s) => [s.id, s.name]));
  });
  it('says what each line is, and never No', () => {
    for (const f of [facts(), facts({ source: 'unknown', language: 'und' })]) {
      const fields = trainingSummary(f).flatMap((s) => s.fields);
      for (const x of fields) {
        expect(['proved', 'checkable', 'declared', 'to be completed by the provider']).toContain(x.status);
        expect(x.value === undefined, x.name).toBe(x.status === 'to be completed by the provider');
        expect(JSON.stringify(x.value ?? '')).not.toMatch(/"(no|none|not used)"/i);
        if (/yes\/no/.test(x.name)) expect(x.value).toBeUndefined();
      }
      expect(fields.filter((x) => x.status === 'proved').map((x) => x.name)).toEqual(['Training data size (of the modification)']);
    }
    expect(trainingSummaryJson(facts())).toBe(trainingSummaryJson(facts()));
    expect(trainingSummaryText(facts({ source: NASTY }))).not.toContain('<script>');
    expect(trainingSummaryJson(facts())).toContain('Less than 1 billion tokens: 77 trained tokens, at most 48 positions');
  });
});

describe('the predicate', () => {
  const body = (f: ExportFacts): Uint8Array => statementBytes(f.files, PREDICATE_TYPE, predicateOf(f));
  it('names base, tokenizer, data, programs and key by digest, in at most 64 KB, the same bytes each time', () => {
    const f = facts(),
      b = body(f),
      s = parseStatement(b, 'statement'),
      p = s.predicate as unknown as { buildDefinition: { resolvedDependencies: { name: string; digest: Record<string, string> }[] } };
    expect(body(facts())).toEqual(b);
    expect(b.length).toBeLessThan(MAX_STATEMENT / 8);
    expect(p.buildDefinition.resolvedDependencies.map((d) => d.name)).toEqual([
      'base',
      'tokenizer.json',
      ...(f.manifest.preprocessing.tokenizerConfig === null ? [] : ['tokenizer_config.json']),
      ...(f.manifest.preprocessing.template === null ? [] : ['chat template']),
      'data/0',
      'program/0',
      'verification key',
    ]);
    // The salt of the data's commitment is not repeated: whoever reads a statement need not have the manifest.
    expect(Buffer.from(b).toString()).not.toContain('"salt"');
    comparePredicate(s.predicate, f, 'release');
  });
  it('is compared with the proof: another base, more bits, other settings are refused by name', () => {
    const f = facts(),
      change = (g: (p: Record<string, Record<string, unknown>>) => void) => (): void => {
        const p = JSON.parse(Buffer.from(canonicalBytes(predicateOf(f))).toString()) as Record<string, Record<string, unknown>>;
        g(p);
        comparePredicate(p, f, 'release');
      };
    expect(change(() => {})).not.toThrow();
    expect(
      change((p) => ((p['buildDefinition']['externalParameters'] as Record<string, Record<string, unknown>>)['train']['steps'] = 3)),
    ).toThrow('buildDefinition.externalParameters.train.steps');
    expect(change((p) => ((p['buildDefinition']['resolvedDependencies'] as { digest: unknown }[])[0].digest = {}))).toThrow(
      'resolvedDependencies.0',
    );
    expect(change((p) => (p['soundness']['bits'] = 500))).toThrow('soundness.bits');
    expect(change((p) => (p['soundness']['bits'] = '99'))).toThrow('soundness.bits');
    expect(change((p) => ((p['runDetails']['metadata'] as Record<string, unknown>)['invocationId'] = 'x'))).toThrow('invocationId');
    expect(() => comparePredicate({}, f, 'release')).toThrow('buildDefinition');
    for (const x of [null, [], 'x', { claims: null, soundness: [], runDetails: { builder: null } }])
      expect(() => comparePredicate(x, f, 'release')).toThrow('says other than');
  });
  it('may say less than the proof, and nothing more: claims, soundness, cards, builder, members of its own', () => {
    const f = facts({}, { cards: [{ name: 'run.certune.cards/a.json', sha256: 'ef'.repeat(32) }] });
    type Loose = Record<string, Record<string, unknown>> & {
      claims: Record<string, unknown>[];
      soundness: { bits: number; assumptions: string[]; [k: string]: unknown };
      runDetails: { builder: Record<string, unknown>; byproducts: unknown[]; [k: string]: unknown };
    };
    const change = (g: (p: Loose) => void) => (): void => {
      const p = JSON.parse(Buffer.from(canonicalBytes(predicateOf(f))).toString()) as Loose;
      g(p);
      comparePredicate(p, f, 'release');
    };
    // Less, or by another version of the program.
    for (const g of [
      (p: Loose) => (p.claims = []),
      (p: Loose) => (p.claims[0]['status'] = 'declared'),
      (p: Loose) => p.claims.push({ id: 'energy', status: 'declared', by: 'somebody' }),
      (p: Loose) => ((p.soundness.bits -= 1), (p.soundness['ledger'] = { sha256: '00' })),
      (p: Loose) => p.soundness.assumptions.push('one more'),
      (p: Loose) => (p.runDetails.builder['version'] = { certune: '9.9.9' }),
    ])
      expect(change(g), String(g)).not.toThrow();
    const more: [(p: Loose) => void, string][] = [
      [(p) => (p.claims.find((c) => c['id'] === 'licenses')!['status'] = 'proved'), 'claims.9'],
      [(p) => (p.claims.find((c) => c['id'] === 'data')!['status'] = 'attested'), 'claims.6'],
      [(p) => (p.claims[0]['by'] = 'a notified body'), 'claims.0'],
      [(p) => (p.claims[0]['seal'] = 'x'), 'claims.0'],
      [(p) => p.claims.push({ id: 'safety', status: 'checkable', by: 'x' }), 'claims.11'],
      [(p) => p.claims.push({ ...p.claims[0] }), 'claims.11'],
      [(p) => (p['claims'] = {} as never), 'claims'],
      [(p) => (p.soundness.assumptions = []), 'soundness.assumptions'],
      [(p) => (p.soundness['ledger'] = { sha256: '00' }), 'soundness.ledger.sha256'],
      [(p) => (p.soundness['margin'] = 30), 'soundness.margin'],
      [(p) => (p.runDetails.byproducts = []), 'runDetails.byproducts.0'],
      [(p) => p.runDetails.byproducts.push({ name: 'b', digest: { sha256: '00' } }), 'runDetails.byproducts.1'],
      [(p) => (p.runDetails.builder['id'] = 'https://example.com/trusted-builder'), 'runDetails.builder.id'],
      [(p) => (p.runDetails.builder['builderDependencies'] = []), 'runDetails.builder.builderDependencies'],
      [(p) => (p.runDetails.builder['version'] = { certune: '0.1.0', other: '1' }), 'runDetails.builder.version.other'],
      [(p) => (p.runDetails['finishedOn'] = '2026-01-01T00:00:00Z'), 'runDetails.finishedOn'],
      [(p) => (p['verificationResult'] = {}), 'verificationResult'],
    ];
    for (const [g, where] of more) expect(change(g), where).toThrow(where);
  });
});
