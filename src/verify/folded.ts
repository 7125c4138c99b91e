import type { AdapterState } from '../model/step.js';
import type { Inputs } from '../run/inputs.js';
import { sha256Hex } from '../hash/sha256.js';
import { canonicalJson } from '../hash/canonical.js';
import { P, toSigned } from '../field/goldilocks.js';
import type { Kernels } from '../kernels/runtime.js';
import { statePoint } from '../tensor/statement.js';
import { commitmentLayout } from '../tensor/state-layout.js';
import { hashOf } from '../tensor/plan.js';
import { VerificationError } from '../transcript/arith.js';
import { type Run, epochBatches } from '../run/facts.js';
import type { Manifest } from '../run/manifest.js';
import type { Programs } from '../run/programs.js';
import { checkAdapter, checkCounters, checkData, checkManifest, checkOrigin, checkRange, checkShown, checkStart } from './compare.js';
import { checkBase, checkRoot } from './base.js';
import type { VerificationKey } from '../recursion/key.js';
import type { EndStatement, NodeStatement } from '../recursion/statement.js';
import { type Held, verifyEndOnce } from './certificate.js';
import { showsAdapter } from './view.js';
import { settleNode } from './nodes.js';
import { frozenOf, zeroAccumulators } from '../run/commitments.js';
import { Seeded, baseFact, startFact } from './known.js';
import type { PublishedTotals } from '../policy/epochs.js';
import type { FoldedRun, NodeFile } from '../artifact/folded.js';
import type { Circuits } from '../recursion/circuits.js';
import { nodeOf } from '../recursion/node-words.js';

/** What a proof agrees with as far as it goes, and without which it says nothing: it has to be given. */
export class NotGivenError extends VerificationError {}

/** Whether a part of the statement was compared with the thing itself. */
export type Compared = 'checked' | 'not checked';

export interface FoldedCheck {
  /**
   * 'checked': the claim that the proof leaves on the base's integers was evaluated. 'given': not the base, but its
   * commitment was at hand.
   */
  readonly base: Compared | 'given';
  /**
   * Commitment to the base that the proof is about, as baseCommitment writes it: where it was made again from the base,
   * or is the one given. Otherwise it is the prover's word, and is not told; a node has none.
   */
  readonly root?: string;
  /** 'proved': against the root in the manifest; 'checked': the rows behind the root too. */
  readonly data: 'checked' | 'proved';
  /** Quotas are checked, maxima after every step: it begins with an epoch. */ readonly quotas: boolean;
  /** Epochs that lie within it: minima hold in these alone. */ readonly wholeEpochs: number;
  /** 'not shown': by a certificate that says nothing of it. */ readonly adapter: Compared | 'not shown';
  /** The state that the run, or the range, begins from. */ readonly initial: Compared;
  /** Steps from .. to - 1 that the proof covers. */ readonly from: number;
  readonly to: number;
  /** The epoch that it covers exactly. */ readonly epoch?: number;
  readonly examples: number;
  /** What the manifest shows of losses, targets, totals and adapter. */ readonly shown: Manifest['config']['show'];
  /** Targets of what it covers, where they are shown. */ readonly targets?: number;
  /** Mean loss per target of every step: none where losses or targets of steps are not shown. */
  readonly losses: number[];
  /** Mean loss per target of all that it covers, where losses and targets are shown of epochs at least. */
  readonly loss?: number;
  /** Totals of the epochs that end in it, where any are shown. */ readonly epochs: readonly EpochFigures[];
  readonly proofMs: number;
  readonly linearMs: number;
}

/** What is shown of an epoch that ended: counts, and the mean loss per target. */
export interface EpochFigures {
  readonly epoch: number;
  readonly targets?: number;
  readonly loss?: number;
  readonly bins?: readonly { readonly name: string; readonly examples: number; readonly targets: number }[];
}

/** Totals of an epoch as far as they are shown; `unit` is the loss's. */
function figuresOf(m: Manifest, t: PublishedTotals, unit: number): EpochFigures {
  const { show, policy } = m.config,
    { epoch, targets, loss, bins } = t;
  return {
    epoch,
    ...(targets ? { targets } : {}),
    ...(targets && show.losses !== 'none' ? { loss: (Number(loss) * unit) / targets } : {}),
    ...(show.totals === 'none'
      ? {}
      : { bins: policy.bins.map(({ name }, j) => ({ name, examples: bins[2 * j], targets: bins[2 * j + 1] })) }),
  };
}

