import { log2Exact } from '../field/log2.js';
import * as E from '../field/ext3.js';
import { P, mod } from '../field/goldilocks.js';
import { DOMAIN, RATE, WIDTH } from '../hash/poseidon2.js';
import { type Channel, type Digest, type Elem, type Ext, VerificationError, asDigest, asExt } from '../transcript/arith.js';
import { TRANSCRIPT_VERSION } from '../transcript/sponge.js';
import { type CircuitRows, type Kind, OUTPUTS, type RowHook, RowIndex, SPAN, TERMS, following, wire, wireIndex, wireKind } from './rows.js';
import { permuted } from './witness.js';

const ALL = (1n << 64n) - 1n;

/** Values of a row without a witness. */
const NONE: bigint[] = [];
/** Kinds whose wires have other components that are zero, as their reading asserts. */
const BASE_KINDS: ReadonlySet<Kind> = new Set<Kind>(['W', 'U', 'S', 'P', 'M', 'B']);
const baseOf = (v: Ext): bigint => v[0];

/** Tables of a circuit by whose entries ids are looked up: first rows of the high and the low one. */
export interface IdTables {
  readonly size: number;
  readonly scale: number;
  readonly base: readonly [high: number, low: number];
}

/**
 * The verifier's channel over wires: every operation becomes a row. Without a proof (`words` undefined) it records the
 * shape; with one also the witness. What is recorded of the shape never depends on values: a check that fails is noted
 * in `failed`, and the witness then violates the circuit.
 */
export class CircuitChannel implements Channel {
  readonly rows: CircuitRows = {
    K: { value: [] },
    W: { value: [] },
    H: { value: [] },
    U: { value: [] },
    E: { from: [], value: [] },
    F: { from: [], value: [] },
    B: { from: [], value: [] },
    D: { from: [], value: [] },
    Q: { from: [], value: [] },
    S: { from: [], dead: [], value: [] },
    P: { from: [], input: [], out: [] },
    M: { from: [], input: [], bit: [], out: [] },
    G: { from: [], base: [], index: [], value: [] },
    T: { from: [], table: [], edge: [], value: [] },
    I: { from: [], base: [], scale: [], digit: [], value: [] },
  };
  /** Names of the checks that do not hold for these values. */
  readonly failed: string[] = [];
  /** Name of the check that each row of these kinds makes: part of the shape, for tests and for finding a fault. */
  readonly checks: Readonly<Record<'E' | 'Q' | 'S' | 'G' | 'I', string[]>> = { E: [], Q: [], S: [], G: [], I: [] };
  readonly #live: boolean;
  #words: BigUint64Array = new BigUint64Array(0);
  readonly #constants = new Map<bigint | string, Elem>();
  readonly #products = new RowIndex(this.rows.F.from, 2 ** 18);
  readonly #baseProducts = new RowIndex(this.rows.B.from);
  readonly #composed = new RowIndex(this.rows.E.from);
  readonly #inverses = new Map<Elem, Elem>();
  readonly #indices = new Map<string, Elem>();
  #one?: Elem;
  #minusOne?: Elem;
  readonly #zero: Elem;
  #at = 0;
  readonly #state: Elem[];
  #pos = 0;
  #dirty = false;
  #out = 0;
  #challenged = false;

  constructor(
    words?: BigUint64Array,
    readonly forge?: RowHook,
  ) {
    this.#live = words !== undefined;
    this.#zero = this.constant(0n);
    this.#state = Array<Elem>(WIDTH).fill(this.#zero);
    this.open(words);
  }

