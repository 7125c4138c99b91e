import canonicalize from 'canonicalize';
import { InputError, VersionError } from '../errors.js';
import { utf8 } from '../io/json-text.js';
import { fromBytes } from './words.js';

/*
 * Proof files begin with one line of canonical JSON, a newline follows, then words of eight bytes, little-endian, all of whose numbers are in the line: one
 * thing has one spelling.
 */

const LIMIT = 2 ** 28;

/** The header line of a proof file and what it says, unchecked but for its being a JSON object. Throws InputError. */
export function headerLine(file: string, b: Uint8Array): { head: Record<string, unknown>; text: string; body: number } {
  const bad = (why: string): never => {
    throw new InputError(file, [why], 'not a Certune proof, or a damaged one');
  };
  const nl = b.subarray(0, LIMIT).indexOf(10);
  if (nl < 0) return bad('has no header line');
  // Strictly: what a lenient decoder drops or replaces would be a second spelling of one header.
  let text: string;
  try {
    text = utf8(b.subarray(0, nl));
  } catch {
    return bad('header is not UTF-8');
  }
  let head: unknown;
  try {
    head = JSON.parse(text);
  } catch {
    return bad('header is not JSON');
  }
  if (!head || typeof head !== 'object' || Array.isArray(head)) return bad('header is not a JSON object');
  return { head: head as Record<string, unknown>, text, body: nl + 1 };
}

/** Type, version and keys of a header, and that it is spelled canonically. Throws InputError, VersionError. */
export function checkHeader(
  file: string,
  { head, text }: { head: Record<string, unknown>; text: string },
  want: { type: string; version: number; keys: readonly string[] },
): void {
  const bad = (why: string): never => {
    throw new InputError(file, [why], 'not a Certune proof, or a damaged one');
  };
  if (head['type'] !== want.type) bad(`is not a ${want.type}`);
  if (head['version'] !== want.version) throw new VersionError(file, head['version'], want.version);
  if (Object.keys(head).sort().join() !== ['type', 'version', ...want.keys].sort().join()) bad('header has other keys than it should');
  // Also refuses duplicate keys and numbers in another spelling.
  let canonical: string | undefined;
  try {
    canonical = canonicalize(head);
  } catch {
    canonical = undefined;
  }
  if (canonical !== text) bad('header is not canonical JSON');
}

/** Takes words from the body, in order; `end` requires that none is left. */
export class Body {
  #at: number;
  constructor(
    readonly file: string,
    readonly bytes: Uint8Array,
    at: number,
  ) {
    this.#at = at;
  }
  #bad(why: string): never {
    throw new InputError(this.file, [why], 'not a Certune proof, or a damaged one');
  }
  take(words: number): BigUint64Array {
    if (this.#at + 8 * words > this.bytes.length) this.#bad('is shorter than its header says');
    const v = fromBytes(this.bytes, this.#at, words);
    this.#at += 8 * words;
    return v;
  }
  end(): void {
    if (this.#at !== this.bytes.length) this.#bad(`has ${this.bytes.length - this.#at} bytes too many`);
  }
}
