import * as E from '../field/ext3.js';
import type { FarBlock } from '../kernels/far.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Ext } from '../transcript/arith.js';

/** A vector of signed words or of elements of E: near at `ptr`, or written tile by tile by `fill`. */
export interface Tiled {
  readonly length: number;
  readonly ptr?: number;
  /** Whether `f` holds elements of E; weights always do. */ readonly ext?: boolean;
  /** Writes the 2^log entries from `from` on, a multiple of 2^log at most `maxLog`, to dst; zeros beyond the length. */
  readonly fill?: (dst: number, from: number, log: number) => void;
  readonly maxLog?: number;
}

/** Largest tile, entries of a half. */
const TILE_LOG = 18;
/** Near bytes per entry of a tile: two halves of both vectors before and after a fold. */
const TILE_BYTES = 2 * 4 * 24;

interface Side {
  n: number;
  base: boolean;
  ptr?: number;
  far?: FarBlock;
  fill?: Tiled['fill'];
  maxLog: number;
}

/**
 * Sumcheck of sum_i f(i) w(i), first variable most significant, f in signed words (or E), w in E. The vectors lie near
 * if they fit; otherwise every round is one pass over tiles that folds by the last challenge, adds to the next message
 * and stores far, until what is left fits. Destroys w where it is near.
 */
export class ProductSumcheck {
  readonly #f: Side;
  readonly #w: Side;
  #vars: number;
  #pending?: Ext;
  /** Where own memory begins and ends; no end once the caller has allocated behind it. */ readonly #start: number;
  #end: number | undefined;
  readonly #out: number;
  readonly #challenge: number;

  constructor(
    readonly k: Kernels,
    f: Tiled,
    w: Tiled,
    vars: number,
  ) {
    const side = (t: Tiled, base: boolean): Side => ({ n: t.length, base, ptr: t.ptr, fill: t.fill, maxLog: t.maxLog ?? TILE_LOG });
    this.#f = side(f, !f.ext);
    this.#w = side(w, false);
    this.#vars = vars;
    this.#out = k.alloc(64 * k.threads);
    this.#challenge = k.alloc(24);
    this.#start = this.#end = k.mark();
  }
  get vars(): number {
    return this.#vars;
  }

