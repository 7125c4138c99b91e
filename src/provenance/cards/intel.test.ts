import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { Intel, MRENCLAVE, MRTD, PPID, type DocumentOptions, type QuoteOptions, pem } from '../../../test/tee-intel.js';
import { NOON, SUBJECT, Simulator, certificate, makeCard, pair, revocationList, rulesJson } from '../../../test/tee.js';
import { InputError } from '../../errors.js';
import { VerificationError } from '../../transcript/arith.js';
import { concatBytes, toHex, toUtf8 } from '../bytes.js';
import { Members, parseJson } from '../json.js';
import { type Card, cardText, parseCard } from './card.js';
import { type QuoteLibrary, quoteVerifier } from './dcap.js';
import { type CardVerdict, evaluateCards } from './evaluate.js';
import type { Collateral } from './evidence.js';
import { quoteBody, quoteLayout } from './quote.js';
import { parseCardRules } from './rules.js';

/*
 * Cards of simulated TDX and SGX machines, whose quotes are verified by the library under the simulator's root: what
 * counts, and the attacks on what the library does not look at. Numbers are those of the list of attacks.
 */

interface Dcap {
  readonly QuoteVerifier: { newWithRootCa(der: Uint8Array): QuoteLibrary };
}
const dcap = ((): Dcap | undefined => {
  try {
    return createRequire(import.meta.url)('@phala/dcap-qvl') as Dcap;
  } catch {
    return undefined;
  }
})();

type Kind = 'tdx' | 'sgx';
const tee = new Simulator(),
  intel = new Intel(),
  library = dcap?.QuoteVerifier.newWithRootCa(Buffer.from(intel.rootCertificate)),
  NOW = NOON + 86400_000,
  EXPECTED = { measurements: [{ mrtd: toHex(MRTD) }, { mrenclave: toHex(MRENCLAVE) }] };

/** A card over a quote, with the documents of Intel's service. */
function card(kind: Kind, q: QuoteOptions = {}, d: DocumentOptions = {}, more: Collateral = {}): Card {
  const bare = intel.quote(kind, new Uint8Array(64), q);
  return makeCard(tee, {
    kind,
    collateral: { ...intel.documents(kind, d), ...more },
    own: {
      format: kind === 'tdx' ? 'tdx-quote-v4' : 'sgx-quote-v3',
      measurement: quoteBody(bare, quoteLayout(bare, 'test')).measurement,
      evidence: (told) => intel.quote(kind, told, q),
    },
  });
}
function judged(c: Card, more: Record<string, unknown> = {}): CardVerdict {
  const rules = parseCardRules(
    Members.of(parseJson(toUtf8(JSON.stringify(rulesJson(tee, { ...EXPECTED, ...more }))), 'policy', { bytes: 1 << 20 }), 'policy'),
  );
  return evaluateCards(
    [{ file: 'card', card: parseCard(toUtf8(cardText(c)), 'card') }],
    SUBJECT,
    { 'front-end': rules },
    { anchors: tee.anchors(), now: NOW, dcap: quoteVerifier(library!, [intel.rootKey()]) },
  )[0];
}
function not(status: CardVerdict['status'], c: Card, why: string | RegExp, more: Record<string, unknown> = {}): void {
  const v = judged(c, more);
  expect([v.status, v.counted, v.says.join('; ')]).toEqual([status, false, expect.stringMatching(why)]);
}
const refused = (c: Card, why: string | RegExp): void => not('refused', c, why);
const denied = (c: Card, why: string | RegExp): void => not('denied', c, why);
const counts = (c: Card, more: Record<string, unknown> = {}): void =>
  expect(judged(c, more)).toMatchObject({ status: 'attested', counted: true });

/** What the library alone says of a quote with other chains, which are given as they are. */
const alone = (c: Card): string =>
  library!.verify(
    c.evidence.bytes,
    Object.fromEntries(
      Object.entries(c.collateral).map(([k, b]) => [k, /_crl$|_signature$/.test(k) ? toHex(b) : new TextDecoder().decode(b)]),
    ),
    NOON / 1000 + 60,
  ).status;

