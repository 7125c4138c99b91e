import { parseJson } from './json-bounds.js';
import { isObject, scanJson, utf8 } from './json-text.js';

/** Bytes per element. F64 occurs in adapters and test vectors; bases are F32, F16 or BF16. */
export const WIDTH = { F64: 8, F32: 4, F16: 2, BF16: 2 } as const;
export type Dtype = keyof typeof WIDTH;
/**
 * The reference implementation reads 100 MB; the headers of the largest models that are supported have one, and an
 * object takes ten times its text.
 */
export const MAX_HEADER = 2 ** 24;

/** Place of a tensor: dtype, shape, first byte and number of bytes in the file. */
export interface TensorInfo {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly start: number;
  readonly bytes: number;
}
export interface Header {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A malformed header: all problems that could be told apart. */
export class HeaderError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('; '));
    this.name = 'HeaderError';
  }
}

const fail = (p: string): never => {
  throw new HeaderError([p]);
};

/** Length of the header from the first eight bytes of a file of so many bytes. Throws HeaderError. */
export function headerLength(first: Uint8Array, fileBytes: number): number {
  if (first.length < 8) return fail('is shorter than its header length');
  const n = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true);
  if (n > BigInt(MAX_HEADER)) fail(`has a header of ${n} bytes, the limit is ${MAX_HEADER}`);
  if (8n + n > BigInt(fileBytes)) fail(`has a header of ${n} bytes in a file of ${fileBytes}`);
  if (n < 2n) fail('has an empty header');
  return Number(n);
}

const natural = (x: unknown): x is number => typeof x === 'number' && Number.isSafeInteger(x) && x >= 0;

/**
 * Parses a header strictly: UTF-8, an object from the first byte on, spaces alone after it, no key twice, naturals
 * only, spans in bounds, without holes or overlaps, of exactly the size that shape and dtype say, the last one ending
 * the file. Throws HeaderError.
 */
export function parseHeader(bytes: Uint8Array, fileBytes: number): Header {
  let text = '',
    raw: unknown;
  try {
    text = utf8(bytes);
  } catch {
    fail('has a header that is not UTF-8');
  }
  let end = text.length;
  while (end > 0 && text[end - 1] === ' ') end--;
  if (text[0] !== '{' || text[end - 1] !== '}') fail('has a header that is not one object padded with spaces');
  try {
    // Name, dtype, shape, offsets: nothing lies deeper, and a tensor has some ten values.
    raw = parseJson(text, { depth: 4, values: 2 ** 20 });
  } catch (e) {
    fail(`has a header that ${(e as Error).message}`);
  }
  if (!isObject(raw)) return fail('has a header that is not an object');
  const { duplicates, unnatural } = scanJson(text);
  if (duplicates.length) fail(`has duplicate keys: ${duplicates.slice(0, 5).join(', ')}`);
  if (unnatural.length) fail(`has numbers that are no naturals: ${unnatural.slice(0, 5).join(', ')}`);
  const problems: string[] = [],
    list: [string, TensorInfo][] = [];
  let metadata: Record<string, string> = {};
  const base = 8 + bytes.length;
  for (const [name, t] of Object.entries(raw)) {
    if (name === '__metadata__') {
      if (isObject(t) && Object.values(t).every((x) => typeof x === 'string')) metadata = t as Record<string, string>;
      else problems.push('__metadata__ is not a map of strings');
      continue;
    }
    const p = entryProblem(name, t);
    if (p) {
      problems.push(p);
      continue;
    }
    const e = t as { dtype: Dtype; shape: number[]; data_offsets: [number, number] };
    list.push([name, { dtype: e.dtype, shape: e.shape, start: base + e.data_offsets[0], bytes: e.data_offsets[1] - e.data_offsets[0] }]);
  }
  if (problems.length) throw new HeaderError(problems);
  let at = base;
  for (const [name, t] of [...list].sort((x, y) => x[1].start - y[1].start || x[1].bytes - y[1].bytes)) {
    if (t.start !== at) fail(`has a ${t.start < at ? 'tensor overlapping another' : 'hole before a tensor'}: ${name}`);
    at = t.start + t.bytes;
  }
  if (at > fileBytes) fail(`is cut short: ${fileBytes} bytes, its header needs ${at}`);
  if (at < fileBytes) fail(`has ${fileBytes - at} bytes after the last tensor`);
  return { tensors: new Map(list), metadata };
}

/** What is wrong with one tensor's entry, if anything. */
function entryProblem(name: string, t: unknown): string | undefined {
  if (!isObject(t)) return `tensor ${name} has a malformed entry`;
  const extra = Object.keys(t).filter((k) => k !== 'dtype' && k !== 'shape' && k !== 'data_offsets');
  if (extra.length) return `tensor ${name} has unknown fields: ${extra.join(', ')}`;
  const { dtype, shape, data_offsets: o } = t;
  if (typeof dtype !== 'string' || !Object.hasOwn(WIDTH, dtype))
    return `tensor ${name} has dtype ${String(dtype).slice(0, 40)}, supported are ${Object.keys(WIDTH).join(', ')}`;
  if (!Array.isArray(shape) || shape.length > 64 || !shape.every(natural)) return `tensor ${name} has a malformed shape`;
  if (!Array.isArray(o) || o.length !== 2 || !o.every(natural) || o[0] > o[1]) return `tensor ${name} has malformed offsets`;
  // A factor of zero makes the product zero whatever the others are; otherwise it must not pass 2^53 on the way.
  let want = WIDTH[dtype as Dtype] as number;
  if (shape.includes(0)) want = 0;
  else
    for (const d of shape) {
      want *= d;
      if (!Number.isSafeInteger(want)) return `tensor ${name} has a shape whose product overflows: [${shape.join()}]`;
    }
  if (o[1] - o[0] !== want) return `tensor ${name} spans ${o[1] - o[0]} bytes, its shape [${shape.join()}] in ${dtype} needs ${want}`;
  return undefined;
}
