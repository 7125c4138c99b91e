// Benchmarks: node scripts/bench.mjs [kernels] [step] [scaling] [fold] [--json]. Never part of the tests. Each part lists its own options.
import { machine, say } from './bench/common.mjs';

const parts = ['kernels', 'step', 'scaling', 'fold'];
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
