import { describe, expect, it } from 'vitest';
import * as E from '../field/ext3.js';
import { P, inv, mod, toSigned } from '../field/goldilocks.js';
import { DOMAIN } from '../hash/poseidon2.js';
import type { Digest } from '../transcript/arith.js';
import { CircuitChannel } from './channel.js';
import { violations } from './check.js';
import { permutationForms, permutationWitness } from './poseidon2.js';
import { circuitCells, compileCircuit } from './columns.js';
import type { RowHook } from './rows.js';
import { expose } from './verifier.js';

/** What the statement says besides what the circuit computes. */
interface Claims {
  readonly b?: bigint;
  readonly bit?: bigint;
  /** Word of two ids, three bits each. */ readonly ids?: bigint;
}

/** Ids below 7 by digits of base 4, whose tables have the rows 0, 1 and 2 .. 5 of T. */
const SIZE = 7,
  SCALE = 4;

/**
 * A little of every row: product and inverse, bits, one opening of a tree of eight leaves. Every result is part of the
 * statement.
 */
function verifier(ch: CircuitChannel, words: BigUint64Array | undefined, x: Claims = {}): void {
  const a = ch.publicWord(5n),
    b = ch.publicWord(x.b ?? 9n),
    position = ch.publicWord(5n);
  ch.open(words);
  expose(ch, ch.mul(ch.compose(a, b, a), ch.inverse(b)));
  const bits = ch.bits64(a);
  ch.assertEqual(ch.publicWord(x.bit ?? 0n), bits[1], 'bit');
  ch.split(b, 8);
  const root = [0, 1, 2, 3].map((k) => ch.publicWord(words ? words[k] : 0n)) as unknown as Digest;
  ch.readDigest('root');
  const leaf = ch.merkleOpen('leaf', ch.merkleCap('cap', root, 1), ch.split(position, 3), 3);
  for (const w of leaf) ch.assertEqual(ch.publicWord(ch.value(w)[0]), w, 'leaf');
  expose(ch, ch.mulAdd(a, b, position));
  const e = [1, 2, 3, 4, 5, 6].map((n) => ch.compose(a, b, ch.constant(BigInt(n))));
  expose(ch, ch.dot(e.slice(0, 4), e.slice(2), e[0]));
  const tables = ch.idTables(SIZE, e.slice(0, 2), e.slice(2));
  for (const s of ch.selectIds(ch.publicWord(x.ids ?? 14n), 2, 3, tables)) expose(ch, s);
}
/** Rows of W of the two ids: the last ones. */
const ID_WORDS = ((): readonly number[] => {
  const ch = new CircuitChannel();
  verifier(ch, undefined);
  return [ch.rows.W.value.length - 2, ch.rows.W.value.length - 1];
})();

const circuit = compileCircuit((ch) => verifier(ch, undefined)),
  LEAF = [11n, 22n, 33n],
  PATH = Array.from({ length: 8 }, (_, k) => BigInt(100 + k));

/**
 * Words of a proof whose tree opens to whatever digest the (dishonest) rows compute: leaf and siblings first, then cap
 * and root from them.
 */
function words(forge?: RowHook, x?: Claims): BigUint64Array {
  const make = (digest: readonly bigint[]): BigUint64Array => {
    const cap = [...digest, 7n, 7n, 7n, 7n],
      // Position 5 = 101 in binary: its highest bit selects entry 1 of the cap.
      nodes = [...cap.slice(4), ...cap.slice(0, 4)],
      root = permutationWitness([...nodes, DOMAIN.node, 0n, 0n, 0n]).out.slice(0, 4);
    return BigUint64Array.from([...root, ...nodes, ...LEAF, ...PATH]);
  };
  const ch = new CircuitChannel(new BigUint64Array(0), forge);
  verifier(ch, make([0n, 0n, 0n, 0n]), x);
  return make(ch.rows.M.out[ch.rows.M.out.length - 1]);
}

type Edit = (set: (tensor: string, lane: number, row: number, f: (x: bigint) => bigint) => void) => void;

function attack(o: { forge?: RowHook; edit?: Edit; claims?: Claims; words?: (w: BigUint64Array) => void }): string[] {
  const w = words(o.forge, o.claims);
  o.words?.(w);
  const ch = new CircuitChannel(new BigUint64Array(0), o.forge);
  verifier(ch, w, o.claims);
  const cells = circuitCells(ch, circuit);
  o.edit?.((tensor, lane, row, f) => {
    const t = circuit.program.tensors.find((x) => x.name === tensor)!,
      v = cells.get(tensor)!,
      at = lane * circuit.program.axes[t.axes[t.axes.length - 1]] + row;
    v[at] = toSigned(mod(f(mod(v[at]))));
  });
  return violations(circuit.program, cells);
}

