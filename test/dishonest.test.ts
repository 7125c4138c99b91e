import { beforeAll, describe, expect, it } from 'vitest';
import { P } from '../src/field/goldilocks.js';
import { singleKernels } from '../src/kernels/index.js';
import { IntegerReading } from '../src/tensor/integer.js';
import { makePlan } from '../src/tensor/plan.js';
import { proveProgram } from '../src/tensor/prove.js';
import { frozenStack } from '../src/tensor/state-commit.js';
import { frozenDigest } from '../src/tensor/statement.js';
import type { Expr, Program, Step } from '../src/tensor/types.js';
import { type Channel, type Elem, type Ext, NativeChannel, VerificationError, messageWords } from '../src/transcript/index.js';
import { scheduleOf } from '../src/tensor/schedule.js';
import { verifyProgram } from '../src/tensor/verify.js';
import * as E from '../src/field/ext3.js';
import { type Proved, QUICK, verifyCase } from './kit.js';
import { BATCH, ROW, stepCase } from './llama-case.js';

/*
 * Dishonest trainers. Each computes another step than the program's, all that follows from its lie included, and proves
 * the honest program on that trace: commitments, multiplicities and Fiat-Shamir are made for the lie. Only the
 * statement is what the verifier derives. Where a lookup's true key has no row, the prover uses the key of the
 * computation that it did.
 */
const k = singleKernels({ maxBytes: 2 ** 31 }),
  vk = singleKernels();
const honest = stepCase(),
  plan = makePlan(honest.program, QUICK);
const CHECKS = ['LogUp', 'batched sumcheck', 'WHIR', 'frozen', 'Merkle', 'grinding', 'state '];

/**
 * A lie: other inputs, other steps, or cells changed at the end. `statement` names inputs that stay as the verifier has
 * them.
 */
interface Lie {
  readonly inputs?: ReturnType<typeof stepCase>['inputs'];
  readonly steps?: (s: Step) => Step;
  readonly trace?: (r: IntegerReading) => void;
  readonly statement?: readonly string[];
}

let digest: bigint[], frozen: BigInt64Array, run: IntegerReading;

function lie(l: Lie): Proved {
  const m = k.mark(),
    program: Program = { ...honest.program, steps: honest.program.steps.map((s) => (l.steps ? l.steps(s) : s)) };
  const did = new IntegerReading(k, program, l.inputs ?? honest.inputs);
  did.run();
  const shown = new IntegerReading(k, honest.program, honest.inputs);
  for (const t of honest.program.tensors) {
    if (t.publicKind === 'onehot' || l.statement?.includes(t.name)) continue;
    const n = shown.cells(t),
      to = shown.ptr.get(t.name)! / 8,
      from = did.ptr.get(t.name)! / 8;
    k.i64.copyWithin(to, from, from + n);
  }
  l.trace?.(shown);
  const own = shown.keys.bind(shown);
  shown.keys = (c) => {
    const mark = k.mark();
    try {
      return own(c);
    } catch {
      k.release(mark);
    }
    try {
      return did.keys(c);
    } catch {
      // Neither has a row: any key will do.
      k.release(mark);
      const n = c.axes.reduce((x, a) => x * shown.size(a), 1);
      return { ptr: k.zeroed(4 * n), n };
    }
  };
  const { proof, statement } = proveProgram(k, plan, shown, { frozenDigest: digest });
  k.release(m);
  return { plan, proof, statement, frozen };
}

const refused = (l: Lie): void => {
  const p = lie(l);
  let error: unknown;
  try {
    verifyCase(vk, p);
  } catch (e) {
    error = e;
  }
  expect(error).toBeInstanceOf(VerificationError);
  const check = (error as VerificationError).check;
  expect(
    CHECKS.some((c) => check.startsWith(c)),
    check,
  ).toBe(true);
};

/** Drops the terms of a step's expression in which a tensor occurs. */
const without = (e: Expr, tensor: string): Expr => ({ ...e, terms: e.terms.filter((t) => !t.operands.some((o) => o.tensor === tensor)) });
const change =
  (name: string, f: (e: Expr) => Expr) =>
  (s: Step): Step =>
    s.name === name && 'expr' in s ? ({ ...s, expr: f(s.expr) } as Step) : s;

beforeAll(() => {
  run = new IntegerReading(k, honest.program, honest.inputs);
  run.run();
  const m = k.mark(),
    r = run;
  const fz = frozenStack(k, plan, (n) => r.ptr.get(n)!);
  frozen = k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells);
  digest = frozenDigest(frozen);
  k.release(m);
});

