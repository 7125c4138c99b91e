import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { toNumber } from './catch.js';
import { COMMIT_BYTES, type PlanRequest, choosePlan, planRow, planRows, predictedUpdate, responseBytes } from './planner.js';
import { parseSimulation, simulate } from './simulate.js';
import { ratio } from './catch.js';

/** Costs of stories260k on two cores, as docs/benchmarks.md has them. */
const request: PlanRequest = {
  steps: 32,
  clients: 50,
  costs: { train: 0.42, step: 24, leaf: 3.6, fold: 3.8, commit: 0.63, stepBytes: 334_000, nodeBytes: 213_000, updateBytes: 83_000 },
  kilobytes: 800,
  seconds: 100,
  local: 2.6,
  least: ratio(1n, 100n),
  rounds: 2,
};

describe('planner', () => {
  it('counts what a choice takes', () => {
    const row = planRow(request, 1, ratio(1n, 20n), 'nodes');
    expect([row.units, row.pool, row.drawn]).toEqual([32, 1600, 80]);
    expect(row.proveSeconds).toBeCloseTo(1.6 * 27.6, 6);
    expect(row.localSeconds).toBeCloseTo(32 * 0.42 + 33 * 0.63, 6);
    expect(row.kilobytes).toBeCloseTo(83 + 1.77 + 1.6 * (3.27 + 213), 6);
    expect(planRow(request, 2, ratio(1n, 20n), 'nodes').proveSeconds).toBeCloseTo(0.8 * (2 * 27.6 + 3.8), 6);
    expect(planRow(request, 2, ratio(1n, 20n), 'steps').proveSeconds).toBeCloseTo(0.8 * 48, 6);
  });
  it('takes the largest coverage within every budget, then the smallest unit, and prints what it withstands', () => {
    const c = choosePlan(request);
    expect([c.unit, c.form, toNumber(c.coverage)]).toEqual([1, 'nodes', 0.1]);
    for (const r of planRows(request)) {
      expect(r.kilobytes).toBeLessThanOrEqual(800);
      expect(r.proveSeconds).toBeLessThanOrEqual(100);
      expect(r.localSeconds).toBeLessThanOrEqual(2.6 * 32 * 0.42);
      expect(toNumber(r.coverage)).toBeLessThanOrEqual(0.1);
    }
    expect(c.caught.map((x) => x.bad)).toEqual([1, 2, 32]);
    expect(toNumber(c.caught[0].probability)).toBeCloseTo(0.19, 6);
    expect(toNumber(c.deposit!)).toBeCloseTo(9, 6);
    // Local work alone forbids units of one step.
    expect(choosePlan({ ...request, local: 2 }).unit).toBe(2);
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
  it('predicts the files of the experiment end to end, within 15% of those measured', () => {
    const read = (n: string) => JSON.parse(readFileSync(new URL(`../../docs/federated/${n}.json`, import.meta.url), 'utf8')) as unknown,
      predicted = read('planner') as { readonly updateBytes: number; readonly nodeBytes: number };
    for (const name of ['endtoend-folder', 'endtoend-https']) {
      if (name === 'endtoend-https' && !existsSync(new URL(`../../docs/federated/${name}.json`, import.meta.url))) continue;
      const { steps, bytes: m } = read(name) as {
        readonly steps: number;
        readonly bytes: Readonly<Record<'update' | 'commit' | 'response' | 'proof', number>>;
      };
      for (const [said, is] of [
        [predicted.updateBytes, m.update],
        [predicted.nodeBytes, m.proof],
        [COMMIT_BYTES, m.commit],
        [responseBytes(steps), m.response],
      ])
        expect(Math.abs(said / is - 1), `${name}: ${said} for ${is}`).toBeLessThan(0.15);
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
