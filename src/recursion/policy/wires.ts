import type { CircuitChannel } from '../../circuit/channel.js';
import { wireIndex } from '../../circuit/rows.js';
import type { Elem } from '../../transcript/arith.js';

/**
 * Rows on which the paths of a policy's trees stand: a row of M a level, or a row of P with both nodes below as free
 * words. A leaf needs fewer rows of P than a fold, and of M as many: a class takes whichever has fewer cells.
 */
export type Paths = 'levels' | 'permutations';

/**
 * The channel with what all checks of the policy share. Free words have names: each is hashed into something given,
 * ranged or made boolean, as the comment where it is drawn says, and tests of dishonest provers change them by name.
 */
export class Wires {
  /** Rows of kind W by the name of the free word. */
  readonly free = new Map<string, number[]>();
  readonly one: Elem;
  readonly zero: Elem;
  constructor(
    readonly ch: CircuitChannel,
    readonly paths: Paths = 'levels',
  ) {
    this.one = ch.constant(1n);
    this.zero = ch.constant(0n);
  }

  /** Base value of a wire; zero without a witness. */
  value(e: Elem): bigint {
    return this.ch.value(e)[0];
  }
  /** A free word. */
  word(name: string, value: bigint | undefined): Elem {
    const e = this.ch.word(value ?? 0n),
      rows = this.free.get(name);
    if (rows) rows.push(wireIndex(e));
    else this.free.set(name, [wireIndex(e)]);
    return e;
  }
  words(name: string, n: number, values: readonly bigint[] | undefined): Elem[] {
    return Array.from({ length: n }, (_, k) => this.word(name, values?.[k]));
  }
  constant(x: bigint | number): Elem {
    return this.ch.constant(BigInt(x));
  }
  sum(list: readonly Elem[]): Elem {
    return list.reduce((a, b) => this.ch.add(a, b), this.zero);
  }
  not(bit: Elem): Elem {
    return this.ch.sub(this.one, bit);
  }

  /** x in [0, 2^32). */
  u32(x: Elem, check: string): void {
    this.ch.split(x, 32, check);
  }
  /** x in [0, m) for m below 2^32. */
  below(x: Elem, m: Elem, check: string): void {
    this.u32(x, check);
    this.u32(this.ch.sub(this.ch.sub(m, this.one), x), check);
  }
  boolean(bit: Elem, check: string): void {
    this.ch.assertEqual(this.ch.mul(bit, bit), bit, check);
  }
  /** gate * (a - b) = 0 word by word; gate is a bit. */
  equalWhere(gate: Elem, a: readonly Elem[], b: readonly Elem[], check: string): void {
    a.forEach((x, k) => this.ch.assertEqual(this.ch.mul(gate, this.ch.sub(x, b[k])), this.zero, check));
  }
  equal(a: readonly Elem[], b: readonly Elem[], check: string): void {
    a.forEach((x, k) => this.ch.assertEqual(x, b[k], check));
  }
  /** Root above a leaf at the position that bits from `split` give, least significant first. */
  climb(leaf: readonly Elem[], bits: readonly Elem[], path: readonly (readonly bigint[])[] | undefined): readonly Elem[] {
    return bits.reduce<readonly Elem[]>((d, b, l) => {
      const sibling = path?.[l] ?? [0n, 0n, 0n, 0n];
      return this.paths === 'levels' ? this.ch.level(d, b, sibling) : this.#parent(d, b, sibling);
    }, leaf);
  }

  /**
   * Parent of a node. Free: the nodes left and right below it; the one that the bit names is the node, the other its
   * sibling, as free as that of a row of M.
   */
  #parent(node: readonly Elem[], bit: Elem, sibling: readonly bigint[]): readonly Elem[] {
    const { ch } = this,
      own = node.map((x) => this.value(x)),
      isRight = this.value(bit) === 1n,
      left = this.words('path', 4, isRight ? sibling : own),
      right = this.words('path', 4, isRight ? own : sibling);
    node.forEach((x, k) => ch.assertEqual(ch.select(bit, right[k], left[k]), x, 'node of a path'));
    return ch.compress(left, right);
  }
}
