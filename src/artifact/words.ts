/** Words as little-endian bytes, eight each. */
export function toBytes(v: BigInt64Array | BigUint64Array): Buffer {
  const b = Buffer.alloc(8 * v.length);
  v.forEach((x, k) => {
    b.writeBigUInt64LE(BigInt.asUintN(64, x), 8 * k);
  });
  return b;
}

export function fromBytes(b: Uint8Array, at: number, words: number): BigUint64Array {
  const out = new BigUint64Array(words),
    v = new DataView(b.buffer, b.byteOffset + at, 8 * words);
  for (let k = 0; k < words; k++) out[k] = v.getBigUint64(8 * k, true);
  return out;
}
