/**
 * Eleven ways of cheating, as transcripts: what a client commits to, and by which states, losses and counters. Which
 * units are bad is found by replaying every unit natively, not assumed.
 */
import { type Boundary, type OwnRound, type RoundContext, difference, recordAt } from 'certune/federated';
import type { Kernels } from 'certune/kernels';
import type { AdapterState, Batch } from 'certune/model';
import { type Entered, type Passage, enteredAt, firstEntered, policyWitness, runStep } from 'certune/prove';
import type { Complete } from 'certune/run';

export const STRATEGIES = [
  'all steps',
  'one step',
  'last step boosted to the bound',
  'skipped steps',
  'stale update',
  'foreign rows',
  'mask dropped',
  'wrong learning rate',
  'false loss',
  'false counters',
  'state out of format',
] as const;
export type Strategy = (typeof STRATEGIES)[number];

/** What a client commits to in a round, and the states behind it. */
export interface Transcript {
  readonly records: readonly Boundary[];
  readonly states: readonly AdapterState[];
  readonly losses: readonly (readonly bigint[])[];
  readonly adapter: Int32Array;
}

const passageOf = (o: OwnRound): Passage => ({ run: o.run, data: o.inputs.data, policy: policyWitness(o.run, o.inputs.data) });

/** Records of states that were reached with these losses. */
function transcript(k: Kernels, o: OwnRound, states: readonly AdapterState[], losses: readonly (readonly bigint[])[]): Transcript {
  const passage = passageOf(o);
  let at: Entered = firstEntered(passage.policy);
  const records = states.map((state, t) => {
    at = enteredAt(passage, (s) => losses[s], { step: t, part: 0 }, at);
    return recordAt(k, o, passage, at, state);
  });
  return { records, states, losses, adapter: Int32Array.from(states[states.length - 1].C, Number) };
}

/** Trains a round of units of one step, from inputs that may be another's; `after` may change what a step leaves. */
function trained(
  k: Kernels,
  o: OwnRound,
  inputs: Pick<Complete, 'base' | 'data'> = o.inputs,
  after: (t: number, before: AdapterState, s: AdapterState) => AdapterState = (_t, _b, s) => s,
  run: OwnRound['run'] = o.run,
): Transcript {
  const { steps } = o.context.plan.body.train,
    states = [o.inputs.initial],
    losses: (readonly bigint[])[] = [];
  for (let t = 0; t < steps; t++) {
    const r = runStep(k, run, inputs, t, states[t]);
    losses.push(r.losses);
    states.push(after(t, states[t], r.after));
  }
  return transcript(k, o, states, losses);
}

export const honest = (k: Kernels, o: OwnRound): Transcript => trained(k, o);

const moved = (s: AdapterState, by: bigint): AdapterState => {
  const C = s.C.map((x) => x + by);
  return { ...s, C, master: C.map((x) => x << 10n) };
};

/** A state whose adapter is as far as the bound lets it be, away from where it went. */
function boosted(c: RoundContext, s: AdapterState): AdapterState {
  const d = difference(Int32Array.from(s.C, Number), c.global),
    C = s.C.map((_, i) => BigInt(c.global[i]) + (d[i] > 0 ? -c.bound : c.bound));
  return { ...s, C, master: C.map((x) => x << 10n) };
}

/** Every position of a row is a target. */
const unmasked = (b: Batch): Batch => ({ ...b, mask: b.mask.map((m) => m.map(() => 1)) });

