import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeNode } from '../src/artifact/folded.js';
import { sealedHeader } from '../src/artifact/header.js';
import { committed } from '../src/cli/committed.js';
import { type FarmRun, farmOf } from '../src/cli/farm-run.js';
import { Progress } from '../src/cli/progress.js';
import { RunAcceptor } from '../src/engine/acceptance.js';
import { FolderBlobs, MemoryBlobs } from '../src/engine/blobs.js';
import { Embedded } from '../src/engine/embedded.js';
import { farmKeyAt } from '../src/engine/farm-key.js';
import { type Job, classOf } from '../src/engine/jobs.js';
import { JobProver } from '../src/engine/prover.js';
import { Store } from '../src/engine/store.js';
import { type Kernels, singleKernels } from '../src/kernels/index.js';
import { nodeOf } from '../src/recursion/node-words.js';
import { stateCommitment } from '../src/run/commitments.js';
import { type StandIn, standIn } from './farm-child.js';
import { StubRunner, coordinate, stubWorker } from './farm-stub.js';
import { RedisServer, TLS, freePort, noRedis } from './redis.js';
import { setSmall } from './run-settings.js';

/*
 * A farm on a real run, which is private and on the base of the examples: two segments, a fold, the end and the
 * certificate, byte for byte what certune prove makes. Every kind of job is proved by the farm over Redis, two of them
 * at the same time, and by that of one machine but for the certificate; where it is who dies, and not the proof, that
 * matters, a stand-in offers what was proved before.
 */

const root = fileURLToPath(new URL('..', import.meta.url)),
  dist = new URL('../dist', import.meta.url),
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
const within = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name));
const files = (run: string): Record<string, string> =>
  Object.fromEntries(within(join(run, 'out/proof')).map((f) => [f.slice(run.length), readFileSync(f).toString('base64')]));
const bytesOf = (file: string): Uint8Array => new Uint8Array(readFileSync(file));
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

/** A command on its way. */
interface Running {
  readonly p: ChildProcess;
  readonly err: () => string;
  readonly out: () => Json;
  readonly ended: Promise<number | null>;
}
const started: ChildProcess[] = [];
afterAll(() => {
  for (const p of started) p.kill('SIGKILL');
});
function start(args: string[], env: NodeJS.ProcessEnv = process.env): Running {
  const p = spawn(process.execPath, [bin, ...args, '--json'], { stdio: ['ignore', 'pipe', 'pipe'], env });
  started.push(p);
  let err = '',
    out = '';
  p.stderr.on('data', (b: Buffer) => (err += b.toString()));
  p.stdout.on('data', (b: Buffer) => (out += b.toString()));
  return { p, err: () => err, out: () => JSON.parse(out) as Json, ended: new Promise((r) => p.on('close', (code) => r(code))) };
}
/** Waits until something is so, while the commands that it hangs on go on. */
const until = async (so: () => boolean, ...on: Running[]): Promise<void> => {
  while (!so()) {
    for (const { p, err } of on) expect(`${p.exitCode} ${p.exitCode === null ? '' : err()}`).toBe('null ');
    await new Promise((r) => setTimeout(r, 50));
  }
};

const skipped = await noRedis();
if (skipped !== undefined) console.warn(`farm-run.test.ts, over Redis, is skipped: ${skipped}`);

