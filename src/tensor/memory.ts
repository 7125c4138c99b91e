import { logUpDeviceBytes, logUpMemory } from '../lookup/layers.js';
import { type WhirGroup, groupCells, usedColumns } from '../pcs/params.js';
import { byTransform, transformBytes } from '../device/cpu-opening.js';
import { STACK_SHARE, commitBytes, openBytes } from '../pcs/commit.js';
import { type LookupTable, type Plan, keyGroup, stateGroup } from './plan.js';
import { WEIGHTS } from './project.js';

const product = (plan: Plan, axes: readonly string[]): number => axes.reduce((n, a) => n * plan.program.axes[a], 1);
const sum = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0);

/** Bytes of the batched sumcheck when every array is near: projected factors, weights, and half of each array. */
export function sumcheckBytes(plan: Plan): number {
  const { arrays, folded } = sumcheckArrays(plan);
  return folded + sum([...arrays.values()]);
}

/** Arrays that are made (by key, bytes), and bytes of all folded ones. */
function sumcheckArrays(plan: Plan): { arrays: Map<string, number>; folded: number } {
  const arrays = new Map<string, number>();
  let folded = 0;
  const add = (key: string, cells: number, made: boolean): void => {
    if (arrays.has(key)) return;
    arrays.set(key, made ? 24 * cells + 64 : 0);
    folded += 12 * cells + 64;
  };
  plan.factors.forEach((f, i) =>
    add(
      `f${i}`,
      product(
        plan,
        f.slots.flatMap((s) => (s.kind === 'axis' ? [s.axis] : [])),
      ),
      f.tensor.publicKind === 'onehot' || f.slots.some((s) => s.kind === 'rho'),
    ),
  );
  for (const t of plan.terms) for (const s of t.shared) add(`${s.axis} ${s.from}`, plan.program.axes[s.axis], true);
  return { arrays, folded };
}

/** Bytes of linear memory and of far memory at the peak of a phase. */
export interface PhaseMemory {
  readonly near: number;
  readonly far: number;
}

export interface MemoryForecast {
  /** The reading's tensors, near through the whole proof. */ readonly reading: number;
  readonly phases: Readonly<Record<'keys' | 'commit' | 'logup' | 'sumcheck' | 'frozen' | 'open', PhaseMemory>>;
  /**
   * Peaks over the phases, and their sum: what a process needs besides the runtime and its own copies of base and data.
   */
  readonly near: number;
  readonly far: number;
  readonly total: number;
  /** False where keys or trees, which are not tiled, pass the linear memory: no amount of far memory helps. */
  readonly fits: boolean;
}

/**
 * A product sumcheck over n cells: weights and first halves near if there is room, else halves in far memory until they
 * fit.
 */
export function folding(n: number, vars: number, near: boolean, room: number): PhaseMemory {
  const half = Math.min(n, 2 ** (vars - 1)),
    whole = 24 * n + 24 * half + (near ? 0 : 8 * n);
  if (whole <= room) return { near: whole, far: 0 };
  let left = half,
    far = 0;
  for (; 48 * left > room; left = Math.ceil(left / 2)) far = Math.max(far, 48 * left);
  return { near: 48 * left, far };
}

/** Bytes on a device beside the CPU at the peak of each phase that it has a part in. */
export interface DeviceForecast {
  readonly phases: Readonly<Record<'train' | 'commit' | 'logup' | 'sumcheck' | 'frozen' | 'open', number>>;
  readonly peak: number;
}

/** Keys of lookups, rows of tables with their columns and multiplicities, as LogUp wants them. */
function lookupInputs(plan: Plan): number {
  const keys = [...plan.boxOf.keys()].map((j) => 4 * product(plan, plan.program.constraints[j].axes)),
    columns = (t: LookupTable): number =>
      t.kind === 'range' ? 0 : t.kind === 'table' ? t.spec.columns.length : t.segment.columns.filter((c) => c).length;
  return sum(keys) + sum(plan.tables.map((t) => (24 + 24 + 4 + 8 * columns(t)) * t.size));
}

/** Tensors, the arrays that are made of them, and their folds from the first on; weights while arrays are made. */
function sumcheckDeviceBytes(plan: Plan): number {
  const { arrays, folded } = sumcheckArrays(plan),
    made = sum([...arrays.values()]),
    tensors = new Map<string, number>(),
    weights = new Map<string, number>();
  for (const f of plan.factors) {
    if (f.tensor.publicKind === 'onehot') continue;
    tensors.set(f.tensor.name, 8 * f.tensor.axes.reduce((n, a) => n * plan.extended.axes[a], 1));
    const at = f.slots.flatMap((s) => (s.kind === 'rho' ? [s] : []));
    if (at.length > 0) weights.set(at.map((s) => `${s.from}-${s.to}-${s.size}`).join(), 24 * at.reduce((n, s) => n * s.size, 1));
  }
  return sum([...tensors.values()]) + made + Math.max(1.5 * folded, Math.min(24 * WEIGHTS, sum([...weights.values()])));
}

