import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapterBlob } from '../src/federated/checks.js';
import { writeBlob, writeEvidence, writeMessage, writeSeed } from '../src/federated/folder.js';
import { signMessage } from '../src/federated/signing.js';
import { type Case, beacon, federationCase, handIn, newRound, recordsOf } from './federated-case.js';

const bin = fileURLToPath(new URL('../bin/certune.js', import.meta.url));
const certune = (...args: string[]): { code: number | null; data: Record<string, unknown>; out: string } => {
  const r = spawnSync(process.execPath, [bin, 'fed', ...args], { encoding: 'utf8' });
  return {
    code: r.status,
    out: r.stdout + r.stderr,
    data: args.includes('--json') ? (JSON.parse(r.stdout) as Record<string, unknown>) : {},
  };
};

describe('certune fed', () => {
  let dir: string, c: Case;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'certune-fed-cli-'));
    c = federationCase(['ann', 'bob']);
    writeMessage(dir, c.federation.charter);
    for (const x of c.clients) writeMessage(dir, x.enrolment);
    writeSeed(dir, beacon(1));
    writeBlob(dir, adapterBlob(c.start));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('checks a folder and says what it did not check; judges evidence; simulates', () => {
    const r = newRound(c),
      [ann, bob] = c.clients,
      one = handIn(r, ann),
      two = handIn(r, ann, { records: recordsOf(r, ann, 4) });
    writeMessage(dir, r.plan);
    writeMessage(dir, one.commit);
    writeBlob(dir, one.blob);
    const found = certune('check', dir, '--json');
    expect(found.code).toBe(0);
    expect(found.data).toMatchObject({
      federation: c.federation.charter.digest,
      clients: 2,
      head: null,
      rounds: [{ round: 0, state: 'open' }],
    });
    expect(certune('check', dir).out.split('\n')[0]).toMatch(/NOT CHECKED: last state, first state, beacon, times, data/);

    const shown = writeEvidence(dir, {
        charge: 'two-messages',
        party: 'ann',
        items: { first: one.commit.envelope, second: two.commit.envelope },
      }),
      said = certune('judge', shown, '--dir', dir, '--json');
    expect([said.code, said.data['guilty'], said.data['party']]).toEqual([0, true, 'ann']);
    const honest = writeEvidence(dir, {
      charge: 'bad-update',
      party: 'ann',
      items: { plan: r.plan.envelope, commit: one.commit.envelope },
    });
    expect(certune('judge', honest, '--dir', dir).code).toBe(1);
    expect(certune('judge', honest).code).toBe(2);

    const spec = join(dir, 'spec.json');
    writeFileSync(
      spec,
      JSON.stringify({ clients: 5, units: 4, coverage: [1, 5], beacons: 200, strategies: [{ name: 'one', clients: 1, bad: 1 }] }),
    );
    const s = certune('simulate', spec, '--json');
    expect([s.code, (s.data['rows'] as { formulaOne: number }[])[0].formulaOne]).toEqual([0, 0.2]);

    // A commit under somebody else's key.
    writeMessage(dir, signMessage('commit', handIn(r, bob).commit.body, ann.key));
    const bad = certune('check', dir, '--json');
    expect([bad.code, (bad.data['error'] as { check: string }).check]).toEqual([1, 'signature']);
  });
  it('refuses what it has no action for', () => {
    for (const args of [['serve', dir], ['check'], ['simulate', join(dir, 'none.json')]]) expect(certune(...args).code).toBeGreaterThan(1);
  });
});
