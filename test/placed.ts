import { deviceOf } from '../src/device/current.js';
import type { Vec } from '../src/device/device.js';
import { placed as placedOn } from '../src/device/self-test.js';
import type { Kernels } from '../src/kernels/runtime.js';

/** These words as a vector of the prover's device. */
export const placed = (k: Kernels, words: BigUint64Array): Vec => placedOn(deviceOf(k), words);
