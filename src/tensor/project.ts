/** Arrays of factors over their sumcheck axes: the other axes are summed against eq at their slices of rho. */
import { together } from '../device/batches.js';
import { eqTableAt } from '../device/cpu-opening.js';
import type { Device, Vec } from '../device/device.js';
import type { Along } from '../device/sumcheck.js';
import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
import { PointTables } from '../lookup/eq.js';
import type { SumFactor } from '../sumcheck/terms.js';
import type { Ext } from '../transcript/arith.js';
import type { IntegerReading } from './integer.js';
import type { Factor, Plan } from './plan.js';
import type { TensorSpec } from './types.js';

/** Axes of a factor's array, in global order. */
export const ownAxes = (plan: Plan, f: Factor): string[] => {
  const own = f.slots.flatMap((s) => (s.kind === 'axis' ? [s.axis] : []));
  return plan.axes.flatMap((x) => (own.includes(x.axis) ? [x.axis] : []));
};

/** Tensors of a proof on its device, each brought there once. */
export class Tensors {
  readonly #vecs = new Map<string, Vec>();
  constructor(
    readonly d: Device,
    readonly plan: Plan,
    readonly address: (name: string) => number,
  ) {}
  of({ name, axes }: TensorSpec): Vec {
    let v = this.#vecs.get(name);
    if (!v) {
      v = this.d.bring(
        this.address(name),
        axes.reduce((n, a) => n * this.plan.extended.axes[a], 1),
      );
      this.#vecs.set(name, v);
    }
    return v;
  }
  /** Its words from one on. */
  from(t: TensorSpec, at: number): Vec {
    const v = this.of(t);
    return this.d.slice(v, at, v.words - at);
  }
}

/** Whether a factor's integers are read where they lie: no axis is projected of. */
export const isInPlace = (f: Factor): boolean => f.tensor.publicKind !== 'onehot' && !f.slots.some((s) => s.kind === 'rho');

/** The integers of a factor that no axis is projected of. */
export function inPlace(plan: Plan, f: Factor, tensors: Tensors): Pick<SumFactor, 'axes' | 'words'> {
  const axes = ownAxes(plan, f),
    strides = axes.map(() => 0);
  let at = 0,
    unit = 1;
  for (let d = f.slots.length - 1; d >= 0; d--) {
    const s = f.slots[d];
    if (s.kind === 'index') at += unit * s.index;
    else {
      at += unit * s.offset;
      strides[axes.indexOf((s as { axis: string }).axis)] += s.stride * unit;
    }
    unit *= plan.extended.axes[f.tensor.axes[d]];
  }
  return { axes, words: { vec: tensors.from(f.tensor, at), strides } };
}

/** The axes of a factor: where its cells begin, the sumcheck axes in global order, and those at slices of rho. */
function axesOf(plan: Plan, f: Factor): { base: number; own: (Along & { axis: string })[]; at: (Along & { from: number; to: number })[] } {
  const order = plan.axes.map((x) => x.axis),
    sizes = f.tensor.axes.map((x) => plan.extended.axes[x]),
    unit = new Array<number>(sizes.length).fill(1);
  for (let d = sizes.length - 2; d >= 0; d--) unit[d] = unit[d + 1] * sizes[d + 1];
  const own: (Along & { axis: string })[] = [],
    at: (Along & { from: number; to: number })[] = [];
  let base = 0;
  f.slots.forEach((s, d) => {
    if (s.kind === 'index') {
      base += s.index * unit[d];
      return;
    }
    base += s.offset * unit[d];
    if (s.kind === 'axis') own.push({ axis: s.axis, size: s.size, stride: s.stride * unit[d] });
    else at.push({ from: s.from, to: s.to, size: s.size, stride: s.stride * unit[d] });
  });
  own.sort((x, y) => order.indexOf(x.axis) - order.indexOf(y.axis));
  return { base, own, at };
}

/** The arrays of factors, in fresh memory of the proof's device. */
export type Projector = (list: readonly Factor[]) => Vec[];

/** Elements of weights that projections together take at most. */
export const WEIGHTS = 2 ** 26;

