import type { Kernels } from '../kernels/runtime.js';
import type { CpuKernel } from './cpu-opening.js';
import type { Vec } from './device.js';
import type { IntegerCalls, Place, Rounding, Sum, SumTerm } from './integer.js';

type Address = (v: Vec) => number;
/** Cells per thread below which a call costs more than it saves. */
const GRAIN = 4096;

const volume = (sizes: readonly number[]): number => sizes.reduce((n, s) => n * s, 1);

/** Adds a term to the cells of a dense box. */
function addTerm(k: Kernels, out: number, sizes: readonly number[], t: SumTerm, address: Address): void {
  if (t.chosen) {
    addChosen(k, out, sizes, t, t.chosen, address);
    return;
  }
  const at = t.factors.map((f) => address(f.of) + 8 * f.at),
    outer = sizes.slice(0, -1),
    last = sizes.length - 1,
    s = (f: number, axis: number): number => t.factors[f]?.strides[axis] ?? 0,
    along = (axis: number): number[] => [s(0, axis), s(1, axis), s(2, axis)],
    inner = last < 0 ? 1 : sizes[last],
    words = [outer.length, t.over.length, inner, ...(last < 0 ? [0, 0, 0] : along(last))];
  outer.forEach((n, d) => words.push(n, ...along(d)));
  t.over.forEach((n, d) => words.push(n, ...along(sizes.length + d)));
  const rows = volume(outer),
    work = volume(t.over) * inner;
  k.scope(() => {
    const desc = k.alloc(4 * words.length),
      idx = k.alloc(256 * k.threads);
    k.i32.set(words, desc / 4);
    k.parallel('einsum', rows, Math.max(1, Math.ceil(8192 / work)), (lo, hi, th) => [
      out,
      at[0],
      at[1] ?? 0,
      at[2] ?? 0,
      at.length,
      BigInt.asIntN(64, t.coef),
      desc,
      idx + 256 * th,
      lo,
      hi,
    ]);
  });
}

/** A term whose factors are chosen by position. */
function addChosen(
  k: Kernels,
  out: number,
  sizes: readonly number[],
  t: SumTerm,
  { ids, strides, apart }: NonNullable<SumTerm['chosen']>,
  address: Address,
): void {
  const all = [...sizes, ...t.over],
    total = volume(all),
    { i64 } = k,
    unit = all.map((_, d) => (d < sizes.length ? volume(sizes.slice(d + 1)) : 0)),
    from = t.factors.map((f) => address(f.of) / 8 + f.at),
    idx = new Array<number>(all.length).fill(0);
  for (let c = 0; c < total; c++) {
    let position = 0,
      o = out / 8;
    for (let d = 0; d < all.length; d++) {
      position += idx[d] * strides[d];
      o += idx[d] * unit[d];
    }
    const id = ids[position];
    if (id >= 0) {
      let v = t.coef;
      t.factors.forEach((f, i) => {
        let p = from[i] + id * apart[i];
        for (let d = 0; d < all.length; d++) p += idx[d] * f.strides[d];
        v *= i64[p];
      });
      i64[o] += v;
    }
    for (let d = all.length - 1; d >= 0; d--) {
      if (++idx[d] < all[d]) break;
      idx[d] = 0;
    }
  }
}

/** A sum as a dense box at an address. */
function sumAt(k: Kernels, out: number, n: number, { sizes, constant, terms }: Sum, address: Address): void {
  k.parallel('fillI64', n, 65536, (lo, hi) => [out, BigInt.asIntN(64, constant), lo, hi]);
  for (const t of terms) addTerm(k, out, sizes, t, address);
}

function round(k: Kernels, at: number, n: number, { nearest, shift, bits }: Rounding): void {
  if (nearest && shift > 0) k.parallel('ewRound', n, GRAIN, (lo, hi) => [at, shift, lo, hi]);
  const rest = nearest ? 0 : shift;
  if (bits !== undefined) k.parallel('ewLimb', n, GRAIN, (lo, hi) => [at, rest, bits, lo, hi]);
  else if (rest > 0) throw new Error('a floor without a number of bits');
}

