import type { CircuitChannel } from '../circuit/channel.js';
import { inv as invert } from '../field/goldilocks.js';
import { DOMAIN } from '../hash/poseidon2.js';
import { ROW_SCALARS } from '../optim/constants.js';
import type { Plan } from '../tensor/plan.js';
import { type StateName, ACC_WORDS, STATE_WORDS, commitmentLayout, isOut } from '../tensor/state-layout.js';
import { type Statement, contextWords, frozenDigest, packPublic, packing, publicTensors } from '../tensor/statement.js';
import type { Program } from '../tensor/types.js';
import { PublicValues } from '../tensor/public-values.js';
import { verifyStatement } from '../tensor/verify.js';
import type { Elem } from '../transcript/arith.js';
import { mergeClaims } from './merge.js';
import { type BatchInput, type EndInput, type LeafPolicyShape, type PolicyInput, PolicyLeaf } from './policy/leaf.js';
import type { RowElems } from './policy/rows.js';
import type { ScheduleElems } from './policy/schedule.js';
import { type NodeStatement, type Standing, layout, rowWidth } from './statement.js';
import type { PartKind } from '../run/parts.js';
import { type Claim, constants, flat, hints, publish, trivial } from './wires.js';

/*
 * Leaf: verifies `count` program proofs of one kind in order. Each enters the state that the last one left (same
 * wires), absorbs the same context and, where it has frozen tensors, the same frozen digest; place, chains and loss are
 * computed from its public words, as far as the policy shows them; several claims on the frozen stack are merged into
 * one, and a program without frozen tensors leaves the trivial claim. Key, dataset root and batches in an epoch are
 * free: whoever accepts the statement compares them.
 *
 * Policy (src/recursion/policy): the rows that a program absorbs, their counters, the micro-batches of a step, its
 * scalars. A class of a run without a policy binds none of these and publishes zeros, which no verifier of a run takes
 * for the digest of one.
 *
 * Standing. The mask is split into bits, b; targets += sum b, examples += 1 for every row that is present, which has a
 * target (without a policy: 1 - prod (1 - b) per row). After an update: e = epoch - (drawn + 1),
 *   w = 1 - e y with y free and w e = 0,  so w = 1 if e = 0 (first equation) and w = 0 otherwise (second: E is a
 *                                         field);
 *   round += w, drawn = (1 - w)(drawn + 1).
 */

/** What the leaves of a run have in common. */
export interface RunShape {
  /** Digest of the run's programs. */ readonly programs: readonly bigint[];
  /** Commitment of zero accumulators, with which the first micro-batch begins; ten zeros without accumulation. */
  readonly zeroAcc: readonly bigint[];
  readonly baseVars: number;
  readonly keyVars: number;
  /** What the rows of a run obey; programs of other shapes (tests) have none. */ readonly policy?: RunPolicyShape;
  /** Whether leaves look up ids (rows of T and I); else their bits are multiplied. */ readonly lookUp?: boolean;
}
/** Policy of the leaves of a run: its shape, and the rows of a program. */
export interface RunPolicyShape extends LeafPolicyShape {
  readonly size: number;
}
/** One leaf circuit: so many program proofs of a kind. */
export interface LeafShape {
  readonly kind: PartKind;
  readonly count: number;
  readonly plan: Plan;
}
/** State commitments and place where a node begins. */
export interface Before {
  readonly place: Standing;
  readonly s: readonly bigint[];
  readonly a: readonly bigint[];
}
export interface LeafInput {
  readonly parts: readonly { readonly proof: BigUint64Array; readonly statement: Statement }[];
  readonly before: Before;
  readonly frozen: readonly bigint[];
  readonly dataset: readonly bigint[];
  readonly epoch: bigint;
  readonly key: readonly bigint[];
  readonly policy?: LeafPolicy;
  /** Proof of the merge of the parts' claims, where there are several. */ readonly merge?: BigUint64Array;
  /** First words of the frozen stack and of the stack of fixed columns. */ readonly first: readonly [bigint, bigint];
}

/** What a prover gives for the policy: counters and chain that are entered, and for every program what it needs. */
export interface LeafPolicy extends PolicyInput {
  readonly epochs: readonly bigint[];
  readonly parts: readonly { readonly batch?: BatchInput; readonly end?: EndInput }[];
}

