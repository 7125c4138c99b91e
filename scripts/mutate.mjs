// Mutates the proofs of a finished run and verifies each mutant: node scripts/mutate.mjs RUN [--count N] [--seed S]
// Six in ten mutants change a decoded scalar (an element of E, a base word, a digest, a nonce), the others bytes or structure. Prints what refused how
// many; ends with code 1 if any mutant was accepted or failed without a typed error. Needs `npm run build` and the run's own base and data.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { manifestWords } from '../dist/run/manifest.js';
import { readPack } from '../dist/store/proof.js';
import { setup } from '../dist/setup/run.js';
import { frozenOf } from '../dist/run/commitments.js';
import { checkMerge, checkSteps } from '../dist/verify/steps.js';
import { blankStatement } from '../dist/estimate/counts.js';
import { scheduleOf } from '../dist/tensor/schedule.js';
import { singleKernels } from '../dist/kernels/index.js';
import { readRun } from '../dist/setup/runfile.js';
import { settleFrozen } from '../dist/tensor/deferred.js';
import { VerificationError, messageWords } from '../dist/transcript/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: 'string', default: '500' }, seed: { type: 'string', default: '1' } },
});
const run = positionals[0],
  count = Number(values.count);
if (!run || !Number.isSafeInteger(count) || count < 1) {
  process.stderr.write('usage: node scripts/mutate.mjs RUN [--count N] [--seed S]\n');
  process.exit(2);
}
const P = 0xffffffff00000001n;
let x = Number(values.seed) >>> 0;
const rnd = (n) => {
  x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
  return Math.floor((x / 2 ** 32) * n);
};
const word = () => ((BigInt(rnd(2 ** 32)) << 32n) | BigInt(rnd(2 ** 32))) % P;

const { manifest, run: proof } = readPack(join(run, 'out', 'proof', 'run.certune')),
  s = setup(readRun(run), manifest.dataset.salt.map(BigInt)),
  k = singleKernels();
if (manifestWords(s.run.manifest).join() !== manifestWords(manifest).join())
  throw new Error('base, data or run.yaml are not those of the proof');
const frozen = frozenOf(k, s.run.programs, s.inputs.base);

/** Whole check of a run but for the released adapter. */
function check(r) {
  const m = k.mark();
  try {
    const { claims } = checkSteps(k, s.run, s.inputs, r.steps, frozen.digest);
    settleFrozen(k, frozen.ptr, frozen.cells, [checkMerge(k, s.run.programs.plan, frozen.digest, claims, r.merge)]);
  } finally {
    k.release(m);
  }
}
const t0 = performance.now();
check(proof);
const honest = performance.now() - t0;
process.stderr.write(`the honest run verifies in ${honest.toFixed(0)} ms\n`);

/** Places of scalars in the words of a part: the schedule of its program does not depend on values. */
const schedules = new Map();
function scalarsOf(kind) {
  if (!schedules.has(kind)) {
    const plan = kind === 'update' ? s.run.programs.update.plan : s.run.programs.plan;
    const out = [];
    let at = 0;
    for (const m of scheduleOf(plan, blankStatement(plan))) {
      const n = messageWords(m);
      if (m.kind === 'ext') for (let i = 0; i < m.count; i++) out.push({ at: at + 3 * i, words: 3 });
      else if (['base', 'digest', 'grind'].includes(m.kind)) for (let i = 0; i < n; i++) out.push({ at: at + i, words: 1 });
      at += n;
    }
    schedules.set(kind, out);
  }
  return schedules.get(kind);
}

function mutant(words, scalars) {
  const out = words.slice(),
    n = words.length;
  if (scalars) {
    const a = scalars[rnd(scalars.length)],
      alike = scalars.filter((y) => y.words === a.words),
      b = alike[rnd(alike.length)],
      c = a.at + rnd(a.words);
    [
      () => out.fill((out[c] + 1n) % P, c, c + 1),
      () => out.fill((out[c] + P - 1n) % P, c, c + 1),
      () => out.fill(0n, a.at, a.at + a.words),
      () => out.fill(word(), c, c + 1),
      () => out.fill((P - out[c]) % P, c, c + 1),
      () => out.set(words.subarray(b.at, b.at + b.words), a.at),
      () => {
        out.set(words.subarray(b.at, b.at + b.words), a.at);
        out.set(words.subarray(a.at, a.at + a.words), b.at);
      },
    ][rnd(7)]();
    return out;
  }
  const a = rnd(n),
    len = 1 + rnd(Math.min(64, n - a));
  const changed = (f) => () => {
    f();
    return out;
  };
  return [
    changed(() => {
      out[a] ^= 1n << BigInt(rnd(64));
    }),
    () => words.slice(0, a),
    () => BigUint64Array.from([...words, word()]),
    () => BigUint64Array.from([...words.subarray(0, a), ...words.subarray(a + len)]),
    changed(() => out.fill(0n, a, a + len)),
    changed(() => out.set(words.subarray(a, a + len), rnd(n - len + 1))),
    changed(() => {
      out[a] = P + BigInt(rnd(2 ** 31));
    }),
  ][rnd(7)]();
}

const refused = new Map(),
  accepted = [],
  untyped = [];
let slowest = 0,
  last = 0;
for (let i = 0; i < count; ) {
  const inMerge = rnd(20) === 0,
    step = rnd(proof.steps.length),
    part = rnd(proof.steps[step].parts.length),
    scalar = i % 10 < 6;
  const mutate = (v, scalars) => mutant(v, scalars);
  let r;
  if (inMerge) {
    const m = mutate(
      proof.merge,
      scalar ? Array.from({ length: Math.floor(proof.merge.length / 3) }, (_, j) => ({ at: 3 * j, words: 3 })) : undefined,
    );
    if (m.length === proof.merge.length && m.every((y, j) => y === proof.merge[j])) continue;
    r = { ...proof, merge: m };
  } else {
    const p = proof.steps[step].parts[part],
      m = mutate(p.proof, scalar ? scalarsOf(p.kind) : undefined);
    if (m.length === p.proof.length && m.every((y, j) => y === p.proof[j])) continue;
    const parts = proof.steps[step].parts.map((y, j) => (j === part ? { ...y, proof: m } : y));
    r = { ...proof, steps: proof.steps.map((y, j) => (j === step ? { ...y, parts } : y)) };
  }
  i++;
  const t = performance.now(),
    where = inMerge ? 'merge' : `step ${step}, part ${part}`;
  try {
    check(r);
    accepted.push(where);
  } catch (e) {
    if (e instanceof VerificationError) {
      const check = e.check.replace(/\d+/g, '#');
      refused.set(check, (refused.get(check) ?? 0) + 1);
    } else untyped.push(`${where}: ${e}`);
  }
  slowest = Math.max(slowest, performance.now() - t);
  if (performance.now() - last > 2000) {
    last = performance.now();
    process.stderr.write(`${i} of ${count} mutants\n`);
  }
}
for (const [check, n] of [...refused].sort((a, b) => b[1] - a[1])) console.log(`${String(n).padStart(7)}  ${check}`);
console.log(
  `${count} mutants of ${proof.steps.length} steps: ${accepted.length} accepted, ${untyped.length} errors without a type; slowest ${slowest.toFixed(0)} ms, honest run ${honest.toFixed(0)} ms`,
);
for (const a of [...accepted.map((y) => `accepted: ${y}`), ...untyped]) console.log(a);
process.exitCode = accepted.length || untyped.length ? 1 : 0;
