/** Public tensors in the verifier: their packed words split once, their extensions at a point. */
import { causalBand, eqTable } from '../poly/eq.js';
import type { Channel, Elem } from '../transcript/arith.js';
import type { Points } from './claims.js';
import type { Factor, Plan } from './plan.js';
import { type StatementElems, packing, valuesIn } from './statement.js';
import type { TensorSpec } from './types.js';

/** Values of the public tensors as handles; packed ones are split once. */
export class PublicValues {
  readonly #bits = new Map<string, Elem[][]>();
  readonly #selected = new Map<string, Elem[]>();
  readonly #masks = new Set<string>();
  constructor(
    readonly ch: Channel,
    readonly plan: Plan,
    readonly st: StatementElems,
  ) {}
  /** Bits of every value, least significant first. */
  bits(t: TensorSpec): Elem[][] {
    let out = this.#bits.get(t.name);
    if (!out) {
      const x = packing(this.plan.program, t),
        { bits } = x;
      out = this.st.publics.get(t.name)!.flatMap((w, k) => {
        const n = valuesIn(x, k),
          all = this.ch.split(w, n * bits);
        return Array.from({ length: n }, (_, i) => all.slice(i * bits, (i + 1) * bits));
      });
      this.#bits.set(t.name, out);
      if (t.publicKind === 'onehot') this.#checkIds(t, out);
    }
    return out;
  }
  /**
   * Every id is one of the tensor's v rows, or none: an id of v or more would select nothing and pass for none. `above`
   * compares the id with v - 1, lowest bit first: where v - 1 has a one, the id must have it too and be above in the
   * lower bits; where it has a zero, a one is enough. Tokens whose next ones are targets are all there.
   */
  #checkIds(t: TensorSpec, ids: readonly (readonly Elem[])[]): void {
    const ch = this.ch,
      one = ch.constant(1n),
      zero = ch.constant(0n),
      last = this.plan.program.axes[t.axes[0]] - 1,
      there = this.plan.program.tensors.some((x) => x.next?.ids === t.name);
    for (const bits of ids) {
      let above: Elem | undefined;
      bits.slice(0, -1).forEach((b, v) => {
        if (Math.floor(last / 2 ** v) % 2) above = above && ch.mul(b, above);
        else above = above ? ch.mulAdd(b, ch.sub(one, above), above) : b;
      });
      if (above) ch.assertEqual(above, zero, 'id outside the vocabulary');
      if (there) ch.assertEqual(bits[bits.length - 1], zero, 'id outside the vocabulary');
    }
  }
  /** Bits of a mask of next ids: none at the last position of a row, which has no next one. */
  #nextMask(t: TensorSpec): Elem[] {
    const mask = this.plan.program.tensors.find((x) => x.name === t.next!.mask)!,
      { width } = packing(this.plan.program, mask),
      bits = this.bits(mask).map(([b]) => b);
    if (!this.#masks.has(mask.name))
      for (let k = width - 1; k < bits.length; k += width)
        this.ch.assertEqual(bits[k], this.ch.constant(0n), 'mask behind the last target');
    this.#masks.add(mask.name);
    return bits;
  }
  /** The same as `selected` for a tensor of next ids. */
  #next(t: TensorSpec, slot: string, point: readonly Elem[]): Elem[] {
    const { program } = this.plan,
      ids = program.tensors.find((x) => x.name === t.next!.ids)!,
      { width } = packing(program, ids),
      zero = this.ch.constant(0n),
      here = this.selected(ids, slot, point);
    return this.#nextMask(t).map((m, k) => ((k + 1) % width ? this.ch.mul(m, here[k + 1]) : zero));
  }
  /**
   * eq(point, id) for every position of a one-hot tensor, a product over the id's bits; zero where its highest bit is
   * set.
   */
  selected(t: TensorSpec, slot: string, point: readonly Elem[]): Elem[] {
    const key = `${t.name}@${slot}`,
      ch = this.ch,
      hit = this.#selected.get(key);
    if (hit) return hit;
    if (t.next) {
      const out = this.#next(t, slot, point);
      this.#selected.set(key, out);
      return out;
    }
    const z = [...point].reverse(),
      one = ch.constant(1n),
      not = z.map((x) => ch.sub(one, x));
    const out = this.bits(t).map((bits) =>
      z.reduce((e, x, v) => ch.mul(e, ch.select(bits[v], x, not[v])), ch.select(bits[z.length], ch.constant(0n), one)),
    );
    this.#selected.set(key, out);
    return out;
  }
  dense(t: TensorSpec): readonly Elem[] {
    return packing(this.plan.program, t).bits ? this.bits(t).map(([b]) => b) : this.st.publics.get(t.name)!;
  }
}

/**
 * Extension of a public operand: closed form for the causal mask, linear in positions for one-hot, in cells for dense
 * ones.
 */
export function evalPublic(ch: Channel, plan: Plan, f: Factor, publics: PublicValues, points: Points): Elem {
  const t = f.tensor,
    sizes = t.axes.map((x) => plan.program.axes[x]);
  const point = f.slots.map((s) => {
    if (s.kind === 'index' || s.stride !== 1 || s.offset !== 0) throw new Error(`public tensor ${t.name} must be accessed whole`);
    return s.kind === 'rho' ? points.rho.slice(s.from, s.to) : points.axes.get(s.axis)!;
  });
  if (t.publicKind === 'causal') return causalBand(ch, point[0], point[1], sizes[0], t.first ?? 0);
  const first = t.publicKind === 'onehot' ? 1 : 0,
    zero = ch.constant(0n);
  let eq: Elem[] = [ch.constant(1n)];
  for (let d = first; d < sizes.length; d++) {
    const table = eqTable(ch, point[d], sizes[d]);
    eq = eq.flatMap((x) => table.map((y) => ch.mul(x, y)));
  }
  if (t.publicKind !== 'onehot') return publics.dense(t).reduce((sum, x, k) => ch.mulAdd(eq[k], x, sum), zero);
  return publics.selected(t, slotName(f.slots[0]), point[0]).reduce((sum, e, k) => ch.mulAdd(eq[k], e, sum), zero);
}

const slotName = (s: Factor['slots'][number]): string => (s.kind === 'rho' ? `${s.from}-${s.to}` : s.kind === 'axis' ? s.axis : '');
