export * from './folded.js';
export * from './pack.js';
