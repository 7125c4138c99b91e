import { FarMemory } from './far.js';
import { SHARED, SINGLE } from './generated.js';
import { workerSource } from './worker-source.js';

/** Linear memory would pass its cap; the message names the numbers. */
export class OutOfMemoryError extends Error {
  constructor(
    readonly needed: number,
    readonly cap: number,
  ) {
    super(`needs ${mib(needed)} of memory, the limit is ${mib(cap)}: raise --memory, or use smaller micro-batches`);
    this.name = 'OutOfMemoryError';
  }
}
const mib = (n: number): string => `${Math.ceil(n / 2 ** 20)} MiB`;
const PAGE = 65536;

/** Linear memory, growing. */
export interface KernelMemory {
  readonly buffer: ArrayBufferLike;
  grow(pages: number): number;
}
type Fn = (...args: (number | bigint)[]) => number;
export interface KernelOptions {
  readonly threads?: number;
  /** Budget of linear and far memory together; default: no limit but the machine's. */ readonly maxBytes?: number;
  /** Cap on linear memory within it, at most 4 GiB - 64 KiB. */ readonly nearBytes?: number;
  /** Bytes of a page of far memory. */ readonly farPage?: number;
}

const decode = (text: string): Uint8Array<ArrayBuffer> => {
  const raw = atob(text),
    out = new Uint8Array(raw.length);
  for (let k = 0; k < raw.length; k++) out[k] = raw.charCodeAt(k);
  return out;
};

// A worker's slot in the control buffer: state, kernel, argument count, length of the error text; arguments; error text.
const ARGS = 24;
const TEXT = 16 + ARGS * 16;
const TEXT_BYTES = 240;
const SLOT = TEXT + TEXT_BYTES;
/** Bytes at the start of the arena that belong to one thread. */
const SCRATCH = 1024;
const IDLE = 0,
  RUN = 1;
/** 4 GiB less a page, so that every end address fits 32 bits. */
const LIMIT = 4 * 2 ** 30 - PAGE;

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

/**
 * Kernels over one linear memory. Calls are synchronous; `parallel` spreads a range over worker threads, the caller takes part. Results
 * do not depend on the number of threads. Memory is an arena: `mark` and `release` give back all that was allocated between them.
 */
