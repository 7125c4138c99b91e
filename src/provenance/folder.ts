import { createHash } from 'node:crypto';
import { type Stats, closeSync, constants, fstatSync, lstatSync, openSync, readSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, reason } from '../errors.js';
import { VerificationError } from '../transcript/arith.js';
import { type Listing, ALWAYS_IGNORED, MODEL_SIG, byCodePoint, isIgnored } from './oms.js';

/* What lies in a folder, looked at without following a link. Node only. */

/**
 * SHA-256 of a regular file, which is opened without following a link, and looked at again once it is open. Throws
 * VerificationError, InputError.
 */
export function hashFile(file: string): string {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  } catch (e) {
    if ((e as { code?: string }).code === 'ELOOP') throw new VerificationError('signed files', `${file} is a symbolic link`);
    throw new InputError(file, [`cannot be read: ${reason(e)}`]);
  }
  try {
    if (!fstatSync(fd).isFile()) throw new VerificationError('signed files', `${file} is no regular file`);
    const h = createHash('sha256'),
      block = new Uint8Array(1 << 20);
    for (let n = readSync(fd, block); n > 0; n = readSync(fd, block)) h.update(block.subarray(0, n));
    return h.digest('hex');
  } finally {
    closeSync(fd);
  }
}

/** hashFile that reads each file once: what was compared with one signature is what is compared with the next. */
export function hashOnce(): (file: string) => string {
  const known = new Map<string, string>();
  return (file) => {
    let h = known.get(file);
    if (h === undefined) known.set(file, (h = hashFile(file)));
    return h;
  };
}

function look(path: string): Stats {
  try {
    return lstatSync(path);
  } catch (e) {
    // A name that is not UTF-8 comes back as another one, which is not there.
    throw new InputError(path, [`cannot be looked at: ${reason(e)}`]);
  }
}

/**
 * Every file of a folder by its path with forward slashes, those below `ignored` apart. The usual four folders of a
 * repository and the signature are not looked into; what else is left out is listed by name. Throws VerificationError
 * for a link or a special file.
 */
export function listFolder(
  dir: string,
  ignored: readonly string[] = [...ALWAYS_IGNORED, MODEL_SIG],
  hash: (file: string) => string = hashFile,
): Listing {
  const files: [string, string][] = [],
    leftOut: string[] = [];
  const walk = (at: string, out: boolean): void => {
    let names: string[];
    try {
      names = readdirSync(join(dir, at)).sort(byCodePoint);
    } catch (e) {
      throw new InputError(join(dir, at), [`cannot be read: ${reason(e)}`]);
    }
    for (const n of names) {
      const path = at ? `${at}/${n}` : n;
      if (isIgnored(path, ALWAYS_IGNORED) || (path === MODEL_SIG && isIgnored(path, ignored))) continue;
      const left = out || isIgnored(path, ignored),
        s = look(join(dir, path));
      if (s.isDirectory()) walk(path, left);
      else if (left) leftOut.push(path);
      else if (!s.isFile())
        throw new VerificationError('signed files', `${join(dir, path)} is a ${s.isSymbolicLink() ? 'symbolic link' : 'special file'}`);
      else files.push([path, hash(join(dir, path))]);
    }
  };
  walk('', false);
  return { files: new Map(files), leftOut };
}
