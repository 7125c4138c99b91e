import { root } from '../field/goldilocks.js';
import type { HashName, MerkleHash } from '../hash/rows.js';
import type { FarBlock } from '../kernels/far.js';
import type { Kernels } from '../kernels/runtime.js';
import { cpuInteger } from './cpu-integer.js';
import { cpuLookup } from './cpu-lookup.js';
import { type CpuKernel, cpuOpening } from './cpu-opening.js';
import { cpuSumcheck } from './cpu-sumcheck.js';
import type { Calls, Device, DeviceStats, Picked, Rows, Vec } from './device.js';

/** Words at an address of the kernels' memory. */
class CpuVec implements Vec {
  constructor(
    readonly device: CpuDevice,
    readonly address: number,
    readonly words: number,
  ) {}
}

/** The kernels of WebAssembly, on their own memory: nothing is copied, and every call is done when it returns. */
export class CpuDevice implements Device {
  readonly name: string = 'cpu';
  readonly hashes: readonly HashName[] = ['poseidon2', 'blake3'];
  readonly together = 1;
  readonly inPlace = true;
  #launches = 0;

  constructor(readonly kernels: Kernels) {}

  vector(words: number): Vec {
    return new CpuVec(this, this.kernels.alloc(8 * words), words);
  }
  zeroed(words: number): Vec {
    return new CpuVec(this, this.kernels.zeroed(8 * words), words);
  }
  slice(v: Vec, from: number, words: number): Vec {
    if (from < 0 || words < 0 || from + words > v.words) throw new RangeError(`words ${from} to ${from + words} of ${v.words}`);
    return new CpuVec(this, this.#address(v) + 8 * from, words);
  }
  scope<T>(f: () => T): T {
    return this.kernels.scope(f);
  }
  readonly longest = Number.POSITIVE_INFINITY;
  get room(): number {
    return this.kernels.room;
  }
  mark(): number {
    return this.kernels.mark();
  }
  compact(since: number, keep: readonly Vec[]): Vec[] {
    const { kernels } = this;
    kernels.release(since);
    const moved = new Map<Vec, Vec>();
    // Moved down in the order in which they lie: none overwrites another.
    for (const v of [...keep].sort((a, b) => this.#address(a) - this.#address(b))) {
      const from = this.#address(v),
        to = from < since ? from : kernels.alloc(8 * v.words);
      if (to !== from) kernels.u8.copyWithin(to, from, from + 8 * v.words);
      moved.set(v, this.bring(to, v.words));
    }
    return keep.map((v) => moved.get(v)!);
  }
  bring(address: number, words: number): Vec {
    return new CpuVec(this, address, words);
  }
  fill(v: Vec, f: (address: number) => void): void {
    f(this.#address(v));
  }
  store(to: FarBlock, at: number, v: Vec): void {
    this.kernels.far.store(to, at, this.#address(v), 8 * v.words);
  }
  load(from: FarBlock, at: number, v: Vec): void {
    this.kernels.far.load(from, at, this.#address(v), 8 * v.words);
  }
  put(v: Vec, data: Uint8Array): void {
    if (data.length !== 8 * v.words) throw new RangeError(`${data.length} bytes for a vector of ${8 * v.words}`);
    this.kernels.u8.set(data, this.#address(v));
  }
  readonly waits: boolean = false;
  getEach(list: readonly Vec[]): BigUint64Array[] {
    return list.map((v) => this.get(v));
  }
  get(v: Vec): BigUint64Array {
    const at = this.#address(v) / 8;
    return this.kernels.u64.slice(at, at + v.words);
  }
  pick(parts: readonly Picked[]): BigUint64Array[] {
    const { u64 } = this.kernels;
    return parts.map(({ from, at }) => {
      const base = this.#address(from) / 8,
        out = new BigUint64Array(at.length);
      for (let i = 0; i < at.length; i++) out[i] = u64[base + at[i]];
      return out;
    });
  }
  run<K extends keyof Calls>(kernel: K, n: number, args: Calls[K]): void {
    this.#launches++;
    KERNELS[kernel](this.kernels, n, args, (v) => this.#address(v));
  }
  readonly encodedAt: Device['encodedAt'] = (n, args, positions) => this.#encodedAt(n, args, positions);
  #encodedAt(n: number, c: Omit<Calls['encode'], 'to'>, positions: readonly number[]): BigUint64Array {
    const { kernels: k } = this,
      q = positions.length,
      m = 2 ** c.logDomain,
      order = [...positions.keys()].sort((a, b) => positions[a] - positions[b]),
      out = new BigUint64Array(n * q);
    this.#launches++;
    k.scope(() => {
      const [source, twiddles] = [c.source, c.twiddles].map((v) => this.#address(v)),
        work = k.alloc(8 * m * Math.min(k.threads, n)),
        at = k.alloc(4 * q),
        to = k.alloc(8 * n * q),
        { from, group, height, logDomain } = c,
        signed = c.signed ? 1 : 0;
      order.forEach((p, i) => {
        k.u32[at / 4 + i] = positions[p];
      });
      k.parallel('nttPick', n, 1, (lo, hi, t) => [
        to,
        source,
        from,
        group,
        height,
        signed,
        logDomain,
        twiddles,
        work + 8 * m * t,
        at,
        q,
        lo,
        hi,
      ]);
      for (let w = 0; w < n; w++) for (let i = 0; i < q; i++) out[n * order[i] + w] = k.u64[to / 8 + q * w + i];
    });
    return out;
  }
  rows(hash: MerkleHash, rows: number, words: number): Rows {
    const hasher = hash.rows(this.kernels, rows, words);
    return {
      absorb: (columns, count) => {
        this.#launches++;
        hasher.absorb(this.#address(columns), count, 8 * rows);
      },
      finish: (to) => hasher.finish(this.#address(to)),
    };
  }
  codewordBytes(room: number): number {
    return room;
  }
  stats(): DeviceStats {
    return { launches: this.#launches, trips: 0, uploadedBytes: 0, readBackBytes: 0, peakBytes: this.kernels.peakBytes };
  }

  #address(v: Vec): number {
    if (!(v instanceof CpuVec) || v.device !== this) throw new TypeError('a vector of another device');
    return v.address;
  }
}

/** Each kernel as the kernels of WebAssembly have it. */
const KERNELS: { readonly [K in keyof Calls]: CpuKernel<Calls[K]> } = {
  ...cpuOpening,
  ...cpuLookup,
  ...cpuSumcheck,
  ...cpuInteger,
  twiddles(k, n, { to }, address) {
    const log = Math.log2(n);
    k.exports['nttTwiddles'](address(to), log, BigInt.asIntN(64, root(log)));
  },
  encode(k, n, c, address) {
    const [to, source, twiddles] = [c.to, c.source, c.twiddles].map(address);
    // The logarithm of the height is not read: heights need not be powers of two.
    k.parallel('nttWords', n, 1, (lo, hi) => [to, source, c.from, c.group, c.height, c.signed ? 1 : 0, 0, c.logDomain, twiddles, lo, hi]);
  },
  level(k, n, { to, from, hash }, address) {
    hash.merkleLevel(k, address(to), address(from), n);
  },
};
