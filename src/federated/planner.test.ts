import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { caught, toNumber } from './catch.js';
import { COMMIT_BYTES, type PlanRequest, choosePlan, drawnOfClient, planRow, planRows, predictedUpdate, responseBytes } from './planner.js';
import { parseSimulation, simulate } from './simulate.js';
import { ratio } from './catch.js';

/** Costs of stories260k on two cores, as docs/benchmarks.md has them. */
const request: PlanRequest = {
  steps: 32,
  clients: 50,
  costs: {
    round: 2,
    prepare: 3,
    cold: 0.5,
    circuits: 9,
    train: 0.42,
    pass: 0.01,
    step: 24,
    leaf: 3.6,
    fold: 3.8,
    commit: 0.63,
    units: { 1: 27.6, 2: 59, 4: 121.8, 8: 247.4 },
    certificate: { settle: 0.3, bundle: 3.8, end: 12 },
    certificateBytes: 120_000,
    stepBytes: 334_000,
    nodeBytes: 213_000,
    updateBytes: 83_000,
  },
  kilobytes: 800,
  seconds: 110,
  local: 2.8,
  least: ratio(1n, 100n),
  rounds: 2,
};

describe('planner', () => {
  const { costs: k } = request;
  it('counts what a choice takes', () => {
    const row = planRow(request, 1, ratio(1n, 20n), 'nodes');
    expect([row.units, row.pool, row.drawn]).toEqual([32, 1600, 80]);
    expect(row.localSeconds).toBeCloseTo(2 + 32 * 0.43 + 33 * 0.63, 6);
    expect(row.kilobytes).toBeCloseTo(83 + 1.77 + 1.6 * (3.27 + 213), 6);
    // Whoever is drawn prepares once; no average of units costs more than 1.6 units with what was trained before each.
    const hit = toNumber(caught(1600, 80, 32));
    expect(row.proveSeconds).toBeGreaterThan(1.6 * 27.6 + hit * 3);
    expect(row.proveSeconds).toBeLessThan(1.6 * (27.6 + 16 * 0.42) + hit * 3);
    // A certificate has a constant size, and is sent by whoever is drawn.
    const one = planRow(request, 1, ratio(1n, 20n), 'certificates');
    expect(one.kilobytes).toBeCloseTo(83 + 1.77 + 1.6 * 3.27 + hit * 120, 6);
    expect(one.proveSeconds - row.proveSeconds).toBeCloseTo(1.6 * 0.3 + (1.6 - hit) * 3.8 + hit * 12, 6);
    const { certificate: _, ...bare } = k;
    expect(() => planRow({ ...request, costs: bare }, 1, ratio(1n, 20n), 'certificates')).toThrow(/cannot be bundled/);
    expect(planRows({ ...request, costs: bare }).every((r) => r.form === 'nodes')).toBe(true);
  });
  it('counts the steps that a client trains again, over all draws that there are', () => {
    for (const [steps, unit, drawn] of [
      [8, 1, 3],
      [8, 2, 2],
      [6, 1, 6],
    ]) {
      const m = steps / unit,
        draws = Array.from({ length: 2 ** m }, (_x, s) => Array.from({ length: m }, (_y, i) => i).filter((i) => (s >> i) & 1)).filter(
          (x) => x.length === drawn,
        ),
        // From the round's beginning to the last drawn unit, what is proved on the way apart.
        again = draws.reduce((n, x) => n + unit * (x[x.length - 1] - (drawn - 1)), 0) / draws.length,
        row = planRow({ ...request, clients: 1, steps }, unit, ratio(BigInt(drawn), BigInt(m)), 'nodes');
      expect(row.proveSeconds).toBeCloseTo(k.prepare + again * k.train + drawn * k.units[unit], 9);
    }
  });
  it('knows how many units of one client a draw hits', () => {
    for (const [M, m, A] of [
      [1600, 32, 80],
      [12, 4, 6],
      [12, 12, 5],
      [10, 4, 9],
      [1_000_000, 4096, 200_000],
    ]) {
      const odds = drawnOfClient(M, m, A);
      expect(odds.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
      expect(odds.reduce((a, p, i) => a + p * i, 0)).toBeCloseTo((A * m) / M, 6);
      if (M < 2000) expect(1 - odds[0]).toBeCloseTo(toNumber(caught(M, A, m)), 9);
    }
  });
  it('takes the largest coverage within every budget, then the smallest unit, and prints what it withstands', () => {
    const c = choosePlan(request);
    expect([c.unit, c.form, toNumber(c.coverage)]).toEqual([1, 'nodes', 0.1]);
    for (const r of planRows(request)) {
      expect(r.kilobytes).toBeLessThanOrEqual(800);
      expect(r.proveSeconds).toBeLessThanOrEqual(110);
      expect(r.localSeconds).toBeLessThanOrEqual(2.8 * 32 * 0.42);
      expect(toNumber(r.coverage)).toBeLessThanOrEqual(0.1);
    }
    expect(c.caught.map((x) => x.bad)).toEqual([1, 2, 32]);
    expect(toNumber(c.caught[0].probability)).toBeCloseTo(0.19, 6);
    expect(toNumber(c.deposit!)).toBeCloseTo(9, 6);
    // Local work alone forbids units of one step.
    expect(choosePlan({ ...request, local: 2 }).unit).toBe(2);
    // What is chosen already is not chosen again.
    const own = choosePlan({ ...request, kilobytes: 1e9, seconds: 1e9, unit: 2, coverage: ratio(3n, 10n), form: 'certificates' });
    expect([own.unit, toNumber(own.coverage), own.form]).toEqual([2, 0.3, 'certificates']);
    // Where kilobytes are short and seconds are not, one certificate says more than two nodes.
    expect(choosePlan({ ...request, kilobytes: 230, seconds: 1e4 }).form).toBe('certificates');
    expect(() => choosePlan({ ...request, kilobytes: 50 })).toThrow(
      /^plan budget: nothing fits: units of 8 steps at the least coverage take \d+ kB/,
    );
  });
  it('predicts updates from the bound, within 15% of those measured', () => {
    const dir = new URL('../../docs/federated/', import.meta.url),
      rows = readdirSync(dir)
        .filter((n) => /^bytes-.*\.json$/.test(n))
        .map(
          (n) => JSON.parse(readFileSync(new URL(n, dir), 'utf8')) as Readonly<Record<'values' | 'bound' | 'update' | 'float32', number>>,
        );
    expect(rows.length).toBeGreaterThanOrEqual(5);
    for (const r of rows) {
      expect(Math.abs(predictedUpdate(r.values, r.bound) / r.update - 1)).toBeLessThan(0.15);
      expect(r.update).toBeLessThanOrEqual(r.float32 / 2);
    }
  });
  it('predicts bytes and seconds of real clients within 15% of those measured, as the experiments have them', () => {
    const read = (n: string) => JSON.parse(readFileSync(new URL(`../../docs/federated/${n}.json`, import.meta.url), 'utf8')) as unknown,
      near = (said: number, is: number, what: string) => expect(Math.abs(said / is - 1), `${what}: ${said} for ${is}`).toBeLessThan(0.15);
    interface Compared {
      readonly what: string;
      readonly said: number;
      readonly is: number;
    }
    const { cases } = read('planner') as {
      readonly cases: readonly { readonly name: string; readonly seconds: readonly Compared[]; readonly bytes: readonly Compared[] }[];
    };
    expect(cases.length).toBeGreaterThanOrEqual(3);
    for (const c of cases) for (const x of [...c.seconds, ...c.bytes]) near(x.said, x.is, `${c.name}, ${x.what}`);
    for (const name of ['endtoend-folder', 'endtoend-https']) {
      const { steps, bytes: m } = read(name) as {
        readonly steps: number;
        readonly bytes: Readonly<Record<'commit' | 'response', number>>;
      };
      near(COMMIT_BYTES, m.commit, name);
      near(responseBytes(steps), m.response, name);
    }
  });
});

describe('simulation', () => {
  const spec = {
    clients: 10,
    units: 8,
    coverage: [1, 10],
    rounds: 2,
    beacons: 1500,
    strategies: [
      { name: 'one unit', clients: 1, bad: 1 },
      { name: 'half', clients: 1, bad: 4 },
      { name: 'three with one', clients: 3, bad: 1 },
    ],
  };
  it('samples what the formulas give, the same figures every time', () => {
    const rows = simulate(parseSimulation(spec, 'spec'));
    for (const r of rows) {
      for (const [x, f] of [
        [r.one, r.formulaOne],
        [r.some, r.formulaSome],
      ] as const) {
        expect(toNumber(f)).toBeGreaterThanOrEqual(x.least);
        expect(toNumber(f)).toBeLessThanOrEqual(x.most);
      }
      expect(r.all.hits).toBeLessThanOrEqual(r.one.hits);
    }
    expect(toNumber(rows[0].formulaOne)).toBeCloseTo(0.19, 10);
    expect(simulate(parseSimulation(spec, 'spec'))).toEqual(rows);
  });
  it('refuses specs that cannot be, or that would run too long', () => {
    for (const more of [
      { clients: 0 },
      { coverage: [2, 1] },
      { strategies: [] },
      { more: 1 },
      { strategies: [{ name: 'x', clients: 11, bad: 1 }] },
      { strategies: [{ name: 'x', clients: 1, bad: 9 }] },
      { clients: 10_000, units: 4096 },
    ])
      expect(() => parseSimulation({ ...spec, ...more }, 'spec')).toThrow(InputError);
    expect(() => parseSimulation({ ...spec, clients: 10_000, units: 100, beacons: 100_000 }, 'spec')).toThrow(/200 million/);
  });
});
