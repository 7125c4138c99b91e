export * from './dataset.js';
export * from './runfile.js';
export * from './sampler.js';
export * from './schedule.js';
