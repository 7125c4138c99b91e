import type { Ext } from '../field/ext3.js';
import { P } from '../field/goldilocks.js';
import { poseidon2Rows } from '../hash/rows.js';
import type { Kernels } from '../kernels/runtime.js';
import { CpuDevice } from './cpu.js';
import type { Calls, Device, Vec } from './device.js';
import { WrongDeviceError } from './errors.js';
import { trained } from './self-test-integer.js';
import type { OpeningCalls } from './opening.js';
import { type TestSource, lookedUp } from './self-test-lookup.js';
import { summed } from './self-test-sumcheck.js';

/** Words at which carries and reductions turn. */
const EDGES: readonly bigint[] = [0n, 1n, 2n, P - 1n, P - 2n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 2n ** 32n, P >> 1n];

/** Canonical words: edges, and between them what a generator of numbers makes. */
export function testWords(n: number, seed: bigint): BigUint64Array {
  const out = new BigUint64Array(n);
  let x = seed;
  for (let i = 0; i < n; i++) {
    x = BigInt.asUintN(64, x * 6364136223846793005n + 1442695040888963407n);
    out[i] = i % 3 === 0 ? EDGES[(i / 3) % EDGES.length] : x % P;
  }
  return out;
}

/** Elements of such words. */
export const testExts = (n: number, seed: bigint): Ext[] => {
  const w = testWords(3 * n, seed);
  return Array.from({ length: n }, (_, i) => [w[3 * i], w[3 * i + 1], w[3 * i + 2]]);
};

/** Columns of 2^7 values, 2^10 points, of which the first 2^6 rows are hashed and made into a tree's leaves. */
const COLUMNS = 11;
const LOG = 10;
const HEIGHT = 128;
const ROWS = 64;

/** Words as a vector of a device. */
export const placed = (d: Device, words: BigUint64Array): Vec => {
  const v = d.vector(words.length);
  d.put(v, new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
  return v;
};

/** What a device makes of the test's words, kernel by kernel. */
function results(d: Device): Record<string, BigUint64Array> {
  return d.scope(() => {
    const m = 2 ** LOG,
      twiddles = d.vector(m),
      source = placed(d, testWords(COLUMNS * HEIGHT, 7n)),
      encode = d.vector(m * COLUMNS),
      columns = placed(d, testWords(COLUMNS * ROWS, 11n)),
      leaves = d.vector(4 * ROWS),
      level = d.vector(2 * ROWS);
    d.run('twiddles', m, { to: twiddles });
    d.run('encode', COLUMNS, { to: encode, source, twiddles, from: 0, group: 1, height: HEIGHT, signed: true, logDomain: LOG });
    const rows = d.rows(poseidon2Rows, ROWS, COLUMNS);
    rows.absorb(d.slice(columns, 0, 8 * ROWS), 8);
    rows.absorb(d.slice(columns, 8 * ROWS, (COLUMNS - 8) * ROWS), COLUMNS - 8);
    rows.finish(leaves);
    d.run('level', ROWS / 2, { to: level, from: leaves, hash: poseidon2Rows });
    const places = Uint32Array.from({ length: 100 }, (_, i) => (i * 131) % (m * COLUMNS)),
      [pick] = d.pick([{ from: encode, at: places }]);
    return {
      encode: d.get(encode),
      rows: d.get(leaves),
      level: d.get(level),
      pick,
      ...opened(d),
      ...lookedUp(d, testSource(d)),
      ...summed(d, testSource(d)),
      ...trained(d),
    };
  });
}

/** Test words of a device, other ones every time. */
export function testSource(d: Device): TestSource {
  let seed = 100n;
  return {
    words: (n) => placed(d, testWords(n, seed++)),
    exts: (n) => testExts(n, seed++),
  };
}

/** The kernels of an opening, each over vectors of which the second half is short. */
function opened(d: Device): Record<string, BigUint64Array> {
  const n = 700,
    half = 400,
    [r, z] = [testExts(1, 13n)[0], testExts(2, 17n)[1]],
    out: Record<string, BigUint64Array> = {},
    vector = (seed: bigint, words = 3 * n): Vec => placed(d, testWords(words, seed));
  const after = <K extends keyof OpeningCalls>(kernel: K, count: number, to: Vec, args: Omit<Calls[K], 'to'>): void => {
    d.run(kernel, count, { ...args, to } as Calls[K]);
    out[kernel] = d.get(to);
  };
  after('zero', n, vector(3n, n), {});
  after('copy', n, d.vector(n), { from: vector(3n, n) });
  after('fold', half, d.vector(3 * half), { from: vector(19n), base: false, half, r });
  after('productSums', half, d.vector(6), { f: vector(23n, n), base: true, w: vector(29n), half });
  after('horner', n, d.vector(3), { from: vector(31n), z });
  after('addPowers', n, vector(37n), { z, first: r });
  after('addScaled', n, vector(41n), { from: vector(43n), by: r });
  const claims = testExts(9, 47n).map((coefficient, i) => ({ log: (i * i * 131) % 512, coefficient }));
  after('addClaims', half, vector(53n, 3 * half), { domain: 9, claims });
  const table = d.vector(3 * (n + 1));
  d.run('eqTable', n, { to: table, point: testExts(10, 59n) });
  out['eqTable'] = d.get(d.slice(table, 0, 3 * n));
  after('spread', 200, d.zeroed(3 * n), { from: vector(61n, 600), stride: 3, offset: 2 });
  const blocks = [0, 64, 128, 64, 96].map((at, i) => ({
    at,
    coefficient: testExts(5, 67n)[i],
    axes: [
      { log: 2, table: 8 * i },
      { log: 0, only: 0 },
      i === 1 ? { log: 2, only: 3 } : { log: 2, table: 40 + i },
      { log: i === 4 ? 1 : 2, table: 9 },
    ],
  }));
  after('addProducts', n, vector(71n), { tables: vector(73n), blocks });
  return out;
}

/** Compares a device with the CPU's kernels, word for word. Throws WrongDeviceError, and DeviceError as the device. */
export function selfTest(k: Kernels, d: Device): void {
  const mine = results(d),
    right = results(new CpuDevice(k));
  for (const [name, words] of Object.entries(right)) {
    const at = words.findIndex((w, i) => w !== mine[name][i]);
    if (at >= 0) throw new WrongDeviceError(d.name, `the self-test of ${name} differs in word ${at}`);
  }
}
