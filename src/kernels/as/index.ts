export * from './field';
export { setScratch } from './own';
export * from '../generated/as/poseidon2';
export * from './poseidon2-rows';
export * from '../generated/as/blake3';
export * from './ntt';
export * from './ntt-pick';
export { bitReverse, difInPlace, difPadded } from './dif';
export * from './circuit';
export * from './transcript';
export * from './whir';
export { scHalves } from './halves-pairs';
export * from './gkr';
export * from './sumcheck';
export * from './claims';
export * from './tensor';
export * from './reading';
export * from './tile';
export function heapBase(): usize { return __heap_base; }
