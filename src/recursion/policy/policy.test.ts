import { describe, expect, it } from 'vitest';
import { CircuitChannel } from '../../circuit/channel.js';
import type { RowHook } from '../../circuit/rows.js';
import { CLIP, scheduleScalars } from '../../optim/constants.js';
import { P, inv, mod } from '../../field/goldilocks.js';
import { FREE, countersDigest, zeroCounters } from '../../policy/classes/quotas.js';
import { classRows } from '../../policy/classes/table.js';
import { stratify } from '../../policy/order/strata.js';
import { orderShape } from '../../policy/order/radices.js';
import { rowShape, rowTargets } from '../../policy/rows/digest.js';
import { POLICY_LAYOUT, POLICY_WORDS, type PolicyShape, policyDigest } from '../../policy/vector.js';
import type { PolicyWitness } from '../../prove/policy.js';
import type { Elem } from '../../transcript/arith.js';
import { DEFAULT_NUMBERS, TARGETS, llamaProgram } from '../../model/index.js';
import { adamConstants } from '../../optim/index.js';
import { makePlan } from '../../tensor/plan.js';
import { stateRate } from '../../tensor/index.js';
import { recursionClass } from '../class.js';
import { programsDigest } from '../statement.js';
import { STORIES } from '../../../tools/shapes.js';
import { PolicyLeaf } from './leaf.js';
import {
  BINS,
  CLASSES,
  KEYS,
  ROW,
  SCHEDULE,
  type LeafCase,
  SHAPE,
  clipAt,
  dataOf,
  forgedData,
  microCase,
  microCounters,
  policyLeaf,
  policyRun,
  runLeaf,
  stateAt,
  stepCase,
  targetsAt,
} from '../../../test/policy-case.js';

const read = (ch: CircuitChannel, e: readonly Elem[]): bigint[] => e.map((x) => ch.value(x)[0]);

/** Runs honestly and compares every output with the native twin; returns what fails. */
function honest(w: PolicyWitness, step: number, count = 1): string[] {
  const g = stepCase(w, step, count),
    { ch, out, failed } = runLeaf(w, 'step', w.facts.batch, g),
    before = stateAt(w, step),
    after = stateAt(w, step + count),
    next = w.order.batch(step + count);
  expect(read(ch, out.leaf.digest)).toEqual(policyDigest(w.vector));
  expect(read(ch, out.leaf.countersIn)).toEqual(countersDigest(before.counters, w.blind(step)));
  expect(read(ch, out.counters)).toEqual(countersDigest(after.counters, w.blind(step + count)));
  expect(read(ch, out.epochs)).toEqual(after.epochs);
  expect(read(ch, out.place)).toEqual([step + count, 0, next.epoch, next.drawn, 0].map(BigInt));
  return failed;
}
const failures = (w: PolicyWitness, g: LeafCase, forge?: Parameters<typeof runLeaf>[4]): string[] =>
  runLeaf(w, 'step', w.facts.batch, g, forge).failed;
/** First step with a draw that walks, and the row of it. */
function walking(w: PolicyWitness): { step: number; row: number } {
  for (let step = 0; ; step++) {
    const { epoch, draws } = w.order.batch(step),
      row = draws.findIndex((d) => w.order.permutation(epoch).walk(d.position).length > 0);
    if (row >= 0) return { step, row };
  }
}