/** Adds to the first cell of a tensor of the trace. */
const first =
  (tensor: string, by: bigint) =>
  (r: IntegerReading): void => {
    k.i64[r.ptr.get(tensor)! / 8] += by;
  };

describe('dishonest trainers', () => {
  it('an honest one is believed', () => verifyCase(vk, lie({})));

  describe('arithmetic', () => {
    // With 2^(shift - 1) taken off, the rounding step rounds down.
    it.each(['X.embed', 'q', 'ctx', 'h', 'dq', 'g.v_proj.A', 'mm2', 'master2', 'C2'])('rounds %s down instead of to nearest', (name) => {
      refused({
        steps: (s) =>
          s.name === name && s.op === 'round' ? { ...s, expr: { ...s.expr, constant: s.expr.constant - (1n << BigInt(s.shift - 1)) } } : s,
      });
    });
    it.each(['rn.even', 'norm', 'sv'])('takes the square root of %s one too low', (name) => {
      const s = honest.program.steps.find((x) => x.name === name) as Extract<Step, { op: 'sqrt' }>;
      refused({ trace: first(s.out.tensor, -1n) });
    });
    it.each(['rinv', 'quo', 'clipC'])('takes the quotient %s one too high', (t) => refused({ trace: first(t, 1n) }));
    const larger = honest.program.steps.find((x) => x.op === 'max')!,
      { a: x, b: y } = larger as Extract<Step, { op: 'max' }>,
      value = (e: Expr): bigint => run.read(e.terms[0].operands[0].tensor)[0];
    it.each([
      ['the smaller of the two', () => (value(x) < value(y) ? x : y)],
      ['one more than the larger', () => ({ ...(value(x) < value(y) ? y : x), constant: 1n })],
      ['a value between the two', () => ({ terms: [], constant: (value(x) + value(y)) / 2n })],
    ] as const)('takes %s for the maximum', (_, of) => {
      expect(value(x)).not.toBe(value(y));
      refused({ steps: (s) => (s.op === 'max' ? { ...s, a: of(), b: of() } : s) });
    });
    it.each([
      ['halves that sum to the value', 1n << 30n, -1n],
      ['a lower half of its own', 1n, 0n],
    ])('splits the second moment into %s', (_, low, high) => {
      refused({
        trace: (r) => {
          first('v0', low)(r);
          first('v1', high)(r);
        },
      });
    });
    const digitsOf = honest.program.steps.filter((s) => s.op === 'digits').map((s) => [s.name, s] as const);
    it.each(digitsOf)('splits %s into other digits', (_, s) => {
      refused({
        trace: (r) => {
          first(s.low.tensor, 1n << BigInt(s.bits))(r);
          first(s.high.tensor, -1n)(r);
        },
      });
      refused({ trace: first(s.low.tensor, 1n) });
    });
    /** A constant in the two parts in which a step takes wide integers. */
    const wide = (x: bigint, shift: number): [Expr, { expr: Expr; shift: number }] => [
      { terms: [], constant: x & ((1n << BigInt(shift)) - 1n) },
      { expr: { terms: [], constant: x >> BigInt(shift) }, shift },
    ];
    it('takes the norm of the gradient one too low, with all that follows from it', () =>
      refused({
        steps: (s) => {
          if (s.op !== 'sqrt' || !s.high) return s;
          const [expr, high] = wide((run.read('norm')[0] - 1n) ** 2n, s.high.shift);
          return { ...s, expr, high };
        },
      }));
    it('takes the clip factor one too low, with all that follows from it', () =>
      refused({
        steps: (s) => {
          if (s.op !== 'div' || !s.high) return s;
          const [num, high] = wide(run.read('clipC')[0] - 1n, s.high.shift);
          return { ...s, num, high, den: { terms: [], constant: 1n } };
        },
      }));
    it('log-sum-exp one unit off, with the weights that belong to it', () => refused({ trace: first('MH', 1n) }));
    it('probabilities of another row of the table', () => refused({ trace: first('ph1', 1n) }));
  });

  describe('the optimiser', () => {
    it('skips weight decay', () => refused({ steps: change('master2', (e) => without(e, 'decay')) }));
    it('forgets the first moment', () => refused({ steps: change('mm2', (e) => without(e, 'mm')) }));
    it('forgets the second moment', () => refused({ steps: change('vv2', (e) => without(without(e, 'v1'), 'vd')) }));
    it('keeps the moments as they were', () =>
      refused({
        trace: (r) => {
          for (const [to, from] of [
            ['mm2', 'mm'],
            ['vv2', 'vv'],
          ])
            k.i64.copyWithin(r.ptr.get(to)! / 8, r.ptr.get(from)! / 8, r.ptr.get(from)! / 8 + r.size('P'));
        },
      }));
    it('keeps the adapter as it was', () =>
      refused({
        trace: (r) => {
          for (const [to, from] of [
            ['master2', 'master'],
            ['C2', 'C'],
          ])
            k.i64.copyWithin(r.ptr.get(to)! / 8, r.ptr.get(from)! / 8, r.ptr.get(from)! / 8 + r.size('P'));
        },
      }));
    it('takes the bias correction, decay or epsilon of another step', () => {
      for (const [name, row] of [
        ['alpha', { ...ROW, alpha: ROW.alpha / 2n }],
        ['decay', { ...ROW, decay: 0n }],
        ['epsT', { ...ROW, eps: ROW.eps * 3n }],
      ] as const)
        refused({ inputs: stepCase({ row }).inputs, statement: [name] });
    });
    it('does not clip', () => refused({ steps: (s) => (s.name === 'den' && s.op === 'max' ? { ...s, a: s.b } : s) }));
    it('trains on gradients of zero', () =>
      refused({ trace: (r) => void k.i64.fill(0n, r.ptr.get('g')! / 8, r.ptr.get('g')! / 8 + r.size('P')) }));
  });

  describe('data, state, base', () => {
    const others = ['tokens', 'mask', 'clipN'];
    it('trains on a foreign example', () => {
      const tokens = [BATCH.tokens[0], Int32Array.of(1, 6, 5)];
      refused({ inputs: stepCase({ batch: { ...BATCH, tokens } }).inputs, statement: others });
    });
    it('repeats an example', () =>
      refused({
        inputs: stepCase({ batch: { tokens: [BATCH.tokens[0], BATCH.tokens[0]], mask: [BATCH.mask[0], BATCH.mask[0]] } }).inputs,
        statement: others,
      }));
    it('leaves a target out of the loss', () => {
      const mask = [Uint8Array.of(0, 0, 1, 0), BATCH.mask[1]];
      refused({ inputs: stepCase({ batch: { ...BATCH, mask } }).inputs, statement: others });
    });
    it('trains on padding', () => {
      const mask = [BATCH.mask[0], Uint8Array.of(0, 1, 1, 1)],
        tokens = [BATCH.tokens[0], Int32Array.of(1, 6, 4, 2)];
      refused({ inputs: stepCase({ batch: { tokens, mask } }).inputs, statement: others });
    });
    it('starts from another adapter, master copy or moments than it entered with', () => {
      const doubled = (v: BigInt64Array): BigInt64Array => v.map((x) => x / 2n);
      for (const [key, names] of [
        ['C', honest.program.tensors.filter((t) => t.cls === 'cIn').map((t) => t.name)],
        ['master', ['master']],
        ['mm', ['mm']],
        ['vv', ['vv']],
      ] as const)
        refused({ inputs: stepCase({ state: (s) => ({ ...s, [key]: doubled(s[key]) }) }).inputs, statement: names });
    });
    /** A cell mod p as the signed integer of least magnitude. */
    const signed = (x: bigint): bigint => (x > P / 2n ? x - P : x);
    /**
     * A state outside its format with which another new value leaves a remainder in its range: each solves the Round
     * mod p.
     */
    const states = [
      {
        entered: 'master',
        left: 'master2',
        solve: (r: IntegerReading, y: bigint): bigint => {
          const e = (t: string): bigint => r.read(t)[0],
            half = 1n << 27n,
            moved = -e('alpha') * e('quo') - e('decay') * e('C');
          // 0 <= moved + half - 2^28 (y - x) < 2^28: any remainder will do.
          return y + (7n - moved - half) * inverse(1n << 28n);
        },
      },
      {
        entered: 'mm',
        left: 'mm2',
        solve: (r: IntegerReading, y: bigint): bigint => {
          const round = honest.program.steps.find((s) => s.name === 'mm2') as Extract<Step, { op: 'round' }>,
            by = (t: string): bigint => round.expr.terms.find((x) => x.operands[0].tensor === t)!.coef;
          return (7n + (y << 20n) - (1n << 19n) - by('cg') * r.read('cg')[0]) * inverse(by('mm'));
        },
      },
    ] as const;
    const inverse = (x: bigint): bigint => {
      let out = 1n;
      for (let b = x % P, e = P - 2n; e > 0n; e >>= 1n, b = (b * b) % P) if (e & 1n) out = (out * b) % P;
      return out;
    };
    it.each(states)('enters a $entered outside its format, which leaves a value of the prover’s choice', ({ entered, left, solve }) => {
      const chosen = run.read(left)[0] + 1n,
        x = signed(((solve(run, chosen) % P) + P) % P);
      expect(x < -(1n << 40n) || x > 1n << 40n, 'lies outside').toBe(true);
      refused({
        trace: (r) => {
          k.i64[r.ptr.get(entered)! / 8] = x;
          k.i64[r.ptr.get(left)! / 8] = chosen;
        },
      });
    });
    it.each(['W.q_proj', 'E', 'gamma', 'ropeK', 'exp:7:24.e1'])('changes an entry of %s', (name) => {
      const r = new IntegerReading(k, honest.program, honest.inputs),
        v = r.read(name);
      v[v.length > 4000 ? 3 : v.length - 1] += 1n;
      refused({ inputs: new Map([...honest.inputs, [name, v]]) });
    });
    it('states another loss', () => {
      const p = lie({ trace: first('loss', -1000n) });
      expect(() => verifyCase(vk, p)).toThrow(VerificationError);
    });
  });
});

