/**
 * Fractions of boxes that have been reduced to one each, and their joins, by position: a few per layer, in plain
 * arithmetic.
 */
import * as E from '../field/ext3.js';
import type { Ext } from '../transcript/arith.js';
import { prefixWeight } from './eq.js';

/** A fraction. */
export interface Single {
  readonly n: Ext;
  readonly d: Ext;
}
/** The two fractions of a pair. */
export interface Quad {
  readonly n0: Ext;
  readonly n1: Ext;
  readonly d0: Ext;
  readonly d1: Ext;
}
/** What stands where no box is. */
const PAD: Single = { n: E.ZERO, d: E.ONE };
const PAD_QUAD: Quad = { n0: E.ZERO, n1: E.ZERO, d0: E.ONE, d1: E.ONE };

/** The fraction to which a box, or a part of one, adds up. */
export interface Root {
  readonly vars: number;
  readonly position: number;
  readonly value: Single;
}

const halves = (positions: Iterable<number>): Set<number> => new Set([...positions].map((p) => Math.floor(p / 2)));

/** Fractions at every height from 0 to `vars`: the roots of that height and the sums of pairs below. */
export function singlesOf(vars: number, roots: readonly Root[]): ReadonlyMap<number, Single>[] {
  const out: Map<number, Single>[] = [];
  let top = new Map<number, Single>();
  for (let h = 0; h <= vars; h++) {
    for (const r of roots) if (r.vars === h) top.set(r.position, r.value);
    out.push(top);
    const next = new Map<number, Single>();
    for (const q of halves(top.keys())) {
      const x = top.get(2 * q) ?? PAD,
        y = top.get(2 * q + 1) ?? PAD;
      next.set(q, { n: E.add(E.mul(x.n, y.d), E.mul(y.n, x.d)), d: E.mul(x.d, y.d) });
    }
    top = next;
  }
  return out;
}

/** F = n0 d1 + n1 d0 + lambda d0 d1. */
const combine = (q: Quad, lambda: Ext): Ext => E.add(E.add(E.mul(q.n0, q.d1), E.mul(q.n1, q.d0)), E.mul(lambda, E.mul(q.d0, q.d1)));

/** Pairs of singles within a layer's sumcheck; elsewhere both fractions are 0/1. */
export class SinglePairs {
  #pairs = new Map<number, Quad>();

  constructor(
    singles: ReadonlyMap<number, Single>,
    readonly lambda: Ext,
  ) {
    for (const q of halves(singles.keys())) {
      const x = singles.get(2 * q) ?? PAD,
        y = singles.get(2 * q + 1) ?? PAD;
      this.#pairs.set(q, { n0: x.n, n1: y.n, d0: x.d, d1: y.d });
    }
  }
  /** Joins groups that have been folded to one pair a member. */
  add(pairs: readonly (readonly [number, Quad])[]): void {
    for (const [position, v] of pairs) this.#pairs.set(position, v);
  }
  #at(position: number): Quad {
    return this.#pairs.get(position) ?? PAD_QUAD;
  }

  /**
   * Their part of a round's message beyond what pairs of 0/1 give; `prefix`: the point's variables before the current
   * one.
   */
  message(prefix: readonly Ext[]): [Ext, Ext] {
    let g0: Ext = E.ZERO,
      g2: Ext = E.ZERO;
    for (const q of halves(this.#pairs.keys())) {
      const x = this.#at(2 * q),
        y = this.#at(2 * q + 1),
        w = prefixWeight(prefix, q),
        d = { n0: E.sub(y.n0, x.n0), n1: E.sub(y.n1, x.n1), d0: E.sub(y.d0, x.d0), d1: E.sub(y.d1, x.d1) };
      g0 = E.add(g0, E.mul(w, E.sub(combine(x, this.lambda), this.lambda)));
      g2 = E.add(g2, E.mul(w, combine(d, this.lambda)));
    }
    return [g0, g2];
  }
  /** Binds the variable at x. */
  bind(x: Ext): void {
    const line = (u: Ext, v: Ext): Ext => E.add(u, E.mul(x, E.sub(v, u))),
      next = new Map<number, Quad>();
    for (const q of halves(this.#pairs.keys())) {
      const u = this.#at(2 * q),
        v = this.#at(2 * q + 1);
      next.set(q, { n0: line(u.n0, v.n0), n1: line(u.n1, v.n1), d0: line(u.d0, v.d0), d1: line(u.d1, v.d1) });
    }
    this.#pairs = next;
  }
  /** What is left when all variables are bound. */
  last(): Quad {
    return this.#at(0);
  }
}
