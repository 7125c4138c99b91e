import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixture } from '../../../test/fixtures.js';
import { fromHex, toHex, toUtf8 } from '../bytes.js';
import { canonicalBytes, parseJson } from '../json.js';
import { parsePem } from '../ecdsa.js';
import { readCbor } from './cbor.js';
import { ANCHORS, type Anchors, type Collateral } from './evidence.js';
import { dcapVerifier } from './dcap.js';
import { quoteLayout } from './quote.js';
import { parseJwks, verifyJws } from './jws.js';
import { verifyNitro } from './nitro.js';
import { ISSUER, parseTokens, verifyNvidia } from './nvidia.js';
import { parseSnpReport, verifySnp } from './snp.js';
import { tokenOf, verifyTimeStamp } from './time-stamp.js';
import { keyName, parseCertificate, verifyWith } from './x509.js';

/* Evidence of real machines with verdicts that are known, each at its time. */

const read = (f: string): Uint8Array => new Uint8Array(readFileSync(fixture(f)!)),
  text = (f: string): string => readFileSync(fixture(f)!, 'utf8');
const der = (f: string): Uint8Array => (f.endsWith('.pem') ? parsePem(text(f), f)[0].bytes : read(f));

const snp = fixture('vectors/sev-snp/expect.json');
interface SnpCase {
  readonly signature?: boolean;
  readonly chain?: boolean;
  readonly version?: number;
  readonly debug?: boolean;
  readonly vmpl?: number;
}
const snpCases = snp ? (JSON.parse(readFileSync(snp, 'utf8')) as { cases: [string, string, string, SnpCase][] }).cases : [];

function snpVector(report: string, leaf: string, roots: string): { bytes: Uint8Array; collateral: Collateral } {
  const dir = 'vectors/sev-snp/',
    [middle, ark] = parsePem(text(`${dir}roots/${roots}.pem`), roots).map((b) => b.bytes),
    vlek = roots.startsWith('asvk'),
    raw = report.endsWith('.hex')
      ? fromHex(
          text(dir + report)
            .trim()
            .toLowerCase(),
          report,
        )
      : read(dir + report);
  return { bytes: raw, collateral: { [vlek ? 'vlek' : 'vcek']: der(dir + leaf), [vlek ? 'asvk' : 'ask']: middle, ark } };
}
/** A moment at which all certificates of a vector hold. */
const during = (c: Collateral): number => Math.max(...Object.values(c).map((b) => parseCertificate(b, 'vector').from)) + 86400_000;

