import { DOMAIN } from '../../hash/poseidon2.js';
import { REPLACEMENT } from '../../policy/order/feistel.js';
import type { PolicyShape } from '../../policy/vector.js';
import type { Elem } from '../../transcript/arith.js';
import { passKeyOf } from './key.js';
import type { Opened } from './vector.js';
import type { Wires } from './wires.js';

/*
 * Draws of a program's rows, src/policy/order on wires.
 *
 * A round adds u = F_t(x), below 2^62, to y and reduces mod m: z = y + u - q m with q free. q and Q - q, Q =
 * floor((2^62 + m) / m), lie in [0, 2^62), z in [0, m); then q m + z < 2^62 + 2 m < p and y + u < 2^62 + m < p, so the
 * equation holds of integers and (q, z) is the one pair of quotient and remainder: no freedom, and every honest pair
 * passes.
 *
 * Walks. Whichever row a slot takes, its value must be n or more; it is permuted once more. A present row must end
 * below n. So the index of a present row is the end of its walk whatever slots were used.
 */

/** A permutation's key, radices and quotient bounds. */
export interface Moduli {
  readonly key: readonly Elem[];
  readonly a: Elem;
  readonly b: Elem;
  readonly quotientA: Elem;
  readonly quotientB: Elem;
}

/** Low 62 bits of the first word of the round function's hash. */
function roundWord(w: Wires, key: readonly Elem[], t: number, x: Elem): Elem {
  const { ch } = w,
    [h] = ch.hash(DOMAIN.sampler, [...key, w.constant(t), x]),
    bits = ch.bits64(h);
  return ch.mulAdd(bits[63], w.constant(-(1n << 63n)), ch.mulAdd(bits[62], w.constant(-(1n << 62n)), h));
}

/** (y + u) mod m for y < m, u < 2^62. Free: the quotient, ranged as above. */
function reduced(w: Wires, y: Elem, u: Elem, m: Elem, bound: Elem): Elem {
  const { ch } = w,
    sum = ch.add(y, u),
    mod = w.value(m),
    q = w.word('quotient', mod === 0n ? 0n : w.value(sum) / mod),
    z = ch.sub(sum, ch.mul(q, m));
  ch.split(q, 62, 'order quotient');
  ch.split(ch.sub(bound, q), 62, 'order quotient');
  w.below(z, m, 'order remainder');
  return z;
}

/** pi of a value below a b. Free: its two digits, unique by their ranges. */
export function permuteOnce(w: Wires, m: Moduli, rounds: number, k: Elem): Elem {
  const { ch } = w,
    radix = w.value(m.b);
  let L = w.word('digits', radix === 0n ? 0n : w.value(k) / radix),
    R = w.word('digits', radix === 0n ? 0n : w.value(k) % radix);
  w.below(L, m.a, 'order digits');
  w.below(R, m.b, 'order digits');
  ch.assertEqual(ch.mulAdd(L, m.b, R), k, 'order digits');
  for (let t = 0; t < rounds; t++)
    if (t % 2) R = reduced(w, R, roundWord(w, m.key, t, L), m.b, m.quotientB);
    else L = reduced(w, L, roundWord(w, m.key, t, R), m.a, m.quotientA);
  return ch.mulAdd(L, m.b, R);
}

/** Value of one row in a permutation with walks. */
interface Walker {
  readonly m: Moduli;
  readonly size: Elem;
  value: Elem;
}

/**
 * Walk slots: each takes at most one row, whose value must be its domain's size or more, and permutes it again. Free:
 * the bits that select. The moduli of a slot that takes nobody are those of the first row, so that its ranges hold.
 */
function walk(w: Wires, slots: number, rounds: number, rows: Walker[], present: readonly Elem[]): void {
  const { ch } = w,
    // Rows of one permutation share their moduli: nothing is to be selected then.
    shared = rows.every((r) => r.m === rows[0].m && r.size === rows[0].size);
  for (let t = 0; t < slots; t++) {
    const taken = rows.findIndex((r, k) => w.value(present[k]) === 1n && w.value(r.value) >= w.value(r.size)),
      bits = rows.map((_, k) => w.word('slot', k === taken ? 1n : 0n));
    for (const b of bits) w.boolean(b, 'walk slot');
    const any = w.sum(bits);
    w.boolean(any, 'walk slot');
    const chosen = (of: (r: Walker) => Elem): Elem =>
      shared ? of(rows[0]) : rows.reduce((s, r, k) => ch.mulAdd(bits[k], of(r), s), ch.mul(w.not(any), of(rows[0])));
    const x = rows.reduce((s, r, k) => ch.mulAdd(bits[k], r.value, s), w.zero),
      m: Moduli = {
        key: [0, 1, 2, 3].map((k) => chosen((r) => r.m.key[k])),
        a: chosen((r) => r.m.a),
        b: chosen((r) => r.m.b),
        quotientA: chosen((r) => r.m.quotientA),
        quotientB: chosen((r) => r.m.quotientB),
      };
    w.u32(
      ch.mul(
        any,
        ch.sub(
          x,
          chosen((r) => r.size),
        ),
      ),
      'walk from a row',
    );
    const z = permuteOnce(w, m, rounds, x);
    rows.forEach((r, k) => {
      r.value = ch.mulAdd(bits[k], ch.sub(z, r.value), r.value);
    });
  }
  rows.forEach((r, k) => w.u32(ch.mul(present[k], ch.sub(ch.sub(r.size, w.one), r.value)), 'walk not ended'));
}

