/**
 * The circuit as a tensor program over the field. All wires are rows of one memory, `wires` = (address; c0, c1, c2); a row kind's outputs are a
 * segment of it, so that each address has one value whatever the witness. Operands are lookups: the address is a fixed (frozen) column, the value a
 * witness column. Everything fixed (addresses, constants, matrices) is frozen: its digest is the verification key. Relations, row by row:
 *
 *   E  (from_j, e_j, 0, 0) in wires, j = 0, 1, 2                                  e = e_0 + e_1 x + e_2 x^2 of base elements
 *   F  (from_k, v_k) in wires, k = 0, 1, 2; o_j = v_2j + sum_ab T[j,a,b] v_0a v_1b  o = v_0 v_1 + v_2 in E
 *   Q  (from_0, q), (from_1, q) in wires                                           two wires are equal
 *   S  b_k (b_k - 1) = 0, dead_k b_k = 0, (from, sum 2^k b_k) in wires,             bits of a word; those marked dead are zero
 *      lo (1 - (2^32 - 1 - hi) inv) = 0 with lo, hi the halves                     value below p: hi = 2^32 - 1 forces lo = 0
 *   P  (from_l, in_l) in wires, in = back x + const over the first S-boxes,          a permutation of any twelve wires
 *      c_g = x_g^3, x_g = C_g + sum_h A_gh c_h^2 x_h (g >= 12), out_l = D_l + sum_h B_lh c_h^2 x_h
 *   M  the same with (from_l, in_l + bit (in_(l+4) - in_l)) in wires for l < 4,      the current node is left (bit 0) or right (bit 1) of a free
 *      (from_4, bit) in wires, in_8..11 = (node, 0, 0, 0)                           sibling; bit is a wire that an S row made boolean
 *   G  (from_l, d_l) and (base + 4 index + l, d_l) in wires, (from_4, index) in wires  a digest is entry `index` of a cap of words in a row
 *   U  u = public word          W, H: free words and elements       K: constants (frozen)
 *
 * A lookup of fewer components asserts zeros in the others, so a base operand is a base element. Rows that fill a height read the wire of zero.
 */
import * as E from '../field/ext3.js';
import { P, inv as inverse, mod, toSigned } from '../field/goldilocks.js';
import { DOMAIN, RATE, WIDTH } from '../hash/poseidon2.js';
import { expr, operand, term } from '../tensor/builder.js';
import { checkProgram } from '../tensor/bounds.js';
import type { Constraint, Expr, MemorySpec, Program, TensorClass, TensorSpec } from '../tensor/types.js';
import type { Elem } from '../transcript/arith.js';
import { CircuitChannel, KINDS, type Kind, OUTPUTS, SPAN, wire } from './channel.js';
import { FIRST_ROUND, SBOXES, permutationForms } from './poseidon2.js';
import { permutationColumns, permuted } from './witness.js';

/** Version of the circuit's rows: part of the program's name, hence of its digest. */
export const CIRCUIT_VERSION = 1;

/** Number of rows of every kind. */
export type Heights = Readonly<Record<Kind, number>>;

/** A count with at most four binary digits: a tensor of so many rows has few blocks. */
function roundUp(n: number): number {
  const unit = 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, n))) - 3);
  return Math.ceil(Math.max(1, n) / unit) * unit;
}

const rowCount = (ch: CircuitChannel, k: Kind): number =>
  k === 'Q' || k === 'E' || k === 'F'
    ? ch.rows[k].value.length
    : k === 'S'
      ? ch.rows.S.from.length
      : k === 'P' || k === 'M'
        ? ch.rows[k].out.length
        : ch.rows[k].value.length;

/** Heights that hold the rows of a channel, at least `least`. W has four spare words for the rows that fill G. */
export function heightsOf(ch: CircuitChannel, least?: Heights): Heights {
  return Object.fromEntries(
    KINDS.map((k) => [k, Math.max(least?.[k] ?? 0, roundUp(rowCount(ch, k) + (k === 'W' ? 4 : 0)))]),
  ) as unknown as Heights;
}

const axis = (k: Kind): string => `row${k}`;

