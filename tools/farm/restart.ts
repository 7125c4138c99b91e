/**
 * npm run farm:restart: how long a farm takes to go on when somebody is killed, with its own times and a redis-server
 * that this starts. Jobs are stubs of a tenth of a second, so that what is measured is how the loss is found. Takes
 * about three minutes, in which next to nothing is computed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BullDispatcher, BullSource, CoordinatorLease, FolderBlobs, Store, work } from 'certune/engine';
import { FARM_KEY, WORKER, stubCoordinator, stubJobs, stubRunner } from './stub.js';

const manifest = `sha256:${'5'.repeat(64)}`,
  jobs = stubJobs(manifest, 40),
  wait = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms)),
  self = fileURLToPath(import.meta.url);

/** A process that does jobs, or coordinates, until it is killed. */
async function party(kind: string, url: string, folder: string, name: string): Promise<void> {
  const store = new Store(new FolderBlobs(folder), FARM_KEY),
    none = new AbortController().signal;
  if (kind === 'worker') {
    const me = { ...WORKER, name },
      source = await BullSource.open(url, manifest, FARM_KEY, me);
    await work({ source, store, runner: stubRunner(store, 100), worker: me, farmKey: FARM_KEY, drain: none, stop: none });
    return;
  }
  const dispatcher = await BullDispatcher.open(url, manifest, FARM_KEY),
    lease = await CoordinatorLease.take(store),
    c = await stubCoordinator(store, dispatcher, lease, jobs, 2, () => console.log(`done ${performance.timeOrigin + performance.now()}`));
  await c.run(none);
  await lease.release();
  await dispatcher.close();
  console.log('finished');
  process.exit(0);
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const s = createServer().listen(0, '127.0.0.1', () => {
      const { port } = s.address() as { port: number };
      s.close(() => resolve(port));
    });
  });

/** A farm of processes, to which something happens when so many jobs are done. */
class Farm {
  readonly folder = mkdtempSync(join(tmpdir(), 'certune-restart-'));
  readonly started = new Set<ChildProcess>();
  readonly times: number[] = [];
  finished = false;
  server: ChildProcess | undefined;
  constructor(readonly port: number) {}
  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }
  async redis(): Promise<void> {
    const p = spawn(
      'redis-server',
      ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder, '--save', '', '--appendonly', 'yes'],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    this.server = p;
    await new Promise<void>((r) => p.stdout!.on('data', (b: Buffer) => /Ready to accept/.test(b.toString()) && r()));
  }
  start(kind: 'worker' | 'coordinator', name: string): ChildProcess {
    const p = spawn(process.execPath, [self, kind, this.url, join(this.folder, 'store'), name], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.started.add(p);
    p.stdout!.on('data', (b: Buffer) => {
      for (const m of b.toString().matchAll(/done ([\d.]+)/g)) this.times.push(Number(m[1]));
      this.finished ||= /finished/.test(b.toString());
    });
    return p;
  }
  async until(so: () => boolean): Promise<void> {
    while (!so()) await wait(20);
  }
  end(): void {
    for (const p of [...this.started, this.server]) p?.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

type Harm = (f: Farm, a: ChildProcess, c: ChildProcess) => Promise<void>;
const now = (): number => performance.timeOrigin + performance.now();
const HARMS: readonly (readonly [string, Harm])[] = [
  ['the only worker is killed, another one is there', async (f, a) => void (a.kill('SIGKILL'), f.start('worker', 'second'))],
  [
    'the coordinator is killed, and started again on the same machine',
    async (f, _a, c) => void (c.kill('SIGKILL'), f.start('coordinator', 'again')),
  ],
  [
    'the coordinator is killed, and started again on another machine',
    async (f, _a, c) => {
      c.kill('SIGKILL');
      const store = new Store(new FolderBlobs(join(f.folder, 'store')), FARM_KEY),
        l = (await store.record('lease')) as object;
      await store.setRecord('lease', { ...l, host: 'elsewhere' });
      f.start('coordinator', 'again');
    },
  ],
  [
    'Redis is killed and started again',
    async (f) => {
      f.server!.kill('SIGKILL');
      await new Promise((r) => f.server!.once('exit', r));
      await f.redis();
    },
  ],
  [
    'Redis is emptied',
    async (f) => {
      await new Promise((r) => spawn('redis-cli', ['-p', String(f.port), 'FLUSHALL'], { stdio: 'ignore' }).on('exit', r));
    },
  ],
];

async function main(): Promise<void> {
  for (const [name, harm] of HARMS) {
    const f = new Farm(await freePort());
    try {
      await f.redis();
      const c = f.start('coordinator', 'first'),
        a = f.start('worker', 'first');
      await f.until(() => f.times.length >= 5);
      const before = f.times.length,
        t0 = now();
      await harm(f, a, c);
      // The longest time without a result is that of the job that was at hand: others may go on at once.
      await f.until(() => f.finished);
      const after = f.times.slice(before).filter((t) => t > t0 + 50),
        gap = Math.max(...after.map((t, i) => t - (i ? after[i - 1] : t0)));
      console.log(`| ${name} | ${((after[0] - t0) / 1000).toFixed(1)} | ${(gap / 1000).toFixed(1)} |`);
    } finally {
      f.end();
    }
  }
}

const [kind, url, folder, name] = process.argv.slice(2);
if (kind) await party(kind, url, folder, name);
else await main();
