// Which format costs how much: the float reading with the rounding of chosen tensors switched on.
import { FloatReading } from '../../dist/tensor/float.js';
import { outputsOf } from '../../dist/tensor/reading.js';

/** Float reading that rounds the outputs of the steps whose tensor `which` names, to the tensor's own fraction or the one given. */
export class RoundedReading extends FloatReading {
  which = () => false;
  step(s, box, at) {
    super.step(s, box, at);
    for (const o of outputsOf(s)) {
      const w = this.which(o.tensor);
      if (!w) continue;
      const t = this.spec(o.tensor),
        unit = 2 ** (w === true ? t.frac : w),
        v = this.view(o.tensor);
      // Cells of slices that were not computed now are zero or rounded already.
      if (s.op === 'sqrt' || s.op === 'div') for (let k = 0; k < v.length; k++) v[k] = Math.floor(v[k] * unit) / unit;
      else for (let k = 0; k < v.length; k++) v[k] = Math.floor(v[k] * unit + 0.5) / unit;
    }
  }
}

/** Tensors that a step rounds, in order; adapters' gradients and the optimiser apart. */
export const roundedTensors = (program) => [
  ...new Set(
    program.steps
      .filter((s) => ['round', 'table', 'lse', 'sqrt', 'div'].includes(s.op))
      .flatMap((s) => outputsOf(s).map((o) => o.tensor))
      .filter((n) => !/^(acc2?|g|g\..*|loss|p2|ph2)$/.test(n)),
  ),
];
