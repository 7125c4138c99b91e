import { type Dtype, WIDTH } from './safetensors-header.js';

/** The 65,536 values of binary16 as float32, which holds each exactly; infinities and NaN stay what they are. */
let halves: Float32Array | undefined;
function halfTable(): Float32Array {
  if (halves) return halves;
  halves = new Float32Array(65536);
  for (let x = 0; x < 65536; x++) {
    const s = x >> 15 ? -1 : 1,
      e = (x >> 10) & 31,
      m = x & 1023;
    halves[x] = e === 31 ? (m ? Number.NaN : s * Number.POSITIVE_INFINITY) : s * (e ? (1024 + m) * 2 ** (e - 25) : m * 2 ** -24);
  }
  return halves;
}

/**
 * Decodes little-endian elements to dst from `at` on. Exact: F32, F16 and BF16 values are float32 values. All supported
 * machines are little-endian, as WebAssembly is. The bytes must start at an offset that is a multiple of the element's
 * width.
 */
export function decode(dtype: Dtype, bytes: Uint8Array<ArrayBuffer>, dst: Float64Array | Float32Array, at: number): void {
  const n = bytes.length / WIDTH[dtype];
  if (dtype === 'F64') dst.set(new Float64Array(bytes.buffer, bytes.byteOffset, n), at);
  else if (dtype === 'F32') dst.set(new Float32Array(bytes.buffer, bytes.byteOffset, n), at);
  else {
    const x = new Uint16Array(bytes.buffer, bytes.byteOffset, n);
    if (dtype === 'F16') {
      const h = halfTable();
      for (let k = 0; k < n; k++) dst[at + k] = h[x[k]];
    } else {
      const u = new Uint32Array(n);
      for (let k = 0; k < n; k++) u[k] = x[k] << 16;
      dst.set(new Float32Array(u.buffer), at);
    }
  }
}
