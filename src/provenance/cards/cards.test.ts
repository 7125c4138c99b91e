import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MEASUREMENT, NOON, SUBJECT, Simulator, chipId, makeCard, rulesJson } from '../../../test/tee.js';
import {
  type CardOptions,
  type NitroOptions,
  type NvidiaOptions,
  type SnpOptions,
  certificate,
  revocationList,
} from '../../../test/tee.js';
import { InputError } from '../../errors.js';
import { VerificationError } from '../../transcript/arith.js';
import { toHex, toUtf8 } from '../bytes.js';
import { type JsonObject, Members, canonicalBytes, parseJson } from '../json.js';
import { type Card, type Role, bindingHash, cardText, parseCard } from './card.js';
import { type CardFile, type CardVerdict, byRole, evaluateCards, judgeCard, verifyCard } from './evaluate.js';
import { ANCHORS, type Anchors } from './evidence.js';
import { type CardRules, parseAllRules, parseCardRules } from './rules.js';

/*
 * Cards of simulated hardware: what verifies, and the attacks that do not, each with the reason by which it is refused.
 * Numbers are those of the list of attacks.
 */

const tee = new Simulator(),
  NOW = NOON + 86400_000,
  rules = (more: Record<string, unknown> = {}): CardRules =>
    parseCardRules(
      Members.of(parseJson(toUtf8(JSON.stringify(rulesJson(tee, more))), 'policy', { bytes: 1 << 20, numbers: 'all' }), 'policy'),
    );

/** Cards as they come from files, judged under rules for the front end. */
function judged(
  cards: readonly (Card | Uint8Array)[],
  o: {
    readonly rules?: Record<string, unknown>;
    readonly role?: Role;
    readonly now?: number;
    readonly anchors?: Anchors;
    readonly subject?: typeof SUBJECT;
  } = {},
): CardVerdict[] {
  const files = cards.map((c, i): CardFile => {
    const file = `card ${i}`;
    try {
      return { file, card: parseCard(c instanceof Uint8Array ? c : toUtf8(cardText(c)), file) };
    } catch (e) {
      return { file, card: e as Error };
    }
  });
  return evaluateCards(
    files,
    o.subject ?? SUBJECT,
    { [o.role ?? 'front-end']: rules(o.rules) },
    { anchors: o.anchors ?? tee.anchors(), now: o.now ?? NOW },
  );
}
type Judge = Parameters<typeof judged>[1];
function refused(c: Card | Uint8Array, why: string | RegExp, o: Judge = {}, status: CardVerdict['status'] = 'refused'): void {
  const [v] = judged([c], o);
  expect(v.says.join('; ')).toMatch(why);
  expect([v.counted, v.status]).toEqual([false, status]);
}
const denied = (c: Card, why: string | RegExp, o: Judge = {}): void => refused(c, why, o, 'denied');
const counts = (c: Card, o: Judge = {}): void => {
  const [v] = judged([c], o);
  expect([v.says.join('; '), v.counted]).toEqual([expect.stringContaining('attested: '), true]);
};
const card = (o: CardOptions = {}): Card => makeCard(tee, o),
  snp = (o: SnpOptions): Card => card({ snp: o });

