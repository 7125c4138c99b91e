import type { HashName, MerkleHash } from '../hash/rows.js';
import type { FarBlock } from '../kernels/far.js';
import type { IntegerCalls } from './integer.js';
import type { LookupCalls } from './lookup.js';
import type { OpeningCalls } from './opening.js';
import type { SumcheckCalls } from './sumcheck.js';

/** Words of 64 bits in the memory of a device. What numbers they stand for is a matter of the kernels. */
export interface Vec {
  readonly device: Device;
  readonly words: number;
}

/** Words of a vector at some places. */
export interface Picked {
  readonly from: Vec;
  readonly at: Uint32Array;
}

/**
 * Arguments of the kernels that `run` calls, beside a count n. Vectors belong to the device; none overlaps another
 * unless it says so.
 */
export interface Calls extends OpeningCalls, LookupCalls, SumcheckCalls, IntegerCalls {
  /** Twiddles of all stages of transforms of up to n words, n a power of two: n words, as kernels/ntt.ts. */
  readonly twiddles: { readonly to: Vec };
  /**
   * Reed-Solomon codewords of n words of a leaf, from word `from` on. Word w is of column w / group, whose values are
   * records of `group` words, signed or canonical: value j lies at word ((w / group) height + j) group + w % group of
   * `source`. Its 2^logDomain values go, in bit-reversed order, to word (w - from) 2^logDomain of `to`.
   */
  readonly encode: {
    readonly to: Vec;
    readonly source: Vec;
    readonly twiddles: Vec;
    readonly from: number;
    readonly group: number;
    readonly height: number;
    readonly signed: boolean;
    readonly logDomain: number;
  };
  /** A level of a Merkle tree: n nodes of four words from the 2 n below them. */
  readonly level: { readonly to: Vec; readonly from: Vec; readonly hash: MerkleHash };
}

/** Running hashes of all rows of a matrix of canonical words; its columns arrive in order, eight at a time. */
export interface Rows {
  /** Words of every row, column-major; eight but for the last ones. */
  absorb(columns: Vec, count: number): void;
  /** Four words of each row's digest. All columns must have been absorbed. */
  finish(to: Vec): void;
}

/** What a device has done since it was made. */
export interface DeviceStats {
  /** Kernels that were started. */ readonly launches: number;
  /** Times that somebody waited for it. */ readonly trips: number;
  readonly uploadedBytes: number;
  readonly readBackBytes: number;
  readonly peakBytes: number;
}

/**
 * Where a prover's vectors lie and its kernels run. Calls take effect in the order in which they are made; only `get`
 * and `pick` wait for them. Results are the same words on every device, so that a proof does not say where it was made.
 */
export interface Device {
  readonly name: string;
  /** Hashes that it has kernels of. */ readonly hashes: readonly HashName[];
  /**
   * Work items that are prepared and given to one call where there are more of them: a launch has its price where the
   * CPU has memory for the work of one.
   */
  readonly together: number;
  /** Whether folds of neighbouring cells may write over what they read; else they need another place. */
  readonly inPlace: boolean;
  /** A fresh vector, contents undefined. It lives until the scope that it was made in ends. */
  vector(words: number): Vec;
  /** The same, all zero. */
  zeroed(words: number): Vec;
  /** Some words of a vector, as a vector of their own over the same memory. */
  slice(v: Vec, from: number, words: number): Vec;
  /** Runs f, then gives back all vectors that were made in it, also where it throws. f is synchronous. */
  scope<T>(f: () => T): T;
  /** Words that one vector can have at most. */ readonly longest: number;
  /** Bytes that vectors can still take, as far as it is known. */ readonly room: number;
  /** How far its memory is taken: see `compact`. */
  mark(): number;
  /**
   * Gives back what has been allocated since that mark but for these vectors, which may be moved: as they are then.
   * Nothing else that lies there may be used again.
   */
  compact(since: number, keep: readonly Vec[]): Vec[];
  /** Words at an address of the kernels' memory, as they are now; they stay as they are while the vector lives. */
  bring(address: number, words: number): Vec;
  /** Has f write a whole vector at an address of the kernels' memory. */
  fill(v: Vec, f: (address: number) => void): void;
  /** Writes a whole vector. */
  put(v: Vec, data: Uint8Array): void;
  /** Whether who reads a vector waits for it: then few reads take all that is wanted. */ readonly waits: boolean;
  /** Copies of whole vectors, all at once. */
  getEach(list: readonly Vec[]): BigUint64Array[];
  /** A copy of a whole vector. */
  get(v: Vec): BigUint64Array;
  /** Copies of single words, of each vector in turn. */
  pick(parts: readonly Picked[]): BigUint64Array[];
  /** Copies a whole vector to bytes `at` of a block outside the memory of kernels and devices, and back. */
  store(to: FarBlock, at: number, v: Vec): void;
  load(from: FarBlock, at: number, v: Vec): void;
  run<K extends keyof Calls>(kernel: K, n: number, args: Calls[K]): void;
  /**
   * Of the codewords that `encode` would write, the values at some positions: all n words of the first position, then
   * of the next. Where a device has it, that is faster than to encode all of them.
   */
  encodedAt?(n: number, args: Omit<Calls['encode'], 'to'>, positions: readonly number[]): BigUint64Array;
  /** Begins the hashes of so many rows of so many words (at least one). */
  rows(hash: MerkleHash, rows: number, words: number): Rows;
  /** Bytes that it lets a codeword take, where the prover's memory would leave it so many. */
  codewordBytes(room: number): number;
  stats(): DeviceStats;
}
