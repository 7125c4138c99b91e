import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkFolder } from '../src/federated/check-folder.js';
import { MOST_PENDING, coordinate } from '../src/federated/coordinator.js';
import { readFederation, readRound, writeBlob } from '../src/federated/folder.js';
import { folderTransport } from '../src/federated/https.js';
import { type SentMessage, hand, waiting } from '../src/federated/inbox.js';
import { type Message, messageFile } from '../src/federated/messages.js';
import { type Transport, participate } from '../src/federated/participant.js';
import { signMessage } from '../src/federated/signing.js';
import { type Kernels, singleKernels } from '../src/kernels/index.js';
import { OverflowError } from '../src/tensor/integer.js';
import { coordinatorIn, foundIn, participantKey, participantOf, trainee } from './federated-run.js';

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

  it('and hands in all the same: it gets no receipt, and neither it nor one that equivocates stops the server', async () => {
    const at = join(dir, 'hostile'),
      clients = ['ann', 'bob'].map((n, i) => trainee(join(dir, 'data'), n, i)),
      charter = foundIn(at, k, clients),
      clock = { at: 1_000_050 },
      audit = { coverage: [1, 2] as [number, number], each: 0, mode: 'before', show: 'records' } as const,
      co = coordinatorIn(at, k, clients[0], clock, { rounds: 1, clients: 2, select: 2, audit }),
      federation = () => readFederation(at),
      files = () => readRound(at, federation(), 0),
      key = (n: number) => participantKey(clients[n]),
      give = (m: SentMessage): string => {
        hand(at, federation(), m);
        return [...coordinate(co), ...coordinate(co)].join('; ');
      };
    // Bob trains, and his messages are kept until they are wanted.
    let kept: Parameters<Transport['send']> | undefined;
    const folder = folderTransport(at),
      late: Transport = {
        ...folder,
        send: async (...x) => {
          if (x[0].kind === 'commit') kept = x;
          else await folder.send(...x);
        },
      };
    for (let i = 0; i < 20 && !kept; i++) {
      const [ann, bob] = clients.map((t, n) =>
        participantOf(join(dir, `hostile-${t.name}`), charter.digest, t, k, n ? late : folder, clock),
      );
      if (!existsSync(join(at, 'rounds/0'))) await participate(ann);
      await participate(bob);
      coordinate(co);
    }
    const [message, blobs] = kept!,
      commit = message.body as Message<'commit'>,
      { round, plan, federation: of } = commit,
      withdrawal = (client: string, n: number, more = {}) =>
        signMessage(
          'withdrawal',
          { type: 'certune-fed-withdrawal', version: 1, federation: of, round, plan, client, why: 'x', ...more },
          key(n),
        );
    // Ann withdraws, and hands in bob's states as her own, which hold.
    expect(give(withdrawal('ann', 0))).toMatch(/ann withdraws/);
    for (const b of blobs) writeBlob(at, b);
    const hers = signMessage('commit', { ...commit, client: 'ann', enrolment: federation().enrolments.get('ann')!.digest }, key(0));
    expect(give(hers)).toMatch(/refused a commit of ann: withdrawal: ann: hands in a commit after it/);
    expect([...files().receipts.keys()]).toEqual([]);
    // Bob hands in twice, and then withdraws, from this round and from one that is not planned.
    expect(give(message)).toMatch(/commit of bob/);
    const second = signMessage('commit', { ...commit, update: { ...commit.update, bytes: commit.update.bytes + 1 } }, key(1));
    expect(give(second)).toMatch(/two different messages of bob/);
    expect(give(withdrawal('bob', 1))).toMatch(/refused a withdrawal of bob: phase/);
    expect(give(withdrawal('bob', 1, { round: 7 }))).toMatch(/refused a withdrawal of bob: withdrawal/);
    expect(existsSync(join(at, 'rounds/7'))).toBe(false);
    // What anybody checks holds: the seal leaves out ann, who said so, and denies no receipt.
    expect(files().seal!.body.excluded).toEqual([{ client: 'ann', why: 'withdrew before the seal' }]);
    expect(checkFolder(at).rounds[0].state).toBe('open');
  });
  it('or names thousands of blobs and sends none: few of its messages wait, so that the inbox is not full for others', () => {
    const at = join(dir, 'hostile'),
      co = coordinatorIn(at, k, trainee(join(dir, 'data'), 'ann', 0), { at: 1_000_050 }),
      f = readFederation(at),
      { plan } = readRound(at, f, 0),
      opening = { words: Array<string>(36).fill('0'), salt: '00'.repeat(16), path: [] };
    for (let unit = 0; unit < MOST_PENDING + 9; unit++)
      hand(
        at,
        f,
        signMessage(
          'response',
          {
            type: 'certune-fed-response',
            version: 1,
            federation: f.charter.digest,
            round: 0,
            plan: plan.digest,
            client: 'ann',
            unit,
            from: opening,
            to: opening,
            proof: plan.digest,
          },
          participantKey({ number: 0 }),
        ),
      );
    expect(coordinate(co).filter((x) => /64 messages wait already for what they name/.test(x))).toHaveLength(9);
    expect(waiting(at, f)).toHaveLength(MOST_PENDING);
  });
});
