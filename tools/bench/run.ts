/**
 * Size and verification time of the last proof for runs of several lengths.
 *
 *     node dist-tools/bench/run.js [lengths, default 1 4 32 128] [--keep DIR]
 *
 * A small shape of the examples' base (one sequence of 16 tokens, rank 2 on two projections): what is verified at the
 * end does not depend on it. One run of the longest length is proven. The ends of its first 1, 4, 32 ... steps are
 * those of runs of that length. With --keep the proofs are written to a folder and, where they lie there already, only
 * verified.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Kernels, type Setup, frozenOf, proveStep, recursionOf, runStep, singleKernels, threadedKernels, verifyEnd } from 'certune';
import { type LeafStart, firstEntered, jobInputs } from 'certune/prove';
import { type Circuits, circuitsOf, endProofOf } from 'certune/recursion';
import { stateCommitment } from 'certune/run';
import { exampleRun } from '../example-run.js';

type Recursion = ReturnType<typeof recursionOf>;
type Node = ReturnType<Recursion['fold']>;
type Ended = ReturnType<Recursion['end']>;

/** Size and verification of the end of a run. */
interface EndRow {
  readonly steps: number;
  readonly kB: number;
  readonly leastMs: number;
  readonly medianMs: number;
}
export interface RunResult {
  readonly key: string;
  readonly rows: readonly EndRow[];
  readonly seconds: Readonly<Record<string, { readonly times: number; readonly median: number }>>;
  readonly peakMiB: number;
}

