import { epochBatches } from '../run/facts.js';
import type { Manifest } from '../run/manifest.js';
import { CLAIM_FACTS, type ClaimRecord } from './claims.js';
import type { FoldedCheck } from './folded.js';

/*
 * Records of what a folded proof was compared with: of the verifier's own result, and of nothing else. The command
 * line, the page and the report all tell these.
 */

/** What a base that was compared is. */
export const baseSays = (m: Manifest): string =>
  `its digest is ${m.base.digest}; tokenizer, chat template, first and closing ids are those of the manifest`;
/** What an adapter that was compared is; `other` is what otherBytes says. */
export const adapterSays = (what: string, other: string): string =>
  other === '' ? `${what}, its files the very bytes that train writes` : `${what}; ${other}`;

/** What holds of the quotas of a run, or of a range. */
function quotasText(m: Manifest, r: FoldedCheck): string {
  const per = epochBatches(m),
    whole = r.wholeEpochs;
  if (!m.config.policy.bins.length) return 'no quotas declared';
  if (!r.quotas) return "quotas not checked: the range begins inside an epoch, whose counters before it are its prover's word";
  return `0 quota violations in ${whole} epoch${whole === 1 ? '' : 's'}${r.to % per ? ` (epoch ${Math.floor(r.to / per)} is not complete: maxima hold, minima are not due)` : ''}`;
}

/** What is said of the commitment beside a base that was compared. */
const commitmentSays = (root: string | undefined, given: string | undefined): string =>
  root === undefined
    ? ''
    : given === root
      ? `; the commitment that the proof names is the one given, ${root}`
      : `; the commitment that the proof names, ${root}, is that of the base`;

/** A thing that was at hand, and whose word it is. */
export interface AtHand {
  readonly at: string | undefined;
  readonly by: string;
}

/** What of the adapter was compared. */
const adapterRecord = (
  r: FoldedCheck,
  o: { readonly adapter: AtHand; readonly other: string; readonly begins: boolean; readonly ends: boolean },
): ClaimRecord =>
  r.adapter === 'checked'
    ? {
        claim: 'adapter',
        status: 'checked',
        against: o.adapter.at,
        by: o.adapter.by,
        says: adapterSays(o.begins ? 'it is the state that the range leaves' : 'it is the last state of the run', o.other),
      }
    : r.adapter === 'not shown'
      ? {
          claim: 'adapter',
          status: 'not shown',
          says: 'the run publishes no commitment to the adapter that it leaves (show.adapter: none)',
        }
      : {
          claim: 'adapter',
          status: 'not checked',
          ...(o.ends ? {} : { option: CLAIM_FACTS.adapter.option }),
          says: o.ends ? 'the range ends earlier' : CLAIM_FACTS.adapter.without,
        };

/**
 * Records of what a folded proof was compared with. `begins`: it is of a range that begins later; `ends`: that ends
 * earlier than the run.
 */
export function claimsOfCheck(
  r: FoldedCheck,
  m: Manifest,
  o: {
    /** `root`: a commitment that somebody trusted gave, and by which way. */
    readonly base: AtHand & { readonly root: string | undefined; readonly rootBy: string };
    readonly data: AtHand;
    readonly initial: AtHand;
    readonly adapter: AtHand;
    readonly card: ClaimRecord;
    /** Files of the adapter that are other bytes than train writes, in words. */ readonly other: string;
    readonly begins: boolean;
    readonly ends: boolean;
  },
): ClaimRecord[] {
  const of = ({ at, by }: AtHand): Pick<ClaimRecord, 'against' | 'by'> => ({ against: at, by }),
    seeded = m.config.lora.from === null;
  return [
    r.base === 'checked'
      ? {
          claim: 'base',
          status: 'checked',
          ...of(o.base),
          says: `its integers take the value that the proof claims of them; ${baseSays(m)}${commitmentSays(r.root, o.base.root)}`,
        }
      : {
          claim: 'base',
          status: 'given',
          against: o.base.root,
          by: o.base.rootBy,
          option: CLAIM_FACTS.base.option,
          says: 'which is the one given: the steps are proved for the base that whoever gave it had',
        },
    r.data === 'checked'
      ? {
          claim: 'data',
          status: 'checked',
          ...of(o.data),
          says: `proved against the committed root, which is that of the files given, ${quotasText(m, r)}`,
        }
      : {
          claim: 'data',
          status: 'proved',
          against: `root ${m.dataset.root.join(' ')}`,
          by: 'the manifest',
          option: CLAIM_FACTS.data.option,
          says: `against the committed root, ${quotasText(m, r)}`,
        },
    r.initial === 'checked'
      ? {
          claim: 'initial',
          status: 'checked',
          ...(seeded ? { against: `seed ${m.config.lora.seed}`, by: 'the manifest' } : of(o.initial)),
          says: 'as the manifest says',
        }
      : {
          claim: 'initial',
          status: 'not checked',
          ...(o.begins ? {} : { option: CLAIM_FACTS.initial.option }),
          says: o.begins
            ? 'the range begins later: until it is folded with those before, the state that it begins from may be any'
            : 'the run began from an adapter: the state that its first step begins from may be any',
        },
    adapterRecord(r, o),
    o.card,
  ];
}
