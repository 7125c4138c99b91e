import type { Digest } from '../transcript/arith.js';

/** Whose word a root is: that of a verification key, or of whoever holds the base. */
export type Provenance = 'key' | 'base';

/**
 * Root that its verifier takes to be that of an honest commitment, so that what is opened under it is a codeword
 * (docs/soundness.md, section 4). Made in few places, each of which says why the root is one: a root that comes with a
 * proof is none, and no shape and no flag of a file turns it into one. (The private field keeps other objects out.)
 */
export class TrustedRoot {
  readonly #digest: Digest;
  private constructor(
    readonly of: Provenance,
    digest: Digest,
  ) {
    this.#digest = digest;
  }
  /**
   * Root of the fixed columns of a key: one that is trusted, or one that a statement publishes for comparison with it.
   */
  static ofKey(digest: Digest): TrustedRoot {
    return new TrustedRoot('key', digest);
  }
  /** Root of a base's stack that a statement publishes, for comparison with one that is trusted. */
  static ofBase(digest: Digest): TrustedRoot {
    return new TrustedRoot('base', digest);
  }
  get digest(): Digest {
    return this.#digest;
  }
}
