import type { Calls, Device, Vec } from './device.js';

/** Signed words of all lengths, with the edges of signs, halves and carries. */
const integers = (n: number, seed: number): BigUint64Array =>
  BigUint64Array.from({ length: n }, (_, i) => {
    const edge = 1n << BigInt((i * 5 + seed) % 64),
      word = BigInt.asUintN(64, (BigInt(i + 1) * 0x9e3779b97f4a7c15n) ^ (BigInt(seed) * 0xd1342543de82ef95n));
    return i % 4 === 0
      ? BigInt.asUintN(64, edge + BigInt((i >> 2) % 3) - 1n)
      : BigInt.asUintN(64, BigInt.asIntN(64, word) >> BigInt(i % 61));
  });

/** What a device makes of integer training and of keys, kernel by kernel. */
export function trained(d: Device): Record<string, BigUint64Array> {
  const n = 300,
    put = (words: BigUint64Array): Vec => {
      const v = d.vector(words.length);
      d.put(v, new Uint8Array(words.buffer));
      return v;
    },
    vector = (seed: number, words = n): Vec => put(integers(words, seed)),
    small = (words: number, bound: bigint): Vec => put(integers(words, 9).map((w) => w % bound)),
    out: Record<string, BigUint64Array> = {};
  const after = <K extends 'roots' | 'quotients' | 'larger' | 'entries' | 'leastSums'>(
    kernel: K,
    count: number,
    to: Vec,
    args: Omit<Calls[K], 'to'>,
  ): void => {
    d.run(kernel, count, { ...args, to } as Calls[K]);
    out[kernel] = d.get(to);
  };
  after('quotients', n, vector(1), { by: vector(2) });
  after('larger', n, vector(3), { other: vector(4) });
  const x = vector(5);
  after('roots', n, vector(5), { of: x });
  after('entries', n, d.vector(n), { from: small(n, 60n), column: vector(6, 40), first: 7n });
  const column = put(BigUint64Array.from({ length: 40 }, (_, i) => BigInt(Math.floor(2 ** (20 - i / 2)))));
  after('leastSums', 24, d.vector(24), { scores: small(24 * 9, 50n), length: 9, causal: 8, first: 1, column, target: 1n << 20n });
  const matrix = {
      sizes: [9, 7],
      constant: -5n,
      terms: [
        {
          coef: 3n,
          factors: [
            { of: x, at: 2, strides: [11, 0, 1] },
            { of: column, at: 0, strides: [0, 3, 1] },
          ],
          over: [11],
        },
        {
          coef: 1n,
          factors: [{ of: x, at: 0, strides: [1, 2] }],
          over: [],
          chosen: { ids: Int32Array.of(3, -1, 5, 0, 1, 2, -1, 4, 6), strides: [1, 0], apart: [6] },
        },
      ],
    },
    strides = [1, 10],
    place = (to: Vec) => ({ to, at: 1, strides, lo: -(1n << 63n), hi: (1n << 63n) - 1n, bad: d.zeroed(2) }),
    [sums, scatter] = [d.zeroed(80), d.zeroed(80)];
  d.run('sums', 63, { ...matrix, rounding: { nearest: true, shift: 9 }, base: matrix.terms[1], place: place(sums) });
  out['sums'] = d.get(sums);
  d.run('scatter', 63, { from: x, sizes: matrix.sizes, place: place(scatter) });
  out['scatter'] = d.get(scatter);
  const keys = d.zeroed(26),
    terms = [{ coef: 1n, factors: [{ of: small(51, 100n), at: 0, strides: [1] }], over: [] }],
    counts = d.zeroed(60);
  d.run('keys', 1, { items: [{ sizes: [51], constant: 3n, terms, to: keys, first: 3n, rows: 100n }], bad: d.zeroed(3) });
  d.run('counts', 1, { items: [{ to: counts, at: 5, keys, n: 51, bad: 119 }] });
  out['keys'] = d.get(keys);
  out['counts'] = d.get(counts);
  return out;
}
