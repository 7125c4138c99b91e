import type { Kernels } from '../kernels/runtime.js';
import type { Plan } from '../tensor/plan.js';
import { frozenStack } from '../tensor/state-commit.js';
import { frozenDigest } from '../tensor/statement.js';

/** Fixed columns as the frozen stack of the circuit's plan, and its digest: the verification key. */
export function circuitKey(k: Kernels, plan: Plan, fixed: ReadonlyMap<string, BigInt64Array>): { stack: BigInt64Array; digest: bigint[] } {
  return k.scope(() => {
    const at = new Map<string, number>();
    for (const [name, v] of fixed) {
      const p = k.alloc(8 * v.length);
      k.i64.set(v, p / 8);
      at.set(name, p);
    }
    const fz = frozenStack(k, plan, (n) => at.get(n)!),
      stack = k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells);
    return { stack, digest: frozenDigest(stack) };
  });
}
