import { describe, expect, it } from 'vitest';
import * as E from '../field/ext3.js';
import { compress } from '../hash/poseidon2.js';
import { singleKernels } from '../kernels/index.js';
import { type Channel, type Digest, type Ext, NativeChannel, RecordingChannel, VerificationError } from '../transcript/index.js';
import { ProverChannel } from '../transcript/prover.js';
import { type Columns, type Oracle, commitColumns } from './commit.js';
import { whirShape } from './index.js';
import { openWhir } from './prove.js';
import { powerExtension, verifyWhir } from './verify.js';

/*
 * A root binds a list of codewords, not one: a word that agrees with u1 on half of the domain and with u2 on the other
 * half opens to either, each with the chance that all queries hit its half. That is 2^-queries, far from 2^-bits, and
 * enough to leave a step with one state and to enter the next with another. So state commitments carry f(z) at a point
 * drawn after the root: two openings must agree on it, and u1 and u2 do not. (Few queries here; no grinding, whose
 * nonce the attacker varies.)
 */
const k = singleKernels(),
  vk = singleKernels();
const H = 4,
  COLUMNS = 4,
  CELLS = COLUMNS * 2 ** H,
  shape = whirShape({ bits: 4, grinding: 0 }, [
    { logColumns: 2, logHeight: H, logInvRate: 2, trees: [{ parts: [{ used: COLUMNS, offset: 0 }] }] },
  ]);

const vector = (seed: number): bigint[] => Array.from({ length: CELLS }, (_, i) => BigInt((i * seed) % 101) - 50n);
const u1 = vector(17),
  u2 = vector(29);
const at = (v: readonly bigint[], z: Ext): Ext =>
  [...v].reverse().reduce<Ext>((acc, x) => E.add(E.mul(acc, z), [x < 0n ? x + 0xffffffff00000001n : x, 0n, 0n]), E.ZERO);

function commit(v: readonly bigint[]): { oracle: Oracle; ptr: number; columns: Columns } {
  const ptr = k.alloc(8 * CELLS);
  k.i64.set(v, ptr / 8);
  const columns: Columns = { ptr, used: COLUMNS, logHeight: H, logDomain: H + 2, ext: false };
  return { oracle: commitColumns(k, columns, 2 ** 20), ptr, columns };
}
const one = commit(u1),
  two = commit(u2);

/** Rows of u1 at even positions, of u2 at odd ones, under one root. */
const mixed: Oracle = (() => {
  const M = 2 ** (H + 2),
    codeword = k.alloc(8 * M * COLUMNS),
    levels = one.oracle.levels.map((_, d) => k.alloc((32 * M) / 2 ** d));
  for (let j = 0; j < M; j++) {
    const from = j % 2 ? two.oracle : one.oracle;
    for (let c = 0; c < COLUMNS; c++) k.u64[codeword / 8 + c * M + j] = k.u64[from.codeword! / 8 + c * M + j];
    for (let i = 0; i < 4; i++) k.u64[levels[0] / 8 + 4 * j + i] = k.u64[from.levels[0] / 8 + 4 * j + i];
  }
  for (let d = 1; d < levels.length; d++)
    for (let j = 0; j < M / 2 ** d; j++) {
      const child = (n: number): bigint[] => [...k.u64.subarray(levels[d - 1] / 8 + 4 * n, levels[d - 1] / 8 + 4 * n + 4)];
      k.u64.set(compress(child(2 * j), child(2 * j + 1)), levels[d] / 8 + 4 * j);
    }
  const top = levels[levels.length - 1] / 8;
  return { columns: one.columns, root: [...k.u64.subarray(top, top + 4)], levels, codeword };
})();

/** Claim sum_i x^i f(i) = y, verified against a root. */
const verify =
  (root: readonly bigint[], x: Ext, y: Ext) =>
  (ch: Channel): void => {
    ch.publicWords('root', root);
    ch.publicWords('claim', [...x, ...y]);
    verifyWhir(ch, shape, [
      {
        roots: [root.map((w) => ch.constant(w)) as unknown as Digest],
        value: ch.constant(y),
        weights: (pt) => powerExtension(ch, ch.constant(x), pt),
      },
    ]);
  };

/** Tries to open the mixed root as `v`, with one nonce after another; the number of tries that it took, or none. */
function open(v: { ptr: number }, x: Ext, y: Ext, tries: number): number | undefined {
  const rec = new RecordingChannel();
  verify(mixed.root, x, y)(rec);
  for (let nonce = 0; nonce < tries; nonce++) {
    const m = k.mark(),
      ch = new ProverChannel(rec.schedule, { hook: (label, w) => (label.endsWith('work') ? [BigInt(nonce)] : w) });
    ch.publicWords('root', mixed.root);
    ch.publicWords('claim', [...x, ...y]);
    const w = k.alloc(24 * CELLS);
    k.u8.fill(0, w, w + 24 * CELLS);
    k.exports['addPowersExt'](w, k.exts([x]), k.exts([E.ONE]), CELLS);
    openWhir(k, ch, shape, [{ oracles: [mixed], f: { length: CELLS, ptr: v.ptr }, w: { length: CELLS, ptr: w }, value: y }]);
    const proof = ch.words();
    k.release(m);
    const vc = new NativeChannel(vk, proof);
    try {
      verify(mixed.root, x, y)(vc);
      vc.finish();
      return nonce + 1;
    } catch (e) {
      expect(e).toBeInstanceOf(VerificationError);
    } finally {
      vc.close();
    }
  }
  return undefined;
}

describe('a commitment that two vectors share', () => {
  const x: Ext = [3n, 0n, 0n];
  it('opens to both of them by its root alone', () => {
    expect(shape.groups[0].queries).toBeLessThan(6);
    expect(at(u1, x)).not.toEqual(at(u2, x));
    expect(open(one, x, at(u1, x), 400)).toBeDefined();
    expect(open(two, x, at(u2, x), 400)).toBeDefined();
  });
  it('opens to one of them once its value at a point drawn after the root is known', () => {
    const z: Ext = [12345n, 678n, 9n];
    expect(at(u1, z)).not.toEqual(at(u2, z));
    expect(open(one, z, at(u1, z), 400)).toBeDefined();
    expect(open(two, z, at(u1, z), 400)).toBeUndefined();
  });
});
