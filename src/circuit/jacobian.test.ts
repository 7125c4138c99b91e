import { describe, expect, it } from 'vitest';
import { P, inv, mod } from '../field/goldilocks.js';
import { DOMAIN } from '../hash/poseidon2.js';
import { contractedAxes } from '../tensor/bounds.js';
import type { Expr, Operand } from '../tensor/types.js';
import { asDigest } from '../transcript/arith.js';
import { CircuitChannel } from './channel.js';
import { circuitCells, compileCircuit } from './columns.js';
import { permutationWitness } from './poseidon2.js';
import { KINDS, type Kind } from './rows.js';

/*
 * Which cells of a row its constraints leave free. The constraints of a row, with the wires that it reads given, are
 * equations in its witness cells; where their Jacobian has full rank, nearby values cannot satisfy them, and a cell
 * that no equation determines lowers the rank by one. Full rank at an honest point is what a row with unique values
 * must have; every free cell is listed here, with the reason why it may be free.
 */

/** A little of every row, with a word whose lower half is zero among those that are split. */
function verifier(ch: CircuitChannel, words?: BigUint64Array): void {
  const a = ch.publicWord(0x1234_5678_9abc_def1n),
    b = ch.publicWord(9n << 32n),
    position = ch.publicWord(5n);
  ch.open(words);
  ch.assertEqual(
    ch.mul(ch.compose(a, b, a), ch.inverse(ch.compose(b, a, a))),
    ch.mul(ch.compose(a, b, a), ch.inverse(ch.compose(b, a, a))),
    'same',
  );
  ch.bits64(a);
  ch.bits64(b);
  const root = asDigest([0, 1, 2, 3].map((k) => ch.publicWord(words ? words[k] : 0n)));
  ch.readDigest('root');
  ch.merkleOpen('leaf', ch.merkleCap('cap', root, 1), ch.split(position, 3), 3);
  const e = [1, 2, 3, 4, 5, 6].map((n) => ch.compose(a, b, ch.constant(BigInt(n))));
  ch.dot(e.slice(0, 4), e.slice(2), ch.mulAdd(a, b, position));
  ch.selectIds(position, 1, 3, ch.idTables(7, e.slice(0, 2), e.slice(2)));
}
const LEAF = [11n, 22n, 33n],
  PATH = Array.from({ length: 8 }, (_, k) => BigInt(100 + k) * 0x9e37_79b9_7f4a_7c15n);
function honest(): CircuitChannel {
  const make = (digest: readonly bigint[]): BigUint64Array => {
    const nodes = [7n, 8n, 9n, 10n, ...digest],
      root = permutationWitness([...nodes, DOMAIN.node, 0n, 0n, 0n]).out.slice(0, 4);
    return BigUint64Array.from([...root, ...nodes, ...LEAF, ...PATH.map(mod)]);
  };
  const first = new CircuitChannel(new BigUint64Array(0));
  verifier(first, make([0n, 0n, 0n, 0n]));
  const ch = new CircuitChannel(new BigUint64Array(0));
  verifier(ch, make(first.rows.M.out[first.rows.M.out.length - 1]));
  return ch;
}

const circuit = compileCircuit((ch) => verifier(ch)),
  { program } = circuit,
  channel = honest(),
  cells = circuitCells(channel, circuit);

/** Cell of an operand for values of the axes. */
function cellOf(o: Operand, at: ReadonlyMap<string, number>): { tensor: string; index: number } {
  const t = program.tensors.find((x) => x.name === o.tensor)!;
  let index = 0;
  t.axes.forEach((axis, d) => {
    const a = o.access[d];
    index = index * program.axes[axis] + ('index' in a ? a.index : (a.offset ?? 0) + (a.stride ?? 1) * at.get(a.axis)!);
  });
  return { tensor: o.tensor, index };
}
function each(axes: readonly string[], at: Map<string, number>, f: () => void): void {
  const [first, ...rest] = axes;
  if (first === undefined) return f();
  for (let i = 0; i < program.axes[first]; i++) each(rest, at.set(first, i), f);
}

