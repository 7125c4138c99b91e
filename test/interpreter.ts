import { contractedAxes } from '../src/tensor/bounds.js';
import { layoutClass } from '../src/tensor/layout.js';
import { generateTable } from '../src/tensor/table-algorithms.js';
import type { Constraint, Expr, Operand, Program, Step } from '../src/tensor/types.js';

/*
 * A second reading of tensor programs, as short as the definitions in src/tensor/types.ts: bigints, cell by cell, no
 * kernel. What the integer reading computes is compared with it.
 */

export type Values = Map<string, BigInt64Array | Int32Array>;
type Cell = Readonly<Record<string, number>>;

export function* cellsOf(p: Program, axes: readonly string[]): Generator<Cell> {
  if (!axes.length) {
    yield {};
    return;
  }
  for (const rest of cellsOf(p, axes.slice(0, -1)))
    for (let i = 0; i < p.axes[axes[axes.length - 1]]; i++) yield { ...rest, [axes[axes.length - 1]]: i };
}

const index = (op: Operand, at: Cell): number[] =>
  op.access.map((a) => ('index' in a ? a.index : (a.stride ?? 1) * at[a.axis] + (a.offset ?? 0)));
const flat = (p: Program, axes: readonly string[], idx: readonly number[]): number => axes.reduce((f, a, k) => f * p.axes[a] + idx[k], 0);

export function read(p: Program, values: Values, op: Operand, at: Cell): bigint {
  const spec = p.tensors.find((t) => t.name === op.tensor)!,
    idx = index(op, at),
    v = values.get(op.tensor)!;
  return v instanceof Int32Array ? (v[flat(p, spec.axes.slice(1), idx.slice(1))] === idx[0] ? 1n : 0n) : v[flat(p, spec.axes, idx)];
}

/** Value of an expression at one cell, by definition; terms that a zero operand makes vanish are left early. */
export function evaluate(p: Program, values: Values, axes: readonly string[], e: Expr, cell: Cell): bigint {
  let sum = e.constant;
  for (const t of e.terms) {
    const con = contractedAxes(axes, t);
    for (const at of cellsOf(p, con)) {
      let x = t.coef;
      for (const op of t.operands) {
        x *= read(p, values, op, { ...cell, ...at });
        if (x === 0n) break;
      }
      sum += x;
    }
  }
  return sum;
}

const floorDiv = (a: bigint, b: bigint): bigint => (a >= 0n === b > 0n || a % b === 0n ? a / b : a / b - 1n);
function isqrt(x: bigint): bigint {
  let lo = 0n,
    hi = 1n << 64n;
  while (hi - lo > 1n) {
    const mid = (lo + hi) >> 1n;
    if (mid * mid <= x) lo = mid;
    else hi = mid;
  }
  return lo;
}

