export * from './base.js';
export * from './init.js';
export * from './llama.js';
export * from './step.js';
