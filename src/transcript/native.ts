import { log2Exact } from '../field/log2.js';
import { P } from '../field/goldilocks.js';
import type { HashName, MerkleHash } from '../hash/rows.js';
import type { Kernels } from '../kernels/runtime.js';
import { type Channel, type Digest, type Elem, type Ext, VerificationError, asDigest } from './arith.js';
import { type Sponge, type SpongeOf, merkleHash, newSponge } from './sponge.js';

/**
 * The verifier's channel: handles are addresses of elements in the kernel's memory. Proof words are hostile: each must
 * be canonical, and `finish` requires that all were read. Memory is given back by `close`.
 */
export class NativeChannel implements Channel {
  readonly #k: Kernels;
  readonly #mark: number;
  readonly #sponge: Sponge;
  readonly #hash: MerkleHash;
  readonly #proof: number;
  readonly #words: number;
  readonly #scratch: number;
  /** Constants by value: base elements by their word. */ readonly #constants = new Map<bigint | string, Elem>();
  #at = 0;
  #block = 0;
  #left = 0;
  #challenged = false;
  readonly #f: Record<string, (...a: number[]) => number>;
  readonly #add: (d: Elem, a: Elem, b: Elem) => void;
  readonly #sub: (d: Elem, a: Elem, b: Elem) => void;
  readonly #mul: (d: Elem, a: Elem, b: Elem) => void;
  readonly #mulAdd: (d: Elem, a: Elem, b: Elem, c: Elem) => void;
  readonly #bits: readonly [Elem, Elem];

  /**
   * `hash`: that of the proof's level, part of what the verifier knows beforehand. `sponge`: another transcript, of a
   * test that chooses challenges.
   */
  constructor(kernels: Kernels, proof: BigUint64Array, hash: HashName = 'poseidon2', sponge: SpongeOf = (k) => newSponge(k, hash)) {
    this.#k = kernels;
    this.#f = kernels.exports as Record<string, (...a: number[]) => number>;
    this.#mark = kernels.mark();
    for (let k = 0; k < proof.length; k++)
      if (proof[k] >= P) throw new VerificationError('canonical word', `word ${k} of the proof is not below p`);
    this.#sponge = sponge(kernels);
    this.#hash = merkleHash(hash);
    this.#scratch = kernels.zeroed(256);
    this.#words = proof.length;
    this.#proof = kernels.alloc(8 * Math.max(1, proof.length));
    kernels.u64.set(proof, this.#proof / 8);
    this.#add = this.#f['eadd'];
    this.#sub = this.#f['esub'];
    this.#mul = this.#f['emul'];
    this.#mulAdd = this.#f['emulAdd'];
    this.#bits = [this.constant(0n), this.constant(1n)];
  }

  close(): void {
    this.#k.release(this.#mark);
  }

  #new(): Elem {
    if (this.#left === 0) {
      this.#block = this.#k.alloc(24 * 4096);
      this.#left = 4096;
    }
    const p = this.#block;
    this.#block += 24;
    this.#left--;
    return p as Elem;
  }
  #take(n: number, label: string): number {
    if (this.#at + n > this.#words) throw new VerificationError('proof length', `proof ends before ${label}`);
    const p = this.#proof + 8 * this.#at;
    this.#at += n;
    return p;
  }

  /** Value of a handle, for error messages, tests and results that leave the verifier. */
  value(a: Elem): Ext {
    return this.#k.readExt(a);
  }