describe('a farm', () => {
  const one = join(home, 'one'),
    many = join(home, 'many'),
    far = join(home, 'far');
  // Results of all jobs, as they were proved.
  let results: ReadonlyMap<string, Uint8Array>;
  let certificate: Uint8Array | undefined;
  let k: Kernels, farm: FarmRun;
  /** The node of an epoch, which is kept, is the result of a segment. */
  const epoch = (i: number): Uint8Array => bytesOf(join(one, `out/proof/epochs/epoch-000${i}.certune`)),
    stand = (name: string, o: Omit<StandIn, 'results'> = {}): NodeJS.ProcessEnv => {
      const dir = join(home, name);
      mkdirSync(dir, { recursive: true });
      return standIn(dir, dist, { results, ...o });
    };

  beforeAll(() => {
    const rows = readFileSync(join(root, 'test/data/pairs.jsonl'), 'utf8').split('\n').slice(0, 4);
    writeFileSync(join(home, 'rows.jsonl'), `${rows.join('\n')}\n`);
    ok('init', one, '--model', join(root, 'examples/base'), '--data', join(home, 'rows.jsonl'));
    // Two epochs of a step, each a leaf; what the steps lost is shown, so that it can be compared.
    setSmall(one, { steps: 2, batch: 4, microBatch: 4, sequence: 12, mode: 'private', key: 'null', losses: 'steps' });
    ok('commit', one);
    cpSync(one, far, { recursive: true });
    ok('train', one);
    cpSync(one, many, { recursive: true });
    ok('prove', one, '--workers', '1');
    const { s, digest } = committed(one),
      quiet = { progress: new Progress({ tty: false, quiet: true, write: () => {} }), writes: () => {} };
    k = singleKernels();
    farm = farmOf(k, { s, digest, dir: join(one, 'out'), file: join(one, 'run.certune') }, quiet, new Store(new MemoryBlobs()), {
      perSegment: 1,
      trained: () => 2,
      certify: true,
    });
    const [a, b, fold, end] = farm.shape.jobs,
      nodes = join(one, 'out/proof/nodes');
    results = new Map([
      [a.key, epoch(0)],
      [b.key, epoch(1)],
      [fold.key, bytesOf(join(nodes, readdirSync(nodes)[0]))],
      [end.key, bytesOf(join(one, 'out/proof/run.certune'))],
    ]);
  });
  afterAll(() => k?.close());

  it('makes the same files though a process and the command are killed in the middle', async () => {
    fails(2, ['prove', many, '--processes', '2', '--steps', '0..1'], /neither --steps nor --no-fold/);
    fails(2, ['prove', many, '--processes', 'some'], /not a number of processes/);
    const p = start(['prove', many, '--processes', '2', '--workers', '2'], stand('stand-in', { ms: 2000 }));
    if (process.platform === 'linux') {
      await until(() => /step \d: /.test(p.err()), p);
      process.kill(childrenOf(p.p.pid!)[0], 'SIGKILL');
    }
    await until(() => /segment of .* is done/.test(p.err()), p);
    p.p.kill('SIGKILL');
    await p.ended;
    if (process.platform === 'linux')
      expect(p.err()).toMatch(/segment of .* failed at worker process-\d: its process ended in the middle: SIGKILL/);
    // What is in the store is not done again, and what is proved now is what one process proves.
    const store = join(many, 'out/proof/farm'),
      [first] = readdirSync(join(store, 'keys')),
      left = farm.shape.jobs.filter((j) => j.kind === 'segment' && j.key !== first);
    for (const f of readdirSync(join(store, 'offers'))) rmSync(join(store, 'offers', f));
    expect(left.length).toBe(1);
    const r = start(['prove', many, '--processes', '2', '--workers', '2']);
    expect(`${await r.ended} ${r.err()}`).toMatch(/^0 /);
    expect(r.out()).toMatchObject({ steps: 2, processes: 2, jobs: 4, segments: 1, folds: 1 });
    expect(files(many)).toEqual(files(one));
  });

  it('takes a node that is that of its job, and refuses every other by what is wrong', () => {
    const [a, b] = farm.shape.jobs,
      first = epoch(0),
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
    // Of a state every word: another root, digest, point or value, and the run's own state under another salt.
    for (const name of ['sIn', 'sOut'] as const)
      st[name].forEach((w, i) => {
        expect(() => judge.boundaries.check({ ...st, [name]: st[name].with(i, w + 1n) }, from, to), `${name} ${i}`).toThrow(
          /^state (entered|left): is not that of the run before step [01]$/,
        );
      });
    const { state } = judge.boundaries.course.states.before(to.step),
      salted = { ...st, sOut: k.scope(() => stateCommitment(k, judge.inputs.run.programs, 'sIn', state, [1n, 2n, 3n, 4n])) };
    expect(() => judge.boundaries.check(salted, from, to)).toThrow(/^state left: is not that of the run before step 1$/);
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
  });

  it('is not misled by workers that return other nodes, nor by what happens to its objects', async () => {
    const [a, b, fold, end] = farm.shape.jobs,
      jobs = [a, b, fold, end],
      of = (key: string): Uint8Array => results.get(key)!,
      store = new Store(new FolderBlobs(join(home, 'misled'))),
      // Each returns one wrong node, and is not heard again: of another job, with a byte flipped, cut, none, the end.
      wrong: readonly ((key: string) => Uint8Array)[] = [
        (key) => of(key === a.key ? b.key : a.key),
        (key) => of(key).map((x, i) => (i === of(key).length - 9 ? x ^ 1 : x)),
        (key) => of(key).slice(0, -8),
        () => new Uint8Array(0),
        () => of(end.key),
      ],
      engine = new Embedded(),
      drain = new AbortController(),
      refused: string[] = [],
      truth = { jobs, of, make: of, job: (key: string): Job => jobs.find((j) => j.key === key)! },
      workers = wrong.map((f, i) => stubWorker(`wrong-${i}`, engine, store, new StubRunner(store, truth, (j) => f(j.key)), drain.signal));
    let hurts = 0,
      good: Promise<number> | undefined;
    const c = await coordinate(
      {
        store,
        engine,
        more: { acceptor: farm.judge },
        onEvent: (e) => {
          if (e.what === 'refused') refused.push(e.worker);
          if (e.what === 'refused' && refused.length === wrong.length)
            good = stubWorker('good', engine, store, new StubRunner(store, truth), drain.signal);
          // A segment is deleted, and made again, the other one flipped.
          if (e.what === 'done' && e.job.kind === 'segment' && hurts++ < 2) {
            const file = join(store.name, 'objects', e.result.object.slice(0, 2), e.result.object);
            if (hurts === 1) rmSync(file);
            else
              writeFileSync(
                file,
                e.bytes.map((x, i) => (i === 99 ? x ^ 1 : x)),
              );
          }
        },
      },
      truth,
      new AbortController().signal,
    );
    drain.abort();
    await engine.close();
    await Promise.all([...workers, good]);
    expect(refused.sort()).toEqual(wrong.map((_, i) => `wrong-${i}`));
    expect(c.coordinator.counters).toMatchObject({ refused: wrong.length, done: { segment: 4, fold: 1, end: 1 } });
    expect(Buffer.compare(c.end, of(end.key))).toBe(0);
  });

  it('is forecast from the run itself', () => {
    const m = ok('farm', 'model', one, '--farm', '1,2,1000', '--workers', '1');
    expect(m).toMatchObject({ steps: 2, workers: [1, 2, 1000] });
    const [r] = m['rows'] as Json[];
    expect(r).toMatchObject({ segment: 1, jobs: 4 });
    const [w1, w2, w1000] = (r['trained'] as Json[]).map((x) => x['seconds'] as number);
    expect(w1).toBeGreaterThan(w2);
    // There are two segments: a third worker has nothing to do.
    expect(w1000).toBe(w2);
    expect(classOf(m['memoryBytes'] as number)).toBe('s');
    fails(2, ['farm', 'model', one, '--farm', '0'], /is no number of workers/);
  });

  it.skipIf(skipped !== undefined)(
    `over Redis, while training goes on, with workers and coordinators that are told to end${skipped === undefined ? '' : ` (${skipped})`}`,
    async () => {
      certificate = await overRedis({ one, far, farm, stand });
    },
  );

  it('judges a certificate, which is another one each time, as it does the end', () => {
    const { judge, shape } = farm,
      certify = shape.jobs[4],
      prover = new JobProver(k, judge.inputs, judge.complete, judge.shape),
      // That of the farm over Redis, where there is one.
      bytes = certificate ?? prover.certify(results.get(shape.jobs[2].key)!, 'the node');
    judge.accept(certify, bytes);
    expect(() => judge.accept(certify, results.get(shape.jobs[3].key)!)).toThrow();
    // One that says something else of itself is refused by its own digest, one with another proof by the proof.
    for (const at of [60, bytes.length - 100])
      expect(() =>
        judge.accept(
          certify,
          bytes.map((x, i) => (i === at ? x ^ 1 : x)),
        ),
      ).toThrow();
  });
});

