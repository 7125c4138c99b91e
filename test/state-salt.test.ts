import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { P } from '../src/field/goldilocks.js';
import { DOMAIN, hashWords } from '../src/hash/poseidon2.js';
import { type Kernels, singleKernels, threadedKernels } from '../src/kernels/index.js';
import type { AdapterState } from '../src/model/step.js';
import { blindAt, stateSaltAt } from '../src/policy/order/keys.js';
import { runStep } from '../src/prove/step.js';
import { accumulatorsSalt, frozenOf, stateCommitment, stateSalt, stateTree } from '../src/run/commitments.js';
import { type Setup, setup } from '../src/setup/run.js';
import { proveProgram } from '../src/tensor/prove.js';
import { scheduleOf } from '../src/tensor/schedule.js';
import { NO_SALT, type StateSalts, commitmentLayout } from '../src/tensor/state-layout.js';
import { statePoint } from '../src/tensor/statement.js';
import { StateTrees } from '../src/tensor/state-trees.js';
import { VerificationError } from '../src/transcript/index.js';
import { messageWords } from '../src/transcript/schedule.js';
import { verifyProof } from './kit.js';
import { tinyRun } from './tiny-run.js';

/*
 * Salts of states (docs/soundness.md, section 9): what they hide, that every machine has the same ones, and provers who
 * open a state under another salt than the one that it was left with, under none, or under that of another state.
 */

const config = tinyRun({ steps: 2, batch: 2, microBatch: 2, learningRate: 0.002 }),
  { point } = commitmentLayout({ name: 'sOut', classes: ['cOut', 'oOut'] }),
  SALT = [11n, 12n, 13n, 14n],
  OTHER = [21n, 22n, 23n, 24n];

/** Words of a state that a certificate shows: digest, point and value of the adapter. */
const shown = (s: readonly bigint[]): bigint[] => s.slice(4, point + 6);

