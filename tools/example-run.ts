import { join } from 'node:path';
import { type Setup, runSchema, setup } from 'certune';
import { root } from './fixtures.js';

const example = (p: string): string => join(root, 'examples', p);

/** A run on the examples' base and the data that it is trained on in the demonstration, under a fixed salt. */
export const exampleRun = (settings: { readonly train: object; readonly lora?: object }): Setup =>
  setup(
    runSchema.parse({
      version: 1,
      base: { path: example('base') },
      data: [
        { path: example('data/translate.jsonl'), language: 'fr' },
        { path: example('data/chat.jsonl'), language: 'en' },
      ],
      numbers: { preset: 'small' },
      ...settings,
    }),
    [1n, 2n, 3n, 4n],
  );
