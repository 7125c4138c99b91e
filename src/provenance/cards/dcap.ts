import { createRequire } from 'node:module';
import { fromUtf8, toHex } from '../bytes.js';
import { quoteBody, quoteLayout } from './quote.js';

import { InputError, reason } from '../../errors.js';
import { VerificationError } from '../../transcript/arith.js';
import { Members, parseJson } from '../json.js';
import { ANCHORS, type Collateral, type Evidence, onlyCollateral, refuse } from './evidence.js';
import type { DcapVerifier } from './judge-evidence.js';
import { keyName, parseCertificate, verifyCrl } from './x509.js';
import { parsePem } from '../ecdsa.js';

/*
 * Quotes of Intel TDX and SGX, in Node, by @phala/dcap-qvl 0.3.9 with Intel's own root. The library does not look at
 * everything: it takes bytes after a quote, gives back every status but Revoked, and passes over a revocation list that
 * it cannot read. What it leaves out is checked here.
 */

/** Documents of Intel's service that a quote is judged by, as texts or bytes. */
const TEXTS = ['pck_crl_issuer_chain', 'tcb_info_issuer_chain', 'tcb_info', 'qe_identity_issuer_chain', 'qe_identity'] as const,
  BYTES = ['root_ca_crl', 'pck_crl', 'tcb_info_signature', 'qe_identity_signature'] as const;

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

/**
 * Revocation lists of root and platform must be signed by their issuers, hold at that time, and be readable, or nothing
 * is known of them.
 */
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
    onlyCollateral(c, [...TEXTS, ...BYTES], where);
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
    const m = quoteBody(quote, b);
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
