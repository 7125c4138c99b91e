import { describe, expect, it } from 'vitest';
import { placed } from '../../test/placed.js';
import type { Vec } from '../device/device.js';
import * as E from '../field/ext3.js';
import { P, pow, root as rootOfUnity, toSigned } from '../field/goldilocks.js';
import { compress } from '../hash/poseidon2.js';
import { singleKernels } from '../kernels/index.js';
import { type Channel, type Ext, NativeChannel, RecordingChannel, VerificationError, asDigest } from '../transcript/index.js';
import { ProverChannel } from '../transcript/prover.js';
import { type Columns, type Oracle, commitColumns } from './commit.js';
import { TrustedRoot, trustedQueries, whirLedger, whirShape } from './index.js';
import { openWhir } from './prove.js';
import { powerExtension, verifyWhir } from './verify.js';

/*
 * What a query buys under a trusted root, measured: one query, no grinding, the best lie there is. Under an honest root
 * the word opened is a codeword, and a stack that agrees with it in as many positions as it can agrees in 2^h - 1 of
 * 2^(h + r): the lie passes at the rate rho, not at sqrt(rho). Under a root that nobody vouches for it passes at more.
 */
const k = singleKernels(),
  vk = singleKernels(),
  H = 3,
  RATE = 2,
  ROWS = 2 ** H,
  POINTS = 2 ** (H + RATE),
  COLUMNS = 4,
  CELLS = COLUMNS * ROWS,
  TRIES = 600,
  shape = whirShape({ bits: 1, grinding: 0 }, [
    { logColumns: 2, logHeight: H, logInvRate: RATE, trees: [{ parts: [{ used: COLUMNS, offset: 0 }] }], trusted: 'key' },
  ]),
  x: Ext = [3n, 1n, 4n];
const u = Array.from({ length: CELLS }, (_, i) => BigInt((i * 17) % 101) - 50n);
const at = (v: readonly bigint[]): Ext =>
  [...v].reverse().reduce<Ext>((acc, w) => E.add(E.mul(acc, x), [((w % P) + P) % P, 0n, 0n]), E.ZERO);

function stack(v: readonly bigint[]): number {
  const ptr = k.alloc(8 * CELLS);
  k.i64.set(v, ptr / 8);
  return ptr;
}
function commit(v: readonly bigint[]): Oracle {
  const columns: Columns = { ptr: stack(v), used: COLUMNS, logHeight: H, logDomain: H + RATE, ext: false };
  return commitColumns(k, columns, 2 ** 20);
}
const honest = commit(u);

/** Coefficients of the product of x - p over these points. */
const vanishing = (points: readonly bigint[]): bigint[] =>
  points.reduce<bigint[]>((c, p) => Array.from({ length: c.length + 1 }, (_, i) => ((c[i - 1] ?? 0n) + (P - p) * (c[i] ?? 0n)) % P), [1n]);
/** u with a first column that agrees with its own in as many positions as two codewords can. */
const near = u.map((w, i) => {
  const g = rootOfUnity(H + RATE),
    z = vanishing(Array.from({ length: ROWS - 1 }, (_, j) => pow(g, BigInt(j))));
  return i < ROWS ? toSigned(((((w % P) + P) % P) + z[i]) % P) : w;
});

const claim =
  (root: readonly bigint[], y: Ext) =>
  (ch: Channel): void => {
    ch.publicWords('root', root);
    ch.publicWords('claim', [...x, ...y]);
    verifyWhir(ch, shape, [
      {
        roots: [TrustedRoot.ofKey(asDigest(root.map((w) => ch.constant(w))))],
        value: ch.constant(y),
        weights: (pt) => powerExtension(ch, ch.constant(x), pt),
      },
    ]);
  };

