export * from './base.js';
export * from './rate.js';
export * from './run.js';
export * from './runfile.js';
