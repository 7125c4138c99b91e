import { SHARED, SINGLE } from './generated.js';
import { workerSource } from './worker-source.js';

/** Linear memory would pass its cap; the message names the numbers. */
export class OutOfMemoryError extends Error {
  constructor(readonly needed: number, readonly cap: number) {
    super(`needs ${mib(needed)} of kernel memory, the limit is ${mib(cap)}: raise --memory, or use smaller micro-batches`);
    this.name = 'OutOfMemoryError';
  }
}
const mib = (n: number): string => `${Math.ceil(n / 2 ** 20)} MiB`;
const PAGE = 65536;

type Fn = (...args: (number | bigint)[]) => number;
export interface KernelOptions { readonly threads?: number; /** Cap on linear memory, at most 4 GiB - 64 KiB. */ readonly maxBytes?: number }

const decode = (text: string): Uint8Array<ArrayBuffer> => {
  const raw = atob(text), out = new Uint8Array(raw.length);
  for (let k = 0; k < raw.length; k++) out[k] = raw.charCodeAt(k);
  return out;
};

const ARGS = 24;
const SLOT = 16 + ARGS * 16;

/**
 * Kernels over one linear memory. Calls are synchronous; `parallel` spreads a range over worker threads, the caller takes part. Results
 * do not depend on the number of threads. Memory is an arena: `mark` and `release` give back all that was allocated between them.
 */
export class Kernels {
  readonly exports: Record<string, Fn>;
  readonly threads: number;
  peakBytes = 0;
  #top: number;
  #views?: { buffer: ArrayBufferLike; u64: BigUint64Array; i64: BigInt64Array; u32: Uint32Array; i32: Int32Array; u8: Uint8Array; f64: Float64Array };
  #workers: { terminate(): unknown }[] = [];
  #control?: SharedArrayBuffer;
  #names: string[];

  private constructor(readonly memory: WebAssembly.Memory, instance: WebAssembly.Instance, threads: number, readonly maxBytes: number) {
    this.exports = instance.exports as Record<string, Fn>;
    this.threads = threads;
    this.#names = Object.keys(instance.exports).filter((k) => typeof instance.exports[k] === 'function').sort();
    this.#top = Math.ceil((this.exports['heapBase']() >>> 0) / 4096) * 4096;
  }

