export * from './base.js';
export * from './generate.js';
export * from './init.js';
export * from './llama.js';
export * from './pretrain.js';
export * from './remedies.js';
export * from './shape.js';
export * from './step.js';
