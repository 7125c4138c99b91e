/* What of provenance needs Node: secrets, folders, and the optional libraries for certificates. */
export { hashFile, listFolder } from './folder.js';
export * from './keyless.js';
export * from './predicate.js';
export * from './sign.js';
export { cyclonedx } from './exports/cyclonedx.js';
export type { ExportFacts } from './exports/facts.js';
export { hfCard } from './exports/hf-card.js';
export { trainingSummary, trainingSummaryJson, trainingSummaryText } from './exports/training-summary.js';
