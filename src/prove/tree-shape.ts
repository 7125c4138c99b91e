import { log2Ceil } from '../field/log2.js';

/*
 * The shape of the tree over the leaves of a range: a function of their number and of where epochs end, so that whoever
 * goes on with a run knows which nodes it may find. Inside an epoch a binary counter: the left child of a node over n
 * leaves has the greatest power of two below n, so that walking the tree from the left folds neighbours as soon as both
 * are there, and what is left over folds from the right. Whole and partial epochs are folded among themselves likewise.
 */

/** A node over the leaves from .. to - 1. */
export interface TreeNode {
  readonly from: number;
  readonly to: number;
  /** Absent in a leaf. */ readonly children?: readonly [TreeNode, TreeNode];
  /** Set where the node covers exactly this epoch: it is kept. */ readonly epoch?: number;
}

/** What the shape needs to know of a leaf. */
export interface LeafEpoch {
  readonly epoch: number;
  /** Whether the epoch begins with this leaf, and whether it ends with it. */ readonly first: boolean;
  readonly last: boolean;
}

/** Leaves of the left child of a node over n > 1. */
const leftOf = (n: number): number => 2 ** (log2Ceil(n) - 1);

function counter(nodes: readonly TreeNode[]): TreeNode {
  if (nodes.length === 1) return nodes[0];
  const at = leftOf(nodes.length),
    left = counter(nodes.slice(0, at)),
    right = counter(nodes.slice(at));
  return { from: left.from, to: right.to, children: [left, right] };
}

/** The tree over these leaves. Throws RangeError where there are none or where their epochs are out of order. */
export function treeOf(leaves: readonly LeafEpoch[]): TreeNode {
  if (!leaves.length) throw new RangeError('a tree has at least one leaf');
  const epochs: TreeNode[] = [];
  for (let at = 0; at < leaves.length; ) {
    const { epoch, first } = leaves[at],
      from = at;
    while (at < leaves.length && leaves[at].epoch === epoch) {
      const x = leaves[at++],
        inside = at < leaves.length && leaves[at].epoch === epoch;
      if (inside ? x.last || leaves[at].first : at < leaves.length && !(x.last && leaves[at].first))
        throw new RangeError(`epoch ${epoch}: a leaf begins or ends it at another place than the next one says`);
    }
    if (at < leaves.length && leaves[at].epoch !== epoch + 1) throw new RangeError(`epoch ${leaves[at].epoch} follows epoch ${epoch}`);
    const node = counter(Array.from({ length: at - from }, (_, i) => ({ from: from + i, to: from + i + 1 })));
    epochs.push(first && leaves[at - 1].last ? { ...node, epoch } : node);
  }
  return counter(epochs);
}

/**
 * Folds on the longest way from the root to a leaf. While the tree grows at most two nodes more lie finished, epochs
 * apart: a left one on each level, a right one and what they fold to.
 */
export function depthOf(t: TreeNode): number {
  return t.children ? 1 + Math.max(...t.children.map(depthOf)) : 0;
}
