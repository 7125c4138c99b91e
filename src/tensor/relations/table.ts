/**
 * Table: (key, out_1, ..., out_n) is a row of a public table.
 *
 * Lowering: one lookup of the tuple ("NAME").
 *
 * Unique: the table has one row per key, so the key determines all outputs. A key outside the table has no row. Outputs
 * need no range of their own: the columns' bounds hold for whatever is looked up.
 *
 * Witness: the columns at the key. Attack: "probabilities of another row of the table".
 */
import { expr, operand, term, text } from '../expr.js';
import type { Expr } from '../types.js';
import type { Lowering } from './lowering.js';

/** Outputs are operands of tensors declared elsewhere. */
export function lookup(b: Lowering, name: string, axes: readonly string[], table: string, key: Expr, outs: readonly string[]): void {
  b.step(name, axes, { op: 'table', outs: outs.map(operand), table, key });
  b.constrain({ kind: 'lookup', name, axes, table, exprs: [key, ...outs.map((o) => expr([term(1, o)]))] });
}

/** Declares the outputs with the bounds of the table's columns and looks them up. */
export function tabulate(b: Lowering, name: string, axes: readonly string[], table: string, key: Expr, outs: readonly string[]): void {
  const { columns } = b.tableSpec(table);
  outs.forEach((o, k) => b.like(o, axes, columns[k]));
  lookup(
    b,
    name,
    axes,
    table,
    key,
    outs.map((o) => text(o, axes)),
  );
}
