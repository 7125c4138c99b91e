/**
 * npm run federated [-- part ...]: endtoend, scale, utility, tables; without a part, all of them. What was measured
 * lies under docs/federated as JSON and is not measured again: delete a file for that. Needs the fixtures.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Kernels, singleKernels } from 'certune/kernels';
import { fixtures, root } from '../fixtures.js';
import { endToEnd } from './endtoend.js';
import { TINY_SIZE, hasTexts } from './people.js';
import { scale } from './scale.js';
import { tables } from './tables.js';
import { utility } from './utility.js';

const out = join(root, 'docs/federated'),
  say = (t: string): void => void process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${t}\n`);

/** Measures what is not there yet. */
async function measured(name: string, make: (k: Kernels, dir: string) => unknown): Promise<void> {
  const file = join(out, `${name}.json`);
  if (existsSync(file)) {
    say(`${name}: is there`);
    return;
  }
  const dir = mkdtempSync(join(tmpdir(), 'certune-federated-')),
    k = singleKernels();
  try {
    const x = await make(k, dir);
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

const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  endtoend: async () => {
    for (const t of ['folder', 'https'] as const) await measured(`endtoend-${t}`, (k, dir) => endToEnd(k, dir, t, say));
  },
  scale: async () => {
    for (const clients of [50, 200])
      for (const alpha of [0.1, 0.3])
        await measured(`scale-${clients}-${alpha}`, (k, dir) => scale(k, dir, clients, alpha, TINY_SIZE, 1000, say));
  },
  utility: () => measured('utility', (k, dir) => utility(k, dir, 10, 2, 3, 0.3, { ...TINY_SIZE, steps: 8 }, say)),
  tables: async () =>
    writeFileSync(
      join(out, 'README.md'),
      tables((name) => {
        const file = join(out, `${name}.json`);
        return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as unknown) : undefined;
      }),
    ),
};
const wanted = process.argv.slice(2),
  wrong = wanted.filter((p) => !Object.hasOwn(PARTS, p));
mkdirSync(out, { recursive: true });
if (wrong.length) {
  console.error(`unknown part ${wrong[0]}: ${Object.keys(PARTS).join(', ')}`);
  process.exitCode = 2;
} else if (!hasTexts()) console.log(`skipped: no fixtures under ${fixtures} (set CERTUNE_FIXTURES)`);
else for (const p of wanted.length ? wanted : Object.keys(PARTS)) await PARTS[p]();
