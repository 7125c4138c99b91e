/**
 * Makes src/policy/classes/spdx-list.ts from the packages with the SPDX lists: identifiers with those that are
 * deprecated, and exceptions.
 *
 *     node dist-tools/checks/spdx-list.js
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from '../fixtures.js';

const { resolve } = createRequire(import.meta.url),
  /** Characters that occur in no name; the one in front of a name counts what it has in common with the name before. */
  MARKS = '!#$%&()*,/:;<=>?@[]^{|}~';

/** A JSON document of a package. */
const json = (name: string): unknown => JSON.parse(readFileSync(resolve(name), 'utf8'));
/** One that is a list of names. */
function names(name: string): string[] {
  const list = json(name);
  if (!Array.isArray(list) || !list.every((x) => typeof x === 'string')) throw new Error(`${name} is no list of names`);
  return list;
}
/**
 * Names in order, each as what it does not have in common with the one before, behind the mark that counts what it has.
 */
function packed(list: readonly string[]): string {
  let last = '';
  return [...new Set(list)]
    .sort()
    .map((name) => {
      let n = 0;
      while (n < MARKS.length - 1 && n < last.length && name[n] === last[n]) n++;
      last = name;
      return MARKS[n] + name.slice(n);
    })
    .join('');
}

const { version } = json('spdx-license-ids/package.json') as { version: string },
  ids = packed([...names('spdx-license-ids'), ...names('spdx-license-ids/deprecated')]),
  exceptions = packed(names('spdx-exceptions'));
writeFileSync(
  join(root, 'src/policy/classes/spdx-list.ts'),
  `/*
 * Made by tools/checks/spdx-list.ts. Names in order, each as what it does not have in common with the one before,
 * behind a mark that counts what it has: half the room of a list on the way to a page.
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