/** What a page of metrics says. */
const metrics = async (port: number): Promise<Record<string, number>> => {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Object.fromEntries(
    text
      .split('\n')
      .filter((l) => l && !l.startsWith('#'))
      .map((l) => [l.slice(0, l.lastIndexOf(' ')), Number(l.slice(l.lastIndexOf(' ') + 1))]),
  );
};

async function overRedis(x: {
  one: string;
  far: string;
  farm: FarmRun;
  stand: (name: string, o?: Omit<StandIn, 'results'>) => NodeJS.ProcessEnv;
}): Promise<Uint8Array> {
  const { one, far, farm, stand } = x,
    server = new RedisServer(join(home, 'redis'), await freePort(), ['--appendonly', 'yes'], true),
    store = join(home, 'store'),
    secret = join(far, 'secret/sampler.json'),
    key = join(far, 'secret/farm.key'),
    [a, b, fold, end] = farm.shape.jobs,
    port = await freePort(),
    at = ['--store', store, '--engine', server.url],
    env = (more: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv => ({
      ...more,
      CERTUNE_REDIS_USER: TLS.user,
      CERTUNE_REDIS_PASSWORD: TLS.password,
      CERTUNE_REDIS_CA: TLS.ca,
    }),
    worker = (name: string, more?: NodeJS.ProcessEnv): Running =>
      start(
        // biome-ignore format: an option and its value beside each other
        ['farm', 'work', ...at, '--key', key, '--secret', secret, '--cache', join(home, 'cache', name), '--name', name, '--workers', '1', '--memory', '4GiB'],
        env(more),
      ),
    coordinator = (): Running => start(['farm', 'start', far, ...at, '--certify', '--metrics', String(port)], env()),
    done = (j: Job): boolean => existsSync(join(store, 'keys', j.key)),
    /** Brings the state before a step, as training writes it. */
    trains = (step: number): void => {
      const name = `step-0000${step}.bin`;
      mkdirSync(join(far, 'out/journal'), { recursive: true });
      cpSync(join(one, 'out/journal', name), join(home, name));
      renameSync(join(home, name), join(far, 'out/journal', name));
    };
  await server.start();
  try {
    fails(3, ['farm', 'work', ...at, '--key', key], /farm\.key/);
    // Nothing is trained yet: the coordinator waits; then it puts the first segment, and not the second one.
    let c = coordinator();
    await until(() => existsSync(join(store, 'run')), c);
    trains(0);
    trains(1);
    const put = 'certune_farm_jobs{kind="segment",state="put"}';
    await until(() => existsSync(join(store, 'checkpoints', a.key)), c);
    while ((await metrics(port))[put] !== 1) await new Promise((r) => setTimeout(r, 200));
    expect(await metrics(port)).toMatchObject({
      certune_farm_trained_steps: 1,
      certune_farm_lag_steps: 1,
      certune_farm_workers: 0,
      [put]: 1,
      'certune_farm_jobs{kind="segment",state="ready"}': 1,
    });
    trains(2);
    // Two processes prove a segment each, at the same time, from trees of the states that the coordinator has made.
    await until(() => [0, 1, 2].every((step) => existsSync(join(store, 'trees', String(step)))), c);
    const [first, second] = [worker('first'), worker('second')];
    await until(() => [first, second].every((w) => /step \d: /.test(w.err())), c, first, second);
    expect(await metrics(port)).toMatchObject({ certune_farm_workers: 2, certune_farm_queue_active: 2, certune_farm_queue_waiting: 0 });
    expect([...(first.err() + second.err()).matchAll(/step (\d): /g)].map((m) => m[1])).toEqual(expect.arrayContaining(['0', '1']));
    // Told to end a worker finishes its job, though its process hears of it too, or everybody is told in the store.
    for (const pid of [...childrenOf(first.p.pid!), first.p.pid!]) process.kill(pid, 'SIGINT');
    ok('farm', 'drain', '--store', store);
    expect([await c.ended, c.out()['error'].code]).toEqual([130, 'interrupted']);
    for (const w of [first, second]) expect([await w.ended, w.out()['jobs']]).toEqual([0, 1]);
    // What was offered while no coordinator was there the next one finds; no tree is kept for longer than it is read.
    c = coordinator();
    await until(() => done(a) && done(b) && !readdirSync(join(store, 'trees')).length, c);
    // Told twice a worker gives its job back.
    const third = worker('third', stand('hangs', { hangs: fold.key }));
    await until(() => /step 0: /.test(third.err()), c, third);
    // The coordinator ends and leaves the rest for the next one.
    c.p.kill('SIGTERM');
    expect([await c.ended, c.out()['error'].code]).toEqual([130, 'interrupted']);
    const junk = await new Store(new FolderBlobs(store)).put(new Uint8Array([1]));
    expect(ok('farm', 'gc', '--store', store)).toMatchObject({ removed: 1 });
    expect(existsSync(join(store, 'objects', junk.slice(0, 2), junk))).toBe(false);
    fails(2, ['farm', 'retry', 'all', '--store', store], /no job was given up/);
    const failure = { kind: 'typed', code: 'unreadable', message: 'its disk is full', lines: ['the last line'] };
    await new Store(new FolderBlobs(store)).setRecord(`failed/${end.key}`, { name: 'the end', worker: 'third', failure });
    c = coordinator();
    await until(() => /1 worker/.test(c.err()), c, third);
    const told = spawnSync(process.execPath, [bin, 'farm', 'status', '--store', store], { encoding: 'utf8' }).stdout;
    expect(told).toMatch(/third .*, classes s\): 0 jobs;/);
    expect(told).toMatch(/given up: .*the end, worker third: its disk is full\n {4}the last line/);
    expect(ok('farm', 'retry', end.key.slice(0, 8), '--store', store)['retried']).toEqual([end.key]);
    third.p.kill('SIGTERM');
    await until(() => /once more to give it up/.test(third.err()), third);
    third.p.kill('SIGTERM');
    expect([await third.ended, third.out()['error'].message]).toEqual([
      130,
      expect.stringMatching(/^worker third was told twice to end: its job was given back/),
    ]);
    // The rest is proved by another one, the certificate too.
    const fourth = worker('fourth');
    expect(`${await c.ended} ${c.err()}`).toMatch(/^0 /);
    expect(c.out()).toMatchObject({ steps: 2, jobs: 5, refused: 0, done: { segment: 0, fold: 1, end: 1, certify: 1 } });
    // A worker ends with the run.
    expect([await fourth.ended, fourth.out()['jobs']]).toEqual([0, 3]);
    expect(files(far)).toEqual(files(one));
    const certificate = c.out()['certificate'] as string;
    expect(ok('verify', certificate, '--base', join(root, 'examples/base'))).toMatchObject({ steps: 2 });
    const { status, workers, coordinator: holder } = ok('farm', 'status', '--store', store);
    expect([workers, holder]).toEqual([[], undefined]);
    expect(status).toMatchObject({
      finished: true,
      jobs: { segment: { done: 2 }, fold: { done: 1 }, end: { done: 1 }, certify: { done: 1 } },
    });
    expect(ok('farm', 'start', far, ...at)).toMatchObject({ jobs: 0 });
    // A worker of which a result did not hold is told so, and ends.
    const why = 'state left: is not that of the run before step 1';
    await new Store(new FolderBlobs(store)).setRecord('suspended/fifth', { job: a.key, object: junk, why });
    const fifth = worker('fifth', stand('stand-in'));
    expect([await fifth.ended, fifth.out()['error'].message]).toEqual([
      1,
      expect.stringContaining(`fifth is suspended: a result of it did not hold (${why})`),
    ]);
    secrets({ far, store, redis: server.dir, caches: join(home, 'cache') });
    return bytesOf(certificate);
  } finally {
    await server.kill();
  }
}

