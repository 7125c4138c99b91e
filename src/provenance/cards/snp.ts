import { concatBytes, sameBytes, toHex } from '../bytes.js';
import { TAG, expectTag, integer, readDer } from '../der.js';
import { verifyCompact } from '../ecdsa.js';
import { InputError } from '../../errors.js';
import { type Anchors, type Collateral, type Evidence, type Finding, type Tcb, onlyCollateral, refuse } from './evidence.js';
import { COMMON_NAME, type Certificate, keyName, nameOf, notRevoked, parseCertificates, verifyChain, verifyCrl } from './x509.js';

/*
 * Attestation reports of AMD SEV-SNP (SEV Secure Nested Paging Firmware ABI, table "ATTESTATION_REPORT") and the chain
 * of the key that signs them.
 */

const SIZE = 0x4a0,
  SIGNED = 0x2a0,
  AMD = '1.3.6.1.4.1.3704.1';

/** Bytes of a TCB version by part; the others must be zero. */
const OLD: Readonly<Record<string, number>> = { bootLoader: 0, tee: 1, snp: 6, microcode: 7 },
  TURIN: Readonly<Record<string, number>> = { fmc: 0, bootLoader: 1, tee: 2, snp: 3, microcode: 7 };
/** The same parts in a certificate, by the last arcs of their OIDs. */
const PARTS: Readonly<Record<string, string>> = { bootLoader: '3.1', tee: '3.2', snp: '3.3', microcode: '3.8', fmc: '3.9' };

export interface SnpReport {
  readonly version: number;
  readonly policy: bigint;
  readonly vmpl: number;
  readonly flags: number;
  readonly reportData: Uint8Array;
  readonly measurement: Uint8Array;
  readonly hostData: Uint8Array;
  readonly chipId: Uint8Array;
  /** Milan, Genoa or Turin, where the report says it (from version 3). */ readonly product?: string;
  /** Current, reported, committed and launch TCB: eight bytes each. */ readonly tcb: readonly Uint8Array[];
  /** Mitigations at launch and now (version 5). */ readonly mitigations?: readonly [bigint, bigint];
  readonly signed: Uint8Array;
  /** r || s, big-endian. */ readonly signature: Uint8Array;
}

const zero = (b: Uint8Array): boolean => b.every((x) => x === 0);

/** Product family by CPUID, as AMD's table of families and models has it. */
function productOf(family: number, model: number): string | undefined {
  if (family === 0x19) return model < 0x10 ? 'Milan' : model < 0x20 || (model >= 0xa0 && model < 0xb0) ? 'Genoa' : undefined;
  return family === 0x1a && model < 0x12 ? 'Turin' : undefined;
}

/**
 * Reads a report of 1184 bytes. What lies outside of the signature must be zero, since nothing else guards it. Throws
 * InputError.
 */
export function parseSnpReport(b: Uint8Array, where: string): SnpReport {
  const bad = (what: string): never => {
    throw new InputError(where, [`is no SEV-SNP report: ${what}`]);
  };
  if (b.length !== SIZE) bad(`it has ${b.length} bytes, not ${SIZE}`);
  const v = new DataView(b.buffer, b.byteOffset, b.length),
    version = v.getUint32(0, true);
  if (version !== 2 && version !== 3 && version !== 5) bad(`version ${version} is not known`);
  if (v.getUint32(0x34, true) !== 1) bad('it is not signed by ECDSA on P-384');
  // r and s are little-endian numbers of 72 bytes, of which a P-384 number fills 48.
  const number = (at: number): Uint8Array => b.slice(at, at + 48).reverse();
  if (!zero(b.subarray(SIGNED + 48, SIGNED + 72)) || !zero(b.subarray(SIGNED + 120))) bad('bytes around the signature are not zero');
  const part = (at: number, n: number): Uint8Array => b.subarray(at, at + n),
    product =
      version < 3 ? undefined : (productOf(b[0x188], b[0x189]) ?? bad(`no product of family ${b[0x188]} and model ${b[0x189]} is known`));
  return {
    version,
    policy: v.getBigUint64(8, true),
    vmpl: v.getUint32(0x30, true),
    flags: v.getUint32(0x48, true),
    reportData: part(0x50, 64),
    measurement: part(0x90, 48),
    hostData: part(0xc0, 32),
    chipId: part(0x1a0, 64),
    ...(product === undefined ? {} : { product }),
    tcb: [0x38, 0x180, 0x1e0, 0x1f0].map((at) => part(at, 8)),
    ...(version < 5 ? {} : { mitigations: [v.getBigUint64(0x1f8, true), v.getBigUint64(0x200, true)] as const }),
    signed: b.subarray(0, SIGNED),
    signature: concatBytes(number(SIGNED), number(SIGNED + 72)),
  };
}

