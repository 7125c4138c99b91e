/**
 * Folds two steps of the stories260k fixture into one proof. Prints rows, cells, permutations, seconds by phase, sizes.
 *
 *     node dist-tools/bench/node.js [sequences] [tokens] [bits] [rate]
 */
import { verifyEnd } from 'certune';
import type { Heights } from 'certune/circuit';
import { loadBase } from 'certune/io';
import { type Kernels, singleKernels, threadedKernels } from 'certune/kernels';
import { TARGETS, batchInputs, frozenIntegers, initialMaster, initialState, quantizeBase, stepInputs, targetCount } from 'certune/model';
import { type Stack, proveEnd, proveFold, proveLeaf } from 'certune/prove';
import {
  type EndProof,
  type NodeProof,
  START,
  type VerificationKey,
  advance,
  keyDigest,
  programsDigest,
  recursionClass,
  recursionKeys,
} from 'certune/recursion';
import {
  IntegerReading,
  type Plan,
  type Statement,
  StateTrees,
  frozenDigest,
  frozenStack,
  makePlan,
  proveProgram,
  verifyProgram,
} from 'certune/tensor';
import { RecordingChannel } from 'certune/transcript';
import { storiesFolder } from '../fixtures.js';
import { Phases, cellsOf, constantSchedule, stepProgram } from './common.js';

export interface NodeResult {
  readonly sequences: number;
  readonly tokens: number;
  readonly bits: number;
  readonly rate: number;
  readonly leaves: readonly string[];
  readonly rows: readonly Heights[];
  readonly heights: Heights;
  readonly endHeights: Heights;
  readonly cells: number;
  readonly endCells: number;
  readonly fixedCells: number;
  readonly stepPermutations: number;
  readonly nodePermutations: number;
  readonly endPermutations: number;
  readonly key: string;
  readonly phases: Readonly<Record<string, number>>;
  readonly stepKernelMiB: number;
  readonly foldKernelMiB: number;
  readonly endKernelMiB: number;
  readonly nodeKB: number;
  readonly endKB: number;
  readonly verifyMs: number;
}

interface Options {
  readonly sequences: number;
  readonly tokens: number;
  readonly bits: number;
  readonly rate: number;
}
/** A step's proof with what it is about. */
interface ProvenStep {
  readonly proof: BigUint64Array;
  readonly statement: Statement;
}

/** Seconds by phase, each with the name of the part that it belongs to. */
class Timer {
  readonly phases = new Phases(2);
  #part = '';
  readonly mark = (p: string): void => this.phases.mark(`${this.#part} ${p}`);
  timed<T>(part: string, f: () => T): T {
    this.#part = part;
    this.mark('start');
    const t = performance.now(),
      v = f();
    this.phases.mark();
    console.log(part, ((performance.now() - t) / 1000).toFixed(2), 's');
    return v;
  }
}
const timer = new Timer(),
  mib = (k: Kernels): number => Math.round(k.peakBytes / 2 ** 20);

/** Plan of the step's program. */
function stepPlan(base: ReturnType<typeof loadBase>, ints: ReturnType<typeof quantizeBase>, o: Options): Plan {
  const program = stepProgram({ shape: base.shape, bits: ints.bits }, o.sequences, o.tokens, 8);
  return makePlan(program, { bits: o.bits, grinding: 16, rate: o.rate, stateRate: 5 });
}

/** Proves the first steps one after the other. */
async function proveSteps(
  dir: string,
  o: Options,
  count: number,
): Promise<{ plan: Plan; steps: ProvenStep[]; stack: Stack; peakMiB: number }> {
  const base = loadBase(dir),
    quantized = quantizeBase(base.weights),
    plan = stepPlan(base, quantized, o),
    { program } = plan,
    frozen = frozenIntegers(base.shape, quantized.ints, base.rope, o.tokens),
    batch = {
      tokens: Array.from({ length: o.sequences }, (_, r) =>
        Int32Array.from({ length: o.tokens }, (_, i) => (i ? ((r * 131 + i * 7) % 500) + 3 : 1)),
      ),
      mask: Array.from({ length: o.sequences }, () => new Uint8Array(o.tokens).fill(1)),
    },
    publics = batchInputs(batch, o.sequences, o.tokens),
    k = await threadedKernels({ threads: 2 }),
    trees = new StateTrees(),
    steps: ProvenStep[] = [];
  let state = initialState(program, initialMaster(base.shape, 8, TARGETS, 1)),
    stack: Stack | undefined;
  for (const [t, row] of constantSchedule(count).entries()) {
    const m = k.mark(),
      inputs = stepInputs(program, frozen, state, publics, row, targetCount(batch, o.tokens), 1, t),
      reading = new IntegerReading(k, program, inputs);
    reading.run();
    if (!stack) {
      const fz = frozenStack(k, plan, (n) => reading.ptr.get(n)!),
        words = k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells);
      stack = { words, digest: frozenDigest(words) };
    }
    const { digest } = stack;
    steps.push(timer.timed(`step ${t}`, () => proveProgram(k, plan, reading, { trees, frozenDigest: digest, onPhase: timer.mark })));
    state = { C: reading.read('C2'), master: reading.read('master2'), mm: reading.read('mm2'), vv: reading.read('vv2') };
    k.release(m);
  }
  const peakMiB = mib(k);
  k.close();
  if (!stack) throw new Error('no step was asked for');
  return { plan, steps, stack, peakMiB };
}

