import { toHex } from './bytes.js';
import { InputError } from '../errors.js';

/** Tags of DER in one byte: class, constructed bit and number. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8: 0x0c,
  sequence: 0x30,
  set: 0x31,
  printable: 0x13,
  ia5: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  /** [n], constructed: explicit tags. */ explicit: (n: number): number => 0xa0 + n,
  /** [n], primitive: implicit tags. */ implicit: (n: number): number => 0x80 + n,
} as const;

/** One element: its tag, its content, and the whole of it with tag and length. */
export interface Der {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly whole: Uint8Array;
}

const fail = (where: string, what: string): never => {
  throw new InputError(where, [`is not DER: ${what}`]);
};

/**
 * Reads the element at `at`; returns it and where the next one begins. Lengths are definite and in the fewest bytes.
 */
function element(b: Uint8Array, at: number, where: string): [Der, number] {
  if (at + 2 > b.length) return fail(where, 'cut short');
  const tag = b[at];
  if ((tag & 31) === 31) return fail(where, 'a tag of several bytes');
  let n = b[at + 1],
    from = at + 2;
  if (n >= 0x80) {
    const k = n & 127;
    if (k === 0 || k > 4) return fail(where, k === 0 ? 'an indefinite length' : 'a length of more than 4 bytes');
    if (from + k > b.length) return fail(where, 'cut short');
    n = 0;
    for (let i = 0; i < k; i++) n = n * 256 + b[from + i];
    if (n < 128 || n < 256 ** (k - 1)) return fail(where, 'a length that is not in its shortest form');
    from += k;
  }
  if (from + n > b.length) return fail(where, 'cut short');
  return [{ tag, content: b.subarray(from, from + n), whole: b.subarray(at, from + n) }, from + n];
}

/** The one element that the bytes are, to their end. Throws InputError. */
export function readDer(b: Uint8Array, where: string, tag?: number): Der {
  const [d, end] = element(b, 0, where);
  if (end !== b.length) return fail(where, `${b.length - end} bytes after the end`);
  return tag === undefined ? d : expectTag(d, tag, where);
}

/** The element, if it has the tag. Throws InputError. */
export const expectTag = (d: Der | undefined, tag: number, where: string): Der =>
  d?.tag === tag ? d : fail(where, `tag ${d ? d.tag.toString(16) : 'none'} where ${tag.toString(16)} belongs`);

/** Elements inside a constructed one, one level only. Throws InputError. */
export function children(d: Der, where: string): Der[] {
  if (!(d.tag & 0x20)) return fail(where, 'an element that cannot hold others');
  const out: Der[] = [];
  let at = 0;
  while (at < d.content.length) {
    const [x, end] = element(d.content, at, where);
    out.push(x);
    at = end;
  }
  return out;
}

/** Elements of a SEQUENCE. Throws InputError. */
export const sequence = (d: Der | undefined, where: string): Der[] => children(expectTag(d, TAG.sequence, where), where);

/** Value of an INTEGER in its shortest form. Throws InputError. */
export function integer(d: Der | undefined, where: string): bigint {
  const c = expectTag(d, TAG.integer, where).content;
  if (!c.length) return fail(where, 'an empty integer');
  if (c.length > 1 && ((c[0] === 0 && c[1] < 128) || (c[0] === 255 && c[1] >= 128)))
    return fail(where, 'an integer that is not in its shortest form');
  return BigInt.asIntN(8 * c.length, BigInt(`0x${toHex(c)}`));
}

/** Dotted text of an OBJECT IDENTIFIER. Throws InputError. */
export function oid(d: Der | undefined, where: string): string {
  const c = expectTag(d, TAG.oid, where).content,
    arcs: number[] = [];
  let v = 0,
    fresh = true;
  for (const b of c) {
    if (fresh && b === 0x80) return fail(where, 'an object identifier that is not in its shortest form');
    v = v * 128 + (b & 127);
    if (!Number.isSafeInteger(v)) return fail(where, 'an object identifier with an arc beyond 2^53');
    fresh = b < 128;
    if (fresh) {
      arcs.push(v);
      v = 0;
    }
  }
  if (!fresh || !arcs.length) return fail(where, 'an object identifier that is cut short');
  const top = Math.min(2, Math.floor(arcs[0] / 40));
  return [top, arcs[0] - 40 * top, ...arcs.slice(1)].join('.');
}

/** Bytes of a BIT STRING of whole bytes. Throws InputError. */
export function bitString(d: Der | undefined, where: string): Uint8Array {
  const c = expectTag(d, TAG.bitString, where).content;
  return c.length && c[0] === 0 ? c.subarray(1) : fail(where, 'a bit string that is not of whole bytes');
}

export const octetString = (d: Der | undefined, where: string): Uint8Array => expectTag(d, TAG.octetString, where).content;

/** Value of a BOOLEAN: 0x00 or 0xff, no other byte. Throws InputError. */
export function boolean(d: Der | undefined, where: string): boolean {
  const c = expectTag(d, TAG.boolean, where).content;
  if (c.length !== 1 || (c[0] !== 0 && c[0] !== 255)) return fail(where, 'a boolean that is neither 00 nor ff');
  return c[0] === 255;
}

/**
 * Milliseconds since 1970 of a UTCTime (years 1950 to 2049) or GeneralizedTime, both to the second and in Z, as RFC
 * 5280 wants. Throws InputError.
 */
export function time(d: Der | undefined, where: string): number {
  if (d?.tag !== TAG.utcTime && d?.tag !== TAG.generalizedTime) return fail(where, 'no time');
  const text = String.fromCharCode(...d.content.subarray(0, 16)),
    m = (d.tag === TAG.utcTime ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/).exec(text);
  if (!m || d.content.length !== text.length) return fail(where, 'a malformed time');
  const [y, mo, day, h, mi, s] = m.slice(1).map(Number),
    year = d.tag === TAG.utcTime ? y + (y < 50 ? 2000 : 1900) : y,
    t = Date.UTC(year, mo - 1, day, h, mi, s),
    back = new Date(t);
  if (back.getUTCFullYear() !== year || back.getUTCMonth() !== mo - 1 || back.getUTCDate() !== day || h > 23 || mi > 59 || s > 59)
    return fail(where, 'a time that no calendar has');
  return t;
}
