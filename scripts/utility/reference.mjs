// npm run utility -- reference: docs/utility/reference.md, both readings against the PyTorch and PEFT runs of the fixtures.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { singleKernels } from '../../dist/kernels/index.js';
import { frozenIntegers, quantizeBase, ropeTables } from '../../dist/model/base.js';
import { DEFAULT_NUMBERS, llamaProgram, weightFrac } from '../../dist/model/index.js';
import { batchInputs, initialState, stepInputs, targetCount, unflattenGroup } from '../../dist/model/step.js';
import { adamConstants } from '../../dist/optim/constants.js';
import { adamFloatState, adamFloatStep } from '../../dist/optim/reference.js';
import { scheduleRows } from '../../dist/run/schedule.js';
import { IntegerReading } from '../../dist/tensor/integer.js';
import { RoundedReading, roundedTensors } from './formats.mjs';
import { fixtures, out, save, stories } from './lib.mjs';
import { flatMembers } from './members.mjs';

export const RUNS = { 'all-rank8': [1, 10, 50], 'qv-rank4': [1, 10], 'schedule-accumulation': [1, 12] };

/** F64 tensors of a safetensors fixture. */
function tensors(path) {
  const b = readFileSync(path),
    n = Number(b.readBigUInt64LE(0)),
    header = JSON.parse(b.subarray(8, 8 + n).toString());
  return new Map(
    Object.entries(header)
      .filter(([k]) => k !== '__metadata__')
      .map(([k, t]) => {
        const raw = b.subarray(8 + n + t.data_offsets[0], 8 + n + t.data_offsets[1]);
        return [k, new Float64Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength))];
      }),
  );
}
const module = (t) => (['gate_proj', 'up_proj', 'down_proj'].includes(t) ? 'mlp' : 'self_attn');
export function adapter(layers, name, file, targets) {
  const f = tensors(join(fixtures, 'vectors/lora-adamw-peft', name, `${file}.safetensors`)),
    m = new Map();
  for (const t of targets)
    for (const ab of ['A', 'B']) {
      const parts = [...Array(layers).keys()].map((l) => f.get(`base_model.model.model.layers.${l}.${module(t)}.${t}.lora_${ab}.weight`));
      m.set(`C.${t}.${ab}`, Float64Array.from(parts.flatMap((p) => [...p])));
    }
  return m;
}
function compare(got, want, start) {
  let dot = 0,
    a = 0,
    c = 0,
    most = 0;
  for (const [n, w] of want) {
    const g = got.get(n),
      s = start.get(n);
    for (let i = 0; i < w.length; i++) {
      const u = w[i] - s[i],
        v = g[i] - s[i];
      dot += u * v;
      a += u * u;
      c += v * v;
      most = Math.max(most, Math.abs(g[i] - w[i]));
    }
  }
  return { cosine: dot / Math.sqrt(a * c), most };
}

