import type { StepLosses } from '../artifact/folded.js';
import { P } from '../field/goldilocks.js';
import type { Kernels } from '../kernels/runtime.js';
import type { AdapterState } from '../model/step.js';
import { DOMAIN, hashWords } from '../hash/poseidon2.js';
import { packPublic } from '../tensor/statement.js';
import { VerificationError } from '../transcript/arith.js';
import { countersDigest, zeroCounters } from '../policy/classes/quotas.js';
import { policyOf } from '../run/policy.js';
import { checkEnteredState, checkReleased, zeroAccumulators } from '../run/commitments.js';
import { type Run, epochBatches, scalarPublics, stepKinds } from '../run/facts.js';
import { placeWithData } from '../recursion/leaves.js';
import { type EndStatement, type NodeStatement, NO_EPOCHS, START, chained, programsDigest } from '../recursion/statement.js';
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
export function checkManifest({ manifest, programs, facts }: Run, st: Common): void {
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
  same('policy', st.policy, policyOf(manifest).digest);
}

/** Position after `steps` whole steps, but for examples and targets, which follow from data. */
export function placeOf({ manifest }: Run, steps: number): { steps: bigint; epoch: bigint; drawn: bigint } {
  const e = epochBatches(manifest);
  return { steps: BigInt(steps), epoch: BigInt(Math.floor(steps / e)), drawn: BigInt(steps % e) };
}

/** Checks that a statement is about steps from .. to - 1, at their place in the epochs, nothing begun at either end. */
export function checkRange(run: Run, st: Common, from: number, to: number): void {
  for (const [pos, n, name] of [
    [st.posIn, from, 'first step'],
    [st.posOut, to, 'last step'],
  ] as const) {
    const at = placeOf(run, n);
    same(name, pos.slice(0, 5), [at.steps, 0n, 0n, at.epoch, at.drawn]);
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
  same('start of the data', st.dataIn, START.data);
  same('start of the losses', st.lossesIn, START.losses);
  same('start of the schedule', st.scheduleIn, START.schedule);
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

/**
 * Checks that a list of targets and losses is the one that was proven, of the steps of the statement, which are whole.
 * Throws VerificationError.
 */
export function checkLosses(run: Run, st: Common, list: readonly Omit<StepLosses, 'step'>[]): void {
  const from = Number(st.posIn[0]),
    steps = st.posOut[0] - st.posIn[0];
  if (BigInt(list.length) !== steps) throw new VerificationError('losses', `${list.length} entries for ${steps} steps`);
  const link = (chain: readonly bigint[], ...rest: readonly bigint[]): readonly bigint[] =>
      hashWords(DOMAIN.statement, [...chain, ...rest]),
    { program, update } = run.programs,
    last = (update ?? run.programs).program,
    names = chained(last).schedule,
    lossOf = program.tensors.find((t) => t.name === 'loss')!;
  // A micro-batch has no scalars but its loss: its share of the targets is no part of any chain.
  if (update && chained(program).schedule.length) throw new Error('micro-batches with scalars need their targets one by one');
  let [losses, schedule] = [st.lossesIn, st.scheduleIn],
    sum = 0n,
    total = st.posIn[6];
  list.forEach((x, i) => {
    const step = from + i;
    const micros = stepKinds(run, step).filter((kind) => kind !== 'update').length;
    if (x.losses.length !== micros || !Number.isSafeInteger(x.targets) || x.targets < 1)
      throw new VerificationError('losses', `step ${step} needs its targets and ${micros} losses`);
    x.losses.forEach((l, micro) => {
      // Before it becomes a word of 64 bits: two losses off by 2^64 in opposite directions would leave chain and sum as
      // they are.
      if (typeof l !== 'bigint' || l < lossOf.lo || l > lossOf.hi)
        throw new VerificationError('losses', `step ${step} has a loss outside its format`);
      losses = link(losses, BigInt(step), BigInt(micro), ...packPublic(program, lossOf, BigInt64Array.of(l)));
      sum += l;
    });
    const scalars = new Map(scalarPublics(run, step, x.targets));
    schedule = link(
      schedule,
      BigInt(step),
      BigInt(micros),
      BigInt(x.targets),
      ...names.flatMap((n) => packPublic(last, last.tensors.find((t) => t.name === n)!, scalars.get(n))),
    );
    total += BigInt(x.targets);
  });
  same('losses', st.lossesOut, losses);
  same('schedule and targets', st.scheduleOut, schedule);
  same('sum of losses', st.loss, [((sum % P) + P) % P]);
  same('number of targets', [st.posOut[6]], [total]);
}

/**
 * Checks the data of the steps of the statement, which are whole: order, tokens, targets, masks and counters are those
 * that sampler and dataset give.
 */
export function checkData(run: Run, data: Data, st: Common, list: readonly Omit<StepLosses, 'step'>[]): void {
  const from = Number(st.posIn[0]);
  list.forEach((x, i) => {
    const step = from + i;
    const { targets } = data.batches[step];
    if (x.targets !== targets) throw new VerificationError('targets', `step ${step} has ${targets}, not ${x.targets}`);
  });
  // Losses are no part of the data: those of the steps before do not matter.
  const start = placeWithData(
    run,
    data,
    data.batches.slice(0, from).map(({ targets, micro }) => ({ targets, losses: micro.map(() => 0n) })),
  );
  same('data before', st.dataIn, start.data);
  same('counters before', st.posIn, start.pos);
  const end = placeWithData(run, data, list, from, start);
  same('data', st.dataOut, end.data);
  same('counters', st.posOut, end.pos);
}

/** Checks that the adapter released is the one that the last step left. */
export function checkAdapter(k: Kernels, { programs }: Run, st: Common, released: BigInt64Array): void {
  checkReleased(k, programs, st.sOut, released);
}