describe('salts of states', () => {
  let k: Kernels, s: Setup, digest: readonly bigint[];
  const vk = singleKernels();
  beforeAll(async () => {
    k = await threadedKernels({ threads: 2 });
    s = setup(config, [1n, 2n, 3n, 4n]);
    digest = k.scope(() => frozenOf(k, s.run.programs, s.inputs.base).digest);
  });
  afterAll(() => k.close());
  const commit = (state: AdapterState, salt?: readonly bigint[]): bigint[] => stateCommitment(vk, s.run.programs, 'sIn', state, salt);

  it('are the parent of the tree and of the salt; digest and nothing else stays what it was', () => {
    const plain = commit(s.inputs.initial),
      salted = commit(s.inputs.initial, SALT);
    expect(commit(s.inputs.initial, NO_SALT)).toEqual(plain);
    expect(salted.slice(4, point)).toEqual(plain.slice(4, point));
    expect(salted.slice(0, 4)).not.toEqual(plain.slice(0, 4));
    expect(salted.slice(point, point + 3)).toEqual([...statePoint(salted.slice(0, point))]);
    expect(salted.slice(point, point + 3)).not.toEqual(plain.slice(point, point + 3));
  });

  it('follow from secret, run and step alone: none is used twice, that of the first state is zero', () => {
    const { facts } = s.run,
      all = Array.from({ length: 40 }, (_, t) => stateSalt(s.run, s.inputs.data, t));
    expect(all[0]).toEqual(NO_SALT);
    all.slice(1).forEach((w, t) => expect(w).toEqual(stateSaltAt([1n, 2n, 3n, 4n], facts.context, t + 1)));
    expect(accumulatorsSalt(s.run, s.inputs.data, 3, 0)).toEqual(NO_SALT);
    const more = [1, 2, 3].flatMap((t) => [
      ...[1, 2].map((part) => accumulatorsSalt(s.run, s.inputs.data, t, part)),
      stateSaltAt([1n, 2n, 3n, 5n], facts.context, t),
      stateSaltAt(
        [1n, 2n, 3n, 4n],
        facts.context.map((w, i) => w ^ (i === 7 ? 1n : 0n)),
        t,
      ),
      // A row's salt and a blind of the same secret.
      hashWords(DOMAIN.salt, [1n, 2n, 3n, 4n, BigInt(t)]),
      blindAt([1n, 2n, 3n, 4n], facts.context, 'counters', t, 0),
    ]);
    expect(new Set([...all, ...more].map(String)).size).toBe(all.length + more.length);
    for (const w of all.flat()) expect(w >= 0n && w < P).toBe(true);
  });

  it('hide a state from whoever can name it; a salt left out, or one that is known, is found out', () => {
    // Two states with one adapter, of which the certificate shows what it shows.
    const mm = s.inputs.initial.mm.slice();
    mm[3] += 1n;
    const candidates = [s.inputs.initial, { ...s.inputs.initial, mm }],
      secret = stateSaltAt([5n, 6n, 7n, 8n], s.run.facts.context, 2);
    /** Which candidates agree with what is shown, for a distinguisher that tries these salts. */
    const found = (view: readonly bigint[], salts: readonly (readonly bigint[])[]): boolean[] =>
      candidates.map((c) => salts.some((salt) => shown(commit(c, salt)).join() === view.join()));
    const guesses = [NO_SALT, ...[1, 2, 3].map((t) => stateSalt(s.run, s.inputs.data, t))];
    candidates.forEach((c, b) => {
      expect(found(shown(commit(c, secret)), guesses), 'as it is').toEqual([false, false]);
      expect(found(shown(commit(c)), guesses), 'left out').toEqual([b === 0, b === 1]);
      expect(found(shown(commit(c, stateSalt(s.run, s.inputs.data, 2))), guesses), 'in the manifest').toEqual([b === 0, b === 1]);
      expect(found(shown(commit(c, secret)), [secret]), 'given away').toEqual([b === 0, b === 1]);
    });
    // One salt for two states shows whether they are equal; two do not.
    const [a, b] = candidates.map((c) => shown(commit(c, SALT)));
    expect([a.join() === shown(commit(candidates[0], SALT)).join(), a.join() === b.join()], 'used twice').toEqual([true, false]);
    expect(shown(commit(candidates[0], OTHER)).slice(4)).not.toEqual(a.slice(4));
  });

  it('are opened with their state: another one, none, or that of another state is refused', () => {
    const salts: StateSalts = { sIn: SALT, sOut: OTHER },
      { after } = runStep(k, s.run, s.inputs, 0, s.inputs.initial),
      // Trees that somebody else has made are found by the words of their states, and used.
      made = [s.inputs.initial, after].map((x, i) => stateTree(vk, s.run.programs, x, [SALT, OTHER][i])),
      trees = new StateTrees(new Map(made.map((m) => [m.key, m.tree]))),
      used: unknown[] = [],
      get = trees.get.bind(trees);
    trees.get = (key) => {
      used.push(get(key));
      return get(key);
    };
    runStep(k, s.run, s.inputs, 0, s.inputs.initial, (_, plan, r) => {
      const { proof, statement } = proveProgram(k, plan, r, { frozenDigest: digest, salts, trees });
      expect(used).toEqual(made.map((m) => m.tree));
      expect(() => verifyProof(vk, { plan, statement, proof })).not.toThrow();
      expect([statement.roots['sIn'], statement.roots['sOut']]).toEqual(made.map((m) => m.words));
      expect(statement.roots['sIn']).toEqual(commit(s.inputs.initial, SALT));
      // The words that are entered are those that were left: under another salt they are another state's.
      for (const sIn of [commit(s.inputs.initial), commit(s.inputs.initial, OTHER)])
        expect(() => verifyProof(vk, { plan, proof, statement: { ...statement, roots: { ...statement.roots, sIn } } })).toThrow(
          VerificationError,
        );
      // Caps end with the salts and are not absorbed: what a prover says there moves no challenge.
      const ends: number[] = [];
      scheduleOf(plan, statement).reduce((at, m) => {
        if (m.label === 'whir 0 1 cap') ends.push(at + messageWords(m));
        return at + messageWords(m);
      }, 0);
      expect(ends.map((end) => [...proof.slice(end - 4, end)])).toEqual([SALT, OTHER]);
      ends.forEach((end, n) => {
        for (const by of [NO_SALT, [SALT, OTHER][1 - n], []]) {
          const bad = BigUint64Array.of(...proof.slice(0, end - 4), ...by, ...proof.slice(end));
          // Left out, what follows is read in its place.
          expect(() => verifyProof(vk, { plan, statement, proof: bad }), `tree ${n}`).toThrow(/^Merkle cap/);
        }
      });
    });
  });
});
