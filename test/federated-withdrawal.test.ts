import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { coordinate } from '../src/federated/coordinator.js';
import { readFederation, readRound } from '../src/federated/folder.js';
import { folderTransport } from '../src/federated/https.js';
import { messageFile } from '../src/federated/messages.js';
import { participate } from '../src/federated/participant.js';
import { type Kernels, singleKernels } from '../src/kernels/index.js';
import { OverflowError } from '../src/tensor/integer.js';
import { coordinatorIn, foundIn, participantOf, trainee } from './federated-run.js';

/** A client whose values leave their formats in the middle of a round. What it publishes is read by everybody. */
describe('a client that cannot finish a round', () => {
  let k: Kernels, dir: string;
  beforeAll(() => {
    k = singleKernels();
    dir = mkdtempSync(join(tmpdir(), 'certune-fed-gone-'));
  });
  afterAll(() => {
    k.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('withdraws without a word of what it computed, and says it to its own', async () => {
    const at = join(dir, 'public'),
      clients = ['ann', 'bob'].map((n, i) => trainee(join(dir, 'data'), n, i)),
      charter = foundIn(at, k, clients),
      clock = { at: 1_000_050 },
      audit = { coverage: [1, 2] as [number, number], each: 0, mode: 'before', show: 'records' } as const,
      co = coordinatorIn(at, k, clients[0], clock, { rounds: 1, clients: 2, select: 2, audit }),
      // A value of one position of one row, as training names it.
      overflow = new OverflowError('scores', 'attention scores', { b: 1, t: 5 }, 424_242n, [-1000n, 1000n], 3).with(1, 'more bits'),
      log: string[] = [];
    for (let i = 0; i < 20 && !existsSync(join(at, 'rounds/0/withdrawals/ann.json')); i++) {
      for (const t of clients) {
        const p = participantOf(join(dir, t.name), charter.digest, t, k, folderTransport(at), clock),
          breaks = (): void => {
            throw overflow;
          };
        log.push(...(await participate(t.name === 'ann' ? { ...p, onStep: breaks } : p)));
      }
      log.push(...coordinate(co));
      clock.at++;
    }
    expect(log.join('\n')).toContain(overflow.message);
    const gone = readRound(at, readFederation(at), 0).withdrawals.get('ann')!,
      text = new TextDecoder().decode(messageFile(gone.envelope)),
      said = JSON.stringify(gone.body);
    expect(gone.body.why).toBe('a value left its format');
    for (const word of ['424242', 'scores', 'layer', '1000', '"t"'])
      expect([word, said.includes(word) || text.includes(word)]).toEqual([word, false]);
  });
});
