/**
 * BLAKE3 compressions as a program over the field, as a circuit would have them beside its permutations: a prototype,
 * measured for decision 21. It is no part of any proof that the package makes.
 *
 *     node dist-tools/bench/blake3-circuit.js [log2 of compressions, 10] [threads, 1]
 *
 * State words are four bytes each. Exclusive or is a look-up of (256 a + b; b, x) or of (256 a + b; b, x, x >> s),
 * which fixes a and b as bytes; rotations by 16 and 8 move bytes, those by 12 and 7 put halves of two bytes together.
 * A sum modulo 2^32 has four bytes and a carry. Message words are words of the field, whose eight bytes are looked up
 * and whose integer is shown to be below p, for a digest must not have two readings.
 *
 * A compression's outputs are compared with the reference vectors where they are at hand (CERTUNE_FIXTURES).
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { goldilocks } from 'certune/field';
import { type MerkleHash, blake3Rows, poseidon2Rows } from 'certune/hash';
import { type Kernels, singleKernels, threadedKernels } from 'certune/kernels';
import { commitColumns } from 'certune/pcs/commit';
import {
  type Constraint,
  type Expr,
  IntegerReading,
  type MemorySpec,
  type Program,
  type TensorSpec,
  frozenDigest,
  frozenStack,
  makePlan,
  proveProgram,
  settleFrozen,
  verifyProgram,
} from 'certune/tensor';
import { NativeChannel } from 'certune/transcript';
import { fixtures } from '../fixtures.js';
import { Phases, cellsOf, lookupsOf, say, seconds } from './common.js';
import { counts } from './counts.js';

const { P, inv } = goldilocks,
  IV = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19],
  ORDER = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8],
  ROUNDS = 7,
  FLAGS = { start: 1, end: 2, parent: 4, root: 8 },
  LANES = [0, 1, 2, 3],
  BYTES = [0, 1, 2, 3];

/** Places of the message's words in every round. */
const SCHEDULE: readonly (readonly number[])[] = Array.from({ length: ROUNDS - 1 }).reduce<number[][]>(
  (all) => [...all, ORDER.map((w) => all[all.length - 1][w])],
  [ORDER.map((_, w) => w)],
);

/** One compression: chaining value, message, and the four words behind the constants (counter, length, flags). */
interface Compression {
  readonly cv: readonly number[];
  readonly message: readonly number[];
  readonly tail: readonly number[];
}

// ---- the hash itself, whose intermediate values are the witness

type Note = (tensor: string, slot: number, lane: number, byte: number, value: number) => void;
const NO_NOTE: Note = () => {};
const byteOf = (x: number, k: number): number => (x >>> (8 * k)) & 255,
  rotate = (x: number, n: number): number => ((x >>> n) | (x << (32 - n))) >>> 0;

/** The four half-mixes of a column or diagonal step: names of its tensors end in c or d. */
function mix(v: number[], at: readonly number[], words: readonly number[], half: 'c' | 'd', slot: number, lane: number, note: Note): void {
  const [a, b, c, d] = at,
    word = (name: string, x: number): void => {
      for (const k of BYTES) note(`${name}.${half}`, slot, lane, k, byteOf(x, k));
    };
  const sum = (name: string, ...terms: number[]): number => {
    const s = terms.reduce((x, y) => x + y, 0);
    word(name, s % 2 ** 32);
    note(`${name}.carry.${half}`, slot, lane, 0, Math.floor(s / 2 ** 32));
    return s % 2 ** 32;
  };
  const xor = (name: string, x: number, y: number, by: number, shift: number): number => {
    const z = (x ^ y) >>> 0;
    word(name, z);
    if (shift) for (const k of BYTES) note(`${name}.top.${half}`, slot, lane, k, byteOf(z, k) >> shift);
    return rotate(z, by);
  };
  v[a] = sum('a1', v[a], v[b], words[0]);
  v[d] = xor('x1', v[d], v[a], 16, 0);
  v[c] = sum('c1', v[c], v[d]);
  v[b] = xor('y1', v[b], v[c], 12, 4);
  v[a] = sum('a2', v[a], v[b], words[1]);
  v[d] = xor('x2', v[d], v[a], 8, 0);
  v[c] = sum('c2', v[c], v[d]);
  v[b] = xor('y2', v[b], v[c], 7, 7);
}

