/**
 * What a certificate takes to verify, for runs that are certified already: bytes, its proof alone in one warm process,
 * the whole command from a cold start, and what base, adapter and key cost beside it.
 *
 *     npm run bench -- certificate RUN...
 *     node dist-tools/bench/certificate.js RUN... [--rounds 9]
 *
 * A RUN is a folder with run.yaml and out/certificate.certune, whose base lies where run.yaml says. For a page in
 * Chromium: dist-tools/checks/page.js with the commitment and the key that are printed here.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { verifierKernels, verify } from 'certune/verify';
import { root as repository } from '../fixtures.js';
import { type Machine, machine, median } from './common.js';

/** Milliseconds of one thing, several times. */
interface Times {
  readonly least: number;
  readonly median: number;
}
export interface CertificateRow {
  readonly run: string;
  readonly steps: number;
  /** Of the file, and of the manifest in it. */ readonly bytes: number;
  readonly manifestBytes: number;
  readonly key: string;
  readonly root: string;
  /** The proof alone, by the process that has verified it before. */ readonly proofMs: Times;
  /** All of `verify` of certune/verify in that process. */ readonly verifyMs: Times;
  /** Whole commands: the certificate, a commitment to the base and the digest of a key, where nothing is kept. */
  readonly coldMs: Times;
  /** The same where a command of this version has run before: what its compiler made is kept, and nothing else. */
  readonly compiledMs: Times;
  /** The same with base and adapter in the commitment's place, nothing cached; and with what the last time left. */
  readonly baseMs: Times;
  readonly cachedMs: Times;
  /** Making the key from the programs, where nobody vouches for it. */ readonly keySeconds: number;
}

const times = (x: readonly number[]): Times => ({ least: Math.round(10 * Math.min(...x)) / 10, median: Math.round(10 * median(x)) / 10 });

/** A command of the package with a cache of its own, or none; what it prints and how long it took. */
function command(args: readonly string[], cache: string): { readonly said: Record<string, unknown>; readonly ms: number } {
  const started = performance.now(),
    { status, stdout, stderr } = spawnSync(process.execPath, [join(repository, 'bin/certune.js'), ...args, '--quiet', '--json'], {
      encoding: 'utf8',
      env: { ...process.env, CERTUNE_CACHE: cache, CERTUNE_CONFIG: `${cache}-config` },
    }),
    ms = performance.now() - started;
  if (status !== 0) throw new Error(`certune ${args.join(' ')} ended with ${status}: ${stdout}${stderr}`);
  return { said: JSON.parse(stdout) as Record<string, unknown>, ms };
}

/** Measures of certificates, one a run. */
export interface CertificateResult {
  readonly machine: Machine;
  readonly rows: readonly CertificateRow[];
}

/** Measures one run. */
function measured(run: string, rounds: number): CertificateRow {
  const file = join(run, 'out', 'certificate.certune'),
    base = /^base:\n\s+path: "([^"]+)"/m.exec(readFileSync(join(run, 'run.yaml'), 'utf8'))?.[1];
  if (base === undefined) throw new Error(`${run}/run.yaml names no base`);
  const adapter = join(run, 'out', 'adapter'),
    against = ['verify', file, '--base', resolve(run, base), '--adapter', adapter],
    { said } = command([...against, '--commit-base'], 'off'),
    key = (said['key'] as { digest: string }).digest,
    root = String(said['root']),
    many = (f: () => number): Times => times(Array.from({ length: rounds }, f)),
    alone = ['verify', file, '--key', key, '--base-root', root],
    cache = mkdtempSync(join(tmpdir(), 'certune-bench-'));
  try {
    // Before this process has grown: to start another from a large one takes longer.
    const coldMs = many(() => command(alone, 'off').ms),
      baseMs = many(() => command([...against, '--key', key], 'off').ms);
    command(alone, cache);
    const compiledMs = many(() => command(alone, cache).ms),
      made = command(against, cache).said['key'] as { seconds?: number },
      cachedMs = many(() => command(against, cache).ms);
    return {
      run,
      steps: Number(said['steps']),
      key,
      root,
      ...inProcess(file, key, root),
      coldMs,
      compiledMs,
      baseMs,
      cachedMs,
      keySeconds: made.seconds ?? 0,
    };
  } finally {
    for (const d of [cache, `${cache}-config`]) rmSync(d, { recursive: true, force: true });
  }
}

/** The file's bytes, and its verification in this process, warm. */
function inProcess(file: string, key: string, root: string): Pick<CertificateRow, 'bytes' | 'manifestBytes' | 'proofMs' | 'verifyMs'> {
  const bytes = new Uint8Array(readFileSync(file)),
    kernels = verifierKernels(),
    own: number[] = [],
    all: number[] = [];
  let manifestBytes = 0;
  for (let i = 0; i < 50; i++) {
    const t = performance.now(),
      v = verify(bytes, { key: { digest: key }, root, kernels });
    if (!v.accepted) throw v.reason;
    // The first ones compile.
    if (i < 10) continue;
    all.push(performance.now() - t);
    own.push(v.check.proofMs);
    manifestBytes = JSON.stringify(v.run.manifest).length;
  }
  return { bytes: bytes.length, manifestBytes, proofMs: times(own), verifyMs: times(all) };
}

const { positionals, values } = parseArgs({ allowPositionals: true, options: { rounds: { type: 'string', default: '9' } } });
if (!positionals.length) {
  console.log('certificate: give the folders of certified runs');
  process.exit(0);
}
console.log(JSON.stringify({ machine: machine(), rows: positionals.map((run) => measured(run, Number(values.rounds))) }, null, 1));
