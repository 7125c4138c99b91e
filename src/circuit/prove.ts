import type { Kernels } from '../kernels/runtime.js';
import { IntegerReading } from '../tensor/integer.js';
import type { Plan } from '../tensor/plan.js';
import { type ProveOptions, proveProgram } from '../tensor/prove.js';
import { frozenStack } from '../tensor/state-commit.js';
import { type Statement, frozenDigest } from '../tensor/statement.js';

/** Fixed columns as the frozen stack of the circuit's plan, and its digest: the verification key. */
export function circuitKey(k: Kernels, plan: Plan, fixed: ReadonlyMap<string, BigInt64Array>): { stack: BigInt64Array; digest: bigint[] } {
  const m = k.mark(),
    at = new Map<string, number>();
  for (const [name, v] of fixed) {
    const p = k.alloc(8 * v.length);
    k.i64.set(v, p / 8);
    at.set(name, p);
  }
  const fz = frozenStack(k, plan, (n) => at.get(n)!),
    stack = k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells);
  k.release(m);
  return { stack, digest: frozenDigest(stack) };
}

/** Proves that these cells satisfy the circuit's program; they are not checked beforehand. */
export function proveCircuit(
  k: Kernels,
  plan: Plan,
  cells: ReadonlyMap<string, BigInt64Array>,
  o: ProveOptions,
): { proof: BigUint64Array; statement: Statement } {
  const m = k.mark(),
    out = proveProgram(k, plan, new IntegerReading(k, plan.program, cells), o);
  k.release(m);
  return out;
}
