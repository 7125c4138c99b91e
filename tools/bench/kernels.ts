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
  /** Least to native. */ readonly ratio?: number;
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
      ratio = limit.native === undefined ? {} : { ratio: Number((least / limit.native).toPrecision(2)) },
      row = { name, unit, median: Number(median(ns).toPrecision(3)), least, ...ratio, ...limit };
    if (ratio.ratio !== undefined && ratio.ratio > 3 && !limit.why)
      say(`${name}: ${ratio.ratio} times the native figure, and limits.ts does not say why`);
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
  for (const part of [field, hashes, sumchecks, products]) part(b);
  return b.rows;
}
