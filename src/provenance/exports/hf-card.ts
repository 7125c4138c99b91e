import { manifestDigest } from '../../run/manifest.js';
import { claimsOfRelease } from '../predicate.js';
import { type ExportFacts, hubName, positions, unique } from './facts.js';

/* README.md of a released adapter as the Hugging Face hub reads it, with a section on how to verify it. */

/**
 * A YAML string that needs no knowledge of YAML's special forms: what older readers take for a line break, or refuse,
 * and what a terminal acts upon or nobody sees, is an escape.
 */
const quoted = (s: string): string =>
  JSON.stringify(s).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => {
    const hex = c.codePointAt(0)!.toString(16);
    return hex.length > 4 ? `\\U${hex.padStart(8, '0')}` : `\\u${hex.padStart(4, '0')}`;
  });

/**
 * Declared words inside Markdown: they come from anyone and must stay words. Every character that Markdown or HTML
 * could read as more is written as a character reference, line breaks as spaces.
 */
export const escaped = (s: string): string =>
  s
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/\p{Cf}/gu, '')
    .replace(/[&<>"'`*_{}[\]()#+!|~\\$:@]/g, (c) => `&#${c.codePointAt(0)};`);

/** Where it is safe to write a name as code: no back tick, no line break. */
const code = (s: string): string => (/^[\x20-\x5f\x61-\x7e]+$/.test(s) && !s.includes('|') ? `\`${s}\`` : escaped(s));

function frontMatter(f: ExportFacts): string[] {
  const { config, dataset } = f.manifest,
    licenses = unique(dataset.licenses),
    languages = unique(dataset.languages).filter((l) => l !== 'und'),
    sources = unique(dataset.sources).filter(hubName),
    one = licenses.length === 1 && /^[A-Za-z0-9.-]+$/.test(licenses[0]) && !licenses[0].startsWith('LicenseRef-');
  return [
    'library_name: peft',
    ...(config.base.name === null ? [] : [`base_model: ${quoted(config.base.name)}`, 'base_model_relation: adapter']),
    'pipeline_tag: text-generation',
    `license: ${one ? licenses[0].toLowerCase() : 'other'}`,
    ...(one ? [] : [`license_name: ${quoted(licenses.join(' AND '))}`, 'license_link: "README.md"']),
    ...(languages.length ? ['language:', ...languages.map((l) => `- ${quoted(l)}`)] : []),
    ...(sources.length ? ['datasets:', ...sources.map((s) => `- ${quoted(s)}`)] : []),
    'tags:',
    '- certune',
    '- verifiable-fine-tuning',
    '- lora',
  ];
}

const TABLE = ['| | |', '| --- | --- |'];

/** Hyperparameters as rows of a table. */
function hyperparameters({ manifest: { config } }: ExportFacts): string[] {
  const { lora, train, sampler } = config;
  const rows: [string, string][] = [
    ['LoRA rank, alpha, scaling', `${lora.r}, ${lora.alpha}, ${lora.scaling === 'rslora' ? 'alpha / sqrt(r)' : 'alpha / r'}`],
    ['projections', lora.targets.join(', ')],
    ['initial adapter', lora.from === null ? `A seeded with ${lora.seed}, B = 0` : lora.from],
    ['steps, batch, sequence', `${train.steps}, ${train.batch}, ${train.sequence}`],
    ['learning rate, schedule, warm-up', `${train.learningRate}, ${train.schedule}, ${train.warmup}`],
    ['AdamW betas, epsilon, weight decay', `${train.betas.join(' and ')}, ${train.epsilon}, ${train.weightDecay}`],
    ['clipping to the global norm', train.clip === 0 ? 'none' : String(train.clip)],
    ['order of the data', sampler.beacon === '' ? 'chosen by the provider (no beacon)' : `from the beacon ${sampler.beacon}`],
  ];
  return [...TABLE, ...rows.map(([k, v]) => `| ${k} | ${escaped(v)} |`)];
}

function trainingData({ manifest: { dataset } }: ExportFacts): string[] {
  const list = (x: readonly string[]): string => x.map(escaped).join(', ');
  return [
    '### Training Data',
    '',
    'Digests can be checked against the files. Sources, licences and languages are declared by the provider: nothing proves them.',
    'The licence at the head of this card is that of the data as declared; the licence of the adapter is for its provider to say.',
    '',
    '| file (SHA-256) | source | licence | language | rows kept |',
    '| --- | --- | --- | --- | --- |',
    ...dataset.files.map(
      (d) => `| ${code(d.digest)} | ${escaped(d.source)} | ${escaped(d.license)} | ${escaped(d.language)} | ${d.kept} of ${d.rows} |`,
    ),
    '',
    `Rows may declare their own. Over all rows: sources ${list(dataset.sources)}; licences ${list(dataset.licenses)};`,
    `languages ${list(dataset.languages)}.`,
    '',
  ];
}

function trainingProcedure(f: ExportFacts): string[] {
  const targets = f.targets === undefined ? '' : `, ${f.targets} trained (target) tokens (proved)`,
    losses = f.losses
      ? ` Mean loss per target: ${f.losses.first.toFixed(4)} at the first step, ${f.losses.last.toFixed(4)} at the last one (proved).`
      : '';
  return [
    '### Training Procedure',
    '',
    '#### Training Hyperparameters',
    '',
    ...hyperparameters(f),
    '',
    '#### Speeds, Sizes, Times',
    '',
    `At most ${positions(f)} positions${targets}.${losses} Times are not recorded: they cannot be proved.`,
    '',
  ];
}

/** How to verify, what the release consists of, and what is claimed of it. */
function verification(f: ExportFacts): string[] {
  return [
    '## Verification',
    '',
    'With the base, on any machine with Node 20 or newer:',
    '',
    '```',
    `npx certune verify ${f.proof} --base BASE --adapter .`,
    '```',
    '',
    'If the release is signed, `npx certune verify . --base BASE --signer key.pub` checks the signature and every file first.',
    '',
    ...TABLE,
    `| manifest | ${code(manifestDigest(f.manifest))} |`,
    `| base | ${code(f.manifest.base.digest)} |`,
    ...(f.key === undefined ? [] : [`| verification key | ${code(f.key)} |`]),
    `| provable soundness | ${Math.floor(f.ledger.roundByRound)} bits |`,
    ...f.files.map((x) => `| ${escaped(x.name)} | ${code(`sha256:${x.sha256}`)} |`),
    '',
    '| claim | status | by |',
    '| --- | --- | --- |',
    ...claimsOfRelease(f).map((c) => `| ${c.id} | ${c.status} | ${escaped(c.by)} |`),
    '',
  ];
}

function specifications({ manifest: { base }, version }: ExportFacts): string[] {
  return [
    '## Technical Specifications',
    '',
    '### Model Architecture and Objective',
    '',
    `Llama with ${base.shape.layers} layers, hidden size ${base.shape.hidden}, vocabulary ${base.shape.vocab}; next-token cross-entropy on the target tokens.`,
    '',
    '### Software',
    '',
    `certune ${version}. Every value of the adapter is an integer times 2^-20, exact in float32.`,
    '',
  ];
}

function getStarted({ manifest }: ExportFacts): string[] {
  const { name, revision } = manifest.config.base;
  return [
    '## How to Get Started with the Model',
    '',
    '```python',
    'from peft import PeftModel',
    'from transformers import AutoModelForCausalLM',
    `base = AutoModelForCausalLM.from_pretrained(${quoted(name ?? 'path/to/base')}${revision === null ? '' : `, revision=${quoted(revision)}`})`,
    'model = PeftModel.from_pretrained(base, ".")',
    '```',
    '',
  ];
}

/** The model card. Same facts, same bytes. */
export function hfCard(f: ExportFacts): string {
  const { base, lora } = f.manifest.config;
  return [
    '---',
    ...frontMatter(f),
    '---',
    '',
    '# LoRA adapter trained with Certune',
    '',
    `An adapter of rank ${lora.r} for ${base.name === null ? 'the base of the digest below' : code(base.name)}. ${escaped(f.proof)} is a proof of its training: every step is the declared`,
    'integer function of weights, optimiser state, batch and schedule. "Proved" below means by this file, which this card does not verify and whoever reads it can.',
    '',
    '## Training Details',
    '',
    ...trainingData(f),
    ...trainingProcedure(f),
    ...verification(f),
    ...specifications(f),
    ...getStarted(f),
    '## Uses; Bias, Risks, and Limitations',
    '',
    'To be completed by the provider. That training was exact says nothing about what the model is fit for.',
    '',
  ].join('\n');
}
