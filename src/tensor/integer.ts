import { cpuDeviceOf } from '../device/current.js';
import type { Device, Vec } from '../device/device.js';
import { WrongDeviceError } from '../device/errors.js';
import type { Kernels } from '../kernels/runtime.js';
import { IntegerSteps } from './integer-steps.js';
import { outputsOf } from './reading.js';
import { tableColumns } from './tables.js';
import type { Constraint, Expr, Program, TensorSpec } from './types.js';

export { OverflowError, forRuns } from './integer-steps.js';

/** Inputs by tensor name: integers for dense tensors, ids per position (-1: none) for one-hot ones. */
export type Inputs = ReadonlyMap<string, BigInt64Array | Int32Array>;

/** The trainer: every tensor as signed integers in kernel memory, computed step by step as the program says. */
export class IntegerReading {
  readonly ptr = new Map<string, number>();
  readonly ids = new Map<string, Int32Array>();
  readonly tensors: ReadonlyMap<string, TensorSpec>;
  readonly #given: ReadonlyMap<string, BigInt64Array>;
  readonly #steps: IntegerSteps;
  /** Whether the tensors that steps write have been written before. */
  #written = false;

  constructor(
    readonly k: Kernels,
    readonly program: Program,
    inputs: Inputs,
  ) {
    this.tensors = new Map(program.tensors.map((t) => [t.name, t]));
    const given = new Map<string, BigInt64Array>();
    for (const t of program.tables) tableColumns(t).forEach((c, i) => given.set(t.columns[i], c));
    this.#given = given;
    for (const t of program.tensors) {
      const v = inputs.get(t.name);
      if (t.publicKind === 'onehot') {
        if (!(v instanceof Int32Array)) throw new Error(`input ${t.name} missing`);
        this.ids.set(t.name, v);
        continue;
      }
      if (v instanceof BigInt64Array) given.set(t.name, v);
      this.ptr.set(t.name, k.alloc(8 * Math.max(1, this.cells(t))));
      this.#fill(t);
    }
    const d = cpuDeviceOf(k),
      own = new Map<string, Vec>();
    for (const [name, ptr] of this.ptr) own.set(name, d.bring(ptr, this.cells(this.tensors.get(name)!)));
    this.#steps = new IntegerSteps(d, program, this.tensors, this.ids, (name) => own.get(name)!);
  }

  /** A tensor as it is before any step. */
  #fill(t: TensorSpec): void {
    const { k } = this,
      n = this.cells(t),
      p = this.ptr.get(t.name)!,
      v = this.#given.get(t.name);
    if (v) {
      if (v.length !== n) throw new Error(`input ${t.name} has ${v.length} cells, expected ${n}`);
      k.i64.set(v, p / 8);
    } else cpuDeviceOf(k).run('zero', n, { to: cpuDeviceOf(k).bring(p, n) });
    if (t.publicKind === 'causal') {
      const m = this.size(t.axes[1]),
        { first = 0 } = t;
      for (let i = 0; i < this.size(t.axes[0]); i++) for (let j = 0; j <= first + i; j++) k.i64[p / 8 + i * m + j] = 1n;
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

  /** Tensors that steps write. */
  #outputs(): TensorSpec[] {
    const { steps, tensors } = this.program,
      names = new Set(steps.flatMap((s) => outputsOf(s).map((o) => o.tensor)));
    for (const s of steps) {
      if (s.op !== 'flatten' && s.op !== 'unflatten') continue;
      for (const t of tensors)
        if (s.op === 'flatten' ? t.aliasOf === s.group : t.group === s.group && t.aliasOf === undefined) names.add(t.name);
    }
    return tensors.filter((t) => names.has(t.name));
  }

