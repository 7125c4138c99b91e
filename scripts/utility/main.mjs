// npm run utility [-- part ...]: experiments, ablation, reference, stress, plots; without a part, all of them. Needs the fixtures (CERTUNE_FIXTURES).
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fixtures } from './lib.mjs';

const PARTS = ['reference', 'stress', 'ablation', 'experiments', 'plots'];
const [part, ...rest] = process.argv.slice(2);
if (part !== undefined && !PARTS.includes(part)) {
  console.error(`unknown part ${part}: ${PARTS.join(', ')}`);
  process.exit(2);
}
if (!existsSync(join(fixtures, 'data/stories260k'))) {
  console.log(`skipped: no fixtures under ${fixtures} (set CERTUNE_FIXTURES)`);
  process.exit(0);
}
for (const p of part === undefined ? PARTS : [part]) await (await import(`./${p}.mjs`))[p](rest);
