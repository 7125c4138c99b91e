import { Body, checkHeader, headerLine, sealedHeader } from '../artifact/header.js';
import { type Source, inMemory } from '../artifact/source.js';
import { concat, fromBytes, toBytes } from '../artifact/words.js';
import { InputError } from '../errors.js';
import { wordOf } from '../field/goldilocks.js';
import { sha256Hex } from '../hash/sha256.js';
import type { Ext } from '../transcript/arith.js';
import type { ClassTotal, Count, CountPart } from './count.js';

/*
 * A count in one file: a line of canonical JSON {manifest, parts, sha256, totals, type, version}, a newline, then the
 * words of all parts' proofs in order. The header holds the digest of every part's words and its own: a part is read,
 * and known to be whole, when it is verified.
 */

export const COUNT_TYPE = 'certune-count';
export const COUNT_VERSION = 1;

/** No proof of a part has as many words. */
const MOST_WORDS = 2 ** 22;

const decimal = (w: readonly bigint[]): string[] => w.map(String);

export function encodeCount(c: Count): Uint8Array {
  const words = c.parts.map((p) => toBytes(p.proof)),
    head = {
      type: COUNT_TYPE,
      version: COUNT_VERSION,
      manifest: c.manifest,
      totals: c.totals.map((t) => [t.rows, t.targets]),
      parts: c.parts.map((p, i) => ({
        sha256: sha256Hex(words[i]),
        root: decimal(p.root),
        rows: decimal(p.rows),
        targets: decimal(p.targets),
        words: p.proof.length,
      })),
    };
  return concat([new TextEncoder().encode(sealedHeader(head)), ...words]);
}

/** Whether a file begins as a count does; nothing is said of the rest. */
export function looksLikeCount(file: string, b: Source): boolean {
  try {
    return headerLine(file, b).head['type'] === COUNT_TYPE;
  } catch (e) {
    if (e instanceof InputError) return false;
    throw e;
  }
}

/**
 * Reads hostile bytes. Throws InputError naming what is wrong, VersionError for another version; verifies nothing. The
 * words of a part are read when they are asked for: InputError where they are damaged.
 */
export function decodeCount(file: string, b: Uint8Array | Source): Count {
  const bad = (why: string): never => {
    throw new InputError(
      file,
      [why],
      'not a Certune count, or a damaged one: certune audit count makes it again from the run that it is of',
    );
  };
  const source = b instanceof Uint8Array ? inMemory(b) : b,
    line = headerLine(file, source),
    h = line.head;
  checkHeader(file, line, { type: COUNT_TYPE, version: COUNT_VERSION, keys: ['manifest', 'parts', 'totals'] });
  const { manifest, totals, parts } = h;
  if (typeof manifest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(manifest)) return bad('malformed digest of the manifest');
  if (!Array.isArray(totals) || !Array.isArray(parts)) return bad('has no totals or no parts');
  const body = new Body(file, source, line.body),
    words = (x: unknown, n: number, what: string): bigint[] => {
      const wrong = (): never => bad(`${what} must be ${n} canonical words`);
      return Array.isArray(x) && x.length === n ? Array.from(x, (w) => wordOf(w) ?? wrong()) : wrong();
    },
    element = (x: unknown, what: string): Ext => {
      const [p, q, r] = words(x, 3, what);
      return [p, q, r];
    };
  const count = {
    manifest,
    totals: totals.map((t: unknown): ClassTotal => {
      const pair: unknown[] = Array.isArray(t) ? t : [];
      if (pair.length !== 2 || !pair.every((n) => Number.isSafeInteger(n) && (n as number) >= 0)) return bad('malformed total of a class');
      return { rows: pair[0] as number, targets: pair[1] as number };
    }),
    parts: parts.map((raw: unknown, i): CountPart => {
      const p = (raw && typeof raw === 'object' && !Array.isArray(raw) ? raw : {}) as Record<string, unknown>,
        n = p['words'],
        sha256 = p['sha256'];
      if (Object.keys(p).sort().join() !== 'root,rows,sha256,targets,words') return bad(`part ${i} has other keys than it should`);
      if (typeof n !== 'number' || !Number.isSafeInteger(n) || n < 0 || n > MOST_WORDS) return bad('malformed number of words');
      if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) return bad(`malformed digest of part ${i}`);
      const at = body.place(n);
      return {
        root: words(p['root'], 4, 'root'),
        rows: element(p['rows'], 'rows'),
        targets: element(p['targets'], 'targets'),
        get proof() {
          const b = source.bytes(at, 8 * n);
          return sha256Hex(b) === sha256 ? fromBytes(b, 0, n) : bad(`part ${i} does not match its digest`);
        },
      };
    }),
  };
  body.end();
  return count;
}
