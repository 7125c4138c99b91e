import { afterEach, describe, expect, it, vi } from 'vitest';
import * as E from '../src/field/ext3.js';
import { inv, mod, toSigned } from '../src/field/goldilocks.js';
import { singleKernels } from '../src/kernels/index.js';
import type { IntegerReading } from '../src/tensor/integer.js';
import { DetachedClaim, evaluateStack } from '../src/tensor/deferred.js';
import { scheduleOf } from '../src/tensor/schedule.js';
import { commitmentLayout } from '../src/tensor/state-layout.js';
import { proveMerge } from '../src/prove/merge.js';
import { verifyMerge } from '../src/recursion/merge.js';
import { type Ext, NativeChannel, VerificationError } from '../src/transcript/index.js';
import { ProverChannel } from '../src/transcript/prover.js';
import { MESSAGES } from './attacks.js';
import { type Challenges, type Presented, added, compensate, ofProgram, place, record, residuals } from './frozen.js';
import { type Proved, proveCase, verifyCase } from './kit.js';
import { randomCase } from './random-case.js';

/*
 * Every message that challenges bind, and what a prover passes off who knows them beforehand. A lie is one changed
 * message or statement; the prover sets right what follows from it, in the places named. With frozen challenges all
 * equations hold, live ones refuse it.
 */
const k = singleKernels(),
  vk = singleKernels(),
  c = randomCase({
    sizes: { l: 1, d: 3, o: 2, v: 3, b: 1, i: 3 },
    kinds: ['quotient', 'lse', 'silu', 'state', 'matrix'],
    rangeBits: 16,
    seed: 3,
  }),
  honest = proveCase(k, c),
  { plan, statement } = honest,
  schedule = scheduleOf(plan, statement),
  challenges = record(vk, ofProgram(honest));

const holds = (p: Presented, c: Challenges): boolean => residuals(vk, p, c).every((r) => E.eq(r.value, E.ZERO));
const passes = (p: Proved): boolean => holds(ofProgram(p), challenges);
const refused = (p: Proved): string => {
  try {
    verifyCase(vk, p);
  } catch (e) {
    expect(e).toBeInstanceOf(VerificationError);
    return (e as VerificationError).check;
  }
  throw new Error('accepted with live challenges');
};

/** Places in the honest proof: element `i` of the first message of a label. */
const at = (label: string, i = 0): number => place(schedule, label, i);
/** Of the operand values, those of witness tensors that are alone in all their terms: equations are linear in them. */
const alone = plan.factors
  .filter((f) => f.tensor.cls !== 'public')
  .map((f, i) => ({ f, i }))
  .filter(
    ({ f }) =>
      f.tensor.cls === 'witness' && plan.terms.every((t) => !t.factors.includes(plan.factors.indexOf(f)) || t.factors.length === 1),
  )
  .map(({ i }) => at('operand values', i));
/** Claims on the multiplicities of range tables. */
const multiplicities = plan.tables.flatMap((t, i) => (t.kind === 'range' ? [at(`table ${i} claims`)] : []));
/** A layer of the fractions between the root and the leaves. */
const LAYER = 2;

/** Elements of the last vector: more than queries ask for. */
const FINAL = schedule.find((m) => m.label === 'whir final')!.count;

/** By message class: what is changed, and the places that set it right. */
const CHANGED: Record<string, readonly [change: number, unknowns: readonly number[]]> = {
  'ext: logup root': [at('logup root'), [at('logup 0 values'), at('logup 1 round')]],
  'ext: logup # values': [at(`logup ${LAYER} values`), [at(`logup ${LAYER} values`, 1), at(`logup ${LAYER + 1} round`)]],
  'ext: logup # round': [at(`logup ${LAYER} round`), [at(`logup ${LAYER} round`, 1)]],
  'ext: table # claims': [multiplicities[0], [multiplicities[1], at('whir 0 0 sumcheck')]],
  'ext: sumcheck round': [at('sumcheck round'), [at('sumcheck round', 1)]],
  'ext: operand values': [alone[0], alone.slice(1, 3)],
  'ext: frozen sumcheck': [at('frozen sumcheck'), [at('frozen sumcheck', 1)]],
  'ext: whir # # sumcheck': [at('whir 0 0 sumcheck'), [at('whir 0 0 sumcheck', 1)]],
  'ext: whir # ood': [at('whir 0 ood'), [at('whir 1 sumcheck')]],
  'ext: whir # sumcheck': [at('whir 1 sumcheck'), [at('whir 1 sumcheck', 1)]],
  'ext: whir final': [at('whir final'), [...Array.from({ length: FINAL - 1 }, (_, i) => at('whir final', i + 1)), at('whir end sumcheck')]],
  'ext: whir end sumcheck': [at('whir end sumcheck'), [at('whir end sumcheck', 1)]],
};

