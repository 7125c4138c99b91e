import { parseJson } from './json-bounds.js';
import { isObject, scanJson, utf8 } from './json-text.js';
import { OpenFile } from './read-file.js';

/** One line of a file that is not what it should be. */
export interface LineProblem {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** Longest line, in bytes. */
export const MAX_LINE = 16 << 20;
const CHUNK = 4 << 20;

/** Lines of a file as bytes, numbered from 1, without their line feed; undefined for a line that is too long. Throws InputError. */
function* lines(file: string): Generator<[number, Uint8Array | undefined]> {
  const f = new OpenFile(file, 'data');
  try {
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
    for (let read = 0; ; ) {
      const got = f.some(chunk, read);
      if (!got) break;
      read += got;
      let from = 0;
      for (let at = chunk.indexOf(10); at >= 0 && at < got; at = chunk.indexOf(10, from)) {
        add(chunk.subarray(from, at));
        yield [n++, line()];
        from = at + 1;
      }
      add(chunk.subarray(from, got));
    }
    if (length) yield [n, line()];
  } finally {
    f.close();
  }
}

/**
 * Objects of a JSONL file with their line numbers. A byte order mark, carriage returns and empty lines are passed over; everything else
 * that is no object on a line of UTF-8 goes to `problems`. Throws InputError where the file cannot be read.
 */
export function* readLines(file: string, problems: LineProblem[]): Generator<[number, Record<string, unknown>]> {
  for (const [line, bytes] of lines(file)) {
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
      bad(line === 1 && text.trim() === '[' ? 'begins a JSON array: write one object a line instead' : (e as Error).message);
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