/** Entries of a tile of weights at most (log2), as in ../sumcheck/product.ts. */
const TILE = 18;

/**
 * Peak memory of proveProgram on a device whose buffers have at most `longest` bytes, from the plan alone. Vectors live
 * until the proof is made, but for those of the frozen reduction; small ones are left out.
 */
export function forecastDevice(plan: Plan, longest = 2 ** 30): DeviceForecast {
  let base = 0;
  const phases = { train: 0, commit: 0, logup: 0, sumcheck: 0, frozen: 0, open: 0 },
    see = (phase: keyof typeof phases, bytes: number): void => {
      phases[phase] = Math.max(phases[phase], bytes);
    };
  const commit = (phase: keyof typeof phases, words: number, domain: number, height: number): void => {
    const c = commitBytes({ words, logDomain: domain, logHeight: height, tiled: true }, longest);
    see(phase, base + c.kept + c.work);
    base += c.kept;
  };
  const [witness] = plan.whir.groups,
    state = stateGroup(plan),
    key = keyGroup(plan),
    commitGroup = (g: WhirGroup, phase: keyof typeof phases): void => {
      for (const t of g.trees) commit(phase, usedColumns(t), g.domain, g.logHeight);
    };
  // Every tensor, and the operands and results of one step beside them.
  const cells = plan.program.tensors.filter((t) => t.publicKind !== 'onehot').map((t) => product(plan, t.axes));
  see('train', 8 * sum(cells) + 24 * Math.max(0, ...cells));
  if (state) commitGroup(state, 'commit');
  commitGroup(witness, 'commit');
  see('logup', base + lookupInputs(plan) + logUpDeviceBytes(plan.logup));
  see('sumcheck', base + sumcheckDeviceBytes(plan));
  const tables = 24 * Math.max(0, ...Object.values(plan.extended.axes)),
    // Words, weights, the first fold of the words, a tile; and what of it stays.
    folded = (n: number, vars: number, tile: number): number =>
      32 * n + 24 * Math.min(n, 2 ** (vars - 1)) + tables + 48 * 2 ** Math.min(TILE, tile, vars - 1),
    frozen = plan.layouts.get('frozen');
  if (frozen && !key) see('frozen', base + folded(frozen.cells, plan.frozenVars, TILE));
  if (key) commitGroup(key, 'open');
  for (const g of [witness, ...(state ? [state] : []), ...(key ? [key] : [])]) {
    const bytes = folded(groupCells(g), g.logColumns + g.logHeight, g.logHeight);
    see('open', base + bytes);
    base += bytes;
  }
  if (plan.whir.groups.length > 1) base += 48 * plan.whir.cells;
  see('open', base);
  for (const r of plan.whir.rounds) {
    base += 24 * r.used * 2 ** r.rows;
    commit('open', 3 * r.used, r.domain, r.rows);
  }
  return { phases, peak: Math.max(...Object.values(phases)) };
}

/**
 * Joined vectors and the second oracle, and the larger of what stands beside them for a moment: rows that are encoded
 * `again`, and after these the transform that adds their claims, where there is room.
 */
function joinedBytes({ whir }: Plan, tables: number, again: number, room: number): number {
  const rest = tables + openBytes(whir),
    by = whir.groups.filter((g) => byTransform(g.queries, 2 ** g.logHeight, g.domain)),
    transform = Math.max(0, ...by.map((g) => transformBytes(g.domain)));
  return rest + Math.max(again, rest + transform <= room ? transform : 0);
}

/** Static data and tables of the kernels below the arena. */
const HEAP = 2 ** 20 / 4;

/**
 * Peak memory of proveProgram, from the plan alone: linear memory by phase, beginning with the reading, capped at
 * `nearBytes`, and what a phase keeps far where it does not fit. The same thresholds as the prover's; small allocations
 * are left out.
 */