/** Changes the last S-box of a permutation and goes on honestly: what is committed, and the output. */
function bend(input: readonly bigint[]): { x: bigint[]; out: bigint[] } {
  const f = permutationForms(),
    x = permutationWitness(input).x;
  x[x.length - 1] = mod(x[x.length - 1] + 1n);
  const y = x.map((v) => mod(v ** 7n));
  return { x, out: f.B.map((r, l) => mod(r.reduce((s, b, h) => s + b * y[h], f.D[l]))) };
}

/** Attack on the last row of a kind of permutation. */
const permutation = (kind: 'P' | 'M', what: 'x' | 'out'): Parameters<typeof attack>[0] => {
  // Row 1 of P hashes the leaf (row 0 the cap), row 1 of M is the last level of the path.
  const lanes = kind === 'P' ? 12 : 4,
    row = 1;
  let bent: ReturnType<typeof bend>;
  return {
    forge: (k, r, rows) => {
      if (k !== kind || r !== row) return;
      bent = bend(rows[kind].input[r]);
      rows[kind].out[r] = bent.out.slice(0, lanes);
    },
    ...(what === 'out'
      ? {}
      : {
          edit: (set) =>
            bent.x.forEach((v, h) => {
              set(`${kind}.x`, h, row, () => v);
            }),
        }),
  };
};
const other =
  (kind: 'P' | 'M', f: (input: bigint[], rows: { bit: bigint[] }) => void): RowHook =>
  (k, r, rows) => {
    if (k !== kind || r !== 1) return;
    f(rows[kind].input[r], rows.M);
    rows[kind].out[r] = permutationWitness(rows[kind].input[r]).out.slice(0, kind === 'P' ? 12 : 4);
  };

/** Other digits of an id, and the entries that these select. */
function digits(row: number, d: readonly [bigint, bigint]): RowHook {
  return (k, r, rows) => {
    if (k !== 'I' || r !== row) return;
    rows.I.digit[r] = d;
    rows.I.value[r] = E.mul(rows.T.value[Number(d[0])], rows.T.value[2 + Number(d[1])]);
  };
}
/** Other ids of the word. */
function idWords(...ids: readonly bigint[]): RowHook {
  return (k, r, rows) => {
    const at = k === 'W' ? ID_WORDS.indexOf(r) : -1;
    if (at >= 0) rows.W.value[r] = mod(ids[at]);
  };
}

/**
 * For every constraint, a false statement that a prover gets away with when that constraint, and no other, is left out.
 */
