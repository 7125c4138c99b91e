import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../io/atomic.js';
import { dropProofs, sweep } from '../store/journal.js';
import { difference } from '../run/manifest.js';
import type { StepProof } from '../run/parts.js';
import { type AnyProof, manifestOf, readProofFile } from '../store/proof.js';
import { dropNodes } from '../store/nodes.js';
import { InputError, VersionError } from '../errors.js';
import { type Context, type ProverOptions, type Result, out } from './common.js';
import { committed } from './committed.js';
import { parseDevice } from './device.js';
import { UsageError } from './errors.js';
import { type Work, requireTrained } from './course.js';
import { proveFolded } from './prove-folded.js';
import { parseProcesses, proveProcesses } from './prove-processes.js';
import { provePack } from './prove-pack.js';
import { plain } from '../io/escape.js';
import { LEAVES, STAYS, markPrivate } from './private.js';
import { findManifest, locked, packFile, rangeFile, restoreManifest } from './kept.js';

export interface ProveOptions extends ProverOptions {
  /** False: step proofs packed into one file, not folded. */ readonly fold?: boolean;
  /** "a..b": only the steps a to b - 1. */ readonly steps?: string;
  /** Processes that prove beside each other. */ readonly processes?: string;
  /** cpu, gpu or auto: where proofs of steps are made. */ readonly device?: string;
}

/** What a prover in the private mode is told. */
const PRIVATE =
  'private mode: secret/, out/journal and out/proof stay with you (out/PRIVATE.txt says why): run.certune hides nothing of its witness, and whoever has candidates for the rows can test them against its words. certune certify makes the certificate, whose proof adds nothing to what it says: publish that';

/** Range of --steps a..b, b excluded. Throws UsageError. */
export function parseSteps(text: string, steps: number): { from: number; to: number } {
  const m = /^(\d{1,8})\.\.(\d{1,8})$/.exec(text),
    [from, to] = [Number(m?.[1]), Number(m?.[2])];
  if (!m || from >= to || to > steps)
    throw new UsageError(`--steps: "${text}" is no range a..b with 0 <= a < b <= ${steps}: it means the steps a to b - 1`);
  return { from, to };
}

/**
 * Proves a run: each step is proven, put into a leaf and folded with what lies beside it, so that the disk holds no
 * more than the tree is deep; the end is one file. Finished work is found
 * again after an interruption; the result does not depend on where that was.
 */
export async function prove(run: string, o: ProveOptions, c: Context): Promise<Result> {
  if (o.fold === false && o.steps !== undefined)
    throw new UsageError('--steps makes a range that can be folded: it does not go with --no-fold');
  if (o.processes !== undefined && (o.fold === false || o.steps !== undefined))
    throw new UsageError('--processes proves whole runs and folds them: it goes with neither --steps nor --no-fold');
  const device = parseDevice(o.device);
  if (o.processes !== undefined && device !== 'cpu')
    throw new UsageError('--processes proves on the CPU: it goes with --device cpu only (CERTUNE_DEVICE too)');
  const found = findManifest(run);
  return locked(run, 'prove', c, async () => {
    restoreManifest(run, found, c);
    const { data, text } = await proveNow(run, o, c);
    return found.manifest.config.sampler.mode === 'private'
      ? { data: { ...data, private: { stays: STAYS, leaves: LEAVES } }, text }
      : { data, text };
  });
}

/** A proof file that is there: undefined where it is damaged, which is said. Throws VersionError with the way out. */
function proofThere(file: string, c: Context): AnyProof | undefined {
  try {
    const p = readProofFile(file);
    // The parts of a pack are read when they are asked for: whether they are whole is to be known now.
    if (p.kind === 'pack') for (const s of p.pack.run.steps) for (const part of s.parts) void part.proof.length;
    if (p.kind === 'pack') void p.pack.run.merge.length;
    return p;
  } catch (e) {
    if (e instanceof VersionError)
      throw new VersionError(e.file, e.version, e.supported, 'delete it to prove this again, or use the release of Certune that wrote it');
    if (!(e instanceof InputError)) throw e;
    c.progress.line(`${e.file}: ${e.problems.join('; ')}: it is proved again`);
    return undefined;
  }
}

async function proveNow(run: string, o: ProveOptions, c: Context): Promise<Result> {
  const { s, digest } = committed(run),
    dir = out(run),
    { steps } = s.config.train,
    range = o.steps === undefined ? undefined : parseSteps(o.steps, steps),
    file = range ? rangeFile(run, range.from, range.to) : packFile(run),
    w: Work = { s, digest, dir, file };
  makeFolder(join(dir, 'proof'));
  sweep(dir);
  if (s.config.sampler.mode === 'private') {
    markPrivate(run);
    c.progress.line(PRIVATE);
  }
  let packed: readonly StepProof[] | undefined;
  const p = existsSync(file) ? proofThere(file, c) : undefined;
  if (p) {
    if (difference(manifestOf(p), s.run.manifest).length)
      throw new InputError(
        file,
        ['is the proof of another manifest'],
        'delete the proof folder to start over, or restore run.yaml and the data',
      );
    // A pack of step proofs is what folding begins with.
    if (p.kind === 'pack' && o.fold !== false && s.config.proof.hash === 'poseidon2') packed = p.pack.run.steps;
    else {
      dropProofs(dir);
      if (!range) dropNodes(dir, steps);
      const what = range ? `steps ${range.from} to ${range.to - 1}` : `all ${steps} steps`;
      return {
        data: { steps, proved: 0, file, kind: p.kind },
        text: plain(`${what} are proved already: ${file}${p.kind === 'folded' && o.fold === false ? ' (folded)' : ''}`),
      };
    }
  }
  if (!range && !packed) requireTrained(w);
  if (o.fold === false) return provePack(w, o, c);
  if (s.config.proof.hash !== 'poseidon2' && !range) {
    c.progress.line('proof.hash is blake3, which no circuit verifies: the step proofs are packed, not folded');
    return provePack(w, o, c);
  }
  if (o.processes !== undefined) {
    if (packed) throw new UsageError(`${file} holds step proofs: fold them without --processes`);
    return proveProcesses(run, w, parseProcesses(o.processes), o, c);
  }
  return proveFolded(w, range, packed, o, c);
}
