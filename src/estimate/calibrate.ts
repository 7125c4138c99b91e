import { CircuitChannel } from '../circuit/channel.js';
import { circuitCells } from '../circuit/columns.js';
import { heightsOf } from '../circuit/heights.js';
import { circuitProgram } from '../circuit/program.js';
import { deviceOf } from '../device/current.js';
import * as E from '../field/ext3.js';
import { blake3Stream } from '../hash/blake3.js';
import type { HashName } from '../hash/rows.js';
import type { Kernels } from '../kernels/runtime.js';
import { logUpShape } from '../lookup/shape.js';
import { verifyLogUp } from '../lookup/verify.js';
import type { LeafInput } from '../lookup/leaves.js';
import { proveLogUp } from '../lookup/prove.js';
import { verifyWhir } from '../pcs/verify.js';
import { whirShape } from '../pcs/rounds.js';
import { commitBase } from '../pcs/commit.js';
import { openWhir } from '../pcs/prove.js';
import { DEGREE, MOST_DEGREE, verifyBatched } from '../sumcheck/verify.js';
import { proveBatched } from '../sumcheck/prove.js';
import type { SumFactor } from '../sumcheck/terms.js';
import { IntegerReading } from '../tensor/integer.js';
import type { Program, TensorSpec } from '../tensor/types.js';
import { NativeChannel } from '../transcript/native.js';
import { type Schedule, RecordingChannel } from '../transcript/schedule.js';
import { asDigest } from '../transcript/arith.js';
import { ProverChannel } from '../transcript/prover.js';
import { type TreeWork, openingWork, treeWork } from './counts.js';

/** Seconds of one unit of each of the counts, on this machine with these threads. */
export interface Units {
  readonly mac: number;
  readonly cell: number;
  /** One evaluation, however small. */
  readonly call: number;
  /** A hash of a tree, and a word of a codeword times the variables of its column. */
  readonly hash: number;
  readonly encoded: number;
  /** A hash of a proof that no circuit verifies. */ readonly endHash: number;
  readonly lookupLeaf: number;
  readonly tableLeaf: number;
  readonly layer: number;
  /** A box of lookups in a layer of its variables. */ readonly box: number;
  readonly projected: number;
  readonly termCell: number;
  readonly seventhCell: number;
  readonly termRound: number;
  readonly weight: number;
  readonly opened: number;
  readonly permutation: number;
  /** A permutation and a multiplication of the verifier, which runs on one thread. */
  readonly verifierPermutation: number;
  readonly verifierMultiplication: number;
  /** Recording a circuit with its witness: a row of a permutation, and any other. */
  readonly witnessPermutation: number;
  readonly witnessRow: number;
  /** A byte of a witness that a hiding proof digests. */ readonly digested: number;
}

/**
 * Milliseconds that a measurement goes on for at least: short ones are repeated until the engine has compiled what they
 * run.
 */
const LONG_ENOUGH = 80;

/** Least seconds of several runs: a busy machine only ever makes a run longer. What `prepare` makes is not timed. */
function leastOf<T>(k: Kernels, runs: number, prepare: () => T, f: (x: T) => void): number {
  let best = Number.POSITIVE_INFINITY,
    spent = 0;
  for (let i = 0; i < runs || (spent < LONG_ENOUGH && i < 64); i++) {
    const took = k.scope(() => {
      const x = prepare(),
        t = performance.now();
      f(x);
      return performance.now() - t;
    });
    best = Math.min(best, took);
    spent += took;
  }
  return best / 1000;
}

const scheduleFrom = (f: (ch: RecordingChannel) => void): Schedule => {
  const rec = new RecordingChannel();
  f(rec);
  return rec.schedule;
};
const exts = (k: Kernels, n: number): number => {
  const p = k.alloc(24 * n);
  for (let i = 0; i < 3 * n; i++) k.u64[p / 8 + i] = (BigInt(i) * 0x9e3779b97f4a7c15n) & 0x7fffffffffffffffn;
  return p;
};

