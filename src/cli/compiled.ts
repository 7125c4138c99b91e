import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Script } from 'node:vm';
import { Cache, cacheName } from '../store/cache.js';

/** Kind of the entries of a cache that are a compiler's code. */
const KIND = 'code';

/** What a file of CommonJS exports, and a function that keeps the compiler's code of it for the next process. */
export interface Compiled<T> {
  readonly exports: T;
  /** Whether the code was kept by a process before. */ readonly kept: boolean;
  readonly keep: () => void;
}

/**
 * Runs a file of CommonJS. What the compiler made of it the last time is in the user's cache (store/cache.ts): under
 * the digest of the file and the compiler's version and architecture, by this user's own MAC, without which it is not
 * looked at, for the compiler would run what it says. A compiler that refuses it, as one of other flags does, makes it
 * again. `keep` is for when all is done: it holds the functions that were called.
 */
export function compiled<T>(file: string, cache: Cache): Compiled<T> {
  const bytes = readFileSync(file),
    { version, arch, versions } = process,
    name = cacheName(version, versions.v8, arch, createHash('sha256').update(bytes).digest('hex')),
    data = cache.get(KIND, name),
    script = new Script(`(function (exports, require, module, __filename, __dirname) {${bytes.toString()}\n})`, {
      filename: file,
      ...(data ? { cachedData: data } : {}),
    }),
    made = {} as T,
    module = { exports: made },
    run = script.runInThisContext() as (
      exports: T,
      require: NodeJS.Require,
      module: { exports: T },
      filename: string,
      dirname: string,
    ) => void,
    kept = data !== undefined && script.cachedDataRejected !== true;
  run(made, createRequire(file), module, file, dirname(file));
  const { exports } = module;
  return {
    exports,
    kept,
    keep: () => {
      if (!kept) cache.put(KIND, name, script.createCachedData());
    },
  };
}

/** The same with this user's cache; undefined where there is none. */
export function compiledHere<T>(file: string): Compiled<T> | undefined {
  const cache = Cache.open();
  return cache && compiled<T>(file, cache);
}
