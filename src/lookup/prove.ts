import { deviceOf } from '../device/current.js';
import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import { groupSum } from './group-sum.js';
import { proveLayer } from './layer-sumcheck.js';
import { KEPT, SCRATCH, Tree, pieceLimit } from './layers.js';
import { type LeafInput, tableBytes } from './leaves.js';
import { groupBoxes } from './pieces.js';
import type { LogUpShape } from './shape.js';
import { SinglePairs, singlesOf } from './singles.js';

/** Claim on a layer: num(rho) and den(rho). */
export interface LayerClaim {
  readonly rho: readonly Ext[];
  readonly num: Ext;
  readonly den: Ext;
}

/**
 * Proves that the fractions of the leaves add up to zero; returns the point and the claims on the leaves. Keeps no
 * memory but the caller's. What does not fit the memory of the device on which the proof is made, where the inputs lie,
 * is kept far; the proof does not depend on it.
 */
export function proveLogUp(k: Kernels, ch: ProverChannel, shape: LogUpShape, inputs: readonly LeafInput[]): LayerClaim {
  const d = deviceOf(k, ch.hash);
  return d.scope(() => {
    const limit = pieceLimit(d.room),
      reserve = SCRATCH * limit + tableBytes(inputs),
      work = { d, far: k.far, inputs },
      tree = new Tree(work, groupBoxes(shape, limit));
    /** The layer that pairs fractions of that height. */
    const descend = (height: number, { rho, num, den }: LayerClaim): LayerClaim => {
      const label = `logup ${shape.vars - 1 - height}`,
        lambda = ch.sample(`${label} lambda`),
        { r, values } = d.scope(() => {
          const w = { ...work, lambda, invLambda: E.inv(lambda) },
            singles = new SinglePairs(singlesAt[height], lambda),
            groups = tree.groups.flatMap((g, i) =>
              g.vars > height ? [groupSum(w, g, shape.vars - g.vars, height, tree.layer(i, height))] : [],
            );
          return proveLayer(w, ch, label, rho, E.add(num, E.mul(lambda, den)), groups, singles, reserve);
        }),
        { n0, n1, d0, d1 } = values;
      ch.sendExt(`${label} values`, [n0, n1, d0, d1]);
      const tau = ch.sample(`${label} tau`);
      tree.free(height);
      return { rho: [...r, tau], num: E.add(n0, E.mul(tau, E.sub(n1, n0))), den: E.add(d0, E.mul(tau, E.sub(d1, d0))) };
    };
    let singlesAt: ReturnType<typeof singlesOf> = [],
      height = shape.vars - 1;
    try {
      // The layers that are kept belong to this scope: those below it are made again.
      let claim = d.scope((): LayerClaim => {
        tree.build();
        singlesAt = singlesOf(shape.vars, tree.roots);
        const root = singlesAt[shape.vars].get(0)!;
        ch.sendExt('logup root', [root.d]);
        ch.sendInverse(root.d);
        let upper: LayerClaim = { rho: [], num: E.ZERO, den: root.d };
        for (; height >= KEPT; height--) upper = descend(height, upper);
        return upper;
      });
      for (; height >= 0; height--) claim = descend(height, claim);
      return claim;
    } finally {
      tree.close();
    }
  });
}
