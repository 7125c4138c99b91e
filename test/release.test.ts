import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromHex, toUtf8 } from '../src/provenance/bytes.js';
import { hashFile } from '../src/provenance/folder.js';
import { IN_TOTO, verifyEnvelope } from '../src/provenance/dsse.js';
import { parsePem, parsePublicKey } from '../src/provenance/ecdsa.js';
import { parseBundle } from '../src/provenance/bundle.js';
import { parseStatement } from '../src/provenance/statement.js';
import { type Card, cardText, digestOfJson, parseCard } from '../src/provenance/cards/card.js';
import { cardsFolder } from '../src/cli/cards-folder.js';
import { subjectOf } from '../src/cli/cards.js';
import { readProofFile } from '../src/store/proof.js';
import { readSigningKey, signedBundle } from '../src/provenance/sign.js';
import { NOON, Simulator, makeCard, rulesJson } from './tee.js';
import { fixture } from './fixtures.js';
import { verifyCardFile } from '../src/cli/card.js';
import { Progress } from '../src/cli/progress.js';
import { verifyRelease } from '../src/cli/verify-release.js';
import { measuredOf } from '../src/provenance/cards/measured.js';
import { setSmall } from './run-settings.js';

/*
 * A release by the command line: made, signed, verified file by file, judged by policies, attacked. The command runs
 * with a preloaded module that ends it where anything opens a socket.
 */

const root = fileURLToPath(new URL('..', import.meta.url)),
  bin = join(root, 'bin/certune.js'),
  base = join(root, 'test/data/tiny'),
  data = join(root, 'test/data/pairs.jsonl'),
  home = mkdtempSync(join(tmpdir(), 'certune-release-')),
  at = (...p: string[]): string => join(home, ...p),
  noSockets = at('no-sockets.mjs');
afterAll(() => rmSync(home, { recursive: true, force: true }));

// 52: no command that verifies opens a socket, in any of its threads.
writeFileSync(
  noSockets,
  `import { Socket } from 'node:net';
import dns from 'node:dns';
import dgram from 'node:dgram';
const never = () => { process.stderr.write('A SOCKET IS OPENED\\n'); process.kill(process.pid, 'SIGKILL'); };
Socket.prototype.connect = never;
dns.lookup = never;
dgram.createSocket = never;
`,
);

// biome-ignore lint/suspicious/noExplicitAny: a document of the command line, whose fields each test names
type Json = Record<string, any>;
const certune = (...args: string[]): SpawnSyncReturns<string> =>
  spawnSync(process.execPath, [bin, ...args], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: `--import=${noSockets}` },
  });
/** The document of a command that must end with a code. */
function json(exit: number, ...args: string[]): Json {
  const r = certune(...args, '--json');
  expect(`${r.status} ${r.stdout}${r.stderr}`).toMatch(new RegExp(`^${exit} `));
  return JSON.parse(r.stdout) as Json;
}
/** The message of a command that must fail. */
const fails = (exit: number, ...args: string[]): string => json(exit, ...args)['error'].message as string;

const run = at('run'),
  release = at('release'),
  given = ['--base', base, '--data', data],
  signer = ['--signer', at('key.pub')];

