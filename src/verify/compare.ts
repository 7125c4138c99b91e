import type { StepLosses } from '../artifact/folded.js';
import { P } from '../field/goldilocks.js';
import type { Kernels } from '../kernels/runtime.js';
import type { AdapterState } from '../model/step.js';
import { DOMAIN, hashWords } from '../hash/poseidon2.js';
import { VerificationError } from '../transcript/arith.js';
import { countersDigest, zeroCounters } from '../policy/classes/quotas.js';
import { type PublishedTotals, epochLink, totalsShown } from '../policy/epochs.js';
import { showsEpochs, showsSteps } from '../policy/vector.js';
import { HyperparameterError } from '../optim/constants.js';
import type { Manifest } from '../run/manifest.js';
import { policyOf } from '../run/policy.js';
import { checkEnteredState, checkReleased, zeroAccumulators } from '../run/commitments.js';
import { type Run, epochBatches, epochExamples, microsOf } from '../run/facts.js';
import { type EndStatement, type NodeStatement, NO_EPOCHS, VIEW, START, programsDigest } from '../recursion/statement.js';
import { programList } from '../run/programs.js';
import type { Data } from '../run/inputs.js';

/*
 * Comparison of a statement that holds with a run. Everything that the manifest fixes is compared always; data, base
 * and adapter where the verifier has them: who lacks one says so.
 */
export type Common = Pick<EndStatement & NodeStatement, keyof EndStatement & keyof NodeStatement>;

export function same(check: string, got: readonly bigint[], want: readonly bigint[]): void {
  if (got.length !== want.length || got.some((x, i) => x !== want[i])) throw new VerificationError(check, 'is not that of this run');
}

/**
 * Checks what the manifest fixes of any node: programs (those that its settings give, which must be those that it
 * names), manifest, dataset root, batches in an epoch.
 */
export function checkManifest({ manifest, programs, facts }: Run, st: Common, k?: Kernels): void {
  const list = programList(programs);
  same(
    'programs that the manifest names',
    manifest.program.map(BigInt),
    list.flatMap((p) => p.digest),
  );
  same('programs', st.program, programsDigest(list.map((p) => p.program)));
  same('manifest', st.context, facts.context);
  same('dataset root', st.dataset, manifest.dataset.root.map(BigInt));
  same('batches in an epoch', st.epoch, [BigInt(epochBatches(manifest))]);
  same('policy', st.policy, digestOfPolicy(manifest, k));
}

/** Throws VerificationError also where no schedule of the manifest's settings is within the formats. */
function digestOfPolicy(m: Manifest, k?: Kernels): readonly bigint[] {
  try {
    return policyOf(m, k).digest;
  } catch (e) {
    if (e instanceof HyperparameterError) throw new VerificationError('schedule', e.message);
    throw e;
  }
}

/** Position after `steps` whole steps, but for targets, which follow from data. */
export function placeOf({ manifest }: Run, steps: number): { steps: bigint; epoch: bigint; drawn: bigint; examples: bigint } {
  const e = epochBatches(manifest),
    { batch } = manifest.config.train,
    epoch = Math.floor(steps / e),
    draws = (batches: number): number => Math.min(batches * batch, epochExamples(manifest));
  return { steps: BigInt(steps), epoch: BigInt(epoch), drawn: BigInt(steps % e), examples: BigInt(epoch * draws(e) + draws(steps % e)) };
}

/**
 * Checks that a statement is about steps from .. to - 1, at their place in the epochs, nothing begun at either end,
 * with all examples before.
 */
export function checkRange(run: Run, st: Common, from: number, to: number): void {
  for (const [pos, n, name] of [
    [st.posIn, from, 'first step'],
    [st.posOut, to, 'last step'],
  ] as const) {
    const at = placeOf(run, n);
    same(name, pos.slice(0, 6), [at.steps, 0n, 0n, at.epoch, at.drawn, at.examples]);
  }
}

/**
 * Checks that the counters entered are zero where a statement begins with an epoch: a leaf alone would take any, also
 * negative ones. Returns whether it
 * does: what was drawn before the middle of an epoch is its prover's word.
 */
export function checkCounters(f: Run, st: Common): boolean {
  if (st.posIn[4] !== 0n) return false;
  same('counters at the start of an epoch', st.countersIn, countersDigest(zeroCounters(f.manifest.config.policy.bins.length)));
  return true;
}

/** Checks that a statement begins where a run does: nothing done, empty chains. */
export function checkOrigin(st: Common): void {
  same('start', st.posIn, START.pos);
  same('start of the losses', st.lossesIn, START.losses);
  same('start of the targets', st.targetsIn, START.targets);
  same('start of the epochs', st.epochsIn, NO_EPOCHS);
}

/**
 * Checks that a statement begins at the start of the run. `initial` is what it starts from: seeded, or the adapter
 * imported.
 */
export function checkStart(k: Kernels, { programs }: Run, st: Common, initial: AdapterState): void {
  checkOrigin(st);
  checkEnteredState(k, programs, st.sIn, initial);
  same('initial accumulators', st.aIn, zeroAccumulators(programs));
}