/** The first eight words that a compression gives. */
function compress({ cv, message, tail }: Compression, note: Note = NO_NOTE): number[] {
  const v = [...cv, ...IV.slice(0, 4), ...tail];
  for (let r = 0; r < ROUNDS; r++) {
    const m = SCHEDULE[r].map((w) => message[w]);
    for (const i of LANES) mix(v, [i, 4 + i, 8 + i, 12 + i], [m[2 * i], m[2 * i + 1]], 'c', r, i, note);
    for (const i of LANES)
      mix(v, [i, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4)], [m[8 + 2 * i], m[9 + 2 * i]], 'd', r, i, note);
  }
  return cv.map((_, j) => (v[j] ^ v[j + 8]) >>> 0);
}

/** All compressions of a hash, in order, and the hash. */
function hash(bytes: Uint8Array): { calls: Compression[]; digest: string } {
  const calls: Compression[] = [],
    call = (c: Compression): number[] => {
      calls.push(c);
      return compress(c);
    };
  const words = (b: Uint8Array): number[] => {
    const block = new Uint8Array(64);
    block.set(b);
    const view = new DataView(block.buffer);
    return Array.from({ length: 16 }, (_, w) => view.getUint32(4 * w, true));
  };
  const chunk = (b: Uint8Array, counter: number, root: number): number[] => {
    let cv: readonly number[] = IV;
    const blocks = Math.max(1, Math.ceil(b.length / 64));
    for (let i = 0; i < blocks; i++) {
      const part = b.subarray(64 * i, 64 * i + 64),
        last = i === blocks - 1,
        flags = (i ? 0 : FLAGS.start) | (last ? FLAGS.end | root : 0);
      cv = call({ cv, message: words(part), tail: [counter, 0, part.length, flags] });
    }
    return [...cv];
  };
  const tree = (b: Uint8Array, first: number, root: number): number[] => {
    if (b.length <= 1024) return chunk(b, first, root);
    const left = 2 ** Math.floor(Math.log2((b.length - 1) / 1024)),
      both = [...tree(b.subarray(0, 1024 * left), first, 0), ...tree(b.subarray(1024 * left), first + left, 0)];
    return call({ cv: IV, message: both, tail: [0, 0, 64, FLAGS.parent | root] });
  };
  const out = tree(bytes, 0, FLAGS.root);
  return { calls, digest: Buffer.from(Uint32Array.from(out).buffer).toString('hex') };
}

/** Compressions of the reference vectors, from the shortest input on, whose hashes are compared first. */
function compressions(n: number): { calls: Compression[]; vectors: number } {
  const file = join(fixtures, 'vectors/blake3/test_vectors.json'),
    input = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i % 251),
    cases = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { cases: { input_len: number; hash: string }[] }).cases : [],
    calls: Compression[] = [];
  let vectors = 0;
  for (const c of cases) {
    const h = hash(input(c.input_len));
    if (h.digest !== c.hash.slice(0, 64)) throw new Error(`the hash of ${c.input_len} bytes is not the reference's`);
    if (calls.length + h.calls.length > n) break;
    calls.push(...h.calls);
    vectors++;
  }
  for (let k = 0; calls.length < n; k++) calls.push(...hash(input(64 * k)).calls.slice(0, n - calls.length));
  return { calls, vectors };
}

// ---- the program

type Sum = readonly (readonly [coef: bigint, ...operands: string[]])[];
type Text = `${string}[${string}]`;
/** A tensor's cell at these indices and axes. */
const cell = (name: string, ...at: (string | number)[]): Text => `${name}[${at.join(',')}]`;

