import { root as rootOfUnity, pow } from '../field/goldilocks.js';
import type { Arith, Channel, Digest, Elem } from '../transcript/arith.js';
import { eqAt, eqTable } from '../poly/eq.js';
import type { WhirShape } from './params.js';

/*
 * Opening of groups of committed stacks (docs/protocol.md, section 7).
 *
 * Relation. Group g has a stack f of 2^c columns of 2^h rows, columns outside its trees being zero, and a claim sum_i w(i) f(i) = value. Accepted means that there are stacks within the
 * Johnson radius of the committed words for which all claims hold.
 *
 * Argument, round by round. (0) c rounds of sumcheck fold the claim of each group to one on a vector f_g of 2^h entries; by mutual correlated agreement every codeword near the folded word is
 * the fold of a stack near the committed one, so that a false claim stays false for all of them. (1) F = (f_1, f_2, ..) is committed; its value at z leaves one vector of its list, as
 * far as the parts go: cells of its last column beyond them have no weight in any claim, here or later. (2) If a part is no codeword near the group's folded word, it differs from it in more than the radius, and
 * the group's own queries notice; which group that is, is fixed before they are drawn. (3) gamma, drawn after values and answers, joins the groups' claims, the value at z and the answers: a false one among n makes the sum false but
 * with probability n/|E|. (4) Later rounds repeat this for one group of 2^columns columns; the last vector is sent and compared with every answer. Errors: whirLedger.
 *
 * Places. A part begins at a multiple of its length (falling size), so that eq of the leading variables at its number selects it; z^i over F is z^at times the powers over the part.
 */

