/*
 * What a verification compared, one record for each claim: text, JSON, policy and the first line of a report are made
 * from it, so that none of them says more than another.
 */

/** What a verified run may be compared with, beside its proofs and its manifest. */
export const CLAIMS = ['base', 'data', 'initial', 'adapter', 'card'] as const;
export type ClaimName = (typeof CLAIMS)[number];

export interface ClaimRecord {
  readonly claim: ClaimName;
  /**
   * 'given': not the thing itself, but a commitment to it from a source that is trusted. 'proved': by the proof itself,
   * against a commitment in the manifest; what lies behind the commitment was not at hand. 'differs': compared, and
   * another one. 'not shown': the run keeps it to itself, and nothing can be compared with it.
   */
  readonly status: 'checked' | 'proved' | 'given' | 'not checked' | 'not shown' | 'differs';
  /** File, folder or commitment that it was compared with. */ readonly against?: string | undefined;
  /** Whose word that file is: an option, the run's own run.yaml or folder, or the manifest. */
  readonly by?: string | undefined;
  /** Option with which it would be checked. */ readonly option?: string | undefined;
  /** What it means in one sentence. */ readonly says: string;
}

/**
 * What each claim is about: its title, the options with which it is checked, what is compared, and what holds without.
 * inspect and docs/artifacts.md are made from it too.
 */
export const CLAIM_FACTS: Readonly<
  Record<ClaimName, { readonly title: string; readonly option: string; readonly compares: string; readonly without: string }>
> = {
  base: {
    title: 'base',
    option: '--base DIR',
    compares:
      'the digest of its files, its shape and formats, tokenizer, chat template, first and closing ids, and one value of its integers, which the proof claims at a point drawn for it',
    without: 'nothing is proved about any step: --base-root in its place takes the word of whoever gave it',
  },
  data: {
    title: 'data',
    option: '--base DIR and --data FILE',
    compares: 'files, rows and the root that the steps are proved against, in the order that the sampler prescribes',
    without: 'the steps are proved against the committed root, which may be that of any rows',
  },
  initial: {
    title: 'initial adapter',
    option: '--from DIR',
    compares: 'the state that the run begins from: seeded by the manifest, or the adapter of lora.from',
    without: 'the state that its first step begins from may be any',
  },
  adapter: {
    title: 'adapter',
    option: '--adapter DIR',
    compares:
      'every value is the last state of the run, the configuration says what the manifest says; files that are not the very bytes that train writes are named',
    without: 'the released adapter may be any',
  },
  card: {
    title: 'model card',
    option: '--adapter DIR, --base DIR and --data FILE',
    compares: 'README.md of the adapter is the one that train writes',
    without: 'what it says is the word of whoever wrote it',
  },
};

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
      return `  ${CLAIM_FACTS[claim].title}: proved ${says}${option === undefined ? '' : ` (give ${option} to compare what lies behind it)`}`;
    const where = against === undefined ? '' : ` (against ${against}${by === undefined ? '' : `, given by ${by}`})`;
    if (status === 'not shown') return `  ${CLAIM_FACTS[claim].title}: not shown (${says})`;
    if (status === 'differs') return `  ${CLAIM_FACTS[claim].title}: DIFFERS, ${says}${where}`;
    return status === 'not checked'
      ? `  ${CLAIM_FACTS[claim].title}: not checked (${says}${option === undefined ? '' : `: give ${option}`})`
      : `  ${CLAIM_FACTS[claim].title}: ${status === 'checked' ? 'checked' : 'not checked, but for its commitment'}, ${says}${where}`;
  });

/**
 * What the first line of a report has to say beside "verified": the claims that nobody compared, those that make the
 * others worthless first.
 */
export function reservations(claims: readonly ClaimRecord[], entered: boolean): string {
  // A card is no part of what was trained.
  const of = (status: ClaimRecord['status']): string[] => {
      const titles = claims.filter((x) => x.status === status && x.claim !== 'card').map((x) => CLAIM_FACTS[x.claim].title);
      return titles.length ? [`${titles.join(', ')}, ${status}`] : [];
    },
    not = [...of('not checked'), ...of('not shown')];
  if (!not.length) return '';
  return ` BUT FOR ${not.join('; ')}${entered ? '' : ': the state that the first of these steps begins from may be any'}`;
}

/** Reasons for which a policy that requires some claims does not admit what was compared. */
export const unmet = (required: readonly ClaimName[], claims: readonly Pick<ClaimRecord, 'claim' | 'status' | 'option'>[]): string[] =>
  required.flatMap((name) => {
    const c = claims.find((x) => x.claim === name);
    return c?.status === 'checked'
      ? []
      : [
          `${name} is required and ${c?.status === 'differs' ? 'differs' : c?.status === 'not shown' ? 'is not shown by this run' : 'was not checked'}${c?.option === undefined ? '' : `: give ${c.option}`}`,
        ];
  });
