import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
import type { CpuKernel } from './cpu-opening.js';
import type { Vec } from './device.js';
import type { KeyVec, LookupCalls, PairVec, RoundItem } from './lookup.js';

type Address = (v: Vec) => number;

/** Cells per thread below which a call costs more than it saves; rows of that length per thread, likewise. */
const GRAIN = 8192;
const grain = (len: number): number => Math.max(1, Math.ceil(GRAIN / len));
/** Bytes of scratch memory of a thread. */
const SCRATCH = 512;

const keyAddress = ({ vec, at }: KeyVec, address: Address): number => address(vec) + 4 * at;
/** Addresses of the four values, of which numerators may be none. */
const pairAddresses = (q: PairVec, address: Address): [number, number, number, number] => [
  q.n0 ? address(q.n0) : 0,
  q.n1 ? address(q.n1) : 0,
  address(q.d0),
  address(q.d1),
];

/** Both sums of a round over all items, of what a kernel leaves per thread. */
function roundSums(
  k: Kernels,
  kernel: string,
  to: number,
  items: readonly RoundItem[],
  args: (item: RoundItem, scratch: number) => (lo: number, hi: number, t: number) => number[],
): void {
  k.scope(() => {
    const out = k.zeroed(64 * k.threads),
      scratch = k.alloc(SCRATCH * k.threads);
    for (const item of items) {
      const list = args(item, scratch);
      k.parallel(kernel, item.grid.rows, grain(item.grid.len), (lo, hi, t) => [out + 64 * t, ...list(lo, hi, t)]);
    }
    for (const at of [0, 24]) {
      let sum: E.Ext = E.ZERO;
      for (let t = 0; t < k.threads; t++) sum = E.add(sum, k.readExt(out + 64 * t + at));
      k.writeExt(to + at, sum);
    }
  });
}

