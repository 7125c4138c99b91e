import { concatBytes, fromBase64, toBase64, toUtf8 } from './bytes.js';
import { type EcdsaHash, type PublicKey, keyDigest, verifyEcdsa } from './ecdsa.js';
import { InputError } from '../errors.js';
import { VerificationError } from '../transcript/arith.js';
import { Members } from './json.js';

/** The payload type of in-toto statements. */
export const IN_TOTO = 'application/vnd.in-toto+json';

/** A DSSE envelope with its one signature. */
export interface Envelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  /** ECDSA in DER. Two of them may belong to one payload and key: never a name of anything. */
  readonly signature: Uint8Array;
}

/** Pre-authentication encoding, the bytes that are signed (DSSE v1): lengths in bytes, written in decimal. */
export function pae(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = toUtf8(payloadType);
  return concatBytes(toUtf8(`DSSEv1 ${type.length} `), type, toUtf8(` ${payload.length} `), payload);
}

/**
 * Reads an envelope: canonical base64, exactly one signature, no other member. `keyid` says nothing that is trusted.
 * Throws InputError.
 */
export function parseEnvelope(m: Members): Envelope {
  const payloadType = m.string('payloadType'),
    payload = fromBase64(m.string('payload'), `${m.where}: ${m.at('payload')}`),
    signatures = m.list('signatures');
  m.end();
  if (signatures.length !== 1) m.fail('signatures', `holds ${signatures.length} signatures, exactly one is read`);
  const s = Members.of(signatures[0], m.where, m.at('signatures.0')),
    signature = fromBase64(s.string('sig'), `${m.where}: ${s.at('sig')}`),
    id = s.any('keyid');
  if (id !== undefined && id !== null && typeof id !== 'string') s.fail('keyid', 'is no string');
  s.end();
  if (!signature.length) s.fail('sig', 'is empty');
  return { payloadType, payload, signature };
}

/** Members of an envelope as they stand in a file. */
export const envelopeJson = (e: Envelope): Record<string, unknown> => ({
  payload: toBase64(e.payload),
  payloadType: e.payloadType,
  signatures: [{ sig: toBase64(e.signature) }],
});

/** The hash that goes with a curve. It follows from the key, never from what is signed. */
export const hashFor = (k: PublicKey): EcdsaHash => (k.curve === 'P-256' ? 'sha256' : 'sha384');

/**
 * The one of the keys under which the envelope is signed. Its payload type must be the one that the caller reads: the
 * type is signed with the payload, so that bytes of one kind cannot be passed for another. Throws VerificationError;
 * InputError for malformed DER.
 */
export function verifyEnvelope(e: Envelope, keys: readonly PublicKey[], payloadType: string, where: string): PublicKey {
  if (e.payloadType !== payloadType)
    throw new VerificationError(
      'payload type',
      `${where} has the payload type ${JSON.stringify(e.payloadType.slice(0, 100))}, not ${payloadType}`,
    );
  if (!keys.length) throw new InputError(where, ['no key is given to verify it with'], 'give --signer key.pub');
  const signed = pae(e.payloadType, e.payload);
  let malformed: unknown;
  for (const k of keys)
    try {
      if (verifyEcdsa(k, hashFor(k), signed, e.signature, `${where}: signature`)) return k;
    } catch (x) {
      // Bounds of r and s are those of a curve: another key may be the right one.
      malformed = x;
    }
  if (malformed) throw malformed;
  throw new VerificationError('signature', `${where} is not signed by ${keys.map(keyDigest).join(' or ')}`);
}
