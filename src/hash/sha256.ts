import { sha256 } from '@noble/hashes/sha2.js';

/** Bytes as lower-case hexadecimal digits. */
export const hex = (b: Uint8Array): string => [...b].map((x) => x.toString(16).padStart(2, '0')).join('');

/** SHA-256 of bytes, or of a text's UTF-8, in hex. */
export const sha256Hex = (b: Uint8Array | string): string => hex(sha256(typeof b === 'string' ? new TextEncoder().encode(b) : b));