describe.skipIf(!snp)('SEV-SNP reports', () => {
  it.each(snpCases)('%s with %s under %s', (report, leaf, roots, want) => {
    const { bytes, collateral } = snpVector(report, leaf, roots);
    if (!want.chain) {
      expect(() => verifySnp(bytes, collateral, ANCHORS, during(collateral), 'vector')).toThrow(/vector/);
      return;
    }
    const e = verifySnp(bytes, collateral, ANCHORS, during(collateral), 'vector'),
      found = e.findings.map((f) => f.relax);
    expect(found.includes('debug')).toBe(want.debug ?? false);
    expect(found.includes('vmpl')).toBe((want.vmpl ?? 0) > 0);
    expect(found.includes('report-v2')).toBe(want.version === 2);
    expect(found.includes('vlek')).toBe(roots.startsWith('asvk'));
    expect(found).toContain('no-revocation');
    expect(e.root).toBe(ANCHORS.amd[e.product!]);
    // The same chain by Node's own reader.
    const chain = Object.values(collateral).map((b) => new X509Certificate(b));
    for (const [i, c] of chain.entries()) expect(c.verify(chain[Math.min(i + 1, 2)].publicKey)).toBe(true);
  });
  it('refuses a changed report, another chain, another time, a root of its own, and what lies beside the signature', () => {
    const { bytes, collateral } = snpVector('genoa-v5/report.bin', 'genoa-v5/vcek.der', 'ask_ark_genoa'),
      at = during(collateral),
      check = (b: Uint8Array, c: Collateral = collateral, t = at, a = ANCHORS): unknown => verifySnp(b, c, a, t, 'vector'),
      flipped = (i: number): Uint8Array => bytes.map((x, j) => (i === j ? x ^ 1 : x));
    expect(() => check(flipped(0x50))).toThrow('is not signed by the key of its vcek');
    expect(() => check(flipped(0x2a0 + 60))).toThrow('bytes around the signature are not zero');
    expect(() => check(flipped(0x49f))).toThrow('bytes around the signature are not zero');
    expect(() => check(bytes.subarray(1))).toThrow('1183 bytes');
    expect(() => check(bytes, collateral, at - 365 * 86400_000)).toThrow('is valid from');
    const milan = snpVector('milan-azure/report.bin', 'milan-azure/vcek.pem', 'ask_ark_milan').collateral;
    expect(() => check(bytes, milan)).toThrow('the report is of Genoa, its chain of Milan');
    expect(() => check(bytes, { ...collateral, ask: milan['ask'] })).toThrow('names another issuer');
    expect(() => check(bytes, { ...collateral, ark: milan['ask'] })).toThrow("is not one of AMD's");
    expect(() => check(bytes, collateral, at, { ...ANCHORS, amd: {} })).toThrow("is not one of AMD's");
    // Another Genoa chip's VCEK.
    const other = snpVector('genoa-azure/report.bin', 'genoa-azure/vcek.pem', 'ask_ark_genoa').collateral;
    expect(() => check(bytes, { ...collateral, vcek: other['vcek'] })).toThrow('vcek is for snp 23, the report has 27');
  });
  it('reads the report of a paravisor, whose report data are not the binding of a card', () => {
    const b = read('vectors/azure-vtpm/snp-hcl-report.bin');
    expect(() => parseSnpReport(b, 'azure')).toThrow('2600 bytes');
    // The report lies inside, behind a header of 32 bytes.
    const r = parseSnpReport(b.subarray(32, 32 + 1184), 'azure');
    expect(toHex(r.reportData.subarray(32))).toMatch(/^0+$/);
  });
});

const nitro = fixture('vectors/aws-nitro/expect.json');
const nitroCases = nitro
  ? (JSON.parse(readFileSync(nitro, 'utf8')) as { cases: [string, { at: string; debug: boolean; pcr0?: string }][] }).cases.filter(
      ([f]) => f !== 'any',
    )
  : [];
const nitroDocument = (f: string): Uint8Array => {
  const file = `vectors/aws-nitro/${f}`;
  if (f.endsWith('.b64')) return new Uint8Array(Buffer.from(text(file).trim(), 'base64'));
  return f.endsWith('.hex') ? fromHex(text(file).trim(), f) : read(file);
};

describe.skipIf(!nitro)('AWS Nitro documents', () => {
  it.each(nitroCases)('%s', (f, want) => {
    const b = nitroDocument(f),
      at = Date.parse((want as { at: string }).at),
      e = verifyNitro(b, ANCHORS, at, 'vector');
    expect(e.signedAt).toBe(at);
    expect(e.findings.length > 0).toBe(want.debug);
    if (want.pcr0) expect(e.measurement['pcr0']).toBe(want.pcr0);
    expect(() => verifyNitro(b, ANCHORS, Date.parse('2026-11-28T00:00:00Z'), 'vector')).toThrow('is valid from');
    expect(() => verifyNitro(b, ANCHORS, at - 3 * 3600_000, 'vector')).toThrow('after the time');
    expect(() => verifyNitro(b, { ...ANCHORS, aws: [] }, at, 'vector')).toThrow('is not one that is believed');
  });
  it('pins the root that AWS publishes', () => {
    expect(keyName(parseCertificate(der('vectors/aws-nitro/root-G1.pem'), 'root'))).toBe(ANCHORS.aws[0]);
  });
  it('35: COSE of any other form is refused', () => {
    const b = nitroDocument('oyster/aws.bin'),
      at = Date.parse('2024-12-13T07:37:58.960Z'),
      no = (x: Uint8Array, why: string): void => expect(() => verifyNitro(x, ANCHORS, at, 'v')).toThrow(why);
    no(Uint8Array.of(...b, 0), '1 bytes after the end');
    no(
      b.map((x, i) => (i === 1000 ? x ^ 1 : x)),
      'v',
    );
    no(Uint8Array.of(0xd2, ...b), 'a tag');
    no(Uint8Array.of(0x84, 0x44, 0xa1, 1, 0x38, 0x22, 0xa1, 1, 0x38, 0x22, 0xf6, 0x40), 'unprotected header');
    no(Uint8Array.of(0x84, 0x44, 0xa1, 1, 0x38, 0x22, 0xa0, 0xf6, 0x40), 'no payload');
    no(Uint8Array.of(0x84, 0x43, 0xa1, 1, 0x26, 0xa0, 0x40, 0x40), 'protected header');
  });
});

