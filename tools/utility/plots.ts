/** npm run utility -- plots: README.md and the plots of docs/utility from the results that exist. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ablationFile, settingNames } from './ablation.js';
import { type MeasuredText, ORDER, type Result, type Texts, resultFile, results } from './experiments.js';
import { OLD_PROGRAMS, PROOF_VERSION, load, out, programsText, save } from './lib.js';
import { lines } from './svg.js';

const COLOURS: Readonly<Record<string, string>> = {
    english: '#0b62a4',
    'english-chinese': '#a61e4d',
    multi30k: '#2f7d32',
    'english-french': '#b5541c',
  },
  DASH: Readonly<Record<number, string>> = { 1: '', 2: '6 3', 3: '2 3' };
const sign = (x: number, d: number): string => `${x < 0 ? '-' : '+'}${Math.abs(x).toFixed(d)}`;

/** A source of texts that can be measured: where it is from, its figures. */
type Measured = readonly [where: string, figures: MeasuredText];

/** Every requirement with its worst figure, where that is, and whether it is met. */
function required(
  all: readonly Result[],
  measured: readonly Measured[],
): (readonly [what: string, worst: string, where: string, met: boolean])[] {
  const worst = <T>(rows: readonly T[], value: (row: T) => number, larger = true): [row: T, value: number] =>
    rows.map((r): [T, number] => [r, value(r)]).reduce((a, b) => ((larger ? Math.abs(b[1]) > Math.abs(a[1]) : b[1] < a[1]) ? b : a));
  const out: (readonly [string, string, string, boolean])[] = [];
  if (all.length) {
    const add = (what: string, [r, x]: [Result, number], text: (x: number) => string, met: (x: number) => boolean): void =>
      void out.push([what, text(x), `${r.mixture}, seed ${r.seed}`, met(x)]);
    const percent = (x: number): string => `${sign(x, 4)}%`,
      p = worst(all, (r) => r.difference.perplexityPercent),
      q = worst(all, (r) => r.difference.releasedPerplexityPercent);
    add('perplexity within 0.3%', p, percent, (x) => Math.abs(x) <= 0.3);
    add('the same, goal: within 0.05%', p, percent, (x) => Math.abs(x) <= 0.05);
    add('the released adapter on the original weights, the same goal', q, percent, (x) => Math.abs(x) <= 0.05);
    add(
      'cosine of the total update at least 0.9999',
      worst(all, (r) => r.difference.cosine, false),
      (x) => x.toFixed(7),
      (x) => x >= 0.9999,
    );
    add(
      'expected calibration error within 0.1 point',
      worst(all, (r) => r.difference.calibrationPoints),
      (x) => sign(x, 3),
      (x) => Math.abs(x) <= 0.1,
    );
    const seeds = [...new Set(all.map((r) => r.mixture))].map((m) => all.filter((r) => r.mixture === m).length);
    out.push([
      'four mixtures, three seeds, at least 200 steps',
      `${seeds.length} mixtures, ${Math.min(...seeds)} seeds, ${Math.min(...all.map((r) => r.settings.steps))} steps`,
      'all',
      seeds.length === 4 && Math.min(...seeds) === 3 && all.every((r) => r.settings.steps >= 200),
    ]);
  }
  if (measured.length) {
    const score = (what: string, value: (g: MeasuredText) => number, limit: number): void => {
      const [[where], x] = worst(measured, ([, g]) => value(g));
      out.push([what, sign(x, 3), where, Math.abs(x) <= limit]);
    };
    score('BLEU within 0.2 point', (g) => g.bleuDifference, 0.2);
    score('ROUGE-L within 0.2 point', (g) => g.rougeDifference, 0.2);
    score('95% interval of the BLEU difference at most 1 point wide', (g) => g.bleuInterval[1] - g.bleuInterval[0], 1);
    score('95% interval of the ROUGE-L difference at most 1 point wide', (g) => g.rougeInterval[1] - g.rougeInterval[0], 1);
    const few = worst(measured, ([, g]) => g.items, false);
    out.push(['at least 500 held-out items each', `${few[1]}`, few[0][0], few[1] >= 500]);
  }
  return out;
}

