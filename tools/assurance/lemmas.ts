/**
 * Lemmas of docs/soundness.md, sections 1 and 2, with symbolic widths. Each has a blunted twin, loosened by one, that
 * must be satisfiable: a lemma that held for want of a model would otherwise pass.
 */
import { P, assertion, integers } from './smt.js';

export interface Lemma {
  readonly name: string;
  /** Counterexamples to the lemma: unsatisfiable. */
  readonly text: string;
  /** Counterexamples to a neighbour of the lemma that is false: satisfiable. */
  readonly twin: string;
}

const question = (names: readonly string[], ...formulas: readonly string[]): string =>
  [integers(...names), ...formulas.map(assertion)].join('\n');
const differ = (...pairs: readonly (readonly [string, string])[]): string =>
  `(not (and ${pairs.map(([a, b]) => `(= ${a} ${b})`).join(' ')}))`;

/** Two results y < z of a Round of e by D; `top` compares the remainder with D. */
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

/** e passes both lookups in a table of W rows, the second moved by W - B (less a slack), and is not in [0, B). */
const moved = (slack: number): string =>
  question(
    ['e', 'B', 'W'],
    '(<= 1 B W)',
    '(and (<= 0 e) (< e W))',
    `(and (<= 0 (- (+ e (- W B)) ${slack})) (< (- (+ e (- W B)) ${slack}) W))`,
    '(not (and (<= 0 e) (< e B)))',
  );

/** Two splits (a, b), (c, d) of e into a low limb below W and the rest; more limbs by repetition. */
const limb = (top: string): string =>
  question(
    ['e', 'W', 'a', 'b', 'c', 'd'],
    '(>= W 1)',
    `(and (<= 0 a) (${top} a W))`,
    '(and (<= 0 c) (< c W))',
    '(= e (+ a (* W b)))',
    '(= e (+ c (* W d)))',
    '(< b d)',
  );

/**
 * e = e' + the sum of limbs: without a limb in [0, H] that is taken away W-fold, e lies in the range and H W above it.
 */
const dropped = (slack: number): string =>
  question(
    ['e', 'h', 'H', 'W', 'B'],
    '(>= W 1)',
    '(<= 0 h H)',
    '(<= 0 (- e (* W h)))',
    '(< (- e (* W h)) B)',
    `(not (and (<= 0 e) (< e (- (+ B (* W H)) ${slack}))))`,
  );

/** Two pairs of digits of v in base B. */
const split = (top: string): string =>
  question(
    ['v', 'B', 'a', 'b', 'c', 'd'],
    '(>= B 1)',
    ...['a', 'b', 'c', 'd'].map((x) => `(and (<= 0 ${x}) (${top} ${x} B))`),
    '(= v (+ a (* B b)))',
    '(= v (+ c (* B d)))',
    differ(['a', 'c'], ['b', 'd']),
  );

/** r < t are both the root of e; `slack` loosens the upper bound. */
const root = (slack: number): string =>
  question(
    ['e', 'r', 't'],
    '(<= 0 r)',
    '(< r t)',
    ...['r', 't'].flatMap((x) => [`(<= (* ${x} ${x}) e)`, `(<= e (+ (* ${x} ${x}) (* 2 ${x}) ${slack}))`]),
  );

/** q < w are both the quotient of n by d; `gap` is the least that d exceeds the remainder by. */
const quotient = (gap: number): string =>
  question(
    ['n', 'd', 'q', 'w'],
    '(< q w)',
    ...['q', 'w'].flatMap((x) => [`(<= 0 (- n (* ${x} d)))`, `(<= 0 (- (- d ${gap}) (- n (* ${x} d))))`]),
  );

/** r < t are both the root of e to nearest: r (r - 1) <= e < r (r + 1), the upper bound loosened by `slack`. */
const nearestRoot = (slack: number): string =>
  question(
    ['e', 'r', 't'],
    '(<= 0 r)',
    '(< r t)',
    ...['r', 't'].flatMap((x) => [`(<= 0 (+ (- e (* ${x} ${x})) ${x}))`, `(<= 0 (- (+ (* ${x} ${x}) ${x} ${slack}) e 1))`]),
  );

