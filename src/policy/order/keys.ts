import { sha256 } from '../../hash/sha256.js';
import { P } from '../../field/goldilocks.js';
import { DOMAIN, hashWords } from '../../hash/poseidon2.js';

/** Four words. */
export type Key = readonly bigint[];

/** SHA-256 of a text as eight words of 32 bits. */
export const textWords = (text: string): bigint[] => {
  const d = sha256(new TextEncoder().encode(text)),
    v = new DataView(d.buffer, d.byteOffset, d.byteLength);
  return Array.from({ length: 8 }, (_, k) => BigInt(v.getUint32(4 * k, false)));
};

/** Key of the public mode, from the text in the manifest: four words of its SHA-256, each mod p. */
export const publicKey = (text: string): bigint[] => {
  const w = textWords(`certune/sampler/2/key/${text}`);
  return [0, 2, 4, 6].map((k) => ((w[k] << 32n) | w[k + 1]) % P);
};

/** Key of the private mode, and what blinds its commitment. Both stay with the prover. */
export interface PrivateKey {
  readonly key: Key;
  readonly blind: Key;
}

/** Commitment to a key: hash in the domain `key` of the key and a blind, which is zero in the public mode. */
export const keyCommitment = (key: Key, blind: Key = [0n, 0n, 0n, 0n]): bigint[] => hashWords(DOMAIN.key, [...key, ...blind]);

/** Words of a beacon's value: SHA-256 of its text, eight words of 32 bits; zeros where there is none. */
export const beaconWords = (value: string | null): bigint[] => (value === null ? Array<bigint>(8).fill(0n) : textWords(value));

/**
 * Seed of the order: digest of all that was committed before the beacon (eight words of 32 bits) and the beacon.
 * Whoever changes rows, classes, quotas or key after the beacon gets another order.
 */
export const orderSeed = (committed: readonly bigint[], beacon: readonly bigint[]): bigint[] =>
  hashWords(DOMAIN.beacon, [...committed, ...beacon]);

/** Key of an epoch: nine words. */
export const epochKey = (key: Key, seed: Key, epoch: number): bigint[] => hashWords(DOMAIN.sampler, [...key, ...seed, BigInt(epoch)]);

/** Key of a stratum's pass: ten words, so that it is no epoch's key. */
export const passKey = (key: Key, seed: Key, stratum: number, pass: number): bigint[] =>
  hashWords(DOMAIN.sampler, [...key, ...seed, BigInt(stratum), BigInt(pass)]);

/**
 * Modes that alternate: epoch e is in the public mode where bit e mod period of the mask is set, in the private mode
 * else.
 */
export interface Modes {
  /** 1 to 62. */ readonly period: number;
  readonly mask: bigint;
}

/** Most epochs after which modes repeat: the mask is one word of a statement. */
export const MOST_PERIOD = 62;

export const ALL_PUBLIC: Modes = { period: 1, mask: 1n };
export const ALL_PRIVATE: Modes = { period: 1, mask: 0n };
export const isPublic = (m: Modes, epoch: number): boolean => ((m.mask >> BigInt(epoch % m.period)) & 1n) === 1n;

/**
 * Kinds of values that are functions of the run's secret and of their place, so that a proof can be made again,
 * elsewhere, with equal bytes.
 */
export const BLINDS = { counters: 1n } as const;

/**
 * Salt of the root of a state (src/tensor/state-layout.ts), that before a step, or the accumulators before a part of
 * it: a function of the secret, of the run (eight words of 32 bits: its manifest's digest) and of the place; 13 or 14
 * words in the domain `salt`, where a row's salt has five and a blind six. Two runs under one secret have none in
 * common.
 */
export const stateSaltAt = (secret: Key, context: readonly bigint[], ...place: readonly number[]): bigint[] =>
  hashWords(DOMAIN.salt, [...secret, ...context, ...place.map(BigInt)]);

/**
 * Blind of a kind between two parts of a run: a function of secret, run and place as the salt of a state is, of 15
 * words in its domain. Two runs under one secret, such as a client's rounds, have none in common: under one blind,
 * equal counters would have equal digests.
 */
export const blindAt = (secret: Key, context: readonly bigint[], kind: keyof typeof BLINDS, step: number, micro: number): bigint[] =>
  hashWords(DOMAIN.salt, [...secret, ...context, BLINDS[kind], BigInt(step), BigInt(micro)]);
