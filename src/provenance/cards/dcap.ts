import { createRequire } from 'node:module';
import { fromUtf8, toHex } from '../bytes.js';

import { InputError, reason } from '../../errors.js';
import { VerificationError } from '../../transcript/arith.js';
import { Members, parseJson } from '../json.js';
import { ANCHORS, type Collateral, type Evidence, refuse } from './evidence.js';
import type { DcapVerifier } from './judge-evidence.js';
import { keyName, parseCertificate, verifyCrl } from './x509.js';
import { parsePem } from '../ecdsa.js';

/*
 * Quotes of Intel TDX and SGX, in Node, by @phala/dcap-qvl 0.3.9 with Intel's own root. The library does not look at everything: it takes bytes after a quote, gives
 * back every status but Revoked, and passes over a revocation list that it cannot read. What it leaves out is checked here.
 */

/** Documents of Intel's service that a quote is judged by, as texts or bytes. */
const TEXTS = ['pck_crl_issuer_chain', 'tcb_info_issuer_chain', 'tcb_info', 'qe_identity_issuer_chain', 'qe_identity'] as const,
  BYTES = ['root_ca_crl', 'pck_crl', 'tcb_info_signature', 'qe_identity_signature'] as const;

const HEADER = 48,
  SGX_BODY = 384,
  MOST_BYTES = 64 << 10;

interface Body {
  readonly kind: 'tdx' | 'sgx';
  /** Where the signed part ends. */ readonly signed: number;
  /** Where the body begins. */ readonly at: number;
}

/** The layout of a quote by version, with its exact end: the length of the signature data is written before them. Throws InputError. */
export function quoteLayout(q: Uint8Array, where: string): Body {
  const bad = (what: string): never => {
    throw new InputError(where, [`is no quote: ${what}`]);
  };
  if (q.length < HEADER + 6 || q.length > MOST_BYTES) return bad(`it has ${q.length} bytes`);
  const v = new DataView(q.buffer, q.byteOffset, q.length),
    version = v.getUint16(0, true),
    tee = v.getUint32(4, true);
  let b: Body;
  if (version === 3 && tee === 0) b = { kind: 'sgx', at: HEADER, signed: HEADER + SGX_BODY };
  else if (version === 4 && tee === 0x81) b = { kind: 'tdx', at: HEADER, signed: HEADER + 584 };
  else if (version === 5 && tee === 0x81) {
    const type = v.getUint16(HEADER, true),
      size = v.getUint32(HEADER + 2, true);
    if (!(type === 2 && size === 584) && !(type === 3 && size === 648)) return bad(`a body of type ${type} and ${size} bytes`);
    b = { kind: 'tdx', at: HEADER + 6, signed: HEADER + 6 + size };
  } else return bad(`version ${version} of TEE type ${tee}`);
  if (b.signed + 4 > q.length || b.signed + 4 + v.getUint32(b.signed, true) !== q.length) return bad('it does not end where it says');
  return b;
}

/** Registers of a quote's body, in Intel's names. */
function measurements(q: Uint8Array, b: Body): { measurement: Record<string, string>; reportData: Uint8Array; debug: boolean } {
  const hex = (at: number, n: number): string => toHex(q.subarray(b.at + at, b.at + at + n));
  if (b.kind === 'sgx') {
    const v = new DataView(q.buffer, q.byteOffset + b.at);
    return {
      measurement: {
        mrenclave: hex(64, 32),
        mrsigner: hex(128, 32),
        isvprodid: String(v.getUint16(256, true)),
        isvsvn: String(v.getUint16(258, true)),
      },
      reportData: q.subarray(b.at + 320, b.at + 384),
      debug: (q[b.at + 48] & 2) !== 0,
    };
  }
  return {
    measurement: {
      mrtd: hex(136, 48),
      mrconfigid: hex(184, 48),
      mrowner: hex(232, 48),
      mrownerconfig: hex(280, 48),
      rtmr0: hex(328, 48),
      rtmr1: hex(376, 48),
      rtmr2: hex(424, 48),
      rtmr3: hex(472, 48),
    },
    reportData: q.subarray(b.at + 520, b.at + 584),
    debug: q[b.at + 120] !== 0,
  };
}

/** Collateral as the library takes it. Texts of JSON are read strictly first. */
function documents(c: Collateral, where: string): Record<string, string> {
  const out: Record<string, string> = {};
  for (const name of [...TEXTS, ...BYTES]) {
    const b = c[name];
    if (!b) throw new InputError(where, [`collateral.${name} is missing`]);
    out[name] = (TEXTS as readonly string[]).includes(name) ? fromUtf8(b, `${where}: ${name}`) : toHex(b);
  }
  for (const name of ['tcb_info', 'qe_identity']) {
    const m = Members.of(parseJson(c[name], `${where}: ${name}`, { bytes: 1 << 18 }), `${where}: ${name}`);
    m.string('issueDate');
  }
  return out;
}

/** Revocation lists of root and platform must be signed by their issuers, hold at that time, and be readable, or nothing is known of them. */
function checkLists(c: Collateral, at: number, where: string): void {
  const chain = parsePem(fromUtf8(c['pck_crl_issuer_chain'], where), where).map((b) =>
      parseCertificate(b.bytes, `${where}: pck_crl_issuer_chain`),
    ),
    [issuer, root] = chain;
  if (chain.length !== 2 || !ANCHORS.intel.includes(keyName(root)))
    refuse(`${where}: the chain of its revocation list does not lead to Intel's root`);
  verifyCrl(c['root_ca_crl'], root, at, `${where}: root_ca_crl`);
  verifyCrl(c['pck_crl'], issuer, at, `${where}: pck_crl`);
}

/** r || s of the library's ECDSA signatures comes as 64 bytes. */
const isRaw = (b: Uint8Array): boolean => b.length === 64;

/** The library as far as it is used. */
interface Library {
  verify(
    quote: Uint8Array,
    collateral: Record<string, string>,
    seconds: number,
  ): { status: string; advisory_ids: string[]; ppid: Uint8Array };
}

/** The verifier of TDX and SGX quotes, or nothing where the library is not installed. */
export function dcapVerifier(): DcapVerifier | undefined {
  let library: Library;
  try {
    library = createRequire(import.meta.url)('@phala/dcap-qvl') as Library;
  } catch {
    return undefined;
  }
  return (kind, quote, c, at, where): Evidence => {
    const b = quoteLayout(quote, where);
    if (b.kind !== kind) throw new InputError(where, [`is a quote of ${b.kind}, not of ${kind}`]);
    const given = documents(c, where);
    for (const name of ['tcb_info_signature', 'qe_identity_signature'])
      if (!isRaw(c[name])) throw new InputError(where, [`collateral.${name} does not have 64 bytes`]);
    checkLists(c, at, where);
    let r: ReturnType<Library['verify']>;
    try {
      r = library.verify(quote, given, Math.floor(at / 1000));
    } catch (e) {
      throw new VerificationError('card evidence', `${where}: ${reason(e)}`);
    }
    const m = measurements(quote, b);
    return {
      kind,
      vendor: 'Intel',
      root: ANCHORS.intel[0],
      machine: toHex(new Uint8Array(r.ppid)),
      measurement: m.measurement,
      reportData: m.reportData,
      status: r.status,
      advisories: r.advisory_ids,
      findings: m.debug ? [{ relax: 'debug', says: 'it may be debugged' }] : [],
      says: [`status ${r.status}${r.advisory_ids.length ? `, advisories ${r.advisory_ids.join(', ')}` : ''}`],
    };
  };
}
