import { type NodeStatement, type EndStatement, layout, encode, decode, endLayout } from './statement.js';
import type { RecursionClass } from './class.js';
import type { VerificationKey } from './key.js';
import type { Proven } from '../artifact/folded.js';

/** A leaf or fold: its statement and the proof of it. */
export interface NodeProof {
  readonly statement: NodeStatement;
  readonly proof: BigUint64Array;
}

/** The proof of a whole run or range. */
export interface EndProof {
  readonly statement: EndStatement;
  readonly proof: BigUint64Array;
}

const nodeLayout = (c: RecursionClass): ReturnType<typeof layout> => layout(c.child.baseVars, c.child.keyVars);

/** Words of a node for its file. */
export const flat = (c: RecursionClass, n: NodeProof): Proven => ({ statement: encode(n.statement, nodeLayout(c)), proof: n.proof });

/** A node as it lies in a file. Throws VerificationError where its statement is too short or too long. */
export const nodeOf = (c: RecursionClass, n: Proven): NodeProof => ({
  statement: decode(n.statement, nodeLayout(c)),
  proof: n.proof,
});

/** An end as it lies in a file. Throws VerificationError where its statement is too short or too long. */
export const endProofOf = (key: Pick<VerificationKey, 'baseVars'>, x: Proven): EndProof => ({
  statement: decode(x.statement, endLayout(key.baseVars)),
  proof: x.proof,
});
