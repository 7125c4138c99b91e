export { verifyBatched, DEGREE, MOST_DEGREE, type SumcheckAxis } from './verify.js';
export * from './round.js';
