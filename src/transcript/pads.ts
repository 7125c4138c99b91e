/** One-time pads of messages, prover's side: the cells of their block, and what is sent. See affine.ts. */
import * as E from '../field/ext3.js';
import { toSigned } from '../field/goldilocks.js';
import { lagrangeScales } from '../field/lagrange.js';
import type { MaskStream } from '../hash/mask-stream.js';
import { HIDDEN_INVERSE } from './affine.js';
import type { Ext } from './arith.js';
import { type Cell, type PadCounts, slotCount, slotOf } from './pad-cells.js';
import type { MessagePads } from './prover.js';

/** Fresh cells, by slot: pads, and the polynomials that prove their products. */
export function drawPads(counts: PadCounts, random: Pick<MaskStream, 'ext'>): Ext[] {
  const n = counts.products.length,
    cells: Ext[] = Array<Ext>(slotCount(counts)).fill(E.ZERO),
    put = (c: Cell, value: Ext): void => {
      cells[slotOf(counts, c)] = value;
    };
  for (let index = 0; index < counts.pads; index++) put({ kind: 'pad', index }, random.ext());
  if (!n) return cells;
  put({ kind: 'x' }, random.ext());
  put({ kind: 'y' }, random.ext());
  const at = (c: Cell): Ext => cells[slotOf(counts, c)];
  counts.products.forEach(([x, y], index) => put({ kind: 'product', index }, E.mul(at(x), at(y))));
  const [xs, ys] = factors(counts, cells);
  for (let index = n; index <= 2 * n; index++) {
    const weights = weightsAt(E.embed(BigInt(index)), n);
    put({ kind: 'product', index }, E.mul(combine(weights, xs), combine(weights, ys)));
  }
  return cells;
}

/** Values of x and y at 0 .. n. */
function factors(counts: PadCounts, cells: readonly Ext[]): [Ext[], Ext[]] {
  const at = (c: Cell): Ext => cells[slotOf(counts, c)];
  return [
    [...counts.products.map(([x]) => at(x)), at({ kind: 'x' })],
    [...counts.products.map(([, y]) => at(y)), at({ kind: 'y' })],
  ];
}

const combine = (weights: readonly Ext[], values: readonly Ext[]): Ext =>
  values.reduce<Ext>((s, v, i) => E.add(s, E.mul(weights[i], v)), E.ZERO);

/** Weights of the values at 0 .. degree in that at x of the polynomial through them. */
function weightsAt(x: Ext, degree: number): Ext[] {
  const diff = Array.from({ length: degree + 1 }, (_, j) => E.sub(x, E.embed(BigInt(j)))),
    pre: Ext[] = [E.ONE],
    suf: Ext[] = [E.ONE];
  for (let j = 0; j < degree; j++) {
    pre.push(E.mul(pre[j], diff[j]));
    suf.push(E.mul(suf[j], diff[degree - j]));
  }
  return lagrangeScales(degree).map((s, i) => E.mulBase(E.mul(pre[i], suf[degree - i]), s));
}

/** Pads in the order of their use. */
export class Pads implements MessagePads {
  #next = 0;
  constructor(
    readonly counts: PadCounts,
    readonly cells: readonly Ext[],
    readonly hidden: (label: string, index: number) => boolean,
  ) {}

  pad(label: string, elements: readonly Ext[]): readonly Ext[] {
    return elements.map((m, i) => {
      if (label !== HIDDEN_INVERSE && !this.hidden(label, i)) return m;
      if (this.#next === this.counts.pads) throw new Error(`no pad is left for ${label}`);
      return E.sub(m, this.cells[this.#next++]);
    });
  }

  /**
   * x(tau) and y(tau); undefined where tau is one of the points at which they are pads themselves, or one at which q is
   * a cell.
   */
  productsAt(tau: Ext): [Ext, Ext] | undefined {
    const n = this.counts.products.length,
      [xs, ys] = factors(this.counts, this.cells),
      weights = weightsAt(tau, n);
    if (tau[1] === 0n && tau[2] === 0n && tau[0] <= BigInt(2 * n)) return undefined;
    return [combine(weights, xs), combine(weights, ys)];
  }
}

/** The words of cells as integers in (-p/2, p/2), coordinate by coordinate: rows of `slots`. */
export function padWords(cells: readonly Ext[], slots: number, rows: number): BigInt64Array {
  const out = new BigInt64Array(rows * slots);
  cells.forEach((e, n) => {
    e.forEach((w, j) => {
      out[j * slots + n] = toSigned(w);
    });
  });
  return out;
}
