import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { InputError } from '../errors.js';
import { makeFolder } from '../io/atomic.js';
import { readText } from '../io/read-file.js';

/*
 * The key of a farm: 32 bytes that coordinator and workers share. Jobs and the description of the run are under it, so
 * that whoever can write to the queue or to the store cannot have workers do what he likes. It lies in no store.
 */

/** A key of a file of 64 hexadecimal digits. Throws InputError, which quotes nothing of it. */
export function readFarmKey(file: string): Uint8Array {
  const text = readText(file, 'key').trim();
  if (process.platform !== 'win32' && statSync(file).mode & 0o077)
    throw new InputError(file, ['can be read by others than its owner'], `chmod 600 ${file}`);
  if (!/^[0-9a-f]{64}$/.test(text))
    throw new InputError(file, ['is no key of a farm: 64 hexadecimal digits'], 'copy it from the coordinator');
  return Buffer.from(text, 'hex');
}

/** The key of a file, which is drawn where there is none. */
export function farmKeyAt(file: string): Uint8Array {
  if (!existsSync(file)) {
    makeFolder(dirname(file), 0o700);
    const fd = openSync(file, 'wx', 0o600);
    try {
      writeSync(fd, `${randomBytes(32).toString('hex')}\n`);
    } finally {
      closeSync(fd);
    }
  }
  return readFarmKey(file);
}
