import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expFixed } from '../field/fixedpoint.js';
import { type Kernels, singleKernels, threadedKernels } from '../kernels/index.js';
import { contractedAxes } from './bounds.js';
import { ProgramBuilder, expr, operand, realTerm, term } from './builder.js';
import { FloatReading } from './float.js';
import type { Box } from './einsum.js';
import { IntegerReading, OverflowError } from './integer.js';
import { InputError, type ReadingInput } from './reading.js';
import { expNegFixed, generateTable, tableDigest } from './table-algorithms.js';
import { tableColumns } from './tables.js';
import type { Access, Expr, Operand, Program, TensorSpec, Term } from './types.js';

let mt: Kernels;
beforeAll(async () => {
  mt = await threadedKernels({ threads: 2 });
});
afterAll(() => mt.close());

/** Deterministic 32-bit generator (mulberry32). */
function generator(seed: number): () => number {
  let s = seed;
  return () => {
    s = (s + 0x6d2b79f5) | 0;
    let t = Math.imul(s ^ (s >>> 15), 1 | s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Values = Map<string, BigInt64Array | Int32Array>;

/** Value of an expression at one cell, by definition. */
function naive(p: Program, values: Values, axes: readonly string[], e: Expr, cell: Record<string, number>): bigint {
  let sum = e.constant;
  for (const t of e.terms) {
    const con = contractedAxes(axes, t);
    const go = (k: number, at: Record<string, number>): void => {
      if (k < con.length) {
        for (let i = 0; i < p.axes[con[k]]; i++) go(k + 1, { ...at, [con[k]]: i });
        return;
      }
      let x = t.coef;
      for (const op of t.operands) x *= read(p, values, op, at);
      sum += x;
    };
    go(0, cell);
  }
  return sum;
}
function read(p: Program, values: Values, op: Operand, at: Record<string, number>): bigint {
  const spec = p.tensors.find((t) => t.name === op.tensor)!,
    idx = op.access.map((a) => ('index' in a ? a.index : (a.stride ?? 1) * at[a.axis] + (a.offset ?? 0)));
  const v = values.get(op.tensor)!,
    flat = (from: number): number => {
      let f = 0;
      for (let k = from; k < idx.length; k++) f = f * p.axes[spec.axes[k]] + idx[k];
      return f;
    };
  return v instanceof Int32Array ? (v[flat(1)] === idx[0] ? 1n : 0n) : v[flat(0)];
}
function* cellsOf(p: Program, axes: readonly string[]): Generator<Record<string, number>> {
  if (!axes.length) {
    yield {};
    return;
  }
  for (const rest of cellsOf(p, axes.slice(0, -1)))
    for (let i = 0; i < p.axes[axes[axes.length - 1]]; i++) yield { ...rest, [axes[axes.length - 1]]: i };
}

/**
 * The float reading of integers of fraction 0, which float64 holds exactly: its expressions are those of the
 * definition.
 */
class Probe extends FloatReading {
  eval(axes: readonly string[], e: Expr, l?: number): number[] {
    const box: Box = l === undefined ? { axes } : { axes, scan: 'l' },
      p = this.value(e, box, l ?? 0, 0) / 8;
    return [...this.kernels.f64.subarray(p, p + this.einsum.cells(box))].map((x) => x + 0);
  }
}

describe('einsum against its definition', () => {
  const run = (seed: number, k: Kernels, big: boolean): void => {
    const r = generator(seed),
      pick = (n: number): number => Math.floor(r() * n),
      names = ['a', 'b', 'c', 'd', 'l'];
    const axes: Record<string, number> = Object.fromEntries(names.map((n) => [n, 1 + pick(big ? 11 : 5)]));
    axes.wide = 24;
    const tensors: TensorSpec[] = [],
      values: Values = new Map();
    const lo = -(1n << 40n),
      hi = 1n << 40n;
    const tensor = (ax: string[]): string => {
      const name = `t${tensors.length}`,
        n = ax.reduce((x, a) => x * axes[a], 1);
      tensors.push({ name, axes: ax, cls: 'frozen', lo, hi, frac: 0 });
      values.set(
        name,
        BigInt64Array.from({ length: n }, () => BigInt(pick(64) - 32)),
      );
      return name;
    };
    const shuffled = (): string[] =>
      names
        .filter(() => r() < 0.6)
        .map((n) => [r(), n] as const)
        .sort((x, y) => x[0] - y[0])
        .map((x) => x[1]);
    const random = (): Operand => {
      const ax = shuffled(),
        kinds = ax.map(() => pick(5));
      const own = ax.map((a, k) => (kinds[k] === 0 ? 'wide' : a));
      return {
        tensor: tensor(own),
        access: ax.map(
          (a, k): Access => (kinds[k] !== 0 ? { axis: a } : r() < 0.4 ? { index: pick(24) } : { axis: a, stride: 2, offset: pick(2) }),
        ),
      };
    };
    const hot = (): Operand => {
      const ax = shuffled(),
        name = `t${tensors.length}`,
        v = ax.find((a) => a !== 'l') ?? 'a',
        pos = ax.filter((a) => a !== v && a !== 'l');
      tensors.push({ name, axes: [v, ...pos], cls: 'public', publicKind: 'onehot', lo: 0n, hi: 1n, frac: 0 });
      values.set(
        name,
        Int32Array.from({ length: pos.reduce((x, a) => x * axes[a], 1) }, () => pick(axes[v] + 1) - 1),
      );
      return { tensor: name, access: [v, ...pos].map((axis) => ({ axis })) };
    };
    const terms: Term[] = Array.from({ length: 1 + pick(3) }, () => {
      const operands = Array.from({ length: 1 + pick(3) }, random);
      if (r() < 0.3) operands[pick(operands.length)] = hot();
      if (r() < 0.05) operands[pick(operands.length)] = hot();
      return { coef: BigInt(pick(2000) - 1000), operands };
    });
    const e: Expr = { constant: BigInt(pick(1000) - 500), terms },
      box = shuffled();
    const p: Program = { version: 1, name: 'random', axes, scan: 'l', tensors, tables: [], constraints: [], steps: [], rangeBits: 16 };
    const m = k.mark(),
      reading = new Probe(k, p, values);
    const want = [...cellsOf(p, box)].map((c) => Number(naive(p, values, box, e, c)));
    const got = reading.eval(box, e);
    expect(got, `seed ${seed}`).toEqual(want);
    if (box.includes('l')) {
      const l = pick(axes.l),
        inner = box.filter((a) => a !== 'l'),
        one = reading.eval(box, e, l);
      expect(one, `seed ${seed}, l = ${l}`).toEqual([...cellsOf(p, inner)].map((c) => Number(naive(p, values, box, e, { ...c, l }))));
    }
    k.release(m);
  };
  it('small random boxes', () => {
    const k = singleKernels();
    for (let seed = 1; seed <= 400; seed++) run(seed, k, false);
  });
  it('larger ones, on two threads', () => {
    for (let seed = 1000; seed < 1025; seed++) run(seed, mt, true);
  });
  it('a matrix product wide enough to be cut, equal for any number of threads', () => {
    const p: Program = {
      version: 1,
      name: 'gemm',
      axes: { o: 37, d: 601, n: 53, l: 1 },
      scan: 'l',
      tables: [],
      constraints: [],
      steps: [],
      rangeBits: 16,
      tensors: [
        { name: 'W', axes: ['o', 'd'], cls: 'frozen', lo: -1024n, hi: 1024n, frac: 0 },
        { name: 'X', axes: ['d', 'n'], cls: 'frozen', lo: -1024n, hi: 1024n, frac: 0 },
        { name: 'V', axes: ['n', 'd'], cls: 'frozen', lo: -1024n, hi: 1024n, frac: 0 },
      ],
    };
    const r = generator(5),
      fill = (n: number): BigInt64Array => BigInt64Array.from({ length: n }, () => BigInt(Math.floor(r() * 2048) - 1024));
    const values: Values = new Map([
      ['W', fill(37 * 601)],
      ['X', fill(601 * 53)],
      ['V', fill(53 * 601)],
    ]);
    for (const other of ['X[d,n]', 'V[n,d]']) {
      const e = expr([term(3, 'W[o,d]', other)], 7n),
        results = [singleKernels(), mt].map((k) => {
          const m = k.mark(),
            v = new Probe(k, p, values).eval(['o', 'n'], e);
          k.release(m);
          return v;
        });
      expect(results[1]).toEqual(results[0]);
      for (const [o, n] of [
        [0, 0],
        [36, 52],
        [17, 31],
      ])
        expect(results[0][o * 53 + n]).toBe(Number(naive(p, values, ['o', 'n'], e, { o, n })));
    }
  });
});

/** One program with every operation, two layers, odd sizes. */
function everything(): { program: Program; inputs: Map<string, ReadingInput> } {
  const b = new ProgramBuilder('every', 16);
  for (const [k, n] of Object.entries({ l: 3, s: 4, d: 5, i: 7, j: 7, v: 11, r: 3, P: 3 * 3 * 5 + 3 * 5 * 3 })) b.axis(k, n);
  const fr = (name: string, axes: string[], hi: bigint, frac: number): void => b.tensor(name, axes, 'frozen', { lo: -hi, hi, frac });
  fr('E', ['v', 'd'], 1n << 14n, 12);
  fr('W', ['l', 'd', 'd2'].slice(0, 2).concat('r'), 1n << 14n, 12);
  b.tensor('ids', ['v', 'i'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'onehot' });
  b.tensor('causal', ['i', 'j'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'causal' });
  b.table({ name: 'exp:8:16', axis: 'ex', lo: 0n, size: 4096, columns: ['e.1', 'e.2'] }, [
    { lo: 0n, hi: 65536n, frac: 16 },
    { lo: 0n, hi: 66000n, frac: 16 },
  ]);
  b.table({ name: 'silu:10:12:14', axis: 'si', lo: -16384n, size: 32768, columns: ['s.1', 's.2'] }, [
    { lo: -4096n, hi: 65536n, frac: 12 },
    { lo: -32768n, hi: 32768n, frac: 14 },
  ]);
  const X = { bits: 20, frac: 12 };
  b.witness('X', ['s', 'd', 'i'], X);
  b.round('X.embed', ['d', 'i'], expr([term(1, 'E[v,d]', 'ids[v,i]')]), 0, { out: 'X[0,d,i]' });
  b.phase = 'fwd';
  b.rounded('u', ['l', 'r', 'i'], X, expr([term(1, 'W[l,d,r]', 'X[l,d,i]')]), 12);
  b.witness('sc', ['l', 'i', 'j'], { bits: 24, frac: 8 });
  b.round('sc', ['l', 'i', 'j'], expr([term(1, 'u[l,r,i]', 'u[l,r,j]')]), 16);
  b.inFormat('sc', { bits: 24, frac: 8 });
  b.witness('M', ['l', 'i'], { bits: 24, frac: 8 });
  b.step('M', ['l', 'i'], {
    op: 'lse',
    out: operand('M[l,i]'),
    scores: operand('sc[l,i,j]'),
    over: ['j'],
    causal: ['i', 'j'],
    table: 'exp:8:16',
    target: 65536n,
  });
  b.inFormat('M', { bits: 24, frac: 8 });
  b.tensor('p', ['l', 'i', 'j'], 'witness', { lo: 0n, hi: 65536n, frac: 16 });
  b.tensor('p2', ['l', 'i', 'j'], 'witness', { lo: 0n, hi: 66000n, frac: 16 });
  b.lookup(
    'p.exp',
    ['l', 'i', 'j'],
    'exp:8:16',
    expr([term(1, 'causal[i,j]', 'M[l,i]'), term(-1, 'causal[i,j]', 'sc[l,i,j]'), term(-4095, 'causal[i,j]')], 4095n),
    ['p[l,i,j]', 'p2[l,i,j]'],
  );
  b.range('M.lower', ['l', 'i'], expr([term(-1, 'p[l,i,j]')], 65536n), 16);
  b.range('M.upper', ['l', 'i'], expr([term(1, 'p2[l,i,j]')], -65537n), 16);
  b.rounded('ctx', ['l', 'r', 'i'], X, expr([term(1, 'p[l,i,j]', 'u[l,r,j]')]), 16);
  b.witness('gate', ['l', 'r', 'i'], { bits: 15, frac: 10 });
  b.round('gate', ['l', 'r', 'i'], expr([term(1, 'ctx[l,r,i]')]), 2);
  b.tensor('y', ['l', 'r', 'i'], 'witness', { lo: -4096n, hi: 65536n, frac: 12 });
  b.tensor('dy', ['l', 'r', 'i'], 'witness', { lo: -32768n, hi: 32768n, frac: 14 });
  b.lookup('y', ['l', 'r', 'i'], 'silu:10:12:14', expr([term(1, 'gate[l,r,i]')]), ['y[l,r,i]', 'dy[l,r,i]']);
  b.round('X.out', ['l', 'd', 'i'], expr([realTerm(5461n, 1 / 3, 'W[l,d,r]', 'y[l,r,i]', 'dy[l,r,i]')]), 12 + 14 + 14, {
    out: 'X[l+1,d,i]',
    base: 'X[l,d,i]',
  });
  b.phase = 'mid';
  b.inFormat('X', X);
  b.sqrt('norm', ['i'], { bits: 24, frac: 12, signed: false }, expr([term(1, 'X[3,d,i]', 'X[3,d,i]')], 1n << 20n));
  b.div(
    'quot',
    ['d', 'i'],
    { bits: 20, frac: 12 },
    expr([term(4096, 'X[3,d,i]')]),
    expr([term(1, 'norm[i]'), term(1, 'norm[i]')], 3n),
    25,
    { frac: 12 },
  );
  b.witness('mx', ['d', 'i'], X);
  b.step('mx', ['d', 'i'], { op: 'max', out: operand('mx[d,i]'), a: expr([term(1, 'X[3,d,i]')]), b: expr([term(2, 'X[0,d,i]')]) });
  b.inFormat('mx', X);
  b.phase = 'bwd';
  b.witness('G', ['s', 'i'], { bits: 30, frac: 12 });
  b.round('G', ['l', 'i'], expr([term(1, 'u[l,r,i]'), term(1, 'G[l+1,i]')]), 0, { out: 'G[l,i]' });
  b.phase = 'post';
  b.inFormat('G', { bits: 30, frac: 12 });
  b.witness('gA', ['l', 'r', 'd'], { bits: 30, frac: 12 }, { group: 'g' });
  b.witness('gB', ['l', 'd', 'r'], { bits: 30, frac: 12 }, { group: 'g' });
  b.witness('g', ['P'], { bits: 30, frac: 12 }, { aliasOf: 'g' });
  b.round('gA', ['l', 'r', 'd'], expr([term(1, 'u[l,r,i]', 'X[l,d,i]')]), 12);
  b.inFormat('gA', { bits: 30, frac: 12 });
  b.round('gB', ['l', 'd', 'r'], expr([term(1, 'X[l+1,d,i]', 'u[l,r,i]')]), 12);
  b.inFormat('gB', { bits: 30, frac: 12 });
  b.step('g', [], { op: 'flatten', group: 'g' });
  b.witness('h', ['P'], { bits: 30, frac: 12 }, {});
  b.round('h', ['P'], expr([term(-3, 'g[P]')]), 0);
  b.inFormat('h', { bits: 30, frac: 12 });
  b.tensor('k0', ['P'], 'witness', { lo: 0n, hi: 255n, frac: 12 });
  b.range('k0.range', ['P'], expr([term(1, 'k0[P]')]), 8);
  b.step('k0', ['P'], { op: 'limb', out: operand('k0[P]'), expr: expr([term(1, 'h[P]')]), shift: 0, bits: 8 });
  b.tensor('k1', ['P'], 'witness', { lo: 0n, hi: 4095n, frac: 4 });
  b.range('k1.range', ['P'], expr([term(1, 'k1[P]')]), 12);
  b.step('k1', ['P'], { op: 'limb', out: operand('k1[P]'), expr: expr([term(1, 'h[P]')]), shift: 8, bits: 12 });
  b.rounded('k', ['P'], { bits: 30, frac: 12 }, expr([term(2, 'k0[P]'), term(512, 'k1[P]')]), 1);
  const r = generator(9),
    fill = (n: number, top: number): BigInt64Array => BigInt64Array.from({ length: n }, () => BigInt(Math.floor((2 * r() - 1) * top)));
  return {
    program: b.build(),
    inputs: new Map<string, ReadingInput>([
      ['E', fill(55, 3000)],
      ['W', fill(45, 5000)],
      ['ids', Int32Array.of(3, 0, 10, -1, 5, 5, 7)],
    ]),
  };
}

describe('steps', () => {
  const { program, inputs } = everything();
  const values = (x: IntegerReading): Values =>
    new Map(program.tensors.map((t) => [t.name, t.publicKind === 'onehot' ? (x.ids.get(t.name) as Int32Array) : x.read(t.name)]));
  it('every operation by its definition, and every constraint holds', () => {
    const x = new IntegerReading(singleKernels(), program, inputs as Values);
    x.run();
    expect(x.violated()).toBeUndefined();
    const v = values(x),
      at = (e: Expr, axes: readonly string[], c: Record<string, number>): bigint => naive(program, v, axes, e, c);
    const [T, T2] = generateTable('exp:8:16', 0n, 4096);
    for (const s of program.steps)
      for (const c of cellsOf(program, s.axes)) {
        const out = 'out' in s ? read(program, v, s.out, c) : 0n;
        if (s.op === 'round') {
          const e = at(s.expr, s.axes, c) + (s.shift ? 1n << BigInt(s.shift - 1) : 0n);
          expect(out, s.name).toBe((s.base ? read(program, v, s.base, c) : 0n) + (e >> BigInt(s.shift)));
        }
        if (s.op === 'limb') expect(out, s.name).toBe((at(s.expr, s.axes, c) >> BigInt(s.shift)) & ((1n << BigInt(s.bits)) - 1n));
        if (s.op === 'max') {
          const [a, b] = [at(s.a, s.axes, c), at(s.b, s.axes, c)];
          expect([a, b]).toContain(out);
          expect(out >= a && out >= b).toBe(true);
        }
        if (s.op === 'sqrt') {
          const e = at(s.expr, s.axes, c);
          expect(out * out <= e && (out + 1n) ** 2n > e).toBe(true);
        }
        if (s.op === 'div') {
          const n = at(s.num, s.axes, c) << BigInt(s.shift),
            d = at(s.den, s.axes, c);
          expect(out * d <= n && (out + 1n) * d > n).toBe(true);
        }
        if (s.op === 'lse') {
          const sum = (M: bigint, table: BigInt64Array): bigint => {
            let n = 0n;
            for (let j = 0; j <= c['i']; j++) n += table[Number(M - read(program, v, s.scores, { ...c, j }))] ?? 0n;
            return n;
          };
          expect(sum(out, T) <= 65536n && sum(out, T2) > 65536n).toBe(true);
        }
        if (s.op === 'table') {
          const t = program.tables.find((y) => y.name === s.table)!,
            cols = generateTable(t.name, t.lo, t.size),
            key = Number(at(s.key, s.axes, c) - t.lo);
          s.outs.forEach((o, k) => {
            expect(read(program, v, o, c)).toBe(cols[k][key]);
          });
        }
      }
  });
  it('give the same cells on two threads', () => {
    const one = new IntegerReading(singleKernels(), program, inputs as Values),
      m = mt.mark(),
      two = new IntegerReading(mt, program, inputs as Values);
    one.run();
    two.run();
    expect(values(two)).toEqual(values(one));
    mt.release(m);
  });
  it('in real numbers: the same from reused inputs and after a second run, with every step reported', () => {
    const real = (x: FloatReading) =>
      new Map(program.tensors.flatMap((t) => (t.publicKind === 'onehot' ? [] : [[t.name, x.read(t.name)] as const])));
    const one = new FloatReading(singleKernels(), program, inputs),
      m = mt.mark(),
      seen: string[] = [];
    one.run((done, of, at) => {
      expect([of, done]).toEqual([program.steps.length, seen.length + 1]);
      seen.push(at.step);
    });
    expect(seen.length).toBe(program.steps.length);
    expect(Object.keys(one.timings)).toEqual(['pre', 'fwd', 'mid', 'bwd', 'post']);
    const shared = mt.alloc(8 * 55),
      two = new FloatReading(
        mt,
        program,
        new Map<string, ReadingInput>([
          ...inputs,
          ['E', { ptr: shared }],
          [
            'W',
            (c: BigInt64Array) => {
              c.set(inputs.get('W') as BigInt64Array);
            },
          ],
        ]),
      );
    mt.f64.set(
      Float64Array.from(inputs.get('E') as BigInt64Array, (v) => Number(v) / 4096),
      shared / 8,
    );
    two.run();
    const first = real(two);
    expect(first).toEqual(real(one));
    two.setInput('ids', Int32Array.of(1, 1, 1, 1, 1, 1, 1));
    two.run();
    expect(real(two)).not.toEqual(first);
    two.setInput('ids', inputs.get('ids')!);
    two.run();
    expect(real(two)).toEqual(first);
    mt.release(m);
  });
  it('do not depend on where memory grows: every view ends with the next allocation', () => {
    const restless = (): Kernels => {
      const k = singleKernels(),
        alloc = k.alloc.bind(k);
      k.alloc = (bytes, align) => {
        k.memory.grow(1);
        return alloc(bytes, align);
      };
      return k;
    };
    const run = <T extends IntegerReading | FloatReading>(x: T): T => {
      x.run();
      return x;
    };
    const real = (x: FloatReading) =>
      program.tensors.flatMap((t) => (t.publicKind === 'onehot' ? [] : [[t.name, x.read(t.name)] as const]));
    expect(real(run(new FloatReading(restless(), program, inputs)))).toEqual(real(run(new FloatReading(singleKernels(), program, inputs))));
    expect(values(run(new IntegerReading(restless(), program, inputs as Values)))).toEqual(
      values(run(new IntegerReading(singleKernels(), program, inputs as Values))),
    );
  });
  it('agree with the float reading within rounding', () => {
    const k = singleKernels(),
      x = new IntegerReading(k, program, inputs as Values),
      f = new FloatReading(mt, program, inputs);
    x.run();
    f.run();
    for (const name of ['X', 'u', 'sc', 'M', 'p', 'ctx', 'y', 'dy', 'norm', 'quot', 'mx', 'G', 'gA', 'gB', 'g', 'h', 'k']) {
      const unit = 2 ** -x.tensors.get(name)!.frac,
        a = x.read(name),
        b = f.read(name);
      a.forEach((v, i) => {
        expect(Math.abs(Number(v) * unit - b[i]), `${name}[${i}]: ${Number(v) * unit} against ${b[i]}`).toBeLessThan(
          0.02 + 0.003 * Math.abs(b[i]),
        );
      });
    }
    // Unquantised inputs.
    const real = new FloatReading(
      k,
      program,
      new Map<string, ReadingInput>([...inputs, ['W', Float64Array.from(inputs.get('W') as BigInt64Array, (v) => Number(v) / 4096)]]),
    );
    real.run();
    expect([...real.read('X')]).toEqual([...f.read('X')]);
  });
  it('refuse missing, short and foreign inputs', () => {
    const k = singleKernels(),
      without = (n: string): Map<string, ReadingInput> => {
        const m = new Map(inputs);
        m.delete(n);
        return m;
      };
    expect(() => new FloatReading(k, program, without('W'))).toThrow(InputError);
    expect(() => new FloatReading(k, program, without('ids')).run()).toThrow('ids');
    expect(() => new FloatReading(k, program, new Map(inputs).set('W', new BigInt64Array(44)))).toThrow('44 values');
    expect(() => new FloatReading(k, program, new Map(inputs).set('ids', Int32Array.of(0, 0, 0, 0, 0, 0, 11)))).toThrow('11');
    expect(() => new FloatReading(k, program, new Map(inputs).set('nothing', new BigInt64Array(1)))).toThrow('unknown');
    expect(() => new IntegerReading(k, program, without('ids') as Values)).toThrow('ids');
    expect(() => new IntegerReading(k, program, new Map(inputs).set('W', new BigInt64Array(44)) as Values)).toThrow('44 cells');
  });
});

describe('a value outside its format', () => {
  const make = (op: 'round' | 'table' | 'div'): Program => {
    const b = new ProgramBuilder('over', 16);
    b.axis('l', 3);
    b.axis('i', 5);
    b.tensor('x', ['l', 'i'], 'frozen', { lo: -(1n << 30n), hi: 1n << 30n, frac: 8 });
    b.phase = 'fwd';
    if (op === 'round') b.rounded('y', ['l', 'i'], { bits: 10, frac: 4 }, expr([term(1, 'x[l,i]')]), 4);
    if (op === 'div') b.div('y', ['l', 'i'], { bits: 20, frac: 0 }, expr([], 1000n), expr([term(1, 'x[l,i]')]), 31, { frac: 8 });
    if (op === 'table') {
      b.table({ name: 'silu:4:4:4', axis: 't', lo: -512n, size: 1024, columns: ['a', 'c'] }, [
        { lo: -99n, hi: 999n, frac: 4 },
        { lo: -99n, hi: 999n, frac: 4 },
      ]);
      for (const n of ['y', 'z']) b.tensor(n, ['l', 'i'], 'witness', { lo: -99n, hi: 999n, frac: 4 });
      b.lookup('look', ['l', 'i'], 'silu:4:4:4', expr([term(1, 'x[l,i]')]), ['y[l,i]', 'z[l,i]']);
    }
    return b.build();
  };
  const x = (cell: number, value: bigint): Values => {
    const v = new BigInt64Array(15).fill(16n);
    v[cell] = value;
    return new Map([['x', v]]);
  };
  it.each([
    ['round', 8192n, 'y', 512n],
    ['table', 512n, 'look', 512n],
    ['div', -1n, 'y', (1n << 63n) - 1n],
  ] as const)('stops %s with tensor, layer, cell and value', (op, value, subject, reported) => {
    const r = new IntegerReading(singleKernels(), make(op), x(7, value));
    try {
      r.run();
      expect.unreachable();
    } catch (e) {
      expect(e).toBeInstanceOf(OverflowError);
      const o = e as OverflowError;
      expect({ subject: o.subject, layer: o.layer, cell: o.cell, value: o.value }).toEqual({
        subject,
        layer: 1,
        cell: { i: 2 },
        value: reported,
      });
    }
  });
  it('and the last value inside passes', () => {
    for (const [op, v] of [
      ['round', 8183n],
      ['table', 511n],
      ['div', 1n],
    ] as const)
      new IntegerReading(singleKernels(), make(op), x(7, v)).run();
  });
  it('constraints name the cell that a changed trace violates', () => {
    const p = make('round'),
      k = singleKernels(),
      r = new IntegerReading(k, p, x(0, 0n));
    r.run();
    k.i64[r.ptr.get('y')! / 8 + 4] += 1n;
    const rem = p.constraints.find((c) => c.name === 'y.rem')! as Parameters<IntegerReading['keys']>[0];
    expect(() => r.keys(rem)).toThrow(OverflowError);
    const zero: Program = { ...p, constraints: [{ kind: 'zero', name: 'id', axes: ['l'], expr: expr([term(1, 'x[l,3]')], -16n) }] };
    expect(new IntegerReading(k, zero, x(1, 0n)).violated()).toBeUndefined();
    expect(new IntegerReading(k, zero, x(8, 0n)).violated()).toMatch(/id at {"l":1}/);
  });
});

describe('division and roots at the edges of 64 bits', () => {
  it('are exact', () => {
    const k = singleKernels(),
      r = generator(77),
      wide = (): bigint => BigInt.asIntN(63, (BigInt(Math.floor(r() * 2 ** 32)) << 31n) ^ BigInt(Math.floor(r() * 2 ** 32)));
    const n = 4000,
      a = k.alloc(8 * n),
      b = k.alloc(8 * n),
      xs = Array.from({ length: n }, () => {
        const w = wide() >> BigInt(Math.floor(r() * 60));
        return w;
      }),
      ys = xs.map(() => {
        const w = wide() >> BigInt(Math.floor(r() * 60));
        return w > 0n ? w : 1n - w; // ewDiv divides by positive numbers alone
      });
    k.i64.set(xs, a / 8);
    k.i64.set(ys, b / 8);
    k.exports['ewDiv'](a, b, 0, n);
    xs.forEach((q, i) => {
      const f = q / ys[i],
        want = f * ys[i] > q ? f - 1n : f;
      if (k.i64[a / 8 + i] !== want) expect(k.i64[a / 8 + i]).toBe(want);
    });
    const roots = xs.map((x) => (x < 0n ? ~x : x));
    [
      0n,
      1n,
      2n,
      3n,
      (1n << 62n) - 1n,
      (1n << 63n) - 1n,
      3037000499n ** 2n,
      3037000499n ** 2n - 1n,
      (1n << 52n) ** 1n,
      94906266n ** 2n - 1n,
    ].forEach((x, i) => {
      roots[i] = x;
    });
    k.i64.set(roots, a / 8);
    k.exports['ewSqrt'](a, 0, n);
    roots.forEach((x, i) => {
      const s = k.i64[a / 8 + i];
      if (!(s * s <= x && (s + 1n) ** 2n > x)) expect(s).toBe(x);
    });
  });
});

describe('tables', () => {
  it('exponential fixed point agrees with the other implementation', () => {
    for (const [n, F] of [
      [0, 3],
      [1, 14],
      [7, 2],
      [12345, 11],
      [1048575, 14],
      [999, 4],
    ] as const) {
      const a = expNegFixed(BigInt(n), F, 96),
        b = expFixed(-(BigInt(n) << BigInt(96 - F)), 96);
      expect(a - b < 8n && b - a < 8n).toBe(true);
    }
  });
  it.each([
    ['exp:11:20', 0n, 2 ** 16],
    ['exp:11:24', 0n, 2 ** 16],
    ['exp:3:5', 0n, 64],
    ['silu:11:12:14', -(2n ** 15n), 2 ** 16],
    ['silu:5:12:14', -512n, 1001],
  ])('%s: both generators give the same entries', (name, lo, size) => {
    expect(tableDigest(generateTable(name, lo, size))).toBe(tableDigest(tableColumns({ name, lo, size, axis: 'x', columns: ['a', 'b'] })));
  });
  it('entries that are too close to a boundary are decided', () => {
    // Key fraction above the result's: x 2^f is a half-integer for every other key, silu(x) lies just below it.
    const [y] = generateTable('silu:5:4', 0n, 4096);
    for (const key of [1001, 2047, 4095]) expect(y[key]).toBe(BigInt((key - 1) / 2));
  });
  it('golden digests', () => {
    expect(tableDigest(generateTable('exp:14:20', 0n, 2 ** 20))).toMatchInlineSnapshot(
      `"3471781fb9f8e22bf87989e30e6aa592903726dcfdd150427f4087f6b81680c6"`,
    );
    expect(tableDigest(generateTable('exp:14:24', 0n, 2 ** 20))).toMatchInlineSnapshot(
      `"0effbbd15ab5ce74a71c04502cbbca1903bbf05f41e3cf458939041f6dea5008"`,
    );
    expect(tableDigest(generateTable('silu:12:12:14', -(2n ** 19n), 2 ** 20))).toMatchInlineSnapshot(
      `"e191c022b0c0898e64c249e711b56308eabc51710527c8f67b907ec42d405ba2"`,
    );
  });
  it('unknown and unusable ones are refused', () => {
    expect(() => generateTable('tan:1:2', 0n, 4)).toThrow('unknown table');
    expect(() => generateTable('exp:14:x', 0n, 4)).toThrow('fraction bits');
    expect(() => generateTable('exp:14:20', 0n, 1024)).toThrow('does not reach zero');
    expect(() => generateTable('exp:14:20', 1n, 1024)).toThrow('starts at 0');
  });
});
