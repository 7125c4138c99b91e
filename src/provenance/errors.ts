/** How a file of provenance fails: it cannot be read as what it should be, what it says is false, or it is of another version. */
export { InputError } from '../errors.js';
export { VersionError } from '../run/manifest.js';
export { VerificationError } from '../transcript/arith.js';
