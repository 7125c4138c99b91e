import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { checkFolder } from '../src/federated/check-folder.js';
import { coordinate, finished } from '../src/federated/coordinator.js';
import { readEvidence, readFederation, readRound } from '../src/federated/folder.js';
import { folderTransport } from '../src/federated/https.js';
import { participate } from '../src/federated/participant.js';
import { statesOf } from '../src/federated/states.js';
import { type Kernels, singleKernels } from '../src/kernels/index.js';
import { type Trainee, coordinatorIn, foundIn, participantOf, trainee } from './federated-run.js';

/** Writes of the process, counted, and the one before which it dies. */
const disk = vi.hoisted(() => ({ writes: 0, dies: -1 }));
vi.mock('../src/io/atomic.js', async (actual) => {
  const real = await actual<typeof import('../src/io/atomic.js')>();
  return {
    ...real,
    writeAtomic: (file: string, ...parts: (Uint8Array | string)[]): void => {
      if (disk.writes++ === disk.dies) throw new Error('killed');
      real.writeAtomic(file, ...parts);
    },
  };
});

/** A round of two clients by folder, opened and not proved, whose server is killed before one of its writes. */
describe('a server that is killed', () => {
  let k: Kernels, dir: string, clients: Trainee[];
  beforeAll(() => {
    k = singleKernels();
    dir = mkdtempSync(join(tmpdir(), 'certune-fed-crash-'));
    clients = ['ann', 'bob'].map((n, i) => trainee(join(dir, 'data'), n, i));
  });
  afterAll(() => {
    k.close();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Runs the round; the server dies before its write `dies`, and a new one goes on. */
  async function round(name: string, dies: number): Promise<{ at: string; writes: number; deaths: number }> {
    const at = join(dir, name),
      charter = foundIn(at, k, clients),
      clock = { at: 1_000_050 },
      settings = { rounds: 1, clients: 2, select: 2, audit: { coverage: [1, 2], each: 0, mode: 'before', show: 'records' } } as const;
    let writes = 0,
      deaths = 0;
    // A server keeps nothing: every turn has a new one.
    const co = () => coordinatorIn(at, k, clients[0], clock, { ...settings, audit: { ...settings.audit, coverage: [1, 2] } });
    for (let i = 0; i < 40 && !finished(co()); i++) {
      for (const t of clients)
        await participate(participantOf(join(dir, `${name}-${t.name}`), charter.digest, t, k, folderTransport(at), clock));
      for (let again = true; again; ) {
        again = false;
        disk.writes = 0;
        disk.dies = dies < 0 ? -1 : dies - writes;
        try {
          coordinate(co());
        } catch (e) {
          if ((e as Error).message !== 'killed') throw e;
          deaths++;
          again = true;
          // The write did not happen, and nobody dies twice.
          disk.writes--;
          dies = -1;
        }
        writes += disk.writes;
        disk.dies = -1;
      }
      clock.at++;
    }
    return { at, writes, deaths };
  }
  const outcome = (at: string) => {
    const f = readFederation(at),
      { record, seal, receipts, verdicts } = readRound(at, f, 0);
    return {
      record: record!.body,
      seal: seal!.digest,
      receipts: [...receipts.values()].map((r) => r.digest),
      verdicts: verdicts.map((v) => v.digest),
      evidence: readEvidence(at).size,
    };
  };

  it('goes on from its folder, wherever that was, to the same record', async () => {
    const whole = await round('whole', -1),
      want = outcome(whole.at);
    expect(want.record.included).toHaveLength(2);
    // Two enrolments, plan, commits with their receipts, seal, beacon, verdicts, adapter and record at least.
    expect(whole.writes).toBeGreaterThanOrEqual(11);
    for (let dies = 0; dies < whole.writes; dies++) {
      const r = await round(`killed-${dies}`, dies);
      expect(r.deaths, `write ${dies}`).toBe(1);
      expect(outcome(r.at), `killed before write ${dies}`).toEqual(want);
      expect(checkFolder(r.at, { states: statesOf(k, clients[0].setup.run.programs) }).rounds.map((x) => x.state)).toEqual(['final']);
      rmSync(r.at, { recursive: true });
    }
  });
});
