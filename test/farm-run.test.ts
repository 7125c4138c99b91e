import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setSmall } from './run-settings.js';

/* A farm on a real run: two segments, a fold and the end, byte for byte what certune prove makes. */

const root = fileURLToPath(new URL('..', import.meta.url)),
  bin = join(root, 'bin/certune.js'),
  home = mkdtempSync(join(tmpdir(), 'certune-farm-run-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

// biome-ignore lint/suspicious/noExplicitAny: a document of the command line, whose fields each test names
type Json = Record<string, any>;
const ok = (...args: string[]): Json => {
  const p = spawnSync(process.execPath, [bin, ...args, '--json'], { encoding: 'utf8', maxBuffer: 2 ** 26 });
  expect(`${p.status} ${p.stdout} ${p.status ? p.stderr : ''}`).toMatch(/^0 /);
  return JSON.parse(p.stdout) as Json;
};
const fails = (exit: number, args: string[], text: RegExp): void => {
  const p = spawnSync(process.execPath, [bin, ...args, '--json'], { encoding: 'utf8' });
  expect(`${p.status} ${p.stdout}`).toMatch(new RegExp(`^${exit} `));
  expect((JSON.parse(p.stdout) as Json)['error'].message).toMatch(text);
};
const files = (run: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(join(run, 'out/proof'), { recursive: true, withFileTypes: true })
      .filter((e) => e.isFile())
      .map((e) => [join(e.parentPath, e.name).slice(run.length), readFileSync(join(e.parentPath, e.name)).toString('base64')]),
  );
/** Child processes of a process. */
const childrenOf = (pid: number): number[] =>
  readdirSync('/proc')
    .filter((d) => /^\d+$/.test(d))
    .filter((d) => {
      try {
        const stat = readFileSync(`/proc/${d}/stat`, 'utf8');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
      } catch {
        return false;
      }
    })
    .map(Number);

describe('a farm on one machine', () => {
  const one = join(home, 'one'),
    many = join(home, 'many');
  beforeAll(() => {
    ok('init', one, '--model', join(root, 'test/data/tiny'), '--data', join(root, 'test/data/pairs.jsonl'));
    // Two epochs of two steps and one: a leaf each.
    setSmall(one, { steps: 3, batch: 4, microBatch: 4 });
    ok('commit', one);
    ok('train', one);
    cpSync(one, many, { recursive: true });
    ok('prove', one);
  });

  it('makes the same files though a process and the command are killed in the middle', async () => {
    fails(2, ['prove', many, '--processes', '2', '--steps', '0..1'], /neither --steps nor --no-fold/);
    fails(2, ['prove', many, '--processes', 'some'], /not a number of processes/);
    const p = spawn(process.execPath, [bin, 'prove', many, '--processes', '2'], { stdio: ['ignore', 'ignore', 'pipe'] }),
      ended = new Promise<void>((r) => p.on('exit', () => r()));
    let err = '',
      killed = 0;
    p.stderr.on('data', (b: Buffer) => {
      err += b.toString();
      const [child] = process.platform === 'linux' && /step \d: .*logup/.test(err) && !killed ? childrenOf(p.pid!) : [];
      if (child) {
        killed = child;
        process.kill(child, 'SIGKILL');
      }
      if (/segment of .* is done/.test(err)) p.kill('SIGKILL');
    });
    await ended;
    if (process.platform === 'linux')
      expect(err).toMatch(/segment of .* failed at worker process-\d: its process ended in the middle: SIGKILL/);
    // What is in the store is not done again.
    const r = ok('prove', many, '--processes', '2');
    expect(r['segments']).toBeLessThan(2);
    expect(r).toMatchObject({ steps: 3, processes: 2, jobs: 4 });
    expect(files(many)).toEqual(files(one));
  });
});
