// Constants of Poseidon2 as the generated kernels want them. src/hash/poseidon2-constants.ts is the single source.
import { readFileSync } from 'node:fs';

const text = readFileSync(new URL('../../src/hash/poseidon2-constants.ts', import.meta.url), 'utf8');
const pick = (name: string): bigint[] => {
  const found = new RegExp(`${name}[^=]*= \\[([\\s\\S]*?)\\];`).exec(text);
  if (!found) throw new Error(`src/hash/poseidon2-constants.ts has no ${name}`);
  return [...found[1].matchAll(/0x[0-9a-f]+/g)].map((m) => BigInt(m[0]));
};
export const rc = pick('EXTERNAL'),
  ri = pick('INTERNAL'),
  diag = pick('DIAGONAL');
export const P = 0xffffffff00000001n,
  M = 0xffffffffn,
  S = [...Array(12).keys()],
  words = S.slice(1);

/** Lanes of constant + n p, with `borrow` units of H moved to L: what makes both lanes of a sum positive. */
export const biased = (constant: bigint, n: bigint, borrow: bigint): [bigint, bigint] => [
  (constant & M) + n + (borrow << 32n),
  (constant >> 32n) + n * M - borrow,
];

/**
 * Lanes added by the external layers 0 .. 8, positive however small the sums of S-box lanes are. Layer 4 prepares word
 * 0 for the first internal round.
 */
export const layers = [...Array(9).keys()].flatMap((layer) =>
  S.flatMap((k) => biased(layer === 8 || (layer === 4 && k > 0) ? 0n : layer === 4 ? ri[0] : rc[12 * layer + k], 1n, 64n)),
);
/** Constants of word 0 that follow internal rounds 0 .. 21, the last one of external round 4. */
export const first = [...ri.slice(1), rc[48]];
/** Constants of the other words after round 10 (none) and 21. */
export const others = [false, true].map((last) => S.map((k) => (last ? rc[48 + k] : 0n)));
export const list = (a: readonly bigint[]): string => a.map((x) => `0x${x.toString(16)}`).join(', ');

/** Text of both external layers' sums: y_k, t_k from the words x0 .. x11 of one lane `of`, by the given operations. */
export const externalSums = (of: string, add: (...x: string[]) => string, twice: (x: string) => string): string[] => {
  const o: string[] = [];
  for (const b of [0, 4, 8]) {
    const x = [0, 1, 2, 3].map((k) => `${of}${b + k}`),
      n = (t: string): string => `${of}${t}${b}`;
    o.push(
      `const ${n('p')} = ${add(x[0], x[1])}, ${n('q')} = ${add(x[2], x[3])}, ${n('r')} = ${add(n('p'), n('q'))}, ${n('u')} = ${add(n('r'), x[1])}, ${n('v')} = ${add(n('r'), x[3])};`,
      `const ${of}y${b} = ${add(n('u'), n('p'))}, ${of}y${b + 1} = ${add(n('u'), twice(x[2]))}, ${of}y${b + 2} = ${add(n('v'), n('q'))}, ${of}y${b + 3} = ${add(n('v'), twice(x[0]))};`,
    );
  }
  for (const k of [0, 1, 2, 3]) o.push(`const ${of}t${k} = ${add(`${of}y${k}`, `${of}y${k + 4}`, `${of}y${k + 8}`)};`);
  return o;
};

/** Diagonal entry k as a small multiple, or as the inverse of a power of two: { times, halvings, negative }. */
export function entry(k: number): { times: number; halvings: number; negative: boolean } {
  const d = diag[k];
  for (const negative of [false, true]) {
    const e = negative ? P - d : d;
    if (e <= 4n) return { times: Number(e), halvings: 0, negative };
    for (let m = 1n; m < 8n; m++) if ((e << m) % P === 1n) return { times: 0, halvings: Number(m), negative };
  }
  throw new Error(`diagonal entry ${k}`);
}