describe('policy on wires: honest leaves', () => {
  const w = policyRun(101);
  it('agree with their native twin: a batch, two steps, a walk, a short batch that ends an epoch, the step after it', () => {
    expect(w.values).toMatchObject({ depth: 8, walks: 1, bins: 2, classDepth: 4, scheduleDepth: 8, epochBatches: 26 });
    expect(honest(w, 0)).toEqual([]);
    expect(honest(w, 3, 2)).toEqual([]);
    expect(honest(w, walking(w).step)).toEqual([]);
    expect(w.rows(25)).toHaveLength(1);
    expect(honest(w, 25)).toEqual([]);
    expect(honest(w, 26)).toEqual([]);
    // Two steps over an epoch's end in one leaf: counters and key change between them.
    expect(honest(w, 25, 2)).toEqual([]);
  });
  it('in the public mode, in modes that alternate, with replacement, with part of the rows an epoch', () => {
    expect(honest(policyRun(101, { modes: { period: 1, mask: 1n } }), 1)).toEqual([]);
    const both = policyRun(101, { modes: { period: 3, mask: 0b10n }, epochExamples: 8 });
    for (const step of [0, 2, 4, 6]) expect(honest(both, step)).toEqual([]);
    const again = policyRun(101, { replacement: true, epochExamples: 10 });
    expect(again.values).toMatchObject({ rounds: 0, walks: 0 });
    expect(honest(again, 0)).toEqual([]);
    expect(honest(again, 2)).toEqual([]);
    expect(honest(policyRun(101, { epochExamples: 10, shortBatch: 'drop' }), 1)).toEqual([]);
  });
  it('draw strata, with walks of their own', () => {
    // Classes of 34, 34 and 33 rows, sorted; the last one is never drawn.
    const strata = stratify([
        { name: 'a', rows: 34, perEpoch: 5 },
        { name: 'b', rows: 34, perEpoch: 13 },
      ]),
      s = policyRun(101, { strata, epochExamples: 18, quotas: [{ ...FREE, examples: { min: 5, max: 5 } }, FREE] }, true);
    expect(s.values.strataDepth).toBe(2);
    for (const step of [0, 3, 4, 9]) expect(honest(s, step)).toEqual([]);
    for (let step = 0; step < 10; step++) for (const r of s.rows(step)) expect(r.class).toBeLessThan(2);
    const odd = policyRun(101, { strata: stratify([{ name: 'a', rows: 101, perEpoch: 101 }]), epochExamples: 101 });
    expect(odd.values.innerWalks).toBe(1);
    for (let step = 0; step < 26; step++)
      if (odd.order.batch(step).draws.some((d) => odd.order.pass(0, 0, 0).walk(d.stratum!.place).length > 0))
        expect(honest(odd, step)).toEqual([]);
  });
  it('publish totals and what is shown, and hide the rest', () => {
    for (const show of [
      { losses: 'none', targets: 'none', totals: 'none' },
      { losses: 'epochs', targets: 'none', totals: 'epochs' },
      { losses: 'none', targets: 'steps', totals: 'epochs' },
    ] as const)
      expect(honest(policyRun(101, { show, epochExamples: 4 }), 1)).toEqual([]);
  });
  it('of micro-batches and their update', () => {
    const m = policyRun(101, { batch: 6 });
    for (const [step, micro] of [
      [0, 0],
      [0, 2],
      [16, 2],
    ] as const) {
      const { ch, out, failed } = runLeaf(m, 'micro', 2, microCase(m, step, micro, 2, 'micro'));
      expect(failed).toEqual([]);
      expect(read(ch, out.counters)).toEqual(countersDigest(microCounters(m, step, micro + 1, 2), m.blind(step, micro + 1)));
    }
    // The last batch of 101 by 6 has 5 rows: three micro-batches, the last one short.
    for (const step of [0, 16]) {
      const { ch, out, failed } = runLeaf(m, 'update', 2, microCase(m, step, 3, 2, 'update'));
      expect(failed).toEqual([]);
      expect(read(ch, out.counters)).toEqual(countersDigest(stateAt(m, step + 1).counters, m.blind(step + 1)));
    }
    // A batch of 3 in micro-batches of 2: the second has one row, though the epoch goes on.
    const odd = policyRun(101, { batch: 3 });
    for (const micro of [0, 1]) expect(runLeaf(odd, 'micro', 2, microCase(odd, 4, micro, 2, 'micro')).failed).toEqual([]);
    expect(runLeaf(odd, 'update', 2, microCase(odd, 4, 2, 2, 'update')).failed).toEqual([]);
    // 97 rows by 6: the last batch is one row, one micro-batch.
    const one = policyRun(97, { batch: 6 });
    expect(runLeaf(one, 'update', 2, microCase(one, 16, 1, 2, 'update')).failed).toEqual([]);
  });
  it('have a shape that no value changes', () => {
    const shape = new CircuitChannel();
    policyLeaf(shape, w.values, 'step', 1, 4);
    for (const step of [0, walking(w).step, 25]) {
      const { ch } = runLeaf(w, 'step', 4, stepCase(w, step));
      for (const k of ['E', 'F', 'B', 'S', 'P', 'M', 'Q'] as const) expect(ch.rows[k].from).toEqual(shape.rows[k].from);
    }
  });
});