export function forecastMemory(plan: Plan, options: { nearBytes?: number; below?: number; threads?: number } = {}): MemoryForecast {
  const p = plan.program,
    cap = options.nearBytes ?? 4 * 2 ** 30 - 65536,
    reading = sum(p.tensors.filter((t) => t.publicKind !== 'onehot').map((t) => 8 * product(plan, t.axes) + 64)) + 4096;
  let base = (options.below ?? HEAP) + reading;
  const phases: Record<string, PhaseMemory> = {},
    room = (): number => cap - base,
    phase = (name: string, near: number, far = 0): void => {
      const old = phases[name] ?? { near: 0, far: 0 };
      // Keys and trees are not tiled; the other phases stream when they pass the cap.
      const most = name === 'keys' || name === 'commit' ? base + near : Math.min(cap, base + near);
      phases[name] = { near: Math.max(old.near, most), far: Math.max(old.far, far) };
    };
  const streamed = (name: string, h: PhaseMemory, kept = 0): void => phase(name, kept + h.near, h.far);
  // Keys and multiplicities.
  const lookups = [...plan.boxOf.keys()].map((j) => product(plan, p.constraints[j].axes)),
    cells = sum(lookups),
    rows = sum(plan.tables.map((t) => t.size)),
    keysFar = 4 * cells > STACK_SHARE * room();
  let far = keysFar ? 4 * cells : 0;
  base += 12 * rows;
  if (!keysFar) base += 4 * cells + 64 * lookups.length;
  phase('keys', 12 * Math.max(0, ...lookups), far);
  // State, witness: stacks, trees.
  const stackBytes = (length: number): number => (8 * length > STACK_SHARE * room() ? 0 : 8 * length);
  const commit = (g: WhirGroup, keep: number): { near: boolean; codeword: boolean } => {
    const stack = stackBytes(groupCells(g));
    base += stack;
    let codeword = false;
    for (const t of g.trees) {
      const b = commitBytes({ words: usedColumns(t), logDomain: g.domain, logHeight: g.logHeight, tiled: stack === 0 }, keep - base);
      phase('commit', b.kept + b.work, far);
      base += b.kept;
      codeword = b.codeword;
    }
    return { near: stack > 0, codeword };
  };
  const [witness] = plan.whir.groups,
    group = stateGroup(plan),
    state = group ? commit(group, 0) : undefined;
  const leaves = sum(plan.logup.boxes.map((b) => b.dims.reduce((x, y) => x * y, 1))),
    main = commit(witness, cap - Math.max(60 * leaves, openBytes(plan.whir)));
  // LogUp over tables of denominators and numerators.
  const logup = logUpMemory(plan.logup, room() - 48 * rows, 24 * rows);
  phase('logup', 48 * rows + logup.near, far + logup.far);
  far = 0;
  // Batched sumcheck.
  const { arrays, folded } = sumcheckArrays(plan),
    all = folded + sum([...arrays.values()]),
    // The arrays of one term are near together; each is made with what its projection takes.
    largest = Math.max(0, ...plan.terms.map((t) => sum(t.factors.map((f) => (arrays.get(`f${f}`) ?? 0) / 24))));
  if (all <= room()) phase('sumcheck', all);
  else phase('sumcheck', Math.min(room(), folded + 96 * largest), Math.max(0, folded + 96 * largest - room()));
  // Openings: weights and folded stack, then the first folded vector, committed.
  const tables = 24 * Math.max(0, ...Object.values(plan.extended.axes)),
    halves = (n: number, vars: number, near: boolean): PhaseMemory => {
      const h = folding(n, vars, near, room());
      return { near: h.near + tables, far: h.far };
    };
  const frozen = plan.layouts.get('frozen'),
    key = keyGroup(plan);
  if (frozen && !key) {
    streamed('frozen', halves(frozen.cells, plan.frozenVars, false));
  }
  // Groups one after another, each leaving two folded vectors; then the joined ones and the second oracle.
  let kept = 0,
    again = 0;
  const groups = [[witness, main] as const];
  if (group && state) groups.push([group, state]);
  if (key) groups.push([key, commit(key, 0)]);
  for (const [g, at] of groups) {
    streamed('open', halves(groupCells(g), g.logColumns + g.logHeight, at.near), kept);
    kept += 48 * 2 ** g.logHeight;
    if (!at.codeword) again = Math.max(again, 8 * 2 ** g.domain * (1 + Math.min(8, ...g.trees.map(usedColumns))));
  }
  phase('open', joinedBytes(plan, tables, again, room()));
  const near = Math.max(...Object.values(phases).map((x) => x.near)),
    most = Math.max(...Object.values(phases).map((x) => x.far));
  return { reading, phases: { ...phases } as MemoryForecast['phases'], near, far: most, total: near + most, fits: near <= cap };
}