const nothing = (): void => {};
const least = (k: Kernels, runs: number, f: () => void): number => leastOf(k, runs, nothing, f);
const product = (sizes: readonly number[]): number => sizes.reduce((x, y) => x * y, 1);

/**
 * Measures the units by running the prover's own parts on small inputs: about four seconds. Gives back all memory that
 * it takes.
 */
export function calibrate(k: Kernels, hashName: HashName = 'poseidon2'): Units {
  return k.scope(() => {
    const words = k.alloc(8 * 2 ** 17);
    for (let i = 0; i < 2 ** 17; i++) k.i64[words / 8 + i] = BigInt(((i * 7919) % 65536) - 32768);
    const trees = treeUnits(k, words, hashName);
    return {
      ...trees,
      ...lookupUnits(k),
      ...sumcheckUnits(k),
      ...projectionUnits(k, words),
      ...openingUnits(k, words, trees),
      permutation: permutationUnit(k),
      ...readingUnits(k),
      ...witnessUnits(),
      digested: digestUnit(),
    };
  });
}

/** The least of two measurements of the units, unit by unit: whatever else a machine does only makes them larger. */
export function leastUnits(a: Units, b: Units): Units {
  const out: { -readonly [N in keyof Units]: number } = { ...a };
  for (const n of Object.keys(a) as (keyof Units)[]) out[n] = Math.min(a[n], b[n]);
  return out;
}

/**
 * Encoding: eight columns of 2^14 rows at rate 1/8. Hashes: trees of one column, in which little is encoded, of 2^15
 * rows where a circuit verifies them, and of 2^17 where none does.
 */
function treeUnits(k: Kernels, words: number, hash: HashName): Pick<Units, 'hash' | 'encoded' | 'endHash'> {
  const height = 14,
    domain = 17,
    d = deviceOf(k),
    encode = leastOf(
      k,
      3,
      () => {
        const twiddles = d.vector(2 ** domain),
          source = d.bring(words, 8 * 2 ** height);
        d.run('twiddles', 2 ** domain, { to: twiddles });
        return { to: d.vector(8 * 2 ** domain), source, twiddles };
      },
      (x) => d.run('encode', 8, { ...x, from: 0, group: 1, height: 2 ** height, signed: true, logDomain: domain }),
    ),
    encoded = encode / treeWork(8, height, domain).encoded,
    each = (h: HashName): number => {
      const logHeight = h === 'blake3' ? 14 : 12,
        all = least(k, 3, () => commitBase(k, words, 1, logHeight, { logInvRate: 3, hash: h })),
        work = treeWork(1, logHeight, logHeight + 3);
      return Math.max(1e-9, all - work.encoded * encoded) / work.hashes;
    },
    endHash = each('blake3');
  return { hash: hash === 'blake3' ? endHash : each(hash), endHash, encoded };
}

/**
 * LogUp: lookups alone, more than caches hold, and a table; a small one for what a layer costs at least, and 32 of its
 * boxes for what each of these does.
 */
function lookupUnits(k: Kernels): Pick<Units, 'layer' | 'box' | 'lookupLeaf' | 'tableLeaf'> {
  const seconds = (dims: number[], table: number, boxes = 1): number =>
    k.scope(() => {
      const shape = logUpShape([
          ...Array.from({ length: boxes }, (_, i) => ({ name: `a${i}`, dims, kind: 'lookup' as const })),
          { name: 't', dims: [table], kind: 'table' },
        ]),
        d = deviceOf(k),
        keys = d.bring(k.zeroed(4 * product(dims)), product(dims) / 2),
        [den, num] = [exts(k, table), exts(k, table)].map((at) => d.bring(at, 3 * table)),
        schedule = scheduleFrom((ch) => verifyLogUp(ch, shape)),
        inputs: LeafInput[] = [
          ...Array.from({ length: boxes }, () => ({ kind: 'range' as const, keys, g: [5n, 7n, 9n] as const })),
          { kind: 'table', den, num },
        ];
      return leastOf(
        k,
        3,
        () => new ProverChannel(schedule),
        (ch) => proveLogUp(k, ch, shape, inputs),
      );
    });
  const small = seconds([64], 64),
    wide = seconds([512, 512], 64),
    tables = seconds([64], 2 ** 16),
    many = seconds([64], 64, 32),
    layer = small / 7;
  return {
    layer,
    box: Math.max(0, many - small - 5 * layer) / (31 * 6),
    lookupLeaf: Math.max(1e-9, wide - 19 * layer) / 2 ** 18,
    tableLeaf: Math.max(1e-9, tables - 17 * layer) / 2 ** 16,
  };
}

