export * from './shape.js';
export { verifyLogUp, type LogUpClaims } from './verify.js';
export { eqTableKernel } from './eq.js';
export { logUpMemory } from './layers.js';
export type { Keys, LeafInput } from './leaves.js';
export { proveLogUp } from './prove.js';
