import canonicalize from 'canonicalize';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FOLDED_TYPE, FOLDED_VERSION, NODE_TYPE, NODE_VERSION } from '../src/artifact/folded.js';
import { sealedHeader } from '../src/artifact/header.js';
import { PACK_TYPE, PACK_VERSION } from '../src/artifact/pack.js';
import type { Heights } from '../src/circuit/heights.js';
import { circuitProgram } from '../src/circuit/program.js';
import { KINDS } from '../src/circuit/rows.js';
import { RECURSION_VERSION } from '../src/recursion/key.js';
import { encode, endLayout, layout } from '../src/recursion/statement.js';
import { MANIFEST_VERSION, type Manifest, manifestDigest, manifestJson } from '../src/run/manifest.js';
import { countChallenge, expectedSums } from '../src/audit/count.js';
import { COUNT_TYPE, COUNT_VERSION } from '../src/audit/file.js';
import { rowsDepth } from '../src/policy/rows/depth.js';
import { emptyNode } from '../src/policy/table.js';
import { setup } from '../src/setup/run.js';
import { runSchema } from '../src/run/schema.js';
import { KIND_BITS } from '../src/recursion/fold.js';
import { makePlan } from '../src/tensor/plan.js';
import { PROOF_VERSION } from '../src/tensor/statement.js';
import { type Pieces, assembled } from './certificate-bytes.js';
import { tinyRun } from './tiny-run.js';

/*
 * Files of strangers that would cost their reader more than they cost whoever made them: each case makes some in a
 * folder and says how they are met, and what a command may end with.
 */

const path = (p: string): string => fileURLToPath(new URL(p, import.meta.url)),
  tiny = path('./data/tiny'),
  pairs = path('./data/pairs.jsonl');

export interface Hostile {
  readonly name: string;
  /** Makes the files and gives the command line. */
  readonly make: (dir: string) => string[];
  /** Exit codes that answer it; 3 where nothing is said. */
  readonly exits?: readonly number[];
}

const base = (dir: string): string => {
    cpSync(tiny, join(dir, 'base'), { recursive: true });
    return join(dir, 'base');
  },
  /** A base with something done to it, met by a command that reads all of one. */
  bases = (name: string, harm: (base: string) => void, exits?: number[]): Hostile => ({
    name: `base: ${name}`,
    make: (dir) => {
      const b = base(dir);
      harm(b);
      return ['generate', '--model', b, 'hello thereandsomemorewithoutanumberanywhere'];
    },
    ...(exits ? { exits } : {}),
  }),
  over = (file: string, target: string): void => {
    spawnSync('rm', ['-rf', file]);
    symlinkSync(target, file);
  },
  json = (file: string): Record<string, unknown> => JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>,
  put = (file: string, x: unknown): void => writeFileSync(file, JSON.stringify(x)),
  change = (file: string, x: object): void => put(file, { ...json(file), ...x }),
  DEEP = `${'['.repeat(200_000)}${']'.repeat(200_000)}`,
  sparse = (file: string, bytes: number): void => {
    writeFileSync(file, '');
    truncateSync(file, bytes);
  };

