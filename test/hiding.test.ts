import { afterEach, describe, expect, it, vi } from 'vitest';
import * as E from '../src/field/ext3.js';
import { P } from '../src/field/goldilocks.js';
import { singleKernels } from '../src/kernels/index.js';
import { circuitProgram } from '../src/circuit/program.js';
import { programLedger } from '../src/run/ledger.js';
import { makePlan } from '../src/tensor/plan.js';
import { hiddenMessages } from '../src/tensor/hiding-counts.js';
import { hidingPlan, hidingWords, recordHiding } from '../src/tensor/verify-hiding.js';
import { verifyProgram } from '../src/tensor/verify.js';
import { type Cell, slotOf } from '../src/transcript/pad-cells.js';
import {
  type Ext,
  type Message,
  NativeChannel,
  RecordingChannel,
  VerificationError,
  messageWords,
  scheduleWords,
} from '../src/transcript/index.js';
import { FixedSponge, QUICK_HIDING, Words, proveToy, toy, toyCase, verifyToy } from './hiding-case.js';
import { frozenMessages, messages, simulate } from './hiding-simulator.js';

/** Faults that are planted in the prover: another value in a cell of its pads, masks that do not suffice at first. */
const planted = vi.hoisted(() => ({ cell: undefined as unknown, short: 0 }));
vi.mock('../src/transcript/pads.js', async (original) => {
  const real = await original<typeof import('../src/transcript/pads.js')>();
  return {
    ...real,
    drawPads: (...[counts, random]: Parameters<typeof real.drawPads>): Ext[] => {
      const cells = real.drawPads(counts, random);
      if (planted.cell) {
        const slot = slotOf(counts, planted.cell as Cell);
        cells[slot] = E.add(cells[slot], E.ONE);
      }
      return cells;
    },
  };
});
vi.mock('../src/pcs/mask-rank.js', async (original) => {
  const real = await original<typeof import('../src/pcs/mask-rank.js')>();
  return { ...real, masksSuffice: (...x: Parameters<typeof real.masksSuffice>) => planted.short-- <= 0 && real.masksSuffice(...x) };
});
afterEach(() => {
  planted.cell = undefined;
  planted.short = 0;
});

const k = singleKernels(),
  c = toyCase(),
  p = proveToy(c),
  { schedule, counts, assertions } = recordHiding(c.plan),
  hidden = hiddenMessages(c.plan);

/** A proof in a transcript of chosen challenges, with chosen masks. */
const programmed = (seed: number, random: Words, of = c): ReturnType<typeof proveToy> =>
  proveToy(of, { sponge: (kk) => new FixedSponge(kk, seed), random: () => random });

/**
 * Why a message says nothing: it is under a pad; uniform by the masks, whatever the witness; determined by what else is
 * there and challenges; public, a function of public columns and challenges.
 */
const CLASSES: readonly (readonly [RegExp, string])[] = [
  [/^(protocol|shape|hiding|context|public inputs|frozen digest)$/, 'public'],
  [/^root witness$/, 'uniform: a hash of leaves each of which is uniform'],
  [/^logup /, 'padded'],
  [/^inverse of a hidden element$/, 'padded'],
  [/^sumcheck round$/, 'padded'],
  [/^table \d+ claims$/, 'padded or public, by element'],
  [/^operand values$/, 'padded or public, by element'],
  [/^pad products$/, 'uniform: the factors at n'],
  [/^frozen (sumcheck|value)$/, 'public'],
  [/^whir 0 tails$/, 'uniform: rank of the tails'],
  [/^whir 0 sumcheck$/, 'uniform: rank of the tails'],
  [/^whir 0 mask$/, 'determined: by F and the claim'],
  [/^whir 0 row$/, 'uniform: tails; the mask column determined by F'],
  [/^whir 0 cap$/, 'uniform: hashes of leaves that are not opened'],
  [/^whir \d+ (root|ood|row|cap|sumcheck|work)$/, 'determined: by F, which is uniform'],
  [/^whir end sumcheck$/, 'determined: by F, which is uniform'],
  [/^whir final$/, 'determined: by F, or F itself, which is uniform'],
];
const classOf = ({ label }: Pick<Message, 'label'>): string | undefined => CLASSES.find(([r]) => r.test(label))?.[1];