/**
 * Batched sumcheck: three factors over 32 x 32 x 16, and over 4 x 4 for what a round costs at least; a seventh power of
 * words over 32 x 512 beside a factor of either axis, as of S-boxes.
 */
function sumcheckUnits(k: Kernels): Pick<Units, 'termCell' | 'seventhCell' | 'termRound'> {
  const few = threeFactors(k, [4, 4]),
    many = threeFactors(k, [32, 32, 16]),
    termRound = few / 4;
  return {
    termCell: Math.max(1e-10, many - 14 * termRound) / (3 * 2 ** 14),
    seventhCell: Math.max(1e-10, seventhPower(k, 32, 512) - 14 * termRound) / 2 ** 14,
    termRound,
  };
}

/** Seconds of a batched sumcheck of one term over a box. `factors` are made before. */
function sumcheckSeconds(
  k: Kernels,
  sizes: readonly number[],
  degree: number,
  factors: readonly SumFactor[],
  of: readonly number[],
): number {
  const axes = sizes.map((size, i) => ({ axis: `x${i}`, size, vars: Math.ceil(Math.log2(size)), degree })),
    schedule = scheduleFrom((ch) => {
      verifyBatched(ch, axes, ch.constant(0n));
    }),
    terms = [{ coef: E.ONE, axes: axes.map((a) => a.axis), factors: of }];
  return leastOf(
    k,
    3,
    () => new ProverChannel(schedule),
    (ch) => proveBatched(k, ch, axes, factors, terms),
  );
}
const threeFactors = (k: Kernels, sizes: readonly number[]): number =>
  k.scope(() => {
    const vec = deviceOf(k).bring(exts(k, product(sizes)), 3 * product(sizes)),
      axes = sizes.map((_, i) => `x${i}`),
      factor: SumFactor = { axes, make: () => vec, scratch: 0 };
    return sumcheckSeconds(k, sizes, DEGREE, [factor, factor, factor], [0, 1, 2]);
  });
const seventhPower = (k: Kernels, boxes: number, rows: number): number =>
  k.scope(() => {
    const d = deviceOf(k),
      [box, row] = [boxes, rows].map((n) => d.bring(exts(k, n), 3 * n)),
      x = k.alloc(8 * boxes * rows);
    for (let i = 0; i < boxes * rows; i++) k.i64[x / 8 + i] = BigInt.asIntN(63, BigInt(i) * 0x9e3779b97f4a7c15n);
    const factors: SumFactor[] = [
      { axes: ['x0'], make: () => box, scratch: 0 },
      { axes: ['x0', 'x1'], words: { vec: d.bring(x, boxes * rows), strides: [rows, 1] }, scratch: 0 },
      { axes: ['x1'], make: () => row, scratch: 0 },
    ];
    return sumcheckSeconds(k, [boxes, rows], MOST_DEGREE, factors, [0, ...Array<number>(7).fill(1), 2]);
  });

/** Projection of 2^17 words, and 2^16 weights of an opening. */
function projectionUnits(k: Kernels, words: number): Pick<Units, 'projected' | 'weight'> {
  return k.scope(() => {
    const desc = k.alloc(64),
      idx = k.alloc(64 * k.threads),
      e = exts(k, 2 ** 9),
      dst = k.zeroed(24 * 2 ** 16),
      vec = exts(k, 2 ** 16);
    k.i32.set([1, 1, 2 ** 8, 2 ** 9, 2 ** 9, 1], desc / 4);
    const project = (): void => k.parallel('project', 2 ** 8, 1, (lo, hi, t) => [dst, words, e, desc, idx + 64 * t, 0, 2 ** 9, lo, hi]),
      weigh = (): void => k.parallel('addOuterCells', 2 ** 16, 1024, (lo, hi) => [dst, e, vec, lo, hi]);
    return { projected: least(k, 3, project) / 2 ** 17, weight: least(k, 3, weigh) / 2 ** 16 };
  });
}

