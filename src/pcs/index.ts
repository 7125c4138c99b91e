export * from './params.js';
export { type Provenance, TrustedRoot } from './trusted.js';
export { type LedgerTerm, exceptional, foldBits, whirLedger } from './ledger.js';
export { whirShape } from './rounds.js';
export { type GroupClaim, powerExtension, verifyWhir } from './verify.js';
