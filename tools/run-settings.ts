import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Settings of the smallest run that trains and is proved in seconds. */
const SMALL: Readonly<Record<string, string | number>> = {
  steps: 2,
  batch: 2,
  microBatch: 2,
  sequence: 8,
  r: 1,
  targets: '[v_proj]',
  learningRate: 0.003,
  warmup: 0,
  preset: 'small',
  bits: 100,
};

/** Writes the settings of a small run, and `more`, in place of those that `certune init` has written to run.yaml. */
export function setSmall(run: string, more: Readonly<Record<string, string | number>> = {}): void {
  const file = join(run, 'run.yaml');
  let text = readFileSync(file, 'utf8');
  for (const [k, v] of Object.entries({ ...SMALL, ...more }))
    text = text.replace(new RegExp(`^(\\s*${k}: )(\\[[^\\]]*\\]|\\S+)`, 'm'), `$1${v}`);
  writeFileSync(file, text);
}