/**
 * Opening of 2^17 cells beside one of 2^11, which takes what does not grow; without what its trees cost. The proof of
 * the large one serves to time the verifier.
 */
function openingUnits(
  k: Kernels,
  words: number,
  trees: Pick<Units, 'hash' | 'encoded'>,
): Pick<Units, 'opened' | 'verifierPermutation' | 'verifierMultiplication'> {
  const few = timedOpening(k, words, 4, 7),
    many = timedOpening(k, words, 7, 10),
    rest = ({ seconds, work }: TimedOpening): number => seconds - work.hashes * trees.hash - work.encoded * trees.encoded;
  return {
    opened: Math.max(1e-9, rest(many) - rest(few)) / (2 ** 17 - 2 ** 11),
    ...verifierUnits(k, many.proof, many.verify, many.counted),
  };
}

interface TimedOpening {
  readonly seconds: number;
  readonly work: TreeWork;
  readonly proof: BigUint64Array;
  readonly verify: (ch: RecordingChannel | NativeChannel) => void;
  readonly counted: RecordingChannel;
}
function timedOpening(k: Kernels, words: number, logColumns: number, logHeight: number): TimedOpening {
  return k.scope(() => {
    const cells = 2 ** (logColumns + logHeight),
      shape = whirShape({ bits: 60, grinding: 0 }, [
        { logColumns, logHeight, logInvRate: 2, trees: [{ parts: [{ used: 2 ** logColumns, offset: 0 }] }] },
      ]),
      oracle = commitBase(k, words, 2 ** logColumns, logHeight, { logInvRate: 2 }, Number.POSITIVE_INFINITY),
      root = oracle.root,
      verify = (ch: RecordingChannel | NativeChannel): void => {
        ch.publicWords('root', root);
        verifyWhir(ch, shape, [
          { roots: [asDigest(root.map((x) => ch.constant(x)))], value: ch.constant(0n), weights: () => ch.constant(0n) },
        ]);
      },
      counted = new RecordingChannel();
    verify(counted);
    const weights = k.alloc(24 * cells);
    let proof: BigUint64Array = new BigUint64Array(0);
    const seconds = leastOf(
      k,
      3,
      () => {
        k.parallel('zeroExt', cells, 4096, (lo, hi) => [weights, lo, hi]);
        return new ProverChannel(counted.schedule);
      },
      (ch) => {
        ch.publicWords('root', root);
        openWhir(k, ch, shape, [
          { oracles: [oracle], f: { length: cells, ptr: words }, w: { length: cells, ptr: weights }, value: E.ZERO },
        ]);
        proof = ch.words();
      },
    );
    return { seconds, work: openingWork(shape), proof, verify, counted };
  });
}

/** The verifier on one thread: a permutation is timed by absorbing, the rest of a verification is multiplications. */
function verifierUnits(
  k: Kernels,
  proof: BigUint64Array,
  verify: (ch: NativeChannel) => void,
  counted: { readonly permutations: number; readonly muls: number },
): Pick<Units, 'verifierPermutation' | 'verifierMultiplication'> {
  const timed = (runs: number, f: (ch: NativeChannel) => void): number =>
    least(k, runs, () => {
      const ch = new NativeChannel(k, proof);
      f(ch);
      ch.close();
    });
  const verifierPermutation = timed(3, (ch) => void ch.read('words', Math.floor(proof.length / 3))) / Math.ceil(proof.length / 8),
    check = timed(2, verify);
  return { verifierPermutation, verifierMultiplication: Math.max(1e-8, check - counted.permutations * verifierPermutation) / counted.muls };
}

