import { type KeyObject, createHash, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { concatBytes, fromHex, toUtf8 } from '../src/provenance/bytes.js';
import { cborHead } from '../src/provenance/cards/cbor.js';
import {
  type Binding,
  type Card,
  type CodeIdentity,
  type Constants,
  DOMAIN,
  type Role,
  bindingHash,
  challengeNonce,
  digestOfJson,
  gpuNonce,
} from '../src/provenance/cards/card.js';
import { ANCHORS, type Anchors, type Collateral, type Kind } from '../src/provenance/cards/evidence.js';
import { ISSUER } from '../src/provenance/cards/nvidia.js';
import { keyName } from '../src/provenance/cards/x509.js';
import { canonicalBytes } from '../src/provenance/json.js';

/*
 * A simulator of trusted hardware: chains, reports, documents and tokens that are true to the byte, under roots of its
 * own. The roots are an argument of the functions that verify; no file and no option selects them.
 */

type Bytes = Uint8Array;
const bytes = (...x: number[]): Bytes => Uint8Array.from(x);

/* DER, written. */
export function der(tag: number, ...parts: Bytes[]): Bytes {
  const c = concatBytes(...parts),
    n = c.length,
    length = n < 128 ? [n] : n < 256 ? [0x81, n] : [0x82, n >> 8, n & 255];
  return concatBytes(bytes(tag, ...length), c);
}
export const seq = (...x: Bytes[]): Bytes => der(0x30, ...x),
  set = (...x: Bytes[]): Bytes => der(0x31, ...x),
  int = (v: bigint | number): Bytes => {
    let h = BigInt(v).toString(16);
    if (h.length % 2) h = `0${h}`;
    return der(2, fromHex(Number.parseInt(h.slice(0, 2), 16) > 127 ? `00${h}` : h, 'int'));
  },
  octets = (b: Bytes): Bytes => der(4, b),
  bits = (b: Bytes): Bytes => der(3, bytes(0), b),
  NULL = bytes(5, 0);
export function oid(text: string): Bytes {
  const [a, b, ...rest] = text.split('.').map(Number),
    out: number[] = [];
  for (const v of [40 * a + b, ...rest]) {
    const digits = [v & 127];
    for (let x = Math.floor(v / 128); x > 0; x = Math.floor(x / 128)) digits.unshift((x & 127) | 128);
    out.push(...digits);
  }
  return der(6, Uint8Array.from(out));
}
const time = (ms: number): Bytes => der(0x18, toUtf8(`${new Date(ms).toISOString().replace(/[-:T]|\.\d+Z$/g, '')}Z`));
const name = (cn: string): Bytes => seq(set(seq(oid('2.5.4.3'), der(0x0c, toUtf8(cn)))));
const SHA384 = seq(oid('2.16.840.1.101.3.4.2.2'), NULL);
const ALGORITHM = {
  pss: seq(oid('1.2.840.113549.1.1.10'), seq(der(0xa0, SHA384), der(0xa1, seq(oid('1.2.840.113549.1.1.8'), SHA384)), der(0xa2, int(48)))),
  ec: seq(oid('1.2.840.10045.4.3.3')),
  p256: seq(oid('1.2.840.10045.4.3.2')),
} as const;

export interface Pair {
  /** RSA-PSS, or ECDSA on P-384 or P-256. */ readonly kind: 'pss' | 'ec' | 'p256';
  readonly secret: KeyObject;
  readonly spki: Bytes;
}
export const pair = (kind: Pair['kind']): Pair => {
  const { privateKey: secret } =
    kind === 'pss'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: kind === 'ec' ? 'P-384' : 'P-256' });
  return { kind, secret, spki: new Uint8Array(createPublicKey(secret).export({ type: 'spki', format: 'der' })) };
};
export const signed = (p: Pair, message: Bytes, compact = false): Bytes =>
  new Uint8Array(
    p.kind === 'pss'
      ? sign('sha384', message, { key: p.secret, padding: 6, saltLength: 48 })
      : sign(p.kind === 'ec' ? 'sha384' : 'sha256', message, { key: p.secret, dsaEncoding: compact ? 'ieee-p1363' : 'der' }),
  );

