import { type WhirParams, type WhirShape, whirShape } from '../../pcs/index.js';

/** log2 of the inverse rate of commitments to frozen stacks: computed once, opened in a circuit, so that few queries are worth a long codeword. */
export const SETTLE_RATE = 4;

/** log2 of the columns of such a commitment. */
const COLUMNS = 5;

/** How a stack of `cells` words of `vars` variables is committed: word i in column floor(i / 2^h) of 2^h rows. */
export function settleShape(vars: number, cells: number, p: Pick<WhirParams, 'bits' | 'grinding'>): WhirShape {
  const columns = Math.min(COLUMNS, Math.max(0, vars - 5)),
    height = vars - columns;
  return whirShape({ bits: p.bits, grinding: p.grinding, logInvRate: SETTLE_RATE }, columns, height, [
    { used: Math.max(1, Math.ceil(cells / 2 ** height)), offset: 0 },
  ]);
}
