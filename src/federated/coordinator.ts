import { join } from 'node:path';
import { OverflowError } from '../tensor/integer.js';
import type { Kernels } from '../kernels/runtime.js';
import type { SigningKey } from '../provenance/sign.js';
import type { Run } from '../run/facts.js';
import { VerificationError } from '../transcript/arith.js';
import { InputError, reason } from '../errors.js';
import type { AggregateRule } from './aggregate.js';
import { type Beacon, chainHash, roundTime } from './beacon.js';
import { type Federation, type RoundContext, type StateChecks, adapterBlob, clientKey, enrol, openRound } from './checks.js';
import { drawnOf } from './draw.js';
import { FederationError } from './errors.js';
import { readBlob, readEvidence, readFederation, writeBeacon, writeBlob, writeEvidence, writeMessage } from './folder.js';
import { type Head, type PlacedRound, isDone, readHead } from './head.js';
import { type Waiting, blobsOf, refuse, taken, waiting } from './inbox.js';
import { type Evidence, evidenceFile } from './judge.js';
import { type Message, type Signed, digestOf, openEnvelope } from './messages.js';
import { type Outcome, auditCounts, failedClients, makeRecord } from './record.js';
import { type RoundEvent, type RoundOutput, type RoundState, beginRound, sealBody, stepRound } from './round.js';
import { signMessage } from './signing.js';
import { MOST_UNIT, type UnitChecks, checkEnrolled, readManifestBlob, scheduleRows, checkShown } from './units.js';
import { updateLimit, valuesOf } from './update.js';

/*
 * The server of a federation over its folder. It keeps nothing but what lies there: every call reads where the
 * federation stands, does what is due, and says what it did. Whenever it ends before its time, the next call goes on:
 * a message is signed once, and what was signed stays.
 */

/** How rounds are planned. */
export interface RoundSettings {
  /** Rounds in all. */ readonly rounds: number;
  readonly unit: number;
  readonly select: number;
  readonly cap: number;
  readonly aggregate: AggregateRule;
  readonly audit: Message<'plan'>['audit'];
  /** Seconds until commits are due, and from the beacon on until answers are. */
  readonly commitSeconds: number;
  readonly responseSeconds: number;
  /** Clients that must be enrolled before the first plan. */ readonly clients: number;
}

export interface Coordinator {
  readonly dir: string;
  readonly key: SigningKey;
  readonly settings: RoundSettings;
  readonly kernels: Kernels;
  /** A run with the settings of the federation. */ readonly run: Run;
  readonly states: StateChecks;
  readonly units: UnitChecks;
  /** Unix time in seconds. */ readonly now: () => number;
  /** The beacon of a round of the charter's chain, where it is out. */
  readonly beacon: (round: number) => Beacon | undefined;
}

const CELLS = (f: Federation): number => valuesOf(f.charter.body.tensors);

/**
 * Messages of one key that wait at a time for what they name. Whoever sends blobs sends one after the other: a client
 * that names thousands and sends none would fill the inbox of all.
 */
export const MOST_PENDING = 64;
/** Whether one more message of a key waits than may. */
function pendingCount(): (signer: string) => boolean {
  const count = new Map<string, number>();
  return (signer) => {
    const n = (count.get(signer) ?? 0) + 1;
    count.set(signer, n);
    return n > MOST_PENDING;
  };
}
const tooMany = (client: string): FederationError =>
  new FederationError('blob', `${MOST_PENDING} messages wait already for what they name`, client);

/** A round that goes on: its state as its files give it, and what is done. */
class OpenRound {
  state: RoundState;
  readonly said: string[] = [];
  /** Clients whose two messages lie as evidence. */ readonly #evidence: Map<string, string>;

