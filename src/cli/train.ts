import { join } from 'node:path';
import { meanLoss } from '../run/commitments.js';
import { type Entered, type Passage, enteredAt, firstEntered } from '../prove/entered.js';
import { policyWitness } from '../prove/recursion.js';
import { runStep } from '../prove/step.js';
import { type Checkpoint, checkpoints, readCheckpoint, writeCheckpoint } from '../store/checkpoint.js';
import { type Entry, orTorn, readState, sweep, writeState } from '../store/journal.js';
import { writeAdapter } from '../io/peft.js';
import { OverflowError } from '../tensor/integer.js';
import { type Context, type ProverOptions, type Result, kernels, out } from './common.js';
import { committed } from './committed.js';
import { requireDisk } from './estimate.js';
import { TrainingStoppedError, UsageError } from './errors.js';
import { plain } from '../io/escape.js';
import { metaOf } from '../verify/released.js';
import { cardOf, membersOf } from './files.js';
import type { Setup } from '../setup/run.js';
import { findManifest, locked, restoreManifest } from './kept.js';

export interface TrainOptions extends ProverOptions {
  /**
   * States of every so many steps are kept, and of the last one; the steps between are trained again where they are
   * proved.
   */
  readonly keepEvery?: string;
}

/** Where every state is kept, a checkpoint stands every so many steps. */
const CHECKPOINT_EVERY = 16;

/** Steps of --keep-every. Throws UsageError. */
function parseEvery(text: string): number {
  if (!/^\d{1,6}$/.test(text) || Number(text) < 1) throw new UsageError(`--keep-every: "${text}" is no number of steps`);
  return Number(text);
}

/**
 * Trains in exact integers. The journal holds the state before every step, or checkpoints: after an interruption
 * training goes on where it stood.
 */
export async function train(run: string, o: TrainOptions, c: Context): Promise<Result> {
  const every = o.keepEvery === undefined ? undefined : parseEvery(o.keepEvery),
    found = findManifest(run);
  return locked(run, 'train', c, () => {
    restoreManifest(run, found, c);
    return trainNow(run, every, o, c);
  });
}

async function trainNow(run: string, asked: number | undefined, o: ProverOptions, c: Context): Promise<Result> {
  const { s, digest } = committed(run),
    dir = out(run),
    steps = s.config.train.steps;
  sweep(dir);
  const keeper = new Keeper(s, digest, dir, asked, c),
    { passed, now: began } = keeper.resume();
  let now = began;
  requireDisk(dir, Math.ceil((steps - passed.length) / keeper.every) * (32 * keeper.parameters + 300));
  const found = passed.length,
    losses = passed.map((x, step) => mean(s, step, x)),
    k = await kernels(o);
  c.progress.start(found);
  try {
    for (let step = found; step < steps; step++) {
      const r = attempt(step, () => runStep(k, s.run, s.inputs, step, now.state)),
        loss = mean(s, step, r.losses);
      if (!Number.isFinite(loss)) throw new TrainingStoppedError(step, `step ${step}: the loss is ${loss}, not a finite number`);
      now = { state: r.after, losses: r.losses };
      losses.push(loss);
      keeper.trained(step + 1, now);
      c.progress.update(`train, loss ${loss.toFixed(4)}`, step + 1, steps);
    }
  } finally {
    k.close();
  }
  release(run, s, now.state.C);
  const adapter = join(dir, 'adapter');
  return {
    data: { losses, found, adapter },
    text: plain(
      `trained ${steps} steps${found ? ` (${found} found in the journal)` : ''}, loss ${losses[0].toFixed(4)} -> ${losses[steps - 1].toFixed(4)}; adapter in ${adapter}`,
    ),
  };
}

const mean = (s: Setup, step: number, losses: readonly bigint[]): number =>
  meanLoss(s.run.programs, s.inputs.data.batches[step].targets, sumOf(losses));

/** Writes what a journal keeps of training: states, and checkpoints. */
class Keeper {
  /** Of so many steps one has its state kept. */
  readonly every: number;
  readonly parameters: number;
  /** Losses of the steps since `#entered`. */
  #since: (readonly bigint[])[] = [];
  /** What is entered at the last checkpoint. */
  #entered: Entered | undefined;
  #passage: Passage | undefined;

