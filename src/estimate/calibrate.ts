import * as E from '../field/ext3.js';
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
import { DEGREE, verifyBatched } from '../sumcheck/verify.js';
import { proveBatched } from '../sumcheck/prove.js';
import { IntegerReading } from '../tensor/integer.js';
import type { Program, TensorSpec } from '../tensor/types.js';
import { NativeChannel } from '../transcript/native.js';
import { type Schedule, RecordingChannel } from '../transcript/schedule.js';
import { asDigest } from '../transcript/arith.js';
import { ProverChannel } from '../transcript/prover.js';

/** Seconds of one unit of each of the counts, on this machine with these threads. */
export interface Units {
  readonly mac: number;
  readonly cell: number;
  /** One evaluation, however small. */
  readonly call: number;
  readonly hash: number;
  /** The same of the hash of a proof that no circuit verifies. */ readonly endHash: number;
  readonly lookupLeaf: number;
  readonly tableLeaf: number;
  readonly layer: number;
  readonly projected: number;
  readonly termCell: number;
  readonly termRound: number;
  readonly weight: number;
  readonly opened: number;
  readonly permutation: number;
  /** A permutation and a multiplication of the verifier, which runs on one thread. */
  readonly verifierPermutation: number;
  readonly verifierMultiplication: number;
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
 * Measures the units by running the prover's own parts on small inputs: about two seconds. Gives back all memory that
 * it takes.
 */
export function calibrate(k: Kernels, hashName: HashName = 'poseidon2'): Units {
  return k.scope(() => {
    const words = k.alloc(8 * 2 ** 17);
    for (let i = 0; i < 2 ** 17; i++) k.i64[words / 8 + i] = BigInt(((i * 7919) % 65536) - 32768);
    const hash = hashUnit(k, words, hashName);
    return {
      hash,
      endHash: hashUnit(k, words, 'blake3'),
      ...lookupUnits(k),
      ...sumcheckUnits(k),
      ...projectionUnits(k, words),
      ...openingUnits(k, words, hash),
      permutation: permutationUnit(k),
      ...readingUnits(k),
    };
  });
}

/** Trees: 16 columns of 2^13 rows at rate 1/4. */
function hashUnit(k: Kernels, words: number, hash: HashName): number {
  return least(k, 3, () => commitBase(k, words, 16, 13, { logInvRate: 2, hash })) / (2 ** 15 * 3);
}

/** LogUp: lookups alone, then the same with a table; a small one for what a layer costs at least. */
function lookupUnits(k: Kernels): Pick<Units, 'layer' | 'lookupLeaf' | 'tableLeaf'> {
  const seconds = (dims: number[], table: number): number =>
    k.scope(() => {
      const shape = logUpShape([
          { name: 'a', dims, kind: 'lookup' },
          { name: 't', dims: [table], kind: 'table' },
        ]),
        keys = k.zeroed(4 * product(dims)),
        den = exts(k, table),
        num = exts(k, table),
        schedule = scheduleFrom((ch) => verifyLogUp(ch, shape)),
        inputs: LeafInput[] = [
          { kind: 'range', keys, g: [5n, 7n, 9n] },
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
    wide = seconds([512, 256], 64),
    tables = seconds([64], 2 ** 16),
    layer = small / 7;
  return {
    layer,
    lookupLeaf: Math.max(1e-9, wide - 18 * layer) / 2 ** 17,
    tableLeaf: Math.max(1e-9, tables - 17 * layer) / 2 ** 16,
  };
}

/** Batched sumcheck: three factors over 32 x 32 x 16, and over 4 x 4 for what a round costs at least. */
function sumcheckUnits(k: Kernels): Pick<Units, 'termCell' | 'termRound'> {
  const seconds = (sizes: number[]): number =>
    k.scope(() => {
      const axes = sizes.map((s, i) => ({ axis: `x${i}`, size: s, vars: Math.ceil(Math.log2(s)), degree: DEGREE })),
        names = axes.map((a) => a.axis),
        ptr = exts(k, product(sizes)),
        schedule = scheduleFrom((ch) => {
          verifyBatched(ch, axes, ch.constant(0n));
        });
      const factors = [0, 1, 2].map(() => ({ axes: names, make: () => ptr, scratch: 0 })),
        terms = [{ coef: E.ONE, axes: names, factors: [0, 1, 2] }];
      return leastOf(
        k,
        3,
        () => new ProverChannel(schedule),
        (ch) => proveBatched(k, ch, axes, factors, terms),
      );
    });
  const few = seconds([4, 4]),
    many = seconds([32, 32, 16]),
    termRound = few / 4;
  return { termCell: Math.max(1e-10, many - 14 * termRound) / (3 * 2 ** 14), termRound };
}

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

/** Opening of 2^17 cells: what its trees cost apart. Its proof serves to time the verifier. */
function openingUnits(k: Kernels, words: number, hash: number): Pick<Units, 'opened' | 'verifierPermutation' | 'verifierMultiplication'> {
  return k.scope(() => {
    const shape = whirShape({ bits: 60, grinding: 0 }, [
        { logColumns: 7, logHeight: 10, logInvRate: 2, trees: [{ parts: [{ used: 128, offset: 0 }] }] },
      ]),
      oracle = commitBase(k, words, 128, 10, { logInvRate: 2 }),
      root = oracle.root;
    const verify = (ch: RecordingChannel | NativeChannel): void => {
      ch.publicWords('root', root);
      verifyWhir(ch, shape, [
        { roots: [asDigest(root.map((x) => ch.constant(x)))], value: ch.constant(0n), weights: () => ch.constant(0n) },
      ]);
    };
    const rec = new RecordingChannel();
    verify(rec);
    const weights = k.alloc(24 * 2 ** 17);
    let proof: BigUint64Array = new BigUint64Array(0);
    const open = leastOf(
      k,
      3,
      () => new ProverChannel(rec.schedule),
      (ch) => {
        k.parallel('zeroExt', 2 ** 17, 4096, (lo, hi) => [weights, lo, hi]);
        ch.publicWords('root', root);
        openWhir(k, ch, shape, [
          { oracles: [oracle], f: { length: 2 ** 17, ptr: words }, w: { length: 2 ** 17, ptr: weights }, value: E.ZERO },
        ]);
        proof = ch.words();
      },
    );
    const inner = shape.rounds.reduce((n, r) => n + 2 ** r.domain * (Math.ceil((3 * r.used) / 8) + 1), 0);
    return { opened: Math.max(1e-9, open - inner * hash) / 2 ** 17, ...verifierUnits(k, proof, verify, rec) };
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