const linked = [
    'config.json',
    'generation_config.json',
    'tokenizer.json',
    'tokenizer_config.json',
    'chat_template.jinja',
    'model.safetensors',
  ].map((f) => bases(`${f} is a link to a device without end`, (b) => over(join(b, f), '/dev/zero'))),
  others: Hostile[] = [
    bases('an index that is a link to a device', (b) => {
      over(join(b, 'model.safetensors.index.json'), '/dev/zero');
    }),
    bases('config.json is a pipe that nobody writes to', (b) => {
      spawnSync('rm', [join(b, 'config.json')]);
      spawnSync('mkfifo', [join(b, 'config.json')]);
    }),
    bases('tokenizer.json is a folder', (b) => {
      spawnSync('rm', [join(b, 'tokenizer.json')]);
      mkdirSync(join(b, 'tokenizer.json'));
    }),
    bases('links in a circle', (b) => over(join(b, 'config.json'), 'config.json')),
    bases('config.json of 8 GiB', (b) => sparse(join(b, 'config.json'), 2 ** 33)),
    bases('tokenizer.json of 1 GiB', (b) => sparse(join(b, 'tokenizer.json'), 2 ** 30)),
    bases('config.json nested 200,000 deep', (b) => writeFileSync(join(b, 'config.json'), `{"x":${DEEP}}`)),
    bases('tokenizer.json nested 200,000 deep', (b) => writeFileSync(join(b, 'tokenizer.json'), `{"model":${DEEP}}`)),
    bases('tokenizer.json of ten million empty lists', (b) =>
      writeFileSync(join(b, 'tokenizer.json'), `{"x":[${'[],'.repeat(10_000_000)}[]]}`),
    ),
    bases('a key of a megabyte', (b) => change(join(b, 'config.json'), { ['k'.repeat(2 ** 20)]: 'on' })),
    bases('a pattern that tries every way to cut a word', (b) =>
      change(join(b, 'tokenizer.json'), {
        pre_tokenizer: { type: 'Split', pattern: { Regex: '(?:[a-z]+)+\\d' }, behavior: 'Isolated', invert: false },
      }),
    ),
    bases('a pattern that looks for three ends of the same white space', (b) =>
      change(join(b, 'tokenizer.json'), {
        normalizer: { type: 'Replace', pattern: { Regex: '(?:[a-z ]*){12}\\d' }, content: ' ' },
      }),
    ),
    bases('twenty patterns of which each doubles the text', (b) =>
      change(join(b, 'tokenizer.json'), {
        normalizer: {
          type: 'Sequence',
          normalizers: Array<object>(20).fill({ type: 'Replace', pattern: { String: 'e' }, content: 'ee' }),
        },
      }),
    ),
    bases('16 million layers', (b) => change(join(b, 'config.json'), { num_hidden_layers: 2 ** 24 })),
    bases('a thousand layers of the largest width', (b) =>
      change(join(b, 'config.json'), {
        num_hidden_layers: 1024,
        hidden_size: 2 ** 17,
        intermediate_size: 2 ** 20,
        vocab_size: 2 ** 24,
        num_attention_heads: 1024,
        num_key_value_heads: 1024,
      }),
    ),
    bases('half a million shards', (b) => {
      spawnSync('rm', [join(b, 'model.safetensors')]);
      put(join(b, 'model.safetensors.index.json'), {
        weight_map: Object.fromEntries(Array.from({ length: 300_000 }, (_, i) => [`t${i}`, `s${i}.safetensors`])),
      });
    }),
    bases('a header of weights that says it has 2^60 bytes', (b) => {
      const f = Buffer.alloc(64);
      f.writeBigUInt64LE(2n ** 60n);
      writeFileSync(join(b, 'model.safetensors'), f);
    }),
    bases('a header of weights of 15 MiB, nested', (b) => {
      const text = Buffer.from('['.repeat(15 * 2 ** 20)),
        head = Buffer.alloc(8);
      head.writeBigUInt64LE(BigInt(text.length));
      writeFileSync(join(b, 'model.safetensors'), Buffer.concat([head, text]));
    }),
    bases('a hundred thousand tensors that are none', (b) => {
      const text = Buffer.from(
          JSON.stringify(
            Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`t${i}`, { dtype: 'F32', shape: [0], data_offsets: [0, 0] }])),
          ),
        ),
        head = Buffer.alloc(8);
      head.writeBigUInt64LE(BigInt(text.length));
      writeFileSync(join(b, 'model.safetensors'), Buffer.concat([head, text]));
    }),
    bases(
      'an embedding of a terabyte that is a hole in a file',
      (b) => {
        change(join(b, 'config.json'), {
          vocab_size: 2 ** 24,
          hidden_size: 2 ** 14,
          num_attention_heads: 128,
          num_key_value_heads: 128,
          head_dim: 128,
          num_hidden_layers: 1,
          tie_word_embeddings: true,
        });
        const bytes = 2 ** 24 * 2 ** 14 * 4,
          d = 2 ** 14,
          sizes: [string, number[]][] = [
            ['model.embed_tokens.weight', [2 ** 24, d]],
            ['model.norm.weight', [d]],
          ];
        let at = 0;
        const text = Buffer.from(
            JSON.stringify(
              Object.fromEntries(
                sizes.map(([n, s]) => [n, { dtype: 'F32', shape: s, data_offsets: [at, (at += 4 * s.reduce((x, y) => x * y, 1))] }]),
              ),
            ),
          ),
          head = Buffer.alloc(8);
        head.writeBigUInt64LE(BigInt(text.length));
        writeFileSync(join(b, 'model.safetensors'), Buffer.concat([head, text]));
        truncateSync(join(b, 'model.safetensors'), 8 + text.length + bytes + 4 * d);
      },
      [3, 6],
    ),
  ];

