import { sha256 } from '@noble/hashes/sha2.js';
import { jsonDocument } from '../../io/json-text.js';
import { manifestDigest } from '../../run/manifest.js';
import { toHex, toUtf8 } from '../bytes.js';
import { claimsOfRelease, programDigests } from '../predicate.js';
import type { ExportFacts } from './facts.js';

/* CycloneDX 1.7, a bill of materials of a model: the adapter, what it was made from, and what is claimed of it. */

const SCHEMA = 'http://cyclonedx.org/schema/bom-1.7.schema.json';

/** A UUID from a digest (RFC 9562, version 8): the same run has the same serial number. */
function uuidOf(text: string): string {
  const b = sha256(toUtf8(text)).slice(0, 16);
  b[6] = (b[6] & 0x0f) | 0x80;
  b[8] = (b[8] & 0x3f) | 0x80;
  return toHex(b).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

const hex = (digest: string): string => digest.replace(/^sha256:/, ''),
  hash = (digest: string): { alg: string; content: string }[] => [{ alg: 'SHA-256', content: hex(digest) }],
  property = (name: string, value: string): { name: string; value: string } => ({ name: `certune:${name}`, value });

/**
 * The base, which the adapter changes nothing of. Its digest is one over a list of files, so that it is a property and
 * no hash of a file.
 */
const baseComponent = ({ manifest: m }: ExportFacts): Record<string, unknown> => ({
  type: 'machine-learning-model',
  'bom-ref': 'base',
  name: m.config.base.name ?? m.base.digest,
  ...(m.config.base.revision === null ? {} : { version: m.config.base.revision }),
  properties: [property('base', m.base.digest), property('base:status', 'checkable'), property('name:status', 'declared')],
});

const dataComponents = ({ manifest: m }: ExportFacts): Record<string, unknown>[] =>
  m.dataset.files.map((d, i) => ({
    type: 'data',
    'bom-ref': `data-${i}`,
    name: d.source,
    hashes: hash(d.digest),
    licenses: [{ expression: d.license, acknowledgement: 'declared' }],
    data: [
      { type: 'dataset', name: d.source, contents: { properties: [property('rows', String(d.rows)), property('kept', String(d.kept))] } },
    ],
    properties: [
      property('language', d.language),
      property('digest:status', 'checkable'),
      property('source:status', 'declared'),
      property('license:status', 'declared'),
      property('language:status', 'declared'),
    ],
  }));

function modelCard(f: ExportFacts): Record<string, unknown> {
  const { config, base } = f.manifest,
    { train, lora } = config;
  return {
    modelParameters: {
      approach: { type: 'supervised' },
      task: 'text-generation',
      architectureFamily: 'transformer',
      modelArchitecture: `Llama, ${base.shape.layers} layers, hidden size ${base.shape.hidden}, with a LoRA adapter`,
      datasets: f.manifest.dataset.files.map((_, i) => ({ ref: `data-${i}` })),
      inputs: [{ format: 'text' }],
      outputs: [{ format: 'text' }],
    },
    ...(f.losses
      ? {
          quantitativeAnalysis: {
            performanceMetrics: [
              { type: 'training loss (nats per target)', value: f.losses.first.toFixed(6), slice: 'first step' },
              { type: 'training loss (nats per target)', value: f.losses.last.toFixed(6), slice: 'last step' },
            ],
          },
        }
      : {}),
    properties: [
      property('lora:r', String(lora.r)),
      property('lora:alpha', String(lora.alpha)),
      property('lora:scaling', lora.scaling),
      property('lora:targets', lora.targets.join(',')),
      property('lora:seed', String(lora.seed)),
      property('train:steps', String(train.steps)),
      property('train:batch', String(train.batch)),
      property('train:sequence', String(train.sequence)),
      property('train:learningRate', String(train.learningRate)),
      property('train:schedule', train.schedule),
      property('train:weightDecay', String(train.weightDecay)),
      property('sampler:beacon', config.sampler.beacon),
      ...(f.targets === undefined ? [] : [property('trainedTokens', String(f.targets)), property('trainedTokens:status', 'proved')]),
    ],
  };
}

/**
 * Every claim with what it rests on. CycloneDX has no word for proof, so that the status is the predicate's and the
 * evidence's.
 */
function declarations(f: ExportFacts): Record<string, unknown> {
  const claims = claimsOfRelease(f);
  return {
    claims: claims.map((c) => ({
      'bom-ref': `claim-${c.id}`,
      target: 'adapter',
      predicate: `${c.id}: ${c.status}`,
      reasoning: `by ${c.by}`,
      evidence: [`evidence-${c.id}`],
    })),
    evidence: claims.map((c) => ({
      'bom-ref': `evidence-${c.id}`,
      propertyName: `certune:${c.id}`,
      description: c.status,
      data: [{ name: c.id, contents: { attachment: { contentType: 'text/plain', content: c.by } } }],
    })),
  };
}

/**
 * The bill of materials: canonical in content, indented for people, without a clock. What the run declares are the
 * licences of its data; the adapter's own is for its provider to say, and is not here.
 */
export function cyclonedx(f: ExportFacts): string {
  const { manifest: m } = f,
    adapter = f.files.find((x) => x.name.endsWith('adapter_model.safetensors')),
    proof = f.files.find((x) => x.name === f.proof),
    digest = manifestDigest(m);
  const bom = {
    $schema: SCHEMA,
    bomFormat: 'CycloneDX',
    specVersion: '1.7',
    serialNumber: `urn:uuid:${uuidOf(`${digest} ${adapter?.sha256 ?? ''} ${proof?.sha256 ?? ''}`)}`,
    version: 1,
    metadata: {
      tools: { components: [{ type: 'application', name: 'certune', version: f.version }] },
      component: {
        type: 'machine-learning-model',
        'bom-ref': 'adapter',
        name: `LoRA adapter of ${m.config.base.name ?? m.base.digest}`,
        version: hex(digest).slice(0, 16),
        ...(adapter ? { hashes: hash(adapter.sha256) } : {}),
        pedigree: { ancestors: [{ ...baseComponent(f), 'bom-ref': 'base-ancestor' }] },
        modelCard: modelCard(f),
        properties: [
          property('manifest', digest),
          property('proof:kind', f.kind),
          ...(f.key === undefined ? [] : [property('verificationKey', f.key)]),
          ...programDigests(m).map((d, i) => property(`program:${i}`, d)),
          property('soundness:bits', String(Math.floor(f.ledger.roundByRound))),
        ],
      },
    },
    components: [
      baseComponent(f),
      ...dataComponents(f),
      { type: 'file', 'bom-ref': 'tokenizer', name: 'tokenizer.json', hashes: hash(m.preprocessing.tokenizer) },
      ...(proof ? [{ type: 'file', 'bom-ref': 'proof', name: proof.name, hashes: hash(proof.sha256) }] : []),
    ],
    dependencies: [
      { ref: 'adapter', dependsOn: ['base', 'tokenizer', ...m.dataset.files.map((_, i) => `data-${i}`)] },
      { ref: 'base', dependsOn: ['tokenizer'] },
    ],
    declarations: {
      ...declarations(f),
      targets: { components: [{ type: 'machine-learning-model', 'bom-ref': 'adapter-target', name: 'the adapter of this document' }] },
    },
  };
  return jsonDocument(bom);
}
