import { InputError, reason } from '../errors.js';
import { parseJson } from './json-bounds.js';
import { isObject, scanJson } from './json-text.js';
import { type FileKind, readText } from './read-file.js';

/**
 * Reads a JSON object from a file of a kind: UTF-8, within the bounds of size, depth and number of values, no key
 * twice. Throws InputError.
 */
export function readJson(file: string, kind: FileKind): Record<string, unknown> {
  const text = readText(file, kind);
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (e) {
    throw new InputError(file, [reason(e)]);
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
