export * from './dataset.js';
export * from './sampler.js';
