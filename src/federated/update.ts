import { ADAMW } from '../optim/adamw.js';
import { FederationError } from './errors.js';

/*
 * Updates as they travel: the differences d = C_c - C of an adapter's integers from the global ones, Rice-coded. One
 * encoding for a value:
 *
 *   "CFU1", number of values (4 bytes, big-endian), bits, zeros up to the next byte
 *   bits: for every 1,024 values five bits k, most significant first, then every value z = 2 d (d >= 0) or -2 d - 1: z
 * >> k ones, a zero, k bits of z
 *
 * k is the least of those that make the block shortest. A reader knows how many values there must be, and so how many
 * bytes there may be, before it reads one.
 */

const MAGIC = [0x43, 0x46, 0x55, 0x31],
  HEAD = 8,
  BLOCK = 1024,
  K_BITS = 5;
/** Bits of a difference of two values in format, as z: d lies between -(2^25 - 1) and 2^25 - 1. */
const Z_BITS = ADAMW.C.bits + 1;
/** Most bits that the best code of a value has on average: with k = Z_BITS every value has one bit more. */
const MOST_BITS = Z_BITS + 1;

/** Most values of an adapter: those that a norm can be taken of. */
export const MOST_VALUES = 2 ** 25;

/** Range of an adapter's integers. */
export const LEAST_C = -(2 ** (ADAMW.C.bits - 1)),
  MOST_C = 2 ** (ADAMW.C.bits - 1) - 1;

/** Most bytes that an update of n values can have, whatever they are. */
export const updateLimit = (n: number): number => HEAD + Math.ceil((n * MOST_BITS + Math.ceil(n / BLOCK) * K_BITS) / 8);

const zigzag = (d: number): number => (d >= 0 ? 2 * d : -2 * d - 1);

/** Bits of a block with parameter k. */
function blockBits(z: Uint32Array, from: number, to: number, k: number): number {
  let bits = (to - from) * (k + 1);
  for (let i = from; i < to; i++) bits += z[i] >>> k;
  return bits;
}

/** The least k that makes a block shortest. Bits are convex in k up to rounding, so all k are tried. */
function bestK(z: Uint32Array, from: number, to: number): number {
  let best = 0,
    least = Number.POSITIVE_INFINITY;
  for (let k = 0; k <= Z_BITS; k++) {
    const b = blockBits(z, from, to, k);
    if (b < least) [best, least] = [k, b];
  }
  return best;
}

