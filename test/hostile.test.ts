import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { CORPUS } from './hostile-corpus.js';

/*
 * Every file of the corpus is answered by a typed error within five seconds of computing and 512 MiB. The memory is a
 * limit of the system; seconds are those that the process computed, not those that passed, and on a machine that takes
 * longer for a fixed piece of work they count for less.
 */

const bin = fileURLToPath(new URL('../bin/certune.js', import.meta.url)),
  home = mkdtempSync(join(tmpdir(), 'certune-hostile-')),
  meter = join(home, 'meter.mjs'),
  MIB = 512,
  SECONDS = 5;
afterAll(() => rmSync(home, { recursive: true, force: true }));
writeFileSync(
  meter,
  `import { writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
if (isMainThread) process.on('exit', () => {
  const r = process.resourceUsage();
  writeFileSync(process.env.CERTUNE_METER, JSON.stringify({ kib: r.maxRSS, seconds: (r.userCPUTime + r.systemCPUTime) / 1e6 }));
});
`,
);

interface Met {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
  readonly seconds: number;
  readonly mib: number;
}
let n = 0;
/** Runs the command line under the limits; twelve times the seconds end it whatever it does. */
function meet(args: readonly string[]): Met {
  const file = join(home, `meter-${n++}.json`),
    limits = process.platform === 'linux' ? `ulimit -d ${MIB * 1024}; ulimit -t ${12 * SECONDS}; ` : '',
    r = spawnSync('sh', ['-c', `${limits}exec "$0" "$@"`, process.execPath, '--import', meter, bin, ...args, '--json'], {
      encoding: 'utf8',
      env: { ...process.env, CERTUNE_METER: file },
      maxBuffer: 2 ** 26,
    });
  let used = { kib: Number.NaN, seconds: Number.NaN };
  try {
    used = JSON.parse(readFileSync(file, 'utf8')) as typeof used;
  } catch {
    // Ended from outside.
  }
  return { status: r.status, out: r.stdout, err: r.stderr, seconds: used.seconds, mib: used.kib / 1024 };
}

// Half a second of computing where five are the limit: starting, and nothing else.
const unit = Math.max(1, meet(['--version']).seconds / 0.6);

describe(`hostile files: ${CORPUS.length} of them, within ${SECONDS} seconds and ${MIB} MiB`, () => {
  it('are at least 40', () => expect(CORPUS.length).toBeGreaterThanOrEqual(40));
  it.each(CORPUS.map((x) => [x.name, x] as const))('%s', (_, x) => {
    const dir = join(home, `c${n}`);
    mkdirSync(dir);
    const r = meet(x.make(dir));
    rmSync(dir, { recursive: true, force: true });
    const said = `${r.status} ${r.seconds.toFixed(1)} s, ${r.mib.toFixed(0)} MiB: ${r.out.slice(0, 300)} ${r.err.slice(0, 300)}`;
    if (process.env['CERTUNE_SHOW']) console.log(`${x.name}: ${said.slice(0, 240)}`);
    expect(x.exits ?? [2, 3], said).toContain(r.status);
    const d = JSON.parse(r.out) as { error?: { code: string; message: string } };
    if (r.status !== 0) {
      expect(d.error!.code, said).not.toBe('internal');
      expect(d.error!.message.length, 'a message that somebody can read').toBeLessThan(25_000);
    }
    expect(r.seconds, said).toBeLessThan(SECONDS * unit);
    expect(r.mib, said).toBeLessThan(MIB);
  });
});