describe('a proof that hides its witness', () => {
  it('is accepted, and has the messages, pads and products that follow from its plan', () => {
    expect(p.proof.length).toBe(scheduleWords(schedule));
    verifyToy(c, p);
    expect([counts.pads, counts.products.length]).toEqual([c.plan.pads!.pads, c.plan.pads!.products.length]);
    expect(assertions.filter((a) => a.startsWith('LogUp layer'))).toHaveLength(c.plan.logup.vars);
    expect(new Set(assertions.filter((a) => !a.startsWith('LogUp layer')))).toEqual(
      new Set([
        'inverse',
        'LogUp numerators',
        'batched sumcheck',
        'first factors of the products of pads',
        'second factors of the products of pads',
        'products of pads',
      ]),
    );
    const words = counts.pads;
    const elements = schedule
      .filter((m) => m.kind === 'ext')
      .flatMap((m) => Array.from({ length: m.count }, (_, i) => hidden(m.label, i) || m.label === 'inverse of a hidden element'));
    expect(elements.filter(Boolean)).toHaveLength(words);
  });
  it('every message of its schedule is padded, uniform, determined or public; a label of none fails', () => {
    // Besides the toy: a plan with later oracles.
    const plan = hidingPlan(circuitProgram({ ...toy.heights, P: 64, E: 256, F: 512 }), { ...QUICK_HIDING, bits: 60 }),
      large = recordHiding(plan);
    // Counted from the plan alone they are the same; and for a plan with the columns of a key beside the witness.
    const withKey = hidingPlan(toy.program, { ...QUICK_HIDING, keyRate: 3 });
    for (const x of [plan, c.plan, withKey]) {
      const met = recordHiding(x);
      expect(hidingWords(x)).toBe(scheduleWords(met.schedule));
      expect(x.pads).toEqual(met.counts);
    }
    for (const m of [...schedule, ...large.schedule])
      if (m.kind !== 'sample' && m.kind !== 'bits') expect(classOf(m), m.label).toBeDefined();
    expect(classOf({ label: 'a new message' })).toBeUndefined();
    expect(new Set(large.schedule.map((m) => m.label.replace(/\d+/g, '#')))).toContain('whir # ood');
  });
  it('has nothing in common with another of the same witness', () => {
    const other = proveToy(c);
    verifyToy(c, other);
    const [a, b] = [messages(schedule, p.proof), messages(schedule, other.proof)];
    let same = 0;
    a.forEach((w, i) => {
      if (schedule[i].kind !== 'grind') same += w.filter((x, n) => x !== 0n && x === b[i][n]).length;
    });
    // Zeros apart: cells beyond a tail, coordinates of values in F.
    expect(same).toBeLessThan(8);
  });
  it('is refused with any word changed', () => {
    for (let i = 0; i < p.proof.length; i += 1 + Math.floor(p.proof.length / 80)) {
      const bad = p.proof.slice();
      bad[i] = (bad[i] + 1n) % P;
      expect(() => verifyToy(c, { ...p, proof: bad }), String(i)).toThrow(VerificationError);
    }
  });
  it('is refused with a lie in any message, transcripts derived again', () => {
    const labels = new Set(schedule.filter((m) => messageWords(m) && m.kind !== 'grind').map((m) => m.label));
    for (const label of labels) {
      let first = true;
      const lie = proveToy(c, {
        hook: (l, w) => {
          if (l !== label || !first) return w;
          first = false;
          return w.map((x, i) => (i === 0 ? (x + 1n) % P : x));
        },
      });
      expect(() => verifyToy(c, lie), label).toThrow(VerificationError);
    }
  });
  it('is refused with a cell that is not the product of its pads, or of the polynomials that prove it', () => {
    const n = counts.products.length;
    for (const cell of [
      { kind: 'product', index: 0 },
      { kind: 'product', index: n - 1 },
      { kind: 'product', index: n },
      { kind: 'product', index: 2 * n },
      { kind: 'x' },
      { kind: 'y' },
    ] as const) {
      planted.cell = cell;
      expect(() => verifyToy(c, proveToy(c)), JSON.stringify(cell)).toThrow(VerificationError);
    }
    // A pad may be anything: it is what it was committed as.
    planted.cell = { kind: 'pad', index: 3 };
    expect(() => verifyToy(c, proveToy(c))).toThrow(VerificationError);
  });
  it('is refused of cells that do not satisfy the program', () => {
    const [name, cells] = [...c.cells].find(([n]) => c.plan.program.tensors.some((t) => t.name === n && t.cls === 'witness'))!,
      bad = new Map([...c.cells, [name, cells.map((x, i) => (i === 0 ? x + 1n : x))]]);
    expect(() => verifyToy(c, proveToy({ ...c, cells: bad }))).toThrow(VerificationError);
  });
  it('is verified as one that hides, under its own plan, and as nothing else', () => {
    expect(() => verifyProgram(new RecordingChannel(), c.plan, p.statement)).toThrow('verifyHiding');
    const clear = makePlan(toy.program, QUICK_HIDING),
      ch = new NativeChannel(k, p.proof, 'blake3');
    expect(() => verifyProgram(ch, clear, p.statement)).toThrow(VerificationError);
    ch.close();
    expect(() => hidingPlan(toy.program, { ...QUICK_HIDING, hash: 'poseidon2' })).toThrow('BLAKE3');
    const others = toyCase({ ...QUICK_HIDING, grinding: 4 });
    expect(() => verifyToy({ ...c, plan: others.plan }, p)).toThrow(VerificationError);
  });
  it('draws a new seed for every attempt: 32 bytes of the system, again where masks do not suffice, and gives up at last', () => {
    const real = globalThis.crypto.getRandomValues.bind(globalThis.crypto),
      drawn: string[] = [],
      spy = vi.spyOn(globalThis.crypto, 'getRandomValues').mockImplementation((a) => {
        const out = real(a);
        drawn.push(Buffer.from(out as unknown as Uint8Array).toString('hex'));
        return out;
      });
    try {
      planted.short = 1;
      verifyToy(c, proveToy(c));
      expect(drawn.map((x) => x.length)).toEqual([64, 64]);
      expect(new Set(drawn).size).toBe(2);
      planted.short = 9;
      expect(() => proveToy(c)).toThrow('masks of this attempt');
    } finally {
      spy.mockRestore();
    }
  });
  it('has the bits it claims', () => {
    for (const t of programLedger(c.plan)) if (t.kind === 'proved') expect(t.bits, t.name).toBeGreaterThanOrEqual(c.plan.options.bits);
  });
});

