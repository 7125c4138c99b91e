import { spawnSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BundleWithDsseEnvelope, bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { Verifier, toSignedEntity, toTrustMaterial } from '@sigstore/verify';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { fixture } from '../../test/fixtures.js';
import { offlineOnly, parseBundle } from './bundle.js';
import { fromBase64, toBase64, toHex, toUtf8 } from './bytes.js';
import { IN_TOTO, pae, parseEnvelope, verifyEnvelope } from './dsse.js';
import { type PublicKey, compactSignature, parsePublicKey } from './ecdsa.js';
import { hashFile, listFolder } from './folder.js';
import { Members, parseJson } from './json.js';
import { verifyKeyless } from './keyless.js';
import { MODEL_SIG, compareModel, modelStatement, verifyModelSignature } from './oms.js';
import { type SigningKey, readSigningKey, signStatement, signedBundle, signedModel } from './sign.js';
import { compareFiles, fileSubjects, parseStatement, statementBytes } from './statement.js';
import { SVR, svrStatement } from './svr.js';
import { VerificationError } from '../transcript/arith.js';

// 52: whatever is verified here is verified without a socket; one that is opened ends the test.
const opened: string[] = [];
vi.spyOn(Socket.prototype, 'connect').mockImplementation(() => {
  opened.push(new Error('a socket is opened').stack!);
  throw new Error('a socket is opened');
});
afterAll(() => expect(opened).toEqual([]));

const dir = mkdtempSync(join(tmpdir(), 'certune-envelope-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A value of JSON that a test changes somewhere inside. */
// biome-ignore lint/suspicious/noExplicitAny: a test reaches into documents that it has just made.
type Loose = any;

/** A fresh signing key in a file. */
function newKey(name: string, curve = 'P-256'): SigningKey {
  const file = join(dir, name);
  writeFileSync(file, generateKeyPairSync('ec', { namedCurve: curve }).privateKey.export({ type: 'pkcs8', format: 'pem' }), {
    mode: 0o600,
  });
  return readSigningKey(file);
}

const key = newKey('key.pem'),
  other = newKey('other.pem'),
  TYPE = 'https://example.com/predicate/v1',
  payload = statementBytes([{ name: 'run.certune', sha256: 'ab'.repeat(32) }], TYPE, { a: 1 }),
  text = signedBundle(payload, key);

/** What a verifier without a root does with run.sigstore.json: the statement, or an error. */
function read(bytes: Uint8Array, keys: readonly PublicKey[] = [key.public]): Uint8Array {
  const b = parseBundle(bytes, 'bundle');
  offlineOnly(b, 'bundle');
  verifyEnvelope(b.envelope, keys, IN_TOTO, 'bundle');
  return b.envelope.payload;
}
const edit = (f: (b: Record<string, Loose>) => void): Uint8Array => {
  const b = JSON.parse(text) as Record<string, unknown>;
  f(b);
  return toUtf8(JSON.stringify(b));
};

describe('DSSE', () => {
  const vector = fixture('vectors/dsse/protocol_test_vector.json');
  it.skipIf(!vector)('encodes what is signed as the published vector does', () => {
    const v = JSON.parse(readFileSync(vector!, 'utf8')) as Record<string, string>;
    expect(Buffer.from(pae(v['payloadType'], toUtf8(v['payload_utf8']))).toString()).toBe(v['pae_utf8']);
  });
  it('counts bytes, not characters', () => {
    expect(Buffer.from(pae('é', toUtf8('€'))).toString()).toBe('DSSEv1 2 é 3 €');
  });
  it('reads back what it signed, under the key that is given and no other', () => {
    expect(read(toUtf8(text))).toEqual(payload);
    expect(read(toUtf8(text), [other.public, key.public])).toEqual(payload);
    expect(() => read(toUtf8(text), [other.public])).toThrow('is not signed by sha256:');
    expect(() => read(toUtf8(text), [])).toThrow('no key is given');
  });
  it('is verified by @sigstore/verify, and by openssl over the encoding', () => {
    const bundle = bundleFromJSON(JSON.parse(text)) as BundleWithDsseEnvelope,
      trust = toTrustMaterial(TrustedRoot.fromJSON({}), () => ({ publicKey: createPublicKey(key.pem), validFor: () => true }));
    new Verifier(trust, { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 }).verify(toSignedEntity(bundle));
    const { payloadType, signature } = parseBundle(toUtf8(text), 'bundle').envelope;
    writeFileSync(join(dir, 'pae.bin'), pae(payloadType, payload));
    writeFileSync(join(dir, 'sig.der'), signature);
    writeFileSync(join(dir, 'key.pub'), key.pem);
    const r = spawnSync('openssl', ['dgst', '-sha256', '-verify', 'key.pub', '-signature', 'sig.der', 'pae.bin'], {
      cwd: dir,
      encoding: 'utf8',
    });
    if (!r.error) expect([r.status, r.stdout.trim()]).toEqual([0, 'Verified OK']);
  });
});

describe('attacks on the envelope', () => {
  it('41: r || s in place of DER, and the two forms of one signature', () => {
    const { signature } = parseBundle(toUtf8(text), 'bundle').envelope,
      raw = compactSignature('P-256', signature, 'test');
    expect(() => read(edit((b) => (b['dsseEnvelope'].signatures[0].sig = toBase64(raw))))).toThrow('is not DER');
    // Both forms verify, so that a signature is no name: what is verified is the payload.
    const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
      int = (x: bigint): number[] => {
        const h = x.toString(16),
          b = [...Buffer.from(h.length % 2 ? `0${h}` : h, 'hex')];
        return b[0] > 127 ? [0, ...b] : b;
      },
      r = int(BigInt(`0x${toHex(raw.subarray(0, 32))}`)),
      s = int(n - BigInt(`0x${toHex(raw.subarray(32))}`)),
      der = Uint8Array.from([0x30, r.length + s.length + 4, 2, r.length, ...r, 2, s.length, ...s]);
    expect(read(edit((b) => (b['dsseEnvelope'].signatures[0].sig = toBase64(der))))).toEqual(payload);
  });
  it('42: another payload type, signed or not', () => {
    expect(() => read(edit((b) => (b['dsseEnvelope'].payloadType = 'text/plain')))).toThrow('payload type');
    expect(() => read(edit((b) => (b['dsseEnvelope'].payloadType = `${IN_TOTO} `)))).toThrow('payload type');
  });
  it('43: a subject that is absent, there twice, or leads elsewhere', () => {
    const of = (...names: string[]): unknown =>
      fileSubjects(
        parseStatement(
          statementBytes(
            names.map((name) => ({ name, sha256: '00'.repeat(32) })),
            TYPE,
            {},
          ),
          'statement',
        ),
        'statement',
      );
    expect(() => of()).toThrow('subject is empty');
    expect(() => of('a', 'a')).toThrow('twice');
    for (const bad of ['../x', '/x', 'a/../b', './a', 'a//b', 'a\\b', 'C:/x', 'a\u202eb', 'a\u0000', ''])
      expect(() => of(bad), JSON.stringify(bad)).toThrow('subject 0: the name');
    // Another reader might compare another digest than the one that is compared here.
    const two = { _type: 'https://in-toto.io/Statement/v1', predicateType: TYPE, predicate: {} },
      both = { sha256: '00'.repeat(32), sha512: '00'.repeat(64) };
    expect(() =>
      fileSubjects(parseStatement(toUtf8(JSON.stringify({ ...two, subject: [{ name: 'a', digest: both }] })), 's'), 's'),
    ).toThrow('has digests beside SHA-256');
    const there = new Map([['a', '00'.repeat(32)]]);
    expect(() => compareFiles('release', [{ name: 'b', sha256: '00'.repeat(32) }], there)).toThrow(
      '"b" is not there; "a" is not among the signed files',
    );
    expect(() => compareFiles('release', [{ name: 'a', sha256: '01'.repeat(32) }], there)).toThrow('"a" has other bytes');
  });
  it('44: two signatures, or none', () => {
    expect(() => read(edit((b) => b['dsseEnvelope'].signatures.push(b['dsseEnvelope'].signatures[0])))).toThrow('holds 2 signatures');
    expect(() => read(edit((b) => (b['dsseEnvelope'].signatures = [])))).toThrow('holds 0 signatures');
  });
  it('45: another predicate type', () => {
    const model = signedModel(statementBytes([{ name: 'a', sha256: '00'.repeat(32) }], 'https://example.com/x', {}), key);
    expect(() => verifyModelSignature(toUtf8(model), [key.public], 'model.sig')).toThrow('predicate type');
  });
  it('46: a foreign hint says nothing, whatever it says', () => {
    expect(read(edit((b) => (b['verificationMaterial'].publicKey.hint = 'anything')))).toEqual(payload);
    expect(() =>
      read(
        edit((b) => (b['verificationMaterial'].publicKey.hint = toBase64(key.public.spki))),
        [other.public],
      ),
    ).toThrow('not signed by');
  });
  it('47: bundles of version 0.1 and 0.2, of the older spelling, and of an unknown one', () => {
    const type = (t: string) => (): unknown => read(edit((b) => (b['mediaType'] = t)));
    expect(type('application/vnd.dev.sigstore.bundle+json;version=0.1')).toThrow('version 0.1 is not supported');
    expect(type('application/vnd.dev.sigstore.bundle+json;version=0.2')).toThrow('version 0.2 is not supported');
    expect(type('application/vnd.dev.sigstore.bundle+json;version=0.3')).toThrow('is not supported');
    expect(type('application/vnd.dev.sigstore.bundle.v9.1+json')).toThrow('version 9.1 is not supported');
    expect(type('application/json')).toThrow('mediaType');
  });
  it('48: log entries and times that nobody can check', () => {
    expect(() => read(edit((b) => (b['verificationMaterial'].tlogEntries = [{}])))).toThrow('without a trusted root');
    expect(() => read(edit((b) => (b['verificationMaterial'].timestampVerificationData = { rfc3161Timestamps: [{}] })))).toThrow(
      'without a trusted root',
    );
  });
  it('members that nobody knows, keys twice, bombs of depth and size', () => {
    expect(() => read(edit((b) => (b['more'] = 1)))).toThrow('more is not known');
    expect(() => read(edit((b) => (b['messageSignature'] = {})))).toThrow('signs a file as a whole');
    expect(() => read(edit((b) => (b['verificationMaterial'].certificate = {})))).toThrow('2 kinds of signer');
    expect(() => read(toUtf8(text.replace('{"mediaType"', '{"mediaType":"x","mediaType"')))).toThrow('a second time');
    expect(() => read(toUtf8(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`))).toThrow('levels');
    expect(() => read(new Uint8Array((8 << 20) + 1))).toThrow('at most');
    expect(() => statementBytes([{ name: 'a', sha256: '00'.repeat(32) }], TYPE, { a: 'x'.repeat(70_000) })).toThrow('at most 65536');
  });
  /** A reader of each kind of signed file: its statement, as it is read in the end, or an error. */
  const release = statementBytes(
      [
        { name: 'run.certune', sha256: 'ab'.repeat(32) },
        { name: 'adapter_config.json', sha256: 'cd'.repeat(32) },
      ],
      TYPE,
      { a: 1 },
    ),
    svr = svrStatement({
      subjects: [{ name: 'run.certune', sha256: 'ab'.repeat(32) }],
      verifier: 'https://example.com/auditor/v1',
      time: Date.UTC(2026, 10, 28),
      verified: {
        training: true,
        soundness: 128,
        base: true,
        rows: true,
        data: true,
        initial: true,
        adapter: true,
        signed: true,
        attested: [],
      },
    }),
    model = modelStatement('release', [{ name: 'a', sha256: '00'.repeat(32) }]);
  /** Bundles as they stand, or the envelope alone, as other writers of DSSE have it. */
  type Sample = readonly [name: string, text: () => string, read: (b: Uint8Array) => unknown];
  const SAMPLES: readonly Sample[] = [
    [
      'a DSSE envelope',
      () => JSON.stringify((JSON.parse(signedBundle(release, key)) as Loose).dsseEnvelope),
      (b) => {
        const e = parseEnvelope(Members.of(parseJson(b, 'envelope', { bytes: 1 << 20 }), 'envelope'));
        verifyEnvelope(e, [key.public], IN_TOTO, 'envelope');
        return fileSubjects(parseStatement(e.payload, 'envelope'), 'envelope');
      },
    ],
    ['run.sigstore.json', () => signedBundle(release, key), (b) => fileSubjects(parseStatement(read(b), 'bundle'), 'bundle')],
    [MODEL_SIG, () => signedModel(model, key), (b) => verifyModelSignature(b, [key.public], MODEL_SIG).model],
    [
      'a verification result',
      () => signedBundle(svr, key),
      (b) => {
        const s = parseStatement(read(b), 'svr');
        if (s.predicateType !== SVR) throw new VerificationError('predicate type', 'svr');
        return s;
      },
    ],
  ];
  it.each(SAMPLES)(
    '2,500 of 10,000 mutants, of %s: refused by name, or the same statement under the same key',
    { timeout: 0 },
    (_, make, open) => {
      const text = make(),
        original = toUtf8(text),
        first = open(original),
        seen = new Set<string>(),
        accepted = new Map<string, number>(),
        refused = new Map<string, number>();
      let seed = 1;
      const random = (n: number): number => {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        return Math.floor((seed / 2 ** 32) * n);
      };
      // Until so many texts were other ones: a mutant that is there already, or is the original, is none.
      for (let i = 0; seen.size < 2_500; i++) {
        const m = mutant(original, text, i, random),
          name = Buffer.from(m).toString('latin1');
        if (Buffer.compare(Buffer.from(m), Buffer.from(original)) === 0 || seen.has(name)) continue;
        seen.add(name);
        let got: unknown;
        try {
          got = open(m);
        } catch (e) {
          const { name: kind, stack } = e as Error;
          expect(kind, stack).toMatch(/^(InputError|VerificationError|VersionError)$/);
          refused.set(kind, (refused.get(kind) ?? 0) + 1);
          continue;
        }
        expect(JSON.stringify(got)).toBe(JSON.stringify(first));
        const kind = where(m, text);
        accepted.set(kind, (accepted.get(kind) ?? 0) + 1);
      }
      // What no signature guards: the hint of a bundle, the name of a key, white space between members.
      expect([...accepted.keys()].filter((k) => !['the hint', 'white space'].includes(k))).toEqual([]);
      // Some are malformed, and some are well formed and not signed.
      expect(refused.get('InputError')).toBeGreaterThan(500);
      expect(refused.get('VerificationError')).toBeGreaterThan(500);
    },
  );
  /** One mutant: a bit, a character, a piece cut or repeated, bytes of payload or signature. */
  function mutant(original: Uint8Array, text: string, i: number, random: (n: number) => number): Uint8Array {
    const m = original.slice(),
      at = random(m.length),
      n = 1 + random(8),
      piece = m.slice(random(m.length)).slice(0, n);
    if (i % 6 === 0) m[at] ^= 1 << random(8);
    else if (i % 6 === 1) m[at] = 32 + random(95);
    else if (i % 6 === 2) return Uint8Array.from([...m.slice(0, at), ...m.slice(at + n)]);
    else if (i % 6 === 3) return Uint8Array.from([...m.slice(0, at), ...piece, ...m.slice(at)]);
    else {
      // The bytes of the signature or the payload rather than those of the text.
      const b = JSON.parse(text) as Loose,
        e = (b.dsseEnvelope ?? b) as { payload: string; payloadType: string; signatures: { sig: string }[] },
        old = i % 6 === 5 && random(3) === 0 ? e.signatures[0].sig : e.payload,
        bytes = Buffer.from(old, 'base64');
      bytes[random(bytes.length)] ^= 1 << random(8);
      if (random(2)) bytes[random(bytes.length)] = random(256);
      return toUtf8(text.replace(old, bytes.toString('base64')));
    }
    return m;
  }
  /** What a mutant that is accepted differs in. */
  function where(m: Uint8Array, text: string): string {
    const v = JSON.parse(Buffer.from(m).toString()) as Loose,
      w = JSON.parse(text) as Loose;
    if (JSON.stringify(v) === JSON.stringify(w)) return 'white space';
    if (v.verificationMaterial) v.verificationMaterial.publicKey.hint = w.verificationMaterial.publicKey.hint;
    return JSON.stringify(v) === JSON.stringify(w) ? 'the hint' : Buffer.from(m).toString();
  }
});

describe('a signing key', () => {
  it('is P-256, and no message repeats anything of it', () => {
    expect(() => newKey('p384.pem', 'P-384')).toThrow('another kind (secp384r1)');
    const bad = join(dir, 'bad.pem');
    for (const t of ['', 'hello', `-----BEGIN PRIVATE KEY-----\nSECRETSECRET\n-----END PRIVATE KEY-----\n`, key.pem]) {
      writeFileSync(bad, t);
      let message = '';
      try {
        readSigningKey(bad);
      } catch (e) {
        message = (e as Error).message;
      }
      expect(message).toContain(bad);
      expect(message).not.toContain('SECRET');
    }
    writeFileSync(bad, '-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n');
    expect(() => readSigningKey(bad)).toThrow("cosign's own format");
  });
  it('may be encrypted', () => {
    const file = join(dir, 'locked.pem');
    writeFileSync(
      file,
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
        type: 'pkcs8',
        format: 'pem',
        cipher: 'aes-256-cbc',
        passphrase: 'open',
      }),
    );
    expect(() => readSigningKey(file, undefined)).toThrow('set CERTUNE_KEY_PASSPHRASE');
    expect(() => readSigningKey(file, 'wrong')).toThrow('is no private key that can be read');
    expect(readSigningKey(file, 'open').public.curve).toBe('P-256');
  });
});

describe('a signed folder', () => {
  const make = (name: string): string => {
    const d = join(dir, name);
    mkdirSync(join(d, 'sub'), { recursive: true });
    writeFileSync(join(d, 'adapter_config.json'), '{}');
    writeFileSync(join(d, 'sub', 'a.bin'), 'a');
    writeFileSync(join(d, 'é.txt'.normalize('NFC')), 'b');
    writeFileSync(join(d, MODEL_SIG), signedModel(modelStatement(name, filesOf(d)), key));
    return d;
  };
  const filesOf = (d: string): { name: string; sha256: string }[] => [...listFolder(d).files].map(([name, sha256]) => ({ name, sha256 }));
  const check = (d: string): void => {
    const { model } = verifyModelSignature(readFileSync(join(d, MODEL_SIG)), [key.public], MODEL_SIG);
    compareModel(model, listFolder(d, model.ignored), d);
  };
  it('is verified file by file', () => {
    const d = make('good');
    check(d);
    // What is left out always is not looked into: links in it do no harm.
    mkdirSync(join(d, '.git'));
    symlinkSync('/nowhere', join(d, '.git', 'link'));
    check(d);
  });
  it('49: a file added, removed, renamed in case or Unicode form, a link swapped in, a special file', () => {
    const d = make('bad'),
      a = join(d, 'sub', 'a.bin'),
      e = join(d, 'é.txt'.normalize('NFC'));
    writeFileSync(join(d, 'new.py'), '');
    expect(() => check(d)).toThrow('"new.py" is not among the signed files');
    rmSync(join(d, 'new.py'));
    renameSync(a, join(d, 'away'));
    expect(() => check(d)).toThrow('"sub/a.bin" is not there; "away" is not among');
    renameSync(join(d, 'away'), join(d, 'sub', 'A.bin'));
    expect(() => check(d)).toThrow('"sub/a.bin" is not there; "sub/A.bin" is not among');
    renameSync(join(d, 'sub', 'A.bin'), a);
    renameSync(e, join(d, 'é.txt'.normalize('NFD')));
    expect(() => check(d)).toThrow('is not among');
    renameSync(join(d, 'é.txt'.normalize('NFD')), e);
    check(d);
    writeFileSync(join(dir, 'a.bin'), 'a');
    rmSync(a);
    symlinkSync(join(dir, 'a.bin'), a);
    expect(() => check(d)).toThrow('is a symbolic link');
    expect(() => hashFile(a)).toThrow('is a symbolic link');
    rmSync(a);
    if (spawnSync('mkfifo', [a]).status === 0) expect(() => check(d)).toThrow('is a special file');
    rmSync(a, { force: true });
    rmSync(join(d, 'sub'), { recursive: true });
    symlinkSync(dir, join(d, 'sub'));
    expect(() => check(d)).toThrow('sub is a symbolic link');
  });
  it('49: a signer may leave out anything, but nothing that a loader could read may lie there', () => {
    const d = make('left-out'),
      signed = (ignore: string[]): void => {
        const s = JSON.parse(
          Buffer.from(
            modelStatement(
              'x',
              filesOf(d).filter((f) => !ignore.includes(f.name)),
            ),
          ).toString(),
        );
        s.predicate.serialization.ignore_paths.push(...ignore);
        writeFileSync(join(d, MODEL_SIG), signedModel(toUtf8(JSON.stringify(s)), key));
      };
    signed(['adapter_config.json']);
    expect(() => check(d)).toThrow('left out by the signer, and a loader may read it: "adapter_config.json"');
    mkdirSync(join(d, 'logs'));
    writeFileSync(join(d, 'logs', 'train.log'), '');
    signed(['logs']);
    // The list was made before the folder was left out.
    expect(() => check(d)).toThrow('is signed and left out at once');
    rmSync(join(d, 'logs'), { recursive: true });
    signed(['logs']);
    mkdirSync(join(d, 'logs'));
    writeFileSync(join(d, 'logs', 'train.log'), '');
    check(d);
    symlinkSync('/nowhere', join(d, 'logs', 'adapter_model.safetensors'));
    expect(() => check(d)).toThrow('"logs/adapter_model.safetensors"');
    rmSync(join(d, 'logs', 'adapter_model.safetensors'));
    signed(['../x']);
    expect(() => check(d)).toThrow('ignore_paths');
  });
  it('names that meet on some disks, other methods, a root that is not that of the list', () => {
    const of = (change: (s: Loose) => void): Uint8Array => {
      const s = JSON.parse(Buffer.from(modelStatement('x', [{ name: 'a', sha256: '00'.repeat(32) }])).toString());
      change(s);
      return toUtf8(signedModel(toUtf8(JSON.stringify(s)), key));
    };
    const open = (b: Uint8Array) => (): unknown => verifyModelSignature(b, [key.public], MODEL_SIG);
    const twice = (x: string, y: string): Uint8Array =>
      toUtf8(
        signedModel(
          modelStatement(
            'x',
            [x, y].map((name) => ({ name, sha256: '00'.repeat(32) })),
          ),
          key,
        ),
      );
    expect(open(of(() => {}))).not.toThrow();
    expect(open(twice('a', 'A'))).toThrow('one name on some disks');
    expect(open(twice('é'.normalize('NFC'), 'é'.normalize('NFD')))).toThrow('one name on some disks');
    expect(open(twice('a', 'a'))).toThrow('names a file twice');
    expect(open(of((s) => (s.subject[0].digest.sha256 = '11'.repeat(32))))).toThrow('root of the folder');
    expect(open(of((s) => (s.predicate.serialization.allow_symlinks = true)))).toThrow('never followed');
    expect(open(of((s) => (s.predicate.serialization.method = 'shards')))).toThrow('whole files');
    expect(open(of((s) => (s.predicate.serialization.hash_type = 'blake3')))).toThrow('sha256 is read');
    expect(open(of((s) => (s.predicate.resources[0].name = '../a')))).toThrow('".."');
    expect(open(of((s) => s.subject.push(s.subject[0])))).toThrow('2 entries');
  });
  it('is verified within a second beside hashing, with 50 files', () => {
    const d = join(dir, 'fifty');
    mkdirSync(d);
    for (let i = 0; i < 50; i++) writeFileSync(join(d, `f${i}.bin`), Buffer.alloc(100_000, i));
    writeFileSync(join(d, MODEL_SIG), signedModel(modelStatement('fifty', filesOf(d)), key));
    const t0 = performance.now(),
      { model } = verifyModelSignature(readFileSync(join(d, MODEL_SIG)), [key.public], MODEL_SIG),
      listing = listFolder(d, model.ignored),
      t1 = performance.now();
    compareModel(model, listing, d);
    const hashing = (() => {
      const t = performance.now();
      for (let i = 0; i < 50; i++) hashFile(join(d, `f${i}.bin`));
      return performance.now() - t;
    })();
    expect(t1 - t0 - hashing).toBeLessThan(1000);
  });
});

const conformance = fixture('vectors/sigstore-conformance');
describe.skipIf(!conformance)('Sigstore conformance', () => {
  const production = Buffer.from(
      (createRequire(import.meta.url)('@sigstore/tuf/seeds.json') as Record<string, { targets: Record<string, string> }>)[
        'https://tuf-repo-cdn.sigstore.dev'
      ].targets['trusted_root.json'],
      'base64',
    ),
    beacon =
      'https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml',
    identity = { identity: `${beacon}@refs/heads/main`, issuer: 'https://token.actions.githubusercontent.com' },
    cases = (conformance ? readdirSync(conformance) : []).filter((d) => existsSync(join(conformance!, d, 'bundle.sigstore.json'))),
    root = (name: string): Uint8Array => {
      const own = join(conformance!, name, 'trusted_root.json');
      return existsSync(own) ? readFileSync(own) : production;
    };
  const run = async (name: string): Promise<void> => {
    const at = (f: string): string => join(conformance!, name, f),
      artifact = readFileSync(existsSync(at('artifact')) ? at('artifact') : join(conformance!, 'a.txt')),
      signer = existsSync(at('key.pub')) ? { keys: [parsePublicKey(readFileSync(at('key.pub'), 'utf8'), 'key.pub')] } : identity,
      r = await verifyKeyless(readFileSync(at('bundle.sigstore.json')), name, { root: root(name), signer, artifact });
    // Made between the first public log and the day of the vectors.
    expect(r.signedAt).toBeGreaterThan(Date.UTC(2022, 0) / 1000);
    expect(r.signedAt).toBeLessThan(Date.UTC(2026, 11) / 1000);
    if (!r.payload) return;
    writeFileSync(join(dir, 'artifact'), artifact);
    const wanted = hashFile(join(dir, 'artifact'));
    expect(parseStatement(r.payload, name).subject.map((s) => s.digest['sha256'])).toContain(wanted);
  };
  it('has 29 cases', () => expect(cases.length).toBe(29));
  it.each(cases)('%s', async (name) => {
    if (name.endsWith('_fail')) await expect(run(name)).rejects.toThrow(/./);
    else await run(name);
  });
  it('believes the root that is given and no other, and compares identities whole', async () => {
    const bytes = readFileSync(join(conformance!, 'intoto-with-custom-trust-root', 'bundle.sigstore.json')),
      good = root('intoto-with-custom-trust-root'),
      open = (o: Partial<Parameters<typeof verifyKeyless>[2]>): Promise<unknown> =>
        verifyKeyless(bytes, 'bundle', { root: good, signer: identity, ...o });
    await open({});
    await expect(open({ root: production })).rejects.toThrow('under the trusted root');
    await expect(open({ root: toUtf8('{}') })).rejects.toThrow();
    await expect(open({ signer: { ...identity, identity: `${beacon}@refs/heads/mai.` } })).rejects.toThrow('identity');
    await expect(open({ signer: { ...identity, identity: beacon } })).rejects.toThrow('identity');
    await expect(open({ signer: { ...identity, issuer: 'https://token.actions.githubusercontent.co' } })).rejects.toThrow('issuer');
    await expect(open({ signer: { keys: [key.public] } })).rejects.toThrow('signed with a certificate');
    // A signature over a file, with an envelope beside it that nobody signed: the library takes the first it knows.
    const file = JSON.parse(readFileSync(join(conformance!, 'happy-path-v0.3-new-mediaType', 'bundle.sigstore.json'), 'utf8')) as Loose,
      artifact = readFileSync(join(conformance!, 'a.txt')),
      forged = { payloadType: IN_TOTO, payload: toBase64(payload), signatures: [{ sig: toBase64(Uint8Array.of(1)), keyid: '' }] },
      both = { ...file, dsseEnvelope: forged },
      whole = (b: Loose): Promise<unknown> =>
        verifyKeyless(toUtf8(JSON.stringify(b)), 'bundle', { root: production, signer: identity, artifact });
    await whole(file);
    expect(bundleFromJSON(both).content.$case).toBe('messageSignature');
    await expect(whole(both)).rejects.toThrow('holds 2 kinds of content where one belongs');
    await expect(whole({ ...file, messageSignature: undefined })).rejects.toThrow('holds 0 kinds of content');
    await expect(whole({ ...file, more: {} })).rejects.toThrow('more is not known');
    await expect(whole({ ...file, verificationMaterial: { ...file.verificationMaterial, publicKey: { hint: 'x' } } })).rejects.toThrow(
      'holds 2 kinds of signer where one belongs',
    );
    await expect(whole({ ...file, verificationMaterial: { ...file.verificationMaterial, x: 1 } })).rejects.toThrow('x is not known');
    const plain = readFileSync(join(conformance!, 'rekor2-dsse-happy-path', 'bundle.sigstore.json'));
    expect(() => offlineOnly(parseBundle(plain, 'bundle'), 'bundle')).toThrow(/--trusted-root/);
  });
});

const oms = fixture('vectors/oms-model-signing');
describe.skipIf(!oms)('OpenSSF Model Signing', () => {
  const vector = (name: string): Uint8Array => readFileSync(join(oms!, 'test-vectors/v1.0', `${name}.bundle.json`)),
    theirs = (): PublicKey => parsePublicKey(readFileSync(join(oms!, 'signing-key-pub.pem'), 'utf8'), 'key');
  it('verifies the bundles that are signed with a key and with a certificate of that key', () => {
    for (const name of ['valid/key', 'valid/certificate'])
      expect(verifyModelSignature(vector(name), [theirs()], name).model.files.map((f) => f.name)).toEqual(['signme-1', 'signme-2']);
    expect(() => verifyModelSignature(vector('valid/key'), [key.public], 'key')).toThrow();
  });
  it('verifies the keyless bundle under a given root', async () => {
    const production = (createRequire(import.meta.url)('@sigstore/tuf/seeds.json') as Record<string, { targets: Record<string, string> }>)[
        'https://tuf-repo-cdn.sigstore.dev'
      ].targets['trusted_root.json'],
      r = await verifyKeyless(vector('valid/sigstore'), 'sigstore', {
        root: Buffer.from(production, 'base64'),
        signer: { identity: 'stefanb@us.ibm.com', issuer: 'https://sigstore.verify.ibm.com/oauth2' },
      });
    expect(r.logEntries).toBe(1);
    expect(() => verifyModelSignature(vector('valid/sigstore'), [theirs()], 'sigstore')).toThrow('--trusted-root');
  });
  it('refuses the broken ones', () => {
    for (const f of readdirSync(join(oms!, 'test-vectors/v1.0/invalid')))
      expect(() => verifyModelSignature(vector(`invalid/${f.replace('.bundle.json', '')}`), [theirs()], f), f).toThrow(f);
    expect(() => verifyModelSignature(vector('invalid-payload/wrong-predicate'), [theirs()], 'x')).toThrow();
  });
  it('writes what the schemas of the format and @sigstore/verify accept', () => {
    const ajv = new Ajv2020({ strict: false }),
      schema = (n: string): object => JSON.parse(readFileSync(join(oms!, 'schemas/v1.0', `${n}.schema.json`), 'utf8')) as object,
      body = modelStatement('release', [{ name: 'a', sha256: '00'.repeat(32) }]),
      bundle = signedModel(body, key);
    ajv.addSchema(schema('envelope')).addSchema(schema('predicate'));
    const statement = ajv.compile(schema('statement')),
      whole = ajv.compile(schema('bundle'));
    expect([statement(JSON.parse(Buffer.from(body).toString())), statement.errors]).toEqual([true, null]);
    expect([whole(JSON.parse(bundle)), whole.errors]).toEqual([true, null]);
    const trust = toTrustMaterial(TrustedRoot.fromJSON({}), () => ({ publicKey: createPublicKey(key.pem), validFor: () => true }));
    new Verifier(trust, { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 }).verify(
      toSignedEntity(bundleFromJSON(JSON.parse(bundle))),
    );
  });
});

const intoto = fixture('vectors/in-toto-attestation/spec_json_examples.json'),
  predicates = fixture('vectors/predicates');
describe.skipIf(!intoto || !predicates)('in-toto examples', () => {
  const statements = (): [string, unknown][] => [
    ...(JSON.parse(readFileSync(intoto!, 'utf8')) as { examples: { file: string; json: Record<string, unknown> }[] }).examples
      .filter((e) => '_type' in e.json)
      .map((e) => [e.file, e.json] as [string, unknown]),
    ...readdirSync(predicates!)
      .filter((f) => f.startsWith('in-toto'))
      .flatMap((f) => (JSON.parse(readFileSync(join(predicates!, f), 'utf8')) as unknown[]).map((s) => [f, s] as [string, unknown])),
  ];
  it('are read as statements, and refused as lists of released files where their digests are placeholders', () => {
    const all = statements();
    expect(all.length).toBe(21);
    for (const [file, s] of all) {
      const st = parseStatement(toUtf8(JSON.stringify(s)), file);
      expect(st.predicateType).toMatch(/^https:/);
      if (!file.endsWith('reference.md')) expect(() => fileSubjects(st, file), file).toThrow(/has no SHA-256|the name/);
    }
    expect(JSON.parse(readFileSync(intoto!, 'utf8')).examples.length).toBe(14);
  });
});

describe('the parser of envelopes', () => {
  it('takes keyid as any string, or none', () => {
    const { dsseEnvelope } = JSON.parse(text) as { dsseEnvelope: Record<string, Loose> };
    for (const keyid of ['', 'x', null]) {
      const e = { ...dsseEnvelope, signatures: [{ ...dsseEnvelope['signatures'][0], keyid }] };
      expect(parseEnvelope(Members.of(parseJson(toUtf8(JSON.stringify(e)), 'e', { bytes: 1e6 }), 'e')).payload).toEqual(payload);
    }
    expect(fromBase64(dsseEnvelope['payload'], 'x')).toEqual(payload);
    expect(signStatement(payload, key).payload).toBe(payload);
  });
});
