/**
 * Steps of a run, trained and proven one after the other as `certune prove` does it: the program is the one that a
 * run's configuration gives, each step enters the state that the one before has left, and its tree is kept.
 */
import type { HashName } from 'certune/hash';
import { type Kernels, threadedKernels } from 'certune/kernels';
import {
  type AdapterState,
  TARGETS,
  batchInputs,
  frozenIntegers,
  initialMaster,
  initialState,
  stepInputs,
  targetCount,
} from 'certune/model';
import { type RunConfig, programsOf, runSchema } from 'certune/run';
import { witnessRate } from 'certune/setup';
import { IntegerReading, type Plan, type Statement, StateTrees, frozenDigest, frozenStack, proveProgram } from 'certune/tensor';
import { type IntegerBase, Phases, constantSchedule, seconds, tokenRows } from './common.js';

/** Settings of a run that its program and its proofs depend on. */
export interface Settings {
  readonly sequences: number;
  readonly tokens: number;
  readonly rank: number;
  readonly bits?: number;
  /** BLAKE3 for a proof that no circuit will verify. */ readonly hash?: HashName;
  /** log2 of the inverse rate of witnesses; what a run would choose where nothing is said. */
  readonly rate?: number;
  readonly numbers?: Readonly<Partial<Record<'preset', string> & Record<'expBits' | 'siluBits', number>>>;
}

/** The plan of a run of these settings, which is one program for the whole step. */
export function planOfRun(base: IntegerBase, o: Settings): Plan {
  const config = (rate: number | null) =>
      runSchema.parse({
        version: 1,
        base: { path: '' },
        data: [{ path: '' }],
        lora: { r: o.rank },
        train: { batch: o.sequences, microBatch: o.sequences, sequence: o.tokens },
        numbers: o.numbers ?? {},
        proof: { bits: o.bits ?? 128, hash: o.hash ?? 'poseidon2', rate },
      }),
    shape = { shape: base.shape, weightBits: base.bits },
    chosen: RunConfig = config(o.rate ?? witnessRate(config(null), shape));
  return programsOf(chosen, shape).plan;
}

/** One step: its seconds and its proof. */
export interface ChainStep {
  readonly trainSeconds: number;
  readonly proveSeconds: number;
  /** Processor time of all threads while the proof was made. */ readonly cpuSeconds: number;
  readonly phases: Readonly<Record<string, number>>;
  readonly proof: BigUint64Array;
  readonly statement: Statement;
}
export interface Chain {
  readonly steps: readonly ChainStep[];
  readonly stack: BigInt64Array;
  readonly kernelMiB: number;
}
export interface ChainOptions {
  readonly steps: number;
  readonly threads?: number;
  /** Called with the kernels before the first step. */ readonly watch?: (k: Kernels) => void;
  readonly onStep?: (step: number, s: ChainStep) => void;
}

/** Trains and proves the first steps of a run on arbitrary tokens. */
export async function proveChain(base: IntegerBase, plan: Plan, { rank, tokens, sequences }: Settings, o: ChainOptions): Promise<Chain> {
  const { program } = plan,
    frozen = frozenIntegers(base.shape, base.ints, base.rope, tokens),
    rows = tokenRows(base.shape, sequences, tokens),
    publics = batchInputs(rows, sequences, tokens),
    k = await threadedKernels({ threads: o.threads ?? 2 }),
    trees = new StateTrees(),
    steps: ChainStep[] = [];
  let state: AdapterState = initialState(program, initialMaster(base.shape, rank, TARGETS, 1)),
    stack: { readonly words: BigInt64Array; readonly digest: readonly bigint[] } | undefined;
  o.watch?.(k);
  try {
    for (const [t, row] of constantSchedule(o.steps).entries()) {
      const m = k.mark(),
        reading = new IntegerReading(k, program, stepInputs(program, frozen, state, publics, row, targetCount(rows, tokens), 1, t)),
        [, trainSeconds] = seconds(() => reading.run()),
        frozenWords = (): BigInt64Array => {
          const { ptr, cells } = frozenStack(k, plan, (n) => reading.ptr.get(n)!);
          return k.i64.slice(ptr / 8, ptr / 8 + cells);
        };
      if (!stack) {
        const words = frozenWords();
        stack = { words, digest: frozenDigest(words) };
      }
      const { digest } = stack,
        phases = new Phases(2),
        cpu = process.cpuUsage(),
        [{ proof, statement }, proveSeconds] = seconds(() =>
          proveProgram(k, plan, reading, { trees, frozenDigest: digest, onPhase: phases.mark }),
        ),
        { user, system } = process.cpuUsage(cpu);
      phases.mark();
      state = { C: reading.read('C2'), master: reading.read('master2'), mm: reading.read('mm2'), vv: reading.read('vv2') };
      k.release(m);
      steps.push({ trainSeconds, proveSeconds, cpuSeconds: (user + system) / 1e6, phases: phases.seconds, proof, statement });
      o.onStep?.(t, steps[t]);
    }
    return { steps, stack: stack!.words, kernelMiB: Math.round(k.peakBytes / 2 ** 20) };
  } finally {
    k.close();
  }
}
