/** Fixtures that are no part of the repository: CERTUNE_FIXTURES, else ../shared. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of the repository, from here and from the compiled tools alike. */
export const root = fileURLToPath(new URL('../', import.meta.url));
export const fixtures = process.env['CERTUNE_FIXTURES'] ?? fileURLToPath(new URL('../../shared', import.meta.url));
/** The base stories260k as a Hugging Face folder, or undefined. */
export const storiesFolder = (): string | undefined => {
  const dir = join(fixtures, 'data/stories260k/hf');
  return existsSync(dir) ? dir : undefined;
};
