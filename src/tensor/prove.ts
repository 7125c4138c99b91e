/**
 * Proof of a program, in the phases of the verifier (verify.ts): absorb, lookups, constraints, claims, openings. What a
 * phase allocates ends with it, but for stacks and trees.
 */
import { elements } from '../device/batches.js';
import { accelerated, cpuDeviceOf, deviceOf } from '../device/current.js';
import type { Device } from '../device/device.js';
import { WrongDeviceError } from '../device/errors.js';
import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
import { type WhirGroup, groupCells } from '../pcs/params.js';
import { prefixWeight } from '../lookup/eq.js';
import { type GroupOpening, openWhir } from '../pcs/prove.js';
import { type Oracle, openBytes } from '../pcs/commit.js';
import { openingDevice } from '../pcs/vectors.js';
import { type Tiled, ProductSumcheck } from '../sumcheck/product.js';
import { type Ext, VerificationError } from '../transcript/arith.js';
import { NativeChannel } from '../transcript/native.js';
import { type MessageHook, type MessagePads, ProverChannel } from '../transcript/prover.js';
import type { Schedule } from '../transcript/schedule.js';
import type { SpongeOf } from '../transcript/sponge.js';
import { evaluateStack } from './deferred.js';
import { type IntegerReading, OverflowError } from './integer.js';
import { PADS, type Plan, hashOf, keyGroup, stateGroup } from './plan.js';
import { preamble } from './preamble.js';
import { type OperandClaims, constraints } from './prove-constraints.js';
import { type LookupClaims, type LookupKeys, lookupKeys, lookups } from './prove-lookups.js';
import { scheduleOf } from './schedule.js';
import { type StateOracles, commitState, commitTree, stackOf, stateParts } from './state-commit.js';
import { type StateSalts, commitmentLayout } from './state-layout.js';
import type { StateTrees } from './state-trees.js';
import { type Statement, publicTensors } from './statement.js';
import { type Claim, type Powers, type StackPart, stackTiles, weightTiles } from './tiles.js';
import type { TensorClass } from './types.js';
import { verifyProgram } from './verify.js';

export interface ProveOptions {
  readonly hook?: MessageHook;
  readonly onPhase?: (name: string) => void;
  /**
   * The reading has its inputs alone: its steps run here, where the proof is made. On a device nothing else tells
   * whether they are right: each relation has one witness, and the proof is verified before anybody sees it.
   */
  readonly train?: true;
  /** Frozen digest, from the one who computed the stack. */
  readonly frozenDigest: readonly bigint[];
  /** Context of the statement: digest of a manifest. */
  readonly context?: readonly bigint[];
  /** Salts of the states' roots; zero where none is given. */
  readonly salts?: StateSalts;
  /** Trees that earlier proofs have made and later ones may use. */
  readonly trees?: StateTrees;
  /** The tree of the frozen stack (saveTree), where that is opened here. */
  readonly keyTree?: Uint8Array;
  /** Another transcript, of a test that chooses challenges. */
  readonly sponge?: SpongeOf;
}

/** What a proof that hides its witness does otherwise: see prove-hiding.ts. */
export interface Hiding {
  /** Pads of messages, and the address of their cells. */
  readonly pads: MessagePads;
  readonly cells: number;
  readonly schedule: Schedule;
  commit(stack: Tiled, g: WhirGroup, keep: number): Oracle;
  /** What is opened of the witness, from the claims of the statement. */
  open(ch: ProverChannel, statement: Statement, claims: GroupOpening): GroupOpening;
}

/**
 * Proves that the reading satisfies its program. Throws OverflowError where a lookup has no row. Returns proof words
 * and statement.
 */
export function proveProgram(
  k: Kernels,
  plan: Plan,
  reading: IntegerReading,
  o: ProveOptions,
): { proof: BigUint64Array; statement: Statement } {
  if (plan.pads) throw new Error('a plan that hides the witness is proved by proveHiding');
  return accelerated(k, {
    make: () => proveWith(k, plan, reading, o),
    check: (made, device) => verifyMade(k, plan, reading, made, device, o.sponge),
    undo: () => o.trees?.clear(),
  });
}

/** Verifies what a device beside the CPU has made, and settles its claim on the frozen tensors by their cells. */
function verifyMade(
  k: Kernels,
  plan: Plan,
  reading: IntegerReading,
  { proof, statement }: { readonly proof: BigUint64Array; readonly statement: Statement },
  device: Device,
  sponge: SpongeOf | undefined,
): void {
  try {
    k.scope(() => {
      const ch = new NativeChannel(k, proof, hashOf(plan), sponge);
      const deferred = verifyProgram(ch, plan, statement);
      ch.finish();
      const { point, value } = deferred.detach(ch);
      if (point.length > 0 && !E.eq(frozenAt(k, plan, reading, point), value))
        throw new VerificationError('frozen weights', 'the claim on base weights and tables does not hold');
    });
  } catch (e) {
    if (e instanceof VerificationError)
      throw new WrongDeviceError(device.name, `a proof that it had a part in does not hold: ${e.message}`);
    throw e;
  }
}

