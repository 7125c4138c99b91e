import type { Kernels } from '../kernels/runtime.js';
import { type Box, type ExprPlan, type FlatTerm, type Source, Einsum, product, viewOf } from './einsum.js';
import { layoutClass } from './layout.js';
import type { Expr, Operand, Phase, Program, Step, StepOp, TensorSpec, Term } from './types.js';

/**
 * Values of an input tensor: cells row-major (real numbers in the float reading), a callback that fills them, cells
 * already in kernel memory, or one-hot ids.
 */
export type ReadingInput =
  | BigInt64Array
  | Float64Array
  | Float32Array
  | Int32Array
  | ((cells: BigInt64Array) => void)
  | { readonly ptr: number };
export type ReadingInputs = ReadonlyMap<string, ReadingInput>;
/** Called after each step: steps done, steps in all, and which one. */
export type Progress = (done: number, of: number, at: { readonly phase: Phase; readonly step: string }) => void;

export const PHASES: readonly Phase[] = ['pre', 'fwd', 'mid', 'bwd', 'post'];
type Bytes = { from: number; to: number; bytes: number };

/** An input that does not fit its tensor. */
export class InputError extends Error {
  constructor(
    readonly tensor: string,
    message: string,
  ) {
    super(`${tensor}: ${message}`);
    this.name = 'InputError';
  }
}

/**
 * Memory and order of execution of a program, of the float reading. Every tensor but the one-hot ones is a row-major
 * array of eight-byte cells. Steps run by phase; in fwd and bwd those that have the scan axis run once per scan index.
 */
export abstract class Reading {
  readonly tensors: ReadonlyMap<string, TensorSpec>;
  readonly timings: Record<string, number> = {};
  protected readonly einsum: Einsum;
  /** Address of each tensor's cells; one-hot tensors have none. */
  readonly ptr: ReadonlyMap<string, number>;
  /** Ids of the one-hot tensors, one per position, -1 where all cells are zero. */
  readonly ids: ReadonlyMap<string, Int32Array>;
  readonly #ids = new Map<string, Int32Array>();
  readonly #copies = new Map<string, Bytes[]>();
  readonly #computed: ReadonlySet<string>;
  readonly #plans = new Map<Step, ReadonlyMap<Expr, ExprPlan>>();
  #current?: ReadonlyMap<Expr, ExprPlan>;

  protected constructor(
    readonly kernels: Kernels,
    readonly program: Program,
    inputs: ReadingInputs,
  ) {
    const ptrs = new Map<string, number>();
    this.ptr = ptrs;
    this.ids = this.#ids;
    this.tensors = new Map(program.tensors.map((t) => [t.name, t]));
    this.einsum = new Einsum(kernels, program.axes);
    this.#computed = new Set(program.steps.flatMap((s) => outputsOf(s).map((o) => o.tensor)));
    for (const t of program.tensors) {
      if (t.publicKind === 'onehot') continue;
      const given = inputs.get(t.name);
      ptrs.set(t.name, given && typeof given === 'object' && 'ptr' in given ? given.ptr : kernels.zeroed(8 * this.cells(t.name)));
    }
  }

  /** Second half of construction, called by the readings when their own fields exist. */
  protected init(inputs: ReadingInputs): void {
    const { program } = this;
    for (const t of program.tensors) if (t.publicKind === 'causal') this.#causal(t);
    const filled = new Set<string>();
    for (const [name, value] of inputs) {
      this.setInput(name, value);
      filled.add(name);
    }
    this.#requireInputs(filled);
    for (const st of program.steps) this.#planStep(st);
  }

