import * as E from '../src/field/ext3.js';
import * as F from '../src/field/goldilocks.js';
import { CpuDevice } from '../src/device/cpu.js';
import type { Device } from '../src/device/device.js';
import { Engine } from '../src/device/engine.js';
import { SHADERS } from '../src/device/commands.js';
import type { Gpu } from '../src/device/gpu.js';
import { placed, testWords } from '../src/device/self-test.js';
import type { Form } from '../src/device/wgsl/field.js';
import { type At, type Shader, shaderSource } from '../src/device/wgsl/shader.js';
import { poseidon2Rows } from '../src/hash/rows.js';
import type { Kernels } from '../src/kernels/runtime.js';
import { integerCases, keysWithoutRow } from './device-integer.js';
import { openingCases, productMessages } from './device-opening.js';

/*
 * What a device must do as the CPU does it, word for word: run in a browser, or in Node where there is the package
 * webgpu. Each function gives the names of what differs.
 */

/** Where two lists of words differ first; -1 where they are the same. */
const differ = (a: BigUint64Array, b: BigUint64Array): number => (a.length === b.length ? a.findIndex((w, i) => w !== b[i]) : 0);

interface Encoding {
  readonly log: number;
  readonly height: number;
  readonly group?: number;
  readonly from?: number;
  readonly n: number;
  readonly signed?: boolean;
}
/** One cell, odd heights, whole domains, several passes, records of three words from within one, no column at all. */
const ENCODINGS: readonly Encoding[] = [
  { log: 0, height: 1, n: 1 },
  { log: 1, height: 1, n: 3, signed: true },
  { log: 2, height: 4, n: 2 },
  { log: 3, height: 5, n: 3, signed: true },
  { log: 6, height: 33, group: 3, from: 2, n: 5 },
  { log: 11, height: 700, n: 2, signed: true },
  { log: 12, height: 1024, n: 2, signed: true },
  { log: 12, height: 999, group: 3, from: 1, n: 3 },
  { log: 14, height: 1, n: 1 },
  { log: 4, height: 4, n: 0 },
];

function encoded(d: Device, e: Encoding): BigUint64Array {
  const { log, height, group = 1, from = 0, n, signed = false } = e;
  return d.scope(() => {
    const m = 2 ** log,
      twiddles = d.vector(m),
      words = testWords(height * group * Math.ceil((from + n) / group), BigInt(log + 1)),
      source = placed(d, signed ? words.map((w) => BigInt.asUintN(64, F.toSigned(w))) : words),
      to = d.vector(n * m);
    d.run('twiddles', m, { to: twiddles });
    d.run('encode', n, { to, source, twiddles, from, group, height, signed, logDomain: log });
    return d.get(to);
  });
}

/** Rows and words of them: one, a part of a block, a block, and more. */
const ROWS: readonly (readonly [number, number])[] = [
  [1, 1],
  [5, 7],
  [3, 8],
  [65, 9],
  [4, 21],
];
function hashed(d: Device, rows: number, words: number): BigUint64Array {
  return d.scope(() => {
    const columns = placed(d, testWords(rows * words, BigInt(rows))),
      to = d.vector(4 * rows),
      h = d.rows(poseidon2Rows, rows, words);
    for (let w = 0; w < words; w += 8) h.absorb(d.slice(columns, w * rows, Math.min(8, words - w) * rows), Math.min(8, words - w));
    h.finish(to);
    return d.get(to);
  });
}

function levelled(d: Device, pairs: number): BigUint64Array {
  return d.scope(() => {
    const from = placed(d, testWords(8 * pairs, 5n)),
      to = d.vector(4 * pairs);
    d.run('level', pairs, { to, from, hash: poseidon2Rows });
    return d.get(to);
  });
}

/**
 * Kernels whose words differ from the CPU's, with the sizes. `long`: also those whose straight code takes the compiler
 * of a software adapter minutes.
 */
