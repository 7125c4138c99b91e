import { deviceOf } from '../device/current.js';
import type { Kernels } from '../kernels/runtime.js';
import { type WhirGroup, type WhirTree, groupCells, usedColumns } from '../pcs/params.js';
import { type Oracle, commitBase, commitZero, saltOracle } from '../pcs/commit.js';
import type { Tiled } from '../sumcheck/product.js';
import type { Ext } from '../transcript/arith.js';
import type { IntegerReading } from './integer.js';
import { STACK_SHARE } from '../pcs/commit.js';
import { type Plan, hashOf, stateGroup } from './plan.js';
import { fillStack, powerSum } from './stack.js';
import { statePoint } from './statement.js';
import { NO_SALT, type StateSalt, type StateSalts, isAdapter } from './state-layout.js';
import { type StateTrees, stateTensors, treeKey } from './state-trees.js';
import { type StackPart, stackTiles } from './tiles.js';

/** Commits tree n of a group whose stack is given: its parts, in turn. `keep` and `tree` as of commitBase. */
export function commitTree(k: Kernels, plan: Plan, g: WhirGroup, n: number, stack: Tiled, keep = 0, tree?: Uint8Array): Oracle {
  const t = g.trees[n];
  if (t.salted) throw new Error('a salted tree is committed by commitStateTree');
  return unsalted(k, plan, g, n, stack, keep, tree);
}

/** The same of a state's tree, under the salt where it has one. */
export function commitStateTree(k: Kernels, plan: Plan, n: number, stack: Tiled, salt: StateSalt = NO_SALT, tree?: Uint8Array): Oracle {
  const g = stateGroup(plan)!,
    o = unsalted(k, plan, g, n, stack, 0, tree);
  return g.trees[n].salted ? saltOracle(o, salt, hashOf(plan)) : o;
}

function unsalted(k: Kernels, plan: Plan, g: WhirGroup, n: number, stack: Tiled, keep: number, tree?: Uint8Array): Oracle {
  const t = g.trees[n];
  return commitBase(
    k,
    columnsOf(k, stack, g.logHeight, t.parts),
    usedColumns(t),
    g.logHeight,
    { logInvRate: g.logInvRate, hash: hashOf(plan) },
    keep,
    tree,
  );
}

/** What commitBase takes: the address of all columns, or a function that writes those of some parts, in turn. */
export function columnsOf(
  k: Kernels,
  t: Tiled,
  logHeight: number,
  parts: WhirTree['parts'],
): number | ((dst: number, from: number, n: number) => void) {
  const H = 2 ** logHeight,
    { ptr, fill } = t;
  if (ptr !== undefined && parts.length === 1) return ptr + 8 * parts[0].offset * H;
  const columns = parts.flatMap((p) => Array.from({ length: p.used }, (_, j) => p.offset + j));
  return (dst, from, n) => {
    for (let c = 0; c < n; c++) {
      const at = columns[from + c] * H;
      if (ptr !== undefined) k.u8.copyWithin(dst + 8 * c * H, ptr + 8 * at, ptr + 8 * (at + H));
      else fill!(dst + 8 * c * H, at, logHeight);
    }
  };
}

/**
 * Words of the commitment to a state whose tree has this root (layout: commitmentLayout). `stack` is that of all state.
 */
export function commitment(k: Kernels, plan: Plan, tree: number, stack: Tiled, root: readonly bigint[]): bigint[] {
  const g = stateGroup(plan)!,
    { classes } = plan.states[tree],
    { parts } = g.trees[tree],
    at = classes.findIndex(isAdapter),
    digest = at < 0 ? [] : adapterDigest(k, plan, columnsOf(k, stack, g.logHeight, [parts[at]]), parts[at].used),
    z = statePoint([...root, ...digest], hashOf(plan));
  return [...root, ...digest, ...z, ...parts.flatMap((p) => [...partValue(k, g, stack, p, z)])];
}

/**
 * Digest of an adapter: root of the tree over its columns without any redundancy, hence a hash of the adapter. It lies
 * in a state commitment's point, so that an adapter that is named afterwards and differs has another value there.
 */
export function adapterDigest(k: Kernels, plan: Plan, columns: ReturnType<typeof columnsOf>, used: number): bigint[] {
  const d = deviceOf(k, hashOf(plan));
  return k.scope(() =>
    d.scope(() => commitBase(k, columns, used, stateGroup(plan)!.logHeight, { logInvRate: 0, hash: hashOf(plan) }).root),
  );
}