/** How many of so many tries, each with a nonce of its own, open the oracle as a stack. */
function passes(oracle: Oracle, v: readonly bigint[], tries = TRIES): number {
  const y = at(v),
    rec = new RecordingChannel(),
    f = stack(v);
  claim(oracle.root, y)(rec);
  let passed = 0;
  for (let nonce = 0; nonce < tries; nonce++) {
    const m = k.mark(),
      ch = new ProverChannel(rec.schedule, { hook: (label, w) => (label.endsWith('work') ? [BigInt(nonce)] : w) });
    ch.publicWords('root', oracle.root);
    ch.publicWords('claim', [...x, ...y]);
    const w = k.zeroed(24 * CELLS);
    k.exports['addPowersExt'](w, k.exts([x]), k.exts([E.ONE]), CELLS);
    openWhir(k, ch, shape, [{ oracles: [oracle], f: { length: CELLS, ptr: f }, w: { length: CELLS, ptr: w }, value: y }]);
    const vc = new NativeChannel(vk, ch.words());
    k.release(m);
    try {
      claim(oracle.root, y)(vc);
      vc.finish();
      passed++;
    } catch (e) {
      expect(e).toBeInstanceOf(VerificationError);
    } finally {
      vc.close();
    }
  }
  return passed;
}

/** Rows of one oracle at even positions, of another at odd ones, under one root. */
function mixed(a: Oracle, b: Oracle): Oracle {
  const of = (v: Vec): BigUint64Array => v.device.get(v),
    [tree, codeword] = [of(a.tree), of(a.codeword![0])],
    second = { tree: of(b.tree), codeword: of(b.codeword![0]) },
    node = (n: number): bigint[] => [...tree.subarray(4 * n, 4 * n + 4)];
  for (let j = 1; j < POINTS; j += 2) {
    for (let c = 0; c < COLUMNS; c++) codeword[c * POINTS + j] = second.codeword[c * POINTS + j];
    tree.set(second.tree.subarray(4 * j, 4 * j + 4), 4 * j);
  }
  for (let n = POINTS; n < 2 * POINTS - 1; n++) tree.set(compress(node(2 * (n - POINTS)), node(2 * (n - POINTS) + 1)), 4 * n);
  return { columns: a.columns, root: node(2 * POINTS - 2), tree: placed(k, tree), codeword: [placed(k, codeword)] };
}

describe('a trusted root', () => {
  it('one query tells two codewords apart but at the rate rho, half as often in bits as under any other root', () => {
    expect([shape.groups[0].queries, shape.groups[0].domain]).toEqual([1, H + RATE]);
    expect(passes(honest, u, 3)).toBe(3);
    // 7 of 32 positions agree: 131 of 600 on average, 22% of them, against 50% for sqrt(rho).
    const passed = passes(honest, near);
    expect(passed).toBeGreaterThan(80);
    expect(passed).toBeLessThan(TRIES / 4 + 40);
  });
  it('is no argument for a root that nobody vouches for: a word of two halves opens to either of them', () => {
    const other = u.map((w, i) => w + BigInt(i + 1)),
      both = mixed(honest, commit(other));
    for (const v of [u, other]) expect(passes(both, v)).toBeGreaterThan(TRIES / 4 + 60);
  });
  it('has the queries that the formula says, and a ledger without a list', () => {
    expect([trustedQueries(128, 4, 16), trustedQueries(128, 3, 16), trustedQueries(128, 6, 16), trustedQueries(100, 5, 16)]).toEqual([
      29, 38, 19, 17,
    ]);
    for (let bits = 100; bits <= 128; bits++)
      for (let r = 1; r <= 8; r++) {
        const q = trustedQueries(bits, r, 16);
        expect(r * q + 16).toBeGreaterThanOrEqual(bits + 0.25);
        expect(r * (q - 1) + 16).toBeLessThan(bits + 0.25);
      }
    const terms = whirLedger(whirShape({ bits: 128, grinding: 16 }, [{ ...shape.groups[0], logHeight: 14, logInvRate: 4 }]));
    expect(terms.filter((t) => /whir round 0/.test(t.name)).map((t) => [t.name, t.kind, Math.round(t.bits), t.rounds])).toEqual([
      ['whir round 0: sumcheck, trusted root', 'proved', 191, 2],
      ['whir round 0: queries (29 at rate 2^-4, trusted root)', 'proved', 132, 1],
      ['whir round 0: of these ground', 'grinding', 16, 1],
    ]);
  });
});
