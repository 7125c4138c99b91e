import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Cache, cacheName } from '../src/store/cache.js';

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
    }
    rmSync(home, { recursive: true });
  });
});
