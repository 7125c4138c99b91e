import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  TENSORS,
  CHAIN,
  type Handed,
  STEPS,
  beacon,
  drawnRound,
  federationCase,
  handIn,
  newRound,
  open,
  planBody,
  recordsOf,
  respond,
  updateOf,
} from '../../test/federated-case.js';
import { VerificationError } from '../transcript/arith.js';
import { beaconValue } from './beacon.js';
import { checkChain } from './check.js';
import { folderSource } from './check-folder.js';
import { type Before, type RoundContext, adapterBlob } from './checks.js';
import {
  messagePath,
  readBlob,
  readFederation,
  readRound,
  writeBeacon,
  writeBlob,
  writeEvidence,
  writeMessage,
  writeSeed,
} from './folder.js';
import { FederationError } from './errors.js';
import { type Evidence, type JudgeContext, type Judgement, evidenceFile, judge, parseEvidence } from './judge.js';
import { type Message, type Signed, digestOf, messageFile } from './messages.js';
import { makeRecord } from './record.js';
import { type RoundState, WITHDREW, sealBody, stepRound } from './round.js';
import { signMessage } from './signing.js';
import type { UnitChecks } from './units.js';
import { updateLimit } from './update.js';

const NAMES = ['ann', 'bob', 'cat'],
  c = federationCase(NAMES),
  [ann, bob] = c.clients,
  r = newRound(c, { audit: { coverage: [1, 1], each: 0, mode: 'before', show: 'records' } }),
  d = drawnRound(c, r);
const blobs = new Map<string, Uint8Array>([[r.plan.body.global.adapter, adapterBlob(c.start, { tensors: TENSORS })]]);
const keep = (h: Handed): Handed => {
  blobs.set(h.commit.body.update.blob, h.blob);
  return h;
};
const j: JudgeContext = { federation: c.federation, before: () => c.before, blob: (x) => blobs.get(x) };
const guilty = (e: Evidence, why: RegExp): void => {
  const v = judge(parseEvidence(evidenceFile(e), 'e'), j);
  expect([v.guilty, v.party]).toEqual([true, e.party]);
  expect(v.finding).toMatch(why);
};
const notShown = (e: Evidence, why: RegExp): void => {
  const v = judge(parseEvidence(evidenceFile(e), 'e'), j);
  expect(v.guilty, v.finding).toBe(false);
  expect(v.finding).toMatch(why);
};

