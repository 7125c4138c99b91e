import { deviceOf } from '../src/device/current.js';
import type { Vec } from '../src/device/device.js';
import type { Kernels } from '../src/kernels/runtime.js';

/** These words as a vector of the prover's device. */
export function placed(k: Kernels, words: BigUint64Array): Vec {
  const d = deviceOf(k),
    v = d.vector(words.length);
  d.put(v, new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
  return v;
}
