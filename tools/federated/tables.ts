/** Tables of what was measured, as docs/federated/README.md: every table says what was proved, replayed and sampled. */
import type { BytesRow } from './bytes.js';
import type { EndToEnd } from './endtoend.js';
import type { Chain } from './chain.js';
import type { Compared, Planned } from './planner.js';
import type { Scale } from './scale.js';
import type { Utility } from './utility.js';

const percent = (x: number, digits = 1): string => `${(100 * x).toFixed(digits)}%`,
  row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`,
  table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] => [
    row(head),
    row(head.map(() => '---')),
    ...rows.map(row),
    '',
  ];

/** Clients and concentration of the experiments at scale. */
export const SCALES = [
  [50, 0.1],
  [50, 0.3],
  [200, 0.1],
  [200, 0.3],
] as const;
/** Base, steps and learning rate of what is measured in bytes. */
export const BYTES = [
  ['tiny', 8, 0.003],
  ['demo', 8, 0.002],
  ['demo', 32, 0.002],
  ['stories260k', 8, 0.0002],
  ['stories260k', 32, 0.0002],
  ['stories260k', 8, 0.002],
  ['stories260k', 32, 0.002],
] as const;

const certificateLine = (x: EndToEnd['certificates']): string[] =>
  x
    ? [
        `Certificates: ${x.rounds.map((r) => `${r.units} units in ${r.bytes} bytes, ${r.seconds.toFixed(0)} s`).join('; ')}. A copy without the proofs that they stand for was checked in ${x.check.seconds.toFixed(1)} s: ${x.check.units} units.`,
      ]
    : ['No certificate was made of these units.'];

const otherRuns = (r: EndToEnd['replayed']): string =>
  r.others === 0
    ? ''
    : ` ${r.others === 1 ? 'In the one left' : `In the ${r.others} left`} the step itself leads from the one committed state to the other, and its client answered with the proof of another run: what was compared, word for word, is that the proof enters the state of the client's honest run and not the one committed to.`;

function endToEndPart(x: EndToEnd | undefined, name: string): string[] {
  if (!x) return [`### Over ${name}`, '', 'Not run.', ''];
  return [
    `### Over ${name}`,
    '',
    `${x.clients} clients of ${x.steps} steps, units of one step, coverage ${x.coverage}, two rounds. Cheats: ${x.cheats.map((c) => `${c.client} (${c.strategy})`).join(', ')}; of what is drawn of them they show the proof of an honest run of their own, which is the best that they have.`,
    '**Proved: every drawn unit. Nothing is sampled.**',
    '',
    ...table(
      ['round', 'drawn', 'of', 'proved', 'failed', 'unanswered', 'left out'],
      x.rounds.map((r) => [r.round, r.drawn, r.pool, r.proved, r.failed, r.unanswered, r.excluded.join('; ') || 'nobody']),
    ),
    `A cheat of whom no bad unit was drawn stays in: that is what coverage means. Beside the proofs, ${x.replayed.units} units were replayed natively: both verdicts agree in ${x.replayed.agree}; ${x.replayed.bad} are bad.${otherRuns(x.replayed)}`,
    `A copy of the records was checked from the charter on in ${x.check.seconds.toFixed(1)} s, ${x.check.units} proofs among them. One proof took ${(x.seconds.prove / Math.max(1, x.seconds.proofs)).toFixed(1)} s with what it needs; all together ${x.seconds.all.toFixed(0)} s, on a machine that others used as well.`,
    ...certificateLine(x.certificates),
    `Bytes of the files, on average: update ${x.bytes.update.toFixed(0)}, commit ${x.bytes.commit.toFixed(0)}, answer ${x.bytes.response.toFixed(0)}, proof ${x.bytes.proof.toFixed(0)}, record ${x.bytes.record}.`,
    '',
  ];
}

