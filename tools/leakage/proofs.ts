/**
 * Today's artifacts of a run in the private mode, none of which is zero-knowledge, on the smallest base and with weak
 * parameters. Where only the order within a batch depends on the key, all public words but the commitment to the key
 * and what hashes it are equal: a batch has all rows of the dataset, and losses and gradients are sums over them.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { frozenOf, proveStep, recursionOf, runSchema, runStep, setup, type Kernels, type Setup, singleKernels } from 'certune';
import { firstEntered, type JobInputs, jobInputs } from 'certune/prove';
import { type Circuits, type RecursionClass, recursionKeys, runClass } from 'certune/recursion';
import { runOf, stateCommitment, zeroAccumulators } from 'certune/run';
import { makePlan, type ProofOptions } from 'certune/tensor';
import { root } from '../fixtures.js';
import type { Artifact, Key, Sample } from './artifact.js';
import { Random } from './random.js';

/** Weak parameters: how many queries a proof has does not matter to what a query shows. */
export const WEAK: ProofOptions = { bits: 30, grinding: 3, rate: 2, stateRate: 3 };
const KEY_WORDS = [
  [11n, 12n, 13n, 14n],
  [21n, 22n, 23n, 24n],
] as const;
/** Rows of the dataset, and of a batch where a batch has them all. */
export const ROWS = 4;

const decimal = (words: readonly (string | number | bigint)[]): bigint[] => words.map((w) => BigInt.asUintN(64, BigInt(w)));

/** Circuits of a run, and the class whose end its nodes have. */
type EndCircuits = Circuits & { readonly last: RecursionClass };

/**
 * Setups of a run in the private mode, by seed and key. `last`: the class whose end its nodes have, by default their
 * own.
 */
