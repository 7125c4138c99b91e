/**
 * npm run utility -- stress: where formats overflow or precision fails, what the user sees, and whether the remedy
 * helps.
 */
import { join } from 'node:path';
import { singleKernels } from 'certune/kernels';
import { DEFAULT_NUMBERS, type Numbers, TARGETS, explained, smallNumbers } from 'certune/model';
import { PROOF_VERSION, Pair, type Settings, type Weights, fixtures, load, out, programsText, save, stories } from './lib.js';
import { mixture } from './mixtures.js';

const N = (o: Partial<Numbers>): Partial<Settings> => ({ numbers: { ...DEFAULT_NUMBERS, ...o } });
/** Base with one tensor scaled: outliers. `only` picks entries. */
const scaled = (base: Weights, name: string, factor: number, only = (_: number): boolean => true): Weights => ({
  ...base,
  weights: new Map([...base.weights].map(([n, v]) => [n, n === name ? v.map((x, i) => (only(i) ? x * factor : x)) : v])),
});
const D = 64;
/** Cases: what is unusual, settings, base; the last entries of a group are remedies of those before. */
const CASES: readonly (readonly [name: string, settings: Partial<Settings>, change?: (b: Weights) => Weights])[] = [
  ['learning rate 1e-3', { learningRate: 1e-3 }],
  ['learning rate 1e-2', { learningRate: 1e-2 }],
  ['learning rate 3e-2', { learningRate: 3e-2 }],
  ['learning rate 1', { learningRate: 1 }],
  ['no clipping', { clip: 0 }],
  ['clip 1e-4', { clip: 1e-4 }],
  ['epsilon 1e-10', { epsilon: 1e-10 }],
  ['epsilon 1e-11', { epsilon: 1e-11 }],
  ['epsilon 1e-11, betas[1] 0.999', { epsilon: 1e-11, betas: [0.9, 0.999] }],
  ['betas[1] 0.999999', { betas: [0.9, 0.999999] }],
  ['rank 64, alpha 128', { r: 64, alpha: 128, batch: 1 }],
  ['rank 64, alpha 1024', { r: 64, alpha: 1024, batch: 1 }],
  ['512 tokens, one sequence', { sequence: 512, batch: 1 }],
  ['activation outlier: one norm gain times 16', {}, (b) => scaled(b, 'gamma', 16, (i) => i === 5)],
  ['the same, times 64', {}, (b) => scaled(b, 'gamma', 64, (i) => i === 5)],
  ['the same, actFrac 9', N({ actFrac: 9 }), (b) => scaled(b, 'gamma', 64, (i) => i === 5)],
  [
    'the same, actFrac 9, scoreFrac 7, gradFrac 11',
    N({ actFrac: 9, scoreFrac: 7, gradFrac: 11 }),
    (b) => scaled(b, 'gamma', 64, (i) => i === 5),
  ],
  ['residual outlier: one embedding channel times 300', {}, (b) => scaled(b, 'E', 300, (i) => i % D === 7)],
  ['the same, headFrac 11', N({ headFrac: 11 }), (b) => scaled(b, 'E', 300, (i) => i % D === 7)],
  ['residual outlier: times 10000', {}, (b) => scaled(b, 'E', 10000, (i) => i % D === 7)],
  ['the same, xBits 28, headFrac 6', N({ xBits: 28, headFrac: 6 }), (b) => scaled(b, 'E', 10000, (i) => i % D === 7)],
  ['value outlier: v_proj times 30', {}, (b) => scaled(b, 'W.v_proj', 30)],
  ['the same, actFrac 8, gradFrac 9', N({ actFrac: 8, gradFrac: 9 }), (b) => scaled(b, 'W.v_proj', 30)],
  ['numbers.preset small (tables of 2^16)', { numbers: smallNumbers() }],
  ['the same, scoreFrac 9', { numbers: { ...smallNumbers(), scoreFrac: 9 } }],
  ['the same, scoreFrac 8', { numbers: { ...smallNumbers(), scoreFrac: 8 } }],
  ['the same, expBits 18', { numbers: { ...smallNumbers(), expBits: 18 } }],
  ['a weight of 5000', {}, (b) => scaled(b, 'W.up_proj', 1e5, (i) => i === 3)],
];
const STEPS = 4;

export function stress(): void {
  const model = stories(),
    kept = join(out, 'stress.json'),
    rows = load<[name: string, outcome: string][]>(kept) ?? [];
  for (const [name, settings, change] of CASES) {
    if (rows.some((r) => r[0] === name)) continue;
    // A fresh arena each: a refused case leaves its memory behind.
    const k = singleKernels();
    let text: string,
      worst = 0,
      step = 0;
    try {
      const base = change ? change(model.base) : model.base,
        pair = new Pair(k, base, {
          steps: STEPS,
          schedule: 'constant',
          warmup: 0,
          batch: 2,
          sequence: 32,
          ...settings,
          targets: TARGETS,
          seed: 1,
        }),
        data = mixture('english-chinese', fixtures, model.codec, { ...pair.o, items: 8 });
      for (; step < STEPS; step++) {
        const h = pair.train(data.batches[step]);
        worst = Math.max(worst, Math.abs(h.intLoss / h.floatLoss - 1));
      }
      text = `runs; cosine ${(pair.cosine()).toFixed(6)}, largest relative difference of loss ${worst.toExponential(1)}`;
    } catch (error) {
      const e = explained(error, step);
      if (!(e instanceof Error) || !/Overflow|Hyperparameter|Quantization|Program|Range/.test(e.name)) throw error;
      text = `${e.name}: ${e.message}`;
    }
    k.close();
    rows.push([name, text]);
    rows.sort((a, b) => CASES.findIndex((c) => c[0] === a[0]) - CASES.findIndex((c) => c[0] === b[0]));
    save(kept, `${JSON.stringify(rows, null, 1)}\n`);
    console.log(`${name}: ${text}`);
  }
  save(
    join(out, 'stress.md'),
    [
      '# Limits',
      '',
      `Written by \`npm run utility -- stress\`: ${STEPS} steps of 2 sequences of 32 tokens (unless the row says otherwise) of the English-Chinese mixture on stories260k, which has never seen Chinese (loss 23 to begin with: large`,
      'gradients). Learning rate 1e-3, clip 1, epsilon 1e-8, betas 0.9 and 0.95, rank 8, alpha 16. Outliers are made by scaling weights of the base. Cosine of the total update against float64 after these few steps, where most entries have only',
      'seen the sign of their gradient; after 200 ordinary steps see README.md. Right: what the user sees. Precision can also fail without an error: a large alpha / r, or formats widened far to hold an outlier, show in the cosine alone;',
      'the loss in integers against `Inference` in float64 tells it.',
      `Integers: ${programsText(PROOF_VERSION)}.`,
      '',
      '| case | outcome |',
      '| --- | --- |',
      ...rows.map(([n, t]) => `| ${n} | ${t.replaceAll('|', '\\|')} |`),
      '',
    ].join('\n'),
  );
}
