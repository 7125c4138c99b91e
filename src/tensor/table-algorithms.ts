import { log2Ceil } from '../field/log2.js';
import { hex, sha256Stream } from '../hash/sha256.js';
import { ProgramError } from './bounds.js';

/**
 * Public tables by name. Entries are the real values rounded to nearest, ties upward, decided by integers: a double
 * approximation with a proven error is taken where it lies farther than that error from a rounding boundary; the few
 * other entries are decided in big integers. IEEE additions, multiplications and divisions and Math.floor are exactly
 * specified, so all engines agree; Math.exp is never used here.
 */
export interface TableAlgorithm {
  readonly columns: number;
  /** Fraction bits of the key. */
  readonly keyFrac: (params: readonly number[]) => number;
  readonly generate: (params: readonly number[], lo: bigint, size: number) => BigInt64Array[];
  /** The real functions of the columns, for the float reading (Math.exp allowed: not a bound value). */
  readonly real: (params: readonly number[]) => ((x: number) => number)[];
}

/**
 * Distance from a rounding boundary below which an entry is decided in big integers; every approximation here is at
 * least 4 times closer.
 */
const DOUBT = 2 ** -20;
/** Bits of the fixed-point factors. */
const PRECISION = 256;

/**
 * exp(-num / 2^frac) * 2^prec for num >= 0, absolute error below 2: x = num / 2^frac is divided by 2^m to below 2^-8,
 * its Taylor sum has fewer than w/8 terms of one ulp error each, and squaring m <= 40 times multiplies the error by at
 * most 2^m and adds one ulp each: in all below 2^m * w ulps of 2^-w, and w = prec + m + 16 makes that less than one
 * unit.
 */
export function expNegFixed(num: bigint, frac: number, prec: number): bigint {
  if (num < 0n) throw new RangeError('expNegFixed of a negative number');
  if (num === 0n) return 1n << BigInt(prec);
  const m = Math.max(0, num.toString(2).length - frac + 8);
  // Beyond x = 2^31 the result is 0 at any precision in use.
  if (m > 39) return 0n;
  const w = BigInt(prec + m + 16),
    x = (num << w) >> BigInt(frac + m);
  let term = 1n << w,
    sum = term;
  for (let k = 1n; term !== 0n; k++) {
    term = ((term * x) >> w) / k;
    sum += k & 1n ? -term : term;
  }
  for (let k = 0; k < m; k++) sum = (sum * sum) >> w;
  return sum >> BigInt(m + 16);
}

/**
 * exp(-d / 2^frac) for integers d >= 0 below 2^bits: product of two tabulated factors. Each factor is a double within
 * 2^-53 relative of its exact value (absolute 2^-255 where it is smaller), the product within 2^-51.4.
 */
class ExpTable {
  readonly #low: Float64Array;
  readonly #high: Float64Array;
  readonly #split: number;

  constructor(
    readonly frac: number,
    size: number,
  ) {
    const bits = Math.max(2, log2Ceil(size + 1));
    this.#split = 2 ** Math.ceil(bits / 2);
    const factor = (n: number, step: number): Float64Array =>
      Float64Array.from({ length: n }, (_, k) => Number(expNegFixed(BigInt(k * step), frac, PRECISION)) * 2 ** -PRECISION);
    this.#low = factor(this.#split, 1);
    this.#high = factor(Math.ceil((size + 1) / this.#split), this.#split);
  }
  at(d: number): number {
    return this.#low[d % this.#split] * this.#high[Math.floor(d / this.#split)];
  }
}

/** floor(x + 1/2), or undefined where x is too close to a boundary to tell. */
function sure(x: number): number | undefined {
  const y = x + 0.5,
    f = Math.floor(y),
    r = y - f;
  return r > DOUBT && r < 1 - DOUBT ? f : undefined;
}

/** Rounds a real given by fixed-point enclosures of growing precision: value(prec) is within 2^16 units of 2^-prec. */
function decide(value: (prec: number) => bigint): number {
  for (let prec = 128; prec <= 4096; prec *= 2) {
    const half = 1n << BigInt(prec - 1),
      v = value(prec),
      a = (v - 65536n + half) >> BigInt(prec),
      b = (v + 65536n + half) >> BigInt(prec);
    if (a === b) return Number(a);
  }
  throw new Error('a table entry cannot be decided');
}

/** Fills a column through its 32-bit halves (all supported machines are little-endian, as WebAssembly is). */
function column(size: number, entry: (k: number) => number): BigInt64Array {
  const out = new BigInt64Array(size),
    w = new Int32Array(out.buffer);
  for (let k = 0; k < size; k++) {
    const v = entry(k);
    w[2 * k] = v | 0;
    w[2 * k + 1] = Math.floor(v / 2 ** 32);
  }
  return out;
}

/**
 * exp:F:f. T[d] = round(2^f exp(-d 2^-F)) for d >= 0 and T(-1) = max(2^f + 1, round(2^f exp(2^-F))). Columns e1 = T[d],
 * e2 = T[d - 1]. Error of an entry: 2^f 2^-51 <= 2^-25 for f <= 26.
 */
