import { type KeyObject, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { sha256 } from '@noble/hashes/sha2.js';
import { InputError } from '../errors.js';
import { readText } from '../io/read-file.js';
import { bundleJson } from './bundle.js';
import { toBase64, toHex, toUtf8 } from './bytes.js';
import { type Envelope, IN_TOTO, pae, verifyEnvelope } from './dsse.js';
import { type PublicKey, parsePublicKey } from './ecdsa.js';

/* Signing: the only part of the envelopes that holds a secret. Node only. */

/** A private key for ECDSA on P-256 with SHA-256, the one pair that cosign, sigstore-js and model_signing all read. */
export interface SigningKey {
  readonly public: PublicKey;
  /** PEM text of the public key, as every program writes it. */ readonly pem: string;
  readonly private: KeyObject;
}

/** The environment's variable that holds the passphrase of an encrypted key. */
export const PASSPHRASE = 'CERTUNE_KEY_PASSPHRASE';

/**
 * Reads a private key: PEM, PKCS#8 or SEC 1, P-256, encrypted or not. No message repeats anything of the file. Throws
 * InputError.
 */
export function readSigningKey(file: string, passphrase = process.env[PASSPHRASE]): SigningKey {
  const make = 'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem';
  const text = readText(file, 'key');
  let key: KeyObject;
  if (/BEGIN ENCRYPTED (SIGSTORE|COSIGN) PRIVATE KEY/.test(text))
    throw new InputError(
      file,
      ["is encrypted in cosign's own format, which is not read"],
      `sign with cosign itself, or make another key: ${make}`,
    );
  if (/BEGIN PUBLIC KEY/.test(text)) throw new InputError(file, ['holds a public key where a private one belongs'], make);
  try {
    key = createPrivateKey({ key: text, format: 'pem', ...(passphrase === undefined ? {} : { passphrase }) });
  } catch {
    // What the library says of a key that it cannot read is not passed on: it has seen the key.
    throw new InputError(
      file,
      ['is no private key that can be read'],
      /ENCRYPTED/.test(text) ? `it is encrypted: set ${PASSPHRASE}` : make,
    );
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new InputError(file, [`is a key of another kind (${key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType})`], make);
  const pem = createPublicKey(key).export({ type: 'spki', format: 'pem' }) as string;
  return { public: parsePublicKey(pem, file), pem, private: key };
}

/** Signs a statement; the signature is verified before it is given away. */
export function signStatement(payload: Uint8Array, key: SigningKey): Envelope {
  const signature = new Uint8Array(sign('sha256', pae(IN_TOTO, payload), { key: key.private, dsaEncoding: 'der' })),
    envelope = { payloadType: IN_TOTO, payload, signature };
  verifyEnvelope(envelope, [key.public], IN_TOTO, 'the new signature');
  return envelope;
}

/** cosign's hint for a key: SHA-256 of its DER in base64. */
export const cosignHint = (k: PublicKey): string => toBase64(sha256(k.spki));

/**
 * model_signing's hint for a key: SHA-256 of its PEM text, last newline included, in hexadecimal digits. It refuses any
 * other.
 */
export const modelHint = (pem: string): string => toHex(sha256(toUtf8(pem)));

/** Text of run.sigstore.json or another bundle for cosign. */
export const signedBundle = (payload: Uint8Array, key: SigningKey): string =>
  bundleJson(signStatement(payload, key), cosignHint(key.public));

/** Text of model.sig. */
export const signedModel = (payload: Uint8Array, key: SigningKey): string => bundleJson(signStatement(payload, key), modelHint(key.pem));
