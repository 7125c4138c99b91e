/** Bytes kept outside the kernels' linear memory: an array of them is a sequence of pages. */
export interface FarBlock {
  readonly bytes: number;
  readonly pages: readonly number[];
}

/** The near side of a copy, and the budget that both sides share. */
export interface NearMemory {
  readonly u8: Uint8Array;
  /** Called before far memory grows by that many bytes: throws where the budget does not allow it. */
  readonly grow: (bytes: number) => void;
}

const PAGES_PER_SLAB = 256;

/**
 * Memory outside the linear memory, which wasm32 limits to 4 GiB: kernels do not see it, arrays are copied in and out.
 * Pages come from slabs and return to a free list, so that the peak does not depend on the garbage collector. Contents
 * of fresh blocks are undefined.
 */
export class FarMemory {
  usedBytes = 0;
  peakBytes = 0;
  readonly #slabs: Uint8Array[] = [];
  readonly #free: number[] = [];

  /** `page`: bytes of a page, also the grain of a budget. */
  constructor(
    readonly near: NearMemory,
    readonly page = 2 ** 18,
  ) {}

  /** Bytes of all slabs, in use or free. */
  get committedBytes(): number {
    return this.#slabs.length * PAGES_PER_SLAB * this.page;
  }

  /** A block of that many bytes. Throws OutOfMemoryError over the budget. */
  alloc(bytes: number): FarBlock {
    const n = Math.ceil(bytes / this.page),
      pages: number[] = [];
    while (this.#free.length < n) {
      this.near.grow(PAGES_PER_SLAB * this.page);
      const first = this.#slabs.length * PAGES_PER_SLAB;
      this.#slabs.push(new Uint8Array(PAGES_PER_SLAB * this.page));
      for (let p = PAGES_PER_SLAB - 1; p >= 0; p--) this.#free.push(first + p);
    }
    for (let i = 0; i < n; i++) pages.push(this.#free.pop()!);
    this.usedBytes += n * this.page;
    this.peakBytes = Math.max(this.peakBytes, this.usedBytes);
    return { bytes, pages };
  }
  free(b: FarBlock): void {
    for (let i = b.pages.length - 1; i >= 0; i--) this.#free.push(b.pages[i]);
    this.usedBytes -= b.pages.length * this.page;
  }

  /** The block's first bytes; the pages beyond go back, and the old block must not be used again. */
  shrink(b: FarBlock, bytes: number): FarBlock {
    const n = Math.ceil(bytes / this.page);
    this.free({ bytes: 0, pages: b.pages.slice(n) });
    return { bytes, pages: b.pages.slice(0, n) };
  }

  /** Copies near bytes [ptr, ptr + bytes) to the block's bytes from `at`. */
  store(b: FarBlock, at: number, ptr: number, bytes: number): void {
    this.write(b, at, this.near.u8.subarray(ptr, ptr + bytes));
  }
  /** Copies the block's bytes from `at` to near bytes [ptr, ptr + bytes). */
  load(b: FarBlock, at: number, ptr: number, bytes: number): void {
    this.read(b, at, this.near.u8.subarray(ptr, ptr + bytes));
  }
  /** Copies these bytes to the block's from `at`. */
  write(b: FarBlock, at: number, data: Uint8Array): void {
    this.#each(b, at, data.length, (page, done) => page.set(data.subarray(done, done + page.length)));
  }
  /** Copies the block's bytes from `at` to these. */
  read(b: FarBlock, at: number, to: Uint8Array): void {
    this.#each(b, at, to.length, (page, done) => to.set(page, done));
  }

  #each(b: FarBlock, at: number, bytes: number, f: (page: Uint8Array, done: number) => void): void {
    if (at < 0 || bytes < 0 || at + bytes > b.bytes) throw new RangeError(`far bytes ${at} + ${bytes} of ${b.bytes}`);
    for (let done = 0; done < bytes; ) {
      const page = b.pages[Math.floor((at + done) / this.page)],
        from = (at + done) % this.page,
        n = Math.min(bytes - done, this.page - from),
        base = (page % PAGES_PER_SLAB) * this.page + from;
      f(this.#slabs[Math.floor(page / PAGES_PER_SLAB)].subarray(base, base + n), done);
      done += n;
    }
  }
}