const ATTACKS: Record<string, [string, Parameters<typeof attack>[0]]> = {
  U: ['a statement other than the one verified', { edit: (set) => set('public', 0, 0, (v) => v + 1n) }],
  Q: ['a bit that is not that of the word', { claims: { bit: 1n } }],
  E: [
    'an element other than its three words',
    {
      forge: (k, r, rows) => {
        if (k === 'E' && r === 0) rows.E.value[r] = [1n, 2n, 3n];
      },
    },
  ],
  F: [
    'a wrong product',
    {
      forge: (k, r, rows) => {
        if (k === 'F' && r === 1) rows.F.value[r] = [1n, 2n, 3n];
      },
    },
  ],
  'F.read': [
    'a product of other factors',
    {
      forge: (k, r, rows) => {
        if (k === 'F' && r === 1) rows.F.value[r] = [mod(rows.F.value[r][0] + 1n), rows.F.value[r][1], rows.F.value[r][2]];
      },
      edit: (set) => set('F.v', 6, 1, (v) => v + 1n),
    },
  ],
  'S.bit': [
    'digits that are not bits',
    {
      edit: (set) => {
        set('S', 5, 0, (v) => v + 2n);
        set('S', 6, 0, (v) => v - 1n);
      },
    },
  ],
  'S.dead': ['a word of nine bits where eight are allowed', { claims: { b: 300n } }],
  'S.lo': ['other low bits', { edit: (set) => set('S', 7, 0, (v) => 1n - v) }],
  'S.hi': ['other high bits', { edit: (set) => set('S', 40, 0, (v) => 1n - v) }],
  'S.word': [
    'the bits of another word',
    {
      forge: (k, r, rows) => {
        if (k === 'S' && r === 0) rows.S.value[r] = 9n;
      },
    },
  ],
  'S.canonical': [
    'the bits of the word plus p',
    {
      forge: (k, r, rows) => {
        if (k === 'S' && r === 0) rows.S.value[r] += P;
      },
      claims: { bit: 1n },
    },
  ],
  'P.in': ['the hash of another leaf', { forge: other('P', (i) => (i[0] = 99n)) }],
  'P.round': ['a leaf with a wrong round in its hash', permutation('P', 'x')],
  'P.out': ['a leaf with another digest', permutation('P', 'out')],
  'M.in': ['a path from another node', { forge: other('M', (i, { bit }) => (i[bit[1] ? 4 : 0] = 99n)) }],
  'M.bit': [
    'a path of another position',
    {
      forge: other('M', (i, m) => {
        i.splice(0, 8, ...i.slice(4, 8), ...i.slice(0, 4));
        m.bit[1] = 1n - m.bit[1];
      }),
    },
  ],
  'M.capacity': ['a node of another domain', { forge: other('M', (i) => (i[8] = DOMAIN.leaf)) }],
  'M.round': ['a node with a wrong round in its hash', permutation('M', 'x')],
  'M.out': ['a node with another digest', permutation('M', 'out')],
  B: [
    'a wrong product of base elements',
    {
      forge: (k, r, rows) => {
        if (k === 'B' && r === 0) rows.B.value[r] += 1n;
      },
    },
  ],
  'B.read': [
    'a product of other base elements',
    {
      forge: (k, r, rows) => {
        if (k === 'B' && r === 0) rows.B.value[r] += 1n;
      },
      edit: (set) => set('B.v', 2, 0, (v) => v + 1n),
    },
  ],
  D: [
    'a wrong sum of products',
    {
      forge: (k, r, rows) => {
        if (k === 'D') rows.D.value[r] = [1n, 2n, 3n];
      },
    },
  ],
  'D.read': [
    'a sum of other products',
    {
      forge: (k, r, rows) => {
        if (k === 'D') rows.D.value[r] = E.add(rows.D.value[r], E.ONE);
      },
      edit: (set) => set('D.v', 24, 0, (v) => v + 1n),
    },
  ],
  T: [
    'a table with another entry',
    {
      forge: (k, r, rows) => {
        if (k === 'T' && r === 1) rows.T.value[r] = [1n, 2n, 3n];
      },
    },
  ],
  I: [
    'a wrong product of entries',
    {
      forge: (k, r, rows) => {
        if (k === 'I' && r === 0) rows.I.value[r] = [1n, 2n, 3n];
      },
    },
  ],
  'I.id': ['the digits of another id', { forge: digits(0, [0n, 1n]) }],
  'I.entry': [
    'entries that no table has',
    {
      forge: (k, r, rows) => {
        if (k === 'I' && r === 0) rows.I.value[r] = E.mul([9n, 8n, 7n], rows.T.value[4]);
      },
      edit: (set) => [9n, 8n, 7n].forEach((v, j) => set('I.v', j, 0, () => v)),
    },
  ],
  'I.edge': ['the first id outside the vocabulary', { claims: { ids: 15n } }],
  // 14 = 14 + 8 0: the higher digit of 14 is that of row 3, an entry of the other table.
  'I.bit': ['an entry of another table', { forge: idWords(14n, 0n), edit: (set) => set('I.edge', 0, 0, () => 4n) }],
  'G.cap': ['a path that ends outside the tree', { words: (w) => (w[w.length - 1] += 1n) }],
  'G.digest': [
    'another digest looked up in the cap',
    {
      words: (w) => (w[w.length - 1] += 1n),
      edit: (set) => [0, 1, 2, 3].forEach((q) => set('G', q, 0, () => words()[8 + q])),
    },
  ],
  'G.index': [
    'another entry of the cap',
    {
      forge: (k, r, rows) => {
        if (k === 'G') rows.G.index[r] = 0n;
      },
      words: (w) => {
        const nodes = [...w.slice(8, 12), ...w.slice(4, 8)];
        w.set([...permutationWitness([...nodes, DOMAIN.node, 0n, 0n, 0n]).out.slice(0, 4), ...nodes]);
      },
    },
  ],
};

