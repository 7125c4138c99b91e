/**
 * Rows of the verifier's circuit, from its program alone: every constraint becomes, at one row, polynomials mod p in
 * the row's cells, with the numbers of the fixed tables filled in. A wire is a function of its address, because the
 * memory's keys are consecutive; a read of fewer columns says that the others are zero.
 */
import { DataError, type RawConstraint, type RawExpr, type RawOperand, type RawProgram, exprsOf } from './data.js';
import { mod } from './field.js';

/** Coefficients by monomial: names of cells, sorted, joined by a star; the constant under ''. */
export type Polynomial = ReadonlyMap<string, bigint>;

export interface Equation {
  readonly constraint: string;
  readonly zero: Polynomial;
}
export interface Read {
  readonly constraint: string;
  readonly address: Polynomial;
  /** Name of the memory: wires, or the entries of tables. */
  readonly memory: string;
  /** Columns of the wire or entry; missing ones are zero. */
  readonly values: readonly Polynomial[];
}
export interface Row {
  readonly axis: string;
  /** Cells that the prover chooses, and cells of fixed columns. */
  readonly cells: readonly string[];
  readonly fixed: readonly string[];
  readonly public: readonly string[];
  readonly equations: readonly Equation[];
  readonly reads: readonly Read[];
}

/** Numbers of tensors that are the same in every row, row-major. */
export type Constants = ReadonlyMap<string, readonly bigint[]>;

export const cellName = (tensor: string, at: readonly number[]): string => (at.length ? `${tensor}[${at.join()}]` : tensor);

/** The rows of a circuit's program by their axis. `isRow`: which axes number rows. */
export function rowsOf(p: RawProgram, constants: Constants, isRow: (axis: string) => boolean): Map<string, Row> {
  const out = new Map<string, Row & { equations: Equation[]; reads: Read[] }>();
  for (const axis of Object.keys(p.axes).filter(isRow)) {
    const tensors = p.tensors.filter((t) => t.axes.includes(axis)),
      cells = (cls: readonly string[]): string[] =>
        tensors
          .filter((t) => cls.includes(t.cls))
          .flatMap((t) =>
            indices(
              p,
              t.axes.filter((a) => a !== axis),
            ).map((i) => cellName(t.name, i)),
          );
    out.set(axis, { axis, cells: cells(['witness']), fixed: cells(['frozen']), public: cells(['public']), equations: [], reads: [] });
  }
  for (const c of p.constraints) {
    const axes = c.axes.filter(isRow);
    if (axes.length !== 1) throw new DataError(c.name, `is a constraint over ${axes.length} kinds of rows`);
    const row = out.get(axes[0])!,
      own = c.axes.filter((a) => a !== axes[0]);
    for (const at of indices(p, own)) {
      const place = new Map(own.map((a, k) => [a, at[k]])),
        polys = exprsOf(c).map((e) => polynomial(p, constants, c, e, axes[0], place));
      if (c.kind === 'zero') row.equations.push({ constraint: c.name, zero: polys[0] });
      else if (c.kind === 'lookup' && c.table !== undefined && p.memories?.some((m) => m.name === c.table))
        row.reads.push({ constraint: c.name, memory: c.table, address: polys[0], values: polys.slice(1) });
      else throw new DataError(c.name, `is neither an identity nor a read of the memory`);
    }
  }
  return out;
}

/** All index tuples of a box. */
function indices(p: RawProgram, axes: readonly string[]): number[][] {
  return axes.reduce<number[][]>((out, a) => out.flatMap((x) => Array.from({ length: p.axes[a] }, (_, i) => [...x, i])), [[]]);
}

function polynomial(
  p: RawProgram,
  constants: Constants,
  c: RawConstraint,
  e: RawExpr,
  row: string,
  place: ReadonlyMap<string, number>,
): Polynomial {
  const out = new Map<string, bigint>(),
    add = (monomial: string, x: bigint): void => {
      const v = mod((out.get(monomial) ?? 0n) + x);
      if (v === 0n) out.delete(monomial);
      else out.set(monomial, v);
    };
  add('', BigInt(e.constant));
  for (const t of e.terms) {
    const over = [
      ...new Set(
        t.operands.flatMap((o) => o.access.flatMap((a) => (a.axis === undefined || a.axis === row || place.has(a.axis) ? [] : [a.axis]))),
      ),
    ];
    for (const at of indices(p, over)) {
      const all = new Map([...place, ...over.map((a, k): [string, number] => [a, at[k]])]);
      let coef = BigInt(t.coef);
      const cells: string[] = [];
      for (const o of t.operands) {
        const f = factor(p, constants, c, o, row, all);
        if (typeof f === 'bigint') coef = mod(coef * f);
        else cells.push(f);
      }
      add(cells.sort().join('*'), coef);
    }
  }
  return out;
}

/** The number of a constant tensor's cell, or the name of a cell of this row. */
function factor(
  p: RawProgram,
  constants: Constants,
  c: RawConstraint,
  o: RawOperand,
  row: string,
  at: ReadonlyMap<string, number>,
): bigint | string {
  const t = p.tensors.find((x) => x.name === o.tensor);
  if (!t || t.axes.length !== o.access.length) throw new DataError(c.name, `operand ${o.tensor}`);
  const index: number[] = [],
    k = t.axes.indexOf(row);
  o.access.forEach((a, i) => {
    if (i === k) {
      // Every row speaks about its own cells.
      if (a.axis !== row || (a.stride ?? 1) !== 1 || a.offset) throw new DataError(c.name, `enters another row of ${o.tensor}`);
      return;
    }
    if (a.axis === row) throw new DataError(c.name, `enters ${o.tensor} by the row`);
    index.push(a.axis === undefined ? a.index! : (a.offset ?? 0) + (a.stride ?? 1) * at.get(a.axis)!);
  });
  if (index.some((x, i) => !(x >= 0 && x < p.axes[t.axes.filter((_, d) => d !== k)[i]]))) throw new DataError(c.name, `leaves ${o.tensor}`);
  if (k >= 0) return cellName(t.name, index);
  const values = constants.get(t.name);
  if (t.cls !== 'frozen' || !values) throw new DataError(c.name, `${t.name} is neither of this row nor fixed for all rows`);
  return mod(values[index.reduce((n, x, d) => n * p.axes[t.axes[d]] + x, 0)]);
}
