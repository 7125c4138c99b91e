import type { CircuitChannel } from '../circuit/channel.js';
import type { Elem } from '../transcript/arith.js';

/** A claim on a stack, as handles. */
export interface Claim {
  readonly point: readonly Elem[];
  readonly value: Elem;
}

/** Free words, to be constrained by their use. */
export const hints = (ch: CircuitChannel, n: number, v?: readonly bigint[]): Elem[] =>
  Array.from({ length: n }, (_, k) => ch.word(v?.[k] ?? 0n));

export const constants = (ch: CircuitChannel, v: readonly bigint[]): Elem[] => v.map((w) => ch.constant(w));

/** Publishes a statement: every public word is compared with a wire. */
export function publish<F extends string>(
  ch: CircuitChannel,
  wires: Readonly<Record<F, readonly Elem[]>>,
  sizes: ReadonlyMap<F, number>,
): void {
  for (const [f, n] of sizes) {
    if (wires[f].length !== n) throw new Error(`field ${f} has ${wires[f].length} words, expected ${n}`);
    for (const e of wires[f]) ch.assertEqual(ch.publicWord(ch.value(e)[0]), e, `statement ${f}`);
  }
}

/** A claim's words, and back. */
export const flat = (ch: CircuitChannel, c: Claim): Elem[] => [...c.point, c.value].flatMap((e) => [...ch.coordinates(e)]);
export function unflat(ch: CircuitChannel, w: readonly Elem[]): Claim {
  const all = Array.from({ length: w.length / 3 }, (_, k) => ch.compose(w[3 * k], w[3 * k + 1], w[3 * k + 2]));
  return { point: all.slice(0, -1), value: all[all.length - 1] };
}

/** A claim that holds of whatever stack has this first word: value at the point zero. */
export const trivial = (ch: CircuitChannel, vars: number, first: Elem): Elem[] => [
  ...constants(ch, Array<bigint>(3 * vars).fill(0n)),
  first,
  ch.constant(0n),
  ch.constant(0n),
];
