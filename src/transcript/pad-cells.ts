/** The block of a stack that holds one-time pads of messages and what proves their products: see affine.ts. */

/** Places in the block of pads. */
export type Cell =
  | { readonly kind: 'pad'; readonly index: number }
  | { readonly kind: 'x' | 'y' }
  | { readonly kind: 'product'; readonly index: number };

/** Counts of a run: pads, and of every product the cells of its two factors. */
export interface PadCounts {
  readonly pads: number;
  readonly products: readonly (readonly [Cell, Cell])[];
}

/** Slots of the block: pads, the two cells at n, 2n + 1 values of q; no product, no cells for them. */
export const slotCount = ({ pads, products: { length: n } }: PadCounts): number => pads + (n ? 2 + 2 * n + 1 : 0);

/** Slot of a cell. */
export const slotOf = ({ pads }: Pick<PadCounts, 'pads'>, c: Cell): number =>
  c.kind === 'pad' ? c.index : pads + (c.kind === 'product' ? 2 + c.index : c.kind === 'x' ? 0 : 1);