export function projector(k: Kernels, plan: Plan, reading: IntegerReading, tensors: Tensors, rho: readonly Ext[]): Projector {
  const { d } = tensors;
  return (list) => {
    const jobs = list.map((f): Job => {
      const { base, own, at } = axesOf(plan, f),
        to = d.vector(3 * own.reduce((x, y) => x * y.size, 1));
      return { f, to, base, own, at };
    });
    for (const { f, to, own } of jobs)
      if (f.tensor.publicKind === 'onehot')
        d.fill(to, (address) => {
          k.u8.fill(0, address, address + 8 * to.words);
          k.scope(() => onehot(k, plan, f, reading.ids.get(f.tensor.name)!, own, address, rho));
        });
    const dense = jobs.filter(({ f }) => f.tensor.publicKind !== 'onehot');
    // Tensors outlive the scope of a part.
    for (const { f } of dense) tensors.of(f.tensor);
    for (const some of together(d, dense)) for (const part of byWeights(some)) projectDense(tensors, part, rho);
    return jobs.map((j) => j.to);
  };
}

interface Job {
  readonly f: Factor;
  readonly to: Vec;
  readonly base: number;
  readonly own: readonly (Along & { axis: string })[];
  readonly at: readonly (Along & { from: number; to: number })[];
}
/** Cells that one cell of a job's array is summed over, and the weights of these by name. */
const summedCells = ({ at }: Job): number => at.reduce((n, x) => n * x.size, 1);
const weightsKey = ({ at }: Job): string => at.map((x) => `${x.from}-${x.to}-${x.size}`).join();

/** Jobs in parts whose weights fit together. */
function byWeights(jobs: readonly Job[]): Job[][] {
  const out: Job[][] = [];
  let names = new Set<string>(),
    length = 0;
  for (const j of jobs) {
    const key = weightsKey(j),
      more = names.has(key) ? 0 : summedCells(j);
    if (out.length === 0 || length + more > WEIGHTS) {
      out.push([]);
      names = new Set();
      length = 0;
    }
    if (!names.has(key)) length += summedCells(j);
    names.add(key);
    out[out.length - 1].push(j);
  }
  return out;
}

/** Sums the cells of tensors over the axes at rho. */
function projectDense(tensors: Tensors, jobs: readonly Job[], rho: readonly Ext[]): void {
  const { d } = tensors;
  d.scope(() => {
    const tables = new PointTables(d, rho);
    for (const { at } of jobs) for (const x of at) tables.want([x.from, x.to], x.size);
    tables.build();
    const weights = new Map(jobs.map((j) => [weightsKey(j), j])),
      made = new Map([...weights].map(([key, j]) => [key, d.vector(3 * summedCells(j))])),
      items = [...weights].map(([key, { at }]) => ({
        to: made.get(key)!,
        first: [E.ONE],
        axes: at.map((x) => tables.part([x.from, x.to], x.size)),
      }));
    d.run('rowWeights', items.length, { tables: tables.all, items });
    d.run('projections', jobs.length, {
      items: jobs.map((j) => ({
        to: j.to,
        from: tensors.from(j.f.tensor, j.base),
        own: j.own,
        summed: j.at,
        weights: made.get(weightsKey(j))!,
      })),
    });
  });
}

/** Factor array of a one-hot tensor: positions scatter their weight to their id. */
function onehot(
  k: Kernels,
  plan: Plan,
  f: Factor,
  ids: Int32Array,
  own: readonly { axis: string; size: number }[],
  dst: number,
  rho: readonly Ext[],
): void {
  const sizes = f.tensor.axes.map((x) => plan.program.axes[x]);
  const tabs = f.slots.map((s) => (s.kind === 'rho' ? eqTableAt(k, rho.slice(s.from, s.to), s.size) : 0));
  const stride = new Map<string, number>();
  let unit = 1;
  for (let d = own.length - 1; d >= 0; d--) {
    stride.set(own[d].axis, unit);
    unit *= own[d].size;
  }
  ids.forEach((id, pos) => {
    if (id < 0) return;
    let rest = pos,
      at = 0,
      v: Ext = E.ONE;
    const put = (d: number, i: number): void => {
      const s = f.slots[d];
      if (s.kind === 'axis') at += i * stride.get(s.axis)!;
      else if (s.kind === 'rho') v = E.mul(v, k.readExt(tabs[d] + 24 * i));
    };
    for (let d = sizes.length - 1; d >= 1; d--) {
      put(d, rest % sizes[d]);
      rest = Math.floor(rest / sizes[d]);
    }
    put(0, id);
    k.writeExt(dst + 24 * at, E.add(k.readExt(dst + 24 * at), v));
  });
}
