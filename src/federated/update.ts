import { ADAMW } from '../optim/adamw.js';
import { FederationError } from './errors.js';
import { RangeDecoder, RangeEncoder, type Symbols } from './range-coder.js';
import { type Shape, UpdateModel } from './update-model.js';

/*
 * Updates as they travel: the differences d = C_c - C of an adapter's integers from the global ones. One encoding for a
 * value:
 *
 *   the byte 2, then a range code (range-coder.ts) of
 *   span S = max |d|: its 12 high bits, its 13 low ones; the rest only where S > 0
 *   for every tensor the least k from 0 to 256 with |d| <= s = floor(S k / 256) in it
 *   for every value of a tensor with s > 0: its cell among those of [-s, s] by the model (update-model.ts), and its
 *   place in the cell, all places alike
 *
 * Whoever reads writes the same at the same time, and compares. How many values there are, and how they lie in ranks,
 * is said by the charter, so that a reader knows how many bytes there may be before it reads one.
 */

const VERSION = 2,
  HEAD = 1,
  SPAN_LOW = 2 ** 13,
  SPAN_HIGH = 2 ** 12,
  PIECES = 256;
/**
 * Most bits of a value: a cell has a frequency of at least 1 out of 2^16, of 2 S + 1 < 2^26 values a cell has at most
 * 2^20; and what rounding of the range takes.
 */
const MOST_BITS = 16 + 20 + 1;
/** Most bytes of the span and the end beside the values; bits of a tensor's span; tensors. */
const SPAN_BYTES = 10,
  PIECE_BITS = 9;
/** Most tensors of an adapter. */
export const MOST_TENSORS = 4096;

/** Most values of an adapter: those that a norm can be taken of. */
export const MOST_VALUES = 2 ** 25;

/** Range of an adapter's integers. */
export const LEAST_C = -(2 ** (ADAMW.C.bits - 1)),
  MOST_C = 2 ** (ADAMW.C.bits - 1) - 1;
const MOST_SPAN = MOST_C - LEAST_C;

/** Most bytes that an update of n values can have, whatever they are. */
export const updateLimit = (n: number): number =>
  HEAD + SPAN_BYTES + Math.ceil((n * MOST_BITS + Math.min(n, MOST_TENSORS) * PIECE_BITS) / 8);

/** Name and shape of an adapter's tensor: its values lie as its matrix of every layer has them (update-model.ts). */
export interface TensorSize extends Shape {
  readonly name: string;
}

/** Values of an adapter. */
export const valuesOf = (tensors: readonly Pick<TensorSize, 'cells'>[]): number => tensors.reduce((n, t) => n + t.cells, 0);

/** What a refusal needs of a tensor. */
export type Named = Pick<TensorSize, 'name' | 'cells'>;

const uniform = (value: number, total: number): Symbols => ({ cum: value, freq: 1, total });

/** Largest magnitude of the values from one to before another. */
function spanOf(d: Int32Array, from: number, to: number): number {
  let most = 0;
  for (let i = from; i < to; i++) most = Math.max(most, Math.abs(d[i]));
  return most;
}
/** Least piece of the span S that holds a magnitude, and what it holds. */
const pieceOf = (S: number, most: number): number => Math.ceil((most * PIECES) / S);
const held = (S: number, piece: number): number => Math.floor((S * piece) / PIECES);

/**
 * Encodes differences of magnitude below 2^25 in the order of the tensors. Throws RangeError for others, for none or
 * too many, or where the tensors have another number of values.
 */
export function encodeUpdate(d: Int32Array, tensors: readonly TensorSize[]): Uint8Array {
  const n = d.length;
  if (n < 1 || n > MOST_VALUES || tensors.length > MOST_TENSORS || valuesOf(tensors) !== n)
    throw new RangeError(`${n} values of an update`);
  const at = d.findIndex((x) => Math.abs(x) > MOST_SPAN);
  if (at >= 0) throw new RangeError(`value ${at} of an update is ${d[at]}`);
  const S = spanOf(d, 0, n),
    out = new RangeEncoder();
  putSpan(out, S);
  if (S === 0) return whole(out);
  let from = 0;
  const spans = tensors.map((t) => {
    const piece = pieceOf(S, spanOf(d, from, (from += t.cells)));
    out.put(uniform(piece, PIECES + 1));
    return { ...t, span: held(S, piece) };
  });
  const model = new UpdateModel(spans.filter((t) => t.span > 0));
  let i = 0;
  for (const t of spans)
    for (const end = i + t.cells; i < end; i++) {
      if (t.span === 0) continue;
      model.next();
      putValue(out, model, d[i]);
    }
  return whole(out);
}