/** Kernels of LogUp-GKR on the memory of the CPU's. */
export const cpuLookup: { readonly [C in keyof LookupCalls]: CpuKernel<LookupCalls[C]> } = {
  eqTables(k, _n, { to, tables }, address) {
    const base = address(to);
    for (const { at, n, point } of tables) k.scope(() => k.exports['eqTrunc'](base + 24 * at, k.exts(point), point.length, n, k.alloc(64)));
  },
  rowWeights(k, _n, { tables, items }, address) {
    const base = address(tables);
    for (const { to, first, axes } of items) {
      const dst = address(to);
      if (axes.length === 0) k.writeExts(dst, first);
      else
        k.scope(() => {
          let from = k.exts(first),
            rows = first.length;
          axes.forEach(({ at, n }, i) => {
            const out = i + 1 === axes.length ? dst : k.alloc(24 * rows * n),
              src = from;
            k.parallel('outer', rows, grain(n), (lo, hi) => [out, src, base + 24 * at, n, lo, hi]);
            from = out;
            rows *= n;
          });
        });
    }
  },
  copies(k, _n, { items }, address) {
    for (const { to, from } of items) {
      const at = address(from);
      k.u8.copyWithin(address(to), at, at + 8 * from.words);
    }
  },
  leaves(k, _n, { items }, address) {
    for (const { to, n, leaf } of items) {
      const dst = address(to),
        keys = keyAddress(leaf.keys, address);
      k.scope(() => {
        if ('g' in leaf) {
          const g = k.exts([leaf.g]);
          k.parallel('leafRange', n, GRAIN, (lo, hi) => [dst, keys, g, lo, hi]);
        } else {
          const table = address(leaf.table);
          k.parallel('leafTable', n, GRAIN, (lo, hi) => [dst, keys, table, lo, hi]);
        }
      });
    }
  },
  leafSums(k, _n, { items }, address) {
    for (const { n, d, pairs, leaf } of items) {
      const [num, den] = [n, d].map(address),
        keys = keyAddress(leaf.keys, address);
      k.scope(() => {
        const of = 'g' in leaf ? k.exts([leaf.g]) : address(leaf.table);
        k.parallel('g' in leaf ? 'gkrLeafRange' : 'gkrLeafTable', pairs, GRAIN, (lo, hi) => [num, den, keys, of, lo, hi]);
      });
    }
  },
  leafPairs(k, _n, { lambda, items }, address) {
    k.scope(() => {
      const lam = k.exts([lambda]),
        scaled = new Map<Vec, number>();
      for (const { leaf } of items) {
        if ('g' in leaf || scaled.has(leaf.table)) continue;
        const { table } = leaf,
          rows = table.words / 3,
          src = address(table),
          t = k.alloc(24 * rows);
        k.parallel('onePlus', rows, GRAIN, (lo, hi) => [t, src, lam, lo, hi]);
        scaled.set(table, t);
      }
      for (const { even, odd, pairs, leaf } of items) {
        const [e0, e1] = [even, odd].map(address),
          keys = keyAddress(leaf.keys, address);
        k.scope(() => {
          if ('g' in leaf) {
            const base = k.exts([E.add(E.ONE, E.mul(lambda, leaf.g))]);
            k.parallel('leafPairsRange', pairs, GRAIN, (lo, hi) => [e0, e1, keys, base, lam, lo, hi]);
          } else {
            const table = scaled.get(leaf.table)!;
            k.parallel('leafPairsTable', pairs, GRAIN, (lo, hi) => [e0, e1, keys, table, lo, hi]);
          }
        });
      }
    });
  },
  pairSums(k, _n, { items }, address) {
    k.scope(() => {
      const scratch = k.alloc(SCRATCH * k.threads);
      for (const { n, d, from, rows, len } of items) {
        const at = [address(n), address(d), from.n ? address(from.n) : 0, address(from.d), len];
        k.parallel('gkrLayer', rows, grain(len), (lo, hi, t) => [...at, scratch + SCRATCH * t, lo, hi]);
      }
    });
  },
  splitPairs(k, _n, { items }, address) {
    for (const { to, from, rows, len } of items) {
      const at = [...pairAddresses(to, address), from.n ? address(from.n) : 0, address(from.d), len];
      k.parallel('gkrSplit', rows, grain(len), (lo, hi) => [...at, lo, hi]);
    }
  },
  pairRound(k, _n, { to, lambda, items }, address) {
    k.scope(() => {
      const lam = k.exts([lambda]);
      roundSums(k, 'gkrRound', address(to), items, ({ from, grid, columns, rows }, scratch) => {
        const at = [...pairAddresses(from, address), grid.len, grid.cs, grid.rs, address(columns), address(rows), lam];
        return (lo, hi, t) => [...at, scratch + SCRATCH * t, lo, hi];
      });
    });
  },
  productRound(k, _n, { to, lambda, items }, address) {
    k.scope(() => {
      const lam = k.exts([lambda]);
      roundSums(k, 'gkrProduct', address(to), items, ({ from, grid, columns, rows }) => {
        const at = [address(from.d0), address(from.d1), grid.len, grid.cs, grid.rs, address(columns), address(rows), lam];
        return (lo, hi) => [...at, lo, hi];
      });
    });
  },
  foldPairs(k, _n, { items }, address) {
    k.scope(() => {
      const scratch = k.alloc(SCRATCH * k.threads);
      for (const { from, to, grid, r, missing } of items)
        k.scope(() => {
          const { rows, len, cs, rs } = grid,
            [n0, n1, d0, d1] = pairAddresses(from, address),
            x = k.exts([r, missing]),
            at = from.n0 ? [n0, n1, d0, d1, len, cs, rs, x] : [d0, d1, len, cs, rs, x + 24, x];
          k.parallel(from.n0 ? 'gkrFold' : 'gkrFoldPair', rows, grain(len), (lo, hi, t) => [...at, scratch + SCRATCH * t, lo, hi]);
          if (to !== from) packPairs(k, to, from, grid, address);
        });
    });
  },
  tableRows(k, _n, { items }, address) {
    for (const { to, n, g, first, columns } of items)
      k.scope(() => {
        const dst = address(to),
          gp = k.exts([g]),
          cols = k.alloc(64),
          bp = k.exts(columns.map((c) => c.b)),
          scratch = k.alloc(128);
        k.u32.set(
          columns.map((c) => address(c.of)),
          cols / 4,
        );
        k.parallel('tableDen', n, 4096, (lo, hi) => [dst, gp, first, cols, columns.length, bp, scratch, lo, hi]);
      });
  },
  negatives(k, _n, { items }, address) {
    for (const { to, n, counts } of items) {
      const dst = address(to),
        src = keyAddress(counts, address);
      k.parallel('tableNum', n, 4096, (lo, hi) => [dst, src, lo, hi]);
    }
  },
};

/** Folded arrays, each row's elements side by side. */
function packPairs(k: Kernels, to: PairVec, from: PairVec, { rows, len, cs, rs }: RoundItem['grid'], address: Address): void {
  const half = Math.ceil(len / 2);
  for (const x of from.n0 ? (['n0', 'n1', 'd0', 'd1'] as const) : (['d0', 'd1'] as const)) {
    const [dst, src] = [address(to[x]!), address(from[x]!)];
    k.parallel('packExt', rows, grain(half), (lo, hi) => [dst, src, half, cs, rs, lo, hi]);
  }
}