/** Declares tensors, memories and constraints in text. */
class Builder {
  readonly axes: Record<string, number>;
  readonly tensors: TensorSpec[] = [];
  readonly constraints: Constraint[] = [];
  readonly memories: MemorySpec[] = [];
  constructor(n: number) {
    this.axes = { n, r: ROUNDS, slot: ROUNDS + 1, i: 4, k: 4, word: 8, half: 2, byte: 8, pair: 2 ** 16, single: 2 ** 8 };
  }
  tensor(name: string, cls: TensorSpec['cls'], ...axes: string[]): void {
    const dense = cls === 'public' ? { lo: -(1n << 63n), hi: (1n << 63n) - 1n, publicKind: 'dense' as const } : { lo: 0n, hi: 0n };
    this.tensors.push({ name, axes, cls, frac: 0, ...dense });
  }
  expr(sum: Sum, constant = 0n): Expr {
    return {
      constant,
      terms: sum.map(([coef, ...operands]) => ({
        coef,
        operands: operands.map((o) => {
          const [, tensor, at] = /^(.*)\[(.*)\]$/.exec(o)!;
          return {
            tensor,
            access: at.split(',').map((x) => {
              if (/^\d+$/.test(x)) return { index: Number(x) };
              const [axis, offset] = x.split('+');
              return offset ? { axis, offset: Number(offset) } : { axis };
            }),
          };
        }),
      })),
    };
  }
  zero(name: string, axes: string[], sum: Sum, constant = 0n): void {
    this.constraints.push({ kind: 'zero', name, axes, expr: this.expr(sum, constant) });
  }
  lookup(name: string, axes: string[], table: string, ...exprs: Expr[]): void {
    this.constraints.push({ kind: 'lookup', name, axes, table, exprs });
  }
  memory(name: string, axis: string, columns: readonly string[]): void {
    for (const c of columns) this.tensor(c, 'frozen', axis);
    this.memories.push({
      name,
      columns: columns.length,
      segments: [{ name: `${name}.rows`, axes: [axis], columns: columns.map((c) => ({ tensor: c, access: [{ axis }] })) }],
    });
  }
}

const scale = (by: bigint, s: Sum): Sum => s.map(([c, ...o]) => [c * by, ...o]);
/** The word of four bytes. */
const wordOf = (bytes: (k: number) => Sum): Sum => BYTES.flatMap((k) => scale(1n << BigInt(8 * k), bytes(k)));

/** A word of the state: its bytes, each a sum of cells. */
type Word = (k: number) => Sum;
const plain =
  (name: string, ...at: (string | number)[]): Word =>
  (k) => [[1n, cell(name, ...at, k, 'n')]];
/** Bytes of a word rotated by a multiple of eight. */
const moved =
  (w: Word, bytes: number): Word =>
  (k) =>
    w((k + bytes) % 4);
/** Bytes of an exclusive or rotated by 8 bytes + shift, whose bytes' upper parts are x >> shift. */
const parted =
  (name: string, bytes: number, shift: number, ...at: (string | number)[]): Word =>
  (k) => {
    const low = (k + bytes) % 4,
      high = (k + bytes + 1) % 4,
      top = (b: number): Text => cell(name.replace('.', '.top.'), ...at, b, 'n');
    // Of the next byte, what is below the shift comes on top.
    return [
      [1n, top(low)],
      [1n << BigInt(8 - shift), cell(name, ...at, high, 'n')],
      [-256n, top(high)],
    ];
  };

/** Constraints of a column step (c) or a diagonal one (d) in lane i, all rounds at once. */
function halfStep(b: Builder, half: 'c' | 'd', i: number, v: readonly Word[], out: readonly [slot: string, lane: number]): void {
  const [a, bb, c, d] = v,
    axes = ['r', 'n'],
    at = ['r', i] as const,
    name = (x: string): string => `${x}.${half}`;
  const sum = (x: string, to: Word, carry: Text, ...terms: Sum[]): void =>
    b.zero(`${name(x)}.${i}`, axes, [...terms.flat(), ...scale(-1n, wordOf(to)), [-(1n << 32n), carry]]);
  const message = (second: number): Sum =>
    Array.from({ length: 16 }, (_, w) => [1n, cell('select', half === 'c' ? 0 : 1, 'r', i, second, w), cell('m', w >> 1, w & 1, 'n')]);
  const xor = (x: string, table: string, left: Word, right: Word, to: Word, top?: Word): void => {
    for (const k of BYTES)
      b.lookup(
        `${name(x)}.${i}.${k}`,
        axes,
        table,
        b.expr([...scale(256n, left(k)), ...right(k)]),
        b.expr(right(k)),
        b.expr(to(k)),
        ...(top ? [b.expr(top(k))] : []),
      );
  };
  const own = (x: string): Word => plain(name(x), ...at),
    last = (x: string): Word => plain(name(x), ...out),
    carry = (x: string): Text => cell(name(`${x}.carry`), ...at, 'n'),
    d1 = moved(own('x1'), 2),
    b1 = parted(name('y1'), 1, 4, ...at),
    d2 = moved(last('x2'), 1);
  sum('a1', own('a1'), carry('a1'), wordOf(a), wordOf(bb), message(0));
  xor('x1', 'xor', d, own('a1'), own('x1'));
  sum('c1', own('c1'), carry('c1'), wordOf(c), wordOf(d1));
  xor('y1', 'xor4', bb, own('c1'), own('y1'), plain(name('y1.top'), ...at));
  sum('a2', last('a2'), carry('a2'), wordOf(own('a1')), wordOf(b1), message(1));
  xor('x2', 'xor', d1, last('a2'), last('x2'));
  sum('c2', last('c2'), carry('c2'), wordOf(own('c1')), wordOf(d2));
  xor('y2', 'xor7', b1, last('c2'), last('y2'), plain(name('y2.top'), ...out));
}

