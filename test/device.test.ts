import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { describe as described } from '../src/cli/errors.js';
import { parseDevice } from '../src/cli/device.js';
import { CpuDevice } from '../src/device/cpu.js';
import { accelerate, deviceOf } from '../src/device/current.js';
import type { Calls, Picked, Vec } from '../src/device/device.js';
import { type DeviceError, DeviceLostError, DeviceMemoryError, WrongDeviceError } from '../src/device/errors.js';
import { openGpu } from '../src/device/open.js';
import { selfTest } from '../src/device/self-test.js';
import { SHADERS } from '../src/device/commands.js';
import { isSoftware } from '../src/device/gpu.js';
import { shaderSource } from '../src/device/wgsl/shader.js';
import { singleKernels } from '../src/kernels/index.js';
import { placesOf } from './device-checks.js';
import { type Case, proveCase } from './kit.js';
import { stepCase } from './llama-case.js';
import { randomCase } from './random-case.js';

/*
 * A device beside the CPU that fails or lies. Devices here are the CPU's kernels with a fault; a real one is in
 * test/device-browser.test.ts.
 */
const k = singleKernels(),
  small = (): Case => randomCase({ sizes: { l: 1, d: 3, o: 2, v: 3, b: 1, i: 3 }, kinds: ['matrix', 'state'], rangeBits: 6, seed: 1 }),
  right = proveCase(k, small()).proof;

/** Does what the kernels do, and something else at its n-th call. */
class Faulty extends CpuDevice {
  override readonly name: string = 'faulty';
  /** As a card has none. */ override readonly encodedAt = undefined;
  override readonly waits = true;
  calls = 0;
  /** Of every kernel after which somebody waits, and how: the first call that waits so. */
  readonly trips = new Map<string, number>();
  #last = 'nothing';
  constructor(readonly fault: (call: number, made: () => void) => void) {
    super(k);
  }
  #at<T>(f: () => T): T {
    let out: T;
    this.fault(this.calls++, () => {
      out = f();
    });
    return out!;
  }
  override run<K extends keyof Calls>(kernel: K, n: number, args: Calls[K]): void {
    this.#at(() => super.run(kernel, n, args));
    this.#last = kernel;
  }
  #trip(how: string): void {
    const key = `${how} after ${this.#last}`;
    if (!this.trips.has(key)) this.trips.set(key, this.calls);
  }
  override get(v: Vec): BigUint64Array {
    this.#trip('get');
    return this.#at(() => super.get(v));
  }
  override pick(parts: readonly Picked[]): BigUint64Array[] {
    this.#trip('pick');
    return this.#at(() => super.pick(parts));
  }
}

/** A proof with that device, and why it was given up. */
function on(d: CpuDevice, only = false, c: Case = small()): { proof: BigUint64Array; failures: DeviceError[] } {
  const failures: DeviceError[] = [];
  accelerate(k, {
    device: d,
    failed: (e) => {
      if (only) throw e;
      failures.push(e);
    },
  });
  try {
    return { proof: proveCase(k, c, { train: true }).proof, failures };
  } finally {
    accelerate(k, undefined);
  }
}
const dies = (at: number): Faulty =>
  new Faulty((call, made) => {
    if (call === at) throw new DeviceLostError('faulty', 'in a test');
    made();
  });

/** What a work item writes, by name. */
const WRITTEN = ['to', 'n', 'd', 'even', 'odd'];
const isVec = (x: unknown): x is Vec => typeof x === 'object' && x !== null && 'device' in x;
/** Vectors that a call writes. */
const written = (args: Calls[keyof Calls]): Vec[] =>
  'to' in args
    ? [args.to]
    : 'place' in args
      ? [args.place.to]
      : args.items.flatMap((item) =>
          Object.entries(item as object).flatMap(([name, x]: [string, unknown]) =>
            WRITTEN.includes(name) ? (isVec(x) ? [x] : Object.values((x as object) ?? {}).filter(isVec)) : [],
          ),
        );

