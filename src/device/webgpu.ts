import { root } from '../field/goldilocks.js';
import type { HashName, MerkleHash } from '../hash/rows.js';
import type { FarBlock } from '../kernels/far.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Command, ShaderName, Span } from './commands.js';
import type { Calls, Device, DeviceStats, Picked, Rows, Vec } from './device.js';
import { DeviceMemoryError } from './errors.js';
import { launches } from './gpu-batch.js';
import { gpuInteger } from './gpu-integer.js';
import { gpuLookup } from './gpu-lookup.js';
import { type BatchItem, type Launcher, gpuOpening, halves } from './gpu-opening.js';
import { gpuSumcheck } from './gpu-sumcheck.js';
import { LOCAL_LOG } from './wgsl/commit.js';

/** The thread that owns a device, as the one who waits for it sees it. */
export interface Line {
  /** What the adapter calls itself. */ readonly name: string;
  /** Bytes of the largest buffer that a shader can be given. */ readonly largest: number;
  /** Sends commands, which are carried out in order. */
  send(commands: readonly Command[]): void;
  /** Waits for all of them; the words of these spans, plain data, one after another. Throws DeviceError. */
  read(spans: readonly Span[]): BigUint64Array;
  close(): Promise<void>;
}

/** Words of a slab. */
class GpuVec implements Vec, Span {
  constructor(
    readonly device: GpuDevice,
    readonly slab: number,
    readonly at: number,
    readonly words: number,
  ) {}
}

/** Vectors begin at multiples of so many words. */
const ALIGN = 32;
/** The first slab; every other one is twice as large as the one before it, until they are as large as they can be. */
const FIRST_SLAB = 2 ** 26;
const LARGEST_SLAB = 2 ** 30;
/** Commands that are sent at a time, and bytes that are sent before somebody waits for them to be taken. */
const AT_ONCE = 64;
const IN_FLIGHT = 2 ** 28;

/**
 * A device of WebGPU behind its thread. Vectors lie one behind another in a few slabs, buffers as large as a shader can
 * bind; none lies in two. Slabs live as long as the device.
 */
export class GpuDevice implements Device {
  readonly name: string;
  readonly hashes: readonly HashName[] = ['poseidon2'];
  readonly together = Number.POSITIVE_INFINITY;
  readonly inPlace = false;
  /** Words of every slab, and how many of them are taken. */
  readonly #slabs: { readonly words: number; top: number }[] = [];
  #commands: Command[] = [];
  #sent = 0;
  #stats = { launches: 0, trips: 0, uploadedBytes: 0, readBackBytes: 0, peakBytes: 0 };

  constructor(
    readonly kernels: Kernels,
    readonly line: Line,
    readonly firstSlab = FIRST_SLAB,
  ) {
    this.name = line.name;
  }

