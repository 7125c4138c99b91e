/**
 * The circuit as a tensor program over the field. All wires are rows of one memory, `wires` = (address; c0, c1, c2); a
 * row kind's outputs are a segment of it, so that each address has one value whatever the witness. Operands are
 * lookups: the address is a fixed (frozen) column, the value a witness column. Everything fixed (addresses, constants,
 * matrices) is frozen: its digest is the verification key. Relations, row by row:
 *
 *   E  (from_j, e_j, 0, 0) in wires, j = 0, 1, 2
 *      e = e_0 + e_1 x + e_2 x^2 of base elements
 *   F  (from_k, v_k) in wires, k = 0, 1, 2; o_j = v_2j + sum_ab T[j,a,b] v_0a v_1b
 *      o = v_0 v_1 + v_2 in E
 *   B  (from_k, v_k, 0, 0) in wires, k = 0, 1, 2; o = v_0 v_1 + v_2
 *      the same of base elements
 *   D  (from_k, v_k) in wires, k = 0 .. 8; o_j = v_8j + sum_i sum_ab T[j,a,b] v_ia v_(i+4)b, i = 0 .. 3
 *      o = v_8 + sum_i v_i v_(i+4) in E
 *   Q  (from_0, q), (from_1, q) in wires
 *      two wires are equal
 *   S  b_k (b_k - 1) = 0, dead_k b_k = 0, (from, sum 2^k b_k) in wires,
 *      lo (1 - (2^32 - 1 - hi) inv) = 0 with lo, hi the halves
 *      bits of a word, those marked dead are zero; value below p: hi = 2^32 - 1 forces lo = 0
 *   P  (from_l, in_l) in wires, in = back x + const over the first S-boxes,
 *      x_g = C_g + sum_h A_gh x_h^7 (g >= 12), out_l = D_l + sum_h B_lh x_h^7
 *      a permutation of any twelve wires
 *   M  the same with (from_l, in_l + bit (in_(l+4) - in_l)) in wires for l < 4,
 *      (from_4, bit) in wires, in_8..11 = (node, 0, 0, 0)
 *      the current node is left (bit 0) or right (bit 1) of a free sibling; bit is a wire that an S row made boolean
 *   G  (from_l, d_l) and (base + 4 index + l, d_l) in wires, (from_4, index) in wires
 *      a digest is entry `index` of a cap of words in a row
 *   T  (from, t) in wires; (row; t, table) is an entry of `tables`, table = 2 (first row of its table + 1) + edge
 *   I  (from, scale d_0 + d_1) in wires, (base_k + d_k; v_k, 2 (base_k + 1) + edge_k) in tables, k = 0, 1,
 *      edge_k (edge_k - 1) = 0, edge_0 edge_1 = 0; o = v_0 v_1 in E
 *      the product of the entries that the two digits of an id select, each in a table of its own
 *   U  u = public word          W, H: free words and elements       K: constants (frozen)
 *
 * A lookup of fewer components asserts zeros in the others, so a base operand is a base element. Rows that fill a
 * height read the wire of zero.
 */
import { checkProgram } from '../tensor/bounds.js';
import { expr, operand, term } from '../tensor/expr.js';
import type { Constraint, Expr, MemorySpec, Program, TensorClass, TensorSpec } from '../tensor/types.js';
import { type Heights, hasIds } from './heights.js';
import { FIRST_ROUND, SBOXES, SBOX_POWER } from './poseidon2.js';
import { type Kind, KINDS, TERMS } from './rows.js';

/** Version of the circuit's rows: part of the program's name, hence of its digest. */
export const CIRCUIT_VERSION = 3;

const axis = (k: Kind): string => `row${k}`;
const one = (o: string): Expr => expr([term(1, o)]);

/** Tensors and constraints in the order in which they are declared. */
class Builder {
  readonly tensors: TensorSpec[] = [];
  readonly constraints: Constraint[] = [];

