import { existsSync, statSync } from 'node:fs';
import { type Ledger, runLedger } from '../run/ledger.js';
import { difference, manifestDigest } from '../run/manifest.js';
import { buildable, epochBatches } from '../run/facts.js';
import type { VerificationKey } from '../recursion/key.js';
import type { FoldedLedger } from '../verify/ledger.js';
import { ledgerUnder, parsePublished } from '../verify/key.js';
import { type AnyProof, manifestOf, readProofFile } from '../store/proof.js';
import { placeText } from '../artifact/folded.js';
import { keyDigest } from '../recursion/key.js';
import { InputError } from '../errors.js';
import { CLAIMS, CLAIM_FACTS } from '../verify/claims.js';
import { claimsOf } from '../verify/claimed.js';
import { type Result, bitsText, bytesText, manifestFile, readManifest } from './common.js';
import { plain } from '../io/escape.js';
import { packFile } from './kept.js';

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
  if (p.kind === 'folded') return `${size}, ${p.folded.hides ? 'the certificate of' : 'one for'} the whole run, ${under}`;
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
    hides = proof?.kind === 'folded' ? proof.folded.hides : undefined,
    folded = key ? ledgerUnder(file, { manifest: m, programs }, key, hides) : undefined,
    ledger: Ledger = folded ?? runLedger({ ...programs, steps: c.train.steps, micros: Math.ceil(c.train.batch / c.train.microBatch) }),
    claims = claimsOf(
      m,
      proof && (proof.kind === 'node' ? { kind: 'node', range: proof.node } : { kind: hides ? 'certificate' : proof.kind }),
    );
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
      ...(proof
        ? { kind: hides ? 'certificate' : proof.kind, bytes: proof.bytes, ...(proof.kind === 'pack' ? {} : { key: keyOf(proof) }) }
        : {}),
      stepsPerEpoch: epochBatches(m),
      ...(folded ? { leaves: folded.leaves, folds: folded.folds, depth: folded.depth } : {}),
      claims,
      compares: CLAIM_FACTS,
      ledger: { terms: ledger.terms, roundByRound: ledger.roundByRound, union: ledger.union, grinding: ledger.grinding },
    },
    text,
  };
}
