import { Worker } from 'node:worker_threads';
import type { Kernels } from '../kernels/runtime.js';
import { type Thread, lineTo } from './line.js';
import { selfTest } from './self-test.js';
import type { FromThread } from './thread.js';
import { GpuDevice } from './webgpu.js';
import type { Form } from './wgsl/field.js';

export interface OpenOptions {
  /** Take an adapter too that computes on the CPU. */ readonly software?: boolean;
  /** How shaders are written; what suits the adapter if not given. */ readonly form?: Form;
  /** File of the thread. */ readonly thread?: URL;
}

/**
 * A GPU for the prover with these kernels, by the package `webgpu`, in a thread that owns it. It has been tested
 * against them. Throws NoDeviceError where there is none, WrongDeviceError where it computes something else than they
 * do.
 */
export async function openGpu(k: Kernels, o: OpenOptions = {}): Promise<GpuDevice> {
  const worker = new Worker(o.thread ?? new URL('./thread-node.js', import.meta.url)),
    thread: Thread = {
      post: (m, moved) => worker.postMessage(m, moved),
      listen(f, failed) {
        worker.on('message', (m: FromThread) => f(m));
        worker.on('error', (e) => failed(e instanceof Error ? e.message : String(e)));
        worker.on('exit', () => failed('its thread ended'));
      },
      hold: () => worker.ref(),
      end: () => worker.terminate(),
    },
    line = await lineTo(thread, { software: o.software ?? false, ...(o.form ? { form: o.form } : {}) }),
    device = new GpuDevice(k, line);
  worker.unref();
  try {
    selfTest(k, device);
  } catch (e) {
    await device.close();
    throw e;
  }
  return device;
}