export function kernelsThatDiffer(k: Kernels, d: Device, long = true): string[] {
  const cpu = new CpuDevice(k),
    bad: string[] = [],
    same = (name: string, f: (x: Device) => BigUint64Array): void => {
      const at = differ(
        f(d),
        k.scope(() => f(cpu)),
      );
      if (at >= 0) bad.push(`${name}: word ${at}`);
    };
  for (const e of ENCODINGS) same(`encode ${JSON.stringify(e)}`, (x) => encoded(x, e));
  for (const [rows, words] of long ? ROWS : []) same(`rows ${rows} x ${words}`, (x) => hashed(x, rows, words));
  for (const pairs of long ? [1, 3, 70] : []) same(`level ${pairs}`, (x) => levelled(x, pairs));
  for (const [name, f] of long ? Object.entries(openingCases) : []) same(name, f);
  for (const [name, f] of Object.entries(integerCases)) same(name, f);
  if (keysWithoutRow(d) !== 5) bad.push('keys without a row');
  for (const [n, vars] of long
    ? [
        [1, 0],
        [100, 7],
        [701, 10],
      ]
    : [])
    same(`product sumcheck over ${n}`, (x) => productMessages(k, x, n, vars));
  same('pick', (x) =>
    x.scope(() => {
      const a = placed(x, testWords(9, 3n)),
        b = placed(x, testWords(70, 4n));
      const parts = [[8, 0, 8], [], [69]].map((at, i) => ({ from: i === 1 ? a : i ? b : a, at: Uint32Array.from(at) }));
      return BigUint64Array.from(x.pick(parts).flatMap((w) => [...w]));
    }),
  );
  same('nothing', (x) => x.scope(() => BigUint64Array.from([...x.get(x.vector(0)), ...x.pick([]).flatMap((w) => [...w])])));
  return bad;
}

const triple = (at: At, i: string): string => `E(${[0, 1, 2].map((c) => at(`3u * ${i} + ${c}u`)).join(', ')})`;
/** Operations on two words: their code, and what they are. */
const WORDS: Record<string, readonly [string, (a: bigint, b: bigint) => bigint]> = {
  mul: ['mul(a, b)', F.mul],
  add: ['add(a, b)', F.add],
  sub: ['sub(a, b)', F.sub],
  square: ['canonical(squareLazy(a))', (a) => F.mul(a, a)],
  halved: ['halved(a)', (a) => F.mul(a, F.inv(2n))],
  residue: ['residue(a)', (a) => F.mod(BigInt.asIntN(64, a))],
  negated: ['negated(a)', (a) => F.sub(0n, a)],
  power: ['power(a, b.x & 31u)', (a, b) => F.pow(a, b & 31n)],
};
const ELEMENTS: Record<string, readonly [string, (a: E.Ext, b: E.Ext) => E.Ext]> = {
  mulE: ['mulE(a, b)', E.mul],
  addE: ['addE(a, b)', E.add],
  subE: ['subE(a, b)', E.sub],
  scaleE: ['scaleE(a, b.b)', (a, b) => E.mulBase(a, b[1])],
};
/** One operation a shader: a software adapter's compiler takes minutes for several products in a row. */
const binary = (code: (to: At, x: At, y: At) => string, uses?: 'extension'): Shader => ({
  operands: ['to', 'x', 'y'],
  scalars: [],
  threads: 64,
  ...(uses ? { uses } : {}),
  code: ({ to, x, y }) => ({ body: code(to, x, y) }),
});
const ARITHMETIC: Record<string, Shader> = Object.fromEntries([
  ...Object.entries(WORDS).map(([name, [code]]): [string, Shader] => [
    name,
    binary((to, x, y) => `let a = ${x('unit')};\n    let b = ${y('unit')};\n    ${to('unit')} = ${code};`),
  ]),
  ...Object.entries(ELEMENTS).map(([name, [code]]): [string, Shader] => [
    name,
    binary(
      (to, x, y) => `let a = ${triple(x, 'unit')};
    let b = ${triple(y, 'unit')};
    let z = ${code};
    ${['a', 'b', 'c'].map((c, i) => `${to(`3u * unit + ${i}u`)} = z.${c};`).join('\n    ')}`,
      'extension',
    ),
  ]),
]);

