/**
 * Training steps proven and verified, split by phase: of the stories260k fixture, or of a random-weight model. The
 * first step of a process compiles its code and makes the tree of the state that it enters; figures are the medians of
 * those after it.
 * Options: --sequences 8 --tokens 64 --rank 8 --bits 128 --threads 2 --runs 3 --by-kernel, and --rate, without which
 * the rate is the one that a run would choose.
 */
import type { HashName } from 'certune/hash';
import { loadBase } from 'certune/io';
import { type Kernels, singleKernels } from 'certune/kernels';
import { quantizeBase } from 'certune/model';
import { type Plan, type Statement, settleFrozen, verifyProgram } from 'certune/tensor';
import { NativeChannel } from 'certune/transcript';
import { storiesFolder } from '../fixtures.js';
import { type Settings, planOfRun, proveChain } from './chain.js';
import { type IntegerBase, cellsOf, lookupsOf, median, option, say, seconds } from './common.js';
import { type VerifierCounts, counts } from './counts.js';

export interface StepOptions extends Settings {
  readonly threads?: number;
  /** Steps after the first. */ readonly runs?: number;
  readonly verifyRuns?: number;
  readonly byKernel?: boolean;
}
/** All figures of the steps of one run. Of several steps after the first each figure is the median. */
export interface StepRow extends VerifierCounts {
  readonly sequences: number;
  readonly tokens: number;
  readonly rank: number;
  readonly bits: number;
  readonly hash: HashName;
  readonly rate: number;
  readonly threads: number;
  /** Steps after the first; the first is all there is where it is 0. */ readonly runs: number;
  readonly cells: number;
  readonly lookups: number;
  readonly tableRows: number;
  readonly firstTrainSeconds: number;
  readonly firstProveSeconds: number;
  readonly trainSeconds: number;
  readonly proveSeconds: number;
  readonly cpuSeconds: number;
  /** How many times as long as training a step proving it takes. */ readonly ratio: number;
  readonly phases: Readonly<Record<string, number>>;
  readonly lookupNs: number;
  readonly kernelMiB: number;
  readonly residentMiB: number;
  readonly proofKB: number;
  readonly verifyMs: number;
  /** Settling the claim on frozen weights. */ readonly linearMs: number;
}

/** Times every parallel call by the name of its kernel, from now on. */
function timedKernels(k: Kernels, spent: Map<string, number>): void {
  const parallel = k.parallel.bind(k);
  k.parallel = (name, ...rest): void => {
    const t = performance.now();
    parallel(name, ...rest);
    spent.set(name, (spent.get(name) ?? 0) + performance.now() - t);
  };
}

/** Milliseconds of verifying a proof, and of settling the claim that it leaves against the stack. */
function verification(
  plan: Plan,
  statement: Statement,
  proof: BigUint64Array,
  stack: BigInt64Array,
  runs: number,
): { verifyMs: number; linearMs: number } {
  const vk = singleKernels(),
    ptr = vk.alloc(8 * stack.length),
    proofMs: number[] = [],
    linearMs: number[] = [];
  vk.i64.set(stack, ptr / 8);
  for (let i = 0; i < runs; i++) {
    const ch = new NativeChannel(vk, proof, plan.options.hash),
      [claim, v] = seconds(() => {
        const d = verifyProgram(ch, plan, statement);
        ch.finish();
        return d.detach(ch);
      });
    ch.close();
    const [, s] = seconds(() => settleFrozen(vk, ptr, stack.length, [claim]));
    proofMs.push(v * 1000);
    linearMs.push(s * 1000);
  }
  return { verifyMs: Math.round(median(proofMs)), linearMs: Math.round(median(linearMs)) };
}

const rounded = (x: number): number => Number(x.toFixed(2));

/** Proves the first steps of a run of a base, and verifies the last of them. */
export async function proveStep(base: IntegerBase, o: StepOptions): Promise<StepRow> {
  const { sequences, tokens, rank, bits = 128, threads = 2, runs = 0, verifyRuns = 7, byKernel = false } = o,
    plan = planOfRun(base, o),
    spent = new Map<string, number>(),
    { steps, stack, kernelMiB } = await proveChain(base, plan, o, {
      steps: 1 + runs,
      threads,
      ...(byKernel ? { watch: (k) => timedKernels(k, spent) } : {}),
      onStep: (t, s) => {
        say(`step ${t}: trained in ${s.trainSeconds.toFixed(2)} s, proven in ${s.proveSeconds.toFixed(2)} s`);
        if (t < runs) spent.clear();
      },
    }),
    residentMiB = Math.round(process.memoryUsage().rss / 2 ** 20),
    [first] = steps,
    later = runs ? steps.slice(1) : steps,
    of = (f: (s: (typeof steps)[number]) => number): number => rounded(median(later.map(f))),
    { proof, statement } = later[later.length - 1],
    checked = verification(plan, statement, proof, stack, verifyRuns),
    lookups = lookupsOf(plan),
    phases = Object.fromEntries(Object.keys(first.phases).map((p) => [p, of((s) => s.phases[p])]));
  for (const [name, ms] of [...spent].sort((a, b) => b[1] - a[1]).slice(0, 30)) say(`${name.padEnd(24)} ${(ms / 1000).toFixed(2)}`);
  return {
    sequences,
    tokens,
    rank,
    bits,
    hash: plan.options.hash ?? 'poseidon2',
    rate: plan.options.rate,
    threads,
    runs,
    cells: cellsOf(plan, 'witness'),
    lookups,
    tableRows: plan.tables.reduce((n, t) => n + t.size, 0),
    firstTrainSeconds: rounded(first.trainSeconds),
    firstProveSeconds: rounded(first.proveSeconds),
    trainSeconds: of((s) => s.trainSeconds),
    proveSeconds: of((s) => s.proveSeconds),
    cpuSeconds: of((s) => s.cpuSeconds),
    ratio: Number(median(later.map((s) => s.proveSeconds / s.trainSeconds)).toFixed(1)),
    phases,
    lookupNs: Math.round((1e9 * (phases['logup'] ?? 0)) / lookups),
    kernelMiB,
    residentMiB,
    proofKB: Number((proof.length * 0.008).toFixed(1)),
    ...checked,
    ...counts(plan, statement),
  };
}

/** Options of the command line over what a workload has. */
export function stepOptions(args: readonly string[], usual: StepOptions): StepOptions {
  const { sequences, tokens, rank, bits = 128, threads = 2, runs = 3, rate = -1 } = usual,
    asked = option(args, 'rate', rate);
  return {
    ...usual,
    sequences: option(args, 'sequences', sequences),
    tokens: option(args, 'tokens', tokens),
    rank: option(args, 'rank', rank),
    bits: option(args, 'bits', bits),
    threads: option(args, 'threads', threads),
    runs: option(args, 'runs', runs),
    byKernel: args.includes('--by-kernel'),
    ...(asked < 0 ? {} : { rate: asked }),
  };
}

export async function steps(args: readonly string[]): Promise<StepRow[]> {
  const dir = storiesFolder();
  if (!dir) {
    say('skipped: no fixture data/stories260k (set CERTUNE_FIXTURES)');
    return [];
  }
  const { shape, rope, weights } = loadBase(dir),
    row = await proveStep({ shape, rope, ...quantizeBase(weights) }, stepOptions(args, { sequences: 8, tokens: 64, rank: 8 }));
  say(JSON.stringify(row));
  return [row];
}