  /** Begins the transcript of another proof; rows and wires of earlier ones stay. */
  open(words: BigUint64Array | undefined): void {
    if ((words !== undefined) !== this.#live) throw new Error('all proofs of a circuit have values or none has');
    this.#words = words ?? new BigUint64Array(0);
    this.#at = 0;
    this.#pos = 0;
    this.#out = 0;
    this.#dirty = false;
    this.#challenged = false;
    this.#state.fill(this.constant(0n));
    this.#state[RATE] = this.constant(DOMAIN.transcript);
    this.#state[RATE + 1] = this.constant(TRANSCRIPT_VERSION);
  }

  #fail(check: string): void {
    if (this.#live) this.failed.push(check);
  }
  #push(kind: Kind, rows: number): Elem {
    this.forge?.(kind, rows - 1, this.rows);
    return wire(kind, (rows - 1) * OUTPUTS[kind]);
  }
  /** Value of a wire; zero when there is no witness. */
  value(e: Elem): Ext {
    if (!this.#live && wireKind(e) !== 'K') return E.ZERO;
    const k = wireIndex(e),
      r = this.rows;
    switch (wireKind(e)) {
      case 'K':
        return r.K.value[k];
      case 'W':
        return [r.W.value[k], 0n, 0n];
      case 'U':
        return [r.U.value[k], 0n, 0n];
      case 'H':
        return r.H.value[k];
      case 'E':
        return r.E.value[k];
      case 'F':
        return r.F.value[k];
      case 'D':
        return r.D.value[k];
      case 'B':
        return [r.B.value[k], 0n, 0n];
      case 'S':
        return [(r.S.value[Math.floor(k / 64)] >> BigInt(k % 64)) & 1n, 0n, 0n];
      case 'P':
        return [r.P.out[Math.floor(k / 12)][k % 12], 0n, 0n];
      case 'M':
        return [r.M.out[Math.floor(k / 4)][k % 4], 0n, 0n];
      case 'I':
        return r.I.value[k];
      default:
        throw new Error('no wire');
    }
  }
  #constOf(e: Elem): Ext | undefined {
    return e < SPAN ? this.rows.K.value[e] : undefined;
  }

  constant(v: bigint | Ext): Elem {
    const e: Ext = typeof v === 'bigint' ? [mod(v), 0n, 0n] : v,
      key = e[1] === 0n && e[2] === 0n ? e[0] : e.join();
    let h = this.#constants.get(key);
    if (h === undefined) {
      h = this.#push('K', this.rows.K.value.push(e));
      this.#constants.set(key, h);
    }
    return h;
  }
  /** A word of the statement that the circuit's own proof is about. */
  publicWord(value: bigint): Elem {
    return this.#push('U', this.rows.U.value.push(value));
  }
  /** A free base element: whoever uses it must constrain it. */
  word(value: bigint): Elem {
    return this.#push('W', this.rows.W.value.push(value));
  }

