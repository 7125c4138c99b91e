import { writeAtomic } from './atomic.js';
import { decode } from './dtype.js';
import { InputError } from '../errors.js';
import { OpenFile } from './read-file.js';
import { HeaderError, type TensorInfo, WIDTH, headerLength, parseHeader } from './safetensors-header.js';

export { writeAtomic } from './atomic.js';

export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array | Float32Array;
}

/** Bytes of a file that are in memory at once while a tensor is decoded. */
const CHUNK = 8 << 20;

/**
 * An open safetensors file: the header is checked strictly when it is opened (src/io/safetensors-header.ts), tensors
 * are read one by one through the file handle, in pieces, so that no copy of the file is ever held. Throws InputError.
 */
export class SafetensorsFile {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #open: OpenFile;

  constructor(readonly file: string) {
    const f = new OpenFile(file, 'weights');
    this.#open = f;
    try {
      const n = headerLength(f.bytes(0, Math.min(8, f.size)), f.size),
        h = parseHeader(f.bytes(8, n), f.size);
      this.tensors = h.tensors;
      this.metadata = h.metadata;
    } catch (e) {
      f.close();
      if (e instanceof HeaderError) throw new InputError(file, e.problems, 'not a valid safetensors file');
      throw e;
    }
  }

  /**
   * Decodes a tensor to `dst` from index `at` on: exact from every dtype but F64 into Float32Array, which is refused.
   */
  readInto(name: string, dst: Float64Array | Float32Array, at = 0): void {
    const t = this.tensors.get(name);
    if (!t) throw new InputError(this.file, [`has no tensor ${name}`]);
    if (t.dtype === 'F64' && dst instanceof Float32Array) throw new InputError(this.file, [`tensor ${name} is F64`]);
    const w = WIDTH[t.dtype];
    for (let o = 0; o < t.bytes; o += CHUNK) decode(t.dtype, this.#open.bytes(t.start + o, Math.min(CHUNK, t.bytes - o)), dst, at + o / w);
  }

  /** A tensor as Float32Array, or as Float64Array where it is F64. */
  read(name: string): Float64Array | Float32Array {
    const t = this.tensors.get(name);
    if (!t) throw new InputError(this.file, [`has no tensor ${name}`]);
    const n = t.bytes / WIDTH[t.dtype],
      dst = t.dtype === 'F64' ? new Float64Array(n) : new Float32Array(n);
    this.readInto(name, dst);
    return dst;
  }

  close(): void {
    this.#open.close();
  }
}

/** All tensors of a file: Float64Array for F64, otherwise Float32Array. Throws InputError. */
export function readSafetensors(file: string): Map<string, Tensor> {
  const f = new SafetensorsFile(file);
  try {
    return new Map([...f.tensors].map(([n, t]) => [n, { shape: t.shape, data: f.read(n) }]));
  } finally {
    f.close();
  }
}

/**
 * Writes F32 (Float32Array) and F64 (Float64Array) tensors as the reference does: `__metadata__` first, then by dtype
 * descending in width, then by name in byte order; header padded with spaces to eight bytes. Atomic.
 */
export function writeSafetensors(file: string, tensors: ReadonlyMap<string, Tensor>): void {
  writeAtomic(file, ...safetensorsPieces(tensors));
}

/** The bytes of such a file, in pieces. */
export function safetensorsPieces(tensors: ReadonlyMap<string, Tensor>): Uint8Array[] {
  const wide = (n: string): number => tensors.get(n)!.data.BYTES_PER_ELEMENT;
  const names = [...tensors.keys()].sort((x, y) => wide(y) - wide(x) || Buffer.compare(Buffer.from(x), Buffer.from(y)));
  const fields = [`"__metadata__":{"format":"pt"}`];
  let at = 0;
  for (const n of names) {
    const t = tensors.get(n)!,
      bytes = t.data.byteLength;
    if (n === '__metadata__') throw new RangeError('a tensor cannot be named __metadata__');
    if (t.shape.reduce((x, y) => x * y, 1) !== t.data.length)
      throw new RangeError(`${n}: ${t.data.length} values, shape [${t.shape.join()}]`);
    fields.push(
      `${JSON.stringify(n)}:${JSON.stringify({ dtype: bytes === 8 * t.data.length && wide(n) === 8 ? 'F64' : 'F32', shape: t.shape, data_offsets: [at, at + bytes] })}`,
    );
    at += bytes;
  }
  let text = `{${fields.join()}}`;
  text += ' '.repeat((8 - (Buffer.byteLength(text) % 8)) % 8);
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  // All supported machines are little-endian, as WebAssembly is.
  return [
    head,
    Buffer.from(text),
    ...names.map((n) => new Uint8Array(tensors.get(n)!.data.buffer, tensors.get(n)!.data.byteOffset, tensors.get(n)!.data.byteLength)),
  ];
}