export interface CertificateOptions {
  readonly subject: string;
  readonly issuer: string;
  readonly by: Pair;
  readonly of: Pair;
  readonly from?: number;
  readonly to?: number;
  readonly serial?: number;
  /** Absent: no authority. A number: least authorities below. */ readonly ca?: true | number;
  readonly extensions?: readonly Bytes[];
}
/** The hour in which everything of the simulator is made. */
export const NOON = Date.parse('2026-11-20T12:00:00Z');
const YEAR = 365 * 86400_000;

export function certificate(o: CertificateOptions): Bytes {
  const basic =
      o.ca === undefined
        ? []
        : [seq(oid('2.5.29.19'), bytes(1, 1, 255), octets(seq(bytes(1, 1, 255), ...(o.ca === true ? [] : [int(o.ca)]))))],
    extensions = [...basic, ...(o.extensions ?? [])],
    tbs = seq(
      der(0xa0, int(2)),
      int(o.serial ?? 1),
      ALGORITHM[o.by.kind],
      name(o.issuer),
      seq(time(o.from ?? NOON - YEAR), time(o.to ?? NOON + YEAR)),
      name(o.subject),
      o.of.spki,
      ...(extensions.length ? [der(0xa3, seq(...extensions))] : []),
    );
  return seq(tbs, ALGORITHM[o.by.kind], bits(signed(o.by, tbs)));
}

/** A revocation list of an issuer. */
export function revocationList(
  issuer: string,
  by: Pair,
  revoked: readonly number[] = [],
  from = NOON - YEAR / 12,
  to = NOON + YEAR / 12,
): Bytes {
  const tbs = seq(
    int(1),
    ALGORITHM[by.kind],
    name(issuer),
    time(from),
    time(to),
    ...(revoked.length ? [seq(...revoked.map((s) => seq(int(s), time(from))))] : []),
  );
  return seq(tbs, ALGORITHM[by.kind], bits(signed(by, tbs)));
}

const AMD = '1.3.6.1.4.1.3704.1';
const CPUID: Readonly<Record<string, readonly [number, number]>> = { Milan: [0x19, 1], Genoa: [0x19, 0x11], Turin: [0x1a, 2] };

/** Keys and chains of all vendors, made once. */
export class Simulator {
  readonly ark = pair('pss');
  readonly ask = pair('pss');
  readonly chip = pair('ec');
  readonly aws = pair('ec');
  readonly zone = pair('ec');
  readonly deep = pair('ec');
  readonly enclave = pair('ec');
  readonly nras = pair('ec');
  readonly tsaRoot = pair('ec');
  readonly tsa = pair('ec');
  readonly tsaCertificate = certificate({ subject: 'TSA root', issuer: 'TSA root', by: this.tsaRoot, of: this.tsaRoot, ca: true });

  /** The roots of this simulator in place of the vendors'. */
  anchors(product = 'Genoa'): Anchors {
    const of = (p: Pair): string => keyName({ spki: p.spki });
    return { ...ANCHORS, amd: { [product]: of(this.ark) }, aws: [of(this.aws)], nvidia: [], time: [] };
  }
  nvidiaKey = (): string => keyName({ spki: this.nras.spki });
  tsaKey = (): string => keyName({ spki: this.tsaRoot.spki });

  /** Collateral of a report: vcek or vlek, ask or asvk, ark, crl. */
  snpCollateral(o: SnpOptions = {}): Record<string, Bytes> {
    const product = o.product ?? 'Genoa',
      vlek = o.vlek ?? false,
      level = (arc: string, v: number): Bytes => seq(oid(`${AMD}.${arc}`), octets(int(v))),
      t = { ...TCB, ...o.leafTcb },
      middle = vlek ? `SEV-VLEK-${product}` : `SEV-${product}`,
      leaf = certificate({
        subject: vlek ? 'SEV-VLEK' : 'SEV-VCEK',
        issuer: middle,
        by: this.ask,
        of: this.chip,
        serial: 0,
        ...(o.leafFrom === undefined ? {} : { from: o.leafFrom }),
        ...(o.leafCa ? { ca: true } : {}),
        extensions: [
          seq(oid(`${AMD}.1`), octets(int(1))),
          seq(oid(`${AMD}.2`), octets(der(0x16, toUtf8(o.leafProduct ?? product)))),
          level('3.1', t.bootLoader),
          level('3.2', t.tee),
          level('3.3', t.snp),
          level('3.8', t.microcode),
          ...(product === 'Turin' ? [level('3.9', t.fmc)] : []),
          ...(vlek ? [] : [seq(oid(`${AMD}.4`), octets(o.hwid ?? chipId(product).subarray(0, product === 'Turin' ? 8 : 64)))]),
        ],
      }),
      ca = (subject: string, issuer: string, of: Pair, serial: number): Bytes =>
        certificate({ subject, issuer, by: this.ark, of, ca: o.notCa && of === this.ask ? undefined : true, serial } as CertificateOptions);
    return {
      [vlek ? 'vlek' : 'vcek']: leaf,
      [vlek ? 'asvk' : 'ask']: ca(middle, `ARK-${product}`, this.ask, 2),
      ark: ca(`ARK-${product}`, `ARK-${product}`, this.ark, 3),
      crl: revocationList(`ARK-${product}`, this.ark, o.revoked ?? [], o.crlFrom, o.crlTo),
    };
  }

