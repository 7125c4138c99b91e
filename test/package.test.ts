import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

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
