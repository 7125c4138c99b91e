export * from './budgets.js';
export * from './commitments.js';
export * from './language.js';
export * from './ledger.js';
export * from './license.js';
export * from './manifest.js';
export * from './programs.js';
export * from './schedule.js';