describe('a card', () => {
  it.each(['Genoa', 'Turin'])('of SEV-SNP on %s counts, and says whose word it is and what it assumes', (product) => {
    const [v] = judged([snp({ product })], { anchors: tee.anchors(product) });
    expect(v.status).toBe('attested');
    expect(v.says[0]).toContain('the key of AMD (root sha256:');
    expect(v.says[0]).toContain('made between 2026-11-20T11:59:00Z and 2026-11-20T12:02:00Z');
    expect(v.says[1]).toContain('nobody had physical access');
  });
  it('of Nitro counts, at the time that it signs', () => {
    const [v] = judged([card({ kind: 'nitro' })]);
    expect([v.status, v.says[0]]).toEqual([
      'attested',
      expect.stringContaining('made between 2026-11-20T12:00:00Z and 2026-11-20T12:00:00Z'),
    ]);
  });
  it('of a report of version 5 shows its mitigations', () => {
    counts(snp({ version: 5 }));
    denied(snp({ version: 5 }), 'a mitigation of 8 is not in force', { rules: { leastTcb: { Genoa: { mitigations: 8 } } } });
  });
  it('of GPUs counts below the card of its CPU', () => {
    const cpu = card(),
      gpu = card({ kind: 'nvidia-gpu', parent: cpu }),
      gpus = { count: 1, measurements: [{ hwmodel: 'GH100 A01 GSP BROM' }] },
      verdicts = judged([gpu, cpu], { rules: { gpus } });
    expect(verdicts.map((v) => v.status)).toEqual(['attested', 'attested']);
    const role = (n: number): unknown => byRole(verdicts, { 'front-end': rules({ gpus: { ...gpus, count: n } }) })['front-end'];
    expect(role(1)).toEqual({ counted: true, says: expect.stringContaining('card 1: attested') });
    expect(role(2)).toEqual({ counted: false, says: '1 GPUs have a card that counts, the policy asks for 2' });
  });
  it('has one text', () => {
    const text = cardText(card());
    expect(cardText(parseCard(toUtf8(text), 'card'))).toBe(text);
  });
  it('says that a prover needs no trust', () => {
    expect(judged([card({ role: 'prover' })], { role: 'prover' })[0].says.join()).toContain('adds nothing to what the proof shows');
  });
  it('shows its time as declared where nothing bounds it', () => {
    const loose = { challenges: [], timestampAuthorities: [] };
    denied(card(), 'nothing says that it is not older', { rules: loose });
    const { greatestAgeDays: _, ...rest } = { ...rulesJson(tee), ...loose } as Record<string, unknown>,
      r = parseCardRules(Members.of(parseJson(canonicalBytes(rest), 'p', { bytes: 1 << 20 }), 'p'));
    expect(verifyCard(card(), SUBJECT, { anchors: tee.anchors(), now: NOW, rules: r }, 'card').time.says).toBe(
      'time declared (2026-11-20T12:01:00Z)',
    );
  });
});

describe('attacks on the binding', () => {
  const other = `sha256:${'0'.repeat(64)}`;
  it('1: a card of another manifest', () => refused(card({ binding: { manifest: other } }), 'it is about the manifest'));
  it('2: a card of another proof file', () =>
    refused(card({ role: 'trainer', binding: { statement: other } }), 'it is about the proof file', { role: 'trainer' }));
  it('3: report data right in 32 of 64 bytes', () => {
    const half = (r: Uint8Array): Uint8Array => r.map((x, i) => (i < 32 ? x : 0));
    refused(card({ told: half }), /is not the hash of the binding \(all 64 bytes are compared\)/);
    refused(card({ kind: 'nitro', told: (r) => r.subarray(0, 32) }), 'is not the hash of the binding');
    refused(card({ kind: 'nitro', told: (r) => Uint8Array.of(...r, 0) }), 'is not the hash of the binding');
  });
  it('4: fields of a card changed and its evidence kept', () => {
    const c = card();
    refused({ ...c, role: 'sampler' }, 'the binding says front-end', { role: 'sampler' });
    refused(
      { ...c, codeIdentity: { ...c.codeIdentity, package: { ...c.codeIdentity.package, version: '9.9.9' } } },
      'codeIdentity is not what the binding names',
    );
    refused({ ...c, constants: { ...c.constants, seedSource: 'beacon' } }, 'constants is not what the binding names');
    refused({ ...c, binding: { ...c.binding, nonce: '0'.repeat(64) } }, 'its nonce does not come from its challenge');
    const { challenge: _, ...free } = c.binding;
    refused({ ...c, binding: { ...free, nonce: '0'.repeat(64) } }, 'is not the hash of the binding');
    refused(card({ constants: { soundnessBits: 127 } }), 'its soundnessBits is 127');
    refused(card({ constants: { verificationKey: other } }), 'its verification key');
  });
  it('5: a measurement in the card that the evidence does not have', () =>
    refused(
      card({ measurement: { measurement: toHex(MEASUREMENT.map((x) => x + 1)), hostData: '0'.repeat(64) } }),
      "the card's measurement is not that of the evidence",
    ));
  it('6: no expected measurement in the policy', () => {
    denied(card(), 'its measurement is not among the 0 that the policy expects', { rules: { measurements: [] } });
    denied(card(), 'its measurement is not among the 1', { rules: { measurements: [{ measurement: '00' }] } });
    const { measurements: _, ...rest } = rulesJson(tee),
      r = { 'front-end': parseCardRules(Members.of(parseJson(canonicalBytes(rest), 'p', { bytes: 1 << 20 }), 'p')) };
    expect(evaluateCards([{ file: 'c', card: card() }], SUBJECT, r, { anchors: tee.anchors(), now: NOW })[0].status).toBe('denied');
  });
  it('37: evidence of another kind of cloud, by its name', () => {
    for (const kind of ['azure-vtpm', 'google-confidential-space']) {
      const json = JSON.parse(cardText(card())) as JsonObject;
      refused(canonicalBytes({ ...json, kind }), `"${kind}" is not read`);
    }
    refused(canonicalBytes({ ...(JSON.parse(cardText(card())) as JsonObject), kind: 'arm-cca' }), 'version kind arm-cca is not supported');
  });
  it('38: a log that does not replay', () => {
    const digest = 'ab'.repeat(48),
      log = [{ register: 16, digest, event: 'binding' }];
    refused(card({ kind: 'nitro', eventLog: log }), 'the log does not give the register pcr16');
    refused(card({ eventLog: log }), 'has no registers that a log extends');
    refused(card({ kind: 'nitro', eventLog: [{ register: 16, digest: 'ab'.repeat(32), event: 'x' }] }), 'an event has 32 bytes');
  });
});

