import { type Beacon, QUICKNET_HASH, chainHash } from './beacon.js';
import {
  type Before,
  type Federation,
  type RoundContext,
  type StateChecks,
  checkCommit,
  checkReceipt,
  checkResponse,
  checkSeal,
  checkWithdrawal,
  drawOf,
  openRound,
} from './checks.js';
import type { Draw } from './draw.js';
import { FederationError } from './errors.js';
import type { RoundFiles } from './folder.js';
import { beginning } from './head.js';
import { type Evidence, type JudgeContext, judge } from './judge.js';
import { type Message, type Signed, sameFederation } from './messages.js';
import { MOST_UNIT, type UnitChecks, checkShown } from './units.js';
import { type AuditStatement, type Outcome, auditStatement, checkRecord, checkSettlement } from './record.js';
import { WITHDREW } from './round.js';
import { updateLimit, valuesOf } from './update.js';

/*
 * The chain of records, checked from the charter on: everything that can be recomputed is, from the messages alone.
 * A report says what was, what was not, and whose word stands for the rest.
 */

export interface RoundReport {
  readonly round: number;
  readonly state: 'final' | 'provisional' | 'void' | 'open';
  readonly included: number;
  readonly excluded: readonly { readonly client: string; readonly why: string }[];
  readonly bound: number;
  readonly audit?: AuditStatement;
  /** Whether adapters were compared with committed states. */ readonly lastState: 'checked' | 'not checked';
  /** Units whose proofs were verified here. */ readonly units: number;
}

export interface ChainReport {
  readonly federation: string;
  readonly chain: string;
  readonly clients: number;
  readonly rounds: readonly RoundReport[];
  /** Digest of the last final record; null where there is none. */ readonly head: string | null;
  readonly notChecked: readonly string[];
}

/** Where the files come from. */
export interface ChainSource {
  readonly federation: Federation;
  readonly rounds: readonly number[];
  readonly round: (r: number) => RoundFiles;
  readonly blob: (digest: string, most: number) => Uint8Array | undefined;
  readonly evidence: ReadonlyMap<string, Evidence>;
  /** Beacon of the charter's seed round. */ readonly seed: Beacon;
  readonly states?: StateChecks;
  /** Where settings are at hand: throws FederationError where plan or charter say of training what they do not. */
  readonly settings?: (c: Pick<RoundContext, 'charter' | 'plan'>) => void;
  /** Where base and manifests are at hand: proofs of units are verified. */ readonly units?: UnitChecks;
}

const need = (b: Uint8Array | undefined, what: string, party: string): Uint8Array => {
  if (!b) throw new FederationError('blob', `${what} is missing`, party);
  return b;
};

/** What a proof is found to be: undefined where it shows its unit. */
function proofProblem(
  units: UnitChecks,
  c: RoundContext,
  draw: Draw,
  r: Signed<'response'>,
  responses: RoundFiles['responses'],
  blob: Uint8Array | undefined,
): string | undefined {
  try {
    checkShown(units, c, draw, r, responses, blob);
  } catch (e) {
    if (e instanceof FederationError && e.party === r.body.client) return e.message;
    throw e;
  }
  return undefined;
}

/**
 * Verdicts against what can be recomputed: an answer that was opened must open, one that was not must not be said to
 * hold, and a proof must be what is said of it. Returns the number of proofs that were verified and hold.
 */