  constructor(
    readonly s: Setup,
    readonly digest: string,
    readonly dir: string,
    asked: number | undefined,
    readonly c: Context,
  ) {
    this.parameters = s.run.programs.program.axes['P'];
    this.every = asked ?? this.#checkpoint(checkpoints(dir)[0] ?? -1)?.every ?? 1;
  }
  #checkpoint(step: number): Checkpoint | undefined {
    return step < 0 ? undefined : this.#orTorn(() => readCheckpoint(this.dir, this.digest, step), 'is passed over');
  }
  #state(step: number): Entry | undefined {
    return this.#orTorn(() => readState(this.dir, this.digest, step, this.parameters), 'this step is trained again');
  }
  #orTorn<T>(read: () => T, what: string): T | undefined {
    return orTorn(read, (e) => this.c.progress.line(`${e.message}: ${what}`));
  }

  /** The last state that training can go on from, and the losses of every step before it. */
  resume(): { readonly now: Entry; readonly passed: readonly (readonly bigint[])[] } {
    const start: Entry = { state: this.s.inputs.initial, losses: [] },
      first = this.#state(0);
    if (!first) writeState(this.dir, this.digest, 0, start);
    const passed: (readonly bigint[])[] = [];
    let now = start;
    // Checkpoints say the losses of the steps before them.
    for (const at of this.every > 1 ? checkpoints(this.dir) : []) {
      const cp = this.#checkpoint(at),
        state = cp && cp.losses.length === at - passed.length ? this.#state(at) : undefined;
      if (!cp || !state) break;
      passed.push(...cp.losses);
      this.#passed(cp.entered);
      now = state;
    }
    const { steps } = this.s.config.train;
    for (let next: Entry | undefined; first && passed.length < steps; now = next) {
      next = this.#state(passed.length + 1);
      if (!next) break;
      passed.push(next.losses);
      this.#note(passed.length, next.losses);
    }
    if (this.every > 1 && !passed.length) this.#mark(0);
    return { now, passed };
  }

  /** Keeps what is to be kept of the state before a step. */
  trained(step: number, now: Entry): void {
    const last = step === this.s.config.train.steps;
    if (last || step % this.every === 0) writeState(this.dir, this.digest, step, now);
    this.#note(step, now.losses);
  }
  #note(step: number, losses: readonly bigint[]): void {
    this.#since.push(losses);
    const due = this.every > 1 ? step % this.every === 0 || step === this.s.config.train.steps : step % CHECKPOINT_EVERY === 0;
    if (!due) return;
    const there = this.#checkpoint(step);
    if (there) this.#passed(there.entered);
    else this.#mark(step);
  }
  #passed(entered: Entered): void {
    this.#entered = entered;
    this.#since = [];
  }

  /** Writes the checkpoint of a step. */
  #mark(step: number): void {
    // Proofs with BLAKE3 are not folded: nobody asks what a leaf enters.
    if (this.every === 1 && this.s.config.proof.hash !== 'poseidon2') return;
    this.#passage ??= { run: this.s.run, data: this.s.inputs.data, policy: policyWitness(this.s.run, this.s.inputs.data) };
    const from = this.#entered ?? firstEntered(this.#passage.policy),
      entered = enteredAt(this.#passage, (t) => this.#since[t - from.step], { step, part: 0 }, from);
    writeCheckpoint(this.dir, this.digest, { entered, every: this.every, losses: this.#since });
    this.#passed(entered);
  }
}

const sumOf = (losses: readonly bigint[]): bigint => losses.reduce((a, b) => a + b, 0n);

/** Names the step of an overflow; the journal up to it stays. */
function attempt<T>(step: number, f: () => T): T {
  try {
    return f();
  } catch (e) {
    if (!(e instanceof OverflowError)) throw e;
    throw Object.assign(e, {
      step,
      message: `${e.step === undefined ? `step ${step}: ` : ''}${e.message} (the journal keeps all steps before)`,
    });
  }
}

function release(run: string, s: Setup, C: BigInt64Array): void {
  writeAdapter(join(out(run), 'adapter'), s.model.shape, metaOf(s.run.manifest), membersOf(s.run.programs, C), cardOf(s));
}
