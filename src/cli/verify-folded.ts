import type { Inputs } from '../run/inputs.js';
import { existsSync } from 'node:fs';
import { type Manifest, manifestDigest } from '../run/manifest.js';
import { type Accepted, verifyRead } from '../verify/index.js';
import type { FoldedRun, NodeFile } from '../artifact/folded.js';
import type { AnyProof } from '../store/proof.js';
import { type GivenKey, type KeyOrigin, originText } from '../verify/trust.js';
import { shownText } from '../verify/shown.js';
import { type ClaimRecord, claimLines, comparedOf, reservations } from '../verify/claims.js';
import { claimsOfCheck } from '../verify/records.js';
import { checkFirst } from '../verify/first.js';
import { verifierKernels } from '../kernels/verify.js';
import { showsAdapter } from '../verify/view.js';
import { type Context, type Result, bitsText, secondsText } from './common.js';
import { plain } from '../io/escape.js';
import { UsageError } from './errors.js';
import { besideBase, besideLines, besideOf, cardClaim, cardOf, otherBytes } from './files.js';
import { ADAPTER_REMEDY, withRemedy } from './kept.js';
import { type Policy, checkPolicy } from './policy.js';
import { type Target, type VerifyOptions, orderOf, readReleased, rowsComparable } from './target.js';
import { checkedRun } from '../run/facts.js';
import type { Against, FoldedCheck } from '../verify/folded.js';
import type { Ledger } from '../run/ledger.js';

/** Options that do not go together, or not with this proof. */
function misuse(
  m: Manifest,
  {
    base,
    data,
    from,
  }: { readonly base?: string | undefined; readonly data?: readonly string[] | undefined; readonly from?: string | undefined },
  { range, told }: { readonly range: boolean; readonly told: boolean },
  o: VerifyOptions,
): string[] {
  return [
    ...(data !== undefined && base === undefined ? ["--data is read with the base's tokenizer: give --base DIR too"] : []),
    ...(data !== undefined && data.length !== m.config.data.length
      ? [`--data: ${data.length} files given, the manifest has ${m.config.data.length}: give them in its order`]
      : []),
    ...(range && base === undefined ? ['a range alone is settled against the base: give --base DIR'] : []),
    ...(o.baseRoot !== undefined && !/^[0-9a-f]{64}$/.test(o.baseRoot)
      ? ['--base-root: give 64 hexadecimal digits, as verify --commit-base prints them']
      : []),
    ...(o.commitBase && base === undefined ? ['--commit-base commits to the base: give --base DIR too'] : []),
    ...(range && o.commitBase ? ['a range has no commitment to the base: --commit-base is for whole runs'] : []),
    ...(range && o.baseRoot !== undefined
      ? ['a range has no commitment to the base, and is settled against the base itself: --base-root is for whole runs']
      : []),
    ...(range && o.recompute === false ? ['a range alone is verified with recomputed keys: --no-recompute is for whole runs'] : []),
    ...(o.adapter !== undefined && !told
      ? [
          '--adapter, or the adapter of a release: this certificate says nothing of the adapter that its run has left (show.adapter: none), so that none can be compared with it: leave it out, or verify the certificate alone',
        ]
      : []),
    ...(m.config.lora.from !== null && !from && data !== undefined
      ? ['--data: the batches follow with the adapter that the run started from: give --from DIR']
      : []),
  ];
}

/** What was verified, and what it was compared with, line by line. */
function linesOf(
  m: Manifest,
  r: FoldedCheck,
  origin: KeyOrigin,
  ledger: Ledger,
  claims: readonly ClaimRecord[],
  kind: Accepted['kind'],
  more: readonly string[],
): string[] {
  const what =
    kind === 'range' || kind === 'epoch'
      ? r.epoch === undefined
        ? `steps ${r.from} to ${r.to - 1} of ${m.config.train.steps}`
        : `epoch ${r.epoch}, steps ${r.from} to ${r.to - 1} of ${m.config.train.steps}`
      : `${r.to} steps`;
  return [
    `verified${reservations(claims, r.initial === 'checked')}: ${what}, ${lossText(r)}, ${bitsText(ledger.roundByRound)} bits`,
    `  one proof${kind === 'certificate' ? ', which adds nothing to what it says' : ''}, ${r.proofMs.toFixed(0)} ms; what it is compared with recomputed in ${secondsText(r.linearMs / 1000)}`,
    `  key: ${origin.digest}, ${originText(origin)}`,
    ...claimLines(claims),
    ...epochLines(r),
    `  shown: ${shownText(r.shown)}`,
    ...(m.config.sampler.mode === 'private' && kind !== 'certificate'
      ? ['  a private run, and this proof hides nothing of its witness: what may be published is made by certune certify']
      : []),
    ...more,
  ];
}