/** sum_i z^i f(i) over one part of a tree: powers of one block, then Horner over blocks. */
export function partValue(k: Kernels, g: WhirGroup, stack: Tiled, p: { used: number; offset: number }, z: Ext): Ext {
  const H = 2 ** g.logHeight,
    { ptr, fill } = stack;
  return powerSum(
    k,
    ptr !== undefined ? ptr + 8 * p.offset * H : (dst, from, log) => fill!(dst, p.offset * H + from, log),
    p.used * H,
    z,
    g.logHeight,
  );
}

/**
 * A committed state: trees over one stack, near or read in tiles from the tensors, and the words of their commitments
 * by name.
 */
export interface StateOracles {
  readonly stack: Tiled;
  readonly oracles: readonly Oracle[];
  readonly roots: Record<string, bigint[]>;
}

/** The stack of some classes: near if that leaves room, else in tiles. */
export function stackOf(
  k: Kernels,
  plan: Plan,
  parts: readonly StackPart[],
  cells: number,
  logHeight: number,
  address: (n: string) => number,
): Tiled {
  const tiles = { ...stackTiles(k, plan, parts, cells, address), maxLog: logHeight };
  if (8 * cells > STACK_SHARE * k.room) return tiles;
  const ptr = k.zeroed(8 * cells);
  for (const { cls, at } of parts) fillStack(k, plan, cls, ptr + 8 * at, address);
  return { length: cells, ptr };
}

/** Parts of the stack of all state: every class of every tree. */
export const stateParts = (plan: Plan): StackPart[] =>
  plan.states.flatMap(({ classes }, t) => {
    const g = stateGroup(plan)!;
    return classes.map((cls, i) => ({ cls, at: g.trees[t].parts[i].offset * 2 ** g.logHeight }));
  });

/** Commits the state tensors of a reading; where a state's salt is not given it is zero. */
export function commitState(
  k: Kernels,
  plan: Plan,
  reading: IntegerReading,
  trees?: StateTrees,
  salts: StateSalts = {},
): StateOracles | undefined {
  const g = stateGroup(plan);
  if (!g) return undefined;
  const address = (n: string): number => reading.ptr.get(n)!,
    stack = stackOf(k, plan, stateParts(plan), groupCells(g), g.logHeight, address);
  const oracles = plan.states.map(({ name }, n) => {
    // The accumulators with which a step begins.
    if (isZero(k, plan, n, address)) return zeroTree(k, plan, n, stack, salts[name]);
    const key = trees && treeKey(k, plan, n, address),
      o = commitStateTree(k, plan, n, stack, salts[name], key ? trees?.get(key) : undefined);
    // Trees are kept without their salts, which are of a state's place in its run.
    if (key) trees?.keep(key, o);
    return o;
  });
  const roots = Object.fromEntries(plan.states.map((_, t) => [plan.states[t].name, commitment(k, plan, t, stack, oracles[t].root)]));
  return { stack, oracles, roots };
}

/** Whether all tensors of a state are zero. */
const isZero = (k: Kernels, plan: Plan, n: number, address: (name: string) => number): boolean =>
  stateTensors(plan, n).every((t) => {
    const at = address(t.name) / 4,
      { i32 } = k,
      end = at + 2 * t.axes.reduce((m, a) => m * plan.extended.axes[a], 1);
    for (let i = at; i < end; i++) if (i32[i] !== 0) return false;
    return true;
  });

/** The tree of a state that is zero, under its salt where it has one. */
function zeroTree(k: Kernels, plan: Plan, n: number, stack: Tiled, salt: StateSalt = NO_SALT): Oracle {
  const g = stateGroup(plan)!,
    t = g.trees[n],
    o = commitZero(k, columnsOf(k, stack, g.logHeight, t.parts), usedColumns(t), g.logHeight, {
      logInvRate: g.logInvRate,
      hash: hashOf(plan),
    });
  return t.salted ? saltOracle(o, salt, hashOf(plan)) : o;
}

/** Frozen stack of a plan from the integers of its tensors. */
export function frozenStack(k: Kernels, plan: Plan, address: (name: string) => number): { ptr: number; cells: number } {
  const cells = plan.layouts.get('frozen')?.cells ?? 0,
    ptr = k.zeroed(8 * Math.max(1, cells));
  if (cells) fillStack(k, plan, 'frozen', ptr, address);
  return { ptr, cells };
}
