import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commit } from '../src/cli/commit.js';
import { describe as described } from '../src/cli/errors.js';
import { inspect } from '../src/cli/inspect.js';
import { Progress } from '../src/cli/progress.js';
import { prove } from '../src/cli/prove.js';
import { train } from '../src/cli/train.js';
import { verifyNow as verify } from '../src/cli/verify-now.js';
import { fold } from '../src/cli/fold.js';
import { findManifest } from '../src/cli/kept.js';
import { vk } from '../src/cli/vk.js';
import { MANIFEST_VERSION, manifestDigest } from '../src/run/manifest.js';
import { writeProof } from '../src/store/journal.js';
import { readPack, writeNode } from '../src/store/proof.js';
import { lockFile } from '../src/store/lock.js';

/*
 * Every file under RUN/out lost, torn, and of another version: what the commands do with it, as docs/artifacts.md has
 * it in a table. Nodes are met here by what reads them; that prove makes them again is tried in test/tree.test.ts.
 */

const data = (p: string): string => fileURLToPath(new URL(`./data/${p}`, import.meta.url)),
  home = mkdtempSync(join(tmpdir(), 'certune-kept-')),
  said: string[] = [],
  c = { progress: new Progress({ tty: false, quiet: false, write: (t) => said.push(t) }), writes: () => {} };
afterAll(() => rmSync(home, { recursive: true, force: true }));

let whole = '',
  n = 0;