/** Permutations of grinding, on all threads. */
function permutationUnit(k: Kernels): number {
  return k.scope(() => {
    const state = k.zeroed(96),
      scratch = k.alloc(128 * k.threads),
      found = k.zeroed(64 * k.threads);
    const grind = (): void =>
      k.parallel('p2GrindTo', k.threads, 1, (lo, hi, t) => [state, scratch + 128 * t, found + 64 * t, 40, lo * 4096, hi * 4096]);
    return least(k, 2, grind) / (4096 * k.threads);
  });
}

/** Digest of 2^18 bytes, on one thread. */
function digestUnit(): number {
  const bytes = new Uint8Array(2 ** 18),
    once = (): number => {
      const t = performance.now();
      const h = blake3Stream();
      h.update(bytes);
      h.digest();
      return performance.now() - t;
    };
  return Math.min(...Array.from({ length: 4 }, once)) / (1000 * bytes.length);
}

/** Recording a circuit with its values and filling its columns: 512 permutations, and 16,384 products. */
function witnessUnits(): Pick<Units, 'witnessPermutation' | 'witnessRow'> {
  const seconds = (record: (ch: CircuitChannel) => void): number => {
    const once = (): number => {
      const t = performance.now(),
        ch = new CircuitChannel(new BigUint64Array(0));
      record(ch);
      const heights = heightsOf(ch);
      circuitCells(ch, { heights, program: circuitProgram(heights), fixed: new Map() });
      return performance.now() - t;
    };
    // Not the least: a process records few circuits, and the engine compiles while it does.
    return Array.from({ length: 4 }, once).reduce((a, b) => a + b, 0) / 4000;
  };
  return {
    witnessPermutation:
      seconds(
        (ch) =>
          void ch.hash(
            0n,
            Array.from({ length: 8 * 512 }, (_, i) => ch.word(BigInt(i))),
          ),
      ) / 512,
    witnessRow:
      seconds((ch) => {
        let x = ch.word(3n);
        for (let i = 0; i < 2 ** 14; i++) x = ch.mulAdd(x, x, x);
      }) /
      2 ** 14,
  };
}

/**
 * Integer reading: a product of 64 x 64 with 64 x 128, the same number of single cells, and two calls on next to
 * nothing.
 */
function readingUnits(k: Kernels): Pick<Units, 'mac' | 'cell' | 'call'> {
  const seconds = (p: Program): number => {
    const inputs = new Map(p.tensors.filter((t) => t.name !== 'z').map((t) => [t.name, filled(product(t.axes.map((a) => p.axes[a])))]));
    return leastOf(
      k,
      3,
      () => new IntegerReading(k, p, inputs),
      (r) => r.run(),
    );
  };
  const calls = seconds(probe(false, 2)),
    cells = seconds(probe(false)),
    contracted = seconds(probe(true));
  return { mac: Math.max(1e-11, contracted - cells) / 2 ** 19, cell: cells / 2 ** 13, call: calls / 3 };
}

const filled = (n: number): BigInt64Array => BigInt64Array.from({ length: n }, (_, i) => BigInt(((i * 31) % 201) - 100));

/** z[a,c] = round(x[a,b] y[b,c]) or round(y0[a,c]). */
function probe(contract: boolean, side = 64): Program {
  const spec = (name: string, ...axes: string[]): TensorSpec => ({ name, axes, cls: 'witness', lo: -(2n ** 40n), hi: 2n ** 40n, frac: 0 }),
    at = (tensor: string, ...axes: string[]) => ({ tensor, access: axes.map((axis) => ({ axis })) });
  return {
    version: 1,
    name: 'probe',
    axes: { l: 1, a: side, b: side, c: 2 * side },
    scan: 'l',
    tensors: [spec('x', 'a', 'b'), spec('y', 'b', 'c'), spec('y0', 'a', 'c'), spec('z', 'a', 'c')],
    tables: [],
    constraints: [],
    steps: [
      {
        op: 'round',
        name: 'z',
        axes: ['a', 'c'],
        phase: 'pre',
        out: at('z', 'a', 'c'),
        shift: 4,
        expr: { constant: 0n, terms: [{ coef: 1n, operands: contract ? [at('x', 'a', 'b'), at('y', 'b', 'c')] : [at('y0', 'a', 'c')] }] },
      },
    ],
    rangeBits: 16,
  };
}