/** Kernels that the proof of a step uses. */
const KERNELS: readonly string[] = [
  'addClaims',
  'addPowers',
  'addProducts',
  'addScaled',
  'copies',
  'copy',
  'counts',
  'encode',
  'entries',
  'eqTable',
  'eqTables',
  'fold',
  'foldArrays',
  'foldPairs',
  'horner',
  'keys',
  'larger',
  'leafPairs',
  'leafSums',
  'leastSums',
  'leaves',
  'level',
  'negatives',
  'pairRound',
  'pairSums',
  'productRound',
  'productSums',
  'projections',
  'quotients',
  'roots',
  'rowWeights',
  'scatter',
  'splitPairs',
  'spread',
  'sums',
  'tableRows',
  'terms',
  'twiddles',
  'zero',
];
/** Those of a case. */
function kernelsOf(c: Case): Set<string> {
  const names = new Set<string>();
  on(
    new (class extends CpuDevice {
      override readonly encodedAt = undefined;
      override readonly waits = true;
      override run<K extends keyof Calls>(kernel: K, n: number, args: Calls[K]): void {
        names.add(kernel);
        super.run(kernel, n, args);
      }
    })(k),
    true,
    c,
  );
  return names;
}

describe('a prover with a device beside the CPU', () => {
  const { calls, trips } = (() => {
    const d = dies(-1),
      { proof, failures } = on(d);
    expect(failures).toEqual([]);
    expect(proof).toEqual(right);
    return d;
  })();
  it('has its part in every phase that is written over devices', () => {
    expect([...kernelsOf(stepCase())].sort()).toEqual(KERNELS);
  });
  it('makes its proof on it, verifies it, and works on the CPU again', () => {
    expect(calls).toBeGreaterThan(40);
    expect(deviceOf(k).name).toBe('cpu');
  });
  it('makes the CPU’s proof from the start wherever the device is lost, and tells it once', () => {
    for (let at = 0; at < calls; at += Math.ceil(calls / 12)) {
      const top = k.mark(),
        { proof, failures } = on(dies(at));
      expect(failures.map((e) => e.name)).toEqual(['DeviceLostError']);
      expect(proof).toEqual(right);
      expect(k.mark()).toBe(top);
    }
  });
  it('makes it too where the device is lost while it is waited for, in every phase', () => {
    for (const phase of [
      'counts',
      'level',
      'pairSums',
      'pairRound',
      'leafPairs',
      'projections',
      'terms',
      'foldArrays',
      'productSums',
      'encode',
    ])
      expect(
        [...trips.keys()].some((key) => key.endsWith(` after ${phase}`)),
        phase,
      ).toBe(true);
    for (const [key, at] of trips) {
      const { proof, failures } = on(dies(at));
      expect(
        failures.map((e) => e.name),
        key,
      ).toEqual(['DeviceLostError']);
      expect(proof, key).toEqual(right);
    }
  });
  it('fails with exit code 6 where nothing but the device will do', () => {
    for (const at of [0, ...trips.values(), calls - 1]) {
      let thrown: unknown;
      try {
        on(dies(at), true);
      } catch (e) {
        thrown = e;
      }
      expect(thrown).toBeInstanceOf(DeviceLostError);
      expect(described(thrown)).toMatchObject({ exit: 6, code: 'device' });
      expect(deviceOf(k).name).toBe('cpu');
    }
    expect(described(new DeviceMemoryError('card', 'a vector'))).toMatchObject({ exit: 6 });
  });
  // Two kernels have a part in proofs alone whose folded vector is committed.
  const few = kernelsOf(small()),
    step = stepCase(),
    proved = proveCase(k, step).proof;
  it.each(KERNELS)('refuses a proof of a device whose kernel %s computes wrongly, and makes the CPU’s', (kernel) => {
    const d = new (class extends CpuDevice {
        override readonly name: string = 'liar';
        override readonly encodedAt = undefined;
        override readonly waits = true;
        override run<K extends keyof Calls>(name: K, n: number, args: Calls[K]): void {
          super.run(name, n, args);
          if (name !== kernel) return;
          // A kernel with a flipped bit is wrong everywhere.
          for (const to of written(args)) {
            const words = super.get(to);
            for (let i = 0; i < words.length; i++) words[i] ^= 1n;
            super.put(to, new Uint8Array(words.buffer));
          }
        }
      })(k),
      c = few.has(kernel) ? small() : step,
      { proof, failures } = on(d, false, c);
    expect(failures.map((e) => e.name)).toEqual(['WrongDeviceError']);
    expect(failures[0].message).toMatch(
      /liar computes wrongly: (a proof that it had a part in does not hold|.*, which is not so on the CPU)/,
    );
    expect(proof).toEqual(few.has(kernel) ? right : proved);
    expect(() => selfTest(k, d)).toThrow(/the self-test of \w+ differs/);
    expect(() => on(d, true, c)).toThrow(WrongDeviceError);
  });
  it('passes its self-test on the CPU', () => {
    selfTest(k, new CpuDevice(k));
  });
});