describe('policy on wires: paths on rows of permutations', () => {
  const w = policyRun(101),
    strata = policyRun(
      101,
      {
        strata: stratify([
          { name: 'a', rows: 34, perEpoch: 5 },
          { name: 'b', rows: 34, perEpoch: 13 },
        ]),
        epochExamples: 18,
      },
      true,
    );
  type Forge = (name: string, at: number, x: bigint) => bigint;
  /** Checks that fail with paths of this kind; free words that the paths have are forged. */
  const run = (
    of: PolicyWitness,
    g: LeafCase,
    forge?: Forge,
  ): { failed: string[]; path: bigint[]; out: bigint[][]; ch: CircuitChannel } => {
    const shape = { ...of.values, paths: 'permutations' } as const,
      rows = new Map((runLeaf(of, 'step', 4, g, undefined, shape).out.leaf.w.free.get('path') ?? []).map((row, k) => [row, k] as const)),
      ch = new CircuitChannel(new BigUint64Array(0), (k, row, r) => {
        const at = k === 'W' ? rows.get(row) : undefined;
        if (at !== undefined && forge) r.W.value[row] = forge('path', at, r.W.value[row]);
      }),
      out = policyLeaf(ch, shape, 'step', g.parts.length, 4, g);
    return {
      failed: [...new Set(ch.failed)],
      path: [...rows.keys()].map((row) => ch.rows.W.value[row]),
      out: [out.leaf.digest, out.leaf.countersIn, out.counters, out.epochs, out.place].map((e) => read(ch, e)),
      ch,
    };
  };
  it('say what rows of levels say, in as many rows P and M', () => {
    for (const [of, step] of [
      [w, 0],
      [w, 25],
      [strata, 4],
    ] as const) {
      const g = stepCase(of, step),
        levels = runLeaf(of, 'step', 4, g),
        { failed, out, ch } = run(of, g);
      expect(failed).toEqual([]);
      const { leaf, counters, epochs, place } = levels.out;
      expect(out).toEqual([leaf.digest, leaf.countersIn, counters, epochs, place].map((e) => read(levels.ch, e)));
      expect(ch.rows.M.out).toHaveLength(0);
      expect(ch.rows.P.out).toHaveLength(levels.ch.rows.P.out.length + levels.ch.rows.M.out.length);
    }
  });
  it('hold the row, its place and its sibling', () => {
    const g = stepCase(w, 7),
      honest = run(w, g).path,
      // A row of eight levels with four words left and right each, its class's four levels, for every row.
      depth = w.values.depth;
    expect(honest).toHaveLength(8 * (4 * (depth + w.values.classDepth) + w.values.scheduleDepth));
    // Another row, salt or class, with the path of the one that was committed to.
    for (const f of [
      (x: LeafCase) => (x.parts[0].rows[0].tokens[3] ^= 1),
      (x: LeafCase) => (x.parts[0].batch.rows[0].salt as bigint[])[1]++,
      (x: LeafCase) => ((x.parts[0].batch.rows[0] as { length: number }).length ^= 1),
      (x: LeafCase) => x.parts[0].scalars[0]++,
    ]) {
      const lie = structuredClone(g);
      f(lie);
      expect(run(w, lie, (_, at) => honest[at]).failed).toEqual(['node of a path']);
    }
    // A sibling of one's own; a node that is neither.
    const index = w.order.batch(7).draws[0].row,
      side = index % 2 ? 0 : 4;
    expect(run(w, g, (_, at, x) => (at === side ? x + 1n : x)).failed).toEqual(['dataset root']);
    expect(run(w, g, (_, at, x) => (at === 4 - side ? x + 1n : x)).failed).toEqual(['node of a path', 'dataset root']);
    // Both nodes below the parent in the other order: the row would be at its neighbour's place.
    expect(run(w, g, (_, at, x) => (at < 8 ? honest[(at + 4) % 8] : x)).failed).toEqual(['node of a path', 'dataset root']);
    // The neighbour with its own path, at this row's place.
    const neighbour = structuredClone(g);
    neighbour.parts[0].rows[0] = w.data.rows[index ^ 1];
    (neighbour.parts[0].batch.rows as object[])[0] = w.row(index ^ 1);
    expect(run(w, neighbour).failed).toContain('dataset root');
    expect(run(w, neighbour, (_, at, x) => (at < 8 * depth ? honest[at] : x)).failed).toContain('node of a path');
  });
});

