import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeCertificate } from '../src/artifact/certificate.js';
import { keyDigest } from '../src/recursion/key.js';
import { Cache } from '../src/store/cache.js';

/* What a verification that takes a moment keeps of its compiler, and how it ends at a signal. */

const home = mkdtempSync(join(tmpdir(), 'certune-compiled-')),
  env = { CERTUNE_CONFIG: join(home, 'config'), CERTUNE_CACHE: join(home, 'cache') },
  entries = (): string[] => readdirSync(join(home, 'cache')).filter((f) => f.startsWith('code-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

describe('code of a compiler', () => {
  it('is taken from the cache for this very text alone, and is never run where its MAC is another', () => {
    const file = join(home, 'module.cjs'),
      cache = Cache.open(env)!,
      text = (x: number): string => `exports.answer = () => ${x}; exports.of = __filename; exports.path = require('node:path');`,
      // In a process of its own: a compiler that has seen a text does not look at what is given with it.
      of = (name: string): string => JSON.stringify(new URL(`../dist/${name}`, import.meta.url).href),
      script = `const { compiled } = await import(${of('cli/compiled.js')}), { Cache } = await import(${of('store/cache.js')}),
        x = compiled(${JSON.stringify(file)}, Cache.open());
        console.log(JSON.stringify([x.exports.answer(), x.exports.of, typeof x.exports.path, x.kept]));
        if (process.argv.includes('keep')) x.keep();`,
      run = (keep?: 'keep'): unknown =>
        JSON.parse(
          execFileSync(process.execPath, ['--input-type=module', '-e', script, ...(keep ? [keep] : [])], {
            env: { ...process.env, ...env },
            encoding: 'utf8',
          }),
        );
    writeFileSync(file, text(42));
    expect(run('keep')).toEqual([42, file, 'object', false]);
    expect(run()).toEqual([42, file, 'object', true]);
    // Another text of the same length, which the compiler's own check takes for the same.
    writeFileSync(file, text(43));
    expect(run('keep')).toEqual([43, file, 'object', false]);
    expect(run()).toEqual([43, file, 'object', true]);
    // Code of the one under the name of the other, and code that was changed.
    const [a, b] = entries().map((n) => join(home, 'cache', n)),
      [codeA, codeB] = [a, b].map((f) => readFileSync(f));
    writeFileSync(a, codeB);
    writeFileSync(b, codeA);
    for (const x of [42, 43]) {
      writeFileSync(file, text(x));
      expect(run()).toEqual([x, file, 'object', false]);
    }
    for (const at of [0, 40, codeA.length - 1]) {
      for (const [f, code] of [
        [a, codeA],
        [b, codeB],
      ] as const)
        writeFileSync(
          f,
          code.map((x, i) => (i === at ? x ^ 1 : x)),
        );
      expect(run()).toEqual([43, file, 'object', false]);
    }
    // This user's own, but nothing that the compiler takes: it is made anew.
    for (const n of entries()) cache.put('code', n.slice('code-'.length), Buffer.from('no code'));
    expect(run('keep')).toEqual([43, file, 'object', false]);
    expect(run()).toEqual([43, file, 'object', true]);
  });
});

describe('a small verification', () => {
  const bin = fileURLToPath(new URL('../bin/certune.js', import.meta.url)),
    file = fileURLToPath(new URL('./data/certificates/public.certune', import.meta.url)),
    key = keyDigest(decodeCertificate(file, readFileSync(file)).key),
    base = fileURLToPath(new URL('./data/tiny', import.meta.url)),
    args = [bin, 'verify', file, '--key', key, '--base', base, '--json'],
    all = { ...process.env, ...env, CERTUNE_CACHE: join(home, 'commands') },
    said = (): Record<string, unknown> => {
      const {
        proofMs: _p,
        linearMs: _l,
        ...rest
      } = JSON.parse(execFileSync(process.execPath, args, { env: all, encoding: 'utf8' })) as Record<string, unknown>;
      return rest;
    },
    code = (): string[] => readdirSync(all.CERTUNE_CACHE).filter((f) => f.startsWith('code-'));

  it('says the same with what was compiled before, without it, and where somebody changed it', () => {
    const want = said();
    expect(code().length).toBe(1);
    const at = join(all.CERTUNE_CACHE, code()[0]),
      good = readFileSync(at);
    // Not written again.
    utimesSync(at, 1e9, 1e9);
    expect(said()).toEqual(want);
    expect(statSync(at).mtimeMs).toBe(1e12);
    for (const bad of [good.subarray(0, 1000), Buffer.alloc(0), Buffer.concat([good, Buffer.alloc(1)])]) {
      writeFileSync(at, bad);
      expect(said()).toEqual(want);
      expect(statSync(at).size).toBeGreaterThan(2 ** 16);
    }
    expect(JSON.parse(execFileSync(process.execPath, args, { env: { ...all, CERTUNE_CACHE: 'off' }, encoding: 'utf8' }))).toMatchObject(
      want,
    );
  });

  it.skipIf(process.platform === 'win32')('that a signal ends says so, ends with 130 and says no verdict', async () => {
    const ended = (delay: number): Promise<{ code: number | null; out: string; err: string; ms: number }> =>
      new Promise((done, failed) => {
        const began = performance.now(),
          p = spawn(process.execPath, args, { env: { ...all, CERTUNE_CACHE: 'off' } });
        let out = '',
          err = '';
        p.stdout.on('data', (x: Buffer) => (out += x.toString()));
        p.stderr.on('data', (x: Buffer) => (err += x.toString()));
        p.on('error', failed);
        const timer = setTimeout(() => p.kill('SIGINT'), delay);
        p.on('close', (c) => {
          clearTimeout(timer);
          done({ code: c, out, err, ms: performance.now() - began });
        });
      });
    const { ms } = await ended(60_000);
    let told = 0;
    for (let share = 0.3; share < 1 && told < 2; share += 0.1) {
      const x = await ended(share * ms);
      // Before the command has begun, a signal ends the process; once the verdict is told, it comes too late.
      if (x.code === null) expect(x.out).toBe('');
      else if (x.code === 0) expect(x.out).toContain('"verified"');
      else {
        expect([x.code, x.err.includes('run the same command again')]).toEqual([130, true]);
        expect((JSON.parse(x.out) as { error: { code: string } }).error.code).toBe('interrupted');
        told++;
      }
    }
    expect(told).toBeGreaterThan(0);
  });
});