  /** A report of 1184 bytes, signed by the chip. */
  snpReport(reportData: Bytes, o: SnpOptions = {}): Bytes {
    const b = new Uint8Array(0x4a0),
      v = new DataView(b.buffer),
      product = o.product ?? 'Genoa',
      version = o.version ?? 3,
      t = { ...TCB, ...o.tcb },
      tcb =
        product === 'Turin'
          ? [t.fmc, t.bootLoader, t.tee, t.snp, 0, 0, 0, t.microcode]
          : [t.bootLoader, t.tee, 0, 0, 0, 0, t.snp, t.microcode];
    v.setUint32(0, version, true);
    v.setBigUint64(8, BigInt(o.policy ?? 0x30000), true);
    v.setUint32(0x30, o.vmpl ?? 0, true);
    v.setUint32(0x34, 1, true);
    v.setUint32(0x48, o.vlek ? 4 : 0, true);
    b.set(reportData, 0x50);
    b.set(o.measurement ?? MEASUREMENT, 0x90);
    for (const at of [0x38, 0x180, 0x1e0, 0x1f0]) b.set(o.rawTcb ?? tcb, at);
    if (version > 2) b.set(CPUID[o.cpu ?? product], 0x188);
    b.set(o.chipId ?? (o.vlek ? new Uint8Array(64) : chipId(product)), 0x1a0);
    const rs = signed(this.chip, b.subarray(0, 0x2a0), true);
    b.set(rs.slice(0, 48).reverse(), 0x2a0);
    b.set(rs.slice(48).reverse(), 0x2a0 + 72);
    return b;
  }

  /** An attestation document of a Nitro enclave. */
  nitro(userData: Bytes, o: NitroOptions = {}): Bytes {
    const at = o.at ?? NOON,
      from = at - 60_000,
      root = certificate({ subject: 'aws root', issuer: 'aws root', by: this.aws, of: this.aws, ca: true }),
      zone = certificate({
        subject: 'zone',
        issuer: 'aws root',
        by: this.aws,
        of: this.zone,
        ...(o.zoneNoCa ? {} : { ca: o.pathLen ?? 0 }),
        from,
        to: at + 86400_000,
      }),
      leaf = certificate({
        subject: 'enclave',
        issuer: o.below ? 'below' : 'zone',
        by: o.below ? this.deep : this.zone,
        of: this.enclave,
        from,
        to: at + 3 * 3600_000,
        ...(o.leafCa ? { ca: true as const } : {}),
      }),
      /** One more authority, below the zone, whose own path length allows none. */
      below = certificate({ subject: 'below', issuer: 'zone', by: this.zone, of: this.deep, ca: true, from, to: at + 86400_000 }),
      bundle = o.bundle ? o.bundle(root, zone) : o.below ? [root, zone, below] : [root, zone],
      str = (s: string): Bytes => concatBytes(cborHead(3, s.length), toUtf8(s)),
      bstr = (b: Bytes): Bytes => concatBytes(cborHead(2, b.length), b),
      uint64 = (n: number): Bytes => concatBytes(bytes(0x1b), fromHex(n.toString(16).padStart(16, '0'), 'n')),
      pcrs = Object.entries(o.pcrs ?? { 0: MEASUREMENT, 1: MEASUREMENT, 2: MEASUREMENT }),
      payload = concatBytes(
        cborHead(5, 9),
        str('module_id'),
        str('i-0123456789abcdef0-enc0123456789abcdef'),
        str('digest'),
        str('SHA384'),
        str('timestamp'),
        uint64(at),
        str('pcrs'),
        cborHead(5, pcrs.length),
        ...pcrs.flatMap(([i, v]) => [cborHead(0, Number(i)), bstr(v)]),
        str('certificate'),
        bstr(leaf),
        str('cabundle'),
        cborHead(4, bundle.length),
        ...bundle.map(bstr),
        str('public_key'),
        bytes(0xf6),
        str('user_data'),
        bstr(userData),
        str('nonce'),
        bytes(0xf6),
      ),
      header = fromHex('a1013822', 'header'),
      rs = signed(this.enclave, concatBytes(cborHead(4, 4), str('Signature1'), bstr(header), bstr(new Uint8Array(0)), bstr(payload)), true);
    return concatBytes(cborHead(4, 4), bstr(header), cborHead(5, 0), bstr(payload), bstr(rs));
  }

