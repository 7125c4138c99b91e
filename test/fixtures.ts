import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of optional fixtures: CERTUNE_FIXTURES, else ../shared beside the checkout, else none. */
export const fixtureRoot: string | undefined = (() => {
  const env = process.env['CERTUNE_FIXTURES'];
  if (env) return env;
  const beside = fileURLToPath(new URL('../../shared', import.meta.url));
  return existsSync(beside) ? beside : undefined;
})();

/** Path of a fixture, or undefined where it is not available: the test then reports itself skipped. */
export function fixture(path: string): string | undefined {
  if (!fixtureRoot) return undefined;
  const p = join(fixtureRoot, path);
  return existsSync(p) ? p : undefined;
}
