import { VerificationError } from '../transcript/arith.js';

/**
 * Something of a federation that is not as its rules say: the name of the check, whom it concerns, and what was found.
 * The names are registered with an attack each. Exit code 1.
 */
export class FederationError extends VerificationError {
  constructor(
    name: string,
    message: string,
    /** The client, or "server". */ readonly party?: string,
  ) {
    super(name, party === undefined ? message : `${party}: ${message}`);
    this.name = 'FederationError';
  }
}
