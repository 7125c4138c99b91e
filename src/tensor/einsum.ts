import type { Kernels } from '../kernels/runtime.js';
import type { Access } from './types.js';

/**
 * A row-major array of eight-byte cells in kernel memory, or a one-hot tensor given by one id per position (-1: all
 * zero).
 */
export type Source =
  | { readonly kind: 'dense'; readonly ptr: number; readonly sizes: readonly number[] }
  | { readonly kind: 'onehot'; readonly ids: Int32Array; readonly sizes: readonly number[] };

/** Axes over which an expression is evaluated; the scan axis, if among them, is fixed by the caller. */
export interface Box {
  readonly axes: readonly string[];
  readonly scan?: string;
}

/** One kernel call, less the addresses that move with the scan index. */
export interface TermPlan {
  readonly desc: number;
  readonly rows: number;
  readonly n: number;
  readonly K: number;
  readonly kind: number;
  readonly a: number;
  readonly aScan: number;
  readonly b: number;
  readonly bScan: number;
  /** The kernel may write the first value of each cell; otherwise acc is filled before. */
  readonly covers: boolean;
  readonly serial: boolean;
  readonly factor: number;
  /** Product of two operands that is formed first; its place is `a`. */
  readonly product?: TermPlan & { readonly out: number };
}
export interface ExprPlan {
  readonly terms: readonly TermPlan[];
  readonly cells: number;
  readonly constant: number;
}

/** A term with its operands resolved; `factor` is the coefficient in the reading's numbers. */
export interface FlatTerm {
  readonly factor: number;
  readonly operands: readonly { readonly source: Source; readonly access: readonly Access[] }[];
}

const SKIP = 0xffffffff;
const PANEL_BYTES = 512 * 64;
/** Below this many multiplications a call stays on one thread. */
const SMALL = 20_000;

/** One loop dimension: size, then byte strides of acc, a and b, and the stride (in ids) of the one-hot's positions. */
interface Dim {
  readonly size: number;
  readonly s: readonly [number, number, number, number];
}
interface View {
  readonly strides: Map<string, number>;
  readonly base: number;
  readonly scan: number;
}

export const product = (xs: readonly number[]): number => xs.reduce((a, b) => a * b, 1);

/** Row-major strides in cells. */
export function rowMajor(sizes: readonly number[]): number[] {
  const out = new Array<number>(sizes.length);
  let s = 1;
  for (let k = sizes.length - 1; k >= 0; k--) {
    out[k] = s;
    s *= sizes[k];
  }
  return out;
}

/** Strides (times `unit`) of an operand by relation axis. */
export function viewOf(sizes: readonly number[], access: readonly Access[], unit: number, scan?: string): View {
  const strides = new Map<string, number>(),
    rm = rowMajor(sizes);
  let base = 0,
    scanStride = 0;
  access.forEach((a, k) => {
    if ('index' in a) {
      base += a.index * rm[k] * unit;
      return;
    }
    base += (a.offset ?? 0) * rm[k] * unit;
    const s = (a.stride ?? 1) * rm[k] * unit;
    if (a.axis === scan) scanStride += s;
    else strides.set(a.axis, (strides.get(a.axis) ?? 0) + s);
  });
  return { strides, base, scan: scanStride };
}

/** Drops dimensions of size 1 and joins neighbours whose strides continue one another. */
function fuse(dims: readonly Dim[]): Dim[] {
  const out: Dim[] = [];
  for (const d of dims) {
    if (d.size === 1) continue;
    const last = out.at(-1);
    if (last?.s.every((x, k) => x === d.size * d.s[k])) out[out.length - 1] = { size: last.size * d.size, s: d.s };
    else out.push(d);
  }
  return out;
}

/** An operand where it lies. */
type Placed = View & { readonly ptr: number };

/** A one-hot operand: its ids, where its positions begin, byte strides of accumulator and operands along its values. */
interface Selection {
  readonly source: HotOperand['source'];
  readonly base: number;
  readonly strides: readonly [number, number, number];
  readonly scatter: boolean;
}