/** Epochs that lie within the steps from .. to - 1 from their first step to their last. */
export function wholeEpochs(m: Manifest, from: number, to: number): number {
  const per = epochBatches(m);
  return Math.max(0, Math.floor(to / per) - Math.ceil(from / per));
}

/**
 * What this verifier found to hold before, in words that name all that it depends on (known.ts): it is not computed
 * again. Whoever gives one answers for what it says.
 */
export interface Known {
  readonly has: (fact: string) => boolean;
  readonly add: (fact: string) => void;
}

/** What a proof is compared with, as far as the verifier has it. */
export interface Against extends Omit<Inputs, 'initial'> {
  /** State that the run starts from; one that follows from the manifest's seed is made when it is asked for. */
  readonly initial?: AdapterState | Seeded;
  readonly known?: Known;
  /** Commitment to the base from a source that is trusted, in place of the base. */ readonly root?: string;
  /** Makes the commitment to the base again and compares it: for who is asked for it. Seconds. */
  readonly commitBase?: boolean;
}

/**
 * Commitment to a base in one line, 64 hexadecimal digits: SHA-256 over the root of its stack, the digest of the
 * programs that read the stack, and what the manifest says of the base. The root alone would not do: shape and weight
 * formats bound the programs' sums, and programs say what the words of the stack are, so that a prover could declare
 * others over the same words.
 */
export function baseCommitment(base: Manifest['base'], program: readonly bigint[], root: readonly bigint[]): string {
  const all = { base, program: program.map(String), root: root.map(String) };
  return sha256Hex(canonicalJson(all));
}

/** Does what finds a fact, but for one that was found before. It is one once that is done without a complaint. */
function once(known: Known | undefined, fact: string, find: () => void): void {
  if (known?.has(fact)) return;
  find();
  known?.add(fact);
}

type Common = Pick<EndStatement & NodeStatement, keyof EndStatement & keyof NodeStatement>;

/**
 * Nobody vouches here for the state that is entered: its commitments must at least have the points that their roots
 * prescribe, and its accumulators be zero. Throws VerificationError. (Values are opened by every proof that enters the
 * state.)
 */
export function checkEntered(p: Programs, st: Pick<Common, 'sIn' | 'aIn'>): void {
  const bad = (why: string): never => {
    throw new VerificationError('state entered', why);
  };
  const { point } = commitmentLayout(p.plan.states[0]);
  if (statePoint(st.sIn.slice(0, point), hashOf(p.plan)).some((w, i) => w !== st.sIn[point + i]))
    bad('the commitment has another point than its root prescribes');
  if (zeroAccumulators(p).some((w, i) => w !== st.aIn[i])) bad('accumulators are not zero where a step begins');
}

