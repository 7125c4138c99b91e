import fc from 'fast-check';
import { unflattenGroup } from '../src/model/step.js';
import { ProgramBuilder, expr, term } from '../src/tensor/builder.js';
import { type Case, lcg } from './kit.js';

/** Relations of a random program. */
export const KINDS = [
  'matrix',
  'triple',
  'sum',
  'outer',
  'strided',
  'exact',
  'table',
  'silu',
  'sqrt',
  'quotient',
  'max',
  'split',
  'lse',
  'causal',
  'state',
] as const;
export type Kind = (typeof KINDS)[number];

/** What a random program is made from. */
export const shape = fc.record({
  sizes: fc.record({
    l: fc.integer({ min: 1, max: 3 }),
    d: fc.integer({ min: 1, max: 7 }),
    o: fc.integer({ min: 1, max: 6 }),
    v: fc.integer({ min: 2, max: 7 }),
    b: fc.integer({ min: 1, max: 3 }),
    i: fc.integer({ min: 1, max: 5 }),
  }),
  kinds: fc.array(fc.constantFrom(...KINDS), { minLength: 1, maxLength: 4 }),
  rangeBits: fc.integer({ min: 4, max: 8 }),
  seed: fc.nat(),
});
export type Shape = typeof shape extends fc.Arbitrary<infer T> ? T : never;

const OUT = { bits: 9, frac: 0 };
const root = { bits: 13, frac: 0, signed: false };

/** Shift that brings an expression into OUT whatever its operands are. */
function shiftFor(b: ProgramBuilder, axes: string[], e: ReturnType<typeof expr>): number {
  const { lo, hi } = b.interval(axes, e),
    most = [hi, -lo].reduce((x, y) => (x > y ? x : y));
  return Math.max(1, most.toString(2).length - (OUT.bits - 1) + 1);
}

function relation(b: ProgramBuilder, kind: Kind, n: number, rnd: (n: number) => number): void {
  const name = `${kind}${n}`,
    coef = (): number => 1 + rnd(9),
    round = (axes: string[], e: ReturnType<typeof expr>): void => b.rounded(name, axes, OUT, e, shiftFor(b, axes, e));
  const tok = ['b', 'i'];
  switch (kind) {
    case 'matrix':
      round(['l', 'o', ...tok], expr([term(coef(), 'W[l,o,d]', 'X[2*l,d,b,i]'), term(-coef(), 'A[l,o]')], rnd(50)));
      break;
    case 'triple':
      round(['l', 'd', ...tok], expr([term(coef(), 'W[l,o,d]', 'X[2*l+1,d,b,i]', 'mask[b,i]'), term(3, 'X[0,d,b,i]')]));
      break;
    case 'sum':
      round(['o'], expr([term(-coef(), 'W[l,o,d]')], -rnd(9)));
      break;
    case 'outer':
      round(['o', 'i', 'd'], expr([term(coef(), 'A[0,o]', 'X[1,d,b,i]'), term(1, 'rate')]));
      break;
    case 'strided':
      round(['l', 'b'], expr([term(coef(), 'X[2*l+2,d,b,0]', 'X[2*l,d,b,i]'), term(-1, 'E[v,d]', 'ids[v,b,i]', 'X[1,d,b,i]')]));
      break;
    case 'exact':
      b.witness(name, ['d', ...tok], { bits: 14, frac: 0 });
      b.round(name, ['d', ...tok], expr([term(coef(), 'X[0,d,b,i]'), term(-coef(), 'X[1,d,b,i]', 'mask[b,i]')]), 0);
      b.inFormat(name, { bits: 14, frac: 0 });
      break;
    case 'table':
      for (const c of ['e1', 'e2']) b.tensor(`${name}.${c}`, tok, 'witness', { lo: 0n, hi: c === 'e1' ? 16n : 40n, frac: 4 });
      b.lookup(name, tok, 'exp:2:4', expr([term(3, 'mask[b,i]'), term(1, 'rate')], 2n), [`${name}.e1[b,i]`, `${name}.e2[b,i]`]);
      break;
    case 'silu':
      for (const c of ['y', 'dy']) b.tensor(`${name}.${c}`, ['d', ...tok], 'witness', { lo: -64n, hi: 64n, frac: 4 });
      b.witness(`${name}.x`, ['d', ...tok], { bits: 6, frac: 3 });
      b.round(`${name}.x`, ['d', ...tok], expr([term(1, 'X[0,d,b,i]')]), 3);
      b.lookup(name, ['d', ...tok], 'silu:3:4:4', expr([term(1, `${name}.x[d,b,i]`)]), [`${name}.y[d,b,i]`, `${name}.dy[d,b,i]`]);
      break;
    case 'sqrt':
      b.sqrt(name, tok, root, expr([term(1, 'X[0,d,b,i]', 'X[0,d,b,i]')], rnd(9)));
      break;
    case 'quotient':
      b.sqrt(`${name}.n`, [], root, expr([term(1, 'W[l,o,d]', 'W[l,o,d]')]));
      b.div(name, ['l', 'o'], { bits: 18, frac: 0 }, expr([term(coef(), 'A[l,o]')], 1000n), expr([term(1, `${name}.n`)], 1n), 14, {
        frac: 0,
      });
      break;
    case 'max':
      b.max(name, ['d', ...tok], OUT, [b.value('X[0,d,b,i]'), b.value('X[1,d,b,i]').minus(b.value('rate'))]);
      break;
    case 'split':
      b.witness(`${name}.x`, tok, { bits: 8, frac: 0, signed: false });
      b.round(`${name}.x`, tok, expr([term(1, 'S[b,i]')], 32), 0);
      b.split(`${name}.x`, 4, `${name}.low`, `${name}.high`);
      break;
    case 'lse':
    case 'causal':
      b.tensor(`${name}.s`, ['b', 'i', 'j'], 'witness', { lo: -63n, hi: 63n, frac: 2 });
      b.round(`${name}.s`, ['b', 'i', 'j'], expr([term(1, 'S[b,i]', 'S[b,j]')]), 4);
      b.logSumExp(`${name}.M`, tok, {
        format: { bits: 6, frac: 2 },
        scores: `${name}.s`,
        over: 'j',
        weights: `${name}.p`,
        table: 'exp:2:4',
        ...(kind === 'causal' ? { causal: { mask: 'causal', axes: ['i', 'j'] as const } } : {}),
      });
      break;
    case 'state':
      if (n) break;
      b.tensor('A2', ['l', 'o'], 'cOut', { lo: -256n, hi: 255n, frac: 0 }, { group: 'C2' });
      b.tensor('C2', ['P'], 'cOut', { lo: -256n, hi: 255n, frac: 0 }, { aliasOf: 'C2' });
      b.round('C2', ['P'], expr([term(coef(), 'C[P]'), term(1, 'rate', 'C[P]')]), 2);
      b.inFormat('C2', OUT);
      b.step('members', [], { op: 'unflatten', group: 'C2' });
      break;
  }
}