/** Message words, chaining value and constants of the first slot; the outputs. */
function ends(b: Builder): void {
  const n = ['n'];
  // A word of the field and its eight bytes, below p.
  b.lookup('message.byte', ['word', 'byte', 'n'], 'bytes', b.expr([[1n, 'mb[word,byte,n]']]), b.expr([[1n, 'mb[word,byte,n]']]));
  for (const h of [0, 1])
    b.zero(
      `message.half${h}`,
      ['word', 'n'],
      [[1n, cell('m', 'word', h, 'n')], ...BYTES.map((k) => [-(1n << BigInt(8 * k)), cell('mb', 'word', 4 * h + k, 'n')] as const)],
    );
  b.zero(
    'message.word',
    ['word', 'n'],
    [
      [1n, 'message[word,n]'],
      [-1n, 'm[word,0,n]'],
      [-(1n << 32n), 'm[word,1,n]'],
    ],
  );
  b.zero(
    'message.canonical',
    ['word', 'n'],
    [
      [1n, 'm[word,0,n]'],
      [1n - (1n << 32n), 'm[word,0,n]', 'inverse[word,n]'],
      [1n, 'm[word,0,n]', 'm[word,1,n]', 'inverse[word,n]'],
    ],
  );
  for (const j of LANES) {
    // Diagonal lane of the state's words j, 4 + j, 8 + j, 12 + j.
    const [lb, lc, ld] = [(j + 3) % 4, (j + 2) % 4, (j + 1) % 4];
    for (const k of BYTES) {
      b.zero(`cv.${j}.${k}`, n, [
        [1n, cell('cv', j, k, 'n')],
        [-1n, cell('a2.d', 0, j, k, 'n')],
      ]);
      b.zero(`cv.${j + 4}.${k}`, n, [[1n, cell('cv', j + 4, k, 'n')], ...scale(-1n, parted('y2.d', 0, 7, 0, lb)(k))]);
      const x = b.expr([[1n, cell('y2.d', 0, lb, k, 'n')]]);
      b.lookup(
        `cv.${j + 4}.part.${k}`,
        n,
        'xor7',
        b.expr([[256n, cell('y2.d', 0, lb, k, 'n')]]),
        b.expr([]),
        x,
        b.expr([[1n, cell('y2.top.d', 0, lb, k, 'n')]]),
      );
      b.lookup(`cv.${j}.byte.${k}`, n, 'bytes', b.expr([[1n, cell('cv', j, k, 'n')]]), b.expr([[1n, cell('cv', j, k, 'n')]]));
      b.zero(`iv.${j}.${k}`, n, [[1n, cell('c2.d', 0, lc, k, 'n')]], -BigInt(byteOf(IV[j], k)));
      b.zero(`tail.${j}.${k}`, n, [[1n, cell('tail', j, k, 'n')], ...scale(-1n, moved(plain('x2.d', 0, ld), 1)(k))]);
    }
    const last = ROUNDS,
      [A, B, C, D] = [plain('a2.d', last, j), parted('y2.d', 0, 7, last, lb), plain('c2.d', last, lc), moved(plain('x2.d', last, ld), 1)];
    for (const [w, x, y] of [
      [j, A, C],
      [j + 4, B, D],
    ] as const)
      for (const k of BYTES)
        b.lookup(`out.${w}.${k}`, n, 'xor', b.expr([...scale(256n, x(k)), ...y(k)]), b.expr(y(k)), b.expr([[1n, cell('ob', w, k, 'n')]]));
  }
  for (const w of ['out', 'cv'])
    b.zero(
      w,
      ['word', 'n'],
      [
        [1n, cell(`${w}.word`, 'word', 'n')],
        ...BYTES.map((k) => [-(1n << BigInt(8 * k)), cell(w === 'out' ? 'ob' : 'cv', 'word', k, 'n')] as const),
      ],
    );
}

