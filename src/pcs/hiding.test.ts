import { afterEach, describe, expect, it, vi } from 'vitest';
import * as E from '../field/ext3.js';
import { P, inv, mod, mul, sub } from '../field/goldilocks.js';
import type { Kernels } from '../kernels/runtime.js';
import { singleKernels } from '../kernels/single.js';
import { eqTable } from '../poly/eq.js';
import {
  type Channel,
  type Elem,
  type Ext,
  NativeChannel,
  RecordingChannel,
  VerificationError,
  messageWords,
} from '../transcript/index.js';
import { ProverChannel } from '../transcript/prover.js';
import { FixedSponge, Words } from '../../test/hiding-case.js';
import { openRows } from './commit.js';
import { type GroupMasks, commitHiding, drawMasks } from './commit-hiding.js';
import { LEAST_COLUMNS, hidingGroup, maskedRows } from './hiding-group.js';
import { type GroupSpec, type WhirShape, whirLedger, whirShape } from './index.js';
import { masksSuffice, rankOf } from './mask-rank.js';
import { MaskError } from './prove-hiding.js';
import { openWhir } from './prove.js';
import { tailPowers } from './tail-weights.js';
import { foldHiding } from './verify-hiding.js';
import { verifyWhir } from './verify.js';

/** Faults that are planted in the prover. */
const planted = vi.hoisted(() => ({ rankOne: false, unchecked: false }));
vi.mock('./tail-weights.js', async (original) => {
  const real = await original<typeof import('./tail-weights.js')>();
  return {
    tailPowers: (theta: Ext, columns: number, masked: number): Ext[][] =>
      planted.rankOne
        ? real
            .tailPowers(theta, columns, 1)
            .map(([x]) => Array.from({ length: masked }, (_, i) => E.mul(x, E.pow([5n, 7n, 11n], BigInt(i)))))
        : real.tailPowers(theta, columns, masked),
  };
});
vi.mock('./mask-rank.js', async (original) => {
  const real = await original<typeof import('./mask-rank.js')>();
  return { ...real, masksSuffice: (...x: Parameters<typeof real.masksSuffice>) => planted.unchecked || real.masksSuffice(...x) };
});
afterEach(() => {
  planted.rankOne = planted.unchecked = false;
});

const k = singleKernels(),
  words = new Words(17);

interface Toy {
  readonly c?: number;
  readonly used?: number;
  readonly m?: number;
  /** Rows of the tail beyond queries and weights. */ readonly extra?: number;
}

/** 2^c columns of 8 rows, three queries, a tail of given length; the last vector is sent at once. */
function toyShape({ c = 3, used = 7, m = 5, extra = 1 }: Toy): WhirShape {
  const h = 3,
    queries = 3,
    log = 4,
    spec: GroupSpec = { logColumns: c, logHeight: h, logInvRate: 3, trees: [{ parts: [{ used, offset: 0 }] }] },
    tail = { cells: queries + extra + m, masked: m, log, counted: { queries, multiplicity: 3 }, at: 0 };
  const group = { ...spec, hides: tail, tail, domain: h + 3, queries, multiplicity: 3, cap: 2, at: 2 ** log };
  return { params: { bits: 8, grinding: 0, hash: 'blake3' }, groups: [group], cells: 2 ** log + 2 ** h, vars: 5, rounds: [], final: 5 };
}

/** A stack, weights, masks: what an opening is a function of. */
interface Inputs {
  readonly f: readonly bigint[];
  readonly tails: ReadonlyMap<number, bigint>;
  readonly mask: ReadonlyMap<number, Ext>;
}