const exp: TableAlgorithm = {
  columns: 2,
  keyFrac: ([F]) => F,
  generate: ([F, f], lo, size) => {
    if (lo !== 0n) throw new ProgramError('exp', 'the table starts at 0');
    if (!(f <= 26 && F <= 40)) throw new ProgramError('exp', 'at most 26 fraction bits of the result and 40 of the key');
    const e = new ExpTable(F, size),
      one = 2 ** f;
    // d = 0 is exact.
    const T = (d: number): number => (d === 0 ? one : (sure(e.at(d) * one) ?? decide((prec) => expNegFixed(BigInt(d), F, prec + f))));
    // exp(2^-F) 2^f = 2^f / exp(-2^-F); relative error of the divisor 2^-(prec+f), the quotient is below 3 * 2^f.
    const before = Math.max(
      one + 1,
      decide((prec) => (1n << BigInt(2 * (prec + f))) / expNegFixed(1n, F, prec + f)),
    );
    const e1 = column(size, T);
    if (e1[size - 1] !== 0n || (size > 1 && e1[size - 2] !== 0n))
      throw new ProgramError('exp', `a table of ${size} rows does not reach zero: raise numbers.expBits`);
    const e2 = new BigInt64Array(size);
    e2[0] = BigInt(before);
    e2.set(e1.subarray(0, size - 1), 1);
    return [e1, e2];
  },
  real: ([F]) => [(x) => Math.exp(-x), (x) => Math.exp(2 ** -F - x)],
};

/**
 * silu:F:f[:g]. At x = key 2^-F: y = x s(x) at f fraction bits, y' = s(x) (1 + x (1 - s(x))) at g (default f), s(x) =
 * 1/(1 + exp(-x)). With E = exp(-|x|): s = 1/(1+E) or E/(1+E), each operation adds 2^-53 relative; |y| 2^f < 2^26 and
 * |1 + x(1-s)| is off by less than
 * |x| 2^-49, so that both are within 2^-22 of the exact value when |x| 2^max(f,g) <= 2^26.
 */
const silu: TableAlgorithm = {
  columns: 2,
  keyFrac: ([F]) => F,
  generate: ([F, f, g = f], lo, size) => {
    const first = Number(lo),
      reach = Math.max(Math.abs(first), Math.abs(first + size));
    if (!(reach * 2 ** (Math.max(f, g) - F) <= 2 ** 26 && F <= 30))
      throw new ProgramError('silu', 'the largest argument times 2^f passes 2^26: use a coarser result');
    const e = new ExpTable(F, reach + 1),
      unit = 2 ** -F;
    const sigma = (n: number): number => {
      const E = e.at(Math.abs(n));
      return n >= 0 ? 1 / (1 + E) : E / (1 + E);
    };
    const y = (n: number): number => {
      if (n === 0) return 0;
      const x = n * unit;
      return sure(x * sigma(n) * 2 ** f) ?? decide((prec) => exactSilu(n, F, prec).y >> BigInt(96 - f));
    };
    const dy = (n: number): number => {
      if (n === 0) return Math.floor(2 ** (g - 1) + (g === 0 ? 0.5 : 0));
      const x = n * unit,
        s = sigma(n);
      return sure(s * (1 + x * (1 - s)) * 2 ** g) ?? decide((prec) => exactSilu(n, F, prec).dy >> BigInt(96 - g));
    };
    return [column(size, (k) => y(first + k)), column(size, (k) => dy(first + k))];
  },
  real: () => {
    const s = (x: number): number => 1 / (1 + Math.exp(-x));
    return [
      (x) => x * s(x),
      (x) => {
        const v = s(x);
        return v * (1 + x * (1 - v));
      },
    ];
  },
};

/**
 * silu and its derivative with prec + 96 fraction bits, within 2^35 units (a few units times |x| < 2^31): the caller
 * drops 96 - f >= 70 bits and allows 2^16 units.
 */
function exactSilu(n: number, F: number, prec: number): { y: bigint; dy: bigint } {
  const w = prec + 96,
    W = BigInt(w),
    one = 1n << W,
    E = expNegFixed(BigInt(Math.abs(n)), F, w);
  const s = n >= 0 ? (one << W) / (one + E) : (E << W) / (one + E);
  const x = (BigInt(n) << W) >> BigInt(F);
  const y = (x * s) >> W,
    dy = (s * (one + ((x * (one - s)) >> W))) >> W;
  return { y, dy };
}

export const TABLES: ReadonlyMap<string, TableAlgorithm> = new Map([
  ['exp', exp],
  ['silu', silu],
]);

/** Algorithm and integer parameters of a table name such as exp:14:24. */
export function parseTable(name: string): { algorithm: TableAlgorithm; params: number[] } {
  const [kind, ...rest] = name.split(':'),
    algorithm = TABLES.get(kind),
    params = rest.map(Number);
  if (!algorithm) throw new ProgramError(name, 'unknown table algorithm');
  if (params.length < 2 || params.some((p) => !Number.isSafeInteger(p) || p < 0 || p > 64))
    throw new ProgramError(name, 'table parameters are fraction bits');
  return { algorithm, params };
}

const cache = new Map<string, BigInt64Array[]>();

/** Columns of a table; kept, because several readings of one process share them. Callers must not write to them. */
export function generateTable(name: string, lo: bigint, size: number): BigInt64Array[] {
  const key = `${name}/${lo}/${size}`;
  let v = cache.get(key);
  if (!v) {
    const { algorithm, params } = parseTable(name);
    v = algorithm.generate(params, lo, size);
    cache.set(key, v);
  }
  return v;
}

/** SHA-256 over the columns, each as little-endian 64-bit words. */
export function tableDigest(columns: readonly BigInt64Array[]): string {
  const h = sha256Stream();
  for (const c of columns) h.update(new Uint8Array(c.buffer, c.byteOffset, c.byteLength));
  return hex(h.digest());
}