/** A run folder whose run.yaml is this text. */
const yaml = (name: string, text: string | ((dir: string) => void), command = 'commit', exits?: number[]): Hostile => ({
  name: `run folder: ${name}`,
  make: (dir) => {
    const run = join(dir, 'run');
    mkdirSync(join(run, 'out'), { recursive: true });
    if (typeof text === 'string') writeFileSync(join(run, 'run.yaml'), text);
    else text(run);
    return [command, run];
  },
  ...(exits ? { exits } : {}),
});
const folders: Hostile[] = [
  yaml('run.yaml is a device', (d) => symlinkSync('/dev/zero', join(d, 'run.yaml'))),
  yaml('run.yaml of 2 MiB', `version: 1\n${'# x\n'.repeat(2 ** 19)}`),
  yaml(
    'aliases of aliases',
    `${Array.from({ length: 30 }, (_, i) => `a${i}: &a${i} [${i ? `*a${i - 1}, *a${i - 1}, *a${i - 1}` : 1}]`).join('\n')}\nversion: 1\n`,
  ),
  yaml('lists nested 100,000 deep', `version: ${'['.repeat(100_000)}`),
  yaml('maps nested 100,000 deep', `version: ${'{a: '.repeat(100_000)}`),
  yaml('marks of lists nested 100,000 deep', `version: 1\n${'- '.repeat(100_000)}x\n`),
  yaml('manifest.json is a device', (d) => symlinkSync('/dev/zero', join(d, 'out/manifest.json')), 'verify'),
  yaml(
    'manifest.json is nested 200,000 deep',
    (d) => writeFileSync(join(d, 'out/manifest.json'), `{"type":"certune-manifest","version":${MANIFEST_VERSION},"config":${DEEP}}`),
    'inspect',
  ),
  yaml(
    'a proof that is a device',
    (d) => {
      mkdirSync(join(d, 'out/proof'));
      symlinkSync('/dev/zero', join(d, 'out/proof/run.certune'));
    },
    'inspect',
  ),
  yaml('a lock that is a device', (d) => {
    symlinkSync('/dev/zero', join(d, 'out/lock'));
    writeFileSync(join(d, 'run.yaml'), `version: 1\nbase: { path: ${tiny} }\ndata: [{ path: /dev/zero }]\nnumbers: { preset: small }\n`);
  }),
];