/** Channel of a verifier that goes on after a failed equation and notes the difference. */
function probe(inner: NativeChannel, differs: Map<string, Ext>): Channel {
  return new Proxy(inner as unknown as Channel, {
    get(_t, key) {
      if (key === 'assertEqual') return (a: Elem, b: Elem, check: string) => differs.set(check, E.sub(inner.value(a), inner.value(b)));
      const v = (inner as unknown as Record<string | symbol, unknown>)[key];
      return typeof v === 'function' ? (v as (...a: unknown[]) => unknown).bind(inner) : v;
    },
  });
}

describe('an adaptive prover', () => {
  it('who lies about two operand values so that the sumcheck holds is caught by the openings', () => {
    const p = lie({}),
      schedule = scheduleOf(plan, p.statement);
    const at = schedule
      .slice(
        0,
        schedule.findIndex((m) => m.label === 'operand values'),
      )
      .reduce((n, m) => n + messageWords(m), 0);
    const sent = plan.factors.filter((f) => f.tensor.cls !== 'public'),
      residual = (proof: BigUint64Array): Ext => {
        const ch = new NativeChannel(vk, proof),
          out = new Map<string, Ext>();
        try {
          verifyProgram(probe(ch, out), plan, p.statement);
        } catch {
          // The openings fail, after the sumcheck's end.
        }
        ch.close();
        return out.get('batched sumcheck')!;
      };
    const add = (proof: BigUint64Array, i: number, d: Ext): BigUint64Array => {
      const out = proof.slice();
      for (let c = 0; c < 3; c++) out[at + 3 * i + c] = (out[at + 3 * i + c] + d[c]) % P;
      return out;
    };
    expect(residual(p.proof)).toEqual(E.ZERO);
    // Single operands of a term each: the residual is linear in the pair.
    const alone = sent
      .map((f, i) => ({ f, i }))
      .filter(({ f }) => plan.terms.some((t) => t.factors.length === 1 && plan.factors[t.factors[0]] === f));
    const pick = (cls: string, n: number): number => alone.filter((x) => x.f.tensor.cls === cls)[n].i;
    const pairs: [number, number][] = [
      [pick('witness', 0), pick('witness', 5)],
      [pick('oIn', 0), pick('witness', 2)],
      [pick('cOut', 0), pick('oOut', 0)],
    ];
    const caught = new Set<string>();
    for (const [i, j] of pairs) {
      const di = residual(add(p.proof, i, E.ONE)),
        dj = residual(add(p.proof, j, E.ONE)),
        forged = add(add(p.proof, i, dj), j, E.sub(E.ZERO, di));
      expect(residual(forged)).toEqual(E.ZERO);
      try {
        verifyCase(vk, p, { proof: forged });
        expect.unreachable();
      } catch (e) {
        expect(e).toBeInstanceOf(VerificationError);
        expect((e as VerificationError).check).not.toBe('batched sumcheck');
        caught.add((e as VerificationError).check);
      }
    }
    expect(caught.size).toBeGreaterThan(0);
  });
});
