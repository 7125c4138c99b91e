import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { type NodeFile, encodeFolded, encodeNode } from '../src/artifact/folded.js';
import { singleKernels, threadedKernels } from '../src/kernels/index.js';
import { enteredAt } from '../src/prove/entered.js';
import { type LeafStart, leafNode } from '../src/prove/leaf.js';
import { endOf, foldNodes, leafLosses, proveRange } from '../src/prove/range.js';
import { jobInputs, policyWitness, recursionOf } from '../src/prove/recursion.js';
import { proveStep } from '../src/prove/step.js';
import type { Keeper } from '../src/prove/tree.js';
import type { TreeNode } from '../src/prove/tree-shape.js';
import { type Circuits, runClass } from '../src/recursion/circuits.js';
import { keyDigest } from '../src/recursion/key.js';
import { recursionKeys } from '../src/recursion/keys.js';
import { frozenOf, stateCommitment, stateSalt, zeroAccumulators } from '../src/run/commitments.js';
import { type Run, epochBatches } from '../src/run/facts.js';
import type { StepProof } from '../src/run/parts.js';
import { runSchema } from '../src/run/schema.js';
import { setup } from '../src/setup/run.js';
import { makePlan } from '../src/tensor/plan.js';
import { QUICK } from './kit.js';
import { setSmall } from './run-settings.js';

/*
 * Leaf, fold and end as jobs: functions of their inputs, in any order, each with kernels of its own. Ranges from
 * checkpoints, each in a process of its own.
 */

const path = (p: string): string => fileURLToPath(new URL(`./data/${p}`, import.meta.url));

/** Keeps everything, and nothing but the result counts. */
class Memory implements Keeper<StepProof, NodeFile> {
  readonly steps = new Map<number, StepProof>();
  readonly nodes = new Map<string, NodeFile>();
  loadStep(s: number): StepProof | undefined {
    return this.steps.get(s);
  }
  saveStep(s: number, p: StepProof): void {
    this.steps.set(s, p);
  }
  dropSteps(): void {}
  loadNode(): undefined {}
  saveNode({ from, to }: TreeNode, n: NodeFile): void {
    this.nodes.set(`${from}-${to}`, n);
  }
  dropInside(): void {}
}
const bytes = (n: NodeFile): string => Buffer.from(encodeNode(n)).toString('hex');

