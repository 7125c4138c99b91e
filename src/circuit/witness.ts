import type { Kernels } from '../kernels/runtime.js';
import { singleKernels } from '../kernels/single.js';
import { DIAGONAL, EXTERNAL, INTERNAL } from '../hash/poseidon2-constants.js';
import { WIDTH } from '../hash/poseidon2.js';
import { SBOXES } from './poseidon2.js';

/*
 * Witness values by the kernels, one thread: a permutation at a time while the verifier runs, then the cells of all of
 * them.
 */
let made: { k: Kernels; state: number; constants: number } | undefined;

function kernels(): NonNullable<typeof made> {
  if (!made) {
    const k = singleKernels(),
      constants = [...EXTERNAL, ...INTERNAL, ...DIAGONAL];
    made = { k, state: k.alloc(96), constants: k.alloc(8 * constants.length) };
    k.u64.set(constants, made.constants / 8);
  }
  return made;
}

/** The first n words that the permutation leaves of twelve canonical words. */
export function permuted(input: readonly bigint[], n = WIDTH): bigint[] {
  const { k, state } = kernels(),
    u = k.u64,
    at = state / 8,
    out = new Array<bigint>(n);
  for (let l = 0; l < WIDTH; l++) u[at + l] = input[l];
  k.exports['poseidon2'](state);
  for (let l = 0; l < n; l++) out[l] = u[at + l];
  return out;
}

/** Rows of a pass, which bounds the kernel's memory. */
const ROWS = 1024;

/**
 * Inputs of all S-boxes (lane g of row r at g height + r, signed) for these inputs of permutations, the last of them
 * again in the rows that are left.
 */
export function permutationColumns(inputs: readonly (readonly bigint[])[], height: number): BigInt64Array {
  const { k, constants } = kernels(),
    n = Math.min(ROWS, height),
    x = new BigInt64Array(SBOXES * height),
    last = inputs.length - 1;
  k.scope(() => {
    const src = k.alloc(96 * n),
      px = k.alloc(8 * SBOXES * n),
      scratch = k.alloc(96);
    for (let from = 0; from < height; from += n) {
      const rows = Math.min(n, height - from),
        u = k.u64;
      for (let r = 0; r < rows; r++) {
        const state = inputs[Math.min(from + r, last)],
          at = src / 8 + WIDTH * r;
        for (let l = 0; l < WIDTH; l++) u[at + l] = state[l];
      }
      k.exports['p2Trace'](px, src, n, constants, scratch, 0, rows);
      for (let g = 0; g < SBOXES; g++) x.set(k.i64.subarray(px / 8 + g * n, px / 8 + g * n + rows), g * height + from);
    }
  });
  return x;
}
