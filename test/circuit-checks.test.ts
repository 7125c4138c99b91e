import { afterEach, describe, expect, it, vi } from 'vitest';
import { mergeClaims } from '../src/recursion/merge.js';
import { proveMerge } from '../src/prove/merge.js';
import { unflat } from '../src/recursion/wires.js';
import { type Settled, commitStack } from '../src/recursion/commit.js';
import { proveSettled } from '../src/prove/settle.js';
import { settleMatrix, settleShape } from '../src/recursion/settle-shape.js';
import { verifySettled } from '../src/recursion/settle.js';
import { CircuitChannel } from '../src/circuit/channel.js';
import { violations } from '../src/circuit/check.js';
import { circuitCells, fixedColumns } from '../src/circuit/columns.js';
import { heightsOf } from '../src/circuit/heights.js';
import { circuitProgram } from '../src/circuit/program.js';
import { type RowHook, wireIndex } from '../src/circuit/rows.js';
import { expose, statementWires, verifyInCircuit } from '../src/circuit/verifier.js';
import * as E from '../src/field/ext3.js';
import { P } from '../src/field/goldilocks.js';
import { DOMAIN, permute } from '../src/hash/poseidon2.js';
import { singleKernels } from '../src/kernels/index.js';
import { verifyLogUp } from '../src/lookup/index.js';
import type { WhirShape } from '../src/pcs/index.js';
import { ProgramBuilder, expr, term } from '../src/tensor/builder.js';
import { DetachedClaim, evaluateStack } from '../src/tensor/deferred.js';
import { IntegerReading } from '../src/tensor/integer.js';
import { makePlan } from '../src/tensor/plan.js';
import { type StateName, commitmentLayout } from '../src/tensor/state-layout.js';
import { proveProgram } from '../src/tensor/prove.js';
import { PublicValues } from '../src/tensor/public-values.js';
import { verifyStatement } from '../src/tensor/verify.js';
import { frozenStack } from '../src/tensor/state-commit.js';
import { type Statement, frozenDigest, packing, publicTensors } from '../src/tensor/statement.js';
import { TrustedRoot } from '../src/pcs/trusted.js';
import { type Elem, type Ext, asDigest } from '../src/transcript/index.js';
import { type MessageHook, ProverChannel } from '../src/transcript/prover.js';
import { merkleHash } from '../src/transcript/sponge.js';
import { ATTACKED, family } from './attacks.js';
import { bump } from './kit.js';

/*
 * Every check of the verifier as it stands in a circuit, and what a prover gets away with without it. An attack is a
 * proof (or a row) made for the lie, all that follows the lie included, for which exactly the check named does not
 * hold: the circuit's cells violate only the constraint of that check's rows, and with these rows blunted they satisfy
 * the whole circuit. Where a claim on a stack is left, it is true of the honest one: settling it would notice nothing.
 *
 * Not here: the constraints that make the rows what they are (src/circuit/rows.test.ts), what ties a statement to its
 * wires, epochs and kinds (recursion-binding.test.ts). No checks of a circuit are "canonical word" and "proof length":
 * wires are field elements, and the shape fixes their number.
 */
const k = singleKernels(),
  // Few queries suffice: no lie here passes a single one of them.
  FEW = { bits: 9, grinding: 3 },
  OPTIONS = { ...FEW, rate: 2, stateRate: 3 };

