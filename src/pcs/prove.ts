import * as E from '../field/ext3.js';
import { add as addWords, pow } from '../field/goldilocks.js';
import { nttRows } from '../kernels/ntt.js';
import type { Kernels } from '../kernels/runtime.js';
import { ProductSumcheck, type Tiled } from '../sumcheck/product.js';
import { proveRound } from '../sumcheck/prove-round.js';
import { quadratic } from '../sumcheck/round.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';
import { merkleHash } from '../transcript/sponge.js';
import { type Oracle, SECOND_CODEWORD, commitColumns } from './commit.js';
import type { GroupMasks } from './commit-hiding.js';
import { type WhirGroup, type WhirRound, type WhirShape, piecesOf } from './params.js';
import { foldHiding } from './prove-hiding.js';
import { addScaled } from './vectors.js';
import { type Answer, type Opened, queryRows } from './prove-queries.js';

const ROUND = quadratic<Ext>();

/**
 * A claim sum_i w(i) f(i) = value on a group: its trees, the stack f (signed words, the columns of the trees at their
 * offsets), weights w (E, same indices).
 */
export interface GroupOpening {
  readonly oracles: readonly Oracle[];
  readonly f: Tiled;
  readonly w: Tiled;
  readonly value: Ext;
  /** Of a group that hides: those with which it was committed. */
  readonly masks?: GroupMasks;
}

/** A claim after some rounds of sumcheck, and their challenges. */
export interface Folded {
  readonly now: Ext;
  readonly challenges: readonly Ext[];
}

/** A vector f of n entries with weights w. */
export interface Weighted {
  readonly f: number;
  readonly w: number;
  readonly n: number;
}

/** A group folded to its parts of the second vector (piecesOf). */
export interface FoldedGroup extends Folded {
  readonly parts: readonly Weighted[];
  /** See Opened. */ readonly blend?: Ext;
}

/**
 * Answers to the queries on parts of the current vector, of n entries from `at` on, the first of which counts x^first.
 */
interface Answers {
  readonly list: readonly Answer[];
  /** log2 of the domain that was queried. */ readonly domain: number;
  readonly pieces: readonly { readonly at: number; readonly n: number; readonly first: number }[];
}

/** The oracle of a round, and its value y at a point z outside the domain. */
interface NextOracle {
  readonly oracle: Oracle;
  readonly z: Ext;
  readonly y: Ext;
}

/** Proves one claim on each group. Destroys weights that are near. */
export function openWhir(k: Kernels, ch: ProverChannel, shape: WhirShape, claims: readonly GroupOpening[]): void {
  const { groups } = shape;
  // Every group by itself, down to a vector of its height; these vectors are parts of the next one, whose claim joins
  // theirs.
  const folded = claims.map((c, i): FoldedGroup => {
    const label = `whir 0${groups.length > 1 ? ` ${i}` : ''}`;
    if (groups[i].tail) return foldHiding(k, ch, label, groups[i], c);
    const sum = new ProductSumcheck(k, c.f, c.w, groups[i].logColumns + groups[i].logHeight);
    return { ...fold(ch, label, groups[i].logColumns, sum, c.value), parts: [sum.near()] };
  });
  openFolded(
    k,
    ch,
    shape,
    claims.map((c) => c.oracles),
    folded,
  );
}

/**
 * The opening from the folded groups on: everything here is a function of their vectors and of the rows that are
 * opened.
 */
export function openFolded(
  k: Kernels,
  ch: ProverChannel,
  shape: WhirShape,
  oracles: readonly (readonly Oracle[])[],
  folded: readonly FoldedGroup[],
): void {
  const { groups, rounds } = shape,
    joined = new JoinedClaims(k, shape, folded);
  let oracle: NextOracle | undefined;
  for (let i = 0; i <= rounds.length; i++) {
    const label = `whir ${i}`,
      last = i > 0 ? rounds[i - 1] : undefined,
      challenges = last ? joined.fold(ch, label, last.columns) : [],
      cur = joined.current(),
      next = rounds[i] && commitNext(k, ch, label, rounds[i], cur);
    if (!next) ch.sendExt('whir final', k.readExts(cur.f, cur.n));
    ch.grind(`${label} work`, shape.params.grinding);
    const answers =
      last && oracle
        ? [
            {
              list: queryRows(k, ch, label, later(last, oracle, challenges)),
              domain: last.domain,
              pieces: [{ at: 0, n: cur.n, first: 0 }],
            },
          ]
        : queryGroups(k, ch, shape, oracles, folded);
    if (next || (!last && groups.length > 1)) joined.join(ch.sample(`${label} gamma`), !last, next, answers);
    oracle = next;
  }
  joined.fold(ch, 'whir end', shape.final);
}

