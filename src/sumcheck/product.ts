import { deviceOf } from '../device/current.js';
import type { Device, Vec } from '../device/device.js';
import * as E from '../field/ext3.js';
import type { FarBlock } from '../kernels/far.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Ext } from '../transcript/arith.js';

/**
 * A vector of signed words or of elements of E: in the kernels' memory at `ptr`, on the sumcheck's device as `vec`, or
 * written tile by tile, to an address by `fill` or on the device by `make`.
 */
export interface Tiled {
  readonly length: number;
  readonly ptr?: number;
  readonly vec?: Vec;
  /** Whether `f` holds elements of E; weights always do. */ readonly ext?: boolean;
  /** Writes the 2^log entries from `from` on, a multiple of 2^log at most `maxLog`, to dst; zeros beyond the length. */
  readonly fill?: (dst: number, from: number, log: number) => void;
  readonly make?: (dst: Vec, from: number, log: number) => void;
  readonly maxLog?: number;
}

/** Ways in which a vector is given. */
const PLACES = ['ptr', 'vec', 'fill', 'make'] as const;

/** Largest tile, entries of a half. */
const TILE_LOG = 18;
/** Bytes per entry of a tile: two halves of both vectors before and after a fold. */
const TILE_BYTES = 2 * 4 * 24;

/** Words of an entry. */
const width = (base: boolean): number => (base ? 1 : 3);

interface Side {
  n: number;
  base: boolean;
  /** On the device; or outside of it, or to be made. */ vec?: Vec | undefined;
  far?: FarBlock | undefined;
  source?: Pick<Tiled, 'ptr' | 'fill' | 'make'> | undefined;
  readonly maxLog: number;
}

/**
 * Sumcheck of sum_i f(i) w(i), first variable most significant, f in signed words (or E), w in E. The vectors lie on
 * the device if they fit; otherwise every round is one pass over tiles that folds by the last challenge, adds to the
 * next message and stores far, until what is left fits. Destroys w where it lies there or is near.
 */
export class ProductSumcheck {
  readonly #f: Side;
  readonly #w: Side;
  #vars: number;
  #pending?: Ext | undefined;
  /** Where own memory begins and ends; no end once the caller has allocated behind it. */ readonly #start: number;
  #end: number | undefined;

  constructor(
    readonly k: Kernels,
    f: Tiled,
    w: Tiled,
    vars: number,
    readonly device: Device = deviceOf(k),
  ) {
    const side = (t: Tiled, base: boolean): Side => {
      // Of two, one would be passed over: weights that were added to it with it.
      if (PLACES.filter((p) => t[p] !== undefined).length !== 1) throw new TypeError(`a vector is given by one of ${PLACES.join(', ')}`);
      const words = width(base) * t.length,
        vec = t.vec ?? (t.ptr !== undefined && words <= device.longest ? device.bring(t.ptr, words) : undefined);
      return { n: t.length, base, vec, source: vec ? undefined : t, maxLog: t.maxLog ?? TILE_LOG };
    };
    this.#f = side(f, !f.ext);
    this.#w = side(w, false);
    this.#vars = vars;
    this.#start = this.#end = device.mark();
  }
  get vars(): number {
    return this.#vars;
  }

