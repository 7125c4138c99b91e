import { describe, expect, it } from 'vitest';
import { placed } from '../../test/placed.js';
import type { Vec } from '../device/device.js';
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
    of = (v: Vec): BigUint64Array => v.device.get(v),
    tree = of(one.oracle.tree),
    codeword = of(one.oracle.codeword![0]),
    second = { tree: of(two.oracle.tree), codeword: of(two.oracle.codeword![0]) };
  for (let j = 1; j < M; j += 2) {
    for (let c = 0; c < COLUMNS; c++) codeword[c * M + j] = second.codeword[c * M + j];
    tree.set(second.tree.subarray(4 * j, 4 * j + 4), 4 * j);
  }
  const node = (n: number): bigint[] => [...tree.subarray(4 * n, 4 * n + 4)];
  // Every node behind the leaves has the next two that have none above them yet.
  for (let n = M; n < 2 * M - 1; n++) tree.set(compress(node(2 * (n - M)), node(2 * (n - M) + 1)), 4 * n);
  return { columns: one.columns, root: node(2 * M - 2), tree: placed(k, tree), codeword: [placed(k, codeword)] };
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
