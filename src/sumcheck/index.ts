export { verifyBatched, DEGREE, type SumcheckAxis } from './verify.js';
export * from './round.js';
export { proveBatched } from './prove.js';
export type { SumFactor, SumTerm } from './terms.js';
export { ProductSumcheck, type Tiled } from './product.js';
