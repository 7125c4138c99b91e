import { describe, expect, it } from 'vitest';
import {
  TENSORS,
  type Handed,
  STEPS,
  beacon,
  drawnRound,
  federationCase,
  handIn,
  newKey,
  newRound,
  open,
  openingOf,
  planBody,
  recordsOf,
  respond,
  updateOf,
} from '../../test/federated-case.js';
import { InputError } from '../errors.js';
import { toHex } from '../provenance/bytes.js';
import { type RoundContext, adapterBlob, checkReceipt, checkSeal, checkUpdate, enrol, enrolAll, openRound } from './checks.js';
import { type Message, keyText, openMessage, messageFile, parseMessage } from './messages.js';
import { makeRecord, checkRecord, checkSettlement, auditStatement, type Outcome } from './record.js';
import { type RoundState, beginRound, sealBody, stepRound, verdictBodies } from './round.js';
import { signMessage } from './signing.js';
import { encodeUpdate } from './update.js';

const NAMES = ['ann', 'bob', 'cat', 'dan'];
const c = federationCase(NAMES),
  [ann, bob] = c.clients,
  r = newRound(c),
  now = r.plan.body.deadlines.commit - 5;
const give = (h: Handed, state = beginRound(r), at = now) => stepRound(state, { kind: 'commit', message: h.commit, blob: h.blob, now: at });
const refuses = (f: () => unknown, name: string, party?: string): void =>
  expect(f).toThrow(new RegExp(`^${name}: ${party === undefined ? '' : `${party}: `}`));

describe('messages', () => {
  const file = messageFile(c.clients[0].enrolment.envelope);
  it('have one spelling, known keys and bounded sizes', () => {
    const text = new TextDecoder().decode(ann.enrolment.envelope.payload),
      bytes = (x: string): Uint8Array => new TextEncoder().encode(x);
    expect(parseMessage('enrolment', bytes(text), 'x')).toEqual(ann.enrolment.body);
    for (const [x, why] of [
      [text.replace('{', '{ '), /another spelling/],
      [text.replace('"rows":100', '"rows":1e2'), /no integer/],
      [text.replace('{"', '{"aa":1,"'), /aa|canonical/],
      [text.replace('"rows":100', '"rows":0'), /rows/],
      [text.replace('"client":"ann"', '"client":"../ann"'), /client/],
      [text.replace('"rows":100', '"rows":100,"rows":100'), /second time/],
      [`${text} `, /spelling/],
    ] as const)
      expect(() => parseMessage('enrolment', bytes(x), 'x'), x.slice(0, 40)).toThrow(why);
    expect(() => parseMessage('enrolment', new Uint8Array((1 << 16) + 1), 'x')).toThrow(/at most/);
    expect(() => openMessage('receipt', new Uint8Array(1 << 20), [ann.key.public], 'x')).toThrow(InputError);
  });
  it('are of the key and the kind that they are read as', () => {
    expect(openMessage('enrolment', file, [ann.key.public], 'x').digest).toBe(ann.enrolment.digest);
    expect(() => openMessage('enrolment', file, [bob.key.public], 'x')).toThrow(/^signature/);
    expect(() => openMessage('commit', file, [ann.key.public], 'x')).toThrow(/^payload type/);
  });
  it('belong to one federation', () => {
    const other = federationCase(NAMES, 1000);
    refuses(() => enrol(c.federation, other.clients[0].enrolment), 'federation', 'ann');
    refuses(() => open(other, r.plan), 'federation', 'server');
  });
});

