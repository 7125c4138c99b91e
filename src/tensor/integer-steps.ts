import type { Device, Vec } from '../device/device.js';
import type { KeysOf, Place, Rounding, Strided, Sum, SumTerm } from '../device/integer.js';
import { floorDiv, isqrt } from '../field/fixedpoint.js';
import { contractedAxes } from './bounds.js';
import { layoutClass } from './layout.js';
import type { Constraint, Expr, HighPart, Operand, Program, Step, TensorSpec, Term } from './types.js';

/**
 * A value left its format: training stops. Names tensor, layer, cell, value in real units, and with `with` the run's
 * step and the way out.
 */
export class OverflowError extends Error {
  constructor(
    /** Tensor, or constraint whose lookup has no row. */
    readonly subject: string,
    readonly where: string,
    readonly cell: Readonly<Record<string, number>>,
    readonly value: bigint,
    readonly limit: readonly [bigint, bigint],
    readonly layer?: number,
    readonly frac?: number,
    readonly step?: number,
    readonly remedy?: string,
  ) {
    const real = (x: bigint): string => (frac === undefined ? '' : ` (${Number((Number(x) / 2 ** frac).toPrecision(6))})`);
    super(
      `${step === undefined ? '' : `step ${step}: `}${where}${layer === undefined ? '' : ` in layer ${layer}`} at ${JSON.stringify(cell)}: ${value}${real(value)} is outside [${limit[0]}, ${limit[1]}]${real(limit[1])}${remedy === undefined ? '' : `; ${remedy}`}`,
    );
    this.name = 'OverflowError';
  }
  /** The same with the run's step and what helps. */
  with(step: number, remedy: string): OverflowError {
    return new OverflowError(this.subject, this.where, this.cell, this.value, this.limit, this.layer, this.frac, step, remedy);
  }
}

/** Cells of a box in fresh memory, row-major. */
interface Cells {
  readonly v: Vec;
  readonly n: number;
  readonly axes: readonly string[];
}

/** The tensors of a program on a device, and its steps: what each computes is said in types.ts. */
export class IntegerSteps {
  readonly #bad: Vec;

  /** `ids` of one-hot tensors; `vector` of any other one. */
  constructor(
    readonly d: Device,
    readonly program: Program,
    readonly tensors: ReadonlyMap<string, TensorSpec>,
    readonly ids: ReadonlyMap<string, Int32Array>,
    readonly vector: (tensor: string) => Vec,
  ) {
    this.#bad = d.zeroed(3);
  }

