import { createHash, createPublicKey } from 'node:crypto';
import { concatBytes, toHex, toUtf8 } from '../src/provenance/bytes.js';
import type { Collateral } from '../src/provenance/cards/evidence.js';
import { keyName } from '../src/provenance/cards/x509.js';
import { NOON, type Pair, certificate, der, int, octets, oid, pair, revocationList, seq, signed } from './tee.js';

/*
 * The part of the simulator that is Intel's: quotes of TDX (version 4) and SGX (version 3) with their certificates,
 * revocation lists and signed documents, true to the byte, under a root of its own.
 */

type Bytes = Uint8Array;
const SGX = '1.2.840.113741.1.13.1',
  FMSPC = '00906ed50000',
  DAY = 86400_000;
export const PPID: Bytes = Uint8Array.from({ length: 16 }, (_, i) => i + 1),
  MRTD: Bytes = Uint8Array.from({ length: 48 }, (_, i) => 200 - i),
  MRENCLAVE: Bytes = Uint8Array.from({ length: 32 }, (_, i) => 100 + i);
const QE_SIGNER: Bytes = Uint8Array.from({ length: 32 }, (_, i) => 50 + i);

export interface QuoteOptions {
  /** Attributes of the trust domain: by default what a strict reader wants (no #VE on unaccepted pages). */
  readonly attributes?: readonly number[];
  readonly sgxDebug?: boolean;
  /** Name of who signed the module that runs trust domains: zero is Intel. */ readonly moduleSigner?: number;
  /** Type of the outer certification data. */ readonly outerType?: number;
  /** Bytes inside of the signature data that belong to nothing. */ readonly tail?: number;
  /** Certificates in place of leaf, authority, root. */ readonly chain?: readonly Bytes[];
  readonly platform?: Pair;
  /** Text before the certificates. */ readonly before?: string;
}
export interface DocumentOptions {
  readonly status?: string;
  readonly advisories?: readonly string[];
  readonly qeStatus?: string;
  readonly fmspc?: string;
  /** The other kind of TCB information. */ readonly id?: string;
  readonly revoked?: readonly number[];
  readonly rootRevoked?: readonly number[];
  readonly next?: number;
  /** Who signs the documents, with the chain of its certificate. */ readonly signer?: {
    readonly key: Pair;
    readonly chain: readonly Bytes[];
  };
  /** The list of platforms in place of the authority's, with the chain of who signed it. */ readonly list?: {
    readonly crl: Bytes;
    readonly chain: readonly Bytes[];
  };
}

export const pem = (...chain: readonly Bytes[]): string =>
  chain
    .map((c) => {
      const lines = Buffer.from(c)
        .toString('base64')
        .match(/.{1,64}/g)!;
      return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
    })
    .join('');

const u16 = (n: number): Bytes => Uint8Array.of(n & 255, n >> 8),
  u32 = (n: number): Bytes => Uint8Array.of(n & 255, (n >> 8) & 255, (n >> 16) & 255, n >>> 24);
function placed(size: number, parts: readonly (readonly [number, Bytes | readonly number[]])[]): Bytes {
  const b = new Uint8Array(size);
  for (const [at, x] of parts) b.set(x, at);
  return b;
}

const ROOT = 'Intel SGX Root CA',
  AUTHORITY = 'Intel SGX PCK Platform CA',
  SIGNER = 'Intel SGX TCB Signing';

export class Intel {
  readonly root = pair('p256');
  readonly authority = pair('p256');
  readonly platform = pair('p256');
  readonly signer = pair('p256');
  readonly attestation = pair('p256');
  readonly rootCertificate = certificate({ subject: ROOT, issuer: ROOT, by: this.root, of: this.root, ca: true, serial: 1 });
  readonly authorityCertificate = certificate({ subject: AUTHORITY, issuer: ROOT, by: this.root, of: this.authority, ca: 0, serial: 2 });
  readonly signerCertificate = certificate({ subject: SIGNER, issuer: ROOT, by: this.root, of: this.signer, serial: 3 });
  readonly platformCertificate = this.pck({});
  rootKey = (): string => keyName({ spki: this.root.spki });

  /** The certificate of a platform's key, by default issued as Intel issues it. */
  pck(o: {
    readonly of?: Pair;
    readonly by?: Pair;
    readonly issuer?: string;
    readonly ppid?: Bytes;
    readonly serial?: number;
    readonly ca?: true;
  }): Bytes {
    const tcb = [
      ...Array.from({ length: 16 }, (_, i) => seq(oid(`${SGX}.2.${i + 1}`), int(5))),
      seq(oid(`${SGX}.2.17`), int(11)),
      seq(oid(`${SGX}.2.18`), octets(new Uint8Array(16).fill(5))),
    ];
    return certificate({
      subject: 'Intel SGX PCK Certificate',
      issuer: o.issuer ?? AUTHORITY,
      by: o.by ?? this.authority,
      of: o.of ?? this.platform,
      serial: o.serial ?? 77,
      ...(o.ca ? { ca: o.ca } : {}),
      extensions: [
        seq(
          oid(SGX),
          octets(
            seq(
              seq(oid(`${SGX}.1`), octets(o.ppid ?? PPID)),
              seq(oid(`${SGX}.2`), seq(...tcb)),
              seq(oid(`${SGX}.3`), octets(new Uint8Array(2))),
              seq(oid(`${SGX}.4`), octets(new Uint8Array(Buffer.from(FMSPC, 'hex')))),
              seq(oid(`${SGX}.5`), der(0x0a, Uint8Array.of(0))),
            ),
          ),
        ),
      ],
    });
  }