describe('enrolments', () => {
  const again = (more: Partial<Message<'enrolment'>>, key = ann.key) => signMessage('enrolment', { ...ann.enrolment.body, ...more }, key);
  it('hold once: the same again changes nothing, other data, a key twice, a key not on the list, more draws than rows are refused', () => {
    expect(enrol(c.federation, ann.enrolment)).toBe(c.federation);
    refuses(() => enrol(c.federation, again({ rows: 101 })), 'enrolment', 'ann');
    refuses(() => enrol(c.federation, again({ client: 'eve' })), 'enrolment', 'eve');
    const k = newKey(77);
    refuses(() => enrol(c.federation, again({ client: 'eve', key: keyText(k.public) }, k)), 'enrolment', 'eve');
    refuses(() => enrol({ ...c.federation, enrolments: new Map() }, again({ rows: 7 })), 'enrolment', 'ann');
  });
});

describe('plans', () => {
  const plan = (more: Partial<Message<'plan'>>) => signMessage('plan', planBody(c, more), c.server);
  it('fix a round whole: units, schedule, members, beacon after the deadline, adapter, rule', () => {
    expect(r.participants).toEqual(NAMES);
    const p = planBody(c);
    for (const more of [
      { train: { ...p.train, unit: 3 } },
      { train: { ...p.train, schedule: p.train.schedule.slice(1) } },
      { train: { ...p.train, batch: 3 } },
      { enrolled: [...p.enrolled].reverse() },
      { enrolled: [...p.enrolled, { client: 'eve', enrolment: p.enrolled[0].enrolment }] },
      { enrolled: p.enrolled.slice(1), select: 4 },
      { deadlines: { ...p.deadlines, commit: p.deadlines.commit + 10 } },
      { deadlines: { ...p.deadlines, response: p.deadlines.commit } },
      { audit: { ...p.audit, coverage: [5, 4] } },
      { aggregate: { rule: 'trimmed' as const, clip: 0, trim: 2 } },
      { beacon: 1 },
      { global: { ...p.global, state: Array<string>(17).fill('4') } },
    ])
      refuses(() => open(c, plan(more)), 'plan', 'server');
    refuses(
      () =>
        openRound(
          c.federation,
          r.plan,
          c.before,
          adapterBlob(
            Int32Array.from(c.start, (x) => x + 1),
            { tensors: TENSORS },
          ),
        ),
      'blob',
      'server',
    );
    refuses(
      () => openRound(c.federation, r.plan, { ...c.before, record: 'sha256:' }, adapterBlob(c.start, { tensors: TENSORS })),
      'record chain',
      'server',
    );
    refuses(() => openRound(c.federation, r.plan, { ...c.before, round: 0 }, adapterBlob(c.start, { tensors: TENSORS })), 'plan', 'server');
    const states = { first: () => Array<bigint>(17).fill(4n), last: () => {} };
    refuses(() => openRound(c.federation, r.plan, c.before, adapterBlob(c.start, { tensors: TENSORS }), states), 'first state', 'server');
  });
  it('draw no more units than are answered, from no more than are drawn from', () => {
    const f = enrolAll(
        { charter: c.federation.charter, enrolments: new Map() },
        c.clients.map((x) => signMessage('enrolment', { ...x.enrolment.body, epochExamples: 8192, rows: 8192 }, x.key)),
      ),
      p = planBody(c),
      at = (coverage: number[]) => () =>
        openRound(
          f,
          signMessage(
            'plan',
            {
              ...p,
              enrolled: NAMES.map((client) => ({ client, enrolment: f.enrolments.get(client)!.digest })),
              train: { ...p.train, steps: 4096, schedule: Array.from({ length: 4096 }, () => p.train.schedule[0]) },
              audit: { ...p.audit, coverage },
            },
            c.server,
          ),
          c.before,
          adapterBlob(c.start, { tensors: TENSORS }),
        );
    expect(at([1, 2])).not.toThrow();
    expect(at([1, 1])).toThrow(/^plan: server: draws up to 16384 units, a round has at most 10000 answers/);
  });
});

