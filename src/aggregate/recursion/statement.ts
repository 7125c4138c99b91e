import { DOMAIN, hashWords } from '../../hash/poseidon2.js';
import { packPublic, packing, publicTensors, type Publics } from '../../tensor/statement.js';
import type { Program } from '../../tensor/types.js';

/*
 * Statement of a leaf or fold, words in the order of `layout`. It says: from the state (c, o)In the steps from .. to - 1 lead to (c, o)Out; their
 * public inputs extend the chains dataIn and scalarsIn to dataOut and scalarsOut; their losses add up to `loss`; provided that the frozen stack
 * `frozen` takes the value of `base` at its point, and the stack of both verification keys that of `key`.
 *
 *   data      ids and bits of every program proof (tokens, targets, masks)      chain = hashWords(statement, chain || words)
 *   scalars   its other public inputs (loss, schedule row), likewise
 *
 * The program is that of the leaf key: its digest is among the constants that the leaf circuit absorbs.
 */
export interface NodeStatement {
  /** 0: leaf, 1: fold. */ readonly kind: readonly bigint[];
  readonly leafKey: readonly bigint[];
  readonly foldKey: readonly bigint[];
  readonly context: readonly bigint[];
  readonly frozen: readonly bigint[];
  readonly cIn: readonly bigint[];
  readonly oIn: readonly bigint[];
  readonly cOut: readonly bigint[];
  readonly oOut: readonly bigint[];
  readonly from: readonly bigint[];
  readonly to: readonly bigint[];
  readonly dataIn: readonly bigint[];
  readonly dataOut: readonly bigint[];
  readonly scalarsIn: readonly bigint[];
  readonly scalarsOut: readonly bigint[];
  readonly loss: readonly bigint[];
  readonly base: readonly bigint[];
  readonly key: readonly bigint[];
}
export type Field = keyof NodeStatement;

/** Number of words of every field: points of `baseVars` and `keyVars` elements, then a value. */
export function layout(baseVars: number, keyVars: number): ReadonlyMap<Field, number> {
  return new Map<Field, number>([
    ['kind', 1],
    ['leafKey', 8],
    ['foldKey', 8],
    ['context', 8],
    ['frozen', 8],
    ['cIn', 10],
    ['oIn', 10],
    ['cOut', 10],
    ['oOut', 10],
    ['from', 1],
    ['to', 1],
    ['dataIn', 4],
    ['dataOut', 4],
    ['scalarsIn', 4],
    ['scalarsOut', 4],
    ['loss', 1],
    ['base', 3 * (baseVars + 1)],
    ['key', 3 * (keyVars + 1)],
  ]);
}

/** Splits the public words of a node's proof. */
export function decode(words: readonly bigint[], baseVars: number, keyVars: number): NodeStatement {
  let at = 0;
  return Object.fromEntries(
    [...layout(baseVars, keyVars)].map(([f, n]) => {
      at += n;
      return [f, words.slice(at - n, at)];
    }),
  ) as unknown as NodeStatement;
}

/** Public inputs of a program by the chain that takes them up, in the program's order. */
export const chained = (p: Program, chain: 'data' | 'scalars'): string[] =>
  publicTensors(p)
    .filter((t) => packing(p, t).bits > 0 === (chain === 'data'))
    .map((t) => t.name);

/** Chain after one program proof: what a verifier who holds the data recomputes. */
export function extend(p: Program, chain: 'data' | 'scalars', before: readonly bigint[], publics: Publics): bigint[] {
  const words = chained(p, chain).flatMap((n) => packPublic(p, p.tensors.find((t) => t.name === n)!, publics.get(n)));
  return hashWords(DOMAIN.statement, [...before, ...words]);
}

/** Chain before the first step. */
export const CHAIN_START: readonly bigint[] = [0n, 0n, 0n, 0n];
