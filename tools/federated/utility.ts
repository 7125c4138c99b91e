/**
 * What a federation learns, with and without cheats that no audit caught, by rule: loss of the global adapter on rows
 * that nobody trained on, in exact integers. Cheats hand in updates at the bound, away from where the others go.
 */
import {
  type RoundContext,
  type Weighted,
  adapterBlob,
  aggregate,
  beginning,
  checkMovement,
  difference,
  digestOf as digest,
  squaredNorm,
  statesOf,
} from 'certune/federated';
import type { Kernels } from 'certune/kernels';
import type { AdapterState } from 'certune/model';
import { runStep } from 'certune/prove';
import { type Person, type Size, beacon, found, openedRound, people } from './people.js';
import { ownOf } from './scale.js';

export const RULES = [
  { name: 'mean', rule: 'mean' },
  { name: 'mean, clipped', rule: 'mean' },
  { name: 'trimmed mean', rule: 'trimmed' },
  { name: 'median', rule: 'median' },
] as const;

export interface UtilityRow {
  readonly rule: string;
  readonly who: 'no cheats' | 'cheats included' | 'cheats excluded';
  /** Mean loss per target before the first round and after every round. */ readonly losses: readonly number[];
}
export interface Utility {
  readonly clients: number;
  readonly cheats: number;
  readonly rounds: number;
  readonly alpha: number;
  readonly size: Omit<Size, 'base'>;
  readonly rows: readonly UtilityRow[];
}

/** Mean loss per target of an adapter on the rows of clients that take no part. */
function lossOf(k: Kernels, held: readonly Person[], adapter: Int32Array): number {
  let sum = 0n,
    targets = 0;
  for (const p of held) {
    const { run, inputs } = p.setup,
      C = BigInt64Array.from(adapter, BigInt),
      zero = new BigInt64Array(C.length),
      state: AdapterState = { C, master: C.map((x) => x << 10n), mm: zero, vv: zero };
    inputs.data.batches.forEach((b, t) => {
      sum += runStep(k, run, inputs, t, state).losses.reduce((a, x) => a + x, 0n);
      targets += b.targets;
    });
  }
  const { frac } = held[0].setup.run.programs.program.tensors.find((t) => t.name === 'loss')!;
  return Number(sum) / 2 ** frac / targets;
}

function open(k: Kernels, f: ReturnType<typeof found>, list: readonly Person[], adapter: Int32Array, round: number): RoundContext {
  const blob = adapterBlob(adapter, f.charter.body),
    start = beginning(f.federation, beacon(1)),
    state = (): string[] => statesOf(k, list[0].setup.run.programs).first(adapter).map(String),
    global = round === 0 ? f.charter.body.start : { adapter: digest(blob), state: state() };
  return openedRound(k, f, list, { before: { ...start, round: round - 1, global }, round, at: 10_000 + 1000 * round, blob });
}

const norm = (d: Int32Array): number => Math.sqrt(Number(squaredNorm(d)));

/** Updates of a round by client: commitments to states are left out, sums do not need them. */
class Updates {
  readonly #made = new Map<string, Weighted>();
  constructor(readonly k: Kernels) {}

  /** The update of a client, at the bound away from where it went for a dishonest one. */
  of(c: RoundContext, p: Person, lies: boolean): Weighted {
    const at = `${c.plan.body.global.adapter} ${c.plan.body.round} ${p.name}`;
    let u = this.#made.get(at);
    if (!u) {
      const own = ownOf(c, p);
      let state = own.inputs.initial;
      for (let t = 0; t < c.plan.body.train.steps; t++) state = runStep(this.k, own.run, own.inputs, t, state).after;
      u = {
        client: p.name,
        weight: own.inputs.data.batches.reduce((n, b) => n + b.targets, 0),
        d: difference(Int32Array.from(state.C, Number), c.global),
      };
      this.#made.set(at, u);
    }
    const made = lies ? { ...u, d: u.d.map((x) => (x > 0 ? -1 : 1) * Number(c.bound)) } : u;
    checkMovement(made.d, c.bound, c.charter.body.tensors);
    return made;
  }
}

export function utility(
  k: Kernels,
  dir: string,
  clients: number,
  cheats: number,
  rounds: number,
  alpha: number,
  size: Size,
  say: (t: string) => void,
): Utility {
  const all = people(dir, clients + 4, alpha, size, 4242),
    list = all.slice(0, clients),
    held = all.slice(clients),
    f = found(k, list),
    start = Int32Array.from(list[0].setup.inputs.initial.C, Number),
    { tensors } = f.charter.body,
    first = lossOf(k, held, start),
    updates = new Updates(k),
    rows: UtilityRow[] = [];
  for (const { name, rule } of RULES)
    for (const who of ['no cheats', 'cheats included', 'cheats excluded'] as const) {
      let adapter: Int32Array = start;
      const losses = [first];
      for (let r = 0; r < rounds; r++) {
        const c = open(k, f, list, adapter, r),
          made = list.map((p) => updates.of(c, p, who === 'cheats included' && p.number < cheats)),
          used = who === 'cheats excluded' ? made.slice(cheats) : made,
          norms = used.map((u) => norm(u.d)).sort((a, b) => a - b),
          clip = name === 'mean, clipped' ? Math.floor(norms[norms.length >> 1]) : 0;
        adapter = aggregate(c.global, used, { rule, clip, trim: rule === 'trimmed' ? Math.floor(used.length / 4) : 0 }, tensors);
        losses.push(lossOf(k, held, adapter));
      }
      rows.push({ rule: name, who, losses });
      say(`${name}, ${who}: ${losses.map((x) => x.toFixed(4)).join(' -> ')}`);
    }
  const { base: _, ...rest } = size;
  return { clients, cheats, rounds, alpha, size: rest, rows };
}
