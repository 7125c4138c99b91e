import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHAIN, federationCase, handIn, newRound, openingOf, recordsOf, respond } from '../../test/federated-case.js';
import { tinyRun } from '../../test/tiny-run.js';
import { UnsupportedError } from '../errors.js';
import { P } from '../field/goldilocks.js';
import { type Kernels, singleKernels } from '../kernels/index.js';
import { type Setup, setup } from '../setup/run.js';
import { type Boundary, boundaryWords, firstBoundary } from './boundary.js';
import { type CertificateSource, type RoundCertificate, checkAnswer, encodeCertificate, noCounters, unitStatement } from './certificate.js';
import type { RoundContext } from './checks.js';
import { charterOf } from './found.js';
import { type Message, digestOf } from './messages.js';
import { statesOf } from './states.js';
import { checkPlanSettings, scheduleRows, unitChecks } from './units.js';

/* What a certificate is compared with: words of a unit's statement from two opened records. Nothing is proved here. */
const STEPS = 4,
  ROUND = 3;

describe('the statement of a unit from its records', () => {
  let k: Kernels, s: Setup, state: bigint[];
  const c = federationCase(['ann']),
    [ann] = c.clients;
  let round: RoundContext;
  beforeAll(() => {
    k = singleKernels();
    s = setup(tinyRun({ steps: STEPS, batch: 2, microBatch: 2, learningRate: 0.002 }), [1n, 2n, 3n, 4n]);
    state = statesOf(k, s.run.programs).first(Int32Array.from(s.inputs.initial.C, Number));
    round = newRound(c, { round: ROUND });
  });
  afterAll(() => k.close());

  /** Records as a client has them, its states all the first one. */
  const records = (): Boundary[] =>
    Array.from({ length: STEPS + 1 }, (_, i) => {
      if (i === 0) return firstBoundary(ROUND, state);
      // Of the run, not of the plan: how many batches an epoch has, and which place that is.
      const per = Number(unitEpoch());
      return {
        pos: [i, 0, 0, ROUND + Math.floor(i / per), i % per, 2 * i, 5 * i].map(BigInt),
        s: state,
        losses: [1n, 2n, 3n, BigInt(i)],
        counters: i % per ? [4n, 5n, 6n, BigInt(i)] : [0n, 0n, 0n, 0n],
        epochs: [0n, 0n, 0n, 0n],
      };
    });
  const unitEpoch = (): bigint => BigInt(Math.ceil(s.run.manifest.dataset.examples / 2));
  const response = (unit: number, from: Boundary, to: Boundary): Message<'response'> => {
    const words = (b: Boundary) => ({ words: boundaryWords(b).map(String), salt: '00'.repeat(16), path: [] });
    return { ...respond(round, ann, recordsOf(round, ann), 0).body, unit, from: words(from), to: words(to) };
  };
  const of = (unit: number, change: (b: Boundary) => Boundary = (b) => b, end = change) => {
    const list = records();
    return unitStatement(round, s.run, response(unit, change(list[unit]), end(list[unit + 1])));
  };

  it('has every word of both records; epochs count from the round, zeros stand for the digest of no counters', () => {
    const a = of(0),
      b = of(1),
      none = noCounters(s.run);
    expect(a.posIn).toEqual([0n, 0n, 0n, 0n, 0n, 0n, 0n]);
    expect([a.countersIn, a.sIn, a.lossesOut]).toEqual([none, state, [1n, 2n, 3n, 1n]]);
    expect([b.posIn.slice(0, 2), b.countersOut]).toEqual([
      [1n, 0n],
      [4n, 5n, 6n, 2n],
    ]);
    expect([a.context, a.dataset]).toEqual([s.run.facts.context, s.run.manifest.dataset.root.map(BigInt)]);
  });
  it('is refused for records of another place, another start, another point of a state, or of two spellings', () => {
    const none = noCounters(s.run),
      pos = (i: number, by: bigint) => (b: Boundary) => ({ ...b, pos: b.pos.map((w, j) => (j === i ? (w + by + P) % P : w)) });
    for (const i of [0, 1, 2, 3, 4, 5]) {
      expect(() => of(1, pos(i, 1n)), `word ${i}`).toThrow(/^range/);
      expect(() => of(1, (b) => b, pos(i, 1n)), `word ${i} of the end`).toThrow(/^range/);
    }
    const same = (b: Boundary): Boundary => b;
    expect(() => of(0, pos(6, 1n), same)).toThrow(/^start:/);
    expect(() => of(0, (b) => ({ ...b, losses: [0n, 0n, 0n, 1n] }), same)).toThrow(/^start of the losses/);
    expect(() => of(0, (b) => ({ ...b, epochs: [0n, 0n, 0n, 1n] }), same)).toThrow(/^start of the epochs/);
    expect(() => of(0, (b) => ({ ...b, counters: [0n, 0n, 0n, 1n] }), same)).toThrow(/^counters at the start/);
    // The verifier of a unit alone compares with zeros: the digest in their place would hold in a certificate only.
    expect(() => of(0, (b) => ({ ...b, counters: none }), same)).toThrow(/^counters at the start.*in the place of zeros/);
    const drawn = state.map((w, i) => (i === 8 ? (w + 1n) % P : w));
    expect(() => of(1, (b) => ({ ...b, s: drawn }), same)).toThrow(/^state entered/);
  });
  it('is asked for where a unit was drawn, and under a charter whose tensors are those of the program', () => {
    const units = unitChecks({ kernels: k, base: s.inputs.base, manifest: () => undefined }),
      h = handIn(round, ann),
      r = respond(round, ann, h.records, 0, { proof: `sha256:${'0'.repeat(64)}` });
    expect(openingOf(round, ann, h.records, 0)).toEqual(r.body.from);
    expect(() => units.answer(round, r, [1, 2], new Map(), undefined)).toThrow(/^unit proof: ann: unit 0: was not drawn/);
    // A certificate that shows a unit twice, by one answer under the names of two.
    const empty: RoundCertificate = {
        federation: round.charter.digest,
        round: ROUND,
        plan: round.plan.digest,
        units: [0, 1].map((unit) => ({ client: 'ann', unit })),
        hides: true,
        statement: [],
        proof: new BigUint64Array(0),
      },
      bytes = encodeCertificate(empty),
      twice = respond(round, ann, h.records, 0, { proof: digestOf(bytes) }),
      both = new Map([0, 1].map((u) => [`ann-${u}`, twice]));
    const answered =
      (responses: CertificateSource['responses'], runFor: CertificateSource['runFor'], drawn = [0, 1], of = bytes) =>
      () =>
        checkAnswer({ kernels: k, base: s.inputs.base, context: round, responses, runFor }, 'ann', drawn, of);
    expect(answered(both, () => expect.unreachable())).toThrow(/^certificate: ann: the answer to unit 0 of ann stands for unit 1 of ann/);
    // One whose run has no circuits, which is refused and ends nothing.
    const fair = new Map([0, 1].map((u) => [`ann-${u}`, respond(round, ann, h.records, u, { proof: digestOf(bytes) })]));
    expect(
      answered(fair, () => {
        throw new UnsupportedError(['no class is large enough']);
      }),
    ).toThrow(/^certificate: ann: unit 0 of ann: no class is large enough/);
    // What was drawn beside what it shows is looked at before any proof.
    for (const drawn of [[0], [1, 0], [0, 1, 2]])
      expect(answered(fair, () => expect.unreachable(), drawn)).toThrow(/^certificate: ann: shows other units than those drawn/);
    for (const [more, why] of [
      [{ hides: false }, /^certificate: ann: does not hide/],
      [{ units: [0, 0].map((unit) => ({ client: 'ann', unit })) }, /^certificate: ann: counts a unit twice/],
      [{ units: [0, 1].map((unit) => ({ client: 'bob', unit })) }, /^certificate: ann: shows other units/],
    ] as const)
      expect(answered(fair, () => expect.unreachable(), [0, 1], encodeCertificate({ ...empty, ...more }))).toThrow(why);
    const { steps, batch } = s.run.manifest.config.train,
      { body } = charterOf(k, s.run, s.inputs.initial, {
        name: 'x',
        server: c.server.public,
        chain: CHAIN,
        seedRound: 1,
        allow: [ann.enrolment.signer],
      }),
      { plan } = round,
      train = { steps, unit: 1, batch, schedule: scheduleRows(s.run) },
      at = (tensors: typeof body.tensors) => () =>
        checkPlanSettings(
          { charter: { ...round.charter, body: { ...body, tensors } }, plan: { ...plan, body: { ...plan.body, train } } },
          s.run,
        );
    expect(at(body.tensors)).not.toThrow();
    const [one, ...others] = body.tensors;
    for (const list of [others, [{ ...one, name: 'x' }, ...others], [{ ...one, ranks: 1 }, ...others], [...others, one]])
      expect(at(list)).toThrow(/^plan settings: server: tensors of the charter/);
  });
});
