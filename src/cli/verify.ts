import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Ledger, runLedger } from '../run/ledger.js';
import { type Manifest, difference, manifestDigest } from '../run/manifest.js';
import type { Pack } from '../artifact/pack.js';
import type { Programs } from '../run/programs.js';
import { type Setup, setup } from '../setup/run.js';
import { type AnyProof, manifestOf, readProofFile } from '../store/proof.js';
import { verifyRun } from '../verify/steps.js';
import { InputError } from '../errors.js';
import { adapterConfig, besideAdapter, readAdapter } from '../io/peft.js';
import { singleKernels } from '../kernels/single.js';
import { flattenGroup } from '../model/step.js';
import { ADAMW } from '../optim/adamw.js';
import type { RunConfig } from '../run/schema.js';
import { readRun } from '../setup/runfile.js';
import { VerificationError } from '../transcript/arith.js';
import { type Context, type Result, bitsText, out, readManifest, saltOf, secondsText } from './common.js';
import { plain } from './escape.js';
import { UsageError } from './errors.js';
import { type Policy, type PolicyOptions, checkPolicy, parsePolicy } from './policy.js';
import { packFile } from './prove.js';
import { parseKey, verifyFolded } from './verify-folded.js';

export interface VerifyOptions extends PolicyOptions {
  readonly base?: string;
  readonly adapter?: string;
  readonly data?: string[];
  readonly from?: string;
  /** Verification key, a file or sha256:... */ readonly key?: string;
  /** Root of the base's commitment, in place of the base. */ readonly baseRoot?: string;
  /** False: a key that is neither shipped nor given is not recomputed. */ readonly recompute?: boolean;
}

/** Where a command finds a proof: a run's folder, or a file. */
export interface Target {
  readonly file: string;
  readonly proof: AnyProof;
  readonly local?: RunConfig;
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
  };
}

/** Setup of what base and data give, compared with the manifest. Throws VerificationError, InputError. */
export function setupOf(m: Manifest, base: string, data: readonly string[], from: string | null | undefined): Setup {
  const s = setup(
      {
        ...m.config,
        base: { ...m.config.base, path: base },
        data: m.config.data.map((d, i) => ({ ...d, path: data[i] })),
        lora: { ...m.config.lora, from: m.config.lora.from === null ? null : from! },
      },
      saltOf(m),
    ),
    differs = difference(s.run.manifest, m);
  if (differs.length) throw new VerificationError('manifest', `differs from what base and data give: ${differs.join(', ')}`);
  return s;
}

/** Whose choice the order of the data is. The batches were compared with what the sampler gives only where the data were at hand. */
export function orderOf(m: Manifest, compared: boolean): string {
  const { beacon } = m.config.sampler;
  if (beacon === '') return 'chosen by the prover (no beacon)';
  return compared
    ? `follows from the declared beacon ${JSON.stringify(beacon)}`
    : `said to follow from the beacon ${JSON.stringify(beacon)}, not checked: the data were not`;
}

/** Verifies a run: a folder, or a proof file with --base, --data and --adapter. Throws VerificationError, InputError, PolicyError. */
export function verify(target: string, o: VerifyOptions, c: Context): Result {
  const policy = parsePolicy(o),
    given = parseKey(o.key),
    t = openTarget(target);
  c.progress.line(`statement: manifest ${manifestDigest(manifestOf(t.proof))}`);
  if (t.proof.kind !== 'pack') return verifyFolded(t, t.proof.kind === 'node' ? t.proof.node : t.proof.folded, { ...o, policy, given }, c);
  if (given || o.recompute === false || o.baseRoot !== undefined)
    throw new UsageError('a pack of step proofs has no verification key: --key and --no-recompute are for folded proofs');
  return verifyPack(t, t.proof.pack, policy, o, c);
}