describe('attacks on the evidence', () => {
  it('7: a guest that may be debugged; a guest that may migrate', () => {
    denied(snp({ policy: 0xb0000 }), 'the guest may be debugged');
    denied(snp({ policy: 0x70000 }), 'the guest may be migrated');
    counts(snp({ policy: 0xb0000 }), { rules: { allow: ['debug'] } });
  });
  it('9: an enclave whose first registers are zero', () => {
    const zero = new Uint8Array(48);
    denied(card({ kind: 'nitro', pcrs: { 0: zero, 1: zero, 2: zero } }), 'the enclave runs in debug mode', {
      rules: { measurements: [{ pcr0: '00'.repeat(48) }] },
    });
    denied(card({ kind: 'nitro', pcrs: { 0: MEASUREMENT, 1: MEASUREMENT } }), 'PCR 2 are zero');
  });
  it('10: a report asked for at VMPL 1', () => denied(snp({ vmpl: 1 }), 'at VMPL 1'));
  it('11: a VLEK for a VCEK', () => {
    denied(snp({ vlek: true }), 'VLEK');
    const c = snp({ vlek: true }),
      { vlek, asvk, ...rest } = c.collateral as Record<string, Uint8Array>;
    refused({ ...snp({}), collateral: { ...rest, vcek: vlek, ask: asvk } }, 'it is no VCEK');
    refused({ ...snp({}), collateral: c.collateral }, /collateral\.\w+ belongs to no evidence of this kind/);
    counts(c, { rules: { allow: ['vlek', 'masked-chip-id'] } });
  });
  it('12: the VCEK of another chip, or of another TCB', () => {
    refused(snp({ hwid: chipId('Genoa').map((x) => x + 1) }), 'is for another chip');
    refused(snp({ leafTcb: { microcode: 85 } }), 'is for microcode 85, the report has 84');
    const impostor = new Simulator();
    refused({ ...card(), collateral: impostor.snpCollateral() }, "is not one of AMD's");
  });
  it('13: Genoa under Milan', () => {
    refused(snp({ cpu: 'Milan' }), 'the report is of Milan, its chain of Genoa');
    refused(snp({ leafProduct: 'Milan' }), 'is for "Milan", the report is of Genoa');
    refused(snp({ product: 'Milan', cpu: 'Genoa' }), 'the report is of Genoa, its chain of Milan', { anchors: tee.anchors('Milan') });
    denied(snp({ product: 'Milan' }), 'the product Milan is denied', { anchors: tee.anchors('Milan') });
    counts(snp({ product: 'Milan' }), { anchors: tee.anchors('Milan'), rules: { products: ['Milan'] } });
  });
  it("14: a TCB in another product's layout", () => {
    const genoa = Uint8Array.of(10, 0, 0, 0, 0, 0, 23, 84);
    refused(snp({ product: 'Turin', rawTcb: genoa }), 'is not one of Turin', { anchors: tee.anchors('Turin') });
    refused(snp({ rawTcb: Uint8Array.of(1, 10, 0, 23, 0, 0, 0, 84) }), 'is not one of Genoa');
  });
  it('15: a hardware id of 8 bytes against one of 64', () => {
    refused(snp({ hwid: chipId('Genoa').subarray(0, 8) }), 'by 8 bytes, Genoa has 64');
    refused(snp({ product: 'Turin', hwid: chipId('Turin') }), 'by 64 bytes, Turin has 8', { anchors: tee.anchors('Turin') });
    refused(snp({ product: 'Turin', chipId: chipId('Genoa') }), 'is for another chip', { anchors: tee.anchors('Turin') });
  });
  it('16: a chip id of zero', () => refused(snp({ chipId: new Uint8Array(64) }), 'is for another chip'));
  it('17, 18: bytes of a report after its signature, and padding of r and s', () => {
    for (const at of [0x2a0 + 48, 0x2a0 + 71, 0x2a0 + 120, 0x330, 0x49f]) {
      const c = card(),
        bytes = c.evidence.bytes.map((x, i) => (i === at ? 1 : x));
      refused({ ...c, evidence: { ...c.evidence, bytes }, timestamps: [] }, 'bytes around the signature are not zero');
    }
  });
  it('a platform below the least versions, or one for which none are named', () => {
    denied(card(), 'its microcode is 84, at least 85', { rules: { leastTcb: { Genoa: { microcode: 85 } } } });
    denied(card(), 'names no least TCB for Genoa', { rules: { leastTcb: {} } });
    denied(snp({ version: 2 }), 'does not say which product');
  });
  it('a machine that is denied, or not among those listed', () => {
    const id = toHex(chipId('Genoa'));
    denied(card(), 'is denied', { rules: { deniedMachines: [id] } });
    denied(card(), 'is not among those allowed', { rules: { machines: [] } });
    counts(card(), { rules: { machines: [id] } });
  });
  it('27: a revocation list that is absent, expired, of somebody else, or that names the chain', () => {
    const { crl: _, ...without } = tee.snpCollateral() as Record<string, Uint8Array>;
    denied({ ...card(), collateral: without }, 'revocation list is not there');
    refused(snp({ crlTo: NOON - 1000 }), /card revocation: .* holds from/);
    refused({ ...card(), collateral: { ...without, crl: revocationList('ARK-Genoa', tee.ask) } }, 'is not signed by its issuer');
    refused(snp({ revoked: [2] }), 'is revoked');
  });
  it('28: a root of its own in the collateral', () => {
    refused(makeCard(new Simulator()), "is not one of AMD's that are believed", {
      rules: { timestampAuthorities: [] },
    });
    refused(card(), "is not one of AMD's that are believed", { anchors: ANCHORS });
  });
  it('36: a leaf that is an authority, a middle that is none, a path that is too long', () => {
    refused(snp({ leafCa: true }), 'signs, and is a certificate authority');
    refused(snp({ notCa: true }), 'is no certificate authority');
    const c = card({ kind: 'nitro' });
    refused(
      { ...c, evidence: { ...c.evidence, bytes: tee.nitro(bindingHash(c.binding), { leafCa: true }) }, timestamps: [] },
      'signs, and is',
    );
    const nitro = (o: NitroOptions): Card => card({ kind: 'nitro', nitro: o });
    refused(nitro({ zoneNoCa: true }), 'certificate 1 is no certificate authority');
    counts(nitro({ below: true, pathLen: 1 }));
    refused(nitro({ below: true, pathLen: 0 }), 'certificate 2 allows 0 authorities below it, not 1');
    refused(nitro({ below: true, pathLen: 1, bundle: (root, zone) => [root, zone] }), 'names another issuer than the next one');
  });
  it('36: a bundle that does not come from the root', () => {
    const nitro = (bundle: NitroOptions['bundle']): Card => card({ kind: 'nitro', nitro: { bundle: bundle! } }),
      other = new Simulator(),
      own = certificate({ subject: 'aws root', issuer: 'aws root', by: other.aws, of: other.aws, ca: true });
    refused(
      nitro((_, zone) => [zone]),
      'is not one that is believed',
    );
    refused(
      nitro((root, zone) => [zone, root]),
      'is not one that is believed',
    );
    refused(
      nitro((_, zone) => [own, zone]),
      'is not one that is believed',
    );
    refused(
      nitro((root) => [root]),
      'names another issuer than the next one',
    );
    refused(
      nitro(() => []),
      'certificate or cabundle',
    );
  });
});

