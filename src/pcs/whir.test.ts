import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as E from '../field/ext3.js';
import { P } from '../field/goldilocks.js';
import { singleKernels } from '../kernels/single.js';
import {
  type Channel,
  type Elem,
  type Ext,
  NativeChannel,
  RecordingChannel,
  VerificationError,
  asDigest,
  scheduleWords,
} from '../transcript/index.js';
import { ProverChannel } from '../transcript/prover.js';
import { eqTable } from '../poly/eq.js';
import { type Columns, commitBase, commitColumns, commitZero, openRows, saveTree } from './commit.js';
import {
  type GroupSpec,
  type Provenance,
  TrustedRoot,
  type WhirShape,
  groupCells,
  openPermutations,
  usedColumns,
  verifyWhir,
  whirLedger,
  whirShape,
} from './index.js';
import { type GroupOpening, openWhir } from './prove.js';

const k = singleKernels();
const rnd = (s: number): (() => bigint) => {
  let x = BigInt(s) * 0x9e3779b97f4a7c15n + 1n;
  return () => {
    x = (x * 6364136223846793005n + 1442695040888963407n) & ((1n << 64n) - 1n);
    return x % P;
  };
};
const params = { bits: 40, grinding: 4 };

/** A group of so many columns and rows; a tree a list of parts, a part the columns it holds behind the one before. */
const group = (logColumns: number, logHeight: number, trees: readonly (number | readonly number[])[], logInvRate = 2): GroupSpec => {
  let at = 0;
  return {
    logColumns,
    logHeight,
    logInvRate,
    trees: trees.map((t) => ({
      parts: (typeof t === 'number' ? [t] : t).map((used) => {
        at += used;
        return { used, offset: at - used };
      }),
    })),
  };
};

/** The same group, whose roots are trusted. */
const trusted = (g: GroupSpec, of: Provenance = 'key'): GroupSpec => ({ ...g, trusted: of });
const trustedRoot = (of: Provenance, root: Elem[]): TrustedRoot =>
  of === 'key' ? TrustedRoot.ofKey(asDigest(root)) : TrustedRoot.ofBase(asDigest(root));

interface Tamper {
  f?: number;
  claim?: number;
  /** What is added to the claim of each group. */ off?: readonly Ext[];
  /** How a dishonest prover opens: another shape, oracles of other groups. */ as?: (
    s: WhirShape,
    o: GroupOpening[],
  ) => [WhirShape, GroupOpening[]];
  hook?: (l: string, w: readonly bigint[]) => readonly bigint[];
}

