/**
 * Processor time that a coordinator takes beside proving, one thread: segments of one step of a run of the examples'
 * base are proved as a farm's process proves them, and judged as a coordinator judges them, one of its own processes
 * and one of strangers.
 *
 *     npm run farm:overhead
 */
import { circuitsOf } from 'certune/recursion';
import { runStep, singleKernels } from 'certune';
import { Boundaries, type Job, JobProver, RunAcceptor, decodeCheckpoint, encodeCheckpoint, shapeOf } from 'certune/engine';
import { Course, type Journal, States, type Trained, jobInputs } from 'certune/prove';
import { exampleRun } from '../example-run.js';

const STEPS = 3;

/** Seconds of processor time of this process. */
function seconds<T>(f: () => T): [T, number] {
  const t = process.cpuUsage(),
    x = f(),
    { user, system } = process.cpuUsage(t);
  return [x, (user + system) / 1e6];
}

const s = exampleRun({
    train: { steps: STEPS, batch: 4, microBatch: 4, sequence: 32, learningRate: 0.006, warmup: 0, schedule: 'constant' },
  }),
  k = singleKernels(),
  circuits = k.scope(() => circuitsOf(k, s.run)),
  inputs = jobInputs(k, s.run, s.inputs, circuits),
  shape = shapeOf(s.run, circuits.cls, circuits.digest, 1),
  kept: Trained[] = [{ state: s.inputs.initial, losses: [] }];
for (let t = 0; t < STEPS; t++)
  k.scope(() => {
    const { after, losses } = runStep(k, s.run, s.inputs, t, kept[t].state);
    kept.push({ state: after, losses });
  });

/** Every state at hand, as a coordinator has them that follows the training. */
const journal: Journal = {
  state: (step) => kept[step],
  checkpoint: () => undefined,
  losses: (step) => kept[step + 1].losses,
  missing: (step) => {
    throw new RangeError(`no state before step ${step}`);
  },
};
const course = (): Course => new Course(new States(k, s.run, s.inputs, journal), inputs),
  judgeOf = (own: boolean): RunAcceptor => new RunAcceptor(k, inputs, s.inputs, shape, new Boundaries(k, inputs, s.inputs, course(), own)),
  judges = { own: judgeOf(true), strangers: judgeOf(false) },
  prover = new JobProver(k, inputs, s.inputs, shape),
  entered = course();

/** What is accepted, by job. */
const nodes = new Map<string, Uint8Array>(),
  prove = (job: Job): Uint8Array => {
    if (job.kind === 'fold') {
      const [left, right] = job.children.map((c) => nodes.get(c)!);
      return prover.fold(left, right, ['left', 'right']);
    }
    const { step } = shape.ranges[job.from].from,
      { digest } = s.run.facts,
      bytes = encodeCheckpoint(digest, { start: entered.entered(step), state: kept[step].state });
    return prover.segment(job.node, decodeCheckpoint('checkpoint', bytes, digest, step, s.run.programs.program.axes['P']));
  };

for (const job of shape.jobs) {
  if (job.kind === 'end') break;
  const [node, proved] = seconds(() => k.scope(() => prove(job))),
    [, own] = seconds(() => judges.own.accept(job, node)),
    [, strangers] = seconds(() => judges.strangers.accept(job, node));
  nodes.set(job.key, node);
  console.log(
    `${job.kind} ${job.from} to ${job.to}: proved in ${proved.toFixed(2)} s; judged in ${own.toFixed(3)} s from an own process, ${strangers.toFixed(3)} s from a stranger`,
  );
}
