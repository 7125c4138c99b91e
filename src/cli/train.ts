import { join } from 'node:path';
import { meanLoss } from '../run/commitments.js';
import { runStep } from '../prove/step.js';
import { type Entry, orTorn, readState, sweep, writeState } from '../store/journal.js';
import { writeAdapter } from '../io/peft.js';
import { OverflowError } from '../tensor/integer.js';
import { type Context, type ProverOptions, type Result, committed, kernels, out } from './common.js';
import { requireDisk } from './estimate.js';
import { TrainingStoppedError } from './errors.js';
import { plain } from './escape.js';
import { cardOf, membersOf, metaOf } from './files.js';
import type { Setup } from '../setup/run.js';
import { findManifest, locked, restoreManifest } from './kept.js';

/** Trains in exact integers. The journal holds the state before every step: after an interruption training goes on where it stood. */
export async function train(run: string, o: ProverOptions, c: Context): Promise<Result> {
  const found = findManifest(run);
  return locked(run, 'train', c, () => {
    restoreManifest(run, found, c);
    return trainNow(run, o, c);
  });
}

async function trainNow(run: string, o: ProverOptions, c: Context): Promise<Result> {
  const { s, digest } = committed(run),
    dir = out(run),
    steps = s.config.train.steps,
    n = s.run.programs.program.axes['P'];
  sweep(dir);
  const losses: number[] = [],
    at = (step: number): Entry | undefined =>
      orTorn(
        () => readState(dir, digest, step, n),
        (e) => c.progress.line(`${e.message}: this step is trained again`),
      );
  let now: Entry = { state: s.inputs.initial, losses: [] },
    step = 0;
  const first = at(0);
  if (!first) writeState(dir, digest, 0, now);
  else
    for (; step < steps; step++) {
      const next = at(step + 1);
      if (!next) break;
      now = next;
      losses.push(meanLoss(s.run.programs, s.inputs.data.batches[step].targets, sumOf(next.losses)));
    }
  requireDisk(dir, (steps - step) * (32 * n + 300));
  const found = step,
    k = await kernels(o);
  c.progress.start(found);
  try {
    for (; step < steps; step++) {
      const r = attempt(step, () => runStep(k, s.run, s.inputs, step, now.state)),
        loss = meanLoss(s.run.programs, s.inputs.data.batches[step].targets, sumOf(r.losses));
      if (!Number.isFinite(loss)) throw new TrainingStoppedError(step, `step ${step}: the loss is ${loss}, not a finite number`);
      now = { state: r.after, losses: r.losses };
      losses.push(loss);
      writeState(dir, digest, step + 1, now);
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
