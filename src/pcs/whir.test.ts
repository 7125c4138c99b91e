import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as E from '../field/ext3.js';
import { P } from '../field/goldilocks.js';
import { Kernels } from '../kernels/runtime.js';
import {
  type Channel,
  type Elem,
  type Ext,
  NativeChannel,
  ProverChannel,
  RecordingChannel,
  VerificationError,
  scheduleWords,
} from '../transcript/index.js';
import { commitBase, openWhir, verifyWhir, whirLedger, whirShape } from './index.js';

const k = Kernels.single();
const rnd = (s: number): (() => bigint) => {
  let x = BigInt(s) * 0x9e3779b97f4a7c15n + 1n;
  return () => {
    x = (x * 6364136223846793005n + 1442695040888963407n) & ((1n << 64n) - 1n);
    return x % P;
  };
};
const params = { bits: 40, logInvRate: 2, grinding: 4 };

function setup(
  seed: number,
  logColumns: number,
  logHeight: number,
  used: number[],
  tamper: { f?: boolean; claim?: boolean; hook?: (l: string, w: readonly bigint[]) => readonly bigint[] } = {},
) {
  const r = rnd(seed),
    H = 2 ** logHeight,
    total = used.reduce((a, b) => a + b, 0);
  const f = k.alloc(8 * total * H),
    w = k.alloc(24 * total * H);
  for (let i = 0; i < total * H; i++) {
    k.i64[f / 8 + i] = BigInt.asIntN(64, r()) >> 20n;
    k.writeExt(w + 24 * i, [r(), r(), r()]);
  }
  const weights = k.readExts(w, total * H);
  let claim: Ext = E.ZERO;
  for (let i = 0; i < total * H; i++) claim = E.add(claim, E.mulBase(weights[i], ((k.i64[f / 8 + i] % P) + P) % P));
  let at = 0;
  const trees = used.map((u) => {
    const t = { used: u, offset: at };
    at += u;
    return t;
  });
  const shape = whirShape(params, logColumns, logHeight, trees);
  const oracles = trees.map((t) => commitBase(k, f + 8 * t.offset * H, t.used, logHeight, params));
  const roots = oracles.map((o) => o.root);
  if (tamper.f) k.i64[f / 8 + 3] += 1n;
  if (tamper.claim) claim = E.add(claim, E.ONE);
  const run = (ch: Channel, rs: readonly bigint[][], value: Ext) => {
    const ds = rs.map((x) => x.map((v) => ch.constant(v)));
    ds.forEach((d: Elem[]) => ch.publicElems('root', d));
    verifyWhir(ch, shape, ds as never, ch.constant(value), (pt) => {
      let eq: Elem[] = [ch.constant(1n)];
      for (const x of pt)
        eq = eq.flatMap((v) => {
          const hi = ch.mul(v, x);
          return [ch.sub(v, hi), hi];
        });
      return weights.reduce<Elem>((s, v, i) => ch.mulAdd(eq[i], ch.constant(v), s), ch.constant(0n));
    });
  };
  const rec = new RecordingChannel();
  run(rec, roots, claim);
  const prover = new ProverChannel(rec.schedule, { hook: tamper.hook });
  roots.forEach((x) => prover.publicWords('root', x));
  openWhir(k, prover, shape, oracles, { length: total * H, ptr: f }, { length: total * H, ptr: w }, claim);
  const proof = prover.words();
  const verify = (p: BigUint64Array, rs = roots): void => {
    const native = new NativeChannel(k, p);
    try {
      run(native, rs, claim);
      native.finish();
    } finally {
      native.close();
    }
  };
  return { proof, verify, schedule: rec.schedule, roots };
}

describe('WHIR', () => {
  it.each([
    [2, 6, [4]],
    [3, 9, [5]],
    [2, 8, [1, 2]],
    [4, 10, [3, 4, 2]],
    [0, 5, [1]],
    [1, 9, [1]],
    [2, 10, [3]],
    // Three committed vectors: each is opened after the next one is made.
    [1, 14, [2]],
  ])('opens 2^%i columns of 2^%i rows, trees %j', (c, h, used) => {
    const m = k.mark(),
      s = setup(7, c, h, used);
    expect(s.proof.length).toBe(scheduleWords(s.schedule));
    s.verify(s.proof);
    k.release(m);
  });
  it('rejects a changed stack, a wrong claim, a wrong root', () => {
    const m = k.mark();
    for (const t of [{ f: true }, { claim: true }]) {
      const s = setup(3, 2, 8, [3], t);
      expect(() => s.verify(s.proof)).toThrow(VerificationError);
    }
    const s = setup(3, 2, 8, [3]);
    expect(() => s.verify(s.proof, [[1n, 2n, 3n, 4n]])).toThrow(VerificationError);
    k.release(m);
  });
  it('rejects every mutated word, without any other error', () => {
    const m = k.mark(),
      s = setup(11, 2, 8, [3]);
    fc.assert(
      fc.property(fc.nat(s.proof.length - 1), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (i, x) => {
        const bad = s.proof.slice();
        if (bad[i] === x) return;
        bad[i] = x;
        expect(() => s.verify(bad)).toThrow(VerificationError);
      }),
      { numRuns: 300 },
    );
    expect(() => s.verify(s.proof.slice(1))).toThrow(VerificationError);
    expect(() => s.verify(BigUint64Array.from([...s.proof, 0n]))).toThrow(VerificationError);
    k.release(m);
  });
  it('rejects an adaptive prover that changes a message and re-derives the transcript', () => {
    const m = k.mark();
    for (const label of ['whir 0 sumcheck', 'whir 0 ood', 'whir 0 root', 'whir 0 cap', 'whir final', 'whir end sumcheck']) {
      const s = setup(5, 2, 10, [3], { hook: (l, w) => (l === label ? w.map((x, i) => (i === 0 ? (x + 1n) % P : x)) : w) });
      expect(() => s.verify(s.proof), label).toThrow(VerificationError);
    }
    k.release(m);
  });
  it('buys the bits it claims', () => {
    for (const [bits, rate] of [
      [100, 2],
      [128, 2],
      [128, 1],
    ]) {
      const s = whirShape({ bits, logInvRate: rate, grinding: 18 }, 6, 19, [{ used: 40, offset: 0 }]);
      for (const t of whirLedger(s)) if (t.kind === 'proved') expect(t.bits, t.name).toBeGreaterThanOrEqual(bits);
    }
    expect(whirShape({ bits: 128, logInvRate: 2, grinding: 18 }, 7, 18, [{ used: 80, offset: 0 }]).rounds.map((r) => r.queries)).toEqual([
      113, 56, 38,
    ]);
  });
});
