import { log2Exact } from '../field/log2.js';
import { type Arith, type Channel, type Digest, type Elem, type Ext, asDigest } from './arith.js';

/** One message of a protocol: what it is called, what it carries, how many. */
export interface Message {
  readonly label: string;
  readonly kind: 'public' | 'base' | 'ext' | 'digest' | 'sample' | 'bits' | 'grind' | 'cap' | 'opening';
  readonly count: number /** Length of the path of an opening, levels of a cap, bits of a grind. */;
  readonly depth?: number;
}
export type Schedule = readonly Message[];

/** Words that a message adds to the proof. */
export function messageWords(m: Message): number {
  switch (m.kind) {
    case 'base':
      return m.count;
    case 'ext':
      return 3 * m.count;
    case 'digest':
      return 4;
    case 'cap':
      return 4 * m.count;
    case 'grind':
      return 1;
    case 'opening':
      return m.count + 4 * (m.depth ?? 0);
    default:
      return 0;
  }
}
export const scheduleWords = (s: Schedule): number => s.reduce((n, m) => n + messageWords(m), 0);

/**
 * Dry run of a generic verifier: records every message. Handles carry no value, so a verifier that looks at one cannot
 * work.
 */
export class RecordingChannel implements Channel {
  readonly schedule: Message[] = [];
  /** Multiplications and Poseidon2 permutations that the verifier needs (eight words a permutation). */
  muls = 0;
  permutations = 0;
  #pending = 0;
  #dummy = 0 as Elem;
  #absorb(n: number): void {
    this.#pending += n;
  }
  #flush(): void {
    this.permutations += Math.ceil(this.#pending / 8);
    this.#pending = 0;
  }
  constant(_v: bigint | Ext): Elem {
    return this.#dummy;
  }
  add(_a: Elem, _b: Elem): Elem {
    return this.#dummy;
  }
  sub(_a: Elem, _b: Elem): Elem {
    return this.#dummy;
  }
  mul(_a: Elem, _b: Elem): Elem {
    this.muls++;
    return this.#dummy;
  }
  mulAdd(_a: Elem, _b: Elem, _c: Elem): Elem {
    this.muls++;
    return this.#dummy;
  }
  compose(_a: Elem, _b: Elem, _c: Elem): Elem {
    return this.#dummy;
  }
  coordinates(_a: Elem): readonly [Elem, Elem, Elem] {
    return [this.#dummy, this.#dummy, this.#dummy];
  }
  inverse(_a: Elem): Elem {
    this.muls += 1;
    return this.#dummy;
  }
  select(_bit: Elem, _a: Elem, _b: Elem): Elem {
    this.muls++;
    return this.#dummy;
  }
  split(_word: Elem, n: number): Elem[] {
    return this.#many(n);
  }
  assertEqual(_a: Elem, _b: Elem, _check: string): void {}
  publicWords(label: string, words: readonly bigint[]): void {
    this.#absorb(words.length);
    this.schedule.push({ label, kind: 'public', count: words.length });
  }
  publicElems(label: string, elems: readonly Elem[]): void {
    this.#absorb(elems.length);
    this.schedule.push({ label, kind: 'public', count: elems.length });
  }
  #many(n: number): Elem[] {
    return Array<Elem>(n).fill(this.#dummy);
  }
  read(label: string, n: number): Elem[] {
    this.#absorb(3 * n);
    this.schedule.push({ label, kind: 'ext', count: n });
    return this.#many(n);
  }
  readBase(label: string, n: number): Elem[] {
    this.#absorb(n);
    this.schedule.push({ label, kind: 'base', count: n });
    return this.#many(n);
  }
  readDigest(label: string): Digest {
    this.#absorb(4);
    this.schedule.push({ label, kind: 'digest', count: 1 });
    return asDigest(this.#many(4));
  }
  hash(_domain: bigint, words: readonly Elem[]): Elem[] {
    this.permutations += Math.ceil(words.length / 8);
    return this.#many(4);
  }
  sample(label: string): Elem {
    this.#flush();
    this.schedule.push({ label, kind: 'sample', count: 1 });
    return this.#dummy;
  }
  sampleBits(label: string, n: number): Elem[] {
    this.#flush();
    this.schedule.push({ label, kind: 'bits', count: n });
    return this.#many(n);
  }
  grind(label: string, bits: number): void {
    this.#flush();
    this.permutations++;
    this.schedule.push({ label, kind: 'grind', count: 1, depth: bits });
  }
  merkleCap(label: string, _root: Digest, levels: number, salted = false): readonly Digest[] {
    const salts = salted ? 1 : 0;
    this.permutations += 2 ** levels - 1 + salts;
    this.schedule.push({ label, kind: 'cap', count: 2 ** levels + salts, depth: levels });
    return Array<Digest>(2 ** levels).fill(asDigest(this.#many(4)));
  }
  merkleOpen(label: string, cap: readonly Digest[], bits: readonly Elem[], words: number): Elem[] {
    const depth = bits.length - log2Exact(cap.length);
    this.permutations += Math.ceil(words / 8) + depth;
    this.schedule.push({ label, kind: 'opening', count: words, depth });
    return this.#many(words);
  }
}
const _arith: (c: RecordingChannel) => Arith = (c) => c;
void _arith;
