/**
 * npm run utility -- experiments [mixture[:seed] ...]: trains and evaluates every mixture and seed that has no result
 * yet, going on where it stopped.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Kernels, singleKernels } from 'certune/kernels';
import { Decoder } from './decode.js';
import {
  type Cost,
  type Evaluation,
  type Model,
  PROOF_VERSION,
  Pair,
  type Settings,
  fixtures,
  load,
  loadModel,
  out,
  root,
  save,
} from './lib.js';
import { bleu, bleuCounts, bootstrap, calibration, rougeL, selfCheck } from './metrics.js';
import { type Data, type Item, baseOf, mixture } from './mixtures.js';

/** Mixtures and seeds, in the order in which they run. */
export const ORDER = [1, 2, 3].flatMap((seed) =>
  ['english', 'english-chinese', 'multi30k', 'english-french'].map((m): readonly [mixture: string, seed: number] => [m, seed]),
);
const ITEMS = 768,
  ITEMS_OF_TEXT = 500;

/** Held-out figures of one adapter. */
interface Summary {
  readonly perplexity: number;
  /** Percent. */ readonly accuracy: number;
  /** Points. */ readonly calibrationError: number;
  readonly tokens: number;
}
/** Texts of one source: figures of both adapters, their difference with its 95% interval where it can be measured. */
interface TextFigures {
  readonly items: number;
  readonly tokenizer: string;
  readonly sameText: number;
  readonly floatBleu: number;
  readonly integerBleu: number;
  readonly floatRougeL: number;
  readonly integerRougeL: number;
}
export interface MeasuredText extends TextFigures {
  readonly bleuDifference: number;
  readonly bleuInterval: readonly number[];
  readonly rougeDifference: number;
  readonly rougeInterval: readonly number[];
}
export type Texts = MeasuredText | (TextFigures & { readonly result: 'not measurable' });
/** What a run leaves in docs/utility/results. */
export interface Result {
  readonly mixture: string;
  readonly about: string;
  readonly base: string;
  readonly weights: string;
  readonly seed: number;
  readonly settings: Pick<
    Settings,
    'steps' | 'batch' | 'sequence' | 'alpha' | 'learningRate' | 'schedule' | 'warmup' | 'clip' | 'weightDecay'
  > & { readonly rank: number };
  readonly sources: Data['sources'];
  readonly heldOut: { readonly asked: number; readonly items: number; readonly tokens: number };
  readonly before: { readonly perplexity: number };
  readonly float64: Summary;
  readonly integers: Summary & { readonly evaluated: string };
  readonly released: Summary & { readonly evaluated: string };
  readonly difference: {
    readonly perplexityPercent: number;
    readonly releasedPerplexityPercent: number;
    readonly accuracyPoints: number;
    readonly calibrationPoints: number;
    readonly signedLossBias: number;
    readonly trainingLossBias: number;
    readonly cosine: number;
    readonly largestParameter: number;
  };
  /** Step, cosine. */ readonly cosines: readonly (readonly [number, number])[];
  /** In float64, in integers, by step. */ readonly losses: readonly (readonly [number, number])[];
  readonly proof: Cost;
  /** Version of the proofs that the integer program is of; older results have none. */ readonly programs?: number;
  readonly generation?: Readonly<Record<string, Texts>>;
}

export const resultFile = (name: string, seed: number): string => join(out, 'results', `${name}-seed${seed}.json`);
const mean = (x: readonly number[]): number => x.reduce((s, v) => s + v, 0) / x.length;
const round = (x: number, d = 6): number => Number(x.toPrecision(d));

function summary(e: Evaluation): Summary {
  return {
    perplexity: Math.exp(mean(e.loss)),
    accuracy: 100 * mean(e.right.map(Number)),
    calibrationError: calibration(e.confidence, e.right),
    tokens: e.loss.length,
  };
}

/** Throws unless the decoder's losses are those of the float reading, to 1e-8. */
function checkDecoder(d: Decoder, pair: Pair, items: readonly Item[], adapter: Float64Array): void {
  const want = pair.evaluateFloat(items, adapter).loss,
    made = items.flatMap((x) => {
      const y = d.logits([...x.tokens].slice(0, -1));
      return y.flatMap((row, i) => {
        if (!x.mask[i + 1]) return [];
        const top = Math.max(...row);
        return [top + Math.log(row.reduce((s, v) => s + Math.exp(v - top), 0)) - row[x.tokens[i + 1]]];
      });
    });
  // The float reading goes through positions first, then rows: as sets.
  const [a, b] = [made, want].map((x) => Float64Array.from(x).sort());
  if (a.length !== b.length || a.some((v, i) => !(Math.abs(v - b[i]) < 1e-8)))
    throw new Error('the decoder does not compute what the float reading does');
}

