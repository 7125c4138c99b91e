import { blake3 as noble } from '@noble/hashes/blake3.js';
import { P } from '../field/goldilocks.js';
import type { Kernels } from '../kernels/runtime.js';
import { DOMAIN } from './poseidon2.js';

/** Plain BLAKE3 of bytes that come in pieces. */
export const blake3Stream = (): { update(bytes: Uint8Array): unknown; digest(): Uint8Array } => noble.create();

/** Plain BLAKE3 of bytes, 32 bytes out. */
export const blake3 = (bytes: Uint8Array): Uint8Array => noble(bytes);

/** So many bytes of an output stream, in turn. */
export type OutputStream = (bytes: number) => Uint8Array;

/** Bytes of an output block, and of the longest message that is one block. */
const OUTPUT = 64,
  ONE_BLOCK = 64;

/**
 * The output stream of plain BLAKE3 over a message; by kernels, where they are given, four blocks at a time, but for a
 * message of more than one block.
 */
export function outputStream(message: Uint8Array, k?: Kernels): OutputStream {
  if (!k || message.length > ONE_BLOCK) {
    const xof = noble.create({}).update(message);
    return (bytes) => xof.xof(bytes);
  }
  let made = new Uint8Array(0),
    at = 0;
  return (bytes) => {
    if (at + bytes > made.length) {
      const more = 4 * OUTPUT * Math.ceil((at + bytes - made.length) / (4 * OUTPUT)),
        all = new Uint8Array(made.length + more);
      all.set(made);
      k.scope(() => {
        const src = k.zeroed(ONE_BLOCK),
          scratch = k.alloc(640),
          dst = k.alloc(more);
        k.u8.set(message, src);
        k.exports['b3Xof'](dst, scratch, src, message.length, made.length / OUTPUT, more / (4 * OUTPUT));
        all.set(k.u8.subarray(dst, dst + more), made.length);
      });
      made = all;
    }
    return made.subarray(at, (at += bytes));
  };
}

/** The 64-bit words of some bytes, little-endian. */
export function toWords(bytes: Uint8Array): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / 8 }, (_, k) => view.getBigUint64(8 * k, true));
}

/** Words as little-endian 64-bit integers. */
export function wordBytes(words: readonly bigint[]): Uint8Array {
  const out = new Uint8Array(8 * words.length),
    view = new DataView(out.buffer);
  words.forEach((w, k) => {
    view.setBigUint64(8 * k, w, true);
  });
  return out;
}

/**
 * Fixed-length hash of canonical words: BLAKE3 in keyed mode, key = the words (domain, number of words, 0, 0), message
 * = the words, all little-endian. The four 64-bit words of the digest are reduced mod p: a collision of reduced digests
 * is one of BLAKE3's up to the 2^32 - 1 of 2^64 values per word that have two representatives.
 */
export function hashWords(domain: bigint, words: readonly bigint[]): bigint[] {
  return digestWords(noble(wordBytes(words), { key: wordBytes([domain, BigInt(words.length), 0n, 0n]) }));
}

/**
 * Inner node of a Merkle tree: key (node, 0, 0, 0), message left || right. The key's length word 0 belongs to no row of
 * eight words.
 */
export function compress(left: readonly bigint[], right: readonly bigint[]): bigint[] {
  return digestWords(noble(wordBytes([...left, ...right]), { key: wordBytes([DOMAIN.node, 0n, 0n, 0n]) }));
}

function digestWords(bytes: Uint8Array): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 32);
  return [0, 8, 16, 24].map((at) => view.getBigUint64(at, true) % P);
}