const putSpan = (out: RangeEncoder, S: number): void => {
  out.put(uniform(Math.floor(S / SPAN_LOW), SPAN_HIGH));
  out.put(uniform(S % SPAN_LOW, SPAN_LOW));
};
function putValue(out: RangeEncoder, model: UpdateModel, d: number): void {
  const cell = model.cellOf(d),
    first = model.first(cell);
  out.put(model.symbol(cell));
  out.put(uniform(d - first, model.first(cell + 1) - first));
  model.seen(d);
}
function whole(out: RangeEncoder): Uint8Array {
  const code = out.end(),
    bytes = new Uint8Array(HEAD + code.length);
  bytes[0] = VERSION;
  bytes.set(code, HEAD);
  return bytes;
}

/** Reads symbols and writes them again. */
class Reader {
  readonly again = new RangeEncoder();
  readonly #in: RangeDecoder;
  constructor(bytes: Uint8Array) {
    this.#in = new RangeDecoder(bytes, HEAD);
  }
  uniform(total: number): number {
    return this.#take(uniform(this.#in.target(total), total)).cum;
  }
  value(model: UpdateModel): number {
    const cell = model.find(this.#in.target(model.total));
    this.#take(model.symbol(cell));
    const first = model.first(cell),
      d = first + this.uniform(model.first(cell + 1) - first);
    model.seen(d);
    return d;
  }
  #take(s: Symbols): Symbols {
    this.#in.take(s);
    this.again.put(s);
    return s;
  }
}

/**
 * Decodes an update of the values of these tensors; `party` is whose it is. Throws FederationError where the bytes are
 * not the one encoding of such values: another version, a span that is not the largest magnitude, other bytes than
 * whoever encodes the same values has.
 */
export function decodeUpdate(bytes: Uint8Array, tensors: readonly TensorSize[], party?: string): Int32Array {
  const n = valuesOf(tensors),
    bad = (why: string): never => {
      throw new FederationError('update code', why, party);
    };
  if (n < 1 || n > MOST_VALUES || tensors.length > MOST_TENSORS) return bad(`an adapter of ${n} values in ${tensors.length} tensors`);
  if (bytes.length > updateLimit(n)) return bad(`${bytes.length} bytes, ${n} values have at most ${updateLimit(n)}`);
  if (bytes.length >= HEAD && bytes[0] > 0 && bytes[0] < VERSION)
    return bad(`begins with version ${bytes[0]}, this release reads version ${VERSION}: encode the differences again with it`);
  if (bytes.length < HEAD || bytes[0] !== VERSION) return bad('begins with something else');
  const r = new Reader(bytes),
    S = r.uniform(SPAN_HIGH) * SPAN_LOW + r.uniform(SPAN_LOW),
    d = new Int32Array(n);
  if (S > 0) {
    const spans = tensors.map((t) => {
        const piece = r.uniform(PIECES + 1);
        return { ...t, piece, span: held(S, piece) };
      }),
      model = new UpdateModel(spans.filter((t) => t.span > 0));
    let i = 0;
    for (const t of spans) {
      const from = i;
      if (t.span === 0) i += t.cells;
      else
        for (; i < from + t.cells; i++) {
          model.next();
          d[i] = r.value(model);
        }
      if (pieceOf(S, spanOf(d, from, i)) !== t.piece) return bad(`${t.name} has another span than its largest value`);
    }
    if (spanOf(d, 0, n) !== S) return bad(`has the span ${S}, its largest value is ${spanOf(d, 0, n)}`);
  }
  const own = whole(r.again);
  if (own.length !== bytes.length || own.some((b, i) => b !== bytes[i])) return bad('is not the one encoding of its values');
  return d;
}

/** Differences of two adapters. Throws RangeError for other lengths. */
export function difference(after: ArrayLike<number>, before: ArrayLike<number>): Int32Array {
  if (after.length !== before.length) throw new RangeError(`${after.length} values, ${before.length} before`);
  return Int32Array.from({ length: after.length }, (_, i) => after[i] - before[i]);
}

/** The tensor that value i belongs to. */
export function tensorAt(tensors: readonly Named[], i: number): string {
  let at = i;
  for (const t of tensors) {
    if (at < t.cells) return t.name;
    at -= t.cells;
  }
  return '?';
}

/** The adapter that an update leads to. Throws FederationError naming the tensor where a value leaves its format. */
export function applyUpdate(before: Int32Array, d: Int32Array, tensors: readonly Named[], party?: string): Int32Array {
  const out = new Int32Array(before.length);
  for (let i = 0; i < before.length; i++) {
    const x = before[i] + d[i];
    if (x < LEAST_C || x > MOST_C)
      throw new FederationError('update format', `${tensorAt(tensors, i)}, value ${i} would be ${x}, beyond ${ADAMW.C.bits} bits`, party);
    out[i] = x;
  }
  return out;
}
