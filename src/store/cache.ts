import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { homedir, platform } from 'node:os';
import { join } from 'node:path';

/*
 * What follows from public shapes and takes long (tables, digests of keys, commitments of initial states), kept between
 * commands. An entry is named by the digest of all that it depends on, and carries a MAC over name and content under a
 * key that lies in the user's configuration, not in the cache: whoever can write to the cache alone, as who restores
 * one on a build server or shares one between machines, cannot make an entry that is read. What does not verify is as
 * if it were not there. Nobody needs the cache: every failure to read or write it means that a thing is made again.
 */

/** Most bytes of an entry, and most entries of a cache: the oldest go first. */
const MOST_BYTES = 2 ** 26,
  MOST_ENTRIES = 48,
  MAC_BYTES = 32;

/**
 * Names of entries, whole or being written. Of a folder that holds other files too, as one that CERTUNE_CACHE names
 * may, no other is removed.
 */
const ENTRY = /^[a-z]+-[0-9a-f]{64}(\.tmp-[0-9a-f-]+)?$/;

/** A file that is written beside another: no two writers share a name, whatever numbers their processes have. */
const beside = (file: string): string => `${file}.tmp-${process.pid}-${randomBytes(8).toString('hex')}`;

/** Writes a new file whole, for its owner alone. Throws what the system throws; then there is none. */
function written(file: string, parts: readonly Uint8Array[]): void {
  const fd = openSync(file, 'wx', 0o600);
  try {
    for (const part of parts) for (let at = 0; at < part.length; ) at += writeSync(fd, part, at);
  } catch (e) {
    rmSync(file, { force: true });
    throw e;
  } finally {
    closeSync(fd);
  }
}

/**
 * A file of at least `least` and at most `most` bytes; undefined for another, and for what is no file of its own: a
 * link leads elsewhere, and a pipe would be waited for. One file is looked at and read, however names change meanwhile.
 */
function contents(file: string, least: number, most: number): Buffer | undefined {
  // Without a meaning on some systems.
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants,
    fd = openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const st = fstatSync(fd);
    if (!st.isFile() || st.size < least || st.size > most) return undefined;
    const all = Buffer.allocUnsafe(st.size);
    let at = 0;
    for (let n = 1; n > 0 && at < all.length; at += n) n = readSync(fd, all, at, all.length - at, null);
    return at === all.length ? all : undefined;
  } finally {
    closeSync(fd);
  }
}

type Env = Readonly<Record<string, string | undefined>>;

/** Folders of cache and configuration, by the conventions of the system. */
function folders(env: Env): { cache: string; config: string } {
  const home = homedir(),
    given = env['CERTUNE_CACHE'];
  const [cache, config] =
    platform() === 'win32'
      ? [env['LOCALAPPDATA'] ?? join(home, 'AppData', 'Local'), env['APPDATA'] ?? join(home, 'AppData', 'Roaming')]
      : platform() === 'darwin'
        ? [join(home, 'Library', 'Caches'), join(home, 'Library', 'Application Support')]
        : [env['XDG_CACHE_HOME'] || join(home, '.cache'), env['XDG_CONFIG_HOME'] || join(home, '.config')];
  return { cache: given || join(cache, 'certune'), config: env['CERTUNE_CONFIG'] || join(config, 'certune') };
}

/** The key of this user's cache entries: made on first use, readable by its owner alone. */
function cacheKey(config: string): Buffer {
  const file = join(config, 'cache.key');
  mkdirSync(config, { recursive: true, mode: 0o700 });
  try {
    return ownKey(file);
  } catch (e) {
    if ((e as { code?: string }).code !== 'ENOENT') throw e;
  }
  const tmp = beside(file);
  written(tmp, [randomBytes(MAC_BYTES)]);
  try {
    // A link is refused where another process was first.
    linkSync(tmp, file);
  } catch (e) {
    if ((e as { code?: string }).code !== 'EEXIST') throw e;
  } finally {
    rmSync(tmp, { force: true });
  }
  return ownKey(file);
}

/** A key that this user made: who made it makes entries that are read, as a user whose home root was given would. */
function ownKey(file: string): Buffer {
  const fd = openSync(file, 'r');
  try {
    const { mode, uid } = fstatSync(fd),
      key = readFileSync(fd),
      user = process.getuid?.();
    if (key.length !== MAC_BYTES || (user !== undefined && ((mode & 0o077) !== 0 || uid !== user)))
      throw new Error('no key of this user alone');
    return key;
  } finally {
    closeSync(fd);
  }
}

/** Digest of all that an entry depends on, as its name. */
export const cacheName = (...parts: readonly string[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex');

export class Cache {
  constructor(
    readonly folder: string,
    readonly key: Buffer,
  ) {}

  /** The user's cache; none where CERTUNE_CACHE is off, or where no key can be read or made. */
  static open(env: Env = process.env): Cache | undefined {
    if (env['CERTUNE_CACHE'] === 'off') return undefined;
    try {
      const { cache, config } = folders(env);
      return new Cache(cache, cacheKey(config));
    } catch {
      return undefined;
    }
  }

  #mac(kind: string, name: string, content: Uint8Array): Buffer {
    return createHmac('sha256', this.key).update(`certune/cache/1\n${kind}\n${name}\n${content.length}\n`).update(content).digest();
  }
  #file(kind: string, name: string): string {
    return join(this.folder, `${kind}-${name}`);
  }

  /** The entry of this kind and name, if there is one that this user's own commands have written. */
  get(kind: string, name: string): Uint8Array | undefined {
    try {
      const all = contents(this.#file(kind, name), MAC_BYTES, MOST_BYTES + MAC_BYTES);
      if (!all) return undefined;
      const content = all.subarray(MAC_BYTES);
      return timingSafeEqual(all.subarray(0, MAC_BYTES), this.#mac(kind, name, content)) ? content : undefined;
    } catch {
      return undefined;
    }
  }

  /** Keeps an entry, if that is possible. */
  put(kind: string, name: string, content: Uint8Array): void {
    if (content.length > MOST_BYTES) return;
    const file = this.#file(kind, name),
      tmp = beside(file);
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      written(tmp, [this.#mac(kind, name, content), content]);
      try {
        renameSync(tmp, file);
      } catch (e) {
        rmSync(tmp, { force: true });
        throw e;
      }
      this.#sweep(file);
    } catch {
      // It is made again.
    }
  }

  /** Removes the oldest entries beyond what a cache holds; that just written goes last, whatever its time says. */
  #sweep(last: string): void {
    const all = readdirSync(this.folder, { withFileTypes: true })
      .filter((d) => d.isFile() && ENTRY.test(d.name))
      .flatMap(({ name }) => {
        const file = join(this.folder, name),
          // Another command may have removed it.
          st = statSync(file, { throwIfNoEntry: false });
        return st ? [{ file, at: file === last ? Number.POSITIVE_INFINITY : st.mtimeMs }] : [];
      });
    all.sort((a, b) => b.at - a.at);
    for (const { file } of all.slice(MOST_ENTRIES)) rmSync(file, { force: true });
  }
}
