import { WASM } from './generated/shared.js';
import { type KernelMemory, type KernelOptions, Kernels, type Team, compile, instantiate } from './runtime.js';
import { workerSource } from './worker-source.js';

// A worker's slot in the control buffer: state, kernel, argument count, length of the error text; arguments; error
// text.
const ARGS = 24;
const TEXT = 16 + ARGS * 16;
const TEXT_BYTES = 240;
const SLOT = TEXT + TEXT_BYTES;
const IDLE = 0,
  RUN = 1;

/** A kernel trapped or threw in a worker thread. */
export class KernelError extends Error {
  constructor(
    readonly kernel: string,
    detail: string,
  ) {
    super(`kernel ${kernel} failed in a worker: ${detail}`);
    this.name = 'KernelError';
  }
}

/** Kernels over shared memory with worker threads, for provers. */
export async function threadedKernels(options: KernelOptions & { readonly threads?: number } = {}): Promise<Kernels> {
  const threads = Math.max(1, Math.floor(options.threads ?? 1)),
    memory = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: true }),
    module = compile(WASM),
    k = new Kernels(memory, instantiate(module, memory), threads, options);
  if (threads > 1) k.join(await Workers.start(k, module, memory));
  return k;
}

/** Worker threads of node:worker_threads, one slot each; thread 0 is the caller. */
class Workers implements Team {
  readonly #i32: Int32Array;
  readonly #i64: BigInt64Array;
  readonly #f64: Float64Array;
  readonly #names: readonly string[];
  #workers: { terminate(): unknown }[] = [];

  private constructor(
    readonly k: Kernels,
    readonly control: SharedArrayBuffer,
  ) {
    this.#i32 = new Int32Array(control);
    this.#i64 = new BigInt64Array(control);
    this.#f64 = new Float64Array(control);
    this.#names = Object.keys(k.exports)
      .filter((name) => typeof k.exports[name] === 'function')
      .sort();
  }
  get threads(): number {
    return this.k.threads;
  }

  static async start(k: Kernels, module: WebAssembly.Module, memory: KernelMemory): Promise<Workers> {
    const { Worker } = await import('node:worker_threads'),
      team = new Workers(k, new SharedArrayBuffer(SLOT * k.threads)),
      started = Array.from({ length: k.threads - 1 }, (_, i) => {
        const shared = { module, memory, control: team.control, names: team.#names, text: TEXT, textBytes: TEXT_BYTES };
        return new Worker(workerSource, {
          eval: true,
          workerData: { ...shared, slot: (i + 1) * SLOT, scratch: k.scratch(i + 1) },
        });
      });
    team.#workers = started;
    await Promise.all(
      started.map(
        (w) =>
          new Promise<void>((resolve, reject) => {
            w.once('message', () => resolve());
            w.once('error', reject);
          }),
      ),
    );
    for (const w of started) w.unref();
    return team;
  }

  close(): void {
    for (const w of this.#workers) void w.terminate();
    this.#workers = [];
  }

  run(kernel: string, lists: readonly (readonly (number | bigint)[])[]): void {
    const id = this.#names.indexOf(kernel);
    if (lists.some((a) => a.length > ARGS)) throw new Error('too many kernel arguments');
    for (let t = 1; t < lists.length; t++) this.#post(t, id, lists[t]);
    let failure: unknown;
    try {
      this.k.exports[kernel](...lists[0]);
    } catch (e) {
      failure = e;
    }
    for (let t = 1; t < lists.length; t++) {
      const text = this.#wait(t);
      if (text !== undefined) failure ??= new KernelError(kernel, text);
    }
    if (failure !== undefined) throw failure;
  }

  #post(t: number, id: number, a: readonly (number | bigint)[]): void {
    const base = t * SLOT,
      i32 = this.#i32;
    i32[base / 4 + 1] = id;
    i32[base / 4 + 2] = a.length;
    a.forEach((x, k) => {
      const at = (base + 16 + 16 * k) / 8;
      if (typeof x === 'bigint') {
        this.#f64[at] = 1;
        this.#i64[at + 1] = BigInt.asIntN(64, x);
      } else {
        this.#f64[at] = 0;
        this.#f64[at + 1] = x;
      }
    });
    Atomics.store(i32, base / 4, RUN);
    Atomics.notify(i32, base / 4);
  }

  /** Waits for worker t; the text of its error if it failed. */
  #wait(t: number): string | undefined {
    const i32 = this.#i32,
      at = (t * SLOT) / 4;
    for (let spins = 0; ; spins++) {
      const s = Atomics.load(i32, at);
      if (s === IDLE) return undefined;
      if (s !== RUN) {
        const from = t * SLOT + TEXT,
          text = new TextDecoder().decode(new Uint8Array(this.control).slice(from, from + i32[at + 3]));
        Atomics.store(i32, at, IDLE);
        return text;
      }
      if (spins > 2_000_000) Atomics.wait(i32, at, RUN, 5);
    }
  }
}