function scatter(k: Kernels, from: number, n: number, sizes: readonly number[], p: Place, address: Address): void {
  k.scope(() => {
    const desc = k.alloc(4 + 8 * sizes.length),
      err = k.alloc(8),
      to = address(p.to) + 8 * p.at;
    k.i32.set([sizes.length, ...sizes.flatMap((s, d) => [s, p.strides[d]])], desc / 4);
    k.u32[err / 4] = 0;
    k.parallel('scatter', n, GRAIN, (lo, hi) => [to, from, desc, BigInt.asIntN(64, p.lo), BigInt.asIntN(64, p.hi), err, lo, hi]);
    tell(k, k.u32[err / 4], from, address(p.bad));
  });
}

/** Writes one plus a cell to `bad`, and the word that it has. */
function tell(k: Kernels, e: number, from: number, bad: number): void {
  if (e === 0) return;
  k.i64[bad / 8] = BigInt(e);
  k.i64[bad / 8 + 1] = k.i64[from / 8 + e - 1];
}

/** Kernels of integer training and of keys on the memory of the CPU's. */
export const cpuInteger: { readonly [C in keyof IntegerCalls]: CpuKernel<IntegerCalls[C]> } = {
  sums(k, n, a, address) {
    const made = (at: number): void => {
      sumAt(k, at, n, a, address);
      if (a.rounding) round(k, at, n, a.rounding);
      if (a.base) addTerm(k, at, a.sizes, a.base, address);
    };
    if ('to' in a) made(address(a.to));
    else
      k.scope(() => {
        const at = k.alloc(8 * n);
        made(at);
        scatter(k, at, n, a.sizes, a.place, address);
      });
  },
  scatter(k, n, { from, sizes, place }, address) {
    scatter(k, address(from), n, sizes, place, address);
  },
  roots(k, n, { to, of }, address) {
    const at = address(to);
    k.parallel('ewSqrt', n, GRAIN, (lo, hi) => [at, lo, hi]);
    if (!of) return;
    const x = address(of);
    k.parallel('ewNearestRoot', n, GRAIN, (lo, hi) => [at, x, lo, hi]);
  },
  quotients(k, n, { to, by }, address) {
    const [p, q] = [to, by].map(address);
    k.parallel('ewDiv', n, GRAIN, (lo, hi) => [p, q, lo, hi]);
  },
  larger(k, n, { to, other }, address) {
    const [p, q] = [to, other].map(address);
    k.parallel('ewMax', n, GRAIN, (lo, hi) => [p, q, lo, hi]);
  },
  entries(k, n, { to, from, column, first }, address) {
    const [dst, p, col] = [to, from, column].map(address);
    k.parallel('ewTable', n, GRAIN, (lo, hi) => [dst, p, col, first, BigInt(column.words), lo, hi]);
  },
  leastSums(k, n, { to, scores, length, causal, first, column, target }, address) {
    const [dst, s, col] = [to, scores, column].map(address);
    k.parallel('ewLse', n, 16, (lo, hi) => [dst, s, length, causal, first, col, BigInt(column.words), target, lo, hi]);
  },
  keys(k, _n, { items, bad }, address) {
    const told = address(bad);
    items.forEach((item, i) => {
      k.scope(() => {
        const n = volume(item.sizes),
          to = address(item.to),
          at = k.alloc(8 * n),
          err = k.alloc(8);
        sumAt(k, at, n, item, address);
        k.u32[err / 4] = 0;
        k.parallel('keysOut', n, GRAIN, (lo, hi) => [to, at, item.first, item.rows, err, lo, hi]);
        if (k.u32[err / 4] === 0 || k.u64[told / 8] !== 0n) return;
        tell(k, k.u32[err / 4], at, told);
        k.u64[told / 8 + 2] = BigInt(i);
      });
    });
  },
  counts(k, _n, { items }, address) {
    for (const { to, at, keys, n } of items) k.exports['countKeys'](address(to) + 4 * at, address(keys), n);
  },
};
