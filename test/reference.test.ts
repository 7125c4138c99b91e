import { describe, expect, it } from 'vitest';
import { singleKernels } from '../src/kernels/index.js';
import { frozenIntegers, quantizeBase } from '../src/model/base.js';
import { llamaProgram } from '../src/model/llama.js';
import { DEFAULT_NUMBERS } from '../src/model/shape.js';
import { type AdapterState, batchInputs, initialState, stepInputs, targetCount, unflattenGroup } from '../src/model/step.js';
import { adamConstants } from '../src/optim/constants.js';
import { scheduleRows } from '../src/run/schedule.js';
import { IntegerReading } from '../src/tensor/integer.js';
import type { Program } from '../src/tensor/types.js';
import { RUNS, STORIES, STORIES_ROPE, microBatches, peftRuns, readAdapter, readRun, storiesBase, storiesWeights } from './stories.js';

/**
 * Runs the integer reading on all steps of a PyTorch + PEFT run: losses, and the cosine of the total update against
 * each snapshot.
 */
function compare(name: string, snapshots: readonly number[]) {
  const run = readRun(name),
    { ints, bits } = quantizeBase(storiesWeights()),
    k = singleKernels();
  const sequence = run.batches[0].tokens[0].length,
    batch = run.batches[0].tokens.length / run.microBatches;
  const options = {
    shape: STORIES,
    numbers: DEFAULT_NUMBERS,
    weightBits: bits,
    batch,
    sequence,
    lora: { r: run.rank, targets: run.targets, scaling: run.alpha / run.rank },
    adam: adamConstants(run.betas, run.clip),
  };
  const program = llamaProgram({ ...options, kind: run.microBatches > 1 ? 'micro' : 'step' }),
    update = run.microBatches > 1 ? llamaProgram({ ...options, kind: 'update' }) : undefined;
  const frozen = frozenIntegers(STORIES, ints, STORIES_ROPE, sequence),
    rows = scheduleRows({ ...run, steps: run.steps.length });
  const start = readAdapter(name, 'adapter_step0', run.targets);
  let state: AdapterState = initialState(
    program,
    new Map([...start].map(([n, v]) => [n, BigInt64Array.from(v, (x) => BigInt(Math.round(x * 2 ** 30)))])),
  );
  const losses: number[] = [],
    cosines: number[] = [];
  run.steps.forEach((want, s) => {
    const micros = microBatches(run, s),
      count = micros.reduce((n, b) => n + targetCount(b, sequence), 0);
    expect(count).toBe(want.targets);
    expect(Math.abs(Number(rows[s].lr) / 2 ** 96 - want.learningRate)).toBeLessThan(1e-15);
    let acc: BigInt64Array = new BigInt64Array(program.axes['P']),
      loss = 0n;
    const go = (p: Program, publics: ReturnType<typeof batchInputs>): void => {
      const m = k.mark(),
        r = new IntegerReading(k, p, stepInputs(p, frozen, state, publics, rows[s], count, run.clip, s, acc));
      r.run();
      // Once per run the values satisfy every constraint: equations, and all lookups (`keys` throws outside a range or
      // table).
      if (s === 0) {
        expect(r.violated()).toBeUndefined();
        for (const c of p.constraints)
          if (c.kind !== 'zero') {
            const mm = k.mark();
            r.keys(c);
            k.release(mm);
          }
      }
      if (p !== update) loss += r.read('loss')[0];
      if (p.name === 'llama-micro') acc = r.read('acc2');
      else state = { C: r.read('C2'), master: r.read('master2'), mm: r.read('mm2'), vv: r.read('vv2') };
      k.release(m);
    };
    for (const b of micros) go(program, batchInputs(b, batch, sequence));
    if (update) go(update, new Map());
    losses.push(Number(loss) / 2 ** DEFAULT_NUMBERS.headFrac / count);
    if (snapshots.includes(s + 1)) cosines.push(cosine(program, start, state, readAdapter(name, `adapter_step${s + 1}`, run.targets)));
  });
  return { losses, want: run.steps.map((x) => x.loss), cosines };
}

/** Of the changes since `start` over all tensors together. */
function cosine(
  program: Program,
  start: ReadonlyMap<string, Float64Array>,
  state: AdapterState,
  want: ReadonlyMap<string, Float64Array>,
): number {
  const got = unflattenGroup(program, 'cIn', 'C', state.master);
  let dot = 0,
    a = 0,
    c = 0;
  for (const [n, w] of want) {
    const g = got.get(`C.${n}`)!,
      s0 = start.get(n)!;
    w.forEach((x, i) => {
      const u = x - s0[i],
        v = Number(g[i]) / 2 ** 30 - s0[i];
      dot += u * v;
      a += u * u;
      c += v * v;
    });
  }
  return dot / Math.sqrt(a * c);
}

describe.skipIf(!storiesBase || !peftRuns)(
  'integer reading against PyTorch and PEFT (fixtures data/stories260k, vectors/lora-adamw-peft)',
  () => {
    it.each(RUNS)('%s: loss within 0.05%% at every step, cosine of the total update at least 0.9999', (name, snapshots) => {
      const r = compare(name, snapshots),
        off = r.losses.map((x, s) => Math.abs(x / r.want[s] - 1));
      console.log(name, 'steps', r.losses.length, 'cosines', r.cosines, 'largest loss difference', Math.max(...off));
      off.forEach((x, s) => expect(x, `step ${s}: ${r.losses[s]} against ${r.want[s]}`).toBeLessThan(0.0005));
      expect(snapshots.at(-1)).toBe(r.losses.length);
      expect(r.cosines.at(-1), 'total update').toBeGreaterThanOrEqual(0.9999);
      // AdamW's first step is lr sign(g) almost everywhere: an entry whose gradient is below the rounding may point the
      // other way.
      for (const [i, c] of r.cosines.entries())
        expect(c, `after step ${snapshots[i]}`).toBeGreaterThanOrEqual(snapshots[i] === 1 ? 0.998 : 0.9999);
    });
  },
);
