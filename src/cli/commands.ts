import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { type StepProof, frozenOf, meanLoss, mergeRun, proveStep, runStep, verifyRun } from '../aggregate/chain.js';
import { hasProof, readMerge, readProof, readState, writeMerge, writeProof, writeState } from '../aggregate/files.js';
import { runLedger } from '../aggregate/ledger.js';
import { type Manifest, type Setup, manifestJson, setup } from '../aggregate/setup.js';
import { P } from '../field/goldilocks.js';
import { InputError } from '../io/errors.js';
import { adapterConfig, readAdapter, writeAdapter } from '../io/peft.js';
import { writeAtomic } from '../io/safetensors.js';
import { Kernels } from '../kernels/runtime.js';
import { flattenGroup, unflattenGroup } from '../model/step.js';
import { ADAMW } from '../optim/adamw.js';
import { type RunConfig, readRun, runSchema, runTemplate } from '../policy/runfile.js';
import { VerificationError } from '../transcript/arith.js';
import { Progress } from './progress.js';

export interface Common {
  readonly json?: boolean;
}
export interface ProverOptions extends Common {
  readonly workers?: string;
  readonly memory?: string;
}

const out = (run: string): string => join(run, 'out');
const print = (o: Common, data: Record<string, unknown>, text: string): void => {
  process.stdout.write(o.json ? `${JSON.stringify(data)}\n` : `${text}\n`);
};

/** Bytes from "8GiB", "512MiB" or a plain number. */
export function parseMemory(text: string): number {
  const m = /^(\d+(?:\.\d+)?)\s*(GiB|MiB|GB|MB)?$/.exec(text);
  if (!m) throw new InputError('--memory', [`cannot read "${text}"`], 'write for example 8GiB');
  return Number(m[1]) * ({ GiB: 2 ** 30, MiB: 2 ** 20, GB: 1e9, MB: 1e6 }[m[2] ?? 'GiB'] ?? 1);
}
const kernels = (o: ProverOptions): Promise<Kernels> =>
  Kernels.create({
    threads: o.workers ? Number(o.workers) : Math.max(1, Math.min(2, cpus().length)),
    ...(o.memory ? { maxBytes: parseMemory(o.memory) } : {}),
  });

export function init(run: string, o: { model: string; data: string[] } & Common): void {
  const file = join(run, 'run.yaml');
  if (existsSync(file)) throw new InputError(file, ['exists already'], 'delete it or choose another folder');
  mkdirSync(run, { recursive: true });
  const rel = (p: string): string => relative(resolve(run), resolve(p)) || '.';
  writeAtomic(file, runTemplate(rel(o.model), o.data.map(rel)));
  print(o, { file }, `wrote ${file}`);
}

function readManifest(run: string): Manifest {
  const file = join(out(run), 'manifest.json');
  let m: Manifest;
  try {
    m = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
  } catch (e) {
    throw new InputError(file, [`cannot be read: ${(e as Error).message}`], 'run certune commit');
  }
  if (m?.type !== 'certune-manifest') throw new InputError(file, ['is not a Certune manifest']);
  if (m.version !== 1) throw new VersionError(file, m.version);
  const c = runSchema.safeParse(m.config);
  if (!c.success)
    throw new InputError(
      file,
      c.error.issues.map((i) => `config.${i.path.join('.')}: ${i.message}`),
    );
  const salt = m.dataset?.salt;
  if (!Array.isArray(salt) || salt.length !== 4 || !salt.every((x) => typeof x === 'string' && /^\d{1,20}$/.test(x) && BigInt(x) < P))
    throw new InputError(file, ['dataset.salt is malformed']);
  return m;
}
/** An artifact of another version. Exit code 5. */
export class VersionError extends Error {
  constructor(file: string, v: unknown) {
    super(`${file}: version ${String(v)} is not supported by this release`);
    this.name = 'VersionError';
  }
}

const saltOf = (m: Manifest): bigint[] => m.dataset.salt.map(BigInt);

export function commit(run: string, o: Common): Setup {
  const config = readRun(run),
    file = join(out(run), 'manifest.json');
  const salt = existsSync(file)
    ? saltOf(readManifest(run))
    : Array.from({ length: 4 }, () => BigInt(`0x${randomBytes(7).toString('hex')}`));
  const s = setup(config, salt);
  mkdirSync(out(run), { recursive: true });
  writeAtomic(file, manifestJson(s.manifest));
  for (const d of s.data.dropped.slice(0, 20)) process.stderr.write(`dropped ${d.file} line ${d.row}: ${d.reason}\n`);
  print(
    o,
    { manifest: file, root: s.manifest.dataset.root, examples: s.data.examples.length, dropped: s.data.dropped.length },
    `${s.data.examples.length} examples committed (${s.data.dropped.length} dropped), manifest ${file}`,
  );
  return s;
}