/** Data, met with a chat template where there is one. */
const rows = (name: string, data: (file: string) => void, template?: string, exits?: number[]): Hostile => ({
  name: `data: ${name}`,
  make: (dir) => {
    data(join(dir, 'data.jsonl'));
    const run = join(dir, 'run');
    mkdirSync(run);
    writeFileSync(
      join(run, 'run.yaml'),
      `version: 1\nbase: { path: ${tiny} }\ndata: [{ path: ../data.jsonl }]\nlora: { r: 1, targets: [v_proj] }\ntrain: { steps: 1, batch: 1, sequence: 32, template: ${JSON.stringify(template ?? 'x')} }\nnumbers: { preset: small }\n`,
    );
    return ['commit', run];
  },
  ...(exits ? { exits } : {}),
});
const chats = (f: string): void =>
    writeFileSync(
      f,
      `${JSON.stringify({
        messages: [
          { role: 'user', content: 'a' },
          { role: 'assistant', content: 'b' },
        ],
      })}\n`.repeat(1000),
    ),
  tokens: Hostile[] = [
    rows('a device', (f) => symlinkSync('/dev/zero', f)),
    {
      name: 'data: a pattern of the tokenizer that a row takes for ever to match',
      make: (dir) => {
        const b = base(dir),
          run = join(dir, 'run');
        change(join(b, 'tokenizer.json'), {
          pre_tokenizer: { type: 'Split', pattern: { Regex: '(?:[a-z]+)+\\d' }, behavior: 'Isolated', invert: false },
        });
        writeFileSync(
          join(dir, 'data.jsonl'),
          `${'{"prompt":"a","completion":"b"}\n'.repeat(100)}{"prompt":"${'a'.repeat(60)}","completion":"b"}\n`,
        );
        mkdirSync(run);
        writeFileSync(
          join(run, 'run.yaml'),
          'version: 1\nbase: { path: ../base }\ndata: [{ path: ../data.jsonl }]\nlora: { r: 1, targets: [v_proj] }\ntrain: { steps: 1, batch: 1, sequence: 32 }\nnumbers: { preset: small }\n',
        );
        return ['commit', run];
      },
    },
    rows('a pipe', (f) => void spawnSync('mkfifo', [f])),
    rows('a row nested 200,000 deep', (f) => writeFileSync(f, `{"prompt":"a","completion":${DEEP}}\n`)),
    rows('a line of 40 MiB', (f) => writeFileSync(f, `{"prompt":"${'a'.repeat(40 * 2 ** 20)}","completion":"b"}\n`)),
    rows(
      'a template of nested loops',
      chats,
      '{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}x{% endfor %}{% endfor %}{% endfor %}',
    ),
    rows('a template whose text doubles', chats, `{% set x = "ab" %}${'{% set x = x ~ x %}'.repeat(60)}{{ x }}`),
    rows('a template whose list doubles', chats, `{% set x = [1] %}${'{% set x = x + x %}'.repeat(60)}{{ x | length }}`),
    rows('a template that calls itself', chats, '{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}'),
    rows(
      'a template that replaces nothing by much',
      chats,
      `{% set x = "${'a'.repeat(1000)}" %}${'{% set x = x | replace("a", x) %}'.repeat(9)}`,
    ),
    rows('a template of 50,000 brackets', chats, `{{ ${'('.repeat(40_000)}1${')'.repeat(40_000)} }}`),
  ];

const m = setup(runSchema.parse(tinyRun({ steps: 3, batch: 2, microBatch: 2 })), [1n, 2n, 3n, 4n]).run.manifest,
  four = ['1', '2', '3', '4'],
  heights = (n: number, u = Math.min(n, 2 ** 12)): Record<string, number> => Object.fromEntries(KINDS.map((k) => [k, k === 'U' ? u : n])),
  key = (n = 2 ** 12, u?: number): Record<string, unknown> => ({
    type: 'certune-key',
    version: RECURSION_VERSION,
    proofVersion: PROOF_VERSION,
    programs: [`sha256:${'1'.repeat(64)}`],
    leaves: [{ kind: 'step', count: 1 }],
    proof: { bits: 100, programRate: 2, rate: 2, endRate: 4, settleRates: [2, 2, 2], grinding: 16 },
    heights: heights(n, u),
    endHeights: heights(n, u),
    baseVars: 16,
    root: four,
    endRoot: four,
  });

/** Variables of a claim on the columns of nodes of that key. */
const keyVars =
  makePlan(circuitProgram(heights(2 ** 12) as unknown as Heights), { bits: 100, grinding: 16, rate: 2, stateRate: 2 }).frozenVars +
  KIND_BITS;

