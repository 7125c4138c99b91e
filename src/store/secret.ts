import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { wordOf } from '../field/goldilocks.js';
import { InputError } from '../errors.js';
import { NotWritableError, makeFolder } from '../io/atomic.js';
import { readText } from '../io/read-file.js';
import { keyCommitment } from '../policy/order/keys.js';
import { drawSalt } from '../policy/rows/opening.js';
import type { Manifest } from '../run/manifest.js';
import type { RunSecret } from '../setup/run.js';

/*
 * Secret of a run in the private mode: salt of the rows, key of the sampler, blind of the key's commitment. It lies in
 * RUN/secret/sampler.json (0600), beside
 * out/ and never in it; no message, manifest or proof file quotes it.
 */

const TYPE = 'certune-secret',
  VERSION = 1;
type Secret = Required<RunSecret>;

export const secretFile = (run: string): string => join(run, 'secret', 'sampler.json');

/** A new secret: twelve words from the system's generator. */
export const drawSecret = (): Secret => ({ salt: drawSalt(), key: { key: drawSalt(), blind: drawSalt() } });

/**
 * Writes a secret where there is none. Throws NotWritableError where there is one, for a run's commitments are
 * worthless without theirs.
 */
export function writeSecret(run: string, { salt, key }: Secret): void {
  const file = secretFile(run),
    tmp = `${file}.tmp-${process.pid}`,
    text = `${JSON.stringify({ type: TYPE, version: VERSION, salt: salt.map(String), key: key.key.map(String), blind: key.blind.map(String) })}\n`;
  const folder = join(run, 'secret');
  makeFolder(folder, 0o700);
  // What a kill between writing and linking has left.
  for (const name of readdirSync(folder)) if (name.startsWith('sampler.json.tmp-')) rmSync(join(folder, name), { force: true });
  try {
    writeFileSync(join(folder, '.gitignore'), '*\n');
    const fd = openSync(tmp, 'wx', 0o600);
    try {
      writeSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    // A link is refused where the name is taken, which renaming is not.
    linkSync(tmp, file);
    flush(folder);
  } catch (e) {
    const code = (e as { code?: string } | null)?.code;
    throw new NotWritableError(file, code === 'EEXIST' ? 'it is there already' : (code ?? 'unknown error'));
  } finally {
    rmSync(tmp, { force: true });
  }
}

/**
 * Closes a folder to all but its owner: journal and step proofs of a private run hold its rows. Throws
 * NotWritableError.
 */
export function keepToOwner(folder: string): void {
  makeFolder(folder, 0o700);
  try {
    if (process.platform !== 'win32') chmodSync(folder, 0o700);
  } catch (e) {
    throw new NotWritableError(folder, (e as { code?: string } | null)?.code ?? 'unknown error');
  }
}

/** Flushes the names in a folder, where the system has that: no commitment is written before its secret is kept. */
function flush(folder: string): void {
  if (process.platform === 'win32') return;
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function words(x: unknown): bigint[] | undefined {
  if (!Array.isArray(x) || x.length !== 4) return undefined;
  const all = Array.from(x, wordOf);
  return all.every((w) => w !== undefined) ? all : undefined;
}

/** The secret of a run, undefined where there is none. Throws InputError, which says nothing of what the file holds. */
export function readSecret(run: string): Secret | undefined {
  const file = secretFile(run);
  if (!existsSync(file)) return undefined;
  if (process.platform !== 'win32' && statSync(file).mode & 0o077)
    throw new InputError(
      file,
      ['can be read by others than its owner'],
      `chmod 600 ${file}, and draw a new one where others may have read it`,
    );
  const text = readText(file, 'run.yaml');
  let x: Record<string, unknown> | null = null;
  try {
    x = JSON.parse(text) as Record<string, unknown> | null;
  } catch {
    // The parser's message would quote the file.
  }
  const salt = words(x?.['salt']),
    key = words(x?.['key']),
    blind = words(x?.['blind']);
  if (x?.['type'] !== TYPE || x['version'] !== VERSION || !salt || !key || !blind)
    throw new InputError(file, ['is no secret of a run, or a damaged one'], 'restore it from a copy: nothing else holds it');
  return { salt, key: { key, blind } };
}

/**
 * The secret that a manifest was committed with: its own salt in the public mode. Throws InputError where it is lost,
 * or another one.
 */
export function secretOf(run: string, m: Manifest): RunSecret {
  if (m.config.sampler.mode === 'public') return { salt: m.dataset.salt!.map(BigInt) };
  const s = readSecret(run);
  if (!s)
    throw new InputError(
      secretFile(run),
      ['is missing: the run was committed in the private mode'],
      'restore it from a copy, or delete the out folder to start over',
    );
  if (keyCommitment(s.key.key, s.key.blind).map(String).join() !== m.dataset.key?.join())
    throw new InputError(secretFile(run), ['is the secret of another run: its key is not the one that the manifest commits to']);
  return s;
}
