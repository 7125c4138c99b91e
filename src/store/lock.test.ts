import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Holder, InUseError, dropLock, lockFile, lockFolder } from './lock.js';

const home = mkdtempSync(join(tmpdir(), 'certune-lock-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
let n = 0;
const folder = (): string => join(home, `out${n++}`),
  put = (dir: string, h: Partial<Holder>): void => {
    mkdirSync(dir, { recursive: true });
    writeFileSync(lockFile(dir), JSON.stringify({ command: 'prove', pid: process.pid, host: hostname(), since: 'noon', born: null, ...h }));
  };

describe('the lock of a run', () => {
  it('names its holder, is taken again by a command inside another one, and is gone afterwards', () => {
    const dir = folder(),
      release = lockFolder(dir, 'run'),
      inner = lockFolder(dir, 'train'),
      holder = JSON.parse(readFileSync(lockFile(dir), 'utf8')) as Holder;
    expect(holder).toMatchObject({ command: 'run', pid: process.pid, host: hostname() });
    inner();
    expect(existsSync(lockFile(dir))).toBe(true);
    release();
    // It made the folder, and nothing is in it.
    expect(existsSync(dir)).toBe(false);
  });
  it('keeps others out while a process holds it, and names it', async () => {
    const dir = folder(),
      p = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    put(dir, { pid: p.pid!, command: 'prove' });
    expect(() => lockFolder(dir, 'train')).toThrow(InUseError);
    expect(() => lockFolder(dir, 'train')).toThrow(new RegExp(`certune prove \\(process ${p.pid} on .*wait until it has ended`));
    expect(readdirSync(dir)).toEqual(['lock']);
    const ended = new Promise((done) => p.on('exit', done));
    p.kill('SIGKILL');
    await ended;
    lockFolder(dir, 'train')();
    expect(readdirSync(dir)).toEqual([]);
  });
  it('is held by nobody where its process is another one by now, or where it is no lock', () => {
    const dir = folder();
    const release = lockFolder(dir, 'x'),
      { born } = JSON.parse(readFileSync(lockFile(dir), 'utf8')) as Holder;
    release();
    if (process.platform === 'linux') expect(born).toMatch(/^[0-9a-f-]{36}\/\d+$/);
    put(dir, { born });
    expect(() => lockFolder(dir, 'train')).toThrow(InUseError);
    put(dir, { born: null });
    expect(() => lockFolder(dir, 'train')).toThrow(InUseError);
    rmSync(lockFile(dir));
    put(dir, { born: 'another boot/1' });
    lockFolder(dir, 'train')();
    for (const text of ['', '{', '[]', '{"pid":-1}', 'null']) {
      writeFileSync(lockFile(dir), text);
      lockFolder(dir, 'train')();
    }
    expect(readdirSync(dir)).toEqual([]);
  });
  it('of another machine stays: nobody here can tell', () => {
    const dir = folder();
    put(dir, { host: 'elsewhere.example', pid: 1 });
    expect(() => lockFolder(dir, 'train')).toThrow(/if that machine is gone, delete the file/);
    dropLock(dir, 1);
    expect(existsSync(lockFile(dir))).toBe(true);
  });
  it('is dropped by its own process alone', () => {
    const dir = folder();
    put(dir, {});
    dropLock(dir, process.pid + 1);
    expect(existsSync(lockFile(dir))).toBe(true);
    dropLock(dir, process.pid);
    expect(existsSync(lockFile(dir))).toBe(false);
  });
});