/** Runs all steps from the inputs; returns every tensor. */
export function interpret(p: Program, inputs: Values): Values {
  const values: Values = new Map();
  for (const t of p.tensors) {
    const n = t.axes.reduce((m, a) => m * p.axes[a], 1),
      given = inputs.get(t.name);
    if (t.publicKind === 'causal')
      values.set(
        t.name,
        BigInt64Array.from({ length: n }, (_, k) =>
          k % p.axes[t.axes[1]] <= (t.first ?? 0) + Math.floor(k / p.axes[t.axes[1]]) ? 1n : 0n,
        ),
      );
    else values.set(t.name, given ? given.slice() : new BigInt64Array(n));
  }
  const tables = new Map(p.tables.map((t) => [t.name, generateTable(t.name, t.lo, t.size)]));
  for (const t of p.tables) tables.get(t.name)!.forEach((c, k) => values.set(t.columns[k], c));
  const L = p.axes[p.scan];
  const go = (phase: Step['phase'], layer?: number): void => {
    for (const s of p.steps) if (s.phase === phase) step(s, layer);
  };
  const put = (op: Operand, at: Cell, v: bigint): void => {
    const spec = p.tensors.find((t) => t.name === op.tensor)!;
    (values.get(op.tensor) as BigInt64Array)[flat(p, spec.axes, index(op, at))] = v;
  };
  const step = (s: Step, layer?: number): void => {
    if (s.op === 'flatten' || s.op === 'unflatten') {
      regroup(s.group, s.op === 'flatten');
      return;
    }
    const scanned = layer !== undefined && s.axes.includes(p.scan);
    if (layer !== undefined && !scanned && layer !== (s.phase === 'fwd' ? 0 : L - 1)) return;
    const at = (e: Expr, c: Cell): bigint => evaluate(p, values, s.axes, e, c);
    for (const free of cellsOf(p, scanned ? s.axes.filter((a) => a !== p.scan) : s.axes)) {
      const c: Cell = scanned ? { ...free, [p.scan]: layer! } : free;
      if (s.op === 'round')
        put(
          s.out,
          c,
          (s.base ? read(p, values, s.base, c) : 0n) + ((at(s.expr, c) + (s.shift ? 1n << BigInt(s.shift - 1) : 0n)) >> BigInt(s.shift)),
        );
      else if (s.op === 'limb') put(s.out, c, (at(s.expr, c) >> BigInt(s.shift)) & ((1n << BigInt(s.bits)) - 1n));
      else if (s.op === 'digits') {
        const y = (at(s.expr, c) + (s.shift ? 1n << BigInt(s.shift - 1) : 0n)) >> BigInt(s.shift);
        put(s.low, c, y & ((1n << BigInt(s.bits)) - 1n));
        put(s.high, c, y >> BigInt(s.bits));
      } else if (s.op === 'sqrt') {
        const x = at(s.expr, c) + (s.high ? at(s.high.expr, c) << BigInt(s.high.shift) : 0n),
          r = isqrt(x);
        put(s.out, c, s.nearest && r * (r + 1n) <= x ? r + 1n : r);
      } else if (s.op === 'div') {
        const num = at(s.num, c) + (s.high ? at(s.high.expr, c) << BigInt(s.high.shift) : 0n);
        put(s.out, c, floorDiv(num << BigInt(s.shift), at(s.den, c)));
      } else if (s.op === 'max') {
        const [a, b] = [at(s.a, c), at(s.b, c)];
        put(s.out, c, a > b ? a : b);
      } else if (s.op === 'table') {
        const t = p.tables.find((x) => x.name === s.table)!,
          key = Number(at(s.key, c) - t.lo);
        s.outs.forEach((o, k) => {
          put(o, c, tables.get(t.name)![k][key]);
        });
      } else if (s.op === 'lse') {
        const T = tables.get(s.table)![0],
          scores: bigint[] = [];
        for (const o of cellsOf(p, s.over)) {
          const all = { ...c, ...o };
          if (!s.causal || all[s.causal[1]] <= (s.first ?? 0) + all[s.causal[0]]) scores.push(read(p, values, s.scores, all));
        }
        const sum = (M: bigint): bigint => scores.reduce((n, x) => (M < x ? s.target + 1n : n + (T[Number(M - x)] ?? 0n)), 0n);
        let M = scores.reduce((a, b) => (a > b ? a : b)) - 1n;
        let hi = M + BigInt(T.length) + 1n;
        while (hi - M > 1n) {
          const mid = (hi + M) >> 1n;
          if (sum(mid) <= s.target) hi = mid;
          else M = mid;
        }
        put(s.out, c, hi);
      }
    }
  };
  const regroup = (group: string, flatten: boolean): void => {
    const alias = p.tensors.find((t) => t.aliasOf === group)!,
      layout = layoutClass(p, alias.cls),
      start = Math.min(...layout.tensors.get(alias.name)!.blocks.map((b) => b.position)),
      all = values.get(alias.name)!;
    for (const { tensor, blocks } of layout.tensors.values()) {
      if (tensor.group !== group || tensor.aliasOf !== undefined) continue;
      const own = values.get(tensor.name)!;
      for (const b of blocks)
        for (let k = 0; k < 2 ** b.log; k++) {
          let rest = k;
          const idx = b.logs.map(() => 0);
          for (let d = b.logs.length - 1; d >= 0; d--) {
            idx[d] = b.starts[d] + (rest % 2 ** b.logs[d]);
            rest = Math.floor(rest / 2 ** b.logs[d]);
          }
          const cell = flat(p, tensor.axes, idx),
            f = b.position - start + k;
          if (flatten) all[f] = own[cell];
          else own[cell] = all[f];
        }
    }
  };
  go('pre');
  for (let l = 0; l < L; l++) go('fwd', l);
  go('mid');
  for (let l = L - 1; l >= 0; l--) go('bwd', l);
  go('post');
  return values;
}

/** Key of every cell of a range or lookup constraint, from the first row of its table. */
export function keysOf(p: Program, values: Values, c: Exclude<Constraint, { kind: 'zero' }>): number[] {
  const lo = c.kind === 'lookup' ? p.tables.find((t) => t.name === c.table)!.lo : 0n;
  return [...cellsOf(p, c.axes)].map((at) => Number(evaluate(p, values, c.axes, c.kind === 'range' ? c.expr : c.exprs[0], at) - lo));
}
