import { describe, expect, it } from 'vitest';
import { recursionClass } from '../src/recursion/class.js';
import { keyDigest } from '../src/recursion/key.js';
import { recursionKeys } from '../src/recursion/keys.js';
import type { Before } from '../src/recursion/leaf.js';
import { proveEnd } from '../src/prove/end.js';
import { proveFold } from '../src/prove/fold.js';
import { proveLeaf } from '../src/prove/leaf.js';
import { START, VIEW_ALL, advance, programsDigest } from '../src/recursion/statement.js';
import type { EndProof, NodeProof } from '../src/recursion/node-words.js';
import { settleNode, verifyEnd } from '../src/verify/nodes.js';
import { singleKernels, threadedKernels } from '../src/kernels/index.js';
import { settleFrozen } from '../src/tensor/deferred.js';
import { makePlan } from '../src/tensor/plan.js';
import { VerificationError } from '../src/transcript/index.js';
import { QUICK } from './kit.js';
import { type Proven, proveSteps, stepProgram } from './recursion-case.js';

const k = await threadedKernels({ threads: 2 }),
  vk = singleKernels();

const program = stepProgram(),
  plan = makePlan(program, QUICK),
  { steps: run, base } = proveSteps(k, program, plan, 3);

/** Batches in an epoch: the third step begins the second epoch. */
const EPOCH = 2n,
  ZERO = Array<bigint>(10).fill(0n);
const cls = recursionClass(
    { programs: programsDigest([program]), zeroAcc: ZERO, baseVars: plan.frozenVars },
    [{ kind: 'step', plan, rows: [2, 1] }],
    QUICK,
  ),
  keys = recursionKeys(k, cls);
/** Circuits of the class: two steps, one step. */
const TWO = 1,
  ONE = 2;

/** Where a run stands before step t. */
const standing = (all: readonly Proven[], t: number): Before => ({
  place: all.slice(0, t).reduce((at, s) => advance('step', program, EPOCH, at, s.statement.publics), START),
  s: t ? all[t - 1].statement.roots['sOut'] : all[0].statement.roots['sIn'],
  a: ZERO,
});
const make = (c: typeof cls, key: typeof keys, kind: number, all: readonly Proven[], t: number, at = standing(all, t)): NodeProof =>
  proveLeaf(k, c, key, base, kind, {
    parts: all.slice(t, t + (kind === TWO ? 2 : 1)),
    before: at,
    dataset: [1n, 2n, 3n, 4n],
    epoch: EPOCH,
  });
const leaf = (all: readonly Proven[], t: number, at?: Before): NodeProof => make(cls, keys, ONE, all, t, at);
const settle = (words: BigInt64Array, node: NodeProof, key = keys): void => {
  const claim = settleNode(vk, cls, key, node),
    m = vk.mark(),
    at = vk.alloc(8 * words.length);
  vk.i64.set(words, at / 8);
  try {
    settleFrozen(vk, at, words.length, [claim]);
  } finally {
    vk.release(m);
  }
};
const accept = (n: NodeProof): void => settle(base.words, n);
const word = (x: readonly bigint[], i = 0): bigint[] => x.map((w, k) => (k === i ? w + 1n : w));