export const snpMeasurement = (r: SnpReport): Record<string, string> => ({
  measurement: toHex(r.measurement),
  hostData: toHex(r.hostData),
});

/**
 * Parts of a TCB version in the layout of a product. Throws VerificationError where a byte is set that the layout does
 * not have.
 */
function tcbOf(b: Uint8Array, product: string, where: string): Tcb {
  const layout = product === 'Turin' ? TURIN : OLD,
    used = Object.values(layout);
  if (b.some((x, i) => x !== 0 && !used.includes(i))) refuse(`${where}: the TCB version ${toHex(b)} is not one of ${product}`);
  return Object.fromEntries(Object.entries(layout).map(([name, at]) => [name, b[at]]));
}

/** Value of an extension of AMD's that is an INTEGER. */
function level(c: Certificate, arcs: string, where: string): number {
  const x = c.extensions.get(`${AMD}.${arcs}`);
  if (!x) return refuse(`${where} has no extension ${AMD}.${arcs}`);
  return Number(integer(readDer(x.value, where), where));
}

/** What a VCEK or VLEK says of its chip must be what the report says: product, TCB, hardware id. */
function compareLeaf(leaf: Certificate, r: SnpReport, product: string, vlek: boolean, where: string): void {
  const name = leaf.extensions.get(`${AMD}.2`),
    text = name ? String.fromCharCode(...expectTag(readDer(name.value, where), TAG.ia5, where).content) : '',
    hwid = leaf.extensions.get(`${AMD}.4`)?.value,
    tcb = tcbOf(r.tcb[1], product, where);
  // A stepping may stand behind the product: "Milan-B0".
  if (text.split('-')[0] !== product) refuse(`${where} is for ${JSON.stringify(text)}, the report is of ${product}`);
  for (const [part, value] of Object.entries(tcb))
    if (level(leaf, PARTS[part], where) !== value)
      refuse(`${where} is for ${part} ${level(leaf, PARTS[part], where)}, the report has ${value}`);
  if (vlek) {
    if (hwid) refuse(`${where} names a chip: it is no VLEK`);
    return;
  }
  const size = product === 'Turin' ? 8 : 64;
  if (!hwid) return refuse(`${where} names no chip: it is no VCEK`);
  if (hwid.length !== size) refuse(`${where} names a chip by ${hwid.length} bytes, ${product} has ${size}`);
  if (!sameBytes(hwid, r.chipId.subarray(0, size)) || !zero(r.chipId.subarray(size)))
    refuse(`${where} is for another chip than the report's`);
}

/** What a strict verifier does not admit. */
function findingsOf(r: SnpReport, vlek: boolean, revocation: boolean): Finding[] {
  const bit = (n: number): boolean => ((r.policy >> BigInt(n)) & 1n) === 1n;
  return [
    ...(bit(19) ? [{ relax: 'debug', says: 'the guest may be debugged (policy bit 19)' } as const] : []),
    ...(bit(18) ? [{ relax: 'migration', says: 'the guest may be migrated (policy bit 18)' } as const] : []),
    ...(r.vmpl !== 0 ? [{ relax: 'vmpl', says: `the report was asked for at VMPL ${r.vmpl}` } as const] : []),
    ...(r.version < 3 ? [{ relax: 'report-v2', says: `report version ${r.version} does not say which product it is` } as const] : []),
    ...(vlek ? [{ relax: 'vlek', says: "it is signed by a provider's loaded key (VLEK), not by the chip's own" } as const] : []),
    ...(zero(r.chipId) ? [{ relax: 'masked-chip-id', says: 'the chip id is zero' } as const] : []),
    ...(revocation ? [] : [{ relax: 'no-revocation', says: "AMD's revocation list is not there" } as const]),
  ];
}

