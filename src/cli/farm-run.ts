import { join } from 'node:path';
import { calibrate } from '../estimate/calibrate.js';
import { foldSeconds } from '../estimate/fold.js';
import type { Place } from '../artifact/folded.js';
import { RunAcceptor } from '../engine/acceptance.js';
import { Boundaries } from '../engine/boundaries.js';
import type { Acceptor, FarmEvent } from '../engine/coordinator.js';
import type { Job, JobKind } from '../engine/jobs.js';
import { RunInputs } from '../engine/run-inputs.js';
import { type Shape, shapeOf } from '../engine/shape.js';
import type { Store } from '../engine/store.js';
import { writeAtomic } from '../io/atomic.js';
import type { Kernels } from '../kernels/runtime.js';
import { Course } from '../prove/course.js';
import { rangeText } from '../prove/range.js';
import { jobInputs } from '../prove/recursion.js';
import { type Circuits, circuitsOf } from '../recursion/circuits.js';
import { dropProofs } from '../store/journal.js';
import { dropNodes, epochFile, nodeFile } from '../store/nodes.js';
import type { Context } from './common.js';
import { type Work, statesOf } from './course.js';
import { predicted } from './estimate.js';

/** Where a run's own farm keeps what is not finished, under its out folder. */
export const farmFolder = (out: string): string => join(out, 'proof', 'farm');

/** What a coordinator needs of a run. */
export interface FarmRun {
  readonly circuits: Circuits;
  readonly shape: Shape;
  readonly acceptor: Acceptor;
  /** What `acceptor` asks. */ readonly judge: RunAcceptor;
  readonly inputs: RunInputs;
  readonly nameOf: (j: Job) => string;
  readonly stepOf: (j: Job) => number;
  /** Seconds that a job takes on this machine, by the estimate. */ readonly secondsOf: (j: Job) => number;
}

/** A run as its coordinator sees it: jobs, what they begin from, and how results are judged. Takes seconds. */
export function farmOf(
  k: Kernels,
  w: Work,
  c: Context,
  store: Store,
  o: { readonly perSegment: number; readonly trained: () => number; readonly certify?: boolean },
): FarmRun {
  const { s, dir } = w,
    circuits = k.scope(() => circuitsOf(k, s.run)),
    inputs = jobInputs(s.run, s.inputs, circuits),
    shape = shapeOf(s.run, circuits.cls, circuits.digest, o.perSegment, o.certify),
    boundaries = new Boundaries(k, inputs, s.inputs, new Course(statesOf(k, w, c), inputs)),
    judge = new RunAcceptor(k, inputs, s.inputs, shape, boundaries),
    { places } = shape.plan,
    units = calibrate(k),
    step = predicted(s, units).stepSeconds,
    each = foldSeconds(circuits.cls, units);
  return {
    circuits,
    shape,
    judge,
    inputs: new RunInputs(store, shape, boundaries, o.trained),
    acceptor: {
      accept: (job, bytes) => {
        judge.accept(job, bytes);
        // Before its key is written: who goes on after a kill finds both or neither.
        if (job.kind === 'end' || job.kind === 'certify') return;
        const file = keptFile(dir, job, places);
        if (file !== undefined) writeAtomic(file, bytes);
      },
    },
    stepOf: (j) => places[j.from].step,
    nameOf: (j) => LAST[j.kind] ?? `${j.kind} of ${rangeText(places[j.from], places[j.to])}`,
    secondsOf: (j) => {
      if (j.kind !== 'segment') return j.kind === 'fold' ? each.fold : each.end;
      const leaves = j.to - j.from,
        steps = new Set(shape.plan.leaves.slice(j.from, j.to).flatMap((l) => l.steps)).size;
      return steps * step + leaves * each.leaf + (leaves - 1) * each.fold;
    },
  };
}

const LAST: Partial<Record<JobKind, string>> = { end: 'the end of the run', certify: 'the certificate of the run' };

/** Where the node of a job stays with its run: epochs, and the one over the whole run. */
function keptFile(dir: string, { node, from, to }: Job, places: readonly Place[]): string | undefined {
  if (node.epoch !== undefined) return epochFile(dir, node.epoch);
  return from === 0 && to === places.length - 1 ? nodeFile(dir, places[from], places[to]) : undefined;
}

/** Progress of a farm: every job weighs what the estimate says. */
export class FarmProgress {
  #done = 0;
  readonly #all: number;
  constructor(
    readonly c: Context,
    readonly run: FarmRun,
    workers: number,
  ) {
    this.#all = run.shape.jobs.reduce((n, j) => n + run.secondsOf(j), 0);
    c.progress.start(0, this.#all / Math.max(1, workers) / run.shape.jobs.length);
  }
  #at(): number {
    return (this.run.shape.jobs.length * this.#done) / this.#all;
  }
  hear(e: FarmEvent): void {
    const { c, run } = this,
      name = run.nameOf(e.job);
    if (e.what === 'found') {
      this.#done += run.secondsOf(e.job);
      c.progress.start(this.#at());
    } else if (e.what === 'done') {
      this.#done += run.secondsOf(e.job);
      this.phase(`${name} is done`);
    } else if (e.what === 'refused')
      c.progress.line(
        `a result of worker ${e.worker} does not hold (${name}): ${e.why}. The worker is suspended, the job is put again`,
        true,
      );
    else if (e.what === 'failed') c.progress.line(`${name} failed at worker ${e.worker}: ${e.failure.message}`);
    else if (e.what === 'poison') c.progress.line([`${name} is given up:`, e.failure.message, ...e.failure.lines].join('\n  '), true);
    else if (e.what === 'duplicate') c.progress.line(`${name} is put once more: its worker is slow`);
  }
  phase(text: string): void {
    this.c.progress.update(text, this.#at(), this.run.shape.jobs.length);
  }
  finish(): void {
    this.c.progress.update('folded', this.run.shape.jobs.length, this.run.shape.jobs.length);
  }
}

/** Writes the proof of the run, and removes what lay beside it while it was proved. */
export function finishRun({ s, dir, file }: Work, bytes: Uint8Array): void {
  writeAtomic(file, bytes);
  dropNodes(dir, s.config.train.steps);
  dropProofs(dir);
}

/**
 * The result of the run's job of a kind as a store has it from before, judged once more: it is what everybody else will
 * verify. Undefined where there is no such job.
 */
export async function judged(farm: FarmRun, store: Store, kind: JobKind): Promise<Uint8Array | undefined> {
  const job = farm.shape.jobs.find((j) => j.kind === kind),
    r = job && (await store.result(job.key));
  if (!r) return undefined;
  const bytes = await store.get(r.object);
  await farm.acceptor.accept(job, bytes);
  return bytes;
}