/** Seconds by what was proven. */
class Timings {
  readonly #seconds: Record<'step' | 'leaf' | 'fold' | 'end', number[]> = { step: [], leaf: [], fold: [], end: [] };
  constructor(readonly k: Kernels) {}
  timed<T>(what: 'step' | 'leaf' | 'fold' | 'end', f: () => T): T {
    return this.k.scope(() => {
      const t = performance.now(),
        v = f();
      this.#seconds[what].push((performance.now() - t) / 1000);
      return v;
    });
  }
  summary(): RunResult['seconds'] {
    return Object.fromEntries(
      Object.entries(this.#seconds)
        .filter(([, v]) => v.length)
        .map(([n, v]) => [n, { times: v.length, median: [...v].sort((a, b) => a - b)[v.length >> 1] }]),
    );
  }
}

/** Ends in a folder, by the number of their run's steps. */
class Kept {
  constructor(readonly dir: string | undefined) {
    if (dir !== undefined) mkdirSync(dir, { recursive: true });
  }
  has(n: number): boolean {
    return this.dir !== undefined && existsSync(this.#file(n, 'proof'));
  }
  read(n: number): Ended {
    return { statement: [...this.#words(n, 'statement')], proof: this.#words(n, 'proof') };
  }
  write(n: number, e: Ended): void {
    if (this.dir === undefined) return;
    const bytes = (v: BigUint64Array): Uint8Array => new Uint8Array(v.buffer, v.byteOffset, v.byteLength);
    writeFileSync(this.#file(n, 'statement'), bytes(BigUint64Array.from(e.statement)));
    writeFileSync(this.#file(n, 'proof'), bytes(e.proof));
  }
  #file(n: number, part: string): string {
    return join(this.dir ?? '', `${n}.${part}`);
  }
  #words(n: number, part: string): BigUint64Array {
    return new BigUint64Array(Uint8Array.from(readFileSync(this.#file(n, part))).buffer);
  }
}

/** The run of so many steps. */
const runOfLength = (steps: number): Setup =>
  exampleRun({
    lora: { r: 2, alpha: 4, targets: ['q_proj', 'v_proj'] },
    train: { steps, batch: 1, microBatch: 1, sequence: 16, learningRate: 0.002, warmup: 0, schedule: 'constant' },
  });

/** Proves the ends of runs of these lengths, the longest last. */
function proveEnds(k: Kernels, s: Setup, circuits: Circuits, lengths: readonly number[], kept: Kept, timings: Timings): Map<number, Ended> {
  const most = lengths[lengths.length - 1],
    ends = new Map<number, Ended>();
  // Training first: states before every step.
  const states = [s.inputs.initial];
  for (let t = 0; t < most; t++)
    k.scope(() => {
      states.push(runStep(k, s.run, s.inputs, t, states[t]).after);
    });
  const inputs = jobInputs(s.run, s.inputs, circuits),
    r = recursionOf(k, inputs),
    { digest } = k.scope(() => frozenOf(k, s.run.programs, s.inputs.base));
  const whole = (nodes: readonly Node[]): Node => nodes.reduceRight((right, left) => timings.timed('fold', () => r.fold(left, right))),
    finish = (n: number, node: Node): void => {
      const end = timings.timed('end', () => r.end(node));
      ends.set(n, end);
      kept.write(n, end);
    };
  // Nodes by binary counter; the first steps of a shorter run are the same nodes.
  const prove = (to: number): Node[] => {
    const stack: { level: number; node: Node }[] = [];
    let start: LeafStart = { ...firstEntered(inputs.policy), s: stateCommitment(k, s.run.programs, 'sIn', s.inputs.initial) };
    for (const leaf of r.leaves(0, to)) {
      const proofs = leaf.parts.map(({ step }) =>
        timings.timed('step', () => proveStep(k, s.run, s.inputs, step, states[step], digest).proof),
      );
      const made = timings.timed('leaf', () => r.leaf(start, leaf, proofs));
      start = made.after;
      let { node } = made,
        level = 0;
      for (; stack.at(-1)?.level === level; level++) {
        const left = stack.pop()!.node,
          right = node;
        node = timings.timed('fold', () => r.fold(left, right));
      }
      stack.push({ level, node });
      const done = leaf.to.step;
      console.error(`${done} of ${to} steps`);
      if (lengths.includes(done) && done > 1) finish(done, whole(stack.map((x) => x.node)));
    }
    return stack.map((x) => x.node);
  };
  if (lengths.includes(1) && !kept.has(1)) finish(1, whole(prove(1)));
  if (most > 1) prove(most);
  return ends;
}

/** Verifies an end fifteen times. */
function row(steps: number, e: Ended, circuits: Circuits): EndRow {
  const vk = singleKernels(),
    end = endProofOf(circuits.keys.published, e),
    ms: number[] = [];
  for (let i = 0; i < 15; i++) {
    const t = performance.now();
    verifyEnd(vk, circuits.keys.published, end);
    ms.push(performance.now() - t);
  }
  ms.sort((a, b) => a - b);
  return { steps, kB: (8 * (e.statement.length + e.proof.length)) / 1000, leastMs: ms[0], medianMs: ms[7] };
}

const at = process.argv.indexOf('--keep'),
  kept = new Kept(at > 0 ? process.argv[at + 1] : undefined),
  lengths = process.argv
    .slice(2, at > 0 ? at : undefined)
    .map(Number)
    .sort((a, b) => a - b);
if (!lengths.length) lengths.push(1, 4, 32, 128);
const k = await threadedKernels({ threads: 2 }),
  s = runOfLength(lengths[lengths.length - 1]),
  circuits = circuitsOf(k, s.run),
  timings = new Timings(k);
console.error(
  `circuits in ${circuits.seconds.toFixed(1)} s, leaves of ${circuits.cls.leaves.map((l) => `${l.count} ${l.kind}`).join(' or ')}, key ${circuits.digest}`,
);
const ends = lengths.every((n) => kept.has(n)) ? new Map<number, Ended>() : proveEnds(k, s, circuits, lengths, kept, timings),
  result: RunResult = {
    key: circuits.digest,
    rows: lengths.map((n) => row(n, ends.get(n) ?? kept.read(n), circuits)),
    seconds: timings.summary(),
    peakMiB: Math.round(k.peakBytes / 2 ** 20),
  };
console.log(JSON.stringify(result, null, 1));
k.close();
