import { describe, expect, it } from 'vitest';
import { recursionClass } from '../src/recursion/class.js';
import { endCircuit } from '../src/recursion/end.js';
import { foldCircuit, keyWords, verifyChild } from '../src/recursion/fold.js';
import { recursionKeys } from '../src/recursion/keys.js';
import { type Before, type LeafInput, type LeafShape, leafCircuit } from '../src/recursion/leaf.js';
import { proveEnd } from '../src/prove/end.js';
import { proveLeaf } from '../src/prove/leaf.js';
import { type NodeStatement, START, advance, decode, encode, endLayout, layout, programsDigest } from '../src/recursion/statement.js';
import { nodePublics, settleNode, verifyEnd } from '../src/verify/nodes.js';
import { stackRoot } from '../src/recursion/commit.js';
import { RECURSION_VERSION } from '../src/recursion/key.js';
import { CircuitChannel } from '../src/circuit/channel.js';
import { proveCircuit } from '../src/circuit/prove.js';
import { type RowHook, wire, wireIndex, wireKind } from '../src/circuit/rows.js';
import * as E from '../src/field/ext3.js';
import { P, inv, mod, toSigned } from '../src/field/goldilocks.js';
import { singleKernels, threadedKernels } from '../src/kernels/index.js';
import { ProgramBuilder, expr, term } from '../src/tensor/builder.js';
import { evaluateStack, settleFrozen } from '../src/tensor/deferred.js';
import { makePlan } from '../src/tensor/plan.js';
import { scheduleOf } from '../src/tensor/schedule.js';
import { verifyProgram } from '../src/tensor/verify.js';
import { type Elem, type Ext, NativeChannel, messageWords } from '../src/transcript/index.js';
import { ATTACKED, family } from './attacks.js';
import { QUICK } from './kit.js';
import { type Proven, W, proveSteps, stepProgram } from './recursion-case.js';

const k = await threadedKernels({ threads: 2 }),
  vk = singleKernels(),
  program = stepProgram(),
  plan = makePlan(program, QUICK),
  { steps: run, base } = proveSteps(k, program, plan, 3),
  ZERO = Array<bigint>(10).fill(0n),
  cls = recursionClass(
    { programs: programsDigest([program]), zeroAcc: ZERO, baseVars: plan.frozenVars },
    [{ kind: 'step', plan, rows: [1] }],
    QUICK,
  ),
  KEY = [5n, 6n, 7n, 8n],
  DATASET = [1n, 2n, 3n, 4n];

/** Where a run stands before step t. */
const standing = (all: readonly Proven[], t: number, epoch: bigint): Before => ({
  place: all.slice(0, t).reduce((at, s) => advance('step', program, epoch, at, s.statement.publics), START),
  s: t ? all[t - 1].statement.roots['sOut'] : all[0].statement.roots['sIn'],
  a: ZERO,
});

/** A channel that leaves one check out. */
class Without extends CircuitChannel {
  constructor(
    readonly check: string | undefined,
    forge?: RowHook,
  ) {
    super(new BigUint64Array(0), forge);
  }
  override assertEqual(a: Elem, b: Elem, check: string): void {
    if (check !== this.check) super.assertEqual(a, b, check);
  }
}

/** A leaf of one step, as a prover would fill it: checks that fail, and the statement. */
function leaf(
  part: Proven,
  o: { epoch?: bigint; before?: Before; without?: string; forge?: RowHook; shape?: Partial<LeafShape> } = {},
): { failed: readonly string[]; statement: NodeStatement } {
  const epoch = o.epoch ?? 2n,
    ch = new Without(o.without, o.forge);
  leafCircuit(ch, cls.run, { kind: 'step', plan, count: 1, ...o.shape }, 1, {
    parts: [part],
    before: o.before ?? standing(run, 0, epoch),
    frozen: base.digest,
    dataset: DATASET,
    epoch,
    key: KEY,
    first: [mod(base.words[0]), 0n],
  } satisfies LeafInput);
  return {
    failed: [...new Set(ch.failed)],
    statement: decode(ch.rows.U.value, layout(cls.child.baseVars, cls.child.keyVars)) as unknown as NodeStatement,
  };
}

