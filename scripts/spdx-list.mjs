// Makes src/policy/classes/spdx-list.ts from the packages with the SPDX lists: identifiers with those that are deprecated, and exceptions.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url),
  /** Characters that occur in no name; the one in front of a name counts what it has in common with the name before. */
  MARKS = '!#$%&()*,/:;<=>?@[]^{|}~';

const packed = (names) => {
  let last = '';
  return [...new Set(names)]
    .sort()
    .map((name) => {
      let n = 0;
      while (n < MARKS.length - 1 && n < last.length && name[n] === last[n]) n++;
      last = name;
      return MARKS[n] + name.slice(n);
    })
    .join('');
};
const { version } = require('spdx-license-ids/package.json'),
  ids = packed([...require('spdx-license-ids'), ...require('spdx-license-ids/deprecated')]),
  exceptions = packed(require('spdx-exceptions'));
writeFileSync(
  fileURLToPath(new URL('../src/policy/classes/spdx-list.ts', import.meta.url)),
  `/*
 * Made by scripts/spdx-list.mjs. Names in order, each as what it does not have in common with the one before, behind a mark that counts what it
 * has: half the room of a list on the way to a page.
 */

/** Where the list is from: the package's version is pinned with the release. */
export const SPDX_LIST = 'spdx-license-ids/${version}';
/** The mark of n is the nth. */
export const MARKS = '${MARKS}';
export const LICENSES =
  '${ids}';
export const EXCEPTIONS =
  '${exceptions}';
`,
);
