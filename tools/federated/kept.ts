/**
 * What an experiment has measured so far, so that one that was cut short goes on: a folder of its own under .federated,
 * one file an item, named by the digest of the plan, which holds base, settings, clients and code of the programs.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { root } from '../fixtures.js';

export class KeptItems {
  readonly #dir: string;
  constructor(plan: string) {
    this.#dir = join(root, '.federated', plan.replace(/^sha256:/, '').slice(0, 32));
    mkdirSync(this.#dir, { recursive: true });
  }
  /** The item of this name, made where it is not there yet; with the seconds that making it took. */
  once<T>(name: string, make: () => T): { readonly value: T; readonly seconds: number } {
    const file = join(this.#dir, name.replaceAll(' ', '-'));
    if (existsSync(file)) return deserialize(readFileSync(file)) as { readonly value: T; readonly seconds: number };
    const t = performance.now(),
      value = make(),
      item = { value, seconds: (performance.now() - t) / 1000 };
    writeFileSync(`${file}.part`, serialize(item));
    renameSync(`${file}.part`, file);
    return item;
  }
}
