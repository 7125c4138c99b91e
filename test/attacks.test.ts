import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { singleKernels } from '../src/kernels/index.js';
import { mergeClaims } from '../src/recursion/merge.js';
import { endLayout, layout } from '../src/recursion/statement.js';
import { ProgramBuilder } from '../src/tensor/builder.js';
import { scheduleOf } from '../src/tensor/schedule.js';
import { type Schedule, RecordingChannel } from '../src/transcript/schedule.js';
import { type Attack, CHECKS, DECLARE, FIELDS, MESSAGES, POLICY_ATTACKS, RELATIONS, SHARED_ROOMS } from './attacks.js';
import { proveCase } from './kit.js';
import { ROOT, checkLabels, sources } from './labels.js';
import { randomCase } from './random-case.js';

/*
 * The register of attacks is complete: what the code has and the register lacks is named here, and what the register
 * has and the code lacks.
 */
const text = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const labels = checkLabels(sources().filter((f) => !/^src\/(model|optim)\//.test(f)));
/** Checks whose names are put together at run time. */
const COMPOSED = ['first step', 'last step'];

/** Message classes of a schedule; challenges are no messages. */
const classes = (s: Schedule): string[] => [
  ...new Set(
    s
      .filter((m) => m.kind !== 'sample' && m.kind !== 'bits')
      .map((m) => `${m.kind}: ${m.label.replace(/\bs(In|Out)\b|\ba(In|Out)\b|\d+/g, '#')}`),
  ),
];

describe('the register of attacks', () => {
  it('every room of a relation has a record, which names the attack that its file names', () => {
    const rooms = sources('src/tensor/relations').map((f) => f.replace(/^.*\/|\.ts$/g, ''));
    expect(RELATIONS.map((r) => r.room).sort()).toEqual(rooms.filter((r) => !SHARED_ROOMS.includes(r)).sort());
    for (const r of RELATIONS) {
      const comment = text(`src/tensor/relations/${r.room}.ts`).replace(/\s*\n \*\s*/g, ' ');
      expect(comment, r.room).toContain('Unique:');
      expect(comment, r.room).toContain(r.test?.[1] ?? r.reason);
      for (const check of r.refuses) expect([...labels.keys()], r.room).toContain(check);
    }
  });
  it('every method of the builder lowers a relation that has a record, or declares', () => {
    const methods = Object.getOwnPropertyNames(ProgramBuilder.prototype).filter((m) => m !== 'constructor');
    expect([...RELATIONS.flatMap((r) => r.methods), ...DECLARE].sort()).toEqual(methods.sort());
  });
  it('every check of a verifier has a record', () => {
    expect(Object.keys(CHECKS).sort()).toEqual([...labels.keys()].sort());
  });
  it('all kinds of attacks on data, order and quotas have records, whose checks exist', () => {
    expect(POLICY_ATTACKS.map((p) => Number(p.kind.split(' ')[0]))).toEqual(Array.from({ length: 22 }, (_, i) => i + 1));
    for (const { kind, lies } of POLICY_ATTACKS) {
      expect(lies.length, kind).toBeGreaterThan(0);
      for (const check of lies.flatMap((x) => x.refuses)) expect([...labels.keys()], kind).toContain(check);
    }
  });
  it('every field of a statement has a record', () => {
    expect(Object.keys(FIELDS).sort()).toEqual([...new Set<string>([...layout(1, 1).keys(), ...endLayout(1).keys()])].sort());
    for (const [f, x] of Object.entries(FIELDS)) expect([...labels.keys(), ...COMPOSED], f).toContain(x.refuses);
  });
  it('every class of messages has a record', () => {
    const k = singleKernels(),
      p = proveCase(
        k,
        randomCase({ sizes: { l: 1, d: 3, o: 2, v: 3, b: 1, i: 3 }, kinds: ['quotient', 'lse', 'silu', 'state'], rangeBits: 16, seed: 3 }),
      ),
      rec = new RecordingChannel(),
      one = rec.constant(1n);
    mergeClaims(rec, 2, Array(8).fill(one), [
      { point: [one, one], value: one },
      { point: [one, one], value: one },
    ]);
    expect(Object.keys(MESSAGES).sort()).toEqual(
      [...new Set([...classes(scheduleOf(p.plan, p.statement)), ...classes(rec.schedule)])].sort(),
    );
  });
  it('every test that is named exists and holds the text; who has no test has a reason', () => {
    const all: [string, Attack][] = [
      ...RELATIONS.map((r): [string, Attack] => [r.room, r]),
      ...Object.entries(CHECKS),
      ...Object.entries(FIELDS),
      ...POLICY_ATTACKS.flatMap(({ kind, lies }) => lies.map((x): [string, Attack] => [`${kind}: ${x.lie}`, x])),
    ];
    for (const [name, a] of all) {
      expect(a.test !== undefined || (a.reason ?? '').length > 10, `${name} needs a test or a reason`).toBe(true);
      if (!a.test) continue;
      const [file, holds] = a.test;
      expect(existsSync(join(ROOT, file)), `${name}: ${file}`).toBe(true);
      expect(text(file).includes(holds), `${name}: ${file} has no "${holds}"`).toBe(true);
    }
  });
});
