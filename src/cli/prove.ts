import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../io/atomic.js';
import { calibrate } from '../estimate/calibrate.js';
import { proveStep } from '../prove/step.js';
import { foldSeconds } from '../estimate/fold.js';
import { dropProofs, sweep } from '../store/journal.js';
import { epochBatches } from '../run/facts.js';
import { difference } from '../run/manifest.js';
import { PACK_NAME } from '../artifact/pack.js';
import type { StepProof } from '../run/parts.js';
import { type AnyProof, manifestOf, readProofFile, writeFolded, writeNode } from '../store/proof.js';
import { type NodeFile, samePlace } from '../artifact/folded.js';
import { dropNodes, nodeFile, keptIn } from '../store/nodes.js';
import { type Recursion, endOf, proveRange } from '../prove/range.js';
import { circuitsOf } from '../recursion/circuits.js';
import { recursionOf } from '../prove/recursion.js';
import { InputError, VersionError } from '../errors.js';
import { type Context, type ProverOptions, type Result, bytesText, committed, kernels, out, parseWorkers, secondsText } from './common.js';
import { UsageError } from './errors.js';
import { predicted, requireDisk, requireFoldMemory, requireMemory } from './estimate.js';
import { type Work, fractions, frozenDigestOf, provePack, stateBefore } from './prove-pack.js';
import { StateTrees } from '../tensor/state-trees.js';
import { plain } from './escape.js';
import { findManifest, locked, restoreManifest } from './kept.js';

export interface ProveOptions extends ProverOptions {
  /** False: step proofs packed into one file, not folded. */ readonly fold?: boolean;
  /** "a..b": only the steps a to b - 1. */ readonly steps?: string;
}

export const packFile = (run: string): string => join(out(run), 'proof', PACK_NAME);
/** Where the proof of a range goes. */
export const rangeFile = (run: string, from: number, to: number): string => join(out(run), 'proof', `steps-${from}-${to}.certune`);

/** Range of --steps a..b, b excluded. Throws UsageError. */
export function parseSteps(text: string, steps: number): { from: number; to: number } {
  const m = /^(\d{1,8})\.\.(\d{1,8})$/.exec(text),
    [from, to] = [Number(m?.[1]), Number(m?.[2])];
  if (!m || from >= to || to > steps)
    throw new UsageError(`--steps: "${text}" is no range a..b with 0 <= a < b <= ${steps}: it means the steps a to b - 1`);
  return { from, to };
}

/**
 * Proves a run: each step is proven, put into a leaf and folded with what lies beside it, so that the disk holds no more than the tree is deep; the end is one file. Finished work is found
 * again after an interruption; the result does not depend on where that was.
 */
export async function prove(run: string, o: ProveOptions, c: Context): Promise<Result> {
  if (o.fold === false && o.steps !== undefined)
    throw new UsageError('--steps makes a range that can be folded: it does not go with --no-fold');
  const found = findManifest(run);
  return locked(run, 'prove', c, () => {
    restoreManifest(run, found, c);
    return proveNow(run, o, c);
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
      if (!range) dropNodes(dir);
      const what = range ? `steps ${range.from} to ${range.to - 1}` : `all ${steps} steps`;
      return {
        data: { steps, proved: 0, file, kind: p.kind },
        text: plain(`${what} are proved already: ${file}${p.kind === 'folded' && o.fold === false ? ' (folded)' : ''}`),
      };
    }
  }
  if (o.fold === false) return provePack(w, o, c);
  if (s.config.proof.hash !== 'poseidon2' && !range) {
    c.progress.line('proof.hash is blake3, which no circuit verifies: the step proofs are packed, not folded');
    return provePack(w, o, c);
  }
  return proveFolded(run, w, range, packed, o, c);
}