  /** The key set of the token service. */
  jwks(twice = false): Bytes {
    const { x, y } = createPublicKey(this.nras.secret).export({ format: 'jwk' }),
      key = { kty: 'EC', crv: 'P-384', kid: 'nv-eat-kid', x, y };
    return canonicalBytes({ keys: twice ? [key, key] : [key] });
  }
  jwt(claims: unknown, header: unknown = { alg: 'ES384', kid: 'nv-eat-kid' }): string {
    const text = [header, claims].map((x) => Buffer.from(JSON.stringify(x)).toString('base64url')).join('.');
    return `${text}.${Buffer.from(signed(this.nras, toUtf8(text), true)).toString('base64url')}`;
  }
  /** A detached EAT about some GPUs. */
  nvidia(nonce: Bytes, o: NvidiaOptions = {}): Bytes {
    const iat = (o.at ?? NOON) / 1000,
      common = { iss: o.issuer ?? ISSUER, iat, nbf: iat, exp: iat + 3600, eat_nonce: Buffer.from(nonce).toString('hex') },
      names = o.devices ?? ['GPU-0'],
      devices = Object.fromEntries(
        names.map((n, i) => [
          n,
          this.jwt({
            ...common,
            ueid: String(47817637 + i),
            measres: 'success',
            dbgstat: 'disabled',
            secboot: true,
            hwmodel: 'GH100 A01 GSP BROM',
            'x-nvidia-gpu-driver-version': '550.90.07',
            'x-nvidia-gpu-vbios-version': '96.00.9F.00.01',
            'x-nvidia-gpu-attestation-report-nonce-match': true,
            'x-nvidia-gpu-attestation-report-cert-chain': { 'x-nvidia-cert-status': 'valid', 'x-nvidia-cert-ocsp-status': 'good' },
            ...o.device,
          }),
        ]),
      ),
      submods = Object.fromEntries(
        Object.entries(o.submodsOf ?? devices).map(([n, t]) => [n, ['DIGEST', ['SHA-256', createHash('sha256').update(t).digest('hex')]]]),
      ),
      overall = this.jwt({ ...common, 'x-nvidia-ver': '3.0', 'x-nvidia-overall-att-result': true, submods, ...o.overall }, o.header);
    return canonicalBytes([['JWT', overall], o.tokens ?? devices]);
  }

