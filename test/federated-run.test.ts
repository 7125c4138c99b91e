import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeNode, encodeNode } from '../src/artifact/folded.js';
import { type BundledUnit, bundleRound, makeAnswer, makeCertificates } from '../src/federated/bundler.js';
import { MOST_CERTIFICATE, type RoundCertificate, decodeCertificate, encodeCertificate } from '../src/federated/certificate.js';
import { checkChain } from '../src/federated/check.js';
import { checkFolder, folderSource } from '../src/federated/check-folder.js';
import { type RoundContext, openRound } from '../src/federated/checks.js';
import { coordinate, finished } from '../src/federated/coordinator.js';
import { readBlob, readEvidence, readFederation, readRound, roundNumbers, writeBlob, writeMessage } from '../src/federated/folder.js';
import { beforeIn, readHead } from '../src/federated/head.js';
import { folderTransport } from '../src/federated/https.js';
import { hand } from '../src/federated/inbox.js';
import { type Judgement, evidenceFile, judge, parseEvidence } from '../src/federated/judge.js';
import { type Message, type Signed, digestOf } from '../src/federated/messages.js';
import { type Participant, participate } from '../src/federated/participant.js';
import { signMessage } from '../src/federated/signing.js';
import { statesOf } from '../src/federated/states.js';
import { type OwnRound, UnitProver, commitBody, ownRound, responseBody, trainRound } from '../src/federated/trainer.js';
import {
  CircuitCache,
  MOST_MANIFEST,
  MOST_UNIT,
  type UnitChecks,
  checkEnrolled,
  manifestBlob,
  readManifestBlob,
  unitChecks,
} from '../src/federated/units.js';
import { updateLimit } from '../src/federated/update.js';
import { type Kernels, singleKernels } from '../src/kernels/index.js';
import { proveEnd } from '../src/prove/end.js';
import { proveBundle, proveFold } from '../src/prove/fold.js';
import { baseStack } from '../src/prove/recursion.js';
import { bundleClass, pairDigest, unitDigest } from '../src/recursion/bundle.js';
import { type NodeProof, endProofOf, nodeOf } from '../src/recursion/node-words.js';
import { settleNode, verifyNode } from '../src/verify/nodes.js';
import {
  type Clock,
  type Trainee,
  coordinatorIn,
  coordinatorKey,
  foundIn,
  participantKey,
  participantOf,
  trainee,
} from './federated-run.js';

/*
 * Two clients, two rounds by folder; everything that is drawn in the first one is proved. The second client skips a
 * step and passes off the proof of another: it is left out, and convicted by what it signed.
 */
