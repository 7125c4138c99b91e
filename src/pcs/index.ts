export * from './params.js';
export { type LedgerTerm, foldBits, whirLedger } from './ledger.js';
export { whirShape } from './rounds.js';
export { commitBase, commitColumns, openRows, type Oracle } from './commit.js';
export { type GroupOpening, openWhir } from './prove.js';
export { type GroupClaim, verifyWhir } from './verify.js';
export { commitBytes, openBytes, saveTree } from './commit.js';
