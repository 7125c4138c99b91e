import { sha256 } from '@noble/hashes/sha2.js';
import { fromHex, sameBytes, toHex, toUtf8 } from '../bytes.js';
import { keyDigest } from '../ecdsa.js';
import { InputError } from '../../errors.js';
import { type Json, type JsonObject, canonicalBytes, isJsonObject, parseJson } from '../json.js';
import { type Anchors, type Collateral, type Evidence, onlyCollateral, refuse } from './evidence.js';
import { type NamedKey, parseJwks, verifyJws } from './jws.js';
import { keyName, parseCertificate, parseCertificates, verifyChain } from './x509.js';

/*
 * Tokens of NVIDIA's attestation service: a detached EAT, [["JWT", overall], {device: token}]. They are the service's
 * word about a device, which may sit in another machine than the one that asked: a token counts only below the card of
 * a CPU that its nonce was derived from.
 */

/** The production service. Its staging service signs tokens of the same form. */
export const ISSUER = 'https://nras.attestation.nvidia.com';

const MOST_DEVICES = 16,
  MOST_BYTES = 128 << 10;

interface Tokens {
  readonly overall: string;
  readonly devices: ReadonlyMap<string, string>;
}

/**
 * Reads a detached EAT, which must stand in canonical JSON: what lies between its tokens is signed by nobody. Throws
 * InputError.
 */
export function parseTokens(bytes: Uint8Array, where: string): Tokens {
  const bad = (what: string): never => {
      throw new InputError(where, [`is no detached EAT: ${what}`]);
    },
    v = parseJson(bytes, where, { bytes: MOST_BYTES });
  if (!sameBytes(canonicalBytes(v), bytes)) bad('it is not in canonical JSON (RFC 8785)');
  const [overall, devices, ...more] = Array.isArray(v) ? v : [];
  if (!Array.isArray(overall) || overall.length !== 2 || overall[0] !== 'JWT' || typeof overall[1] !== 'string')
    return bad('it begins with no token');
  if (!isJsonObject(devices) || more.length) return bad('it holds no devices, or more than those');
  const list = Object.entries(devices);
  if (!list.length || list.length > MOST_DEVICES) bad(`it holds ${list.length} devices, 1 to ${MOST_DEVICES} are read`);
  return {
    overall: overall[1],
    devices: new Map(
      list.map(([name, t]) => [name, typeof t === 'string' ? t : bad(`the token of ${JSON.stringify(name.slice(0, 40))} is no text`)]),
    ),
  };
}

/** The key must be one that the verifier names, or stand below one, at that time. */
function checkKey(k: NamedKey, c: Collateral, anchors: Anchors, at: number, where: string): string {
  const digest = keyDigest(k.key);
  if (anchors.nvidia.includes(digest)) return digest;
  if (!k.chain.length) return refuse(`${where}: its key ${digest} is not one that is believed, and no chain leads from it to one`);
  const chain = k.chain.map((der, i) => parseCertificate(der, `${where}: certificate ${i} of its key`)),
    roots = c['root'] ? parseCertificates(c['root'], `${where}: root`, 1) : [];
  if (!sameBytes(chain[0].spki, k.key.spki)) refuse(`${where}: the chain of its key is that of another key`);
  verifyChain([...chain, ...roots], { roots: anchors.nvidia, at }, where);
  return keyName([...chain, ...roots][chain.length + roots.length - 1]);
}

const mustBe = (claims: JsonObject, key: string, value: Json, where: string): void => {
  if (claims[key] !== value)
    refuse(`${where}: ${key} is ${JSON.stringify(claims[key] ?? null).slice(0, 100)}, not ${JSON.stringify(value)}`);
};

/** Times of a token, in seconds since 1970; `at` must lie within. */
function checkTimes(claims: JsonObject, at: number, where: string): number {
  const [iat, nbf, exp] = ['iat', 'nbf', 'exp'].map((k) => {
    const v = claims[k];
    return typeof v === 'number' && Number.isSafeInteger(v) ? v : refuse(`${where}: ${k} is no time`);
  });
  if (at < 1000 * nbf || at > 1000 * exp)
    refuse(
      `${where}: it holds from ${new Date(1000 * nbf).toISOString()} to ${new Date(1000 * exp).toISOString()}, not at ${new Date(at).toISOString()}`,
    );
  return 1000 * iat;
}

