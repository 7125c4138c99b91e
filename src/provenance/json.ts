import canonicalize from 'canonicalize';
import { fromUtf8, toUtf8 } from './bytes.js';
import { InputError } from '../errors.js';

/** A value of JSON. Objects have no prototype, so that no key is inherited. */
export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

export interface JsonLimits {
  /** Most bytes of the text. */ readonly bytes: number;
  /** Most objects and arrays inside one another. */ readonly depth?: number;
  /** Which numbers: integers up to 2^53 - 1 in magnitude, or all that JSON knows. */
  readonly numbers?: 'integers' | 'all';
}

/** Reads one value; knows where it stands and how deep. */
class Reader {
  private at = 0;
  constructor(
    private readonly text: string,
    private readonly where: string,
    private readonly depth: number,
    private readonly floats: boolean,
  ) {}

  fail(what: string): never {
    throw new InputError(this.where, [`is not strict JSON: ${what} at character ${this.at}`]);
  }

  document(): Json {
    const v = this.value(0);
    this.space();
    if (this.at < this.text.length) this.fail('more text after the value');
    return v;
  }

  private space(): void {
    while (this.at < this.text.length && ' \t\r\n'.includes(this.text[this.at])) this.at++;
  }

  private take(c: string): boolean {
    this.space();
    if (this.text[this.at] !== c) return false;
    this.at++;
    return true;
  }

  private value(depth: number): Json {
    this.space();
    const c = this.text[this.at];
    if ((c === '{' || c === '[') && depth >= this.depth) this.fail(`more than ${this.depth} levels`);
    if (c === '{') return this.object(depth + 1);
    if (c === '[') return this.array(depth + 1);
    if (c === '"') return this.string();
    for (const [word, v] of [
      ['null', null],
      ['true', true],
      ['false', false],
    ] as const)
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return v;
      }
    return this.number();
  }

  private object(depth: number): JsonObject {
    const out: JsonObject = Object.create(null);
    this.at++;
    if (this.take('}')) return out;
    do {
      this.space();
      if (this.text[this.at] !== '"') this.fail('no key');
      const key = this.string();
      if (key === '__proto__') this.fail('the key "__proto__"');
      if (Object.hasOwn(out, key)) this.fail(`the key ${JSON.stringify(key)} a second time`);
      if (!this.take(':')) this.fail('no colon');
      out[key] = this.value(depth);
    } while (this.take(','));
    if (!this.take('}')) this.fail('an object without an end');
    return out;
  }

  private array(depth: number): Json[] {
    const out: Json[] = [];
    this.at++;
    if (this.take(']')) return out;
    do out.push(this.value(depth));
    while (this.take(','));
    if (!this.take(']')) this.fail('an array without an end');
    return out;
  }

  private string(): string {
    const from = this.at++;
    let c = this.text.charCodeAt(this.at);
    while (c !== 0x22) {
      // NaN past the end, control characters: neither may stand in a string.
      if (!(c >= 0x20)) this.fail('a string without an end, or a control character in it');
      this.at += c === 0x5c ? 2 : 1;
      c = this.text.charCodeAt(this.at);
    }
    this.at++;
    let s: string;
    try {
      s = JSON.parse(this.text.slice(from, this.at)) as string;
    } catch {
      return this.fail('a malformed escape');
    }
    if (/[\ud800-\udfff]/u.test(s)) this.fail('half of a surrogate pair');
    return s;
  }

  private number(): number {
    const m = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    m.lastIndex = this.at;
    const t = m.exec(this.text)?.[0];
    if (t === undefined) return this.fail('no value');
    const v = Number(t);
    if (!Number.isFinite(v)) this.fail('a number beyond all bounds');
    if (!this.floats && (!/^-?\d+$/.test(t) || !Number.isSafeInteger(v) || t === '-0'))
      this.fail(`the number ${t.slice(0, 30)}, which is no integer below 2^53`);
    this.at += t.length;
    return v;
  }
}

/**
 * Reads JSON as a verifier must: UTF-8 without a byte order mark, one value and nothing after it, no key twice, no
 * "__proto__", no half surrogates, bounded size and depth. Two readers of the same bytes then see the same value.
 * Throws InputError.
 */
export function parseJson(bytes: Uint8Array, where: string, limits: JsonLimits): Json {
  if (bytes.length > limits.bytes) throw new InputError(where, [`has ${bytes.length} bytes, at most ${limits.bytes} are read`]);
  return new Reader(fromUtf8(bytes, where), where, limits.depth ?? 32, limits.numbers === 'all').document();
}

/** RFC 8785: the one text of a value, as bytes. */
export const canonicalBytes = (v: unknown): Uint8Array => toUtf8(canonicalize(v)!);

export const isJsonObject = (v: unknown): v is JsonObject => typeof v === 'object' && v !== null && !Array.isArray(v);

/** Reads the members of an object by name and type, and refuses those that nobody asked for. */
export class Members {
  private readonly seen = new Set<string>();
  constructor(
    private readonly object: JsonObject,
    readonly where: string,
    private readonly path = '',
  ) {}

  /** The object at `value`. Throws InputError. */
  static of(value: Json | undefined, where: string, path = ''): Members {
    if (!isJsonObject(value)) throw new InputError(where, [`${path || 'the whole'} is ${value === undefined ? 'missing' : 'no object'}`]);
    return new Members(value, where, path);
  }

  at = (key: string): string => (this.path ? `${this.path}.${key}` : key);

  fail(key: string, problem: string): never {
    throw new InputError(this.where, [`${this.at(key)} ${problem}`]);
  }

  /** A member of any type, undefined where there is none. */
  any(key: string): Json | undefined {
    this.seen.add(key);
    return Object.hasOwn(this.object, key) ? this.object[key] : undefined;
  }

  keys(): string[] {
    return Object.keys(this.object);
  }

  has(key: string): boolean {
    return Object.hasOwn(this.object, key);
  }

  string(key: string): string {
    const v = this.any(key);
    return typeof v === 'string' ? v : this.fail(key, v === undefined ? 'is missing' : 'is no string');
  }

  bool(key: string): boolean {
    const v = this.any(key);
    return typeof v === 'boolean' ? v : this.fail(key, v === undefined ? 'is missing' : 'is neither true nor false');
  }

  list(key: string): Json[] {
    const v = this.any(key);
    return Array.isArray(v) ? v : this.fail(key, v === undefined ? 'is missing' : 'is no list');
  }

  child(key: string): Members {
    return Members.of(this.any(key), this.where, this.at(key));
  }

  /** Throws InputError where there is a member that was not read. */
  end(): void {
    const more = Object.keys(this.object).filter((k) => !this.seen.has(k));
    if (more.length)
      throw new InputError(
        this.where,
        more.map((k) => `${this.at(k)} is not known`),
      );
  }
}