function scalePart(x: Scale | undefined, clients: number, alpha: number): string[] {
  const title = `### ${clients} clients, Dirichlet ${alpha}`;
  if (!x) return [title, '', 'Not run.', ''];
  const { size: s } = x;
  return [
    title,
    '',
    `Every client trains ${s.steps} steps of ${s.batch} rows on rows of its own (rank ${s.r}, ${s.sequence} tokens, the base of the demonstration); ${x.units} units. Share of a client's most frequent language: least ${percent(x.skew[0], 0)}, middle ${percent(x.skew[1], 0)}, greatest ${percent(x.skew[2], 0)}.`,
    `**Real: training, commitments, commits, server's checks, seal. Replayed natively in the place of a proof: the verdict of a unit. Sampled: ${x.beacons} beacons over one sealed transcript. Nothing is proved here.**`,
    '',
    ...table(
      [
        'strategy of one client',
        'bad units',
        "server's checks, without audit",
        ...x.rows[0].coverage.map((c) => `caught at ${c.percent}% (99% interval), formula`),
      ],
      x.rows.map((r) => [
        r.strategy,
        r.bad,
        r.native,
        ...r.coverage.map((c) => `${percent(c.hits / x.beacons)} (${percent(c.least)} to ${percent(c.most)}), ${percent(c.formula)}`),
      ]),
    ),
    `${x.honest.replayed} units of honest clients were replayed, ${x.honest.hold} hold. Updates have ${x.bytes.update.toFixed(0)} bytes on average (${percent(x.bytes.update / x.bytes.float32, 0)} of float32${x.bytes.before ? ', by the code of updates before the present one' : ''}), commits ${x.bytes.commit.toFixed(0)}, the seal ${x.bytes.seal}. Honest updates move ${percent(x.movement[0], 0)} to ${percent(x.movement[1], 0)} of the bound.`,
    `Seconds of one core: training with commitments ${x.seconds.train.toFixed(0)}, server's checks ${x.seconds.check.toFixed(1)} (${((1000 * x.seconds.check) / x.clients).toFixed(0)} ms a client), replay ${x.seconds.replay.toFixed(1)}, drawing ${x.seconds.draw.toFixed(1)}.`,
    '',
  ];
}

function utilityPart(x: Utility | undefined): string[] {
  if (!x) return ['Not run.', ''];
  return [
    `${x.clients} clients, ${x.cheats} of them dishonest, ${x.rounds} rounds, Dirichlet ${x.alpha}. Dishonest clients hand in updates at the bound on movement, away from where honest ones go; included means that no audit hit them. Loss per target of the global adapter, in exact integers, on rows of clients that take no part.`,
    '**Real: training, updates, sums, losses. Nothing is proved here.** The base is that of the demonstration, a very small model that was trained on English and French: losses say how rules differ, not what a model is worth.',
    '',
    ...table(
      ['rule', 'clients', 'before', ...Array.from({ length: x.rounds }, (_, i) => `round ${i + 1}`)],
      x.rows.map((r) => [r.rule, r.who, ...r.losses.map((l) => l.toFixed(4))]),
    ),
  ];
}

function bytesPart(rows: readonly BytesRow[]): string[] {
  if (!rows.length) return ['Not run.', ''];
  return [
    'Bytes of the blobs that clients hand in after a round, on average. **Real: training, updates, commits, server checks. Nothing is proved here.** Compressed float32 is brotli at its highest quality over the same differences.',
    '',
    ...table(
      [
        'base, values',
        'steps',
        'learning rate',
        'clients',
        'update (most)',
        'of float32',
        'of 25 bits',
        'float32 compressed',
        'movement of the bound (rms)',
        'checks of a commit',
      ],
      rows.map((r) => [
        `${r.base}, ${r.values}`,
        r.steps,
        r.learningRate,
        r.clients,
        `${r.update.toFixed(0)} (${r.most})`,
        percent(r.update / r.float32),
        percent(r.update / r.bits25),
        percent(r.brotli / r.float32),
        `${percent(r.movement, 0)} (${percent(r.rms, 0)})`,
        `${r.checkMs.toFixed(1)} ms`,
      ]),
    ),
  ];
}

