import { eqAt, eqTable } from '../poly/eq.js';
import { quadratic, verifyRound } from '../sumcheck/round.js';
import { type Arith, type Channel, type Digest, type Elem, dot } from '../transcript/arith.js';
import { type WhirGroup, type WhirRound, type WhirShape, piecesOf } from './params.js';
import { type Answer, type Opened, queryRows } from './queries.js';
import { TrustedRoot } from './trusted.js';

/*
 * Opening of groups of committed stacks (docs/protocol.md, section 7).
 *
 * Relation. Group g has a stack f of 2^c columns of 2^h rows, columns outside its trees being zero, and a claim sum_i
 * w(i) f(i) = value. Accepted means that there are stacks within the Johnson radius of the committed words for which
 * all claims hold.
 *
 * Argument, round by round. (0) c rounds of sumcheck fold the claim of each group to one on a vector f_g of 2^h
 * entries; by mutual correlated agreement every codeword near the folded word is the fold of a stack near the committed
 * one, so that a false claim stays false for all of them. A trusted group has one stack, whose words are what is
 * opened: there is nothing but the sumcheck to survive. (1) F = (f_1, f_2, ..) is committed; its value at z leaves one
 * vector of its list, as far as the parts go: cells of its last column beyond them have no weight in any claim, here or
 * later. (2) If a part is no codeword near the group's folded word, it differs from it in more than the radius, and the
 * group's own queries notice; which group that is, is fixed before they are drawn. In a trusted group the two are
 * codewords, which agree in less than rho of the positions. (3) gamma, drawn after values and answers, joins the
 * groups' claims, the value at z and the answers: a false one among n makes the sum false but with probability n/|E|.
 * (4) Later rounds repeat this for one group of 2^columns columns; the last vector is sent and compared with every
 * answer. Errors: whirLedger.
 *
 * Places. A part begins at a multiple of its length (falling size), so that eq of the leading variables at its number
 * selects it; z^i over F is z^at times the powers over the part. A group that hides has two parts, its cells and its
 * tail, whose first power of x is 2^h: verify-hiding.ts.
 */

/** A claim sum_i x^i f(i) = y added along the way; its weight's extension is a product over the index bits. */
interface PowerClaim {
  readonly x: Elem;
  readonly coefficient: Elem;
  /** Where its variables begin among those of the chain. */
  readonly from: number;
}

/** prod over bits k of (1 - p_k + p_k x^(2^k)), p most significant first. */
export function powerExtension(ch: Arith, x: Elem, point: readonly Elem[]): Elem {
  const one = ch.constant(1n);
  let acc = one,
    power = x;
  for (let k = point.length - 1; k >= 0; k--) {
    // 1 - p does not depend on x: in a circuit it is one row for all claims.
    acc = ch.mul(acc, ch.mulAdd(point[k], power, ch.sub(one, point[k])));
    if (k > 0) power = ch.mul(power, power);
  }
  return acc;
}

/** x^n for a known n. */
function powerOf(ch: Arith, x: Elem, n: number): Elem {
  let out = ch.constant(1n),
    power = x;
  for (let rest = n; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2) out = ch.mul(out, power);
    if (rest > 1) power = ch.mul(power, power);
  }
  return out;
}

/**
 * A claim sum_i w(i) f(i) = value on a group. `weights` gives the extension of w at a point (most significant variable
 * first, logColumns + logHeight of them).
 */
export interface GroupClaim {
  /** One of each tree; trusted ones for a group that is opened as such, and for no other. */
  readonly roots: readonly (Digest | TrustedRoot)[];
  readonly value: Elem;
  readonly weights: (point: Elem[]) => Elem;
  /** Of a group that hides: `foldHiding`. */
  readonly fold?: FoldGroup;
}

const ROUND = quadratic<Elem>();

/** A claim after some rounds of sumcheck, and their challenges. */
interface Folded {
  readonly now: Elem;
  readonly challenges: readonly Elem[];
}

/** A group's claim on its parts of the second vector: the extension of the weights on each (piecesOf). */
export interface FoldedGroup extends Folded {
  readonly weights: readonly ((rest: Elem[]) => Elem)[];
  /** See Opened. */ readonly blend?: Elem;
}

/** Folds the claim on one group. */
export type FoldGroup = (ch: Channel, label: string, group: WhirGroup, claim: GroupClaim) => FoldedGroup;

const foldClear: FoldGroup = (ch, label, { logColumns }, { value, weights }) => {
  const folded = fold(ch, label, logColumns, value);
  return { ...folded, weights: [(rest) => weights([...folded.challenges, ...rest])] };
};

/** Answers to the queries on a group, or on a later oracle. */
interface Answers {
  readonly list: readonly Answer[];
  readonly group: number | undefined;
}