/**
 * Verifies a report with collateral `vcek` or `vlek`, `ask` (or `asvk`), `ark`, and `crl` where there is one, at a
 * time. Throws VerificationError ('card evidence', 'card chain', 'card revocation'), InputError.
 */
export function verifySnp(bytes: Uint8Array, c: Collateral, anchors: Anchors, at: number, where: string): Evidence {
  const r = parseSnpReport(bytes, where),
    signer = (r.flags >> 2) & 7,
    vlek = signer === 1,
    leafName = vlek ? 'vlek' : 'vcek',
    signerName = vlek ? 'asvk' : 'ask';
  if (signer > 1) refuse(`${where}: the report is not signed by a key of AMD's`);
  onlyCollateral(c, [leafName, signerName, 'ark', 'crl'], where);
  if (r.flags >> 5) refuse(`${where}: flags that are not known`);
  const chain = [leafName, signerName, 'ark'].map((name): Certificate => {
      const der = c[name];
      if (!der) throw new InputError(where, [`collateral.${name} is missing`]);
      return parseCertificates(der, `${where}: ${name}`, 1)[0];
    }),
    [leaf, middle, ark] = chain,
    root = keyName(ark),
    product = Object.keys(anchors.amd).find((p) => anchors.amd[p] === root);
  if (product === undefined) return refuse(`${where}: the root ${root} is not one of AMD's that are believed`);
  if (r.product !== undefined && r.product !== product) refuse(`${where}: the report is of ${r.product}, its chain of ${product}`);
  // What costs least comes first; all of it must hold.
  compareLeaf(leaf, r, product, vlek, `${where}: ${leafName}`);
  if (leaf.key.kind !== 'ec' || leaf.key.key.curve !== 'P-384' || !verifyCompact(leaf.key.key, 'sha384', r.signed, r.signature))
    refuse(`${where}: the report is not signed by the key of its ${leafName}`);
  verifyChain(
    chain,
    { roots: [root], at, known: ['1', '2', ...Object.values(PARTS), '3.4', '3.5', '3.6', '3.7', '4', '5'].map((x) => `${AMD}.${x}`) },
    where,
  );
  const wanted = vlek ? `SEV-VLEK-${product}` : `SEV-${product}`;
  if (nameOf(middle.subject, COMMON_NAME, where) !== wanted) refuse(`${where}: ${signerName} is not ${wanted}`);
  if (c['crl']) {
    const crl = verifyCrl(c['crl'], ark, at, `${where}: crl`);
    notRevoked(middle, crl, `${where}: ${signerName}`);
    notRevoked(leaf, crl, `${where}: ${leafName}`);
  }
  const [current, reported, committed, launch] = r.tcb.map((x) => tcbOf(x, product, where)),
    mitigations = r.mitigations && r.mitigations[0] & r.mitigations[1];
  return {
    kind: 'sev-snp',
    vendor: 'AMD',
    root,
    product,
    ...(zero(r.chipId) ? {} : { machine: toHex(r.chipId.subarray(0, product === 'Turin' ? 8 : 64)) }),
    measurement: snpMeasurement(r),
    reportData: r.reportData,
    // The current version may be above the others and is what runs; the least of all four is what was ever shown.
    tcb: [reported, committed, launch, current].map((t) => ({
      ...t,
      ...(mitigations === undefined ? {} : { mitigations: Number(mitigations & 0xffff_ffffn) }),
    })),
    findings: findingsOf(r, vlek, c['crl'] !== undefined),
    says: [`report version ${r.version}, VMPL ${r.vmpl}, policy 0x${r.policy.toString(16)}, TCB ${JSON.stringify(reported)}`],
  };
}