export class Runs {
  readonly k: Kernels = singleKernels();
  #circuits?: EndCircuits;
  readonly #data: string;
  constructor(
    readonly folder: string,
    readonly rows: number,
    readonly steps: number,
    readonly batch: number,
    readonly options = WEAK,
    readonly last = (c: RecursionClass): RecursionClass => c,
  ) {
    mkdirSync(folder, { recursive: true });
    this.#data = join(folder, `rows-${rows}.jsonl`);
    const lines = readFileSync(join(root, 'test/data/pairs.jsonl'), 'utf8').trim().split('\n');
    writeFileSync(this.#data, `${lines.slice(0, rows).join('\n')}\n`);
  }

  setup(seed: number, key: Key): Setup {
    const random = new Random(31 * seed + 5),
      config = runSchema.parse({
        version: 1,
        base: { path: join(root, 'test/data/tiny') },
        data: [{ path: this.#data }],
        lora: { r: 1, targets: ['v_proj'] },
        train: { steps: this.steps, batch: this.batch, microBatch: this.batch, sequence: 8, learningRate: 0.003, warmup: 0 },
        sampler: { mode: 'private' },
        proof: { bits: 100 },
        numbers: { preset: 'small' },
      }),
      s = setup(config, random.elements(4), { key: [...KEY_WORDS[key]], blind: random.elements(4) }),
      plan = makePlan(s.run.programs.program, this.options),
      run = runOf(s.run.manifest, { ...s.run.programs, plan });
    return { ...s, run };
  }

  /** Circuits of all of these runs: their shape does not depend on key, salt or blind. */
  circuits(s: Setup): EndCircuits {
    if (!this.#circuits) {
      const t = performance.now(),
        zeroAcc = zeroAccumulators(s.run.programs),
        cls = runClass(s.run, zeroAcc, this.options),
        last = this.last(cls),
        keys = recursionKeys(this.k, last);
      this.#circuits = { cls, last, keys, zeroAcc, digest: '', seconds: (performance.now() - t) / 1000 };
    }
    return this.#circuits;
  }

  inputs(s: Setup): JobInputs {
    return jobInputs(s.run, s.inputs, this.circuits(s));
  }
}

/** What anybody sees of a run beside its proof. */
function files(runs: Runs, seed: number, key: Key): Sample {
  const s = runs.setup(seed, key),
    { manifest } = s.run,
    losses: bigint[] = [];
  let state = s.inputs.initial;
  for (let t = 0; t < runs.steps; t++) {
    const r = runs.k.scope(() => runStep(runs.k, s.run, s.inputs, t, state));
    losses.push(...r.losses);
    state = r.after;
  }
  return {
    publics: [...decimal(manifest.dataset.root), ...decimal(manifest.dataset.key ?? [])],
    proof: [...decimal(losses), ...decimal([...state.C])],
  };
}

type Recursion = ReturnType<typeof recursionOf>;
type Node = Parameters<Recursion['end']>[0];

/** The leaf of the first step, from a proof of it. */
export function firstLeaf(s: Setup, inputs: JobInputs, r: Recursion, k: Kernels, proof: Parameters<Recursion['leaf']>[2][number]): Node {
  const start = { ...firstEntered(inputs.policy), s: k.scope(() => stateCommitment(k, s.run.programs, 'sIn', s.inputs.initial)) },
    [range] = r.leaves(0, 1);
  return r.leaf(start, range, [proof]).node;
}

/** Artifacts of the first step of a run: the step's proof, its leaf's, the end's, and what the end states. */
const NAMES = ['step', 'leaf', 'statement', 'end'] as const;
type Name = (typeof NAMES)[number];
type Proofs = Partial<Record<Name, Sample>>;
function proofs(runs: Runs, seed: number, key: Key, upTo: 'step' | 'end'): Proofs {
  const { k } = runs,
    s = runs.setup(seed, key),
    { manifest } = s.run,
    publics = [...decimal(manifest.dataset.root), ...decimal(manifest.dataset.key ?? [])],
    timed = <T>(f: () => T): [T, number] => {
      const t = performance.now(),
        v = k.scope(f);
      return [v, (performance.now() - t) / 1000];
    },
    sample = (proof: Iterable<bigint>, seconds: number): Sample => ({ publics, proof: [...proof], seconds }),
    { digest } = k.scope(() => frozenOf(k, s.run.programs, s.inputs.base)),
    [made, stepSeconds] = timed(() => proveStep(k, s.run, s.inputs, 0, s.inputs.initial, digest)),
    step = sample(made.proof.parts[0].proof, stepSeconds);
  if (upTo === 'step') return { step };
  const inputs = runs.inputs(s),
    r = recursionOf(k, inputs),
    start = { ...firstEntered(inputs.policy), s: k.scope(() => stateCommitment(k, s.run.programs, 'sIn', s.inputs.initial)) },
    [range] = r.leaves(0, 1),
    [{ node }, leafSeconds] = timed(() => r.leaf(start, range, [made.proof])),
    [end, endSeconds] = timed(() => r.end(node));
  return {
    step,
    leaf: sample(node.proof, leafSeconds),
    statement: sample(end.statement, endSeconds),
    end: sample(end.proof, endSeconds),
  };
}

/** A prover without randomness of its own: what the witness says of a proof is the proof made again. */
class Deterministic {
  readonly #made = new Map<string, Proofs>();
  constructor(readonly runs: Runs) {}
  #once(which: 'made' | 'predicted', seed: number, key: Key, upTo: 'step' | 'end'): Proofs {
    const at = [which, seed, key, upTo].join(),
      known = this.#made.get(at) ?? proofs(this.runs, seed, key, upTo);
    this.#made.set(at, known);
    return known;
  }
  artifact(name: Name, what: string, samples: number): Artifact {
    const upTo = name === 'step' ? 'step' : 'end';
    return {
      name,
      what,
      leaks: true,
      samples,
      make: (seed, key) => this.#once('made', seed, key, upTo)[name]!,
      // Publics hold the commitment to the key, which whoever knows its blind could open: they count for nothing.
      predict: (seed, key, seen) => {
        const s = this.#once('predicted', seed, key, upTo)[name]!;
        return [...seen.publics.map(() => undefined), ...s.proof];
      },
    };
  }
}

/** What leaves the prover's hands today, and what stays with it. `folder` holds the rows. */
export function todays(folder: string): Artifact[] {
  const cut = new Runs(folder, 12, 3, 4),
    whole = new Deterministic(new Runs(folder, ROWS, 1, ROWS));
  return [
    {
      name: 'files',
      what: 'losses of all micro-batches and the adapter, in run.certune and beside it',
      leaks: true,
      samples: 30,
      make: (seed, key) => files(cut, seed, key),
      predict: (seed, key, seen) => [...seen.publics.map(() => undefined), ...files(cut, seed, key).proof],
    },
    whole.artifact('step', 'proof of a step: stays with the prover', 12),
    whole.artifact('leaf', 'proof of a leaf: stays with the prover', 6),
    whole.artifact('statement', 'statement of the last proof, in run.certune', 6),
    whole.artifact('end', 'last proof, in run.certune', 6),
  ];
}
