/**
 * Proves and verifies one step of a random-weight model of SmolLM2-135M's shape, as one micro program and the update
 * program. Prints, per program, seconds and resident set by phase, cells, lookups, proof size, verification time.
 *
 *     node dist-tools/bench/smollm.js [layers: 30] [tokens: 64] [--threads N] [--memory GiB] [--near GiB]
 *
 * --memory is for linear and far memory together, --near for linear memory alone.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Kernels, singleKernels, threadedKernels } from 'certune/kernels';
import {
  type AdapterState,
  type Batch,
  DEFAULT_NUMBERS,
  type LlamaProgramOptions,
  type LlamaShape,
  TARGETS,
  batchInputs,
  freeBits,
  frozenTensors,
  initialMaster,
  initialState,
  llamaProgram,
  ropeTables,
  stepInputs,
  targetCount,
  weightFrac,
} from 'certune/model';
import { adamConstants } from 'certune/optim';
import {
  type DetachedClaim,
  IntegerReading,
  type Plan,
  StateTrees,
  type Statement,
  fillStack,
  frozenDigest,
  makePlan,
  proveProgram,
  settleFrozen,
  stateRate,
  tableColumns,
  verifyProgram,
} from 'certune/tensor';
import { NativeChannel } from 'certune/transcript';
import { SMOLLM2 } from '../shapes.js';
import { Phases, cellsOf, constantSchedule, lookupsOf, say } from './common.js';

/** GiB that the operating system counts for this process. */
const resident = (key: 'VmRSS' | 'VmHWM'): number =>
  Number(new RegExp(`${key}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? Number.NaN) / 2 ** 20;
const mib = (bytes: number): number => Math.round(bytes / 2 ** 20);

/** Uniform integers of standard deviation `std` at the tensor's fraction, written as 64-bit words. */
function random(name: string, cells: number, std: number, seed: number): BigInt64Array {
  const out = new BigInt64Array(cells),
    half = new Int32Array(out.buffer),
    span = 2 * Math.sqrt(3) * std * 2 ** weightFrac(name);
  let x = seed >>> 0;
  for (let i = 0; i < cells; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    const v = Math.round((x / 2 ** 32 - 0.5) * span);
    half[2 * i] = v;
    half[2 * i + 1] = v >> 31;
  }
  return out;
}

/** Frozen tensors of a base of that shape, and the bits of its weights. */
function frozenBase(o: Omit<LlamaProgramOptions, 'weightBits' | 'kind'>): {
  frozen: Map<string, BigInt64Array>;
  bits: Record<string, number>;
} {
  const { shape, sequence } = o,
    frozen = new Map<string, BigInt64Array>(),
    bits: Record<string, number> = {},
    { ropeQ, ropeK } = ropeTables(shape.headDim, sequence, { theta: 100000, scaling: { type: 'none' } }),
    { axes } = llamaProgram({ ...o, weightBits: freeBits(shape), kind: 'eval' });
  for (const [i, t] of frozenTensors(shape).entries()) {
    const cells = t.axes.reduce((n, a) => n * axes[a], 1),
      fanIn = t.name === 'W.down_proj' ? shape.intermediate : shape.hidden;
    if (t.name === 'ropeQ') frozen.set(t.name, ropeQ);
    else if (t.name === 'ropeK') frozen.set(t.name, ropeK);
    else if (t.name === 'gamma') frozen.set(t.name, new BigInt64Array(cells).fill(BigInt(2 ** weightFrac(t.name))));
    else frozen.set(t.name, random(t.name, cells, t.name === 'E' ? 0.04 : 0.7 / Math.sqrt(fanIn), 77 + i));
    bits[t.name] = t.name === 'gamma' ? weightFrac(t.name) + 2 : Math.max(4, weightFrac(t.name) - 1);
  }
  return { frozen, bits };
}

/** The frozen stack near; `use` sees its address and cells. */
function withFrozen<T>(k: Kernels, plan: Plan, frozen: ReadonlyMap<string, BigInt64Array>, use: (ptr: number, cells: number) => T): T {
  return k.scope(() => {
    const cells = cellsOf(plan, 'frozen'),
      ptr = k.zeroed(8 * cells);
    k.scope(() => {
      const at = new Map<string, number>(),
        put = (name: string, v: BigInt64Array): void => {
          const p = k.alloc(8 * v.length);
          k.i64.set(v, p / 8);
          at.set(name, p);
        };
      for (const [n, v] of frozen) put(n, v);
      for (const t of plan.program.tables) tableColumns(t).forEach((c, i) => put(t.columns[i], c));
      fillStack(k, plan, 'frozen', ptr, (n) => at.get(n)!);
    });
    return use(ptr, cells);
  });
}

/** Milliseconds of verifying a proof (the least of five), and the claim that it leaves. */
function verified(plan: Plan, statement: Statement, proof: BigUint64Array): { ms: number; claim: DetachedClaim } {
  const vk = singleKernels(),
    once = (): { ms: number; claim: DetachedClaim } => {
      const ch = new NativeChannel(vk, proof),
        t = performance.now(),
        d = verifyProgram(ch, plan, statement);
      ch.finish();
      const ms = performance.now() - t,
        claim = d.detach(ch);
      ch.close();
      return { ms, claim };
    },
    runs = Array.from({ length: 5 }, once);
  return { ms: Math.min(...runs.map((r) => r.ms)), claim: runs[runs.length - 1].claim };
}

/** What both programs of the step are proven from. */
interface Case {
  readonly k: Kernels;
  readonly shape: LlamaShape;
  readonly frozen: ReadonlyMap<string, BigInt64Array>;
  readonly batch: Batch;
  readonly state: AdapterState;
  /** Plan of the program that reads the base. */ readonly micro: Plan;
  /** Digest of the base. */ readonly digest: readonly bigint[];
  readonly trees: StateTrees;
}

/**
 * Proves and verifies one program of the step. Returns its row of the table and the sums of gradients that it leaves.
 */
function proveProgramOf(
  c: Case,
  kind: 'micro' | 'update',
  plan: Plan,
  acc: BigInt64Array,
): { row: Record<string, unknown>; acc: BigInt64Array } {
  const { k } = c,
    { program } = plan,
    tokens = c.batch.tokens[0].length,
    count = targetCount(c.batch, tokens),
    [row] = constantSchedule(1),
    phases = new Phases(1, (p, s) =>
      say(`${kind} ${p}: ${s} s, resident ${resident('VmRSS').toFixed(2)}, far ${(k.far.peakBytes / 2 ** 30).toFixed(2)} GiB at most`),
    ),
    m = k.mark();
  phases.mark('train');
  const publics = kind === 'micro' ? batchInputs(c.batch, 1, tokens) : new Map<string, BigInt64Array | Int32Array>(),
    reading = new IntegerReading(k, program, stepInputs(program, c.frozen, c.state, publics, row, count, 1, 0, acc));
  reading.run();
  const near = k.mark() - m,
    t0 = performance.now(),
    { proof, statement } = proveProgram(k, plan, reading, {
      trees: c.trees,
      frozenDigest: kind === 'micro' ? c.digest : frozenDigest(new BigInt64Array(0)),
      onPhase: phases.mark,
    }),
    seconds = (performance.now() - t0) / 1000;
  phases.mark();
  if (kind === 'micro') {
    const { frac } = program.tensors.find((t) => t.name === 'loss')!;
    say(`loss ${Number(reading.read('loss')[0]) / 2 ** frac / count}`);
  }
  const left = kind === 'micro' ? reading.read('acc2') : acc;
  k.release(m);
  const proofKB = Math.round(proof.length * 0.008);
  say(`${kind} proved in ${seconds.toFixed(1)} s, ${proofKB} kB, peak resident ${resident('VmHWM').toFixed(2)} GiB`);
  const { ms, claim } = verified(plan, statement, proof),
    t1 = performance.now();
  if (kind === 'micro') withFrozen(k, c.micro, c.frozen, (ptr, cells) => settleFrozen(k, ptr, cells, [claim]));
  const settleMs = Math.round(performance.now() - t1);
  say(`${kind} verified in ${Math.round(ms)} ms, settled in ${settleMs} ms`);
  return {
    acc: left,
    row: {
      kind,
      layers: c.shape.layers,
      tokens,
      cells: cellsOf(plan, 'witness'),
      frozen: cellsOf(plan, 'frozen'),
      lookups: lookupsOf(plan),
      readingMiB: mib(near),
      proveSeconds: Number(seconds.toFixed(1)),
      phases: phases.seconds,
      proofKB,
      verifyMs: Math.round(ms),
      settleMs,
      kernelMiB: mib(k.peakBytes),
      farMiB: mib(k.far.peakBytes),
      peakResidentGiB: Number(resident('VmHWM').toFixed(2)),
    },
  };
}

const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { memory: { type: 'string' }, near: { type: 'string' }, threads: { type: 'string' } },
  }),
  [layers, tokens] = [30, 64].map((d, i) => Number(positionals[i] ?? d)),
  shape: LlamaShape = { ...SMOLLM2, layers },
  options = {
    shape,
    numbers: DEFAULT_NUMBERS,
    batch: 1,
    sequence: tokens,
    lora: { r: 8, targets: TARGETS, scaling: 2 },
    adam: adamConstants([0.9, 0.95], 1),
  },
  { frozen, bits } = frozenBase(options),
  integers = [...frozen.values()].reduce((n, x) => n + x.length, 0);
say(`base of ${(integers / 1e6).toFixed(1)} M integers, resident ${resident('VmRSS').toFixed(2)} GiB`);
const programs = (['micro', 'update'] as const).map((kind) => llamaProgram({ ...options, weightBits: bits, kind })),
  parameters = { bits: 128, grinding: 16, rate: 2, stateRate: stateRate(programs[0].axes['P']) },
  [micro, update] = programs.map((p) => makePlan(p, parameters)),
  k = await threadedKernels({
    threads: Number(values.threads ?? 2),
    ...(values.memory ? { maxBytes: Number(values.memory) * 2 ** 30 } : {}),
    ...(values.near ? { nearBytes: Number(values.near) * 2 ** 30 } : {}),
  }),
  digest = withFrozen(k, micro, frozen, (ptr, cells) => frozenDigest(k.i64.subarray(ptr / 8, ptr / 8 + cells)));
say(`digest of the base, resident ${resident('VmRSS').toFixed(2)} GiB`);
const c: Case = {
    k,
    shape,
    frozen,
    batch: {
      tokens: [Int32Array.from({ length: tokens }, (_, i) => (i * 7919 + 1) % shape.vocab)],
      mask: [new Uint8Array(tokens).fill(1)],
    },
    state: initialState(programs[1], initialMaster(shape, 8, TARGETS, 1), 'C2'),
    micro,
    digest,
    trees: new StateTrees(),
  },
  first = proveProgramOf(c, 'micro', micro, new BigInt64Array(programs[0].axes['P'])),
  second = proveProgramOf(c, 'update', update, first.acc);
console.log(JSON.stringify([first.row, second.row], null, 1));
k.close();