describe('the jobs of a run', () => {
  it('in another order, each with kernels and inputs of its own, give the same nodes and the same file', async () => {
    const full = setup(
        runSchema.parse({
          version: 1,
          base: { path: path('tiny') },
          data: [{ path: path('pairs.jsonl'), language: 'fr' }],
          lora: { r: 2, alpha: 4, targets: ['q_proj'] },
          train: { steps: 2, batch: 4, microBatch: 2, sequence: 12, learningRate: 0.002, warmup: 0 },
          policy: { bins: [{ name: 'french', where: { language: ['fr'] }, examples: { max: 50 } }] },
          proof: { bits: 100 },
          numbers: { preset: 'small' },
        }),
        [1n, 2n, 3n, 4n],
      ),
      { inputs } = full,
      all = full.run.programs;
    // Weak parameters: what is tested is what the jobs depend on.
    const programs = {
        ...all,
        plan: makePlan(all.program, QUICK),
        update: { ...all.update!, plan: makePlan(all.update!.program, QUICK) },
      },
      run: Run = { ...full.run, programs },
      k = await threadedKernels({ threads: 2 }),
      zeroAcc = zeroAccumulators(programs),
      cls = runClass(run, zeroAcc, QUICK),
      keys = recursionKeys(k, cls),
      circuits: Circuits = { cls, keys, zeroAcc, digest: keyDigest(keys.published), seconds: 0 },
      states = [inputs.initial],
      targets = (t: number): number => inputs.data.batches[t].targets,
      frozen = k.scope(() => frozenOf(k, programs, inputs.base).digest);

    const kept = new Memory(),
      passage = { run, data: inputs.data, policy: policyWitness(run, inputs.data) },
      losses = (t: number): bigint[] => kept.steps.get(t)!.parts.map((p) => p.loss),
      started: number[] = [],
      start = (step: number, part = 0): LeafStart => ({
        ...enteredAt(passage, losses, { step, part }),
        s: singleKernels().scope(() => stateCommitment(k, programs, 'sIn', states[step], stateSalt(run, inputs.data, step))),
      }),
      r = recursionOf(k, jobInputs(run, inputs, circuits));
    const whole = proveRange({
        keep: () => kept,
        recursion: r,
        from: 0,
        to: 2,
        perEpoch: epochBatches(run.manifest),
        step: (t) => {
          const { proof, after } = proveStep(k, run, inputs, t, states[t], frozen);
          states[t + 1] = after;
          return proof;
        },
        start: (t) => {
          started.push(t);
          return start(t);
        },
        targets,
        watch: { again: () => {} },
      }),
      file = Buffer.from(encodeFolded(endOf(r, whole))).toString('hex');
    expect(started).toEqual([0]);

    // Each leaf alone, the last one first: a leaf inside a step begins with that step, and takes what lies before it in
    // the step from the step's proof.
    const ranges = r.leaves(0, 2),
      leaves = new Map<number, NodeFile>();
    expect(ranges.map((x) => [x.from.step, x.from.part])).toEqual([
      [0, 0],
      [0, 2],
      [1, 0],
      [1, 2],
    ]);
    for (const i of [3, 0, 2, 1]) {
      const own = singleKernels(),
        { from, to, parts } = ranges[i],
        proofs = [...new Set(parts.map((p) => p.step))].map((t) => kept.steps.get(t)!),
        { node, after, epochs } = own.scope(() => leafNode(own, jobInputs(run, inputs, circuits), start(from.step), ranges[i], proofs));
      leaves.set(i, {
        manifest: run.manifest,
        key: r.key,
        from,
        to,
        losses: leafLosses(ranges[i], proofs, targets),
        epochs,
        ...node,
      });
      expect(bytes(leaves.get(i)!), `leaf ${i}`).toBe(bytes(kept.nodes.get(`${i}-${i + 1}`)!));
      // Where it ends the next one begins, inside a step too.
      expect(after).toEqual(start(to.step, to.part));
      for (const wrong of [{ step: 7 }, { part: from.part + 1 }])
        expect(() => leafNode(own, jobInputs(run, inputs, circuits), { ...start(from.step), ...wrong }, ranges[i], proofs)).toThrow(
          RangeError,
        );
      expect(() => leafNode(own, jobInputs(run, inputs, circuits), start(from.step), ranges[i], [])).toThrow(/has no proof of step/);
    }
    // Folds and the end: the right pair first.
    const fold = (a: NodeFile, b: NodeFile): NodeFile => {
        const own = singleKernels();
        return foldNodes(recursionOf(own, jobInputs(run, inputs, circuits)), a, b);
      },
      right = fold(leaves.get(2)!, leaves.get(3)!),
      left = fold(leaves.get(0)!, leaves.get(1)!),
      node = fold(left, right);
    expect([left, right, node].map(bytes)).toEqual(['0-2', '2-4', '0-4'].map((x) => bytes(kept.nodes.get(x)!)));
    const own = singleKernels();
    expect(Buffer.from(encodeFolded(endOf(recursionOf(own, jobInputs(run, inputs, circuits)), node))).toString('hex')).toBe(file);
    k.close();
  });
});

