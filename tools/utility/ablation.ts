/**
 * npm run utility -- ablation: what a format costs and what it loses. The float reading is evaluated at the integer
 * run's own adapter at every step, so that differences of loss and gradient are the formats' alone, without the
 * divergence of two trajectories.
 */
import { join } from 'node:path';
import { singleKernels } from 'certune/kernels';
import { DEFAULT_NUMBERS, type Numbers, explained, smallNumbers } from 'certune/model';
import { ADAMW } from 'certune/optim';
import { type Cost, DEFAULTS, PROOF_VERSION, Pair, type Settings, fixtures, load, out, programsText, save, stories } from './lib.js';
import { mixture } from './mixtures.js';
import { scatter } from './svg.js';

const numbers = (o: Partial<Numbers>): Partial<Settings> => ({ numbers: { ...DEFAULT_NUMBERS, ...o } });
type Group = keyof typeof COLOURS;
const COLOURS = {
  default: '#111',
  fractions: '#0b62a4',
  scores: '#7a3e9d',
  tables: '#b5541c',
  rank: '#2f7d32',
  sequence: '#a61e4d',
  batch: '#5f6b00',
};
const SETTINGS: readonly (readonly [group: Group, name: string, settings: Partial<Settings>])[] = [
  ['default', 'default', {}],
  ['fractions', 'activations 8, gradients 9', numbers({ actFrac: 8, gradFrac: 9 })],
  ['fractions', 'activations 10, gradients 11', numbers({ actFrac: 10, gradFrac: 11 })],
  ['fractions', 'activations 11, gradients 12', numbers({ actFrac: 11, gradFrac: 12 })],
  ['fractions', 'activations 13, gradients 14', numbers({ actFrac: 13, gradFrac: 14 })],
  ['fractions', '24 bits: activations 15, gradients 16', numbers({ actBits: 24, actFrac: 15, gradFrac: 16 })],
  ['scores', 'scores 8', numbers({ scoreFrac: 8 })],
  ['scores', 'scores 10', numbers({ scoreFrac: 10 })],
  ['scores', 'scores 12, exponential 2^21', numbers({ scoreFrac: 12, headFrac: 14, expBits: 21 })],
  ['tables', 'preset small (2^16)', { numbers: smallNumbers() }],
  ['tables', 'preset small, scores 8, logits 10', { numbers: { ...smallNumbers(), scoreFrac: 8, headFrac: 10 } }],
  ['tables', 'exponential and SiLU 2^18', numbers({ expBits: 18, siluBits: 18, scoreFrac: 9, headFrac: 11, siluFrac: 10 })],
  ['tables', 'ranges 2^18', numbers({ rangeBits: 18 })],
  ['rank', 'rank 4', { r: 4, alpha: 8 }],
  ['rank', 'rank 16', { r: 16, alpha: 32 }],
  ['sequence', '24 tokens', { sequence: 24 }],
  ['sequence', '96 tokens', { sequence: 96 }],
  ['batch', '1 sequence', { batch: 1 }],
  ['batch', '8 sequences', { batch: 8 }],
];
/** Groups that change what is trained, not how: apart from the frontier. */
const WORKLOADS: readonly Group[] = ['rank', 'sequence', 'batch'];
const STEPS = 10;
export const settingNames = SETTINGS.map((s) => s[1]);
const mean = (x: readonly number[]): number => x.reduce((s, v) => s + v, 0) / x.length;

/** A setting's row of ablation.json. */
interface Ablated extends Cost {
  readonly group: Group;
  readonly name: string;
  readonly gradientError?: number;
  readonly lossBias?: number;
  readonly lossDeviation?: number;
  readonly stopped?: string;
  readonly tokens: number;
  readonly lookupsPerToken: number;
  readonly cellsPerToken: number;
}
export const ablationFile = join(out, 'ablation.json');