  constructor(
    readonly c: Coordinator,
    readonly f: Federation,
    readonly placed: PlacedRound,
    readonly evidence: ReadonlyMap<string, Evidence>,
  ) {
    const { files, before } = placed,
      blob = readBlob(c.dir, files.plan.body.global.adapter, updateLimit(CELLS(f)));
    if (!blob) throw new FederationError('blob', 'the global adapter is missing', 'server');
    this.state = beginRound(openRound(f, files.plan, before, blob, c.states));
    this.#evidence = new Map([...evidence].flatMap(([d, e]) => (this.#concerns(e) ? [[e.party, d] as const] : [])));
    this.#replay();
  }
  get context(): RoundContext {
    return this.state.context;
  }
  get plan(): Message<'plan'> {
    return this.context.plan.body;
  }
  #say(text: string): void {
    this.said.push(`round ${this.plan.round}: ${text}`);
  }

  /** Whether evidence is of this round and of a client. */
  #concerns(e: Evidence): boolean {
    const first = e.items.first ?? e.items.commit;
    return e.party !== 'server' && first !== undefined && this.#ofPlan(e.party, first);
  }
  #ofPlan(party: string, x: NonNullable<Evidence['items']['first']>): boolean {
    const of = this.f.enrolments.get(party);
    if (!of) return false;
    for (const kind of ['commit', 'response'] as const)
      try {
        return openEnvelope(kind, x, [clientKey(of)], 'evidence').body.plan === this.context.plan.digest;
      } catch {
        // Of another kind.
      }
    return false;
  }

  /** An event whose outcome lies on disk already. */
  #again(e: RoundEvent): void {
    this.state = stepRound(this.state, e).state;
  }
  #blobOf(m: Signed<'commit'>): Uint8Array {
    const b = readBlob(this.c.dir, m.body.update.blob, updateLimit(CELLS(this.f)));
    if (!b) throw new FederationError('blob', 'the update is missing', m.body.client);
    return b;
  }

  /** State from the files of the round, in the order in which they came. */
  #replay(): void {
    const { files } = this.placed,
      receipts = [...files.receipts.values()].sort((a, b) => a.body.counter - b.body.counter);
    for (const { body } of receipts) {
      const message = files.commits.get(body.client)!;
      this.#again({ kind: 'commit', message, blob: this.#blobOf(message), now: body.time });
    }
    for (const message of files.withdrawals.values()) this.#again({ kind: 'withdraw', message });
    for (const e of this.evidence.values()) {
      if (e.charge !== 'two-messages' || !this.#concerns(e)) continue;
      for (const x of [e.items.first, e.items.second]) this.#second(e.party, x);
    }
    if (files.seal) this.#again({ kind: 'seal', message: files.seal });
    if (files.beacon && files.seal) this.#again({ kind: 'beacon', beacon: files.beacon });
    const due = this.plan.deadlines.response;
    for (const message of files.responses.values()) this.#again({ kind: 'response', message, now: due });
    for (const { body: v } of files.verdicts)
      if (v.how === 'proved' || v.how === 'replayed')
        this.#again({ kind: 'verified', client: v.client, unit: v.unit, how: v.how, refusal: v.refusal });
  }
  #second(party: string, x: Evidence['items']['first']): void {
    const of = this.f.enrolments.get(party),
      there = this.state.commits.get(party);
    if (!of || !x || !there) return;
    try {
      const message = openEnvelope('commit', x, [clientKey(of)], 'evidence');
      if (message.digest !== there.digest) this.#again({ kind: 'commit', message, blob: new Uint8Array(0), now: 0 });
    } catch (e) {
      if (!(e instanceof VerificationError || e instanceof InputError)) throw e;
    }
  }

  /** Signs and writes what comes out of a step. */
  #write(out: readonly RoundOutput[]): void {
    for (const o of out)
      if (o.kind === 'receipt') {
        writeMessage(this.c.dir, signMessage('receipt', o.body, this.c.key));
        this.#say(`commit of ${o.body.client}`);
      } else if (o.kind === 'verdict') writeMessage(this.c.dir, signMessage('verdict', o.body, this.c.key));
      else {
        const e: Evidence = { charge: 'two-messages', party: o.party, items: { first: o.first.envelope, second: o.second.envelope } };
        this.#keep(e);
        this.#say(`two different messages of ${o.party}`);
      }
  }

  /** Takes a message in. Throws FederationError where it is refused. */
  take(w: Waiting): void {
    const m = w.message!,
      { dir } = this.c,
      now = this.c.now();
    if (m.kind === 'commit') {
      const had = this.state.commits.has(m.body.client),
        s = stepRound(this.state, { kind: 'commit', message: m, blob: had ? new Uint8Array(0) : this.#blobOf(m), now });
      // The message lies at its place before its receipt does: a receipt is for something that is there.
      if (!had) writeMessage(dir, m);
      this.#write(s.out);
      this.state = s.state;
    } else if (m.kind === 'withdrawal') {
      const s = stepRound(this.state, { kind: 'withdraw', message: m });
      writeMessage(dir, m);
      this.state = s.state;
      this.#say(`${m.body.client} withdraws`);
    } else if (m.kind === 'response') {
      const s = stepRound(this.state, { kind: 'response', message: m, now });
      if (!s.out.length) writeMessage(dir, m);
      this.#write(s.out);
      this.state = s.state;
    }
  }

  /** What is due by the clock and by what came. */
  go(settle: boolean): void {
    const { c } = this,
      { dir } = c,
      now = c.now();
    if (this.state.phase === 'collecting') this.#seal(now);
    if (this.state.phase === 'sealed') {
      const beacon = c.beacon(this.plan.beacon);
      if (beacon) {
        const s = stepRound(this.state, { kind: 'beacon', beacon });
        writeBeacon(dir, this.plan.round, beacon);
        this.state = s.state;
        this.#say(`${this.state.draw!.units.length} units drawn of ${this.state.draw!.pool}`);
      }
    }
    if (this.state.phase !== 'drawn') return;
    if (this.plan.audit.show !== 'records') this.#verify(now);
    if (this.plan.audit.mode === 'after' && !this.placed.files.record) this.#record([]);
    if (settle) this.#close(now);
  }

  #seal(now: number): void {
    const { participants } = this.context,
      all = participants.every((n) => this.state.commits.has(n) || this.state.excluded.has(n));
    if ((!all && now <= this.plan.deadlines.commit) || this.missed(now)) return;
    const seal = signMessage('seal', sealBody(this.state, now), this.c.key);
    writeMessage(this.c.dir, seal);
    this.state = stepRound(this.state, { kind: 'seal', message: seal }).state;
    this.#say(
      `sealed with ${seal.body.commits.length} commits${seal.body.excluded.length ? `, without ${seal.body.excluded.map((x) => `${x.client} (${x.why})`).join(', ')}` : ''}`,
    );
  }
  /** Whether the beacon came before the seal: nothing can be drawn from it any more, the round is left as it is. */
  missed(now: number): boolean {
    return this.state.phase === 'collecting' && now >= roundTime(this.f.charter.body.chain, this.plan.beacon);
  }

  /** Responses of a client to the draw, in its order; whether every unit has one. */
  #answers(client: string): { readonly list: Signed<'response'>[]; readonly whole: boolean } {
    const drawn = drawnOf(this.state.draw!, client),
      list = drawn.flatMap((u) => this.state.responses.get(`${client}-${u}`) ?? []);
    return { list, whole: list.length === drawn.length };
  }

  /**
   * Verifies the proofs of units that were answered. A certificate is of all units of a client: it waits for its last
   * answer, as long as one may come.
   */
  #verify(now: number): void {
    for (const r of this.state.responses.values()) {
      const { client, unit, proof } = r.body,
        v = this.state.verdicts.get(`${client}-${unit}`)!;
      if (v.how !== 'opened') continue;
      if (this.plan.audit.show === 'certificates' && now <= this.plan.deadlines.response && !this.#answers(client).whole) continue;
      const blob = proof === null ? undefined : this.#proof(proof);
      let refusal: string | null = null;
      try {
        checkShown(this.c.units, this.context, this.state.draw!, r, this.state.responses, blob);
      } catch (e) {
        if (!(e instanceof FederationError && e.party === client)) throw e;
        refusal = e.message.slice(0, 500);
        // Bytes that nobody has show nothing, nor does a certificate of units that were never answered.
        if (blob) this.#convict(r);
      }
      this.state = stepRound(this.state, { kind: 'verified', client, unit, how: 'proved', refusal }).state;
      writeMessage(this.c.dir, signMessage('verdict', this.state.verdicts.get(`${client}-${unit}`)!, this.c.key));
      this.#say(`unit ${unit} of ${client} ${refusal === null ? 'proved' : `refused: ${refusal}`}`);
    }
  }
  /** A proof, where its bytes are those of its name. */
  #proof(digest: string): Uint8Array | undefined {
    try {
      return readBlob(this.c.dir, digest, MOST_UNIT);
    } catch (e) {
      if (e instanceof InputError) return undefined;
      throw e;
    }
  }
  /** Keeps what shows that a proof is false. */
  #convict(r: Signed<'response'>): void {
    const { client } = r.body,
      answers = this.#answers(client);
    if (this.plan.audit.show === 'certificates' && !answers.whole) return;
    const e: Evidence = {
      charge: 'bad-proof',
      party: client,
      items: {
        plan: this.context.plan.envelope,
        seal: this.state.seal!.envelope,
        commit: this.state.commits.get(client)!.envelope,
        response: r.envelope,
      },
      ...(this.plan.audit.show === 'certificates' ? { answers: answers.list.map((x) => x.envelope) } : {}),
      beacon: this.state.beacon!,
    };
    this.#keep(e);
  }

  #keep(e: Evidence): void {
    writeEvidence(this.c.dir, e);
    this.#evidence.set(e.party, digestOf(evidenceFile(e)));
  }

  #outcome(verdicts: readonly Signed<'verdict'>[]): Outcome {
    return {
      context: this.context,
      seal: this.state.seal!,
      draw: this.state.draw!,
      handed: this.state.seal!.body.commits.map(({ client }) => {
        const commit = this.state.commits.get(client)!;
        return { commit, blob: this.#blobOf(commit) };
      }),
      verdicts,
      state: (C) => this.c.states.first(C),
      evidence: this.#evidence,
    };
  }
  #record(verdicts: readonly Signed<'verdict'>[]): void {
    const { body, adapter } = makeRecord(this.#outcome(verdicts));
    writeBlob(this.c.dir, adapterBlob(adapter, this.f.charter.body));
    writeMessage(this.c.dir, signMessage('record', body, this.c.key));
    this.#say(
      `${body.provisional ? 'provisional record' : 'record'} of ${body.included.length} updates${body.excluded.length ? `, without ${body.excluded.map((x) => `${x.client} (${x.why})`).join(', ')}` : ''}`,
    );
  }

  /** Ends the round once every unit has its verdict, or answers are late. */
  #close(now: number): void {
    const due = this.plan.deadlines.response,
      units = this.state.draw!.units.length,
      { record, settlement } = this.placed.files;
    if (this.state.verdicts.size < units && now <= due) return;
    const s = stepRound(this.state, { kind: 'close', now });
    this.#write(s.out);
    this.state = s.state;
    const verdicts = s.out.flatMap((o) => (o.kind === 'verdict' ? [signMessage('verdict', o.body, this.c.key)] : []));
    if (this.plan.audit.mode === 'before') {
      if (!record) this.#record(verdicts);
    } else if (record?.body.provisional && !settlement) this.#settle(record, verdicts);
  }
  #settle(record: Signed<'record'>, verdicts: readonly Signed<'verdict'>[]): void {
    const n = auditCounts(this.state.draw!, verdicts),
      failed = failedClients(verdicts),
      body: Message<'settlement'> = {
        type: 'certune-fed-settlement',
        version: 1,
        federation: this.f.charter.digest,
        round: this.plan.round,
        record: record.digest,
        failed,
        proved: n.proved,
        replayed: n.replayed,
        opened: n.opened,
        unanswered: n.unanswered,
        holds: failed.length === 0,
      };
    writeMessage(this.c.dir, signMessage('settlement', body, this.c.key));
    this.#say(failed.length ? `void: ${failed.join(', ')} did not pass` : 'settled: all drawn units hold');
  }
}

