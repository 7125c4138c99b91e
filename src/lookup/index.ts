export * from './shape.js';
export { verifyLogUp, type LogUpClaims } from './verify.js';
export { logUpMemory, proveLogUp, eqTableKernel, type Keys, type LeafInput } from './prove.js';