describe('what a proof shows', () => {
  const seed = 5,
    known = frozenMessages(c, schedule, seed);

  it('messages under pads do not depend on pads, and each has a pad of its own', () => {
    // In one transcript, with other masks: what is sent and its pad add up to the same.
    const sums = [11, 12].map((s) => {
      const random = new Words(s),
        { proof } = programmed(seed, new Words(s)),
        pads = Array.from({ length: counts.pads }, () => random.ext());
      let next = 0;
      const out = messages(schedule, proof).flatMap((w, i) => {
        const { label, kind, count } = schedule[i];
        if (kind !== 'ext') return [];
        return Array.from({ length: count }, (_, n) => {
          if (!hidden(label, n) && label !== 'inverse of a hidden element') return [];
          return [E.add([w[3 * n], w[3 * n + 1], w[3 * n + 2]], pads[next++]).join()];
        }).flat();
      });
      expect(out).toHaveLength(counts.pads);
      return out;
    });
    expect(sums[0]).toEqual(sums[1]);
  });
  it('a simulator that has no witness makes a proof that the verifier accepts in a transcript of chosen challenges', () => {
    const sponge = (kk: typeof k): FixedSponge => new FixedSponge(kk, seed);
    const real = programmed(seed, new Words(21));
    verifyToy(c, real, sponge);
    const proof = simulate(c, p.statement, known, seed, new Words(22));
    expect(proof.length).toBe(real.proof.length);
    verifyToy(c, { proof, statement: p.statement }, sponge);
    // It is no proof in a transcript of its own, and of another statement it makes one just as well.
    expect(() => verifyToy(c, { proof, statement: p.statement })).toThrow(VerificationError);
  });
  it('messages about frozen tensors are the same for every witness and every mask', () => {
    const other = toyCase(QUICK_HIDING, [5n, 7n, 9n, 4n]),
      of = messages(schedule, programmed(seed, new Words(31), other).proof);
    schedule.forEach((m, i) => {
      if (m.kind !== 'ext' || m.label.startsWith('whir ') || m.label === 'pad products') return;
      for (let n = 0; n < m.count; n++)
        if (!hidden(m.label, n) && m.label !== 'inverse of a hidden element')
          expect(of[i].slice(3 * n, 3 * n + 3), m.label).toEqual(known[i].slice(3 * n, 3 * n + 3));
    });
  });
  it('words of real and of simulated proofs have the same upper bits, as far as a chi-square over all positions sees', () => {
    const runs = 48,
      buckets = 4,
      count = (make: (n: number) => BigUint64Array): number[][] => {
        const out: number[][] = [];
        for (let n = 0; n < runs; n++)
          make(n).forEach((w, i) => {
            out[i] ??= Array<number>(buckets).fill(0);
            out[i][Number(w >> 62n)]++;
          });
        return out;
      };
    const real = count((n) => programmed(seed, new Words(1000 + n)).proof),
      simulated = count((n) => simulate(c, p.statement, known, seed, new Words(5000 + n)));
    let tested = 0,
      beyond = 0;
    real.forEach((a, i) => {
      const b = simulated[i];
      // The same word in all proofs: public.
      if (a.some((x) => x === runs)) return expect(b).toEqual(a);
      const chi = a.reduce((s, x, j) => (x + b[j] ? s + (x - b[j]) ** 2 / (x + b[j]) : s), 0);
      tested++;
      // Upper 1 % of chi-square with three degrees of freedom.
      if (chi > 11.345) beyond++;
    });
    console.log(`chi-square of ${tested} words: ${beyond} beyond the upper percent`);
    expect(tested).toBeGreaterThan(0.6 * real.length);
    expect(beyond).toBeLessThan(0.02 * tested);
  });
});
