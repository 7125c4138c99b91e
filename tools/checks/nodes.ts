/**
 * npm run estimate:nodes [-- names] [--phases]: predicted against measured seconds of what folding a run and certifying
 * its units take: a step, a leaf, a fold, the end, a bundle, the end of a certificate. One thread and processor time,
 * so that a busy machine can do it. Prints a table.
 *
 * Arguments: names of shapes (default all). --phases: seconds by phase.
 */
import '../federated/clock.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleSeconds, calibrate, countPlan, foldSeconds, endUnits, leastUnits, phaseSeconds, stepSeconds } from 'certune/estimate';
import { type Kernels, singleKernels } from 'certune/kernels';
import {
  Course,
  type NodeOptions,
  States,
  firstEntered,
  folding,
  hiddenEndPlan,
  jobInputs,
  proveBundle,
  proveEnd,
  proveFold,
  proveStep,
  recursionOf,
} from 'certune/prove';
import { type NodeProof, bundleClass, bundleEndCircuit, bundledCircuits, flat, nodeOf, runClass } from 'certune/recursion';
import { type Run, type StepProof, stepKinds, zeroAccumulators } from 'certune/run';
import type { Plan } from 'certune/tensor';
import { Phases } from '../bench/common.js';
import { DEMO_SIZE, STORIES_SIZE, type Size, TINY_SIZE, people } from '../federated/people.js';

const SHAPES: Readonly<Record<string, Size>> = {
  smallest: { ...TINY_SIZE, sequence: 16 },
  demonstration: { ...DEMO_SIZE, steps: 4 },
  stories260k: { ...STORIES_SIZE, steps: 4 },
};

const args = process.argv.slice(2),
  names = args.filter((a) => !a.startsWith('--')),
  home = mkdtempSync(join(tmpdir(), 'certune-nodes-'));

/** What was measured: seconds by phase, and all of them. */
type Measured = Readonly<Record<string, number>>;
type Phased = Required<Pick<NodeOptions, 'onPhase'>>;
function timed<T>(f: (o: Phased) => T): [T, Measured] {
  const phases = new Phases(3),
    t = performance.now(),
    v = f({ onPhase: phases.mark });
  phases.mark();
  return [v, { ...phases.seconds, all: (performance.now() - t) / 1000 }];
}
/** Of two measurements the shorter one: the first of a process compiles. */
const less = (a: Measured, b: Measured): Measured => (a['all'] < b['all'] ? a : b);

/** Seconds of everything of one shape, measured. */
function measured(
  k: Kernels,
  dir: string,
  size: Size,
): { readonly seconds: Readonly<Record<string, Measured>>; readonly run: Run; readonly hidden: Plan } {
  const [p] = people(dir, 1, 0.3, size, 77),
    { run, inputs } = p.setup,
    circuits = bundledCircuits(k, run),
    { cls, keys, bundle } = circuits;
  if (!bundle) throw new Error(circuits.problem);
  const jobs = jobInputs(run, inputs, circuits),
    begin = firstEntered(jobs.policy),
    states = new States(k, run, inputs, {
      state: (step) => (step === 0 ? { state: inputs.initial, losses: [] } : undefined),
      checkpoint: () => begin,
      missing: (step) => {
        throw new Error(`no state before step ${step}`);
      },
    }),
    course = new Course(states, jobs),
    hidden = hiddenEndPlan(keys.published),
    again = <T>(f: (o: Phased) => T): [T, Measured] => {
      const [a, first] = timed(f),
        [, second] = timed(f);
      return [a, less(first, second)];
    };
  const step = (t: number): [StepProof, Measured] =>
      timed(({ onPhase }) => proveStep(k, run, inputs, t, states.before(t).state, jobs.base.digest, onPhase).proof),
    [first, s0] = step(0),
    [second, s1] = step(1),
    leaf = (t: number): [NodeProof, Measured] =>
      timed((o) => {
        const r = recursionOf(k, jobs, o),
          [range] = r.leaves(t, t + 1);
        return nodeOf(cls, r.leaf(course.start(t), range, [first, second]).node);
      });
  const [l0, t0] = leaf(0),
    [l1, t1] = leaf(1),
    base = jobs.base,
    [fold, tf] = again((o) => proveFold(k, cls, keys, base, [l0, l1], o)),
    { settle } = folding(k, run.manifest, circuits, base),
    [, ts] = again(() => settle(flat(cls, fold))),
    [pair, tb] = again((o) => proveBundle(k, bundle, keys, base, [l1, l0], o)),
    [, tc] = timed((o) => proveEnd(k, bundle, keys, base, pair, { ...o, circuit: bundleEndCircuit, plan: hidden }));
  return { run, hidden, seconds: { step: less(s0, s1), leaf: less(t0, t1), fold: tf, settle: ts, bundle: tb, certificate: tc } };
}

/** Rows of the table for one shape. */
function compare(name: string, size: Size): string[] {
  const k = singleKernels();
  try {
    const before = calibrate(k),
      { run, seconds, hidden } = measured(k, join(home, name), size),
      units = leastUnits(before, calibrate(k)),
      { programs } = run,
      cls = runClass(run, zeroAccumulators(programs)),
      each = foldSeconds(cls, units),
      certified = bundleSeconds(bundleClass(cls), hidden, units),
      micros = stepKinds(run, 0).filter((x) => x !== 'update').length,
      { reading, rest } = stepSeconds(programs, micros, units),
      said: Readonly<Record<string, number>> = {
        step: reading + rest,
        leaf: each.leaf,
        fold: each.fold,
        settle: certified.settle,
        bundle: certified.bundle,
        certificate: certified.end,
      };
    if (args.includes('--phases'))
      console.log(name, seconds, {
        node: phaseSeconds(countPlan(cls.plan), units),
        certificate: phaseSeconds(countPlan(hidden), endUnits(units)),
        units,
      });
    return Object.entries(seconds).map(
      ([what, { all }]) =>
        `| ${name} | ${what} | ${said[what].toFixed(2)} | ${all.toFixed(2)} | ${((said[what] / all - 1) * 100).toFixed(1)}% |`,
    );
  } finally {
    k.close();
  }
}

try {
  const rows: string[] = [];
  for (const [name, s] of Object.entries(SHAPES)) if (!names.length || names.includes(name)) rows.push(...compare(name, s));
  console.log(`| shape | what | predicted, s | measured, s | difference |\n| --- | --- | ---: | ---: | ---: |\n${rows.join('\n')}`);
} finally {
  rmSync(home, { recursive: true, force: true });
}