describe('commits', () => {
  it('are taken once, with a receipt; the same again says nothing, another one is evidence, whenever it comes', () => {
    const h = handIn(r, ann),
      s = give(h);
    expect(s.out.map((o) => o.kind)).toEqual(['receipt']);
    expect(give(h, s.state)).toEqual({ state: s.state, out: [] });
    const other = handIn(r, ann, { records: recordsOf(r, ann, 4) }),
      two = give(other, s.state);
    expect(two.out[0]).toMatchObject({
      kind: 'equivocation',
      party: 'ann',
      first: { digest: h.commit.digest },
      second: { digest: other.commit.digest },
    });
    expect(sealBody(two.state, now).excluded).toContainEqual({ client: 'ann', why: 'equivocation' });
    const d = drawnRound(c, r);
    expect(give(other, d.state).out[0].kind).toBe('equivocation');
  });
  it('after the seal, late, or of the wrong plan, client, key or enrolment are refused', () => {
    const d = drawnRound(c, r, (x) => handIn(r, x));
    const few = { ...d.state, commits: new Map([...d.state.commits].filter(([n]) => n !== 'ann')) };
    refuses(() => give(handIn(r, ann), few), 'phase', 'ann');
    refuses(() => give(handIn(r, ann), undefined, now + 6), 'deadline', 'ann');
    const next = newRound(c, { cap: 41 });
    refuses(() => give(handIn(next, ann)), 'commit', 'ann');
    refuses(() => give(handIn(r, ann, { key: bob.key })), 'commit', 'ann');
    refuses(() => give(handIn(r, ann, { more: { enrolment: bob.enrolment.digest } })), 'commit', 'ann');
    const half = newRound(c, { select: 2 }),
      out = c.clients.find((x) => !half.participants.includes(x.name))!;
    refuses(
      () => stepRound(beginRound(half), { kind: 'commit', message: handIn(half, out).commit, blob: new Uint8Array(0), now }),
      'commit',
      out.name,
    );
  });
  it('with fewer units than the plan, a last record that is not under the root, or at another place are refused', () => {
    const records = recordsOf(r, ann);
    refuses(() => give(handIn(r, ann, { records: records.slice(0, 4) })), 'commit units', 'ann');
    refuses(() => give(handIn(r, ann, { records: records.slice(0, 4), more: { units: STEPS } })), 'record path', 'ann');
    const o = openingOf(r, ann, records, STEPS);
    for (const last of [
      { ...o, salt: '00'.repeat(16) },
      { ...o, path: o.path.map(() => '11'.repeat(32)) },
      { ...o, words: o.words.with(8, '77') },
    ])
      refuses(() => give(handIn(r, ann, { more: { last } })), 'record root', 'ann');
    const placed = (i: number, v: bigint) => records.with(STEPS, { ...records[STEPS], pos: records[STEPS].pos.with(i, v) });
    for (const [i, v] of [
      [0, 3n],
      [1, 1n],
      [3, 0n],
      [4, 4n],
      [5, 9n],
      [6, 0n],
      [6, 57n],
    ] as const)
      refuses(() => give(handIn(r, ann, { records: placed(i, v) })), 'record position', 'ann');
  });
});

describe('updates', () => {
  const states = {
    first: () => [...r.first.s],
    last: () => {
      throw new Error('another adapter');
    },
  };
  it('are the bytes, the values and the state that were committed to', () => {
    const h = handIn(r, ann);
    expect(checkUpdate(r, h.commit, h.blob)).toMatchObject({ client: 'ann', weight: 12, lastState: 'not checked' });
    expect(checkUpdate({ ...r, states: { ...states, last: () => {} } }, h.commit, h.blob).lastState).toBe('checked');
    refuses(() => checkUpdate(r, h.commit, encodeUpdate(updateOf(r, bob), TENSORS)), 'blob', 'ann');
    refuses(() => checkUpdate({ ...r, states }, h.commit, h.blob), 'last state', 'ann');
    const boosted = updateOf(r, ann).with(50, Number(r.bound) + 1),
      b = handIn(r, ann, { d: boosted });
    refuses(() => checkUpdate(r, b.commit, b.blob), 'movement bound', 'ann');
    const edge = handIn(r, ann, { d: boosted.with(50, Number(r.bound)) });
    expect(() => checkUpdate(r, edge.commit, edge.blob)).not.toThrow();
    refuses(() => give(b), 'movement bound', 'ann');
    const bytes = Uint8Array.of(...h.blob, 0),
      longer = handIn(r, ann, { blob: bytes });
    refuses(() => give(longer), 'update code', 'ann');
  });
  it('weigh as many targets as were committed to, at most the cap', () => {
    const low = newRound(c, { cap: 5 }),
      h = handIn(low, ann);
    expect(checkUpdate(low, h.commit, h.blob).weight).toBe(5);
  });
});

