import { eqAt, eqEval, eqTable } from '../poly/eq.js';
import type { Arith, Elem } from '../transcript/arith.js';
import type { Factor, Plan, Slot } from './plan.js';
import type { TensorClass } from './types.js';

/** A claim on a committed class: coefficient times a functional of one tensor. */
export interface WeightedFactor {
  readonly factor: Factor;
  readonly coefficient: Elem;
}

/** The points at which functionals are taken. */
export interface Points {
  readonly rho: readonly Elem[];
  readonly axes: ReadonlyMap<string, readonly Elem[]>;
}

const pointOf = (s: Exclude<Slot, { kind: 'index' }>, p: Points): readonly Elem[] =>
  s.kind === 'rho' ? p.rho.slice(s.from, s.to) : p.axes.get(s.axis)!;
const slotKey = (s: Exclude<Slot, { kind: 'index' }>): string => (s.kind === 'rho' ? `r${s.from}-${s.to}` : `a${s.axis}`);

/**
 * Extension of the combined weights at `point` of a class's stack: sum over claims of coefficient * sum over blocks of eq(prefix, block)
 * times (blocks moved by `shift` cells), per axis, the inner product over the block's piece of the axis weights with eq(chunk of the point, .). For an access that covers its axis the
 * inner product is eq at the piece's high bits times eq of the low bits; otherwise it is summed (layer axes).
 */
export function evalWeights(
  ch: Arith,
  plan: Plan,
  cls: TensorClass,
  claims: readonly WeightedFactor[],
  points: Points,
  point: readonly Elem[],
  shift = 0,
): Elem {
  const layout = plan.layouts.get(cls)!,
    n = point.length;
  const cache = new Map<string, Elem>(),
    tables = new Map<string, Elem[]>(),
    prefixes = new Map<string, Elem>();
  const memo = (key: string, f: () => Elem): Elem => {
    let v = cache.get(key);
    if (v === undefined) {
      v = f();
      cache.set(key, v);
    }
    return v;
  };
  // eq(point prefix, position bits), sharing common prefixes.
  const prefix = (bits: number, value: number): Elem => {
    if (bits === 0) return ch.constant(1n);
    const key = `${bits}/${value}`;
    let v = prefixes.get(key);
    if (v === undefined) {
      const up = prefix(bits - 1, Math.floor(value / 2)),
        hi = ch.mul(up, point[bits - 1]);
      prefixes.set(`${bits}/${value - (value % 2) + 1}`, hi);
      prefixes.set(`${bits}/${value - (value % 2)}`, ch.sub(up, hi));
      v = prefixes.get(key)!;
    }
    return v;
  };
  const piece = (s: Slot, axisSize: number, start: number, log: number, at: number): Elem | undefined => {
    const chunk = point.slice(at, at + log);
    if (s.kind === 'index')
      return s.index >= start && s.index < start + 2 ** log
        ? memo(`i${s.index - start}/${at}/${log}`, () => eqAt(ch, chunk, s.index - start))
        : undefined;
    const z = pointOf(s, points),
      key = slotKey(s);
    if (s.stride === 1 && s.offset === 0 && s.size === axisSize) {
      const hi = z.slice(0, z.length - log);
      const low = memo(`${key}~${at}/${log}`, () => eqEval(ch, z.slice(z.length - log), chunk));
      return hi.length
        ? ch.mul(
            memo(`${key}^${start}/${log}`, () => eqAt(ch, hi, start / 2 ** log)),
            low,
          )
        : low;
    }
    // The size belongs to the key: axes of different sizes may share one slice of rho.
    const sized = `${key}<${s.size}`;
    return memo(`${sized}*${s.stride}+${s.offset}/${start}/${log}/${at}`, () => {
      let table = tables.get(sized);
      if (!table) {
        table = eqTable(ch, z, s.size);
        tables.set(sized, table);
      }
      const lowKey = `c${at}/${log}`;
      let low = tables.get(lowKey);
      if (!low) {
        low = eqTable(ch, chunk);
        tables.set(lowKey, low);
      }
      let sum = ch.constant(0n);
      for (let i = 0; i < s.size; i++) {
        const c = s.stride * i + s.offset - start;
        if (c >= 0 && c < 2 ** log) sum = ch.mulAdd(table[i], low[c], sum);
      }
      return sum;
    });
  };
  const byTensor = new Map<string, WeightedFactor[]>();
  for (const c of claims) byTensor.set(c.factor.tensor.name, [...(byTensor.get(c.factor.tensor.name) ?? []), c]);
  let total = ch.constant(0n);
  for (const [name, list] of byTensor) {
    const { tensor, blocks } = layout.tensors.get(name)!;
    const sizes = tensor.axes.map((a) => plan.extended.axes[a]);
    for (const b of blocks) {
      let inner = ch.constant(0n),
        any = false;
      for (const c of list) {
        let at = n - b.log,
          v: Elem | undefined = c.coefficient;
        for (let d = 0; d < sizes.length && v !== undefined; d++) {
          const w = piece(c.factor.slots[d], sizes[d], b.starts[d], b.logs[d], at);
          v = w === undefined ? undefined : ch.mul(v, w);
          at += b.logs[d];
        }
        if (v === undefined) continue;
        inner = any ? ch.add(inner, v) : v;
        any = true;
      }
      if (any) total = ch.mulAdd(prefix(n - b.log, (b.position + shift) / 2 ** b.log), inner, total);
    }
  }
  return total;
}
