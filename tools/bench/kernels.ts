/**
 * Kernels on one thread, in ns per unit: median (and least) of many short runs, so that other work on the machine is
 * seen but does not rule; bytes moved, and the ratio of the least to the best native figure known (limits.ts). Options:
 * --runs N.
 */
import { goldilocks } from 'certune/field';
import { blake3Rows, poseidon2Rows } from 'certune/hash';
import { type Kernels, singleKernels } from 'certune/kernels';
import { median, option, say } from './common.js';
import { LIMITS, type Limit } from './limits.js';

export interface KernelRow extends Limit {
  readonly name: string;
  /** What the time is per. */ readonly unit: string;
  /** Nanoseconds. */ readonly median: number;
  readonly least: number;
  /** Least to native. */ readonly ratio: number;
}

/** Kernels under the clock. */
class Bench {
  readonly rows: KernelRow[] = [];
  readonly f: Kernels['exports'];
  #seed = 88172645463325252n;
  constructor(
    readonly k: Kernels,
    readonly runs: number,
  ) {
    this.f = k.exports;
  }
  /** Puts arbitrary words at an address, and returns it. */
  readonly fill = (p: number, words: number): number => {
    for (let i = 0; i < words; i++) {
      this.#seed = (this.#seed * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
      this.k.u64[p / 8 + i] = this.#seed >> 1n;
    }
    return p;
  };
  /** Address of so many arbitrary words. */
  readonly words = (n: number): number => this.fill(this.k.alloc(8 * n), n);
  /** Takes the time of many runs, each of so many units; `before` is not counted. */
  readonly time = (name: string, unit: string, units: number, run: () => void, before = (): void => {}): void => {
    const ns: number[] = [];
    for (let i = 0; i < this.runs + 3; i++) {
      before();
      const t = performance.now();
      run();
      if (i >= 3) ns.push(((performance.now() - t) * 1e6) / units);
    }
    const limit = LIMITS[name];
    if (!limit) throw new Error(`limits.ts does not know ${name}`);
    const least = Number(Math.min(...ns).toPrecision(3)),
      ratio = Number((least / limit.native).toPrecision(2)),
      row = { name, unit, median: Number(median(ns).toPrecision(3)), least, ratio, ...limit };
    if (ratio > 3 && !limit.why) say(`${name}: ${ratio} times the native figure, and limits.ts does not say why`);
    this.rows.push(row);
    say(`${name.padEnd(46)} ${String(row.median).padStart(8)} ns per ${unit} (least ${row.least})`);
  };
}

/** Products of the field and of its extension, transforms. */
function field({ k, f, words, time }: Bench): void {
  k.scope(() => {
    const n = 2 ** 15,
      [a, b, d] = [words(n), words(n), k.alloc(8 * n)];
    time('field multiply', 'product', n, () => f.mulWords(d, a, b, 0, n));
  });
  k.scope(() => {
    const n = 2 ** 13,
      [a, c, d] = [words(3 * n), words(3), k.alloc(24 * n)];
    time('E multiply, by one element', 'product', n, () => f.scaleExt(d, a, c, 0, n));
    const z = words(3 * 64),
      o = k.alloc(24 * 128);
    time('E multiply and add, sums of 64 products', 'product', 64 * 128, () => f.dotRows(o, a, z, 64, 0, 128));
  });
  for (const [log, grow] of [
    [10, 2],
    [18, 2],
  ])
    k.scope(() => {
      const n = 2 ** log,
        m = n << grow,
        [src, dst, tw] = [words(n), k.alloc(8 * m), k.alloc(8 * m)];
      f.nttTwiddles(tw, log + grow, BigInt.asIntN(64, goldilocks.root(log + grow)));
      time(`NTT 2^${log} -> 2^${log + grow}`, 'output', m, () => f.nttWords(dst, src, 0, 1, n, 1, log, log + grow, tw, 0, 1));
    });
}

/** Permutations, rows and trees of both hashes. */
function hashes({ k, f, words, time }: Bench): void {
  k.scope(() => {
    const n = 512,
      s = words(12 * n);
    time('Poseidon2, one at a time', 'permutation', n, () => {
      for (let j = 0; j < n; j++) f.poseidon2(s + 96 * j);
    });
    time('Poseidon2, two at a time', 'permutation', n, () => {
      for (let j = 0; j < n; j += 2) f.poseidon2Pair(s + 96 * j, s + 96 * j + 96);
    });
  });
  for (const h of [poseidon2Rows, blake3Rows])
    k.scope(() => {
      const n = 1024,
        cols = words(n * 64),
        dst = k.alloc(32 * n);
      time(`${h.name} rows of 64 words`, '64 bytes', n * 8, () =>
        k.scope(() => {
          const r = h.rows(k, n, 64);
          for (let w = 0; w < 64; w += 8) r.absorb(cols + 8 * n * w, 8, 8 * n);
          r.finish(dst);
        }),
      );
      time(`${h.name} Merkle tree above 1024 leaves`, 'node', n - 1, () => {
        for (let m = n / 2; m >= 1; m /= 2) h.merkleLevel(k, dst, dst, m);
      });
    });
}

