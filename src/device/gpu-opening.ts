import type { Ext } from '../field/ext3.js';
import { root } from '../field/goldilocks.js';
import type { ShaderName } from './commands.js';
import type { Vec } from './device.js';
import type { Item } from './gpu-batch.js';
import type { OpeningCalls, ProductBlock } from './opening.js';
import { RUN } from './wgsl/opening.js';

/** A work item of a launch: see gpu-batch.ts. */
export type BatchItem = Omit<Item, 'vecs'> & { readonly vecs: readonly Vec[] };

/** What kernels need of a device of WebGPU. */
export interface Launcher {
  vector(words: number): Vec;
  slice(v: Vec, from: number, words: number): Vec;
  put(v: Vec, data: Uint8Array): void;
  scope<T>(f: () => T): T;
  launch(shader: ShaderName, n: number, operands: readonly Vec[], scalars: readonly number[]): void;
  /** A shader over work items; `gathered`: slabs that they name by number. */
  batch(shader: ShaderName, items: readonly BatchItem[], scalars: readonly number[], gathered?: readonly number[]): void;
  /** The slab of a vector, and its first word there. */
  slabOf(v: Vec): number;
  placeOf(v: Vec): number;
}

/** The halves of words, as scalars of a launch. */
export const halves = (words: readonly bigint[]): number[] => words.flatMap((w) => [Number(w & 0xffffffffn), Number(w >> 32n)]);
/** Two numbers of 32 bits in a word. */
const pair = (low: number, high: number): bigint => BigInt(low >>> 0) | (BigInt(high >>> 0) << 32n);

function placed(g: Launcher, words: readonly bigint[]): Vec {
  const v = g.vector(words.length);
  g.put(v, new Uint8Array(BigUint64Array.from(words).buffer));
  return v;
}

/** Entries that a workgroup adds up at least, and workgroups at most. */
const ENTRIES = 1024;
const GROUPS = 1024;

/** Sums of `words` words over the entries of some vectors: of every workgroup, then of all. */
function summed(
  g: Launcher,
  shader: ShaderName,
  n: number,
  to: Vec,
  words: number,
  from: readonly Vec[],
  scalars: readonly number[],
): void {
  // The sum over nothing is the work of one group too.
  const groups = Math.max(1, Math.min(GROUPS, Math.ceil(n / ENTRIES)));
  if (groups === 1) {
    g.launch(shader, 1, [to, ...from], [n, ...scalars]);
    return;
  }
  g.scope(() => {
    const parts = g.vector(words * groups);
    g.launch(shader, groups, [parts, ...from], [n, ...scalars]);
    g.launch('total', words, [to, parts], [groups, words]);
  });
}

/** Blocks that are the same cells, and how many of these there are. */
interface Cells {
  readonly at: number;
  readonly log: number;
  readonly blocks: ProductBlock[];
}

/**
 * Blocks by launch: within one, threads write to different cells. Of two that share cells, and not all of them, one
 * waits for the other.
 */
function launches(blocks: readonly ProductBlock[]): Cells[][] {
  const same = new Map<string, Cells>();
  for (const b of blocks) {
    const log = b.axes.reduce((s, a) => s + a.log, 0),
      key = `${b.at} ${log}`,
      old = same.get(key);
    if (old) old.blocks.push(b);
    else same.set(key, { at: b.at, log, blocks: [b] });
  }
  const out: { end: number; cells: Cells[] }[] = [];
  for (const c of [...same.values()].sort((a, b) => a.at - b.at || b.log - a.log)) {
    let launch = out.find((l) => l.end <= c.at);
    if (!launch) out.push((launch = { end: 0, cells: [] }));
    launch.cells.push(c);
    launch.end = c.at + 2 ** c.log;
  }
  return out.map((l) => l.cells);
}

/** The table of a launch: for all cells [first thread, cell], [first item, items]; then items, axes in reverse. */
function tableOf(cells: readonly Cells[]): { table: bigint[]; n: number } {
  const head: bigint[] = [],
    items: bigint[] = [];
  let n = 0;
  for (const { at, log, blocks } of cells) {
    head.push(pair(n, at), pair(2 * cells.length + items.length, blocks.length));
    n += 2 ** log;
    for (const { coefficient, axes } of blocks) {
      items.push(...coefficient, pair(axes.length, 0));
      for (const a of [...axes].reverse()) items.push('table' in a ? pair(a.log, a.table) : pair(a.log + 2 ** 31, a.only));
    }
  }
  return { table: [...head, ...items], n };
}

/** Kernels of an opening as launches. */
export const gpuOpening: { readonly [C in keyof OpeningCalls]: (g: Launcher, n: number, a: OpeningCalls[C]) => void } = {
  zero: (g, n, { to }) => g.launch('zero', n, [to], []),
  copy: (g, n, { to, from }) => g.launch('copy', n, [to, from], []),
  fold: (g, n, { to, from, base, half, r }) =>
    g.launch('fold', n, [to, from], [base ? 1 : 0, half, from.words / (base ? 1 : 3), ...halves(r)]),
  productSums: (g, n, { to, f, base, w, half }) => summed(g, 'productSums', n, to, 6, [f, w], [base ? 1 : 0, half, w.words / 3]),
  horner: (g, n, { to, from, z }) => summed(g, 'horner', n, to, 3, [from], halves(z)),
  addPowers: (g, n, { to, z, first }) => g.launch('addPowers', Math.ceil(n / RUN), [to], [n, ...halves(z), ...halves(first)]),
  addScaled: (g, n, { to, from, by }) => g.launch('addScaled', n, [to, from], halves(by)),
  addClaims: (g, n, { to, domain, claims }) =>
    g.scope(() => {
      const twiddles = g.vector(2 ** domain),
        list = placed(
          g,
          claims.flatMap(({ log, coefficient }): bigint[] => [BigInt(log), ...coefficient]),
        );
      g.launch('twiddles', 2 ** domain, [twiddles], halves([root(domain)]));
      g.launch('addClaims', n, [to, twiddles, list], [claims.length, domain]);
    }),
  eqTable: (g, n, { to, point }) =>
    g.scope(() => {
      const list = placed(
        g,
        point.flatMap((x: Ext) => [...x]),
      );
      g.launch('eqTable', n, [to, list], [point.length]);
    }),
  spread: (g, n, { to, from, stride, offset }) => g.launch('spread', n, [to, from], [stride, offset]),
  addProducts: (g, _n, { to, tables, blocks }) => {
    for (const cells of launches(blocks))
      g.scope(() => {
        const { table, n } = tableOf(cells);
        g.launch('addProducts', n, [to, tables, placed(g, table)], [cells.length]);
      });
  },
};
