import { type AggregateRule, aggregate } from './aggregate.js';
import { type Ratio, caught, deposit, mostBad, percent, toNumber } from './catch.js';
import { type CheckedUpdate, type RoundContext, adapterBlob, checkUpdate } from './checks.js';
import type { Draw } from './draw.js';
import { FederationError } from './errors.js';
import { type Message, type Signed, digestOf, sameFederation } from './messages.js';

/*
 * Records: what a round came to. Server and checker make the same body from the same messages, and compare it whole.
 */

/** Who is left out of a round, and why. */
export type Excluded = Message<'record'>['excluded'][number];

/** What a record is made of. */
export interface Outcome {
  readonly context: RoundContext;
  readonly seal: Signed<'seal'>;
  readonly draw: Draw;
  /** Sealed commits with their blobs, in the order of the seal. */
  readonly handed: readonly { readonly commit: Signed<'commit'>; readonly blob: Uint8Array }[];
  /** Verdicts on drawn units, at most one a unit. */
  readonly verdicts: readonly Signed<'verdict'>[];
  /** Commitment to the next global adapter with zero moments; zeros where the programs are not at hand. */
  readonly state: (adapter: Int32Array) => readonly bigint[];
  /** Evidence against clients, by name. */ readonly evidence: ReadonlyMap<string, string>;
}

/** Counts of a draw's units by what was found of them. */
export function auditCounts(draw: Draw, verdicts: readonly Signed<'verdict'>[]): Message<'record'>['audit'] {
  const n = { proved: 0, replayed: 0, opened: 0, failed: 0, unanswered: 0 },
    of = new Set(draw.units.map((u) => `${u.client} ${u.index}`)),
    seen = new Set<string>();
  for (const { body } of verdicts) {
    const at = `${body.client} ${body.unit}`;
    if (!of.has(at) || seen.has(at))
      throw new FederationError('verdict', `unit ${body.unit} was not drawn, or is judged twice`, body.client);
    seen.add(at);
    if (body.how === 'unanswered') n.unanswered++;
    else if (body.holds) n[body.how]++;
    else n.failed++;
  }
  return { pool: draw.pool, drawn: draw.drawn, ...n };
}

/** Clients with a unit that does not hold, or was not answered: silence is failure. */
export const failedClients = (verdicts: readonly Signed<'verdict'>[]): string[] =>
  [...new Set(verdicts.filter((v) => !v.body.holds).map((v) => v.body.client))].sort();

/**
 * Body of a record, and the adapter that it leaves. Updates that do not hold are left out with the name of the check;
 * `after`: verdicts may still be due.
 */
export function makeRecord(o: Outcome): { body: Message<'record'>; adapter: Int32Array; updates: CheckedUpdate[] } {
  const { context: c, seal } = o,
    p = c.plan.body,
    after = p.audit.mode === 'after',
    failed = new Set(failedClients(o.verdicts)),
    excluded: Excluded[] = seal.body.excluded.map((x) => ({ client: x.client, why: x.why, evidence: o.evidence.get(x.client) ?? null })),
    updates: CheckedUpdate[] = [];
  const out = (client: string, why: string): void => {
    excluded.push({ client, why: why.slice(0, 200), evidence: o.evidence.get(client) ?? null });
  };
  for (const { commit, blob } of o.handed) {
    const { client } = commit.body;
    if (failed.has(client)) {
      const v = o.verdicts.find((x) => x.body.client === client && !x.body.holds)!;
      out(client, v.body.how === 'unanswered' ? 'unanswered' : (v.body.refusal ?? 'a unit that does not hold'));
      continue;
    }
    try {
      updates.push(checkUpdate(c, commit, blob));
    } catch (e) {
      if (!(e instanceof FederationError)) throw e;
      out(client, e.check);
    }
  }
  const rule: AggregateRule = p.aggregate,
    adapter = aggregate(c.global, updates, rule, c.charter.body.tensors),
    counts = auditCounts(o.draw, o.verdicts);
  return {
    adapter,
    updates,
    body: {
      type: 'certune-fed-record',
      version: 1,
      federation: c.charter.digest,
      round: p.round,
      plan: c.plan.digest,
      previous: p.previous,
      seal: seal.digest,
      included: updates.map((u) => ({ client: u.client, weight: u.weight, commit: u.commit })),
      excluded: excluded.sort((a, b) => (a.client < b.client ? -1 : 1)),
      audit: counts,
      provisional: after && o.verdicts.length < o.draw.units.length,
      global: { adapter: digestOf(adapterBlob(adapter, c.charter.body)), state: o.state(adapter).map(String) },
    },
  };
}