/** Cells of a tile in which the frozen stack is evaluated (log2). */
const EVALUATED = 18;

/** The extension of the frozen stack at a point, tile by tile from its tensors. */
function frozenAt(k: Kernels, plan: Plan, reading: IntegerReading, point: readonly Ext[]): Ext {
  const { cells } = plan.layouts.get('frozen')!,
    log = Math.min(EVALUATED, point.length),
    high = point.length - log,
    { fill } = stackTiles(k, plan, [{ cls: 'frozen', at: 0 }], cells, (n) => reading.ptr.get(n)!);
  return k.scope(() => {
    const tile = k.alloc(8 * 2 ** log);
    let sum: Ext = E.ZERO;
    for (let at = 0; at < cells; at += 2 ** log) {
      fill(tile, at, log);
      const part = evaluateStack(k, tile, 2 ** log, point.slice(high));
      sum = E.add(sum, E.mul(prefixWeight(point.slice(0, high), at / 2 ** log), part));
    }
    return sum;
  });
}

/** Keys of the lookups, of a reading that is run first if it has its inputs alone. */
function keysOf(k: Kernels, plan: Plan, reading: IntegerReading, { train }: ProveOptions): LookupKeys {
  const d = deviceOf(k, hashOf(plan));
  if (train) reading.run(undefined, d);
  try {
    return lookupKeys(k, plan, reading, d);
  } catch (e) {
    if (!train || !d.waits || !(e instanceof OverflowError)) throw e;
    // Either the CPU finds it too, or the device has trained wrongly.
    reading.run();
    lookupKeys(k, plan, reading, cpuDeviceOf(k));
    throw new WrongDeviceError(d.name, `${e.message}, which is not so on the CPU`);
  }
}

/** The same, hiding the witness or not. */
export function proveWith(
  k: Kernels,
  plan: Plan,
  reading: IntegerReading,
  o: ProveOptions,
  hide?: Hiding,
): { proof: BigUint64Array; statement: Statement } {
  const phase = o.onPhase ?? (() => {});
  return k.scope(() => {
    phase('keys');
    const keys = keysOf(k, plan, reading, o),
      address = (name: string): number =>
        name === PADS && hide ? hide.cells : (reading.ptr.get(name) ?? keys.mult64[plan.multNames.indexOf(name)]);
    phase('commit');
    const absorbed = absorb(k, plan, reading, address, o, hide),
      { ch } = absorbed;
    phase('logup');
    const looked = lookups(k, ch, plan, reading, keys, address);
    phase('sumcheck');
    const d = deviceOf(k, ch.hash),
      reduced = k.scope(() => d.scope(() => constraints(k, ch, plan, reading, looked, address)));
    phase('weights');
    const combined = claims(plan, absorbed, looked, reduced);
    openings(k, plan, reading, absorbed, looked, reduced, combined, o, hide);
    return { proof: ch.words(), statement: absorbed.statement };
  });
}

/** The channel after the statement, and what is committed: stacks and trees of witness and state. */
interface Absorbed {
  readonly ch: ProverChannel;
  readonly statement: Statement;
  readonly state: StateOracles | undefined;
  readonly stack: Tiled;
  readonly oracle: Oracle;
}

function absorb(
  k: Kernels,
  plan: Plan,
  reading: IntegerReading,
  address: (name: string) => number,
  o: ProveOptions,
  hide: Hiding | undefined,
): Absorbed {
  const state = commitState(k, plan, reading, o.trees, o.salts),
    publics = new Map<string, BigInt64Array | Int32Array>();
  for (const t of publicTensors(plan.program)) publics.set(t.name, reading.ids.get(t.name) ?? reading.read(t.name));
  const statement: Statement = {
    ...(o.context ? { context: o.context } : {}),
    roots: state?.roots ?? {},
    frozen: o.frozenDigest,
    publics,
  };
  const ch = new ProverChannel(hide?.schedule ?? scheduleOf(plan, statement), {
    grinder: k,
    hash: hashOf(plan),
    ...(o.hook ? { hook: o.hook } : {}),
    ...(hide ? { pads: hide.pads } : {}),
    ...(o.sponge ? { sponge: o.sponge } : {}),
  });
  for (const w of preamble(plan, statement)) ch.publicWords(w.label, w.words);
  const [main] = plan.whir.groups,
    stack = stackOf(k, plan, [{ cls: 'witness', at: 0 }], groupCells(main), main.logHeight, address);
  // What LogUp keeps at its peak (two elements per leaf above the first layer) and a fourth again go before the
  // codeword, as does the opening.
  const leaves = plan.logup.boxes.reduce((n, b) => n + b.dims.reduce((x, y) => x * y, 1), 0),
    keep = k.room - Math.max(60 * leaves, openBytes(plan.whir)),
    oracle = hide ? hide.commit(stack, main, keep) : commitTree(k, plan, main, 0, stack, keep);
  ch.sendDigest('root witness', oracle.root);
  return { ch, statement, state, stack, oracle };
}