/** Program and inputs of a shape. */
export function randomCase(x: Shape): Case {
  const { l, d, o, v, b: B, i } = x.sizes,
    rnd = lcg(x.seed),
    b = new ProgramBuilder('random', x.rangeBits);
  for (const [a, n] of Object.entries({ l, s: 2 * l + 1, d, o, v, b: B, i, j: i, P: l * o })) b.axis(a, n);
  const small = { lo: -16n, hi: 15n, frac: 0 };
  b.tensor('E', ['v', 'd'], 'frozen', small);
  b.tensor('W', ['l', 'o', 'd'], 'frozen', small);
  b.tensor('ids', ['v', 'b', 'i'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'onehot' });
  b.tensor('causal', ['i', 'j'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'causal' });
  b.tensor('mask', ['b', 'i'], 'public', { lo: 0n, hi: 1n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('rate', [], 'public', { lo: 0n, hi: 20n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('A', ['l', 'o'], 'cIn', { lo: -20n, hi: 20n, frac: 0 }, { group: 'C' });
  b.tensor('C', ['P'], 'cIn', { lo: -20n, hi: 20n, frac: 0 }, { aliasOf: 'C' });
  b.table({ name: 'exp:2:4', axis: 'exp', lo: 0n, size: 32, columns: ['e1', 'e2'] }, [
    { lo: 0n, hi: 16n, frac: 4 },
    { lo: 0n, hi: 40n, frac: 4 },
  ]);
  b.table({ name: 'silu:3:4:4', axis: 'silu', lo: -32n, size: 64, columns: ['sy', 'sd'] }, [
    { lo: -64n, hi: 64n, frac: 4 },
    { lo: -64n, hi: 64n, frac: 4 },
  ]);
  b.witness('X', ['s', 'd', 'b', 'i'], { bits: 8, frac: 0 });
  b.round('X0', ['d', 'b', 'i'], expr([term(5, 'E[v,d]', 'ids[v,b,i]')]), 0, { out: 'X[0,d,b,i]' });
  b.phase = 'fwd';
  const half = (at: string, from: string): void =>
    b.round(`X${at}`, ['l', 'd', 'b', 'i'], expr([term(1, 'W[l,o,d]', 'A[l,o]'), term(1, `X[${from},d,b,i]`)]), 6, {
      out: `X[${at},d,b,i]`,
      base: `X[${from},d,b,i]`,
    });
  half('2*l+1', '2*l');
  half('2*l+2', '2*l+1');
  b.phase = 'mid';
  b.inFormat('X', { bits: 8, frac: 0 });
  b.witness('S', ['b', 'i'], { bits: 6, frac: 0 });
  b.round('S', ['b', 'i'], expr([term(1, 'X[0,d,b,i]')]), 5);
  b.inFormat('S', { bits: 6, frac: 0 });
  x.kinds.forEach((k, n) => {
    if (k !== 'state') relation(b, k, n, rnd);
  });
  b.phase = 'post';
  if (x.kinds.includes('state')) relation(b, 'state', 0, rnd);
  const program = b.build();
  const fill = (n: number, m: number): BigInt64Array => BigInt64Array.from({ length: n }, () => BigInt(rnd(2 * m + 1) - m));
  const C = fill(l * o, 20);
  return {
    program,
    inputs: new Map<string, BigInt64Array | Int32Array>([
      ['E', fill(v * d, 15)],
      ['W', fill(l * o * d, 15)],
      ['ids', Int32Array.from({ length: B * i }, () => rnd(v + 1) - 1)],
      ['mask', BigInt64Array.from({ length: B * i }, () => BigInt(rnd(2)))],
      ['rate', BigInt64Array.of(BigInt(rnd(21)))],
      ['C', C],
      // The members of C lie in the stack as the layout says; with one member of pieces in order they are its cells.
      ['A', members(program, C)],
    ]),
  };
}

/** A from C: by the layout of the group. */
function members(program: Case['program'], C: BigInt64Array): BigInt64Array {
  return unflattenGroup(program, 'cIn', 'C', C).get('A')!;
}