/** Stratum of a draw. */
export interface StratumInput {
  readonly index: number;
  readonly words: readonly bigint[];
  readonly path: readonly (readonly bigint[])[];
}

/** Positions, presence and rows of the dataset. */
export interface Drawn {
  readonly present: readonly Elem[];
  /** Zero for absent rows. */ readonly index: readonly Elem[];
}

/** Where a program's rows stand. */
export interface DrawPlace {
  /** Key of the epoch's mode, and of the epoch. */
  readonly key: readonly Elem[];
  readonly epochKey: readonly Elem[];
  readonly epoch: Elem;
  /** Position of the step's first row in the epoch, of the program's first row in the step. */
  readonly first: Elem;
  readonly offset: Elem;
  /** Rows of the step. */ readonly examples: Elem;
}

/**
 * Presence: row r of a program is the step's row offset + r; it is present where the step has as many: behind the
 * epoch's last row, and behind a batch that is no whole number of micro-batches, rows are absent. Free: the bit;
 * whichever it is, the difference that it selects must not be negative.
 */
function presence(w: Wires, at: DrawPlace, r: number): { p: Elem; k: Elem } {
  const { ch } = w,
    n = at.examples,
    own = ch.add(at.offset, w.constant(r)),
    p = w.word('present', w.value(own) < w.value(n) ? 1n : 0n);
  w.boolean(p, 'present');
  w.u32(ch.select(p, ch.sub(ch.sub(n, w.one), own), ch.sub(own, n)), 'present');
  return { p, k: ch.add(at.first, own) };
}

/** Rows of the dataset that a program draws. */
export function drawRows(w: Wires, shape: PolicyShape, pi: Opened, at: DrawPlace, rows: number, strata?: readonly StratumInput[]): Drawn {
  const { ch } = w,
    here = Array.from({ length: rows }, (_, r) => presence(w, at, r)),
    present = here.map((x) => x.p);
  // An absent row is taken as position 0: every range below holds of it too.
  const positions = here.map((x) => ch.mul(x.p, x.k));
  if (shape.replacement) {
    const index = positions.map((k) => reduced(w, w.zero, roundWord(w, at.epochKey, REPLACEMENT, k), pi.rows[0], pi.quotientA[0]));
    return { present, index: index.map((x, r) => ch.mul(present[r], x)) };
  }
  const m: Moduli = { key: at.epochKey, a: pi.a[0], b: pi.b[0], quotientA: pi.quotientA[0], quotientB: pi.quotientB[0] },
    outer: Walker[] = positions.map((k) => ({ m, size: pi.domain[0], value: permuteOnce(w, m, shape.rounds, k) }));
  walk(w, shape.walks, shape.rounds, outer, present);
  const index = outer.map((x, r) => ch.mul(present[r], x.value));
  return { present, index: shape.strataDepth ? stratified(w, shape, pi, at, index, present, strata) : index };
}

/** Rows of the dataset for places u of an epoch that is drawn by strata. */
function stratified(
  w: Wires,
  shape: PolicyShape,
  pi: Opened,
  at: { readonly key: readonly Elem[]; readonly epoch: Elem },
  places: readonly Elem[],
  present: readonly Elem[],
  given?: readonly StratumInput[],
): Elem[] {
  const { ch } = w;
  const found = places.map((u, r) => {
    // Free: number and words of the stratum, bound by the table's root; pass and place, unique by their ranges.
    const c = w.word('stratum', given && BigInt(given[r].index)),
      words = w.words('stratum words', 8, given?.[r].words),
      [start, perEpoch, size, offset, a, b, quotientA, quotientB] = words,
      bits = ch.split(c, shape.strataDepth, 'stratum');
    w.equal(w.climb(ch.hash(DOMAIN.strata, [c, ...words]), bits, given?.[r].path), pi.strata, 'strata table');
    const j = ch.sub(u, start);
    w.below(j, perEpoch, 'stratum');
    const q = ch.mulAdd(at.epoch, perEpoch, j),
      n = w.value(size),
      pass = w.word('pass', n === 0n ? 0n : w.value(q) / n),
      i = w.word('pass', n === 0n ? 0n : w.value(q) % n);
    ch.assertEqual(ch.mulAdd(pass, size, i), q, 'pass');
    w.u32(pass, 'pass');
    w.below(i, size, 'pass');
    const m: Moduli = { key: passKeyOf(w, pi, at.key, c, pass), a, b, quotientA, quotientB };
    return { offset, row: { m, size, value: permuteOnce(w, m, shape.innerRounds, i) } as Walker };
  });
  walk(
    w,
    shape.innerWalks,
    shape.innerRounds,
    found.map((f) => f.row),
    present,
  );
  return found.map((f, r) => ch.mul(present[r], ch.add(f.offset, f.row.value)));
}
