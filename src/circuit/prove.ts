import type { Kernels } from '../kernels/runtime.js';
import { IntegerReading } from '../tensor/integer.js';
import type { Plan } from '../tensor/plan.js';
import { proveProgram } from '../tensor/prove.js';
import { type HidingOptions, proveHiding } from '../tensor/prove-hiding.js';
import type { Statement } from '../tensor/statement.js';

/**
 * Proves that these cells satisfy the circuit's program, hiding its witness where the plan does; they are not checked
 * beforehand.
 */
export function proveCircuit(
  k: Kernels,
  plan: Plan,
  cells: ReadonlyMap<string, BigInt64Array>,
  o: HidingOptions,
): { proof: BigUint64Array; statement: Statement } {
  const prove = plan.pads ? proveHiding : proveProgram;
  return k.scope(() => prove(k, plan, new IntegerReading(k, plan.program, cells), o));
}