/**
 * Free words of a circuit that no permutation absorbs and no element is composed of, by what they are said to be in the
 * statement.
 */
function loose(record: (ch: CircuitChannel) => void): { fields: string[]; unused: number; statement: number; compared: number } {
  const ch = new CircuitChannel();
  record(ch);
  const r = ch.rows,
    key = (e: Elem): boolean => wireKind(e) === 'W' || wireKind(e) === 'H',
    by = (...lists: readonly (readonly Elem[])[]): Set<Elem> => new Set(lists.flat().filter(key)),
    bound = by(r.P.from, r.E.from),
    used = by(r.P.from, r.E.from, r.F.from, r.B.from, r.D.from, r.Q.from, r.S.from, r.M.from, r.G.from, r.T.from, r.I.from),
    all = [...r.W.value.map((_, i) => wire('W', i)), ...r.H.value.map((_, i) => wire('H', i))];
  // Which public word each is compared with.
  const says = new Map<Elem, number>();
  for (let i = 0; i < r.Q.from.length; i += 2)
    if (wireKind(r.Q.from[i]) === 'U' && !says.has(r.Q.from[i + 1])) says.set(r.Q.from[i + 1], wireIndex(r.Q.from[i]));
  const place = [
    ...(r.U.value.length === [...endLayout(cls.child.baseVars).values()].reduce((a, b) => a + b, 0)
      ? endLayout(cls.child.baseVars)
      : layout(cls.child.baseVars, cls.run.keyVars)),
  ].flatMap(([f, n]) => Array<string>(n).fill(f));
  const compared = new Set(r.Q.from.filter((e, i) => i % 2 === 0 && wireKind(e) === 'U')).size;
  const fields = all
    .filter((e) => !bound.has(e))
    .map((e) => (says.has(e) ? place[says.get(e)!] : wireKind(e) === 'W' ? 'hint' : 'inverse'));
  return { fields, unused: all.filter((e) => !used.has(e)).length, statement: r.U.value.length, compared };
}
const count = (list: readonly string[]): Record<string, number> =>
  Object.fromEntries([...new Set(list)].map((x) => [x, list.filter((y) => y === x).length]));