const other = statement.publics.get('rate') as BigInt64Array,
  roots = statement.roots['sIn'],
  valueWord = commitmentLayout(plan.states[0]).value(0),
  plusOne = (w: readonly bigint[], i: number): bigint[] => w.map((x, j) => (j === i ? mod(x + 1n) : x));
/** By message class: another statement or program, and the places that set it right. */
const STATED: Record<string, readonly [lie: Partial<Proved>, unknowns: readonly number[]]> = {
  'public: protocol': [{ plan: { ...plan, program: { ...plan.program, name: 'another' } } }, []],
  'public: shape': [{ plan: { ...plan, whir: { ...plan.whir, params: { ...plan.whir.params, bits: plan.whir.params.bits + 1 } } } }, []],
  'public: context': [{ statement: { ...statement, context: plusOne(Array<bigint>(8).fill(0n), 3) } }, []],
  'public: public inputs': [
    {
      statement: {
        ...statement,
        publics: new Map([...statement.publics, ['rate', BigInt64Array.of(other[0] === 0n ? 1n : other[0] - 1n)]]),
      },
    },
    [at('sumcheck round')],
  ],
  'public: frozen digest': [{ statement: { ...statement, frozen: plusOne(statement.frozen, 0) } }, []],
  'public: state #': [
    { statement: { ...statement, roots: { ...statement.roots, sIn: plusOne(roots, valueWord) } } },
    [at('whir 0 1 sumcheck')],
  ],
};

afterEach(() => vi.restoreAllMocks());

const TENSOR = 'matrix4',
  CELLS = [0, 1, 2, 3];
const change =
  (by: readonly bigint[]) =>
  (r: IntegerReading): void => {
    const from = r.ptr.get(TENSOR)! / 8;
    CELLS.forEach((x, j) => {
      k.i64[from + x] = toSigned(mod(k.i64[from + x] + by[j]));
    });
  };
/** A proof of a changed trace, made with the frozen challenges instead of those that it draws. */
function knowing(by: readonly bigint[]): Proved {
  let element = 0,
    query = 0;
  const { sample, sampleIndex } = ProverChannel.prototype;
  vi.spyOn(ProverChannel.prototype, 'sample').mockImplementation(function (this: ProverChannel, label) {
    sample.call(this, label);
    return challenges.elements[element++];
  });
  vi.spyOn(ProverChannel.prototype, 'sampleIndex').mockImplementation(function (this: ProverChannel, label, bits) {
    sampleIndex.call(this, label, bits);
    return challenges.bits[query++].reduce((n, b, i) => n + Number(b) * 2 ** i, 0);
  });
  const p = proveCase(k, c, { tamper: change(by) });
  vi.restoreAllMocks();
  return p;
}

