import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/*
 * A process that stands in for the one that proves: it reads what its job reads and offers what was proved before, so
 * that a whole farm, its commands and its processes, goes through faults in seconds. It takes the place of
 * child-main.js (dist/joined or dist/engine) in commands that are started with the environment that this gives.
 */

export interface StandIn {
  /** Results by the keys of their jobs. */ readonly results: ReadonlyMap<string, Uint8Array>;
  /** Milliseconds that a job takes. */ readonly ms?: number;
  /** Beginning of the keys of jobs that never end. */ readonly hangs?: string;
}

const PROGRAM = `import { existsSync, readFileSync } from 'node:fs';
import { openStore } from '@DIST@/engine/open.js';
const { CERTUNE_TEST_RESULTS: at, CERTUNE_TEST_MS: ms, CERTUNE_TEST_HANGS: hangs } = process.env;
let store;
process.on('disconnect', () => process.exit(0));
for (const s of ['SIGINT', 'SIGTERM']) process.on(s, () => {});
process.on('message', async (m) => {
  if (m.open) {
    store = openStore(m.open.store, m.open.seal === undefined ? undefined : Buffer.from(m.open.seal, 'hex'));
    return;
  }
  const { key, kind } = m.job, s = await store;
  process.send({ phase: 'step 0: stand-in for ' + kind });
  await new Promise((r) => setTimeout(r, Number(ms)));
  if (hangs && key.startsWith(hangs)) return;
  const lost = (of) => process.send({ failed: { kind: 'input', code: 'lost', message: 'gone', lines: [], of } });
  if (kind === 'segment') {
    const c = await s.record('checkpoints/' + key);
    try { await s.get(c.object); } catch { return lost('checkpoint'); }
  }
  const file = at + '/' + key;
  if (!existsSync(file)) {
    console.error('no result of ' + kind + ' is known');
    process.exit(9);
  }
  const bytes = new Uint8Array(readFileSync(file));
  process.send({ done: { object: await s.put(bytes), size: bytes.length, seconds: 0.001 }, resident: 1 });
});
`;

/** Environment of a command whose jobs are done by a stand-in. */
export function standIn(dir: string, dist: URL, o: StandIn): NodeJS.ProcessEnv {
  const results = join(dir, 'results'),
    program = join(dir, 'stand-in.mjs'),
    hook = join(dir, 'hook.mjs');
  mkdirSync(results, { recursive: true });
  for (const [key, bytes] of o.results) writeFileSync(join(results, key), bytes);
  writeFileSync(program, PROGRAM.replace('@DIST@', dist.href.replace(/\/$/, '')));
  const resolve = `export async function resolve(name, context, next) {
    return /\\/child-main\\.js$/.test(name) ? { url: ${JSON.stringify(`file://${program}`)}, shortCircuit: true } : next(name, context);
  }`;
  writeFileSync(
    hook,
    `import { register } from 'node:module';\nregister('data:text/javascript,' + encodeURIComponent(${JSON.stringify(resolve)}));\n`,
  );
  return {
    ...process.env,
    NODE_OPTIONS: `--import ${hook}`,
    CERTUNE_TEST_RESULTS: results,
    CERTUNE_TEST_MS: String(o.ms ?? 0),
    CERTUNE_TEST_HANGS: o.hangs ?? '',
  };
}
