import { accelerate } from '../device/current.js';
import type { DeviceStats } from '../device/device.js';
import { DeviceError } from '../device/errors.js';
import type { HashName } from '../hash/rows.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Context } from './common.js';
import { UsageError } from './errors.js';

/** Where proofs are made: cpu; gpu, or the command fails; auto: on a GPU where there is one, else on the CPU. */
export type DeviceChoice = 'cpu' | 'gpu' | 'auto';

/** --device, else CERTUNE_DEVICE, else the CPU. Throws UsageError. */
export function parseDevice(option: string | undefined, env: NodeJS.ProcessEnv = process.env): DeviceChoice {
  const text = option ?? env['CERTUNE_DEVICE'] ?? '',
    choice = (['cpu', 'gpu', 'auto'] as const).find((x) => x === (text === '' ? 'cpu' : text));
  if (!choice) throw new UsageError(`${option === undefined ? 'CERTUNE_DEVICE' : '--device'}: "${text}" is none of cpu, gpu, auto`);
  return choice;
}

/** What a command used beside the CPU. */
export interface Used {
  /** For --json: the device's name and what it did, or cpu. */
  data(): { readonly device: string; readonly deviceStats?: DeviceStats };
  close(): Promise<void>;
}

const CPU: Used = { data: () => ({ device: 'cpu' }), close: async () => {} };

/**
 * Lets the proofs of these kernels be made on the device that was chosen, until it is closed. Throws DeviceError where
 * it must be a GPU and there is none that will do.
 */
export async function useDevice(k: Kernels, choice: DeviceChoice, hash: HashName, c: Context): Promise<Used> {
  if (choice === 'cpu') return CPU;
  const onCpu = (why: string): Used => {
    c.progress.line(`${why}: proofs are made on the CPU`);
    return CPU;
  };
  if (hash !== 'poseidon2') {
    const why = `no device has kernels of ${hash} (proof.hash)`;
    if (choice === 'gpu') throw new UsageError(`--device gpu: ${why}`);
    return onCpu(why);
  }
  try {
    const { openGpu } = await import('../device/open.js'),
      gpu = await openGpu(k, { software: choice === 'gpu' });
    let used = true;
    c.progress.line(`steps are trained and proved on ${gpu.name}, which passed its self-test; folds on the CPU`);
    accelerate(k, {
      device: gpu,
      failed: (e) => {
        if (choice === 'gpu') throw e;
        used = false;
        c.progress.line(`${e.message}: this proof and all that follow are made on the CPU`);
      },
    });
    return {
      data: () => (used ? { device: gpu.name, deviceStats: gpu.stats() } : { device: 'cpu' }),
      close: async () => {
        accelerate(k, undefined);
        await gpu.close();
      },
    };
  } catch (e) {
    if (choice === 'gpu' || !(e instanceof DeviceError)) throw e;
    return onCpu(e.message);
  }
}
