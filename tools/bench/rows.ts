/**
 * Commits to a million rows of 64 tokens, streamed: seconds and memory of the tree of rows.
 *
 *     node dist-tools/bench/rows.js [rows] [tokens] [threads, default 1]
 */
import { threadedKernels } from 'certune/kernels';
import { RowTree, rowShape } from 'certune/policy';

export interface RowsResult {
  readonly rows: number;
  readonly tokens: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMiB: number;
}

const [rows, tokens, threads] = [1_000_000, 64, 1].map((d, i) => Number(process.argv[2 + i] ?? d)),
  kernels = await threadedKernels({ threads }),
  tree = new RowTree(rowShape(tokens, 512), [1n, 2n, 3n, 4n], kernels),
  mask = new Uint8Array(tokens).fill(1),
  start = performance.now(),
  cpu = process.cpuUsage();
for (let i = 0; i < rows; i++)
  tree.push({ tokens: Int32Array.from({ length: tokens }, (_, t) => (i * 31 + t * 7) % 512), mask, class: i % 5, length: tokens });
const root = tree.root(),
  { user, system } = process.cpuUsage(cpu),
  result: RowsResult = {
    rows,
    tokens,
    seconds: (performance.now() - start) / 1000,
    cpuSeconds: (user + system) / 1e6,
    peakMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  };
if (root.length !== 4) throw new Error('no root');
console.log(JSON.stringify(result));
kernels.close();
