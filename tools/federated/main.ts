/**
 * npm run federated [-- part ...]: endtoend, scale, utility, planner, bytes, chain, tables, or one measurement by its
 * name (scale-50-0.1); without a part, all of them. What was measured lies under docs/federated as JSON and is not
 * measured again: delete a file for that. What was cut short goes on from .federated. Needs the fixtures.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Kernels, singleKernels } from 'certune/kernels';
import { fixtures, root } from '../fixtures.js';
import { bytesRow } from './bytes.js';
import { chain } from './chain.js';
import { endToEnd } from './endtoend.js';
import { DEMO_SIZE, STORIES_SIZE, TINY_SIZE, hasTexts } from './people.js';
import { planner } from './planner.js';
import { plots } from './plots.js';
import { scale } from './scale.js';
import { BYTES, SCALES, tables } from './tables.js';
import { utility } from './utility.js';

const out = join(root, 'docs/federated'),
  say = (t: string): void => void process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${t}\n`);

type Make = (k: Kernels, dir: string) => unknown;

/** Everything that is measured, by the name of its file. */
const MEASURED: Readonly<Record<string, Make>> = {
  'endtoend-folder': (k, dir) => endToEnd(k, dir, 'folder', say),
  'endtoend-https': (k, dir) => endToEnd(k, dir, 'https', say),
  ...Object.fromEntries(
    SCALES.map(([clients, alpha]): [string, Make] => [
      `scale-${clients}-${alpha}`,
      (k, dir) => scale(k, dir, clients, alpha, { ...DEMO_SIZE, steps: clients === 50 ? 16 : 8 }, 1000, say),
    ]),
  ),
  planner: (_k, dir) => planner(dir, say),
  chain: (k, dir) => chain(k, dir, 200, 5, say),
  utility: (k, dir) => utility(k, dir, 8, 2, 3, 0.3, DEMO_SIZE, say),
  ...Object.fromEntries(
    BYTES.map(([name, steps, learningRate]): [string, Make] => [
      `bytes-${name}-${steps}-${learningRate}`,
      (k, dir) =>
        name === 'stories260k'
          ? bytesRow(k, dir, name, 3, { ...STORIES_SIZE, steps, learningRate })
          : bytesRow(k, dir, name, 6, { ...(name === 'demo' ? DEMO_SIZE : TINY_SIZE), steps, learningRate }),
    ]),
  ),
};

/** Measures what is not there yet. */
async function measured(name: string): Promise<void> {
  const file = join(out, `${name}.json`);
  if (existsSync(file)) {
    say(`${name}: is there`);
    return;
  }
  const dir = mkdtempSync(join(tmpdir(), 'certune-federated-')),
    k = singleKernels();
  try {
    const x = await MEASURED[name](k, dir);
    writeFileSync(
      file,
      `${JSON.stringify(x, (_key, v: unknown) => (typeof v === 'number' && !Number.isInteger(v) ? Number(v.toPrecision(5)) : v), 1)}\n`,
    );
    say(`${name}: done`);
  } finally {
    k.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

const read = (name: string): unknown => {
  const file = join(out, `${name}.json`);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as unknown) : undefined;
};
/** Page and plots, from what was measured. */
function write(): void {
  const drawn = plots(read);
  for (const [name, svg] of drawn) writeFileSync(join(out, name), svg);
  writeFileSync(join(out, 'README.md'), tables(read, [...drawn.keys()]));
}

const GROUPS = ['endtoend', 'scale', 'utility', 'planner', 'bytes', 'chain'],
  of = (part: string): string[] => Object.keys(MEASURED).filter((n) => n === part || (GROUPS.includes(part) && n.startsWith(part))),
  asked = process.argv.slice(2),
  wrong = asked.find((p) => p !== 'tables' && !of(p).length);
mkdirSync(out, { recursive: true });
if (wrong !== undefined) {
  console.error(`unknown part ${wrong}: tables, ${GROUPS.join(', ')}, ${Object.keys(MEASURED).join(', ')}`);
  process.exitCode = 2;
} else if (!hasTexts()) console.log(`skipped: no fixtures under ${fixtures} (set CERTUNE_FIXTURES)`);
else {
  for (const p of asked.length ? asked : GROUPS) for (const n of of(p)) await measured(n);
  write();
}