/** State that a commitment is to. */
const part = (name: StateName): 's' | 'a' => name[0] as 's' | 'a';

/** Targets and examples of a mask given by its bits. */
function counts(ch: CircuitChannel, p: Program, bits: readonly Elem[]): { targets: Elem; examples: Elem } {
  const width = rowWidth(p),
    one = ch.constant(1n);
  let targets = ch.constant(0n),
    examples = ch.constant(0n);
  for (let at = 0; at < bits.length; at += width) {
    let none = one;
    for (const b of bits.slice(at, at + width)) {
      targets = ch.add(b, targets);
      none = ch.sub(none, ch.mul(none, b));
    }
    examples = ch.add(ch.sub(one, none), examples);
  }
  return { targets, examples };
}

/** Bits of a program's mask. */
const maskBits = (p: Program, values: PublicValues): Elem[] => values.bits(p.tensors.find((t) => t.name === 'mask')!).map(([b]) => b);

/** Rows of a program as its proof absorbs them. */
function rowsOf(p: Program, publics: ReadonlyMap<string, readonly Elem[]>, values: PublicValues): RowElems[] {
  const spec = (name: string) => p.tensors.find((t) => t.name === name)!,
    [tokens, mask] = ['tokens', 'mask'].map((n) => packing(p, spec(n))),
    bits = maskBits(p, values);
  return Array.from({ length: mask.cells / mask.width }, (_, r) => ({
    tokens: publics.get('tokens')!.slice(r * tokens.rowWords, (r + 1) * tokens.rowWords),
    mask: publics.get('mask')!.slice(r * mask.rowWords, (r + 1) * mask.rowWords),
    bits: bits.slice(r * mask.width, (r + 1) * mask.width),
  }));
}

type Chain = 'losses' | 'targets';

/** Bits of a signed number that hold a program's loss. */
const lossBits = (p: Program): number => {
  const { lo, hi } = p.tensors.find((t) => t.name === 'loss')!;
  return (hi > -lo ? hi : -lo).toString(2).length + 1;
};

/** Names of a program's public inputs that are neither data nor a loss. */
const scalarNames = (p: Program): string[] =>
  publicTensors(p)
    .filter((t) => packing(p, t).bits === 0 && t.name !== 'loss')
    .map((t) => t.name);

/**
 * Scalars of an update, which a policy binds by its schedule. Throws Error for a program with others: nothing would
 * bind them.
 */
function scalarsOf(p: Program, publics: ReadonlyMap<string, readonly Elem[]>): ScheduleElems {
  const clip = publics.has('clipN') ? 'clipN' : 'clipC',
    want = [...ROW_SCALARS, clip];
  if (scalarNames(p).sort().join() !== want.sort().join()) throw new Error(`${p.name}: scalars that no schedule has`);
  return {
    scalars: ROW_SCALARS.map((n) => publics.get(n)![0]),
    clip: { name: clip, frac: p.tensors.find((t) => t.name === clip)!.frac, value: publics.get(clip)![0] },
  };
}

/** Wires that all programs of a leaf share. */
const sharedWires = (ch: CircuitChannel, given?: LeafInput) => ({
  frozen: hints(ch, 8, given?.frozen),
  none: constants(ch, frozenDigest(new BigInt64Array(0))),
  context: hints(ch, 8, given && contextWords(given.parts[0].statement)),
  epoch: ch.word(given?.epoch ?? 0n),
  one: ch.constant(1n),
});

/** Wires of what a leaf enters. */
const enteredWires = (ch: CircuitChannel, given?: LeafInput) => ({
  s: hints(ch, STATE_WORDS, given?.before.s),
  a: hints(ch, ACC_WORDS, given?.before.a),
  pos: hints(ch, 7, given?.before.place.pos),
  losses: hints(ch, 4, given?.before.place.losses),
  targets: hints(ch, 4, given?.before.place.targets),
  epochs: hints(ch, 4, given?.policy?.epochs),
});

