import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { difference, manifestJson } from '../run/manifest.js';
import { setup } from '../setup/run.js';
import { InputError } from '../errors.js';
import { writeAtomic } from '../io/atomic.js';
import { drawSalt } from '../policy/dataset.js';
import { readRun } from '../setup/runfile.js';
import { journalManifest } from '../store/journal.js';
import type { RunConfig } from '../run/schema.js';
import { type Context, type Result, manifestFile, out, saltOf } from './common.js';
import { type FoundManifest, findManifest, lockedNow, writeCopy } from './kept.js';
import { plain } from './escape.js';

/** Commits base, data and settings: RUN/out/manifest.json. The salt of an earlier commitment is kept. */
export function commit(run: string, c: Context): Result {
  const config = readRun(run);
  return lockedNow(run, 'commit', c, () => commitNow(run, config, c));
}

/** The manifest committed before, wherever it is found. Throws where it is lost and a journal belongs to it: another salt would make the journal worthless. */
function committedBefore(run: string): FoundManifest | undefined {
  try {
    return findManifest(run);
  } catch (e) {
    if (!(e instanceof InputError) || journalManifest(out(run)) !== undefined) throw e;
    return undefined;
  }
}

function commitNow(run: string, config: RunConfig, c: Context): Result {
  const file = manifestFile(run),
    found = committedBefore(run),
    s = setup(config, found ? saltOf(found.manifest) : drawSalt()),
    { examples, dropped, conflicts } = s.rows;
  if (found) {
    const differs = difference(found.manifest, s.run.manifest),
      kept = ['journal', 'proof']
        .map((d) => join(out(run), d))
        .filter((d) => existsSync(d) && readdirSync(d).some((f) => f !== 'manifest.json'));
    if (found.lost !== undefined) c.progress.line(`${found.lost}: its salt is that of ${found.file}`);
    if (differs.length && kept.length)
      throw new InputError(
        file,
        [`run.yaml, base or data changed (${differs.join(', ')}) and ${kept.join(' and ')} belong to what was committed before`],
        'restore them, or delete the out folder to start over',
      );
  }
  writeAtomic(file, manifestJson(s.run.manifest));
  writeCopy(run, s.run.manifest);
  for (const x of conflicts.slice(0, 20))
    c.progress.line(`${x.file} line ${x.row}: ${x.key} ${x.row_says} wins over ${x.file_says} of run.yaml`);
  if (conflicts.length > 20) c.progress.line(`and ${conflicts.length - 20} more`);
  for (const d of dropped.slice(0, 20)) c.progress.line(`dropped ${d.file} line ${d.row}: ${d.reason}`);
  if (dropped.length > 20) c.progress.line(`and ${dropped.length - 20} more`);
  return {
    data: {
      manifest: file,
      digest: s.run.facts.digest,
      root: s.run.manifest.dataset.root,
      examples: examples.length,
      dropped,
      conflicts,
    },
    text: plain(
      `${examples.length} examples committed (${dropped.length} dropped, ${conflicts.length} conflicts of declarations), manifest ${file}`,
    ),
  };
}