  #declare(cls: TensorClass, name: string, axes: string[]): void {
    this.tensors.push({ name, axes, cls, lo: 0n, hi: 0n, frac: 0 });
  }
  fixed(name: string, ...axes: string[]): void {
    this.#declare('frozen', name, axes);
  }
  free(name: string, ...axes: string[]): void {
    this.#declare('witness', name, axes);
  }
  zero(name: string, axes: string[], e: Expr): void {
    this.constraints.push({ kind: 'zero', name, axes, expr: e });
  }
  /** The wires at these addresses have these values. */
  read(name: string, axes: string[], address: Expr, ...values: Expr[]): void {
    this.constraints.push({ kind: 'lookup', name, axes, table: 'wires', exprs: [address, ...values] });
  }
}

/** K, W, H, U: constants, free words and elements, public words. */
function words(b: Builder): void {
  b.fixed('K', 'j', 'rowK');
  b.free('W', 'rowW');
  b.free('H', 'j', 'rowH');
  b.tensors.push({ name: 'public', axes: ['rowU'], cls: 'public', lo: -(1n << 63n), hi: (1n << 63n) - 1n, frac: 0, publicKind: 'dense' });
  b.free('U', 'rowU');
  b.zero('U', ['rowU'], expr([term(1, 'U[rowU]'), term(-1, 'public[rowU]')]));
}

/** E: an element from three base elements. */
function compositions(b: Builder): void {
  b.fixed('E.from', 'j', 'rowE');
  b.free('E', 'j', 'rowE');
  b.read('E', ['j', 'rowE'], one('E.from[j,rowE]'), one('E[j,rowE]'));
}

/** F: a product and a sum in E. */
function products(b: Builder): void {
  b.fixed('F.from', 'k', 'rowF');
  b.free('F.v', 'k', 'j', 'rowF');
  b.free('F', 'j', 'rowF');
  b.fixed('times', 'j', 'a', 'b');
  b.read('F.read', ['k', 'rowF'], one('F.from[k,rowF]'), one('F.v[k,0,rowF]'), one('F.v[k,1,rowF]'), one('F.v[k,2,rowF]'));
  b.zero(
    'F',
    ['j', 'rowF'],
    expr([term(1, 'F[j,rowF]'), term(-1, 'F.v[2,j,rowF]'), term(-1, 'times[j,a,b]', 'F.v[0,a,rowF]', 'F.v[1,b,rowF]')]),
  );
}

/** B: a product and a sum of base elements. */
function baseProducts(b: Builder): void {
  b.fixed('B.from', 'k', 'rowB');
  b.free('B.v', 'k', 'rowB');
  b.free('B', 'rowB');
  b.read('B.read', ['k', 'rowB'], one('B.from[k,rowB]'), one('B.v[k,rowB]'));
  b.zero('B', ['rowB'], expr([term(1, 'B[rowB]'), term(-1, 'B.v[2,rowB]'), term(-1, 'B.v[0,rowB]', 'B.v[1,rowB]')]));
}

/** D: four products and a sum in E. */
function dots(b: Builder): void {
  b.fixed('D.from', 'nine', 'rowD');
  b.free('D.v', 'nine', 'j', 'rowD');
  b.free('D', 'j', 'rowD');
  b.read('D.read', ['nine', 'rowD'], one('D.from[nine,rowD]'), ...[0, 1, 2].map((j) => one(`D.v[nine,${j},rowD]`)));
  b.zero(
    'D',
    ['j', 'rowD'],
    expr([term(1, 'D[j,rowD]'), term(-1, `D.v[${2 * TERMS},j,rowD]`), term(-1, 'times[j,a,b]', 'D.v[i,a,rowD]', `D.v[i+${TERMS},b,rowD]`)]),
  );
}

/** Q: two wires are equal. */
function equalities(b: Builder): void {
  b.fixed('Q.from', 'two', 'rowQ');
  b.free('Q', 'j', 'rowQ');
  b.read('Q', ['two', 'rowQ'], one('Q.from[two,rowQ]'), one('Q[0,rowQ]'), one('Q[1,rowQ]'), one('Q[2,rowQ]'));
}