/** A product's operands and dimensions, as written. */
interface Loops {
  readonly a: Placed;
  readonly b: Placed;
  readonly out: readonly Dim[];
  readonly con: readonly Dim[];
  readonly onehot?: Selection;
}

/** The same as a kernel runs it: rows, contracted dimensions and one inner run. */
interface Ordered {
  readonly a: Placed;
  readonly b: Placed;
  readonly rows: Dim[];
  readonly con: Dim[];
  readonly inner: Dim;
  /** 0: a value a row; 1, 2: along a row of one or both operands; 3: a dot product. */
  readonly kind: number;
  readonly onehot?: Selection;
}

/** Whether the positions of a one-hot move along some of the dimensions. */
const moves = (dims: readonly Dim[]): boolean => dims.some((d) => d.s[3] !== 0);

/**
 * Chooses the inner run: consecutive cells of the accumulator, else a dot product of consecutive cells, else single
 * values.
 */
function order(l: Loops): Ordered {
  const { a, b, onehot } = l,
    hot = onehot === undefined ? {} : { onehot },
    none: Dim = { size: 1, s: [8, 0, 0, 0] };
  if (onehot?.scatter) return { a, b, rows: fuse([...l.out, ...l.con]), con: [], inner: none, kind: 0, ...hot };
  const rows = fuse(l.out),
    con = fuse(l.con),
    last = rows.at(-1),
    stream = (d: Dim): boolean => (d.s[1] === 8 || d.s[1] === 0) && (d.s[2] === 8 || d.s[2] === 0) && d.s[3] === 0,
    dots = con.findIndex((d) => stream(d) && d.s[1] + d.s[2] > 0 && d.size > 1);
  let inner = none,
    kind = 0;
  if (!onehot && last && last.s[0] === 8 && stream(last) && last.s[1] + last.s[2] > 0 && (last.size >= 4 || dots < 0)) {
    inner = last;
    rows.pop();
    kind = inner.s[1] && inner.s[2] ? 2 : 1;
  } else if (!onehot && dots >= 0) {
    inner = con[dots];
    con.splice(dots, 1);
    kind = 3;
  } else if (last && last.s[3] === 0) {
    inner = last;
    rows.pop();
  }
  // A run along one operand alone is along the second.
  if ((kind !== 1 && kind !== 3) || inner.s[2] !== 0) return { a, b, rows, con, inner, kind, ...hot };
  const turn = (d: Dim): Dim => ({ size: d.size, s: [d.s[0], d.s[2], d.s[1], d.s[3]] });
  return { a: b, b: a, rows: rows.map(turn), con: con.map(turn), inner: turn(inner), kind, ...hot };
}

/**
 * Evaluates einsums over kernel memory: acc[box] = constant + sum_t factor_t sum_contracted prod operands. Numbers are
 * doubles. Results do not depend on the number of threads.
 */
export class Einsum {
  readonly #one: number;
  readonly #scratch: number;