function setup(shape: WhirShape, seed: number) {
  const [g] = shape.groups,
    [{ used }] = g.trees[0].parts,
    H = 2 ** g.logHeight,
    T = 2 ** g.tail!.log,
    cells = used * H,
    w = Array.from({ length: cells }, () => words.ext());
  const run = (ch: Channel, root: readonly bigint[], value: Ext): void => {
    const handles = root.map((x) => ch.constant(x)) as [Elem, Elem, Elem, Elem];
    ch.publicElems('root', handles);
    verifyWhir(ch, shape, [
      {
        roots: [handles],
        value: ch.constant(value),
        weights: (pt) => {
          const eq = eqTable(ch, pt);
          return w.reduce<Elem>((s, x, i) => ch.mulAdd(eq[i], ch.constant(x), s), ch.constant(0n));
        },
        fold: foldHiding,
      },
    ]);
  };
  const rec = new RecordingChannel();
  run(rec, [0n, 0n, 0n, 0n], E.ZERO);
  const claim = (f: readonly bigint[]): Ext => w.reduce<Ext>((s, x, i) => E.add(s, E.mulBase(x, mod(f[i]))), E.ZERO);
  /**
   * All words that are sent, Merkle hashes apart, and the row of a position that is not opened, the mask column apart.
   */
  const view = (x: Inputs): bigint[] =>
    k.scope(() => {
      const { proof, oracle } = prove(x);
      const out: bigint[] = [];
      let at = 0;
      for (const m of rec.schedule) {
        const n = messageWords(m);
        if (m.kind === 'ext' || m.kind === 'base') out.push(...proof.slice(at, at + n));
        if (m.kind === 'opening') out.push(...proof.slice(at, at + m.count));
        at += n;
      }
      return [...out, ...openRows(k, oracle, [unopened], 0)[0].slice(0, used)];
    });
  const masksOf = (x: Pick<Inputs, 'tails' | 'mask'>): GroupMasks => {
    const tails = k.zeroed(8 * used * T),
      mask = k.zeroed(24 * (H + T));
    for (const [i, v] of x.tails) k.i64[tails / 8 + i] = v;
    for (const [i, v] of x.mask) k.writeExt(mask + 24 * i, v);
    return { tails, mask };
  };
  const positions: number[] = [];
  const prove = (
    x: Inputs,
    o: {
      hook?: (l: string, w: readonly bigint[]) => readonly bigint[];
      live?: boolean;
      value?: Ext;
      opened?: Pick<Inputs, 'tails' | 'mask'>;
    } = {},
  ) => {
    const f = k.zeroed(8 * cells),
      weights = k.alloc(24 * cells);
    x.f.forEach((v, i) => {
      k.i64[f / 8 + i] = BigInt.asIntN(64, v > P / 2n ? v - P : v);
    });
    k.writeExts(weights, w);
    const masks = masksOf(x),
      oracle = commitHiding(k, f, g, masks, 'blake3'),
      ch = new ProverChannel(rec.schedule, {
        hash: 'blake3',
        ...(o.live ? {} : { sponge: (kk: Kernels) => new FixedSponge(kk, seed) }),
        ...(o.hook ? { hook: o.hook } : {}),
      }),
      sampleIndex = ch.sampleIndex.bind(ch);
    positions.length = 0;
    ch.sampleIndex = (l, bits) => {
      const p = sampleIndex(l, bits);
      positions.push(p);
      return p;
    };
    ch.publicWords('root', oracle.root);
    openWhir(k, ch, shape, [
      {
        oracles: [oracle],
        f: { length: cells, ptr: f },
        w: { length: cells, ptr: weights },
        value: o.value ?? claim(x.f),
        masks: o.opened ? masksOf(o.opened) : masks,
      },
    ]);
    return { proof: ch.words(), oracle };
  };
  const verify = (proof: BigUint64Array, root: readonly bigint[], value: Ext): void => {
    const native = new NativeChannel(k, proof, 'blake3');
    try {
      run(native, root, value);
      native.finish();
    } finally {
      native.close();
    }
  };
  const empty: Inputs = { f: Array<bigint>(cells).fill(0n), tails: new Map(), mask: new Map() };
  let unopened = 0;
  k.scope(() => prove(empty));
  const distinct = new Set(positions).size === positions.length;
  while (positions.includes(unopened)) unopened++;
  return { view, prove, verify, claim, w, empty, distinct, cells, used, H, T, schedule: rec.schedule };
}