/** The oracle of a round: its root, and its value y at a point z outside the domain. */
interface NextOracle {
  readonly root: Digest;
  readonly z: Elem;
  readonly y: Elem;
}

/**
 * Roots of a group's trees, if their kind is the group's: few queries suffice where a root is trusted, and nowhere
 * else.
 */
function rootsOf(g: WhirGroup, c: GroupClaim): Digest[] {
  if (c.roots.length !== g.trees.length) throw new Error('one claim per group, one root per tree');
  return c.roots.map((r) => {
    const trusted = r instanceof TrustedRoot;
    if ((trusted ? r.of : undefined) !== g.trusted)
      throw new Error(`a root of ${trusted ? r.of : 'a proof'} for a group of ${g.trusted ?? 'a proof'}`);
    return trusted ? r.digest : r;
  });
}

/**
 * Verifies one claim on each group of committed stacks. Throws where claims and groups do not match; checks fail by
 * name on the channel.
 */
export function verifyWhir(ch: Channel, shape: WhirShape, claims: readonly GroupClaim[]): void {
  const { groups, rounds } = shape;
  if (claims.length !== groups.length) throw new Error('one claim per group, one root per tree');
  const roots = groups.map((g, i) => rootsOf(g, claims[i]));
  if (claims.some((c, i) => (c.fold === undefined) !== (groups[i].tail === undefined)))
    throw new Error('a group that hides is folded as one, and no other');
  // Every group by itself, down to a vector of its height; these vectors are parts of the next one, whose claim joins
  // theirs.
  const folded = claims.map((c, i) => (c.fold ?? foldClear)(ch, `whir 0${groups.length > 1 ? ` ${i}` : ''}`, groups[i], c)),
    joined = new JoinedClaims(ch, shape, folded);
  let final: readonly Elem[] = [],
    oracle: NextOracle | undefined;
  for (let i = 0; i <= rounds.length; i++) {
    const label = `whir ${i}`,
      last = i > 0 ? rounds[i - 1] : undefined,
      challenges = last ? joined.fold(label, last.columns) : [],
      next = rounds[i] && readOracle(ch, label);
    if (!next) final = ch.read('whir final', last ? 2 ** last.rows : shape.cells);
    ch.grind(`${label} work`, shape.params.grinding);
    const answers =
      last && oracle
        ? [{ list: queryRows(ch, label, later(last, oracle, challenges)), group: undefined }]
        : queryGroups(ch, shape, roots, folded);
    // One challenge joins all claims on the next vector; where it is sent in clear, those of the groups alone.
    if (next || (!last && groups.length > 1)) joined.join(ch.sample(`${label} gamma`), !last, next, answers);
    if (!next) compareFinal(ch, shape, final, answers);
    oracle = next;
  }
  const challenges = joined.fold('whir end', shape.final),
    value = weightedSum(ch, eqTable(ch, challenges), final);
  ch.assertEqual(ch.mul(value, joined.weight()), joined.now, 'WHIR final sum');
}

/** Rounds of sumcheck over so many variables. */
export function fold(ch: Channel, label: string, variables: number, claim: Elem): Folded {
  const challenges: Elem[] = [];
  let now = claim;
  for (let v = 0; v < variables; v++) {
    const round = verifyRound(ch, { message: `${label} sumcheck`, challenge: `${label} r` }, ROUND, now);
    now = round.claim;
    challenges.push(round.r);
  }
  return { now, challenges };
}

function readOracle(ch: Channel, label: string): NextOracle {
  const root = ch.readDigest(`${label} root`),
    z = ch.sample(`${label} z`),
    [y] = ch.read(`${label} ood`, 1);
  return { root, z, y };
}

const later = (r: WhirRound, { root }: NextOracle, challenges: readonly Elem[]): Opened => ({
  ...r,
  trees: [{ parts: [{ used: r.used, offset: 0 }] }],
  roots: [root],
  challenges,
  words: 3,
});

/** Queries of the groups, in order. */
function queryGroups(ch: Channel, { groups }: WhirShape, roots: readonly (readonly Digest[])[], folded: readonly FoldedGroup[]): Answers[] {
  return groups.map((g, n) => {
    const { challenges, blend } = folded[n],
      rows = { trees: g.trees, roots: roots[n], challenges, words: 1 as const },
      opened: Opened = { ...g, ...rows, ...(blend === undefined ? {} : { blend }) };
    return { list: queryRows(ch, groups.length > 1 ? `whir 0 ${n}` : 'whir 0', opened), group: n };
  });
}