  /** Whether a wire is a base element whatever its value: so are words, bits, outputs of permutations. */
  #isBase(e: Elem): boolean {
    const c = this.#constOf(e);
    return c ? c[1] === 0n && c[2] === 0n : BASE_KINDS.has(wireKind(e));
  }
  #fusedBase(a: Elem, b: Elem, c: Elem): Elem {
    const known = this.#baseProducts.row(a, b, c),
      r = this.rows.B;
    if (known >= 0) return wire('B', known);
    r.from.push(a, b, c);
    return this.#push('B', r.value.push(mod(baseOf(this.value(a)) * baseOf(this.value(b)) + baseOf(this.value(c)))));
  }
  #fused(a: Elem, b: Elem, c: Elem): Elem {
    const [x, y] = a <= b ? [a, b] : [b, a];
    if (this.#isBase(x) && this.#isBase(y) && this.#isBase(c)) return this.#fusedBase(x, y, c);
    const known = this.#products.row(x, y, c),
      r = this.rows.F;
    if (known >= 0) return wire('F', known);
    r.from.push(x, y, c);
    return this.#push('F', r.value.push(this.#live ? E.mulAdd(this.value(x), this.value(y), this.value(c)) : E.ZERO));
  }
  add(a: Elem, b: Elem): Elem {
    const x = this.#constOf(a),
      y = this.#constOf(b);
    if (x && y) return this.constant(E.add(x, y));
    if (x && E.isZero(x)) return b;
    if (y && E.isZero(y)) return a;
    this.#one ??= this.constant(1n);
    return a <= b ? this.#fused(a, this.#one, b) : this.#fused(b, this.#one, a);
  }
  sub(a: Elem, b: Elem): Elem {
    const x = this.#constOf(a),
      y = this.#constOf(b);
    if (a === b) return this.constant(0n);
    if (x && y) return this.constant(E.sub(x, y));
    if (y && E.isZero(y)) return a;
    this.#minusOne ??= this.constant(-1n);
    return this.#fused(b, this.#minusOne, a);
  }
  mul(a: Elem, b: Elem): Elem {
    return this.mulAdd(a, b, this.#zero);
  }
  mulAdd(a: Elem, b: Elem, c: Elem): Elem {
    const x = this.#constOf(a),
      y = this.#constOf(b);
    if (x && y) return this.add(this.constant(E.mul(x, y)), c);
    if ((x && E.isZero(x)) || (y && E.isZero(y))) return c;
    if (x && E.eq(x, E.ONE)) return this.add(b, c);
    if (y && E.eq(y, E.ONE)) return this.add(a, c);
    return this.#fused(a, b, c);
  }
  /** Four products a row; one or two that are left, and those of base elements, one by one. */
  dot(a: readonly Elem[], b: readonly Elem[], c: Elem): Elem {
    const isZero = (e: Elem): boolean => e === this.#zero,
      own = a.map((x, i) => [x, b[i]] as const).filter(([x, y]) => !isZero(x) && !isZero(y)),
      base = own.filter(([x, y]) => this.#isBase(x) && this.#isBase(y)),
      rest = own.filter(([x, y]) => !this.#isBase(x) || !this.#isBase(y));
    let sum = c;
    if (this.#isBase(c)) for (const [x, y] of base) sum = this.mulAdd(x, y, sum);
    else if (base.length)
      rest.push([
        this.dot(
          base.map(([x]) => x),
          base.map(([, y]) => y),
          this.#zero,
        ),
        this.constant(1n),
      ]);
    for (let at = 0; at < rest.length; at += TERMS) {
      const terms = rest.slice(at, at + TERMS);
      if (terms.length < TERMS - 1) for (const [x, y] of terms) sum = this.mulAdd(x, y, sum);
      else sum = this.#four(terms, sum);
    }
    return sum;
  }
  #four(terms: readonly (readonly [Elem, Elem])[], c: Elem): Elem {
    const { D } = this.rows,
      of = (side: 0 | 1): Elem[] => Array.from({ length: TERMS }, (_, i) => terms[i]?.[side] ?? this.#zero);
    D.from.push(...of(0), ...of(1), c);
    return this.#push(
      'D',
      D.value.push(this.#live ? terms.reduce((s, [x, y]) => E.mulAdd(this.value(x), this.value(y), s), this.value(c)) : E.ZERO),
    );
  }
  compose(a: Elem, b: Elem, c: Elem): Elem {
    const known = this.#composed.row(a, b, c),
      r = this.rows.E,
      at = [a, b, c];
    if (known >= 0) return wire('E', known);
    r.from.push(a, b, c);
    this.checks.E.push('base element');
    if (this.#live && at.some((e) => this.value(e)[1] !== 0n || this.value(e)[2] !== 0n)) this.#fail('base element');
    return this.#push('E', r.value.push(asExt(at.map((e) => baseOf(this.value(e))))));
  }
  coordinates(a: Elem): readonly [Elem, Elem, Elem] {
    const k = wireIndex(a);
    if (wireKind(a) === 'E') {
      const { from } = this.rows.E;
      return [from[3 * k], from[3 * k + 1], from[3 * k + 2]];
    }
    const c = this.#constOf(a),
      [x, y, z] = this.value(a).map((w) => (c ? this.constant(w) : this.word(w)));
    this.assertEqual(this.compose(x, y, z), a, 'coordinates');
    return [x, y, z];
  }
  /** hashWords of src/hash over wires. */
  hash(domain: bigint, words: readonly Elem[]): Elem[] {
    const zero = this.constant(0n);
    let state: Elem[] = [...Array<Elem>(RATE).fill(zero), this.constant(domain), this.constant(BigInt(words.length)), zero, zero];
    for (let k = 0; k < words.length; k += RATE) {
      words.slice(k, k + RATE).forEach((w, i) => {
        state[i] = w;
      });
      state = this.#permute(state);
    }
    return state.slice(0, 4);
  }
  /** The inverse is a free element; its product with a is one. */
  inverse(a: Elem): Elem {
    const known = this.#inverses.get(a);
    if (known !== undefined) return known;
    const v = this.value(a);
    const y = this.#push('H', this.rows.H.value.push(this.#live && !E.isZero(v) ? E.inv(v) : E.ZERO));
    this.assertEqual(this.mul(a, y), this.constant(1n), 'inverse');
    this.#inverses.set(a, y);
    return y;
  }
  select(bit: Elem, a: Elem, b: Elem): Elem {
    return this.mulAdd(bit, this.sub(a, b), b);
  }
  assertEqual(a: Elem, b: Elem, check: string): void {
    if (a === b) return;
    const x = this.#constOf(a),
      y = this.#constOf(b);
    if (x && y && !E.eq(x, y)) throw new VerificationError(check, 'two constants differ');
    this.rows.Q.from.push(a, b);
    this.checks.Q.push(check);
    this.#push('Q', this.rows.Q.value.push(this.value(a)));
    if (!E.eq(this.value(a), this.value(b))) this.#fail(check);
  }

  #split(word: Elem, dead: bigint, check: string): Elem[] {
    const r = this.rows.S,
      v = baseOf(this.value(word));
    r.from.push(word);
    r.dead.push(dead);
    this.checks.S.push(check);
    const e = this.#push('S', r.value.push(v)),
      got = r.value[r.value.length - 1];
    if (got !== v || (got & dead) !== 0n) this.#fail(check);
    return following(e, 64);
  }
  /** All 64 bits of a base element's canonical integer. */
  bits64(word: Elem): Elem[] {
    return this.#split(word, 0n, 'bits');
  }
  split(word: Elem, n: number, check = 'split'): Elem[] {
    if (n > 62) throw new RangeError('at most 62 bits of a word are split');
    return this.#split(word, ALL ^ ((1n << BigInt(n)) - 1n), check).slice(0, n);
  }

  #permute(from: readonly Elem[]): Elem[] {
    const r = this.rows.P;
    for (const e of from) r.from.push(e);
    const input = this.#live ? from.map((e) => baseOf(this.value(e))) : NONE;
    r.input.push(input);
    const e = this.#push('P', r.out.push(this.#live ? permuted(input) : NONE));
    return following(e, WIDTH);
  }
  #spongePermute(): void {
    this.#permute(this.#state).forEach((e, k) => {
      this.#state[k] = e;
    });
  }
  // The duplex sponge of kernels/as/transcript.ts.
  #absorb(words: readonly Elem[]): void {
    for (const e of words) {
      this.#state[this.#pos++] = e;
      if (this.#pos === RATE) {
        this.#spongePermute();
        this.#pos = 0;
      }
      this.#dirty = true;
    }
  }
  #flush(): void {
    if (this.#pos !== 0) this.#spongePermute();
    this.#pos = 0;
  }
  #squeeze(n: number): Elem[] {
    this.#challenged = true;
    if (this.#dirty) {
      this.#flush();
      this.#dirty = false;
      this.#out = 0;
    }
    return Array.from({ length: n }, () => {
      if (this.#out === RATE) {
        this.#spongePermute();
        this.#out = 0;
      }
      return this.#state[this.#out++];
    });
  }

  #take(n: number, label: string): bigint[] {
    if (!this.#live) return Array<bigint>(n).fill(0n);
    if (this.#at + n > this.#words.length) throw new VerificationError('proof length', `proof ends before ${label}`);
    const out = [...this.#words.subarray(this.#at, this.#at + n)];
    this.#at += n;
    for (const w of out) if (w >= P) throw new VerificationError('canonical word', `${label} holds a word that is not below p`);
    return out;
  }
  publicWords(label: string, words: readonly bigint[]): void {
    this.publicElems(
      label,
      words.map((w) => this.constant(w)),
    );
  }
  publicElems(label: string, elems: readonly Elem[]): void {
    if (this.#challenged) throw new Error(`${label}: public input after the first challenge`);
    this.#absorb(elems);
  }
  readBase(label: string, n: number): Elem[] {
    const w = this.#take(n, label).map((x) => this.word(x));
    this.#absorb(w);
    return w;
  }
  read(label: string, n: number): Elem[] {
    const w = this.readBase(label, 3 * n);
    return Array.from({ length: n }, (_, k) => this.compose(w[3 * k], w[3 * k + 1], w[3 * k + 2]));
  }
  readDigest(label: string): Digest {
    return asDigest(this.readBase(label, 4));
  }
  sample(_label: string): Elem {
    const [a, b, c] = this.#squeeze(3);
    return this.compose(a, b, c);
  }
  sampleBits(_label: string, n: number): Elem[] {
    return this.bits64(this.#squeeze(1)[0]).slice(0, n);
  }
  grind(label: string, bits: number): void {
    this.#flush();
    this.readBase(label, 1);
    this.#split(this.#squeeze(1)[0], (1n << BigInt(bits)) - 1n, 'grinding');
  }
  /** Parent of two nodes of a Merkle tree. */
  compress(left: readonly Elem[], right: readonly Elem[]): Elem[] {
    const zero = this.constant(0n);
    return this.#permute([...left, ...right, this.constant(DOMAIN.node), zero, zero, zero]).slice(0, 4);
  }
  merkleCap(label: string, root: Digest, levels: number, salted = false): readonly Digest[] {
    const words = this.#take(4 * 2 ** levels, label).map((x) => this.word(x)),
      salt = salted ? this.#take(4, label).map((x) => this.word(x)) : undefined;
    const nodes = Array.from({ length: 2 ** levels }, (_, k) => asDigest(words, 4 * k));
    let level: readonly (readonly Elem[])[] = nodes;
    while (level.length > 1) {
      const up: Elem[][] = [];
      for (let k = 0; k < level.length; k += 2) up.push(this.compress(level[k], level[k + 1]));
      level = up;
    }
    const top = salt ? this.compress(level[0], salt) : level[0];
    for (let k = 0; k < 4; k++) this.assertEqual(top[k], root[k], 'Merkle cap');
    return nodes;
  }
  merkleOpen(label: string, cap: readonly Digest[], bits: readonly Elem[], words: number): Elem[] {
    const depth = bits.length - log2Exact(cap.length),
      leaf = this.#take(words, label).map((x) => this.word(x)),
      path = this.#take(4 * depth, label);
    let digest = this.hash(DOMAIN.leaf, leaf);
    for (let d = 0; d < depth; d++) digest = this.level(digest, bits[d], path.slice(4 * d, 4 * d + 4));
    this.#inCap(digest, cap, bits.slice(depth));
    return leaf;
  }
  /** One Merkle level: bit = 0: current node left of its sibling; bit = 1: right. */
  level(current: readonly Elem[], bit: Elem, sibling: readonly bigint[]): Elem[] {
    const r = this.rows.M;
    r.from.push(...current, bit);
    let out = NONE,
      input = NONE;
    const b = baseOf(this.value(bit));
    if (this.#live) {
      const cur = current.map((e) => baseOf(this.value(e)));
      input = [...(b ? sibling : cur), ...(b ? cur : sibling), DOMAIN.node, 0n, 0n, 0n];
      out = permuted(input, 4);
    }
    r.input.push(input);
    r.bit.push(b);
    const e = this.#push('M', r.out.push(out));
    return following(e, 4);
  }
  #inCap(digest: readonly Elem[], cap: readonly Digest[], bits: readonly Elem[]): void {
    const key = bits.join(),
      index = this.#indices.get(key) ?? bits.reduce((n, b, k) => this.mulAdd(b, this.constant(1n << BigInt(k)), n), this.#zero);
    this.#indices.set(key, index);
    cap.forEach((d, k) =>
      d.forEach((w, l) => {
        if (w !== cap[0][0] + 4 * k + l || wireKind(w) !== 'W') throw new Error('the nodes of a cap are words in a row');
      }),
    );
    const r = this.rows.G,
      at = Number(baseOf(this.value(index))),
      value = digest.map((e) => baseOf(this.value(e)));
    r.from.push(...digest, index);
    r.base.push(cap[0][0]);
    r.index.push(BigInt(at));
    this.checks.G.push('Merkle path');
    this.#push('G', r.value.push(value));
    if (this.#live && cap[at].some((w, l) => baseOf(this.value(w)) !== value[l])) this.#fail('Merkle path');
  }
  /**
   * Tables of ids below `size`: entry i of `high` stands for ids from i `scale` on, entry i of `low` for those with
   * this rest. Marked (`edge`) are the last entry of high, and those of low that would make an id of `size` or more of
   * it: no id has two marked digits.
   */
  idTables(size: number, high: readonly Elem[], low: readonly Elem[]): IdTables {
    const scale = low.length,
      last = size - (high.length - 1) * scale;
    if (last < 1 || last > scale) throw new RangeError(`tables of ${high.length} and ${scale} entries for ${size} ids`);
    const table = (entries: readonly Elem[], marked: (i: number) => boolean): number => {
      const { T } = this.rows,
        first = T.value.length;
      entries.forEach((e, i) => {
        T.from.push(e);
        T.table.push(first);
        T.edge.push(marked(i));
        this.#push('T', T.value.push(this.value(e)));
      });
      return first;
    };
    return { size, scale, base: [table(high, (i) => i === high.length - 1), table(low, (i) => i >= last)] };
  }
  /**
   * The n ids that a word holds, `bits` bits each, lowest first, as the product of the entries that each selects. An id
   * is a free word; its row shows that it is below the tables' size, hence below 2^bits, so that a word has one list.
   */
  selectIds(word: Elem, n: number, bits: number, t: IdTables): Elem[] {
    if (n * bits > 62 || t.size > 2 ** bits) throw new RangeError(`${n} ids of ${bits} bits, ${t.size} of them`);
    const v = baseOf(this.value(word)),
      ids = Array.from({ length: n }, (_, i) => this.word((v >> BigInt(bits * i)) & ((1n << BigInt(bits)) - 1n)));
    const sum = ids.reduce((s, id, i) => this.mulAdd(id, this.constant(1n << BigInt(bits * i)), s), this.#zero);
    this.assertEqual(sum, word, 'ids of a word');
    return ids.map((id) => this.#selectId(id, t));
  }
  #selectId(id: Elem, t: IdTables): Elem {
    const { I, T } = this.rows,
      v = baseOf(this.value(id)),
      scale = BigInt(t.scale),
      digit = [v / scale, v % scale] as const,
      [a, b] = t.base.map((first, d) => T.value[first + Number(digit[d])] ?? E.ZERO);
    I.from.push(id);
    I.base.push(t.base);
    I.scale.push(t.scale);
    I.digit.push(digit);
    this.checks.I.push('id outside the vocabulary');
    if (v >= BigInt(t.size)) this.#fail('id outside the vocabulary');
    return this.#push('I', I.value.push(this.#live ? E.mul(a, b) : E.ZERO));
  }
  /** Every word must have been read. */
  finish(): void {
    if (this.#live && this.#at !== this.#words.length)
      throw new VerificationError('proof length', `${this.#words.length - this.#at} words too many`);
  }
}