describe('CBOR', () => {
  it.each([
    ['a2 01 01 01 02', 'a second time'],
    ['a2 61 61 01 61 61 02', 'a second time'],
    ['18 01', 'shortest'],
    ['19 00 ff', 'shortest'],
    ['1b ff ff ff ff ff ff ff ff', 'beyond 2^53'],
    ['5b 00 00 00 ff 00 00 00 00', 'cut short'],
    ['9b 00 00 00 ff 00 00 00 00', 'cut short'],
    ['9f 01 ff', 'indefinite'],
    ['5f 41 01 ff', 'indefinite'],
    ['f9 3c 00', 'neither true'],
    ['c0 00', 'a tag'],
    ['a1 f5 01', 'a key'],
    ['61 ff', 'UTF-8'],
    ['01 01', 'after the end'],
    ['', 'cut short'],
    [`${'81 '.repeat(20000)}01`, 'levels'],
  ])('refuses %.40s', (t, why) => {
    expect(() => readCbor(fromHex(t.replaceAll(' ', ''), 'test'), 'test')).toThrow(why);
  });
  it('takes indefinite lists and maps where it may, of bounded depth', () => {
    expect(readCbor(fromHex('bf6161019f0203ffff'.replace('9f0203ff', ''), 'test').subarray(0), 'test', true)).toEqual(new Map([['a', 1]]));
    expect(readCbor(fromHex('9f01820203ff', 'test'), 'test', true)).toEqual([1, [2, 3]]);
    expect(() => readCbor(new Uint8Array(100_000).fill(0x9f), 'test', true)).toThrow('levels');
  });
});

const eat = fixture('vectors/nvidia/expect.json');
describe.skipIf(!eat)('NVIDIA tokens', () => {
  const detached = (f: string): Uint8Array => canonicalBytes(parseJson(read(`vectors/nvidia/nras/${f}`), f, { bytes: 1 << 20 })),
    jwks = (): Uint8Array => read('vectors/nvidia/nras/recovered-jwks.json'),
    anchors = (): Anchors => ({ ...ANCHORS, nvidia: parseJwks(jwks(), 'jwks').map((k) => keyName({ spki: k.key.spki })) }),
    at = Date.parse('2025-06-11T00:45:00Z');
  it('the production token of a GPU verifies during its hour, under keys that the verifier names', () => {
    const [e, ...more] = verifyNvidia(detached('hopper_v3_detached_eat.json'), { jwks: jwks() }, anchors(), at, 'v');
    expect(more).toEqual([]);
    expect(e.measurement).toEqual({ hwmodel: 'GH100 A01 GSP BROM', driver: '550.90.07', vbios: '96.00.9F.00.01' });
    const check = (t: number, a = anchors()): unknown => verifyNvidia(detached('hopper_v3_detached_eat.json'), { jwks: jwks() }, a, t, 'v');
    expect(() => check(at - 3600_000)).toThrow('it holds from');
    expect(() => check(at + 3600_000)).toThrow('it holds from');
    expect(() => check(at, ANCHORS)).toThrow('is not one that is believed');
  });
  it('29: a token of the staging service is refused', () => {
    expect(() =>
      verifyNvidia(detached('switch_detached_eat.json'), { jwks: jwks() }, anchors(), Date.parse('2025-06-29T00:10:00Z'), 'v'),
    ).toThrow(`not "${ISSUER}"`);
  });
  it('is refused in any other form than canonical JSON', () => {
    expect(() => parseTokens(read('vectors/nvidia/nras/hopper_v3_detached_eat.json'), 'v')).toThrow('canonical');
  });
});

