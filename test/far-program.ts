import { ProgramBuilder, expr, term } from '../src/tensor/builder.js';
import type { Case } from './kit.js';
import { lcg } from './kit.js';

/**
 * Matrix products, products of tensors over one box, a table, state: large enough that every phase must stream in
 * little memory.
 */
export function large(d = 37, o = 21, i = 19): Case {
  const b = new ProgramBuilder('far', 8);
  for (const [a, n] of Object.entries({ l: 3, d, o, i, P: 3 * o })) b.axis(a, n);
  b.tensor('W', ['l', 'o', 'd'], 'frozen', { lo: -128n, hi: 127n, frac: 0 });
  b.tensor('x', ['l', 'd', 'i'], 'public', { lo: -128n, hi: 127n, frac: 0 }, { publicKind: 'dense' });
  b.tensor('A', ['l', 'o'], 'cIn', { lo: -50n, hi: 50n, frac: 0 }, { group: 'C' });
  b.tensor('C', ['P'], 'cIn', { lo: -50n, hi: 50n, frac: 0 }, { aliasOf: 'C' });
  b.table({ name: 'exp:2:4', axis: 'exp', lo: 0n, size: 32, columns: ['e1', 'e2'] }, [
    { lo: 0n, hi: 16n, frac: 4 },
    { lo: 0n, hi: 40n, frac: 4 },
  ]);
  b.step('members', [], { op: 'unflatten', group: 'C' });
  b.rounded('Y', ['l', 'o', 'i'], { bits: 12, frac: 0 }, expr([term(1, 'W[l,o,d]', 'x[l,d,i]'), term(8, 'A[l,o]')]), 7);
  b.rounded('S', ['l', 'o', 'i'], { bits: 14, frac: 0 }, expr([term(1, 'Y[l,o,i]', 'Y[l,o,i]')]), 9);
  b.rounded('T', ['l', 'd', 'i'], { bits: 14, frac: 0 }, expr([term(1, 'x[l,d,i]', 'x[l,d,i]', 'x[l,d,i]')]), 10);
  b.tensor('p1', ['l', 'd', 'i'], 'witness', { lo: 0n, hi: 16n, frac: 4 });
  b.tensor('p2', ['l', 'd', 'i'], 'witness', { lo: 0n, hi: 40n, frac: 4 });
  b.tensor('C2', ['P'], 'cOut', { lo: -2048n, hi: 2047n, frac: 0 });
  b.round('C2', ['P'], expr([term(3, 'C[P]')]), 2);
  b.inFormat('C2', { bits: 12, frac: 0 });
  const r = lcg(5),
    fill = (n: number, m: number): BigInt64Array => BigInt64Array.from({ length: n }, () => BigInt(r(2 * m + 1) - m));
  b.tensor('key', ['l', 'd', 'i'], 'public', { lo: 0n, hi: 31n, frac: 0 }, { publicKind: 'dense' });
  b.lookup('soft', ['l', 'd', 'i'], 'exp:2:4', expr([term(1, 'key[l,d,i]')]), ['p1[l,d,i]', 'p2[l,d,i]']);
  return {
    program: b.build(),
    inputs: new Map([
      ['W', fill(3 * o * d, 60)],
      ['x', fill(3 * d * i, 60)],
      ['key', BigInt64Array.from({ length: 3 * d * i }, () => BigInt(r(32)))],
      ['C', fill(3 * o, 40)],
    ]),
  };
}