describe('recursion', () => {
  const two = make(cls, keys, TWO, run, 0),
    leaves = [0, 1, 2].map((t) => leaf(run, t)),
    all = proveFold(k, cls, keys, base, [two, leaves[2]]),
    end = proveEnd(k, cls, keys, base, all);
  const verify = (e: EndProof): void => verifyEnd(vk, keys.published, e);
  it('two steps share a leaf; nodes of one, two and three steps have one size', () => {
    expect(cls.leaves.map((l) => l.count)).toEqual([2, 1]);
    for (const n of [leaves[0], two, all]) {
      accept(n);
      expect(n.proof.length).toBe(leaves[0].proof.length);
    }
    const s = all.statement,
      last = standing(run, 3);
    expect(s.posIn).toEqual(START.pos);
    // Three steps, the first of the second epoch is done; three masks of five: 1 0 1 1 and the step's parity.
    expect(s.posOut).toEqual([3n, 0n, 0n, 1n, 1n, 3n, 10n]);
    expect([s.posOut, s.lossesOut, s.targetsOut]).toEqual([last.place.pos, last.place.losses, last.place.targets]);
    expect(two.statement.posOut.slice(3, 5)).toEqual([1n, 0n]);
    expect([s.sIn, s.sOut]).toEqual([run[0].statement.roots['sIn'], last.s]);
  });
  it('the end settles both claims: its proof needs neither base nor columns', () => {
    verify(end);
    const { root, shows, ...rest } = end.statement;
    expect(root).toHaveLength(4);
    expect(shows).toEqual(VIEW_ALL);
    for (const [f, w] of Object.entries(rest)) expect(w, f).toEqual(all.statement[f as keyof typeof all.statement]);
    const one = proveEnd(k, cls, keys, base, leaves[0]);
    verify(one);
    expect(one.proof.length).toBe(end.proof.length);
    // Every field of the statement changed alone, and words of the proof.
    for (const f of Object.keys(end.statement) as (keyof typeof end.statement)[]) {
      expect(() => verify({ ...end, statement: { ...end.statement, [f]: word(end.statement[f]) } }), f).toThrow(VerificationError);
      expect(() => verify({ ...end, statement: { ...end.statement, [f]: end.statement[f].slice(1) } }), f).toThrow(/canonical words/);
    }
    const { proof } = end;
    for (let i = 0; i < proof.length; i += 1 + Math.floor(proof.length / 60)) {
      const w = proof.slice();
      w[i] ^= 1n;
      expect(() => verify({ ...end, proof: w }), String(i)).toThrow(VerificationError);
    }
    expect(() => verify({ ...end, proof: proof.slice(1) })).toThrow(/proof length/);
    expect(() => verify({ ...end, proof: BigUint64Array.from([...proof, 0n]) })).toThrow(/proof length/);
  });
  it('refuses a foreign key, and an end for another base', () => {
    for (const f of ['root', 'endRoot'] as const)
      expect(() => verifyEnd(vk, { ...keys.published, [f]: word(keys.published[f].map(BigInt)).map(String) }, end), f).toThrow(
        VerificationError,
      );
    expect(keyDigest(keys.published)).not.toBe(keyDigest({ ...keys.published, leaves: [{ kind: 'step', count: 1 }] }));
    // The claim on the base holds of one stack only: another one cannot be opened at it.
    const words = base.words.slice();
    words[3] += 1n;
    expect(() => settle(words, all)).toThrow(VerificationError);
    expect(() => proveEnd(k, cls, keys, { ...base, words }, all)).toThrow(/the children do not verify: WHIR/);
    // A dropped claim: the trivial one in its place.
    const dropped = { ...all, statement: { ...all.statement, base: all.statement.base.map(() => 0n) } };
    expect(() => proveEnd(k, cls, keys, base, dropped)).toThrow(VerificationError);
  });
  it('refuses to fold skipped, reordered, repeated and truncated steps, and those of another run', () => {
    const other = proveSteps(k, program, plan, 2, { shift: 5 }).steps;
    for (const [what, pair] of [
      ['skipped', [leaves[0], leaves[2]]],
      ['reordered', [leaves[1], leaves[0]]],
      ['repeated', [leaves[0], leaves[0]]],
      ['overlapping', [two, leaves[1]]],
      ['another run of equal shape', [leaves[0], leaf(other, 1)]],
      // The state fits, the place does not: an epoch boundary moved by one.
      [
        'other place in the epoch',
        [leaves[0], leaf(run, 1, { ...standing(run, 1), place: { ...standing(run, 1).place, pos: [1n, 0n, 0n, 0n, 0n, 1n, 3n] } })],
      ],
    ] as const)
      expect(() => proveFold(k, cls, keys, base, pair), what).toThrow(/the children do not verify/);
  });
  it('a leaf does not pass for a fold, another leaf, or a circuit that is not there', () => {
    const n = leaves[0];
    for (const kind of [0n, 1n, 3n, 4n]) {
      const as = { ...n, statement: { ...n.statement, kind: [kind] } };
      expect(() => accept(as), String(kind)).toThrow(VerificationError);
      expect(() => proveFold(k, cls, keys, base, [as, leaves[1]]), String(kind)).toThrow(VerificationError);
    }
  });
  it('refuses the published key in place of that which was used, on any level', () => {
    // A leaf circuit without work: its grinding bits are not required to be zero. The prover names the published key
    // all the same.
    const fixed = new Map(cls.circuits[ONE].fixed);
    fixed.set(
      'S.dead',
      fixed.get('S.dead')!.map(() => 0n),
    );
    const circuits = cls.circuits.map((x, i) => (i === ONE ? { ...x, fixed } : x)),
      bad = { ...cls, circuits },
      own = recursionKeys(k, bad),
      forged = { ...own, root: keys.root };
    const [first, second] = [0, 1].map((t) => make(bad, forged, ONE, run, t));
    expect(() => accept(first)).toThrow(/a claim on the fixed columns does not hold/);
    // Beside an honest leaf there is no stack on which both claims hold; two forged ones fold, and the end refuses.
    expect(() => proveFold(k, cls, forged, base, [first, leaves[1]])).toThrow(/merge of frozen claims/);
    const fold = proveFold(k, cls, forged, base, [first, second]);
    expect(() => accept(fold)).toThrow(/a claim on the fixed columns does not hold/);
    expect(() => proveEnd(k, cls, forged, base, fold)).toThrow(/the children do not verify/);
    expect(() => settleNode(vk, cls, { ...keys, root: own.root }, all)).toThrow(/another key than the published one/);
  });
  it('refuses every field of a node changed alone', () => {
    for (const f of Object.keys(all.statement) as (keyof typeof all.statement)[]) {
      expect(() => accept({ ...all, statement: { ...all.statement, [f]: word(all.statement[f]) } }), f).toThrow(VerificationError);
      expect(() => accept({ ...all, statement: { ...all.statement, [f]: all.statement[f].slice(1) } }), f).toThrow(/canonical words/);
    }
  });
});
