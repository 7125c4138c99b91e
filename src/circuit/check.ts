/**
 * Direct evaluation of a program over the field, cell by cell: what its constraints say, without any proof. For tests
 * and for finding a fault.
 */
import { log2Ceil } from '../field/log2.js';
import { P, mod } from '../field/goldilocks.js';
import { contractedAxes } from '../tensor/bounds.js';
import type { Expr, Operand, Program } from '../tensor/types.js';

type Cells = ReadonlyMap<string, BigInt64Array>;

function strides(p: Program, o: Operand, axes: readonly string[]): { base: number; by: number[] } {
  const t = p.tensors.find((x) => x.name === o.tensor)!,
    by = axes.map(() => 0);
  let base = 0,
    unit = 1;
  for (let k = t.axes.length - 1; k >= 0; k--) {
    const a = o.access[k];
    if ('index' in a) base += unit * a.index;
    else {
      base += unit * (a.offset ?? 0);
      by[axes.indexOf(a.axis)] += unit * (a.stride ?? 1);
    }
    unit *= p.axes[t.axes[k]];
  }
  return { base, by };
}

function each(sizes: readonly number[], f: (index: number[]) => void): void {
  const n = sizes.reduce((a, b) => a * b, 1),
    index = sizes.map(() => 0);
  for (let c = 0; c < n; c++) {
    f(index);
    for (let d = sizes.length - 1; d >= 0; d--) {
      if (++index[d] < sizes[d]) break;
      index[d] = 0;
    }
  }
}

/** Values of an expression on its box, row-major. */
export function evaluate(p: Program, cells: Cells, axes: readonly string[], e: Expr): bigint[] {
  const sizes = axes.map((a) => p.axes[a]),
    out = Array<bigint>(sizes.reduce((a, b) => a * b, 1)).fill(mod(e.constant));
  for (const t of e.terms) {
    const con = contractedAxes(axes, t),
      all = [...axes, ...con];
    // Factors without an axis of the constraint that another lacks are multiplied first: a matrix meets each product of
    // S-boxes once.
    const used = (o: Operand): string[] => o.access.flatMap((a) => ('axis' in a ? [a.axis] : [])),
      fixed = t.operands.filter((o) => axes.some((a) => used(o).includes(a) && t.operands.every((x) => x === o || !used(x).includes(a)))),
      rest = t.operands.filter((o) => !fixed.includes(o));
    const inner = [...new Set(rest.flatMap(used))],
      innerSizes = inner.map((a) => p.axes[a]),
      product: bigint[] = [];
    const at = rest.map((o) => ({ ...strides(p, o, inner), v: cells.get(o.tensor)! }));
    each(innerSizes, (i) => {
      let x = t.coef;
      for (const o of at) x = (x * o.v[o.base + i.reduce((s, k, d) => s + k * o.by[d], 0)]) % P;
      product.push(x);
    });
    const place = all.map((a) => {
      const d = inner.indexOf(a);
      return d < 0 ? 0 : innerSizes.slice(d + 1).reduce((x, y) => x * y, 1);
    });
    const outer = fixed.map((o) => ({ ...strides(p, o, all), v: cells.get(o.tensor)! }));
    let cell = 0,
      left = 0;
    const per = con.reduce((n, a) => n * p.axes[a], 1);
    let sum = 0n;
    each(
      all.map((a) => p.axes[a]),
      (i) => {
        let x = product[i.reduce((s, k, d) => s + k * place[d], 0)];
        if (x !== 0n) for (const o of outer) x *= o.v[o.base + i.reduce((s, k, d) => s + k * o.by[d], 0)];
        sum += x;
        if (++left === per) {
          out[cell] = mod(out[cell] + sum);
          cell++;
          left = 0;
          sum = 0n;
        }
      },
    );
  }
  return out;
}

/** Names of the constraints that these cells violate. */
export function violations(p: Program, cells: Cells, only?: (name: string) => boolean): string[] {
  const memory = new Map<string, bigint[][]>();
  for (const m of p.memories ?? []) {
    const rows: bigint[][] = [];
    for (const s of m.segments) {
      const sizes = s.axes.map((a) => p.axes[a]),
        padded = sizes.map((n) => 2 ** log2Ceil(n));
      const columns = s.columns.map((o) => (o ? { ...strides(p, o, s.axes), v: cells.get(o.tensor)! } : undefined));
      each(padded, (i) => {
        rows.push(
          Array.from({ length: m.columns }, (_, c) => {
            const o = columns[c];
            return o && i.every((k, d) => k < sizes[d]) ? mod(o.v[o.base + i.reduce((x, k, d) => x + k * o.by[d], 0)]) : 0n;
          }),
        );
      });
    }
    memory.set(m.name, rows);
  }
  return p.constraints
    .filter((c) => {
      if (only && !only(c.name)) return false;
      if (c.kind === 'zero') return evaluate(p, cells, c.axes, c.expr).some((x) => x !== 0n);
      if (c.kind !== 'lookup') throw new Error('ranges are not field constraints');
      const rows = memory.get(c.table)!,
        parts = c.exprs.map((e) => evaluate(p, cells, c.axes, e));
      return parts[0].some((key, k) => {
        const row = rows[Number(key)];
        return !row || row.some((v, i) => v !== (parts[i + 1]?.[k] ?? 0n));
      });
    })
    .map((c) => c.name);
}