/** The program of these heights: the same for every circuit of a height class. */
export function circuitProgram(heights: Heights): Program {
  const tensors: TensorSpec[] = [],
    constraints: Constraint[] = [];
  const declare = (cls: TensorClass, name: string, ...axes: string[]): void => {
    tensors.push({ name, axes, cls, lo: 0n, hi: 0n, frac: 0 });
  };
  const fixed = (name: string, ...axes: string[]): void => declare('frozen', name, ...axes);
  const free = (name: string, ...axes: string[]): void => declare('witness', name, ...axes);
  const zero = (name: string, axes: string[], e: Expr): void => {
    constraints.push({ kind: 'zero', name, axes, expr: e });
  };
  const read = (name: string, axes: string[], address: Expr, ...values: Expr[]): void => {
    constraints.push({ kind: 'lookup', name, axes, table: 'wires', exprs: [address, ...values] });
  };
  const one = (o: string): Expr => expr([term(1, o)]);

  fixed('K', 'j', 'rowK');
  free('W', 'rowW');
  free('H', 'j', 'rowH');
  tensors.push({ name: 'public', axes: ['rowU'], cls: 'public', lo: -(1n << 63n), hi: (1n << 63n) - 1n, frac: 0, publicKind: 'dense' });
  free('U', 'rowU');
  zero('U', ['rowU'], expr([term(1, 'U[rowU]'), term(-1, 'public[rowU]')]));

  fixed('E.from', 'j', 'rowE');
  free('E', 'j', 'rowE');
  read('E', ['j', 'rowE'], one('E.from[j,rowE]'), one('E[j,rowE]'));

  fixed('F.from', 'k', 'rowF');
  free('F.v', 'k', 'j', 'rowF');
  free('F', 'j', 'rowF');
  fixed('times', 'j', 'a', 'b');
  read('F.read', ['k', 'rowF'], one('F.from[k,rowF]'), one('F.v[k,0,rowF]'), one('F.v[k,1,rowF]'), one('F.v[k,2,rowF]'));
  zero(
    'F',
    ['j', 'rowF'],
    expr([term(1, 'F[j,rowF]'), term(-1, 'F.v[2,j,rowF]'), term(-1, 'times[j,a,b]', 'F.v[0,a,rowF]', 'F.v[1,b,rowF]')]),
  );

  fixed('Q.from', 'two', 'rowQ');
  free('Q', 'j', 'rowQ');
  read('Q', ['two', 'rowQ'], one('Q.from[two,rowQ]'), one('Q[0,rowQ]'), one('Q[1,rowQ]'), one('Q[2,rowQ]'));

  fixed('S.from', 'rowS');
  fixed('S.dead', 'bit', 'rowS');
  fixed('powers', 'bit');
  free('S', 'bit', 'rowS');
  for (const x of ['S.lo', 'S.hi', 'S.inv']) free(x, 'rowS');
  zero('S.bit', ['bit', 'rowS'], expr([term(1, 'S[bit,rowS]', 'S[bit,rowS]'), term(-1, 'S[bit,rowS]')]));
  zero('S.dead', ['bit', 'rowS'], expr([term(1, 'S.dead[bit,rowS]', 'S[bit,rowS]')]));
  zero('S.lo', ['rowS'], expr([term(1, 'S.lo[rowS]'), term(-1, 'powers[half]', 'S[half,rowS]')]));
  zero('S.hi', ['rowS'], expr([term(1, 'S.hi[rowS]'), term(-1, 'powers[half]', 'S[half+32,rowS]')]));
  read('S.word', ['rowS'], one('S.from[rowS]'), expr([term(1, 'S.lo[rowS]'), term(1n << 32n, 'S.hi[rowS]')]));
  zero(
    'S.canonical',
    ['rowS'],
    expr([term(1, 'S.lo[rowS]'), term(1n - (1n << 32n), 'S.lo[rowS]', 'S.inv[rowS]'), term(1, 'S.lo[rowS]', 'S.hi[rowS]', 'S.inv[rowS]')]),
  );

  for (const [x, ...axes] of [
    ['first.back', 'lane', 'u'],
    ['first.const', 'lane'],
    ['sbox.A', 'g', 'h'],
    ['sbox.C', 'g'],
    ['out.B', 'lane', 'h'],
    ['out.D', 'lane'],
    ['swap', 'q', 'u'],
    ['swap.const', 'q'],
    ['capacity', 'q'],
  ])
    fixed(x, ...axes);
  for (const [k, lanes] of [
    ['P', 'lane'],
    ['M', 'q'],
  ] as const) {
    const r = axis(k);
    free(`${k}.x`, 'h', r);
    free(`${k}.c`, 'h', r);
    free(k, lanes, r);
    zero(`${k}.cube`, ['h', r], expr([term(1, `${k}.c[h,${r}]`), term(-1, `${k}.x[h,${r}]`, `${k}.x[h,${r}]`, `${k}.x[h,${r}]`)]));
    zero(
      `${k}.round`,
      ['g', r],
      expr([
        term(1, `${k}.x[g+${FIRST_ROUND},${r}]`),
        term(-1, 'sbox.C[g]'),
        term(-1, 'sbox.A[g,h]', `${k}.c[h,${r}]`, `${k}.c[h,${r}]`, `${k}.x[h,${r}]`),
      ]),
    );
    zero(
      `${k}.out`,
      [lanes, r],
      expr([
        term(1, `${k}[${lanes},${r}]`),
        term(-1, `out.D[${lanes}]`),
        term(-1, `out.B[${lanes},h]`, `${k}.c[h,${r}]`, `${k}.c[h,${r}]`, `${k}.x[h,${r}]`),
      ]),
    );
  }
  fixed('P.from', 'lane', 'rowP');
  read(
    'P.in',
    ['lane', 'rowP'],
    one('P.from[lane,rowP]'),
    expr([term(1, 'first.const[lane]'), term(1, 'first.back[lane,u]', 'P.x[u,rowP]')]),
  );

  fixed('M.from', 'q', 'rowM');
  fixed('M.fromBit', 'rowM');
  free('M.bit', 'rowM');
  read(
    'M.in',
    ['q', 'rowM'],
    one('M.from[q,rowM]'),
    expr([
      term(1, 'first.const[q]'),
      term(1, 'first.back[q,u]', 'M.x[u,rowM]'),
      term(1, 'swap.const[q]', 'M.bit[rowM]'),
      term(1, 'swap[q,u]', 'M.x[u,rowM]', 'M.bit[rowM]'),
    ]),
  );
  read('M.bit', ['rowM'], one('M.fromBit[rowM]'), one('M.bit[rowM]'));
  zero(
    'M.capacity',
    ['q', 'rowM'],
    expr([term(1, 'first.const[q+8]'), term(1, 'first.back[q+8,u]', 'M.x[u,rowM]'), term(-1, 'capacity[q]')]),
  );

  fixed('G.from', 'q', 'rowG');
  fixed('G.fromIndex', 'rowG');
  fixed('G.base', 'rowG');
  fixed('G.lane', 'q');
  free('G', 'q', 'rowG');
  free('G.index', 'rowG');
  read('G.digest', ['q', 'rowG'], one('G.from[q,rowG]'), one('G[q,rowG]'));
  read('G.index', ['rowG'], one('G.fromIndex[rowG]'), one('G.index[rowG]'));
  read('G.cap', ['q', 'rowG'], expr([term(1, 'G.base[rowG]'), term(4, 'G.index[rowG]'), term(1, 'G.lane[q]')]), one('G[q,rowG]'));

  const ext = (t: string, k: Kind): (ReturnType<typeof operand> | null)[] => [0, 1, 2].map((j) => operand(`${t}[${j},${axis(k)}]`));
  const wires: MemorySpec = {
    name: 'wires',
    columns: 3,
    segments: [
      { name: 'wires.K', axes: ['rowK'], columns: ext('K', 'K') },
      { name: 'wires.W', axes: ['rowW'], columns: [operand('W[rowW]')] },
      { name: 'wires.H', axes: ['rowH'], columns: ext('H', 'H') },
      { name: 'wires.E', axes: ['rowE'], columns: ext('E', 'E') },
      { name: 'wires.F', axes: ['rowF'], columns: ext('F', 'F') },
      { name: 'wires.S', axes: ['bit', 'rowS'], columns: [operand('S[bit,rowS]')] },
      { name: 'wires.P', axes: ['lane', 'rowP'], columns: [operand('P[lane,rowP]')] },
      { name: 'wires.M', axes: ['q', 'rowM'], columns: [operand('M[q,rowM]')] },
      { name: 'wires.U', axes: ['rowU'], columns: [operand('U[rowU]')] },
    ],
  };
  const small = { j: 3, k: 3, a: 3, b: 3, two: 2, bit: 64, half: 32, lane: 12, q: 4, u: FIRST_ROUND, g: SBOXES - FIRST_ROUND, h: SBOXES };
  const program: Program = {
    version: 1,
    name: `certune/circuit/${CIRCUIT_VERSION}`,
    axes: { ...small, ...Object.fromEntries(KINDS.map((k) => [axis(k), heights[k]])) },
    scan: 'j',
    tensors,
    tables: [],
    memories: [wires],
    field: true,
    constraints,
    steps: [],
    rangeBits: 1,
  };
  checkProgram(program);
  return program;
}