/** Every part of every group, and where it begins in the second vector. */
const eachPart = (
  groups: readonly WhirGroup[],
  folded: readonly FoldedGroup[],
  f: (at: number, part: Weighted, group: number) => void,
): void => folded.forEach((x, i) => piecesOf(groups[i]).forEach(({ at }, p) => f(at, x.parts[p], i)));

/** Rounds of sumcheck over so many variables. */
function fold(ch: ProverChannel, label: string, variables: number, sum: ProductSumcheck, claim: Ext): Folded {
  const challenges: Ext[] = [];
  let now = claim;
  for (let v = 0; v < variables; v++) {
    const round = proveRound(ch, { message: `${label} sumcheck`, challenge: `${label} r` }, ROUND, now, sum.message());
    sum.bind(round.r);
    now = round.claim;
    challenges.push(round.r);
  }
  return { now, challenges };
}

/**
 * Commits the vector of n entries at f as the next oracle. It is opened later, after f has been folded in place; its
 * last column is filled up with zeros.
 */
function commitNext(k: Kernels, ch: ProverChannel, label: string, next: WhirRound, { f, n }: { f: number; n: number }): NextOracle {
  const ptr = k.zeroed(24 * next.used * 2 ** next.rows);
  k.u8.copyWithin(ptr, f, f + 24 * n);
  const columns = { ptr, used: next.used, logHeight: next.rows, logDomain: next.domain, ext: true },
    oracle = commitColumns(k, columns, SECOND_CODEWORD, merkleHash(ch.hash));
  ch.sendDigest(`${label} root`, oracle.root);
  const z = ch.sample(`${label} z`),
    y = k.scope(() => {
      const at = k.exts([z]),
        out = k.alloc(24);
      k.exports['hornerExt'](out, f, at, n);
      return k.readExt(out);
    });
  ch.sendExt(`${label} ood`, [y]);
  return { oracle, z, y };
}

const later = (r: WhirRound, { oracle }: NextOracle, challenges: readonly Ext[]): Opened => ({
  ...r,
  trees: [{ parts: [{ used: r.used, offset: 0 }] }],
  oracles: [oracle],
  challenges,
});

/** Queries of the groups, in order. */
function queryGroups(
  k: Kernels,
  ch: ProverChannel,
  { groups }: WhirShape,
  oracles: readonly (readonly Oracle[])[],
  folded: readonly FoldedGroup[],
): Answers[] {
  return groups.map((g, n) => {
    const { challenges, blend, parts } = folded[n],
      rows = { trees: g.trees, oracles: oracles[n], challenges },
      opened: Opened = { ...g, ...rows, ...(blend === undefined ? {} : { blend }) },
      pieces = piecesOf(g).map(({ at, first }, p) => ({ at, n: parts[p].n, first }));
    return { list: queryRows(k, ch, groups.length > 1 ? `whir 0 ${n}` : 'whir 0', opened), domain: g.domain, pieces };
  });
}

/**
 * The claims on the current vector, joined by powers of a challenge a round: the vector and the weights of their sum.
 */
class JoinedClaims {
  #now: Ext;
  readonly #sum: ProductSumcheck;
  #current: { f: number; w: number; n: number };

  /** The folded vectors in one; a vector of its own where there are several. */
  constructor(
    readonly k: Kernels,
    readonly shape: WhirShape,
    readonly folded: readonly FoldedGroup[],
  ) {
    const { cells, groups, vars } = shape,
      alone = groups.length === 1 && folded[0].parts.length === 1,
      { f, w } = alone ? folded[0].parts[0] : { f: k.zeroed(24 * cells), w: k.zeroed(24 * cells) };
    if (!alone)
      eachPart(groups, folded, (at, part, i) => {
        k.u8.copyWithin(f + 24 * at, part.f, part.f + 24 * part.n);
        // Those of the other groups come with a coefficient.
        if (i === 0) k.u8.copyWithin(w + 24 * at, part.w, part.w + 24 * part.n);
      });
    this.#now = folded[0].now;
    this.#current = { f, w, n: cells };
    this.#sum = new ProductSumcheck(k, { length: cells, ptr: f, ext: true }, { length: cells, ptr: w }, vars);
  }

