import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { commit } from '../src/cli/commit.js';
import { describe as describeError } from '../src/cli/errors.js';
import { evaluate, generate } from '../src/cli/evaluate.js';
import { Progress } from '../src/cli/progress.js';
import { setupOf } from '../src/cli/setup-of.js';
import { TextCodec } from '../src/io/codec.js';
import { loadData } from '../src/io/data.js';
import { loadBase } from '../src/io/hf.js';
import { type AdapterMeta, adapterConfig, configDifference, parseAdapterConfig } from '../src/io/adapter.js';
import { writeAdapter } from '../src/io/peft.js';
import { MANIFEST_VERSION, parseManifest } from '../src/run/manifest.js';
import { fixture } from './fixtures.js';
import { added } from './tokenizers.js';

/*
 * What is trained is what other tools would train, and files of other tools are taken for what they say: through the
 * commands, on a base of the project's own and, where the fixtures are at hand, on inputs of public reports.
 */
type Json = Record<string, unknown>;
const tiny = fileURLToPath(new URL('./data/tiny', import.meta.url)),
  root = mkdtempSync(join(tmpdir(), 'certune-tokens-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let made = 0;
const lines: string[] = [],
  c = { progress: new Progress({ tty: false, quiet: false, write: (t) => lines.push(t) }), writes: () => {} };

const read = (f: string): Json => JSON.parse(readFileSync(f, 'utf8')) as Json,
  edit = (f: string, change: Json): void => writeFileSync(f, JSON.stringify({ ...(existsSync(f) ? read(f) : {}), ...change }));
/** The tiny base with other files. */
function baseWith(files: Readonly<Record<string, Json>> = {}, special: readonly string[] = []): string {
  const dir = join(root, `b${made++}`);
  cpSync(tiny, dir, { recursive: true });
  for (const [name, change] of Object.entries(files)) edit(join(dir, `${name}.json`), change);
  if (special.length) {
    const f = join(dir, 'tokenizer.json'),
      t = read(f) as Json & { added_tokens: Json[] };
    // In place of bytes that no text here has.
    special.forEach((content, k) => t.added_tokens.push(added(3 + k, content)));
    writeFileSync(f, JSON.stringify(t));
  }
  return dir;
}
/** A run folder over a base and rows. */
function runOf(base: string, data: string | readonly unknown[], yaml = '', train = 'steps: 1, batch: 1, sequence: 32'): string {
  const run = join(root, `r${made++}`);
  mkdirSync(run);
  writeFileSync(join(run, 'd.jsonl'), typeof data === 'string' ? data : data.map((x) => JSON.stringify(x)).join('\n'));
  writeFileSync(
    join(run, 'run.yaml'),
    `version: 1\nbase: { path: ${base} }\ndata: [{ path: d.jsonl }]\ntrain: { ${train} }\n${yaml.includes('lora:') ? '' : 'lora: { r: 1, alpha: 2, targets: [v_proj] }\n'}${yaml}numbers: { preset: small }\n`,
  );
  return run;
}
const manifestOf = (run: string) => parseManifest('m', read(join(run, 'out/manifest.json')));
const META: AdapterMeta = { r: 1, alpha: 2, targets: ['v_proj'], rslora: false, base: '', revision: null };
/** An adapter of zeros for a base. */
function adapterOf(base: string, change: Json = {}): string {
  const dir = join(root, `a${made++}`),
    { shape, digest } = loadBase(base),
    n = shape.layers * shape.hidden;
  writeAdapter(
    dir,
    shape,
    { ...META, base: digest },
    new Map([
      ['v_proj.A', new BigInt64Array(n).fill(1n << 15n)],
      ['v_proj.B', new BigInt64Array(shape.layers * shape.kvHeads * shape.headDim)],
    ]),
    'card',
  );
  edit(join(dir, 'adapter_config.json'), change);
  return dir;
}
const errorOf = (f: () => unknown): ReturnType<typeof describeError> => {
  try {
    f();
  } catch (e) {
    return describeError(e);
  }
  return { message: 'accepted', code: 'none', exit: 0, details: {} };
};
const PAIR = [{ prompt: 'Hi', completion: 'Yo' }];

describe('commit', () => {
  it('holds first and closing ids, counts of rows, and says them and what contradicts', () => {
    const base = baseWith({ generation_config: { eos_token_id: [2, 0] }, config: { bos_token_id: 0 } }),
      run = runOf(base, [...PAIR, { prompt: 'p', completion: 'c'.repeat(40), id: 7 }, { prompt: 'p'.repeat(50), completion: 'c' }]);
    lines.length = 0;
    const { data, text } = commit(run, c),
      m = manifestOf(run);
    expect(m.version).toBe(MANIFEST_VERSION);
    expect(m.preprocessing).toMatchObject({ first: [1], closing: [0, 2], end: 2 });
    expect(m.dataset.files[0]).toMatchObject({ rows: 3, kept: 2, cut: 1, unclosed: 1 });
    expect(data).toMatchObject({ rows: 3, cut: 1, unclosed: 1, first: [1], closing: [0, 2], end: 2, sequences: { '50%': 43, '99%': 53 } });
    expect(text).toMatch(/2 examples committed \(1 dropped, 1 cut, 1 of them without their closing id/);
    expect(text).toMatch(/train.sequence 32 is shorter than 2 of 3 rows: 1 dropped, because nothing to learn lies within it, 1 cut/);
    const said = lines.join('');
    expect(said).toMatch(/bos_token_id of config.json is "<pad>" \(0\), the tokenizer's first id "<s>" \(1\)/);
    expect(said).toMatch(/id is not used \(1 rows\)/);
  });
  it('renders a template that guards the clock with its fixed date, and refuses one that does not', () => {
    const guarded = `{%- if strftime_now is defined %}{%- set d = strftime_now('%d') %}{%- else %}{%- set d = '01' %}{%- endif %}{{ d + '\n' }}{% for m in messages %}{{ m.role + ':' + m.content + eos_token }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}`,
      rows = [
        {
          messages: [
            { role: 'user', content: 'a' },
            { role: 'assistant', content: 'b' },
          ],
        },
      ],
      run = runOf(baseWith({ tokenizer_config: { chat_template: guarded } }), rows);
    commit(run, c);
    expect(
      errorOf(() => commit(runOf(baseWith({ tokenizer_config: { chat_template: '{{ strftime_now("%d") }}' } }), rows), c)).message,
    ).toMatch(/the chat template reads the clock \(strftime_now\)/);
  });
  it('takes bookkeeping keys of config.json, and an id of -1 for none', () => {
    const keys = {
      unsloth_fixed: true,
      unsloth_version: '2025.1.1',
      _attn_implementation_autoset: true,
      _flash_attn_2_enabled: true,
      max_sequence_length: 512,
      keys_to_ignore_at_inference: ['past_key_values'],
      name_or_path: 'somebody/model',
      pad_token_id: -1,
      length_penalty: 1.5,
    };
    commit(runOf(baseWith({ config: keys }), PAIR), c);
    expect(errorOf(() => commit(runOf(baseWith({ config: { logit_softcapping: 30 } }), PAIR), c)).message).toMatch(
      /logit_softcapping = 30/,
    );
  });
});

describe('adapters', () => {
  it('trained with dropout are used, and a run that starts from one says that it trains without', () => {
    const base = baseWith(),
      adapter = adapterOf(base, { lora_dropout: 0.05 }),
      run = runOf(base, PAIR, `lora: { r: 1, alpha: 2, targets: [v_proj], from: ${adapter} }\n`);
    lines.length = 0;
    commit(run, c);
    expect(lines.join('')).toMatch(/was trained with lora_dropout 0.05: this run trains without dropout/);
    expect(generate('Hi', { model: base, adapter, tokens: '1' }, c).data['proved']).toBe(false);
  });
  it('of another base are refused by digest; another name is said', () => {
    const base = baseWith(),
      other = baseWith({ config: { unsloth_version: '1' } }),
      adapter = adapterOf(base);
    for (const f of [
      () => evaluate({ model: other, adapter, data: [join(runOf(other, PAIR), 'd.jsonl')] }, c),
      () => generate('Hi', { model: other, adapter }, c),
      () => commit(runOf(other, PAIR, `lora: { r: 1, alpha: 2, targets: [v_proj], from: ${adapter} }\n`), c),
    ])
      expect(errorOf(f)).toMatchObject({ exit: 3, message: expect.stringMatching(/the adapter was trained on another base/) });
    lines.length = 0;
    generate('Hi', { model: other, adapter: adapterOf(base, { base_model_name_or_path: 'owner/name' }), tokens: '1' }, c);
    expect(lines.join('')).toMatch(/says that it is an adapter of owner\/name: nothing tells whether the base is that one/);
  });
  it('saved again by PEFT mean the same, until a key is on that was not', () => {
    const meta: AdapterMeta = { ...META, r: 2, alpha: 16, targets: ['q_proj', 'v_proj'], base: `sha256:${'1'.repeat(64)}` },
      again = {
        ...adapterConfig(meta),
        target_modules: ['v_proj', 'q_proj'],
        lora_dropout: 0.0,
        peft_version: '0.18.0',
        init_lora_weights: true,
        megatron_core: 'megatron.core',
        qalora_group_size: 16,
        loftq_config: {},
        runtime_config: { ephemeral_gpu_offload: false },
        layers_to_transform: null,
        ensure_weight_tying: false,
      };
    expect(parseAdapterConfig(again, [])).toMatchObject({ r: 2 });
    expect(configDifference(again, meta)).toEqual([]);
    for (const [change, keys] of [
      [{ lora_alpha: 8 }, ['lora_alpha']],
      [{ lora_dropout: 0.1 }, ['lora_dropout']],
      [{ target_modules: ['q_proj'] }, ['target_modules']],
      [{ base_model_name_or_path: 'x', revision: 'y' }, ['base_model_name_or_path', 'revision']],
      [{ use_rslora: true }, ['use_rslora']],
    ] as const)
      expect(configDifference({ ...again, ...change }, meta)).toEqual(keys);
    const problems: string[] = [];
    parseAdapterConfig({ ...again, alpha_pattern: { q_proj: 3 }, layer_replication: [[0, 1]] }, problems);
    expect(problems).toHaveLength(2);
  });
});

describe('eval and generate', () => {
  it("take the run's template and format, and stop at every closing id", () => {
    const base = baseWith({ generation_config: { eos_token_id: [2, 0] } }),
      template =
        "{% for m in messages %}{{ m.role + '>' + m.content + eos_token }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant>' }}{% endif %}",
      // Fits two formats: only the run says which is meant.
      rows = [{ prompt: 'Hi', completion: 'Yo', text: 'other' }],
      run = runOf(base, rows, '', `steps: 1, batch: 1, sequence: 32, template: ${JSON.stringify(template)}`);
    writeFileSync(
      join(run, 'run.yaml'),
      readFileSync(join(run, 'run.yaml'), 'utf8').replace('path: d.jsonl', 'path: d.jsonl, format: text'),
    );
    commit(run, c);
    cpSync(adapterOf(base), join(run, 'out/adapter'), { recursive: true });
    const data = [join(run, 'd.jsonl')];
    for (const o of [{ run }, { adapter: join(run, 'out/adapter') }]) {
      const e = evaluate({ model: base, ...o, data }, c);
      // 'other' and the closing id.
      expect(e.data).toMatchObject({ format: 'text', targets: 6, closing: [0, 2] });
      expect(generate('a', { model: base, ...o, chat: true, tokens: '1' }, c).data['prompt']).toBe('user>a</s>assistant>');
    }
    expect(errorOf(() => evaluate({ model: base, data }, c)).message).toMatch(/fits the formats prompt-completion and text/);
    expect(errorOf(() => evaluate({ model: base, data, format: 'x' }, c)).exit).toBe(2);
    // Whatever comes first of the set ends the answer: of these weights, among 24 prompts, one does.
    const codec = new TextCodec(base);
    expect([0, 1, 2].map((x) => codec.closes(x))).toEqual([true, false, true]);
  });
});

describe('line ends', () => {
  const text = '{"prompt":"Hi","completion":"Yo"}\n{"prompt":"a","completion":"b"}\n';
  it('of data, tokenizer and configuration that alone differ are told from rows that differ', () => {
    const base = baseWith(),
      run = runOf(base, text);
    commit(run, c);
    const m = manifestOf(run),
      said = (b: string, d: string): string => {
        const f = join(root, `e${made++}.jsonl`);
        writeFileSync(f, d);
        return errorOf(() => setupOf(m, b, [f], null)).message;
      };
    expect(said(base, text.replaceAll('\n', '\r\n'))).toMatch(
      /dataset.files.0.digest \(the rows agree \(dataset.root\), only the bytes of the files differ; .*jsonl differs only by line ends/,
    );
    expect(said(base, `${text}\n`)).toMatch(/the rows agree \(dataset.root\), only the bytes of the files differ\)$/);
    expect(said(base, text.replace('Yo', 'No'))).not.toMatch(/the rows agree|line ends/);
    const crlf = baseWith();
    for (const name of ['tokenizer.json', 'tokenizer_config.json', 'config.json'])
      writeFileSync(join(crlf, name), readFileSync(join(crlf, name), 'utf8').replaceAll('\n', '\r\n'));
    expect(said(crlf, text)).toMatch(/tokenizer.json, .*tokenizer_config.json, .*config.json differ only by line ends/);
  });
});

describe('inputs of public reports', () => {
  const cases = fixture('cases');
  /** Tokens as text, with + for targets. */
  const shown = (name: string, data: string, base = 'base', sequence = 512): string[] => {
    const dir = join(cases!, name),
      codec = new TextCodec(join(dir, base)),
      t = read(join(dir, base, 'tokenizer.json')) as {
        model: { vocab: Record<string, number> };
        added_tokens: { id: number; content: string }[];
      },
      names = new Map([
        ...Object.entries(t.model.vocab).map(([k, v]) => [v, k] as const),
        ...t.added_tokens.map((a) => [a.id, a.content] as const),
      ]);
    return loadData([{ path: join(dir, data), format: 'auto', source: '', license: '', language: '' }], codec, {
      sequence,
      appendEos: true,
    }).examples.map((e) => Array.from(e.tokens, (x, k) => (e.mask[k] ? '+' : '-') + names.get(x)).join(' '));
  };
  it.skipIf(!cases)('01: every id of the list closes (needs fixtures)', () => {
    expect(shown('01-several-closing-ids', 'chat.jsonl')[0]).toMatch(/-<\/h> \+Y \+o \+<eot>$/);
    expect(shown('01-several-closing-ids', 'pairs.jsonl')).toEqual(['-<bot> -H -i +Y +o +<eot>']);
    // The adapter names the digest that the base had when its config.json had one closing id: the same base, which is
    // said.
    const dir = join(cases!, '01-several-closing-ids'),
      adapter = join(dir, 'adapter');
    const g = generate('Hi', { model: join(dir, 'base'), adapter, chat: true, tokens: '12' }, c);
    expect(g.data).toMatchObject({ completion: 'Yo', tokens: 2 });
    expect(JSON.stringify(g.data)).toMatch(/the same weights and configuration, but that eos_token_id of config\.json was 264/);
    // Any other difference is another base: one more key, or one more weight.
    for (const harm of [
      (b: string) => edit(join(b, 'config.json'), { rope_theta: 20000 }),
      (b: string) => {
        const w = readFileSync(join(b, 'model.safetensors'));
        w[w.length - 3] ^= 1;
        writeFileSync(join(b, 'model.safetensors'), w);
      },
    ]) {
      const b = join(root, `c${made++}`);
      cpSync(join(dir, 'base'), b, { recursive: true });
      harm(b);
      expect(errorOf(() => generate('Hi', { model: b, adapter, chat: true, tokens: '12' }, c)).message).toMatch(
        /was trained on another base/,
      );
    }
    expect(evaluate({ model: join(dir, 'base'), adapter, data: [join(dir, 'chat.jsonl')] }, c).data).toMatchObject({
      right: 1,
      rows: 1,
    });
  });
  it.skipIf(!cases)("02: the first id is the tokenizer's, once (needs fixtures)", () => {
    expect(shown('02-first-id-of-tokenizer', 'chat.jsonl')).toEqual(['-<bos> -<U> -H -i -<A> +Y +o +<eos>']);
    expect(shown('02-first-id-of-tokenizer', 'pairs.jsonl')).toEqual(['-<bos> -H -i +Y +o +<eos>']);
  });
  it.skipIf(!cases)('04: seams get no word mark (needs fixtures)', () => {
    expect(shown('04-sentencepiece-seams', 'rows.jsonl')).toEqual(['-<s> -▁Q -: -▁Hi -<0x0A> -A -: +▁Yo +</s>', '-<s> -▁Hi +Yo +</s>']);
    const [chat] = shown('04-sentencepiece-seams', 'chat.jsonl');
    expect(chat.match(/\+Yo \+<\/s>/g)).toHaveLength(2);
    expect(chat).not.toMatch(/\+▁/);
    expect(chat).toMatch(/<0x0A> -< -\| -u/);
  });
  it.skipIf(!cases)('05, 06, 07: keys, marks and cuts (needs fixtures)', () => {
    expect(() => shown('05-keys-dropped', 'toolcalls-empty.jsonl')).toThrow(/field tools is not read by the chat template/);
    expect(() => shown('05-keys-dropped', 'alpaca-history.jsonl')).toThrow(/field system, history is not supported/);
    expect(shown('05-keys-dropped', 'sharegpt-system.jsonl')[0]).toMatch(/^-<\|im_start\|> -s -y -s -t -e -m/);
    for (const f of ['weight0.jsonl', 'train-false.jsonl']) {
      const [row] = shown('06-turns-not-to-learn', f);
      expect(row.match(/\+/g)!.length - row.split('-+').length + 1).toBe(8);
      expect(row).toMatch(/\+R \+I \+G \+H \+T \+Ġ \+4 \+<\|im_end\|> -Ċ$/);
    }
    const cut = shown('07-silent-cut', 'rows.jsonl', 'base', 32);
    expect(cut.every((x) => !x.includes('<|im_end|>'))).toBe(true);
  });
  it.skipIf(!cases)('13: methods of texts do what their arguments say (needs fixtures)', () => {
    expect(shown('13-template-string-methods', 'chat.jsonl')[0]).toMatch(/Ċ \+Ġ \+Ġ \+Ġ \+Ġ \+r \+e \+t/);
  });
  it.skipIf(!cases)('18: rows of other trainers (needs fixtures)', () => {
    const dir = join(cases!, '18-rows-of-other-trainers');
    for (const f of readdirSync(dir).filter((x) => x.endsWith('.jsonl') && x !== 'toolcalls.jsonl')) {
      const codec = new TextCodec(join(cases!, '06-turns-not-to-learn/base')),
        r = loadData([{ path: join(dir, f), format: 'auto', source: '', license: '', language: '' }], codec, {
          sequence: 512,
          appendEos: true,
        });
      expect(r.examples, f).toHaveLength(1);
    }
  });
  it.skipIf(!cases)('08, 10, 15, 19, 20: files of other tools (needs fixtures)', () => {
    for (const f of readdirSync(join(cases!, '08-harmless-config-keys')).filter((x) => x.endsWith('.json'))) {
      const dir = join(root, `c${made++}`);
      cpSync(join(cases!, '05-keys-dropped/base'), dir, { recursive: true });
      cpSync(join(cases!, '08-harmless-config-keys', f), join(dir, 'config.json'));
      expect(commit(runOf(dir, PAIR), c).data['examples'], f).toBe(1);
    }
    const ten = join(cases!, '10-adapter-of-another-base'),
      use = (model: string): number =>
        errorOf(() => evaluate({ model: join(ten, model), adapter: join(ten, 'adapter'), data: [join(ten, 'rows.jsonl')] }, c)).exit;
    expect([use('another-base'), use('base-it-was-trained-on')]).toEqual([3, 0]);
    const fifteen = join(cases!, '15-adapter-saved-again'),
      meta = parseAdapterConfig(read(join(fifteen, 'adapter_config.released.json')), []);
    expect(configDifference(read(join(fifteen, 'adapter_config.saved-by-PEFT-0.18.json')), meta)).toEqual([]);
    const clock = join(root, `c${made++}`);
    cpSync(join(cases!, '05-keys-dropped/base'), clock, { recursive: true });
    cpSync(join(cases!, '19-clock-behind-a-guard/template.jinja'), join(clock, 'chat_template.jinja'));
    expect(new TextCodec(clock).render([{ role: 'user', content: 'a' }], true)).toMatch(/^Today: 01 Jan 2024\n/);
    const twenty = join(cases!, '20-carriage-returns'),
      run = runOf(baseWith(), readFileSync(join(twenty, 'committed.jsonl'), 'utf8'));
    commit(run, c);
    expect(errorOf(() => setupOf(manifestOf(run), join(tiny), [join(twenty, 'checked-out.jsonl')], null)).message).toMatch(
      /the rows agree .* only by line ends/,
    );
  });
});