const words = (n: number): bigint[] => Array<bigint>(n).fill(0n);
/** Statement of the end, or of a node of so many steps, of a manifest of nobody's: it names that manifest. */
function statement(manifest: Manifest, sizes: ReadonlyMap<string, number>, [from, to] = [0, manifest.config.train.steps]): bigint[] {
  const digest = createDigest(manifest),
    st = Object.fromEntries([...sizes].map(([f, n]) => [f, words(n)]));
  return encode(
    {
      ...st,
      context: digest,
      dataset: manifest.dataset.root.map(BigInt),
      posIn: [BigInt(from), ...words(6)],
      posOut: [BigInt(to), ...words(6)],
      shows: [1n, 1n],
    },
    sizes,
  );
}
const createDigest = (x: Manifest): bigint[] => {
  try {
    return manifestDigest(x)
      .slice(7)
      .match(/.{8}/g)!
      .map((w) => BigInt(`0x${w}`));
  } catch {
    return words(8);
  }
};
const bytes = (xs: readonly bigint[]): Buffer => Buffer.from(BigUint64Array.from(xs).buffer);

/** A folded run, or with `to` a node, of any manifest, with a proof of zeros. */
function forged(
  manifest: Manifest,
  o: { losses?: unknown; key?: unknown; node?: boolean; range?: [number, number]; proof?: number; head?: object } = {},
): Buffer {
  const { steps } = manifest.config.train,
    [from, to] = o.range ?? [0, steps],
    st = statement(manifest, o.node ? layout(16, keyVars) : endLayout(16), [from, to]),
    proof = o.proof ?? 30_000,
    body = bytes([...st, ...words(proof)]),
    head = {
      manifest,
      key: o.key ?? key(),
      losses: o.losses ?? Array.from({ length: Math.min(steps, 3) }, (_, i) => [i, 1, '0']),
      statement: st.length,
      proof,
      ...(o.node
        ? { type: NODE_TYPE, version: NODE_VERSION, from: [from, 0], to: [to, 0] }
        : { type: FOLDED_TYPE, version: FOLDED_VERSION }),
      ...o.head,
    };
  return Buffer.concat([Buffer.from(sealedHeader(head, body)), body]);
}
/** A certificate of any manifest and key under the flags of one, with a proof of zeros. */
function certified(manifest: Manifest, o: { key?: unknown } & Partial<Pick<Pieces, 'steps' | 'manifest'>> = {}): Buffer {
  const st = statement(manifest, endLayout(16), [0, manifest.config.train.steps]);
  return assembled({
    manifest: o.manifest ?? Buffer.from(canonicalize(manifest)!),
    key: Buffer.from(canonicalize(o.key ?? key())!),
    steps: o.steps ?? Buffer.alloc(12 * Math.min(3, manifest.config.train.steps)),
    epochs: Buffer.alloc(0),
    statement: bytes([1n, 0n, ...st.slice(2)]),
    proof: bytes(words(15_000)),
  });
}
const having = (train: object, more: { lora?: object; shape?: object; dataset?: object; numbers?: object } = {}): Manifest => {
  const dataset = { ...m.dataset, ...more.dataset };
  return {
    ...m,
    config: {
      ...m.config,
      train: { ...m.config.train, ...train },
      lora: { ...m.config.lora, ...more.lora },
      numbers: { ...m.config.numbers, ...more.numbers },
    },
    base: { ...m.base, shape: { ...m.base.shape, ...more.shape } },
    dataset: { ...dataset, files: [{ ...dataset.files[0], kept: dataset.examples, rows: dataset.examples + dataset.dropped }] },
  } as Manifest;
};
const list = (steps: number, each = 1): unknown[] => Array.from({ length: steps }, (_, i) => [i, 1, ...Array<string>(each).fill('0')]);

