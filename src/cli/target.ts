import type { PolicyOptions } from './policy.js';
import { type AnyProof, readProofFile, manifestOf } from '../store/proof.js';
import type { RunConfig } from '../run/schema.js';
import { existsSync, statSync } from 'node:fs';
import { InputError } from '../errors.js';
import { readManifest, out } from './common.js';
import { packFile } from './kept.js';
import { type Manifest, difference } from '../run/manifest.js';
import { VerificationError } from '../transcript/arith.js';
import { join } from 'node:path';
import { readRun } from '../setup/runfile.js';
import type { RunSecret } from '../setup/run.js';
import { readSecret, secretOf } from '../store/secret.js';
import type { Programs } from '../run/programs.js';
import { type Ledger, runLedger } from '../run/ledger.js';
import { readAdapter, besideAdapter } from '../io/peft.js';
import { releasedOf } from '../verify/released.js';
import type { GivenKey } from '../verify/trust.js';
import { UsageError } from './errors.js';
import { parsePublished } from '../verify/key.js';
import { readJson } from '../io/json.js';

export interface VerifyOptions extends PolicyOptions {
  readonly base?: string;
  readonly adapter?: string;
  readonly data?: string[];
  readonly from?: string;
  /** Verification key, a file or sha256:... */ readonly key?: string;
  /** Root of the base's commitment, in place of the base or beside it. */ readonly baseRoot?: string;
  /** Makes the commitment to the base again. */ readonly commitBase?: boolean;
  /** False: a key that is neither shipped nor given is not recomputed. */ readonly recompute?: boolean;
}

/** Where a command finds a proof: a run's folder, or a file. */
export interface Target {
  readonly file: string;
  readonly proof: AnyProof;
  readonly local?: RunConfig;
  /** Of a folder in the private mode that has it. */ readonly secret?: RunSecret;
  readonly adapter?: string;
}

/** Reads a run's folder, or a proof file of any kind. Throws InputError, VersionError, VerificationError. */
export function openTarget(target: string): Target {
  if (!existsSync(target)) throw new InputError(target, ['does not exist'], 'give a run folder or a proof (run.certune)');
  if (!statSync(target).isDirectory()) return { file: target, proof: readProofFile(target) };
  const m = readManifest(target),
    file = packFile(target);
  if (!existsSync(file)) throw new InputError(file, ['does not exist'], 'run certune prove');
  const proof = readProofFile(file),
    differs = difference(m, manifestOf(proof));
  if (differs.length)
    throw new VerificationError('manifest', `${join(out(target), 'manifest.json')} differs from the proof's: ${differs.join(', ')}`);
  return {
    file,
    proof,
    adapter: join(out(target), 'adapter'),
    ...(existsSync(join(target, 'run.yaml')) ? { local: readRun(target) } : {}),
    ...(m.config.sampler.mode === 'private' && readSecret(target) ? { secret: secretOf(target, m) } : {}),
  };
}

/** Whether rows can be compared: salts of the private mode are with the prover alone. */
export const rowsComparable = (m: Manifest, secret: RunSecret | undefined): boolean =>
  m.config.sampler.mode === 'public' || secret !== undefined;

/** Whose choice the order of the data is: batches are those that the sampler gives, by proof or by comparison. */
export function orderOf(m: Manifest): string {
  const { beacon } = m.config.sampler;
  if (beacon === '') return 'chosen by the prover (no beacon)';
  return `follows from the declared beacon ${JSON.stringify(beacon)}`;
}

export const ledgerOf = (p: Programs, { config: { train } }: Manifest): Ledger =>
  runLedger({ plan: p.plan, update: p.update, steps: train.steps, micros: Math.ceil(train.batch / train.microBatch) });

/**
 * The released adapter's integers. Its configuration must be the manifest's, its values multiples of 2^-20 in the
 * format of the adapter, and no other file of the folder one that a loader could take tensors from. Throws InputError,
 * VerificationError.
 */
export function readReleased(p: Programs, m: Manifest, dir: string): BigInt64Array {
  const a = readAdapter(dir, m.base.shape),
    { tensors } = besideAdapter(dir),
    released = releasedOf(p, m, a);
  if (tensors.length)
    throw new VerificationError(
      'released adapter',
      `${dir} holds ${tensors.join(', ')} too, which some loaders read in place of adapter_model.safetensors or with it: move it away`,
    );
  return released;
}

/** --key: sha256:... or a file that certune vk -o wrote. Throws UsageError, InputError, VersionError. */
export function parseKey(text: string | undefined): GivenKey | undefined {
  if (text === undefined) return undefined;
  if (/^sha256:/.test(text)) {
    if (!/^sha256:[0-9a-f]{64}$/.test(text)) throw new UsageError('--key: sha256: is followed by 64 hexadecimal digits');
    return { digest: text };
  }
  if (!existsSync(text)) throw new UsageError(`--key: "${text}" is neither sha256:... nor a file`);
  return { key: parsePublished(text, readJson(text, 'key')) };
}
