import { encodeCertificate } from '../artifact/certificate.js';
import { type NodeFile, decodeNode, encodeFolded, encodeNode } from '../artifact/folded.js';
import type { Kernels } from '../kernels/runtime.js';
import { proveCertificate } from '../prove/certificate.js';
import { Course, States } from '../prove/course.js';
import type { Entered } from '../prove/entered.js';
import type { JobInputs } from '../prove/leaf.js';
import { type LeafRange, type Recursion, endOf, foldNodes, leafEpochs, leafLosses } from '../prove/range.js';
import { recursionOf } from '../prove/recursion.js';
import { proveStep } from '../prove/step.js';
import type { TreeNode } from '../prove/tree-shape.js';
import type { Complete } from '../run/inputs.js';
import type { StepProof } from '../run/parts.js';
import { StateTrees } from '../tensor/state-trees.js';
import type { Checkpoint } from './checkpoint.js';
import type { Shape } from './shape.js';

/**
 * Does the jobs of one run: each is a function of what it is given, and the result the same bytes whoever does it.
 */
export class JobProver {
  readonly #r: Recursion;

  constructor(
    readonly k: Kernels,
    readonly inputs: JobInputs,
    readonly complete: Pick<Complete, 'base' | 'data'>,
    readonly shape: Shape,
    readonly onPhase: (text: string) => void = () => {},
  ) {
    this.#r = recursionOf(k, inputs, { onPhase });
  }

  /**
   * The node over the leaves of a segment, from the state before the step that it begins in. `trees`: those of states
   * that were committed to elsewhere (StateTrees). Throws OverflowError.
   */
  segment(node: TreeNode, checkpoint: Checkpoint, trees?: ReadonlyMap<string, Uint8Array>): Uint8Array {
    const { k, inputs, complete } = this,
      { step: first } = checkpoint.start,
      states = new States(k, inputs.run, complete, {
        state: (step) => (step === first ? { state: checkpoint.state, losses: [] } : undefined),
        checkpoint: (step) => (step >= first ? checkpoint.start : undefined),
        missing: (step) => {
          throw new RangeError(`the state before step ${step} is not that of the checkpoint of step ${first}`);
        },
      });
    return encodeNode(new Segment(this, this.#r, states, node, checkpoint.start, trees).node(node));
  }
  fold(left: Uint8Array, right: Uint8Array, names: readonly [string, string]): Uint8Array {
    return encodeNode(foldNodes(this.#r, decodeNode(names[0], left), decodeNode(names[1], right)));
  }
  end(node: Uint8Array, name: string): Uint8Array {
    return encodeFolded(endOf(this.#r, decodeNode(name, node)));
  }
  /** The one job whose result is another each time: masks are drawn. */
  certify(node: Uint8Array, name: string): Uint8Array {
    const { k, inputs, onPhase } = this;
    return encodeCertificate(proveCertificate(k, inputs.circuits, inputs.base, decodeNode(name, node), { onPhase }));
  }
}

/** A step's proof, and the commitment to the state that it enters. */
interface Proved {
  readonly proof: StepProof;
  readonly entered: readonly bigint[];
}

/** One segment: the proof of a step goes when no further leaf reads it. */
class Segment {
  readonly #proofs = new Map<number, Proved>();
  readonly #trees: StateTrees;
  readonly #course: Course;
  #start: Entered;

  constructor(
    readonly p: JobProver,
    readonly r: Recursion,
    readonly states: States,
    readonly of: TreeNode,
    start: Entered,
    trees?: ReadonlyMap<string, Uint8Array>,
  ) {
    this.#trees = new StateTrees(trees);
    this.#start = start;
    this.#course = new Course(states, p.inputs);
  }

  node(t: TreeNode): NodeFile {
    if (!t.children) return this.#leaf(t.from);
    const left = this.node(t.children[0]);
    return foldNodes(this.r, left, this.node(t.children[1]));
  }

  #leaf(i: number): NodeFile {
    const { ranges, plan } = this.p.shape,
      range = ranges[i],
      { data } = this.p.complete;
    // While the state is at hand.
    if (this.#start.step !== range.from.step) this.#start = this.#course.entered(range.from.step);
    // A leaf begins in the first of its steps.
    const steps = plan.leaves[i].steps.map((t) => this.#proof(t)),
      proofs = steps.map((x) => x.proof),
      { node, after, epochs } = this.r.leaf({ ...this.#start, s: steps[0].entered }, range, proofs);
    this.#start = after;
    for (const t of this.#proofs.keys()) if (t < after.step || (range.to.part === 0 && t < range.to.step)) this.#proofs.delete(t);
    const { manifest, key } = this.r;
    return {
      manifest,
      key,
      from: range.from,
      to: range.to,
      losses: leafLosses(range, proofs, (t) => data.batches[t].targets, manifest.config.show),
      epochs: leafEpochs(epochs, manifest.config.show),
      ...node,
    };
  }

  #proof(step: number): Proved {
    const there = this.#proofs.get(step);
    if (there) return there;
    const { k, inputs, complete, onPhase } = this.p,
      { state } = this.states.before(step),
      { proof, after, entered } = k.scope(() =>
        proveStep(
          k,
          inputs.run,
          complete,
          step,
          state,
          inputs.base.digest,
          (p) => onPhase(`step ${step}: ${p}`),
          this.#trees,
          (part) => this.#wanted(step, part),
        ),
      );
    this.states.reached(step + 1, { state: after, losses: proof.parts.filter((x) => x.kind !== 'update').map((x) => x.loss) });
    const made = { proof, entered };
    this.#proofs.set(step, made);
    return made;
  }
  /** Parts of a step that leaves of this segment verify, and the one before them: it says what they enter. */
  #wanted(step: number, part: number): boolean {
    const { ranges } = this.p.shape,
      first: LeafRange['from'] = ranges[this.of.from].from,
      last = ranges[this.of.to - 1].to;
    return !(step === first.step && part < first.part - 1) && !(step === last.step && part >= last.part);
  }
}