/** Where a leaf stands on wires: states, chains, place, loss. Its programs pass one after the other. */
class LeafPassage {
  readonly now: Record<'s' | 'a' | Chain, readonly Elem[]>;
  readonly claims: Claim[] = [];
  #step: Elem;
  #micro: Elem;
  #targets: Elem;
  #round: Elem;
  #drawn: Elem;
  #examples: Elem;
  #total: Elem;
  #loss: Elem;

  constructor(
    readonly ch: CircuitChannel,
    readonly run: RunShape,
    readonly s: LeafShape,
    readonly shared: ReturnType<typeof sharedWires>,
    enter: ReturnType<typeof enteredWires>,
    readonly policy?: PolicyLeaf,
    readonly given?: LeafInput,
  ) {
    this.now = { s: enter.s, a: enter.a, losses: enter.losses, targets: enter.targets };
    [this.#step, this.#micro, this.#targets, this.#round, this.#drawn, this.#examples, this.#total] = enter.pos;
    this.#loss = ch.constant(0n);
  }
  get pos(): readonly Elem[] {
    return [this.#step, this.#micro, this.#targets, this.#round, this.#drawn, this.#examples, this.#total];
  }
  get loss(): Elem {
    return this.#loss;
  }

  /** Verifies the leaf's program `i` and passes on. */
  program(i: number): void {
    const { ch, s, policy } = this,
      { program } = s.plan,
      { publics, values } = this.#verified(this.given?.parts[i]),
      here = { step: this.#step, micro: this.#micro, epoch: this.#round, drawn: this.#drawn },
      own = this.given?.policy?.parts[i],
      loss = publics.get('loss')?.[0];
    if (loss) {
      this.#link('losses', policy?.show.stepLosses, this.#step, this.#micro, loss);
      this.#loss = policy ? ch.mulAdd(policy.show.losses, loss, this.#loss) : ch.add(this.#loss, loss);
    }
    if (s.kind !== 'update') {
      if (policy && s.kind === 'micro' && scalarNames(program).length) throw new Error(`${program.name}: a micro-batch with scalars`);
      const added = policy
        ? policy.batch(here, rowsOf(program, publics, values), s.kind === 'step', own?.batch)
        : counts(ch, program, publics.has('mask') ? maskBits(program, values) : []);
      policy?.loss(loss!, lossBits(program));
      this.#micro = ch.add(this.#micro, this.shared.one);
      this.#targets = ch.add(added.targets, this.#targets);
      this.#total = policy ? ch.mulAdd(policy.show.targets, added.targets, this.#total) : ch.add(added.targets, this.#total);
      this.#examples = ch.add(added.examples, this.#examples);
    }
    if (s.kind !== 'micro') this.#endStep(here, publics, own?.end);
  }

  /** The proof of a program from the states at hand, which it leaves behind it. */
  #verified(g?: LeafInput['parts'][number]): { publics: ReadonlyMap<string, readonly Elem[]>; values: PublicValues } {
    const { ch, s, now } = this,
      { context, frozen, none } = this.shared,
      p = s.plan.program;
    const publics = new Map(
      publicTensors(p).map(
        (t) => [t.name, hints(ch, packing(p, t).words, g && packPublic(p, t, g.statement.publics.get(t.name)))] as const,
      ),
    );
    const roots = Object.fromEntries(
      s.plan.states.map((t) => [
        t.name,
        isOut(t.name) ? hints(ch, commitmentLayout(t).words, g?.statement.roots[t.name]) : now[part(t.name)],
      ]),
    );
    ch.open(g?.proof);
    const st = { context, frozen: s.plan.frozenVars > 0 ? frozen : none, publics, roots },
      values = new PublicValues(ch, s.plan, st, this.run.lookUp ? ch : undefined),
      { point, value } = verifyStatement(ch, s.plan, st, values).take();
    ch.finish();
    if (s.plan.frozenVars > 0) this.claims.push({ point, value });
    for (const { name } of s.plan.states) if (isOut(name)) now[part(name)] = roots[name];
    // A new step starts from zero accumulators.
    if (s.kind === 'update') now.a = constants(ch, this.run.zeroAcc);
    return { publics, values };
  }

  /** A link more, where it is shown. */
  #link(chain: Chain, shown: Elem | undefined, ...words: Elem[]): void {
    const { ch, now } = this,
      before = now[chain],
      after = ch.hash(DOMAIN.statement, [...before, ...words]);
    now[chain] = shown ? before.map((x, k) => ch.select(shown, after[k], x)) : after;
  }

  /** A step more: the epoch ends where all of its batches are drawn. */
  #endStep(here: Parameters<PolicyLeaf['endStep']>[0], publics: ReadonlyMap<string, readonly Elem[]>, end: EndInput | undefined): void {
    const { ch, s, policy } = this,
      { one, epoch } = this.shared,
      counted = this.#targets;
    this.#link('targets', policy?.show.stepTargets, this.#step, counted);
    this.#step = ch.add(this.#step, one);
    this.#micro = this.#targets = ch.constant(0n);
    const next = ch.add(this.#drawn, one),
      left = ch.sub(epoch, next),
      e = ch.value(left)[0],
      wrap = ch.sub(one, ch.mul(left, ch.word(this.given && e !== 0n ? invert(e) : 0n)));
    ch.assertEqual(ch.mul(wrap, left), ch.constant(0n), 'epoch');
    policy?.endStep(here, s.kind === 'step' ? undefined : this.run.policy!.size, counted, wrap, scalarsOf(s.plan.program, publics), end);
    this.#round = ch.add(this.#round, wrap);
    this.#drawn = ch.sub(next, ch.mul(wrap, next));
  }
}

/**
 * The one claim on the frozen stack that a leaf leaves: of its programs' claims, merged, or where they have none the
 * trivial one.
 */
function baseClaim(ch: CircuitChannel, run: RunShape, frozen: readonly Elem[], claims: readonly Claim[], given?: LeafInput): Elem[] {
  const base = claims.length ? flat(ch, claims[0]) : trivial(ch, run.baseVars, ch.word(given?.first[0] ?? 0n));
  if (claims.length <= 1) return base;
  ch.open(given && (given.merge ?? new BigUint64Array(0)));
  const merged = flat(ch, mergeClaims(ch, run.baseVars, frozen, claims));
  ch.finish();
  return merged;
}

/** `slot` is the leaf's number among the circuits of its class. */
export function leafCircuit(ch: CircuitChannel, run: RunShape, s: LeafShape, slot: number, given?: LeafInput): void {
  const shared = sharedWires(ch, given),
    { context, frozen, epoch } = shared,
    enter = enteredWires(ch, given),
    policy = run.policy && new PolicyLeaf(ch, run.policy, enter.epochs, given?.policy);
  // Whoever accepts the statement compares the policy's digest, and with it this number.
  if (policy) ch.assertEqual(epoch, policy.epochBatches, 'batches in an epoch of the policy');
  const passage = new LeafPassage(ch, run, s, shared, enter, policy, given),
    { now, claims } = passage;
  for (let i = 0; i < s.count; i++) passage.program(i);
  const none4 = constants(ch, [0n, 0n, 0n, 0n]),
    after = policy?.finish(s.kind === 'micro'),
    base = baseClaim(ch, run, frozen, claims, given);
  const wires: Record<keyof NodeStatement, readonly Elem[]> = {
    kind: [ch.constant(BigInt(slot))],
    key: hints(ch, 4, given?.key),
    program: constants(ch, run.programs),
    context,
    dataset: hints(ch, 4, given?.dataset),
    frozen,
    epoch: [epoch],
    policy: policy?.digest ?? none4,
    posIn: enter.pos,
    posOut: passage.pos,
    sIn: enter.s,
    aIn: enter.a,
    sOut: now.s,
    aOut: now.a,
    lossesIn: enter.losses,
    lossesOut: now.losses,
    targetsIn: enter.targets,
    targetsOut: now.targets,
    countersIn: policy?.countersIn ?? none4,
    countersOut: after?.counters ?? none4,
    epochsIn: enter.epochs,
    epochsOut: after?.epochs ?? enter.epochs,
    loss: [passage.loss],
    base,
    columns: trivial(ch, run.keyVars, ch.word(given?.first[1] ?? 0n)),
  };
  publish(ch, wires, layout(run.baseVars, run.keyVars));
}
