import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { checkFolder } from '../src/federated/check-folder.js';
import { coordinate, finished } from '../src/federated/coordinator.js';
import { readEvidence, readFederation, readRound } from '../src/federated/folder.js';
import { folderTransport } from '../src/federated/https.js';
import { type Transport, participate } from '../src/federated/participant.js';
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

/**
 * A round of two clients by folder, opened and not proved, whose server is killed before one of its writes. Clients
 * train once: they know nothing of the server's deaths, and hand in at every turn what they handed in at it before.
 */
describe('a server that is killed', () => {
  let k: Kernels, dir: string, clients: Trainee[];
  const handed: { readonly turn: number; readonly sent: Parameters<Transport['send']> }[] = [];
  beforeAll(() => {
    k = singleKernels();
    dir = mkdtempSync(join(tmpdir(), 'certune-fed-crash-'));
    clients = ['ann', 'bob'].map((n, i) => trainee(join(dir, 'data'), n, i));
  });
  afterAll(() => {
    k.close();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Runs the round; the server dies before the write of number `before`, and a new one goes on. */
  async function round(name: string, before: number): Promise<{ at: string; writes: number; deaths: number }> {
    const at = join(dir, name),
      charter = foundIn(at, k, clients),
      clock = { at: 1_000_050 },
      settings = { rounds: 1, clients: 2, select: 2, audit: { coverage: [1, 2], each: 0, mode: 'before', show: 'records' } } as const;
    let writes = 0,
      deaths = 0,
      dies = before;
    // A server keeps nothing: every turn has a new one.
    const co = () => coordinatorIn(at, k, clients[0], clock, { ...settings, audit: { ...settings.audit, coverage: [1, 2] } });
    for (let i = 0; i < 40 && !finished(co()); i++) {
      const transport = folderTransport(at),
        recorded: Transport = {
          ...transport,
          send: (...sent) => {
            handed.push({ turn: i, sent });
            return transport.send(...sent);
          },
        };
      if (before < 0)
        for (const t of clients) await participate(participantOf(join(dir, `${name}-${t.name}`), charter.digest, t, k, recorded, clock));
      else for (const { turn, sent } of handed) if (turn === i) await transport.send(...sent);
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
