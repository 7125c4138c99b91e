/*
 * Property cards: evidence of trusted hardware, read and judged. Synchronous, without Node: TDX and SGX quotes need the
 * verifier of certune/provenance/node, and are "not checked" without it.
 */
export * from './card.js';
export * from './evaluate.js';
export { ANCHORS, type Anchors, type Collateral, type Evidence, type Kind, KINDS, RELAXATIONS, type Relaxation } from './evidence.js';
export { type DcapVerifier, NotCheckedError, verifyEvidence } from './judge-evidence.js';
export { type CardRules, parseAllRules, parseCardRules } from './rules.js';
export { type TimeStamp, verifyTimeStamp } from './time-stamp.js';
