import { closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { DiskFullError, reason } from '../errors.js';

/**
 * Where nothing can be written: a read-only disk, a folder of somebody else's, a file where a folder should be. Exit
 * code 6.
 */
export class NotWritableError extends Error {
  constructor(
    readonly file: string,
    why: string,
  ) {
    super(`${file}: cannot be written: ${why} (give a run folder that can be written to; verify, inspect, vk and estimate write nothing)`);
    this.name = 'NotWritableError';
  }
}

/** Error of the file system as one that names the file and the way out. */
function failed(file: string, bytes: number, e: unknown): Error {
  const code = (e as { code?: string } | null)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT' ? new DiskFullError(file, bytes) : new NotWritableError(file, reason(e));
}

/** Makes a folder and those above it, new ones with these permissions. Throws NotWritableError, DiskFullError. */
export function makeFolder(dir: string, mode?: number): void {
  try {
    mkdirSync(dir, { recursive: true, ...(mode === undefined ? {} : { mode }) });
  } catch (e) {
    throw failed(dir, 4096, e);
  }
}

/**
 * Writes `parts` one after another beside the target, whose folder is made where it is missing, flushes, renames: a
 * reader sees the old file or the whole new one. Throws DiskFullError where there is no room, NotWritableError where
 * the place cannot be written; the half-written file is removed.
 */
export function writeAtomic(file: string, ...parts: (Uint8Array | string)[]): void {
  const tmp = `${file}.tmp-${process.pid}`,
    bytes = parts.map((p) => (typeof p === 'string' ? Buffer.from(p) : p));
  try {
    mkdirSync(dirname(file), { recursive: true });
    const fd = openSync(tmp, 'w');
    try {
      for (const b of bytes) {
        let o = 0;
        while (o < b.length) o += writeSync(fd, b, o);
      }
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(tmp, file);
  } catch (e) {
    try {
      rmSync(tmp, { force: true });
    } catch {
      // Where nothing can be written there is nothing to remove.
    }
    throw failed(
      file,
      bytes.reduce((n, b) => n + b.length, 0),
      e,
    );
  }
}

/**
 * Gives a file that lies whole at `tmp` its name, where there is none of it yet: false where there is. `tmp` may be
 * left for the caller to remove.
 */
export function linkAbsent(tmp: string, file: string): boolean {
  try {
    linkSync(tmp, file);
    return true;
  } catch (e) {
    const code = (e as { code?: string }).code;
    if (code === 'EEXIST') return false;
    // File systems without links: two that begin at the same moment may both succeed there, and the second one's bytes
    // stand.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(String(code))) throw e;
    if (existsSync(file)) return false;
    renameSync(tmp, file);
    return true;
  }
}
