import type { Kernels } from '../kernels/runtime.js';
import { IntegerReading } from '../tensor/integer.js';
import type { Plan } from '../tensor/plan.js';
import { type ProveOptions, proveProgram } from '../tensor/prove.js';
import type { Statement } from '../tensor/statement.js';

/** Proves that these cells satisfy the circuit's program; they are not checked beforehand. */
export function proveCircuit(
  k: Kernels,
  plan: Plan,
  cells: ReadonlyMap<string, BigInt64Array>,
  o: ProveOptions,
): { proof: BigUint64Array; statement: Statement } {
  return k.scope(() => proveProgram(k, plan, new IntegerReading(k, plan.program, cells), o));
}
