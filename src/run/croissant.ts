import { InputError } from '../errors.js';
import { normalLanguage } from './language.js';
import { normalLicense } from './license.js';
import { manifestDigest, type Manifest } from './manifest.js';
import { policyOf } from './policy.js';

/*
 * Croissant 1.1 (http://mlcommons.org/croissant/1.1), the dataset vocabulary of MLCommons over schema.org. Export
 * describes the data of a manifest; what the format asks for and a manifest does not know is declared by the caller.
 * Import takes files, licences and languages from a description for run.yaml.
 */

/**
 * What the format requires of a description and no manifest holds. Declared: nothing of it is read from a clock or a
 * network.
 */
export interface CroissantDeclared {
  readonly name: string;
  readonly description: string;
  readonly url: string;
  readonly creator: string;
  /** ISO 8601 date. */ readonly datePublished: string;
  /** Where the files are, in the order of the manifest. */ readonly contentUrls: readonly string[];
}

const CONTEXT = {
  '@language': 'en',
  '@vocab': 'https://schema.org/',
  certune: 'urn:certune:',
  citeAs: 'cr:citeAs',
  column: 'cr:column',
  conformsTo: 'dct:conformsTo',
  cr: 'http://mlcommons.org/croissant/',
  data: { '@id': 'cr:data', '@type': '@json' },
  dataType: { '@id': 'cr:dataType', '@type': '@vocab' },
  dct: 'http://purl.org/dc/terms/',
  extract: 'cr:extract',
  field: 'cr:field',
  fileObject: 'cr:fileObject',
  fileProperty: 'cr:fileProperty',
  fileSet: 'cr:fileSet',
  format: 'cr:format',
  includes: 'cr:includes',
  isLiveDataset: 'cr:isLiveDataset',
  jsonPath: 'cr:jsonPath',
  key: 'cr:key',
  md5: 'cr:md5',
  parentField: 'cr:parentField',
  path: 'cr:path',
  prov: 'http://www.w3.org/ns/prov#',
  rai: 'http://mlcommons.org/croissant/RAI/',
  recordSet: 'cr:recordSet',
  references: 'cr:references',
  regex: 'cr:regex',
  repeated: 'cr:repeated',
  replace: 'cr:replace',
  sc: 'https://schema.org/',
  separator: 'cr:separator',
  source: 'cr:source',
  subField: 'cr:subField',
  transform: 'cr:transform',
} as const;

/**
 * A licence as Croissant writes it: the page of a single SPDX identifier, else a work that has the expression for its
 * identifier.
 */
export const licenseNode = (expression: string): string | object =>
  /^[\w.-]+$/.test(expression) && !expression.startsWith('LicenseRef-')
    ? `https://spdx.org/licenses/${expression}`
    : { '@type': 'sc:CreativeWork', identifier: expression, name: expression };

const field = (name: string, description: string, dataType: string, repeated = false): object => ({
  '@type': 'cr:Field',
  '@id': `rows/${name}`,
  name,
  description,
  dataType,
  ...(repeated ? { repeated: true } : {}),
});

/** How the rows came from the files. */
const activity = ({ dataset, preprocessing }: Manifest): object => ({
  '@type': 'prov:Activity',
  name: 'certune commit',
  'certune:tokenizer': preprocessing.tokenizer,
  'certune:tokenizerConfig': preprocessing.tokenizerConfig,
  'certune:template': preprocessing.template,
  'certune:converters': dataset.files.map((f) => f.converters),
});

/** Classes with their data, and the fields of rows, which have none here. */
const recordSets = ({ dataset }: Manifest): object[] => [
  {
    '@type': 'cr:RecordSet',
    '@id': 'classes',
    name: 'classes',
    dataType: 'sc:Enumeration',
    key: { '@id': 'classes/number' },
    field: ['number', 'source', 'license', 'language'].map((name) => ({
      '@type': 'cr:Field',
      '@id': `classes/${name}`,
      name,
      dataType: name === 'number' ? 'sc:Integer' : 'sc:Text',
    })),
    data: dataset.classes.map((c, k) => ({
      'classes/number': k,
      'classes/source': c.source,
      'classes/license': c.license,
      'classes/language': c.language,
    })),
  },
  {
    '@type': 'cr:RecordSet',
    '@id': 'rows',
    name: 'rows',
    description: 'Rows as they are trained on: committed under certune:root, not contained in the files word for word.',
    field: [
      field('tokens', 'ids of the tokenizer', 'sc:Integer', true),
      field('mask', 'bit i: token i predicts token i + 1', 'sc:Boolean', true),
      { ...field('class', 'number of the class', 'sc:Integer'), references: { field: { '@id': 'classes/number' } } },
    ],
  },
];

/**
 * Croissant 1.1 of the data of a manifest. Throws InputError where a declared value is missing or there are not as many
 * addresses as files.
 */