/** S: the bits of a word's canonical integer. */
function bits(b: Builder): void {
  b.fixed('S.from', 'rowS');
  b.fixed('S.dead', 'bit', 'rowS');
  b.fixed('powers', 'bit');
  b.free('S', 'bit', 'rowS');
  for (const x of ['S.lo', 'S.hi', 'S.inv']) b.free(x, 'rowS');
  b.zero('S.bit', ['bit', 'rowS'], expr([term(1, 'S[bit,rowS]', 'S[bit,rowS]'), term(-1, 'S[bit,rowS]')]));
  b.zero('S.dead', ['bit', 'rowS'], expr([term(1, 'S.dead[bit,rowS]', 'S[bit,rowS]')]));
  b.zero('S.lo', ['rowS'], expr([term(1, 'S.lo[rowS]'), term(-1, 'powers[half]', 'S[half,rowS]')]));
  b.zero('S.hi', ['rowS'], expr([term(1, 'S.hi[rowS]'), term(-1, 'powers[half]', 'S[half+32,rowS]')]));
  b.read('S.word', ['rowS'], one('S.from[rowS]'), expr([term(1, 'S.lo[rowS]'), term(1n << 32n, 'S.hi[rowS]')]));
  b.zero(
    'S.canonical',
    ['rowS'],
    expr([term(1, 'S.lo[rowS]'), term(1n - (1n << 32n), 'S.lo[rowS]', 'S.inv[rowS]'), term(1, 'S.lo[rowS]', 'S.hi[rowS]', 'S.inv[rowS]')]),
  );
}

/** Matrices and constants of the permutation. */
function permutationConstants(b: Builder): void {
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
    b.fixed(x, ...axes);
}

/** S-boxes and outputs of a permutation whose outputs `lanes` are wires. */
function permutation(b: Builder, k: 'P' | 'M', lanes: string): void {
  const r = axis(k);
  b.free(`${k}.x`, 'h', r);
  b.free(k, lanes, r);
  const seventh = Array<string>(SBOX_POWER).fill(`${k}.x[h,${r}]`);
  b.zero(
    `${k}.round`,
    ['g', r],
    expr([term(1, `${k}.x[g+${FIRST_ROUND},${r}]`), term(-1, 'sbox.C[g]'), term(-1, 'sbox.A[g,h]', ...seventh)]),
  );
  b.zero(
    `${k}.out`,
    [lanes, r],
    expr([term(1, `${k}[${lanes},${r}]`), term(-1, `out.D[${lanes}]`), term(-1, `out.B[${lanes},h]`, ...seventh)]),
  );
}

/** P: the inputs are any wires. */
function permutationInputs(b: Builder): void {
  b.fixed('P.from', 'lane', 'rowP');
  b.read(
    'P.in',
    ['lane', 'rowP'],
    one('P.from[lane,rowP]'),
    expr([term(1, 'first.const[lane]'), term(1, 'first.back[lane,u]', 'P.x[u,rowP]')]),
  );
}

