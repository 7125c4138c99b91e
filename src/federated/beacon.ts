import { bls12_381 } from '@noble/curves/bls12-381.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { InputError } from '../errors.js';
import { concatBytes, fromHex, toHex, toUtf8 } from '../provenance/bytes.js';
import { FederationError } from './errors.js';

/*
 * Beacons of drand, verified offline: scheme bls-unchained-g1-rfc9380. The signature is a point of G1 over SHA-256 of
 * the round as eight bytes, under a public key in G2; the value of a round is SHA-256 of its signature.
 */

/** A chain of beacons as drand describes it. `hash` follows from the rest. */
export interface Chain {
  /** Compressed point of G2, hex. */ readonly publicKey: string;
  /** Seconds between rounds, and Unix time of round 1. */
  readonly period: number;
  readonly genesis: number;
  readonly groupHash: string;
  readonly id: string;
}

/** The League of Entropy's quicknet: a round every three seconds. */
export const QUICKNET: Chain = {
  publicKey:
    '83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a',
  period: 3,
  genesis: 1692803367,
  groupHash: 'f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e',
  id: 'quicknet',
};
/** Its hash, as drand publishes it. */
export const QUICKNET_HASH = '52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971';

const KEY_BYTES = 96,
  SIGNATURE_BYTES = 48;

/** SHA-256 of period (4 bytes), genesis (8 bytes), public key, hash of the group and name: what a chain is called. */
export function chainHash(c: Chain): string {
  const times = new Uint8Array(12),
    v = new DataView(times.buffer);
  v.setUint32(0, c.period, false);
  v.setBigUint64(4, BigInt(c.genesis), false);
  return toHex(
    sha256(
      concatBytes(
        times,
        fromHex(c.publicKey, 'chain: publicKey'),
        fromHex(c.groupHash, 'chain: groupHash'),
        toUtf8(c.id === 'default' ? '' : c.id),
      ),
    ),
  );
}

/** Unix time at which a round is due. */
export const roundTime = (c: Chain, round: number): number => c.genesis + (round - 1) * c.period;

/** A beacon as it is published: the signature in hex. */
export interface Beacon {
  readonly chain: string;
  readonly round: number;
  readonly signature: string;
}

const ROUND = (round: number): Uint8Array => {
  const b = new Uint8Array(8);
  new DataView(b.buffer).setBigUint64(0, BigInt(round), false);
  return b;
};
/** What is signed for a round. */
export const roundMessage = (round: number): Uint8Array => sha256(ROUND(round));

/** Public keys in the group, by their bytes: checking one takes as long as a signature. */
const keys = new Map<string, InstanceType<typeof bls12_381.G2.Point>>();
function publicKeyOf(hex: string): InstanceType<typeof bls12_381.G2.Point> {
  let k = keys.get(hex);
  if (k) return k;
  const bytes = fromHex(hex, 'chain: publicKey');
  try {
    if (bytes.length !== KEY_BYTES) throw new Error('length');
    k = bls12_381.G2.Point.fromBytes(bytes);
    k.assertValidity();
  } catch {
    throw new InputError('chain', ['publicKey is no compressed point of G2']);
  }
  if (k.is0()) throw new InputError('chain', ['publicKey is the point at infinity, under which everything is signed']);
  if (keys.size > 100) keys.clear();
  keys.set(hex, k);
  return k;
}

/**
 * Value of a round of a chain, 32 bytes. Throws FederationError for a beacon of another chain or round, or whose
 * signature does not hold; InputError for a key that is no point.
 */
export function beaconValue(chain: Chain, round: number, b: Beacon): Uint8Array {
  const hash = chainHash(chain);
  if (b.chain !== hash) throw new FederationError('beacon chain', `${b.chain.slice(0, 64)}, not ${hash}`);
  if (b.round !== round) throw new FederationError('beacon round', `${b.round}, the plan names round ${round}`);
  const key = publicKeyOf(chain.publicKey),
    bad = (why: string): never => {
      throw new FederationError('beacon signature', `round ${round}: ${why}`);
    };
  if (!/^[0-9a-f]+$/.test(b.signature) || b.signature.length !== 2 * SIGNATURE_BYTES) return bad('is no compressed point of G1');
  const bytes = fromHex(b.signature, 'beacon');
  let holds: boolean;
  try {
    const S = bls12_381.shortSignatures;
    holds = S.verify(S.Signature.fromBytes(bytes), S.hash(roundMessage(round)), key);
  } catch {
    return bad('is no point of the group');
  }
  // Another spelling of the same point would give another value.
  if (!holds || toHex(bls12_381.shortSignatures.Signature.toBytes(bls12_381.shortSignatures.Signature.fromBytes(bytes))) !== b.signature)
    return bad('is not that of the chain');
  return sha256(bytes);
}