function one(k, base, name, snapshots) {
  const m = k.mark(),
    run = JSON.parse(readFileSync(join(fixtures, 'vectors/lora-adamw-peft', name, 'run.json'), 'utf8')),
    { shape } = base,
    { ints, bits } = quantizeBase(base.weights),
    sequence = run.batches[0].tokens[0].length,
    batch = run.batches[0].tokens.length / run.microBatches;
  const options = {
    shape,
    numbers: DEFAULT_NUMBERS,
    weightBits: bits,
    batch,
    sequence,
    lora: { r: run.rank, targets: run.targets, scaling: run.alpha / run.rank },
    adam: adamConstants(run.betas, run.clip),
  };
  const program = llamaProgram({ ...options, kind: 'micro' }),
    update = llamaProgram({ ...options, kind: 'update' }),
    frozen = frozenIntegers(shape, ints, base.rope, sequence),
    rows = scheduleRows({ ...run, steps: run.steps.length }),
    start = adapter(shape.layers, name, 'adapter_step0', run.targets),
    rope = ropeTables(shape.headDim, sequence, base.rope).real,
    P = program.axes.P;
  const micros = (s) => {
    const b = run.batches[s];
    return [...Array(run.microBatches).keys()].map((q) => ({
      tokens: b.tokens.slice(q * batch, (q + 1) * batch).map((x) => Int32Array.from(x)),
      mask: b.mask.slice(q * batch, (q + 1) * batch).map((x) => Uint8Array.from(x)),
    }));
  };
  let state = initialState(
    program,
    new Map([...start].map(([n, v]) => [n.slice(2), BigInt64Array.from(v, (x) => BigInt(Math.round(x * 2 ** 30)))])),
  );
  const reading = new RoundedReading(
    k,
    program,
    new Map([
      ...base.weights,
      ['ropeQ', rope.ropeQ],
      ['ropeK', rope.ropeK],
      ...start,
      ...batchInputs(micros(0)[0], batch, sequence),
      ['acc', new Float64Array(P)],
    ]),
  );
  /** Sum of gradients and mean loss of a step's micro-batches in the float reading. */
  const floatGradient = (s, theta) => {
    if (theta) reading.setInput('C', theta);
    let acc = new Float64Array(P),
      loss = 0,
      count = 0;
    for (const b of micros(s)) {
      reading.setInput('acc', acc);
      for (const [n, v] of batchInputs(b, batch, sequence)) reading.setInput(n, v);
      reading.run();
      acc = reading.read('acc2');
      loss += reading.read('loss')[0];
      count += targetCount(b, sequence);
    }
    return { acc, loss: loss / count, count };
  };
  const table = [],
    thetas = [];
  let float;
  const off = { floatLoss: 0, intLoss: 0, floatNorm: 0, intNorm: 0 };
  run.steps.forEach((want, s) => {
    // Integers.
    let acc = new BigInt64Array(P),
      intLoss = 0n,
      count = 0;
    const go = (p, publics) => {
      const mm = k.mark(),
        r = new IntegerReading(k, p, stepInputs(p, frozen, state, publics, rows[s], want.targets, run.clip, s, acc));
      r.run();
      if (p === program) {
        acc = r.read('acc2');
        intLoss += r.read('loss')[0];
      } else state = { C: r.read('C2'), master: r.read('master2'), mm: r.read('mm2'), vv: r.read('vv2') };
      k.release(mm);
    };
    for (const b of micros(s)) {
      go(program, batchInputs(b, batch, sequence));
      count += targetCount(b, sequence);
    }
    const intNorm = Math.sqrt(acc.reduce((n, x) => n + (Number(x) / 2 ** 24 / count) ** 2, 0));
    go(update, new Map());
    // Float64.
    const f = floatGradient(s, float?.theta);
    float ??= adamFloatState(reading.read('C'));
    thetas.push(float.theta.slice());
    const norm = adamFloatStep(float, f.acc, {
      lr: want.learningRate,
      betas: run.betas,
      epsilon: run.epsilon,
      weightDecay: run.weightDecay,
      clip: run.clip,
      count: f.count,
    });
    const il = Number(intLoss) / 2 ** DEFAULT_NUMBERS.headFrac / count,
      rel = (x, y) => Math.abs(x / y - 1);
    off.floatLoss = Math.max(off.floatLoss, rel(f.loss, want.loss));
    off.intLoss = Math.max(off.intLoss, rel(il, want.loss));
    off.floatNorm = Math.max(off.floatNorm, rel(norm, want.gradNorm));
    off.intNorm = Math.max(off.intNorm, rel(intNorm, want.gradNorm));
    if (!snapshots.includes(s + 1)) return;
    const target = adapter(shape.layers, name, `adapter_step${s + 1}`, run.targets),
      real = new Map(
        [...unflattenGroup(program, 'cIn', 'C', state.master)].map(([n, v]) => [n, Float64Array.from(v, (x) => Number(x) / 2 ** 30)]),
      ),
      floats = flatMembers(program, float.theta);
    table.push({
      step: s + 1,
      loss: want.loss,
      norm: want.gradNorm,
      floatLoss: f.loss / want.loss - 1,
      intLoss: il / want.loss - 1,
      floatNorm: norm / want.gradNorm - 1,
      intNorm: intNorm / want.gradNorm - 1,
      float: compare(floats, target, start),
      int: compare(real, target, start),
      formats: compare(real, floats, start),
    });
  });
  // The update alone: exact gradients, rounded to the accumulator's format, into the integer update.
  let own = initialState(
      program,
      new Map([...start].map(([n, v]) => [n.slice(2), BigInt64Array.from(v, (x) => BigInt(Math.round(x * 2 ** 30)))])),
    ),
    theta = thetas[0];
  run.steps.forEach((want, s) => {
    const { acc } = floatGradient(s, theta),
      mm = k.mark(),
      ints = BigInt64Array.from(acc, (x) => BigInt(Math.round(x * 2 ** 24))),
      r = new IntegerReading(k, update, stepInputs(update, frozen, own, new Map(), rows[s], want.targets, run.clip, s, ints));
    r.run();
    own = { C: r.read('C2'), master: r.read('master2'), mm: r.read('mm2'), vv: r.read('vv2') };
    theta = Float64Array.from(own.master, (x) => Number(x) / 2 ** 30);
    k.release(mm);
  });
  const updateOnly = compare(flatMembers(program, theta), flatMembers(program, float.theta), start);
  // Shares: each rounding alone, the squared relative error of the gradient of each adapter matrix, averaged.
  const at = [0, 1, run.steps.length - 1],
    shares = new Map(),
    exact = at.map((s) => floatGradient(s, thetas[s])),
    members = (x) => flatMembers(program, x);
  const measure = (which, weights) => {
    reading.which = which;
    for (const [n, v] of [...base.weights, ...Object.entries(rope)])
      reading.setInput(n, weights?.(n) ? v.map((x) => Math.floor(x * 2 ** weightFrac(n) + 0.5) / 2 ** weightFrac(n)) : v);
    let e = 0,
      c = 0,
      loss = 0;
    at.forEach((s, i) => {
      const g = floatGradient(s, thetas[s]),
        a = members(exact[i].acc);
      loss += (g.loss / exact[i].loss - 1) ** 2 / at.length;
      for (const [n, v] of members(g.acc)) {
        const w = a.get(n),
          per = v.length / shape.layers;
        for (let l = 0; l < shape.layers; l++) {
          let d = 0,
            y = 0;
          for (let q = l * per; q < (l + 1) * per; q++) {
            d += (v[q] - w[q]) ** 2;
            y += w[q] ** 2;
          }
          if (y > 0) {
            e += d / y;
            c++;
          }
        }
      }
    });
    return { gradient: e / c, loss };
  };
  const all = measure(
    () => true,
    () => true,
  );
  for (const n of roundedTensors(program))
    shares.set(
      n,
      measure((x) => x === n),
    );
  shares.set(
    'weights',
    measure(
      () => false,
      (n) => !n.startsWith('rope'),
    ),
  );
  shares.set(
    'rope',
    measure(
      () => false,
      (n) => n.startsWith('rope'),
    ),
  );
  k.release(m);
  const frac = (n) => program.tensors.find((t) => t.name === n)?.frac;
  return { name, table, off, all, updateOnly, shares: [...shares].map(([n, v]) => ({ name: n, frac: frac(n), ...v })) };
}

