import { roundTime, type Beacon } from './beacon.js';
import {
  type RoundContext,
  checkAddress,
  checkCommit,
  checkResponse,
  checkSeal,
  checkUpdate,
  checkWithdrawal,
  drawOf,
  sealRoot,
} from './checks.js';
import type { Draw } from './draw.js';
import { FederationError } from './errors.js';
import type { Message, Signed } from './messages.js';

/*
 * A round at the server, as a pure state machine: a state and a message give a state and what is to be said. Nothing
 * here reads a clock, a file or a key; whoever drives it signs what comes out and brings the time. A message that came
 * before changes nothing; a second, other one is evidence against whoever signed both.
 *
 *   collecting -> sealed -> drawn -> closed
 */
export type Phase = 'collecting' | 'sealed' | 'drawn' | 'closed';

export interface RoundState {
  readonly phase: Phase;
  readonly context: RoundContext;
  readonly commits: ReadonlyMap<string, Signed<'commit'>>;
  /** Clients that said before the seal that they cannot finish, or that are excluded, with the reason. */
  readonly excluded: ReadonlyMap<string, string>;
  readonly receipts: number;
  readonly seal?: Signed<'seal'>;
  readonly beacon?: Beacon;
  readonly draw?: Draw;
  readonly responses: ReadonlyMap<string, Signed<'response'>>;
  readonly verdicts: ReadonlyMap<string, Message<'verdict'>>;
}

/** What happens to a round. Messages are opened, their signatures checked. `now` is the server's time. */
export type RoundEvent =
  | { readonly kind: 'commit'; readonly message: Signed<'commit'>; readonly blob: Uint8Array; readonly now: number }
  /** A client that cannot finish, an overflow for example, says so and is left out without guilt. */
  | { readonly kind: 'withdraw'; readonly message: Signed<'withdrawal'> }
  | { readonly kind: 'seal'; readonly message: Signed<'seal'> }
  | { readonly kind: 'beacon'; readonly beacon: Beacon }
  | { readonly kind: 'response'; readonly message: Signed<'response'>; readonly now: number }
  /** A unit that was proved or replayed by whoever can, after its records were opened here. */
  | {
      readonly kind: 'verified';
      readonly client: string;
      readonly unit: number;
      readonly how: 'proved' | 'replayed';
      readonly refusal: string | null;
    }
  | { readonly kind: 'close'; readonly now: number };

/** What is to be signed and published. */
export type RoundOutput =
  | { readonly kind: 'receipt'; readonly body: Message<'receipt'> }
  | { readonly kind: 'verdict'; readonly body: Message<'verdict'> }
  /** Two different signed messages of one party for one place. */
  | {
      readonly kind: 'equivocation';
      readonly party: string;
      readonly first: Signed<'commit' | 'response' | 'seal'>;
      readonly second: Signed<'commit' | 'response' | 'seal'>;
    };

export interface Stepped {
  readonly state: RoundState;
  readonly out: readonly RoundOutput[];
}

export const beginRound = (context: RoundContext): RoundState => ({
  phase: 'collecting',
  context,
  commits: new Map(),
  excluded: new Map(),
  receipts: 0,
  responses: new Map(),
  verdicts: new Map(),
});

const base = (s: RoundState) => ({
  version: 1 as const,
  federation: s.context.charter.digest,
  round: s.context.plan.body.round,
  plan: s.context.plan.digest,
});
const unitName = (client: string, unit: number): string => `${client}-${unit}`;
const put = <V>(m: ReadonlyMap<string, V>, k: string, v: V): Map<string, V> => new Map([...m, [k, v]]);

/** Throws FederationError where something comes out of turn. */
function expectPhase(s: RoundState, phase: Phase, what: string, party?: string): void {
  if (s.phase !== phase) throw new FederationError('phase', `${what} while the round is ${s.phase}`, party);
}

function onCommit(s: RoundState, m: Signed<'commit'>, blob: Uint8Array, now: number): Stepped {
  const { client } = m.body,
    there = s.commits.get(client);
  if (there?.digest === m.digest) return { state: s, out: [] };
  checkCommit(s.context, m);
  // Two signed commits are evidence whenever the second one comes.
  if (there)
    return {
      state: s.phase === 'collecting' ? { ...s, excluded: put(s.excluded, client, 'equivocation') } : s,
      out: [{ kind: 'equivocation', party: client, first: there, second: m }],
    };
  // A seal leaves out who withdrew: with a receipt it would deny that the commit came.
  if (s.excluded.has(client)) throw new FederationError('withdrawal', 'hands in a commit after it', client);
  expectPhase(s, 'collecting', 'a commit', client);
  if (now > s.context.plan.body.deadlines.commit) throw new FederationError('deadline', 'the commit is late', client);
  checkUpdate(s.context, m, blob);
  return {
    state: { ...s, commits: put(s.commits, client, m), receipts: s.receipts + 1 },
    out: [{ kind: 'receipt', body: { type: 'certune-fed-receipt', ...base(s), client, commit: m.digest, time: now, counter: s.receipts } }],
  };
}