export function ablation(): void {
  const model = stories(),
    k = singleKernels(),
    results = load<Ablated[]>(ablationFile) ?? [];
  for (const [group, name, settings] of SETTINGS) {
    if (results.some((r) => r.name === name)) continue;
    const m = k.mark(),
      pair = new Pair(k, model.base, { ...settings, seed: 1, warmup: 0, schedule: 'constant', steps: STEPS }),
      data = mixture('english-chinese', fixtures, model.codec, { ...pair.o, items: 8 }),
      errors: number[] = [],
      losses: number[] = [];
    let stopped: string | undefined;
    try {
      for (let s = 0; s < STEPS; s++) {
        pair.float.theta.set(pair.released());
        const h = pair.train(data.batches[s]),
          { integers: g, float: f } = pair.gradients();
        let d = 0,
          y = 0;
        g.forEach((x, i) => {
          d += (Number(x) / 2 ** ADAMW.g.frac - f[i]) ** 2;
          y += f[i] ** 2;
        });
        // From the second step on: before it B is zero and with it half of the gradient.
        if (s > 0) errors.push(Math.sqrt(d / y));
        losses.push(h.intLoss - h.floatLoss);
      }
    } catch (e) {
      const x = explained(e, pair.step);
      stopped = x instanceof Error ? x.message : String(x);
    }
    const c = pair.cost(),
      tokens = pair.o.batch * pair.o.sequence;
    results.push({
      group,
      name,
      gradientError: errors.length ? Math.sqrt(mean(errors.map((x) => x * x))) : undefined,
      lossBias: losses.length ? mean(losses) : undefined,
      lossDeviation: losses.length ? Math.sqrt(mean(losses.map((x) => x * x))) : undefined,
      ...(stopped ? { stopped } : {}),
      ...c,
      tokens,
      lookupsPerToken: Math.round(c.lookups / tokens),
      cellsPerToken: Math.round(c.cells / tokens),
    });
    console.log(name, JSON.stringify(results.at(-1)));
    save(ablationFile, `${JSON.stringify(results, null, 1)}\n`);
    k.release(m);
  }
  k.close();
  plotAblation(results);
}

export function plotAblation(unsorted: readonly Ablated[]): void {
  const results = [...unsorted].sort((a, b) => settingNames.indexOf(a.name) - settingNames.indexOf(b.name));
  save(
    join(out, 'frontier.svg'),
    scatter({
      title: 'Utility against proof cost (stories260k; joined: the frontier at one workload)',
      x: 'lookups of the proof per token',
      y: 'relative error of the gradient',
      points: results.flatMap((r) =>
        r.gradientError === undefined
          ? []
          : {
              x: r.lookupsPerToken,
              y: r.gradientError,
              label: r.name,
              colour: COLOURS[r.group],
              big: r.group === 'default',
              frontier: !WORKLOADS.includes(r.group),
            },
      ),
    }),
  );
  const e = (x: number | undefined): string => (x === undefined ? '' : x.toExponential(1)),
    lines = [
      '# Ablations',
      '',
      `Written by \`npm run utility -- ablation\`: stories260k, English-Chinese mixture, ${STEPS} steps of ${DEFAULTS.batch} sequences of ${DEFAULTS.sequence} tokens at rank ${DEFAULTS.r} unless the row says otherwise. The float reading is evaluated at the integer run's`,
      'own adapter at every step, so the errors are those of formats and tables alone. Gradient error: Euclidean, over all adapter parameters, root mean square over steps 2 to 10. Loss: integer minus float64, nats per target token.',
      'Cost from the plan of the proof (cells that are committed, lookups), per token of the batch.',
      `Integers: ${programsText(PROOF_VERSION)}.`,
      '',
      '| setting | gradient error | loss bias | loss deviation | lookups per token | cells per token | |',
      '| --- | --- | --- | --- | --- | --- | --- |',
      ...results.map(
        (r) =>
          `| ${r.name} | ${e(r.gradientError)} | ${e(r.lossBias)} | ${e(r.lossDeviation)} | ${r.lookupsPerToken} | ${r.cellsPerToken} | ${r.stopped ? `stopped: ${r.stopped}` : ''} |`,
      ),
      '',
      '![frontier](frontier.svg)',
      '',
      '## Why the defaults are where they are',
      '',
      '* Fractions: a bit more in both halves the error and the range with it. Gradients reach 18 of the 64 that 20 bits hold at 13 fraction bits (PyTorch runs qv-rank4 and schedule-accumulation), activations 46 of 128: one bit finer would leave no room for another model. At 12 and',
      '  13 most shifts are just 20 bits or less, one lookup each; any other fraction pushes some over it. Four bits more in all activations and gradients cost a third more lookups for an error 2.6 times smaller.',
      '* Scores: beyond 10 fraction bits nothing is gained, since log-sum-exp is rounded to nearest; 11 leave a range of 512 between scores of a row.',
      '* Tables: range tables of 2^18 cost 44% more lookups, because 20-bit values need two digits. Exponential and SiLU tables of 2^18 save cells in small batches only (their multiplicities weigh less and less in larger ones).',
      '* Joined in the plot: settings of one workload that no other beats in both error and cost. Of the two with a smaller error, 13 and 14 have half the room, as said; 24 bits have more room and need a third more lookups.',
      '* `numbers.preset: small`: always more lookups; fewer cells in small batches alone, where tables dominate (one sequence of 16 tokens: 175,881 cells a token instead of 402,331; one of 48: 100,534 instead of 156,271). On stories260k its ranges are too small: the errors name numbers.scoreFrac and numbers.headFrac.',
      '* Rank, sequence and batch change the cost, hardly the error.',
      '',
    ];
  save(join(out, 'ablation.md'), lines.join('\n'));
}
