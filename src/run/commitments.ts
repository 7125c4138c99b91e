import type { Kernels } from '../kernels/runtime.js';
import { type AdapterState, unflattenGroup } from '../model/step.js';
import { DOMAIN } from '../hash/poseidon2.js';
import { saveTree } from '../pcs/commit.js';
import { groupCells, usedColumns } from '../pcs/params.js';
import type { Tiled } from '../sumcheck/product.js';
import { type Plan, hashOf, stateGroup } from '../tensor/plan.js';
import { adapterDigest, columnsOf, commitStateTree, commitment, partValue } from '../tensor/state-commit.js';
import { fillStack, fillWords } from '../tensor/stack.js';
import { frozenDigest, statePoint } from '../tensor/statement.js';
import { treeKey } from '../tensor/state-trees.js';
import { ACC_WORDS, NO_SALT, type StateSalt, commitmentLayout } from '../tensor/state-layout.js';
import { ProgramError } from '../tensor/bounds.js';
import { generateTable } from '../tensor/table-algorithms.js';
import { tableColumns } from '../tensor/tables.js';
import type { TableSpec } from '../tensor/types.js';
import { VerificationError, asExt } from '../transcript/arith.js';
import { merkleHash } from '../transcript/sponge.js';
import type { Programs } from './programs.js';
import type { Base, Data } from './inputs.js';
import type { Run } from './facts.js';
import { stateSaltAt } from '../policy/order/keys.js';

/** Mean loss per target of a step: `sum` is that over all its targets, as the loss tensor has it. */
export const meanLoss = (p: Programs, targets: number, sum: bigint): number =>
  Number(sum) / 2 ** p.program.tensors.find((t) => t.name === 'loss')!.frac / targets;

/**
 * Columns of a public table by the fast algorithm where its bounds on doubles hold, else by big integers throughout:
 * the same entries (src/tensor/readings.test.ts).
 */
function publicTable(t: TableSpec): BigInt64Array[] {
  try {
    return generateTable(t.name, t.lo, t.size);
  } catch (e) {
    if (e instanceof ProgramError) return tableColumns(t);
    throw e;
  }
}

/** Writes the frozen integers, weights and tables, at their places in a stack of zeros. Returns its digest. */
function fillFrozen({ program, plan }: Programs, base: Base, stack: BigInt64Array): bigint[] {
  const words = new Map(base.frozen);
  for (const t of program.tables)
    publicTable(t).forEach((c, i) => {
      words.set(t.columns[i], c);
    });
  fillWords(plan, 'frozen', stack, (n) => words.get(n)!);
  return frozenDigest(stack);
}

/** Digest and stack of the frozen integers, weights and tables, in the kernels' memory. */
export function frozenOf(k: Kernels, s: Programs, base: Base): { digest: bigint[]; ptr: number; cells: number } {
  const { cells } = s.plan.layouts.get('frozen')!,
    ptr = k.zeroed(8 * cells);
  return { digest: fillFrozen(s, base, k.i64.subarray(ptr / 8, ptr / 8 + cells)), ptr, cells };
}

/** The same outside of it. */
export function frozenWords(s: Programs, base: Base): { readonly words: BigInt64Array; readonly digest: bigint[] } {
  const words = new BigInt64Array(s.plan.layouts.get('frozen')!.cells);
  return { words, digest: fillFrozen(s, base, words) };
}

/** Digest of a program without frozen tensors. */
export const noFrozen = (): bigint[] => frozenDigest(new BigInt64Array(0));

