import { hex, sha256Stream } from '../hash/sha256.js';
import type { Kernels } from '../kernels/runtime.js';
import { usedColumns } from '../pcs/params.js';
import { type Oracle, saveTree } from '../pcs/commit.js';
import { type Plan, hashOf, stateGroup } from './plan.js';
import type { TensorSpec } from './types.js';

/** Trees kept: those that a micro-batch needs, or a step leaves. */
const KEPT = 3;

/**
 * Trees of states, by the words committed: what one proof leaves the next one enters, and every micro-batch of a step
 * enters the same adapter. A prover that keeps them makes each tree once. They live outside the kernel's memory, 64
 * bytes for each point of the domain.
 */
export class StateTrees {
  readonly #trees = new Map<string, Uint8Array>();

  /** `given`: trees that somebody else has made, which stay. */
  constructor(readonly given: ReadonlyMap<string, Uint8Array> = new Map()) {}

  /** The tree of a state of a reading, if it was given or is among the last ones kept. */
  get(key: string): Uint8Array | undefined {
    const tree = this.#trees.get(key);
    if (tree) this.#touch(key, tree);
    return tree ?? this.given.get(key);
  }
  keep(key: string, o: Oracle): void {
    if (this.given.has(key)) return;
    if (!this.#trees.has(key)) this.#touch(key, saveTree(o));
    for (const old of this.#trees.keys()) if (this.#trees.size > KEPT) this.#trees.delete(old);
  }
  /** Keeps none of those that were made here: they may be wrong. */
  clear(): void {
    this.#trees.clear();
  }
  #touch(key: string, tree: Uint8Array): void {
    this.#trees.delete(key);
    this.#trees.set(key, tree);
  }
}

/** Bytes of the trees kept while a program's proofs are made one after another. */
export const treesBytes = (plan: Plan): number => KEPT * 64 * 2 ** (stateGroup(plan)?.domain ?? 0);

/** Tensors of a state that are no alias of others. */
export const stateTensors = (plan: Plan, n: number): TensorSpec[] =>
  plan.states[n].classes.flatMap((cls) =>
    [...plan.layouts.get(cls)!.tensors.values()].flatMap(({ tensor }) => (tensor.aliasOf === undefined ? [tensor] : [])),
  );

/**
 * Name of a state's tree: shape of the tree and SHA-256 over the words of its tensors, in the order in which they are
 * laid out. `address`: where a tensor's words are.
 */
export function treeKey(k: Kernels, plan: Plan, n: number, address: (name: string) => number): string {
  const g = stateGroup(plan)!,
    digest = sha256Stream();
  for (const tensor of stateTensors(plan, n)) {
    const at = address(tensor.name),
      cells = tensor.axes.reduce((m, a) => m * plan.extended.axes[a], 1);
    digest.update(k.u8.subarray(at, at + 8 * cells));
  }
  const shape = [hashOf(plan), g.logHeight, g.logInvRate, usedColumns(g.trees[n]), ...g.trees[n].parts.map((p) => p.used)];
  return `${plan.states[n].name[0]} ${shape.join(' ')} ${hex(digest.digest())}`;
}