  /**
   * Runs all steps, on the CPU or on a device of which the tensors are then read back. Run again it begins with the
   * inputs. Throws OverflowError where a value leaves its format. What a device has computed is not checked but for
   * formats: the proof of the step holds for the right values alone.
   */
  run(progress?: (done: number, of: number) => void, d: Device = this.#steps.d): void {
    if (this.#written) for (const t of this.#outputs()) this.#fill(t);
    this.#written = true;
    if (!d.waits) {
      this.#steps.run(progress);
      return;
    }
    d.scope(() => this.#runOn(d, progress));
    const wrong = this.#outside();
    if (wrong === undefined) return;
    // What the CPU says of it, which goes on from the inputs.
    this.run(progress);
    throw new WrongDeviceError(d.name, `${wrong} leaves its format, which is not so on the CPU`);
  }
  #runOn(d: Device, progress?: (done: number, of: number) => void): void {
    const on = new Map<string, Vec>(),
      outputs = this.#outputs(),
      isOutput = new Set(outputs.map((t) => t.name));
    // Everything that begins with zeros is zeroed in as few launches as its vectors allow.
    let group: TensorSpec[] = [],
      words = 0;
    const zeroed = (): void => {
      const all = d.zeroed(words);
      let at = 0;
      for (const t of group) {
        on.set(t.name, d.slice(all, at, this.cells(t)));
        at += this.cells(t);
      }
      group = [];
      words = 0;
    };
    for (const t of this.program.tensors) {
      if (!this.ptr.has(t.name)) continue;
      const n = this.cells(t);
      if (!isOutput.has(t.name) || this.#given.has(t.name)) on.set(t.name, d.bring(this.ptr.get(t.name)!, n));
      else {
        if (words + n > d.longest) zeroed();
        group.push(t);
        words += n;
      }
    }
    zeroed();
    new IntegerSteps(d, this.program, this.tensors, this.ids, (name) => on.get(name)!).run(progress);
    d.getEach(outputs.map((t) => on.get(t.name)!)).forEach((cells, i) => this.k.u64.set(cells, this.ptr.get(outputs[i].name)! / 8));
  }
  /** A tensor of which a cell is out of its bounds. */
  #outside(): string | undefined {
    const { d } = this.#steps,
      bad = d.zeroed(2);
    return this.#outputs().find((t) => {
      const n = this.cells(t),
        v = d.bring(this.ptr.get(t.name)!, n);
      // Each cell to where it is.
      d.run('scatter', n, { from: v, sizes: [n], place: { to: v, at: 0, strides: [1], lo: t.lo, hi: t.hi, bad } });
      return d.get(bad)[0] !== 0n;
    })?.name;
  }

  /** Dense box over `axes` (scan axis dropped when fixed) of an expression; allocated. */
  eval(axes: readonly string[], e: Expr, l?: number): { ptr: number; n: number; axes: string[] } {
    const box = axes.filter((a) => l === undefined || a !== this.program.scan),
      n = box.reduce((m, a) => m * this.size(a), 1),
      ptr = this.k.alloc(8 * n);
    this.#steps.cells(axes, e, l, this.#steps.d.bring(ptr, n));
    return { ptr, n, axes: box };
  }

  /** Keys of a range or lookup constraint as u32 row indices; throws where a value is outside. */
  keys(c: Exclude<Constraint, { kind: 'zero' }>): { ptr: number; n: number } {
    const n = c.axes.reduce((m, a) => m * this.size(a), 1),
      words = Math.ceil(n / 2),
      ptr = this.k.alloc(8 * words);
    this.#steps.keys([{ of: c, to: this.#steps.d.bring(ptr, words) }]);
    return { ptr, n };
  }

  /**
   * Keys of constraints on a device that others wait for: one that has no row is 2^32 - 1. The tensors that they are
   * made of go there and are forgotten.
   */
  keysOn(d: Device, list: readonly { readonly of: Exclude<Constraint, { kind: 'zero' }>; readonly to: Vec }[]): void {
    const on = new Map<string, Vec>();
    d.scope(() => {
      for (const { of: c } of list)
        for (const { operands } of (c.kind === 'range' ? c.expr : c.exprs[0]).terms)
          for (const { tensor } of operands) {
            const ptr = this.ptr.get(tensor);
            if (ptr !== undefined && !on.has(tensor)) on.set(tensor, d.bring(ptr, this.cells(this.tensors.get(tensor)!)));
          }
      new IntegerSteps(d, this.program, this.tensors, this.ids, (name) => on.get(name)!).keys(list);
    });
  }

  /** First violated zero constraint, if any: for tests and debugging. */
  violated(): string | undefined {
    for (const c of this.program.constraints) {
      if (c.kind !== 'zero') continue;
      const at = this.k.scope(() => this.#steps.d.get(this.#steps.cells(c.axes, c.expr).v).findIndex((x) => x !== 0n));
      if (at >= 0) return `${c.name} at ${JSON.stringify(this.#steps.cellOf(c.axes, at))}`;
    }
    return undefined;
  }
}
