/** Vectors of E on a device. */
import { elements } from '../device/batches.js';
import { deviceOf } from '../device/current.js';
import type { Device, Vec } from '../device/device.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Ext } from '../transcript/arith.js';
import type { ProverChannel } from '../transcript/prover.js';

/** Where the vectors of an opening lie: with the trees of later oracles. */
export const openingDevice = (k: Kernels, ch: ProverChannel): Device => deviceOf(k, ch.hash);

/** sum of a[i] b[i] for n elements of E. */
export function innerProduct(d: Device, a: Vec, b: Vec, n: number): Ext {
  return d.scope(() => {
    const to = d.vector(6);
    d.run('productSums', n, { to, f: a, base: false, w: b, half: n });
    return elements(d.get(to))[0];
  });
}
