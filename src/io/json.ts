import { readFileSync } from 'node:fs';
import { InputError, reason } from '../errors.js';

/** What JSON.parse accepts and hides: an object that has a key twice, numbers that are no plain naturals. */
export interface JsonScan {
  /** Keys that occur twice in one object. */
  readonly duplicates: readonly string[];
  /** Number literals other than 0 or digits without a leading zero (signs, fractions, exponents). */
  readonly unnatural: readonly string[];
}

/** Scans text that JSON.parse has accepted. */
export function scanJson(text: string): JsonScan {
  const stack: (Set<string> | undefined)[] = [],
    duplicates: string[] = [],
    unnatural: string[] = [];
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x7b) stack.push(new Set());
    else if (c === 0x5b) stack.push(undefined);
    else if (c === 0x7d || c === 0x5d) stack.pop();
    else if (c === 0x2d || (c >= 0x30 && c <= 0x39)) {
      let j = i + 1;
      while (j < text.length && '0123456789+-.eE'.includes(text[j])) j++;
      const n = text.slice(i, j);
      if (!/^(0|[1-9]\d*)$/.test(n)) unnatural.push(n);
      i = j - 1;
    } else if (c === 0x22) {
      let j = i + 1;
      while (j < text.length && text[j] !== '"') j += text[j] === '\\' ? 2 : 1;
      let k = j + 1;
      while (k < text.length && ' \t\r\n'.includes(text[k])) k++;
      const top = stack[stack.length - 1];
      if (text[k] === ':' && top) {
        const key = JSON.parse(text.slice(i, j + 1)) as string;
        if (top.has(key)) duplicates.push(key);
        top.add(key);
      }
      i = j;
    }
  }
  return { duplicates, unnatural };
}

/** UTF-8 without a byte order mark, or an error. */
export const utf8 = (b: Uint8Array): string => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(b);

export const isObject = (x: unknown): x is Record<string, unknown> => typeof x === 'object' && x !== null && !Array.isArray(x);

/** Reads a JSON object from a file: UTF-8, no key twice. Throws InputError. */
export function readJson(file: string): Record<string, unknown> {
  let bytes: Uint8Array, text: string, value: unknown;
  try {
    bytes = readFileSync(file);
  } catch (e) {
    throw new InputError(file, [`cannot be read: ${reason(e)}`]);
  }
  try {
    text = utf8(bytes);
  } catch {
    throw new InputError(file, ['is not UTF-8']);
  }
  try {
    value = JSON.parse(text);
  } catch (e) {
    throw new InputError(file, [`is not JSON: ${reason(e)}`]);
  }
  if (!isObject(value)) throw new InputError(file, ['is not a JSON object']);
  const { duplicates } = scanJson(text);
  if (duplicates.length)
    throw new InputError(
      file,
      duplicates.map((k) => `key ${JSON.stringify(k)} occurs twice`),
    );
  return value;
}
