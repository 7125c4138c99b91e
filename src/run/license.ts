import { isExpression, licenses } from '../policy/classes/spdx.js';
import { closest } from './suggest.js';

/** Hub tags that the SPDX list has under another identifier. */
const RENAMED: Readonly<Record<string, string>> = {
  'agpl-3.0': 'AGPL-3.0-only',
  'gpl-2.0': 'GPL-2.0-only',
  'gpl-3.0': 'GPL-3.0-only',
  'lgpl-2.1': 'LGPL-2.1-only',
  'lgpl-3.0': 'LGPL-3.0-only',
  odbl: 'ODbL-1.0',
  'odc-by': 'ODC-By-1.0',
  pddl: 'PDDL-1.0',
};

/** Hub tags without an SPDX identifier: they become LicenseRef-<tag>. */
const REFERENCES =
  `openrail openrail++ bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m deepfloyd-if-license
  llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 gemma apple-ascl apple-amlr intel-research fair-noncommercial-research-license
  h-research cc bsd gpl lgpl lgpl-lr gfdl etalab-2.0 open-mdw unknown other`.split(/\s+/);

const HUB: ReadonlyMap<string, string> = new Map([
  // Most tags of the hub are SPDX identifiers in lower case.
  ...[...licenses].map((x) => [x.toLowerCase(), x] as const),
  ...Object.entries(RENAMED),
  ...REFERENCES.map((x) => [x, `LicenseRef-${x.replaceAll('+', 'p')}`] as const),
]);

/**
 * Normal form of a declared licence: an SPDX expression as it is, a tag of the Hugging Face hub as the SPDX identifier
 * or LicenseRef that it stands for. Throws Error with the nearest known name for everything else.
 */
export function normalLicense(text: string): string {
  const x = text.trim();
  if (isExpression(x)) return x;
  const tag = HUB.get(x.toLowerCase());
  if (tag !== undefined) return tag;
  const near = closest(x, [...new Set([...HUB.values()].filter((v) => !v.startsWith('LicenseRef-'))), ...HUB.keys()]);
  throw new Error(
    `licence ${JSON.stringify(x.slice(0, 80))} is neither an SPDX expression nor a tag of the hub${near === undefined ? '' : `, did you mean ${HUB.get(near) ?? near}?`} (for any other write LicenseRef-name)`,
  );
}