/** Body of the seal of a round as it stands, in order of names; who is silent is excluded. */
export function sealBody(s: RoundState, time: number): Message<'seal'> {
  const commits = s.context.participants
      .filter((c) => s.commits.has(c) && !s.excluded.has(c))
      .map((client) => ({ client, commit: s.commits.get(client)!.digest })),
    excluded = s.context.participants
      .filter((c) => !commits.some((x) => x.client === c))
      .map((client) => ({ client, why: s.excluded.get(client) ?? 'no commit in time' }));
  return { type: 'certune-fed-seal', ...base(s), root: sealRoot(commits), commits, excluded, time };
}

function onSeal(s: RoundState, m: Signed<'seal'>): Stepped {
  if (s.seal?.digest === m.digest) return { state: s, out: [] };
  if (s.seal) return { state: s, out: [{ kind: 'equivocation', party: 'server', first: s.seal, second: m }] };
  expectPhase(s, 'collecting', 'a seal');
  checkSeal(s.context, m, s.commits);
  return { state: { ...s, phase: 'sealed', seal: m }, out: [] };
}

function onResponse(s: RoundState, m: Signed<'response'>, now: number): Stepped {
  const { client, unit } = m.body,
    at = unitName(client, unit),
    there = s.responses.get(at);
  if (there?.digest === m.digest) return { state: s, out: [] };
  expectPhase(s, 'drawn', 'a response', client);
  if (now > s.context.plan.body.deadlines.response) throw new FederationError('deadline', 'the response is late', client);
  const commit = s.commits.get(client);
  if (!commit || !s.seal!.body.commits.some((x) => x.client === client))
    throw new FederationError('response', 'is of a client that is not sealed', client);
  if (there) {
    // For another round or plan it is no second answer, and would convict nobody.
    checkAddress(s.context, m);
    return { state: s, out: [{ kind: 'equivocation', party: client, first: there, second: m }] };
  }
  checkResponse(s.context, s.draw!, commit, m);
  const body: Message<'verdict'> = {
    type: 'certune-fed-verdict',
    ...base(s),
    client,
    unit,
    response: m.digest,
    how: 'opened',
    holds: true,
    refusal: null,
  };
  return { state: { ...s, responses: put(s.responses, at, m), verdicts: put(s.verdicts, at, body) }, out: [] };
}

/** Verdicts on all drawn units: those that were found, and silence, which is failure. */
export const verdictBodies = (s: RoundState): Message<'verdict'>[] =>
  s.draw!.units.map(
    ({ client, index }) =>
      s.verdicts.get(unitName(client, index)) ?? {
        type: 'certune-fed-verdict',
        ...base(s),
        client,
        unit: index,
        response: null,
        how: 'unanswered',
        holds: false,
        refusal: 'no answer in time',
      },
  );

/** Why a client is left out that said so itself. */
export const WITHDREW = 'withdrew before the seal';

/** One step. Throws FederationError, whatever is refused leaves the state as it was. */
export function stepRound(s: RoundState, e: RoundEvent): Stepped {
  switch (e.kind) {
    case 'commit':
      return onCommit(s, e.message, e.blob, e.now);
    case 'withdraw': {
      const { client } = e.message.body;
      // Of everybody: what is taken in lies at the place that it names.
      checkWithdrawal(s.context, e.message);
      if (s.commits.has(client)) throw new FederationError('phase', 'has handed in already', client);
      if (s.excluded.has(client)) return { state: s, out: [] };
      expectPhase(s, 'collecting', 'a withdrawal', client);
      return { state: { ...s, excluded: put(s.excluded, client, WITHDREW) }, out: [] };
    }
    case 'seal':
      return onSeal(s, e.message);
    case 'beacon': {
      if (s.beacon && s.beacon.signature === e.beacon.signature) return { state: s, out: [] };
      expectPhase(s, 'sealed', 'a beacon');
      const draw = drawOf(s.context, s.seal!, e.beacon);
      return { state: { ...s, phase: 'drawn', beacon: e.beacon, draw }, out: [] };
    }
    case 'response':
      return onResponse(s, e.message, e.now);
    case 'verified': {
      expectPhase(s, 'drawn', 'a verdict', e.client);
      const at = unitName(e.client, e.unit),
        v = s.verdicts.get(at);
      if (!v) throw new FederationError('verdict', `unit ${e.unit} was not opened`, e.client);
      return {
        state: { ...s, verdicts: put(s.verdicts, at, { ...v, how: e.how, holds: e.refusal === null, refusal: e.refusal }) },
        out: [],
      };
    }
    case 'close': {
      if (s.phase === 'closed') return { state: s, out: [] };
      expectPhase(s, 'drawn', 'the end');
      const bodies = verdictBodies(s),
        pending = s.context.plan.body.audit.show !== 'records' ? bodies.filter((v) => v.how === 'opened') : [],
        due = bodies.some((v) => v.how === 'unanswered');
      if (due && e.now <= s.context.plan.body.deadlines.response)
        throw new FederationError('deadline', 'responses are not due yet', 'server');
      if (pending.length)
        throw new FederationError('verdict', `${pending.length} units were answered and their proofs not verified yet`, 'server');
      return {
        state: { ...s, phase: 'closed', verdicts: new Map(bodies.map((v) => [unitName(v.client, v.unit), v])) },
        out: bodies.map((body) => ({ kind: 'verdict', body })),
      };
    }
  }
}

/** Unix time at which the beacon of a round is due. */
export const beaconDue = (c: RoundContext): number => roundTime(c.charter.body.chain, c.plan.body.beacon);