/** An update in small: accumulators and optimiser in, adapter and optimiser out. */
function updatePlan() {
  const b = new ProgramBuilder('update', 6);
  for (const [a, n] of Object.entries({ l: 1, P: 4 })) b.axis(a, n);
  b.tensor('rate', [], 'public', { lo: 0n, hi: 9n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('C', ['P'], 'cIn', { lo: -512n, hi: 511n, frac: 0 });
  b.tensor('M', ['P'], 'oIn', { lo: -512n, hi: 511n, frac: 0 });
  b.tensor('A', ['P'], 'aIn', { lo: -512n, hi: 511n, frac: 0 });
  b.tensor('C2', ['P'], 'cOut', { lo: -512n, hi: 511n, frac: 0 });
  b.tensor('M2', ['P'], 'oOut', { lo: -512n, hi: 511n, frac: 0 });
  for (const name of ['C', 'M', 'A']) b.inFormat(name, { bits: 10, frac: 0 });
  b.round('M2', ['P'], expr([term(1, 'M[P]'), term(1, 'rate')]), 0);
  b.inFormat('M2', { bits: 10, frac: 0 });
  b.round('C2', ['P'], expr([term(1, 'A[P]'), term(2, 'M[P]')]), 1);
  b.inFormat('C2', { bits: 10, frac: 0 });
  return makePlan(b.build(), QUICK);
}

describe('wires of the circuits of recursion', () => {
  // Words that only the comparison with the statement holds (places and chains are hashed or counted, see
  // docs/soundness.md, section 6).
  it('a leaf of steps: every free word is absorbed, hashed or composed, but for these', () => {
    const w = loose((ch) => leafCircuit(ch, cls.run, { kind: 'step', plan, count: 2 }, 1));
    expect(w.unused).toBe(0);
    // Two words `hint` are the y of the epoch's end; inverses have their product compared with one.
    expect(count(w.fields.filter((f) => f !== 'inverse'))).toEqual({
      key: 4,
      dataset: 4,
      epoch: 1,
      posIn: 5,
      aIn: 10,
      epochsIn: 4,
      columns: 1,
      hint: 2,
    });
    expect(w.compared).toBe(w.statement);
  });
  it('a leaf of an update: the same, and what a program without frozen tensors does not see', () => {
    const zeroAcc = Array.from({ length: 10 }, (_, i) => BigInt(100 + i)),
      shape = { kind: 'update', plan: updatePlan(), count: 1 } as const,
      w = loose((ch) => leafCircuit(ch, { ...cls.run, zeroAcc }, shape, 1));
    expect(w.unused).toBe(0);
    expect(count(w.fields.filter((f) => f !== 'inverse'))).toEqual({
      key: 4,
      dataset: 4,
      epoch: 1,
      // Micro-batches done are compared by the policy, which this circuit has not.
      posIn: 5,
      lossesIn: 4,
      epochsIn: 4,
      frozen: 8,
      base: 1,
      columns: 1,
      hint: 1,
    });
    // The next step begins with zero accumulators, whatever this one began with: constants of the circuit.
    const ch = new CircuitChannel();
    leafCircuit(ch, { ...cls.run, zeroAcc }, shape, 1);
    const sizes = [...layout(cls.child.baseVars, cls.run.keyVars)],
      at = sizes
        .slice(
          0,
          sizes.findIndex(([f]) => f === 'aOut'),
        )
        .reduce((n, [, x]) => n + x, 0),
      pairs = new Map(
        Array.from({ length: ch.rows.Q.from.length / 2 }, (_, i) => [ch.rows.Q.from[2 * i], ch.rows.Q.from[2 * i + 1]] as const),
      );
    expect(zeroAcc.map((_, i) => ch.value(pairs.get(wire('U', at + i))!)[0])).toEqual(zeroAcc);
  });
  it("fold and end: every free word is absorbed, hashed or composed, but for the flags of the view, which are the verifier's", () => {
    for (const [w, free] of [
      [loose((ch) => foldCircuit(ch, cls.child)), {}],
      [loose((ch) => endCircuit(ch, cls.end.shape)), { shows: 2 }],
    ] as const) {
      expect(w.unused).toBe(0);
      expect(count(w.fields.filter((f) => f !== 'inverse'))).toEqual(free);
      expect(w.compared).toBe(w.statement);
    }
  });
  it('no circuit makes a check that has no attack', () => {
    for (const record of [
      (ch: CircuitChannel): void => leafCircuit(ch, cls.run, { kind: 'step', plan, count: 1 }, 1),
      (ch: CircuitChannel): void => leafCircuit(ch, cls.run, { kind: 'update', plan: updatePlan(), count: 1 }, 1),
      (ch: CircuitChannel): void => foldCircuit(ch, cls.child),
      (ch: CircuitChannel): void => endCircuit(ch, cls.end.shape),
    ]) {
      const ch = new CircuitChannel();
      record(ch);
      const made = new Set(
        Object.values(ch.checks)
          .flat()
          .map((n) => (n.startsWith('statement ') ? 'statement' : family(n))),
      );
      // Below: no word of the statement, epoch, kind. All others: circuit-checks.test.ts.
      expect([...made].filter((n) => !['statement', 'epoch', 'kind', ...ATTACKED].includes(n))).toEqual([]);
      // Elements are composed of kinds that hold base elements alone, claims of words: an element taken for a word
      // could not occur.
      expect(ch.rows.E.from.filter((e) => ['H', 'E', 'F', 'D', 'I'].includes(wireKind(e)))).toEqual([]);
      expect(made).not.toContain('coordinates');
    }
  });
  it('every inverse is multiplied, and the product compared with one', () => {
    for (const record of [
      (ch: CircuitChannel): void => leafCircuit(ch, cls.run, { kind: 'step', plan, count: 1 }, 1),
      (ch: CircuitChannel): void => foldCircuit(ch, cls.child),
      (ch: CircuitChannel): void => endCircuit(ch, cls.end.shape),
    ]) {
      const ch = new CircuitChannel();
      record(ch);
      const { F, H, Q } = ch.rows,
        one = ch.constant(1n),
        products = new Set(Q.from.flatMap((e, i) => (i % 2 === 0 && Q.from[i + 1] === one && wireKind(e) === 'F' ? [wireIndex(e)] : [])));
      H.value.forEach((_, i) => {
        const h = wire('H', i);
        expect([...products].some((row) => F.from[3 * row] === h || F.from[3 * row + 1] === h)).toBe(true);
      });
    }
  });
});

describe('false statements about a leaf', () => {
  it('an honest one is satisfied', () => {
    const { failed, statement } = leaf(run[0]);
    expect(failed).toEqual([]);
    expect(statement.posOut).toEqual([1n, 0n, 0n, 0n, 1n, 1n, 3n]);
  });
  it('no word of the statement can be other than the one computed', () => {
    for (const [f, n] of layout(cls.child.baseVars, cls.child.keyVars)) {
      const at = [...layout(cls.child.baseVars, cls.child.keyVars)],
        first = at
          .slice(
            0,
            at.findIndex(([g]) => g === f),
          )
          .reduce((s, [, x]) => s + x, 0);
      const forge: RowHook = (kind, row, rows) => {
        if (kind === 'U' && row === first + n - 1) rows.U.value[row] = mod(rows.U.value[row] + 1n);
      };
      expect(leaf(run[0], { forge }).failed, f).toEqual([`statement ${f}`]);
      expect(leaf(run[0], { forge, without: `statement ${f}` }).failed, f).toEqual([]);
    }
  });
  it('the proof of another program of the same shape', () => {
    const other = stepProgram('steq'),
      p = makePlan(other, QUICK),
      foreign = proveSteps(k, other, p, 1).steps[0];
    expect(foreign.proof.length).toBe(run[0].proof.length);
    expect(leaf(foreign, { shape: { plan: p } }).failed).toEqual([]);
    expect(leaf(foreign).failed.length).toBeGreaterThan(0);
  });
  it('a step of another run, a later step, the same step again', () => {
    const other = proveSteps(k, program, plan, 2, { shift: 5 }).steps;
    for (const [what, part] of [
      ['another run', other[1]],
      ['later', run[2]],
      ['again', run[0]],
    ] as const)
      expect(leaf(part, { before: standing(run, 1, 2n) }).failed.length, what).toBeGreaterThan(0);
    expect(leaf(run[1], { before: standing(run, 1, 2n) }).failed).toEqual([]);
  });
  it('an epoch that ends one batch early, at the wrap itself', () => {
    // One batch of two: epoch - (drawn + 1) = 1. With y = 0 the wrap is one although it is not due; only the second
    // equation refuses it.
    const free = new CircuitChannel();
    leafCircuit(free, cls.run, { kind: 'step', plan, count: 1 }, 1);
    const pairs = free.rows.B.from,
      words = new Set(free.rows.P.from.concat(free.rows.E.from, free.rows.Q.from, free.rows.S.from));
    const y = free.rows.W.value.findIndex((_, i) => !words.has(wire('W', i)) && pairs.includes(wire('W', i)));
    const set =
      (v: bigint): RowHook =>
      (kind, row, rows) => {
        if (kind === 'W' && row === y) rows.W.value[row] = v;
      };
    expect(leaf(run[0], { forge: set(0n) }).failed).toEqual(['epoch']);
    const forged = leaf(run[0], { forge: set(0n), without: 'epoch' });
    expect(forged.failed).toEqual([]);
    expect(forged.statement.posOut).toEqual([1n, 0n, 0n, 1n, 0n, 1n, 3n]);
    // Nor is there a fraction of a wrap; and one that is due cannot be avoided, whatever y is.
    for (const v of [2n, inv(2n), P - 1n]) expect(leaf(run[0], { forge: set(v) }).failed, String(v)).toEqual(['epoch']);
    for (const v of [0n, 1n, 12345n]) {
      const due = leaf(run[1], { before: standing(run, 1, 2n), forge: set(v) });
      expect([due.failed, due.statement.posOut.slice(3, 5)]).toEqual([[], [1n, 0n]]);
    }
    // Another number of batches in an epoch is another statement.
    expect(leaf(run[0], { epoch: 1n, before: standing(run, 0, 1n) }).statement.epoch).toEqual([1n]);
  });
  it('a statement with holes does not shift the words behind them', () => {
    const { statement } = leaf(run[0]),
      sizes = layout(cls.child.baseVars, cls.child.keyVars);
    expect(encode(statement, sizes)).toHaveLength([...sizes.values()].reduce((a, b) => a + b, 0));
    for (const bad of [new Array(4), Object.assign(new Array(4), [1n]), [1n, 2n, 3n, P], [1, 2, 3, 4], 'four', null, { length: 4 }])
      expect(() => encode({ ...statement, key: bad } as never, sizes), String(bad)).toThrow(/key must be 4 canonical words/);
    expect(() => encode(undefined as never, sizes)).toThrow(/canonical words/);
    const words = encode(statement, sizes);
    expect(decode(words, sizes)).toEqual(statement);
    for (const bad of [[...words, 0n], words.slice(1)]) expect(() => decode(bad, sizes)).toThrow(/words, the circuit has/);
  });
});

describe('chains and places', () => {
  it('no two sequences of micro-batches and updates lead to the same', () => {
    const b = new ProgramBuilder('micro', 6);
    for (const [a, n] of Object.entries({ i: 5, v: 6 })) b.axis(a, n);
    b.tensor('ids', ['v', 'i'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'onehot' });
    b.tensor('mask', ['i'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'dense' });
    b.tensor('loss', [], 'public', { lo: -9n, hi: 9n, frac: 0 }, { publicKind: 'dense' });
    const micro = { axes: { i: 5, v: 6 }, tensors: b.tensors } as unknown as typeof program,
      update = updatePlan().program,
      batch = (id: number, bit: bigint, loss: bigint) => ({
        kind: 'micro' as const,
        p: micro,
        publics: new Map<string, BigInt64Array | Int32Array>([
          ['ids', Int32Array.of(id, 1, 2, 3, 4)],
          ['mask', BigInt64Array.of(bit, 1n, 0n, 0n, 0n)],
          ['loss', BigInt64Array.of(loss)],
        ]),
      }),
      move = (rate: bigint) => ({ kind: 'update' as const, p: update, publics: new Map([['rate', BigInt64Array.of(rate)]]) }),
      // Rows and scalars are the policy's matter: what the chains tell is losses, targets and their places.
      alphabet = [batch(0, 1n, 1n), batch(0, 1n, -1n), move(1n)];
    let layer = [START];
    const seen = new Set<string>([JSON.stringify([START.losses, START.targets].flat().map(String))]);
    let all = 1;
    for (let n = 0; n < 3; n++) {
      layer = layer.flatMap((at) => alphabet.map((x) => advance(x.kind, x.p, 2n, at, x.publics)));
      for (const { losses, targets } of layer) seen.add(JSON.stringify([losses, targets].flat().map(String)));
      all += layer.length;
    }
    expect(all).toBe(1 + 3 + 9 + 27);
    // Already without the place.
    expect(seen.size).toBe(all);
    // Another number of targets is told by the step's link.
    const step = (bit: bigint): string =>
      [batch(0, bit, 1n), move(1n)].reduce((at, x) => advance(x.kind, x.p, 2n, at, x.publics), START).targets.join();
    expect(step(0n)).not.toBe(step(1n));
    // What is not shown stays zero.
    for (const show of [
      { losses: 'none', targets: 'none' },
      { losses: 'epochs', targets: 'epochs' },
    ] as const) {
      const { losses, targets, pos } = [batch(0, 1n, 1n), move(1n)].reduce((at, x) => advance(x.kind, x.p, 2n, at, x.publics, show), START);
      expect([losses, targets]).toEqual([START.losses, START.targets]);
      expect(pos[6]).toBe(show.targets === 'none' ? 0n : 2n);
    }
  });
});

describe('false statements about nodes', () => {
  it('a circuit that is not there proves anything, and its kind alone refuses it', () => {
    // Under columns of zeros the witness of zeros satisfies every row, and the public words are whatever the prover
    // likes.
    const { statement } = leaf(run[0]),
      lie = { ...statement, kind: [3n], loss: [123n] },
      words = encode(lie, layout(cls.child.baseVars, cls.child.keyVars)),
      axes = cls.plan.program.axes,
      cells = new Map(cls.plan.program.tensors.map((t) => [t.name, new BigInt64Array(t.axes.reduce((n, a) => n * axes[a], 1))] as const));
    for (const name of ['U', 'public']) words.forEach((w, i) => (cells.get(name)![i] = toSigned(w)));
    const { proof } = proveCircuit(k, cls.plan, cells, { frozenDigest: keyWords(KEY, 3n, BigInt(RECURSION_VERSION), 0n) });
    const attempt = (circuits: number, kind: bigint, without?: string): string[] => {
      const ch = new Without(without),
        w = Object.fromEntries(
          Object.entries({ ...lie, kind: [kind] }).map(([f, v]) => [f, v.map((x) => ch.word(x))]),
        ) as unknown as Parameters<typeof verifyChild>[2];
      verifyChild(ch, { ...cls.child, circuits }, w, proof);
      return [...new Set(ch.failed)];
    };
    expect(attempt(3, 3n)).toEqual(['kind']);
    expect(attempt(3, 3n, 'kind')).toEqual([]);
    // A class of two takes one bit of the kind.
    expect(attempt(2, 3n)).toEqual(['split']);
    // A kind is absorbed: the proof is not one under another.
    expect(attempt(3, 2n).length).toBeGreaterThan(0);
    expect(() => nodePublics(cls, lie)).toThrow(/kind is that of no circuit/);
  });

  it('without the base nothing is proven: a prover picks one last, for which a false loss holds', () => {
    // Each pass proves the step with a loss that is one too high and learns from the verifier's equations what it must
    // say of the base.
    let operand: Ext | undefined, value: Ext | undefined;
    const index = plan.factors.filter((f) => f.tensor.cls !== 'public').findIndex((f) => f.tensor.name === 'W');
    const pass = (): Proven =>
      proveSteps(k, program, plan, 1, {
        tamper: (r) => {
          k.i64[r.ptr.get('loss')! / 8] += 1n;
        },
        hook: (label, words) => {
          if (label === 'operand values' && operand) return words.map((w, i) => operand![i - 3 * index] ?? w);
          return label === 'frozen value' && value ? value : words;
        },
      }).steps[0];
    /** Both sides of a check of the verifier, with words of the proof replaced. */
    const sides = ({ proof, statement }: Proven, check: string, at?: number, put?: Ext): readonly [Ext, Ext] => {
      const w = proof.slice();
      if (at !== undefined && put) w.set(put, at);
      let got: readonly [Ext, Ext] | undefined;
      class Probe extends NativeChannel {
        override assertEqual(a: Elem, b: Elem, name: string): void {
          if (name !== check) return super.assertEqual(a, b, name);
          got = [this.value(a), this.value(b)];
          throw new Error('seen');
        }
      }
      const ch = new Probe(vk, w);
      try {
        verifyProgram(ch, plan, statement);
      } catch {
        // The rest of the proof does not matter.
      }
      ch.close();
      return got!;
    };
    const first = pass();
    let at = 3 * index;
    for (const m of scheduleOf(plan, first.statement)) {
      if (m.label === 'operand values') break;
      at += messageWords(m);
    }
    const now = [...first.proof.slice(at, at + 3)] as unknown as Ext,
      next = E.add(now, E.ONE),
      [s0, final] = sides(first, 'batched sumcheck'),
      [s1] = sides(first, 'batched sumcheck', at, next);
    expect(E.eq(s0, final)).toBe(false);
    operand = E.add(now, E.mul(E.sub(final, s0), E.inv(E.sub(s1, s0))));
    const second = pass(),
      [have, want] = sides(second, 'frozen reduction'),
      where = scheduleOf(plan, second.statement).reduce<[number, number]>(
        ([n, found], m) => [n + messageWords(m), m.label === 'frozen value' ? n : found],
        [0, -1],
      )[1],
      said = [...second.proof.slice(where, where + 3)] as unknown as Ext;
    value = E.mul(said, E.mul(want, E.inv(have)));
    const forged = pass();

    // The claim that is left, and a base that has it: three words of the stack solve it.
    const ch = new NativeChannel(vk, forged.proof),
      claim = verifyProgram(ch, plan, forged.statement).detach(ch);
    ch.close();
    const evaluate = (words: BigInt64Array): Ext => {
      const m = vk.mark(),
        p = vk.alloc(8 * words.length);
      vk.i64.set(words, p / 8);
      const v = evaluateStack(vk, p, words.length, claim.point);
      vk.release(m);
      return v;
    };
    const unit = [0, 1, 2].map((i) => evaluate(BigInt64Array.from(W, (_, j) => (j === i ? 1n : 0n)))),
      gap = E.sub(claim.value, evaluate(base.words)),
      det = (a: Ext, b: Ext, c: Ext): bigint =>
        mod(a[0] * (b[1] * c[2] - b[2] * c[1]) - b[0] * (a[1] * c[2] - a[2] * c[1]) + c[0] * (a[1] * b[2] - a[2] * b[1])),
      scale = inv(det(unit[0], unit[1], unit[2])),
      delta = [det(gap, unit[1], unit[2]), det(unit[0], gap, unit[2]), det(unit[0], unit[1], gap)].map((d) => mod(d * scale)),
      words = base.words.map((w, i) => (i < 3 ? toSigned(mod(w + delta[i])) : w));
    expect(evaluate(words)).toEqual(claim.value);

    const keys = recursionKeys(k, cls),
      node = proveLeaf(k, cls, keys, base, 1, {
        parts: [forged],
        before: standing(run, 0, 2n),
        dataset: DATASET,
        epoch: 2n,
      }),
      end = proveEnd(k, cls, keys, { words, digest: base.digest }, node);
    expect(end.statement.loss[0]).toBe(mod(run[0].statement.publics.get('loss')![0] as bigint) + 1n);
    // The proof is accepted: its root is that of no base which anyone has. Whoever holds the base, or its root, refuses
    // it.
    verifyEnd(vk, keys.published, end);
    expect(end.statement.root).not.toEqual(stackRoot(k, cls.end.shape.baseShape, base.words));
    expect(() => proveEnd(k, cls, keys, base, node)).toThrow(/the children do not verify/);
    const left = settleNode(vk, cls, keys, node),
      m = vk.mark(),
      p = vk.alloc(8 * base.words.length);
    vk.i64.set(base.words, p / 8);
    expect(() => settleFrozen(vk, p, base.words.length, [left])).toThrow(/frozen weights/);
    vk.release(m);
  });
});