function plannerPart(p: Planned | undefined): string[] {
  if (!p) return ['Not run.', ''];
  const off = ({ said, is }: Compared): string => `${(100 * (said / is - 1)).toFixed(1)}%`;
  return [
    'What `certune fed plan` says of a round of one client, beside what `certune fed step` takes in it, by commands alone: a server and a client that trains, proves what is drawn in a process of its own, and is verified. The units of proving are those of `certune estimate` and were fitted to none of these runs; terms of local work for compiling and sending were added after the first two were seen.',
    '',
    ...table(
      ['run', 'what', 'predicted', 'measured', 'off by'],
      p.cases.flatMap((c) => [
        ...c.seconds.map((x) => [
          `${c.name}; ${c.proved} of ${c.units} units of ${c.unit}, ${c.show}`,
          `seconds of ${x.what}`,
          x.said.toFixed(2),
          x.is.toFixed(2),
          off(x),
        ]),
        ...c.bytes.map((x) => ['', `bytes of ${x.what}`, Math.round(x.said), Math.round(x.is), off(x)]),
      ]),
    ),
    `Seconds are those of the processor, one thread, ${p.machine}, on a machine that others used as well: what a quiet one would take by the clock, but for what its caches lose to others.${p.note === undefined ? '' : ` ${p.note}`}`,
    '',
  ];
}

function chainPart(x: Chain | undefined): string[] {
  if (!x) return ['Not run.', ''];
  const { check: c } = x;
  return [
    `${x.clients} clients, ${x.rounds} rounds of ${x.steps} steps on the smallest base (${x.values} values), ${x.opened} units opened in all; ${x.files} files, ${(x.bytes / 1e6).toFixed(1)} MB.`,
    '**Real: training, commitments, commits, receipts, seals, draws, opened records, verdicts on them, sums, records. Nothing is proved: units are opened, what lies between two records is not verified.**',
    '',
    ...table(
      ['`checkChain` over the folder, one process', 'seconds of the processor'],
      [
        ['all rounds, states committed to checked with the programs', c.seconds.toFixed(1)],
        ['all rounds, without the programs', c.without.toFixed(1)],
        [`the first ${x.rounds >> 1} rounds, with the programs`, c.half.toFixed(1)],
        [
          '20 rounds, computed: the same for every further round',
          (c.seconds + (20 - x.rounds) * ((c.seconds - c.half) / (x.rounds - (x.rounds >> 1)))).toFixed(0),
        ],
      ],
    ),
    `Wall clock ${c.wall.toFixed(0)} s on a machine that others used as well; ${c.mebibytes.toFixed(0)} MiB at most. Not checked, by its own words: ${x.notChecked.map((t) => t.replace(/:.*/, '')).join(', ')}.`,
    '',
  ];
}

/** The page; `read` gives what was measured under a name, `drawn` the plots that go with it. */
export function tables(read: (name: string) => unknown, drawn: readonly string[]): string {
  const plot = (name: string): string[] => (drawn.includes(name) ? [`![${name}](${name})`, ''] : []),
    bytes = BYTES.flatMap(([n, s, lr]) => {
      const x = read(`bytes-${n}-${s}-${lr}`) as BytesRow | undefined;
      return x ? [x] : [];
    });
  return [
    '# Federated rounds, measured',
    '',
    'Made by `npm run federated` from the JSON files beside this page; how rounds work is in [federated.md](../federated.md). Rows are real: Multi30k (English, French, German) and Tatoeba (Chinese). Whatever was not run says so.',
    '',
    '## End to end',
    '',
    ...endToEndPart(read('endtoend-folder') as EndToEnd | undefined, 'a folder'),
    ...endToEndPart(read('endtoend-https') as EndToEnd | undefined, 'HTTPS'),
    '## Eleven strategies',
    '',
    'One client cheats in one round. There is no single probability of detection: it follows from the number of bad units, and one bad unit is caught with the coverage alone.',
    '',
    ...SCALES.flatMap(([n, a]) => [...scalePart(read(`scale-${n}-${a}`) as Scale | undefined, n, a), ...plot(`caught-${n}-${a}.svg`)]),
    '## Utility',
    '',
    ...utilityPart(read('utility') as Utility | undefined),
    ...plot('utility.svg'),
    '## Planner',
    '',
    ...plannerPart(read('planner') as Planned | undefined),
    '## A long chain',
    '',
    ...chainPart(read('chain') as Chain | undefined),
    '## Bytes',
    '',
    ...bytesPart(bytes),
    ...plot('bytes.svg'),
  ].join('\n');
}
