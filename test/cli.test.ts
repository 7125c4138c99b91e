import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiskFullError } from '../src/errors.js';
import { writeAtomic } from '../src/io/safetensors.js';
import { resealed } from './seal.js';
import { setSmall } from './run-settings.js';

const root = fileURLToPath(new URL('..', import.meta.url)),
  bin = join(root, 'bin/certune.js'),
  base = join(root, 'test/data/tiny'),
  data = join(root, 'test/data/pairs.jsonl'),
  home = mkdtempSync(join(tmpdir(), 'certune-cli-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

// biome-ignore lint/suspicious/noExplicitAny: a document of the command line, whose fields each test names
type Json = Record<string, any>;
const certune = (...args: string[]): SpawnSyncReturns<string> => spawnSync(process.execPath, [bin, ...args], { encoding: 'utf8' });
/** The one document on stdout. */
const json = (r: SpawnSyncReturns<string>): Json => {
  expect(r.stdout.trim().split('\n')).toHaveLength(1);
  return JSON.parse(r.stdout) as Json;
};
const fails = (exit: number, args: string[], text: RegExp): Json => {
  const r = certune(...args, '--json'),
    d = json(r);
  expect(`${r.status} ${r.stdout}`).toMatch(new RegExp(`^${exit} `));
  expect(d['error'].exit).toBe(exit);
  expect(d['error'].message).toMatch(text);
  return d['error'];
};

function folder(name: string, settings: Record<string, string | number> = {}): string {
  const run = join(home, name);
  expect(certune('init', run, '--model', base, '--data', data).status).toBe(0);
  setSmall(run, settings);
  return run;
}
const copy = (from: string, to: string): string => {
  cpSync(from, join(home, to), { recursive: true });
  return join(home, to);
};
const pack = (run: string): string => join(run, 'out/proof/run.certune');
/** Starts a command and kills it after some milliseconds, or when it has written the text. */
const killed = (
  args: string[],
  signal: 'SIGKILL' | 'SIGINT' | 'SIGTERM',
  when: number | RegExp,
): Promise<{ code: number | null; err: string }> =>
  new Promise((done) => {
    const p = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let err = '';
    if (typeof when === 'number') setTimeout(() => p.kill(signal), when);
    p.stderr.on('data', (b: Buffer) => {
      err += b.toString();
      if (when instanceof RegExp && when.test(err)) {
        when = Number.POSITIVE_INFINITY;
        p.kill(signal);
      }
    });
    p.on('exit', (code) => done({ code, err }));
  });

describe('usage', () => {
  it('exit 2: commands, options and values that cannot be meant', () => {
    fails(2, ['bogus'], /unknown command/);
    fails(2, ['verify'], /missing required argument/);
    fails(2, ['train', 'x', '--fast'], /unknown option/);
    fails(2, ['train', 'x', 'y'], /too many arguments/);
    fails(2, ['verify', home, '--allow-license', 'MIT OR ISC'], /not one SPDX identifier/);
    fails(2, ['verify', home, '--min-bits', 'many'], /--min-bits/);
    expect(certune().status).toBe(2);
  });
  it('help and version', () => {
    const v = certune('--version');
    expect([v.status, v.stdout.trim()]).toEqual([0, JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version]);
    expect(certune('--help').stdout).toMatch(/Exit codes: 0 verified/);
    for (const c of ['init', 'commit', 'train', 'prove', 'run', 'verify', 'fold', 'vk', 'inspect', 'estimate']) {
      const r = certune(c, '--help');
      expect([r.status, r.stdout.includes('Example:')]).toEqual([0, true]);
    }
  });
});

describe('bad input before any work', () => {
  it('exit 3: missing and unreadable files, each named', () => {
    const run = join(home, 'none');
    fails(
      3,
      ['init', run, '--model', join(home, 'no-base'), '--data', join(home, 'no-data')],
      /no-base is not a folder; .*no-data does not exist/,
    );
    fails(3, ['commit', run], /run\.yaml: is missing/);
    fails(3, ['train', run], /manifest\.json: cannot be read/);
    expect(existsSync(run)).toBe(false);
    fails(3, ['verify', run], /does not exist/);
    fails(3, ['inspect', run], /does not exist/);
    const file = join(home, 'noise.certune');
    writeFileSync(file, 'noise');
    fails(3, ['verify', file], /no header line/);
    writeFileSync(file, '{"type":"something"}\n');
    fails(3, ['inspect', file], /is none of certune-run-proof, certune-folded-run, certune-node/);
  });
  it('exit 3: all wrong keys of run.yaml at once', () => {
    const run = folder('keys'),
      file = join(run, 'run.yaml');
    writeFileSync(file, `${readFileSync(file, 'utf8').replace('steps: 2', 'steps: -2').replace('batch: 2', 'batch: two')}\nextra: 1\n`);
    const e = fails(3, ['commit', run], /run\.yaml/);
    for (const key of ['extra', 'train.steps', 'train.batch']) expect(e['message']).toContain(key);
    fails(3, ['init', run, '--model', base, '--data', data], /exists already/);
  });
  it('exit 2 for options, exit 6 for memory, before anything is written', () => {
    const run = folder('memory');
    expect(certune('commit', run).status).toBe(0);
    fails(2, ['train', run, '--workers', '0'], /--workers/);
    fails(2, ['train', run, '--memory', 'lots'], /--memory/);
    const e = fails(6, ['train', run, '--memory', '4MiB'], /--memory/);
    expect(e['needed']).toBeGreaterThan(4 * 2 ** 20);
  });
  it('exit 7: a value leaves its format; the journal stays', () => {
    const run = folder('overflow', { alpha: 10000 });
    expect(certune('commit', run).status).toBe(0);
    const e = fails(7, ['train', run], /step 0: .* is outside .*train\./);
    expect(e['tensor']).toBeTruthy();
    expect(e['step']).toBe(0);
    expect(existsSync(join(run, 'out/journal/step-00000.bin'))).toBe(true);
  });
});

describe('a small run, its step proofs packed', () => {
  let run = '';
  const target = (...more: string[]): string[] => [
    'verify',
    pack(run),
    '--base',
    base,
    '--data',
    data,
    '--adapter',
    join(run, 'out/adapter'),
    ...more,
  ];
  beforeAll(async () => {
    run = folder('run');
    expect(certune('commit', run).status).toBe(0);
    const again = copy(run, 'again');
    expect(certune('train', again).status).toBe(0);

    // Training killed, its last file torn: the same journal.
    await killed(['train', run], 'SIGKILL', /1\/2 train/);
    const state = join(run, 'out/journal/step-00001.bin');
    if (existsSync(state)) writeFileSync(state, readFileSync(state).subarray(0, 900));
    const r = certune('train', run);
    expect([r.status, r.stderr.includes('trained again')]).toEqual([0, true]);
    for (const f of readdirSync(join(again, 'out/journal')))
      expect(readFileSync(join(run, 'out/journal', f)).equals(readFileSync(join(again, 'out/journal', f)))).toBe(true);

    const small = fails(6, ['prove', again, '--no-fold', '--memory', '24MiB'], /proving a step needs .*--memory allows .*raise --memory/);
    expect(small['needed']).toBeGreaterThan(24 * 2 ** 20);
    // Proving killed at several moments, then interrupted, then a torn proof: the same file as in one go.
    for (const ms of [300, 1500, 4000]) await killed(['prove', run, '--no-fold'], 'SIGKILL', ms);
    const i = await killed(['prove', run, '--no-fold'], 'SIGINT', /1\/2 p/);
    expect([i.code, i.err.includes('run the same command again')]).toEqual([130, true]);
    expect(readdirSync(join(run, 'out/proof')).filter((f) => f.includes('.tmp-'))).toEqual([]);
    const proof = join(run, 'out/proof/step-00000.bin'),
      whole = readFileSync(proof);
    writeFileSync(proof, whole.subarray(0, whole.length - 8));
    const p = certune('prove', run, '--no-fold', '--json');
    expect([p.status, json(p)['proved'], p.stderr.includes('proved again')]).toEqual([0, 2, true]);
    expect(certune('prove', again, '--no-fold').status).toBe(0);
    expect(readFileSync(pack(run)).equals(readFileSync(pack(again)))).toBe(true);
    expect(readdirSync(join(run, 'out/proof'))).toEqual(['run.certune']);
  });

  it('exit 0: verifies as a folder and as one file, and says what it says', () => {
    expect(json(certune('verify', run, '--json'))).toMatchObject({
      verified: { proof: 'checked', base: { status: 'checked' }, adapter: { status: 'checked' } },
      steps: 2,
    });
    expect(json(certune(...target('--json')))['verified']).toMatchObject({ data: { status: 'checked', by: '--data' } });
    expect(json(certune('prove', run, '--no-fold', '--json'))['proved']).toBe(0);
    const e = json(certune('estimate', run, '--json')),
      file = readFileSync(pack(run));
    expect(e['proofBytes']).toBe(file.length - file.indexOf(10) - 1);
    expect(Math.abs(e['fileBytes'] / file.length - 1)).toBeLessThan(0.05);
    expect(e['proveSeconds']).toBeGreaterThan(0);
    const d = json(certune('inspect', pack(run), '--json'));
    expect(d['ledger'].roundByRound).toBeGreaterThanOrEqual(100);
    expect(d['claims'].map((c: { status: string }) => c.status)).toContain('declared');
    expect(certune('inspect', run).stdout).toMatch(/not hidden +salt, sampler key/);
    fails(2, ['verify', pack(run)], /--base DIR, --data FILE, --adapter DIR/);
    fails(2, target('--data', data), /2 files given/);
  });
  it('exit 4: verified, but not what the caller admits', () => {
    const e = fails(
      4,
      target('--require-beacon', '--min-bits', '128', '--allow-license', 'MIT', '--require-base', `sha256:${'0'.repeat(64)}`),
      /beacon/,
    );
    expect(e['verified']).toBe(true);
    expect(e['reasons']).toHaveLength(4);
    expect(certune(...target('--min-bits', '100', '--allow-license', 'CC0-1.0')).status).toBe(0);
  });
  it('exit 1: another adapter, data, manifest or proof word', () => {
    const forged = copy(run, 'forged'),
      file = join(forged, 'out/adapter/adapter_model.safetensors'),
      b = readFileSync(file);
    b.writeFloatLE(b.readFloatLE(b.length - 4) + 2 ** -20, b.length - 4);
    writeFileSync(file, b);
    expect(fails(1, ['verify', forged], /released adapter/)['check']).toBe('released adapter');
    const other = join(home, 'other.jsonl');
    writeFileSync(other, readFileSync(data, 'utf8').split('\n').reverse().join('\n').trim());
    fails(1, ['verify', run, '--data', other], /manifest/);

    const m = join(forged, 'out/manifest.json');
    writeFileSync(m, readFileSync(m, 'utf8').replace('"learningRate":0.003', '"learningRate":0.002'));
    fails(1, ['verify', forged], /config\.train\.learningRate/);
    const all = readFileSync(pack(run)),
      nl = all.indexOf(10),
      head = all.subarray(0, nl).toString();
    const write = (h: string, body: Uint8Array = all.subarray(nl + 1)): string[] => {
      const f = join(home, 'forged.certune');
      writeFileSync(f, resealed(h, body));
      return ['verify', f, ...target().slice(2)];
    };
    fails(1, write(head.replace('"learningRate":0.003', '"learningRate":0.002')), /step 0/);
    // Declared only, and consistent everywhere: still another statement than the one proved.
    fails(1, write(head.replaceAll('LicenseRef-unknown', 'Apache-2.0')), /step 0/);
    fails(1, write(head.replace(/"examples":\d+/, '"examples":99')), /manifest: differs .*dataset\.examples/);
    for (const at of [8, all.length - nl - 20, (all.length - nl) >> 1]) {
      const body = Buffer.from(all.subarray(nl + 1));
      body[at] ^= 1;
      fails(1, write(head, body), /./);
    }
    const torn = Buffer.from(all);
    torn[all.length - 100] ^= 1;
    writeFileSync(join(home, 'torn.certune'), torn);
    fails(
      3,
      ['verify', join(home, 'torn.certune'), ...target().slice(2)],
      /does not match its digest .*certune prove --no-fold makes it again/,
    );
    // Exit 3 and 5: malformed before anything is verified.
    fails(3, write(head, all.subarray(nl + 1, all.length - 8)), /shorter than its header/);
    fails(3, write(head, Buffer.concat([all.subarray(nl + 1), Buffer.alloc(8)])), /8 bytes too many/);
    fails(3, write(head.replace('{"manifest"', '{ "manifest"')), /not canonical/);
    fails(3, write(head.replace('"steps":[', '"steps":[[],')), /needs the proofs of 2 steps|at least/);
    fails(3, write(head.replace('"hidden":', '"hidden":9999999')), /base\.shape\.hidden/);
    fails(5, write(head.replace(/"version":\d+\}$/, '"version":7}')), /version 7 is not supported/);
    fails(5, write(head.replace(/"certune-manifest","version":\d+\}/, '"certune-manifest","version":1}')), /version 1 is not supported/);
  });
  it('exit 3: a journal or settings of another manifest are refused, not mixed', () => {
    const mixed = copy(run, 'mixed'),
      file = join(mixed, 'run.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('learningRate: 0.003', 'learningRate: 0.002'));
    fails(3, ['prove', mixed], /does not match run\.yaml, base or data: config\.train\.learningRate/);
    fails(3, ['commit', mixed], /belong to what was committed before/);
    // Nor where manifest.json is gone: the journal holds it too.
    rmSync(join(mixed, 'out/manifest.json'));
    fails(3, ['commit', mixed], /belong to what was committed before/);
    for (const d of ['journal', 'proof']) renameSync(join(mixed, 'out', d), join(mixed, d));
    expect(certune('commit', mixed).status).toBe(0);
    cpSync(join(mixed, 'journal'), join(mixed, 'out/journal'), { recursive: true });
    cpSync(join(mixed, 'proof'), join(mixed, 'out/proof'), { recursive: true });
    fails(3, ['train', mixed], /belongs to another manifest/);
    fails(3, ['prove', mixed], /another manifest/);
  });
  it('exit 5: a manifest of another version', () => {
    const old = copy(run, 'old'),
      m = join(old, 'out/manifest.json');
    writeFileSync(m, readFileSync(m, 'utf8').replace(/"certune-manifest","version":\d+\}/, '"certune-manifest","version":9}'));
    for (const c of ['train', 'prove', 'verify', 'inspect']) fails(5, [c, old], /version 9 is not supported/);
  });
});

