/** Public tensors in the verifier: their packed words split once, their extensions at a point. */
import { causal, eqTable } from '../poly/eq.js';
import type { Channel, Elem } from '../transcript/arith.js';
import type { Points } from './claims.js';
import type { Factor, Plan } from './plan.js';
import { type StatementElems, packing } from './statement.js';
import type { TensorSpec } from './types.js';

/** Values of the public tensors as handles; packed ones are split once. */
export class PublicValues {
  readonly #bits = new Map<string, Elem[][]>();
  readonly #selected = new Map<string, Elem[]>();
  constructor(
    readonly ch: Channel,
    readonly plan: Plan,
    readonly st: StatementElems,
  ) {}
  /** Bits of every value, least significant first. */
  bits(t: TensorSpec): Elem[][] {
    let out = this.#bits.get(t.name);
    if (!out) {
      const { cells, bits, perWord } = packing(this.plan.program, t);
      out = this.st.publics.get(t.name)!.flatMap((w, k) => {
        const n = Math.min(perWord, cells - k * perWord),
          all = this.ch.split(w, n * bits);
        return Array.from({ length: n }, (_, i) => all.slice(i * bits, (i + 1) * bits));
      });
      this.#bits.set(t.name, out);
    }
    return out;
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
  if (t.publicKind === 'causal') return causal(ch, point[0], point[1], sizes[0]);
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