/** y < z are both the root of S with remainders in halves, low + W rest at most twice the root and `slack`. */
const wideRoot = (slack: number): string =>
  question(
    ['S', 'W', 'y', 'z', 'a', 'b', 'c', 'd'],
    '(>= W 1)',
    '(<= 0 y)',
    '(< y z)',
    ...[
      ['y', 'a', 'b'],
      ['z', 'c', 'd'],
    ].flatMap(([r, low, rest]) => {
      const rem = `(+ ${low} (* W ${rest}))`;
      return [`(<= 0 ${low})`, `(<= 0 ${rest})`, `(= (- S (* ${r} ${r})) ${rem})`, `(<= 0 (- (+ (* 2 ${r}) ${slack}) ${rem}))`];
    }),
  );

/** q < w are both K / d to nearest: the remainder 2 K + d - 2 d q, in halves, at most 2 d - `gap`. */
const ratio = (gap: number): string =>
  question(
    ['K', 'd', 'W', 'q', 'w', 'a', 'b', 'c', 'e'],
    '(>= W 1)',
    '(< q w)',
    ...[
      ['q', 'a', 'b'],
      ['w', 'c', 'e'],
    ].flatMap(([r, low, rest]) => {
      const rem = `(+ ${low} (* W ${rest}))`;
      return [`(<= 0 ${low})`, `(<= 0 ${rest})`, `(= (- (+ (* 2 K) d) (* 2 d ${r})) ${rem})`, `(<= 0 (- (- (* 2 d) ${gap}) ${rem}))`];
    }),
  );

/** Both s = 0 and s = 1 say which of x and y is larger: x - y, and y - x - `gap`, are not negative. */
const larger = (gap: number): string =>
  question(
    ['x', 'y', 's', 't'],
    '(<= 0 s 1)',
    '(<= 0 t 1)',
    '(< s t)',
    ...['s', 't'].map((b) => `(<= 0 (+ (- x y) (* ${b} (- (* 2 y) (* 2 x) ${gap}))))`),
  );

/** M < N and a cell s; T is any table that falls (or, in the twin, any table): T[N - 1 - s] > T[M - s]. */
const cell = (falls: boolean): string =>
  `(declare-fun T (Int) Int)\n${question(
    ['M', 'N', 's', 'top'],
    '(< M N)',
    '(<= 0 (- M s) top)',
    '(<= 0 (- N s) top)',
    ...(falls ? ['(=> (<= (- M s) (- N s 1)) (>= (T (- M s)) (T (- N s 1))))'] : []),
    '(> (T (- N s 1)) (T (- M s)))',
  )}`;

/** An expression e in [lo, hi] that is v + k p for a v of the range [0, B). `slack` widens the least value by one. */
const range = (slack: number): string =>
  question(
    ['e', 'v', 'k', 'B', 'lo', 'hi'],
    `(<= 1 B ${P})`,
    '(<= lo e hi)',
    `(> lo (- B ${slack + 1} ${P}))`,
    `(< hi ${P})`,
    '(and (<= 0 v) (< v B))',
    `(= e (+ v (* k ${P})))`,
    '(not (= e v))',
  );

const KEYS = 1n << 32n;
const key = (slack: bigint): string =>
  question(
    ['e', 'v', 'k'],
    `(> e ${`(- ${P - KEYS + 1n + slack})`})`,
    `(< e ${P - KEYS})`,
    `(and (< (- ${KEYS}) v) (< v ${KEYS}))`,
    `(= e (+ v (* k ${P})))`,
    '(not (= k 0))',
  );

/** x in [a, b], y in [c, d]: their product passes all four products of ends, downwards or upwards. */
const product = (passes: string, ends: readonly string[]): string =>
  question(['x', 'y', 'a', 'b', 'c', 'd'], '(<= a x b)', '(<= c y d)', ...ends.map((e) => `(${passes} (* x y) (* ${e}))`));
const ENDS = ['a c', 'a d', 'b c', 'b d'];