describe.skipIf(!library)('a card of TDX or SGX, where @phala/dcap-qvl is installed', () => {
  const KINDS = ['tdx', 'sgx'] as const;
  it.each(KINDS)('of %s counts, by the name that Intel gave its platform', (kind) => {
    const v = judged(card(kind), { machines: [toHex(PPID)] });
    expect([v.status, v.machines]).toEqual(['attested', [toHex(PPID)]]);
    expect(v.says[0]).toContain('the key of Intel (root sha256:');
    not('denied', card(kind), 'is denied', { deniedMachines: [toHex(PPID)] });
    not('denied', card(kind), 'is not among those allowed', { machines: ['00'] });
  });
  it('20: a platform that is out of date, or its quoting enclave', () => {
    for (const kind of KINDS) {
      denied(card(kind, {}, { status: 'OutOfDate' }), 'its status is OutOfDate');
      denied(card(kind, {}, { qeStatus: 'OutOfDate' }), 'its status is OutOfDate');
      denied(card(kind, {}, { status: 'SWHardeningNeeded' }), 'its status is SWHardeningNeeded');
      counts(card(kind, {}, { status: 'OutOfDate' }), { statuses: ['OutOfDate'] });
    }
  });
  it('21: a platform that is revoked: by its status, or on a list that the verifier can believe', () => {
    for (const kind of KINDS) {
      refused(card(kind, {}, { status: 'Revoked' }), 'TCB status is invalid: Revoked');
      refused(card(kind, {}, { qeStatus: 'Revoked' }), 'TCB status is invalid: Revoked');
      refused(card(kind, {}, { revoked: [77] }), "the platform's key: the certificate 4d is revoked");
      refused(card(kind, {}, { rootRevoked: [2] }), 'the certificate 02 is revoked');
      refused(card(kind, {}, { rootRevoked: [3] }), 'the certificate 03 is revoked');
      refused(card(kind, {}, {}, { root_ca_crl: revocationList('Intel SGX Root CA', intel.authority) }), 'is not signed by its issuer');
    }
  });
  it("21: a list of the prover's own, which does not name the platform", () => {
    const own = pair('p256'),
      name = 'Intel SGX PCK Platform CA',
      list = revocationList(name, own),
      itself = certificate({ subject: name, issuer: 'Intel SGX Root CA', by: own, of: own, ca: true, serial: 2 }),
      c = card('tdx', {}, { list: { crl: list, chain: [itself, intel.rootCertificate] } });
    refused(c, "pck_crl_issuer_chain behind the platform's: certificate 0 is not signed by the key of the next one");
    // The library verifies no list at all: an empty one of nobody's is as good as Intel's.
    expect(alone(c)).toBe('UpToDate');
    refused(
      card('tdx', {}, { list: { crl: list, chain: [intel.authorityCertificate, intel.rootCertificate] } }),
      'is not signed by its issuer',
    );
    // Another authority below the same root, whose list is good, and about other platforms.
    const other = pair('p256'),
      processor = certificate({
        subject: 'Intel SGX PCK Processor CA',
        issuer: 'Intel SGX Root CA',
        by: intel.root,
        of: other,
        ca: 0,
        serial: 9,
      });
    refused(
      card(
        'tdx',
        {},
        {
          list: { crl: revocationList('Intel SGX PCK Processor CA', other), chain: [processor, intel.rootCertificate] },
        },
      ),
      'certificate 0 names another issuer than the next one',
    );
  });
  it('22: a platform with an advisory that the policy does not tolerate', () => {
    for (const kind of KINDS) {
      const c = card(kind, {}, { advisories: ['INTEL-SA-00960', 'INTEL-SA-00982'] });
      denied(c, 'the advisory INTEL-SA-00960 is open; the advisory INTEL-SA-00982 is open');
      not('denied', c, /^the advisory INTEL-SA-00982 is open$/, { advisories: ['INTEL-SA-00960'] });
      counts(c, { advisories: ['INTEL-SA-00960', 'INTEL-SA-00982'] });
    }
  });
  it('36: a platform whose key was taken, as authority for other platforms or for documents', () => {
    // Whoever has taken one platform's key (docs/threat-model.md) signs for a platform of another name.
    const stolen = pair('p256'),
      evil = intel.pck({ of: stolen, by: intel.platform, issuer: 'Intel SGX PCK Certificate', ppid: new Uint8Array(16).fill(9) }),
      above = [intel.platformCertificate, intel.authorityCertificate, intel.rootCertificate],
      c = card('tdx', { chain: [evil, ...above], platform: stolen });
    refused(c, '4 certificates, 3 are read');
    // The library takes any certificate for an authority.
    expect(alone(c)).toBe('UpToDate');
    const short = certificate({
      subject: 'Intel SGX PCK Platform CA',
      issuer: 'Intel SGX Root CA',
      by: intel.root,
      of: intel.platform,
      serial: 8,
    });
    refused(
      card('tdx', { chain: [intel.pck({ of: stolen, by: intel.platform }), short, intel.rootCertificate], platform: stolen }),
      'is no certificate authority',
    );
    refused(
      card('tdx', { chain: [intel.pck({ ca: true }), intel.authorityCertificate, intel.rootCertificate] }),
      'and is a certificate authority',
    );
    const signer = { key: intel.platform, chain: above },
      documents = card('tdx', {}, { signer });
    refused(documents, 'tcb_info_issuer_chain: 3 certificates, 2 are read');
    expect(alone(documents)).toBe('UpToDate');
    const signing = certificate({ subject: 'Intel SGX TCB Signing', issuer: 'Intel SGX PCK Certificate', by: intel.platform, of: stolen });
    refused(card('tdx', {}, { signer: { key: stolen, chain: [signing, ...above] } }), '4 certificates, 2 are read');
    refused(
      card(
        'tdx',
        {},
        {
          signer: {
            key: stolen,
            chain: [certificate({ subject: 'Intel SGX TCB Signing', issuer: 'x', by: stolen, of: stolen }), intel.rootCertificate],
          },
        },
      ),
      'names another issuer than the next one',
    );
    refused(card('tdx', { chain: [intel.platformCertificate, intel.rootCertificate] }), '2 certificates, 3 are read');
    // Another certificate of Intel's own than the one that signs documents.
    const other = pair('p256'),
      elsewhere = certificate({ subject: 'Intel SGX Attestation Report Signing', issuer: 'Intel SGX Root CA', by: intel.root, of: other });
    refused(
      card('tdx', {}, { signer: { key: other, chain: [elsewhere, intel.rootCertificate] } }),
      'is for "Intel SGX Attestation Report Signing", not Intel SGX TCB Signing',
    );
  });
  it("28: a root of the prover's own", () => {
    const other = new Intel(),
      bare = other.quote('tdx', new Uint8Array(64));
    refused(
      makeCard(tee, {
        kind: 'tdx',
        collateral: other.documents('tdx'),
        own: {
          format: 'tdx-quote-v4',
          measurement: quoteBody(bare, quoteLayout(bare, 'test')).measurement,
          evidence: (told) => other.quote('tdx', told),
        },
      }),
      'is not one that is believed',
    );
  });
  it('8: a trust domain or an enclave that may be debugged, a module that is not of Intel', () => {
    refused(card('tdx', { attributes: [1, 0, 0, 0x10] }), 'Debug mode is enabled');
    refused(card('sgx', { sgxDebug: true }), 'Debug mode is enabled');
    refused(card('tdx', { attributes: [0, 0, 0, 0x30] }), 'Reserved bits in TD attributes');
    refused(card('tdx', { moduleSigner: 1 }), "is not Intel's, or one for tests");
  });
  it('19: bytes after a quote, or in it and of no part', () => {
    const c = card('tdx');
    refused({ ...c, evidence: { ...c.evidence, bytes: concatBytes(c.evidence.bytes, new Uint8Array(1)) } }, 'does not end where it says');
    for (const kind of KINDS) refused(card(kind, { tail: 3 }), 'do not end where it ends');
    refused(card('tdx', { outerType: 5 }), 'are not of type 6');
    refused({ ...c, evidence: { ...c.evidence, format: 'tdx-quote-v5' } }, 'evidence.format is tdx-quote-v5, the evidence has version 4');
    // Text that the library would find a certificate in, and a reader of PEM would not.
    refused(card('tdx', { before: `x${pem(intel.platformCertificate)}` }), 'is not certificates in PEM alone');
  });
  it('23, 24, 25, 27: documents of another platform, of the other kind, of another time; lists that are absent or old', () => {
    refused(card('tdx', {}, { fmspc: '00806f050000' }), 'Fmspc mismatch');
    refused(card('tdx', {}, { id: 'SGX' }), 'non-TDX TCB info');
    refused(card('sgx', {}, { id: 'TDX' }), 'non-SGX TCB info');
    refused(card('tdx', {}, { next: NOON - 1000 }), 'TCBInfo expired');
    const { pck_crl: _, ...without } = intel.documents('tdx') as Record<string, Uint8Array>;
    refused({ ...card('tdx'), collateral: without }, 'collateral.pck_crl is missing');
    const old = { pck_crl: revocationList('Intel SGX PCK Platform CA', intel.authority, [], NOON - 90 * 86400_000, NOON - 86400_000) };
    refused(card('tdx', {}, {}, old), /pck_crl holds from .* not at/);
    refused(card('tdx', {}, {}, { more: new Uint8Array(1) }), 'belongs to no evidence of this kind');
  });
  it.each(KINDS)('every byte of a card of %s counts, around its quote and documents: changed, it is refused', (kind) => {
    const c = card(kind),
      original = toUtf8(cardText(c)),
      text = new TextDecoder().decode(original),
      // The quote and the documents are flipped as bytes below; the time at which they are judged has bounds.
      free = [...text.matchAll(/"[A-Za-z0-9+/=]{80,}"|"verifiedAt":"[^"]*"/g)].map((m) => [m.index, m.index + m[0].length]),
      rules = parseCardRules(
        Members.of(parseJson(toUtf8(JSON.stringify(rulesJson(tee, EXPECTED))), 'policy', { bytes: 1 << 20 }), 'policy'),
      ),
      counted = (b: Uint8Array): boolean => {
        try {
          const file = { file: 'card', card: parseCard(b, 'card') };
          return evaluateCards(
            [file],
            SUBJECT,
            { 'front-end': rules },
            {
              anchors: tee.anchors(),
              now: NOW,
              dcap: quoteVerifier(library!, [intel.rootKey()]),
            },
          )[0].counted;
        } catch (e) {
          if (e instanceof InputError || (e as Error).name === 'VersionError') return false;
          throw e;
        }
      },
      bad: string[] = [];
    expect(counted(original)).toBe(true);
    for (let i = 0; i < original.length - 1; i++) {
      if (free.some(([a, b]) => i >= a && i < b)) continue;
      if (counted(original.map((x, j) => (i === j ? x ^ (1 << (i % 7)) : x)))) bad.push(text.slice(Math.max(0, i - 40), i + 10));
    }
    expect(bad).toEqual([]);
  });
  it.each(KINDS)('every byte of a quote of %s counts, and of its documents: changed, it is refused', (kind) => {
    const c = card(kind),
      verify = quoteVerifier(library!, [intel.rootKey()]),
      flip = (b: Uint8Array, i: number): Uint8Array => b.map((x, j) => (i === j ? x ^ (1 << (i % 8)) : x)),
      holds = (q: Uint8Array, d: Collateral): boolean => {
        try {
          verify(kind, q, d, NOON + 60_000, 'card');
          return true;
        } catch (e) {
          if (e instanceof InputError || e instanceof VerificationError) return false;
          throw e;
        }
      };
    expect(holds(c.evidence.bytes, c.collateral)).toBe(true);
    const free: string[] = [],
      // What the library refuses is refused: it is asked first where it is quicker. Certificates are read here first.
      quick = (bytes: Uint8Array, d: Collateral): boolean => {
        try {
          return alone({ ...c, evidence: { ...c.evidence, bytes }, collateral: d }) !== '';
        } catch {
          return false;
        }
      },
      certificates = new TextDecoder('latin1').decode(c.evidence.bytes).indexOf('-----BEGIN');
    for (let i = 0; i < c.evidence.bytes.length; i++) {
      const q = flip(c.evidence.bytes, i);
      if ((i >= certificates || quick(q, c.collateral)) && holds(q, c.collateral)) free.push(`quote ${i}`);
    }
    for (const [name, b] of Object.entries(c.collateral))
      for (let i = 0; i < b.length; i += kind === 'tdx' ? 7 : 29) {
        const d = { ...c.collateral, [name]: flip(b, i) };
        if ((/chain$/.test(name) || quick(c.evidence.bytes, d)) && holds(c.evidence.bytes, d)) free.push(`${name} ${i}`);
      }
    expect(free).toEqual([]);
  });
});
