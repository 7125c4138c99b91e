/**
 * Questions to a solver. A question is SMT-LIB text whose satisfying assignments are counterexamples, so that `unsat`
 * alone is a proof; satisfiable, undecided and broken questions are all failures, and differ only in what the report
 * says.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { init, killThreads } from 'z3-solver';

/** The Goldilocks prime. */
export const P = (1n << 64n) - (1n << 32n) + 1n;

export type Answer = 'unsat' | 'sat' | 'unknown';

/** A question with its answer. `kind` groups questions in the statistics. */
export interface Asked {
  readonly kind: string;
  readonly text: string;
  readonly answer: Answer;
}

/** Two solvers contradict each other, or a solver did not understand a question. */
export class SolverError extends Error {
  constructor(
    message: string,
    readonly text: string,
  ) {
    super(message);
    this.name = 'SolverError';
  }
}

/**
 * Work that one question may take, in the solver's own units. The slowest proof of the suite takes a third of it. The
 * solver's strategies also look at the clock, so that a busy machine may leave undecided what a quiet one decides:
 * such a question is asked once more, from another seed and with more work. The clock of WALL_MS only ends what hangs.
 */
const RESOURCES = 20_000_000,
  WALL_MS = 300_000,
  AGAIN = { seed: 7, resources: 3 * RESOURCES };

/** A signed integer as a term. */
export const lit = (n: bigint): string => (n < 0n ? `(- ${-n})` : `${n}`);
/** Sum of terms. */
export const sum = (terms: readonly string[]): string =>
  terms.length === 0 ? '0' : terms.length === 1 ? terms[0] : `(+ ${terms.join(' ')})`;
/** coef * term. */
export const times = (coef: bigint, term: string): string => (coef === 1n ? term : `(* ${lit(coef)} ${term})`);
export const assertion = (formula: string): string => `(assert ${formula})`;
/** lo <= term <= hi. */
export const between = (lo: bigint, term: string, hi: bigint): string => `(<= ${lit(lo)} ${term} ${lit(hi)})`;
export const integers = (...names: string[]): string => names.map((n) => `(declare-const ${n} Int)`).join('\n');

interface Count {
  asked: number;
  distinct: number;
  ms: number;
  slowest: number;
}

/** The solver of a process. Equal texts are asked once; nothing is kept between runs. */
export class Solver {
  readonly #known = new Map<string, Asked>();
  readonly counts = new Map<string, Count>();
  readonly #context;
  /** Units of work spent so far, and the most that one answer took. */
  #spent = 0;
  #most = 0;
  private constructor(
    readonly api: Awaited<ReturnType<typeof init>>,
    readonly second: string | undefined,
  ) {
    this.#context = new api.Context('assurance');
  }

  /** Starts the solver; `second` names a native solver that is asked too (cvc5). */
  static async start(second = process.env['ASSURANCE_SOLVER']): Promise<Solver> {
    if (second !== undefined && second !== 'cvc5') throw new Error(`ASSURANCE_SOLVER=${second}: the second solver can be cvc5`);
    return new Solver(await init(), second);
  }

  async ask(kind: string, text: string): Promise<Asked> {
    const count = this.counts.get(kind) ?? { asked: 0, distinct: 0, ms: 0, slowest: 0 };
    this.counts.set(kind, count);
    count.asked++;
    const hit = this.#known.get(text);
    if (hit) return hit;
    const from = performance.now(),
      first = await this.#decide(text),
      other = this.second ? native(this.second, text) : undefined;
    if (other && first !== 'unknown' && other !== 'unknown' && other !== first)
      throw new SolverError(`z3 says ${first}, ${this.second} says ${other}`, text);
    const answer = first === 'unknown' && other ? other : first,
      ms = performance.now() - from,
      asked = { kind, text, answer };
    count.distinct++;
    count.ms += ms;
    count.slowest = Math.max(count.slowest, ms);
    this.#known.set(text, asked);
    return asked;
  }

  /** The first decided answer of two tries. */
  async #decide(text: string): Promise<Answer> {
    const answer = await this.#z3(text, 0, RESOURCES);
    return answer === 'unknown' ? this.#z3(text, AGAIN.seed, AGAIN.resources) : answer;
  }

  /**
   * fromString is synchronous in its text; eval_smtlib2_string is not, a worker reads the text after the call has
   * returned.
   */
  async #z3(text: string, seed: number, resources: number): Promise<Answer> {
    const solver = new this.#context.Solver();
    solver.set('random_seed', seed);
    solver.set('rlimit', resources);
    solver.set('timeout', WALL_MS);
    try {
      solver.fromString(text);
      const answer = await solver.check(),
        statistics = solver.statistics(),
        spent = statistics.keys().includes('rlimit count') ? statistics.get('rlimit count') : 0;
      statistics.release();
      if (answer !== 'unknown') this.#most = Math.max(this.#most, spent - this.#spent);
      this.#spent = spent;
      return answer;
    } catch (e) {
      throw new SolverError(`z3: ${(e as Error).message}`, text);
    } finally {
      solver.release();
    }
  }

  /** Ends the solver's threads, without which the process would stay. */
  async end(): Promise<void> {
    await killThreads(this.api.em);
  }

  /** One line of statistics. */
  summary(): string {
    let asked = 0,
      distinct = 0,
      ms = 0;
    for (const c of this.counts.values()) {
      asked += c.asked;
      distinct += c.distinct;
      ms += c.ms;
    }
    const kinds = [...this.counts].map(
      ([k, c]) => `${k} ${c.distinct} in ${(c.ms / 1000).toFixed(1)} s, slowest ${c.slowest.toFixed(0)} ms`,
    );
    return `${asked} questions, ${distinct} distinct, ${(ms / 1000).toFixed(1)} s, the hardest ${((100 * this.#most) / RESOURCES).toFixed(0)}% of the limit: ${kinds.join('; ')}`;
  }
}

/** The answer of a native solver on the PATH. */
function native(command: string, text: string): Answer {
  const r = spawnSync(command, ['--lang=smt2', '--tlimit=10000', '-'], {
    input: `(set-logic ALL)\n${text}\n(check-sat)\n`,
    encoding: 'utf8',
  });
  if (r.error) throw new SolverError(`${command}: ${r.error.message}`, text);
  const word = /^(unsat|sat|unknown)/m.exec(r.stdout)?.[1];
  if (word) return word as Answer;
  if (/timeout|interrupted/.test(`${r.stdout}${r.stderr}`)) return 'unknown';
  throw new SolverError(`${command}: ${r.stdout}${r.stderr}`, text);
}

/** Writes a question that failed and returns its file. */
export function record(folder: string, asked: Asked): string {
  mkdirSync(folder, { recursive: true });
  const file = join(
    folder,
    `${asked.kind.replaceAll(/\W+/g, '-')}-${createHash('sha256').update(asked.text).digest('hex').slice(0, 12)}.smt2`,
  );
  writeFileSync(file, `; ${asked.kind}: expected unsat, got ${asked.answer}\n${asked.text}\n(check-sat)\n(get-model)\n`);
  return file;
}