export const LEMMAS: readonly Lemma[] = [
  // Section 1.
  { name: 'range: no wrap', text: range(0), twin: range(1) },
  {
    name: 'zero: no wrap',
    text: question(['e', 'k'], `(< (- ${P}) e ${P})`, `(= e (* k ${P}))`, '(not (= e 0))'),
    twin: question(['e', 'k'], `(<= (- ${P}) e ${P})`, `(= e (* k ${P}))`, '(not (= e 0))'),
  },
  { name: 'lookup: no wrap', text: key(0n), twin: key(1n) },
  { name: 'product of intervals, least', text: product('<', ENDS), twin: product('<', ENDS.slice(1)) },
  { name: 'product of intervals, most', text: product('>', ENDS), twin: product('>', ENDS.slice(0, 3)) },
  {
    name: 'sum of n terms, one more',
    text: sums('M'),
    twin: sums('(- M 1)'),
  },
  {
    name: 'a one-hot factor selects at most one',
    text: selected('(<= (+ S h) 1)'),
    twin: selected('(<= (+ S h) 2)'),
  },
  {
    name: 'products keep an order',
    text: question(['a', 'b', 'c'], '(<= 0 b)', '(< a c)', '(not (<= (+ (* a b) b) (* c b)))'),
    twin: question(['a', 'b', 'c'], '(<= 0 b)', '(<= a c)', '(not (<= (+ (* a b) b) (* c b)))'),
  },
  // Section 2.
  { name: 'Round', text: round('<'), twin: round('<=') },
  {
    name: 'Round by 0',
    text: question(['e', 'base', 'y', 'z'], '(= (+ e (- base y)) 0)', '(= (+ e (- base z)) 0)', '(not (= y z))'),
    twin: question(['e', 'base', 'y', 'z'], '(<= 0 (+ e (- base y)) 1)', '(<= 0 (+ e (- base z)) 1)', '(not (= y z))'),
  },
  { name: 'range in a wider table', text: moved(0), twin: moved(1) },
  { name: 'limbs', text: limb('<'), twin: limb('<=') },
  { name: 'limbs, left out', text: dropped(0), twin: dropped(1) },
  { name: 'split', text: split('<'), twin: split('<=') },
  { name: 'sqrt', text: root(0), twin: root(1) },
  { name: 'sqrt to nearest', text: nearestRoot(0), twin: nearestRoot(1) },
  { name: 'norm', text: wideRoot(0), twin: wideRoot(1) },
  { name: 'ratio', text: ratio(1), twin: ratio(0) },
  { name: 'max by a bit', text: larger(1), twin: larger(0) },
  { name: 'div', text: quotient(1), twin: quotient(0) },
  {
    name: 'div: the divisor is positive',
    text: question(['n', 'd', 'q'], '(<= 0 (- n (* q d)))', '(<= 0 (- (- d 1) (- n (* q d))))', '(< d 1)'),
    twin: question(['n', 'd', 'q'], '(<= 0 (- n (* q d)))', '(<= 0 (- d (- n (* q d))))', '(< d 1)'),
  },
  {
    name: 'Table',
    text: `(declare-fun T (Int) Int)\n${question(['d', 'y', 'z'], '(= y (T d))', '(= z (T d))', '(not (= y z))')}`,
    twin: `(declare-fun T (Int) Int)\n${question(['d', 'e', 'y', 'z'], '(= y (T d))', '(= z (T e))', '(not (= y z))')}`,
  },
  { name: 'log-sum-exp, a cell', text: cell(true), twin: cell(false) },
  {
    name: 'log-sum-exp, sums keep an order',
    text: question(['S', 'R', 'a', 'b'], '(<= S R)', '(<= a b)', '(not (<= (+ S a) (+ R b)))'),
    twin: question(['S', 'R', 'a', 'b'], '(<= S (+ R 1))', '(<= a b)', '(not (<= (+ S a) (+ R b)))'),
  },
  {
    name: 'log-sum-exp, the two sums',
    text: question(['E', 'F', 'c'], '(<= E c)', '(>= F (+ c 1))', '(<= F E)'),
    twin: question(['E', 'F', 'c'], '(<= E c)', '(>= F c)', '(<= F E)'),
  },
];

/** n terms in [m, M] sum to S within n times the bounds; one more, in [m, top], passes them. */
function sums(top: string): string {
  return question(
    ['n', 'S', 't', 'm', 'M'],
    '(>= n 0)',
    '(<= (* n m) S (* n M))',
    '(<= m t M)',
    `(not (and (<= (* (+ n 1) m) (+ S t)) (<= (+ S t) (* (+ n 1) ${top}))))`,
  );
}

/**
 * S of the cells so far are one, and h is the next: the sum R of what they select, in [m, M] or nothing, passes the
 * hull.
 */
function selected(most: string): string {
  return question(
    ['S', 'h', 'R', 't', 'm', 'M'],
    '(<= 0 S)',
    '(<= 0 h 1)',
    most,
    '(<= m t M)',
    '(<= m 0 M)',
    '(and (<= (* S m) R) (<= R (* S M)))',
    '(not (<= m (+ R (* h t)) M))',
  );
}