  constant(v: bigint | Ext): Elem {
    const e: Ext = typeof v !== 'bigint' ? v : [v >= 0n && v < P ? v : ((v % P) + P) % P, 0n, 0n],
      key = e[1] === 0n && e[2] === 0n ? e[0] : e.join();
    let h = this.#constants.get(key);
    if (h === undefined) {
      h = this.#new();
      this.#k.writeExt(h, e);
      this.#constants.set(key, h);
    }
    return h;
  }
  add(a: Elem, b: Elem): Elem {
    const d = this.#new();
    this.#add(d, a, b);
    return d;
  }
  sub(a: Elem, b: Elem): Elem {
    const d = this.#new();
    this.#sub(d, a, b);
    return d;
  }
  mul(a: Elem, b: Elem): Elem {
    const d = this.#new();
    this.#mul(d, a, b);
    return d;
  }
  mulAdd(a: Elem, b: Elem, c: Elem): Elem {
    const d = this.#new();
    this.#mulAdd(d, a, b, c);
    return d;
  }
  compose(a: Elem, b: Elem, c: Elem): Elem {
    const d = this.#new(),
      u = this.#k.u64;
    u[d / 8] = u[a / 8];
    u[d / 8 + 1] = u[b / 8];
    u[d / 8 + 2] = u[c / 8];
    return d;
  }
  coordinates(a: Elem): readonly [Elem, Elem, Elem] {
    const [x, y, z] = this.value(a).map((w) => this.constant(w));
    return [x, y, z];
  }
  inverse(a: Elem): Elem {
    const v = this.value(a);
    if (v[0] === 0n && v[1] === 0n && v[2] === 0n) throw new VerificationError('inverse', 'zero has no inverse');
    const d = this.#new();
    this.#f['einv'](d, a);
    return d;
  }
  select(bit: Elem, a: Elem, b: Elem): Elem {
    return this.#k.u64[bit / 8] === 1n ? a : b;
  }
  split(word: Elem, n: number): Elem[] {
    const v = this.value(word);
    if (n > 62) throw new RangeError('at most 62 bits of a word are split');
    if (v[1] !== 0n || v[2] !== 0n || v[0] >> BigInt(n) !== 0n) throw new VerificationError('split', `a word exceeds ${n} bits`);
    return Array.from({ length: n }, (_, k) => this.#bits[Number((v[0] >> BigInt(k)) & 1n)]);
  }
  assertEqual(a: Elem, b: Elem, check: string): void {
    const u = this.#k.u64,
      x = a / 8,
      y = b / 8;
    if (u[x] !== u[y] || u[x + 1] !== u[y + 1] || u[x + 2] !== u[y + 2]) throw new VerificationError(check);
  }
  publicWords(label: string, words: readonly bigint[]): void {
    this.publicElems(
      label,
      words.map((w) => this.constant(w)),
    );
  }
  publicElems(label: string, elems: readonly Elem[]): void {
    if (this.#challenged) throw new Error(`${label}: public input after the first challenge`);
    for (const e of elems) this.#sponge.absorb(e, 1);
  }
  read(label: string, n: number): Elem[] {
    const p = this.#take(3 * n, label);
    this.#sponge.absorb(p, 3 * n);
    return Array.from({ length: n }, (_, k) => (p + 24 * k) as Elem);
  }
  #embed(p: number, n: number): Elem[] {
    if (this.#left < n) {
      this.#left = Math.max(4096, n);
      this.#block = this.#k.alloc(24 * this.#left);
    }
    const at = this.#block;
    this.#block += 24 * n;
    this.#left -= n;
    this.#f['embedWords'](at, p, n);
    const out = new Array<Elem>(n);
    for (let k = 0; k < n; k++) out[k] = (at + 24 * k) as Elem;
    return out;
  }
  readBase(label: string, n: number): Elem[] {
    const p = this.#take(n, label);
    this.#sponge.absorb(p, n);
    return this.#embed(p, n);
  }
  readDigest(label: string): Digest {
    return asDigest(this.readBase(label, 4));
  }
  hash(domain: bigint, words: readonly Elem[]): Elem[] {
    return this.#hash
      .hashWords(
        domain,
        words.map((w) => this.#k.u64[w / 8]),
      )
      .map((w) => this.constant(w));
  }
  sample(_label: string): Elem {
    this.#challenged = true;
    const d = this.#new();
    this.#sponge.squeeze(d, 3);
    return d;
  }
  #squeezeWord(): bigint {
    this.#challenged = true;
    this.#sponge.squeeze(this.#scratch, 1);
    return this.#k.u64[this.#scratch / 8];
  }
  sampleBits(_label: string, n: number): Elem[] {
    if (n > 32) throw new RangeError('at most 32 bits of a word are sampled');
    const low = Number(this.#squeezeWord() & 0xffffffffn);
    return Array.from({ length: n }, (_, k) => this.#bits[Math.floor(low / 2 ** k) % 2]);
  }
  grind(label: string, bits: number): void {
    this.#challenged = true;
    if ((this.#sponge.work(this.#take(1, label)) & ((1n << BigInt(bits)) - 1n)) !== 0n)
      throw new VerificationError('grinding', `${label} lacks ${bits} bits of work`);
  }
  merkleCap(label: string, root: Digest, levels: number, salted = false): readonly Digest[] {
    const n = 2 ** levels,
      words = this.#take(4 * n, label),
      salt = salted ? this.#take(4, label) : 0,
      tree = this.#k.alloc(32 * Math.max(2, n));
    let src = words;
    for (let m = n / 2; m >= 1; m /= 2) {
      this.#hash.merkleLevel(this.#k, tree, src, m);
      src = tree;
    }
    if (salted) {
      // The tree's own root is the left of the two nodes.
      if (src !== tree) this.#k.u8.copyWithin(tree, src, src + 32);
      this.#k.u8.copyWithin(tree + 32, salt, salt + 32);
      this.#hash.merkleLevel(this.#k, tree, tree, 1);
      src = tree;
    }
    // Taken last: a view from before memory grew reads nothing.
    const u = this.#k.u64;
    for (let k = 0; k < 4; k++) if (u[src / 8 + k] !== u[root[k] / 8]) throw new VerificationError('Merkle cap', label);
    const nodes = this.#embed(words, 4 * n);
    return Array.from({ length: n }, (_, k) => asDigest(nodes, 4 * k));
  }
  merkleOpen(label: string, cap: readonly Digest[], bits: readonly Elem[], words: number): Elem[] {
    const depth = bits.length - log2Exact(cap.length),
      leaf = this.#take(words, label),
      path = this.#take(4 * depth, label);
    let index = 0;
    bits.forEach((b, k) => {
      if (this.#k.u64[b / 8] === 1n) index += 2 ** k;
    });
    this.#hash.path(this.#k, this.#scratch + 96, leaf, words, path, depth, index);
    const u = this.#k.u64,
      node = cap[Math.floor(index / 2 ** depth)];
    for (let k = 0; k < 4; k++) if (u[this.#scratch / 8 + 12 + k] !== u[node[k] / 8]) throw new VerificationError('Merkle path', label);
    return this.#embed(leaf, words);
  }
  /** Every word must have been read. */
  finish(): void {
    if (this.#at !== this.#words) throw new VerificationError('proof length', `${this.#words - this.#at} words too many`);
  }
}