async function proveFolded(
  run: string,
  w: Work,
  range: { from: number; to: number } | undefined,
  packed: readonly StepProof[] | undefined,
  o: ProveOptions,
  c: Context,
): Promise<Result> {
  const { s, digest: _, dir, file } = w,
    t0 = performance.now(),
    { from, to } = range ?? { from: 0, to: s.config.train.steps };
  requireMemory(s, o, parseWorkers(o.workers));
  const k = await kernels(o);
  try {
    const mark = k.mark();
    c.progress.line('circuits of the verifier and their keys');
    const circuits = circuitsOf(k, s.run),
      losses = Array.from({ length: to }, (_, t) => (t < from || !packed ? stateBefore(w, t + 1).losses : lossesOf(packed[t])));
    requireFoldMemory(s.run, circuits.cls, o, k.threads);
    const parts = (t: number): number => s.inputs.data.batches[t].micro.length + (s.run.programs.update ? 1 : 0);
    let phase: (name: string) => void = () => {};
    const r: Recursion = recursionOf(k, s.run, s.inputs, circuits, losses, (t) => stateBefore(w, t).state, {
      onPhase: (name) => phase(name),
    });
    const leaves = r.leaves(from, to).length,
      of = to - from + 2 * leaves - 1 + (range ? 0 : 1),
      made = { step: 0, leaf: 0, fold: 0, end: 0 };
    // Progress counts proofs, each weighing what the estimate says.
    const units = calibrate(k),
      prediction = predicted(s, units),
      each = { step: prediction.stepSeconds, ...foldSeconds(circuits.cls, units) },
      secondsOf = (n: { step: number; leaf: number; fold: number; end: number }): number =>
        n.step * each.step + n.leaf * each.leaf + n.fold * each.fold + n.end * each.end,
      all = secondsOf({ step: to - from, leaf: leaves, fold: leaves - 1, end: range ? 0 : 1 });
    let done = 0;
    const show = (text: string, more = 0): void => c.progress.update(text, (of * (done + more)) / all, of),
      start = (): void => c.progress.start((of * done) / all, all / of);
    start();
    requireDisk(dir, (2 * (prediction.diskBytes - prediction.journalBytes)) / s.config.train.steps);
    const frozen = frozenDigestOf(k, s),
      trees = new StateTrees();
    const begin = (what: keyof typeof made, text: string): void => {
      phase = (name) => show(`${what === 'step' ? 'prove' : what} ${text}: ${name}`);
      phase('begins');
    };
    const end = (what: keyof typeof made): void => {
      made[what]++;
      done += each[what];
      k.release(mark);
    };
    const node = proveRange({
      keep: keptIn(dir, packed),
      recursion: r,
      from,
      to,
      perEpoch: epochBatches(s.run.manifest),
      targets: (t) => s.inputs.data.batches[t].targets,
      step: (t) => {
        const { state } = stateBefore(w, t);
        const at = fractions(prediction, parts(t));
        return proveStep(k, s.run, s.inputs, t, state, frozen, (p) => show(`prove step ${t}: ${p}`, each.step * at(p)), trees).proof;
      },
      watch: {
        begin,
        done: end,
        found: (steps, leafs) => {
          done += secondsOf({ step: steps, leaf: leafs, fold: leafs - 1, end: 0 });
          start();
        },
        again: (e) => c.progress.line(`${e.message}: this part is proved again`),
      },
    });
    const size = finish(run, w, r, node, range, () => begin('end', 'of the run'));
    c.progress.update('folded', of, of);
    const seconds = (performance.now() - t0) / 1000,
      what = range ? `steps ${from} to ${to - 1}` : `all ${to} steps`,
      found =
        made.step < to - from || made.leaf < leaves
          ? `; ${made.step} steps, ${made.leaf} leaves and ${made.fold} folds were made now, the rest was found finished`
          : '';
    return {
      data: {
        steps: to - from,
        proved: made.step,
        leaves: made.leaf,
        folds: made.fold,
        file,
        bytes: size,
        key: r.keyDigest,
        circuitSeconds: circuits.seconds,
        seconds,
        peakBytes: k.peakBytes + k.far.peakBytes,
        residentBytes: 1024 * process.resourceUsage().maxRSS,
      },
      text: plain(
        `proved ${what} in ${secondsText(seconds)}: ${file}, ${bytesText(size)} (${leaves} leaves, ${leaves - 1} folds${found}); kernel memory peak ${bytesText(k.peakBytes + k.far.peakBytes)}`,
      ),
    };
  } finally {
    k.close();
  }
}

/** Losses of a step's micro-batches. */
const lossesOf = (p: StepProof): bigint[] => p.parts.filter((x) => x.kind !== 'update').map((x) => x.loss);

/** Writes the file of a range, or the end of the run, and removes what lay beside it. */
function finish(
  run: string,
  w: Work,
  r: Recursion,
  node: NodeFile,
  range: { from: number; to: number } | undefined,
  begin: () => void,
): number {
  const dir = out(run);
  let size: number;
  if (range) {
    size = writeNode(w.file, node);
    rmSync(nodeFile(dir, node.from, node.to), { force: true });
  } else {
    begin();
    size = writeFolded(w.file, endOf(r, node));
    dropNodes(dir);
    dropProofs(dir);
  }
  return size;
}

/** Whether a node covers a whole run. */
export const wholeRun = (n: NodeFile): boolean =>
  samePlace(n.from, { step: 0, part: 0 }) && samePlace(n.to, { step: n.manifest.config.train.steps, part: 0 });
