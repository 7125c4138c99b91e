import { fromUtf8 } from '../bytes.js';
import { InputError } from '../../errors.js';

/* The part of CBOR (RFC 8949) that attestation documents use, read strictly. */

/**
 * A value: integers up to 2^53, strings, lists, maps with unsigned or text keys. Tags, floats and negative keys are not
 * read.
 */
export type Cbor = null | boolean | number | string | Uint8Array | Cbor[] | Map<number | string, Cbor>;

const DEPTH = 8;

class Reader {
  private at = 0;
  constructor(
    private readonly b: Uint8Array,
    private readonly where: string,
    /** Whether lists and maps may be of indefinite length: inside of what is signed only. */
    private readonly indefinite: boolean,
  ) {}

  fail(what: string): never {
    throw new InputError(this.where, [`is not strict CBOR: ${what} at byte ${this.at}`]);
  }

  document(): Cbor {
    const v = this.value(0);
    if (this.at !== this.b.length) this.fail(`${this.b.length - this.at} bytes after the end`);
    return v;
  }

  private byte(): number {
    if (this.at >= this.b.length) this.fail('cut short');
    return this.b[this.at++];
  }

  /** The argument of an item in its shortest form. */
  private argument(low: number): number {
    if (low < 24) return low;
    if (low > 27) this.fail('an item of a reserved or indefinite length');
    const n = 1 << (low - 24);
    let v = 0;
    for (let i = 0; i < n; i++) v = v * 256 + this.byte();
    if (!Number.isSafeInteger(v)) this.fail('a number beyond 2^53');
    if (v < 24 || (n > 1 && v < 256 ** (n / 2))) this.fail('a number that is not in its shortest form');
    return v;
  }

  private bytes(n: number): Uint8Array {
    if (n > this.b.length - this.at) this.fail('cut short');
    this.at += n;
    return this.b.subarray(this.at - n, this.at);
  }

  private value(depth: number): Cbor {
    const head = this.byte(),
      major = head >> 5,
      low = head & 31;
    if (major === 4 || major === 5) {
      if (depth >= DEPTH) this.fail(`more than ${DEPTH} levels`);
      if (low === 31 && !this.indefinite) this.fail('an indefinite length');
      const n = low === 31 ? Number.POSITIVE_INFINITY : this.argument(low);
      return major === 4 ? this.list(n, depth + 1) : this.map(n, depth + 1);
    }
    if (major === 7) {
      if (low === 20 || low === 21) return low === 21;
      return low === 22 ? null : this.fail('a value that is neither true, false nor null');
    }
    const n = this.argument(low);
    if (major === 0) return n;
    if (major === 1) return -1 - n;
    if (major === 2) return this.bytes(n);
    return major === 3 ? fromUtf8(this.bytes(n), this.where) : this.fail('a tag');
  }

  /** Whether a list or map of n members goes on after `have`. */
  private more(n: number, have: number): boolean {
    if (n !== Number.POSITIVE_INFINITY) return have < n;
    if (this.b[this.at] !== 0xff) return true;
    this.at++;
    return false;
  }

  private list(n: number, depth: number): Cbor[] {
    const out: Cbor[] = [];
    while (this.more(n, out.length)) out.push(this.value(depth));
    return out;
  }

  private map(n: number, depth: number): Map<number | string, Cbor> {
    const out = new Map<number | string, Cbor>();
    while (this.more(n, out.size)) {
      const key = this.value(depth);
      if (typeof key !== 'string' && typeof key !== 'number') return this.fail('a key that is neither a number nor a text');
      if (out.has(key)) this.fail(`the key ${JSON.stringify(key)} a second time`);
      out.set(key, this.value(depth));
    }
    return out;
  }
}

/** Reads one item to the end of the bytes: shortest forms, no key twice, at most 8 levels. Throws InputError. */
export const readCbor = (b: Uint8Array, where: string, indefinite = false): Cbor => new Reader(b, where, indefinite).document();

/** Head of an item: its major type and its argument below 2^32, in its shortest form. */
export function cborHead(major: number, n: number): Uint8Array {
  const top = major << 5;
  if (n < 24) return Uint8Array.of(top | n);
  if (n < 256) return Uint8Array.of(top | 24, n);
  return n < 65536 ? Uint8Array.of(top | 25, n >> 8, n) : Uint8Array.of(top | 26, n >>> 24, n >>> 16, n >>> 8, n);
}
