/*
 * What a verification compared, one record for each claim: text, JSON, policy and the first line of a report are made from it, so that none of them says more than another.
 */

/** What a verified run may be compared with, beside its proofs and its manifest. */
export const CLAIMS = ['base', 'data', 'initial', 'adapter'] as const;
export type ClaimName = (typeof CLAIMS)[number];

export interface ClaimRecord {
  readonly claim: ClaimName;
  /**
   * 'given': not the thing itself, but a commitment to it from a source that is trusted. 'proved': by the proof itself, against a commitment in the
   * manifest; what lies behind the commitment was not at hand.
   */
  readonly status: 'checked' | 'proved' | 'given' | 'not checked';
  /** File, folder or commitment that it was compared with. */ readonly against?: string | undefined;
  /** Whose word that file is: an option, the run's own run.yaml or folder, or the manifest. */ readonly by?: string | undefined;
  /** Option with which it would be checked. */ readonly option?: string | undefined;
  /** What it means in one sentence. */ readonly says: string;
}

const TITLES: Readonly<Record<ClaimName, string>> = { base: 'base', data: 'data', initial: 'initial adapter', adapter: 'adapter' };

/** What of the claims was compared, for JSON: by name, with file, whose word it is, and the option that lacks. */
export const comparedOf = (claims: readonly ClaimRecord[]): Record<string, Omit<ClaimRecord, 'claim' | 'says'>> =>
  Object.fromEntries(
    claims.map(({ claim, status, against, by, option }) => [
      claim,
      {
        status,
        ...(against === undefined ? {} : { against }),
        ...(by === undefined ? {} : { by }),
        ...(option === undefined ? {} : { option }),
      },
    ]),
  );

/** One line of a report for each claim. */
export const claimLines = (claims: readonly ClaimRecord[]): string[] =>
  claims.map(({ claim, status, against, by, option, says }) => {
    if (status === 'proved')
      return `  ${TITLES[claim]}: proved ${says}${option === undefined ? '' : ` (give ${option} to compare what lies behind it)`}`;
    const where = against === undefined ? '' : ` (against ${against}${by === undefined ? '' : `, given by ${by}`})`;
    return status === 'not checked'
      ? `  ${TITLES[claim]}: not checked (${says}${option === undefined ? '' : `: give ${option}`})`
      : `  ${TITLES[claim]}: ${status === 'checked' ? 'checked' : 'not checked, but for its commitment'}, ${says}${where}`;
  });

/** What the first line of a report has to say beside "verified": the claims that nobody compared, those that make the others worthless first. */
export function reservations(claims: readonly ClaimRecord[], entered: boolean): string {
  const not = claims.filter((x) => x.status === 'not checked').map((x) => TITLES[x.claim]);
  if (!not.length) return '';
  return ` BUT FOR ${not.join(', ')}, not checked${entered ? '' : ': the state that the first of these steps begins from may be any'}`;
}

/** Reasons for which a policy that requires some claims does not admit what was compared. */
export const unmet = (required: readonly ClaimName[], claims: readonly Pick<ClaimRecord, 'claim' | 'status' | 'option'>[]): string[] =>
  required.flatMap((name) => {
    const c = claims.find((x) => x.claim === name);
    return c?.status === 'checked' ? [] : [`${name} is required and was not checked${c?.option === undefined ? '' : `: give ${c.option}`}`];
  });
