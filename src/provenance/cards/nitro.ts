import { concatBytes, toHex, toUtf8 } from '../bytes.js';
import { verifyCompact } from '../ecdsa.js';
import { InputError } from '../../errors.js';
import { type Cbor, cborHead, readCbor } from './cbor.js';
import { type Anchors, type Evidence, refuse } from './evidence.js';
import { keyName, parseCertificate, verifyChain } from './x509.js';

/*
 * Attestation documents of AWS Nitro Enclaves: COSE_Sign1 (RFC 9052) with ES384 around a map in CBOR, with the whole
 * chain inside.
 */

/** Header {1: -35}: ES384. */
const ES384 = 'a1013822',
  MOST_BYTES = 64 << 10,
  MOST_CHAIN = 8;

export interface NitroDocument {
  readonly module: string;
  /** Milliseconds since 1970. */ readonly timestamp: number;
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  readonly certificate: Uint8Array;
  /** Root first. */ readonly cabundle: readonly Uint8Array[];
  readonly userData?: Uint8Array;
  readonly nonce?: Uint8Array;
  /** What is signed, and r || s. */ readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

const bytes = (x: Cbor | undefined, most: number): x is Uint8Array => x instanceof Uint8Array && x.length <= most;

/**
 * Reads a document; verifies nothing. The outer structure has one form only, since no signature guards it. Throws
 * InputError.
 */
export function parseNitro(b: Uint8Array, where: string): NitroDocument {
  const bad = (what: string): never => {
    throw new InputError(where, [`is no Nitro attestation document: ${what}`]);
  };
  if (b.length > MOST_BYTES) bad(`it has ${b.length} bytes, at most ${MOST_BYTES} are read`);
  const outer = readCbor(b, where);
  if (!Array.isArray(outer) || outer.length !== 4) return bad('it is no list of four');
  const [header, unprotected, payload, signature] = outer;
  if (!(header instanceof Uint8Array) || toHex(header) !== ES384) bad('its protected header is not that of ES384');
  if (!(unprotected instanceof Map) || unprotected.size) bad('it has an unprotected header');
  if (!(payload instanceof Uint8Array)) return bad('it has no payload');
  if (!(signature instanceof Uint8Array) || signature.length !== 96) return bad('its signature does not have 96 bytes');
  // Signed as it stands, so that lengths may be indefinite: some documents are written so.
  const m = readCbor(payload, `${where}: payload`, true);
  if (!(m instanceof Map)) return bad('its payload is no map');
  const known = ['module_id', 'digest', 'timestamp', 'pcrs', 'certificate', 'cabundle', 'public_key', 'user_data', 'nonce'],
    strange = [...m.keys()].filter((k) => !known.includes(k as string));
  if (strange.length) bad(`it holds ${JSON.stringify(strange[0])}`);
  const [module, digest, timestamp, pcrs, certificate, cabundle] = known.slice(0, 6).map((k) => m.get(k));
  if (typeof module !== 'string' || digest !== 'SHA384' || typeof timestamp !== 'number' || timestamp < 0)
    return bad('module_id, digest or timestamp');
  if (!(pcrs instanceof Map) || !pcrs.size || pcrs.size > 32) return bad('pcrs');
  for (const [i, v] of pcrs) if (typeof i !== 'number' || i < 0 || i > 31 || !bytes(v, 48) || v.length !== 48) bad('a register of pcrs');
  if (!bytes(certificate, 4096) || !Array.isArray(cabundle) || !cabundle.length || cabundle.length >= MOST_CHAIN)
    return bad('certificate or cabundle');
  const optional = (key: string): Uint8Array | undefined => {
    const v = m.get(key);
    return v === undefined || v === null ? undefined : bytes(v, 1024) ? v : bad(key);
  };
  optional('public_key');
  const userData = optional('user_data'),
    nonce = optional('nonce');
  return {
    module,
    timestamp,
    pcrs: pcrs as Map<number, Uint8Array>,
    certificate,
    cabundle: cabundle.map((x) => (bytes(x, 4096) ? x : bad('cabundle'))),
    ...(userData ? { userData } : {}),
    ...(nonce ? { nonce } : {}),
    // Sig_structure (RFC 9052, 4.4): context, protected header, no external data, payload.
    signed: concatBytes(
      cborHead(4, 4),
      cborHead(3, 10),
      toUtf8('Signature1'),
      cborHead(2, header instanceof Uint8Array ? header.length : 0),
      header as Uint8Array,
      cborHead(2, 0),
      cborHead(2, payload.length),
      payload,
    ),
    signature,
  };
}

/** Registers by name. Those that are zero say nothing, apart from the first three, which must not be. */
export const nitroMeasurement = (d: NitroDocument): Record<string, string> =>
  Object.fromEntries([...d.pcrs].filter(([i, v]) => i < 3 || v.some((x) => x !== 0)).map(([i, v]) => [`pcr${i}`, toHex(v)]));

/**
 * Verifies a document at a time, which may not be before the one that it signs. Throws VerificationError ('card
 * evidence', 'card chain'), InputError.
 */
export function verifyNitro(b: Uint8Array, anchors: Anchors, at: number, where: string): Evidence {
  const d = parseNitro(b, where),
    chain = [d.certificate, ...[...d.cabundle].reverse()].map((der, i) => parseCertificate(der, `${where}: certificate ${i}`)),
    [leaf] = chain,
    root = chain[chain.length - 1];
  if (at < d.timestamp - 1000) refuse(`${where}: it was signed ${new Date(d.timestamp).toISOString()}, after the time of its verification`);
  if (leaf.key.kind !== 'ec' || leaf.key.key.curve !== 'P-384' || !verifyCompact(leaf.key.key, 'sha384', d.signed, d.signature))
    refuse(`${where}: the document is not signed by the key of its certificate`);
  verifyChain(chain, { roots: anchors.aws, at }, where);
  const zero = [0, 1, 2].filter((i) => d.pcrs.get(i)?.every((x) => x === 0) ?? true);
  return {
    kind: 'nitro',
    vendor: 'AWS',
    root: keyName(root),
    machine: /^(i-[0-9a-f]{1,32})/.exec(d.module)?.[1] ?? d.module.slice(0, 100),
    measurement: nitroMeasurement(d),
    reportData: d.userData ?? new Uint8Array(0),
    signedAt: d.timestamp,
    findings: zero.length ? [{ relax: 'debug', says: `the enclave runs in debug mode (PCR ${zero.join(', ')} are zero)` }] : [],
    says: [`module ${d.module.slice(0, 100)}, signed ${new Date(d.timestamp).toISOString()}`],
  };
}
