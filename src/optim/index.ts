export * from './adamw.js';
export * from './constants.js';
export * from './reference.js';
