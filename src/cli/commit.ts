import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Manifest, difference, manifestJson, rowCounts } from '../run/manifest.js';
import { epochBatches } from '../run/facts.js';
import { type Setup, setup } from '../setup/run.js';
import { InputError } from '../errors.js';
import { writeAtomic } from '../io/atomic.js';
import { TOO_LONG, sequenceFor } from '../io/data.js';
import { drawSalt } from '../policy/rows/opening.js';
import { brokenQuota } from '../setup/quotas.js';
import { readRun } from '../setup/runfile.js';
import type { RunSecret } from '../setup/run.js';
import { journalManifest } from '../store/journal.js';
import { drawSecret, readSecret, secretFile, secretOf, writeSecret } from '../store/secret.js';
import type { RunConfig } from '../run/schema.js';
import { type Context, type Result, manifestFile, out } from './common.js';
import { type FoundManifest, findManifest, lockedNow, writeCopy } from './kept.js';
import { plain } from '../io/escape.js';
import { markPrivate } from './private.js';

/** Commits base, data and settings: RUN/out/manifest.json. The salt of an earlier commitment is kept. */
export function commit(run: string, c: Context): Result {
  const config = readRun(run);
  return lockedNow(run, 'commit', c, () => commitNow(run, config, c));
}

/**
 * The manifest committed before, wherever it is found. Throws where it is lost and a journal belongs to it: another
 * salt would make the journal worthless.
 */
function committedBefore(run: string): FoundManifest | undefined {
  try {
    return findManifest(run);
  } catch (e) {
    if (!(e instanceof InputError) || journalManifest(out(run)) !== undefined) throw e;
    return undefined;
  }
}

/** Throws InputError for a run that would break one of its quotas: no forged proof could be made of it either. */
function checkQuotas(s: Setup): void {
  const broken = brokenQuota(s);
  if (broken !== undefined)
    throw new InputError(
      'run.yaml',
      [`policy.bins: ${broken}`],
      'change the quota or sampler.epochExamples, or draw the bin as one of sampler.strata',
    );
}

/**
 * Salt and key of what is committed: those of an earlier commitment in the same mode, else new ones. Those of the
 * private mode are kept before anything is committed to.
 */
function commitSecret(run: string, config: RunConfig, before: Manifest | undefined, c: Context): RunSecret {
  const { mode } = config.sampler;
  if (mode === 'private') markPrivate(run);
  if (before && before.config.sampler.mode === mode) return secretOf(run, before);
  if (mode === 'public') return { salt: drawSalt() };
  const own = readSecret(run);
  if (own) return own;
  const secret = drawSecret();
  writeSecret(run, secret);
  c.progress.line(
    `${secretFile(run)}: salt and sampler key of this run, drawn now. Whoever has it knows the order of the rows and can test guesses of them; whoever loses it can neither train nor prove. Keep a copy, publish none`,
  );
  return secret;
}

function commitNow(run: string, config: RunConfig, c: Context): Result {
  const file = manifestFile(run),
    found = committedBefore(run),
    secret = commitSecret(run, config, found?.manifest, c),
    s = setup(config, secret.salt, secret.key),
    { examples, dropped, conflicts, files } = s.rows,
    counts = rowCounts(s.run.manifest),
    short = tooShort(s),
    few = tellsOfFew(s.run.manifest);
  checkQuotas(s);
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
  for (const n of s.notes) c.progress.line(n);
  for (const x of conflicts.slice(0, 20))
    c.progress.line(`${x.file} line ${x.row}: ${x.key} ${x.row_says} wins over ${x.file_says} of run.yaml`);
  if (conflicts.length > 20) c.progress.line(`and ${conflicts.length - 20} more`);
  for (const d of dropped.slice(0, 20)) c.progress.line(`dropped ${d.file} line ${d.row}: ${d.reason}`);
  if (dropped.length > 20) c.progress.line(`and ${dropped.length - 20} more`);
  for (const f of files) for (const [k, n] of Object.entries(f.unused)) c.progress.line(`${f.path}: ${k} is not used (${n} rows)`);
  return {
    data: {
      manifest: file,
      digest: s.run.facts.digest,
      root: s.run.manifest.dataset.root,
      examples: examples.length,
      rows: counts.given,
      cut: counts.cut,
      unclosed: counts.unclosed,
      dropped,
      conflicts,
      files: files.map(({ path, converters, rows, kept, truncated, unclosed, tokens, targets, unused }) => ({
        path,
        converters,
        rows,
        kept,
        dropped: rows - kept,
        cut: truncated,
        unclosed,
        tokens,
        targets,
        unused,
      })),
      first: s.codec.ids.first,
      closing: s.codec.ids.closing,
      end: s.codec.ids.end,
      notes: s.notes,
      ...(short ? { sequences: short.sequences } : {}),
    },
    text: [
      `${examples.length} examples committed (${dropped.length} dropped, ${counts.cut} cut, ${counts.unclosed} of them without their closing id, ${conflicts.length} conflicts of declarations), manifest ${file}`,
      ...(short ? [short.text] : []),
      ...(few ? [few] : []),
    ]
      .map(plain)
      .join('\n'),
  };
}

/**
 * In the private mode, where sums are shown of epochs: those of the whole run less these are of the steps after the
 * last whole epoch, which may be few.
 */
function tellsOfFew(m: Manifest): string | undefined {
  const { sampler, show, train } = m.config,
    per = epochBatches(m),
    left = train.steps % per,
    sums = (['losses', 'targets'] as const).filter((x) => show[x] === 'epochs');
  if (sampler.mode !== 'private' || !left || !sums.length) return undefined;
  return `the run ends ${left} of ${per} steps into an epoch: the sums of ${sums.join(' and ')} that are shown, of whole epochs and of the whole run, tell those of these ${left} steps; train.steps a multiple of ${per}, or show: { ${sums.map((x) => `${x}: none`).join(', ')} }, tells less`;
}

/** Why rows are dropped or cut, and which sequence leaves half, nine tenths and all but a hundredth of them whole. */
function tooShort(s: Setup): { text: string; sequences: Record<string, number> } | undefined {
  const { sequence } = s.config.train,
    counts = rowCounts(s.run.manifest),
    lost = s.rows.dropped.filter((d) => d.reason === TOO_LONG).length;
  if (!lost && !counts.cut) return undefined;
  const sequences = Object.fromEntries([50, 90, 99].map((p) => [`${p}%`, sequenceFor(s.rows.lengths, p / 100)])),
    wanted = Object.entries(sequences).map(
      ([p, n]) => `${n} keeps ${p}${n > s.model.maxPositions ? ' (more than the base has positions)' : ''}`,
    );
  return {
    sequences,
    text: `train.sequence ${sequence} is shorter than ${lost + counts.cut} of ${counts.given} rows: ${lost} dropped, because nothing to learn lies within it, ${counts.cut} cut; of the rows whole, a sequence of ${wanted.join(', ')}`,
  };
}
