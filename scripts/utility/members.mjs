import { forBlock } from '../../dist/tensor/integer.js';
import { layoutClass } from '../../dist/tensor/layout.js';

/** Members of the adapter's group from its flat vector of doubles (src/model/step.ts does it for integers). */
export function flatMembers(program, flat) {
  const layout = layoutClass(program, 'cIn'),
    alias = program.tensors.find((t) => t.aliasOf === 'C'),
    start = Math.min(...layout.tensors.get(alias.name).blocks.map((b) => b.position)),
    out = new Map();
  for (const { tensor, blocks } of layout.tensors.values()) {
    if (tensor.group !== 'C' || tensor.aliasOf !== undefined) continue;
    const sizes = tensor.axes.map((a) => program.axes[a]),
      v = new Float64Array(sizes.reduce((x, y) => x * y, 1));
    for (const b of blocks)
      forBlock(sizes, b, (cell, at) => {
        v[cell] = flat[b.position - start + at];
      });
    out.set(tensor.name, v);
  }
  return out;
}
