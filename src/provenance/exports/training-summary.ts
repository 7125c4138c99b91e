import { jsonDocument } from '../../io/json-text.js';
import { manifestDigest } from '../../run/manifest.js';
import { type ExportFacts, hubName, positions } from './facts.js';
import { escaped } from './hf-card.js';

/*
 * A draft of the public summary of training content (Article 53(1)(d) of Regulation (EU) 2024/1689) for the
 * modification that a run is, in the fields of the Commission's template. It says what the run knows and nothing more:
 * a field that it cannot know is the provider's, never "No".
 */

export type FieldStatus = 'proved' | 'checkable' | 'declared' | 'to be completed by the provider';

export interface SummaryField {
  readonly name: string;
  readonly status: FieldStatus;
  /** Absent where the provider completes it. */ readonly value?: string | readonly string[];
}

export interface SummarySection {
  readonly id: string;
  readonly name: string;
  readonly fields: readonly SummaryField[];
}

const open = (...names: string[]): SummaryField[] => names.map((name) => ({ name, status: 'to be completed by the provider' }));
const given = (name: string, status: FieldStatus, value: string | readonly string[]): SummaryField => ({ name, status, value });

/** The template's ranges of text sizes. */
function sizeRange(tokens: number): string {
  return tokens < 1e9 ? 'Less than 1 billion tokens' : tokens <= 1e13 ? '1 billion to 10 trillion tokens' : 'More than 10 trillion tokens';
}

function general(f: ExportFacts): SummarySection[] {
  const { manifest: m } = f,
    tokens = f.targets ?? positions(f),
    languages = m.dataset.languages;
  return [
    { id: '0', name: '(head)', fields: open('Version of the Summary', 'Last update', 'Link to previous versions') },
    {
      id: '1.1',
      name: 'Provider identification',
      fields: open('Provider name and contact details', 'Authorised representative name and contact details'),
    },
    {
      id: '1.2',
      name: 'Model identification',
      fields: [
        ...open('Versioned model name(s)'),
        given('Model dependencies: digest of the base that is modified', 'checkable', m.base.digest),
        ...(m.config.base.name === null ? [] : [given('Model dependencies: what the base is called', 'declared', m.config.base.name)]),
        ...open('Date of placement of the model on the Union market'),
      ],
    },
    {
      id: '1.3',
      name: 'Modalities, overall training data size and other characteristics',
      fields: [
        given('Modality', 'checkable', 'text'),
        given(
          'Training data size (of the modification)',
          'proved',
          f.targets === undefined
            ? `${sizeRange(tokens)}: at most ${positions(f)} positions`
            : `${sizeRange(tokens)}: ${f.targets} trained tokens, at most ${positions(f)} positions`,
        ),
        given('Examples committed to', 'checkable', String(m.dataset.examples)),
        ...open('Types of content', 'Latest date of data acquisition/collection for model training'),
        languages.every((l) => l === 'und')
          ? open('Description of the linguistic characteristics of the overall training data')[0]
          : given('Description of the linguistic characteristics of the overall training data', 'declared', languages),
        ...open('Other relevant characteristics of the overall training data', 'Additional comments (optional)'),
      ],
    },
  ];
}

function sources(f: ExportFacts): SummarySection[] {
  const { files, sources: names, licenses } = f.manifest.dataset,
    hub = names.filter(hubName),
    rest = names.filter((x) => !hubName(x) && x !== 'unknown');
  return [
    {
      id: '2.1',
      name: 'Publicly available datasets',
      fields: [
        ...open('Used? yes/no', 'Modality(ies)'),
        // That a name has the form of the hub's does not make the data set public or large.
        hub.length
          ? given('Sources that have the form of names on a public hub', 'declared', hub)
          : open('List of large publicly available datasets')[0],
        ...open('General description of other publicly available datasets not listed above', 'Additional comments (optional)'),
      ],
    },
    {
      id: '2.2.1',
      name: 'Datasets commercially licensed by rightsholders or their representatives',
      fields: open('Transactional commercial licensing agreements? yes/no', 'Modality(ies)'),
    },
    {
      id: '2.2.2',
      name: 'Private datasets obtained from other third parties',
      fields: open('Obtained? yes/no', 'Modality(ies)', 'List or general description', 'Additional comments (optional)'),
    },
    {
      id: '2.3',
      name: 'Data crawled and scraped from online sources',
      fields: open(
        'Were crawlers used? yes/no',
        'Crawler name(s)/identifier(s)',
        'Purposes of the crawlers',
        'Crawler behaviour',
        'Period of data collection',
        'Types of content and online sources',
        'Type of modality',
        'Summary of the most relevant domain names',
      ),
    },
    {
      id: '2.4',
      name: 'User data',
      fields: open(
        'User interactions with the AI model used? yes/no',
        'Collected from other services or products? yes/no',
        'General description',
        'Modality',
      ),
    },
    {
      id: '2.5',
      name: 'Synthetic data',
      fields: open(
        'Was synthetic AI-generated data created by the provider or on their behalf? yes/no',
        'Modality',
        'Information about other AI models used to generate synthetic data',
        'Additional comments (optional)',
      ),
    },
    {
      id: '2.6',
      name: 'Other sources of data',
      fields: [
        ...open('Used? yes/no'),
        rest.length ? given('Sources that have no such form', 'declared', rest) : open('Narrative description')[0],
        given('Licences of the rows of all sources', 'declared', licenses),
        given(
          'Data files by digest',
          'checkable',
          files.map((d) => d.digest),
        ),
      ],
    },
  ];
}

const processing = (): SummarySection[] => [
  {
    id: '3.1',
    name: 'Respect of reservation of rights from text and data mining exception or limitation',
    fields: open(
      'Signatory to the Code of Practice? yes/no',
      'Measures before and during data collection, opt-out protocols and solutions honoured',
      'Additional comments (optional)',
    ),
  },
  { id: '3.2', name: 'Removal of illegal content', fields: open('General description of measures taken') },
  { id: '3.3', name: 'Other information (optional)', fields: open('Other relevant information about data processing') },
];

/** The whole summary as data. */
export const trainingSummary = (f: ExportFacts): SummarySection[] => [...general(f), ...sources(f), ...processing()];

const NOTE =
  'Draft of the public summary of training content for the modification alone, in the fields of the template of the European Commission. No legal advice. Every line says whether it is proved (by the proof of the run, which whoever reads this can verify), checkable, declared, or to be completed by the provider.';

/** As JSON, the same bytes for the same facts. */
export const trainingSummaryJson = (f: ExportFacts): string =>
  jsonDocument({
    type: 'certune-training-summary',
    version: 1,
    note: NOTE,
    manifest: manifestDigest(f.manifest),
    sections: trainingSummary(f),
  });

/** As Markdown for people. */
export function trainingSummaryText(f: ExportFacts): string {
  const lines = ['# Public summary of training content: draft', '', NOTE, '', `Manifest of the run: \`${manifestDigest(f.manifest)}\``, ''];
  for (const s of trainingSummary(f)) {
    lines.push(`## ${s.id} ${s.name}`, '', '| field | content | status |', '| --- | --- | --- |');
    for (const x of s.fields) {
      const v = x.value === undefined ? '' : typeof x.value === 'string' ? escaped(x.value) : x.value.map(escaped).join('<br>');
      lines.push(`| ${x.name} | ${v} | ${x.status} |`);
    }
    lines.push('');
  }
  return lines.join('\n');
}
