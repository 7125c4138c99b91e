/*
 * Bounds of what a configuration or a manifest may ask for, the same for both: far above any model and any run, and low
 * enough that whatever follows from a file of a stranger takes no time before something has been proved.
 */

/** Largest sizes of a model's shape. */
export const SHAPE_LIMITS = {
  layers: 1024,
  hidden: 2 ** 17,
  intermediate: 2 ** 20,
  kvHeads: 1024,
  groups: 1024,
  headDim: 4096,
  vocab: 2 ** 24,
} as const;

/** Least and largest epsilon of RMSNorm: from the first up to below the second. */
export const RMS_EPS = [2 ** -40, 1] as const;

/** Longest sequence, most rows of a batch, most steps, highest rank. */
export const RUN_LIMITS = { sequence: 2 ** 20, batch: 2 ** 20, steps: 2 ** 20, rank: 2 ** 16 } as const;

/**
 * Most program proofs of a run: one for every micro-batch and one for every update. At ten seconds each they are four
 * months.
 */
export const MOST_PARTS = 2 ** 20;

/** Most trained parameters: 32 GiB of state. */
export const MOST_PARAMETERS = 2 ** 30;

/** Most weights of a base: a trillion. */
export const MOST_WEIGHTS = 2 ** 40;

/** Most tokens of one program proof, and most attention scores of one layer of it. */
export const MOST_CELLS = { tokens: 2 ** 24, scores: 2 ** 40 } as const;
