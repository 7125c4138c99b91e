import type { Kernels } from '../src/kernels/index.js';
import { ProgramBuilder, expr, term } from '../src/tensor/builder.js';
import { IntegerReading } from '../src/tensor/integer.js';
import type { Plan } from '../src/tensor/plan.js';
import { proveProgram } from '../src/tensor/prove.js';
import { frozenStack } from '../src/tensor/state-commit.js';
import { type Statement, frozenDigest } from '../src/tensor/statement.js';
import type { Program } from '../src/tensor/types.js';
import type { MessageHook } from '../src/transcript/prover.js';

/** A step in small: two states that move on, ids and mask, a loss. */
export function stepProgram(name = 'step'): Program {
  const b = new ProgramBuilder(name, 6);
  for (const [a, n] of Object.entries({ l: 1, i: 5, d: 3, v: 6, P: 4 })) b.axis(a, n);
  b.tensor('W', ['v', 'd'], 'frozen', { lo: -20n, hi: 20n, frac: 0 });
  b.tensor('ids', ['v', 'i'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'onehot' });
  b.tensor('mask', ['i'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('rate', [], 'public', { lo: 0n, hi: 9n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('loss', [], 'public', { lo: -4000n, hi: 4000n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('C', ['P'], 'cIn', { lo: -512n, hi: 511n, frac: 0 });
  b.tensor('M', ['P'], 'oIn', { lo: -512n, hi: 511n, frac: 0 });
  b.tensor('C2', ['P'], 'cOut', { lo: -512n, hi: 511n, frac: 0 });
  b.tensor('M2', ['P'], 'oOut', { lo: -512n, hi: 511n, frac: 0 });
  for (const name of ['C', 'M']) b.inFormat(name, { bits: 10, frac: 0 });
  b.rounded('X', ['i', 'd'], { bits: 8, frac: 0 }, expr([term(4, 'W[v,d]', 'ids[v,i]', 'mask[i]')]), 1);
  b.round('loss', [], expr([term(1, 'X[i,d]')]), 0);
  b.round('M2', ['P'], expr([term(1, 'M[P]'), term(1, 'rate')]), 0);
  b.inFormat('M2', { bits: 10, frac: 0 });
  b.round('C2', ['P'], expr([term(1, 'C[P]'), term(2, 'M[P]')]), 1);
  b.inFormat('C2', { bits: 10, frac: 0 });
  return b.build();
}

export const W = BigInt64Array.from({ length: 18 }, (_, x) => BigInt(((x * 7) % 31) - 15));

export interface Proven {
  readonly proof: BigUint64Array;
  readonly statement: Statement;
}
export interface Steps {
  readonly steps: Proven[];
  /** The frozen stack and its digest. */
  readonly base: { readonly words: BigInt64Array; readonly digest: readonly bigint[] };
}

/** A run of so many steps. `tamper` and `hook` are a dishonest prover's. */
export function proveSteps(
  k: Kernels,
  program: Program,
  plan: Plan,
  n: number,
  o: { readonly shift?: number; readonly tamper?: (r: IntegerReading) => void; readonly hook?: MessageHook } = {},
): Steps {
  let C: BigInt64Array = BigInt64Array.of(3n, -4n, 50n, 0n),
    M: BigInt64Array = BigInt64Array.of(1n, 2n, 3n, BigInt(o.shift ?? 0)),
    base: Steps['base'] | undefined;
  const steps = Array.from({ length: n }, (_, t) => {
    const m = k.mark(),
      r = new IntegerReading(
        k,
        program,
        new Map<string, BigInt64Array | Int32Array>([
          ['W', W],
          ['ids', Int32Array.of(t % 6, -1, 0, 5, 2)],
          ['mask', BigInt64Array.of(1n, 0n, 1n, 1n, BigInt(t % 2))],
          ['rate', BigInt64Array.of(BigInt(t % 10))],
          ['C', C],
          ['M', M],
        ]),
      );
    r.run();
    o.tamper?.(r);
    const fz = frozenStack(k, plan, (x) => r.ptr.get(x)!),
      words = k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells);
    base = { words, digest: frozenDigest(words) };
    const out = proveProgram(k, plan, r, {
      frozenDigest: base.digest,
      context: Array.from({ length: 8 }, (_, i) => BigInt(i)),
      ...(o.hook ? { hook: o.hook } : {}),
    });
    C = r.read('C2');
    M = r.read('M2');
    k.release(m);
    return out;
  });
  return { steps, base: base! };
}