const ear = fixture('vectors/rats/ear/test.jwt');
describe.skipIf(!ear)('tokens of other attestation services', () => {
  const jwks = (): Uint8Array => {
    const k = JSON.parse(text('vectors/rats/ear/pkey.json')) as Record<string, unknown>;
    return toUtf8(JSON.stringify({ keys: [{ kid: 'k', ...k }] }));
  };
  it('a token verifies under the key that is given', () => {
    expect(verifyJws(text('vectors/rats/ear/test.jwt').trim(), parseJwks(jwks(), 'k'), 'v').claims['submods']).toBeDefined();
  });
  it('30: a key that came with the token is refused, and so is a foreign one', () => {
    expect(() => verifyJws(text('vectors/rats/ear/test-with-embedded-jwk.jwt').trim(), parseJwks(jwks(), 'k'), 'v')).toThrow(
      'its header brings jwk',
    );
    expect(() => verifyJws(text('vectors/rats/ear/trustee-realm-expired.jwt').trim(), parseJwks(jwks(), 'k'), 'v')).toThrow('v');
  });
  it('RS256 of a foreign service is refused, although its chain is good', () => {
    const token = text('vectors/google-confidential-space/sample.jwt').trim(),
      header = JSON.parse(Buffer.from(token.split('.')[0], 'base64url').toString()) as { x5c: string[] },
      [leaf, middle, root] = header.x5c.map((c) => parseCertificate(new Uint8Array(Buffer.from(c, 'base64')), 'x5c'));
    for (const [c, by] of [
      [leaf, middle],
      [middle, root],
      [root, root],
    ])
      expect(verifyWith(by.key, c.algorithm, c.tbs, c.signature, 'x5c')).toBe(true);
    expect(() => verifyJws(token, parseJwks(jwks(), 'k'), 'v')).toThrow('its header brings x5c');
  });
});

describe.skipIf(!eat)('SPDM reports of GPUs, which are no evidence of a card', () => {
  const hexText = (f: string): Uint8Array => fromHex(text(`vectors/nvidia/spdm/${f}`).trim().toLowerCase(), f),
    signed = (report: string, chain: string): boolean => {
      const b = hexText(report),
        leaf = parseCertificate(parsePem(text(`vectors/nvidia/spdm/${chain}`), chain)[0].bytes, chain);
      return verifyWith(leaf.key, { kind: 'ecdsa', hash: 'sha384' }, b.subarray(0, -96), b.subarray(-96), report, true);
    };
  it.each([
    ['hopperAttestationReport.txt', 'hopperCertChain.txt', true],
    ['hopperAttestationReportInvalidSignature.txt', 'hopperCertChain.txt', false],
    ['blackwellAttestationReport.txt', 'blackwellCertChain.txt', true],
    ['parsed_hopperAttestationReport.txt', 'parsed_hopperCertChain.txt', true],
    ['hopperAttestationReportExpired.txt', 'hopperCertChainExpired.txt', true],
  ])('%s under %s: %s', (report, chain, good) => {
    expect(signed(report, chain)).toBe(good);
  });
});

const dcap = dcapVerifier(),
  tdx = fixture('vectors/tdx-extra/expect.json') && fixture('vectors/tdx-phala-dcap-qvl/sgx_quote');
