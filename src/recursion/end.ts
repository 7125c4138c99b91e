import type { CircuitChannel } from '../circuit/channel.js';
import type { WhirShape } from '../pcs/params.js';
import { TrustedRoot } from '../pcs/trusted.js';
import type { ProofOptions } from '../tensor/plan.js';
import { type Elem, asDigest } from '../transcript/arith.js';
import { mergeClaims } from './merge.js';
import { verifySettled } from './settle.js';
import { type ChildShape, type KindBits, type NodeWires, verifyChild } from './fold.js';
import { type EndField, type NodeStatement, VIEW, endLayout, flagOf, layout, recordOf } from './statement.js';
import { hints, publish, unflat } from './wires.js';

/*
 * End: verifies one node of the class, leaf or fold, and settles what it leaves: the claims on the fixed columns (its
 * own and the one it carries), merged, are opened against `key`, the root of all fixed columns; the claim on the frozen
 * stack against `root`, that of the base's stack. Both roots are published, and whoever verifies compares them with
 * those that it trusts: so they are opened as trusted ones. The claim on the frozen stack is published too, for whoever
 * holds the base and evaluates it in the place of trusting a root. The end has a height class of its own and is
 * verified by no other circuit: its own fixed columns are opened with its witness, against the root of these that is
 * published (verify.ts). What it publishes is a view of the node: words under a flag.
 */

/** log2 of the inverse rates of the end's proof: its witness travels, its columns are committed once. */
export const END_RATE = 4;
export const END_KEY_RATE = 6;

/** The end's proof travels: hashes of its prover that a byte less is worth (WhirParams.byteHashes). */
const END_BYTE_HASHES = 3000;

/** Parameters of the end's own proof. No circuit verifies it, so that trees and transcript are BLAKE3's. */
export const endOptions = (
  { bits, grinding }: Pick<ProofOptions, 'bits' | 'grinding'>,
  rate = END_RATE,
  keyRate = END_KEY_RATE,
): ProofOptions => ({
  bits,
  grinding,
  rate,
  stateRate: rate,
  keyRate,
  byteHashes: END_BYTE_HASHES,
  hash: 'blake3',
});

export interface EndShape extends ChildShape {
  readonly keyShape: WhirShape;
  readonly baseShape: WhirShape;
}
export interface EndInput {
  readonly node: { readonly proof: BigUint64Array; readonly statement: NodeStatement };
  readonly root: readonly bigint[];
  /** Flags of the view. */ readonly shows: readonly bigint[];
  readonly merge: BigUint64Array;
  readonly openColumns: BigUint64Array;
  readonly openBase: BigUint64Array;
}

/**
 * A node of the class whose claims are settled: its words, and the root of the base's stack. `kinds` says which nodes
 * pass; without it, those of a run.
 */
export function settledChild(
  ch: CircuitChannel,
  s: EndShape,
  given?: EndInput,
  kinds?: (ch: CircuitChannel, s: ChildShape, kind: Elem, w: NodeWires) => ReturnType<KindBits>,
): { readonly w: NodeWires; readonly root: readonly Elem[] } {
  const sizes = layout(s.baseVars, s.keyVars),
    w: NodeWires = recordOf(sizes.keys(), (f) => hints(ch, sizes.get(f)!, given?.node.statement[f]));
  const own = verifyChild(ch, s, w, given?.node.proof, kinds && ((x, shape, kind) => kinds(x, shape, kind, w))),
    root = hints(ch, 4, given?.root);
  ch.open(given?.merge);
  const columns = mergeClaims(ch, s.keyVars, w.key, [own, unflat(ch, w.columns)]);
  ch.finish();
  ch.open(given?.openColumns);
  verifySettled(ch, s.keyShape, TrustedRoot.ofKey(asDigest(w.key)), columns);
  ch.finish();
  ch.open(given?.openBase);
  verifySettled(ch, s.baseShape, TrustedRoot.ofBase(asDigest(root)), unflat(ch, w.base));
  ch.finish();
  return { w, root };
}

export function endCircuit(ch: CircuitChannel, s: EndShape, given?: EndInput): void {
  const { w, root } = settledChild(ch, s, given);
  // A word is the wire times its flag. Flags are public, and whoever verifies has its own of them (verify/view.ts).
  const shows = hints(ch, VIEW.length, given?.shows),
    said = endLayout(s.baseVars),
    wires: Readonly<Record<EndField, readonly Elem[]>> = { ...w, shows, root },
    view = recordOf(said.keys(), (f) =>
      wires[f].map((e, i) => {
        const flag = flagOf(f, i);
        return flag === undefined ? e : ch.mul(shows[VIEW.indexOf(flag)], e);
      }),
    );
  publish(ch, view, said);
}
