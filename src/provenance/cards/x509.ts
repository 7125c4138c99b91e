import { sha256 } from '@noble/hashes/sha2.js';
import { sameBytes, toHex } from '../bytes.js';
import { type Der, TAG, bitString, boolean, children, expectTag, integer, octetString, oid, readDer, sequence, time } from '../der.js';
import { type PublicKey, parseSpki, verifyCompact, verifyEcdsa } from '../ecdsa.js';
import { InputError } from '../../errors.js';
import { VerificationError } from '../../transcript/arith.js';
import { type HashName, type RsaKey, parseRsa, verifyPkcs1, verifyPss } from './rsa.js';

/*
 * Certificates and revocation lists (RFC 5280) as far as attestation uses them. Keys, names and times are read
 * strictly; what is critical and not known is refused. Roots are keys that the verifier names: a certificate that came
 * along is never one.
 */

export type Key = { readonly kind: 'ec'; readonly key: PublicKey } | { readonly kind: 'rsa'; readonly key: RsaKey };

/** How something is signed. */
export type Algorithm =
  | { readonly kind: 'ecdsa'; readonly hash: 'sha256' | 'sha384' }
  | { readonly kind: 'pss'; readonly hash: HashName; readonly salt: number }
  | { readonly kind: 'pkcs1'; readonly hash: HashName };

export interface Certificate {
  readonly der: Uint8Array;
  readonly tbs: Uint8Array;
  /** Serial number in hexadecimal digits. */ readonly serial: string;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Milliseconds since 1970, both included. */ readonly from: number;
  readonly to: number;
  readonly spki: Uint8Array;
  readonly key: Key;
  readonly extensions: ReadonlyMap<string, { readonly critical: boolean; readonly value: Uint8Array }>;
  readonly algorithm: Algorithm;
  readonly signature: Uint8Array;
}

const HASH_OIDS: Readonly<Record<string, HashName>> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};
const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  '1.2.840.10045.4.3.2': { kind: 'ecdsa', hash: 'sha256' },
  '1.2.840.10045.4.3.3': { kind: 'ecdsa', hash: 'sha384' },
  '1.2.840.113549.1.1.11': { kind: 'pkcs1', hash: 'sha256' },
  '1.2.840.113549.1.1.12': { kind: 'pkcs1', hash: 'sha384' },
  '1.2.840.113549.1.1.13': { kind: 'pkcs1', hash: 'sha512' },
};
const PSS = '1.2.840.113549.1.1.10',
  MGF1 = '1.2.840.113549.1.1.8',
  RSA = '1.2.840.113549.1.1.1';

/** Extensions whose meaning is checked here, or that say nothing about what is checked. */
export const EXTENSION = { basicConstraints: '2.5.29.19', keyUsage: '2.5.29.15', extendedKeyUsage: '2.5.29.37' } as const;

/** The hash that an AlgorithmIdentifier names; its parameters are absent or NULL. Throws InputError. */
export function hashOf(d: Der | undefined, where: string): HashName {
  const [id, parameters, ...more] = sequence(d, where),
    name = HASH_OIDS[oid(id, where)];
  if (name === undefined || more.length || (parameters && (parameters.tag !== TAG.null || parameters.content.length)))
    throw new InputError(where, ['uses a hash that is none of SHA-256, SHA-384, SHA-512']);
  return name;
}

/** Reads an AlgorithmIdentifier of a signature. Throws InputError. */
export function parseAlgorithm(d: Der | undefined, where: string): Algorithm {
  const [id, parameters, ...more] = sequence(d, where),
    name = oid(id, where),
    plain = ALGORITHMS[name];
  if (more.length) throw new InputError(where, ['has an algorithm with more members']);
  if (plain) {
    const ok = plain.kind === 'ecdsa' ? parameters === undefined : parameters?.tag === TAG.null && !parameters.content.length;
    if (!ok) throw new InputError(where, [`has parameters that the algorithm ${name} does not have`]);
    return plain;
  }
  if (name !== PSS) throw new InputError(where, [`is signed by another algorithm (${name})`]);
  const parts = sequence(parameters, where),
    inside = (n: number): Der => {
      const [one, ...rest] = children(expectTag(parts[n], TAG.explicit(n), where), where);
      if (!one || rest.length) throw new InputError(where, ['has malformed parameters of RSASSA-PSS']);
      return one;
    };
  const hash = hashOf(inside(0), where),
    [mgf, mgfHash, ...rest] = sequence(inside(1), where),
    salt = Number(integer(inside(2), where));
  // The trailer is 1 wherever it is written out: there is no other.
  if (parts.length > 4 || (parts.length === 4 && integer(inside(3), where) !== 1n) || rest.length)
    throw new InputError(where, ['has malformed parameters of RSASSA-PSS']);
  if (oid(mgf, where) !== MGF1 || hashOf(mgfHash, where) !== hash || salt < 0 || salt > 64)
    throw new InputError(where, ['has parameters of RSASSA-PSS that are not used here: one hash for message and mask, a salt of its size']);
  return { kind: 'pss', hash, salt };
}