const proofs: [string, () => Buffer][] = [
  ['2^24 steps', () => forged(having({ steps: 2 ** 24 }))],
  ['2^24 steps in a node', () => forged(having({ steps: 2 ** 24 }), { node: true })],
  ['2^20 steps, with a list of three', () => forged(having({ steps: 2 ** 20 }))],
  ['2^20 steps in a node, with a list of three', () => forged(having({ steps: 2 ** 20 }), { node: true })],
  ['2^20 steps, with the list of all', () => forged(having({ steps: 2 ** 20 }), { losses: list(2 ** 20) })],
  ['2^20 steps in a node, with the list of all', () => forged(having({ steps: 2 ** 20 }), { losses: list(2 ** 20), node: true })],
  ['a header of two million lists beside the losses', () => forged(m, { head: { more: Array.from({ length: 2 ** 21 }, () => []) } })],
  ['2^16 steps, with the list of all', () => forged(having({ steps: 2 ** 16 }), { losses: list(2 ** 16) })],
  ['three million losses', () => forged(having({ steps: 3_000_000 }), { losses: list(3_000_000) })],
  ['a batch of 2^20, one by one', () => forged(having({ steps: 1, batch: 2 ** 20, microBatch: 1 }, { dataset: { examples: 2 ** 20 } }))],
  [
    'a batch of 2^19, one by one, in a node',
    () =>
      forged(having({ steps: 1, batch: 2 ** 19, microBatch: 1 }, { dataset: { examples: 2 ** 19 } }), {
        node: true,
        losses: list(1, 2 ** 19),
      }),
  ],
  [
    '2^31 examples in batches of one',
    () => forged(having({ steps: 2 ** 20, batch: 1, microBatch: 1 }, { dataset: { examples: 2 ** 31 } })),
  ],
  ['a thousand layers of rank 4096', () => forged(having({}, { shape: { layers: 1024 }, lora: { r: 4096 } }))],
  ['a sequence of 2^20', () => forged(having({ sequence: 2 ** 20, batch: 1, microBatch: 1 }))],
  ['a sequence of 2^17', () => forged(having({ sequence: 2 ** 17, batch: 1, microBatch: 1 }))],
  ['a vocabulary of 2^24', () => forged(having({}, { shape: { vocab: 2 ** 24 } }))],
  ['heads of 4096 times 1024', () => forged(having({}, { shape: { headDim: 4096, kvHeads: 1024, groups: 1024 } }))],
  ['warm-up of a million steps', () => forged(having({ steps: 2 ** 20, warmup: 2 ** 20 }))],
  [
    'a hundred thousand formats of weights',
    () =>
      forged({
        ...m,
        base: { ...m.base, weightBits: Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`w${i}`, 8])) },
      } as Manifest),
  ],
  [
    'half a million sources',
    () => forged({ ...m, dataset: { ...m.dataset, sources: Array.from({ length: 500_000 }, (_, i) => `s${i}`) } }),
  ],
  [
    'a million problems',
    () => forged({ ...m, dataset: { ...m.dataset, sources: Array.from({ length: 1_000_000 }, (_, i) => i) } } as unknown as Manifest),
  ],
  ['a key of circuits of 2^24 rows', () => forged(m, { key: key(2 ** 24), node: true })],
  ['a key of circuits of 2^24 rows, of a whole run', () => forged(m, { key: key(2 ** 24) })],
  ['a key of 2^24 public words', () => forged(m, { key: key(2 ** 24, 2 ** 24) })],
  ['a key of circuits of 2^20 rows', () => forged(m, { key: key(2 ** 20), node: true })],
  ['a key of circuits of one row', () => forged(m, { key: key(1), node: true })],
  ['a key nested 12 deep in everything', () => forged(m, { key: JSON.parse(`${'{"a":'.repeat(12)}1${'}'.repeat(12)}`) })],
  ['a certificate of nothing', () => certified(m)],
  ['a certificate of circuits of 2^24 rows', () => certified(m, { key: key(2 ** 24) })],
  ['a certificate of circuits of one row', () => certified(m, { key: key(1) })],
  ['a certificate of 2^20 steps with all losses', () => certified(having({ steps: 2 ** 20 }), { steps: Buffer.alloc(12 * 2 ** 20) })],
  ['a certificate of 2^20 steps with none', () => certified(having({ steps: 2 ** 20 }))],
  ['a certificate with a list of 32 MiB', () => certified(m, { steps: Buffer.alloc(2 ** 25) })],
  ['a certificate whose manifest is 4 MiB of lists', () => certified(m, { manifest: Buffer.from(`[${'[],'.repeat(1_300_000)}[]]`) })],
  ['a header nested 200,000 deep', () => Buffer.from(`{"type":"certune-node","x":${DEEP}}\n`)],
  ['a header of 40 MB without an end', () => Buffer.alloc(40_000_000, 32)],
  ['a proof of 2^27 words', () => forged(m, { head: { proof: 2 ** 27 } })],
  ['a pack of a million steps without parts', () => packed(having({ steps: 2 ** 20 }), Array<unknown>(2 ** 20).fill([]))],
  [
    'a pack whose lengths are beyond its end',
    () =>
      packed(
        m,
        list(3).map(() => [{ kind: 'step', loss: '0', state: {}, words: 2 ** 26, sha256: '0'.repeat(64) }]),
      ),
  ],
];
function packed(manifest: Manifest, steps: unknown[]): Buffer {
  return Buffer.from(sealedHeader({ type: PACK_TYPE, version: PACK_VERSION, manifest, steps, merge: 0, merged: '0'.repeat(64) }));
}