/** The setup of a committed run: refuses when run.yaml, base or data no longer match the manifest. */
function committed(run: string): Setup {
  const m = readManifest(run),
    s = setup(readRun(run), saltOf(m));
  const differs = difference(s.manifest, m);
  if (differs.length)
    throw new InputError(
      join(out(run), 'manifest.json'),
      [`does not match run.yaml, base or data: ${differs.join(', ')}`],
      'run certune commit again in a fresh out folder',
    );
  return s;
}
/** Paths at which two manifests differ. */
function difference(a: unknown, b: unknown, path = ''): string[] {
  if (a && b && typeof a === 'object' && typeof b === 'object')
    return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((k) =>
      difference((a as Record<string, unknown>)[k], (b as Record<string, unknown>)[k], path ? `${path}.${k}` : k),
    );
  return a === b ? [] : [path];
}

export async function train(run: string, o: ProverOptions): Promise<void> {
  const s = committed(run),
    k = await kernels(o),
    bar = new Progress(o.json === true),
    losses: number[] = [];
  let state = s.initial;
  writeState(out(run), 0, state);
  try {
    for (let step = 0; step < s.config.train.steps; step++) {
      const r = runStep(k, s, step, state),
        loss = meanLoss(s, step, r.loss);
      state = r.after;
      if (!Number.isFinite(loss)) throw new Error(`loss of step ${step} is not finite`);
      losses.push(loss);
      writeState(out(run), step + 1, state);
      bar.update(`train, loss ${loss.toFixed(4)}`, step + 1, s.config.train.steps);
    }
  } finally {
    k.close();
  }
  release(run, s, state.C);
  print(
    o,
    { losses },
    `trained ${losses.length} steps, loss ${losses[0].toFixed(4)} -> ${losses[losses.length - 1].toFixed(4)}; adapter in ${join(out(run), 'adapter')}`,
  );
}

function release(run: string, s: Setup, C: BigInt64Array): void {
  const members = new Map([...unflattenGroup(s.program, 'cIn', 'C', C)].map(([n, v]) => [n.slice(2), v]));
  const c = s.config,
    card = `---\nbase_model: ${c.base.revision ?? s.base.digest}\nlibrary_name: peft\n---\n\n# LoRA adapter trained with Certune\n\nBase ${s.base.digest}; ${c.train.steps} steps of ${c.train.batch} sequences; dataset root ${s.manifest.dataset.root.join(' ')}. Sources and licences are declared, not proved.\n`;
  writeAdapter(
    join(out(run), 'adapter'),
    s.base.shape,
    {
      r: c.lora.r,
      alpha: c.lora.alpha,
      targets: c.lora.targets,
      rslora: c.lora.scaling === 'rslora',
      base: s.base.digest,
      revision: c.base.revision,
    },
    members,
    card,
  );
}

export async function prove(run: string, o: ProverOptions): Promise<void> {
  const s = committed(run),
    k = await kernels(o),
    bar = new Progress(o.json === true),
    steps = s.config.train.steps;
  const t0 = performance.now();
  let made = 0,
    size = 0;
  try {
    const fz = frozenOf(k, s),
      m = k.mark();
    for (let step = 0; step < steps; step++) {
      if (!hasProof(out(run), step)) {
        const state = readState(out(run), step, s.program.axes['P']);
        if (!state) throw new InputError(join(out(run), 'journal'), [`state before step ${step} is missing`], 'run certune train');
        const before = step ? readProof(out(run), step - 1).parts : [];
        const p = proveStep(k, s, step, state, fz.digest, before[before.length - 1]?.roots, (phase) =>
          bar.update(`prove step ${step}: ${phase}`, step, steps),
        ).proof;
        k.release(m);
        writeProof(out(run), p);
        made++;
      }
      size += readProof(out(run), step).parts.reduce((n, x) => n + x.proof.length * 8, 0);
      bar.update('proved', step + 1, steps);
    }
    const proofs = Array.from({ length: steps }, (_, i) => readProof(out(run), i));
    writeMerge(
      out(run),
      mergeRun(k, s, proofs, fz, (i) => bar.update('merge: check', i + 1, steps)),
    );
  } finally {
    k.close();
  }
  print(
    o,
    { steps, proved: made, bytes: size, seconds: (performance.now() - t0) / 1000, peakBytes: k.peakBytes },
    `proved ${made} of ${steps} steps (${steps - made} found finished), ${(size / 1000).toFixed(0)} kB, ${((performance.now() - t0) / 1000).toFixed(1)} s, kernel memory peak ${(k.peakBytes / 2 ** 20).toFixed(0)} MiB`,
  );
}

export interface VerifyOptions extends Common {
  readonly base?: string;
  readonly adapter?: string;
  readonly data?: string[];
}

