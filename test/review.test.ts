import { describe, expect, it } from 'vitest';
import { singleKernels } from '../src/kernels/index.js';
import { ProgramError, checkProgram } from '../src/tensor/bounds.js';
import { ProgramBuilder, expr, operand, term } from '../src/tensor/builder.js';
import { checkEstablished } from '../src/tensor/established.js';
import type { Program, TensorSpec } from '../src/tensor/types.js';
import { NativeChannel, VerificationError } from '../src/transcript/index.js';
import { bump, proveCase, verifyCase } from './kit.js';

const k = singleKernels(),
  vk = singleKernels();
const byte = { bits: 8, frac: 0 };

describe('strided accesses of two sizes at one slice of rho', () => {
  // Both boxes have three variables and stand at the same slice; weights used to be remembered by slice alone.
  const build = (sizes: [number, number]) => {
    const b = new ProgramBuilder('slices', 8);
    b.axis('t', 16);
    b.axis('a', sizes[0]);
    b.axis('c', sizes[1]);
    b.axis('l', 1);
    b.witness('T', ['t'], byte);
    b.inFormat('T', byte);
    b.rounded('A', ['a'], byte, expr([term(1, 'T[2*a]')], 3n), 1);
    b.rounded('C', ['c'], byte, expr([term(1, 'T[2*c+1]')], 5n), 1);
    return { program: b.build(), inputs: new Map([['T', BigInt64Array.from({ length: 16 }, (_, i) => BigInt(i * 5 - 30))]]) };
  };
  it.each([[5, 7] as [number, number], [7, 5] as [number, number]])('sizes %i and %i', (a, c) => {
    const x = build([a, c]);
    verifyCase(vk, proveCase(k, x));
    for (const [name, n] of [
      ['A', a],
      ['C', c],
    ] as const)
      for (let cell = 0; cell < n; cell++)
        expect(() => verifyCase(vk, proveCase(k, x, { tamper: bump(name, cell) })), `${name}[${cell}]`).toThrow(VerificationError);
  });
});

describe('transcript', () => {
  it('an empty message does not give the same challenge again', () => {
    const ch = new NativeChannel(vk, new BigUint64Array(0));
    ch.publicWords('x', [7n]);
    const first = ch.value(ch.sample('a'));
    ch.read('nothing', 0);
    expect(ch.value(ch.sample('b'))).not.toEqual(first);
    ch.close();
  });
  it('a statement has one spelling: canonical words, exact counts', () => {
    const b = new ProgramBuilder('s', 8);
    b.axis('P', 3);
    b.axis('l', 1);
    b.tensor('in', ['P'], 'cIn', { lo: -128n, hi: 127n, frac: 0 });
    b.tensor('rate', [], 'public', { lo: 0n, hi: 9n, frac: 0 }, { publicKind: 'dense' });
    b.witness('out', ['P'], byte, { cls: 'cOut' });
    b.round('out', ['P'], expr([term(1, 'in[P]'), term(1, 'rate')]), 1);
    b.inFormat('out', byte);
    const p = proveCase(k, {
      program: b.build(),
      inputs: new Map([
        ['in', BigInt64Array.of(1n, -2n, 3n)],
        ['rate', BigInt64Array.of(4n)],
      ]),
    });
    verifyCase(vk, p);
    const root = p.statement.roots['sIn'],
      hole = root.slice();
    delete hole[2];
    for (const bad of [hole, [...root, 0n], root.slice(1), root.map((x, i) => (i ? x : x + 0xffffffff00000001n)), [-1n, ...root.slice(1)]])
      expect(() => verifyCase(vk, p, { statement: { ...p.statement, roots: { ...p.statement.roots, sIn: bad } } })).toThrow(/state sIn/);
    expect(() => verifyCase(vk, p, { statement: { ...p.statement, frozen: [] } })).toThrow(/frozen digest/);
    for (const rate of [10n, -1n]) {
      const publics = new Map([['rate', BigInt64Array.of(rate)]]);
      expect(() => verifyCase(vk, p, { statement: { ...p.statement, publics } })).toThrow(/outside its format/);
    }
    expect(() => verifyCase(vk, p, { statement: { ...p.statement, publics: new Map([['rate', Int32Array.of(4)]]) } })).toThrow(
      /another type/,
    );
    expect(() => verifyCase(vk, p, { statement: { ...p.statement, publics: new Map() } })).toThrow(/missing/);
  });
});