/** A setup whose fixed challenges open different rows. */
function distinctSetup(shape: WhirShape): ReturnType<typeof setup> {
  for (let seed = 1; seed < 40; seed++) {
    const s = setup(shape, seed);
    if (s.distinct) return s;
  }
  throw new Error('no challenges that open different rows');
}

/** Three random stacks of which the claim is zero. */
function invisible(s: ReturnType<typeof setup>): bigint[][] {
  return [0, 1, 2].map(() => {
    const f = Array.from({ length: s.cells }, () => words.word());
    f[0] = f[1] = f[2] = 0n;
    const want = E.neg(s.claim(f)),
      rows = [0, 1, 2].map((c) => [s.w[0][c], s.w[1][c], s.w[2][c], want[c]]);
    for (let c = 0; c < 3; c++) {
      const at = rows.findIndex((r, i) => i >= c && r[c] !== 0n);
      [rows[c], rows[at]] = [rows[at], rows[c]];
      const scale = inv(rows[c][c]);
      rows[c] = rows[c].map((x) => mul(x, scale));
      rows.forEach((r, i) => {
        if (i !== c) rows[i] = r.map((x, n) => sub(x, mul(r[c], rows[c][n])));
      });
    }
    for (let c = 0; c < 3; c++) f[c] = rows[c][3];
    expect(E.isZero(s.claim(f))).toBe(true);
    return f;
  });
}

/** Masks of a prover, or of one with a fault. */
type Masks = 'all' | 'base' | 'none' | 'no tail';

/** Nothing but one unit of mask at a time, for all masks there are. */
function maskRows(s: ReturnType<typeof setup>, shape: WhirShape, masks: Masks): Inputs[] {
  const { cells } = shape.groups[0].tail!,
    out: Inputs[] = [];
  for (let j = 0; j < s.used; j++) for (let i = 0; i < cells; i++) out.push({ ...s.empty, tails: new Map([[j * s.T + i, 1n]]) });
  if (masks !== 'none')
    for (let i = 0; i < s.H + (masks === 'no tail' ? 0 : cells); i++)
      for (let c = 0; c < (masks === 'base' ? 1 : 3); c++)
        out.push({ ...s.empty, mask: new Map([[i, [0, 1, 2].map((n) => (n === c ? 1n : 0n)) as unknown as Ext]]) });
  return out;
}

/**
 * For fixed challenges the view is affine in masks and witness, view = A masks + B f + constant. It says nothing of f
 * beyond the claim iff B d lies in the image of A for every d that the claim does not see: rank [A | B d] = rank A. One
 * unit mask at a time, by the prover itself.
 */
function criterion(toy: Toy, masks: Masks = 'all'): { rank: number; seen: number } {
  const shape = toyShape(toy),
    s = distinctSetup(shape),
    rows = maskRows(s, shape, masks).map((x) => s.view(x));
  const zero = s.view(s.empty);
  expect(zero.every((x) => x === 0n)).toBe(true);
  const seen = invisible(s).map((f) => s.view({ ...s.empty, f }));
  return { rank: rankOf(rows.map((r) => [...r])), seen: rankOf([...rows, ...seen].map((r) => [...r])) };
}

/** Vectors y with r y = 0 for all of these rows. */
function kernelOf(rows: readonly (readonly bigint[])[]): bigint[][] {
  const a = rows.map((r) => [...r]),
    n = a[0].length,
    pivots: number[] = [];
  for (let c = 0; c < n && pivots.length < a.length; c++) {
    const top = pivots.length,
      at = a.findIndex((r, i) => i >= top && r[c] !== 0n);
    if (at < 0) continue;
    [a[top], a[at]] = [a[at], a[top]];
    const scale = inv(a[top][c]),
      pivot = a[top].map((x) => (x === 0n ? x : mul(x, scale)));
    a[top] = pivot;
    a.forEach((r, i) => {
      const f = r[c];
      if (i === top || f === 0n) return;
      for (let x = c; x < n; x++) if (pivot[x] !== 0n) r[x] = sub(r[x], mul(f, pivot[x]));
    });
    pivots.push(c);
  }
  const free = Array.from({ length: n }, (_, c) => c).filter((c) => !pivots.includes(c));
  return free.map((c) => {
    const y = Array<bigint>(n).fill(0n);
    y[c] = 1n;
    pivots.forEach((p, i) => {
      y[p] = sub(0n, a[i][c]);
    });
    return y;
  });
}

