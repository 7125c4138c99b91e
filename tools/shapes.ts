/** Shapes of models that tools and tests share. */
import type { LlamaShape } from 'certune/model';

/** Two layers, every relation; the widths are no powers of two. */
export const TINY: LlamaShape = {
  layers: 2,
  hidden: 6,
  intermediate: 5,
  kvHeads: 1,
  groups: 2,
  headDim: 2,
  vocab: 7,
  tied: true,
  bias: false,
  rmsEps: 1e-5,
};
/** The shape of stories260k. */
export const STORIES: LlamaShape = {
  ...TINY,
  layers: 5,
  hidden: 64,
  intermediate: 172,
  kvHeads: 4,
  headDim: 8,
  vocab: 512,
};
/**
 * nanoGPT's size in blocks of Llama: four layers of width 64, four heads, the 65 characters of its text. The MLP, three
 * matrices in the place of two, is as wide as makes a quarter of a million parameters.
 */
export const NANO: LlamaShape = {
  ...TINY,
  layers: 4,
  hidden: 64,
  intermediate: 232,
  kvHeads: 4,
  groups: 1,
  headDim: 16,
  vocab: 65,
  tied: false,
};
/** The shape of SmolLM2-135M. */
export const SMOLLM2: LlamaShape = {
  ...STORIES,
  layers: 30,
  hidden: 576,
  intermediate: 1536,
  kvHeads: 3,
  groups: 3,
  headDim: 64,
  vocab: 49152,
};
