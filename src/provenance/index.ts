/* Verification of envelopes, statements, signed folders and policies: synchronous, without Node. Signing, folders and certificates are in ./node.js. */
export * from './bundle.js';
export { IN_TOTO, type Envelope, pae, verifyEnvelope } from './dsse.js';
export { type PublicKey, keyDigest, parsePublicKey, verifyEcdsa } from './ecdsa.js';
export { type Json, type JsonLimits, type JsonObject, canonicalBytes, parseJson } from './json.js';
export * from './oms.js';
export * from './policy.js';
export * from './result.js';
export * from './statement.js';
export * from './svr.js';
