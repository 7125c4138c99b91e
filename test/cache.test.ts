import { execFile, execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { decodeCertificate } from '../src/artifact/certificate.js';
import { keptFacts } from '../src/cli/cached.js';
import { verifierKernels } from '../src/kernels/verify.js';
import { keyDigest } from '../src/recursion/key.js';
import { checkedRun } from '../src/run/facts.js';
import type { Base } from '../src/run/inputs.js';
import { type BaseFacts, inputsOf } from '../src/setup/base.js';
import { Cache, cacheName } from '../src/store/cache.js';
import type { Known } from '../src/verify/folded.js';
import { type VerifyOptions, verifyRead } from '../src/verify/index.js';
import { baseFact, startFact } from '../src/verify/known.js';

describe('the cache', () => {
  const home = mkdtempSync(join(tmpdir(), 'certune-cache-')),
    env = { CERTUNE_CONFIG: join(home, 'config'), CERTUNE_CACHE: join(home, 'cache') },
    content = Buffer.from('sha256:00'),
    name = cacheName('a', 'b');
  const open = (o: object = {}): Cache => Cache.open({ ...env, ...o })!;
  it('gives back what was put, by kind and name, to the same user', () => {
    expect(open().get('key', name)).toBeUndefined();
    open().put('key', name, content);
    expect(open().get('key', name)).toEqual(content);
    expect(open().get('other', name)).toBeUndefined();
    expect(open().get('key', cacheName('ab'))).toBeUndefined();
    expect(cacheName('a', 'b')).not.toBe(cacheName('ab'));
    expect(Cache.open({ ...env, CERTUNE_CACHE: 'off' })).toBeUndefined();
  });
  it('takes nothing from whoever can write to it but not to the configuration', () => {
    const file = join(home, 'cache', `key-${name}`),
      good = readFileSync(file);
    // Another content under the old MAC, another MAC, cut short, longer, empty.
    for (const bad of [
      Buffer.concat([good.subarray(0, 32), Buffer.from('sha256:11')]),
      Buffer.concat([Buffer.alloc(32), content]),
      good.subarray(0, good.length - 1),
      Buffer.concat([good, Buffer.from('0')]),
      Buffer.alloc(0),
    ]) {
      writeFileSync(file, bad);
      expect(open().get('key', name), bad.toString('hex')).toBeUndefined();
    }
    // A valid entry under another name or kind, and one that another user's commands wrote.
    writeFileSync(join(home, 'cache', `key-${cacheName('c')}`), good);
    writeFileSync(join(home, 'cache', `table-${name}`), good);
    expect(open().get('key', cacheName('c'))).toBeUndefined();
    expect(open().get('table', name)).toBeUndefined();
    const foreign = Cache.open({ ...env, CERTUNE_CONFIG: join(home, 'else') })!;
    foreign.put('key', name, content);
    expect(foreign.get('key', name)).toEqual(content);
    expect(open().get('key', name)).toBeUndefined();
  });
  it('is not used under a key that others may read, and holds so many entries', () => {
    for (let i = 0; i < 60; i++) open().put('key', cacheName(`${i}`), content);
    expect(readdirSync(join(home, 'cache')).length).toBeLessThanOrEqual(48);
    if (process.platform !== 'win32') {
      const config = join(home, 'wide');
      expect(Cache.open({ ...env, CERTUNE_CONFIG: config })).toBeDefined();
      const key = join(config, 'cache.key');
      rmSync(key);
      writeFileSync(key, Buffer.alloc(32), { mode: 0o644 });
      expect(Cache.open({ ...env, CERTUNE_CONFIG: config })).toBeUndefined();
      chmodSync(key, 0o600);
      expect(Cache.open({ ...env, CERTUNE_CONFIG: config })).toBeDefined();
      // That of another user, whose home it may be, is none of root's.
      if (process.getuid?.() === 0) {
        chownSync(key, 12345, 12345);
        expect(Cache.open({ ...env, CERTUNE_CONFIG: config })).toBeUndefined();
      }
    }
  });
  it('that cannot be written to is no cache, and says nothing', () => {
    const file = join(home, 'a-file');
    writeFileSync(file, '');
    const blocked = open({ CERTUNE_CACHE: file });
    blocked.put('key', name, content);
    expect(blocked.get('key', name)).toBeUndefined();
    expect(readFileSync(file, 'utf8')).toBe('');
    expect(Cache.open({ ...env, CERTUNE_CONFIG: file })).toBeUndefined();
  });
  it('removes no file that is not an entry, and the one just written last', () => {
    const shared = join(home, 'shared'),
      at = (i: number): string => cacheName(`entry ${i}`),
      mine = ['thesis.tex', `key-${name}.bak`, `x${name}`, 'KEY-0', '.hidden'],
      cache = open({ CERTUNE_CACHE: shared });
    mkdirSync(join(shared, `key-${'0'.repeat(64)}`), { recursive: true });
    for (const f of mine) {
      writeFileSync(join(shared, f), 'mine');
      utimesSync(join(shared, f), 1, 1);
    }
    for (let i = 0; i < 60; i++) {
      cache.put('key', at(i), content);
      // Of clocks that run ahead, and of one that ran back.
      utimesSync(join(shared, `key-${at(i)}`), i === 0 ? 1 : 2e9 + i, i === 0 ? 1 : 2e9 + i);
    }
    cache.put('key', at(60), content);
    expect(cache.get('key', at(60))).toEqual(content);
    for (const f of mine) expect(readFileSync(join(shared, f), 'utf8'), f).toBe('mine');
    expect(existsSync(join(shared, `key-${'0'.repeat(64)}`))).toBe(true);
    expect(readdirSync(shared).length).toBe(48 + mine.length + 1);
  });
  it.skipIf(process.platform === 'win32')('follows no link, waits for no pipe, and takes no folder for an entry', () => {
    const folder = join(home, 'odd'),
      cache = open({ CERTUNE_CACHE: folder }),
      at = join(folder, `key-${name}`),
      victim = join(home, 'victim');
    cache.put('key', name, content);
    const good = readFileSync(at);
    writeFileSync(victim, good);
    rmSync(at);
    symlinkSync(victim, at);
    expect(cache.get('key', name)).toBeUndefined();
    // Written anew it takes the place of the link, and nothing is written through it.
    cache.put('key', name, Buffer.from('another'));
    expect(cache.get('key', name)).toEqual(Buffer.from('another'));
    expect(readFileSync(victim)).toEqual(good);
    rmSync(at);
    symlinkSync('/dev/zero', at);
    expect(cache.get('key', name)).toBeUndefined();
    rmSync(at);
    execFileSync('mkfifo', [at]);
    expect(cache.get('key', name)).toBeUndefined();
    rmSync(at);
    mkdirSync(at);
    expect(cache.get('key', name)).toBeUndefined();
    cache.put('key', name, content);
    expect(cache.get('key', name)).toBeUndefined();
    expect(readdirSync(folder)).toEqual([`key-${name}`]);
    // What a process that was killed left behind is in nobody's way.
    rmSync(at, { recursive: true });
    writeFileSync(`${at}.tmp-${process.pid}`, 'half');
    cache.put('key', name, content);
    expect(cache.get('key', name)).toEqual(content);
  });
  it('is none under a key that was cut short, and makes no other in its place', () => {
    const config = join(home, 'short');
    mkdirSync(config);
    for (const bytes of [0, 5, 31, 33]) {
      writeFileSync(join(config, 'cache.key'), Buffer.alloc(bytes), { mode: 0o600 });
      expect(Cache.open({ ...env, CERTUNE_CONFIG: config }), `${bytes}`).toBeUndefined();
      expect(readFileSync(join(config, 'cache.key')).length).toBe(bytes);
    }
    expect(readdirSync(config)).toEqual(['cache.key']);
  });
  it.skipIf(process.platform === 'win32')('keeps nothing of what a full disk does not hold', () => {
    // A limit on the size of files fails as a full disk does: in the middle of a write.
    const folder = join(home, 'full'),
      at = pathToFileURL(fileURLToPath(new URL('../dist/store/cache.js', import.meta.url))).href,
      script = `const { Cache } = await import(${JSON.stringify(at)}), c = Cache.open();
        c.put('held', ${JSON.stringify(name)}, Buffer.alloc(200_000, 7));
        process.exit(c.get('held', ${JSON.stringify(name)}) ? 1 : 0);`;
    execFileSync('bash', ['-c', 'ulimit -f 64; exec "$0" --input-type=module -e "$1"', process.execPath, script], {
      env: { ...process.env, ...env, CERTUNE_CACHE: folder },
    });
    expect(readdirSync(folder)).toEqual([]);
  });
  it('gives whole entries while several processes write the same one', async () => {
    const at = pathToFileURL(fileURLToPath(new URL('../dist/store/cache.js', import.meta.url))).href,
      script = `const { Cache } = await import(${JSON.stringify(at)}), c = Cache.open();
        let got = 0;
        for (let i = 0; i < 300; i++) {
          c.put('held', ${JSON.stringify(name)}, Buffer.alloc(5000, 7));
          const x = c.get('held', ${JSON.stringify(name)});
          if (x && (x.length !== 5000 || x.some((b) => b !== 7))) process.exit(1);
          if (x) got++;
        }
        process.exit(got > 0 ? 0 : 2);`,
      run = promisify(execFile);
    await Promise.all(
      [0, 1, 2].map(() => run(process.execPath, ['--input-type=module', '-e', script], { env: { ...process.env, ...env } })),
    );
    expect(open().get('held', name)).toEqual(Buffer.alloc(5000, 7));
    expect(readdirSync(join(home, 'cache')).filter((f) => f.includes('.tmp-'))).toEqual([]);
    rmSync(home, { recursive: true });
  });
});

describe('what a verifier remembers', () => {
  const bytes = readFileSync(new URL('./data/certificates/public.certune', import.meta.url)),
    x = decodeCertificate('golden', bytes),
    run = checkedRun('golden', x.manifest),
    dir = fileURLToPath(new URL('./data/tiny', import.meta.url)),
    kernels = verifierKernels(),
    key = { digest: keyDigest(x.key) },
    remembered = (): Known & { readonly facts: Set<string> } => {
      const facts = new Set<string>();
      return { facts, has: (f) => facts.has(f), add: (f) => facts.add(f) };
    },
    verdict = (o: VerifyOptions): string => {
      try {
        const v = verifyRead(run, x, { key, kernels, ...o });
        return `${v.check.base} ${v.check.initial}`;
      } catch (e) {
        return (e as Error).message;
      }
    };

  it('is not computed again, and is about this base and this statement alone', () => {
    const known = remembered(),
      { base } = inputsOf(run, { base: dir, seeded: false }),
      // Integers that nobody may ask for.
      unread = (digest?: string): Base => ({
        ...(digest === undefined ? {} : { digest }),
        get frozen(): never {
          throw new Error('read');
        },
      });
    expect(verdict({ base: base!, known })).toBe('checked checked');
    expect(known.facts.size).toBe(2);
    expect(verdict({ base: unread(base!.digest), known })).toBe('checked checked');
    // A base of which nobody says whose it is, or of another digest, and a commitment, are read; so is all without
    // facts.
    expect(verdict({ base: unread(), known })).toBe('read');
    expect(verdict({ base: unread(`sha256:${'0'.repeat(64)}`), known })).toBe('read');
    expect(verdict({ base: unread(base!.digest), known, commitBase: true })).toBe('read');
    expect(verdict({ base: unread(base!.digest), known: remembered() })).toBe('read');
    // Facts of another statement, of another base and of another seed are other facts.
    const st = { frozen: x.statement.slice(0, 8), base: x.statement.slice(0, 9) },
      other = { ...run, manifest: { ...run.manifest, base: { ...run.manifest.base, digest: 'sha256:00' } } };
    expect(baseFact(other, st)).not.toBe(baseFact(run, st));
    expect(baseFact(run, { ...st, base: [...st.base.slice(1), 0n] })).not.toBe(baseFact(run, st));
    const { config } = run.manifest,
      seed = { ...run, manifest: { ...run.manifest, config: { ...config, lora: { ...config.lora, seed: config.lora.seed + 1 } } } };
    expect(startFact(seed, { sIn: st.frozen, aIn: [] })).not.toBe(startFact(run, { sIn: st.frozen, aIn: [] }));
    // So are those of other programs, of other parameters of their proofs, of longer rows, of other words.
    const of = (more: object) => ({ ...run, manifest: { ...run.manifest, config: { ...config, ...more } } }),
      both = (r: typeof run): string[] => [baseFact(r, st), startFact(r, { sIn: st.frozen, aIn: [] })],
      { programs } = run,
      differ = (r: typeof run): boolean[] => both(r).map((f, i) => f !== both(run)[i]);
    expect(differ({ ...run, programs: { ...programs, digest: programs.digest.map((w) => w + 1n) } })).toEqual([true, true]);
    expect(differ(of({ proof: { ...config.proof, rate: config.proof.rate + 1 } }))).toEqual([true, true]);
    expect(differ(of({ train: { ...config.train, sequence: config.train.sequence + 1 } }))).toEqual([true, false]);
    expect(baseFact(run, { ...st, frozen: [...st.frozen.slice(1), 0n] })).not.toBe(baseFact(run, st));
    expect(startFact(run, { sIn: st.frozen, aIn: [1n] })).not.toBe(startFact(run, { sIn: st.frozen, aIn: [] }));
    expect(startFact(run, { sIn: st.frozen.slice(1), aIn: [] })).not.toBe(startFact(run, { sIn: st.frozen, aIn: [] }));
  });
  it('is nothing where what it was found of did not hold', () => {
    const known = remembered(),
      { base } = inputsOf(run, { base: dir, seeded: false }),
      frozen = new Map(base!.frozen);
    const [name, ints] = [...frozen][0];
    frozen.set(
      name,
      ints.map((w, i) => (i === 3 ? w + 1n : w)),
    );
    expect(verdict({ base: { frozen, digest: base!.digest! }, known })).toMatch(/digest of the base/);
    // The start was found first.
    expect([...known.facts].map((f) => (JSON.parse(f) as { what: string }).what)).toEqual(['start']);
  });
  it('of the files of a base is kept under their digests and the template of the run, and under a MAC', () => {
    const home = mkdtempSync(join(tmpdir(), 'certune-facts-')),
      cache = Cache.open({ CERTUNE_CACHE: join(home, 'cache'), CERTUNE_CONFIG: join(home, 'config') })!;
    let made = 0;
    const found = (template: string | null, files: readonly string[]): BaseFacts =>
      keptFacts(template, cache)(files, () => {
        made++;
        return { base: x.manifest.base, preprocessing: x.manifest.preprocessing };
      });
    try {
      const first = found(null, ['a']);
      expect([found(null, ['a']), made]).toEqual([first, 1]);
      found('', ['a']);
      found(null, ['a', 'b']);
      expect(made).toBe(3);
      for (const f of readdirSync(join(home, 'cache'))) {
        const entry = join(home, 'cache', f),
          bytes = readFileSync(entry);
        bytes[bytes.length - 1] ^= 1;
        writeFileSync(entry, bytes);
      }
      expect([found(null, ['a']), made]).toEqual([first, 4]);
    } finally {
      rmSync(home, { recursive: true });
    }
  });
  it('of the files of a base is asked for by their digests, and made where one of them differs', () => {
    const copy = mkdtempSync(join(tmpdir(), 'certune-base-'));
    cpSync(dir, copy, { recursive: true });
    let made = 0;
    const kept = new Map<string, BaseFacts>(),
      facts = (files: readonly string[], make: () => BaseFacts): BaseFacts => {
        const name = files.join();
        let f = kept.get(name);
        if (!f) {
          made++;
          f = make();
          kept.set(name, f);
        }
        return f;
      },
      again = (): Base | undefined => inputsOf(run, { base: copy, seeded: false, facts }).base;
    try {
      again();
      again();
      expect(made).toBe(1);
      // Integers are read when they are asked for, and of the files that were looked at.
      const late = again()!,
        weights = join(copy, 'model.safetensors'),
        good = readFileSync(weights);
      const bad = Uint8Array.from(good);
      bad[bad.length - 1] ^= 1;
      writeFileSync(weights, bad);
      for (let i = 0; i < 2; i++) expect(() => late.frozen).toThrow(/changed while it was read/);
      expect(() => again()).toThrow(/base.digest/);
      writeFileSync(weights, good);
      expect([...again()!.frozen.keys()]).toEqual([...inputsOf(run, { base: dir }).base!.frozen.keys()]);
      expect(made).toBe(2);
      // What another file says while facts are made is remembered of none.
      const during = (files: readonly string[], make: () => BaseFacts): BaseFacts => {
        writeFileSync(join(copy, 'generation_config.json'), '{"eos_token_id":[2,3]}');
        return facts([...files, 'again'], make);
      };
      expect(() => inputsOf(run, { base: copy, seeded: false, facts: during })).toThrow(/changed while it was read/);
      expect(made).toBe(3);
      expect(kept.size).toBe(2);
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  });
});