describe.skipIf(!tdx || !dcap)('TDX and SGX quotes, where @phala/dcap-qvl is installed', () => {
  const check = dcap!,
    phala = (f: string): Uint8Array => read(`vectors/tdx-phala-dcap-qvl/${f}`),
    /** Collateral in the form of the library's samples. */
    sample = (f: string): Record<string, Uint8Array> =>
      Object.fromEntries(
        Object.entries(JSON.parse(text(`vectors/tdx-phala-dcap-qvl/${f}`)) as Record<string, string>).map(([k, v]) => [
          k,
          /_crl$|signature$/.test(k) ? fromHex(v, k) : toUtf8(v),
        ]),
      ),
    /** Collateral of Intel's service of March 2026, for a family of platforms. */
    pcs = (fmspc: string): Record<string, Uint8Array> => {
      const at = (f: string): string => `vectors/tdx-extra/collateral/${f}`,
        // Signed over the text as it came.
        part = (f: string, name: string): [Uint8Array, Uint8Array] => {
          const m = new RegExp(`^\\{"${name}":(.*),"signature":"([0-9a-f]+)"\\}$`, 's').exec(text(at(f)).trim())!;
          return [toUtf8(m[1]), fromHex(m[2], f)];
        },
        [tcb, tcbSignature] = part(`tcb_info_${fmspc}.json`, 'tcbInfo'),
        [qe, qeSignature] = part('td_qe_identity.json', 'enclaveIdentity');
      return {
        ...sample('tdx_quote_outdated_collateral.json'),
        root_ca_crl: read(at('root_ca_crl.der')),
        pck_crl: read(at('pck_crl_platform.der')),
        tcb_info: tcb,
        tcb_info_signature: tcbSignature,
        qe_identity: qe,
        qe_identity_signature: qeSignature,
        tcb_info_issuer_chain: toUtf8(text(at('tcb_signing_chain.pem'))),
        qe_identity_issuer_chain: toUtf8(text(at('qe_identity_signing_chain.pem'))),
      };
    },
    /** A quote without the bytes that its source put behind it. */
    exact = (q: Uint8Array): Uint8Array => {
      const v = new DataView(q.buffer, q.byteOffset),
        version = v.getUint16(0, true),
        signed = 48 + (version === 3 ? 384 : version === 4 ? 584 : 6 + v.getUint32(50, true));
      return q.subarray(0, signed + 4 + v.getUint32(signed, true));
    },
    june = Date.parse('2025-06-20T00:00:00Z'),
    march = Date.parse('2026-03-17T12:00:00Z');

  it('an SGX quote whose platform needs more than an update, by its status and advisories', () => {
    const e = check('sgx', exact(phala('sgx_quote')), sample('sgx_quote_collateral.json'), june, 'v');
    expect([e.status, e.advisories]).toEqual(['ConfigurationAndSWHardeningNeeded', ['INTEL-SA-00289', 'INTEL-SA-00615']]);
    expect(e.reportData.length).toBe(64);
  });
  it('a TDX quote of version 4 that is up to date, and one of version 5', () => {
    expect(check('tdx', exact(phala('tdx_quote')), sample('tdx_quote_collateral.json'), june, 'v').status).toBe('UpToDate');
    const v5 = check('tdx', exact(read('vectors/tdx-go-tdx-guest/quote_v5_sample.dat')), pcs('90c06f000000'), march, 'v');
    expect([v5.status, v5.advisories]).toEqual(['UpToDate', []]);
  });
  it('8, 20: a debug TD, and a platform below every level, are refused', () => {
    expect(() => check('tdx', exact(read('vectors/tdx-extra/tdx_quote_4_debug.dat')), pcs('50806f000000'), march, 'v')).toThrow(
      'Debug mode is enabled',
    );
    expect(() => check('tdx', exact(read('vectors/tdx-go-tdx-guest/tdx_prod_quote_SPR_E4.dat')), pcs('50806f000000'), march, 'v')).toThrow(
      'No matching TCB level',
    );
    expect(() => check('tdx', exact(phala('tdx_quote_outdated')), sample('tdx_quote_outdated_collateral.json'), june, 'v')).toThrow('v');
    expect(() => check('tdx', exact(read('vectors/tdx-extra/tdx_quote_live.dat')), pcs('90c06f000000'), march, 'v')).toThrow('v');
  });
  it('19: bytes after a quote are refused', () => {
    const q = exact(phala('tdx_quote'));
    expect(() => check('tdx', Uint8Array.of(...q, 0), sample('tdx_quote_collateral.json'), june, 'v')).toThrow(
      'does not end where it says',
    );
    expect(() => quoteLayout(q.subarray(0, -1), 'v')).toThrow('does not end where it says');
  });
  it('23, 24: collateral of another platform or of the other kind is refused', () => {
    const q = exact(phala('tdx_quote'));
    expect(() => check('tdx', q, pcs('90c06f000000'), march, 'v')).toThrow('v');
    const sgx = sample('sgx_quote_collateral.json'),
      own = sample('tdx_quote_collateral.json');
    expect(() => check('tdx', q, { ...own, tcb_info: sgx['tcb_info'], tcb_info_signature: sgx['tcb_info_signature'] }, june, 'v')).toThrow(
      /Fmspc mismatch|non-TDX TCB info/,
    );
    expect(() => check('sgx', q, own, june, 'v')).toThrow('is a quote of tdx');
  });
  it('25, 27: outside of its collateral, and without readable revocation lists, nothing holds', () => {
    const q = exact(phala('tdx_quote')),
      own = sample('tdx_quote_collateral.json');
    for (const t of ['2025-06-01T00:00:00Z', '2025-08-01T00:00:00Z', '2026-11-28T00:00:00Z'])
      expect(() => check('tdx', q, own, Date.parse(t), 'v')).toThrow('v');
    const { pck_crl: _, ...without } = own;
    expect(() => check('tdx', q, without, june, 'v')).toThrow('collateral.pck_crl is missing');
    expect(() => check('tdx', q, { ...own, pck_crl: own['pck_crl'].map((x, i) => (i === 200 ? x ^ 1 : x)) }, june, 'v')).toThrow('v');
  });
});

