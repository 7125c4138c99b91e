/**
 * Mutates the proofs of a finished run (packed step by step: --no-fold) and verifies each mutant.
 *
 *     node dist-tools/checks/mutate.js RUN [--count N] [--seed S]
 *
 * Six in ten mutants change a decoded scalar (an element of E, a base word, a digest, a nonce), the others bytes or
 * structure. Prints what refused how many. Ends with code 1 if any mutant was accepted or failed without a typed error.
 * Needs the run's own base and data.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type RunProof,
  type Setup,
  VerificationError,
  checkMerge,
  checkSteps,
  frozenOf,
  readPack,
  readRun,
  setup,
  singleKernels,
} from 'certune';
import { blankStatement } from 'certune/estimate';
import { type PartKind, manifestWords } from 'certune/run';
import { secretOf } from 'certune/store';
import { scheduleOf, settleFrozen } from 'certune/tensor';
import { messageWords } from 'certune/transcript';

const P = 0xffffffff00000001n;

/** Numbers from a seed. */
class Draws {
  #x: number;
  constructor(seed: number) {
    this.#x = seed >>> 0;
  }
  /** An integer from 0 to n - 1. */
  below(n: number): number {
    this.#x = (Math.imul(this.#x, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#x / 2 ** 32) * n);
  }
  /** An element of the field. */
  word(): bigint {
    return ((BigInt(this.below(2 ** 32)) << 32n) | BigInt(this.below(2 ** 32))) % P;
  }
}

/** A scalar among the words of a proof. */
interface Scalar {
  readonly at: number;
  readonly words: number;
}

/** Whole check of a run but for the released adapter. Throws what refuses it. */
function checker(s: Setup): (r: RunProof) => void {
  const k = singleKernels(),
    frozen = frozenOf(k, s.run.programs, s.inputs.base);
  return (r) =>
    k.scope(() => {
      const { claims } = checkSteps(k, s.run, s.inputs, r.steps, frozen.digest);
      settleFrozen(k, frozen.ptr, frozen.cells, [checkMerge(k, s.run.programs.plan, frozen.digest, claims, r.merge)]);
    });
}

/** Places of scalars in the words of a part: the schedule of its program does not depend on values. */
function scalarPlaces({ run }: Setup): (kind: PartKind) => readonly Scalar[] {
  const known = new Map<PartKind, readonly Scalar[]>();
  return (kind) => {
    let out = known.get(kind);
    if (out) return out;
    const plan = kind === 'update' && run.programs.update ? run.programs.update.plan : run.programs.plan;
    let at = 0;
    out = scheduleOf(plan, blankStatement(plan)).flatMap((m): Scalar[] => {
      const from = at,
        n = messageWords(m);
      at += n;
      if (m.kind === 'ext') return Array.from({ length: m.count }, (_, i) => ({ at: from + 3 * i, words: 3 }));
      if (m.kind === 'base' || m.kind === 'digest' || m.kind === 'grind')
        return Array.from({ length: n }, (_, i) => ({ at: from + i, words: 1 }));
      return [];
    });
    known.set(kind, out);
    return out;
  };
}

/** The words with one of their scalars changed. */
function changedScalar(r: Draws, words: BigUint64Array, scalars: readonly Scalar[]): BigUint64Array {
  const out = words.slice(),
    a = scalars[r.below(scalars.length)],
    alike = scalars.filter((y) => y.words === a.words),
    b = alike[r.below(alike.length)],
    c = a.at + r.below(a.words),
    changes: readonly (() => void)[] = [
      () => out.fill((out[c] + 1n) % P, c, c + 1),
      () => out.fill((out[c] + P - 1n) % P, c, c + 1),
      () => out.fill(0n, a.at, a.at + a.words),
      () => out.fill(r.word(), c, c + 1),
      () => out.fill((P - out[c]) % P, c, c + 1),
      () => out.set(words.subarray(b.at, b.at + b.words), a.at),
      () => {
        out.set(words.subarray(b.at, b.at + b.words), a.at);
        out.set(words.subarray(a.at, a.at + a.words), b.at);
      },
    ];
  changes[r.below(7)]();
  return out;
}
/** The words with bytes or structure changed. */
function changedBytes(r: Draws, words: BigUint64Array): BigUint64Array {
  const out = words.slice(),
    n = words.length,
    a = r.below(n),
    len = 1 + r.below(Math.min(64, n - a)),
    changes: readonly (() => BigUint64Array)[] = [
      () => {
        out[a] ^= 1n << BigInt(r.below(64));
        return out;
      },
      () => words.slice(0, a),
      () => BigUint64Array.from([...words, r.word()]),
      () => BigUint64Array.from([...words.subarray(0, a), ...words.subarray(a + len)]),
      () => out.fill(0n, a, a + len),
      () => {
        out.set(words.subarray(a, a + len), r.below(n - len + 1));
        return out;
      },
      () => {
        out[a] = P + BigInt(r.below(2 ** 31));
        return out;
      },
    ];
  return changes[r.below(7)]();
}
const same = (a: BigUint64Array, b: BigUint64Array): boolean => a.length === b.length && a.every((y, j) => y === b[j]);