/** Reads a SubjectPublicKeyInfo. Throws InputError. */
export function parseKey(spki: Uint8Array, where: string): Key {
  const [algorithm, key] = sequence(readDer(spki, where), where),
    [id] = sequence(algorithm, where);
  if (oid(id, where) !== RSA) return { kind: 'ec', key: parseSpki(spki, where) };
  return { kind: 'rsa', key: parseRsa(bitString(key, where), where) };
}

/** Whether a key signed the message. ECDSA signatures are DER, or r || s where `compact` says so. */
export function verifyWith(k: Key, a: Algorithm, message: Uint8Array, signature: Uint8Array, where: string, compact = false): boolean {
  if (k.kind === 'ec')
    return (
      a.kind === 'ecdsa' &&
      (compact ? verifyCompact(k.key, a.hash, message, signature) : verifyEcdsa(k.key, a.hash, message, signature, where))
    );
  if (a.kind === 'pss') return verifyPss(k.key, a.hash, a.salt, message, signature);
  return a.kind === 'pkcs1' && verifyPkcs1(k.key, a.hash, message, signature);
}

/** Extensions by OID. Throws InputError for one that is there twice. */
function parseExtensions(d: Der, where: string): Certificate['extensions'] {
  const out = new Map<string, { critical: boolean; value: Uint8Array }>(),
    [list] = children(d, where);
  for (const x of sequence(list, where)) {
    const parts = sequence(x, where),
      id = oid(parts[0], where),
      critical = parts.length === 3 ? boolean(parts[1], where) : false;
    if (parts.length < 2 || parts.length > 3 || out.has(id)) throw new InputError(where, ['has a malformed extension, or one twice']);
    out.set(id, { critical, value: octetString(parts[parts.length - 1], where) });
  }
  return out;
}

/** Reads one certificate of version 3, to its end. Verifies nothing. Throws InputError. */
export function parseCertificate(der: Uint8Array, where: string): Certificate {
  const [tbs, outer, sig, ...more] = sequence(readDer(der, where), where),
    parts = sequence(tbs, where),
    [version] = children(expectTag(parts[0], TAG.explicit(0), where), where);
  if (more.length || integer(version, where) !== 2n) throw new InputError(where, ['is no certificate of version 3']);
  const [, serial, inner, issuer, validity, subject, spki, ...rest] = parts,
    [from, to, ...times] = sequence(validity, where);
  if (!inner || !outer || !sameBytes(inner.whole, outer.whole)) throw new InputError(where, ['names two algorithms of its signature']);
  if (times.length || rest.length > 1) throw new InputError(where, ['has members that are not known']);
  const extensions = rest.length ? parseExtensions(expectTag(rest[0], TAG.explicit(3), where), where) : new Map<string, never>();
  return {
    der,
    tbs: tbs.whole,
    serial: toHex(expectTag(serial, TAG.integer, where).content),
    issuer: expectTag(issuer, TAG.sequence, where).whole,
    subject: expectTag(subject, TAG.sequence, where).whole,
    from: time(from, where),
    to: time(to, where),
    spki: expectTag(spki, TAG.sequence, where).whole,
    key: parseKey(spki.whole, where),
    extensions,
    algorithm: parseAlgorithm(outer, where),
    signature: bitString(sig, where),
  };
}

/** Reads certificates in DER that stand one after another. Throws InputError. */
export function parseCertificates(bytes: Uint8Array, where: string, most = 8): Certificate[] {
  // As the content of a SEQUENCE, which is what children reads.
  const parts = children({ tag: TAG.sequence, content: bytes, whole: bytes }, where);
  if (!parts.length || parts.length > most) throw new InputError(where, [`holds ${parts.length} certificates, 1 to ${most} are read`]);
  return parts.map((p, i) => parseCertificate(p.whole, `${where}: certificate ${i}`));
}

/** SHA-256 of a SubjectPublicKeyInfo: the name of a root, which keeps it where a certificate is issued again. */
export const keyName = (c: Pick<Certificate, 'spki'>): string => `sha256:${toHex(sha256(c.spki))}`;

/** The last text of a kind of a name, such as its common name (2.5.4.3); empty where there is none. */
export function nameOf(name: Uint8Array, kind: string, where: string): string {
  let found = '';
  for (const set of sequence(readDer(name, where), where))
    for (const one of children(expectTag(set, TAG.set, where), where)) {
      const [id, value] = sequence(one, where);
      if (oid(id, where) === kind && value) found = String.fromCharCode(...value.content.subarray(0, 200));
    }
  return found;
}
export const COMMON_NAME = '2.5.4.3';

const fail = (what: string): never => {
  throw new VerificationError('card chain', what);
};

/** What basicConstraints says: whether it is a CA, and how many CAs may stand below. */
function constraints(c: Certificate, where: string): { readonly ca: boolean; readonly below?: number } {
  const x = c.extensions.get(EXTENSION.basicConstraints);
  if (!x) return { ca: false };
  const parts = sequence(readDer(x.value, where), where),
    ca = parts[0]?.tag === TAG.boolean ? boolean(parts[0], where) : false,
    [path] = ca ? parts.slice(1) : parts;
  if (parts.length > 2) throw new InputError(where, ['has malformed basic constraints']);
  return { ca, ...(path ? { below: Number(integer(path, where)) } : {}) };
}

