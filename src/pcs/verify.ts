import { root as rootOfUnity, pow } from '../field/goldilocks.js';
import type { Arith, Channel, Digest, Elem } from '../transcript/arith.js';
import type { WhirShape } from './params.js';

/** A claim sum_i x^i f(i) = y added along the way; its weight's extension is a product over the index bits. */
interface PowerClaim {
  readonly x: Elem;
  readonly coefficient: Elem;
  readonly from: number;
}

/** eq(r, c) for all c, first variable most significant. */
function eqTable(ch: Channel, r: readonly Elem[]): Elem[] {
  let out: Elem[] = [ch.constant(1n)];
  for (const x of r)
    out = out.flatMap((v) => {
      const hi = ch.mul(v, x);
      return [ch.sub(v, hi), hi];
    });
  return out;
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

/**
 * Verifies sum_i w(i) f(i) = claim for the committed stack f. `evalWeights` gives the extension of w at the final point (most significant
 * variable first, logColumns + logHeight of them). Relation, argument and error terms: spec.md and params.ts.
 */
export function verifyWhir(
  ch: Channel,
  shape: WhirShape,
  roots: readonly Digest[],
  claim: Elem,
  evalWeights: (point: Elem[]) => Elem,
): void {
  if (roots.length !== shape.trees.length) throw new Error('one root per tree');
  const point: Elem[] = [],
    powers: PowerClaim[] = [];
  let now = claim,
    previous: readonly Digest[] = roots;
  const round = (label: string): void => {
    const [s0, s2] = ch.read(`${label} sumcheck`, 2),
      r = ch.sample(`${label} r`);
    point.push(r);
    const s1 = ch.sub(ch.sub(now, ch.add(s0, s0)), s2);
    now = ch.mulAdd(r, ch.mulAdd(r, s2, s1), s0);
  };
  let final: Elem[] = [];
  shape.rounds.forEach((rd, i) => {
    for (let c = 0; c < rd.columns; c++) round(`whir ${i}`);
    const next = shape.rounds[i + 1];
    let root: Digest | undefined, z: Elem | undefined, y: Elem | undefined;
    if (next) {
      root = ch.readDigest(`whir ${i} root`);
      z = ch.sample(`whir ${i} z`);
      [y] = ch.read(`whir ${i} ood`, 1);
    } else final = ch.read('whir final', 2 ** rd.rows);
    ch.grind(`whir ${i} work`, shape.params.grinding);
    const positions = Array.from({ length: rd.queries }, () => ch.sampleBits(`whir ${i} query`, rd.domain));
    const eq = eqTable(ch, point.slice(point.length - rd.columns)),
      caps = previous.map((rt) => ch.merkleCap(`whir ${i} cap`, rt, rd.cap));
    const xs: Elem[] = [],
      values: Elem[] = [];
    for (const bits of positions) {
      let v = ch.constant(0n);
      caps.forEach((cap, t) => {
        const ext = i > 0,
          used = ext ? 2 ** rd.columns : shape.trees[t].used,
          offset = ext ? 0 : shape.trees[t].offset;
        const leaf = ch.merkleOpen(`whir ${i} row`, cap, bits, ext ? 3 * used : used);
        for (let j = 0; j < used; j++) v = ch.mulAdd(eq[offset + j], ext ? compose(ch, leaf, 3 * j) : leaf[j], v);
      });
      xs.push(domainPoint(ch, bits));
      values.push(v);
    }
    if (root && z !== undefined && y !== undefined) {
      const gamma = ch.sample(`whir ${i} gamma`);
      let g = gamma;
      const from = point.length;
      now = ch.mulAdd(g, y, now);
      powers.push({ x: z, coefficient: g, from });
      xs.forEach((x, q) => {
        g = ch.mul(g, gamma);
        now = ch.mulAdd(g, values[q], now);
        powers.push({ x, coefficient: g, from });
      });
      previous = [root];
    } else {
      // The last vector is known: its encoding must agree with every answer.
      xs.forEach((x, q) => {
        let acc = final[final.length - 1];
        for (let k = final.length - 2; k >= 0; k--) acc = ch.mulAdd(acc, x, final[k]);
        ch.assertEqual(acc, values[q], 'WHIR final vector');
      });
    }
  });
  const folded = final;
  const start = point.length;
  for (let k = 0; k < shape.final; k++) round('whir end');
  const eq = eqTable(ch, point.slice(start));
  let value = ch.constant(0n);
  folded.forEach((v, k) => {
    value = ch.mulAdd(eq[k], v, value);
  });
  let weight = evalWeights(point);
  for (const p of powers) weight = ch.mulAdd(p.coefficient, powerExtension(ch, p.x, point.slice(p.from)), weight);
  ch.assertEqual(ch.mul(value, weight), now, 'WHIR final sum');
}

/** c0 + c1 x + c2 x^2 from three base elements. */
export function compose(ch: Channel, leaf: readonly Elem[], at: number): Elem {
  return ch.compose(leaf[at], leaf[at + 1], leaf[at + 2]);
}