  vector(words: number): Vec {
    const most = this.longest;
    if (words > most) throw new DeviceMemoryError(this.name, `a vector of ${8 * words} bytes, where a buffer has ${8 * most}`);
    let slab = this.#slabs.findIndex((s) => s.top + words <= s.words);
    if (slab < 0) {
      const size = Math.min(most, Math.max(words, (this.firstSlab / 8) * 2 ** this.#slabs.length));
      this.#record({ do: 'slab', bytes: 8 * size });
      slab = this.#slabs.push({ words: size, top: 0 }) - 1;
    }
    const s = this.#slabs[slab],
      at = s.top;
    s.top = Math.min(s.words, Math.ceil((at + words) / ALIGN) * ALIGN);
    const used = this.#slabs.reduce((n, x) => n + 8 * x.top, 0);
    if (used > this.#stats.peakBytes) this.#stats.peakBytes = used;
    return new GpuVec(this, slab, at, words);
  }
  zeroed(words: number): Vec {
    const v = this.vector(words);
    this.#launch('zero', words, [v], []);
    return v;
  }
  slice(v: Vec, from: number, words: number): Vec {
    const { slab, at } = this.#own(v);
    if (from < 0 || words < 0 || from + words > v.words) throw new RangeError(`words ${from} to ${from + words} of ${v.words}`);
    return new GpuVec(this, slab, at + from, words);
  }
  scope<T>(f: () => T): T {
    const tops = this.#slabs.map((s) => s.top);
    try {
      return f();
    } finally {
      this.#slabs.forEach((s, i) => {
        s.top = tops[i] ?? 0;
      });
    }
  }
  get longest(): number {
    return Math.floor(Math.min(this.line.largest, LARGEST_SLAB) / 8);
  }
  /** WebGPU does not tell how much memory a device has: it says so when there is none left. */
  readonly room = Number.POSITIVE_INFINITY;
  mark(): number {
    return this.#slabs.reduce((n, s) => n + s.top, 0);
  }
  /** Nothing is moved: what is given back is so at the end of the scope. */
  compact(_since: number, keep: readonly Vec[]): Vec[] {
    return [...keep];
  }
  bring(address: number, words: number): Vec {
    const v = this.vector(words);
    this.put(v, this.kernels.u8.subarray(address, address + 8 * words));
    return v;
  }
  fill(v: Vec, f: (address: number) => void): void {
    const { kernels } = this;
    kernels.scope(() => {
      const at = kernels.alloc(8 * v.words);
      f(at);
      this.put(v, kernels.u8.subarray(at, at + 8 * v.words));
    });
  }
  store(to: FarBlock, at: number, v: Vec): void {
    this.kernels.far.write(to, at, new Uint8Array(this.get(v).buffer));
  }
  load(from: FarBlock, at: number, v: Vec): void {
    const bytes = new Uint8Array(8 * v.words);
    this.kernels.far.read(from, at, bytes);
    this.put(v, bytes);
  }
  put(v: Vec, data: Uint8Array): void {
    const { slab, at, words } = this.#own(v);
    if (data.length !== 8 * words) throw new RangeError(`${data.length} bytes for a vector of ${8 * words}`);
    if (words === 0) return;
    // A copy, for what lies there may change before it is taken.
    this.#record({ do: 'write', to: { slab, at, words }, data: new Uint8Array(data) });
    this.#stats.uploadedBytes += data.length;
    this.#sent += data.length;
    if (this.#sent > IN_FLIGHT) this.#read([]);
  }
  readonly waits = true;
  get(v: Vec): BigUint64Array {
    return this.getEach([v])[0];
  }
  getEach(list: readonly Vec[]): BigUint64Array[] {
    const spans = list.map((v) => this.#own(v)).map(({ slab, at, words }) => ({ slab, at, words })),
      all = this.#read(spans);
    let from = 0;
    return spans.map(({ words }) => all.subarray(from, (from += words)));
  }
  pick(parts: readonly Picked[]): BigUint64Array[] {
    return this.scope(() => {
      const to = this.vector(parts.reduce((sum, p) => sum + p.at.length, 0));
      let from = 0;
      const items = parts.map(({ from: v, at }) => {
        for (const place of at) if (place >= v.words) throw new RangeError(`word ${place} of ${v.words}`);
        const m = at.length,
          out = this.slice(to, from, m);
        from += m;
        return { units: m, vecs: [out, v], numbers: [], more: [...at] };
      });
      this.#batch('pick', items, []);
      const got = this.get(to);
      from = 0;
      return parts.map((p) => got.slice(from, (from += p.at.length)));
    });
  }
  run<K extends keyof Calls>(kernel: K, n: number, args: Calls[K]): void {
    const own: { readonly [C in keyof Calls]: (g: Launcher, n: number, a: Calls[C]) => void } = {
      ...gpuOpening,
      ...gpuLookup,
      ...gpuSumcheck,
      ...gpuInteger,
      twiddles: (_, count, { to }) => this.#launch('twiddles', count, [to], halves([root(Math.log2(count))])),
      encode: (_, count, a) => this.#encode(count, a),
      level: (_, count, { to, from, hash }) => {
        this.#has(hash);
        this.#launch('level', count, [to, from], []);
      },
    };
    own[kernel](this.#launcher, n, args);
  }
  rows(hash: MerkleHash, rows: number, words: number): Rows {
    this.#has(hash);
    if (words < 1) throw new RangeError('a row has at least one word');
    const states = this.vector(12 * rows);
    let taken = 0;
    return {
      absorb: (columns, count) => {
        const first = taken === 0;
        taken += count;
        if (count < 1 || taken > words || (count !== 8 && taken !== words))
          throw new RangeError(`${taken - count} + ${count} of ${words} words of a row`);
        this.#launch('absorb', rows, [states, columns], [count, first ? 1 : 0, words]);
      },
      finish: (to) => {
        if (taken !== words) throw new RangeError(`${taken} of ${words} words of a row`);
        this.#launch('digests', rows, [to, states], []);
      },
    };
  }
  codewordBytes(): number {
    return Math.min(this.line.largest, LARGEST_SLAB);
  }
  stats(): DeviceStats {
    return { ...this.#stats };
  }
  close(): Promise<void> {
    return this.line.close();
  }

  readonly #launcher: Launcher = {
    vector: (words) => this.vector(words),
    slice: (v, from, words) => this.slice(v, from, words),
    put: (v, data) => this.put(v, data),
    scope: (f) => this.scope(f),
    launch: (shader, n, operands, scalars) => this.#launch(shader, n, operands, scalars),
    batch: (shader, items, scalars, gathered) => this.#batch(shader, items, scalars, gathered),
    slabOf: (v) => this.#own(v).slab,
    placeOf: (v) => this.#own(v).at,
  };

  /** Words in columns of the whole domain; then three stages at a time, until a workgroup holds a block. */
  #encode(n: number, c: Calls['encode']): void {
    const { to, twiddles, logDomain } = c,
      all = n * 2 ** logDomain;
    this.#launch('place', all, [to, c.source], [logDomain, c.height, c.group, c.from, c.signed ? 1 : 0]);
    let log = logDomain;
    for (; log > LOCAL_LOG; log -= 3) this.#launch('stages', all / 8, [to, twiddles], [log]);
    if (log > 0) this.#launch('blocks', all / 2 ** log, [to, twiddles], [log]);
  }

  #has({ name }: MerkleHash): void {
    if (!this.hashes.includes(name)) throw new Error(`${this.name} has no kernels of ${name}`);
  }
  #own(v: Vec): GpuVec {
    if (!(v instanceof GpuVec) || v.device !== this) throw new TypeError('a vector of another device');
    return v;
  }
  #launch(shader: ShaderName, n: number, operands: readonly Vec[], scalars: readonly number[]): void {
    if (n === 0) return;
    this.#stats.launches++;
    this.#record({ do: 'launch', shader, n, operands: operands.map((v) => this.#own(v)).map(({ slab, at }) => ({ slab, at })), scalars });
  }
  /** One launch over work items, or one for every choice of slabs that their operands lie in. */
  #batch(shader: ShaderName, items: readonly BatchItem[], scalars: readonly number[], gathered: readonly number[] = []): void {
    const own = items.map((x) => ({ ...x, vecs: x.vecs.map((v) => this.#own(v)) }));
    for (const c of launches(shader, own, scalars, gathered)) {
      this.#stats.launches++;
      this.#record(c);
    }
  }
  #record(c: Command): void {
    this.#commands.push(c);
    if (this.#commands.length >= AT_ONCE || c.do === 'write') this.#flush();
  }
  #flush(): void {
    const commands = this.#commands;
    if (commands.length === 0) return;
    this.#commands = [];
    this.line.send(commands);
  }
  #read(spans: readonly Span[]): BigUint64Array {
    this.#flush();
    this.#sent = 0;
    this.#stats.trips++;
    const words = this.line.read(spans);
    this.#stats.readBackBytes += words.byteLength;
    return words;
  }
}