  /** A token of the time-stamping authority over some bytes. */
  timeStamp(over: Bytes, at: number, o: { readonly usage?: string } = {}): Bytes {
    const use = seq(oid('2.5.29.37'), bytes(1, 1, 255), octets(seq(oid(o.usage ?? '1.3.6.1.5.5.7.3.8')))),
      leaf = certificate({ subject: 'TSA', issuer: 'TSA root', by: this.tsaRoot, of: this.tsa, serial: 7, extensions: [use] }),
      hash = seq(oid('2.16.840.1.101.3.4.2.1')),
      digest = (b: Bytes, h: string): Bytes => new Uint8Array(createHash(h).update(b).digest()),
      info = seq(int(1), oid('1.2.3.4'), seq(hash, octets(digest(over, 'sha256'))), int(9), time(at)),
      attribute = (id: string, v: Bytes): Bytes => seq(oid(id), set(v)),
      attributes = [
        attribute('1.2.840.113549.1.9.3', oid('1.2.840.113549.1.9.16.1.4')),
        attribute('1.2.840.113549.1.9.4', octets(digest(info, 'sha384'))),
      ],
      sha384 = seq(oid('2.16.840.1.101.3.4.2.2')),
      signer = seq(
        int(1),
        seq(name('TSA root'), int(7)),
        sha384,
        der(0xa0, ...attributes),
        ALGORITHM.ec,
        octets(signed(this.tsa, set(...attributes))),
      );
    return seq(
      oid('1.2.840.113549.1.7.2'),
      der(
        0xa0,
        seq(
          int(3),
          set(sha384),
          seq(oid('1.2.840.113549.1.9.16.1.4'), der(0xa0, octets(info))),
          der(0xa0, leaf, this.tsaCertificate),
          set(signer),
        ),
      ),
    );
  }
}

export const MEASUREMENT: Bytes = Uint8Array.from({ length: 48 }, (_, i) => i + 1);
const TCB = { bootLoader: 10, tee: 0, snp: 23, microcode: 84, fmc: 1 };
export const chipId = (product: string): Bytes => Uint8Array.from({ length: 64 }, (_, i) => (product === 'Turin' && i > 7 ? 0 : 100 + i));

export interface SnpOptions {
  readonly product?: string;
  /** Product by CPUID, where it is another. */ readonly cpu?: string;
  readonly version?: number;
  readonly policy?: number;
  readonly vmpl?: number;
  readonly vlek?: boolean;
  readonly tcb?: Partial<typeof TCB>;
  readonly rawTcb?: Bytes;
  readonly measurement?: Bytes;
  readonly chipId?: Bytes;
  readonly hwid?: Bytes;
  readonly leafTcb?: Partial<typeof TCB>;
  readonly leafProduct?: string;
  readonly leafFrom?: number;
  readonly leafCa?: boolean;
  readonly notCa?: boolean;
  readonly revoked?: readonly number[];
  readonly crlFrom?: number;
  readonly crlTo?: number;
}
export interface NitroOptions {
  readonly pcrs?: Readonly<Record<number, Bytes>>;
  readonly at?: number;
  /** Authorities that the zone's certificate allows below it. */ readonly pathLen?: number;
  readonly leafCa?: boolean;
  /** The zone's certificate is of no authority. */ readonly zoneNoCa?: boolean;
  /** The leaf stands below one more authority. */ readonly below?: boolean;
  /** Other certificates for the bundle, root first. */ readonly bundle?: (root: Bytes, zone: Bytes) => Bytes[];
}
export interface NvidiaOptions {
  readonly at?: number;
  readonly issuer?: string;
  readonly devices?: readonly string[];
  readonly device?: Record<string, unknown>;
  readonly overall?: Record<string, unknown>;
  readonly header?: unknown;
  readonly submodsOf?: Record<string, string>;
  readonly tokens?: Record<string, string>;
}

const d = (x: string): string => digestOfJson(x);
/** The run that the simulator's cards are about. */
export const SUBJECT = {
  manifest: d('manifest'),
  statement: d('proof'),
  constants: { program: d('program'), parameters: d('parameters'), soundnessBits: 128, verificationKey: d('key') },
};
export const CHALLENGE = 'verifier of 2026-11-20, 4711';

export interface CardOptions {
  readonly kind?: Kind;
  readonly role?: Role;
  readonly parent?: Card;
  readonly snp?: SnpOptions;
  readonly nvidia?: NvidiaOptions;
  readonly pcrs?: Readonly<Record<number, Bytes>>;
  readonly nitro?: NitroOptions;
  readonly measurement?: Readonly<Record<string, string>>;
  readonly eventLog?: CodeIdentity['eventLog'];
  readonly binding?: Partial<Binding>;
  readonly constants?: { readonly [K in keyof Constants]?: Constants[K] | undefined };
  /** What becomes of the 64 or 32 bytes before hardware signs them. */ readonly told?: (r: Bytes) => Bytes;
  readonly verifiedAt?: number;
  readonly stampedAt?: number | null;
  readonly collateral?: Collateral;
  /** Evidence of a kind that this simulator does not make, over the bytes that it is told. */
  readonly own?: {
    readonly format: string;
    readonly measurement: Readonly<Record<string, string>>;
    readonly evidence: (told: Bytes) => Bytes;
  };
}
const hex = (b: Bytes): string => Buffer.from(b).toString('hex');