function checkVerdicts(s: ChainSource, c: RoundContext, draw: Draw, files: RoundFiles): number {
  let verified = 0;
  const certified = new Set(
    (s.units && files.certificates ? files.certificates : []).flatMap((x) => s.units!.certificate(c, files.responses, x)),
  );
  for (const { body: v } of files.verdicts) {
    const r = files.responses.get(`${v.client}-${v.unit}`),
      commit = files.commits.get(v.client);
    sameFederation(c.charter, v, 'server');
    if (v.plan !== c.plan.digest || v.round !== c.plan.body.round) throw new FederationError('verdict', 'is of another plan', 'server');
    if (v.how === 'unanswered') {
      if (v.holds) throw new FederationError('verdict', `unit ${v.unit} was not answered and is said to hold`, v.client);
      if (r) throw new FederationError('verdict', `unit ${v.unit} of ${v.client} is said to be unanswered, and is answered`, 'server');
      continue;
    }
    if (!r || !commit || r.digest !== v.response)
      throw new FederationError('verdict', `the response that unit ${v.unit} is judged by is missing`, v.client);
    // The answer to one unit says nothing of another.
    if (r.body.client !== v.client || r.body.unit !== v.unit)
      throw new FederationError(
        'verdict',
        `unit ${v.unit} of ${v.client} is judged by the answer to unit ${r.body.unit} of ${r.body.client}`,
        'server',
      );
    if (v.holds) checkResponse(c, draw, commit, r);
    else if (v.refusal === null) throw new FederationError('verdict', `unit ${v.unit} fails without a reason`, v.client);
    if (v.how !== 'proved' && c.plan.body.audit.show !== 'records')
      throw new FederationError(
        'verdict',
        `unit ${v.unit} of ${v.client} is said to ${v.holds ? 'hold without a proof' : 'fail by another check than its proof'}`,
        'server',
      );
    // A server takes no answer that does not open.
    if (v.how === 'opened' && !v.holds)
      throw new FederationError('verdict', `unit ${v.unit} of ${v.client} is said to fail, and is opened and no more`, 'server');
    if (v.how !== 'proved' || !s.units) continue;
    // The records that a certificate is about were opened above. A proof that was refused and is at hand is looked at
    // itself: a client that answers with a false one may have a true one, and is no witness against the server.
    const shown = certified.has(`${v.client}-${v.unit}`),
      own = (shown && v.holds) || r.body.proof === null ? undefined : s.blob(r.body.proof, MOST_UNIT);
    if (shown && !own) {
      if (!v.holds)
        throw new FederationError('verdict', `unit ${v.unit} of ${v.client} is said to fail, and a certificate shows it`, 'server');
      verified++;
      continue;
    }
    const problem = proofProblem(s.units, c, draw, r, files.responses, own);
    if (v.holds && problem !== undefined)
      throw new FederationError('verdict', `unit ${v.unit} of ${v.client} is said to be proved: ${problem}`, 'server');
    if (!v.holds && problem === undefined)
      throw new FederationError('verdict', `unit ${v.unit} of ${v.client} is said to fail, and its proof holds`, 'server');
    if (v.holds) verified++;
  }
  return verified;
}

/** Who was excluded for two messages must be shown to have signed both, who withdrew to have said so. */
function checkExclusions(c: RoundContext, files: RoundFiles, j: JudgeContext, evidence: ReadonlyMap<string, Evidence>): void {
  for (const x of files.seal?.body.excluded ?? []) {
    if (x.why === WITHDREW) {
      const w = files.withdrawals.get(x.client);
      if (!w) throw new FederationError('seal omission', `${x.client} is said to have withdrawn, which nobody shows`, 'server');
      checkWithdrawal(c, w);
    }
    if (x.why !== 'equivocation') continue;
    const shown = [...evidence.values()].some((e) => e.party === x.client && e.charge === 'two-messages' && judge(e, j).guilty);
    if (!shown) throw new FederationError('seal omission', `${x.client} is excluded for two commits that nobody shows`, 'server');
  }
}

/** What a chain has shown so far. */
class Shown {
  readonly voided = new Set<string>();
  /** Clients of the plans so far. */ readonly #listed = new Set<string>();
  /** What each plan follows, by its digest. */ readonly #before = new Map<string, Before>();
  readonly #guilty = new Map<string, boolean>();
  constructor(readonly s: ChainSource) {}