const e = (x) => (x === 0 ? '0' : x.toExponential(1)),
  c = (x) => (1 - x < 1e-12 ? '1 - <1e-12' : `1 - ${(1 - x).toExponential(1)}`);

export async function reference() {
  const { base } = stories(),
    k = singleKernels(),
    runs = [];
  for (const [name, snapshots] of Object.entries(RUNS)) {
    console.log(name);
    runs.push(one(k, base, name, snapshots));
  }
  k.close();
  save(join(out, 'reference.json'), `${JSON.stringify(runs, null, 1)}\n`);
  const lines = [
    '# Against PyTorch and PEFT',
    '',
    'Written by `npm run utility -- reference` from the fixtures `vectors/lora-adamw-peft` (PyTorch 2.13, transformers 5.18, PEFT 0.21, all in float64) over stories260k. The float',
    'reading is the program on real numbers with the original float32 weights; the integer reading is what is proven, on its own trajectory. Differences of loss and gradient norm are relative and signed; the parameter',
    'difference is the largest of all adapter entries. Cosines are of the total update since step 0. "Formats" compares the integer with the float reading: what differs there is due to rounding, formats, tables and integer AdamW alone,',
    'and the float reading bounds all the rest.',
    '',
    '| run, step | loss | float | integers | gradient norm | float | integers | cosine, float | integers | formats | largest parameter difference, float | integers | formats |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
  ];
  for (const r of runs)
    for (const t of r.table)
      lines.push(
        `| ${r.name}, ${t.step} | ${t.loss.toFixed(6)} | ${e(t.floatLoss)} | ${e(t.intLoss)} | ${t.norm.toFixed(5)} | ${e(t.floatNorm)} | ${e(t.intNorm)} | ${c(t.float.cosine)} | ${c(t.int.cosine)} | ${c(t.formats.cosine)} | ${e(t.float.most)} | ${e(t.int.most)} | ${e(t.formats.most)} |`,
      );
  lines.push(
    '',
    'Largest differences over all steps of a run:',
    '',
    '| run | loss, float | integers | gradient norm, float | integers |',
    '| --- | --- | --- | --- | --- |',
  );
  for (const r of runs)
    lines.push(`| ${r.name} | ${e(r.off.floatLoss)} | ${e(r.off.intLoss)} | ${e(r.off.floatNorm)} | ${e(r.off.intNorm)} |`);
  lines.push(
    '',
    "AdamW's first step is lr sign(g): an entry whose gradient is smaller than its rounding error turns round entirely, which makes cosines after one step lower than those of the whole run, and the largest parameter difference twice the learning rate.",
    '',
    '## Shares of the formats',
    '',
    'Each tensor rounded alone in the float reading (steps 1, 2 and the last, on the float trajectory): its part of the sum of squared relative errors of the gradients of all adapter matrices, and of the loss. Below 2% in all columns: left out.',
    '',
    `| tensor (fraction) | ${runs.flatMap((r) => [`${r.name}: gradient`, 'loss']).join(' | ')} |`,
    `| --- | ${runs.flatMap(() => ['---', '---']).join(' | ')} |`,
  );
  const sums = runs.map((r) => ({
      gradient: r.shares.reduce((s, x) => s + x.gradient, 0),
      loss: r.shares.reduce((s, x) => s + x.loss, 0),
    })),
    names = [...new Set(runs.flatMap((r) => r.shares.map((s) => s.name)))];
  const part = (r, n, key, i) => (100 * (r.shares.find((s) => s.name === n)?.[key] ?? 0)) / sums[i][key];
  const order = names.map((n) => [n, Math.max(...runs.flatMap((r, i) => [part(r, n, 'gradient', i), part(r, n, 'loss', i)]))]);
  for (const [n, most] of order.sort((a, b) => b[1] - a[1]))
    if (most >= 2) {
      const f = runs[0].shares.find((s) => s.name === n)?.frac;
      lines.push(
        `| ${n}${f === undefined ? '' : ` (${f})`} | ${runs.flatMap((r, i) => [part(r, n, 'gradient', i), part(r, n, 'loss', i)].map((x) => `${x.toFixed(1)}%`)).join(' | ')} |`,
      );
    }
  lines.push(
    `| all, root mean square | ${runs.flatMap((r) => [e(Math.sqrt(r.all.gradient)), e(Math.sqrt(r.all.loss))]).join(' | ')} |`,
    '',
    `The update alone (gradients of float64 into the integer update: clip factor, moments, quotient, master copy): cosine of the total update ${runs.map((r) => `${c(r.updateOnly.cosine)} (${r.name})`).join(', ')}.`,
    '',
  );
  save(join(out, 'reference.md'), lines.join('\n'));
}
