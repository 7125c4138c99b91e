/** Vectors of E in the kernel's memory. */
import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Ext } from '../transcript/arith.js';

/** dst[i] += c src[i] for n elements of E. */
export function addScaled(k: Kernels, dst: number, c: Ext, src: number, n: number): void {
  k.scope(() => {
    const p = k.exts([c]);
    k.parallel('addOuterCells', n, 2048, (lo, hi) => [dst, p, src, lo, hi]);
  });
}

/** sum of a[i] b[i] for n elements of E. */
export function innerProduct(k: Kernels, a: number, b: number, n: number): Ext {
  return k.scope(() => {
    const out = k.zeroed(64 * k.threads);
    k.parallel('scHalves', n, 1024, (lo, hi, t) => [out + 64 * t, a, 0, b, n, 0, lo, hi]);
    let sum: Ext = E.ZERO;
    for (let t = 0; t < k.threads; t++) sum = E.add(sum, k.readExt(out + 64 * t));
    return sum;
  });
}
