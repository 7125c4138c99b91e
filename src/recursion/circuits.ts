import type { Kernels } from '../kernels/runtime.js';
import type { RecursionClass } from './class.js';
import { type RecursionKeys, type VerificationKey, keyDigest, recursionKeys } from './keys.js';
import { type Facts, runClass } from './leaves.js';
import { type NodeStatement, decode, encode, endLayout, layout } from './statement.js';
import type { EndProof, NodeProof } from '../verify/nodes.js';
import { zeroAccumulators } from '../run/commitments.js';
import type { Ended, Proven } from '../artifact/folded.js';

/** Circuits and keys of a run: they follow from its programs. */
export interface Circuits {
  readonly cls: RecursionClass;
  readonly keys: RecursionKeys;
  readonly zeroAcc: readonly bigint[];
  readonly digest: string;
  readonly seconds: number;
}

/** Circuits of a run and their keys: a few seconds. Throws UnsupportedError where the run cannot be folded. */
export function circuitsOf(k: Kernels, f: Facts): Circuits {
  const t0 = performance.now(),
    none = new BigInt64Array(f.program.axes['P']),
    zeroAcc = zeroAccumulators(k, f, { C: none, master: none, mm: none, vv: none }),
    cls = runClass(f, zeroAcc),
    keys = recursionKeys(k, cls);
  return { cls, keys, zeroAcc, digest: keyDigest(keys.published), seconds: (performance.now() - t0) / 1000 };
}

/** Digest of a key as it lies in a file. */
export const digestOf = (key: Readonly<Record<string, unknown>>): string => keyDigest(key as unknown as VerificationKey);

const nodeLayout = (c: RecursionClass): ReturnType<typeof layout> => layout(c.child.baseVars, c.child.keyVars);
/** Words of a node for its file. */
export const flat = (c: RecursionClass, n: NodeProof): Proven => ({ statement: encode(n.statement, nodeLayout(c)), proof: n.proof });
/** A node as it lies in a file. Throws VerificationError where its statement is too short or too long. */
export const nodeOf = (c: RecursionClass, n: Proven): NodeProof => ({
  statement: decode(n.statement, nodeLayout(c)) as unknown as NodeStatement,
  proof: n.proof,
});
export const endProofOf = (x: Ended): EndProof => ({
  statement: decode(x.statement, endLayout()) as unknown as EndProof['statement'],
  proof: x.proof,
  opening: x.opening,
});
