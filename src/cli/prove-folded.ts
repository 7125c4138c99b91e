import { rmSync } from 'node:fs';
import { calibrate } from '../estimate/calibrate.js';
import { foldSeconds } from '../estimate/fold.js';
import type { Estimate } from '../estimate/steps.js';
import type { Kernels } from '../kernels/runtime.js';
import { Course } from '../prove/course.js';
import { type Recursion, type Watcher, endOf, proveRange } from '../prove/range.js';
import { jobInputs, recursionOf } from '../prove/recursion.js';
import { proveStep } from '../prove/step.js';
import { circuitsOf, type Circuits } from '../recursion/circuits.js';
import type { NodeFile } from '../artifact/folded.js';
import { epochBatches } from '../run/facts.js';
import type { StepProof } from '../run/parts.js';
import { dropProofs } from '../store/journal.js';
import { dropNodes, keptIn, nodeFile } from '../store/nodes.js';
import { writeFolded, writeNode } from '../store/proof.js';
import { StateTrees } from '../tensor/state-trees.js';
import { type Context, type ProverOptions, type Result, bytesText, kernels, parseWorkers, secondsText } from './common.js';
import { type Work, lossesOf, statesOf } from './course.js';
import { parseDevice, useDevice } from './device.js';
import { plain } from '../io/escape.js';
import { predicted, requireDisk, requireFoldMemory, requireMemory } from './estimate.js';
import { fractions } from './prove-pack.js';

/** Steps from .. to - 1. */
interface Steps {
  readonly from: number;
  readonly to: number;
}

/** Numbers of proofs of each kind. */
type Made = Record<'step' | 'leaf' | 'fold' | 'end', number>;

/** Progress of a range: it counts proofs, each weighing what the estimate says. */
class FoldProgress {
  readonly made: Made = { step: 0, leaf: 0, fold: 0, end: 0 };
  readonly #each: Made;
  readonly #all: number;
  readonly #of: number;
  #done = 0;
  #doing = '';

