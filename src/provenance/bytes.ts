import { InputError } from '../errors.js';

/** Bytes as lower-case hexadecimal digits. */
export { hex as toHex } from '../hash/sha256.js';

/** Bytes of an even number of lower-case hexadecimal digits. Throws InputError. */
export function fromHex(text: string, where: string): Uint8Array {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new InputError(where, ['is not lower-case hexadecimal']);
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

/** Digits of base64 by value (RFC 4648, section 4). */
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const VALUES: Int8Array = (() => {
  const t = new Int8Array(128).fill(-1);
  for (let i = 0; i < 64; i++) t[DIGITS.charCodeAt(i)] = i;
  return t;
})();

/** Standard base64 with padding (RFC 4648, section 4). */
export function toBase64(b: Uint8Array): string {
  const out: string[] = [];
  for (let i = 0; i < b.length; i += 3) {
    const n = (b[i] << 16) | ((b[i + 1] ?? 0) << 8) | (b[i + 2] ?? 0);
    out.push(
      DIGITS[n >> 18] +
        DIGITS[(n >> 12) & 63] +
        (i + 1 < b.length ? DIGITS[(n >> 6) & 63] : '=') +
        (i + 2 < b.length ? DIGITS[n & 63] : '='),
    );
  }
  return out.join('');
}

/**
 * Bytes of standard base64 in its one canonical form: padding present, unused bits zero, no white space, no URL-safe
 * digits. Two texts that decode to the same bytes would be two names of one thing. Throws InputError.
 */
export function fromBase64(text: string, where: string): Uint8Array {
  const bad = (): never => {
    throw new InputError(where, ['is not canonical base64']);
  };
  if (text.length % 4) return bad();
  const pad = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0,
    digits = text.length - pad,
    out = new Uint8Array((text.length / 4) * 3 - pad);
  let bits = 0,
    have = 0,
    at = 0;
  for (let i = 0; i < digits; i++) {
    const c = text.charCodeAt(i),
      v = c < 128 ? VALUES[c] : -1;
    if (v < 0) return bad();
    bits = ((bits << 6) | v) & 0xffffff;
    have += 6;
    if (have >= 8) {
      have -= 8;
      out[at++] = (bits >> have) & 255;
    }
  }
  return at === out.length && (bits & ((1 << have) - 1)) === 0 ? out : bad();
}

/** Text of UTF-8 bytes without a byte order mark. Throws InputError. */
export function fromUtf8(b: Uint8Array, where: string): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(b);
  } catch {
    throw new InputError(where, ['is not UTF-8']);
  }
  if (text.startsWith('\ufeff')) throw new InputError(where, ['begins with a byte order mark']);
  return text;
}

export const toUtf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Whether two byte strings are equal, all bytes compared. */
export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((x, i) => x === b[i]);

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}
