import { fromBase64 } from './bytes.js';
import { type Envelope, envelopeJson, parseEnvelope } from './dsse.js';
import { InputError, VersionError } from '../errors.js';
import { NeedsOptionError } from './errors.js';
import { Members, parseJson } from './json.js';

/** Media type of a Sigstore bundle of version 0.3, as its specification writes it. */
export const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';

/** Most bytes of a bundle that are read. */
export const MAX_BUNDLE = 8 << 20;

/**
 * A Sigstore bundle around an envelope. What it says of its signer is a hint: keys and roots come from the verifier.
 */
export interface Bundle {
  readonly envelope: Envelope;
  /** How it says it was signed: with a key, a key under a chain of certificates, or a short-lived certificate. */
  readonly material: 'key' | 'chain' | 'certificate';
  readonly hint?: string;
  /** Certificates in DER, leaf first. */ readonly certificates: readonly Uint8Array[];
  /** Entries of transparency logs and signed times that it brings along. */
  readonly logEntries: number;
  readonly timestamps: number;
}

/** Version in a media type of a bundle, in its older and newer spelling. */
const version = (type: string): string | undefined =>
  /^application\/vnd\.dev\.sigstore\.bundle(?:\.v(\d+\.\d+)\+json|\+json;version=(\d+\.\d+))$/
    .exec(type)
    ?.slice(1)
    .find((x) => x !== undefined);

/** Reads a bundle of version 0.3 that holds an envelope; verifies nothing. Throws InputError, VersionError. */
export function parseBundle(bytes: Uint8Array, where: string): Bundle {
  const m = Members.of(parseJson(bytes, where, { bytes: MAX_BUNDLE }), where),
    type = m.string('mediaType');
  if (type !== BUNDLE) {
    const v = version(type);
    // Version 0.3 in the older spelling is written by nobody since 2024: one text for one thing.
    if (v !== undefined) throw new VersionError(where, v === '0.3' ? type : v, 0.3);
    m.fail('mediaType', `is ${JSON.stringify(type.slice(0, 100))}, not ${BUNDLE}`);
  }
  if (m.has('messageSignature')) m.fail('messageSignature', 'signs a file as a whole: a statement in a DSSE envelope is read');
  const envelope = parseEnvelope(m.child('dsseEnvelope')),
    material = parseMaterial(m.child('verificationMaterial'));
  m.end();
  return { envelope, ...material };
}

function parseMaterial(v: Members): Omit<Bundle, 'envelope'> {
  const kinds = ['publicKey', 'x509CertificateChain', 'certificate'].filter((k) => v.has(k));
  if (kinds.length !== 1) throw new InputError(v.where, [`${v.at('')}: ${kinds.length} kinds of signer where one belongs`]);
  const entries = v.has('tlogEntries') ? v.list('tlogEntries').length : 0,
    times = v.has('timestampVerificationData') ? timestamps(v.child('timestampVerificationData')) : 0,
    rest = { logEntries: entries, timestamps: times };
  if (kinds[0] === 'publicKey') {
    const key = v.child('publicKey'),
      hint = key.string('hint');
    key.end();
    v.end();
    return { material: 'key', hint, certificates: [], ...rest };
  }
  const chain = kinds[0] === 'certificate' ? [v.any('certificate')!] : certificates(v.child('x509CertificateChain')),
    read = chain.map((c, i) => {
      const one = Members.of(c, v.where, v.at(`${kinds[0]}.${i}`)),
        raw = fromBase64(one.string('rawBytes'), `${v.where}: ${one.at('rawBytes')}`);
      one.end();
      return raw;
    });
  v.end();
  if (!read.length) throw new InputError(v.where, [`${v.at(kinds[0])} holds no certificate`]);
  if (kinds[0] === 'certificate' && !entries)
    throw new InputError(v.where, [`${v.at('tlogEntries')}: a short-lived certificate without an entry of a log says nothing`]);
  return { material: kinds[0] === 'certificate' ? 'certificate' : 'chain', certificates: read, ...rest };
}

function certificates(chain: Members): ReturnType<Members['list']> {
  const list = chain.list('certificates');
  chain.end();
  return list;
}

function timestamps(t: Members): number {
  const n = t.has('rfc3161Timestamps') ? t.list('rfc3161Timestamps').length : 0;
  t.end();
  return n;
}

/** Text of a bundle that is signed with a key: no log, no time. */
export const bundleJson = (e: Envelope, hint: string): string =>
  `${JSON.stringify({ mediaType: BUNDLE, verificationMaterial: { publicKey: { hint }, tlogEntries: [] }, dsseEnvelope: envelopeJson(e) })}\n`;

/**
 * Refuses what only a trusted root could tell: log entries and times that nobody checks are not passed over in silence.
 * Throws NeedsOptionError.
 */
export function offlineOnly(b: Bundle, where: string): void {
  if (b.material === 'certificate')
    throw new NeedsOptionError(
      where,
      ['is signed with a short-lived certificate'],
      'give --trusted-root FILE with the identity and issuer that you expect',
    );
  const brings = [...(b.logEntries ? [`${b.logEntries} log entries`] : []), ...(b.timestamps ? [`${b.timestamps} signed times`] : [])];
  if (brings.length)
    throw new NeedsOptionError(
      where,
      [`brings ${brings.join(' and ')}, which cannot be checked without a trusted root`],
      'give --trusted-root FILE',
    );
}