export class Kernels {
  readonly exports: Record<string, Fn>;
  readonly threads: number;
  /** Cap on linear memory. */ readonly maxBytes: number;
  /** Cap on linear and far memory together. */ readonly totalBytes: number;
  /** Memory outside the linear memory, for what does not fit. */ readonly far: FarMemory;
  peakBytes = 0;
  #top: number;
  readonly #scratch: number;
  #views?: {
    buffer: ArrayBufferLike;
    u64: BigUint64Array;
    i64: BigInt64Array;
    u32: Uint32Array;
    i32: Int32Array;
    u8: Uint8Array;
    f64: Float64Array;
  };
  #workers: { terminate(): unknown }[] = [];
  #control?: SharedArrayBuffer;
  #names: string[];

  private constructor(
    readonly memory: KernelMemory,
    instance: WebAssembly.Instance,
    threads: number,
    options: KernelOptions,
  ) {
    this.totalBytes = options.maxBytes ?? Number.POSITIVE_INFINITY;
    this.maxBytes = Math.min(options.nearBytes ?? LIMIT, this.totalBytes, LIMIT);
    this.exports = instance.exports as Record<string, Fn>;
    this.threads = threads;
    this.#names = Object.keys(instance.exports)
      .filter((k) => typeof instance.exports[k] === 'function')
      .sort();
    this.#scratch = Math.ceil((this.exports['heapBase']() >>> 0) / 4096) * 4096;
    this.exports['setScratch'](this.#scratch);
    this.#top = this.#scratch + SCRATCH * threads;
    const u8 = (): Uint8Array => this.u8,
      grow = (bytes: number): void => {
        const needed = memory.buffer.byteLength + this.far.committedBytes + bytes;
        if (needed > this.totalBytes) throw new OutOfMemoryError(needed, this.totalBytes);
      };
    this.far = new FarMemory(
      {
        get u8() {
          return u8();
        },
        grow,
      },
      options.farPage,
    );
  }

  /** One thread, unshared memory: for verifiers, in Node and in pages. */
  static single(options: Omit<KernelOptions, 'threads'> = {}): Kernels {
    const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536 });
    const module = new WebAssembly.Module(decode(SINGLE));
    return new Kernels(memory, new WebAssembly.Instance(module, imports(memory)), 1, options);
  }

  /** Shared memory and worker threads, for provers. */
  static async create(options: KernelOptions = {}): Promise<Kernels> {
    const threads = Math.max(1, Math.floor(options.threads ?? 1));
    const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: true });
    const module = new WebAssembly.Module(decode(SHARED));
    const k = new Kernels(memory, new WebAssembly.Instance(module, imports(memory)), threads, options);
    if (threads > 1) await k.#start(module);
    return k;
  }

  async #start(module: WebAssembly.Module): Promise<void> {
    const { Worker } = await import('node:worker_threads');
    this.#control = new SharedArrayBuffer(SLOT * this.threads);
    const ready: Promise<void>[] = [];
    for (let t = 1; t < this.threads; t++) {
      const w = new Worker(workerSource, {
        eval: true,
        workerData: {
          module,
          memory: this.memory,
          control: this.#control,
          slot: t * SLOT,
          scratch: this.#scratch + t * SCRATCH,
          names: this.#names,
          text: TEXT,
          textBytes: TEXT_BYTES,
        },
      });
      ready.push(
        new Promise((resolve, reject) => {
          w.once('message', () => resolve());
          w.once('error', reject);
        }),
      );
      this.#workers.push(w);
    }
    await Promise.all(ready);
    for (const w of this.#workers) (w as { unref?: () => void }).unref?.();
  }

  /** Ends the workers; the memory stays usable by the caller's thread alone. */
  close(): void {
    for (const w of this.#workers) void w.terminate();
    this.#workers = [];
    this.#control = undefined;
  }

  #view() {
    if (!this.#views || this.#views.buffer !== this.memory.buffer) {
      const buffer = this.memory.buffer;
      this.#views = {
        buffer,
        u64: new BigUint64Array(buffer),
        i64: new BigInt64Array(buffer),
        u32: new Uint32Array(buffer),
        i32: new Int32Array(buffer),
        u8: new Uint8Array(buffer),
        f64: new Float64Array(buffer),
      };
    }
    return this.#views;
  }
  get u64(): BigUint64Array {
    return this.#view().u64;
  }
  get i64(): BigInt64Array {
    return this.#view().i64;
  }
  get u32(): Uint32Array {
    return this.#view().u32;
  }
  get i32(): Int32Array {
    return this.#view().i32;
  }
  get u8(): Uint8Array {
    return this.#view().u8;
  }
  get f64(): Float64Array {
    return this.#view().f64;
  }

  /** Address of `bytes` fresh bytes (contents undefined). Throws OutOfMemoryError over the cap. */
  alloc(bytes: number, align = 64): number {
    const at = Math.ceil(this.#top / align) * align,
      end = at + bytes;
    if (end > this.maxBytes) throw new OutOfMemoryError(end, this.maxBytes);
    const have = this.memory.buffer.byteLength;
    if (end > have) {
      try {
        this.memory.grow(Math.ceil((end - have) / PAGE));
      } catch {
        throw new OutOfMemoryError(end, have);
      }
    }
    this.#top = end;
    if (end > this.peakBytes) this.peakBytes = end;
    return at;
  }
  zeroed(bytes: number): number {
    const p = this.alloc(bytes);
    this.u8.fill(0, p, p + bytes);
    return p;
  }
  mark(): number {
    return this.#top;
  }
  release(mark: number): void {
    this.#top = mark;
  }
  /** Bytes that `alloc` can still give. */
  get room(): number {
    return this.maxBytes - this.#top;
  }

  writeExt(p: number, v: readonly [bigint, bigint, bigint]): void {
    const u = this.u64,
      at = p / 8;
    u[at] = v[0];
    u[at + 1] = v[1];
    u[at + 2] = v[2];
  }
  readExt(p: number): [bigint, bigint, bigint] {
    const u = this.u64,
      at = p / 8;
    return [u[at], u[at + 1], u[at + 2]];
  }
  writeExts(p: number, values: readonly (readonly [bigint, bigint, bigint])[]): void {
    const u = this.u64;
    let at = p / 8;
    for (const v of values) {
      u[at++] = v[0];
      u[at++] = v[1];
      u[at++] = v[2];
    }
  }
  /** Allocates and writes elements of E. */
  exts(values: readonly (readonly [bigint, bigint, bigint])[]): number {
    const p = this.alloc(24 * Math.max(1, values.length));
    this.writeExts(p, values);
    return p;
  }
  readExts(p: number, n: number): [bigint, bigint, bigint][] {
    return Array.from({ length: n }, (_, k) => this.readExt(p + 24 * k));
  }

  /**
   * Runs kernel(args(lo, hi, thread)) over a partition of [0, n) into at most `threads` pieces cut at multiples of `grain`; returns when
   * all pieces are done, also when one of them failed. `args` must not allocate: views and cuts are taken once.
   */
  parallel(kernel: string, n: number, grain: number, args: (lo: number, hi: number, thread: number) => (number | bigint)[]): void {
    const fn = this.exports[kernel];
    if (!fn) throw new Error(`no kernel ${kernel}`);
    if (n <= 0) return;
    const units = Math.ceil(n / grain),
      T = Math.min(this.threads, units);
    if (T <= 1 || !this.#control) {
      fn(...args(0, n, 0));
      return;
    }
    const cut = (t: number): number => Math.min(n, Math.floor((units * t) / T) * grain);
    const id = this.#names.indexOf(kernel);
    const lists = Array.from({ length: T }, (_, t) => args(cut(t), cut(t + 1), t));
    if (lists.some((a) => a.length > ARGS)) throw new Error('too many kernel arguments');
    for (let t = 1; t < T; t++) this.#post(t, id, lists[t]);
    let failure: unknown;
    try {
      fn(...lists[0]);
    } catch (e) {
      failure = e;
    }
    for (let t = 1; t < T; t++) {
      const text = this.#join(t);
      if (text !== undefined) failure ??= new KernelError(kernel, text);
    }
    if (failure !== undefined) throw failure;
  }

  #post(t: number, id: number, a: (number | bigint)[]): void {
    const c = this.#control!,
      base = t * SLOT,
      i32 = new Int32Array(c),
      f64 = new Float64Array(c),
      i64 = new BigInt64Array(c);
    i32[base / 4 + 1] = id;
    i32[base / 4 + 2] = a.length;
    a.forEach((x, k) => {
      const at = (base + 16 + 16 * k) / 8;
      if (typeof x === 'bigint') {
        f64[at] = 1;
        i64[at + 1] = BigInt.asIntN(64, x);
      } else {
        f64[at] = 0;
        f64[at + 1] = x;
      }
    });
    Atomics.store(i32, base / 4, RUN);
    Atomics.notify(i32, base / 4);
  }

  /** Waits for worker t; the text of its error if it failed. */
  #join(t: number): string | undefined {
    const i32 = new Int32Array(this.#control!),
      at = (t * SLOT) / 4;
    for (let spins = 0; ; spins++) {
      const s = Atomics.load(i32, at);
      if (s === IDLE) return undefined;
      if (s !== RUN) {
        const from = t * SLOT + TEXT,
          text = new TextDecoder().decode(new Uint8Array(this.#control!).slice(from, from + i32[at + 3]));
        Atomics.store(i32, at, IDLE);
        return text;
      }
      if (spins > 2_000_000) Atomics.wait(i32, at, RUN, 5);
    }
  }
}

function imports(memory: KernelMemory): WebAssembly.Imports {
  return {
    env: {
      memory,
      abort: () => {
        throw new Error('kernel aborted');
      },
    },
  };
}
