import { DOMAIN } from '../../hash/poseidon2.js';
import type { Elem } from '../../transcript/arith.js';
import type { Opened } from './vector.js';
import type { Wires } from './wires.js';

/** What opens the commitment to a sampler key. */
export interface KeyInput {
  readonly key: readonly bigint[];
  readonly blind: readonly bigint[];
}

/**
 * Is the epoch in the public mode? epoch = period j + s with s < period, and bit s of the mask. Free: j and s, unique
 * by their ranges, since epochs stay far below 2^32 and the period is at most 62.
 */
export function isPublicEpoch(w: Wires, pi: Opened, epoch: Elem): Elem {
  const { ch } = w,
    e = w.value(epoch),
    period = w.value(pi.period[0]),
    j = w.word('mode', period === 0n ? 0n : e / period),
    s = w.word('mode', period === 0n ? 0n : e % period);
  ch.assertEqual(ch.mulAdd(j, pi.period[0], s), epoch, 'mode');
  w.u32(j, 'mode');
  const bits = ch.split(s, 6, 'mode');
  ch.split(ch.sub(ch.sub(pi.period[0], w.one), s), 6, 'mode');
  let list: Elem[] = [...ch.split(pi.mask[0], 62, 'mode'), w.zero, w.zero];
  for (const b of bits) list = Array.from({ length: list.length / 2 }, (_, k) => ch.select(b, list[2 * k + 1], list[2 * k]));
  return list[0];
}

/**
 * Key of the mode of an epoch. Free: key and blind, bound by the commitment that the policy vector has for the mode.
 */
export function modeKey(w: Wires, pi: Opened, epoch: Elem, given?: KeyInput): Elem[] {
  const key = w.words('sampler key', 4, given?.key),
    blind = w.words('key blind', 4, given?.blind),
    open = isPublicEpoch(w, pi, epoch);
  w.equal(
    w.ch.hash(DOMAIN.key, [...key, ...blind]),
    pi.publicKey.map((x, k) => w.ch.select(open, x, pi.privateKey[k])),
    'sampler key',
  );
  return key;
}

/** Key of an epoch. */
export const epochKeyOf = (w: Wires, pi: Opened, key: readonly Elem[], epoch: Elem): Elem[] =>
  w.ch.hash(DOMAIN.sampler, [...key, ...pi.seed, epoch]);

/** Key of a stratum's pass. */
export const passKeyOf = (w: Wires, pi: Opened, key: readonly Elem[], stratum: Elem, pass: Elem): Elem[] =>
  w.ch.hash(DOMAIN.sampler, [...key, ...pi.seed, stratum, pass]);
