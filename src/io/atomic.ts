import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { DiskFullError, InputError, reason } from '../errors.js';

/**
 * Writes `parts` one after another beside the target, flushes, renames: a reader sees the old file or the whole new one. Throws
 * DiskFullError where there is no room, InputError where the place cannot be written; the half-written file is removed.
 */
export function writeAtomic(file: string, ...parts: (Uint8Array | string)[]): void {
  const tmp = `${file}.tmp-${process.pid}`,
    bytes = parts.map((p) => (typeof p === 'string' ? Buffer.from(p) : p));
  try {
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
    rmSync(tmp, { force: true });
    const code = (e as { code?: string }).code;
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new DiskFullError(
        file,
        bytes.reduce((n, b) => n + b.length, 0),
      );
    throw new InputError(file, [`cannot be written: ${reason(e)}`]);
  }
}