  /**
   * Plans of a step's expressions are made once, in memory that lives as long as the reading, and serve every scan
   * index; those with one-hot operands depend on the ids and are made at every run.
   */
  #planStep(s: Step): void {
    const fracs = this.fracs(s),
      box = this.#box(s),
      plans = new Map<Expr, ExprPlan>();
    exprsOf(s).forEach((e, k) => {
      if (!e.terms.some((t) => t.operands.some((o) => this.spec(o.tensor).publicKind === 'onehot')))
        plans.set(e, this.plan(e, box, fracs[k]));
    });
    this.#plans.set(s, plans);
  }
  /** Steps with the scan axis in the layer phases are evaluated at one scan index at a time. */
  #box(s: Step): Box {
    return (s.phase === 'fwd' || s.phase === 'bwd') && s.axes.includes(this.program.scan)
      ? { axes: s.axes, scan: this.program.scan }
      : { axes: s.axes };
  }

  spec(name: string): TensorSpec {
    const t = this.tensors.get(name);
    if (!t) throw new InputError(name, 'unknown tensor');
    return t;
  }
  sizesOf(name: string): number[] {
    return this.spec(name).axes.map((a) => this.program.axes[a]);
  }
  cells(name: string): number {
    return product(this.sizesOf(name));
  }
  protected at(name: string): number {
    const p = this.ptr.get(name);
    if (p === undefined) throw new InputError(name, this.tensors.has(name) ? 'a one-hot tensor has no cells' : 'unknown tensor');
    return p;
  }

  /**
   * Replaces the values of an input; a group's alias also sets its members, a complete group its alias (at the next
   * run).
   */
  setInput(name: string, value: ReadingInput): void {
    const t = this.spec(name);
    if (t.publicKind === 'onehot') {
      const positions = product(this.sizesOf(name).slice(1)),
        top = this.sizesOf(name)[0];
      if (!(value instanceof Int32Array) || value.length !== positions) throw new InputError(name, `needs ${positions} one-hot ids`);
      for (const id of value) if (id < -1 || id >= top) throw new InputError(name, `id ${id} outside [-1, ${top})`);
      this.#ids.set(name, value);
      return;
    }
    if (value instanceof Int32Array) throw new InputError(name, 'ids given for a tensor that is not one-hot');
    const p = this.at(name),
      n = this.cells(name);
    if (typeof value === 'object' && 'ptr' in value) {
      if (value.ptr !== p) throw new InputError(name, 'its memory is fixed when the reading is made');
    } else if (typeof value === 'function' || value.length === n) this.write(t, p, n, value);
    else throw new InputError(name, `${value.length} values given for ${n} cells`);
    if (t.aliasOf !== undefined) this.#copy(t.aliasOf, false);
  }

  protected abstract write(
    t: TensorSpec,
    ptr: number,
    cells: number,
    value: BigInt64Array | Float64Array | Float32Array | ((cells: BigInt64Array) => void),
  ): void;
  /**
   * Coefficient of a term and the constant in the reading's numbers; `frac` is what one unit of the expression stands
   * for.
   */
  protected abstract factor(t: Term, frac: number | undefined): number;
  protected abstract constant(e: Expr, frac: number | undefined): number;
  /** Units of the step's expressions (exprsOf), where the reading needs them. */
  protected abstract fracs(s: Step): readonly (number | undefined)[];
  protected abstract step(s: Step, box: Box, at: number): void;

  /** Runs all steps. */
  run(progress?: Progress): void {
    for (const g of this.#inputGroups()) this.#copy(g, true);
    const { steps, scan, axes } = this.program,
      layers = axes[scan] ?? 1,
      total = steps.length;
    let done = 0;
    for (const phase of PHASES) {
      const start = performance.now(),
        mine = steps.filter((s) => s.phase === phase);
      const go = (s: Step, at: number | undefined): void => {
        const last = at === undefined || at === (phase === 'bwd' ? 0 : layers - 1) || !s.axes.includes(scan);
        if (s.op === 'flatten' || s.op === 'unflatten') this.#copy(s.group, s.op === 'flatten');
        else {
          this.#current = this.#plans.get(s);
          this.kernels.scope(() => this.step(s, this.#box(s), at ?? 0));
          this.#current = undefined;
        }
        if (last) progress?.(++done, total, { phase, step: s.name });
      };
      if (phase === 'fwd' || phase === 'bwd') {
        for (let k = 0; k < layers; k++) {
          const at = phase === 'fwd' ? k : layers - 1 - k;
          for (const s of mine) if (k === 0 || s.axes.includes(scan)) go(s, at);
        }
      } else for (const s of mine) go(s, undefined);
      this.timings[phase] = performance.now() - start;
    }
  }

  /** Evaluates an expression into fresh scratch memory, row-major over the box without its scan axis. */
  protected value(e: Expr, box: Box, at: number, frac?: number): number {
    const acc = this.kernels.alloc(8 * this.einsum.cells(box));
    this.einsum.evaluate(this.#current?.get(e) ?? this.plan(e, box, frac), acc, at);
    return acc;
  }
  protected plan(e: Expr, box: Box, frac?: number): ExprPlan {
    return this.einsum.plan(
      box,
      e.terms.map(
        (t): FlatTerm => ({
          factor: this.factor(t, frac),
          operands: t.operands.map((o) => ({ source: this.source(o.tensor), access: o.access })),
        }),
      ),
      this.constant(e, frac),
    );
  }
  #idsOf(name: string): Int32Array {
    const v = this.#ids.get(name);
    if (!v) throw new InputError(name, 'no one-hot ids given');
    return v;
  }
  protected source(name: string): Source {
    const sizes = this.sizesOf(name);
    return this.spec(name).publicKind === 'onehot'
      ? { kind: 'onehot', ids: this.#idsOf(name), sizes }
      : { kind: 'dense', ptr: this.at(name), sizes };
  }

  #causal(t: TensorSpec): void {
    const [m, n] = this.sizesOf(t.name),
      { first = 0 } = t,
      p = this.at(t.name) / 8;
    for (let i = 0; i < m; i++) for (let j = 0; j <= first + i; j++) this.kernels.f64[p + i * n + j] = 1;
  }

  /** Whether an input may be left out: none, where the values are committed. */
  protected optional(_t: TensorSpec): boolean {
    return false;
  }

  #requireInputs(filled: ReadonlySet<string>): void {
    const columns = new Set(this.program.tables.flatMap((t) => t.columns));
    for (const t of this.program.tensors) {
      const input = t.cls === 'frozen' || t.cls === 'public' || t.cls === 'cIn' || t.cls === 'oIn' || t.cls === 'aIn';
      if (!input || filled.has(t.name) || columns.has(t.name) || t.publicKind === 'causal' || this.#computed.has(t.name)) continue;
      if (this.optional(t)) continue;
      const group = t.aliasOf ?? t.group;
      if (group !== undefined && this.program.tensors.some((o) => (o.aliasOf ?? o.group) === group && filled.has(o.name))) continue;
      throw new InputError(t.name, 'no value given');
    }
  }

  /** Groups of input classes: their alias follows the members at the start of a run. */
  #inputGroups(): string[] {
    return this.program.tensors
      .filter((t) => t.aliasOf !== undefined && (t.cls === 'cIn' || t.cls === 'oIn' || t.cls === 'aIn'))
      .map((t) => t.aliasOf!);
  }

  /** Copies members to the alias (`flat`) or back; the alias's index is the position inside the group's region. */
  #copy(group: string, flat: boolean): void {
    let runs = this.#copies.get(group);
    if (!runs) {
      runs = this.#runs(group);
      this.#copies.set(group, runs);
    }
    const u8 = this.kernels.u8;
    for (const r of runs)
      if (flat) u8.copyWithin(r.to, r.from, r.from + r.bytes);
      else u8.copyWithin(r.from, r.to, r.to + r.bytes);
  }
  #runs(group: string): Bytes[] {
    const members = this.program.tensors.filter((t) => t.group === group && t.aliasOf === undefined),
      alias = this.program.tensors.find((t) => t.aliasOf === group);
    if (!alias) throw new InputError(group, 'group has no alias');
    const layout = layoutClass(this.program, alias.cls),
      to = this.at(alias.name),
      out: Bytes[] = [];
    const start = Math.min(...layout.tensors.get(alias.name)!.blocks.map((b) => b.position));
    for (const t of members) {
      const sizes = this.sizesOf(t.name),
        from = this.at(t.name),
        rank = sizes.length;
      for (const b of layout.tensors.get(t.name)!.blocks) {
        const run = rank ? 2 ** b.logs[rank - 1] : 1,
          count = 2 ** b.log / run;
        for (let k = 0; k < count; k++) {
          let rest = k,
            at = rank ? b.starts[rank - 1] : 0,
            stride = rank ? sizes[rank - 1] : 1;
          for (let a = rank - 2; a >= 0; a--) {
            const w = 2 ** b.logs[a];
            at += (b.starts[a] + (rest % w)) * stride;
            rest = Math.floor(rest / w);
            stride *= sizes[a];
          }
          out.push({ from: from + 8 * at, to: to + 8 * (b.position - start + k * run), bytes: 8 * run });
        }
      }
    }
    return out;
  }

  /**
   * Row offsets of the scores of an lse step and, with a causal pair, the query and key index that decide who takes
   * part.
   */
  protected lseTables(
    s: Extract<StepOp, { op: 'lse' }>,
    box: Box,
    at: number,
  ): { base: number; rows: number; K: number; rowS: number; rowI: number; kS: number; kJ: number } {
    const sizes = this.program.axes,
      v = viewOf(this.sizesOf(s.scores.tensor), s.scores.access, 8, box.scan),
      k = this.kernels;
    const walk = (
      axes: readonly string[],
      mark: string | undefined,
      otherwise: number,
      first: number,
    ): { n: number; offsets: number; index: number } => {
      const n = product(axes.map((a) => sizes[a])),
        offsets = k.alloc(4 * n),
        index = k.alloc(4 * n),
        u = k.u32;
      for (let r = 0; r < n; r++) {
        let rest = r,
          off = 0,
          i = otherwise;
        for (let a = axes.length - 1; a >= 0; a--) {
          const x = rest % sizes[axes[a]];
          rest = Math.floor(rest / sizes[axes[a]]);
          off += x * (v.strides.get(axes[a]) ?? 0);
          if (axes[a] === mark) i = first + x;
        }
        u[offsets / 4 + r] = off;
        u[index / 4 + r] = i;
      }
      return { n, offsets, index };
    };
    const rows = walk(this.einsum.axesOf(box), s.causal?.[0], 0xffffffff, s.first ?? 0),
      cols = walk(s.over, s.causal?.[1], 0, 0);
    return {
      base: this.at(s.scores.tensor) + v.base + v.scan * at,
      rows: rows.n,
      K: cols.n,
      rowS: rows.offsets,
      rowI: rows.index,
      kS: cols.offsets,
      kJ: cols.index,
    };
  }
}

/** Operands that a step writes. */
export function outputsOf(s: StepOp): readonly Operand[] {
  switch (s.op) {
    case 'table':
      return s.outs;
    case 'digits':
      return [s.low, s.high];
    case 'flatten':
    case 'unflatten':
      return [];
    default:
      return [s.out];
  }
}
/** Expressions that a step reads. */
export function exprsOf(s: StepOp): readonly Expr[] {
  switch (s.op) {
    case 'table':
      return [s.key];
    case 'div':
      return [s.num, s.den, ...(s.high ? [s.high.expr] : [])];
    case 'max':
      return [s.a, s.b];
    case 'sqrt':
      return [s.expr, ...(s.high ? [s.high.expr] : [])];
    case 'round':
    case 'limb':
    case 'digits':
      return [s.expr];
    default:
      return [];
  }
}
