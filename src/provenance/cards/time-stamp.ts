import { concatBytes, sameBytes, toHex } from '../bytes.js';
import { type Der, TAG, children, expectTag, integer, octetString, oid, readDer, sequence } from '../der.js';
import { InputError } from '../../errors.js';
import { VerificationError } from '../../transcript/arith.js';
import { type HashName, HASHES } from './rsa.js';
import {
  type Algorithm,
  type Certificate,
  EXTENSION,
  hashOf,
  keyName,
  parseAlgorithm,
  parseCertificate,
  verifyChain,
  verifyWith,
} from './x509.js';

/* Tokens of time-stamping authorities (RFC 3161): signed data (RFC 5652) around a digest and a time. */

const OID = {
  signedData: '1.2.840.113549.1.7.2',
  tstInfo: '1.2.840.113549.1.9.16.1.4',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  rsaEncryption: '1.2.840.113549.1.1.1',
  timeStamping: '1.3.6.1.5.5.7.3.8',
} as const;

const MOST_BYTES = 32 << 10;

const no = (what: string): never => {
  throw new VerificationError('card time', what);
};

export interface TimeStamp {
  /** Milliseconds since 1970 by which the bytes existed: the authority's time and its accuracy. */ readonly by: number;
  /** Key of the root above the authority. */ readonly root: string;
}

interface Info {
  readonly hash: HashName;
  readonly digest: Uint8Array;
  /** The authority's time in milliseconds since 1970, and how far it may be off. */ readonly time: number;
  readonly accuracy: number;
}

/** A GeneralizedTime that may have a fraction of a second. */
function fractionalTime(d: Der | undefined, where: string): number {
  const text = String.fromCharCode(...expectTag(d, TAG.generalizedTime, where).content.subarray(0, 40)),
    m = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d{0,8}[1-9])?Z$/.exec(text);
  if (!m || d!.content.length !== text.length) throw new InputError(where, ['has a malformed time']);
  const [y, mo, day, h, mi, s] = m.slice(1, 7).map(Number),
    t = Date.UTC(y, mo - 1, day, h, mi, s),
    back = new Date(t);
  if (back.getUTCFullYear() !== y || back.getUTCMonth() !== mo - 1 || back.getUTCDate() !== day || h > 23 || mi > 59 || s > 59)
    throw new InputError(where, ['has a time that no calendar has']);
  return t + Math.ceil(1000 * Number(m[7] ?? 0));
}

function parseInfo(b: Uint8Array, where: string): Info {
  const [version, , imprint, , time, ...rest] = sequence(readDer(b, where), where),
    [hash, digest, ...more] = sequence(imprint, where),
    accuracy = rest[0]?.tag === TAG.sequence ? sequence(rest[0], where) : [];
  if (integer(version, where) !== 1n || more.length) throw new InputError(where, ['is no TSTInfo of version 1']);
  let off = 0;
  for (const x of accuracy) {
    const n = Number(integer({ ...x, tag: TAG.integer }, where));
    if (n < 0 || n > 86400) throw new InputError(where, ['has an accuracy that is none']);
    off += x.tag === TAG.integer ? 1000 * n : x.tag === TAG.implicit(0) ? n : 1;
  }
  return { hash: hashOf(hash, where), digest: octetString(digest, where), time: fractionalTime(time, where), accuracy: off };
}

interface Signed {
  readonly content: Uint8Array;
  readonly certificates: readonly Certificate[];
  readonly issuer: Uint8Array;
  readonly serial: Uint8Array;
  readonly hash: HashName;
  /** Attributes as they are signed. */ readonly signed: Uint8Array;
  readonly attributes: ReadonlyMap<string, Der>;
  readonly algorithm: Algorithm;
  readonly signature: Uint8Array;
}

/** The one signer of signed data. What no signature guards must have the one form that it can have. */
function parseSigner(d: Der, where: string): Omit<Signed, 'content' | 'certificates'> {
  const [version, sid, digest, attributes, algorithm, signature, ...more] = sequence(d, where),
    [issuer, serial] = sequence(sid, where),
    hash = hashOf(digest, where);
  if (integer(version, where) !== 1n || more.length) throw new InputError(where, ['has a signer of another form, or unsigned attributes']);
  const found = new Map<string, Der>(),
    set = children(expectTag(attributes, TAG.explicit(0), where), where);
  for (const a of set) {
    const [id, values] = sequence(a, where),
      [value, ...others] = children(expectTag(values, TAG.set, where), where),
      name = oid(id, where);
    if (!value || others.length || found.has(name)) throw new InputError(where, ['has a malformed attribute, or one twice']);
    found.set(name, value);
  }
  const [kind, parameters] = sequence(algorithm, where),
    // RSA keys may be named without a hash, which is then that of the digest.
    bare = oid(kind, where) === OID.rsaEncryption;
  if (bare && parameters && parameters.tag !== TAG.null) throw new InputError(where, ['has parameters that RSA does not have']);
  return {
    issuer: expectTag(issuer, TAG.sequence, where).whole,
    serial: expectTag(serial, TAG.integer, where).content,
    hash,
    signed: concatBytes(Uint8Array.of(TAG.set), attributes.whole.subarray(1)),
    attributes: found,
    algorithm: bare ? { kind: 'pkcs1', hash } : parseAlgorithm(algorithm, where),
    signature: octetString(signature, where),
  };
}

