import { describe, expect, it } from 'vitest';
import { P, mod, toSigned } from '../field/goldilocks.js';
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
}

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
}

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
