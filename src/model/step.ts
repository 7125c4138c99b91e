import { type ScheduleRow, scheduleScalars } from '../optim/constants.js';
import { forRuns } from '../tensor/integer.js';
import { layoutClass } from '../tensor/layout.js';
import type { Program, TensorClass } from '../tensor/types.js';
import { computeCopy } from './init.js';
import { DEFAULT_NUMBERS } from './shape.js';

/** State between steps, flat over P in stack order: compute copy, master copy, moments. */
export interface AdapterState {
  readonly C: BigInt64Array;
  readonly master: BigInt64Array;
  readonly mm: BigInt64Array;
  readonly vv: BigInt64Array;
}

/**
 * Tokens and mask of a micro-batch: rows padded to the sequence length. mask[i] says that token i is a target,
 * predicted from i - 1.
 */
export interface Batch {
  readonly tokens: readonly Int32Array[];
  readonly mask: readonly Uint8Array[];
}

/** Flat vector of a group from its members, or the members from the flat vector. */
export function flattenGroup(
  program: Program,
  cls: TensorClass,
  group: string,
  members: ReadonlyMap<string, BigInt64Array>,
): BigInt64Array {
  const out = new BigInt64Array(program.axes['P']);
  eachMember(program, cls, group, (name, runs) => {
    const m = members.get(name)!;
    runs((cell, at, n) => out.set(m.subarray(cell, cell + n), at));
  });
  return out;
}
export const unflattenGroup = (program: Program, cls: TensorClass, group: string, flat: BigInt64Array): Map<string, BigInt64Array> =>
  members(program, cls, group, (runs, cells) => {
    const m = new BigInt64Array(cells);
    runs((cell, at, n) => m.set(flat.subarray(at, at + n), cell));
    return m;
  });
/** The same of real values. */
export const unflattenReals = (program: Program, cls: TensorClass, group: string, flat: Float64Array): Map<string, Float64Array> =>
  members(program, cls, group, (runs, cells) => {
    const m = new Float64Array(cells);
    runs((cell, at, n) => m.set(flat.subarray(at, at + n), cell));
    return m;
  });
/** Calls f for runs of cells of the member that lie together in the flat vector: first cell, its place there, cells. */
type Runs = (f: (cell: number, at: number, n: number) => void) => void;
function members<T>(program: Program, cls: TensorClass, group: string, of: (runs: Runs, cells: number) => T): Map<string, T> {
  const out = new Map<string, T>();
  eachMember(program, cls, group, (name, runs, n) => out.set(name, of(runs, n)));
  return out;
}
function eachMember(program: Program, cls: TensorClass, group: string, f: (name: string, runs: Runs, cells: number) => void): void {
  const layout = layoutClass(program, cls),
    alias = program.tensors.find((t) => t.aliasOf === group)!;
  const start = Math.min(...layout.tensors.get(alias.name)!.blocks.map((b) => b.position));
  for (const { tensor, blocks } of layout.tensors.values()) {
    if (tensor.group !== group || tensor.aliasOf !== undefined) continue;
    const sizes = tensor.axes.map((a) => program.axes[a]);
    f(
      tensor.name,
      (g) => {
        for (const b of blocks) forRuns(sizes, b, (cell, at, n) => g(cell, b.position - start + at, n));
      },
      sizes.reduce((x, y) => x * y, 1),
    );
  }
}

/** State before the first step: master from its tensors ("q_proj.A", ...), zero moments. */
export function initialState(program: Program, master: ReadonlyMap<string, BigInt64Array>, group = 'C'): AdapterState {
  const named = new Map([...master].map(([k, v]) => [`${group}.${k}`, v]));
  const flat = flattenGroup(program, group === 'C' ? 'cIn' : 'cOut', group, named);
  return { C: computeCopy(flat), master: flat, mm: new BigInt64Array(flat.length), vv: new BigInt64Array(flat.length) };
}

/** Public inputs of a batch: ids of tokens and of targets (token i + 1 where it is a target, else -1), loss mask. */
export function batchInputs(b: Batch, batch: number, sequence: number): Map<string, BigInt64Array | Int32Array> {
  const tokens = new Int32Array(batch * sequence),
    targets = new Int32Array(batch * sequence).fill(-1),
    mask = new BigInt64Array(batch * sequence);
  for (let r = 0; r < batch; r++) {
    const t = b.tokens[r],
      m = b.mask[r];
    if (!t) continue;
    for (let i = 0; i < sequence && i < t.length; i++) {
      tokens[r * sequence + i] = t[i];
      if (i + 1 < t.length && i + 1 < sequence && m[i + 1]) {
        targets[r * sequence + i] = t[i + 1];
        mask[r * sequence + i] = 1n;
      }
    }
  }
  return new Map<string, BigInt64Array | Int32Array>([
    ['tokens', tokens],
    ['targets', targets],
    ['mask', mask],
  ]);
}

export const targetCount = (b: Batch, sequence: number): number =>
  b.mask.reduce((n, m) => n + m.subarray(1, sequence).reduce((x, y) => x + y, 0), 0);

/** What of a program decides the formats of its scalars. */
export const scalarFormats = (program: Program): { parameters: number; momentFrac: number } => ({
  parameters: program.axes['P'],
  momentFrac: program.tensors.find((t) => t.name === 'vv')?.frac ?? DEFAULT_NUMBERS.momentFrac,
});

/**
 * All inputs of a program of any kind: those of the named values that it has. `count` is the number of targets in the
 * whole batch.
 */
export function stepInputs(
  program: Program,
  frozen: ReadonlyMap<string, BigInt64Array>,
  state: AdapterState,
  publics: ReadonlyMap<string, BigInt64Array | Int32Array>,
  row: ScheduleRow,
  count: number,
  clip: number,
  step: number,
  acc?: BigInt64Array,
): Map<string, BigInt64Array | Int32Array> {
  const has = new Set(program.tensors.map((t) => t.name)),
    inputs = new Map<string, BigInt64Array | Int32Array>();
  const put = (name: string, v: BigInt64Array | Int32Array): void => {
    if (has.has(name)) inputs.set(name, v);
  };
  for (const [n, v] of [...frozen, ...publics]) put(n, v);
  if (has.has('C')) {
    for (const [n, v] of unflattenGroup(program, 'cIn', 'C', state.C)) put(n, v);
    put('C', state.C);
  }
  put('master', state.master);
  put('mm', state.mm);
  put('vv', state.vv);
  if (acc) put('acc', acc);
  for (const [n, v] of Object.entries(scheduleScalars(row, count, clip, scalarFormats(program), step))) put(n, BigInt64Array.of(v));
  return inputs;
}
