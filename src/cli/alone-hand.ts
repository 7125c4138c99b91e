/**
 * What a verification alone (alone.ts) reads of a base, and remembers. Circuits are made by the command, in a thread of
 * its own: seconds.
 */
export { inputsOf } from '../setup/base.js';
export { keptFacts, keptKey, keptKnown } from './cached.js';

export function circuitsKept(): never {
  throw new Error('circuits are made by the command');
}
