import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TextCodec } from '../io/codec.js';
import { sha256File } from '../io/hf.js';
import { templateDigest } from '../run/facts.js';
import type { Manifest } from '../run/manifest.js';

/** How rows become tokens: what a base's files and the run's template say of it, without any row. Throws InputError. */
export function preprocessingOf(base: string, codec: TextCodec): Manifest['preprocessing'] {
  const digest = (name: string): string => `sha256:${sha256File(join(base, name), 'tokenizer')}`;
  return {
    tokenizer: digest('tokenizer.json'),
    tokenizerConfig: existsSync(join(base, 'tokenizer_config.json')) ? digest('tokenizer_config.json') : null,
    template: codec.template === undefined ? null : templateDigest(codec.template),
    truncation: 'right',
    padding: { side: 'right', id: 0 },
    first: [...codec.ids.first],
    closing: [...codec.ids.closing],
    end: codec.ids.end,
  };
}
