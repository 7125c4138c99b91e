import { createRequire } from 'node:module';
import { fromUtf8, toBase64, toHex } from '../bytes.js';
import { InputError, reason } from '../../errors.js';
import { VerificationError } from '../../transcript/arith.js';
import { octetString, oid, readDer, sequence } from '../der.js';
import { parsePem } from '../ecdsa.js';
import { Members, parseJson } from '../json.js';
import { ANCHORS, type Collateral, type Evidence, onlyCollateral, refuse } from './evidence.js';
import type { DcapVerifier } from './judge-evidence.js';
import { quoteBody, quoteChain, quoteLayout } from './quote.js';
import { COMMON_NAME, type Certificate, keyName, nameOf, notRevoked, parseCertificate, verifyChain, verifyCrl } from './x509.js';

/*
 * Quotes of Intel TDX and SGX, in Node, by @phala/dcap-qvl 0.3.9 with Intel's own root. The library does not look at
 * everything. It takes bytes after a quote, gives back every status but Revoked, never verifies the signature of a
 * revocation list, takes certificates that are no authorities for authorities, and any certificate below the root for
 * the one that signs its documents. What it leaves out is checked here, with our own reader, before it is asked.
 */

/** Documents of Intel's service that a quote is judged by. */
const CHAINS = ['pck_crl_issuer_chain', 'tcb_info_issuer_chain', 'qe_identity_issuer_chain'] as const,
  TEXTS = ['tcb_info', 'qe_identity'] as const,
  BYTES = ['root_ca_crl', 'pck_crl', 'tcb_info_signature', 'qe_identity_signature'] as const;

/** Common names of the certificates that Intel issues. */
const PCK = 'Intel SGX PCK Certificate',
  SIGNER = 'Intel SGX TCB Signing';

/** The library as far as it is used; its type names more. */
export interface QuoteLibrary {
  verify(quote: Uint8Array, collateral: Record<string, string>, seconds: number): { status: string; advisory_ids: string[] };
}

/** What quotes are verified by: time, and names of the roots' keys. */
interface Trust {
  readonly at: number;
  readonly roots: readonly string[];
}

/**
 * PEM as Intel writes it: lines of 64, nothing between certificates. The library reads PEM by looser rules, and is
 * given this text of what was verified here: it must find the same certificates.
 */
const pemOf = (chain: readonly Certificate[]): string =>
  chain
    .map((c) => {
      const lines = toBase64(c.der)
        .match(/.{1,64}/g)!
        .join('\n');
      return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
    })
    .join('');
/** A text without the line break or the zero that some writers put at its end. */
const bare = (text: string): string => text.replace(/[\n\0]{0,2}$/, '');

/** Certificates of a PEM text, leaf first. No signature guards what lies around them, so that nothing may. */
function certificates(pem: Uint8Array, where: string): Certificate[] {
  const text = fromUtf8(pem, where),
    chain = parsePem(text, where).map((b, i) => parseCertificate(b.bytes, `${where}: certificate ${i}`));
  if (bare(text) !== bare(pemOf(chain))) throw new InputError(where, ['is not certificates in PEM alone, in lines of 64 characters']);
  return chain;
}

/** A chain of so many certificates, verified up to a root; the leaf must have the name. */
function chainOf(pem: Uint8Array, name: string, length: number, t: Trust, where: string): Certificate[] {
  const chain = certificates(pem, where);
  if (chain.length !== length) refuse(`${where}: ${chain.length} certificates, ${length} are read`);
  verifyChain(chain, t, where);
  const found = nameOf(chain[0].subject, COMMON_NAME, where);
  if (found !== name) refuse(`${where}: its first certificate is for ${JSON.stringify(found)}, not ${name}`);
  return chain;
}

/** Intel's extension of a platform's certificate, of which the first member is its name (PPID). */
const SGX = '1.2.840.113741.1.13.1';

/** The 16 bytes by which Intel names a platform, as hexadecimal digits. */
function platformOf(leaf: Certificate, where: string): string {
  const x = leaf.extensions.get(SGX);
  for (const part of x ? sequence(readDer(x.value, where), where) : []) {
    const [id, value] = sequence(part, where);
    if (oid(id, where) !== `${SGX}.1`) continue;
    const name = octetString(value, where);
    return name.length === 16 ? toHex(name) : refuse(`${where}: its platform has a name of ${name.length} bytes`);
  }
  return refuse(`${where}: its platform has no name`);
}

