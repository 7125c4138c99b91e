/** Columns of a circuit: those fixed by its shape, and those of a witness. */
import * as E from '../field/ext3.js';
import { P, inv as inverse, mod, toSigned } from '../field/goldilocks.js';
import { log2Ceil } from '../field/log2.js';
import { DOMAIN, RATE, WIDTH } from '../hash/poseidon2.js';
import type { Program } from '../tensor/types.js';
import type { Elem } from '../transcript/arith.js';
import { CircuitChannel } from './channel.js';
import { type Heights, hasIds, heightsOf } from './heights.js';
import { permutationForms } from './poseidon2.js';
import { circuitProgram } from './program.js';
import { type CircuitRows, KINDS, type Kind, OUTPUTS, SPAN, TERMS, wire } from './rows.js';
import { permutationColumns, permuted } from './witness.js';

/** Address of a wire in the memory. */
export function addresses(heights: Heights): (e: Elem) => number {
  const order: Kind[] = ['K', 'W', 'H', 'E', 'F', 'S', 'P', 'M', 'U', 'B', 'D', ...(hasIds(heights) ? (['I'] as const) : [])],
    base = KINDS.map(() => 0),
    unit = KINDS.map((k) => 2 ** log2Ceil(Math.max(1, heights[k]))),
    lanes = KINDS.map((k) => OUTPUTS[k]);
  let at = 0;
  for (const k of order) {
    const n = KINDS.indexOf(k);
    base[n] = at;
    at += 2 ** log2Ceil(OUTPUTS[k]) * unit[n];
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
export function fixedColumns({ rows }: { readonly rows: CircuitRows }, heights: Heights): Map<string, BigInt64Array> {
  const address = addresses(heights),
    from = wireAddresses(rows, heights, address),
    words = Array.from({ length: 64 }, (_, k) => 1n << BigInt(k));
  return new Map<string, BigInt64Array>([
    ['K', column(heights.K, 3, rows.K.value.length, (l, row) => rows.K.value[row][l])],
    ['E.from', from('E', 3, 3)],
    ['F.from', from('F', READS.F, READS.F)],
    ['B.from', from('B', READS.B, READS.B)],
    ['D.from', from('D', READS.D, READS.D)],
    ['times', timesTable()],
    ['Q.from', from('Q', 2, 2)],
    ['S.from', from('S', 1, 1)],
    ['S.dead', column(heights.S, 64, rows.S.dead.length, (l, row) => (rows.S.dead[row] >> BigInt(l)) & 1n)],
    ['powers', matrix([words])],
    ...permutationMatrices(),
    ['P.from', from('P', 12, 12)],
    ['M.from', from('M', 5, 4)],
    ['M.fromBit', from('M', 5, 1, 4)],
    ...capColumns(rows, heights, address, from),
    ['G.lane', matrix([[0n, 1n, 2n, 3n]])],
    ...(hasIds(heights) ? idColumns(rows, heights, from) : []),
  ]);
}

/** Columns of T and I. A filling row of T is a table of one entry, the last of which a filling row of I reads. */
function idColumns({ T, I }: CircuitRows, heights: Heights, from: WireAddresses): [string, BigInt64Array][] {
  const spare = BigInt(heights.T - 1),
    used = I.base.length;
  return [
    ['T.from', from('T', 1, 1)],
    [
      'T.table',
      column(
        heights.T,
        1,
        T.table.length,
        (_, row) => BigInt(2 * (T.table[row] + 1) + (T.edge[row] ? 1 : 0)),
        (_, row) => BigInt(2 * (row + 1)),
      ),
    ],
    ['I.from', from('I', 1, 1)],
    ['I.scale', column(heights.I, 1, used, (_, row) => BigInt(I.scale[row]))],
    [
      'I.base',
      column(
        heights.I,
        2,
        used,
        (l, row) => BigInt(I.base[row][l]),
        () => spare,
      ),
    ],
  ];
}

type WireAddresses = (
  k: 'E' | 'F' | 'B' | 'D' | 'Q' | 'S' | 'P' | 'M' | 'G' | 'T' | 'I',
  n: number,
  lanes: number,
  first?: number,
) => BigInt64Array;

/**
 * Columns of addresses: wires first .. first + lanes - 1 of the n that each row of a kind reads; filling rows read the
 * wire of zero, the first constant.
 */
function wireAddresses(rows: CircuitRows, heights: Heights, address: (e: Elem) => number): WireAddresses {
  const zero = address(wire('K', 0));
  return (k, n, lanes, first = 0) => {
    // Addresses are below 2^31: the lower halves of the words.
    const out = new BigInt64Array(heights[k] * lanes),
      low = new Int32Array(out.buffer),
      wires = rows[k].from,
      used = wires.length / n;
    for (let l = 0; l < lanes; l++)
      for (let row = 0; row < heights[k]; row++) low[2 * (l * heights[k] + row)] = row < used ? address(wires[n * row + first + l]) : zero;
    return out;
  };
}

/** Coefficients of the product in E: (j, a, b) is coefficient j of x^a x^b. */
function timesTable(): BigInt64Array {
  const unit: readonly E.Ext[] = [
    [1n, 0n, 0n],
    [0n, 1n, 0n],
    [0n, 0n, 1n],
  ];
  return matrix([0, 1, 2].map((j) => unit.flatMap((x) => unit.map((y) => E.mul(x, y)[j]))));
}

/** Matrices and constants of the permutation, and how a direction bit changes the inputs of a Merkle level. */
function permutationMatrices(): [string, BigInt64Array][] {
  const f = permutationForms(),
    lanes = [0, 1, 2, 3];
  return [
    ['first.back', matrix(f.back)],
    ['first.const', matrix([f.backConstant])],
    ['sbox.A', matrix(f.A)],
    ['sbox.C', matrix([f.C])],
    ['out.B', matrix(f.B)],
    ['out.D', matrix([f.D])],
    ['swap', matrix(lanes.map((q) => f.back[q].map((x, u) => f.back[q + 4][u] - x)))],
    ['swap.const', matrix([lanes.map((q) => f.backConstant[q + 4] - f.backConstant[q])])],
    ['capacity', matrix([[DOMAIN.node, 0n, 0n, 0n]])],
  ];
}

/** Columns of G. A filling row reads the last four words of W as a cap of one. */
function capColumns(rows: CircuitRows, heights: Heights, address: (e: Elem) => number, from: WireAddresses): [string, BigInt64Array][] {
  const spare = BigInt(address(wire('W', heights.W - 4))),
    used = rows.G.base.length,
    digests = from('G', 5, 4);
  for (let l = 0; l < 4; l++) for (let row = used; row < heights.G; row++) digests[l * heights.G + row] = spare + BigInt(l);
  const base = column(
    heights.G,
    1,
    used,
    (_, row) => BigInt(address(rows.G.base[row])),
    () => spare,
  );
  return [
    ['G.from', digests],
    ['G.fromIndex', from('G', 5, 1, 4)],
    ['G.base', base],
  ];
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
function wireWords(r: CircuitRows): Map<Kind, { words: BigInt64Array; lanes: number }> {
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
    ['D', of(3, r.D.value)],
    ['Q', of(3, r.Q.value)],
    ['W', single(r.W.value)],
    ['U', single(r.U.value)],
    ['B', single(r.B.value)],
    ['S', { words: bits, lanes: 64 }],
    ['P', of(12, r.P.out)],
    ['M', of(4, r.M.out)],
    ['G', of(4, r.G.value)],
    ['T', of(3, r.T.value)],
    ['I', of(3, r.I.value)],
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
/** Wires that a row of these kinds reads. */
const READS = { F: 3, B: 3, D: 2 * TERMS + 1 } as const;

/** Values of the wires that a row of F, B or D reads: lane `width` k + j is coefficient j of wire k. */
function fusedReads(r: CircuitRows, kind: keyof typeof READS, words: ReturnType<typeof wireWords>, height: number): BigInt64Array {
  const reads = READS[kind],
    width = kind === 'B' ? 1 : 3,
    { from } = r[kind],
    out = new BigInt64Array(reads * width * height),
    kinds = KINDS.map((k) => words.get(k)!);
  for (let k = 0; k < reads; k++)
    for (let row = 0, i = k; i < from.length; row++, i += reads) {
      const e = from[i],
        { words: w, lanes } = kinds[Math.floor(e / SPAN)],
        at = e % SPAN,
        o = width * k * height + row;
      if (lanes !== 3) {
        out[o] = w[at];
        continue;
      }
      out[o] = w[3 * at];
      if (width === 1) continue;
      out[o + height] = w[3 * at + 1];
      out[o + 2 * height] = w[3 * at + 2];
    }
  return out;
}

/** Witness columns and the public words of a circuit built from proofs. */
export function witnessColumns({ rows: r }: { readonly rows: CircuitRows }, heights: Heights): Map<string, BigInt64Array> {
  const h = heights,
    words = wireWords(r);
  const halves = r.S.value.map((v) => [v & 0xffffffffn, v >> 32n] as const),
    plain = (k: Kind): [string, BigInt64Array] => [k, columns(h[k], words.get(k)!)];
  const out = new Map<string, BigInt64Array>([
    ...(['W', 'H', 'U', 'E', 'F', 'B', 'D', 'Q', 'S', 'G'] as const).map(plain),
    ['public', columns(h.U, words.get('U')!)],
    ...(['F', 'B', 'D'] as const).map((x): [string, BigInt64Array] => [`${x}.v`, fusedReads(r, x, words, h[x])]),
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
    const filler = k === 'P' ? Array<bigint>(WIDTH).fill(0n) : [...Array<bigint>(RATE).fill(0n), DOMAIN.node, 0n, 0n, 0n];
    out.set(`${k}.x`, permutationColumns([...r[k].input, filler], h[k]));
    out.set(k, columns(h[k], words.get(k)!, permuted(filler)));
  }
  if (hasIds(h)) {
    for (const k of ['T', 'I'] as const) out.set(...plain(k));
    for (const [name, v] of readEntries(r, h)) out.set(name, v);
  }
  return out;
}

/** What rows of I read: digits, and the entries that they select; zeros where a (dishonest) digit selects none. */
function readEntries({ T, I }: CircuitRows, { I: height }: Heights): [string, BigInt64Array][] {
  const used = I.digit.length,
    at = (d: number, row: number): number => I.base[row][d] + Number(I.digit[row][d]);
  return [
    ['I.digit', column(height, 2, used, (d, row) => I.digit[row][d])],
    ['I.edge', column(height, 2, used, (d, row) => (T.edge[at(d, row)] ? 1n : 0n))],
    ['I.v', column(height, 6, used, (l, row) => T.value[at(Math.floor(l / 3), row)]?.[l % 3] ?? 0n)],
  ];
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

/**
 * All tensors of a circuit's program for a channel that has run with proofs. Throws RangeError where it needs other
 * heights.
 */
export function circuitCells(ch: CircuitChannel, circuit: Circuit): Map<string, BigInt64Array> {
  const need = heightsOf(ch);
  for (const k of KINDS)
    if (need[k] > circuit.heights[k]) throw new RangeError(`${need[k]} rows of kind ${k}, the circuit has ${circuit.heights[k]}`);
  return new Map([...circuit.fixed, ...witnessColumns(ch, circuit.heights)]);
}
