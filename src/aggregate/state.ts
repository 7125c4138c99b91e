import type { Kernels } from '../kernels/runtime.js';
import { type AdapterState, unflattenGroup } from '../model/step.js';
import { commitBase } from '../pcs/index.js';
import { fillStack, powerSum } from '../tensor/stack.js';
import { frozenDigest, statePoint } from '../tensor/statement.js';
import { tableColumns } from '../tensor/tables.js';
import type { TensorClass } from '../tensor/types.js';
import type { Programs } from './programs.js';
import type { Setup } from './setup.js';

/** One program proof of a step: words, roots of the state it leaves, loss summed over its targets (0 for an update). */
export interface ProofPart {
  readonly kind: 'step' | 'micro' | 'update';
  readonly proof: BigUint64Array;
  readonly roots: Readonly<Record<string, readonly bigint[]>>;
  readonly loss: bigint;
}

/** One step's proof as it travels: a single 'step', or one 'micro' per micro-batch and an 'update'. */
export interface StepProof {
  readonly step: number;
  readonly parts: readonly ProofPart[];
}

/** State classes that a part leaves. */
export const LEFT = { step: ['cOut', 'oOut'], micro: ['aOut'], update: ['cOut', 'oOut'] } as const;

/** A run's proof as it travels: its steps, and the merge of their claims on frozen tensors. */
export interface RunProof {
  readonly steps: readonly StepProof[];
  readonly merge: BigUint64Array;
}

export interface Frozen {
  readonly digest: readonly bigint[];
  readonly ptr: number;
  readonly cells: number;
}

/** Mean loss per target of a step. */
export const meanLoss = (s: Setup, step: number, sum: bigint): number =>
  Number(sum) / 2 ** s.program.tensors.find((t) => t.name === 'loss')!.frac / s.batches[step].targets;

/** Digest and stack of the frozen integers, weights and tables. */
export function frozenOf(k: Kernels, s: Pick<Setup, 'plan' | 'program' | 'frozen'>): { digest: bigint[]; ptr: number; cells: number } {
  const cells = s.plan.layouts.get('frozen')!.cells,
    ptr = k.zeroed(8 * cells),
    m = k.mark(),
    at = new Map<string, number>();
  const put = (name: string, v: BigInt64Array): void => {
    const p = k.alloc(8 * v.length);
    k.i64.set(v, p / 8);
    at.set(name, p);
  };
  for (const [n, v] of s.frozen) put(n, v);
  for (const t of s.program.tables) tableColumns(t).forEach((c, i) => put(t.columns[i], c));
  fillStack(k, s.plan, 'frozen', ptr, (n) => at.get(n)!);
  k.release(m);
  return { digest: frozenDigest(k.i64.slice(ptr / 8, ptr / 8 + cells)), ptr, cells };
}

/** Digest of a program without frozen tensors. */
export const noFrozen = (): bigint[] => frozenDigest(new BigInt64Array(0));

/** Commitment (root, point, value) to a state class computed from its tensors: what a verifier does for the initial and the released adapter. */
export function stateRoot(k: Kernels, s: Programs, cls: 'cIn' | 'oIn' | 'aIn', state: AdapterState): bigint[] {
  const plan = cls === 'oIn' && s.update ? s.update.plan : s.plan,
    m = k.mark(),
    w = plan.stateWhir!,
    t = plan.stateClasses.indexOf(cls as TensorClass),
    H = 2 ** w.logHeight,
    stack = k.zeroed(8 * w.trees[t].used * H);
  const values =
    cls === 'cIn'
      ? unflattenGroup(s.program, 'cIn', 'C', state.C)
      : cls === 'aIn'
        ? new Map([['acc', new BigInt64Array(state.C.length)]])
        : new Map([
            ['master', state.master],
            ['mm', state.mm],
            ['vv', state.vv],
          ]);
  const at = new Map(
    [...values].map(([n, v]) => {
      const p = k.alloc(8 * v.length);
      k.i64.set(v, p / 8);
      return [n, p] as const;
    }),
  );
  fillStack(k, plan, cls, stack, (n) => at.get(n)!);
  const { root } = commitBase(k, stack, w.trees[t].used, w.logHeight, w.params),
    z = statePoint(root, w.params.hash),
    value = powerSum(k, stack, w.trees[t].used * H, z);
  k.release(m);
  return [...root, ...z, ...value];
}

/** Commitment of zero accumulators, with which every step begins; ten zeros where micro-batches are not accumulated. */
export const zeroAccumulators = (k: Kernels, s: Programs, state: AdapterState): bigint[] =>
  s.update ? stateRoot(k, s, 'aIn', state) : Array<bigint>(10).fill(0n);
