import { FarMemory } from './far.js';

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
  /** Budget of linear and far memory together; default: no limit but the machine's. */ readonly maxBytes?: number;
  /** Cap on linear memory within it, at most 4 GiB - 64 KiB. */ readonly nearBytes?: number;
  /** Bytes of a page of far memory. */ readonly farPage?: number;
}

/** Bytes at the start of the arena that belong to one thread. */
export const SCRATCH = 1024;
/** 4 GiB less a page, so that every end address fits 32 bits. */
const LIMIT = 4 * 2 ** 30 - PAGE;

/** Threads that take part in a call: thread 0 is the caller's. */
export interface Team {
  readonly threads: number;
  /**
   * Runs kernel(...lists[t]) in thread t for all t, the caller's among them; returns when all are done, throws if one
   * failed.
   */
  run(kernel: string, lists: readonly (readonly (number | bigint)[])[]): void;
  close(): void;
}

/** An instance of a module over that memory. */
export const instantiate = (module: WebAssembly.Module, memory: KernelMemory): WebAssembly.Instance =>
  new WebAssembly.Instance(module, {
    env: {
      memory,
      abort: () => {
        throw new Error('kernel aborted');
      },
    },
  });

/** A module from its bytes in base64. */
export function compile(base64: string): WebAssembly.Module {
  const raw = atob(base64);
  return new WebAssembly.Module(Uint8Array.from(raw, (c) => c.charCodeAt(0)));
}

/** Codes of a module's characters: all that is printable but quotes, backslash and dollar sign. */
const CODES = Array.from({ length: 95 }, (_, i) => 32 + i).filter((c) => !'\'"`\\$'.includes(String.fromCharCode(c)));

/**
 * A module from its bytes as tools/kernels/build.ts writes them: 87 values in hexadecimal digits, then one of the first
 * 87 characters for each of them in their order, and the characters of 87 + q and r for a value 90 q + r.
 */
export function compileText(text: string): WebAssembly.Module {
  const n = CODES.length,
    often = n - 3,
    place = new Uint8Array(128),
    bytes = new Uint8Array(text.length);
  CODES.forEach((c, i) => {
    place[c] = i;
  });
  const values = Array.from({ length: often }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
  let length = 0;
  for (let at = 2 * often; at < text.length; at++) {
    const c = place[text.charCodeAt(at)];
    bytes[length++] = c < often ? values[c] : n * (c - often) + place[text.charCodeAt(++at)];
  }
  return new WebAssembly.Module(bytes.subarray(0, length));
}

/**
 * Kernels over one linear memory. Calls are synchronous; `parallel` spreads a range over the threads of a team, the
 * caller takes part. Results do not depend on the number of threads. Memory is an arena: `scope` gives back all that
 * was allocated within it. Made by `singleKernels` (single.ts) and `threadedKernels` (threads.ts).
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
  #team?: Team;

  /** `threads`: most that a team will have; each owns SCRATCH bytes at the start of the arena, see `scratch`. */
  constructor(
    readonly memory: KernelMemory,
    instance: WebAssembly.Instance,
    threads: number,
    options: KernelOptions,
  ) {
    this.totalBytes = options.maxBytes ?? Number.POSITIVE_INFINITY;
    this.maxBytes = Math.min(options.nearBytes ?? LIMIT, this.totalBytes, LIMIT);
    this.exports = instance.exports as Record<string, Fn>;
    this.threads = threads;
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

  /** Address of the bytes that belong to a thread. */
  scratch(thread: number): number {
    return this.#scratch + thread * SCRATCH;
  }
  /** Calls run on this team from now on. */
  join(team: Team): void {
    this.#team = team;
  }
  /** Ends the team; the memory stays usable by the caller's thread alone. */
  close(): void {
    this.#team?.close();
    this.#team = undefined;
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
  /** Runs f, then gives back all that it allocated, also where it throws. f is synchronous; see `scopeAsync`. */
  scope<T>(f: () => T): T {
    const m = this.#top;
    try {
      return f();
    } finally {
      this.#top = m;
    }
  }
  /** `scope` of work that waits. Nothing else may allocate meanwhile. */
  async scopeAsync<T>(f: () => Promise<T>): Promise<T> {
    const m = this.#top;
    try {
      return await f();
    } finally {
      this.#top = m;
    }
  }
  /** The arena's end: for what outlives a function; else `scope`. */
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
   * Runs kernel(args(lo, hi, thread)) over a partition of [0, n) into at most `threads` pieces cut at multiples of
   * `grain`; returns when all pieces are done, also when one of them failed. `args` must not allocate: views and cuts
   * are taken once.
   */
  parallel(kernel: string, n: number, grain: number, args: (lo: number, hi: number, thread: number) => (number | bigint)[]): void {
    const fn = this.exports[kernel];
    if (!fn) throw new Error(`no kernel ${kernel}`);
    if (n <= 0) return;
    const units = Math.ceil(n / grain),
      T = Math.min(this.threads, units);
    if (T <= 1 || !this.#team) {
      fn(...args(0, n, 0));
      return;
    }
    const cut = (t: number): number => Math.min(n, Math.floor((units * t) / T) * grain);
    this.#team.run(
      kernel,
      Array.from({ length: T }, (_, t) => args(cut(t), cut(t + 1), t)),
    );
  }
}