export function exportCroissant(m: Manifest, d: CroissantDeclared): object {
  const { dataset, config } = m,
    problems = (['name', 'description', 'url', 'creator', 'datePublished'] as const).flatMap((k) =>
      d[k].trim() === '' ? [`${k}: is required by Croissant 1.1`] : [],
    );
  if (!/^\d{4}-\d{2}-\d{2}$/.test(d.datePublished)) problems.push('datePublished: must be a date such as 2026-01-31');
  if (d.contentUrls.length !== dataset.files.length)
    problems.push(`contentUrls: ${d.contentUrls.length} given, the manifest has ${dataset.files.length} files`);
  if (problems.length) throw new InputError('croissant', problems);
  const licenses = dataset.licenses.map(licenseNode);
  return {
    '@context': CONTEXT,
    '@type': 'sc:Dataset',
    conformsTo: 'http://mlcommons.org/croissant/1.1',
    name: d.name,
    description: d.description,
    license: licenses.length === 1 ? licenses[0] : licenses,
    url: d.url,
    creator: { '@type': 'sc:Organization', name: d.creator },
    datePublished: d.datePublished,
    inLanguage: dataset.languages,
    isLiveDataset: false,
    ...(config.policy.licenses ? { 'sc:usageInfo': `trained on rows under ${config.policy.licenses.join(', ')} only` } : {}),
    distribution: dataset.files.map((f, k) => ({
      '@type': 'cr:FileObject',
      '@id': `file-${k}`,
      name: f.source,
      contentUrl: d.contentUrls[k],
      encodingFormat: 'application/jsonl',
      sha256: f.digest.slice('sha256:'.length),
      license: licenseNode(f.license),
      inLanguage: f.language,
      'prov:wasDerivedFrom': f.source,
    })),
    'prov:wasGeneratedBy': activity(m),
    recordSet: recordSets(m),
    'certune:manifest': manifestDigest(m),
    'certune:root': dataset.root,
    'certune:leaf': dataset.leaf,
    'certune:examples': dataset.examples,
    'certune:bins': config.policy.bins,
    'certune:strata': config.sampler.strata,
    'certune:policy': policyOf(m).digest.map(String),
  };
}

/** A file of a description, as run.yaml names data. */
export interface CroissantFile {
  readonly path: string;
  readonly source: string;
  readonly license: string;
  readonly language: string;
  readonly sha256: string;
}

/** Most files, and longest text, of a description that comes from anyone. */
const MOST_FILES = 10_000;
const text = (x: unknown): string | undefined => (typeof x === 'string' && x.length <= 4096 ? x : undefined);
const one = (x: unknown): unknown => (Array.isArray(x) && x.length === 1 ? x[0] : x);
const record = (x: unknown): Record<string, unknown> | undefined =>
  x && typeof x === 'object' && !Array.isArray(x) ? (x as Record<string, unknown>) : undefined;

/** Addresses of licences that are not at spdx.org: creativecommons.org names its licences by parts. */
const COMMONS = /^https?:\/\/creativecommons\.org\/(?:licenses\/([a-z-]+)\/(\d\.\d)|publicdomain\/zero\/(1\.0))\/?/i;

/**
 * SPDX expression of a licence as descriptions write it: an identifier, a page of spdx.org, choosealicense.com or
 * creativecommons.org, a work.
 */
function licenseOf(x: unknown): string | undefined {
  const given = one(x),
    t = text(given) ?? text(record(given)?.['identifier']) ?? text(record(given)?.['url']);
  if (t === undefined) return undefined;
  const commons = COMMONS.exec(t),
    page = /^https?:\/\/(?:spdx\.org\/licenses|choosealicense\.com\/licenses)\/([^/]+?)(?:\.html)?\/?$/i.exec(t);
  try {
    return normalLicense(commons ? (commons[3] ? `cc0-${commons[3]}` : `cc-${commons[1]}-${commons[2]}`) : (page?.[1] ?? t));
  } catch {
    return undefined;
  }
}

function languageOf(x: unknown): string | undefined {
  const t = text(one(x)) ?? text(record(one(x))?.['alternateName']);
  if (t === undefined) return x === undefined ? 'und' : undefined;
  try {
    return normalLanguage(t);
  } catch {
    return undefined;
  }
}

/**
 * Files of a Croissant description (1.0 or 1.1) for run.yaml. Refused, all problems at once: a dataset that changes
 * (isLiveDataset), files without a SHA-256 (some exporters write an address there), sets of files, which have no
 * digest, and files whose licence is missing or no SPDX licence. Throws InputError.
 */
export function importCroissant(file: string, raw: unknown): CroissantFile[] {
  const d = record(raw),
    version = d && text(d['conformsTo'] ?? d['dct:conformsTo']);
  if (!d || !version || !/^http:\/\/mlcommons\.org\/croissant\/1\.[01]$/.test(version))
    throw new InputError(file, ['is no Croissant 1.0 or 1.1 description']);
  const problems: string[] = [],
    out: CroissantFile[] = [],
    all = Array.isArray(d['distribution']) ? d['distribution'] : [];
  if (d['isLiveDataset'] === true) problems.push('isLiveDataset: a dataset that changes cannot be committed to');
  if (all.length === 0 || all.length > MOST_FILES) problems.push(`distribution: must list 1 to ${MOST_FILES} files`);
  all.slice(0, MOST_FILES).forEach((x: unknown, k) => {
    const f = record(x),
      at = `distribution[${k}]`,
      kind = text(f?.['@type'])?.replace(/^\w+:/, '');
    if (!f || kind !== 'FileObject') {
      problems.push(`${at}: ${kind === 'FileSet' ? 'a set of files has no digest: list its files' : 'is no FileObject'}`);
      return;
    }
    const sha256 = text(f['sha256']),
      path = text(f['contentUrl']),
      license = licenseOf(f['license'] ?? d['license']),
      language = languageOf(f['inLanguage'] ?? d['inLanguage']);
    if (sha256 === undefined || !/^[0-9a-f]{64}$/i.test(sha256)) problems.push(`${at}.sha256: is no SHA-256`);
    if (!path) problems.push(`${at}.contentUrl: is missing`);
    if (license === undefined) problems.push(`${at}.license: is missing or no SPDX licence`);
    if (language === undefined) problems.push(`${at}.inLanguage: is no single BCP 47 tag`);
    if (sha256 && path && license !== undefined && language !== undefined)
      out.push({ path, source: text(f['name']) ?? text(d['name']) ?? path, license, language, sha256: sha256.toLowerCase() });
  });
  if (problems.length) throw new InputError(file, problems);
  return out;
}
