export { verifyBatched, DEGREE, type SumcheckAxis } from './verify.js';
export { proveBatched, type SumFactor, type SumTerm } from './prove.js';
export { ProductSumcheck, type Tiled } from './product.js';
