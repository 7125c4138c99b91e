/**
 * One training step proven and verified: the stories260k fixture, or a random-weight model, split by phase.
 * Options: --sequences 8 --tokens 64 --rank 8 --bits 128 --rate 2 --threads 2 --runs 1 --by-kernel.
 */
import { loadBase } from 'certune/io';
import { type Kernels, singleKernels, threadedKernels } from 'certune/kernels';
import { quantizeBase } from 'certune/model';
import {
  IntegerReading,
  type Plan,
  type Statement,
  frozenDigest,
  frozenStack,
  proveProgram,
  settleFrozen,
  verifyProgram,
} from 'certune/tensor';
import { NativeChannel } from 'certune/transcript';
import { storiesFolder } from '../fixtures.js';
import { type IntegerBase, Phases, cellsOf, lookupsOf, median, option, planOf, say, seconds, stepData, stepProgram } from './common.js';
import { type VerifierCounts, counts } from './counts.js';

export interface StepOptions {
  readonly sequences: number;
  readonly tokens: number;
  readonly rank: number;
  readonly bits?: number;
  readonly rate?: number;
  readonly threads?: number;
  readonly verifyRuns?: number;
  readonly byKernel?: boolean;
}
/** All figures of one step. */
export interface StepRow extends VerifierCounts {
  readonly sequences: number;
  readonly tokens: number;
  readonly rank: number;
  readonly bits: number;
  readonly rate: number;
  readonly threads: number;
  readonly cells: number;
  readonly lookups: number;
  readonly trainSeconds: number;
  readonly proveSeconds: number;
  readonly cpuSeconds: number;
  readonly phases: Readonly<Record<string, number>>;
  readonly lookupNs: number;
  readonly kernelMiB: number;
  readonly residentMiB: number;
  readonly proofKB: number;
  readonly verifyMs: number;
  /** Settling the claim on frozen weights. */ readonly linearMs: number;
}

/** Times every parallel call by the name of its kernel. */
function timedKernels(k: Kernels): ReadonlyMap<string, number> {
  const spent = new Map<string, number>(),
    parallel = k.parallel.bind(k);
  k.parallel = (name, ...rest): void => {
    const t = performance.now();
    parallel(name, ...rest);
    spent.set(name, (spent.get(name) ?? 0) + performance.now() - t);
  };
  return spent;
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
    const ch = new NativeChannel(vk, proof),
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

/** Proves and verifies the first step of a base. */
export async function proveStep(base: IntegerBase, o: StepOptions): Promise<StepRow> {
  const { sequences, tokens, rank, bits = 128, rate = 2, threads = 2, verifyRuns = 7, byKernel = false } = o;
  const program = stepProgram(base, sequences, tokens, rank),
    plan = planOf(program, bits, rate),
    k = await threadedKernels({ threads }),
    spent = byKernel ? timedKernels(k) : new Map<string, number>();
  try {
    const reading = new IntegerReading(k, program, stepData(base, program, sequences, tokens, rank)),
      [, trainSeconds] = seconds(() => reading.run());
    const fz = frozenStack(k, plan, (n) => reading.ptr.get(n)!),
      stack = k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells),
      phases = new Phases(2),
      cpu = process.cpuUsage(),
      [{ proof, statement }, proveSeconds] = seconds(() =>
        proveProgram(k, plan, reading, { frozenDigest: frozenDigest(stack), onPhase: phases.mark }),
      );
    phases.mark();
    const used = process.cpuUsage(cpu),
      checked = verification(plan, statement, proof, stack, verifyRuns),
      lookups = lookupsOf(plan);
    const table = [...spent].sort((a, b) => b[1] - a[1]).slice(0, 30);
    for (const [name, ms] of table) say(`${name.padEnd(24)} ${(ms / 1000).toFixed(2)}`);
    return {
      sequences,
      tokens,
      rank,
      bits,
      rate,
      threads,
      cells: cellsOf(plan, 'witness'),
      lookups,
      trainSeconds: Number(trainSeconds.toFixed(2)),
      proveSeconds: Number(proveSeconds.toFixed(2)),
      cpuSeconds: Number(((used.user + used.system) / 1e6).toFixed(2)),
      phases: phases.seconds,
      lookupNs: Math.round((1e9 * (phases.seconds['logup'] ?? 0)) / lookups),
      kernelMiB: Math.round(k.peakBytes / 2 ** 20),
      residentMiB: Math.round(process.memoryUsage().rss / 2 ** 20),
      proofKB: Number((proof.length * 0.008).toFixed(1)),
      ...checked,
      ...counts(plan, statement),
    };
  } finally {
    k.close();
  }
}

export async function steps(args: readonly string[]): Promise<StepRow[]> {
  const dir = storiesFolder();
  if (!dir) {
    say('skipped: no fixture data/stories260k (set CERTUNE_FIXTURES)');
    return [];
  }
  const { shape, rope, weights } = loadBase(dir),
    base: IntegerBase = { shape, rope, ...quantizeBase(weights) },
    out: StepRow[] = [];
  for (let i = 0; i < option(args, 'runs', 1); i++) {
    const r = await proveStep(base, {
      sequences: option(args, 'sequences', 8),
      tokens: option(args, 'tokens', 64),
      rank: option(args, 'rank', 8),
      bits: option(args, 'bits', 128),
      rate: option(args, 'rate', 2),
      threads: option(args, 'threads', 2),
      byKernel: args.includes('--by-kernel'),
    });
    say(JSON.stringify(r));
    out.push(r);
  }
  return out;
}
