import type { Kernels } from '../kernels/runtime.js';
import { checkReleased, stateCommitment } from '../run/commitments.js';
import type { Programs } from '../run/programs.js';
import { layoutClass } from '../tensor/layout.js';
import type { Program } from '../tensor/types.js';
import type { StateChecks } from './checks.js';
import type { TensorSize } from './update.js';

/* Commitments to states, where the programs of a run are at hand. */

/** Checks of first and last states by a run's programs. */
export const statesOf = (k: Kernels, programs: Programs): StateChecks => ({
  first: (adapter) => {
    const C = BigInt64Array.from(adapter, BigInt),
      zeros = (): BigInt64Array => new BigInt64Array(C.length);
    return stateCommitment(k, programs, 'sIn', { C, master: C.map((x) => x << 10n), mm: zeros(), vv: zeros() });
  },
  last: (state, adapter) => checkReleased(k, programs, state, BigInt64Array.from(adapter, BigInt)),
});

/** Names of an adapter's values in the program's order: a tensor comes as often as it has blocks. */
export function tensorsOf(program: Program): TensorSize[] {
  const layout = layoutClass(program, 'cIn'),
    out: { name: string; at: number; cells: number }[] = [];
  for (const { tensor, blocks } of layout.tensors.values())
    if (tensor.group === 'C' && tensor.aliasOf === undefined)
      for (const b of blocks) out.push({ name: tensor.name.replace(/^C\./, ''), at: b.position, cells: 2 ** b.log });
  return out.sort((a, b) => a.at - b.at).map(({ name, cells }) => ({ name, cells }));
}