/** The last vector is known: its encoding must agree with every answer. */
function compareFinal(ch: Channel, { groups }: WhirShape, final: readonly Elem[], answers: readonly Answers[]): void {
  for (const { list, group } of answers) {
    const [known, ...tails] =
      group === undefined
        ? [{ first: 0, cells: final }]
        : piecesOf(groups[group]).map(({ at, log, first }) => ({ first, cells: final.slice(at, at + 2 ** log) }));
    for (const { x, value } of list) {
      const encoded = tails.reduce((s, t) => ch.mulAdd(powerOf(ch, x, t.first), horner(ch, t.cells, x), s), horner(ch, known.cells, x));
      ch.assertEqual(encoded, value, 'WHIR final vector');
    }
  }
}

/** sum of cells[k] x^k. */
function horner(ch: Channel, cells: readonly Elem[], x: Elem): Elem {
  let acc = cells[cells.length - 1];
  for (let k = cells.length - 2; k >= 0; k--) acc = ch.mulAdd(acc, x, cells[k]);
  return acc;
}

function weightedSum(ch: Channel, weights: readonly Elem[], values: readonly Elem[]): Elem {
  let sum = ch.constant(0n);
  values.forEach((v, k) => {
    sum = ch.mulAdd(weights[k], v, sum);
  });
  return sum;
}

/** The claims on the current vector, joined by powers of a challenge a round, and the point at which it is bound. */
class JoinedClaims {
  now: Elem;
  readonly #point: Elem[] = [];
  /** Claims on the whole vector, and on each part of a group. */
  readonly #whole: PowerClaim[] = [];
  readonly #own: readonly PowerClaim[][][];
  /** Of the claims that the groups came with. */
  readonly #coefficients: Elem[];

  constructor(
    readonly ch: Channel,
    readonly shape: WhirShape,
    readonly folded: readonly FoldedGroup[],
  ) {
    this.now = folded[0].now;
    this.#own = shape.groups.map((g) => piecesOf(g).map(() => []));
    this.#coefficients = [ch.constant(1n)];
  }

  /** Rounds of sumcheck over the next variables; their challenges. */
  fold(label: string, variables: number): readonly Elem[] {
    const { now, challenges } = fold(this.ch, label, variables, this.now);
    this.now = now;
    this.#point.push(...challenges);
    return challenges;
  }

  /**
   * Joins, in this order: the claims of the other groups where these are `first` opened, the value out of the domain,
   * the answers.
   */
  join(gamma: Elem, first: boolean, next: NextOracle | undefined, answers: readonly Answers[]): void {
    const { ch } = this,
      from = this.#point.length;
    let g = this.#coefficients[0];
    const add = (value: Elem): Elem => {
      g = ch.mul(g, gamma);
      this.now = ch.mulAdd(g, value, this.now);
      return g;
    };
    if (first) for (const f of this.folded.slice(1)) this.#coefficients.push(add(f.now));
    if (!next) return;
    const { z, y } = next,
      coefficient = add(y);
    // The vector ends with its last part: its powers of z are those of the parts, each from where it begins.
    if (!first) this.#whole.push({ x: z, coefficient, from });
    else
      this.shape.groups.forEach((g, n) =>
        piecesOf(g).forEach((p, i) => this.#own[n][i].push({ x: z, coefficient: ch.mul(coefficient, powerOf(ch, z, p.at)), from })),
      );
    for (const { list, group } of answers)
      for (const { x, value } of list) {
        const answer = { x, coefficient: add(value), from };
        if (group === undefined) this.#whole.push(answer);
        else
          piecesOf(this.shape.groups[group]).forEach(({ first }, i) =>
            this.#own[group][i].push(first ? { ...answer, coefficient: ch.mul(answer.coefficient, powerOf(ch, x, first)) } : answer),
          );
      }
  }

  /** The weight of all joined claims at the point. */
  weight(): Elem {
    const { ch, folded } = this,
      { groups, vars } = this.shape,
      point = this.#point;
    const sum = (list: readonly PowerClaim[], skip: number, start: Elem): Elem =>
      dot(
        ch,
        list.map((p) => p.coefficient),
        list.map((p) => powerExtension(ch, p.x, point.slice(p.from + skip))),
        start,
      );
    // A group's weights stand at its part of the vector: eq of the leading variables at the part's number.
    return groups.reduce(
      (all, g, i) =>
        piecesOf(g).reduce((s, { at, log }, p) => {
          const bits = vars - log,
            inside = ch.mul(this.#coefficients[i], folded[i].weights[p](point.slice(bits)));
          return ch.mulAdd(eqAt(ch, point.slice(0, bits), at / 2 ** log), sum(this.#own[i][p], bits, inside), s);
        }, all),
      sum(this.#whole, 0, ch.constant(0n)),
    );
  }
}
