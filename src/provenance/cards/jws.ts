import { concatBytes, fromBase64, toUtf8 } from '../bytes.js';
import { type PublicKey, parseSpki, verifyCompact } from '../ecdsa.js';
import { InputError } from '../../errors.js';
import { VerificationError } from '../../transcript/arith.js';
import { type JsonObject, Members, isJsonObject, parseJson } from '../json.js';

/*
 * Signed tokens (JWS in its compact form, RFC 7515) under keys that the verifier names; nothing in a token says which
 * key is believed.
 */

export interface NamedKey {
  readonly kid: string;
  readonly key: PublicKey;
  /** Certificates in DER that came with the key, its own first. */ readonly chain: readonly Uint8Array[];
}

const MOST_BYTES = 64 << 10,
  ALG = { 'P-256': { alg: 'ES256', hash: 'sha256' }, 'P-384': { alg: 'ES384', hash: 'sha384' } } as const;
/** SubjectPublicKeyInfo of a point, up to the point (RFC 5480). */
const SPKI_HEAD = {
  'P-256': [0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7, 3, 0x42, 0],
  'P-384': [0x30, 0x76, 0x30, 0x10, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x22, 3, 0x62, 0],
} as const;

/** Bytes of base64url without padding, in its one form. Throws InputError. */
export function fromBase64url(text: string, where: string): Uint8Array {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) throw new InputError(where, ['is not base64url']);
  return fromBase64(text.replaceAll('-', '+').replaceAll('_', '/') + '='.repeat((4 - (text.length % 4)) % 4), where);
}

/** Keys of a JWK set; a key id that is there twice is refused, since either might be meant. Throws InputError. */
export function parseJwks(bytes: Uint8Array, where: string): NamedKey[] {
  const m = Members.of(parseJson(bytes, where, { bytes: MOST_BYTES, numbers: 'all' }), where),
    keys = m.list('keys').map((x, i): NamedKey => {
      const k = Members.of(x, where, `keys.${i}`),
        crv = k.string('crv');
      if (k.string('kty') !== 'EC' || (crv !== 'P-256' && crv !== 'P-384')) k.fail('crv', 'is no curve that is used here');
      const [a, b] = ['x', 'y'].map((c) => fromBase64url(k.string(c), `${where}: ${k.at(c)}`)),
        head = SPKI_HEAD[crv as keyof typeof SPKI_HEAD];
      for (const other of ['use', 'alg', 'nbf', 'exp', 'iat', 'key_ops']) k.any(other);
      const kid = k.string('kid'),
        chain = k.has('x5c') ? k.list('x5c') : [];
      k.end();
      return {
        kid,
        key: parseSpki(concatBytes(Uint8Array.from(head), Uint8Array.of(4), a, b), `${where}: ${k.at('x')}`),
        chain: chain
          .slice(0, 8)
          .map((c) => fromBase64(typeof c === 'string' ? c : k.fail('x5c', 'is no list of texts'), `${where}: ${k.at('x5c')}`)),
      };
    });
  m.end();
  const twice = keys.find((k, i) => keys.findIndex((o) => o.kid === k.kid) !== i);
  if (twice) throw new InputError(where, [`holds the key ${JSON.stringify(twice.kid.slice(0, 100))} twice`]);
  return keys;
}

const object = (text: string, where: string): JsonObject => {
  const v = parseJson(fromBase64url(text, where), where, { bytes: MOST_BYTES, numbers: 'all' });
  if (!isJsonObject(v)) throw new InputError(where, ['is no object']);
  return v;
};

/** Claims of a token whose signature nobody looked at. Throws InputError. */
export const unverifiedClaims = (token: string, where: string): JsonObject => object(token.split('.')[1] ?? '', `${where}: claims`);

/**
 * Claims of a token that one of the keys signed. The header holds alg, kid and typ and nothing else: no key, address or
 * certificate of its own. The algorithm follows from the key. Throws VerificationError ('card token'), InputError.
 */
export function verifyJws(token: string, keys: readonly NamedKey[], where: string): { claims: JsonObject; key: NamedKey } {
  const parts = token.split('.');
  if (parts.length !== 3 || token.length > MOST_BYTES) throw new InputError(where, ['is no signed token: three parts, at most 64 kB']);
  const header = object(parts[0], `${where}: header`),
    strange = Object.keys(header).filter((k) => !['alg', 'kid', 'typ'].includes(k)),
    no = (what: string): never => {
      throw new VerificationError('card token', `${where}: ${what}`);
    };
  if (strange.length) no(`its header brings ${strange.join(', ').slice(0, 200)}: keys come from the verifier`);
  const named = keys.find((k) => k.kid === header['kid'] || (header['kid'] === undefined && keys.length === 1));
  if (!named) return no(`its key ${JSON.stringify(header['kid'] ?? null).slice(0, 200)} is not among those given`);
  const { alg, hash } = ALG[named.key.curve];
  if (header['alg'] !== alg) no(`its algorithm is ${JSON.stringify(header['alg'] ?? null).slice(0, 40)}, the key is for ${alg}`);
  if (!verifyCompact(named.key, hash, toUtf8(`${parts[0]}.${parts[1]}`), fromBase64url(parts[2], `${where}: signature`)))
    no('it is not signed by the key that it names');
  return { claims: object(parts[1], `${where}: claims`), key: named };
}