/** Chains of the platform's key and of both documents, and their revocation lists: all under the root, at that time. */
function checkChains(
  quote: Uint8Array,
  c: Collateral,
  t: Trust,
  where: string,
): { readonly root: string; readonly machine: string; readonly pem: Record<string, string> } {
  const pck = chainOf(quote, PCK, 3, t, `${where}: certificates of the quote`),
    [leaf, authority, root] = pck,
    lists = certificates(c['pck_crl_issuer_chain'], `${where}: pck_crl_issuer_chain`),
    documents = ['tcb_info_issuer_chain', 'qe_identity_issuer_chain'].map((name) => ({
      name,
      chain: chainOf(c[name], SIGNER, 2, t, `${where}: ${name}`),
    }));
  // Whoever signs the list must be the one that vouches for the platform's key.
  verifyChain([leaf, ...lists], t, `${where}: pck_crl_issuer_chain behind the platform's`);
  const ofRoot = verifyCrl(c['root_ca_crl'], root, t.at, `${where}: root_ca_crl`),
    ofPck = verifyCrl(c['pck_crl'], authority, t.at, `${where}: pck_crl`);
  notRevoked(leaf, ofPck, `${where}: the platform's key`);
  for (const x of [authority, ...documents.map((d) => d.chain[0])]) notRevoked(x, ofRoot, `${where}: root_ca_crl`);
  return {
    root: keyName(root),
    // The library finds none where it cannot read another member of the extension, and says nothing of it.
    machine: platformOf(leaf, where),
    pem: {
      pck_certificate_chain: pemOf(pck),
      pck_crl_issuer_chain: pemOf(lists),
      ...Object.fromEntries(documents.map((d) => [d.name, pemOf(d.chain)])),
    },
  };
}

/** Collateral as the library takes it, chains apart. Texts of JSON are read strictly first. */
function documents(c: Collateral, where: string): Record<string, string> {
  for (const name of [...CHAINS, ...TEXTS, ...BYTES]) if (!c[name]) throw new InputError(where, [`collateral.${name} is missing`]);
  // r || s of an ECDSA signature.
  for (const name of ['tcb_info_signature', 'qe_identity_signature'])
    if (c[name].length !== 64) throw new InputError(where, [`collateral.${name} does not have 64 bytes`]);
  for (const name of TEXTS) {
    const m = Members.of(parseJson(c[name], `${where}: ${name}`, { bytes: 1 << 18 }), `${where}: ${name}`);
    m.string('issueDate');
  }
  return Object.fromEntries([
    ...TEXTS.map((name) => [name, fromUtf8(c[name], `${where}: ${name}`)]),
    ...BYTES.map((name) => [name, toHex(c[name])]),
  ]) as Record<string, string>;
}

/**
 * Verifies quotes by a library, under roots that the caller names. Throws VerificationError ('card evidence', 'card
 * chain', 'card revocation'), InputError.
 */
export const quoteVerifier =
  (library: QuoteLibrary, roots: readonly string[]): DcapVerifier =>
  (kind, quote, c, at, where): Evidence => {
    const b = quoteLayout(quote, where);
    if (b.kind !== kind) throw new InputError(where, [`is a quote of ${b.kind}, not of ${kind}`]);
    onlyCollateral(c, [...CHAINS, ...TEXTS, ...BYTES], where);
    const texts = documents(c, where),
      { root, machine, pem } = checkChains(quoteChain(quote, b, where), c, { at, roots }, where),
      m = quoteBody(quote, b);
    let r: ReturnType<QuoteLibrary['verify']>;
    try {
      r = library.verify(quote, { ...texts, ...pem }, Math.floor(at / 1000));
    } catch (e) {
      throw new VerificationError('card evidence', `${where}: ${reason(e)}`);
    }
    if (!m.intelModule) refuse(`${where}: the module that runs its trust domain is not Intel's, or one for tests`);
    return {
      kind,
      vendor: 'Intel',
      root,
      machine,
      measurement: m.measurement,
      reportData: m.reportData,
      status: r.status,
      advisories: r.advisory_ids,
      findings: m.debug ? [{ relax: 'debug', says: 'it may be debugged' }] : [],
      says: [`status ${r.status}${r.advisory_ids.length ? `, advisories ${r.advisory_ids.join(', ')}` : ''}`],
    };
  };

/** The verifier of TDX and SGX quotes under Intel's root, or nothing where the library is not installed. */
export function dcapVerifier(): DcapVerifier | undefined {
  try {
    return quoteVerifier(createRequire(import.meta.url)('@phala/dcap-qvl') as QuoteLibrary, ANCHORS.intel);
  } catch {
    return undefined;
  }
}