describe('seals', () => {
  const d = drawnRound(c, r),
    body = d.state.seal!.body,
    seal = (more: Partial<Message<'seal'>>) => signMessage('seal', { ...body, ...more }, c.server),
    check = (more: Partial<Message<'seal'>>) => () => checkSeal(r, seal(more), d.state.commits);
  it('hold all commits in order, before the beacon', () => {
    expect(check({})).not.toThrow();
    const [x, y, ...rest] = body.commits;
    refuses(check({ commits: [y, x, ...rest] }), 'seal order', 'server');
    refuses(check({ commits: [x, x, ...rest] }), 'seal order', 'server');
    refuses(check({ commits: [y, ...rest] }), 'seal root', 'server');
    refuses(check({ commits: [{ ...x, commit: y.commit }, y, ...rest] }), 'seal', 'server');
    refuses(check({ root: '00'.repeat(32) }), 'seal root', 'server');
    refuses(check({ plan: c.federation.charter.digest }), 'seal', 'server');
    refuses(check({ excluded: [{ client: 'ann', why: 'late' }] }), 'seal', 'server');
    refuses(check({ time: body.time + 9 }), 'seal time', 'server');
    const without = sealBody({ ...d.state, commits: new Map([...d.state.commits].slice(1)) }, body.time);
    refuses(() => checkSeal(r, signMessage('seal', { ...without, excluded: [] }, c.server), d.state.commits), 'seal omission', 'server');
  });
  it('two of one round are evidence against the server; one more of the same says nothing', () => {
    const other = seal({ time: body.time + 1 });
    expect(stepRound(d.state, { kind: 'seal', message: d.state.seal! })).toEqual({ state: d.state, out: [] });
    expect(stepRound(d.state, { kind: 'seal', message: other }).out[0]).toMatchObject({ kind: 'equivocation', party: 'server' });
  });
  it('deny no receipt', () => {
    const receipt = signMessage('receipt', d.receipts.find((x) => x.client === 'ann')!, c.server);
    expect(() => checkReceipt(d.state.seal!, receipt)).not.toThrow();
    const without = sealBody({ ...d.state, commits: new Map([...d.state.commits].filter(([n]) => n !== 'ann')) }, body.time);
    refuses(() => checkReceipt(signMessage('seal', without, c.server), receipt), 'receipt denied', 'server');
    refuses(() => checkReceipt(seal({ plan: c.federation.charter.digest }), receipt), 'receipt', 'ann');
  });
  it('leave out who withdrew before it, without guilt, and nobody afterwards', () => {
    const cat = c.clients[2],
      gone = (client = cat, key = client.key, plan = r.plan.digest, round = 0) => ({
        kind: 'withdraw' as const,
        message: signMessage(
          'withdrawal',
          {
            type: 'certune-fed-withdrawal',
            version: 1,
            federation: r.charter.digest,
            round,
            plan,
            client: client.name,
            why: 'overflow',
          },
          key,
        ),
      }),
      s = stepRound(beginRound(r), gone()).state;
    expect(sealBody(s, now).excluded).toContainEqual({ client: 'cat', why: 'withdrew before the seal' });
    expect(stepRound(s, gone())).toEqual({ state: s, out: [] });
    refuses(() => stepRound(d.state, gone()), 'phase', 'cat');
    refuses(() => stepRound(give(handIn(r, ann)).state, gone(ann)), 'phase', 'ann');
    refuses(() => stepRound(beginRound(r), gone(cat, ann.key)), 'withdrawal', 'cat');
    refuses(() => stepRound(beginRound(r), gone(cat, cat.key, r.charter.digest)), 'withdrawal', 'cat');
    // Nobody takes it back: with a receipt, the seal that leaves it out would be a lie.
    refuses(() => give(handIn(r, cat), s), 'withdrawal', 'cat');
    // Nor does whoever is excluded for two commits withdraw from this round, or from another.
    const twice = give(handIn(r, ann, { records: recordsOf(r, ann, 4) }), give(handIn(r, ann)).state).state;
    expect(twice.excluded.get('ann')).toBe('equivocation');
    refuses(() => stepRound(twice, gone(ann)), 'phase', 'ann');
    refuses(() => stepRound(twice, gone(ann, ann.key, r.plan.digest, 7)), 'withdrawal', 'ann');
    refuses(() => stepRound(s, gone(cat, cat.key, r.plan.digest, 7)), 'withdrawal', 'cat');
  });
});