/** A card that verifies, or one that does not by exactly what the options say. */
export function makeCard(s: Simulator, o: CardOptions = {}): Card {
  const kind = o.kind ?? 'sev-snp',
    role = o.role ?? 'front-end',
    registers = Object.entries(o.pcrs ?? { 0: MEASUREMENT, 1: MEASUREMENT, 2: MEASUREMENT }),
    measurement: Record<string, string> =
      kind === 'sev-snp'
        ? { measurement: hex(o.snp?.measurement ?? MEASUREMENT), hostData: '0'.repeat(64) }
        : kind === 'nitro'
          ? Object.fromEntries(registers.map(([i, v]) => [`pcr${i}`, hex(v)]))
          : { hwmodel: 'GH100 A01 GSP BROM', driver: '550.90.07', vbios: '96.00.9F.00.01' },
    codeIdentity: CodeIdentity = {
      measurement: o.measurement ?? o.own?.measurement ?? measurement,
      package: { name: 'certune', version: '0.1.0', integrity: `sha512-${'A'.repeat(86)}==` },
      ...(o.eventLog ? { eventLog: o.eventLog } : {}),
    },
    // A pack of step proofs has no key: what is undefined is left out.
    constants: Constants = JSON.parse(JSON.stringify({ ...SUBJECT.constants, seedSource: 'drawn-inside', ...o.constants })) as Constants,
    binding: Binding = {
      domain: DOMAIN,
      role,
      manifest: SUBJECT.manifest,
      ...(role === 'trainer' || role === 'prover' ? { statement: SUBJECT.statement } : {}),
      codeIdentity: digestOfJson(codeIdentity),
      constants: digestOfJson(constants),
      nonce: challengeNonce(CHALLENGE),
      challenge: CHALLENGE,
      ...(kind === 'nvidia-gpu' && o.parent ? { parent: digestOfJson(o.parent.binding) } : {}),
      ...o.binding,
    },
    told = (o.told ?? ((r: Bytes) => r))(kind === 'nvidia-gpu' && o.parent ? gpuNonce(binding, o.parent.binding) : bindingHash(binding)),
    evidence = o.own
      ? o.own.evidence(told)
      : kind === 'sev-snp'
        ? s.snpReport(told, o.snp)
        : kind === 'nitro'
          ? s.nitro(told, { ...(o.pcrs ? { pcrs: o.pcrs } : {}), ...o.nitro })
          : s.nvidia(told.subarray(0, 32), o.nvidia);
  return {
    kind,
    role,
    binding,
    codeIdentity,
    constants,
    evidence: {
      format: o.own
        ? o.own.format
        : kind === 'sev-snp'
          ? `snp-report-v${o.snp?.version ?? 3}`
          : kind === 'nitro'
            ? 'nitro-cose-sign1'
            : 'nvidia-nras-eat',
      bytes: evidence,
    },
    collateral: o.collateral ?? (kind === 'sev-snp' ? s.snpCollateral(o.snp) : kind === 'nitro' ? {} : { jwks: s.jwks() }),
    verifiedAt: o.verifiedAt ?? NOON + 60_000,
    timestamps: o.stampedAt === null ? [] : [s.timeStamp(evidence, o.stampedAt ?? NOON + 120_000)],
  };
}

/** What the verifier of the simulator's cards expects: strict but for what it names. */
export const rulesJson = (s: Simulator, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  measurements: [{ measurement: hex(MEASUREMENT) }, { pcr0: hex(MEASUREMENT) }],
  leastTcb: { Genoa: { bootLoader: 10, microcode: 84 }, Turin: { microcode: 84 }, Milan: { microcode: 84 } },
  challenges: [{ value: CHALLENGE, notBefore: '2026-11-20T11:59:00Z' }],
  timestampAuthorities: [s.tsaKey()],
  nvidiaKeys: [s.nvidiaKey()],
  greatestAgeDays: 30,
  ...more,
});
