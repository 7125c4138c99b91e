/** Results as the tables of docs/benchmarks.md. */
import type { CertificateResult } from './certificate.js';
import type { Machine, Skipped } from './common.js';
import type { FoldRow, LongRow } from './fold.js';
import type { KernelRow } from './kernels.js';
import { PUBLISHED, parameters } from './nano.js';
import type { NodeResult } from './node.js';
import type { PolicyRow } from './policy.js';
import type { ReleaseRow } from './release.js';
import type { RunResult } from './run.js';
import type { Scaling } from './scaling.js';
import type { StepRow } from './step.js';

/** What the parts of the benchmarks give. */
export interface Results {
  readonly machine: Machine;
  kernels?: readonly KernelRow[];
  step?: readonly StepRow[];
  nano?: readonly StepRow[];
  scaling?: Scaling;
  fold?: readonly FoldRow[];
  long?: readonly LongRow[];
  policy?: readonly PolicyRow[];
  release?: readonly ReleaseRow[];
  node?: NodeResult | Skipped;
  run?: RunResult | Skipped;
  certificate?: CertificateResult | Skipped;
}

type Cell = string | number;
const line = (cells: readonly Cell[]): string => `| ${cells.join(' | ')} |`;
const table = (head: readonly Cell[], rows: readonly (readonly Cell[])[]): string =>
  [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
const n = (x: number): string => x.toLocaleString('en-US');

type Part<K extends keyof Results> = NonNullable<Results[K]>;

const kernelTable = (rows: Part<'kernels'>): string =>
  table(
    ['kernel', 'ns, median', 'least', 'per', 'bytes', 'native, ns', 'ratio', 'why above 3'],
    rows.map((r) => [
      r.name,
      r.median,
      r.least,
      r.unit,
      r.bytes,
      Number(r.native.toPrecision(3)),
      r.ratio,
      r.ratio > 3 ? (r.why ?? 'not known') : '',
    ]),
  );

const stepTable = (s: StepRow): string =>
  table(
    [
      s.runs ? `a step after the first, median of ${s.runs}` : 'the first step of a process',
      `${s.sequences} x ${s.tokens} tokens, rank ${s.rank}, ${s.bits} bits, ${s.hash}, rate 1/${2 ** s.rate}, ${s.threads} threads`,
    ],
    [
      ['cells, lookups, rows of tables', `${n(s.cells)}, ${n(s.lookups)}, ${n(s.tableRows)}`],
      ['train, s', s.trainSeconds],
      ['prove, s (processor seconds)', `${s.proveSeconds} (${s.cpuSeconds})`],
      ['prove to train', s.ratio],
      ...(s.runs ? [['the first step of the process: train, prove, s', `${s.firstTrainSeconds}, ${s.firstProveSeconds}`]] : []),
      ...Object.entries(s.phases).map(([p, t]) => [`of which ${p}, s`, t]),
      ['ns per lookup', s.lookupNs],
      ['kernel memory, resident set, MiB', `${n(s.kernelMiB)}, ${n(s.residentMiB)}`],
      ['proof, kB', s.proofKB],
      ['verify, ms (base claim apart)', `${s.verifyMs} (${s.linearMs})`],
      ['permutations', n(s.permutations)],
      ['multiplications, of these public inputs', `${n(s.multiplications)}, ${n(s.publicMultiplications)}`],
    ],
  );

const nanoTable = (rows: readonly StepRow[]): string =>
  table(
    ['system', 'what is proven', 'prove, s', 'verify, ms', 'terms', 'source'],
    [
      ...rows.map((s) => [
        s.hash === 'blake3' ? 'Certune, a proof that stands alone' : 'Certune, a proof that goes into a fold',
        `training: a whole step (forward, backward, AdamW) on 64 tokens, of LoRA on a Llama of 4 layers and ${n(parameters())} parameters`,
        s.proveSeconds,
        s.verifyMs,
        `this machine, ${s.threads} threads; no trusted setup`,
        'the table above',
      ]),
      ...PUBLISHED.map((p) => [p.system, p.proves, p.proveSeconds, p.verifyMs, p.terms, p.source]),
    ],
  );

const foldTable = (rows: Part<'fold'>): string =>
  table(
    [
      'step proof',
      'bits',
      'permutations to verify it',
      'rows P + M of leaf, fold, end',
      'rows F, B, D of leaf; of fold',
      'cells of a node',
      'permutations to verify a node',
    ],
    rows.map((r) => [
      r.label,
      r.bits,
      n(r.step),
      [r.leaf, r.fold, r.end].map(n).join(', '),
      [r.leafRows, r.foldRows].map((h) => [h.F, h.B, h.D].map(n).join(', ')).join('; '),
      n(r.cells),
      n(r.node),
    ]),
  );

const longTable = (rows: Part<'long'>): string =>
  table(
    [
      'one row',
      'tokens',
      'ids',
      'cells of leaf; fold',
      'ratio',
      'cells of a node',
      'with a policy: leaf; fold',
      'ratio',
      'cells of a node',
    ],
    rows.map((r) => [
      r.label,
      n(r.tokens),
      r.lookUp ? 'looked up' : 'bits',
      `${n(r.leaf)}; ${n(r.fold)}`,
      (r.leaf / r.fold).toFixed(2),
      n(r.node),
      `${n(r.policyLeaf)}; ${n(r.policyFold)}`,
      (r.policyLeaf / r.policyFold).toFixed(2),
      n(r.policyNode),
    ]),
  );

const policyTable = (rows: Part<'policy'>): string =>
  table(
    ['policy of 8 rows, 16 bins', 'tree', 'rounds', 'P', 'M', 'S', 'B'],
    rows.map((r) => [`${n(r.tokens)} tokens, vocabulary ${n(r.vocab)}`, r.depth, r.rounds, n(r.P), n(r.M), n(r.S), n(r.B)]),
  );

const releaseTable = (rows: readonly ReleaseRow[]): string =>
  table(
    ['files of a release', 'MiB', 'hashing, ms', 'signatures and comparison, ms', 'the first time, ms', 'signing, ms'],
    rows.map((r) => [r.files, n(r.MiB), ...[r.hashMs, r.restMs, r.firstMs, r.signMs].map((x) => x.toFixed(1))]),
  );

const nodeTable = (x: Part<'node'>): string =>
  'skipped' in x
    ? x.skipped
    : table(
        ['leaf, fold, end', `${x.sequences} x ${x.tokens} tokens, ${x.bits} bits`],
        [
          ...Object.entries(x.phases)
            .filter(([p]) => !/^(step|height|keys)/.test(p))
            .map(([p, t]) => [`${p}, s`, t]),
          ['kernel memory of nodes, of the end, MiB', `${n(x.foldKernelMiB)}, ${n(x.endKernelMiB)}`],
          ['node, end, kB', `${x.nodeKB}, ${x.endKB}`],
          ['verify the end, ms', x.verifyMs],
        ],
      );

const runTable = (x: Part<'run'>): string =>
  'skipped' in x
    ? x.skipped
    : table(
        ['steps', 'proof, kB', 'verify, ms, least', 'median'],
        x.rows.map((r) => [r.steps, r.kB, r.leastMs.toFixed(1), r.medianMs.toFixed(1)]),
      );

function scalingTables({ verifier, proofs }: Scaling): string[] {
  const out = Object.entries(verifier).map(([name, rows]) =>
    table(
      [name, 'cells', 'permutations', 'multiplications', 'of these public inputs', 'others'],
      rows.map((r) => [
        r.label,
        n(r.cells),
        n(r.permutations),
        n(r.multiplications),
        n(r.publicMultiplications),
        n(r.otherMultiplications),
      ]),
    ),
  );
  if (!proofs.length) return out;
  const head = [
    'random-weight model',
    'cells',
    'lookups',
    'prove, s',
    'proof, kB',
    'verify, ms',
    'permutations',
    'multiplications',
    'public',
  ];
  const rows = proofs.map((r) => [
    r.label,
    n(r.cells),
    n(r.lookups),
    r.proveSeconds,
    r.proofKB,
    r.verifyMs,
    n(r.permutations),
    n(r.multiplications),
    n(r.publicMultiplications),
  ]);
  return [...out, table(head, rows)];
}

function certificateTable(c: Part<'certificate'>): string {
  if ('skipped' in c) return c.skipped;
  const row = (what: string, f: (r: CertificateResult['rows'][number]) => Cell): Cell[] => [what, ...c.rows.map(f)],
    both = ({ least, median }: { least: number; median: number }): string => `${least}; ${median}`;
  return table(
    ['certificate of', ...c.rows.map((r) => `${r.run}, ${r.steps} steps`)],
    [
      row('bytes, manifest in it; of the manifest', (r) => `${n(r.bytes)}; ${n(r.manifestBytes)}`),
      row('proof alone, warm, ms: least; median', (r) => both(r.proofMs)),
      row('`verify` of certune/verify, warm, ms', (r) => both(r.verifyMs)),
      row('whole command, nothing kept, ms', (r) => both(r.coldMs)),
      row('the same where a command of this version has run before, ms', (r) => both(r.compiledMs)),
      row('with `--base --adapter`, nothing kept, key given, ms', (r) => both(r.baseMs)),
      row('the same with what the last time left, ms', (r) => both(r.cachedMs)),
      row('making the key, s beside', (r) => r.keySeconds),
    ],
  );
}

export function text({ machine: m, kernels, step, nano, scaling, fold, long, policy, release, node, run, certificate }: Results): string {
  return [
    `${m.cpu}, ${m.cores} cores, ${m.memoryGiB} GiB, Node ${m.node}; load ${m.load.join(' ')}`,
    ...(kernels ? [kernelTable(kernels)] : []),
    ...(step ?? []).map(stepTable),
    ...(nano ? [...nano.map(stepTable), nanoTable(nano)] : []),
    ...(fold ? [foldTable(fold)] : []),
    ...(long ? [longTable(long)] : []),
    ...(policy ? [policyTable(policy)] : []),
    ...(release ? [releaseTable(release)] : []),
    ...(node ? [nodeTable(node)] : []),
    ...(run ? [runTable(run)] : []),
    ...(certificate ? [certificateTable(certificate)] : []),
    ...(scaling ? scalingTables(scaling) : []),
  ].join('\n\n');
}