/** Plots of all runs: cosines, and losses of the first seed. */
function drawRuns(all: readonly Result[]): void {
  save(
    join(out, 'cosine.svg'),
    lines({
      title: 'Total update in integers against float64 (seeds 1 drawn, 2 dashed, 3 dotted)',
      x: 'step',
      y: '1 - cosine',
      log: true,
      series: all.map((r) => ({
        label: `${r.mixture}, seed ${r.seed}`,
        colour: COLOURS[r.mixture],
        dash: DASH[r.seed],
        points: r.cosines.map(([s, c]) => [s, 1 - c] as const),
      })),
    }),
  );
  const smooth = (x: readonly number[], k: number): number[] =>
    x.map((_, i) => x.slice(Math.max(0, i - k), i + k + 1).reduce((a, b) => a + b, 0) / x.slice(Math.max(0, i - k), i + k + 1).length);
  save(
    join(out, 'loss.svg'),
    lines({
      title: 'Training loss (mean over 11 steps): float64 drawn, integers dotted over it',
      x: 'step',
      y: 'nats per target token',
      series: all
        .filter((r) => r.seed === 1)
        .flatMap((r) =>
          [0, 1].map((k) => ({
            label: `${r.mixture}, ${k ? 'integers' : 'float64'}`,
            colour: k ? '#000' : COLOURS[r.mixture],
            dash: k ? '1 5' : '',
            points: smooth(
              r.losses.map((l) => l[k]),
              5,
            ).map((v, i) => [i + 1, v] as const),
          })),
        ),
    }),
  );
}

/** What has not run yet, in words. */
function notRunYet(all: readonly Result[]): string[] {
  const missing = ORDER.filter(([n, s]) => !existsSync(resultFile(n, s))).map(([n, s]) => `${n} seed ${s}`),
    ablated = (load<{ name: string }[]>(ablationFile) ?? []).map((r) => r.name),
    lacking = settingNames.filter((n) => !ablated.includes(n)),
    silent = all.filter((r) => !r.generation).map((r) => `${r.mixture} seed ${r.seed}`);
  return [
    ...(missing.length ? [`${missing.join(', ')}: no result yet`] : []),
    ...(silent.length ? [`Texts (BLEU, ROUGE-L) of ${silent.join(', ')}: not generated yet`] : []),
    ...(lacking.length ? [`Ablations: ${lacking.join('; ')}`] : []),
  ];
}

/** Which programs the integers of which runs are of. */
function programsOfRuns(all: readonly Result[]): string {
  const versions = [...new Set(all.map((r) => r.programs ?? OLD_PROGRAMS))].sort((a, b) => a - b),
    of = (v: number): string => all.flatMap((r) => ((r.programs ?? OLD_PROGRAMS) === v ? [`${r.mixture} ${r.seed}`] : [])).join(', ');
  return `Integers: ${versions.map((v) => `${programsText(v)}${versions.length > 1 ? ` (${of(v)})` : ' (all rows)'}`).join('; ')}. The current programs are of version ${PROOF_VERSION}; test/reference.test.ts holds them to PyTorch's runs: loss within 0.05% at every step, cosine of the total update at least 0.9999.`;
}

/** The row of a run in the table of all runs. */
function runRow(r: Result): string {
  const s = r.settings,
    d = r.difference;
  return `| ${r.mixture}, ${r.seed} | ${s.steps} x ${s.batch} x ${s.sequence} | ${r.heldOut.items}, ${r.heldOut.tokens} | ${Number(r.before.perplexity.toPrecision(4))} | ${r.float64.perplexity.toFixed(4)} | ${r.integers.perplexity.toFixed(4)} (${sign(d.perplexityPercent, 4)}%) | ${r.released.perplexity.toFixed(4)} (${sign(d.releasedPerplexityPercent, 4)}%) | ${r.float64.accuracy.toFixed(2)}% (${sign(d.accuracyPoints, 3)}) | ${r.float64.calibrationError.toFixed(3)} (${sign(d.calibrationPoints, 3)}) | ${d.signedLossBias.toExponential(1)} | 1 - ${(1 - d.cosine).toExponential(1)} |`;
}
/** The row of a source of texts. */
function textRow(r: Result, source: string, g: Texts): string {
  const head = `| ${r.mixture}, ${r.seed} | ${source} | ${g.items} | ${g.sameText} | ${g.floatBleu}, ${g.integerBleu}`;
  return 'result' in g
    ? `${head}: ${g.result} | | ${g.floatRougeL}, ${g.integerRougeL} | |`
    : `${head} | ${g.bleuDifference} [${g.bleuInterval.join(', ')}] | ${g.floatRougeL}, ${g.integerRougeL} | ${g.rougeDifference} [${g.rougeInterval.join(', ')}] |`;
}