/** A held-out row that is cut into a prompt and what should follow it. */
type Cut = Item & { readonly cut: number };
/** One adapter's text for a prompt, against what follows it in the data. */
interface Made {
  readonly counts: readonly number[];
  readonly rouge: number;
  readonly text: string;
}
/** Both adapters' texts for one prompt: float64's, the integer run's. */
type Both = readonly [Made, Made];

const B =
    (i: 0 | 1) =>
    (set: readonly Both[]): number =>
      bleu(set.map((r) => r[i].counts)),
  R =
    (i: 0 | 1) =>
    (set: readonly Both[]): number =>
      mean(set.map((r) => r[i].rouge)),
  bleuDifference = (set: readonly Both[]): number => B(1)(set) - B(0)(set),
  rougeDifference = (set: readonly Both[]): number => R(1)(set) - R(0)(set);

/** Figures of the texts of one source. */
function measured(rows: readonly Both[], tokenizer: string): Texts {
  const figures: TextFigures = {
    items: rows.length,
    tokenizer,
    sameText: rows.filter((r) => r[0].text === r[1].text).length,
    floatBleu: round(B(0)(rows), 4),
    integerBleu: round(B(1)(rows), 4),
    floatRougeL: round(R(0)(rows), 4),
    integerRougeL: round(R(1)(rows), 4),
  };
  if (B(0)(rows) < 5) return { ...figures, result: 'not measurable' };
  return {
    ...figures,
    bleuDifference: round(bleuDifference(rows), 3),
    bleuInterval: bootstrap(rows, bleuDifference, 500).map((x) => round(x, 3)),
    rougeDifference: round(rougeDifference(rows), 3),
    rougeInterval: bootstrap(rows, rougeDifference, 500).map((x) => round(x, 3)),
  };
}

/**
 * Text that each adapter gives for the held-out prompts: BLEU and ROUGE-L of both, with the difference and its 95%
 * interval. `ITEMS_OF_TEXT` items, or all of them where the interval is wider than a point.
 */
function generation(model: Model, pair: Pair, items: readonly Cut[], sequence: number, tokenizer: string): Texts {
  // The tokenizer refuses to decode nothing.
  const decode = (ids: readonly number[]): string => (ids.length ? model.codec.decode([...ids]) : ''),
    float = new Decoder(model.base, pair.o, pair.program, pair.float.theta),
    integer = new Decoder(model.base, pair.o, pair.program, pair.released());
  checkDecoder(float, pair, items.slice(0, 8), pair.float.theta);
  checkDecoder(integer, pair, items.slice(0, 8), pair.released());
  const produce = (x: Cut): Both => {
    const prompt = [...x.tokens.slice(0, x.cut)],
      reference = decode([...x.tokens.slice(x.cut)]),
      made = (d: Decoder): Made => {
        const text = decode(d.greedy(prompt, model.codec.ids.closing[0], sequence));
        return { counts: bleuCounts(text, [reference], tokenizer), rouge: 100 * rougeL(text, reference), text };
      };
    return [made(float), made(integer)];
  };
  const rows = items.slice(0, ITEMS_OF_TEXT).map(produce),
    first = measured(rows, tokenizer),
    width = (i: readonly number[]): number => i[1] - i[0];
  if ('result' in first || rows.length === items.length || (width(first.bleuInterval) <= 1 && width(first.rougeInterval) <= 1))
    return first;
  rows.push(...items.slice(rows.length).map(produce));
  return measured(rows, tokenizer);
}

/** A mixture and seed with what it is trained from. */
interface Experiment {
  readonly name: string;
  readonly seed: number;
  /** Folder of the repository that holds the base, where it is not the fixture. */ readonly own: string | undefined;
  /** SHA-256 of the base's weights. */ readonly weights: string;
  readonly sequence: number;
  readonly model: Model;
  readonly pair: Pair;
  readonly data: Data;
}

/** Held-out figures of a run whose training has ended. */
function evaluated({ name, seed, own, weights, sequence, pair, data }: Experiment, generation: Result['generation']): Result {
  const eF = pair.evaluateFloat(data.held, pair.float.theta),
    eR = pair.evaluateFloat(data.held, pair.released()),
    eI = pair.evaluateIntegers(data.held),
    eB = pair.evaluateFloat(data.held, pair.start),
    [f, r, i, b] = [eF, eR, eI, eB].map(summary),
    { steps, batch, r: rank, alpha, learningRate, schedule, warmup, clip, weightDecay } = pair.o;
  return {
    mixture: name,
    about: data.about,
    base: own ?? 'stories260k',
    weights,
    seed,
    settings: { steps, batch, sequence, rank, alpha, learningRate, schedule, warmup, clip, weightDecay },
    sources: data.sources,
    heldOut: { asked: ITEMS, items: data.held.length, tokens: f.tokens },
    before: { perplexity: b.perplexity },
    float64: f,
    integers: { ...i, evaluated: 'in integers, as proven' },
    released: { ...r, evaluated: 'adapter of the integer run in float64 on the original weights' },
    difference: {
      perplexityPercent: 100 * (i.perplexity / f.perplexity - 1),
      releasedPerplexityPercent: 100 * (r.perplexity / f.perplexity - 1),
      accuracyPoints: i.accuracy - f.accuracy,
      calibrationPoints: i.calibrationError - f.calibrationError,
      signedLossBias: mean(eI.loss.map((x, q) => x - eR.loss[q])),
      trainingLossBias: mean(pair.history.map((h) => h.intLoss - h.floatLoss)),
      cosine: pair.cosine(),
      largestParameter: pair.distance(),
    },
    cosines: pair.history.filter((h) => [1, 2, 5, 10, 20, 50, 100, 150, 200].includes(h.step)).map((h) => [h.step, h.cosine] as const),
    losses: pair.history.map((h) => [round(h.floatLoss), round(h.intLoss)] as const),
    proof: pair.cost(),
    programs: PROOF_VERSION,
    ...(generation ? { generation } : {}),
  };
}