/** Rounds and folds of the sumcheck and of LogUp-GKR. */
function sumchecks({ k, f, words, fill, time }: Bench): void {
  k.scope(() => {
    const n = 2 ** 13,
      [a, w, x, r, out, s] = [words(3 * n), words(3 * n), words(n), words(3), k.alloc(64), k.alloc(64)];
    time('sumcheck round f w, f in F', 'entry', n, () => f.scHalves(out, x, 1, w, n / 2, n / 2, 0, n / 2));
    time('sumcheck round f w, f in E', 'entry', n, () => f.scHalves(out, a, 0, w, n / 2, n / 2, 0, n / 2));
    time('fold of one array', 'entry', n, () => f.foldHalves(a, a, 0, n / 2, n / 2, r, 0, n / 2));
    void s;
  });
  k.scope(() => {
    const n = 2 ** 12,
      arrays = [0, 1, 2, 3].map(() => words(3 * n)),
      [col, row, lam, out, s] = [words((3 * n) / 2), words(3), words(3), k.alloc(64), k.alloc(512)],
      [dn, dd] = [k.alloc(12 * n), k.alloc(12 * n)];
    const [n0, n1, d0, d1] = arrays;
    time('LogUp-GKR, one layer up', 'fraction', n, () => f.gkrLayer(dn, dd, n0, d0, n, s, 0, 1));
    time('LogUp-GKR, round of a layer', 'pair of fractions', n, () => f.gkrRound(out, n0, n1, d0, d1, n, 1, n, col, row, lam, s, 0, 1));
    time(
      'LogUp-GKR, fold of a layer',
      'pair of fractions',
      n,
      () => f.gkrFold(n0, n1, d0, d1, n, 1, n, lam, s, 0, 1),
      () => {
        for (const a of arrays) fill(a, 12);
      },
    );
  });
}

/** Leaves of LogUp and the rounds that are products of two arrays; terms of the batched sumcheck. */
function leaves({ k, f, words, fill, time }: Bench): void {
  k.scope(() => {
    const n = 2 ** 12,
      keys = k.alloc(8 * n),
      [g, lam, s] = [words(3), words(3), k.alloc(512)],
      [x, y, col, row, out] = [words(3 * n), words(3 * n), words(3 * n), words(3), k.alloc(64)];
    for (let i = 0; i < 2 * n; i++) k.u32[keys / 4 + i] = (i * 40503) % 2 ** 20;
    time('LogUp-GKR, first layer from keys of a range', 'pair of fractions', n, () => f.gkrLeafRange(x, y, keys, g, 0, n));
    time('LogUp-GKR, leaves of a range', 'pair of fractions', n, () => f.leafPairsRange(x, y, keys, g, lam, 0, n));
    fill(x, 6 * n);
    time('LogUp-GKR, round of a product', 'pair of elements', n / 2, () => f.gkrProduct(out, x, y, n, 1, n, col, row, lam, 0, 1));
    const refill = (): void => {
      for (const p of [x, y]) fill(p, 12);
    };
    time('LogUp-GKR, fold of a product', 'pair of elements', n / 2, () => f.gkrFoldPair(x, y, n, 1, n, lam, lam, s, 0, 1), refill);
    time('outer product of weights', 'product', 64 * 64, () => f.outer(col, x, y, 64, 0, 64));
  });
  k.scope(() => {
    const n = 2 ** 12,
      arrays = [0, 1, 2].map(() => words(3 * n)),
      [out, scratch, d] = [k.zeroed(512), k.alloc(8192), k.alloc(512)],
      box = (factors: readonly number[]): void => k.u32.set([0, n, factors.length, 0, 0, ...factors.flatMap((a) => [a, 1, 24])], d / 4);
    box(arrays);
    time('sumcheck round with terms, three factors', 'pair of entries', n / 2, () => f.sumRound(out, d, scratch, 0, n / 2));
    box([arrays[0], ...Array<number>(7).fill(arrays[1])]);
    time('sumcheck round with terms, an element times a seventh power', 'pair of entries', n / 2, () =>
      f.sumRound(out, d, scratch, 0, n / 2),
    );
    k.u32.set([0, n, 1, 24], d / 4);
    time('fold of one array of terms', 'entry', n, () => f.sumFold(arrays[0], arrays[1], d, words(3), scratch, 0, n / 2));
    const [desc, idx, dst] = [k.alloc(64), k.alloc(64), k.zeroed(24 * 2 ** 8)];
    k.i32.set([1, 1, 2 ** 6, 2 ** 6, 2 ** 6, 1], desc / 4);
    time('projection of integers', 'word', 2 ** 12, () => f.project(dst, arrays[0], arrays[1], desc, idx, 0, 2 ** 6, 0, 2 ** 6));
  });
}