/** Everything that the service says of one device must be good: its verdict over all is not asked instead. */
function checkDevice(claims: JsonObject, where: string): void {
  for (const [key, value] of [
    ['measres', 'success'],
    ['dbgstat', 'disabled'],
    ['secboot', true],
  ] as const)
    mustBe(claims, key, value, where);
  for (const [key, v] of Object.entries(claims)) {
    if (typeof v === 'boolean') mustBe(claims, key, true, where);
    if (/-cert-chain$/.test(key)) {
      if (!isJsonObject(v)) refuse(`${where}: ${key} is no object`);
      mustBe(v as JsonObject, 'x-nvidia-cert-status', 'valid', `${where}: ${key}`);
      mustBe(v as JsonObject, 'x-nvidia-cert-ocsp-status', 'good', `${where}: ${key}`);
    }
  }
  if (claims['x-nvidia-attestation-warning'] != null) refuse(`${where}: it comes with a warning`);
}

const text = (claims: JsonObject, key: string, where: string): string => {
  const v = claims[key];
  return typeof v === 'string' && /^[ -~]{1,128}$/.test(v) ? v : refuse(`${where}: ${key} is no text`);
};

/** What of a device's claims says which device and software it is. */
export const gpuMeasurement = (claims: JsonObject, where: string): Record<string, string> => ({
  hwmodel: text(claims, 'hwmodel', where),
  driver: text(claims, 'x-nvidia-gpu-driver-version', where),
  vbios: text(claims, 'x-nvidia-gpu-vbios-version', where),
});

/**
 * Verifies a detached EAT of GPUs at a time: signatures, keys, issuer, nonce, times, and every claim on every device.
 * Collateral is `jwks`, with `root` where a key comes with a chain. One evidence for each device. Throws
 * VerificationError ('card evidence', 'card token', 'card chain'), InputError.
 */
export function verifyNvidia(bytes: Uint8Array, c: Collateral, anchors: Anchors, at: number, where: string): Evidence[] {
  const t = parseTokens(bytes, where);
  onlyCollateral(c, ['jwks', 'root'], where);
  if (!c['jwks']) throw new InputError(where, ['collateral.jwks is missing']);
  const keys = parseJwks(c['jwks'], `${where}: jwks`),
    overall = verifyJws(t.overall, keys, `${where}: overall`),
    root = checkKey(overall.key, c, anchors, at, where),
    { submods } = overall.claims,
    nonce = text(overall.claims, 'eat_nonce', where);
  mustBe(overall.claims, 'iss', ISSUER, where);
  mustBe(overall.claims, 'x-nvidia-overall-att-result', true, where);
  const version = text(overall.claims, 'x-nvidia-ver', where);
  if (!/^3\.\d+$/.test(version)) refuse(`${where}: claims of version ${version} are not read`);
  const signedAt = checkTimes(overall.claims, at, where);
  if (!/^[0-9a-f]{64}$/.test(nonce)) refuse(`${where}: its nonce does not have 32 bytes`);
  if (!isJsonObject(submods)) return refuse(`${where}: submods is no object`);
  const named = Object.keys(submods).sort();
  if (named.join() !== [...t.devices.keys()].sort().join())
    refuse(`${where}: it is about ${named.length} devices, ${t.devices.size} tokens are there`);
  return named.map((name): Evidence => {
    const at2 = `${where}: ${name.slice(0, 40)}`,
      token = t.devices.get(name)!,
      digest = toHex(sha256(toUtf8(token)));
    if (JSON.stringify(submods[name]) !== JSON.stringify(['DIGEST', ['SHA-256', digest]]))
      refuse(`${at2}: its token is not the one that the overall token names`);
    const { claims, key } = verifyJws(token, keys, at2);
    checkKey(key, c, anchors, at, at2);
    mustBe(claims, 'iss', ISSUER, at2);
    mustBe(claims, 'eat_nonce', nonce, at2);
    checkTimes(claims, at, at2);
    checkDevice(claims, at2);
    if (!/^GPU-\d+$/.test(name)) refuse(`${at2}: it is no GPU`);
    return {
      kind: 'nvidia-gpu',
      vendor: "NVIDIA's attestation service",
      root,
      machine: text(claims, 'ueid', at2),
      measurement: gpuMeasurement(claims, at2),
      reportData: fromHex(nonce, where),
      signedAt,
      findings: [],
      says: [`${name}, signed ${new Date(signedAt).toISOString()}`],
    };
  });
}