/** M: a Merkle level. */
function merkleLevels(b: Builder): void {
  b.fixed('M.from', 'q', 'rowM');
  b.fixed('M.fromBit', 'rowM');
  b.free('M.bit', 'rowM');
  b.read(
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
  b.read('M.bit', ['rowM'], one('M.fromBit[rowM]'), one('M.bit[rowM]'));
  b.zero(
    'M.capacity',
    ['q', 'rowM'],
    expr([term(1, 'first.const[q+8]'), term(1, 'first.back[q+8,u]', 'M.x[u,rowM]'), term(-1, 'capacity[q]')]),
  );
}

/** G: a digest is in a cap. */
function caps(b: Builder): void {
  b.fixed('G.from', 'q', 'rowG');
  b.fixed('G.fromIndex', 'rowG');
  b.fixed('G.base', 'rowG');
  b.fixed('G.lane', 'q');
  b.free('G', 'q', 'rowG');
  b.free('G.index', 'rowG');
  b.read('G.digest', ['q', 'rowG'], one('G.from[q,rowG]'), one('G[q,rowG]'));
  b.read('G.index', ['rowG'], one('G.fromIndex[rowG]'), one('G.index[rowG]'));
  b.read('G.cap', ['q', 'rowG'], expr([term(1, 'G.base[rowG]'), term(4, 'G.index[rowG]'), term(1, 'G.lane[q]')]), one('G[q,rowG]'));
}

/** T: entries of tables, a memory of their own. I: the product of the entries that the digits of an id select. */
function ids(b: Builder): void {
  b.fixed('T.from', 'rowT');
  b.fixed('T.table', 'rowT');
  b.free('T', 'j', 'rowT');
  b.read('T', ['rowT'], one('T.from[rowT]'), one('T[0,rowT]'), one('T[1,rowT]'), one('T[2,rowT]'));
  b.fixed('I.from', 'rowI');
  b.fixed('I.scale', 'rowI');
  b.fixed('I.base', 'd', 'rowI');
  b.free('I.digit', 'd', 'rowI');
  b.free('I.edge', 'd', 'rowI');
  b.free('I.v', 'd', 'j', 'rowI');
  b.free('I', 'j', 'rowI');
  b.read('I.id', ['rowI'], one('I.from[rowI]'), expr([term(1, 'I.scale[rowI]', 'I.digit[0,rowI]'), term(1, 'I.digit[1,rowI]')]));
  // Twice the first row and two names a table, so that no entry of another one and no padding is read; one more is an
  // entry that is marked.
  b.constraints.push({
    kind: 'lookup',
    name: 'I.entry',
    axes: ['d', 'rowI'],
    table: 'tables',
    exprs: [
      expr([term(1, 'I.base[d,rowI]'), term(1, 'I.digit[d,rowI]')]),
      ...[0, 1, 2].map((j) => one(`I.v[d,${j},rowI]`)),
      expr([term(2, 'I.base[d,rowI]'), term(1, 'I.edge[d,rowI]')], 2n),
    ],
  });
  b.zero('I.bit', ['d', 'rowI'], expr([term(1, 'I.edge[d,rowI]', 'I.edge[d,rowI]'), term(-1, 'I.edge[d,rowI]')]));
  b.zero('I.edge', ['rowI'], expr([term(1, 'I.edge[0,rowI]', 'I.edge[1,rowI]')]));
  b.zero('I', ['j', 'rowI'], expr([term(1, 'I[j,rowI]'), term(-1, 'times[j,a,b]', 'I.v[0,a,rowI]', 'I.v[1,b,rowI]')]));
}

/** The memory of the entries of all tables. */
const tables: MemorySpec = {
  name: 'tables',
  columns: 4,
  segments: [
    { name: 'tables.T', axes: ['rowT'], columns: ['T[0,rowT]', 'T[1,rowT]', 'T[2,rowT]', 'T.table[rowT]'].map((x) => operand(x)) },
  ],
};

/** The memory of all wires. */
function wires(withIds: boolean): MemorySpec {
  const ext = (t: string, k: Kind): (ReturnType<typeof operand> | null)[] => [0, 1, 2].map((j) => operand(`${t}[${j},${axis(k)}]`));
  return {
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
      { name: 'wires.B', axes: ['rowB'], columns: [operand('B[rowB]')] },
      { name: 'wires.D', axes: ['rowD'], columns: ext('D', 'D') },
      ...(withIds ? [{ name: 'wires.I', axes: ['rowI'], columns: ext('I', 'I') }] : []),
    ],
  };
}

/** The program of these heights: the same for every circuit of a height class. */
export function circuitProgram(heights: Heights): Program {
  const b = new Builder(),
    withIds = hasIds(heights),
    kinds = KINDS.filter((k) => withIds || (k !== 'T' && k !== 'I'));
  words(b);
  compositions(b);
  products(b);
  baseProducts(b);
  dots(b);
  equalities(b);
  bits(b);
  permutationConstants(b);
  permutation(b, 'P', 'lane');
  permutation(b, 'M', 'q');
  permutationInputs(b);
  merkleLevels(b);
  caps(b);
  if (withIds) ids(b);
  const small = {
    i: TERMS,
    nine: 2 * TERMS + 1,
    j: 3,
    k: 3,
    a: 3,
    b: 3,
    two: 2,
    bit: 64,
    half: 32,
    lane: 12,
    q: 4,
    u: FIRST_ROUND,
    g: SBOXES - FIRST_ROUND,
    h: SBOXES,
  };
  const program: Program = {
    version: 1,
    name: `certune/circuit/${CIRCUIT_VERSION}`,
    axes: { ...small, ...(withIds ? { d: 2 } : {}), ...Object.fromEntries(kinds.map((k) => [axis(k), heights[k]])) },
    scan: 'j',
    tensors: b.tensors,
    tables: [],
    memories: withIds ? [wires(true), tables] : [wires(false)],
    field: true,
    constraints: b.constraints,
    steps: [],
    rangeBits: 1,
  };
  checkProgram(program);
  return program;
}
