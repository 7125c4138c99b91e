import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeNode } from '../src/artifact/folded.js';
import { sealedHeader } from '../src/artifact/header.js';
import { committed } from '../src/cli/common.js';
import { farmOf } from '../src/cli/farm-run.js';
import { Progress } from '../src/cli/progress.js';
import { RunAcceptor } from '../src/engine/acceptance.js';
import { MemoryBlobs } from '../src/engine/blobs.js';
import { Store } from '../src/engine/store.js';
import { singleKernels } from '../src/kernels/index.js';
import { nodeOf } from '../src/recursion/node-words.js';
import { RedisServer, freePort, noRedis } from './redis.js';
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

const skipped = await noRedis();
if (skipped !== undefined) console.warn(`farm-run.test.ts, over Redis, is skipped: ${skipped}`);

describe('a farm', () => {
  const one = join(home, 'one'),
    many = join(home, 'many'),
    far = join(home, 'far');
  beforeAll(() => {
    ok('init', one, '--model', join(root, 'test/data/tiny'), '--data', join(root, 'test/data/pairs.jsonl'));
    // Two epochs of two steps and one: a leaf each.
    setSmall(one, { steps: 3, batch: 4, microBatch: 4 });
    ok('commit', one);
    ok('train', one);
    for (const copy of [many, far]) cpSync(one, copy, { recursive: true });
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
      const [child] = process.platform === 'linux' && /step \d: step/.test(err) && !killed ? childrenOf(p.pid!) : [];
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

  it('takes a node that is that of its job, and refuses every other by what is wrong', () => {
    const { s, digest } = committed(one),
      k = singleKernels(),
      quiet = { progress: new Progress({ tty: false, quiet: true, write: () => {} }), writes: () => {} },
      dir = join(one, 'out'),
      farm = farmOf(k, { s, digest, dir, file: join(one, 'run.certune') }, quiet, new Store(new MemoryBlobs()), {
        perSegment: 2,
        trained: () => 3,
      }),
      [a, b] = farm.shape.jobs,
      // The node of the first epoch, which is kept, is the result of the first segment.
      first = new Uint8Array(readFileSync(join(dir, 'proof/epochs/epoch-0000.certune'))),
      why = (job: typeof a, bytes: Uint8Array): string => {
        try {
          void farm.acceptor.accept(job, bytes);
          return 'accepted';
        } catch (e) {
          return (e as Error).message;
        }
      },
      /** The node with another header, or with one word of its body changed, as its maker would have sealed it. */
      changed = (head: (h: Json) => void, word = -1): Uint8Array => {
        const nl = first.indexOf(10),
          h = JSON.parse(new TextDecoder().decode(first.subarray(0, nl))) as Json,
          body = first.slice(nl + 1);
        head(h);
        if (word >= 0) body[8 * word] ^= 1;
        return new Uint8Array(Buffer.concat([Buffer.from(sealedHeader(h, body)), body]));
      },
      none = (): void => {};
    expect(why(a, first)).toBe('accepted');
    // Of another range, of another run, under another key.
    expect(why(b, first)).toMatch(/^range: is not that of the job/);
    expect(
      why(
        a,
        changed((h) => {
          h['manifest'].config.train.learningRate = 0.004;
        }),
      ),
    ).toMatch(/^manifest: is not that of this run/);
    expect(
      why(
        a,
        changed((h) => {
          h['key'].root[0] = '1';
        }),
      ),
    ).toMatch(/^verification key: is not that of this run/);
    // With other losses; with another state; with a claim that does not hold; with a proof that does not.
    expect(
      why(
        a,
        changed((h) => {
          h['losses'][0][2] = String(BigInt(h['losses'][0][2] as string) + 1n);
        }),
      ),
    ).toMatch(/^losses: are not those of the journal/);
    const { statement, proof } = JSON.parse(new TextDecoder().decode(first.subarray(0, first.indexOf(10)))) as Json;
    expect(why(a, changed(none, 45))).not.toBe('accepted');
    expect(why(a, changed(none, statement - 1))).not.toBe('accepted');
    expect(why(a, changed(none, statement + Math.floor(proof / 2)))).not.toBe('accepted');
    const { judge } = farm,
      { places } = judge.shape.plan,
      [from, to] = [places[a.from], places[a.to]],
      { statement: st } = nodeOf(judge.inputs.circuits.cls, decodeNode('the node', first));
    // Every part of what a node enters and leaves is the journal's.
    judge.boundaries.check(st, from, to);
    for (const side of ['In', 'Out'] as const)
      for (const part of ['pos', 's', 'a', 'losses', 'targets', 'counters', 'epochs'] as const) {
        const name = `${part}${side}` as const,
          [w, ...rest] = st[name];
        expect(() => judge.boundaries.check({ ...st, [name]: [w + 1n, ...rest] }, from, to), name).toThrow(
          side === 'In' ? / entered: is not that of the run before/ : / left: is not that of the run before/,
        );
      }
    // A node that holds and leaves a claim that does not: the base it speaks of is another one.
    const words = judge.inputs.base.words.slice();
    words[7]++;
    const other = new RunAcceptor(
      k,
      { ...judge.inputs, base: { ...judge.inputs.base, words } },
      judge.complete,
      judge.shape,
      judge.boundaries,
    );
    expect(() => other.accept(a, first)).toThrow(/the claim on the base that the range leaves does not hold/);
    expect(why(a, first.slice(0, -8))).toMatch(/shorter than its header/);
    expect(why(a, new Uint8Array(0))).not.toBe('accepted');
    k.close();
  });

  it.skipIf(skipped !== undefined)(
    `over Redis, two workers of which one is killed${skipped === undefined ? '' : ` (${skipped})`}`,
    async () => {
      const server = new RedisServer(join(home, 'redis'), await freePort()),
        store = join(home, 'store'),
        cache = join(home, 'cache'),
        started: ChildProcess[] = [];
      const start = (
        ...args: string[]
      ): { readonly p: ChildProcess; readonly err: () => string; readonly ended: Promise<number | null> } => {
        const p = spawn(process.execPath, [bin, 'farm', ...args, '--store', store, '--engine', server.url], {
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        started.push(p);
        let err = '';
        for (const s of [p.stdout, p.stderr]) s.on('data', (b: Buffer) => (err += b.toString()));
        return { p, err: () => err, ended: new Promise((r) => p.on('exit', r)) };
      };
      const until = async (what: () => boolean): Promise<void> => {
        while (!what()) {
          expect(started.every((p) => p.exitCode === null || p.exitCode === 0)).toBe(true);
          await new Promise((r) => setTimeout(r, 100));
        }
      };
      try {
        await server.start();
        fails(3, ['farm', 'work', '--store', store, '--engine', server.url, '--key', join(far, 'secret/farm.key')], /farm\.key/);
        const coordinator = start('start', far, '--metrics', String(await freePort()));
        await until(() => existsSync(join(store, 'run')));
        const worker = (name: string): ReturnType<typeof start> =>
          start(
            'work',
            '--key',
            join(far, 'secret/farm.key'),
            '--cache',
            join(cache, name),
            '--name',
            name,
            '--workers',
            '1',
            '--memory',
            '4GiB',
          );
        const a = worker('first');
        await until(() => /step \d: /.test(a.err()));
        const b = worker('second');
        await until(() => /step \d: /.test(b.err()));
        a.p.kill('SIGKILL');
        const status = ok('farm', 'status', '--store', store);
        expect(status['workers'].map((w: Json) => w['name'])).toContain('second');
        expect(await coordinator.ended).toBe(0);
        // The worker ends with the run.
        expect(await b.ended).toBe(0);
        expect(files(far)).toEqual(files(one));
        expect(ok('farm', 'status', '--store', store)['status'].jobs).toMatchObject({
          segment: { done: 2 },
          fold: { done: 1 },
          end: { done: 1 },
        });
        fails(2, ['farm', 'retry', 'all', '--store', store], /no job was given up/);
        expect(ok('farm', 'gc', '--store', store)['removed']).toBeGreaterThanOrEqual(0);
      } finally {
        for (const p of started) p.kill('SIGKILL');
        await server.kill();
      }
    },
  );
});