const made: Hostile[] = proofs.flatMap(([name, f]): Hostile[] => [
  {
    name: `proof: ${name}: verify`,
    make: (dir) => {
      writeFileSync(join(dir, 'x.certune'), f());
      return ['verify', join(dir, 'x.certune'), '--base', tiny, '--data', pairs];
    },
    exits: [1, 2, 3, 5],
  },
  {
    name: `proof: ${name}: inspect`,
    make: (dir) => {
      writeFileSync(join(dir, 'x.certune'), f());
      return ['inspect', join(dir, 'x.certune')];
    },
    exits: [0, 3, 5],
  },
]);
/**
 * A count of so many rows, and the manifest that it is of: all that can be told without a proof is true, and the proofs
 * are zeros.
 */
function counted(dir: string, rows: number, o: { words?: number; totals?: number; head?: object } = {}): string[] {
  const height = Math.min(12, Math.max(1, Math.ceil(Math.log2(rows)))),
    parts = Math.ceil(rows / 2 ** height),
    node = emptyNode(height).map(String),
    manifest = having({}, { dataset: { examples: rows, root: emptyNode(rowsDepth(rows)).map(String) } }),
    totals = Array.from({ length: o.totals ?? manifest.dataset.classes.length }, (_, i) => [i ? 0 : rows, 0]),
    digest = manifestDigest(manifest),
    want = expectedSums(
      countChallenge(
        digest,
        totals.map(([r, t]) => ({ rows: r, targets: t })),
      ),
      totals.map(([r, t]) => ({ rows: r, targets: t })),
    ),
    zero = ['0', '0', '0'],
    n = o.words ?? 1000,
    body = bytes(words(n * parts)),
    sha256 = createHash('sha256')
      .update(body.subarray(0, 8 * n))
      .digest('hex'),
    head = {
      type: COUNT_TYPE,
      version: COUNT_VERSION,
      manifest: digest,
      totals,
      parts: Array.from({ length: parts }, (_, i) => ({
        sha256,
        root: node,
        rows: i ? zero : want.rows.map(String),
        targets: i ? zero : want.targets.map(String),
        words: n,
      })),
      ...o.head,
    };
  writeFileSync(join(dir, 'm.json'), manifestJson(manifest));
  writeFileSync(join(dir, 'c.certune'), Buffer.concat([Buffer.from(sealedHeader(head)), body]));
  return ['audit', 'check', join(dir, 'c.certune'), '--manifest', join(dir, 'm.json')];
}
const counts: Hostile[] = (
  [
    ['of 4,096 rows whose proof is zeros', (dir) => counted(dir, 4096)],
    ['of 2^26 rows in 16,384 parts, all true but the proofs', (dir) => counted(dir, 2 ** 26, { words: 1 })],
    ['of 2^28 rows whose parts are not there', (dir) => counted(dir, 2 ** 28, { words: 0 })],
    ['of 32,768 classes', (dir) => counted(dir, 4096, { totals: 2 ** 15 })],
    ['whose proofs are beyond its end', (dir) => counted(dir, 8192, { words: 1, head: { parts: [] } })],
  ] as [string, Hostile['make']][]
).map(([name, make]) => ({ name: `count: ${name}`, make, exits: [1, 2, 3] }));