const log = (n: number): number => Math.ceil(Math.log2(n));

/** Address of a wire in the memory. */
export function addresses(heights: Heights): (e: Elem) => number {
  const order: Kind[] = ['K', 'W', 'H', 'E', 'F', 'S', 'P', 'M', 'U'],
    base = KINDS.map(() => 0),
    unit = KINDS.map((k) => 2 ** log(heights[k])),
    lanes = KINDS.map((k) => OUTPUTS[k]);
  let at = 0;
  for (const k of order) {
    const n = KINDS.indexOf(k);
    base[n] = at;
    at += 2 ** log(OUTPUTS[k]) * unit[n];
  }
  if (at > 2 ** 31) throw new RangeError(`a memory of ${at} wires`);
  return (e) => {
    const k = Math.floor(e / SPAN),
      i = e - k * SPAN,
      row = Math.floor(i / lanes[k]);
    return base[k] + (i - row * lanes[k]) * unit[k] + row;
  };
}

/** Column-major arrays of a kind: row r, lane l of `lanes` at l * height + r. */
function column(
  height: number,
  lanes: number,
  rows: number,
  at: (lane: number, row: number) => bigint,
  fill: (lane: number, row: number) => bigint = () => 0n,
): BigInt64Array {
  const out = new BigInt64Array(height * lanes);
  for (let l = 0; l < lanes; l++) for (let r = 0; r < height; r++) out[l * height + r] = toSigned(mod(r < rows ? at(l, r) : fill(l, r)));
  return out;
}
const matrix = (m: readonly (readonly bigint[])[]): BigInt64Array => BigInt64Array.from(m.flatMap((r) => r.map((x) => toSigned(mod(x)))));

