/** Queries of an opening, the verifier's side: positions, rows under a cap, and what they fold to. */
import { pow, root as rootOfUnity } from '../field/goldilocks.js';
import { eqTable } from '../poly/eq.js';
import { type Channel, type Digest, type Elem, dot } from '../transcript/arith.js';
import { type WhirTree, usedColumns } from './params.js';

/**
 * An oracle that is queried: its shape, its trees with their roots, and the challenges that its columns are folded at.
 */
export interface Opened {
  readonly queries: number;
  readonly domain: number;
  readonly cap: number;
  readonly trees: readonly WhirTree[];
  readonly roots: readonly Digest[];
  readonly challenges: readonly Elem[];
  /** Words of an entry: base elements or elements of E. */
  readonly words: 1 | 3;
  /** Where leaves end with an element g of E: a row folds to g plus this much of its columns' sum. */
  readonly blend?: Elem;
}

/**
 * A queried position as a point of the domain, and the value to which its row folds: a claim sum_i x^i f(i) = value.
 */
export interface Answer {
  readonly x: Elem;
  readonly value: Elem;
}

/** Draws positions, reads their rows and checks them against the trees. */
export function queryRows(ch: Channel, label: string, o: Opened): Answer[] {
  const positions = Array.from({ length: o.queries }, () => ch.sampleBits(`${label} query`, o.domain)),
    eq = eqTable(ch, o.challenges),
    one = ch.constant(1n),
    caps = o.roots.map((root, t) => ch.merkleCap(`${label} cap`, root, o.cap, o.trees[t].salted)),
    zero = ch.constant(0n);
  return positions.map((bits) => {
    const weights: Elem[] = [],
      entries: Elem[] = [];
    caps.forEach((cap, t) => {
      const words = o.words * usedColumns(o.trees[t]),
        leaf = ch.merkleOpen(`${label} row`, cap, bits, words + (o.blend === undefined ? 0 : 3));
      let at = 0;
      for (const { used, offset } of o.trees[t].parts)
        for (let j = 0; j < used; j++) {
          weights.push(eq[offset + j]);
          entries.push(o.words === 3 ? compose(ch, leaf, at) : leaf[at]);
          at += o.words;
        }
      if (o.blend !== undefined) {
        const sum = dot(ch, weights.splice(0), entries.splice(0), zero);
        weights.push(o.blend, one);
        entries.push(sum, compose(ch, leaf, at));
      }
    });
    return { x: domainPoint(ch, bits), value: dot(ch, weights, entries, zero) };
  });
}

/** c0 + c1 x + c2 x^2 from three base elements. */
export function compose(ch: Channel, leaf: readonly Elem[], at: number): Elem {
  return ch.compose(leaf[at], leaf[at + 1], leaf[at + 2]);
}

const steps = new Map<number, readonly bigint[]>();

/** g^(2^(log - 1 - k)) - 1 for k < log, with g of order 2^log. */
function domainSteps(log: number): readonly bigint[] {
  let known = steps.get(log);
  if (!known) {
    const g = rootOfUnity(log);
    known = Array.from({ length: log }, (_, k) => pow(g, 1n << BigInt(log - 1 - k)) - 1n);
    steps.set(log, known);
  }
  return known;
}

/** g^rev(j) from the bits of j, least significant first: bit k selects the factor g^(2^(log - 1 - k)). */
function domainPoint(ch: Channel, bits: readonly Elem[]): Elem {
  const f = domainSteps(bits.length),
    one = ch.constant(1n);
  let x = one;
  bits.forEach((b, k) => {
    x = ch.mul(x, ch.mulAdd(b, ch.constant(f[k]), one));
  });
  return x;
}