describe('attacks on the time', () => {
  it('25: verifiedAt outside of a validity, or after now', () => {
    refused(card({ verifiedAt: NOON - 2 * 365 * 86400_000, stampedAt: null }), 'is valid from');
    refused(card({ kind: 'nitro', verifiedAt: NOON + 4 * 3600_000, stampedAt: null }), 'is valid from');
    refused(card(), 'after the time of this verification', { now: NOON });
  });
  it('26: a policy that names challenges or authorities wants one of them', () => {
    const { challenge: _, ...free } = card().binding,
      bare = makeCard(tee, { binding: { ...free, challenge: undefined, nonce: '0'.repeat(64) } as never, stampedAt: null });
    denied(bare, 'its nonce comes from none of the 1 challenges that the policy names; no authority that the policy names says by when');
    denied(card(), 'none of the 0 challenges', { rules: { challenges: [] } });
    denied(card({ stampedAt: null }), /^no authority that the policy names says by when it existed$/);
    // A list that is empty allows nothing; one that is absent asks for nothing.
    denied(card(), /^no authority that the policy names says by when it existed$/, { rules: { timestampAuthorities: [] } });
    const { challenges: _c, timestampAuthorities: _t, greatestAgeDays: _g, ...rest } = rulesJson(tee),
      r = { 'front-end': parseCardRules(Members.of(parseJson(canonicalBytes(rest), 'p', { bytes: 1 << 20 }), 'p')) };
    expect(evaluateCards([{ file: 'c', card: bare }], SUBJECT, r, { anchors: tee.anchors(), now: NOW })[0].says[0]).toContain(
      'time declared (2026-11-20T12:01:00Z)',
    );
  });
  it('26: a time before its nonce could be known, or after its time stamp', () => {
    refused(card({ verifiedAt: NOON - 3600_000 }), 'when its nonce could be known');
    refused(card({ verifiedAt: NOON + 3600_000 }), 'by which the evidence existed');
    refused(card({ stampedAt: NOON - 3600_000, verifiedAt: NOON - 7200_000 }), 'card time');
    denied(card(), 'it may be', { now: NOON + 40 * 86400_000 });
  });
  it('a time stamp of an authority that nobody named, or over other evidence, or by who may sign none', () => {
    const c = card();
    refused(c, 'is not one that is believed', { rules: { timestampAuthorities: [`sha256:${'0'.repeat(64)}`] } });
    refused({ ...c, timestamps: [tee.timeStamp(toUtf8('other'), NOON + 120_000)] }, 'it is about other bytes');
    refused({ ...c, timestamps: [tee.timeStamp(c.evidence.bytes, NOON + 120_000, { usage: '1.3.6.1.5.5.7.3.3' })] }, 'may not sign times');
  });
});