/** Neither store nor Redis has anything of a run's secrets, and what is written is its owner's alone. */
function secrets({ far, store, redis, caches }: { far: string; store: string; redis: string; caches: string }): void {
  const { salt, key } = JSON.parse(readFileSync(join(far, 'secret/sampler.json'), 'utf8')) as { salt: string[]; key: string[] },
    words = [...salt, ...key].flatMap((w) => {
      const b = Buffer.alloc(8);
      b.writeBigUInt64LE(BigInt(w));
      return [Buffer.from(w), b];
    }),
    farmKey = farmKeyAt(join(far, 'secret/farm.key')),
    all = [...words, Buffer.from(farmKey), Buffer.from(Buffer.from(farmKey).toString('hex'))];
  expect(words.length).toBe(16);
  for (const f of [...within(store), ...within(redis)]) {
    const b = readFileSync(f);
    for (const w of all) expect(b.includes(w), f).toBe(false);
  }
  for (const f of within(store)) expect((statSync(f).mode & 0o77).toString(8), f).toBe('0');
  for (const f of within(caches).filter((x) => x.endsWith('sampler.json'))) expect(statSync(f).mode & 0o77).toBe(0);
  for (const d of readdirSync(caches))
    for (const r of readdirSync(join(caches, d))) expect(statSync(join(caches, d, r)).mode & 0o77).toBe(0);
}