describe('with challenges known beforehand', () => {
  it('an honest proof passes the replay', () => expect(passes(honest)).toBe(true));

  it.each(Object.entries(CHANGED))('%s: another one passes, live it is refused', (_, [change, unknowns]) => {
    // What sets it right comes with the message or after it.
    expect(unknowns.every((u) => u > change)).toBe(true);
    const lie = { ...honest, proof: added(honest.proof, [change], [E.ONE]) };
    expect(passes(lie), 'nothing to set right').toBe(false);
    const by = compensate(vk, ofProgram(lie), challenges, unknowns);
    expect(by).toBeDefined();
    const forged = { ...lie, proof: added(lie.proof, unknowns, by!) };
    expect(forged.proof[change]).toBe(mod(honest.proof[change] + 1n));
    expect(passes(forged)).toBe(true);
    refused(forged);
  });

  it.each(Object.entries(STATED))('%s: a proof passes for what it is no proof of, live it is refused', (_, [change, unknowns]) => {
    const lie = { ...honest, ...change },
      by = compensate(vk, ofProgram(lie), challenges, unknowns);
    expect(by).toBeDefined();
    const forged = { ...lie, proof: added(lie.proof, unknowns, by!) };
    expect(passes(forged)).toBe(true);
    refused(forged);
  });

  it('digest: root witness: a trace that violates its constraints passes, live it is refused', () => {
    // Four cells of a tensor that occurs alone in all its terms: what they do wrong is linear in them, and one element
    // of E.
    const violation = (p: Proved): Ext => {
        const wrong = residuals(vk, ofProgram(p), challenges).filter((r) => !E.eq(r.value, E.ZERO));
        expect(wrong.map((r) => r.check)).toEqual(['batched sumcheck']);
        return wrong[0].value;
      },
      columns = CELLS.map((_, j) => violation(knowing(CELLS.map((_, i) => (i === j ? 1n : 0n))))),
      [a, b, d, e] = columns,
      // Cramer over the base field: x a + y b + z d = -e.
      det = (x: Ext, y: Ext, z: Ext): bigint =>
        mod(x[0] * (y[1] * z[2] - y[2] * z[1]) - y[0] * (x[1] * z[2] - x[2] * z[1]) + z[0] * (x[1] * y[2] - x[2] * y[1])),
      minus = E.sub(E.ZERO, e),
      scale = inv(det(a, b, d)),
      by = [det(minus, b, d), det(a, minus, d), det(a, b, minus)].map((x) => mod(x * scale)),
      forged = knowing([...by, 1n]);
    expect(forged.proof).not.toEqual(honest.proof);
    expect(passes(forged)).toBe(true);
    expect(refused(forged)).not.toBe('');
    // The same trace, proven with challenges that it does not know.
    expect(refused(proveCase(k, c, { tamper: change([...by, 1n]) }))).toBe('batched sumcheck');
  });

  it('each message class has its replay, or a reason why there is none', () => {
    const replayed = [...Object.keys(CHANGED), ...Object.keys(STATED), 'digest: root witness', ...Object.keys(MERGED)];
    expect(replayed.sort()).toEqual(
      Object.entries(MESSAGES)
        .flatMap(([m, r]) => (r.replay === true ? [m] : []))
        .sort(),
    );
  });
});

// Two claims on the stack of the program, merged into one.
const stack = honest.frozen,
  claims = [1n, 5n].map((shift) => {
    const point = Array.from({ length: plan.frozenVars }, (_, i): Ext => [shift + BigInt(i), 7n, BigInt(i)]),
      at = k.alloc(8 * stack.length);
    k.i64.set(stack, at / 8);
    return new DetachedClaim(plan, point, evaluateStack(k, at, stack.length, point));
  }),
  merging = ((): BigUint64Array => {
    const at = k.alloc(8 * stack.length);
    k.i64.set(stack, at / 8);
    return proveMerge(k, plan, statement.frozen, claims, at, stack.length);
  })();
const merged = (proof: BigUint64Array, of: readonly DetachedClaim[]): Presented => ({
  proof,
  verify: (ch) => void verifyMerge(ch, plan, statement.frozen, of),
});
/** The first two elements that are sent, of the first round. */
const [ROUND, NEXT] = [0, 3];
const MERGED: Record<string, () => { lie: Presented; unknowns: readonly number[] }> = {
  'public: claim #': () => ({
    lie: merged(merging, [claims[0], new DetachedClaim(plan, claims[1].point, E.add(claims[1].value, E.ONE))]),
    unknowns: [ROUND],
  }),
  'ext: merge sumcheck': () => ({ lie: merged(added(merging, [ROUND], [E.ONE]), claims), unknowns: [NEXT] }),
};

describe('with the challenges of a merge known beforehand', () => {
  it.each(Object.entries(MERGED))('%s: a false claim, or another message, passes; live it is refused', (_, make) => {
    const known = record(vk, merged(merging, claims)),
      { lie, unknowns } = make(),
      by = compensate(vk, lie, known, unknowns);
    expect(by).toBeDefined();
    const forged = { ...lie, proof: added(lie.proof, unknowns, by!) };
    expect(holds(lie, known)).toBe(false);
    expect(holds(forged, known)).toBe(true);
    const ch = new NativeChannel(vk, forged.proof);
    expect(() => forged.verify(ch)).toThrow(/merge of frozen claims/);
    ch.close();
  });
});
