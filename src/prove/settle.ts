import type { Kernels } from '../kernels/runtime.js';
import { eqTableAt } from '../device/cpu-opening.js';
import { openWhir } from '../pcs/prove.js';
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
  k.scope(() => {
    const weights = eqTableAt(k, claim.point, cells);
    openWhir(k, ch, s.shape, [
      { oracles: [s.oracle], f: { length: cells, ptr: s.ptr }, w: { length: cells, ptr: weights }, value: claim.value },
    ]);
  });
  return ch.words();
}