/** Takes in enrolments. */
function enrolments(c: Coordinator, f: Federation, list: readonly Waiting[], said: string[]): void {
  const full = pendingCount();
  let now = f;
  for (const w of list) {
    const m = w.message;
    if (m?.kind !== 'enrolment') continue;
    try {
      const bytes = readBlob(c.dir, m.body.manifest, blobsOf(f, m)[0].most);
      // Its manifest is on the way.
      if (!bytes) {
        if (full(m.signer)) throw tooMany(m.body.client);
        continue;
      }
      checkEnrolled(now, m, readManifestBlob(bytes, `${m.body.client}: manifest`));
      now = enrol(now, m);
      writeMessage(c.dir, m);
      said.push(`${m.body.client} is enrolled`);
      taken(w);
    } catch (e) {
      if (!(e instanceof VerificationError || e instanceof InputError)) throw e;
      refuse(c.dir, w, reason(e));
      said.push(`an enrolment of ${m.body.client} is refused: ${reason(e)}`);
    }
  }
}

/** Plans the next round, where none collects and clients are there. */
function planNext(c: Coordinator, f: Federation, head: Head, open: readonly OpenRound[], said: string[]): void {
  const { settings: s } = c,
    now = c.now(),
    { chain } = f.charter.body,
    busy = open.some((o) => !o.missed(now) && (o.plan.audit.mode === 'before' || !o.placed.files.record));
  if (busy || head.rounds.filter((r) => r.files.record && r.files.settlement?.body.holds !== false).length >= s.rounds) return;
  if (f.enrolments.size < s.clients) return;
  // Whoever is convicted by its own signature is not asked again.
  const out = new Set([...readEvidence(c.dir).values()].map((e) => e.party)),
    enrolled = [...f.enrolments]
      .filter(([n]) => !out.has(n))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([client, e]) => ({ client, enrolment: e.digest }));
  if (!enrolled.length) throw new FederationError('plan', 'nobody is left who could take part', 'server');
  const commit = now + s.commitSeconds,
    beacon = Math.max(head.next.beaconRound, Math.floor((commit - chain.genesis) / chain.period) + 1) + 1,
    { train } = c.run.manifest.config,
    body: Message<'plan'> = {
      type: 'certune-fed-plan',
      version: 1,
      federation: f.charter.digest,
      round: head.last + 1,
      previous: head.next.record,
      global: head.next.global,
      train: { steps: train.steps, unit: s.unit, batch: train.batch, schedule: scheduleRows(c.run) },
      enrolled,
      select: Math.min(s.select, enrolled.length),
      cap: s.cap,
      aggregate: s.aggregate,
      audit: s.audit,
      deadlines: { commit, response: roundTime(chain, beacon) + s.responseSeconds },
      beacon,
    },
    plan = signMessage('plan', body, c.key);
  const blob = readBlob(c.dir, body.global.adapter, updateLimit(CELLS(f)));
  if (!blob) throw new FederationError('blob', 'the global adapter is missing', 'server');
  openRound(f, plan, head.next, blob, c.states);
  writeMessage(c.dir, plan);
  said.push(`round ${body.round}: planned for ${body.select} of ${enrolled.length} clients, beacon ${beacon}`);
}

