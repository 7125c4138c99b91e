import { DOMAIN } from '../../hash/poseidon2.js';
import { POLICY_LAYOUT, POLICY_VERSION, POLICY_WORDS, type PolicyField, type PolicyShape } from '../../policy/vector.js';
import type { Elem } from '../../transcript/arith.js';
import { recordOf } from '../statement.js';
import type { Wires } from './wires.js';

/** Fields of an opened policy vector. */
export type Opened = Readonly<Record<PolicyField, readonly Elem[]>>;

/**
 * Opens the policy vector: 64 free words, bound by the digest that is returned. Those that say for which circuit they
 * are must be this circuit's shape, so that a key of another depth or with fewer rounds accepts no vector that asks for
 * more.
 */
export function openPolicy(w: Wires, shape: PolicyShape, vector?: readonly bigint[]): { digest: Elem[]; pi: Opened } {
  const words = w.words('policy vector', POLICY_WORDS, vector),
    digest = w.ch.hash(DOMAIN.policy, words),
    pi: Opened = recordOf(POLICY_LAYOUT.keys(), (f) => {
      const { at, words: n } = POLICY_LAYOUT.get(f)!;
      return words.slice(at, at + n);
    }),
    used = Math.max(...[...POLICY_LAYOUT.values()].map((f) => f.at + f.words));
  const fixed: Partial<Record<PolicyField, number>> = {
    version: POLICY_VERSION,
    depth: shape.depth,
    rounds: shape.rounds,
    walks: shape.walks,
    bins: shape.bins,
    classDepth: shape.classDepth,
    scheduleDepth: shape.scheduleDepth,
    innerRounds: shape.innerRounds,
    innerWalks: shape.innerWalks,
    strataDepth: shape.strataDepth,
    replacement: shape.replacement ? 1 : 0,
  };
  for (const [f, x] of Object.entries(fixed) as [PolicyField, number][]) w.ch.assertEqual(pi[f][0], w.constant(x), `policy shape ${f}`);
  for (const x of words.slice(used)) w.ch.assertEqual(x, w.zero, 'policy vector');
  return { digest, pi };
}
