export * from './journal.js';
export * from './nodes.js';
export * from './proof.js';
export * from './record.js';
