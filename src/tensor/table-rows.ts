import type { Device, Vec } from '../device/device.js';
import type { Kernels } from '../kernels/runtime.js';
import type { IntegerReading } from './integer.js';
import type { LookupTable, Plan } from './plan.js';

/** Rows of the tables in memory: those of one memory follow each other, so that one key reaches all of its segments. */
export class TableRows {
  constructor(
    readonly k: Kernels,
    readonly plan: Plan,
    readonly reading: IntegerReading,
  ) {}
  /** Array of so many bytes a row for every table. */
  alloc(bytes: number, zero = false): number[] {
    let base = 0;
    return this.plan.tables.map((t, i) => {
      const size = t.kind === 'segment' ? t.rows : t.size,
        fresh = (): number => (zero ? this.k.zeroed(bytes * size) : this.k.alloc(bytes * size));
      if (t.kind !== 'segment') return fresh();
      if (t.first === i) base = fresh();
      return base + bytes * t.lo;
    });
  }
  /** Where the rows of each table begin among those of all, and how many these are. */
  places(): { readonly at: readonly number[]; readonly rows: number } {
    let rows = 0,
      base = 0;
    const at = this.plan.tables.map((t, i) => {
      if (t.kind !== 'segment' || t.first === i) {
        base = rows;
        rows += t.kind === 'segment' ? t.rows : t.size;
      }
      return t.kind === 'segment' ? base + t.lo : base;
    });
    return { at, rows };
  }
  /** Vectors of so many words a row: of every table its own rows, and all rows that its keys reach. */
  vectors(d: Device, words: number): { own: Vec; all: Vec }[] {
    let all: Vec;
    return this.plan.tables.map((t, i) => {
      if (t.kind !== 'segment') {
        const own = d.vector(words * t.size);
        return { own, all: own };
      }
      if (t.first === i) all = d.vector(words * t.rows);
      return { own: d.slice(all, words * t.lo, words * t.size), all };
    });
  }
  /** Runs of a segment's last axis: their number, length and padded length. */
  #runs(t: Extract<LookupTable, { kind: 'segment' }>): { index: number[]; at: number }[] {
    const sizes = t.segment.axes.map((a) => this.plan.program.axes[a]),
      outer = sizes.slice(0, -1);
    let out: { index: number[]; at: number }[] = [{ index: [], at: 0 }];
    outer.forEach((n, d) => {
      out = out.flatMap((r) => Array.from({ length: n }, (_, i) => ({ index: [...r.index, i], at: (r.at + i) * 2 ** t.axisVars[d + 1] })));
    });
    return out;
  }
  /** Words of a segment's rows at `ptr`, moved together without padding. */
  unpad(i: number, ptr: number): void {
    const t = this.plan.tables[i];
    if (t.kind !== 'segment') return;
    const n = this.plan.program.axes[t.segment.axes[t.segment.axes.length - 1]];
    this.#runs(t).forEach((r, x) => this.k.i64.copyWithin(ptr / 8 + x * n, ptr / 8 + r.at, ptr / 8 + r.at + n));
  }
  /** Signed words of the output columns, padded to the table's rows. */
  columns(i: number): { ptr: number; column: number }[] {
    const t = this.plan.tables[i],
      k = this.k;
    if (t.kind === 'range') return [];
    if (t.kind === 'table') return t.spec.columns.map((c, column) => ({ ptr: this.reading.ptr.get(c)!, column }));
    const axes = this.plan.program.axes,
      last = t.segment.axes[t.segment.axes.length - 1];
    return t.segment.columns.flatMap((o, column) => {
      if (!o) return [];
      const own = this.reading.tensors.get(o.tensor)!.axes,
        ptr = k.zeroed(8 * t.size),
        src = this.reading.ptr.get(o.tensor)! / 8;
      for (const r of this.#runs(t)) {
        let at = 0;
        o.access.forEach((a, d) => {
          at = at * axes[own[d]] + ('index' in a ? a.index : a.axis === last ? 0 : r.index[t.segment.axes.indexOf(a.axis)]);
        });
        k.i64.copyWithin(ptr / 8 + r.at, src + at, src + at + axes[last]);
      }
      return [{ ptr, column }];
    });
  }
}
