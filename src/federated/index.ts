/*
 * Federated rounds with audits drawn by a beacon: what anybody can check without a proof. What is not checked here is
 * said in docs/federated.md.
 */
export * from './aggregate.js';
export * from './beacon.js';
export * from './boundary.js';
export * from './bound.js';
export * from './buckets.js';
export * from './bundler.js';
export * from './catch.js';
export * from './certificate.js';
export * from './costs.js';
export * from './draw.js';
export * from './errors.js';
export * from './tree.js';
export * from './units.js';
export * from './update.js';
export * from './trainer.js';
export * from './check.js';
export * from './check-folder.js';
export * from './checks.js';
export * from './folder.js';
export * from './found.js';
export * from './head.js';
export * from './https.js';
export * from './inbox.js';
export * from './coordinator.js';
export * from './participant.js';
export * from './published.js';
export * from './judge.js';
export * from './messages.js';
export * from './planner.js';
export * from './record.js';
export * from './round.js';
export * from './signing.js';
export * from './simulate.js';
export * from './states.js';