/** Verifies a pack of step proofs: base, data and adapter are needed. */
function verifyPack(t: Target, { manifest: m, run }: Pack, policy: Policy, o: VerifyOptions, c: Context): Result {
  const base = o.base ?? t.local?.base.path,
    data = o.data ?? t.local?.data.map((d) => d.path),
    adapterDir = o.adapter ?? t.adapter,
    from = o.from ?? t.local?.lora.from;
  const lacking = [
    ...(base === undefined ? ['--base DIR'] : []),
    ...(data === undefined ? ['--data FILE'] : []),
    ...(adapterDir === undefined ? ['--adapter DIR'] : []),
    ...(m.config.lora.from !== null && !from ? ['--from DIR (the adapter that the run started from)'] : []),
  ];
  if (base === undefined || data === undefined || adapterDir === undefined || lacking.length)
    throw new UsageError(`a pack of step proofs is verified with base, data and adapter: give ${lacking.join(', ')}`);
  if (data.length !== m.config.data.length)
    throw new UsageError(`--data: ${data.length} files given, the manifest has ${m.config.data.length}: give them in its order`);
  const s = setupOf(m, base, data, from),
    released = readReleased(s.run.programs, m, adapterDir),
    beside = besideAdapter(adapterDir).others,
    steps = s.config.train.steps;
  c.progress.start(0);
  const r = verifyRun(singleKernels(), s.run, { ...s.inputs, released }, run, (i) => c.progress.update('verify', i + 1, steps)),
    ledger = ledgerOf(s.run.programs, m);
  checkPolicy(policy, m, ledger);
  return {
    data: {
      verified: true,
      kind: 'pack',
      manifest: manifestDigest(m),
      ...r,
      base: 'checked',
      data: 'checked',
      adapter: 'checked',
      bits: ledger.roundByRound,
      order: orderOf(m, true),
      ...(beside.length ? { beside } : {}),
      policy,
    },
    text: [
      `verified: ${r.steps} steps, loss ${r.losses[0].toFixed(4)} -> ${r.losses[r.losses.length - 1].toFixed(4)}, ${bitsText(ledger.roundByRound)} bits`,
      `  ${(r.proofMs / r.steps).toFixed(0)} ms a step for the proofs; base, tables and adapter recomputed in ${secondsText(r.linearMs / 1000)}`,
      ...besideText(beside),
      `  order of data: ${orderOf(m, true)}`,
    ]
      .map(plain)
      .join('\n'),
  };
}

export const ledgerOf = (p: Programs, { config: { train } }: Manifest): Ledger =>
  runLedger({ plan: p.plan, update: p.update, steps: train.steps, micros: Math.ceil(train.batch / train.microBatch) });

/** What lies in the adapter's folder and was compared with nothing. */
export const besideText = (beside: readonly string[]): string[] =>
  beside.length ? [`  beside the adapter, not checked: ${beside.join(', ')}`] : [];

/**
 * The released adapter's integers. Its configuration must be the manifest's, its values multiples of 2^-20 in the format of the adapter, and no other file of the folder one that a loader could
 * take tensors from. Throws InputError, VerificationError.
 */
export function readReleased(p: Programs, m: Manifest, dir: string): BigInt64Array {
  const a = readAdapter(dir, m.base.shape),
    { tensors } = besideAdapter(dir),
    { lora, base } = m.config,
    limit = 2 ** (ADAMW.C.bits - 1);
  const differs = difference(
    adapterConfig({
      r: lora.r,
      alpha: lora.alpha,
      targets: lora.targets,
      rslora: lora.scaling === 'rslora',
      base: base.name ?? m.base.digest,
      revision: base.revision,
    }),
    a.config,
  );
  if (differs.length) throw new VerificationError('released adapter', `adapter_config.json differs in ${differs.join(', ')}`);
  if (tensors.length)
    throw new VerificationError(
      'released adapter',
      `${dir} holds ${tensors.join(', ')} too, which some loaders read in place of adapter_model.safetensors or with it: move it away`,
    );
  const members = new Map(
    [...a.members].map(([n, v]) => [
      `C.${n}`,
      BigInt64Array.from(v, (x) => {
        const y = x * 2 ** ADAMW.C.frac;
        if (!Number.isInteger(y)) throw new VerificationError('released adapter', `${n} holds a value that is no multiple of 2^-20`);
        // Before it becomes a word of 64 bits: 2^44 is 2^64 times 2^-20 and would be read as zero.
        if (Math.abs(y) > limit) throw new VerificationError('released adapter', `${n} holds ${x}, outside the adapter's format`);
        return BigInt(y);
      }),
    ]),
  );
  return flattenGroup(p.program, 'cIn', 'C', members);
}