/** A mutant of a run's proof and where it differs, or undefined where the change changed nothing. */
function mutant(
  r: Draws,
  proof: RunProof,
  scalarsOf: (kind: PartKind) => readonly Scalar[],
  scalar: boolean,
): { where: string; proof: RunProof } | undefined {
  const inMerge = r.below(20) === 0,
    step = r.below(proof.steps.length),
    part = r.below(proof.steps[step].parts.length),
    change = (words: BigUint64Array, scalars: () => readonly Scalar[]): BigUint64Array =>
      scalar ? changedScalar(r, words, scalars()) : changedBytes(r, words);
  if (inMerge) {
    const { merge } = proof,
      made = change(merge, () => Array.from({ length: Math.floor(merge.length / 3) }, (_, j) => ({ at: 3 * j, words: 3 })));
    return same(made, merge) ? undefined : { where: 'merge', proof: { ...proof, merge: made } };
  }
  const p = proof.steps[step].parts[part],
    made = change(p.proof, () => scalarsOf(p.kind));
  if (same(made, p.proof)) return undefined;
  const parts = proof.steps[step].parts.map((y, j) => (j === part ? { ...y, proof: made } : y)),
    steps = proof.steps.map((y, j) => (j === step ? { ...y, parts } : y));
  return { where: `step ${step}, part ${part}`, proof: { ...proof, steps } };
}

/** Verifies so many mutants and prints what became of them. False where one was accepted or failed without a type. */
function mutate(dir: string, count: number, seed: number): boolean {
  const { manifest, run: proof } = readPack(join(dir, 'out', 'proof', 'run.certune')),
    { salt, key } = secretOf(dir, manifest),
    s = setup(readRun(dir), salt, key);
  if (manifestWords(s.run.manifest).join() !== manifestWords(manifest).join())
    throw new Error('base, data or run.yaml are not those of the proof');
  const check = checker(s),
    scalarsOf = scalarPlaces(s),
    draws = new Draws(seed),
    milliseconds = (f: () => void): number => {
      const t = performance.now();
      f();
      return performance.now() - t;
    },
    honest = milliseconds(() => check(proof)),
    refused = new Map<string, number>(),
    accepted: string[] = [],
    untyped: string[] = [];
  process.stderr.write(`the honest run verifies in ${honest.toFixed(0)} ms\n`);
  let slowest = 0,
    last = 0;
  for (let i = 0; i < count; ) {
    const m = mutant(draws, proof, scalarsOf, i % 10 < 6);
    if (!m) continue;
    i++;
    const took = milliseconds(() => {
      try {
        check(m.proof);
        accepted.push(m.where);
      } catch (e) {
        if (e instanceof VerificationError) {
          const name = e.check.replace(/\d+/g, '#');
          refused.set(name, (refused.get(name) ?? 0) + 1);
        } else untyped.push(`${m.where}: ${e}`);
      }
    });
    slowest = Math.max(slowest, took);
    if (performance.now() - last > 2000) {
      last = performance.now();
      process.stderr.write(`${i} of ${count} mutants\n`);
    }
  }
  for (const [name, n] of [...refused].sort((a, b) => b[1] - a[1])) console.log(`${String(n).padStart(7)}  ${name}`);
  console.log(
    `${count} mutants of ${proof.steps.length} steps: ${accepted.length} accepted, ${untyped.length} errors without a type; slowest ${slowest.toFixed(0)} ms, honest run ${honest.toFixed(0)} ms`,
  );
  for (const a of [...accepted.map((y) => `accepted: ${y}`), ...untyped]) console.log(a);
  return accepted.length === 0 && untyped.length === 0;
}

const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { count: { type: 'string', default: '500' }, seed: { type: 'string', default: '1' } },
  }),
  [dir] = positionals,
  count = Number(values.count);
if (!dir || !Number.isSafeInteger(count) || count < 1) {
  process.stderr.write('usage: node dist-tools/checks/mutate.js RUN [--count N] [--seed S]\n');
  process.exitCode = 2;
} else process.exitCode = mutate(dir, count, Number(values.seed)) ? 0 : 1;