  constructor(
    readonly kernels: Kernels,
    readonly sizes: Readonly<Record<string, number>>,
  ) {
    this.#one = kernels.alloc(8);
    kernels.f64[this.#one / 8] = 1;
    this.#scratch = kernels.alloc(PANEL_BYTES * kernels.threads);
  }

  /** Axes of the accumulator (the box without its scan axis) and their sizes. */
  axesOf(box: Box): string[] {
    return box.axes.filter((a) => a !== box.scan);
  }
  cells(box: Box): number {
    return product(this.axesOf(box).map((a) => this.sizes[a]));
  }

  /** Plans stay in the arena until the caller releases them. */
  plan(box: Box, terms: readonly FlatTerm[], constant: number): ExprPlan {
    return { terms: terms.map((t) => this.#term(box, t)), cells: this.cells(box), constant };
  }

  #term(box: Box, t: FlatTerm): TermPlan {
    let ops = [...t.operands];
    const dense = ops.filter((o) => o.source.kind === 'dense');
    let hot = ops.find((o) => o.source.kind === 'onehot');
    // Further one-hot operands, or one with a fixed or moved vocabulary index, are written out.
    for (const o of ops) {
      const v = o.access[0];
      if (
        o.source.kind === 'onehot' &&
        (o !== hot || !v || !('axis' in v) || (v.stride ?? 1) !== 1 || (v.offset ?? 0) !== 0 || v.axis === box.scan)
      ) {
        dense.push({ source: this.#expand(o.source), access: o.access });
        if (o === hot) hot = undefined;
      }
    }
    ops = dense;
    let first: TermPlan['product'];
    if (ops.length === 3) {
      const made = this.#pair(box, ops);
      first = made.plan;
      ops = [made.operand, made.third];
    }
    const plan = this.#two(box, t.factor, ops, hot as HotOperand | undefined);
    return first ? { ...plan, product: first } : plan;
  }

  #expand(s: Source): Source {
    if (s.kind === 'dense') return s;
    const n = product(s.sizes),
      ptr = this.kernels.zeroed(8 * n),
      positions = s.ids.length;
    s.ids.forEach((id, k) => {
      if (id < 0) return;
      this.kernels.f64[ptr / 8 + id * positions + k] = 1;
    });
    return { kind: 'dense', ptr, sizes: s.sizes };
  }

  /** Of three operands, the pair whose product has the fewest cells becomes one array. */
  #pair(box: Box, ops: readonly FlatTerm['operands'][number][]) {
    const axesOf = (o: FlatTerm['operands'][number]) => o.access.flatMap((a) => ('axis' in a && a.axis !== box.scan ? [a.axis] : []));
    let best: { x: number; y: number; axes: string[]; cells: number } | undefined;
    for (const [x, y] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ]) {
      // Order of the wider operand first, so that the inner axis stays contiguous.
      const [p, q] = axesOf(ops[x]).length >= axesOf(ops[y]).length ? [ops[x], ops[y]] : [ops[y], ops[x]];
      const axes = [...new Set([...axesOf(p), ...axesOf(q)])],
        cells = product(axes.map((a) => this.sizes[a]));
      if (!best || cells < best.cells) best = { x, y, axes, cells };
    }
    const { x, y, axes, cells } = best!;
    const inner: Box = { axes: box.scan ? [...axes, box.scan] : axes, scan: box.scan };
    const plan = this.#two(inner, 1, [ops[x], ops[y]], undefined);
    const ptr = this.kernels.alloc(8 * cells);
    const operand = {
      source: { kind: 'dense', ptr, sizes: axes.map((a) => this.sizes[a]) } as const,
      access: axes.map((axis) => ({ axis })),
    };
    return { plan: { ...plan, out: ptr }, operand, third: ops[3 - x - y] };
  }

  /**
   * Plans the product of at most two dense operands and a one-hot one: tables of offsets, and the kernel that runs over
   * them.
   */
  #two(box: Box, factor: number, ops: readonly FlatTerm['operands'][number][], hot: HotOperand | undefined): TermPlan {
    const loops = order(this.#loops(box, ops, hot)),
      { a, b, rows, con, inner, kind, onehot } = loops,
      scatter = onehot?.scatter ?? false,
      tables = {
        rowAcc: this.#table(rows, 0),
        rowA: this.#table(rows, 1),
        rowB: this.#table(rows, 2),
        kA: this.#table(con, 1),
        kB: this.#table(con, 2),
      },
      K = product(con.map((d) => d.size));
    if (onehot) this.#select(onehot, loops, tables);
    const { rowAcc, rowA, rowB, kA, kB } = tables,
      desc = this.kernels.alloc(80);
    this.kernels.u32.set([0, 0, 0, rowAcc, rowA, rowB, K, kA, kB, inner.size, inner.s[0], inner.s[1], inner.s[2], kind, 0, 0], desc / 4);
    return {
      desc,
      rows: product(rows.map((d) => d.size)),
      n: inner.size,
      K,
      kind,
      a: a.ptr + a.base,
      aScan: a.scan,
      b: b.ptr + b.base,
      bScan: b.scan,
      covers: !scatter,
      serial: scatter,
      factor,
    };
  }

  /**
   * The dimensions of a product: those of the accumulator and the contracted ones, without that of a one-hot's values.
   */
  #loops(box: Box, ops: readonly FlatTerm['operands'][number][], hot: HotOperand | undefined): Loops {
    const outAxes = this.axesOf(box),
      accStrides = rowMajor(outAxes.map((a) => this.sizes[a]));
    const views: Placed[] = ops.map((o) => ({
      ptr: (o.source as { ptr: number }).ptr,
      ...viewOf(o.source.sizes, o.access, 8, box.scan),
    }));
    while (views.length < 2) views.unshift({ ptr: this.#one, strides: new Map(), base: 0, scan: 0 });
    const [a, b] = views,
      vocab = hot ? (hot.access[0] as { axis: string }).axis : undefined,
      // Positions of the one-hot; a fixed scan axis moves through its ids, so tables are rebuilt per scan index (see
      // `evaluate`).
      pos = hot ? viewOf(hot.source.sizes.slice(1), hot.access.slice(1), 1, box.scan) : undefined;
    if (pos?.scan) throw new Error('a one-hot operand along the scan axis is not supported');
    const used = new Set([...a.strides.keys(), ...b.strides.keys(), ...(pos?.strides.keys() ?? []), ...(vocab ? [vocab] : [])]);
    const dim = (axis: string, acc: number): Dim => ({
      size: this.sizes[axis],
      s: [acc, a.strides.get(axis) ?? 0, b.strides.get(axis) ?? 0, pos?.strides.get(axis) ?? 0],
    });
    const out = outAxes.flatMap((x, k) => (x === vocab ? [] : [dim(x, accStrides[k] * 8)])),
      con = [...used].filter((x) => !outAxes.includes(x) && x !== vocab).map((x) => dim(x, 0));
    if (!hot || !pos || !vocab) return { a, b, out, con };
    const acc = outAxes.includes(vocab) ? accStrides[outAxes.indexOf(vocab)] * 8 : 0,
      strides = [acc, a.strides.get(vocab) ?? 0, b.strides.get(vocab) ?? 0] as const,
      // The output cell depends on the id, or ids depend on rows and contracted indices at once.
      scatter = acc !== 0 || (moves(out) && moves(con));
    return { a, b, out, con, onehot: { source: hot.source, base: pos.base, strides, scatter } };
  }

  /** Moves offsets by the ids of the one-hot's positions; positions without an id are skipped. */
  #select(o: Selection, l: Ordered, tables: { rowAcc: number; rowA: number; rowB: number; kA: number; kB: number }): void {
    const inRows = o.scatter || moves(l.rows) || !moves(l.con),
      dims = inRows ? l.rows : l.con,
      ids = this.#table(dims, 3),
      n = product(dims.map((d) => d.size)),
      u = this.kernels.u32,
      [ta, tb] = inRows ? [tables.rowA, tables.rowB] : [tables.kA, tables.kB],
      [vAcc, vA, vB] = o.strides;
    for (let k = 0; k < n; k++) {
      const id = o.source.ids[o.base + u[ids / 4 + k]];
      if (id >= o.source.sizes[0]) throw new RangeError(`one-hot id ${id} outside its axis of ${o.source.sizes[0]}`);
      if (id < 0) {
        u[ta / 4 + k] = SKIP;
        u[tb / 4 + k] = SKIP;
        continue;
      }
      u[ta / 4 + k] += id * vA;
      u[tb / 4 + k] += id * vB;
      if (o.scatter) u[tables.rowAcc / 4 + k] += id * vAcc;
    }
  }

  /** Offsets of all index combinations of the dimensions, last fastest. */
  #table(dims: readonly Dim[], which: 0 | 1 | 2 | 3): number {
    const n = product(dims.map((d) => d.size)),
      p = this.kernels.alloc(4 * n),
      u = this.kernels.u32.subarray(p / 4, p / 4 + n);
    u[0] = 0;
    let have = 1;
    for (let k = dims.length - 1; k >= 0; k--) {
      const { size, s } = dims[k];
      for (let i = 1; i < size; i++) for (let j = 0; j < have; j++) u[i * have + j] = u[j] + i * s[which];
      have *= size;
    }
    return p;
  }

