import { existsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { PACK_NAME } from '../artifact/pack.js';
import { InputError } from '../errors.js';
import { besideAdapter } from '../io/peft.js';
import type { ExportFacts } from '../provenance/exports/facts.js';
import { hashFile } from '../provenance/folder.js';
import type { ReleaseFacts } from '../provenance/predicate.js';
import type { Subject } from '../provenance/statement.js';
import { keyDigest } from '../recursion/key.js';
import { buildable } from '../run/facts.js';
import { type Manifest, difference, parseManifest } from '../run/manifest.js';
import { type AnyProof, manifestOf, readProofFile } from '../store/proof.js';
import { VerificationError } from '../transcript/arith.js';
import { ledgerUnder, parsePublished } from '../verify/key.js';
import { readJson } from '../io/json.js';
import { out } from './common.js';
import { ledgerOf } from './target.js';

/** The signed statement of a release. */
export const SIGNED = 'run.sigstore.json';

/**
 * Files of a run that may be released, and of a release: its proof, and its adapter in a folder of its own or beside
 * the proof.
 */
export interface Release {
  readonly dir: string;
  readonly proof: string;
  /** Folder of the adapter, where there is one. */ readonly adapter?: string;
}

/** Whether a folder is a release: a proof lies in it, and it is not the folder of a run. */
export const isRelease = (dir: string): boolean =>
  existsSync(dir) && statSync(dir).isDirectory() && existsSync(join(dir, PACK_NAME)) && !existsSync(join(dir, 'run.yaml'));

/** A folder with a proof in it. Throws InputError. */
export function openRelease(dir: string): Release {
  if (!isRelease(dir))
    throw new InputError(
      dir,
      [`is no release: a folder with ${PACK_NAME} in it`],
      'put run.certune and the files of the adapter (out/proof and out/adapter of a run) into a folder of their own',
    );
  const adapters = ['.', 'adapter'].map((d) => join(dir, d)).filter((d) => existsSync(join(d, 'adapter_config.json')));
  if (adapters.length > 1)
    throw new InputError(
      dir,
      ['holds two adapters, beside the proof and in adapter/: one would be verified and the other loaded'],
      'remove one',
    );
  const [adapter] = adapters;
  return { dir, proof: join(dir, PACK_NAME), ...(adapter === undefined ? {} : { adapter }) };
}

const version = (): string => (createRequire(import.meta.url)('../../package.json') as { version: string }).version;

/** What a proof file says of its run. Nothing of it is verified. Throws InputError, VersionError. */
export function factsOfProof(file: string, p: AnyProof, name = PACK_NAME): ReleaseFacts {
  if (p.kind === 'node')
    throw new InputError(file, ['is the proof of a range of steps'], 'certune fold joins ranges; whole runs are released');
  const m = manifestOf(p),
    programs = buildable(file, m);
  if (p.kind === 'pack') return { manifest: m, kind: 'pack', ledger: ledgerOf(programs, m), version: version(), proof: name };
  return {
    manifest: m,
    kind: 'folded',
    key: keyDigest(p.folded.key),
    ledger: ledgerUnder(file, { manifest: m, programs }, parsePublished(file, p.folded.key), p.folded.hides),
    version: version(),
    proof: name,
  };
}

/** Counts and losses of a folded run, from the list that its proof binds, as far as they are shown of every step. */
function countsOf(file: string, p: AnyProof): Pick<ExportFacts, 'targets' | 'losses'> {
  if (p.kind !== 'folded') return {};
  const { show } = p.folded.manifest.config;
  if (show.targets !== 'steps') return {};
  const { frac } = buildable(file, manifestOf(p)).program.tensors.find((t) => t.name === 'loss')!,
    mean = (l: (typeof p.folded.losses)[number]): number => Number(l.losses.reduce((x, y) => x + y, 0n)) / 2 ** frac / l.targets,
    list = p.folded.losses;
  return {
    targets: list.reduce((n, l) => n + l.targets, 0),
    ...(show.losses === 'steps' ? { losses: { first: mean(list[0]), last: mean(list[list.length - 1]) } } : {}),
  };
}

/** What an export is written from: a run, a release, or a proof file. Throws InputError. */
export function exportFacts(target: string): ExportFacts {
  if (!existsSync(target)) throw new InputError(target, ['does not exist'], 'give a run folder, a release or a proof (run.certune)');
  const folder = statSync(target).isDirectory(),
    release = folder ? (isRelease(target) ? openRelease(target) : ofRun(target)) : { dir: '', proof: target },
    proof = readProofFile(release.proof),
    files: Subject[] = [{ name: PACK_NAME, sha256: hashFile(release.proof) }];
  if (release.adapter !== undefined) {
    besideAdapter(release.adapter);
    for (const name of ['adapter_config.json', 'adapter_model.safetensors']) {
      const at = join(release.adapter, name);
      if (existsSync(at)) files.push({ name, sha256: hashFile(at) });
    }
  }
  return { ...factsOfProof(release.proof, proof), ...countsOf(release.proof, proof), files };
}

/** The files of a run that are released. Throws InputError where they are not there yet. */
function ofRun(run: string): Release {
  const proof = join(out(run), 'proof', PACK_NAME),
    adapter = join(out(run), 'adapter');
  if (!existsSync(proof)) throw new InputError(proof, ['does not exist'], 'run certune prove');
  return { dir: run, proof, ...(existsSync(adapter) ? { adapter } : {}) };
}

/** The manifest beside a released proof, if there is one, must be the proof's. Throws VerificationError, InputError. */
export function checkManifestFile(release: Release, m: Manifest): void {
  const file = join(release.dir, 'manifest.json');
  if (!existsSync(file)) return;
  const differs = difference(parseManifest(file, readJson(file, 'manifest')), m);
  if (differs.length) throw new VerificationError('manifest', `${file} differs from the proof's: ${differs.join(', ')}`);
}
