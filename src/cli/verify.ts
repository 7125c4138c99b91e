import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Ledger, runLedger } from '../aggregate/ledger.js';
import { difference, manifestDigest } from '../aggregate/manifest.js';
import { type Pack, readPack } from '../aggregate/pack.js';
import { type Setup, setup } from '../aggregate/setup.js';
import { verifyRun } from '../aggregate/verify.js';
import { InputError } from '../io/errors.js';
import { adapterConfig, readAdapter } from '../io/peft.js';
import { Kernels } from '../kernels/runtime.js';
import { flattenGroup } from '../model/step.js';
import { ADAMW } from '../optim/adamw.js';
import { type RunConfig, readRun } from '../policy/runfile.js';
import { VerificationError } from '../transcript/arith.js';
import { type Context, type Result, out, readManifest, saltOf, secondsText } from './common.js';
import { UsageError } from './errors.js';
import { type PolicyOptions, checkPolicy, parsePolicy } from './policy.js';
import { packFile } from './prove.js';

export interface VerifyOptions extends PolicyOptions {
  readonly base?: string;
  readonly adapter?: string;
  readonly data?: string[];
  readonly from?: string;
}

/** Where a command finds a run: its folder, or one packed file. */
export function openTarget(target: string): { pack: Pack; local?: RunConfig; adapter?: string } {
  if (!existsSync(target)) throw new InputError(target, ['does not exist'], 'give a run folder or a packed run (run.certune)');
  if (!statSync(target).isDirectory()) return { pack: readPack(target) };
  const m = readManifest(target),
    file = packFile(target);
  if (!existsSync(file)) throw new InputError(file, ['does not exist'], 'run certune prove');
  const pack = readPack(file),
    differs = difference(m, pack.manifest);
  if (differs.length)
    throw new VerificationError('manifest', `${join(out(target), 'manifest.json')} differs from the proof's: ${differs.join(', ')}`);
  return {
    pack,
    adapter: join(out(target), 'adapter'),
    ...(existsSync(join(target, 'run.yaml')) ? { local: readRun(target) } : {}),
  };
}

/** Verifies a run: a folder, or a packed file with --base, --data and --adapter. Throws VerificationError, InputError, PolicyError. */
export function verify(target: string, o: VerifyOptions, c: Context): Result {
  const policy = parsePolicy(o),
    { pack, local, adapter } = openTarget(target),
    { manifest: m, run } = pack;
  const base = o.base ?? local?.base.path,
    data = o.data ?? local?.data.map((d) => d.path),
    adapterDir = o.adapter ?? adapter,
    from = o.from ?? local?.lora.from;
  const lacking = [
    ...(base === undefined ? ['--base DIR'] : []),
    ...(data === undefined ? ['--data FILE'] : []),
    ...(adapterDir === undefined ? ['--adapter DIR'] : []),
    ...(m.config.lora.from !== null && !from ? ['--from DIR (the adapter that the run started from)'] : []),
  ];
  if (base === undefined || data === undefined || adapterDir === undefined || lacking.length)
    throw new UsageError(`at this stage the verifier holds base, data and adapter: give ${lacking.join(', ')}`);
  if (data.length !== m.config.data.length)
    throw new UsageError(`--data: ${data.length} files given, the manifest has ${m.config.data.length}: give them in its order`);
  c.progress.line(`statement: manifest ${manifestDigest(m)}`);
  const s = setup(
    {
      ...m.config,
      base: { ...m.config.base, path: base },
      data: m.config.data.map((d, i) => ({ ...d, path: data[i] })),
      lora: { ...m.config.lora, from: m.config.lora.from === null ? null : from! },
    },
    saltOf(m),
  );
  const differs = difference(s.manifest, m);
  if (differs.length) throw new VerificationError('manifest', `differs from what base and data give: ${differs.join(', ')}`);
  const released = readReleased(s, adapterDir),
    steps = s.config.train.steps;
  c.progress.start(0);
  const r = verifyRun(Kernels.single(), s, run, released, (i) => c.progress.update('verify', i + 1, steps));
  const { train } = m.config,
    ledger: Ledger = runLedger({ plan: s.plan, update: s.update, steps: train.steps, micros: Math.ceil(train.batch / train.microBatch) });
  checkPolicy(policy, s, ledger);
  const order = m.config.sampler.beacon === '' ? 'chosen by the prover (no beacon)' : 'follows from the declared beacon';
  return {
    data: { verified: true, manifest: manifestDigest(m), ...r, bits: ledger.roundByRound, order, policy },
    text: [
      `verified: ${r.steps} steps, loss ${r.losses[0].toFixed(4)} -> ${r.losses[r.losses.length - 1].toFixed(4)}, ${ledger.roundByRound.toFixed(1)} bits`,
      `  ${(r.proofMs / r.steps).toFixed(0)} ms a step for the proofs; base, tables and adapter recomputed in ${secondsText(r.linearMs / 1000)}`,
      `  order of data: ${order}`,
    ].join('\n'),
  };
}

/** The released adapter's integers. Its configuration must be the manifest's, its values multiples of 2^-20. */
function readReleased(s: Setup, dir: string): BigInt64Array {
  const a = readAdapter(dir, s.base.shape),
    { lora, base } = s.config;
  const differs = difference(
    adapterConfig({
      r: lora.r,
      alpha: lora.alpha,
      targets: lora.targets,
      rslora: lora.scaling === 'rslora',
      base: base.name ?? s.base.digest,
      revision: base.revision,
    }),
    a.config,
  );
  if (differs.length) throw new VerificationError('released adapter', `adapter_config.json differs in ${differs.join(', ')}`);
  const members = new Map(
    [...a.members].map(([n, v]) => [
      `C.${n}`,
      BigInt64Array.from(v, (x) => {
        const y = x * 2 ** ADAMW.C.frac;
        if (!Number.isInteger(y)) throw new VerificationError('released adapter', `${n} holds a value that is no multiple of 2^-20`);
        return BigInt(y);
      }),
    ]),
  );
  return flattenGroup(s.program, 'cIn', 'C', members);
}