/** A chain that is not shown begins and ends with zeros. */
const hidden = (what: string, ...words: (readonly bigint[])[]): void => {
  if (words.some((w) => w.some((x) => x !== 0n))) throw new VerificationError(what, 'are not shown');
};

/**
 * Checks that lists of targets and losses of steps, and of the totals of epochs, are those that were proven, of the
 * steps of the statement, which are whole; and that nothing is said of what the manifest does not show. Throws
 * VerificationError.
 */
export function checkShown(run: Run, st: Common, list: readonly Omit<StepLosses, 'step'>[], epochs: readonly PublishedTotals[]): void {
  const { show } = run.manifest.config,
    from = Number(st.posIn[0]),
    steps = Number(st.posOut[0] - st.posIn[0]),
    per = epochBatches(run.manifest),
    link = (chain: readonly bigint[], ...rest: readonly bigint[]): readonly bigint[] => hashWords(DOMAIN.statement, [...chain, ...rest]);
  if (list.length !== (showsSteps(show) ? steps : 0)) throw new VerificationError('losses', `${list.length} entries for ${steps} steps`);
  let { lossesIn: losses, targetsIn: targets } = st,
    sum = 0n,
    total = st.posIn[6];
  list.forEach((x, i) => {
    const step = from + i,
      micros = show.losses === 'steps' ? microsOf(run.manifest, step) : 0;
    if (x.losses.length !== micros || !Number.isSafeInteger(x.targets) || (show.targets === 'steps' ? x.targets < 1 : x.targets !== 0))
      throw new VerificationError('losses', `step ${step} needs its targets and ${micros} losses`);
    x.losses.forEach((l, micro) => {
      losses = link(losses, BigInt(step), BigInt(micro), lossWord(run, l, step));
      sum += l;
    });
    if (show.targets === 'steps') targets = link(targets, BigInt(step), BigInt(x.targets));
    total += BigInt(x.targets);
  });
  same('losses', st.lossesOut, losses);
  same('targets', st.targetsOut, targets);
  if (show.losses !== 'steps') hidden('losses', st.lossesIn);
  if (show.losses === 'steps') same('sum of losses', st.loss, [((sum % P) + P) % P]);
  if (show.losses === 'none') hidden('sum of losses', st.loss);
  if (show.targets !== 'steps') hidden('targets', st.targetsIn);
  if (show.targets === 'steps') same('number of targets', [st.posOut[6]], [total]);
  if (show.targets === 'none') hidden('number of targets', [st.posIn[6], st.posOut[6]]);

  const first = Math.floor(from / per),
    ended = Math.floor((from + steps) / per) - first,
    told = showsEpochs(show);
  if (epochs.length !== (told ? ended : 0)) throw new VerificationError('totals of epochs', `${epochs.length} entries for ${ended} epochs`);
  let chain: readonly bigint[] = st.epochsIn;
  for (let i = 0; i < ended; i++)
    chain = epochLink(chain, told ? epochs[i] : totalsShown(show, first + i, zeroCounters(run.manifest.config.policy.bins.length)));
  same('totals of epochs', st.epochsOut, chain);
}

/**
 * Word of a loss. Before it becomes a word of 64 bits: two losses off by 2^64 in opposite directions would leave chain
 * and sum as they are. Throws VerificationError for one outside the format.
 */
function lossWord({ programs }: Run, x: bigint, step: number): bigint {
  const { lo, hi } = programs.program.tensors.find((t) => t.name === 'loss')!;
  if (typeof x !== 'bigint' || x < lo || x > hi) throw new VerificationError('losses', `step ${step} has a loss outside its format`);
  return ((x % P) + P) % P;
}

/**
 * Checks the data of the steps of the statement, which are whole: the rows behind the root, and targets as far as they
 * are shown. That every step took its own rows, in their order, is proved against the root.
 */
export function checkData(run: Run, data: Data, st: Common, list: readonly Omit<StepLosses, 'step'>[]): void {
  const [from, to] = [st.posIn, st.posOut].map((pos) => Number(pos[0])),
    { show } = run.manifest.config,
    total = (steps: number): bigint => BigInt(data.batches.slice(0, steps).reduce((n, b) => n + b.targets, 0));
  same('data', data.tree.root(), st.dataset);
  if (show.targets === 'steps')
    list.forEach((x, i) => {
      const { targets } = data.batches[from + i];
      if (x.targets !== targets) throw new VerificationError('targets', `step ${from + i} has ${targets}, not ${x.targets}`);
    });
  if (show.targets !== 'none') same('number of targets', [st.posIn[6], st.posOut[6]], [total(from), total(to)]);
}

/** Checks that the adapter released is the one that the last step left; `shows` are the flags of an end. */
export function checkAdapter(
  k: Kernels,
  { programs }: Run,
  st: Common & { readonly shows?: readonly bigint[] },
  released: BigInt64Array,
): void {
  checkReleased(k, programs, st.sOut, released, st.shows?.[VIEW.indexOf('rest')] !== 0n);
}