/** Slabs of the operands of a shader: one for all, or one for each; and others that it reads by number. */
export function placesOf(s: Shader): number[][] {
  const more = s.gathers ? [0, 1] : [],
    n = s.operands.length;
  return [
    [...s.operands.map(() => 0), ...more.map(() => 0)],
    [...s.operands.map((_, i) => i), ...more.map((x) => n - 1 + x)],
  ];
}

/** What the front end of a WebGPU says of every shader in a form, operands in one slab and in many: errors only. */
export async function shadersThatAreRefused(gpu: Gpu, form: Form): Promise<string[]> {
  const device = await (await gpu.requestAdapter())!.requestDevice({ requiredLimits: {} }),
    bad: string[] = [];
  for (const [name, s] of Object.entries(SHADERS))
    for (const places of placesOf(s)) {
      device.pushErrorScope('validation');
      const module = device.createShaderModule({ code: shaderSource(s, places, form) }) as Compiled,
        { messages } = await module.getCompilationInfo(),
        e = await device.popErrorScope();
      for (const m of messages) if (m.type === 'error') bad.push(`${form} ${name}: ${m.lineNum}: ${m.message}`);
      if (e) bad.push(`${form} ${name}: ${e.message}`);
    }
  device.destroy();
  return bad;
}
interface Compiled {
  getCompilationInfo(): Promise<{
    readonly messages: readonly { readonly type: string; readonly lineNum: number; readonly message: string }[];
  }>;
}

/** Field operations that differ from the definitions, in a form of the shaders. */
export async function arithmeticThatDiffers(gpu: Gpu, form: Form): Promise<string[]> {
  const adapter = (await gpu.requestAdapter())!,
    e = await Engine.open(gpu, adapter, form, ARITHMETIC),
    n = 99,
    x = testWords(3 * n, 1n),
    // Every edge meets every other one.
    y = testWords(3 * n, 2n).map((_, i, all) => all[(i + 3 * Math.floor(i / 30)) % all.length]),
    bytes = (w: BigUint64Array): Uint8Array<ArrayBuffer> => new Uint8Array(w.buffer as ArrayBuffer, w.byteOffset, w.byteLength),
    span = (at: number, words: number) => ({ slab: 0, at, words }),
    bad: string[] = [];
  const compute = async (shader: string, count: number, words: number): Promise<BigUint64Array> => {
    await e.run([{ do: 'launch', shader, n: count, operands: [span(6 * n, words), span(0, 3 * n), span(3 * n, 3 * n)], scalars: [] }]);
    const out = await e.read([span(6 * n, words)]);
    if (!(out instanceof Uint8Array)) throw new Error(`${form} ${shader}: ${out.message}`);
    return new BigUint64Array(out.buffer as ArrayBuffer);
  };
  await e.run([
    { do: 'slab', bytes: 8 * 32 * n },
    { do: 'write', to: span(0, 3 * n), data: bytes(x) },
    { do: 'write', to: span(3 * n, 3 * n), data: bytes(y) },
  ]);
  for (const [name, [, f]] of Object.entries(WORDS)) {
    const got = await compute(name, n, n);
    for (let i = 0; i < n; i++) if (got[i] !== f(x[i], y[i])) bad.push(`${form} ${name} of ${x[i]} and ${y[i]}`);
  }
  for (const [name, [, f]] of Object.entries(ELEMENTS)) {
    const got = await compute(name, n, 3 * n),
      at = (w: BigUint64Array, i: number): E.Ext => [w[3 * i], w[3 * i + 1], w[3 * i + 2]];
    for (let i = 0; i < n; i++) if (!E.eq(at(got, i), f(at(x, i), at(y, i)))) bad.push(`${form} ${name} of ${at(x, i)} and ${at(y, i)}`);
  }
  e.close();
  return bad;
}