  /** Message of the round: the sum over the low half, and that of (f_hi - f_lo)(w_hi - w_lo). */
  message(): [Ext, Ext] {
    if (!this.#here && !this.#settle()) return this.device.scope(() => this.#pass());
    const half = 2 ** (this.#vars - 1);
    return this.#sums(this.#f.vec!, this.#f.base, this.#w.vec!, half, Math.min(this.#f.n, half));
  }

  /** Binds the variable. */
  bind(r: Ext): void {
    if (!this.#here) {
      this.#pending = r;
      this.#vars--;
      return;
    }
    const { device } = this,
      own = device.mark() === this.#end,
      half = 2 ** (this.#vars - 1),
      n = Math.min(this.#f.n, half);
    for (const s of [this.#f, this.#w]) {
      const to = s.base ? device.vector(3 * n) : device.slice(s.vec!, 0, 3 * n);
      device.run('fold', n, { to, from: s.vec!, base: s.base, half, r });
      s.vec = to;
      s.base = false;
      s.n = n;
    }
    this.#vars--;
    this.#end = own ? device.mark() : undefined;
  }

  /**
   * Brings both vectors to the device, in E; returns them and their length. Memory that earlier rounds needed for
   * longer vectors is given back if nothing else has been allocated since.
   */
  near(): { f: Vec; w: Vec; n: number } {
    const { device } = this,
      own = device.mark() === this.#end;
    if (!this.#here) this.#settle(true);
    const f = this.#f,
      w = this.#w;
    if (f.base) {
      const to = device.vector(3 * f.n);
      device.run('fold', f.n, { to, from: f.vec!, base: true, half: f.n, r: E.ZERO });
      f.vec = to;
      f.base = false;
    }
    if (own && device.mark() - this.#start > 96 * f.n) [f.vec, w.vec] = device.compact(this.#start, [f.vec!, w.vec!]);
    this.#end = own ? device.mark() : undefined;
    return { f: f.vec!, w: w.vec!, n: f.n };
  }

  get #here(): boolean {
    return this.#pending === undefined && this.#f.vec !== undefined && this.#w.vec !== undefined;
  }

  /** The two sums over n entries and those from `half` on, which may be fewer. */
  #sums(f: Vec, base: boolean, w: Vec, half: number, n: number): [Ext, Ext] {
    const { device } = this;
    return device.scope(() => {
      const to = device.vector(6);
      device.run('productSums', n, { to, f, base, w, half });
      const [a, b, c, d, e, g] = device.get(to);
      return [
        [a, b, c],
        [d, e, g],
      ];
    });
  }

  /** log2 of the tiles that fit beside what is there, at most half of the vector after the pending fold. */
  #tileLog(): number {
    const { room, longest } = this.device,
      fits = Math.floor(Math.log2(Math.min(room / 2 / TILE_BYTES, longest / 6)));
    return Math.max(0, Math.min(TILE_LOG, this.#f.maxLog, this.#w.maxLog, this.#vars - 1, fits));
  }

  /** Entries [from, from + n) of a side to dst; tiles are written whole. */
  #read(s: Side, dst: Vec, from: number, n: number, log: number): void {
    if (n <= 0) return;
    const { device, k } = this,
      words = width(s.base),
      part = (count: number): Vec => device.slice(dst, 0, words * count);
    if (s.vec) device.run('copy', words * n, { to: part(n), from: device.slice(s.vec, words * from, words * n) });
    else if (s.far) device.load(s.far, 8 * words * from, part(n));
    else if (s.source!.make) s.source!.make(part(2 ** log), from, log);
    else if (s.source!.fill) device.fill(part(2 ** log), (at) => s.source!.fill!(at, from, log));
    else {
      const at = s.source!.ptr! + 8 * words * from;
      device.put(part(n), k.u8.subarray(at, at + 8 * words * n));
    }
  }

  /** Brings both sides to the device with the pending fold, if they fit (or must). */
  #settle(must = false): boolean {
    const { device, k } = this,
      own = device.mark() === this.#end,
      log = this.#tileLog(),
      t = 2 ** log,
      sides = [this.#f, this.#w],
      r = this.#pending,
      folded = 2 ** this.#vars,
      n = r === undefined ? this.#f.n : Math.min(this.#f.n, folded),
      up = Math.ceil(n / t) * t,
      // Words of a side as it is brought, and those to which a base is folded later.
      words = (s: Side): number => (r === undefined ? width(s.base) : 3) * up,
      later = (s: Side): number => (r === undefined && s.base ? 3 * Math.min(n, folded / 2) : 0);
    const bytes = sides.reduce((b, s) => b + 8 * ((r === undefined && s.vec ? 0 : words(s)) + later(s)), 0),
      fits = bytes + t * TILE_BYTES + 1024 <= device.room && sides.every((s) => Math.max(words(s), later(s)) <= device.longest);
    if (!must && !fits) return false;
    const to = sides.map((s) => (r === undefined && s.vec ? s.vec : device.vector(words(s))));
    device.scope(() => {
      const raw = device.vector(6 * t);
      sides.forEach((s, i) => {
        const entries = (at: number, count: number): Vec =>
          device.slice(to[i], width(s.base && r === undefined) * at, width(s.base && r === undefined) * count);
        if (r !== undefined) this.#foldTo(to[i], raw, s, n, folded, log);
        else if (!s.vec) for (let at = 0; at < n; at += t) this.#read(s, entries(at, t), at, Math.min(t, n - at), log);
        if (s.far) k.far.free(s.far);
        s.far = s.source = undefined;
        s.base = s.base && r === undefined;
        s.vec = device.slice(to[i], 0, width(s.base) * n);
        s.n = n;
      });
    });
    this.#pending = undefined;
    this.#end = own ? device.mark() : undefined;
    return true;
  }

  /**
   * The first n entries of a side, folded at the challenge, to `dst`: tile by tile over `raw`, the high half from
   * `folded` on.
   */
  #foldTo(dst: Vec, raw: Vec, s: Side, n: number, folded: number, log: number): void {
    const t = 2 ** log;
    for (let at = 0; at < n; at += t) this.#foldTile(this.device.slice(dst, 3 * at, 3 * Math.min(t, n - at)), raw, s, at, folded, log);
  }

  /** Entries of a side from `from` on, folded at the challenge over `raw`, to all of `dst`, at most a tile. */
  #foldTile(dst: Vec, raw: Vec, s: Side, from: number, folded: number, log: number): void {
    const { device } = this,
      t = 2 ** log,
      words = width(s.base),
      n = dst.words / 3,
      upper = Math.max(0, Math.min(n, s.n - folded - from));
    this.#read(s, raw, from, n, log);
    this.#read(s, device.slice(raw, words * t, words * t), folded + from, upper, log);
    device.run('fold', n, { to: dst, from: device.slice(raw, 0, words * (t + upper)), base: s.base, half: t, r: this.#pending! });
  }

  /** One pass over tiles: pending fold, message, store. */
  #pass(): [Ext, Ext] {
    const { device, k } = this,
      log = this.#tileLog(),
      t = 2 ** log,
      f = this.#f,
      sides = [f, this.#w],
      r = this.#pending,
      half = 2 ** (this.#vars - 1),
      folded = 2 * half,
      n = r === undefined ? f.n : Math.min(f.n, folded);
    const tiles = sides.map(() => device.vector(6 * t)),
      raw = r === undefined ? undefined : device.vector(6 * t),
      // A far vector is folded in place: a tile's results lie where its lower entries were.
      blocks = raw ? sides.map((s) => s.far ?? k.far.alloc(24 * n)) : [];
    let s0: Ext = E.ZERO,
      s2: Ext = E.ZERO;
    for (let at = 0; at < Math.min(n, half); at += t) {
      const nlo = Math.min(t, n - at, half - at),
        nhi = Math.max(0, Math.min(nlo, n - half - at));
      const [x, y] = sides.map((s, i) => {
        const words = width(s.base && !raw),
          part = (from: number, count: number): Vec => device.slice(tiles[i], words * from, words * count);
        // Quarters at and half + at of the vector before the fold are its low half, those beyond `folded` the high one.
        for (const [from, count, to] of [
          [at, nlo, 0],
          [half + at, nhi, t],
        ]) {
          if (count <= 0) continue;
          if (!raw) this.#read(s, part(to, t), from, count, log);
          else {
            this.#foldTile(part(to, count), raw, s, from, folded, log);
            device.store(blocks[i], 24 * from, part(to, count));
          }
        }
        return part(0, t + nhi);
      });
      const [a, b] = this.#sums(x, f.base && !raw, y, t, nlo);
      s0 = E.add(s0, a);
      s2 = E.add(s2, b);
    }
    if (raw)
      sides.forEach((s, i) => {
        s.far = k.far.shrink(blocks[i], 24 * n);
        s.vec = s.source = undefined;
        s.base = false;
        s.n = n;
      });
    this.#pending = undefined;
    return [s0, s2];
  }
}
