/**
 * Slices of tensors, and the facts that a program states about them. Layers follow one another inside one tensor, so
 * that "given what was computed before" is a statement about slices: a tensor is cut along every axis that some
 * constraint enters at an index, an offset or a stride, and along the axes that run there.
 */
import { type Component, DataError, type Operand, type Program, type Tensor, isComputed, isWhole, membersOf } from './data.js';

/** Values of the axes along which a constraint is cut. */
export type Place = ReadonlyMap<string, number>;

/**
 * What one component of a constraint says at a place: constant + terms lies in [lo, hi]; `key`: it is the entry of the
 * table's column in the row of that key.
 */
export interface Fact {
  readonly component: Component;
  readonly place: Place;
  readonly key?: Component;
  /** Slices of chosen tensors that occur. */
  readonly nodes: ReadonlySet<string>;
}

/** No axis along which layers or blocks follow one another is longer. */
const LONGEST = 256;

export class Slices {
  readonly #cut: ReadonlySet<string>;
  readonly facts: readonly Fact[];
  /** Facts by the slices that occur in them. */
  readonly uses: ReadonlyMap<string, readonly Fact[]>;
  readonly tensorOf: ReadonlyMap<string, Tensor>;
  /** Slices of an alias and of its members: the same cells, cut or not. */
  readonly shared: readonly { alias: string[]; members: string[] }[];

  constructor(readonly program: Program) {
    this.#cut = cutAxes(program);
    const facts: Fact[] = [],
      uses = new Map<string, Fact[]>(),
      tensorOf = new Map<string, Tensor>();
    for (const t of program.tensors.values()) if (isComputed(t)) for (const n of this.nodesOf(t)) tensorOf.set(n, t);
    for (const constraint of program.constraints)
      for (const place of this.#places(constraint.axes, constraint.components))
        for (const component of constraint.components) {
          const key = component.index > 0 ? constraint.components[0] : undefined,
            nodes = new Set([component, ...(key ? [key] : [])].flatMap((c) => this.#nodesOfComponent(c, place)));
          facts.push({ component, place, nodes, ...(key ? { key } : {}) });
        }
    for (const n of tensorOf.keys()) uses.set(n, []);
    for (const f of facts) for (const n of f.nodes) uses.get(n)!.push(f);
    this.facts = facts;
    this.uses = uses;
    this.tensorOf = tensorOf;
    this.shared = this.#shared();
  }

  /** All slices of a tensor. */
  nodesOf(t: Tensor): string[] {
    return this.#expand(t, (k) => Array.from({ length: this.program.axes.get(t.axes[k])! }, (_, i) => i));
  }

  /** Slices that an operand touches at a place: several where it runs along a cut axis. */
  touched(o: Operand, place: Place): string[] {
    return this.#expand(o.tensor, (k) => {
      const a = o.access[k];
      if (a.axis === undefined) return [a.offset];
      const v = place.get(a.axis);
      if (v !== undefined) return [a.offset + a.stride * v];
      return Array.from({ length: this.program.axes.get(a.axis)! }, (_, i) => a.offset + a.stride * i);
    });
  }

  #expand(t: Tensor, indices: (k: number) => number[]): string[] {
    let out = [''];
    for (const [k, axis] of t.axes.entries()) if (this.#cut.has(axis)) out = out.flatMap((p) => indices(k).map((i) => `${p}#${i}`));
    return out.map((p) => t.name + p);
  }

  /**
   * The operand's cell at a place, as text: equal texts are equal cells wherever the remaining axes have the same
   * values.
   */
  keyOf(o: Operand, place: Place): string {
    const parts = o.access.map((a) => {
      if (a.axis === undefined) return String(a.offset);
      const v = place.get(a.axis);
      return v === undefined ? `${a.stride}*${a.axis}+${a.offset}` : String(a.offset + a.stride * v);
    });
    return `${o.tensor.name}[${parts.join()}]`;
  }

  /** Whether the operand runs through all cells of its slice as the constraint's box runs. */
  covers(o: Operand, axes: readonly string[]): boolean {
    return o.access.every(
      (a, k) =>
        (a.axis === undefined || axes.includes(a.axis)) && (this.#cut.has(o.tensor.axes[k]) || isWhole(this.program, o.tensor, a, k)),
    );
  }

  #nodesOfComponent(c: Component, place: Place): string[] {
    return c.terms.flatMap((t) => t.operands.flatMap((o) => (isComputed(o.tensor) ? this.touched(o, place) : [])));
  }

  /** The places of a constraint: all values of those of its axes that meet a cut axis of a tensor. */
  #places(axes: readonly string[], components: readonly Component[]): Place[] {
    const met = new Set<string>();
    for (const c of components)
      for (const t of c.terms)
        for (const o of t.operands)
          for (const [k, a] of o.access.entries()) if (a.axis !== undefined && this.#cut.has(o.tensor.axes[k])) met.add(a.axis);
    let out: Map<string, number>[] = [new Map()];
    for (const a of axes)
      if (met.has(a)) out = out.flatMap((m) => Array.from({ length: this.program.axes.get(a)! }, (_, i) => new Map(m).set(a, i)));
    return out;
  }

  #shared(): { alias: string[]; members: string[] }[] {
    const out: { alias: string[]; members: string[] }[] = [];
    for (const t of this.program.tensors.values()) {
      const members = membersOf(t, this.program.tensors);
      if (isComputed(t) && members.length) out.push({ alias: this.nodesOf(t), members: members.flatMap((m) => this.nodesOf(m)) });
    }
    return out;
  }
}

/** Axes of chosen tensors that are entered otherwise than as a whole, and axes that run there or run where those do. */
function cutAxes(p: Program): Set<string> {
  const cut = new Set<string>(),
    pairs: (readonly [string, string])[] = [];
  for (const c of p.constraints)
    for (const { terms } of c.components)
      for (const { operands } of terms)
        for (const o of operands)
          for (const [k, a] of o.access.entries()) {
            if (!isComputed(o.tensor)) continue;
            if (a.axis !== undefined) pairs.push([o.tensor.axes[k], a.axis]);
            if (!isWhole(p, o.tensor, a, k)) cut.add(o.tensor.axes[k]);
          }
  for (let size = -1; size !== cut.size; ) {
    size = cut.size;
    for (const [a, b] of pairs) if (cut.has(a) || cut.has(b)) cut.add(a).add(b);
  }
  for (const a of cut) if (p.axes.get(a)! > LONGEST) throw new DataError(a, `is entered by index and has ${p.axes.get(a)} entries`);
  return cut;
}