  /** One thread, unshared memory: for verifiers, in Node and in pages. */
  static single(options: { maxBytes?: number } = {}): Kernels {
    const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536 });
    const module = new WebAssembly.Module(decode(SINGLE));
    return new Kernels(memory, new WebAssembly.Instance(module, imports(memory)), 1, options.maxBytes ?? 4 * 2 ** 30 - PAGE);
  }

  /** Shared memory and worker threads, for provers. */
  static async create(options: KernelOptions = {}): Promise<Kernels> {
    const threads = Math.max(1, options.threads ?? 1);
    const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: true });
    const module = new WebAssembly.Module(decode(SHARED));
    const k = new Kernels(memory, new WebAssembly.Instance(module, imports(memory)), threads, Math.min(options.maxBytes ?? 4 * 2 ** 30 - PAGE, 4 * 2 ** 30 - PAGE));
    if (threads > 1) await k.#start(module);
    return k;
  }

  async #start(module: WebAssembly.Module): Promise<void> {
    const { Worker } = await import('node:worker_threads');
    this.#control = new SharedArrayBuffer(SLOT * this.threads);
    const ready: Promise<void>[] = [];
    for (let t = 1; t < this.threads; t++) {
      const w = new Worker(workerSource, { eval: true, workerData: { module, memory: this.memory, control: this.#control, slot: t * SLOT, names: this.#names, args: ARGS } });
      ready.push(new Promise((resolve, reject) => { w.once('message', () => resolve()); w.once('error', reject); }));
      this.#workers.push(w);
    }
    await Promise.all(ready);
    for (const w of this.#workers) (w as { unref?: () => void }).unref?.();
  }

  close(): void {
    for (const w of this.#workers) void w.terminate();
    this.#workers = [];
  }

  #view() {
    if (!this.#views || this.#views.buffer !== this.memory.buffer) {
      const buffer = this.memory.buffer;
      this.#views = { buffer, u64: new BigUint64Array(buffer), i64: new BigInt64Array(buffer), u32: new Uint32Array(buffer), i32: new Int32Array(buffer), u8: new Uint8Array(buffer), f64: new Float64Array(buffer) };
    }
    return this.#views;
  }
  get u64(): BigUint64Array { return this.#view().u64; }
  get i64(): BigInt64Array { return this.#view().i64; }
  get u32(): Uint32Array { return this.#view().u32; }
  get i32(): Int32Array { return this.#view().i32; }
  get u8(): Uint8Array { return this.#view().u8; }
  get f64(): Float64Array { return this.#view().f64; }

  /** Address of `bytes` fresh bytes (contents undefined). Throws OutOfMemoryError over the cap. */
  alloc(bytes: number, align = 64): number {
    const at = Math.ceil(this.#top / align) * align, end = at + bytes;
    if (end > this.maxBytes) throw new OutOfMemoryError(end, this.maxBytes);
    const have = this.memory.buffer.byteLength;
    if (end > have) {
      try { this.memory.grow(Math.ceil((end - have) / PAGE)); } catch { throw new OutOfMemoryError(end, have); }
    }
    this.#top = end;
    if (end > this.peakBytes) this.peakBytes = end;
    return at;
  }
  zeroed(bytes: number): number { const p = this.alloc(bytes); this.u8.fill(0, p, p + bytes); return p; }
  mark(): number { return this.#top; }
  release(mark: number): void { this.#top = mark; }

  writeExt(p: number, v: readonly [bigint, bigint, bigint]): void { const u = this.u64, at = p / 8; u[at] = v[0]; u[at + 1] = v[1]; u[at + 2] = v[2]; }
  readExt(p: number): [bigint, bigint, bigint] { const u = this.u64, at = p / 8; return [u[at], u[at + 1], u[at + 2]]; }
  /** Allocates and writes elements of E. */
  exts(values: readonly (readonly [bigint, bigint, bigint])[]): number {
    const p = this.alloc(24 * Math.max(1, values.length));
    values.forEach((v, k) => this.writeExt(p + 24 * k, v));
    return p;
  }
  readExts(p: number, n: number): [bigint, bigint, bigint][] { return Array.from({ length: n }, (_, k) => this.readExt(p + 24 * k)); }

  /** Runs kernel(args(lo, hi, thread)) over a partition of [0, n) in multiples of `grain`. */
  parallel(kernel: string, n: number, grain: number, args: (lo: number, hi: number, thread: number) => (number | bigint)[]): void {
    const fn = this.exports[kernel];
    if (!fn) throw new Error(`no kernel ${kernel}`);
    if (n <= 0) return;
    const units = Math.ceil(n / grain), T = Math.min(this.threads, units);
    if (T <= 1 || !this.#control) { fn(...args(0, n, 0)); return; }
    const cut = (t: number): number => Math.min(n, Math.floor((units * t) / T) * grain);
    const i32 = new Int32Array(this.#control), f64 = new Float64Array(this.#control), i64 = new BigInt64Array(this.#control);
    const id = this.#names.indexOf(kernel);
    for (let t = 1; t < T; t++) {
      const a = args(cut(t), t === T - 1 ? n : cut(t + 1), t), base = t * SLOT;
      if (a.length > ARGS) throw new Error('too many kernel arguments');
      i32[base / 4 + 1] = id;
      i32[base / 4 + 2] = a.length;
      a.forEach((x, k) => {
        const at = (base + 16 + 16 * k) / 8;
        if (typeof x === 'bigint') { f64[at] = 1; i64[at + 1] = BigInt.asIntN(64, x); } else { f64[at] = 0; f64[at + 1] = x; }
      });
      Atomics.store(i32, base / 4, 1);
      Atomics.notify(i32, base / 4);
    }
    fn(...args(0, cut(1), 0));
    for (let t = 1; t < T; t++) {
      const at = (t * SLOT) / 4;
      let spins = 0;
      for (;;) {
        const s = Atomics.load(i32, at);
        if (s === 0) break;
        if (s < 0) { Atomics.store(i32, at, 0); throw new Error(`kernel ${kernel} failed in a worker`); }
        if (++spins > 200_000) { Atomics.wait(i32, at, 1, 5); }
      }
    }
  }
}

function imports(memory: WebAssembly.Memory): WebAssembly.Imports {
  return { env: { memory, abort: () => { throw new Error('kernel aborted'); } } };
}