/**
 * A distinguisher that knows two witnesses with one claim, and sees views under fresh masks. What the masks do not
 * reach, the left kernel of their matrix, is equal to what a witness says, or that witness is not the one. Scores of
 * views of either: kernel vectors that only the second one meets less those that only the first one does.
 */
function told(toy: Toy, masks: Masks, samples: number): { kernel: number; auroc: number } {
  const shape = toyShape(toy),
    s = distinctSetup(shape),
    units = maskRows(s, shape, masks),
    kernel = kernelOf(units.map((x) => s.view(x))),
    [f0, d] = invisible(s),
    fs = [f0, f0.map((x, i) => (x + d[i]) % P)],
    dot = (y: readonly bigint[], v: readonly bigint[]): bigint => y.reduce((n, x, i) => (x === 0n ? n : (n + x * v[i]) % P), 0n),
    said = fs.map((f) => {
      const v = s.view({ ...s.empty, f });
      return kernel.map((y) => dot(y, v));
    }),
    scores = fs.map((f) =>
      Array.from({ length: samples }, () => {
        // A mask of every kind that there is, each times a fresh word below 2^62: tails are signed words.
        const fresh: Inputs = {
          f,
          tails: new Map(units.flatMap((u) => [...u.tails.keys()].map((i) => [i, words.word() >> 2n] as const))),
          mask: new Map(),
        };
        const mask = new Map<number, Ext>();
        for (const u of units) for (const [i, e] of u.mask) mask.set(i, E.add(mask.get(i) ?? E.ZERO, E.mulBase(e, words.word())));
        const v = s.view({ ...fresh, mask });
        return kernel.reduce((n, y, i) => {
          const x = dot(y, v);
          return n + Number(x === said[1][i]) - Number(x === said[0][i]);
        }, 0);
      }),
    ),
    wins = scores[1].flatMap((x) => scores[0].map((y) => (y < x ? 1 : y === x ? 0.5 : 0)));
  return { kernel: kernel.length, auroc: wins.reduce<number>((n, x) => n + x, 0) / wins.length };
}

