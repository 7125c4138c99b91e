import type { HashName } from '../hash/rows.js';
import type { Kernels } from '../kernels/runtime.js';
import { singleKernels } from '../kernels/single.js';
import * as E from '../field/ext3.js';
import { HIDDEN_INVERSE } from './affine.js';
import { type Ext, asExt } from './arith.js';
import { type Sponge, type SpongeOf, newSponge } from './sponge.js';
import type { Message, Schedule } from './schedule.js';

/** A prover that departs from the declared schedule. */
export class ScheduleError extends Error {
  constructor(got: Message, want: Message | undefined) {
    super(
      `out of schedule: ${got.kind} ${got.label} x${got.count}, expected ${want ? `${want.kind} ${want.label} x${want.count}` : 'the end'}`,
    );
    this.name = 'ScheduleError';
  }
}

/** Hook of an adversarial prover in tests: sees every message before it is absorbed and may replace it. */
export type MessageHook = (label: string, words: readonly bigint[]) => readonly bigint[];

/** One-time pads of messages: see pads.ts. */
export interface MessagePads {
  /** What is sent in place of these elements. */
  pad(label: string, elements: readonly Ext[]): readonly Ext[];
}

/**
 * The prover's side of the channel: sending absorbs; every message is checked against the schedule of the verifier's
 * dry run.
 */
export class ProverChannel {
  readonly #k: Kernels;
  readonly #sponge: Sponge;
  readonly hash: HashName;
  readonly #buf: number;
  readonly #out: bigint[] = [];
  #next = 0;

  constructor(
    readonly schedule: Schedule,
    readonly options: { grinder?: Kernels; hook?: MessageHook; hash?: HashName; pads?: MessagePads; sponge?: SpongeOf } = {},
  ) {
    this.#k = singleKernels();
    this.hash = options.hash ?? 'poseidon2';
    this.#sponge = options.sponge?.(this.#k) ?? newSponge(this.#k, this.hash);
    this.#buf = this.#k.alloc(65536 * 8);
  }
  #expect(m: Message): void {
    const want = this.schedule[this.#next++];
    if (!want || want.label !== m.label || want.kind !== m.kind || want.count !== m.count || (want.depth ?? 0) !== (m.depth ?? 0))
      throw new ScheduleError(m, want);
  }
  #absorb(words: readonly bigint[]): void {
    for (let k = 0; k < words.length; k += 65536) {
      const part = words.slice(k, k + 65536);
      this.#k.u64.set(part, this.#buf / 8);
      this.#sponge.absorb(this.#buf, part.length);
    }
  }
  #send(label: string, words: readonly bigint[]): readonly bigint[] {
    const w = this.options.hook ? this.options.hook(label, words) : words;
    this.#absorb(w);
    for (const x of w) this.#out.push(x);
    return w;
  }
  publicWords(label: string, words: readonly bigint[]): void {
    this.#expect({ label, kind: 'public', count: words.length });
    this.#absorb(words);
  }
  sendExt(label: string, v: readonly Ext[]): void {
    this.#expect({ label, kind: 'ext', count: v.length });
    this.#send(
      label,
      (this.options.pads?.pad(label, v) ?? v).flatMap((x) => [...x]),
    );
  }
  /** The inverse of an element that has just been sent under a pad; of one in clear the verifier makes it itself. */
  sendInverse(x: Ext): void {
    if (this.options.pads) this.sendExt(HIDDEN_INVERSE, [E.inv(x)]);
  }
  sendBase(label: string, v: readonly bigint[]): void {
    this.#expect({ label, kind: 'base', count: v.length });
    this.#send(label, v);
  }
  sendDigest(label: string, v: readonly bigint[]): void {
    this.#expect({ label, kind: 'digest', count: 1 });
    this.#send(label, v);
  }
  #squeeze(n: number): bigint[] {
    this.#sponge.squeeze(this.#buf, n);
    return [...this.#k.u64.subarray(this.#buf / 8, this.#buf / 8 + n)];
  }
  sample(label: string): Ext {
    this.#expect({ label, kind: 'sample', count: 1 });
    return asExt(this.#squeeze(3));
  }
  sampleIndex(label: string, bits: number): number {
    this.#expect({ label, kind: 'bits', count: bits });
    return Number(this.#squeeze(1)[0] & ((1n << BigInt(bits)) - 1n));
  }
  grind(label: string, bits: number): void {
    this.#expect({ label, kind: 'grind', count: 1, depth: bits });
    const nonce = this.#sponge.search(this.options.grinder ?? this.#k, bits),
      [word] = this.options.hook ? this.options.hook(label, [nonce]) : [nonce];
    this.#out.push(word);
    this.#k.u64[this.#buf / 8] = word;
    const work = this.#sponge.work(this.#buf);
    if ((work & ((1n << BigInt(bits)) - 1n)) !== 0n && !this.options.hook) throw new Error('grinding failed');
  }
  /** Nodes of a tree so many levels below its root, and its salt where it has one; not absorbed. */
  cap(label: string, words: readonly bigint[], levels: number): void {
    this.#expect({ label, kind: 'cap', count: words.length / 4, depth: levels });
    this.#unabsorbed(label, words);
  }
  #unabsorbed(label: string, words: readonly bigint[]): void {
    const w = this.options.hook ? this.options.hook(label, words) : words;
    for (const x of w) this.#out.push(x);
  }
  /** A Merkle opening: leaf words, then siblings; not absorbed. */
  opening(label: string, words: readonly bigint[], depth: number): void {
    this.#expect({ label, kind: 'opening', count: words.length - 4 * depth, depth });
    this.#unabsorbed(label, words);
  }
  /** What has been sent so far. */
  sent(): BigUint64Array {
    return BigUint64Array.from(this.#out);
  }
  words(): BigUint64Array {
    if (this.#next !== this.schedule.length)
      throw new ScheduleError({ label: 'end of proof', kind: 'public', count: 0 }, this.schedule[this.#next]);
    return this.sent();
  }
}
