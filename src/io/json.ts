import { readFileSync } from 'node:fs';
import { InputError, reason } from '../errors.js';
import { scanJson, utf8, isObject } from './json-text.js';

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
