import type { CircuitChannel } from '../circuit/channel.js';
import type { WhirShape } from '../pcs/params.js';
import type { Plan } from '../tensor/plan.js';
import { mergeClaims } from './merge.js';
import { settleShape } from './settle-shape.js';
import { verifySettled } from './settle.js';
import { type ChildShape, type NodeWires, verifyChild } from './fold.js';
import { type NodeStatement, endLayout, layout, recordOf } from './statement.js';
import { hints, publish, unflat } from './wires.js';

/*
 * End: verifies one node of the class, leaf or fold, and settles what it leaves: the claims on the fixed columns (its
 * own and the one it carries), merged, are opened against `key`, the root of all fixed columns; the claim on the frozen
 * stack against `root`, that of the base's stack. What it publishes holds without any proviso for whoever knows that
 * `key` is the published root and `root` the base's. The end has a height class of its own and is verified by no other
 * circuit: the claim on its own fixed columns is opened beside its proof, against the published root of these
 * (verify.ts).
 */
/**
 * The end's proof travels: its size counts four times as much against the prover's work as that of a node
 * (WhirParams.weight).
 */
export const END_WEIGHT = 4;

/** Commitment shape of the end's own columns: its opening travels, so that it has few queries whatever its size. */
export const endKeyShape = (plan: Plan): WhirShape => settleShape(plan.frozenVars, plan.layouts.get('frozen')!.cells, plan.options, 4);

export interface EndShape extends ChildShape {
  readonly keyShape: WhirShape;
  readonly baseShape: WhirShape;
}
export interface EndInput {
  readonly node: { readonly proof: BigUint64Array; readonly statement: NodeStatement };
  readonly root: readonly bigint[];
  readonly merge: BigUint64Array;
  readonly openColumns: BigUint64Array;
  readonly openBase: BigUint64Array;
}

export function endCircuit(ch: CircuitChannel, s: EndShape, given?: EndInput): void {
  const sizes = layout(s.baseVars, s.keyVars),
    w: NodeWires = recordOf(sizes.keys(), (f) => hints(ch, sizes.get(f)!, given?.node.statement[f]));
  const own = verifyChild(ch, s, w, given?.node.proof),
    root = hints(ch, 4, given?.root);
  ch.open(given?.merge);
  const columns = mergeClaims(ch, s.keyVars, w.key, [own, unflat(ch, w.columns)]);
  ch.finish();
  ch.open(given?.openColumns);
  verifySettled(ch, s.keyShape, w.key, columns);
  ch.finish();
  ch.open(given?.openBase);
  verifySettled(ch, s.baseShape, root, unflat(ch, w.base));
  ch.finish();
  publish(ch, { ...w, root }, endLayout());
}