/** The transcript of a strategy; `other` has the rows of another client. */
export function cheat(k: Kernels, o: OwnRound, s: Strategy, other: OwnRound): Transcript {
  const { steps } = o.context.plan.body.train,
    mid = steps >> 1,
    end = (t: number): boolean => t === steps - 1;
  switch (s) {
    case 'all steps':
      return trained(k, o, undefined, (t, _b, x) => moved(x, t % 2 ? 40n : -40n));
    case 'one step':
      // Back towards where the round began, so that the bound on movement does not see it.
      return trained(k, o, undefined, (t, b, x) => (t === mid ? { ...b, mm: x.mm, vv: x.vv } : x));
    case 'last step boosted to the bound':
      return trained(k, o, undefined, (t, _b, x) => (end(t) ? boosted(o.context, x) : x));
    case 'skipped steps':
      return trained(k, o, undefined, (t, b, x) => (t % 2 ? b : x));
    case 'stale update':
      return trained(k, o, undefined, (_t, b) => b);
    case 'foreign rows':
      return trained(k, o, other.inputs);
    case 'mask dropped': {
      const { data } = o.inputs,
        batches = data.batches.map((b) => ({ ...b, micro: b.micro.map(unmasked) }));
      return trained(k, o, { ...o.inputs, data: { ...data, batches } });
    }
    case 'wrong learning rate': {
      const { rows } = o.run.facts,
        at = (t: number) => {
          const r = rows.at(t);
          return r && { ...r, lr: 2n * r.lr, alpha: 2n * r.alpha, peak: { ...r.peak, alpha: 2n * r.peak.alpha } };
        };
      return trained(k, o, undefined, undefined, { ...o.run, facts: { ...o.run.facts, rows: { at } } });
    }
    case 'false loss': {
      const t = trained(k, o),
        losses = t.losses.map((l) => l.map((x) => x - (x >> 2n)));
      return transcript(k, o, t.states, losses);
    }
    case 'false counters': {
      const t = trained(k, o),
        b = t.records[mid],
        counters = b.counters.map((w, i) => (i ? w : (w + 1n) % 2n ** 63n));
      return { ...t, records: t.records.map((x, i) => (i === mid ? { ...b, counters } : x)) };
    }
    case 'state out of format':
      // A master copy far beyond its bits at one boundary; training cannot go on from it, and goes on from what it was.
      return outOfFormat(k, o, mid);
  }
}

function outOfFormat(k: Kernels, o: OwnRound, mid: number): Transcript {
  const t = trained(k, o),
    s = t.states[mid],
    bad: AdapterState = { ...s, master: s.master.map((x, i) => (i ? x : 2n ** 36n)) },
    states = t.states.map((x, i) => (i === mid ? bad : x));
  return { ...transcript(k, o, states, t.losses), adapter: t.adapter };
}

/** Largest magnitudes of a state that its formats hold. */
const inFormat = (s: AdapterState): boolean =>
  s.C.every((x) => x >= -(2n ** 24n) && x < 2n ** 24n) &&
  s.master.every((x) => x >= -(2n ** 34n) && x < 2n ** 34n) &&
  s.vv.every((x) => x >= 0n);

/** The verdict of replaying a unit of one step from the state that was committed to: undefined where it holds. */
export function replay(k: Kernels, o: OwnRound, t: Transcript, unit: number): string | undefined {
  const from = t.states[unit];
  if (!inFormat(from)) return 'the state entered is out of format';
  let r: ReturnType<typeof runStep>;
  try {
    r = runStep(k, o.run, o.inputs, unit, from);
  } catch (e) {
    return `the step cannot be run: ${(e as Error).message}`;
  }
  const passage = passageOf(o),
    losses = (s: number): readonly bigint[] => (s === unit ? r.losses : t.losses[s]),
    before = enteredAt(passage, (s) => t.losses[s], { step: unit, part: 0 }),
    after = enteredAt(passage, losses, { step: unit + 1, part: 0 }, before),
    [a, b] = [recordAt(k, o, passage, before, from), recordAt(k, o, passage, after, r.after)];
  for (const [name, own, said] of [
    ['entered', a, t.records[unit]],
    ['left', b, t.records[unit + 1]],
  ] as const)
    for (const f of ['pos', 's', 'losses', 'counters', 'epochs'] as const)
      if (own[f].some((w, i) => w !== said[f][i])) return `${f} ${name} differ`;
  return undefined;
}