/** A stack with the tensors of some state, at the places that a plan gives them; released by the caller. */
function stackFrom(
  k: Kernels,
  plan: Plan,
  name: 'sIn' | 'aIn',
  values: ReadonlyMap<string, BigInt64Array>,
): { tree: number; stack: Tiled; address: (name: string) => number } {
  const g = stateGroup(plan)!,
    tree = plan.states.findIndex((t) => t.name === name),
    { classes } = plan.states[tree],
    { parts } = g.trees[tree],
    H = 2 ** g.logHeight,
    length = groupCells({ ...g, trees: [g.trees[tree]] }),
    ptr = k.zeroed(8 * length),
    at = new Map(
      [...values].map(([n, v]) => {
        const p = k.alloc(8 * v.length);
        k.i64.set(v, p / 8);
        return [n, p] as const;
      }),
    );
  classes.forEach((c, i) => {
    // A released adapter comes alone.
    if ([...plan.layouts.get(c)!.tensors.keys()].some((n) => at.has(n)))
      fillStack(k, plan, c, ptr + 8 * parts[i].offset * H, (n) => at.get(n)!);
  });
  return { tree, stack: { length, ptr }, address: (n) => at.get(n)! };
}

/** Tensors of a state by name. */
const tensorsOf = (s: Programs, { C, master, mm, vv }: AdapterState): ReadonlyMap<string, BigInt64Array> =>
  new Map([...unflattenGroup(s.program, 'cIn', 'C', C), ['master', master], ['mm', mm], ['vv', vv]]);

/**
 * Salt of the state before a step. That of the first is zero, for whoever verifies makes its commitment; the others
 * follow from the run's secret, so that every machine leaves and enters the same words. In the public mode the secret
 * is in the manifest, and they hide nothing.
 */
export const stateSalt = ({ facts }: Pick<Run, 'facts'>, { tree }: Pick<Data, 'tree'>, step: number): StateSalt =>
  step === 0 ? NO_SALT : stateSaltAt(tree.secret, facts.context, step);

/** The same of the accumulators before a part of a step: zero before the first, which begins with zeros. */
export const accumulatorsSalt = ({ facts }: Pick<Run, 'facts'>, { tree }: Pick<Data, 'tree'>, step: number, part: number): StateSalt =>
  part === 0 ? NO_SALT : stateSaltAt(tree.secret, facts.context, step, part);

/** Commitment to a state computed from its tensors; `salt` is that of its place in a run (stateSalt). */
export function stateCommitment(k: Kernels, s: Programs, name: 'sIn' | 'aIn', state: AdapterState, salt?: StateSalt): bigint[] {
  const { plan } = s,
    values = name === 'aIn' ? new Map([['acc', new BigInt64Array(state.C.length)]]) : tensorsOf(s, state);
  return k.scope(() => {
    const { tree, stack } = stackFrom(k, plan, name, values);
    return commitment(k, plan, tree, stack, commitStateTree(k, plan, tree, stack, salt).root);
  });
}

/** A commitment to a state with the tree that it is of, and the name by which a prover looks for that (StateTrees). */
export interface StateTree {
  readonly words: readonly bigint[];
  readonly key: string;
  /** 64 bytes for each point of the domain. */ readonly tree: Uint8Array;
}

/** The same with the tree, which is without the salt. */
export const stateTree = (k: Kernels, s: Programs, state: AdapterState, salt: StateSalt): StateTree =>
  k.scope(() => {
    const { plan } = s,
      { tree, stack, address } = stackFrom(k, plan, 'sIn', tensorsOf(s, state)),
      o = commitStateTree(k, plan, tree, stack, salt);
    return { words: commitment(k, plan, tree, stack, o.root), key: treeKey(k, plan, tree, address), tree: saveTree(o) };
  });

/**
 * Commitment to accumulators, what a micro-batch leaves, under the salt of their place. Only for programs that
 * accumulate.
 */
export const accumulatorsCommitment = (k: Kernels, { plan }: Programs, acc: BigInt64Array, salt: StateSalt): bigint[] =>
  k.scope(() => {
    const { tree, stack } = stackFrom(k, plan, 'aIn', new Map([['acc', acc]]));
    return commitment(k, plan, tree, stack, commitStateTree(k, plan, tree, stack, salt).root);
  });

