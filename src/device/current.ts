import type { Kernels } from '../kernels/runtime.js';
import { CpuDevice } from './cpu.js';
import type { Device } from './device.js';

const devices = new WeakMap<Kernels, Device>();

/** The device on which a prover with these kernels works. */
export function deviceOf(k: Kernels): Device {
  let d = devices.get(k);
  if (!d) {
    d = new CpuDevice(k);
    devices.set(k, d);
  }
  return d;
}