/** Weights and folds of an opening, nonces, rows of permutations of a circuit, the stream of masks. */
function openings({ k, f, words, time }: Bench): void {
  k.scope(() => {
    const n = 2 ** 12,
      [w, v, r, x] = [words(3 * n), words(3 * n), words(3), words(n)];
    time('fold of words', 'entry', n, () => f.foldHalves(w, x, 1, n / 2, n / 2, r, 0, n / 2));
    time('weights of a claim', 'cell', n, () => f.addOuterCells(w, r, v, 0, n));
    const [xs, gs, scratch] = [words(64), words(192), k.alloc(24 * 64)];
    time('weights of queries, power by power', 'power', 64 * n, () => f.addPowers(w, xs, gs, 64, scratch, 0, n));
    time('weights of queries, from one transform', 'cell', n, () => f.addTransformed(w, v, 12, 0, n));
    time('powers of a point out of the domain', 'power', n, () => f.addPowersExt(w, r, v, n));
    const desc = k.alloc(64);
    k.i32.set([2, 0, 6, 64, 6, 1], desc / 4);
    time('cells of a block of the stack', 'word', n, () => f.blockCopy(w, v, 8, desc, 0, n));
  });
  k.scope(() => {
    const n = 512,
      [state, found] = [words(12), k.zeroed(64)];
    time('nonces', 'permutation', n, () => f.p2GrindTo(state, 0, found, 60, 0, n));
    const [x, src, constants, s] = [k.alloc(8 * 118 * n), words(12 * n), words(130), k.alloc(96)];
    time('witness of permutations', 'permutation', n, () => f.p2Trace(x, src, n, constants, s, 0, n));
    const [dst, scratch, key] = [k.alloc(512), k.alloc(640), words(4)];
    time('output stream of BLAKE3', '64 bytes', 4 * n, () => {
      for (let i = 0; i < n; i++) f.b3Stream(dst, scratch, key, src);
    });
  });
}

/** Keys and multiplicities; the training's tables, rounding and softmax. */
function training({ k, f, time }: Bench): void {
  k.scope(() => {
    const n = 2 ** 14,
      rows = 2 ** 16,
      [src, dst, keys, mult, err, desc] = [k.alloc(8 * n), k.alloc(8 * n), k.alloc(4 * n), k.zeroed(4 * rows), k.zeroed(64), k.alloc(64)],
      column = k.alloc(8 * rows);
    for (let i = 0; i < n; i++) k.i64[src / 8 + i] = BigInt((i * 40503) % rows);
    for (let i = 0; i < rows; i++) k.i64[column / 8 + i] = BigInt(Math.round(2 ** 20 * Math.exp(-i / 2 ** 11)));
    time('keys of lookups', 'key', n, () => f.keysOut(keys, src, 0n, BigInt(rows), err, 0, n));
    time('multiplicities', 'key', n, () => f.countKeys(mult, keys, n));
    time('training, columns of a table', 'cell', n, () => f.ewTable(dst, src, column, 0n, BigInt(rows), 0, n));
    time('training, rounding', 'cell', n, () => f.ewRound(dst, 3, 0, n));
    k.i32.set([1, n, 1], desc / 4);
    time('training, cells to their places', 'cell', n, () => f.scatter(src, dst, desc, -(1n << 62n), 1n << 62n, err, 0, n));
    for (let i = 0; i < n; i++) k.i64[src / 8 + i] = BigInt((i * 40503) % 2 ** 13);
    time('training, log-sum-exp of rows of 64 scores', 'score', n, () =>
      f.ewLse(dst, src, 64, 0, 0, column, BigInt(rows), 1n << 20n, 0, n / 64),
    );
  });
}

/** Integer matrix products. */
function products({ k, f, time }: Bench): void {
  for (const n of [128, 512])
    k.scope(() => {
      const [a, b] = [0, 1].map(() => {
          const p = k.alloc(8 * n * n);
          for (let i = 0; i < n * n; i++) k.i64[p / 8 + i] = BigInt(((i * 7919) % 65521) - 32760);
          return p;
        }),
        acc = k.zeroed(8 * n * n),
        desc = k.alloc(256),
        scratch = k.alloc(64);
      // Axes i (outer), k (contracted), j (inner): counts, size of j and its strides in a, b, c; then size and strides
      // of i and of k.
      k.i32.set([1, 1, n, 0, 1, 0, n, n, 0, 0, n, 1, n, 0], desc / 4);
      time(`integer matrix product ${n}^3`, 'multiply-add', n ** 3, () => f.einsum(acc, a, b, 0, 2, 1n, desc, scratch, 0, n));
    });
}

export function kernels(args: readonly string[]): KernelRow[] {
  const b = new Bench(singleKernels(), option(args, 'runs', 60));
  for (const part of [field, hashes, sumchecks, leaves, openings, training, products]) part(b);
  return b.rows;
}
