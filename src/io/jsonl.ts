import { reason } from '../errors.js';
import { parseJson } from './json-bounds.js';
import { isObject, scanJson, utf8 } from './json-text.js';
import type { OpenFile } from './read-file.js';

/** One line or row of a file that is not what it should be. */
export interface LineProblem {
  readonly file: string;
  readonly line: number;
  /** What is counted, where it is not lines. */
  readonly unit?: 'row';
  readonly message: string;
}

/** Longest line, in bytes. */
export const MAX_LINE = 16 << 20;
const CHUNK = 4 << 20;

/** Bytes in order: as many as there are, or fit, from a place on. */
export interface Bytes {
  some(b: Uint8Array, from: number): number;
}
/** Bytes that are in memory. */
export const inMemory = (all: Uint8Array): Bytes => ({
  some(b, from) {
    const part = all.subarray(from, from + b.length);
    b.set(part);
    return part.length;
  },
});

/** Lines as bytes, numbered from 1, without their line feed; undefined for a line that is too long. */
function* lines(source: Bytes): Generator<[number, Uint8Array | undefined]> {
  const chunk = new Uint8Array(CHUNK);
  let parts: Uint8Array[] = [],
    length = 0,
    n = 1;
  const line = (): Uint8Array | undefined => {
    const b = length > MAX_LINE ? undefined : parts.length === 1 ? parts[0] : Buffer.concat(parts);
    parts = [];
    length = 0;
    return b;
  };
  const add = (b: Uint8Array): void => {
    length += b.length;
    if (length <= MAX_LINE) parts.push(b.slice());
  };
  for (let at = 0, got = source.some(chunk, at); got; at += got, got = source.some(chunk, at)) {
    let from = 0;
    for (let to = chunk.indexOf(10); to >= 0 && to < got; to = chunk.indexOf(10, from)) {
      add(chunk.subarray(from, to));
      yield [n++, line()];
      from = to + 1;
    }
    add(chunk.subarray(from, got));
  }
  if (length) yield [n, line()];
}

/**
 * Objects of JSON lines with their line numbers. A byte order mark, carriage returns and empty lines are passed over;
 * everything else that is no object on a line of UTF-8 goes to `problems`. Throws InputError where the file cannot be
 * read.
 */
export function* readLines(file: string, source: Bytes | OpenFile, problems: LineProblem[]): Generator<[number, Record<string, unknown>]> {
  for (const [line, bytes] of lines(source)) {
    const bad = (message: string): unknown => problems.push({ file, line, message });
    if (!bytes) {
      bad(`is longer than ${MAX_LINE} bytes`);
      continue;
    }
    let text: string, row: unknown;
    try {
      text = utf8(bytes);
    } catch {
      bad('is not UTF-8');
      continue;
    }
    if (line === 1 && text.startsWith('\ufeff')) text = text.slice(1);
    if (text.trim() === '') continue;
    try {
      row = parseJson(text);
    } catch (e) {
      bad(reason(e));
      // A document over many lines has one fault, not one for each line.
      if (line === 1 && text.trim() === '{') {
        bad('begins an object over many lines: write one object a line');
        return;
      }
      continue;
    }
    if (!isObject(row)) {
      bad(Array.isArray(row) ? 'is a JSON array: write one object a line instead' : 'is not an object');
      continue;
    }
    const { duplicates } = scanJson(text);
    if (duplicates.length) bad(`has the key ${JSON.stringify(duplicates[0])} twice`);
    else yield [line, row];
  }
}