describe('responses', () => {
  const d = drawnRound(c, r),
    hit = d.state.draw!.units[0],
    who = c.clients.find((x) => x.name === hit.client)!,
    h = d.handed.get(hit.client)!,
    late = r.plan.body.deadlines.response;
  const answer = (m = respond(r, who, h.records, hit.index), state: RoundState = d.state, at = late) =>
    stepRound(state, { kind: 'response', message: m, now: at });
  it('open what was committed to; the same again says nothing, silence is failure', () => {
    const s = answer();
    expect(answer(undefined, s.state)).toEqual({ state: s.state, out: [] });
    const bodies = verdictBodies(s.state);
    expect(bodies.filter((v) => v.how === 'opened' && v.holds)).toHaveLength(1);
    expect(bodies.filter((v) => v.how === 'unanswered' && !v.holds)).toHaveLength(d.state.draw!.units.length - 1);
    refuses(() => stepRound(s.state, { kind: 'close', now: late }), 'deadline', 'server');
    expect(stepRound(s.state, { kind: 'close', now: late + 1 }).state.phase).toBe('closed');
    refuses(() => answer(undefined, d.state, late + 1), 'deadline', who.name);
    refuses(() => answer(undefined, { ...d.state, phase: 'sealed' }), 'phase', who.name);
    // A second answer is evidence; one for another round or plan is none, whatever unit it names.
    const second = (more: Partial<Message<'response'>>) => {
      const { body } = respond(r, who, h.records, hit.index);
      return signMessage('response', { ...body, ...more }, who.key);
    };
    expect(answer(second({ proof: r.plan.digest }), s.state).out[0]).toMatchObject({ kind: 'equivocation', party: who.name });
    refuses(() => answer(second({ round: 5 }), s.state), 'response', who.name);
    refuses(() => answer(second({ plan: r.charter.digest }), s.state), 'response', who.name);
    refuses(() => answer(second({ federation: r.plan.digest }), s.state), 'federation', who.name);
  });
  it.each(['proofs', 'certificates'] as const)(
    'without the %s that a plan asks for are refused, and a round does not end on ones that nobody verified',
    (show) => {
      const strict = newRound(c, { audit: { coverage: [1, 4], each: 0, mode: 'before', show } }),
        x = drawnRound(c, strict),
        [u] = x.state.draw!.units,
        who = c.clients.find((y) => y.name === u.client)!,
        { records } = x.handed.get(u.client)!;
      refuses(
        () => stepRound(x.state, { kind: 'response', message: respond(strict, who, records, u.index), now: late }),
        'response proof',
        who.name,
      );
      const shown = respond(strict, who, records, u.index, { proof: r.charter.digest }),
        s = stepRound(x.state, { kind: 'response', message: shown, now: late }).state;
      refuses(() => stepRound(s, { kind: 'close', now: late + 1 }), 'verdict', 'server');
      const found = stepRound(s, { kind: 'verified', client: u.client, unit: u.index, how: 'proved', refusal: 'no' }).state;
      expect(stepRound(found, { kind: 'close', now: late + 1 }).state.verdicts.get(`${u.client}-${u.index}`)).toMatchObject({
        how: 'proved',
        holds: false,
      });
    },
  );
  it('of another unit, client, plan or key, or of a client that is not sealed, are refused', () => {
    const free = Array.from({ length: STEPS }, (_, i) => i).find(
      (i) => !d.state.draw!.units.some((u) => u.client === who.name && u.index === i),
    )!;
    refuses(() => answer(respond(r, who, h.records, free)), 'response unit', who.name);
    const other = c.clients.find((x) => x.name !== who.name)!;
    refuses(() => answer(respond(r, who, h.records, hit.index, {}, other.key)), 'response', who.name);
    refuses(() => answer(respond(r, who, h.records, hit.index, { plan: c.federation.charter.digest })), 'response', who.name);
    refuses(() => answer(undefined, { ...d.state, commits: new Map() }), 'response', who.name);
    refuses(
      () => stepRound(d.state, { kind: 'verified', client: who.name, unit: hit.index, how: 'replayed', refusal: null }),
      'verdict',
      who.name,
    );
  });
  it('with another salt, at another index, of other words, or records swapped or repeated are refused', () => {
    const [a, b] = [openingOf(r, who, h.records, hit.index), openingOf(r, who, h.records, hit.index + 1)];
    for (const more of [
      { from: { ...a, salt: b.salt } },
      { from: { ...a, words: a.words.with(20, '9') } },
      { to: { ...b, path: b.path.map((_, i) => (i ? b.path[i] : '22'.repeat(32))) } },
      { from: b, to: a },
      { to: a },
    ])
      expect(() => answer(respond(r, who, h.records, hit.index, more))).toThrow(/^record (root|path): /);
  });
  it('answer every drawn unit of every client: first and last record are those of plan and commit, counters grow', () => {
    const all = newRound(c, { audit: { coverage: [1, 1], each: 0, mode: 'before', show: 'records' } }),
      one = (records: ReturnType<typeof recordsOf>, unit: number, last?: Message<'commit'>['last']) => {
        const x = drawnRound(c, all, (client) =>
          handIn(all, client, client === ann ? { records, ...(last ? { more: { last } } : {}) } : {}),
        );
        return stepRound(x.state, { kind: 'response', message: respond(all, ann, records, unit), now: late });
      };
    const honest = recordsOf(all, ann);
    for (let u = 0; u < STEPS; u++) expect(one(honest, u).state.responses.size).toBe(1);
    refuses(() => one(honest.with(0, { ...honest[0], s: honest[0].s.with(3, 9n) }), 0), 'first record', 'ann');
    refuses(() => one(honest.with(0, { ...honest[0], counters: [1n, 0n, 0n, 0n] }), 0), 'first record', 'ann');
    refuses(() => one(honest.with(2, { ...honest[2], pos: honest[2].pos.with(6, 2n) }), 1), 'unit counters', 'ann');
    refuses(() => one(honest.with(2, { ...honest[2], pos: honest[2].pos.with(6, 28n) }), 1), 'unit counters', 'ann');
    refuses(() => one(honest.with(2, { ...honest[2], pos: honest[2].pos.with(1, 1n) }), 1), 'record position', 'ann');
    // The last record opened is compared with that of the commit, which has been checked already.
    const x = drawnRound(c, all),
      m = x.handed.get('ann')!,
      commit = { ...m.commit, body: { ...m.commit.body, last: { ...m.commit.body.last, words: m.commit.body.last.words.with(9, '5') } } };
    refuses(
      () =>
        stepRound(
          { ...x.state, commits: new Map([...x.state.commits, ['ann', commit]]) },
          { kind: 'response', message: respond(all, ann, m.records, STEPS - 1), now: late },
        ),
      'last record',
      'ann',
    );
  });
});

