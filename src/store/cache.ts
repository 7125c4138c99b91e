import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
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
  const tmp = `${file}.tmp-${process.pid}`,
    fd = openSync(tmp, 'wx', 0o600);
  try {
    writeSync(fd, randomBytes(MAC_BYTES));
  } finally {
    closeSync(fd);
  }
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
      const file = this.#file(kind, name),
        st = statSync(file);
      if (!st.isFile() || st.size < MAC_BYTES || st.size > MOST_BYTES + MAC_BYTES) return undefined;
      const all = readFileSync(file),
        content = all.subarray(MAC_BYTES);
      return timingSafeEqual(all.subarray(0, MAC_BYTES), this.#mac(kind, name, content)) ? content : undefined;
    } catch {
      return undefined;
    }
  }

  /** Keeps an entry, if that is possible. */
  put(kind: string, name: string, content: Uint8Array): void {
    if (content.length > MOST_BYTES) return;
    const file = this.#file(kind, name),
      tmp = `${file}.tmp-${process.pid}`;
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      const fd = openSync(tmp, 'wx', 0o600);
      try {
        for (const part of [this.#mac(kind, name, content), content]) for (let at = 0; at < part.length; ) at += writeSync(fd, part, at);
      } finally {
        closeSync(fd);
      }
      renameSync(tmp, file);
      this.#sweep();
    } catch {
      try {
        rmSync(tmp, { force: true });
      } catch {
        // Nothing was written there.
      }
    }
  }

  /** Removes the oldest entries beyond what a cache holds. */
  #sweep(): void {
    const all = readdirSync(this.folder).map((n) => ({ n, at: statSync(join(this.folder, n)).mtimeMs }));
    all.sort((a, b) => b.at - a.at);
    for (const { n } of all.slice(MOST_ENTRIES)) rmSync(join(this.folder, n), { force: true });
  }
}
