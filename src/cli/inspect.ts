import { existsSync, statSync } from 'node:fs';
import { type Ledger, runLedger } from '../run/ledger.js';
import { type Manifest, difference, manifestDigest } from '../run/manifest.js';
import { buildable, epochBatches } from '../run/facts.js';
import type { VerificationKey } from '../recursion/key.js';
import type { FoldedLedger } from '../verify/ledger.js';
import { ledgerUnder, parsePublished } from '../verify/key.js';
import { type AnyProof, manifestOf, readProofFile } from '../store/proof.js';
import { placeText } from '../artifact/folded.js';
import { keyDigest } from '../recursion/key.js';
import { InputError } from '../errors.js';
import { BIAS_FRAC, PROJECTION_FRAC, WEIGHT_FRAC } from '../model/shape.js';
import { CLAIMS, CLAIM_FACTS } from '../verify/claims.js';
import { shownText } from '../verify/shown.js';
import { type Result, bitsText, bytesText, manifestFile, readManifest } from './common.js';
import { plain } from './escape.js';
import { packFile } from './prove.js';

type Status = 'proved' | 'recomputed by the verifier' | 'declared' | 'not hidden' | 'not at this stage';
interface Claim {
  readonly what: string;
  readonly status: Status;
}

/**
 * What is claimed of rows, quotas and licences. A pack proves none of it by itself: its verifier has the data and
 * recomputes.
 */