  size(axis: string): number {
    return this.program.axes[axis];
  }
  #sizes(axes: readonly string[]): number[] {
    return axes.map((a) => this.size(a));
  }
  #volume(axes: readonly string[]): number {
    return axes.reduce((n, a) => n * this.size(a), 1);
  }

  /**
   * Runs all steps: pre, layers upward, mid, layers downward, post. Throws OverflowError at once where nobody waits.
   */
  run(progress?: (done: number, of: number) => void): void {
    const p = this.program,
      L = this.size(p.scan),
      of = p.steps.length;
    const inPhase = (ph: string): Step[] => p.steps.filter((s) => s.phase === ph);
    let done = 0;
    for (const s of inPhase('pre')) this.#step(s);
    for (let l = 0; l < L; l++) {
      for (const s of inPhase('fwd')) this.#step(s, l);
      progress?.(++done, of);
    }
    for (const s of inPhase('mid')) this.#step(s);
    for (let l = L - 1; l >= 0; l--) {
      for (const s of inPhase('bwd')) this.#step(s, l);
      progress?.(++done, of);
    }
    for (const s of inPhase('post')) this.#step(s);
  }

  /** First cell of an operand and its distances by axis, the scan axis fixed at `l` if given. */
  #address(op: Operand, l?: number): { of: Vec; at: number; stride: ReadonlyMap<string, number> } {
    const t = this.tensors.get(op.tensor)!,
      stride = new Map<string, number>();
    let at = 0,
      unit = 1;
    for (let k = t.axes.length - 1; k >= 0; k--) {
      const a = op.access[k];
      if ('index' in a) at += unit * a.index;
      else {
        at += unit * (a.offset ?? 0);
        if (l !== undefined && a.axis === this.program.scan) at += unit * (a.stride ?? 1) * l;
        else stride.set(a.axis, unit * (a.stride ?? 1));
      }
      unit *= this.size(t.axes[k]);
    }
    return { of: this.vector(op.tensor), at, stride };
  }

  /** A term of an expression over the axes of a box, which are `axes` but for a scan axis that is fixed at `l`. */
  #term(box: readonly string[], axes: readonly string[], t: Term, l?: number): SumTerm {
    const hot = t.operands.find((o) => this.ids.has(o.tensor)),
      pick = hot && (hot.access[0] as { axis: string }).axis,
      over = contractedAxes(axes, t).filter((a) => a !== pick && (hot || l === undefined || a !== this.program.scan)),
      all = [...box, ...over],
      at = t.operands.filter((o) => o !== hot).map((o) => this.#address(o, l)),
      factors = at.map(({ of, at, stride }): Strided => ({ of, at, strides: all.map((a) => stride.get(a) ?? 0) }));
    if (!hot) return { coef: t.coef, factors, over: this.#sizes(over) };
    if (box.includes(pick!)) throw new Error('a one-hot axis must be contracted');
    const spec = this.tensors.get(hot.tensor)!,
      strides = all.map((a) => {
        let st = 1;
        for (let x = spec.axes.length - 1; x > 0; x--) {
          if ((hot.access[x] as { axis: string }).axis === a) return st;
          st *= this.size(spec.axes[x]);
        }
        return 0;
      }),
      apart = at.map(({ stride }) => stride.get(pick!) ?? 0);
    return { coef: t.coef, factors, over: this.#sizes(over), chosen: { ids: this.ids.get(hot.tensor)!, strides, apart } };
  }
  #sum(axes: readonly string[], e: Expr, l?: number): Sum & { readonly axes: readonly string[] } {
    const box = axes.filter((a) => l === undefined || a !== this.program.scan);
    return { axes: box, sizes: this.#sizes(box), constant: e.constant, terms: e.terms.map((t) => this.#term(box, axes, t, l)) };
  }

  /** Dense box over `axes` (scan axis dropped when fixed) of an expression, in fresh memory or where it is told. */
  cells(axes: readonly string[], e: Expr, l?: number, to?: Vec): Cells {
    const sum = this.#sum(axes, e, l),
      n = this.#volume(sum.axes),
      v = to ?? this.d.vector(n);
    this.d.run('sums', n, { ...sum, to: v });
    return { v, n, axes: sum.axes };
  }

  #place(out: Operand, axes: readonly string[], l?: number): Place {
    const { of, at, stride } = this.#address(out, l),
      { lo, hi } = this.tensors.get(out.tensor)!;
    return { to: of, at, strides: axes.map((a) => stride.get(a) ?? 0), lo, hi, bad: this.#bad };
  }
  /** What was out of bounds, where nobody waits for the answer: a cell, what it is, the number of the item. */
  #told(): { cell: number; value: bigint; item: number } | undefined {
    if (this.d.waits) return undefined;
    const [e, value, item] = this.d.get(this.#bad);
    if (e === 0n) return undefined;
    this.d.put(this.#bad, new Uint8Array(24));
    return { cell: Number(e) - 1, value: BigInt.asIntN(64, value), item: Number(item) };
  }
  #stored(s: Step, out: Operand, axes: readonly string[], l?: number): void {
    const e = this.#told();
    if (!e) return;
    const t = this.tensors.get(out.tensor)!,
      where = out.tensor === s.name ? out.tensor : `${out.tensor} (${s.name})`;
    throw new OverflowError(out.tensor, where, this.cellOf(axes, e.cell), e.value, [t.lo, t.hi], l, t.frac);
  }
  /** Writes an expression, rounded, plus a base, into `out`. */
  #rounded(s: Step, e: Expr, rounding: Rounding, out: Operand, l?: number, base?: Operand): void {
    const sum = this.#sum(s.axes, e, l),
      place = this.#place(out, sum.axes, l),
      added = base ? { base: this.#term(sum.axes, s.axes, { coef: 1n, operands: [base] }, l) } : {};
    this.d.run('sums', this.#volume(sum.axes), { ...sum, rounding, ...added, place });
    this.#stored(s, out, sum.axes, l);
  }
  /** Writes cells into `out`. */
  #store(s: Step, out: Operand, { v, n, axes }: Cells, l?: number): void {
    this.d.run('scatter', n, { from: v, sizes: this.#sizes(axes), place: this.#place(out, axes, l) });
    this.#stored(s, out, axes, l);
  }

  /** Indices of a cell of a box by axis. */
  cellOf(axes: readonly string[], flat: number): Record<string, number> {
    const out: Record<string, number> = {};
    let rest = flat;
    for (let d = axes.length - 1; d >= 0; d--) {
      out[axes[d]] = rest % this.size(axes[d]);
      rest = Math.floor(rest / this.size(axes[d]));
    }
    return out;
  }

  /** Replaces each cell e of v by f(e + 2^shift high) in bigints: for scalars of more than 63 bits. */
  #wide(axes: readonly string[], { v }: Cells, high: HighPart, l: number | undefined, f: (e: bigint, cell: number) => bigint): void {
    const low = this.d.get(v),
      up = this.d.get(this.cells(axes, high.expr, l).v),
      out = low.map((x, c) => {
        const e = BigInt.asIntN(64, x) + (BigInt.asIntN(64, up[c]) << BigInt(high.shift));
        return BigInt.asUintN(64, f(e, c));
      });
    this.d.put(v, new Uint8Array(out.buffer));
  }

  #step(s: Step, layer?: number): void {
    const l = layer !== undefined && s.axes.includes(this.program.scan) ? layer : undefined;
    if (layer !== undefined && l === undefined && layer !== (s.phase === 'fwd' ? 0 : this.size(this.program.scan) - 1)) return;
    this.d.scope(() => this.#compute(s, l));
  }
  #compute(s: Step, l?: number): void {
    const { d } = this;
    switch (s.op) {
      case 'round':
        this.#rounded(s, s.expr, { nearest: true, shift: s.shift }, s.out, l, s.base);
        break;
      case 'limb':
        this.#rounded(s, s.expr, { nearest: false, shift: s.shift, bits: s.bits }, s.out, l);
        break;
      case 'digits': {
        const half = s.shift ? 1n << BigInt(s.shift - 1) : 0n,
          // Floor of a quotient by 2^n is rounding of what lies half a unit lower.
          lower = { ...s.expr, constant: s.expr.constant + half - (1n << BigInt(s.shift + s.bits - 1)) };
        this.#rounded(s, s.expr, { nearest: true, shift: s.shift, bits: s.bits }, s.low, l);
        this.#rounded(s, lower, { nearest: true, shift: s.shift + s.bits }, s.high, l);
        break;
      }
      case 'sqrt': {
        const v = this.cells(s.axes, s.expr, l);
        if (s.high) {
          if (s.nearest) throw new Error('the nearest root is one of 64 bits');
          this.#wide(s.axes, v, s.high, l, (e) => isqrt(e));
        } else d.run('roots', v.n, { to: v.v, ...(s.nearest ? { of: this.cells(s.axes, s.expr, l).v } : {}) });
        this.#store(s, s.out, v, l);
        break;
      }
      case 'div': {
        const v = this.cells(s.axes, s.num, l),
          q = this.cells(s.axes, s.den, l);
        if (s.high) {
          const den = d.get(q.v);
          this.#wide(s.axes, v, s.high, l, (e, c) => floorDiv(e, BigInt.asIntN(64, den[c])));
        } else d.run('quotients', v.n, { to: v.v, by: q.v });
        this.#store(s, s.out, v, l);
        break;
      }
      case 'max': {
        const v = this.cells(s.axes, s.a, l);
        d.run('larger', v.n, { to: v.v, other: this.cells(s.axes, s.b, l).v });
        this.#store(s, s.out, v, l);
        break;
      }
      case 'table':
        this.#looked(s, l);
        break;
      case 'lse':
        this.#leastSum(s, l);
        break;
      case 'flatten':
      case 'unflatten':
        this.#regroup(s.group, s.op === 'flatten');
        break;
    }
  }

  /** Columns of a table at keys; a key outside the table is reported in place of the value that it has left. */
  #looked(s: Extract<Step, { op: 'table' }>, l?: number): void {
    const { d } = this,
      t = this.program.tables.find((x) => x.name === s.table)!,
      key = this.cells(s.axes, s.key, l),
      v = d.vector(key.n);
    s.outs.forEach((out, c) => {
      d.run('entries', key.n, { to: v, from: key.v, column: this.vector(t.columns[c]), first: t.lo });
      d.run('scatter', key.n, { from: v, sizes: this.#sizes(key.axes), place: this.#place(out, key.axes, l) });
      const e = this.#told();
      if (!e) return;
      const [value] = d.pick([{ from: key.v, at: Uint32Array.of(e.cell) }])[0];
      throw new OverflowError(
        s.name,
        `key of ${s.name}`,
        this.cellOf(key.axes, e.cell),
        BigInt.asIntN(64, value),
        [t.lo, t.lo + BigInt(t.size) - 1n],
        l,
      );
    });
  }

  #leastSum(s: Extract<Step, { op: 'lse' }>, l?: number): void {
    const t = this.program.tables.find((x) => x.name === s.table)!,
      v = this.cells([...s.axes, ...s.over], { constant: 0n, terms: [{ coef: 1n, operands: [s.scores] }] }, l),
      length = this.#volume(s.over),
      n = v.n / length,
      to = this.d.vector(n);
    if (s.causal && s.axes[s.axes.length - 1] !== s.causal[0]) throw new Error('the causal axis must be last');
    this.d.run('leastSums', n, {
      to,
      scores: v.v,
      length,
      causal: s.causal ? this.size(s.causal[0]) : 0,
      first: s.first ?? 0,
      column: this.vector(t.columns[0]),
      target: s.target,
    });
    this.#store(s, s.out, { v: to, n, axes: v.axes.slice(0, v.axes.length - s.over.length) }, l);
  }

  /** Copies a group's members to its alias in stack order, or back. */
  #regroup(group: string, flatten: boolean): void {
    const { d } = this,
      alias = this.program.tensors.find((t) => t.aliasOf === group)!,
      layout = layoutClass(this.program, alias.cls),
      start = Math.min(...layout.tensors.get(alias.name)!.blocks.map((b) => b.position)),
      flat = this.vector(alias.name),
      items: { to: Vec; from: Vec }[] = [];
    for (const { tensor, blocks } of layout.tensors.values()) {
      if (tensor.group !== group || tensor.aliasOf !== undefined) continue;
      const own = this.vector(tensor.name),
        sizes = tensor.axes.map((a) => this.size(a));
      for (const b of blocks)
        forRuns(sizes, b, (cell, at, n) => {
          const f = d.slice(flat, b.position - start + at, n),
            p = d.slice(own, cell, n);
          items.push(flatten ? { to: f, from: p } : { to: p, from: f });
        });
    }
    d.run('copies', items.length, { items });
  }

  /** What the keys of a constraint are, as a kernel wants it. */
  keysOf(c: Exclude<Constraint, { kind: 'zero' }>, to: Vec): KeysOf {
    const t = c.kind === 'lookup' ? this.program.tables.find((x) => x.name === c.table) : undefined;
    return {
      ...this.#sum(c.axes, c.kind === 'range' ? c.expr : c.exprs[0]),
      to,
      first: t?.lo ?? 0n,
      rows: t ? BigInt(t.size) : c.kind === 'lookup' ? 1n << 31n : 1n << BigInt(c.bits),
    };
  }
  /** Keys of range and lookup constraints as row indices. Throws OverflowError at once where nobody waits. */
  keys(list: readonly { readonly of: Exclude<Constraint, { kind: 'zero' }>; readonly to: Vec }[]): void {
    const items = list.map(({ of, to }) => this.keysOf(of, to));
    this.d.run('keys', items.length, { items, bad: this.#bad });
    const e = this.#told();
    if (!e) return;
    const { of: c } = list[e.item],
      { first, rows } = items[e.item];
    throw new OverflowError(c.name, `constraint ${c.name}`, this.cellOf(c.axes, e.cell), e.value, [first, first + rows - 1n]);
  }
}

/**
 * Calls f(first cell of the tensor, its offset within the block, cells) for every run of cells that lie together in
 * both, in the order of the block.
 */
export function forRuns(
  sizes: readonly number[],
  b: { starts: readonly number[]; logs: readonly number[]; log: number },
  f: (cell: number, at: number, n: number) => void,
): void {
  const total = 2 ** b.log,
    d = sizes.length,
    unit = new Array<number>(d).fill(1);
  for (let k = d - 2; k >= 0; k--) unit[k] = unit[k + 1] * sizes[k + 1];
  const first = b.starts.reduce((sum, s, k) => sum + s * unit[k], 0);
  // Runs go on over axes of which the block has all.
  let n = 1,
    outer = d;
  while (outer > 0) {
    outer--;
    n *= 2 ** b.logs[outer];
    if (2 ** b.logs[outer] !== sizes[outer]) break;
  }
  for (let at = 0; at < total; at += n) {
    let rest = at / n,
      cell = first;
    for (let k = outer - 1; k >= 0; k--) {
      const s = 2 ** b.logs[k],
        q = Math.floor(rest / s);
      cell += (rest - q * s) * unit[k];
      rest = q;
    }
    f(cell, at, n);
  }
}
