export * from './circuits.js';
export * from './class.js';
export * from './keys.js';
export * from './leaves.js';
export * from './merge.js';
export * from './statement.js';
