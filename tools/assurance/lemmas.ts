/**
 * Lemmas of docs/soundness.md, sections 1 and 2, with symbolic widths. Each has a blunted twin, loosened by one, that must be satisfiable: a lemma
 * that held for want of a model would otherwise pass.
 */
import { P, assertion, integers } from './smt.js';

export interface Lemma {
  readonly name: string;
  /** Counterexamples to the lemma: unsatisfiable. */
  readonly text: string;
  /** Counterexamples to a lemma that is false by one: satisfiable. */
  readonly twin?: string;
}

const question = (names: readonly string[], ...formulas: readonly string[]): string =>
  [integers(...names), ...formulas.map(assertion)].join('\n');

/** Two results y < z of one Round of e by D; `top` compares the remainder with D. */
const round = (top: string): string =>
  question(
    ['e', 'half', 'D', 'base', 'y', 'z'],
    '(>= D 1)',
    '(< y z)',
    ...['y', 'z'].flatMap((r) => {
      const rem = `(- (+ e half) (* D (- ${r} base)))`;
      return [`(<= 0 ${rem})`, `(${top} ${rem} D)`];
    }),
  );

export const LEMMAS: readonly Lemma[] = [
  { name: 'Round by any divisor D >= 1, any base, any half', text: round('<'), twin: round('<=') },
  {
    name: 'zero mod p: |e| < p',
    text: question(['e', 'k'], `(< (- ${P}) e ${P})`, `(= e (* k ${P}))`, '(not (= e 0))'),
    twin: question(['e', 'k'], `(<= (- ${P}) e ${P})`, `(= e (* k ${P}))`, '(not (= e 0))'),
  },
];
