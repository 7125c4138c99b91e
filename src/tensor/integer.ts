import { floorDiv, isqrt } from '../field/fixedpoint.js';
import type { Kernels } from '../kernels/runtime.js';
import { contractedAxes } from './bounds.js';
import { layoutClass } from './layout.js';
import { tableColumns } from './tables.js';
import type { Constraint, Expr, HighPart, Operand, Program, Step, TensorSpec } from './types.js';

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

/** Inputs by tensor name: integers for dense tensors, ids per position (-1: none) for one-hot ones. */
export type Inputs = ReadonlyMap<string, BigInt64Array | Int32Array>;

/** The trainer: every tensor as signed integers in kernel memory, computed step by step as the program says. */
export class IntegerReading {
  readonly ptr = new Map<string, number>();
  readonly ids = new Map<string, Int32Array>();
  readonly tensors: ReadonlyMap<string, TensorSpec>;
  readonly #err: number;
  readonly #desc: number;

  constructor(
    readonly k: Kernels,
    readonly program: Program,
    inputs: Inputs,
  ) {
    this.tensors = new Map(program.tensors.map((t) => [t.name, t]));
    this.#err = k.alloc(64);
    this.#desc = k.alloc(4096 + 256 * k.threads);
    const columns = new Map<string, BigInt64Array>();
    for (const t of program.tables) tableColumns(t).forEach((c, i) => columns.set(t.columns[i], c));
    for (const t of program.tensors) {
      if (t.publicKind === 'onehot') {
        const ids = inputs.get(t.name);
        if (!(ids instanceof Int32Array)) throw new Error(`input ${t.name} missing`);
        this.ids.set(t.name, ids);
        continue;
      }
      const n = this.cells(t),
        p = k.alloc(8 * Math.max(1, n));
      this.ptr.set(t.name, p);
      const v = inputs.get(t.name) ?? columns.get(t.name);
      if (v instanceof BigInt64Array) {
        if (v.length !== n) throw new Error(`input ${t.name} has ${v.length} cells, expected ${n}`);
        k.i64.set(v, p / 8);
      } else k.parallel('fillI64', n, 65536, (lo, hi) => [p, 0n, lo, hi]);
      if (t.publicKind === 'causal') {
        const m = this.size(t.axes[1]),
          { first = 0 } = t;
        for (let i = 0; i < this.size(t.axes[0]); i++) for (let j = 0; j <= first + i; j++) k.i64[p / 8 + i * m + j] = 1n;
      }
    }
  }

  size(axis: string): number {
    return this.program.axes[axis];
  }
  cells(t: TensorSpec): number {
    return t.axes.reduce((n, a) => n * this.size(a), 1);
  }
  read(name: string): BigInt64Array {
    const p = this.ptr.get(name)! / 8;
    return this.k.i64.slice(p, p + this.cells(this.tensors.get(name)!));
  }

  /** Runs all steps: pre, layers upward, mid, layers downward, post. */
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

