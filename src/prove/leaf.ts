import type { Proven } from '../artifact/folded.js';
import { mod } from '../field/goldilocks.js';
import type { Kernels } from '../kernels/runtime.js';
import type { PublishedTotals } from '../policy/epochs.js';
import type { Circuits } from '../recursion/circuits.js';
import type { RecursionClass } from '../recursion/class.js';
import type { RecursionKeys } from '../recursion/keys.js';
import { type Before, type LeafPolicy, leafCircuit } from '../recursion/leaf.js';
import { partStatement } from '../recursion/leaves.js';
import { type NodeProof, flat } from '../recursion/node-words.js';
import { type Run, epochBatches, stepKinds } from '../run/facts.js';
import type { Data } from '../run/inputs.js';
import type { ProofPart, StepProof } from '../run/parts.js';
import type { DetachedClaim } from '../tensor/deferred.js';
import type { Statement } from '../tensor/statement.js';
import { verifyProgram } from '../tensor/verify.js';
import { NativeChannel } from '../transcript/native.js';
import { type Entered, type Passage, countedBy, passPart, passTo, rowsOfPart } from './entered.js';
import { type NodeOptions, type Stack, mergeOn, proveNode } from './node.js';
import type { PolicyWitness } from './policy.js';
import type { LeafRange } from './range.js';

/** What a leaf is made from. */
export interface LeafParts {
  readonly parts: readonly { readonly proof: BigUint64Array; readonly statement: Statement }[];
  readonly before: Before;
  readonly dataset: readonly bigint[];
  readonly epoch: bigint;
  readonly policy?: LeafPolicy;
}

/**
 * Proves leaf `kind` (1, 2, 3: the class's leaves in order) from its program proofs. Throws Error naming the first
 * check that fails.
 */
export function proveLeaf(
  k: Kernels,
  c: RecursionClass,
  keys: RecursionKeys,
  base: Stack,
  kind: number,
  input: LeafParts,
  o: NodeOptions = {},
): NodeProof {
  const s = c.leaves[kind - 1];
  if (input.parts.length !== s.count)
    throw new RangeError(`a leaf of kind ${kind} has ${s.count} program proofs, not ${input.parts.length}`);
  const claims: DetachedClaim[] = [];
  if (s.plan.frozenVars && s.count > 1)
    for (const p of input.parts) {
      const ch = new NativeChannel(k, p.proof);
      try {
        claims.push(verifyProgram(ch, s.plan, p.statement).detach(ch));
      } finally {
        ch.close();
      }
    }
  const given = {
    ...input,
    ...(claims.length > 1 ? { merge: mergeOn(k, c.run.baseVars, base.digest, claims, base.words) } : {}),
    frozen: base.digest,
    key: keys.root,
    first: [mod(base.words[0]), mod(keys.stack[0])] as const,
  };
  return proveNode(k, c, keys, kind, o, (ch) => leafCircuit(ch, c.run, s, kind, given));
}

/** What all jobs of a run share: it follows from manifest, base and data, and no job changes it. */
export interface JobInputs {
  readonly run: Run;
  readonly data: Data;
  readonly base: Stack;
  readonly circuits: Circuits;
  readonly policy: PolicyWitness;
}

/**
 * Where a leaf may begin from: what is entered at its place, or at an earlier one of the same step, and the commitment
 * to the state before that step.
 */
export interface LeafStart extends Entered {
  readonly s: readonly bigint[];
}

/** Names a range and what was given in its place. */
const misfit = (range: LeafRange, why: string): RangeError =>
  new RangeError(`the leaf of step ${range.from.step}, part ${range.from.part}: ${why}`);

/**
 * Proves the leaf of a range from the proofs of its steps. `start` is where the range begins, or an earlier place of
 * that step: what lies between is passed through, which takes hashing its rows again. Also returns where the range
 * ends, the start of the next leaf, so that leaves in order hash every row once, and the totals of the epoch that ends
 * with it. A function of its arguments: the same bytes in any order, in any process, from any such place. Throws
 * RangeError where start or proofs are of another step, Error naming the first check that fails.
 */
export function leafNode(
  k: Kernels,
  { run, data, base, circuits: c, policy }: JobInputs,
  start: LeafStart,
  range: LeafRange,
  proofs: readonly StepProof[],
  o: NodeOptions = {},
): { node: Proven; after: LeafStart; epochs: PublishedTotals[] } {
  if (start.step !== range.from.step || start.part > range.from.part)
    throw misfit(range, `was given step ${start.step}, part ${start.part} as its beginning`);
  const partOf = (step: number, part: number): ProofPart => {
    const p = proofs.find((x) => x.step === step)?.parts[part];
    if (!p) throw misfit(range, `has no proof of step ${step}, part ${part}`);
    return p;
  };
  const passage = { run, data, policy },
    context = { frozen: base.digest, zeroAcc: c.zeroAcc };
  // Parts of the first step that other leaves verify, as far as the start does not know them.
  let entered: Entered = start;
  while (entered.part < range.from.part) entered = passPart(passage, entered, partOf(entered.step, entered.part).loss);
  const before: Before = {
    place: entered.standing,
    s: start.s,
    a: range.from.part === 0 ? c.zeroAcc : partOf(range.from.step, range.from.part - 1).roots['aOut'],
  };
  const given = leafPolicy(passage, entered, range);
  const epochs: PublishedTotals[] = [];
  let at = before;
  const parts = range.parts.map(({ step, part }) => {
    const p = partOf(step, part),
      { statement, after: left } = partStatement(run, data, context, at, step, part, p);
    at = left;
    const counted = countedBy(passage, entered, p.loss),
      ended = part + 1 === stepKinds(run, step).length ? policy.totals(counted.counters, step) : undefined;
    if (ended) epochs.push(ended);
    entered = passTo(passage, entered, left.place, p.loss);
    return { proof: p.proof, statement };
  });
  const dataset = run.manifest.dataset.root.map(BigInt),
    epoch = BigInt(epochBatches(run.manifest)),
    n = proveLeaf(k, c.cls, c.keys, base, range.kind, { parts, before, dataset, epoch, policy: given }, o);
  // Before an update the state is that which the step entered.
  return { node: flat(c.cls, n), after: { ...entered, s: at.s }, epochs };
}

/** What the policy of a leaf needs, which is entered there. */
export function leafPolicy(
  { run, policy }: Pick<Passage, 'run' | 'policy'>,
  { policy: { counters, epochs } }: Pick<Entered, 'policy'>,
  r: Pick<LeafRange, 'parts' | 'from' | 'to'>,
): LeafPolicy {
  const size = rowsOfPart(run);
  return {
    ...policy.leaf(counters, [r.from.step, r.from.part], [r.to.step, r.to.part]),
    epochs,
    parts: r.parts.map(({ step, part }) => {
      const kind = stepKinds(run, step)[part];
      return {
        ...(kind === 'update' ? {} : { batch: policy.batch(step, part * size, size) }),
        ...(kind === 'micro' ? {} : { end: policy.end(step) }),
      };
    }),
  };
}
