/**
 * npm run bench [-- kernels] [step] [nano] [scaling] [fold] [policy] [release] [node] [run] [certificate RUN...]
 * [--json]. Never part of the tests. Each part lists its own options. nano: a step of nanoGPT's size beside published
 * proofs of inference; fold: counts of the circuits; policy: what it adds to a leaf; release: what a signature costs
 * its verifier; node: one leaf, one fold and the end, by phase; run: size and verification of the last proof for 1 and
 * 4 steps (longer: node dist-tools/bench/run.js 1 4 32 128); certificate: what the certificates of these runs take.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CertificateResult } from './certificate.js';
import { machine, say, tool } from './common.js';
import { foldRows, longRows } from './fold.js';
import { kernels } from './kernels.js';
import { nano } from './nano.js';
import type { NodeResult } from './node.js';
import { policyRows } from './policy.js';
import { releaseRows } from './release.js';
import type { RunResult } from './run.js';
import { scaling } from './scaling.js';
import { steps } from './step.js';
import { type Results, text } from './table.js';

const args = process.argv.slice(2),
  result: Results = { machine: machine() };
const PARTS: Readonly<Record<string, () => void | Promise<void>>> = {
  kernels: () => {
    result.kernels = kernels(args);
  },
  step: async () => {
    result.step = await steps(args);
  },
  nano: async () => {
    result.nano = await nano(args);
  },
  scaling: async () => {
    result.scaling = await scaling(args);
  },
  fold: () => {
    result.fold = foldRows();
    result.long = longRows();
  },
  policy: () => {
    result.policy = policyRows();
  },
  release: () => {
    result.release = releaseRows();
  },
  node: () => {
    result.node = tool<NodeResult>('node');
  },
  run: () => {
    result.run = tool<RunResult>('run', '1', '4');
  },
  certificate: () => {
    const runs = args.filter((a) => existsSync(join(a, 'out', 'certificate.certune')));
    result.certificate = tool<CertificateResult>('certificate', ...runs);
  },
};
const asked = Object.keys(PARTS).filter((p) => args.includes(p));
for (const part of asked.length ? asked : Object.keys(PARTS)) {
  say(`== ${part}`);
  await PARTS[part]();
}
console.log(args.includes('--json') ? JSON.stringify(result, null, 1) : text(result));
