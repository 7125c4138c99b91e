import { batchInputs } from '../model/step.js';
import { type Publics, type Statement, publicTensors } from '../tensor/statement.js';
import type { Program } from '../tensor/types.js';
import { type ProofPart, type PartKind, LEFT } from '../run/parts.js';
import { noFrozen } from '../run/commitments.js';
import type { Before } from './leaf.js';
import { advance } from './statement.js';
import { type Run, epochBatches, stepKinds, programOf, scalarPublics } from '../run/facts.js';
import type { Data } from '../run/inputs.js';

/** What one leaf of a run verifies: by which circuit, which program proofs. */
export interface LeafProofs {
  /** Number of the circuit. */ readonly kind: number;
  readonly parts: readonly { readonly step: number; readonly part: number }[];
}

/**
 * Leaves of the steps from .. to - 1 in order: none crosses the end of an epoch, so that every epoch is a node of its
 * own.
 */
export function leafProofs(
  c: { readonly leaves: readonly { readonly kind: string; readonly count: number }[] },
  run: Pick<Run, 'manifest' | 'programs'>,
  from: number,
  to: number,
): LeafProofs[] {
  const epoch = epochBatches(run.manifest),
    { update } = run.programs,
    out: LeafProofs[] = [];
  const cut = (kind: PartKind, parts: LeafProofs['parts']): void => {
    const circuits = c.leaves.map((l, i) => ({ ...l, number: i + 1 })).filter((l) => l.kind === kind);
    for (let at = 0; at < parts.length; ) {
      const l = circuits.find((x) => x.count <= parts.length - at)!;
      out.push({ kind: l.number, parts: parts.slice(at, at + l.count) });
      at += l.count;
    }
  };
  for (let at = from; at < to; ) {
    const next = update ? at + 1 : Math.min(to, (Math.floor(at / epoch) + 1) * epoch);
    if (update) {
      const micros = stepKinds(run, at).length - 1;
      cut(
        'micro',
        Array.from({ length: micros }, (_, part) => ({ step: at, part })),
      );
      cut('update', [{ step: at, part: micros }]);
    } else
      cut(
        'step',
        Array.from({ length: next - at }, (_, i) => ({ step: at + i, part: 0 })),
      );
    at = next;
  }
  return out;
}

/**
 * How many leaves of each circuit the steps 0 .. to - 1 have, and how many proofs with a batch they read: counted, not
 * listed, for a file may say that there are a million.
 */
export function leafCounts(
  c: { readonly leaves: readonly { readonly kind: string; readonly count: number }[] },
  run: Pick<Run, 'manifest' | 'programs'>,
  to: number,
): { readonly leaves: readonly number[]; readonly main: number } {
  const out = c.leaves.map(() => 0);
  let main = 0;
  const cut = (kind: PartKind, parts: number, times: number): void => {
    let left = parts;
    c.leaves.forEach((l, i) => {
      if (l.kind !== kind) return;
      out[i] += times * Math.floor(left / l.count);
      left %= l.count;
    });
    if (left) throw new RangeError(`no leaf holds one ${kind}`);
    if (kind !== 'update') main += times * parts;
  };
  const epoch = epochBatches(run.manifest),
    whole = Math.floor(to / epoch),
    rest = to % epoch;
  if (!run.programs.update) {
    if (whole) cut('step', epoch, whole);
    if (rest) cut('step', rest, 1);
    return { leaves: out, main };
  }
  // All batches of an epoch are whole ones but the last.
  const full = stepKinds(run, 0).length - 1,
    last = stepKinds(run, epoch - 1).length - 1;
  cut('micro', full, to - whole);
  cut('micro', last, whole);
  cut('update', 1, to);
  return { leaves: out, main };
}

/** Public inputs of part `part` of a step; `loss` is that of its micro-batch. */
export function partPublics(
  run: Run,
  data: Data,
  step: number,
  part: number,
  loss: bigint,
): { kind: PartKind; program: Program; publics: Publics } {
  const kind = stepKinds(run, step)[part],
    { program } = programOf(run.programs, kind),
    b = data.batches[step],
    { train } = run.manifest.config,
    all = new Map<string, BigInt64Array | Int32Array>([
      ...scalarPublics(run, step, b.targets),
      ...(kind === 'update'
        ? []
        : [
            ...batchInputs(b.micro[part], Math.min(train.batch, train.microBatch), train.sequence),
            ['loss', BigInt64Array.of(loss)] as const,
          ]),
    ]);
  return {
    kind,
    program,
    publics: new Map(publicTensors(program).flatMap((t) => (all.has(t.name) ? [[t.name, all.get(t.name)!] as const] : []))),
  };
}

/** What every part's statement needs: digest of the base's stack, commitment of zero accumulators. */
export interface RunContext {
  readonly frozen: readonly bigint[];
  readonly zeroAcc: readonly bigint[];
}

/** Statement of a part that was proven from `at` on, and where the run stands after it. */
export function partStatement(
  run: Run,
  data: Data,
  { frozen, zeroAcc }: RunContext,
  at: Before,
  step: number,
  part: number,
  proof: Pick<ProofPart, 'roots' | 'loss'>,
): { statement: Statement; after: Before } {
  const { kind, program, publics } = partPublics(run, data, step, part, proof.loss),
    entered: Record<string, readonly bigint[]> = {
      sIn: at.s,
      ...(kind === 'step' ? {} : { aIn: at.a }),
    },
    left = Object.fromEntries(LEFT[kind].map((c) => [c, proof.roots[c]]));
  return {
    statement: {
      context: run.facts.context,
      frozen: kind === 'update' ? noFrozen() : frozen,
      roots: { ...entered, ...left },
      publics,
    },
    after: {
      place: advance(kind, program, BigInt(epochBatches(run.manifest)), at.place, publics, run.manifest.config.show),
      s: left['sOut'] ?? at.s,
      a: kind === 'update' ? zeroAcc : (left['aOut'] ?? at.a),
    },
  };
}