function blakeProgram(n: number): Program {
  const b = new Builder(n);
  b.memory('xor', 'pair', ['xor.b', 'xor.x']);
  b.memory('xor4', 'pair', ['xor4.b', 'xor4.x', 'xor4.top']);
  b.memory('xor7', 'pair', ['xor7.b', 'xor7.x', 'xor7.top']);
  b.memory('bytes', 'single', ['bytes.x']);
  Object.assign(b.axes, { side: 2, second: 2, w: 16 });
  b.tensor('select', 'frozen', 'side', 'r', 'i', 'second', 'w');
  b.tensor('tail', 'frozen', 'i', 'k', 'n');
  b.tensor('message', 'public', 'word', 'n');
  b.tensor('cv.word', 'public', 'word', 'n');
  b.tensor('out.word', 'public', 'word', 'n');
  b.tensor('m', 'witness', 'word', 'half', 'n');
  b.tensor('mb', 'witness', 'word', 'byte', 'n');
  b.tensor('inverse', 'witness', 'word', 'n');
  b.tensor('cv', 'witness', 'word', 'k', 'n');
  b.tensor('ob', 'witness', 'word', 'k', 'n');
  for (const half of ['c', 'd'] as const) {
    // What a step leaves goes to the next slot of diagonal tensors, whose first is the initial state.
    const out = half === 'c' ? 'r' : 'slot';
    for (const x of ['a1', 'x1', 'c1', 'y1', 'y1.top']) b.tensor(`${x}.${half}`, 'witness', 'r', 'i', 'k', 'n');
    for (const x of ['a2', 'x2', 'c2', 'y2', 'y2.top']) b.tensor(`${x}.${half}`, 'witness', out, 'i', 'k', 'n');
    for (const x of ['a1', 'c1', 'a2', 'c2']) {
      const carry = `${x}.carry.${half}`,
        c = `${carry}[r,i,n]`;
      b.tensor(carry, 'witness', 'r', 'i', 'n');
      // Of three summands 0, 1 or 2, of two 0 or 1.
      b.zero(
        carry,
        ['r', 'i', 'n'],
        x.startsWith('a')
          ? [
              [1n, c, c, c],
              [-3n, c, c],
              [2n, c],
            ]
          : [
              [1n, c, c],
              [-1n, c],
            ],
      );
    }
  }
  for (const i of LANES) {
    const [lb, lc, ld] = [(i + 3) % 4, (i + 2) % 4, (i + 1) % 4];
    halfStep(
      b,
      'c',
      i,
      [plain('a2.d', 'r', i), parted('y2.d', 0, 7, 'r', lb), plain('c2.d', 'r', lc), moved(plain('x2.d', 'r', ld), 1)],
      ['r', i],
    );
    const [db, dc, dd] = [(i + 1) % 4, (i + 2) % 4, (i + 3) % 4];
    halfStep(
      b,
      'd',
      i,
      [plain('a2.c', 'r', i), parted('y2.c', 0, 7, 'r', db), plain('c2.c', 'r', dc), moved(plain('x2.c', 'r', dd), 1)],
      ['r+1', i],
    );
  }
  ends(b);
  return {
    version: 1,
    name: 'blake3-prototype',
    axes: b.axes,
    scan: 'k',
    tensors: b.tensors,
    tables: [],
    memories: b.memories,
    field: true,
    constraints: b.constraints,
    steps: [],
    rangeBits: 1,
  };
}