describe('a range from a checkpoint', () => {
  const root = fileURLToPath(new URL('..', import.meta.url)),
    home = mkdtempSync(join(tmpdir(), 'certune-jobs-'));
  afterAll(() => rmSync(home, { recursive: true, force: true }));
  // biome-ignore lint/suspicious/noExplicitAny: a document of the command line, whose fields each test names
  type Json = Record<string, any>;
  const ok = (...args: string[]): Json => {
    const p = spawnSync(process.execPath, [join(root, 'bin/certune.js'), ...args, '--json'], { encoding: 'utf8', maxBuffer: 2 ** 26 });
    expect(`${p.status} ${p.stdout} ${p.status ? p.stderr : ''}`).toMatch(/^0 /);
    return JSON.parse(p.stdout) as Json;
  };
  const journal = (run: string): string[] =>
      readdirSync(join(run, 'out/journal'))
        .filter((f) => f.endsWith('.bin'))
        .sort(),
    names = (kind: string, ...steps: number[]): string[] => steps.map((t) => `${kind}-${String(t).padStart(5, '0')}.bin`);

  it('is the same to the last bit; only the steps since the checkpoint are trained again', () => {
    const every = join(home, 'every'),
      thin = join(home, 'thin'),
      far = join(home, 'far');
    ok('init', every, '--model', path('tiny'), '--data', path('pairs.jsonl'));
    setSmall(every, { steps: 5, batch: 4, microBatch: 4 });
    ok('commit', every);
    cpSync(every, thin, { recursive: true });
    const losses = ok('train', every)['losses'] as number[];
    expect(journal(every)).toEqual(names('step', 0, 1, 2, 3, 4, 5));
    expect(ok('train', thin, '--keep-every', '2')).toMatchObject({ losses, found: 0 });
    expect(journal(thin)).toEqual([...names('checkpoint', 0, 2, 4, 5), ...names('step', 0, 2, 4, 5)]);
    const adapter = (run: string): Buffer => readFileSync(join(run, 'out/adapter/adapter_model.safetensors'));
    expect(adapter(thin)).toEqual(adapter(every));

    // Training goes on from the last checkpoint that is whole, in the same steps, with the same losses.
    cpSync(thin, far, { recursive: true });
    for (const f of [...names('checkpoint', 5), ...names('step', 5)]) rmSync(join(far, 'out/journal', f));
    expect(ok('train', far)).toMatchObject({ losses, found: 4 });
    expect(journal(far)).toEqual(journal(thin));
    for (const f of journal(thin)) expect(readFileSync(join(far, 'out/journal', f)), f).toEqual(readFileSync(join(thin, 'out/journal', f)));

    const range = (run: string): Buffer => readFileSync(join(run, 'out/proof/steps-3-4.certune'));
    expect(ok('prove', every, '--steps', '3..4')).toMatchObject({ proved: 1, trained: 0 });
    // A machine that has one checkpoint and the state there.
    for (const f of journal(far)) if (!/-00002/.test(f)) rmSync(join(far, 'out/journal', f));
    expect(ok('prove', far, '--steps', '3..4')).toMatchObject({ proved: 1, trained: 1 });
    expect(range(far)).toEqual(range(every));
    // A checkpoint whose state is lost is stepped over, and said: the one before it is used, and the range is the same.
    const lost = join(home, 'lost');
    cpSync(thin, lost, { recursive: true });
    for (const f of names('step', 2)) rmSync(join(lost, 'out/journal', f));
    const over = spawnSync(process.execPath, [join(root, 'bin/certune.js'), 'prove', lost, '--steps', '3..4', '--json'], {
      encoding: 'utf8',
    });
    expect([over.status, over.stderr]).toEqual([0, expect.stringContaining('the state before step 2 is missing or damaged')]);
    expect(JSON.parse(over.stdout)).toMatchObject({ proved: 1, trained: 3 });
    expect(range(lost)).toEqual(range(every));
    // A checkpoint that is damaged is passed over, and said: the losses that it would have saved are trained again, but
    // for the step that leads to a state that is kept.
    writeFileSync(join(thin, 'out/journal/checkpoint-00002.bin'), 'torn');
    expect(ok('prove', thin, '--steps', '3..4')).toMatchObject({ proved: 1, trained: 2 });
    expect(range(thin)).toEqual(range(every));
    // Without any there is nothing to begin with.
    for (const f of journal(far)) rmSync(join(far, 'out/journal', f));
    rmSync(join(far, 'out/proof'), { recursive: true });
    const p = spawnSync(process.execPath, [join(root, 'bin/certune.js'), 'prove', far, '--steps', '3..4', '--json'], { encoding: 'utf8' });
    expect([p.status, p.stdout]).toEqual([3, expect.stringMatching(/the state before step \d is missing or damaged.*certune train/)]);
  });
});
