/*
 * Where weights come from, for whoever serves them: a typed claim as verifiers of attested services hold it, whose
 * status is "asserted" or "unknown" and never a silent pass.
 */

/** What a verification found about the weights of a run. */
export interface Weights {
  /** SHA-256 of the proof file, in hexadecimal digits. */ readonly certificate: string;
  /** Digest of the base that the proof was compared with; absent where it was not. */ readonly base?: string;
  /** The adapter that the run began with was compared with the manifest's. */ readonly initial: boolean;
  /** SHA-256 of the adapter's tensors that were compared with the proof; absent where they were not. */
  readonly adapter?: string;
}

export type TypedClaim =
  | { readonly status: 'asserted'; readonly source: 'verifier_derived'; readonly reason: string }
  | { readonly status: 'unknown' };

export interface DeployedClaims {
  readonly model_weights_provenance: TypedClaim;
  /** What the served weights must be compared with: digests, which say nothing by themselves. */
  readonly extra: Readonly<Record<string, string>>;
}

/**
 * The claim of a verified run: asserted where base, what it began with and adapter were compared, unknown otherwise.
 * That a service loads these weights is for whoever attests the service: it compares what it loads with `extra`.
 */
export const deployedClaims = ({ certificate, base, initial, adapter }: Weights): DeployedClaims => ({
  model_weights_provenance:
    base !== undefined && initial && adapter !== undefined
      ? {
          status: 'asserted',
          source: 'verifier_derived',
          reason: `certificate sha256:${certificate}: the adapter sha256:${adapter} is what the proved training makes of the base ${base}`,
        }
      : { status: 'unknown' },
  extra: {
    certune_certificate: `sha256:${certificate}`,
    ...(base === undefined ? {} : { certune_base: base }),
    ...(adapter === undefined ? {} : { certune_adapter: `sha256:${adapter}` }),
  },
});