describe('attacks on tokens of GPUs', () => {
  const cpu = card(),
    rule = { gpus: { count: 1, measurements: [{ driver: '550.90.07' }] } },
    gpu = (o: NvidiaOptions, parent = cpu): Card => card({ kind: 'nvidia-gpu', parent, nvidia: o }),
    no = (c: Card, why: string | RegExp): void => {
      const [v] = judged([c, cpu], { rules: rule });
      expect([v.counted, v.says.join('; ')]).toEqual([false, expect.stringMatching(why)]);
    };
  it('29: of the staging service', () => no(gpu({ issuer: 'https://nras.attestation-stg.nvidia.com' }), 'iss is'));
  it('30: with a key in its header, without an algorithm, with a keyed hash, under a key that is there twice', () => {
    no(gpu({ header: { alg: 'ES384', kid: 'nv-eat-kid', jwk: {} } }), 'its header brings jwk');
    no(gpu({ header: { alg: 'none', kid: 'nv-eat-kid' } }), 'its algorithm is "none"');
    no(gpu({ header: { alg: 'HS256', kid: 'nv-eat-kid' } }), 'its algorithm is "HS256"');
    no({ ...gpu({}), collateral: { jwks: tee.jwks(true) } }, 'twice');
    no({ ...gpu({}), collateral: { jwks: new Simulator().jwks() } }, 'is not signed by the key|is not one that is believed');
  });
  it('31, 32: with the token of another device, or of another number of devices', () => {
    no(gpu({ submodsOf: { 'GPU-0': 'x.y.z' } }), 'is not the one that the overall token names');
    no(gpu({ tokens: { 'GPU-0': tee.jwt({}), 'GPU-1': tee.jwt({}) } }), 'it is about 1 devices, 2 tokens are there');
    no(gpu({ device: { eat_nonce: '0'.repeat(64) } }), 'eat_nonce is');
  });
  it('33: good over all and bad for a device', () => {
    no(gpu({ device: { measres: 'fail' } }), 'measres is "fail"');
    no(gpu({ device: { dbgstat: 'enabled' } }), 'dbgstat is "enabled"');
    no(gpu({ device: { 'x-nvidia-gpu-arch-check': false } }), 'arch-check is false');
    no(
      gpu({
        device: { 'x-nvidia-gpu-driver-rim-cert-chain': { 'x-nvidia-cert-status': 'valid', 'x-nvidia-cert-ocsp-status': 'revoked' } },
      }),
      'ocsp-status is "revoked"',
    );
    no(gpu({ device: { 'x-nvidia-attestation-warning': 'x' } }), 'a warning');
    no(gpu({ overall: { 'x-nvidia-overall-att-result': false } }), 'overall-att-result is false');
    no(gpu({ at: NOON - 7200_000 }), 'it holds from');
  });
  it("34: without a parent, below another's, or asked with another nonce", () => {
    expect(judged([gpu({})], { rules: rule })[0].says.join()).toContain('only below a counted card');
    no(gpu({}, card({ kind: 'nitro' })), 'only below a counted card');
    no(card({ kind: 'nvidia-gpu', parent: cpu, told: (r) => r.map((x, i) => (i === 31 ? x ^ 1 : x)) }), 'is not the hash of the binding');
    const { parent: _, ...bare } = gpu({}).binding;
    no({ ...gpu({}), binding: bare }, 'belongs to cards of GPUs');
  });
});