describe('policy on wires: rows', () => {
  /** Rows that a step of 8 rows takes, words and mask bits apart, which the step's proof has anyway. */
  const rows = (sequence: number, vocab: number, depth: number, n: number, bins: number): Record<string, number> => {
    const rs = rowShape(sequence, vocab),
      order = orderShape(n),
      shape: PolicyShape = {
        depth,
        rounds: order.rounds,
        walks: 2,
        bins,
        classDepth: 8,
        scheduleDepth: 16,
        innerRounds: 0,
        innerWalks: 0,
        strataDepth: 0,
        replacement: false,
      },
      ch = new CircuitChannel(),
      zero = ch.constant(0n),
      leaf = new PolicyLeaf(ch, shape, [zero, zero, zero, zero]),
      words = (count: number): Elem[] => Array.from({ length: count }, () => ch.word(0n)),
      batch = Array.from({ length: 8 }, () => {
        const mask = words(rs.maskWords);
        return { tokens: words(rs.tokenWords), mask, bits: mask.flatMap((m, k) => ch.split(m, Math.min(62, sequence - 62 * k))) };
      }),
      [step, micro, epoch, drawn, wrap] = words(5),
      splits = ch.rows.S.value.length;
    const { targets } = leaf.batch({ step, micro, epoch, drawn }, batch, true);
    leaf.endStep({ step, micro, epoch, drawn }, undefined, targets, wrap, {
      scalars: words(3),
      clip: { name: 'clipN', frac: 26, value: words(1)[0] },
    });
    leaf.finish(false);
    return {
      P: ch.rows.P.out.length,
      M: ch.rows.M.out.length,
      S: ch.rows.S.value.length - splits,
      F: ch.rows.F.from.length / 3,
      B: ch.rows.B.from.length / 3,
    };
  };
  it('stay below a tenth of a leaf of 8 x 64 tokens over a million rows', () => {
    const n = rows(64, 512, 20, 2 ** 20, 16);
    expect(n).toMatchInlineSnapshot(`
      {
        "B": 2553,
        "F": 0,
        "M": 240,
        "P": 195,
        "S": 757,
      }
    `);
    // 7,898 rows P and M: a leaf of stories260k, 8 x 64 tokens, without the policy.
    expect(n.P + n.M).toBeLessThan(790);
  });
  it('and below a twentieth of the cells of its class, which every node pays for, or below what that was with cubes', () => {
    const program = llamaProgram({
        shape: STORIES,
        numbers: DEFAULT_NUMBERS,
        weightBits: Object.fromEntries(
          ['E', 'gamma', 'head', ...TARGETS.map((t) => `W.${t}`)].map((n) => [n, n.startsWith('W.') ? 20 : 18] as const),
        ),
        batch: 8,
        sequence: 64,
        lora: { r: 8, targets: TARGETS, scaling: 2 },
        adam: adamConstants([0.9, 0.95], 1),
        kind: 'step',
      }),
      options = { bits: 128, grinding: 16, rate: 2, stateRate: 2 },
      plan = makePlan(program, { ...options, stateRate: stateRate(program.axes['P']) });
    const classOf = (policy?: PolicyShape) =>
      recursionClass(
        {
          programs: programsDigest([program]),
          zeroAcc: Array<bigint>(10).fill(0n),
          baseVars: plan.frozenVars,
          ...(policy ? { policy: { ...policy, size: 8 } } : {}),
        },
        [{ kind: 'step', plan, rows: [1] }],
        options,
      );
    const bare = classOf(),
      cells = (c: typeof bare): number => c.plan.layouts.get('witness')!.cells;
    for (const depth of [12, 20, 24]) {
      const c = classOf({
        ...{ depth, rounds: orderShape(2 ** depth).rounds, walks: 2, bins: 16, classDepth: 8, scheduleDepth: 16 },
        ...{ innerRounds: 0, innerWalks: 0, strataDepth: 0, replacement: false },
      });
      expect(c.run.policy?.paths).toBe('permutations');
      // Ranges of small trees have more rows. They pass a twentieth since permutations hold no cubes and the class is
      // smaller, but not the cells that this was: of 3.8 million, 190,000.
      if (depth > 12) expect(cells(c)).toBeLessThan(1.05 * cells(bare));
      else expect(cells(c) - cells(bare)).toBeLessThan(175_000);
      const [, leaf] = c.rows,
        [, own] = bare.rows;
      expect(leaf.P + leaf.M).toBeLessThan(1.1 * (own.P + own.M));
    }
  });
  it('of longer rows and smaller sets', () => {
    expect(
      [
        [64, 512, 12, 4096],
        [64, 512, 24, 2 ** 24],
        [256, 49_152, 20, 2 ** 20],
        [2048, 128_256, 20, 2 ** 20],
      ].map(([s, v, d, n]) => Object.values(rows(s, v, d, n, 16)).join(' ')),
    ).toMatchInlineSnapshot(`
      [
        "275 176 1157 0 3113",
        "195 272 757 0 2553",
        "267 240 757 0 4713",
        "899 240 757 0 24057",
      ]
    `);
  });
});

