import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { DiskFullError, InputError } from './errors.js';

export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array | Float32Array;
}
const WIDTH: Record<string, number> = { F64: 8, F32: 4, F16: 2, BF16: 2 };
const MAX_HEADER = 100 * 2 ** 20;

/** Duplicate keys that JSON.parse would hide, found by scanning the text. */
function duplicateKeys(text: string): string[] {
  const stack: (Set<string> | undefined)[] = [],
    out: string[] = [];
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '{') stack.push(new Set());
    else if (c === '[') stack.push(undefined);
    else if (c === '}' || c === ']') stack.pop();
    else if (c === '"') {
      let j = i + 1;
      while (j < text.length && text[j] !== '"') j += text[j] === '\\' ? 2 : 1;
      let k = j + 1;
      while (/\s/.test(text[k] ?? '')) k++;
      const top = stack[stack.length - 1];
      if (text[k] === ':' && top) {
        const key = JSON.parse(text.slice(i, j + 1)) as string;
        if (top.has(key)) out.push(key);
        top.add(key);
      }
      i = j;
    }
  }
  return out;
}

function half(x: number): number {
  const s = x >> 15 ? -1 : 1,
    e = (x >> 10) & 31,
    m = x & 1023;
  if (e === 31) return m ? Number.NaN : s * Number.POSITIVE_INFINITY;
  return s * (e ? (1 + m / 1024) * 2 ** (e - 15) : m * 2 ** -24);
}

/**
 * Strict reader: header at most 100 MB, no duplicate keys, spans without holes or overlaps and of exactly the size that shape and
 * dtype say. Decodes F64, F32, F16, BF16 to doubles. Throws InputError.
 */
export function readSafetensors(file: string): Map<string, Tensor> {
  let b: Buffer;
  try {
    b = readFileSync(file);
  } catch (e) {
    throw new InputError(file, [`cannot be read: ${(e as Error).message}`]);
  }
  const bad = (p: string): never => {
    throw new InputError(file, [p], 'not a valid safetensors file');
  };
  if (b.length < 8) bad('shorter than its header length');
  const n = b.readBigUInt64LE(0);
  if (n > BigInt(MAX_HEADER) || 8n + n > BigInt(b.length)) bad(`header of ${n} bytes`);
  const text = b.subarray(8, 8 + Number(n)).toString('utf8'),
    base = 8 + Number(n);
  let header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> = {};
  try {
    header = JSON.parse(text);
  } catch {
    bad('header is not JSON');
  }
  if (!header || typeof header !== 'object' || Array.isArray(header)) bad('header is not an object');
  const dup = duplicateKeys(text);
  if (dup.length) bad(`duplicate keys ${dup.join(', ')}`);
  const entries = Object.entries(header).filter(([k]) => k !== '__metadata__');
  const natural = (d: unknown): boolean => Number.isSafeInteger(d) && (d as number) >= 0;
  for (const [name, t] of entries) {
    if (!t || !Object.hasOwn(WIDTH, String(t.dtype))) bad(`tensor ${name} has dtype ${t?.dtype}, supported are F64, F32, F16, BF16`);
    if (
      !Array.isArray(t.shape) ||
      !t.shape.every(natural) ||
      !Array.isArray(t.data_offsets) ||
      t.data_offsets.length !== 2 ||
      !t.data_offsets.every(natural)
    )
      bad(`tensor ${name} has a malformed entry`);
    const want = t.shape.reduce((x, y) => x * y, WIDTH[t.dtype]);
    if (t.data_offsets[1] - t.data_offsets[0] !== want)
      bad(`tensor ${name} spans ${t.data_offsets[1] - t.data_offsets[0]} bytes, its shape needs ${want}`);
  }
  let at = 0;
  for (const [name, t] of [...entries].sort(
    (x, y) => x[1].data_offsets[0] - y[1].data_offsets[0] || x[1].data_offsets[1] - y[1].data_offsets[1],
  )) {
    if (t.data_offsets[0] !== at) bad(`tensor ${name} starts at ${t.data_offsets[0]}, expected ${at}: hole or overlap`);
    at = t.data_offsets[1];
  }
  if (base + at !== b.length) bad(`${b.length - base - at} bytes after the last tensor`);
  return new Map(
    entries.map(([name, t]) => {
      const v = new DataView(b.buffer, b.byteOffset + base + t.data_offsets[0], t.data_offsets[1] - t.data_offsets[0]),
        w = WIDTH[t.dtype];
      const data = new Float64Array(v.byteLength / w),
        f32 = new Float32Array(1),
        u32 = new Uint32Array(f32.buffer);
      for (let k = 0; k < data.length; k++) {
        if (w === 8) data[k] = v.getFloat64(8 * k, true);
        else if (w === 4) data[k] = v.getFloat32(4 * k, true);
        else if (t.dtype === 'F16') data[k] = half(v.getUint16(2 * k, true));
        else {
          u32[0] = v.getUint16(2 * k, true) << 16;
          data[k] = f32[0];
        }
      }
      return [name, { shape: t.shape, data }];
    }),
  );
}

/** Writes F32 tensors by name, header padded to eight bytes, atomically. */
export function writeSafetensors(file: string, tensors: ReadonlyMap<string, Tensor>): void {
  const names = [...tensors.keys()].sort(),
    header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let at = 0;
  for (const n of names) {
    const t = tensors.get(n)!;
    header[n] = { dtype: 'F32', shape: t.shape, data_offsets: [at, at + 4 * t.data.length] };
    at += 4 * t.data.length;
  }
  let text = JSON.stringify(header);
  while (Buffer.byteLength(text) % 8) text += ' ';
  const head = Buffer.alloc(8),
    body = Buffer.alloc(at);
  head.writeBigUInt64LE(BigInt(Buffer.byteLength(text)), 0);
  let p = 0;
  for (const n of names)
    for (const x of tensors.get(n)!.data) {
      body.writeFloatLE(x, p);
      p += 4;
    }
  writeAtomic(file, Buffer.concat([head, Buffer.from(text), body]));
}

/**
 * Writes beside the target, flushes, renames: a reader sees the old file or the whole new one. Throws DiskFullError where there is no room,
 * InputError where the place cannot be written.
 */
export function writeAtomic(file: string, data: Uint8Array | string): void {
  const tmp = `${file}.tmp-${process.pid}`,
    b = typeof data === 'string' ? Buffer.from(data) : data;
  try {
    const fd = openSync(tmp, 'w');
    try {
      let o = 0;
      while (o < b.length) o += writeSync(fd, b, o);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(tmp, file);
  } catch (e) {
    rmSync(tmp, { force: true });
    const code = (e as { code?: string }).code;
    if (code === 'ENOSPC' || code === 'EDQUOT') throw new DiskFullError(file, b.length);
    throw new InputError(file, [`cannot be written: ${(e as Error).message}`]);
  }
}