function setup(seed: number, groups: readonly GroupSpec[], tamper: Tamper = {}) {
  const r = rnd(seed),
    shape = whirShape(params, groups);
  const stacks = groups.map((g, n) => {
    const H = 2 ** g.logHeight,
      cells = groupCells(g),
      f = k.zeroed(8 * cells),
      w = k.alloc(24 * cells);
    for (const { used, offset } of g.trees.flatMap((t) => t.parts))
      for (let i = offset * H; i < (offset + used) * H; i++) k.i64[f / 8 + i] = BigInt.asIntN(64, r()) >> 20n;
    for (let i = 0; i < cells; i++) k.writeExt(w + 24 * i, [r(), r(), r()]);
    const weights = k.readExts(w, cells);
    let claim = weights.reduce<Ext>((s, x, i) => E.add(s, E.mulBase(x, ((k.i64[f / 8 + i] % P) + P) % P)), E.ZERO);
    const oracles = g.trees.map((t) => {
      const columns = t.parts.flatMap((p) => Array.from({ length: p.used }, (_, j) => p.offset + j));
      const fill: Columns['fill'] = (dst, from, count) => {
        for (let c = 0; c < count; c++)
          k.u8.copyWithin(dst + 8 * c * H, f + 8 * columns[from + c] * H, f + 8 * (columns[from + c] + 1) * H);
      };
      return commitColumns(k, {
        ptr: 0,
        fill,
        used: columns.length,
        logHeight: g.logHeight,
        logDomain: g.logHeight + g.logInvRate,
        ext: false,
      });
    });
    if (tamper.f === n) k.i64[f / 8 + 3] += 1n;
    if (tamper.claim === n) claim = E.add(claim, E.ONE);
    if (tamper.off) claim = E.add(claim, tamper.off[n]);
    return { cells, f, w, weights, claim, oracles };
  });
  const roots = stacks.map((s) => s.oracles.map((o) => o.root));
  const run = (
    ch: Channel,
    rs: readonly (readonly bigint[][])[],
    kinds: readonly (Provenance | undefined)[] = groups.map((g) => g.trusted),
  ) => {
    const ds = rs.map((list) => list.map((x) => x.map((v) => ch.constant(v))));
    ds.flat().forEach((d: Elem[]) => ch.publicElems('root', d));
    verifyWhir(
      ch,
      shape,
      stacks.map((s, n) => ({
        roots: ds[n].map((root) => {
          const of = kinds?.[n];
          return of ? trustedRoot(of, root) : asDigest(root);
        }),
        value: ch.constant(s.claim),
        weights: (pt) => {
          const eq = eqTable(ch, pt);
          return s.weights.reduce<Elem>((sum, v, i) => ch.mulAdd(eq[i], ch.constant(v), sum), ch.constant(0n));
        },
      })),
    );
  };
  const rec = new RecordingChannel();
  run(rec, roots);
  const prover = new ProverChannel(rec.schedule, { hook: tamper.hook });
  roots.flat().forEach((x) => prover.publicWords('root', x));
  const honest = stacks.map(
    (s): GroupOpening => ({ oracles: s.oracles, f: { length: s.cells, ptr: s.f }, w: { length: s.cells, ptr: s.w }, value: s.claim }),
  );
  openWhir(k, prover, ...(tamper.as?.(shape, honest) ?? ([shape, honest] as const)));
  const proof = prover.words();
  const verify = (p: BigUint64Array, rs: readonly (readonly bigint[][])[] = roots, kinds?: readonly (Provenance | undefined)[]): void => {
    const native = new NativeChannel(k, p);
    try {
      run(native, rs, kinds);
      native.finish();
    } finally {
      native.close();
    }
  };
  return { proof, verify, schedule: rec.schedule, roots, shape };
}