/** All tensors of the program for these compressions. */
function cellsFor(p: Program, calls: readonly Compression[]): Map<string, BigInt64Array> {
  const n = calls.length,
    out = new Map(p.tensors.map((t) => [t.name, new BigInt64Array(t.axes.reduce((m, a) => m * p.axes[a], 1))])),
    put = (name: string, at: readonly number[], v: bigint): void => {
      const { axes } = p.tensors.find((t) => t.name === name)!;
      out.get(name)![axes.reduce((x, a, d) => x * p.axes[a] + at[d], 0)] = v;
    };
  for (const [name, shift] of [
    ['xor', 0],
    ['xor4', 4],
    ['xor7', 7],
  ] as const)
    for (let x = 0; x < 2 ** 16; x++) {
      const z = (x >> 8) ^ (x & 255);
      out.get(`${name}.b`)![x] = BigInt(x & 255);
      out.get(`${name}.x`)![x] = BigInt(z);
      if (shift) out.get(`${name}.top`)![x] = BigInt(z >> shift);
    }
  for (let x = 0; x < 256; x++) out.get('bytes.x')![x] = BigInt(x);
  for (let r = 0; r < ROUNDS; r++)
    for (const side of [0, 1])
      for (const i of LANES) for (const s of [0, 1]) put('select', [side, r, i, s, SCHEDULE[r][8 * side + 2 * i + s]], 1n);
  const arrays = new Map([...out].map(([k, v]) => [k, v]));
  calls.forEach((c, t) => {
    const note: Note = (name, slot, lane, k, value) => {
      const to = arrays.get(name)!,
        carry = name.includes('carry'),
        later = /^[a-z]2(\.top)?\.d$/.test(name) ? 1 : 0;
      to[carry ? (slot * 4 + lane) * n + t : (((slot + later) * 4 + lane) * 4 + k) * n + t] = BigInt(value);
    };
    for (const j of LANES)
      for (const k of BYTES) {
        const first = (name: string, lane: number, v: number): void => void (arrays.get(name)![(lane * 4 + k) * n + t] = BigInt(v)),
          // Before its rotation.
          b = byteOf(rotate(c.cv[j + 4], 25), k);
        first('a2.d', j, byteOf(c.cv[j], k));
        first('y2.d', (j + 3) % 4, b);
        first('y2.top.d', (j + 3) % 4, b >> 7);
        first('c2.d', (j + 2) % 4, byteOf(IV[j], k));
        first('x2.d', (j + 1) % 4, byteOf(rotate(c.tail[j], 24), k));
        put('tail', [j, k, t], BigInt(byteOf(c.tail[j], k)));
      }
    const digest = compress(c, note),
      whole = (lo: number, hi: number): bigint => BigInt(lo) + (BigInt(hi) << 32n);
    for (let w = 0; w < 8; w++) {
      const [lo, hi] = [c.message[2 * w], c.message[2 * w + 1]];
      if (whole(lo, hi) >= P) throw new Error('a message word is none of the field');
      put('message', [w, t], BigInt.asIntN(64, whole(lo, hi) > P / 2n ? whole(lo, hi) - P : whole(lo, hi)));
      put('m', [w, 0, t], BigInt(lo));
      put('m', [w, 1, t], BigInt(hi));
      const y = hi === 0xffffffff ? 0n : inv(BigInt(0xffffffff - hi));
      put('inverse', [w, t], BigInt.asIntN(64, y > P / 2n ? y - P : y));
      for (const h of [0, 1]) for (const k of BYTES) put('mb', [w, 4 * h + k, t], BigInt(byteOf(h ? hi : lo, k)));
      put('out.word', [w, t], BigInt(digest[w]));
      put('cv.word', [w, t], BigInt(c.cv[w]));
      for (const k of BYTES) {
        put('ob', [w, k, t], BigInt(byteOf(digest[w], k)));
        put('cv', [w, k, t], BigInt(byteOf(c.cv[w], k)));
      }
    }
  });
  return out;
}

