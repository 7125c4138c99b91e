export * from './journal.js';
export * from './nodes.js';
export * from './proof.js';
export * from './record.js';
export { drawSecret, readSecret, secretFile, secretOf, writeSecret } from './secret.js';
