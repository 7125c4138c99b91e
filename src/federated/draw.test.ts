import { bls12_381 } from '@noble/curves/bls12-381.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, it } from 'vitest';
import { toHex } from '../provenance/bytes.js';
import { type Beacon, type Chain, QUICKNET, QUICKNET_HASH, beaconValue, chainHash, roundMessage, roundTime } from './beacon.js';
import { ratio } from './catch.js';
import { type DrawInput, below, choose, drawUnits, participants } from './draw.js';

/** Round 657413 of quicknet, as it was published. */
const PUBLISHED: Beacon = {
  chain: QUICKNET_HASH,
  round: 657413,
  signature: 'b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be41076862b98fad56e91a6b85b89cd97b',
};
const VALUE = 'fc1873a13f3545aeade8401532ef5519920652eee6b0d2b19ca12643b87b3587';

describe('beacons', () => {
  it('of quicknet are verified offline: chain, round, signature, value', () => {
    expect(chainHash(QUICKNET)).toBe(QUICKNET_HASH);
    expect(toHex(beaconValue(QUICKNET, 657413, PUBLISHED))).toBe(VALUE);
    expect(roundTime(QUICKNET, 1)).toBe(QUICKNET.genesis);
    expect(roundTime(QUICKNET, 657413)).toBe(1692803367 + 3 * 657412);
  });
  it('of another chain or round, or with another signature, are refused', () => {
    const other: Chain = { ...QUICKNET, genesis: QUICKNET.genesis + 1 };
    expect(() => beaconValue(other, 657413, PUBLISHED)).toThrow(/^beacon chain/);
    expect(() => beaconValue(QUICKNET, 657414, PUBLISHED)).toThrow(/^beacon round/);
    // A true signature under another number, and other bytes for it.
    expect(() => beaconValue(QUICKNET, 657414, { ...PUBLISHED, round: 657414 })).toThrow(/^beacon signature/);
    const flipped = `${PUBLISHED.signature.slice(0, 95)}c`,
      negated = `${(Number.parseInt(PUBLISHED.signature.slice(0, 2), 16) ^ 0x20).toString(16)}${PUBLISHED.signature.slice(2)}`;
    for (const signature of [flipped, negated, '', 'zz'.repeat(48), 'c0'.padEnd(96, '0'), PUBLISHED.signature.toUpperCase()])
      expect(() => beaconValue(QUICKNET, 657413, { ...PUBLISHED, signature })).toThrow(/^beacon signature/);
    expect(() =>
      beaconValue({ ...QUICKNET, publicKey: 'c0'.padEnd(192, '0') }, 657413, {
        ...PUBLISHED,
        chain: chainHash({ ...QUICKNET, publicKey: 'c0'.padEnd(192, '0') }),
      }),
    ).toThrow(/infinity/);
  });
  it('of a chain of somebody else are that chain, and no other', () => {
    const secret = Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? 7 : 0)),
      S = bls12_381.shortSignatures,
      chain: Chain = { ...QUICKNET, publicKey: S.getPublicKey(secret).toHex(), id: 'test' },
      signature = S.Signature.toHex(S.sign(S.hash(roundMessage(9)), secret)),
      b = { chain: chainHash(chain), round: 9, signature };
    expect(beaconValue(chain, 9, b)).toHaveLength(32);
    expect(() => beaconValue(QUICKNET, 9, { ...b, chain: QUICKNET_HASH })).toThrow(/^beacon signature/);
  });
});

const digest = (n: number): Uint8Array => sha256(Uint8Array.of(n));
const input: DrawInput = {
  federation: digest(1),
  round: 3,
  seal: digest(2),
  beacon: digest(3),
  pool: [
    { client: 'a', units: 4 },
    { client: 'b', units: 0 },
    { client: 'c', units: 9 },
    { client: 'd', units: 7 },
  ],
  coverage: ratio(1n, 4n),
  each: 0,
};

describe('draws', () => {
  it('are a function of charter, round, seal and beacon, and change with each', () => {
    const d = drawUnits(input);
    expect(drawUnits(input)).toEqual(d);
    expect([d.pool, d.drawn, d.units.length]).toEqual([20, 5, 5]);
    expect(new Set(d.units.map((u) => `${u.client} ${u.index}`)).size).toBe(5);
    for (const u of d.units) expect(u.index).toBeLessThan(input.pool.find((c) => c.client === u.client)!.units);
    for (const other of [{ federation: digest(9) }, { round: 4 }, { seal: digest(9) }, { beacon: digest(9) }])
      expect(drawUnits({ ...input, ...other }).units).not.toEqual(d.units);
  });
  it('take the ceiling of the coverage; order of the seal and a client left out matter', () => {
    expect(drawUnits({ ...input, coverage: ratio(1n, 19n) }).drawn).toBe(2);
    expect(drawUnits({ ...input, coverage: ratio(1n, 20n) }).drawn).toBe(1);
    const d = drawUnits(input).units;
    expect(drawUnits({ ...input, pool: [...input.pool].reverse() }).units).not.toEqual([...d].reverse());
    expect(drawUnits({ ...input, pool: input.pool.slice(1) }).drawn).toBe(4);
  });
  it('draw a unit of every client that was not hit, where the plan says so, and count it apart', () => {
    const d = drawUnits({ ...input, coverage: ratio(1n, 20n), each: 1 });
    expect(new Set(d.units.map((u) => u.client))).toEqual(new Set(['a', 'c', 'd']));
    expect(d.drawn).toBe(1);
  });
  it('are uniform: every pair of 5 comes as often as it should, and words beyond the last multiple are thrown away', () => {
    const counts = new Map<string, number>(),
      rounds = 20_000;
    for (let r = 0; r < rounds; r++) {
      const u = drawUnits({ ...input, round: r, pool: [{ client: 'a', units: 5 }], coverage: ratio(2n, 5n) })
        .units.map((x) => x.index)
        .join();
      counts.set(u, (counts.get(u) ?? 0) + 1);
    }
    expect(counts.size).toBe(10);
    // Chi-square of nine degrees of freedom: above 33 once in ten thousand; the draw is fixed, so this never flickers.
    expect([...counts.values()].reduce((s, n) => s + (n - rounds / 10) ** 2 / (rounds / 10), 0)).toBeLessThan(33);
    const top = (1n << 64n) - 1n;
    expect(below([top, 5n][Symbol.iterator](), 3)).toBe(2);
    expect(below([top, 5n][Symbol.iterator](), 7)).toBe(5);
    expect(() => choose([][Symbol.iterator](), 3, 4)).toThrow(RangeError);
  });
  it('choose participants by the last beacon, whatever the order of the list', () => {
    const names = Array.from({ length: 12 }, (_, i) => `c${i}`),
      p = participants(digest(5), 1, names, 4);
    expect(p).toHaveLength(4);
    expect(participants(digest(5), 1, [...names].reverse(), 4)).toEqual(p);
    expect(participants(digest(6), 1, names, 4)).not.toEqual(p);
    expect(participants(digest(5), 1, names, 20)).toEqual([...names].sort());
  });
});