describe('evidence', () => {
  const one = keep(d.handed.get('ann')!),
    two = keep(handIn(r, ann, { records: recordsOf(r, ann, 4) }));
  it("of two commits for one round convicts; one commit twice, two rounds, two plans, two clients, somebody else's signature do not", () => {
    const e = (first: Signed<'commit'>, second: Signed<'commit'>, party = 'ann'): Evidence => ({
      charge: 'two-messages',
      party,
      items: { first: first.envelope, second: second.envelope },
    });
    guilty(e(one.commit, two.commit), /^equivocation: two commits/);
    notShown(e(one.commit, one.commit), /both are one message/);
    const later = newRound(c, { round: 3 }),
      other = newRound(c, { cap: 9 });
    notShown(e(one.commit, handIn(later, ann).commit), /two places/);
    notShown(e(one.commit, handIn(other, ann).commit), /two plans/);
    notShown(e(one.commit, handIn(r, bob).commit), /^signature/);
    notShown(e(one.commit, two.commit, 'bob'), /^signature/);
    notShown(e(one.commit, two.commit, 'eve'), /not enrolled/);
  });
  it('of two seals convicts the server, of two updates nobody', () => {
    const seal = d.state.seal!,
      second = signMessage('seal', { ...seal.body, time: seal.body.time + 1 }, c.server);
    guilty({ charge: 'two-messages', party: 'server', items: { first: seal.envelope, second: second.envelope } }, /two seals/);
    notShown(
      { charge: 'two-messages', party: 'ann', items: { first: seal.envelope, second: second.envelope } },
      /no message that may not come twice/,
    );
  });
  it('of two settlements of one record, or of two verdicts on one unit, convicts the server', () => {
    const two = <K extends 'settlement' | 'verdict'>(kind: K, body: Message<K>, more: Partial<Message<K>>): Evidence => ({
        charge: 'two-messages',
        party: 'server',
        items: {
          first: signMessage(kind, body, c.server).envelope,
          second: signMessage(kind, { ...body, ...more }, c.server).envelope,
        },
      }),
      head = { version: 1 as const, federation: c.federation.charter.digest, round: 0 },
      counts = { proved: 1, replayed: 0, opened: 0, unanswered: 0 },
      settlement: Message<'settlement'> = {
        type: 'certune-fed-settlement',
        ...head,
        record: r.plan.digest,
        failed: [],
        ...counts,
        holds: true,
      },
      verdict: Message<'verdict'> = {
        type: 'certune-fed-verdict',
        ...head,
        plan: r.plan.digest,
        client: 'ann',
        unit: 1,
        response: r.plan.digest,
        how: 'proved',
        holds: true,
        refusal: null,
      };
    guilty(two('settlement', settlement, { holds: false, failed: ['ann'] }), /two settlements/);
    notShown(two('settlement', settlement, { round: 1 }), /two places/);
    guilty(two('verdict', verdict, { holds: false, refusal: 'no' }), /two verdicts/);
    notShown(two('verdict', verdict, { unit: 2 }), /two places/);
    notShown(two('verdict', verdict, {}), /both are one message/);
  });
  it('of an update beyond the bound or of another code convicts; an honest one does not, and no field of it can be changed', () => {
    const bad = keep(handIn(r, ann, { d: updateOf(r, ann).with(3, -Number(r.bound) - 1) })),
      e = (commit: Signed<'commit'>, party = 'ann'): Evidence => ({
        charge: 'bad-update',
        party,
        items: { plan: r.plan.envelope, commit: commit.envelope },
      });
    guilty(e(bad.commit), /^movement bound: ann/);
    guilty(e(keep(handIn(r, ann, { blob: Uint8Array.of(1, 2, 3) })).commit), /^update code: ann/);
    guilty(e(handIn(r, ann, { records: recordsOf(r, ann).slice(0, 3) }).commit), /^commit units: ann/);
    notShown(e(one.commit), /everything that is shown holds/);
    // Every field of an honest commit, changed by whoever would frame the client: the signature is not hers any more.
    const { body } = one.commit;
    for (const more of [
      { units: 2 },
      { root: '00'.repeat(32) },
      { update: { ...body.update, bytes: 7 } },
      { last: { ...body.last, salt: '00'.repeat(16) } },
      { plan: body.enrolment },
    ] as Partial<Message<'commit'>>[]) {
      const forged = signMessage('commit', { ...body, ...more }, bob.key);
      notShown(e(forged), /^signature/);
    }
    const other = newRound(c, { cap: 9 });
    notShown({ charge: 'bad-update', party: 'ann', items: { plan: other.plan.envelope, commit: one.commit.envelope } }, /to another plan/);
    notShown(
      {
        charge: 'bad-update',
        party: 'ann',
        items: { plan: signMessage('plan', planBody(c), bob.key).envelope, commit: one.commit.envelope },
      },
      /^signature/,
    );
    expect(() => judge(e(handIn(r, ann, { d: updateOf(r, ann).with(0, 2) }).commit), j)).toThrow(/not at hand/);
    expect(() => judge(e(one.commit), { ...j, before: () => undefined })).toThrow(/not at hand/);
  });
  it('of an answer that opens other records convicts; of one that was not drawn, or to another seal, it does not', () => {
    const records = d.handed.get('bob')!.records,
      good = respond(r, bob, records, 1),
      swapped = respond(r, bob, records, 1, { from: good.body.to, to: good.body.from }),
      e = (response: Signed<'response'>, seal = d.state.seal!, commit = d.handed.get('bob')!.commit): Evidence => ({
        charge: 'bad-response',
        party: 'bob',
        items: { plan: r.plan.envelope, seal: seal.envelope, commit: commit.envelope, response: response.envelope },
        beacon: beacon(r.plan.body.beacon),
      });
    guilty(e(swapped), /^record root: bob/);
    notShown(e(good), /everything that is shown holds/);
    notShown(e(respond(r, bob, records, 1, { unit: STEPS })), /was not drawn/);
    const empty = signMessage('seal', { ...sealBody({ ...d.state, commits: new Map() }, 1) }, c.server);
    notShown(e(swapped, empty), /not sealed/);
    notShown({ ...e(swapped), beacon: beacon(7) }, /^beacon round/);
    notShown(e(respond(r, bob, records, 1, { from: good.body.to }, ann.key)), /^signature/);
    notShown(e(swapped, d.state.seal!, handIn(r, bob, { records: recordsOf(r, bob, 4) }).commit), /not sealed/);
  });
  it('of a certificate holds one answer to every drawn unit, that at hand among them: nobody chooses between two', () => {
    const round = newRound(c, { audit: { coverage: [1, 1], each: 0, mode: 'before', show: 'certificates' } }),
      drawn = drawnRound(c, round),
      { commit, records } = drawn.handed.get('bob')!,
      blob = Uint8Array.of(7),
      proof = digestOf(blob),
      answers = records.slice(1).map((_, unit) => respond(round, bob, records, unit, { proof })),
      other = respond(round, bob, records, 1, { proof: `sha256:${'1'.repeat(64)}` }),
      // What the certificate is found to be: the judge is told by whoever verifies it.
      units: UnitChecks = {
        unit: () => expect.unreachable(),
        certificate: () => expect.unreachable(),
        runFor: () => expect.unreachable(),
        answer: (_, { body }) => {
          throw new FederationError('certificate', 'shows nothing', body.client);
        },
      },
      e = (list: readonly Signed<'response'>[], response = answers[1]): Judgement =>
        judge(
          parseEvidence(
            evidenceFile({
              charge: 'bad-proof',
              party: 'bob',
              items: {
                plan: round.plan.envelope,
                seal: drawn.state.seal!.envelope,
                commit: commit.envelope,
                response: response.envelope,
              },
              answers: list.map((x) => x.envelope),
              beacon: beacon(round.plan.body.beacon),
            }),
            'e',
          ),
          { ...j, blob: (x) => (x === proof ? blob : blobs.get(x)), units },
        );
    expect(answers).toHaveLength(STEPS);
    expect(e(answers)).toMatchObject({ guilty: true, finding: expect.stringMatching(/^certificate: bob: shows nothing/) as string });
    for (const [list, why] of [
      [answers.slice(1), /answers to the units 0 are not shown/],
      [[...answers, other], /5 answers to 4 drawn units/],
      [[answers[0], answers[0], answers[1], answers[2]], /unit 0 is answered twice/],
      [[answers[0], other, answers[2], answers[3]], /the answer to unit 1 is another one than the response/],
      [[answers[0], answers[1], answers[2], respond(round, bob, records, 3, { proof }, ann.key)], /^signature/],
      [[answers[0], answers[1], answers[2], respond(round, bob, records, 3, { proof, unit: 2 })], /^record root/],
    ] as const) {
      const v = e(list);
      expect(v.guilty, v.finding).toBe(false);
      expect(v.finding).toMatch(why);
    }
  });
  it('of a denied receipt convicts the server, unless two commits of the client excuse it', () => {
    const receipt = signMessage('receipt', d.receipts.find((x) => x.client === 'ann')!, c.server),
      without = (why: string): Signed<'seal'> => {
        const s: RoundState = {
          ...d.state,
          commits: new Map([...d.state.commits].filter(([n]) => n !== 'ann')),
          excluded: new Map([['ann', why]]),
        };
        return signMessage('seal', sealBody(s, 1), c.server);
      },
      e = (seal: Signed<'seal'>, commit = one.commit): Evidence => ({
        charge: 'receipt-denied',
        party: 'server',
        items: { seal: seal.envelope, receipt: receipt.envelope, commit: commit.envelope },
      });
    guilty(e(without('no commit in time')), /^receipt denied: server/);
    notShown(e(d.state.seal!), /everything that is shown holds/);
    notShown(e(without('equivocation')), /everything that is shown holds/);
    notShown(e(without('late'), two.commit), /another commit/);
  });
  it('files have known keys and items alone', () => {
    const bytes = evidenceFile({
        charge: 'two-messages',
        party: 'ann',
        items: { first: one.commit.envelope, second: two.commit.envelope },
      }),
      text = new TextDecoder().decode(bytes),
      at = (t: string) => () => parseEvidence(new TextEncoder().encode(t), 'e');
    expect(at(text)).not.toThrow();
    expect(at(text.replace('"two-messages"', '"three"'))).toThrow(/is none of/);
    expect(at(text.replace('"party"', '"more":1,"party"'))).toThrow(/more is not known/);
    expect(at(text.replace('"first"', '"third"'))).toThrow(/not known/);
    expect(at('[]')).toThrow(/no object/);
  });
});