function dataClaims({ config: { policy, sampler, show } }: Manifest, pack: boolean): Claim[] {
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
    sampler.mode === 'private'
      ? {
          what: `${pack ? 'losses of every step, which a pack has' : shownText(show)}. Rows, salt, sampler key and order do not travel with the proof, but no proof is zero-knowledge${
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
 * says it of its steps.
 */
export function claimsOf(m: Manifest, proof?: AnyProof): Claim[] {
  const { sampler, lora, base, show } = m.config,
    // No circuit verifies BLAKE3: the proofs of such a run will be packed.
    kind = proof?.kind ?? (m.config.proof.hash === 'blake3' ? 'pack' : 'folded'),
    range = proof?.kind === 'node' ? proof.node : undefined,
    inside = range !== undefined && (range.from.step > 0 || range.from.part > 0),
    called = [...(base.name === null ? [] : [base.name]), ...(base.revision === null ? [] : [`revision ${base.revision}`])],
    order =
      sampler.beacon === ''
        ? 'the order of the data: chosen by the prover, for there is no beacon (salt and row order let a prover try many)'
        : `the beacon "${sampler.beacon}": that it was unknown when the data were committed`;
  return [
    {
      what: 'every step (forward pass, cross-entropy, all gradients, clipping, AdamW) is the exact integer function of docs/numbers.md',
      status: 'proved',
    },
    ...(kind === 'pack' || show.losses !== 'none'
      ? [{ what: `the losses of every ${kind === 'pack' || show.losses === 'steps' ? 'step' : 'epoch'}`, status: 'proved' } as const]
      : []),
    {
      what: `each step starts from the state that the step before left${range ? `, in the range from ${placeText(range.from)} to ${placeText(range.to)}` : '; the last one is the released adapter'}`,
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
    },
    {
      what: "schedule: the row of every step, and the clip scalar of its targets; the step counter; the rows' loss masks",
      status: kind === 'pack' ? 'recomputed by the verifier' : 'proved',
    },
    { what: 'truncation and chat template', status: 'recomputed by the verifier' },
    ...dataClaims(m, kind === 'pack'),
    { what: order, status: 'declared' },
    { what: 'intermediate adapters: their commitments are not blinded', status: 'not hidden' },
    kind !== 'folded'
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

/** What a folded run is made of. */
const treeText = (f: FoldedLedger, key: VerificationKey): string =>
  `${f.leaves} leaves (${key.leaves.map((l) => `${l.count} ${l.kind} proof${l.count > 1 ? 's' : ''}`).join(' or ')} in one: fewest committed cells over all nodes), ${f.folds} folds, one end; proofs inside proofs ${f.depth} deep`;

const keyOf = (p: AnyProof): string | undefined =>
  p.kind === 'folded' ? keyDigest(p.folded.key) : p.kind === 'node' ? keyDigest(p.node.key) : undefined;

/** What a proof file is and how large, in words. */
function proofText(p: AnyProof): string {
  const size = bytesText(p.bytes);
  if (p.kind === 'pack') return `${size}, a pack of the proofs of ${p.pack.run.steps.length} steps`;
  const under = `under the key ${keyOf(p)}`;
  if (p.kind === 'folded') return `${size}, one for the whole run, ${under}`;
  const { from, to } = p.node;
  return `${size}, a range from ${placeText(from)} to ${placeText(to)}, the latter not included, ${under}`;
}

/** Describes a run folder or a packed file without base or data. Verifies nothing. */
export function inspect(target: string): Result {
  if (!existsSync(target)) throw new InputError(target, ['does not exist'], 'give a run folder or a packed run (run.certune)');
  const folder = statSync(target).isDirectory(),
    file = folder ? packFile(target) : target,
    proof: AnyProof | undefined = !folder || existsSync(file) ? readProofFile(file) : undefined,
    m = folder ? readManifest(target) : manifestOf(proof!),
    other = proof ? difference(m, manifestOf(proof)) : [];
  if (other.length)
    throw new InputError(
      file,
      [`is the proof of another manifest than ${manifestFile(target)}: they differ in ${other.join(', ')}`],
      'inspect the file itself, or restore the manifest',
    );
  const { config: c } = m,
    programs = buildable(file, m),
    key = proof && proof.kind !== 'pack' ? parsePublished(file, (proof.kind === 'folded' ? proof.folded : proof.node).key) : undefined,
    folded = key ? ledgerUnder(file, { manifest: m, programs }, key) : undefined,
    ledger: Ledger = folded ?? runLedger({ ...programs, steps: c.train.steps, micros: Math.ceil(c.train.batch / c.train.microBatch) }),
    claims = claimsOf(m, proof);
  const width = Math.max(...claims.map((x) => x.status.length));
  const text = [
    `manifest ${manifestDigest(m)}`,
    `base     ${m.base.digest}${c.base.revision ? `, revision ${c.base.revision}` : ''}`,
    `data     ${m.dataset.examples} examples, root ${m.dataset.root.join(' ')}`,
    ...m.dataset.files.map((f) => `         ${f.digest}, source ${f.source}, licence ${f.license}, language ${f.language}`),
    `adapter  LoRA rank ${c.lora.r}, alpha ${c.lora.alpha}${c.lora.scaling === 'rslora' ? ' (rsLoRA)' : ''} on ${c.lora.targets.join(', ')}`,
    `training ${c.train.steps} steps, batch ${c.train.batch}${programs.update ? ` in micro-batches of ${c.train.microBatch}` : ''}, sequence ${c.train.sequence}, ${c.train.schedule} ${c.train.learningRate}`,
    `proof    ${proof ? `${proofText(proof)}; inspect checks none of it: run certune verify` : 'none yet: run certune prove'}`,
    ...(folded ? [`tree     ${treeText(folded, key!)}`] : []),
    '',
    `what certune verify ${proof ? 'establishes where it accepts the proof' : 'will establish once there is a proof that it accepts'}, and what it does not:`,
    ...claims.map((x) => `${x.status.padEnd(width)}  ${x.what}`),
    '',
    'what else certune verify compares, each with the option that gives it:',
    ...CLAIMS.map(
      (x) => `  ${CLAIM_FACTS[x].title} (${CLAIM_FACTS[x].option}): ${CLAIM_FACTS[x].compares}; without it: ${CLAIM_FACTS[x].without}`,
    ),
    '',
    'soundness, bits per round (proofs x rounds):',
    ...ledger.terms.map((t) => `${bitsText(t.bits).padStart(7)}  ${t.kind.padEnd(10)}  ${t.proof}: ${t.name} (${t.proofs} x ${t.rounds})`),
    '',
    `${bitsText(ledger.roundByRound).padStart(7)}  total, round by round, of which ${ledger.grinding} are ground in the query rounds. An attacker who evaluates the hash q times, over all`,
    `         proofs of the run together, succeeds with probability at most q x 2^-${bitsText(ledger.roundByRound)}: each evaluation belongs to one round of one proof.`,
    `${bitsText(ledger.union).padStart(7)}  sum of all errors over all rounds of all proofs, for one interactive attempt.`,
  ]
    .map(plain)
    .join('\n');
  return {
    data: {
      manifest: m,
      digest: manifestDigest(m),
      proved: proof !== undefined,
      verified: false,
      ...(proof ? { kind: proof.kind, bytes: proof.bytes, ...(proof.kind === 'pack' ? {} : { key: keyOf(proof) }) } : {}),
      stepsPerEpoch: epochBatches(m),
      ...(folded ? { leaves: folded.leaves, folds: folded.folds, depth: folded.depth } : {}),
      claims,
      compares: CLAIM_FACTS,
      ledger: { terms: ledger.terms, roundByRound: ledger.roundByRound, union: ledger.union, grinding: ledger.grinding },
    },
    text,
  };
}
