import { isqrt } from '../field/fixedpoint.js';
import type { Kernels } from '../kernels/runtime.js';
import { type OutputStream, outputStream } from '../hash/blake3.js';
import { ADAMW } from '../optim/adamw.js';
import { type LlamaShape, type Target, adapterAxes } from './shape.js';

/** Sizes of a program's axes that adapters use. */
export function axisSizes(shape: LlamaShape, r: number): Record<string, number> {
  return {
    l: shape.layers,
    d: shape.hidden,
    f: shape.intermediate,
    kv: shape.kvHeads,
    g: shape.groups,
    hf: 2,
    cc: shape.headDim / 2,
    c: shape.headDim,
    r,
  };
}

/** Output and input width of a projection. */
export function projectionSize(shape: LlamaShape, t: Target): { out: number; in: number } {
  const sizes = axisSizes(shape, 1),
    ax = adapterAxes(t);
  const prod = (xs: string[]): number => xs.filter((a) => a !== 'l' && a !== 'r').reduce((n, a) => n * sizes[a], 1);
  return { out: prod(ax.B), in: prod(ax.A) };
}

/** Bytes of a block of a stream. */
const BLOCK = 8192;

/**
 * Integers of one seed's stream, so many at a time: 8-byte little-endian words of BLAKE3-XOF over a domain string and
 * the number of a block. The words of a block are no more than are asked for.
 */
class Words {
  #blocks = 0;
  #left = 0;
  #stream: OutputStream | undefined;

  constructor(
    readonly domain: string,
    readonly k: Kernels | undefined,
  ) {}

  /** At most n words, at least one. */
  next(n: number): DataView {
    if (this.#left === 0) {
      this.#stream = outputStream(new TextEncoder().encode(`${this.domain}/${this.#blocks++}`), this.k);
      this.#left = BLOCK;
    }
    const bytes = this.#stream!(Math.min(8 * n, this.#left));
    this.#left -= bytes.length;
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
}

/** w mod n for a word of two halves and n of at most 2^32, in exact doubles. */
const remainder = (high: number, low: number, n: number): number =>
  ((((high % n) * 2 ** 16 + (low >>> 16)) % n) * 2 ** 16 + (low & 0xffff)) % n;

/**
 * Initial master copy at 30 fraction bits: A uniform on the integers of [-2^30/sqrt(in), 2^30/sqrt(in)] by rejection
 * from BLAKE3-XOF("certune/lora-init/1", seed, tensor name), B = 0. Per layer, in PEFT's names, so that the stream does
 * not depend on layout. The same with kernels and without: these take a tenth of the time.
 */
export function initialMaster(
  shape: LlamaShape,
  r: number,
  targets: readonly Target[],
  seed: string | number,
  k?: Kernels,
): Map<string, BigInt64Array> {
  const out = new Map<string, BigInt64Array>();
  for (const t of targets) {
    const size = projectionSize(shape, t);
    const a = new BigInt64Array(shape.layers * r * size.in);
    let bound = 1n << BigInt(ADAMW.master.frac);
    bound = isqrt((bound * bound) / BigInt(size.in));
    const span = 2n * bound + 1n,
      limit = ((1n << 64n) / span) * span,
      least = Number(bound),
      n = Number(span),
      // Words of 64 bits as two halves: integers of any length would be made for each of them.
      [high, low] = [Number(limit >> 32n), Number(limit & 0xffffffffn)],
      halves = new Int32Array(a.buffer);
    for (let l = 0, at = 0; l < shape.layers; l++) {
      const stream = new Words(`certune/lora-init/1/${seed}/layers.${l}.${t}.lora_A`, k);
      for (const end = at + r * size.in; at < end; ) {
        const words = stream.next(end - at);
        for (let k = 0; k < words.byteLength; k += 8) {
          const x = words.getUint32(k + 4, true),
            y = words.getUint32(k, true);
          if (x > high || (x === high && y >= low)) continue;
          const v = remainder(x, y, n) - least;
          halves[2 * at] = v;
          halves[2 * at + 1] = v < 0 ? -1 : 0;
          at++;
        }
      }
    }
    out.set(`${t}.A`, a);
    out.set(`${t}.B`, new BigInt64Array(shape.layers * r * size.out));
  }
  return out;
}

/** Largest half of a word of which a double still holds the sum with a rounding's half exactly. */
const EXACT = 2 ** 19;

/** Compute copy C = round(master / 2^10), ties upward. */
export function computeCopy(master: BigInt64Array): BigInt64Array {
  const bits = ADAMW.master.frac - ADAMW.C.frac,
    unit = 2 ** bits,
    s = BigInt(bits),
    half = 1n << (s - 1n),
    out = new BigInt64Array(master.length),
    from = new Int32Array(master.buffer, master.byteOffset, 2 * master.length),
    to = new Int32Array(out.buffer);
  // Words as two halves: integers of any length would be made for each of them.
  for (let i = 0; i < master.length; i++) {
    const low = from[2 * i] >>> 0,
      high = from[2 * i + 1];
    // Half of an adapter is zero where it begins.
    if (low === 0 && high === 0) continue;
    if (high >= EXACT || high < -EXACT) out[i] = (master[i] + half) >> s;
    else {
      const v = Math.floor((high * 2 ** 32 + low + unit / 2) / unit);
      to[2 * i] = v;
      to[2 * i + 1] = Math.floor(v / 2 ** 32);
    }
  }
  return out;
}
