import { gunzipSync } from 'node:zlib';
import { InputError, reason } from '../errors.js';
import { readTable } from './csv.js';
import { JSON_DEPTH, JsonError, parseJson } from './json-bounds.js';
import { isObject, scanJson, utf8 } from './json-text.js';
import { type Bytes, type LineProblem, inMemory, readLines } from './jsonl.js';
import { parquetLines } from './parquet.js';
import { OpenFile, readBytes } from './read-file.js';

type Row = Record<string, unknown>;

/** Most bytes of a file that must be held whole: compressed, an array, a table. */
const MOST_WHOLE = 1 << 29;
/** Values of a JSON array of rows. */
const BOUNDS = { depth: JSON_DEPTH, values: 2 ** 25 };

/** Kinds of files that begin in a known way and are not read: what they are. */
const FOREIGN: readonly (readonly [string, readonly number[]])[] = [
  ['compressed with Zstandard', [0x28, 0xb5, 0x2f, 0xfd]],
  ['compressed with xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ['compressed with bzip2', [0x42, 0x5a, 0x68]],
  ['a ZIP archive (or a spreadsheet)', [0x50, 0x4b, 0x03, 0x04]],
  ['an Arrow file', [0x41, 0x52, 0x52, 0x4f, 0x57, 0x31]],
  ['an SQLite database', [0x53, 0x51, 0x4c, 0x69, 0x74, 0x65]],
  ['text in UTF-16', [0xff, 0xfe]],
  ['text in UTF-16', [0xfe, 0xff]],
];
const begins = (b: Uint8Array, magic: readonly number[]): boolean => magic.every((x, i) => b[i] === x);

/**
 * Rows of a data file, numbered from 1: JSON lines, a JSON array, comma- or tab-separated values, Parquet, the first
 * three also compressed with gzip. What is wrong with a single row goes to `problems`. Throws InputError where the file
 * cannot be read at all, saying what it is.
 */
export function* readRows(file: string, problems: LineProblem[]): Generator<[number, Row]> {
  const open = new OpenFile(file, 'data');
  try {
    const head = new Uint8Array(64);
    open.some(head, 0);
    if (begins(head, [0x50, 0x41, 0x52, 0x31])) {
      yield* numbered(readLines(file, inMemory(parquetLines(file)), problems));
      return;
    }
    const zipped = begins(head, [0x1f, 0x8b]),
      name = file.toLowerCase().replace(zipped ? /\.gz(ip)?$/ : /$^/, ''),
      table = name.endsWith('.csv') ? ',' : name.endsWith('.tsv') ? '\t' : undefined;
    const foreign = FOREIGN.find(([, magic]) => begins(head, magic));
    if (foreign) throw new InputError(file, [`is ${foreign[0]}`], 'write its rows as JSON lines');
    const held = zipped ? unzipped(file) : table !== undefined || beginsArray(head, open) ? whole(file, open.size) : undefined,
      source: Bytes = held ? inMemory(held) : open;
    if (table !== undefined) yield* tableRows(file, decoded(file, held!), table, problems);
    else if (held && beginsArray(held.subarray(0, 64), source)) yield* arrayRows(file, decoded(file, held), problems);
    else yield* readLines(file, source, problems);
  } finally {
    open.close();
  }
}

/**
 * Whether the first character that is no white space opens a list that goes on: a line that is a list of its own is no
 * array of rows.
 */
function beginsArray(head: Uint8Array, source: Bytes): boolean {
  let b = head;
  for (let at = 0; b.length; ) {
    const i = b.findIndex((x) => x !== 0x20 && x !== 9 && x !== 10 && x !== 13 && x !== 0xef && x !== 0xbb && x !== 0xbf && x !== 0);
    if (i >= 0) return b[i] === 0x5b;
    at += b.length;
    const next = new Uint8Array(1 << 16);
    b = next.subarray(0, source.some(next, at));
  }
  return false;
}
function whole(file: string, size: number): Uint8Array {
  if (size > MOST_WHOLE)
    throw new InputError(file, [`has ${size} bytes, arrays and tables at most ${MOST_WHOLE}`], 'write its rows as JSON lines');
  return readBytes(file, 'data');
}
function unzipped(file: string): Uint8Array {
  try {
    return gunzipSync(readBytes(file, 'data'), { maxOutputLength: MOST_WHOLE });
  } catch (e) {
    if (e instanceof InputError) throw e;
    throw new InputError(file, [`is compressed with gzip and cannot be read: ${reason(e)}`], 'unpack it');
  }
}
function decoded(file: string, b: Uint8Array): string {
  try {
    return utf8(b).replace(/^\ufeff/, '');
  } catch {
    throw new InputError(file, ['is not UTF-8']);
  }
}
function* numbered(rows: Iterable<[number, Row]>): Generator<[number, Row]> {
  let n = 0;
  for (const [, row] of rows) yield [++n, row];
}
function* arrayRows(file: string, text: string, problems: LineProblem[]): Generator<[number, Row]> {
  let list: unknown;
  try {
    list = parseJson(text, BOUNDS);
  } catch (e) {
    if (!(e instanceof JsonError)) throw e;
    throw new InputError(file, [`begins a JSON array and ${e.message}`], 'mend it, or write one object a line');
  }
  const { duplicates } = scanJson(text);
  if (duplicates.length)
    throw new InputError(
      file,
      [...new Set(duplicates)].slice(0, 20).map((k) => `has an object with the key ${JSON.stringify(k)} twice`),
    );
  for (const [i, row] of (list as unknown[]).entries())
    if (isObject(row)) yield [i + 1, row];
    else problems.push({ file, line: i + 1, unit: 'row', message: 'is not an object' });
}
function* tableRows(file: string, text: string, separator: ',' | '\t', problems: LineProblem[]): Generator<[number, Row]> {
  let header: readonly string[] | undefined,
    n = 0;
  for (const { fields, problem } of readTable(text, separator)) {
    if (!header) {
      header = fields;
      const twice = fields.find((k, i) => fields.indexOf(k) !== i);
      if (problem !== undefined || twice !== undefined)
        throw new InputError(file, [`its header ${problem ?? `has the column ${JSON.stringify(twice)} twice`}`]);
      continue;
    }
    n++;
    const bad = problem ?? (fields.length === header.length ? undefined : `has ${fields.length} fields, the header ${header.length}`);
    if (bad !== undefined) problems.push({ file, line: n, unit: 'row', message: bad });
    else yield [n, Object.fromEntries(header.map((k, i) => [k, fields[i]]))];
  }
}
