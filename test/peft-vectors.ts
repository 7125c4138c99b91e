import { readFileSync } from 'node:fs';

/** Minimal reader of trusted fixture files: name -> values and shape. */
export function readTensors(path: string): Map<string, { shape: number[]; data: Float64Array }> {
  const b = readFileSync(path),
    n = Number(b.readBigUInt64LE(0)),
    header = JSON.parse(b.subarray(8, 8 + n).toString()),
    out = new Map<string, { shape: number[]; data: Float64Array }>();
  for (const [name, t] of Object.entries(header) as [string, { dtype: string; shape: number[]; data_offsets: [number, number] }][]) {
    if (name === '__metadata__') continue;
    const raw = b.subarray(8 + n + t.data_offsets[0], 8 + n + t.data_offsets[1]),
      view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    const w = t.dtype === 'F64' ? 8 : 4,
      data = new Float64Array(raw.byteLength / w);
    for (let k = 0; k < data.length; k++) data[k] = w === 8 ? view.getFloat64(8 * k, true) : view.getFloat32(4 * k, true);
    out.set(name, { shape: t.shape, data });
  }
  return out;
}