/**
 * Checks that a commitment which a proof enters is to a state that is given: digest of the adapter, point, and the
 * values of adapter and optimiser at it. The root, which the proof opens, is not made again: the point is a hash of it,
 * so that another state of the root's list has these values there with probability cells/|E|. One evaluation.
 */
export function checkEnteredState(k: Kernels, s: Programs, entered: readonly bigint[], state: AdapterState): void {
  const { plan } = s,
    { digest, z, values } = k.scope(() => {
      const { tree, stack } = stackFrom(k, plan, 'sIn', tensorsOf(s, state)),
        g = stateGroup(plan)!,
        { parts } = g.trees[tree],
        part = parts[plan.states[tree].classes.indexOf('cIn')],
        its = adapterDigest(k, plan, columnsOf(k, stack, g.logHeight, [part]), part.used),
        z = statePoint([...entered.slice(0, 4), ...its], hashOf(plan));
      return { digest: its, z, values: parts.flatMap((p) => [...partValue(k, g, stack, p, z)]) };
    });
  if (entered.length !== 4 + digest.length + z.length + values.length || [...digest, ...z, ...values].some((w, i) => w !== entered[4 + i]))
    throw new VerificationError('initial state', 'is not that of this run');
}

/**
 * Checks that an adapter is the one of a state commitment that a proof left: digest, point and value are the adapter's
 * own. The point is a hash of root and digest, so that it was drawn after the state and the adapter that is named here
 * were both fixed: another adapter has the state's value there with probability cells/|E|. Without the root, which a
 * certificate does not show, the point is what the statement says: its proof holds only where that is this hash.
 */
export function checkReleased(k: Kernels, s: Programs, left: readonly bigint[], released: BigInt64Array, rootShown = true): void {
  const cells = s.program.axes['P'];
  if (released.length !== cells) throw new VerificationError('released adapter', `${released.length} values instead of ${cells}`);
  const { plan } = s,
    g = stateGroup(plan)!,
    tree = plan.states.findIndex((t) => t.name === 'sIn'),
    at = plan.states[tree].classes.indexOf('cIn'),
    { point, value } = commitmentLayout(plan.states[tree]),
    { digest, z, own } = k.scope(() => {
      const { stack } = stackFrom(k, plan, 'sIn', unflattenGroup(s.program, 'cIn', 'C', released)),
        part = g.trees[tree].parts[at],
        its = adapterDigest(k, plan, columnsOf(k, stack, g.logHeight, [part]), part.used),
        z = rootShown ? statePoint([...left.slice(0, 4), ...its], hashOf(plan)) : asExt(left, point);
      return { digest: its, z, own: partValue(k, g, stack, part, z) };
    });
  const agree = (what: string, from: number, words: readonly bigint[]): void => {
    if (words.some((w, i) => w !== left[from + i]))
      throw new VerificationError('released adapter', `${what} is not that of the last state of the run`);
  };
  agree('its digest', 4, digest);
  agree('its point', point, z);
  agree('its value', value(at), own);
}

/**
 * Commitment of zero accumulators, with which every step begins; zeros where micro-batches are not accumulated. All
 * rows of the codeword of zero are one row, and all nodes of a level of its tree are one node: it takes as long as the
 * tree is deep, however many parameters there are.
 */
export function zeroAccumulators(s: Programs): bigint[] {
  if (!s.update) return Array<bigint>(ACC_WORDS).fill(0n);
  const g = stateGroup(s.plan)!,
    tree = s.plan.states.findIndex((t) => t.name === 'aIn'),
    hash = merkleHash(hashOf(s.plan));
  let root = hash.hashWords(DOMAIN.leaf, Array<bigint>(usedColumns(g.trees[tree])).fill(0n));
  for (let level = 0; level < g.logHeight + g.logInvRate; level++) root = hash.compress(root, root);
  root = hash.compress(root, NO_SALT);
  const z = statePoint(root, hashOf(s.plan));
  return [...root, ...z, ...g.trees[tree].parts.flatMap(() => [0n, 0n, 0n])];
}
