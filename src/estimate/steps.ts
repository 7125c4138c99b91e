import type { Units } from './calibrate.js';
import { type Counts, type TreeWork, countPlan } from './counts.js';
import { type MemoryForecast, forecastDevice, forecastMemory } from '../tensor/memory.js';
import type { Programs } from '../run/programs.js';
import type { Plan } from '../tensor/plan.js';

/** Seconds by phase of one program proof. */
export interface PhaseSeconds {
  readonly reading: number;
  readonly keys: number;
  readonly commit: number;
  readonly logup: number;
  readonly sumcheck: number;
  readonly weights: number;
  readonly open: number;
}

export interface Estimate {
  readonly trainSeconds: number;
  readonly proveSeconds: number;
  /** Of one step, for progress. */
  readonly stepSeconds: number;
  readonly phases: PhaseSeconds;
  /** Bytes of all proof words: exact. The file adds its header. */
  readonly proofBytes: number;
  readonly headerBytes: number;
  readonly journalBytes: number;
  /** Most bytes on disk while proving: journal, step proofs and the packed file. */
  readonly diskBytes: number;
}

/**
 * Most memory of the kernels while a run is proved: the greatest of the programs' forecasts and of the frozen stack.
 * `limit` caps linear and far memory together.
 */
export function runMemory(p: Programs, limit: number, threads: number): MemoryForecast {
  const frozen = 8 * (p.plan.layouts.get('frozen')?.cells ?? 0),
    near = 4 * 2 ** 30 - 65536,
    of = (plan: Programs['plan']): MemoryForecast => forecastMemory(plan, { nearBytes: Math.min(near, limit), threads });
  const most = [of(p.plan), ...(p.update ? [of(p.update.plan)] : [])].reduce((a, b) => (b.total > a.total ? b : a)),
    stack = 2 ** 18 + frozen;
  return { ...most, near: Math.max(most.near, stack), total: Math.max(most.total, stack), fits: most.fits && stack <= near };
}

/** Most memory of a device beside the CPU while a run is proved. */
export const deviceMemory = (p: Programs): number =>
  Math.max(forecastDevice(p.plan).peak, p.update ? forecastDevice(p.update.plan).peak : 0);

/** Seconds of trees. */
export const treeSeconds = (w: TreeWork, u: Units): number => w.hashes * u.hash + w.encoded * u.encoded;

/** Seconds of one program proof with these counts, by phase. */
export function phaseSeconds(c: Counts, u: Units): PhaseSeconds {
  return {
    reading: c.readingMacs * u.mac + c.readingCells * u.cell + c.readingCalls * u.call,
    keys: c.keyMacs * u.mac + c.keyCells * u.cell + c.digested * u.digested,
    commit: treeSeconds(c.trees, u),
    logup: c.lookupLeaves * u.lookupLeaf + c.tableLeaves * u.tableLeaf + c.layers * u.layer + c.boxes * u.box,
    sumcheck: c.projected * u.projected + c.termCells * u.termCell + c.seventhCells * u.seventhCell + c.termRounds * u.termRound,
    weights: c.weights * u.weight,
    open: treeSeconds(c.openingTrees, u) + c.opened * u.opened + c.grinds * 2 ** c.grinding * u.permutation,
  };
}
/** Seconds of one program proof with these counts. */
export const phaseSum = (c: Counts, u: Units): number => sum(phaseSeconds(c, u));
/**
 * Seconds of proving one step of so many micro-batches whose state nobody has just left: all trees are made. `reading`
 * is that of the integers, which training takes as well.
 */
export function stepSeconds(p: Programs, micros: number, u: Units): { readonly reading: number; readonly rest: number } {
  const all = [...Array<Plan>(micros).fill(p.plan), ...(p.update ? [p.update.plan] : [])].map((x) => phaseSeconds(countPlan(x), u)),
    reading = all.reduce((n, x) => n + x.reading, 0);
  return { reading, rest: all.reduce((n, x) => n + sum(x), 0) - reading };
}
const sum = (p: PhaseSeconds): number => Object.values(p).reduce((a: number, b: number) => a + b, 0);
const eachPhase = (of: (phase: keyof PhaseSeconds) => number): PhaseSeconds => ({
  reading: of('reading'),
  keys: of('keys'),
  commit: of('commit'),
  logup: of('logup'),
  sumcheck: of('sumcheck'),
  weights: of('weights'),
  open: of('open'),
});
const scale = (p: PhaseSeconds, by: number): PhaseSeconds => eachPhase((x) => p[x] * by);
const plus = (a: PhaseSeconds, b: PhaseSeconds): PhaseSeconds => eachPhase((x) => a[x] + b[x]);

/**
 * JSON of a part that leaves accumulators, of one that leaves the state (10 and 17 words of twenty digits), and of the
 * rest of a packed file's header.
 */
const MICRO_HEADER = 330,
  STEP_HEADER = 480;
export const PACK_HEADER = 2500;

/**
 * Predicts a run from its plans' counts and the machine's units. `micros` are the proofs of micro-batches of the whole
 * run, or its steps.
 */
export function estimateRun(p: Programs, run: { steps: number; micros: number; parameters: number }, u: Units): Estimate {
  const main = countPlan(p.plan),
    update = p.update ? countPlan(p.update.plan) : undefined;
  const of = (c: Counts | undefined): PhaseSeconds | undefined => (c ? phaseSeconds(c, u) : undefined),
    a = of(main)!,
    b = of(update);
  const made = b ? plus(scale(a, run.micros), scale(b, run.steps)) : scale(a, run.micros),
    // The first state entered: the other trees of states entered are those that were left before, and those of
    // accumulators of zero take no time.
    again = (c: Counts | undefined, of: readonly ('s' | 'a')[] = ['s', 'a']): number =>
      c ? of.reduce((n, x) => n + treeSeconds(c.entered[x], u), 0) : 0,
    saved = run.micros * again(main) + (update ? run.steps * again(update) : 0) - again(main, ['s']),
    all = { ...made, commit: made.commit - saved };
  const check = (c: Counts): number => c.permutations * u.verifierPermutation + c.multiplications * u.verifierMultiplication;
  const checks = run.micros * check(main) + (update ? run.steps * check(update) : 0),
    cells = p.plan.layouts.get('frozen')?.cells ?? 0,
    merge = (run.micros + 2) * cells * u.projected;
  const train = all.reading,
    prove = sum(all) + checks + merge,
    proofBytes = 8 * (run.micros * main.words + (update ? run.steps * update.words : 0) + 6 * p.plan.frozenVars + 3),
    headerBytes = PACK_HEADER + STEP_HEADER * run.steps + (update ? MICRO_HEADER * run.micros : 0),
    journalBytes = (run.steps + 1) * (32 * run.parameters + 300);
  return {
    trainSeconds: train,
    proveSeconds: prove,
    stepSeconds: (prove - checks - merge) / run.steps,
    phases: all,
    proofBytes,
    headerBytes,
    journalBytes,
    diskBytes: journalBytes + 2 * (proofBytes + headerBytes),
  };
}