  /** Offset and per-axis stride of an operand, the scan axis fixed at `l` if given. */
  #address(op: Operand, l?: number): { base: number; stride: Map<string, number> } {
    const t = this.tensors.get(op.tensor)!,
      stride = new Map<string, number>();
    let base = this.ptr.get(op.tensor)!,
      unit = 1;
    for (let k = t.axes.length - 1; k >= 0; k--) {
      const a = op.access[k];
      if ('index' in a) base += 8 * unit * a.index;
      else {
        base += 8 * unit * (a.offset ?? 0);
        if (l !== undefined && a.axis === this.program.scan) base += 8 * unit * (a.stride ?? 1) * l;
        else stride.set(a.axis, unit * (a.stride ?? 1));
      }
      unit *= this.size(t.axes[k]);
    }
    return { base, stride };
  }

  /** Dense box over `axes` (scan axis dropped when fixed) of an expression; allocated. */
  eval(axes: readonly string[], e: Expr, l?: number): { ptr: number; n: number; axes: string[] } {
    const box = axes.filter((a) => l === undefined || a !== this.program.scan),
      n = box.reduce((m, a) => m * this.size(a), 1);
    const ptr = this.k.alloc(8 * n);
    this.k.parallel('fillI64', n, 65536, (lo, hi) => [ptr, BigInt.asIntN(64, e.constant), lo, hi]);
    for (const t of e.terms) this.#term(ptr, box, axes, t, l);
    return { ptr, n, axes: box };
  }

  #term(out: number, box: string[], axes: readonly string[], t: Expr['terms'][number], l?: number): void {
    const hot = t.operands.find((o) => this.ids.has(o.tensor));
    if (hot) {
      this.#gather(out, box, axes, t, hot, l);
      return;
    }
    const at = t.operands.map((o) => this.#address(o, l));
    const con = contractedAxes(axes, t).filter((a) => l === undefined || a !== this.program.scan);
    const inner = box.length ? box[box.length - 1] : undefined,
      outerAxes = box.slice(0, -1);
    const s = (k: number, a: string): number => at[k]?.stride.get(a) ?? 0;
    const words = [
      outerAxes.length,
      con.length,
      inner ? this.size(inner) : 1,
      inner ? s(0, inner) : 0,
      inner ? s(1, inner) : 0,
      inner ? s(2, inner) : 0,
    ];
    for (const a of [...outerAxes, ...con]) words.push(this.size(a), s(0, a), s(1, a), s(2, a));
    this.k.i32.set(words, this.#desc / 4);
    const rows = outerAxes.reduce((m, a) => m * this.size(a), 1),
      work = con.reduce((m, a) => m * this.size(a), words[2]);
    this.k.parallel('einsum', rows, Math.max(1, Math.ceil(8192 / work)), (lo, hi, th) => [
      out,
      at[0].base,
      at[1]?.base ?? 0,
      at[2]?.base ?? 0,
      t.operands.length,
      BigInt.asIntN(64, t.coef),
      this.#desc,
      this.#desc + 4096 + 256 * th,
      lo,
      hi,
    ]);
  }

  /** A term with a one-hot operand: the selected index replaces its first axis. */
  #gather(out: number, box: string[], axes: readonly string[], t: Expr['terms'][number], hot: Operand, l?: number): void {
    const ids = this.ids.get(hot.tensor)!,
      spec = this.tensors.get(hot.tensor)!,
      k = this.k;
    const pick = (hot.access[0] as { axis: string }).axis,
      others = t.operands.filter((o) => o !== hot).map((o) => this.#address(o, l));
    const loop = [...box, ...contractedAxes(axes, t)].filter((a, i, all) => a !== pick && all.indexOf(a) === i);
    if (box.includes(pick)) throw new Error('a one-hot axis must be contracted');
    const sizes = loop.map((a) => this.size(a)),
      total = sizes.reduce((x, y) => x * y, 1),
      i64 = k.i64;
    const outStride = loop.map((a) => {
      let st = 1;
      for (let x = box.length - 1; x >= 0; x--) {
        if (box[x] === a) return st;
        st *= this.size(box[x]);
      }
      return 0;
    });
    const posStride = loop.map((a) => {
      let st = 1;
      for (let x = spec.axes.length - 1; x > 0; x--) {
        if ((hot.access[x] as { axis: string }).axis === a) return st;
        st *= this.size(spec.axes[x]);
      }
      return 0;
    });
    const idx = new Array<number>(loop.length).fill(0);
    for (let c = 0; c < total; c++) {
      let pos = 0,
        o = out / 8;
      for (let d = 0; d < loop.length; d++) {
        pos += idx[d] * posStride[d];
        o += idx[d] * outStride[d];
      }
      const id = ids[pos];
      if (id >= 0) {
        let v = t.coef;
        for (const x of others) {
          let p = x.base / 8 + id * (x.stride.get(pick) ?? 0);
          for (let d = 0; d < loop.length; d++) p += idx[d] * (x.stride.get(loop[d]) ?? 0);
          v *= i64[p];
        }
        i64[o] += v;
      }
      for (let d = loop.length - 1; d >= 0; d--) {
        if (++idx[d] < sizes[d]) break;
        idx[d] = 0;
      }
    }
  }

  #ew(kernel: string, n: number, ...args: (number | bigint)[]): void {
    this.k.parallel(kernel, n, 4096, (lo, hi) => [...args, lo, hi]);
  }

  #column(table: string): { ptr: number[]; lo: bigint; size: number } {
    const t = this.program.tables.find((x) => x.name === table)!;
    return { ptr: t.columns.map((c) => this.ptr.get(c)!), lo: t.lo, size: t.size };
  }

  /**
   * Writes v into `out`; `key` are the keys of a lookup, reported in place of a value that a key outside the table has
   * left.
   */
  #store(
    s: Step,
    out: Operand,
    v: { ptr: number; n: number; axes: string[] },
    l?: number,
    key?: { ptr: number; lo: bigint; size: number },
  ): void {
    const a = this.#address(out, l),
      t = this.tensors.get(out.tensor)!;
    this.k.i32.set([v.axes.length, ...v.axes.flatMap((x) => [this.size(x), a.stride.get(x) ?? 0])], this.#desc / 4);
    this.k.u32[this.#err / 4] = 0;
    this.k.parallel('scatter', v.n, 4096, (lo, hi) => [
      a.base,
      v.ptr,
      this.#desc,
      BigInt.asIntN(64, t.lo),
      BigInt.asIntN(64, t.hi),
      this.#err,
      lo,
      hi,
    ]);
    const e = this.k.u32[this.#err / 4];
    if (e && key)
      throw new OverflowError(
        s.name,
        `key of ${s.name}`,
        this.#cell(v.axes, e - 1),
        this.k.i64[key.ptr / 8 + e - 1],
        [key.lo, key.lo + BigInt(key.size) - 1n],
        l,
      );
    if (e)
      throw new OverflowError(
        out.tensor,
        out.tensor === s.name ? out.tensor : `${out.tensor} (${s.name})`,
        this.#cell(v.axes, e - 1),
        this.k.i64[v.ptr / 8 + e - 1],
        [t.lo, t.hi],
        l,
        t.frac,
      );
  }

  #cell(axes: readonly string[], flat: number): Record<string, number> {
    const out: Record<string, number> = {};
    let rest = flat;
    for (let d = axes.length - 1; d >= 0; d--) {
      out[axes[d]] = rest % this.size(axes[d]);
      rest = Math.floor(rest / this.size(axes[d]));
    }
    return out;
  }

  /** Replaces each cell e of v by f(e + 2^shift high) in bigints: for scalars of more than 63 bits. */
  #wide(
    axes: readonly string[],
    v: { ptr: number; n: number },
    high: HighPart,
    l: number | undefined,
    f: (e: bigint, cell: number) => bigint,
  ): void {
    const h = this.eval(axes, high.expr, l);
    for (let c = 0; c < v.n; c++) {
      const e = this.k.i64[v.ptr / 8 + c] + (this.k.i64[h.ptr / 8 + c] << BigInt(high.shift));
      this.k.i64[v.ptr / 8 + c] = BigInt.asIntN(64, f(e, c));
    }
  }

  #step(s: Step, layer?: number): void {
    const l = layer !== undefined && s.axes.includes(this.program.scan) ? layer : undefined;
    if (layer !== undefined && l === undefined && layer !== (s.phase === 'fwd' ? 0 : this.size(this.program.scan) - 1)) return;
    this.k.scope(() => this.#compute(s, l));
  }
  #compute(s: Step, l?: number): void {
    switch (s.op) {
      case 'round': {
        const v = this.eval(s.axes, s.expr, l);
        this.#ew('ewRound', v.n, v.ptr, s.shift);
        if (s.base) this.#term(v.ptr, v.axes, s.axes, { coef: 1n, operands: [s.base] }, l);
        this.#store(s, s.out, v, l);
        break;
      }
      case 'limb': {
        const v = this.eval(s.axes, s.expr, l);
        this.#ew('ewLimb', v.n, v.ptr, s.shift, s.bits);
        this.#store(s, s.out, v, l);
        break;
      }
      case 'digits': {
        const v = this.eval(s.axes, s.expr, l),
          half = s.shift ? 1n << BigInt(s.shift - 1) : 0n,
          // Floor of a quotient by 2^n is rounding of what lies half a unit lower.
          h = this.eval(s.axes, { ...s.expr, constant: s.expr.constant + half - (1n << BigInt(s.shift + s.bits - 1)) }, l);
        this.#ew('ewRound', v.n, v.ptr, s.shift);
        this.#ew('ewLimb', v.n, v.ptr, 0, s.bits);
        this.#store(s, s.low, v, l);
        this.#ew('ewRound', h.n, h.ptr, s.shift + s.bits);
        this.#store(s, s.high, h, l);
        break;
      }
      case 'sqrt': {
        const v = this.eval(s.axes, s.expr, l),
          x = s.nearest ? this.eval(s.axes, s.expr, l) : undefined;
        if (s.high) this.#wide(s.axes, v, s.high, l, (e) => isqrt(e));
        else this.#ew('ewSqrt', v.n, v.ptr);
        if (x) this.#ew('ewNearestRoot', v.n, v.ptr, x.ptr);
        this.#store(s, s.out, v, l);
        break;
      }
      case 'div': {
        const v = this.eval(s.axes, s.num, l),
          q = this.eval(s.axes, s.den, l);
        if (s.high) this.#wide(s.axes, v, s.high, l, (e, c) => floorDiv(e, this.k.i64[q.ptr / 8 + c]));
        else this.#ew('ewDiv', v.n, v.ptr, q.ptr);
        this.#store(s, s.out, v, l);
        break;
      }
      case 'max': {
        const v = this.eval(s.axes, s.a, l),
          q = this.eval(s.axes, s.b, l);
        this.#ew('ewMax', v.n, v.ptr, q.ptr);
        this.#store(s, s.out, v, l);
        break;
      }
      case 'table': {
        const v = this.eval(s.axes, s.key, l),
          t = this.#column(s.table),
          d = this.k.alloc(8 * v.n);
        s.outs.forEach((o, c) => {
          this.#ew('ewTable', v.n, d, v.ptr, t.ptr[c], t.lo, BigInt(t.size));
          this.#store(s, o, { ...v, ptr: d }, l, { ptr: v.ptr, lo: t.lo, size: t.size });
        });
        break;
      }
      case 'lse': {
        const t = this.#column(s.table),
          box = [...s.axes, ...s.over],
          v = this.eval(box, { constant: 0n, terms: [{ coef: 1n, operands: [s.scores] }] }, l);
        const n = s.over.reduce((x, a) => x * this.size(a), 1),
          rows = v.n / n,
          d = this.k.alloc(8 * rows),
          mod = s.causal ? this.size(s.causal[0]) : 0;
        if (s.causal && s.axes[s.axes.length - 1] !== s.causal[0]) throw new Error('the causal axis must be last');
        this.k.parallel('ewLse', rows, 16, (lo, hi) => [d, v.ptr, n, mod, s.first ?? 0, t.ptr[0], BigInt(t.size), s.target, lo, hi]);
        this.#store(s, s.out, { ptr: d, n: rows, axes: v.axes.slice(0, v.axes.length - s.over.length) }, l);
        break;
      }
      case 'flatten':
      case 'unflatten':
        this.#regroup(s.group, s.op === 'flatten');
        break;
    }
  }

  /** Copies a group's members to its alias in stack order, or back. */
  #regroup(group: string, flatten: boolean): void {
    const alias = this.program.tensors.find((t) => t.aliasOf === group)!,
      layout = layoutClass(this.program, alias.cls);
    const start = Math.min(...layout.tensors.get(alias.name)!.blocks.map((b) => b.position)),
      flat = this.ptr.get(alias.name)! / 8,
      i64 = this.k.i64;
    for (const { tensor, blocks } of layout.tensors.values()) {
      if (tensor.group !== group || tensor.aliasOf !== undefined) continue;
      const p = this.ptr.get(tensor.name)! / 8,
        sizes = tensor.axes.map((a) => this.size(a));
      for (const b of blocks)
        forRuns(sizes, b, (cell, at, n) => {
          const f = flat + b.position - start + at;
          if (flatten) i64.copyWithin(f, p + cell, p + cell + n);
          else i64.copyWithin(p + cell, f, f + n);
        });
    }
  }

  /** Keys of a range or lookup constraint as u32 row indices; throws where a value is outside. */
  keys(c: Exclude<Constraint, { kind: 'zero' }>): { ptr: number; n: number } {
    const expr = c.kind === 'range' ? c.expr : c.exprs[0],
      n = c.axes.reduce((m, a) => m * this.size(a), 1),
      dst = this.k.alloc(4 * n),
      t = c.kind === 'lookup' ? this.program.tables.find((x) => x.name === c.table) : undefined,
      lo = t?.lo ?? 0n,
      size = t ? BigInt(t.size) : c.kind === 'lookup' ? 1n << 31n : 1n << BigInt(c.bits);
    this.k.scope(() => {
      const v = this.eval(c.axes, expr);
      this.k.u32[this.#err / 4] = 0;
      this.k.parallel('keysOut', n, 4096, (a, b) => [dst, v.ptr, lo, size, this.#err, a, b]);
      const e = this.k.u32[this.#err / 4];
      if (!e) return;
      const bad = this.k.i64[v.ptr / 8 + e - 1];
      throw new OverflowError(c.name, `constraint ${c.name}`, this.#cell(c.axes, e - 1), bad, [lo, lo + size - 1n]);
    });
    return { ptr: dst, n };
  }

  /** First violated zero constraint, if any: for tests and debugging. */
  violated(): string | undefined {
    for (const c of this.program.constraints) {
      if (c.kind !== 'zero') continue;
      const e = this.k.scope(() => {
        const v = this.eval(c.axes, c.expr);
        this.k.u32[this.#err / 4] = 0;
        this.k.exports['allZero'](v.ptr, this.#err, v.n);
        return this.k.u32[this.#err / 4];
      });
      if (e) return `${c.name} at ${JSON.stringify(this.#cell(c.axes, e - 1))}`;
    }
    return undefined;
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
