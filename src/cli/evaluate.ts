import { TextCodec } from '../io/codec.js';
import { loadData } from '../io/data.js';
import { type BaseModel, loadBase } from '../io/hf.js';
import { readAdapter } from '../io/peft.js';
import { singleKernels } from '../kernels/single.js';
import { type InferenceAdapter, Inference } from '../model/generate.js';
import type { Context, Result } from './common.js';
import { UsageError } from './errors.js';
import { plain } from './escape.js';

export interface ModelOptions {
  readonly model: string;
  readonly adapter?: string;
  /** Longest sequence in tokens. */
  readonly sequence?: string;
}
const NOT_PROVED = 'measured in float64, not proved';
const BATCH = 16;

/** A whole number of at least `least` from an option. */
function whole(option: string, text: string | undefined, otherwise: number, least = 1): number {
  const n = text === undefined ? otherwise : Number(text);
  if (!Number.isSafeInteger(n) || n < least) throw new UsageError(`${option}: "${text}" is not a whole number of at least ${least}`);
  return n;
}
function adapterOf(base: BaseModel, dir: string | undefined): InferenceAdapter | undefined {
  if (dir === undefined) return undefined;
  const { meta, members } = readAdapter(dir, base.shape);
  return { r: meta.r, targets: meta.targets, scaling: meta.alpha / (meta.rslora ? Math.sqrt(meta.r) : meta.r), members };
}
function sequenceOf(base: BaseModel, o: ModelOptions, otherwise: number): number {
  const n = whole('--sequence', o.sequence, Math.min(otherwise, base.maxPositions), 2);
  if (n > base.maxPositions) throw new UsageError(`--sequence: ${n} is more than the base's ${base.maxPositions} positions`);
  return n;
}

/**
 * Mean loss on the completions of the given rows, and how many of them greedy decoding gives to the last token (rows with one
 * completion). A measurement by the float reading, not a claim of any proof.
 */
export function evaluate(o: ModelOptions & { data: string[]; show?: string }, c: Context): Result {
  const base = loadBase(o.model),
    codec = new TextCodec(base.dir),
    sequence = sequenceOf(base, o, 256),
    shown = whole('--show', o.show, 0, 0);
  const rows = loadData(
    o.data.map((path) => ({ path, format: 'auto', source: '', license: '', language: '' })),
    codec,
    { sequence, bos: codec.addsBos === false ? null : base.bos, eos: base.eos, appendEos: true },
  ).examples;
  // No row needs more positions than the longest.
  const longest = rows.reduce((n, x) => Math.max(n, x.tokens.length), 2),
    kernels = singleKernels();
  try {
    const model = new Inference(kernels, base, Math.min(BATCH, rows.length), longest, adapterOf(base, o.adapter));
    let targets = 0,
      sum = 0;
    const samples: { prompt: string; completion: string; wanted: string; right: boolean }[] = [];
    for (let at = 0; at < rows.length; at += BATCH) {
      const part = rows.slice(at, at + BATCH),
        start = part.map((x) => x.mask.indexOf(1)),
        n = part.reduce((a, x) => a + x.mask.reduce((p, q) => p + q, 0), 0);
      sum += n * model.meanLoss({ tokens: part.map((x) => x.tokens), mask: part.map((x) => x.mask) });
      targets += n;
      const prompts = part.map((x, i) => [...x.tokens.subarray(0, start[i])]);
      model.greedy(prompts, base.eos).forEach((got, i) => {
        const wanted = [...part[i].tokens.subarray(start[i])].filter((t) => t !== base.eos);
        samples.push({
          prompt: codec.decode(prompts[i]),
          completion: codec.decode(got),
          wanted: codec.decode(wanted),
          right: got.join() === wanted.join(),
        });
      });
      c.progress.update('evaluate', Math.min(at + BATCH, rows.length), rows.length);
    }
    const right = samples.filter((x) => x.right).length,
      loss = sum / targets;
    return {
      data: { proved: false, loss, targets, rows: rows.length, right, samples: samples.slice(0, shown) },
      text: [
        `loss ${loss.toFixed(4)} nats a token over ${targets} tokens of ${rows.length} rows, exactly right ${right} (${NOT_PROVED})`,
        ...samples.slice(0, shown).map((x) => `  ${JSON.stringify(x.prompt)} -> ${JSON.stringify(x.completion)}`),
      ]
        .map(plain)
        .join('\n'),
    };
  } finally {
    kernels.close();
  }
}

/** The greedy continuation of a prompt, or with `chat` the answer to it as a user's message. By the float reading, not proved. */
export function generate(prompt: string, o: ModelOptions & { tokens?: string; chat?: boolean }): Result {
  const base = loadBase(o.model),
    codec = new TextCodec(base.dir),
    text = o.chat ? codec.render([{ role: 'user', content: prompt }], true) : prompt;
  const written = codec.encode(text),
    // As in training: where the tokenizer has an id in front of a text, and once.
    ids = codec.addsBos === false || base.bos === null || written[0] === base.bos ? written : [base.bos, ...written],
    room = whole('--tokens', o.tokens, 64),
    sequence = sequenceOf(base, o, ids.length + room),
    kernels = singleKernels();
  if (!ids.length) throw new UsageError('the prompt is empty');
  if (ids.length >= sequence) throw new UsageError(`the prompt has ${ids.length} tokens, which leaves no room in ${sequence} positions`);
  try {
    const model = new Inference(kernels, base, 1, sequence, adapterOf(base, o.adapter)),
      [got] = model.greedy([ids], base.eos, room),
      completion = codec.decode(got);
    return { data: { proved: false, prompt: text, completion, tokens: got.length }, text: text + completion };
  } finally {
    kernels.close();
  }
}