  /** A quote over 64 bytes: signed by the attestation key, which the platform's key vouches for. */
  quote(kind: 'tdx' | 'sgx', told: Bytes, o: QuoteOptions = {}): Bytes {
    const tdx = kind === 'tdx',
      header = placed(48, [
        [0, u16(tdx ? 4 : 3)],
        [2, u16(2)],
        [4, u32(tdx ? 0x81 : 0)],
      ]),
      body = tdx
        ? placed(584, [
            [0, new Uint8Array(16).fill(5)],
            [64, [o.moduleSigner ?? 0]],
            [120, o.attributes ?? [0, 0, 0, 0x10]],
            [136, MRTD],
            [520, told],
          ])
        : placed(384, [
            [48, [o.sgxDebug ? 2 : 0]],
            [64, MRENCLAVE],
            [320, told],
          ]),
      { x, y } = createPublicKey(this.attestation.secret).export({ format: 'jwk' }),
      key = concatBytes(...[x!, y!].map((c) => new Uint8Array(Buffer.from(c, 'base64url')))),
      extra = Uint8Array.from({ length: 32 }, (_, i) => i),
      report = placed(384, [
        [128, QE_SIGNER],
        [256, u16(1)],
        [258, u16(8)],
        [320, new Uint8Array(createHash('sha256').update(key).update(extra).digest())],
      ]),
      chain = toUtf8((o.before ?? '') + pem(...(o.chain ?? [this.platformCertificate, this.authorityCertificate, this.rootCertificate]))),
      vouched = concatBytes(
        report,
        signed(o.platform ?? this.platform, report, true),
        u16(extra.length),
        extra,
        u16(5),
        u32(chain.length),
        chain,
        new Uint8Array(o.tail ?? 0),
      ),
      own = concatBytes(signed(this.attestation, concatBytes(header, body), true), key),
      data = tdx ? concatBytes(own, u16(o.outerType ?? 6), u32(vouched.length), vouched) : concatBytes(own, vouched);
    return concatBytes(header, body, u32(data.length), data);
  }

  /** What Intel's service gives for a quote. */
  documents(kind: 'tdx' | 'sgx', o: DocumentOptions = {}): Collateral {
    const svn = Array.from({ length: 16 }, () => ({ svn: 5 })),
      dates = { issueDate: new Date(NOON - DAY).toISOString(), nextUpdate: new Date(o.next ?? NOON + 20 * DAY).toISOString() },
      tcb = toUtf8(
        JSON.stringify({
          id: o.id ?? (kind === 'tdx' ? 'TDX' : 'SGX'),
          version: 3,
          ...dates,
          fmspc: o.fmspc ?? FMSPC,
          pceId: '0000',
          tcbType: 0,
          tcbEvaluationDataNumber: 17,
          tcbLevels: [
            {
              tcb: { sgxtcbcomponents: svn, pcesvn: 11, tdxtcbcomponents: svn },
              tcbDate: '2026-05-13T00:00:00Z',
              tcbStatus: o.status ?? 'UpToDate',
              ...(o.advisories ? { advisoryIDs: o.advisories } : {}),
            },
          ],
        }),
      ),
      qe = toUtf8(
        JSON.stringify({
          id: kind === 'tdx' ? 'TD_QE' : 'QE',
          version: 2,
          ...dates,
          tcbEvaluationDataNumber: 17,
          miscselect: '00000000',
          miscselectMask: 'FFFFFFFF',
          attributes: '0'.repeat(32),
          attributesMask: 'F'.repeat(32),
          mrsigner: toHex(QE_SIGNER).toUpperCase(),
          isvprodid: 1,
          tcbLevels: [{ tcb: { isvsvn: 8 }, tcbDate: '2026-05-13T00:00:00Z', tcbStatus: o.qeStatus ?? 'UpToDate' }],
        }),
      ),
      signer = o.signer ?? { key: this.signer, chain: [this.signerCertificate, this.rootCertificate] };
    return {
      pck_crl_issuer_chain: toUtf8(pem(...(o.list?.chain ?? [this.authorityCertificate, this.rootCertificate]))),
      root_ca_crl: revocationList(ROOT, this.root, o.rootRevoked ?? []),
      pck_crl: o.list?.crl ?? revocationList(AUTHORITY, this.authority, o.revoked ?? []),
      tcb_info_issuer_chain: toUtf8(pem(...signer.chain)),
      tcb_info: tcb,
      tcb_info_signature: signed(signer.key, tcb, true),
      qe_identity_issuer_chain: toUtf8(pem(...signer.chain)),
      qe_identity: qe,
      qe_identity_signature: signed(signer.key, qe, true),
    };
  }
}
