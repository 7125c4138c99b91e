/*
 * A range coder over integers: a symbol of frequency f out of t takes log2(t / f) bits. Everything is exact in doubles:
 * the range has at most 40 bits, a total at most 20.
 *
 * An encoder keeps [low, low + range) in units of 2^-40 of what its bytes leave open; a symbol with `cum` below it
 * takes the piece from floor(range / t) cum on, the last symbol what is left. It ends with as few bytes as lie in the
 * piece with zeros after them, and the least of those.
 */
const TOP = 2 ** 40,
  LOW = 2 ** 32;

/** A symbol: what lies below it, its own frequency, the total. */
export interface Symbols {
  readonly cum: number;
  readonly freq: number;
  readonly total: number;
}

export class RangeEncoder {
  #low = 0;
  #range = TOP;
  #at = 0;
  #out = new Uint8Array(256);

  put({ cum, freq, total }: Symbols): void {
    const r = Math.floor(this.#range / total);
    this.#low += r * cum;
    this.#range = cum + freq === total ? this.#range - r * cum : r * freq;
    this.#carry();
    for (; this.#range < LOW; this.#range *= 256) {
      this.#byte(Math.floor(this.#low / LOW));
      this.#low = (this.#low % LOW) * 256;
    }
  }
  /** The bytes; nothing can be put any more. */
  end(): Uint8Array {
    for (let n = 0, unit = TOP; ; n++, unit /= 256) {
      const v = Math.ceil(this.#low / unit) * unit;
      if (v >= this.#low + this.#range) continue;
      this.#low = v;
      this.#carry();
      for (let i = 0; i < n; i++) {
        this.#byte(Math.floor(this.#low / LOW));
        this.#low = (this.#low % LOW) * 256;
      }
      // Zeros at the end are read without being there.
      while (this.#at > 0 && this.#out[this.#at - 1] === 0) this.#at--;
      return this.#out.slice(0, this.#at);
    }
  }
  /** Adds what went beyond 40 bits to the bytes before. There is a byte to take it: low + range is at most 1 in all. */
  #carry(): void {
    if (this.#low < TOP) return;
    this.#low -= TOP;
    let i = this.#at - 1;
    while (this.#out[i] === 255) this.#out[i--] = 0;
    this.#out[i]++;
  }
  #byte(b: number): void {
    if (this.#at === this.#out.length) {
      const more = new Uint8Array(2 * this.#at);
      more.set(this.#out);
      this.#out = more;
    }
    this.#out[this.#at++] = b;
  }
}

/** Reads what an encoder wrote; any bytes read as some symbols, zeros follow the last. */
export class RangeDecoder {
  /** Where the bytes point, from the low end of the range. */ #code = 0;
  #range = TOP;
  #at: number;
  constructor(
    private readonly bytes: Uint8Array,
    from: number,
  ) {
    this.#at = from;
    for (let i = 0; i < 5; i++) this.#code = this.#code * 256 + this.#next();
  }
  /** A number below `total` that lies within the next symbol. */
  target(total: number): number {
    return Math.min(total - 1, Math.floor(this.#code / Math.floor(this.#range / total)));
  }
  /** Takes the symbol that the target lies in. */
  take({ cum, freq, total }: Symbols): void {
    const r = Math.floor(this.#range / total);
    this.#code -= r * cum;
    this.#range = cum + freq === total ? this.#range - r * cum : r * freq;
    for (; this.#range < LOW; this.#range *= 256) this.#code = this.#code * 256 + this.#next();
  }
  #next(): number {
    return this.#at < this.bytes.length ? this.bytes[this.#at++] : 0;
  }
}