/** A claim sum_i x^i f(i) = y added along the way; its weight's extension is a product over the index bits. */
interface PowerClaim {
  readonly x: Elem;
  readonly coefficient: Elem;
  /** Where its variables begin among those of the chain. */
  readonly from: number;
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

/** prod over bits k of (1 - p_k + p_k x^(2^k)), p most significant first. */
export function powerExtension(ch: Arith, x: Elem, point: readonly Elem[]): Elem {
  let acc = ch.constant(1n),
    power = x;
  for (let k = point.length - 1; k >= 0; k--) {
    acc = ch.mul(acc, ch.mulAdd(point[k], ch.sub(power, ch.constant(1n)), ch.constant(1n)));
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

/** A claim sum_i w(i) f(i) = value on a group. `weights` gives the extension of w at a point (most significant variable first, logColumns + logHeight of them). */
export interface GroupClaim {
  readonly roots: readonly Digest[];
  readonly value: Elem;
  readonly weights: (point: Elem[]) => Elem;
}

/** Verifies one claim on each group of committed stacks. Throws where claims and groups do not match; checks fail by name on the channel. */
export function verifyWhir(ch: Channel, shape: WhirShape, claims: readonly GroupClaim[]): void {
  const { groups, vars } = shape;
  if (claims.length !== groups.length || claims.some((c, i) => c.roots.length !== groups[i].trees.length))
    throw new Error('one claim per group, one root per tree');
  const point: Elem[] = [],
    powers: PowerClaim[] = [],
    zero = ch.constant(0n);
  /** One round of the sumcheck of `now`: the next claim and the challenge. */
  const round = (label: string, now: Elem): { now: Elem; r: Elem } => {
    const [s0, s2] = ch.read(`${label} sumcheck`, 2),
      r = ch.sample(`${label} r`);
    const s1 = ch.sub(ch.sub(now, ch.add(s0, s0)), s2);
    return { r, now: ch.mulAdd(r, ch.mulAdd(r, s2, s1), s0) };
  };
  /** What the rows of some trees fold to at queried positions, and the positions as points of the domain. */
  const query = (
    label: string,
    o: { queries: number; domain: number; cap: number },
    trees: readonly (readonly { used: number; offset: number }[])[],
    roots: readonly Digest[],
    challenges: readonly Elem[],
    words: 1 | 3,
  ): { x: Elem; value: Elem }[] => {
    const positions = Array.from({ length: o.queries }, () => ch.sampleBits(`${label} query`, o.domain)),
      eq = eqTable(ch, challenges),
      caps = roots.map((rt) => ch.merkleCap(`${label} cap`, rt, o.cap));
    return positions.map((bits) => {
      let value = zero;
      caps.forEach((cap, t) => {
        const leaf = ch.merkleOpen(`${label} row`, cap, bits, words * trees[t].reduce((n, p) => n + p.used, 0));
        let at = 0;
        for (const { used, offset } of trees[t])
          for (let j = 0; j < used; j++) {
            value = ch.mulAdd(eq[offset + j], words === 3 ? compose(ch, leaf, at) : leaf[at], value);
            at += words;
          }
      });
      return { x: domainPoint(ch, bits), value };
    });
  };

  // Every group by itself, down to a vector of its height.
  const folded = claims.map((c, i) => {
    const challenges: Elem[] = [];
    let now = c.value;
    for (let v = 0; v < groups[i].logColumns; v++) {
      const next = round(`whir 0${groups.length > 1 ? ` ${i}` : ''}`, now);
      now = next.now;
      challenges.push(next.r);
    }
    return { now, challenges };
  });
  // The vectors are parts of the next one, whose claim joins theirs.
  const own = groups.map((): PowerClaim[] => []),
    coefficients = [ch.constant(1n)];
  let now = folded[0].now,
    final: Elem[] = [],
    roots: readonly Digest[] = [];
  for (let i = 0; i <= shape.rounds.length; i++) {
    const label = `whir ${i}`,
      last = i > 0 ? shape.rounds[i - 1] : undefined,
      next = shape.rounds[i];
    const challenges: Elem[] = [];
    if (last)
      for (let v = 0; v < last.columns; v++) {
        const step = round(label, now);
        now = step.now;
        challenges.push(step.r);
        point.push(step.r);
      }
    let z: Elem | undefined, y: Elem | undefined, root: Digest | undefined;
    if (next) {
      root = ch.readDigest(`${label} root`);
      z = ch.sample(`${label} z`);
      [y] = ch.read(`${label} ood`, 1);
    } else final = ch.read('whir final', last ? 2 ** last.rows : shape.cells);
    ch.grind(`${label} work`, shape.params.grinding);
    const answers = last
      ? [{ list: query(label, last, [[{ used: last.used, offset: 0 }]], roots, challenges, 3), group: undefined }]
      : groups.map((g, n) => ({
          list: query(
            groups.length > 1 ? `${label} ${n}` : label,
            g,
            g.trees.map((t) => t.parts),
            claims[n].roots,
            folded[n].challenges,
            1,
          ),
          group: n as number | undefined,
        }));
    if (next || (!last && groups.length > 1)) {
      // One challenge joins all claims on the next vector; where it is sent in clear, those of the groups alone.
      const gamma = ch.sample(`${label} gamma`),
        from = point.length;
      let g = coefficients[0];
      if (!last)
        for (const f of folded.slice(1)) {
          g = ch.mul(g, gamma);
          coefficients.push(g);
          now = ch.mulAdd(g, f.now, now);
        }
      if (z !== undefined && y !== undefined) {
        g = ch.mul(g, gamma);
        now = ch.mulAdd(g, y, now);
        // The vector ends with its last part: its powers of z are those of the parts, each from where it begins.
        if (last) powers.push({ x: z, coefficient: g, from });
        else groups.forEach((o, n) => own[n].push({ x: z!, coefficient: ch.mul(g, powerOf(ch, z!, o.at)), from }));
        for (const { list, group } of answers)
          for (const { x, value } of list) {
            g = ch.mul(g, gamma);
            now = ch.mulAdd(g, value, now);
            (group === undefined ? powers : own[group]).push({ x, coefficient: g, from });
          }
      }
    }
    if (!next)
      // The last vector is known: its encoding must agree with every answer.
      for (const { list, group } of answers) {
        const known = group === undefined ? final : final.slice(groups[group].at, groups[group].at + 2 ** groups[group].logHeight);
        for (const { x, value } of list) {
          let acc = known[known.length - 1];
          for (let k = known.length - 2; k >= 0; k--) acc = ch.mulAdd(acc, x, known[k]);
          ch.assertEqual(acc, value, 'WHIR final vector');
        }
      }
    if (root) roots = [root];
  }
  const start = point.length;
  for (let k = 0; k < shape.final; k++) {
    const step = round('whir end', now);
    now = step.now;
    point.push(step.r);
  }
  const eq = eqTable(ch, point.slice(start));
  let value = zero;
  final.forEach((v, k) => {
    value = ch.mulAdd(eq[k], v, value);
  });
  const sum = (list: readonly PowerClaim[], skip: number, start: Elem): Elem =>
    list.reduce((s, p) => ch.mulAdd(p.coefficient, powerExtension(ch, p.x, point.slice(p.from + skip)), s), start);
  // A group's weights stand at its part of the vector: eq of the leading variables at the part's number.
  const weight = claims.reduce(
    (s, c, i) => {
      const bits = vars - groups[i].logHeight,
        inside = ch.mul(coefficients[i], c.weights([...folded[i].challenges, ...point.slice(bits)]));
      return ch.mulAdd(eqAt(ch, point.slice(0, bits), groups[i].at / 2 ** groups[i].logHeight), sum(own[i], bits, inside), s);
    },
    sum(powers, 0, zero),
  );
  ch.assertEqual(ch.mul(value, weight), now, 'WHIR final sum');
}

/** c0 + c1 x + c2 x^2 from three base elements. */
export function compose(ch: Channel, leaf: readonly Elem[], at: number): Elem {
  return ch.compose(leaf[at], leaf[at + 1], leaf[at + 2]);
}