class BitWriter {
  #at = 0;
  constructor(
    private readonly out: Uint8Array,
    start: number,
  ) {
    this.#at = 8 * start;
  }
  ones(n: number): void {
    for (let i = 0; i < n; i++, this.#at++) this.out[this.#at >>> 3] |= 0x80 >>> (this.#at & 7);
  }
  bits(value: number, n: number): void {
    for (let i = n - 1; i >= 0; i--, this.#at++) if ((value >>> i) & 1) this.out[this.#at >>> 3] |= 0x80 >>> (this.#at & 7);
  }
  zero(): void {
    this.#at++;
  }
  get bytes(): number {
    return Math.ceil(this.#at / 8);
  }
}

/** Encodes differences of magnitude below 2^25. Throws RangeError for others, or for none or too many. */
export function encodeUpdate(d: Int32Array): Uint8Array {
  const n = d.length;
  if (n < 1 || n > MOST_VALUES) throw new RangeError(`${n} values of an update`);
  const z = new Uint32Array(n);
  for (let i = 0; i < n; i++) {
    if (Math.abs(d[i]) > MOST_C - LEAST_C) throw new RangeError(`value ${i} of an update is ${d[i]}`);
    z[i] = zigzag(d[i]);
  }
  const ks: number[] = [];
  let total = 0;
  for (let from = 0; from < n; from += BLOCK) {
    const to = Math.min(n, from + BLOCK),
      k = bestK(z, from, to);
    ks.push(k);
    total += K_BITS + blockBits(z, from, to, k);
  }
  const out = new Uint8Array(HEAD + Math.ceil(total / 8)),
    w = new BitWriter(out, HEAD);
  out.set(MAGIC);
  new DataView(out.buffer).setUint32(4, n, false);
  ks.forEach((k, b) => {
    w.bits(k, K_BITS);
    for (let i = b * BLOCK; i < Math.min(n, (b + 1) * BLOCK); i++) {
      w.ones(z[i] >>> k);
      w.zero();
      w.bits(z[i], k);
    }
  });
  return out;
}

/**
 * Decodes an update of exactly n values; `party` is whose it is. Throws FederationError where the bytes are not the one
 * encoding of such values: another length, another parameter than the best, a value that two formats cannot differ by,
 * a bit in the padding, more bytes.
 */
export function decodeUpdate(bytes: Uint8Array, n: number, party?: string): Int32Array {
  const bad = (why: string): never => {
    throw new FederationError('update code', why, party);
  };
  if (bytes.length > updateLimit(n)) return bad(`${bytes.length} bytes, ${n} values have at most ${updateLimit(n)}`);
  if (bytes.length < HEAD || MAGIC.some((m, i) => bytes[i] !== m)) return bad('begins with something else');
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (v.getUint32(4, false) !== n) return bad(`says ${v.getUint32(4, false)} values, the adapter has ${n}`);
  const end = 8 * bytes.length,
    d = new Int32Array(n),
    z = new Uint32Array(n);
  let at = 8 * HEAD;
  const bit = (): number => {
    if (at >= end) return bad('ends before its last value');
    const b = (bytes[at >>> 3] >>> (7 - (at & 7))) & 1;
    at++;
    return b;
  };
  const bits = (m: number): number => {
    let x = 0;
    for (let i = 0; i < m; i++) x = 2 * x + bit();
    return x;
  };
  for (let from = 0; from < n; from += BLOCK) {
    const to = Math.min(n, from + BLOCK),
      k = bits(K_BITS);
    if (k > Z_BITS) return bad(`has the parameter ${k}`);
    const most = Math.floor((2 ** Z_BITS - 1) / 2 ** k);
    for (let i = from; i < to; i++) {
      let q = 0;
      while (bit()) if (++q > most) return bad(`value ${i} is beyond what two adapters can differ by`);
      z[i] = q * 2 ** k + bits(k);
      // Two values in format differ by at most 2^25 - 1, of which the code with an even z one more is the first that is
      // none.
      if (z[i] > 2 * (MOST_C - LEAST_C)) return bad(`value ${i} is beyond what two adapters can differ by`);
      d[i] = z[i] & 1 ? -((z[i] + 1) / 2) : z[i] / 2;
    }
    if (bestK(z, from, to) !== k) return bad(`has the parameter ${k} where ${bestK(z, from, to)} is the shorter`);
  }
  if (Math.ceil(at / 8) !== bytes.length) return bad('has more bytes than its values');
  while (at < end) if (bit()) return bad('has a bit in its padding');
  return d;
}

/** Differences of two adapters. Throws RangeError for other lengths. */
export function difference(after: ArrayLike<number>, before: ArrayLike<number>): Int32Array {
  if (after.length !== before.length) throw new RangeError(`${after.length} values, ${before.length} before`);
  return Int32Array.from({ length: after.length }, (_, i) => after[i] - before[i]);
}

/** Names and sizes of an adapter's tensors, in the order of its values. */
export interface TensorSize {
  readonly name: string;
  readonly cells: number;
}

/** The tensor that value i belongs to. */
export function tensorAt(tensors: readonly TensorSize[], i: number): string {
  let at = i;
  for (const t of tensors) {
    if (at < t.cells) return t.name;
    at -= t.cells;
  }
  return '?';
}

/** The adapter that an update leads to. Throws FederationError naming the tensor where a value leaves its format. */
export function applyUpdate(before: Int32Array, d: Int32Array, tensors: readonly TensorSize[], party?: string): Int32Array {
  const out = new Int32Array(before.length);
  for (let i = 0; i < before.length; i++) {
    const x = before[i] + d[i];
    if (x < LEAST_C || x > MOST_C)
      throw new FederationError('update format', `${tensorAt(tensors, i)}, value ${i} would be ${x}, beyond ${ADAMW.C.bits} bits`, party);
    out[i] = x;
  }
  return out;
}
