import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { PACK_NAME } from '../artifact/pack.js';
import { type NodeFile, samePlace } from '../artifact/folded.js';
import { InputError } from '../errors.js';
import { writeAtomic } from '../io/atomic.js';
import { readJson } from '../io/json.js';
import { type Manifest, manifestDigest, manifestJson, parseManifest } from '../run/manifest.js';
import { journalManifest } from '../store/journal.js';
import { lockFolder } from '../store/lock.js';
import { manifestOf, readProofFile } from '../store/proof.js';
import type { Context } from './common.js';

/*
 * What a run keeps, and how a command comes by it where it was lost or damaged: the table is in docs/artifacts.md, and
 * test/kept.test.ts tries every line of it.
 */

export const out = (run: string): string => join(run, 'out');
export const manifestFile = (run: string): string => join(out(run), 'manifest.json');
/** Where the proof of a run goes. */
export const packFile = (run: string): string => join(out(run), 'proof', PACK_NAME);
/** Where the proof of a range goes. */
export const rangeFile = (run: string, from: number, to: number): string => join(out(run), 'proof', `steps-${from}-${to}.certune`);
/** Whether a node covers a whole run. */
export const wholeRun = (n: NodeFile): boolean =>
  samePlace(n.from, { step: 0, part: 0 }) && samePlace(n.to, { step: n.manifest.config.train.steps, part: 0 });
/**
 * The manifest again, beside the states that belong to it: its salt is in no other file of a run that is not proved
 * yet.
 */
export const manifestCopy = (run: string): string => join(out(run), 'journal', 'manifest.json');

/** A manifest with the file that it was read from, and why that is not manifest.json. */
export interface FoundManifest {
  readonly manifest: Manifest;
  readonly file: string;
  readonly lost?: string;
}

const names = (dir: string, end: RegExp): string[] =>
  existsSync(dir)
    ? readdirSync(dir)
        .filter((f) => end.test(f))
        .sort()
        .map((f) => join(dir, f))
    : [];

/** Files of a run that hold its manifest too. */
function* copies(run: string): Generator<[string, () => Manifest]> {
  const copy = manifestCopy(run);
  if (existsSync(copy)) yield [copy, () => parseManifest(copy, readJson(copy, 'manifest'))];
  const proof = join(out(run), 'proof');
  for (const dir of [proof, join(proof, 'epochs'), join(proof, 'nodes')])
    for (const f of names(dir, /\.certune$/)) yield [f, () => manifestOf(readProofFile(f))];
}

/**
 * The manifest of a run: manifest.json, or where that was lost or damaged the copy of it in the journal or in a proof,
 * which must be the one that the journal belongs to. Throws InputError naming what is wrong with manifest.json where
 * there is none, VersionError for another version.
 */
export function findManifest(run: string): FoundManifest {
  const file = manifestFile(run);
  let broken: InputError;
  try {
    if (existsSync(file)) return { manifest: parseManifest(file, readJson(file, 'manifest')), file };
    broken = new InputError(file, ['cannot be read: it does not exist'], 'run certune commit');
  } catch (e) {
    if (!(e instanceof InputError)) throw e;
    broken = e;
  }
  const journal = journalManifest(out(run));
  for (const [at, read] of copies(run)) {
    let manifest: Manifest;
    try {
      manifest = read();
    } catch (e) {
      if (!(e instanceof InputError)) throw e;
      continue;
    }
    if (journal === undefined || manifestDigest(manifest) === journal) return { manifest, file: at, lost: broken.message };
  }
  if (journal !== undefined)
    throw new InputError(
      file,
      [`${broken.problems.join('; ')}; it is the one that the journal belongs to (${journal}), and no copy of it is left`],
      'put it back, or delete the out folder to start over: its salt is in no other file',
    );
  throw broken;
}

/** Writes manifest.json and its copy where one of them is not what was found; tells where it was found. */
export function restoreManifest(run: string, found: FoundManifest, c: Context): void {
  if (found.lost !== undefined) {
    writeAtomic(manifestFile(run), manifestJson(found.manifest));
    c.progress.line(`${found.lost}: it is restored from ${found.file}`);
  }
  writeCopy(run, found.manifest);
}

/** Writes the copy of a manifest into the journal where it is not there. */
export function writeCopy(run: string, m: Manifest): void {
  const copy = manifestCopy(run);
  try {
    if (existsSync(copy) && manifestDigest(parseManifest(copy, readJson(copy, 'manifest'))) === manifestDigest(m)) return;
  } catch (e) {
    if (!(e instanceof InputError)) throw e;
  }
  writeAtomic(copy, manifestJson(m));
}

/** What a command does while it alone works on a run's out folder. Throws InUseError naming the other one. */
export async function locked<T>(run: string, command: string, c: Context, work: () => T | Promise<T>): Promise<T> {
  const release = lockedFolder(run, command, c);
  try {
    return await work();
  } finally {
    release();
  }
}
export function lockedNow<T>(run: string, command: string, c: Context, work: () => T): T {
  const release = lockedFolder(run, command, c);
  try {
    return work();
  } finally {
    release();
  }
}
function lockedFolder(run: string, command: string, c: Context): () => void {
  c.writes(out(run));
  return lockFolder(out(run), command);
}

/** What `read` gives; an error of a file gets this way out beside its own. */
export function withRemedy<T>(remedy: string, read: () => T): T {
  try {
    return read();
  } catch (e) {
    if (!(e instanceof InputError) || remedy === '') throw e;
    throw new InputError(e.file, e.problems, e.remedy === '' ? remedy : `${e.remedy}; ${remedy}`);
  }
}

/** Way out for a released adapter that cannot be read. */
export const ADAPTER_REMEDY = 'certune train writes it again from the journal, the same to the last bit';
