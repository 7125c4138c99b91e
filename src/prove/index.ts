export { mergeRun, proveStep, runStep } from './step.js';
export * from './merge.js';
export * from './nodes.js';
export * from './range.js';
export * from './recursion.js';
export * from './settle.js';