/** Whether keyUsage, where it is there, has a bit: 0 digitalSignature, 5 keyCertSign, 6 cRLSign. */
function mayUse(c: Certificate, bit: number, where: string): boolean {
  const x = c.extensions.get(EXTENSION.keyUsage);
  if (!x) return true;
  const bits = expectTag(readDer(x.value, where), TAG.bitString, where).content;
  return bits.length > 1 && (bits[1] & (0x80 >> bit)) !== 0;
}

/** What a chain is judged by. */
export interface ChainRules {
  /** Keys that are believed, as keyName gives them. */ readonly roots: readonly string[];
  /** Milliseconds since 1970. */ readonly at: number;
  /** OIDs of extensions that the caller reads, critical or not. */ readonly known?: readonly string[];
}

/**
 * Verifies a chain, leaf first, root last: every signature, name and validity at one time, CA flags and lengths of
 * path; the last is signed by itself with a key that the verifier names. Throws VerificationError ('card chain'),
 * InputError.
 */
export function verifyChain(chain: readonly Certificate[], r: ChainRules, where: string): void {
  const known = new Set<string>([...Object.values(EXTENSION), ...(r.known ?? [])]),
    root = chain[chain.length - 1];
  if (!r.roots.includes(keyName(root))) fail(`${where}: its root ${keyName(root)} is not one that is believed`);
  chain.forEach((c, i) => {
    const name = `${where}: certificate ${i}`,
      by = chain[Math.min(i + 1, chain.length - 1)],
      basic = constraints(c, name);
    if (r.at < c.from || r.at > c.to)
      fail(
        `${name} is valid from ${new Date(c.from).toISOString()} to ${new Date(c.to).toISOString()}, not at ${new Date(r.at).toISOString()}`,
      );
    if (!sameBytes(c.issuer, by.subject)) fail(`${name} names another issuer than the next one`);
    for (const [id, x] of c.extensions)
      if (x.critical && !known.has(id)) fail(`${name} has a critical extension that is not known (${id})`);
    if (i === 0 && chain.length > 1 && basic.ca) fail(`${name} signs, and is a certificate authority`);
    if (i > 0 && (!basic.ca || !mayUse(c, 5, name))) fail(`${name} is no certificate authority`);
    if (i > 0 && basic.below !== undefined && basic.below < i - 1) fail(`${name} allows ${basic.below} authorities below it, not ${i - 1}`);
    if (!verifyWith(by.key, c.algorithm, c.tbs, c.signature, name)) fail(`${name} is not signed by the key of the next one`);
  });
}

/** A revocation list, whose signature and time were checked. */
export interface Crl {
  /** Serial numbers in hexadecimal digits. */ readonly revoked: ReadonlySet<string>;
  readonly from: number;
  readonly to: number;
}

/**
 * Reads and verifies a revocation list of an issuer at a time. Throws VerificationError ('card revocation'),
 * InputError.
 */
export function verifyCrl(der: Uint8Array, issuer: Certificate, at: number, where: string): Crl {
  const no = (what: string): never => {
      throw new VerificationError('card revocation', `${where} ${what}`);
    },
    [tbs, outer, sig, ...more] = sequence(readDer(der, where), where),
    parts = sequence(tbs, where),
    [version, inner, name, from, to, ...rest] = parts;
  if (more.length || integer(version, where) !== 1n || !inner || !outer || !sameBytes(inner.whole, outer.whole))
    throw new InputError(where, ['is no revocation list of version 2']);
  const list = rest[0]?.tag === TAG.sequence ? sequence(rest.shift(), where) : [],
    [tail, ...others] = rest,
    extensions = tail ? parseExtensions(expectTag(tail, TAG.explicit(0), where), where) : new Map<string, never>(),
    revoked = new Set(list.map((x) => toHex(expectTag(sequence(x, where)[0], TAG.integer, where).content))),
    algorithm = parseAlgorithm(outer, where);
  if (!sameBytes(expectTag(name, TAG.sequence, where).whole, issuer.subject) || !mayUse(issuer, 6, where)) no('is a list of somebody else');
  if (others.length) throw new InputError(where, ['has members that are not known']);
  // A list of some certificates, or of changes, says so in a critical extension.
  for (const [id, x] of extensions) if (x.critical) no(`has a critical extension that is not known (${id})`);
  if (!verifyWith(issuer.key, algorithm, tbs.whole, bitString(sig, where), where)) no('is not signed by its issuer');
  const span = { from: time(from, where), to: time(to, where) };
  if (at < span.from || at > span.to)
    no(`holds from ${new Date(span.from).toISOString()} to ${new Date(span.to).toISOString()}, not at ${new Date(at).toISOString()}`);
  return { revoked, ...span };
}

/** Throws VerificationError where a certificate is on the list of its issuer. */
export function notRevoked(c: Certificate, crl: Crl, where: string): void {
  if (crl.revoked.has(c.serial)) throw new VerificationError('card revocation', `${where}: the certificate ${c.serial} is revoked`);
}