describe('attacks on the file', () => {
  const text = cardText(card()),
    no = (t: string | Uint8Array, why: string | RegExp): void =>
      expect(() => parseCard(typeof t === 'string' ? toUtf8(t) : t, 'card')).toThrow(why);
  it('39: keys twice, __proto__, unknown fields, floats, upper-case digests, size, depth', () => {
    no(text.replace('"kind":', '"kind":"nitro","kind":'), 'a second time');
    no(text.replace('{"binding"', '{"__proto__":{},"binding"'), '__proto__');
    no(text.replace('"kind":', '"extra":1,"kind":'), /canonical|is not known/);
    no(text.replace('"soundnessBits":128', '"soundnessBits":128.5'), 'no integer');
    no(
      text.replace(/sha256:[0-9a-f]+/, (x) => `sha256:${x.slice(7).toUpperCase()}`),
      'form that it must have',
    );
    no(text.replace('"version":1}', '"version":2}'), 'version 2');
    no(text.replace('"role":', '"role": '), 'canonical');
    no(`${text}\n`, 'canonical');
    no(' '.repeat(600_000), 'at most');
    no(`${'{"a":'.repeat(100_000)}`, 'levels');
    no('[]', 'no object');
    no(text.replace(/"bytes":"[^"]*"/, `"bytes":"${'A'.repeat(200_000)}"`), 'bytes');
  });
  it('40: ten thousand cards, one of them twice', () => {
    const c = card(),
      verdicts = judged([c, c], {});
    expect(verdicts.map((v) => [v.counted, v.status])).toEqual([
      [true, 'attested'],
      [false, 'refused'],
    ]);
    expect(verdicts[1].says).toEqual(['the same binding is there twice']);
    const bad = { file: 'x', card: new InputError('x', ['is bad']) },
      many = Array.from({ length: 10_000 }, (): CardFile => bad),
      start = Date.now();
    expect(
      evaluateCards([...many, { file: 'c', card: c }], SUBJECT, { 'front-end': rules() }, { anchors: tee.anchors(), now: NOW }).filter(
        (v) => v.counted,
      ).length,
    ).toBe(1);
    expect(Date.now() - start).toBeLessThan(5000);
  });
});

/** Whether a card counts, whatever becomes of it; anything but the two errors of hostile bytes is a fault. */
function accepted(bytes: Uint8Array, r: CardRules = rules(), parent?: Card): boolean {
  try {
    const c = parseCard(bytes, 'card'),
      o = { anchors: tee.anchors(), now: NOW };
    return parent
      ? !judgeCard(verifyCard(c, SUBJECT, { ...o, rules: r, parent }, 'card'), r, NOW).length
      : evaluateCards([{ file: 'card', card: c }], SUBJECT, { 'front-end': r }, o)[0].counted;
  } catch (e) {
    if (e instanceof InputError || e instanceof VerificationError || (e as Error).name === 'VersionError') return false;
    throw e;
  }
}

/**
 * What of a card no signature guards: the time at which it is judged, which its two bounds hold; time stamps, where the
 * policy names no authority; keys of a set, and certificates in collateral.tsa, that nothing uses. Everything else is
 * the evidence, which hardware signs, the binding, which the evidence holds, what the binding names, or is signed by
 * whoever issued it.
 */
const UNSIGNED = ['verifiedAt'];

describe('every byte of a card', () => {
  const cpu = card(),
    gpuRules = rules({ gpus: { count: 1, measurements: [{ hwmodel: 'GH100 A01 GSP BROM' }] } });
  it.each(['sev-snp', 'nitro', 'nvidia-gpu'] as const)(
    'of %s counts: changed, the card is refused, or the byte is of a listed unsigned field',
    (kind) => {
      const gpu = kind === 'nvidia-gpu',
        original = toUtf8(cardText(card({ kind, ...(gpu ? { parent: cpu } : {}) }))),
        good = (b: Uint8Array): boolean => (gpu ? accepted(b, gpuRules, cpu) : accepted(b)),
        text = new TextDecoder().decode(original),
        free = UNSIGNED.map((k): readonly [number, number] => {
          const from = text.indexOf(`"${k}":`);
          return [from, text.indexOf('"', from + k.length + 4) + 1];
        }),
        // Long parts in base64 are flipped as bytes below, and here in some places.
        long = [...text.matchAll(/"[A-Za-z0-9+/=]{200,}"/g)].map((m): readonly [number, number] => [
          m.index + 1,
          m.index + m[0].length - 1,
        ]);
      const within = (list: readonly (readonly [number, number])[], i: number): boolean => list.some(([a, b]) => i >= a && i < b);
      expect(good(original)).toBe(true);
      for (let i = 0; i < original.length - 1; i++) {
        if (within(free, i) || (within(long, i) && i % 97)) continue;
        if (good(original.map((x, j) => (i === j ? x ^ (1 << (i % 7)) : x))))
          throw new Error(`byte ${i} of ${kind} may be changed: ${text.slice(Math.max(0, i - 60), i + 20)}`);
      }
      // The last byte is the newline, which may be absent.
      expect(good(original.subarray(0, -1))).toBe(true);
      expect(good(original.map((x, j) => (j === original.length - 1 ? x ^ 1 : x)))).toBe(false);
    },
  );
  it.each(['sev-snp', 'nitro', 'nvidia-gpu'] as const)('of its evidence, and some of its collateral and its time stamp: %s', (kind) => {
    const parent = kind === 'nvidia-gpu' ? { parent: cpu } : {},
      c = card({ kind, ...parent }),
      holds = (changed: Partial<Card>, stamps = false): boolean => {
        try {
          verifyCard(
            { ...c, ...changed },
            SUBJECT,
            { anchors: tee.anchors(), now: NOW, rules: rules(stamps ? {} : { timestampAuthorities: [] }), ...parent },
            'card',
          );
          return true;
        } catch (e) {
          if (e instanceof InputError || e instanceof VerificationError) return false;
          throw e;
        }
      },
      flip = (b: Uint8Array, i: number): Uint8Array => b.map((x, j) => (i === j ? x ^ (1 << (i % 8)) : x));
    expect(holds({}, true)).toBe(true);
    for (let i = 0; i < c.evidence.bytes.length; i++)
      if (holds({ evidence: { ...c.evidence, bytes: flip(c.evidence.bytes, i) } })) throw new Error(`byte ${i} of ${kind} may be changed`);
    for (const [name, b] of Object.entries(c.collateral))
      for (let i = 0; i < b.length; i += 11)
        if (holds({ collateral: { ...c.collateral, [name]: flip(b, i) } })) throw new Error(`byte ${i} of ${name} may be changed`);
    for (let i = 0; i < c.timestamps[0].length; i += 11)
      if (holds({ timestamps: [flip(c.timestamps[0], i)] }, true)) throw new Error(`byte ${i} of the time stamp may be changed`);
  });
});

describe('the schema of cards', () => {
  it('takes every kind of card, and refuses what the reader refuses by its form', () => {
    const file = fileURLToPath(new URL('../../../schemas/card.schema.json', import.meta.url)),
      valid = new Ajv2020({ strict: true, strictRequired: false, strictTypes: false }).compile(
        JSON.parse(readFileSync(file, 'utf8')) as object,
      ),
      json = (c: Card): Record<string, Record<string, unknown>> => JSON.parse(cardText(c)) as Record<string, Record<string, unknown>>,
      cpu = card();
    for (const c of [cpu, card({ kind: 'nitro' }), card({ kind: 'nvidia-gpu', parent: cpu }), card({ role: 'prover' })])
      expect([valid(json(c)), valid.errors ?? null]).toEqual([true, null]);
    for (const change of [
      (c: ReturnType<typeof json>) => delete c['binding']['role'],
      (c: ReturnType<typeof json>) => (c['binding']['parent'] = SUBJECT.manifest),
      (c: ReturnType<typeof json>) => (c['binding']['statement'] = SUBJECT.statement),
      (c: ReturnType<typeof json>) => (c['constants']['soundnessBits'] = 1.5),
      (c: ReturnType<typeof json>) => (c['codeIdentity']['measurement'] = {}),
      (c: ReturnType<typeof json>) => (c['extra'] = {}),
    ]) {
      const c = json(cpu);
      change(c);
      expect(valid(c)).toBe(false);
      expect(() => parseCard(canonicalBytes(c), 'card')).toThrow();
    }
  });
});

describe('mutants', () => {
  it('of ten thousand changed cards none counts that is another card, and none fails in another way', () => {
    const original = toUtf8(cardText(card({ stampedAt: null }))),
      c = parseCard(original, 'card'),
      { timestampAuthorities: _, ...rest } = rulesJson(tee),
      // Without an authority, so that a card without a time stamp counts.
      r = parseCardRules(Members.of(parseJson(canonicalBytes(rest), 'p', { bytes: 1 << 20 }), 'p'));
    let same = 0;
    expect(accepted(original, r)).toBe(true);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255), fc.constantFrom('set', 'cut', 'insert', 'swap')), {
          minLength: 1,
          maxLength: 4,
        }),
        (edits) => {
          let b = original;
          for (const [i, v, how] of edits) {
            if (how === 'set') b = b.map((x, j) => (i === j ? v : x));
            else if (how === 'cut') b = Uint8Array.of(...b.subarray(0, i), ...b.subarray(i + (v % 8)));
            else if (how === 'insert') b = Uint8Array.of(...b.subarray(0, i), v, ...b.subarray(i));
            else b = b.map((x, j) => (j === i ? b[v % b.length] : j === v % b.length ? b[i] : x));
          }
          if (!accepted(b, r)) return;
          same++;
          // What still counts says the same and may only be judged at another time within its bounds.
          const other = parseCard(b, 'card');
          expect({ ...other, verifiedAt: 0 }).toEqual({ ...c, verifiedAt: 0 });
        },
      ),
      { numRuns: 10_000 },
    );
    // Most are other bytes: a mutant that counts has an edit that changes nothing, or another time.
    expect(same).toBeLessThan(1_000);
  });
});

