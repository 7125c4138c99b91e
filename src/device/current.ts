import type { HashName } from '../hash/rows.js';
import type { Kernels } from '../kernels/runtime.js';
import { CpuDevice } from './cpu.js';
import type { Device } from './device.js';
import { DeviceError } from './errors.js';

/** A device beside the CPU, and what becomes of a prover whose device fails. */
export interface Accelerator {
  readonly device: Device;
  /** Told why the device is given up, before the CPU begins again. Throws where nothing but the device will do. */
  readonly failed: (e: DeviceError) => void;
}

/** Where the prover with some kernels works. */
interface Place {
  readonly cpu: CpuDevice;
  accelerator?: Accelerator | undefined;
  /** The accelerator's device, while a proof is made on it. */ working?: Device | undefined;
}

const places = new WeakMap<Kernels, Place>();

function placeOf(k: Kernels): Place {
  let p = places.get(k);
  if (!p) {
    p = { cpu: new CpuDevice(k) };
    places.set(k, p);
  }
  return p;
}

/** The CPU as a device, with these kernels. */
export const cpuDeviceOf = (k: Kernels): Device => placeOf(k).cpu;

/** The device on which a prover with these kernels works now; one that has kernels of that hash. */
export function deviceOf(k: Kernels, hash?: HashName): Device {
  const { cpu, working } = placeOf(k);
  return working && (hash === undefined || working.hashes.includes(hash)) ? working : cpu;
}

/** Lets the proofs of a prover with these kernels be made on another device, from now on; none: on the CPU again. */
export function accelerate(k: Kernels, a: Accelerator | undefined): void {
  placeOf(k).accelerator = a;
}

/** A proof as a function of its inputs, and how it is looked at before anybody else sees it. */
export interface Attempt<T> {
  /** Makes it; made twice it is the same. */
  readonly make: () => T;
  /** Verifies it, on the CPU. Throws DeviceError where it does not hold. */
  readonly check: (made: T, device: Device) => void;
  /** Forgets what a failed attempt has left. */ readonly undo: () => void;
}

/**
 * Makes a proof on the accelerator of these kernels, if they have one. It is verified before it leaves. Where the
 * device fails or the proof does not hold, all of it is thrown away and made again on the CPU alone, and the
 * accelerator is not used any more: no proof is made on two devices.
 */
export function accelerated<T>(k: Kernels, { make, check, undo }: Attempt<T>): T {
  const place = placeOf(k),
    { accelerator } = place;
  if (!accelerator || place.working) return make();
  const { device } = accelerator;
  try {
    place.working = device;
    let made: T;
    try {
      made = device.scope(make);
    } finally {
      place.working = undefined;
    }
    check(made, device);
    return made;
  } catch (e) {
    if (!(e instanceof DeviceError)) throw e;
    place.accelerator = undefined;
    undo();
    accelerator.failed(e);
  }
  return make();
}
