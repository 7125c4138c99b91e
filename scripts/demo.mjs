// The demonstration, end to end on files of the repository: a small bilingual base is fine-tuned for 8 steps, every step is proven and
// verified, what it learnt is measured on rows that it never saw, and a forged adapter is refused. Any surprise ends it with code 1.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';
import { TextCodec, loadBase, loadData, readAdapter } from '../dist/io/index.js';
import { Kernels } from '../dist/kernels/index.js';
import { Inference } from '../dist/model/generate.js';

const root = fileURLToPath(new URL('..', import.meta.url)),
  file = (path) => join(root, 'examples', path),
  started = performance.now(),
  run = mkdtempSync(join(tmpdir(), 'certune-demo-'));

const SETTINGS = [
  [['lora', 'r'], 4],
  [['lora', 'alpha'], 8],
  [['train', 'steps'], 8],
  [['train', 'batch'], 4],
  [['train', 'microBatch'], 4],
  [['train', 'sequence'], 32],
  [['train', 'learningRate'], 0.01],
  [['train', 'warmup'], 0],
  [['train', 'weightDecay'], 0],
  [['numbers', 'preset'], 'small'],
];
/** Held-out prompts that are shown before and after. */
const SHOWN = 4;

class Surprise extends Error {}
const title = (text) => console.log(`\n== ${text}`);
/** Runs a command of the package, shows it, and insists on its exit code. */
function certune(want, ...args) {
  console.log(`\n$ npx certune ${args.map((a) => a.replace(run, 'RUN').replace(`${root}`, '')).join(' ')}`);
  const { status } = spawnSync(process.execPath, [join(root, 'bin/certune.js'), ...args], { stdio: 'inherit' });
  if (status !== want) throw new Surprise(`certune ${args[0]} ended with ${status}, expected ${want}`);
}

/** Mean loss over the held-out completions and greedy answers, from the float reading of base and adapter: not proved, a measurement. */
function measure(kernels, base, codec, rows, adapter) {
  const mark = kernels.mark(),
    model = new Inference(kernels, base, 16, 40, adapter),
    loss = model.meanLoss({ tokens: rows.map((x) => x.tokens), mask: rows.map((x) => x.mask) });
  const start = rows.map((x) => x.mask.indexOf(1)),
    answers = model.greedy(
      rows.map((x, i) => [...x.tokens.slice(0, start[i])]),
      base.eos,
      16,
    );
  kernels.release(mark);
  const right = answers.filter((a, i) => {
    const want = [...rows[i].tokens.slice(start[i])].filter((t) => t !== base.eos);
    return a.join() === want.join();
  }).length;
  return {
    loss,
    right,
    texts: answers.map((a) => codec.decode(a)),
    prompts: rows.map((x, i) => codec.decode([...x.tokens.slice(0, start[i])])),
  };
}
function show(label, m, rows) {
  console.log(`held-out loss ${label}: ${m.loss.toFixed(3)} nats a token; exactly right: ${m.right} of ${rows.length}`);
  for (const i of pick(rows)) console.log(`  ${JSON.stringify(m.prompts[i])} -> ${JSON.stringify(m.texts[i].trim())}`);
}
/** The first held-out rows of each format and language. */
function pick(rows) {
  const seen = new Set();
  return rows.flatMap((x, i) => {
    const key = `${x.language} ${x.tokens[1]}`;
    if (seen.has(key) || seen.size === SHOWN) return [];
    seen.add(key);
    return [i];
  });
}

function main() {
  title('the base');
  const base = loadBase(file('base')),
    codec = new TextCodec(base.dir),
    s = base.shape,
    rows = loadData([{ path: file('data/held-out.jsonl'), format: 'auto', source: '', license: '', language: '' }], codec, {
      sequence: 40,
      bos: base.bos,
      eos: base.eos,
      appendEos: true,
    }).examples;
  const parameters = [...base.weights.values()].reduce((n, w) => n + w.length, 0);
  console.log(
    `examples/base: Llama, ${parameters} parameters, ${s.layers} layers, ${s.kvHeads * s.groups} heads over ${s.kvHeads} of keys and values, vocabulary ${s.vocab}.\n` +
      'It has read little stories in English and French (examples/README.md), but no instructions.',
  );
  const kernels = Kernels.single(),
    before = measure(kernels, base, codec, rows);
  show('before', before, rows);

  title('fine-tune on translations and questions, prove, verify');
  certune(0, 'init', run, '--model', base.dir, '--data', file('data/translate.jsonl'), '--data', file('data/chat.jsonl'));
  const yaml = join(run, 'run.yaml'),
    doc = parseDocument(readFileSync(yaml, 'utf8'));
  for (const k of [0, 1]) {
    doc.setIn(['data', k, 'source'], 'certune examples');
    doc.setIn(['data', k, 'license'], 'Apache-2.0');
  }
  for (const [path, value] of SETTINGS) doc.setIn(path, value);
  writeFileSync(yaml, String(doc));
  console.log(`settings: ${SETTINGS.map(([path, value]) => `${path.join('.')} ${value}`).join(', ')}`);
  certune(0, 'run', run);

  title('what the proof says');
  certune(0, 'inspect', run);

  title('what it learnt (measured in float64 on the released adapter, not proved)');
  const { meta, members } = readAdapter(join(run, 'out/adapter'), s),
    after = measure(kernels, base, codec, rows, { r: meta.r, targets: meta.targets, scaling: meta.alpha / meta.r, members });
  show('after', after, rows);
  kernels.close();
  if (!(after.loss < before.loss)) throw new Surprise(`held-out loss did not fall: ${before.loss} -> ${after.loss}`);
  if (!(after.right > before.right)) throw new Surprise(`no more held-out answers are right: ${before.right} -> ${after.right}`);

  title('a forged adapter: one released weight changed by 2^-20');
  const adapter = join(run, 'out/adapter/adapter_model.safetensors'),
    honest = readFileSync(adapter),
    forged = Buffer.from(honest);
  forged.writeFloatLE(forged.readFloatLE(forged.length - 4) + 2 ** -20, forged.length - 4);
  writeFileSync(adapter, forged);
  certune(1, 'verify', run);
  writeFileSync(adapter, honest);

  console.log(
    `\ndemo: 8 steps proven and verified, held-out loss ${before.loss.toFixed(3)} -> ${after.loss.toFixed(3)}, right answers ${before.right} -> ${after.right} of ${rows.length}, forged adapter refused; ${((performance.now() - started) / 1000).toFixed(0)} s`,
  );
}

try {
  main();
} catch (e) {
  console.error(`demo: ${e instanceof Surprise ? e.message : (e?.stack ?? e)}`);
  process.exitCode = 1;
} finally {
  rmSync(run, { recursive: true, force: true });
}
