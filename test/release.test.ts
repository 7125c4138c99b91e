import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toUtf8 } from '../src/provenance/bytes.js';
import { IN_TOTO, verifyEnvelope } from '../src/provenance/dsse.js';
import { parsePublicKey } from '../src/provenance/ecdsa.js';
import { parseBundle } from '../src/provenance/bundle.js';
import { parseStatement } from '../src/provenance/statement.js';
import { readSigningKey, signedBundle } from '../src/provenance/sign.js';

/*
 * A release by the command line: made, signed, verified file by file, judged by policies, attacked. The command runs with a preloaded module that ends it
 * where anything opens a socket.
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
  const file = join(run, 'run.yaml'),
    set: Record<string, string | number> = {
      steps: 2,
      batch: 2,
      microBatch: 2,
      sequence: 8,
      r: 1,
      targets: '[v_proj]',
      learningRate: 0.003,
      warmup: 0,
      preset: 'small',
      bits: 100,
    };
  let text = readFileSync(file, 'utf8');
  for (const [k, v] of Object.entries(set)) text = text.replace(new RegExp(`^(\\s*${k}: )(\\[[^\\]]*\\]|\\S+)`, 'm'), `$1${v}`);
  writeFileSync(file, text);
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
      'CERTUNE_ADAPTER_CHECKED',
      'CERTUNE_SIGNED_RELEASE',
      'CERTUNE_POLICY_PASSED',
    ]);
    expect([q['timeCreated'], q['verifier'].id, s.subject.length]).toEqual(['2026-11-28T12:00:00Z', 'https://example.com/auditor/v1', 7]);
    json(0, 'verify', release, ...given, ...svr);
    const unsigned = parseStatement(parseBundle(readFileSync(at('run.svr.json')), 'svr').envelope.payload, 'svr'),
      bare = unsigned.predicate as unknown as Json;
    expect(unsigned.subject.map((x) => x.name)).toEqual(['run.certune', 'adapter_config.json', 'adapter_model.safetensors']);
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
    expect(certune('export', join(run, 'out/proof/run.certune'), '--format', 'training-summary').stdout).toContain(
      'to be completed by the provider',
    );
  });
});
