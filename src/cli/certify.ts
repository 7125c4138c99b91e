import { existsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CERTIFICATE_NAME, type Certificate, decodeCertificate, encodeCertificate } from '../artifact/certificate.js';
import type { NodeFile } from '../artifact/folded.js';
import { InputError } from '../errors.js';
import { writeAtomic } from '../io/atomic.js';
import type { Kernels } from '../kernels/runtime.js';
import { proveCertificate } from '../prove/certificate.js';
import { baseStack, folding } from '../prove/recursion.js';
import { circuitsOf } from '../recursion/circuits.js';
import { type Run, checkedRun, epochBatches } from '../run/facts.js';
import type { Inputs } from '../run/inputs.js';
import { difference, manifestDigest } from '../run/manifest.js';
import { inputsOf } from '../setup/base.js';
import { readRun } from '../setup/runfile.js';
import { wholeNode } from '../store/nodes.js';
import { readProofFile } from '../store/proof.js';
import { singleKernels } from '../kernels/single.js';
import { checkFirst } from '../verify/first.js';
import { verifyRead } from '../verify/index.js';
import { type Context, type ProverOptions, type Result, bytesText, kernels, out, readManifest, secondsText } from './common.js';
import { UsageError } from './errors.js';
import { requireFoldMemory } from './estimate.js';
import { locked, rangeFile, wholeRun } from './kept.js';
import { plain } from '../io/escape.js';
import { shownText } from '../verify/shown.js';

export interface CertifyOptions extends ProverOptions {
  readonly base?: string;
  readonly output?: string;
}

/** What a certificate is made from. */
interface Source {
  readonly file: string;
  readonly node: NodeFile;
  readonly base: string;
  readonly from: string | undefined;
  /** Where it goes if nobody says. */ readonly output: string;
}

/** The node over a whole run. Throws InputError where a file holds something else. */
function nodeAt(file: string): NodeFile {
  const p = readProofFile(file);
  if (p.kind === 'node' && wholeRun(p.node)) return p.node;
  const what =
    p.kind === 'node'
      ? 'is a range: certune fold joins ranges'
      : p.kind === 'pack'
        ? 'is a pack of step proofs: certune prove folds it'
        : p.folded.hides
          ? 'is a certificate already'
          : 'is the end of a run, from which none is made';
  throw new InputError(file, [what], 'give the folder of a proved run, or the range of all of its steps');
}

/** The node that a run has kept, and what run.yaml names. Throws InputError where there is none, with the way out. */
function ofRun(run: string, o: CertifyOptions): Source {
  const m = readManifest(run),
    { steps } = m.config.train,
    dir = out(run),
    range = rangeFile(run, 0, steps),
    file = wholeNode(dir, steps, epochBatches(m)) ?? (existsSync(range) ? range : undefined);
  if (file === undefined)
    throw new InputError(
      join(dir, 'proof'),
      ['keeps no proof over all steps of the run, from which a certificate is made'],
      existsSync(join(dir, 'proof', 'run.certune'))
        ? 'remove run.certune and run certune prove: it goes on with the epochs that are there and keeps that proof'
        : 'run certune prove',
    );
  const node = nodeAt(file),
    differs = difference(m, node.manifest);
  if (differs.length)
    throw new InputError(file, [`is of another manifest than the run's: ${differs.join(', ')}`], 'remove it and run certune prove');
  const config = readRun(run);
  return { file, node, base: o.base ?? config.base.path, from: config.lora.from ?? undefined, output: join(dir, CERTIFICATE_NAME) };
}

function ofFile(file: string, o: CertifyOptions): Source {
  const node = nodeAt(file);
  if (o.base === undefined) throw new UsageError('the claim on the base is opened: give --base DIR');
  return { file, node, base: o.base, from: undefined, output: join(dirname(file), CERTIFICATE_NAME) };
}

/**
 * Makes the certificate of a run that is proved, with masks of its own: no two are alike. It is verified, from its own
 * bytes, before it is written.
 */
export async function certify(target: string, o: CertifyOptions, c: Context): Promise<Result> {
  if (!existsSync(target)) throw new InputError(target, ['does not exist'], 'give a run folder, or the range of all steps of a run');
  return statSync(target).isDirectory() ? locked(target, 'certify', c, () => make(ofRun(target, o), o, c)) : make(ofFile(target, o), o, c);
}

async function make(s: Source, o: CertifyOptions, c: Context): Promise<Result> {
  const t0 = performance.now(),
    { manifest } = s.node,
    file = o.output ?? s.output;
  if (resolve(file) === resolve(s.file)) throw new UsageError(`${file} is what the certificate is made from: give another file with -o`);
  // Whatever else the manifest makes one compute comes after it.
  checkFirst(singleKernels(), s.file, s.node);
  const run = checkedRun(s.file, manifest),
    inputs = inputsOf(run, { base: s.base, from: s.from });
  c.writes(dirname(resolve(file)));
  const k = await kernels(o);
  try {
    const { bytes, key, proofMs } = proved(k, run, s.node, inputs, o, c);
    writeAtomic(file, bytes);
    const seconds = (performance.now() - t0) / 1000,
      { steps } = manifest.config.train,
      { mode } = manifest.config.sampler;
    return {
      data: {
        steps,
        file,
        bytes: bytes.length,
        manifest: manifestDigest(manifest),
        key,
        mode,
        shown: manifest.config.show,
        seconds,
        proofMs,
      },
      text: [
        `certificate of ${steps} steps: ${file}, ${bytesText(bytes.length)}, made in ${secondsText(seconds)}, verified in ${proofMs.toFixed(0)} ms`,
        `  says: the manifest, which is in it; ${manifest.config.show.adapter === 'none' ? '' : 'digest, point and value of the adapter that is left; '}${shownText(manifest.config.show)}`,
        '  its proof adds nothing to that; the adapter, where it is released, tells of the data by itself',
      ]
        .map(plain)
        .join('\n'),
    };
  } finally {
    k.close();
  }
}

/** The certificate's bytes, read and verified again. */
function proved(
  k: Kernels,
  run: Run,
  node: NodeFile,
  inputs: Inputs,
  o: CertifyOptions,
  c: Context,
): { bytes: Uint8Array; key: string; proofMs: number } {
  c.progress.line('circuits of the verifier and their keys');
  const circuits = k.scope(() => circuitsOf(k, run)),
    { digest, keys } = circuits;
  requireFoldMemory(run, circuits.cls, o, k.threads);
  c.progress.start(0);
  const onPhase = (name: string): void => c.progress.update(name, 0, 1),
    base = baseStack(run.programs, inputs.base!);
  // What the node leaves to be shown is shown here, where its file is known.
  folding(k, run.manifest, circuits, base, { onPhase }).settle(node);
  const made: Certificate = proveCertificate(k, circuits, base, node, { onPhase }),
    bytes = encodeCertificate(made);
  c.progress.update('verify', 1, 1);
  const { check } = verifyRead(run, decodeCertificate('the certificate', bytes), {
    key: { key: keys.published },
    kernels: singleKernels(),
    ...inputs,
  });
  return { bytes, key: digest, proofMs: check.proofMs };
}