export function verify(run: string, o: VerifyOptions): void {
  const m = readManifest(run),
    local = existsSync(join(run, 'run.yaml')) ? readRun(run) : undefined;
  const base = o.base ?? local?.base.path,
    data = o.data ?? local?.data.map((d) => d.path);
  if (base === undefined || data === undefined)
    throw new InputError(run, ['base and data are needed at this stage'], 'give --base and --data');
  if (data.length !== m.config.data.length)
    throw new InputError('--data', [`${data.length} files given, the manifest has ${m.config.data.length}`]);
  const config: RunConfig = {
    ...m.config,
    base: { ...m.config.base, path: base },
    data: m.config.data.map((d, i) => ({ ...d, path: data[i] })),
    lora: { ...m.config.lora, from: local?.lora.from ?? null },
  };
  const s = setup(config, saltOf(m)),
    differs = difference(s.manifest, m);
  if (differs.length) throw new VerificationError('manifest', `differs from what base and data give: ${differs.join(', ')}`);
  const adapterDir = o.adapter ?? join(out(run), 'adapter'),
    a = readAdapter(adapterDir, s.base.shape);
  const differsIn = difference(
    adapterConfig({
      r: config.lora.r,
      alpha: config.lora.alpha,
      targets: config.lora.targets,
      rslora: config.lora.scaling === 'rslora',
      base: s.base.digest,
      revision: config.base.revision,
    }),
    a.config,
  );
  if (differsIn.length) throw new VerificationError('released adapter', `adapter_config.json differs in ${differsIn.join(', ')}`);
  const members = new Map(
    [...a.members].map(([n, v]) => [
      `C.${n}`,
      BigInt64Array.from(v, (x) => {
        const c = x * 2 ** ADAMW.C.frac;
        if (!Number.isInteger(c)) throw new VerificationError('released adapter', `${n} holds a value that is no multiple of 2^-20`);
        return BigInt(c);
      }),
    ]),
  );
  const proofs: StepProof[] = Array.from({ length: config.train.steps }, (_, i) => readProof(out(run), i));
  const k = Kernels.single(),
    bar = new Progress(o.json === true);
  const r = verifyRun(k, s, { steps: proofs, merge: readMerge(out(run)) }, flattenGroup(s.program, 'cIn', 'C', members), (i) =>
    bar.update('verified', i + 1, config.train.steps),
  );
  print(
    o,
    { verified: true, ...r, order: config.sampler.beacon === '' ? 'chosen by the prover' : 'beacon declared' },
    `verified: ${r.steps} steps, loss ${r.losses[0].toFixed(4)} -> ${r.losses[r.losses.length - 1].toFixed(4)}\n  proofs ${(r.proofMs / r.steps).toFixed(0)} ms a step; base, tables and adapter recomputed in ${r.linearMs.toFixed(0)} ms${config.sampler.beacon === '' ? '\n  order of data: chosen by the prover (no beacon)' : ''}`,
  );
}

export function inspect(run: string, o: Common): void {
  const m = readManifest(run),
    c = m.config;
  const claims = [
    ['every step (forward, cross-entropy, backward, clipping, AdamW) in exact integers', 'proved'],
    ['base weights by digest', 'proved against the base that the verifier holds'],
    ['batches follow from sampler and data', 'checked by the verifier, who holds the data'],
    ['initial adapter, schedule, step counter, loss mask', 'recomputed by the verifier'],
    ['order of data', c.sampler.beacon === '' ? 'chosen by the prover: no beacon' : 'beacon declared, its time is not checked'],
    ['licences, sources, languages', 'declared'],
    ['data and losses', 'not hidden at this stage'],
    ['one proof per step', 'not aggregated at this stage'],
  ];
  const s = existsSync(join(run, 'run.yaml')) ? setup(readRun(run), saltOf(m)) : undefined;
  const l = s && runLedger({ plan: s.plan, update: s.update, steps: c.train.steps, micros: Math.ceil(c.train.batch / c.train.microBatch) }),
    ledger = l?.terms ?? [];
  print(
    o,
    { manifest: m, claims: claims.map(([what, status]) => ({ what, status })), ledger },
    [
      `base ${m.base.digest}`,
      `dataset root ${m.dataset.root.join(' ')}, ${m.dataset.examples} examples`,
      `LoRA rank ${c.lora.r}, alpha ${c.lora.alpha}, ${c.lora.targets.join(', ')}`,
      `${c.train.steps} steps, batch ${c.train.batch}, sequence ${c.train.sequence}, ${c.train.schedule} ${c.train.learningRate}`,
      '',
      ...claims.map(([w, st]) => `${w}: ${st}`),
      '',
      ...ledger.map((t) => `${t.bits.toFixed(1).padStart(6)} bits  ${t.kind.padEnd(10)} ${t.proof}: ${t.name}`),
      ...(l
        ? [
            `${l.roundByRound.toFixed(1).padStart(6)} bits  total, round by round; ${l.union.toFixed(1)} as the sum over all rounds and proofs`,
          ]
        : []),
    ].join('\n'),
  );
}