/** Trains to the end, from where the kept state stands. */
function train({ name, seed, pair, data }: Experiment, kept: string): void {
  pair.load(kept);
  while (pair.step < pair.o.steps) {
    const h = pair.train(data.batches[pair.step]);
    if (h.step % 10 !== 0) continue;
    save(kept, pair.dump());
    process.stdout.write(
      `${name} seed ${seed} step ${h.step}: float ${h.floatLoss.toFixed(4)} integers ${h.intLoss.toFixed(4)} cosine ${h.cosine.toFixed(7)}\n`,
    );
  }
}

/** Texts of all sources of a mixture. */
function allTexts({ name, sequence, model, pair, data }: Experiment): Record<string, Texts> {
  const bySource: Record<string, Texts> = {};
  for (const [source, items] of data.texts) {
    const usable = items
      // Stories have no prompt of their own: their first half is it.
      .map((x): Cut => ({ ...x, cut: x.prompt === '' ? Math.ceil(x.tokens.length / 2) : x.mask.indexOf(1) }))
      .filter((x) => x.tokens.length - x.cut > 3);
    bySource[source] = generation(model, pair, usable, sequence, /-zh$/.test(source) ? 'zh' : '13a');
    process.stdout.write(`${name} ${source}: ${JSON.stringify(bySource[source])}\n`);
  }
  return bySource;
}

/** Figures of a mixture and seed, or its texts, unless they are there. */
function perform(k: Kernels, name: string, seed: number, texts: boolean): void {
  const file = resultFile(name, seed),
    prior = load<Result>(file),
    own = baseOf(name),
    dir = own ? join(root, own) : join(fixtures, 'data/stories260k/hf'),
    weights = createHash('sha256')
      .update(readFileSync(join(dir, 'model.safetensors')))
      .digest('hex'),
    same = prior?.weights === weights ? prior : undefined,
    // Measured on fewer rows, or trained from another base: once more.
    done = same?.heldOut.asked === ITEMS ? same : undefined;
  if (texts ? !done || done.generation : done) return;
  const model = loadModel(dir),
    sequence = name === 'english' ? 64 : own ? 32 : 48,
    pair = new Pair(k, model.base, { seed, sequence }),
    data = mixture(name, fixtures, model.codec, { ...pair.o, items: ITEMS }),
    x: Experiment = { name, seed, own, weights, sequence, model, pair, data },
    write = (r: Result): void => save(file, `${JSON.stringify(r, null, 1)}\n`);
  train(x, join(root, '.utility', `${name}-seed${seed}-${weights.slice(0, 8)}.json`));
  // Trained again, for its texts or more rows: the same run?
  if (same) console.log(`${name} seed ${seed}: cosine ${pair.cosine()}, of the first run ${same.difference.cosine}`);
  const result = done ?? evaluated(x, same?.generation);
  if (!done) {
    write(result);
    const [f, i] = [result.float64.perplexity, result.integers.perplexity];
    console.log(
      `${name} seed ${seed}: perplexity ${f.toFixed(4)} and ${i.toFixed(4)} (${(100 * (i / f - 1)).toFixed(4)}%), cosine ${pair.cosine().toFixed(7)}`,
    );
  }
  if (texts) write({ ...result, generation: allTexts(x) });
}

export function experiments(wanted: readonly string[]): void {
  selfCheck();
  const k = singleKernels();
  // Texts after all figures; they need the adapters, so where .utility lacks them the training is repeated.
  for (const texts of [false, true])
    for (const [name, seed] of ORDER) {
      if (wanted.length && !wanted.includes(name) && !wanted.includes(`${name}:${seed}`)) continue;
      k.scope(() => perform(k, name, seed, texts));
    }
  k.close();
}

/** All results so far. */
export const results = (): Result[] => ORDER.flatMap(([n, s]) => load<Result>(resultFile(n, s)) ?? []);