  /** Table of row offsets of an operand over the box, split into rows and an inner run of n cells. */
  target(
    box: Box,
    sizes: readonly number[],
    access: readonly Access[],
    n: number,
  ): { table: number; base: number; scan: number; stride: number } {
    const v = viewOf(sizes, access, 8, box.scan),
      axes = this.axesOf(box);
    const dims = axes.map((a): Dim => ({ size: this.sizes[a], s: [v.strides.get(a) ?? 0, 0, 0, 0] }));
    let stride = 0,
      have = 1;
    while (have < n) {
      const d = dims.pop()!;
      if (have === 1 && d.size > 1) stride = d.s[0];
      have *= d.size;
    }
    return { table: this.#table(dims, 0), base: v.base, scan: v.scan, stride: n === 1 ? 8 : stride };
  }

  /** Cells of the trailing axes of the box along which all the given operands run with one stride. */
  run(box: Box, operands: readonly { sizes: readonly number[]; access: readonly Access[] }[]): number {
    const axes = this.axesOf(box),
      views = operands.map((o) => viewOf(o.sizes, o.access, 8, box.scan));
    let n = 1;
    for (let k = axes.length - 1; k >= 0; k--) {
      const a = axes[k];
      if (n > 1 && !views.every((v) => (v.strides.get(a) ?? 0) === n * this.#inner(v, axes, k))) break;
      n *= this.sizes[a];
    }
    return n;
  }
  #inner(v: View, axes: readonly string[], above: number): number {
    for (let k = axes.length - 1; k > above; k--) if (this.sizes[axes[k]] > 1) return v.strides.get(axes[k]) ?? 0;
    return 0;
  }

  /** acc (row-major over the box) = the expression at scan index `at`. */
  evaluate(plan: ExprPlan, acc: number, at = 0): void {
    let init = true;
    if (!plan.terms.length || !plan.terms[0].covers) {
      this.fill(acc, plan.cells, plan.constant);
      init = false;
    }
    for (const t of plan.terms) {
      if (t.product) {
        this.#call(t.product, t.product.out, at, true, 0);
      }
      this.#call(t, acc, at, init, plan.constant);
      init = false;
    }
  }

  fill(p: number, cells: number, x: number): void {
    this.split('fillF', cells, (lo, hi) => [p, x, lo, hi]);
  }

  /** Flat range over threads. */
  split(kernel: string, n: number, args: (lo: number, hi: number, thread: number) => number[]): void {
    if (n < SMALL) this.kernels.exports[kernel](...args(0, n, 0));
    else this.kernels.parallel(kernel, n, 64, args);
  }

  /** Rows times columns over threads: by rows, or by columns when there are few rows. */
  grid(
    kernel: string,
    rows: number,
    n: number,
    work: number,
    args: (rlo: number, rhi: number, nlo: number, nhi: number, thread: number) => number[],
    columns = true,
  ): void {
    if (work < SMALL || (rows === 1 && !columns)) this.kernels.exports[kernel](...args(0, rows, 0, n, 0));
    else if (rows >= 4 * this.kernels.threads || !columns || n < 256)
      this.kernels.parallel(kernel, rows, 1, (lo, hi, t) => args(lo, hi, 0, n, t));
    else this.kernels.parallel(kernel, n, 64, (lo, hi, t) => args(0, rows, lo, hi, t));
  }

  #call(t: TermPlan, acc: number, at: number, init: boolean, constant: number): void {
    const k = this.kernels,
      u = k.u32,
      d = t.desc / 4;
    u[d] = acc;
    u[d + 1] = t.a + t.aScan * at;
    u[d + 2] = t.b + t.bScan * at;
    u[d + 14] = init ? 1 : 0;
    const w = t.desc / 8;
    k.f64[w + 8] = t.factor;
    k.f64[w + 9] = constant;
    const work = t.serial ? 0 : t.rows * t.n * t.K;
    this.grid(
      'einsumF',
      t.rows,
      t.n,
      work,
      (rlo, rhi, nlo, nhi, th) => [t.desc, rlo, rhi, nlo, nhi, this.#scratch + PANEL_BYTES * th],
      t.kind !== 3,
    );
  }
}
type HotOperand = { readonly source: Source & { kind: 'onehot' }; readonly access: readonly Access[] };
