/**
 * npm run utility [-- part ...]: experiments, ablation, reference, stress, plots; without a part, all of them. Needs
 * the fixtures (CERTUNE_FIXTURES).
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ablation } from './ablation.js';
import { experiments } from './experiments.js';
import { fixtures } from './lib.js';
import { plots } from './plots.js';
import { reference } from './reference.js';
import { stress } from './stress.js';

const PARTS: Readonly<Record<string, (args: readonly string[]) => void>> = { reference, stress, ablation, experiments, plots };
const [part, ...rest] = process.argv.slice(2);
if (part !== undefined && !Object.hasOwn(PARTS, part)) {
  console.error(`unknown part ${part}: ${Object.keys(PARTS).join(', ')}`);
  process.exitCode = 2;
} else if (!existsSync(join(fixtures, 'data/stories260k'))) console.log(`skipped: no fixtures under ${fixtures} (set CERTUNE_FIXTURES)`);
else for (const p of part === undefined ? Object.keys(PARTS) : [part]) PARTS[p](rest);
