import { sign } from 'node:crypto';
import { pae, verifyEnvelope } from '../provenance/dsse.js';
import { canonicalBytes } from '../provenance/json.js';
import type { SigningKey } from '../provenance/sign.js';
import { type Kind, type Message, type Signed, openEnvelope, payloadType } from './messages.js';

/* Signing of messages: the one part of a federation that holds a secret. Node only. */

/**
 * Signs a message; the signature and the spelling are checked before it is given away. Throws InputError for values
 * that no message may have.
 */
export function signMessage<K extends Kind>(kind: K, body: Message<K>, key: SigningKey): Signed<K> {
  const payload = canonicalBytes(body),
    type = payloadType(kind),
    envelope = {
      payloadType: type,
      payload,
      signature: new Uint8Array(sign('sha256', pae(type, payload), { key: key.private, dsaEncoding: 'der' })),
    };
  verifyEnvelope(envelope, [key.public], type, 'the new message');
  return openEnvelope(kind, envelope, [key.public], `the new ${kind}`);
}
