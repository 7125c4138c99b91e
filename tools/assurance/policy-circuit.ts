/** The policy of a leaf as a circuit, without the proofs that a leaf verifies: wires of the package, as data. */
import { CircuitChannel, circuitProgram, fixedColumns, heightsOf } from 'certune/circuit';
import { POLICY_LAYOUT, PolicyLeaf } from 'certune/recursion';
import { programJson } from 'certune/tensor';
import type { RawProgram } from './data.js';
import { type Poly, atom, constant, plus, product } from './terms.js';
import { Wires } from './wires.js';
import type { CircuitInstance } from './wiring.js';

type Shape = ConstructorParameters<typeof PolicyLeaf>[1];
type Elem = ReturnType<CircuitChannel['word']>;

export interface PolicyCase {
  readonly name: string;
  readonly kind: 'step' | 'micro' | 'update';
  readonly rows: number;
  readonly clip?: 'clipN' | 'clipC';
  readonly shape?: Partial<Shape>;
}

/** A permutation of three rounds with a slot to walk; small trees: shapes differ in numbers of the same rows alone. */
const SHAPE: Shape = {
  depth: 3,
  rounds: 3,
  walks: 1,
  bins: 2,
  classDepth: 2,
  scheduleDepth: 3,
  innerRounds: 0,
  innerWalks: 0,
  strataDepth: 0,
  replacement: false,
};

export const POLICIES: readonly PolicyCase[] = [
  // Two rows for one slot of a walk.
  { name: 'step of two rows', kind: 'step', rows: 2 },
  { name: 'step', kind: 'step', rows: 1 },
  { name: 'micro-batch', kind: 'micro', rows: 1 },
  { name: 'update', kind: 'update', rows: 2, clip: 'clipC' },
  { name: 'step, with replacement', kind: 'step', rows: 1, shape: { replacement: true, rounds: 0, walks: 0 } },
  { name: 'step, paths on rows of permutations', kind: 'step', rows: 1, shape: { paths: 'permutations' } },
  { name: 'step, by strata', kind: 'step', rows: 1, shape: { strataDepth: 2, innerRounds: 2, innerWalks: 1 } },
];

/** Words of a stratum: start, draws an epoch, size, offset, radices a and b, their quotient bounds. */
const STRATUM_WORDS = 8;

/** Words of a row of eight positions: packed tokens, mask. */
const TOKEN_WORDS = 2,
  MASK_BITS = 8;

/** Bits of a loss; fraction bits of the clip scalar without clipping, of which the circuit depends on. */
const LOSS_BITS = 52,
  CLIP_FRAC = 39;

/** The circuit, with its free words by name; outputs and what is given are public words. */
export function policyCircuit(c: PolicyCase): CircuitInstance {
  const ch = new CircuitChannel(),
    shape = { ...SHAPE, ...c.shape },
    words = new Map<string, number[]>(),
    given = new Set<number>(),
    outputs = new Map<number, string>(),
    free = (name: string, n: number): Elem[] =>
      Array.from({ length: n }, () => {
        const list = words.get(name) ?? [];
        words.set(name, list);
        list.push(ch.rows.W.value.length);
        return ch.word(0n);
      }),
    publish = (name: string | undefined, list: readonly Elem[]): void => {
      for (const [k, e] of list.entries()) {
        const row = ch.rows.U.value.length;
        if (name === undefined) given.add(row);
        else outputs.set(row, `${name} ${k}`);
        ch.assertEqual(e, ch.publicWord(0n), 'public word');
      }
    },
    leaf = new PolicyLeaf(ch, shape, free('epochs', 4));
  publish(undefined, [...leaf.digest, ...leaf.countersIn]);
  const [step, micro, epoch, drawn] = free('place', 4),
    place = { step, micro, epoch, drawn };
  let [targets] = free('targets', 1);
  if (c.kind !== 'update') {
    const rows = Array.from({ length: c.rows }, () => {
        const tokens = free('tokens', TOKEN_WORDS),
          mask = free('mask', 1);
        return { tokens, mask, bits: ch.split(mask[0], MASK_BITS) };
      }),
      n = leaf.batch(place, rows, c.kind === 'step');
    targets = ch.add(targets, n.targets);
    publish('targets', [targets]);
    publish('examples', [n.examples]);
    leaf.loss(free('loss', 1)[0], LOSS_BITS);
  }
  if (c.kind !== 'micro')
    leaf.endStep(place, c.kind === 'step' ? undefined : c.rows, targets, free('wrap', 1)[0], {
      scalars: free('scalars', 3),
      clip: { name: c.clip ?? 'clipN', frac: CLIP_FRAC, value: free('clip scalar', 1)[0] },
    });
  const out = leaf.finish(c.kind === 'micro');
  publish('counters', out.counters);
  publish('epochs', out.epochs);
  for (const [name, rows] of leaf.w.free) words.set(name, [...(words.get(name) ?? []), ...rows]);
  const heights = heightsOf(ch),
    fixed = new Map([...fixedColumns(ch, heights)].map(([name, x]): [string, bigint[]] => [name, [...x]]));
  return {
    name: c.name,
    program: JSON.parse(programJson(circuitProgram(heights))) as RawProgram,
    fixed,
    words,
    given,
    outputs,
    premises: premisesOf(shape, words),
    checks: ch.checks,
  };
}
/** Targets of a step at most, without clipping: the verifier refuses a manifest with more. */
const MOST_TARGETS = 1n << 22n;

/**
 * Radices m and their quotient bounds Q as the verifier computes them, Q = floor((2^62 + m) / m): 1 <= m < 2^31 and Q m
 * <= 2^62 + m. They are words of the policy vector, and with strata of the table, as is a stratum's size below 2^31.
 */
function premisesOf(shape: Shape, words: ReadonlyMap<string, readonly number[]>): Poly[] {
  const field = (name: 'a' | 'b' | 'rows' | 'quotientA' | 'quotientB'): Poly => word('policy vector', POLICY_LAYOUT.get(name)!.at),
    word = (name: string, k: number): Poly => atom(Wires.word(words.get(name)![k])),
    bounds = (m: Poly, quotient: Poly): Poly[] => [
      plus(m, constant(1n), -1n),
      plus(constant((1n << 31n) - 1n), m, -1n),
      plus(plus(constant(1n << 62n), m), product(quotient, m), -1n),
    ],
    rows = (words.get('stratum words') ?? []).length / STRATUM_WORDS;
  return [
    plus(constant(MOST_TARGETS), word('policy vector', POLICY_LAYOUT.get('mostTargets')!.at), -1n),
    ...bounds(field(shape.replacement ? 'rows' : 'a'), field('quotientA')),
    ...bounds(field('b'), field('quotientB')),
    ...Array.from({ length: rows }, (_, r) => STRATUM_WORDS * r).flatMap((at) => [
      plus(constant((1n << 31n) - 1n), word('stratum words', at + 2), -1n),
      ...bounds(word('stratum words', at + 4), word('stratum words', at + 6)),
      ...bounds(word('stratum words', at + 5), word('stratum words', at + 7)),
    ]),
  ];
}
