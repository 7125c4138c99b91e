/** Arrays of factors over their sumcheck axes: the other axes are summed against eq at their slices of rho. */
import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
import { eqTableKernel } from '../lookup/eq.js';
import type { SumFactor } from '../sumcheck/terms.js';
import type { Ext } from '../transcript/arith.js';
import type { IntegerReading } from './integer.js';
import type { Factor, Plan } from './plan.js';

/** Axes of a factor's array, in global order. */
export const ownAxes = (plan: Plan, f: Factor): string[] => {
  const own = f.slots.flatMap((s) => (s.kind === 'axis' ? [s.axis] : []));
  return plan.axes.flatMap((x) => (own.includes(x.axis) ? [x.axis] : []));
};

/** The integers of a factor that no axis is projected of, where they lie; undefined for the others. */
export function inPlace(plan: Plan, f: Factor, address: (n: string) => number): Pick<SumFactor, 'axes' | 'words'> | undefined {
  if (f.tensor.publicKind === 'onehot' || f.slots.some((s) => s.kind === 'rho')) return undefined;
  const axes = ownAxes(plan, f),
    strides = axes.map(() => 0);
  let ptr = address(f.tensor.name),
    unit = 1;
  for (let d = f.slots.length - 1; d >= 0; d--) {
    const s = f.slots[d];
    if (s.kind === 'index') ptr += 8 * unit * s.index;
    else {
      ptr += 8 * unit * s.offset;
      strides[axes.indexOf((s as { axis: string }).axis)] += s.stride * unit;
    }
    unit *= plan.extended.axes[f.tensor.axes[d]];
  }
  return { axes, words: { ptr, strides } };
}

/** One axis of a tensor in a projection: its size and its stride in cells. */
interface Along {
  readonly size: number;
  readonly stride: number;
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

/** The array of a factor, in fresh memory. */
export type Projector = (f: Factor) => number;

export function projector(k: Kernels, plan: Plan, reading: IntegerReading, address: (n: string) => number, rho: readonly Ext[]): Projector {
  return (f) => {
    const { base, own, at } = axesOf(plan, f),
      n = own.reduce((x, y) => x * y.size, 1),
      dst = k.zeroed(24 * n);
    k.scope(() => {
      if (f.tensor.publicKind === 'onehot') onehot(k, plan, f, reading.ids.get(f.tensor.name)!, own, dst, rho);
      else projectDense(k, address(f.tensor.name) + 8 * base, own, at, dst, rho);
    });
    return dst;
  };
}

/** Sums the cells at `src` over the axes at rho, into n cells at `dst`. */
function projectDense(
  k: Kernels,
  src: number,
  own: readonly Along[],
  at: readonly (Along & { from: number; to: number })[],
  dst: number,
  rho: readonly Ext[],
): void {
  const n = own.reduce((x, y) => x * y.size, 1),
    q = at.reduce((x, y) => x * y.size, 1);
  let w = k.exts([E.ONE]),
    rows = 1;
  for (const x of at) {
    const tab = eqTableKernel(k, rho.slice(x.from, x.to), x.size),
      out = k.alloc(24 * rows * x.size),
      from = w;
    k.parallel('outer', rows, 64, (lo, hi) => [out, from, tab, x.size, lo, hi]);
    w = out;
    rows *= x.size;
  }
  const desc = k.alloc(256),
    idx = k.alloc(64 * k.threads);
  k.i32.set([own.length, at.length, ...[...own, ...at].flatMap((x) => [x.size, x.stride])], desc / 4);
  if (n >= 16 * k.threads) {
    k.parallel('project', n, Math.max(1, Math.ceil(4096 / q)), (lo, hi, th) => [dst, src, w, desc, idx + 64 * th, 0, q, lo, hi]);
    return;
  }
  // Few cells: threads share the sum of each.
  const part = k.zeroed(24 * n * k.threads);
  k.parallel('project', q, 1024, (lo, hi, th) => [part + 24 * n * th, src, w, desc, idx + 64 * th, lo, hi, 0, n]);
  for (let c = 0; c < n; c++) {
    let v: Ext = E.ZERO;
    for (let th = 0; th < k.threads; th++) v = E.add(v, k.readExt(part + 24 * (n * th + c)));
    k.writeExt(dst + 24 * c, v);
  }
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
  const tabs = f.slots.map((s) => (s.kind === 'rho' ? eqTableKernel(k, rho.slice(s.from, s.to), s.size) : 0));
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