function prove(k: Kernels, n: number): void {
  const { calls, vectors } = compressions(n),
    program = blakeProgram(n),
    plan = makePlan(program, { bits: 128, grinding: 16, rate: 2, stateRate: 2 }),
    reading = new IntegerReading(k, program, cellsFor(program, calls));
  const fz = frozenStack(k, plan, (name) => reading.ptr.get(name)!),
    stack = k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells);
  for (let run = 0; run < 2; run++) {
    const phases = new Phases(2),
      cpu = process.cpuUsage(),
      [{ proof, statement }, wall] = seconds(() =>
        k.scope(() => proveProgram(k, plan, reading, { frozenDigest: frozenDigest(stack), onPhase: phases.mark })),
      ),
      used = process.cpuUsage(cpu);
    phases.mark();
    const vk = singleKernels(),
      ch = new NativeChannel(vk, proof),
      claim = verifyProgram(ch, plan, statement);
    ch.finish();
    vk.scope(() => {
      const at = vk.alloc(8 * stack.length);
      vk.i64.set(stack, at / 8);
      settleFrozen(vk, at, stack.length, [claim.detach(ch)]);
    });
    const committed = cellsOf(plan, 'witness'),
      fixed = plan.tables.reduce((s, t) => s + t.size, 0),
      processor = (used.user + used.system) / 1e6;
    console.log(
      JSON.stringify({
        compressions: n,
        'vectors compared': vectors,
        cells: committed,
        'cells a compression': Number(((committed - fixed) / n).toFixed(1)),
        'look-ups a compression': Number((lookupsOf(plan) / n).toFixed(1)),
        'rows of tables': fixed,
        'processor seconds': Number(processor.toFixed(2)),
        'by the clock': Number(wall.toFixed(2)),
        'processor ms a compression': Number(((1000 * processor) / n).toFixed(2)),
        phases: phases.seconds,
        'kernel MiB': Math.round(k.peakBytes / 2 ** 20),
        verified: true,
        permutations: run ? counts(plan, statement).permutations : undefined,
      }),
    );
  }
}

/** Whether a proof is accepted: of the hash's outputs, or of one that is not the hash's. */
function accepts(k: Kernels, n: number, lie: boolean): boolean {
  const program = blakeProgram(n),
    plan = makePlan(program, { bits: 128, grinding: 16, rate: 2, stateRate: 2 }),
    cells = cellsFor(program, compressions(n).calls);
  // The lie goes as far as the byte that the last look-up gives.
  if (lie) for (const name of ['out.word', 'ob']) cells.get(name)![0] ^= 1n;
  try {
    const reading = new IntegerReading(k, program, cells),
      { proof, statement } = k.scope(() => proveProgram(k, plan, reading, { frozenDigest: Array<bigint>(8).fill(0n) })),
      ch = new NativeChannel(k, proof);
    verifyProgram(ch, plan, statement);
    return true;
  } catch {
    return false;
  }
}

/**
 * A commitment to as many columns as a step of stories260k has, of 2^14 rows at rate 1/2: rows and nodes by Poseidon2,
 * and with the rows alone by BLAKE3.
 */
function commitments(k: Kernels): void {
  const columns = 40,
    logHeight = 14,
    mixed: MerkleHash = { ...poseidon2Rows, rows: (...a) => blake3Rows.rows(...a) };
  k.scope(() => {
    const ptr = k.alloc(8 * columns * 2 ** logHeight);
    for (let i = 0; i < columns * 2 ** logHeight; i++) k.i64[ptr / 8 + i] = BigInt(((i * 40503) % 65521) - 32760);
    for (const hash of [poseidon2Rows, mixed]) {
      const once = (): number => {
        const cpu = process.cpuUsage();
        k.scope(() => commitColumns(k, { ptr, used: columns, logHeight, logDomain: logHeight + 1, ext: false }, 0, hash));
        const { user, system } = process.cpuUsage(cpu);
        return (user + system) / 1000;
      };
      const ms = Array.from({ length: 5 }, once);
      console.log(
        JSON.stringify({
          rows: hash === mixed ? 'blake3' : 'poseidon2',
          nodes: 'poseidon2',
          columns,
          logHeight,
          'least processor ms': Math.min(...ms),
        }),
      );
    }
  });
}

const log = Number(process.argv[2] ?? 10),
  threads = Number(process.argv[3] ?? 1),
  k = await threadedKernels({ threads });
say(`2^${log} compressions, ${threads} threads`);
try {
  commitments(k);
  for (const lie of [false, true])
    if (k.scope(() => accepts(k, 8, lie)) === lie) throw new Error(lie ? 'a false output was proven' : 'an honest proof is refused');
  prove(k, 2 ** log);
} finally {
  k.close();
}
