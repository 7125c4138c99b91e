import { type NodeStatement, type EndStatement, layout, encode, decode, endLayout } from './statement.js';
import type { RecursionClass } from './class.js';
import type { Proven, Ended } from '../artifact/folded.js';

/** A leaf or fold: its statement and the proof of it. */
export interface NodeProof {
  readonly statement: NodeStatement;
  readonly proof: BigUint64Array;
}

/** The proof of a whole run or range: statement, proof of the end circuit, opening of the end's own fixed columns. */
export interface EndProof {
  readonly statement: EndStatement;
  readonly proof: BigUint64Array;
  readonly opening: BigUint64Array;
}

const nodeLayout = (c: RecursionClass): ReturnType<typeof layout> => layout(c.child.baseVars, c.child.keyVars);

/** Words of a node for its file. */
export const flat = (c: RecursionClass, n: NodeProof): Proven => ({ statement: encode(n.statement, nodeLayout(c)), proof: n.proof });

/** A node as it lies in a file. Throws VerificationError where its statement is too short or too long. */
export const nodeOf = (c: RecursionClass, n: Proven): NodeProof => ({
  statement: decode(n.statement, nodeLayout(c)),
  proof: n.proof,
});

export const endProofOf = (x: Ended): EndProof => ({
  statement: decode(x.statement, endLayout()),
  proof: x.proof,
  opening: x.opening,
});
