import { varsOf } from '../lookup/shape.js';
import type { GroupSpec } from '../pcs/params.js';
import { type StackLayout, stackShape } from './layout.js';
import type { Program, TensorClass } from './types.js';

/** Commitments to state: adapter and optimiser state share a tree, accumulators have their own; entered and left. */
export const STATES = ['sIn', 'aIn', 'sOut', 'aOut'] as const;
export type StateName = (typeof STATES)[number];
const CLASSES = { sIn: ['cIn', 'oIn'], aIn: ['aIn'], sOut: ['cOut', 'oOut'], aOut: ['aOut'] } as const;

/** Classes of a state, in the order of its tree's parts. */
export const stateClasses = (name: StateName): readonly TensorClass[] => CLASSES[name];

/** One commitment to state: its classes, in the order of its tree's parts. */
export interface StateTree {
  readonly name: StateName;
  readonly classes: readonly TensorClass[];
}

/** Salt of a state's root: four words. Who leaves a state has one for it, and who enters it the same. */
export type StateSalt = readonly bigint[];

/** Of a state that whoever verifies commits to himself: that a run begins from, accumulators of zero. */
export const NO_SALT: StateSalt = [0n, 0n, 0n, 0n];

/** Salts of the states of a program, by name. */
export type StateSalts = Readonly<Partial<Record<StateName, StateSalt>>>;

/** Whether a state is left by a program rather than entered. */
export const isOut = (name: StateName): boolean => name === 'sOut' || name === 'aOut';

/**
 * Where the words of a state commitment lie: root of the tree, digest of the adapter where it holds one, point z, then
 * one value a class. A class's value is sum_i z^i f(i) over its cells.
 */
export function commitmentLayout(t: StateTree): { readonly point: number; readonly value: (i: number) => number; readonly words: number } {
  const point = t.classes.some(isAdapter) ? 8 : 4;
  return { point, value: (i) => point + 3 + 3 * i, words: point + 3 + 3 * t.classes.length };
}

/** Words of the commitments of a run's programs: to adapter and optimiser state, and to accumulators. */
export const STATE_WORDS = commitmentLayout({ name: 'sIn', classes: ['cIn', 'oIn'] }).words,
  ACC_WORDS = commitmentLayout({ name: 'aIn', classes: ['aIn'] }).words;

/**
 * Whether a class is the adapter's: whoever holds an adapter can tell whether a commitment is to it, by digest, point
 * and value.
 */
export function isAdapter(c: TensorClass): boolean {
  return c === 'cIn' || c === 'cOut';
}

/**
 * log2 of columns and rows of the stack of all state, and of its inverse rate: 64 columns, but up to 256 where there
 * would be more than 2^17 rows; 1/32, which needs few queries, while the domain has at most 2^21 points; a higher rate
 * for larger adapters, whose trees would outgrow memory, down to 1/4.
 */
export function stateShape(cells: number): { logColumns: number; logHeight: number; rate: number } {
  const vars = Math.max(3, varsOf(cells)),
    { logColumns, logHeight } = stackShape(cells, Math.max(6, Math.min(8, vars - 17)));
  return { logColumns, logHeight, rate: Math.max(2, Math.min(5, 21 - logHeight)) };
}

/**
 * log2 of the inverse rate of the state commitments of an adapter of so many parameters: two states of four words each.
 */
export const stateRate = (parameters: number): number => stateShape(8 * parameters).rate;

/**
 * The stack of all state: every class is a part of its tree, from a column on that is aligned with its largest block.
 */
export function stateStack(
  program: Program,
  layouts: ReadonlyMap<TensorClass, StackLayout>,
  states: readonly StateTree[],
  logInvRate: number,
): GroupSpec {
  const cells = (c: TensorClass): number => layouts.get(c)!.cells,
    // Commitments to one state must agree between micro, update and step programs: the height depends on the number of
    // parameters alone.
    P = program.axes['P'],
    all = P ? 8 * P : states.reduce((n, s) => n + s.classes.reduce((m, c) => m + cells(c), 0), 0),
    // Where accumulators are, programs hold 6 and 9 words a parameter: twice as many columns are room for both at the
    // height of 8.
    most = 2 ** (Math.max(6, stateShape(all).logColumns) + (P && layouts.has('aIn') ? 1 : 0));
  for (let h = Math.max(2, stateShape(all).logHeight); ; h++) {
    let offset = 0;
    const trees = states.map(({ classes }) => ({
      salted: true as const,
      parts: classes.map((c) => {
        // A block larger than a column must start at a multiple of its size; columns in between are zero and in no
        // tree.
        const log = Math.max(...[...layouts.get(c)!.tensors.values()].flatMap((t) => t.blocks.map((b) => b.log))),
          unit = 2 ** Math.max(0, log - h),
          part = { used: Math.ceil(cells(c) / 2 ** h), offset: Math.ceil(offset / unit) * unit };
        offset = part.offset + part.used;
        return part;
      }),
    }));
    if (offset <= most) return { logColumns: varsOf(offset), logHeight: h, logInvRate, trees };
  }
}
