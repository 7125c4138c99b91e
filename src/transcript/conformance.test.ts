import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CircuitChannel } from '../circuit/channel.js';
import { P } from '../field/goldilocks.js';
import type { HashName } from '../hash/rows.js';
import { singleKernels } from '../kernels/single.js';
import type { Channel, Elem, Ext } from './arith.js';
import { NativeChannel } from './native.js';
import { ProverChannel } from './prover.js';
import { RecordingChannel } from './schedule.js';
import { newSponge } from './sponge.js';

/*
 * What every sponge and every channel must do alike, whatever the hash: one list of properties, run for all of them.
 */
const HASHES: readonly HashName[] = ['poseidon2', 'blake3'];
const k = singleKernels();

/** Words that a sponge squeezes after these messages; a number is a squeeze of so many words. */
function squeezed(hash: HashName, script: readonly (readonly bigint[] | number)[]): bigint[] {
  return k.scope(() => {
    const s = newSponge(k, hash),
      at = k.alloc(8 * 64),
      out: bigint[] = [];
    for (const x of script) {
      if (typeof x === 'number') {
        s.squeeze(at, x);
        out.push(...k.u64.slice(at / 8, at / 8 + x));
      } else {
        k.u64.set(x, at / 8);
        s.absorb(at, x.length);
      }
    }
    return out;
  });
}
const word = fc.bigInt(0n, P - 1n),
  words = fc.array(word, { maxLength: 20 });

describe.each(HASHES)('a %s sponge', (hash) => {
  it('is not changed by an empty message, wherever that stands', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(words, fc.integer({ min: 1, max: 20 })), { maxLength: 6 }), fc.nat(6), (script, at) => {
        const with0 = [...script.slice(0, at), [], ...script.slice(at), 9];
        expect(squeezed(hash, with0)).toEqual(squeezed(hash, [...script, 9]));
      }),
      { numRuns: 100 },
    );
  });
  it('squeezes a stream: in pieces or at once', () => {
    fc.assert(
      fc.property(words, fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 }), (m, cuts) => {
        const all = cuts.reduce((a, b) => a + b, 0);
        expect(squeezed(hash, [m, ...cuts])).toEqual(squeezed(hash, [m, all]));
      }),
    );
  });
  // The number of words is not a message's own: it is the schedule's, which the shape fixes.
  it('absorbs a message in pieces as at once, and depends on every word', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), fc.nat(20), fc.nat(19), (m, cut, i) => {
        const one = squeezed(hash, [m, 4]),
          other = m.with(i % m.length, (m[i % m.length] + 1n) % P);
        expect(squeezed(hash, [m.slice(0, cut), m.slice(cut), 4])).toEqual(one);
        expect(squeezed(hash, [other, 4])).not.toEqual(one);
      }),
    );
  });
  it('never squeezes the same words before and after a message or a nonce', () => {
    const a = squeezed(hash, [[1n], 8, [2n], 8]);
    expect(new Set(a).size).toBe(16);
    k.scope(() => {
      const s = newSponge(k, hash),
        at = k.alloc(64);
      s.squeeze(at, 4);
      const before = [...k.u64.slice(at / 8, at / 8 + 4)],
        nonce = s.search(k, 4);
      k.u64[at / 8] = nonce;
      expect(s.work(at) & 15n).toBe(0n);
      s.squeeze(at, 4);
      expect(before).not.toEqual([...k.u64.slice(at / 8, at / 8 + 4)]);
    });
  });
});

/** One message of a random protocol. */
type Step =
  | { readonly kind: 'base'; readonly words: readonly bigint[] }
  | { readonly kind: 'ext'; readonly words: readonly bigint[] }
  | { readonly kind: 'sample' }
  | { readonly kind: 'bits'; readonly n: number }
  | { readonly kind: 'grind'; readonly n: number };
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('base' as const), words: fc.array(word, { maxLength: 12 }) }),
  fc.record({ kind: fc.constant('ext' as const), words: fc.array(word, { maxLength: 12 }) }),
  fc.constant({ kind: 'sample' } as const),
  fc.record({ kind: fc.constant('bits' as const), n: fc.integer({ min: 1, max: 32 }) }),
  fc.record({ kind: fc.constant('grind' as const), n: fc.integer({ min: 0, max: 6 }) }),
);
const exts = (w: readonly bigint[]): Ext[] =>
  Array.from({ length: Math.floor(w.length / 3) }, (_, i) => [w[3 * i], w[3 * i + 1], w[3 * i + 2]]);

/** Runs the verifier's side; every challenge as handles. */
function verifier(ch: Channel, publics: readonly bigint[], steps: readonly Step[]): Elem[] {
  const out: Elem[] = [];
  ch.publicWords('public', publics);
  for (const s of steps) {
    if (s.kind === 'base') out.push(...ch.readBase('m', s.words.length));
    else if (s.kind === 'ext') out.push(...ch.read('m', exts(s.words).length));
    else if (s.kind === 'sample') out.push(ch.sample('s'));
    else if (s.kind === 'bits') out.push(...ch.sampleBits('b', s.n));
    else if (s.kind === 'grind') ch.grind('g', s.n);
  }
  return out;
}

describe.each(HASHES)('channels with %s', (hash) => {
  it('agree on every challenge of a random protocol, empty messages among them', () => {
    fc.assert(
      fc.property(words, fc.array(step, { maxLength: 8 }), (publics, steps) => {
        const rec = new RecordingChannel();
        verifier(rec, publics, steps);
        const prover = new ProverChannel(rec.schedule, { hash }),
          sent: (readonly bigint[])[] = [];
        prover.publicWords('public', publics);
        for (const s of steps) {
          if (s.kind === 'base') {
            prover.sendBase('m', s.words);
            sent.push(...s.words.map((w) => [w, 0n, 0n]));
          } else if (s.kind === 'ext') {
            prover.sendExt('m', exts(s.words));
            sent.push(...exts(s.words));
          } else if (s.kind === 'sample') sent.push(prover.sample('s'));
          else if (s.kind === 'bits') {
            const index = prover.sampleIndex('b', s.n);
            sent.push(...Array.from({ length: s.n }, (_, i) => [BigInt(Math.floor(index / 2 ** i) % 2), 0n, 0n]));
          } else prover.grind('g', s.n);
        }
        const proof = prover.words(),
          native = new NativeChannel(k, proof, hash);
        expect(verifier(native, publics, steps).map((e) => native.value(e))).toEqual(sent);
        native.finish();
        native.close();
        if (hash !== 'poseidon2') return;
        const circuit = new CircuitChannel(proof);
        expect(verifier(circuit, publics, steps).map((e) => circuit.value(e))).toEqual(sent);
        circuit.finish();
        expect(circuit.failed).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});
