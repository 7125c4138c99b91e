/** Runs in a worker of a page: a prover, the thread of a device beside it, and what they are compared with. */
import { accelerate } from '../src/device/current.js';
import { CpuDevice } from '../src/device/cpu.js';
import type { DeviceStats } from '../src/device/device.js';
import { DeviceMemoryError } from '../src/device/errors.js';
import type { Gpu } from '../src/device/gpu.js';
import { type Thread, lineTo } from '../src/device/line.js';
import { selfTest } from '../src/device/self-test.js';
import { GpuDevice, type Line } from '../src/device/webgpu.js';
import { singleKernels } from '../src/kernels/single.js';
import { arithmeticThatDiffers, kernelsThatDiffer, shadersThatAreRefused } from './device-checks.js';
import { type Case, proveCase } from './kit.js';
import { stepCase } from './llama-case.js';
import { forecastDevice } from '../src/tensor/memory.js';
import { productMessages } from './device-opening.js';
import { randomCase } from './random-case.js';

/** What the page found. Where all is well the lists are empty. */
export interface Found {
  readonly name: string;
  readonly refused: string;
  readonly kernels: readonly string[];
  /** Whether a product sumcheck on short vectors sends what the CPU sends. */ readonly streams: boolean;
  readonly arithmetic: readonly string[];
  /** Shaders that do not compile as far as WGSL is concerned, in either form. */ readonly shaders: readonly string[];
  readonly proof: {
    readonly same: boolean;
    readonly words: number;
    readonly failures: readonly string[];
    readonly stats: DeviceStats;
    readonly forecast: number;
  };
  readonly lost: readonly { readonly same: boolean; readonly failures: readonly string[] }[];
  readonly memory: string;
  readonly milliseconds: Readonly<Record<string, number>>;
}

/** What a worker of a page has. */
interface Scope {
  postMessage(m: object): void;
  readonly navigator: { readonly gpu: Gpu };
  readonly Worker: new (
    url: string,
  ) => {
    postMessage(m: object, moved?: ArrayBuffer[]): void;
    terminate(): void;
    addEventListener(kind: string, f: (e: { data: never; message: string }) => void): void;
  };
}
const scope = globalThis as unknown as Scope;

function thread(): Thread {
  const w = new scope.Worker('/thread.js');
  return {
    post: (m, moved) => w.postMessage(m, moved),
    listen(f, failed) {
      w.addEventListener('message', (e) => f(e.data));
      w.addEventListener('error', (e) => failed(e.message));
    },
    hold: () => {},
    end: () => w.terminate(),
  };
}

/** A case small enough for an adapter that computes on the CPU. */
const small = () => randomCase({ sizes: { l: 1, d: 3, o: 2, v: 3, b: 1, i: 3 }, kinds: ['matrix', 'state'], rangeBits: 6, seed: 1 });

/** A device whose vectors can be kept short. */
class Bounded extends GpuDevice {
  most = Number.POSITIVE_INFINITY;
  override get longest(): number {
    return Math.min(this.most, super.longest);
  }
}

/** What a device has done between two counts. */
const since = (a: DeviceStats, b: DeviceStats): DeviceStats => ({
  launches: b.launches - a.launches,
  trips: b.trips - a.trips,
  uploadedBytes: b.uploadedBytes - a.uploadedBytes,
  readBackBytes: b.readBackBytes - a.readBackBytes,
  peakBytes: b.peakBytes,
});

async function found(): Promise<Found> {
  const k = singleKernels(),
    milliseconds: Record<string, number> = {};
  let t = performance.now();
  const lap = (name: string): void => {
    const now = performance.now();
    milliseconds[name] = Math.round(now - t);
    t = now;
  };
  const refused = await lineTo(thread(), { software: false }).then(
    () => '',
    (e: unknown) => String(e),
  );
  const arithmetic = [
    ...(await arithmeticThatDiffers(scope.navigator.gpu, 'compact')),
    ...(await arithmeticThatDiffers(scope.navigator.gpu, 'unrolled')),
  ];
  lap('arithmetic');
  const shaders = [
    ...(await shadersThatAreRefused(scope.navigator.gpu, 'compact')),
    ...(await shadersThatAreRefused(scope.navigator.gpu, 'unrolled')),
  ];
  lap('shaders');
  const line = await lineTo(thread(), { software: true }),
    device = new Bounded(k, line);
  selfTest(k, device);
  lap('self-test');
  const kernels = [
    ...kernelsThatDiffer(k, device),
    // A software adapter takes minutes to compile what is long in straight code: cards alone have that.
    ...kernelsThatDiffer(k, new GpuDevice(k, await lineTo(thread(), { software: true, form: 'unrolled' })), false).map(
      (x) => `unrolled ${x}`,
    ),
  ];
  // As on a card whose buffers hold a fraction of the vectors: these go through far memory, tile by tile.
  device.most = 300;
  const streamed = productMessages(k, device, 701, 10),
    whole = productMessages(k, new CpuDevice(k), 701, 10);
  device.most = Number.POSITIVE_INFINITY;
  const streams = k.far.peakBytes > 0 && streamed.every((w, i) => w === whole[i]);
  lap('kernels');
  const step = stepCase(),
    { proof: ofStep, plan } = proveCase(k, step);
  lap('proof on the CPU');
  /** The same proof on a device: whether it has the same words, and why the device was given up. */
  const on = (d: GpuDevice, c: Case, right: BigUint64Array): { same: boolean; words: number; failures: string[] } => {
    const failures: string[] = [];
    accelerate(k, { device: d, failed: (e) => failures.push(String(e)) });
    const { proof } = proveCase(k, c, { train: true });
    accelerate(k, undefined);
    return { same: proof.length === right.length && proof.every((w, i) => w === right[i]), words: proof.length, failures };
  };
  const before = device.stats(),
    made = on(device, step, ofStep),
    proof = { ...made, stats: since(before, device.stats()), forecast: forecastDevice(plan).peak };
  lap('proof on the device');
  const right = proveCase(k, small()).proof,
    start = device.stats();
  on(device, small(), right);
  const { trips: all } = since(start, device.stats());
  // Destroyed before the device is asked for the first time, in a commitment, and in the opening.
  const lost = [];
  for (const [i, at] of [0, 2, Math.floor(0.8 * all)].entries()) {
    // The last one has all its pipelines, which another would compile again.
    const l = i !== 2 ? await lineTo(thread(), { software: true }) : line;
    let trips = 0;
    const dying: Line = {
      ...l,
      read: (spans) => {
        if (trips++ === at) l.destroy();
        return l.read(spans);
      },
    };
    lost.push(on(new GpuDevice(k, dying), small(), right));
  }
  lap('lost');
  const big = new GpuDevice(k, await lineTo(thread(), { software: true }));
  let memory = 'enough';
  try {
    for (let i = 0; i < 4; i++) big.get(big.slice(big.vector(2 ** 27), 0, 1));
  } catch (e) {
    memory = e instanceof DeviceMemoryError ? 'DeviceMemoryError' : String(e);
  }
  lap('memory');
  return { name: line.name, refused, kernels, streams, arithmetic, shaders, proof, lost, memory, milliseconds };
}

found().then(
  (f) => scope.postMessage({ found: f }),
  (e: unknown) => scope.postMessage({ failed: e instanceof Error ? `${e.message}\n${e.stack}` : String(e) }),
);