export function plots(): void {
  const all = results();
  if (all.length) drawRuns(all);
  const texts = all.flatMap((r) => (r.generation ? Object.entries(r.generation).map(([s, g]) => ({ r, s, g })) : [])),
    measured = texts.flatMap(({ r, s, g }): Measured[] => ('result' in g ? [] : [[`${r.mixture} ${r.seed}, ${s}`, g]])),
    has = (f: string): boolean => existsSync(join(out, f)),
    notRun = notRunYet(all);
  const text = [
    '# Utility of exact integers',
    '',
    'What exact integers cost, against the same run in float64. Written by `npm run utility` (parts: `experiments`, `ablation`, `reference`, `stress`, `plots`); needs the fixtures (`CERTUNE_FIXTURES`), goes on where it stopped,',
    'and gives the same results on every machine for integers; float64 figures can differ in the last digits.',
    '',
    "Bases: stories260k (260,032 parameters, five layers, TinyStories English); for english-french the demonstration's (123,200 parameters, two layers, English and French, examples/base).",
    'Identical LoRA on all seven projections (rank 8, alpha 16, cosine schedule from 1e-3 with 10 warm-up steps, clip 1, weight decay 0.05), from the same initial adapter and',
    'batches: float64 is the float reading on the original weights with AdamW as PyTorch computes it; integers are the program that is proven, with its quantised weights. Held-out rows never occur in training (Tatoeba repeats some English sentences with other translations).',
    '"Integers" is the integer run evaluated as the proof computes; "released" is its adapter on the original float weights in float64, as a user of the adapter meets it.',
    '',
    '| mixture, seed | steps x batch x tokens | held-out items, targets | perplexity before | float64 | integers | released | token accuracy | calibration error, points | signed loss bias, nats | cosine of the total update |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...all.map(runRow),
    '',
    programsOfRuns(all),
    '',
    'The signed loss bias is the mean difference of the loss per target token between integers and float64 at the same adapter.',
    '',
    '## Required and measured',
    '',
    `Worst of the ${all.length} runs above${texts.length ? ` and of the ${measured.length} measurable sources of texts below` : ''}.`,
    '',
    '| required | worst | where | |',
    '| --- | --- | --- | --- |',
    ...required(all, measured).map(([what, value, where, met]) => `| ${what} | ${value} | ${where} | ${met ? 'met' : 'not met'} |`),
    '',
    ...(all.length ? ['![cosine](cosine.svg)', '', '![loss](loss.svg)', ''] : []),
    '## Data',
    '',
    ...[...new Map(all.map((r) => [r.mixture, r])).values()].map(
      (r) =>
        `* ${r.mixture}: ${r.about}. ${r.sources.map((s) => `${s.name}: weight ${s.weight}, ${s.train} rows for training, ${s.held} held out`).join('; ')}.`,
    ),
    '',
    'Converters (tools/utility/mixtures.ts): windows/1 consecutive sentences of a story up to 170 characters; story/1 the window as text, every token a target; pair/1 one language, newline, the other; alpaca/1 instruction, input, newline,',
    'output. Only what follows the prompt is a target; rows are cut on the right, and those without a target within the sequence are left out. Nothing of Multi30k, text or adapter, is part of this repository.',
    '',
    '## Texts',
    '',
    ...(texts.length
      ? [
          'Greedy decoding of held-out prompts (stories: their first half) up to the length of the training sequence, with the float64 adapter and with the one that the integer run releases, both in float64 on the original weights. BLEU-4',
          'and ROUGE-L of tools/utility/metrics.ts: the values of sacreBLEU (13a; zh for Chinese targets) and rouge_score, checked in test/metrics.test.ts against those that their own tests expect; `tools/utility/bleu-check.py` against sacreBLEU 2.6.0: 5000 random corpora, largest difference 8.5e-14 points.',
          'Where float64 does not reach 5 BLEU: not measurable. Intervals of the differences: 95%, paired bootstrap over items.',
          '',
          '| mixture, seed | source | items | same text | BLEU float64, integers | difference | ROUGE-L float64, integers | difference |',
          '| --- | --- | --- | --- | --- | --- | --- | --- |',
          ...texts.map(({ r, s, g }) => textRow(r, s, g)),
          '',
        ]
      : []),
    ...(notRun.length ? ['## Not run', '', ...notRun.map((x) => `* ${x}.`), ''] : []),
    '## More',
    '',
    ...(has('reference.md') ? ['* [Against PyTorch and PEFT](reference.md), with the share of every format.'] : []),
    '* [A released adapter in PEFT](../data.md): keys and logits.',
    ...(has('ablation.md') ? ['* [Ablations](ablation.md): utility against proof cost.'] : []),
    ...(has('stress.md') ? ['* [Limits](stress.md): what happens outside the formats.'] : []),
    '',
  ];
  save(join(out, 'README.md'), text.join('\n'));
}
