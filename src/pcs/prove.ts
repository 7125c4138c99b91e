import type { Device, Vec } from '../device/device.js';
import * as E from '../field/ext3.js';
import { pow } from '../field/goldilocks.js';
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
import { elements } from '../device/batches.js';
import { openingDevice } from './vectors.js';
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

/** A vector f of n elements with weights w, on the device of the opening (openingDevice). */
export interface Weighted {
  readonly f: Vec;
  readonly w: Vec;
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
  const { groups } = shape,
    d = openingDevice(k, ch);
  // Every group by itself, down to a vector of its height; these vectors are parts of the next one, whose claim joins
  // theirs.
  const folded = claims.map((c, i): FoldedGroup => {
    const label = `whir 0${groups.length > 1 ? ` ${i}` : ''}`;
    if (groups[i].tail) return foldHiding(k, ch, label, groups[i], c);
    const sum = new ProductSumcheck(k, c.f, c.w, groups[i].logColumns + groups[i].logHeight, d);
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
    d = openingDevice(k, ch),
    joined = new JoinedClaims(k, d, shape, folded);
  let oracle: NextOracle | undefined;
  for (let i = 0; i <= rounds.length; i++) {
    const label = `whir ${i}`,
      last = i > 0 ? rounds[i - 1] : undefined,
      challenges = last ? joined.fold(ch, label, last.columns) : [],
      cur = joined.current(),
      next = rounds[i] && commitNext(k, d, ch, label, rounds[i], cur);
    if (!next) ch.sendExt('whir final', elements(d.get(cur.f)));
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
 * Commits the vector f of n elements as the next oracle. It is opened later, after f has been folded in place; its
 * last column is filled up with zeros.
 */
function commitNext(k: Kernels, d: Device, ch: ProverChannel, label: string, next: WhirRound, { f, n }: Weighted): NextOracle {
  const vec = d.zeroed(3 * next.used * 2 ** next.rows);
  d.run('copy', 3 * n, { to: d.slice(vec, 0, 3 * n), from: f });
  const columns = { ptr: 0, vec, used: next.used, logHeight: next.rows, logDomain: next.domain, ext: true },
    oracle = commitColumns(k, columns, SECOND_CODEWORD, merkleHash(ch.hash));
  ch.sendDigest(`${label} root`, oracle.root);
  const z = ch.sample(`${label} z`),
    y = d.scope(() => {
      const to = d.vector(3);
      d.run('horner', n, { to, from: f, z });
      return elements(d.get(to))[0];
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
  #current: Weighted;

  /** The folded vectors in one; a vector of its own where there are several. */
  constructor(
    k: Kernels,
    readonly device: Device,
    readonly shape: WhirShape,
    readonly folded: readonly FoldedGroup[],
  ) {
    const { cells, groups, vars } = shape,
      alone = groups.length === 1 && folded[0].parts.length === 1,
      { f, w } = alone ? folded[0].parts[0] : { f: device.zeroed(3 * cells), w: device.zeroed(3 * cells) },
      copy = (to: Vec, at: number, from: Vec, n: number): void => device.run('copy', 3 * n, { to: device.slice(to, 3 * at, 3 * n), from });
    if (!alone)
      eachPart(groups, folded, (at, part, i) => {
        copy(f, at, part.f, part.n);
        // Those of the other groups come with a coefficient.
        if (i === 0) copy(w, at, part.w, part.n);
      });
    this.#now = folded[0].now;
    this.#current = { f, w, n: cells };
    this.#sum = new ProductSumcheck(k, { length: cells, vec: f, ext: true }, { length: cells, vec: w }, vars, device);
  }

  /** Rounds of sumcheck over the next variables; their challenges. */
  fold(ch: ProverChannel, label: string, variables: number): readonly Ext[] {
    const { now, challenges } = fold(ch, label, variables, this.#sum, this.#now);
    this.#now = now;
    this.#current = this.#sum.near();
    return challenges;
  }
  current(): Weighted {
    return this.#current;
  }

  /**
   * Joins, in this order: the claims of the other groups where these are `first` opened, the value out of the domain,
   * the answers.
   */
  join(gamma: Ext, first: boolean, next: NextOracle | undefined, answers: readonly Answers[]): void {
    const { device } = this,
      { w, n } = this.#current,
      part = (at: number, count: number): Vec => device.slice(w, 3 * at, 3 * count);
    let g: Ext = E.ONE;
    const add = (value: Ext): Ext => {
      g = E.mul(g, gamma);
      this.#now = E.add(this.#now, E.mul(g, value));
      return g;
    };
    if (first) {
      const coefficients = this.folded.map((x, i) => (i ? add(x.now) : g));
      eachPart(this.shape.groups, this.folded, (at, p, i) => {
        if (i > 0) device.run('addScaled', p.n, { to: part(at, p.n), from: p.w, by: coefficients[i] });
      });
    }
    if (!next) return;
    device.run('addPowers', n, { to: w, z: next.z, first: add(next.y) });
    for (const { list, domain, pieces } of answers) {
      const coefficients = list.map(({ value }) => add(value));
      for (const p of pieces)
        device.run('addClaims', p.n, {
          to: part(p.at, p.n),
          domain,
          claims: list.map(({ x, log }, q) => ({
            log,
            coefficient: p.first ? E.mulBase(coefficients[q], pow(x, BigInt(p.first))) : coefficients[q],
          })),
        });
    }
  }
}