describe('the device of a command', () => {
  it('is the CPU unless told otherwise, by the option before the environment', () => {
    expect(parseDevice(undefined, {})).toBe('cpu');
    expect(parseDevice(undefined, { CERTUNE_DEVICE: '' })).toBe('cpu');
    expect(parseDevice(undefined, { CERTUNE_DEVICE: 'auto' })).toBe('auto');
    expect(parseDevice('gpu', { CERTUNE_DEVICE: 'cpu' })).toBe('gpu');
    expect(() => parseDevice('cuda', {})).toThrow('--device: "cuda" is none of cpu, gpu, auto');
    expect(() => parseDevice(undefined, { CERTUNE_DEVICE: 'x' })).toThrow('CERTUNE_DEVICE: "x"');
  });
  it('is checked before the run is looked for, and goes with one process', () => {
    const run = (...args: string[]): { status: number | null; out: string } => {
      const r = spawnSync(process.execPath, ['bin/certune.js', 'prove', 'nowhere', '--json', ...args], { encoding: 'utf8' });
      return { status: r.status, out: r.stdout };
    };
    expect(run('--device', 'cuda')).toMatchObject({ status: 2, out: expect.stringContaining('is none of cpu, gpu, auto') as string });
    expect(run('--device', 'gpu', '--processes', '2').status).toBe(2);
  });
  it('is none where the package is missing or has no adapter, and says so', async () => {
    // Where there is the package and a card, this opens it: either is right.
    const opened = await openGpu(k, { thread: new URL('../dist/device/thread-node.js', import.meta.url) }).catch(
      (e: unknown) => e as DeviceError,
    );
    if (opened instanceof Error) {
      expect(opened.message).toMatch(/^no GPU: (the package webgpu is not installed: npm install webgpu|WebGPU|the adapter)/);
      expect(described(opened)).toMatchObject({ exit: 6, code: 'device' });
    } else await opened.close();
  });
  it('is no software adapter, by its own word or by its name', () => {
    const adapter = (description: string, isFallbackAdapter?: boolean) =>
      ({
        info: { vendor: 'x', architecture: '', description, ...(isFallbackAdapter === undefined ? {} : { isFallbackAdapter }) },
      }) as Parameters<typeof isSoftware>[0];
    expect(['SwiftShader Device', 'llvmpipe (LLVM 19)', 'Microsoft Basic Render Driver'].map((n) => isSoftware(adapter(n, false)))).toEqual(
      [true, true, true],
    );
    expect([isSoftware(adapter('NVIDIA H100', true)), isSoftware(adapter('NVIDIA H100', false))]).toEqual([true, false]);
  });
});

describe('the source of a shader', () => {
  it('binds every slab once, wherever its operands lie', () => {
    for (const s of Object.values(SHADERS))
      for (const form of ['unrolled', 'compact'] as const)
        for (const places of placesOf(s)) {
          const code = shaderSource(s, places, form);
          expect(code.match(/var<storage, read_write>/g)).toHaveLength(Math.max(...places) + 1);
          expect(code).not.toMatch(/undefined|NaN/);
        }
  });
});
