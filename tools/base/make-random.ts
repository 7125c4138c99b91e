/**
 * A base of a released model's shape with random weights, for measurements where the model itself is not at hand: the
 * model's config.json (tools/models.ts), bfloat16 weights, and the tokenizer of bytes, whose 259 tokens are the first
 * of the vocabulary. What is trained on it learns nothing of worth; what training and proving take depends on shapes
 * alone.
 *
 *     npm run tools && node dist-tools/base/make-random.js NAME FOLDER [--layers N]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { expectedShapes, parseConfig, writeAtomic } from 'certune/io';
import { type Config, MODELS, SMOLLM2_135M } from '../models.js';
import { BYTE_LEVEL, SPECIAL, byteTokenizer } from './tokenizer.js';

/** The upper halves of float32 values: bfloat16, rounded towards zero. */
function bfloat16(cells: number, value: () => number): Uint16Array {
  const out = new Uint16Array(cells),
    one = new Float32Array(1),
    halves = new Uint16Array(one.buffer);
  for (let i = 0; i < cells; i++) {
    one[0] = value();
    out[i] = halves[1];
  }
  return out;
}

/** Norms are one; embeddings have deviation 0.04, all else 0.7 over the root of the fan-in; uniform, from a seed. */
function weights(config: Config): Map<string, { readonly shape: readonly number[]; readonly data: Uint16Array }> {
  const problems: string[] = [],
    { shape } = parseConfig(config, problems);
  if (problems.length) throw new Error(problems.join('; '));
  let x = 12345;
  const uniform = (): number => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return (x / 2 ** 32) * 2 - 1;
  };
  return new Map(
    [...expectedShapes(shape)].sort().map(([name, sizes]) => {
      const one = name.includes('norm'),
        spread = Math.sqrt(3) * (name.includes('embed') ? 0.04 : 0.7 / Math.sqrt(sizes[sizes.length - 1])),
        cells = sizes.reduce((a, b) => a * b, 1);
      return [name, { shape: sizes, data: bfloat16(cells, () => (one ? 1 : uniform() * spread)) }];
    }),
  );
}

/** A safetensors file of bfloat16 tensors. */
function writeWeights(file: string, tensors: ReturnType<typeof weights>): void {
  let at = 0;
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  for (const [name, { shape, data }] of tensors) header[name] = { dtype: 'BF16', shape, data_offsets: [at, (at += data.byteLength)] };
  let text = JSON.stringify(header);
  text += ' '.repeat((8 - (text.length % 8)) % 8);
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(text.length));
  writeAtomic(file, head, text, ...[...tensors.values()].map(({ data }) => new Uint8Array(data.buffer)));
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { layers: { type: 'string' } } }),
  [name, dir] = positionals,
  models = [SMOLLM2_135M, ...MODELS],
  found = models.find(([n]) => n === name);
if (!found || !dir) throw new Error(`make-random.js NAME FOLDER [--layers N]; NAME is one of ${models.map(([n]) => n).join(', ')}`);
const [, released] = found,
  special = Object.fromEntries(['pad', 'bos', 'eos'].map((t, id) => [`${t}_token_id`, id])),
  config = { ...released, ...(values.layers ? { num_hidden_layers: Number(values.layers) } : {}), ...special };
mkdirSync(dir, { recursive: true });
writeFileSync(join(dir, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
writeFileSync(join(dir, 'tokenizer.json'), `${JSON.stringify(byteTokenizer([], BYTE_LEVEL))}\n`);
const [pad_token, bos_token, eos_token] = SPECIAL;
writeFileSync(
  join(dir, 'tokenizer_config.json'),
  `${JSON.stringify({ tokenizer_class: 'PreTrainedTokenizerFast', bos_token, eos_token, pad_token })}\n`,
);
writeWeights(join(dir, 'model.safetensors'), weights(config));
