export * from './calibrate.js';
export * from './counts.js';
export * from './fold.js';
export * from './steps.js';
