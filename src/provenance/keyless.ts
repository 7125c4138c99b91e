import { createHash, createPublicKey } from 'node:crypto';
import { reason, InputError } from '../errors.js';
import { MAX_BUNDLE } from './bundle.js';
import { fromBase64 } from './bytes.js';
import { IN_TOTO, pae, parseEnvelope } from './dsse.js';
import type { PublicKey } from './ecdsa.js';
import { VerificationError } from '../transcript/arith.js';
import { type Json, type JsonObject, Members, isJsonObject, parseJson } from './json.js';

/*
 * Bundles with certificates and log entries, in Node, under a root that the verifier gives and that replaces all
 * others. The libraries are loaded here alone; they know no network.
 */

/** Whom a short-lived certificate must name, and who must have vouched for that name: both are compared whole. */
export interface Identity {
  readonly identity: string;
  readonly issuer: string;
}

export interface KeylessOptions {
  /** Bytes of trusted_root.json, the only root that is believed. */ readonly root: Uint8Array;
  /** The signer that is asked for: an identity of a certificate, or keys of the verifier's own. */
  readonly signer: Identity | { readonly keys: readonly PublicKey[] };
  /** The file that a message signature signs, where the bundle holds one. */ readonly artifact?: Uint8Array;
}

export interface KeylessCheck {
  /** Payload of the envelope, where there is one. */ readonly payload?: Uint8Array;
  readonly payloadType?: string;
  readonly identity?: Identity;
  /** Entries of transparency logs that were checked under the root. */ readonly logEntries: number;
  /**
   * Seconds since 1970 of the earliest signed time, by a time-stamping authority or a log's promise. The signature is
   * at least as old; that it is no older is the signer's word.
   */
  readonly signedAt: number;
}

/** The libraries, of the exact versions that the tests run. Throws InputError where they are not installed. */
async function libraries(): Promise<{
  verify: typeof import('@sigstore/verify');
  bundle: typeof import('@sigstore/bundle');
  specs: typeof import('@sigstore/protobuf-specs');
}> {
  try {
    const [verify, bundle, specs] = await Promise.all([
      import('@sigstore/verify'),
      import('@sigstore/bundle'),
      import('@sigstore/protobuf-specs'),
    ]);
    return { verify, bundle, specs };
  } catch {
    throw new InputError(
      '@sigstore/verify',
      ['is not installed: certificates and log entries are verified with it'],
      'npm install @sigstore/verify@3.1.1 @sigstore/bundle@4.0.0 @sigstore/protobuf-specs@0.5.2',
    );
  }
}

/** Reads a file that is parsed by a library, strictly before the library sees it. */
const strict = (bytes: Uint8Array, where: string): JsonObject => {
  const v = parseJson(bytes, where, { bytes: MAX_BUNDLE, numbers: 'all' });
  return isJsonObject(v) ? v : Members.of(v, where).fail('', 'is no object');
};

/** Kinds of content and of signers that a bundle may hold, one of each. */
const CONTENT = ['dsseEnvelope', 'messageSignature'],
  SIGNER = ['publicKey', 'x509CertificateChain', 'certificate'];

/**
 * A bundle holds one content and one signer, and no member beside those of the format. The library takes the first that
 * it knows: with two of them, what it verifies need not be what is read here. Read strictly. Throws InputError.
 */
function oneContent(bytes: Uint8Array, where: string): JsonObject {
  const raw = strict(bytes, where),
    m = Members.of(raw, where),
    v = m.child('verificationMaterial'),
    count = (of: Members, kinds: readonly string[], what: string): void => {
      const found = kinds.filter((k) => of.any(k) !== undefined);
      if (found.length !== 1) throw new InputError(where, [`holds ${found.length} kinds of ${what} where one belongs`]);
    };
  m.string('mediaType');
  count(m, CONTENT, 'content');
  count(v, SIGNER, 'signer');
  v.any('tlogEntries');
  v.any('timestampVerificationData');
  v.end();
  m.end();
  return raw;
}

/**
 * Verifies a bundle of version 0.1 to 0.3: certificate or key, at least one log entry, at least one signed time, the
 * signature, the identity. Envelopes are read as strictly as without a root. Throws VerificationError with what the
 * library refused; InputError.
 */
