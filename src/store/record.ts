import { sealed, sealedHeader } from '../artifact/header.js';
import { InputError, VersionError } from '../errors.js';
import { parseJson } from '../io/json-bounds.js';
import { utf8 } from '../io/json-text.js';
import { writeAtomic } from '../io/atomic.js';
import { readBytes, withFile } from '../io/read-file.js';

/** A file that was cut short or changed: its digest does not match. What made it makes it again. */
export class TornError extends InputError {
  constructor(file: string, why: string) {
    super(file, [why]);
    this.name = 'TornError';
  }
}

/** A journal or proof of another manifest than the run's. */
export class ForeignError extends InputError {
  constructor(file: string) {
    super(
      file,
      ['belongs to another manifest: base, data or settings changed since it was written'],
      'delete the journal and proof folders beside the manifest to start over, or restore run.yaml and the data',
    );
    this.name = 'ForeignError';
  }
}

const HEADER = 2 ** 20;

/**
 * Writes one line of JSON (type, version, manifest digest, `fields`, SHA-256 of all of them and the body) and the body,
 * atomically.
 */
export function writeRecord(
  file: string,
  type: string,
  version: number,
  manifest: string,
  fields: Record<string, unknown>,
  body: Uint8Array,
): void {
  writeAtomic(file, sealedHeader({ type, version, manifest, ...fields }, body), body);
}

/** What the first line of a record says, unchecked. Throws InputError. */
export function recordHead(file: string): Readonly<Record<string, unknown>> {
  return withFile(file, 'journal', (f) => {
    const b = f.bytes(0, Math.min(f.size, HEADER)),
      nl = b.indexOf(10);
    if (nl < 0) throw new TornError(file, 'has no header line');
    try {
      return (parseJson(utf8(b.subarray(0, nl))) ?? {}) as Record<string, unknown>;
    } catch {
      throw new TornError(file, 'header is not JSON');
    }
  });
}

/**
 * Reads a record. Throws InputError if unreadable, TornError if damaged, VersionError, ForeignError if bound to another
 * manifest.
 */
export function readRecord(
  file: string,
  type: string,
  version: number,
  manifest: string,
): { head: Record<string, unknown>; body: Uint8Array } {
  const b = readBytes(file, 'journal');
  const nl = b.subarray(0, HEADER).indexOf(10);
  if (nl < 0) throw new TornError(file, 'has no header line');
  let head: Record<string, unknown> | null;
  try {
    head = parseJson(utf8(b.subarray(0, nl))) as Record<string, unknown> | null;
  } catch {
    throw new TornError(file, 'header is not JSON');
  }
  if (!head || typeof head !== 'object' || head['type'] !== type) throw new TornError(file, `is not a ${type}`);
  if (head['version'] !== version)
    throw new VersionError(
      file,
      head['version'],
      version,
      'delete its folder and run the command again, which gives the same states and proofs, or use the release of Certune that wrote it',
    );
  const body = b.subarray(nl + 1);
  if (!sealed(head, body)) throw new TornError(file, 'does not match its digest');
  if (head['manifest'] !== manifest) throw new ForeignError(file);
  return { head, body };
}
