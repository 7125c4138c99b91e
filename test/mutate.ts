import { P } from '../src/field/goldilocks.js';

type Random = (n: number) => number;
export interface Mutation {
  readonly proof: BigUint64Array;
  readonly what: string;
}

/** A canonical word. */
const word = (rnd: Random): bigint => ((BigInt(rnd(2 ** 32)) << 32n) | BigInt(rnd(2 ** 32))) % P;

/**
 * Replaces one decoded scalar (an element of E or a base word) by another canonical one: plus or minus one, zero, one,
 * its negative, a random one, a coefficient changed, that of another place, or two exchanged.
 */
export function mutateScalar(proof: BigUint64Array, scalars: readonly { at: number; words: number }[], rnd: Random): Mutation {
  const out = proof.slice(),
    s = scalars[rnd(scalars.length)],
    alike = scalars.filter((x) => x.words === s.words),
    o = alike[rnd(alike.length)],
    c = s.at + rnd(s.words);
  const kinds: [string, () => void][] = [
    ['+1', () => out.fill((out[c] + 1n) % P, c, c + 1)],
    ['-1', () => out.fill((out[c] + P - 1n) % P, c, c + 1)],
    ['zero', () => out.fill(0n, s.at, s.at + s.words)],
    [
      'one',
      () => {
        out.fill(0n, s.at, s.at + s.words);
        out[s.at] = 1n;
      },
    ],
    [
      'negative',
      () => {
        for (let i = 0; i < s.words; i++) out[s.at + i] = (P - out[s.at + i]) % P;
      },
    ],
    [
      'random',
      () => {
        for (let i = 0; i < s.words; i++) out[s.at + i] = word(rnd);
      },
    ],
    ['coefficient', () => out.fill(word(rnd), c, c + 1)],
    ['small', () => out.fill(BigInt(rnd(1000)), c, c + 1)],
    ['from elsewhere', () => out.set(proof.subarray(o.at, o.at + s.words), s.at)],
    [
      'exchanged',
      () => {
        out.set(proof.subarray(o.at, o.at + s.words), s.at);
        out.set(proof.subarray(s.at, s.at + s.words), o.at);
      },
    ],
    ['any word of the proof', () => out.fill(proof[rnd(proof.length)], c, c + 1)],
  ];
  const [what, f] = kinds[rnd(kinds.length)];
  f();
  return { proof: out, what: `${what} at word ${s.at}` };
}

/** Changes bytes without regard to words, or the proof's structure: cut, grown, moved, repeated, dropped, zeroed. */
export function mutateStructure(proof: BigUint64Array, rnd: Random): Mutation {
  const n = proof.length,
    a = rnd(n),
    len = 1 + rnd(Math.min(64, n - a)),
    out = proof.slice();
  const words = (...parts: (BigUint64Array | bigint[])[]): BigUint64Array => BigUint64Array.from(parts.flatMap((x) => [...x]));
  const kinds: [string, () => BigUint64Array][] = [
    [
      'bit',
      () => {
        out[a] ^= 1n << BigInt(rnd(64));
        return out;
      },
    ],
    [
      'byte',
      () => {
        new Uint8Array(out.buffer)[8 * a + rnd(8)] = rnd(256);
        return out;
      },
    ],
    [
      'bytes moved by one',
      () => {
        const b = new Uint8Array(out.buffer);
        b.copyWithin(8 * a + 1, 8 * a, 8 * Math.min(n, a + len) - 1);
        return out;
      },
    ],
    ['not canonical', () => out.fill(out[a] < (1n << 32n) - 1n ? out[a] + P : P + BigInt(rnd(2 ** 32 - 1)), a, a + 1)],
    ['cut', () => proof.slice(0, a)],
    [
      'grown',
      () =>
        words(
          proof,
          Array.from({ length: len }, () => word(rnd)),
        ),
    ],
    ['dropped', () => words(proof.subarray(0, a), proof.subarray(a + len))],
    ['repeated', () => words(proof.subarray(0, a + len), proof.subarray(a))],
    ['zeroed', () => out.fill(0n, a, a + len)],
    [
      'moved',
      () => {
        out.set(proof.subarray(a, a + len), rnd(n - len + 1));
        return out;
      },
    ],
    [
      'rotated',
      () => {
        out.set(proof.subarray(a + 1, a + len), a);
        out[a + len - 1] = proof[a];
        return out;
      },
    ],
  ];
  const [what, f] = kinds[rnd(kinds.length)];
  return { proof: f(), what: `${what} at word ${a}` };
}