/** A round to its end: all drawn units answered but those of `silent`. */
function whole(
  context: RoundContext,
  silent: readonly string[] = [],
  hand?: (x: (typeof c.clients)[number]) => Handed,
): Outcome & { readonly state2: RoundState } {
  const d = drawnRound(c, context, hand),
    due = context.plan.body.deadlines.response;
  let state = d.state;
  for (const u of state.draw!.units) {
    if (silent.includes(u.client)) continue;
    const x = c.clients.find((y) => y.name === u.client)!;
    state = stepRound(state, { kind: 'response', message: respond(context, x, d.handed.get(u.client)!.records, u.index), now: due }).state;
  }
  const closed = stepRound(state, { kind: 'close', now: due + 1 });
  return {
    context,
    seal: state.seal!,
    draw: state.draw!,
    handed: state.seal!.body.commits.map((x) => d.handed.get(x.client)!),
    verdicts: closed.out.flatMap((o) => (o.kind === 'verdict' ? [signMessage('verdict', o.body, c.server)] : [])),
    state: () => Array<bigint>(17).fill(8n),
    evidence: new Map(),
    state2: closed.state,
  };
}

describe('records', () => {
  const o = whole(r),
    { body, adapter } = makeRecord(o),
    record = (more: Partial<Message<'record'>>) => signMessage('record', { ...body, ...more }, c.server);
  it('are what the messages come to, and nothing else', () => {
    expect(body.included.map((x) => x.client)).toEqual(NAMES);
    expect(checkRecord(o, record({})).adapter).toEqual(adapter);
    expect(adapter).not.toEqual(c.start);
    refuses(() => checkRecord(o, record({ previous: body.seal })), 'record chain', 'server');
    refuses(() => checkRecord(o, record({ seal: body.plan })), 'record chain', 'server');
    refuses(
      () => checkRecord(o, record({ included: body.included.with(1, { ...body.included[1], weight: 11 }) })),
      'record members',
      'server',
    );
    refuses(() => checkRecord(o, record({ included: [...body.included].reverse() })), 'record members', 'server');
    refuses(() => checkRecord(o, record({ included: body.included.slice(1) })), 'record members', 'server');
    refuses(() => checkRecord(o, record({ audit: { ...body.audit, drawn: body.audit.drawn + 1 } })), 'record audit', 'server');
    refuses(() => checkRecord(o, record({ audit: { ...body.audit, opened: 0, proved: body.audit.opened } })), 'record audit', 'server');
    refuses(() => checkRecord(o, record({ provisional: true })), 'record provisional', 'server');
    refuses(() => checkRecord(o, record({ global: { ...body.global, adapter: body.seal } })), 'record sum', 'server');
    refuses(() => checkRecord({ ...o, verdicts: o.verdicts.slice(1) }, record({})), 'verdict', 'server');
    refuses(() => checkRecord({ ...o, verdicts: [...o.verdicts, o.verdicts[0]] }, record({})), 'verdict');
  });
  it('leave out who was silent or failed, and sum again without it', () => {
    const gone = o.draw.units[0].client,
      x = makeRecord(whole(r, [gone]));
    expect(x.body.excluded).toContainEqual({ client: gone, why: 'unanswered', evidence: null });
    expect(x.body.included.map((y) => y.client)).toEqual(NAMES.filter((n) => n !== gone));
    expect(x.adapter).not.toEqual(adapter);
    // Passing off a sum with it.
    refuses(() => checkRecord(whole(r, [gone]), record({})), 'record members', 'server');
    const u = o.draw.units[0],
      failed = o.verdicts.map((v) =>
        v.body.client === u.client && v.body.unit === u.index
          ? signMessage('verdict', { ...v.body, how: 'replayed', holds: false, refusal: 'another state' }, c.server)
          : v,
      );
    expect(makeRecord({ ...o, verdicts: failed }).body.excluded).toContainEqual({ client: u.client, why: 'another state', evidence: null });
  });
  it('with the clip skipped or a tie rounded down have another sum', () => {
    const clipped = newRound(c, { aggregate: { rule: 'mean', clip: 10, trim: 0 } }),
      k = whole(clipped);
    expect(makeRecord(k).adapter).not.toEqual(adapter);
    const skipped = signMessage('record', { ...makeRecord(k).body, global: body.global }, c.server);
    refuses(() => checkRecord(k, skipped), 'record sum', 'server');
  });
  it('of the mode after are provisional until they are settled', () => {
    const late = newRound(c, { audit: { coverage: [1, 4], each: 0, mode: 'after', show: 'records' } }),
      k = whole(late),
      early = { ...k, verdicts: [] },
      made = makeRecord(early),
      rec = signMessage('record', made.body, c.server);
    expect(made.body.provisional).toBe(true);
    refuses(
      () => checkRecord(early, signMessage('record', { ...made.body, provisional: false }, c.server)),
      'record provisional',
      'server',
    );
    const settle: Message<'settlement'> = {
      type: 'certune-fed-settlement',
      version: 1,
      federation: c.federation.charter.digest,
      round: 0,
      record: rec.digest,
      failed: [],
      proved: 0,
      replayed: 0,
      opened: k.draw.units.length,
      unanswered: 0,
      holds: true,
    };
    const check =
      (more: Partial<Message<'settlement'>>, at = k) =>
      () =>
        checkSettlement(at, rec, signMessage('settlement', { ...settle, ...more }, c.server));
    expect(check({})).not.toThrow();
    for (const more of [{ proved: 1 }, { holds: false }, { record: made.body.seal }, { failed: ['ann'] }, { opened: 0 }])
      refuses(check(more), 'settlement', 'server');
    refuses(check({}, { ...k, verdicts: k.verdicts.slice(1) }), 'settlement', 'server');
    refuses(check({}, whole(late, [k.draw.units[0].client])), 'settlement', 'server');
  });
  it('say what was drawn and verified, and count nothing that was opened alone', () => {
    const opened = auditStatement(body.audit);
    expect([opened.verified, opened.mostBad]).toEqual([0, undefined]);
    expect(opened.lines.join('\n')).toMatch(/NOT CHECKED/);
    const a = { pool: 200, drawn: 20, proved: 20, replayed: 0, opened: 0, failed: 0, unanswered: 0 },
      full = auditStatement(a);
    expect(full.mostBad).toBe(39);
    expect(full.lines.join('\n')).toMatch(/1 bad with 10\.0%.*at most 39 of 200 units are bad.*9\.00 times/s);
    expect(auditStatement({ ...a, proved: 19, failed: 1 }).mostBad).toBeUndefined();
    expect(auditStatement(a, 1).mostBad).toBeUndefined();
  });
});

it('nothing that is refused changes a state', () => {
  const s = give(handIn(r, ann)).state,
    before = JSON.stringify([...s.commits.keys(), s.phase, s.receipts]);
  expect(() => give(handIn(r, bob, { more: { units: 3 } }), s)).toThrow();
  expect(() => stepRound(s, { kind: 'beacon', beacon: beacon(r.plan.body.beacon) })).toThrow(/^phase/);
  expect(JSON.stringify([...s.commits.keys(), s.phase, s.receipts])).toBe(before);
  expect(toHex(Uint8Array.of(1))).toBe('01');
});