const stamped = fixture('vectors/sigstore-conformance/managed-key-happy-path/bundle.sigstore.json');
describe.skipIf(!stamped)('RFC 3161 tokens', () => {
  const dir = 'vectors/sigstore-conformance/',
    bundle = (name: string) =>
      JSON.parse(text(`${dir}${name}/bundle.sigstore.json`)) as {
        verificationMaterial: { timestampVerificationData: { rfc3161Timestamps: { signedTimestamp: string }[] } };
        dsseEnvelope?: { signatures: { sig: string }[] };
        messageSignature?: { signature: string };
      };
  it.each(['rekor2-happy-path', 'rekor2-dsse-happy-path', 'intoto-with-custom-trust-root'])(
    '25: %s: holds under the roots that are given, over the bytes that it is about, every byte of it',
    (name) => {
      const b = bundle(name),
        token = tokenOf(
          new Uint8Array(Buffer.from(b.verificationMaterial.timestampVerificationData.rfc3161Timestamps[0].signedTimestamp, 'base64')),
          'v',
        ),
        signature = new Uint8Array(Buffer.from(b.dsseEnvelope?.signatures[0].sig ?? b.messageSignature!.signature, 'base64')),
        root = fixture(`${dir}${name}/trusted_root.json`) ?? fixture(`${dir}managed-key-and-trusted-root/trusted_root.json`)!,
        { timestampAuthorities } = JSON.parse(readFileSync(root, 'utf8')) as {
          timestampAuthorities: { certChain: { certificates: { rawBytes: string }[] } }[];
        },
        more = timestampAuthorities.flatMap((t) =>
          t.certChain.certificates.map((c) => parseCertificate(new Uint8Array(Buffer.from(c.rawBytes, 'base64')), 'root')),
        ),
        roots = more.map(keyName),
        r = verifyTimeStamp(token, signature, { roots, more }, 'v');
      expect(new Date(r.by).getUTCFullYear()).toBeGreaterThanOrEqual(2023);
      expect(() =>
        verifyTimeStamp(
          token,
          signature.map((x, i) => (i ? x : x ^ 1)),
          { roots, more },
          'v',
        ),
      ).toThrow('it is about other bytes');
      expect(() => verifyTimeStamp(token, signature, { roots: [], more }, 'v')).toThrow('is not one that is believed');
      // Every byte counts.
      for (let i = 0; i < token.length; i += 7)
        expect(
          () =>
            verifyTimeStamp(
              token.map((x, j) => (i === j ? x ^ 1 : x)),
              signature,
              { roots, more },
              'v',
            ),
          String(i),
        ).toThrow();
    },
  );
});
