/**
 * RMSNorm over the half-block axis s, forward and backward. Both are written once, for a slice of that axis or for the
 * whole.
 */
import { isqrt, rational } from '../field/fixedpoint.js';
import { ProgramError } from '../tensor/bounds.js';
import { type Format, Fixed } from '../tensor/fixed.js';
import type { ProgramBuilder } from '../tensor/builder.js';
import { type LlamaProgramOptions, RESIDUAL_FRAC, TOK, activations, gradients } from './shape.js';

/**
 * A slice of the half-block axis: the even entries are the inputs of attention, the odd ones those of the MLP, the last
 * one that of the head. Witnesses are computed slice by slice, as layers follow each other. Constraints are stated
 * once, for the whole axis.
 */
export interface Slice {
  readonly name: 'even' | 'odd' | 'final' | 'whole';
  /** Index on the axis s. */
  readonly at: string;
  /** Axes of the box in place of s. */
  readonly box: readonly string[];
}
export function slicesOf(layers: number): { even: Slice; odd: Slice; final: Slice; whole: Slice } {
  return {
    even: { name: 'even', at: '2*l', box: ['l'] },
    odd: { name: 'odd', at: '2*l+1', box: ['l'] },
    final: { name: 'final', at: `${2 * layers}`, box: [] },
    whole: { name: 'whole', at: 's', box: ['s'] },
  };
}

/** Names, boxes and operands of one slice. */
class At {
  readonly row: string[];
  readonly cell: string[];
  constructor(
    readonly b: ProgramBuilder,
    readonly slice: Slice,
  ) {
    this.row = [...slice.box, ...TOK];
    this.cell = [...slice.box, 'd', ...TOK];
  }
  /** Name of a relation into the tensor. */
  named(tensor: string): string {
    return this.slice.name === 'whole' ? tensor : `${tensor}.${this.slice.name}`;
  }
  /** Operand of a tensor with one cell a token or one a coordinate. */
  of(tensor: string): string {
    return `${tensor}[${this.slice.at},${this.b.spec(tensor).axes.slice(1).join(',')}]`;
  }
  value(tensor: string): Fixed {
    return this.b.value(this.of(tensor));
  }
}

/** Fraction of the inverse root. */
const RINV: Format = { bits: 28, frac: 18, signed: false };

/**
 * rn = sqrt(sum X^2 + D eps), rinv = sqrt(D) / rn, Xn = X rinv, N = Xn gamma. Declares the tensors over all
 * half-blocks; the result adds the relations of a slice.
 */
export function rmsNorm(b: ProgramBuilder, o: LlamaProgramOptions): (slice: Slice) => void {
  const act = activations(o.numbers),
    { hidden, rmsEps } = o.shape,
    { xBits } = o.numbers,
    D = BigInt(hidden);
  // The root is taken of 2^k (sum X^2 + D eps) < 2^62, k even so that fractions stay whole.
  const { num, den } = rational(rmsEps),
    most = (D << BigInt(2 * (xBits - 1))) + ((num * D) << BigInt(2 * RESIDUAL_FRAC)) / den + 1n,
    k = Math.floor((62 - most.toString(2).length) / 2) * 2;
  if (k < 0)
    throw new ProgramError('rmsnorm', `width ${hidden} with a residual of ${xBits} bits passes 62 bits: lower numbers.xBits by ${-k / 2}`);
  const frac = 2 * RESIDUAL_FRAC + k,
    eps = (2n * ((num * D) << BigInt(frac)) + den) / (2n * den),
    rn: Format = { bits: 31, frac: frac / 2, signed: false },
    rootFrac = RINV.frac + rn.frac,
    // sqrt(D), exactly floored.
    root = isqrt(D << BigInt(2 * rootFrac));
  if (root >= 1n << 62n) throw new ProgramError('rmsnorm', 'numerator passes 62 bits');
  b.witness('rn', ['s', ...TOK], rn);
  b.witness('rinv', ['s', ...TOK], RINV);
  b.witness('Xn', ['s', 'd', ...TOK], act);
  b.witness('N', ['s', 'd', ...TOK], act);
  return (slice) => {
    const at = new At(b, slice),
      X = at.value('X'),
      sum = X.times(X)
        .atLeast(frac)
        .plus(Fixed.constant(eps, frac, rmsEps * hidden)),
      rootD = Fixed.constant(root, rootFrac, Math.sqrt(hidden));
    b.sqrt(at.named('rn'), at.row, rn, sum, { out: at.of('rn'), outFirst: true });
    b.div(at.named('rinv'), at.row, RINV, rootD, at.value('rn'), rn.bits, { out: at.of('rinv'), outFirst: true });
    b.round(at.named('Xn'), at.cell, X.times(at.value('rinv')), { out: at.of('Xn') });
    b.inFormat('Xn', act);
    b.round(at.named('N'), at.cell, at.value('Xn').times(b.value(`gamma[${slice.at},d]`)), { out: at.of('N') });
    b.inFormat('N', act);
  };
}

/**
 * Backward: dXn = dN gamma, cn = <dXn, Xn> / D, w = dXn - cn Xn; the gradient of the residual stream gains rinv w.
 * Declares dN, dXn, w and cn over all half-blocks; the result adds the relations of a slice, dN being given.
 */
export function rmsNormBackward(b: ProgramBuilder, o: LlamaProgramOptions): (slice: Slice) => void {
  const grad = gradients(o.numbers),
    { hidden } = o.shape,
    // One value per row enters every cell of it, so that its rounding is common to them and does not average out.
    cn: Format = { bits: 28, frac: grad.frac + 4 },
    // <dXn, Xn> is divided by D itself: 1/D in binary digits would be off by the same part of it everywhere.
    spare = o.numbers.actFrac - 4,
    width = Fixed.constant(BigInt(hidden) << BigInt(spare), spare),
    widthBits = (BigInt(hidden) << BigInt(spare)).toString(2).length;
  for (const name of ['dN', 'dXn', 'w']) b.witness(name, ['s', 'd', ...TOK], grad);
  b.witness('cn', ['s', ...TOK], cn);
  return (slice) => {
    const at = new At(b, slice);
    b.round(at.named('dXn'), at.cell, at.value('dN').times(b.value(`gamma[${slice.at},d]`)), { out: at.of('dXn') });
    b.inFormat('dXn', grad);
    b.div(at.named('cn'), at.row, cn, at.value('dXn').times(at.value('Xn')), width, widthBits, { out: at.of('cn'), nearest: true });
    b.round(at.named('w'), at.cell, at.value('dXn').minus(at.value('cn').times(at.value('Xn'))), { out: at.of('w') });
    b.inFormat('w', grad);
  };
}
