import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { InputError } from '../errors.js';
import { linkAbsent, writeAtomic } from '../io/atomic.js';
import { withFile } from '../io/read-file.js';

/*
 * Where a farm keeps things: names and bytes. A name is there whole or not at all.
 */
export interface Blobs {
  /** What it is called in messages. */ readonly name: string;
  /** Writes bytes under a name. `absent`: only where there is none; false where there is one. */
  put(name: string, bytes: Uint8Array, absent?: boolean): Promise<boolean>;
  /** Undefined where there is none. Throws InputError where it has more than `most` bytes, of which none is read. */
  get(name: string, most?: number): Promise<Uint8Array | undefined>;
  /** Names that begin so, in no particular order. */
  list(prefix: string): Promise<string[]>;
  remove(name: string): Promise<void>;
}

/** What is larger than anybody writes is not read. */
export function checkSize(name: string, size: number, most: number): void {
  if (size > most) throw new InputError(name, [`has ${size} bytes, at most ${most} are read`]);
}

/** Names of a store: no part of one leads elsewhere. */
const NAME = /^[a-z]+(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;
export function checkName(name: string): void {
  if (!NAME.test(name) || name.includes('..')) throw new RangeError(`"${name}" is no name of a store`);
}

/** Milliseconds after which what lies in tmp/ is nobody's. */
const STALE = 3_600_000;

/** A folder: files are written beside and renamed, or linked where there must be none. */
export class FolderBlobs implements Blobs {
  constructor(readonly dir: string) {
    for (const f of existsSync(join(dir, 'tmp')) ? readdirSync(join(dir, 'tmp')) : []) {
      const file = join(dir, 'tmp', f);
      try {
        if (Date.now() - statSync(file).mtimeMs > STALE) rmSync(file, { force: true });
      } catch {
        // Its writer was faster.
      }
    }
  }
  get name(): string {
    return this.dir;
  }
  #file(name: string): string {
    checkName(name);
    return join(this.dir, name);
  }
  async put(name: string, bytes: Uint8Array, absent = false): Promise<boolean> {
    const file = this.#file(name),
      tmp = join(this.dir, 'tmp', randomBytes(12).toString('hex'));
    if (absent && existsSync(file)) return false;
    try {
      // What is in a farm is its owner's alone.
      mkdirSync(dirname(tmp), { recursive: true, mode: 0o700 });
      writeAtomic(tmp, bytes);
      chmodSync(tmp, 0o600);
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      if (absent) return linkAbsent(tmp, file);
      renameSync(tmp, file);
      return true;
    } finally {
      rmSync(tmp, { force: true });
    }
  }
  async get(name: string, most = Number.POSITIVE_INFINITY): Promise<Uint8Array | undefined> {
    const file = this.#file(name);
    if (!existsSync(file)) return undefined;
    try {
      return withFile(file, 'journal', (f) => {
        checkSize(file, f.size, most);
        return f.bytes(0, f.size);
      });
    } catch (e) {
      // Removed in the meantime.
      if (e instanceof InputError && !existsSync(file)) return undefined;
      throw e;
    }
  }
  async list(prefix: string): Promise<string[]> {
    const at = prefix.lastIndexOf('/'),
      top = at < 0 ? '' : prefix.slice(0, at),
      out: string[] = [];
    const walk = (folder: string): void => {
      const dir = join(this.dir, folder);
      if (!existsSync(dir)) return;
      for (const e of readdirSync(dir, { withFileTypes: true })) {
        const name = folder === '' ? e.name : `${folder}/${e.name}`;
        if (e.isDirectory()) {
          if (name.startsWith(prefix) || prefix.startsWith(`${name}/`)) walk(name);
        } else if (name.startsWith(prefix)) out.push(name);
      }
    };
    walk(top);
    return out;
  }
  async remove(name: string): Promise<void> {
    rmSync(this.#file(name), { force: true });
  }
}

/** In memory: for tests, and for measuring what a coordinator takes by itself. */
export class MemoryBlobs implements Blobs {
  readonly name = 'memory';
  readonly files = new Map<string, Uint8Array>();
  async put(name: string, bytes: Uint8Array, absent = false): Promise<boolean> {
    checkName(name);
    if (absent && this.files.has(name)) return false;
    this.files.set(name, bytes);
    return true;
  }
  async get(name: string, most = Number.POSITIVE_INFINITY): Promise<Uint8Array | undefined> {
    const b = this.files.get(name);
    checkSize(name, b?.length ?? 0, most);
    return b;
  }
  async list(prefix: string): Promise<string[]> {
    return [...this.files.keys()].filter((n) => n.startsWith(prefix));
  }
  async remove(name: string): Promise<void> {
    this.files.delete(name);
  }
}
