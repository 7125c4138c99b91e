import type { CircuitChannel } from '../circuit/channel.js';
import { inv as invert } from '../field/goldilocks.js';
import { DOMAIN } from '../hash/poseidon2.js';
import type { Plan } from '../tensor/plan.js';
import { type StateName, ACC_WORDS, STATE_WORDS, commitmentLayout, isOut } from '../tensor/state-layout.js';
import { type Statement, contextWords, frozenDigest, packPublic, packing, publicTensors } from '../tensor/statement.js';
import type { Program } from '../tensor/types.js';
import { PublicValues } from '../tensor/public-values.js';
import { verifyStatement } from '../tensor/verify.js';
import type { Elem } from '../transcript/arith.js';
import { mergeClaims } from './merge.js';
import type { PolicyShape } from '../policy/vector.js';
import { type BatchInput, type EndInput, type PolicyInput, PolicyLeaf } from './policy/leaf.js';
import type { RowElems } from './policy/rows.js';
import { type NodeStatement, type Standing, chained, layout, rowWidth } from './statement.js';
import type { PartKind } from '../run/parts.js';
import { type Claim, constants, flat, hints, publish, trivial } from './wires.js';

/*
 * Leaf: verifies `count` program proofs of one kind in order. Each enters the state that the last one left (same
 * wires), absorbs the same context and, where it has frozen tensors, the same frozen digest; place, chains and loss are
 * computed from its public words; several claims on the frozen stack are merged into one, and a program without frozen
 * tensors leaves the trivial claim. Key, dataset root and batches in an epoch are free: whoever accepts the statement
 * compares them.
 *
 * Policy (src/recursion/policy): the rows that a program absorbs, their counters, the micro-batches of a step. A class
 * of a run without a policy publishes zeros, which no verifier of a run takes for the digest of one.
 *
 * Standing. The mask is split into bits, b; targets += sum b, examples += 1 - prod (1 - b) per row. After an update: e
 * = epoch - (drawn + 1),
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
}
/** Policy of the leaves of a run: its shape, and the rows of a program. */
export interface RunPolicyShape extends PolicyShape {
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

/** Rows of a program as its proof absorbs them. */
function rowsOf(p: Program, publics: ReadonlyMap<string, readonly Elem[]>, values: PublicValues): RowElems[] {
  const spec = (name: string) => p.tensors.find((t) => t.name === name)!,
    [tokens, mask] = ['tokens', 'mask'].map((n) => packing(p, spec(n))),
    bits = values.bits(spec('mask')).map(([b]) => b);
  return Array.from({ length: mask.cells / mask.width }, (_, r) => ({
    tokens: publics.get('tokens')!.slice(r * tokens.rowWords, (r + 1) * tokens.rowWords),
    mask: publics.get('mask')!.slice(r * mask.rowWords, (r + 1) * mask.rowWords),
    bits: bits.slice(r * mask.width, (r + 1) * mask.width),
  }));
}

type Chain = 'data' | 'losses' | 'schedule';

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
  data: hints(ch, 4, given?.before.place.data),
  losses: hints(ch, 4, given?.before.place.losses),
  schedule: hints(ch, 4, given?.before.place.schedule),
  epochs: hints(ch, 4, given?.policy?.epochs),
});

/** Where a leaf stands on wires: states, chains, place, loss. Its programs pass one after the other. */
class LeafPassage {
  readonly now: Record<'s' | 'a' | Chain, readonly Elem[]>;
  readonly claims: Claim[] = [];
  readonly #names: ReturnType<typeof chained>;
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
    this.now = { s: enter.s, a: enter.a, data: enter.data, losses: enter.losses, schedule: enter.schedule };
    [this.#step, this.#micro, this.#targets, this.#round, this.#drawn, this.#examples, this.#total] = enter.pos;
    this.#loss = ch.constant(0n);
    this.#names = chained(s.plan.program);
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
      names = this.#names,
      { publics, values } = this.#verified(this.given?.parts[i]);
    if (names.data.length) this.#link('data', publics, this.#step, this.#micro);
    if (names.losses.length) {
      this.#link('losses', publics, this.#step, this.#micro);
      this.#loss = ch.add(this.#loss, publics.get('loss')![0]);
    }
    const here = { step: this.#step, micro: this.#micro, epoch: this.#round, drawn: this.#drawn },
      own = this.given?.policy?.parts[i];
    if (policy && s.kind !== 'update') {
      policy.batch(here, rowsOf(s.plan.program, publics, values), s.kind === 'step', own?.batch);
      policy.loss(publics.get('loss')![0]);
    }
    if (s.kind !== 'update') this.#countRows(publics, values);
    if (s.kind !== 'micro' || names.schedule.length) this.#link('schedule', publics, this.#step, this.#micro, this.#targets);
    if (s.kind !== 'micro') this.#endStep(here, own?.end);
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
      values = new PublicValues(ch, s.plan, st),
      { point, value } = verifyStatement(ch, s.plan, st, values).take();
    ch.finish();
    if (s.plan.frozenVars > 0) this.claims.push({ point, value });
    for (const { name } of s.plan.states) if (isOut(name)) now[part(name)] = roots[name];
    // A new step starts from zero accumulators.
    if (s.kind === 'update') now.a = constants(ch, this.run.zeroAcc);
    return { publics, values };
  }

  #link(chain: Chain, publics: ReadonlyMap<string, readonly Elem[]>, ...rest: Elem[]): void {
    const { ch, now } = this;
    now[chain] = ch.hash(DOMAIN.statement, [...now[chain], ...rest, ...this.#names[chain].flatMap((n) => [...publics.get(n)!])]);
  }

  /** A micro-batch more, with its targets and examples. */
  #countRows(publics: ReadonlyMap<string, readonly Elem[]>, values: PublicValues): void {
    const { ch } = this,
      p = this.s.plan.program;
    this.#micro = ch.add(this.#micro, this.shared.one);
    if (!publics.has('mask')) return;
    const bits = values.bits(p.tensors.find((t) => t.name === 'mask')!),
      n = counts(
        ch,
        p,
        bits.map(([b]) => b),
      );
    this.#targets = ch.add(n.targets, this.#targets);
    this.#total = ch.add(n.targets, this.#total);
    this.#examples = ch.add(n.examples, this.#examples);
  }

  /** A step more: the epoch ends where all of its batches are drawn. */
  #endStep(here: Parameters<PolicyLeaf['endStep']>[0], end: EndInput | undefined): void {
    const { ch, s } = this,
      { one, epoch } = this.shared,
      counted = this.#targets;
    this.#step = ch.add(this.#step, one);
    this.#micro = this.#targets = ch.constant(0n);
    const next = ch.add(this.#drawn, one),
      left = ch.sub(epoch, next),
      e = ch.value(left)[0],
      wrap = ch.sub(one, ch.mul(left, ch.word(this.given && e !== 0n ? invert(e) : 0n)));
    ch.assertEqual(ch.mul(wrap, left), ch.constant(0n), 'epoch');
    this.policy?.endStep(here, s.kind === 'step' ? undefined : this.run.policy!.size, counted, wrap, undefined, end);
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
    dataIn: enter.data,
    dataOut: now.data,
    lossesIn: enter.losses,
    lossesOut: now.losses,
    scheduleIn: enter.schedule,
    scheduleOut: now.schedule,
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
