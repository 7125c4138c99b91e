/**
 * How a file of provenance fails: it cannot be read as what it should be, what it says is false, or it is of another
 * version.
 */
export { InputError, VersionError } from '../errors.js';
export { VerificationError } from '../transcript/arith.js';
