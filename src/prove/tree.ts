import { type LeafEpoch, type TreeNode, treeOf } from './tree-shape.js';

/** A leaf to be made: the steps whose proofs it reads, in order. */
export interface LeafWork extends LeafEpoch {
  readonly steps: readonly number[];
}

/** What makes proofs: each call is work that is not repeated once its result is stored. */
export interface Maker<P, N> {
  step(step: number): P;
  /** Told before the steps of a leaf are proved. */ enter?(index: number): void;
  leaf(index: number, proofs: readonly P[]): N;
  fold(node: TreeNode, left: N, right: N): N;
}

/** What keeps them: a thing is there whole or not at all. */
export interface Keeper<P, N> {
  loadStep(step: number): P | undefined;
  saveStep(step: number, p: P): void;
  /** Removes the proofs of all steps before this one. */ dropSteps(before: number): void;
  loadNode(node: TreeNode): N | undefined;
  saveNode(node: TreeNode, n: N): void;
  /** Removes the nodes that lie inside this one, but for whole epochs. */ dropInside(node: TreeNode): void;
}

/**
 * Makes the node over all leaves. Depth first from the left, a stored node in place of everything below it: neighbours
 * are folded as soon as both are there, a step's proof goes when the last leaf that reads it is stored, and at any time
 * there lie at most two nodes more than the tree is deep, and the epochs. Whenever this ends before its time, the next
 * call goes on with what was stored last.
 */
export function grow<P, N>(leaves: readonly LeafWork[], make: Maker<P, N>, keep: Keeper<P, N>): N {
  const steps = new Map<number, P>();
  /** First step whose proof is still read once this node is stored. */
  const next = (t: TreeNode): number => {
    const read = leaves[t.to - 1].steps;
    return leaves[t.to]?.steps[0] ?? read[read.length - 1] + 1;
  };
  const proofOf = (step: number): P => {
    let p = steps.get(step) ?? keep.loadStep(step);
    if (p === undefined) {
      p = make.step(step);
      keep.saveStep(step, p);
    }
    steps.set(step, p);
    return p;
  };
  const node = (t: TreeNode): N => {
    let n = keep.loadNode(t);
    if (n === undefined) {
      if (t.children) {
        const left = node(t.children[0]);
        n = make.fold(t, left, node(t.children[1]));
      } else {
        make.enter?.(t.from);
        n = make.leaf(t.from, leaves[t.from].steps.map(proofOf));
      }
      keep.saveNode(t, n);
    }
    keep.dropInside(t);
    keep.dropSteps(next(t));
    for (const s of steps.keys()) if (s < next(t)) steps.delete(s);
    return n;
  };
  return node(treeOf(leaves));
}