/** Milliseconds of verifying the end: the least of nine. */
function verifySeconds(key: VerificationKey, end: EndProof): number {
  const vk = singleKernels(),
    ms: number[] = [];
  for (let i = 0; i < 9; i++) {
    const t = performance.now();
    verifyEnd(vk, key, end);
    ms.push(performance.now() - t);
  }
  return Math.round(Math.min(...ms));
}

/** Permutations of verifying a proof of a plan. */
function permutations(plan: Plan, st: Statement): number {
  const rec = new RecordingChannel();
  verifyProgram(rec, plan, st);
  return rec.permutations;
}
const circuitStatement = (plan: Plan): Statement => ({
  roots: {},
  frozen: Array<bigint>(8).fill(0n),
  publics: new Map([['public', new BigInt64Array(plan.program.axes['rowU'])]]),
});

/** Two steps, a leaf for each, their fold and the end. */
async function bench(dir: string, o: Options): Promise<NodeResult> {
  const { plan, steps, stack, peakMiB } = await proveSteps(dir, o, 2),
    k = await threadedKernels({ threads: 2 }),
    zero = Array<bigint>(10).fill(0n),
    cls = timer.timed('height class', () =>
      recursionClass(
        { programs: programsDigest([plan.program]), zeroAcc: zero, baseVars: plan.frozenVars },
        [{ kind: 'step', plan, rows: [2] }],
        { bits: o.bits, grinding: 16, rate: 2, stateRate: 2 },
      ),
    ),
    keys = timer.timed('keys', () => recursionKeys(k, cls)),
    kind = cls.leaves.findIndex((l) => l.count === 1) + 1,
    leaves: NodeProof[] = [],
    phased = { onPhase: timer.mark };
  let place = START;
  for (const [t, s] of steps.entries()) {
    const parts = {
      parts: [s],
      before: { place, s: s.statement.roots['sIn'], a: zero },
      dataset: [0n, 0n, 0n, 0n],
      epoch: 9n,
    };
    leaves.push(timer.timed(`leaf ${t}`, () => proveLeaf(k, cls, keys, stack, kind, parts, phased)));
    place = advance('step', plan.program, 9n, place, s.statement.publics);
  }
  const node = timer.timed('fold', () => proveFold(k, cls, keys, stack, [leaves[0], leaves[1]], phased)),
    foldKernelMiB = mib(k),
    end = timer.timed('end', () => proveEnd(k, cls, keys, stack, node, phased)),
    endKernelMiB = mib(k),
    verifyMs = verifySeconds(keys.published, end);
  k.close();
  return {
    ...o,
    leaves: cls.leaves.map(({ kind, count: n }) => `${n} ${kind}`),
    rows: cls.rows,
    heights: cls.circuits[0].heights,
    endHeights: cls.end.circuit.heights,
    cells: cellsOf(cls.plan, 'witness'),
    endCells: cellsOf(cls.end.plan, 'witness'),
    fixedCells: cellsOf(cls.plan, 'frozen'),
    stepPermutations: permutations(plan, steps[0].statement),
    nodePermutations: permutations(cls.plan, circuitStatement(cls.plan)),
    endPermutations: permutations(cls.end.plan, circuitStatement(cls.end.plan)),
    key: keyDigest(keys.published),
    phases: timer.phases.seconds,
    stepKernelMiB: peakMiB,
    foldKernelMiB,
    endKernelMiB,
    nodeKB: node.proof.length * 0.008,
    endKB: end.proof.length * 0.008,
    verifyMs,
  };
}

const dir = storiesFolder();
if (dir) {
  const [sequences, tokens, bits, rate] = [8, 64, 128, 2].map((d, i) => Number(process.argv[2 + i] ?? d));
  console.log(JSON.stringify(await bench(dir, { sequences, tokens, bits, rate }), null, 1));
} else console.log('skipped: no fixture data/stories260k (set CERTUNE_FIXTURES)');