/** Fixed columns of a circuit: a function of its shape. */
export function fixedColumns(ch: CircuitChannel, heights: Heights): Map<string, BigInt64Array> {
  const r = ch.rows,
    address = addresses(heights),
    zero = address(ch.constant(0n)),
    f = permutationForms();
  // Addresses are below 2^31: the lower halves of the words.
  const from = (k: 'E' | 'F' | 'Q' | 'S' | 'P' | 'M' | 'G', n: number, lanes: number, first = 0): BigInt64Array => {
    const out = new BigInt64Array(heights[k] * lanes),
      low = new Int32Array(out.buffer),
      wires = r[k].from,
      rows = wires.length / n;
    for (let l = 0; l < lanes; l++)
      for (let row = 0; row < heights[k]; row++) low[2 * (l * heights[k] + row)] = row < rows ? address(wires[n * row + first + l]) : zero;
    return out;
  };
  // A filling row of G reads the last four words of W as a cap of one.
  const spare = BigInt(address(wire('W', heights.W - 4))),
    G = from('G', 5, 4);
  for (let l = 0; l < 4; l++) for (let row = r.G.base.length; row < heights.G; row++) G[l * heights.G + row] = spare + BigInt(l);
  const times = Array.from({ length: 3 }, (_, j) =>
    Array.from({ length: 9 }, (_, ab) => {
      const e = (k: number): E.Ext => [0, 1, 2].map((i) => (i === k ? 1n : 0n)) as unknown as E.Ext;
      return E.mul(e(Math.floor(ab / 3)), e(ab % 3))[j];
    }),
  );
  const words = Array.from({ length: 64 }, (_, k) => 1n << BigInt(k));
  return new Map<string, BigInt64Array>([
    ['K', column(heights.K, 3, r.K.value.length, (l, row) => r.K.value[row][l])],
    ['E.from', from('E', 3, 3)],
    ['F.from', from('F', 3, 3)],
    ['times', matrix(times)],
    ['Q.from', from('Q', 2, 2)],
    ['S.from', from('S', 1, 1)],
    ['S.dead', column(heights.S, 64, r.S.dead.length, (l, row) => (r.S.dead[row] >> BigInt(l)) & 1n)],
    ['powers', matrix([words])],
    ['first.back', matrix(f.back)],
    ['first.const', matrix([f.backConstant])],
    ['sbox.A', matrix(f.A)],
    ['sbox.C', matrix([f.C])],
    ['out.B', matrix(f.B)],
    ['out.D', matrix([f.D])],
    ['swap', matrix([0, 1, 2, 3].map((q) => f.back[q].map((x, u) => f.back[q + 4][u] - x)))],
    ['swap.const', matrix([[0, 1, 2, 3].map((q) => f.backConstant[q + 4] - f.backConstant[q])])],
    ['capacity', matrix([[DOMAIN.node, 0n, 0n, 0n]])],
    ['P.from', from('P', 12, 12)],
    ['M.from', from('M', 5, 4)],
    ['M.fromBit', from('M', 5, 1, 4)],
    ['G.from', G],
    ['G.fromIndex', from('G', 5, 1, 4)],
    [
      'G.base',
      column(
        heights.G,
        1,
        r.G.base.length,
        (_, row) => BigInt(address(r.G.base[row])),
        () => spare,
      ),
    ],
    ['G.lane', matrix([[0n, 1n, 2n, 3n]])],
  ]);
}
/** Words of any representative as signed integers in (-p/2, p/2), in place. */
function signed(words: BigUint64Array): BigInt64Array {
  const w = new Uint32Array(words.buffer),
    half = P >> 1n;
  // x + 2^32 - 1 for x > p/2, on halves: bigint only where a word may not be canonical.
  const top = Number(half >> 32n);
  for (let i = 0; i < w.length; i += 2) {
    const hi = w[i + 1];
    if (hi < top) continue;
    if (hi === 0xffffffff) words[i / 2] %= P;
    if (words[i / 2] <= half) continue;
    const lo = w[i];
    w[i] = lo - 1;
    if (lo !== 0) w[i + 1]++;
  }
  return new BigInt64Array(words.buffer);
}
/** Row-major values of the wires of every kind, signed: three words a row for elements of E, else one per output. */
function wireWords(ch: CircuitChannel): Map<Kind, { words: BigInt64Array; lanes: number }> {
  const r = ch.rows;
  const of = (lanes: number, rows: readonly (readonly bigint[])[]): { words: BigInt64Array; lanes: number } => {
    const out = new BigUint64Array(lanes * rows.length);
    rows.forEach((v, k) => {
      for (let l = 0; l < lanes; l++) out[lanes * k + l] = v[l];
    });
    return { words: signed(out), lanes };
  };
  const single = (v: readonly bigint[]): { words: BigInt64Array; lanes: number } => ({
    words: signed(BigUint64Array.from(v, mod)),
    lanes: 1,
  });
  const bits = new BigInt64Array(64 * r.S.value.length);
  r.S.value.forEach((v, k) => {
    for (let l = 0; l < 64; l++) bits[64 * k + l] = (v >> BigInt(l)) & 1n;
  });
  return new Map([
    ['K', of(3, r.K.value)],
    ['H', of(3, r.H.value)],
    ['E', of(3, r.E.value)],
    ['F', of(3, r.F.value)],
    ['Q', of(3, r.Q.value)],
    ['W', single(r.W.value)],
    ['U', single(r.U.value)],
    ['S', { words: bits, lanes: 64 }],
    ['P', of(12, r.P.out)],
    ['M', of(4, r.M.out)],
    ['G', of(4, r.G.value)],
  ]);
}
/** Column-major from row-major words. */
function columns(height: number, { words, lanes }: { words: BigInt64Array; lanes: number }, fill?: readonly bigint[]): BigInt64Array {
  const out = new BigInt64Array(height * lanes),
    rows = words.length / lanes;
  for (let l = 0; l < lanes; l++) {
    for (let r = 0; r < rows; r++) out[l * height + r] = words[lanes * r + l];
    if (fill) out.fill(toSigned(fill[l]), l * height + rows, (l + 1) * height);
  }
  return out;
}
/** Values of the three wires that a row of F reads: lane 3 k + j is coefficient j of wire k. */
function fusedReads(from: readonly Elem[], words: ReturnType<typeof wireWords>, height: number): BigInt64Array {
  const out = new BigInt64Array(9 * height),
    kinds = KINDS.map((k) => words.get(k)!);
  for (let k = 0; k < 3; k++)
    for (let row = 0, i = k; i < from.length; row++, i += 3) {
      const e = from[i],
        { words: w, lanes } = kinds[Math.floor(e / SPAN)],
        at = e % SPAN,
        o = 3 * k * height + row;
      if (lanes !== 3) {
        out[o] = w[at];
        continue;
      }
      out[o] = w[3 * at];
      out[o + height] = w[3 * at + 1];
      out[o + 2 * height] = w[3 * at + 2];
    }
  return out;
}

