import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { concatBytes, fromHex, sameBytes, toHex } from '../bytes.js';
import { TAG, integer, readDer, sequence } from '../der.js';
import { InputError } from '../../errors.js';

export const HASHES = { sha256, sha384, sha512 } as const;
export type HashName = keyof typeof HASHES;

/** A public key of RSA. */
export interface RsaKey {
  readonly n: bigint;
  readonly e: bigint;
  /** Bits of n. */ readonly bits: number;
}

/** Bits of a modulus that are accepted: below is weak, above is slow without being safer. */
const LEAST_BITS = 2048,
  MOST_BITS = 4096;

/** Reads RSAPublicKey (RFC 8017, A.1.1). Throws InputError. */
export function parseRsa(der: Uint8Array, where: string): RsaKey {
  const [n, e, ...more] = sequence(readDer(der, where, TAG.sequence), where).map((x) => integer(x, where)),
    bits = n === undefined || n <= 0n ? 0 : n.toString(2).length;
  if (e === undefined || more.length) throw new InputError(where, ['is no RSA key']);
  if (bits < LEAST_BITS || bits > MOST_BITS)
    throw new InputError(where, [`is an RSA key of ${bits} bits, not ${LEAST_BITS} to ${MOST_BITS}`]);
  // One exponent in use; a large one would cost its reader more than its maker.
  if (e !== 65537n || n % 2n === 0n) throw new InputError(where, ['is an RSA key with another exponent than 65537, or an even modulus']);
  return { n, e, bits };
}

/** s^e mod n as bytes, or nothing where s does not have the length of n or is no residue. */
function raise(k: RsaKey, signature: Uint8Array): Uint8Array | undefined {
  const size = Math.ceil(k.bits / 8),
    s = BigInt(`0x${toHex(signature) || '0'}`);
  if (signature.length !== size || s >= k.n) return undefined;
  let out = s;
  for (let i = 0; i < 16; i++) out = (out * out) % k.n;
  return fromHex(((out * s) % k.n).toString(16).padStart(2 * size, '0'), 'signature');
}

/** Mask of so many bytes from a seed (RFC 8017, B.2.1). */
function mask(hash: HashName, seed: Uint8Array, length: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let i = 0, have = 0; have < length; i++) {
    const block = HASHES[hash](concatBytes(seed, Uint8Array.of(i >>> 24, i >>> 16, i >>> 8, i)));
    parts.push(block);
    have += block.length;
  }
  return concatBytes(...parts).subarray(0, length);
}

/**
 * Whether the bytes are an RSASSA-PSS signature of the message, with one hash for message and mask (RFC 8017, 8.1.2 and
 * 9.1.2).
 */
export function verifyPss(k: RsaKey, hash: HashName, salt: number, message: Uint8Array, signature: Uint8Array): boolean {
  const raised = raise(k, signature),
    digest = HASHES[hash](message),
    emLength = Math.ceil((k.bits - 1) / 8);
  if (!raised || raised.subarray(0, raised.length - emLength).some((x) => x !== 0)) return false;
  const em = raised.subarray(raised.length - emLength),
    dbLength = emLength - digest.length - 1;
  if (dbLength < salt + 1 || em[emLength - 1] !== 0xbc) return false;
  const h = em.subarray(dbLength, emLength - 1),
    spare = 8 * emLength - (k.bits - 1),
    keep = 0xff >> spare;
  if (em[0] & ~keep) return false;
  const m = mask(hash, h, dbLength),
    db = em.subarray(0, dbLength).map((x, i) => x ^ m[i]);
  db[0] &= keep;
  if (db.subarray(0, dbLength - salt - 1).some((x) => x !== 0) || db[dbLength - salt - 1] !== 1) return false;
  return sameBytes(h, HASHES[hash](concatBytes(new Uint8Array(8), digest, db.subarray(dbLength - salt))));
}

/** DigestInfo before the digest (RFC 8017, 9.2, note 1). */
const DIGEST_INFO: Readonly<Record<HashName, string>> = {
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
};

/**
 * Whether the bytes are an RSASSA-PKCS1-v1_5 signature of the message: the one encoding is made and compared whole (RFC
 * 8017, 8.2.2).
 */
export function verifyPkcs1(k: RsaKey, hash: HashName, message: Uint8Array, signature: Uint8Array): boolean {
  const raised = raise(k, signature);
  if (!raised) return false;
  const t = concatBytes(fromHex(DIGEST_INFO[hash], 'digest'), HASHES[hash](message)),
    filler = new Uint8Array(raised.length - t.length - 3).fill(0xff);
  return sameBytes(raised, concatBytes(Uint8Array.of(0, 1), filler, Uint8Array.of(0), t));
}
