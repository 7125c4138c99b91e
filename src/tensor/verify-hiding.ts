/**
 * Proofs of a program that hide its witness, verifier's side: the verifier of verify.ts over affine forms in one-time
 * pads (../transcript/affine.ts), and an opening that shows nothing but one claim (../pcs/verify-hiding.ts). Messages:
 * section 12 of docs/protocol.md; why they hide, and why they are sound: section 9 of docs/soundness.md.
 */
import { hidingGroup } from '../pcs/hiding-group.js';
import type { GroupClaim } from '../pcs/verify.js';
import { foldHiding } from '../pcs/verify-hiding.js';
import { whirWords } from '../pcs/words.js';
import { eqAt, eqTable } from '../poly/eq.js';
import { AffineChannel, type LinearForm } from '../transcript/affine.js';
import type { Channel, Elem, Ext } from '../transcript/arith.js';
import type { PadCounts } from '../transcript/pad-cells.js';
import { RecordingChannel, type Schedule } from '../transcript/schedule.js';
import type { DeferredClaim } from './deferred.js';
import { hiddenMessages, reductionCounts } from './hiding-counts.js';
import { COORDINATES, PADS, type Plan, type ProofOptions, hashOf, makePlan } from './plan.js';
import { PublicValues } from './public-values.js';
import { type Statement, type StatementElems, packing, publicTensors, statementElems } from './statement.js';
import type { Program } from './types.js';
import { type Reduced, openings, reduceStatement } from './verify.js';

/** The messages of one run, all counts of its pads, and what assertions hidden values are in. */
export interface HidingRun {
  readonly schedule: Schedule;
  readonly counts: PadCounts;
  readonly assertions: readonly string[];
}

/** Handles of a statement of which only the lengths matter. */
function blankElems(ch: Channel, p: Program): StatementElems {
  const zeros = (n: number): Elem[] => Array<Elem>(n).fill(ch.constant(0n));
  return {
    context: zeros(8),
    roots: {},
    frozen: zeros(8),
    publics: new Map(publicTensors(p).map((t) => [t.name, zeros(packing(p, t).words)])),
  };
}

/**
 * Plan of the proofs of a program that hide its witness. Throws RangeError for a program with state, whose commitments
 * leave the proof, and for another hash than BLAKE3.
 */
export function hidingPlan(program: Program, options: ProofOptions): Plan {
  if (hashOf({ options }) !== 'blake3') throw new RangeError('proofs that hide their witness are hashed with BLAKE3');
  const plan = makePlan(program, options, {
    pads: (parts) => {
      const { pads, products } = reductionCounts(parts);
      return { pads, products };
    },
    group: hidingGroup,
  });
  if (plan.states.length) throw new RangeError('proofs of programs with state do not hide their witness');
  return plan;
}

/** Words of a proof that hides its witness, from its plan: as many as recordHiding has. */
export function hidingWords(plan: Plan): number {
  const { words, products } = reductionCounts(plan);
  // The values of the products' polynomials come between, and where the frozen stack is not opened the claim on it.
  return words + (products.length ? 6 : 0) + (plan.frozenVars ? 6 * plan.frozenVars + 3 : 0) + whirWords(plan.whir);
}

/** All messages of a proof that hides its witness, from its plan. */
export function recordHiding(plan: Plan): HidingRun {
  const rec = new RecordingChannel(),
    { affine } = run(rec, plan, blankElems(rec, plan.program));
  return { schedule: rec.schedule, counts: affine.counts, assertions: affine.assertions };
}

/** Verifies one proof that hides its witness; returns the claim on frozen tensors that is still to be settled. */
export const verifyHiding = (ch: Channel, plan: Plan, st: Statement): DeferredClaim =>
  verifyHidingStatement(ch, plan, statementElems(ch, plan.program, plan.states, st));

/** The same for a statement given by handles. */
export const verifyHidingStatement = (ch: Channel, plan: Plan, st: StatementElems): DeferredClaim => run(ch, plan, st).claim;

function run(ch: Channel, plan: Plan, st: StatementElems): { claim: DeferredClaim; affine: AffineChannel } {
  const { affine, reduced, form } = reduceHiding(ch, plan, st);
  return { claim: openings(ch, plan, reduced, withPads(ch, plan, form)), affine };
}

/** The claim on the witness with that on its pads. */
export const withPads = (ch: Channel, plan: Plan, form: LinearForm): ((claims: GroupClaim) => GroupClaim) => {
  const value = ch.sub(ch.constant(0n), form.known);
  return ({ roots, weights }) => ({
    roots,
    value,
    weights: (pt) => ch.add(weights(pt), padWeights(ch, plan, form.weights, pt)),
    fold: foldHiding,
  });
};

/**
 * Everything before the openings: claims on the frozen tensors, and one linear claim on the witness, whose part on the
 * pads is `form`.
 */
export function reduceHiding(ch: Channel, plan: Plan, st: StatementElems): { affine: AffineChannel; reduced: Reduced; form: LinearForm } {
  if (!plan.pads) throw new Error('the plan of a proof in clear');
  const affine = new AffineChannel(ch, hiddenMessages(plan)),
    reduced = reduceStatement(affine, plan, st, new PublicValues(affine, plan, st)),
    form = affine.join(reduced.combined.totals.get('witness') ?? ch.constant(0n)),
    { pads, products } = affine.counts;
  if (pads !== plan.pads.pads || products.length !== plan.pads.products.length) throw new Error('pads of another plan');
  return { affine, reduced, form };
}

/** Powers of the generator of E over F. */
const GENERATOR: readonly Ext[] = [
  [1n, 0n, 0n],
  [0n, 1n, 0n],
  [0n, 0n, 1n],
];

/** Extension at `point` of the weights a_n x^j on the cells (j, n) of the block of pads. */
function padWeights(ch: Channel, plan: Plan, weights: readonly Elem[], point: readonly Elem[]): Elem {
  const [block] = plan.layouts.get('witness')!.tensors.get(PADS)!.blocks,
    high = point.slice(0, point.length - block.log),
    low = point.slice(high.length),
    bits = Math.log2(COORDINATES),
    eq = eqTable(ch, low.slice(bits), weights.length);
  const coordinates = GENERATOR.reduce((s, x, j) => ch.mulAdd(eqAt(ch, low.slice(0, bits), j), ch.constant(x), s), ch.constant(0n)),
    slots = weights.reduce((s, a, n) => ch.mulAdd(a, eq[n], s), ch.constant(0n));
  return ch.mul(eqAt(ch, high, block.position / 2 ** block.log), ch.mul(coordinates, slots));
}

/** Weight of a pad's coordinate: x^j. */
export const coordinateWeight = (j: number): Ext => GENERATOR[j];