const fromTo = (l: readonly number[]): string => (l.length > 1 ? `${l[0].toFixed(4)} -> ${l[l.length - 1].toFixed(4)}` : l[0].toFixed(4));

/** Mean losses per target, as far as they are shown. */
function lossText({ losses, epochs, loss }: FoldedCheck): string {
  if (losses.length) return `loss ${fromTo(losses)}`;
  const each = epochs.flatMap((e) => (e.loss === undefined ? [] : [e.loss]));
  if (each.length) return `loss of epochs ${fromTo(each)}`;
  return loss === undefined ? 'loss not shown' : `loss ${loss.toFixed(4)} over all of it`;
}

/** So many epochs are told in the text; all of them in JSON. */
const EPOCHS_TOLD = 4;

/** Totals of bins that are shown of epochs. */
function epochLines({ epochs }: FoldedCheck): string[] {
  const told = epochs.filter((e) => e.bins?.length),
    lines = told
      .slice(0, EPOCHS_TOLD)
      .map(
        ({ epoch, bins }) => `  epoch ${epoch}: ${bins!.map((b) => `${b.name} ${b.examples} examples, ${b.targets} targets`).join('; ')}`,
      );
  return told.length > EPOCHS_TOLD ? [...lines, `  and of ${told.length - EPOCHS_TOLD} epochs more (--json)`] : lines;
}

function refuseMisuse(wrong: readonly string[]): void {
  if (wrong.length) throw new UsageError(wrong.join('; '));
}

/** What is asked for of the commitment to the base. */
const commitmentAsked = ({ baseRoot, commitBase }: VerifyOptions): Pick<Against, 'root' | 'commitBase'> => ({
  ...(baseRoot === undefined ? {} : { root: baseRoot }),
  ...(commitBase ? { commitBase } : {}),
});

/** What reads bases and data, and makes circuits: none where none of it is asked for (verify-opened.ts). */
export type Hand = typeof import('./at-hand.js');
/** The same without data, and without packs. */
export type BaseHand = Pick<Hand, 'inputsOf' | 'keptFacts' | 'keptKey' | 'keptKnown' | 'circuitsKept'> & Partial<Hand>;

/** A folded run or a range, of a proof that is no pack. */
export const proofOf = (p: Exclude<AnyProof, { readonly kind: 'pack' }>): FoldedRun | NodeFile => (p.kind === 'node' ? p.node : p.folded);

/** What a folded proof was found to be, and what it was compared with. */
export interface FoldedFound {
  readonly verdict: Accepted;
  readonly claims: readonly ClaimRecord[];
  /** Files beside adapter and base that were compared with nothing. */
  readonly beside: readonly string[];
  readonly besideOfBase: readonly string[];
  /** Folder of the adapter that was compared. */ readonly adapter?: string;
}

/**
 * Verifies a folded run, or a range of one, against whatever is at hand. Throws VerificationError, InputError,
 * UsageError.
 */