describe('policy on wires: dishonest provers', () => {
  const w = policyRun(101),
    at = 7,
    change = (f: (g: LeafCase) => void, step = at, run = w): string[] => {
      const g = structuredClone(stepCase(run, step));
      f(g);
      return failures(run, g);
    },
    forge = (name: string, k: number, f: (x: bigint) => bigint, step = at): string[] => failures(w, stepCase(w, step), { name, at: k, f });
  it('a row that is none of the data set, another row, a row twice, the rows of another step, epoch or key', () => {
    expect(change((g) => (g.parts[0].rows[1].tokens[3] ^= 1))).toEqual(['dataset root']);
    expect(change((g) => (g.parts[0].batch.rows[1].salt as bigint[])[0]++)).toEqual(['dataset root']);
    const other = (g: LeafCase, r: number, row: number): void => {
      g.parts[0].rows[r] = w.data.rows[row];
      (g.parts[0].batch.rows as object[])[r] = w.row(row);
    };
    const drawn = w.order.batch(at).draws.map((d) => d.row);
    expect(change((g) => other(g, 1, (drawn[1] + 1) % 101))).toContain('dataset root');
    expect(change((g) => other(g, 1, drawn[0]))).toContain('dataset root');
    expect(change((g) => [0, 1, 2, 3].forEach((r) => other(g, r, w.order.batch(at + 1).draws[r].row)))).toContain('dataset root');
    expect(change((g) => [0, 1, 2, 3].forEach((r) => other(g, r, w.order.draw(1, 4 * at + r).row)))).toContain('dataset root');
    // The same rows in another order.
    expect(change((g) => [0, 1, 2, 3].forEach((r) => other(g, r, drawn[3 - r])))).toContain('dataset root');
  });
  it('another key or blind under the same commitment, the key of the other mode', () => {
    expect(forge('sampler key', 0, (x) => x + 1n)).toContain('sampler key');
    expect(forge('key blind', 3, (x) => x + 1n)).toContain('sampler key');
    expect(change((g) => ((g.parts[0].batch as { key: object }).key = { key: KEYS.public, blind: [0n, 0n, 0n, 0n] }))).toContain(
      'sampler key',
    );
    expect(forge('mode', 0, (x) => x + 1n)).toContain('mode');
    expect(forge('mode', 1, (x) => x + 1n)).toContain('mode');
  });
  it('other quotients, remainders and digits in the permutation', () => {
    const { b } = w.values.order;
    expect(forge('quotient', 5, (x) => x - 1n)).toContain('order remainder');
    expect(forge('quotient', 5, (x) => x + 1n)).toContain('order remainder');
    // A remainder less by one, the quotient out of all bounds: z - 1 = y + u - (q + 1/m) m in the field.
    expect(forge('quotient', 5, (x) => mod(x + inv(BigInt(b))))).toContain('order quotient');
    expect(forge('quotient', 5, (x) => mod(x - inv(BigInt(b))))).toContain('order quotient');
    expect(forge('digits', 0, (x) => x + 1n)).toContain('order digits');
    // L - 1 and R + b: equal sum, R out of range.
    const g = stepCase(w, at);
    for (const r of [1]) {
      const free = runLeaf(w, 'step', 4, g).out.leaf.w.free.get('digits')!;
      const ch = new CircuitChannel(new BigUint64Array(0), (k, row, rows) => {
        if (k !== 'W') return;
        if (row === free[2 * r]) rows.W.value[row] = mod(rows.W.value[row] - 1n);
        if (row === free[2 * r + 1]) rows.W.value[row] += BigInt(b);
      });
      policyLeaf(ch, w.values, 'step', 1, 4, g);
      expect(ch.failed).toContain('order digits');
    }
  });
  it('a walk left out, one that nobody needs, two rows in a slot, a slot with half a row', () => {
    const { step, row } = walking(w),
      spare = step === 0 ? 1 : 0;
    expect(forge('slot', row, () => 0n, step)).toContain('walk not ended');
    expect(forge('slot', 0, () => 1n, spare)).toContain('walk from a row');
    expect(forge('slot', (row + 1) % 4, () => 1n, step)).toContain('walk slot');
    expect(forge('slot', row, () => inv(2n), step)).toContain('walk slot');
    expect(forge('slot', row, () => P - 1n, step)).toContain('walk slot');
  });
  it('a present row called absent, an absent one present, an absent one with words', () => {
    expect(forge('present', 2, () => 0n)).toContain('present');
    expect(forge('present', 2, () => 1n, 25)).toContain('present');
    expect(forge('present', 2, () => inv(2n))).toContain('present');
    expect(change((g) => g.parts[0].rows.push({ ...w.data.rows[0], mask: new Uint8Array(8) }), 25)).toEqual(['absent row']);
    const quiet = { ...w.data.rows[0], tokens: new Int32Array(8), mask: Uint8Array.of(0, 0, 1, 0, 0, 0, 0, 0) };
    expect(change((g) => g.parts[0].rows.push(quiet), 25)).toContain('absent row');
  });
  it('a mask bit flipped, a bit behind the last token', () => {
    expect(change((g) => (g.parts[0].rows[0].mask[2] ^= 1))).toContain('dataset root');
    const g = stepCase(w, at),
      long = { ...SHAPE, sequence: 9 };
    expect(rowTargets(long, w.data.rows[0])).toBe(rowTargets(SHAPE, w.data.rows[0]));
    // The mask word is the third of a row's words: 4 epochs, 64 + 10 + 8 + ... free words before; found by its value.
    const words = runLeaf(w, 'step', 4, g).ch.rows.W.value,
      mask = BigInt(g.parts[0].rows[0].mask.reduce((s, x, i) => (i ? s + x * 2 ** (i - 1) : s), 0)),
      where = words.indexOf(mask);
    const ch = new CircuitChannel(new BigUint64Array(0), (k, row, rows) => {
      if (k === 'W' && row === where) rows.W.value[row] |= 128n;
    });
    policyLeaf(ch, w.values, 'step', 1, 4, g);
    expect(ch.failed).toContain('last mask bit');
  });
  it('another class of a row, another entry of the class table, data that may not be trained on', () => {
    const known = classRows(CLASSES, BINS, null);
    expect(
      change((g) => {
        const r = g.parts[0].batch.rows[0] as { class: number; bins: bigint; classPath: unknown };
        const to = (r.class + 1) % 3;
        r.class = to;
        r.bins = known[to].bins;
        r.classPath = w.row(w.data.rows.findIndex((x) => x.class === to)).classPath;
      }),
    ).toEqual(['dataset root']);
    expect(change((g) => ((g.parts[0].batch.rows[0] as { bins: bigint }).bins ^= 1n))).toContain('class table');
    expect(change((g) => ((g.parts[0].batch.rows[0] as { bins: bigint }).bins |= 1n << 63n))).toContain('class bins');
    const strict = policyRun(101, { classes: classRows(CLASSES, BINS, { licenses: ['MIT', 'Apache-2.0'] }) }),
      step = [...Array(10).keys()].find((s) => strict.rows(s).some((r) => r.class === 2))!,
      r = strict.rows(step).findIndex((x) => x.class === 2);
    expect(failures(strict, stepCase(strict, step))).toEqual(['eligible']);
    expect(r).toBeGreaterThanOrEqual(0);
    const lie = (g: LeafCase): void => {
      for (const x of g.parts[0].batch.rows) (x as { eligible: boolean }).eligible = true;
    };
    expect(change(lie, step, strict)).toEqual(['class table']);
  });
  it('a quota passed by one, examples or targets, also in an epoch that does not end; one missed by one', () => {
    const c = stateAt(w, at + 1).counters,
      limit = (kind: 'examples' | 'targets', bin: number, by: number): PolicyWitness =>
        policyRun(101, { quotas: [0, 1].map((j) => (j === bin ? { ...FREE, [kind]: { min: 0, max: c[kind][bin] + by } } : FREE)) });
    for (const kind of ['examples', 'targets'] as const)
      for (const bin of [0, 1]) {
        expect(failures(limit(kind, bin, 0), stepCase(limit(kind, bin, 0), at))).toEqual([]);
        expect(failures(limit(kind, bin, -1), stepCase(limit(kind, bin, -1), at))).toEqual(['quota maximum']);
      }
    const whole = stateAt(policyRun(101, { shortBatch: 'keep' }), 25).counters,
      last = w.drawn(whole, 25, 0, 4, 0n),
      least = (by: number): PolicyWitness =>
        policyRun(101, { quotas: [{ ...FREE, examples: { min: last.examples[0] + by, max: 1000 } }, FREE] });
    expect(failures(least(0), stepCase(least(0), 25))).toEqual([]);
    expect(failures(least(1), stepCase(least(1), 25))).toEqual(['quota minimum']);
    // Not due before the end.
    expect(failures(least(1), stepCase(least(1), 24))).toEqual([]);
    const quotas = limit('examples', 0, -1);
    expect(failures(quotas, stepCase(quotas, at), { name: 'quotas', at: 2, f: (x) => x + 1n })).toContain('quotas');
  });
  it('other counters on entry: the digest differs, also where they are negative, which a leaf alone accepts', () => {
    const tight = policyRun(101, { quotas: [0, 1].map(() => ({ examples: { min: 0, max: 1000 }, targets: { min: 0, max: 9000 } })) }),
      g = stepCase(tight, at),
      { ch, out } = runLeaf(tight, 'step', 4, g),
      good = read(ch, out.leaf.countersIn);
    for (const [k, f] of [
      [0, (x: bigint) => x - 1n],
      [0, () => P - 5n],
      [4, (x: bigint) => x + 1n],
    ] as const) {
      const bad = runLeaf(tight, 'step', 4, g, { name: 'counters', at: k, f });
      expect(bad.failed).toEqual([]);
      expect(read(bad.ch, bad.out.leaf.countersIn)).not.toEqual(good);
    }
    const blind = runLeaf(tight, 'step', 4, g, { name: 'counters blind', at: 0, f: (x) => x + 1n });
    expect(read(blind.ch, blind.out.leaf.countersIn)).not.toEqual(good);
    // Whoever accepts a node alone at an epoch's start compares with this constant.
    const start = runLeaf(tight, 'step', 4, stepCase(tight, 26));
    expect(read(start.ch, start.out.leaf.countersIn)).toEqual(countersDigest(zeroCounters(2)));
  });
  it('scalars of the next step, a clip scalar off by one, a step without targets', () => {
    expect(
      change((g) => {
        g.parts[0].scalars = [...SCHEDULE[at + 1]];
        g.parts[0].end = w.end(at + 1);
      }),
    ).toEqual(['schedule']);
    for (const k of [0, 1, 2]) expect(change((g) => g.parts[0].scalars[k]++)).toEqual(['schedule']);
    expect(change((g) => g.parts[0].clip++)).toContain('clip scalar');
    expect(change((g) => g.parts[0].clip--)).toContain('clip scalar');
    // Another pair of quotient and remainder: in the field there is one for every remainder.
    expect(forge('clip remainder', 0, (x) => x + 4096n)).toContain('clip scalar');
    expect(change((g) => (g.parts[0].clip = mod(clipAt(3) + inv(4096n))))).toContain('clip scalar');
    const count = BigInt(targetsAt(w, at)),
      // A remainder of r + 1 belongs to the quotient q - 1 / 2^12 of the field.
      forged = change((g) => (g.parts[0].clip = mod(g.parts[0].clip - inv(4096n))));
    expect(forged).toContain('clip scalar');
    // Targets that are not those of the step, more than a step may have, none at all.
    const entered = (n: bigint): string[] => change((g) => (g.place[4] = n));
    expect(entered(1n)).toEqual(['clip scalar']);
    expect(entered(33n)).toContain('target count');
    expect(entered(mod(-count))).toContain('target count');
    expect(entered(mod(-count - 1n))).toContain('target count');
  });
  it('without clipping: the reciprocal of the number of targets, off by one, of another number, of none', () => {
    const free = policyRun(101, { batch: 6, clip: 0n }),
      one = (2n ** 40n + 19n) / 38n,
      leaf = (count: bigint, value: bigint, forge?: { name: string; f: (x: bigint) => bigint }): string[] => {
        const g = microCase(free, 0, 3, 2, 'update');
        g.place[4] = count;
        g.parts[0].clip = value;
        const run = (hook?: RowHook) => {
          const ch = new CircuitChannel(new BigUint64Array(0), hook);
          return { ch, out: policyLeaf(ch, free.values, 'update', 1, 2, g, 'clipC') };
        };
        let r = run();
        if (forge) {
          const [row] = r.out.leaf.w.free.get(forge.name)!;
          r = run((k, row2, rows) => {
            if (k === 'W' && row2 === row) rows.W.value[row] = mod(forge.f(rows.W.value[row]));
          });
        }
        return [...new Set(r.ch.failed)];
      };
    expect(scheduleScalars(ROW, 19, 0, { parameters: 1, momentFrac: 60 }, 0).clipC).toBe(one);
    expect(leaf(19n, one)).toEqual([]);
    for (const x of [one + 1n, one - 1n, one + 2n ** 40n, mod(one + inv(38n)), 0n])
      expect(leaf(19n, x), String(x)).toContain('clip scalar');
    expect(leaf(20n, one)).toContain('clip scalar');
    expect(leaf(0n, 0n)).toContain('target count');
    expect(leaf(49n, one)).toContain('target count');
    // The remainder of the quotient less by one is as large as the divisor.
    expect(leaf(19n, one - 1n, { name: 'clip remainder', f: (x) => x + 38n })).toContain('clip scalar');
    // The largest number of targets that the verifier admits leaves both sides below p.
    expect((2n ** 40n - 1n) * 2n * BigInt(CLIP.unclipped) + 2n * BigInt(CLIP.unclipped) - 1n).toBeLessThan(P);
  });
  it('a row that trains nothing, which would count for a quota', () => {
    const idle = (g: LeafCase): void => {
      g.parts[0].rows[0] = { ...g.parts[0].rows[0], mask: new Uint8Array(8) };
    };
    expect(change(idle)).toEqual(expect.arrayContaining(['row without targets', 'dataset root']));
    // A committer who forges the tree itself: such a row lies under the root, at its place, of its class.
    const row = w.order.batch(at).draws[2].row,
      rows = dataOf(101).rows.map((r, i) => (i === row ? { ...r, mask: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0) } : r)),
      own = forgedData(rows, 8),
      run = policyRun(101, { root: own.tree.root() }, false, own);
    expect(forgedData(dataOf(101).rows, 8).tree.root()).toEqual(dataOf(101).tree.root());
    expect(failures(run, stepCase(run, at))).toEqual(['row without targets']);
    for (const x of [1n, P - 1n, inv(2n)])
      expect(failures(run, stepCase(run, at), { name: 'targets inverse', at: 2, f: () => x })).toEqual(['row without targets']);
    // Called absent it is not drawn either.
    expect(failures(run, stepCase(run, at), { name: 'present', at: 2, f: () => 0n })).toContain('present');
  });
  it('a loss outside its format', () => {
    for (const x of [2n ** 51n, -(2n ** 51n) - 1n]) expect(change((g) => (g.parts[0].loss = x))).toEqual(['loss format']);
    for (const x of [2n ** 51n - 1n, -(2n ** 51n)]) expect(change((g) => (g.parts[0].loss = x))).toEqual([]);
  });
  it('a micro-batch left out, one too many, an update before them', () => {
    const m = policyRun(101, { batch: 6 }),
      as = (kind: 'micro' | 'update', step: number, micro: number): string[] => {
        const g = microCase(m, step, Math.min(micro, 2), 2, kind);
        g.place[1] = BigInt(micro);
        return runLeaf(m, kind, 2, g).failed;
      };
    for (const micro of [0, 1, 2, 4]) expect(as('update', 0, micro)).toContain('micro-batch left out');
    expect(as('micro', 0, 3)).toContain('micro-batch too many');
    const one = policyRun(97, { batch: 6 }),
      late = microCase(one, 16, 0, 2, 'micro');
    late.place[1] = 1n;
    expect(runLeaf(one, 'micro', 2, late).failed).toContain('micro-batch too many');
    // The last batch called a full one.
    const short = microCase(one, 16, 1, 2, 'update');
    expect(runLeaf(one, 'update', 2, short, { name: 'short batch', at: 0, f: () => 0n }).failed).toContain('short batch');
    expect(runLeaf(one, 'update', 2, short, { name: 'short batch', at: 0, f: () => inv(2n) }).failed).toContain('short batch');
    // A program of another number of rows than the batch.
    expect(runLeaf(m, 'step', 4, { ...stepCase(w, at), input: m.leaf(stateAt(m, at).counters, [at, 0], [at + 1, 0]) }).failed).toContain(
      'batch',
    );
  });
  it('a word of `show` that means nothing', () => {
    const used = POLICY_LAYOUT.get('show')!.at;
    expect(failures(w, stepCase(w, at), { name: 'policy vector', at: used, f: () => 3n })).toContain('show');
    expect(failures(w, stepCase(w, at), { name: 'policy vector', at: used, f: () => 32n })).toContain('show');
  });
  it('strata: another stratum, another entry, another pass', () => {
    const strata = stratify([
        { name: 'a', rows: 34, perEpoch: 5 },
        { name: 'b', rows: 34, perEpoch: 13 },
      ]),
      s = policyRun(101, { strata, epochExamples: 18 }, true),
      f = (name: string, k: number, x: (v: bigint) => bigint): string[] => failures(s, stepCase(s, 1), { name, at: k, f: x });
    expect(f('stratum', 0, (v) => 1n - v)).toContain('strata table');
    for (let k = 0; k < 8; k++) expect(f('stratum words', k, (v) => v + 1n)).toContain('strata table');
    expect(f('pass', 0, (v) => v + 1n)).toContain('pass');
    expect(f('pass', 1, (v) => v + 1n)).toContain('pass');
    // The honest entry of the other stratum: the place does not lie in it.
    const g = structuredClone(stepCase(s, 1)),
      list = g.parts[0].batch.strata as unknown as object[],
      swap =
        stepCase(s, 0).parts[0].batch.strata!.find((x) => x.index !== (list[0] as { index: number }).index) ??
        stepCase(s, 1).parts[0].batch.strata!.find((x) => x.index !== (list[0] as { index: number }).index)!;
    list[0] = swap;
    expect(failures(s, g)).toContain('stratum');
  });
  it('a key for another shape, and any word of the policy vector', () => {
    const g = stepCase(w, at);
    for (const [shape, check] of [
      [{ ...w.values, bins: 1 }, 'policy shape bins'],
      [{ ...w.values, rounds: 28 }, 'policy shape rounds'],
      [{ ...w.values, walks: 0 }, 'policy shape walks'],
      [{ ...w.values, depth: 12 }, 'policy shape depth'],
      [{ ...w.values, classDepth: 8 }, 'policy shape classDepth'],
      [{ ...w.values, scheduleDepth: 12 }, 'policy shape scheduleDepth'],
      [{ ...w.values, replacement: true }, 'policy shape replacement'],
    ] as const)
      expect(runLeaf(w, 'step', 4, g, undefined, shape).failed).toContain(check);
    const good = policyDigest(w.vector).join();
    for (let k = 0; k < POLICY_WORDS; k++) {
      const { ch, out } = runLeaf(w, 'step', 4, g, { name: 'policy vector', at: k, f: (x) => mod(x + 1n) });
      expect(read(ch, out.leaf.digest).join(), `word ${k}`).not.toBe(good);
    }
  });
});
