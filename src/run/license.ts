import parse from 'spdx-expression-parse';
import { closest } from './suggest.js';

/** Licence tags of the Hugging Face hub that are SPDX identifiers in lower case. */
const LISTED =
  `Apache-2.0 MIT AFL-3.0 Artistic-2.0 BSL-1.0 BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear CC0-1.0 CC-BY-2.0 CC-BY-2.5 CC-BY-3.0
  CC-BY-4.0 CC-BY-SA-3.0 CC-BY-SA-4.0 CC-BY-NC-2.0 CC-BY-NC-3.0 CC-BY-NC-4.0 CC-BY-ND-4.0 CC-BY-NC-ND-3.0 CC-BY-NC-ND-4.0 CC-BY-NC-SA-2.0
  CC-BY-NC-SA-3.0 CC-BY-NC-SA-4.0 CDLA-Sharing-1.0 CDLA-Permissive-1.0 CDLA-Permissive-2.0 WTFPL ECL-2.0 EPL-1.0 EPL-2.0 EUPL-1.1
  EUPL-1.2 ISC LPPL-1.3c MS-PL MPL-2.0 OSL-3.0 PostgreSQL OFL-1.1 NCSA Unlicense Zlib ODbL-1.0 ODC-By-1.0 PDDL-1.0 Python-2.0`.split(/\s+/);

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
  ...LISTED.map((x) => [x.toLowerCase(), x] as const),
  ...Object.entries(RENAMED),
  ...REFERENCES.map((x) => [x, `LicenseRef-${x.replaceAll('+', 'p')}`] as const),
]);

const valid = (x: string): boolean => {
  try {
    parse(x);
    return true;
  } catch {
    return false;
  }
};

/**
 * Normal form of a declared licence: an SPDX expression as it is, a tag of the Hugging Face hub as the SPDX identifier or LicenseRef that it
 * stands for. Throws Error with the nearest known name for everything else.
 */
export function normalLicense(text: string): string {
  const x = text.trim();
  if (x.length <= 500 && valid(x)) return x;
  const tag = HUB.get(x.toLowerCase());
  if (tag !== undefined) return tag;
  const near = closest(x, [...new Set([...HUB.values()].filter((v) => !v.startsWith('LicenseRef-'))), ...HUB.keys()]);
  throw new Error(
    `licence ${JSON.stringify(x.slice(0, 80))} is neither an SPDX expression nor a tag of the hub${near === undefined ? '' : `, did you mean ${HUB.get(near) ?? near}?`} (for any other write LicenseRef-name)`,
  );
}
