/** Words as little-endian bytes, eight each. */
export function toBytes(v: BigInt64Array | BigUint64Array): Uint8Array {
  const b = new Uint8Array(8 * v.length),
    to = new DataView(b.buffer);
  v.forEach((x, k) => {
    to.setBigUint64(8 * k, BigInt.asUintN(64, x), true);
  });
  return b;
}

/** Pieces one after the other. */
export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const b = new Uint8Array(pieces.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of pieces) {
    b.set(p, at);
    at += p.length;
  }
  return b;
}

export function fromBytes(b: Uint8Array, at: number, words: number): BigUint64Array {
  const out = new BigUint64Array(words),
    v = new DataView(b.buffer, b.byteOffset + at, 8 * words);
  for (let k = 0; k < words; k++) out[k] = v.getBigUint64(8 * k, true);
  return out;
}
