/*
 * Envelopes, statements, signed folders, policies and exports: synchronous, without Node. Signing, folders and
 * certificates are in ./node.js.
 */
export * from './bundle.js';
export { IN_TOTO, type Envelope, pae, verifyEnvelope } from './dsse.js';
export { type PublicKey, keyDigest, parsePublicKey, verifyEcdsa } from './ecdsa.js';
export { type Json, type JsonLimits, type JsonObject, canonicalBytes, parseJson } from './json.js';
export * from './deployed.js';
export { cyclonedx } from './exports/cyclonedx.js';
export type { ExportFacts } from './exports/facts.js';
export { hfCard } from './exports/hf-card.js';
export { trainingSummary, trainingSummaryJson, trainingSummaryText } from './exports/training-summary.js';
export * from './oms.js';
export * from './policy.js';
export * from './predicate.js';
export * from './result.js';
export * from './statement.js';
export * from './svr.js';
