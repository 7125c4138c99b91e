import { InputError } from '../errors.js';
import { sha256Hex } from '../hash/sha256.js';
import { type Manifest, parseManifest } from '../run/manifest.js';
import { type Source, inMemory } from './source.js';
import type { ProofPart, RunProof } from '../run/parts.js';
import { Body, checkHeader, headerLine, sealedHeader } from './header.js';
import { partHeaders, readParts } from './parts.js';
import { concat, fromBytes, toBytes } from './words.js';

/*
 * One file for a run's proof: a line of canonical JSON {manifest, merge, merged, sha256, steps, type, version}, a
 * newline, then the words of all parts in order and of the merge, little-endian. Every length is in the header and
 * their sum is the file's: one run proof has one spelling. The header holds the digest of every part and of the merge
 * (`merged`) and its own: a part is read, and known to be whole, when it is verified.
 */

export const PACK_TYPE = 'certune-run-proof';
export const PACK_VERSION = 3;
/** File name extension of a packed run. */
export const PACK_NAME = 'run.certune';

export interface Pack {
  readonly manifest: Manifest;
  readonly run: RunProof;
}

export function encodePack({ manifest, run }: Pack): Uint8Array {
  const words = run.steps.map((s) => s.parts.map((p) => toBytes(p.proof))),
    merge = toBytes(run.merge),
    head = {
      type: PACK_TYPE,
      version: PACK_VERSION,
      manifest,
      steps: run.steps.map((s, i) => partHeaders(s).map((h, j) => ({ ...h, sha256: sha256Hex(words[i][j]) }))),
      merge: run.merge.length,
      merged: sha256Hex(merge),
    };
  return concat([new TextEncoder().encode(sealedHeader(head)), ...words.flat(), merge]);
}

/** A part whose words are read from the file where they are needed, and not kept. */
class StoredPart implements ProofPart {
  constructor(
    readonly kind: ProofPart['kind'],
    readonly roots: ProofPart['roots'],
    readonly loss: bigint,
    readonly read: () => BigUint64Array,
  ) {}
  /** Throws InputError where it is damaged. */
  get proof(): BigUint64Array {
    return this.read();
  }
}

/**
 * Reads hostile bytes. Throws InputError naming what is wrong, VersionError for another version; verifies nothing. The
 * words of a part are read when it is asked for them.
 */
export function decodePack(file: string, b: Uint8Array | Source): Pack {
  const bad = (why: string): never => {
    throw new InputError(
      file,
      [why],
      'not a Certune proof, or a damaged one: certune prove --no-fold makes it again from the run that it is of',
    );
  };
  const source = b instanceof Uint8Array ? inMemory(b) : b,
    line = headerLine(file, source),
    h = line.head;
  checkHeader(file, line, { type: PACK_TYPE, version: PACK_VERSION, keys: ['manifest', 'merge', 'merged', 'steps'] });
  const manifest = parseManifest(file, h['manifest']);
  const { train } = manifest.config,
    list = h['steps'],
    parts = train.batch > train.microBatch ? Math.ceil(train.batch / train.microBatch) + 1 : 1;
  if (!Array.isArray(list) || list.length !== train.steps) return bad(`needs the proofs of ${train.steps} steps`);
  const body = new Body(file, source, line.body),
    later = (words: number, sha256: unknown, what: string): (() => BigUint64Array) => {
      if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) return bad(`malformed digest of ${what}`);
      const at = body.place(words);
      return () => {
        const w = source.bytes(at, 8 * words);
        if (sha256Hex(w) !== sha256) bad(`${what} does not match its digest`);
        return fromBytes(w, 0, words);
      };
    };
  const steps = list.map((raw: unknown, step) => {
    if (!Array.isArray(raw) || raw.length > parts) return bad(`step ${step} is no list of at most ${parts} parts`);
    const digests = raw.map((x: unknown) => (x as { sha256?: unknown } | null)?.sha256),
      bare = raw.map((x: unknown) => {
        if (!x || typeof x !== 'object' || Array.isArray(x)) return x;
        const { sha256: _, ...rest } = x as Record<string, unknown>;
        return rest;
      });
    return {
      step,
      parts: readParts(bare, bad, (n, i) => later(n, digests[i], `the proof of step ${step}, part ${i}`)).map(
        ({ kind, roots, loss, words }) => new StoredPart(kind, roots, loss, words),
      ),
    };
  });
  const merge = h['merge'];
  if (typeof merge !== 'number' || !Number.isSafeInteger(merge) || merge < 0 || merge > 2 ** 20)
    return bad('malformed length of the merge');
  const merged = later(merge, h['merged'], 'the merge');
  body.end();
  return {
    manifest,
    run: {
      steps,
      get merge() {
        return merged();
      },
    },
  };
}
