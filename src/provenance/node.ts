/* What of provenance needs Node: secrets, folders, and the optional libraries for certificates. */
export { hashFile, hashOnce, listFolder } from './folder.js';
export * from './keyless.js';
export * from './sign.js';
