import { p256, p384 } from '@noble/curves/nist.js';
import { sha256, sha384 } from '@noble/hashes/sha2.js';
import { concatBytes, fromBase64, toHex } from './bytes.js';
import { TAG, bitString, integer, oid, readDer, sequence } from './der.js';
import { InputError } from '../errors.js';

export type Curve = 'P-256' | 'P-384';
export type EcdsaHash = 'sha256' | 'sha384';

/** A public key of ECDSA: curve, uncompressed point, and the SubjectPublicKeyInfo that holds it. */
export interface PublicKey {
  readonly curve: Curve;
  readonly point: Uint8Array;
  readonly spki: Uint8Array;
}

const CURVES = { 'P-256': { of: p256, size: 32 }, 'P-384': { of: p384, size: 48 } } as const;
const HASHES = { sha256, sha384 } as const;
const EC_PUBLIC_KEY = '1.2.840.10045.2.1',
  NAMED: Readonly<Record<string, Curve>> = { '1.2.840.10045.3.1.7': 'P-256', '1.3.132.0.34': 'P-384' };

/**
 * Reads a SubjectPublicKeyInfo (RFC 5480): id-ecPublicKey on P-256 or P-384, a point of the curve in uncompressed form.
 * Throws InputError.
 */
export function parseSpki(spki: Uint8Array, where: string): PublicKey {
  const [algorithm, key, ...more] = sequence(readDer(spki, where), where),
    [kind, curve, ...rest] = sequence(algorithm, where);
  if (more.length || rest.length) throw new InputError(where, ['is no SubjectPublicKeyInfo: it has more members']);
  const id = oid(kind, where);
  if (id !== EC_PUBLIC_KEY) throw new InputError(where, [`is a key of another kind (${id})`], 'use ECDSA on P-256');
  const name = NAMED[oid(curve, where)];
  if (name === undefined) throw new InputError(where, [`is on another curve (${oid(curve, where)})`], 'use P-256');
  return pointKey(name, bitString(key, where), spki, where);
}

function pointKey(curve: Curve, point: Uint8Array, spki: Uint8Array, where: string): PublicKey {
  const c = CURVES[curve];
  if (point.length !== 1 + 2 * c.size || point[0] !== 4) throw new InputError(where, ['holds no uncompressed point']);
  try {
    c.of.Point.fromBytes(point).assertValidity();
  } catch {
    throw new InputError(where, [`holds no point of ${curve}`]);
  }
  return { curve, point, spki };
}

/** PEM label and bytes of every block of a text (RFC 7468); text between blocks is explanation. Throws InputError. */
export function parsePem(text: string, where: string): { label: string; bytes: Uint8Array }[] {
  const out: { label: string; bytes: Uint8Array }[] = [],
    begin = /^-----BEGIN ([A-Z0-9 ]{1,64})-----\s*$/;
  let label: string | undefined,
    body = '';
  for (const line of text.split('\n')) {
    const opened = begin.exec(line);
    if (label === undefined) {
      if (opened) {
        label = opened[1];
        body = '';
      }
    } else if (line.trimEnd() === `-----END ${label}-----`) {
      out.push({ label, bytes: fromBase64(body, where) });
      label = undefined;
    } else if (opened) throw new InputError(where, ['holds a PEM block inside another']);
    else body += line.trim();
  }
  if (label !== undefined) throw new InputError(where, ['holds a PEM block without an end']);
  return out;
}

/** The one public key of a PEM file. A private key is refused without a look at it. Throws InputError. */
export function parsePublicKey(text: string, where: string): PublicKey {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    throw new InputError(where, ['holds a private key where a public one belongs'], 'openssl pkey -in key.pem -pubout -out key.pub');
  const blocks = parsePem(text, where);
  if (blocks.length !== 1 || blocks[0].label !== 'PUBLIC KEY')
    throw new InputError(where, ['holds no single PEM block "PUBLIC KEY"'], 'openssl pkey -in key.pem -pubout -out key.pub');
  return parseSpki(blocks[0].bytes, where);
}

/** SHA-256 of the SubjectPublicKeyInfo, "sha256:...": the name of a key. */
export const keyDigest = (k: PublicKey): string => `sha256:${toHex(sha256(k.spki))}`;

/**
 * r || s of an ECDSA signature in DER (SEQUENCE of two INTEGERs, RFC 3279): exact end, shortest forms, 0 < r, s < n. s
 * is not asked to be the lower of its two forms: signers differ in that, so that a signature has two forms and is never
 * a name of anything. Throws InputError.
 */
export function compactSignature(curve: Curve, der: Uint8Array, where: string): Uint8Array {
  const parts = sequence(readDer(der, where, TAG.sequence), where),
    c = CURVES[curve],
    n = c.of.Point.CURVE().n;
  if (parts.length !== 2) throw new InputError(where, ['is no ECDSA signature: not two integers']);
  return concatBytes(
    ...parts.map((p) => {
      const v = integer(p, where);
      if (v <= 0n || v >= n) throw new InputError(where, ['is no ECDSA signature: a number outside the group']);
      const hex = v.toString(16).padStart(2 * c.size, '0');
      return Uint8Array.from({ length: c.size }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
    }),
  );
}

/** Whether r || s (each of the curve's size) is a signature of the message (FIPS 186-5, section 6.4.2). */
export function verifyCompact(key: PublicKey, hash: EcdsaHash, message: Uint8Array, signature: Uint8Array): boolean {
  const c = CURVES[key.curve];
  if (signature.length !== 2 * c.size) return false;
  try {
    return c.of.verify(signature, HASHES[hash](message), key.point, { prehash: false, lowS: false, format: 'compact' });
  } catch {
    // The library throws where r or s lie outside the group.
    return false;
  }
}

/** Whether a DER signature is one of the message; malformed DER throws InputError. */
export const verifyEcdsa = (key: PublicKey, hash: EcdsaHash, message: Uint8Array, der: Uint8Array, where: string): boolean =>
  verifyCompact(key, hash, message, compactSignature(key.curve, der, where));
