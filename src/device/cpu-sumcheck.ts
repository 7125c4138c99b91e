import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
import type { CpuKernel } from './cpu-opening.js';
import type { Vec } from './device.js';
import type { Along, ArrayFold, Projection, SumcheckCalls, TermFactor, TermItem } from './sumcheck.js';

type Address = (v: Vec) => number;

/** Words of a kernel's description of a box, factors of one product, bytes of a thread's scratch and of its sums. */
const DESC = 256,
  MOST = 16,
  SCRATCH = 5120,
  OUT = 256;

const product = (x: readonly number[]): number => x.reduce((a, b) => a * b, 1);
/** Bytes of a cell. */
const cell = (base: boolean): number => (base ? 8 : 24);

/** A box as its kernel reads it. */
function described({ dims, len, inner, held, one }: TermItem, address: Address): number[] {
  const row = (f: TermFactor): number[] => [
      address(f.from),
      f.base ? 0 : 1,
      cell(f.base) * f.along,
      ...f.outer.map((n) => cell(f.base) * n),
    ],
    box = [dims.length, len, inner.length, held.length, one ? 1 : 0, ...dims, ...inner.flatMap(row), ...held.flatMap(row)];
  if (inner.length + held.length > MOST || box.length > DESC)
    throw new Error(`a product of ${inner.length + held.length} arrays over ${dims.length + 1} axes`);
  return box;
}

/** Rows of elements in place: they lie one stride apart. */
function foldInPlace(k: Kernels, { from, dims, len, along, outer }: ArrayFold, r: number, scratch: number, address: Address): void {
  const row = [address(from), len, along, outer.at(-1) ?? len, r];
  k.parallel('termFold', product(dims), Math.max(1, Math.floor(1024 / len)), (lo, hi, t) => [...row, scratch + SCRATCH * t, lo, hi]);
}

function foldTo(k: Kernels, f: ArrayFold, r: number, scratch: number, address: Address): void {
  const { base, dims, len, along, outer } = f,
    [dst, src] = [f.to, f.from].map(address),
    desc = k.alloc(4 * DESC),
    n = product(dims) * Math.ceil(len / 2);
  k.u32.set([dims.length, len, base ? 0 : 1, cell(base) * along, ...dims, ...outer.map((x) => cell(base) * x)], desc / 4);
  k.parallel('sumFold', n, 1024, (lo, hi, t) => [dst, src, desc, r, scratch + SCRATCH * t, lo, hi]);
}

function project(k: Kernels, p: Projection, address: Address): void {
  const { own, summed } = p,
    [dst, src, w] = [p.to, p.from, p.weights].map(address),
    size = (x: readonly Along[]): number => product(x.map((a) => a.size)),
    n = size(own),
    q = size(summed),
    desc = k.alloc(256),
    idx = k.alloc(64 * k.threads);
  k.i32.set([own.length, summed.length, ...[...own, ...summed].flatMap((x) => [x.size, x.stride])], desc / 4);
  k.u8.fill(0, dst, dst + 24 * n);
  if (n >= 16 * k.threads) {
    k.parallel('project', n, Math.max(1, Math.ceil(4096 / q)), (lo, hi, t) => [dst, src, w, desc, idx + 64 * t, 0, q, lo, hi]);
    return;
  }
  // Few cells: threads share the sum of each.
  const part = k.zeroed(24 * n * k.threads);
  k.parallel('project', q, 1024, (lo, hi, t) => [part + 24 * n * t, src, w, desc, idx + 64 * t, lo, hi, 0, n]);
  for (let c = 0; c < n; c++) {
    let v: E.Ext = E.ZERO;
    for (let t = 0; t < k.threads; t++) v = E.add(v, k.readExt(part + 24 * (n * t + c)));
    k.writeExt(dst + 24 * c, v);
  }
}

/** Kernels of the batched sumcheck on the memory of the CPU's. */
export const cpuSumcheck: { readonly [C in keyof SumcheckCalls]: CpuKernel<SumcheckCalls[C]> } = {
  terms(k, _n, { to, items }, address) {
    k.scope(() => {
      const scratch = k.alloc(SCRATCH * k.threads),
        out = k.alloc(OUT * k.threads),
        desc = k.alloc(4 * DESC);
      for (const item of items) {
        k.u32.set(described(item, address), desc / 4);
        k.u8.fill(0, out, out + OUT * k.threads);
        const n = Math.ceil(item.len / 2) * product(item.dims);
        k.parallel('sumRound', n, 512, (lo, hi, t) => [out + OUT * t, desc, scratch + SCRATCH * t, lo, hi]);
        for (let x = 0; x <= item.inner.length; x++) {
          let v: E.Ext = E.ZERO;
          for (let t = 0; t < k.threads; t++) v = E.add(v, k.readExt(out + OUT * t + 24 * x));
          k.writeExt(address(to) + 24 * (item.at + x), v);
        }
      }
    });
  },
  foldArrays(k, _n, { items }, address) {
    k.scope(() => {
      const scratch = k.alloc(SCRATCH * k.threads);
      for (const f of items)
        k.scope(() => {
          const r = k.exts([f.r]);
          if (f.to === f.from) foldInPlace(k, f, r, scratch, address);
          else foldTo(k, f, r, scratch, address);
        });
    });
  },
  projections(k, _n, { items }, address) {
    for (const p of items) k.scope(() => project(k, p, address));
  },
};