/** Compares a statement that holds with the run. Throws VerificationError naming what differs. */
function compare(
  k: Kernels,
  run: Run,
  { base, data, initial, released, root, commitBase, known }: Against,
  st: Common & { readonly root?: readonly bigint[]; readonly shows?: readonly bigint[] },
  { losses: list, epochs, hides }: Pick<FoldedRun, 'losses' | 'epochs' | 'hides'>,
  from: number,
  to: number,
): Omit<FoldedCheck, 'proofMs'> {
  const t0 = performance.now(),
    { manifest, programs } = run,
    { steps } = manifest.config.train;
  checkManifest(run, st, k);
  checkRange(run, st, from, to);
  if (list.some((l, i) => l.step !== from + i)) throw new VerificationError('losses', `are not those of the steps from ${from} on`);
  checkShown(run, st, list, epochs);
  if (data) checkData(run, data, st, list);
  const starts = from === 0 && initial !== undefined;
  const quotas = checkCounters(run, st);
  if (from === 0) checkOrigin(st);
  if (!starts) checkEntered(programs, st);
  else if (!(initial instanceof Seeded)) checkStart(k, run, st, initial);
  else once(known, startFact(run, st), () => checkStart(k, run, st, initial.state(k)));
  const told = showsAdapter({ manifest, ...(hides === undefined ? {} : { hides }) }),
    ends = to === steps && released !== undefined;
  if (released !== undefined && !told)
    throw new VerificationError(
      'released adapter',
      'the certificate says nothing of the adapter that its run has left (show.adapter: none): none can be compared with it',
    );
  if (ends) checkAdapter(k, run, st, released);
  if (base) {
    const against = (): void =>
      k.scope(() => {
        const fz = frozenOf(k, programs, base);
        checkBase(k, programs, st, fz);
        if (st.root && commitBase) checkRoot(k, programs, st.root, fz);
      });
    // Integers of which nobody knows whose they are, and a commitment, are looked at.
    if (base.digest !== manifest.base.digest || commitBase) against();
    else once(known, baseFact(run, st), against);
  }
  const about = st.root && baseCommitment(manifest.base, st.program, st.root);
  if (about !== undefined && root !== undefined && about !== root)
    throw new VerificationError('commitment to the base', `the proof is about ${about}, the root given is ${root}`);
  // Whoever proves may choose the root last, weights and tables for which everything holds (docs/soundness.md, section
  // 6).
  if (!base && root === undefined)
    throw new NotGivenError(
      'base',
      `the proof, its losses and its policy agree with the manifest, but without the base, or the root of its commitment from a source that you trust, nothing is proved about any step: give --base DIR or --base-root${st.root ? ` (this proof is about ${about})` : ''}`,
    );
  const per = epochBatches(manifest),
    { show } = manifest.config,
    unit = 2 ** -programs.program.tensors.find((t) => t.name === 'loss')!.frac,
    counted = (i: number): number => Number((st.posOut[i] - st.posIn[i] + P) % P),
    yes = (b: unknown): Compared => (b ? 'checked' : 'not checked');
  return {
    base: base ? 'checked' : 'given',
    ...(about !== undefined && (root !== undefined || (base && commitBase)) ? { root: about } : {}),
    data: data ? 'checked' : 'proved',
    quotas,
    wholeEpochs: wholeEpochs(manifest, from, to),
    adapter: told ? yes(ends) : 'not shown',
    initial: yes(starts),
    from,
    to,
    ...(from % per === 0 && to === from + per ? { epoch: from / per } : {}),
    examples: counted(5),
    shown: show,
    ...(show.targets === 'none' ? {} : { targets: counted(6) }),
    losses:
      show.losses === 'steps' && show.targets === 'steps'
        ? list.map((l) => (Number(l.losses.reduce((p, q) => p + q, 0n)) * unit) / l.targets)
        : [],
    ...(show.losses === 'none' || show.targets === 'none' ? {} : { loss: (Number(toSigned(st.loss[0])) * unit) / counted(6) }),
    epochs: epochs.map((t) => figuresOf(manifest, t, unit)),
    linearMs: performance.now() - t0,
  };
}

/**
 * Verifies the end of a run under a key that is trusted, and compares its statement with whatever is at hand. `before`:
 * what checkFirst found of it. Throws VerificationError.
 */
export function verifyFoldedRun(k: Kernels, run: Run, x: FoldedRun, key: VerificationKey, a: Against, before?: Held): FoldedCheck {
  const { end, proofMs } = verifyEndOnce(k, key, x, before);
  return { ...compare(k, run, a, end.statement, x, 0, run.manifest.config.train.steps), proofMs };
}

/**
 * Verifies a range alone: the claims that it leaves are settled here, for which keys and base are needed. Throws
 * VerificationError.
 */
export function verifyNodeFile(k: Kernels, run: Run, x: NodeFile, circuits: Circuits, a: Against): FoldedCheck {
  // The claim that it leaves on the base is compared with the rest.
  if (!a.base) throw new Error('a node alone is settled against the base');
  if (x.from.part || x.to.part) throw new VerificationError('range', 'begins or ends inside a step: fold it with its neighbours first');
  const t0 = performance.now(),
    node = nodeOf(circuits.cls, x);
  settleNode(k, circuits.cls, circuits.keys, node);
  const proofMs = performance.now() - t0;
  return { ...compare(k, run, a, node.statement, x, x.from.step, x.to.step), proofMs };
}
