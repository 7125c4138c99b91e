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
    out: (TensorSize & { readonly at: number })[] = [];
  for (const { tensor, blocks } of layout.tensors.values())
    if (tensor.group === 'C' && tensor.aliasOf === undefined)
      for (const b of blocks) {
        const sizes = tensor.axes.map((name, i) => ({ name, size: 2 ** b.logs[i] })),
          rank = sizes.findIndex((x) => x.name === 'r'),
          product = (list: typeof sizes): number => list.reduce((n, x) => n * x.size, 1);
        out.push({
          name: tensor.name.replace(/^C\./, ''),
          at: b.position,
          cells: 2 ** b.log,
          layer: product(sizes.filter((x) => x.name !== 'l')),
          ranks: sizes[rank].size,
          stride: product(sizes.slice(rank + 1)),
        });
      }
  return out.sort((a, b) => a.at - b.at).map(({ at: _, ...t }) => t);
}