export async function verifyKeyless(bytes: Uint8Array, where: string, o: KeylessOptions): Promise<KeylessCheck> {
  const { verify, bundle, specs } = await libraries(),
    raw = oneContent(bytes, where),
    envelope = raw['dsseEnvelope'] === undefined ? undefined : parseEnvelope(Members.of(raw['dsseEnvelope'], where, 'dsseEnvelope')),
    rootJson = strict(o.root, 'the trusted root'),
    certificate = !('keys' in o.signer);
  if (envelope && envelope.payloadType !== IN_TOTO)
    throw new VerificationError(
      'payload type',
      `${where} has the payload type ${JSON.stringify(envelope.payloadType.slice(0, 100))}, not ${IN_TOTO}`,
    );
  const asMessage = envelope !== undefined && hashedInLog(raw),
    message = envelope && pae(envelope.payloadType, envelope.payload);
  try {
    const parsed = bundle.bundleFromJSON(asMessage ? messageOf(raw, message!) : JSON.parse(JSON.stringify(raw))),
      kind = parsed.verificationMaterial.content.$case;
    if ((kind === 'publicKey') === certificate)
      throw new Error(
        kind === 'publicKey' ? 'signed with a key, a certificate is asked for' : 'signed with a certificate, a key is asked for',
      );
    const root = specs.TrustedRoot.fromJSON(JSON.parse(JSON.stringify(rootJson))),
      entity = verify.toSignedEntity(parsed, Buffer.from(asMessage ? message! : (o.artifact ?? new Uint8Array()))),
      check = (key?: PublicKey): ReturnType<InstanceType<typeof verify.Verifier>['verify']> =>
        new verify.Verifier(
          verify.toTrustMaterial(
            root,
            key &&
              (() => ({ publicKey: createPublicKey({ key: Buffer.from(key.spki), format: 'der', type: 'spki' }), validFor: () => true })),
          ),
          { ctlogThreshold: certificate ? 1 : 0, tlogThreshold: 1, timestampThreshold: 1 },
        ).verify(entity, certificate ? policyOf(o.signer as Identity) : undefined);
    if (certificate) check();
    else underOneOf((o.signer as { keys: readonly PublicKey[] }).keys, check);
    return {
      ...(envelope ? { payload: envelope.payload, payloadType: envelope.payloadType } : {}),
      ...(certificate ? { identity: o.signer as Identity } : {}),
      logEntries: parsed.verificationMaterial.tlogEntries.length,
      signedAt: earliest(entity),
    };
  } catch (e) {
    if (e instanceof VerificationError || e instanceof InputError) throw e;
    // The library's word for a bundle that it cannot read; all else is a bundle that it does not believe.
    if (e instanceof bundle.ValidationError || e instanceof SyntaxError || e instanceof TypeError)
      throw new InputError(where, [`is no Sigstore bundle that can be read: ${reason(e)}`]);
    throw new VerificationError('signature under the trusted root', `${where}: ${reason(e)}`);
  }
}

/** The earliest time that the library has verified: the same ones that it judges certificates by. */
function earliest(entity: import('@sigstore/verify').SignedEntity): number {
  const times = entity.timestamps.flatMap((t) =>
    t.$case === 'timestamp-authority'
      ? [t.timestamp.signingTime.getTime() / 1000]
      : t.tlogEntry.inclusionPromise
        ? [Number(t.tlogEntry.integratedTime)]
        : [],
  );
  return Math.min(...times);
}

/** The library compares identities as patterns: they are made to match the whole text and nothing else. */
const policyOf = (i: Identity): { subjectAlternativeName: string; extensions: { issuer: string } } => ({
  subjectAlternativeName: `^${i.identity.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`,
  extensions: { issuer: i.issuer },
});

function underOneOf(keys: readonly PublicKey[], check: (key: PublicKey) => unknown): void {
  let last: unknown = new Error('no key is given');
  for (const k of keys)
    try {
      check(k);
      return;
    } catch (e) {
      last = e;
    }
  throw last;
}

/** Whether the log holds the hash of what an envelope signs in place of the envelope, as version 2 of the log does. */
function hashedInLog(raw: JsonObject): boolean {
  const material = raw['verificationMaterial'],
    entries: Json = isJsonObject(material) ? (material['tlogEntries'] ?? null) : null;
  return (
    Array.isArray(entries) &&
    entries.length > 0 &&
    entries.every((e) => {
      const kind = isJsonObject(e) ? e['kindVersion'] : undefined;
      return isJsonObject(kind) && kind['kind'] === 'hashedrekord' && kind['version'] === '0.0.2';
    })
  );
}

/**
 * The same signature as a bundle over a message: the message is the pre-authentication encoding, of which the log holds
 * the hash. The library compares a logged hash with a message, not with an envelope; what is signed, by whom, and what
 * is compared are the same.
 */
function messageOf(raw: JsonObject, message: Uint8Array): unknown {
  const { dsseEnvelope, ...rest } = raw as { dsseEnvelope: { signatures: { sig: string }[] } } & JsonObject,
    signature = dsseEnvelope.signatures[0].sig;
  fromBase64(signature, 'the signature');
  return JSON.parse(
    JSON.stringify({
      ...rest,
      messageSignature: {
        messageDigest: { algorithm: 'SHA2_256', digest: createHash('sha256').update(message).digest('base64') },
        signature,
      },
    }),
  );
}
