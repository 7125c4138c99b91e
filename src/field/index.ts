export * as goldilocks from './goldilocks.js';
export * as ext3 from './ext3.js';
export * as ntt from './ntt.js';
export type { Ext } from './ext3.js';
