/** Results as the tables of docs/benchmarks.md. */
import type { Machine, Skipped } from './common.js';
import type { FoldRow } from './fold.js';
import type { KernelRow } from './kernels.js';
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
  scaling?: Scaling;
  fold?: readonly FoldRow[];
  policy?: readonly PolicyRow[];
  release?: readonly ReleaseRow[];
  node?: NodeResult | Skipped;
  run?: RunResult | Skipped;
}

type Cell = string | number;
const line = (cells: readonly Cell[]): string => `| ${cells.join(' | ')} |`;
const table = (head: readonly Cell[], rows: readonly (readonly Cell[])[]): string =>
  [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
const n = (x: number): string => x.toLocaleString('en-US');

const releaseTable = (rows: readonly ReleaseRow[]): string =>
  table(
    ['files of a release', 'MiB', 'hashing, ms', 'signatures and comparison, ms', 'the first time, ms', 'signing, ms'],
    rows.map((r) => [r.files, n(r.MiB), ...[r.hashMs, r.restMs, r.firstMs, r.signMs].map((x) => x.toFixed(1))]),
  );

export function text({ machine: m, kernels, step, scaling, fold, policy, release, node, run }: Results): string {
  const out = [`${m.cpu}, ${m.cores} cores, ${m.memoryGiB} GiB, Node ${m.node}; load ${m.load.join(' ')}`];
  if (kernels)
    out.push(
      table(
        ['kernel', 'ns, median', 'least', 'per'],
        kernels.map((r) => [r.name, r.median, r.least, r.unit]),
      ),
    );
  for (const s of step ?? [])
    out.push(
      table(
        ['step', `${s.sequences} x ${s.tokens} tokens, rank ${s.rank}, ${s.bits} bits, rate 1/${2 ** s.rate}`],
        [
          ['cells, lookups', `${n(s.cells)}, ${n(s.lookups)}`],
          ['train, s', s.trainSeconds],
          ['prove, s (processor seconds)', `${s.proveSeconds} (${s.cpuSeconds})`],
          ...Object.entries(s.phases).map(([p, t]) => [`of which ${p}, s`, t]),
          ['ns per lookup', s.lookupNs],
          ['kernel memory, resident set, MiB', `${n(s.kernelMiB)}, ${n(s.residentMiB)}`],
          ['proof, kB', s.proofKB],
          ['verify, ms (base claim apart)', `${s.verifyMs} (${s.linearMs})`],
          ['permutations', n(s.permutations)],
          ['multiplications, of these public inputs', `${n(s.multiplications)}, ${n(s.publicMultiplications)}`],
        ],
      ),
    );
  if (fold)
    out.push(
      table(
        [
          'step proof',
          'bits',
          'permutations to verify it',
          'rows P + M of leaf, fold, end',
          'rows F of leaf, fold',
          'cells of a node',
          'permutations to verify a node',
        ],
        fold.map((r) => [
          r.label,
          r.bits,
          n(r.step),
          [r.leaf, r.fold, r.end].map(n).join(', '),
          [r.leafRows.F, r.foldRows.F].map(n).join(', '),
          n(r.cells),
          n(r.node),
        ]),
      ),
    );
  if (policy)
    out.push(
      table(
        ['policy of 8 rows, 16 bins', 'tree', 'rounds', 'P', 'M', 'S', 'F'],
        policy.map((r) => [`${n(r.tokens)} tokens, vocabulary ${n(r.vocab)}`, r.depth, r.rounds, n(r.P), n(r.M), n(r.S), n(r.F)]),
      ),
    );
  if (release) out.push(releaseTable(release));
  if (node)
    out.push(
      'skipped' in node
        ? node.skipped
        : table(
            ['leaf, fold, end', `${node.sequences} x ${node.tokens} tokens, ${node.bits} bits`],
            [
              ...Object.entries(node.phases)
                .filter(([p]) => !/^(step|height|keys)/.test(p))
                .map(([p, t]) => [`${p}, s`, t]),
              ['kernel memory of nodes, of the end, MiB', `${n(node.foldKernelMiB)}, ${n(node.endKernelMiB)}`],
              ['node, end, kB', `${node.nodeKB}, ${node.endKB}`],
              ['verify the end, ms', node.verifyMs],
            ],
          ),
    );
  if (run)
    out.push(
      'skipped' in run
        ? run.skipped
        : table(
            ['steps', 'proof, kB', 'verify, ms, least', 'median'],
            run.rows.map((r) => [r.steps, r.kB, r.leastMs.toFixed(1), r.medianMs.toFixed(1)]),
          ),
    );
  if (scaling) {
    for (const [name, rows] of Object.entries(scaling.verifier))
      out.push(
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
    if (scaling.proofs.length)
      out.push(
        table(
          ['random-weight model', 'cells', 'lookups', 'prove, s', 'proof, kB', 'verify, ms', 'permutations', 'multiplications', 'public'],
          scaling.proofs.map((r) => [
            r.label,
            n(r.cells),
            n(r.lookups),
            r.proveSeconds,
            r.proofKB,
            r.verifyMs,
            n(r.permutations),
            n(r.multiplications),
            n(r.publicMultiplications),
          ]),
        ),
      );
  }
  return out.join('\n\n');
}
