import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { listFolder } from '../io/read-file.js';
import { MOST_CERTIFICATE } from './certificate.js';
import { type Kind, MOST_MESSAGE } from './messages.js';

/*
 * What of a federation's folder is published: names of files in the one form that they have, and the most bytes of
 * each. Whatever else lies in the folder, the inbox for one, is nobody's to read.
 */

const NAME = '[a-z0-9][a-z0-9-]{0,62}',
  HEX = '[0-9a-f]{64}',
  ROUND = 'rounds/(?:0|[1-9]\\d{0,8})';

const file = (kind: Kind): number => Math.ceil((4 * MOST_MESSAGE[kind]) / 3) + 4096;

/** Patterns of published files, with the most bytes of one. */
const PUBLISHED: readonly (readonly [RegExp, number])[] = [
  [/^charter\.json$/, file('charter')],
  [/^seed\.json$/, 4096],
  [new RegExp(`^enrolments/${NAME}\\.json$`), file('enrolment')],
  [new RegExp(`^evidence/${HEX}\\.json$`), 8 << 20],
  [new RegExp(`^${ROUND}/beacon\\.json$`), 4096],
  ...(['plan', 'seal', 'record', 'settlement'] as const).map((k) => [new RegExp(`^${ROUND}/${k}\\.json$`), file(k)] as const),
  ...(['commit', 'withdrawal', 'receipt'] as const).map((k) => [new RegExp(`^${ROUND}/${k}s/${NAME}\\.json$`), file(k)] as const),
  ...(['response', 'verdict'] as const).map((k) => [new RegExp(`^${ROUND}/${k}s/${NAME}-\\d{1,7}\\.json$`), file(k)] as const),
  [new RegExp(`^${ROUND}/certificates/${HEX}\\.bin$`), MOST_CERTIFICATE],
];
const BLOB = new RegExp(`^blobs/${HEX}$`);

/** Most bytes of a published file; undefined for a name that no such file has. */
export const publishedLimit = (path: string, blob = 0): number | undefined =>
  BLOB.test(path) ? blob : PUBLISHED.find(([re]) => re.test(path))?.[1];

/** Names of the messages that a folder has published, blobs left out, in order. */
export function publishedFiles(dir: string): string[] {
  const out: string[] = [],
    look = (at: string, deep: number): void => {
      if (!existsSync(join(dir, at))) return;
      for (const n of listFolder(join(dir, at))) {
        const path = at === '' ? n : `${at}/${n}`;
        if (n.endsWith('/')) {
          if (deep > 0) look(path.slice(0, -1), deep - 1);
        } else if (publishedLimit(path) !== undefined && !path.startsWith('blobs/')) out.push(path);
      }
    };
  for (const top of ['', 'enrolments', 'evidence', 'rounds']) look(top, top === 'rounds' ? 2 : 0);
  return out;
}