/** Does what is due, once, and says what it did: nothing where the federation waits for somebody. */
export function coordinate(c: Coordinator): string[] {
  const said: string[] = [];
  enrolments(c, readFederation(c.dir), waiting(c.dir, readFederation(c.dir)), said);
  const f = readFederation(c.dir),
    list = waiting(c.dir, f),
    head = readHead(c.dir, f),
    evidence = readEvidence(c.dir),
    open = head.rounds.filter((r) => !isDone(r.files)).map((r) => new OpenRound(c, f, r, evidence)),
    full = pendingCount();
  for (const w of list) {
    const m = w.message;
    if (m?.kind === 'enrolment') continue;
    const there = m && open.find((o) => o.context.plan.digest === m.body.plan);
    try {
      if (!m) throw new FederationError('phase', w.refusal ?? 'is no message');
      if (!there) throw new FederationError('phase', 'is to a plan of no open round', m.body.client);
      // Its blobs are on the way, but for a second commit, which needs none to be evidence.
      const again = m.kind === 'commit' && there.state.commits.has(m.body.client);
      if (!again && blobsOf(f, m).some((b) => readBlob(c.dir, b.digest, b.most) === undefined)) {
        if (full(m.signer)) throw tooMany(m.body.client);
        continue;
      }
      there.take(w);
      taken(w);
    } catch (e) {
      if (!(e instanceof VerificationError || e instanceof InputError || e instanceof OverflowError)) throw e;
      refuse(c.dir, w, reason(e));
      said.push(`refused ${m ? `a ${m.kind} of ${m.body.client}` : w.file}: ${reason(e)}`);
    }
  }
  // A settlement waits for those before it: a later record is final where the earlier ones are.
  open.forEach((o, i) => {
    o.go(i === 0);
    said.push(...o.said);
  });
  // What was written just now is read again by the next call.
  if (!said.length) planNext(c, f, head, open, said);
  return said;
}

/** Whether all rounds are done that were to be. */
export function finished(c: Pick<Coordinator, 'dir' | 'settings'>): boolean {
  const { rounds } = readHead(c.dir, readFederation(c.dir)),
    good = rounds.filter((r) => isDone(r.files) && r.files.settlement?.body.holds !== false);
  return good.length >= c.settings.rounds;
}

/** Folder of beacons that somebody brought: HOME/beacons/ROUND.json. */
export const beaconFile = (home: string, round: number): string => join(home, 'beacons', `${round}.json`);

/** Throws FederationError for a beacon of another chain. */
export const sameChain = (f: Federation, b: Beacon): void => {
  if (b.chain !== chainHash(f.charter.body.chain)) throw new FederationError('beacon chain', `${b.chain.slice(0, 64)}, not the charter's`);
};
