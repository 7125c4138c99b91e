/**
 * npm run golden: makes the golden certificates of this release, test/data/certificates. A certificate draws its masks
 * afresh, so that none is made twice: run it where a version has risen, and not otherwise. What a rise of a version has
 * made unreadable moves to test/data/certificates/older, where a test has it refused by name for ever.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './fixtures.js';
import { setSmall } from './run-settings.js';

const folder = join(root, 'test/data/certificates'),
  base = join(root, 'test/data/tiny'),
  settings: Readonly<Record<string, Readonly<Record<string, string | number>>>> = {
    public: {},
    // Without a key in run.yaml, commit draws one.
    private: { mode: 'private', key: 'null' },
    unshown: { mode: 'private', key: 'null', adapter: 'none' },
  };

/** What a verifier has to be given: digest of the key, commitment to the base. */
interface Given {
  readonly key: string;
  readonly root: string;
}

function certune(...args: string[]): Record<string, unknown> {
  console.error(`certune ${args.join(' ')}`);
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'bin/certune.js'), ...args, '--quiet', '--json'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`certune ${args[0]} ended with ${status}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** Versions that a certificate names: its own, of manifest, proof and recursion. Of a file that is whole. */
function versionsOf(b: Buffer): string {
  const [manifest, key] = [b.readUInt32LE(12), b.readUInt32LE(16)],
    json = (from: number, bytes: number): Record<string, unknown> =>
      JSON.parse(b.subarray(from, from + bytes).toString('utf8')) as Record<string, unknown>,
    k = json(36 + manifest, key);
  return `certificate-${b.readUInt32LE(8)}-manifest-${json(36, manifest)['version']}-proof-${k['proofVersion']}-recursion-${k['version']}`;
}

/** Moves a certificate of other versions than those of its successor to where such lie. */
function keep(file: string, successor: Buffer): void {
  if (!existsSync(file)) return;
  const was = versionsOf(readFileSync(file)),
    older = join(folder, 'older');
  if (was === versionsOf(successor)) return;
  mkdirSync(older, { recursive: true });
  // One of each versions is enough.
  renameSync(file, join(older, `${was}.certune`));
}

/** The certificate of a run of two steps, in its file, and what its verifier is given. */
function make(name: string, home: string): Given {
  const run = join(home, name),
    made = join(home, `${name}.certune`);
  certune('init', run, '--model', base, '--data', join(root, 'test/data/pairs.jsonl'));
  setSmall(run, { batch: 4, microBatch: 4, ...settings[name] });
  for (const command of ['commit', 'train', 'prove']) certune(command, run);
  const { key } = certune('certify', run, '-o', made),
    // What a certificate does not say, no adapter is compared with.
    own = settings[name]['adapter'] === 'none' ? [] : ['--adapter', join(run, 'out/adapter')],
    check = certune('verify', made, '--base', base, '--commit-base', ...own)['root'];
  if (typeof key !== 'string' || typeof check !== 'string') throw new Error('certify and verify name no key, no root');
  const file = join(folder, `${name}.certune`),
    bytes = readFileSync(made);
  keep(file, bytes);
  writeFileSync(file, bytes);
  return { key, root: check };
}

const home = mkdtempSync(join(tmpdir(), 'certune-golden-'));
try {
  const given = Object.fromEntries(Object.keys(settings).map((name) => [name, make(name, home)]));
  writeFileSync(join(folder, 'given.json'), `${JSON.stringify(given, null, 2)}\n`);
  console.log(JSON.stringify(given, null, 2));
} finally {
  rmSync(home, { recursive: true, force: true });
}