/** Witness columns and the public words of a circuit built from proofs. */
export function witnessColumns(ch: CircuitChannel, heights: Heights): Map<string, BigInt64Array> {
  const r = ch.rows,
    h = heights,
    words = wireWords(ch);
  const halves = r.S.value.map((v) => [v & 0xffffffffn, v >> 32n] as const),
    plain = (k: Kind): [string, BigInt64Array] => [k, columns(h[k], words.get(k)!)];
  const out = new Map<string, BigInt64Array>([
    ...(['W', 'H', 'U', 'E', 'F', 'Q', 'S', 'G'] as const).map(plain),
    ['public', columns(h.U, words.get('U')!)],
    ['F.v', fusedReads(r.F.from, words, h.F)],
    ['S.lo', column(h.S, 1, halves.length, (_, row) => halves[row][0])],
    ['S.hi', column(h.S, 1, halves.length, (_, row) => halves[row][1])],
    [
      'S.inv',
      column(
        h.S,
        1,
        halves.length,
        (_, row) => (halves[row][1] === 0xffffffffn ? 0n : inverse(0xffffffffn - halves[row][1])),
        () => inverse(0xffffffffn),
      ),
    ],
    ['G.index', column(h.G, 1, r.G.index.length, (_, row) => r.G.index[row])],
    ['M.bit', column(h.M, 1, r.M.bit.length, (_, row) => r.M.bit[row])],
  ]);
  for (const k of ['P', 'M'] as const) {
    const filler = k === 'P' ? Array<bigint>(WIDTH).fill(0n) : [...Array<bigint>(RATE).fill(0n), DOMAIN.node, 0n, 0n, 0n],
      { x, c } = permutationColumns([...r[k].input, filler], h[k]);
    out.set(`${k}.x`, x);
    out.set(`${k}.c`, c);
    out.set(k, columns(h[k], words.get(k)!, permuted(filler)));
  }
  return out;
}

/** A circuit: the program of its height class and its fixed columns. `check` runs the verifier over a channel. */
export interface Circuit {
  readonly heights: Heights;
  readonly program: Program;
  readonly fixed: ReadonlyMap<string, BigInt64Array>;
}

/** Builds the circuit of a verifier from shapes alone. */
export function compileCircuit(verifier: (ch: CircuitChannel) => void, least?: Heights): Circuit {
  const ch = new CircuitChannel();
  verifier(ch);
  const heights = heightsOf(ch, least);
  return { heights, program: circuitProgram(heights), fixed: fixedColumns(ch, heights) };
}

/** All tensors of a circuit's program for a channel that has run with proofs. Throws RangeError where it needs other heights. */
export function circuitCells(ch: CircuitChannel, circuit: Circuit): Map<string, BigInt64Array> {
  const need = heightsOf(ch);
  for (const k of KINDS)
    if (need[k] > circuit.heights[k]) throw new RangeError(`${need[k]} rows of kind ${k}, the circuit has ${circuit.heights[k]}`);
  return new Map([...circuit.fixed, ...witnessColumns(ch, circuit.heights)]);
}