describe('rows of the circuit', () => {
  it('an honest run satisfies every constraint', () => {
    expect(attack({})).toEqual([]);
  });
  for (const [name, [what, a]] of Object.entries(ATTACKS))
    it(`${name} alone stops ${what}`, () => {
      expect(attack(a)).toEqual([name]);
    });
  it('no list of ids but its own belongs to a word', () => {
    const list = (ids: readonly bigint[], edit?: Edit): string[] => attack({ forge: idWords(...ids), ...(edit ? { edit } : {}) });
    expect(list([6n, 1n])).toEqual([]);
    // Other sums, then the same sum by ids outside: behind a table, before it (negative), in the field.
    expect(list([5n, 1n])).toEqual(['Q']);
    expect(list([6n, 2n])).toEqual(['Q']);
    expect(list([14n, 0n])).toEqual(['I.entry']);
    expect(list([22n, -1n])).toEqual(['I.entry']);
    expect(list([0n, (14n * inv(8n)) % P])).toEqual(['I.entry']);
    // A rest of 4 or more is no entry of the lower table, whatever the higher digit.
    const high: Edit = (set) => {
      set('I.digit', 0, 0, () => 0n);
      set('I.digit', 1, 0, () => 6n);
    };
    expect(attack({ edit: high })).toEqual(['I.entry']);
  });
  it('every id below the size has the product of its entries', () => {
    for (let id = 0n; id < 8n; id++) {
      const ch = new CircuitChannel(new BigUint64Array(0)),
        high = [3n, 5n].map((x) => ch.publicWord(x)),
        low = [7n, 11n, 13n, 17n].map((x) => ch.publicWord(x)),
        word = ch.publicWord(id),
        [got] = ch.selectIds(word, 1, 3, ch.idTables(SIZE, high, low));
      if (id === 7n) expect(ch.failed).toEqual(['id outside the vocabulary']);
      else expect(ch.failed).toEqual([]);
      expect(ch.value(got)[0]).toBe([3n, 5n][Number(id) >> 2] * [7n, 11n, 13n, 17n][Number(id) & 3]);
    }
  });
  it('tables hold neither less nor more than the ids', () => {
    const ch = new CircuitChannel(),
      e = Array.from({ length: SCALE + 2 }, () => ch.word(0n));
    for (const [size, high, low] of [
      [9, 2, 4],
      [4, 2, 4],
    ])
      expect(() => ch.idTables(size, e.slice(0, high), e.slice(0, low))).toThrow(RangeError);
    const t = ch.idTables(SIZE, e.slice(0, 2), e.slice(2));
    expect(() => ch.selectIds(e[0], 2, 2, t)).toThrow(RangeError);
    expect(() => ch.selectIds(e[0], 21, 3, t)).toThrow(RangeError);
  });
  it('dot: base products stay in the base field, four others share a row, one or two stand alone', () => {
    const make = (base: number, ext: number): readonly number[] => {
      const ch = new CircuitChannel(new BigUint64Array(0)),
        w = Array.from({ length: 16 }, (_, i) => ch.word(BigInt(i + 2))),
        e = Array.from({ length: 8 }, (_, i) => ch.compose(w[i], w[i + 1], w[i + 2])),
        a = [...w.slice(0, base), ...e.slice(0, ext)],
        b = [...w.slice(5, 5 + base), ...e.slice(1, 1 + ext)],
        got = ch.dot(a, b, w[0]);
      expect(ch.value(got)).toEqual(a.reduce((s, x, i) => E.mulAdd(ch.value(x), ch.value(b[i]), s), ch.value(w[0])));
      return [ch.rows.B.value.length, ch.rows.F.value.length, ch.rows.D.value.length];
    };
    expect(make(3, 0)).toEqual([3, 0, 0]);
    expect(make(2, 1)).toEqual([2, 1, 0]);
    expect(make(0, 2)).toEqual([0, 2, 0]);
    expect(make(1, 3)).toEqual([1, 0, 1]);
    expect(make(0, 6)).toEqual([0, 2, 1]);
    expect(make(0, 7)).toEqual([0, 0, 2]);
  });
  it('a salted cap is that of its root under its salt alone', () => {
    const cap = [11n, 12n, 13n, 14n],
      salt = [21n, 22n, 23n, 24n],
      parent = (l: readonly bigint[], r: readonly bigint[]): bigint[] =>
        permutationWitness([...l, ...r, DOMAIN.node, 0n, 0n, 0n]).out.slice(0, 4),
      failed = (root: readonly bigint[], by: readonly bigint[]): readonly string[] => {
        const ch = new CircuitChannel(new BigUint64Array(0)),
          r = root.map((w) => ch.publicWord(w)) as unknown as Digest;
        ch.open(BigUint64Array.of(...cap, ...by));
        ch.merkleCap('cap', r, 0, true);
        return [...new Set(ch.failed)];
      };
    expect(failed(parent(cap, salt), salt)).toEqual([]);
    for (const by of [
      [0n, 0n, 0n, 0n],
      [21n, 22n, 23n, 25n],
    ])
      expect(failed(parent(cap, salt), by)).toEqual(['Merkle cap']);
    // The tree's own root, and one whose children stand in each other's places.
    for (const root of [cap, parent(salt, cap)]) expect(failed(root, salt)).toEqual(['Merkle cap']);
  });
  it('every constraint has its attack', () => {
    expect(Object.keys(ATTACKS).sort()).toEqual(circuit.program.constraints.map((c) => c.name).sort());
  });
});