  /** Message of the round: the sum over the low half, and that of (f_hi - f_lo)(w_hi - w_lo). */
  message(): [Ext, Ext] {
    if (!this.#near && !this.#settle()) return this.#pass();
    const { n, ptr, base } = this.#f,
      half = 2 ** (this.#vars - 1);
    return this.#sums(ptr!, base, this.#w.ptr!, half, Math.min(n, half), Math.max(0, n - half));
  }

  /** Binds the variable. */
  bind(r: Ext): void {
    if (!this.#near) {
      this.#pending = r;
      this.#vars--;
      return;
    }
    const { k } = this,
      own = k.mark() === this.#end,
      half = 2 ** (this.#vars - 1),
      f = this.#f,
      w = this.#w,
      nlo = Math.min(f.n, half),
      dst = f.base ? k.alloc(24 * nlo) : f.ptr!;
    k.writeExt(this.#challenge, r);
    this.#fold(dst, f.ptr!, f.base, half, f.n, nlo);
    this.#fold(w.ptr!, w.ptr!, false, half, w.n, nlo);
    f.ptr = dst;
    f.base = false;
    f.n = w.n = nlo;
    this.#vars--;
    this.#end = own ? k.mark() : undefined;
  }

  /**
   * Brings both vectors near, in E; returns their addresses and length. Memory that earlier rounds needed for longer
   * vectors is given back if nothing else has been allocated since.
   */
  near(): { f: number; w: number; n: number } {
    const { k } = this,
      own = k.mark() === this.#end;
    if (!this.#near) this.#settle(true);
    const f = this.#f,
      w = this.#w;
    if (f.base) {
      const dst = k.alloc(24 * f.n);
      k.writeExt(this.#challenge, E.ZERO);
      this.#fold(dst, f.ptr!, true, f.n, f.n, f.n);
      f.ptr = dst;
      f.base = false;
    }
    const bytes = 24 * f.n,
      mine = [f, w].filter((x) => x.ptr! >= this.#start).sort((x, y) => x.ptr! - y.ptr!);
    if (own && k.mark() - this.#start > 4 * bytes) {
      // Moved down in the order in which they lie: neither overwrites the other.
      k.release(this.#start);
      for (const x of mine) {
        const from = x.ptr!;
        x.ptr = k.alloc(bytes);
        k.u8.copyWithin(x.ptr, from, from + bytes);
      }
    }
    this.#end = own ? k.mark() : undefined;
    return { f: f.ptr!, w: w.ptr!, n: f.n };
  }

  get #near(): boolean {
    return this.#pending === undefined && this.#f.ptr !== undefined && this.#w.ptr !== undefined;
  }

  #fold(dst: number, src: number, base: boolean, half: number, n: number, nlo: number): void {
    const nhi = Math.max(0, n - half),
      c = this.#challenge;
    this.k.parallel('foldHalves', nlo, 1024, (lo, hi) => [dst, src, base ? 1 : 0, half, nhi, c, lo, hi]);
  }

  #sums(f: number, base: boolean, w: number, half: number, nlo: number, nhi: number): [Ext, Ext] {
    const { k } = this,
      out = this.#out;
    k.u8.fill(0, out, out + 64 * k.threads);
    k.parallel('scHalves', nlo, 1024, (lo, hi, t) => [out + 64 * t, f, base ? 1 : 0, w, half, nhi, lo, hi]);
    let s0: Ext = E.ZERO,
      s2: Ext = E.ZERO;
    for (let t = 0; t < k.threads; t++) {
      s0 = E.add(s0, k.readExt(out + 64 * t));
      s2 = E.add(s2, k.readExt(out + 64 * t + 24));
    }
    return [s0, s2];
  }

  /** log2 of the tiles that fit beside what is near, at most half of the vector after the pending fold. */
  #tileLog(): number {
    return Math.max(
      0,
      Math.min(TILE_LOG, this.#f.maxLog, this.#w.maxLog, this.#vars - 1, Math.floor(Math.log2(this.k.room / 2 / TILE_BYTES))),
    );
  }

  /** Entries [from, from + n) of a side to dst; tiles are written whole. */
  #read(s: Side, dst: number, from: number, n: number, log: number): void {
    if (n <= 0) return;
    const size = s.base ? 8 : 24;
    if (s.ptr !== undefined) this.k.u8.copyWithin(dst, s.ptr + size * from, s.ptr + size * (from + n));
    else if (s.far) this.k.far.load(s.far, size * from, dst, size * n);
    else s.fill!(dst, from, log);
  }

  /** Brings both sides near with the pending fold, if they fit (or must). */
  #settle(must = false): boolean {
    const { k } = this,
      own = k.mark() === this.#end,
      log = this.#tileLog(),
      t = 2 ** log,
      sides = [this.#f, this.#w],
      r = this.#pending,
      folded = 2 ** this.#vars,
      n = r === undefined ? this.#f.n : Math.min(this.#f.n, folded),
      up = Math.ceil(n / t) * t;
    // A near base vector that stays one is folded to E later.
    const bytes = sides.reduce(
      (b, s) =>
        b + (r === undefined ? (s.ptr === undefined ? (s.base ? 8 : 24) * up : 0) + (s.base ? 24 * Math.min(n, folded / 2) : 0) : 24 * up),
      0,
    );
    if (!must && bytes + t * TILE_BYTES + 1024 > k.room) return false;
    const to = sides.map((s) => (r === undefined && s.ptr !== undefined ? s.ptr : k.alloc((s.base && r === undefined ? 8 : 24) * up)));
    if (r !== undefined) k.writeExt(this.#challenge, r);
    k.scope(() => {
      const raw = k.alloc(48 * t);
      sides.forEach((s, i) => {
        if (r !== undefined) this.#foldTo(to[i], raw, s, n, folded, log);
        else if (s.ptr === undefined)
          for (let at = 0; at < n; at += t) this.#read(s, to[i] + (s.base ? 8 : 24) * at, at, Math.min(t, n - at), log);
        else return;
        if (s.far) k.far.free(s.far);
        s.far = s.fill = undefined;
        if (r !== undefined) s.base = false;
        s.ptr = to[i];
        s.n = n;
      });
    });
    this.#pending = undefined;
    this.#end = own ? k.mark() : undefined;
    return true;
  }

  /**
   * The first n entries of a side, folded at the challenge, to `dst`: tile by tile over `raw`, the high half from
   * `folded` on.
   */
  #foldTo(dst: number, raw: number, s: Side, n: number, folded: number, log: number): void {
    const t = 2 ** log,
      size = s.base ? 8 : 24;
    for (let at = 0; at < n; at += t) {
      const here = Math.min(t, n - at),
        nhi = Math.max(0, Math.min(here, s.n - folded - at));
      this.#read(s, raw, at, here, log);
      this.#read(s, raw + size * t, folded + at, nhi, log);
      this.#fold(dst + 24 * at, raw, s.base, t, t + nhi, here);
    }
  }

  /** One pass over tiles: pending fold, message, store. */
  #pass(): [Ext, Ext] {
    return this.k.scope(() => this.#tiles());
  }
  #tiles(): [Ext, Ext] {
    const { k } = this,
      log = this.#tileLog(),
      t = 2 ** log,
      f = this.#f,
      w = this.#w,
      sides = [f, w],
      r = this.#pending,
      half = 2 ** (this.#vars - 1),
      folded = 2 * half,
      n = r === undefined ? f.n : Math.min(f.n, folded);
    const tiles = sides.map(() => k.alloc(48 * t)),
      raw = r === undefined ? 0 : k.alloc(48 * t);
    // A far vector is folded in place: a tile's results lie where its lower entries were.
    const blocks = r === undefined ? [] : sides.map((s) => s.far ?? k.far.alloc(24 * n));
    if (r !== undefined) k.writeExt(this.#challenge, r);
    let s0: Ext = E.ZERO,
      s2: Ext = E.ZERO;
    for (let at = 0; at < Math.min(n, half); at += t) {
      const nlo = Math.min(t, n - at, half - at),
        nhi = Math.max(0, Math.min(nlo, n - half - at));
      sides.forEach((s, i) => {
        const size = s.base ? 8 : 24;
        if (r === undefined) {
          this.#read(s, tiles[i], at, nlo, log);
          this.#read(s, tiles[i] + size * t, half + at, nhi, log);
          return;
        }
        // Quarters at and half + at of the vector before the fold are its low half, those beyond `folded` the high one.
        for (const [from, count, to] of [
          [at, nlo, tiles[i]],
          [half + at, nhi, tiles[i] + 24 * t],
        ]) {
          if (count <= 0) continue;
          const up = Math.max(0, Math.min(count, s.n - folded - from));
          this.#read(s, raw, from, count, log);
          this.#read(s, raw + size * t, folded + from, up, log);
          this.#fold(to, raw, s.base, t, t + up, count);
          k.far.store(blocks[i], 24 * from, to, 24 * count);
        }
      });
      const [a, b] = this.#sums(tiles[0], r === undefined && f.base, tiles[1], t, nlo, nhi);
      s0 = E.add(s0, a);
      s2 = E.add(s2, b);
    }
    if (r !== undefined)
      sides.forEach((s, i) => {
        s.far = k.far.shrink(blocks[i], 24 * n);
        s.ptr = s.fill = undefined;
        s.base = false;
        s.n = n;
      });
    this.#pending = undefined;
    return [s0, s2];
  }
}
