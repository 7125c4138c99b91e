/** What the checks take from the package: the one file here that imports it. */
import { runSchema } from 'certune';

/** A run's configuration with everything that is not said at its default. */
export const configuration = (o: Record<string, unknown>): ReturnType<typeof runSchema.parse> =>
  runSchema.parse({ version: 1, base: { path: '' }, data: [{ path: '' }], ...o });
