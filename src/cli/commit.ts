import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { difference, manifestJson } from '../run/manifest.js';
import { setup } from '../setup/run.js';
import { InputError } from '../errors.js';
import { writeAtomic } from '../io/atomic.js';
import { drawSalt } from '../policy/rows/opening.js';
import { brokenQuota } from '../setup/quotas.js';
import { readRun } from '../setup/runfile.js';
import { type Context, type Result, manifestFile, out, readManifest, saltOf } from './common.js';
import { plain } from './escape.js';

/** Commits base, data and settings: RUN/out/manifest.json. The salt of an earlier commitment is kept. */
export function commit(run: string, c: Context): Result {
  const config = readRun(run),
    file = manifestFile(run);
  const salt = existsSync(file) ? saltOf(readManifest(run)) : drawSalt();
  const s = setup(config, salt),
    { examples, dropped, conflicts } = s.rows,
    broken = brokenQuota(s);
  if (broken !== undefined)
    throw new InputError(
      'run.yaml',
      [`policy.bins: ${broken}`],
      'change the quota or sampler.epochExamples, or draw the bin as one of sampler.strata',
    );
  if (existsSync(file)) {
    const old = readManifest(run),
      differs = difference(old, s.run.manifest),
      kept = ['journal', 'proof'].map((d) => join(out(run), d)).filter((d) => existsSync(d) && readdirSync(d).length > 0);
    if (differs.length && kept.length)
      throw new InputError(
        file,
        [`run.yaml, base or data changed (${differs.join(', ')}) and ${kept.join(' and ')} belong to what was committed before`],
        'restore them, or delete the out folder to start over',
      );
  }
  c.writes(out(run));
  mkdirSync(out(run), { recursive: true });
  writeAtomic(file, manifestJson(s.run.manifest));
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