const file = (run: string, f: string): string => join(run, 'out', f),
  /** Another run like the finished one, with something done to it. */
  run = (f: (dir: string) => void = () => {}): string => {
    const dir = join(home, `r${n++}`);
    cpSync(whole, dir, { recursive: true });
    f(dir);
    said.length = 0;
    return dir;
  },
  /** All files under out, as they are. */
  files = (dir: string): Record<string, string> =>
    Object.fromEntries(
      (
        readdirSync(join(dir, 'out'), { recursive: true, withFileTypes: true }) as unknown as {
          name: string;
          parentPath: string;
          isFile(): boolean;
        }[]
      )
        .filter((e) => e.isFile())
        .map((e) => join(e.parentPath, e.name))
        .sort()
        .map((p) => [p.slice(dir.length + 5), createHash('sha256').update(readFileSync(p)).digest('hex')]),
    ),
  error = async (f: () => unknown): Promise<ReturnType<typeof described>> => {
    try {
      await f();
    } catch (e) {
      const d = described(e);
      expect(d.code, d.message).not.toBe('internal');
      return d;
    }
    throw new Error('there is no error');
  },
  cut = (p: string) => (dir: string) => writeFileSync(file(dir, p), readFileSync(file(dir, p)).subarray(0, -9)),
  flip = (p: string) => (dir: string) => {
    const b = readFileSync(file(dir, p));
    b[b.length >> 1] ^= 1;
    writeFileSync(file(dir, p), b);
  },
  older = (p: string) => (dir: string) => {
    const b = readFileSync(file(dir, p)),
      at = b.indexOf('"version":', b.lastIndexOf('"type":"certune-'));
    writeFileSync(file(dir, p), Buffer.from(b.toString('latin1').replace(/("version":)\d+(\}\n|,"weight|\}$)/, '$11$2'), 'latin1'));
    expect(at).toBeGreaterThan(0);
  },
  lose = (p: string) => (dir: string) => rmSync(file(dir, p), { recursive: true });

beforeAll(async () => {
  whole = join(home, 'whole');
  mkdirSync(whole);
  writeFileSync(
    join(whole, 'run.yaml'),
    `version: 1\nbase: { path: ${data('tiny')} }\ndata: [{ path: ${data('pairs.jsonl')} }]\nlora: { r: 1, targets: [v_proj] }\ntrain: { steps: 2, batch: 2, microBatch: 2, sequence: 8, learningRate: 0.003, warmup: 0 }\nproof: { bits: 100 }\nnumbers: { preset: small }\n`,
  );
  commit(whole, c);
  await train(whole, {}, c);
  await prove(whole, { fold: false }, c);
  expect(Object.keys(files(whole))).toEqual([
    'adapter/README.md',
    'adapter/adapter_config.json',
    'adapter/adapter_model.safetensors',
    'journal/manifest.json',
    'journal/step-00000.bin',
    'journal/step-00001.bin',
    'journal/step-00002.bin',
    'manifest.json',
    'proof/run.certune',
  ]);
});

describe('manifest.json', () => {
  it.each<[string, (dir: string) => void]>([
    ['lost', lose('manifest.json')],
    ['cut short', cut('manifest.json')],
    ['changed', (d) => writeFileSync(file(d, 'manifest.json'), `{"type":"certune-manifest","version":${MANIFEST_VERSION}}`)],
    ['lost, and its copy too: the proof holds it', (d) => ['manifest.json', 'journal/manifest.json'].forEach((f) => lose(f)(d))],
  ])('%s: commands that write restore it, with its salt; those that read do without', async (_, harm) => {
    const want = files(whole),
      reading = run(harm),
      before = files(reading);
    expect(verify(reading, {}, c).data['verified']).toMatchObject({ proof: 'checked' });
    inspect(reading);
    expect(files(reading)).toEqual(before);
    for (const work of [(d: string) => train(d, {}, c), (d: string) => prove(d, { fold: false }, c), (d: string) => commit(d, c)]) {
      const d = run(harm);
      await work(d);
      expect(said.join('')).toMatch(/manifest\.json: .*(restored from|its salt is that of)/);
      expect(files(d)).toEqual(want);
    }
  });
  it('lost with every copy, while a journal is there: no new salt, and the way out', async () => {
    const d = run((x) => ['manifest.json', 'journal/manifest.json', 'proof'].forEach((f) => lose(f)(x)));
    for (const f of [() => commit(d, c), () => train(d, {}, c), () => verify(d, {}, c)])
      expect((await error(f)).message).toMatch(/no copy of it is left .*delete the out folder to start over/);
    expect(existsSync(file(d, 'manifest.json'))).toBe(false);
  });
  it('of another version: exit 5', async () => {
    const d = run((x) =>
      writeFileSync(
        file(x, 'manifest.json'),
        readFileSync(file(x, 'manifest.json'), 'utf8').replace(/"version":\d+,"type"|("certune-manifest","version":)\d+/, '$11'),
      ),
    );
    for (const f of [() => commit(d, c), () => train(d, {}, c), () => prove(d, {}, c), () => verify(d, {}, c), () => inspect(d)])
      expect((await error(f)).exit).toBe(5);
  });
});

describe('the journal', () => {
  it.each([
    ['its copy of the manifest lost', lose('journal/manifest.json')],
    ['its copy of the manifest torn', cut('journal/manifest.json')],
    ['the state of a step lost', lose('journal/step-00001.bin')],
    ['the state of a step torn', cut('journal/step-00001.bin')],
    ['the state of a step changed', flip('journal/step-00002.bin')],
    ['the first state torn', cut('journal/step-00000.bin')],
    ['all of it lost', lose('journal')],
  ])('%s: train makes it again, the same', async (_, harm) => {
    const d = run(harm);
    await train(d, {}, c);
    expect(files(d)).toEqual(files(whole));
  });
  it('a state that a range begins with is missing: prove says which, and the command', async () => {
    const d = run((x) => [lose('journal/step-00001.bin'), lose('proof')].forEach((f) => f(x)));
    expect((await error(() => prove(d, { steps: '1..2' }, c))).message).toMatch(
      /the state before step 1 is missing or damaged \(run certune train\)/,
    );
    // A run is proved to the end that it was trained to.
    const e = run((x) => [lose('journal/step-00002.bin'), lose('proof')].forEach((f) => f(x)));
    expect((await error(() => prove(e, { fold: false }, c))).message).toMatch(/the state before step 2 is missing or damaged/);
  });
  it('of another version: exit 5, and the way out', async () => {
    const d = run(older('journal/step-00001.bin'));
    const e = await error(() => train(d, {}, c));
    expect([e.exit, e.message]).toEqual([5, expect.stringMatching(/delete its folder and run the command again/)]);
  });
});

describe('the proof', () => {
  it.each([
    ['lost', lose('proof/run.certune')],
    ['torn', cut('proof/run.certune')],
    ['changed', flip('proof/run.certune')],
    ['all of the folder lost', lose('proof')],
  ])('%s: prove makes it again, the same', async (_, harm) => {
    const d = run(harm),
      e = await error(() => verify(d, {}, c));
    expect([e.exit, e.message]).toEqual([3, expect.stringMatching(/certune prove/)]);
    await prove(d, { fold: false }, c);
    expect(files(d)).toEqual(files(whole));
  });
  it('of another version: exit 5, and the way out', async () => {
    const d = run(older('proof/run.certune'));
    const e = await error(() => prove(d, { fold: false }, c));
    expect([e.exit, e.message]).toEqual([5, expect.stringMatching(/delete it to prove this again/)]);
  });
});

describe('nodes, epochs and ranges', () => {
  /** A run folder with an epoch, a node and two ranges, whole as files; whether they hold is for others to tell. */
  const PLACES = {
    'proof/epochs/epoch-0000.certune': [0, 2],
    'proof/nodes/0-1.certune': [0, 1],
    'proof/steps-0-1.certune': [0, 1],
    'proof/steps-1-2.certune': [1, 2],
  } as const;
  const withNodes = (f: (dir: string) => void = () => {}): string =>
    run((dir) => {
      const manifest = findManifest(dir).manifest;
      for (const d of ['epochs', 'nodes']) mkdirSync(join(dir, 'out/proof', d));
      for (const [p, [from, to]] of Object.entries(PLACES))
        writeNode(file(dir, p), {
          manifest,
          key: { type: 'none' },
          from: { step: from, part: 0 },
          to: { step: to, part: 0 },
          losses: Array.from({ length: to - from }, (_, i) => ({ step: from + i, targets: 1, losses: [0n] })),
          epochs: [],
          statement: [1n, 2n],
          proof: BigUint64Array.of(3n, 4n, 5n),
        });
      f(dir);
    });
  const readers: [string, (p: string, dir: string) => unknown][] = [
    ['verify', (p) => verify(p, { base: data('tiny') }, c)],
    ['inspect', (p) => inspect(p)],
    ['vk', (p) => vk(p, {}, c)],
    ['fold', (p, d) => fold([p, file(d, 'proof/steps-1-2.certune')], { base: data('tiny'), output: join(d, 'x.certune') }, c)],
  ];
  describe.each(Object.keys(PLACES).slice(0, 3))('%s', (p) => {
    it.each<[string, (dir: string) => void, number, RegExp]>([
      ['lost', lose(p), 3, /does not exist/],
      ['torn', cut(p), 3, /is shorter than its header says.*certune prove makes it again/],
      ['changed', flip(p), 3, /certune prove makes it again/],
      ['of another version', older(p), 5, /version/],
    ])('%s: every reader says so and what to do, and writes nothing', async (_, harm, exit, says) => {
      const d = withNodes(harm),
        before = files(d);
      for (const [what, read] of readers) {
        const e = await error(() => read(file(d, p), d));
        expect([what, e.exit, e.message]).toEqual([what, exit, expect.stringMatching(says)]);
        expect(e.message).toContain(p.split('/').pop());
      }
      expect(files(d)).toEqual(before);
    });
    it('as large as it says, but of a key that is none: refused by name', async () => {
      const d = withNodes();
      for (const [what, read] of readers) {
        const e = await error(() => read(file(d, p), d));
        expect([what, e.exit], e.message).toEqual([what, 3]);
        expect(e.message).toMatch(/holds no certune-key|overlaps/);
      }
    });
    it('holds the manifest where every other copy is lost', async () => {
      const others = Object.keys(PLACES).filter((x) => x !== p),
        d = withNodes((x) => ['manifest.json', 'journal/manifest.json', 'proof/run.certune', ...others].forEach((f) => lose(f)(x)));
      commit(d, c);
      expect(said.join('')).toMatch(/manifest\.json: .*(restored from|its salt is that of)/);
      expect(files(d)['manifest.json']).toBe(files(whole)['manifest.json']);
    });
  });
});

describe('the proof of a step', () => {
  const p = 'proof/step-00001.bin',
    withSteps = (f: (dir: string) => void = () => {}): string =>
      run((dir) => {
        const { run: proved, manifest } = readPack(file(dir, 'proof/run.certune'));
        for (const s of proved.steps) writeProof(join(dir, 'out'), manifestDigest(manifest), { step: s.step, parts: [...s.parts] });
        lose('proof/run.certune')(dir);
        f(dir);
      });
  it.each([
    ['there', () => {}],
    ['lost', lose(p)],
    ['torn', cut(p)],
    ['changed', flip(p)],
  ])('%s: prove makes what is missing again, the same', async (_, harm) => {
    const d = withSteps(harm);
    await prove(d, { fold: false }, c);
    expect(files(d)).toEqual(files(whole));
  });
  it('of another version: exit 5, and the way out', async () => {
    const e = await error(() => prove(withSteps(older(p)), { fold: false }, c));
    expect([e.exit, e.message]).toEqual([5, expect.stringMatching(/delete/)]);
  });
});

describe('the adapter', () => {
  it.each([
    ['lost', lose('adapter')],
    ['its tensors lost', lose('adapter/adapter_model.safetensors')],
    ['its tensors torn', cut('adapter/adapter_model.safetensors')],
    ['its configuration torn', cut('adapter/adapter_config.json')],
    ['its card lost', lose('adapter/README.md')],
  ])('%s: train writes it again, the same', async (what, harm) => {
    const d = run(harm);
    if (/torn/.test(what)) expect((await error(() => verify(d, {}, c))).message).toMatch(/certune train writes it again/);
    await train(d, {}, c);
    expect(files(d)).toEqual(files(whole));
  });
});

describe('the folder', () => {
  it('is worked on by one command at a time, whose name the others tell; what reads goes on', async () => {
    const d = run((x) =>
      writeFileSync(
        lockFile(join(x, 'out')),
        JSON.stringify({ command: 'prove', pid: process.ppid, host: hostname(), since: 'noon', born: null }),
      ),
    );
    for (const f of [() => commit(d, c), () => train(d, {}, c), () => prove(d, { fold: false }, c)]) {
      const e = await error(f);
      expect([e.exit, e.code, e.message]).toEqual([3, 'in-use', expect.stringMatching(/certune prove \(process \d+ on .*since noon/)]);
    }
    expect(verify(d, {}, c).data['verified']).toMatchObject({ proof: 'checked' });
    inspect(d);
  });
  it('what a killed command left is swept, its lock taken over', async () => {
    const d = run((x) => {
      const p = spawnSync(process.execPath, ['-e', '']);
      writeFileSync(
        lockFile(join(x, 'out')),
        JSON.stringify({ command: 'train', pid: p.pid, host: hostname(), since: 'noon', born: null }),
      );
      writeFileSync(file(x, `journal/step-00002.bin.tmp-${p.pid}`), 'half');
    });
    await train(d, {}, c);
    expect(files(d)).toEqual(files(whole));
  });
});

const mount = join(home, 'read-only');
mkdirSync(mount);
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', mount]).status === 0;
afterAll(() => {
  if (mounted) spawnSync('umount', [mount]);
});
describe.skipIf(!mounted)(`a read-only disk${mounted ? '' : ' (skipped: only root can mount one)'}`, () => {
  it('exit 6 where something is written, by name; what reads goes on', async () => {
    const d = join(mount, 'run');
    cpSync(whole, d, { recursive: true });
    expect(spawnSync('mount', ['-o', 'remount,ro', mount]).status).toBe(0);
    for (const f of [() => commit(d, c), () => train(d, {}, c), () => prove(d, { fold: false }, c)]) {
      const e = await error(f);
      expect([e.exit, e.code, e.message]).toEqual([
        6,
        'not-writable',
        expect.stringMatching(/cannot be written: .*give a run folder that can be written to/),
      ]);
    }
    expect(verify(d, {}, c).data['verified']).toMatchObject({ proof: 'checked' });
    inspect(d);
    expect(spawnSync('mount', ['-o', 'remount,rw', mount]).status).toBe(0);
  });
});

describe('a place that is none', () => {
  it('a file where the folder should be', async () => {
    const d = run((x) => rmSync(join(x, 'out'), { recursive: true }));
    writeFileSync(join(d, 'out'), '');
    const e = await error(() => commit(d, c));
    expect([e.exit, e.code]).toEqual([6, 'not-writable']);
  });
});
