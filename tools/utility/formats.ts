/** Which format costs how much: the float reading with the rounding of chosen tensors switched on. */
import { type Box, FloatReading, type Program, type Step, outputsOf } from 'certune/tensor';

/** Float reading that rounds the outputs of the steps whose tensor `which` names, to the tensor's own fraction. */
export class RoundedReading extends FloatReading {
  which: (tensor: string) => boolean = () => false;
  protected override step(s: Step, box: Box, at: number): void {
    super.step(s, box, at);
    for (const o of outputsOf(s)) {
      if (!this.which(o.tensor)) continue;
      const unit = 2 ** this.spec(o.tensor).frac,
        v = this.view(o.tensor),
        // Divisions and roots are floors. Cells of slices that were not computed now are zero or rounded already.
        half = s.op === 'sqrt' || s.op === 'div' ? 0 : 0.5;
      for (let k = 0; k < v.length; k++) v[k] = Math.floor(v[k] * unit + half) / unit;
    }
  }
}

/** Tensors that a step rounds, in order; adapters' gradients and the optimiser apart. */
export const roundedTensors = (program: Program): string[] => [
  ...new Set(
    program.steps
      .filter((s) => ['round', 'table', 'lse', 'sqrt', 'div'].includes(s.op))
      .flatMap((s) => outputsOf(s).map((o) => o.tensor))
      .filter((n) => !/^(acc2?|g|g\..*|loss|p2|ph2)$/.test(n)),
  ),
];