const mount = join(home, 'full');
mkdirSync(mount);
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=72k', 'tmpfs', mount]).status === 0;
afterAll(() => {
  if (mounted) spawnSync('umount', [mount]);
});
describe.skipIf(!mounted)(`a full disk${mounted ? '' : ' (skipped: only root can mount a small one)'}`, () => {
  it('exit 6: names the file and the bytes; what was finished stays and nothing is half written', () => {
    const run = folder('full/run');
    expect(certune('commit', run).status).toBe(0);
    writeFileSync(join(mount, 'filler'), Buffer.alloc(52 * 1024));
    const e = fails(6, ['train', run], /no room on the disk for \d+ bytes/);
    expect(e['free']).toBeLessThan(e['needed']);
    expect(e['needed']).toBeGreaterThan(1000);
    expect(readdirSync(join(run, 'out'), { recursive: true }).filter((f) => String(f).includes('.tmp-'))).toEqual([]);
    expect(existsSync(join(run, 'out/manifest.json'))).toBe(true);
    // Without the check beforehand: the write itself fails, named, and leaves nothing.
    const file = join(mount, 'file');
    expect(() => writeAtomic(file, Buffer.alloc(64 * 1024))).toThrow(DiskFullError);
    expect(readdirSync(mount).filter((f) => f.startsWith('file'))).toEqual([]);
    rmSync(join(mount, 'filler'));
    expect(certune('train', run).status).toBe(0);
  });
});
