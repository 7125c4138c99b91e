import type { Cell, PadCounts } from '../transcript/pad-cells.js';
import { type PlanParts, tableFactors } from './plan.js';

/**
 * Which elements of a message say something of the witness: all of the lookup argument and of the sumchecks, and the
 * values of its own tensors. Values of frozen tensors are functions of public columns and of challenges.
 */
export function hiddenMessages(plan: PlanParts): (label: string, index: number) => boolean {
  const witness = plan.factors.filter((f) => f.tensor.cls !== 'public').map((f) => f.tensor.cls === 'witness'),
    tables = plan.tables.map((_, i) => tableFactors(plan, i).map(({ factor }) => factor.tensor.cls === 'witness'));
  return (label, index) => {
    if (label.startsWith('logup ') || label === 'sumcheck round') return true;
    if (label === 'operand values') return witness[index];
    const table = /^table (\d+) claims$/.exec(label);
    return table !== null && tables[Number(table[1])][index];
  };
}

/** The value of a cell of the block of pads, and the pads of which it is the product. */
interface Atom {
  readonly cell: Cell;
  readonly pads: readonly number[];
}
const padOf = (index: number): Atom => ({ cell: { kind: 'pad', index }, pads: [index] });

/** Products of atoms in the order in which they are met; one of the same pads is met once. */
class Products {
  readonly list: [Cell, Cell][] = [];
  readonly #known = new Map<string, Atom>();

  #of(x: Atom, y: Atom): Atom {
    const pads = [...x.pads, ...y.pads].sort((a, b) => a - b),
      name = pads.join();
    let atom = this.#known.get(name);
    if (!atom) {
      atom = { cell: { kind: 'product', index: this.list.push([x.cell, y.cell]) - 1 }, pads };
      this.#known.set(name, atom);
    }
    return atom;
  }
  /**
   * Multiplies hidden elements, each a known value and a pad, from the first to the last: what is left after each is a
   * linear form in atoms, those of the factor before, the pad, and their products.
   */
  multiply(pads: readonly number[]): void {
    let form: readonly Atom[] = [];
    for (const pad of pads.map(padOf)) {
      const all = [...form, pad, ...form.map((x) => this.#of(x, pad))];
      form = all.filter((x, i) => all.findIndex((y) => y.pads.join() === x.pads.join()) === i);
    }
  }
}

/** What the messages before the openings come to. */
export interface ReductionCounts extends PadCounts {
  /** Words of the messages. */ readonly words: number;
}

/**
 * Pads and products of a proof that hides its witness, and the words of its messages up to its openings, counted from
 * the plan: those that a run of reduceStatement over an AffineChannel meets, which refuses any others.
 */
export function reductionCounts(plan: PlanParts): ReductionCounts {
  const hidden = hiddenMessages(plan),
    products = new Products();
  let pads = 0,
    // The witness's root.
    words = 4;
  /** Pads of the hidden elements of a message. */
  const message = (label: string, n: number): (number | undefined)[] => {
    words += 3 * n;
    return Array.from({ length: n }, (_, i) => (hidden(label, i) ? pads++ : undefined));
  };
  const [root] = message('logup root', 1) as [number],
    // Its inverse is sent.
    [inverse] = message('logup inverse', 1) as [number];
  products.multiply([root, inverse]);
  for (let layer = 0; layer < plan.logup.vars; layer++) {
    message(`logup ${layer} round`, 2 * layer);
    const [n0, n1, e0, e1] = message(`logup ${layer} values`, 4) as [number, number, number, number];
    for (const pair of [
      [e0, e1],
      [n1, e0],
      [n0, e1],
    ])
      products.multiply(pair);
  }
  plan.tables.forEach((_, i) => {
    message(`table ${i} claims`, tableFactors(plan, i).length);
  });
  message(
    'sumcheck round',
    plan.axes.reduce((n, a) => n + a.degree * a.vars, 0),
  );
  const sent = message('operand values', plan.factors.filter((f) => f.tensor.cls !== 'public').length);
  let next = 0;
  const values = plan.factors.map((f) => (f.tensor.cls === 'public' ? undefined : sent[next++]));
  for (const t of plan.terms) {
    const under = t.factors.flatMap((f) => values[f] ?? []);
    if (under.length > 1) products.multiply(under);
  }
  return { pads, products: products.list, words };
}