/** A step in small: three states that move on, ids and a mask, two frozen tensors. */
function step() {
  const b = new ProgramBuilder('checks', 6);
  for (const [a, n] of Object.entries({ l: 1, i: 3, d: 2, v: 4, P: 4 })) b.axis(a, n);
  b.tensor('W', ['v', 'd'], 'frozen', { lo: -20n, hi: 20n, frac: 0 });
  b.tensor('V', ['P'], 'frozen', { lo: -20n, hi: 20n, frac: 0 });
  b.tensor('ids', ['v', 'i'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'onehot' });
  b.tensor('mask', ['i'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('C', ['P'], 'cIn', { lo: -512n, hi: 511n, frac: 0 });
  b.tensor('M', ['P'], 'oIn', { lo: -512n, hi: 511n, frac: 0 });
  b.tensor('A', ['P'], 'aIn', { lo: -512n, hi: 511n, frac: 0 });
  b.tensor('C2', ['P'], 'cOut', { lo: -512n, hi: 511n, frac: 0 });
  b.tensor('M2', ['P'], 'oOut', { lo: -512n, hi: 511n, frac: 0 });
  b.tensor('A2', ['P'], 'aOut', { lo: -512n, hi: 511n, frac: 0 });
  for (const name of ['C', 'M', 'A']) b.inFormat(name, { bits: 10, frac: 0 });
  b.rounded('X', ['i', 'd'], { bits: 8, frac: 0 }, expr([term(4, 'W[v,d]', 'ids[v,i]', 'mask[i]')]), 1);
  b.rounded('Y', ['P'], { bits: 8, frac: 0 }, expr([term(3, 'V[P]')]), 1);
  b.round('M2', ['P'], expr([term(1, 'M[P]'), term(1, 'V[P]')]), 0);
  b.inFormat('M2', { bits: 10, frac: 0 });
  b.round('C2', ['P'], expr([term(1, 'C[P]'), term(2, 'M[P]')]), 1);
  b.inFormat('C2', { bits: 10, frac: 0 });
  b.round('A2', ['P'], expr([term(1, 'A[P]'), term(1, 'Y[P]')]), 0);
  b.inFormat('A2', { bits: 10, frac: 0 });
  return b.build();
}
const program = step(),
  plan = makePlan(program, OPTIONS),
  INPUTS = new Map<string, BigInt64Array | Int32Array>([
    ['W', BigInt64Array.from({ length: 8 }, (_, x) => BigInt(((x * 7) % 31) - 15))],
    ['V', BigInt64Array.of(4n, -9n, 0n, 17n)],
    ['ids', Int32Array.of(3, -1, 0)],
    ['mask', BigInt64Array.of(1n, 0n, 1n)],
    ['C', BigInt64Array.of(3n, -4n, 50n, 0n)],
    ['M', BigInt64Array.of(1n, 2n, 3n, -9n)],
    ['A', BigInt64Array.of(0n, 5n, -3n, 8n)],
  ]);

interface Proved {
  readonly proof: BigUint64Array;
  readonly statement: Statement;
}
/** Stacks of which the claims that circuits leave are said to hold. */
const stacks = new WeakMap<CircuitChannel, BigInt64Array>();

const base = ((): BigInt64Array => {
    const m = k.mark(),
      r = new IntegerReading(k, program, INPUTS),
      { ptr, cells } = frozenStack(k, plan, (n) => r.ptr.get(n)!),
      out = k.i64.slice(ptr / 8, ptr / 8 + cells);
    k.release(m);
    return out;
  })(),
  DIGEST = frozenDigest(base);

/** Extension of a stack at a point. */
function valueAt(stack: BigInt64Array, point: readonly Ext[]): Ext {
  const m = k.mark(),
    ptr = k.alloc(8 * stack.length);
  k.i64.set(stack, ptr / 8);
  const v = evaluateStack(k, ptr, stack.length, point);
  k.release(m);
  return v;
}

/** Proves the step: `tamper` changes the trace, the lookups' keys staying honest; `hook` changes messages. */
function prove(o: { hook?: MessageHook; tamper?: (r: IntegerReading) => void; inputs?: typeof INPUTS } = {}): Proved {
  const m = k.mark(),
    r = new IntegerReading(k, program, o.inputs ?? INPUTS);
  r.run();
  const honest = new Map(program.constraints.flatMap((c) => (c.kind === 'zero' ? [] : [[c.name, r.keys(c)] as const])));
  if (o.tamper) r.keys = (c) => honest.get(c.name)!;
  o.tamper?.(r);
  const out = proveProgram(k, plan, r, { frozenDigest: DIGEST, ...(o.hook ? { hook: o.hook } : {}) });
  k.release(m);
  return out;
}
/** The circuit of the step's verifier: from a proof, or from the shape. */
function verify(given?: Proved, forge?: RowHook): CircuitChannel {
  const ch = new CircuitChannel(given && new BigUint64Array(0), forge);
  verifyInCircuit(ch, plan, given);
  stacks.set(ch, base);
  return ch;
}

/** Changes the n-th message of a label. */
function at(label: string, f: (w: bigint[]) => bigint[], n = 0): MessageHook {
  let seen = 0;
  return (l, w) => (l === label && seen++ === n ? f([...w]) : w);
}
const first = (w: readonly bigint[]): bigint[] => [(w[0] + 1n) % P, ...w.slice(1)];
const ext = (w: readonly bigint[], i: number): Ext => [w[3 * i], w[3 * i + 1], w[3 * i + 2]];
const exts = (w: readonly bigint[]): Ext[] => Array.from({ length: w.length / 3 }, (_, i) => ext(w, i));
/** Adds to the i-th element of a message. */
const plus = (w: readonly bigint[], i: number, d: Ext): bigint[] => {
  const e = E.add(ext(w, i), d);
  return w.map((x, j) => (Math.floor(j / 3) === i ? e[j % 3] : x));
};

/** Difference of the two sides of the last row that makes a check. */
function residual(ch: CircuitChannel, check: string): Ext {
  const row = ch.checks.Q.lastIndexOf(check),
    [a, b] = ch.rows.Q.from.slice(2 * row, 2 * row + 2);
  return E.sub(ch.value(a), ch.value(b));
}
/** Where a value x makes a residual zero that is linear in it. */
function root(f: (x: Ext) => Ext, x: Ext): Ext {
  const a = f(x),
    b = f(E.add(x, E.ONE));
  return E.add(x, E.mul(a, E.inv(E.sub(a, b))));
}

/** Two operand values, wrong both, so that the batched sumcheck holds. */
function pair(...classes: readonly string[]): Proved {
  const sent = plan.factors.filter((f) => f.tensor.cls !== 'public'),
    [i, j] = sent.flatMap((f, n) => (classes.includes(f.tensor.cls) ? [n] : []));
  const lie = (f: (w: bigint[]) => bigint[]): Proved => prove({ hook: at('operand values', f) }),
    [ri, rj] = [i, j].map((n) => residual(verify(lie((w) => plus(w, n, E.ONE))), 'batched sumcheck'));
  return lie((w) => plus(plus(w, i, rj), j, E.sub(E.ZERO, ri)));
}

/** Row of U with the first word of a public input; rows of U after the statement are the deferred claim. */
function publicRow(name: string): number {
  let row = 8;
  for (const t of publicTensors(program)) {
    if (t.name === name) return row;
    row += packing(program, t).words;
  }
  return row;
}
const addU =
  (row: number, by: bigint): RowHook =>
  (kind, r, rows) => {
    if (kind === 'U' && r === row) rows.U.value[r] = (rows.U.value[r] + by) % P;
  };
/** A state left with values that are right at a point of the prover's choice: only the point itself gives it away. */
function otherPoint(name: StateName): CircuitChannel {
  const hash = merkleHash('poseidon2'),
    real = hash.hashWords.bind(hash),
    { words } = commitmentLayout(plan.states.find((t) => t.name === name)!),
    honest = prove().statement.roots[name],
    spy = vi.spyOn(hash, 'hashWords').mockImplementation((domain, w) => {
      const out = real(domain, w);
      return domain === DOMAIN.state && w.every((x, i) => x === honest[i]) && w.length < words ? first(out) : out;
    });
  const forged = prove();
  spy.mockRestore();
  return verify(forged);
}

// The opening of a committed stack: of one round, and of two.
const ONE_ROUND = settleShape(8, 200, FEW, 'base'),
  TWO_ROUNDS = settleShape(15, 700, FEW, 'base'),
  POINT = (s: WhirShape): Ext[] =>
    Array.from(
      { length: settleMatrix(s).logColumns + settleMatrix(s).logHeight },
      (_, i) => [BigInt(i * i + 7), BigInt(3 * i + 1), P - BigInt(i + 1)] as const,
    );

/**
 * Commits some stack; `lie` changes the words of which the prover goes on, but not what is committed. Returns root,
 * claim of the lie and proof.
 */
function settled(
  s: WhirShape,
  lie?: (v: BigInt64Array, H: number) => void,
): { root: bigint[]; value: Ext; proof: BigUint64Array; honest: Ext } {
  const m = k.mark(),
    words = BigInt64Array.from({ length: settleMatrix(s).cells }, (_, i) => BigInt((i * 7919) % 1000) - 500n),
    c = commitStack(k, s, words),
    honest = evaluateStack(k, c.stack.ptr!, words.length, POINT(s));
  lie?.(words, 2 ** settleMatrix(s).logHeight);
  const ptr = k.zeroed(8 * words.length);
  k.i64.set(words, ptr / 8);
  const shown: Settled = { ...c, stack: { length: words.length, ptr } },
    value = evaluateStack(k, ptr, words.length, POINT(s)),
    proof = proveSettled(k, shown, { point: POINT(s), value });
  k.release(m);
  return { root: [...c.oracle.root], value, proof, honest };
}
/** The circuit of such an opening. With `sum` the value comes as a sum, of which coordinates are taken. */
function open(
  s: WhirShape,
  given?: Pick<ReturnType<typeof settled>, 'root' | 'value' | 'proof'>,
  forge?: RowHook,
  sum = false,
): CircuitChannel {
  const ch = new CircuitChannel(given && new BigUint64Array(0), forge),
    word = (x: bigint | undefined): Elem => ch.publicWord(x ?? 0n),
    of = (e: Ext | undefined): Elem => ch.compose(word(e?.[0]), word(e?.[1]), word(e?.[2]));
  const wires = [0, 1, 2, 3].map((i) => word(given?.root[i])),
    point = POINT(s).map(of),
    value = of(given?.value),
    none = sum ? of(E.ZERO) : value;
  ch.open(given?.proof);
  verifySettled(ch, s, TrustedRoot.ofBase(asDigest(wires)), { point, value: sum ? ch.add(value, none) : value });
  ch.finish();
  return ch;
}

/** Two claims on one stack, merged; `lie` is added to the second. */
function merged(lie: Ext | undefined): CircuitChannel {
  const ch = new CircuitChannel(lie && new BigUint64Array(0)),
    vars = 6,
    frozen = Array.from({ length: 8 }, (_, i) => BigInt(i)),
    m = k.mark(),
    ptr = k.zeroed(8 * 50);
  for (let i = 0; i < 50; i++) k.i64[ptr / 8 + i] = BigInt(i * i) - 700n;
  const claims = [0n, 5n].map((shift, c) => {
    const point = Array.from({ length: vars }, (_, i): Ext => [shift + BigInt(i), 7n, BigInt(i)]);
    return new DetachedClaim(plan, point, E.add(evaluateStack(k, ptr, 50, point), c ? (lie ?? E.ZERO) : E.ZERO));
  });
  const proof = lie && proveMerge(k, { frozenVars: vars }, frozen, claims, ptr, 50);
  stacks.set(ch, k.i64.slice(ptr / 8, ptr / 8 + 50));
  k.release(m);
  const words = claims.map((c) => [...c.point, c.value].flat().map((x) => ch.publicWord(lie ? x : 0n))),
    digest = frozen.map((x) => ch.publicWord(lie ? x : 0n));
  ch.open(proof);
  const out = mergeClaims(
    ch,
    vars,
    digest,
    words.map((w) => unflat(ch, w)),
  );
  ch.finish();
  for (const e of [...out.point, out.value]) expose(ch, e);
  return ch;
}

/** LogUp alone over two fractions, given by value. */
function fractions(words?: readonly bigint[]): CircuitChannel {
  const ch = new CircuitChannel(words && new BigUint64Array(0));
  ch.open(words && BigUint64Array.from(words));
  const { num, den } = verifyLogUp(ch, { boxes: [], vars: 1 });
  ch.finish();
  expose(ch, num);
  expose(ch, den);
  return ch;
}
/** A verifier that takes a message of E for a word. */
function misread(words?: readonly bigint[]): CircuitChannel {
  const ch = new CircuitChannel(words && new BigUint64Array(0));
  ch.open(words && BigUint64Array.from(words));
  const [x] = ch.read('x', 1),
    zero = ch.constant(0n);
  expose(ch, ch.compose(x, zero, zero));
  ch.finish();
  return ch;
}

/** Texts: tokens, and their next ones as far as the mask has them. */
function textsProgram() {
  const b = new ProgramBuilder('texts', 6),
    bit = { lo: 0n, hi: 1n, frac: 0 };
  for (const [a, n] of Object.entries({ l: 1, v: 5, i: 6 })) b.axis(a, n);
  b.tensor('w', ['v'], 'witness', { lo: -8n, hi: 7n, frac: 0 });
  b.tensor('ids', ['v', 'i'], 'public', bit, { publicKind: 'onehot' });
  b.tensor('mask', ['i'], 'public', bit, { publicKind: 'dense' });
  b.tensor('targets', ['v', 'i'], 'public', bit, { publicKind: 'onehot', next: { ids: 'ids', mask: 'mask' } });
  b.tensor('out', ['l'], 'public', { lo: -100000n, hi: 100000n, frac: 0 }, { publicKind: 'dense' });
  b.range('w', ['v'], expr([term(1, 'w[v]')], 8n), 4);
  b.round('out', ['l'], expr([term(1, 'w[v]', 'targets[v,i]'), term(3, 'w[v]', 'ids[v,i]')]), 0);
  return b.build();
}
const textsPlan = makePlan(textsProgram(), OPTIONS),
  TEXT = Int32Array.of(3, 0, 4, 1, 2, 4);
function proveTexts(last = 0n): Proved {
  const m = k.mark(),
    r = new IntegerReading(
      k,
      textsPlan.program,
      new Map<string, BigInt64Array | Int32Array>([
        ['w', BigInt64Array.of(3n, -5n, 7n, 1n, -3n)],
        ['ids', TEXT],
        ['mask', BigInt64Array.of(0n, 1n, 1n, 0n, 1n, last)],
        ['targets', Int32Array.of(-1, 4, 1, -1, 4, -1)],
      ]),
    );
  r.run();
  const out = proveProgram(k, textsPlan, r, { frozenDigest: frozenDigest(new BigInt64Array(0)) });
  k.release(m);
  return out;
}
/** The circuit of their verifier, which looks up ids. */
function texts(given?: Proved, forge?: RowHook): CircuitChannel {
  const ch = new CircuitChannel(given && new BigUint64Array(0), forge),
    st = statementWires(ch, textsPlan, given?.statement);
  ch.open(given?.proof);
  verifyStatement(ch, textsPlan, st, new PublicValues(ch, textsPlan, st, ch)).take();
  ch.finish();
  return ch;
}
/** What an id below 5 selects, by itself: 5 is where both digits are the last ones. */
function selected(id?: bigint): CircuitChannel {
  const ch = new CircuitChannel(id === undefined ? undefined : new BigUint64Array(0)),
    entries = [3n, 5n, 7n, 11n, 13n].map((x) => ch.publicWord(x)),
    word = ch.publicWord(id ?? 0n);
  for (const e of ch.selectIds(word, 1, 3, ch.idTables(5, entries.slice(0, 3), entries.slice(3)))) expose(ch, e);
  return ch;
}

/** Work that does not suffice: the next nonce that has too little. */
function idle(label: string): CircuitChannel {
  for (let by = 1n; ; by++) {
    const ch = verify(prove({ hook: at(label, ([nonce]) => [nonce + by]) }));
    if (ch.failed.length) return ch;
  }
}
/** A cap that nobody committed to under the root that belongs to it; openings end in the honest one. */
function otherTree(): CircuitChannel {
  const nodes = Array.from({ length: 4 * 2 ** plan.whir.groups[0].cap }, (_, i) => BigInt(i + 5));
  let level = nodes;
  while (level.length > 4)
    level = Array.from({ length: level.length / 8 }, (_, i) =>
      permute([...level.slice(8 * i, 8 * i + 8), DOMAIN.node, 0n, 0n, 0n]).slice(0, 4),
    ).flat();
  let caps = 0;
  return verify(prove({ hook: (l, w) => (l === 'root witness' ? level : l === 'whir 0 0 cap' && caps++ === 0 ? nodes : w) }));
}

const vars = plan.logup.vars;
/**
 * By check: what is passed off, and the circuit's rows for it. Where a name stands twice, the second place of the check
 * is in brackets.
 */
const ATTACKS: Record<string, readonly [string, () => CircuitChannel]> = {
  split: [
    'a mask with a bit beyond its cells',
    () => {
      const row = publicRow('mask'),
        by = 1n << BigInt(packing(program, program.tensors.find((t) => t.name === 'mask')!).cells),
        real = ProverChannel.prototype.publicWords;
      vi.spyOn(ProverChannel.prototype, 'publicWords').mockImplementation(function (this: ProverChannel, label, words) {
        real.call(this, label, label === 'public inputs' ? words.map((x, i) => (i === row - 8 ? x + by : x)) : words);
      });
      return verify(prove(), addU(row, by));
    },
  ],
  'state point sOut': ["adapter and optimiser state left with a point of the prover's choice", () => otherPoint('sOut')],
  'state point aOut': ["accumulators left with a point of the prover's choice", () => otherPoint('aOut')],
  'exposed value': [
    'a step from another base, with a true claim in place of the one left',
    () =>
      verify(prove({ inputs: new Map([...INPUTS, ['V', BigInt64Array.of(4n, -9n, 1n, 17n)]]) }), (kind, r, rows) => {
        const value = publicRow('') + 8 + plan.states.reduce((n, t) => n + commitmentLayout(t).words, 0) + 3 * plan.frozenVars;
        if (kind === 'U' && r >= value)
          rows.U.value[r] = valueAt(base, exts(rows.U.value.slice(value - 3 * plan.frozenVars, value)))[r - value];
      }),
  ],
  'LogUp layer 0': ['another sum of fractions', () => verify(prove({ hook: at('logup root', first) }))],
  ...Object.fromEntries(
    Array.from({ length: vars - 1 }, (_, i) => [
      `LogUp layer ${i + 1}`,
      ['a layer that does not follow from the next', () => verify(prove({ hook: at(`logup ${i + 1} round`, first, i) }))] as const,
    ]),
  ),
  'LogUp numerators': [
    'fractions other than lookups and multiplicities',
    () =>
      // n0 e1 + n1 e0 stays as it is.
      verify(
        prove({
          hook: at(`logup ${vars - 1} values`, (w) => plus(plus(w, 0, ext(w, 2)), 1, E.sub(E.ZERO, ext(w, 3)))),
        }),
      ),
  ],
  inverse: [
    "a layer made to follow by a quotient of the prover's choice",
    () => {
      const lie = prove({ hook: at('logup 1 round', first) });
      let y: Ext | undefined,
        own: Ext = E.ZERO;
      // Row 0 inverts the root, row 1 the challenge of layer 1.
      const run = (): CircuitChannel =>
        verify(lie, (kind, r, rows) => {
          if (kind !== 'H' || r !== 1) return;
          own = rows.H.value[r];
          if (y) rows.H.value[r] = y;
        });
      run();
      y = root((x) => {
        y = x;
        return residual(run(), 'LogUp layer 1');
      }, own);
      return run();
    },
  ],
  // In a whole proof denominators are zero only where the challenge gamma hits a row, which no prover can arrange:
  // shown on fractions given by value.
  'inverse (root)': ['1/0 + 1/0 = 0', () => fractions([0n, 0n, 0n, 1n, 0n, 0n, 1n, 0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n])],
  'batched sumcheck': ['an adapter left that is not that of the step', () => verify(prove({ tamper: bump('C2', 0) }))],
  'frozen reduction': ['base weights other than those settled', () => verify(pair('frozen'))],
  'WHIR final sum': ['a trace other than the one committed', () => verify(pair('witness'))],
  'WHIR final sum (state)': ['a state entered other than the one committed', () => verify(pair('cIn', 'oIn'))],
  'WHIR final sum (two rounds)': [
    'another base than the one committed',
    () =>
      open(
        TWO_ROUNDS,
        settled(TWO_ROUNDS, (v) => v[3]++),
      ),
  ],
  'WHIR final vector': [
    'another base than the one committed',
    () =>
      open(
        ONE_ROUND,
        settled(ONE_ROUND, (v) => v[3]++),
      ),
  ],
  'Merkle cap (second round)': [
    'a folded word committed to after the challenges',
    () => {
      const send = ProverChannel.prototype.sendDigest;
      vi.spyOn(ProverChannel.prototype, 'sendDigest').mockImplementation(function (this: ProverChannel, label, w) {
        send.call(this, label, first(w));
      });
      return open(TWO_ROUNDS, settled(TWO_ROUNDS));
    },
  ],
  'Merkle cap': ['a trace committed to after the challenges', () => verify(prove({ hook: at('root witness', first) }))],
  'Merkle path': ['openings of a tree other than the one committed', otherTree],
  grinding: ['queries drawn without work', () => idle('whir 0 work')],
  bits: [
    'another base than the one committed, queried where both agree',
    () => {
      const { domain } = ONE_ROUND.groups[0],
        real = ProverChannel.prototype.sampleIndex;
      vi.spyOn(ProverChannel.prototype, 'sampleIndex').mockImplementation(function (this: ProverChannel, label, bits) {
        real.call(this, label, bits);
        return 0;
      });
      // Position 0 is the point 1, where a column's codeword is the sum of its words.
      const lie = settled(ONE_ROUND, (v) => {
        v[3]++;
        v[4]--;
      });
      expect(lie.value).not.toEqual(lie.honest);
      return open(ONE_ROUND, lie, (kind, r, rows) => {
        if (kind === 'S' && rows.S.dead[r] === 0n) rows.S.value[r] &= ~((1n << BigInt(domain)) - 1n);
      });
    },
  ],
  // Claims of today's circuits are composed of words; a value that is computed would be absorbed by its coordinates.
  coordinates: [
    'a false claim chosen after the challenges, which other words stand for',
    () => {
      const s = ONE_ROUND,
        send = ProverChannel.prototype.sendExt;
      vi.spyOn(ProverChannel.prototype, 'sendExt').mockImplementation(function (this: ProverChannel, label, v) {
        send.call(this, label, label === 'whir 0 sumcheck' ? v.map((x) => E.add(x, E.ONE)) : v);
      });
      // A first message that no claim about the committed base explains; then the claim that it would explain.
      const lie = settled(s);
      let value = lie.value;
      const run = (): CircuitChannel =>
        open(
          s,
          { ...lie, value },
          (kind, r, rows) => {
            if (kind === 'W' && r < 3) rows.W.value[r] = lie.value[r];
          },
          true,
        );
      value = root((x) => {
        value = x;
        return residual(run(), 'WHIR final sum');
      }, value);
      expect(value).not.toEqual(lie.value);
      return run();
    },
  ],
  'ids of a word': [
    'a text other than the one of the statement, of which the trace is',
    () => {
      const row = 8,
        real = ProverChannel.prototype.publicWords,
        // The id's row of W: its word is now one more.
        first = wireIndex(texts().rows.I.from[0]);
      vi.spyOn(ProverChannel.prototype, 'publicWords').mockImplementation(function (this: ProverChannel, label, words) {
        real.call(this, label, label === 'public inputs' ? words.map((x, i) => (i === row - 8 ? x + 1n : x)) : words);
      });
      return texts(proveTexts(), (kind, r, rows) => {
        addU(row, 1n)(kind, r, rows);
        if (kind === 'W' && r === first) rows.W.value[r] = BigInt(TEXT[0]);
      });
    },
  ],
  'mask behind the last target': ['a target behind the end of a row', () => texts(proveTexts(1n))],
  // A prover's reading has no id without a row: what it selects is shown by itself.
  'id outside the vocabulary': ['the first id that there is not', () => selected(5n)],
  // Likewise: leaves, folds and ends compose words and bits alone.
  'base element': ['an element of E passed off as a word', () => misread([1n, 2n, 3n])],
  'merge of frozen claims': ['a false claim on the base merged with a true one', () => merged(E.ONE)],
};
const named = (key: string): string => key.replace(/ \(.*\)$/, '');

/** Constraint that the rows of a check violate. */
const CONSTRAINT: Record<string, string> = {
  split: 'S.dead',
  grinding: 'S.dead',
  bits: 'S.word',
  'Merkle path': 'G.cap',
  'base element': 'E',
  'id outside the vocabulary': 'I.edge',
};

// That x, c and outputs of permutations belong together is for rows.test.ts: those of a run are the kernels'.
const broken = (ch: CircuitChannel, all = false): string[] => {
  const heights = heightsOf(ch),
    p = circuitProgram(heights),
    fixed = fixedColumns(ch, heights);
  return violations(p, circuitCells(ch, { heights, program: p, fixed }), (n) => all || !/^[PM]\.(round|out)$/.test(n));
};

/** Blunts the rows of a check: equality of a wire with itself, no dead bits, no marked entries, free words. */
function remove(ch: CircuitChannel, check: string): void {
  const { Q, S, G, T, E: composed } = ch.rows;
  ch.checks.Q.forEach((n, r) => {
    if (n === check) Q.from[2 * r + 1] = Q.from[2 * r];
  });
  ch.checks.S.forEach((n, r) => {
    if (n !== check) return;
    if (check === 'bits') S.from[r] = ch.word(S.value[r]);
    else S.dead[r] = 0n;
  });
  ch.checks.G.forEach((n, r) => {
    if (n !== check) return;
    for (let l = 0; l < 4; l++) {
      G.from[5 * r + l] = (G.base[r] + 4 * Number(G.index[r]) + l) as Elem;
      G.value[r][l] = ch.value(G.from[5 * r + l])[0];
    }
  });
  if (ch.checks.I.includes(check)) T.edge.fill(false);
  ch.checks.E.forEach((n, r) => {
    if (n === check) for (let l = 0; l < 3; l++) composed.from[3 * r + l] = ch.word(composed.value[r][l]);
  });
}

afterEach(() => vi.restoreAllMocks());

describe('checks of the verifier in a circuit', () => {
  it('all hold for an honest prover', () => {
    for (const ch of [verify(prove()), open(ONE_ROUND, settled(ONE_ROUND)), open(TWO_ROUNDS, settled(TWO_ROUNDS)), merged(E.ZERO)])
      expect(ch.failed).toEqual([]);
    expect(broken(verify(prove()), true)).toEqual([]);
    for (const ch of [texts(proveTexts()), selected(4n)]) {
      expect(ch.failed).toEqual([]);
      expect(broken(ch, true)).toEqual([]);
    }
  });
  for (const [key, [what, attack]] of Object.entries(ATTACKS))
    it(`${key} alone stops ${what}`, () => {
      const ch = attack(),
        check = named(key),
        stack = stacks.get(ch);
      expect([...new Set(ch.failed)]).toEqual([check]);
      if (stack) {
        const claim = exts(ch.rows.U.value.slice(-3 * (Math.ceil(Math.log2(stack.length)) + 1)));
        expect(claim.pop()).toEqual(valueAt(stack, claim));
      }
      expect(broken(ch)).toEqual([CONSTRAINT[check] ?? 'Q']);
      remove(ch, check);
      expect(broken(ch)).toEqual([]);
    });
  it('a root of zero falls with layer 0 as well: the tree computes the true product', () => {
    const ch = verify(prove({ hook: at('logup root', () => [0n, 0n, 0n]) }));
    expect(ch.failed).toEqual(['inverse', 'LogUp layer 0']);
    expect(broken(ch)).toEqual(['Q']);
  });
  it('each has its attack', () => {
    const made = new Set<string>();
    for (const ch of [
      verify(),
      open(ONE_ROUND, undefined, undefined, true),
      open(TWO_ROUNDS),
      merged(undefined),
      fractions(),
      misread(),
      texts(),
      selected(),
    ]) {
      for (const [kind, list] of Object.entries(ch.checks)) {
        const { from } = ch.rows[kind as 'Q'];
        expect(list.length * { E: 3, Q: 2, S: 1, G: 5, I: 1 }[kind as 'Q'], kind).toBe(from.length);
        for (const n of list) made.add(n);
      }
    }
    expect([...made].sort()).toEqual([...new Set(Object.keys(ATTACKS).map(named))].sort());
    expect([...new Set([...made].map(family))].sort()).toEqual(ATTACKED);
  });
});
