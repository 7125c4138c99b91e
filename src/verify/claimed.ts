import { type Place, placeText } from '../artifact/folded.js';
import { BIAS_FRAC, PROJECTION_FRAC, WEIGHT_FRAC } from '../model/shape.js';
import type { Manifest } from '../run/manifest.js';
import type { ClaimName } from './claims.js';
import { shownText } from './shown.js';

/** What is known of something that a run claims. */
export type ClaimStatus = 'proved' | 'hidden' | 'recomputed by the verifier' | 'declared' | 'not hidden' | 'not at this stage';
/** One thing that a run claims of itself, in words. */
export interface Claim {
  readonly what: string;
  readonly status: ClaimStatus;
  /** Of what is recomputed: the record that says whether it was. */ readonly by?: ClaimName;
}

/** A proof as far as what it claims depends on it: its kind, and where a range begins and ends. */
export type ProofKind =
  | { readonly kind: 'pack' | 'folded' | 'certificate' }
  | { readonly kind: 'node'; readonly range: { readonly from: Place; readonly to: Place } };

/**
 * What is claimed of rows, quotas and licences. A pack proves none of it by itself: its verifier has the data and
 * recomputes.
 */
function dataClaims({ config: { policy, sampler, show } }: Manifest, pack: boolean, hides: boolean): Claim[] {
  const status = pack ? 'recomputed by the verifier' : 'proved';
  return [
    {
      what: 'the rows of every step: those under the committed root that the sampler prescribes, each in its place, targets and mask with it',
      status,
    },
    ...(policy.bins.length
      ? [
          {
            what: `quotas of ${policy.bins.map((b) => b.name).join(', ')}: maxima after every step, minima in every whole epoch`,
            status,
          } as const,
        ]
      : []),
    ...(policy.licenses
      ? [
          {
            what: `only rows declared under ${policy.licenses.join(', ')} are trained on`,
            status,
          } as const,
        ]
      : []),
    hides
      ? {
          what: `all that the manifest and the lists do not say (${shownText(show)}): the proof adds nothing to them, but the adapter, where it is released${show.adapter === 'none' ? ' by another way' : ''}, is a function of the data, and whoever guesses all of them can train again and compare`,
          status: 'hidden',
        }
      : sampler.mode === 'private'
        ? {
            what: `${pack ? 'losses of every step, which a pack has' : shownText(show)}. Rows, salt, sampler key and order do not travel with the proof, but this proof hides nothing of its witness (certune certify makes one that does)${
              pack || show.losses === 'steps'
                ? ', and losses are exact: whoever has candidates for the rows can test them one micro-batch after another, row by row where a micro-batch is one row'
                : ''
            }`,
            status: 'not hidden',
          }
        : {
            what: `salt, sampler key, order of the rows: the manifest has them, and whoever has the files sees all batches; ${pack ? 'losses of every step' : shownText(show)}`,
            status: 'not hidden',
          },
    {
      what: 'that rows are of the source, licence and language which their class names; that two rows are not one text',
      status: 'declared',
    },
  ];
}

/**
 * What a run says of itself where its proof is verified, in plain words; without a proof, what it would say. A range
 * says it of its steps. `compared`: what a verification had, where it is told after one.
 */
export function claimsOf(m: Manifest, proof?: ProofKind, compared?: { readonly adapter: boolean }): Claim[] {
  const { sampler, lora, base, show } = m.config,
    // No circuit verifies BLAKE3: the proofs of such a run will be packed.
    kind = proof?.kind ?? (m.config.proof.hash === 'blake3' ? 'pack' : 'folded'),
    range = proof?.kind === 'node' ? proof.range : undefined,
    hides = proof?.kind === 'certificate',
    inside = range !== undefined && (range.from.step > 0 || range.from.part > 0),
    called = [...(base.name === null ? [] : [base.name]), ...(base.revision === null ? [] : [`revision ${base.revision}`])],
    order =
      sampler.beacon === ''
        ? 'the order of the data: chosen by the prover, for there is no beacon (salt and row order let a prover try many)'
        : `the beacon "${sampler.beacon}": that it was unknown when the data were committed`;
  const last =
      hides && show.adapter === 'none'
        ? 'which adapter the last one is, is not shown'
        : compared?.adapter === false
          ? 'whether a released adapter is the last one was not compared'
          : 'the last one is the released adapter',
    chained = range ? `, in the range from ${placeText(range.from)} to ${placeText(range.to)}` : `; ${last}`;
  return [
    {
      what: 'every step (forward pass, cross-entropy, all gradients, clipping, AdamW) is the exact integer function of docs/numbers.md',
      status: 'proved',
    },
    ...(kind === 'pack' || show.losses !== 'none'
      ? [{ what: `the losses of every ${kind === 'pack' || show.losses === 'steps' ? 'step' : 'epoch'}`, status: 'proved' } as const]
      : []),
    {
      what: `each step starts from the state that the step before left${chained}`,
      status: 'proved',
    },
    ...(inside
      ? [
          {
            what: 'the state that the range begins from: any, until it is folded with the ranges before',
            status: 'not at this stage',
          } as const,
        ]
      : []),
    {
      what: `base weights of ${m.base.digest}, rounded to ${PROJECTION_FRAC} fraction bits (projections), ${BIAS_FRAC} (biases), ${WEIGHT_FRAC} (the others)`,
      status: 'recomputed by the verifier',
      by: 'base',
    },
    ...(called.length
      ? [
          {
            what: `what the base is called (${called.join(', ')}), and that loaders which follow that name find the base of this digest`,
            status: 'declared',
          } as const,
        ]
      : []),
    {
      what:
        lora.from === null ? `initial adapter: A seeded with ${lora.seed}, B = 0, m = v = 0` : `initial adapter: ${lora.from}, m = v = 0`,
      status: 'recomputed by the verifier',
      by: 'initial',
    },
    {
      what: "schedule: the row of every step, and the clip scalar of its targets; the step counter; the rows' loss masks",
      status: kind === 'pack' ? 'recomputed by the verifier' : 'proved',
    },
    { what: 'truncation and chat template', status: 'recomputed by the verifier', by: 'data' },
    ...dataClaims(m, kind === 'pack', hides),
    { what: order, status: 'declared' },
    ...(hides ? [] : [{ what: 'intermediate adapters: their commitments are not blinded', status: 'not hidden' } as const]),
    kind !== 'folded' && !hides
      ? {
          what: `one proof for the whole run: this is ${kind === 'pack' ? 'a pack, one proof per micro-batch and update, and one merge of their claims on the base' : 'a range, certune fold joins ranges'}`,
          status: 'not at this stage',
        }
      : {
          what: 'all of it by one proof of constant size, beside which lists of what is shown travel; its verification key is shipped, given or recomputed, and verify says which',
          status: 'proved',
        },
  ];
}