/** Throws FederationError where a record is not what the round's messages come to, naming the field. */
export function checkRecord(o: Outcome, r: Signed<'record'>): { adapter: Int32Array; updates: CheckedUpdate[] } {
  sameFederation(o.context.charter, r.body, 'server');
  if (o.context.plan.body.audit.mode === 'before' && o.verdicts.length < o.draw.units.length)
    throw new FederationError('verdict', `${o.draw.units.length - o.verdicts.length} drawn units have no verdict`, 'server');
  const own = makeRecord(o),
    text = (x: unknown): string => JSON.stringify(x);
  const differs = (names: readonly (keyof Message<'record'>)[]): string[] => names.filter((n) => text(own.body[n]) !== text(r.body[n]));
  const wrong = (list: readonly string[]): string => `${list.join(', ')} differ from what the messages of the round give`;
  const chain = differs(['round', 'plan', 'previous', 'seal']);
  if (chain.length) throw new FederationError('record chain', wrong(chain), 'server');
  const who = differs(['included', 'excluded']);
  if (who.length) throw new FederationError('record members', wrong(who), 'server');
  if (differs(['audit']).length) throw new FederationError('record audit', wrong(['audit']), 'server');
  if (differs(['provisional']).length)
    throw new FederationError(
      'record provisional',
      own.body.provisional ? 'verdicts are still due' : 'no verdict is due any more',
      'server',
    );
  if (differs(['global']).length) throw new FederationError('record sum', wrong(['global']), 'server');
  return own;
}

/**
 * Checks the settlement of a provisional record: counts and failures are those of the verdicts. Throws FederationError.
 */
export function checkSettlement(o: Outcome, r: Signed<'record'>, s: Signed<'settlement'>): void {
  const n = auditCounts(o.draw, o.verdicts),
    failed = failedClients(o.verdicts),
    b = s.body;
  sameFederation(o.context.charter, b, 'server');
  if (
    b.record !== r.digest ||
    b.round !== r.body.round ||
    o.verdicts.length !== o.draw.units.length ||
    JSON.stringify(b.failed) !== JSON.stringify(failed) ||
    b.proved !== n.proved ||
    b.replayed !== n.replayed ||
    b.opened !== n.opened ||
    b.unanswered !== n.unanswered ||
    b.holds !== (failed.length === 0)
  )
    throw new FederationError('settlement', 'is not what the verdicts give', 'server');
}

/** What the audit of a round says, in numbers and words. */
export interface AuditStatement {
  readonly pool: number;
  readonly drawn: number;
  /** Units whose computation was verified: proved or replayed. */ readonly verified: number;
  /** Units of which the records were opened and nothing more. */ readonly opened: number;
  /** Probability of catching 1, 2, 4, 8, ... bad units, had every drawn unit been verified. */
  readonly caught: readonly { readonly bad: number; readonly probability: Ratio }[];
  /** Most bad units at 99% confidence; undefined where not every drawn unit was verified. */ readonly mostBad?: number;
  /** In gains of one bad unit; undefined where nothing is drawn. */ readonly deposit?: Ratio;
  readonly lines: readonly string[];
}

/**
 * The statement of an audit: what was drawn, what of it was verified, and what that is worth. Nothing that was only
 * opened is counted.
 */
export function auditStatement(a: Message<'record'>['audit'], extra = 0): AuditStatement {
  const verified = a.proved + a.replayed,
    answered = a.drawn + extra,
    whole = verified >= answered && a.failed === 0 && a.unanswered === 0 && a.drawn > 0,
    bads = [1, 2, 4, 8, 16].filter((b) => b <= a.pool),
    list = bads.map((bad) => ({ bad, probability: caught(a.pool, a.drawn, bad) })),
    d = whole ? mostBad(a.pool, a.drawn) : undefined,
    x = deposit(a.pool, a.drawn);
  const lines = [
    `${a.drawn} of ${a.pool} units drawn; ${a.proved} proved, ${a.replayed} replayed, ${a.opened} opened alone, ${a.failed} failed, ${a.unanswered} unanswered`,
    ...(a.opened
      ? [
          `${a.opened} unit${a.opened === 1 ? '' : 's'} NOT CHECKED: the records around them are those committed to, what lies between was not verified`,
        ]
      : []),
    `a draw of ${a.drawn} hits ${list.map((l) => `${l.bad} bad with ${percent(l.probability)}`).join(', ')}${whole ? '' : '; what is hit is caught only where the unit is verified'}`,
    d === undefined
      ? 'no bound on the number of bad units: not every drawn unit was verified'
      : `all drawn units hold: at most ${d} of ${a.pool} units are bad, with 99% confidence`,
    ...(x ? [`cheating with one unit does not pay where being caught costs at least ${toNumber(x).toFixed(2)} times its gain`] : []),
  ];
  return {
    pool: a.pool,
    drawn: a.drawn,
    verified,
    opened: a.opened,
    caught: list,
    ...(d === undefined ? {} : { mostBad: d }),
    ...(x ? { deposit: x } : {}),
    lines,
  };
}
