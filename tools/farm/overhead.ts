/**
 * Processor time that a farm takes beside what `certune prove` does, one thread: segments of one step of a run of the
 * examples' base are proved as a farm's process proves them, and judged as a coordinator judges them. Prints what each
 * part takes, and the shares that follow for segments of one, two, four and eight steps.
 *
 *     npm run farm:overhead
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { circuitsOf } from 'certune/recursion';
import { runStep, singleKernels } from 'certune';
import {
  Boundaries,
  FolderBlobs,
  type Job,
  JobProver,
  RunAcceptor,
  Store,
  decodeCheckpoint,
  encodeCheckpoint,
  shapeOf,
} from 'certune/engine';
import { Course, type Journal, States, type Trained, jobInputs } from 'certune/prove';
import { exampleRun } from '../example-run.js';

const STEPS = 3;

const s = exampleRun({
    train: { steps: STEPS, batch: 4, microBatch: 4, sequence: 32, learningRate: 0.006, warmup: 0, schedule: 'constant' },
  }),
  k = singleKernels(),
  circuits = k.scope(() => circuitsOf(k, s.run)),
  inputs = jobInputs(s.run, s.inputs, circuits),
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
  boundaries = new Boundaries(k, inputs, s.inputs, course()),
  judge = new RunAcceptor(k, inputs, s.inputs, shape, boundaries),
  prover = new JobProver(k, inputs, s.inputs, shape),
  entered = course(),
  store = new Store(new FolderBlobs(mkdtempSync(join(tmpdir(), 'certune-overhead-'))));

/** Seconds of everything that was measured, by what it was. */
const spent = new Map<string, number[]>(),
  measured = async <T>(what: string, f: () => T | Promise<T>): Promise<T> => {
    const t = process.cpuUsage(),
      x = await f(),
      { user, system } = process.cpuUsage(t);
    spent.set(what, [...(spent.get(what) ?? []), (user + system) / 1e6]);
    return x;
  },
  median = (what: string): number => spent.get(what)!.sort((a, b) => a - b)[spent.get(what)!.length >> 1];

/** What is accepted, by job. */
const nodes = new Map<string, Uint8Array>();

/** A state's commitment, by the coordinator, with its tree on its way to the two who prove beside it. */
async function tree(step: number): Promise<void> {
  const made = await measured('commit', () => boundaries.tree(step));
  if (made) await measured('tree kept', () => store.setTree(step, made.key, made.tree));
}
const treeOf = (step: number): Promise<[string, Uint8Array]> =>
  measured('tree read', async () => {
    const { key, object } = (await store.tree(step))!;
    return [key, await store.get(object)];
  });

/** A segment of one step. */
async function segment(job: Job): Promise<Uint8Array> {
  const { step } = shape.ranges[job.from].from,
    { digest } = s.run.facts,
    bytes = await measured('checkpoint', () => encodeCheckpoint(digest, { start: entered.entered(step), state: kept[step].state })),
    trees = new Map([await treeOf(step), await treeOf(step + 1)]),
    checkpoint = await measured('checkpoint read', () =>
      decodeCheckpoint('checkpoint', bytes, digest, step, s.run.programs.program.axes['P']),
    );
  return measured('segment', () => k.scope(() => prover.segment(job.node, checkpoint, trees)));
}

for (let step = 0; step <= STEPS; step++) await tree(step);
for (const job of shape.jobs) {
  if (job.kind === 'end') break;
  const [left, right] = job.children.map((c) => nodes.get(c)!),
    node = await (job.kind === 'fold' ? measured('fold', () => prover.fold(left, right, ['left', 'right'])) : segment(job));
  await measured(`${job.kind} judged`, () => judge.accept(job, node));
  await measured('offered', async () => store.get(await store.put(node)));
  nodes.set(job.key, node);
}
for (const [what, all] of spent) console.log(`${what}: ${all.map((x) => x.toFixed(3)).join(', ')} s`);
rmSync(store.name, { recursive: true, force: true });

// A step of certune prove: it commits to each state once, and folds in the end as many leaves as there are.
const step = median('segment') + median('commit') + median('fold'),
  each = ['checkpoint', 'checkpoint read', 'tree kept', 'tree read', 'tree read', 'segment judged', 'offered', 'fold judged', 'offered']
    .map(median)
    .reduce((a, b) => a + b);
console.log(`a step of certune prove with its leaf and its fold: ${step.toFixed(2)} s; beside it, for each segment: ${each.toFixed(3)} s`);
for (const r of [1, 2, 4, 8]) {
  const share = (x: number): string => `${((100 * x) / (r * step)).toFixed(2)}%`;
  console.log(
    `segments of ${r}: ${share(each)}; ${share(each + 2 * median('commit'))} where the coordinator has not made the trees before`,
  );
}
