import { InputError } from '../../errors.js';
import { VerificationError } from '../../transcript/arith.js';

/*
 * What every kind of evidence comes to once its signatures, chain and times hold. Whether it is good enough is another
 * question: what a strict verifier does not admit is listed as a finding, and a policy may admit it by name.
 */

export const KINDS = ['sev-snp', 'nitro', 'tdx', 'sgx', 'nvidia-gpu'] as const;
export type Kind = (typeof KINDS)[number];

/** What a verifier's policy may admit although a strict one would not. */
export const RELAXATIONS = ['debug', 'migration', 'vmpl', 'report-v2', 'vlek', 'masked-chip-id', 'any-tcb', 'no-revocation'] as const;
export type Relaxation = (typeof RELAXATIONS)[number];

export interface Finding {
  readonly relax: Relaxation;
  readonly says: string;
}

/** Least versions of the parts of a platform: those of the evidence, each by its name. */
export type Tcb = Readonly<Record<string, number>>;

export interface Evidence {
  readonly kind: Kind;
  /** Whose key says it, and the key. */ readonly vendor: string;
  readonly root: string;
  /** Product family, where the kind has several. */ readonly product?: string;
  /** Name of the machine or device, as its maker gave it: hexadecimal digits, or digits for a GPU. */
  readonly machine?: string;
  /** Measurements by register. */ readonly measurement: Readonly<Record<string, string>>;
  /** What the measured code was told: 64 bytes, 32 for a GPU. */ readonly reportData: Uint8Array;
  /** Milliseconds since 1970 that the evidence itself signs. */ readonly signedAt?: number;
  /** Versions that must all reach a policy's least ones. */ readonly tcb?: readonly Tcb[];
  /** Status and advisories that the vendor gives the platform. */ readonly status?: string;
  readonly advisories?: readonly string[];
  readonly findings: readonly Finding[];
  /** More facts, for people. */ readonly says: readonly string[];
}

/** Keys of roots that are believed, by whose they are. The verifier's own: no file can add one. */
export interface Anchors {
  /** ARK keys by product. */ readonly amd: Readonly<Record<string, string>>;
  readonly aws: readonly string[];
  readonly intel: readonly string[];
  /** Keys of tokens, or of roots above them. NVIDIA publishes none to pin: a policy names them. */
  readonly nvidia: readonly string[];
  /** Keys of roots above time-stamping authorities: a policy names them. */
  readonly time: readonly string[];
}

/** SHA-256 of the SubjectPublicKeyInfo of each vendor's root, as the vendor publishes the root. */
export const ANCHORS: Anchors = {
  amd: {
    Milan: 'sha256:9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9',
    Genoa: 'sha256:429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831',
    Turin: 'sha256:4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08',
  },
  aws: ['sha256:f2caf5ecc6190b4a8399b78bc58a2bbcd0382375db8a1bfd78a82743874fd225'],
  intel: ['sha256:a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e'],
  nvidia: [],
  time: [],
};

/** Bytes of collateral by name: certificates in DER one after another, revocation lists, documents. */
export type Collateral = Readonly<Record<string, Uint8Array>>;

export const refuse = (what: string): never => {
  throw new VerificationError('card evidence', what);
};

/**
 * Refuses pieces of collateral that nothing looks at: they would be bytes that nobody signed. `tsa` belongs to time
 * stamps. Throws InputError.
 */
export function onlyCollateral(c: Collateral, names: readonly string[], where: string): void {
  const more = Object.keys(c).filter((k) => k !== 'tsa' && !names.includes(k));
  if (more.length) throw new InputError(where, [`collateral.${more[0]} belongs to no evidence of this kind`]);
}