  constructor(
    readonly c: Context,
    readonly prediction: Estimate,
    folds: Pick<Made, 'leaf' | 'fold' | 'end'>,
    all: Made,
  ) {
    this.#each = { ...folds, step: prediction.stepSeconds };
    this.#of = all.step + all.leaf + all.fold + all.end;
    this.#all = this.#seconds(all);
    this.start();
  }
  #seconds(n: Made): number {
    const { step, leaf, fold, end } = this.#each;
    return n.step * step + n.leaf * leaf + n.fold * fold + n.end * end;
  }
  start(): void {
    this.c.progress.start((this.#of * this.#done) / this.#all, this.#all / this.#of);
  }
  /** A phase of what goes on; `part` of it is done. */
  phase(name: string, part = 0): void {
    const { step } = this.#each;
    this.c.progress.update(`${this.#doing}: ${name}`, (this.#of * (this.#done + step * part)) / this.#all, this.#of);
  }
  begin(what: keyof Made, text: string): void {
    this.#doing = `${what === 'step' ? 'prove' : what} ${text}`;
    this.phase('begins');
  }
  end(what: keyof Made): void {
    this.made[what]++;
    this.#done += this.#each[what];
  }
  found(steps: number, leaves: number): void {
    this.#done += this.#seconds({ step: steps, leaf: leaves, fold: leaves - 1, end: 0 });
    this.start();
  }
  finish(): void {
    this.c.progress.update('folded', this.#of, this.#of);
  }
}

/**
 * Proves a range, or the whole run where there is none, as one file. `packed` are step proofs that lie in the file
 * already.
 */
export async function proveFolded(
  w: Work,
  range: Steps | undefined,
  packed: readonly StepProof[] | undefined,
  o: ProverOptions & { readonly device?: string },
  c: Context,
): Promise<Result> {
  const t0 = performance.now(),
    { s } = w,
    steps = range ?? { from: 0, to: s.config.train.steps };
  requireMemory(s, o, parseWorkers(o.workers));
  const k = await kernels(o),
    used = await useDevice(k, parseDevice(o.device), s.config.proof.hash, c);
  try {
    c.progress.line('circuits of the verifier and their keys');
    const circuits = k.scope(() => circuitsOf(k, s.run));
    requireFoldMemory(s.run, circuits.cls, o, k.threads);
    let progress: FoldProgress | undefined;
    const inputs = jobInputs(s.run, s.inputs, circuits),
      r = recursionOf(k, inputs, { onPhase: (name) => progress?.phase(name) }),
      leaves = r.leaves(steps.from, steps.to).length;
    progress = progressOf(k, w, circuits, c, { step: steps.to - steps.from, leaf: leaves, fold: leaves - 1, end: range ? 0 : 1 });
    const course = new Course(statesOf(k, w, c, packed), inputs),
      node = proveSteps(k, w, steps, r, course, progress, inputs.base.digest, packed);
    if (!range) progress.begin('end', 'of the run');
    const bytes = finish(w, r, node, range);
    progress.finish();
    const { made } = progress,
      seconds = (performance.now() - t0) / 1000,
      what = range ? `steps ${steps.from} to ${steps.to - 1}` : `all ${steps.to} steps`,
      peakBytes = k.peakBytes + k.far.peakBytes,
      again = course.states.trained ? `; ${course.states.trained} steps were trained again from a checkpoint` : '',
      found =
        made.step < steps.to - steps.from || made.leaf < leaves
          ? `; ${made.step} steps, ${made.leaf} leaves and ${made.fold} folds were made now, the rest was found finished`
          : '';
    return {
      data: {
        steps: steps.to - steps.from,
        proved: made.step,
        leaves: made.leaf,
        folds: made.fold,
        trained: course.states.trained,
        file: w.file,
        bytes,
        key: r.keyDigest,
        circuitSeconds: circuits.seconds,
        seconds,
        ...used.data(),
        peakBytes,
        residentBytes: 1024 * process.resourceUsage().maxRSS,
      },
      text: plain(
        `proved ${what} in ${secondsText(seconds)}: ${w.file}, ${bytesText(bytes)} (${leaves} leaves, ${leaves - 1} folds${found}${again}); kernel memory peak ${bytesText(peakBytes)}`,
      ),
    };
  } finally {
    await used.close();
    k.close();
  }
}

function progressOf(k: Kernels, { s, dir }: Work, circuits: Circuits, c: Context, all: Made): FoldProgress {
  const units = calibrate(k),
    prediction = predicted(s, units),
    progress = new FoldProgress(c, prediction, foldSeconds(circuits.cls, units), all);
  requireDisk(dir, (2 * (prediction.diskBytes - prediction.journalBytes)) / s.config.train.steps);
  return progress;
}

/** The node of a range: found finished in parts, and the rest proved. */
function proveSteps(
  k: Kernels,
  { s, dir }: Work,
  { from, to }: Steps,
  recursion: Recursion,
  course: Course,
  progress: FoldProgress,
  frozen: readonly bigint[],
  packed?: readonly StepProof[],
): NodeFile {
  const trees = new StateTrees(),
    { states } = course;
  const step = (t: number): StepProof => {
    const at = fractions(progress.prediction, s.inputs.data.batches[t].micro.length + (s.run.programs.update ? 1 : 0)),
      { state } = states.before(t),
      { proof, after } = k.scope(() => proveStep(k, s.run, s.inputs, t, state, frozen, (p) => progress.phase(p, at(p)), trees));
    states.reached(t + 1, { state: after, losses: lossesOf(proof) });
    return proof;
  };
  const watch: Watcher = {
    begin: (what, text) => progress.begin(what, text),
    done: (what) => progress.end(what),
    found: (steps, leaves) => progress.found(steps, leaves),
    again: (e) => progress.c.progress.line(`${e.message}: this part is proved again`),
  };
  return proveRange({
    keep: keptIn(dir, packed),
    recursion,
    from,
    to,
    perEpoch: epochBatches(s.run.manifest),
    targets: (t) => s.inputs.data.batches[t].targets,
    step,
    start: (t) => course.start(t),
    watch,
  });
}

/** Writes the file of a range, or the end of the run, and removes what lay beside it. */
function finish({ dir, file }: Work, r: Recursion, node: NodeFile, range: Steps | undefined): number {
  if (range) {
    const size = writeNode(file, node);
    rmSync(nodeFile(dir, node.from, node.to), { force: true });
    return size;
  }
  const size = writeFolded(file, endOf(r, node));
  dropNodes(dir, node.to.step);
  dropProofs(dir);
  return size;
}
