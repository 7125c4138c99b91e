// Benchmarks: node scripts/bench.mjs [kernels] [step] [scaling] [fold] [node] [run] [--json]. Never part of the tests. Each part lists its own options.
// fold: counts of the circuits; node: one leaf, one fold and the end, by phase; run: size and verification of the last proof for 1 and 4 steps
// (longer: node scripts/bench-run.mjs 1 4 32 128).
import { machine, say } from './bench/common.mjs';

const parts = ['kernels', 'step', 'scaling', 'fold', 'node', 'run'];
const asked = parts.filter((p) => process.argv.includes(p)),
  result = { machine: machine() };
for (const part of asked.length ? asked : parts) {
  say(`== ${part}`);
  const { default: run } = await import(`./bench/${part}.mjs`);
  result[part] = await run(process.argv.slice(2));
}
if (process.argv.includes('--json')) console.log(JSON.stringify(result, null, 1));
else {
  const { text } = await import('./bench/table.mjs');
  console.log(text(result));
}
