export { verifyBatched, DEGREE, type SumcheckAxis } from './verify.js';
export * from './round.js';
