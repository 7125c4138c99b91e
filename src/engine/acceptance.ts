import { decodeCertificate } from '../artifact/certificate.js';
import { type FoldedRun, type NodeFile, type StepLosses, decodeFolded, decodeNode, samePlace } from '../artifact/folded.js';
import { P } from '../field/goldilocks.js';
import type { Kernels } from '../kernels/runtime.js';
import { epochLink } from '../policy/epochs.js';
import { type Shown, showsEpochs, showsSteps } from '../policy/vector.js';
import type { JobInputs } from '../prove/leaf.js';
import { folding } from '../prove/recursion.js';
import { keyDigest } from '../recursion/key.js';
import { nodeOf } from '../recursion/node-words.js';
import { stepKinds } from '../run/facts.js';
import type { Complete } from '../run/inputs.js';
import { manifestDigest } from '../run/manifest.js';
import { VerificationError } from '../transcript/arith.js';
import { checkManifest, same } from '../verify/compare.js';
import { showsAdapter } from '../verify/view.js';
import { verifyFoldedRun } from '../verify/folded.js';
import type { Boundaries } from './boundaries.js';
import type { Acceptor } from './coordinator.js';
import type { Job } from './jobs.js';
import type { Shape } from './shape.js';

/** Of losses and targets of steps what is shown. */
const shownOf = (show: Shown, list: readonly StepLosses[]): StepLosses[] =>
  showsSteps(show)
    ? list.map((x) => ({
        step: x.step,
        targets: show.targets === 'steps' ? x.targets : 0,
        losses: show.losses === 'steps' ? x.losses : [],
      }))
    : [];

/**
 * Judges the results of a run: a node must be that of its job, enter and leave what the journal says, and hold with
 * every claim that it leaves on fixed columns and base. What is wrong is refused here, where the worker is known, and
 * not hours later at the end of the run.
 */
export class RunAcceptor implements Acceptor {
  readonly #settle: (n: NodeFile) => void;

  constructor(
    readonly k: Kernels,
    readonly inputs: JobInputs,
    readonly complete: Complete,
    readonly shape: Shape,
    readonly boundaries: Boundaries,
  ) {
    const f = folding(k, inputs.run.manifest, inputs.circuits, inputs.base);
    this.#settle = (n) => f.settle(n);
  }

  accept(job: Job, bytes: Uint8Array): void {
    if (job.kind === 'end') this.#end(decodeFolded('the end of the run', bytes));
    else if (job.kind === 'certify') this.#end(decodeCertificate('the certificate', bytes));
    else this.#node(job, decodeNode(`job ${job.key.slice(0, 12)}`, bytes));
  }

  /** Manifest and published key of a file. */
  #ours(x: Pick<NodeFile, 'manifest' | 'key'>): void {
    const { run, circuits } = this.inputs;
    if (manifestDigest(x.manifest) !== run.facts.digest) throw new VerificationError('manifest', 'is not that of this run');
    if (keyDigest(x.key) !== circuits.digest) throw new VerificationError('verification key', 'is not that of this run');
  }

  #node(job: Job, n: NodeFile): void {
    const { run, circuits } = this.inputs,
      { places } = this.shape.plan,
      [from, to] = [places[job.from], places[job.to]];
    this.#ours(n);
    if (!samePlace(n.from, from) || !samePlace(n.to, to)) throw new VerificationError('range', 'is not that of the job');
    const st = nodeOf(circuits.cls, n).statement;
    checkManifest(run, st);
    same('base', st.frozen, this.inputs.base.digest);
    this.boundaries.check(st, from, to);
    const all = this.#losses(job),
      { show } = run.manifest.config,
      list = shownOf(show, all);
    if (
      n.losses.length !== list.length ||
      list.some((x, i) => {
        const y = n.losses[i];
        return x.step !== y.step || x.targets !== y.targets || x.losses.join() !== y.losses.join();
      })
    )
      throw new VerificationError('losses', 'are not those of the journal');
    const sum = show.losses === 'none' ? 0n : all.reduce((a, x) => a + x.losses.reduce((p, q) => p + q, 0n), 0n);
    same('sum of losses', st.loss, [((sum % P) + P) % P]);
    // The chain left is the journal's: it has one list of totals.
    if (showsEpochs(show)) same('totals of epochs', n.epochs.reduce<readonly bigint[]>(epochLink, st.epochsIn), st.epochsOut);
    else if (n.epochs.length) throw new VerificationError('totals of epochs', 'are not shown');
    this.#settle(n);
  }

  /** Targets and losses of the steps of a job, from the journal. */
  #losses(job: Job): StepLosses[] {
    const { run, data } = this.inputs,
      { states } = this.boundaries.course,
      { places } = this.shape.plan,
      [from, to] = [places[job.from], places[job.to]],
      out: StepLosses[] = [];
    for (let step = from.step; step < to.step + (to.part ? 1 : 0); step++) {
      const all = states.journal.losses?.(step) ?? states.before(step + 1).losses,
        micros = stepKinds(run, step).filter((x) => x !== 'update').length,
        first = step === from.step ? from.part : 0,
        last = step === to.step ? Math.min(to.part, micros) : micros;
      out.push({ step, targets: data.batches[step].targets, losses: all.slice(first, last) });
    }
    return out;
  }

  #end(x: FoldedRun): void {
    const { run, circuits } = this.inputs,
      { k, complete, boundaries } = this,
      steps = run.manifest.config.train.steps;
    this.#ours(x);
    const { base, data, initial } = complete,
      { state } = boundaries.course.states.before(steps);
    // The commitment to the base is made again too: a statement with another root would hold as well, and be another
    // file.
    verifyFoldedRun(k, run, x, circuits.keys.published, {
      base,
      data,
      initial,
      ...(showsAdapter(x) ? { released: state.C } : {}),
      commitBase: true,
    });
  }
}
