import canonicalize from 'canonicalize';
import { InputError } from '../errors.js';
import { type Manifest, parseManifest } from '../run/manifest.js';
import { partHeaders, readParts } from './parts.js';
import type { RunProof } from '../run/parts.js';
import { Body, checkHeader, headerLine } from './header.js';
import { toBytes } from './words.js';

/*
 * One file for a run's proof: a line of canonical JSON {manifest, merge, steps, type, version}, a newline, then the words of all parts in
 * order and of the merge, little-endian. Every length is in the header and their sum is the file's: one run proof has one spelling.
 */

export const PACK_TYPE = 'certune-run-proof';
export const PACK_VERSION = 2;
/** File name extension of a packed run. */
export const PACK_NAME = 'run.certune';

export const FILE_LIMIT = 2 ** 31 - 1;

export interface Pack {
  readonly manifest: Manifest;
  readonly run: RunProof;
}

export function encodePack({ manifest, run }: Pack): Buffer {
  const head = { type: PACK_TYPE, version: PACK_VERSION, manifest, steps: run.steps.map(partHeaders), merge: run.merge.length };
  return Buffer.concat([
    Buffer.from(`${canonicalize(head)}\n`),
    ...run.steps.flatMap((s) => s.parts.map((p) => toBytes(p.proof))),
    toBytes(run.merge),
  ]);
}

/** Reads hostile bytes. Throws InputError naming what is wrong, VersionError for another version; verifies nothing. */
export function decodePack(file: string, b: Uint8Array): Pack {
  const bad = (why: string): never => {
    throw new InputError(file, [why], 'not a Certune proof, or a damaged one');
  };
  const line = headerLine(file, b),
    h = line.head;
  checkHeader(file, line, { type: PACK_TYPE, version: PACK_VERSION, keys: ['manifest', 'merge', 'steps'] });
  const manifest = parseManifest(file, h['manifest']);
  const { train } = manifest.config,
    list = h['steps'],
    parts = train.batch > train.microBatch ? Math.ceil(train.batch / train.microBatch) + 1 : 1;
  if (!Array.isArray(list) || list.length !== train.steps) return bad(`needs the proofs of ${train.steps} steps`);
  const body = new Body(file, b, line.body);
  const steps = list.map((raw: unknown, step) => {
    if (Array.isArray(raw) && raw.length > parts) return bad(`step ${step} has more than ${parts} parts`);
    return { step, parts: readParts(raw, bad, (n) => body.take(n)) };
  });
  const merge = h['merge'];
  if (typeof merge !== 'number' || !Number.isSafeInteger(merge) || merge < 0 || merge > 2 ** 20)
    return bad('malformed length of the merge');
  const run = { steps, merge: body.take(merge) };
  body.end();
  return { manifest, run };
}
