import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { decodeCertificate } from '../src/artifact/certificate.js';
import { keyDigest } from '../src/recursion/key.js';
import { endProofOf } from '../src/recursion/node-words.js';
import { baseCommitment } from '../src/verify/folded.js';
import { parsePublished } from '../src/verify/key.js';

const root = fileURLToPath(new URL('..', import.meta.url)),
  pkg = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { types: string; default: string }>;
  };

describe('the package', () => {
  it('has every entry that it exports, with types, and the library can be loaded by name', () => {
    for (const e of Object.values(pkg.exports))
      for (const f of typeof e === 'string' ? [e] : [e.types, e.default]) expect(existsSync(join(root, f)), f).toBe(true);
    const names = Object.keys(pkg.exports).filter((n) => !n.endsWith('.json')),
      script = `for (const n of ${JSON.stringify(names)}) { const m = await import('certune' + n.slice(1)); if (!Object.keys(m).length) throw new Error(n); }`;
    const r = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8' });
    expect([r.status, r.stderr]).toEqual([0, '']);
  });
  it('verifies a certificate by the commands joined to few files, as by the modules', () => {
    const certificate = join(root, 'test/data/certificates/public.certune'),
      x = decodeCertificate('golden', readFileSync(certificate)),
      { statement } = endProofOf(parsePublished('golden', x.key), x),
      given = ['--key', keyDigest(x.key), '--base-root', baseCommitment(x.manifest.base, statement.program, statement.root), '--json'],
      dir = mkdtempSync(join(tmpdir(), 'certune-joined-')),
      verify = (file: string, more: readonly string[] = []): { status: number | null; said: Record<string, unknown> } => {
        const { status, stdout } = spawnSync(process.execPath, [join(dir, 'bin/certune.js'), 'verify', file, ...given, ...more], {
            encoding: 'utf8',
          }),
          { proofMs: _p, linearMs: _l, ...said } = JSON.parse(stdout) as Record<string, unknown>;
        return { status, said };
      };
    try {
      // An installed package has no src: the joined files are what runs, and all that they need lies here.
      for (const f of ['bin', 'package.json', 'dist/joined', 'dist/cli/main.js']) cpSync(join(root, f), join(dir, f), { recursive: true });
      symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'), 'junction');
      const held = verify(certificate);
      expect(held.status).toBe(0);
      expect(held.said).toMatchObject({ kind: 'certificate', base: 'given', adapter: 'not checked', key: { from: 'given' } });
      const bad = Uint8Array.from(readFileSync(certificate));
      bad[bad.length - 200] ^= 1;
      writeFileSync(join(dir, 'bad.certune'), bad);
      const refused = verify(join(dir, 'bad.certune'));
      // In a thread, as all other commands: the same, word for word.
      expect(verify(certificate, ['--require', 'base'])).toMatchObject({ status: 4 });
      expect(verify(certificate, ['--at', '2026-11-28T12:00:00Z']).said).toMatchObject({ verified: held.said['verified'] });
      expect([refused.status, refused.said]).toEqual([expect.any(Number), { error: expect.objectContaining({ exit: refused.status }) }]);
      expect([1, 3]).toContain(refused.status);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
  it('packs code, types, documents and the example, and nothing else', () => {
    const r = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: root,
      encoding: 'utf8',
      shell: process.platform === 'win32',
    });
    const files = (JSON.parse(r.stdout) as { files: { path: string; size: number }[] }[])[0].files;
    const paths = files.map((f) => f.path);
    for (const f of [
      'bin/certune.js',
      'dist/index.js',
      'dist/index.d.ts',
      'dist/cli/worker.js',
      'dist/joined/worker.js',
      'dist/joined/child-main.js',
      'dist/page/verify.html',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'docs/protocol.md',
    ])
      expect(paths).toContain(f);
    expect(paths.filter((f) => /\.test\.|\.map$|^src\/|^test\/|node_modules/.test(f))).toEqual([]);
    expect(files.reduce((n, f) => n + f.size, 0)).toBeLessThan(8 * 2 ** 20);
  });
});