  /** Rounds of sumcheck over the next variables; their challenges. */
  fold(ch: ProverChannel, label: string, variables: number): readonly Ext[] {
    const { now, challenges } = fold(ch, label, variables, this.#sum, this.#now);
    this.#now = now;
    this.#current = this.#sum.near();
    return challenges;
  }
  current(): { f: number; w: number; n: number } {
    return this.#current;
  }

  /**
   * Joins, in this order: the claims of the other groups where these are `first` opened, the value out of the domain,
   * the answers.
   */
  join(gamma: Ext, first: boolean, next: NextOracle | undefined, answers: readonly Answers[]): void {
    const { k } = this,
      { w, n } = this.#current;
    let g: Ext = E.ONE;
    const add = (value: Ext): Ext => {
      g = E.mul(g, gamma);
      this.#now = E.add(this.#now, E.mul(g, value));
      return g;
    };
    if (first) {
      const coefficients = this.folded.map((x, i) => (i ? add(x.now) : g));
      eachPart(this.shape.groups, this.folded, (at, part, i) => {
        if (i > 0) addScaled(k, w + 24 * at, coefficients[i], part.w, part.n);
      });
    }
    if (!next) return;
    k.scope(() => k.exports['addPowersExt'](w, k.exts([next.z]), k.exts([add(next.y)]), n));
    for (const { list, domain, pieces } of answers) {
      const coefficients = list.map(({ value }) => add(value));
      for (const p of pieces)
        this.#addPowers(
          w + 24 * p.at,
          p.n,
          list,
          domain,
          p.first ? coefficients.map((c, q) => E.mulBase(c, pow(list[q].x, BigInt(p.first)))) : coefficients,
        );
    }
  }
  /** Adds the weights x^i of claims, each times its coefficient. */
  #addPowers(to: number, n: number, list: readonly Answer[], domain: number, coefficients: readonly Ext[]): void {
    const { k } = this,
      q = list.length;
    // 10 ns a weight and claim by powers, 5 a word and stage by the transform of the whole domain.
    if (2 * q * n > domain * 2 ** domain && transformBytes(domain) < k.room) {
      addTransformed(k, to, n, list, domain, coefficients);
      return;
    }
    k.scope(() => {
      const px = k.alloc(8 * q),
        pg = k.exts(coefficients),
        scratch = k.alloc(24 * q * k.threads);
      k.u64.set(
        list.map(({ x }) => x),
        px / 8,
      );
      k.parallel('addPowers', n, 64, (lo, hi, t) => [to, px, pg, q, scratch + 24 * q * t, lo, hi]);
    });
  }
}

/** Bytes of a transform of three columns over a domain, with its twiddles. */
const transformBytes = (domain: number): number => 32 * 2 ** domain + 4096;

/**
 * The same by one transform: sum_q c_q x_q^i with x_q = g^(e_q) is the value at g^i of the polynomial that has
 * coefficient c_q at e_q.
 */
function addTransformed(k: Kernels, to: number, n: number, list: readonly Answer[], domain: number, coefficients: readonly Ext[]): void {
  const size = 2 ** domain;
  k.scope(() => {
    const columns = k.alloc(24 * size);
    k.parallel('fillI64', 3 * size, 65536, (lo, hi) => [columns, 0n, lo, hi]);
    // Positions may repeat.
    list.forEach(({ log }, q) =>
      coefficients[q].forEach((c, word) => {
        const at = columns / 8 + word * size + log;
        k.u64[at] = addWords(k.u64[at], c);
      }),
    );
    nttRows(k, columns, { src: columns, words: 3, height: size }, domain, 'reversed');
    k.parallel('addTransformed', n, 4096, (lo, hi) => [to, columns, domain, lo, hi]);
  });
}
