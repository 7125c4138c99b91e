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
 * Leaf: verifies `count` program proofs of one kind in order. Each enters the state that the last one left (same wires), absorbs the same context and,
 * where it has frozen tensors, the same frozen digest; place, chains and loss are computed from its public words; several claims on the frozen
 * stack are merged into one, and a program without frozen tensors leaves the trivial claim. Key, dataset root and batches in an epoch are free:
 * whoever accepts the statement compares them.
 *
 * Policy (src/recursion/policy): the rows that a program absorbs, their counters, the micro-batches of a step. A class of a run without a policy publishes zeros,
 * which no verifier of a run takes for the digest of one.
 *
 * Standing. The mask is split into bits, b; targets += sum b, examples += 1 - prod (1 - b) per row. After an update: e = epoch - (drawn + 1),
 *   w = 1 - e y with y free and w e = 0,  so w = 1 if e = 0 (first equation) and w = 0 otherwise (second: E is a field);
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

/** `slot` is the leaf's number among the circuits of its class. */
export function leafCircuit(ch: CircuitChannel, run: RunShape, s: LeafShape, slot: number, given?: LeafInput): void {
  const p = s.plan.program,
    frozen = hints(ch, 8, given?.frozen),
    none = constants(ch, frozenDigest(new BigInt64Array(0))),
    context = hints(ch, 8, given && contextWords(given.parts[0].statement)),
    epoch = ch.word(given?.epoch ?? 0n),
    one = ch.constant(1n);
  const enter = {
    s: hints(ch, STATE_WORDS, given?.before.s),
    a: hints(ch, ACC_WORDS, given?.before.a),
    pos: hints(ch, 7, given?.before.place.pos),
    data: hints(ch, 4, given?.before.place.data),
    losses: hints(ch, 4, given?.before.place.losses),
    schedule: hints(ch, 4, given?.before.place.schedule),
    epochs: hints(ch, 4, given?.policy?.epochs),
  };
  const policy = run.policy && new PolicyLeaf(ch, run.policy, enter.epochs, given?.policy);
  // Whoever accepts the statement compares the policy's digest, and with it this number.
  if (policy) ch.assertEqual(epoch, policy.epochBatches, 'batches in an epoch of the policy');
  const now: Record<'s' | 'a' | 'data' | 'losses' | 'schedule', readonly Elem[]> = { ...enter };
  let [step, micro, targets, round, drawn, examples, total] = enter.pos,
    loss = ch.constant(0n);
  const claims: Claim[] = [],
    names = chained(p);
  for (let i = 0; i < s.count; i++) {
    const g = given?.parts[i];
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
    if (s.plan.frozenVars > 0) claims.push({ point, value });
    for (const { name } of s.plan.states) if (isOut(name)) now[part(name)] = roots[name];
    // A new step starts from zero accumulators.
    if (s.kind === 'update') now.a = constants(ch, run.zeroAcc);

    const link = (chain: 'data' | 'losses' | 'schedule', ...rest: Elem[]): void => {
      now[chain] = ch.hash(DOMAIN.statement, [...now[chain], ...rest, ...names[chain].flatMap((n) => [...publics.get(n)!])]);
    };
    if (names.data.length) link('data', step, micro);
    if (names.losses.length) {
      link('losses', step, micro);
      loss = ch.add(loss, publics.get('loss')![0]);
    }
    const here = { step, micro, epoch: round, drawn },
      own = given?.policy?.parts[i];
    if (policy && s.kind !== 'update') {
      policy.batch(here, rowsOf(p, publics, values), s.kind === 'step', own?.batch);
      policy.loss(publics.get('loss')![0]);
    }
    if (s.kind !== 'update') {
      micro = ch.add(micro, one);
      if (publics.has('mask')) {
        const bits = values.bits(p.tensors.find((t) => t.name === 'mask')!),
          n = counts(
            ch,
            p,
            bits.map(([b]) => b),
          );
        targets = ch.add(n.targets, targets);
        total = ch.add(n.targets, total);
        examples = ch.add(n.examples, examples);
      }
    }
    if (s.kind !== 'micro' || names.schedule.length) link('schedule', step, micro, targets);
    if (s.kind === 'micro') continue;
    const counted = targets;
    step = ch.add(step, one);
    micro = targets = ch.constant(0n);
    const next = ch.add(drawn, one),
      left = ch.sub(epoch, next),
      e = ch.value(left)[0],
      wrap = ch.sub(one, ch.mul(left, ch.word(given && e !== 0n ? invert(e) : 0n)));
    ch.assertEqual(ch.mul(wrap, left), ch.constant(0n), 'epoch');
    policy?.endStep(here, s.kind === 'step' ? undefined : run.policy!.size, counted, wrap, undefined, own?.end);
    round = ch.add(round, wrap);
    drawn = ch.sub(next, ch.mul(wrap, next));
  }
  const none4 = constants(ch, [0n, 0n, 0n, 0n]),
    after = policy?.finish(s.kind === 'micro');
  let base = claims.length ? flat(ch, claims[0]) : trivial(ch, run.baseVars, ch.word(given?.first[0] ?? 0n));
  if (claims.length > 1) {
    ch.open(given && (given.merge ?? new BigUint64Array(0)));
    base = flat(ch, mergeClaims(ch, run.baseVars, frozen, claims));
    ch.finish();
  }
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
    posOut: [step, micro, targets, round, drawn, examples, total],
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
    loss: [loss],
    base,
    columns: trivial(ch, run.keyVars, ch.word(given?.first[1] ?? 0n)),
  };
  publish(ch, wires, layout(run.baseVars, run.keyVars));
}
