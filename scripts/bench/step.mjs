// One training step proven and verified: the stories260k fixture, or a random-weight model, split by phase.
// Options: --sequences 8 --tokens 64 --rank 8 --bits 128 --rate 2 --threads 2 --runs 1 --by-kernel.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadBase } from '../../dist/io/index.js';
import { singleKernels, threadedKernels } from '../../dist/kernels/index.js';
import { quantizeBase } from '../../dist/model/base.js';
import { settleFrozen } from '../../dist/tensor/deferred.js';
import { IntegerReading } from '../../dist/tensor/integer.js';
import { proveProgram } from '../../dist/tensor/prove.js';
import { frozenStack } from '../../dist/tensor/state-commit.js';
import { frozenDigest } from '../../dist/tensor/statement.js';
import { verifyProgram } from '../../dist/tensor/verify.js';
import { NativeChannel } from '../../dist/transcript/index.js';
import { median, option, planOf, say, seconds, stepData, stepProgram } from './common.mjs';
import { counts } from './counts.mjs';

/** Proves and verifies the first step of a base {shape, ints, bits, rope}; all figures of one run. */
export async function proveStep(base, o) {
  const { sequences, tokens, rank, bits = 128, rate = 2, threads = 2, verifyRuns = 7, byKernel = false } = o;
  const program = stepProgram(base, sequences, tokens, rank),
    plan = planOf(program, bits, rate),
    k = await threadedKernels({ threads }),
    spent = new Map(),
    parallel = k.parallel.bind(k);
  if (byKernel)
    k.parallel = (name, ...rest) => {
      const t = performance.now();
      parallel(name, ...rest);
      spent.set(name, (spent.get(name) ?? 0) + performance.now() - t);
    };
  try {
    const reading = new IntegerReading(k, program, stepData(base, program, sequences, tokens, rank)),
      [, trainSeconds] = seconds(() => reading.run());
    const fz = frozenStack(k, plan, (n) => reading.ptr.get(n)),
      stack = k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells),
      phases = {};
    let last,
      at = performance.now();
    const mark = (p) => {
      const t = performance.now();
      if (last) phases[last] = Number(((phases[last] ?? 0) + (t - at) / 1000).toFixed(2));
      [last, at] = [p, t];
    };
    const cpu = process.cpuUsage(),
      [{ proof, statement }, proveSeconds] = seconds(() =>
        proveProgram(k, plan, reading, { frozenDigest: frozenDigest(stack), onPhase: mark }),
      );
    mark();
    const used = process.cpuUsage(cpu);
    const vk = singleKernels(),
      ptr = vk.alloc(8 * stack.length),
      proofMs = [],
      linearMs = [];
    vk.i64.set(stack, ptr / 8);
    for (let i = 0; i < verifyRuns; i++) {
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
    const lookups = plan.lookups.reduce((n, j) => n + program.constraints[j].axes.reduce((x, a) => x * program.axes[a], 1), 0);
    const table = [...spent].sort((a, b) => b[1] - a[1]).slice(0, 30);
    for (const [name, ms] of table) say(`${name.padEnd(24)} ${(ms / 1000).toFixed(2)}`);
    return {
      sequences,
      tokens,
      rank,
      bits,
      rate,
      threads,
      cells: plan.layouts.get('witness').cells,
      lookups,
      trainSeconds: Number(trainSeconds.toFixed(2)),
      proveSeconds: Number(proveSeconds.toFixed(2)),
      cpuSeconds: Number(((used.user + used.system) / 1e6).toFixed(2)),
      phases,
      lookupNs: Math.round((1e9 * (phases.logup ?? 0)) / lookups),
      kernelMiB: Math.round(k.peakBytes / 2 ** 20),
      residentMiB: Math.round(process.memoryUsage().rss / 2 ** 20),
      proofKB: Number((proof.length * 0.008).toFixed(1)),
      verifyMs: Math.round(median(proofMs)),
      linearMs: Math.round(median(linearMs)),
      ...counts(plan, statement),
    };
  } finally {
    k.close();
  }
}

/** The fixture's base as proveStep wants it, or undefined. */
export function storiesBase() {
  const fixtures = process.env.CERTUNE_FIXTURES ?? fileURLToPath(new URL('../../../shared', import.meta.url)),
    dir = join(fixtures, 'data/stories260k/hf');
  if (!existsSync(dir)) return undefined;
  const base = loadBase(dir);
  return { shape: base.shape, rope: base.rope, ...quantizeBase(base.weights) };
}

export default async function step(args) {
  const base = storiesBase();
  if (!base) {
    say('skipped: no fixture data/stories260k (set CERTUNE_FIXTURES)');
    return [];
  }
  const out = [];
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
