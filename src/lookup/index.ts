export * from './shape.js';
export { verifyLogUp, type LogUpClaims } from './verify.js';
export { proveLogUp, eqTableKernel, type LeafInput } from './prove.js';
