/** Public tensors in the verifier: their packed words split once, their extensions at a point. */
import { causalBand, eqTable } from '../poly/eq.js';
import { type Channel, type Elem, dot } from '../transcript/arith.js';
import type { Points } from './claims.js';
import type { Factor, Plan } from './plan.js';
import { type StatementElems, packing, valuesIn } from './statement.js';
import type { TensorSpec } from './types.js';

/**
 * A channel that has a cheaper way than bits to what ids select: one entry of a table for the higher half of an id's
 * bits, times one for the lower half. Ids of `size` or more have none and fail.
 */
export interface IdLookup {
  idTables(size: number, high: readonly Elem[], low: readonly Elem[]): IdTables;
  /** What the n ids packed in a word select, `bits` bits each, lowest first. */
  selectIds(word: Elem, n: number, bits: number, tables: IdTables): Elem[];
}
/** Tables of eq as their channel knows them. */
export interface IdTables {
  readonly size: number;
}

/** Values of the public tensors as handles; packed ones are split once. */
export class PublicValues {
  readonly #bits = new Map<string, Elem[][]>();
  readonly #selected = new Map<string, Elem[]>();
  readonly #masks = new Set<string>();
  constructor(
    readonly ch: Channel,
    readonly plan: Plan,
    readonly st: StatementElems,
    /** How ids are looked up that all positions have; where it is not given their bits are multiplied. */
    readonly lookup?: IdLookup,
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
      there = this.#everywhere(t);
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
  /** Whether every position has an id: another tensor takes the next ones. */
  #everywhere(t: TensorSpec): boolean {
    return this.plan.program.tensors.some((x) => x.next?.ids === t.name);
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
    if (this.lookup && this.#everywhere(t)) {
      const out = this.#lookedUp(t, point, this.lookup);
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
  /**
   * eq(point, id): eq of the point's first half at the id's higher bits, times eq of its second half at the lower ones.
   */
  #lookedUp(t: TensorSpec, point: readonly Elem[], by: IdLookup): Elem[] {
    const { ch, plan } = this,
      x = packing(plan.program, t),
      size = plan.program.axes[t.axes[0]],
      log = Math.floor(point.length / 2),
      high = eqTable(ch, point.slice(0, point.length - log), Math.ceil(size / 2 ** log)),
      low = eqTable(ch, point.slice(point.length - log)),
      tables = by.idTables(size, high, low);
    return this.st.publics.get(t.name)!.flatMap((w, k) => by.selectIds(w, valuesIn(x, k), x.bits, tables));
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
    values = t.publicKind === 'onehot' ? publics.selected(t, slotName(f.slots[0]), point[0]) : publics.dense(t);
  return sums(ch, values, point.slice(first), sizes.slice(first))[0];
}

/** Variables of an axis that are summed at once: a table of eq has so many entries at most. */
const AT_ONCE = 6;

/**
 * Extension of row-major values at a point, axis by axis from the last one, of a long axis by its lowest variables
 * first: a product for each value, and tables of eq that are short.
 */
function sums(ch: Channel, values: readonly Elem[], point: readonly (readonly Elem[])[], sizes: readonly number[]): readonly Elem[] {
  const zero = ch.constant(0n);
  const dotOf = (part: readonly Elem[], table: readonly Elem[]): Elem => dot(ch, table.slice(0, part.length), part, zero);
  let now = values;
  for (let d = sizes.length - 1; d >= 0; d--) {
    let left = point[d],
      size = sizes[d];
    do {
      const table = eqTable(ch, left.slice(-AT_ONCE), Math.min(size, 2 ** AT_ONCE)),
        next: Elem[] = [];
      for (let row = 0; row < now.length; row += size)
        for (let at = row; at < row + size; at += table.length)
          next.push(dotOf(now.slice(at, Math.min(row + size, at + table.length)), table));
      now = next;
      left = left.slice(0, -AT_ONCE);
      size = Math.ceil(size / 2 ** AT_ONCE);
    } while (left.length);
  }
  return now;
}

const slotName = (s: Factor['slots'][number]): string => (s.kind === 'rho' ? `${s.from}-${s.to}` : s.kind === 'axis' ? s.axis : '');