  /**
   * Whoever was in a plan is in every later one, or was convicted: a server that leaves out whom it likes chooses who
   * is drawn.
   */
  plan(c: RoundContext, before: Before): void {
    const own = new Set(c.plan.body.enrolled.map((x) => x.client));
    this.#before.set(c.plan.digest, before);
    for (const client of this.#listed)
      if (!own.has(client) && !this.#convicted(client))
        throw new FederationError(
          'plan omission',
          `${client} was in an earlier plan, is not in that of round ${c.plan.body.round}, and nobody shows why`,
          'server',
        );
    for (const client of own) this.#listed.add(client);
  }
  #convicted(client: string): boolean {
    return [...this.s.evidence].some(([digest, e]) => e.party === client && this.#shows(digest, e));
  }
  #shows(digest: string, e: Evidence): boolean {
    let guilty = this.#guilty.get(digest);
    if (guilty === undefined) {
      const { federation, units } = this.s,
        most = Math.max(MOST_UNIT, updateLimit(valuesOf(federation.charter.body.tensors)));
      // A proof is judged where the base is at hand.
      guilty =
        (e.charge === 'bad-proof' && !units) ||
        judge(e, {
          federation,
          before: (d) => this.#before.get(d),
          blob: (d) => this.s.blob(d, most),
          ...(units ? { units } : {}),
        }).guilty;
      this.#guilty.set(digest, guilty);
    }
    return guilty;
  }
}

/** A round with its record, where it has one. `after` is what the next plan follows. */
function checkRound(s: ChainSource, before: Before, n: number, shown: Shown): { report: RoundReport; after?: Before; record?: string } {
  const f = s.federation,
    files = s.round(n);
  // What stands on a record that was made void is void with it.
  if (files.plan.body.previous !== null && shown.voided.has(files.plan.body.previous))
    return {
      report: { round: n, state: 'void', included: 0, excluded: [], bound: 0, lastState: 'not checked', units: 0 },
      ...(files.record ? { record: files.record.digest } : {}),
    };
  const cells = valuesOf(f.charter.body.tensors),
    most = updateLimit(cells),
    c = openRound(f, files.plan, before, need(s.blob(files.plan.body.global.adapter, most), 'the global adapter', 'server'), s.states),
    common = { round: n, bound: Number(c.bound), lastState: s.states ? ('checked' as const) : ('not checked' as const), units: 0 };
  s.settings?.(c);
  shown.plan(c, before);
  for (const m of files.commits.values()) checkCommit(c, m);
  const { seal, beacon, record } = files;
  if (seal) {
    checkSeal(c, seal, files.commits);
    for (const r of files.receipts.values()) checkReceipt(seal, r);
    checkExclusions(c, files, { federation: f, blob: (d) => s.blob(d, most) }, s.evidence);
  }
  if (!seal || !beacon || !record) {
    if (record) throw new FederationError('record chain', 'a record without a seal and a beacon', 'server');
    return { report: { ...common, state: 'open', included: 0, excluded: seal?.body.excluded ?? [] } };
  }
  const draw = drawOf(c, seal, beacon);
  const units = checkVerdicts(s, c, draw, files);
  const provisional = record.body.provisional,
    given: Outcome = {
      context: c,
      seal,
      draw,
      handed: seal.body.commits.map(({ client }) => {
        const commit = files.commits.get(client)!;
        return { commit, blob: need(s.blob(commit.body.update.blob, most), 'the update', client) };
      }),
      verdicts: files.verdicts,
      state: (C) => (s.states ? s.states.first(C) : record.body.global.state.map(BigInt)),
      evidence: new Map(record.body.excluded.flatMap((x) => (x.evidence ? [[x.client, x.evidence] as const] : []))),
    };
  const j: JudgeContext = {
    federation: f,
    before: (d) => (d === files.plan.digest ? before : undefined),
    blob: (d) => s.blob(d, Math.max(most, MOST_UNIT)),
    ...(s.units ? { units: s.units } : {}),
  };
  for (const x of record.body.excluded) {
    if (!x.evidence) continue;
    const e = s.evidence.get(x.evidence);
    // A proof is judged where the base is at hand.
    if (e?.charge === 'bad-proof' && e.party === x.client && !s.units) continue;
    if (!e || e.party !== x.client || !judge(e, j).guilty)
      throw new FederationError('record members', `the evidence against ${x.client} is missing, or shows nothing`, 'server');
  }
  // A provisional record was made before its verdicts: it is compared without them, and the settlement with them.
  const made = checkRecord(provisional ? { ...given, verdicts: [] } : given, record);
  if (provisional && files.settlement) checkSettlement(given, record, files.settlement);
  const state = !provisional ? 'final' : !files.settlement ? 'provisional' : files.settlement.body.holds ? 'final' : 'void',
    counts: Message<'record'>['audit'] =
      provisional && files.settlement ? { ...record.body.audit, ...settled(files.settlement) } : record.body.audit;
  return {
    report: {
      ...common,
      units,
      state,
      included: made.updates.length,
      excluded: record.body.excluded,
      audit: auditStatement(counts, draw.units.length - draw.drawn),
    },
    record: record.digest,
    ...(state === 'void'
      ? {}
      : { after: { record: record.digest, round: n, beaconRound: c.plan.body.beacon, beacon: draw.value, global: record.body.global } }),
  };
}

const settled = (s: Signed<'settlement'>) => ({
  proved: s.body.proved,
  replayed: s.body.replayed,
  opened: s.body.opened,
  unanswered: s.body.unanswered,
  failed: s.body.holds ? 0 : Math.max(1, s.body.failed.length),
});

/** Checks every round of a federation in order. Throws FederationError, InputError, VerificationError. */
export function checkChain(s: ChainSource): ChainReport {
  const f = s.federation;
  let before = beginning(f, s.seed),
    head: string | null = null,
    pending: number | undefined;
  const rounds: RoundReport[] = [];
  const shown = new Shown(s);
  for (const n of s.rounds) {
    // Numbers draw participants and orders of rows: whoever may skip some chooses among them.
    if (n !== rounds.length) throw new FederationError('record chain', `round ${rounds.length} is missing, round ${n} is there`, 'server');
    const at = checkRound(s, before, n, shown);
    rounds.push(at.report);
    const { state } = at.report;
    if (state === 'void' && at.record !== undefined) shown.voided.add(at.record);
    if (state !== 'open' && state !== 'void') {
      // A record stands on the one before it: while that is provisional, no later one is final.
      if (pending !== undefined && state === 'final')
        throw new FederationError('record provisional', `round ${n} passes for final, round ${pending} is not settled`, 'server');
      if (state === 'provisional') pending ??= n;
      else head = at.record ?? head;
    }
    if (at.after) before = at.after;
  }
  const chain = chainHash(f.charter.body.chain),
    claimed = rounds.some((r) => r.audit && r.audit.verified > r.units),
    opened = rounds.some((r) => r.audit && r.audit.opened > 0);
  return {
    federation: f.charter.digest,
    chain,
    clients: f.enrolments.size,
    rounds,
    head,
    notChecked: [
      ...(s.states
        ? []
        : [
            'last state: adapters were not compared with the committed states (no run folder was given)',
            "first state: the state that a round begins with is the server's word",
          ]),
      ...(s.settings
        ? []
        : ["plan settings: schedule and constants of training, from which the bound on movement follows, are the server's word"]),
      ...(opened ? ['units: what lies between opened records was not verified'] : []),
      ...(claimed
        ? ['units: some verdicts are the word of whoever signed them; proofs of units are verified again where the base is given']
        : []),
      ...(chain === QUICKNET_HASH
        ? []
        : [
            `beacon: ${f.charter.body.chain.id === 'test' ? 'a TEST beacon, ' : ''}a chain of the charter's own; whoever holds its key knows every draw beforehand`,
          ]),
      "times: deadlines and the time of a seal are the server's word",
      "data: rows, classes and quotas are those that clients declare; that two clients are two parties is nobody's to check",
    ],
  };
}
