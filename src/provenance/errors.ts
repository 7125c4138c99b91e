/**
 * How a file of provenance fails: it cannot be read as what it should be, what it says is false, or it is of another
 * version.
 */
import { InputError } from '../errors.js';

export { InputError, VersionError } from '../errors.js';
export { VerificationError } from '../transcript/arith.js';

/** A file that nobody can judge without an option that was not given: the remedy names it. Exit code 2. */
export class NeedsOptionError extends InputError {}
