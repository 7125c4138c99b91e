import { describe, expect, it } from 'vitest';
import { recursionClass, recursionKeys } from '../src/aggregate/recursion/keys.js';
import { proveFold, proveLeaf } from '../src/aggregate/recursion/prove.js';
import { CHAIN_START, extend } from '../src/aggregate/recursion/statement.js';
import { type NodeProof, verifyEnd } from '../src/aggregate/recursion/verify.js';
import { Kernels } from '../src/kernels/index.js';
import { ProgramBuilder, expr, term } from '../src/tensor/builder.js';
import { settleFrozen } from '../src/tensor/deferred.js';
import { IntegerReading } from '../src/tensor/integer.js';
import { makePlan } from '../src/tensor/plan.js';
import { frozenStack, proveProgram } from '../src/tensor/prove.js';
import { type Statement, frozenDigest } from '../src/tensor/statement.js';
import { VerificationError } from '../src/transcript/index.js';
import { QUICK } from './kit.js';

const k = await Kernels.create({ threads: 2 }),
  vk = Kernels.single();

/** A step in small: two states that move on, ids and mask, a loss. */
function stepProgram() {
  const b = new ProgramBuilder('step', 6);
  for (const [a, n] of Object.entries({ l: 1, i: 5, d: 3, v: 6, P: 4 })) b.axis(a, n);
  b.tensor('W', ['v', 'd'], 'frozen', { lo: -20n, hi: 20n, frac: 0 });
  b.tensor('ids', ['v', 'i'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'onehot' });
  b.tensor('mask', ['i'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('rate', [], 'public', { lo: 0n, hi: 9n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('loss', [], 'public', { lo: -4000n, hi: 4000n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('C', ['P'], 'cIn', { lo: -512n, hi: 511n, frac: 0 });
  b.tensor('M', ['P'], 'oIn', { lo: -512n, hi: 511n, frac: 0 });
  b.tensor('C2', ['P'], 'cOut', { lo: -512n, hi: 511n, frac: 0 });
  b.tensor('M2', ['P'], 'oOut', { lo: -512n, hi: 511n, frac: 0 });
  b.rounded('X', ['i', 'd'], { bits: 8, frac: 0 }, expr([term(4, 'W[v,d]', 'ids[v,i]', 'mask[i]')]), 1);
  b.round('loss', [], expr([term(1, 'X[i,d]')]), 0);
  b.round('M2', ['P'], expr([term(1, 'M[P]'), term(1, 'rate')]), 0);
  b.inFormat('M2', { bits: 10, frac: 0 });
  b.round('C2', ['P'], expr([term(1, 'C[P]'), term(2, 'M[P]')]), 1);
  b.inFormat('C2', { bits: 10, frac: 0 });
  return b.build();
}

const program = stepProgram(),
  plan = makePlan(program, QUICK),
  W = BigInt64Array.from({ length: 18 }, (_, x) => BigInt(((x * 7) % 31) - 15));
interface StepProof {
  readonly proof: BigUint64Array;
  readonly statement: Statement;
}
let base = { words: new BigInt64Array(0), digest: [] as bigint[] };

/** A run of so many steps. */
function steps(n: number, shift = 0): StepProof[] {
  let C: BigInt64Array = BigInt64Array.of(3n, -4n, 50n, 0n),
    M: BigInt64Array = BigInt64Array.of(1n, 2n, 3n, BigInt(shift));
  return Array.from({ length: n }, (_, t) => {
    const m = k.mark(),
      r = new IntegerReading(
        k,
        program,
        new Map<string, BigInt64Array | Int32Array>([
          ['W', W],
          ['ids', Int32Array.of(t % 6, -1, 0, 5, 2)],
          ['mask', BigInt64Array.of(1n, 0n, 1n, 1n, BigInt(t % 2))],
          ['rate', BigInt64Array.of(BigInt(t % 10))],
          ['C', C],
          ['M', M],
        ]),
      );
    r.run();
    const fz = frozenStack(k, plan, (x) => r.ptr.get(x)!),
      words = k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells);
    base = { words, digest: frozenDigest(words) };
    const out = proveProgram(k, plan, r, {
      frozenDigest: base.digest,
      context: Array.from({ length: 8 }, (_, i) => BigInt(i)),
    });
    C = r.read('C2');
    M = r.read('M2');
    k.release(m);
    return out;
  });
}

const run = steps(3),
  cls = recursionClass({ plans: [plan], steps: 1, baseVars: plan.frozenVars }, QUICK),
  keys = recursionKeys(k, cls);
const chains = (all: readonly StepProof[]) =>
  all.reduce(
    (c, s) => {
      const last = c[c.length - 1];
      return [
        ...c,
        {
          data: extend(program, 'data', last.data, s.statement.publics),
          scalars: extend(program, 'scalars', last.scalars, s.statement.publics),
        },
      ];
    },
    [{ data: [...CHAIN_START], scalars: [...CHAIN_START] }],
  );
const leaf = (all: readonly StepProof[], t: number): NodeProof => {
  const c = chains(all)[t];
  return proveLeaf(k, cls, keys, base, { parts: [all[t]], from: t, dataIn: c.data, scalarsIn: c.scalars });
};
const accept = (n: NodeProof): void => {
  const claim = verifyEnd(vk, cls, keys, n),
    m = vk.mark(),
    at = vk.alloc(8 * base.words.length);
  vk.i64.set(base.words, at / 8);
  try {
    settleFrozen(vk, at, base.words.length, [claim]);
  } finally {
    vk.release(m);
  }
};

describe('recursion', { timeout: 600_000 }, () => {
  const leaves = [0, 1, 2].map((t) => leaf(run, t)),
    pair = proveFold(k, cls, keys, base, [leaves[0], leaves[1]]),
    all = proveFold(k, cls, keys, base, [pair, leaves[2]]);
  it('one proof of constant size for one, two and three steps', () => {
    for (const n of [leaves[0], pair, all]) {
      accept(n);
      expect(n.proof.length).toBe(leaves[0].proof.length);
    }
    const s = all.statement,
      c = chains(run)[3];
    expect([s.from, s.to]).toEqual([[0n], [3n]]);
    expect(s.dataOut).toEqual(c.data);
    expect(s.scalarsOut).toEqual(c.scalars);
    expect(s.cIn).toEqual(run[0].statement.roots['cIn']);
    expect(s.oOut).toEqual(run[2].statement.roots['oOut']);
  });
  it('refuses to fold skipped, reordered and repeated steps, and those of another run', () => {
    const other = steps(2, 5);
    for (const [what, pair] of [
      ['skipped', [leaves[0], leaves[2]]],
      ['reordered', [leaves[1], leaves[0]]],
      ['repeated', [leaves[0], leaves[0]]],
      ['another run of equal shape', [leaves[0], leaf(other, 1)]],
    ] as const)
      expect(() => proveFold(k, cls, keys, base, pair), what).toThrow(/the children do not verify/);
  });
  it('a leaf does not pass for a fold', () => {
    const n = leaves[0];
    expect(() => accept({ ...n, statement: { ...n.statement, kind: [1n] } })).toThrow(VerificationError);
  });
  it('refuses the published keys in place of those that were used, on any level', () => {
    // A leaf circuit without work: its grinding bits are not required to be zero. The prover names the published keys all the same.
    const fixed = new Map(cls.leaf.fixed);
    fixed.set(
      'S.dead',
      fixed.get('S.dead')!.map(() => 0n),
    );
    const bad = { ...cls, leaf: { ...cls.leaf, fixed } },
      own = recursionKeys(k, bad),
      forged = { ...own, leaf: keys.leaf, fold: keys.fold };
    const c = chains(run),
      [first, second] = [0, 1].map((t) =>
        proveLeaf(k, bad, forged, base, { parts: [run[t]], from: t, dataIn: c[t].data, scalarsIn: c[t].scalars }),
      );
    expect(() => accept(first)).toThrow(/a claim on the keys does not hold/);
    // Beside an honest leaf there is no stack on which both claims hold; two forged ones fold, and the end refuses.
    expect(() => proveFold(k, cls, forged, base, [first, leaves[1]])).toThrow(/merge of frozen claims/);
    const fold = proveFold(k, cls, forged, base, [first, second]);
    expect(() => accept(fold)).toThrow(/a claim on the keys does not hold/);
    expect(() => verifyEnd(vk, cls, { ...keys, fold: own.leaf }, all)).toThrow(/other keys than the published ones/);
  });
  it('refuses a run on other weights than those of its digest', () => {
    const claim = verifyEnd(vk, cls, keys, all),
      m = vk.mark(),
      words = base.words.slice(),
      at = vk.alloc(8 * words.length);
    words[3] += 1n;
    vk.i64.set(words, at / 8);
    expect(() => settleFrozen(vk, at, words.length, [claim])).toThrow(VerificationError);
    vk.release(m);
  });
  it('refuses every field of the statement changed alone', () => {
    for (const f of Object.keys(all.statement) as (keyof typeof all.statement)[]) {
      const w = [...all.statement[f]];
      w[0] += 1n;
      expect(() => accept({ ...all, statement: { ...all.statement, [f]: w } }), f).toThrow(VerificationError);
      expect(() => accept({ ...all, statement: { ...all.statement, [f]: w.slice(1) } }), f).toThrow(/canonical words/);
    }
  });
});