function parseSigned(b: Uint8Array, where: string): Signed {
  const [type, wrapped, ...more] = sequence(readDer(b, where), where);
  if (more.length || oid(type, where) !== OID.signedData) throw new InputError(where, ['is no signed data']);
  const one = (d: Der | undefined, tag: number): Der => {
    const [x, ...rest] = children(expectTag(d, tag, where), where);
    return x && !rest.length ? x : no(`${where}: more than one where one belongs`);
  };
  const parts = sequence(one(wrapped, TAG.explicit(0)), where),
    [version, digests, content, ...rest] = parts,
    held = rest[0]?.tag === TAG.explicit(0) ? children(rest.shift()!, where) : [],
    [signers, ...other] = rest,
    [kind, text] = sequence(content, where);
  if (integer(version, where) !== 3n || other.length || held.length > 8) throw new InputError(where, ['is signed data of another form']);
  if (oid(kind, where) !== OID.tstInfo) throw new InputError(where, ['is signed data about something else than a time']);
  const signer = parseSigner(one(signers, TAG.set), where);
  if (hashOf(one(digests, TAG.set), where) !== signer.hash) throw new InputError(where, ['names two hashes']);
  return {
    ...signer,
    content: octetString(one(text, TAG.explicit(0)), where),
    certificates: held.map((c, i) => parseCertificate(c.whole, `${where}: certificate ${i}`)),
  };
}

/** From the signer's certificate up to one that signed itself, each named by the one below. */
function chainOf(leaf: Certificate, pool: readonly Certificate[]): Certificate[] {
  const chain = [leaf];
  while (!sameBytes(chain[chain.length - 1].issuer, chain[chain.length - 1].subject) && chain.length < 8) {
    const { issuer } = chain[chain.length - 1],
      next = pool.find((c) => sameBytes(c.subject, issuer) && !chain.includes(c));
    if (!next) break;
    chain.push(next);
  }
  return chain;
}

/**
 * Verifies a token over some bytes under roots that the verifier names; `more` are certificates that the token does not
 * hold. Returns the time by which the bytes existed. Throws VerificationError ('card time', 'card chain'), InputError.
 */
export function verifyTimeStamp(
  token: Uint8Array,
  bytes: Uint8Array,
  o: { readonly roots: readonly string[]; readonly more?: readonly Certificate[] },
  where: string,
): TimeStamp {
  if (token.length > MOST_BYTES) throw new InputError(where, [`has ${token.length} bytes, at most ${MOST_BYTES} are read`]);
  const s = parseSigned(token, where),
    info = parseInfo(s.content, `${where}: TSTInfo`),
    pool = [...s.certificates, ...(o.more ?? [])],
    leaf =
      pool.find((c) => sameBytes(c.issuer, s.issuer) && c.serial === toHex(s.serial)) ??
      no(`${where}: the certificate of its signer is not there`),
    chain = chainOf(leaf, pool);
  if (s.certificates.some((c) => !chain.includes(c))) no(`${where}: it brings certificates that do not belong to its signer`);
  verifyChain(chain, { roots: o.roots, at: info.time }, where);
  const use = leaf.extensions.get(EXTENSION.extendedKeyUsage),
    uses = use ? sequence(readDer(use.value, where), where).map((x) => oid(x, where)) : [];
  if (!use?.critical || uses.length !== 1 || uses[0] !== OID.timeStamping) no(`${where}: its signer may not sign times`);
  const type = s.attributes.get(OID.contentType),
    digest = s.attributes.get(OID.messageDigest);
  if (oid(type, where) !== OID.tstInfo || !sameBytes(octetString(digest, where), HASHES[s.hash](s.content)))
    no(`${where}: what is signed is not what it holds`);
  if (!verifyWith(leaf.key, s.algorithm, s.signed, s.signature, where)) no(`${where}: it is not signed by the key of its signer`);
  if (!sameBytes(info.digest, HASHES[info.hash](bytes))) no(`${where}: it is about other bytes`);
  return { by: info.time + info.accuracy, root: keyName(chain[chain.length - 1]) };
}

/** The token of an authority's answer (TimeStampResp) that grants one. Throws InputError. */
export function tokenOf(response: Uint8Array, where: string): Uint8Array {
  const [status, token, ...more] = sequence(readDer(response, where), where),
    [code] = sequence(status, where);
  if (integer(code, where) > 1n || !token || more.length) throw new InputError(where, ['grants no time stamp']);
  return token.whole;
}
