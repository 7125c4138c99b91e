import { sha256 as noble } from '@noble/hashes/sha2.js';

/** SHA-256 of bytes that come in pieces. */
export interface Sha256 {
  update(bytes: Uint8Array): Sha256;
  digest(): Uint8Array;
}

/** The system's cryptography where there is one, as in Node: tens of times as fast as JavaScript. Pages have none. */
const system = typeof process === 'undefined' ? undefined : process.getBuiltinModule?.('node:crypto');

/** SHA-256 in pieces: the system's where the environment has it. */
export const sha256Stream = (): Sha256 => (system ? system.createHash('sha256') : noble.create());

/** SHA-256 of bytes. */
export const sha256 = (bytes: Uint8Array): Uint8Array => sha256Stream().update(bytes).digest();

/** Bytes as lower-case hexadecimal digits. */
export const hex = (b: Uint8Array): string => [...b].map((x) => x.toString(16).padStart(2, '0')).join('');

/** SHA-256 of bytes as manifests and messages write it. */
export const digestText = (bytes: Uint8Array): string => `sha256:${hex(sha256(bytes))}`;

/** SHA-256 of bytes, or of a text's UTF-8, in hex. */
export const sha256Hex = (b: Uint8Array | string): string => hex(sha256(typeof b === 'string' ? new TextEncoder().encode(b) : b));
