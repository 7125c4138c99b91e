/* What of provenance needs Node: secrets, folders, and the optional libraries for certificates. */
export { dcapVerifier } from './cards/dcap.js';
export { type Measured, measuredOf } from './cards/measured.js';
export { hashFile, hashOnce, listFolder } from './folder.js';
export * from './keyless.js';
export * from './sign.js';