function newKey(name: string): void {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(at(`${name}.pem`), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  writeFileSync(at(`${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }));
}
const policy = (name: string, rules: Json): string => {
  writeFileSync(at(name), JSON.stringify({ type: 'certune-policy', version: 1, ...rules }));
  return at(name);
};
/** A copy of the release with something changed. */
function changed(name: string, f: (dir: string) => void): string {
  cpSync(release, at(name), { recursive: true });
  f(at(name));
  return at(name);
}

beforeAll(() => {
  newKey('key');
  newKey('verifier');
  expect(certune('init', run, '--model', base, '--data', data).status).toBe(0);
  setSmall(run);
  const r = certune('run', run, '--no-fold', '--quiet');
  expect([r.status, r.stderr]).toEqual([0, '']);
  mkdirSync(release);
  cpSync(join(run, 'out/adapter'), release, { recursive: true });
  cpSync(join(run, 'out/proof/run.certune'), join(release, 'run.certune'));
  cpSync(join(run, 'out/manifest.json'), join(release, 'manifest.json'));
  for (const [format, name] of [
    ['cyclonedx', 'bom.cdx.json'],
    ['hf-card', 'README.md'],
    ['training-summary', 'training-summary.json'],
  ])
    json(0, 'export', run, '--format', format, '-o', join(release, name));
  json(0, 'sign', release, '--key', at('key.pem'), '--pae', at('pae'));
}, 0);

describe('a release', () => {
  it('is signed over every file, by a statement that openssl verifies', () => {
    const names = readdirSync(release).sort(),
      bundle = parseBundle(readFileSync(join(release, 'run.sigstore.json')), 'run.sigstore.json'),
      s = parseStatement(bundle.envelope.payload, 'statement');
    expect(names).toEqual(
      [
        'README.md',
        'adapter_config.json',
        'adapter_model.safetensors',
        'bom.cdx.json',
        'manifest.json',
        'model.sig',
        'run.certune',
        'run.sigstore.json',
        'training-summary.json',
      ].sort(),
    );
    expect(s.subject[0].name).toBe('run.certune');
    expect(s.subject.map((x) => x.name).sort()).toEqual(names.filter((n) => n !== 'model.sig' && n !== 'run.sigstore.json'));
    const r = spawnSync('openssl', ['dgst', '-sha256', '-verify', 'key.pub', '-signature', 'sig.der', 'pae.bin'], {
      cwd: at('pae'),
      encoding: 'utf8',
    });
    if (!r.error) expect([r.status, r.stdout.trim()]).toEqual([0, 'Verified OK']);
  });
  it('is verified: signature, files, statement, proof', () => {
    const d = json(0, 'verify', release, ...given, ...signer);
    expect([d['verified'].proof, d['adapter'], d['signed'].files]).toEqual(['checked', 'checked', 7]);
    // What a deployer compares the weights that it serves with, as a typed claim.
    const hash = (name: string): string => `sha256:${hashFile(join(release, name))}`;
    expect(d['claims']).toEqual({
      model_weights_provenance: {
        status: 'asserted',
        source: 'verifier_derived',
        reason: expect.stringContaining(hash('run.certune')) as string,
      },
      extra: {
        certune_certificate: hash('run.certune'),
        certune_base: (JSON.parse(readFileSync(join(release, 'manifest.json'), 'utf8')) as Json)['base'].digest as string,
        certune_adapter: hash('adapter_model.safetensors'),
      },
    });
    const text = certune('verify', release, ...given, ...signer, '--quiet').stdout;
    expect(text).toContain('signed by the key sha256:');
    expect(text).toContain('not in a log');
    expect(certune('verify', release, ...given, '--quiet').stdout).toContain('signed: not checked');
  });
  it('is refused under another key, unsigned, or where a file differs', () => {
    expect(fails(1, 'verify', release, ...given, '--signer', at('verifier.pub'))).toContain('is not signed by');
    expect(fails(3, 'verify', release, ...given, '--signer', at('key.pem'))).toContain('private key');
    expect(
      fails(
        3,
        'verify',
        changed('unsigned', (d) => rmSync(join(d, 'run.sigstore.json'))),
        ...signer,
        ...given,
      ),
    ).toContain('is not signed');
    expect(fails(3, 'verify', run, ...signer)).toContain('is no release');
    // Nothing was found wrong: what a trusted root alone could tell needs the option that gives one.
    const logged = changed('logged', (d) => {
      const at = join(d, 'run.sigstore.json'),
        b = JSON.parse(readFileSync(at, 'utf8')) as Json;
      b['verificationMaterial'].tlogEntries = [{}];
      writeFileSync(at, JSON.stringify(b));
    });
    expect(fails(2, 'verify', logged, ...given, ...signer)).toContain('give --trusted-root FILE');
    const cases: [string, (d: string) => void, string][] = [
      ['added', (d) => writeFileSync(join(d, 'modeling.py'), ''), '"modeling.py" is not among the signed files'],
      ['removed', (d) => rmSync(join(d, 'bom.cdx.json')), '"bom.cdx.json" is not there'],
      ['other', (d) => writeFileSync(join(d, 'adapter_config.json'), '{}'), '"adapter_config.json" has other bytes'],
      ['link', (d) => (rmSync(join(d, 'README.md')), symlinkSync(join(release, 'README.md'), join(d, 'README.md'))), 'is a symbolic link'],
    ];
    for (const [name, f, why] of cases) expect(fails(1, 'verify', changed(name, f), ...given, ...signer), name).toContain(why);
  });
  it('is refused with two adapters, or with one from elsewhere', () => {
    const two = changed('two', (d) => cpSync(join(run, 'out/adapter'), join(d, 'adapter'), { recursive: true }));
    expect(fails(3, 'verify', two, ...given)).toContain('holds two adapters');
    expect(fails(2, 'verify', release, ...given, ...signer, '--adapter', join(run, 'out/adapter'))).toContain('its own adapter');
  });
  it('is refused where the statement says other than the proof, although it is signed', () => {
    const dir = changed('lies', (d) => {
      const b = parseBundle(readFileSync(join(d, 'run.sigstore.json')), 'x'),
        s = JSON.parse(Buffer.from(b.envelope.payload).toString()) as Json;
      s['predicate'].buildDefinition.externalParameters.train.steps = 1000;
      writeFileSync(join(d, 'run.sigstore.json'), signedBundle(toUtf8(JSON.stringify(s)), readSigningKey(at('key.pem'))));
      rmSync(join(d, 'model.sig'));
    });
    expect(fails(1, 'verify', dir, ...given, ...signer)).toContain(
      'says other than the proof of the release in buildDefinition.externalParameters.train.steps',
    );
  });
  it('45: a statement of another type is refused, whatever it says', () => {
    const dir = changed('type', (d) => {
      const b = parseBundle(readFileSync(join(d, 'run.sigstore.json')), 'x'),
        s = JSON.parse(Buffer.from(b.envelope.payload).toString()) as Json;
      s['predicateType'] = 'https://slsa.dev/provenance/v1';
      writeFileSync(join(d, 'run.sigstore.json'), signedBundle(toUtf8(JSON.stringify(s)), readSigningKey(at('key.pem'))));
    });
    expect(fails(1, 'verify', dir, ...given, ...signer)).toContain('predicate type');
  });
  it('is not signed with links, hidden names or names that meet on other disks', () => {
    expect(
      fails(
        1,
        'sign',
        changed('a', (d) => symlinkSync('/etc/hostname', join(d, 'x'))),
        '--key',
        at('key.pem'),
      ),
    ).toContain('symbolic link');
    expect(
      fails(
        3,
        'sign',
        changed('b', (d) => writeFileSync(join(d, 'readme.MD'), '')),
        '--key',
        at('key.pem'),
      ),
    ).toContain('one name on some disks');
    expect(
      fails(
        3,
        'sign',
        changed('c', (d) => writeFileSync(join(d, 'a\u202eb'), '')),
        '--key',
        at('key.pem'),
      ),
    ).toContain('cannot be seen');
    expect(fails(3, 'sign', run, '--key', at('key.pem'))).toContain('is no release');
    // A key that lies in the release would be published with it.
    const with_ = changed('d', (d) => cpSync(at('key.pem'), join(d, 'key.pem')));
    expect(fails(2, 'sign', with_, '--key', join(with_, 'key.pem'))).toContain('lies in the release');
  });
});

describe('a policy file', () => {
  const digest = (): string => (JSON.parse(readFileSync(join(release, 'manifest.json'), 'utf8')) as Json)['base'].digest as string,
    key = (): string => json(0, 'verify', release, ...given, ...signer)['signed'].by[0] as string;
  it('admits a run of which every rule holds, and says so', () => {
    const p = policy('good.json', {
        bases: [digest()],
        licenses: ['CC0-1.0', 'Apache-2.0', 'MIT'],
        minSoundness: 100,
        signers: [{ key: key() }],
        result: { updateNorm: 100, updateNormPerLayer: 100, distanceToBase: 100, rank: 1, modules: ['v_proj'] },
      }),
      d = json(0, 'verify', release, ...given, ...signer, '--policy', p);
    expect(d['rules'].length).toBe(9);
    expect(new Set((d['rules'] as Json[]).map((r) => r['verdict']))).toEqual(new Set(['passed']));
    expect(certune('verify', release, ...given, ...signer, '--policy', p, '--quiet').stdout).toContain('9 rules, all passed');
  });
  it('denies with the verdict of every rule, exit 4', () => {
    const p = policy('bad.json', {
        bases: [`sha256:${'0'.repeat(64)}`],
        minSoundness: 100,
        signers: [],
        keys: [],
        beacon: {},
        cards: { trainer: {} },
        result: { updateNorm: 0 },
      }),
      e = json(4, 'verify', release, ...given, '--policy', p)['error'];
    expect(Object.fromEntries((e['rules'] as Json[]).map((r) => [r['rule'], r['verdict']]))).toEqual({
      bases: 'denied',
      minSoundness: 'passed',
      signers: 'not evaluated',
      keys: 'not evaluated',
      beacon: 'denied',
      'cards.trainer': 'not evaluated',
      'result.updateNorm': 'denied',
    });
    const shown = certune('verify', release, ...given, '--policy', p, '--quiet').stderr;
    for (const s of ['DENIED         bases', 'passed         minSoundness', 'NOT EVALUATED  signers']) expect(shown).toContain(s);
  });
  it('51: an unknown key is refused before anything is verified', () => {
    expect(fails(3, 'verify', release, '--policy', policy('odd.json', { basis: [] }))).toContain('basis is not known');
    expect(fails(5, 'verify', release, '--policy', policy('new.json', { version: 9 }))).toContain('version 9');
  });
});

describe('a verification result', () => {
  const svr = [
    '--emit-svr',
    at('run.svr.json'),
    '--svr-key',
    at('verifier.pem'),
    '--verifier-id',
    'https://example.com/auditor/v1',
    '--at',
    '2026-11-28T12:00:00Z',
  ];
  it('50: holds what was evaluated, under the key of the verifier', () => {
    const p = policy('small.json', { minSoundness: 100 });
    json(0, 'verify', release, ...given, ...signer, '--policy', p, ...svr);
    const b = parseBundle(readFileSync(at('run.svr.json')), 'svr');
    verifyEnvelope(b.envelope, [parsePublicKey(readFileSync(at('verifier.pub'), 'utf8'), 'key')], IN_TOTO, 'svr');
    const s = parseStatement(b.envelope.payload, 'svr'),
      q = s.predicate as unknown as Json;
    expect(q['properties']).toEqual([
      'CERTUNE_PROVED_TRAINING_V1',
      'CERTUNE_SOUNDNESS_100',
      'CERTUNE_BASE_CHECKED',
      'CERTUNE_DATA_CHECKED',
      'CERTUNE_INITIAL_CHECKED',
      'CERTUNE_ADAPTER_CHECKED',
      'CERTUNE_SIGNED_RELEASE',
      'CERTUNE_POLICY_PASSED',
    ]);
    expect([q['timeCreated'], q['verifier'].id]).toEqual(['2026-11-28T12:00:00Z', 'https://example.com/auditor/v1']);
    // What else is signed with the release was compared with nothing of the run: it is no subject of the verifier's.
    const about = ['run.certune', 'adapter_config.json', 'adapter_model.safetensors'];
    expect(s.subject.map((x) => x.name)).toEqual(about);
    json(0, 'verify', release, ...given, ...svr);
    const unsigned = parseStatement(parseBundle(readFileSync(at('run.svr.json')), 'svr').envelope.payload, 'svr'),
      bare = unsigned.predicate as unknown as Json;
    expect(unsigned.subject.map((x) => x.name)).toEqual(about);
    expect(bare['properties']).not.toContain('CERTUNE_SIGNED_RELEASE');
    expect(bare['properties']).not.toContain('CERTUNE_POLICY_PASSED');
  });
  it('is written for nothing that was denied, and never under the key of the release', () => {
    rmSync(at('run.svr.json'), { force: true });
    json(4, 'verify', release, ...given, '--policy', policy('none.json', { bases: [] }), ...svr);
    expect(readdirSync(home)).not.toContain('run.svr.json');
    expect(
      fails(
        2,
        'verify',
        release,
        ...given,
        ...signer,
        '--emit-svr',
        at('x'),
        '--svr-key',
        at('key.pem'),
        '--verifier-id',
        'https://example.com/a',
      ),
    ).toContain('signs with its own');
    expect(fails(2, 'verify', release, '--emit-svr', at('x'))).toContain('--svr-key');
  });
});

describe('certune export', () => {
  it('writes to standard output too, the same bytes as to a file, and knows its formats', () => {
    for (const [format, name] of [
      ['cyclonedx', 'bom.cdx.json'],
      ['hf-card', 'README.md'],
    ])
      expect(json(0, 'export', run, '--format', format)['document']).toBe(readFileSync(join(release, name), 'utf8'));
    expect(fails(2, 'export', run, '--format', 'spdx')).toContain('is none of cyclonedx');
    const declared = ['--name', 'rows', '--description', 'rows of a test', '--url', 'https://example.org', '--creator', 'Me'],
      croissant = [
        'export',
        run,
        '--format',
        'croissant',
        ...declared,
        '--date',
        '2026-01-31',
        '--content',
        'https://example.org/rows.jsonl',
      ];
    json(0, ...croissant, '-o', at('croissant.json'));
    expect(json(0, ...croissant)['document']).toBe(readFileSync(at('croissant.json'), 'utf8'));
    expect(JSON.parse(readFileSync(at('croissant.json'), 'utf8'))).toMatchObject({
      conformsTo: 'http://mlcommons.org/croissant/1.1',
      datePublished: '2026-01-31',
    });
    // What no manifest holds is declared, and never made up.
    expect(fails(2, 'export', run, '--format', 'croissant')).toMatch(/--name.*--date.*--content/s);
    expect(certune('export', join(run, 'out/proof/run.certune'), '--format', 'training-summary').stdout).toContain(
      'to be completed by the provider',
    );
  });
});

describe('certune card', () => {
  const tee = new Simulator(),
    proof = (): string => join(release, 'run.certune'),
    code = at('code.json'),
    bytes = (f: string): Uint8Array => new Uint8Array(readFileSync(f));
  /** A card of simulated hardware about this run. */
  function about(o: Parameters<typeof makeCard>[1] = {}): Card {
    const s = subjectOf(proof(), readProofFile(proof())),
      late = o?.role === 'trainer' || o?.role === 'prover';
    return makeCard(tee, {
      ...o,
      constants: {
        program: s.constants.program,
        parameters: s.constants.parameters,
        soundnessBits: s.constants.soundnessBits,
        verificationKey: undefined,
      },
      binding: { manifest: s.manifest, ...(late ? { statement: s.statement } : {}) },
    } as Parameters<typeof makeCard>[1]);
  }
  const file = (name: string, c: Card): string => {
    writeFileSync(at(name), cardText(c));
    return at(name);
  };

  it('create names the device that is not there, and what evidence is asked for', () => {
    writeFileSync(code, JSON.stringify({ package: { name: 'certune', version: '0.1.0', integrity: `sha512-${'A'.repeat(86)}==` } }));
    const create = (kind: string, ...more: string[]): string[] => [
      'card',
      'create',
      '--kind',
      kind,
      '--role',
      'front-end',
      '--manifest',
      join(release, 'manifest.json'),
      '--code',
      code,
      '-o',
      at('made.json'),
      ...more,
    ];
    for (const [kind, device] of [
      ['sev-snp', '/sys/kernel/config/tsm/report'],
      ['tdx', '/sys/kernel/config/tsm/report'],
      ['nitro', '/dev/nsm'],
      ['sgx', '/dev/attestation/quote'],
    ])
      expect(fails(3, ...create(kind))).toContain(`${device}: does not exist`);
    expect(fails(2, ...create('azure-vtpm'))).toContain('is none of');
    // Evidence from elsewhere: the first answer names what to ask with, the second is the card.
    writeFileSync(at('evidence.bin'), tee.snpReport(new Uint8Array(64)));
    const said = fails(3, ...create('sev-snp', '--evidence', at('evidence.bin')));
    writeFileSync(at('evidence.bin'), tee.snpReport(fromHex(/[0-9a-f]{128}/.exec(said)![0], 'told')));
    expect(json(0, ...create('sev-snp', '--evidence', at('evidence.bin')))['kind']).toBe('sev-snp');
    expect(parseCard(bytes(at('made.json')), 'made').collateral).toEqual({});
    expect(json(0, 'card', 'inspect', at('made.json'))['verified']).toBe(false);
    expect(certune('card', 'inspect', at('made.json')).stdout).toContain('nothing of it is verified');
  });
  it('assemble fetches from the services that it is given, and nothing else opens a socket', async () => {
    const { vcek, ask, ark, crl } = tee.snpCollateral() as Record<string, Uint8Array>,
      pem = [ask, ark]
        .map((b) => `-----BEGIN CERTIFICATE-----\n${Buffer.from(b).toString('base64')}\n-----END CERTIFICATE-----\n`)
        .join(''),
      asked: string[] = [],
      evidence = parseCard(bytes(at('made.json')), 'made').evidence.bytes,
      stamp = tee.timeStamp(evidence, NOON),
      answer = Buffer.concat([Buffer.from([0x30, 0x82, (stamp.length + 5) >> 8, (stamp.length + 5) & 255, 0x30, 3, 2, 1, 0]), stamp]),
      server = createServer((q, r) => {
        asked.push(q.url!);
        const body = q.method === 'POST' ? answer : q.url!.endsWith('/crl') ? crl : q.url!.endsWith('/cert_chain') ? pem : vcek;
        q.resume().on('end', () => r.end(body));
      });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      run2 = (env: Record<string, string>, ...args: string[]): Promise<[number | null, string]> =>
        new Promise((done) => {
          const p = spawn(process.execPath, [bin, ...args], { env: { ...process.env, ...env } });
          let text = '';
          p.stdout.on('data', (x) => (text += x));
          p.stderr.on('data', (x) => (text += x));
          p.on('close', (n) => done([n, text]));
        });
    try {
      const args = ['card', 'assemble', at('made.json'), '-o', at('whole.json'), '--kds', url, '--tsa', url];
      expect((await run2({}, ...args))[0]).toBe(0);
      const whole = parseCard(bytes(at('whole.json')), 'whole');
      expect([Object.keys(whole.collateral).sort(), whole.timestamps.length]).toEqual([['ark', 'ask', 'crl', 'vcek'], 1]);
      expect(asked[0]).toMatch(/^\/vcek\/v1\/Genoa\/[0-9a-f]{128}\?blSPL=10&teeSPL=00&snpSPL=23&ucodeSPL=84$/);
      // 52: the same command under a module that ends whoever opens one.
      expect((await run2({ NODE_OPTIONS: `--import=${noSockets}` }, ...args))[0]).toBe(null);
      expect(
        await run2({ NODE_OPTIONS: `--import=${noSockets}` }, 'card', 'assemble', at('made.json'), '-o', at('x.json'), '--no-network'),
      ).toEqual([0, expect.stringContaining('no collateral')]);
      expect((await run2({}, 'card', 'assemble', at('made.json'), '-o', at('x.json'), '--kds', 'http://127.0.0.1:1'))[0]).toBe(3);
    } finally {
      server.close();
    }
  });
  it('28: verify believes the vendors and nobody else: no file selects a root', () => {
    const c = file('front.json', about()),
      p = policy('cards.json', { cards: { 'front-end': rulesJson(tee) } }),
      with_ = ['--certificate', release, '--policy', p, '--at', '2026-11-21T12:00:00Z'];
    expect(fails(1, 'card', 'verify', c, ...with_)).toContain("is not one of AMD's that are believed");
    expect(fails(4, 'card', 'verify', c, '--certificate', release, '--policy', policy('none.json', {}))).toContain(
      'asks nothing of this role',
    );
    expect(fails(1, 'card', 'verify', file('other.json', makeCard(tee)), ...with_)).toContain('it is about the manifest');
    expect(fails(2, 'card', 'verify', c, '--policy', p)).toContain('--certificate');
    // The command has no option that names one either.
    expect(certune('card', 'verify', '--help').stdout).not.toMatch(/root|anchor/);
  });
  it('published evidence of real machines holds under the roots of its makers, and is of no binding of ours', () => {
    // The one verdict that published evidence can have here, at its own time: everything holds but for the 64 bytes.
    const s = subjectOf(proof(), readProofFile(proof())),
      real = (kind: 'nitro' | 'sev-snp', bytes: Uint8Array, collateral: Record<string, Uint8Array>, verifiedAt: number): string => {
        const m = measuredOf(kind, bytes, 'vector');
        return file(
          'real.json',
          makeCard(tee, {
            kind,
            collateral,
            verifiedAt,
            stampedAt: null,
            constants: { ...s.constants, verificationKey: undefined },
            binding: { manifest: s.manifest },
            own: { format: m.format, measurement: m.measurement, evidence: () => bytes },
          }),
        );
      },
      p = policy('real-policy.json', { cards: { 'front-end': { measurements: [{ pcr0: '00' }] } } }),
      verdict = (card: string): string => fails(1, 'card', 'verify', card, '--certificate', release, '--policy', p);
    const nitro = fixture('vectors/aws-nitro/oyster/aws.bin'),
      genoa = fixture('vectors/sev-snp/genoa-v5/report.bin');
    if (nitro) {
      const at2 = Date.parse('2024-12-13T07:37:59Z');
      expect(verdict(real('nitro', bytes(nitro), {}, at2))).toContain('what the hardware signed is not the hash of the binding');
      expect(verdict(real('nitro', bytes(nitro), {}, at2 + 4 * 3600_000))).toContain('is valid from');
    }
    if (genoa) {
      const pem = readFileSync(fixture('vectors/sev-snp/roots/ask_ark_genoa.pem')!, 'utf8'),
        [ask, ark] = parsePem(pem, 'roots').map((b) => b.bytes),
        vcek = bytes(fixture('vectors/sev-snp/genoa-v5/vcek.der')!),
        at2 = Date.parse('2026-03-01T00:00:00Z');
      expect(verdict(real('sev-snp', bytes(genoa), { vcek, ask, ark }, at2))).toContain('is not the hash of the binding');
      expect(verdict(real('sev-snp', bytes(genoa), { vcek, ask: ark, ark }, at2))).toContain('names another issuer');
    }
  });
  it('a card that holds counts: verified, admitted by a policy, attested in the summary', async () => {
    // No file and no option names a root: the functions behind the commands are called with those of the simulator.
    const dir = changed('attested', (d) => {
        rmSync(join(d, 'run.sigstore.json'));
        rmSync(join(d, 'model.sig'));
      }),
      one = file('front.json', about()),
      p = policy('attested.json', { cards: { 'front-end': rulesJson(tee) } }),
      day = '2026-11-21T12:00:00Z',
      context = {
        progress: new Progress({ tty: false, quiet: true, write: () => {} }),
        writes: () => {},
        cards: (now: number) => ({ anchors: tee.anchors(), now }),
      };
    json(0, 'card', 'attach', dir, one);
    json(0, 'sign', dir, '--key', at('key.pem'));
    const single = verifyCardFile(one, { certificate: dir, policy: p, at: day }, context);
    expect(single.data).toMatchObject({ card: 'attested', kind: 'sev-snp', role: 'front-end', time: { status: 'attested' } });
    expect(single.data['model_weights_provenance']).toBe(single.data['certificate']);
    const r = await verifyRelease(
      dir,
      {
        base,
        data: [data],
        signer: [at('key.pub')],
        policy: p,
        at: day,
        emitSvr: at('attested.svr.json'),
        svrKey: at('verifier.pem'),
        verifierId: 'https://example.com/auditor/v1',
      },
      context,
    );
    expect((r.data['cards'] as Json[]).map((x) => [x['status'], x['counted']])).toEqual([['attested', true]]);
    expect((r.data['rules'] as Json[]).map((x) => [x['rule'], x['verdict']])).toEqual([['cards.front-end', 'passed']]);
    expect(r.text).toContain('assumes that nobody had physical access to the machine');
    const svr = parseStatement(parseBundle(readFileSync(at('attested.svr.json')), 'svr').envelope.payload, 'svr');
    expect((svr.predicate as unknown as Json)['properties']).toEqual(
      expect.arrayContaining(['CERTUNE_ATTESTED_FRONT_END', 'CERTUNE_POLICY_PASSED', 'CERTUNE_PROVED_TRAINING_V1']),
    );
    // The command itself believes the vendors alone.
    expect(fails(4, 'verify', dir, ...given, ...signer, '--policy', p, '--at', day)).toContain("not one of AMD's that are believed");
    // Rules that it does not meet deny it with a reason, and nothing is written.
    const strict = policy('strict.json', { cards: { 'front-end': rulesJson(tee, { machines: [] }) } });
    expect(() => verifyCardFile(one, { certificate: dir, policy: strict, at: day }, context)).toThrow('is not among those allowed');
    // A card attached under a signed release must be among what it lists as its byproducts.
    const bundle = parseBundle(readFileSync(join(dir, 'run.sigstore.json')), 'x'),
      s = JSON.parse(Buffer.from(bundle.envelope.payload).toString()) as Json;
    expect(s['predicate'].runDetails.byproducts.length).toBe(1);
    s['predicate'].runDetails.byproducts = [];
    writeFileSync(join(dir, 'run.sigstore.json'), signedBundle(toUtf8(JSON.stringify(s)), readSigningKey(at('key.pem'))));
    rmSync(join(dir, 'model.sig'));
    expect(fails(1, 'verify', dir, ...given, ...signer)).toContain('runDetails.byproducts.0');
  });
  it('a quote without its verifier is neither good nor bad, and says so', () => {
    const c = about(),
      quote = { ...c, kind: 'sgx', evidence: { format: 'sgx-quote-v3', bytes: new Uint8Array(600) } } as Card,
      p = policy('sgx-policy.json', { cards: { 'front-end': { measurements: [{ mrenclave: '00' }] } } });
    expect(fails(3, 'card', 'verify', file('sgx.json', quote), '--certificate', release, '--policy', p)).toMatch(/is no quote|not checked/);
  });
  it('attach puts cards beside a proof, whose bytes stay; verify shows them, and counts none that does not hold', () => {
    const dir = changed('with-cards', (d) => {
        rmSync(join(d, 'run.sigstore.json'));
        rmSync(join(d, 'model.sig'));
      }),
      before = bytes(join(dir, 'run.certune')),
      c = file('front.json', about());
    json(0, 'card', 'attach', dir, c);
    expect(bytes(join(dir, 'run.certune'))).toEqual(before);
    expect(readdirSync(cardsFolder(join(dir, 'run.certune')))).toEqual([`${digestOfJson(about().binding).slice(7, 23)}.json`]);
    expect(fails(3, 'card', 'attach', dir, c)).toContain('has the same binding');
    expect(fails(1, 'card', 'attach', dir, file('other.json', makeCard(tee)))).toContain('it is about the manifest');
    const d = json(0, 'verify', dir, ...given);
    expect((d['cards'] as Json[]).map((x) => [x['status'], x['counted']])).toEqual([['not evaluated', false]]);
    expect(certune('verify', dir, ...given, '--quiet').stdout).toContain('present, not evaluated: give --policy');
    const e = json(4, 'verify', dir, ...given, '--policy', policy('cards.json', { cards: { 'front-end': rulesJson(tee) } }))['error'];
    expect(e['rules']).toEqual([
      { rule: 'cards.front-end', verdict: 'denied', reason: expect.stringContaining("not one of AMD's that are believed") },
    ]);
    // A signed release holds its cards as subjects; one that is added afterwards is refused like any other file.
    json(0, 'sign', dir, '--key', at('key.pem'));
    expect(json(0, 'verify', dir, ...given, ...signer)['signed'].files).toBe(8);
    json(0, 'card', 'attach', dir, file('sampler.json', about({ role: 'sampler' })));
    expect(fails(1, 'verify', dir, ...given, ...signer)).toContain('is not among the signed files');
  });
  it('39: a card that is no card is refused by code 3, one of another version or kind by 5', () => {
    const text = cardText(about()),
      put = (t: string): string => (writeFileSync(at('bad.json'), t), at('bad.json'));
    expect(fails(3, 'card', 'inspect', put(text.replace('"kind":', '"kind":"nitro","kind":')))).toContain('a second time');
    expect(fails(5, 'card', 'inspect', put(text.replace('"version":1}', '"version":2}')))).toContain('version 2');
    expect(fails(5, 'card', 'inspect', put(text.replace('"kind":"sev-snp"', '"kind":"arm-cca"')))).toContain('arm-cca');
    expect(fails(3, 'card', 'inspect', put(text.replace('"kind":"sev-snp"', '"kind":"azure-vtpm"')))).toContain('is not read');
  });
});
