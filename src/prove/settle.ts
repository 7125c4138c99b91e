import type { Kernels } from '../kernels/runtime.js';
import { eqTableAt } from '../device/cpu-opening.js';
import { prefixWeight } from '../lookup/eq.js';
import { STACK_SHARE } from '../pcs/commit.js';
import { openWhir } from '../pcs/prove.js';
import { openingDevice } from '../pcs/vectors.js';
import type { Tiled } from '../sumcheck/product.js';
import type { Ext } from '../transcript/arith.js';
import type { WhirShape } from '../pcs/params.js';
import type { DetachedClaim } from '../tensor/deferred.js';
import { ProverChannel } from '../transcript/prover.js';
import { settleMatrix } from '../recursion/settle-shape.js';
import { settleSchedule } from '../recursion/settle-schedule.js';
import { settlePreamble } from '../recursion/settle.js';
import type { Settled } from '../recursion/commit.js';

/** Proves a claim on a committed stack (relation: verify.ts). */
export function proveSettled(k: Kernels, s: Settled, claim: Pick<DetachedClaim, 'point' | 'value'>): BigUint64Array {
  const { cells } = settleMatrix(s.shape),
    ch = new ProverChannel(settleSchedule(s.shape).schedule, { grinder: k });
  const words = [...claim.point, claim.value].flatMap((x) => [...x]);
  for (const w of settlePreamble(s.shape, (x) => x, s.oracle.root, words)) ch.publicWords(w.label, w.words);
  k.scope(() =>
    openingDevice(k, ch).scope(() => {
      const w = claimWeights(k, ch, s.shape, claim.point, cells);
      openWhir(k, ch, s.shape, [{ oracles: [s.oracle], f: s.stack, w, value: claim.value }]);
    }),
  );
  return ch.words();
}

/** log2 of the weights of which a table is made where they do not all fit. */
const TABLE = 18;

/**
 * eq(point, i) for so many cells, whole columns: near if that leaves room, else in tiles: a table over the last
 * variables times the weight of the others.
 */
function claimWeights(k: Kernels, ch: ProverChannel, shape: WhirShape, point: readonly Ext[], cells: number): Tiled {
  if (24 * cells <= STACK_SHARE * k.room) return { length: cells, ptr: eqTableAt(k, point, cells) };
  const d = openingDevice(k, ch),
    log = Math.min(TABLE, settleMatrix(shape).logHeight),
    high = point.slice(0, point.length - log),
    table = d.vector(3 * (2 ** log + 1));
  d.run('eqTable', 2 ** log, { to: table, point: point.slice(point.length - log) });
  return {
    length: cells,
    maxLog: log,
    make(dst, from, tile) {
      const n = 2 ** tile,
        by = prefixWeight(high, Math.floor(from / 2 ** log));
      d.run('zero', 3 * n, { to: dst });
      d.run('addScaled', n, { to: dst, from: d.slice(table, 3 * (from % 2 ** log), 3 * n), by });
    },
  };
}