describe('programs that a prover could steer are refused when they are built', () => {
  const base = (): ProgramBuilder => {
    const b = new ProgramBuilder('bad', 8);
    for (const [a, n] of Object.entries({ l: 1, i: 4, j: 4, n: 3, m: 8 })) b.axis(a, n);
    b.tensor('F', ['i'], 'frozen', { lo: -100n, hi: 100n, frac: 0 });
    b.tensor('mask', ['i'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'dense' });
    b.tensor('causal', ['i', 'j'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'causal' });
    b.table({ name: 'exp:2:4', axis: 'exp', lo: 0n, size: 32, columns: ['e1', 'e2'] }, [
      { lo: 0n, hi: 16n, frac: 4 },
      { lo: 0n, hi: 40n, frac: 4 },
    ]);
    return b;
  };
  const refused = (f: (b: ProgramBuilder) => void, why: RegExp): void => {
    expect(() => {
      const b = base();
      f(b);
      b.build();
    }).toThrow(why);
  };
  it('an output that is not range-checked, though its remainder is: every remainder has some y mod p', () =>
    refused((b) => {
      b.witness('Y', ['i'], byte);
      b.round('Y', ['i'], expr([term(1, 'F[i]')]), 3);
    }, /Y: no constraint establishes its bounds/));
  it('a check of some cells only', () =>
    refused((b) => {
      b.witness('Y', ['i'], byte);
      b.range('Y.part', ['n'], expr([term(1, 'Y[n]')], 128n), 8);
    }, /Y: no constraint establishes/));
  it('two tensors that bound each other', () =>
    refused((b) => {
      b.witness('Y', ['i'], byte);
      b.witness('Z', ['i'], byte);
      b.zero('same', ['i'], expr([term(1, 'Y[i]'), term(-1, 'Z[i]')]));
    }, /no constraint establishes/));
  it('state left without bounds', () =>
    refused((b) => b.tensor('out', ['i'], 'cOut', { lo: -8n, hi: 7n, frac: 0 }), /out: no constraint establishes/));
  it('a range wider than the declared format', () =>
    refused((b) => {
      b.witness('Y', ['i'], byte);
      b.range('Y.wide', ['i'], expr([term(1, 'Y[i]')], 128n), 9);
    }, /no constraint establishes/));
  it('a value bounded under a mask and used without it', () => {
    const masked = (b: ProgramBuilder): void => {
      b.witness('Y', ['i'], byte);
      b.range('Y.masked', ['i'], expr([term(1, 'mask[i]', 'Y[i]')], 128n), 8);
    };
    const ok = base();
    masked(ok);
    ok.build();
    refused((b) => {
      masked(b);
      b.rounded('Z', ['i'], byte, expr([term(1, 'Y[i]')]), 2);
    }, /bounded under mask only/);
  });
  it('the same under a mask at other axes', () =>
    refused((b) => {
      b.witness('Y', ['i', 'j'], byte);
      b.range('Y.masked', ['i', 'j'], expr([term(1, 'causal[i,j]', 'Y[i,j]')], 128n), 8);
      b.rounded('Z', ['i', 'j'], byte, expr([term(1, 'causal[j,i]', 'Y[i,j]')]), 2);
    }, /bounded under causal only/));
  it('lookups of another arity, unknown tables, tables that are no power of two, wide keys', () => {
    refused((b) => {
      b.tensor('Y', ['i'], 'witness', { lo: 0n, hi: 16n, frac: 0 });
      b.lookup('Y', ['i'], 'exp:2:4', expr([term(1, 'mask[i]')]), ['Y[i]']);
    }, /3 columns with its key/);
    refused((b) => {
      b.tensor('Y', ['i'], 'witness', { lo: 0n, hi: 16n, frac: 0 });
      b.lookup('Y', ['i'], 'exp:2:5', expr([term(1, 'mask[i]')]), ['Y[i]']);
    }, /unknown table/);
    refused((b) => b.table({ name: 'exp:1:1', axis: 'x', lo: 0n, size: 24, columns: [] }, []), /power of two/);
    refused((b) => b.table({ name: 'exp:1:1', axis: 'x', lo: 1n << 32n, size: 8, columns: [] }, []), /keys pass/);
    refused(
      (b) => b.table({ name: 'exp:1:1', axis: 'x', lo: 0n, size: 8, columns: ['w'] }, [{ lo: 0n, hi: 1n << 40n, frac: 0 }]),
      /passes 2\^32/,
    );
  });
  it('public operands in part, a causal mask of two sizes, axes twice, strides below one', () => {
    refused((b) => b.rounded('Z', ['n'], byte, expr([term(1, 'mask[n]', 'F[n]')]), 1), /accessed whole/);
    refused((b) => b.rounded('Z', [], byte, expr([term(1, 'mask[2]')]), 1), /accessed whole/);
    refused(
      (b) => b.tensor('c2', ['i', 'n'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'causal' }),
      /causal mask has two axes of one size/,
    );
    // Bands of two queries on eight keys: one that ends before its keys, one that begins between multiples of two.
    const band = (first: number, keys: number) => (b: ProgramBuilder) => {
      b.axis('bi', 2);
      b.axis('bj', keys);
      b.tensor('c2', ['bi', 'bj'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'causal', first });
    };
    refused(band(4, 8), /a band of a causal mask ends with its last query/);
    refused(band(3, 5), /a band of 2 queries cannot begin at 3/);
    refused((b) => b.zero('z', ['i', 'i'], expr([term(1, 'F[i]')])), /axis occurs twice/);
    refused((b) => b.zero('z', ['q'], expr([term(1, 'F[0]')])), /unknown axis/);
    refused((b) => b.rounded('Z', ['n'], byte, expr([term(1, 'F[0*n]')]), 1), /runs outside|Z/);
    refused((b) => b.rounded('Z', ['m'], byte, expr([term(1, 'F[m]')]), 1), /runs outside/);
  });
  it('identities that could wrap: ranges, zero, lookups', () => {
    const wrap = (kind: 'range' | 'zero' | 'lookup', coef: bigint, rangeBits = 8): Program => {
      const t: TensorSpec = { name: 'Y', axes: ['i'], cls: 'frozen', lo: -8n, hi: 7n, frac: 0 };
      const e = { constant: 0n, terms: [{ coef, operands: [operand('Y[i]')] }] };
      return {
        version: 1,
        name: 'w',
        axes: { i: 4, tab: 8 },
        scan: 'l',
        tensors: [t],
        tables: [{ name: 'exp:1:1', axis: 'tab', lo: 0n, size: 8, columns: [] }],
        constraints: [
          kind === 'range'
            ? { kind, name: 'c', axes: ['i'], expr: e, bits: 8 }
            : kind === 'zero'
              ? { kind, name: 'c', axes: ['i'], expr: e }
              : { kind, name: 'c', axes: ['i'], table: 'exp:1:1', exprs: [e] },
        ],
        steps: [],
        rangeBits,
      };
    };
    const p = 0xffffffff00000001n;
    // Largest |8 c| that cannot reach another residue of the target: p - 1 for zero and the upper side of a range, p -
    // 2^8 below it.
    for (const [kind, last] of [
      ['zero', (p - 1n) / 8n],
      ['range', (p - 256n) / 8n],
      ['lookup', (p - (1n << 32n) - 1n) / 8n],
    ] as const) {
      expect(() => checkProgram(wrap(kind, last)), kind).not.toThrow();
      expect(() => checkProgram(wrap(kind, last + 1n)), kind).toThrow(ProgramError);
      expect(() => checkProgram(wrap(kind, -(p / 4n))), kind).toThrow(/wraps around the field/);
    }
    // A range may be looked up in the widest table, whose width sets the edge on both sides.
    const last = (p - 65536n) / 8n,
      least = -((p - 65536n) / 8n);
    for (const c of [last, least]) expect(() => checkProgram(wrap('range', c, 16))).not.toThrow();
    for (const c of [last + 1n, least - 1n]) expect(() => checkProgram(wrap('range', c, 16))).toThrow(/wraps around the field/);
    expect(() => checkEstablished(wrap('range', 1n))).not.toThrow();
  });
});
