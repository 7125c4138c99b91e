export * from './budgets.js';
export * from './dataset.js';
export * from './language.js';
export * from './license.js';
export * from './manifest.js';
export * from './runfile.js';
export * from './sampler.js';
export * from './schedule.js';