describe('WHIR', () => {
  it.each<[string, GroupSpec[]]>([
    ['4 columns of 2^6 rows', [group(2, 6, [4])]],
    ['5 of 8 columns', [group(3, 9, [5])]],
    ['two trees', [group(2, 8, [1, 2])]],
    ['three trees', [group(4, 10, [3, 4, 2])]],
    ['one column', [group(0, 5, [1])]],
    ['one of two columns', [group(1, 9, [1])]],
    ['3 of 4 columns', [group(2, 10, [3])]],
    // Each committed vector is opened after the next one is made.
    ['later oracles', [group(1, 14, [2])]],
    ['a second group, lower and at another rate', [group(2, 10, [3]), group(2, 7, [1, 2], 4)]],
    ['a second group that is higher', [group(2, 6, [4]), group(3, 10, [[2, 1], 3], 3)]],
    ['groups of one height', [group(1, 9, [2]), group(2, 9, [[1, 2]], 5)]],
    ['groups whose vectors are sent', [group(2, 5, [3]), group(1, 3, [[1, 1]], 4)]],
    ['three groups', [group(2, 8, [3]), group(0, 11, [1], 3), group(3, 4, [5], 5)]],
    ['a trusted stack', [trusted(group(2, 9, [3], 4), 'base')]],
    ['a trusted stack whose vector is sent', [trusted(group(1, 5, [2], 3))]],
    ['a trusted group beside a witness', [group(2, 10, [3]), trusted(group(2, 7, [3], 4))]],
    [
      'a trusted group that is higher, and one in the middle',
      [group(2, 6, [4]), trusted(group(1, 8, [2], 3)), trusted(group(2, 10, [3], 4))],
    ],
    [
      'a tree of two parts with a gap before the second',
      [
        {
          ...group(3, 8, [1]),
          trees: [
            {
              parts: [
                { used: 2, offset: 0 },
                { used: 3, offset: 4 },
              ],
            },
          ],
        },
      ],
    ],
  ])('opens %s', (_n, groups) => {
    const m = k.mark(),
      s = setup(7, groups);
    expect(s.proof.length).toBe(scheduleWords(s.schedule));
    s.verify(s.proof);
    for (let i = 0; i < s.proof.length; i += 1 + Math.floor(s.proof.length / 40)) {
      const bad = s.proof.slice();
      bad[i] ^= 1n;
      expect(() => s.verify(bad), String(i)).toThrow(VerificationError);
    }
    k.release(m);
  });
  const joint = [group(2, 10, [3]), group(2, 7, [1, [1, 1]], 4)],
    vouched = [joint[0], trusted(joint[1])];
  it('rejects a changed stack, a wrong claim, a wrong root of either group', () => {
    const m = k.mark();
    for (const groups of [joint, vouched, [trusted(joint[0]), joint[1]]])
      for (const n of [0, 1])
        for (const t of [{ f: n }, { claim: n }]) {
          const s = setup(3, groups, t);
          expect(() => s.verify(s.proof), JSON.stringify(t)).toThrow(VerificationError);
        }
    const s = setup(3, joint);
    const other = (n: number, t: number): readonly bigint[][][] =>
      s.roots.map((list, i) => list.map((x, j) => (i === n && j === t ? [1n, 2n, 3n, 4n] : x)));
    for (const [n, t] of [
      [0, 0],
      [1, 0],
      [1, 1],
    ])
      expect(() => s.verify(s.proof, other(n, t))).toThrow(VerificationError);
    expect(() => s.verify(s.proof, [s.roots[0], [s.roots[1][1], s.roots[1][0]]])).toThrow(VerificationError);
    k.release(m);
  });
  it('rejects claims that are false by opposite amounts, whose errors a prover keeps opposite to the end', () => {
    // Half of a claim's error added to s(0) leaves a round with half the error whatever its challenge is. So the two
    // claims are folded to claims on the parts that are false by 1 and -1: joined without a challenge they would cancel
    // out, with and without an oracle behind them.
    for (const groups of [
      joint,
      vouched,
      [group(2, 5, [3]), group(1, 3, [1, 1], 4)],
      [group(2, 5, [3]), trusted(group(1, 3, [1, 1], 4))],
    ]) {
      const m = k.mark(),
        half = (P + 1n) / 2n,
        sign: Ext[] = [E.ONE, E.sub(E.ZERO, E.ONE)];
      // Errors before every round, the last one 1.
      const errors = groups.map((g) => Array.from({ length: g.logColumns }, (_, v) => 2n ** BigInt(g.logColumns - v))),
        at = [0, 0];
      const s = setup(3, groups, {
        off: groups.map((g, n) => E.mulBase(sign[n], 2n ** BigInt(g.logColumns))),
        hook: (l, w) => {
          const n = l === 'whir 0 0 sumcheck' ? 0 : l === 'whir 0 1 sumcheck' ? 1 : undefined;
          if (n === undefined) return w;
          const add = E.mulBase(sign[n], (errors[n][at[n]++] * half) % P);
          return w.map((x, i) => (i < 3 ? (x + add[i]) % P : x));
        },
      });
      expect(at).toEqual(groups.map((g) => g.logColumns));
      expect(() => s.verify(s.proof)).toThrow('WHIR final sum');
      k.release(m);
    }
  });
  it("rejects groups in each other's place: trees, parts of the next vector, claims", () => {
    // Alike in everything, so that nothing but the proof tells them apart.
    const m = k.mark();
    for (const twins of [
      [group(2, 9, [3]), group(2, 9, [3])],
      [trusted(group(2, 9, [3])), trusted(group(2, 9, [3]))],
    ])
      swapped(twins);
    k.release(m);
  });
  const swapped = (twins: readonly GroupSpec[]): void => {
    const parts = setup(9, twins, {
      as: (s, o) => [{ ...s, groups: [0, 1].map((n) => ({ ...s.groups[n], at: s.groups[1 - n].at })) }, o],
    });
    expect(() => parts.verify(parts.proof)).toThrow(VerificationError);
    const trees = setup(9, twins, { as: (s, o) => [s, [0, 1].map((n) => ({ ...o[n], oracles: o[1 - n].oracles }))] });
    expect(() => trees.verify(trees.proof)).toThrow('Merkle cap');
    const folded = setup(9, twins, { as: (s, [a, b]) => [s, [b, a]] });
    expect(() => folded.verify(folded.proof)).toThrow(VerificationError);
    const s = setup(9, twins);
    s.verify(s.proof);
    expect(() => s.verify(s.proof, [s.roots[1], s.roots[0]])).toThrow(VerificationError);
  };
  it('cells beyond the parts have no weight: whatever fills them, a true claim is proved and a false one is not', () => {
    const m = k.mark(),
      short = [group(2, 10, [3]), group(1, 3, [1, 1], 4)],
      { shape } = setup(5, short),
      [next] = shape.rounds,
      { cells } = shape,
      full = next.used * 2 ** next.rows;
    expect(full).toBeGreaterThan(cells);
    // The next vector, longer by what fills its last column; `counted`: whether its value out of the domain takes the
    // filling in.
    const filled = (counted: boolean, tamper: Tamper = {}): ReturnType<typeof setup> => {
      const { zeroed } = k,
        { exports } = k,
        own = k as { zeroed: typeof zeroed; exports: typeof exports };
      let first = true;
      own.zeroed = (bytes) => {
        const p = zeroed.call(k, bytes);
        if (first && bytes === 24 * full) {
          for (let i = cells; i < full; i++) k.writeExt(p + 24 * i, [BigInt(i), 7n, BigInt(i * i)]);
          first = false;
        }
        return p;
      };
      if (!counted)
        own.exports = {
          ...exports,
          hornerExt: (o, f, z, n) => exports['hornerExt'](o, f, z, n === full ? cells : n),
          addPowersExt: (w, x, c, n) => exports['addPowersExt'](w, x, c, n === full ? cells : n),
        };
      try {
        return setup(5, short, { ...tamper, as: (s, o) => [{ ...s, cells: full }, o] });
      } finally {
        own.zeroed = zeroed;
        own.exports = exports;
        expect(first).toBe(false);
      }
    };
    const [true_, counted, lie] = [filled(false), filled(true), filled(false, { claim: 1 })];
    expect(true_.proof).not.toEqual(setup(5, short).proof);
    expect(() => true_.verify(true_.proof)).not.toThrow();
    expect(() => counted.verify(counted.proof)).toThrow(VerificationError);
    expect(() => lie.verify(lie.proof)).toThrow(VerificationError);
    k.release(m);
  });
  it('rejects every mutated word, without any other error', () => {
    const m = k.mark(),
      s = setup(11, joint);
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
    for (const groups of [joint, vouched]) {
      const m = k.mark(),
        labels = new Set(setup(5, groups).schedule.flatMap((x) => (['ext', 'digest', 'cap', 'opening'].includes(x.kind) ? [x.label] : [])));
      expect([...labels]).toContain('whir 0 1 row');
      for (const label of labels) {
        const s = setup(5, groups, { hook: (l, w) => (l === label ? w.map((x, i) => (i === 0 ? (x + 1n) % P : x)) : w) });
        expect(() => s.verify(s.proof), label).toThrow(VerificationError);
      }
      k.release(m);
    }
  });
  it('the tree over columns of zeros, which is not hashed row by row, is that which would be', () => {
    const k = singleKernels();
    for (const hash of ['poseidon2', 'blake3'] as const)
      for (const [used, height, rate] of [
        [1, 3, 1],
        [9, 5, 2],
        [19, 0, 4],
      ]) {
        const from = k.zeroed(8 * used * 2 ** height),
          [zero, whole] = [commitZero, commitBase].map((commit) => commit(k, from, used, height, { logInvRate: rate, hash }));
        expect(zero.root).toEqual(whole.root);
        expect(saveTree(zero)).toEqual(saveTree(whole));
        expect(openRows(k, zero, [0, 5 % 2 ** (height + rate)], 1)).toEqual(openRows(k, whole, [0, 5 % 2 ** (height + rate)], 1));
      }
  });

  it('refuses trees outside their stack, and as many claims as there are groups', () => {
    expect(() => whirShape(params, [group(1, 5, [3])])).toThrow('outside the stack');
    expect(() => whirShape(params, [group(1, 31, [2])])).toThrow('two-adicity');
    const { shape } = setup(1, [group(2, 6, [4])]),
      rec = new RecordingChannel();
    expect(() => verifyWhir(rec, shape, [])).toThrow('one claim per group');
  });
  it('takes a root for trusted where its verifier says whose word it is, and nowhere else', () => {
    const m = k.mark(),
      s = setup(3, vouched),
      kinds = (a?: Provenance, b?: Provenance) => (): void => s.verify(s.proof, s.roots, [a, b]);
    expect(kinds(undefined, 'key')).not.toThrow();
    // A root that came with the proof, one of another origin, one vouched for where the queries are those of no trust.
    expect(kinds()).toThrow('a root of a proof for a group of key');
    expect(kinds(undefined, 'base')).toThrow('a root of base for a group of key');
    expect(kinds('key', 'key')).toThrow('a root of key for a group of a proof');
    // Nothing in a proof's shape makes a trusted group of another one: the queries differ, and the words with them.
    const plain = setup(3, joint);
    expect(plain.shape.groups[1].queries).toBeGreaterThan(s.shape.groups[1].queries);
    expect(() => s.verify(plain.proof)).toThrow(VerificationError);
    expect(() => plain.verify(s.proof)).toThrow(VerificationError);
    k.release(m);
  });
  it('buys the bits it claims, with the fewest hashes for its caps', () => {
    for (const bits of [100, 128])
      for (const r of [1, 2, 3, 4])
        for (const h of [4, 9, 15, 19, 22])
          for (const groups of [
            [group(6, h, [40], r)],
            [
              group(6, h, [40], r),
              group(
                6,
                Math.max(3, h - 4),
                [
                  [5, 13],
                  [5, 13],
                ],
                5,
              ),
            ],
            [group(6, h, [40], r), trusted(group(4, Math.max(3, h - 2), [14], 6))],
            [trusted(group(5, h, [30], r), 'base')],
          ]) {
            const s = whirShape({ bits, grinding: 16 }, groups);
            for (const t of whirLedger(s, ['a', 'b'])) if (t.kind === 'proved') expect(t.bits, t.name).toBeGreaterThanOrEqual(bits);
            for (const o of [...s.groups, ...s.rounds]) {
              const cost = (cap: number): number => o.queries * (o.domain - cap) + 2 ** cap;
              for (let c = 0; c <= o.domain; c++) expect(cost(o.cap)).toBeLessThanOrEqual(cost(c));
            }
            // Domains shrink and rates fall; every vector has a place.
            s.rounds.reduce(
              (last, x) => {
                expect(x.domain).toBeLessThan(last.domain);
                expect(x.logInvRate).toBeGreaterThanOrEqual(last.logInvRate);
                return x;
              },
              { domain: Math.max(...s.groups.map((g) => g.domain)), logInvRate: Math.min(...s.groups.map((g) => g.logInvRate)) },
            );
            expect(new Set(s.groups.map((g) => g.at)).size).toBe(s.groups.length);
            for (const g of s.groups) expect(g.at % 2 ** g.logHeight).toBe(0);
          }
  });
  it('takes the rounds that a reader can check by hand', () => {
    // 128 bits, 36 columns of 2^18 rows at rate 1/4 beside 38 of 2^11 at 1/32.
    const s = whirShape({ bits: 128, grinding: 16 }, [
      group(6, 18, [36]),
      group(
        6,
        11,
        [
          [5, 14],
          [5, 14],
        ],
        5,
      ),
    ]);
    expect(s.groups.map((g) => [g.domain, g.queries, g.cap, g.at])).toEqual([
      [20, 113, 7, 0],
      [16, 45, 6, 2 ** 18],
    ]);
    expect([s.cells, s.vars]).toEqual([2 ** 18 + 2 ** 11, 19]);
    expect(openPermutations(115, 20, 36)).toBe(115 * (5 + 13) + 127);
    expect(s.rounds.map((r) => [r.columns, r.rows, r.used, r.domain, r.queries])).toMatchInlineSnapshot(`
      [
        [
          5,
          14,
          17,
          17,
          75,
        ],
        [
          4,
          10,
          16,
          15,
          45,
        ],
        [
          4,
          6,
          16,
          13,
          33,
        ],
      ]
    `);
    expect(usedColumns(s.groups[1].trees[0])).toBe(19);
  });
});