describe('a federation on one machine', () => {
  let k: Kernels, dir: string, at: string, clients: Trainee[], circuits: CircuitCache, people: Participant[], charter: Signed<'charter'>;
  const clock: Clock = { at: 1_000_050 },
    log: string[] = [];
  /** The certificate that the server makes of the first round, which hides nothing. */
  let open: RoundCertificate;
  const context = (round: number): RoundContext => {
    const f = readFederation(at),
      r = readHead(at, f).rounds.find((x) => x.round === round)!;
    return openRound(f, r.files.plan, r.before, readBlob(at, r.files.plan.body.global.adapter, 1 << 20)!);
  };
  const checks = (manifest = (d: string): Uint8Array | undefined => readBlob(at, d, MOST_MANIFEST)): UnitChecks =>
    unitChecks({ kernels: k, base: clients[0].setup.inputs.base, manifest, circuits });
  const report = (units?: UnitChecks) => {
    return checkFolder(at, { states: statesOf(k, clients[0].setup.run.programs), ...(units ? { units } : {}) });
  };

  /** What the second client does in the first round: its second step is none, its proof of it is that of the first. */
  async function cheat(p: Participant, t: Trainee): Promise<void> {
    const [round] = readHead(at, readFederation(at)).rounds;
    if (round === undefined || round.files.record) return;
    const own = ownRound(context(round.round), p.files),
      t1 = trainRound(k, own),
      [a, b, c] = t1.records,
      lie = [a, b, { ...c, s: c.s }],
      { body, blob } = commitBody(own, { records: lie, adapter: t1.adapter });
    if (!round.files.seal) {
      if (!round.files.commits.has(t.name)) await p.transport.send(signMessage('commit', body, p.key), [blob]);
      return;
    }
    if (!round.files.beacon || round.files.responses.has(`${t.name}-1`)) return;
    const prover = new UnitProver(k, own, p.circuits.of(own.run), t1.losses),
      first = prover.prove(0);
    for (const unit of [0, 1])
      if (!round.files.responses.has(`${t.name}-${unit}`))
        await p.transport.send(signMessage('response', responseBody(own, lie, unit, first), p.key), [first]);
  }

  beforeAll(async () => {
    k = singleKernels();
    dir = mkdtempSync(join(tmpdir(), 'certune-fed-run-'));
    at = join(dir, 'public');
    clients = ['ann', 'bob'].map((n, i) => trainee(join(dir, 'data'), n, i));
    charter = foundIn(at, k, clients);
    circuits = new CircuitCache(k);
    people = clients.map((t) => participantOf(join(dir, t.name), charter.digest, t, k, folderTransport(at), clock, circuits));
    const co = coordinatorIn(
        at,
        k,
        clients[0],
        clock,
        { clients: 2, select: 2, audit: { coverage: [1, 1], each: 0, mode: 'before', show: 'proofs' } },
        circuits,
      ),
      later = coordinatorIn(
        at,
        k,
        clients[0],
        clock,
        { rounds: 2, clients: 2, select: 2, audit: { coverage: [1, 1], each: 0, mode: 'before', show: 'certificates' } },
        circuits,
      );
    for (let i = 0; i < 40 && !finished(later); i++) {
      const [first] = roundNumbers(at);
      for (const [n, p] of people.entries()) {
        const enrolled = readFederation(at).enrolments.has(p.files.client);
        if (n === 1 && enrolled) await cheat(p, clients[n]);
        else log.push(...(await participate(p)).map((x) => `${p.files.client}: ${x}`));
      }
      // Everything is drawn: proved in the first round, certified by the client in the second.
      const done = first !== undefined && readRound(at, readFederation(at), 0).record;
      log.push(...coordinate(done ? later : { ...co, settings: { ...co.settings, rounds: 1 } }));
      clock.at++;
    }
  });
  afterAll(() => {
    k.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('proves what is drawn, leaves out whoever cheats, goes on, and anybody checks it again', () => {
    expect(log.join('\n')).toMatch(/unit 1 of ann proved/);
    expect(log.join('\n')).toMatch(/unit 1 of bob refused: unit range/);
    const r = report(checks());
    expect(r.rounds.map((x) => [x.state, x.included, x.units])).toEqual([
      ['final', 1, 3],
      ['final', 1, 2],
    ]);
    expect(r.rounds[0].excluded).toMatchObject([{ client: 'bob', why: expect.stringMatching(/^unit range: bob/) as string }]);
    expect(r.rounds[0].audit!.lines.join('\n')).toMatch(/3 proved.*1 failed/);
    // In the second round the client that is left shows nothing, and is verified as well.
    expect(r.rounds[1].audit).toMatchObject({ drawn: 2, pool: 2, verified: 2, opened: 0 });
    expect(log.join('\n')).toMatch(/ann: round 1: answered unit \d with a certificate of \d+ bytes/);
    expect(r.notChecked.join('\n')).not.toMatch(/word of whoever signed|last state/);
    expect(report().notChecked.join('\n')).toMatch(/units: some verdicts are the word/);
  });
  it('shows the cheat to a judge who has the base, and to no other', () => {
    const [[, e]] = readEvidence(at),
      f = readFederation(at),
      j = (units?: UnitChecks): Judgement =>
        judge(e, { federation: f, before: beforeIn(at, f), blob: (d) => readBlob(at, d, MOST_UNIT), ...(units ? { units } : {}) });
    expect([e.charge, e.party]).toEqual(['bad-proof', 'bob']);
    expect(j(checks())).toMatchObject({ guilty: true, finding: expect.stringMatching(/^unit range: bob/) as string });
    expect(() => j()).toThrow(/base at hand/);
    // An honest answer under the same charge.
    const files = readRound(at, f, 0),
      honest = {
        ...e,
        party: 'ann',
        items: { ...e.items, commit: files.commits.get('ann')!.envelope, response: files.responses.get('ann-0')!.envelope },
      };
    expect(
      judge(honest, { federation: f, before: beforeIn(at, f), blob: (d) => readBlob(at, d, MOST_UNIT), units: checks() }),
    ).toMatchObject({
      guilty: false,
      finding: 'everything that is shown holds',
    });
  });
  it('refuses a verdict of the server that the proof contradicts', () => {
    const f = readFederation(at),
      files = readRound(at, f, 0),
      with_ = (client: string, more: Partial<Message<'verdict'>>) => () =>
        checkChain({
          ...folderSource(at, f),
          rounds: [0],
          round: () => ({
            ...files,
            verdicts: files.verdicts.map((v) =>
              v.body.client === client && v.body.unit === 1 ? signMessage('verdict', { ...v.body, ...more }, coordinatorKey) : v,
            ),
          }),
          units: checks(),
        });
    expect(with_('bob', { holds: true, refusal: null })).toThrow(/^verdict: server: unit 1 of bob is said to be proved: unit range/);
    expect(with_('ann', { holds: false, refusal: 'no' })).toThrow(/^verdict: server: unit 1 of ann is said to fail, and its proof holds/);
    expect(with_('ann', { how: 'opened' })).toThrow(/^verdict: server: unit 1 of ann is said to hold without a proof/);
  });

  describe('a proof', () => {
    let c: RoundContext, units: UnitChecks;
    const response = (client: string, unit: number): Signed<'response'> =>
        readRound(at, readFederation(at), 0).responses.get(`${client}-${unit}`)!,
      blobOf = (client: string, unit: number): Uint8Array => readBlob(at, response(client, unit).body.proof!, MOST_UNIT)!,
      key = (client: string) => participantKey(clients.find((t) => t.name === client)!),
      /** The response of a client to a unit, with other bytes as its proof or other words. */
      says = (client: string, unit: number, blob: Uint8Array, more: Partial<Message<'response'>> = {}) => {
        const r = signMessage('response', { ...response(client, unit).body, proof: digestOf(blob), ...more }, key(client));
        return (at = c) =>
          () =>
            units.unit(at, r, blob);
      };
    beforeAll(() => {
      c = context(0);
      units = checks();
    });

    it('holds for its own unit alone: not for another range, client, round or plan', () => {
      const own = blobOf('ann', 0);
      expect(says('ann', 0, own)()).not.toThrow();
      expect(says('ann', 1, own)()).toThrow(/^unit range: ann/);
      expect(says('ann', 0, blobOf('bob', 0))()).toThrow(/^unit manifest: ann/);
      // Another's proof under one's own manifest: the proof has absorbed whose it is.
      const [a, b] = [decodeNode('a', own), decodeNode('b', blobOf('bob', 0))];
      expect(says('ann', 0, encodeNode({ ...b, manifest: a.manifest }))()).toThrow(/^unit proof: ann: unit 0: manifest/);
      const plan = signMessage('plan', { ...c.plan.body, cap: 7 }, coordinatorKey);
      expect(says('ann', 0, own)({ ...c, plan })).toThrow(/^unit proof: ann: unit 0: manifest/);
      expect(says('ann', 0, own)(context(1))).toThrow(/^unit manifest: ann/);
    });
    it('is between the records that were committed to: no other state, losses, counters, epochs or place', () => {
      const own = blobOf('ann', 1),
        { from, to } = response('ann', 1).body,
        other = (o: Message<'commit'>['last'], i: number) => ({
          ...o,
          words: o.words.with(i, String((BigInt(o.words[i]) + 1n) % 2n ** 63n)),
        });
      // Places of the state, losses, counters and epochs among the 36 words, and the targets so far.
      for (const i of [6, 7, 23, 24, 28, 32]) {
        expect(says('ann', 1, own, { from: other(from, i) })(), `from ${i}`).toThrow(/^unit start: ann/);
        expect(says('ann', 1, own, { to: other(to, i) })(), `to ${i}`).toThrow(/^unit end: ann/);
      }
      // Two neighbours exchanged.
      expect(says('ann', 1, own, { from: to, to: from })()).toThrow(/^unit start: ann/);
    });
    it('that is damaged, forged, missing or of hostile size is refused before it is believed', () => {
      const own = blobOf('ann', 0),
        x = decodeNode('a', own),
        r = response('ann', 0);
      expect(() => units.unit(c, r, undefined)).toThrow(/^unit proof: ann.*missing/);
      expect(() => units.unit(c, r, new Uint8Array(MOST_UNIT + 1))).toThrow(/^unit proof: ann.*at most/);
      expect(() => units.unit(c, r, own.slice(1))).toThrow(/^unit proof: ann.*names/);
      expect(says('ann', 0, own.slice(0, 5000))()).toThrow(/^unit proof: ann/);
      for (const n of [0, 1000, x.proof.length - 1])
        expect(says('ann', 0, encodeNode({ ...x, proof: x.proof.map((w, i) => (i === n ? w ^ 1n : w)) }))(), String(n)).toThrow(
          /^unit proof: ann/,
        );
      for (const n of [5, 30, 60])
        expect(says('ann', 0, encodeNode({ ...x, statement: x.statement.map((w, i) => (i === n ? w ^ 1n : w)) }))()).toThrow(
          /^unit proof: ann/,
        );
      // The manifest shows no losses: a proof that lists some is not its own.
      const losses = [{ step: 0, targets: 1, losses: [1n] }];
      expect(x.losses).toEqual([]);
      expect(says('ann', 0, encodeNode({ ...x, losses }))()).toThrow(/^unit proof: ann.*losses/);
      expect(says('ann', 0, own, { proof: null })()).toThrow(/^unit proof: ann.*without one/);
    });
    it('of other data or of a mask that was dropped cannot be made', () => {
      const [, bob] = clients,
        files = people[0].files,
        own = ownRound(c, files),
        circuits = people[0].circuits.of(own.run),
        make = (inputs: OwnRound['inputs']) => () => {
          const o = { ...own, inputs };
          return new UnitProver(k, o, circuits, trainRound(k, o).losses).prove(0);
        },
        { data } = own.inputs,
        foreign = { ...data, batches: bob.setup.inputs.data.batches },
        [b0] = data.batches,
        unmasked = {
          ...data,
          batches: [
            {
              ...b0,
              targets: b0.targets + 1,
              micro: b0.micro.map((m, i) =>
                i ? m : { ...m, mask: m.mask.map((row, j) => (j ? row : row.map((x, n) => (n === 1 ? 1 - x : x)))) },
              ),
            },
            ...data.batches.slice(1),
          ],
        };
      expect(make({ ...own.inputs, data: foreign })).toThrow(/do not verify/);
      expect(make({ ...own.inputs, data: unmasked })).toThrow(/do not verify/);
    });
  });

  describe('a manifest', () => {
    it('is the one enrolled, has the settings of all, one epoch and no order of its own', () => {
      const f = readFederation(at),
        e = f.enrolments.get('ann')!,
        m = readManifestBlob(readBlob(at, e.body.manifest, MOST_MANIFEST)!, 'ann'),
        other = clients[1].setup.run.manifest,
        as =
          (x: typeof m, more: Partial<Message<'enrolment'>> = {}) =>
          () =>
            checkEnrolled(
              f,
              signMessage('enrolment', { ...e.body, manifest: digestOf(manifestBlob(x)), ...more }, participantKey(clients[0])),
              x,
            );
      expect(as(m)).not.toThrow();
      expect(() => checkEnrolled(f, e, other)).toThrow(/^enrolment manifest: ann.*names/);
      expect(as(other)).toThrow(/^enrolment manifest: ann: has another root/);
      expect(as(m, { rows: 9 })).toThrow(/^enrolment manifest: ann: has another root, other rows/);
      const train = (more: Partial<typeof m.config.train>) => ({ ...m, config: { ...m.config, train: { ...m.config.train, ...more } } }),
        sampler = (more: Partial<typeof m.config.sampler>) => ({
          ...m,
          config: { ...m.config, sampler: { ...m.config.sampler, ...more } },
        });
      expect(as(train({ learningRate: 0.3 }))).toThrow(/^enrolment manifest: ann: has the settings/);
      expect(as(sampler({ beacon: 'mine' }))).toThrow(/^enrolment manifest: ann: has a beacon of its own/);
      expect(as(sampler({ epochExamples: 2 }))).toThrow(/^enrolment manifest: ann: has 2 steps and 1 batches/);
      expect(() => readManifestBlob(manifestBlob(m).slice(1), 'x')).toThrow();
      // Nobody has the manifest that was enrolled, or it is another's.
      const blob = readBlob(at, readRound(at, f, 0).responses.get('ann-0')!.body.proof!, MOST_UNIT)!,
        r = readRound(at, f, 0).responses.get('ann-0')!;
      expect(() => checks(() => undefined).unit(context(0), r, blob)).toThrow(/^enrolment manifest: ann.*missing/);
      expect(() => checks(() => manifestBlob(other)).unit(context(0), r, blob)).toThrow(/^enrolment manifest: ann/);
    });
    it('goes with plan and charter: another schedule is the server lying', () => {
      const c = context(0),
        [row, ...rest] = c.plan.body.train.schedule,
        lie = signMessage(
          'plan',
          { ...c.plan.body, train: { ...c.plan.body.train, schedule: [[row[0] + 1, row[1], row[2]], ...rest] } },
          coordinatorKey,
        ),
        r = readRound(at, readFederation(at), 0).responses.get('ann-0')!;
      expect(() => checks().unit({ ...c, plan: lie }, r, readBlob(at, r.body.proof!, MOST_UNIT))).toThrow(
        /^plan settings: server: schedule/,
      );
    });
  });

  describe('a certificate of a round', () => {
    let c: RoundContext, units: UnitChecks, made: ReturnType<typeof bundleRound>, x: RoundCertificate, copy: string;
    const responses = () => readRound(at, readFederation(at), 0).responses,
      shows = (more: Partial<RoundCertificate>, of = responses(), round = c) =>
        units.certificate(round, of, encodeCertificate({ ...x, ...more }));
    beforeAll(() => {
      c = context(0);
      units = checks();
      copy = join(dir, 'copy');
      cpSync(at, copy, { recursive: true });
      made = bundleRound(copy, 0, { kernels: k, base: clients[0].setup.inputs.base, units });
      x = decodeCertificate('x', readFileSync(made[0].file));
      open = x;
    });
    it('takes the place of the proofs of scattered units, of several clients', () => {
      expect(made).toMatchObject([{ units: 3 }]);
      expect(x.units.map((u) => u.client).sort()).toEqual(['ann', 'ann', 'bob']);
      expect(shows({})).toEqual(x.units.map((u) => `${u.client}-${u.unit}`));
      // Without the proofs that it stands for.
      const honest = x.units.map((u) => responses().get(`${u.client}-${u.unit}`)!.body.proof!);
      for (const proof of new Set(honest)) if (proof !== responses().get('bob-1')!.body.proof) rmSync(join(copy, 'blobs', proof.slice(7)));
      const r = checkFolder(copy, { units });
      expect(r.rounds.map((y) => y.units)).toEqual([3, 2]);
      expect(r.notChecked.join('\n')).not.toMatch(/word of whoever signed/);
      expect(() => checkFolder(copy, { units: { ...units, certificate: () => [] } })).toThrow(/^verdict: server: unit/);
      // What it shows to hold cannot be said to fail.
      const f = readFederation(copy),
        files = readRound(copy, f, 0),
        lie = files.verdicts.map((v) =>
          v.body.client === 'ann' ? signMessage('verdict', { ...v.body, holds: false, refusal: 'no' }, coordinatorKey) : v,
        );
      expect(() => checkChain({ ...folderSource(copy, f), rounds: [0], round: () => ({ ...files, verdicts: lie }), units })).toThrow(
        /^verdict: server: unit \d of ann is said to fail, and a certificate shows it/,
      );
    });
    it('with a unit missing, twice, of another client, place or round, or in another order is refused', () => {
      const [a, b, d] = x.units;
      for (const list of [
        [a, b],
        [b, a, d],
        [a, d, b],
        [a, b, { client: 'bob', unit: 1 }],
      ])
        expect(() => shows({ units: list })).toThrow(/^certificate: server: is about other units/);
      expect(() => shows({ units: [a, b, d, a] })).toThrow(/^certificate: server: counts a unit twice/);
      expect(() => shows({ units: [a, b, { client: 'zoe', unit: 0 }] })).toThrow(/^certificate: server: shows unit 0 of zoe, which nobody/);
      expect(() => shows({ round: 1 })).toThrow(/^certificate: server: is of another round/);
      expect(() => shows({ plan: c.charter.digest })).toThrow(/^certificate: server: is of another round/);
      expect(() => shows({}, responses(), context(1))).toThrow(/^certificate: server: is of another round/);
      // Records other than those between which the units lie, in every field; a state whose point is chosen freely.
      const name = `${a.client}-${a.unit}`,
        own = responses().get(name)!;
      for (const i of [0, 3, 4, 6, 7, 15, 24, 28, 32]) {
        const to = { ...own.body.to, words: own.body.to.words.with(i, String((BigInt(own.body.to.words[i]) + 1n) % 2n ** 63n)) },
          other = signMessage('response', { ...own.body, to }, participantKey(clients.find((t) => t.name === a.client)!));
        expect(() => shows({}, new Map([...responses(), [name, other]])), `word ${i}`).toThrow(/^certificate: server/);
      }
    });
    it('that is damaged, forged or of hostile size is refused before it is believed', () => {
      const bytes = readFileSync(made[0].file);
      for (const b of [bytes.subarray(1), bytes.subarray(0, bytes.length - 8), new Uint8Array(MOST_CERTIFICATE + 1), new Uint8Array(0)])
        expect(() => units.certificate(c, responses(), b)).toThrow(/^certificate: server/);
      for (const n of [0, 1000, x.proof.length - 1])
        expect(() => shows({ proof: x.proof.map((w, i) => (i === n ? w ^ 1n : w)) })).toThrow(/^certificate: server/);
      for (const n of [0, 5, 9, 17, 21, 60, x.statement.length - 1])
        expect(() => shows({ statement: x.statement.map((w, i) => (i === n ? w ^ 1n : w)) }), `word ${n}`).toThrow(/^certificate: server/);
      // The proof of an end of a run under the key of a bundle, and of a node in its place.
      expect(() => shows({ proof: decodeNode('a', readBlob(at, responses().get('ann-0')!.body.proof!, MOST_UNIT)!).proof })).toThrow(
        /^certificate: server/,
      );
      writeFileSync(join(copy, 'rounds/0/certificates', `${'ab'.repeat(32)}.bin`), bytes);
      expect(() => readRound(copy, readFederation(copy), 0)).toThrow(/other bytes than its name says/);
      rmSync(join(copy, 'rounds/0/certificates', `${'ab'.repeat(32)}.bin`));
    });
    it('is of bundles: a fold takes none of them, nor an end of a run, and no range passes for one', () => {
      const { run, circuits: own } = units.runFor(c, 'ann'),
        bundle = own.bundle!,
        node = (client: string, unit: number): NodeProof =>
          nodeOf(own.cls, decodeNode('a', readBlob(at, responses().get(`${client}-${unit}`)!.body.proof!, MOST_UNIT)!)),
        [one, two] = [node('ann', 0), node('ann', 1)],
        stack = baseStack(run.programs, clients[0].setup.inputs.base),
        b = k.scope(() => proveBundle(k, bundle, own.keys, stack, [two, one])),
        as = (n: NodeProof, kind: bigint): NodeProof => ({ ...n, statement: { ...n.statement, kind: [kind] } });
      expect(b.statement.dataset).toEqual(pairDigest(unitDigest(two.statement), unitDigest(one.statement)));
      for (const f of ['context', 'posIn', 'posOut', 'sIn', 'sOut', 'lossesOut', 'policy'] as const)
        expect(
          b.statement[f].every((w) => w === 0n),
          f,
        ).toBe(true);
      expect(() => k.scope(() => verifyNode(k, bundle, b))).not.toThrow();
      // Whoever takes ranges takes no bundle.
      expect(() => verifyNode(k, own.cls, b)).toThrow(/kind is that of no circuit/);
      expect(() => k.scope(() => settleNode(k, own.cls, own.keys, b))).toThrow(/kind is that of no circuit/);
      const loose = { ...own.cls, circuits: bundle.circuits };
      for (const pair of [
        [b, one],
        [one, b],
      ] as const)
        expect(() => k.scope(() => proveFold(k, loose, own.keys, stack, pair))).toThrow(/do not verify: kind/);
      expect(() => k.scope(() => proveEnd(k, { ...loose, end: { ...own.cls.end, shape: bundle.end.shape } }, own.keys, stack, b))).toThrow(
        /do not verify: kind/,
      );
      // Another kind than the proof has.
      for (const kind of [0n, 1n, 2n]) expect(() => k.scope(() => verifyNode(k, bundle, as(b, kind)))).toThrow();
      expect(() => k.scope(() => verifyNode(k, bundle, as(one, 3n)))).toThrow();
      // Neighbours in a bundle are no range: its places are zero.
      expect(() => unitDigest(b.statement)).not.toThrow();
      expect(unitDigest(b.statement)).not.toEqual(b.statement.dataset);
      expect(() => bundleClass({ ...own.cls, circuits: bundle.circuits })).toThrow(/one too many/);
      const [first, ...others] = own.cls.circuits,
        small = { ...own.cls, circuits: [{ ...first, heights: { ...first.heights, P: 16 } }, ...others] };
      expect(() => bundleClass(small)).toThrow(/too small for one \(rows P\)/);
    });
    it('takes no unit with a false claim on the base', () => {
      const own = ownRound(c, people[0].files),
        { base } = own.inputs,
        circuit = people[0].circuits.of(own.run),
        [[name, tensor]] = [...base.frozen].filter(([, t]) => t.length > 1000),
        other = { ...base, frozen: new Map([...base.frozen, [name, tensor.map((w, i) => (i ? w : w + 1n))]]) },
        lie = { ...own, inputs: { ...own.inputs, base: other } },
        prover = new UnitProver(k, own, circuit, trainRound(k, lie).losses);
      // Proved on other weights under the digest of the base: the proof holds, the claim that it leaves does not.
      Object.assign(own, lie);
      const proof = prover.prove(0),
        node = nodeOf(circuit.cls, decodeNode('lie', proof)),
        stack = baseStack(own.run.programs, base),
        honest = nodeOf(circuit.cls, decodeNode('a', readBlob(at, responses().get('ann-1')!.body.proof!, MOST_UNIT)!));
      expect(() => k.scope(() => verifyNode(k, circuit.cls, node))).not.toThrow();
      const bundled = { client: 'ann', unit: 0, run: own.run, circuits: circuit, proof };
      expect(() => makeCertificates(k, c, base, [bundled])).toThrow(/unit 0 of ann/);
      expect(() => k.scope(() => proveBundle(k, circuit.bundle!, circuit.keys, stack, [node, honest]))).toThrow(/do not verify/);
    });
  });

  describe('an answer that shows nothing', () => {
    let c: RoundContext, units: UnitChecks, bytes: Uint8Array, x: RoundCertificate;
    const first = () => readRound(at, readFederation(at), 1).responses,
      ann = (): Trainee => clients.find((t) => t.name === 'ann')!;
    /** Answers of the first client to the second round that name these bytes. */
    const naming = (b: Uint8Array, more: Partial<Message<'response'>> = {}): Map<string, Signed<'response'>> =>
      new Map(
        [0, 1].map((unit) => [
          `ann-${unit}`,
          signMessage('response', { ...first().get(`ann-${unit}`)!.body, ...more, proof: digestOf(b) }, participantKey(ann())),
        ]),
      );
    const answers = (b: Uint8Array, drawn: readonly number[] = [0, 1], of = naming(b), round = c): void => {
      for (const u of drawn) units.answer(round, of.get(`ann-${u}`)!, drawn, of, b);
    };
    const refused = (more: Partial<RoundCertificate>, why: RegExp, drawn: readonly number[] = [0, 1], round = c): void => {
      const b = encodeCertificate({ ...x, ...more });
      expect(() => answers(b, drawn, naming(b), round)).toThrow(why);
    };
    beforeAll(() => {
      c = context(1);
      units = checks();
      bytes = readBlob(at, first().get('ann-0')!.body.proof!, MOST_UNIT)!;
      x = decodeCertificate('x', bytes);
    });
    it('is one certificate of all drawn units of a client, which hides its witness', () => {
      expect(x).toMatchObject({ hides: true, units: [0, 1].map((unit) => ({ client: 'ann', unit })) });
      expect(() => answers(bytes)).not.toThrow();
      // What it says beside a digest of what the answers open: key, programs, and a claim on the base.
      const st = endProofOf(units.runFor(c, 'ann').circuits.keys.published, x).statement,
        said = (Object.entries(st) as [string, readonly bigint[]][]).filter(([, w]) => w.some((v) => v !== 0n)).map(([n]) => n);
      expect(said.sort()).toEqual(['base', 'dataset', 'frozen', 'key', 'program', 'root']);
    });
    it('is of a single unit where one alone was drawn; the end of that unit that does not hide has no place in it', () => {
      const round = context(0),
        { body } = readRound(at, readFederation(at), 0).responses.get('ann-0')!,
        { base } = clients[0].setup.inputs,
        unit: BundledUnit = { client: 'ann', unit: 0, proof: readBlob(at, body.proof!, MOST_UNIT)!, ...units.runFor(round, 'ann') },
        one = decodeCertificate('one', makeAnswer(k, round, base, [unit])),
        clear = decodeCertificate('clear', makeCertificates(k, round, base, [unit])[0]);
      const answer = (y: RoundCertificate): void => {
        const b = encodeCertificate(y),
          r = signMessage('response', { ...body, proof: digestOf(b) }, participantKey(ann()));
        units.answer(round, r, [0], new Map([['ann-0', r]]), b);
      };
      expect(one).toMatchObject({ hides: true, units: [{ client: 'ann', unit: 0 }] });
      expect(() => answer(one)).not.toThrow();
      expect(() => answer({ ...one, statement: clear.statement, proof: clear.proof })).toThrow(/^certificate: ann: proof length/);
    });
    it('shows the units that were drawn, in their order, of that client and round, and no other records', () => {
      refused({ units: [x.units[0]] }, /^certificate: ann: shows other units than those drawn of the client: 0, 1/);
      refused({ units: [x.units[1], x.units[0]] }, /^certificate: ann: shows other units/);
      refused({ units: [x.units[0], x.units[0]] }, /^certificate: ann: counts a unit twice/);
      refused({ units: x.units.map((u) => ({ ...u, client: 'bob' })) }, /^certificate: ann: shows other units/);
      refused({}, /^certificate: ann: shows other units/, [0]);
      refused({}, /^certificate: ann: shows other units/, [1, 0]);
      refused({ round: 0 }, /^certificate: ann: is of another round/);
      refused({}, /^(certificate: ann: is of another round|unit proof: ann)/, [0, 1], context(0));
      const own = naming(bytes);
      own.delete('ann-1');
      expect(() => units.answer(c, own.get('ann-0')!, [0, 1], own, bytes)).toThrow(/^certificate: ann: shows unit 1 of ann, which nobody/);
      for (const i of [7, 24, 28, 32]) {
        const { to } = first().get('ann-0')!.body,
          words = to.words.with(i, String((BigInt(to.words[i]) + 1n) % 2n ** 63n)),
          other = naming(bytes);
        other.set('ann-0', signMessage('response', { ...other.get('ann-0')!.body, to: { ...to, words } }, participantKey(ann())));
        expect(() => answers(bytes, [0, 1], other), `word ${i}`).toThrow(/^certificate: ann: is about other units/);
      }
    });
    it('that does not hide, is damaged, missing or of hostile size is refused', () => {
      refused({ hides: false }, /^certificate: ann: does not hide its witness/);
      // The proof of an end that does not hide in the place of one that does.
      refused({ proof: open.proof }, /^certificate: ann: proof length/);
      refused({ proof: x.proof.map((w, i) => (i === 500 ? w ^ 1n : w)) }, /^certificate: ann/);
      for (const n of [0, 20, x.statement.length - 1])
        refused({ statement: x.statement.map((w, i) => (i === n ? (w + 1n) % 2n ** 63n : w)) }, /^certificate: ann/);
      for (const b of [bytes.subarray(1), bytes.subarray(0, bytes.length - 8), new Uint8Array(0)])
        expect(() => answers(b)).toThrow(/^certificate: ann/);
      const own = naming(bytes);
      expect(() => units.answer(c, own.get('ann-0')!, [0, 1], own, undefined)).toThrow(/^unit proof: ann.*missing/);
      expect(() => units.answer(c, own.get('ann-0')!, [0, 1], own, new Uint8Array(MOST_UNIT + 1))).toThrow(/^unit proof: ann.*at most/);
      expect(() => units.answer(c, own.get('ann-0')!, [0, 1], own, bytes.slice(1))).toThrow(/^unit proof: ann.*names/);
    });
    it('is judged with all answers of its client, and says nothing where one is left out', () => {
      const f = readFederation(at),
        files = readRound(at, f, 1),
        list = ['ann-0', 'ann-1'].map((n) => files.responses.get(n)!),
        [r] = list,
        judged = (
          response: Signed<'response'>,
          list: readonly Signed<'response'>[],
          blob: (d: string) => Uint8Array | undefined,
        ): Judgement =>
          judge(
            parseEvidence(
              evidenceFile({
                charge: 'bad-proof',
                party: 'ann',
                items: {
                  plan: files.plan.envelope,
                  seal: files.seal!.envelope,
                  commit: files.commits.get('ann')!.envelope,
                  response: response.envelope,
                },
                answers: list.map((y) => y.envelope),
                beacon: files.beacon!,
              }),
              'evidence',
            ),
            { federation: f, before: beforeIn(at, f), blob, units: checks() },
          ),
        there = (d: string): Uint8Array | undefined => readBlob(at, d, MOST_UNIT);
      expect(judged(r, list, there)).toMatchObject({ guilty: false, finding: 'everything that is shown holds' });
      for (const some of [[], [r]])
        expect(judged(r, some, there)).toMatchObject({ guilty: false, finding: expect.stringMatching(/are not shown/) as string });
      const other = encodeCertificate({ ...x, round: 0 }),
        lies = naming(other),
        lie = lies.get('ann-0')!;
      expect(judged(lie, [...lies.values()], (d) => (d === digestOf(other) ? other : there(d)))).toMatchObject({
        guilty: true,
        finding: expect.stringMatching(/^certificate: ann: is of another round/) as string,
      });
      // Its nodes are nobody else's, so that nobody else bundles them.
      expect(() => bundleRound(at, 1, { kernels: k, base: clients[0].setup.inputs.base, units })).toThrow(/answered with certificates/);
    });
  });
  it('keeps what was signed: a message again changes nothing, a file lost is made again, garbage is set aside', async () => {
    const co = coordinatorIn(at, k, clients[0], clock, { rounds: 2, clients: 2, select: 2 }, circuits),
      f = readFederation(at),
      files = readRound(at, f, 0);
    expect(coordinate(co)).toEqual([]);
    expect(await participate(people[0])).toEqual([]);
    hand(at, f, files.commits.get('ann')!);
    expect(coordinate(co).join()).toMatch(/refused a commit of ann: phase/);
    expect(coordinate(co)).toEqual([]);
    expect(writeMessage(at, files.seal!)).toMatch(/seal\.json$/);
    writeBlob(at, new Uint8Array(updateLimit(1)));
    expect(report(checks()).rounds).toHaveLength(2);
  });
});
