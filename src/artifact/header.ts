import { canonicalJson } from '../hash/canonical.js';
import { InputError, VersionError } from '../errors.js';
import { type JsonBounds, parseJson } from '../io/json-bounds.js';
import { hex, sha256Stream } from '../hash/sha256.js';
import { utf8 } from '../io/json-text.js';
import type { Source } from './source.js';
import { fromBytes } from './words.js';

/*
 * Proof files begin with one line of canonical JSON, a newline follows, then words of eight bytes, little-endian, all
 * of whose numbers are in the line: one thing has one spelling. The line's `sha256` is that of its other fields and of
 * what they do not hold themselves, so that a damaged file is known for one.
 */

/** Longest header: that of a run with as many proofs as one may have takes less. */
export const MOST_HEADER = 2 ** 25;
/** Values of a header without its losses, keys included: four for each proof of a pack, and what else there is. */
const BOUNDS: JsonBounds = { depth: 16, values: 2 ** 21 };
const PIECE = 2 ** 16;

const damaged = (file: string, why: string): never => {
  throw new InputError(file, [why], 'not a Certune proof, or a damaged one: certune prove makes it again from the run that it is of');
};

/**
 * A value of a header that is left as the text that it is: the one that is as long as the run, of which no tree of
 * values is made before it is known to be what it should be.
 */
export class Unread {
  constructor(readonly text: string) {}
}

export interface HeaderLine {
  /** `losses` is Unread. */ readonly head: Readonly<Record<string, unknown>>;
  readonly text: string;
  /** Where the words begin. */ readonly body: number;
}

/**
 * Where the value of a key of the outermost object begins and ends; undefined where there is none. The text may be
 * anything.
 */
function spanOf(text: string, key: string): [number, number] | undefined {
  const quoted = `${JSON.stringify(key)}:[`;
  let depth = 0,
    from = -1;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x22) {
      if (depth === 1 && from < 0 && text.startsWith(quoted, i)) {
        from = i + quoted.length - 1;
        depth++;
        i = from;
        continue;
      }
      for (i++; i < text.length; i++) {
        const d = text.charCodeAt(i);
        if (d === 0x5c) i++;
        else if (d === 0x22) break;
      }
    } else if (c === 0x7b || c === 0x5b) depth++;
    else if (c === 0x7d || c === 0x5d) {
      depth--;
      if (depth === 1 && from >= 0) return [from, i + 1];
    }
  }
  return undefined;
}

/** What a header says, but for its losses. Throws JsonError, within the bounds of the rest. */
function parseHead(text: string): unknown {
  const span = spanOf(text, 'losses');
  if (!span) return parseJson(text, BOUNDS);
  const head = parseJson(`${text.slice(0, span[0])}[]${text.slice(span[1])}`, BOUNDS);
  if (!head || typeof head !== 'object' || Array.isArray(head)) return head;
  // Twice the same key: the second one is what JSON has, and no canonical header has two.
  return { ...head, losses: new Unread(text.slice(span[0], span[1])) };
}

/** The header line of a proof file and what it says, unchecked but for its being a JSON object. Throws InputError. */
export function headerLine(file: string, b: Source): HeaderLine {
  const most = Math.min(b.size, MOST_HEADER);
  let at = -1,
    read: Uint8Array = new Uint8Array(0);
  for (let n = PIECE; at < 0 && read.length < most; n *= 4) {
    const before = read.length;
    read = b.bytes(0, Math.min(n, most));
    at = read.indexOf(10, before);
  }
  if (at < 0) return damaged(file, 'has no header line');
  // Strictly: what a lenient decoder drops or replaces would be a second spelling of one header.
  let text: string, head: unknown;
  try {
    text = utf8(read.subarray(0, at));
  } catch {
    return damaged(file, 'header is not UTF-8');
  }
  try {
    head = parseHead(text);
  } catch (e) {
    return damaged(file, `header ${(e as Error).message}`);
  }
  if (!head || typeof head !== 'object' || Array.isArray(head)) return damaged(file, 'header is not a JSON object');
  return { head: head as Record<string, unknown>, text, body: at + 1 };
}

/** Canonical text of some fields. */
const textOf = (fields: ReadonlyMap<string, string>): string =>
  `{${[...fields.keys()]
    .sort()
    .map((k) => `${JSON.stringify(k)}:${fields.get(k)!}`)
    .join()}}`;

const sealOf = (rest: ReadonlyMap<string, string>, words: Uint8Array): string =>
  hex(
    sha256Stream()
      .update(new TextEncoder().encode(`${textOf(rest)}\n`))
      .update(words)
      .digest(),
  );

/**
 * Header line of the fields with their `sha256`; `words` is what follows, or nothing where the fields hold its digests.
 */
export function sealedHeader(fields: Readonly<Record<string, unknown>>, words: Uint8Array = new Uint8Array(0)): string {
  const all = new Map(Object.entries(fields).map(([k, v]) => [k, canonicalJson(v)]));
  all.delete('sha256');
  const seal = sealOf(all, words);
  return `${textOf(all.set('sha256', JSON.stringify(seal)))}\n`;
}

/** Whether a header's digest is that of its other fields and of `words`. */
export function sealed(head: Readonly<Record<string, unknown>>, words: Uint8Array): boolean {
  const all = new Map<string, string>();
  try {
    for (const [k, v] of Object.entries(head)) all.set(k, canonicalJson(v));
  } catch {
    return false;
  }
  all.delete('sha256');
  return sealOf(all, words) === head['sha256'];
}

/**
 * Type, version and keys of a header, that it is spelled canonically, and its digest over its other fields and `words`.
 * Throws InputError, VersionError.
 */
export function checkHeader(
  file: string,
  { head, text }: HeaderLine,
  want: { type: string; version: number; keys: readonly string[]; words?: () => Uint8Array },
): void {
  if (head['type'] !== want.type) damaged(file, `is not a ${want.type}`);
  if (head['version'] !== want.version) throw new VersionError(file, head['version'], want.version);
  if (Object.keys(head).sort().join() !== ['type', 'version', 'sha256', ...want.keys].sort().join())
    damaged(file, 'header has other keys than it should');
  const all = new Map<string, string>();
  for (const [k, v] of Object.entries(head)) {
    try {
      all.set(k, v instanceof Unread ? v.text : canonicalJson(v));
    } catch {
      damaged(file, 'header is not canonical JSON');
    }
  }
  // Also refuses duplicate keys and numbers in another spelling.
  if (textOf(all) !== text) damaged(file, 'header is not canonical JSON');
  all.delete('sha256');
  if (sealOf(all, want.words?.() ?? new Uint8Array(0)) !== head['sha256']) damaged(file, 'does not match its digest');
}

/** Takes words from the body, in order; `end` requires that none is left. */
export class Body {
  #at: number;
  constructor(
    readonly file: string,
    readonly source: Source,
    at: number,
  ) {
    this.#at = at;
  }
  /** Where so many words lie. Throws InputError where the file ends before. */
  place(words: number): number {
    const at = this.#at;
    if (at + 8 * words > this.source.size) damaged(this.file, 'is shorter than its header says');
    this.#at += 8 * words;
    return at;
  }
  take(words: number): BigUint64Array {
    const at = this.place(words);
    return fromBytes(this.source.bytes(at, 8 * words), 0, words);
  }
  end(): void {
    if (this.#at !== this.source.size) damaged(this.file, `has ${this.source.size - this.#at} bytes too many`);
  }
}
