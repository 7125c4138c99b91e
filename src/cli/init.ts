import { existsSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { InputError } from '../errors.js';
import { writeAtomic } from '../io/atomic.js';
import { runTemplate } from '../setup/runfile.js';
import type { Result } from './common.js';
import { plain } from '../io/escape.js';

/** Writes RUN/run.yaml with every key and default; paths become relative to RUN. */
export function init(run: string, o: { model: string; data: string[] }): Result {
  const file = join(run, 'run.yaml');
  if (existsSync(file)) throw new InputError(file, ['exists already'], 'delete it or choose another folder');
  const missing = [
    ...(existsSync(o.model) && statSync(o.model).isDirectory() ? [] : [`--model ${o.model} is not a folder`]),
    ...o.data.filter((d) => !existsSync(d)).map((d) => `--data ${d} does not exist`),
  ];
  if (missing.length) throw new InputError(run, missing);
  const rel = (p: string): string => relative(resolve(run), resolve(p)) || '.';
  writeAtomic(file, runTemplate(rel(o.model), o.data.map(rel)));
  return { data: { file }, text: `wrote ${plain(file)}\nnext: look through it, then certune run ${plain(run)}` };
}