/** Gradient of an expression in the cells of one row. */
function gradient(axes: readonly string[], e: Expr, at: Map<string, number>, column: ReadonlyMap<string, number>): Map<number, bigint> {
  const out = new Map<number, bigint>();
  for (const t of e.terms) {
    const local = new Map(at);
    each([...contractedAxes(axes, t)], local, () => {
      const ops = t.operands.map((o) => {
        const { tensor, index } = cellOf(o, local);
        return { column: column.get(`${tensor}:${index}`), value: mod(cells.get(tensor)![index]) };
      });
      ops.forEach((o, i) => {
        if (o.column === undefined) return;
        const d = ops.reduce((x, other, j) => (i === j ? x : (x * other.value) % P), mod(t.coef));
        out.set(o.column, mod((out.get(o.column) ?? 0n) + d));
      });
    });
  }
  return out;
}

function rank(rows: Map<number, bigint>[]): number {
  const pivots = new Map<number, Map<number, bigint>>();
  for (const r of rows) {
    for (;;) {
      const lead = [...r].find(([, v]) => v !== 0n)?.[0];
      if (lead === undefined) break;
      const pivot = pivots.get(lead);
      if (!pivot) {
        const f = inv(r.get(lead)!);
        for (const [c, v] of r) r.set(c, (v * f) % P);
        pivots.set(lead, r);
        break;
      }
      const f = r.get(lead)!;
      for (const [c, v] of pivot) r.set(c, mod((r.get(c) ?? 0n) - f * v));
    }
  }
  return pivots.size;
}

/** Witness cells of row `row` of a kind, and how many of them its constraints determine. */
function row(kind: Kind, row: number): { cells: number; rank: number } {
  const axis = `row${kind}`,
    column = new Map<string, number>();
  for (const t of program.tensors) {
    if (t.cls !== 'witness' || !t.axes.includes(axis)) continue;
    const at = new Map([[axis, row]]),
      o: Operand = { tensor: t.name, access: t.axes.map((a) => ({ axis: a })) };
    each(
      t.axes.filter((a) => a !== axis),
      at,
      () => column.set(`${t.name}:${cellOf(o, at).index}`, column.size),
    );
  }
  const equations: Map<number, bigint>[] = [];
  for (const c of program.constraints) {
    if (!c.axes.includes(axis) || c.kind === 'range') continue;
    const at = new Map([[axis, row]]);
    each(
      c.axes.filter((a) => a !== axis),
      at,
      () => {
        // A lookup gives the values at an address; the address itself is no equation.
        for (const e of c.kind === 'zero' ? [c.expr] : c.exprs.slice(1)) equations.push(gradient(c.axes, e, at, column));
      },
    );
  }
  return { cells: column.size, rank: rank(equations) };
}

/** Free cells of a row of each kind, and why they may be. */
const FREE: Readonly<Record<Kind, readonly [free: number, why: string]>> = {
  K: [0, 'constants are frozen'],
  W: [1, 'a free word: whoever uses it must constrain it (listed by the tests of leaves, folds and ends)'],
  H: [3, 'a free element: an inverse, whose product is compared with one'],
  E: [0, 'read'],
  F: [0, 'read, and computed from what is read'],
  Q: [0, 'read'],
  S: [0, 'bits of the canonical integer; the inverse is determined where the lower half is not zero'],
  P: [0, 'the inputs are read, the rest is computed'],
  M: [4, 'the sibling of a Merkle level is the prover word of the path; current node, bit and capacity are given'],
  U: [0, 'the public word'],
  G: [0, 'read'],
  B: [0, 'read, and computed from what is read'],
  D: [0, 'read, and computed from what is read'],
  T: [0, 'read'],
  I: [1, 'two digits with one sum: that each is in its table, by the address of its entry, leaves one pair'],
};

describe('cells that the constraints of a row determine', () => {
  it.each([...KINDS])('%s: all but those listed', (kind) => {
    const [free] = FREE[kind],
      got = row(kind, 0);
    expect(got.cells - got.rank).toBe(free);
  });
  it('S: where the lower half of a word is zero, the inverse is free and nothing depends on it', () => {
    const at = channel.rows.S.value.indexOf(9n << 32n),
      got = row('S', at);
    expect(at).toBeGreaterThanOrEqual(0);
    expect(got.cells - got.rank).toBe(1);
  });
  it('a second row of permutations and levels is no different', () => {
    for (const kind of ['P', 'M'] as const) {
      const got = row(kind, 1);
      expect(got.cells - got.rank).toBe(FREE[kind][0]);
    }
  });
});