/** Claims on each committed class with their coefficients, powers of one challenge, and what they sum to. */
interface CombinedClaims {
  readonly of: ReadonlyMap<TensorClass, readonly Claim[]>;
  readonly totals: ReadonlyMap<TensorClass, Ext>;
  /** The values of the commitments to state, as weights on their stack. */
  readonly states: readonly Powers[];
  readonly stateTotal: Ext;
}

function claims(plan: Plan, a: Absorbed, l: LookupClaims, c: OperandClaims): CombinedClaims {
  const alpha = a.ch.sample('alpha');
  let power: Ext = E.ONE;
  const of = new Map<TensorClass, Claim[]>(),
    totals = new Map<TensorClass, Ext>();
  for (const { factor, value } of [...l.tables, ...c.operands]) {
    const { cls } = factor.tensor;
    of.set(cls, [...(of.get(cls) ?? []), { factor, coefficient: power }]);
    totals.set(cls, E.add(totals.get(cls) ?? E.ZERO, E.mul(power, value)));
    power = E.mul(power, alpha);
  }
  const group = stateGroup(plan),
    states: Powers[] = [];
  let stateTotal = E.ZERO;
  plan.states.forEach((t, n) => {
    const { point, value } = commitmentLayout(t),
      words = a.statement.roots[t.name],
      element = (at: number): Ext => [words[at], words[at + 1], words[at + 2]],
      H = 2 ** group!.logHeight;
    t.classes.forEach((_, i) => {
      const { used, offset } = group!.trees[n].parts[i];
      states.push({ at: offset * H, length: used * H, z: element(point), coefficient: power });
      stateTotal = E.add(stateTotal, E.mul(power, element(value(i))));
      power = E.mul(power, alpha);
    });
  });
  return { of, totals, states, stateTotal };
}

/** The frozen stack by a sumcheck down to one evaluation; witness and state by their openings. */
function openings(
  k: Kernels,
  plan: Plan,
  reading: IntegerReading,
  a: Absorbed,
  l: LookupClaims,
  c: OperandClaims,
  combined: CombinedClaims,
  o: ProveOptions,
  hide: Hiding | undefined,
): void {
  const phase = o.onPhase ?? (() => {}),
    { of, totals } = combined,
    weights = (parts: readonly StackPart[], cells: number, powers: readonly Powers[] = []): Tiled =>
      weightTiles(openingDevice(k, a.ch), plan, parts, cells, of, l.rho, c.points, powers),
    ofGroup = (parts: readonly StackPart[], g: WhirGroup, powers?: readonly Powers[]): Tiled => ({
      ...weights(parts, groupCells(g), powers),
      maxLog: g.logHeight,
    });
  const key = keyGroup(plan),
    witness: GroupOpening = {
      oracles: [a.oracle],
      f: a.stack,
      w: ofGroup([{ cls: 'witness', at: 0 }], plan.whir.groups[0]),
      value: totals.get('witness') ?? E.ZERO,
    },
    // Before anything else is sent: it draws challenges.
    hidden = hide?.open(a.ch, a.statement, witness);
  if (of.has('frozen') && !key) {
    phase('frozen');
    const { cells } = plan.layouts.get('frozen')!,
      parts: StackPart[] = [{ cls: 'frozen', at: 0 }],
      f = stackTiles(k, plan, parts, cells, (n) => reading.ptr.get(n)!);
    k.scope(() => openingDevice(k, a.ch).scope(() => frozenReduction(k, a.ch, plan.frozenVars, f, weights(parts, cells))));
  }
  phase('open');
  const group = stateGroup(plan),
    opened: GroupOpening[] = [hidden ?? witness];
  if (group && a.state)
    opened.push({
      oracles: a.state.oracles,
      f: a.state.stack,
      w: ofGroup(stateParts(plan), group, combined.states),
      value: plan.states.flatMap((t) => t.classes).reduce<Ext>((x, cls) => E.add(x, totals.get(cls) ?? E.ZERO), combined.stateTotal),
    });
  if (key) opened.push(keyOpening(k, plan, key, reading, totals.get('frozen') ?? E.ZERO, (parts) => ofGroup(parts, key), o.keyTree));
  openWhir(k, a.ch, plan.whir, opened);
}

/** The columns of a key: their tree was made with the key, and is made again where nobody kept it. */
function keyOpening(
  k: Kernels,
  plan: Plan,
  g: WhirGroup,
  reading: IntegerReading,
  value: Ext,
  weights: (parts: readonly StackPart[]) => Tiled,
  tree?: Uint8Array,
): GroupOpening {
  const parts: StackPart[] = [{ cls: 'frozen', at: 0 }],
    f = stackOf(k, plan, parts, groupCells(g), g.logHeight, (n) => reading.ptr.get(n)!);
  return { oracles: [commitTree(k, plan, g, 0, f, 0, tree)], f, w: weights(parts), value };
}

function frozenReduction(k: Kernels, ch: ProverChannel, vars: number, f: Tiled, w: Tiled): void {
  const d = openingDevice(k, ch),
    sum = new ProductSumcheck(k, f, w, vars, d);
  while (sum.vars > 0) {
    ch.sendExt('frozen sumcheck', sum.message());
    sum.bind(ch.sample('frozen r'));
  }
  ch.sendExt('frozen value', elements(d.get(sum.near().f)));
}
