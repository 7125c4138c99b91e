import { createHash } from 'node:crypto';

/*
 * A certificate taken apart and put together again, with the lengths and the digest that its pieces have: what somebody
 * who changes one does next.
 */

export const PIECES = ['manifest', 'key', 'steps', 'epochs', 'statement', 'proof'] as const;
export type Piece = (typeof PIECES)[number];
export type Pieces = Record<Piece, Uint8Array>;

const HEAD = 36,
  unit = (p: Piece): number => (p === 'statement' || p === 'proof' ? 8 : 1);

/** Pieces of a certificate whose lengths hold. */
export function piecesOf(b: Uint8Array): Pieces {
  const view = new DataView(b.buffer, b.byteOffset, b.length);
  let at = HEAD;
  return Object.fromEntries(
    PIECES.map((p, i) => {
      const n = unit(p) * view.getUint32(12 + 4 * i, true),
        piece = b.slice(at, at + n);
      at += n;
      return [p, piece];
    }),
  ) as Pieces;
}

/** Bytes with the digest that they have in the place of their last 32. */
export const sealedAgain = (b: Uint8Array): Buffer => {
  const body = b.subarray(0, Math.max(0, b.length - 32));
  return Buffer.concat([body, createHash('sha256').update(body).digest()]);
};

/**
 * A certificate of these pieces; words that are cut count as whole ones. `lengths` are said in the place of the true
 * ones.
 */
export function assembled(p: Pieces, lengths: Partial<Record<Piece, number>> = {}, version = 1): Buffer {
  const head = Buffer.alloc(HEAD);
  head.write('certune\0', 'latin1');
  head.writeUInt32LE(version, 8);
  PIECES.forEach((s, i) => head.writeUInt32LE(lengths[s] ?? Math.ceil(p[s].length / unit(s)), 12 + 4 * i));
  return sealedAgain(Buffer.concat([head, ...PIECES.map((s) => p[s]), Buffer.alloc(32)]));
}

/** One word of a piece changed. */
export function withWord(p: Pieces, piece: 'statement' | 'proof', at: number, change: (w: bigint) => bigint): Pieces {
  const b = Buffer.from(p[piece]);
  b.writeBigUInt64LE(BigInt.asUintN(64, change(b.readBigUInt64LE(8 * at))), 8 * at);
  return { ...p, [piece]: b };
}