const more: Hostile[] = [
  { name: 'proof: 3 GiB of nothing', make: (dir) => (sparse(join(dir, 'x'), 3 * 2 ** 30), ['inspect', join(dir, 'x')]) },
  { name: 'proof: a device', make: () => ['verify', '/dev/zero'] },
  {
    name: 'key: nested 200,000 deep',
    make: (dir) => {
      writeFileSync(join(dir, 'x.certune'), forged(m));
      writeFileSync(join(dir, 'key.json'), `{"type":"certune-key","x":${DEEP}}`);
      return ['verify', join(dir, 'x.certune'), '--key', join(dir, 'key.json'), '--base', tiny];
    },
  },
  {
    name: 'key: a device',
    make: (dir) => (writeFileSync(join(dir, 'x.certune'), forged(m)), ['verify', join(dir, 'x.certune'), '--key', '/dev/zero']),
    exits: [3],
  },
  {
    name: 'vk: 2^20 steps',
    make: (dir) => (writeFileSync(join(dir, 'x.certune'), forged(having({ steps: 2 ** 20 }))), ['vk', join(dir, 'x.certune')]),
    exits: [1, 3],
  },
  {
    name: 'vk: 2^20 steps in a node',
    make: (dir) => (
      writeFileSync(join(dir, 'x.certune'), forged(having({ steps: 2 ** 20 }), { node: true })), ['vk', join(dir, 'x.certune')]
    ),
    exits: [1, 3],
  },
  {
    name: 'fold: two halves of 2^20 steps',
    make: (dir) => {
      const half = 2 ** 19,
        x = having({ steps: 2 ** 20 }),
        of = (from: number): Buffer =>
          forged(x, {
            node: true,
            losses: list(half).map((l) => [(l as [number])[0] + from, 1, '0']),
            range: [from, from + half],
          });
      writeFileSync(join(dir, 'a.certune'), of(0));
      writeFileSync(join(dir, 'b.certune'), of(half));
      return ['fold', join(dir, 'a.certune'), join(dir, 'b.certune'), '--base', tiny, '-o', join(dir, 'c.certune')];
    },
    exits: [1, 3],
  },
  {
    name: 'fold: one node of 2^20 steps',
    make: (dir) => (
      writeFileSync(join(dir, 'x.certune'), forged(having({ steps: 2 ** 20 }), { node: true })),
      ['fold', join(dir, 'x.certune'), '--base', tiny, '-o', join(dir, 'c.certune')]
    ),
    exits: [1, 3],
  },
  {
    name: 'adapter: tensors that are a device',
    make: (dir) => {
      mkdirSync(join(dir, 'a'));
      put(join(dir, 'a/adapter_config.json'), {
        peft_type: 'LORA',
        r: 1,
        lora_alpha: 1,
        target_modules: ['v_proj'],
        base_model_name_or_path: 'x',
      });
      symlinkSync('/dev/zero', join(dir, 'a/adapter_model.safetensors'));
      return ['generate', '--model', tiny, '--adapter', join(dir, 'a'), 'hello'];
    },
  },
  {
    name: 'adapter: rank 65536',
    make: (dir) => {
      mkdirSync(join(dir, 'a'));
      put(join(dir, 'a/adapter_config.json'), {
        peft_type: 'LORA',
        r: 65536,
        lora_alpha: 1,
        target_modules: ['v_proj'],
        base_model_name_or_path: 'x',
      });
      writeFileSync(join(dir, 'a/adapter_model.safetensors'), Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{}')]));
      return ['generate', '--model', tiny, '--adapter', join(dir, 'a'), 'hello'];
    },
  },
];

export const CORPUS: readonly Hostile[] = [...linked, ...others, ...folders, ...tokens, ...made, ...counts, ...more];