describe('a folder', () => {
  const dirs: string[] = [];
  afterAll(() => {
    for (const x of dirs) rmSync(x, { recursive: true, force: true });
  });
  const scratch = (): string => {
    const x = mkdtempSync(join(tmpdir(), 'certune-fed-'));
    dirs.push(x);
    return x;
  };

  /** Plays a round to its record and writes everything. */
  function playRound(
    dir: string,
    before: Before,
    global: Int32Array,
    mode: 'before' | 'after' = 'before',
    round = before.round + 1,
    show: Message<'plan'>['audit']['show'] = 'records',
  ): { before: Before; adapter: Int32Array; record: Signed<'record'>; settle: () => Signed<'settlement'> } {
    const plan = signMessage('plan', planBody(c, { audit: { coverage: [1, 2], each: 1, mode, show }, round }, before), c.server),
      context: RoundContext = open(c, plan, global, before),
      x = drawnRound(c, context),
      due = plan.body.deadlines.response;
    writeMessage(dir, plan);
    for (const h of x.handed.values()) {
      writeMessage(dir, h.commit);
      writeBlob(dir, h.blob);
    }
    for (const b of x.receipts) writeMessage(dir, signMessage('receipt', b, c.server));
    writeMessage(dir, x.state.seal!);
    writeBeacon(dir, round, x.state.beacon!);
    let { state } = x;
    for (const u of state.draw!.units) {
      const who = c.clients.find((y) => y.name === u.client)!,
        proof = show === 'records' ? null : digestOf(Uint8Array.of(7)),
        m = respond(context, who, x.handed.get(u.client)!.records, u.index, { proof });
      writeMessage(dir, m);
      state = stepRound(state, { kind: 'response', message: m, now: due }).state;
      if (proof) state = stepRound(state, { kind: 'verified', client: u.client, unit: u.index, how: 'proved', refusal: null }).state;
    }
    const verdicts = stepRound(state, { kind: 'close', now: due + 1 }).out.flatMap((o) =>
      o.kind === 'verdict' ? [signMessage('verdict', o.body, c.server)] : [],
    );
    for (const v of verdicts) writeMessage(dir, v);
    const outcome = {
        context,
        seal: state.seal!,
        draw: state.draw!,
        handed: state.seal!.body.commits.map((y) => x.handed.get(y.client)!),
        verdicts: mode === 'after' ? [] : verdicts,
        state: () => Array<bigint>(17).fill(BigInt(round + 10)),
        evidence: new Map<string, string>(),
      },
      { body, adapter } = makeRecord(outcome),
      record = signMessage('record', body, c.server);
    writeMessage(dir, record);
    writeBlob(dir, adapterBlob(adapter, { tensors: TENSORS }));
    return {
      before: {
        record: record.digest,
        round,
        beaconRound: plan.body.beacon,
        beacon: beaconValue(CHAIN, plan.body.beacon, x.state.beacon!),
        global: body.global,
      },
      adapter,
      record,
      settle: () =>
        signMessage(
          'settlement',
          {
            type: 'certune-fed-settlement',
            version: 1,
            federation: c.federation.charter.digest,
            round,
            record: record.digest,
            failed: [],
            proved: 0,
            replayed: 0,
            opened: verdicts.length,
            unanswered: 0,
            holds: true,
          },
          c.server,
        ),
    };
  }
  const beginFolder = (): string => {
    const dir = scratch();
    writeMessage(dir, c.federation.charter);
    for (const x of c.clients) writeMessage(dir, x.enrolment);
    writeSeed(dir, beacon(1));
    writeBlob(dir, adapterBlob(c.start, { tensors: TENSORS }));
    return dir;
  };

  /** A folder with one round. */
  const played = (show: Message<'plan'>['audit']['show'] = 'records') => {
    const dir = beginFolder();
    playRound(dir, c.before, c.start, 'before', undefined, show);
    const s = folderSource(dir);
    return { dir, s, files: s.round(0) };
  };

  it('of three rounds is checked from the charter on, and says what is not', () => {
    const dir = beginFolder(),
      a = playRound(dir, c.before, c.start),
      b = playRound(dir, a.before, a.adapter);
    playRound(dir, b.before, b.adapter);
    const report = checkChain(folderSource(dir));
    expect(report.rounds.map((x) => [x.round, x.state, x.included])).toEqual([
      [0, 'final', 3],
      [1, 'final', 3],
      [2, 'final', 3],
    ]);
    expect(report.rounds[0].audit!.verified).toBe(0);
    expect(report.notChecked.join('\n')).toMatch(
      /last state.*plan settings.*between opened records was not verified.*charter's own.*word/s,
    );
    // The chain cut, or its middle exchanged.
    const cut = folderSource(dir);
    expect(() => checkChain({ ...cut, rounds: [0, 2] })).toThrow(/^record chain/);
    expect(() => checkChain({ ...cut, rounds: [1, 2] })).toThrow(/^record chain/);
    expect(() => checkChain({ ...cut, blob: () => undefined })).toThrow(/^blob: server/);
    expect(() => checkChain({ ...cut, seed: beacon(2) })).toThrow(/^beacon round/);
  });
  it('with a number left out is refused: numbers draw who takes part', () => {
    const dir = beginFolder(),
      a = playRound(dir, c.before, c.start);
    playRound(dir, a.before, a.adapter, 'before', 2);
    expect(() => checkChain(folderSource(dir))).toThrow(/^record chain: server: round 1 is missing, round 2 is there/);
    // A round that was planned and went no further is there, and is shown.
    writeMessage(dir, signMessage('plan', planBody(c, { round: 1 }, a.before), c.server));
    expect(checkChain(folderSource(dir)).rounds.map((x) => x.state)).toEqual(['final', 'open', 'final']);
  });
  it('has whoever was in a plan in every later one, unless evidence says why not', () => {
    const dir = beginFolder(),
      a = playRound(dir, c.before, c.start),
      body = planBody(c, {}, a.before),
      enrolled = body.enrolled.filter((x) => x.client !== 'ann'),
      context = newRound(c),
      first = handIn(context, ann).commit,
      second = handIn(context, ann, { records: recordsOf(context, ann, 4) }).commit;
    writeMessage(dir, signMessage('plan', { ...body, enrolled, select: 2 }, c.server));
    expect(() => checkChain(folderSource(dir))).toThrow(/^plan omission: server: ann was in an earlier plan/);
    // Evidence that shows nothing excuses nothing.
    const empty = writeEvidence(dir, { charge: 'two-messages', party: 'ann', items: { first: first.envelope, second: first.envelope } });
    expect(() => checkChain(folderSource(dir))).toThrow(/^plan omission/);
    rmSync(empty);
    writeEvidence(dir, { charge: 'two-messages', party: 'ann', items: { first: first.envelope, second: second.envelope } });
    expect(checkChain(folderSource(dir)).rounds.map((x) => x.state)).toEqual(['final', 'open']);
  });
  it('is of the settings of training that are at hand', () => {
    const dir = beginFolder(),
      seen: number[] = [];
    playRound(dir, c.before, c.start);
    const settings = (x: Pick<RoundContext, 'plan'>): void => {
      seen.push(x.plan.body.round);
      throw new FederationError('plan settings', 'schedule of the plan', 'server');
    };
    expect(() => checkChain({ ...folderSource(dir), settings })).toThrow(/^plan settings/);
    expect(seen).toEqual([0]);
    expect(checkChain({ ...folderSource(dir), settings: () => {} }).notChecked.join('\n')).not.toMatch(/plan settings/);
  });
  it('with a provisional record says so, and lets no later one pass for final', () => {
    const dir = beginFolder(),
      a = playRound(dir, c.before, c.start, 'after');
    expect(checkChain(folderSource(dir)).rounds[0].state).toBe('provisional');
    playRound(dir, a.before, a.adapter);
    expect(() => checkChain(folderSource(dir))).toThrow(/^record provisional: server: round 1 passes for final/);
    writeMessage(dir, a.settle());
    expect(checkChain(folderSource(dir)).rounds.map((x) => x.state)).toEqual(['final', 'final']);
  });
  it('makes what stands on a void record void with it, and goes on from the record before', () => {
    const dir = beginFolder(),
      a = playRound(dir, c.before, c.start, 'after');
    playRound(dir, a.before, a.adapter, 'after');
    playRound(dir, c.before, c.start, 'before', 2);
    const s = folderSource(dir),
      files = s.round(0),
      [v, ...rest] = files.verdicts,
      failed = signMessage('verdict', { ...v.body, how: 'replayed', holds: false, refusal: 'another state' }, c.server),
      opened = rest.length,
      settlement = signMessage('settlement', { ...a.settle().body, opened, failed: [v.body.client], holds: false }, c.server),
      report = checkChain({ ...s, round: (n) => (n === 0 ? { ...files, verdicts: [failed, ...rest], settlement } : s.round(n)) });
    expect(report.rounds.map((x) => x.state)).toEqual(['void', 'void', 'final']);
    expect(report.head).toBe(s.round(2).record!.digest);
  });
  it('refuses names and files that are none of its own, other bytes under a name, and a second message in place of the first', () => {
    const dir = beginFolder(),
      a = playRound(dir, c.before, c.start);
    const other = signMessage('record', { ...a.record.body, provisional: true }, c.server);
    expect(() => writeMessage(dir, other)).toThrow(/what was signed stays/);
    expect(writeMessage(dir, a.record)).toBe(messagePath(dir, a.record));
    expect(() => readBlob(dir, c.before.global.adapter, 10)).toThrow(/at most 10/);
    // What was opened once is remembered by its bytes, not by its name: other bytes are opened again.
    const commit = join(dir, 'rounds', '0', 'commits', 'ann.json'),
      bob_ = join(dir, 'rounds', '0', 'commits', 'bob.json'),
      there = readFileSync(commit);
    readRound(dir, readFederation(dir), 0);
    writeFileSync(commit, readFileSync(bob_));
    expect(() => readRound(dir, readFederation(dir), 0)).toThrow(/^signature/);
    writeFileSync(commit, there);
    readRound(dir, readFederation(dir), 0);
    writeFileSync(join(dir, 'blobs', c.before.global.adapter.slice(7)), 'x');
    expect(() => readBlob(dir, c.before.global.adapter, updateLimit(64))).toThrow(/other bytes/);
    writeFileSync(join(dir, 'rounds', '0', 'commits', 'zoe.json'), '{}');
    expect(() => readRound(dir, readFederation(dir), 0)).toThrow(/zoe is not enrolled/);
    writeFileSync(join(dir, 'enrolments', 'Ann.json'), '{}');
    expect(() => readFederation(dir)).toThrow(/has a name/);
    expect(() => readRound(dir, c.federation, 7)).toThrow(/does not exist/);
  });
  it('asks for the two commits of whom it excludes for them', () => {
    const dir = beginFolder(),
      context = newRound(c),
      hs = c.clients.map((x) => handIn(context, x)),
      twice = handIn(context, ann, { records: recordsOf(context, ann, 4) }),
      commits = new Map(hs.map((h) => [h.commit.body.client, h.commit]));
    writeMessage(dir, context.plan);
    for (const h of hs) {
      writeMessage(dir, h.commit);
      writeBlob(dir, h.blob);
    }
    const state = { ...d.state, context, commits, excluded: new Map([['ann', 'equivocation']]) };
    writeMessage(dir, signMessage('seal', sealBody(state, 1), c.server));
    expect(() => checkChain(folderSource(dir))).toThrow(/^seal omission: server: ann is excluded for two commits that nobody shows/);
    writeEvidence(dir, { charge: 'two-messages', party: 'ann', items: { first: hs[0].commit.envelope, second: twice.commit.envelope } });
    expect(checkChain(folderSource(dir)).rounds[0].state).toBe('open');
  });
  it('asks for the word of whom it says withdrew', () => {
    const dir = beginFolder(),
      context = newRound(c),
      hs = c.clients.slice(1).map((x) => handIn(context, x));
    writeMessage(dir, context.plan);
    for (const h of hs) {
      writeMessage(dir, h.commit);
      writeBlob(dir, h.blob);
    }
    const gone = signMessage(
        'withdrawal',
        {
          type: 'certune-fed-withdrawal',
          version: 1,
          federation: c.federation.charter.digest,
          round: 0,
          plan: context.plan.digest,
          client: 'ann',
          why: 'overflow',
        },
        ann.key,
      ),
      commits = new Map(hs.map((h) => [h.commit.body.client, h.commit])),
      state = { ...d.state, context, commits, excluded: new Map([['ann', WITHDREW]]) };
    writeMessage(dir, signMessage('seal', sealBody(state, 1), c.server));
    expect(() => checkChain(folderSource(dir))).toThrow(/^seal omission: server: ann is said to have withdrawn/);
    writeMessage(dir, gone);
    expect(checkChain(folderSource(dir)).rounds[0].state).toBe('open');
  });
  it('with a verdict that its messages contradict is refused', () => {
    const { s, files } = played(),
      [v] = files.verdicts,
      as = (more: Partial<Message<'verdict'>>) => () =>
        checkChain({
          ...s,
          round: () => ({ ...files, verdicts: [signMessage('verdict', { ...v.body, ...more }, c.server), ...files.verdicts.slice(1)] }),
        });
    expect(as({ response: v.body.plan })).toThrow(/^verdict/);
    expect(as({ how: 'unanswered' })).toThrow(/^verdict/);
    expect(as({ plan: files.seal!.digest })).toThrow(/^verdict: server: is of another plan/);
    expect(as({ round: 1 })).toThrow(/^verdict: server: is of another plan/);
    expect(as({ federation: v.body.plan })).toThrow(/^federation/);
    expect(as({ how: 'unanswered', holds: false, response: null, refusal: 'no answer in time' })).toThrow(/^verdict: server: .*answered/);
    expect(as({ holds: false })).toThrow(/^verdict/);
    // What was opened and no more holds: an answer that does not open is none.
    expect(as({ holds: false, refusal: 'no' })).toThrow(/^verdict: server: .*opened/);
    expect(as({ how: 'proved' })).toThrow(/^record audit/);
    expect(() => checkChain({ ...s, round: () => ({ ...files, verdicts: [] }) })).toThrow(VerificationError);
  });
  it.each(['proofs', 'certificates'] as const)('of a plan that asks for %s is judged by them alone', (show) => {
    const { s, files } = played(show),
      [v] = files.verdicts,
      as = (more: Partial<Message<'verdict'>>) => () =>
        checkChain({
          ...s,
          round: () => ({ ...files, verdicts: [signMessage('verdict', { ...v.body, ...more }, c.server), ...files.verdicts.slice(1)] }),
        });
    expect(as({})).not.toThrow();
    for (const how of ['opened', 'replayed'] as const) {
      expect(as({ how }), how).toThrow(/^verdict: server: .*is said to hold without a proof/);
      expect(as({ how, holds: false, refusal: 'no' }), how).toThrow(/^verdict: server: .*is said to fail by another check than its proof/);
    }
  });
  it('with the answer to one unit in the place of another is refused: a unit is not opened twice for two', () => {
    const { dir, s, files } = played(),
      of = (n: string) => files.verdicts.filter(({ body }) => body.client === n),
      [one, two] = NAMES.map(of).find((list) => list.length > 1)!,
      at = (v: Signed<'verdict'>): string => `${v.body.client}-${v.body.unit}`,
      response = files.responses.get(at(one))!,
      verdict = signMessage('verdict', { ...two.body, response: response.digest }, c.server),
      responses = new Map([...files.responses, [at(two), response]]),
      verdicts = files.verdicts.map((v) => (v === two ? verdict : v));
    expect(() => checkChain({ ...s, round: () => ({ ...files, responses, verdicts }) })).toThrow(
      new RegExp(`^verdict: server: unit ${two.body.unit} of .* is judged by the answer to unit ${one.body.unit} of`),
    );
    // A file is what its name says, of every kind.
    for (const [kind, m] of [
      ['responses', response],
      ['verdicts', one],
    ] as const) {
      const copy = scratch();
      cpSync(dir, copy, { recursive: true });
      writeFileSync(join(copy, 'rounds', '0', kind, `${at(two)}.json`), messageFile(m.envelope));
      expect(() => readRound(copy, readFederation(copy), 0)).toThrow(new RegExp(`${at(two)}.json: is of ${at(one)}`));
    }
  });
  it('with a proof that was refused is judged by that proof while it is at hand, whatever certificate is made of the unit later', () => {
    const { s, files } = played(),
      [v] = files.verdicts,
      name = `${v.body.client}-${v.body.unit}`,
      blob = Uint8Array.of(7),
      proof = digestOf(blob),
      response = signMessage(
        'response',
        { ...files.responses.get(name)!.body, proof },
        c.clients.find((x) => x.name === v.body.client)!.key,
      ),
      verdict = signMessage(
        'verdict',
        { ...v.body, response: response.digest, how: 'proved', holds: false, refusal: 'unit proof' },
        c.server,
      ),
      check = (there: boolean, holds: boolean) => () => {
        const units: UnitChecks = {
          unit: () => {
            if (!holds) throw new FederationError('unit proof', 'does not hold', v.body.client);
          },
          certificate: () => [name],
          runFor: () => expect.unreachable(),
          answer: () => expect.unreachable(),
        };
        checkChain({
          ...s,
          units,
          blob: (d, most) => (d === proof ? (there ? blob : undefined) : s.blob(d, most)),
          round: () => ({
            ...files,
            certificates: [blob],
            responses: new Map([...files.responses, [name, response]]),
            verdicts: [verdict, ...files.verdicts.slice(1)],
          }),
        });
      };
    // The verdict stands: what differs is the record, which was made without it.
    expect(check(true, false)).toThrow(/^record members/);
    expect(check(true, true)).toThrow(/^verdict: server: .*its proof holds/);
    expect(check(false, false)).toThrow(/^verdict: server: .*a certificate shows it/);
  });
});
