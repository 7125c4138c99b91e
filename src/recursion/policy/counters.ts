import { DOMAIN } from '../../hash/poseidon2.js';
import type { PolicyShape } from '../../policy/vector.js';
import type { Elem } from '../../transcript/arith.js';
import type { Opened } from './vector.js';
import type { Wires } from './wires.js';

/** Counters as a node enters with them, and what blinds them. */
export interface CountersInput {
  readonly words: readonly bigint[];
  readonly blind: readonly bigint[];
}

/**
 * Limits of all bins: least examples, least targets, most examples, most targets. Free words, bound by the policy
 * vector.
 */
export function openQuotas(w: Wires, shape: PolicyShape, pi: Opened, quotas?: readonly bigint[]): Elem[] {
  const words = w.words('quotas', 4 * shape.bins, quotas);
  w.equal(words.length ? w.ch.hash(DOMAIN.quotas, words) : [w.zero, w.zero, w.zero, w.zero], pi.quotas, 'quotas');
  return words;
}

/** Digest of counters under a blind. */
export const countersOf = (w: Wires, counters: readonly Elem[], blind: readonly Elem[]): Elem[] =>
  w.ch.hash(DOMAIN.counters, [...counters, ...blind]);

/**
 * Counters that a node enters with: examples and targets of every bin, targets of the epoch, loss of the epoch. Free
 * words, bound by the digest that the node before left. Nothing here says that they are not negative: the chain back to
 * the zeros of an epoch's start does.
 */
export function enterCounters(w: Wires, shape: PolicyShape, given?: CountersInput): { counters: Elem[]; digest: Elem[] } {
  const counters = w.words('counters', 2 * shape.bins + 2, given?.words),
    blind = w.words('counters blind', 4, given?.blind);
  return { counters, digest: countersOf(w, counters, blind) };
}

/** Adds a row. */
export function countRow(w: Wires, counters: Elem[], bins: readonly Elem[], targets: Elem): void {
  bins.forEach((b, j) => {
    counters[2 * j] = w.ch.add(counters[2 * j], b);
    counters[2 * j + 1] = w.ch.mulAdd(b, targets, counters[2 * j + 1]);
  });
  const all = 2 * bins.length;
  counters[all] = w.ch.add(counters[all], targets);
}

/** Maxima hold after every step, minima where an epoch ends (wrap is a bit). */
export function checkLimits(w: Wires, quotas: readonly Elem[], counters: readonly Elem[], wrap: Elem): void {
  const { ch } = w;
  for (let j = 0; j < quotas.length / 4; j++)
    for (const x of [0, 1]) {
      const c = counters[2 * j + x];
      w.u32(ch.sub(quotas[4 * j + 2 + x], c), 'quota maximum');
      w.u32(ch.mul(wrap, ch.sub(c, quotas[4 * j + x])), 'quota minimum');
    }
}

/** Bits of what is published: wires that are zero or one. */
export interface ShownElems {
  /** Of every step. */ readonly stepLosses: Elem;
  readonly stepTargets: Elem;
  /** Of every step, or of epochs alone. */ readonly losses: Elem;
  readonly targets: Elem;
  /** Totals of bins in every epoch. */ readonly totals: Elem;
}

/** What is published, from the policy vector's word: two bits for losses and targets, none 0, epochs 1, steps 2. */
export function openShow(w: Wires, pi: Opened): ShownElems {
  const { ch } = w,
    [epochLosses, stepLosses, epochTargets, stepTargets, totals, none] = ch.split(pi.show[0], 6, 'show');
  for (const [lo, hi] of [
    [epochLosses, stepLosses],
    [epochTargets, stepTargets],
  ])
    ch.assertEqual(ch.mul(lo, hi), w.zero, 'show');
  ch.assertEqual(none, w.zero, 'show');
  return { stepLosses, stepTargets, losses: ch.add(epochLosses, stepLosses), targets: ch.add(epochTargets, stepTargets), totals };
}

/**
 * End of a step: at an epoch's end the chain of epochs takes up its totals, and counters start from zero. What is not
 * shown is zero in the link: no digest of it is published that could be compared with a guess.
 */
export function endStep(
  w: Wires,
  show: ShownElems,
  state: { readonly counters: readonly Elem[]; readonly epochs: readonly Elem[] },
  epoch: Elem,
  wrap: Elem,
): { counters: Elem[]; epochs: Elem[] } {
  const { ch } = w,
    bins = state.counters.slice(0, -2),
    [targets, loss] = state.counters.slice(-2),
    told = [ch.mul(show.targets, targets), ch.mul(show.losses, loss), ...bins.map((b) => ch.mul(show.totals, b))],
    link = ch.hash(DOMAIN.statement, [...state.epochs, epoch, ...told]),
    keep = w.not(wrap);
  return {
    counters: state.counters.map((c) => ch.mul(keep, c)),
    epochs: state.epochs.map((c, k) => ch.select(wrap, link[k], c)),
  };
}

/**
 * Digest that a node leaves. Free: its blind; after an epoch's end it is taken as zero, so that the digest is a
 * constant.
 */
export function leaveCounters(w: Wires, counters: readonly Elem[], wrapped: Elem, blind?: readonly bigint[]): Elem[] {
  const keep = w.not(wrapped);
  return countersOf(
    w,
    counters,
    w.words('counters blind out', 4, blind).map((b) => w.ch.mul(keep, b)),
  );
}