describe("a policy's rules for cards", () => {
  const parse = (x: unknown): unknown =>
    parseAllRules(Members.of(parseJson(toUtf8(JSON.stringify(x)), 'p', { bytes: 1 << 20, numbers: 'all' }), 'p'));
  it.each([
    [{ printer: {} }, 'printer is not known'],
    [{ trainer: { measurement: [] } }, 'measurement is not known'],
    [{ trainer: { measurements: [{}] } }, 'names no register'],
    [{ trainer: { measurements: [{ hostData: '00' }] } }, 'says nothing of the code'],
    [{ trainer: { allow: ['everything'] } }, 'is none of debug'],
    [{ trainer: { kinds: ['nvidia-gpu'] } }, 'is none of'],
    [{ trainer: { products: ['Rome'] } }, 'is none of Milan'],
    [{ trainer: { leastTcb: { Genoa: { ucode: 1 } } } }, 'is none of bootLoader'],
    [{ trainer: { challenges: [{ value: 'x', notBefore: 'yesterday' }] } }, 'is no time'],
    [{ trainer: { challenges: [{ value: 'x', notBefore: '2026-02-30T00:00:00Z' }] } }, 'is no time'],
    [{ trainer: { gpus: { count: 0, measurements: [] } } }, 'is no number'],
    [{ trainer: { machines: ['a', 'a'] } }, 'is there twice'],
    [{ trainer: { statuses: ['Revoked'] } }, 'is none of UpToDate'],
  ])('refuses %j', (x, why) => {
    expect(() => parse(x)).toThrow(why);
  });
});
