import canonicalize from 'canonicalize';
import { readFileSync, statSync } from 'node:fs';
import { InputError } from '../io/errors.js';
import { writeAtomic } from '../io/safetensors.js';
import { type Manifest, VersionError, parseManifest } from './manifest.js';
import { partHeaders, readParts } from './parts.js';
import type { RunProof } from './state.js';
import { fromBytes, toBytes } from './words.js';

/*
 * One file for a run's proof: a line of canonical JSON {manifest, merge, steps, type, version}, a newline, then the words of all parts in
 * order and of the merge, little-endian. Every length is in the header and their sum is the file's: one run proof has one spelling.
 */

export const PACK_TYPE = 'certune-run-proof';
export const PACK_VERSION = 1;
/** File name extension of a packed run. */
export const PACK_NAME = 'run.certune';

const HEADER_LIMIT = 2 ** 28,
  FILE_LIMIT = 2 ** 31 - 1;

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
    throw new InputError(file, [why], 'not a Certune run proof, or a damaged one');
  };
  const nl = b.subarray(0, HEADER_LIMIT).indexOf(10);
  if (nl < 0) return bad('has no header line');
  const text = new TextDecoder().decode(b.subarray(0, nl));
  let h: Record<string, unknown> | null;
  try {
    h = JSON.parse(text) as Record<string, unknown> | null;
  } catch {
    return bad('header is not JSON');
  }
  if (!h || typeof h !== 'object' || h['type'] !== PACK_TYPE) return bad(`is not a ${PACK_TYPE}`);
  if (h['version'] !== PACK_VERSION) throw new VersionError(file, h['version'], PACK_VERSION);
  if (Object.keys(h).sort().join() !== 'manifest,merge,steps,type,version') return bad('header has other keys than it should');
  const manifest = parseManifest(file, h['manifest']);
  // Also refuses duplicate keys and numbers in another spelling.
  let canonical: string | undefined;
  try {
    canonical = canonicalize(h);
  } catch {
    canonical = undefined;
  }
  if (canonical !== text) return bad('header is not canonical JSON');
  const { train } = manifest.config,
    list = h['steps'],
    parts = train.batch > train.microBatch ? Math.ceil(train.batch / train.microBatch) + 1 : 1;
  if (!Array.isArray(list) || list.length !== train.steps) return bad(`needs the proofs of ${train.steps} steps`);
  let at = nl + 1;
  const take = (words: number): BigUint64Array => {
    if (at + 8 * words > b.length) return bad('is shorter than its header says');
    const v = fromBytes(b, at, words);
    at += 8 * words;
    return v;
  };
  const steps = list.map((raw: unknown, step) => {
    if (Array.isArray(raw) && raw.length > parts) return bad(`step ${step} has more than ${parts} parts`);
    return { step, parts: readParts(raw, bad, take) };
  });
  const merge = h['merge'];
  if (typeof merge !== 'number' || !Number.isSafeInteger(merge) || merge < 0 || merge > 2 ** 20)
    return bad('malformed length of the merge');
  const run = { steps, merge: take(merge) };
  if (at !== b.length) return bad(`has ${b.length - at} bytes too many`);
  return { manifest, run };
}

export function writePack(file: string, p: Pack): number {
  const b = encodePack(p);
  writeAtomic(file, b);
  return b.length;
}

/** Reads a packed run. Throws InputError, VersionError. */
export function readPack(file: string): Pack {
  try {
    if (statSync(file).size > FILE_LIMIT) throw new Error('is larger than 2 GiB');
    return decodePack(file, readFileSync(file));
  } catch (e) {
    if (e instanceof InputError || e instanceof VersionError) throw e;
    throw new InputError(file, [`cannot be read: ${(e as Error).message}`]);
  }
}