describe('an opening that hides', () => {
  const shape = toyShape({}),
    inputs = (s: ReturnType<typeof setup>): Inputs => ({
      f: Array.from({ length: s.cells }, () => words.word()),
      tails: new Map(
        Array.from({ length: s.used }, (_, j) => Array.from({ length: 9 }, (__, i) => [j * s.T + i, words.word() >> 2n] as const)).flat(),
      ),
      mask: new Map(Array.from({ length: s.H + 9 }, (_, i) => [i, words.ext()])),
    });

  it('is accepted with its claim and with no other', () => {
    const s = setup(shape, 3),
      x = inputs(s);
    k.scope(() => {
      const { proof, oracle } = s.prove(x, { live: true });
      s.verify(proof, oracle.root, s.claim(x.f));
      expect(() => s.verify(proof, oracle.root, E.add(s.claim(x.f), E.ONE))).toThrow(VerificationError);
      const lie = E.add(s.claim(x.f), E.ONE);
      expect(() => s.verify(s.prove(x, { live: true, value: lie }).proof, oracle.root, lie)).toThrow(VerificationError);
    });
  });
  it('is refused with a lie in any message, transcripts derived again', () => {
    const s = setup(shape, 3),
      x = inputs(s),
      labels = new Set(s.schedule.filter((m) => messageWords(m) && m.kind !== 'grind').map((m) => m.label));
    expect([...labels]).toEqual([
      'whir 0 tails',
      'whir 0 sumcheck',
      'whir 0 mask',
      'whir final',
      'whir 0 cap',
      'whir 0 row',
      'whir end sumcheck',
    ]);
    for (const label of labels)
      for (const word of [0, 8])
        k.scope(() => {
          const { proof, oracle } = s.prove(x, {
            live: true,
            hook: (l, w) => (l === label ? w.map((v, i) => (i === word % w.length ? (v + 1n) % P : v)) : w),
          });
          expect(() => s.verify(proof, oracle.root, s.claim(x.f)), label).toThrow(VerificationError);
        });
  });
  it('is refused with masks that are not under the root, in tails or in the mask column, and with other weights of tails', () => {
    const s = setup(shape, 3),
      x = inputs(s),
      refused = (opened: Pick<Inputs, 'tails' | 'mask'>): void =>
        k.scope(() => {
          const { proof, oracle } = s.prove(x, { live: true, opened });
          expect(() => s.verify(proof, oracle.root, s.claim(x.f))).toThrow(VerificationError);
        });
    refused({ ...x, tails: new Map([...x.tails, [0, 5n]]) });
    refused({ ...x, mask: new Map([...x.mask, [3, E.ONE]]) });
    planted.rankOne = planted.unchecked = true;
    refused(x);
  });
  it('is folded as one that hides by a verifier that knows it, and by no other', () => {
    const rec = new RecordingChannel(),
      zero = rec.constant(0n),
      claim = { roots: [[zero, zero, zero, zero] as [Elem, Elem, Elem, Elem]], value: zero, weights: () => zero };
    expect(() => verifyWhir(rec, shape, [claim])).toThrow('a group that hides is folded as one');
    const { logColumns, logHeight, logInvRate, trees } = shape.groups[0],
      clear = whirShape({ bits: 8, grinding: 0 }, [{ logColumns, logHeight, logInvRate, trees }]);
    expect(() => verifyWhir(rec, clear, [{ ...claim, fold: foldHiding }])).toThrow('a group that hides is folded as one');
    expect(() => k.scope(() => drawMasks(k, clear.groups[0], words))).toThrow('no masks');
  });

  it.each<[string, Toy, Masks, number, boolean]>([
    ['as designed', {}, 'all', 100, true],
    ['with as few weighted rows as can do', { m: 3 }, 'all', 94, true],
    ['with more columns', { c: 4, used: 11, m: 3 }, 'all', 116, true],
    ['with a mask column over F in place of E', {}, 'base', 76, false],
    ['without a mask column', {}, 'none', 61, false],
    ['with a mask column without its tail', {}, 'no tail', 85, false],
    ['with a tail a row short: a row that is not opened is seen', { m: 3, extra: 0 }, 'all', 84, false],
    ['with a tail two rows short: opened rows are', { m: 3, extra: -1 }, 'all', 74, false],
    ['with too few weighted rows', { m: 2 }, 'all', 84, false],
  ])('%s: its view is independent of the witness, or a combination of it is not', (name, toy, masks, rank, hides) => {
    planted.unchecked = !hides;
    const { rank: got, seen } = criterion(toy, masks);
    console.log(`${name}: rank ${got}, with the witness ${seen}`);
    expect(seen === got, name).toBe(hides);
    if (hides) expect(got).toBe(rank);
  });
  it.each<[string, Toy, Masks, number]>([
    ['as designed', {}, 'all', 0.5],
    ['with more columns', { c: 4, used: 11, m: 3 }, 'all', 0.5],
    ['with a mask column over F in place of E', {}, 'base', 1],
    ['without a mask column', {}, 'none', 1],
    ['with a mask column without its tail', {}, 'no tail', 1],
    ['with a tail a row short, and a row seen that is not opened', { m: 3, extra: 0 }, 'all', 1],
    ['with a tail two rows short', { m: 3, extra: -1 }, 'all', 1],
  ])('%s: left kernels of its masks tell two witnesses, or nothing does', (name, toy, masks, auroc) => {
    planted.unchecked = auroc === 1;
    const got = told(toy, masks, 12);
    console.log(`${name}: ${got.kernel} vectors that masks do not reach, AUROC ${got.auroc}`);
    expect(got.auroc).toBe(auroc);
  });
  it('with weights of rank one in its tails: the last message is seen', () => {
    planted.rankOne = planted.unchecked = true;
    const { rank, seen } = criterion({});
    console.log(`rank one: rank ${rank}, with the witness ${seen}`);
    expect(seen).toBeGreaterThan(rank);
  });
  it('is not made by a prover whose masks do not suffice: too few rows, weights of rank one, a challenge that is zero', () => {
    const attempt = (toy: Toy): void => {
      const s = setup(toyShape(toy), 3);
      k.scope(() => s.prove(inputs(s)));
    };
    attempt({});
    expect(() => attempt({ m: 2 })).toThrow(MaskError);
    planted.rankOne = true;
    expect(() => attempt({})).toThrow(MaskError);
    planted.rankOne = false;
    const drawn = { theta: words.ext(), eta: words.ext(), challenges: [words.ext(), words.ext(), words.ext()] };
    expect(masksSuffice(drawn, 7, 5)).toBe(true);
    for (const bad of [{ eta: E.ZERO }, { theta: E.ZERO }, { theta: E.ONE }])
      expect(masksSuffice({ ...drawn, ...bad }, 7, 5), JSON.stringify(Object.keys(bad))).toBe(false);
    expect(tailPowers(drawn.theta, 4, 2)[3][1]).toEqual(E.pow(drawn.theta, 6n));
  });
  it('has two weighted rows more than a random instance needs, for any number of columns', () => {
    for (let c = LEAST_COLUMNS; c <= 6; c++)
      for (const used of new Set([2 ** c, Math.floor(2 ** c / 2) + 1, Math.ceil(0.75 * 2 ** c)])) {
        if (used > 2 ** c) continue;
        const m = maskedRows(c, used),
          drawn = { theta: words.ext(), eta: words.ext(), challenges: Array.from({ length: c }, () => words.ext()) };
        expect(masksSuffice(drawn, used, m - 1), `${used} of 2^${c} columns, ${m - 1} rows`).toBe(true);
      }
  });
  it('buys the bits it claims with the tails counted, and no more cells than a tail has', () => {
    for (const [bits, grinding, r, h, c, used] of [
      [128, 20, 4, 17, 6, 34],
      [128, 20, 5, 17, 6, 34],
      [128, 16, 2, 12, 6, 40],
      [100, 16, 3, 9, 4, 9],
    ]) {
      const spec = hidingGroup(
          { bits, grinding },
          { logColumns: c, logHeight: h, logInvRate: r, trees: [{ parts: [{ used, offset: 0 }] }] },
        ),
        s = whirShape({ bits, grinding }, [spec]),
        [g] = s.groups,
        tail = g.tail!;
      expect(tail.cells).toBe(g.queries + 1 + tail.masked);
      expect(tail.cells).toBeLessThanOrEqual(2 ** tail.log);
      expect(tail.at % 2 ** tail.log).toBe(0);
      for (const t of whirLedger(s)) if (t.kind === 'proved') expect(t.bits, t.name).toBeGreaterThanOrEqual(bits);
    }
    expect(() =>
      hidingGroup(
        { bits: 128, grinding: 20 },
        { logColumns: 3, logHeight: 4, logInvRate: 2, trees: [{ parts: [{ used: 3, offset: 0 }] }] },
      ),
    ).toThrow('too short');
  });
  it('the case of docs: 55 queries at 2^-4, tails of 64 cells, four of them weighted', () => {
    const g = hidingGroup(
      { bits: 128, grinding: 20 },
      { logColumns: 6, logHeight: 17, logInvRate: 4, trees: [{ parts: [{ used: 34, offset: 0 }] }] },
    );
    expect([g.hides!.counted.queries, g.hides!.cells, g.hides!.masked, g.hides!.log]).toEqual([55, 60, 4, 6]);
  });
});
