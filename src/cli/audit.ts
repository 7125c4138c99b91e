import { InputError } from '../errors.js';
import { writeAtomic } from '../io/atomic.js';
import { looksLikeCount } from '../audit/file.js';
import { inFile } from '../io/source.js';
import { readJson } from '../io/json.js';
import { rowShape } from '../policy/rows/digest.js';
import { type Opening, checkOpening, openRow } from '../policy/rows/opening.js';
import { rowsDepth } from '../policy/rows/depth.js';
import { type Manifest, manifestDigest, parseManifest } from '../run/manifest.js';
import { VerificationError } from '../transcript/arith.js';
import { checkCount } from './audit-count.js';
import { type Context, type Result, plain } from './common.js';
import { committed } from './committed.js';
import { UsageError } from './errors.js';

/** Version of the files that audit open writes. */
const OPENINGS_VERSION = 1;

export interface OpenOptions {
  readonly rows: string;
  readonly text?: boolean;
  readonly output: string;
}

/**
 * Opens rows of a committed dataset for an auditor: their facts, or with --text their tokens too. Throws InputError,
 * UsageError.
 */
export function auditOpen(run: string, o: OpenOptions, c: Context): Result {
  if (!/^\d{1,9}(,\d{1,9})*$/.test(o.rows)) throw new UsageError('--rows: give numbers of rows, such as 3,17');
  const { s, digest } = committed(run),
    { manifest } = s.run,
    { data } = s.inputs,
    shape = rowShape(manifest.config.train.sequence, manifest.base.shape.vocab),
    numbers = [...new Set(o.rows.split(',').map(Number))],
    beyond = numbers.filter((n) => n >= data.rows.length);
  if (beyond.length) throw new UsageError(`--rows: ${beyond.join(', ')}: the dataset has ${data.rows.length} rows, the first is 0`);
  const rows = numbers.map((n) => openRow(shape, data.tree.secret, n, data.rows[n], data.tree.path(n), o.text === true));
  c.progress.line(o.text ? 'the file shows the text of these rows' : 'the file shows class, targets and length of these rows, no text');
  writeAtomic(o.output, JSON.stringify({ type: 'certune-openings', version: OPENINGS_VERSION, manifest: digest, rows: rows.map(written) }));
  return {
    data: { file: o.output, manifest: digest, rows: numbers, text: o.text === true },
    text: `opened ${numbers.length} rows: ${o.output}`,
  };
}

const decimal = (w: readonly bigint[]): string[] => w.map(String);
const written = (o: Opening): object => ({
  ...o,
  content: decimal(o.content),
  path: o.path.map(decimal),
  ...(o.text ? { text: { ...o.text, salt: decimal(o.text.salt) } } : {}),
});

/** Words of a hostile file: what is no canonical decimal becomes something that checkOpening refuses. */
const words = (x: unknown): unknown =>
  Array.isArray(x) ? Array.from(x, (w: unknown) => (typeof w === 'string' && /^(0|[1-9]\d{0,19})$/.test(w) ? BigInt(w) : undefined)) : x;
const record = (x: unknown): Record<string, unknown> =>
  x && typeof x === 'object' && !Array.isArray(x) ? (x as Record<string, unknown>) : {};

/** An opening of a file, to be checked. */
function opening(x: unknown): Opening {
  const o = record(x),
    text = o['text'] === undefined ? undefined : record(o['text']);
  return {
    ...o,
    content: words(o['content']),
    path: Array.isArray(o['path']) ? Array.from(o['path'], words) : o['path'],
    ...(text ? { text: { ...text, salt: words(text['salt']) } } : {}),
  } as unknown as Opening;
}

/** Checks openings or a count against a manifest, alone. Throws VerificationError naming row and check, InputError. */
export function auditCheck(file: string, o: { readonly manifest: string }): Result {
  const m: Manifest = parseManifest(o.manifest, readJson(o.manifest, 'manifest'));
  return looksLikeCount(file, inFile(file)) ? checkCount(file, m) : checkOpenings(file, m);
}

function checkOpenings(file: string, m: Manifest): Result {
  const f = record(readJson(file, 'openings'));
  if (f['type'] !== 'certune-openings' || f['version'] !== OPENINGS_VERSION || !Array.isArray(f['rows']))
    throw new InputError(file, [`is no file of certune audit count, nor of audit open, version ${OPENINGS_VERSION}`]);
  const digest = manifestDigest(m);
  if (f['manifest'] !== digest)
    throw new InputError(file, [`was opened under manifest ${String(f['manifest']).slice(0, 80)}, not ${digest}`]);
  const shape = rowShape(m.config.train.sequence, m.base.shape.vocab),
    { examples, classes } = m.dataset,
    rows = f['rows'].map(opening);
  for (const r of rows) {
    checkOpening(shape, m.dataset.root.map(BigInt), rowsDepth(examples), examples, r);
    // The root holds whatever was committed: a class that the manifest does not have says nothing.
    if (r.class >= classes.length)
      throw new VerificationError('row facts', `row ${r.row} is of class ${r.class}, the manifest has ${classes.length}`);
  }
  const said = rows.map((r) => ({
    row: r.row,
    /** Words of whoever committed the rows: no check says that they are true. */
    declared: classes[r.class],
    targets: r.targets,
    length: r.length,
    text: r.text !== undefined,
  }));
  return {
    data: { verified: true, manifest: digest, rows: said },
    text: [
      `verified: ${rows.length} rows of the dataset`,
      ...said.map(
        ({ row, targets, length, declared: d }) =>
          `  row ${row}: ${targets} targets, ${length} tokens; ` +
          `declared: source ${plain(d.source)}, licence ${plain(d.license)}, language ${plain(d.language)}`,
      ),
    ].join('\n'),
  };
}