export function findFolded(
  t: Target,
  x: FoldedRun | NodeFile,
  o: VerifyOptions & { readonly given: GivenKey | undefined },
  c: Context,
  hand: BaseHand | undefined,
): FoldedFound {
  const { manifest: m } = x,
    node = 'from' in x ? x : undefined,
    base = o.base ?? t.local?.base.path,
    // Rows of a private run are compared where its secret is at hand; what was named is never passed over.
    data = o.data ?? (rowsComparable(m, t.secret) ? t.local?.data.map((d) => d.path) : undefined),
    adapter = o.adapter ?? t.adapter,
    from = o.from ?? t.local?.lora.from ?? undefined,
    told = showsAdapter(x);
  refuseMisuse(misuse(m, { base, data, from }, { range: node !== undefined, told }, o));
  // Whatever else the manifest makes one compute comes after it.
  const kernels = verifierKernels(),
    before = checkFirst(kernels, t.file, x);
  let card: string | undefined,
    other = '';
  const run = checkedRun(t.file, m),
    // A folder's own adapter may be absent: then it is not checked; one that was named must be there.
    dir = told && adapter !== undefined && (o.adapter !== undefined || existsSync(adapter)) ? adapter : undefined,
    beside = besideOf(dir),
    besideOfBase = base === undefined ? [] : besideBase(base, m.config.train.template === null),
    verdict = verifyRead(
      run,
      x,
      {
        kernels,
        ...commitmentAsked(o),
        ...(o.given ? { key: o.given } : {}),
        recompute: o.recompute !== false,
        ...(hand
          ? {
              kept: (r) => hand.keptKey(kernels, r),
              known: hand.keptKnown(),
              circuits: () => {
                c.progress.line('circuits of the verifier and their keys, from the programs');
                return hand.circuitsKept(run);
              },
            }
          : {}),
        atHand: () => {
          const whole = data !== undefined && base !== undefined ? hand!.setupOf!(m, base, data, from, t.secret) : undefined,
            inputs: Inputs =
              whole?.inputs ?? hand?.inputsOf(run, { base, from, seeded: false, facts: hand.keptFacts(m.config.train.template) }) ?? {},
            released =
              dir === undefined
                ? undefined
                : withRemedy(o.adapter === undefined ? ADAPTER_REMEDY : '', () => readReleased(run.programs, m, dir));
          card = whole && cardOf(whole);
          if (released && dir !== undefined) other = otherBytes(run.programs, m, dir, released);
          return { ...inputs, ...(released ? { released } : {}) };
        },
      },
      before,
    );
  const { check: r } = verdict,
    begins = node !== undefined && r.from > 0,
    claims = claimsOfCheck(r, m, {
      base: { at: base, by: o.base === undefined ? "the run's own run.yaml" : '--base', root: o.baseRoot, rootBy: '--base-root' },
      data: { at: data?.join(', '), by: o.data === undefined ? "the run's own run.yaml" : '--data' },
      initial: { at: from, by: o.from === undefined ? "the run's own run.yaml" : '--from' },
      adapter: { at: dir, by: o.adapter === undefined ? "the run's own folder" : '--adapter' },
      card: cardClaim(dir, o.adapter === undefined ? "the run's own folder" : '--adapter', card),
      other,
      begins,
      ends: node !== undefined && r.to < m.config.train.steps,
    });
  return { verdict, claims, beside, besideOfBase, ...(r.adapter === 'checked' && dir !== undefined ? { adapter: dir } : {}) };
}

/** The same for people and for --json, under a policy. Throws PolicyError too. */
export function verifyFolded(
  t: Target,
  x: FoldedRun | NodeFile,
  o: VerifyOptions & { readonly policy: Policy; readonly given: GivenKey | undefined },
  c: Context,
  hand: BaseHand | undefined,
): Result {
  const { verdict, claims, beside, besideOfBase } = findFolded(t, x, o, c, hand),
    { kind, check: r, key: origin, ledger } = verdict,
    { manifest: m } = x;
  checkPolicy(o.policy, m, ledger, claims);
  return {
    data: {
      verified: { proof: 'checked', ...comparedOf(claims) },
      kind,
      hides: kind === 'certificate',
      manifest: manifestDigest(m),
      ...r,
      steps: r.to - r.from,
      key: origin,
      bits: ledger.roundByRound,
      order: orderOf(m),
      ...(beside.length ? { beside } : {}),
      ...(besideOfBase.length ? { besideBase: besideOfBase } : {}),
      policy: o.policy,
    },
    text: linesOf(m, r, origin, ledger, claims, kind, [...besideLines(beside, besideOfBase), `  order of data: ${orderOf(m)}`])
      .map(plain)
      .join('\n'),
  };
}
