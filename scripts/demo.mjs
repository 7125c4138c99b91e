// End to end on a tiny model: commit, train, prove, verify, then a forged adapter that must be rejected.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url)),
  run = mkdtempSync(join(tmpdir(), 'certune-demo-')),
  cli = join(root, 'bin/certune.js');
const certune = (...args) => spawnSync(process.execPath, [cli, ...args], { stdio: 'inherit' }).status;
const must = (code, want, what) => {
  if (code !== want) {
    console.error(`demo: ${what} ended with ${code}, expected ${want}`);
    process.exit(1);
  }
};
try {
  must(certune('init', run, '--model', join(root, 'examples/tiny'), '--data', join(root, 'examples/pairs.jsonl')), 0, 'init');
  const yaml = join(run, 'run.yaml');
  let text = readFileSync(yaml, 'utf8');
  for (const [k, v] of [
    ['steps', 8],
    ['batch', 4],
    ['microBatch', 4],
    ['sequence', 24],
    ['r', 4],
    ['alpha', 8],
    ['learningRate', 0.003],
    ['warmup', 0],
    ['preset', 'small'],
  ])
    text = text.replace(new RegExp(`^(\\s*${k}: )\\S+`, 'm'), `$1${v}`);
  writeFileSync(yaml, text);
  must(certune('run', run), 0, 'run');
  must(certune('inspect', run), 0, 'inspect');
  const adapter = join(run, 'out/adapter/adapter_model.safetensors'),
    bytes = readFileSync(adapter);
  bytes.writeFloatLE(bytes.readFloatLE(bytes.length - 4) + 2 ** -20, bytes.length - 4);
  writeFileSync(adapter, bytes);
  console.log('\nchanging one weight of the released adapter by 2^-20:');
  must(certune('verify', run), 1, 'verify of a forged adapter');
  console.log('demo: the honest run verified, the forged adapter was rejected');
} finally {
  rmSync(run, { recursive: true, force: true });
}
